"""Which resolvers are asked, over what, and what they are believed: over UDP, TLS and HTTPS, and where port 53 is closed."""

import socket
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from ipaddress import ip_address
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import certificates
from wixsend.errors import ConfigError, DnsUnreachable, DomainNotFound
from wixsend.exchange import FALLBACK, DnsSettings, Exchange
from wixsend.lookup import Dns
from wixsend.names import absolute, text
from wixsend.records import Record
from wixsend.testing.dns import DnsFault, FaultKind, SandboxDns
from wixsend.verdict import Finding, Kind, Proof, Verdict

NS = ("ns1.host.com", "ns2.host.com")
DOMAIN = absolute("example.com")
S1 = Record(absolute("s1._domainkey", DOMAIN), "CNAME", "s1.x.ascendbywix.com.", 300)
PLAIN = "203.0.113.1"


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
def held() -> list[Record]:
    """What the host holds for example.com; tests change it."""
    return []


@pytest.fixture
def zone(clock: Clock, held: list[Record]) -> Iterator[SandboxDns]:
    with SandboxDns(now=clock) as running:
        running.add_zone("example.com", NS, lambda _apex: held, soa_minimum=120)
        yield running


@pytest.fixture
def secret(zone: SandboxDns) -> tuple[str, str]:
    """Where the second resolver is asked over TLS, and the third over HTTPS."""
    tls = zone.add_encrypted("203.0.113.2", certificates.server())[0]
    return tls, zone.add_encrypted("203.0.113.3", certificates.server())[1]


type Asker = Callable[..., Dns]
"""Makes a client, with other settings where they are given."""


@pytest.fixture
async def asker(zone: SandboxDns, clock: Clock) -> AsyncIterator[Asker]:
    made: list[Dns] = []

    def make(**changes: Any) -> Dns:
        settings = zone.settings(**({"timeout": 5.0, "tries": 1, "ca_file": certificates.authority()} | changes))
        made.append(Dns(settings, now=clock))
        return made[-1]

    yield make
    for each in made:
        await each.close()


@pytest.fixture
def blocked(zone: SandboxDns, asker: Asker) -> Asker:
    """The same on a network that lets no DNS out: no authoritative server and no plain resolver can be reached."""
    return partial(asker, endpoints=dict.fromkeys(zone.endpoints, closed()))


