"""Floor 4. From the root servers down to a zone: who serves a name, as the servers above it show, and where those servers are.

Every question has RD=0 and goes to a server that ought to know the answer with authority. Where no root server answers, port 53 is
closed: then resolvers tell, over HTTPS or TLS before any other, and for nothing below the sending domain.
"""

import asyncio
import zlib
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import dns.name

from wixsend.errors import DnsUnreachable
from wixsend.exchange import SILENT, Exchange, Reply, is_encrypted
from wixsend.names import Name, absolute, ancestors, is_below, text
from wixsend.verdict import NameServer, Outcome, Seen

__all__ = ["REGISTRY_SUFFIXES", "ROOT", "Cut", "Walk", "Walker", "is_registry"]

REGISTRY_SUFFIXES: frozenset[Name] = frozenset(
    absolute(suffix)
    for suffix in """
    co.uk org.uk me.uk ltd.uk plc.uk net.uk ac.uk gov.uk com.au net.au org.au id.au co.nz net.nz org.nz co.za org.za com.br net.br org.br
    com.mx org.mx co.jp ne.jp or.jp co.kr or.kr co.in net.in org.in firm.in co.il org.il com.tr org.tr com.sg com.my com.hk com.tw com.cn
    net.cn org.cn com.ar com.co com.pe com.ec com.uy com.ve com.py com.bo com.gt com.do com.pa com.ua com.pl net.pl org.pl com.pt com.es
    com.gr com.cy com.mt co.th in.th co.id or.id com.vn com.ph com.pk com.bd com.np com.lk com.sa com.eg co.ke co.tz co.ug com.ng com.gh
    """.split()  # noqa: SIM905
)
"""Suffixes of two labels that registries delegate under. Only used to say that a domain is not registered, never to find a zone."""

ROOT = dns.name.root
_HEDGE = 0.25
_REMEMBERED = 300.0
_REGISTRY_REMEMBERED = 3600.0
"""Seconds for which the servers of a zone are remembered at the most; those of a zone that domains are registered in seldom change."""
_DEEPEST = 16
_MOST_SERVERS = 32
_MOST_ADDRESSES = 8
"""Zones have up to 13 name servers, and servers a few addresses: who lists hundreds would have us flood somebody."""
_FEW_SERVERS = 3
_MOST_HOSTS = 4
"""On the way to a server's address: servers tried in each zone, and hosts in a row whose address hangs on the next one's. A zone whose
servers lead to zones whose servers lead to more (NXNSAttack) would have us ask without end."""
_USABLE = frozenset({Outcome.ANSWER, Outcome.NODATA, Outcome.NXDOMAIN, Outcome.REFERRAL})


@dataclass(frozen=True, slots=True)
class Cut:
    """A zone cut on the way down: its servers, the zone above, and for how long we may remember it."""

    apex: Name
    parent: Name
    servers: tuple[NameServer, ...]
    until: float = float("inf")


@dataclass(frozen=True, slots=True)
class _Host:
    """The addresses of a name server's host, and for how long we may remember them."""

    addresses: tuple[str, ...]
    until: float


type _Question = tuple[str, str, str]
"""A zone, and the name and type that its servers are asked for; as text, because names are slow to hash and to compare."""


@dataclass(frozen=True, slots=True)
class Walk:
    """How far a walk came: the deepest cut, whether the name was denied, whether the last servers stayed silent.

    `told` is the resolver that told, where the servers themselves could not be asked.
    """

    cut: Cut
    denied: bool = False
    silent: bool = False
    told: str = ""


