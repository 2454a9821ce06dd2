"""Discovery and proof, against real DNS messages from the sandbox's servers on loopback."""

import asyncio
import socket
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from wixsend.errors import ConfigError, DnsUnreachable, DomainNotFound
from wixsend.exchange import DnsSettings
from wixsend.lookup import Dns, dmarc_policy
from wixsend.names import absolute, text
from wixsend.plan import DmarcAbove
from wixsend.records import Record
from wixsend.testing.dns import DnsFault, FaultKind, SandboxDns
from wixsend.verdict import Delegation, Finding, Kind, NameServer, Proof, Verdict

NS = ("ns1.host.com", "ns2.host.com")
DOMAIN = absolute("example.com")
S1 = Record(absolute("s1._domainkey", DOMAIN), "CNAME", "s1.x.ascendbywix.com.", 300)
S2 = Record(absolute("s2._domainkey", DOMAIN), "CNAME", "s2.x.ascendbywix.com.", 300)
BOTH = (S1, S2)
PATIENT = 1e6


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def sandbox(clock: Clock) -> Iterator[SandboxDns]:
    with SandboxDns(now=clock) as running:
        yield running


@pytest.fixture
def held() -> list[Record]:
    """What the host holds for example.com; tests change it."""
    return []


@pytest.fixture
def zone(sandbox: SandboxDns, held: list[Record]) -> SandboxDns:
    sandbox.add_zone("example.com", NS, lambda _apex: held, soa_minimum=120)
    return sandbox


def asker(sandbox: SandboxDns, **changes: Any) -> Dns:
    """A client that tries once."""
    return Dns(sandbox.settings(**({"timeout": 5.0, "tries": 1} | changes)))


SHORT = 0.3
"""The time-out, in seconds, of a client that meets a silent server."""


async def discover(sandbox: SandboxDns, domain: str, **changes: Any) -> Delegation:
    return await asker(sandbox, **changes).delegation(absolute(domain))


