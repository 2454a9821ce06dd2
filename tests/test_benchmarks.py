"""What the benchmarks share: a missed target is an exit code, and the page gets what was measured."""

import argparse
import json
from pathlib import Path

import pytest

from _plugins import code_lines, home, size
from _table import ROOT, Figure, Report, arguments, finish, written
from wixsend.plugins import Plugins

KEPT = Report("calls", [{"tool": "ours", "calls": Figure(3, at_most=3)}, {"tool": "theirs", "calls": 5}])
MISSED = Report("calls", [{"tool": "ours", "host": "here", "calls": Figure(4, at_most=3), "ms": Figure(151.2, 150, " ms")}])


def options(*given: str) -> argparse.Namespace:
    return arguments("What it measures.\n\nMore.").parse_args(given)


def test_a_target_that_is_kept_or_not_there_is_no_miss(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish(KEPT, options()) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split() for line in lines[:3]] == [["tool", "calls"], ["ours", "3", "(≤", "3)"], ["theirs", "5"]]
    assert "MISSED" not in "".join(lines)


def test_a_missed_target_is_said_and_is_the_exit_code(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish(MISSED, options()) == 1
    out = capsys.readouterr().out
    assert "MISSED: ours here: calls 4 (≤ 3)" in out
    assert "MISSED: ours here: ms 151 ms (≤ 150 ms)" in out


def test_what_is_said_to_be_missed_counts_too(capsys: pytest.CaptureFixture[str]) -> None:
    assert finish(Report("kit", KEPT.rows, missed=["one was not caught"]), options("--json")) == 1
    assert json.loads(capsys.readouterr().out)["missed"] == ["one was not caught"]


def test_the_same_numbers_for_programs(capsys: pytest.CaptureFixture[str]) -> None:
    finish(KEPT, options("--json"))
    found = json.loads(capsys.readouterr().out)
    assert found["rows"] == [{"tool": "ours", "calls": {"value": 3, "at_most": 3, "unit": ""}}, {"tool": "theirs", "calls": 5}]
    assert "Python" in found["machine"]


def test_the_page_gets_the_table_between_its_markers_and_nothing_else_changes() -> None:
    after = "<!-- end of calls -->\nafter\n<!-- job: x -->\nkept\n<!-- end of job -->\n"
    page = f"before\n<!-- calls: written by a benchmark -->\n\nold\n\n{after}"
    new = written(page, KEPT)
    assert new.startswith("before\n<!-- calls: written by a benchmark -->\n\n```text\ntool ")
    assert new.endswith(f"```\n\n{after}")
    assert "old" not in new
    assert written(new, KEPT) == new


def test_a_page_without_a_place_for_it_is_an_error() -> None:
    with pytest.raises(ValueError, match="0 places for calls"):
        written("no markers", KEPT)


def test_lines_of_code_are_neither_blank_nor_comments_nor_docstrings(tmp_path: Path) -> None:
    path = tmp_path / "adapter.py"
    path.write_text('"""Says\n\nmuch."""\n\n# why\nx = """not\na docstring"""\n\n\ndef f() -> int:\n    """One."""\n    return 1  # one\n')
    assert code_lines(path) == 4


def test_every_plugin_of_this_repository_is_found_and_measured() -> None:
    rows = {row.name: row for row in Plugins().all()}
    for folder in (path.parent for path in (ROOT / "providers").glob("*/pyproject.toml")):
        assert folder in {home(row) for row in rows.values()}
        adapter, package = size(folder)
        assert 0 < adapter <= package
