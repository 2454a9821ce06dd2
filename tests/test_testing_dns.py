"""The sandbox's DNS itself, asked over the wire: answers as the RFCs have them, caches that remember, faults that happen."""

from collections.abc import Callable, Iterator

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import pytest

from wixsend.names import Name, absolute, text
from wixsend.records import Record
from wixsend.testing.dns import DnsFault, FaultKind, SandboxDns

NS = ("ns1.host.com", "ns2.host.com")
RESOLVER, OTHER = "203.0.113.1", "203.0.113.2"


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.at = 1000.0

    def __call__(self) -> float:
        return self.at


def record(owner: str, rtype: str, rdata: str, ttl: int | None = None) -> Record:
    return Record(absolute(owner), rtype, rdata, ttl)


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


def ask(
    sandbox: SandboxDns, server: str, name: str, rtype: str, *, edns: bool = True, tcp: bool = False, timeout: float = 5.0
) -> dns.message.Message:
    """One raw question; `server` is a host name, or a resolver's address."""
    address = server if server in sandbox.recursors else sandbox.add_name_server(server)[0]
    host, _, port = sandbox.endpoints[address].partition(":")
    query = dns.message.make_query(name, rtype, use_edns=0 if edns else False)
    if server not in sandbox.recursors:
        query.flags = dns.flags.Flag(0)
    way: Callable[..., dns.message.Message] = dns.query.tcp if tcp else dns.query.udp
    return way(query, host, port=int(port), timeout=timeout)


def answers(message: dns.message.Message) -> list[str]:
    return [f"{text(rrset.name)}. {rrset.ttl} {dns.rdatatype.to_text(rrset.rdtype)} {rdata}" for rrset in message.answer for rdata in rrset]


def soa_ttl(message: dns.message.Message) -> int:
    return next(rrset.ttl for rrset in message.authority if rrset.rdtype == dns.rdatatype.SOA)


def is_authoritative(message: dns.message.Message) -> bool:
    return bool(message.flags & dns.flags.AA)


# Authoritative servers


def test_an_answer_is_authoritative_and_has_its_ttl(zone: SandboxDns, held: list[Record]) -> None:
    held.append(record("www.example.com", "A", "192.0.2.80", 77))
    got = ask(zone, NS[0], "WWW.example.com", "A")
    assert answers(got) == ["www.example.com. 77 A 192.0.2.80"] and is_authoritative(got)
    assert not got.flags & dns.flags.RA


def test_a_denial_carries_the_soa_with_the_lesser_of_ttl_and_minimum(sandbox: SandboxDns) -> None:
    sandbox.add_zone("low.com", NS, soa_ttl=3600, soa_minimum=120)
    sandbox.add_zone("high.com", NS, soa_ttl=60, soa_minimum=120)
    low, high = ask(sandbox, NS[0], "no.low.com", "CNAME"), ask(sandbox, NS[0], "no.high.com", "CNAME")
    assert (low.rcode(), soa_ttl(low)) == (dns.rcode.NXDOMAIN, 120)
    assert (high.rcode(), soa_ttl(high)) == (dns.rcode.NXDOMAIN, 60)


def test_an_empty_non_terminal_exists(zone: SandboxDns, held: list[Record]) -> None:
    held.append(record("s1._domainkey.example.com", "CNAME", "t.wix.com."))
    got = ask(zone, NS[0], "_domainkey.example.com", "TXT")
    assert got.rcode() == dns.rcode.NOERROR and not got.answer and soa_ttl(got) == 120


def test_a_wildcard_answers_only_below_its_closest_encloser(zone: SandboxDns, held: list[Record]) -> None:
    held += [record("*.example.com", "A", "192.0.2.7"), record("a.b.example.com", "A", "192.0.2.8")]
    assert answers(ask(zone, NS[0], "any.thing.example.com", "A")) == ["any.thing.example.com. 300 A 192.0.2.7"]
    assert ask(zone, NS[0], "any.thing.example.com", "CNAME").rcode() == dns.rcode.NOERROR
    assert ask(zone, NS[0], "c.b.example.com", "A").rcode() == dns.rcode.NXDOMAIN


