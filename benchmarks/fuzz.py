"""Give every parser of foreign input as many mutated inputs as one likes, and print how many were tried, taken for an answer, and what
they found.

    uv run benchmarks/fuzz.py

What is tried, and what must hold, is in `tests/fuzz_targets.py`: bodies of every host and of Wix over HTTP, DNS messages over UDP, files of
ours. `--inputs` is how many for each parser, `--only` a parser's name. Exits with 1 where an input made something else of it than a right
answer or one of our errors; that input is printed, as small as it could be made.
"""

import sys
import time
import traceback
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, Phase, given, seed, settings

from _table import Report, arguments, finish

sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))

from fuzz_targets import TARGETS, Target

INPUTS, QUICK = 5000, 100
_ROUND = 1000
"""Inputs after which hypothesis begins anew, with another seed: it remembers all that it tried."""


def tried(kind: type[Target[Any]], inputs: int) -> dict[str, object]:
    """One row: a parser, how many inputs it was given, and what was found."""
    count, taken, found, began = 0, 0, "", time.perf_counter()
    with kind() as target:
        for begins in range(0, inputs, _ROUND):

            @seed(begins)
            @settings(
                max_examples=min(_ROUND, inputs - begins),
                deadline=None,
                database=None,
                suppress_health_check=list(HealthCheck),
                phases=(Phase.generate, Phase.shrink),
                print_blob=False,
            )
            @given(target.inputs)
            def check(value: Any) -> None:
                nonlocal count, taken
                count += 1
                taken += target.check(value)

            try:
                check()
            except Exception as wrong:
                traceback.print_exc()
                found = f"{type(wrong).__name__}: {str(wrong)[:80]}"
                break
    took = time.perf_counter() - began
    return {"parser": kind.name, "inputs tried": count, "taken": taken, "a second": round(count / took), "found": found or "nothing"}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--inputs", type=int, metavar="N", help=f"how many for each parser; {INPUTS} where it is not said")
    parser.add_argument("--only", metavar="PARSER", help="only the parser of this name")
    options = parser.parse_args()
    inputs = options.inputs or (QUICK if options.quick else INPUTS)
    rows = [tried(kind, inputs) for kind in TARGETS if options.only in (None, kind.name)]
    total = sum(int(str(row["inputs tried"])) for row in rows)
    missed = [f"{row['parser']}: {row['found']}" for row in rows if row["found"] != "nothing"]
    return finish(Report("fuzz", rows, missed, [f"{total:,d} inputs tried"]), options)


if __name__ == "__main__":
    sys.exit(main())
