"""Floor 5. Many domains at once, on one machine: the loop over the journal that keeps every credential busy and waits for all together.

A domain that waits is a row with a time, and costs nothing. One that can go on is taken as far as it can go now (`Hops`), by the same
engine as a single one; what goes wrong with it is in its case, and nobody else's concern. `Driver` takes rows in the order in which they
are due, from every lane in turn: a lane is an account at a host, or a site at Wix before the write or after it. Other drivers can be built
on `Hops`.
"""

import asyncio
import gc
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Protocol

from wixsend.engine import Engine, Update
from wixsend.errors import Bug, Busy, JournalError, QuotaError, WixsendError
from wixsend.events import Stopped
from wixsend.flow import Case
from wixsend.holdings import Holdings
from wixsend.journal import Entry, Journal
from wixsend.load import SPAN, Load
from wixsend.locate import Located, Outside
from wixsend.names import Name, SendingDomain, owner_in, text
from wixsend.plan import Dmarc, Plan
from wixsend.runs import AT_HOST, BEFORE_HOST, ENDED, LIVE, MOST, Lane, Ref, Run, Runs, Turn
from wixsend.scribe import Together
from wixsend.survey import Order

__all__ = ["IN_FLIGHT", "WIDTH", "Common", "Driver", "Hops", "Watch", "Worlds", "agreed", "bug_of", "cut", "moved", "order_of"]

IN_FLIGHT = 64
"""Domains that are looked at, in DNS and at Wix, at one time."""

WIDTH = 16
"""Domains of one lane that are worked on at one time."""

_BESIDE = 4
"""Domains of one site whose proof is looked for while others wait to be written, and there is time to spare: as many as Wix's 200 calls a
minute allow for."""

_FULL = 0.4
"""The load of the event loop from which on there is no time to spare: half of a thread's most, as it shares the machine with others."""

_DEPTH = 256
"""Rows of one lane that are kept ready."""

_COLLECTED_EVERY = 50_000
"""Objects; Python itself: 700."""

_AFTERWARDS = LIVE - AT_HOST - BEFORE_HOST
_SLICE = 5.0
"""The longest sleep in one piece, in seconds: what another process did to the run, and a machine that slept, is noticed after it."""
_TOGETHER = 1.0
"""Seconds: rows that are due within it are looked for with one question."""
_SELDOM = 20
"""How many times as long as a look at what is due took the next one is put off: thousands of rows take a good part of a second."""
_LOOK = 30.0
"""Seconds until the journal is looked at again for rows that other processes made due."""
_BUSY = 5.0
"""Seconds until a domain is tried again that another process works on."""
_PATIENCE = 5.0
"""Seconds for which a domain that looks for its account waits for one that its vendor has shut; for more, its row waits in the journal, and
its place is another one's."""
_GRACE = 10.0
"""Seconds that work in flight gets to come to an end when a person stops the run."""


