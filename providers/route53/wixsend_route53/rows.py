"""Between Route 53's RRsets and records. Names and rdata are presentation form but for one thing: `\052` is octal there, not decimal."""

import re
from collections.abc import Mapping
from typing import Any

from wixsend import Name, Record, absolute, text

__all__ = ["MAX_TTL", "MIN_TTL", "RRset", "is_plain", "name_of", "records_of", "rrset_of", "stored", "written"]

MIN_TTL, MAX_TTL = 1, 604800
_TTL = 300

type RRset = dict[str, Any]
"""As botocore parses it: `Name`, `Type`, and of the rest what is there."""

_PLAIN = frozenset({"Name", "Type", "TTL", "ResourceRecords"})
_ESCAPED = re.compile(r"\\([0-9]{3}|.)", re.DOTALL)
_NAMES_LAST = frozenset({"CNAME", "MX", "NS", "PTR", "SRV"})


def _decimal(written: str) -> str:
    """Presentation form: Route 53's octal escapes as decimal ones. Raises `ValueError` for an escape that is no octet."""

    def turned(escape: re.Match[str]) -> str:
        return f"\\{_octet(int(escape[1], 8)):03d}" if escape[1].isdigit() and len(escape[1]) == 3 else escape[0]

    return _ESCAPED.sub(turned, written)


def _octal(presentation: str) -> str:
    """Route 53's form of presentation form."""

    def turned(escape: re.Match[str]) -> str:
        return f"\\{_octet(int(escape[1])):03o}" if escape[1].isdigit() and len(escape[1]) == 3 else escape[0]

    return _ESCAPED.sub(turned, presentation)


def _octet(number: int) -> int:
    if number > 255:
        raise ValueError(f"an escape of {number} is no octet")
    return number


def name_of(shown: str) -> Name:
    """A name as Route 53 writes it (`\\052.example.com.`)."""
    return absolute(_decimal(shown))


def written(name: Name) -> str:
    """A name as Route 53 takes it, with its final dot."""
    return _octal(text(name)) + "."


def stored(name: Name) -> str:
    """A name as Route 53 stores it, which is what its lists are sorted by."""
    return written(name).replace("*", "\\052")


def is_plain(rrset: Mapping[str, Any]) -> bool:
    """True for an RRset of rdata and a TTL: no alias, no routing policy, no health check, no traffic policy that made it."""
    return set(rrset) == _PLAIN


def records_of(rrset: RRset) -> tuple[Record, ...]:
    """An RRset's records. What is under a routing policy is masked: the world is shown it at times, in places, or not at all.

    An alias is a record of Route 53's own type ALIAS: what type it answers as, and whose answers it gives.
    """
    owner, rtype = name_of(rrset["Name"]), rrset["Type"]
    masked = not is_plain(rrset)
    if "AliasTarget" in rrset:
        return (
            Record(owner, "ALIAS", f"{rtype} {_decimal(rrset['AliasTarget']['DNSName'])}", None, "SetIdentifier" in rrset, _ref(rrset)),
        )
    return tuple(
        Record(owner, rtype, _rdata(rtype, row["Value"]), int(rrset["TTL"]), masked, _ref(rrset, row["Value"]))
        for row in rrset.get("ResourceRecords", ())
    )


def _ref(rrset: RRset, value: str = "") -> dict[str, Any]:
    """What a record was read from, to be named again to the letter: Route 53 removes only what is given as it stands."""
    return {"rrset": rrset, "value": value}


def _rdata(rtype: str, value: str) -> str:
    """Rdata in presentation form. Route 53 keeps a value as it was typed, and takes a name in it as absolute without a final dot too."""
    rdata = _decimal(value)
    return rdata if rtype not in _NAMES_LAST or rdata.endswith(".") else f"{rdata}."


def rrset_of(owner: Name, rtype: str, records: tuple[Record, ...], old: RRset | None) -> RRset:
    """An RRset of these records; those that stay keep their value as typed, and the RRset the TTL that it has."""
    ttl = int(old["TTL"]) if old else min(max(records[0].ttl or _TTL, MIN_TTL), MAX_TTL)
    values = [record.ref["value"] if isinstance(record.ref, dict) else _octal(record.rdata) for record in records]
    return {"Name": written(owner), "Type": rtype, "TTL": ttl, "ResourceRecords": [{"Value": value} for value in values]}
