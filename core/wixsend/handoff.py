"""Floor 6. `wixsend handoff`: what the domain's owner needs to add the records by hand, and the case that waits for that."""

from pathlib import Path

from wixsend import byhand, page, report
from wixsend.commands import Consent, exit_code, order_of
from wixsend.engine import Engine
from wixsend.errors import ConfigError, Refused, WixError
from wixsend.flow import Stage
from wixsend.journal import Entry
from wixsend.layout import Block, Styled, count
from wixsend.locate import Located
from wixsend.names import SendingDomain, text
from wixsend.plan import Plan
from wixsend.session import Session
from wixsend.survey import Order, Surveyor
from wixsend.terminal import Progress, Terminal

__all__ = ["handoff"]


async def handoff(session: Session, terminal: Terminal, written: str, consent: Consent, folder: Path, *, watch: bool) -> int:
    """Make the page and the text, put the case into the journal as one that a person works on, and go on with it as far as it can go now;
    to its end with `watch`.
    """
    domain = terminal.domain(written)
    order = order_of(session, domain, consent, by_hand=True)
    _refuse_written(session.journal.find(order.site, domain.name), domain)
    made = await _handoff(session, order)
    paths = _written(made, folder, session.now()) if not _is_at_wix(made) else ()
    if not terminal.json:
        terminal.show([*_lines(made), Styled(""), *([Styled(f"wrote {path}", "good") for path in paths] or [Styled(_AT_WIX)])])
    with Progress(terminal) as progress:
        entry = await Engine(order, session, session.journal, session.config.times, progress).run(_never, watch, patience=0.0)
    if terminal.json:
        files = {path.suffix[1:]: str(path) for path in paths}
        terminal.result({**page.handoff_json(made), "files": files, "case": report.case_json(entry)})
    else:
        terminal.show([Styled(""), *report.case_lines(entry, session.now())])
        if entry.case.awaits_person:
            terminal.tell(f"Give both to whoever keeps the zone. `wixsend authenticate {domain.ascii}` goes on from here.")
    return exit_code(entry) if watch or entry.case.stop is not None else 0


def _refuse_written(entry: Entry | None, domain: SendingDomain) -> None:
    """A case whose records wixsend wrote itself, or is about to, is nobody else's to work on. Raises `Refused`."""
    if entry is None or not (entry.case.stage is Stage.WRITING or entry.case.written or entry.case.intended):
        return
    raise Refused(
        f"the records of {domain.ascii} are not handed over: wixsend writes them itself, at {entry.case.provider}",
        f"Go on with `wixsend authenticate {domain.ascii}`; or take them back first, with `wixsend undo {domain.ascii}`.",
    )


_AT_WIX = "Nothing to hand over: Wix serves the zone, and adds the records itself."


def _is_at_wix(made: byhand.Handoff) -> bool:
    return all([host.name for host in part.served.hosts] == ["wix"] for part in made.parts)


async def _handoff(session: Session, order: Order) -> byhand.Handoff:
    """What is to be done for the domain, as DNS is now. Raises `WixError` while Wix has no records."""
    domain = await session.wix.query(order.domain)
    if not domain.records:
        raise WixError(f"Wix has not made the records for {order.domain.ascii} yet", "Run the same command again in a few minutes.")
    delegation = await session.dns.delegation(domain.name)
    kept = await Surveyor(order, session, session.journal).kept_by_hand(delegation, domain.records)
    wanted = [record for record in domain.records if record not in kept]
    return await byhand.look(session.dns, session.plugins, order.domain, delegation, wanted, kept)


def _written(made: byhand.Handoff, folder: Path, at: float) -> tuple[Path, Path]:
    """The two files, by the domain's name, over those of an earlier time."""
    paths = (folder / f"{made.domain.ascii}.html", folder / f"{made.domain.ascii}.txt")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        paths[0].write_text(page.handoff_html(made, at), encoding="utf-8")
        paths[1].write_text(page.handoff_text(made, at), encoding="utf-8")
    except OSError as wrong:
        raise ConfigError(f"{folder} cannot be written to: {wrong.strerror or wrong}", "Name another folder: --out FOLDER") from wrong
    return paths


def _lines(made: byhand.Handoff) -> list[Block]:
    """Each zone with who serves it, each record with what DNS shows of it, and what stands in the way."""
    blocks: list[Block] = []
    for part in made.parts:
        label = page.panel_form(part).label or "a host that wixsend does not know"
        blocks.append(Styled(f"zone {text(part.zone)}, served by {label}: {count(len(part.tasks), 'record')}", "head"))
        for task in part.tasks:
            style = "good" if task.state is byhand.State.RIGHT else "bad" if task.found else "warn"
            blocks.append(Styled(f"  {task.state.value:<8}  {text(task.record.owner)}  {task.record.rtype} {task.record.rdata}", style))
            blocks += [Styled(f"            {line}") for line in (task.found, task.todo) if line]
    return [*blocks, *report.kept_lines(made.kept)]


async def _never(_plan: Plan, _located: Located) -> bool:
    """Nothing is written in a handoff."""
    return False
