"""Floor 4. One question to one server, and what came back as a plain value: the wire of DNS.

Here are EDNS, tries and time-outs, how fast one address is asked, where it is really asked, which addresses are never asked, and what makes
an answer believable. How bytes travel is in `wixsend.packets`; which questions are asked, of whom and in which order, in `wixsend.lookup`.
"""

import asyncio
import ipaddress
import socket
import struct
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from itertools import batched
from typing import TYPE_CHECKING, Self
from urllib.parse import urlsplit

import dns.name

from wixsend.errors import ConfigError
from wixsend.names import Name, absolute, is_below, text
from wixsend.packets import Edns, Manner, Packets, Place, is_truncated, name_at, query, question, responds, shows
from wixsend.records import Record
from wixsend.turns import Line, Places
from wixsend.verdict import Kind, NameServer, Outcome, Seen, Soa

if TYPE_CHECKING:
    import dns.message

    from wixsend.encrypted import Encrypted

__all__ = ["FALLBACK", "ROOTS", "SILENT", "SYSTEM", "DnsSettings", "Exchange", "Hoped", "Reply", "is_encrypted"]

ROOTS: tuple[str, ...] = (
    *("198.41.0.4", "170.247.170.2", "192.33.4.12", "199.7.91.13", "192.203.230.10", "192.5.5.241", "192.112.36.4"),
    *("198.97.190.53", "192.36.148.17", "192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33"),
)
"""IPv4 addresses of the root servers, A to M (IANA, named.root of 2024)."""

FALLBACK: tuple[str, ...] = ("https://1.1.1.1/dns-query", "https://8.8.8.8/dns-query", "https://9.9.9.9/dns-query")
"""DNS over HTTPS by address, so that nothing has to be looked up to reach it: Cloudflare, Google, Quad9."""

SYSTEM = "system"
"""Stands for the resolvers that this machine uses."""

