"""Floor 4. The journal: what happened to each sending domain, kept so that any run can go on after any interruption.

Two facts make it safe. An event is appended with its sequence number, and a number is taken once: of two processes that go on with
one case, the second is told (`Busy`). And what is about to be sent to a host is written, with the zone as it was read, before it is
sent. The schema is SQLAlchemy Core and the same on SQLite and PostgreSQL; SQLite runs in WAL mode with synchronous=FULL.
"""

import json
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.exception
import dns.name
import sqlalchemy as sa
from filelock import FileLock, Timeout

from wixsend import backups
from wixsend.errors import Busy, JournalError, JournalNewer
from wixsend.events import Event, Intended, Undoing, Undone, WriteUnknown, Wrote, from_json, kept_name, kept_record, to_json
from wixsend.flow import Case, Stage, Times, evolve
from wixsend.folder import private_folder
from wixsend.names import Name, text
from wixsend.records import WHOLE, Snapshot, Zone
from wixsend.redact import LONGEST, visible

__all__ = ["SCHEMA_VERSION", "Backup", "Entry", "Happened", "Journal"]

SCHEMA_VERSION = 1
"""The version of the tables below. A journal with a greater one was written by a newer wixsend, and is left alone."""

_TOUCHING = tuple(kind.code for kind in (Intended, WriteUnknown, Wrote, Undoing, Undone))
"""Events after which a host may still show an older zone for a while."""

