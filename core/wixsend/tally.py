"""Floor 6. What a person or a program gets to see of many domains: lists, forecasts, where a run stands. Pure."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wixsend.flow import Stage, Times, tried_until
from wixsend.forecast import SETTLING, Budgets, Forecast, Outlook, Prospect, loads_left
from wixsend.layout import Block, Styled, Table, clock, count, span, stamp
from wixsend.names import text
from wixsend.plugins import Plugins
from wixsend.runs import BEFORE_HOST, LIVE, Filed, Group, Left, Run, TakenIn
from wixsend.sheet import Fault, Sheet

__all__ = [
    "EXAMPLES",
    "LINES",
    "Cause",
    "Ending",
    "Standing",
    "Tally",
    "by_hand",
    "causes",
    "causes_blocks",
    "ending",
    "ending_line",
    "faults_blocks",
    "forecast_blocks",
    "forecast_json",
    "held_up",
    "runs_table",
    "status_blocks",
    "status_json",
    "steps",
    "stops",
    "taken_in_blocks",
    "tally",
]

_SHOWN = 20
"""Lines of a list that a person is shown; a program gets all of them."""

EXAMPLES = 3


# -- where a run stands ------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Tally:
    """How many rows of a run stand where: `working` can go on now or soon, `waiting` wait for DNS or Wix, `by_hand` for a person."""

    rows: int = 0
    done: int = 0
    working: int = 0
    waiting: int = 0
    by_hand: int = 0
    failed: int = 0
    undone: int = 0
    stages: Mapping[Stage, int] = field(default_factory=dict)

    @property
    def over(self) -> bool:
        """True when nothing is left to be done."""
        return self.done + self.failed + self.undone == self.rows


_WAITING = frozenset({Stage.GENERATING, Stage.PROVING, Stage.AUTHENTICATING, Stage.CONFIRMING, Stage.FOLLOWING, Stage.AUDITING})


def tally(groups: Iterable[Group]) -> Tally:
    """The groups, added up."""
    found = dict.fromkeys(("rows", "done", "working", "waiting", "by_hand", "failed", "undone"), 0)
    stages: dict[Stage, int] = {}
    for group in groups:
        found["rows"] += group.count
        found[_heap(group)] += group.count
        stages[group.stage] = stages.get(group.stage, 0) + group.count
    return Tally(**found, stages={stage: stages[stage] for stage in Stage if stage in stages})


def _heap(group: Group) -> str:
    match group.stage:
        case Stage.DONE:
            return "done"
        case Stage.STOPPED:
            return "failed"
        case Stage.UNDONE:
            return "undone"
        case Stage.PROVING if not group.host:
            return "by_hand"
        case stage:
            return "waiting" if stage in _WAITING else "working"


@dataclass(frozen=True, slots=True)
class Cause:
    """Why some domains stopped, and the fix: one `code`, one `next_step`, in which a domain's own name is DOMAIN.

    `until` is when the last of those that are tried again stops, should it still fail; 0 where none is.
    """

    code: str
    why: str
    next_step: str
    domains: tuple[str, ...]
    until: float = 0.0


def causes(stopped: Iterable[Filed]) -> list[Cause]:
    """The stopped domains grouped by what there is to do, the largest group first."""
    told = ((text(f.entry.domain), f.entry.case.stop) for f in stopped)
    return _grouped((name, stop.error, stop.happened, stop.next_step, 0.0) for name, stop in told if stop is not None)


def _grouped(told: Iterable[tuple[str, str, str, str, float]]) -> list[Cause]:
    found: dict[tuple[str, str], tuple[str, list[tuple[str, float]]]] = {}
    for name, code, why, step, until in told:
        key = (code, step.replace(name, "DOMAIN"))
        found.setdefault(key, (why.replace(name, "DOMAIN"), []))[1].append((name, until))
    groups = [
        Cause(code, why, step, tuple(name for name, _until in each), max(until for _name, until in each))
        for (code, step), (why, each) in found.items()
    ]
    return sorted(groups, key=lambda cause: -len(cause.domains))


def by_hand(waiting: Iterable[Filed]) -> list[Cause]:
    """The domains that wait for somebody, grouped by why nobody here can write for them."""
    step = "`wixsend plan DOMAIN` prints the records to add, and so does the report; the run goes on by itself."
    return _grouped((text(f.entry.domain), "by-hand", f.entry.case.how, step, 0.0) for f in waiting)


def held_up(waiting: Iterable[Filed], now: float, times: Times) -> list[Cause]:
    """The domains at which something failed that may pass, grouped by what it was."""
    told = ((text(f.entry.domain), f.entry.case.stumble, tried_until(f.entry.case, now, times)) for f in waiting)
    return _grouped((name, failed.error, failed.happened, failed.next_step, until) for name, failed, until in told if failed is not None)


def causes_blocks(groups: Sequence[Cause], style: str = "bad") -> list[Block]:
    """Each cause with its domains and the fix."""
    blocks: list[Block] = []
    for cause in groups:
        names = ", ".join(cause.domains[:EXAMPLES]) + (
            f" and {len(cause.domains) - EXAMPLES} more" if len(cause.domains) > EXAMPLES else ""
        )
        blocks += [Styled(f"{count(len(cause.domains), 'domain')}: {cause.code}: {names}", style)]
        blocks += [Styled(f"  {line.strip()}") for line in cause.why.splitlines()]
        blocks += [Styled(f"  {' ' * 6 if place else 'next: '}{line}") for place, line in enumerate(steps(cause.next_step).splitlines())]
    return blocks


def runs_table(runs: Sequence[tuple[Run, Tally]], now: float) -> list[Block]:
    """`wixsend bulk status`: every run."""
    if not runs:
        return [Styled("The journal knows of no bulk run. Begin with: wixsend bulk check FILE")]
    rows = [
        (
            run.name,
            clock(run.at, now),
            run.source,
            *map(str, (each.rows, each.done, each.waiting + each.working, each.by_hand, each.failed)),
        )
        for run, each in runs
    ]
    return [Table(("run", "begun", "from", "domains", "authenticated", "under way", "by hand", "failed"), rows)]


LINES: tuple[tuple[str, str, str], ...] = (
    ("done", "authenticated", "good"),
    ("waiting", "waiting for DNS or Wix", "warn"),
    ("working", "still to be worked on", "warn"),
    ("by_hand", "waiting for somebody to add the records by hand", "warn"),
    ("failed", "failed", "bad"),
    ("undone", "taken back", "quiet"),
)


@dataclass(frozen=True, slots=True)
class Ending:
    """When a run is expected to end, and why then; `at` is `None` where it is up to somebody."""

    at: float | None
    why: str


def ending(groups: Sequence[Group], left: Left, plugins: Plugins, budgets: Budgets, now: float, give_up: float) -> Ending:
    """What is to be expected of a run, of which something is still to be done. What a failure holds up is told, and not counted."""
    held = sum(group.count for group in groups if group.held)
    found = _going(groups, left, plugins, budgets, now, give_up)
    waits = f"{held:,} wait{'s' * (held == 1)} until what holds {'it' if held == 1 else 'them'} up has passed"
    return replace(found, why="; ".join([*([found.why] if found.why else []), waits])) if held else found


def _going(groups: Sequence[Group], left: Left, plugins: Plugins, budgets: Budgets, now: float, give_up: float) -> Ending:
    """The same of all but what is held up; `why` is empty when that is all there is."""
    live = [group for group in groups if group.stage in LIVE and not group.held]
    unplaced = sum(group.count for group in live if group.stage in BEFORE_HOST)
    writing = loads_left(live, left, plugins, budgets)
    slowest = max(writing, key=lambda load: load.seconds, default=None)
    if slowest is not None or unplaced:
        why = "an hour for DNS, which usually takes minutes"
        if slowest is not None and slowest.seconds:
            why = f"{slowest.who} needs {span(slowest.seconds)} for {slowest.calls:,} calls by its quota, then {why}"
        if unplaced:
            why = f"{why}; the hosts of {unplaced:,} are not known yet"
        return Ending(now + (slowest.seconds if slowest else 0.0) + SETTLING, why)
    if not left.latest:
        return Ending(None, "somebody has to add the records by hand" if live else "")
    latest = min(left.latest, now)  # a clock that was set back since makes nobody wait longer
    if latest + SETTLING > now:
        return Ending(latest + SETTLING, "an hour for DNS, which usually takes minutes")
    return Ending(latest + give_up, "DNS or Wix takes longer than usual: until then it is waited for")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands: `driven` when a process works on it now, `due` when something of it could be gone on with now.

    `causes` are why domains failed, `hands` why others wait for somebody, `troubles` what others are tried again after.
    """

    run: Run
    sums: Tally
    causes: Sequence[Cause]
    hands: Sequence[Cause]
    troubles: Sequence[Cause]
    ending: Ending | None
    next_look: float | None
    due: bool
    driven: bool


