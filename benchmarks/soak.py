"""Thousands of domains through everything that goes wrong, judged by what the vendors hold: nothing lost, nothing twice, no quota
exceeded.

    uv run benchmarks/soak.py                     5,000 domains; takes hours where vendors' minutes are not made shorter
    uv run benchmarks/soak.py --quick             200 domains: CI's share
    uv run benchmarks/soak.py --domains 1000 --speed 30 --seed 7

Wix, twelve accounts of three DNS hosts and DNS are fakes in a process of their own, with the vendors' true rate limits on. A second
process drives the run; it is killed with SIGKILL every few seconds and started again, until it ends by itself. Of all calls of the
vendors, and of all questions to name servers, 3 % go wrong, each kind of trouble equally often. The fakes' clock and wixsend's run
faster than the machine's, by `--speed`; no code path is another one. Not among the troubles are answers that mean that an account is at
its end (401) and made-up 429s: the vendors' own 429s are counted.

The judge sits in the fakes' process and never sees the journal: it compares each zone's raw state with what was there before, and looks
at each write before it is carried out.
"""

import argparse
import asyncio
import logging
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from _table import Figure, Report, arguments, finish
from wixsend.flow import Stage, Times
from wixsend.names import Name
from wixsend.records import Record
from wixsend.testing.dns import DnsFault
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault
from wixsend.testing.world import FastClock, Fleet, Reach, World, record

DOMAINS, QUICK = 5000, 200
SHARES = {"cloudflare": 0.4, "godaddy": 0.4, "namecheap": 0.2}
"""How the domains are spread over the hosts; each has four accounts."""
ACCOUNTS = 4
SITES = 12
TROUBLE = 0.03
DELAY = 120.0
"""Seconds, by the fast clock, that name servers lag behind their host."""
ALIVE = (3.0, 8.0)
"""The driver is killed after so many seconds, at random."""
LONGEST = 6 * 3600.0

HTTP_TROUBLES: tuple[dict[str, Any], ...] = (
    {"kind": "refuse"},
    {"kind": "lost-reply"},
    {"kind": "hang"},
    {"kind": "hang", "handled": True},
    {"kind": "status", "status": 500},
    {"kind": "status", "status": 500, "handled": True},
    {"kind": "status", "status": 503},
    {"kind": "html"},
    {"kind": "html", "handled": True},
    {"kind": "empty"},
    {"kind": "empty", "handled": True},
    {"kind": "truncate"},
    {"kind": "wrong-shape"},
    {"kind": "wrong-shape", "handled": True},
)
DNS_TROUBLES: tuple[Any, ...] = ("drop", "servfail", "truncate", "no-edns", "no-aa", "garbage", "wrong-id", "wrong-question")

TOO_OFTEN = {"namecheap": 405}
"""How a vendor says that it was asked too often, if not with 429."""


@dataclass(frozen=True, slots=True)
class Client:
    """One sending domain: its name, the account that holds its zone, the number of its site."""

    domain: str
    account: str
    site: int


def clients(count: int) -> list[Client]:
    """The domains, spread over hosts, accounts and sites."""
    hosts = [host for host, share in SHARES.items() for _ in range(round(share * 10))]
    made = []
    for number in range(count):
        host = hosts[number % len(hosts)]
        account = names_of(host)[number // len(hosts) % ACCOUNTS]
        made.append(Client(f"client-{number:05}.example", account, number % SITES))
    return made


def names_of(host: str) -> list[str]:
    return [host, *(f"{host}-{number}" for number in range(2, ACCOUNTS + 1))]


# -- the fakes and the judge, in a process of their own ----------------------------------------------------------------


@dataclass(slots=True)
class Judgement:
    """What the vendors' raw state says. Each list names domains, `wrong` with what is wrong there."""

    calls: int = 0
    too_often: Counter[str] = field(default_factory=Counter)
    authenticated: int = 0
    without_dmarc: int = 0
    not_authenticated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)


@dataclass
class Sometimes(DnsFault):
    """A fault that befalls a share of the questions."""

    share: float = 0.0

    def hits(self, labels: Collection[str], name: Name, rtype: str) -> bool:
        return random.random() < self.share and DnsFault.hits(self, labels, name, rtype)


