"""Floor 2, pure. What can happen in the life of one sending domain, as values, and their form in the journal.

An event says what happened, never what to do: `wixsend.flow` folds events into a case. The journal keeps them as JSON with the
version of their form, so that a newer wixsend can read what an older one wrote.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, ClassVar, get_args, get_type_hints

import dns.exception
import dns.name

from wixsend.names import Name
from wixsend.plan import Change
from wixsend.records import Record

__all__ = [
    "DAMAGED",
    "EVENTS",
    "Accepted",
    "Agreed",
    "Blind",
    "Event",
    "Hidden",
    "HostFound",
    "Intended",
    "NoHost",
    "NotYet",
    "NothingToWrite",
    "Planned",
    "Reopened",
    "Stopped",
    "Stumbled",
    "Undoing",
    "Undone",
    "Visible",
    "Withdrawn",
    "WixAuthenticated",
    "WixGenerating",
    "WixHosts",
    "WixWants",
    "WriteUnknown",
    "Wrote",
    "from_json",
    "kept_name",
    "kept_record",
    "to_json",
]


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened. `code` is its stable name in the journal, `version` the version of its fields."""

    code: ClassVar[str]
    version: ClassVar[int] = 1


@dataclass(frozen=True, slots=True)
class WixGenerating(Event):
    """Wix knows the domain, and is still making its records."""

    code = "wix-generating"
    wix_id: str = ""


@dataclass(frozen=True, slots=True)
class WixWants(Event):
    """Wix told which records it wants; the domain is not authenticated."""

    code = "wix-wants"
    wix_id: str = ""
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class WixAuthenticated(Event):
    """Wix, asked with a question (not with authenticate), says that the domain is authenticated."""

    code = "wix-authenticated"
    wix_id: str = ""
    records: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class HostFound(Event):
    """The zone that the world sees, and the account that holds it."""

    code = "host-found"
    apex: Name = dns.name.root
    provider: str = ""
    account: str = ""
    how: str = ""


@dataclass(frozen=True, slots=True)
class NoHost(Event):
    """The zone is known, and nobody here writes to it: a person adds the records, we go on watching.

    `handed`: that was asked for, and stays so; else nobody here can, as things are.
    """

    code = "no-host"
    apex: Name = dns.name.root
    why: str = ""
    kept: tuple[Record, ...] = ()
    handed: bool = False


@dataclass(frozen=True, slots=True)
class WixHosts(Event):
    """Wix serves the zone itself and adds the records itself: nothing to write, its status is followed."""

    code = "wix-hosts"
    apex: Name = dns.name.root


@dataclass(frozen=True, slots=True)
class Planned(Event):
    """There is an edit to make, named by `digest`; `kept` are wanted records that the DMARC policy leaves out."""

    code = "planned"
    digest: str = ""
    kept: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class NothingToWrite(Event):
    """The zone already holds every record that is to be there."""

    code = "nothing-to-write"
    kept: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Agreed(Event):
    """A person (or --yes) agreed to the edit named by `digest`."""

    code = "agreed"
    digest: str = ""


@dataclass(frozen=True, slots=True)
class Intended(Event):
    """These changes are about to be sent; `snapshot` is the journal's number of the zone as it was read before."""

    code = "intended"
    changes: tuple[Change, ...] = ()
    snapshot: int = 0


@dataclass(frozen=True, slots=True)
class Withdrawn(Event):
    """What was planned is not done: plan again. `conflict`: it was sent, and the host did nothing, as the zone is not what we read."""

    code = "withdrawn"
    why: str = ""
    conflict: bool = False


@dataclass(frozen=True, slots=True)
class WriteUnknown(Event):
    """What was intended was sent and not answered: the host gets `settle` seconds, then we look."""

    code = "write-unknown"
    why: str = ""
    settle: float = 0.0


@dataclass(frozen=True, slots=True)
class Wrote(Event):
    """The host holds what was intended, and we saw it."""

    code = "wrote"


@dataclass(frozen=True, slots=True)
class Visible(Event):
    """Every authoritative server and every chosen resolver answers every record. `warning` is what is wrong beyond them, `why` says who."""

    code = "visible"
    warning: str = ""
    why: str = ""


@dataclass(frozen=True, slots=True)
class Hidden(Event):
    """Somebody does not answer the records yet: `why`, and the next look is worth it in `wait` seconds, for the reason in `then`."""

    code = "hidden"
    why: str = ""
    wait: float = 0.0
    then: str = ""


@dataclass(frozen=True, slots=True)
class Blind(Event):
    """No authoritative server can be reached from here, so DNS proves nothing: Wix's own advice about waiting is what is left."""

    code = "blind"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Accepted(Event):
    """Wix's answer to authenticate says AUTHENTICATED; still to be confirmed by a question."""

    code = "accepted"


@dataclass(frozen=True, slots=True)
class NotYet(Event):
    """Wix was asked to authenticate and did not."""

    code = "not-yet"
    why: str = ""


@dataclass(frozen=True, slots=True)
class Stumbled(Event):
    """A passing failure: the same is tried again later."""

    code = "stumbled"
    error: str = ""
    exit_code: int = 1
    happened: str = ""
    next_step: str = ""
    retry_after: float | None = None