def test_aliases_are_followed_inside_the_zone_and_not_beyond(zone: SandboxDns, held: list[Record]) -> None:
    held += [
        record("a.example.com", "CNAME", "b.example.com."),
        record("b.example.com", "CNAME", "c.example.org."),
        record("loop.example.com", "CNAME", "loop.example.com."),
    ]
    zone.add_zone("example.org", NS, lambda _apex: [record("c.example.org", "A", "192.0.2.1")])
    assert answers(ask(zone, NS[0], "a.example.com", "A")) == [
        "a.example.com. 300 CNAME b.example.com.",
        "b.example.com. 300 CNAME c.example.org.",
    ]
    assert answers(ask(zone, NS[0], "a.example.com", "CNAME")) == ["a.example.com. 300 CNAME b.example.com."]
    assert answers(ask(zone, NS[0], "loop.example.com", "A")) == ["loop.example.com. 300 CNAME loop.example.com."]


def test_a_dname_makes_aliases_below_itself(zone: SandboxDns, held: list[Record]) -> None:
    held.append(record("_domainkey.example.com", "DNAME", "keys.example.net.", 60))
    assert answers(ask(zone, NS[0], "s1._domainkey.example.com", "CNAME")) == [
        "_domainkey.example.com. 60 DNAME keys.example.net.",
        "s1._domainkey.example.com. 60 CNAME s1.keys.example.net.",
    ]


def test_a_parent_refers_with_glue_for_hosts_below_it_only(sandbox: SandboxDns) -> None:
    sandbox.add_zone("example.org", ("ns1.host.com", "ns1.host.org"))
    got = ask(sandbox, "a.nic.org", "example.org", "NS")
    assert not got.answer and not is_authoritative(got) and got.rcode() == dns.rcode.NOERROR
    assert [text(rrset.name) for rrset in got.authority] == ["example.org"]
    assert [text(rrset.name) for rrset in got.additional] == ["ns1.host.org"]


def test_the_host_of_a_name_server_has_a_zone_of_its_own(zone: SandboxDns) -> None:
    assert answers(ask(zone, NS[0], NS[1], "A")) == [f"ns2.host.com. 3600 A {zone.add_name_server(NS[1])[0]}"]
    got = ask(zone, "a.nic.com", NS[1], "A")
    assert [text(rrset.name) for rrset in got.authority] == ["host.com"]


def test_registries_of_two_levels_share_a_server(sandbox: SandboxDns) -> None:
    sandbox.add_zone("shop.co.uk", NS)
    got = ask(sandbox, "a.nic.uk", "co.uk", "NS")
    assert is_authoritative(got) and answers(got) == ["co.uk. 3600 NS a.nic.uk."]
    assert text(ask(sandbox, "a.nic.uk", "shop.co.uk", "NS").authority[0].name) == "shop.co.uk"


def test_a_zone_may_be_served_and_not_delegated_or_delegated_elsewhere(sandbox: SandboxDns) -> None:
    sandbox.add_zone("hidden.com", NS, delegated_to=())
    sandbox.add_zone("moved.com", NS, delegated_to=("ns.other.com",))
    assert ask(sandbox, NS[0], "hidden.com", "NS").answer
    assert ask(sandbox, "a.nic.com", "hidden.com", "NS").rcode() == dns.rcode.NXDOMAIN
    assert [str(r) for r in ask(sandbox, "a.nic.com", "moved.com", "NS").authority[0]] == ["ns.other.com."]
    assert ask(sandbox, "ns.other.com", "moved.com", "NS").rcode() == dns.rcode.REFUSED


def test_outside_its_zones_a_server_refuses(zone: SandboxDns) -> None:
    got = ask(zone, NS[0], "example.net", "A")
    assert got.rcode() == dns.rcode.REFUSED and not is_authoritative(got)


