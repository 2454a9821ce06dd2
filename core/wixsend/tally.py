"""Floor 6. What a person or a program gets to see of many domains: forecasts, where a run stands, and its report. Pure.

A report holds the input's columns in their order, and ours behind them, all of which begin with `wixsend_`. A cell that a spreadsheet
would take for a formula is marked as text.
"""

import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from typing import Any

from wixsend.events import Accepted, NotYet, Visible, WixAuthenticated, Wrote
from wixsend.flow import Stage
from wixsend.forecast import SETTLING, Budgets, Forecast, Outlook, Prospect, loads_left
from wixsend.layout import Block, Styled, Table, clock, count, span, stamp
from wixsend.names import text
from wixsend.plugins import Plugins
from wixsend.report import case_json
from wixsend.runs import LIVE, Filed, Group, Left, Run, TakenIn
from wixsend.sheet import Fault, Sheet

__all__ = [
    "COLUMNS",
    "Cause",
    "Ending",
    "Standing",
    "Tally",
    "as_text",
    "by_hand",
    "causes",
    "causes_blocks",
    "ending",
    "ending_line",
    "faults_blocks",
    "filed_json",
    "forecast_blocks",
    "forecast_json",
    "report_csv",
    "report_html",
    "report_json",
    "runs_table",
    "status_blocks",
    "status_json",
    "taken_in_blocks",
    "tally",
]

_SHOWN = 20
"""Lines of a list that a person is shown; a program gets all of them."""

_EXAMPLES = 3


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
    """Why some domains stopped, and the fix: one `code`, one `next_step`, in which a domain's own name is DOMAIN."""

    code: str
    why: str
    next_step: str
    domains: tuple[str, ...]


def causes(stopped: Iterable[Filed]) -> list[Cause]:
    """The stopped domains grouped by what there is to do, the largest group first."""
    told = ((text(f.entry.domain), f.entry.case.stop) for f in stopped)
    return _grouped((name, stop.error, stop.happened, stop.next_step) for name, stop in told if stop is not None)


def _grouped(told: Iterable[tuple[str, str, str, str]]) -> list[Cause]:
    found: dict[tuple[str, str], tuple[str, list[str]]] = {}
    for name, code, why, step in told:
        key = (code, step.replace(name, "DOMAIN"))
        found.setdefault(key, (why.replace(name, "DOMAIN"), []))[1].append(name)
    groups = [Cause(code, why, step, tuple(names)) for (code, step), (why, names) in found.items()]
    return sorted(groups, key=lambda cause: -len(cause.domains))


def by_hand(waiting: Iterable[Filed]) -> list[Cause]:
    """The domains that wait for somebody, grouped by why nobody here can write for them."""
    step = "`wixsend plan DOMAIN` prints the records to add, and so does the report; the run goes on by itself."
    return _grouped((text(f.entry.domain), "by-hand", f.entry.case.how, step) for f in waiting)


def causes_blocks(groups: Sequence[Cause], style: str = "bad") -> list[Block]:
    """Each cause with its domains and the fix."""
    blocks: list[Block] = []
    for cause in groups:
        names = ", ".join(cause.domains[:_EXAMPLES]) + (
            f" and {len(cause.domains) - _EXAMPLES} more" if len(cause.domains) > _EXAMPLES else ""
        )
        blocks += [Styled(f"{count(len(cause.domains), 'domain')}: {cause.code}: {names}", style)]
        blocks += [Styled(f"  {line.strip()}") for line in cause.why.splitlines()]
        blocks += [Styled(f"  {' ' * 6 if place else 'next: '}{line}") for place, line in enumerate(_steps(cause.next_step).splitlines())]
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


_LINES: tuple[tuple[str, str, str], ...] = (
    ("done", "authenticated", "good"),
    ("waiting", "waiting for DNS or Wix", "warn"),
    ("working", "still to be worked on", "warn"),
    ("by_hand", "waiting for somebody to add the records by hand", "warn"),
    ("failed", "failed", "bad"),
    ("undone", "taken back", "quiet"),
)


_WITHOUT_HOST = frozenset({Stage.PROVING, Stage.AUTHENTICATING, Stage.CONFIRMING, Stage.FOLLOWING, Stage.AUDITING})
"""Stages at which no host is known, or none any more needed, because a person adds the records, or Wix does."""


@dataclass(frozen=True, slots=True)
class Ending:
    """When a run is expected to end, and why then; `at` is `None` where it is up to somebody."""

    at: float | None
    why: str


