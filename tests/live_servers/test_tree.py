"""From the root down on real servers: the same zone cuts and addresses as dig is told."""

import pytest

from live_servers.lab import BOGUS, HOSTS, MIRRORED, POWERDNS_HOSTS, REGISTRY, ROOT, SIGNED, Lab
from live_servers.namespace import Capture
from wixsend.errors import DomainNotFound
from wixsend.lookup import Dns
from wixsend.names import absolute, text
from wixsend.testing.world import record
from wixsend.verdict import NameServer, Soa

pytestmark = pytest.mark.live_servers


def delegated(lab: Lab, apex: str) -> set[str]:
    """The name servers in a referral, as dig shows it."""
    shown = lab.dig(f"@{REGISTRY}", apex, "NS", "+norecurse", "+noall", "+authority")
    return {line.split()[4].rstrip(".") for line in shown.splitlines() if len(line.split()) == 5 and line.split()[3] == "NS"}


@pytest.mark.parametrize("servers", [POWERDNS_HOSTS, ("bind.hosts.com", "knot.hosts.com", "silent.hosts.com")])
async def test_the_cut_is_the_one_that_the_registry_shows(lab: Lab, servers: tuple[str, ...]) -> None:
    apex = lab.zone(servers=servers).apex
    found = await Dns(lab.settings()).delegation(absolute(apex))
    assert (text(found.apex), text(found.parent)) == (apex, "com")
    assert {text(name) for name in found.names} == delegated(lab, apex) == set(servers)
    assert set(found.servers) == {NameServer(absolute(host), HOSTS[host]) for host in servers}


@pytest.mark.parametrize("apex", [SIGNED, BOGUS])
async def test_hosts_that_the_registry_has_no_glue_for_are_walked_to(lab: Lab, apex: str) -> None:
    found = await Dns(lab.settings()).delegation(absolute(apex))
    assert {text(name) for name in found.names} == delegated(lab, apex)
    assert set(found.servers) <= {NameServer(absolute(host), addresses) for host, addresses in HOSTS.items()}


async def test_a_walk_asks_no_resolver_and_asks_for_no_recursion(lab: Lab, capture: Capture) -> None:
    apex = lab.zone().apex
    await Dns(lab.settings()).delegation(absolute("mail", absolute(apex)))
    asked = [packet for packet in capture.packets() if not packet.is_answer and packet.rtype == "NS"]
    assert {packet.target for packet in asked} >= {ROOT, REGISTRY}
    assert not [packet for packet in asked if packet.target.startswith("127.0.20.")]
    assert not [packet for packet in asked if packet.message.flags & 0x0100]


async def test_a_zone_below_the_zone_on_the_same_servers_is_found(lab: Lab) -> None:
    outer = lab.zone()
    outer.put(*(record("mail", "NS", f"{host}.", outer.apex) for host in POWERDNS_HOSTS[:1]))
    lab.create(f"mail.{outer.apex}", (), 2)
    found = await Dns(lab.settings()).delegation(absolute("mail", absolute(outer.apex)))
    assert (text(found.apex), text(found.parent)) == (f"mail.{outer.apex}", outer.apex)


async def test_a_delegation_of_the_keys_alone_is_a_cut_below(lab: Lab) -> None:
    zone = lab.zone()
    zone.put(record("_domainkey", "NS", "knot.hosts.com.", zone.apex))
    apex = absolute(zone.apex)
    client = Dns(lab.settings())
    found = await client.delegation(apex)
    names = [absolute(name, apex) for name in ("s1._domainkey", "s2._domainkey", "sg")]
    assert tuple(await client.cuts_below(found, names)) == (absolute("_domainkey", apex),)


async def test_a_domain_that_nobody_registered(lab: Lab) -> None:
    assert "NXDOMAIN" in lab.dig(f"@{REGISTRY}", "nobody-registered-this.com", "+norecurse")
    with pytest.raises(DomainNotFound, match="there is no such domain"):
        await Dns(lab.settings()).delegation(absolute("nobody-registered-this.com"))


async def test_the_soa_tells_for_how_long_resolvers_may_deny(lab: Lab) -> None:
    client = Dns(lab.settings())
    soa = await client.soa(await client.delegation(absolute(MIRRORED)))
    shown = lab.dig("@127.0.10.4", MIRRORED, "SOA", "+short").split()
    assert soa == Soa(int(shown[2]), 60, int(shown[6]), absolute(shown[0]), absolute(shown[1]))
    assert soa.negative_ttl == 2
