"""How soon after a write somebody knows that everybody sees it, and what it costs in questions, on real name servers and resolvers.

    uv run benchmarks/visible.py

The five records of one sending domain are typed in at a real DNS host (PowerDNS) whose negative TTL is 12 seconds. `wixsend` proves them at
every authoritative server and at five resolvers (unbound, kresd, pdns-recursor, BIND, dnsmasq). The `dig` loop asks one of them (kresd)
every 5 seconds, and began 1 second before the write, as people do. `lego` waits for its own record (TXT at `_acme-challenge`) before it
tells an ACME server (Pebble). `asked before`: somebody else had asked all five resolvers just before the write. `late` is how long after
the moment from which all that are asked do show the records. Needs root and the Debian packages in `.ci/apt.txt`.
"""

import asyncio
import contextlib
import os
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import dns.asyncquery
import dns.message

from _table import ROOT, Figure, Report, arguments, finish

sys.path.insert(0, str(ROOT / "tests"))
from live_servers.configs import API_KEY
from live_servers.lab import API, KRESD, RESOLVERS, UNBOUND_FRESH, HostedZone, Lab, lacking
from wixsend.flow import Times
from wixsend.lookup import Dns
from wixsend.names import absolute, text
from wixsend.records import Record
from wixsend.testing.world import record

NAMES = ("s1._domainkey", "s2._domainkey", "sel1._domainkey", "sg", "_dmarc")
SITUATIONS = ("nobody asked before", "asked before")
OBSERVED = 0.1
"""Seconds between two looks of the observer, who only ever asks caches that somebody has filled already."""


@dataclass(frozen=True, slots=True)
class Pace:
    """The zone's negative TTL, and how often the loop asks, in seconds."""

    negative_ttl: int = 12
    every: float = 5.0
    head_start: float = 1.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """Seconds from the write until it was known, those of the last look, until it was so; who denied it then; questions, at one, at all."""

    known: float
    look: float = 0.0
    truth: float | None = None
    denying: int | None = None
    at_one_resolver: int | None = None
    at_all: int | None = None


async def ask(resolver: str, name: Record) -> bool:
    """True when a resolver shows the record."""
    answer = await dns.asyncquery.udp(dns.message.make_query(name.owner, name.rtype), resolver, timeout=5)
    return any(rdata.to_text() == name.rdata for rrset in answer.answer for rdata in rrset)


async def fill_caches(wants: Sequence[Record]) -> None:
    """Somebody asks every resolver for every name."""
    await asyncio.gather(*(ask(resolver, want) for resolver in RESOLVERS for want in wants))


async def observe(wants: Sequence[Record]) -> float:
    """When every resolver shows every record."""
    left = [(resolver, want) for resolver in RESOLVERS for want in wants]
    while left := [each for each in left if not await ask(*each)]:  # noqa: ASYNC110 (nobody there sets an event)
        await asyncio.sleep(OBSERVED)
    return time.monotonic()


async def deniers(wants: Sequence[Record]) -> int:
    """How many resolvers do not show every record."""
    shown = [await asyncio.gather(*(ask(resolver, want) for want in wants)) for resolver in RESOLVERS]
    return sum(not all(each) for each in shown)


def wanted(apex: str) -> list[Record]:
    return [record(name, "CNAME", f"{name}.{apex}.s004.ascendbywix.com.", apex, 60) for name in NAMES]


async def wixsend(lab: Lab, zone: HostedZone, asked_before: bool) -> Outcome:
    """As the engine does: the next look when the proof says so."""
    wants, times, client = wanted(zone.apex), Times(), Dns(lab.settings())
    delegation = await client.delegation(absolute(zone.apex))
    if asked_before:
        await fill_caches(wants)
    start = time.monotonic()
    zone.put(*wants)
    observer = asyncio.create_task(observe(wants)) if asked_before else None
    looked = start
    while not (proof := await client.prove(wants, delegation, waited=looked - start)).complete:
        await asyncio.sleep(min(max(proof.next_look, times.look_least), times.look_most))
        looked = time.monotonic()
    known, look = time.monotonic() - start, time.monotonic() - looked
    truth = max(0.0, await observer - start) if observer else 0.0
    denying = await deniers(wants)
    await client.close()
    return Outcome(known, look, truth, denying, client.queries[KRESD], client.queries.total())


async def dig_loop(zone: HostedZone, asked_before: bool, pace: Pace) -> Outcome:
    """`dig` at one resolver, again and again."""
    wants, asked = wanted(zone.apex), 0
    if asked_before:
        await fill_caches(wants)

    async def all_shown() -> bool:
        nonlocal asked
        asked += len(wants)
        return all([await dig_shows(want) for want in wants])

    await all_shown()
    await asyncio.sleep(pace.head_start)
    start = time.monotonic()
    zone.put(*wants)
    await asyncio.sleep(pace.every - pace.head_start)
    while not await all_shown():  # noqa: ASYNC110 (a loop that sleeps is what is measured)
        await asyncio.sleep(pace.every)
    return Outcome(time.monotonic() - start, denying=await deniers(wants), at_one_resolver=asked, at_all=asked)


async def dig_shows(want: Record) -> bool:
    command = ["dig", "+short", f"@{KRESD}", text(want.owner), want.rtype]
    dig = await asyncio.create_subprocess_exec(*command, stdout=subprocess.PIPE)
    printed, _ = await dig.communicate()
    return printed.decode().strip() == want.rdata


