"""Which DNS host serves a zone: the table of hosts, and what is said of those that are in no table."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from urllib.parse import urlsplit

import pytest

from wixsend.detect import Detected, detect
from wixsend.hosts import UNKNOWN, Host, hosts, hosts_of
from wixsend.lookup import Dns
from wixsend.names import absolute, text
from wixsend.plugins import Plugins
from wixsend.records import Record
from wixsend.testing.dns import SandboxDns
from wixsend.verdict import Soa

ZONE = absolute("example.com")
CNAME = Record(absolute("s1._domainkey", ZONE), "CNAME", "s1.s004.ascendbywix.com.")


# -- the table ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", hosts(), ids=lambda host: host.name)
def test_every_row_says_where_it_is_from_and_nothing_by_halves(host: Host) -> None:
    assert host.sources and host.suffixes and host.label
    assert not host.panel or urlsplit(host.panel).scheme == "https"
    assert not host.owner or host.owner_field, "how a field is written is known, and not what it is called"
    for suffix in host.suffixes:
        assert text(absolute(suffix.replace("*", "0"))) == suffix.replace("*", "0"), "lower case, no final dot"


def test_names_are_there_once_and_shared_suffixes_are_meant() -> None:
    assert len({host.name for host in hosts()}) == len(hosts())
    shared = {suffix: [host.name for host in hosts() if suffix in host.suffixes] for host in hosts() for suffix in host.suffixes}
    assert {suffix for suffix, names in shared.items() if len(names) > 1} == {"nsone.net", "googledomains.com"}


@pytest.mark.parametrize(
    ("server", "names"),
    [
        ("ada.ns.cloudflare.com", ["cloudflare"]),
        ("ns71.domaincontrol.com", ["godaddy"]),
        ("ns-2045.awsdns-63.co.uk", ["route53"]),
        ("ns1-01.azure-dns.com", ["azure"]),
        ("DNS1.P01.NSONE.NET", ["ns1", "netlify"]),
        ("docs19.rzone.de", ["strato"]),
        ("ns1.notgandi.net", []),
        ("gandi.net.example", []),
        ("ns1.awsdns-63.co.uk.example", []),
    ],
)
def test_a_name_server_is_known_by_label(server: str, names: list[str]) -> None:
    assert [host.name for host in hosts_of(absolute(server))] == names


def test_the_address_at_the_apex_tells_hosts_with_the_same_servers_apart() -> None:
    server = absolute("dns1.p05.nsone.net")
    assert [host.label for host in hosts_of(server, ["198.185.159.144"])] == ["Squarespace"]
    assert [host.name for host in hosts_of(server, ["192.0.2.1"])] == ["ns1", "netlify"]


@pytest.mark.parametrize(
    ("name", "owner", "value"),
    [
        ("godaddy", "s1._domainkey", "s1.s004.ascendbywix.com"),
        ("ovh", "s1._domainkey", "s1.s004.ascendbywix.com."),
        ("hostgator", "s1._domainkey.example.com.", "s1.s004.ascendbywix.com"),
        ("", "s1._domainkey", "s1.s004.ascendbywix.com"),
    ],
)
def test_records_are_written_as_the_panel_wants_them(name: str, owner: str, value: str) -> None:
    host = next((host for host in hosts() if host.name == name), UNKNOWN)
    assert (host.owner_text(CNAME.owner, ZONE), host.value_text(CNAME)) == (owner, value)


def test_the_plugins_of_this_installation_and_the_table_do_not_contradict_each_other() -> None:
    for row in Plugins().all():
        for suffix in row.plugin.name_servers if row.plugin is not None else ():
            assert len(hosts_of(absolute(suffix))) <= 1, f"{row.name} claims {suffix}, which hosts share"


# -- a zone in DNS -----------------------------------------------------------------------------------------------------


type Detects = Callable[..., Awaitable[Detected]]
"""Makes a zone with these name servers and records, and asks who serves it."""


@pytest.fixture
def sandbox() -> Iterator[SandboxDns]:
    with SandboxDns(resolvers=1, now=lambda: 0.0) as running:
        yield running


@pytest.fixture
async def detected(sandbox: SandboxDns) -> AsyncIterator[Detects]:
    opened: list[Dns] = []

    async def ask(servers: Sequence[str], records: Sequence[Record] = ()) -> Detected:
        sandbox.add_zone("example.com", servers, lambda _apex: records)
        dns = Dns(sandbox.settings(tries=1, timeout=5.0))
        opened.append(dns)
        return await detect(dns, Plugins(), await dns.delegation(ZONE))

    yield ask
    for dns in opened:
        await dns.close()


async def test_a_host_with_a_plugin(detected: Detects) -> None:
    found = await detected(["ns71.domaincontrol.com", "ns72.domaincontrol.com"])
    assert (found.provider, [host.name for host in found.hosts], found.known, found.mixed) == ("godaddy", ["godaddy"], True, False)


async def test_a_host_without_a_plugin(detected: Detects) -> None:
    found = await detected(["a.dns.gandi.net", "b.dns.gandi.net"])
    assert (found.provider, [host.name for host in found.hosts], found.known) == ("", ["gandi"], True)
    assert found.soa is not None and (text(found.soa.mname), found.soa.mailbox) == ("a.dns.gandi.net", "hostmaster@example.com")
    assert found.offer is None


async def test_servers_that_several_hosts_share_are_told_apart_by_the_website(detected: Detects) -> None:
    servers = ["dns1.p01.nsone.net", "dns2.p01.nsone.net"]
    found = await detected(servers, [Record(ZONE, "A", "198.185.159.144")])
    assert [host.label for host in found.hosts] == ["Squarespace"]


async def test_a_host_that_nobody_knows_is_named_by_who_runs_its_servers(detected: Detects) -> None:
    found = await detected(["ns1.dns.obscure-host.net", "ns2.dns.obscure-host.net"])
    assert not found.known and not found.mixed and found.hosts == ()
    assert [text(name) for name in found.operators] == ["obscure-host.net"]


async def test_vanity_servers_tell_nothing_of_who_runs_them(detected: Detects) -> None:
    found = await detected(["ns1.example.com", "ns2.example.com"])
    assert not found.known and found.operators == ()


@pytest.mark.parametrize(
    "servers",
    [
        ["ns71.domaincontrol.com", "a.dns.gandi.net"],
        ["ns71.domaincontrol.com", "ns1.obscure-host.net"],
        ["ns1.linode.com", "a.dns.gandi.net"],
    ],
)
async def test_several_hosts_at_once_are_mixed_and_none_of_them_is_chosen(detected: Detects, servers: list[str]) -> None:
    found = await detected(servers)
    assert found.mixed and not found.known and found.hosts == () and found.provider == ""


def test_the_responsible_mailbox_is_read_from_its_labels() -> None:
    assert Soa(1, 1, 1, ZONE, absolute("jane\\.doe.example.com")).mailbox == "jane.doe@example.com"
    assert Soa(1, 1, 1, ZONE, absolute("\\003\\027x.example.com")).mailbox == "\\x03\\x1bx@example.com"
    assert Soa(1, 1, 1).mailbox == ""
