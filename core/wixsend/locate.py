"""Floor 5. Where a domain's records belong: the zone the world sees, the host that serves it, the account that holds it.

Name servers only hint at the host; the account confirms. What is ambiguous is an error that names the candidates, never a choice.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Protocol

from wixsend.adapters import Adapter
from wixsend.errors import CredentialsMissing, ZoneNotHeld
from wixsend.holdings import Account, Holdings
from wixsend.hosts import hosts_of
from wixsend.lookup import Dns
from wixsend.names import Name, absolute, matches_suffix, text
from wixsend.plugins import Plugins
from wixsend.records import Snapshot, Zone
from wixsend.verdict import Delegation
from wixsend.wix import Wix

__all__ = ["Located", "Locator", "Outside"]

_WIX_NAME_SERVERS = (absolute("wixdns.net"),)
"""Name servers that mean that Wix serves the zone itself (facts: `ns0` to `ns11` seen)."""


class Outside(Protocol):
    """The world as the engine needs it. Everything is opened when first asked for, and closed by whoever made it."""

    plugins: Plugins

    @property
    def wix(self) -> Wix: ...
    @property
    def dns(self) -> Dns: ...
    @property
    def holdings(self) -> Holdings: ...

    def accounts(self, provider: str) -> Sequence[Account]:
        """The accounts at this host; `CredentialsMissing` when there is none."""
        ...

    async def adapter(self, account: Account) -> Adapter:
        """The account, opened; the same object each time."""
        ...

    def now(self) -> float:
        """Seconds since the epoch."""
        ...

    async def sleep(self, seconds: float) -> None: ...


@dataclass(frozen=True, slots=True)
class Located:
    """Where the records belong: the zone the world sees, and who can write to it.

    `provider` is empty when nobody here can (`why` says so), `"wix"` when Wix serves the zone itself.
    """

    delegation: Delegation
    provider: str = ""
    hosts: tuple[str, ...] = ()
    why: str = ""
    account: Account | None = None
    adapter: Adapter | None = None
    zone: Zone | None = None

    @property
    def account_name(self) -> str:
        """The account's name, empty when there is none."""
        return self.account.name if self.account is not None else ""

    @property
    def lock(self) -> tuple[str, str]:
        """The name under which one writer at a time holds the zone, and what it is to a person."""
        apex = text(self.delegation.apex)
        return f"zone-{self.provider}-{self.account_name}-{apex}", f"the zone {apex} at {self.provider} (account {self.account_name})"


