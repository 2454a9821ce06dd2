"""Thousands of domains through everything that goes wrong, judged by what the vendors hold: nothing lost, nothing twice, no quota
exceeded.

    uv run benchmarks/soak.py                     5,000 domains, one process on SQLite; takes half an hour
    uv run benchmarks/soak.py --workers 2         the same by two workers on PostgreSQL (Debian's, started here)
    uv run benchmarks/soak.py --quick             200 domains
    uv run benchmarks/soak.py --domains 1000 --speed 30 --seed 7 --each 1

Wix, twelve accounts of three DNS hosts and DNS are fakes in a process of their own, with the vendors' true rate limits on. Processes of
wixsend drive the run; one of them is killed with SIGKILL every few seconds, and another started in its place, until the run has ended.
Of all calls of the vendors, and of all questions to name servers, 3 % meet each kind of trouble: more than a third of all calls go wrong.
The fakes' clock and wixsend's run faster than the machine's, by `--speed`; no code path is another one. Not among the troubles are
answers that mean that an account is at its end (401).

The judge sits in the fakes' process and never sees the journal: it compares each zone's raw state with what was there before, and looks
at each write before it is carried out. The 429s that it counts are those of the true limits, not those that are made up. The journal is
asked whether the run has ended, and why domains stopped.

Ctrl-C ends it early, and shows how things stand; an early end is not written into the page.
"""

import argparse
import asyncio
import logging
import multiprocessing
import random
import signal
import sys
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import NamedTuple

import sqlalchemy as sa

from _table import ROOT, Figure, Report, arguments, finish

sys.path.insert(0, str(ROOT / "tests"))  # the server of the tests

from postgres import Postgres, lacking
from wixsend.errors import Bug
from wixsend.flow import Stage, Times
from wixsend.journal import Journal
from wixsend.names import Name, text
from wixsend.records import Record
from wixsend.runs import Runs
from wixsend.tables import cases
from wixsend.testing.dns import DnsFault, FaultKind
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault, Faults
from wixsend.testing.world import FastClock, Fleet, Reach, World, record

DOMAINS, QUICK = 5000, 200
SHARES = {"cloudflare": 0.4, "godaddy": 0.4, "namecheap": 0.2}
"""How the domains are spread over the hosts; each has four accounts."""
ACCOUNTS = 4
SITES = 12
EACH = 3.0
"""Per cent of all calls that meet each trouble."""
DELAY = 120.0
"""Seconds, by the fast clock, that name servers lag behind their host."""
ALIVE = (3.0, 8.0)
"""After so many seconds, at random, a process is killed, but not before something has happened: a busy machine's would never get further
than their start."""
IDLE = 30.0
"""Seconds after which one is killed although nothing has happened."""
LONGEST = 12 * 3600.0
TOLD_EVERY = 15.0
TIMEOUT, HELD, SHUT, DNS_TIMEOUT = 1.0, 1.4, 0.1, 0.25
"""Seconds of the machine: how long a call is waited for, how long one is held that times out, how long nobody listens, and how long a
question to a name server is waited for."""
LAG = 4.5
"""Seconds, by the fast clock, after a write during which a host may answer as before it: somewhat less than the plugins say."""

HTTP_TROUBLES: dict[str, tuple[Fault, ...]] = {
    "refused": (Fault("refuse"),),
    "reset": (Fault("refuse"),),
    "lost reply": (Fault("lost-reply"),),
    "time-out": (Fault("hang", seconds=HELD), Fault("hang", seconds=HELD, handled=True)),
    "429": (Fault("status", status=429),),
    "429, Retry-After": (Fault("status", status=429, headers={"retry-after": "30"}),),
    "500": (Fault("status", status=500), Fault("status", status=500, handled=True)),
    "503": (Fault("status", status=503),),
    "html": (Fault("html"), Fault("html", handled=True)),
    "empty": (Fault("empty"), Fault("empty", handled=True)),
    "truncated": (Fault("truncate"),),
    "wrong shape": (Fault("wrong-shape"), Fault("wrong-shape", handled=True)),
}
"""What befalls calls, as in the fault matrix; of several faults any one. After a `refused` nobody listens for a moment."""
STALE = "stale read"
"""The trouble that is the host's own: see `Lagging`."""
DNS_TROUBLES: tuple[FaultKind, ...] = (
    *("drop", "servfail", "truncate", "no-edns", "no-aa", "garbage", "wrong-id", "wrong-question", "wrong-source"),
)

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