def status_blocks(standing: Standing, now: float) -> list[Block]:
    """`wixsend bulk status RUN`."""
    run, sums, groups = standing.run, standing.sums, standing.causes
    blocks: list[Block] = [Styled(f"{run.name}: {count(sums.rows, 'domain')} from {run.source}, begun {clock(run.at, now)}", "head")]
    blocks += [Styled(f"  {getattr(sums, name):>7,} {words}", style) for name, words, style in LINES if getattr(sums, name)]
    if run.cancelled:
        blocks.append(Styled("  cancelled: nothing more is begun until `wixsend bulk run` takes it up again", "warn"))
    elif not sums.over:
        blocks += [Styled(f"  {line}", "quiet") for line in _ahead(standing, now)]
    if standing.troubles and not run.cancelled:
        until = stops((cause.until for cause in standing.troubles), now)
        told = f"Held up, and tried again by itself while the run goes on; {until}:"
        blocks += [Styled(""), Styled(told), *causes_blocks(standing.troubles, "warn")]
    if standing.hands:
        blocks += [Styled(""), *causes_blocks(standing.hands, "warn")]
    if groups:
        blocks += [Styled(""), *causes_blocks(groups), Styled("")]
        blocks.append(Styled(f"When that is mended: wixsend bulk retry {run.name} (--only CODE for some of them)."))
    return blocks