def closed() -> str:
    """An endpoint where nobody listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{taken.getsockname()[1]}"


def second_hand(proof: Proof) -> list[Finding]:
    return [finding for finding in proof.findings if finding.kind is Kind.RESOLVER]


# Asked last, each by its own way, and shown each by itself


async def test_the_proof_ends_with_the_resolvers_whatever_they_are_asked_over(
    zone: SandboxDns, held: list[Record], secret: tuple[str, str], asker: Asker
) -> None:
    held.append(S1)
    dns = asker(resolvers=(PLAIN, *secret))
    proof = await dns.prove([S1], await dns.delegation(DOMAIN))
    assert proof.complete and [finding.server for finding in second_hand(proof)] == [PLAIN, *secret]
    assert sorted(query.transport for query in zone.queries_at()) == ["https", "tls", "udp"]
    assert [dns.queries[where] for where in (PLAIN, *secret)] == [1, 1, 1]


async def test_they_are_not_asked_before_every_authoritative_server_answers(
    zone: SandboxDns, secret: tuple[str, str], asker: Asker
) -> None:
    dns = asker(resolvers=secret)
    proof = await dns.prove([S1], await dns.delegation(DOMAIN))
    assert {finding.verdict for finding in second_hand(proof)} == {Verdict.NOT_ASKED} and zone.queries_at() == []


async def test_answers_that_differ_are_shown_for_each_resolver_and_the_longest_memory_sets_the_next_look(
    zone: SandboxDns, clock: Clock, held: list[Record], secret: tuple[str, str], asker: Asker
) -> None:
    assert zone.resolve(S1.owner, resolver="203.0.113.2") is None
    clock.at += 20
    assert zone.resolve(S1.owner, resolver="203.0.113.3") is None
    clock.at += 20
    held.append(S1)
    dns = asker(resolvers=(PLAIN, *secret))
    proof = await dns.prove([S1], await dns.delegation(DOMAIN))
    assert [(finding.verdict, finding.wait) for finding in second_hand(proof)] == [
        (Verdict.VISIBLE, None),
        (Verdict.ABSENT, 80),
        (Verdict.ABSENT, 100),
    ]
    assert proof.next_look == 101 and secret[1] in proof.why


@pytest.mark.parametrize("kind", ["wrong-id", "wrong-question", "garbage", "servfail"])
async def test_an_encrypted_answer_to_another_question_is_not_believed(
    zone: SandboxDns, held: list[Record], secret: tuple[str, str], kind: FaultKind, asker: Asker
) -> None:
    held.append(S1)
    dns = asker(resolvers=secret)
    found = await dns.delegation(DOMAIN)
    zone.add_fault(DnsFault(kind, server="resolver"))
    proof = await dns.prove([S1], found)
    assert {finding.verdict for finding in second_hand(proof)} == {Verdict.UNREACHABLE} and not proof.complete


async def test_a_resolver_with_a_certificate_of_nobody_we_trust_is_not_believed(
    zone: SandboxDns, held: list[Record], secret: tuple[str, str], asker: Asker
) -> None:
    held.append(S1)
    dns = asker(resolvers=secret, ca_file=None)
    proof = await dns.prove([S1], await dns.delegation(DOMAIN))
    assert {finding.verdict for finding in second_hand(proof)} == {Verdict.UNREACHABLE} and zone.queries_at() == []


async def test_a_silent_encrypted_resolver_does_not_keep_anybody_longer_than_its_time_out(
    zone: SandboxDns, held: list[Record], secret: tuple[str, str], asker: Asker
) -> None:
    held.append(S1)
    dns = asker(resolvers=secret, timeout=0.3)
    found = await dns.delegation(DOMAIN)
    zone.add_fault(DnsFault("drop", server="resolver"))
    proof = await dns.prove([S1], found)
    assert {finding.sentence.removeprefix(finding.server) for finding in second_hand(proof)} == {" does not answer in time"}


def test_system_stands_for_the_resolvers_of_this_machine(tmp_path: Path) -> None:
    its = tmp_path / "resolv.conf"
    its.write_text("nameserver 192.0.2.53\nnameserver 203.0.113.9\nsearch example.com\n")
    assert Exchange(DnsSettings(resolvers=("203.0.113.9", "system"), resolv_conf=str(its))).resolvers == ("203.0.113.9", "192.0.2.53")


def test_a_machine_without_resolvers_of_its_own_is_told_so(tmp_path: Path) -> None:
    (tmp_path / "resolv.conf").write_text("# nothing\n")
    with pytest.raises(ConfigError, match="has no resolvers of its own") as told:
        _ = Exchange(DnsSettings(resolvers=("system",), resolv_conf=str(tmp_path / "resolv.conf"))).resolvers
    assert told.value.next_step


@pytest.mark.parametrize(
    "wrong",
    [
        {"resolvers": ("http://203.0.113.1/dns-query",)},
        {"resolvers": ("https://user:word@resolver.example/dns-query",)},
        {"resolvers": ("https:///dns-query",)},
        {"resolvers": ("tls://resolver.example:99999",)},
        {"resolvers": ("tls://resolver.example/dns-query",)},
        {"resolvers": ("dns.example.com",)},
        {"resolvers": ("System",)},
        {"fallback": ("203.0.113.1",)},
        {"fallback": ("system",)},
    ],
)
def test_what_is_no_resolver_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="is no resolver that can be asked") as told:
        DnsSettings(**wrong)
    assert "tls://HOST" in told.value.next_step and "word" not in told.value.next_step


def test_a_proxys_password_is_in_no_repr() -> None:
    assert "hush" not in repr(DnsSettings(proxy="http://user:hush@192.0.2.1:3128"))


def test_the_ways_past_a_closed_port_need_no_look_up() -> None:
    assert all(ip_address(urlsplit(where).hostname or "").is_global for where in FALLBACK)


# Port 53 closed


async def test_where_port_53_is_closed_the_zone_is_found_over_https_and_nothing_below_the_domain_is_asked(
    zone: SandboxDns, secret: tuple[str, str], blocked: Asker
) -> None:
    zone.add_zone("own.example.com", ("ns1.own.example.com", "ns2.host.com"))
    dns = blocked(fallback=secret[1:])
    found = await dns.delegation(absolute("own.example.com"))
    assert (found.apex, found.parent) == (absolute("own.example.com"), DOMAIN)
    assert found.by_resolver and "port 53 seems to be closed" in found.how and secret[1] in found.how
    assert {text(server.name): bool(server.addresses) for server in found.servers} == {"ns1.own.example.com": False, "ns2.host.com": True}
    assert {(query.name, query.rtype) for query in zone.queries if query.name.is_subdomain(found.apex)} == {(found.apex, "NS")}
    assert {query.transport for query in zone.queries} == {"https"}


async def test_the_proof_is_blind_then_says_so_and_asks_no_resolver(
    zone: SandboxDns, held: list[Record], secret: tuple[str, str], blocked: Asker
) -> None:
    held.append(S1)
    dns = blocked(resolvers=secret)
    found = await dns.delegation(DOMAIN)
    asked = len(zone.queries)
    proof = await dns.prove([S1], found)
    assert proof.blind and not proof.complete and "port 53" in proof.why and len(zone.queries) == asked


async def test_how_long_a_no_lasts_is_known_over_https_as_well(
    zone: SandboxDns, clock: Clock, secret: tuple[str, str], blocked: Asker
) -> None:
    """From a cache, in which the SOA's own TTL counts down."""
    dns = blocked(fallback=secret[1:])
    found = await dns.delegation(DOMAIN)
    for _again in range(2):
        soa = await dns.soa(found)
        assert soa is not None and soa.negative_ttl == 120
        clock.at += 3550