_NO_EDNS = frozenset({1, 4})
"""FORMERR and NOTIMP, as servers older than EDNS answer it."""
_NAMING = frozenset({2, 5, 12, 39})
"""NS, CNAME, PTR, DNAME: a name is all of their rdata."""
_ADDRESSES: Mapping[int, int] = {1: 4, 28: 16}
"""A and AAAA, with the octets of their rdata."""
_NUMBERS = struct.Struct("!IIIII")
"""What follows the two names of a SOA."""
_RCODES: Mapping[str, Outcome] = {"REFUSED": Outcome.REFUSED, "FORMERR": Outcome.NONSENSE, "NOTIMP": Outcome.NONSENSE}


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Whom to ask, and how.

    `resolvers` are the public resolvers that the proof ends with: an address, `https://HOST/PATH` (DNS over HTTPS), `tls://HOST[:PORT]`
    (DNS over TLS), or `system` for those that this machine uses, by `resolv_conf` where there is such a file. Where port 53 is closed,
    they and those of `fallback` that are encrypted find the zone. `ca_file` is a bundle of authorities for their certificates, instead of
    the usual ones; `proxy` an HTTP proxy for HTTPS. `endpoints` maps a server's address to the "ip:port" where it is really to be asked
    (the sandbox, labs); any other address is asked at `port`. One try takes `timeout` seconds at the
    most, and a silent server gets `tries` of them, the last over TCP too. Addresses of name servers that are not on the public
    internet are not asked unless they are in `endpoints` or `private_servers` is set; IPv6 ones only where `ipv6` says so or,
    when it is `None`, the machine has a route. At most `in_flight` questions are open at once, `per_server` of them at one
    address, which is asked no more than `per_second` questions on the average (`inf`: as many as it answers). Raises
    `ConfigError` for what is no address.
    """

    resolvers: tuple[str, ...] = ("1.1.1.1", "8.8.8.8", "9.9.9.9")
    fallback: tuple[str, ...] = FALLBACK
    roots: tuple[str, ...] = ROOTS
    port: int = 53
    endpoints: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 3.0
    tries: int = 2
    private_servers: bool = False
    ipv6: bool | None = None
    in_flight: int = 256
    per_server: int = 16
    per_second: float = 100.0
    ca_file: str | None = None
    proxy: str | None = field(default=None, repr=False)
    resolv_conf: str = "/etc/resolv.conf"

    def __post_init__(self) -> None:
        places = {place: place.rpartition(":") for place in self.endpoints.values()}
        wrong = [written for written in (*self.roots, *self.endpoints) if not _is_address(written)]
        wrong += [place for place, (host, _colon, port) in places.items() if not (_is_address(host.strip("[]")) and port.isdecimal())]
        if wrong:
            raise ConfigError(
                f"in the DNS settings, {wrong[0]!r} is not an IP address" + (" with a port" if wrong[0] in places else ""),
                'Give addresses such as "192.0.2.1", and endpoints such as "127.0.0.1:5301"; host names are not looked up.',
            )
        strange = [written for written in self.resolvers if not (_is_address(written) or written == SYSTEM or _is_encrypted(written))]
        strange += [written for written in self.fallback if not _is_encrypted(written)]
        if strange:
            raise ConfigError(
                f"in the DNS settings, {strange[0]!r} is no resolver that can be asked"
                + (" where port 53 is closed" * (strange[0] in self.fallback)),
                'Give an IP address, "https://HOST/dns-query", "tls://HOST" or "system"; in fallback, one of the two that are encrypted.',
            )


@dataclass(frozen=True, slots=True)
class Reply:
    """A response, checked and without its wire format.

    Where it stands for none, `failures` are what those that were asked did instead, as far as somebody asked several.
    """

    rcode: str
    aa: bool
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    failures: tuple[Seen, ...] = ()

    def soa(self) -> tuple[Name, Soa] | None:
        """The SOA in answer or authority, with its owner."""
        for record in (*self.answer, *self.authority):
            fields = record.rdata.split() if record.rtype == "SOA" else []
            if len(fields) == 7:
                return record.owner, Soa(int(fields[2]), record.ttl or 0, int(fields[6]), absolute(fields[0]), absolute(fields[1]))
        return None


SILENT = Reply("", aa=False)
"""What stands for a response where there is none."""


@dataclass(frozen=True, slots=True)
class Hoped:
    """A record that a server is hoped to show, with the question for it and a CNAME's target as they stand on the wire (lower case)."""

    record: Record
    asked: bytes
    target: bytes

    @classmethod
    def of(cls, record: Record) -> Self:
        target = record.target.canonicalize().to_wire() if record.rtype == "CNAME" else None
        return cls(record, question(record.owner, record.rtype), target or b"")


