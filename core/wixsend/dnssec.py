"""Floor 4. Whether a resolver that validates will believe what a signed zone's server answers (RFC 4035, section 5).

A zone is signed when its parent holds DS records for it, and so on up to the root. Values in, a reason out: nobody is asked here.
Denials are not looked at: resolvers that validate tell of those that matter. How many keys and signatures are tried is bounded, because
a hostile zone can make each of them costly (CVE-2023-50387).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from wixsend.names import Name, text
from wixsend.records import Record

if TYPE_CHECKING:
    import dns.rdata
    import dns.rrset

__all__ = ["Keys", "bogus", "keys", "usable"]

_MOST_KEYS = 16
_MOST_SIGNATURES = 8
_ZONE_KEY = 0x0100


@dataclass(frozen=True, slots=True)
class Keys:
    """The keys by which a zone's answers are judged: `rrset` when they may be trusted, else the `fault` that every answer has."""

    apex: Name
    rrset: "dns.rrset.RRset | None" = None
    fault: str = ""


def usable(ds: Iterable[Record]) -> tuple[Record, ...]:
    """The DS records whose digest and algorithm we know. Where there is none, a zone counts as unsigned (RFC 4035, section 5.2)."""
    return tuple(record for record in ds if record.rtype == "DS" and _known(_rdata(record)))


def _known(ds: Any) -> bool:
    import dns.dnssec
    import dns.dnssecalgs
    import dns.exception

    if ds.digest_type not in (1, 2, 4):
        return False
    try:
        dns.dnssecalgs.get_algorithm_cls(ds.algorithm)
    except dns.exception.DNSException:
        return False
    return True


def keys(apex: Name, ds: Sequence[Record], answer: Iterable[Record], now: float) -> Keys:
    """The keys that DS records vouch for, from an answer to the question for DNSKEY. `now` is in seconds since the epoch."""
    import dns.dnssec
    import dns.rrset

    answer = tuple(answer)
    held = _rrset(apex, "DNSKEY", answer)
    if held is None:
        return Keys(apex, None, "it shows no DNSKEY, and the parent's DS record says that the zone is signed")
    vouched = [_rdata(record) for record in usable(ds)]
    entry = [
        key
        for key in held
        if key.flags & _ZONE_KEY
        and key.protocol == 3
        and any(
            each.key_tag == dns.dnssec.key_id(key)
            and each == dns.dnssec.make_ds(apex, key, each.digest_type, policy=dns.dnssec.allow_all_policy)
            for each in vouched
        )
    ]
    if not entry:
        tags = ", ".join(str(tag) for tag in sorted({each.key_tag for each in vouched}))
        return Keys(apex, None, f"no key of the zone is the one that the parent's DS record names ({tags})")
    fault = _fault(held, _rrset(apex, "RRSIG", answer), dns.rrset.from_rdata_list(apex, held.ttl, entry), now)
    return Keys(apex, None, f"the zone's keys: {fault}") if fault else Keys(apex, held)


def bogus(owner: Name, rtype: str, answer: Iterable[Record], trusted: Keys, now: float) -> str:
    """Why a resolver that validates will not believe these records at a name; empty when it will."""
    if trusted.rrset is None:
        return trusted.fault
    answer = tuple(answer)
    held = _rrset(owner, rtype, answer)
    return "" if held is None else _fault(held, _rrset(owner, "RRSIG", answer), trusted.rrset, now)


def _fault(held: "dns.rrset.RRset", signatures: "dns.rrset.RRset | None", by: "dns.rrset.RRset", now: float) -> str:
    """Why none of the signatures of an RRset holds; empty when one does."""
    import dns.dnssec
    import dns.exception

    mine: list[Any] = [each for each in signatures or () if each.type_covered == held.rdtype and each.signer == by.name]
    if not mine:
        return f"there is no signature over them by {text(by.name)}"
    faults: list[str] = []
    for signature in mine[:_MOST_SIGNATURES]:
        if signature.expiration < now:
            faults.append(f"the signature expired on {_day(signature.expiration)}; this machine's clock says {_day(now)}")
        elif signature.inception > now:
            faults.append(f"the signature begins on {_day(signature.inception)} only; this machine's clock says {_day(now)}")
        else:
            try:
                dns.dnssec.validate_rrsig(held, signature, {by.name: by}, None, now, dns.dnssec.allow_all_policy)
            except dns.exception.DNSException:
                faults.append("the signature does not hold")
            else:
                return ""
    return faults[0]


def _day(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d %H:%M UTC")


def _rrset(owner: Name, rtype: str, answer: Iterable[Record]) -> "dns.rrset.RRset | None":
    """The records of a type at a name as dnspython has them, no more keys or signatures than are tried; `None` when there is none."""
    import dns.rrset

    found = [_rdata(record) for record in answer if record.owner == owner and record.rtype == rtype]
    return dns.rrset.from_rdata_list(owner, 0, found[:_MOST_KEYS]) if found else None


def _rdata(record: Record) -> Any:
    import dns.name
    import dns.rdata
    import dns.rdataclass

    return dns.rdata.from_text(dns.rdataclass.IN, record.rtype, record.rdata, dns.name.root, relativize=False)
