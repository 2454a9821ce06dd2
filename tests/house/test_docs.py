"""What is documented is true: every command, error and hook has its place in the reference, and every link leads somewhere."""

import re
import subprocess
import sys
from pathlib import Path

import click
import pytest

from house.source import PROVIDERS, ROOT
from wixsend import errors, hookspecs
from wixsend.cli import cli

REFERENCE = ROOT / "docs" / "reference"
PAGES = sorted({ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "core" / "README.md", *(ROOT / "docs").rglob("*.md")})
PAGES += [provider / "README.md" for provider in PROVIDERS]


def commands(command: click.Command, path: str = "wixsend") -> list[str]:
    """Every command that can be typed."""
    if not isinstance(command, click.Group):
        return [path]
    context = click.Context(command, info_name=path)
    children = [(name, command.get_command(context, name)) for name in command.list_commands(context)]
    return [words for name, child in children if child is not None and not child.hidden for words in commands(child, f"{path} {name}")]


def reference() -> str:
    return "\n".join(page.read_text() for page in REFERENCE.glob("*.md"))


def test_the_reference_is_what_the_code_says() -> None:
    done = subprocess.run([sys.executable, str(REFERENCE / "generate.py"), "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("command", commands(cli))
def test_every_command_is_documented_with_an_example(command: str) -> None:
    assert f"`{command}`" in reference()


def test_every_error_code_is_documented_once() -> None:
    codes = [getattr(errors, name).code for name in errors.__all__]
    assert len(codes) == len(set(codes)), "two errors have one code"
    missing = [code for code in codes if f"`{code}`" not in reference()]
    assert not missing


def test_every_hook_is_documented() -> None:
    missing = [name for name in hookspecs.__all__ if name.startswith("wixsend_") and f"`{name}" not in reference()]
    assert not missing


def test_the_readme_has_the_two_commands() -> None:
    readme = (ROOT / "README.md").read_text()
    assert "pip install uv && uv run wixsend demo" in readme
    assert "uv run pytest" in readme


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing
