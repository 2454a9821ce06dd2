"""Floor 5. Read a zone, plan, and judge the plan: the eyes of the road from an order to a zone. Nothing here writes.

What the pure floors need to know is gathered here: what the authoritative servers say where the host's API is silent, what other cases
of the journal need, and then, last, so that as little as possible can happen before a write, the host's answer. A read that a write is to
be based on is made when it can be believed: see `Surveyor._base`.

What DNS does not tell is never guessed: `DnsUnreachable` passes, and whoever asked tries again. Only where port 53 is closed, and nobody
will ever tell, is a plan made without it.
"""

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

from wixsend import apply
from wixsend.errors import DnsUnreachable, Refused
from wixsend.flow import Stage, merged
from wixsend.guard import Claim, Evidence, Objection, guard
from wixsend.journal import Entry, Journal
from wixsend.locate import Located, Outside
from wixsend.names import Name, SendingDomain, absolute, ancestors, text, wildcards_over
from wixsend.plan import Dmarc, DmarcAbove, Edit, Plan, Wanted, drift, edit_sent, plan, plan_restore, plan_undo
from wixsend.records import Granularity, Record, Snapshot
from wixsend.verdict import Delegation

__all__ = ["Approve", "Order", "Sent", "Surveyor", "objected"]

_COMMON_SRV = tuple(
    """
    _sip._tls _sip._tcp _sip._udp _sipfederationtls._tcp _autodiscover._tcp _submission._tcp _submissions._tcp _imap._tcp
    _imaps._tcp _pop3._tcp _pop3s._tcp _caldav._tcp _caldavs._tcp _carddav._tcp _carddavs._tcp _xmpp-client._tcp
    _xmpp-server._tcp _ldap._tcp _kerberos._tcp _minecraft._tcp _matrix._tcp _stun._udp _turn._udp
    """.split()  # noqa: SIM905
)
"""Where SRV records usually are; a whole-zone host whose API hides them is asked in DNS (facts: Namecheap's getHosts never shows SRV)."""


@dataclass(frozen=True, slots=True)
class Order:
    """What a person asked for: the domain on a site, and what was consented to.

    `provider` and `account` override what discovery finds; `replace` names owners whose records may go; `accept` names losses that
    are accepted; `known_targets` are the suffixes that Wix's targets may have. `again` goes the whole way also for a domain that Wix
    calls authenticated: records that are gone are written again. `by_hand` has a person add the records, whoever serves the zone.
    """

    site: str
    domain: SendingDomain
    known_targets: frozenset[Name]
    dmarc: Dmarc = "keep"
    replace: frozenset[Name] = frozenset()
    accept: frozenset[str] = frozenset()
    provider: str = ""
    account: str = ""
    again: bool = False
    by_hand: bool = False


type Approve = Callable[[Plan, Located], Awaitable[bool]]
"""Shows a plan to a person and returns their yes or no."""


def objected(objections: Sequence[Objection]) -> Refused:
    """All objections as one refusal."""
    found = "; ".join(f"{objection.subject}: {objection.found}" for objection in objections)
    ways = "\n        ".join(dict.fromkeys(objection.way_out for objection in objections))
    return Refused(f"nothing was written: {found}", ways)


@dataclass(frozen=True, slots=True)
class Sent:
    """An edit that was sent and not looked at since, and the journal's number of the zone before it."""

    edit: Edit
    backup: int


@dataclass(frozen=True, slots=True)
class _Told:
    """What DNS told about the zone before it was read: zone cuts and DNAMEs, usual SRV records (`None`: not known), an inherited policy."""

    cuts: Mapping[Name, tuple[Name, ...]]
    srv: tuple[Record, ...] | None
    above: DmarcAbove | None = None


