"""Turns: nobody is overtaken, nothing is handed out twice or lost, whoever gives up; and a rate that is kept on the average."""

import asyncio
from collections.abc import Sequence

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wixsend.turns import Line, Places

PLACES = 5


class Crowd:
    """People who each take some of the places when told to, and give them back when told to.

    Nobody is overtaken: whoever came earlier, and was not seen to begin yet when somebody begins, has the places already.
    """

    def __init__(self) -> None:
        self.places = Places(PLACES)
        self.held = 0
        self.wants: list[int] = []
        self.came: list[int] = []
        self.done: list[asyncio.Event] = []
        self.tasks: list[asyncio.Task[None]] = []

    async def _person(self, number: int, many: int) -> None:
        async with self.places.taken(many):
            self.held += many
            self.came.append(number)
            there = [who for who in range(number) if not self.tasks[who].cancelling() and not self.tasks[who].done()]
            earlier = [who for who in there if who not in self.came]
            assert self.held + sum(self.wants[who] for who in earlier) <= PLACES, f"{number} came before {earlier}"
            try:
                await self.done[number].wait()
            finally:
                self.held -= many

    def comes(self, many: int) -> None:
        self.done.append(asyncio.Event())
        self.wants.append(many)
        self.tasks.append(asyncio.ensure_future(self._person(len(self.tasks), many)))


type Act = tuple[str, int]
acts = st.lists(st.tuples(st.sampled_from(["comes", "comes", "leaves", "gives up", "passes"]), st.integers(1, PLACES)), max_size=40)


async def _play(script: Sequence[Act]) -> Crowd:
    crowd = Crowd()
    for what, number in script:
        who = number % max(1, len(crowd.tasks))
        if what == "comes":
            crowd.comes(number)
        elif what == "leaves" and crowd.tasks:
            crowd.done[who].set()
        elif what == "gives up" and crowd.tasks:
            crowd.tasks[who].cancel()
        else:
            await asyncio.sleep(0)
        assert crowd.held <= PLACES
    for done in crowd.done:
        done.set()
    ended = await asyncio.wait_for(asyncio.gather(*crowd.tasks, return_exceptions=True), 10)
    for wrong in ended:
        if isinstance(wrong, AssertionError):
            raise wrong
    return crowd


@given(acts)
@example([("comes", 4), ("comes", 3), ("comes", 1), ("passes", 1)])
def test_places_are_never_too_many_nobody_is_overtaken_and_all_come_back(script: list[Act]) -> None:
    async def run() -> None:
        crowd = await _play(script)
        assert crowd.held == 0
        async with asyncio.timeout(10), crowd.places.taken(PLACES):  # every place is there again
            pass

    asyncio.run(run())


async def test_who_needs_many_is_not_passed_by_those_who_need_few() -> None:
    crowd = Crowd()
    for many in (PLACES - 1, PLACES, 1, 1):
        crowd.comes(many)
    await asyncio.sleep(0)
    assert crowd.came == [0]
    crowd.done[0].set()
    crowd.done[1].set()
    crowd.done[2].set()
    crowd.done[3].set()
    await asyncio.gather(*crowd.tasks)
    assert crowd.came == [0, 1, 2, 3]


async def _settle() -> None:
    for _ in range(4):
        await asyncio.sleep(0)


async def test_who_gives_up_in_the_line_leaves_it_to_those_behind_and_gives_back_nothing() -> None:
    crowd = Crowd()
    for many in (PLACES - 1, 2, 1):
        crowd.comes(many)
    await _settle()
    crowd.tasks[1].cancel()
    await _settle()
    assert crowd.came == [0, 2]
    crowd.comes(1)
    await _settle()
    assert crowd.held == PLACES and crowd.came == [0, 2]
    for done in crowd.done:
        done.set()
    await asyncio.gather(*crowd.tasks, return_exceptions=True)


async def test_who_gives_up_at_the_moment_of_the_turn_gives_the_places_back() -> None:
    places = Places(1)
    await places.take(1)
    late = asyncio.ensure_future(places.take(1))
    await _settle()
    places.give(1)
    late.cancel()
    await asyncio.gather(late, return_exceptions=True)
    assert late.cancelled()
    async with asyncio.timeout(10):
        await places.take(1)


@pytest.mark.parametrize(("per_second", "burst"), [(100.0, 100), (5.0, 5)])
def test_a_server_gets_a_seconds_worth_at_once_and_then_its_rate(per_second: float, burst: int) -> None:
    line = Line(1, per_second)
    waits = [line.wait(1000.0) for _ in range(3 * burst)]
    assert waits[: burst + 1] == pytest.approx([0.0] * (burst + 1), abs=1e-6)
    assert waits[-1] == pytest.approx((2 * burst - 1) / per_second)
    assert line.wait(1000.0 + waits[-1] + 1 / per_second) == pytest.approx(0.0, abs=1e-6)


@given(st.lists(st.integers(1, 20), min_size=1, max_size=30))
def test_who_asks_several_at_once_waits_as_long_as_who_asks_them_one_by_one(sizes: list[int]) -> None:
    several, single = Line(20, 10.0), Line(20, 10.0)
    for many in sizes:
        one_by_one = [single.wait(1000.0) for _ in range(many)]
        assert several.wait(1000.0, many) == pytest.approx(one_by_one[-1], abs=1e-6)


def test_without_a_limit_nobody_waits() -> None:
    line = Line(1, float("inf"))
    assert [line.wait(0.0) for _ in range(10_000)] == [0.0] * 10_000
