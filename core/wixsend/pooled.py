"""Floor 4. Questions that are asked together: what comes up while the last are on their way goes with the next.

As `wixsend.scribe` does it for what is written. Nothing is kept: an answer is for those who waited for it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence

__all__ = ["Pooled"]


class Pooled[Question, Answer]:
    """Asks `ask` for at most `most` at one time. For one event loop.

    `ask` gives for each question, in their order, its answer or the exception that whoever asked it gets; what it raises they all get.
    """

    def __init__(self, ask: Callable[[Sequence[Question]], Awaitable[Sequence[Answer | Exception]]], most: int) -> None:
        self._ask = ask
        self._most = most
        self._waiting: list[tuple[Question, asyncio.Future[Answer]]] = []
        self._asking: asyncio.Task[None] | None = None

    async def answer(self, question: Question) -> Answer:
        """The answer to one question."""
        told: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, told))
        if self._asking is None:
            self._asking = asyncio.create_task(self._go_on())
        return await told

    async def close(self) -> None:
        """Ask nothing more; who still waits is cancelled."""
        if self._asking is not None:
            self._asking.cancel()
            await asyncio.wait({self._asking})

    async def _go_on(self) -> None:
        some: Sequence[tuple[Question, asyncio.Future[Answer]]] = ()
        try:
            while waiting := [(question, told) for question, told in self._waiting if not told.done()]:
                some, self._waiting = waiting[: self._most], waiting[self._most :]
                _tell([told for _question, told in some], await self._answers([question for question, _told in some]))
        finally:
            self._asking = None
            for _question, told in (*some, *self._waiting):
                told.cancel()
            self._waiting.clear()

    async def _answers(self, questions: Sequence[Question]) -> Sequence[Answer | Exception]:
        try:
            return await self._ask(questions)
        except Exception as wrong:
            return [wrong] * len(questions)


def _tell[Answer](waiting: Sequence[asyncio.Future[Answer]], answers: Sequence[Answer | Exception]) -> None:
    for told, answer in zip(waiting, answers, strict=True):
        if told.done():  # nobody waits for it any more
            continue
        if isinstance(answer, Exception):
            told.set_exception(answer)
        else:
            told.set_result(answer)