# -- what goes wrong ---------------------------------------------------------------------------------------------------


class Chances(Faults):
    """Each trouble befalls a share of the calls. `shut` makes a service refuse connections for a moment; `met` counts by trouble."""

    def __init__(self, share: float, shut: Callable[[str], None]) -> None:
        super().__init__()
        self.met: Counter[str] = Counter()
        self._share = share
        self._shut = shut

    def take(self, service: str, number: int, request: Request) -> Fault | None:
        drawn = int(random.random() / self._share) if self._share else len(HTTP_TROUBLES)
        if drawn >= len(HTTP_TROUBLES):
            return None
        name = [*HTTP_TROUBLES][drawn]
        self.met[name] += 1
        fault = random.choice(HTTP_TROUBLES[name])
        return replace(fault, action=lambda: self._shut(service)) if name == "refused" else fault


class Doors:
    """Shuts a service of the world for a moment."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._lock = threading.Lock()
        self._shut: dict[str, threading.Timer] = {}

    def shut(self, service: str) -> None:
        """From the service's own thread."""
        with self._lock:
            if service in self._shut:
                return
            self._shut[service] = threading.Timer(SHUT, self._reopen, (service,))
        self._world.server.shut(service)
        self._shut[service].start()

    def _reopen(self, service: str) -> None:
        with self._lock:
            del self._shut[service]
            self._world.server.reopen(service)

    def close(self) -> None:
        """Nothing is shut any more."""
        while timers := list(self._shut.values()):
            for timer in timers:
                timer.join()


@dataclass
class Sometimes(DnsFault):
    """A fault that befalls a share of the questions."""

    share: float = 0.0

    def hits(self, labels: Collection[str], name: Name, rtype: str) -> bool:
        return random.random() < self.share and DnsFault.hits(self, labels, name, rtype)


class Lagging:
    """Hosts that, for a moment after a write, answer a share of the reads as they did before it."""

    def __init__(self, share: float, now: Callable[[], float]) -> None:
        self.met = 0
        self._share = share
        self._now = now
        self._latest: dict[tuple[str, str], dict[object, Response]] = {}
        self._older: dict[tuple[str, str], tuple[float, dict[object, Response]]] = {}

    def wrote(self, zone: tuple[str, str]) -> None:
        """A zone was written to just now."""
        self._older[zone] = (self._now(), self._latest.pop(zone, {}))

    def read(self, zone: tuple[str, str], request: Request, answer: Response) -> Response:
        """This answer to a read of a zone, or an older one."""
        asked = (request.method, request.path, request.query, request.body)
        at, older = self._older.get(zone, (0.0, {}))
        if asked in older and self._now() - at < LAG and random.random() < self._share:
            self.met += older[asked] != answer
            return older[asked]
        if answer.status == 200:
            self._latest.setdefault(zone, {})[asked] = answer
        return answer


# -- the fakes and the judge, in a process of their own ----------------------------------------------------------------


@dataclass(slots=True)
class Judgement:
    """What the vendors' raw state says. Each list names domains, `wrong` with what is wrong there.

    `met` counts the troubles that befell calls, reads and questions.
    """

    calls: int = 0
    too_often: Counter[str] = field(default_factory=Counter)
    authenticated: int = 0
    not_authenticated: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)
    twice: list[str] = field(default_factory=list)
    met: Counter[str] = field(default_factory=Counter)


