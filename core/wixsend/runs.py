"""Floor 4. Bulk runs in the journal: what was asked for, row by row, and questions about many cases that fold none of them.

A row points to the case of its domain and site. Taking the same file in again adds what is new in it, and nothing twice.
"""

import json
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import IntEnum
from itertools import batched
from typing import Any, NamedTuple

import sqlalchemy as sa

from wixsend.errors import Busy, ConfigError, Refused
from wixsend.events import Reopened
from wixsend.flow import EARLY, EFFECTS, RESTARTS, Case, Effect, Stage
from wixsend.journal import Entry, Happened, Journal
from wixsend.names import Name, absolute
from wixsend.sheet import Row, Sheet
from wixsend.tables import cases, events, rows, runs

__all__ = [
    "AT_HOST",
    "BEFORE_HOST",
    "ENDED",
    "HELD_UP",
    "LIVE",
    "MOST",
    "Filed",
    "Group",
    "Lane",
    "Left",
    "Ready",
    "Ref",
    "Run",
    "Runs",
    "TakenIn",
    "Terms",
    "Turn",
]

AT_HOST: frozenset[Stage] = frozenset({Stage.PLANNING, Stage.AGREEING, Stage.WRITING})
"""The stages at which a domain needs the account at its host."""

ENDED: frozenset[Stage] = frozenset(stage for stage, effect in EFFECTS.items() if effect is Effect.REST)
LIVE: frozenset[Stage] = frozenset(Stage) - ENDED
"""The stages at which something is still to be done."""

BEFORE_HOST: frozenset[Stage] = frozenset({Stage.ASKING, Stage.GENERATING, Stage.LOCATING})
"""The stages at which the account at the host is not known yet."""

MOST = 2000
"""Rows that are handed out with one question."""


@dataclass(frozen=True, slots=True)
class Terms:
    """What a person agreed to for a whole run: as `--dmarc`, `--replace` and `--accept-loss` say it for one domain."""

    dmarc: str = ""
    replace: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Run:
    """A run: its name, the file that it came from, when it began, whether a person cancelled it, the file's headings, the terms.

    `digest` is of what was last taken in, as whoever took it in made it.
    """

    id: int
    name: str
    source: str
    at: float
    cancelled: bool
    columns: tuple[str, ...]
    terms: Terms
    digest: str = ""

    @property
    def lock(self) -> str:
        """The name that the process which drives it holds."""
        return f"run-{self.id}"


class Turn(IntEnum):
    """Who goes first where not everybody can: everything is written before anything is waited for, so that all wait together."""

    HOST = 0
    FIRST = 1
    THEN = 2


class Lane(NamedTuple):
    """What rows queue for: an account at a host, or their site at Wix, before their records are written or afterwards."""

    turn: Turn
    host: str
    whose: str


@dataclass(frozen=True, slots=True)
class Ref:
    """A row, and where its case stands: enough to go on with it. `host` and `at_account` are where its zone was found.

    `seq` is the number of the case's last event; 0 where nothing has happened to it yet.
    """

    number: int
    line: int
    case_id: int
    site: str
    domain: Name
    wix: str
    provider: str
    account: str
    dmarc: str
    stage: Stage
    due: float
    host: str = ""
    at_account: str = ""
    seq: int = 0

    @property
    def lane(self) -> Lane:
        """What it queues for."""
        if self.stage in AT_HOST:
            return Lane(Turn.HOST, self.host, self.at_account)
        return Lane(Turn.FIRST if self.stage in BEFORE_HOST else Turn.THEN, "", self.site)


@dataclass(frozen=True, slots=True)
class Ready:
    """A case that can be gone on with: the number of its last event, and whether it is at the account of its host."""

    case_id: int
    domain: str
    seq: int
    at_host: bool


@dataclass(frozen=True, slots=True)
class Filed:
    """A row with everything that is known of its domain, for a report. `cells` are the input's, by their heading."""

    number: int
    line: int
    cells: Mapping[str, str]
    entry: Entry
    history: Sequence[Happened] = ()


@dataclass(frozen=True, slots=True)
class TakenIn:
    """What taking a file in has changed: rows that are new, that have another order than before, that are no longer in the file.

    `shared` are names of other runs with the number of domains that they have in common with this one.
    """

    run: Run
    new: int
    changed: int
    gone: int
    shared: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Group:
    """Rows at one stage, stopped by one cause, at one host; `held` are those that a failure holds up before anything was written."""

    stage: Stage
    code: str
    host: str
    account: str
    count: int
    held: bool = False


