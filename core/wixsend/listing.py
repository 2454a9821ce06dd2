"""Floor 6. The commands that say what there is: plugins, accounts, settings, and what the journal knows. Each returns its exit code.

What a command does not need is not imported for it: `wixsend providers` is to answer at once.
"""

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from wixsend import report
from wixsend.errors import ConfigError, ProviderError, ZoneNotHeld
from wixsend.layout import Styled
from wixsend.names import absolute, text
from wixsend.terminal import Terminal

if TYPE_CHECKING:
    from pathlib import Path

    from wixsend.config import Config
    from wixsend.plugins import Plugins
    from wixsend.session import Session

__all__ = ["backups", "config", "new_provider", "providers", "providers_show", "providers_test", "status"]


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
    """`wixsend providers test NAME`: for each account, whether the credentials are taken and which of the domains' zones it holds."""
    if name == "wix":
        return await _wix_test(session, terminal)
    rows: list[dict[str, object]] = []
    worst = 0
    for account in session.accounts(name):
        try:
            adapter = await session.adapter(account)
        except ConfigError as wrong:
            worst = worst or wrong.exit_code
            rows.append({"account": account.name, "zone": "", "works": False, "says": wrong.happened, "next": wrong.next_step})
            continue
        for written in domains or (_PROBE,):
            apex = absolute(written) if not domains else terminal.domain(written).name
            try:
                zones = await adapter.zone(apex)
            except ZoneNotHeld:
                zones = ()
            except ProviderError as wrong:
                worst = worst or wrong.exit_code
                rows.append({"account": account.name, "zone": text(apex), "works": False, "says": wrong.happened, "next": wrong.next_step})
                continue
            if not domains:
                says = "the credentials are taken"
            elif not zones:
                says, worst = "the account does not hold this zone", worst or ZoneNotHeld.exit_code
            else:
                says = "; ".join(
                    zone.problem or f"held{f' by {zone.account}' if zone.account else ''}, ready to be written" for zone in zones
                )
            rows.append({"account": account.name, "zone": text(apex) if domains else "", "works": True, "says": says, "next": ""})
    if terminal.json:
        terminal.result(rows)
    else:
        terminal.show(report.tested_table(rows))
    return worst


async def _wix_test(session: "Session", terminal: Terminal) -> int:
    """`wixsend providers test wix`: whether Wix takes the credentials. What it refuses is raised."""
    says = await session.wix.check()
    row = {"account": "wix", "zone": "", "works": True, "says": says, "next": ""}
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
