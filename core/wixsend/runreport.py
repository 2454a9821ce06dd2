"""Floor 6. Every domain of a run, as CSV, JSON, or a page for people. Pure.

A report holds the input's columns in their order, and ours behind them, all of which begin with `wixsend_`. A cell that a spreadsheet
would take for a formula is marked as text.
"""

import csv
import html
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from wixsend.events import Accepted, NotYet, Visible, WixAuthenticated, Wrote
from wixsend.flow import Stage
from wixsend.layout import count, stamp
from wixsend.markup import Html, asset, element, filled, hash_of, joined
from wixsend.names import text
from wixsend.report import case_json
from wixsend.runs import Filed, Run
from wixsend.tally import EXAMPLES, LINES, Cause, Standing, steps

__all__ = ["COLUMNS", "as_text", "filed_json", "report_csv", "report_html", "report_json"]

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


_MORE = ("added", "kept", "written_at", "visible_at", "evidence", "authenticated_at", "wix_said", "zone", "site")
"""Our columns that a row of the page shows when it is opened."""

_COLOURS = {Stage.DONE: "good", Stage.STOPPED: "bad", Stage.UNDONE: "quiet"}


def report_html(standing: Standing, filed: Iterable[Filed], now: float, clean: Callable[[str], str]) -> Iterator[str]:
    """The report as one page that needs nothing else, a few rows at a time. Every text goes through `clean` and is escaped."""

    def shown(value: str) -> Html:
        return Html(html.escape(clean(value)))  # lines stay lines

    run, style = standing.run, asset("report.css")
    page = filled(
        asset("report.html"),
        title=shown(run.name),
        head=joined(_head(standing, now, shown)),
        style=style,
        style_hash=hash_of(style),
        rows=Html(_ROWS),
    )
    before, _, after = page.partition(_ROWS)
    yield before
    for each in filed:
        yield _row(run, each, shown) + "\n"
    yield after + "\n"


type _Shown = Callable[[str], Html]

_ROWS = "<!-- rows -->"
"""Stands in the page for rows that are many."""


def _head(standing: Standing, now: float, shown: _Shown) -> Iterator[Html]:
    """The totals, and what there is to do."""
    run, sums = standing.run, standing.sums
    yield element("p", f"{count(sums.rows, 'domain')} from ", shown(run.source), f", as of {stamp(now)}.")
    totals = [(getattr(sums, name), words, style) for name, words, style in LINES]
    pairs = [element("dt", f"{number:,}", class_=style) + element("dd", words) for number, words, style in totals if number]
    yield element("dl", *map(Html, pairs), class_="totals")
    for heading, causes, style in (
        ("What failed, and the fix", standing.causes, "bad"),
        ("What waits for somebody", standing.hands, "warn"),
    ):
        if causes:
            yield element("h2", heading)
            yield from (_cause(cause, style, shown) for cause in causes)


def _cause(cause: Cause, style: str, shown: _Shown) -> Html:
    return element(
        "section",
        element("p", element("b", f"{count(len(cause.domains), 'domain')}: ", shown(cause.code))),
        element("p", shown(cause.why), class_="text"),
        element("p", element("b", shown(steps(cause.next_step))), class_="text"),
        _names(cause.domains, shown),
        class_=style,
    )


def _names(domains: Sequence[str], shown: _Shown) -> Html:
    names = shown(", ".join(domains))
    if len(domains) <= EXAMPLES:
        return element("p", names, class_="text")
    return element("details", element("summary", "which"), names, class_="text")


def _row(run: Run, filed: Filed, shown: _Shown) -> Html:
    """One domain: the input's cells under its name, and what is told at length when it is opened."""
    told = {name: cell(filed) for name, cell in COLUMNS.items()}
    mine = [f"{heading}: {cell}" for heading in run.columns if (cell := filed.cells.get(heading, "")) and cell != told["wixsend_domain"]]
    what = "\n".join(filter(None, (told["wixsend_why"], steps(told["wixsend_next"])))) or told["wixsend_authenticated_at"]
    where = " · ".join(dict.fromkeys(filter(None, (told["wixsend_host"], told["wixsend_account"]))))
    more = [
        part
        for name in _MORE
        if (value := told[f"wixsend_{name}"])
        for part in (element("dt", name.replace("_", " ")), element("dd", shown(value)))
    ]
    return element(
        "tr",
        element("td", element("b", shown(told["wixsend_domain"])), element("p", shown(" · ".join(mine)), class_="quiet")),
        element("td", shown(told["wixsend_status"]), class_=_COLOURS.get(filed.entry.case.stage, "warn")),
        element("td", element("p", shown(what)), element("details", element("summary", "more"), element("dl", *more, class_="more"))),
        element("td", shown(where)),
    )
