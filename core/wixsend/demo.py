"""Floor 6. The sandbox as a command: `wixsend demo` tells the main job on it, step by step; `wixsend sandbox` keeps it up.

What is told is what happens: the engine that the demo runs is the one that `wixsend authenticate` runs, against fakes of Wix, of the DNS
hosts of every installed plugin, and of DNS, all on 127.0.0.1. No account is touched, and nothing leaves this machine.
"""

import asyncio
import json
import shlex
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wixsend import report
from wixsend.config import load
from wixsend.engine import Engine, Preview
from wixsend.errors import ConfigError, Refused
from wixsend.flow import Stage
from wixsend.journal import Entry
from wixsend.layout import Block, Styled, Table, count
from wixsend.locate import Located
from wixsend.mend import Mender
from wixsend.names import absolute, parse_sending_domain, text
from wixsend.plan import Plan
from wixsend.records import Record
from wixsend.session import Session
from wixsend.survey import Order
from wixsend.terminal import Terminal

if TYPE_CHECKING:
    from wixsend.testing.sandbox import Sandbox

__all__ = ["demo", "sandbox"]

_DOMAINS = ("atelier.example", "bakery.example", "cinema.example", "dentist.example", "estate.example", "florist.example")
"""Sending domains, one for each host. `.example` is nobody's (RFC 2606)."""

_TAKEN = "garage.example"
"""A domain whose owner signs with a SendGrid account of their own."""

_QUICK = {
    "WIXSEND_TIMES_LOOK_LEAST": "0.2",
    "WIXSEND_TIMES_STUMBLE_FIRST": "0.2",
    "WIXSEND_TIMES_SETTLE_MOST": "0",
}
"""The demo's waits: the sandbox's DNS is quicker than the world's, and its hosts show an edit at once."""

_LAG = 1.0
"""For how many seconds the sandbox's name servers lag behind their hosts."""


@contextmanager
def _opened(delay: float) -> "Iterator[Sandbox]":
    """The sandbox, where it is installed."""
    try:
        from wixsend.testing.sandbox import Sandbox
    except ImportError as wrong:
        raise ConfigError(
            f"the sandbox is not installed ({wrong.name} is missing)", "Install it: pip install 'wixsend[sandbox]'"
        ) from wrong
    with Sandbox(delay=delay) as opened:
        if not opened.hosts:
            raise ConfigError("no installed plugin brings a sandbox host", "Install the plugins: pip install 'wixsend[all,sandbox]'")
        yield opened


def _zone_of(domain: str, number: int) -> list[Record]:
    """What a small business has in its zone; every second one has a DMARC policy of its own."""
    apex = absolute(domain)
    rows = [("@", "A", "192.0.2.80"), ("www", "CNAME", f"{domain}."), ("@", "MX", "10 mail.example.net."), ("@", "TXT", '"v=spf1 mx -all"')]
    if number % 2 == 0:
        rows.append(("_dmarc", "TXT", f'"v=DMARC1; p=reject; rua=mailto:postmaster@{domain}"'))
    return [Record(absolute(owner, apex), rtype, rdata, 3600) for owner, rtype, rdata in rows]


# -- the story ---------------------------------------------------------------------------------------------------------


@dataclass
class _Client:
    """One domain of the story: where its zone is, and the host's whole state of it before anything was done."""

    domain: str
    host: str
    label: str
    before: Any


async def demo(terminal: Terminal) -> int:
    """`wixsend demo`: the main job, over all hosts at once. Returns 0 when everything that is told came true."""
    began = time.monotonic()
    with _opened(_LAG) as world, tempfile.TemporaryDirectory(prefix="wixsend-demo-") as folder:
        world.wix.requires_dmarc = False
        environ = {**world.environment(), **_QUICK, "WIXSEND_STATE": folder}
        config = load(environ, cwd=Path(folder), user_folder=Path(folder))
        async with Session(config, environ, terminal.redactor) as session:
            story = _Story(terminal, world, session)
            await story.tell()
            came_true, first = story.came_true, next(iter(world.hosts))
        seconds = time.monotonic() - began
    verdict = "Everything above was done and checked" if came_true else "Something above did not come true: that is a bug"
    terminal.show([Styled(""), Styled(f"{verdict}, in {seconds:.1f} seconds. Nothing left this machine.", "good" if came_true else "bad")])
    terminal.show(
        [
            Styled(""),
            Styled("Next", "head"),
            Styled(f"  wixsend providers show {first:<12} what a DNS host needs from you"),
            Styled("  wixsend plan YOUR-DOMAIN            what would be done, and why; writes nothing"),
            Styled("  wixsend sandbox                     this sandbox, to try things on yourself"),
        ]
    )
    return 0 if came_true else 1


