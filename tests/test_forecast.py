"""Floor 5: what a quota makes of so many calls."""

import pytest

from wixsend.flow import Stage
from wixsend.forecast import loads_left, seconds_for
from wixsend.plugins import Plugins
from wixsend.provider import Rate
from wixsend.quota import Budget, Use
from wixsend.runs import Group, Left

LEFT = (("cloudflare", "a", 3), ("cloudflare", "b", 4), ("cloudflare", "c", 2), ("namecheap", "d", 7))
NAMECHEAP = (Rate(20, 60.0), Rate(700, 3600.0), Rate(8000, 86400.0))


@pytest.mark.parametrize(
    ("calls", "seconds"),
    [(0, 0.0), (20, 0.0), (21, 60.0), (700, 34 * 60.0), (701, 3600.0), (8000, 11 * 3600.0 + 14 * 60.0), (8001, 86400.0), (16001, 172800.0)],
)
def test_all_rates_hold_at_once(calls: int, seconds: float) -> None:
    assert seconds_for(calls, NAMECHEAP) == seconds


def test_what_was_used_before_is_not_there_to_be_used() -> None:
    used = Use(tuple([-30.0] * 15))
    assert seconds_for(5, NAMECHEAP, used) == 0.0
    assert seconds_for(6, NAMECHEAP, used) == 30.0
    assert seconds_for(21, NAMECHEAP, used) == 60.0
    assert seconds_for(686, NAMECHEAP, used) == 3570.0
    assert seconds_for(8000, NAMECHEAP, Use(tuple([-80000.0] * 8000))) > seconds_for(8000, NAMECHEAP)


def test_a_vendor_that_said_to_come_back_later_is_asked_later() -> None:
    assert seconds_for(1, NAMECHEAP, Use(shut=300.0)) == 300.0
    assert seconds_for(21, NAMECHEAP, Use(shut=300.0)) == 360.0
    assert seconds_for(1000, (), Use(shut=5.0)) == 5.0


def test_who_waits_already_is_before_us() -> None:
    assert seconds_for(1, (Rate(1, 60.0),), Use((-30.0, 30.0))) == 90.0


def test_accounts_that_are_counted_together_are_one_load() -> None:
    plugins = Plugins()
    groups = [Group(Stage.PLANNING, "", host, account, count) for host, account, count in LEFT]
    shared = Budget("anna", (Rate(10, 60.0),), Use((-20.0,) * 10))
    found = {load.who: load for load in loads_left(groups, Left(0, 0.0), plugins, {"a": shared, "b": shared})}
    assert {who: (load.domains, load.calls) for who, load in found.items() if "Wix" not in who} == {
        "Cloudflare (a, b)": (7, 14),
        "Cloudflare (c)": (2, 4),
        "Namecheap (d)": (7, 21),
    }
    assert found["Cloudflare (a, b)"].seconds == 100.0, "ten after forty seconds, and four a minute later"
    assert found["Cloudflare (c)"].seconds == 0.0
    assert found["Namecheap (d)"].seconds == pytest.approx(61.8)