@dataclass(frozen=True, slots=True)
class Left:
    """Of what is still to be done and not held up: the rows of the site that has most of them, and since when the latest is waited for.

    `latest` is 0 where none waits for DNS or Wix, and while others are still to be written, when it tells nothing.
    """

    at_one_site: int
    latest: float


class Runs:
    """The runs of a journal. Raises `JournalError`."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._database = journal.database

    def all(self) -> list[Run]:
        """Every run, oldest first."""
        with self._database.reading() as connection:
            return [_run(row) for row in connection.execute(sa.select(runs).order_by(runs.c.id))]

    def get(self, name: str) -> Run:
        """The run of this name. Raises `ConfigError` that lists those that there are."""
        found = self.find(name)
        if found is None:
            known = ", ".join(run.name for run in self.all()) or "none"
            raise ConfigError(f"there is no bulk run {name!r} (there are: {known})", "Begin one with: wixsend bulk run FILE")
        return found

    def find(self, name: str) -> Run | None:
        """The run of this name, or `None`."""
        with self._database.reading() as connection:
            row = connection.execute(sa.select(runs).where(runs.c.name == name)).one_or_none()
        return None if row is None else _run(row)

    def new_in(self, name: str, sheet: Sheet, sites: Sequence[str]) -> int:
        """How many of a sheet's domains, each on its site, are not in the run of this name yet."""
        new = {(site, row.domain.ascii) for site, row in zip(sites, sheet.rows, strict=True)}
        query = sa.select(cases.c.site, cases.c.domain).join(rows, rows.c.case_id == cases.c.id).join(runs, runs.c.id == rows.c.run_id)
        with self._database.reading() as connection:
            new.difference_update(map(tuple, connection.execute(query.where(runs.c.name == name))))
        return len(new)

    # -- taking in -----------------------------------------------------------------------------------------------------

    def take_in(self, name: str, source: str, sheet: Sheet, sites: Sequence[str], terms: Terms, now: float, digest: str = "") -> TakenIn:
        """Put a sheet into the run of this name, which is begun when there is none; `sites` are those of the sheet's rows, in their order.

        Cases of new rows that had ended without success, and cases whose order is another one now, begin anew; with other terms, those
        that were refused, and those that keep something which the terms may let go. Raises `ConfigError` when the run was begun from
        another file.
        """
        before = self.find(name)
        run = self._begun(name, source, sheet, terms, now)
        with self._database.alone(_TAKING_IN) as connection:
            compared = _compared(connection, run, sheet, sites)
            for some in batched(compared.moved, _AT_ONCE):
                connection.execute(_MOVE, [{"run": run.id, "moved": case_id, **_columns(sheet, place)} for case_id, place in some])
            self._journal.begin_cases(connection, ((sites[place], sheet.rows[place].domain.ascii) for place in compared.new))
            for some in batched(enumerate(compared.new, compared.last + 1), _AT_ONCE):
                connection.execute(_ADD, [_added(run, number, sites[place], sheet, place) for number, place in some])
            shared = self._shared(connection, run)
        self.reopen(self.case_ids(run, rows.c.number > compared.last, _ENDED_BADLY), {Stage.STOPPED, Stage.UNDONE}, now)
        self.reopen(compared.changed, LIVE | {Stage.STOPPED, Stage.UNDONE}, now)
        if before is not None and before.terms != terms:
            held = self.case_ids(run, rows.c.number <= compared.last)
            self.reopen(held, {Stage.STOPPED}, now, {Refused.code})
            self.reopen(held, LIVE, now, when=lambda case: bool(case.kept))
        with self._database.writing() as connection:
            connection.execute(sa.update(runs).where(runs.c.id == run.id).values(digest=digest))
        return TakenIn(run, len(compared.new), len(compared.changed), compared.gone, shared)

    def reopen(
        self,
        case_ids: Sequence[int],
        stages: Collection[Stage],
        now: float,
        codes: Collection[str] = (),
        when: Callable[[Case], bool] = lambda _case: True,
    ) -> int:
        """Begin those of these cases anew that stand at one of the stages, stopped with one of the codes where any are given.

        `when` says no to some of them. Returns how many.
        """
        count = 0
        for some in batched(case_ids, _AT_ONCE):
            where = [cases.c.id.in_(some), cases.c.stage.in_([stage.value for stage in stages])]
            for entry in self._journal.entries(*where, *([cases.c.code.in_(codes)] if codes else [])):
                count += self._begun_anew(entry, lambda case: case.stage in stages and when(case), now)
        return count

    def _begun_anew(self, entry: Entry, fits: Callable[[Case], bool], now: float) -> bool:
        while fits(entry.case):
            try:
                self._journal.append(entry, Reopened(), now)
            except Busy:  # a worker went on with it meanwhile
                entry = self._journal.entry(entry.id)
            else:
                return True
        return False

    def cancel(self, run: Run, cancelled: bool) -> None:
        """Say that nothing more is to be begun, or that it goes on."""
        with self._database.writing() as connection:
            connection.execute(sa.update(runs).where(runs.c.id == run.id).values(cancelled=cancelled))

    # -- what is to be done --------------------------------------------------------------------------------------------

    def due(self, run: Run, now: float, depth: int) -> list[Ref]:
        """Rows that can be gone on with now, at most `depth` of each lane: those that waited least first, lanes in turn."""
        place = sa.func.row_number().over(partition_by=_LANE, order_by=(cases.c.due, rows.c.number)).label("place")
        found = _refs(place).where(rows.c.run_id == run.id, cases.c.stage.in_(_values(LIVE)), cases.c.due <= now).subquery()
        query = sa.select(found).where(found.c.place <= depth).order_by(found.c.place, found.c.number).limit(MOST)
        with self._database.reading() as connection:
            return [_ref(row) for row in connection.execute(query)]

    def ready(self, now: float, depth: int) -> list[Ready]:
        """Cases of whatever run that can be gone on with now, at most `depth` of each lane: lanes in turn, in each by the time."""
        place = sa.func.row_number().over(partition_by=_LANE, order_by=(cases.c.due, cases.c.id)).label("place")
        wanted = sa.exists().where(rows.c.case_id == cases.c.id, rows.c.run_id == runs.c.id, ~runs.c.cancelled)
        live = (cases.c.stage.in_(_values(LIVE)), cases.c.due <= now)
        found = sa.select(cases.c.id, cases.c.domain, cases.c.seq, cases.c.stage, place).where(*live, wanted).subquery()
        query = sa.select(found).where(found.c.place <= depth).order_by(found.c.place, found.c.id).limit(MOST)
        with self._database.reading() as connection:
            return [Ready(row.id, row.domain, row.seq, Stage(row.stage) in AT_HOST) for row in connection.execute(query)]

    def wants(self, case_id: int) -> tuple[Run, Ref] | None:
        """The row of a case that something is still to be done for, in the newest run that wants it; `None` where there is none."""
        mine = _refs(*runs.c).join(runs, runs.c.id == rows.c.run_id)
        query = mine.where(cases.c.id == case_id, cases.c.stage.in_(_values(LIVE)), ~runs.c.cancelled).order_by(runs.c.id.desc()).limit(1)
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        return None if row is None else (_run(row), _ref(row))

    def is_live(self, run: Run) -> bool:
        """True when something of the run is still to be done, now or later."""
        query = sa.select(rows.c.number).join(cases, rows.c.case_id == cases.c.id)
        with self._database.reading() as connection:
            found = connection.execute(query.where(rows.c.run_id == run.id, cases.c.stage.in_(_values(LIVE))).limit(1))
            return found.first() is not None

    def is_ahead(self, now: float) -> bool:
        """True when something happened to a case after this moment: the clock was set back."""
        with self._database.reading() as connection:
            return connection.execute(sa.select(cases.c.id).where(cases.c.at > now).limit(1)).first() is not None

    def next_due(self, now: float) -> float | None:
        """When the next case that waits can be gone on with, of whatever run; `None` when nothing waits."""
        firsts = [
            sa.select(sa.func.min(cases.c.due)).where(cases.c.stage == stage, cases.c.due > now).scalar_subquery()
            for stage in _values(LIVE)
        ]
        with self._database.reading() as connection:
            found = connection.execute(sa.select(*firsts)).one()
        return min((moment for moment in found if moment is not None), default=None)

    def refs(self, run: Run, *where: sa.ColumnElement[bool]) -> list[Ref]:
        """The run's rows in their order, or those that the conditions select."""
        query = _refs().where(rows.c.run_id == run.id, *where).order_by(rows.c.number)
        with self._database.reading() as connection:
            return [_ref(row) for row in connection.execute(query)]

    def case_ids(self, run: Run, *where: sa.ColumnElement[bool]) -> list[int]:
        """The numbers of the run's cases, or of those that the conditions select."""
        query = sa.select(rows.c.case_id).join(cases, rows.c.case_id == cases.c.id).where(rows.c.run_id == run.id, *where)
        with self._database.reading() as connection:
            return list(connection.execute(query).scalars())

    # -- what has become of it -----------------------------------------------------------------------------------------

    def groups(self, run: Run) -> list[Group]:
        """How many rows stand where."""
        by = (cases.c.stage, cases.c.code, cases.c.provider, cases.c.account, _LATER)
        query = sa.select(*by, sa.func.count()).join(rows, rows.c.case_id == cases.c.id).where(rows.c.run_id == run.id).group_by(*by)
        counts = Counter[tuple[Stage, str, str, str, bool]]()
        with self._database.reading() as connection:
            for stage, code, host, account, later, count in connection.execute(query):
                counts[Stage(stage), code, host, account, bool(later) and stage in EARLY] += count
        return [Group(stage, code, host, account, count, held) for (stage, code, host, account, held), count in counts.items()]

    def left(self, run: Run) -> Left:
        """What the end of the run depends on, beside its groups."""
        mine = (rows.c.run_id == run.id, cases.c.stage.in_(_values(LIVE)), sa.not_(HELD_UP))
        by_site = sa.select(sa.func.count().label("count")).join(rows, rows.c.case_id == cases.c.id).where(*mine).group_by(cases.c.site)
        before = cases.c.stage.in_(_values(AT_HOST | BEFORE_HOST))
        unwritten = sa.select(cases.c.id).join(rows, rows.c.case_id == cases.c.id).where(*mine, before).limit(1)
        begun = (events.c.case_id == cases.c.id, events.c.code.in_([kind.code for kind in RESTARTS]))
        latest = sa.select(sa.func.max(events.c.at)).join(cases, begun[0]).join(rows, rows.c.case_id == cases.c.id)
        with self._database.reading() as connection:
            busiest = connection.execute(sa.select(sa.func.max(by_site.subquery().c.count))).scalar() or 0
            if connection.execute(unwritten).first() is not None:
                return Left(busiest, 0.0)
            return Left(busiest, connection.execute(latest.where(*mine, *begun, cases.c.provider != "")).scalar() or 0.0)

    def filed(self, run: Run, *where: sa.ColumnElement[bool]) -> Iterator[Filed]:
        """The run's rows in their order with their cases, or those that the conditions select; read a few at a time."""
        query = sa.select(rows).join(cases, rows.c.case_id == cases.c.id).where(rows.c.run_id == run.id, *where).order_by(rows.c.number)
        with self._database.reading() as connection:
            found = connection.execute(query).all()
        for some in batched(found, _AT_ONCE):
            told = {entry.id: (entry, history) for entry, history in self._journal.told(cases.c.id.in_([row.case_id for row in some]))}
            yield from (Filed(row.number, row.line, json.loads(row.cells), *told[row.case_id]) for row in some)

    # -- inside --------------------------------------------------------------------------------------------------------

    def _begun(self, name: str, source: str, sheet: Sheet, terms: Terms, now: float) -> Run:
        """The run as it is from now on."""
        found = self.find(name)
        if found is not None and found.source != source:
            raise ConfigError(
                f"the bulk run {name!r} was begun from {found.source}, and this is {source}", "Give this one another name: --name NAME"
            )
        headings = list(dict.fromkeys((*sheet.columns, *(found.columns if found else ()))))
        told = {"digest": "", "cancelled": False, "columns": json.dumps(headings), "terms": json.dumps(asdict(terms))}
        with self._database.alone(_TAKING_IN) as connection:
            there = connection.execute(sa.update(runs).where(runs.c.name == name).values(told)).rowcount
            if not there:
                connection.execute(sa.insert(runs).values(name=name, source=source, at=now, **told))
        return self.get(name)

    def _shared(self, connection: sa.Connection, run: Run) -> dict[str, int]:
        mine, theirs = rows.alias(), rows.alias()
        query = (
            sa.select(runs.c.name, sa.func.count())
            .select_from(mine.join(theirs, mine.c.case_id == theirs.c.case_id).join(runs, runs.c.id == theirs.c.run_id))
            .where(mine.c.run_id == run.id, theirs.c.run_id != run.id)
            .group_by(runs.c.name)
        )
        return {row[0]: row[1] for row in connection.execute(query)}


