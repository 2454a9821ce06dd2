"""Floor 1. The things that everything else speaks of: records, zones, snapshots. Plain values: no clock, no socket, no file."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from enum import Enum, StrEnum
from functools import lru_cache
from typing import Any, Final, Literal

import dns.exception
import dns.name

from wixsend.names import Name, text
from wixsend.redact import visible

__all__ = ["WHOLE", "Covers", "Fragile", "Granularity", "Limits", "Record", "Snapshot", "Zone", "multiset", "txt_rdata", "txt_text"]


class Granularity(StrEnum):
    """The smallest thing that one call of a vendor's API replaces."""

    RECORD = "record"
    RRSET = "rrset"
    ZONE = "zone"


_RDATA_NAMES: Mapping[str, int] = {"CNAME": 0, "DNAME": 0, "NS": 0, "PTR": 0, "ALIAS": 0, "ANAME": 0, "MX": 1, "SRV": 3}
"""Types whose rdata holds a domain name, and the place of that name among the blank-separated fields."""


_QUOTED = re.compile(r'("(?:[^"\\]|\\.)*")', re.DOTALL)


def _escaped_rdata(rdata: str) -> str:
    """Rdata as RFC 1035 writes it, in one line: a host's row may hold control characters raw.

    They become `\\DDD` for each octet; outside of quotes, where they part the fields, tabs and line breaks become blanks.
    """
    if rdata.isprintable():
        return rdata
    parts = _QUOTED.split(rdata)
    parts[::2] = [re.sub(r"[\t\n\r]+", " ", part) for part in parts[::2]]
    return "".join(c if c.isprintable() else _octets(c) for part in parts for c in part)


def _octets(character: str) -> str:
    return "".join(f"\\{octet:03d}" for octet in character.encode(errors="surrogatepass"))


@lru_cache(maxsize=8192)
def _name(written: str) -> Name:
    """The name in rdata. Remembered: thousands of zones point to the same servers, and each target is asked for more than once."""
    return dns.name.from_text(written, dns.name.root)


def _canonical(rtype: str, rdata: str) -> str:
    """Rdata for comparison: the name inside it, if any, in lower case with its final dot; everything else as it is."""
    place = _RDATA_NAMES.get(rtype)
    if place is None:
        return rdata
    fields = rdata.split()
    if len(fields) != place + 1:
        return rdata
    try:
        fields[place] = text(_name(fields[place]))
    except (dns.exception.DNSException, UnicodeError):
        return rdata
    return " ".join(fields)


@dataclass(frozen=True, slots=True, eq=False)
class Record:
    """One resource record as a host holds it.

    `owner` is absolute. `rtype` is upper case (vendors' own types such as `URL` keep their name). `rdata` is in presentation
    form, names in it absolute; neither holds control characters, which are escaped here. `ttl` in seconds, `None` lets the host
    choose. `masked`: stored, but the world is shown something else (a proxied or flattened CNAME). `ref` is the vendor's id or
    whole row, handed back verbatim while it is there. `notes` are what the host keeps beside it (a comment, tags, a setting), as JSON
    has it, `None` where the adapter reads none: handed back when a record that went is put back, when its `ref` means nothing.

    Two records are equal when owner, type and rdata are, case and final dots of names aside; nothing else takes part.
    """

    owner: Name
    rtype: str
    rdata: str
    ttl: int | None = None
    masked: bool = False
    ref: object = field(default=None, repr=False)
    notes: Mapping[str, Any] | None = field(default=None, repr=False)
    key: tuple[str, str, str] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "rtype", visible(self.rtype.upper()))
        object.__setattr__(self, "rdata", _escaped_rdata(self.rdata))
        object.__setattr__(self, "key", (text(self.owner), self.rtype, _canonical(self.rtype, self.rdata)))

    def __eq__(self, other: object) -> bool:
        return self.key == other.key if isinstance(other, Record) else NotImplemented

    def __hash__(self) -> int:
        return hash(self.key)

    def __str__(self) -> str:
        ttl = "" if self.ttl is None else f" {self.ttl}"
        return f"{text(self.owner)}.{ttl} {self.rtype} {self.rdata}"

    @property
    def target(self) -> Name:
        """The name that a CNAME, DNAME, NS or PTR points to. Raises `ValueError` for other types."""
        if _RDATA_NAMES.get(self.rtype) != 0:
            raise ValueError(f"a {self.rtype} record has no target")
        return _name(self.rdata)


