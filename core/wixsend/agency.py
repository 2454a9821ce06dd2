"""Floor 6. The commands of `wixsend bulk`: many domains from a list. Every function returns the exit code of what it found.

A yes to a run is a yes to add what Wix wants for each of its domains, and to let go of nothing but what its options name; what stands
in the way of one domain stops that one.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

from wixsend import runreport, tally
from wixsend.board import Board
from wixsend.bulk import IN_FLIGHT, Common, Driver, Hops, Watch, agreed, bug_of, order_of
from wixsend.engine import Engine, Preview, Update
from wixsend.errors import BadDomain, Busy, ConfigError, JournalError, NotVisible, Refused, SomeFailed, WixsendError
from wixsend.events import Stopped
from wixsend.flow import Stage
from wixsend.folder import append_private
from wixsend.forecast import Look, Wanted, look_ahead
from wixsend.layout import Styled, count
from wixsend.lists import Listed, digest_of, read, routed, source_of
from wixsend.locate import Outside
from wixsend.mend import Mender
from wixsend.names import absolute, owner_in, text
from wixsend.runs import ENDED, HELD_UP, Filed, Ref, Run, Runs, Terms
from wixsend.session import Session, state_folder
from wixsend.tables import cases
from wixsend.terminal import Terminal
from wixsend.worker import Worker
from wixsend.zonepages import ZonePages

__all__ = ["Asked", "cancel", "check", "report", "retry", "run", "status", "undo", "worker"]

_LISTING = 20
"""From so many domains on, an account's listing is worth its calls."""


# -- check -------------------------------------------------------------------------------------------------------------


async def check(session: Session, terminal: Terminal, file: str, terms: Terms, *, zones: bool) -> int:
    """`wixsend bulk check`: what a run would need, and what will need a person. Writes nothing, the journal included.

    With `zones`, each is read, and judged as it will be before it is written.
    """
    listed = routed(session, file, read(file))
    if not terminal.json:
        terminal.show(tally.faults_blocks(listed.source, listed.sheet))
    session.holdings.lists = len(listed.sheet.rows) >= _LISTING
    look = _look(session, listed, _sound(terms)) if zones else None
    forecast = await look_ahead(listed.wanted, session, session.plugins, session.budgets, _counted(terminal, len(listed.sheet.rows)), look)
    if terminal.json:
        terminal.result(tally.forecast_json(listed.source, listed.sheet, forecast, time.time()))
    else:
        terminal.show([Styled(""), *tally.forecast_blocks(forecast, time.time(), session.config.times)])
    return SomeFailed.exit_code if listed.sheet.faults or forecast.in_need else 0


def _look(session: Session, listed: Listed, terms: Terms) -> Look:
    """Makes the plan of one domain, as a run with these terms would."""
    run = Run(0, "", listed.source, session.now(), False, listed.sheet.columns, terms)

    async def look(want: Wanted, outside: Outside) -> Preview:
        order = (want.wix, want.provider, want.account, want.dmarc)
        ref = Ref(0, want.line, 0, want.site, want.domain.name, *order, Stage.ASKING, 0.0)
        return await Engine(order_of(run, ref, _common(session)), outside, session.journal, session.config.times).preview()

    return look


def _sound(terms: Terms) -> Terms:
    """The terms. Raises `BadDomain` for a name that is none."""
    for name in terms.replace:
        try:
            owner_in(name, absolute("example"))
        except ValueError as wrong:
            raise BadDomain(f"--replace: {wrong}", "Name an owner, such as s1._domainkey, which is meant at each domain.") from wrong
    return terms


def _counted(terminal: Terminal, total: int) -> Callable[[int], None]:
    """Says every few seconds how far a look at many domains has come."""
    told_at = time.monotonic()

    def tell(done: int) -> None:
        nonlocal told_at
        if time.monotonic() - told_at >= 5.0:
            told_at = time.monotonic()
            terminal.tell(f"{done:,} of {total:,} done")

    return tell


