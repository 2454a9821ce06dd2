"""The three answers by dynamic updates (RFC 2136). What a server does with them is written down in `sandbox.py`.

An update has prerequisites, which the server judges together with it: so nothing is changed that is not as it was read. Prerequisites alone
are also the only exact question that DNS has: an ordinary one is answered from wildcards, and ANY with as little as one RRset (RFC 8482).
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from itertools import batched
from typing import cast

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
import dns.tsig
import dns.update
from dns.rdatatype import RdataType

from wixsend import (
    Change,
    Credentials,
    CredentialsRejected,
    Edit,
    EditConflict,
    EditRejected,
    ErrorRule,
    Name,
    PermissionMissing,
    ProviderError,
    Receipt,
    Record,
    Snapshot,
    Unavailable,
    Wire,
    Zone,
    ZoneNotHeld,
    text,
)
from wixsend_rfc2136.fence import Ask, NotBelieved, Refused, Server, key_of

__all__ = ["ERRORS", "HIDDEN", "TYPES", "DynamicUpdates"]

_TTL = 3600

_OWN = frozenset(map(dns.rdatatype.from_text, "SOA RRSIG NSEC NSEC3 NSEC3PARAM DNSKEY CDS CDNSKEY ZONEMD TYPE65534".split()))  # noqa: SIM905
"""What a server itself makes, of a zone that it signs."""

TYPES = tuple(rtype for rtype in RdataType if not dns.rdatatype.is_metatype(rtype) and rtype not in _OWN and rtype != RdataType.TYPE0)
"""All types that are known, and that are made sure of at every name that is in use. Others are read where ANY shows them."""

_USUAL = tuple(map(dns.rdatatype.from_text, "A AAAA CAA CNAME HTTPS MX SRV TXT".split()))  # noqa: SIM905
"""What is asked for first where ANY did not show everything."""

_AT_ONCE = 500
"""Names in one question: a message has room for 64 KB."""

HIDDEN = "HIDDEN"
"""The type of what is at a name and that its server does not show: glue, what a zone below on the same server has in its place, or a type
that is not among `TYPES`."""

type _RRsets = dict[RdataType, dns.rdataset.Rdataset]


def _no(
    rcodes: Sequence[dns.rcode.Rcode],
    becomes: type[ProviderError],
    why: str,
    next_step: str = "",
    *,
    signed: bool | None = None,
    asked: dns.opcode.Opcode | None = None,
) -> ErrorRule:
    """A row for a refusal: with these rcodes, signed or not, to an update or a question (`None`: whichever)."""

    def fits(error: Refused) -> bool:
        return error.rcode in rcodes and signed in (None, error.signed) and asked in (None, error.asked)

    return ErrorRule(Refused, becomes, fits, why, next_step)


def _known(on: type[dns.tsig.PeerError], why: str, next_step: str) -> ErrorRule:
    return ErrorRule(on, CredentialsRejected, why=why, next_step=next_step, says=lambda _error: "")


_KEY = "Compare key_name, algorithm and secret with the server's key statement; and whether the key may be used for this zone."
_MAY = (
    "Let the key update the zone: allow-update or update-policy (BIND), an acl with action: update (Knot), TSIG-ALLOW-DNSUPDATE (PowerDNS)."
)
_PRIMARY = "Name the primary server of the zone in base_url. Is the zone still there?"
_REACH = "Is it up, and does it answer over TCP from here? base_url is dns://HOST or dns://HOST:PORT."

ERRORS: tuple[ErrorRule, ...] = (
    _known(dns.tsig.PeerBadTime, "the clocks of the server and this machine differ too much (BADTIME)", "Set them, by NTP."),
    _known(dns.tsig.PeerBadKey, "the server does not take this TSIG key here (BADKEY)", _KEY),
    _known(dns.tsig.PeerBadSignature, "the secret is not that of the TSIG key (BADSIG)", _KEY),
    _known(dns.tsig.PeerBadTruncation, "the server wants longer signatures (BADTRUNC)", _KEY),
    _no([dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.NXDOMAIN], EditConflict, "the zone is not what was read"),
    _no([dns.rcode.REFUSED], CredentialsRejected, "it does not take this TSIG key", _KEY, signed=False),
    _no([dns.rcode.NOTAUTH], CredentialsRejected, "it does not take this TSIG key", _KEY, signed=False, asked=dns.opcode.QUERY),
    _no([dns.rcode.NOTAUTH], ZoneNotHeld, "it is not the primary server of the zone", _PRIMARY),
    _no([dns.rcode.REFUSED], PermissionMissing, "the key may not do this, or the zone is a copy here", _MAY),
    _no([dns.rcode.NOTIMP], PermissionMissing, "it takes no updates", _MAY),
    _no([dns.rcode.NOTZONE, dns.rcode.FORMERR], EditRejected, "the update is not acceptable", "Report it to the plugin's author."),
    ErrorRule(Refused, Unavailable),
    ErrorRule(dns.exception.TooBig, EditRejected, why="the update is larger than a DNS message may be", next_step="Name fewer records."),
    ErrorRule((OSError, EOFError), Unavailable, next_step=_REACH, says=lambda error: f"no answer ({type(error).__name__})"),
    ErrorRule((NotBelieved, dns.exception.DNSException, ValueError), Unavailable, why="an answer that cannot be used"),
)
"""Whoever checked our signature signs the answer: a refusal that is not signed means the key. But Knot says NOTAUTH before it checks."""


class DynamicUpdates:
    """An open account at a name server: what one TSIG key may update."""

    errors: Sequence[ErrorRule] = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        self._server = Server(wire, key_of(credentials))

    async def zone(self, apex: Name) -> list[Zone]:
        """The zone, if the server is its primary and the key may update it: asked by an update that changes nothing."""
        async with self._server.connected() as ask:
            try:
                await _holds(ask, _update(apex, lambda update: update.present(apex, "SOA")))
            except Refused as no:
                if no.rcode != dns.rcode.NOTAUTH:
                    raise
                return []
        return [Zone(apex, text(apex), self._server.host)]

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """What is at these names, and nowhere else: DNS has no way to ask for a zone but its transfer, which is not needed here."""
        async with self._server.connected() as ask:
            records = [record for name in await _in_use(ask, zone.apex, names) for record in await _at(ask, zone.apex, name)]
            servers = (await _asked(ask, zone.apex, [RdataType.NS])).get(RdataType.NS, ())
        seen = tuple(rdata.target for rdata in servers)
        return Snapshot(replace(zone, name_servers=seen), tuple(records), covers=names)

    async def write(self, edit: Edit) -> Receipt:
        """One update, made whole or not at all. NOERROR is also said to what was silently not added: the core looks again."""
        apex = edit.before.zone.apex
        update = dns.update.UpdateMessage(apex)
        for change in edit.changes:
            before = edit.before.at(change.owner)
            if any(record.rtype == HIDDEN for record in before):
                raise EditRejected(f"RFC 2136: at {text(change.owner)} is what the server does not show", "Edit this name by hand.")
            _require(update, change.owner, _rrsets(before), apex)
        for change in edit.changes:
            _change(update, change, edit.before.at(change.owner))
        async with self._server.connected() as ask:
            await ask(update)
        return Receipt()

    async def close(self) -> None:
        """Nothing is open between two calls."""


# -- reading -----------------------------------------------------------------------------------------------------------


async def _in_use(ask: Ask, apex: Name, names: Iterable[Name]) -> list[Name]:
    """The names at which anything is. Most often nothing is at any of them but the apex: one question for all, then one for each."""
    others = sorted(name for name in names if name != apex)
    used = [apex] if apex in names else []
    for some in batched(others, _AT_ONCE):
        if not await _holds(ask, _update(apex, *map(_absent, some))):
            used += [name for name in some if not await _holds(ask, _update(apex, _absent(name)))]
    return used


async def _at(ask: Ask, apex: Name, name: Name) -> list[Record]:
    """The records at a name that is in use, the server's own aside."""
    shown: _RRsets = {}
    for rtypes in ((RdataType.ANY,), _USUAL):
        shown |= await _asked(ask, name, rtypes)
        if await _is_whole(ask, apex, name, shown):
            hidden = False
            break
    else:
        shown, hidden = await _one_by_one(ask, apex, name)
    own = {rtype: found for rtype, found in shown.items() if (name, rtype) != (apex, RdataType.NS)}
    records = [_record(name, rtype, rdata, found.ttl) for rtype, found in own.items() for rdata in found]
    return records + [Record(name, HIDDEN, "records that the server does not show")] * hidden