async def test_encrypted_resolvers_that_are_configured_are_asked_before_the_fallback(
    zone: SandboxDns, secret: tuple[str, str], blocked: Asker
) -> None:
    dns = blocked(resolvers=(PLAIN, secret[0]), fallback=secret[1:])
    await dns.delegation(DOMAIN)
    assert {query.server for query in zone.queries} == {"203.0.113.2"}


async def test_a_network_that_denies_everything_is_seen_through_over_https(zone: SandboxDns, secret: tuple[str, str], asker: Asker) -> None:
    """A captive network answers in the name of every server, the roots and the resolvers: no such domain."""
    zone.add_fault(DnsFault("deny", server=PLAIN))
    dns = asker(endpoints=dict.fromkeys(zone.endpoints, zone.endpoints[PLAIN]), fallback=secret[1:])
    found = await dns.delegation(DOMAIN)
    assert found.apex == DOMAIN and secret[1] in found.how


@pytest.mark.parametrize("kind", ["deny", "no-data"])
async def test_a_network_that_denies_everything_is_not_believed_where_only_it_answers(
    zone: SandboxDns, kind: FaultKind, blocked: Asker
) -> None:
    zone.add_fault(DnsFault(kind, server="resolver"))
    dns = blocked(endpoints={**dict.fromkeys(zone.endpoints, closed()), PLAIN: zone.endpoints[PLAIN]}, resolvers=(PLAIN,))
    with pytest.raises(DnsUnreachable, match=r"does not know of the top-level domain com.*not believed") as told:
        await dns.delegation(DOMAIN)
    assert told.value.next_step and told.value.transient


async def test_a_no_over_https_is_believed(zone: SandboxDns, secret: tuple[str, str], blocked: Asker) -> None:
    dns = blocked(fallback=secret[1:])
    with pytest.raises(DomainNotFound, match=r"nosuch\.com: the name servers of com say"):
        await dns.delegation(absolute("nosuch.com"))


async def test_that_port_53_is_closed_is_remembered_for_a_while(
    zone: SandboxDns, clock: Clock, secret: tuple[str, str], blocked: Asker
) -> None:
    zone.add_zone("second.com", NS)
    dns = blocked(fallback=secret[1:])
    root = zone.settings().roots[0]
    await dns.delegation(DOMAIN)
    tried = dns.queries[root]
    await dns.delegation(absolute("second.com"))
    assert tried and dns.queries[root] == tried
    clock.at += 301
    await dns.delegation(DOMAIN)
    assert dns.queries[root] > tried
