"""Floor 5. Who serves a zone: by its name servers, its SOA, and the host's own word. Nothing is written, and no account is asked."""

from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass

from wixsend.domainconnect import Offer, discover
from wixsend.errors import DnsUnreachable, WixsendError
from wixsend.hosts import Host, hosts_of
from wixsend.lookup import Dns
from wixsend.names import Name
from wixsend.plugins import Plugins
from wixsend.verdict import Delegation, Soa

__all__ = ["Detected", "detect"]


@dataclass(frozen=True, slots=True)
class Detected:
    """Who serves a zone.

    `hosts` are those that every name server can be of: one, several that share their servers, or none. `mixed` is true when servers of
    different hosts serve it together. `by_server` and `plugins` are the hosts of the table, and the installed plugins, that know each name
    server. `operators` are the zones that the host names of unknown servers are in; `soa` and `offer` are `None` where nobody says.
    """

    delegation: Delegation
    hosts: tuple[Host, ...]
    by_server: Mapping[Name, tuple[Host, ...]]
    plugins: Mapping[Name, tuple[str, ...]]
    soa: Soa | None = None
    operators: tuple[Name, ...] = ()
    offer: Offer | None = None

    @property
    def mixed(self) -> bool:
        known = [bool(self.by_server[name] or self.plugins[name]) for name in self.delegation.names]
        return any(known) and not self.known

    @property
    def known(self) -> bool:
        """True when one host serves it that the table or a plugin knows, or one of several that cannot be told apart."""
        return bool(self.hosts) or bool(self.provider)

    @property
    def provider(self) -> str:
        """The installed plugin that can write there, if its account holds the zone; empty when there is none."""
        knowing = [frozenset(self.plugins[name]) for name in self.delegation.names]
        common = frozenset.intersection(*knowing) if knowing else frozenset()
        return next(iter(common)) if len(common) == 1 and all(len(each) == 1 for each in knowing) else ""


async def detect(dns: Dns, plugins: Plugins, delegation: Delegation) -> Detected:
    """Ask who serves the zone of a delegation."""
    names = delegation.names
    by_server = {name: hosts_of(name) for name in names}
    if any(len(found) > 1 for found in by_server.values()):
        addresses = await _at_apex(dns, delegation)
        by_server = {name: hosts_of(name, addresses) for name in names}
    common = set.intersection(*(set(found) for found in by_server.values())) if names else set()
    knowing = {name: plugins.for_server(name) for name in names}
    strangers = [name for name in names if not by_server[name] and not knowing[name]]
    soa = None
    with suppress(DnsUnreachable):
        soa = await dns.soa(delegation)
    return Detected(
        delegation,
        tuple(sorted(common, key=lambda host: host.label)),
        by_server,
        knowing,
        soa,
        await _operators(dns, delegation, strangers),
        await discover(dns, delegation),
    )


async def _at_apex(dns: Dns, delegation: Delegation) -> tuple[str, ...]:
    """The zone's own addresses; none where only resolvers could be asked for them."""
    if delegation.by_resolver:
        return ()
    with suppress(DnsUnreachable):
        return tuple(record.rdata for record in await dns.records_at(delegation, delegation.apex, ("A",)) if record.rtype == "A")
    return ()


async def _operators(dns: Dns, delegation: Delegation, servers: list[Name]) -> tuple[Name, ...]:
    """The zones that these host names are in; those inside of the zone itself tell nothing."""
    found: dict[Name, None] = {}
    for server in servers:
        if not server.is_subdomain(delegation.apex):
            with suppress(WixsendError):
                found[(await dns.delegation(server)).apex] = None
    return tuple(found)
