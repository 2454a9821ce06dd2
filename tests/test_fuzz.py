"""A little of what `benchmarks/fuzz.py` does at length: every parser of foreign input, with inputs that nobody wrote."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from fuzz_targets import TARGETS, Target


@pytest.mark.parametrize("kind", TARGETS, ids=lambda kind: kind.name)
def test_any_input_is_a_right_answer_or_one_of_our_errors(kind: type[Target[Any]]) -> None:
    with kind() as target:

        @settings(max_examples=60, deadline=None, database=None, suppress_health_check=list(HealthCheck))
        @given(target.inputs)
        def check(value: Any) -> None:
            target.check(value)

        check()