def test_too_much_for_a_datagram_is_truncated_and_whole_over_tcp(zone: SandboxDns, held: list[Record]) -> None:
    held += [record("big.example.com", "TXT", '"' + str(n) * 200 + '"') for n in range(9)]
    short = ask(zone, NS[0], "big.example.com", "TXT")
    assert short.flags & dns.flags.TC and len(short.to_wire()) <= 1232
    assert len(answers(ask(zone, NS[0], "big.example.com", "TXT", tcp=True))) == 9
    held[:] = held[:3]
    assert ask(zone, NS[0], "big.example.com", "TXT", edns=False).flags & dns.flags.TC
    assert len(answers(ask(zone, NS[0], "big.example.com", "TXT"))) == 3


def test_a_zone_without_soa_has_none(sandbox: SandboxDns) -> None:
    sandbox.add_zone("bare.com", NS, soa_minimum=None)
    got = ask(sandbox, NS[0], "no.bare.com", "A")
    assert got.rcode() == dns.rcode.NXDOMAIN and not got.authority


@pytest.mark.parametrize("all_at_once", [False, True])
def test_what_the_host_holds_is_published_after_the_delay_and_the_serial_rises(
    sandbox: SandboxDns, clock: Clock, held: list[Record], all_at_once: bool
) -> None:
    sandbox.add_zone("slow.com", NS, lambda _apex: held, delay=0 if all_at_once else 30)
    if all_at_once:
        sandbox.fall_behind(30)
    sandbox.lag(NS[1], 60)
    name = "s1.slow.com"

    def shown(server: str) -> tuple[bool, int]:
        serial = next(iter(ask(sandbox, server, "slow.com", "SOA").answer[0])).serial
        return bool(ask(sandbox, server, name, "CNAME").answer), serial

    assert shown(NS[0]) == (False, 1)
    held.append(record(name, "CNAME", "t.wix.com."))
    assert shown(NS[0]) == (False, 1)
    clock.at += 30
    assert (shown(NS[0]), shown(NS[1])) == ((True, 2), (False, 1))
    clock.at += 60
    assert shown(NS[1]) == (True, 2)


# Resolvers


def test_a_resolver_remembers_a_denial_until_the_negative_ttl_is_over(zone: SandboxDns, clock: Clock, held: list[Record]) -> None:
    name = "s1._domainkey.example.com"
    first = ask(zone, RESOLVER, name, "CNAME")
    assert first.rcode() == dns.rcode.NXDOMAIN and soa_ttl(first) == 120 and first.flags & dns.flags.RA and not is_authoritative(first)
    held.append(record(name, "CNAME", "t.wix.com.", 50))
    clock.at += 119
    still = ask(zone, RESOLVER, name, "CNAME")
    assert still.rcode() == dns.rcode.NXDOMAIN and soa_ttl(still) == 1
    assert answers(ask(zone, OTHER, name, "CNAME")) == [f"{name}. 50 CNAME t.wix.com."]
    clock.at += 1
    assert answers(ask(zone, RESOLVER, name, "CNAME")) == [f"{name}. 50 CNAME t.wix.com."]


def test_a_denial_denies_every_type_and_everything_below(zone: SandboxDns, held: list[Record]) -> None:
    ask(zone, RESOLVER, "_domainkey.example.com", "TXT")
    held.append(record("s1._domainkey.example.com", "CNAME", "t.wix.com."))
    assert ask(zone, RESOLVER, "s1._domainkey.example.com", "CNAME").rcode() == dns.rcode.NXDOMAIN
    assert zone.resolve("s1._domainkey.example.com", resolver=RESOLVER) is None
    assert zone.resolve("s1._domainkey.example.com", resolver=OTHER) == absolute("t.wix.com")


