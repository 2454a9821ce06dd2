"""Floor 4. One question to one server, and what came back as a plain value: the wire of DNS.

Here are EDNS, tries and time-outs, how fast one address is asked, where it is really asked, which addresses are never asked, and what makes
an answer believable. How bytes travel is in `wixsend.packets`; which questions are asked, of whom and in which order, in `wixsend.lookup`.
"""

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import TYPE_CHECKING

import dns.name

from wixsend.errors import ConfigError
from wixsend.names import Name, is_below, text
from wixsend.packets import Packets, Place, is_truncated, question, shows
from wixsend.records import Record
from wixsend.verdict import Kind, NameServer, Outcome, Seen, Soa

if TYPE_CHECKING:
    import dns.message

__all__ = ["ROOTS", "SILENT", "DnsSettings", "Exchange", "Reply"]

ROOTS: tuple[str, ...] = (
    *("198.41.0.4", "170.247.170.2", "192.33.4.12", "199.7.91.13", "192.203.230.10", "192.5.5.241", "192.112.36.4"),
    *("198.97.190.53", "192.36.148.17", "192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33"),
)
"""IPv4 addresses of the root servers, A to M (IANA, named.root of 2024)."""

_NO_EDNS = frozenset({1, 4})
"""FORMERR and NOTIMP, as servers older than EDNS answer it."""
_RCODES: Mapping[str, Outcome] = {"REFUSED": Outcome.REFUSED, "FORMERR": Outcome.NONSENSE, "NOTIMP": Outcome.NONSENSE}


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Whom to ask, and how.

    `resolvers` are the public resolvers that the proof ends with. `endpoints` maps a server's address to the "ip:port" where it
    is really to be asked (the sandbox, labs); any other address is asked at `port`. One try takes `timeout` seconds at the
    most, and a silent server gets `tries` of them, the last over TCP too. Addresses of name servers that are not on the public
    internet are not asked unless they are in `endpoints` or `private_servers` is set; IPv6 ones only where `ipv6` says so or,
    when it is `None`, the machine has a route. At most `in_flight` questions are open at once, `per_server` of them at one
    address. Raises `ConfigError` for what is no address.
    """

    resolvers: tuple[str, ...] = ("1.1.1.1", "8.8.8.8", "9.9.9.9")
    roots: tuple[str, ...] = ROOTS
    port: int = 53
    endpoints: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 3.0
    tries: int = 2
    private_servers: bool = False
    ipv6: bool | None = None
    in_flight: int = 64
    per_server: int = 8

    def __post_init__(self) -> None:
        places = {place: place.rpartition(":") for place in self.endpoints.values()}
        wrong = [written for written in (*self.resolvers, *self.roots, *self.endpoints) if not _is_address(written)]
        wrong += [place for place, (host, _colon, port) in places.items() if not (_is_address(host.strip("[]")) and port.isdecimal())]
        if wrong:
            raise ConfigError(
                f"in the DNS settings, {wrong[0]!r} is not an IP address" + (" with a port" if wrong[0] in places else ""),
                'Give addresses such as "192.0.2.1", and endpoints such as "127.0.0.1:5301"; host names are not looked up.',
            )


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, checked and without its wire format."""

    rcode: str
    aa: bool
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()

    def soa(self) -> tuple[Name, Soa] | None:
        """The SOA in answer or authority, with its owner."""
        for record in (*self.answer, *self.authority):
            fields = record.rdata.split()
            if record.rtype == "SOA" and len(fields) == 7:
                return record.owner, Soa(int(fields[2]), record.ttl or 0, int(fields[6]))
        return None


SILENT = Reply("", aa=False)
"""What stands for a response where there is none."""