class Surveyor:
    """Plans and judges for one order. What it plans may be written, unless it is made with `writes=False`.

    `began` is when the person started this run, where it was not just now.
    """

    def __init__(
        self,
        order: Order,
        outside: Outside,
        journal: Journal,
        *,
        writes: bool = True,
        began: float | None = None,
    ) -> None:
        self._order = order
        self._outside = outside
        self._journal = journal
        self._writes = writes
        self._began = outside.now() if began is None else began

    async def survey(self, entry: Entry | None, located: Located, wanted: tuple[Record, ...]) -> tuple[Plan, tuple[Objection, ...]]:
        """Read the zone, plan, and judge the plan.

        Raises `DnsUnreachable` while DNS does not tell what the plan depends on, and what `apply.look_again` raises about an earlier edit
        of the case.
        """
        domain = self._order.domain.name
        owner = absolute("_dmarc", domain)
        asked = self._order.dmarc != "replace" and any(record.owner == owner for record in wanted)
        told = await self._ask_dns(located, wanted, policy=asked)
        snapshot = await self._read(located, wanted, entry, self.sent(entry, located))
        above = told.above if not snapshot.at(owner) else None
        made = plan(snapshot, Wanted(wanted, owner, self._order.dmarc, above, self._order.replace))
        replace = self._order.replace | ({owner} if self._order.dmarc == "replace" else set())
        return made, self._judge(entry, located, made, told, frozenset(wanted), replace)

    async def survey_undo(self, entry: Entry, located: Located) -> tuple[Plan, tuple[Objection, ...]]:
        """Read the zone, plan the undo, and judge it. Raises as `survey` does."""
        changes = merged(entry.case.written, entry.case.intended)
        ours = tuple(record for change in changes for record in change.add)
        concerned = tuple(record for change in changes for record in (*change.add, *change.remove))
        told = await self._ask_dns(located, concerned)
        snapshot = await self._read(located, concerned, entry, self.sent(entry, located))
        needed = [claim.record for claim in self._claims(entry, located.delegation.apex)]
        made = plan_undo(snapshot, changes, [record for record in ours if record in needed])
        return made, self._judge(entry, located, made, told)

    async def survey_restore(
        self, located: Located, lost: Sequence[Record], sent: Sent | None = None
    ) -> tuple[Plan, tuple[Objection, ...]]:
        """Read the zone, plan to put these records back, and judge it. Raises as `survey` does, about the edit that was `sent`."""
        told = await self._ask_dns(located, tuple(lost))
        made = plan_restore(await self._read(located, tuple(lost), None, sent), lost)
        return made, self._judge(None, located, made, told)

    def sent(self, entry: Entry | None, located: Located) -> Sent | None:
        """The edit of this case that was sent and not looked at since; `None` where it could not have touched anything else."""
        if entry is None or not entry.case.sent or _granularity(located) is Granularity.RECORD:
            return None
        kept = self._journal.backup(entry.case.snapshot)
        if kept is None or (kept.provider, kept.account, kept.snapshot.zone.apex) != (
            located.provider,
            located.account_name,
            located.delegation.apex,
        ):
            return None
        return Sent(edit_sent(kept.snapshot, entry.case.sent), kept.id)

    # -- the host's answer ---------------------------------------------------------------------------------------------

    async def _read(self, located: Located, records: tuple[Record, ...], entry: Entry | None, sent: Sent | None) -> Snapshot:
        """What the zone holds at the records' names, and wherever else the plan and the guard look."""
        assert located.adapter is not None and located.zone is not None
        apex = located.delegation.apex
        names = {record.owner for record in records}
        for owner in tuple(names):
            names |= {*ancestors(owner, apex), *wildcards_over(owner, apex)}
        if not self._writes:
            return await located.adapter.read(located.zone, frozenset(names))
        await self._settled(located, entry)
        snapshot = await self._base(located, frozenset(names))
        if sent is not None and drift(sent.edit, snapshot).harmed:
            await apply.look_again(located.adapter, sent.edit, sent.backup, self._outside.sleep)
            snapshot = await self._base(located, frozenset(names))
        return snapshot

    async def _settled(self, located: Located, entry: Entry | None) -> None:
        """Wait until the host's API shows what was done before: our own edit of unknown outcome, and, where a write replaces the whole
        zone, every edit of ours, and whatever a person did before they started this run.
        """
        assert located.adapter is not None
        settle, apex = located.adapter.settle, located.delegation.apex
        whole = _granularity(located) is Granularity.ZONE
        since = self._journal.touched(apex) + settle if whole or (entry is not None and entry.case.sent) else 0.0
        begun = self._began + settle if whole else 0.0
        left = max(since, begun) - self._outside.now()
        if left > 0:
            await self._outside.sleep(min(left, settle))  # no longer than that, even where the clock went backwards

    async def _base(self, located: Located, names: frozenset[Name]) -> Snapshot:
        """A read for a write to be based on.

        Of a zone that would be replaced as a whole, an old answer is a loss: one that the host's own count does not agree with, or
        that lacks what we wrote, is asked for again after the settle time, with the count. The second answer is believed (the guard
        still refuses fewer records than are counted).
        """
        adapter, zone = located.adapter, located.zone
        assert adapter is not None and zone is not None
        snapshot = await adapter.read(zone, names)
        if _granularity(located) is not Granularity.ZONE or not self._looks_old(snapshot):
            return snapshot
        await self._outside.sleep(adapter.settle)
        again = next((one for one in await adapter.zone(zone.apex) if one.ref == zone.ref), zone)
        return await adapter.read(again, names)

    def _looks_old(self, snapshot: Snapshot) -> bool:
        counted = snapshot.zone.record_count
        written = [change for entry in self._journal.in_zone(snapshot.zone.apex) for change in entry.case.written]
        absent = any(record not in snapshot.records for change in written for record in change.add)
        return absent or counted not in (None, len(snapshot.records))

    # -- what the guard needs to know ----------------------------------------------------------------------------------

    def _judge(
        self,
        entry: Entry | None,
        located: Located,
        made: Plan,
        told: _Told,
        wanted: frozenset[Record] = frozenset(),
        replace: frozenset[Name] = frozenset(),
    ) -> tuple[Objection, ...]:
        assert located.adapter is not None
        plugin, delegation = located.adapter.plugin, located.delegation
        written = merged(entry.case.written, entry.case.intended) if entry else ()
        evidence = Evidence(
            domain=self._order.domain.name,
            wanted=wanted,
            delegated=frozenset(server.name for server in delegation.servers),
            hosts=located.hosts,
            host_named=bool(self._order.provider),
            cuts=told.cuts,
            seen=told.srv,
            claims=tuple(self._claims(entry, delegation.apex)),
            ours=frozenset(record for change in written for record in change.add),
            replace=replace,
            known_targets=self._order.known_targets,
            accepted=self._order.accept,
        )
        return guard(made, evidence, plugin.granularity, plugin.limits)

    async def _ask_dns(self, located: Located, records: tuple[Record, ...], *, policy: bool = False) -> _Told:
        """What DNS knows of the zone, asked before the host is; the inherited DMARC `policy` where it matters."""
        delegation = located.delegation
        whole = _granularity(located) is Granularity.ZONE
        cuts, srv, above = await asyncio.gather(
            self.cuts(delegation, tuple(dict.fromkeys(record.owner for record in records))),
            self._common_srv(delegation) if whole else _nothing(()),
            self._outside.dns.dmarc_above(self._order.domain.name, delegation) if policy else _nothing(None),
        )
        return _Told(cuts, srv, above)

    async def cuts(self, delegation: Delegation, owners: tuple[Name, ...]) -> Mapping[Name, tuple[Name, ...]]:
        """Zone cuts and DNAMEs on the way to these names, with the name servers of each.

        Raises `DnsUnreachable` when nobody tells; where port 53 is closed, the NS records that the host holds have to do.
        """
        with _never_told(delegation):
            return await self._outside.dns.cuts_below(delegation, owners)
        return {}

    async def _common_srv(self, delegation: Delegation) -> tuple[Record, ...] | None:
        """The SRV records at the usual places. Raises `DnsUnreachable` when nobody tells, but where port 53 is closed, or a person lets go
        of what is not known: there it is `None`, which is not the same as none.
        """
        dns, apex = self._outside.dns, delegation.apex
        with suppress(DnsUnreachable) if "srv" in self._order.accept else _never_told(delegation):
            answers = await asyncio.gather(*(dns.records_at(delegation, absolute(name, apex), ("SRV",)) for name in _COMMON_SRV))
            return tuple(record for answer in answers for record in answer if record.rtype == "SRV")
        return None

    def _claims(self, entry: Entry | None, apex: Name) -> Sequence[Claim]:
        """What other cases of this zone need: those that are not undone."""
        others = self._journal.neighbours(entry, apex) if entry is not None else ()
        return [
            Claim(f"{text(other.domain)} on site {other.site}", record)
            for other in others
            if other.case.stage is not Stage.UNDONE
            for record in other.case.to_prove
        ]

    async def kept_by_hand(self, delegation: Delegation, wanted: Sequence[Record]) -> tuple[Record, ...]:
        """Where a person adds the records: the DMARC record is left out when something is there already, and policy says to keep it.

        Raises `DnsUnreachable` when nobody tells what is there; where port 53 is closed it is left out.
        """
        owner = absolute("_dmarc", self._order.domain.name)
        asked = [record for record in wanted if record.owner == owner]
        if not asked or self._order.dmarc == "replace":
            return ()
        with _never_told(delegation):
            there = await self._outside.dns.records_at(delegation, owner, ("TXT", "CNAME"))
            foreign = [record for record in there if record not in asked]
            above = None if there else await self._outside.dns.dmarc_above(self._order.domain.name, delegation)
            return tuple(asked) if foreign or above else ()
        return tuple(asked)


def _never_told(delegation: Delegation) -> suppress:
    """Bears `DnsUnreachable` where port 53 is closed, so that the servers will not tell later either."""
    return suppress(*([DnsUnreachable] if delegation.by_resolver else []))


async def _nothing[T](value: T) -> T:
    """A question that need not be asked."""
    return value


def _granularity(located: Located) -> Granularity:
    assert located.adapter is not None
    return located.adapter.plugin.granularity
