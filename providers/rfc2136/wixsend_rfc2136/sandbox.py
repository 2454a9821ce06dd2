"""A stateful fake of a primary name server that takes dynamic updates, and with it what we rely on of such servers.

[R] RFC 2136; [B] [K] [P] seen at real servers: BIND 9.18, Knot DNS 3.2, PowerDNS 4.7. `tests/live_servers/test_rfc2136.py` tries the same
on these three. Where they differ, the fake takes the worse.

    UPDATE   prerequisites first: all of them hold, or nothing is done, and the answer is YXDOMAIN, YXRRSET or NXRRSET [R]. They are judged
             by what is in the zone, not by what a question is answered: wildcards and delegations do not matter, and a name that has
             only names below it is not in use [R] [B] [K] [P]. Without any change it is a question [B] [K] [P]
    QUERY    ANY is answered with one RRset (RFC 8482) [K]; names below a delegation with a referral, names under a wildcard from it

What it does without a word, and says NOERROR: a CNAME beside other records, and other records beside a CNAME, are not added (PowerDNS says
REFUSED); another CNAME takes the place of the one that is there; a record that is added sets the TTL of its whole RRset [R] [B] [K] [P].

Whom it does not know: NOTAUTH with the TSIG error BADKEY, BADSIG or BADTIME, unsigned [B] [K]; REFUSED, unsigned and without TSIG [P]. A
zone that it does not have: NOTAUTH to an update, unsigned [K]; REFUSED to a question.
"""

import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdata
import dns.rdataclass
import dns.rdataset
import dns.rdatatype
import dns.rrset
import dns.tsig
import dns.update
from dns.rdatatype import RdataType

from wixsend import Name, Record, absolute, text
from wixsend.testing.fakes import FakeHost, Request, Response

__all__ = ["FakePrimary"]

_TTL = 3600
_SAID = {
    400: dns.rcode.FORMERR,
    403: dns.rcode.REFUSED,
    404: dns.rcode.NOTAUTH,
    409: dns.rcode.YXDOMAIN,
    422: dns.rcode.NOTZONE,
}
"""What comes nearest to an HTTP status; SERVFAIL for others."""

_BAD: dict[type[Exception], int] = {dns.tsig.BadSignature: dns.rcode.BADSIG, dns.tsig.BadTime: dns.rcode.BADTIME}

type _Node = dict[RdataType, dns.rdataset.Rdataset]


class _Not(Exception):
    def __init__(self, rcode: dns.rcode.Rcode) -> None:
        self.rcode = rcode


