"""A whole world on loopback under one clock: Wix, every plugin's DNS host and DNS as fakes at the wire, and runs of wixsend in it.

No sleep is real: the clock jumps. A `Run` is what one process of wixsend is: it opens everything anew, and only the journal outlives it.
"""

import asyncio
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from copy import copy
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from wixsend.adapters import Adapter
from wixsend.bulk import Common, Driver, Hops
from wixsend.engine import Engine, Preview, Update
from wixsend.exchange import DnsSettings
from wixsend.flow import Times
from wixsend.holdings import Holdings
from wixsend.journal import Entry, Journal
from wixsend.locate import Located
from wixsend.lookup import Dns
from wixsend.mend import Mender
from wixsend.names import Name, absolute, parse_sending_domain, text
from wixsend.plan import Plan
from wixsend.plugins import Plugins, Row
from wixsend.provider import Credentials, ProviderPlugin
from wixsend.quota import Quota, Quotas, kept
from wixsend.records import Record
from wixsend.runs import Ref, Runs, TakenIn, Terms
from wixsend.runs import Run as BulkRun
from wixsend.sending import KNOWN_TARGETS
from wixsend.sheet import read_sheet
from wixsend.survey import Approve, Order
from wixsend.testing.dns import SandboxDns
from wixsend.testing.fakes import FakeHost, Request, Response
from wixsend.testing.server import Server, speaking_dns
from wixsend.testing.wix import FakeWix
from wixsend.wire import HttpWire
from wixsend.wix import RATE, Wix, WixApiKey
from wixsend.worker import Worker
from wixsend.zonepages import ZonePages

__all__ = [
    "Around",
    "Clock",
    "FastClock",
    "Fleet",
    "GivenPlugins",
    "OneAccount",
    "Reach",
    "Run",
    "World",
    "authenticate_apart",
    "no",
    "owner",
    "record",
    "yes",
]


_PATIENT: dict[str, Any] = {"settings": {"timeout": 5.0}, "timeout": 10.0}
"""Time-outs of a `Run` that are longer than a busy machine is busy."""


class Clock:
    """Seconds since the epoch, moved by hand and by whoever sleeps.

    `pause` is how many real seconds a sleep takes, for those who wait for what another thread or process really does.
    """

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at
        self.slept = 0.0
        self.pause = 0.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds
        await asyncio.sleep(self.pause)


class FastClock(Clock):
    """A clock on which `speed` seconds pass in one second, for vendors that count calls: every process here reads the same time from it."""

    def __init__(self, speed: float) -> None:
        super().__init__()
        self.speed = speed

    def now(self) -> float:
        return time.time() * self.speed

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds / self.speed)


@dataclass(frozen=True)
class OneAccount:
    """An account as the engine knows it, with what opens it."""

    name: str
    plugin_name: str
    credentials: Credentials


class GivenPlugins(Plugins):
    """Plugins that are given with the classes of their fakes, instead of those that are installed."""

    def __init__(self, given: Iterable[tuple[ProviderPlugin, type[FakeHost]]]) -> None:
        super().__init__()
        self._claims, self._rows, self._fakes = {}, {}, {}
        for plugin, fake in given:
            self._claims[plugin.name] = []
            self._rows[plugin.name] = Row(plugin.name, plugin, None, "given", "")
            self._fakes[plugin.name] = fake

    def sandbox_host(self, name: str) -> type[FakeHost] | None:
        return self._fakes[name]


@dataclass(frozen=True)
class Reach:
    """How a process of wixsend reaches a world, as plain data that another process can be sent."""

    folder: Path
    urls: Mapping[str, str]
    dns: DnsSettings
    wix: WixApiKey
    accounts: tuple[OneAccount, ...]
    plugins: Callable[[], Plugins]


type Around = Callable[[str, Request, Callable[[], Response]], Response]
"""Called with a host's name, a request, and what handles it."""


