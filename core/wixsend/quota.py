"""Floor 4. The record of calls: how many a vendor has had lately, and when it may have the next one.

One record is shared by all processes of a machine (a SQLite file), or of several (PostgreSQL), and outlives them. A call is counted before
it is made, at the moment from which on it may be made: whoever has to wait has that moment for himself, and nobody asks again and again.
pyrate-limiter's sliding window says when a call fits; where calls are written down, and how they are waited for, is ours
(docs/decisions/0014). Times are milliseconds since the epoch of the record's clock.
"""

import asyncio
import hashlib
import hmac
import math
import secrets
import sqlite3
import threading
import time
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from pyrate_limiter import Rate as WindowRate
from pyrate_limiter import SlidingWindowLog

from wixsend.database import MANNERS, advice, with_driver
from wixsend.errors import QuotaError, RateLimited, Unavailable
from wixsend.folder import make_private, private_folder
from wixsend.provider import Rate

__all__ = ["IN_MEMORY", "Budget", "Quota", "Quotas", "Shut", "Slot", "Use", "kept", "patient"]

IN_MEMORY = "sqlite://"
"""The URL of a record that is this process' own, and ends with it."""

_WINDOW = SlidingWindowLog()

_SPARE = 0.03
_LEAST_SPARE = 0.25
"""Each window is kept this part longer than the vendor's, and so many seconds at the least: calls reach the vendor after they are counted,
one sooner, one later."""

_BACK = 5_000
"""Milliseconds by which clocks may differ; one that goes back further was set back."""
_SLICE = 30.0
"""The longest sleep in one piece, in seconds: a machine that slept notices after it."""
_TIDY = 256
"""Old calls are forgotten at every so manieth."""
_PAUSE = 60.0
"""Seconds for which a vendor is left alone that says "too many" and not for how long."""

_schema = sa.MetaData()
_about = sa.Table("quota_about", _schema, sa.Column("key", sa.String, primary_key=True), sa.Column("value", sa.String, nullable=False))
_budgets = sa.Table(
    "quota_budgets",
    _schema,
    sa.Column("key", sa.String, primary_key=True),
    sa.Column("seen", sa.BigInteger, nullable=False),  # the clock at the last call: it never goes back
    sa.Column("shut", sa.BigInteger, nullable=False),  # the vendor has said to come back then
    sa.Column("keeps", sa.BigInteger, nullable=False),  # for so long a call counts
)
_calls = sa.Table(
    "quota_calls",
    _schema,
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer, "sqlite"), primary_key=True),
    sa.Column("key", sa.String, nullable=False),
    sa.Column("at", sa.BigInteger, nullable=False),
    sa.Index("quota_calls_by_time", "key", "at"),
)

# Statements that every call takes are put together once.
_BUDGET = sa.select(_budgets.c.seen, _budgets.c.shut).where(_budgets.c.key == sa.bindparam("of")).with_for_update()
_NEW = sa.text("INSERT INTO quota_budgets (key, seen, shut, keeps) VALUES (:of, 0, 0, 0) ON CONFLICT DO NOTHING")
_SEEN = sa.update(_budgets).where(_budgets.c.key == sa.bindparam("of"))
_SEEN = _SEEN.values(seen=sa.bindparam("now"), shut=sa.bindparam("until"), keeps=sa.bindparam("longest"))
_SET_BACK = sa.update(_calls).where(_calls.c.key == sa.bindparam("of")).values(at=_calls.c.at + sa.bindparam("by"))
_INSERT = sa.insert(_calls).values(key=sa.bindparam("of"), at=sa.bindparam("when")).returning(_calls.c.id)
_FORGET = sa.delete(_calls).where(_calls.c.key == sa.bindparam("of"), _calls.c.at < sa.bindparam("before"))
_FORGET_ALL = sa.delete(_calls).where(
    _calls.c.at < sa.bindparam("now") - sa.select(_budgets.c.keeps).where(_budgets.c.key == _calls.c.key).scalar_subquery()
)


def kept(rates: Sequence[Rate], reserve: float = 0.0) -> tuple[Rate, ...]:
    """The rates that are kept to so that the vendor's hold: `reserve` is the share of calls that is left to others, from 0 to below 1."""
    return tuple(
        Rate(max(1, math.floor(rate.calls * (1 - reserve) + 1e-9)), rate.seconds + max(_SPARE * rate.seconds, _LEAST_SPARE))
        for rate in rates
    )