class Locator:
    """Finds where one domain's records belong. `provider` and `account`, where not empty, are a person's word and override discovery."""

    def __init__(self, outside: Outside, provider: str = "", account: str = "") -> None:
        self._outside = outside
        self._provider = provider
        self._account = account
        self._delegation: Delegation | None = None

    async def delegation(self, domain: Name) -> Delegation:
        """The zone cut at or above the domain; asked once."""
        if self._delegation is None:
            self._delegation = await self._outside.dns.delegation(domain)
        return self._delegation

    async def locate(self, domain: Name, *, by_hand: bool = False) -> Located:
        """The zone cut from the parents' servers, the host from its name servers, the account from asking each that could hold it.

        No account is asked, or needed, where a person adds the records `by_hand`.
        """
        delegation = await self.delegation(domain)
        if not self._provider and all(matches_suffix(server.name, _WIX_NAME_SERVERS) for server in delegation.servers):
            return Located(delegation, "wix", ("Wix",), "Wix serves this zone and adds the records itself")
        provider, hosts, why = self._host_of(delegation)
        if by_hand:
            return Located(delegation, "", hosts, f"{why}; the records are added by hand")
        if provider:
            return await self._account_for(Located(delegation, provider, hosts, why))
        unknown = Located(delegation, "", hosts, why)
        return unknown if hosts else await self._at_own_servers(unknown)

    def _host_of(self, delegation: Delegation) -> tuple[str, tuple[str, ...], str]:
        """The provider's name (empty when nobody here can write), the hosts of all name servers, and how we know."""
        plugins, named = self._outside.plugins, self._provider
        if named:
            return named, (plugins.get(named).label,), f"you named {named}"
        servers = [server.name for server in delegation.servers]
        owners = {server: plugins.for_server(server) for server in servers}
        known = sorted({name for names in owners.values() for name in names})
        strangers = [text(server) for server, names in owners.items() if not names]
        listed = ", ".join(text(server) for server in servers)
        if len(known) == 1 and not strangers:
            label = plugins.get(known[0]).label
            return known[0], (label,), f"its name servers {listed} are {label}'s"
        hosts = (*(plugins.get(name).label for name in known), *strangers) if known else ()
        if len(hosts) > 1:
            return "", hosts, f"the zone is served by several hosts at once ({', '.join(hosts)}): add the records at each of them"
        labels = {" or ".join(host.label for host in hosts_of(server)) for server in servers}
        whose = f", which are {labels.pop()}'s" if len(labels) == 1 and "" not in labels else ""
        return "", hosts, f"no installed plugin knows its name servers ({listed}{whose}){self._broken_plugins()}"

    def _broken_plugins(self) -> str:
        broken = [f"{row.name}: {row.error.happened}" for row in self._outside.plugins.all() if row.error is not None]
        return f"; broken plugins: {'; '.join(broken)}" if broken else ""

    async def _account_for(self, located: Located) -> Located:
        """The one account that holds the zone; several with the same zone are told apart by the zone's name servers."""
        apex = located.delegation.apex
        accounts = [a for a in self._outside.accounts(located.provider) if self._account in ("", a.name)]
        if not accounts:
            raise CredentialsMissing(
                f"no account {self._account!r} at {located.provider} is configured",
                f"wixsend providers show {located.provider} lists the accounts; wixsend.toml names them: [accounts.NAME]",
            )
        found = await self._holding(located, accounts)
        asked = ", ".join(account.name for account in accounts)
        if not found:
            raise ZoneNotHeld(
                f"{located.why}, but the zone {text(apex)} is in none of the accounts that were asked ({asked})",
                "It is in another account: configure that one (wixsend providers show "
                f"{located.provider}), or have its owner give this account access.",
            )
        if len(found) > 1:
            named = ", ".join(f"{one.account.name} ({one.zone.account or one.zone.ref})" for one in found if one.account and one.zone)
            raise ZoneNotHeld(
                f"the zone {text(apex)} is held more than once, and no name servers tell which one the world sees: {named}",
                "Name the account that serves it: --account NAME. Of two zones in one account remove the one that nobody is sent to.",
            )
        return self._read_as_it_must_be(found[0])

    def _read_as_it_must_be(self, located: Located) -> Located:
        """A host that cannot be read is read at the zone's own name servers."""
        adapter, dns, delegation = located.adapter, self._outside.dns, located.delegation
        if adapter is None or adapter.plugin.reads == "host":
            return located

        async def read(zone: Zone, names: frozenset[Name]) -> Snapshot:
            return Snapshot(zone, await dns.held(delegation, names), names)

        return replace(located, adapter=adapter.reading(read))

    async def _holding(self, located: Located, accounts: Sequence[Account]) -> list[Located]:
        """The accounts that hold the zone; of several, those whose name servers are the zone's, where any are."""
        held = await self._outside.holdings.holders(accounts, located.delegation)
        found = [replace(located, account=one.account, adapter=one.adapter, zone=one.zone) for one in held]
        if len(found) > 1:
            delegated = {server.name for server in located.delegation.servers}
            found = [one for one in found if one.zone and delegated <= set(one.zone.name_servers)] or found
        return found

    async def _at_own_servers(self, unknown: Located) -> Located:
        """The host that people run for themselves and that holds the zone: no name server's name tells of it, so every account is asked."""
        found: list[Located] = []
        for plugin in (row.plugin for row in self._outside.plugins.all()):
            if plugin is not None and plugin.own_url:
                with suppress(CredentialsMissing):
                    accounts = [account for account in self._outside.accounts(plugin.name) if self._account in ("", account.name)]
                    why = f"your {plugin.label} holds the zone"
                    found += await self._holding(replace(unknown, provider=plugin.name, hosts=(plugin.label,), why=why), accounts)
        if len(found) > 1:
            named = ", ".join(f"{one.provider} (account {one.account_name})" for one in found)
            raise ZoneNotHeld(
                f"the zone {text(unknown.delegation.apex)} is in more than one account: {named}",
                "Name the one to write by: --provider NAME --account NAME",
            )
        return found[0] if found else unknown
