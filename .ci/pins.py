"""Keeps the exact versions of everything that wixsend is tested with, in `[tool.uv] constraint-dependencies` of pyproject.toml.

    .ci/pins.py             write what uv resolves now: after a dependency was added or removed
    .ci/pins.py --upgrade   let uv take the newest of everything first

They stand there, and not in a committed `uv.lock`, because a lock file names the registry that it was made with.
"""

import re
import subprocess
import sys
from pathlib import Path

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
BLOCK = re.compile(r"^constraint-dependencies = \[\n(?:    .*\n)*\]\n", re.MULTILINE)
EXPORT = (
    *("export", "--format", "requirements-txt", "--all-packages", "--all-extras", "--all-groups"),
    *("--no-hashes", "--no-emit-workspace", "--no-annotate", "--no-header"),
)


def uv(*words: str) -> str:
    return subprocess.run(["uv", *words], cwd=PYPROJECT.parent, check=True, text=True, stdout=subprocess.PIPE).stdout


def pins(exported: str) -> list[str]:
    """`name==version`, one for each distribution and version, whatever system it is for."""
    return sorted({line.split(";")[0].strip() for line in exported.splitlines() if "==" in line})


def written(pyproject: str, lines: list[str]) -> str:
    """The text of pyproject.toml with these pins in place of those that it has."""
    block = "".join(["constraint-dependencies = [\n", *(f'    "{line}",\n' for line in lines), "]\n"])
    return BLOCK.sub(lambda _: block, pyproject, count=1)


def main() -> None:
    if "--upgrade" in sys.argv[1:]:
        PYPROJECT.write_text(written(PYPROJECT.read_text(), []))
        uv("lock", "--upgrade")
    lines = pins(uv(*EXPORT))
    PYPROJECT.write_text(written(PYPROJECT.read_text(), lines))
    uv("lock")
    print(f"{len(lines)} distributions pinned")


if __name__ == "__main__":
    main()