class _Story:
    """Tells the steps, and remembers whether each came true."""

    def __init__(self, terminal: Terminal, world: "Sandbox", session: Session) -> None:
        self.came_true = True
        self._terminal = terminal
        self._world = world
        self._session = session
        self._step = 0
        self._clients: list[_Client] = []
        self._stages: dict[str, str] = {}
        self._began = time.monotonic()

    async def tell(self) -> None:
        self._say(
            Styled("wixsend demo: Wix, DNS hosts and DNS as fakes on this machine. They speak the vendors' own HTTP, bad habits included.")
        )
        self._set_up()
        await self._plan()
        await self._authenticate()
        self._count()
        self._compare()
        await self._prove()
        await self._refuse()
        await self._undo()

    def _say(self, *blocks: Block) -> None:
        self._terminal.show(blocks)

    def _head(self, title: str) -> None:
        self._step += 1
        self._say(Styled(""), Styled(f"{self._step}. {title}", "head"), Styled(""))

    def _check(self, holds: bool, told: str) -> None:
        """Say whether something holds that the story promises."""
        self.came_true = self.came_true and holds
        self._say(Styled(f"  {'yes' if holds else 'NO'}: {told}", "good" if holds else "bad"))

    def _order(self, domain: str) -> Order:
        return Order(self._session.site, parse_sending_domain(domain), self._session.known_targets)

    def _set_up(self) -> None:
        hosts = list(self._world.hosts)
        self._head(f"{count(len(hosts), 'client')}, each with the zone at another DNS host")
        for number, (domain, host) in enumerate(zip(_DOMAINS, hosts, strict=False)):
            self._world.add_domain(domain, host, _zone_of(domain, number))
            label = self._session.plugins.get(host).label
            self._clients.append(_Client(domain, host, label, self._world.raw(host, domain)))
        self._world.add_domain(
            _TAKEN, hosts[0], [Record(absolute("s1._domainkey", absolute(_TAKEN)), "CNAME", "s1.domainkey.u42.wl.sendgrid.net.", 3600)]
        )
        rows = [
            (client.domain, client.label, str(len(client.before["records"])), "kept as it is" if number % 2 == 0 else "none")
            for number, client in enumerate(self._clients)
        ]
        self._say(Table(("sending domain", "DNS host", "records", "DMARC policy of its own"), rows))

    async def _plan(self) -> None:
        first = self._clients[0].domain
        self._head(f"wixsend plan {first}")
        preview: Preview = await Engine(self._order(first), self._session, self._session.journal, self._session.config.times).preview()
        self._say(*report.preview_lines(preview))

    async def _authenticate(self) -> None:
        self._head(f"wixsend authenticate, all {len(self._clients)} at once (the name servers lag {_LAG:g} s behind, as real ones do)")
        self._world.reset_counts()
        entries = await asyncio.gather(*(self._one(client) for client in self._clients))
        self._say(Styled(""), *(block for entry in entries for block in report.case_lines(entry, time.time())))
        self._check(all(entry.case.stage is Stage.DONE for entry in entries), "Wix says AUTHENTICATED for each of them")
        self._say(Styled("  (Whether the real Wix insists on its record at _dmarc is not known: this one does not.)", "quiet"))

    async def _one(self, client: _Client) -> Entry:
        engine = Engine(
            self._order(client.domain),
            self._session,
            self._session.journal,
            self._session.config.times,
            lambda update: self._progress(client.domain, update.entry.case.stage.value),
        )
        return await engine.run(_agree, wait=True)

    def _progress(self, domain: str, stage: str) -> None:
        if self._stages.get(domain) != stage:
            self._stages[domain] = stage
            self._say(Styled(f"  {time.monotonic() - self._began:5.1f} s  {domain:<16}  {stage}", "quiet"))

    def _compare(self) -> None:
        self._head("What the hosts hold now, against what they held before")
        rows = []
        whole = True
        for client in self._clients:
            after = self._world.raw(client.host, client.domain)
            lost, came, same_settings = _difference(client.before, after)
            whole = whole and not lost and same_settings
            rows.append(
                (client.domain, str(len(client.before["records"])), f"+{came}", str(lost), "the same" if same_settings else "CHANGED")
            )
        self._say(Table(("zone", "records before", "added", "lost or changed", "zone settings"), rows))
        self._check(whole, "every row that was there is there, field for field")

    async def _prove(self) -> None:
        first = self._clients[0].domain
        self._head(f"wixsend check {first}")
        entry = self._session.journal.for_domain(absolute(first))[0]
        engine = Engine(self._order(first), self._session, self._session.journal, self._session.config.times)
        proof = await engine.prove(entry.case.to_prove)
        seen = Counter(f.server for f in proof.findings if f.verdict.value == "visible")
        kinds = {finding.server: finding.kind.value for finding in proof.findings}
        rows = [(server, kind, f"{seen[server]} of {len(entry.case.to_prove)}") for server, kind in kinds.items()]
        self._say(Table(("server", "kind", "records that it shows"), rows))
        self._check(proof.complete, proof.why)

    def _count(self) -> None:
        self._head("What it cost: HTTP requests from the first to the last")
        rows = [(client.domain, client.label, str(self._world.count(client.host))) for client in self._clients]
        rows.append(("", "Wix, for all of them", str(self._world.count("wix"))))
        self._say(Table(("domain", "asked", "requests"), rows))

    async def _refuse(self) -> None:
        self._head(f"wixsend authenticate {_TAKEN}, whose owner already signs with SendGrid")
        host = self._clients[0].host
        before = self._world.raw(host, _TAKEN)
        entry = await Engine(self._order(_TAKEN), self._session, self._session.journal, self._session.config.times).run(_agree, wait=True)
        self._say(*report.case_lines(entry, time.time()))
        refused = entry.case.stop is not None and entry.case.stop.error == Refused.code
        self._check(refused and self._world.raw(host, _TAKEN) == before, "it was refused, and nothing was written")

    async def _undo(self) -> None:
        client = self._clients[-1]
        self._head(f"wixsend undo {client.domain}")
        done = await Mender(self._order(client.domain), self._session, self._session.journal, self._session.config.times).undo(_agree)
        self._say(*report.plan_lines(done))
        lost, came, same_settings = _difference(client.before, self._world.raw(client.host, client.domain))
        self._check(not lost and not came and same_settings, f"{text(done.before.zone.apex)} is as it was in the beginning")