def ending(groups: Sequence[Group], left: Left, plugins: Plugins, budgets: Budgets, now: float, give_up: float) -> Ending:
    """What is to be expected of a run, of which something is still to be done."""
    live = [group for group in groups if group.stage in LIVE]
    unplaced = sum(group.count for group in live if not group.host and group.stage not in _WITHOUT_HOST)
    writing = loads_left(groups, left, plugins, budgets)
    slowest = max(writing, key=lambda load: load.seconds, default=None)
    if slowest is not None or unplaced:
        why = "an hour for DNS, which usually takes minutes"
        if slowest is not None and slowest.seconds:
            why = f"{slowest.who} needs {span(slowest.seconds)} for {slowest.calls:,} calls by its quota, then {why}"
        if unplaced:
            why = f"{why}; the hosts of {unplaced:,} are not known yet"
        return Ending(now + (slowest.seconds if slowest else 0.0) + SETTLING, why)
    if not left.latest:
        return Ending(None, "somebody has to add the records by hand")
    if left.latest + SETTLING > now:
        return Ending(left.latest + SETTLING, "an hour for DNS, which usually takes minutes")
    return Ending(left.latest + give_up, "DNS or Wix takes longer than usual: until then it is waited for")


@dataclass(frozen=True, slots=True)
class Standing:
    """Where a run stands: `driven` when a process works on it now, `due` when something of it could be gone on with now.

    `causes` are why domains failed, `hands` why others wait for somebody.
    """

    run: Run
    sums: Tally
    causes: Sequence[Cause]
    hands: Sequence[Cause]
    ending: Ending | None
    next_look: float | None
    due: bool
    driven: bool


def status_blocks(standing: Standing, now: float) -> list[Block]:
    """`wixsend bulk status RUN`."""
    run, sums, groups = standing.run, standing.sums, standing.causes
    blocks: list[Block] = [Styled(f"{run.name}: {count(sums.rows, 'domain')} from {run.source}, begun {clock(run.at, now)}", "head")]
    blocks += [Styled(f"  {getattr(sums, name):>7,} {words}", style) for name, words, style in _LINES if getattr(sums, name)]
    if run.cancelled:
        blocks.append(Styled("  cancelled: nothing more is begun until `wixsend bulk run` takes it up again", "warn"))
    elif not sums.over:
        blocks += [Styled(f"  {line}", "quiet") for line in _ahead(standing, now)]
    if standing.hands:
        blocks += [Styled(""), *causes_blocks(standing.hands, "warn")]
    if groups:
        blocks += [Styled(""), *causes_blocks(groups), Styled("")]
        blocks.append(Styled(f"When that is mended: wixsend bulk retry {run.name} (--only CODE for some of them)."))
    return blocks


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
        **{name: getattr(sums, name) for name, _words, _style in _LINES},
        "stages": {stage.name.lower(): number for stage, number in sums.stages.items()},
        "driven": standing.driven,
        "next_look": None if standing.next_look is None else stamp(standing.next_look),
        "expected_end": stamp(ending.at) if ending is not None and ending.at is not None else None,
        "expected_why": ending.why if ending is not None else None,
        "causes": [_cause_json(cause) for cause in groups],
        "hands": [_cause_json(cause) for cause in standing.hands],
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


def forecast_blocks(forecast: Forecast, now: float) -> list[Block]:
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
        blocks += [
            Styled(""),
            Styled(f"Everything is written by {clock(now + forecast.seconds, now)} at the earliest ({reason})."),
            Styled(f"Expected end: {clock(now + forecast.seconds + SETTLING, now)}, with an hour for DNS; longer is waited for, 2 d."),
        ]
    return blocks


def _load_row(load: Any) -> tuple[str, str, str, str]:
    return load.who, f"{load.domains:,}", f"{load.calls:,}", span(load.seconds)


def _needing(forecast: Forecast) -> list[Cause]:
    return _grouped((text(p.wanted.domain.name), p.code or "by-hand", p.why, p.next_step) for p in forecast.in_need)


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


# -- the report --------------------------------------------------------------------------------------------------------

type _Cell = Callable[[Filed], str]


def _when(*kinds: type) -> _Cell:
    """The moment of the last event of these kinds."""
    return lambda filed: next((stamp(h.at) for h in reversed(filed.history) if isinstance(h.event, kinds)), "")


def _words(*kinds: type) -> _Cell:
    """What the last event of these kinds says."""
    return lambda filed: next((str(getattr(h.event, "why", "")) for h in reversed(filed.history) if isinstance(h.event, kinds)), "")


def _wix_said(filed: Filed) -> str:
    """Wix's last answer to whether the domain is authenticated."""
    told = (h.event for h in reversed(filed.history) if isinstance(h.event, NotYet | Accepted | WixAuthenticated))
    last = next(told, None)
    return "" if last is None else last.why if isinstance(last, NotYet) else "AUTHENTICATED"


