"""Floor 4. How busy a thread is, measured by itself: an event loop with no time to spare puts off what can wait."""

import time
from collections.abc import Callable

__all__ = ["SPAN", "Load"]

SPAN = 0.25
"""Seconds that are looked back on, at least: a single callback is not to count for the whole."""


class Load:
    """How much of a processor the thread that calls it used lately, from 0 (none) to 1 (all that one thread can). 1 until it is known.

    `now` and `used` are clocks in seconds: the time that passes, and the time that this thread had a processor.
    """

    def __init__(self, now: Callable[[], float] = time.monotonic, used: Callable[[], float] = time.thread_time) -> None:
        self._now = now
        self._used = used
        self._began = (now(), used())
        self._share = 1.0

    def __call__(self) -> float:
        passed = self._now() - self._began[0]
        if passed >= SPAN:
            began, self._began = self._began, (self._began[0] + passed, self._used())
            self._share = min(1.0, (self._began[1] - began[1]) / passed)
        return self._share
