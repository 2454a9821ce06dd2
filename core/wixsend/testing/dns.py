"""A whole DNS on loopback: root, registries, zones that publish what fake hosts hold, and caching resolvers. Nothing leaves the machine.

Every name server has a documentation address (RFC 5737) that the `endpoints` of `DnsSettings` map to 127.0.0.1 and a high port, so
that a client walks from the root as it would on the internet. The answers are those of RFC 1034, 2308, 4592 and 6672: referrals with
glue in bailiwick, AA, SOA in negative answers with the lesser of its TTL and minimum, wildcards, DNAME, CNAMEs chased inside the
zone and not beyond, REFUSED outside, TC over UDP. What real resolvers differ in takes the worst case: a cached NXDOMAIN denies
everything below it (RFC 8020).
"""

import asyncio
import contextlib
import socket
import ssl
import threading
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import batched
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rrset import RRset

from wixsend.exchange import DnsSettings
from wixsend.names import Name, absolute, ancestors, text
from wixsend.records import Record

if TYPE_CHECKING:
    from wixsend.testing.signing import Signer

__all__ = ["ROOT", "ROOT_SERVER", "SUFFIXES", "DnsFault", "FaultKind", "Glue", "Published", "Query", "SandboxDns", "Transport"]

type Published = Callable[[str], Iterable[Record]]
"""What a host holds for an apex (lower case, no final dot), SOA and apex NS aside. Called from the DNS thread, too, at any moment."""

type Glue = Callable[[Name, Name], list[RRset]]
"""Addresses of a host, as far as the servers of an apex add them to a referral."""

type FaultKind = (
    Literal["drop", "drop-udp", "delay", "servfail", "refuse", "deny", "no-data", "lame", "no-aa", "unsigned", "stray-glue", "many-servers"]
    | Literal["truncate", "no-edns", "garbage", "wrong-id", "wrong-question", "wrong-source", "forged-first", "huge", "pointer-loop"]
    | Literal["disbelieve"]
)

type Transport = Literal["udp", "tcp", "tls", "https"]
"""What a question came over."""

ROOT = dns.name.root
ROOT_SERVER = "a.root-servers.net"
SUFFIXES = frozenset(
    absolute(suffix)
    for suffix in "co.uk org.uk com.au net.au co.nz co.za com.br com.mx co.jp co.in co.il com.tr com.sg com.ar".split()  # noqa: SIM905
)
"""Suffixes of more than one label that the sandbox's registries have a zone for, on the servers of the zone above."""

_CAUGHT_UP = float("-inf")
_TICK = 0.02
_AT_A_TIME = 50
"""Zones that are looked at before the next questions are answered."""
_IDLE = 20
"""How many times as long as a look at every zone took nothing is looked at."""


@dataclass(frozen=True, slots=True)
class Query:
    """One question that arrived over the network: at `server` (host name of a name server, address of a resolver)."""

    server: str
    name: Name
    rtype: str
    rd: bool
    transport: Transport


@dataclass(slots=True)
class DnsFault:
    """Something that goes wrong at `server` for `name` and `rtype` (any when `None`).

    `server` is a host name or address, `authority` or `resolver` for all of that kind, or empty for any.

    drop: no answer; drop-udp: none over UDP; delay: `seconds` late; deny: NXDOMAIN whatever the zone holds; no-data: neither a
    record nor an error; lame: an answer without authority, as from a server that does not know the zone; no-aa: the right one
    without AA, as from a cache; unsigned: signatures left out; stray-glue: addresses that lead nowhere for every name server of a
    referral; many-servers: a thousand name servers in a referral; truncate: TC and nothing else over UDP; no-edns: FORMERR to
    questions with EDNS; garbage, wrong-id, wrong-question, wrong-source: answers that a client must not believe, each followed by
    silence; forged-first: one with a wrong id, and then the right one; huge: two thousand other CNAMEs before the right ones;
    pointer-loop: a compressed name that leads to itself; disbelieve: SERVFAIL unless told to check no signatures (CD), as a
    resolver that validates. `times` is how often it still happens, `None` always. `action` is called
    when it does, on the DNS thread.
    """

    kind: FaultKind
    server: str = ""
    name: Name | None = None
    rtype: str | None = None
    seconds: float = 0.1
    times: int | None = None
    action: Callable[[], object] | None = None

    def hits(self, labels: Collection[str], name: Name, rtype: str) -> bool:
        """True when this fault is about that question at a server known under `labels`."""
        return (
            self.times != 0
            and (not self.server or self.server in labels)
            and (self.name is None or self.name == name)
            and (self.rtype is None or self.rtype == rtype)
        )


@dataclass(slots=True)
class _Answer:
    """What goes into a response."""

    rcode: dns.rcode.Rcode = dns.rcode.NOERROR
    aa: bool = True
    answer: list[RRset] = field(default_factory=list)
    authority: list[RRset] = field(default_factory=list)
    additional: list[RRset] = field(default_factory=list)

    @property
    def referral(self) -> RRset | None:
        """The NS RRset of the child zone when this is a referral."""
        return next((rrset for rrset in self.authority if rrset.rdtype == dns.rdatatype.NS), None) if not self.aa else None


