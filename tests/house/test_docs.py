"""What is documented is true: every command, error and hook has its place in the reference, and every link leads somewhere."""

import importlib
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
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


def typed(page: Path) -> Iterator[str]:
    """Every command line of wixsend that a page tells somebody to type: in fenced blocks and in code spans."""
    written = page.read_text()
    fenced = "\n".join(re.findall(r"^```(?:sh.*|)\n(.*?)^```$", written, re.MULTILINE | re.DOTALL))
    spans = re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```$", "", written, flags=re.MULTILINE | re.DOTALL))
    for line in [*fenced.splitlines(), *spans]:
        found = re.match(r"\s*(?:uv run )?(wixsend(?: .*)?)$", re.split(r"\s#\s|\s#$|[;|>&]", line, maxsplit=1)[0].rstrip())
        if found and "(" not in found[1]:  # a sentence
            yield found[1]


def refusal(line: str) -> str:
    """Why click would not take a command line; empty when it does. Nothing is run."""
    words = [word.strip("[]") for word in shlex.split(line)[1:] if word != "…"]
    command: click.Command = cli
    context = click.Context(cli, info_name="wixsend", resilient_parsing=True)
    while isinstance(command, click.Group):
        while words and words[0].startswith("-"):
            options = {option: parameter for parameter in command.params for option in parameter.opts}
            if words[0] not in {*options, "--help", "--version"}:
                return f"{command.name} has no option {words[0]}"
            flag = words[0] not in options or getattr(options[words[0]], "is_flag", False)
            words = words[1 if flag else 2 :]
        if not words or words[0].isupper():
            return ""
        child = command.get_command(context, words[0])
        if child is None:
            return f"{command.name} has no command {words[0]}"
        command, words = child, words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)} | {"--help"}
    unknown = [word for word in words if word.startswith("-") and word not in known]
    if unknown:
        return f"{command.name} has no option {unknown[0]}"
    return ""


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
def test_every_command_that_is_written_down_can_be_typed(page: Path) -> None:
    refused = {line: refusal(line) for line in typed(page) if refusal(line)}
    assert not refused


def test_commands_that_cannot_be_typed_are_noticed() -> None:
    lines = ["wixsend pln example.com", "wixsend plan --force example.com", "wixsend providers list", "wixsend --verbose plan"]
    assert all(refusal(line) for line in lines)
    assert not any(refusal(line) for line in ["wixsend", "wixsend plan DOMAIN --dmarc keep", "wixsend --state x providers show NAME"])
    assert any(typed(ROOT / "README.md"))


def test_every_page_can_be_reached_from_the_index() -> None:
    reached, todo = set[Path](), [ROOT / "docs" / "README.md", ROOT / "README.md"]
    while todo:
        page = todo.pop()
        if page not in reached and page.suffix == ".md" and page.exists():
            reached.add(page)
            todo += [(page.parent / link).resolve() for link in re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text())]
    assert not {page.resolve() for page in PAGES} - reached


def test_what_is_promised_to_be_stable_is_there() -> None:
    rows = re.findall(
        r"^\| `(wixsend\.testing\.\w+)` \| (.*) \|$", (ROOT / "docs" / "explanation" / "stability.md").read_text(), re.MULTILINE
    )
    assert rows
    for module, names in rows:
        home = importlib.import_module(module)
        told = [name for name in re.findall(r"`(\w+)`", names) if name[0].isupper()]
        assert set(told) <= set(home.__all__), module
        for name in [name for name in re.findall(r"`(\w+)`", names) if name[0].islower()]:
            assert hasattr(getattr(home, told[0]), name), f"{module}.{told[0]} has no {name}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    targets = re.findall(r"\]\((?!https?:|mailto:|#)([^)#\s]+)", page.read_text())
    missing = [target for target in targets if not (page.parent / target).exists()]
    assert not missing
