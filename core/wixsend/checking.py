"""Floor 6. `wixsend check`: the proof in DNS, once or until it is complete. Nothing is written, and no journal is begun."""

from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from typing import Any, Protocol

from wixsend import report
from wixsend.commands import Consent, order_of
from wixsend.engine import Engine
from wixsend.errors import BadDomain, DnsUnreachable, NotVisible, WixError
from wixsend.findings import proof_json, proof_lines
from wixsend.lookup import Dns
from wixsend.names import Name, absolute, text
from wixsend.records import Record
from wixsend.session import Session
from wixsend.survey import Order, Surveyor
from wixsend.terminal import Board, Terminal
from wixsend.verdict import Proof
from wixsend.walk import is_registry

__all__ = ["Eyes", "Look", "check", "check_record"]

_SLICE = 5.0
"""The longest sleep in one piece, in seconds: a machine that slept looks soon after it woke."""


class Eyes(Protocol):
    """What looking takes of a `Session`."""

    @property
    def dns(self) -> Dns: ...
    def now(self) -> float: ...
    async def sleep(self, seconds: float) -> None: ...


type Look = Callable[[float], Awaitable[Proof]]
"""One look, so many seconds after the first."""


async def check(session: Session, terminal: Terminal, written: str, consent: Consent, *, watch: bool) -> int:
    """A sending domain: what the journal says is needed, or else what Wix says."""
    domain = terminal.domain(written)
    order = order_of(session, domain, consent)
    engine = Engine(order, session, session.journal, session.config.times)
    entry = session.journal.find(order.site, domain.name)
    case = entry.case if entry is not None and entry.case.wanted else None
    needed, kept = (case.to_prove, case.kept) if case is not None else await _asked(session, order)
    if not needed:
        terminal.tell(f"Wix has not made the records for {domain.ascii} yet: look again in a few minutes.")
        return WixError.exit_code
    head = {"domain": domain.ascii, "kept": [report.record_json(record) for record in kept]}
    return await _prove(session, terminal, lambda waited: engine.prove(needed, case, waited), head, kept, watch=watch)


async def _asked(session: Session, order: Order) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
    """The records that Wix wants and that are to be visible, and those that the DMARC policy leaves out."""
    wanted = (await session.wix.query(order.domain)).records
    delegation = await session.dns.delegation(order.domain.name)
    kept: tuple[Record, ...] = ()
    with suppress(DnsUnreachable):  # the look names the servers that do not answer
        kept = await Surveyor(order, session, session.journal).kept_by_hand(delegation, wanted)
    return tuple(record for record in wanted if record not in kept), kept


async def check_record(eyes: Eyes, terminal: Terminal, name: str, rtype: str, target: str, *, watch: bool) -> int:
    """Any record that a person names. Neither Wix nor the journal is needed."""
    owner, points_to = _name(name), _name(target)
    if len(owner) < 3:
        raise BadDomain(f"{name} is a top-level name", "Name a record, such as www.example.com.")
    wanted = Record(owner, rtype, f"{text(points_to)}.")
    # Where port 53 is closed resolvers are asked for the zone: so not for the name itself, unless it can be nothing but a zone.
    delegation = await eyes.dns.delegation(owner if is_registry(owner.parent()) else owner.parent())

    async def look(waited: float) -> Proof:
        return await eyes.dns.prove([wanted], delegation, waited=waited, follow=True)

    return await _prove(eyes, terminal, look, {"record": report.record_json(wanted)}, (), watch=watch)


def _name(written: str) -> Name:
    try:
        return absolute(written).canonicalize()
    except ValueError as wrong:
        raise BadDomain(f"{written!r}: {wrong}", "Write host names, such as www.example.com.") from wrong


async def _prove(eyes: Eyes, terminal: Terminal, look: Look, head: dict[str, Any], kept: Sequence[Record], *, watch: bool) -> int:
    """Look, as long as the proof is not complete if that is wanted, and show the last."""
    begun = eyes.now()
    proof = await look(0.0)
    if watch:
        with Board(terminal) as board:
            while not proof.complete:
                board.show(proof_lines(proof), f"not complete: {proof.why}", eyes.now() + proof.next_look)
                await _sleep(eyes, proof.next_look)
                proof = await look(max(0.0, eyes.now() - begun))
    if terminal.json:
        terminal.result({**head, **proof_json(proof)})
    else:
        terminal.show([*proof_lines(proof), *report.kept_lines(kept)])
    return 0 if proof.complete else NotVisible.exit_code


async def _sleep(eyes: Eyes, seconds: float) -> None:
    """Wait, by a clock that may jump ahead; one that is set back does not prolong it."""
    until = eyes.now() + seconds
    while (left := min(until - eyes.now(), seconds)) > 0:
        await eyes.sleep(min(left, _SLICE))
        seconds -= min(left, _SLICE)