def stops(untils: Iterable[float], now: float) -> str:
    """What becomes of what is tried again until these moments, of which there is one at least."""
    return f"what still fails after {clock(max(untils), now)} stops"


def _ahead(standing: Standing, now: float) -> list[str]:
    """What comes next, and when it ends."""
    if not standing.driven:
        lines = [f"no process works on it: `wixsend bulk run {standing.run.source}` goes on"]
    elif standing.due or standing.next_look is None:
        lines = ["a process works on it"]
    else:
        lines = [f"a process waits for it; next look at {clock(standing.next_look, now)}"]
    if standing.ending is not None:
        lines.append(ending_line(standing.ending, now))
    return lines


def ending_line(ending: Ending, now: float) -> str:
    """When it ends, as a person reads it."""
    return f"expected end: {clock(ending.at, now)} ({ending.why})" if ending.at is not None else f"open end: {ending.why}"


def status_json(standing: Standing) -> dict[str, Any]:
    """`wixsend bulk status RUN --json`."""
    run, sums, groups, ending = standing.run, standing.sums, standing.causes, standing.ending
    return {
        "run": run.name,
        "source": run.source,
        "begun": stamp(run.at),
        "cancelled": run.cancelled,
        "domains": sums.rows,
        **{name: getattr(sums, name) for name, _words, _style in LINES},
        "stages": {stage.name.lower(): number for stage, number in sums.stages.items()},
        "driven": standing.driven,
        "next_look": None if standing.next_look is None else stamp(standing.next_look),
        "expected_end": stamp(ending.at) if ending is not None and ending.at is not None else None,
        "expected_why": ending.why if ending is not None else None,
        "causes": [_cause_json(cause) for cause in groups],
        "hands": [_cause_json(cause) for cause in standing.hands],
        "troubles": [{**_cause_json(cause), "until": stamp(cause.until)} for cause in standing.troubles],
    }


def _cause_json(cause: Cause) -> dict[str, Any]:
    return {"code": cause.code, "why": cause.why, "next": cause.next_step, "domains": list(cause.domains)}


# -- lists and forecasts -----------------------------------------------------------------------------------------------


