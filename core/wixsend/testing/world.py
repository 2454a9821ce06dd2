"""A whole world on loopback under one clock: Wix, every plugin's DNS host and DNS as fakes at the wire, and runs of wixsend in it.

No sleep is real: the clock jumps. A `Run` is what one process of wixsend is: it opens everything anew, and only the journal outlives it.
"""

import asyncio
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Self

from wixsend.adapters import Adapter
from wixsend.engine import Engine, Preview, Update
from wixsend.flow import Times
from wixsend.journal import Entry, Journal
from wixsend.locate import Located
from wixsend.lookup import Dns
from wixsend.mend import Mender
from wixsend.names import Name, absolute, parse_sending_domain
from wixsend.plan import Plan
from wixsend.plugins import Plugins
from wixsend.provider import Credentials
from wixsend.records import Record
from wixsend.sending import KNOWN_TARGETS
from wixsend.survey import Approve, Order
from wixsend.testing.dns import SandboxDns
from wixsend.testing.fakes import FakeHost
from wixsend.testing.server import Server
from wixsend.testing.wix import FakeWix
from wixsend.wire import HttpWire
from wixsend.wix import Wix, WixApiKey

__all__ = ["Clock", "OneAccount", "Run", "World", "no", "owner", "record", "yes"]


class Clock:
    """Seconds since the epoch, moved by hand and by whoever sleeps."""

    def __init__(self, at: float = 1_800_000_000.0) -> None:
        self.at = at
        self.slept = 0.0

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds
        await asyncio.sleep(0)


@dataclass(frozen=True)
class OneAccount:
    """An account as the engine knows it, with what opens it."""

    name: str
    plugin_name: str
    credentials: Credentials


class World:
    """Fakes of everything outside. Use as a context manager."""

    def __init__(self, folder: Path, delay: float = 0.0) -> None:
        self.folder = folder
        self.clock = Clock()
        self.plugins = Plugins()
        self.dns = SandboxDns(resolvers=2, now=self.clock.now, delay=delay)
        self.wix = FakeWix(self.dns.resolve, self.clock.now, requires_dmarc=False)
        self.hosts: dict[str, FakeHost] = {}
        for name in self.plugins.names():
            made = self.plugins.sandbox_host(name)
            if made is not None:
                self.hosts[name] = made(self.clock.now)
        self.server = Server({"wix": self.wix.handle, **{name: host.handle for name, host in self.hosts.items()}})
        self.accounts = [OneAccount(name, name, dict(host.credentials)) for name, host in self.hosts.items()]
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
        fake.add_zone(apex, records, **settings)
        self.dns.add_zone(apex, fake.name_servers, fake.published, soa_minimum=soa_minimum)

    def run(self, domain: str, **order: object) -> "Run":
        """A process of wixsend for one domain."""
        return Run(self, domain, order)

    def raw(self, host: str, apex: str) -> object:
        """The vendor's whole state of a zone, as JSON text would show it."""
        return self.hosts[host].raw(apex)

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
    """One process: what it opened, what it showed. Everything is closed after each call."""

    world: World
    domain: str
    order: dict[str, object]
    times: Times = field(default_factory=Times)
    updates: list[Update] = field(default_factory=list)
    wires: dict[str, HttpWire] = field(default_factory=dict)
    settings: dict[str, object] = field(default_factory=dict)

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
        return Journal(f"sqlite:///{self.world.folder / 'journal.db'}", self.world.folder, self.times)

    def _order(self) -> Order:
        given = {"site": "main", "domain": parse_sending_domain(self.domain), "known_targets": KNOWN_TARGETS} | self.order
        return Order(**given)  # type: ignore[arg-type]

    def _open(self) -> "tuple[_Outside, Journal]":
        return _Outside(self), self.journal()


class _Outside:
    """`wixsend.locate.Outside` over the world's fakes."""

    def __init__(self, run: Run) -> None:
        world = run.world
        self._run = run
        self.plugins = world.plugins
        self.wix = Wix(WixApiKey(world.wix.site.api_key, world.wix.site.id), world.server.url("wix"), now=world.clock.now, timeout=1.0)
        self.dns = Dns(world.dns.settings(timeout=0.5, tries=2, **run.settings), now=world.clock.now)
        self.now = world.clock.now
        self.sleep = world.clock.sleep
        self._adapters: dict[str, Adapter] = {}

    def accounts(self, provider: str) -> Sequence[OneAccount]:
        return [account for account in self._run.world.accounts if account.plugin_name == provider]

    async def adapter(self, account: object) -> Adapter:
        assert isinstance(account, OneAccount)
        if account.name not in self._adapters:
            wire = self._run.wires[account.name] = HttpWire(
                self._run.world.server.url(account.plugin_name), timeout=1.0, connect_timeout=1.0
            )
            self._adapters[account.name] = Adapter.open(self.plugins.get(account.plugin_name), account.credentials, wire)
        return self._adapters[account.name]

    async def close(self) -> None:
        await asyncio.gather(self.wix.close(), self.dns.close(), *(adapter.close() for adapter in self._adapters.values()))


def record(owner: str, rtype: str, rdata: str, apex: str = "example.com", ttl: int | None = 3600) -> Record:
    """A record, its owner relative to the apex."""
    return Record(absolute(owner, absolute(apex)), rtype, rdata, ttl)


def owner(text: str, apex: str = "example.com") -> Name:
    """A name relative to the apex."""
    return absolute(text, absolute(apex))
