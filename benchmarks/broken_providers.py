"""Run the conformance kit on providers that are broken on purpose, and print which case catches each.

    uv run benchmarks/broken_providers.py

`--quick` runs, for each broken provider, only the case that is named as the one to catch it. `--json` prints the table as JSON.
Exits with 1 where the named case passes a broken provider.
"""

import argparse
import contextlib
import io
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field

import pytest

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


def table(rows: Sequence[Row]) -> str:
    """For a person, one provider a line."""
    lines = [f"{'broken provider':26} {'what it does':62} caught by"]
    for row in rows:
        others = len(row.caught_by) - row.caught
        verdict = row.named if row.caught else f"MISSED by {row.named}"
        lines.append(f"{row.provider:26} {row.does:62} {verdict}" + (f" (and {others} other cases)" if others else ""))
    caught = sum(row.caught for row in rows)
    return "\n".join([*lines, "", f"{caught} of {len(rows)} broken providers caught, {sum(row.cases for row in rows)} cases run"])


def main() -> int:
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--json", action="store_true", help="print the table as JSON")
    options.add_argument("--quick", action="store_true", help="run only the case that is named for each")
    chosen = options.parse_args()
    rows = run(BROKEN, chosen.quick)
    print(json.dumps([asdict(row) | {"caught": row.caught} for row in rows], indent=2) if chosen.json else table(rows))
    return 0 if all(row.caught for row in rows) else 1


if __name__ == "__main__":
    sys.exit(main())
