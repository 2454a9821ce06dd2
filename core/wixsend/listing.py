"""Floor 6. The commands that say what there is: plugins, accounts, settings, and what the journal knows. Each returns its exit code.

What a command does not need is not imported for it: `wixsend providers` is to answer at once.
"""

import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from wixsend import report
from wixsend.errors import ConfigError, ProviderError, ZoneNotHeld
from wixsend.layout import Styled
from wixsend.names import Name, absolute, text
from wixsend.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from wixsend.adapters import Adapter
    from wixsend.config import Config
    from wixsend.plugins import Plugins
    from wixsend.session import Session

__all__ = ["backups", "config", "new_provider", "providers", "providers_detect", "providers_show", "providers_test", "status"]


def status(session: "Session", terminal: Terminal, written: str | None) -> int:
    """`wixsend status`: what the journal knows; asks nobody."""
    journal = session.journal
    if written is None:
        entries = journal.entries()
        if terminal.json:
            terminal.result([report.case_json(entry) for entry in entries])
        else:
            terminal.show(report.cases_table(entries, time.time()))
        return 0
    domain = terminal.domain(written)
    entries = journal.for_domain(domain.name)
    if terminal.json:
        terminal.result([{**report.case_json(entry), "history": report.history_json(journal.history(entry))} for entry in entries])
        return 0
    if not entries:
        terminal.show([Styled(f"The journal knows nothing of {domain.ascii}. Begin with: wixsend plan {domain.ascii}")])
    for entry in entries:
        terminal.show([*report.case_lines(entry, time.time()), Styled(""), *report.history_table(journal.history(entry), time.time())])
    return 0


def backups(session: "Session", terminal: Terminal, written: str | None) -> int:
    """`wixsend backups`: the zones that were put away before each write."""
    apex = terminal.domain(written).name if written is not None else None
    kept = session.journal.backups(apex)
    if terminal.json:
        terminal.result([report.backup_json(backup) for backup in kept])
    else:
        terminal.show(report.backups_table(kept, time.time()))
    return 0


def providers(plugins: "Plugins", terminal: Terminal) -> int:
    """`wixsend providers`: installed plugins, broken ones included."""
    rows = plugins.all()
    if terminal.json:
        terminal.result(report.providers_json(rows))
    else:
        terminal.show(report.providers_table(rows))
    return 0


def providers_show(session: "Session", terminal: Terminal, name: str) -> int:
    """`wixsend providers show NAME`."""
    plugin = session.plugins.get(name)
    accounts = session.account_names(plugin)
    if terminal.json:
        terminal.result(report.plugin_json(plugin, accounts))
    else:
        terminal.show(report.plugin_lines(plugin, accounts))
    return 0


_PROBE = "example.com"
"""A zone that no account holds: to ask for it tells whether the credentials are taken."""


async def providers_test(session: "Session", terminal: Terminal, name: str, domains: Sequence[str]) -> int:
    """`wixsend providers test NAME`: for each account, whether the credentials are taken, which of the zones it holds, and reads."""
    if name == "wix":
        return await _wix_test(session, terminal)
    rows: list[dict[str, object]] = []
    worst = 0
    for account in session.accounts(name):
        row: dict[str, object] = {"account": account.name, "api": "", "zone": "", "works": False}
        try:
            adapter = await session.adapter(account)
        except ConfigError as wrong:
            worst = worst or wrong.exit_code
            rows.append(row | {"says": wrong.happened, "next": wrong.next_step})
            continue
        for written in domains or ("",):
            apex = terminal.domain(written).name if written else absolute(_PROBE)
            row |= {"api": adapter.plugin.api, "zone": text(apex) if written else "", "works": True}
            try:
                says, code = await (_reach(adapter, apex) if written else _taken(adapter))
                rows.append(row | {"says": says, "next": ""})
            except ProviderError as wrong:
                code = wrong.exit_code
                rows.append(row | {"works": False, "says": wrong.happened, "next": wrong.next_step})
            worst = worst or code
    if terminal.json:
        terminal.result(rows)
    else:
        terminal.show(report.tested_table(rows))
    return worst


async def providers_detect(session: "Session", terminal: Terminal, written: str) -> int:
    """`wixsend providers detect DOMAIN`: who serves the zone."""
    from wixsend.detect import detect

    domain = terminal.domain(written)
    found = await detect(session.dns, session.plugins, await session.dns.delegation(domain.name))
    if terminal.json:
        terminal.result({"domain": domain.ascii, **report.detected_json(found, session.plugins)})
    else:
        terminal.show(report.detected_lines(found, session.plugins, domain.ascii))
    return 0 if found.known else ProviderError.exit_code


async def _taken(adapter: "Adapter") -> tuple[str, int]:
    """Whether the credentials are taken, by a question for a zone that is not theirs. A refusal is raised."""
    with suppress(ZoneNotHeld):
        await adapter.zone(absolute(_PROBE))
    way = f" with {adapter.plugin.api}" if adapter.plugin.api else ""
    return f"the credentials are taken{way}; name a domain to see what they reach", 0


async def _reach(adapter: "Adapter", apex: Name) -> tuple[str, int]:
    """Whether the account holds this zone and reads it, and the exit code. Writing is not tried: only a write can tell."""
    try:
        zones = await adapter.zone(apex)
    except ZoneNotHeld:
        zones = ()
    if not zones:
        return "the account does not hold this zone", ZoneNotHeld.exit_code
    said: list[str] = []
    for zone in zones:
        held = f"held{f' by {zone.account}' if zone.account else ''}"
        if zone.problem:
            said.append(zone.problem)
        else:
            await adapter.read(zone, frozenset({apex}))
            said.append(f"{held} and read; to write takes {adapter.plugin.permissions}")
    return "; ".join(said), 0


async def _wix_test(session: "Session", terminal: Terminal) -> int:
    """`wixsend providers test wix`: whether Wix takes the credentials. What it refuses is raised."""
    says = await session.wix.check()
    row = {"account": "wix", "api": "", "zone": "", "works": True, "says": says, "next": ""}
    if terminal.json:
        terminal.result([row])
    else:
        terminal.show(report.tested_table([row]))
    return 0


def config(loaded: "Config", terminal: Terminal, *, schema: bool) -> int:
    """`wixsend config`: every value that is set, and where; or the schema."""
    if schema:
        from wixsend.config import json_schema

        terminal.result(json_schema())
    elif terminal.json:
        terminal.result(report.config_json(loaded))
    else:
        terminal.show(report.config_lines(loaded))
    return 0


def new_provider(terminal: Terminal, name: str, label: str, parent: "Path") -> int:
    """`wixsend new-provider NAME`: the files of a new plugin."""
    from wixsend import scaffold

    written = scaffold.new_provider(name, label, parent)
    if terminal.json:
        terminal.result([str(path) for path in written])
    else:
        terminal.show([Styled(str(path)) for path in written])
        terminal.tell(f"Next: cd {parent / f'wixsend-{name}'}, and read its README.md.")
    return 0
