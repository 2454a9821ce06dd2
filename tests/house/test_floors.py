"""A module imports only from floors below its own, or from its own floor to its right, as core/README.md draws them."""

import ast
import re
import sys
from pathlib import Path

import pytest

from house.source import CORE, floors, imports, tree

FLOORS = floors()
MODULES = sorted(path for path in CORE.glob("*.py") if not path.stem.startswith("__"))
TESTING = sorted((CORE / "testing").rglob("*.py"))
PURE = 2
ALLOWED_WHEN_PURE = {"dns.name", "dns.exception"}


def ours(path: Path) -> set[str]:
    """The core's modules that a file imports, types aside: what is imported for the type checker alone runs nowhere."""
    names = {name.split(".")[1] for name in imports(path, typing_too=False) if name.startswith("wixsend.")}
    return names - {"__version__"}


def test_the_drawing_shows_every_module_and_no_other() -> None:
    assert set(FLOORS) == {path.stem for path in MODULES}


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_a_module_says_which_floor_it_is_on(path: Path) -> None:
    said = re.match(r"Floor (\d)[.,]", ast.get_docstring(tree(path)) or "")
    assert said is not None, f"{path.stem} does not begin with its floor"
    assert int(said[1]) == FLOORS[path.stem][0]


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_imports_go_down_or_to_the_right(path: Path) -> None:
    floor, place = FLOORS[path.stem]
    up = {name for name in ours(path) - {"testing"} if (-FLOORS[name][0], FLOORS[name][1]) <= (-floor, place)}
    assert not up, f"{path.stem} imports {', '.join(sorted(up))}"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.stem)
def test_only_the_demo_knows_the_sandbox(path: Path) -> None:
    assert path.stem == "demo" or "testing" not in ours(path)


@pytest.mark.parametrize("path", [path for path in MODULES if FLOORS.get(path.stem, (9, 0))[0] <= PURE], ids=lambda path: path.stem)
def test_the_pure_floors_import_the_standard_library_and_names(path: Path) -> None:
    foreign = {name for name in imports(path) if name.split(".")[0] not in {*sys.stdlib_module_names, "wixsend"}}
    assert foreign <= ALLOWED_WHEN_PURE
    assert not {"asyncio", "socket", "os", "pathlib", "time", "random", "sqlite3", "subprocess", "threading"} & set(imports(path))


@pytest.mark.parametrize("path", TESTING, ids=lambda path: path.relative_to(CORE).as_posix())
def test_what_is_shipped_for_tests_imports_no_face(path: Path) -> None:
    faces = {name for name, (floor, _) in FLOORS.items() if floor == 6}
    assert not faces & ours(path)


@pytest.mark.parametrize("path", [*MODULES, *TESTING], ids=lambda path: path.relative_to(CORE).as_posix())
def test_nothing_in_the_core_imports_a_plugin(path: Path) -> None:
    assert not [name for name in imports(path) if name.startswith("wixsend_")]


@pytest.mark.parametrize("path", [*MODULES, *TESTING], ids=lambda path: path.relative_to(CORE).as_posix())
def test_edits_are_made_by_plans_alone(path: Path) -> None:
    calls = [node for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == "Edit"]
    assert path == CORE / "plan.py" or not calls
