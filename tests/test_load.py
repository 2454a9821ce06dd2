"""How busy a thread is, by its own two clocks."""

import pytest

from wixsend.load import SPAN, Load


class Clocks:
    passed = used = 100.0

    def load(self) -> Load:
        return Load(lambda: self.passed, lambda: self.used)

    def go_on(self, passed: float, used: float) -> None:
        self.passed += passed
        self.used += used


def test_the_load_is_that_of_the_last_span() -> None:
    clocks = Clocks()
    load = clocks.load()
    assert load() == 1.0, "nothing is known yet"
    clocks.go_on(SPAN, SPAN / 4)
    assert load() == pytest.approx(0.25)
    clocks.go_on(SPAN / 2, SPAN / 2)
    assert load() == pytest.approx(0.25), "half a span says nothing"
    clocks.go_on(SPAN / 2, SPAN / 2)
    assert load() == pytest.approx(1.0)
    clocks.go_on(100 * SPAN, 0.0)
    assert load() == 0.0


def test_clocks_that_do_not_agree_make_no_more_than_all() -> None:
    clocks = Clocks()
    load = clocks.load()
    clocks.go_on(SPAN, 2 * SPAN)
    assert load() == 1.0
