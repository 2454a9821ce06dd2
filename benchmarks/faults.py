"""Run the fault matrix: everything that can go wrong, at every call of every job, at every installed host; and count what survived.

    uv run benchmarks/faults.py                  all of it
    uv run benchmarks/faults.py --quick          each fault at each kind of call once, what a write may do unseen at each host: CI's share
    uv run benchmarks/faults.py --only 1234      one combination, with how each of its runs ended
    uv run benchmarks/faults.py --host godaddy   what concerns one host (with --quick too)
    uv run benchmarks/faults.py --write          the result into docs/reference/faults.md too, each host's in its place
    uv run benchmarks/faults.py --real           every call to real servers: PowerDNS, BIND, Knot DNS (with --quick too)

DNS hosts are fakes, or, with `--real`, servers that are started here, the wire to which is spoilt: that needs root and the Debian packages
in `.ci/apt.txt`. What is tried, and what must hold, is in `wixsend.testing.faults`. A cell counts the combinations tried; of those that
were lost or not met it says how many. Exits with 1 where one is lost, or where a call that was to go wrong never came.
"""

import argparse
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import ExitStack, nullcontext
from pathlib import Path

from _table import ROOT, aligned, machine, put

sys.path.insert(0, str(ROOT / "tests"))
from live_servers.lab import lacking
from live_servers.subjects import REAL, running
from wixsend.plugins import Plugins
from wixsend.testing.faults import TROUBLES, Combination, Medium, Subject, Verdict, matrix, quick, rehearse, survive

PAGE = ROOT / "docs" / "reference" / "faults.md"
REAL_PAGE = ROOT / "docs" / "reference" / "faults-at-real-servers.md"
CHUNK = 6

TITLES = {
    Medium.WIX: "Calls to Wix",
    Medium.HOST: "Calls to the DNS host",
    Medium.DNS: "Questions to name servers (authority) and resolvers",
    Medium.JOURNAL: "The journal's calls of its database",
}

REAL_INTRO = """\
<!-- Written by `uv run benchmarks/faults.py --real --write`: do not edit. -->

# The fault matrix at real servers, as it was run

What [the fault matrix](faults.md) does to fakes of DNS hosts, done to servers that people run: each job, with something going wrong at
one numbered call to a real PowerDNS, BIND or Knot DNS, then the same command again until it was done, and once more. The messages are
spoilt on the wire between wixsend and the server. What the server held was read behind its back, before and after every request:
PowerDNS's rows from its database, comments and disabled records too, and what the others held by a zone transfer. Where the message is DNS,
401 is BADKEY, another status is SERVFAIL, *html* and *empty* are no messages, and *wrong shape* is an answer to another question.
"""


def subjects() -> list[Subject]:
    """Every installed host that brings a fake, once for each way into it."""
    return [subject for name in Plugins().names() for subject in Subject.all_of(name)]


def tried(combinations: Sequence[Combination], workers: int, folder: Path | None = None) -> list[Verdict]:
    """The verdict on each, in their order; told on stderr as they come. In `folder`, real servers are started."""
    chunks = [combinations[start : start + CHUNK] for start in range(0, len(combinations), CHUNK)]
    verdicts: list[Verdict] = []
    context = multiprocessing.get_context("forkserver")
    hosts = tuple(dict.fromkeys(one.subject for one in combinations))
    with ProcessPoolExecutor(workers, mp_context=context, initializer=ready, initargs=(hosts, folder)) as pool:
        for done in as_completed([pool.submit(survive_all, chunk) for chunk in chunks]):
            verdicts += done.result()
            told = [str(verdict) for verdict in done.result() if _outcome(verdict) in ("lost", "not met")]
            if told or len(verdicts) % 100 < CHUNK:
                print(*told, f"{len(verdicts)} of {len(combinations)}", sep="\n", file=sys.stderr, flush=True)
    return sorted(verdicts, key=lambda verdict: verdict.combination.number)


def ready(hosts: Sequence[Subject], folder: Path | None) -> None:
    """Prepare this process for combinations at these hosts; servers that it starts end with it."""
    if folder is not None:
        _kept.enter_context(running(Path(tempfile.mkdtemp(dir=folder)), hosts))
    rehearse(hosts)


_kept = ExitStack()
"""What lives as long as a process."""


def survive_all(combinations: Sequence[Combination]) -> list[Verdict]:
    return [tried_until_met(combination) for combination in combinations]


def tried_until_met(combination: Combination) -> Verdict:
    """Tried again, a few times, where the call that was to go wrong never came: a busy machine's run may have timed out before it."""
    for _ in range(3):
        verdict = survive(combination)
        if verdict.met or not verdict.survived:
            break
    return verdict


def by_step(verdicts: Iterable[Verdict], medium: Medium) -> list[dict[str, object]]:
    """Trouble by kind of call, for one medium."""
    cells: dict[tuple[str, str], Counter[str]] = {}
    first: dict[str, int] = {}
    for verdict in verdicts:
        one = verdict.combination
        if one.step.medium is medium:
            kind = one.step.kind.partition(" ")[0] if medium is Medium.JOURNAL else one.step.kind
            first[kind] = min(first.get(kind, one.step.number), one.step.number)
            cells.setdefault((one.trouble.name, kind), Counter())[_outcome(verdict)] += 1
    kinds = sorted(first, key=lambda kind: (first[kind], kind))
    troubles = dict.fromkeys(trouble.name for trouble in TROUBLES if any(name == trouble.name for name, _kind in cells))
    return [{"trouble": trouble, **{kind: _cell(cells.get((trouble, kind), Counter())) for kind in kinds}} for trouble in troubles]


