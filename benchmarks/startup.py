"""How long a command takes to answer, as a multiple of a Python that does nothing, beside the commands of two peers.

    uv run benchmarks/startup.py

The commands take turns, round after round, so that whatever else the machine does meets all of them alike. The target is held against
the processor time of the fastest run, which is what the clock shows of it on a machine that has nothing else to do. A first round, which
does not count, leaves every module's byte code on disk, as an installer or a user's first run does.
"""

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from _table import Figure, Report, arguments, finish

HERE = Path(sys.executable).parent
COMMANDS: dict[str, list[str]] = {
    "python -c pass": [sys.executable, "-c", "pass"],
    "wixsend --help": [str(HERE / "wixsend"), "--help"],
    "wixsend providers": [str(HERE / "wixsend"), "providers"],
    "lexicon --help": [str(HERE / "lexicon"), "--help"],
    "octodns-sync --help": [str(HERE / "octodns-sync"), "--help"],
}
BARE = "python -c pass"
AT_MOST = {"wixsend --help": 150}
"""Milliseconds."""

ROUNDS, QUICK = 15, 3
ENVIRON = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds on the clock, and of processor time."""

    clock: float
    cpu: float


def run(command: list[str]) -> Took:
    """How long a command takes, from its start to its end."""
    start = time.perf_counter()
    nowhere = subprocess.DEVNULL
    process = subprocess.Popen(command, env=ENVIRON, stdin=nowhere, stdout=nowhere, stderr=nowhere)
    _, status, used = os.wait4(process.pid, 0)
    clock = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}")
    return Took(1000 * clock, 1000 * (used.ru_utime + used.ru_stime))


def measure(rounds: int) -> list[dict[str, object]]:
    """One row for each command."""
    for command in COMMANDS.values():
        run(command)
    turns = [{name: run(command) for name, command in COMMANDS.items()} for _ in range(rounds)]
    bare = median(turn[BARE].clock for turn in turns)
    rows: list[dict[str, object]] = []
    for name in COMMANDS:
        clocks = [turn[name].clock for turn in turns]
        rows.append(
            {
                "command": name,
                "CPU ms": Figure(round(min(turn[name].cpu for turn in turns), 1), AT_MOST.get(name)),
                "fastest ms": round(min(clocks), 1),
                "median ms": round(median(clocks), 1),
                "× python": round(median(clocks) / bare, 1),
            }
        )
    return rows


def main() -> int:
    options = arguments(__doc__).parse_args()
    rounds = QUICK if options.quick else ROUNDS
    return finish(Report("startup", measure(rounds), notes=[f"{rounds} rounds, the commands taking turns."]), options)


if __name__ == "__main__":
    sys.exit(main())
