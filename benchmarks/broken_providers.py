"""Run the conformance kit on providers that are broken on purpose, and print which case catches each.

    uv run benchmarks/broken_providers.py

`--quick` runs, for each broken provider, only the case that is named as the one to catch it. Exits with 1 where the
named case passes a broken provider.
"""

import contextlib
import io
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from _table import Report, arguments, finish
from wixsend.testing.broken import BROKEN, Broken


@dataclass
class Row:
    """One broken provider and the cases that failed on it."""

    provider: str
    does: str
    named: str
    cases: int = 0
    caught_by: list[str] = field(default_factory=list)

    @property
    def caught(self) -> bool:
        return self.named in self.caught_by


class Collector:
    """A pytest plugin that notes which cases fail on which provider."""

    def __init__(self, broken: Sequence[Broken]) -> None:
        self.rows = {f"Test{one.name}": Row(one.name, one.does, one.caught_by) for one in broken}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and not report.skipped:
            _, of, case = report.nodeid.split("::")
            row, case = self.rows[of], case.partition("[")[0]
            row.cases += 1
            if report.failed and case not in row.caught_by:
                row.caught_by.append(case)


def run(broken: Sequence[Broken], quick: bool) -> list[Row]:
    """The table, from one run of pytest in this process."""
    collector = Collector(broken)
    here = "wixsend.testing.broken"
    chosen = [f"{here}::Test{one.name}" + (f"::{one.caught_by}" if quick else "") for one in broken]
    options = [
        "-q",
        "--tb=no",
        "--pyargs",
        "--rootdir=/",
        "-c",
        "/dev/null",
        "-p",
        "no:cacheprovider",
        "-o",
        "asyncio_default_fixture_loop_scope=function",
    ]
    with contextlib.redirect_stdout(io.StringIO()) as output:
        code = pytest.main([*options, *chosen], plugins=[collector])
    if code not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
        sys.exit(f"pytest could not run the kit:\n{output.getvalue()}")
    return list(collector.rows.values())


def report(rows: Sequence[Row]) -> Report:
    """One provider a line, with how many other cases catch it too."""
    shown = [
        {
            "broken provider": row.provider,
            "what it does": row.does,
            "caught by": row.named if row.caught else f"MISSED by {row.named}",
            "others": len(row.caught_by) - row.caught,
        }
        for row in rows
    ]
    counted = f"{sum(row.caught for row in rows)} of {len(rows)} broken providers caught, {sum(row.cases for row in rows)} cases run"
    return Report(
        "broken_providers", shown, missed=[f"{row.provider} passes {row.named}" for row in rows if not row.caught], notes=[counted]
    )


def main() -> int:
    options = arguments(__doc__).parse_args()
    return finish(report(run(BROKEN, options.quick)), options)


if __name__ == "__main__":
    sys.exit(main())