async def _agree(_plan: Plan, _located: Located) -> bool:
    return True


def _difference(before: Mapping[str, Any], after: Mapping[str, Any]) -> tuple[int, int, bool]:
    """Between two raw states of a zone: rows that are gone or changed, rows that came, and whether the settings are equal."""
    rows = [Counter(json.dumps(row, sort_keys=True) for row in state["records"]) for state in (before, after)]
    settings = [{key: value for key, value in state.items() if key != "records"} for state in (before, after)]
    return (rows[0] - rows[1]).total(), (rows[1] - rows[0]).total(), settings[0] == settings[1]


# -- the sandbox that stays up -----------------------------------------------------------------------------------------


def sandbox(terminal: Terminal, domains: Sequence[str], delay: float, insist: bool) -> int:
    """`wixsend sandbox`: prints the environment that points wixsend here, and stays until Ctrl-C or SIGTERM."""
    import signal

    stopped = threading.Event()
    for ending in (signal.SIGINT, signal.SIGTERM):
        signal.signal(ending, lambda *_: stopped.set())
    with _opened(delay) as world, tempfile.TemporaryDirectory(prefix="wixsend-sandbox-") as folder:
        world.wix.requires_dmarc = insist
        hosts = list(world.hosts)
        placed = [_placed(written, hosts[number % len(hosts)]) for number, written in enumerate(domains or _DOMAINS[: len(hosts)])]
        for number, (domain, host) in enumerate(placed):
            if host not in hosts:
                raise ConfigError(f"no host {host!r} in the sandbox", f"It has: {', '.join(hosts)}.")
            world.add_domain(domain, host, _zone_of(domain, number))
        environ = {**world.environment(), "WIXSEND_STATE": folder}
        if terminal.json:
            terminal.result({"environment": environ, "domains": [{"domain": domain, "host": host} for domain, host in placed]})
        else:
            terminal.show(
                [
                    *(Styled(f"# {domain} is at {host}", "quiet") for domain, host in placed),
                    *(Styled(f"export {name}={shlex.quote(value)}") for name, value in environ.items()),
                ]
            )
        terminal.tell("The sandbox is up; Ctrl-C ends it. With these lines in another shell, wixsend speaks to it:")
        terminal.tell(f"  wixsend authenticate {placed[0][0]}")
        stopped.wait()
    return 0


def _placed(written: str, host: str) -> tuple[str, str]:
    """`DOMAIN` or `DOMAIN=HOST`."""
    domain, _, named = written.partition("=")
    return parse_sending_domain(domain).ascii, named or host
