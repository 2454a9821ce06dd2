"""What the house tests read: our own source, as syntax trees."""

import ast
import re
import tomllib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
CORE = ROOT / "core" / "wixsend"
PROVIDERS = tuple(sorted(path.parent for path in (ROOT / "providers").glob("*/pyproject.toml")))

_DRAWN = re.compile(r"^(?P<floor>\d) \w+ +(?P<modules>[a-z]+(?: [·→] [a-z]+)*)", re.MULTILINE)


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(), str(path))


@cache
def pyproject(folder: Path) -> Any:
    return tomllib.loads((folder / "pyproject.toml").read_text())


def package(provider: Path) -> Path:
    """The package of a provider's distribution: its name is the distribution's."""
    name: str = pyproject(provider)["project"]["name"]
    return provider / name.replace("-", "_")


def floors() -> dict[str, tuple[int, int]]:
    """The floors as core/README.md draws them: for each module its floor, and its place on it from the left."""
    drawing = (CORE.parent / "README.md").read_text()
    return {
        module: (int(row["floor"]), place)
        for row in _DRAWN.finditer(drawing)
        for place, module in enumerate(re.split(r" [·→] ", row["modules"]))
    }


def imports(path: Path, typing_too: bool = True) -> Iterator[str]:
    """Every module that is imported, anywhere in the file; of `from wixsend import name`, the name too: `wixsend.name`."""
    for node in _nodes(tree(path), typing_too):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.module is not None and not node.level, f"{path}: an import that is relative"
            yield from (f"wixsend.{alias.name}" for alias in node.names) if node.module == "wixsend" else (node.module,)


def _nodes(node: ast.AST, typing_too: bool) -> Iterator[ast.AST]:
    yield node
    if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING" and not typing_too:
        return
    for child in ast.iter_child_nodes(node):
        yield from _nodes(child, typing_too)


def defined(module: ast.Module) -> set[str]:
    """The public names that a module defines at its top level; a command belongs to the group that it is registered with."""
    names: set[str] = set()
    for node in module.body:
        match node:
            case ast.FunctionDef(name=name, decorator_list=decorators) if not any(map(_registers, decorators)):
                names.add(name)
            case ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.TypeAlias(name=ast.Name(id=name)) | ast.AnnAssign(target=ast.Name(id=name)):
                names.add(name)
            case ast.Assign(targets=targets):
                names |= {name.id for target in targets for name in ast.walk(target) if isinstance(name, ast.Name)}
    return {name for name in names if not name.startswith("_")}


def _registers(decorator: ast.expr) -> bool:
    of, _, what = ast.unparse(decorator.func).rpartition(".") if isinstance(decorator, ast.Call) else ("", "", "")
    return of not in ("", "click") and what in ("command", "group")


def exported(module: ast.Module) -> list[str] | None:
    """The literal `__all__` of a module, `None` where it has none."""
    for node in module.body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names: list[str] = ast.literal_eval(node.value)
            return names
    return None
