"""Floor 4. Who may ask next: so many questions at once and so many a second, first come, first served.

Questions are asked several at a time, so that turns are taken several at a time as well.
"""

import asyncio
from collections import deque

__all__ = ["Line", "Places"]


class Places:
    """So many places. Whoever needs several waits until that many are free, and nobody who came later gets in before."""

    def __init__(self, free: int) -> None:
        self._free = free
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    def taken(self, many: int) -> "_Taken":
        """Hold that many places, of which there must be as many at all: `async with`."""
        return _Taken(self, many)

    async def take(self, many: int) -> None:
        if not self._waiting and many <= self._free:
            self._free -= many
            return
        turn = asyncio.get_running_loop().create_future()
        self._waiting.append((many, turn))
        try:
            await turn
        except asyncio.CancelledError:
            self.give(0 if turn.cancelled() else many)  # the places may have been handed over just before
            raise

    def give(self, many: int) -> None:
        self._free += many
        while self._waiting and (self._waiting[0][1].cancelled() or self._waiting[0][0] <= self._free):
            needed, turn = self._waiting.popleft()
            if not turn.cancelled():
                self._free -= needed
                turn.set_result(None)


class _Taken:
    __slots__ = ("_many", "_places")

    def __init__(self, places: Places, many: int) -> None:
        self._places, self._many = places, many

    async def __aenter__(self) -> None:
        await self._places.take(self._many)

    async def __aexit__(self, *_wrong: object) -> None:
        self._places.give(self._many)


class Line:
    """Those who want to ask one address: `places` for `at_once` questions, and `per_second` of them, a second's worth in one go."""

    def __init__(self, at_once: int, per_second: float) -> None:
        self.places = Places(at_once)
        self._gap = 1 / per_second
        self._due = 0.0

    def wait(self, now: float, many: int = 1) -> float:
        """Take the next turns; in how many seconds the last of them comes."""
        first = max(self._due, now - 1.0)
        self._due = first + many * self._gap
        return max(0.0, self._due - self._gap - now)