# -- run ---------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line says beside the file: the run's name, its terms, and how to go about it."""

    name: str = ""
    terms: Terms = field(default_factory=Terms)
    skip_bad: bool = False
    yes: bool = False
    wait: bool = True


async def run(session: Session, terminal: Terminal, file: str, asked: Asked) -> int:
    """`wixsend bulk run`: everything, for every domain of the list; the same command goes on where it was."""
    runs = Runs(session.journal)
    name = asked.name or ("stdin" if file == "-" else Path(file).stem)
    data, terms = read(file), _sound(asked.terms)
    digest, before = digest_of(session, data, skip_bad=asked.skip_bad), runs.find(name)
    if before is not None and (before.source, before.digest, before.terms) == (source_of(file), digest, terms):
        terminal.tell(f"run {name}: {before.source} is as it was taken in")
        runs.cancel(before, cancelled=False)
        return await _drive(session, terminal, before, wait=asked.wait)
    listed = routed(session, file, data)
    terminal.tell(*tally.faults_blocks(listed.source, listed.sheet))
    if listed.sheet.faults and not asked.skip_bad:
        raise ConfigError(
            f"{count(len(listed.sheet.faults), 'line')} of the list cannot be worked on; nothing was begun",
            "Mend them, or go on without them: --skip-bad",
        )
    if not listed.sheet.rows:
        raise ConfigError("the list has no domain that can be worked on", "wixsend bulk check FILE says why.")
    await _agree(session, terminal, runs, name, listed, asked)
    taken = runs.take_in(name, listed.source, listed.sheet, listed.sites, terms, session.now(), digest)
    terminal.tell(*tally.taken_in_blocks(taken))
    return await _drive_or_leave(session, terminal, taken.run, wait=asked.wait)


async def _agree(session: Session, terminal: Terminal, runs: Runs, name: str, listed: Listed, asked: Asked) -> None:
    """Get a yes to what nobody has agreed to yet: domains that are new, and other terms. Raises `Refused` without one."""
    new = runs.new_in(name, listed.sheet, listed.sites)
    before = runs.find(name)
    if not new and before is not None and before.terms == asked.terms:
        return
    question = (
        f"Add the records that Wix wants for {count(new, 'new domain')} of {len(listed.sheet.rows):,}, and let Wix authenticate them?"
    )
    if asked.terms.replace or asked.terms.dmarc == "replace":
        question = f"{question[:-1]}, replacing what the options name?"
    if asked.yes:
        terminal.tell(f"{question} (--yes)")
        return
    if not terminal.interactive:
        raise Refused("nothing was begun: there is no terminal to ask on, and no --yes", "See wixsend bulk check; then run it with --yes.")
    _list_zones(session, len(listed.sheet.rows))
    forecast = await look_ahead(listed.wanted, session, session.plugins, session.budgets, _counted(terminal, len(listed.sheet.rows)))
    terminal.tell(*tally.forecast_blocks(forecast, time.time(), session.config.times))
    if not terminal.confirm(question):
        raise Refused("nobody agreed; nothing was begun", "Run the command again, or with --yes.")


async def _drive(session: Session, terminal: Terminal, run: Run, *, wait: bool) -> int:
    """Drive the run, show it, and say how it ended."""
    runs, journal = Runs(session.journal), session.journal
    _list_zones(session, sum(group.count for group in runs.groups(run)))
    with Board(terminal, runs, run, session) as board:
        async with _refreshed(board):
            if journal.database.shared:
                await _take_part(session, terminal, runs, run, board, wait=wait)
            else:
                await Driver(run, _hops(session, run, board.watch), session, journal).drive(wait=wait)
    return _ended(session, terminal, runs, runs.get(run.name))


async def _drive_or_leave(session: Session, terminal: Terminal, run: Run, *, wait: bool) -> int:
    """Drive the run, or leave what has come into it to the process that drives it already."""
    try:
        return await _drive(session, terminal, run, wait=wait)
    except Busy as busy:
        terminal.tell(f"{busy.happened}: it goes on with them. See wixsend bulk status {run.name}.")
        return 0