class Walker:
    """Walks. The way to a zone is remembered for minutes, and who asks the same at once shares one answer."""

    def __init__(self, exchange: Exchange, now: Callable[[], float]) -> None:
        self._exchange = exchange
        self._now = now
        self._root = Cut(ROOT, ROOT, tuple(NameServer(ROOT, (address,)) for address in exchange.settings.roots))
        self._cuts: dict[Name, Cut] = {}
        self._hosts: dict[Name, _Host] = {}
        self._asking: dict[_Question, asyncio.Task[tuple[Seen | None, Reply]]] = {}
        self._closed_until = float("-inf")

    def forget(self) -> None:
        """Forget every way, and give up what is being asked."""
        self._cuts.clear()
        self._hosts.clear()
        for asking in self._asking.values():
            asking.cancel()

    async def find(self, domain: Name) -> Walk:
        """`walk`, or where no root server answers, and for some minutes from then on, what resolvers tell."""
        if self._closed_until <= self._now():
            walk = await self.walk(domain)
            if not walk.silent or walk.cut.apex != ROOT:
                return walk
            self._closed_until = self._now() + _REMEMBERED
        return await self._by_resolvers(domain)

    async def walk(self, name: Name, path: frozenset[Name] = frozenset()) -> Walk:
        """Down from the deepest cut that we remember at or above a name, label by label, to the deepest there is.

        `path` are the host names whose addresses are being looked for: a loop among them ends with no address.
        """
        cut = self._remembered(name)
        todo = [above for above in reversed(ancestors(name, cut.apex)) if above != cut.apex] + [name] * (name != cut.apex)
        while todo:
            asked = todo.pop(0)
            seen, reply = await self.first(cut.apex, cut.servers, asked, "NS")
            if seen is None:
                return Walk(cut, silent=True)
            if seen.outcome is Outcome.NXDOMAIN:
                if cut.apex == ROOT and (reply.soa() or (None,))[0] != ROOT:
                    return Walk(cut, silent=True)  # no root server denies without its SOA: somebody answers in its place
                if asked == name:
                    return Walk(cut, denied=True)
                todo = [name]  # some servers deny empty non-terminals: only a denial of the name itself counts
                continue
            found = seen.cut or (asked if any(record.rtype == "NS" for record in seen.records) else None)
            if found is not None:
                cut = await self._descend(cut, found, reply, path)
                todo = [above for above in todo if is_below(above, found)]
        return Walk(cut)

    def _remembered(self, name: Name) -> Cut:
        now = self._now()
        for above in (name, *ancestors(name, ROOT)):
            cut = self._cuts.get(above)
            if cut is not None and cut.until > now:
                return cut
        return self._root

    async def resolve(self, name: Name, rtype: str) -> Seen | None:
        """What the servers that ought to know say of a name, asked in full from the deepest zone on the way that is remembered.

        `None` when they stay silent. Quicker than a walk, and for names that nobody hides.
        """
        cut = self._remembered(name)
        for _zone in range(_DEEPEST):
            seen, reply = await self.first(cut.apex, cut.servers, name, rtype)
            if seen is None or seen.cut is None:
                return seen
            cut = await self._descend(cut, seen.cut, reply, frozenset())
        return None

    async def addresses(self, host: Name) -> tuple[str, ...]:
        """Every address of a name server's host; empty when it resolves to nothing."""
        return await self._addresses(host, frozenset())

    async def _descend(self, cut: Cut, apex: Name, reply: Reply, path: frozenset[Name]) -> Cut:
        """The cut at `apex` that a reply of the servers of `cut` shows; glue is believed for hosts at or below their zone only."""
        rrset = [record for record in (*reply.answer, *reply.authority) if record.rtype == "NS" and record.owner == apex]
        hosts = sorted({record.target.canonicalize() for record in rrset})[:_MOST_SERVERS]
        added = [record for record in reply.additional if record.rtype in ("A", "AAAA")]
        glue = {
            host: tuple(record.rdata for record in added if record.owner == host)[:_MOST_ADDRESSES]
            for host in hosts
            if host.is_subdomain(cut.apex)
        }
        if path:  # it is an address that is looked for, and a few servers will do
            hosts = [host for host in hosts if glue.get(host)] or hosts[:_FEW_SERVERS]
        bare = [host for host in hosts if not glue.get(host)]
        walked = dict(zip(bare, await asyncio.gather(*(self._addresses(host, path) for host in bare)), strict=True)) if bare else {}
        servers = tuple(NameServer(host, glue.get(host) or walked[host]) for host in hosts)
        longest = _REGISTRY_REMEMBERED if is_registry(apex) else _REMEMBERED
        until = self._now() + min(min((record.ttl or 0 for record in rrset), default=0), longest)
        below = Cut(apex, cut.apex, servers, until)
        if any(server.addresses for server in servers):
            self._cuts[apex] = below
        return below

    async def _addresses(self, host: Name, path: frozenset[Name]) -> tuple[str, ...]:
        """Every address of a name server's host, by a walk of our own. Empty when it resolves to nothing."""
        known = self._hosts.get(host)
        if known is not None and known.until > self._now():
            return known.addresses
        if host in path or len(path) >= _MOST_HOSTS:
            return ()
        walk = await self.walk(host, path | {host})
        if walk.silent or walk.denied:
            return ()
        looks = await asyncio.gather(*(self.first(walk.cut.apex, walk.cut.servers, host, rtype) for rtype in ("A", "AAAA")))
        records = [r for seen, _reply in looks if seen is not None for r in seen.records if r.rtype in ("A", "AAAA")]
        found = tuple(record.rdata for record in records)[:_MOST_ADDRESSES]
        if found:
            self._hosts[host] = _Host(found, self._now() + min(*(record.ttl or 0 for record in records), _REMEMBERED))
        return found

    async def _by_resolvers(self, domain: Name) -> Walk:
        """The same through resolvers, from the top down, at and above the domain only.

        Name servers' host names below the domain are not looked up: their addresses stay unknown.
        """
        cut, told = self._root, ""
        for name in (*reversed(ancestors(domain, ROOT)), domain)[1:]:
            seen, _reply = await self.first_resolver(name, "NS")
            if seen is None:
                asked = ", ".join(dict.fromkeys((*self._exchange.unforgeable, *self._exchange.resolvers)))
                raise DnsUnreachable(
                    f"neither a root server nor a public resolver ({asked}) answers",
                    "Check the network, and whether it lets DNS (port 53) or HTTPS to a resolver out; then run the same command again.",
                )
            told = seen.server
            hosts = sorted({record.target.canonicalize() for record in seen.records if record.rtype == "NS"})
            if not hosts and len(name) == 2 and not is_encrypted(told):
                raise DnsUnreachable(
                    f"what answers for {told} on port 53 does not know of the top-level domain {text(name)}: "
                    "this network seems to answer in its place, and it is not believed",
                    "Log in to the network if it wants that, or use another one; or name a resolver over HTTPS: [dns] fallback.",
                )
            if seen.outcome is Outcome.NXDOMAIN:
                return Walk(cut, denied=True, told=told)
            if hosts and not is_registry(name):
                found = await asyncio.gather(*(self._addresses_by_resolver(host, domain) for host in hosts))
                cut = Cut(name, cut.apex, tuple(NameServer(host, addresses) for host, addresses in zip(hosts, found, strict=True)))
            elif hosts:
                cut = Cut(name, cut.apex, tuple(NameServer(host) for host in hosts))
        return Walk(cut, told=told)

    async def _addresses_by_resolver(self, host: Name, domain: Name) -> tuple[str, ...]:
        if host.is_subdomain(domain):
            return ()
        looks = await asyncio.gather(*(self.first_resolver(host, rtype) for rtype in ("A", "AAAA")))
        return tuple(r.rdata for seen, _reply in looks if seen is not None for r in seen.records if r.rtype in ("A", "AAAA"))

    async def first(self, zone: Name, servers: Sequence[NameServer], name: Name, rtype: str) -> tuple[Seen | None, Reply]:
        """The first answer with authority, or referral, of any server of a zone; `None`, and what each did, when no server gives one.

        Servers are asked one after the other, the next as soon as one fails or has been silent for a moment; which is first depends on the
        name, so that the load is spread. Whoever asks the same meanwhile gets the same answer: a thousand domains begin with one question
        to the root.
        """
        question = (text(zone), text(name), rtype)
        asking = self._asking.get(question)
        if asking is None:
            asking = self._asking[question] = asyncio.ensure_future(self._race(zone, servers, name, rtype))
            asking.add_done_callback(lambda _done: self._asking.pop(question))
        return await asyncio.shield(asking)

    async def one(self, zone: Name, server: NameServer, name: Name, rtype: str) -> tuple[Seen | None, Reply]:
        """The first answer of this one server of a zone, at any of its addresses; `None` when it gives none."""
        return await self._race(zone, (server,), name, rtype)

    async def _race(self, zone: Name, servers: Sequence[NameServer], name: Name, rtype: str) -> tuple[Seen | None, Reply]:
        candidates = [(server, address) for server, address in self.every(servers) if address]
        start = zlib.crc32(text(name).encode()) % len(candidates) if candidates else 0
        rotated = candidates[start:] + candidates[:start]
        return await _race(partial(self._exchange.authority, server, address, zone, name, rtype) for server, address in rotated[:8])

    async def first_resolver(self, name: Name, rtype: str) -> tuple[Seen | None, Reply]:
        """The first usable answer of a resolver, for where port 53 is closed: of one that nobody on the way can forge, if any answers."""
        plain = [where for where in self._exchange.resolvers if not is_encrypted(where)]
        for resolvers in (self._exchange.unforgeable, plain):
            seen, reply = await _race(partial(self._exchange.resolver, where, name, rtype) for where in resolvers)
            if seen is not None:
                return seen, reply
        return None, SILENT

    def every(self, servers: Iterable[NameServer]) -> Iterable[tuple[NameServer, str]]:
        """Every server with every address that there is a way to; the empty address for one without any."""
        for server in servers:
            usable = [address for address in server.addresses if self._exchange.has_way(address)]
            for address in usable or server.addresses[:1] or ("",):
                yield server, address


def is_registry(apex: Name) -> bool:
    """True for a zone that domains are registered in."""
    return len(apex) <= 2 or apex in REGISTRY_SUFFIXES


type _Ask = Callable[[], Awaitable[tuple[Seen, Reply]]]


async def _race(asks: Iterable[_Ask]) -> tuple[Seen | None, Reply]:
    """The first usable answer of questions that start one after the other: when the one before fails, or is silent for a moment."""
    waiting, pending, failures = list(asks), set[asyncio.Task[tuple[Seen, Reply]]](), list[Seen]()
    try:
        while waiting or pending:
            if waiting:
                pending.add(asyncio.ensure_future(waiting.pop(0)()))
            timeout = _HEDGE if waiting else None
            done, pending = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for seen, reply in (task.result() for task in done):
                if seen.outcome in _USABLE:
                    return seen, reply
                failures.append(seen)
    finally:
        for task in pending:
            task.cancel()
        if pending:
            await asyncio.gather(*pending, return_exceptions=True)
    return None, replace(SILENT, failures=tuple(failures))