class Exchange:
    """Asks single questions. `queries` counts every message sent, by the address it was meant for."""

    def __init__(self, settings: DnsSettings) -> None:
        self.settings = settings
        self.queries: Counter[str] = Counter()
        self._all = Places(settings.in_flight)
        self._most = min(settings.in_flight, settings.per_server)
        self._lines: dict[str, Line] = {}
        self._ipv6 = settings.ipv6
        self._packets = Packets()
        self._encrypted: dict[str, Encrypted] = {}

    async def close(self) -> None:
        """Close what is kept open between questions."""
        opened, self._encrypted = self._encrypted, {}
        await asyncio.gather(*(each.close() for each in opened.values()))

    @cached_property
    def resolvers(self) -> tuple[str, ...]:
        """The resolvers that the proof ends with, this machine's own by their addresses. `ConfigError` when it has none."""
        own = _own_resolvers(self.settings.resolv_conf) if SYSTEM in self.settings.resolvers else ()
        return tuple(dict.fromkeys(each for where in self.settings.resolvers for each in (own if where == SYSTEM else (where,))))

    @cached_property
    def unforgeable(self) -> tuple[str, ...]:
        """Resolvers whose answers nobody on the way can hold back or forge: the encrypted ones, then those of `fallback`."""
        return tuple(dict.fromkeys(where for where in (*self.resolvers, *self.settings.fallback) if is_encrypted(where)))

    async def authority(
        self, server: NameServer, address: str, zone: Name, name: Name, rtype: str, *, dnssec: bool = False
    ) -> tuple[Seen, Reply]:
        """One authoritative server at one address, RD=0; `dnssec` asks for signatures as well."""
        refusal = self._refusal(address)
        blank = Seen(text(server.name), address, Kind.AUTHORITATIVE, name, rtype, refusal or Outcome.TIMEOUT)
        return (
            (blank, SILENT)
            if refusal
            else _read(blank, await self._ask(address, question(name, rtype), Manner(edns=Edns.DNSSEC if dnssec else Edns.ON)), zone)
        )

    async def resolver(self, address: str, name: Name, rtype: str) -> tuple[Seen, Reply]:
        """One public resolver, RD=1."""
        blank = Seen(address, address, Kind.RESOLVER, name, rtype, Outcome.TIMEOUT)
        return _read(blank, await self._ask(address, question(name, rtype), Manner(rd=True)), dns.name.root)

    async def authority_shows(self, server: NameServer, address: str, zone: Name, hopes: Sequence[Hoped]) -> list[Seen]:
        """The same as `authority`, for records that are hoped for: their bytes are compared, and anything else is read."""
        refusal, label = self._refusal(address), text(server.name)
        if refusal:
            return [Seen(label, address, Kind.AUTHORITATIVE, hoped.record.owner, hoped.record.rtype, refusal) for hoped in hopes]
        return await self._shows(label, address, Kind.AUTHORITATIVE, zone, hopes, Manner())

    async def resolver_shows(self, address: str, hopes: Sequence[Hoped], *, checked: bool = True) -> list[Seen]:
        """The same as `resolver`, for records that are hoped for; without its check of signatures, if that is not wanted."""
        return await self._shows(address, address, Kind.RESOLVER, dns.name.root, hopes, Manner(rd=True, cd=not checked))

    async def _shows(self, server: str, address: str, kind: Kind, zone: Name, hopes: Sequence[Hoped], how: Manner) -> list[Seen]:
        first_hand, looks = kind is Kind.AUTHORITATIVE, list[Seen]()
        answers = await self._ask_each(address, [hoped.asked for hoped in hopes], how)
        for hoped, got in zip(hopes, answers, strict=True):
            record = hoped.record
            ttl = shows(got, hoped.asked, hoped.target, authority=first_hand) if isinstance(got, bytes) and hoped.target else None
            if ttl is not None:
                looks.append(Seen(server, address, kind, record.owner, record.rtype, Outcome.ANSWER, (record,), ttl))
            else:
                looks.append(_read(Seen(server, address, kind, record.owner, record.rtype, Outcome.TIMEOUT), got, zone)[0])
        return looks

    def _refusal(self, address: str) -> Outcome | None:
        """Why an authoritative server is not asked at an address at all, if it is not."""
        if not address:
            return Outcome.NO_ADDRESS
        if not self.may_ask(address):
            return Outcome.PRIVATE
        return None if self.has_way(address) else Outcome.UNREACHABLE

    async def _ask(self, address: str, asked: bytes, how: Manner) -> bytes | Outcome:
        (got,) = await self._ask_each(address, (asked,), how)
        return got

    async def _ask_each(self, address: str, questions: Sequence[bytes], how: Manner) -> list[bytes | Outcome]:
        """Questions to one address, as many in one go as may be open there; each that fails is asked again by itself."""
        line = self._lines.get(address)
        if line is None:
            line = self._lines[address] = Line(self.settings.per_server, self.settings.per_second)
        found = list[bytes | Outcome]()
        for some in batched(questions, self._most):
            if wait := line.wait(asyncio.get_running_loop().time(), len(some)):
                await asyncio.sleep(wait)
            async with line.places.taken(len(some)), self._all.taken(len(some)):
                found += await self._try(address, some, how)
        return found

    async def _try(self, address: str, questions: Sequence[bytes], how: Manner) -> list[bytes | Outcome]:
        """Send questions as often as the settings allow until there is a response; what it was that failed otherwise."""
        found = await self._send(address, questions, how)
        doubtful = [at for at, got in enumerate(found) if not _is_final(got)]
        if doubtful:
            again = await asyncio.gather(*(self._again(address, questions[at], how, found[at]) for at in doubtful))
            for at, got in zip(doubtful, again, strict=True):
                found[at] = got
        return found

    async def _again(self, address: str, asked: bytes, how: Manner, got: bytes | Outcome) -> bytes | Outcome:
        """What follows on a first try: the whole of what was truncated, more tries, and all that without EDNS for servers older than it.

        The last of several tries goes over TCP as well: some networks and servers lose DNS over UDP. Without EDNS is RFC 6891, section 7.
        """
        got = await self._whole(address, asked, how, got)
        for tried in range(2, self.settings.tries + 1):
            if isinstance(got, bytes) or got is Outcome.UNREACHABLE:
                break
            if tried == self.settings.tries and not is_encrypted(address):
                got = await self._either(address, asked, how)
            else:
                got = await self._once(address, asked, how)
        if isinstance(got, bytes) and got[3] & 15 in _NO_EDNS and how.edns is not Edns.OFF:
            (got,) = await self._try(address, (asked,), how._replace(edns=Edns.OFF))
        return got

    async def _send(self, address: str, questions: Sequence[bytes], how: Manner) -> list[bytes | Outcome]:
        """Each question once, over UDP, HTTPS or TLS."""
        self.queries[address] += len(questions)
        if is_encrypted(address):
            return await asyncio.gather(*(self._secretly(address, asked, how) for asked in questions))
        answers = await self._packets.udp(self.place(address), questions, how=how, timeout=self.settings.timeout)
        return [answer if isinstance(answer, bytes) else _outcome(answer) for answer in answers]

    async def _once(self, address: str, asked: bytes, how: Manner) -> bytes | Outcome:
        (got,) = await self._send(address, (asked,), how)
        return await self._whole(address, asked, how, got)

    async def _whole(self, address: str, asked: bytes, how: Manner, got: bytes | Outcome) -> bytes | Outcome:
        """The same, over TCP when it came over UDP and is truncated."""
        truncated = isinstance(got, bytes) and is_truncated(got) and not is_encrypted(address)
        return await self._tcp(address, asked, how) if truncated else got

    async def _tcp(self, address: str, asked: bytes, how: Manner) -> bytes | Outcome:
        try:
            return await self._packets.tcp(self.place(address), asked, how=how, timeout=self.settings.timeout)
        except (OSError, EOFError, ValueError) as failed:
            return _outcome(failed)

    async def _either(self, address: str, asked: bytes, how: Manner) -> bytes | Outcome:
        """Over UDP and TCP at once: whichever way answers first; what failed over UDP when neither does."""
        asks = [asyncio.ensure_future(way(address, asked, how)) for way in (self._once, self._tcp)]
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

    async def _secretly(self, where: str, asked: bytes, how: Manner) -> bytes | Outcome:
        """Over HTTPS or TLS. The id is 0, as RFC 8484 has it: there it is the connection that tells whose answer it is."""
        if where not in self._encrypted:
            from wixsend.encrypted import Trust, encrypted

            self._encrypted[where] = encrypted(where, Trust(self.settings.ca_file, self.settings.proxy))
        try:
            async with asyncio.timeout(self.settings.timeout):
                response = await self._encrypted[where].ask(query(0, asked, how))
        except (OSError, ValueError) as failed:
            return _outcome(failed)
        return response if responds(response, 0, asked) else Outcome.NONSENSE

    def place(self, address: str, port: int | None = None) -> Place:
        """Where an address is really to be asked; at this port, where it is not for DNS."""
        host, colon, there = self.settings.endpoints.get(address, "").rpartition(":")
        return (host.strip("[]"), int(there)) if colon else (address, self.settings.port if port is None else port)

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


