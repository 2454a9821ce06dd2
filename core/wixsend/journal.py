"""Floor 4. The journal: what happened to each sending domain, kept so that any run can go on after any interruption.

Two facts make it safe. An event is appended with its sequence number, and a number is taken once: of two processes that go on with
one case, the second is told (`Busy`). And what is about to be sent to a host is written, with the zone as it was read, before it is
sent. How it is kept is in `wixsend.tables` and `wixsend.database`.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from dataclasses import dataclass, replace
from itertools import batched, groupby
from operator import attrgetter
from pathlib import Path
from typing import Any, NamedTuple
from uuid import uuid4

import dns.exception
import dns.name
import sqlalchemy as sa
from filelock import FileLock, Timeout

from wixsend import backups
from wixsend.database import Database
from wixsend.errors import Busy, JournalError
from wixsend.events import (
    DAMAGED,
    Event,
    Hidden,
    Intended,
    Undoing,
    Undone,
    WriteUnknown,
    Wrote,
    from_json,
    kept_name,
    kept_record,
    to_json,
)
from wixsend.flow import Case, Stage, Times, evolve
from wixsend.leases import DEAD_AFTER, Leases
from wixsend.names import Name, text
from wixsend.records import WHOLE, Snapshot, Zone
from wixsend.redact import LONGEST, visible
from wixsend.tables import cases, events, snapshots

__all__ = ["Backup", "Entry", "Happened", "Journal", "Kept", "Step"]

_TOUCHING = tuple(kind.code for kind in (Intended, WriteUnknown, Wrote, Undoing, Undone))
"""Events after which a host may still show an older zone for a while."""

_OFTEN = 3600.0
"""Seconds between two looks for files of backups that are too old."""

_AT_ONCE = 500
"""Cases whose events are read with one question."""

_AT_WORK = "worker-"
"""How the names of the leases begin that say who is at work."""


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
class Kept:
    """A zone as it was read before a write, for the case `case_id`, that is to be put away."""

    case_id: int
    provider: str
    account: str
    snapshot: Snapshot
    at: float


class Step(NamedTuple):
    """Events that are to be appended to a case, in this order, and when they happened.

    A zone that is `kept` is put away with them; its number is that of the `Intended` among them.
    """

    entry: Entry
    events: tuple[Event, ...]
    at: float
    kept: Kept | None = None


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

    In PostgreSQL the journal may be shared by several machines. What a process holds there is somebody else's when it has shown no sign
    of life for `dead_after` seconds.
    """

    def __init__(
        self, url: str, folder: Path, times: Times | None = None, keep_backups: float = backups.KEEP, dead_after: float = DEAD_AFTER
    ) -> None:
        self.times = times or Times()
        self._folder = folder
        self._keep_backups = keep_backups
        self._forgot_at = 0.0
        self.database = Database(url, folder, self._write_down)
        self.dead_after = dead_after
        self._leases = Leases(self.database, dead_after) if self.database.shared else None

    def close(self) -> None:
        """Let go of the database."""
        if self._leases is not None:
            self._leases.close()
        self.database.close()

    # -- cases ---------------------------------------------------------------------------------------------------------

    def open_case(self, site: str, domain: Name) -> Entry:
        """The case of this domain on this site; begun anew when the journal has none."""
        found = self.find(site, domain)
        if found is not None:
            return found
        with self.database.writing() as connection:
            try:
                key = connection.execute(sa.insert(cases).values(_begun(site, text(domain)))).inserted_primary_key
            except sa.exc.IntegrityError as taken:
                raise Busy(f"another process has just begun with {text(domain)}", "Run the command again.") from taken
        return Entry(int(key[0]) if key else 0, site, domain, 0, Case())

    def begin_cases(self, connection: sa.Connection, wanted: Iterable[tuple[str, str]]) -> None:
        """Begin, in this transaction, the cases of those sites and domains (as `text` has them) that the journal has none of."""
        insert = self.database.insert_new(cases)
        for some in batched(wanted, _AT_ONCE):
            connection.execute(insert, [_begun(site, domain) for site, domain in some])

    def entry(self, case_id: int) -> Entry:
        """The case of this number. Raises `JournalError` when there is none."""
        found = self.entries(cases.c.id == case_id)
        if not found:
            raise JournalError(f"the journal {self.database.shown} has no case {case_id}", "Restore it from a copy.")
        return found[0]

    def find(self, site: str, domain: Name) -> Entry | None:
        """The case of this domain on this site, or `None`."""
        entries = self.entries(cases.c.site == site, cases.c.domain == text(domain))
        return entries[0] if entries else None

    def entries(self, *where: sa.ColumnElement[bool]) -> Sequence[Entry]:
        """Every case, or those that the conditions select, in the order they were begun."""
        return [entry for entry, _history in self.told(*where)]

    def told(self, *where: sa.ColumnElement[bool]) -> Iterator[tuple[Entry, Sequence[Happened]]]:
        """The same, each with everything that happened to it, oldest first."""
        yield from self._selected(sa.select(cases).where(*where).order_by(cases.c.id))

    def _selected(self, query: sa.Select[Any], **values: object) -> Iterator[tuple[Entry, Sequence[Happened]]]:
        with self.database.reading() as connection:
            for some in batched(connection.execute(query, values).all(), _AT_ONCE):
                yield from self._folded(connection, some)

    def for_domain(self, domain: Name) -> Sequence[Entry]:
        """The cases of this domain, on whatever site."""
        return self.entries(cases.c.domain == text(domain))

    def in_zone(self, apex: Name) -> Sequence[Entry]:
        """The cases whose records are in this zone."""
        return self.entries(cases.c.apex == text(apex))

    def neighbours(self, entry: Entry, apex: Name) -> Sequence[Entry]:
        """The other cases whose records are in the same zone."""
        return [other for other, _history in self._selected(_NEIGHBOURS, its_apex=text(apex), its_case=entry.id)]

    def touched(self, apex: Name) -> float:
        """When we last sent an edit of this zone, or heard what became of one, in seconds since the epoch; 0.0 for never."""
        kept = sa.select(sa.func.max(snapshots.c.at)).where(snapshots.c.apex == text(apex))
        heard = (
            sa.select(sa.func.max(events.c.at))
            .join(cases, cases.c.id == events.c.case_id)
            .where(cases.c.apex == text(apex), events.c.code.in_(_TOUCHING))
        )
        with self.database.reading() as connection:
            return max(connection.execute(query).scalar() or 0.0 for query in (kept, heard))

    # -- events --------------------------------------------------------------------------------------------------------

    def history(self, entry: Entry) -> Sequence[Happened]:
        """Everything that happened to a case, oldest first."""
        with self.database.reading() as connection:
            return self._histories(connection, [entry.id]).get(entry.id, [])

    def append(self, entry: Entry, event: Event, at: float) -> Entry:
        """The case after the event, which is on disk when this returns. `Busy` when another process went on with the case meanwhile.

        A look in DNS that shows what the last one showed takes the last one's place: two days of waiting are one event.
        """
        return self.append_all([Step(entry, (event,), at)])[0]

    def append_all(self, steps: Sequence[Step]) -> list[Entry]:
        """`append` for many cases with one commit: all of them or, where one cannot be, none."""
        happened, shown, after = [], [], []
        with self._putting_away() as files, self.database.writing() as connection:
            for entry, its_events, at, kept in steps:
                number = 0 if kept is None else self._put_away(connection, kept, files)
                for event in its_events:
                    if kept is not None and isinstance(event, Intended):
                        event = replace(event, snapshot=number)
                    case = evolve(entry.case, event, at, self.times)
                    row = {"case_id": entry.id, "seq": entry.seq + 1, "at": at, **_told(event)}
                    if isinstance(event, Hidden) and _same_but_for_the_time(case, entry.case) and self._replaced(connection, entry, row):
                        row["seq"] = entry.seq
                    else:
                        happened.append(row)
                    entry = Entry(entry.id, entry.site, entry.domain, row["seq"], case)
                shown.append({"its_case": entry.id, "seq": entry.seq, **_shown(entry.case)})
                after.append(entry)
            if happened:
                try:
                    connection.execute(sa.insert(events), happened)
                except sa.exc.IntegrityError as taken:
                    raise Busy(
                        f"another wixsend process went on with {', '.join(text(entry.domain) for entry in after)} meanwhile",
                        "Let it finish; wixsend status shows where it is.",
                    ) from taken
            connection.execute(_SHOW, shown)
        return after

    def _replaced(self, connection: sa.Connection, entry: Entry, row: dict[str, Any]) -> bool:
        """Put a look into the last look's place, if that is what happened last."""
        last = (events.c.case_id == entry.id, events.c.seq == entry.seq, events.c.code == Hidden.code, events.c.at == entry.case.at)
        values = {name: row[name] for name in ("at", "version", "payload")}
        return connection.execute(sa.update(events).where(*last).values(values)).rowcount == 1

    # -- zones before they were written --------------------------------------------------------------------------------

    def keep_snapshot(self, case_id: int, provider: str, account: str, snapshot: Snapshot, at: float) -> int:
        """Put away a zone as it was read, before it is written; returns its number."""
        with self._putting_away() as files, self.database.writing() as connection:
            return self._put_away(connection, Kept(case_id, provider, account, snapshot, at), files)

    @contextmanager
    def _putting_away(self) -> Iterator[list[Path]]:
        """Takes back the files of zones that were not put away after all: their numbers will be those of others."""
        files: list[Path] = []
        try:
            yield files
        except BaseException:
            for path in files:
                with suppress(OSError):
                    path.unlink()
            raise

    def _put_away(self, connection: sa.Connection, kept: Kept, files: list[Path]) -> int:
        payload = _snapshot_to_json(kept.snapshot)
        whose = {"provider": kept.provider, "account": kept.account}
        row = {"case_id": kept.case_id, "at": kept.at, "apex": text(kept.snapshot.zone.apex), "payload": payload, **whose}
        key = connection.execute(sa.insert(snapshots).values(row)).inserted_primary_key
        number = int(key[0]) if key else 0
        backups.put_away(self._folder / "backups", number, {"run": kept.case_id, **whose}, kept.snapshot, payload, kept.at, files)
        self._forget_old(connection, kept.case_id, kept.at)
        return number

    def _forget_old(self, connection: sa.Connection, case_id: int, at: float) -> None:
        """Let go of backups that are too old, but for the newest of each case, which the next run may have to compare with."""
        before = at - self._keep_backups
        connection.execute(_FORGET, {"its_case": case_id, "before": before})
        if not 0 <= at - self._forgot_at < _OFTEN:  # a run with thousands of domains does not look through as many files for each
            backups.forget(self._folder / "backups", before)
            self._forgot_at = at

    def backup(self, number: int) -> Backup | None:
        """The zone that was put away under this number."""
        return next(iter(self._backups(snapshots.c.id == number)), None)

    def backups(self, apex: Name | None = None) -> Sequence[Backup]:
        """The zones that were put away, of one apex or of all, oldest first."""
        return self._backups(sa.true() if apex is None else snapshots.c.apex == text(apex))

    def _backups(self, *where: sa.ColumnElement[bool]) -> Sequence[Backup]:
        query = sa.select(snapshots).where(*where).order_by(snapshots.c.id)
        with self.database.reading() as connection:
            rows = connection.execute(query).all()
        try:
            return [
                Backup(row.id, row.case_id, _moment(row.at), row.provider, row.account, _snapshot_from_json(row.payload)) for row in rows
            ]
        except DAMAGED as wrong:
            raise self._unreadable(wrong) from wrong

    # -- locks ---------------------------------------------------------------------------------------------------------

    def lock(self, what: str, whose: str) -> AbstractContextManager[Callable[[], None]]:
        """Hold a name that one process can hold at a time, such as one zone of one account; let go when the process ends.

        Raises `Busy` at once when another process holds it; `whose` says to a person what it is. What it yields raises `Busy` when it is
        held no longer, because this process stood still for too long: to be asked before what nobody else may do at the same time.
        """
        return self._locked_file(what, whose) if self._leases is None else self._leases.hold(what, whose)

    def lock_case(self, site: str, domain: Name) -> AbstractContextManager[object]:
        """Hold a case, so that nobody else on this machine works at it for nothing. On several, its sequence number alone decides."""
        if self._leases is not None:
            return nullcontext()
        return self._locked_file(_case_lock(site, domain), text(domain))

    def must_be_free(self, site: str, domain: Name) -> None:
        """Raises `Busy` when another process on this machine holds this case (`lock_case`). It is not held by whoever asks."""
        if self._leases is None and self.is_locked(_case_lock(site, domain)):
            raise _busy(text(domain))

    def is_locked(self, what: str) -> bool:
        """True when a process holds this name now."""
        if self._leases is not None:
            return self._leases.held(what) > 0
        if not self._lock_file(what).exists():
            return False
        try:
            with self.lock(what, what):
                return False
        except Busy:
            return True

    def at_work(self) -> AbstractContextManager[object]:
        """Be seen by `workers`: one of the processes that take part in every run of a shared journal."""
        assert self._leases is not None
        return self._leases.hold(f"{_AT_WORK}{uuid4().hex}", "itself")

    def workers(self) -> int:
        """How many processes take part in every run now, on whatever machine; none where the journal is not shared."""
        return self._leases.held(_AT_WORK) if self._leases is not None else 0

    @contextmanager
    def _locked_file(self, what: str, whose: str) -> Iterator[Callable[[], None]]:
        path = self._lock_file(what)
        held = FileLock(str(path), timeout=0, mode=0o600, thread_local=False)  # far less work, several times for each domain
        with self.database.speaking():
            try:
                held.acquire()
            except Timeout as taken:
                raise _busy(whose) from taken
        try:
            yield lambda: None  # a process that stands still keeps it
        finally:
            # Files of locks that nobody holds would be as many as domains. Who opened it meanwhile finds out that it is gone (filelock).
            with suppress(OSError):
                path.unlink()
            held.release()

    # -- inside --------------------------------------------------------------------------------------------------------

    def _lock_file(self, what: str) -> Path:
        return self._folder / f"{_NOT_PLAIN.sub(lambda c: f'%{ord(c[0]):02x}', what)[:200]}.lock"

    def _folded(self, connection: sa.Connection, rows: Sequence[Any]) -> Iterator[tuple[Entry, Sequence[Happened]]]:
        histories = self._histories(connection, [row.id for row in rows])
        for row in rows:
            case, history = Case(), histories.get(row.id, [])
            for happened in history:
                case = evolve(case, happened.event, happened.at, self.times)
            try:
                yield Entry(row.id, row.site, dns.name.from_text(row.domain), len(history), case), history
            except DAMAGED as wrong:
                raise self._unreadable(wrong) from wrong

    def _histories(self, connection: sa.Connection, case_ids: Sequence[int]) -> dict[int, list[Happened]]:
        query = sa.select(events).where(events.c.case_id.in_(case_ids)).order_by(events.c.case_id, events.c.seq)
        try:
            return {
                case_id: [Happened(_moment(row.at), from_json(row.code, row.version, row.payload)) for row in rows]
                for case_id, rows in groupby(connection.execute(query), attrgetter("case_id"))
            }
        except DAMAGED as wrong:
            raise self._unreadable(wrong) from wrong

    def _write_down(self, connection: sa.Connection) -> None:
        """Write down anew what the fold of every case says: after a migration, `cases` may have columns for more of it."""
        rows = connection.execute(sa.select(cases).order_by(cases.c.id)).all()
        for some in batched(rows, _AT_ONCE):
            for entry, _history in self._folded(connection, some):
                connection.execute(sa.update(cases).where(cases.c.id == entry.id).values(_shown(entry.case)))

    def _unreadable(self, wrong: Exception) -> JournalError:
        said = visible(str(wrong))[:LONGEST]
        return JournalError(f"the journal {self.database.shown} cannot be read: {said}", "Update wixsend, or restore the file from a copy.")


