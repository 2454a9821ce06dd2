"""Floor 6. The commands that ask Wix, DNS or a DNS host for one domain. Every function returns the exit code of what it found.

A command prints its result once, on stdout: for a person, or as one JSON document.
"""

import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from wixsend import report
from wixsend.engine import Engine
from wixsend.errors import BadDomain, ConfigError, NotVisible, Refused, WixError
from wixsend.flow import EFFECTS, Effect, Stage
from wixsend.journal import Entry
from wixsend.layout import Block, Styled, count
from wixsend.locate import Located
from wixsend.mend import Mender
from wixsend.names import Name, SendingDomain, owner_in, text
from wixsend.plan import Dmarc, Plan
from wixsend.session import Session
from wixsend.survey import Order
from wixsend.terminal import Progress, Terminal

__all__ = ["Consent", "authenticate", "exit_code", "order_of", "plan", "restore", "undo"]


@dataclass(frozen=True, slots=True)
class Consent:
    """What the command line says beside the domain: the host and account to use, what may be lost, whether to begin again."""

    provider: str = ""
    account: str = ""
    replace: tuple[str, ...] = ()
    accept: tuple[str, ...] = ()
    again: bool = False


def order_of(session: Session, domain: SendingDomain, consent: Consent, *, by_hand: bool = False) -> Order:
    """The order that the command line and the configuration make together."""
    dmarc: Dmarc = session.config.settings.policy.dmarc or "keep"
    return Order(
        site=session.site,
        domain=domain,
        known_targets=session.known_targets,
        dmarc=dmarc,
        replace=frozenset(_owner(name, domain) for name in consent.replace),
        accept=frozenset(consent.accept),
        provider=consent.provider,
        account=consent.account,
        again=consent.again,
        by_hand=by_hand,
    )


def _owner(written: str, domain: SendingDomain, option: str = "--replace") -> Name:
    """The owner that a person names: absolute when it is at or below the domain, else relative to it."""
    try:
        return owner_in(written, domain.name)
    except ValueError as wrong:
        raise BadDomain(f"{option}: {wrong}", "Name an owner, such as s1._domainkey.example.com.") from wrong


# -- plan, authenticate, undo ------------------------------------------------------------------------------------------


async def plan(session: Session, terminal: Terminal, written: str, consent: Consent) -> int:
    """`wixsend plan`: reads, and writes nothing."""
    domain = terminal.domain(written)
    preview = await Engine(order_of(session, domain, consent), session, session.journal, session.config.times).preview()
    if terminal.json:
        terminal.result(report.preview_json(preview))
    else:
        terminal.show(report.preview_lines(preview))
    return Refused.exit_code if preview.objections else 0


async def authenticate(session: Session, terminal: Terminal, written: str, consent: Consent, *, yes: bool, wait: bool) -> int:
    """`wixsend authenticate`: the whole job, or as much of it as can be done now."""
    domain = terminal.domain(written)
    with Progress(terminal) as progress:
        approve = _approval(terminal, progress, yes=yes)
        engine = Engine(order_of(session, domain, consent), session, session.journal, session.config.times, progress)
        entry = await engine.run(approve, wait)
    waiting = EFFECTS[entry.case.stage] is not Effect.REST
    if terminal.json:
        terminal.result(report.case_json(entry))
    else:
        terminal.show(report.case_lines(entry, time.time()))
        if waiting and not entry.case.provider and len(entry.case.apex) > 1:
            terminal.show([Styled(""), *report.by_hand(entry.case.to_prove, entry.case.apex), *report.kept_lines(entry.case.kept)])
        if waiting:
            terminal.tell(f"Nothing is lost by waiting elsewhere: `wixsend authenticate {domain.ascii}` goes on from here.")
    return exit_code(entry)