def is_encrypted(where: str) -> bool:
    """True for a resolver that is asked over HTTPS or TLS."""
    return "://" in where


def _is_encrypted(written: str) -> bool:
    """True when DNS over HTTPS or TLS can be spoken there."""
    try:
        parts = urlsplit(written)
        sound = bool(parts.hostname) and parts.port != 0 and "@" not in parts.netloc and not (parts.query or parts.fragment)
    except ValueError:
        return False
    return sound and (parts.scheme == "https" or (parts.scheme == "tls" and parts.path in ("", "/")))


def _own_resolvers(resolv_conf: str) -> tuple[str, ...]:
    """The addresses of the resolvers that this machine is configured with; nothing is asked."""
    import dns.resolver

    try:
        found = tuple(str(each) for each in dns.resolver.Resolver(resolv_conf).nameservers)
    except dns.resolver.NoResolverConfiguration:
        found = ()
    if not found:
        raise ConfigError("this machine has no resolvers of its own", 'In [dns] resolvers, give addresses instead of "system".')
    return found


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
    blank = replace(blank, serial=soa[1].serial if soa is not None and soa[0] == zone else None)
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


def _parsed(response: bytes) -> Reply | Outcome:
    import dns.exception

    try:
        return _reply(response)
    except (dns.exception.DNSException, struct.error, ValueError):
        return Outcome.NONSENSE


