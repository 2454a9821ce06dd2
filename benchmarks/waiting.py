"""A hundred thousand domains that wait for DNS: what they cost in memory, on disk, in time to start again, and while nothing happens.

    uv run benchmarks/waiting.py           100,000 domains
    uv run benchmarks/waiting.py --quick   5,000

One domain is brought to its wait by the command line in the sandbox, and its case is written down again under as many names, each with
its whole history and a copy of its zone. `bulk run` of the same list is then started as after a power cut. What is measured is that
process: until it says where the run stands, and then, with nothing due, for a while.
"""

import argparse
import os
import selectors
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from itertools import batched
from pathlib import Path

from _table import Figure, Report, arguments, finish
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.testing.sandbox import Sandbox

DOMAINS, QUICK = 100_000, 5_000
FIRST = "client-000000.example"
LATER = 6 * 3600.0
"""Seconds until the first of them is due."""
IDLE, IDLE_QUICK = 30.0, 5.0
"""Seconds of waiting that are measured."""

MOST_MEMORY = 150.0
MOST_RESTART = 5.0
MOST_CPU = 5.0

COPIED = {"cases": "id", "events": "case_id", "snapshots": "case_id", "rows": "case_id"}
"""Tables that a domain has rows in, and the column that names its case."""


def names(count: int) -> Iterator[str]:
    return (f"client-{number:06}.example" for number in range(count))


def command(folder: Path, environ: dict[str, str], *options: str) -> subprocess.Popen[str]:
    """`wixsend bulk run` of the list."""
    words = [sys.executable, "-m", "wixsend", "bulk", "run", "clients.csv", "--yes", *options]
    return subprocess.Popen(words, cwd=folder, env=environ, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)


def one_waits(folder: Path) -> dict[str, str]:
    """Bring one domain to its wait; the environment in which it was done."""
    with Sandbox(delay=10**9) as sandbox:
        sandbox.wix.requires_dmarc = False
        records = [
            Record(absolute(owner, absolute(FIRST)), "A", f"192.0.2.{place}", 3600) for place, owner in enumerate(("@", "www", "shop"))
        ]
        sandbox.add_domain(FIRST, "cloudflare", records)
        inherited = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
        environ = inherited | sandbox.environment() | {"HOME": str(folder), "WIXSEND_STATE": str(folder / "state")}
        (folder / "clients.csv").write_text(f"domain,client\n{FIRST},Client\n")
        done = command(folder, environ, "--no-wait")
        said = done.communicate(timeout=300)[1]
        assert done.returncode == 6, said
    return environ


def multiply(journal: Path, count: int) -> None:
    """Write the one case down again under every other name."""
    due = time.time() + LATER
    with closing(sqlite3.connect(journal)) as database:
        for table, key in COPIED.items():
            found = database.execute(f"SELECT * FROM {table}")
            columns = [column[0] for column in found.description]
            originals = [dict(zip(columns, row, strict=True)) for row in found]
            insert = f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({', '.join('?' * len(columns))})"
            copies = (
                [_copied(table, column, value, number, name, due) for column, value in row.items()]
                for number, name in enumerate(names(count))
                for row in originals
                if number
            )
            for some in batched(copies, 5000):
                database.executemany(insert, some)
            assert key in columns
        database.execute("UPDATE cases SET due = ?", (due,))
        database.commit()


def _copied(table: str, column: str, value: object, number: int, name: str, due: float) -> object:
    """One value of a row of the case with this number."""
    if column == COPIED[table]:
        return 1 + number
    if (table, column) in (("rows", "number"), ("snapshots", "id")):
        return 1 + number
    if (table, column) == ("rows", "line"):
        return 2 + number
    return value.replace(FIRST, name) if isinstance(value, str) else value


@dataclass(frozen=True, slots=True)
class Waited:
    """Of the process: seconds until it said where the run stands, MB at the most, and the share of a processor while it waited, in %."""

    restart: float
    memory: float
    cpu: float


@contextmanager
def started(folder: Path, environ: dict[str, str]) -> Iterator[tuple[subprocess.Popen[str], float]]:
    """The command, when it has said where the run stands, and after how many seconds it did."""
    began = time.monotonic()
    process = command(folder, environ)
    try:
        assert process.stderr is not None
        with selectors.DefaultSelector() as selector:
            selector.register(process.stderr, selectors.EVENT_READ)
            for line in process.stderr:
                if " authenticated, " in line:
                    break
        yield process, time.monotonic() - began
    finally:
        process.terminate()
        process.communicate()


def waited(folder: Path, environ: dict[str, str], idle: float) -> Waited:
    with started(folder, environ) as (process, restart):
        time.sleep(1.0)
        before, began = _seconds(process.pid), time.monotonic()
        time.sleep(idle)
        cpu = (_seconds(process.pid) - before) / (time.monotonic() - began) * 100
        status = Path(f"/proc/{process.pid}/status").read_text()
    peak = next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmHWM"))
    return Waited(restart, peak / 1024, cpu)


def _seconds(pid: int) -> float:
    """Of the processor, that the process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def measure(options: argparse.Namespace) -> Report:
    count, idle = (QUICK, IDLE_QUICK) if options.quick else (DOMAINS, IDLE)
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made)
        environ = one_waits(folder)
        multiply(folder / "state" / "journal.db", count)
        (folder / "clients.csv").write_text("\n".join(["domain,client", *(f"{name},Client" for name in names(count))]))
        again = command(folder, environ, "--no-wait")
        again.communicate()
        size = (folder / "state" / "journal.db").stat().st_size / 1024**2
        found = waited(folder, environ, idle)
    row = {
        "waiting": f"{count:,}",
        "restart": Figure(found.restart, MOST_RESTART, " s"),
        "memory at the most": Figure(found.memory, MOST_MEMORY, " MB"),
        "processor": Figure(found.cpu, MOST_CPU, " %"),
        "database": Figure(size, unit=" MB"),
        "of it for each": Figure(size * 1024 / count, unit=" kB"),
    }
    return Report(
        "waiting",
        [row],
        notes=["The list is as it was taken in, so it is not read again; one that has changed is, and compared row by row."],
    )


def main() -> int:
    options = arguments(__doc__).parse_args()
    return finish(measure(options), options)


if __name__ == "__main__":
    sys.exit(main())