class World:
    """Fakes of everything outside. Use as a context manager. `plugins` makes the plugins whose hosts there are.

    Each plugin's host has one account, called like the plugin; `accounts` are more of them, by name, each at the host of a plugin. Where a
    host is named below, the name of an account does as well. With a `FastClock` the vendors' true limits are on, and kept to.

    `around`, where it is set, stands around the handling of every request to a host: nothing else touches the host meanwhile.
    """

    def __init__(
        self,
        folder: Path,
        delay: float = 0.0,
        plugins: Callable[[], Plugins] = Plugins,
        accounts: Mapping[str, str] | None = None,
        clock: Clock | None = None,
    ) -> None:
        limits = isinstance(clock, FastClock)
        self.folder = folder
        self.clock = clock or Clock()
        self.plugins = plugins()
        self.dns = SandboxDns(resolvers=2, now=self.clock.now, delay=delay)
        self.wix = FakeWix(self.dns.resolve, self.clock.now, requires_dmarc=False, rate_limits=limits)
        self.hosts: dict[str, FakeHost] = {}
        self._homes = {name: name for name in self.plugins.names()} | dict(accounts or {})
        for name, home in self._homes.items():
            made = self.plugins.sandbox_host(home)
            if made is not None:
                self.hosts[name] = made(self.clock.now, limits)
        self._locks = {name: threading.RLock() for name in self.hosts}
        handlers = {"wix": self.wix.handle, **{name: self._handler(name) for name in self.hosts}}
        self.server = Server(handlers, dns=speaking_dns(self.hosts))
        self.accounts = [OneAccount(name, self._homes[name], dict(host.credentials)) for name, host in self.hosts.items()]
        self.around: Around | None = None
        self._made_plugins = plugins
        self._stack = ExitStack()

    def __enter__(self) -> Self:
        self._stack.enter_context(self.dns)
        self._stack.enter_context(self.server)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def add(
        self, domain: str, host: str, records: Iterable[Record] = (), *, apex: str = "", soa_minimum: int = 300, **settings: object
    ) -> None:
        """A sending domain on the site, its zone at a host, delegated to that host."""
        self.wix.add_domain(domain)
        self.add_zone(apex or domain, host, records, soa_minimum=soa_minimum, **settings)

    def add_zone(self, apex: str, host: str, records: Iterable[Record] = (), *, soa_minimum: int = 300, **settings: object) -> None:
        """A zone at a host, delegated to it."""
        fake = self.hosts[host]
        with self._locks[host]:
            fake.add_zone(apex, records, **settings)
        self.dns.add_zone(apex, fake.name_servers, self._publisher(host), soa_minimum=soa_minimum)

    def run(self, domain: str, **order: object) -> "Run":
        """A process of wixsend for one domain."""
        return Run(self.reach, self.clock, domain, order, plugins=self.plugins)

    def fleet(self, **manners: Any) -> "Fleet":
        """A process of wixsend for many domains. Its time-outs are longer than a busy machine is busy."""
        return Fleet(self.reach, self.clock, "", {}, plugins=self.plugins, **(_PATIENT | manners))

    def reach(self) -> Reach:
        """How a process reaches this world now: zones that are added later may bring name servers that are not in it."""
        dns = self.dns.settings(timeout=0.5, tries=2, endpoints=dict(self.dns.endpoints))
        paths = {name: urlsplit(self.plugins.get(self._homes[name]).base_url).path for name in self.hosts}
        urls = {name: self.server.url(name) + path for name, path in {"wix": "", **paths}.items()}
        key = WixApiKey(self.wix.site.api_key, self.wix.site.id)
        return Reach(self.folder, urls, dns, key, tuple(self.accounts), self._made_plugins)

    def raw(self, host: str, apex: str) -> Any:
        """The vendor's whole state of a zone, as JSON text would show it."""
        with self._locks[host]:
            return self.hosts[host].raw(apex)

    def edit_behind(self, host: str, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        """Another editor at work in a zone."""
        with self._locks[host]:
            self.hosts[host].edit_behind(apex, add, remove)

    def _handler(self, name: str) -> Callable[[Request], Response]:
        """A host's `handle`, kept apart from the looks of DNS and of tests at what it holds."""

        def handle(request: Request) -> Response:
            with self._locks[name]:
                work = partial(self.hosts[name].handle, request)
                return work() if self.around is None else self.around(name, request, work)

        return handle

    def _publisher(self, name: str) -> Callable[[str], Iterable[Record]]:
        def published(apex: str) -> Iterable[Record]:
            with self._locks[name]:
                return self.hosts[name].published(apex)

        return published

    def wanted(self, domain: str) -> tuple[Record, ...]:
        """What Wix wants for a domain, as it would tell."""
        held = next(held for held in self.wix.domains.values() if held.domain == domain)
        return tuple(held.wants)


async def yes(_plan: Plan, _located: Located) -> bool:
    """Agrees to everything."""
    return True


async def no(_plan: Plan, _located: Located) -> bool:
    """Agrees to nothing."""
    return False


@dataclass
class Run:
    """One process: what it opened, what it showed. Everything is closed after each call.

    `settings` are changes to those of DNS, `timeout` is for HTTP, in real seconds; `adapter` opens accounts; `database` is the URL of the
    journal, where it is not in the world's folder.
    """

    reach: Callable[[], Reach]
    clock: Clock
    domain: str
    order: dict[str, object]
    times: Times = field(default_factory=Times)
    updates: list[Update] = field(default_factory=list)
    wires: dict[str, HttpWire] = field(default_factory=dict)
    settings: dict[str, Any] = field(default_factory=dict)
    timeout: float = 1.0
    plugins: Plugins | None = None
    adapter: type[Adapter] = Adapter
    database: str = ""

    async def authenticate(self, *, approve: Approve = yes, wait: bool = True, watch: Callable[[Update], None] | None = None) -> Entry:
        """`wixsend authenticate`."""
        outside, journal = self._open()
        try:
            shown = watch or self.updates.append
            return await Engine(self._order(), outside, journal, self.times, shown).run(approve, wait)
        finally:
            await outside.close()
            journal.close()

    async def preview(self) -> Preview:
        """`wixsend plan`."""
        outside, journal = self._open()
        try:
            return await Engine(self._order(), outside, journal, self.times).preview()
        finally:
            await outside.close()
            journal.close()

    async def undo(self, approve: Approve = yes) -> Plan:
        """`wixsend undo`."""
        outside, journal = self._open()
        try:
            return await Mender(self._order(), outside, journal, self.times).undo(approve)
        finally:
            await outside.close()
            journal.close()

    async def restore(self, number: int, lost: Sequence[Record]) -> Plan:
        """`wixsend restore`."""
        outside, journal = self._open()
        try:
            backup = next(backup for backup in journal.backups() if backup.id == number)
            return await Mender(self._order(), outside, journal, self.times).restore(backup, lost, yes)
        finally:
            await outside.close()
            journal.close()

    def journal(self) -> Journal:
        """The journal, to look at."""
        folder = self.reach().folder
        return Journal(self.database or f"sqlite:///{folder / 'journal.db'}", folder, self.times)

    def _order(self) -> Order:
        given = {"site": "main", "domain": parse_sending_domain(self.domain), "known_targets": KNOWN_TARGETS} | self.order
        return Order(**given)  # type: ignore[arg-type]

    def _open(self) -> "tuple[_Outside, Journal]":
        return _Outside(self), self.journal()


@dataclass
class Fleet(Run):
    """One process that drives bulk runs. `hops` makes what goes on with a row, `load` says how busy it is, `watched` are the updates by
    domain, `told` what a person is told.
    """

    hops: type[Hops] = Hops
    load: Callable[[], float] | None = None
    watched: list[tuple[str, Update]] = field(default_factory=list)
    bugs: list[Exception] = field(default_factory=list)
    told: list[str] = field(default_factory=list)

    async def bulk(self, sheet: str, *, name: str = "clients", wait: bool = True, terms: Terms = Terms()) -> TakenIn:  # noqa: B008 - frozen
        """`wixsend bulk run`: take the sheet in, and drive the run."""
        taken = self.take_in(sheet, name=name, terms=terms)
        await self.drive(name, wait=wait)
        return taken

    def take_in(self, sheet: str, *, name: str = "clients", terms: Terms = Terms()) -> TakenIn:  # noqa: B008 - frozen
        """Take the sheet in, and do nothing else."""
        read, journal = read_sheet(sheet.encode()), self.journal()
        site = self.reach().wix.site_id
        taken = Runs(journal).take_in(name, f"{name}.csv", read, [row.site_id or site for row in read.rows], terms, self.clock.now())
        journal.close()
        return taken

    async def drive(self, name: str = "clients", *, wait: bool = True) -> None:
        """Drive a run that was taken in."""
        outside, journal = self._open()
        try:
            run = Runs(journal).get(name)
            worlds = _Worlds(outside, self.reach().wix, journal)
            hops = self.hops(run, worlds, journal, Common(KNOWN_TARGETS), self._log, self._watch)
            await Driver(run, hops, worlds, journal, self.load).drive(wait=wait)
        finally:
            await outside.close()
            journal.close()

    async def work(self) -> None:
        """`wixsend worker`, until it is cancelled: take part in the runs of a shared database."""
        outside, journal = self._open()
        try:
            worlds = _Worlds(outside, self.reach().wix, journal)

            def hops(run: BulkRun) -> Hops:
                return self.hops(run, worlds, journal, Common(KNOWN_TARGETS), self._log, self._watch)

            await Worker(worlds, journal, hops, self.told.append).work()
        finally:
            await outside.close()
            journal.close()

    def _watch(self, ref: Ref, update: Update) -> None:
        self.watched.append((text(ref.domain), update))

    def _log(self, bug: Exception) -> str:
        self.bugs.append(bug)
        return "the test"


class _Worlds:
    """`wixsend.bulk.Worlds` over the world's fakes."""

    def __init__(self, outside: "_Outside", key: WixApiKey, journal: Journal) -> None:
        self._outside = outside
        self._key = key
        self._at: dict[str, _Outside] = {}
        self.holdings = outside.holdings
        self.holdings.lists = True
        self.holdings.kept = ZonePages(journal.database)
        self.now = outside.now
        self.sleep = outside.sleep

    def at(self, _profile: str, site: str) -> "_Outside":
        if site not in self._at:
            other = self._at[site] = copy(self._outside)
            other.wix = self._outside.wix.beside(WixApiKey(self._key.key, site), self._outside.wix_quota(site))
        return self._at[site]


def authenticate_apart(reach: Reach, at: float, domain: str) -> str:
    """`wixsend authenticate` in another process, with a clock of its own that begins at `at`: the name of the stage that it came to.

    `TimeoutError` after a minute of real time. Its other time-outs are longer than a busy machine is busy.
    """
    clock = Clock(at)
    clock.pause = 0.02
    run = Run(lambda: reach, clock, domain, {}, **_PATIENT)
    entry = asyncio.run(asyncio.wait_for(run.authenticate(), 60))
    return entry.case.stage.value


class _Outside:
    """`wixsend.locate.Outside` over the world's fakes."""

    def __init__(self, run: Run) -> None:
        self._run = run
        self._reach = reach = run.reach()
        self.plugins = run.plugins or reach.plugins()
        fast = run.clock.speed if isinstance(run.clock, FastClock) else 0.0
        record_of_calls = run.database or f"sqlite:///{reach.folder / 'quota.db'}"
        self.quotas = Quotas(record_of_calls, reach.folder, speed=fast) if fast else None
        self.wix = Wix(reach.wix, reach.urls["wix"], quota=self.wix_quota(reach.wix.site_id), now=run.clock.now, timeout=run.timeout)
        self.dns = Dns(replace(reach.dns, **run.settings), now=run.clock.now)
        self.now = run.clock.now
        self.sleep = run.clock.sleep
        self.holdings = Holdings(self.adapter, run.clock.now)
        self._adapters: dict[str, Adapter] = {}

    def accounts(self, provider: str) -> Sequence[OneAccount]:
        return [account for account in self._reach.accounts if account.plugin_name == provider]

    async def adapter(self, account: object) -> Adapter:
        assert isinstance(account, OneAccount)
        if account.name not in self._adapters:
            urls, timeout = self._reach.urls, self._run.timeout
            url = urls[account.name if account.name in urls else account.plugin_name]
            plugin = self.plugins.get(account.plugin_name)
            quota = self.quotas.quota(account.name, kept(plugin.quota, plugin.reserve)) if self.quotas is not None else None
            wire = self._run.wires[account.name] = HttpWire(url, quota, timeout=timeout, connect_timeout=timeout)
            self._adapters[account.name] = self._run.adapter.open(plugin, account.credentials, wire)
        return self._adapters[account.name]

    def wix_quota(self, site: str) -> Quota | None:
        return self.quotas.quota("wix", kept((RATE,)), secret=(site,)) if self.quotas is not None else None

    async def close(self) -> None:
        await asyncio.gather(self.wix.close(), self.dns.close(), *(adapter.close() for adapter in self._adapters.values()))
        if self.quotas is not None:
            await self.quotas.close()


def record(owner: str, rtype: str, rdata: str, apex: str = "example.com", ttl: int | None = 3600) -> Record:
    """A record, its owner relative to the apex."""
    return Record(absolute(owner, absolute(apex)), rtype, rdata, ttl)


def owner(text: str, apex: str = "example.com") -> Name:
    """A name relative to the apex."""
    return absolute(text, absolute(apex))
