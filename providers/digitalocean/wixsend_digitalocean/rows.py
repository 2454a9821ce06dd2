"""Between DigitalOcean's rows and records. One table each way; what is not in the second is never written."""

from collections.abc import Callable, Mapping
from typing import Any

from wixsend import EditRejected, Name, Record, absolute, relative_text, text, txt_rdata, txt_text

__all__ = ["MAX_TTL", "MIN_TTL", "Row", "record_of", "row_for"]

MIN_TTL, MAX_TTL = 30, 86400
_TTL = 1800
_LONGEST_TXT = 509
"""Of the quoted form: DigitalOcean counts quotes and escapes too, up to 512 (found out by dnscontrol, documented nowhere)."""

type Row = dict[str, Any]


def _name(row: Row, apex: Name) -> str:
    """A name inside of data: it comes without its final dot, and `@` stands for the apex; the root is a dot."""
    data = row["data"]
    return f"{text(apex)}." if data == "@" else data if data == "." else f"{data}."


_READ: Mapping[str, Callable[[Row, Name], str]] = {
    "CNAME": _name,
    "NS": _name,
    "MX": lambda row, apex: f"{row['priority']} {_name(row, apex)}",
    "SRV": lambda row, apex: f"{row['priority']} {row['weight']} {row['port']} {_name(row, apex)}",
    "CAA": lambda row, _apex: f'{row["flags"]} {row["tag"]} "{row["data"]}"',
    "TXT": lambda row, _apex: txt_rdata(row["data"]),
}
"""A row's data in presentation form; as it is for other types."""


def record_of(row: Row, apex: Name) -> Record:
    """A row as a record, with the row in `ref`."""
    read = _READ.get(row["type"])
    return Record(absolute(row["name"], apex), row["type"], read(row, apex) if read else row["data"], row["ttl"], ref=row)


def _text(rdata: str) -> Row:
    bare = txt_text(rdata)
    if "\\" in bare or not bare or len(rdata) > _LONGEST_TXT:
        raise ValueError(f"a TXT that is empty, over {_LONGEST_TXT} characters or has a backslash in it")
    return {"data": bare}


def _mx(rdata: str) -> Row:
    priority, host = rdata.split()
    return {"priority": int(priority), "data": host}


def _srv(rdata: str) -> Row:
    priority, weight, port, host = rdata.split()
    return {"priority": int(priority), "weight": int(weight), "port": int(port), "data": host}


_WRITE: Mapping[str, Callable[[str], Row]] = {
    "A": lambda rdata: {"data": rdata},
    "AAAA": lambda rdata: {"data": rdata},
    "CNAME": lambda rdata: {"data": rdata},
    "MX": _mx,
    "SRV": _srv,
    "TXT": _text,
}
"""Rdata as the fields of a new row. CAA is not among them: which of its values want a final dot is not known."""


def row_for(record: Record, apex: Name) -> Row:
    """A record that comes, as a new row. Raises `EditRejected` for what DigitalOcean does not take, or might change."""
    write = _WRITE.get(record.rtype)
    by_hand = "Add it by hand at cloud.digitalocean.com, Networking, Domains."
    if write is None:
        raise EditRejected(f"DigitalOcean: wixsend does not write {record.rtype} records there ({record})", by_hand)
    try:
        fields = write(record.rdata)
    except ValueError as wrong:
        raise EditRejected(f"DigitalOcean does not hold {record} as it is: {wrong}", by_hand) from wrong
    ttl = min(max(record.ttl or _TTL, MIN_TTL), MAX_TTL)
    return {"type": record.rtype, "name": relative_text(record.owner, apex), "ttl": ttl, **fields}