class Judge:
    """Stands beside the fakes: sees each request before it is handled, and knows what each zone held in the beginning."""

    def __init__(self, world: World, wanted: Sequence[Client], lagging: Lagging | None = None) -> None:
        self._world = world
        self._clients = {client.domain: client for client in wanted}
        self._before = {client.domain: _State.of(world, client) for client in wanted}
        self._wanted = {held.domain: tuple(held.wants) for held in world.wix.domains.values()}
        self._zones = {_key(world, client): client for client in wanted}
        self._lagging = lagging or Lagging(0.0, world.clock.now)
        self._found = Judgement()
        world.around = self._around

    def _around(self, account: str, request: Request, work: Callable[[], Response]) -> Response:
        self._found.calls += 1
        zone = self._zone(account, request)
        client, writes = self._zones.get(zone), _writes(request)
        whole = client is not None and writes and self._has_all(client)
        answer = work()
        if whole and client is not None:
            self._found.twice.append(client.domain)
        if answer.status == TOO_OFTEN.get(account.partition("-")[0], 429):
            self._found.too_often[account] += 1
        if client is None:
            return answer
        if not writes:
            return self._lagging.read(zone, request, answer)
        self._lagging.wrote(zone)
        return answer

    def _zone(self, account: str, request: Request) -> tuple[str, str]:
        """The zone that a request is about, as its account and what it is named by there; without a name when it is about none."""
        if "xml" in request.path:
            form = {**request.args, **request.form()}
            return account, f"{form.get('SLD', '')}.{form.get('TLD', '')}"
        return account, next((part for part in request.path.split("/") if (account, part) in self._zones), "")

    def _has_all(self, client: Client) -> bool:
        held = _published(self._world, client)
        return all(held[want] for want in self._wanted[client.domain])

    def counted(self) -> Judgement:
        """How far it has come, without a look at any zone: that of thousands would keep the fakes from answering."""
        found, world = self._found, self._world
        found.too_often["wix"] = world.wix.too_often
        found.not_authenticated = [held.domain for held in world.wix.domains.values() if held.status != "AUTHENTICATED"]
        found.authenticated = len(self._clients) - len(found.not_authenticated)
        return found

    def judged(self) -> Judgement:
        """As things stand now."""
        found = self.counted()
        undone = set(found.not_authenticated)
        odd = {client.domain: self._odd(client, done=client.domain not in undone) for client in self._clients.values()}
        found.wrong = [f"{domain} ({', '.join(what)})" for domain, what in odd.items() if what]
        return found

    def _odd(self, client: Client, *, done: bool) -> list[str]:
        """What is not as it must be: what was there is there still, with every field; ours are there once each, all of them when
        Wix says AUTHENTICATED, the one at _dmarc with them; and there is nothing else.
        """
        world, before = self._world, self._before[client.domain]
        now, held, wanted = _State.of(world, client), _published(world, client), self._wanted[client.domain]
        odd = [f"lost {row}" for row in before.rows - now.rows]
        odd += [f"{held[want]} of {want.owner}" for want in wanted if held[want] > 1 or (done and not held[want])]
        odd += [f"{record} came" for record in held - before.published - Counter({want: held[want] for want in wanted})]
        twice = (now.rows - before.rows).total() - sum(held[want] for want in wanted)
        odd += [f"{twice} rows too many"] * (twice > 0)
        return odd + ["its settings changed"] * (now.settings != before.settings)


class _State(NamedTuple):
    """A zone at its vendor: the raw rows, each as text, the settings, and what is published."""

    rows: Counter[str]
    settings: str
    published: Counter[Record]

    @classmethod
    def of(cls, world: World, client: Client) -> "_State":
        raw = world.raw(client.account, client.domain)
        rows = Counter(repr(sorted(row.items())) for row in raw["records"])
        return cls(rows, repr(sorted((k, repr(v)) for k, v in raw.items() if k != "records")), _published(world, client))