async def _one_by_one(ask: Ask, apex: Name, name: Name) -> tuple[_RRsets, bool]:
    """What is at a name in use, type by type, and whether there is more than is shown."""
    shown: _RRsets = {}
    there = [rtype for rtype in TYPES if not await _holds(ask, _update(apex, _absent(name, rtype)))]
    for rtype in there:
        shown |= {kind: found for kind, found in (await _asked(ask, name, [rtype])).items() if kind == rtype}
    return shown, not shown or shown.keys() != set(there) or not await _is_whole(ask, apex, name, shown)


async def _asked(ask: Ask, name: Name, rtypes: Iterable[RdataType]) -> _RRsets:
    """What ordinary questions show at a name. A delegation there shows in a referral."""
    found: _RRsets = {}
    for rtype in rtypes:
        query = dns.message.make_query(name, rtype, flags=0)
        answer = await ask(query)
        section = answer.answer if answer.flags & dns.flags.AA else answer.authority
        found |= {rrset.rdtype: rrset.to_rdataset() for rrset in section if rrset.name == name and rrset.rdtype not in _OWN}
    return found


async def _is_whole(ask: Ask, apex: Name, name: Name, shown: _RRsets) -> bool:
    """True when the server confirms that exactly this is at a name that is in use."""
    return await _holds(ask, _update(apex, lambda update: _require(update, name, shown, apex)))


