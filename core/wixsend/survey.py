"""Floor 5. Read a zone, plan, and judge the plan: the eyes of the road from an order to a zone. Nothing here writes.

What the pure floors need to know is gathered here: the host's answer, what the authoritative servers say where the host's API is
silent, and what other cases of the journal need.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass

from wixsend.errors import DnsUnreachable, Refused
from wixsend.flow import Stage, merged
from wixsend.guard import Claim, Evidence, Objection, guard
from wixsend.journal import Entry, Journal
from wixsend.locate import Located, Outside
from wixsend.names import Name, SendingDomain, absolute, ancestors, text, wildcards_over
from wixsend.plan import Dmarc, DmarcAbove, Plan, Wanted, plan, plan_restore, plan_undo
from wixsend.records import WHOLE, Granularity, Record, Snapshot
from wixsend.verdict import Delegation

__all__ = ["Approve", "Order", "Surveyor", "objected"]

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
    are accepted; `known_targets` are the suffixes that Wix's targets may have.
    """

    site: str
    domain: SendingDomain
    known_targets: frozenset[Name]
    dmarc: Dmarc = "keep"
    replace: frozenset[Name] = frozenset()
    accept: frozenset[str] = frozenset()
    provider: str = ""
    account: str = ""


type Approve = Callable[[Plan, Located], Awaitable[bool]]
"""Shows a plan to a person and returns their yes or no."""


def objected(objections: Sequence[Objection]) -> Refused:
    """All objections as one refusal."""
    found = "; ".join(f"{objection.subject}: {objection.found}" for objection in objections)
    ways = "\n        ".join(dict.fromkeys(objection.way_out for objection in objections))
    return Refused(f"nothing was written: {found}", ways)


class Surveyor:
    """Plans and judges for one order."""

    def __init__(self, order: Order, outside: Outside, journal: Journal) -> None:
        self._order = order
        self._outside = outside
        self._journal = journal

    async def survey(self, entry: Entry | None, located: Located, wanted: tuple[Record, ...]) -> tuple[Plan, tuple[Objection, ...]]:
        """Read the zone, plan, and judge the plan."""
        snapshot = await self._read(located, wanted)
        domain = self._order.domain.name
        owner = absolute("_dmarc", domain)
        above = None
        if any(record.owner == owner for record in wanted) and not snapshot.at(owner):
            above = await self._dmarc_above(located.delegation)
        made = plan(snapshot, Wanted(wanted, owner, self._order.dmarc, above, self._order.replace))
        replace = self._order.replace | ({owner} if self._order.dmarc == "replace" else set())
        return made, await self._judge(entry, located, made, frozenset(wanted), replace)

    async def survey_undo(self, entry: Entry, located: Located) -> tuple[Plan, tuple[Objection, ...]]:
        """Read the zone, plan the undo, and judge it."""
        changes = merged(entry.case.written, entry.case.intended)
        ours = tuple(record for change in changes for record in change.add)
        snapshot = await self._read(located, tuple(record for change in changes for record in (*change.add, *change.remove)))
        needed = [claim.record for claim in self._claims(entry, located.delegation.apex)]
        made = plan_undo(snapshot, changes, [record for record in ours if record in needed])
        return made, await self._judge(entry, located, made, frozenset(), frozenset())

    async def survey_restore(self, located: Located, lost: Sequence[Record]) -> tuple[Plan, tuple[Objection, ...]]:
        """Read the zone, plan to put these records back, and judge it."""
        made = plan_restore(await self._read(located, tuple(lost)), lost)
        return made, await self._judge(None, located, made, frozenset(), frozenset())

    async def _read(self, located: Located, records: tuple[Record, ...]) -> Snapshot:
        """What the zone holds at the records' names, and wherever else the plan and the guard look."""
        assert located.adapter is not None and located.zone is not None
        apex = located.delegation.apex
        names = {record.owner for record in records}
        for owner in tuple(names):
            names |= {*ancestors(owner, apex), *wildcards_over(owner, apex)}
        return await located.adapter.read(located.zone, frozenset(names))

    async def _judge(
        self, entry: Entry | None, located: Located, made: Plan, wanted: frozenset[Record], replace: frozenset[Name]
    ) -> tuple[Objection, ...]:
        assert located.adapter is not None
        plugin, delegation = located.adapter.plugin, located.delegation
        apex = delegation.apex
        owners = tuple(change.owner for change in made.edit.changes)
        hides = plugin.granularity is Granularity.ZONE and bool(made.edit) and made.before.covers is WHOLE
        written = merged(entry.case.written, entry.case.intended) if entry else ()
        evidence = Evidence(
            domain=self._order.domain.name,
            wanted=wanted,
            delegated=frozenset(server.name for server in delegation.servers),
            hosts=located.hosts,
            host_named=bool(self._order.provider),
            cuts=await self._cuts(delegation, owners),
            seen=await self._common_srv(delegation) if hides else (),
            claims=tuple(self._claims(entry, apex)),
            ours=frozenset(record for change in written for record in change.add),
            replace=replace,
            known_targets=self._order.known_targets,
            accepted=self._order.accept,
        )
        return guard(made, evidence, plugin.granularity, plugin.limits)

    async def _cuts(self, delegation: Delegation, owners: tuple[Name, ...]) -> tuple[Name, ...]:
        """Zone cuts and DNAMEs on the way to these names. Where DNS cannot be asked, the NS records that the host holds have to do."""
        with suppress(DnsUnreachable):
            return await self._outside.dns.cuts_below(delegation, owners)
        return ()

    async def _common_srv(self, delegation: Delegation) -> tuple[Record, ...] | None:
        """The SRV records at the usual places, `None` where DNS cannot be asked: not knowing is not the same as none."""
        dns, apex = self._outside.dns, delegation.apex
        with suppress(DnsUnreachable):
            answers = await asyncio.gather(*(dns.records_at(delegation, absolute(name, apex), ("SRV",)) for name in _COMMON_SRV))
            return tuple(record for answer in answers for record in answer if record.rtype == "SRV")
        return None

    async def _dmarc_above(self, delegation: Delegation) -> DmarcAbove | None:
        """The stricter policy that the domain inherits; one that cannot be asked for is taken for stricter."""
        try:
            return await self._outside.dns.dmarc_above(self._order.domain.name, delegation)
        except DnsUnreachable:
            return DmarcAbove(absolute("_dmarc", self._order.domain.name.parent()), "unknown, as DNS cannot be asked from here")

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
        """Where a person adds the records: the DMARC record is left out when something is there already, and policy says to keep it."""
        owner = absolute("_dmarc", self._order.domain.name)
        asked = [record for record in wanted if record.owner == owner]
        if not asked or self._order.dmarc == "replace":
            return ()
        try:
            there = await self._outside.dns.records_at(delegation, owner, ("TXT", "CNAME"))
        except DnsUnreachable:
            return tuple(asked)
        foreign = [record for record in there if record not in asked]
        above = None if there else await self._dmarc_above(delegation)
        return tuple(asked) if foreign or above else ()
