"""Floor 6. What is seen of a bulk run while it goes on: one live screen at a terminal, lines through a pipe, JSON lines for a program.

The screen shows what the journal says, looked at once a second or, where that takes long, more seldom.
"""

import os
import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from wixsend.errors import QuotaError
from wixsend.flow import Case, Stage, tried_until
from wixsend.forecast import Budgets, calls_for, seconds_for
from wixsend.layout import Block, Styled, Table, count, span, stamp
from wixsend.names import text
from wixsend.runs import AT_HOST, Group, Left, Ref, Run, Runs
from wixsend.tally import Tally, ending, ending_line, stops, tally
from wixsend.terminal import Terminal

if TYPE_CHECKING:
    from wixsend.engine import Update
    from wixsend.session import Session

__all__ = ["Board"]

_PLAIN = 10.0
"""Seconds between two lines through a pipe."""
_SHARE = 50
"""The screen may take this part of the time."""
_FAILURES = 5
_LONGEST = 200
"""Characters of a reason; the report has all of it."""


class Board:
    """Follows a run; `watch` is what its hops tell. `refresh` looks into the journal, and says in how many seconds to look again."""

    def __init__(self, terminal: Terminal, runs: Runs, run: Run, session: "Session") -> None:
        self._terminal = terminal
        self._runs = runs
        self._run = run
        self._session = session
        self._groups: list[Group] = []
        self._sums = Tally()
        self._left = Left(0, 0.0)
        self._budgets: Budgets = {}
        self._last: dict[int, int] = {}
        self._failures: deque[str] = deque(maxlen=_FAILURES)
        self._troubles: dict[int, tuple[str, float]] = {}
        self._told = ("", 0)
        self._told_at = 0.0
        self._live: Any = None

    def __enter__(self) -> "Board":
        if sys.stderr.isatty() and not self._terminal.json and os.environ.get("TERM") != "dumb":
            from rich.console import Console
            from rich.live import Live

            self._live = Live(console=Console(stderr=True), get_renderable=self._view, transient=True, refresh_per_second=2)
            self._live.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
        if kind is not None:
            self._terminal.tell(self._line())

    def watch(self, ref: Ref, update: "Update") -> None:
        """One domain went on. Told to a program each time that it stands elsewhere, or for another reason."""
        case = update.entry.case
        stands = hash((case.stage, case.why))
        if self._last.get(ref.case_id) == stands:
            return
        self._last[ref.case_id] = stands
        name = text(ref.domain)
        self._troubles.pop(ref.case_id, None)
        if case.stumble is not None:
            self._troubles[ref.case_id] = _reason(name, case), tried_until(case, case.at, self._session.config.times)
        if case.stage is Stage.STOPPED:
            self._failures.append(_reason(name, case))
            if self._live is None:
                self._terminal.tell(Styled(f"failed: {self._failures[-1]}", "bad"))
        if self._terminal.json:
            moment = {"at": stamp(case.at), "due": stamp(case.due) if case.due > case.at else None}
            code = case.stop.error if case.stop is not None else None
            self._terminal.line(
                {"line": ref.line, "domain": name, "stage": case.stage.name.lower(), "why": case.why, "code": code, **moment}
            )

    async def refresh(self) -> float:
        """Look into the journal again; a pipe gets a line when something has changed."""
        began = time.monotonic()
        self._groups = self._runs.groups(self._run)
        self._sums = tally(self._groups)
        self._left = self._runs.left(self._run)
        with suppress(QuotaError):  # whoever wants to call hears of it
            self._budgets = await self._session.budgets()
        if self._live is None and began - self._told_at >= _PLAIN:
            line, told = self._line(), len(self._troubles)
            if (line, told) != self._told:
                self._terminal.tell(line, *self._end(), *self._held_up())
                self._told, self._told_at = (line, told), began
        return max(1.0, _SHARE * (time.monotonic() - began))

    def _end(self) -> list[Block]:
        """When it will end, and why then."""
        if self._sums.over:
            return []
        session, now = self._session, self._session.now()
        found = ending(self._groups, self._left, session.plugins, self._budgets, now, session.config.times.give_up)
        return [Styled(f"  {ending_line(found, now)}", "quiet")]

    def _held_up(self) -> list[Block]:
        """How many domains are tried again, until when, and what was wrong with the last of them."""
        if not self._troubles:
            return []
        told = [*self._troubles.values()]
        until = stops((until for _reason, until in told), self._session.now())
        return [Styled(f"  tried again: {count(len(told), 'domain')}, such as {told[-1][0]}; {until}", "warn")]

    def _line(self) -> str:
        sums = self._sums
        parts = [
            f"{sums.done:,} of {sums.rows:,} authenticated",
            *(f"{number:,} {words}" for number, words in self._others(sums) if number),
        ]
        return f"{self._run.name}: {', '.join(parts)}"

    @staticmethod
    def _others(sums: Tally) -> list[tuple[int, str]]:
        return [
            (sums.working, "to be worked on"),
            (sums.waiting, "waiting for DNS or Wix"),
            (sums.by_hand, "by hand"),
            (sums.failed, "failed"),
        ]

    def _view(self) -> Any:
        from rich.text import Text

        blocks: list[Block] = [Styled(self._line(), "head")]
        blocks += [Styled(f"  {number:>7,} {stage.value}") for stage, number in self._sums.stages.items()]
        blocks += [*self._end(), *self._held_up()]
        calls = self._session.calls()
        if calls:
            blocks += [
                Styled(""),
                Table(("credential", "calls", "left to write", "quota takes", "next call"), [self._account(who, calls) for who in calls]),
            ]
        blocks += [Styled(f"  failed: {failure}", "bad") for failure in self._failures]
        return Text.from_ansi(self._terminal.rendered(blocks, sys.stderr).rstrip("\n"))

    def _account(self, who: str, calls: Mapping[str, int]) -> tuple[str, str, str, str, str]:
        """A credential, how often it was used, what it still has to do, and when it may call, where somebody waits for that."""
        budget = self._budgets.get(who)
        next_call = f"in {span(budget.waits)}" if budget is not None and budget.waits is not None else ""
        left = [group for group in self._groups if group.account == who and group.stage in AT_HOST]
        domains = sum(group.count for group in left)
        if not left or budget is None:
            return who, f"{calls[who]:,}", "", "", next_call
        plugin = self._session.plugins.get(left[0].host)
        takes = span(seconds_for(domains * calls_for(plugin), budget.rates, budget.use))
        return who, f"{calls[who]:,}", f"{domains:,}", takes, next_call


def _reason(name: str, case: Case) -> str:
    return f"{name}: {shorten(case.why, _LONGEST, placeholder=' …')}"
