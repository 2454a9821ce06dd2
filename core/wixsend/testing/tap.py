"""Between SQLAlchemy and SQLite: numbers what the journal asks of its database, and lets one call fail as SQLite fails.

    with Tap() as tap: ...                                  # tap.calls: "insert events", "commit", ...
    with Tap(7, "disk full"): ...                           # the seventh call raises what SQLite raises on a full disk
    with Tap(7, "kill", before=False): ...                  # the process ends by SIGKILL, after the seventh call was carried out

It sits where the driver's own connection is made, so that what the journal gets is what the driver gives: nothing of the journal
is replaced.
"""

import os
import re
import signal
import sqlite3
from types import TracebackType
from typing import Any, Literal, Self

import sqlalchemy as sa

__all__ = ["DRIVER_SAYS", "Tap", "TapKind"]

type TapKind = Literal["disk full", "read-only", "locked", "kill"]

DRIVER_SAYS = {
    "disk full": "database or disk is full",
    "read-only": "attempt to write a readonly database",
    "locked": "database is locked",
}
"""The message of the `sqlite3.OperationalError` that SQLite's driver raises; tests compare it with the real thing."""

_TABLE = re.compile(r"\b(?:FROM|INTO|UPDATE|TABLE|ON)\s+(\w+)")


class Tap:
    """A context manager; every SQLite connection that SQLAlchemy opens within it is tapped. One at a time in a process.

    `calls` are the kinds of the calls so far: a verb with its table, or `commit`. What the driver asks for itself (PRAGMA, BEGIN) is not
    counted. `met` tells whether the call that was to fail came.
    """

    def __init__(self, number: int = 0, kind: TapKind = "locked", *, before: bool = True) -> None:
        self.calls: list[str] = []
        self.met = False
        self._number = number
        self._kind: TapKind = kind
        self._before = before

    def __enter__(self) -> Self:
        sa.event.listen(sa.Engine, "do_connect", self._connect)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        sa.event.remove(sa.Engine, "do_connect", self._connect)

    def called(self, kind: str) -> bool:
        """Count a call that is about to be made, and let it fail if it is the one. True when the process is to end after it."""
        self.calls.append(kind)
        if len(self.calls) != self._number:
            return False
        self.met = True
        if self._kind != "kill":
            raise sqlite3.OperationalError(DRIVER_SAYS[self._kind])
        if self._before:
            _die()
        return True

    def _connect(self, _dialect: object, _record: object, _arguments: object, options: dict[str, Any]) -> None:
        options["factory"] = type("TappedConnection", (_Connection,), {"tap": self})


class _Connection(sqlite3.Connection):
    tap: Tap

    def cursor(self, factory: Any = None) -> Any:
        cursor = super().cursor(_Cursor)
        cursor.tap = self.tap
        return cursor

    def commit(self) -> None:
        last = self.tap.called("commit") if self.in_transaction else False
        super().commit()
        if last:
            _die()


class _Cursor(sqlite3.Cursor):
    tap: Tap

    def execute(self, sql: str, parameters: Any = ()) -> Self:
        verb, table = sql.split(None, 1)[0].lower(), _TABLE.search(sql)
        last = verb != "pragma" and self.tap.called(f"{verb} {table[1]}" if table else verb)
        super().execute(sql, parameters)
        if last:
            _die()
        return self


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)