class Judge:
    """Stands beside the fakes: sees each request before it is handled, and knows what each zone held in the beginning."""

    def __init__(self, world: World, wanted: Sequence[Client]) -> None:
        self._world = world
        self._clients = {client.domain: client for client in wanted}
        self._before = {client.domain: _rows(world, client) for client in wanted}
        self._zones = {_key(world, client): client for client in wanted}
        self._found = Judgement()
        world.around = self._around

    def _around(self, account: str, request: Request, work: Callable[[], Response]) -> Response:
        self._found.calls += 1
        client = self._written(account, request)
        whole = client is not None and self._has_all(client)
        answer = work()
        if whole and client is not None:
            self._found.twice.append(client.domain)
        if answer.status == TOO_OFTEN.get(account.partition("-")[0], 429):
            self._found.too_often[account] += 1
        return answer

    def _written(self, account: str, request: Request) -> Client | None:
        """Whose zone a request writes to; `None` when it writes nothing."""
        if "xml" in request.path:
            form = request.form()
            key = f"{form['SLD']}.{form['TLD']}" if "setHosts" in form["Command"] else ""
        else:
            key = "" if request.method == "GET" else next((part for part in request.path.split("/") if (account, part) in self._zones), "")
        return self._zones.get((account, key))

    def _has_all(self, client: Client) -> bool:
        held = Counter(r for r in self._world.hosts[client.account].published(client.domain) if r.rtype == "CNAME")
        return all(held[want] for want in self._world.wanted(client.domain))

    def judged(self) -> Judgement:
        """As things stand now."""
        found, world = self._found, self._world
        found.authenticated, found.without_dmarc, found.wrong, found.not_authenticated = 0, 0, [], []
        told = {held.domain: held.status for held in world.wix.domains.values()}
        for client in self._clients.values():
            if told[client.domain] == "AUTHENTICATED":
                found.authenticated += 1
            else:
                found.not_authenticated.append(client.domain)
            lost = self._before[client.domain] - _rows(world, client)
            held = Counter(r for r in world.hosts[client.account].published(client.domain) if r.rtype == "CNAME")
            wanted = world.wanted(client.domain)
            done = told[client.domain] == "AUTHENTICATED"
            needed = [want for want in wanted if want.owner.labels[0] != b"_dmarc"]
            if done and not all(held[want] for want in wanted):
                found.without_dmarc += 1
            odd = [f"{held[want]} of {want.owner}" for want in wanted if held[want] > 1 or (done and want in needed and not held[want])]
            if lost or odd:
                found.wrong.append(f"{client.domain} ({', '.join([*(f'lost {row}' for row in lost), *odd])})")
        return found


def _rows(world: World, client: Client) -> Counter[str]:
    """The zone's raw rows, each as text."""
    return Counter(repr(sorted(row.items())) for row in world.raw(client.account, client.domain)["records"])


def _key(world: World, client: Client) -> tuple[str, str]:
    """The account, and what a request to its host names the zone by."""
    return client.account, str(world.raw(client.account, client.domain).get("id", client.domain))


def others(domain: str) -> list[Record]:
    return [
        record("@", "A", "192.0.2.10", domain),
        record("www", "CNAME", f"{domain}.", domain),
        record("@", "MX", "10 mx1.example.net.", domain),
        record("@", "TXT", '"v=spf1 mx -all"', domain),
    ]


def serve(count: int, speed: float, seed: int, folder: Path, pipe: Connection) -> None:
    """The world: sends how to reach it, and the list of domains with their sites; then, whenever it is asked, the judgement."""
    random.seed(seed)
    logging.disable()  # of connections that the killed leave behind
    accounts = {name: host for host in SHARES for name in names_of(host)[1:]}
    made = clients(count)
    with World(folder, delay=DELAY, accounts=accounts, clock=FastClock(speed)) as world:
        sites = [world.wix.site, *(world.wix.add_site(f"site {number}", beside=world.wix.site) for number in range(1, SITES))]
        for client in made:
            world.wix.add_domain(client.domain, sites[client.site])
            world.add_zone(client.domain, client.account, others(client.domain))
        judge = Judge(world, made)
        share = TROUBLE / len(HTTP_TROUBLES)
        world.server.faults.add(*(Fault(**each, times=10**9, match=partial(_befalls, share)) for each in HTTP_TROUBLES))
        for kind in DNS_TROUBLES:
            world.dns.add_fault(Sometimes(kind, share=TROUBLE / len(DNS_TROUBLES)))
        sheet = "\n".join(["domain,site_id", *(f"{client.domain},{sites[client.site].id}" for client in made)])
        pipe.send((world.reach(), sheet))
        while pipe.recv():
            pipe.send(judge.judged())


def _befalls(share: float, _request: Request) -> bool:
    return random.random() < share


# -- the driver, in a process of its own -------------------------------------------------------------------------------