def by_host(verdicts: Iterable[Verdict]) -> list[dict[str, object]]:
    """Tried, survived, in the window and lost, for each host and job."""
    cells: dict[tuple[str, str], Counter[str]] = {}
    for verdict in verdicts:
        cells.setdefault((str(verdict.combination.subject), verdict.combination.job), Counter())[_outcome(verdict)] += 1
    return [
        {
            "host": host,
            "job": job,
            "tried": found.total(),
            "survived": found["survived"],
            "in the window": found["window"],
            "lost": found["lost"],
            "not met": found["not met"],
        }
        for (host, job), found in sorted(cells.items())
    ]


def _outcome(verdict: Verdict) -> str:
    if not verdict.survived:
        return "lost"
    if not verdict.met:
        return "not met"
    return "window" if verdict.window else "survived"


def _cell(found: Counter[str]) -> str:
    others = [f"{number} {outcome}" for outcome, number in found.items() if outcome != "survived" and number]
    return "" if not found else f"{found.total()}" + (f" ({', '.join(others)})" if others else "")


def summary(verdicts: Sequence[Verdict], seconds: float) -> str:
    found = Counter(map(_outcome, verdicts))
    hosts = len({str(verdict.combination.subject) for verdict in verdicts})
    return (
        f"{len(verdicts):,} combinations at {hosts} hosts: {found['survived']:,} survived, {found['window']} in the window, "
        f"{found['lost']} lost, {found['not met']} not met; {seconds / 60:.1f} minutes"
    )


def tables(verdicts: Sequence[Verdict]) -> list[tuple[str, str]]:
    """Title and text of each table."""
    parts = [(title, rows) for medium, title in TITLES.items() if (rows := by_step(verdicts, medium))]
    parts.append(("Hosts and jobs", by_host(verdicts)))
    return [(title, "\n".join(line.rstrip() for line in aligned(rows))) for title, rows in parts]


def shown(verdicts: Sequence[Verdict]) -> str:
    """The tables, for a page."""
    return "\n\n".join(f"**{title}**\n\n```text\n{text}\n```" for title, text in tables(verdicts))


def write_down(verdicts: Sequence[Verdict], seconds: float, *, quick: bool) -> None:
    """Put the quick share in its place on the page, or every host that was tried whole in its own."""
    page = PAGE.read_text(encoding="utf-8")
    hosts = ["quick"] if quick else dict.fromkeys(verdict.combination.subject.name for verdict in verdicts)
    for host in hosts:
        its = [verdict for verdict in verdicts if quick or verdict.combination.subject.name == host]
        took = seconds * len(its) / len(verdicts)
        page = put(page, host, f"{summary(its, took)}. Run at {machine()}.\n\n{shown(its)}")
    PAGE.write_text(page, encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="each fault at each kind of call once")
    parser.add_argument("--only", type=int, metavar="NUMBER", help="one combination, in full")
    parser.add_argument("--host", metavar="NAME", help="only what concerns this host")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
    parser.add_argument("--write", action="store_true", help=f"write the result to {PAGE.name}")
    parser.add_argument("--workers", type=int, default=2 * (os.cpu_count() or 1), help="processes (default: twice the processors)")
    parser.add_argument("--real", action="store_true", help="at real servers, in the place of fakes")
    options = parser.parse_args()
    if options.real and lacking():
        print(lacking(), file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory(prefix="wixsend-faults-") as folder:
        return try_all(options, Path(folder) if options.real else None)


def try_all(options: argparse.Namespace, folder: Path | None) -> int:
    """What the options ask for; at real servers, in that folder."""
    began = time.monotonic()
    tries = subjects() if folder is None else REAL
    names = sorted({subject.name for subject in tries})
    if options.host not in (None, *names):
        print(f"Nothing is tried at {options.host!r}; there are: {', '.join(names)}.", file=sys.stderr)
        return 2
    with nullcontext() if folder is None else running(folder):
        every = matrix(tries)
        if options.only is not None:
            return only(every, options.only)
    chosen = [one for one in every if options.host in (None, one.subject.name) and (folder is None or one.step.medium is Medium.HOST)]
    if options.quick:
        chosen = quick(chosen)
    verdicts = tried(chosen, options.workers, folder)
    said, bad = summary(verdicts, time.monotonic() - began), [one for one in verdicts if _outcome(one) in ("lost", "not met")]
    if options.json:
        found = {"machine": machine(), "summary": said, "hosts": by_host(verdicts)}
        found |= {medium.value: by_step(verdicts, medium) for medium in TITLES}
        print(json.dumps(found | {"bad": [str(verdict) for verdict in bad]}, indent=2))
    else:
        print("\n\n".join(f"{title}\n\n{text}" for title, text in tables(verdicts)))
        print("", *bad, said, machine(), sep="\n")
    if options.write and folder is not None:
        REAL_PAGE.write_text(f"{REAL_INTRO}\n{said}.\n\nRun at {machine()}.\n\n{shown(verdicts)}\n", encoding="utf-8")
    elif options.write:
        write_down(verdicts, time.monotonic() - began, quick=options.quick)
    return 1 if bad else 0


def only(every: Sequence[Combination], number: int) -> int:
    """One combination by its number."""
    if not 1 <= number <= len(every):
        print(f"There are combinations 1 to {len(every)}.", file=sys.stderr)
        return 2
    verdict = survive(every[number - 1])
    print(verdict, f"{_outcome(verdict)}", sep="\n")
    return 0 if _outcome(verdict) in ("survived", "window") else 1


if __name__ == "__main__":
    sys.exit(main())