def _rrset(owner: Name, ttl: int, rtype: str, rdatas: Iterable[str]) -> RRset:
    parsed = [dns.rdata.from_text(dns.rdataclass.IN, rtype, rdata, ROOT, relativize=False) for rdata in rdatas]
    return dns.rrset.from_rdata_list(owner, ttl, parsed)


def _with_ttl(rrset: RRset, ttl: float, owner: Name | None = None) -> RRset:
    """A copy with another TTL, and another owner where one is given."""
    return dns.rrset.from_rdata_list(owner or rrset.name, int(ttl), list(rrset))


class _Contents:
    """One version of a zone, indexed: what its name servers answer from."""

    def __init__(self, apex: Name, records: Iterable[Record], default_ttl: int) -> None:
        self.apex = apex
        self.nodes: dict[Name, dict[str, RRset]] = {}
        grouped: dict[tuple[Name, str], list[Record]] = {}
        for record in records:
            if record.owner.is_subdomain(apex):
                grouped.setdefault((record.owner.canonicalize(), record.rtype), []).append(record)
        for (owner, rtype), group in grouped.items():
            ttl = min(default_ttl if record.ttl is None else record.ttl for record in group)
            self.nodes.setdefault(owner, {})[rtype] = _rrset(owner, ttl, rtype, [record.rdata for record in group])
        self.names = {name for owner in self.nodes for name in (owner, *ancestors(owner, apex))}

    def answer(self, name: Name, rtype: str, glue: Glue, chased: frozenset[Name] = frozenset()) -> _Answer:
        """RFC 1034 4.3.2, steps 3 and 4, for a name inside this zone."""
        above = (*reversed(ancestors(name, self.apex)), name)
        for owner in above:
            node = self.nodes.get(owner, {})
            if "NS" in node and owner != self.apex and rtype != "DS":
                return _Answer(
                    aa=False, authority=[node["NS"]], additional=[g for host in node["NS"] for g in glue(host.target, self.apex)]
                )
            if "DNAME" in node and owner != name:
                target = name.relativize(owner).concatenate(node["DNAME"][0].target)
                synthesised = _rrset(name, node["DNAME"].ttl, "CNAME", [target.to_text()])
                return self._chase(synthesised, rtype, glue, chased | {name}, [node["DNAME"]])
        node = self.nodes.get(name, {})
        if name not in self.names:
            closest = next(owner for owner in reversed(above) if owner in self.names)
            node = self.nodes.get(dns.name.from_text("*", None).concatenate(closest), {})
            if not node:
                return self._negative(dns.rcode.NXDOMAIN)
        if "CNAME" in node and rtype not in ("CNAME", "ANY"):
            return self._chase(_with_ttl(node["CNAME"], node["CNAME"].ttl, name), rtype, glue, chased | {name}, [])
        found = list(node.values()) if rtype == "ANY" else [node[rtype]] if rtype in node else []
        if not found:
            return self._negative(dns.rcode.NOERROR)
        return _Answer(answer=[_with_ttl(rrset, rrset.ttl, name) for rrset in found])

    def _chase(self, cname: RRset, rtype: str, glue: Glue, chased: frozenset[Name], before: list[RRset]) -> _Answer:
        target = cname[0].target.canonicalize()
        onward = _Answer()
        if rtype not in ("CNAME", "ANY") and target.is_subdomain(self.apex) and target not in chased:
            onward = self.answer(target, rtype, glue, chased)
        return _Answer(onward.rcode, True, [*before, cname, *onward.answer], onward.authority, onward.additional)

    def _negative(self, rcode: dns.rcode.Rcode) -> _Answer:
        soa = self.nodes.get(self.apex, {}).get("SOA")
        return _Answer(rcode, authority=[] if soa is None else [_with_ttl(soa, min(soa.ttl, soa[0].minimum))])


@dataclass(slots=True)
class _Version:
    since: float
    records: tuple[Record, ...]
    contents: _Contents


