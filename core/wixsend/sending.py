"""Floor 1. What Wix says of a sending domain, as plain values: its status, and the records that it wants.

Wix's host names are read with suspicion, because no live answer was ever seen (facts: relative, absolute, dotted and any case are
possible): they are what we would write into somebody's zone. What Wix documents is CNAMEs below the sending domain; anything else
is refused, and so is a host name that can be read in two ways.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import islice
from typing import Any

import dns.name

from wixsend.errors import WixAnswerRefused
from wixsend.names import Name, absolute, ancestors, is_below, text
from wixsend.records import Record

__all__ = ["KNOWN_TARGETS", "WixDomain", "WixStatus", "wanted_records", "wix_domain"]

KNOWN_TARGETS: frozenset[Name] = frozenset({absolute("ascendbywix.com"), absolute("wixemails.com")})
"""Suffixes that the targets of Wix's records were seen to have (facts: public DNS inventories)."""

_MOST_RECORDS = 50
"""Wix wants five. Every one is read in several ways, so that the number has to end somewhere."""

_LONGEST = 1100
_ID = re.compile(r"\A[A-Za-z0-9_-]{1,64}\Z")
_LABEL = re.compile(rb"\A[A-Za-z0-9_-]{1,63}\Z")
_REPORT = "Nothing was written. Compare with the records that the Wix dashboard shows for this domain, and report the difference."


class WixStatus(StrEnum):
    """Where Wix is with a domain. A status that this wixsend does not know is `UNKNOWN`, which is no failure."""

    INITIALIZING = "INITIALIZING"
    NOT_AUTHENTICATED = "NOT_AUTHENTICATED"
    AUTHENTICATED = "AUTHENTICATED"
    UNKNOWN = "UNKNOWN_STATUS"

    @classmethod
    def _missing_(cls, value: object) -> "WixStatus":
        return cls.UNKNOWN


@dataclass(frozen=True, slots=True)
class WixDomain:
    """A sending domain as Wix knows it: its `id` at Wix, its `name`, and the CNAMEs it wants, none while INITIALIZING."""

    id: str
    name: Name
    status: WixStatus
    records: tuple[Record, ...] = ()


def wix_domain(value: Any) -> WixDomain:
    """The sending domain in an answer's JSON (`SendingDomain` of Wix's API).

    Raises `ValueError` for another shape, `WixAnswerRefused` for records that we will not write.
    """
    if not isinstance(value, Mapping):
        raise ValueError("a sending domain is no object")
    name = absolute(_string(value, "domain"))
    if len(name) < 3:
        raise ValueError("a sending domain has fewer than two labels")
    name = name.canonicalize()
    domain_id = _string(value, "id")
    if not _ID.match(domain_id):
        raise ValueError("the id of a sending domain has characters that no id has")
    rows = value.get("dnsRecords")
    return WixDomain(_string(value, "id"), name, WixStatus(str(value.get("status"))), () if rows is None else wanted_records(name, rows))


def wanted_records(domain: Name, rows: Any) -> tuple[Record, ...]:
    """The CNAMEs that Wix's `dnsRecords` mean for this sending domain, in Wix's order, each once, owners absolute, no TTL.

    Raises `ValueError` for another shape; `WixAnswerRefused` for a type other than CNAME, an owner outside of the sending domain
    or at it, an owner that can be read in two ways, characters that no such name has, and two targets at one owner.
    """
    if not isinstance(rows, Iterable) or isinstance(rows, str | Mapping):
        raise ValueError("dnsRecords is no list")
    rows = [*islice(rows, _MOST_RECORDS + 1)]
    if len(rows) > _MOST_RECORDS:
        raise WixAnswerRefused(f"Wix asks for more than {_MOST_RECORDS} records for {text(domain)}", _REPORT)
    domain = domain.canonicalize()
    wanted: dict[Name, Record] = {}
    for row in rows:
        if not isinstance(row, Mapping):
            raise ValueError("a row of dnsRecords is no object")
        record = _wanted(domain, _string(row, "hostName", empty=True), _string(row, "type"), _string(row, "value"))
        held = wanted.setdefault(record.owner, record)
        if held != record:
            raise WixAnswerRefused(
                f"Wix asks for two targets at {text(record.owner)}: {text(held.target)} and {text(record.target)}", _REPORT
            )
    return tuple(wanted.values())