_LATER = cases.c.due > cases.c.at
HELD_UP = sa.and_(cases.c.stage.in_(sorted(stage.value for stage in EARLY)), _LATER)
"""The cases of which nothing was written, and that something holds up: there only a failure makes anybody wait."""

_AT_ONCE = 500
_TAKING_IN = 5
"""What one process at a time does (`Database.alone`): take a sheet in."""

_ORDER = ("wix", "provider", "account", "dmarc")
_COLUMNS = ("line", *_ORDER, "cells")


_ADD = sa.insert(rows).from_select(
    ["run_id", "number", "case_id", *_COLUMNS],
    sa.select(
        sa.bindparam("run", type_=sa.Integer),
        sa.bindparam("place", type_=sa.Integer),
        cases.c.id,
        *(sa.bindparam(f"new_{name}", type_=rows.c[name].type) for name in _COLUMNS),
    ).where(cases.c.site == sa.bindparam("at"), cases.c.domain == sa.bindparam("of")),
)
_MOVE = (
    sa.update(rows)
    .where(rows.c.run_id == sa.bindparam("run"), rows.c.case_id == sa.bindparam("moved"))
    .values({name: sa.bindparam(f"new_{name}") for name in _COLUMNS})
)


@dataclass(frozen=True, slots=True)
class _Compared:
    """A sheet beside what its run has: the places of rows that are `new`, of those that are `moved` with their cases, the cases whose order
    is `changed`, how many rows are `gone`, and the number of the `last`."""

    new: Sequence[int]
    moved: Sequence[tuple[int, int]]
    changed: Sequence[int]
    gone: int
    last: int


