"""What is public is listed: every module's `__all__` is exactly the public names that it defines."""

import importlib
from pathlib import Path

import pytest

import wixsend
from house.source import CORE, PROVIDERS, defined, exported, imports, package, tree

MODULES = sorted(path for path in CORE.rglob("*.py") if path != CORE / "__init__.py")
PLUGIN_MODULES = [path for provider in PROVIDERS for path in sorted(package(provider).rglob("*.py"))]
REEXPORTED = {CORE / "names.py": {"Name"}}
"""What a module exports on purpose without having defined it."""


@pytest.mark.parametrize("path", [*MODULES, *PLUGIN_MODULES], ids=lambda path: f"{path.parent.name}/{path.name}")
def test_all_is_what_a_module_defines(path: Path) -> None:
    names = exported(tree(path))
    public = defined(tree(path)) | REEXPORTED.get(path, set())
    assert set(names or ()) == public, f"{path.name}: in `__all__` only {set(names or ()) - public}, not in it {public - set(names or ())}"


def test_every_export_of_the_product_is_there_and_typed() -> None:
    typed = {name.removeprefix("wixsend.") for name in imports_of_front_door()}
    assert set(wixsend.__all__) == {*wixsend._MODULE_OF, "__version__"}
    for name in wixsend._MODULE_OF:
        assert getattr(wixsend, name) is getattr(importlib.import_module(f"wixsend.{wixsend._MODULE_OF[name]}"), name)
    assert typed == set(wixsend._MODULE_OF)


def imports_of_front_door() -> set[str]:
    """The names that the type checker is told of."""
    import ast

    return {
        alias.name
        for node in ast.walk(tree(CORE / "__init__.py"))
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("wixsend.")
        for alias in node.names
    }


def test_importing_the_product_imports_nothing() -> None:
    assert set(imports(CORE / "__init__.py", typing_too=False)) == {"importlib", "typing"}
