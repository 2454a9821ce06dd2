"""How long a command takes to answer, as a multiple of a Python that does nothing, beside the commands of two peers.

    uv run benchmarks/startup.py

The commands take turns, round after round, so that whatever else the machine does meets all of them alike. The target is held against
the fastest run: everything that disturbs a run makes it slower.
"""

import subprocess
import sys
import time
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


def run(command: list[str]) -> float:
    """Milliseconds that a command takes, from its start to its end."""
    start = time.perf_counter()
    subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return 1000 * (time.perf_counter() - start)


def measure(rounds: int) -> list[dict[str, object]]:
    """One row for each command; a first round, which fills the caches, does not count."""
    for command in COMMANDS.values():
        run(command)
    turns = [{name: run(command) for name, command in COMMANDS.items()} for _ in range(rounds)]
    times = {name: [turn[name] for turn in turns] for name in COMMANDS}
    bare = median(times[BARE])
    return [
        {
            "command": name,
            "fastest ms": Figure(round(min(took), 1), AT_MOST.get(name)),
            "median ms": round(median(took), 1),
            "× python": round(median(took) / bare, 1),
        }
        for name, took in times.items()
    ]


def main() -> int:
    options = arguments(__doc__).parse_args()
    rounds = QUICK if options.quick else ROUNDS
    return finish(Report("startup", measure(rounds), notes=[f"{rounds} rounds, the commands taking turns."]), options)


if __name__ == "__main__":
    sys.exit(main())