def closed() -> str:
    """An endpoint where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def rooms(addresses: Sequence[str]) -> dict[str, str]:
    return dict.fromkeys(addresses, closed())


def first_hand(proof: Proof) -> list[Finding]:
    return [finding for finding in proof.findings if finding.kind is Kind.AUTHORITATIVE]


def second_hand(proof: Proof) -> list[Finding]:
    return [finding for finding in proof.findings if finding.kind is Kind.RESOLVER]


def cname(owner: str, target: str, ttl: int = 300) -> Record:
    return Record(absolute(owner), "CNAME", target, ttl)


# Finding the zone cut


async def test_the_cut_is_the_parents_delegation_with_every_address(zone: SandboxDns) -> None:
    addresses = {host: zone.add_name_server(host) for host in NS}
    found = await discover(zone, "example.com")
    assert (found.apex, found.parent) == (DOMAIN, absolute("com"))
    assert found.servers == tuple(NameServer(absolute(host), addresses[host]) for host in NS)
    assert found.exists and not found.by_resolver and "root" in found.how
    assert zone.queries_at() == [] and not any(query.rd for query in zone.queries)


async def test_a_sub_domain_belongs_to_the_zone_above_it_whether_it_exists_or_not(zone: SandboxDns, held: list[Record]) -> None:
    held.append(Record(absolute("a.b.example.com"), "A", "192.0.2.1"))
    found = [await discover(zone, name) for name in ("b.example.com", "a.b.example.com", "new.example.com", "x.y.example.com")]
    assert [delegation.apex for delegation in found] == [DOMAIN] * 4
    assert [delegation.exists for delegation in found] == [True, True, False, False]


async def test_a_suffix_of_two_labels_is_walked_through(sandbox: SandboxDns) -> None:
    sandbox.add_zone("shop.co.uk", NS)
    found = await discover(sandbox, "mail.shop.co.uk")
    assert (found.apex, found.parent) == (absolute("shop.co.uk"), absolute("co.uk"))


@pytest.mark.parametrize("hosts", [("ns.elsewhere.net",), NS], ids=["other servers", "the parent's servers"])
async def test_a_delegated_sub_zone_is_a_zone_of_its_own(zone: SandboxDns, hosts: tuple[str, ...]) -> None:
    zone.add_zone("mail.eu.example.com", hosts)
    found = await discover(zone, "mail.eu.example.com")
    assert (found.apex, found.parent) == (absolute("mail.eu.example.com"), DOMAIN)
    assert found.names == tuple(absolute(host) for host in hosts)


async def test_a_server_that_denies_empty_non_terminals_is_seen_through(zone: SandboxDns) -> None:
    zone.add_zone("mail.eu.example.com", ("ns.elsewhere.net",))
    zone.add_fault(DnsFault("deny", name=absolute("eu.example.com")))
    assert (await discover(zone, "mail.eu.example.com")).apex == absolute("mail.eu.example.com")


async def test_name_servers_without_glue_are_looked_up_on_a_walk_of_their_own(sandbox: SandboxDns) -> None:
    sandbox.add_zone("example.org", NS)
    found = await discover(sandbox, "example.org")
    assert found.servers == tuple(NameServer(absolute(host), sandbox.add_name_server(host)) for host in NS)


async def test_a_name_server_that_resolves_to_nothing_has_no_address(zone: SandboxDns) -> None:
    zone.add_name_server("ns.gone.net", ())
    zone.add_zone("half.com", ("ns1.host.com",), delegated_to=("ns1.host.com", "ns.gone.net"))
    found = await discover(zone, "half.com")
    assert {text(server.name): bool(server.addresses) for server in found.servers} == {"ns1.host.com": True, "ns.gone.net": False}


async def test_a_name_server_whose_name_is_denied_is_not_asked_for_further(zone: SandboxDns) -> None:
    zone.add_name_server("nope.host.com", ())
    zone.add_zone("half.org", ("ns1.host.com",), delegated_to=("nope.host.com",))
    found = await discover(zone, "half.org")
    assert found.servers == (NameServer(absolute("nope.host.com")),)
    assert {query.rtype for query in zone.queries} == {"NS"}


async def test_name_servers_that_are_in_each_others_zones_end_the_walk(sandbox: SandboxDns) -> None:
    sandbox.add_zone("one.org", ("ns.two.net",))
    sandbox.add_zone("two.net", ("ns.one.org",))
    found = await discover(sandbox, "one.org")
    assert found.servers == (NameServer(absolute("ns.two.net")),)
    assert len(sandbox.queries) < 10


async def test_addresses_are_believed_only_from_the_zone_that_the_host_is_in(sandbox: SandboxDns) -> None:
    sandbox.add_zone("example.org", ("ns1.host.com", "ns1.host.org"))
    sandbox.add_fault(DnsFault("stray-glue", server="a.nic.org"))
    found = await discover(sandbox, "example.org")
    assert found.servers == (
        NameServer(absolute("ns1.host.com"), sandbox.add_name_server("ns1.host.com")),
        NameServer(absolute("ns1.host.org"), ("198.51.100.66",)),
    )


async def test_a_silent_server_does_not_keep_the_next_one_waiting(zone: SandboxDns) -> None:
    """Long before the time-out of the first the second is asked."""
    zone.add_fault(DnsFault("drop", server=NS[0]))
    dns = asker(zone, timeout=120.0)
    for name in ("a", "b", "c"):
        assert await asyncio.wait_for(dns.records_at(await dns.delegation(DOMAIN), absolute(name, DOMAIN), ("A",)), 60) == ()
    assert zone.queries_at(NS[0])


@pytest.mark.parametrize(
    ("domain", "parent"), [("nosuch.com", "com"), ("mail.nosuch.com", "com"), ("nosuch.co.uk", "co.uk"), ("nosuch.nosuch", ".")]
)
async def test_a_domain_that_is_not_registered_is_an_error_that_says_who_said_so(sandbox: SandboxDns, domain: str, parent: str) -> None:
    sandbox.add_zone("example.com", NS)
    sandbox.add_zone("example.co.uk", NS)
    with pytest.raises(DomainNotFound) as told:
        await discover(sandbox, domain)
    assert f"{domain}: the name servers of {parent} say" in told.value.happened and told.value.next_step
    assert told.value.exit_code == 2


async def test_the_way_down_is_remembered_for_a_while(zone: SandboxDns, clock: Clock) -> None:
    zone.add_zone("second.com", NS)
    dns = Dns(zone.settings(), now=clock)
    await dns.delegation(DOMAIN)
    asked = [query.server for query in zone.queries]
    await dns.delegation(absolute("second.com"))
    assert [query.server for query in zone.queries[len(asked) :]] == ["a.nic.com"]
    for seconds, first in ((301, "a.nic.com"), (3301, "a.root-servers.net")):
        zone.queries.clear()
        clock.at += seconds
        await dns.delegation(DOMAIN)
        assert zone.queries[0].server == first


async def test_the_addresses_of_a_host_are_remembered_for_a_while(sandbox: SandboxDns, clock: Clock) -> None:
    for domain in ("first.org", "second.org"):
        sandbox.add_zone(domain, NS)
    dns = Dns(sandbox.settings(), now=clock)
    first = await dns.delegation(absolute("first.org"))
    asked = len(sandbox.queries)
    second = await dns.delegation(absolute("second.org"))
    assert second.servers == first.servers
    assert [query.server for query in sandbox.queries[asked:]] == ["a.nic.org"]
    clock.at += 301
    await dns.delegation(absolute("second.org"))
    assert {query.rtype for query in sandbox.queries[asked + 1 :]} == {"NS", "A", "AAAA"}


async def test_domains_that_are_looked_for_at_once_share_their_questions(sandbox: SandboxDns) -> None:
    domains = [absolute(f"client{number}.org") for number in range(10)]
    for domain in domains:
        sandbox.add_zone(text(domain), NS)
    dns = asker(sandbox)
    found = await asyncio.gather(*map(dns.delegation, domains))
    assert {delegation.servers for delegation in found} == {found[0].servers}
    assert [text(query.name) for query in sandbox.queries if query.server == "a.root-servers.net"].count("org") == 1


async def test_who_gives_up_takes_no_answer_away_from_others(zone: SandboxDns) -> None:
    dns = asker(zone)
    impatient, patient = (asyncio.ensure_future(dns.delegation(DOMAIN)) for _ in range(2))
    await asyncio.sleep(0)
    impatient.cancel()
    assert (await patient).apex == DOMAIN
    assert impatient.cancelled()


async def test_a_registry_that_stays_silent_is_told_apart_from_a_denial(zone: SandboxDns) -> None:
    zone.add_fault(DnsFault("drop", server="a.nic.com"))
    with pytest.raises(DnsUnreachable, match=r"none of the name servers of com answers, so the zone of example\.com"):
        await discover(zone, "example.com", timeout=SHORT)


async def test_when_a_zones_own_servers_are_silent_the_cut_is_known_and_the_rest_is_said(zone: SandboxDns) -> None:
    zone.add_fault(DnsFault("drop", name=absolute("mail.example.com")))
    found = await discover(zone, "mail.example.com", timeout=SHORT)
    assert found.apex == DOMAIN and "deeper zone cuts are not known" in found.how


# Port 53 closed


async def test_without_a_root_server_the_resolvers_find_the_cut_and_are_asked_for_nothing_below_the_domain(zone: SandboxDns) -> None:
    zone.add_zone("own.example.com", ("ns1.own.example.com", "ns2.host.com"))
    dns = asker(zone, roots=("192.0.2.250",), endpoints={**zone.endpoints, **rooms(["192.0.2.250"])})
    found = await dns.delegation(absolute("own.example.com"))
    assert (found.apex, found.parent) == (absolute("own.example.com"), DOMAIN)
    assert found.by_resolver and "port 53" in found.how
    assert {text(server.name): bool(server.addresses) for server in found.servers} == {"ns1.own.example.com": False, "ns2.host.com": True}
    below = [query for query in zone.queries_at() if query.name.is_subdomain(found.apex)]
    assert {(query.name, query.rtype) for query in below} == {(found.apex, "NS")}


@pytest.mark.parametrize("kind", ["lame", "no-aa", "refuse"])
async def test_a_network_that_answers_in_place_of_the_roots_is_not_believed(zone: SandboxDns, kind: FaultKind) -> None:
    zone.add_zone("captive.net", ("ns.captive.net",))
    zone.add_fault(DnsFault(kind, server="ns.captive.net"))
    dns = asker(zone, roots=zone.add_name_server("ns.captive.net"))
    assert (await dns.delegation(DOMAIN)).by_resolver


async def test_a_resolver_says_that_a_domain_does_not_exist(zone: SandboxDns) -> None:
    dns = asker(zone, roots=("192.0.2.250",), endpoints={**zone.endpoints, **rooms(["192.0.2.250"])})
    with pytest.raises(DomainNotFound, match=r"nosuch\.com: the name servers of com say"):
        await dns.delegation(absolute("nosuch.com"))


async def test_no_network_at_all_is_an_error_with_a_next_step() -> None:
    nobody = ("203.0.113.9", "192.0.2.250")
    dns = Dns(DnsSettings(resolvers=nobody[:1], roots=nobody[1:], fallback=(), endpoints=rooms(nobody)))
    with pytest.raises(DnsUnreachable, match="neither a root server nor a public resolver") as told:
        await dns.delegation(DOMAIN)
    assert "port 53" in told.value.next_step and told.value.exit_code == 6
    assert set(dns.queries) == set(nobody)


# What is in the zone


async def test_cuts_below_the_apex_are_found(zone: SandboxDns, held: list[Record]) -> None:
    found = await discover(zone, "example.com")
    owners = [S1.owner, absolute("_dmarc", DOMAIN), absolute("s1.b", DOMAIN), DOMAIN]
    dns = asker(zone)
    assert await dns.cuts_below(found, owners) == {}
    held.append(Record(absolute("b", DOMAIN), "DNAME", "example.net."))
    zone.add_zone("_domainkey.example.com", NS)
    zone.add_zone("_dmarc.example.com", ("ns.elsewhere.net",))
    zone.add_zone("own.example.com", NS)
    owners.append(absolute("own", DOMAIN))
    zone.queries.clear()
    cuts = await dns.cuts_below(found, owners)
    assert set(cuts) == {absolute("_domainkey", DOMAIN), absolute("_dmarc", DOMAIN), absolute("b", DOMAIN), absolute("own", DOMAIN)}
    assert cuts[absolute("_dmarc", DOMAIN)] == (absolute("ns.elsewhere.net"),) and cuts[absolute("b", DOMAIN)] == ()
    assert zone.queries_at() == [] and len(zone.queries) == 4


async def test_records_are_those_at_exactly_the_name(zone: SandboxDns, held: list[Record]) -> None:
    held += [cname("a.example.com", "b.example.com."), Record(absolute("b.example.com"), "TXT", '"x"'), S1]
    zone.add_zone("_dmarc.example.com", ("ns.elsewhere.net",))
    found, dns = await discover(zone, "example.com"), asker(zone)
    assert await dns.records_at(found, absolute("a.example.com"), ("A", "TXT")) == (held[0],)
    assert await dns.records_at(found, absolute("b.example.com"), ("TXT", "CNAME")) == (held[1],)
    assert await dns.records_at(found, absolute("c.example.com"), ("A",)) == ()
    assert [r.rtype for r in await dns.records_at(found, absolute("_dmarc.example.com"), ("TXT", "CNAME"))] == ["NS"]


async def test_what_a_name_holds_is_asked_of_every_server(zone: SandboxDns, held: list[Record]) -> None:
    names = {name: absolute(name, DOMAIN) for name in ("free", "text", "srv", "alias", "cut", "wild.under", "@")}
    held += [
        Record(names["text"], "TXT", '"x"'),
        Record(names["srv"], "NAPTR", '1 1 "u" "x" "" .'),
        Record(names["alias"], "CNAME", "elsewhere.net."),
        Record(absolute("*.under", DOMAIN), "A", "192.0.2.9"),
        Record(DOMAIN, "MX", "10 mail.example.net."),
    ]
    zone.add_zone("cut.example.com", ("ns.elsewhere.net",))
    found, dns = await discover(zone, "example.com"), asker(zone)
    seen = await dns.held(found, names.values())
    assert {(text(record.owner), record.rtype) for record in seen} == {
        ("text.example.com", "TXT"),
        ("srv.example.com", "NAPTR"),
        ("alias.example.com", "CNAME"),
        ("cut.example.com", "NS"),
        ("wild.under.example.com", "A"),
        ("example.com", "MX"),
    }
    zone.queries.clear()
    assert await dns.held(found, [names["free"]]) == ()
    assert len(zone.queries) == 2, "one question to each server for a name that there is not"


async def test_what_only_one_server_shows_is_there(zone: SandboxDns, held: list[Record]) -> None:
    held.append(Record(absolute("late", DOMAIN), "A", "192.0.2.9"))
    found, dns = await discover(zone, "example.com"), asker(zone)
    zone.add_fault(DnsFault("deny", "ns1.host.com", held[0].owner))
    assert await dns.held(found, [held[0].owner]) == (held[0],)


@pytest.mark.parametrize("kind", ["lame", "garbage"])
async def test_a_server_that_does_not_say_is_no_empty_name(zone: SandboxDns, kind: FaultKind) -> None:
    found, dns = await discover(zone, "example.com"), asker(zone)
    zone.add_fault(DnsFault(kind, "ns2.host.com", S1.owner))
    with pytest.raises(DnsUnreachable, match=r"ns2\.host\.com"):
        await dns.held(found, [S1.owner])


async def test_a_resolver_does_not_say_what_a_name_holds(zone: SandboxDns) -> None:
    found = replace(await discover(zone, "example.com"), by_resolver=True)
    with pytest.raises(DnsUnreachable, match="port 53"):
        await asker(zone).held(found, [S1.owner])


async def test_the_soa_tells_for_how_long_a_no_is_remembered(zone: SandboxDns) -> None:
    zone.add_zone("bare.com", NS, soa_minimum=None)
    dns = asker(zone)
    soa = await dns.soa(await discover(zone, "example.com"))
    assert soa is not None and (soa.serial, soa.ttl, soa.minimum, soa.negative_ttl) == (1, 3600, 120, 120)
    assert await dns.soa(await discover(zone, "bare.com")) is None
    stale = Delegation(absolute("eu.example.com"), DOMAIN, (await discover(zone, "example.com")).servers)
    assert await dns.soa(stale) is None


async def test_questions_to_a_zone_whose_servers_are_silent_are_an_error(zone: SandboxDns) -> None:
    found = await discover(zone, "example.com")
    zone.faults += [DnsFault("drop", server=NS[0]), DnsFault("servfail", server=NS[1])]
    with pytest.raises(DnsUnreachable, match=r"none of the authoritative servers of example\.com answers"):
        await asker(zone, timeout=SHORT).soa(found)


# Whether anybody serves it

SAID: list[tuple[FaultKind, str]] = [
    ("refuse", "refuses to answer"),
    ("servfail", "fails to answer"),
    ("lame", "does not answer with authority"),
    ("drop", "does not answer in time"),
]


@pytest.mark.parametrize(("kind", "said"), SAID)
async def test_a_zone_that_none_of_its_own_servers_serves_is_told_with_what_each_does(zone: SandboxDns, kind: FaultKind, said: str) -> None:
    found, dns = await discover(zone, "example.com"), asker(zone, timeout=SHORT)
    zone.faults += [DnsFault(kind, server=host) for host in NS]
    with pytest.raises(DnsUnreachable, match=f"ns1.host.com {said}.*, ns2.host.com {said}") as wrong:
        await dns.served(found)
    assert "ns1.host.com, ns2.host.com" in wrong.value.next_step and "registrar" in wrong.value.next_step
    zone.faults.clear()
    await dns.served(found)


@pytest.mark.parametrize("host", NS)
@pytest.mark.parametrize("kind", [kind for kind, _said in SAID])
async def test_one_server_that_answers_is_enough(zone: SandboxDns, kind: FaultKind, host: str) -> None:
    found = await discover(zone, "example.com")
    zone.add_fault(DnsFault(kind, server=host))
    await asker(zone, timeout=SHORT).served(found)


async def test_servers_without_an_address_serve_nothing(zone: SandboxDns) -> None:
    hosts = ("a.gone.net", "b.gone.net")
    zone.add_zone("lost.com", hosts)
    for host in hosts:
        zone.add_name_server(host, [])
    with pytest.raises(DnsUnreachable, match=r"a\.gone\.net has no address.*b\.gone\.net has no address"):
        await asker(zone).served(await discover(zone, "lost.com"))


async def unserved(dns: Dns, found: Delegation, numbers: range) -> list[str]:
    """What is said of zones at the same servers."""
    zones = (replace(found, apex=absolute(f"zone{number}.com")) for number in numbers)
    return [str(wrong) for wrong in await asyncio.gather(*map(dns.served, zones), return_exceptions=True) if wrong]


async def test_a_host_that_is_dead_is_not_waited_for_by_each_of_its_zones(zone: SandboxDns, clock: Clock) -> None:
    found, dns = await discover(zone, "example.com"), Dns(zone.settings(timeout=SHORT, tries=1), now=clock)
    zone.faults += [DnsFault("drop", server=host) for host in NS]
    assert all("in time" in said for said in await unserved(dns, found, range(8)))
    asked = len(zone.queries_at(*NS))
    assert asked == 16
    assert all("silent about 8 other zones" in said for said in await unserved(dns, found, range(8, 100)))
    assert len(zone.queries_at(*NS)) == asked
    clock.at += 60.0
    zone.faults.clear()
    await dns.served(found)


async def test_a_host_that_says_anything_is_asked_about_each_zone(zone: SandboxDns) -> None:
    found, dns = await discover(zone, "example.com"), asker(zone, timeout=SHORT)
    zone.faults += [DnsFault("drop", server=host, rtype="SOA", name=absolute(f"zone{number}.com")) for host in NS for number in range(7)]
    assert len(await unserved(dns, found, range(7))) == 7
    assert ["refuses" in said for said in await unserved(dns, found, range(7, 20))] == [True] * 13, "they do not serve these"
    assert len(await unserved(dns, found, range(7))) == 7
    await dns.served(found)


async def test_where_port_53_is_closed_nobody_is_asked_who_serves_a_zone(zone: SandboxDns) -> None:
    found = replace(await discover(zone, "example.com"), by_resolver=True)
    before = len(zone.queries)
    await asker(zone).served(found)
    assert len(zone.queries) == before


# DMARC above


@pytest.mark.parametrize(
    ("published", "policy"),
    [
        ('"v=DMARC1; p=reject"', "reject"),
        ('"V=dmarc1;P=Quarantine ; rua=mailto:x@example.com"', "quarantine"),
        ('"v=DMARC1; p=reject; sp=none"', "none"),
        ('"v=DMARC1; p=none; " "sp=reject"', "reject"),
        ('"v=DMARC1; rua=mailto:x@example.com"', "none"),
        ('"v=spf1 -all"', ""),
        ('"\\255\\254"', ""),
    ],
)
def test_the_sub_domain_policy_counts_before_the_policy(published: str, policy: str) -> None:
    assert dmarc_policy([published]) == policy


def test_of_several_policies_the_strictest_counts() -> None:
    assert dmarc_policy(['"v=DMARC1; p=none"', '"v=DMARC1; p=reject"', '"other"']) == "reject"
    assert dmarc_policy([]) == ""


def test_a_public_suffix_speaks_for_others_only_when_it_says_so() -> None:
    assert dmarc_policy(['"v=DMARC1; p=reject"'], public_suffix=True) == ""
    assert dmarc_policy(['"v=DMARC1; p=reject; psd=y"'], public_suffix=True) == "reject"


async def test_an_inherited_policy_is_found_through_aliases_at_the_zones_own_servers(zone: SandboxDns, held: list[Record]) -> None:
    dns, sender = asker(zone), absolute("mail.eu.example.com")
    found = await dns.delegation(sender)
    assert await dns.dmarc_above(sender, found) is None
    held.append(cname("_dmarc.example.com", "example.com.dmarc.vendor.net."))
    policies = [Record(absolute("example.com.dmarc.vendor.net"), "TXT", '"v=DMARC1; p=quarantine"')]
    zone.add_zone("vendor.net", NS, lambda _apex: policies)
    assert await dns.dmarc_above(sender, found) == DmarcAbove(absolute("_dmarc.example.com"), "quarantine")
    policies[:] = [Record(policies[0].owner, "TXT", '"v=DMARC1; p=none"')]
    assert await dns.dmarc_above(sender, found) is None
    assert zone.queries_at() == []


async def test_a_registry_does_not_speak_for_those_below_it_unless_it_says_so(zone: SandboxDns) -> None:
    policies = [Record(absolute("_dmarc.com"), "TXT", '"v=DMARC1; p=reject"')]
    zone.add_zone("com", ("a.nic.com",), lambda _apex: policies)
    found, dns = await discover(zone, "example.com"), asker(zone)
    assert await dns.dmarc_above(DOMAIN, found) is None
    policies[:] = [Record(absolute("_dmarc.com"), "TXT", '"v=DMARC1; p=reject; psd=y"')]
    assert await dns.dmarc_above(DOMAIN, found) == DmarcAbove(absolute("_dmarc.com"), "reject")


async def test_an_alias_that_loops_is_no_policy(zone: SandboxDns, held: list[Record]) -> None:
    held.append(cname("_dmarc.example.com", "_dmarc.example.com."))
    found = await discover(zone, "mail.example.com")
    assert await asker(zone).dmarc_above(absolute("mail.example.com"), found) is None


async def test_a_policy_that_cannot_be_asked_for_is_not_taken_for_none(zone: SandboxDns) -> None:
    found = await discover(zone, "mail.example.com")
    zone.add_fault(DnsFault("drop", name=absolute("_dmarc.example.com")))
    with pytest.raises(DnsUnreachable, match=r"_dmarc\.example\.com"):
        await asker(zone, timeout=SHORT).dmarc_above(absolute("mail.example.com"), found)


async def test_with_port_53_closed_the_inherited_policy_comes_from_a_resolver(zone: SandboxDns, held: list[Record]) -> None:
    held.append(Record(absolute("_dmarc.example.com"), "TXT", '"v=DMARC1; p=reject"'))
    dns = asker(zone, roots=("192.0.2.250",), endpoints={**zone.endpoints, **rooms(["192.0.2.250"])})
    sender = absolute("mail.example.com")
    found = await dns.delegation(sender)
    assert await dns.dmarc_above(sender, found) == DmarcAbove(absolute("_dmarc.example.com"), "reject")
    assert not [query for query in zone.queries_at() if query.name.is_subdomain(sender) and query.name != sender]


# The proof


async def test_until_every_authoritative_server_answers_no_resolver_hears_of_it(zone: SandboxDns, held: list[Record]) -> None:
    dns = asker(zone)
    found = await dns.delegation(DOMAIN)
    held.append(S1)
    zone.queries.clear()
    proof = await dns.prove(BOTH, found)
    assert not proof.at_authoritative and not proof.complete
    assert [finding.verdict for finding in first_hand(proof)] == [Verdict.VISIBLE] * 2 + [Verdict.ABSENT] * 2
    assert {finding.verdict for finding in second_hand(proof)} == {Verdict.NOT_ASKED} and len(second_hand(proof)) == 6
    assert zone.queries_at() == []
    assert not any(query.rd for query in zone.queries)
    assert [(query.name, query.rtype) for query in zone.queries_at(NS[1])].count((S2.owner, "CNAME")) == 1


async def test_visible_everywhere_is_complete_and_every_server_was_asked(zone: SandboxDns, held: list[Record]) -> None:
    held += BOTH
    dns = asker(zone)
    found = await dns.delegation(DOMAIN)
    zone.queries.clear()
    dns.queries.clear()
    proof = await dns.prove(BOTH, found)
    assert proof.complete and proof.next_look == 0
    asked = sorted((query.server, query.name, query.rtype, query.rd) for query in zone.queries)
    expected = [(server, want.owner, "CNAME", server in zone.recursors) for server in (*NS, *zone.recursors) for want in BOTH]
    expected.append(("a.root-servers.net", absolute("com"), "DS", False))
    assert asked == sorted(expected)
    assert dns.queries.total() == len(expected)


async def test_the_resolvers_can_be_left_out(zone: SandboxDns, held: list[Record]) -> None:
    held += BOTH
    proof = await asker(zone).prove(BOTH, await discover(zone, "example.com"), ask_resolvers=False)
    assert proof.complete and second_hand(proof) == [] and zone.queries_at() == []


async def test_a_lagging_secondary_holds_the_proof_back(zone: SandboxDns, clock: Clock, held: list[Record]) -> None:
    zone.lag(NS[1], 60)
    found, dns = await discover(zone, "example.com"), asker(zone)
    held.append(S1)
    proof = await dns.prove([S1], found)
    assert [finding.verdict for finding in first_hand(proof)] == [Verdict.VISIBLE, Verdict.ABSENT]
    assert "ns2.host.com" in proof.why and "other servers of the zone do" in proof.why and zone.queries_at() == []
    clock.at += 60
    assert (await dns.prove([S1], found)).complete


async def test_a_poisoned_resolver_sets_the_time_of_the_next_look(zone: SandboxDns, clock: Clock, held: list[Record]) -> None:
    assert zone.resolve(S1.owner, resolver="203.0.113.2") is None
    clock.at += 20
    held.append(S1)
    found, dns = await discover(zone, "example.com"), asker(zone)
    proof = await dns.prove([S1], found, waited=5)
    assert proof.at_authoritative and not proof.complete
    assert [(finding.verdict, finding.wait) for finding in second_hand(proof)] == [
        (Verdict.VISIBLE, None),
        (Verdict.ABSENT, 100),
        (Verdict.VISIBLE, None),
    ]
    assert proof.next_look == 101
    clock.at += proof.next_look
    assert (await dns.prove([S1], found)).complete


async def test_an_old_answer_in_a_cache_is_waited_for_too(zone: SandboxDns, clock: Clock, held: list[Record]) -> None:
    old = cname("s1._domainkey.example.com", "u1.wl.sendgrid.net.", 200)
    held.append(old)
    assert zone.resolve(S1.owner, resolver="203.0.113.1") == absolute("u1.wl.sendgrid.net")
    held[:] = [S1]
    clock.at += 50
    proof = await asker(zone).prove([S1], await discover(zone, "example.com"), former=[old])
    assert (second_hand(proof)[0].verdict, second_hand(proof)[0].wait) == (Verdict.OLD, 150)
    assert proof.next_look == 151


Situation = tuple[list[Record], Verdict, str]
MISSING: dict[str, Situation] = {
    "proxied": ([Record(S1.owner, "A", "192.0.2.7"), Record(S1.owner, "AAAA", "2001:db8::7")], Verdict.MASKED, "addresses"),
    "flattened to IPv6": ([Record(S1.owner, "AAAA", "2001:db8::7")], Verdict.MASKED, "addresses"),
    "something else there": ([Record(S1.owner, "TXT", '"x"')], Verdict.ABSENT, "has no CNAME"),
    "a wildcard address": ([Record(absolute("*", DOMAIN), "A", "192.0.2.7")], Verdict.WILDCARD, "wildcard"),
    "a wildcard alias": ([cname("*._domainkey.example.com", "parking.example.net.")], Verdict.WILDCARD, "wildcard"),
    "host doubled": ([cname("s1._domainkey.example.com.example.com", S1.rdata)], Verdict.DOUBLED_HOST, "without the zone's name"),
    "target doubled": ([cname("s1._domainkey.example.com", S1.rdata + "example.com.")], Verdict.WRONG_TARGET, "final dot"),
    "somebody else's": ([cname("s1._domainkey.example.com", "u1.wl.sendgrid.net.")], Verdict.WRONG_TARGET, "It must be"),
    "nothing": ([], Verdict.ABSENT, "has no CNAME"),
}


@pytest.mark.parametrize("situation", MISSING)
async def test_the_classic_ways_to_be_missing_are_told_apart(zone: SandboxDns, held: list[Record], situation: str) -> None:
    records, verdict, words = MISSING[situation]
    held += records
    proof = await asker(zone).prove([S1], await discover(zone, "example.com"))
    assert {finding.verdict for finding in first_hand(proof)} == {verdict}
    assert words in first_hand(proof)[0].sentence + first_hand(proof)[0].next_step
    assert zone.queries_at() == []


async def test_what_masks_a_record_is_looked_for_where_it_is(zone: SandboxDns, held: list[Record]) -> None:
    zone.lag(NS[0], 60)
    found = await discover(zone, "example.com")
    held.append(Record(S1.owner, "A", "192.0.2.7"))
    proof = await asker(zone).prove([S1], found)
    assert [finding.verdict for finding in first_hand(proof)] == [Verdict.ABSENT, Verdict.MASKED]


async def test_a_right_answer_from_a_wildcard_is_visible(zone: SandboxDns, held: list[Record]) -> None:
    held.append(cname("*._domainkey.example.com", S1.rdata))
    assert (await asker(zone).prove([S1], await discover(zone, "example.com"))).complete


async def test_only_the_first_hop_counts(zone: SandboxDns, held: list[Record]) -> None:
    held += [cname("s1._domainkey.example.com", "hop.example.com."), cname("hop.example.com", S1.rdata)]
    proof = await asker(zone).prove([S1], await discover(zone, "example.com"))
    assert {finding.verdict for finding in first_hand(proof)} == {Verdict.WRONG_TARGET}


async def test_names_are_compared_case_blind(zone: SandboxDns, held: list[Record]) -> None:
    held.append(cname("S1._DomainKey.example.com", S1.rdata.upper()))
    assert (await asker(zone).prove([S1], await discover(zone, "EXAMPLE.com"))).complete


async def test_where_the_selectors_are_delegated_the_servers_of_that_cut_are_asked(zone: SandboxDns, held: list[Record]) -> None:
    away: list[Record] = []
    zone.add_zone("_domainkey.example.com", ("ns.elsewhere.net",), lambda _apex: away)
    held.append(S1)
    found, dns = await discover(zone, "example.com"), asker(zone)
    proof = await dns.prove([S1], found)
    assert [finding.verdict for finding in first_hand(proof)] == [Verdict.ABSENT, Verdict.DELEGATED, Verdict.DELEGATED]
    assert "_domainkey.example.com" in proof.why and "delegated" in proof.why
    away.append(S1)
    assert (await dns.prove([S1], found)).complete


# Servers that do not play along

SILENT: list[FaultKind] = ["drop", "drop-udp", "garbage", "wrong-id", "wrong-question", "wrong-source", "servfail", "pointer-loop"]


@pytest.mark.parametrize("kind", SILENT)
async def test_a_server_whose_answer_cannot_be_believed_holds_back_for_a_grace(
    zone: SandboxDns, held: list[Record], kind: FaultKind
) -> None:
    held.append(S1)
    found, dns = await discover(zone, "example.com"), asker(zone, timeout=SHORT)
    zone.add_fault(DnsFault(kind, server=NS[1]))
    early = await dns.prove([S1], found)
    assert [finding.verdict for finding in first_hand(early)] == [Verdict.VISIBLE, Verdict.UNREACHABLE]
    assert not early.at_authoritative and zone.queries_at() == []
    late = await dns.prove([S1], found, waited=PATIENT)
    assert late.complete and "ns2.host.com" in late.warnings[0]


@pytest.mark.parametrize("kind", ["lame", "no-aa", "refuse"])
async def test_a_server_that_does_not_know_the_zone_is_set_aside(zone: SandboxDns, held: list[Record], kind: FaultKind) -> None:
    held.append(S1)
    found, dns = await discover(zone, "example.com"), asker(zone)
    zone.add_fault(DnsFault(kind, server=NS[1]))
    proof = await dns.prove([S1], found)
    assert [finding.verdict for finding in first_hand(proof)] == [Verdict.VISIBLE, Verdict.LAME]
    assert proof.complete and "ns2.host.com" in proof.warnings[0]


async def test_one_lost_datagram_is_asked_for_again(zone: SandboxDns, held: list[Record]) -> None:
    held.append(S1)
    found, dns = await discover(zone, "example.com"), asker(zone, timeout=SHORT, tries=2)
    zone.add_fault(DnsFault("drop", server=NS[1], times=1))
    assert (await dns.prove([S1], found)).complete


async def test_a_server_that_is_deaf_over_udp_is_heard_over_tcp(zone: SandboxDns, held: list[Record]) -> None:
    held.append(S1)
    found, dns = await discover(zone, "example.com"), asker(zone, timeout=SHORT, tries=2)
    zone.add_fault(DnsFault("drop-udp", server=NS[1]))
    assert (await dns.prove([S1], found)).complete
    assert {query.transport for query in zone.queries_at(NS[0])} == {"udp"}


@pytest.mark.parametrize("kind", ["truncate", "no-edns", "delay", "forged-first"])
async def test_truncation_old_servers_and_lateness_are_got_over(zone: SandboxDns, held: list[Record], kind: FaultKind) -> None:
    held.append(S1)
    zone.add_fault(DnsFault(kind, seconds=0.02))
    dns = asker(zone, tries=2)
    assert (await dns.prove([S1], await dns.delegation(DOMAIN))).complete
    ways = {(query.server, query.transport) for query in zone.queries if query.name == S1.owner}
    assert {way for _server, way in ways} == ({"udp", "tcp"} if kind == "truncate" else {"udp"})


@pytest.mark.parametrize(
    "address", ["127.0.0.53", "10.1.2.3", "169.254.169.254", "::1", "fd00::1", "::ffff:10.0.0.1", "2002:a00:1::1", "224.0.0.1"]
)
async def test_addresses_inside_somebodys_network_are_not_asked(zone: SandboxDns, held: list[Record], address: str) -> None:
    held.append(S1)
    zone.add_name_server("ns2.host.com", (address,), reachable=False)
    dns = asker(zone, ipv6=True)
    found = await dns.delegation(DOMAIN)
    proof = await dns.prove([S1], found)
    assert dns.queries[address] == 0 and proof.complete
    private = next(finding for finding in first_hand(proof) if "ns2" in finding.server)
    assert private.verdict is Verdict.UNREACHABLE and "not on the public internet" in private.sentence and private.next_step


async def test_private_servers_are_asked_when_that_is_configured(zone: SandboxDns, held: list[Record]) -> None:
    held.append(S1)
    zone.add_name_server("ns2.host.com", ("127.0.0.1",), reachable=False)
    port = int(zone.endpoints[zone.add_name_server("ns1.host.com")[0]].rpartition(":")[2])
    dns = asker(zone, private_servers=True, port=port)
    assert (await dns.prove([S1], await dns.delegation(DOMAIN))).complete
    assert dns.queries["127.0.0.1"] == 1


async def test_every_address_of_a_server_is_asked(zone: SandboxDns, held: list[Record]) -> None:
    held.append(S1)
    zone.add_name_server("ns1.host.com", ("192.0.2.77", "2001:db8::77"))
    dns = asker(zone)
    proof = await dns.prove([S1], await dns.delegation(DOMAIN))
    assert {finding.server for finding in first_hand(proof)} >= {"ns1.host.com (192.0.2.77)", "ns1.host.com (2001:db8::77)"}
    assert proof.complete


async def test_ipv6_addresses_are_passed_over_without_a_route(zone: SandboxDns, held: list[Record]) -> None:
    held.append(S1)
    v4 = zone.add_name_server("ns1.host.com")
    zone.add_name_server("ns1.host.com", (*v4, "2001:500::53"), reachable=False)
    zone.add_name_server("ns2.host.com", ("2001:500::54",), reachable=False)
    dns = asker(zone, ipv6=False)
    proof = await dns.prove([S1], await dns.delegation(DOMAIN))
    assert [finding.server for finding in first_hand(proof)] == [f"ns1.host.com ({v4[0]})", "ns2.host.com (2001:500::54)"]
    assert "cannot be reached from here" in first_hand(proof)[1].sentence
    assert not [address for address in dns.queries if address.startswith("2001:500:")]


async def test_a_server_without_address_is_named_and_set_aside(zone: SandboxDns, held: list[Record]) -> None:
    held.append(S1)
    zone.add_name_server("ns.gone.net", ())
    zone.add_zone(
        "half.com", ("ns1.host.com",), lambda _apex: [cname("s1.half.com", "t.wix.com.")], delegated_to=("ns1.host.com", "ns.gone.net")
    )
    proof = await asker(zone).prove([cname("s1.half.com", "t.wix.com.")], await discover(zone, "half.com"))
    assert proof.complete and proof.warnings == ("ns.gone.net (no address) has no address: its name resolves to nothing; it was set aside",)


async def test_when_nobody_can_be_reached_the_proof_is_blind_and_resolvers_are_left_alone(zone: SandboxDns, held: list[Record]) -> None:
    held += BOTH
    found = await discover(zone, "example.com")
    addresses = [address for server in found.servers for address in server.addresses]
    dns = asker(zone, endpoints={**zone.endpoints, **rooms(addresses)})
    proof = await dns.prove(BOTH, found, waited=PATIENT)
    assert proof.blind and not proof.at_authoritative and "port 53" in proof.why
    assert zone.queries_at() == []


async def test_a_port_that_is_closed_is_known_at_once_and_not_tried_again(zone: SandboxDns) -> None:
    found = await discover(zone, "example.com")
    addresses = [address for server in found.servers for address in server.addresses]
    dns = asker(zone, endpoints=rooms(addresses), timeout=60.0, tries=5)
    proof = await asyncio.wait_for(dns.prove([S1], found), 30)
    assert "cannot be reached" in first_hand(proof)[0].sentence
    assert dns.queries.total() == 2


async def test_nothing_wanted_asks_nobody(zone: SandboxDns) -> None:
    found, dns = await discover(zone, "example.com"), asker(zone)
    assert (await dns.prove([], found)).complete and not dns.queries


class Patient(asyncio.DatagramProtocol):
    """A server that keeps every question for a moment and counts how many it holds at once; what it answers is nothing of use."""

    holds = most = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.DatagramTransport)
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.holds += 1
        self.most = max(self.most, self.holds)
        asyncio.get_running_loop().call_later(0.02, self.answer, data, addr)

    def answer(self, data: bytes, addr: tuple[str | Any, int]) -> None:
        self.holds -= 1
        self.transport.sendto(data[:2] + b"\x80\x05" + data[4:], addr)


@pytest.mark.parametrize(("limits", "most"), [({}, 12), ({"per_server": 1}, 2), ({"per_server": 3}, 6), ({"in_flight": 1}, 1)])
async def test_questions_in_flight_are_bounded(limits: dict[str, Any], most: int) -> None:
    servers = tuple(NameServer(absolute(host), (f"192.0.2.{number}",)) for number, host in enumerate(NS))
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Patient, local_addr=("127.0.0.1", 0))
    place = "127.0.0.1:{1}".format(*transport.get_extra_info("sockname"))
    dns = Dns(DnsSettings(endpoints={address: place for each in servers for address in each.addresses}, tries=1, **limits))
    wanted = [cname(f"s{number}.example.com", "t.wix.com.") for number in range(6)]
    proof = await dns.prove(wanted, Delegation(DOMAIN, absolute("com"), servers))
    transport.close()
    assert {finding.verdict for finding in first_hand(proof)} == {Verdict.LAME} and dns.queries.total() == 12
    assert server.most == most


# Settings


@pytest.mark.parametrize(
    "wrong",
    [
        {"roots": ("",)},
        {"endpoints": {"ns1.example.com": "127.0.0.1:53"}},
        {"endpoints": {"192.0.2.1": "127.0.0.1"}},
        {"endpoints": {"192.0.2.1": "localhost:53"}},
        {"endpoints": {"192.0.2.1": "127.0.0.1:dns"}},
    ],
)
def test_what_is_no_address_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is not an IP address") as told:
        DnsSettings(**wrong)
    assert told.value.next_step


async def test_closing_forgets_the_way(zone: SandboxDns) -> None:
    dns = asker(zone)
    await dns.delegation(DOMAIN)
    zone.queries.clear()
    await dns.close()
    await dns.delegation(DOMAIN)
    assert "a.root-servers.net" in {query.server for query in zone.queries}


# Bad input


async def test_a_huge_answer_is_told_in_a_few_words_and_is_not_right_because_its_last_record_is(
    zone: SandboxDns, held: list[Record]
) -> None:
    held.append(S1)
    found = await discover(zone, "example.com")
    zone.add_fault(DnsFault("huge", server=NS[1]))
    proof = await asker(zone).prove([S1], found)
    crowded = first_hand(proof)[1]
    assert crowded.verdict is Verdict.WRONG_TARGET and "and 1998 more" in crowded.sentence and len(crowded.sentence) < 300
    assert {query.transport for query in zone.queries_at(NS[1])} == {"udp", "tcp"}


async def test_a_delegation_to_a_thousand_servers_makes_us_flood_nobody(zone: SandboxDns) -> None:
    zone.add_fault(DnsFault("many-servers", server="a.nic.com"))
    dns = asker(zone, private_servers=False)
    found = await dns.delegation(DOMAIN)
    assert len(found.servers) == 32
    assert dns.queries.total() < 40
