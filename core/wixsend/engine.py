"""Floor 5. The shell around the life of a sending domain: perform one effect, append what happened, decide again.

What to do is decided in `wixsend.flow`; how a zone is written in `wixsend.apply`. The engine asks the world through `Outside`,
one external effect a hop, and believes nothing that is not in the journal. It can be stopped anywhere.
"""

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field

from wixsend import apply
from wixsend.adapters import Adapter
from wixsend.errors import (
    Busy,
    ConfigError,
    DnsUnreachable,
    EditConflict,
    NotVisible,
    OutcomeUnknown,
    ProviderError,
    Refused,
    WixError,
    WixNotYet,
    WixsendError,
    ZoneNotHeld,
)
from wixsend.events import (
    Accepted,
    Agreed,
    Blind,
    Event,
    Hidden,
    HostFound,
    Intended,
    NoHost,
    NothingToWrite,
    NotYet,
    Planned,
    Reopened,
    Stopped,
    Stumbled,
    Visible,
    Withdrawn,
    WixAuthenticated,
    WixGenerating,
    WixHosts,
    WixWants,
    WriteUnknown,
    Wrote,
)
from wixsend.flow import EFFECTS, Case, Decision, Effect, Stage, Times, decide
from wixsend.guard import Objection
from wixsend.journal import Entry, Journal, Kept
from wixsend.locate import Located, Locator, Outside
from wixsend.names import Name, text
from wixsend.plan import Plan
from wixsend.records import Granularity, Record
from wixsend.scribe import AtOnce, Scribe
from wixsend.sending import WixDomain, WixStatus
from wixsend.survey import Approve, Order, Surveyor, objected
from wixsend.verdict import Delegation, Proof, Verdict

__all__ = ["Engine", "Preview", "Update", "Watch"]

_SLICE = 5.0
"""The longest sleep in one piece, in seconds: a clock that jumps, or a machine that slept, is noticed after it."""

_ROUND = 2
"""Calls: a zone is read, and written."""