def _compared(connection: sa.Connection, run: Run, sheet: Sheet, sites: Sequence[str]) -> _Compared:
    """Compare, reading what the run has row by row."""
    left = {(site, row.domain.ascii): place for place, (site, row) in enumerate(zip(sites, sheet.rows, strict=True))}
    moved: list[tuple[int, int]] = []
    changed: list[int] = []
    gone = last = 0
    query = sa.select(cases.c.site, cases.c.domain, rows.c.case_id, rows.c.number, *(rows.c[name] for name in (*_ORDER, "line", "cells")))
    query = query.join(cases, rows.c.case_id == cases.c.id).where(rows.c.run_id == run.id).execution_options(yield_per=_AT_ONCE)
    for site, domain, case_id, number, *held in connection.execute(query):
        last = max(last, number)
        place = left.pop((site, domain), None)
        if place is None:
            gone += 1
            continue
        row = sheet.rows[place]
        order = [row.wix, row.provider, row.account, row.dmarc]
        if order != held[: len(order)]:
            changed.append(case_id)
        if [*order, row.line, _cells(sheet, row)] != held:
            moved.append((case_id, place))
    return _Compared([*left.values()], moved, changed, gone, last)


def _added(run: Run, number: int, site: str, sheet: Sheet, place: int) -> dict[str, Any]:
    return {"run": run.id, "place": number, "at": site, "of": sheet.rows[place].domain.ascii, **_columns(sheet, place)}