class Shut(RateLimited):
    """The vendor has said to come back later than somebody is `patient` for. Nothing was sent."""


_patience: ContextVar[float] = ContextVar("patience", default=math.inf)


@contextmanager
def patient(seconds: float) -> Iterator[None]:
    """For calls that are made inside, no more than so many seconds are waited for a vendor that wants to be left alone: `Shut` is raised.

    For a place among other calls they wait as long as it takes.
    """
    before = _patience.set(seconds)
    try:
        yield
    finally:
        _patience.reset(before)


@dataclass(frozen=True, slots=True)
class Slot:
    """Calls that were counted: they may be made in `wait` seconds (negative: since then). `at` is that moment, `rows` where they stand in
    the record; for the first `shut` seconds the vendor wants to be left alone."""

    rows: tuple[int, ...]
    at: int
    wait: float
    since: float
    """The monotonic clock when this was said."""
    shut: float = 0.0


@dataclass(frozen=True, slots=True)
class Use:
    """What is used of a budget: `spent` are the calls that still count, as seconds from now (negative: ago), in order of time; nothing
    may be asked for another `shut` seconds."""

    spent: tuple[float, ...] = ()
    shut: float = 0.0


@dataclass(frozen=True, slots=True)
class Budget:
    """A budget at one moment: the `rates` that are kept to, and what is used of them; `waits` is in how many seconds the next of those who
    wait in this process may call. Those with the same `identity` are one."""

    identity: object
    rates: tuple[Rate, ...]
    use: Use = field(default_factory=Use)
    waits: float | None = None


class Quotas:
    """The record, opened when it is first used, in a thread of its own: nobody waits for a disk or a database but whoever wants to call.

    `url` is SQLAlchemy's; `folder` is made, for a file in it. `speed` is how many seconds pass on the record's clock in one second: 1, but
    for tests and trials whose vendors' clocks run faster too; for `patience` seconds one waits for others to have written. Every failure is
    a `QuotaError`, raised to whoever wants to make a call: what cannot be counted is not called.
    """

    def __init__(self, url: str = IN_MEMORY, folder: Path | None = None, *, speed: float = 1.0, patience: float = 10.0) -> None:
        self.speed = speed
        self._patience = patience
        self._url = url
        self._folder = folder
        self._thread = ThreadPoolExecutor(1, "wixsend-quota")
        self._engine: sa.Engine | None = None
        self._salt = b""

    def quota(self, name: str, rates: Sequence[Rate], *, secret: Sequence[str] = ()) -> "Quota":
        """The budget of that name or, where there is a `secret`, of that name and secret, of which the record has a salted hash.

        `rates` are kept to as they are (see `kept`).
        """
        return Quota(self, name, hashlib.sha256("\0".join(secret).encode()).digest() if secret else b"", rates)

    async def close(self) -> None:
        """Let go of the record, when everything is written down. It is opened again for whoever still uses it."""
        await asyncio.wrap_future(self._thread.submit(self._dispose))

    def _dispose(self) -> None:
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def submit[T](self, work: Callable[..., T], *args: Any) -> Future[T]:
        """Do this with the record, after everything that was asked for before."""
        return self._thread.submit(self._told, work, *args)

    def _told[T](self, work: Callable[..., T], *args: Any) -> T:
        try:
            if self._engine is None:
                self._engine = self._opened()
            try:
                return self._in_transaction(work, *args)
            except sa.exc.DBAPIError as wrong:
                if not wrong.connection_invalidated:
                    raise
                return self._in_transaction(work, *args)  # the server was started anew; a call may be counted twice
        except (sa.exc.SQLAlchemyError, sqlite3.Error, OSError, ImportError) as wrong:
            cause = str(getattr(wrong, "orig", None) or wrong).strip()
            raise QuotaError(
                f"the record of calls {self.shown} failed: {cause}; without it no vendor's limit can be kept",
                advice(cause, _DAMAGED, _OTHERWISE),
            ) from wrong

    def _in_transaction[T](self, work: Callable[..., T], *args: Any) -> T:
        assert self._engine is not None
        with self._engine.begin() as connection:
            return work(connection, *args)

    @property
    def shown(self) -> str:
        """Where the record is, as it may be shown."""
        try:
            return sa.engine.make_url(self._url).render_as_string(hide_password=True)
        except (sa.exc.ArgumentError, ValueError):
            return "(no database URL)"

    def _opened(self) -> sa.Engine:
        url = with_driver(sa.engine.make_url(self._url))
        sqlite = url.get_backend_name() == "sqlite"
        if self._folder is not None:
            private_folder(self._folder)
        if sqlite and url.database:
            make_private(url.database)
        engine = sa.create_engine(url, connect_args={"timeout": self._patience} if sqlite else MANNERS)
        if sqlite:
            sa.event.listen(engine, "connect", _shared)
            sa.event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        with engine.begin() as connection:
            if not sqlite:
                connection.execute(sa.text("SELECT pg_advisory_xact_lock(7230195)"))  # of those that find no tables one makes them
            _schema.create_all(connection)
            salt = {"key": "salt", "value": secrets.token_hex(16)}
            connection.execute(sa.text("INSERT INTO quota_about (key, value) VALUES (:key, :value) ON CONFLICT DO NOTHING"), salt)
            connection.execute(_FORGET_ALL, {"now": self.now(connection)})
            self._salt = connection.execute(sa.select(_about.c.value).where(_about.c.key == "salt")).scalar_one().encode()
        return engine

    def key(self, name: str, digest: bytes) -> str:
        """What a budget is called in the record."""
        return f"{name}:{hmac.new(self._salt, digest, 'sha256').hexdigest()[:16]}" if digest else name

    def now(self, connection: sa.Connection) -> int:
        """The record's clock: that of the database where machines share it, else this machine's."""
        if connection.dialect.name == "sqlite":
            return int(time.time() * 1000 * self.speed)
        seconds = connection.execute(sa.text("SELECT extract(epoch FROM clock_timestamp())")).scalar_one()
        return int(float(seconds) * 1000 * self.speed)