@dataclass(frozen=True, slots=True)
class Preview:
    """What would be done, and what is refused. `plan` is `None` where nothing can be planned: Wix is not ready, or nobody can write.

    `cuts` are, for a person who adds the records, the zones below the apex that some of them belong to, with their name servers.
    """

    wix: WixDomain
    located: Located | None = None
    plan: Plan | None = None
    objections: tuple[Objection, ...] = ()
    kept: tuple[Record, ...] = ()
    negative_ttl: int | None = None
    cuts: Mapping[Name, tuple[Name, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Update:
    """Sent to whoever watches, after each event and before each wait: the case, what is next, and the last proof and plan."""

    entry: Entry
    decision: Decision
    proof: Proof | None = None
    located: Located | None = None
    plan: Plan | None = None
    objections: tuple[Objection, ...] = field(default=())


type Watch = Callable[[Update], None]


def _nobody_watches(_update: Update) -> None:
    return None


class Engine:
    """Drives the case of one order. Not shared between orders; what is `Outside` may be.

    `began` is when the person started this run, where it was not just now; `scribe` writes into the journal, at once where none is given.
    """

    def __init__(
        self,
        order: Order,
        outside: Outside,
        journal: Journal,
        times: Times | None = None,
        watch: Watch = _nobody_watches,
        began: float | None = None,
        scribe: Scribe | None = None,
    ) -> None:
        self._order = order
        self._outside = outside
        self._journal = journal
        self._scribe = scribe or AtOnce(journal)
        self._times = times or Times()
        self._watch = watch
        self._locator = Locator(outside, order.provider, order.account)
        self._surveyor = Surveyor(order, outside, journal, began=began)
        self._located: Located | None = None
        self._plan: Plan | None = None
        self._planned_at = 0.0
        self._objections: tuple[Objection, ...] = ()
        self._proof: Proof | None = None
        self._at_host: dict[int, tuple[Name, ...]] = {}
        self._effects: Mapping[Effect, Callable[[Entry], Awaitable[Event]]] = {
            Effect.ASK_WIX: self._ask_wix,
            Effect.FIND_HOST: self._find_host,
            Effect.PLAN: self._make_plan,
            Effect.LOOK: self._look,
            Effect.AUTHENTICATE: self._authenticate,
            Effect.CONFIRM: self._confirm,
        }

    # -- what a person can ask for -------------------------------------------------------------------------------------

    async def preview(self) -> Preview:
        """The plan and every objection, without writing anything anywhere, the journal included."""
        domain = await self._outside.wix.query(self._order.domain)
        if not domain.records:
            return Preview(domain)
        located = await self._locator.locate(domain.name)
        negative = await self._negative_ttl(located.delegation)
        entry = self._journal.find(self._order.site, domain.name)
        if located.adapter is None:
            if located.provider == "wix":
                return Preview(domain, located, negative_ttl=negative)
            kept = await self._surveyor.kept_by_hand(located.delegation, domain.records)
            cuts = await self._surveyor.cuts(located.delegation, tuple(record.owner for record in domain.records))
            return Preview(domain, located, kept=kept, negative_ttl=negative, cuts=cuts)
        surveyor = Surveyor(self._order, self._outside, self._journal, writes=False)
        made, objections = await surveyor.survey(entry, located, domain.records)
        return Preview(domain, located, made, objections, made.kept, negative)

    async def run(self, approve: Approve, wait: bool, patience: float = 15.0) -> Entry:
        """Go on with the case: to its end when `wait`, else as far as it can go with waits of `patience` seconds in all.

        `approve` is shown a plan and says yes or no. Raises `Refused` when it said no, or the guard objects, `Busy` and other
        `ConfigError`s; every other failure is in the case that is returned. Cancelling it is safe at every point.
        """
        with self._taken() as entry:
            if self._begins_anew(entry.case):
                entry = await self._append(entry, Reopened())
            while True:
                decision = self._decided(entry)
                if decision.effect is Effect.REST:
                    return entry
                if decision.effect is Effect.WAIT:
                    left = decision.until - self._outside.now()
                    if not wait and left > patience:
                        return entry
                    patience -= min(left, _SLICE) if not wait else 0.0
                    await self._outside.sleep(max(0.0, min(left, _SLICE)))
                else:
                    entry = await self._done(decision.effect, entry, approve)

    async def hop(self, approve: Approve, stages: Collection[Stage], known: Entry | None = None) -> Entry:
        """Go on with the case as long as it stands at one of these stages and nothing has to be waited for. Raises as `run` does.

        What has ended stays so: only a person begins it anew. `known` is the case as it was last seen. It is not held meanwhile, as that
        would cost more than it saves: who goes on with a case that somebody else has gone on with is told so (`Busy`) before anything is
        written. What a person works at is left to that person (`Busy`).
        """
        order = self._order
        self._journal.must_be_free(order.site, order.domain.name)
        entry = known or self._journal.open_case(order.site, order.domain.name)
        while True:
            decision = self._decided(entry)
            if entry.case.stage not in stages or decision.effect in (Effect.REST, Effect.WAIT):
                return entry
            if decision.effect is Effect.PLAN:
                entry = await self._planned_and_agreed(entry, approve)
            else:
                entry = await self._done(decision.effect, entry, approve)

    async def prove(self, records: Sequence[Record], case: Case | None = None, waited: float = 0.0) -> Proof:
        """The proof in DNS alone, of these records; the case, if there is one, knows where they were written and what they replaced."""
        delegation = await self._locator.delegation(self._order.domain.name)
        case = case or Case()
        former = [record for change in case.written for record in change.remove]
        beside = self._name_servers(case)
        return await self._outside.dns.prove(records, delegation, former=former, waited=waited, beside=beside, follow=True)

    def _name_servers(self, case: Case) -> tuple[Name, ...]:
        """The name servers that the host gives the zone which was written, as the journal's backup has them."""
        if case.snapshot not in self._at_host:
            backup = self._journal.backup(case.snapshot) if case.snapshot else None
            self._at_host[case.snapshot] = backup.snapshot.zone.name_servers if backup is not None else ()
        return self._at_host[case.snapshot]

    def _begins_anew(self, case: Case) -> bool:
        """True for a case that has ended, or that this order makes another one: what was kept may go now, or another host is named.

        A case that nobody here could write for is looked at anew too: a plugin or an account may have come since. One that was handed to
        a person stays with that person until a host is named.
        """
        if EFFECTS[case.stage] is Effect.REST or case.stage is Stage.FOLLOWING:
            return True
        if case.stage in (Stage.PLANNING, Stage.AGREEING):
            return self._order.by_hand
        if case.stage not in (Stage.PROVING, Stage.AUTHENTICATING):
            return False
        if case.kept and self._order.dmarc == "replace":
            return True
        return not (case.handed or case.provider) or self._order.provider not in ("", case.provider)

    # -- one hop -------------------------------------------------------------------------------------------------------

    @contextmanager
    def _taken(self) -> Iterator[Entry]:
        """The case, held: other runs leave it alone meanwhile."""
        order = self._order
        with self._journal.lock_case(order.site, order.domain.name):
            yield self._journal.open_case(order.site, order.domain.name)

    def _decided(self, entry: Entry) -> Decision:
        """What is next, told to whoever watches."""
        decision = decide(entry.case, self._outside.now(), self._times)
        self._watch(Update(entry, decision, self._proof, self._located, self._plan, self._objections))
        return decision

    async def _done(self, effect: Effect, entry: Entry, approve: Approve) -> Entry:
        """The case after this effect."""
        match effect:
            case Effect.GIVE_UP:
                return await self._append(entry, self._gave_up(entry.case))
            case Effect.ASK_PERSON:
                return await self._ask_person(entry, approve)
            case Effect.WRITE:
                return await self._write(entry)
            case _:
                return await self._append(entry, await self._perform(effect, entry))

    async def _append(self, entry: Entry, *events: Event, kept: Kept | None = None) -> Entry:
        return await self._scribe.append(entry, self._outside.now(), *events, kept=kept)

    async def _perform(self, effect: Effect, entry: Entry) -> Event:
        """One effect in the world, and the event that says how it went; our own configuration's errors are raised."""
        try:
            return await self._effects[effect](entry)
        except ConfigError:
            raise
        except WixsendError as wrong:
            return self._failed(entry, wrong)

    def _failed(self, entry: Entry, wrong: WixsendError) -> Event:
        stage = entry.case.stage
        if isinstance(wrong, WixNotYet) and stage in (Stage.AUTHENTICATING, Stage.CONFIRMING):
            return NotYet(wrong.happened)
        if isinstance(wrong, OutcomeUnknown) and stage is Stage.WRITING:
            return WriteUnknown(wrong.happened, self._settle(wrong))
        if wrong.transient:
            return Stumbled(wrong.code, wrong.exit_code, wrong.happened, wrong.next_step, wrong.retry_after)
        return _stopped(wrong)

    def _settle(self, wrong: ProviderError) -> float:
        adapter = self._located.adapter if self._located else None
        settle = adapter.settle if adapter else 0.0
        return max(settle, wrong.retry_after or 0.0, self._times.stumble_first)

    def _gave_up(self, case: Case) -> Stopped:
        stumble = case.stumble
        if stumble is not None:
            long = f"{case.stumbles} tries" if case.stumbles else f"{(case.at - case.stumbling_since) / 3600:.1g} hours"
            return Stopped(stumble.error, stumble.exit_code, f"gave up after {long}: {stumble.happened}", stumble.next_step)
        if case.conflicts:
            return Stopped(
                EditConflict.code,
                EditConflict.exit_code,
                case.why,
                "Somebody else is editing the zone: wait until they are done, then run this again.",
            )
        hours = (self._times.by_hand if case.awaits_person else self._times.give_up) / 3600
        if case.stage in (Stage.PROVING, Stage.WRITING):
            return Stopped(
                NotVisible.code,
                NotVisible.exit_code,
                f"after {hours:g} hours DNS still does not show all records: {case.why}",
                f"`wixsend check {self._order.domain.ascii}` names each server and what it says.",
            )
        return Stopped(
            WixError.code,
            WixError.exit_code,
            f"after {hours:g} hours Wix has not authenticated {self._order.domain.ascii}: {case.why}",
            "The records are right and visible: ask Wix's support, or run the command again to go on trying.",
        )

    # -- Wix -----------------------------------------------------------------------------------------------------------

    async def _ask_wix(self, entry: Entry) -> Event:
        wix_id = entry.case.wix_id
        following = entry.case.stage in (Stage.FOLLOWING, Stage.GENERATING)
        domain = await (self._outside.wix.get(wix_id) if following and wix_id else self._outside.wix.query(self._order.domain))
        if domain.status is WixStatus.AUTHENTICATED and not (self._order.again and domain.records):
            return WixAuthenticated(domain.id, domain.records)
        if not domain.records:
            return WixGenerating(domain.id)
        return WixWants(domain.id, domain.records)

    async def _authenticate(self, entry: Entry) -> Event:
        wix, wix_id = self._outside.wix, entry.case.wix_id
        domain = await wix.get(wix_id) if self._order.again else None
        if domain is None or domain.status is not WixStatus.AUTHENTICATED:
            domain = await wix.authenticate(wix_id)
        if domain.status is WixStatus.AUTHENTICATED:
            return Accepted()
        return NotYet(f"Wix answered the try to authenticate with the status {domain.status.value}")

    async def _confirm(self, entry: Entry) -> Event:
        domain = await self._outside.wix.get(entry.case.wix_id)
        if domain.status is WixStatus.AUTHENTICATED:
            return WixAuthenticated(domain.id, domain.records)
        return NotYet(f"Wix said AUTHENTICATED and now says {domain.status.value}")

    # -- where the records belong --------------------------------------------------------------------------------------

    async def _find_host(self, entry: Entry) -> Event:
        by_hand = self._order.by_hand or (entry.case.handed and not self._order.provider)
        located = self._located = await self._locator.locate(self._order.domain.name, by_hand=by_hand)
        apex = located.delegation.apex
        if located.provider == "wix":
            return WixHosts(apex)
        if located.account is None:
            kept = await self._surveyor.kept_by_hand(located.delegation, entry.case.wanted)
            return NoHost(apex, located.why, kept, by_hand)
        return HostFound(apex, located.provider, located.account.name, located.why)

    async def _holder(self, case: Case) -> Located:
        """Where a case's records are written: looked up again after a restart."""
        if self._located is None or self._located.adapter is None:
            located = await self._locator.locate(self._order.domain.name)
            if located.adapter is None:
                raise ZoneNotHeld(
                    f"the zone {text(case.apex)} can no longer be written to from here: {located.why}", "Name the host: --provider NAME"
                )
            self._located = located
        return self._located

    # -- plan and guard ------------------------------------------------------------------------------------------------

    async def _make_plan(self, entry: Entry) -> Event:
        located = await self._holder(entry.case)
        assert located.adapter is not None
        await located.adapter.ready(_ROUND)
        self._plan, self._objections = await self._surveyor.survey(entry, located, entry.case.wanted)
        self._planned_at = self._outside.now()
        if self._objections:
            return _stopped(objected(self._objections))
        if not self._plan.edit:
            return NothingToWrite(self._plan.kept)
        return Planned(self._plan.edit.digest, self._plan.kept)

    async def _negative_ttl(self, delegation: Delegation) -> int | None:
        """How long the worst cache may say "no such name" if somebody asked before; `None` when the zone's servers cannot be asked."""
        with suppress(DnsUnreachable):
            soa = await self._outside.dns.soa(delegation)
            return soa.negative_ttl if soa is not None else None
        return None

    async def _planned_and_agreed(self, entry: Entry, approve: Approve) -> Entry:
        """Where nobody is shown the plan, that it was made and agreed to is written down together."""
        event = await self._perform(Effect.PLAN, entry)
        if isinstance(event, Planned):
            assert self._plan is not None and self._located is not None
            if await approve(self._plan, self._located):
                return await self._append(entry, event, Agreed(event.digest))
        return await self._append(entry, event)

    # -- consent and writing -------------------------------------------------------------------------------------------

    async def _ask_person(self, entry: Entry, approve: Approve) -> Entry:
        """Show the plan and ask; a plan of an earlier run is made again first."""
        if self._plan is None or self._located is None:
            return await self._append(entry, Withdrawn("the plan was made by an earlier run"))
        digest = self._plan.edit.digest
        if entry.case.agreed != digest and not await approve(self._plan, self._located):
            raise Refused("nobody agreed to the plan; nothing was written", "Run the command again, or with --yes.")
        return await self._append(entry, Agreed(digest))

    async def _write(self, entry: Entry) -> Entry:
        """Steps 5 to 9 of the road: one writer, a plan that has not aged, the journal, one write, a second look."""
        with ExitStack() as held:
            try:
                located = await self._holder(entry.case)
                assert located.adapter is not None
                await located.adapter.ready(_ROUND if self._has_aged(located.adapter) else 1)
                try:
                    still_ours = held.enter_context(self._journal.lock(*located.lock))
                except Busy as busy:  # another process writes into this zone: it is done in a moment
                    return await self._append(entry, Stumbled(busy.code, busy.exit_code, busy.happened, busy.next_step))
                made = await self._fresh_plan(entry, located)
                if isinstance(made, Event):
                    return await self._append(entry, made)
                kept = Kept(entry.id, located.provider, located.account_name, made.before, self._outside.now())
                entry = await self._append(entry, Intended(made.edit.changes, 0), kept=kept)
                number = entry.case.snapshot
                self._plan = None
                try:
                    sure = await apply.send(located.adapter, made.edit, still_ours)
                except EditConflict as conflict:
                    return await self._append(entry, Withdrawn(conflict.happened, conflict=True))
                if not sure:
                    await apply.look_again(located.adapter, made.edit, number, self._outside.sleep)
            except ConfigError:
                raise
            except WixsendError as wrong:
                return await self._append(entry, self._failed(entry, wrong))
            return await self._append(entry, Wrote())

    def _has_aged(self, adapter: Adapter) -> bool:
        """True when the zone has to be read again before it is written."""
        fresh = self._times.zone_fresh if adapter.plugin.granularity is Granularity.ZONE else self._times.plan_fresh
        return self._plan is None or not 0 <= self._outside.now() - self._planned_at <= fresh

    async def _fresh_plan(self, entry: Entry, located: Located) -> Plan | Event:
        """The plan that was agreed to, made again when it has aged or a write is in doubt; or the event that says why not."""
        assert located.adapter is not None
        if self._plan is None or self._has_aged(located.adapter) or entry.case.intended:
            self._plan, self._objections = await self._surveyor.survey(entry, located, entry.case.wanted)
            self._planned_at = self._outside.now()
        if self._objections:
            return _stopped(objected(self._objections))
        if not self._plan.edit:
            return Wrote()
        if self._plan.edit.digest != entry.case.agreed:
            return Withdrawn("the zone has changed since the plan was agreed to")
        return self._plan

    # -- proof ---------------------------------------------------------------------------------------------------------

    async def _look(self, entry: Entry) -> Event:
        case, records = entry.case, entry.case.to_prove
        if case.stage is Stage.AUDITING and not case.kept:
            delegation = await self._locator.delegation(self._order.domain.name)
            try:
                kept = await self._surveyor.kept_by_hand(delegation, records)
            except DnsUnreachable as unreachable:  # Wix is content, and this look is a warning at the most
                return Blind(unreachable.happened)
            records = tuple(record for record in records if record not in kept)
        proof = self._proof = await self.prove(records, case, max(0.0, self._outside.now() - case.since))
        if proof.complete:
            return Visible("; ".join(proof.warnings), _evidence(proof))
        if proof.blind:
            return Blind(proof.why)
        return Hidden(proof.why, proof.next_look, proof.then)


def _evidence(proof: Proof) -> str:
    """Who shows every record, for the report."""
    servers = dict.fromkeys(finding.server for finding in proof.findings if finding.verdict is Verdict.VISIBLE)
    return f"shown by {', '.join(servers)}" if servers else proof.why


def _stopped(wrong: WixsendError) -> Stopped:
    return Stopped(wrong.code, wrong.exit_code, wrong.happened, wrong.next_step)
