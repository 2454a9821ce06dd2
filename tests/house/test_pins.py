"""What the tests run with is what pyproject.toml pins, and no file that is committed names a registry or this machine."""

import re
import subprocess
from importlib.metadata import PackageNotFoundError, distribution

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from house.source import PROVIDERS, ROOT, pyproject

PINS = pyproject(ROOT)["tool"]["uv"]["constraint-dependencies"]


def wanted() -> dict[str, str]:
    """Every distribution that is installed for us, with its version: the members, their groups and extras, and all that these need."""
    project, groups = pyproject(ROOT), pyproject(ROOT)["dependency-groups"]
    lines = [
        *project["project"]["dependencies"],
        *(line for extra in project["project"]["optional-dependencies"].values() for line in extra),
    ]
    lines += [line for group in groups.values() for line in group if isinstance(line, str)]
    lines += [line for provider in PROVIDERS for line in pyproject(provider)["project"]["dependencies"]]
    found: dict[str, str] = {}
    todo = [(Requirement(line), "") for line in lines]
    seen: set[tuple[str, str]] = set()
    while todo:
        requirement, extra = todo.pop()
        if requirement.marker is not None and not requirement.marker.evaluate({"extra": extra}):
            continue
        name = canonicalize_name(requirement.name)
        for wanted_extra in {"", *requirement.extras}:
            if (name, wanted_extra) in seen:
                continue
            seen.add((name, wanted_extra))
            try:
                home = distribution(name)
            except PackageNotFoundError:
                continue
            if not name.startswith("wixsend"):
                found[name] = home.version
            todo += [(Requirement(line), wanted_extra) for line in home.requires or ()]
    return found


def test_pins_are_exact_sorted_and_name_no_host() -> None:
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][A-Za-z0-9.!]*", line) for line in PINS)
    assert sorted(set(PINS)) == PINS


def test_everything_that_the_tests_run_with_is_pinned() -> None:
    pinned = dict(line.split("==") for line in PINS)
    versions = wanted()
    assert len(versions) > 30, "what is installed was not found"
    differing = {name: (version, pinned.get(name)) for name, version in versions.items() if pinned.get(name) != version}
    assert not differing, f"installed, and pinned: {differing}; run .ci/pins.py"


def test_no_committed_file_names_a_registry_or_this_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    files = [ROOT / name for name in listed.stdout.decode().split("\0") if name]
    # The names are put together here so that this file does not contain them.
    named = re.compile(
        "|".join(("[a-z]*index[-_]" + "url", "files\\.python" + "hosted", "/work/" + "main", "/work/" + "shared", "/ro" + "ot/"))
    )
    guilty = [path.name for path in files if path.is_file() and named.search(path.read_text(errors="ignore"))]
    assert not guilty
    assert not [path for path in files if path.name == "uv.lock"]