_NOT_PLAIN = re.compile(r"[^A-Za-z0-9._-]")
"""What a file's name is not to have."""


def _case_lock(site: str, domain: Name) -> str:
    return f"case-{site}-{text(domain)}"


def _busy(whose: str) -> Busy:
    return Busy(f"another wixsend process is working on {whose}", "Let it finish; wixsend status shows where it is.")


def _same_but_for_the_time(one: Case, other: Case) -> bool:
    return replace(one, at=other.at, due=other.due) == other


def _begun(site: str, domain: str) -> dict[str, Any]:
    """The row of a case to which nothing has happened yet."""
    return {"site": site, "domain": domain, "seq": 0, **_NOTHING_YET}


def _shown(case: Case) -> dict[str, Any]:
    """What the fold says, as columns."""
    return {
        "stage": case.stage.value,
        "at": case.at,
        "due": case.due,
        "apex": text(case.apex),
        "provider": case.provider,
        "account": case.account,
        "code": case.stop.error if case.stop is not None and case.stage is Stage.STOPPED else "",
    }


def _told(event: Event) -> dict[str, Any]:
    """The event, as columns."""
    return {"code": event.code, "version": event.version, "payload": to_json(event)}


_SHOW = (
    sa.update(cases).where(cases.c.id == sa.bindparam("its_case")).values({name: sa.bindparam(name) for name in ("seq", *_shown(Case()))})
)
"""What the fold says of a case, put into its columns."""