class Exchange:
    """Asks single questions. `queries` counts every message sent, by the address it was meant for."""

    def __init__(self, settings: DnsSettings) -> None:
        self.settings = settings
        self.queries: Counter[str] = Counter()
        self._all = asyncio.Semaphore(settings.in_flight)
        self._each: dict[str, asyncio.Semaphore] = {}
        self._ipv6 = settings.ipv6
        self._packets = Packets()

    async def authority(self, server: NameServer, address: str, zone: Name, name: Name, rtype: str) -> tuple[Seen, Reply]:
        """One authoritative server at one address, RD=0."""
        blank = self._blank(server, address, name, rtype)
        if blank.outcome is not Outcome.TIMEOUT:
            return blank, SILENT
        return _read(blank, await self._ask(address, question(name, rtype), rd=False), zone)

    async def resolver(self, address: str, name: Name, rtype: str) -> tuple[Seen, Reply]:
        """One public resolver, RD=1."""
        blank = Seen(address, address, Kind.RESOLVER, name, rtype, Outcome.TIMEOUT)
        return _read(blank, await self._ask(address, question(name, rtype), rd=True), dns.name.root)

    async def authority_shows(self, server: NameServer, address: str, zone: Name, want: Record) -> Seen:
        """The same as `authority`, for a record that is expected: its bytes are compared, and anything else is read."""
        blank = self._blank(server, address, want.owner, want.rtype)
        return blank if blank.outcome is not Outcome.TIMEOUT else await self._shows(blank, want, zone)

    async def resolver_shows(self, address: str, want: Record) -> Seen:
        """The same as `resolver`, for a record that is expected."""
        return await self._shows(Seen(address, address, Kind.RESOLVER, want.owner, want.rtype, Outcome.TIMEOUT), want, dns.name.root)

    def _blank(self, server: NameServer, address: str, name: Name, rtype: str) -> Seen:
        """A question to an authoritative server before it is asked; its outcome is another than TIMEOUT when it must not be."""
        outcome = Outcome.TIMEOUT
        if not address:
            outcome = Outcome.NO_ADDRESS
        elif not self.may_ask(address):
            outcome = Outcome.PRIVATE
        elif not self.has_way(address):
            outcome = Outcome.UNREACHABLE
        return Seen(text(server.name), address, Kind.AUTHORITATIVE, name, rtype, outcome)

    async def _shows(self, blank: Seen, want: Record, zone: Name) -> Seen:
        first_hand = blank.kind is Kind.AUTHORITATIVE
        asked = question(want.owner, want.rtype)
        got = await self._ask(blank.address, asked, rd=not first_hand)
        if isinstance(got, bytes) and want.rtype == "CNAME":
            ttl = shows(got, asked, _target(want.rdata), authority=first_hand)
            if ttl is not None:
                return replace(blank, outcome=Outcome.ANSWER, records=(want,), ttl=ttl)
        return _read(blank, got, zone)[0]

    async def _ask(self, address: str, asked: bytes, *, rd: bool) -> bytes | Outcome:
        """A question, and again without EDNS where the server is older than that (RFC 6891, section 7)."""
        async with self._turn(address):
            got = await self._try(address, asked, rd, edns=True)
            if isinstance(got, bytes) and got[3] & 15 in _NO_EDNS:
                got = await self._try(address, asked, rd, edns=False)
        return got

    async def _try(self, address: str, asked: bytes, rd: bool, edns: bool) -> bytes | Outcome:
        """Send a question as often as the settings allow until there is a response; what it was that failed otherwise.

        The last of several tries goes over TCP as well: some networks and servers lose DNS over UDP.
        """
        got: bytes | Outcome = Outcome.TIMEOUT
        for tried in range(1, self.settings.tries + 1):
            way = self._either if 1 < tried == self.settings.tries else self._udp
            self.queries[address] += 1
            got = await way(self._place(address), asked, rd, edns)
            if isinstance(got, bytes) or got is Outcome.UNREACHABLE:
                break
        return got

    async def _udp(self, place: Place, asked: bytes, rd: bool, edns: bool) -> bytes | Outcome:
        """Over UDP, and again over TCP when the response is truncated."""
        got = await _caught(self._packets.udp(place, asked, rd=rd, edns=edns, timeout=self.settings.timeout))
        return await self._tcp(place, asked, rd, edns) if isinstance(got, bytes) and is_truncated(got) else got

    async def _tcp(self, place: Place, asked: bytes, rd: bool, edns: bool) -> bytes | Outcome:
        return await _caught(self._packets.tcp(place, asked, rd=rd, edns=edns, timeout=self.settings.timeout))

    async def _either(self, place: Place, asked: bytes, rd: bool, edns: bool) -> bytes | Outcome:
        """Over UDP and TCP at once: whichever way answers first; what failed over UDP when neither does."""
        asks = [asyncio.ensure_future(way(place, asked, rd, edns)) for way in (self._udp, self._tcp)]
        try:
            for first in asyncio.as_completed(asks):
                got = await first
                if isinstance(got, bytes):
                    return got
        finally:
            for ask in asks:
                ask.cancel()
            await asyncio.gather(*asks, return_exceptions=True)
        return asks[0].result()

    @asynccontextmanager
    async def _turn(self, address: str) -> AsyncIterator[None]:
        """Wait for a place at this address, then for one among all."""
        async with self._each.setdefault(address, asyncio.Semaphore(self.settings.per_server)), self._all:
            yield

    def _place(self, address: str) -> Place:
        """Where an address is really to be asked."""
        host, colon, port = self.settings.endpoints.get(address, "").rpartition(":")
        return (host.strip("[]"), int(port)) if colon else (address, self.settings.port)

    def may_ask(self, address: str) -> bool:
        """False for an address that a stranger's zone must not make us ask: loopback, private, multicast."""
        if self.settings.private_servers or address in self.settings.endpoints or address in self.settings.roots:
            return True
        known: ipaddress.IPv4Address | ipaddress.IPv6Address = ipaddress.ip_address(address)
        if isinstance(known, ipaddress.IPv6Address):
            known = known.ipv4_mapped or known.sixtofour or known
        return known.is_global and not known.is_multicast

    def has_way(self, address: str) -> bool:
        """False for an IPv6 address on a machine without a route to the IPv6 internet."""
        if ":" not in address or address in self.settings.endpoints:
            return True
        if self._ipv6 is None:
            self._ipv6 = _routes_ipv6()
        return self._ipv6


