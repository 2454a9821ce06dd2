"""A new provider plugin works before a line of it is written: it is discovered, passes the conformance kit, and is clean."""

import json
import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from wixsend.errors import ConfigError
from wixsend.scaffold import new_provider


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A new plugin for a company with two words, beside metadata as an installer would leave it."""
    files = new_provider("acme-dns", "Acme & Söhne", tmp_path)
    folder = tmp_path / "wixsend-acme-dns"
    assert set(files) == {path for path in folder.rglob("*") if path.is_file()}
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    metadata = folder / "wixsend_acme_dns-0.1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {project['name']}\nVersion: {project['version']}\n")
    points = "".join(f"{name} = {home}\n" for name, home in project["entry-points"]["wixsend"].items())
    (metadata / "entry_points.txt").write_text(f"[wixsend]\n{points}")
    return folder


def run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PYTHONPATH": str(folder)}
    return subprocess.run([sys.executable, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_it_passes_the_conformance_kit(made: Path) -> None:
    done = run(made, "-W", "error", "-m", "pytest", "-p", "no:cacheprovider")
    assert done.returncode == 0, done.stdout + done.stderr
    assert " passed" in done.stdout and "skipped" not in done.stdout


def test_it_is_discovered(made: Path) -> None:
    code = "from wixsend.plugins import Plugins; plugin = Plugins().get('acme-dns'); print(plugin.label, plugin.credentials[0].env)"
    done = run(made, "-c", code)
    assert done.stdout == "Acme & Söhne ACME_DNS_TOKEN\n", done.stderr


def test_it_is_clean(made: Path) -> None:
    lint = run(
        made, "-m", "ruff", "check", "--isolated", "--line-length", "140", "--select", "E,F,W,B,UP,RUF100", "wixsend_acme_dns", "tests"
    )
    assert lint.returncode == 0, lint.stdout
    sources = [path.read_text() for path in made.rglob("*.py")]
    assert not [source for source in sources if "example" in source.lower().replace("acme-dns.example", "")]


@pytest.mark.parametrize("name", ["", "Acme", "acme_dns", "-acme", "acme-", "../acme", "1984", "a b", "acmé"])
def test_a_name_that_is_none(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a plugin"):
        new_provider(name, "Acme", tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("label", ["", " ", 'A"B', "A\nB", "A\x1b[2J", "A{B}", "A\\B"])
def test_a_label_that_would_break_the_code(tmp_path: Path, label: str) -> None:
    with pytest.raises(ConfigError, match="is no name for a company"):
        new_provider("acme", label, tmp_path)
    assert not list(tmp_path.iterdir())


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    (tmp_path / "wixsend-acme").mkdir()
    with pytest.raises(ConfigError, match="exists already"):
        new_provider("acme", "Acme", tmp_path)
    assert not list((tmp_path / "wixsend-acme").iterdir())


def test_a_folder_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="cannot be written"):
        new_provider("acme", "Acme", tmp_path / "file")


def test_the_command_says_what_it_wrote_and_refuses_the_second_time(tmp_path: Path) -> None:
    code = "from wixsend.cli import main; main(['new-provider', 'acme', '--json'])"
    first, second = run(tmp_path, "-c", code), run(tmp_path, "-c", code)
    assert first.returncode == 0, first.stderr
    assert all((tmp_path / path).is_file() for path in json.loads(first.stdout))
    assert second.returncode == 2
    assert json.loads(second.stdout)["error"]["happened"] == "wixsend-acme exists already"