def _published(world: World, client: Client) -> Counter[Record]:
    return Counter(world.hosts[client.account].published(client.domain))


def _writes(request: Request) -> bool:
    """True for a request that changes a zone."""
    return "setHosts" in request.form().get("Command", "") if "xml" in request.path else request.method != "GET"


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


def serve(count: int, speed: float, seed: int, share: float, folder: Path, pipe: Connection) -> None:
    """The world: sends how to reach it, and the list of domains with their sites; then, whenever it is asked, the judgement."""
    for number in (signal.SIGINT, signal.SIGTERM):  # the judgement is still asked for
        signal.signal(number, signal.SIG_IGN)
    random.seed(seed)
    logging.disable()  # of connections that the killed leave behind
    accounts = {name: host for host in SHARES for name in names_of(host)[1:]}
    made = clients(count)
    with World(folder, accounts=accounts, clock=FastClock(speed)) as world:
        sites = [world.wix.site, *(world.wix.add_site(f"site {number}", beside=world.wix.site) for number in range(1, SITES))]
        for client in made:
            world.wix.add_domain(client.domain, sites[client.site])
            world.add_zone(client.domain, client.account, others(client.domain))
        world.dns.fall_behind(DELAY)
        lagging, doors = Lagging(share, world.clock.now), Doors(world)
        judge = Judge(world, made, lagging)
        chances = world.server.faults = Chances(share, doors.shut)
        mute = {kind: Sometimes(kind, share=share) for kind in DNS_TROUBLES}
        for kind, fault in mute.items():
            fault.action = partial(chances.met.update, [f"DNS {kind}"])
            world.dns.add_fault(fault)
        sheet = "\n".join(["domain,site_id", *(f"{client.domain},{sites[client.site].id}" for client in made)])
        pipe.send((world.reach(), sheet))
        with suppress(EOFError):  # whoever asks is gone
            while True:
                found = judge.judged() if pipe.recv() else judge.counted()
                found.met = chances.met + Counter({STALE: lagging.met})
                pipe.send(found)
        doors.close()


# -- those who drive, each in a process of its own ---------------------------------------------------------------------


@dataclass(frozen=True)
class Place:
    """How a process of wixsend reaches the world, by which clock, and the journal: a file in the folder where no URL is given."""

    reach: Reach
    speed: float
    database: str = ""

    def beside(self, name: str) -> "Place":
        """Another machine: it has a folder of its own."""
        return replace(self, reach=replace(self.reach, folder=self.reach.folder / name))

    def fleet(self) -> "Told":
        """A process of wixsend. What was read counts as fresh for as long, by the fast clock, as a busy machine needs; the longest waits
        are cut short, as `[times]` can."""
        speed = self.speed
        times = Times(zone_fresh=2 * speed, plan_fresh=20 * speed, blind_first=300.0, retry_first=60.0, retry_most=600.0)
        manners = {"settings": {"timeout": DNS_TIMEOUT}, "timeout": TIMEOUT, "database": self.database}
        return Told(lambda: self.reach, FastClock(speed), "", {}, times=times, **manners)  # type: ignore[arg-type]

    def journal(self) -> Journal:
        return self.fleet().journal()


class Told(Fleet):
    """Says at once what nobody foresaw: its process may not live to say it later."""

    def _log(self, bug: Exception) -> str:
        traceback.print_exception(bug)
        return super()._log(bug)


def take_in(place: Place, sheet: str) -> None:
    """What `bulk run` does first."""
    place.fleet().take_in(sheet)


def drive(place: Place) -> None:
    """What `bulk run` does then, until everything has ended."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(place.fleet().drive())


def work(place: Place) -> None:
    """What `wixsend worker` does, until it is killed."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    asyncio.run(place.fleet().work())