class _Zone:
    """A zone and the versions of it that its servers may be serving, newest last."""

    def __init__(
        self,
        apex: Name,
        name_servers: tuple[Name, ...],
        published: Published,
        soa_ttl: int,
        soa_minimum: int | None,
        delay: float,
        signer: "Signer | None" = None,
    ) -> None:
        self.apex, self.name_servers, self.published, self.signer = apex, name_servers, published, signer
        self.soa_ttl, self.soa_minimum, self.delay = soa_ttl, soa_minimum, delay
        self.lock = threading.Lock()
        self.versions: list[_Version] = []
        self._looked_at: tuple[tuple[Record, ...], object] = ((), None)

    def refresh(self, extra: Iterable[Record], now: float) -> None:
        """Look at what the host holds now; a change becomes a new version with a higher serial."""
        published = tuple(self.published(text(self.apex)))
        before, self._looked_at = self._looked_at, (published, extra)
        if self.versions and not published and before[1] is extra and not before[0]:  # a registry's thousands of delegations
            return
        records = (*published, *extra)
        with self.lock:
            if self.versions and _same(self.versions[-1].records, records):
                return
            serial = len(self.versions) + 1
            contents = _Contents(self.apex, (*self._own(serial), *records), default_ttl=300)
            self.versions.append(_Version(now if self.versions else _CAUGHT_UP, records, contents))

    def sign(self, signer: "Signer") -> None:
        """Sign from now on what was not signed."""
        with self.lock:
            self.signer = signer
            self.versions.clear()

    def contents(self, now: float, lag: float) -> _Contents:
        """The newest version that a server which is `lag` seconds behind serves."""
        late = self.delay + lag
        return next(version.contents for version in reversed(self.versions) if version.since + late <= now)

    def _own(self, serial: int) -> Iterable[Record]:
        if self.soa_minimum is not None:
            mname = f"{text(self.name_servers[0])}. hostmaster.{text(self.apex)}"
            yield Record(self.apex, "SOA", f"{mname.rstrip('.')}. {serial} 7200 900 1209600 {self.soa_minimum}", self.soa_ttl)
        for host in self.name_servers:
            yield Record(self.apex, "NS", text(host) + ".", 3600)
        yield from self.signer.keys if self.signer is not None else ()


def _same(one: tuple[Record, ...], other: tuple[Record, ...]) -> bool:
    # A registry's delegations are the same objects from one look to the next: thousands of them are not compared by label each time.
    return len(one) == len(other) and all(a is b or (a == b and a.ttl == b.ttl) for a, b in zip(one, other, strict=True))


class _Endpoint:
    """A server's place on loopback: one port over UDP and TCP, and the labels it is known under."""

    role: ClassVar[str]

    def __init__(self, label: str, address: str) -> None:
        self.label, self.address = label, address
        self.udp, self.tcp = _bind()

    @property
    def labels(self) -> tuple[str, str, str]:
        return self.label, self.address, self.role

    @property
    def port(self) -> int:
        return int(self.udp.getsockname()[1])


def _bind() -> tuple[socket.socket, socket.socket]:
    """A UDP and a TCP socket on the same free port of 127.0.0.1."""
    while True:
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 * 1024 * 1024)
            udp.bind(("127.0.0.1", 0))
            tcp.bind(udp.getsockname())
        except OSError:
            udp.close()
            tcp.close()
        else:
            udp.setblocking(False)
            tcp.setblocking(False)
            return udp, tcp


class _Authority(_Endpoint):
    """One name server: the zones it serves, and how many seconds it is behind."""

    role = "authority"

    def __init__(self, label: str, address: str) -> None:
        super().__init__(label, address)
        self.zones: dict[Name, _Zone] = {}
        self.lag = 0.0


class _Resolver(_Endpoint):
    """A caching resolver. `place` picks which of a zone's servers it asks first, so that resolvers differ."""

    role = "resolver"

    def __init__(self, address: str, place: int) -> None:
        super().__init__(address, address)
        self.place = place
        self.positive: dict[tuple[Name, str], tuple[float, RRset]] = {}
        self.negative: dict[tuple[Name, str | None], tuple[float, RRset]] = {}
        self.hits = 0
        self.misses = 0

    def flush(self) -> None:
        """Forget everything."""
        self.positive.clear()
        self.negative.clear()