class _Whole(Enum):
    WHOLE = "whole"


WHOLE: Final = _Whole.WHOLE
"""`Snapshot.covers` of a read that holds every record of the zone."""

type Covers = frozenset[Name] | Literal[_Whole.WHOLE]


@dataclass(frozen=True, slots=True)
class Zone:
    """A zone that an account at a host holds.

    `ref` is the vendor's id. `account` says to a person which account it is. `name_servers` are those that the host says the
    zone is served by, empty when it does not say. `problem` is non-empty when the host itself says that the zone must not be
    written or is not served from here (inactive, partial, secondary, another product), in words for a person; control characters in
    both are made visible. `record_count` is the host's own count from a source other than `read`, `None` when it has none.
    """

    apex: Name
    ref: str = ""
    account: str = ""
    name_servers: tuple[Name, ...] = ()
    problem: str = ""
    record_count: int | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "account", visible(self.account))
        object.__setattr__(self, "problem", visible(self.problem))


@dataclass(frozen=True, slots=True)
class Fragile:
    """What the host's API cannot carry through a whole-zone write: the `name` to accept its loss by, `what` it is, the `way_out`.

    Control characters in them, which come from the host's rows, are made visible.
    """

    name: str
    what: str
    way_out: str

    def __post_init__(self) -> None:
        for part in ("name", "what", "way_out"):
            object.__setattr__(self, part, visible(getattr(self, part)))


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What a host says is in a zone, at one moment.

    `records` are those at the names in `covers`, or all of the zone when `covers` is `WHOLE`. `baggage` are zone settings that a
    write would lose unless handed back (Namecheap's `EmailType`). `fragile` lists what a whole-zone write could not carry.
    `total` is the number of records in the zone where the host says it.
    """

    zone: Zone
    records: tuple[Record, ...]
    covers: Covers
    baggage: Mapping[str, str] = field(default_factory=dict)
    fragile: tuple[Fragile, ...] = ()
    total: int | None = None

    def covered(self, name: Name) -> bool:
        """True when this snapshot knows everything at `name`."""
        return self.covers is WHOLE or name in self.covers

    def at(self, name: Name) -> tuple[Record, ...]:
        """The records at exactly this owner."""
        return tuple(record for record in self.records if record.owner == name)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a host can hold: TTLs in seconds, `max_records` per zone, `None` where it sets no limit that we know.

    `removes` is False where its plugin only ever adds: what has to go is then named to a person.
    """

    min_ttl: int = 1
    max_ttl: int = 604800
    max_records: int | None = None
    removes: bool = True


def multiset(records: Iterable[Record]) -> Counter[tuple[tuple[str, str, str], bool]]:
    """Records as a multiset for comparing two looks at a zone: what is masked counts as different from what is not."""
    return Counter((record.key, record.masked) for record in records)


_STRING = re.compile(r'\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"]+))', re.DOTALL)
_ESCAPE = re.compile(rb"\\(?:(\d{3})|(.))", re.DOTALL)


def txt_rdata(bare: str) -> str:
    """Bare text, as many hosts hold TXT records, in presentation form: quoted strings of at most 255 octets of UTF-8."""
    octets = bare.encode()
    strings = [octets[start : start + 255] for start in range(0, len(octets), 255)] or [b""]
    return " ".join('"' + "".join(map(_escaped, string)) + '"' for string in strings)


def txt_text(rdata: str) -> str:
    """The bare text of a TXT record's rdata: its strings joined, as the world joins them. Raises `ValueError` for what is no such rdata."""
    octets, place, end = b"", 0, len(rdata.rstrip())
    while place < end:
        string = _STRING.match(rdata, place)
        if string is None:
            raise ValueError(f"TXT {rdata!r} is not in presentation form")
        octets += _ESCAPE.sub(_unescaped, (string[2] if string[1] is None else string[1]).encode())
        place = string.end()
    return octets.decode()


def _escaped(octet: int) -> str:
    if octet in b'"\\':
        return "\\" + chr(octet)
    return chr(octet) if 32 <= octet < 127 else f"\\{octet:03d}"


def _unescaped(escape: re.Match[bytes]) -> bytes:
    if not escape[1]:
        return escape[2]
    if int(escape[1]) > 255:
        raise ValueError(f"\\{escape[1].decode()} is no octet")
    return bytes([int(escape[1])])