def _wanted(domain: Name, host: str, rtype: str, value: str) -> Record:
    if rtype.upper() != "CNAME":
        raise WixAnswerRefused(f"Wix asks for a {rtype!r} record at {host!r}; only CNAME records are known of it", _REPORT)
    try:
        target = _plain(absolute(value))
        readings = [_plain(name) for name in _readings(domain, host)]
    except ValueError as wrong:
        raise WixAnswerRefused(f"Wix asks for a record from {host!r} to {value!r}, which is no pair of host names", _REPORT) from wrong
    if len(target) < 3 or target.is_subdomain(domain):
        raise WixAnswerRefused(f"Wix asks for a record from {host!r} to {value!r}, which is no target outside of {text(domain)}", _REPORT)
    return Record(_owner(domain, host, readings, target), "CNAME", text(target) + ".")


def _readings(domain: Name, host: str) -> list[Name]:
    """Every name below the sending domain that `host` could mean, as written first.

    With a final dot it is absolute. Without, it may be absolute, or relative to the sending domain, or (where a panel thinks in
    zones) to a name above it.
    """
    if host in ("", "@"):
        return []
    origins = (dns.name.root,) if host.endswith(".") else (dns.name.root, domain, *ancestors(domain, dns.name.root))
    readings: list[Name] = []
    for name in (absolute(host, origin) for origin in origins):
        if is_below(name, domain) and name not in readings:
            readings.append(name)
    return readings


def _owner(domain: Name, host: str, readings: list[Name], target: Name) -> Name:
    """The one reading that the target bears out: Wix's targets begin with their whole owner (`s1._domainkey.D.s007.ascendbywix.com`).

    A target that does not hold the sending domain (`_dmarc.wixemails.com`) bears out nothing. Then a host name that ends in
    the sending domain is absolute, and one that cannot be absolute (one label, or the last begins with `_`) is relative to it.
    """
    proven = [name for name in readings if _begins_with(target, name)]
    if len(proven) == 1:
        return proven[0]
    if len(proven) > 1:
        found = " and ".join(text(name) for name in proven)
        raise WixAnswerRefused(f"Wix's host name {host!r} can be read as {found}", _REPORT)
    if _holds(target, domain):
        raise WixAnswerRefused(f"Wix's host name {host!r} does not fit its target {text(target)}", _REPORT)
    as_written = absolute(host) if host not in ("", "@") else domain
    if is_below(as_written, domain):
        return as_written.canonicalize()
    if readings and not host.endswith(".") and (len(as_written) == 2 or as_written.labels[-2].startswith(b"_")):
        return absolute(host, domain).canonicalize()
    raise WixAnswerRefused(f"Wix asks for a record at {host!r}, which is not clearly a name below {text(domain)}", _REPORT)


def _plain(name: Name) -> Name:
    """The name in lower case; `ValueError` for characters that no name of these records has (wildcards, escapes, control characters)."""
    if not all(_LABEL.match(label) for label in name.labels[:-1]):
        raise ValueError("not a plain name")
    return name.canonicalize()


def _begins_with(target: Name, owner: Name) -> bool:
    """True when the target's leading labels are the whole owner."""
    labels = owner.labels[:-1]
    return target.labels[: len(labels)] == labels


def _holds(target: Name, domain: Name) -> bool:
    """True when the target has the sending domain's labels somewhere below its own top."""
    labels = domain.labels[:-1]
    return any(target.labels[place : place + len(labels)] == labels for place in range(len(target.labels) - len(labels)))


def _string(row: Mapping[Any, Any], key: str, *, empty: bool = False) -> str:
    found = row.get(key)
    if not isinstance(found, str) or not (found or empty):
        raise ValueError(f"{key} is missing or no text")
    if len(found) > _LONGEST:
        raise ValueError(f"{key} has {len(found)} characters")
    return found