def test_no_data_denies_its_type_only(zone: SandboxDns, clock: Clock, held: list[Record]) -> None:
    held.append(record("s1.example.com", "TXT", '"x"', 500))
    assert ask(zone, RESOLVER, "s1.example.com", "A").rcode() == dns.rcode.NOERROR
    held.append(record("s1.example.com", "A", "192.0.2.1"))
    clock.at += 100
    again = ask(zone, RESOLVER, "s1.example.com", "A")
    assert not again.answer and soa_ttl(again) == 20
    assert ask(zone, RESOLVER, "s1.example.com", "TXT").answer


def test_a_resolver_keeps_an_old_answer_until_its_ttl_is_over(zone: SandboxDns, clock: Clock, held: list[Record]) -> None:
    held.append(record("s1.example.com", "CNAME", "old.example.net.", 40))
    ask(zone, RESOLVER, "s1.example.com", "CNAME")
    held[:] = [record("s1.example.com", "CNAME", "new.example.net.", 40)]
    clock.at += 39
    assert answers(ask(zone, RESOLVER, "s1.example.com", "CNAME")) == ["s1.example.com. 1 CNAME old.example.net."]
    clock.at += 1
    assert answers(ask(zone, RESOLVER, "s1.example.com", "CNAME")) == ["s1.example.com. 40 CNAME new.example.net."]


def test_a_resolver_follows_aliases_across_zones_and_answers_them_from_its_cache(zone: SandboxDns, held: list[Record]) -> None:
    held.append(record("a.example.com", "CNAME", "b.other.org."))
    zone.add_zone("other.org", ("ns.other.org",), lambda _apex: [record("b.other.org", "A", "192.0.2.9")])
    expected = ["a.example.com. 300 CNAME b.other.org.", "b.other.org. 300 A 192.0.2.9"]
    assert answers(ask(zone, RESOLVER, "a.example.com", "A")) == expected
    assert answers(ask(zone, RESOLVER, "a.example.com", "A")) == expected
    assert (zone.recursors[RESOLVER].misses, zone.recursors[RESOLVER].hits) == (1, 1)


def test_a_resolver_asks_another_server_when_one_is_down(zone: SandboxDns, held: list[Record]) -> None:
    held.append(record("s1.example.com", "CNAME", "t.wix.com."))
    zone.add_fault(DnsFault("drop", server=NS[0]))
    assert ask(zone, RESOLVER, "s1.example.com", "CNAME").answer
    zone.add_fault(DnsFault("servfail", server=NS[1]))
    assert ask(zone, RESOLVER, "s2.example.com", "CNAME").rcode() == dns.rcode.SERVFAIL


def test_a_resolver_that_was_flushed_looks_anew(zone: SandboxDns, held: list[Record]) -> None:
    ask(zone, RESOLVER, "s1.example.com", "CNAME")
    held.append(record("s1.example.com", "CNAME", "t.wix.com."))
    zone.recursors[RESOLVER].flush()
    assert ask(zone, RESOLVER, "s1.example.com", "CNAME").answer


def test_resolving_for_the_fake_wix_needs_no_network_and_stops_at_the_first_hop(zone: SandboxDns, held: list[Record]) -> None:
    held += [record("s1.example.com", "CNAME", "T.wix.com."), record("a.example.com", "A", "192.0.2.1")]
    assert zone.resolve("S1.example.com") == absolute("t.wix.com")
    assert zone.resolve("a.example.com") is None
    assert zone.resolve("no.such.zone.example") is None
    assert zone.queries == []


# What was asked, and what goes wrong


def test_every_question_is_logged(zone: SandboxDns) -> None:
    ask(zone, NS[0], "a.Example.com", "CNAME", tcp=True)
    ask(zone, RESOLVER, "b.example.com", "A")
    one, two = zone.queries
    assert (one.server, one.name, one.rtype, one.rd, one.transport) == (NS[0], absolute("a.example.com"), "CNAME", False, "tcp")
    assert (two.server, two.name, two.rtype, two.rd, two.transport) == (RESOLVER, absolute("b.example.com"), "A", True, "udp")
    assert zone.queries_at() == [two] and zone.queries_at(NS[0]) == [one]