class FakePrimary(FakeHost):
    """A primary name server."""

    name: ClassVar = "rfc2136"
    name_servers: ClassVar[tuple[str, ...]] = ("ns1.own-primary.example", "ns2.own-primary.example")
    credentials: ClassVar = {"key_name": "wixsend.key", "secret": "c2FuZGJveC1zYW5kYm94LXNhbmRib3gh", "algorithm": "hmac-sha512"}
    speaks: ClassVar = "dns"

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        super().__init__(now, rate_limits)
        self._key = dns.tsig.Key(self.credentials["key_name"], self.credentials["secret"], self.credentials["algorithm"])
        self._zones: dict[Name, dict[Name, _Node]] = {}

    def handle(self, request: Request) -> Response:
        return self._answered(request, self._act)

    def refusal(self, request: Request, status: int) -> Response:
        if status == 401:
            return Response(body=_unknown(request.body, dns.rcode.BADKEY))

        def refuse(_message: dns.message.Message, answer: dns.message.Message) -> None:
            answer.set_rcode(_SAID.get(status, dns.rcode.SERVFAIL))

        return self._answered(request, refuse)

    def again(self, request: Request, earlier: Response) -> Response:
        said = dns.message.from_wire(earlier.body, keyring=False)

        def repeat(_message: dns.message.Message, answer: dns.message.Message) -> None:
            answer.flags, answer.sections = said.flags, said.sections

        return self._answered(request, repeat)

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        origin = absolute(apex)
        self._zones[origin] = {}
        soa = f"{self.name_servers[0]}. hostmaster.{text(origin)}. 1 3600 900 604800 60"
        own = [Record(origin, "SOA", soa), *(Record(origin, "NS", f"{server}.") for server in self.name_servers)]
        self.edit_behind(apex, [*own, *records])

    def apexes(self) -> tuple[str, ...]:
        return tuple(text(apex) for apex in self._zones)

    def raw(self, apex: str) -> Any:
        rows = [
            {"name": text(name), "type": dns.rdatatype.to_text(rtype), "ttl": rrset.ttl, "rdata": rdata.to_text()}
            for name, node in self._zones[absolute(apex)].items()
            for rtype, rrset in node.items()
            for rdata in rrset
            if rtype != RdataType.SOA  # its serial changes with every edit
        ]
        return {"records": rows}

    def published(self, apex: str) -> tuple[Record, ...]:
        origin = absolute(apex)
        rows = [row for row in self.raw(apex)["records"] if (absolute(row["name"]), row["type"]) != (origin, "NS")]
        return tuple(Record(absolute(row["name"]), row["type"], row["rdata"], row["ttl"]) for row in rows)

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        zone = self._zones[absolute(apex)]
        for record in remove:
            _remove(zone, record.owner, _rdata(record))
        for record in add:
            rtype = dns.rdatatype.from_text(record.rtype)
            new = dns.rdataset.Rdataset(dns.rdataclass.IN, rtype, ttl=record.ttl or _TTL)
            zone.setdefault(record.owner, {}).setdefault(rtype, new).add(_rdata(record))

    # -- messages ------------------------------------------------------------------------------------------------------

    def _answered(self, request: Request, act: Callable[[Any, dns.message.Message], None]) -> Response:
        try:
            message = dns.message.from_wire(request.body, keyring={self._key.name: self._key})
        except (dns.tsig.BadSignature, dns.tsig.BadTime, dns.tsig.BadKey, dns.tsig.BadAlgorithm, dns.message.UnknownTSIGKey) as bad:
            return Response(body=_unknown(request.body, _BAD.get(type(bad), dns.rcode.BADKEY)))
        answer = dns.message.make_response(message)
        if not message.had_tsig:
            answer.set_rcode(dns.rcode.REFUSED)
        else:
            act(message, answer)
        return Response(body=answer.to_wire())

    def _act(self, message: dns.message.Message, answer: dns.message.Message) -> None:
        try:
            if isinstance(message, dns.update.UpdateMessage):
                self._update(message)
            else:
                self._query(message.question[0], answer)
        except _Not as no:
            answer.set_rcode(no.rcode)
            if no.rcode == dns.rcode.NOTAUTH:
                answer.tsig = None  # Knot looks for the zone first

    def _update(self, message: dns.update.UpdateMessage) -> None:
        apex = message.zone[0].name
        if apex not in self._zones:
            raise _Not(dns.rcode.NOTAUTH)
        zone = self._zones[apex]
        if not all(rr.name.is_subdomain(apex) for rr in (*message.prerequisite, *message.update)):
            raise _Not(dns.rcode.NOTZONE)
        _require(zone, message.prerequisite)
        for change in message.update:
            _apply(zone, apex, change)

    def _query(self, question: dns.rrset.RRset, answer: dns.message.Message) -> None:
        name, rtype = question.name, question.rdtype
        apex = max((apex for apex in self._zones if name.is_subdomain(apex)), key=len, default=None)
        if apex is None:
            raise _Not(dns.rcode.REFUSED)
        zone = self._zones[apex]
        for cut in _between(name, apex)[:-1]:
            if RdataType.NS in zone.get(cut, {}) and not (cut == name and rtype == RdataType.DS):
                answer.authority.append(_rrset(cut, zone[cut][RdataType.NS]))
                return
        answer.flags |= dns.flags.AA
        node = _node(zone, name, apex)
        if node is None:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        elif node and rtype == RdataType.ANY:
            answer.answer.append(_rrset(name, next(iter(node.values()))))
        elif rtype in node or RdataType.CNAME in node:
            answer.answer.append(_rrset(name, node.get(rtype) or node[RdataType.CNAME]))
        if not answer.answer:
            answer.authority.append(_rrset(apex, zone[apex][RdataType.SOA]))