_tables = sa.MetaData()
_about = sa.Table("about", _tables, sa.Column("key", sa.String(40), primary_key=True), sa.Column("value", sa.String(200), nullable=False))
_cases = sa.Table(
    "cases",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("site", sa.String(100), nullable=False),
    sa.Column("domain", sa.String(255), nullable=False),
    sa.Column("apex", sa.String(255), nullable=False, default=""),
    sa.Column("stage", sa.String(40), nullable=False),
    sa.Column("due", sa.Float, nullable=False, default=0.0),
    sa.Column("seq", sa.Integer, nullable=False, default=0),
    sa.UniqueConstraint("site", "domain"),
    sa.Index("cases_by_due", "stage", "due"),
    sa.Index("cases_by_apex", "apex"),
)
_events = sa.Table(
    "events",
    _tables,
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), primary_key=True),
    sa.Column("seq", sa.Integer, primary_key=True),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("code", sa.String(40), nullable=False),
    sa.Column("version", sa.Integer, nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
)
_snapshots = sa.Table(
    "snapshots",
    _tables,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("case_id", sa.Integer, sa.ForeignKey("cases.id"), nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("provider", sa.String(100), nullable=False),
    sa.Column("account", sa.String(200), nullable=False),
    sa.Column("apex", sa.String(255), nullable=False),
    sa.Column("payload", sa.Text, nullable=False),
    sa.Index("snapshots_by_case", "case_id"),
)


@dataclass(frozen=True, slots=True)
class Happened:
    """One event of a case and when it happened (seconds since the epoch, UTC)."""

    at: float
    event: Event


@dataclass(frozen=True, slots=True)
class Entry:
    """A case as the journal knows it: its number, whose it is, the number of its last event, and the events folded."""

    id: int
    site: str
    domain: Name
    seq: int
    case: Case


@dataclass(frozen=True, slots=True)
class Backup:
    """A zone as it was read before a write, for the case `case_id`."""

    id: int
    case_id: int
    at: float
    provider: str
    account: str
    snapshot: Snapshot


class Journal:
    """An open journal. Everything raised is a `JournalError` (or its `Busy`, `JournalNewer`) with the next step.

    `url` is an SQLAlchemy database URL; `folder` holds the lock files and, in `backups`, each zone as it was read
    before a write, kept for `keep_backups` seconds. Opening creates what is missing, readable by its owner alone.
    """

    def __init__(self, url: str, folder: Path, times: Times | None = None, keep_backups: float = backups.KEEP) -> None:
        self._times = times or Times()
        self._folder = folder
        self._keep_backups = keep_backups
        parsed = _parsed(url)
        self._where = parsed.render_as_string(hide_password=True)
        path = parsed.database if parsed.get_backend_name() == "sqlite" else None
        private_folder(folder)
        if path and path != ":memory:":
            private_folder(Path(path).parent)
        with self._speaking():
            if path and path != ":memory:":
                _make_private(path)
            self._engine = sa.create_engine(parsed, connect_args={"timeout": 10} if path else {})
            if path:
                sa.event.listen(self._engine, "connect", _make_durable)
            # Of two processes that find no tables, one makes them and the other waits.
            with FileLock(folder / "journal.lock", timeout=10, mode=0o600):
                self._check_version()

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def open_case(self, site: str, domain: Name) -> Entry:
        """The case of this domain on this site; begun anew when the journal has none."""
        found = self.find(site, domain)
        if found is not None:
            return found
        with self._speaking(), self._engine.begin() as connection:
            row = {"site": site, "domain": text(domain), "stage": Stage.ASKING.value, "apex": "", "due": 0.0, "seq": 0}
            try:
                key = connection.execute(sa.insert(_cases).values(row)).inserted_primary_key
            except sa.exc.IntegrityError as taken:
                raise Busy(f"another process has just begun with {text(domain)}", "Run the command again.") from taken
        return Entry(int(key[0]) if key else 0, site, domain, 0, Case())

    def find(self, site: str, domain: Name) -> Entry | None:
        """The case of this domain on this site, or `None`."""
        entries = self.entries(_cases.c.site == site, _cases.c.domain == text(domain))
        return entries[0] if entries else None

    def entries(self, *where: sa.ColumnElement[bool]) -> Sequence[Entry]:
        """Every case, or those that the conditions select, in the order they were begun."""
        with self._speaking(), self._engine.connect() as connection:
            rows = connection.execute(sa.select(_cases).where(*where).order_by(_cases.c.id)).all()
            return [self._entry(connection, row) for row in rows]

    def for_domain(self, domain: Name) -> Sequence[Entry]:
        """The cases of this domain, on whatever site."""
        return self.entries(_cases.c.domain == text(domain))

    def in_zone(self, apex: Name) -> Sequence[Entry]:
        """The cases whose records are in this zone."""
        return self.entries(_cases.c.apex == text(apex))

    def neighbours(self, entry: Entry, apex: Name) -> Sequence[Entry]:
        """The other cases whose records are in the same zone."""
        return [other for other in self.in_zone(apex) if other.id != entry.id]

    def touched(self, apex: Name) -> float:
        """When we last sent an edit of this zone, or heard what became of one, in seconds since the epoch; 0.0 for never."""
        kept = sa.select(sa.func.max(_snapshots.c.at)).where(_snapshots.c.apex == text(apex))
        heard = (
            sa.select(sa.func.max(_events.c.at))
            .join(_cases, _cases.c.id == _events.c.case_id)
            .where(_cases.c.apex == text(apex), _events.c.code.in_(_TOUCHING))
        )
        with self._speaking(), self._engine.connect() as connection:
            return max(connection.execute(query).scalar() or 0.0 for query in (kept, heard))

    def history(self, entry: Entry) -> Sequence[Happened]:
        """Everything that happened to a case, oldest first."""
        with self._speaking(), self._engine.connect() as connection:
            return self._history(connection, entry.id)

    def append(self, entry: Entry, event: Event, at: float) -> Entry:
        """The case after the event, which is on disk when this returns. `Busy` when another process went on with the case meanwhile."""
        case = evolve(entry.case, event, at, self._times)
        seq = entry.seq + 1
        row = {"case_id": entry.id, "seq": seq, "at": at, "code": event.code, "version": event.version, "payload": to_json(event)}
        seen = {"stage": case.stage.value, "due": case.due, "seq": seq, "apex": text(case.apex)}
        with self._speaking(), self._engine.begin() as connection:
            try:
                connection.execute(sa.insert(_events).values(row))
            except sa.exc.IntegrityError as taken:
                raise Busy(
                    f"another wixsend process went on with {text(entry.domain)} meanwhile",
                    "Let it finish; wixsend status shows where it is.",
                ) from taken
            connection.execute(sa.update(_cases).where(_cases.c.id == entry.id).values(seen))
        return Entry(entry.id, entry.site, entry.domain, seq, case)

    def keep_snapshot(self, case_id: int, provider: str, account: str, snapshot: Snapshot, at: float) -> int:
        """Put away a zone as it was read, before it is written; returns its number."""
        payload = _snapshot_to_json(snapshot)
        row = {
            "case_id": case_id,
            "at": at,
            "provider": provider,
            "account": account,
            "apex": text(snapshot.zone.apex),
            "payload": payload,
        }
        with self._speaking(), self._engine.begin() as connection:
            key = connection.execute(sa.insert(_snapshots).values(row)).inserted_primary_key
            number = int(key[0]) if key else 0
            about = {"run": case_id, "provider": provider, "account": account}
            backups.put_away(self._folder / "backups", number, about, snapshot, payload, at)
            self._forget_old(connection, case_id, at - self._keep_backups)
        return number

    def _forget_old(self, connection: sa.Connection, case_id: int, before: float) -> None:
        """Let go of backups from before a moment, but for the newest of each case, which the next run may have to compare with."""
        newest = sa.select(sa.func.max(_snapshots.c.id)).group_by(_snapshots.c.case_id)
        old = (_snapshots.c.at < before, _snapshots.c.case_id == case_id, _snapshots.c.id.not_in(newest))
        connection.execute(sa.delete(_snapshots).where(*old))
        backups.forget(self._folder / "backups", before)

    def backup(self, number: int) -> Backup | None:
        """The zone that was put away under this number."""
        return next(iter(self._backups(_snapshots.c.id == number)), None)

    def backups(self, apex: Name | None = None) -> Sequence[Backup]:
        """The zones that were put away, of one apex or of all, oldest first."""
        return self._backups(sa.true() if apex is None else _snapshots.c.apex == text(apex))

    def _backups(self, *where: sa.ColumnElement[bool]) -> Sequence[Backup]:
        query = sa.select(_snapshots).where(*where).order_by(_snapshots.c.id)
        with self._speaking(), self._engine.connect() as connection:
            rows = connection.execute(query).all()
        try:
            return [
                Backup(row.id, row.case_id, _moment(row.at), row.provider, row.account, _snapshot_from_json(row.payload)) for row in rows
            ]
        except _DAMAGED as wrong:
            raise self._unreadable(wrong) from wrong

    @contextmanager
    def lock(self, what: str, whose: str) -> Iterator[None]:
        """Hold a name that one process on this machine can hold at a time, such as one zone of one account; let go when the process ends.

        Raises `Busy` at once when another process holds it; `whose` says to a person what it is.
        """
        name = "".join(c if (c.isascii() and c.isalnum()) or c in ".-_" else f"%{ord(c):02x}" for c in what)[:200]
        with self._speaking():
            held = FileLock(self._folder / f"{name}.lock", timeout=0, mode=0o600)
            try:
                held.acquire()
            except Timeout as taken:
                raise Busy(f"another wixsend process is working on {whose}", "Let it finish; wixsend status shows where it is.") from taken
        try:
            yield
        finally:
            held.release()

    def _entry(self, connection: sa.Connection, row: Any) -> Entry:
        case, history = Case(), self._history(connection, row.id)
        for happened in history:
            case = evolve(case, happened.event, happened.at, self._times)
        try:
            return Entry(row.id, row.site, dns.name.from_text(row.domain), len(history), case)
        except _DAMAGED as wrong:
            raise self._unreadable(wrong) from wrong

    def _history(self, connection: sa.Connection, case_id: int) -> Sequence[Happened]:
        rows = connection.execute(sa.select(_events).where(_events.c.case_id == case_id).order_by(_events.c.seq)).all()
        try:
            return [Happened(_moment(row.at), from_json(row.code, row.version, row.payload)) for row in rows]
        except _DAMAGED as wrong:
            raise self._unreadable(wrong) from wrong

    def _unreadable(self, wrong: Exception) -> JournalError:
        said = visible(str(wrong))[:LONGEST]
        return JournalError(f"the journal {self._where} cannot be read: {said}", "Update wixsend, or restore the file from a copy.")

    def _check_version(self) -> None:
        with self._engine.begin() as connection:
            found = None
            if sa.inspect(connection).has_table("about"):
                found = connection.execute(sa.select(_about.c.value).where(_about.c.key == "schema")).scalar()
            if found is None:
                _tables.create_all(connection)
                connection.execute(sa.insert(_about).values(key="schema", value=str(SCHEMA_VERSION)))
            elif not found.isdigit() or int(found) > SCHEMA_VERSION:
                raise JournalNewer(
                    f"the journal {self._where} has version {found}, and this wixsend knows {SCHEMA_VERSION}",
                    "Update wixsend, or name another journal: --state FOLDER",
                )

    @contextmanager
    def _speaking(self) -> Iterator[None]:
        """The database's and the file system's failures as ours, with what to do."""
        try:
            yield
        except (sa.exc.SQLAlchemyError, Timeout, OSError, ImportError) as wrong:
            cause = str(getattr(wrong, "orig", None) or wrong)
            next_step = next((step for word, step in _NEXT_STEPS if word in cause.lower()), _NEXT_STEPS[-1][1])
            raise JournalError(f"the journal {self._where} failed: {cause}", next_step) from wrong


_NEXT_STEPS = (
    ("locked", "Another process holds it: let that finish, and run the command again."),
    ("readonly", "It cannot be written: check its permissions, or name another place: --state FOLDER"),
    ("read-only", "It cannot be written: check its permissions, or name another place: --state FOLDER"),
    ("permission", "It cannot be written: check its permissions, or name another place: --state FOLDER"),
    ("unable to open", "It cannot be opened: check its permissions, or name another place: --state FOLDER"),
    ("no module named", "Install the database's driver, for example: pip install 'psycopg[binary]'"),
    ("full", "Make room on the disk, and run the command again: it goes on where it was."),
    ("no space", "Make room on the disk, and run the command again: it goes on where it was."),
    ("not a database", "The file is something else, or damaged: move it away, or name another place: --state FOLDER"),
    ("malformed", "The file is damaged: restore it from a copy, or move it away; DNS and Wix tell what was done."),
    ("", "Nothing is lost: what was done before is in it. Mend this, and run the command again."),
)


_DAMAGED = (ValueError, TypeError, KeyError, AttributeError, RecursionError, dns.exception.DNSException)
"""What reading a row raises that nobody of ours wrote."""


def _parsed(url: str) -> sa.URL:
    try:
        return sa.engine.make_url(url)
    except (sa.exc.ArgumentError, ValueError):  # not chained: the cause shows the URL, and the password in it
        raise JournalError(
            "the URL of the journal's database is no database URL", "Write [state] database as postgresql+psycopg://USER@HOST/NAME."
        ) from None


def _make_private(path: str) -> None:
    """Make the database's file, or close one that others can read. SQLite gives the files beside it the same permissions."""
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
    except FileExistsError:
        if os.name == "posix" and Path(path).stat().st_mode & 0o077:
            Path(path).chmod(0o600)


def _moment(at: object) -> float:
    """Seconds since the epoch, between the years 1 and 9999; `ValueError` for what no clock says."""
    if isinstance(at, int | float) and 0 <= at < 253402300800:
        return float(at)
    raise ValueError(f"{at!r} is no moment")


def _make_durable(connection: Any, _record: object) -> None:
    """What a commit returned from survives a power cut."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=FULL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def _snapshot_to_json(snapshot: Snapshot) -> str:
    zone = snapshot.zone
    return json.dumps(
        {
            "version": 1,
            "zone": {
                "apex": text(zone.apex),
                "ref": zone.ref,
                "account": zone.account,
                "name_servers": [text(n) for n in zone.name_servers],
            },
            "covers": "whole" if snapshot.covers is WHOLE else sorted(text(name) for name in snapshot.covers),
            "baggage": dict(snapshot.baggage),
            "total": snapshot.total,
            "records": [
                {"owner": r.owner.to_text(), "type": r.rtype, "rdata": r.rdata, "ttl": r.ttl, "masked": r.masked} for r in snapshot.records
            ],
        }
    )


def _snapshot_from_json(payload: str) -> Snapshot:
    kept = json.loads(payload)
    zone, baggage, total = kept["zone"], kept["baggage"], kept["total"]
    texts = (zone["ref"], zone["account"], *baggage, *baggage.values())
    if not all(isinstance(each, str) for each in texts) or not (total is None or type(total) is int):
        raise ValueError("a backup is not what it must be")
    return Snapshot(
        zone=Zone(
            kept_name(zone["apex"]),
            zone["ref"],
            zone["account"],
            tuple(kept_name(name) for name in zone["name_servers"]),
        ),
        records=tuple(kept_record(r["owner"], r["type"], r["rdata"], r["ttl"], r["masked"]) for r in kept["records"]),
        covers=WHOLE if kept["covers"] == "whole" else frozenset(kept_name(name) for name in kept["covers"]),
        baggage=baggage,
        total=total,
    )