def _by_hand(filed: Filed) -> bool:
    return filed.entry.case.stage is Stage.PROVING and not filed.entry.case.provider


def _status(filed: Filed) -> str:
    return "by hand" if _by_hand(filed) else filed.entry.case.stage.value


def _next(filed: Filed) -> str:
    """What somebody has to do; for records that are to be added by hand, the records."""
    case = filed.entry.case
    if _by_hand(filed):
        return "\n".join(["Add by hand:", *(f"{text(r.owner)} {r.rtype} {r.rdata}" for r in case.to_prove)])
    return case.stop.next_step if case.stop else ""


def _added(filed: Filed) -> str:
    return "\n".join(f"{text(r.owner)} {r.rtype} {r.rdata}" for change in filed.entry.case.written for r in change.add)


COLUMNS: Mapping[str, _Cell] = {
    "wixsend_status": _status,
    "wixsend_code": lambda filed: filed.entry.case.stop.error if filed.entry.case.stop else "",
    "wixsend_why": lambda filed: filed.entry.case.warning or filed.entry.case.why,
    "wixsend_next": _next,
    "wixsend_domain": lambda filed: text(filed.entry.domain),
    "wixsend_site": lambda filed: filed.entry.site,
    "wixsend_zone": lambda filed: text(filed.entry.case.apex) if len(filed.entry.case.apex) > 1 else "",
    "wixsend_host": lambda filed: filed.entry.case.provider,
    "wixsend_account": lambda filed: filed.entry.case.account,
    "wixsend_added": _added,
    "wixsend_kept": lambda filed: "\n".join(text(record.owner) for record in filed.entry.case.kept),
    "wixsend_written_at": _when(Wrote),
    "wixsend_visible_at": _when(Visible),
    "wixsend_evidence": _words(Visible),
    "wixsend_authenticated_at": _when(WixAuthenticated, Accepted),
    "wixsend_wix_said": _wix_said,
}
"""Our columns of a report, and what stands in them. Accounts are named; no credential is in any of them."""

_FORMULA = re.compile(r"\A[=+\-@\t\r]")
_NUMBER = re.compile(r"\A[+-]?[\d., ]+\Z")


def as_text(cell: str) -> str:
    """The cell, marked as text where a spreadsheet would take it for a formula and run it."""
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBER.match(cell) else cell


def report_csv(run: Run, filed: Iterable[Filed], clean: Callable[[str], str]) -> Iterator[str]:
    """The report as CSV, a few rows at a time. Every cell goes through `clean`."""
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow([as_text(heading) for heading in (*run.columns, *COLUMNS)])
    for each in filed:
        cells = [*(each.cells.get(heading, "") for heading in run.columns), *(cell(each) for cell in COLUMNS.values())]
        writer.writerow([as_text(clean(cell)) for cell in cells])
        yield text.getvalue()
        text.seek(0)
        text.truncate()
    yield text.getvalue()


def filed_json(filed: Filed) -> dict[str, Any]:
    """One domain of a report: its case, our columns by their names without `wixsend_`, and the input's cells."""
    ours = {name.removeprefix("wixsend_"): cell(filed) for name, cell in COLUMNS.items()}
    return {"line": filed.line, "input": dict(filed.cells), **ours, "case": case_json(filed.entry)}


def report_json(run: Run, filed: Iterable[Filed]) -> dict[str, Any]:
    """The report as one JSON document."""
    return {"run": run.name, "source": run.source, "begun": stamp(run.at), "domains": [filed_json(each) for each in filed]}


_STYLE = """
:root{--text:#1b1f24;--line:#d5dae0;--quiet:#57606a;--good:#18794e;--bad:#b42318;--warn:#8a5a00}
body{font:15px/1.5 system-ui,sans-serif;margin:2rem auto;max-width:72rem;padding:0 1rem;color:var(--text);background:#fff}
dl{display:grid;grid-template-columns:max-content 1fr;gap:.1rem 1rem}
.totals dt{text-align:right;font-weight:600}dd{margin:0;overflow-wrap:anywhere;white-space:pre-line}
section{border-left:.25rem solid;padding-left:1rem;margin:1.25rem 0;overflow-wrap:anywhere}
section p{margin:.25rem 0;white-space:pre-line}
table{border-collapse:collapse;width:100%}
th,td{border-bottom:1px solid var(--line);padding:.4rem .6rem;text-align:left;vertical-align:top;overflow-wrap:break-word}
td p{margin:0;white-space:pre-line;overflow-wrap:anywhere}
.text{color:var(--text)}.quiet,summary,dl.more dt{color:var(--quiet)}.quiet,dl.more{font-size:.9em}
.good{color:var(--good)}.bad{color:var(--bad)}.warn{color:var(--warn)}
@media(max-width:45rem){
thead{display:none}tr,td{display:block}td{border:0;padding:.1rem 0}tr{border-bottom:1px solid var(--line);padding:.6rem 0}
}
@media(prefers-color-scheme:dark){
:root{--text:#e6e8ea;--line:#343a40;--quiet:#9aa4ae;--good:#5bd39a;--bad:#ff8a80;--warn:#e6b35a}body{background:#14171a}
}
"""
_MORE = ("added", "kept", "written_at", "visible_at", "evidence", "authenticated_at", "wix_said", "zone", "site")
"""Our columns that a row of the page shows when it is opened."""