class SandboxDns:
    """A context manager around the whole of it. Zones and faults may be added while it runs, from any thread.

    `resolvers` is how many caching resolvers there are. `now` is the clock of delays and caches, in seconds. `delay` is how
    many seconds zones take to publish what their host holds, unless a zone says otherwise.
    """

    def __init__(self, *, resolvers: int = 3, now: Callable[[], float] = time.monotonic, delay: float = 0.0) -> None:
        self.queries: list[Query] = []
        self.faults: list[DnsFault] = []
        self.errors: list[Exception] = []
        self.now = now
        self.delay = delay
        self.recursors: dict[str, _Resolver] = {}
        self._count = resolvers
        self._zones: dict[Name, _Zone] = {}
        self._hosted: set[Name] = set()
        self._parents_view: dict[Name, tuple[Name, ...]] = {}
        self._servers: dict[Name, _Authority] = {}
        self._glue: dict[Name, tuple[str, ...]] = {}
        self._endpoints: dict[str, str] = {}
        self._generation = 0
        self._extras: tuple[int, dict[Name, list[Record]]] = (-1, {})
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="sandbox-dns", daemon=True)
        self._open: list[asyncio.BaseTransport | asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()

    def __enter__(self) -> Self:
        self._thread.start()
        self._serve(ROOT, (absolute(ROOT_SERVER),), lambda _apex: (), 86400, 86400)
        for place in range(self._count):
            resolver = _Resolver(f"203.0.113.{place + 1}", place)
            self.recursors[resolver.address] = resolver
            self._listen(resolver)
        asyncio.run_coroutine_threadsafe(self._tick(), self._loop)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        asyncio.run_coroutine_threadsafe(self._shut(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        if self.errors and error is None:
            raise ExceptionGroup("the sandbox's DNS could not answer", self.errors)

    # What a test or the sandbox sets up

    def add_zone(
        self,
        apex: str,
        name_servers: Iterable[str],
        published: Published = lambda _apex: (),
        *,
        soa_minimum: int | None = 300,
        soa_ttl: int = 3600,
        delay: float | None = None,
        delegated_to: Iterable[str] | None = None,
        signer: "Signer | None" = None,
    ) -> None:
        """Serve a zone from these hosts, and delegate it from the zone above, making registries and the hosts' own zones as needed.

        `soa_minimum=None` leaves the SOA out. `delegated_to` are the hosts that the parent names, when they are not
        `name_servers`; none of them means a zone that is served and not delegated. `signer` signs it, and the zones above it.
        """
        name = absolute(apex).canonicalize()
        hosts = tuple(absolute(host).canonicalize() for host in name_servers)
        parents_view = hosts if delegated_to is None else tuple(absolute(host).canonicalize() for host in delegated_to)
        self._registry_over(name)
        self._parents_view[name] = parents_view
        self._hosted.add(name)
        self._serve(name, hosts, published, soa_ttl, soa_minimum, self.delay if delay is None else delay, signer)
        for host in parents_view:
            self._host(host)
        if signer is not None:
            self._sign_above(name)
        self._changed(name)

    def fall_behind(self, seconds: float) -> None:
        """From now on every host's change takes so long to be served, in the zones that there are and in those to come."""
        self.delay = seconds
        for zone in map(self._zones.__getitem__, self._hosted):
            zone.refresh(self._extra(zone), self.now())
            zone.delay = seconds

    def add_undelegated(self, apex: str, name_servers: Iterable[str], published: Published) -> None:
        """Serve a zone from these hosts as well, in a version of their own: nobody delegates it to them."""
        name = absolute(apex).canonicalize()
        hosts = tuple(absolute(host).canonicalize() for host in name_servers)
        zone = _Zone(name, hosts, published, 3600, 300, 0.0)
        for host in hosts:
            self._host(host)
            self._servers[host].zones[name] = zone

    def add_name_server(self, host: str, addresses: Iterable[str] | None = None, *, reachable: bool = True) -> tuple[str, ...]:
        """Bring a name server up; its addresses, which it gets unless they are given. None at all: its name resolves to nothing.

        Given addresses lead here, or, when not `reachable`, only stand in the zone that publishes them.
        """
        name = absolute(host).canonicalize()
        if name not in self._servers:
            self._servers[name] = server = _Authority(text(name), f"192.0.2.{len(self._servers) + 1}")
            self._listen(server)
            self._glue[name] = (server.address,)
            self._generation += 1
        if addresses is not None:
            own = self._endpoints[self._servers[name].address]
            self._glue[name] = tuple(addresses)
            self._generation += 1
            self._endpoints.update(dict.fromkeys(self._glue[name], own) if reachable else {})
        return self._glue[name]

    def add_encrypted(self, resolver: str, tls: ssl.SSLContext) -> tuple[str, str]:
        """Let a resolver be asked over TLS and HTTPS too; its places as `DnsSettings.resolvers` names them: `tls://…`, `https://…`.

        `tls` holds the certificate, and offers HTTP/2 (ALPN `h2`).
        """
        from wixsend.testing.doh import serve

        endpoint, path = self.recursors[resolver], "/dns-query"

        async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._stream(endpoint, reader, writer, "tls")

        async def http(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            async def answer(message: bytes) -> bytes | None:
                for sent in self._respond(endpoint, message, "https"):
                    await asyncio.sleep(sent.late)
                    return sent.wire
                return None

            self._writers.add(writer)
            with contextlib.suppress(OSError):
                await serve(reader, writer, path, answer)
            await self._closed(writer)

        async def listen(client: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]) -> int:
            server = await asyncio.start_server(client, "127.0.0.1", 0, ssl=tls)
            self._open.append(server)
            return int(server.sockets[0].getsockname()[1])

        dot, doh = (asyncio.run_coroutine_threadsafe(listen(client), self._loop).result() for client in (stream, http))
        return f"tls://127.0.0.1:{dot}", f"https://127.0.0.1:{doh}{path}"

    def lag(self, host: str, seconds: float) -> None:
        """Let one name server publish this many seconds later than the others."""
        server = self._servers[absolute(host)]
        for zone in server.zones.values():  # what it serves so far, it has
            zone.refresh(self._extra(zone), self.now())
        server.lag = seconds

    def add_fault(self, fault: DnsFault) -> DnsFault:
        """Let something go wrong from now on; returned so that it can be taken out of `faults` again."""
        self.faults.append(fault)
        return fault

    def settings(self, **changes: Any) -> DnsSettings:
        """How to reach this DNS; servers that come later are in its `endpoints` too. `changes` are other fields of `DnsSettings`."""
        given: dict[str, Any] = {
            "resolvers": tuple(self.recursors),
            "roots": self._glue[absolute(ROOT_SERVER)],
            "fallback": (),
            "endpoints": self.endpoints,
            "per_second": float("inf"),  # nobody else's server is spared by waiting
        }
        return DnsSettings(**(given | changes))

    @property
    def endpoints(self) -> Mapping[str, str]:
        """Address of each server, to "127.0.0.1:port"; a live view."""
        return MappingProxyType(self._endpoints)

    # What a test or the fake Wix asks

    def resolve(self, name: str | Name, *, resolver: str | None = None) -> Name | None:
        """The target of the CNAME at a name, first hop only; straight from the authoritative servers, or as one caching resolver sees it.

        Any of the name's authoritative servers may be the one that is asked. `None` when there is no CNAME or no answer.
        """
        asked = (absolute(name) if isinstance(name, str) else name).canonicalize()
        cache = None if resolver is None else self.recursors[resolver]
        found = self._iterate(asked, "CNAME", place=0) if cache is None else self._recursive(cache, asked, "CNAME")
        rrset = next((r for r in found.answer if r.rdtype == dns.rdatatype.CNAME and r.name == asked), None)
        return None if rrset is None else rrset[0].target

    def queries_at(self, *servers: str) -> list[Query]:
        """The questions that arrived at these servers; at all resolvers when none is named."""
        wanted = servers or tuple(self.recursors)
        return [query for query in list(self.queries) if query.server in wanted]

    # Building the tree

    def _serve(
        self,
        apex: Name,
        hosts: tuple[Name, ...],
        published: Published,
        soa_ttl: int,
        soa_minimum: int | None,
        delay: float = 0.0,
        signer: "Signer | None" = None,
    ) -> None:
        zone = _Zone(apex, hosts, published, soa_ttl, soa_minimum, delay, signer)
        for host in hosts:
            self.add_name_server(text(host))
            self._servers[host].zones[apex] = zone
        self._zones[apex] = zone
        self._parents_view.setdefault(apex, hosts)
        for host in hosts:
            self._host(host)
        self._changed(apex)

    def _registry_over(self, name: Name) -> None:
        """Make the registry zones above a name: its top label, and the suffix below that if it is a known one."""
        for above in reversed(ancestors(name, ROOT)):
            if above != ROOT and above not in self._zones and (len(above) == 2 or above in SUFFIXES):
                top = Name(above.labels[-2:])
                self._serve(above, (absolute(f"a.nic.{text(top)}"),), lambda _apex: (), 86400, 900)

    def _sign_above(self, name: Name) -> None:
        from wixsend.testing.signing import Signer

        for above in ancestors(name, ROOT):
            zone = self._zones.get(above)
            if zone is not None and zone.signer is None:
                zone.sign(Signer(above))

    def _host(self, host: Name) -> None:
        """Make the zone that a name server's own address is in, served by that server, unless there is one already."""
        self.add_name_server(text(host))
        self._registry_over(host)
        enclosing = self._enclosing(host)
        if enclosing != ROOT and len(enclosing) > 2 and enclosing not in SUFFIXES:
            return
        if text(host) == ROOT_SERVER or host.labels[:2] == (b"a", b"nic"):
            return
        apex = Name(host.labels[-(len(enclosing) + 1) :])
        siblings = tuple(h for h in self._servers if h.is_subdomain(apex))
        self._serve(apex, siblings, lambda _apex: (), 3600, 300)

    def _enclosing(self, name: Name) -> Name:
        """The apex of the deepest zone at or above a name."""
        while name not in self._zones:
            name = name.parent()
        return name

    def _extra(self, zone: _Zone) -> Iterable[Record]:
        """What the tree itself puts into a zone: delegations of the zones right below it, addresses of the name servers inside it.

        Worked out for all zones at once, whenever the tree has changed: a sandbox may hold thousands.
        """
        generation, extra = self._extras
        if generation != self._generation:
            generation, extra = self._generation, {}
            for child, hosts in list(self._parents_view.items()):
                if child != ROOT:
                    delegation = (Record(child, "NS", text(host) + ".", 3600) for host in hosts)
                    signer = self._zones[child].signer if child in self._zones else None
                    ds = () if signer is None else (signer.ds,)
                    extra.setdefault(self._enclosing(child.parent()), []).extend((*delegation, *ds))
            for host, addresses in list(self._glue.items()):
                extra.setdefault(self._enclosing(host), []).extend(_address_record(host, address) for address in addresses)
            self._extras = generation, extra
        return extra.get(zone.apex, ())

    def _changed(self, apex: Name) -> None:
        """Let the tree's change at a zone count from now on in that zone and the one above, where servers are behind."""
        self._generation += 1
        for zone in {self._zones[apex], self._zones[apex if apex == ROOT else self._enclosing(apex.parent())]}:
            self._refresh_late(zone)

    def _refresh_late(self, zone: _Zone) -> None:
        """Look at a zone some of whose servers are behind. The others are looked at when they are asked."""
        if zone.delay or any(self._servers[host].lag for host in zone.name_servers):
            zone.refresh(self._extra(zone), self.now())

    def _glue_for(self, host: Name, apex: Name) -> list[RRset]:
        """Addresses that a server of `apex` adds to a referral: those of hosts at or below it."""
        host = host.canonicalize()
        if not host.is_subdomain(apex):
            return []
        records = [_address_record(host, address) for address in self._glue.get(host, ())]
        return [_rrset(host, 3600, rtype, [r.rdata for r in records if r.rtype == rtype]) for rtype in sorted({r.rtype for r in records})]

    # Answering

    def _authoritative(self, server: _Authority, name: Name, rtype: str) -> _Answer:
        """What a name server answers, faults aside."""
        zone = self._zone_at(server, name, rtype)
        if zone is None:
            return _Answer(dns.rcode.REFUSED, aa=False)
        now = self.now()
        zone.refresh(self._extra(zone), now)
        return zone.contents(now, server.lag).answer(name, rtype, self._glue_for)

    def _zone_at(self, server: _Authority, name: Name, rtype: str) -> _Zone | None:
        """The zone that a server answers from: the deepest it has, but DS is the parent's (RFC 4035, 3.1.4.1)."""
        above = (*ancestors(name, ROOT), name) if rtype == "DS" else (name, *ancestors(name, ROOT))
        return next((server.zones[apex] for apex in above if apex in server.zones), None)

    def _sign(self, server: _Authority, name: Name, rtype: str, found: _Answer) -> None:
        """Add the signatures that a question with DO gets."""
        zone = self._zone_at(server, name, rtype)
        if zone is not None and zone.signer is not None and found.aa:
            found.answer += [made for rrset in found.answer if (made := zone.signer.signature(rrset)) is not None]

    def _fault(self, endpoint: _Endpoint, name: Name, rtype: str, *kinds: FaultKind) -> DnsFault | None:
        """The first fault that hits, one time less of it left."""
        fault = next((f for f in list(self.faults) if (not kinds or f.kind in kinds) and f.hits(endpoint.labels, name, rtype)), None)
        if fault is not None and fault.times is not None:
            fault.times -= 1
        return fault

    def _iterate(self, name: Name, rtype: str, place: int) -> _Answer:
        """Resolve from the root down as a resolver does, without sockets; SERVFAIL when nobody answers or CNAMEs loop."""
        chain: list[RRset] = []
        for _hop in range(8):
            found = self._one_name(name, rtype, place)
            chain.extend(found.answer)
            last = chain[-1] if chain else None
            if last is None or last.rdtype != dns.rdatatype.CNAME or rtype in ("CNAME", "ANY") or found.rcode != dns.rcode.NOERROR:
                return _Answer(found.rcode, False, chain, found.authority)
            if found.authority:
                return _Answer(found.rcode, False, chain, found.authority)
            name = last[0].target.canonicalize()
        return _Answer(dns.rcode.SERVFAIL, aa=False)

    def _one_name(self, name: Name, rtype: str, place: int) -> _Answer:
        hosts = [absolute(ROOT_SERVER)]
        for _depth in range(16):
            found = _Answer(dns.rcode.SERVFAIL, aa=False)
            for host in (*hosts[place % len(hosts) :], *hosts[: place % len(hosts)]):
                server = self._servers.get(host)
                if server is None or not self._glue[host] or self._fault(server, name, rtype, "drop", "servfail", "refuse", "lame"):
                    continue
                found = self._authoritative(server, name, rtype)
                if found.aa or found.referral:
                    break
            referral = found.referral
            if referral is None:
                return found if found.aa else _Answer(dns.rcode.SERVFAIL, aa=False)
            hosts = [rdata.target.canonicalize() for rdata in referral]
        return _Answer(dns.rcode.SERVFAIL, aa=False)

    def _recursive(self, resolver: _Resolver, name: Name, rtype: str) -> _Answer:
        """What a caching resolver answers: from its cache with the TTL that is left, else from the authoritative servers."""
        cached = self._cached(resolver, name, rtype)
        if cached is not None:
            resolver.hits += 1
            return cached
        resolver.misses += 1
        found = self._iterate(name, rtype, resolver.place)
        now = self.now()
        for rrset in found.answer:
            resolver.positive[rrset.name.canonicalize(), dns.rdatatype.to_text(rrset.rdtype)] = (now + rrset.ttl, rrset)
        soa = next((rrset for rrset in found.authority if rrset.rdtype == dns.rdatatype.SOA), None)
        if soa is not None:
            denied = found.answer[-1][0].target.canonicalize() if found.answer else name
            resolver.negative[denied, None if found.rcode == dns.rcode.NXDOMAIN else rtype] = (now + soa.ttl, soa)
        return found

    def _cached(self, resolver: _Resolver, name: Name, rtype: str) -> _Answer | None:
        now = self.now()
        chain: list[RRset] = []
        while len(chain) < 8:
            for above in (name, *ancestors(name, ROOT)):
                until, soa = resolver.negative.get((above, None), (_CAUGHT_UP, None))
                if soa is not None and until > now:
                    return _Answer(dns.rcode.NXDOMAIN, False, chain, [_with_ttl(soa, until - now)])
            until, soa = resolver.negative.get((name, rtype), (_CAUGHT_UP, None))
            if soa is not None and until > now:
                return _Answer(dns.rcode.NOERROR, False, chain, [_with_ttl(soa, until - now)])
            for held in dict.fromkeys((rtype, "CNAME")):
                until, rrset = resolver.positive.get((name, held), (_CAUGHT_UP, None))
                if rrset is not None and until > now:
                    chain.append(_with_ttl(rrset, until - now))
                    if held == rtype:
                        return _Answer(aa=False, answer=chain)
                    name = rrset[0].target.canonicalize()
                    break
            else:
                return None
        return None

    def _respond(self, endpoint: _Endpoint, wire: bytes, transport: Transport) -> list["_Sent"]:
        """What to send back for a message that arrived; nothing for silence."""
        try:
            query = dns.message.from_wire(wire)
        except dns.exception.DNSException:
            return []
        response = dns.message.make_response(query, recursion_available=isinstance(endpoint, _Resolver), our_payload=1232)
        if query.opcode() != dns.opcode.QUERY or len(query.question) != 1 or query.question[0].rdclass != dns.rdataclass.IN:
            response.set_rcode(dns.rcode.NOTIMP if query.opcode() != dns.opcode.QUERY else dns.rcode.REFUSED)
            return [_Sent(response.to_wire())]
        question = query.question[0]
        name, rtype = question.name.canonicalize(), dns.rdatatype.to_text(question.rdtype)
        rd = bool(query.flags & dns.flags.RD)
        self.queries.append(Query(endpoint.label, name, rtype, rd, transport))
        fault = self._fault(endpoint, name, rtype)
        kind = fault.kind if fault is not None else None
        if kind == "disbelieve":
            kind = None if query.flags & dns.flags.CD else "servfail"
        if fault is not None and fault.action is not None:
            fault.action()
        if kind == "drop" or (kind == "drop-udp" and transport == "udp"):
            return []
        try:
            found = self._found(endpoint, kind, name, rtype, rd)
        except Exception as error:  # a host's `published` may raise anything: said at the end, and SERVFAIL meanwhile
            self.errors.append(error)
            found = _Answer(dns.rcode.SERVFAIL, aa=False)
        if query.ednsflags & dns.flags.DO and kind != "unsigned" and isinstance(endpoint, _Authority):
            self._sign(endpoint, name, rtype, found)
        response.set_rcode(found.rcode)
        response.flags |= dns.flags.AA if found.aa and kind != "no-aa" else 0
        response.answer, response.authority, response.additional = found.answer, found.authority, found.additional
        room = 65535 if transport != "udp" else max(512, min(query.payload, 1232) if query.edns >= 0 else 512)
        return _spoilt(query, response, kind, room, fault.seconds if fault is not None else 0.0)

    def _found(self, endpoint: _Endpoint, kind: FaultKind | None, name: Name, rtype: str, rd: bool) -> _Answer:
        match kind:
            case "servfail":
                return _Answer(dns.rcode.SERVFAIL, aa=False)
            case "refuse":
                return _Answer(dns.rcode.REFUSED, aa=False)
            case "deny":
                return _Answer(dns.rcode.NXDOMAIN)
            case "no-data":
                return _Answer()
            case "lame":
                root = _rrset(ROOT, 3600, "NS", [ROOT_SERVER + "."])
                return _Answer(aa=False, authority=[root])
        if isinstance(endpoint, _Authority):
            return self._authoritative(endpoint, name, rtype)
        if isinstance(endpoint, _Resolver) and rd:
            return self._recursive(endpoint, name, rtype)
        return _Answer(dns.rcode.REFUSED, aa=False)

    # Sockets

    def _listen(self, endpoint: _Endpoint) -> None:
        self._endpoints[endpoint.address] = f"127.0.0.1:{endpoint.port}"
        asyncio.run_coroutine_threadsafe(self._attach(endpoint), self._loop).result()

    async def _attach(self, endpoint: _Endpoint) -> None:
        async def stream(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            await self._stream(endpoint, reader, writer)

        transport, _ = await self._loop.create_datagram_endpoint(lambda: _Datagrams(self, endpoint), sock=endpoint.udp)
        self._open.extend((transport, await asyncio.start_server(stream, sock=endpoint.tcp)))

    async def _stream(
        self, endpoint: _Endpoint, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, transport: Transport = "tcp"
    ) -> None:
        self._writers.add(writer)
        with contextlib.suppress(OSError, EOFError):
            while True:
                size = int.from_bytes(await reader.readexactly(2))
                for sent in self._respond(endpoint, await reader.readexactly(size), transport):
                    await asyncio.sleep(sent.late)
                    writer.write(len(sent.wire).to_bytes(2) + sent.wire)
                    await writer.drain()
        await self._closed(writer)

    async def _closed(self, writer: asyncio.StreamWriter) -> None:
        writer.close()
        with contextlib.suppress(OSError):
            await writer.wait_closed()
        self._writers.discard(writer)

    async def _tick(self) -> None:
        """Notice changes when they happen, so that delays count from then and not from the next question.

        With many zones a little later, so that looking at them leaves the time for questions.
        """
        while True:
            began = time.monotonic()
            for some in batched(list(self._zones.values()), _AT_A_TIME):
                for zone in some:
                    self._refresh_late(zone)
                await asyncio.sleep(0)
            await asyncio.sleep(max(_TICK, _IDLE * (time.monotonic() - began)))

    async def _shut(self) -> None:
        for opened in self._open:
            opened.close()
        writers = tuple(self._writers)
        for writer in writers:
            writer.transport.abort()
        await asyncio.gather(*(writer.wait_closed() for writer in writers), return_exceptions=True)
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)


@dataclass(frozen=True, slots=True)
class _Sent:
    """Bytes to send back after `late` seconds, from another address than was asked if `elsewhere`."""

    wire: bytes
    late: float = 0.0
    elsewhere: bool = False


def _spoilt(query: dns.message.Message, response: dns.message.Message, kind: FaultKind | None, room: int, seconds: float) -> list[_Sent]:
    """A right response on the wire, in `room` octets, as the fault of this kind has it."""

    def packed(message: dns.message.Message) -> bytes:
        return message.to_wire(max_size=room, prefer_truncation=True)

    match kind:
        case "no-edns" if query.edns >= 0:
            plain = dns.message.make_response(query)
            plain.use_edns(False)
            plain.set_rcode(dns.rcode.FORMERR)
            return [_Sent(packed(plain))]
        case "truncate" if room < 65535:
            response.answer, response.authority, response.additional = [], [], []
            response.flags |= dns.flags.TC
        case "stray-glue":
            hosts = [rdata.target for rrset in response.authority if rrset.rdtype == dns.rdatatype.NS for rdata in rrset]
            response.additional = [_rrset(host, 3600, "A", ["198.51.100.66"]) for host in hosts]
        case "many-servers":
            hosts = [f"ns{number}.crowd.example." for number in range(1000)]
            response.authority = [_rrset(rrset.name, 3600, "NS", hosts) for rrset in response.authority]
            response.additional = [_rrset(absolute(host), 3600, "A", [f"198.18.{n // 250}.{n % 250 + 1}"]) for n, host in enumerate(hosts)]
        case "huge":
            response.answer[:0] = [_rrset(response.question[0].name, 300, "CNAME", [f"t{number}.example."]) for number in range(2000)]
        case "pointer-loop":
            return [_Sent(_looping(response, packed(response)[:4]))]
        case "wrong-question":
            asked = response.question[0]
            response.question = [dns.rrset.RRset(asked.name.parent(), asked.rdclass, asked.rdtype)]
        case "wrong-id" | "forged-first":
            forged = dns.message.from_wire(packed(response))
            forged.id ^= 1
            return [_Sent(packed(forged)), _Sent(packed(response))][: 1 if kind == "wrong-id" else 2]
        case "garbage":
            return [_Sent(packed(response)[:2] + b"\xff" * 20)]
        case "wrong-source":
            return [_Sent(packed(response), elsewhere=True)]
        case "delay":
            return [_Sent(packed(response), late=seconds)]
    return [_Sent(packed(response))]


def _looping(response: dns.message.Message, head: bytes) -> bytes:
    """A response with one record, whose owner is a pointer to itself."""
    question = response.question[0]
    asked = (question.name.to_wire() or b"") + question.rdtype.to_bytes(2) + question.rdclass.to_bytes(2)
    pointer = (0xC000 + 12 + len(asked)).to_bytes(2)
    return head + bytes((0, 1, 0, 1, 0, 0, 0, 0)) + asked + pointer + bytes((0, 5, 0, 1, 0, 0, 1, 44, 0, 2)) + pointer


class _Datagrams(asyncio.DatagramProtocol):
    """Answers datagrams at one endpoint."""

    def __init__(self, sandbox: SandboxDns, endpoint: _Endpoint) -> None:
        self.sandbox, self.endpoint = sandbox, endpoint
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        for sent in self.sandbox._respond(self.endpoint, data, "udp"):
            if sent.elsewhere:
                with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                    other.sendto(sent.wire, addr)
            elif self.transport is not None:
                asyncio.get_running_loop().call_later(sent.late, self.transport.sendto, sent.wire, addr)


def _address_record(host: Name, address: str) -> Record:
    return Record(host, "AAAA" if ":" in address else "A", address, 3600)
