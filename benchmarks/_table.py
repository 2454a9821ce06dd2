"""What the benchmarks share: their options, the table, the machine that it was measured on, the page that it is written to, the exit code.

    def main() -> int:
        options = arguments(__doc__).parse_args()
        rows = [{"tool": "wixsend", "calls": Figure(3, at_most=3)}, {"tool": "another", "calls": 5}]
        return finish(Report("calls", rows), options)

The keys of a row are the headings of the table and the keys of `--json`. A `Figure` that is over its target fails the benchmark, and so
does whatever the report lists as missed. A benchmark with several tables has a report for each: a place of its own on the page, and an
object of its own in the list that `--json` then prints.
"""

import argparse
import json
import os
import platform
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from pathlib import Path

__all__ = ["Figure", "Report", "aligned", "arguments", "finish", "machine"]

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "explanation" / "speed.md"


@dataclass(frozen=True, slots=True)
class Figure:
    """A number that was measured, with the target that it must not be over."""

    value: float
    at_most: float | None = None
    unit: str = ""

    @property
    def missed(self) -> bool:
        return self.at_most is not None and self.value > self.at_most

    def __str__(self) -> str:
        target = f" (≤ {self.at_most:g}{self.unit})" if self.at_most is not None else ""
        return f"{_number(self.value)}{self.unit}{target}"


type Row = Mapping[str, object]


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark's result. `missed` are targets that no `Figure` of a row shows; `notes` are for a reader of the table."""

    name: str
    rows: Sequence[Row]
    missed: Sequence[str] = ()
    notes: Sequence[str] = ()

    @property
    def misses(self) -> list[str]:
        """Every target that was missed, in words."""
        over = [(row, key, value) for row in self.rows for key, value in row.items() if isinstance(value, Figure) and value.missed]
        return [*(f"{' '.join(_names(row))}: {key} {value}" for row, key, value in over), *self.missed]

    def text(self) -> str:
        """For a person: the table, the notes, the machine, and what was missed."""
        lines = [*aligned(self.rows), "", *self.notes, machine()]
        return "\n".join(line.rstrip() for line in [*lines, *(f"MISSED: {miss}" for miss in self.misses)])

    def plain(self) -> dict[str, object]:
        """For a program."""
        rows = [{key: _plain(value) for key, value in row.items()} for row in self.rows]
        return {"benchmark": self.name, "machine": machine(), "rows": rows, "missed": self.misses, "notes": [*self.notes]}


def arguments(doc: str | None) -> argparse.ArgumentParser:
    """The options that every benchmark has; `doc` is the docstring of its module."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--quick", action="store_true", help="measure less, for CI")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.relative_to(ROOT)} as well")
    return parser


def finish(report: Report, options: argparse.Namespace, *others: Report) -> int:
    """Print the report, write it down where that was asked for, and return the exit code: 1 where a target was missed. So with others."""
    reports = [report, *others]
    if options.json:
        plain = [each.plain() for each in reports]
        print(json.dumps(plain if others else plain[0], ensure_ascii=False, indent=2))
    else:
        print("\n\n".join(each.text() for each in reports))
    if options.write:
        page = reduce(written, reports, PAGE.read_text(encoding="utf-8"))
        PAGE.write_text(page, encoding="utf-8")
    return 1 if any(each.misses for each in reports) else 0


def written(page: str, report: Report) -> str:
    """The page with this report between its markers. `ValueError` when it has none."""
    return put(page, report.name, f"```text\n{report.text()}\n```")


def put(page: str, name: str, text: str) -> str:
    """The page with this text between the markers of that name. `ValueError` when it has none."""
    between = re.compile(rf"(<!-- {re.escape(name)}: [^\n]*-->\n).*?(<!-- end of {re.escape(name)} -->)", re.DOTALL)
    found, times = between.subn(lambda marks: f"{marks[1]}\n{text}\n\n{marks[2]}", page)
    if times != 1:
        raise ValueError(f"the page has {times} places for {name}, and needs one")
    return found


def machine() -> str:
    """What the figures depend on: the commit, Python, the processor."""
    commit = _git("rev-parse", "--short", "HEAD") or "unknown"
    changed = " and changes" if _git("status", "--porcelain", "--", "core", "providers", "benchmarks") else ""
    return f"commit {commit}{changed}, Python {platform.python_version()}, {_processor()} ({os.cpu_count()} cores), {sys.platform}"


def _git(*words: str) -> str:
    """What git says, and nothing where there is no git."""
    try:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        return ""


def _processor() -> str:
    try:
        told = re.search(r"^model name\s*: (.+)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    except OSError:
        told = None
    return told[1] if told else platform.machine()


def _names(row: Row) -> list[str]:
    """The cells that say what a row is about: the text before its first number."""
    found: list[str] = []
    for value in row.values():
        if not isinstance(value, str):
            break
        found.append(value)
    return found


def aligned(rows: Sequence[Row]) -> list[str]:
    """Columns under their headings, numbers to the right."""
    columns = []
    for key in dict.fromkeys(key for row in rows for key in row):
        cells = [row.get(key) for row in rows]
        numbers = all(isinstance(cell, int | float | Figure | None) for cell in cells)
        texts = [key, *map(_cell, cells)]
        width = max(map(len, texts))
        columns.append([text.rjust(width) if numbers else text.ljust(width) for text in texts])
    return ["  ".join(line) for line in zip(*columns, strict=True)]


def _cell(value: object) -> str:
    match value:
        case None:
            return ""
        case bool():
            return "yes" if value else "no"
        case int() | float():
            return _number(value)
        case list() | tuple():
            return ", ".join(map(str, value))
        case _:
            return str(value)


def _number(value: float) -> str:
    return f"{value:,d}" if isinstance(value, int) else f"{value:.0f}" if value >= 100 else f"{value:.1f}"


def _plain(value: object) -> object:
    if isinstance(value, Figure):
        return {"value": value.value, "at_most": value.at_most, "unit": value.unit}
    return value if isinstance(value, str | int | float | list | None) else str(value)