def _is_final(got: bytes | Outcome) -> bool:
    """True for a response that is whole, and not from a server that does not know EDNS."""
    return isinstance(got, bytes) and not is_truncated(got) and got[3] & 15 not in _NO_EDNS


def _outcome(failed: Exception) -> Outcome:
    """Which way of failing it was."""
    if isinstance(failed, TimeoutError):
        return Outcome.TIMEOUT
    return Outcome.UNREACHABLE if isinstance(failed, OSError) else Outcome.NONSENSE


def _reply(response: bytes) -> Reply:
    """A message as plain values. dnspython's `Message`, with its sets and indices, takes four times as long."""
    import dns.flags
    import dns.rcode
    import dns.rdataclass
    import dns.rdatatype

    _ident, flags, questions, *counts = struct.unpack_from("!HHHHHH", response)
    at, extended = 12, 0
    for _question in range(questions):
        at += _name(response, at)[1] + 4
    sections: list[tuple[Record, ...]] = []
    for count in counts:
        records: list[Record] = []
        for _record in range(count):
            owner, size = _name(response, at)
            rtype, rclass, ttl, length = struct.unpack_from("!HHIH", response, at + size)
            at += size + 10
            if rtype == dns.rdatatype.OPT:
                extended = ttl  # RFC 6891, 6.1.3: the upper bits of the rcode
            elif rclass == dns.rdataclass.IN:
                rdata = _rdata(response, rtype, at, length)
                records.append(Record(owner, dns.rdatatype.to_text(rtype), rdata, ttl & 0x7FFFFFFF))
            at += length
        sections.append(tuple(records))
    answer, authority, additional = sections
    rcode = dns.rcode.to_text(dns.rcode.from_flags(flags, extended))
    return Reply(rcode, bool(flags & dns.flags.AA), answer, authority, additional)


def _rdata(response: bytes, rtype: int, at: int, length: int) -> str:
    """Rdata of class IN in presentation form. Name servers, their addresses and SOAs are most of what comes in thousands of messages."""
    import dns.rdata
    import dns.rdataclass
    import dns.rdatatype

    if rtype in _NAMING:
        name, size = _name(response, at)
        if size != length:
            raise ValueError("the rdata is longer or shorter than the name in it")
        return name.to_text()
    if rtype == dns.rdatatype.SOA:
        mname, one = _name(response, at)
        rname, other = _name(response, at + one)
        if one + other + _NUMBERS.size != length:
            raise ValueError("the rdata is longer or shorter than a SOA")
        return " ".join([mname.to_text(), rname.to_text(), *map(str, _NUMBERS.unpack_from(response, at + one + other))])
    if _ADDRESSES.get(rtype) == length:
        return _address(response[at : at + length])
    return dns.rdata.from_wire(dns.rdataclass.IN, dns.rdatatype.RdataType(rtype), response, at, length).to_text()


def _name(response: bytes, at: int) -> tuple[Name, int]:
    """The name at an offset, and how many octets it takes there. `ValueError` for what is none."""
    found = name_at(response, at)
    if found is None:
        raise ValueError(f"there is no name at octet {at}")
    return _known_name(found[0]), found[1]


@lru_cache(maxsize=4096)
def _known_name(wire: bytes) -> Name:
    return dns.name.from_wire(wire, 0)[0]


@lru_cache(maxsize=4096)
def _address(octets: bytes) -> str:
    return str(ipaddress.ip_address(octets))
