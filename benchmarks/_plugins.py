"""How much code the plugins of this repository are."""

import ast
import tomllib
from pathlib import Path

from _table import ROOT
from wixsend.plugins import Row

__all__ = ["code_lines", "home", "size"]


def code_lines(path: Path) -> int:
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    told = {
        line
        for node in ast.walk(tree)
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        for line in range(node.lineno, (node.end_lineno or node.lineno) + 1)
    }
    lines = enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
    return sum(bool(line.strip()) and not line.lstrip().startswith("#") and number not in told for number, line in lines)


def home(row: Row) -> Path | None:
    """The folder of a plugin's distribution in this repository."""
    for pyproject in (ROOT / "providers").glob("*/pyproject.toml"):
        if tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]["name"] == row.distribution:
            return pyproject.parent
    return None


def size(folder: Path) -> tuple[int, int]:
    """Lines of the adapter, and of the package without its fake."""
    modules = [path for path in folder.glob("wixsend_*/**/*.py") if path.stem != "sandbox"]
    return sum(code_lines(path) for path in modules if path.stem == "adapter"), sum(map(code_lines, modules))