_DAMAGED = dict.fromkeys(
    ("not a database", "malformed"),
    "The file is damaged: move it away; calls are then counted anew, so first let a day pass if many were made today.",
)
_OTHERWISE = "Mend this, and run the command again: it goes on where it was."


def _shared(connection: Any, _record: object) -> None:
    """For many processes at once, and over `kill -9`; a power cut may lose the last calls, which costs nobody a record in a zone."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


type _Step = float | Callable[[sa.Connection], Any]
"""What is to be done next by whoever wants to make calls: to wait so many seconds of the record's clock, or this, with the record."""


class Quota:
    """One budget: every call that a vendor counts together, whoever makes it. Safe to use from any thread and event loop."""

    def __init__(self, quotas: Quotas, name: str, digest: bytes, rates: Sequence[Rate]) -> None:
        self.rates = tuple(rates)
        self._quotas = quotas
        self._name = name
        self._digest = digest
        self._windows = [WindowRate(rate.calls, math.ceil(rate.seconds * 1000)) for rate in rates]
        self._longest = max((window.interval for window in self._windows), default=0)
        self._newest = _newest(len(self._windows))
        self._most = min((rate.calls for rate in rates), default=1)
        self._good = min((max(_SPARE * rate.seconds / (1 + _SPARE), _LEAST_SPARE) for rate in rates), default=_LEAST_SPARE)
        self._ahead: deque[Slot] = deque()
        self._waiting: dict[object, float] = {}
        self._interrupted = threading.Event()

    # -- calls ---------------------------------------------------------------------------------------------------------

    async def take(self) -> Slot:
        """Count a call, and wait until it may be made. Whoever is cancelled gives it back."""
        return self._from_ahead() or await self._asked(self._taking(1, math.inf))

    def take_blocking(self) -> Slot:
        """`take`, for a thread that nobody minds to be held. Raises `Unavailable` when it is interrupted."""
        return self._from_ahead() or self._asked_blocking(self._taking(1, math.inf))

    async def ready(self, calls: int = 1, *, within: float = math.inf) -> None:
        """Count so many calls now, and wait until all of them may be made: whoever `take`s next, at once, need not wait.

        Raises `RateLimited`, with the time, and counts nothing, where that takes more than `within` seconds.
        """
        self._drop_missed()
        lacking = min(calls, self._most) - len(self._ahead)
        if lacking > 0:
            slot = await self._asked(self._taking(lacking, within))
            self._ahead.extend(replace(slot, rows=(row,)) for row in slot.rows)

    def made(self, slot: Slot) -> None:
        """The call was made, and answered or lost: one that took its time reached the vendor later than it was counted for."""
        if self._missed(slot):
            self._quotas.submit(_late, self._quotas, slot.rows)

    def pause(self, seconds: float | None = None) -> None:
        """The vendor has said to come back in so many seconds: nobody calls before."""
        wait = _PAUSE if seconds is None else seconds
        if wait > 0:
            self._quotas.submit(lambda connection: self._shut(connection, wait))

    def interrupt(self) -> None:
        """Let no thread wait for this budget any more, until `resume`."""
        self._interrupted.set()

    def resume(self) -> None:
        """Threads may wait again."""
        self._interrupted.clear()

    # -- looking -------------------------------------------------------------------------------------------------------

    @property
    def waits(self) -> float | None:
        """In how many seconds the next of those who wait in this process may call; `None` when nobody waits."""
        return max(0.0, min(self._waiting.values()) - time.monotonic()) if self._waiting else None

    async def use(self) -> Use:
        """What is used of the budget, by whomever."""
        return await asyncio.wrap_future(self._quotas.submit(self._use))

    async def budget(self) -> Budget:
        """The budget as it is now."""
        return Budget(self.identity, self.rates, await self.use(), self.waits)

    @property
    def identity(self) -> tuple[str, bytes]:
        """The same for everything that counts together."""
        return self._name, self._digest

    # -- how one waits -------------------------------------------------------------------------------------------------

    def _taking(self, calls: int, within: float) -> Generator[_Step, Any, Slot]:
        """The steps of whoever wants to make calls."""
        slot: Slot = yield lambda connection: self._count(connection, calls)
        try:
            while slot.wait > 0:
                if slot.shut > _patience.get():
                    raise Shut(
                        f"{self._name} has said that it was asked too often, and is left alone for {slot.shut:.0f} s; nothing was sent",
                        "It goes on by itself then; the same command does, too.",
                        retry_after=slot.shut,
                    )
                if slot.wait > within:
                    raise RateLimited(
                        f"{self._name}: the quota allows the next call in {slot.wait:.0f} s; nothing was sent",
                        "It goes on by itself then; the same command does, too.",
                        retry_after=slot.wait,
                    )
                self._waiting[slot] = slot.since + slot.wait / self._quotas.speed
                try:
                    yield slot.wait
                finally:
                    del self._waiting[slot]
                slot = yield partial(self._confirm, slot=slot)
        except BaseException:
            self._quotas.submit(_give_back, slot.rows)
            raise
        return slot

    async def _asked(self, steps: Generator[_Step, Any, Slot]) -> Slot:
        answer: Any = None
        try:
            while True:
                step = steps.send(answer)
                if isinstance(step, float):
                    for seconds in self._slices(step):
                        await asyncio.sleep(seconds)
                    answer = None
                else:
                    answer = await asyncio.wrap_future(self._quotas.submit(step))
        except StopIteration as done:
            taken: Slot = done.value
            return taken
        finally:
            steps.close()

    def _asked_blocking(self, steps: Generator[_Step, Any, Slot]) -> Slot:
        answer: Any = None
        try:
            while True:
                step = steps.send(answer)
                if isinstance(step, float):
                    for seconds in self._slices(step):
                        if self._interrupted.wait(seconds):
                            raise Unavailable(f"{self._name}: nobody waits for the quota any more; nothing was sent")
                    answer = None
                else:
                    answer = self._quotas.submit(step).result()
        except StopIteration as done:
            taken: Slot = done.value
            return taken
        finally:
            steps.close()

    def _slices(self, seconds: float) -> Iterator[float]:
        """Pieces of a wait, in this machine's seconds; over when either of its clocks says so: one may have slept, one been set."""
        wait = seconds / self._quotas.speed
        ends, ends_by_date = time.monotonic() + wait, time.time() + wait
        while (left := min(ends - time.monotonic(), ends_by_date - time.time())) > 0:
            yield min(left, _SLICE)

    def _missed(self, slot: Slot) -> bool:
        """True when the moment that the slot was counted for has gone by."""
        return (time.monotonic() - slot.since) * self._quotas.speed - slot.wait > self._good

    def _drop_missed(self) -> None:
        for _ in range(len(self._ahead)):
            slot = self._ahead.popleft()
            if self._missed(slot):
                self._quotas.submit(_give_back, slot.rows)
            else:
                self._ahead.append(slot)

    def _from_ahead(self) -> Slot | None:
        self._drop_missed()
        try:
            return self._ahead.popleft()
        except IndexError:
            return None

    # -- with the record -----------------------------------------------------------------------------------------------

    @property
    def _key(self) -> str:
        return self._quotas.key(self._name, self._digest)

    def _budget(self, connection: sa.Connection) -> tuple[int, int]:
        """Now, and the moment before which nobody calls; from here to the transaction's end nobody else counts for this budget.

        Where the clock was set back, everything is set back with it: what was counted is as long ago as it was.
        """
        of = {"of": self._key}
        found = connection.execute(_BUDGET, of).one_or_none()
        if found is None:
            connection.execute(_NEW, of)
            found = connection.execute(_BUDGET, of).one()
        now = self._quotas.now(connection)
        seen, shut = found
        if now < seen - _BACK * self._quotas.speed:
            connection.execute(_SET_BACK, of | {"by": now - seen})
            shut += now - seen
        elif now < seen:
            now = seen
        connection.execute(_SEEN, of | {"now": now, "until": shut, "longest": self._longest})
        return now, shut

    def _count(self, connection: sa.Connection, calls: int) -> Slot:
        now, shut = self._budget(connection)
        of, at = {"of": self._key}, max(now, shut)
        if self._newest is not None:
            offsets = {f"offset{number}": _WINDOW.blocking_offset(window, calls) for number, window in enumerate(self._windows)}
            for window, blocking in zip(self._windows, connection.execute(self._newest, of | offsets).one(), strict=True):
                if blocking is not None:
                    at += max(0, _WINDOW.retry_after(window, at, blocking))
        rows = [connection.execute(_INSERT, of | {"when": at}).scalar_one() for _ in range(calls)]
        if any(row % _TIDY == 0 for row in rows):
            connection.execute(_FORGET, of | {"before": now - self._longest})
        return Slot(tuple(rows), at, (at - now) / 1000, time.monotonic(), max(0.0, (shut - now) / 1000))

    def _confirm(self, connection: sa.Connection, slot: Slot) -> Slot:
        """The slot whose time has come; another one where the vendor has shut the door since, or it was missed."""
        now, shut = self._budget(connection)
        at = connection.execute(sa.select(_calls.c.at).where(_calls.c.id == slot.rows[0])).scalar()
        if at is not None and shut <= at and now - at <= self._good * 1000:
            return replace(slot, at=at, wait=(at - now) / 1000, since=time.monotonic())
        _give_back(connection, slot.rows)
        return self._count(connection, len(slot.rows))

    def _shut(self, connection: sa.Connection, seconds: float) -> None:
        now, shut = self._budget(connection)
        until = max(shut, now + math.ceil(seconds * 1000))
        connection.execute(sa.update(_budgets).where(_budgets.c.key == self._key).values(shut=until))

    def _use(self, connection: sa.Connection) -> Use:
        now, shut = self._budget(connection)
        asked = sa.select(_calls.c.at).where(_calls.c.key == self._key, _calls.c.at > now - self._longest).order_by(_calls.c.at)
        return Use(tuple((at - now) / 1000 for at in connection.execute(asked).scalars()), max(0.0, (shut - now) / 1000))


@lru_cache
def _newest(windows: int) -> sa.Select[Any] | None:
    """Asks, for each window, when the call was made that so many have followed; `None` where there is no window."""
    by_age = sa.select(_calls.c.at).where(_calls.c.key == sa.bindparam("of")).order_by(_calls.c.at.desc()).limit(1)
    each = [by_age.offset(sa.bindparam(f"offset{number}")).scalar_subquery() for number in range(windows)]
    return sa.select(*each) if each else None


def _give_back(connection: sa.Connection, rows: Sequence[int]) -> None:
    connection.execute(sa.delete(_calls).where(_calls.c.id.in_(rows)))


def _late(connection: sa.Connection, quotas: Quotas, rows: Sequence[int]) -> None:
    connection.execute(sa.update(_calls).where(_calls.c.id.in_(rows)).values(at=quotas.now(connection)))