def _unknown(wire: bytes, error: int) -> bytes:
    """An answer to whom the server does not know: unsigned, with the error in an empty TSIG record (RFC 8945, 5.3.2)."""
    message = dns.message.from_wire(wire, keyring=False)
    answer = dns.message.make_response(message)
    answer.set_rcode(dns.rcode.NOTAUTH)
    if message.tsig is not None:
        tsig = message.tsig[0].replace(mac=b"", error=error, original_id=message.id)
        answer.additional.append(dns.rrset.from_rdata(message.tsig.name, 0, tsig))
    return answer.to_wire()


# -- the zone ----------------------------------------------------------------------------------------------------------


def _require(zone: dict[Name, _Node], prerequisites: Iterable[dns.rrset.RRset]) -> None:
    """RFC 2136, 3.2.5: each prerequisite, value-dependent RRsets put together first."""
    expected: dict[tuple[Name, RdataType], set[dns.rdata.Rdata]] = {}
    for condition in prerequisites:
        node = zone.get(condition.name, {})
        forbids = condition.deleting == dns.rdataclass.NONE
        if condition.rdtype == RdataType.ANY:
            if bool(node) is forbids:
                raise _Not(dns.rcode.YXDOMAIN if forbids else dns.rcode.NXDOMAIN)
        elif forbids:
            if condition.rdtype in node:
                raise _Not(dns.rcode.YXRRSET)
        elif condition.deleting == dns.rdataclass.ANY:
            if condition.rdtype not in node:
                raise _Not(dns.rcode.NXRRSET)
        else:
            expected.setdefault((condition.name, condition.rdtype), set()).update(condition)
    for (name, rtype), rdatas in expected.items():
        if set(zone.get(name, {}).get(rtype, ())) != rdatas:
            raise _Not(dns.rcode.NXRRSET)


def _apply(zone: dict[Name, _Node], apex: Name, change: dns.rrset.RRset) -> None:
    """RFC 2136, 3.4.2: one record of the update section."""
    name, rtype = change.name, change.rdtype
    if change.deleting == dns.rdataclass.ANY:
        gone = list(zone.get(name, {})) if rtype == RdataType.ANY else [rtype]
        for kind in gone:
            if not (name == apex and kind in (RdataType.SOA, RdataType.NS)):
                zone.get(name, {}).pop(kind, None)
        if not zone.get(name):
            zone.pop(name, None)
    elif change.deleting == dns.rdataclass.NONE:
        for rdata in change:
            _remove(zone, name, rdata)
    else:
        node = zone.setdefault(name, {})
        if any(RdataType.CNAME in (rtype, other) for other in node if other != rtype):
            return
        rrset = node.setdefault(rtype, dns.rdataset.Rdataset(dns.rdataclass.IN, rtype))
        for rdata in change:
            rrset.add(rdata)  # a CNAME takes the place of another
        rrset.ttl = change.ttl


def _remove(zone: dict[Name, _Node], name: Name, rdata: dns.rdata.Rdata) -> None:
    node = zone.get(name, {})
    rrset = node.pop(rdata.rdtype, None)
    left = [other for other in rrset or () if other != rdata]
    if rrset is not None and left:
        node[rdata.rdtype] = dns.rdataset.from_rdata_list(rrset.ttl, left)
    if not node:
        zone.pop(name, None)


def _node(zone: dict[Name, _Node], name: Name, apex: Name) -> _Node | None:
    """What a question is answered from: the name, or a wildcard; empty for a name with nothing but names below it, `None` for no name."""
    if name in zone:
        return zone[name]
    if any(held.is_subdomain(name) for held in zone):
        return {}
    encloser = next(above for above in _between(name, apex)[1:] if any(held.is_subdomain(above) for held in zone))
    return zone.get(dns.name.from_text("*", encloser))


def _between(name: Name, apex: Name) -> list[Name]:
    """A name and those above it, the apex last."""
    found = [name]
    while found[-1] != apex:
        found.append(found[-1].parent())
    return found


def _rdata(record: Record) -> dns.rdata.Rdata:
    return dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.from_text(record.rtype), record.rdata)


def _rrset(name: Name, rdataset: dns.rdataset.Rdataset) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, rdataset.ttl, list(rdataset))