def _columns(sheet: Sheet, place: int) -> dict[str, Any]:
    """What a sheet's row puts into its row of the table."""
    row = sheet.rows[place]
    return {"new_line": row.line, **{f"new_{name}": getattr(row, name) for name in _ORDER}, "new_cells": _cells(sheet, row)}


def _cells(sheet: Sheet, row: Row) -> str:
    """The row's cells by their heading."""
    return json.dumps(dict(zip(sheet.columns, row.cells, strict=True)), ensure_ascii=False)


def _values(stages: Collection[Stage]) -> list[str]:
    return sorted(stage.value for stage in stages)


_ENDED_BADLY = cases.c.stage.in_(_values({Stage.STOPPED, Stage.UNDONE}))

_LANE = sa.case(
    (cases.c.stage.in_(_values(AT_HOST)), "host/" + cases.c.provider + "/" + cases.c.account),
    (cases.c.stage.in_(_values(BEFORE_HOST)), "first/" + cases.c.site),
    else_="then/" + cases.c.site,
)
"""`Ref.lane`, for the database."""


def _refs(*more: sa.ColumnElement[Any]) -> sa.Select[Any]:
    host = (cases.c.provider.label("host"), cases.c.account.label("at_account"))
    case = (cases.c.site, cases.c.domain, cases.c.stage, cases.c.due, cases.c.seq, *host)
    row = (rows.c.number, rows.c.line, rows.c.case_id, rows.c.wix, rows.c.provider, rows.c.account, rows.c.dmarc)
    return sa.select(*row, *case, *more).join(cases, rows.c.case_id == cases.c.id)


def _ref(row: Any) -> Ref:
    order = (row.wix, row.provider, row.account, row.dmarc)
    name = absolute(row.domain)
    return Ref(row.number, row.line, row.case_id, row.site, name, *order, Stage(row.stage), row.due, row.host, row.at_account, row.seq)


def _run(row: Any) -> Run:
    told = json.loads(row.terms)
    terms = Terms(told["dmarc"], tuple(told["replace"]), tuple(told["accept"]))
    return Run(row.id, row.name, row.source, row.at, bool(row.cancelled), tuple(json.loads(row.columns)), terms, row.digest)