def _is_address(written: str) -> bool:
    try:
        ipaddress.ip_address(written)
    except ValueError:
        return False
    return True


def _routes_ipv6() -> bool:
    """True when the kernel would send to the IPv6 internet; connecting a datagram socket sends nothing."""
    try:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as probe:
            probe.connect(("2001:503:ba3e::2:30", 53))
    except OSError:
        return False
    return True


def _read(blank: Seen, got: bytes | Outcome, zone: Name) -> tuple[Seen, Reply]:
    """What came back, and what it means coming from a server of `zone` (the root for resolvers)."""
    reply = _parsed(got) if isinstance(got, bytes) else got
    return (replace(blank, outcome=reply), SILENT) if isinstance(reply, Outcome) else (_meaning(blank, reply, zone), reply)


def _meaning(blank: Seen, reply: Reply, zone: Name) -> Seen:
    """What a response means; a resolver's needs no authority."""
    records = tuple(record for record in reply.answer if record.owner == blank.name and record.rtype in (blank.rtype, "CNAME"))
    believed = reply.aa or blank.kind is Kind.RESOLVER
    soa = reply.soa()
    onward = [record for record in reply.authority if record.rtype == "NS" and _leads(record.owner, blank.name, zone)]
    if reply.rcode not in ("NOERROR", "NXDOMAIN"):
        return replace(blank, outcome=_RCODES.get(reply.rcode, Outcome.SERVFAIL))
    if records and believed:
        return replace(blank, outcome=Outcome.ANSWER, records=records, ttl=min(record.ttl or 0 for record in records))
    if onward and soa is None and reply.rcode == "NOERROR" and blank.kind is Kind.AUTHORITATIVE:
        return replace(blank, outcome=Outcome.REFERRAL, cut=onward[0].owner, ttl=onward[0].ttl)
    if not believed or (onward and soa is None):
        return replace(blank, outcome=Outcome.LAME)
    outcome = Outcome.NXDOMAIN if reply.rcode == "NXDOMAIN" else Outcome.NODATA
    return replace(blank, outcome=outcome, ttl=None if soa is None else soa[1].negative_ttl)


def _leads(owner: Name, name: Name, zone: Name) -> bool:
    """True when a delegation of `owner` by a server of `zone` leads down towards `name`, and not sideways or up."""
    return is_below(owner, zone) and name.is_subdomain(owner)


@lru_cache(maxsize=65536)
def _target(rdata: str) -> bytes:
    """The target of a CNAME in wire form, lower case."""
    return dns.name.from_text(rdata, dns.name.root).canonicalize().to_wire() or b""


def _parsed(response: bytes) -> Reply | Outcome:
    import dns.exception
    import dns.message

    try:
        return _reply(dns.message.from_wire(response, ignore_trailing=True))
    except dns.exception.DNSException:
        return Outcome.NONSENSE


async def _caught(ask: Awaitable[bytes]) -> bytes | Outcome:
    """The response, or which way of failing it was."""
    try:
        return await ask
    except TimeoutError:
        return Outcome.TIMEOUT
    except OSError:
        return Outcome.UNREACHABLE
    except (EOFError, ValueError):
        return Outcome.NONSENSE


def _reply(message: "dns.message.Message") -> Reply:
    """A dnspython message as plain values."""
    import dns.flags
    import dns.rcode
    import dns.rdatatype

    answer, authority, additional = (
        tuple(Record(rrset.name, dns.rdatatype.to_text(rrset.rdtype), rdata.to_text(), rrset.ttl) for rrset in section for rdata in rrset)
        for section in (message.answer, message.authority, message.additional)
    )
    return Reply(dns.rcode.to_text(message.rcode()), bool(message.flags & dns.flags.AA), answer, authority, additional)