async def _take_part(session: Session, terminal: Terminal, runs: Runs, run: Run, board: Board, *, wait: bool) -> None:
    """Work beside whoever else does until nothing of this run is to be done any more, or without `wait` until what is left has to wait."""

    def over() -> bool:
        return runs.get(run.name).cancelled or not (runs.is_live(run) if wait else runs.due(run, session.now(), 1))

    def hops(other: Run) -> Hops:
        return _hops(session, other, board.watch if other.id == run.id else None)

    await Worker(session, session.journal, hops, terminal.tell).work(over)


def _list_zones(session: Session, domains: int) -> None:
    """Let each account list its zones where so many domains are worth it; what it lists is for every process that shares the journal."""
    if domains >= _LISTING:
        session.holdings.lists = True
        session.holdings.kept = ZonePages(session.journal.database)


def _hops(session: Session, run: Run, watch: Watch | None) -> Hops:
    return Hops(run, session, session.journal, _common(session), _log(session), watch)


@asynccontextmanager
async def _refreshed(board: Board) -> AsyncIterator[None]:
    """The board, looked after while something else is done."""

    async def look() -> None:
        while True:
            seconds = await board.refresh()
            await asyncio.sleep(seconds)

    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        with suppress(asyncio.CancelledError):
            await looking


def _common(session: Session) -> Common:
    return Common(session.known_targets, session.config.settings.policy.dmarc or "keep")


def _log(session: Session) -> Callable[[Exception], str]:
    """Puts a bug's traceback, redacted, into the log; says where."""
    import traceback

    def write(bug: Exception) -> str:
        path = state_folder(session.config) / "wixsend.log"
        append_private(path, session.redactor.told("".join(traceback.format_exception(bug))) + "\n")
        return str(path)

    return write


def _ended(session: Session, terminal: Terminal, runs: Runs, run: Run) -> int:
    """Say where the run stands; raise `SomeFailed` when some of it failed."""
    _show_status(session, terminal, runs, run)
    sums = tally.tally(runs.groups(run))
    if sums.failed:
        raise SomeFailed(
            f"{sums.failed:,} of {sums.rows:,} domains failed; {sums.done:,} are authenticated",
            f"wixsend bulk report {run.name} says why, domain by domain; wixsend bulk retry {run.name} takes them up again.",
        )
    return 0 if sums.over else NotVisible.exit_code


def _show_status(session: Session, terminal: Terminal, runs: Runs, run: Run) -> None:
    standing = _standing(session, runs, run)
    if not terminal.json:
        terminal.show(tally.status_blocks(standing, session.now()))
    else:
        terminal.line(tally.status_json(standing))


def _standing(session: Session, runs: Runs, run: Run) -> tally.Standing:
    """Where a run stands."""
    journal, now, groups = session.journal, session.now(), runs.groups(run)
    sums = tally.tally(groups)
    return tally.Standing(
        run,
        sums,
        causes=tally.causes(runs.filed(run, cases.c.stage == Stage.STOPPED.value)) if sums.failed else [],
        hands=tally.by_hand(runs.filed(run, cases.c.stage == Stage.PROVING.value, cases.c.provider == "")) if sums.by_hand else [],
        troubles=tally.held_up(runs.filed(run, HELD_UP), now, session.config.times) if sums.working else [],
        ending=None if sums.over else tally.ending(groups, runs.left(run), session.plugins, {}, now, session.config.times.give_up),
        next_look=runs.next_due(now),
        due=bool(runs.due(run, now, 1)),
        driven=journal.workers() > 0 if journal.database.shared else journal.is_locked(run.lock),
    )