class Crew:
    """Drives the run of a journal: one process where it is SQLite, `workers` of them where they share it. Use as a context manager."""

    def __init__(self, place: Place, workers: int, seed: int) -> None:
        self.kills = 0
        self._place = place
        self._workers = workers
        self._chance = random.Random(seed)
        self._processes: list[BaseProcess] = []
        self._started = 0

    def __enter__(self) -> "Crew":
        self._processes = [self._start() for _ in range(self._workers or 1)]
        return self

    def __exit__(self, *_why: object) -> None:
        for process in self._processes:
            process.kill()
            process.join()

    def run(self, ended: Callable[[], bool], happened: Callable[[], int], tell: Callable[[int], None]) -> bool:
        """Kill one after the other until the run has ended; false when that takes too long, or it is stopped. `happened` counts events."""
        until, told_at = time.monotonic() + LONGEST, time.monotonic()
        killed_at, alive, before = time.monotonic(), self._chance.uniform(*ALIVE), happened()
        while time.monotonic() < until and not STOPPING.wait(0.2):
            over = [process for process in self._processes if process.exitcode is not None]
            if ended():
                return True
            assert not over, "a process ended before the run did: see its traceback"
            age = time.monotonic() - killed_at
            if age >= alive and (age >= IDLE or happened() > before):
                self._kill_one()
                killed_at, alive, before = time.monotonic(), self._chance.uniform(*ALIVE), happened()
            if time.monotonic() >= told_at + TOLD_EVERY:
                told_at = time.monotonic()
                tell(self.kills)
        return False

    def _kill_one(self) -> None:
        """SIGKILL, and another one in its place."""
        process = self._processes.pop(self._chance.randrange(len(self._processes)))
        process.kill()
        process.join()
        self.kills += 1
        self._processes.append(self._start())

    def _start(self) -> BaseProcess:
        context = multiprocessing.get_context("forkserver")
        context.set_forkserver_preload(PRELOADED)
        self._started += 1
        there = self._place.beside(f"worker-{self._started}") if self._workers else self._place
        process = context.Process(target=work if self._workers else drive, args=(there,), daemon=True)
        process.start()
        return process


STOPPING = threading.Event()
"""Set when a person stops the run."""

PRELOADED = [
    *("__main__", "wixsend.testing.world", "anyio._backends._asyncio", "tldextract", "procrastinate", "psycopg_pool"),
    *("sqlalchemy.dialects.sqlite", "sqlalchemy.dialects.postgresql.psycopg"),
    *("cloudflare.resources.dns", "cloudflare.resources.zones", *(f"wixsend_{host}.adapter" for host in SHARES)),
]
"""What each process has in it when it is started: it is to be killed at work, and not while it imports."""


# -- the table ---------------------------------------------------------------------------------------------------------


def explained(journal: Journal) -> dict[str, str]:
    """Domains that stopped and say why and what to do next, each with the code."""
    stops = {text(entry.domain): entry.case.stop for entry in journal.entries() if entry.case.stage is Stage.STOPPED}
    return {domain: stop.error for domain, stop in stops.items() if stop is not None and stop.happened and stop.next_step}


def stopped(journal: Journal) -> int:
    """How many domains stopped."""
    with journal.database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.count()).where(cases.c.stage == Stage.STOPPED.value)).scalar_one())


def events(journal: Journal) -> int:
    """How many events there are."""
    with journal.database.reading() as connection:
        return int(connection.execute(sa.select(sa.func.sum(cases.c.seq))).scalar() or 0)


@contextmanager
def shared(workers: int) -> Iterator[str]:
    """The URL of a journal that workers share; empty without workers."""
    if not workers:
        yield ""
        return
    with Postgres() as server:
        yield server.url()


