"""Floor 4. Writing into the journal: at once, or for many domains at a time.

A commit waits for the disk. One domain can wait with it; a run of thousands would spend most of its time so. `Together` takes what many
hops have to write down while the disk is busy, and writes all of it with the next commit, in a thread of its own. What has been handed to
it is written even when nobody waits for it any more.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wixsend.errors import Busy
from wixsend.events import Event
from wixsend.journal import Entry, Journal, Kept, Step

__all__ = ["AtOnce", "Scribe", "Together"]


class Scribe(Protocol):
    """Writes one domain's events, and zones with them. What it returned from is on disk. Raises as the `Journal` does."""

    async def append(self, entry: Entry, at: float, *events: Event, kept: Kept | None = None) -> Entry:
        """The case after these events (`Journal.append_all`)."""
        ...


@dataclass(frozen=True, slots=True)
class AtOnce:
    """Each with a commit of its own, before anything else happens in this process."""

    journal: Journal

    async def append(self, entry: Entry, at: float, *events: Event, kept: Kept | None = None) -> Entry:
        return self.journal.append_all([Step(entry, events, at, kept)])[0]


@dataclass(frozen=True, slots=True)
class _Wanted:
    """What is to be written, and who is told of it."""

    step: Step
    told: asyncio.Future[Entry]


class Together:
    """What comes while the last is being written is written with one commit. For one event loop; `drained` before that ends."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._wanted: list[_Wanted] = []
        self._writing: asyncio.Task[None] | None = None

    async def append(self, entry: Entry, at: float, *events: Event, kept: Kept | None = None) -> Entry:
        told: asyncio.Future[Entry] = asyncio.get_running_loop().create_future()
        self._wanted.append(_Wanted(Step(entry, events, at, kept), told))
        if self._writing is None:
            self._writing = asyncio.create_task(self._write())
        return await told

    async def drained(self) -> None:
        """Until everything that was handed in is written, or has failed."""
        while self._writing is not None:
            await asyncio.wait({self._writing})

    async def _write(self) -> None:
        try:
            while self._wanted:
                wanted, self._wanted = self._wanted, []
                results = await asyncio.to_thread(_each, self._journal, [one.step for one in wanted])
                for one, result in zip(wanted, results, strict=True):
                    if one.told.done():  # nobody waits for it any more
                        continue
                    if isinstance(result, Exception):
                        one.told.set_exception(result)
                    else:
                        one.told.set_result(result)
        finally:
            self._writing = None


def _each(journal: Journal, steps: Sequence[Step]) -> Sequence[Entry | Exception]:
    """What became of each: a case, or what is to be raised. One whose case another process went on with keeps no other from its place."""
    try:
        return journal.append_all(steps)
    except Busy as busy:
        return [busy] if len(steps) == 1 else [result for step in steps for result in _each(journal, [step])]
    except Exception as wrong:
        return [wrong] * len(steps)
