"""The conformance kit can fail: each broken provider is caught by the case that it names, and no case can be dropped quietly."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from wixsend.testing.broken import BROKEN
from wixsend.testing.conformance import ProviderConformance

COMMAND = Path(__file__).parents[1] / "benchmarks" / "broken_providers.py"


def run(*options: str, code: str = "") -> subprocess.CompletedProcess[str]:
    start = ["-c", code] if code else [str(COMMAND)]
    return subprocess.run([sys.executable, *start, *options], capture_output=True, text=True, timeout=120, check=False)


def test_every_broken_provider_is_caught_by_the_case_that_it_names() -> None:
    done = run("--quick", "--json")
    rows = json.loads(done.stdout)["rows"]
    assert {row["broken provider"]: row["caught by"] for row in rows} == {broken.name: broken.caught_by for broken in BROKEN}
    assert done.returncode == 0, done.stderr


def test_the_command_fails_when_a_broken_provider_is_missed() -> None:
    """A provider that is in order stands for one whose bad habit no case sees."""
    code = f"""
import runpy, sys
import wixsend.testing.broken as home
from wixsend.testing.example.adapter import ExampleProvider
sound = home.Broken(ExampleProvider, "does nothing wrong", "test_records_are_added_to_a_fresh_zone")
home.BROKEN[:] = [sound]
home.TestExampleProvider = sound.conformance()
sys.path.insert(0, {str(COMMAND.parent)!r})
runpy.run_path({str(COMMAND)!r}, run_name="__main__")
"""
    done = run("--quick", code=code)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "MISSED by test_records_are_added_to_a_fresh_zone" in done.stdout
    assert "0 of 1 broken providers caught, 1 cases run" in done.stdout


def test_every_case_but_few_catches_a_broken_provider() -> None:
    """A case that no broken provider needs proves nothing about the kit: those are listed here, each with its reason."""
    cases = {name for name in vars(ProviderConformance) if name.startswith("test_")}
    assert cases - {broken.caught_by for broken in BROKEN} == {
        "test_the_plugin_describes_itself",  # data, not behaviour
        "test_a_zone_of_five_thousand_records",  # size alone: other cases see what goes wrong with pages
        "test_a_record_that_appears_meanwhile_is_not_doubled",  # Example DNS itself refuses a second CNAME
        "test_an_edit_that_replaces_can_be_undone",  # adding, removing and replacing are each watched by another case
        "test_a_record_that_is_gone_already",  # caught are those that swallow conflicts, and another case names them
    }


def test_a_case_that_fails_names_what_can_be_declared() -> None:
    case = "wixsend.testing.broken::TestAsksTwice::test_no_more_calls_than_declared"
    options = ("--tb=line", "-c", "/dev/null", "--rootdir=/", "-p", "no:cacheprovider", "--pyargs", case)
    done = run(*options, code="import sys, pytest; sys.exit(pytest.main(sys.argv[1:]))")
    assert "declared: {'zone': 1, 'read': 1, 'write': 1}" in done.stdout
    assert "`calls`: HTTP requests that `zone`, `read` and `write` may take" in done.stdout


def test_every_attribute_is_explained() -> None:
    explained = set(re.findall(r"^ *- `(\w+)`: ", ProviderConformance.__doc__ or "", re.MULTILINE))
    cases = [case for name, case in vars(ProviderConformance).items() if name.startswith("test_")]
    named = {attribute for case in cases for attribute in getattr(case, "declarable", ())}
    assert named <= explained
    assert explained == ProviderConformance.__annotations__.keys() - {"plugin", "fake"} | {"writes"}


@pytest.mark.parametrize("replacement", [None, lambda self: None])
def test_a_case_is_not_replaced_without_a_reason(replacement: object) -> None:
    with pytest.raises(TypeError, match="overrides test_two_writers without a reason"):
        type("TestQuiet", (ProviderConformance,), {"test_two_writers": replacement})
    with pytest.raises(TypeError, match="overrides test_two_writers without a reason"):
        type("TestBlank", (ProviderConformance,), {"test_two_writers": replacement, "overridden": {"test_two_writers": " "}})
    type("TestOpen", (ProviderConformance,), {"test_two_writers": replacement, "overridden": {"test_two_writers": "the host has one"}})


def test_a_reason_needs_a_case() -> None:
    with pytest.raises(TypeError, match="gives reasons for cases that it does not override"):
        type("TestStale", (ProviderConformance,), {"overridden": {"test_of_old": "it was there once"}})


def test_a_case_stays_replaced_only_where_it_was() -> None:
    """A class between the kit and a test class cannot hide a case from the rule."""

    class Between(ProviderConformance):
        async def helper(self) -> None: ...

    with pytest.raises(TypeError, match="without a reason"):
        type("TestBelow", (Between,), {"test_two_writers": None})