async def worker(session: Session, terminal: Terminal) -> int:
    """`wixsend worker`: takes part in every run of a shared database until it is stopped."""
    journal = session.journal
    if not journal.database.shared:
        raise ConfigError(
            "this machine's journal is its own: there is nobody to share the work with",
            "Name a PostgreSQL database, the same on every machine: [state] database, or WIXSEND_DATABASE_URL.",
        )
    runs, told = Runs(journal), dict[int, Stage]()

    def watch(ref: Ref, update: Update) -> None:
        case = update.entry.case
        if told.get(ref.case_id) != case.stage:
            told[ref.case_id] = case.stage
            terminal.tell(Styled(f"{text(ref.domain)}: {case.stage.value}", "bad" if case.stage is Stage.STOPPED else ""))
        if case.stage in ENDED:
            told.pop(ref.case_id, None)

    def hops(run: Run) -> Hops:
        _list_zones(session, sum(group.count for group in runs.groups(run)))
        return _hops(session, run, watch)

    terminal.tell(f"working on the runs in {journal.database.shown}; Ctrl-C stops this worker, and others go on")
    await Worker(session, journal, hops, terminal.tell).work()
    return 0


# -- looking -----------------------------------------------------------------------------------------------------------


def status(session: Session, terminal: Terminal, name: str | None) -> int:
    """`wixsend bulk status`: every run, or where one stands; asks nobody."""
    runs = Runs(session.journal)
    if name is not None:
        _show_status(session, terminal, runs, runs.get(name))
        return 0
    if terminal.json:
        terminal.result([tally.status_json(_standing(session, runs, run)) for run in runs.all()])
    else:
        terminal.show(tally.runs_table([(run, tally.tally(runs.groups(run))) for run in runs.all()], session.now()))
    return 0


def report(session: Session, terminal: Terminal, name: str, form: str, output: str) -> int:
    """`wixsend bulk report`: every domain of a run, as CSV, JSON or a page."""
    runs = Runs(session.journal)
    found = runs.get(name)
    parts = _FORMS[form](session, terminal, runs, found)
    if output == "-":
        for part in parts:
            terminal.write(part)
        return 0
    try:
        # Excel takes UTF-8 for what it is only when it begins so.
        with Path(output).open("w", encoding="utf-8-sig" if form == "csv" else "utf-8", newline="") as file:
            file.writelines(parts)
    except OSError as wrong:
        raise ConfigError(f"the report {output} cannot be written: {wrong.strerror}", "Check its path and permissions.") from wrong
    terminal.tell(f"written: {output}")
    return 0


def _csv(_session: Session, terminal: Terminal, runs: Runs, run: Run) -> Iterator[str]:
    return runreport.report_csv(run, runs.filed(run), terminal.redactor.clean)


def _json(_session: Session, terminal: Terminal, runs: Runs, run: Run) -> Iterator[str]:
    yield terminal.document(runreport.report_json(run, runs.filed(run)))


def _html(session: Session, terminal: Terminal, runs: Runs, run: Run) -> Iterator[str]:
    return runreport.report_html(_standing(session, runs, run), runs.filed(run), session.now(), terminal.redactor.clean)


_FORMS: dict[str, Callable[[Session, Terminal, Runs, Run], Iterator[str]]] = {"csv": _csv, "json": _json, "html": _html}


# -- changing ----------------------------------------------------------------------------------------------------------


def cancel(session: Session, terminal: Terminal, name: str) -> int:
    """`wixsend bulk cancel`: nothing more is begun; what was written stays."""
    runs = Runs(session.journal)
    run = runs.get(name)
    runs.cancel(run, cancelled=True)
    terminal.tell(f"The run {name} is cancelled: whoever drives it stops within half a minute, and nothing more is begun.")
    terminal.tell(f"What was written stays: `wixsend bulk undo {name}` takes it back, `wixsend bulk run` goes on.")
    return 0


async def retry(session: Session, terminal: Terminal, name: str, codes: Sequence[str], *, wait: bool) -> int:
    """`wixsend bulk retry`: begins anew with what failed, and drives the run unless somebody does already."""
    runs = Runs(session.journal)
    run = runs.get(name)
    ids = runs.case_ids(run)
    number = runs.reopen(ids, {Stage.STOPPED}, session.now(), codes)
    terminal.tell(f"{count(number, 'domain')} taken up again")
    runs.cancel(run, cancelled=False)
    return await _drive_or_leave(session, terminal, run, wait=wait)


