"""GoDaddy's rows and our records: the one place where the two forms meet. Pure.

A row is one JSON object of `/v1/domains/{domain}/records`, or of `/v3/domains/zones/{domain}/dns-records`: `type`, `name` relative to
the apex (`@` for the apex), `data`, `ttl` in seconds; MX and SRV keep their numbers in fields of their own, and SRV keeps the first two
labels of its owner in `service` and `protocol`. Host names in `data` are absolute, without the final dot (version 3: with it), the zone's
apex is shown as `@`, and TXT is bare text (recorded traffic; GoDaddy's API descriptions, `DNSRecord`). Version 3 adds `recordId`, and
fields for CAA, TLSA, HTTPS and SVCB. What a row says beyond that is not understood here; it is kept in `Record.ref`.
"""

from collections.abc import Callable, Mapping
from typing import Any

from wixsend import Name, Record, absolute, relative_text, text, txt_rdata, txt_text

__all__ = ["DEFAULT_TTL", "MAX_TTL", "MIN_TTL", "WRITABLE", "Row", "record_of", "row_of"]

type Row = dict[str, Any]

MIN_TTL, DEFAULT_TTL, MAX_TTL = 600, 3600, 604800
"""Seconds: what GoDaddy refuses to go under, what its panel chooses, what it refuses to go over."""

WRITABLE = frozenset({"A", "AAAA", "CNAME", "MX", "SRV", "TXT"})
"""The types that are sent. The API reads NS and SOA and does not let them be changed, and knows no others (CAA is answered with 422)."""

_PARKED = "Parked"
"""What `data` says when GoDaddy serves a parking page of its own in place of an address."""


def record_of(row: object, apex: Name) -> Record:
    """The record that a row is; the row itself becomes its `ref`.

    Raises `ValueError` for what is no row. Data that is not of its type's form (`Parked` in an A record) is kept as it is.
    """
    if not isinstance(row, dict):
        raise ValueError(f"a record is an object, not {type(row).__name__}")
    rtype, name, data, ttl = (row.get(field) for field in ("type", "name", "data", "ttl"))
    data = row.get("certificateData") if data is None else data
    if not (isinstance(rtype, str) and rtype and isinstance(name, str) and isinstance(data, str)):
        raise ValueError("a record lacks its type, name or data")
    if not (ttl is None or type(ttl) is int):
        raise ValueError(f"the TTL of a {rtype} record is no number")
    try:
        rdata = _READ.get(rtype.upper(), _as_it_is)(row, apex)
    except _NotOfItsForm:
        rdata = data
    masked = rtype.upper() in ("A", "AAAA") and data == _PARKED
    return Record(_owner(row, absolute(name, apex)), rtype, rdata, ttl, masked, row)


def row_of(record: Record, apex: Name, max_ttl: int = MAX_TTL) -> Row:
    """The row that makes a record, with a TTL that GoDaddy takes, up to `max_ttl`. Raises `ValueError` with the reason why not."""
    if record.rtype not in WRITABLE:
        raise ValueError(f"GoDaddy's API does not write {record.rtype} records")
    if not record.owner.is_subdomain(apex):
        raise ValueError(f"{text(record.owner)} is not in the zone {text(apex)}")
    fields = _WRITE[record.rtype](record, apex)
    return {
        "type": record.rtype,
        "name": relative_text(record.owner, apex),
        "ttl": min(max(record.ttl or DEFAULT_TTL, MIN_TTL), max_ttl),
    } | fields


class _NotOfItsForm(ValueError):
    """A row's data is not what its type calls for."""


def _owner(row: Row, name: Name) -> Name:
    """The owner: a row of SRV or TLSA keeps two of its labels elsewhere."""
    service, protocol, port = row.get("service"), row.get("protocol"), row.get("port")
    first = {"SRV": service, "TLSA": f"_{port}" if type(port) is int else None}.get(str(row["type"]).upper())
    if isinstance(first, str) and isinstance(protocol, str):
        return absolute(f"{first}.{protocol}", name)
    return name


# Reading: a row and the apex to rdata in presentation form.


def _host(row: Row, apex: Name) -> str:
    try:
        host = apex if row["data"] == "@" else absolute(row["data"] or ".")
    except ValueError as wrong:
        raise _NotOfItsForm(str(wrong)) from wrong
    return _dotted(host)


def _dotted(name: Name) -> str:
    return text(name).rstrip(".") + "."


def _number(row: Row, field: str) -> int:
    value = row.get(field)
    if type(value) is not int:
        raise _NotOfItsForm(f"{field} is no number")
    return value


def _read_mx(row: Row, apex: Name) -> str:
    return f"{_number(row, 'priority')} {_host(row, apex)}"


def _read_srv(row: Row, apex: Name) -> str:
    return f"{_number(row, 'priority')} {_number(row, 'weight')} {_number(row, 'port')} {_host(row, apex)}"


def _read_txt(row: Row, _apex: Name) -> str:
    return txt_rdata(row["data"])


def _read_caa(row: Row, _apex: Name) -> str:
    """Version 1 has the whole in `data`, without fields of its own."""
    return f'{_number(row, "flag")} {row["tag"]} "{row["data"]}"' if "tag" in row else str(row["data"])


def _read_tlsa(row: Row, _apex: Name) -> str:
    return f"{_number(row, 'usage')} {_number(row, 'selector')} {_number(row, 'matchingType')} {row.get('certificateData')}"


def _read_svcb(row: Row, apex: Name) -> str:
    return f"{_number(row, 'priority')} {_host(row, apex)} {row.get('parameters') or ''}".rstrip()


def _as_it_is(row: Row, _apex: Name) -> str:
    return str(row["data"])


_READ: Mapping[str, Callable[[Row, Name], str]] = {
    "CNAME": _host,
    "NS": _host,
    "MX": _read_mx,
    "SRV": _read_srv,
    "TXT": _read_txt,
    "CAA": _read_caa,
    "TLSA": _read_tlsa,
    "HTTPS": _read_svcb,
    "SVCB": _read_svcb,
}


# Writing: a record and the apex to the fields that depend on the type.


def _write_plain(record: Record, _apex: Name) -> Row:
    return {"data": record.rdata}


def _write_cname(record: Record, _apex: Name) -> Row:
    return {"data": text(absolute(record.rdata))}


def _write_mx(record: Record, _apex: Name) -> Row:
    preference, host = _fields(record, 2)
    return {"data": text(absolute(host)), "priority": int(preference)}


def _write_srv(record: Record, apex: Name) -> Row:
    priority, weight, port, host = _fields(record, 4)
    below = record.owner.relativize(apex).labels
    if len(below) < 2:
        raise ValueError(f"the owner of an SRV record begins with a service and a protocol, {text(record.owner)} does not")
    service, protocol = (label.decode("ascii") for label in below[:2])
    return {
        "name": relative_text(record.owner.parent().parent(), apex),
        "service": service,
        "protocol": protocol,
        "data": text(absolute(host)),
        "priority": int(priority),
        "weight": int(weight),
        "port": int(port),
    }


def _fields(record: Record, count: int) -> list[str]:
    fields = record.rdata.split()
    if len(fields) != count:
        raise ValueError(f"{record.rtype} {record.rdata!r} has not {count} fields")
    return fields


def _write_txt(record: Record, _apex: Name) -> Row:
    return {"data": txt_text(record.rdata)}


_WRITE: Mapping[str, Callable[[Record, Name], Row]] = {
    "A": _write_plain,
    "AAAA": _write_plain,
    "CNAME": _write_cname,
    "MX": _write_mx,
    "SRV": _write_srv,
    "TXT": _write_txt,
}