@pytest.mark.parametrize("kind", ["drop", "garbage", "wrong-id", "wrong-source"])
def test_a_careful_client_gets_nothing(zone: SandboxDns, kind: FaultKind) -> None:
    zone.add_fault(DnsFault(kind, server=NS[0]))
    with pytest.raises(dns.exception.DNSException):
        ask(zone, NS[0], "example.com", "SOA", timeout=0.2)
    assert ask(zone, NS[1], "example.com", "SOA").answer


def test_a_forged_answer_may_come_before_the_right_one(zone: SandboxDns) -> None:
    zone.add_fault(DnsFault("forged-first", server=NS[0]))
    with pytest.raises(dns.query.BadResponse):
        ask(zone, NS[0], "example.com", "SOA")
    address, port = zone.endpoints[zone.add_name_server(NS[0])[0]].split(":")
    query = dns.message.make_query("example.com", "SOA")
    assert dns.query.udp(query, address, port=int(port), timeout=5, ignore_errors=True).answer


def test_faults_hit_what_they_name_as_often_as_they_say(zone: SandboxDns) -> None:
    zone.add_fault(DnsFault("servfail", name=absolute("example.com"), rtype="SOA", times=1))
    assert ask(zone, NS[0], "example.com", "NS").rcode() == dns.rcode.NOERROR
    assert ask(zone, NS[0], "example.com", "SOA").rcode() == dns.rcode.SERVFAIL
    assert ask(zone, NS[0], "example.com", "SOA").rcode() == dns.rcode.NOERROR
    zone.add_fault(DnsFault("refuse"))
    assert ask(zone, RESOLVER, "example.com", "SOA").rcode() == dns.rcode.REFUSED


def test_a_lame_server_answers_without_authority(zone: SandboxDns) -> None:
    zone.add_fault(DnsFault("lame", server=NS[0]))
    got = ask(zone, NS[0], "example.com", "SOA")
    assert not got.answer and not is_authoritative(got) and got.rcode() == dns.rcode.NOERROR


def test_udp_alone_can_fail(zone: SandboxDns) -> None:
    zone.faults += [DnsFault("drop-udp", server=NS[0]), DnsFault("truncate", server=NS[1]), DnsFault("no-edns", server="a.nic.com")]
    with pytest.raises(dns.exception.Timeout):
        ask(zone, NS[0], "example.com", "SOA", timeout=0.2)
    assert ask(zone, NS[0], "example.com", "SOA", tcp=True).answer
    short = ask(zone, NS[1], "example.com", "SOA")
    assert short.flags & dns.flags.TC and not short.answer
    assert ask(zone, NS[1], "example.com", "SOA", tcp=True).answer
    assert ask(zone, "a.nic.com", "com", "SOA").rcode() == dns.rcode.FORMERR
    assert ask(zone, "a.nic.com", "com", "SOA", edns=False).answer


def test_an_answer_can_be_late(zone: SandboxDns) -> None:
    zone.add_fault(DnsFault("delay", server=NS[0], seconds=0.05, times=2))
    assert ask(zone, NS[0], "example.com", "SOA").answer
    assert ask(zone, NS[0], "example.com", "SOA", tcp=True).answer


def test_a_host_that_fails_is_told_at_the_end() -> None:
    def broken(_apex: str) -> list[Record]:
        if fails:
            raise RuntimeError("no disk")
        return []

    fails: list[Name] = []
    with pytest.raises(ExceptionGroup) as told, SandboxDns() as sandbox:
        sandbox.add_zone("example.com", NS, broken)
        fails.append(absolute("example.com"))
        assert ask(sandbox, NS[0], "example.com", "SOA").rcode() == dns.rcode.SERVFAIL
    assert told.group_contains(RuntimeError, match="no disk")