def faults_blocks(source: str, sheet: Sheet) -> list[Block]:
    """What was read, which lines cannot be worked on and why, and what was understood differently."""
    blocks: list[Block] = [Styled(f"{source}: {sheet.form}, {count(len(sheet.rows), 'domain')}", "head")]
    for faults, style, words in ((sheet.faults, "bad", "cannot be worked on"), (sheet.remarks, "warn", "to be looked at")):
        if faults:
            blocks.append(Styled(f"{count(len(faults), 'line')} {words}:", style))
            blocks += [Styled(f"  line {fault.line}: {fault.reason}") for fault in faults[:_SHOWN]]
            blocks += [Styled(f"  and {len(faults) - _SHOWN} more: --json lists them all")] if len(faults) > _SHOWN else []
    return blocks


def taken_in_blocks(taken: TakenIn) -> list[Block]:
    """What taking a list in has changed."""
    parts = [f"{taken.new} new", *([f"{taken.changed} with another order"] if taken.changed else [])]
    blocks: list[Block] = [Styled(f"run {taken.run.name}: {', '.join(parts)}")]
    if taken.gone:
        blocks.append(
            Styled(f"  {count(taken.gone, 'domain')} of the run no longer in the file: they go on, cancel or undo them by name", "warn")
        )
    blocks += [
        Styled(f"  {count(number, 'domain')} in the run {name} too: they share one case", "warn") for name, number in taken.shared.items()
    ]
    return blocks


def forecast_blocks(forecast: Forecast, now: float, times: Times) -> list[Block]:
    """What is to be expected: where domains belong, what each credential is used for, when it ends, what needs a person."""
    rows = [(outlook.value, str(len(found))) for outlook in Outlook if (found := forecast.of(outlook))]
    blocks: list[Block] = [Table(("outlook", "domains"), rows)]
    if forecast.loads:
        blocks += [Styled(""), Table(("credential", "domains", "calls", "quota takes"), [_load_row(load) for load in forecast.loads])]
    needing = _needing(forecast)
    if needing:
        blocks += [Styled(""), Styled("This will need somebody:", "head"), *causes_blocks(needing)]
    if forecast.of(Outlook.READY):
        slowest = forecast.loads[0]
        reason = f"as {slowest.who} allows it" if slowest.seconds else "no quota holds it up"
        written, longer = now + forecast.seconds, f"longer is waited for, {span(times.give_up)}"
        blocks += [
            Styled(""),
            Styled(f"Everything is written by {clock(written, now)} at the earliest ({reason})."),
            Styled(f"Expected end: {clock(written + SETTLING, now)}, with an hour for DNS; {longer}."),
            Styled(
                f"Not counted: what an outage of Wix, DNS or a host holds up; it is tried again for {span(times.stumbling)}, then stops."
            ),
        ]
    return blocks


def _load_row(load: Any) -> tuple[str, str, str, str]:
    return load.who, f"{load.domains:,}", f"{load.calls:,}", span(load.seconds)


def _needing(forecast: Forecast) -> list[Cause]:
    return _grouped((text(p.wanted.domain.name), p.code or "by-hand", p.why, p.next_step, 0.0) for p in forecast.in_need)


def forecast_json(source: str, sheet: Sheet, forecast: Forecast, now: float) -> dict[str, Any]:
    """`wixsend bulk check --json`."""
    return {
        "source": source,
        "form": sheet.form,
        "faults": [_fault_json(fault) for fault in sheet.faults],
        "remarks": [_fault_json(fault) for fault in sheet.remarks],
        "domains": [_prospect_json(prospect) for prospect in forecast.prospects],
        "loads": [{"who": each.who, "domains": each.domains, "calls": each.calls, "seconds": each.seconds} for each in forecast.loads],
        "earliest": stamp(now + forecast.seconds),
        "expected": stamp(now + forecast.seconds + SETTLING),
    }


def _fault_json(fault: Fault) -> dict[str, Any]:
    return {"line": fault.line, "reason": fault.reason}


def _prospect_json(prospect: Prospect) -> dict[str, Any]:
    return {
        "line": prospect.wanted.line,
        "domain": prospect.wanted.domain.ascii,
        "site": prospect.wanted.site,
        "outlook": prospect.outlook.name.lower(),
        "provider": prospect.host or None,
        "account": prospect.account or None,
        "code": prospect.code or None,
        "why": prospect.why,
        "next": prospect.next_step,
    }


def steps(next_step: str) -> str:
    """Each way out on a line."""
    return "\n".join(line.strip() for line in next_step.splitlines())
