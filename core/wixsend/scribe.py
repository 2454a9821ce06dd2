"""Floor 4. Writing into the journal: at once, or for many domains at a time.

A commit waits for the disk. One domain can wait with it; a run of thousands would spend most of its time so. `Together` takes what many
hops have to write down while the disk is busy, and writes all of it with the next commit, in a thread of its own. What has been handed to
it is written even when nobody waits for it any more.
"""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from wixsend.errors import Busy
from wixsend.events import Event
from wixsend.journal import Entry, Journal, Kept, Step

__all__ = ["AtOnce", "Scribe", "Together"]


class Scribe(Protocol):
    """Writes one domain's events and zones. What it returned from is on disk. Raises as the `Journal` does."""

    async def append(self, entry: Entry, event: Event, at: float) -> Entry:
        """The case after the event (`Journal.append`)."""
        ...

    async def keep_snapshot(self, kept: Kept) -> int:
        """The number of a zone that was put away (`Journal.keep_snapshots`)."""
        ...


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Each with a commit of its own, before anything else happens in this process."""

    journal: Journal

    async def append(self, entry: Entry, event: Event, at: float) -> Entry:
        return self.journal.append(entry, event, at)

    async def keep_snapshot(self, kept: Kept) -> int:
        return self.journal.keep_snapshots([kept])[0]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Something that is to be written, and who is told of it."""

    what: Any
    told: asyncio.Future[Any]


class Together:
    """What comes while the last is being written is written with one commit. For one event loop; `drained` before that ends."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._steps: list[_Wanted] = []
        self._kept: list[_Wanted] = []
        self._writing: asyncio.Task[None] | None = None

    async def append(self, entry: Entry, event: Event, at: float) -> Entry:
        after: Entry = await self._handed_in(self._steps, Step(entry, event, at))
        return after

    async def keep_snapshot(self, kept: Kept) -> int:
        number: int = await self._handed_in(self._kept, kept)
        return number

    async def drained(self) -> None:
        """Until everything that was handed in is written, or has failed."""
        while self._writing is not None:
            await asyncio.wait({self._writing})

    def _handed_in(self, pile: list[_Wanted], what: Any) -> asyncio.Future[Any]:
        told = asyncio.get_running_loop().create_future()
        pile.append(_Wanted(what, told))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return told

    async def _write(self) -> None:
        try:
            while self._kept or self._steps:
                kept, steps = self._kept[:], self._steps[:]
                self._kept.clear()
                self._steps.clear()
                await _written((kept, self._journal.keep_snapshots), (steps, self._journal.append_all))
        finally:
            self._writing = None


type _Pile = tuple[Sequence[_Wanted], Callable[[Sequence[Any]], Sequence[Any]]]
"""What is to be written, and what writes it."""


async def _written(*piles: _Pile) -> None:
    """Write these piles in turn, and tell each what became of it."""
    results = await asyncio.to_thread(lambda: [_each([one.what for one in wanted], write) for wanted, write in piles])
    for (wanted, _write), told in zip(piles, results, strict=True):
        for one, result in zip(wanted, told, strict=True):
            if one.told.done():  # nobody waits for it any more
                continue
            if isinstance(result, Exception):
                one.told.set_exception(result)
            else:
                one.told.set_result(result)


def _each(whats: Sequence[Any], write: Callable[[Sequence[Any]], Sequence[Any]]) -> Sequence[Any]:
    """What became of each: a result, or what is to be raised. One whose case another process went on with keeps no other from its place."""
    try:
        return write(whats) if whats else ()
    except Busy as busy:
        return [busy] if len(whats) == 1 else [result for what in whats for result in _each([what], write)]
    except Exception as wrong:
        return [wrong] * len(whats)