def exit_code(entry: Entry) -> int:
    """0 when the domain is authenticated; else that of what stopped it, or of what it waits for."""
    case = entry.case
    if case.stage is Stage.DONE:
        return 0
    if case.stop is not None:
        return case.stop.exit_code
    if case.stumble is not None:
        return case.stumble.exit_code
    return NotVisible.exit_code if case.stage is Stage.PROVING and not case.tries else WixError.exit_code


def _approval(
    terminal: Terminal, progress: Progress | None = None, *, yes: bool, warning: str = ""
) -> Callable[[Plan, Located], Awaitable[bool]]:
    """Shows a plan and gets a yes: from a person, or from --yes. Without either it is printed as the result, and refused."""

    async def approve(made: Plan, located: Located) -> bool:
        account = located.account.name if located.account else ""
        question = report.question(made, ", ".join(located.hosts), account)
        shown: list[Block] = [*report.located_lines(located), Styled(""), *report.plan_lines(made), Styled("")]
        if warning:
            shown.append(Styled(warning, "warn"))
        if progress is not None:
            progress.pause()
        if not yes and not terminal.interactive:
            if terminal.json:
                terminal.beside["plan"] = report.plan_json(made)
            else:
                terminal.show([*shown, Styled(question)])
            raise Refused("nothing was written: there is no terminal to ask on, and no --yes", "Look at the plan; then run it with --yes.")
        terminal.tell(*shown)
        if yes:
            terminal.tell(f"{question} (--yes)")
        agreed = yes or terminal.confirm(question)
        if progress is not None:
            progress.resume()
        return agreed

    return approve


async def undo(session: Session, terminal: Terminal, written: str, consent: Consent, *, yes: bool) -> int:
    """`wixsend undo`: takes back what wixsend wrote, and nothing else."""
    domain = terminal.domain(written)
    order = order_of(session, domain, consent)
    entry = session.journal.find(order.site, domain.name)
    warning = ""
    if entry is not None and entry.case.authenticated:
        warning = f"{domain.ascii} is AUTHENTICATED: without these records Wix can no longer sign its mail."
    mender = Mender(order, session, session.journal, session.config.times)
    done = await mender.undo(_approval(terminal, yes=yes, warning=warning))
    gone, back = len(done.edit.removes), len(done.edit.adds)
    put_back = f", {count(back, 'record')} put back" if back else ""
    said = f"undone: {count(gone, 'record')} removed{put_back}" if done.edit else "nothing was left to take back"
    _show_done(terminal, done, said)
    return 0


def _show_done(terminal: Terminal, done: Plan, said: str) -> None:
    if terminal.json:
        terminal.result(report.plan_json(done))
    else:
        terminal.show([Styled(said, "good")])


async def restore(session: Session, terminal: Terminal, number: int, names: Sequence[str], *, yes: bool) -> int:
    """`wixsend restore NUMBER NAME...`: puts back what the backup holds at these names, where it is missing. Without names, shows it."""
    backup = next((backup for backup in session.journal.backups() if backup.id == number), None)
    if backup is None:
        raise ConfigError(f"the journal holds no backup {number}", "wixsend backups lists them.")
    if not names:
        if terminal.json:
            terminal.result(report.backup_json(backup))
        else:
            terminal.show(report.backup_lines(backup, time.time()))
        return 0
    zone = SendingDomain(backup.snapshot.zone.apex)
    owners = [_owner(name, zone, "NAME") for name in names]
    lost = [record for record in backup.snapshot.records if record.owner in owners]
    absent = [text(owner) for owner in owners if not any(record.owner == owner for record in lost)]
    if absent:
        raise ConfigError(f"the backup {number} holds nothing at {', '.join(absent)}", f"wixsend restore {number} shows what it holds.")
    order = Order(site="", domain=zone, known_targets=session.known_targets, account=backup.account)
    done = await Mender(order, session, session.journal, session.config.times).restore(backup, lost, _approval(terminal, yes=yes))
    _show_done(terminal, done, "the records are back" if done.edit else "nothing is missing")
    return 0
