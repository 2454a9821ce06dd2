"""Floor 4. The journal's database: opened, durable, of today's version, and its failures told with what to do.

SQLite runs in WAL mode with synchronous=FULL: what a commit returned from survives a power cut. Every transaction that writes takes the
write lock when it begins, so that none is refused half-way because another one wrote since it first read.

PostgreSQL is for several machines (`shared`): what must not be done by two at a time is done under one of its advisory locks.
"""

import sqlite3
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from filelock import FileLock, Timeout
from sqlalchemy.dialects import postgresql, sqlite

from wixsend.errors import JournalError, JournalNewer
from wixsend.folder import make_private, private_folder
from wixsend.migrations import migrate
from wixsend.tables import SCHEMA_VERSION, about, tables

__all__ = ["MANNERS", "Database", "advice", "with_driver"]

_PATIENCE = 10
"""Seconds that a writer waits for another one; each holds the lock for milliseconds."""

MANNERS: dict[str, str | int] = {
    "connect_timeout": _PATIENCE,
    "tcp_user_timeout": _PATIENCE * 1000,
    "keepalives_idle": _PATIENCE,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "options": "-c idle_in_transaction_session_timeout=5000",
}
"""How PostgreSQL is spoken to: a machine that has gone without a word is noticed, and whoever stands still in the middle of a transaction
loses it and its locks, so that nobody waits for him."""

_LOCKS = 0x77697873
"""The first half of the numbers of our advisory locks: others may have theirs in the same database."""
_MAKING = 1


class Database:
    """An open database. Everything raised is a `JournalError` (or its `JournalNewer`) with the next step.

    `url` is SQLAlchemy's; `folder` holds lock files. Opening creates what is missing, readable by its owner alone, and brings an older
    database up to date, of which a copy is kept when it is a file; `migrated` is then called in the same transaction.
    """

    def __init__(self, url: str, folder: Path, migrated: Callable[[sa.Connection], None] = lambda _connection: None) -> None:
        parsed = _parsed(url)
        self.shown = parsed.render_as_string(hide_password=True)
        self._migrated = migrated
        sqlite = parsed.get_backend_name() == "sqlite"
        self.url = parsed
        self.shared = parsed.get_backend_name() == "postgresql"
        self._path = parsed.database if sqlite and parsed.database not in (None, "", ":memory:") else None
        private_folder(folder)
        if self._path:
            private_folder(Path(self._path).parent)
        with self.speaking():
            if self._path:
                make_private(self._path)
            self.engine = sa.create_engine(parsed, **_options(parsed.get_backend_name()))
            if sqlite:
                sa.event.listen(self.engine, "connect", _make_durable)
                sa.event.listen(self.engine, "begin", _begin)
            self._writer = self.engine.execution_options(wixsend_writes=True)
            self._reader = self.engine.execution_options(isolation_level="REPEATABLE READ") if self.shared else self.engine
            self._file, self._locked_at = self._identity(), float("-inf")
            with FileLock(folder / "journal.lock", timeout=_PATIENCE, mode=0o600):
                try:
                    self._make_current()
                except BaseException:
                    self.close()
                    raise

    def close(self) -> None:
        """Let go of the database."""
        self.engine.dispose()

    @contextmanager
    def reading(self) -> Iterator[sa.Connection]:
        """A transaction that sees one moment of the database."""
        self._must_be_there()
        with self.speaking(), self._reader.connect() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[sa.Connection]:
        """A transaction that is on disk when this ends, or has not been.

        Who has waited in vain for somebody who holds the database waits once: hundreds who come after him are told at once.
        """
        self._must_be_there()
        if time.monotonic() - self._locked_at < _PATIENCE:
            raise self._failure("the database is still locked")
        with self.speaking(), self._writer.begin() as connection:
            yield connection

    def insert_new(self, table: sa.Table) -> sqlite.Insert | postgresql.Insert:
        """An INSERT into this table that leaves alone what is there already."""
        return postgresql.insert(table).on_conflict_do_nothing() if self.shared else sqlite.insert(table).on_conflict_do_nothing()

    @contextmanager
    def alone(self, what: int) -> Iterator[sa.Connection]:
        """`writing`, by one process at a time of those that do `what`, on whatever machine; the others wait."""
        with self.writing() as connection:
            if self.shared:
                connection.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCKS, what)))
            yield connection

    @contextmanager
    def first(self, what: int) -> Iterator[bool]:
        """True for one process at a time of those that do `what`, on whatever machine; false at once for the others."""
        with self.writing() as connection:
            yield not self.shared or bool(connection.execute(sa.select(sa.func.pg_try_advisory_xact_lock(_LOCKS, what))).scalar())

    def must_be_current(self) -> None:
        """Raise `JournalNewer` when somebody has brought the database to a version that is not known here."""
        with self.reading() as connection:
            self._version(connection)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """The database's and the file system's failures as ours, with what to do."""
        try:
            yield
        except (sa.exc.SQLAlchemyError, sqlite3.Error, Timeout, OSError, ImportError) as wrong:
            cause = str(getattr(wrong, "orig", None) or wrong)
            if "database is locked" in cause:
                self._locked_at = time.monotonic()
            raise self._failure(cause) from wrong

    def _failure(self, cause: str) -> JournalError:
        return JournalError(f"the journal {self.shown} failed: {cause}", advice(cause, _DAMAGED, _OTHERWISE))

    def _must_be_there(self) -> None:
        """Raise when the file is another one than was opened, or none: what would be written into it is read by nobody any more."""
        if self._identity() != self._file:
            raise JournalError(
                f"the journal {self.shown} was deleted, moved or replaced while it was in use",
                "Put it back, or restore it from a copy, and run the command again. Without it a new run finds in DNS and at Wix what is "
                "done, and writes nothing twice; only undo needs the old one.",
            )

    def _identity(self) -> tuple[int, int] | None:
        """Which file it is; `None` where there is none, or it is no file."""
        try:
            found = Path(self._path).stat() if self._path else None
        except OSError:
            return None
        return None if found is None else (found.st_dev, found.st_ino)

    def _make_current(self) -> None:
        with self.reading() as connection:
            version = self._version(connection)
        if version == SCHEMA_VERSION:
            return
        if version is not None:
            self._keep_copy(version)
        # Of two processes that find no tables, or old ones, one makes them and the other waits, on this machine or on another one.
        with self.alone(_MAKING) as connection:
            version = self._version(connection)
            if version == SCHEMA_VERSION:
                return
            if version is None:
                tables.create_all(connection)
                connection.execute(sa.insert(about).values(key="schema", value=str(SCHEMA_VERSION)))
            else:
                migrate(connection, version)
                self._migrated(connection)
                connection.execute(sa.update(about).where(about.c.key == "schema").values(value=str(SCHEMA_VERSION)))

    def _version(self, connection: sa.Connection) -> int | None:
        """The version of the tables that are there; `None` when there are none. `JournalNewer` for one that is not known."""
        if not sa.inspect(connection).has_table("about"):
            return None
        found = connection.execute(sa.select(about.c.value).where(about.c.key == "schema")).scalar()
        if found is None:
            return None
        if not found.isdigit() or int(found) > SCHEMA_VERSION:
            raise JournalNewer(
                f"the journal {self.shown} has version {found}, and this wixsend knows {SCHEMA_VERSION}",
                "Update wixsend, or name another journal: --state FOLDER",
            )
        return int(found)

    def _keep_copy(self, version: int) -> None:
        """A copy of an older database beside it, before anything of it is changed; one that is there already is the better one."""
        if self._path is None or Path(copy := f"{self._path}.version-{version}").exists():
            return
        part = f"{copy}.part"
        Path(part).unlink(missing_ok=True)
        make_private(part)
        with closing(sqlite3.connect(self._path)) as source, closing(sqlite3.connect(part)) as target:
            source.backup(target)
        Path(part).replace(copy)