async def undo(session: Session, terminal: Terminal, name: str, *, yes: bool) -> int:
    """`wixsend bulk undo`: takes back what wixsend wrote for every domain of a run, and nothing else."""
    runs = Runs(session.journal)
    run = runs.get(name)
    with session.journal.lock(run.lock, f"the bulk run {run.name}"):
        wrote = [filed for filed in runs.filed(run) if filed.entry.case.written or filed.entry.case.intended]
        alive = sum(filed.entry.case.authenticated for filed in wrote)
        question = f"Take back what wixsend wrote for {count(len(wrote), 'domain')}"
        question += f", {alive} of them AUTHENTICATED: Wix can no longer sign their mail?" if alive else "?"
        if not yes and not terminal.interactive:
            raise Refused(f"nothing was taken back: there is no terminal to ask on, and no --yes ({question})", "Run it with --yes.")
        if not yes and not terminal.confirm(question):
            raise Refused("nobody agreed; nothing was taken back", "Run the command again, or with --yes.")
        runs.cancel(run, cancelled=True)
        if session.journal.database.shared:
            await _until_let_go(session, terminal, runs.case_ids(run))
            wrote = [filed for filed in runs.filed(run) if filed.entry.case.written or filed.entry.case.intended]
        _list_zones(session, len(wrote))
        failed = [cause for cause in await _taken_back(session, terminal, runs, run, wrote) if cause is not None]
    if terminal.json:
        told = [{"domain": domain, "code": e.code, "happened": e.happened, "next": e.next_step} for domain, e in failed]
        terminal.result({"run": name, "undone": len(wrote) - len(failed), "failed": told})
    else:
        terminal.show([Styled(f"undone: {count(len(wrote) - len(failed), 'domain')}", "good")])
        terminal.show(
            [line for domain, e in failed for line in (Styled(f"{domain}: {e.happened}", "bad"), Styled(f"  next: {e.next_step}"))]
        )
    if failed:
        raise SomeFailed(f"{len(failed)} of {len(wrote)} domains could not be taken back", f"wixsend bulk undo {name} tries them again.")
    return 0


async def _until_let_go(session: Session, terminal: Terminal, case_ids: Sequence[int]) -> None:
    """Wait until no worker has any of these cases in hand."""
    from wixsend.queue import under_way

    told = False
    while in_hand := under_way(session.journal.database, session.journal.dead_after).intersection(case_ids):
        if not told:
            terminal.tell(f"waiting for workers that have {count(len(in_hand), 'domain')} in hand")
            told = True
        await session.sleep(0.5)


async def _taken_back(
    session: Session, terminal: Terminal, runs: Runs, run: Run, wrote: Sequence[Filed]
) -> list[tuple[str, WixsendError] | None]:
    """Take back for each domain; the error of each that it could not be done for."""
    room, log, tell, done = asyncio.Semaphore(IN_FLIGHT), _log(session), _counted(terminal, len(wrote)), 0
    refs = {ref.case_id: ref for ref in runs.refs(run)}

    async def one(filed: Filed) -> tuple[str, WixsendError] | None:
        nonlocal done
        ref = refs[filed.entry.id]
        async with room:
            wrong = await attempt(ref)
            if wrong is not None:
                case, stop = filed.entry.case, Stopped(wrong.code, wrong.exit_code, wrong.happened, wrong.next_step)
                await session.holdings.stopped(case.account, case.apex, stop)
        done += 1
        tell(done)
        return None if wrong is None else (text(ref.domain), wrong)

    async def attempt(ref: Ref) -> WixsendError | None:
        try:
            outside = session.at(ref.wix, ref.site)
            await Mender(order_of(run, ref, _common(session)), outside, session.journal, session.journal.times).undo(agreed)
        except Busy as busy:
            return busy
        except JournalError:
            raise
        except WixsendError as wrong:
            return wrong
        except Exception as bug:
            return bug_of(bug, log)
        return None

    return await asyncio.gather(*(one(filed) for filed in wrote))
