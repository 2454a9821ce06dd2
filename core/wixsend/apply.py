"""Floor 5. From an approved edit to a zone that holds it: write once, look again, and say exactly what is not as it was.

Nothing here decides what to write. An edit comes from `wixsend.plan`, was judged by `wixsend.guard` and agreed to by a person; the
journal has the zone as it was read and what is intended before the first byte is sent.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable

from wixsend.adapters import Adapter
from wixsend.errors import Drifted, OutcomeUnknown
from wixsend.names import text
from wixsend.plan import Drift, Edit, drift
from wixsend.provider import Receipt
from wixsend.records import Granularity, Snapshot
from wixsend.wire import last_word

__all__ = ["Sleep", "look_again", "send", "write"]

_PAUSE = 1.0
"""Seconds between two looks while the host is given its settle time."""

type Sleep = Callable[[float], Awaitable[None]]
"""Waits for a number of seconds."""


async def write(adapter: Adapter, edit: Edit, backup: int, sleep: Sleep, still_ours: Callable[[], None]) -> None:
    """Make the edit, once, and make sure of it: `send`, and `look_again` where that is needed. Raises what the two raise."""
    if not await send(adapter, edit, still_ours):
        await look_again(adapter, edit, backup, sleep)


async def send(adapter: Adapter, edit: Edit, still_ours: Callable[[], None]) -> bool:
    """Make the edit, once. False when its answer is no proof, and the zone has to be looked at.

    `still_ours` is called as the last thing before each request, and raises when the zone is no longer ours to write.
    Raises `OutcomeUnknown` when it cannot be told whether the edit was made; every other error says that it was not.
    """
    try:
        with last_word(still_ours):
            receipt = await adapter.write(edit)
    except asyncio.CancelledError:
        # A blocking SDK's thread goes on: the zone is not let go before it has returned.
        await asyncio.shield(adapter.idle())
        raise
    return _itemised(adapter, edit, receipt)


def _itemised(adapter: Adapter, edit: Edit, receipt: Receipt) -> bool:
    """True when the host's own answer names every record that came or went, and the host cannot have touched anything else.

    A host that is read in DNS shows there what came of the edit: the proof, which follows, has the patience that the servers need.
    """
    if adapter.plugin.reads == "dns":
        return True
    if adapter.plugin.granularity is Granularity.ZONE or receipt.records is None or Counter(edit.removes) - Counter(receipt.removed):
        return False
    return all(any(record == held and not held.masked for held in receipt.records) for record in edit.adds)


async def look_again(adapter: Adapter, edit: Edit, backup: int, sleep: Sleep) -> Snapshot:
    """Read the zone again until it is as the edit promised, for as long as the host may take to show a change.

    A read just after a write may be older than the write: no difference is believed before the host's settle time is over. Raises
    `Drifted` when something untouched is not as it was, with the way to restore it from the journal's `backup`; `OutcomeUnknown`
    when the edit is not there; and the errors of a read, which say nothing about the edit.
    """
    names = frozenset(change.owner for change in edit.changes) | frozenset(record.owner for record in edit.before.records)
    left = adapter.settle
    while True:
        after = await adapter.read(edit.before.zone, names)
        found = drift(edit, after)
        if not found:
            return after
        if left <= 0:
            raise _told(adapter, edit, backup, found)
        pause = min(_PAUSE, left)
        await sleep(pause)
        left -= pause


def _told(adapter: Adapter, edit: Edit, backup: int, found: Drift) -> Drifted | OutcomeUnknown:
    zone = text(edit.before.zone.apex)
    if not found.harmed:
        names = ", ".join(sorted({text(record.owner) for record in (*found.missing, *found.lingering)}))
        return OutcomeUnknown(f"{adapter.label} took the edit and does not show it at {names}", "wixsend looks again before anything else.")
    lost = "".join(f"\n    lost: {record}" for record in found.lost)
    settings = "".join(f"\n    changed: {name}, was {edit.before.baggage[name]!r}" for name in found.settings)
    owners = " ".join(dict.fromkeys(text(record.owner) for record in found.lost))
    back = f"If these records shall be there: wixsend restore {backup} {owners}\n" if owners else ""
    return Drifted(
        f"the zone {zone} at {adapter.label} is not as it was, apart from our edit:{lost}{settings}",
        f"Another editor may have changed it at the same time, on purpose: look at the zone. {back}Nothing is put back unasked; "
        "the same command goes on without it, and `wixsend undo DOMAIN` takes wixsend's own records back.",
    )