class Worlds(Protocol):
    """The world of a run: DNS and accounts for all rows together, Wix for each site."""

    @property
    def holdings(self) -> Holdings: ...

    def at(self, wix: str, site: str) -> Outside:
        """The world of one row, for its Wix profile and site. `ConfigError` when Wix cannot be asked there."""
        ...

    def now(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Common:
    """What the configuration says for every row: the suffixes that Wix's targets may have, the DMARC policy where nobody says another."""

    known_targets: frozenset[Name]
    dmarc: Dmarc = "keep"


type Watch = Callable[[Ref, Update], None]


def order_of(run: Run, ref: Ref, common: Common) -> Order:
    """What the row asks for: its own word, else the run's, else the configuration's."""
    policies: dict[str, Dmarc] = {"keep": "keep", "replace": "replace", "stop": "stop"}
    return Order(
        site=ref.site,
        domain=SendingDomain(ref.domain),
        known_targets=common.known_targets,
        dmarc=policies.get(ref.dmarc or run.terms.dmarc, common.dmarc),
        replace=frozenset(owner_in(name, ref.domain) for name in run.terms.replace),
        accept=frozenset(run.terms.accept),
        provider=ref.provider,
        account=ref.account,
    )


async def agreed(_plan: Plan, _located: Located) -> bool:
    """A run is agreed to as a whole: to add what Wix wants, and to let go of nothing but what its terms name."""
    return True


def bug_of(bug: Exception, log: Callable[[Exception], str]) -> Bug:
    """What is said of an exception that nobody foresaw. `log` puts it into the log, and says where that is."""
    return Bug(f"a bug in wixsend ({type(bug).__name__})", f"The details are in {log(bug)}: report them.")


class Hops:
    """Takes one row as far as it can go now. Safe to use for many at once, and to be cancelled anywhere.

    `log` puts an exception that nobody foresaw into the log, and says where that is. Once `stopping`, no zone is read or written any more.
    """

    def __init__(
        self, run: Run, worlds: Worlds, journal: Journal, common: Common, log: Callable[[Exception], str], watch: Watch | None = None
    ) -> None:
        self._run = run
        self._worlds = worlds
        self._journal = journal
        self._common = common
        self._log = log
        self._watch = watch or (lambda _ref, _update: None)
        self.stopping = False
        worlds.holdings.patience = _PATIENCE
        self._began = worlds.now()
        self._scribe = Together(journal)
        self._times = journal.times.unattended()
        self._writers: dict[Lane, asyncio.Semaphore] = {}

    async def hop(self, ref: Ref, known: Entry | None = None) -> Entry | None:
        """The row's case after it; `None` when another process works on it. Raises `JournalError` alone.

        `known` is the case as the last hop left it, where that was here.
        """
        try:
            return await self._go_on(ref, known or _untouched(ref))
        except Busy:
            return None
        except (JournalError, QuotaError):  # nothing can be done for any domain
            raise
        except WixsendError as wrong:
            return await self._stopped(ref, wrong)
        except Exception as bug:
            return await self._stopped(ref, bug_of(bug, self._log))

    async def drained(self) -> None:
        """Until everything that happened is in the journal: the last thing to be done with it."""
        await self._scribe.drained()

    async def _go_on(self, ref: Ref, known: Entry | None) -> Entry:
        """From the first question to the host's account; from there to the end of the write; or from there to the first wait."""
        outside = self._worlds.at(ref.wix, ref.site)
        order = order_of(self._run, ref, self._common)
        engine = Engine(order, outside, self._journal, self._times, partial(self._watch, ref), self._began, self._scribe)
        if ref.stage in AT_HOST:
            async with self._writer(outside, ref):
                entry = await engine.hop(agreed, AT_HOST, known)
            if entry.case.stop is not None:
                await self._worlds.holdings.stopped(ref.at_account, entry.case.apex, entry.case.stop)
            return entry
        return await engine.hop(agreed, BEFORE_HOST if ref.stage in BEFORE_HOST else _AFTERWARDS, known)

    @asynccontextmanager
    async def _writer(self, outside: Outside, ref: Ref) -> AsyncIterator[None]:
        """One of those who may use the account at a time: a plan must not grow old while others use it."""
        writers = self._writers.get(ref.lane)
        if writers is None:
            accounts = [account for account in outside.accounts(ref.host) if account.name == ref.at_account]
            width = (await outside.adapter(accounts[0])).width if accounts else 1
            writers = self._writers.setdefault(ref.lane, asyncio.Semaphore(width))
        async with writers:
            if self.stopping:
                raise Busy(f"{text(ref.domain)} is left to the next run", "Run the command again.")
            yield

    async def _stopped(self, ref: Ref, wrong: WixsendError) -> Entry | None:
        try:
            entry = self._journal.entry(ref.case_id)
            if entry.case.stage in ENDED:
                return entry
            stopped = Stopped(wrong.code, wrong.exit_code, wrong.happened, wrong.next_step)
            return await self._scribe.append(entry, self._worlds.now(), stopped)
        except Busy:
            return None


def moved(ref: Ref, entry: Entry) -> Ref:
    """The row as it stands now, after its case went on."""
    case = entry.case
    return replace(ref, stage=case.stage, due=case.due, host=case.provider, at_account=case.account, seq=entry.seq)


def _untouched(ref: Ref) -> Entry | None:
    """The case of a row to which nothing has happened yet: there is nothing to read of it."""
    return Entry(ref.case_id, ref.site, ref.domain, 0, Case()) if ref.seq == 0 else None


def cut(sizes: Mapping[Lane, int], depth: int, most: int) -> frozenset[Lane]:
    """The lanes that may have more rows than were found: at most `depth` of each were, and `most` of all, lanes in turn."""
    whole = depth if sum(sizes.values()) < most else min(depth, max(sizes.values()) - 1)
    return frozenset(lane for lane, size in sizes.items() if size >= whole)


@contextmanager
def _collected_rarely() -> Iterator[None]:
    """Python looks for cycles after every few hundred objects, several times for each domain, and seldom finds one; never among what was
    there before, modules for the most part."""
    before = gc.get_threshold()
    gc.freeze()
    gc.set_threshold(_COLLECTED_EVERY, *before[1:])
    try:
        yield
    finally:
        gc.set_threshold(*before)
        gc.unfreeze()


@dataclass(slots=True)
class _Queue:
    """Rows of a lane that are ready, each with its case where it is known, and how many are worked on."""

    ready: deque[tuple[Ref, Entry | None]] = field(default_factory=deque)
    running: int = 0


class Driver:
    """Drives a run until nothing of it is to be done any more. One process at a time drives a run.

    When it is cancelled, work in flight gets a moment to come to its end; with whatever is left the next driver goes on. `load` says how
    busy the thread of the event loop is, from 0 to 1.
    """

    def __init__(self, run: Run, hops: Hops, worlds: Worlds, journal: Journal, load: Callable[[], float] | None = None) -> None:
        self._run = run
        self._hops = hops
        self._worlds = worlds
        self._journal = journal
        self._runs = Runs(journal)
        self._load = load or Load()
        self._put_off = False
        self._lanes: dict[Lane, _Queue] = {}
        self._tasks: dict[asyncio.Task[Entry | None], Ref] = {}
        self._done: asyncio.Queue[asyncio.Task[Entry | None]] = asyncio.Queue()
        self._taken: set[int] = set()
        self._busy: dict[int, float] = {}
        self._cut: frozenset[Lane] = frozenset()
        self._looked_at = 0.0
        self._look_at = 0.0
        self._not_before = 0.0

    async def drive(self, *, wait: bool) -> None:
        """Until every row has ended, or a person cancels the run; without `wait`, until every row that is left has to wait.

        `Busy` when another process drives it.
        """
        with self._journal.lock(self._run.lock, f"the bulk run {self._run.name}"), _collected_rarely():
            try:
                while await self._round(wait):
                    pass
            finally:
                await self._come_to_an_end()

    async def _round(self, wait: bool) -> bool:
        """One turn: take rows up, begin with those that may be begun, wait until something happens. False when there is no other."""
        if self._worlds.now() >= self._look_at or self._worlds.now() < self._looked_at:
            if self._runs.get(self._run.name).cancelled:
                return False
            self._take_up()
        self._begin()
        left = min(max(0.0, self._look_at - self._worlds.now()), SPAN if self._put_off else _SLICE)
        if self._tasks:
            with suppress(TimeoutError):
                self._finish(await asyncio.wait_for(self._done.get(), max(left, 0.01)))
            while not self._done.empty():
                self._finish(self._done.get_nowait())
            return True
        if not (self._busy or (wait and self._runs.is_live(self._run))):
            return False
        await self._worlds.sleep(left)
        return True

    def _take_up(self) -> None:
        """Queue the rows that are due; know when to look again."""
        now = self._worlds.now()
        # After the clock was set back, whatever waits is looked at once: the engine knows from which moment on it waits.
        set_back = now < self._looked_at or (not self._looked_at and self._runs.is_ahead(now))
        until = float("inf") if set_back else now
        found = self._runs.due(self._run, until, _DEPTH)
        self._busy = {case_id: later for case_id, later in self._busy.items() if later > now}
        for ref in found:
            if ref.case_id not in self._taken and ref.case_id not in self._busy:
                self._queue(ref)
        self._cut = cut(Counter(ref.lane for ref in found), _DEPTH, MOST)
        next_due = self._runs.next_due(now)
        moments = [now + _LOOK, *self._busy.values(), *([next_due] if next_due is not None else [])]
        self._not_before = now + min(_SELDOM * (self._worlds.now() - now), _LOOK)  # the machine may have slept meanwhile
        self._looked_at, self._look_at = now, max(min(moments), now + _TOGETHER, self._not_before)

    def _queue(self, ref: Ref, known: Entry | None = None) -> None:
        self._taken.add(ref.case_id)
        self._lanes.setdefault(ref.lane, _Queue()).ready.append((ref, known))

    def _begin(self) -> None:
        """Begin with rows of every lane that has room, by turns: what is to be written goes before what is written.

        As long as something waits to be written, the looks are put off unless there is time to spare: one waits for its account's quota.
        """
        looking = sum(lane.running for key, lane in self._lanes.items() if key.turn is not Turn.HOST)
        unwritten = self._put_off = False
        for key in sorted(self._lanes):
            if key.turn is not Turn.HOST and looking >= IN_FLIGHT:
                break
            if key.turn is Turn.THEN and unwritten and self._load() >= _FULL:
                self._put_off = True
                break
            lane = self._lanes[key]
            width = _BESIDE if key.turn is Turn.THEN and unwritten else WIDTH
            while lane.ready and lane.running < width and (key.turn is Turn.HOST or looking < IN_FLIGHT):
                ref, known = lane.ready.popleft()
                task = asyncio.create_task(self._hops.hop(ref, known))
                task.add_done_callback(self._done.put_nowait)
                self._tasks[task] = ref
                lane.running += 1
                looking += key.turn is not Turn.HOST
            unwritten |= bool(lane.ready) and key.turn is not Turn.THEN
            if not lane.ready and key in self._cut:
                self._look_at = min(self._look_at, self._not_before)
            if not lane.ready and not lane.running:
                del self._lanes[key]

    def _finish(self, task: "asyncio.Task[Entry | None]") -> None:
        """What has become of a row: it may go on at once in another lane, or waits in the journal."""
        ref = self._tasks.pop(task)
        self._lanes[ref.lane].running -= 1
        self._taken.discard(ref.case_id)
        entry, now = task.result(), self._worlds.now()
        if entry is None:
            self._busy[ref.case_id] = now + _BUSY
            self._look_at = min(self._look_at, now + _BUSY)
        elif entry.case.stage in LIVE and entry.case.due <= now:
            self._queue(moved(ref, entry), entry)
        elif entry.case.stage in LIVE:
            self._look_at = min(self._look_at, max(entry.case.due, now + _TOGETHER, self._not_before))

    async def _come_to_an_end(self) -> None:
        """Give what is in flight a moment, then cancel it. A second cancellation cuts the moment short."""
        if self._tasks:
            self._hops.stopping = True
            with suppress(asyncio.CancelledError):
                await asyncio.wait(self._tasks, timeout=_GRACE)
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._hops.drained()