_NEIGHBOURS = sa.select(cases).where(cases.c.apex == sa.bindparam("its_apex"), cases.c.id != sa.bindparam("its_case")).order_by(cases.c.id)
"""Asked once for each domain: a query that is made once is compared with those that are known once."""

_newest = sa.select(sa.func.max(snapshots.c.id)).where(snapshots.c.case_id == sa.bindparam("its_case")).scalar_subquery()
_FORGET = sa.delete(snapshots).where(
    snapshots.c.at < sa.bindparam("before"), snapshots.c.case_id == sa.bindparam("its_case"), snapshots.c.id != _newest
)

_NOTHING_YET = _shown(Case()) | {"apex": ""}


def _moment(at: object) -> float:
    """Seconds since the epoch, between the years 1 and 9999; `ValueError` for what no clock says."""
    if isinstance(at, int | float) and 0 <= at < 253402300800:
        return float(at)
    raise ValueError(f"{at!r} is no moment")


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
                {"owner": r.owner.to_text(), "type": r.rtype, "rdata": r.rdata, "ttl": r.ttl, "masked": r.masked}
                | ({} if r.notes is None else {"notes": dict(r.notes)})
                for r in snapshot.records
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
        records=tuple(kept_record(r["owner"], r["type"], r["rdata"], r["ttl"], r["masked"], r.get("notes")) for r in kept["records"]),
        covers=WHOLE if kept["covers"] == "whole" else frozenset(kept_name(name) for name in kept["covers"]),
        baggage=baggage,
        total=total,
    )
