"""Floor 4: what is asked while the last questions are on their way goes with the next."""

import asyncio
from collections.abc import Sequence

import pytest

from wixsend.pooled import Pooled


class Office:
    """Doubles numbers; 13 is refused."""

    def __init__(self) -> None:
        self.asked: list[list[int]] = []
        self.open = asyncio.Event()

    async def answer(self, numbers: Sequence[int]) -> list[int | Exception]:
        self.asked.append([*numbers])
        await self.open.wait()
        if 0 in numbers:
            raise ConnectionError("nobody there")
        return [ValueError("unlucky") if number == 13 else 2 * number for number in numbers]


async def test_what_comes_while_the_last_is_asked_goes_together_and_no_more_than_allowed() -> None:
    office = Office()
    pool = Pooled(office.answer, 3)
    first = asyncio.create_task(pool.answer(1))
    await asyncio.sleep(0.01)
    others = [asyncio.create_task(pool.answer(number)) for number in range(2, 7)]
    await asyncio.sleep(0.01)
    assert office.asked == [[1]]
    office.open.set()
    assert await asyncio.gather(first, *others) == [2, 4, 6, 8, 10, 12]
    assert office.asked == [[1], [2, 3, 4], [5, 6]]
    assert await pool.answer(7) == 14


async def test_each_gets_its_own_refusal_and_all_get_what_befell_all() -> None:
    office = Office()
    office.open.set()
    pool = Pooled(office.answer, 3)
    told = await asyncio.gather(pool.answer(13), pool.answer(2), return_exceptions=True)
    assert isinstance(told[0], ValueError) and told[1] == 4
    told = await asyncio.gather(pool.answer(0), pool.answer(2), return_exceptions=True)
    assert [type(one) for one in told] == [ConnectionError, ConnectionError]
    assert await pool.answer(2) == 4


async def test_who_waits_no_more_is_not_asked_for_and_keeps_nobody_from_an_answer() -> None:
    office = Office()
    pool = Pooled(office.answer, 2)
    tasks = [asyncio.create_task(pool.answer(number)) for number in range(1, 8)]
    await asyncio.sleep(0.01)
    for task in tasks[1:5]:
        task.cancel()
    office.open.set()
    told = await asyncio.gather(*tasks, return_exceptions=True)
    assert [told[0], told[5], told[6]] == [2, 12, 14]
    assert office.asked == [[1, 2], [6, 7]]


async def test_closing_it_leaves_nobody_waiting() -> None:
    pool = Pooled(Office().answer, 2)
    tasks = [asyncio.create_task(pool.answer(number)) for number in range(1, 4)]
    await asyncio.sleep(0.01)
    await pool.close()
    for task in tasks:
        with pytest.raises(asyncio.CancelledError):
            await task