def fleet(reach: Reach, speed: float) -> Fleet:
    """A process of wixsend. What was read counts as fresh for as long, by the fast clock, as a busy machine needs; the longest waits are
    cut short, as `[times]` can."""
    times = Times(zone_fresh=2 * speed, plan_fresh=20 * speed, blind_first=300.0, retry_first=60.0)
    return Fleet(lambda: reach, FastClock(speed), "", {}, times=times, settings={"timeout": 3.0}, timeout=10.0)


def take_in(reach: Reach, speed: float, sheet: str) -> None:
    """What `bulk run` does first."""
    fleet(reach, speed).take_in(sheet)


def drive(reach: Reach, speed: float) -> None:
    """What `bulk run` does then, until everything has ended."""
    asyncio.run(fleet(reach, speed).drive())


def run_and_kill(reach: Reach, speed: float, seed: int, longest: float, tell: Callable[[int], None]) -> tuple[int, bool]:
    """Drive the run to its end, killing whoever drives it now and then. How often it was killed, and whether it came to its end."""
    chance, kills, until = random.Random(seed), 0, time.monotonic() + longest
    while time.monotonic() < until:
        process = _started(drive, reach, speed)
        process.join(chance.uniform(*ALIVE))
        if process.exitcode is not None:
            assert process.exitcode == 0, "the driver failed: see its traceback"
            return kills, True
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
        kills += 1
        tell(kills)
    return kills, False


PRELOADED = ["__main__", "wixsend.testing.world", *(f"wixsend_{host}.adapter" for host in SHARES)]
"""What each driver has in it when it is started: it is to be killed at work, and not while it imports."""


def _started(work: Callable[..., object], *args: object) -> BaseProcess:
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=work, args=args, daemon=True)
    process.start()
    return process


# -- the table ---------------------------------------------------------------------------------------------------------


def explained(reach: Reach, speed: float) -> Counter[str]:
    """By what the report says, why domains stopped: their codes."""
    journal = fleet(reach, speed).journal()
    stops = [entry.case.stop for entry in journal.entries() if entry.case.stage is Stage.STOPPED]
    journal.close()
    return Counter(stop.error for stop in stops if stop is not None)


def measure(options: argparse.Namespace) -> Report:
    count = options.domains or (QUICK if options.quick else DOMAINS)
    with tempfile.TemporaryDirectory() as folder:
        here, there = multiprocessing.Pipe()
        world = multiprocessing.get_context("spawn").Process(
            target=serve, args=(count, options.speed, options.seed, Path(folder), there), daemon=True
        )
        world.start()
        reach, sheet = here.recv()
        began = time.monotonic()
        take_in(reach, options.speed, sheet)

        def judged() -> Judgement:
            here.send(True)
            found: Judgement = here.recv()
            return found

        def tell(kills: int) -> None:
            if kills % 5 == 0:
                print(f"killed {kills} times; {judged().authenticated} of {count} authenticated", file=sys.stderr, flush=True)

        kills, ended = run_and_kill(reach, options.speed, options.seed, LONGEST, tell)
        took, found = time.monotonic() - began, judged()
        why = explained(reach, options.speed)
        here.send(False)
        world.join()
    unexplained = len(found.not_authenticated) - why.total()
    row = {
        "domains": count,
        "took": Figure(took, unit=" s"),
        "by the fast clock": Figure(took * options.speed / 60, unit=" min"),
        "killed": kills,
        "calls to hosts": found.calls,
        "authenticated": found.authenticated,
        "without _dmarc": found.without_dmarc,
        "stopped, explained": why.total(),
        "unexplained": Figure(unexplained, 0),
        "zones wrong": Figure(len(found.wrong), 0),
        "written twice": Figure(len(found.twice), 0),
        "asked too often": Figure(found.too_often.total(), 0),
    }
    missed = [] if ended else ["the run did not come to its end"]
    missed += [f"{what}: {', '.join(names[:5])}" for what, names in (("wrong", found.wrong), ("twice", found.twice)) if names]
    missed += [f"{account} was asked too often, {times} times" for account, times in found.too_often.items()]
    notes = [
        "Where DNS did not tell whether a stricter DMARC policy is inherited, Wix's record at _dmarc is left out, and the report says so."
    ]
    notes += [f"stopped: {times} with {code}" for code, times in why.items()]
    return Report("soak", [row], missed=missed, notes=notes)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--domains", type=int, help="how many, instead of the usual number")
    parser.add_argument("--speed", type=float, default=20.0, help="seconds that pass by the fast clock in one second")
    parser.add_argument("--seed", type=int, default=1, help="of what goes wrong, and when")
    options = parser.parse_args()
    return finish(measure(options), options)


if __name__ == "__main__":
    sys.exit(main())