async def _holds(ask: Ask, conditions: dns.update.UpdateMessage) -> bool:
    """Whether the conditions of an update that changes nothing hold."""
    try:
        await ask(conditions)
    except Refused as no:
        if no.signed and no.rcode in (dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET, dns.rcode.NXDOMAIN):
            return False
        raise
    return True


# -- updates -----------------------------------------------------------------------------------------------------------

type _Part = Callable[[dns.update.UpdateMessage], object]


def _update(apex: Name, *parts: _Part) -> dns.update.UpdateMessage:
    update = dns.update.UpdateMessage(apex)
    for part in parts:
        part(update)
    return update


def _absent(name: Name, rtype: RdataType | None = None) -> _Part:
    """The condition that nothing is at a name, or nothing of a type: for a name as such, whatever a wildcard answers there."""
    return lambda update: update.absent(name, rtype)


def _require(update: dns.update.UpdateMessage, name: Name, rrsets: _RRsets, apex: Name) -> None:
    """The condition that exactly these RRsets, and none of `TYPES` beside them, are at a name."""
    if not rrsets and name != apex:
        update.absent(name)
        return
    for rrset in rrsets.values():
        update.present(name, *rrset)
    for rtype in TYPES:
        if rtype not in rrsets and (name, rtype) != (apex, RdataType.NS):
            update.absent(name, rtype)


def _change(update: dns.update.UpdateMessage, change: Change, before: Sequence[Record]) -> None:
    """What goes, then what comes. Whoever adds to an RRset sets the TTL of all of it (RFC 2136, 3.4.2.2): it comes with the one it has."""
    going, staying = _rrsets(change.remove), _rrsets(record for record in before if record not in change.remove)
    for rtype, rrset in going.items():
        if rtype in staying:
            update.delete(change.owner, *rrset)
        else:
            update.delete(change.owner, rtype)  # PowerDNS compares rdata case by case, and its condition is the whole RRset
    for rtype, rrset in _rrsets(change.add).items():
        ttl = staying.get(rtype, rrset).ttl
        for rdata in rrset:
            update.add(change.owner, ttl, rdata)


# -- records -----------------------------------------------------------------------------------------------------------


def _record(name: Name, rtype: RdataType, rdata: dns.rdata.Rdata, ttl: int) -> Record:
    return Record(name, dns.rdatatype.to_text(rtype), rdata.to_text(), ttl, ref=rdata)


def _rrsets(records: Iterable[Record]) -> _RRsets:
    """Records by type. Raises `EditRejected` for what is no rdata of its type."""
    found: _RRsets = {}
    for record in records:
        try:
            rtype = dns.rdatatype.from_text(record.rtype)
            rdata = record.ref or dns.rdata.from_text(dns.rdataclass.IN, rtype, record.rdata, origin=dns.name.root, relativize=False)
        except (dns.exception.DNSException, ValueError) as wrong:
            raise EditRejected(f"RFC 2136: {record} is not as DNS has it: {wrong}", "Add it by hand.") from wrong
        ttl = _TTL if record.ttl is None else record.ttl
        found.setdefault(rtype, dns.rdataset.Rdataset(dns.rdataclass.IN, rtype, ttl=ttl)).add(cast(dns.rdata.Rdata, rdata))
    return found
