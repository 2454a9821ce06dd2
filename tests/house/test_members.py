"""The distributions agree with each other, and providers come in by the front door."""

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import wixsend
from house.source import CORE, PROVIDERS, ROOT, imports, package, pyproject, tree

PROJECT = pyproject(ROOT)["project"]
PLUGIN_SOURCES = [path for provider in PROVIDERS for path in sorted(package(provider).rglob("*.py"))]
EXAMPLE_SOURCES = [CORE / "testing" / "example" / name for name in ("__init__.py", "adapter.py", "sandbox.py")]

BRIDGES = [provider for provider in PROVIDERS if len(pyproject(provider)["project"]["entry-points"]["wixsend"]) > 1]
"""Distributions that bring many hosts, each with an entry point of its own. They cannot be read, so the conformance kit is not for them."""

by_name = pytest.mark.parametrize("provider", PROVIDERS, ids=lambda path: path.name)


def test_there_are_providers() -> None:
    hosts = {"cloudflare", "digitalocean", "godaddy", "namecheap", "powerdns", "rfc2136", "route53"}
    assert {provider.name for provider in PROVIDERS} >= hosts


@by_name
def test_versions_are_in_lock_step(provider: Path) -> None:
    project = pyproject(provider)["project"]
    assert project["version"] == PROJECT["version"] == wixsend.__version__
    assert f"wixsend=={PROJECT['version']}" in project["dependencies"]
    assert project["requires-python"] == PROJECT["requires-python"]
    assert project["license"] == PROJECT["license"]


@by_name
def test_a_provider_is_an_extra_of_the_product(provider: Path) -> None:
    extra = f"{pyproject(provider)['project']['name']}=={PROJECT['version']}"
    assert PROJECT["optional-dependencies"][provider.name] == [extra]
    assert extra in PROJECT["optional-dependencies"]["all"]


@by_name
def test_a_provider_configures_no_tool(provider: Path) -> None:
    assert set(pyproject(provider).get("tool", {})) <= {"hatch"}
    assert not {path.name for path in provider.iterdir()} & {"ruff.toml", "mypy.ini", "pytest.ini", "tox.ini", "setup.cfg", ".coveragerc"}


@by_name
def test_the_entry_point_is_named_as_the_plugin_is(provider: Path) -> None:
    points = pyproject(provider)["project"]["entry-points"]["wixsend"]
    if provider in BRIDGES:
        assert points == {name: f"{package(provider).name}:{name.removeprefix(f'{provider.name}:')}" for name in points}
        assert all(name.startswith(f"{provider.name}:") for name in points)
        return
    assert points == {provider.name: package(provider).name}
    names = {
        ast.literal_eval(word.value)
        for node in ast.walk(tree(package(provider) / "__init__.py"))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "ProviderPlugin"
        for word in node.keywords
        if word.arg == "name"
    }
    assert names == {provider.name}


@by_name
def test_a_provider_has_what_every_provider_has(provider: Path) -> None:
    for name in ("README.md", "tests/test_conformance.py"):
        assert (provider / name).is_file() or (provider in BRIDGES and name != "README.md"), f"{provider.name} has no {name}"
    for name in ("adapter.py", "sandbox.py", "py.typed"):
        assert (package(provider) / name).is_file(), f"{provider.name} has no {name}"
    sdks = {Requirement(line).name for line in pyproject(provider)["project"]["dependencies"]} - {"wixsend", "httpx"}
    assert not sdks or (package(provider) / "fence.py").is_file(), f"{provider.name} uses {', '.join(sorted(sdks))} without a fence"
    if provider in BRIDGES:
        return
    bases = {
        ast.unparse(base)
        for node in tree(provider / "tests" / "test_conformance.py").body
        if isinstance(node, ast.ClassDef)
        for base in node.bases
    }
    assert bases == {"ProviderConformance"}


@pytest.mark.parametrize("path", PLUGIN_SOURCES, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_plugin_imports_what_wixsend_exports_and_what_it_declares(path: Path) -> None:
    provider = next(provider for provider in PROVIDERS if provider in path.parents)
    declared = {canonicalize_name(Requirement(line).name) for line in pyproject(provider)["project"]["dependencies"]}
    homes = packages_distributions()
    for name in imports(path):
        top = name.split(".")[0]
        if top == "wixsend":
            assert_front_door(path, name)
        elif top not in sys.stdlib_module_names and top != package(provider).name:
            assert declared & {canonicalize_name(home) for home in homes[top]}, (
                f"{path.name} imports {name}, which {provider.name} does not declare"
            )


@pytest.mark.parametrize("path", EXAMPLE_SOURCES, ids=lambda path: path.name)
def test_the_template_of_plugins_comes_in_by_the_front_door(path: Path) -> None:
    for name in imports(path):
        if name.startswith("wixsend") and not name.startswith("wixsend.testing.example"):
            assert_front_door(path, name)


def assert_front_door(path: Path, name: str) -> None:
    fake = name == "wixsend.testing.fakes" and (path.stem.startswith("sandbox") or name not in set(imports(path, typing_too=False)))
    assert fake or name.removeprefix("wixsend.") in wixsend.__all__, f"{path.name} imports {name}"
