"""Floors 5 and 6: what a quota makes of so many calls, and when a run is expected to end."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixsend.flow import Stage
from wixsend.forecast import loads_left, seconds_for
from wixsend.plugins import Plugins
from wixsend.provider import Rate
from wixsend.quota import Budget, Use
from wixsend.runs import BEFORE_HOST, LIVE, Group, Left
from wixsend.tally import Ending, ending

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


NOW, HOUR, GIVE_UP = 1_800_000_000.0, 3600.0, 172800.0


def expected(*groups: Group, latest: float = 0.0) -> Ending:
    return ending(groups, Left(sum(group.count for group in groups if not group.held), latest), Plugins(), {}, NOW, GIVE_UP)


HELD = Group(Stage.PLANNING, "", "namecheap", "d", 700, held=True)
WAITING = Group(Stage.PROVING, "", "namecheap", "d", 5)
BY_HAND = Group(Stage.PROVING, "", "", "", 2)


def test_what_is_held_up_is_told_and_makes_no_end_of_its_own() -> None:
    assert expected(HELD) == Ending(None, "700 wait until what holds them up has passed")
    assert expected(Group(Stage.ASKING, "", "", "", 1, held=True)) == Ending(None, "1 waits until what holds it up has passed")
    assert expected(HELD, BY_HAND) == Ending(None, "somebody has to add the records by hand; 700 wait until what holds them up has passed")
    found = expected(HELD, WAITING, latest=NOW - 600)
    assert found.at == NOW - 600 + HOUR, "it comes nearer while others are tried again"
    assert found.why == "an hour for DNS, which usually takes minutes; 700 wait until what holds them up has passed"


def test_who_waits_for_longer_than_usual_is_told_so() -> None:
    assert expected(WAITING, latest=NOW - HOUR + 1).at == NOW + 1
    late = expected(WAITING, latest=NOW - HOUR)
    assert (late.at, "longer than usual" in late.why) == (NOW - HOUR + GIVE_UP, True)


def test_a_zone_whose_host_has_to_be_found_anew_is_nothing_to_be_done_by_hand() -> None:
    assert expected(Group(Stage.GENERATING, "", "namecheap", "d", 1)).at == NOW + HOUR


GROUPS = st.lists(
    st.builds(
        Group,
        st.sampled_from(sorted(LIVE)),
        st.just(""),
        st.sampled_from(["cloudflare", "namecheap"]),
        st.just("a"),
        st.integers(1, 9000),
        st.booleans(),
    )
)


@given(GROUPS, st.floats(0.0, GIVE_UP))
def test_the_end_is_that_of_what_goes_on_normally(groups: list[Group], waited: float) -> None:
    going = [group for group in groups if not group.held]
    latest = NOW - waited if any(group.stage not in BEFORE_HOST for group in going) else 0.0
    assert expected(*groups, latest=latest).at == expected(*going, latest=latest).at
    assert ("holds" in expected(*groups, latest=latest).why) == (going != groups)
