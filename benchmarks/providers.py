"""Every installed DNS host in one table: how much code it is, what it passes, what it survives, and how many calls a domain costs.

    uv run benchmarks/providers.py            each trouble at each kind of call once, at every host
    uv run benchmarks/providers.py --quick    a tenth of those

`adapter` are lines of code of the adapter, `package` of the whole plugin but its fake; neither counts blank lines, comments and docstrings.
`own` are the plugin's own tests, `conformance` cases of the shared kit, passed and skipped. `faults` are combinations of the fault matrix
that were survived, those in the window of a host without compare-and-set included (`benchmarks/faults.py` tries all that there are).
`fresh` are calls for a domain of which nothing is there yet, `writes` those of them that change something, `nothing` calls when all of it
is there. A distribution that brings many hosts, by a bridge, is one row, without faults and calls: it has no fakes. Exits with 1 where a
test fails, a fault is not survived, or a record is lost.
"""

import os
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from xml.etree import ElementTree

import calls
import faults
from _plugins import home, size
from _table import ROOT, Figure, Report, arguments, finish
from wixsend.plugins import Plugins
from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.faults import Subject, matrix, quick

KIT = frozenset(name for name in dir(ProviderConformance) if name.startswith("test_"))
SHARE = 10
"""Of how many combinations of the fault matrix the quick run tries one."""


@dataclass(frozen=True, slots=True)
class Tests:
    """How the tests of one plugin ended: its own, and those of the kit, by `passed`, `skipped` and `failed`."""

    own: Counter[str]
    kit: Counter[str]


def tests(folder: Path) -> Tests:
    """Run a plugin's tests, and count."""
    with tempfile.TemporaryDirectory() as temporary:
        report = Path(temporary) / "report.xml"
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"--junitxml={report}", str(folder)],
            cwd=ROOT,
            stdout=sys.stderr,
            check=False,
        )
        found = Tests(Counter(), Counter())
        for case in ElementTree.parse(report).iter("testcase"):
            ended = {child.tag for child in case}
            outcome = "failed" if ended & {"failure", "error"} else "skipped" if "skipped" in ended else "passed"
            of = found.kit if (case.get("name") or "").partition("[")[0] in KIT else found.own
            of[outcome] += 1
    return found


def survived(hosts: Iterable[str], *, share: int) -> dict[str, Counter[str]]:
    """For each host, how many combinations were tried, and what came of them."""
    chosen = [one for host in hosts for one in quick(matrix([Subject(host)]))[::share]]
    found: dict[str, Counter[str]] = {}
    for row in faults.by_host(faults.tried(chosen, 2 * (os.cpu_count() or 1))):
        found.setdefault(str(row["host"]), Counter()).update({key: n for key, n in row.items() if isinstance(n, int)})
    return found


def rows(plugins: Plugins, fates: dict[str, Counter[str]]) -> Iterator[dict[str, object]]:
    """One row for each plugin that can be used, or for all those of one distribution."""
    for _distribution, group in groupby(plugins.all(), lambda row: row.distribution):
        usable = [row for row in group if row.plugin is not None]
        if not usable:
            continue
        row = usable[0]
        assert row.plugin is not None
        host = row.name if len(usable) == 1 else f"{row.name.partition(':')[0]}: {len(usable)} hosts"
        shown: dict[str, object] = {"host": host, "one call replaces": row.plugin.granularity.value}
        folder = home(row)
        if folder is not None:
            adapter, package = size(folder)
            ran = tests(folder)
            shown |= {"adapter": adapter, "package": package, "own": _told(ran.own), "conformance": _told(ran.kit)}
            shown["failed"] = Figure(ran.own["failed"] + ran.kit["failed"], 0)
        if row.name in fates:
            fate = fates[row.name]
            shown["faults"] = f"{fate['survived'] + fate['in the window']} of {fate['tried']}"
            shown["not survived"] = Figure(fate["lost"] + fate["not met"], 0)
            fresh, nothing = (calls.measure(calls.wixsend, row.name, situation) for situation in ("fresh", "nothing to do"))
            shown |= {"fresh": fresh.calls, "writes": fresh.writes, "nothing": nothing.calls, "lost": Figure(fresh.lost, 0)}
        yield shown


def _told(ended: Counter[str]) -> str:
    skipped = f", {ended['skipped']} skipped" if ended["skipped"] else ""
    return f"{ended['passed']} passed{skipped}"


def main() -> int:
    options = arguments(__doc__).parse_args()
    plugins = Plugins()
    fates = survived(
        [name for name in plugins.names() if _has_fake(plugins, name)],
        share=SHARE if options.quick else 1,
    )
    found = list(rows(plugins, fates))
    broken = [f"{row.name} is broken: {row.error.happened}" for row in plugins.all() if row.error is not None]
    notes = [f"Faults: of each trouble at each kind of call once, every {SHARE}th was tried."] if options.quick else []
    return finish(Report("providers", found, missed=broken, notes=notes), options)


def _has_fake(plugins: Plugins, name: str) -> bool:
    row = next(row for row in plugins.all() if row.name == name)
    return row.plugin is not None and plugins.sandbox_host(name) is not None


if __name__ == "__main__":
    sys.exit(main())