def measure(options: argparse.Namespace) -> Report:
    count = options.domains or (QUICK if options.quick else DOMAINS)
    with ExitStack() as stack:
        database = stack.enter_context(shared(options.workers))
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        here, there = multiprocessing.Pipe()
        world = multiprocessing.get_context("spawn").Process(
            target=serve, args=(count, options.speed, options.seed, options.each / 100, folder, there), daemon=True
        )
        world.start()
        there.close()
        reach, sheet = here.recv()
        place = Place(reach, options.speed, database)
        began = time.monotonic()
        take_in(place, sheet)

        def judged(*, whole: bool = True) -> Judgement:
            here.send(whole)
            found: Judgement = here.recv()
            return found

        def tell(kills: int) -> None:
            minutes, found = (time.monotonic() - began) / 60, judged(whole=False)
            done = f"{found.authenticated} of {count} authenticated, {stopped(journal)} stopped"
            print(f"{minutes:.1f} min: {done}; {found.calls} calls, killed {kills} times", file=sys.stderr, flush=True)

        journal = place.journal()
        stack.callback(journal.close)
        runs = Runs(journal)
        run, ended = runs.get("clients"), False
        with Crew(place, options.workers, options.seed) as crew:
            ended = crew.run(lambda: not runs.is_live(run), partial(events, journal), tell)
        took, found = time.monotonic() - began, judged()
        why = explained(journal)
        here.close()
        world.join()
    options.write = options.write and ended
    head: dict[str, object] = {"journal": f"PostgreSQL, {options.workers} workers" if options.workers else "SQLite", "domains": count}
    pace = {"took": Figure(took, unit=" s"), "by the fast clock": Figure(took * options.speed / 60, unit=" min"), "killed": crew.kills}
    missed = [*([] if ended else ["the run did not come to its end"]), *_missed(found, why)]
    name = "soak-workers" if options.workers else "soak"
    return Report(name, [head | pace | _row(found, why)], missed=missed, notes=_notes(options.each, found, why))


def unexplained(found: Judgement, why: Mapping[str, str]) -> list[str]:
    """Domains that are not authenticated, and of which nobody says why; what says that it is a bug explains nothing."""
    return [domain for domain in found.not_authenticated if why.get(domain, Bug.code) == Bug.code]


def _row(found: Judgement, why: Mapping[str, str]) -> dict[str, object]:
    return {
        "calls to hosts": found.calls,
        "authenticated": found.authenticated,
        "stopped, explained": len(why),
        "unexplained": Figure(len(unexplained(found, why)), 0),
        "zones wrong": Figure(len(found.wrong), 0),
        "written twice": Figure(len(found.twice), 0),
        "asked too often": Figure(found.too_often.total(), 0),
    }


def _missed(found: Judgement, why: Mapping[str, str]) -> list[str]:
    named = {"wrong": found.wrong, "twice": found.twice, "unexplained": unexplained(found, why)}
    missed = [f"{what}: {', '.join(names[:5])}" for what, names in named.items() if names]
    return missed + [f"{account} was asked too often, {times} times" for account, times in found.too_often.items() if times]


def _notes(each: float, found: Judgement, why: Mapping[str, str]) -> list[str]:
    met = ", ".join(f"{name} {times:,}" for name, times in sorted(found.met.items()))
    stops = [f"stopped: {times} with {code}" for code, times in Counter(why.values()).items()]
    return [f"{each:g} % of each trouble; met: {met}", *stops]


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--domains", type=int, help="how many, instead of the usual number")
    parser.add_argument("--workers", type=int, default=0, help="workers on PostgreSQL, instead of one process on SQLite")
    parser.add_argument("--speed", type=float, default=60.0, help="seconds that pass by the fast clock in one second")
    parser.add_argument("--each", type=float, default=EACH, help="per cent of all calls that meet each trouble")
    parser.add_argument("--seed", type=int, default=1, help="of what goes wrong, and when")
    options = parser.parse_args()
    if options.workers and lacking():
        parser.error(f"--workers: {lacking()}")
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: STOPPING.set())
    return finish(measure(options), options)


if __name__ == "__main__":
    sys.exit(main())
