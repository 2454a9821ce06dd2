"""Floor 5. Back again: take back what we wrote (`undo`), put back what a person names from a backup (`restore`).

Both go the same road as any write: read, plan, guard, a yes, one writer, what was read is kept, write once, look again.
"""

from collections.abc import Callable, Sequence
from typing import Protocol

from wixsend import apply
from wixsend.errors import Busy, DnsUnreachable, Drifted, ProviderError, Refused, ZoneNotHeld
from wixsend.events import Event, Undoing, Undone
from wixsend.flow import Times, merged
from wixsend.guard import Objection
from wixsend.journal import Backup, Entry, Journal
from wixsend.locate import Located, Locator, Outside
from wixsend.names import text
from wixsend.plan import Edit, Plan
from wixsend.records import Record
from wixsend.survey import Approve, Order, Sent, Surveyor, objected

__all__ = ["Mender"]


class Mender:
    """Carries out an undo or a restore for one order; for a restore the order's domain is the zone's apex."""

    def __init__(self, order: Order, outside: Outside, journal: Journal, times: Times | None = None) -> None:
        self._order = order
        self._outside = outside
        self._journal = journal
        self._times = times or Times()
        self._locator = Locator(outside, order.provider, order.account)
        self._surveyor = Surveyor(order, outside, journal)

    async def undo(self, approve: Approve) -> Plan:
        """Take back exactly what we wrote, and put back what a replace took away. Returns the plan that was carried out.

        Raises `Refused` when there is nothing to take back, nobody agreed, or the guard objects; `Drifted` when the zone lost
        something else.
        """
        order = self._order
        with self._journal.lock_case(order.site, order.domain.name):
            entry = self._journal.find(order.site, order.domain.name)
            if entry is None or not merged(entry.case.written, entry.case.intended):
                raise Refused(
                    f"there is nothing to undo: the journal knows of nothing that wixsend wrote for {order.domain.ascii} on this site",
                    "wixsend status shows what it knows.",
                )
            undo = _Undo(entry, self._journal, self._surveyor, self._outside.now)
            try:
                made = await self._carry_out(undo, approve)
            except Drifted:
                undo.note(Undoing())  # told once: the next run goes on
                raise
            undo.note(Undone())
            return made

    async def restore(self, backup: Backup, lost: Sequence[Record], approve: Approve) -> Plan:
        """Put back these records of a backup where they are missing, and never over something else. Returns the plan that was carried out.

        Raises `Refused` when nobody agreed or the guard objects; `Drifted` when the zone lost something else.
        """
        return await self._carry_out(_Restore(backup, lost, self._surveyor), approve)

    async def _carry_out(self, way: "_Way", approve: Approve) -> Plan:
        """The road, gone again after each passing failure, from a new read: what was done meanwhile is then not planned again."""
        approved, settle = "", 0.0
        for attempt in range(self._times.stumbles_early):
            try:
                located = await self._holder()
                assert located.adapter is not None
                settle = located.adapter.settle
                with self._journal.lock(*located.lock) as still_ours:
                    made, objections = await way.survey(located)
                    if objections:
                        raise objected(objections)
                    if not made.edit:
                        return made
                    if made.edit.digest != approved and not await approve(made, located):
                        raise Refused("nobody agreed; nothing was written", "Run the command again, or with --yes.")
                    approved = made.edit.digest
                    now = self._outside.now()
                    number = self._journal.keep_snapshot(way.case_id, located.provider, located.account_name, made.before, now)
                    way.intend(made.edit, number)
                    await apply.write(located.adapter, made.edit, number, self._outside.sleep, still_ours)
                    return made
            except (ProviderError, DnsUnreachable, Busy) as wrong:
                if not (wrong.transient or isinstance(wrong, Busy)) or attempt == self._times.stumbles_early - 1:
                    raise
                await self._outside.sleep(max(wrong.retry_after or 0.0, self._times.stumble_first * 2**attempt, settle))
        raise AssertionError("the last attempt returns or raises")

    async def _holder(self) -> Located:
        located = await self._locator.locate(self._order.domain.name)
        if located.adapter is None:
            apex = text(located.delegation.apex)
            raise ZoneNotHeld(f"the zone {apex} cannot be written to from here: {located.why}", "Name the host: --provider NAME")
        return located


class _Way(Protocol):
    """What an undo and a restore do differently on the road."""

    @property
    def case_id(self) -> int: ...

    async def survey(self, located: Located) -> tuple[Plan, tuple[Objection, ...]]:
        """The plan from a new read, and what stands against it."""
        ...

    def intend(self, edit: Edit, number: int) -> None:
        """Note, before it is sent, what is sent, and the journal's number of the zone before it."""
        ...


class _Undo:
    """Of one case. What is sent is in the journal, for the next run to look at should this one end."""

    def __init__(self, entry: Entry, journal: Journal, surveyor: Surveyor, now: Callable[[], float]) -> None:
        self._entry = entry
        self._journal = journal
        self._surveyor = surveyor
        self._now = now

    @property
    def case_id(self) -> int:
        return self._entry.id

    async def survey(self, located: Located) -> tuple[Plan, tuple[Objection, ...]]:
        return await self._surveyor.survey_undo(self._entry, located)

    def intend(self, edit: Edit, number: int) -> None:
        self.note(Undoing(edit.changes, number))

    def note(self, event: Event) -> None:
        self._entry = self._journal.append(self._entry, event, self._now())


class _Restore:
    """Of some records of one backup."""

    def __init__(self, backup: Backup, lost: Sequence[Record], surveyor: Surveyor) -> None:
        self.case_id = backup.case_id
        self._lost = lost
        self._surveyor = surveyor
        self._sent: Sent | None = None

    async def survey(self, located: Located) -> tuple[Plan, tuple[Objection, ...]]:
        return await self._surveyor.survey_restore(located, self._lost, self._sent)

    def intend(self, edit: Edit, number: int) -> None:
        self._sent = Sent(edit, number)
