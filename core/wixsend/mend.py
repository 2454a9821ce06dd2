"""Floor 5. Back again: take back what we wrote (`undo`), put back what a person names from a backup (`restore`).

Both go the same road as any write: read, plan, guard, a yes, one writer, what was read is kept, write once, look again.
"""

from collections.abc import Awaitable, Callable, Sequence

from wixsend import apply
from wixsend.errors import ProviderError, Refused, ZoneNotHeld
from wixsend.events import Undone
from wixsend.flow import Times, merged
from wixsend.guard import Objection
from wixsend.journal import Backup, Journal
from wixsend.locate import Located, Locator, Outside
from wixsend.names import text
from wixsend.plan import Plan
from wixsend.records import Record
from wixsend.survey import Approve, Order, Surveyor, objected

__all__ = ["Mender"]

type _Survey = Callable[[Located], Awaitable[tuple[Plan, tuple[Objection, ...]]]]


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

        Raises `Refused` when there is nothing to take back, nobody agreed, or the guard objects.
        """
        order = self._order
        with self._journal.lock(f"case-{order.site}-{order.domain.ascii}", order.domain.ascii):
            entry = self._journal.find(order.site, order.domain.name)
            if entry is None or not merged(entry.case.written, entry.case.intended):
                raise Refused(
                    f"there is nothing to undo: the journal knows of nothing that wixsend wrote for {order.domain.ascii} on this site",
                    "wixsend status shows what it knows.",
                )
            known = entry
            made = await self._carry_out(known.id, lambda located: self._surveyor.survey_undo(known, located), approve)
            self._journal.append(known, Undone(), self._outside.now())
            return made

    async def restore(self, backup: Backup, lost: Sequence[Record], approve: Approve) -> Plan:
        """Put back these records of a backup where they are missing, and never over something else. Returns the plan that was carried out.

        Raises `Refused` when nobody agreed or the guard objects.
        """
        return await self._carry_out(backup.case_id, lambda located: self._surveyor.survey_restore(located, lost), approve)

    async def _carry_out(self, case_id: int, survey: _Survey, approve: Approve) -> Plan:
        """The road, gone again after each passing failure, from a new read: what was done meanwhile is then not planned again."""
        approved, settle = "", 0.0
        for attempt in range(self._times.stumbles_early):
            try:
                located = await self._holder()
                assert located.adapter is not None
                settle = located.adapter.plugin.settle
                with self._journal.lock(*located.lock):
                    made, objections = await survey(located)
                    if objections:
                        raise objected(objections)
                    if not made.edit:
                        return made
                    if made.edit.digest != approved and not await approve(made, located):
                        raise Refused("nobody agreed; nothing was written", "Run the command again, or with --yes.")
                    approved = made.edit.digest
                    self._journal.keep_snapshot(case_id, located.provider, located.account_name, made.before, self._outside.now())
                    await apply.write(located.adapter, made.edit, self._outside.sleep)
                    return made
            except ProviderError as wrong:
                if not wrong.transient or attempt == self._times.stumbles_early - 1:
                    raise
                await self._outside.sleep(max(wrong.retry_after or 0.0, self._times.stumble_first * 2**attempt, settle))
        raise AssertionError("the last attempt returns or raises")

    async def _holder(self) -> Located:
        located = await self._locator.locate(self._order.domain.name)
        if located.adapter is None:
            apex = text(located.delegation.apex)
            raise ZoneNotHeld(f"the zone {apex} cannot be written to from here: {located.why}", "Name the host: --provider NAME")
        return located
