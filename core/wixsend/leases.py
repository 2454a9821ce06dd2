"""Floor 4. What one process at a time may hold, where the processes are on several machines: a lease, in the journal's PostgreSQL.

A lease is a row with a time, by the database's clock, and is renewed while it is held. When its process dies, or stands still, the time
passes and somebody else may take it. So whoever holds one asks, before each request that matters, whether it still does: a process that
stood still in between has then at most one request under way, the one that had already begun.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from threading import Event, Thread
from uuid import uuid4

import sqlalchemy as sa

from wixsend.database import Database
from wixsend.errors import Busy, JournalError
from wixsend.tables import leases

__all__ = ["DEAD_AFTER", "SIGNS", "Leases"]

DEAD_AFTER = 5.0
"""Seconds without a sign of life after which a process counts as dead, where nobody says otherwise."""

SIGNS = 5
"""Signs of life that may be lost before a process counts as dead."""

_NOW = sa.cast(sa.func.extract("epoch", sa.func.clock_timestamp()), sa.Float)


class Leases:
    """Leases for as long as this process shows signs of life; they end `dead_after` seconds after the last one. Thread-safe."""

    def __init__(self, database: Database, dead_after: float = DEAD_AFTER) -> None:
        self._database = database
        self._dead_after = dead_after
        self._held: set[str] = set()
        self._closed = Event()
        self._renewing: Thread | None = None

    def close(self) -> None:
        """Renew nothing any more."""
        self._closed.set()
        if self._renewing is not None:
            self._renewing.join()

    @contextmanager
    def hold(self, name: str, whose: str) -> Iterator[Callable[[], None]]:
        """Hold this name; `Busy` at once when another one does. What it yields raises `Busy` when it is held no longer."""
        holder = uuid4().hex
        self._take(name, holder, whose)
        self._held.add(holder)
        self._renew_from_now_on()

        def still() -> None:
            if not self._renewed(holder):
                raise Busy(f"this process stood still, and another one took over {whose} meanwhile", "Nothing is to be done.")

        try:
            yield still
        finally:
            self._held.discard(holder)
            with suppress(JournalError):  # its time passes
                self._give_back(holder)

    def held(self, beginning: str) -> int:
        """How many names that begin so are held now, by whomever."""
        query = sa.select(sa.func.count()).where(leases.c.name.startswith(beginning, autoescape=True), leases.c.until >= _NOW)
        with self._database.reading() as connection:
            return int(connection.execute(query).scalar_one())

    def _take(self, name: str, holder: str, whose: str) -> None:
        from sqlalchemy.dialects.postgresql import insert

        made = insert(leases).values(name=name, holder=holder, until=_NOW + self._dead_after)
        taken = made.on_conflict_do_update(
            index_elements=[leases.c.name],
            set_={"holder": made.excluded.holder, "until": made.excluded.until},
            where=leases.c.until < _NOW,
        )
        with self._database.writing() as connection:
            if connection.execute(taken.returning(leases.c.name)).first() is None:
                raise Busy(f"another wixsend process is working on {whose}", "Let it finish; wixsend status shows where it is.")

    def _renewed(self, *holders: str) -> int:
        """How many of these leases were still held; they are renewed. One that is over, and that nobody took, is held again."""
        with self._database.writing() as connection:
            renewed = sa.update(leases).where(leases.c.holder.in_(holders)).values(until=_NOW + self._dead_after)
            return connection.execute(renewed).rowcount

    def _give_back(self, holder: str) -> None:
        with self._database.writing() as connection:
            connection.execute(sa.delete(leases).where(leases.c.holder == holder))

    def _renew_from_now_on(self) -> None:
        if self._renewing is None:
            self._renewing = Thread(target=self._renew, name="wixsend-leases", daemon=True)
            self._renewing.start()

    def _renew(self) -> None:
        while not self._closed.wait(self._dead_after / SIGNS):
            held = tuple(self._held)
            if held:
                with suppress(JournalError):  # a database that is away for long lets them end, and `still` says so
                    self._renewed(*held)
