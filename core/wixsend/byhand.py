"""Floor 5. What a person has to do at a DNS host's panel: which record belongs into which zone, who serves that, what stands there now.

Only authoritative servers are asked about names below the sending domain. What is added by hand is proven like everything else.
"""

import asyncio
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from wixsend.detect import Detected, detect
from wixsend.errors import DnsUnreachable
from wixsend.lookup import Dns
from wixsend.names import Name, SendingDomain, text
from wixsend.plugins import Plugins
from wixsend.records import Record
from wixsend.verdict import Delegation, Finding, Kind, Proof, Verdict

__all__ = ["Handoff", "Part", "State", "Task", "look"]

_TYPES = ("A", "AAAA", "TXT", "MX", "NS")
"""What is looked for at a name, beside a CNAME, which every answer would show."""

_SHOWN = 3
"""How many of the records that stand at a name are told."""


class State(StrEnum):
    """What DNS shows of a record."""

    RIGHT = "right"
    MISSING = "missing"
    CONFLICT = "conflict"
    WRONG = "wrong"
    UNKNOWN = "unknown"


_STATES: dict[Verdict, State] = {
    Verdict.VISIBLE: State.RIGHT,
    Verdict.ABSENT: State.MISSING,
    Verdict.OLD: State.MISSING,
    Verdict.WILDCARD: State.MISSING,
    Verdict.WRONG_TARGET: State.CONFLICT,
    Verdict.MASKED: State.CONFLICT,
    Verdict.DOUBLED_HOST: State.WRONG,
    Verdict.WRONG_ZONE: State.WRONG,
    Verdict.BOGUS: State.WRONG,
}
"""What a verdict means to who adds the records; any other tells nothing."""

_GRAVEST = (State.CONFLICT, State.WRONG, State.MISSING, State.UNKNOWN, State.RIGHT)


@dataclass(frozen=True, slots=True)
class Task:
    """A record to add: what DNS shows of it, what stands at its name instead, and, where that is in the way, a sentence and what to do."""

    record: Record
    state: State
    there: tuple[Record, ...] = ()
    found: str = ""
    todo: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """The records that belong into one zone, and who serves it."""

    served: Detected
    tasks: tuple[Task, ...]

    @property
    def zone(self) -> Name:
        return self.served.delegation.apex


@dataclass(frozen=True, slots=True)
class Handoff:
    """What is handed to the owner of a sending domain. `kept` are records that are left out: a DMARC policy holds already."""

    domain: SendingDomain
    parts: tuple[Part, ...]
    kept: tuple[Record, ...] = ()

    @property
    def tasks(self) -> tuple[Task, ...]:
        return tuple(task for part in self.parts for task in part.tasks)

    @property
    def done(self) -> bool:
        """True when DNS shows every record already."""
        return all(task.state is State.RIGHT for task in self.tasks)


async def look(
    dns: Dns, plugins: Plugins, domain: SendingDomain, delegation: Delegation, wanted: Sequence[Record], kept: Sequence[Record]
) -> Handoff:
    """What is to be done for these records of a sending domain. Raises `DnsUnreachable` when the zone cannot be found."""
    by_zone: dict[Name, list[Record]] = {}
    zones = {delegation.apex: delegation}
    for record in wanted:
        zone = delegation if delegation.by_resolver else await dns.delegation(record.owner)
        zones.setdefault(zone.apex, zone)
        by_zone.setdefault(zone.apex, []).append(record)
    parts = [_part(dns, plugins, zones[apex], records) for apex, records in by_zone.items()]
    return Handoff(domain, tuple(await asyncio.gather(*parts)), tuple(kept))


async def _part(dns: Dns, plugins: Plugins, zone: Delegation, records: Sequence[Record]) -> Part:
    served, proof = await asyncio.gather(detect(dns, plugins, zone), _proof(dns, zone, records))
    tasks = [_task(dns, zone, record, _finding(proof, record)) for record in records]
    return Part(served, tuple(await asyncio.gather(*tasks)))


async def _proof(dns: Dns, zone: Delegation, records: Sequence[Record]) -> Proof | None:
    return None if zone.by_resolver else await dns.prove(records, zone, ask_resolvers=False)


def _finding(proof: Proof | None, record: Record) -> Finding | None:
    """What weighs most of what the zone's servers show of a record."""
    found = [one for one in proof.findings if one.record == record and one.kind is Kind.AUTHORITATIVE] if proof else []
    return min(found, key=lambda one: _GRAVEST.index(_STATES.get(one.verdict, State.UNKNOWN)), default=None)


async def _task(dns: Dns, zone: Delegation, record: Record, finding: Finding | None) -> Task:
    state = _STATES.get(finding.verdict, State.UNKNOWN) if finding is not None else State.UNKNOWN
    if finding is None or state in (State.RIGHT, State.UNKNOWN):
        return Task(record, state)
    there: tuple[Record, ...] = ()
    if finding.verdict is not Verdict.WILDCARD:
        with suppress(DnsUnreachable):
            at_name = await dns.records_at(zone, record.owner, _TYPES)
            there = tuple(other for other in at_name if other.owner == record.owner and other != record)
    if state is State.WRONG:
        return Task(record, state, there, finding.sentence, finding.next_step)
    return _in_the_way(record, there) if there else Task(record, state)


def _in_the_way(record: Record, there: tuple[Record, ...]) -> Task:
    """A record at whose name something else stands."""
    listed = ", ".join(f"{other.rtype} {other.rdata}" for other in there[:_SHOWN])
    listed += f" and {len(there) - _SHOWN} more" if len(there) > _SHOWN else ""
    found = f"{text(record.owner)} holds {listed}"
    if any(other.rtype == "CNAME" for other in there):
        todo = (
            "Find out who uses it: another service may sign your mail with it, and stops when it is changed. "
            "If nobody does, change its value to the one below instead of adding a second record."
        )
    elif all(other.rtype in ("A", "AAAA") for other in there):
        todo = (
            "If you see a record of the type CNAME there, switch its proxy (at Cloudflare: the orange cloud) or flattening off. "
            "Else remove what stands there: a CNAME must be alone at its name."
        )
    else:
        todo = "Find out who uses it, then remove it: a CNAME must be alone at its name."
    return Task(record, State.CONFLICT, there, found, todo)