@dataclass(frozen=True, slots=True)
class Stopped(Event):
    """Something that only a person can change; the same command goes on afterwards."""

    code = "stopped"
    error: str = ""
    exit_code: int = 1
    happened: str = ""
    next_step: str = ""


@dataclass(frozen=True, slots=True)
class Reopened(Event):
    """A person runs the command again on a case that had ended, or with another word on what may be done: begin with Wix again."""

    code = "reopened"


@dataclass(frozen=True, slots=True)
class Undoing(Event):
    """These changes, which take back what we wrote, are about to be sent; `snapshot` is as in `Intended`.

    Without changes: what had been sent was looked at, and what the zone lost was told.
    """

    code = "undoing"
    changes: tuple[Change, ...] = ()
    snapshot: int = 0


@dataclass(frozen=True, slots=True)
class Undone(Event):
    """What we had written was taken back."""

    code = "undone"


EVENTS: Mapping[str, type[Event]] = {kind.code: kind for kind in Event.__subclasses__()}
"""Every event by its code."""


def to_json(event: Event) -> str:
    """The event's fields as JSON text; its code and version are kept beside it."""
    return json.dumps({field.name: _pack(getattr(event, field.name)) for field in fields(event)})


def from_json(code: str, version: int, payload: str) -> Event:
    """The event that was written so. Raises `ValueError` for a code, version or payload that this wixsend does not know.

    A version of an event's form that is older than today's is brought up to date here.
    """
    kind = EVENTS.get(code)
    if kind is None or version > kind.version:
        raise ValueError(f"the event {code!r} in version {version} is not known to this wixsend")
    try:
        values = json.loads(payload)
        known = {field.name: field.default for field in fields(kind)}
        given = {name: _unpack(value) for name, value in values.items() if name in known}
        for name, value in given.items():
            if not _fits(value, known[name], _HINTS[code][name]):
                raise TypeError(f"{name} is not what it must be")
        return kind(**given)
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError, dns.exception.DNSException) as wrong:
        raise ValueError(f"the event {code!r} is damaged: {wrong}") from wrong


_HINTS: Mapping[str, Mapping[str, Any]] = {code: get_type_hints(kind) for code, kind in EVENTS.items()}
"""The annotations of every event's fields."""

_KINDS: Mapping[type, tuple[type, ...]] = {
    str: (str,),
    int: (int,),
    bool: (bool, int),
    float: (float, int),
    tuple: (tuple,),
    Name: (Name,),
    type(None): (float, int, type(None)),
}
"""What a field may hold, by the type of its default."""

_LONGEST = 1e9
"""Seconds: no wait is longer, and `at` plus this is a moment that a calendar knows."""


def _fits(value: Any, default: Any, hint: Any) -> bool:
    """True when a value may stand in a field with this default and annotation."""
    if not isinstance(value, _KINDS[type(default)]):
        return False
    if isinstance(value, tuple):
        return all(isinstance(item, get_args(hint)[0]) for item in value)
    return not isinstance(value, float) or -_LONGEST < value < _LONGEST


DAMAGED = (ValueError, TypeError, KeyError, AttributeError, RecursionError, dns.exception.DNSException)
"""What reading something that was kept raises when nobody of ours wrote it."""


def kept_name(written: Any) -> Name:
    """A name as the journal keeps it. Raises `ValueError`, or what dnspython raises, for what is none."""
    if not isinstance(written, str):
        raise ValueError("a name is no text")
    return dns.name.from_text(written)


def kept_record(owner: Any, rtype: Any, rdata: Any, ttl: Any, masked: Any, notes: Any = None) -> Record:
    """A record as the journal keeps it. Raises `ValueError`, or what dnspython raises, for what is none."""
    if not (isinstance(rtype, str) and isinstance(rdata, str) and (ttl is None or type(ttl) is int) and isinstance(masked, bool)):
        raise ValueError("a record is not what it must be")
    if not isinstance(notes, dict | None):
        raise ValueError("a record's notes are not what they must be")
    return Record(kept_name(owner), rtype, rdata, ttl, masked, notes=notes)


def _records_of(value: Any) -> tuple[Record, ...]:
    if not isinstance(value, tuple) or not all(isinstance(item, Record) for item in value):
        raise ValueError("a change holds something else than records")
    return value


def _pack(value: Any) -> Any:
    if isinstance(value, Record):
        notes = [] if value.notes is None else [dict(value.notes)]
        return {"record": [value.owner.to_text(), value.rtype, value.rdata, value.ttl, value.masked, *notes]}
    if isinstance(value, Change):
        return {"change": [value.owner.to_text(), _pack(value.remove), _pack(value.add)]}
    if isinstance(value, Name):
        return {"name": value.to_text()}
    if isinstance(value, tuple):
        return [_pack(item) for item in value]
    return value


def _unpack(value: Any) -> Any:
    if isinstance(value, list):
        return tuple(_unpack(item) for item in value)
    if isinstance(value, dict):
        ((tag, content),) = value.items()
        if tag == "record":
            return kept_record(*content)
        if tag == "change":
            owner, remove, add = content
            return Change(kept_name(owner), _records_of(_unpack(remove)), _records_of(_unpack(add)))
        if tag == "name":
            return kept_name(content)
        raise KeyError(tag)
    return value
