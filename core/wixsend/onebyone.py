"""Floor 3. An edit at a host that takes one record with each call and has no transaction.

The adapter says how one record comes and how one goes; here is the order of it, and the way back from an edit that stopped half-way.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, NoReturn, Protocol

from wixsend.errors import OutcomeUnknown, ProviderError, Unavailable
from wixsend.names import Name
from wixsend.plan import Edit
from wixsend.provider import ErrorRule, Receipt, translate
from wixsend.records import Record, Snapshot, Zone

__all__ = ["OneByOne", "write_one_by_one"]


class OneByOne(Protocol):
    """What is asked of such a host. All that is raised is looked up in `errors`: only what is `Unavailable` there may have been done."""

    @property
    def errors(self) -> Sequence[ErrorRule]: ...

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """As `Provider.read`."""
        ...

    def row(self, record: Record, apex: Name) -> Any:
        """What `add` sends for this record. Raises `EditRejected` for what the host does not hold as it is; asks nobody."""
        ...

    async def add(self, zone: Zone, row: Any) -> Record:
        """One call; the record that the host says it holds now."""
        ...

    async def remove(self, zone: Zone, record: Record) -> None:
        """One call; returns only when the host said, in the agreed way, that it is done."""
        ...


async def write_one_by_one(edit: Edit, host: OneByOne, label: str) -> Receipt:
    """Make the edit owner by owner: what goes, then what comes. Nothing is begun that could not be taken back.

    Keeps the promise of `Provider.write`: an edit that stopped half-way raises `OutcomeUnknown`, and what was removed only to make
    room for what did not come is put back first. The receipt names what came; that something is gone, no answer of a single removal says.
    """
    zone = edit.before.zone
    steps = [(change.remove, [host.row(replace(record, ref=None), zone.apex) for record in change.add]) for change in edit.changes]
    for old in _making_room(edit):
        host.row(old, zone.apex)  # raises for what could not be put back
    gone: list[Record] = []
    made: list[Record] = []
    going: Record | None = None
    try:
        for removals, rows in steps:
            for going in removals:
                await host.remove(zone, going)
                gone.append(going)
            going = None
            for row in rows:
                made.append(await host.add(zone, row))
    except Exception as failure:
        told = translate(failure, host.errors, label, writing=False)
        refused = not isinstance(told, Unavailable | OutcomeUnknown)
        if refused and not gone and not made:
            raise
        await _back_out(edit, host, failure, told, gone, made, None if refused else going)
    return Receipt(tuple(made))


async def _back_out(
    edit: Edit,
    host: OneByOne,
    failure: Exception,
    told: ProviderError,
    gone: Sequence[Record],
    made: Sequence[Record],
    doubtful: Record | None,
) -> NoReturn:
    """Put back what made room for nothing, and raise: the failure itself where nothing else was done, otherwise `OutcomeUnknown`.

    What the host said to be gone is gone, though it may still be shown for a while; of the `doubtful` removal only a look tells.
    """
    zone = edit.before.zone
    tried = (*gone, *([doubtful] if doubtful else []))
    room = [old for old in _making_room(edit) if any(old is one for one in tried)]
    back: list[Record] = []
    try:
        here = (await host.read(zone, frozenset(old.owner for old in room))).records if room else ()
        arrived = {new.owner for new in (*made, *(new for new in edit.adds if new in here))}
        back = [old for old in room if old.owner not in arrived and (old is not doubtful or old not in here)]
        for old in back:
            await host.add(zone, host.row(old, zone.apex))
    except Exception as again:
        why = translate(again, host.errors, "then", writing=False).happened
        lost = ", ".join(map(str, room))
        raise _unknown(told, f"what was to make room may be gone and could not be put back ({why}): {lost}") from failure
    if len(gone) + len(made) > len(back):
        raise _unknown(told, "a part of the edit had been made by then") from failure
    raise failure


def _making_room(edit: Edit) -> tuple[Record, ...]:
    """The records that go only so that others can come at their owner."""
    return tuple(old for change in edit.changes if change.add for old in change.remove)


def _unknown(told: ProviderError, state: str) -> OutcomeUnknown:
    return OutcomeUnknown(f"{told.happened}; {state}", "wixsend looks at the zone before anything else.", retry_after=told.retry_after)
