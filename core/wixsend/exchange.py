"""Floor 4. One question to one server, and what came back as a plain value: the wire of DNS.

Here are the transports, EDNS, tries and time-outs, where an address is really asked, which addresses are never asked, and what makes
an answer believable. Which questions are asked, of whom and in which order, is decided in `wixsend.lookup`.
"""

import asyncio
import ipaddress
import socket
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import dns.name

from wixsend.errors import ConfigError
from wixsend.names import Name, is_below, text
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

_PAYLOAD = 1232
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

    async def close(self) -> None:
        """Close what is open between questions: nothing, so far."""

    async def authority(self, server: NameServer, address: str, zone: Name, name: Name, rtype: str) -> tuple[Seen, Reply]:
        """One authoritative server at one address, RD=0."""
        blank = Seen(text(server.name), address, Kind.AUTHORITATIVE, name, rtype, Outcome.NO_ADDRESS)
        if not address:
            return blank, SILENT
        if not self.may_ask(address):
            return replace(blank, outcome=Outcome.PRIVATE), SILENT
        if not self.has_way(address):
            return replace(blank, outcome=Outcome.UNREACHABLE), SILENT
        got = await self._ask(address, name, rtype, rd=False)
        return (replace(blank, outcome=got), SILENT) if isinstance(got, Outcome) else (_read(blank, got, zone), got)

    async def resolver(self, address: str, name: Name, rtype: str) -> tuple[Seen, Reply]:
        """One public resolver, RD=1."""
        blank = Seen(address, address, Kind.RESOLVER, name, rtype, Outcome.TIMEOUT)
        got = await self._ask(address, name, rtype, rd=True)
        return (replace(blank, outcome=got), SILENT) if isinstance(got, Outcome) else (_read(blank, got, dns.name.root), got)

    async def _ask(self, address: str, name: Name, rtype: str, *, rd: bool) -> Reply | Outcome:
        """A question, and again without EDNS where the server is older than that (RFC 6891, section 7)."""
        async with self._turn(address):
            got = await self._try(address, name, rtype, rd, edns=True)
            if isinstance(got, Reply) and got.rcode in ("FORMERR", "NOTIMP"):
                got = await self._try(address, name, rtype, rd, edns=False)
        return got

    async def _try(self, address: str, name: Name, rtype: str, rd: bool, edns: bool) -> Reply | Outcome:
        """Send a question as often as the settings allow until there is a response; what it was that failed otherwise.

        The last of several tries goes over TCP as well: some networks and servers lose DNS over UDP.
        """
        got: Reply | Outcome = Outcome.TIMEOUT
        for tried in range(1, self.settings.tries + 1):
            exchange = _exchange_both if 1 < tried == self.settings.tries else _exchange
            self.queries[address] += 1
            got = await exchange(self._place(address), name, rtype, rd, edns, self.settings.timeout)
            if isinstance(got, Reply) or got is Outcome.UNREACHABLE:
                break
        return got

    @asynccontextmanager
    async def _turn(self, address: str) -> AsyncIterator[None]:
        """Wait for a place at this address, then for one among all."""
        async with self._each.setdefault(address, asyncio.Semaphore(self.settings.per_server)), self._all:
            yield

    def _place(self, address: str) -> tuple[str, int]:
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


def _read(blank: Seen, reply: Reply, zone: Name) -> Seen:
    """What a response means, coming from a server of `zone` (the root for resolvers, which need no authority)."""
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


async def _exchange(place: tuple[str, int], name: Name, rtype: str, rd: bool, edns: bool, timeout: float) -> Reply | Outcome:  # noqa: ASYNC109
    """One question over UDP, and again over TCP when the response is truncated.

    The socket is connected, so that the kernel lets nothing in from another address and tells at once that a port is closed; a datagram
    with another id or question, or that is no DNS message, is passed over as if it had not come.
    """
    import dns.asyncbackend
    import dns.asyncquery
    import dns.message

    host, port = place
    query = _query(name, rtype, rd, edns)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    backend = dns.asyncbackend.get_backend("asyncio")

    async def ask() -> dns.message.Message:
        try:
            async with await backend.make_socket(family, socket.SOCK_DGRAM, 0, None, place) as udp:  # type: ignore[no-untyped-call]
                return await dns.asyncquery.udp(
                    query, host, timeout, port, sock=udp, ignore_unexpected=True, ignore_errors=True, raise_on_truncation=True
                )
        except dns.message.Truncated:
            return await dns.asyncquery.tcp(query, host, timeout, port, backend=backend)

    return await _caught(ask())


async def _exchange_tcp(place: tuple[str, int], name: Name, rtype: str, rd: bool, edns: bool, timeout: float) -> Reply | Outcome:  # noqa: ASYNC109
    """One question over TCP."""
    import dns.asyncquery

    host, port = place
    return await _caught(dns.asyncquery.tcp(_query(name, rtype, rd, edns), host, timeout, port))


async def _exchange_both(place: tuple[str, int], name: Name, rtype: str, rd: bool, edns: bool, timeout: float) -> Reply | Outcome:  # noqa: ASYNC109
    """One question over UDP and TCP at once: whichever way answers first; what failed over UDP when neither does."""
    asks = [asyncio.ensure_future(way(place, name, rtype, rd, edns, timeout)) for way in (_exchange, _exchange_tcp)]
    try:
        for first in asyncio.as_completed(asks):
            got = await first
            if isinstance(got, Reply):
                return got
    finally:
        for ask in asks:
            ask.cancel()
        await asyncio.gather(*asks, return_exceptions=True)
    return asks[0].result()


def _query(name: Name, rtype: str, rd: bool, edns: bool) -> "dns.message.Message":
    import dns.flags
    import dns.message

    query = dns.message.make_query(name, rtype, use_edns=0 if edns else False, payload=_PAYLOAD)
    query.flags = dns.flags.Flag(dns.flags.RD if rd else 0)
    return query


async def _caught(ask: Awaitable["dns.message.Message"]) -> Reply | Outcome:
    """The response, or which way of failing it was."""
    import dns.exception

    try:
        return _reply(await ask)
    except dns.exception.Timeout:
        return Outcome.TIMEOUT
    except OSError:
        return Outcome.UNREACHABLE
    except (dns.exception.DNSException, EOFError):
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
