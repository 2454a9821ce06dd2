"""Runs a page of the documentation: its commands in one shell, its files where it says, its outputs compared.

    ```sh                 commands; the last one must succeed
    ```sh fails           commands of which the last must fail
    ```sh yours           commands with values of the reader's own: not run
    ```sh EVENT           commands, before which something happens that the page tells of: a tool of that name is run
    ```text               after commands: each line occurs in what they printed, in this order
    ```python FILE        FILE is written, and so for toml and csv

Nothing is installed: `uv` is a small script that gives a project the metadata that an installer would, and runs it on this interpreter.
"""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Block", "blocks", "run"]

_ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^```(\w+)(?: ([^\n]+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_MARK = "--- end of block "

_UV = """\
import os, pathlib, sys, tomllib
command, *words = sys.argv[1:]
if command == "add" and words[0] == "--editable":
    assert (pathlib.Path(words[1]) / "pyproject.toml").is_file()
elif command == "run":
    here = pathlib.Path.cwd()
    project = tomllib.loads((here / "pyproject.toml").read_text())["project"]
    if project["name"] != "wixsend":
        metadata = here / f"{project['name'].replace('-', '_')}-{project['version']}.dist-info"
        metadata.mkdir(exist_ok=True)
        (metadata / "METADATA").write_text(f"Metadata-Version: 2.4\\nName: {project['name']}\\nVersion: {project['version']}\\n")
        points = "".join(f"{name} = {home}\\n" for name, home in project["entry-points"]["wixsend"].items())
        (metadata / "entry_points.txt").write_text(f"[wixsend]\\n{points}")
        os.environ["PYTHONPATH"] = str(here)
    os.execv(sys.executable, [sys.executable, "-m", *words])
else:
    sys.exit(f"no such command here: uv {' '.join(sys.argv[1:])}")
"""


@dataclass(frozen=True, slots=True)
class Block:
    """One fenced block: its language, the rest of its first line, and its text."""

    language: str
    says: str
    text: str


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page that are in one of the languages above, in order."""
    return [Block(match[1], match[2] or "", match[3]) for match in _FENCE.finditer(page.read_text())]


def run(page: Path, folder: Path, environment: Mapping[str, str] | None = None, tools: Mapping[str, str] | None = None) -> None:
    """Run a page in `folder`, beginning in a checkout there, `wixsend`; `AssertionError` with what was printed where it does not hold.

    `tools` are Python scripts by name, beside `uv`.
    """
    checkout, path = folder / "wixsend", folder / ".tools"
    checkout.mkdir()  # of its own, so that what is written beside it stays in `folder`
    (checkout / "pyproject.toml").symlink_to(_ROOT / "pyproject.toml")
    path.mkdir()
    for name, script in {"uv": _UV, **(tools or {})}.items():
        (path / name).write_text(f"#!{sys.executable}\n{script}")
        (path / name).chmod(0o755)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith("WIXSEND_")}
    places = os.pathsep.join((str(path), str(Path(sys.executable).parent), os.environ["PATH"]))
    found = blocks(page)
    done = subprocess.run(
        ["bash", "-u", "-o", "pipefail", "-c", _script(found)],
        cwd=checkout,
        env=inherited | {"PATH": places, "HOME": str(folder), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "140"} | dict(environment or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
        timeout=300,
    )
    printed = re.split(rf"^{_MARK}\d+\n", done.stdout, flags=re.MULTILINE)
    assert done.returncode == 0, done.stdout
    for number, block in enumerate(found):
        if block.language == "text":
            _holds(block, printed[number - 1])


def _script(found: list[Block]) -> str:
    """Every block as shell, each followed by a line that marks its end."""
    parts = []
    for number, block in enumerate(found):
        if block.language in ("python", "toml", "csv") and block.says:
            part = f"cat > {block.says} <<'END_OF_{number}'\n{block.text}END_OF_{number}\n"
        elif block.language == "sh" and block.says != "yours":
            before = f"{block.says}\n" if block.says not in ("", "fails") else ""
            wanted = "-ne" if block.says == "fails" else "-eq"
            part = f"{before}{block.text}[ $? {wanted} 0 ] || {{ echo 'block {number} did not end so'; exit 1; }}\n"
        else:
            part = ""
        parts.append(f"{part}echo '{_MARK}{number}'\n")
    return "".join(parts)


def _holds(block: Block, printed: str) -> None:
    rest = printed
    for line in block.text.splitlines():
        assert line in rest, f"not printed, or not in this order: {line!r}, in:\n{printed}"
        rest = rest.split(line, 1)[1]