class Acme:
    """Pebble, an ACME server for tests, that looks at DNS through a resolver that nobody else asks."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        self.log = folder / "log"
        key = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"]
        files = ["-keyout", "key.pem", "-out", "cert.pem", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1"]
        subprocess.run([*key, *files], cwd=folder, check=True, capture_output=True)
        listening = '"listenAddress":"127.0.0.1:14000","managementListenAddress":"127.0.0.1:15000"'
        (folder / "pebble.json").write_text(f'{{"pebble":{{{listening},"certificate":"cert.pem","privateKey":"key.pem"}}}}')
        (folder / "resolv.conf").write_text(f"nameserver {KRESD}\n")

    def __enter__(self) -> "Acme":
        environment = {"PATH": os.environ["PATH"], "PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0"}
        command = ["pebble", "-config", "pebble.json", "-dnsserver", f"{UNBOUND_FRESH}:53"]
        with self.log.open("wb") as log:
            self._pebble = subprocess.Popen(command, cwd=self.folder, stdout=log, stderr=log, env=environment)
        end = time.monotonic() + 10
        while time.monotonic() < end:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", 14000), timeout=1):
                return self
            time.sleep(0.02)
        raise RuntimeError(f"Pebble does not start:\n{self.log.read_text()}")

    def __exit__(self, *_wrong: object) -> None:
        self._pebble.terminate()
        self._pebble.wait()


async def lego(acme: Acme, zone: HostedZone, asked_before: bool) -> Outcome:
    """From the write to the moment when lego believes that its record is everywhere, as its log tells."""
    if asked_before:
        await fill_caches([record("_acme-challenge", "TXT", '"x"', zone.apex)])
    environment = {
        "PATH": os.environ["PATH"],
        "LEGO_CA_CERTIFICATES": str(acme.folder / "cert.pem"),
        "PDNS_API_URL": f"http://{API}:8081",
        "PDNS_API_KEY": API_KEY,
    }
    # lego finds name servers' addresses through the machine's own resolver, so it is given another resolv.conf
    inside = ["unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(acme.folder / "resolv.conf")]
    command = ["lego", "--server", "https://127.0.0.1:14000/dir", "--accept-tos", "--email", "owner@example.com"]
    command += ["--path", str(acme.folder / zone.apex), "--dns", "pdns", "--dns.resolvers", f"{KRESD}:53", "--domains", zone.apex, "run"]
    running = await asyncio.create_subprocess_exec(*inside, *command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env=environment)
    assert running.stdout is not None
    written = known = 0.0
    said = b""
    async for line in running.stdout:
        said += line
        written = written or (time.monotonic() if b"Trying to solve DNS-01" in line else 0.0)
        waiting = b"Wait for propagation" in line or b"Waiting for DNS record propagation" in line
        known = time.monotonic() if waiting else known
    if await running.wait():
        raise RuntimeError(f"lego did not get its certificate:\n{said.decode()}")
    return Outcome(known - written)


async def measure(lab: Lab, pace: Pace) -> dict[tuple[str, str], Outcome]:
    """Everybody in every situation, at the same time, each with a zone of their own."""

    def zone() -> HostedZone:
        return lab.zone(minimum=pace.negative_ttl)

    with Acme(lab.folder / "acme") as acme:
        runs = {
            (situation, who): run
            for situation in SITUATIONS
            for who, run in (
                ("wixsend", wixsend(lab, zone(), situation == SITUATIONS[1])),
                ("dig loop", dig_loop(zone(), situation == SITUATIONS[1], pace)),
                ("lego", lego(acme, zone(), situation == SITUATIONS[1])),
            )
        }
        return dict(zip(runs, await asyncio.gather(*runs.values()), strict=True))


def late(outcome: Outcome, at_most: float | None) -> Figure | None:
    """How long after the truth it was known, where the truth was watched."""
    if outcome.truth is None:
        return None
    return Figure(round(max(0.0, outcome.known - outcome.truth), 2), at_most and round(at_most, 2), " s")


def report(found: dict[tuple[str, str], Outcome], pace: Pace) -> Report:
    """The table. Targets: the last look at most 1 s after the truth; undisturbed, a tenth of the loop's time, a quarter of its asks."""
    rows: list[dict[str, object]] = []
    for (situation, who), outcome in found.items():
        loop = found[situation, "dig loop"]
        ours, undisturbed = who == "wixsend", who == "wixsend" and situation == SITUATIONS[0]
        rows.append(
            {
                "situation": situation,
                "tool": who,
                "known after": Figure(outcome.known, round(loop.known / 10, 1) if undisturbed else None, " s"),
                "late": late(outcome, 1 + outcome.look if ours else None),
                "resolvers that deny then": Figure(outcome.denying, 0 if ours else None) if outcome.denying is not None else None,
                "questions at one": Figure(outcome.at_one_resolver, loop.at_one_resolver / 4 if undisturbed else None)
                if outcome.at_one_resolver and loop.at_one_resolver
                else None,
                "at all": outcome.at_all,
            }
        )
    notes = [
        f"Negative TTL {pace.negative_ttl} s; the loop asks every {pace.every:g} s. {len(NAMES)} names.",
        "Resolvers tell whole seconds and may mean up to one more, so the last look comes a second after the last of them; it took "
        f"{max(outcome.look for outcome in found.values()):.2f} s.",
        "The loop knows about its own resolver alone; lego looks at the authoritative servers alone, every 2 s at the least.",
    ]
    return Report("visible", rows, notes=notes)


def main() -> int:
    options = arguments(__doc__).parse_args()
    if why := lacking():
        sys.exit(f"this benchmark cannot run here: {why}")
    pace = Pace(4, 5 / 3, 1 / 3) if options.quick else Pace()
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        stack.enter_context(lab.entered())
        found = asyncio.run(measure(lab, pace))
    return finish(report(found, pace), options)


if __name__ == "__main__":
    sys.exit(main())