_NEXT_STEPS = (
    ("locked", "Another process holds it: let that finish, and run the command again."),
    ("readonly", "It cannot be written: check its permissions, or name another place: --state FOLDER"),
    ("read-only", "It cannot be written: check its permissions, or name another place: --state FOLDER"),
    ("permission", "It cannot be written: check its permissions, or name another place: --state FOLDER"),
    ("unable to open", "It cannot be opened: check its permissions, or name another place: --state FOLDER"),
    ("no module named", "Install the database's driver: pip install 'wixsend[postgres]'"),
    ("authentication failed", "Check the user and the password in the URL of the database: [state] database."),
    ("does not exist", "Make the database first (createdb), or check its name and the user's in [state] database."),
    ("connection", "The database cannot be reached: see that it runs, and that [state] database says where. Nothing is lost meanwhile."),
    ("full", "Make room on the disk, and run the command again: it goes on where it was."),
    ("no space", "Make room on the disk, and run the command again: it goes on where it was."),
)
_DAMAGED = {
    "not a database": "The file is something else, or damaged: move it away, or name another place: --state FOLDER",
    "malformed": "The file is damaged: restore it from a copy, or move it away; DNS and Wix tell what was done.",
}
_OTHERWISE = "Nothing is lost: what was done before is in it. Mend this, and run the command again."


def advice(cause: str, damaged: Mapping[str, str], otherwise: str) -> str:
    """What to do about a failure of a database, by a word in what it says: the same for the journal and the record of calls, but for what a
    `damaged` file costs, and what is said of everything else."""
    return next((step for word, step in (*_NEXT_STEPS, *damaged.items()) if word in cause.lower()), otherwise)


def with_driver(url: sa.URL) -> sa.URL:
    """The URL with the driver that comes with wixsend, where it names none."""
    return url.set(drivername="postgresql+psycopg") if url.drivername in ("postgresql", "postgres") else url


def _parsed(url: str) -> sa.URL:
    try:
        return with_driver(sa.engine.make_url(url))
    except (sa.exc.ArgumentError, ValueError):  # not chained: the cause shows the URL, and the password in it
        raise JournalError(
            "the URL of the journal's database is no database URL", "Write [state] database as postgresql://USER@HOST/NAME."
        ) from None


def _options(backend: str) -> dict[str, Any]:
    """How each database's connections are opened and kept: one that broke meanwhile is opened anew."""
    known: dict[str, dict[str, Any]] = {
        "sqlite": {"connect_args": {"timeout": _PATIENCE}},
        "postgresql": {"pool_pre_ping": True, "connect_args": {**MANNERS, "application_name": "wixsend"}},
    }
    return known.get(backend, {})


def _make_durable(connection: Any, _record: object) -> None:
    """What a commit returned from survives a power cut; transactions begin when we say so, changes of tables included."""
    connection.isolation_level = None
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _begin(connection: sa.Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE" if connection.get_execution_options().get("wixsend_writes") else "BEGIN")
