"""What a hop costs, and what workers gain: hops a second and CPU for each, on SQLite and on PostgreSQL with 1, 2 and 3 workers.

A hop takes a domain as far as it can go now: to its account, through the write, to the first wait, from one wait to the next
(`wixsend.bulk.Hops`). They are counted in the journal; what came to nothing is in the CPU time of the others.

Wix, Cloudflare and DNS are fakes on loopback. Each HTTP call takes longer than the fake needs, so that workers wait more than they compute;
the domains are spread over several sites, so that no quota counts; name servers lag behind, so that each domain has to wait. The database
is Debian's PostgreSQL, started here. Every worker is a process of its own. The time runs from the first event of the run to the last; CPU
is that of the workers, without what they need to start, and without the database's. On few processors they share them with the fakes.
"""

import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from _table import ROOT, Figure, Report, Row

sys.path.insert(0, str(ROOT / "tests"))  # the server of the tests

from postgres import Postgres, lacking
from wixsend.flow import Case, Stage, Times, evolve
from wixsend.journal import Happened, Journal
from wixsend.runs import AT_HOST, BEFORE_HOST, ENDED, Runs, Terms
from wixsend.sheet import read_sheet
from wixsend.testing.sandbox import Sandbox
from wixsend.testing.server import Fault
from wixsend.testing.world import record

DOMAINS, QUICK = 240, 12
SITES = 6
"""Wix rations each of them: 200 calls a minute."""
LATENCY, SHORT = 1.5, 0.5
LAG = 2.0
"""Seconds that name servers lag behind their host."""
MOST_HOPS = 2
"""Before a domain's first wait."""
HOST = "cloudflare"
TIMES = Times(look_least=1.5 * LAG, settle_most=0.0)
"""The second look finds everything."""
QUICKLY = {"WIXSEND_TIMES_LOOK_LEAST": f"{TIMES.look_least}", "WIXSEND_TIMES_SETTLE_MOST": f"{TIMES.settle_most}"}


def hops(history: Sequence[Happened], times: Times) -> tuple[int, int | None]:
    """How many hops these events took, and how many of them were over before the one that ended in the first wait; `None` without one.

    The journal keeps one of several looks in a row that show the same: they are one hop here.
    """
    case, done, before = Case(), 0, None
    for happened in history:
        after = evolve(case, happened.event, happened.at, times)
        waits = after.due > happened.at
        if waits or _part(after.stage) != _part(case.stage):
            before = done if waits and before is None else before
            done += 1
        case = after
    return done, before


def _part(stage: Stage) -> int:
    """Which part of a domain's way a hop goes to the end of."""
    return next((number for number, stages in enumerate((BEFORE_HOST, AT_HOST, ENDED)) if stage in stages), -1)


def measured(url: str, workers: int, count: int, latency: float, folder: Path, starting: float) -> tuple[Row, float]:
    """One run by so many processes, and their CPU seconds; `starting` are those that one of them needs to start."""
    with Sandbox(delay=LAG) as world:
        world.wix.requires_dmarc = False
        sites = [world.wix.site, *(world.wix.add_site(f"site {number}", beside=world.wix.site) for number in range(1, SITES))]
        names = [f"client-{number}.example" for number in range(count)]
        ids = [sites[number % SITES].id for number in range(count)]
        for number, name in enumerate(names):
            world.add_domain(name, HOST, [record("@", "A", "192.0.2.10", name)], site=sites[number % SITES])
        world.faults.add(Fault("latency", times=10**9, seconds=latency))
        journal = Journal(url, folder / "judge") if url else None
        environment = {**world.environment(), **QUICKLY, "PATH": os.environ["PATH"], **({"WIXSEND_DATABASE_URL": url} if url else {})}
        sheet = folder / "clients.csv"
        sheet.write_text("\n".join(["domain,site_id", *map(",".join, zip(names, ids, strict=True))]))
        if journal is not None:
            Runs(journal).take_in("clients", str(sheet), read_sheet(sheet.read_bytes()), ids, Terms(), 0.0)
        first = ["bulk", "run", str(sheet), "--yes"]
        cpu = spent([first, *[["worker"]] * (workers - 1)], environment, folder)
        journal = journal or Journal(f"sqlite:///{folder / '0' / 'journal.db'}", folder / "0")
        histories = [history for _entry, history in journal.told()]
        journal.close()
        assert all(held.status == "AUTHENTICATED" for held in world.wix.domains.values())
    moments = [happened.at for history in histories for happened in history]
    took, counted = max(moments) - min(moments), [hops(history, TIMES) for history in histories]
    done = sum(all_of_them for all_of_them, _before in counted)
    row = {
        "journal": "PostgreSQL" if url else "SQLite",
        "processes": workers,
        "domains": count,
        "domains/s": round(count / took, 1),
        "hops per domain": round(done / count, 1),
        "before the first wait": Figure(max(before for _all, before in counted if before is not None), MOST_HOPS),
        "hops/s": round(done / took, 1),
        "CPU ms per hop": round(1000 * max(0.0, cpu - workers * starting) / done, 1),
    }
    return row, cpu


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


def measure(quick: bool) -> Report:
    """One process on SQLite, then one, two and three that share a run."""
    count, latency = (QUICK, SHORT) if quick else (DOMAINS, LATENCY)
    rows: list[Row] = []
    why = lacking()
    with tempfile.TemporaryDirectory() as place:

        def one(url: str, workers: int, domains: int, starting: float = 0.0) -> tuple[Row, float]:
            return measured(url, workers, domains, latency, Path(tempfile.mkdtemp(dir=place)), starting)

        rows.append(one("", 1, count, one("", 1, 1)[1])[0])
        if not why:
            with Postgres() as server:
                starting = one(server.url(), 1, 1)[1]
                rows += [one(server.url(), workers, count, starting)[0] for workers in (1, 2, 3)]
    notes = [
        f"Each call takes {LATENCY:g} s, name servers lag {LAG:g} s behind.",
        "The hop after the write looks in DNS, and is the first that may have to wait; workers do it with the write, as one job.",
    ]
    return Report("bulk-workers", rows, notes=notes + ([f"Without PostgreSQL: {why}."] if why else []))
