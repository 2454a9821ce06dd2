"""The vendor's edge: rdata in presentation form to and from the fields of a Cloudflare DNS record.

Most types are one `content`. Some carry their parts in `data` (`_PARTS`, one row for each type, in the order of the presentation
form), MX and URI have their number in `priority`. Names come without the final dot, and TXT quoted or bare, as it was typed
(both recorded); what is sent is without the final dot and quoted. Field names are those of the SDK's types.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from wixsend import absolute, txt_rdata, txt_text

__all__ = ["from_row", "to_fields"]


class _Kind(NamedTuple):
    """How one part is shown, and how it is read back. `rest` takes everything up to the end."""

    show: Callable[[Any], str]
    parse: Callable[[str], Any]
    rest: bool = False


def _number(written: Any) -> int | float:
    """JSON numbers and text alike; whole ones as int, whatever the vendor's decimals."""
    value = float(written)
    return int(value) if value.is_integer() else value


def _named(content: str) -> str:
    """A name with its final dot; what is no name as it is."""
    try:
        return absolute(content).to_text()
    except ValueError:
        return content


def _bare(written: str) -> str:
    """A name as Cloudflare takes it: without the final dot. Raises `ValueError` for what is no name."""
    return absolute(written).to_text(omit_final_dot=True)


_QUOTED = re.compile(r'\s*"(?:[^"\\]|\\.)*"', re.DOTALL)
_ALL_QUOTED = re.compile(rf"(?:{_QUOTED.pattern})+\s*", re.DOTALL)
_PART = re.compile(r'"(?:[^"\\]|\\.)*"|\S+', re.DOTALL)


def _quoted(content: str) -> str:
    """TXT content in presentation form: what is quoted already verbatim, what is bare quoted."""
    return content if _ALL_QUOTED.fullmatch(content) else txt_rdata(content)


_NUMBER = _Kind(lambda value: str(_number(value)), _number)
_WORD = _Kind(str, str)
_NAME = _Kind(_named, _bare)
_STRING = _Kind(lambda value: txt_rdata(str(value)), txt_text)
_METRES = _Kind(lambda value: f"{_number(value)}m", lambda written: _number(written.removesuffix("m")))
_BLOB = _Kind(str, lambda written: "".join(written.split()), rest=True)
_REST = _Kind(str, str, rest=True)

_PARTS: Mapping[str, tuple[tuple[str, _Kind], ...]] = {
    "CAA": (("flags", _NUMBER), ("tag", _WORD), ("value", _STRING)),
    "CERT": (("type", _NUMBER), ("key_tag", _NUMBER), ("algorithm", _NUMBER), ("certificate", _BLOB)),
    "DNSKEY": (("flags", _NUMBER), ("protocol", _NUMBER), ("algorithm", _NUMBER), ("public_key", _BLOB)),
    "DS": (("key_tag", _NUMBER), ("algorithm", _NUMBER), ("digest_type", _NUMBER), ("digest", _BLOB)),
    "HTTPS": (("priority", _NUMBER), ("target", _NAME), ("value", _REST)),
    "LOC": (
        *((f"lat_{part}", _WORD if part == "direction" else _NUMBER) for part in ("degrees", "minutes", "seconds", "direction")),
        *((f"long_{part}", _WORD if part == "direction" else _NUMBER) for part in ("degrees", "minutes", "seconds", "direction")),
        *((part, _METRES) for part in ("altitude", "size", "precision_horz", "precision_vert")),
    ),
    "NAPTR": (
        ("order", _NUMBER),
        ("preference", _NUMBER),
        ("flags", _STRING),
        ("service", _STRING),
        ("regex", _STRING),
        ("replacement", _NAME),
    ),
    "SMIMEA": (("usage", _NUMBER), ("selector", _NUMBER), ("matching_type", _NUMBER), ("certificate", _BLOB)),
    "SRV": (("priority", _NUMBER), ("weight", _NUMBER), ("port", _NUMBER), ("target", _NAME)),
    "SSHFP": (("algorithm", _NUMBER), ("type", _NUMBER), ("fingerprint", _BLOB)),
    "SVCB": (("priority", _NUMBER), ("target", _NAME), ("value", _REST)),
    "TLSA": (("usage", _NUMBER), ("selector", _NUMBER), ("matching_type", _NUMBER), ("certificate", _BLOB)),
    "URI": (("weight", _NUMBER), ("target", _STRING)),
}
"""Types with their parts in `data`."""

_PLAIN: Mapping[str, _Kind] = {
    "CNAME": _NAME,
    "MX": _NAME,
    "NS": _NAME,
    "PTR": _NAME,
    "SPF": _Kind(_quoted, _quoted),
    "TXT": _Kind(_quoted, _quoted),
}
"""Types whose `content` is not the presentation form already."""

_WITH_PRIORITY = frozenset({"MX", "URI"})


def from_row(row: Mapping[str, Any]) -> str:
    """The rdata of a record as Cloudflare sends it. Raises `KeyError`, `TypeError` or `ValueError` for a row of another shape."""
    kind, data = row["type"], row.get("data")
    parts = _PARTS.get(kind, ())
    priority = f"{_number(row['priority'])} " if kind in _WITH_PRIORITY else ""
    if parts and isinstance(data, Mapping) and all(name in data for name, _ in parts):
        return priority + " ".join(part.show(data[name]) for name, part in parts).rstrip()
    return priority + _PLAIN.get(kind, _WORD).show(row["content"])


def to_fields(rtype: str, rdata: str) -> dict[str, Any]:
    """The fields `content`, `data` and `priority` that make a record of this rdata. Raises `ValueError` for rdata of another type."""
    fields: dict[str, Any] = {}
    if rtype in _WITH_PRIORITY:
        written, _, rdata = rdata.strip().partition(" ")
        fields["priority"] = _parsed(_NUMBER, written, f"it is no {rtype} record: its priority")
    if rtype not in _PARTS:
        return {"content": _PLAIN.get(rtype, _WORD).parse(rdata.strip()), **fields}
    data: dict[str, Any] = {}
    at = 0
    for name, part in _PARTS[rtype]:
        found = _PART.search(rdata, at)
        if found is None and part is not _REST:
            raise ValueError(f"{rdata!r} is no {rtype} record: its {name} is missing")
        written = "" if found is None else rdata[found.start() :] if part.rest else found[0]
        data[name] = _parsed(part, written, f"{rdata!r} is no {rtype} record: its {name}")
        at = len(rdata) if found is None or part.rest else found.end()
    if rdata[at:].strip():
        raise ValueError(f"{rdata!r} is no {rtype} record: it goes on after its {name}")
    return {"data": data, **fields}


def _parsed(part: _Kind, written: str, what: str) -> Any:
    try:
        return part.parse(written)
    except ValueError as wrong:
        raise ValueError(f"{what} cannot be {written!r}") from wrong
