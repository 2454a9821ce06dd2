"""Floor 5. Taking part in the runs of a shared journal, beside any number of other processes on any number of machines.

The journal is the truth: a case that can be gone on with is a row whose time has come. Whichever process gets to it first puts such rows
into the queue, so many for each lane that no account keeps the others waiting; whichever process is free takes one out and does a hop
(`wixsend.bulk`). That the row stays due until the hop's event is written, in one transaction with its number, is what makes the next job:
nothing can be lost between the two, and a queue that was dropped is filled again. A hop that lost the race for the number stops without
effect.
"""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress

from wixsend.bulk import WIDTH, Hops, Worlds, moved
from wixsend.errors import JournalError, JournalNewer, QuotaError, WixsendError
from wixsend.journal import Entry, Journal
from wixsend.queue import Job, Queue, QueueLost
from wixsend.runs import LIVE, Ref, Run, Runs, Turn

__all__ = ["SLOTS", "Worker"]

SLOTS = 512
"""Hops of one process that are begun at a time; most of them wait for their turn at an account."""

_DEPTH = 4 * WIDTH
"""Jobs of one lane that are in the queue, whoever does them."""

_FEEDING = 4
"""What one process at a time does (`Database.first`): put jobs into the queue."""

_TICK = 1.0
"""Seconds until the journal is looked at again for rows that came due."""
_LEAST = 0.1
_SHARE = 5
"""Looking may take this part of the time."""
_SLICE = 5.0
"""The longest wait of a job for a row that is not due by this machine's clock."""
_BUSY = 1.0
"""Seconds that a job waits for nothing where somebody else works on the case."""
_AGAIN = 0.5
"""Seconds until a database that is away is tried again."""


class Worker:
    """Does hops of every run that is not cancelled. `hops` makes what goes on with the rows of a run; `tell` is for a person.

    Not to be used twice.
    """

    def __init__(self, worlds: Worlds, journal: Journal, hops: Callable[[Run], Hops], tell: Callable[[str], None]) -> None:
        self._worlds = worlds
        self._journal = journal
        self._runs = Runs(journal)
        self._make = hops
        self._tell = tell
        self._hops: dict[Run, Hops] = {}
        self._ended = asyncio.Event()
        self._lost = False

    async def work(self, over: Callable[[], bool] = lambda: False) -> None:
        """Until `over` says so, or it is cancelled: work in flight then gets a moment to come to an end, and others go on with the rest.

        A database that is away is waited for. `JournalNewer` when a newer wixsend has taken it over.
        """
        while True:
            try:
                async with Queue(self._journal.database, self._hop, self._journal.dead_after) as queue:
                    with self._journal.at_work():
                        await self._take_part(queue, over)
                    return
            except JournalNewer:
                raise
            except (JournalError, QueueLost) as wrong:
                self._away(wrong)
                await asyncio.sleep(_AGAIN)

    async def _take_part(self, queue: Queue, over: Callable[[], bool]) -> None:
        working = asyncio.create_task(queue.work(SLOTS))
        feeding = asyncio.create_task(self._feed(queue, over))
        try:
            await asyncio.wait({working, feeding}, return_when=asyncio.FIRST_COMPLETED)
            if not feeding.done():
                await working
                raise QueueLost("the queue is gone")
            await feeding
        finally:
            for hops in self._hops.values():
                hops.stopping = True
            for task in (working, feeding):
                task.cancel()
            await asyncio.gather(working, feeding, return_exceptions=True)
            for hops in self._hops.values():
                await hops.drained()
            self._hops.clear()

    def _away(self, wrong: Exception) -> None:
        if not self._lost:
            self._lost = True
            told = wrong.happened if isinstance(wrong, WixsendError) else str(wrong).splitlines()[0] if str(wrong) else "it is gone"
            self._tell(f"the shared database is away, and tried again until it is back: {told}")

    def _back(self) -> None:
        if self._lost:
            self._lost = False
            self._tell("the shared database is back")

    # -- from the journal into the queue -------------------------------------------------------------------------------

    async def _feed(self, queue: Queue, over: Callable[[], bool]) -> None:
        while not over():
            began = time.monotonic()
            self._ended.clear()
            await self._fill(queue)
            self._back()
            await asyncio.sleep(max(_LEAST, _SHARE * (time.monotonic() - began)))
            with suppress(TimeoutError):
                await asyncio.wait_for(self._ended.wait(), _TICK)

    async def _fill(self, queue: Queue) -> None:
        """Put into the queue what is due and not in it, unless another process is doing that."""
        self._journal.database.must_be_current()
        with self._journal.database.first(_FEEDING) as mine:
            if not mine:
                return
            await queue.sweep()
            waiting, doing = await queue.there()
            jobs = [Job(r.case_id, f"{r.domain}:{r.case_id}:{r.seq}", r.at_host) for r in self._runs.ready(self._worlds.now(), _DEPTH)]
            await queue.put([job for job in jobs if job.lock not in waiting and job.case_id not in doing])

    # -- from the queue into the world ---------------------------------------------------------------------------------

    async def _hop(self, case_id: int) -> None:
        """One job: a hop, if the journal still wants one."""
        try:
            found = self._runs.wants(case_id)
            if found is None:
                return
            run, ref = found
            early = ref.due - self._worlds.now()
            if early > 0:  # the machine that put it in has another time
                await self._worlds.sleep(min(early, _SLICE))
                return
            if run not in self._hops:
                self._hops[run] = self._make(run)
            if await self._gone_on(self._hops[run], ref) is None:
                await self._worlds.sleep(_BUSY)
        except (JournalError, QuotaError) as wrong:
            self._away(wrong)
            await asyncio.sleep(_BUSY)
        finally:
            self._ended.set()

    async def _gone_on(self, hops: Hops, ref: Ref) -> Entry | None:
        """The case after a hop, and after the first look that follows a write: that is not worth a job of its own."""
        entry = await hops.hop(ref)
        if entry is None or ref.lane.turn is not Turn.HOST:
            return entry
        then = moved(ref, entry)
        due = then.stage in LIVE and then.due <= self._worlds.now()
        return await hops.hop(then, entry) if due and then.lane.turn is Turn.THEN else entry