_COLOURS = {Stage.DONE: "good", Stage.STOPPED: "bad", Stage.UNDONE: "quiet"}


def report_html(standing: Standing, filed: Iterable[Filed], now: float, clean: Callable[[str], str]) -> Iterator[str]:
    """The report as one page that needs nothing else, a few rows at a time. Every text goes through `clean` and is escaped."""

    def shown(value: str) -> str:
        return escape(clean(value))

    run, sums = standing.run, standing.sums
    yield (
        "<!DOCTYPE html>\n<html lang=en><meta charset=utf-8><meta name=viewport content='width=device-width'>"
        "<meta http-equiv=Content-Security-Policy content=\"default-src 'none'; style-src 'unsafe-inline'\">"
        f"<title>wixsend: {shown(run.name)}</title><style>{_STYLE}</style>\n"
        f"<h1>{shown(run.name)}</h1><p>{count(sums.rows, 'domain')} from {shown(run.source)}, as of {stamp(now)}.</p>\n<dl class=totals>\n"
    )
    for name, words, style in _LINES:
        if getattr(sums, name):
            yield f"<dt class={style}>{getattr(sums, name):,}</dt><dd>{words}</dd>\n"
    yield "</dl>\n"
    for heading, causes, style in (
        ("What failed, and the fix", standing.causes, "bad"),
        ("What waits for somebody", standing.hands, "warn"),
    ):
        yield f"<h2>{heading}</h2>\n" if causes else ""
        for cause in causes:
            yield (
                f"<section class={style}><p><b>{count(len(cause.domains), 'domain')}: {shown(cause.code)}</b></p>"
                f"<p class=text>{shown(cause.why)}</p><p class=text><b>{shown(_steps(cause.next_step))}</b></p>"
                f"{_names(cause.domains, shown)}</section>\n"
            )
    yield "<h2>Every domain</h2>\n<table><thead><tr><th>domain<th>status<th>what happened<th>where</tr></thead>\n"
    for each in filed:
        yield _html_row(run, each, shown)
    yield "</table>\n</html>\n"


def _names(domains: Sequence[str], shown: Callable[[str], str]) -> str:
    names = shown(", ".join(domains))
    return f"<p class=text>{names}</p>" if len(domains) <= _EXAMPLES else f"<details class=text><summary>which</summary>{names}</details>"


def _html_row(run: Run, filed: Filed, shown: Callable[[str], str]) -> str:
    """One domain: the input's cells under its name, and what is told at length when it is opened."""
    told = {name: cell(filed) for name, cell in COLUMNS.items()}
    mine = [f"{heading}: {cell}" for heading in run.columns if (cell := filed.cells.get(heading, "")) and cell != told["wixsend_domain"]]
    what = "\n".join(filter(None, (told["wixsend_why"], _steps(told["wixsend_next"])))) or told["wixsend_authenticated_at"]
    where = " · ".join(dict.fromkeys(filter(None, (told["wixsend_host"], told["wixsend_account"]))))
    more = "".join(f"<dt>{name.replace('_', ' ')}</dt><dd>{shown(value)}</dd>" for name in _MORE if (value := told[f"wixsend_{name}"]))
    return (
        f"<tr><td><b>{shown(told['wixsend_domain'])}</b><p class=quiet>{shown(' · '.join(mine))}</p></td>"
        f"<td class={_COLOURS.get(filed.entry.case.stage, 'warn')}>{shown(told['wixsend_status'])}</td>"
        f"<td><p>{shown(what)}</p><details><summary>more</summary><dl class=more>{more}</dl></details></td><td>{shown(where)}</td></tr>\n"
    )


def _steps(next_step: str) -> str:
    """Each way out on a line."""
    return "\n".join(line.strip() for line in next_step.splitlines())
