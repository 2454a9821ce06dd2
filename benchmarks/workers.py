"""What a shared run costs and gains: domains a second and CPU for each, on SQLite and on PostgreSQL with 1, 2 and 3 workers.

    uv run benchmarks/workers.py

Wix, Cloudflare and DNS are fakes on loopback, each HTTP call taking half a second more than the fake needs, so that workers wait more than
they compute; the database is Debian's PostgreSQL, started here. Every worker is a process of its own. The time runs from the first event
of the run to the last; CPU is that of the workers, without what they need to start. On few processors they share them with the fakes.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from _table import ROOT, Report, Row, arguments, finish

sys.path.insert(0, str(ROOT / "tests"))  # the server of the tests

from postgres import Postgres, lacking
from wixsend.journal import Journal
from wixsend.runs import Runs, Terms
from wixsend.sheet import read_sheet
from wixsend.testing.sandbox import Sandbox
from wixsend.testing.server import Fault
from wixsend.testing.world import record

DOMAINS, QUICK = 60, 12
LATENCY = 0.5
HOST = "cloudflare"
QUICKLY = {"WIXSEND_TIMES_LOOK_LEAST": "0.2", "WIXSEND_TIMES_SETTLE_MOST": "0"}


def measured(url: str, workers: int, count: int, folder: Path, starting: float) -> tuple[Row, float]:
    """One run by so many processes, and their CPU seconds; `starting` are those that one of them needs to start."""
    with Sandbox() as world:
        world.wix.requires_dmarc = False
        names = [f"client-{number}.example" for number in range(count)]
        for name in names:
            world.add_domain(name, HOST, [record("@", "A", "192.0.2.10", name)])
        world.faults.add(Fault("latency", times=10**9, seconds=LATENCY))
        journal = Journal(url, folder / "judge") if url else None
        environment = {**world.environment(), **QUICKLY, "PATH": os.environ["PATH"], **({"WIXSEND_DATABASE_URL": url} if url else {})}
        sheet = folder / "clients.csv"
        sheet.write_text("\n".join(["domain", *names]))
        if journal is not None:
            Runs(journal).take_in("clients", str(sheet), read_sheet(sheet.read_bytes()), [world.wix.site.id] * count, Terms(), 0.0)
        first = ["bulk", "run", str(sheet), "--yes"]
        cpu = spent([first, *[["worker"]] * (workers - 1)], environment, folder)
        journal = journal or Journal(f"sqlite:///{folder / '0' / 'journal.db'}", folder / "0")
        moments = [happened.at for _entry, history in journal.told() for happened in history]
        journal.close()
        assert all(held.status == "AUTHENTICATED" for held in world.wix.domains.values())
    seconds, each = max(moments) - min(moments), max(0.0, cpu - workers * starting) / count
    driver = "PostgreSQL" if url else "SQLite"
    return {"journal": driver, "processes": workers, "domains/s": round(count / seconds, 1), "CPU ms/domain": round(1000 * each)}, cpu


def spent(commands: list[list[str]], environment: Mapping[str, str], folder: Path) -> float:
    """CPU seconds of these processes; when the first ends, the others are stopped."""
    started = []
    for number, words in enumerate(commands):
        state = {"WIXSEND_STATE": str(folder / str(number))}
        command, null = [sys.executable, "-m", "wixsend", *words], subprocess.DEVNULL
        started.append(subprocess.Popen(command, env={**environment, **state}, stdout=null, stderr=null))
    total = 0.0
    for process in started:
        if process is not started[0]:
            process.terminate()
        _pid, _status, used = os.wait4(process.pid, 0)
        process.returncode = 0  # it was waited for here
        total += used.ru_utime + used.ru_stime
    return total


def main() -> int:
    options = arguments(__doc__).parse_args()
    count = QUICK if options.quick else DOMAINS
    rows: list[Row] = []
    why = lacking()
    with tempfile.TemporaryDirectory() as place:

        def one(url: str, workers: int, domains: int, starting: float = 0.0) -> tuple[Row, float]:
            return measured(url, workers, domains, Path(tempfile.mkdtemp(dir=place)), starting)

        rows.append(one("", 1, count, one("", 1, 1)[1])[0])
        if not why:
            with Postgres() as server:
                starting = one(server.url(), 1, 1)[1]
                rows += [one(server.url(), workers, count, starting)[0] for workers in (1, 2, 3)]
    return finish(Report("workers", rows, notes=[f"{count} domains"] + ([f"without PostgreSQL: {why}"] if why else [])), options)


if __name__ == "__main__":
    sys.exit(main())
