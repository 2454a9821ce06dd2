"""What a look asks beyond the records themselves, at the wire: versions, wrong zones, signatures, and what lies behind a target."""

from collections.abc import AsyncIterator, Callable, Iterator
from itertools import pairwise
from typing import Any

import pytest

from wixsend.lookup import Dns
from wixsend.names import absolute, text
from wixsend.records import Record
from wixsend.testing.dns import DnsFault, FaultKind, SandboxDns
from wixsend.testing.signing import Fault, Signer
from wixsend.verdict import Finding, Kind, Proof, Verdict

NS = ("ns1.host.com", "ns2.host.com")
DOMAIN = absolute("example.com")
S1 = Record(absolute("s1._domainkey", DOMAIN), "CNAME", "s1.x.ascendbywix.com.", 300)


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
def targets() -> list[Record]:
    """What ascendbywix.com holds."""
    return [Record(absolute("s1.x.ascendbywix.com"), "TXT", '"v=DKIM1"')]


@pytest.fixture
def signer() -> Signer:
    return Signer(DOMAIN)


@pytest.fixture
def world(clock: Clock, targets: list[Record]) -> Iterator[SandboxDns]:
    with SandboxDns(resolvers=2, now=clock) as running:
        running.add_zone("ascendbywix.com", ("ns1.wix-targets.com",), lambda _apex: targets)
        yield running


@pytest.fixture
def zone(world: SandboxDns, held: list[Record]) -> SandboxDns:
    world.add_zone("example.com", NS, lambda _apex: held, soa_minimum=120)
    return world


@pytest.fixture
def signed(world: SandboxDns, held: list[Record], signer: Signer) -> SandboxDns:
    """The same zone, signed, as are com and the root."""
    world.add_zone("example.com", NS, lambda _apex: held, soa_minimum=120, signer=signer)
    return world


type Look = Callable[..., Any]
"""One look at these records of example.com."""


@pytest.fixture
async def look(world: SandboxDns, clock: Clock) -> AsyncIterator[Look]:
    dns = Dns(world.settings(timeout=5.0, tries=1), now=clock)

    async def prove(*records: Record, **options: Any) -> Proof:
        return await dns.prove(records or (S1,), await dns.delegation(DOMAIN), **options)

    yield prove
    await dns.close()


def first_hand(proof: Proof) -> list[Finding]:
    return [finding for finding in proof.findings if finding.kind is Kind.AUTHORITATIVE]


def cname(owner: str, target: str) -> Record:
    return Record(absolute(owner), "CNAME", target, 300)


# Versions of the zone


async def test_a_server_that_is_behind_is_named_by_the_version_that_it_serves(
    zone: SandboxDns, clock: Clock, held: list[Record], look: Look
) -> None:
    await look()
    zone.lag(NS[1], 60)
    held.append(S1)
    proof = await look()
    there, late = first_hand(proof)
    assert (there.verdict, there.serial, late.verdict, late.serial) == (Verdict.VISIBLE, 2, Verdict.ABSENT, 1)
    assert late.sentence.endswith("other servers of the zone do: it serves version 1 of the zone, they version 2")
    assert [query.server for query in zone.queries if query.rtype == "SOA"] == [NS[0]], "what is behind has said it with its denial"
    clock.at += 60
    assert (await look()).complete


async def test_servers_that_disagree_in_the_same_version_are_called_so(zone: SandboxDns, held: list[Record], look: Look) -> None:
    held.append(S1)
    zone.add_fault(DnsFault("no-data", server=NS[1], name=S1.owner))
    proof = await look()
    assert first_hand(proof)[1].sentence.endswith("though it serves version 1 of the zone as they do")
    assert "disagree" in first_hand(proof)[1].next_step


async def test_the_former_record_on_a_server_that_is_behind_is_named_by_version_too(
    zone: SandboxDns, held: list[Record], look: Look
) -> None:
    old = cname("s1._domainkey.example.com", "u1.wl.sendgrid.net.")
    held.append(old)
    await look()
    zone.lag(NS[1], 60)
    held[:] = [S1]
    late = first_hand(await look(former=[old]))[1]
    assert (late.verdict, late.serial) == (Verdict.OLD, 1) and "version 1 of the zone, they version 2" in late.sentence


async def test_where_all_servers_agree_nobody_is_asked_for_the_version(zone: SandboxDns, held: list[Record], look: Look) -> None:
    await look()
    held.append(S1)
    await look()
    assert "SOA" not in {query.rtype for query in zone.queries}


# Looks that are repeated

FIVE = tuple(
    cname(f"{name}.example.com", f"{name}.x.ascendbywix.com.") for name in ("s1._domainkey", "s2._domainkey", "sel1", "sg", "_dmarc")
)


def asked(zone: SandboxDns, *servers: str) -> list[tuple[str, str]]:
    """What these servers were asked, as name and type, since the last time."""
    found = [(text(query.name), query.rtype) for query in zone.queries if query.server in servers]
    zone.queries.clear()
    return found


def every(*records: Record) -> list[tuple[str, str]]:
    return [(text(record.owner), record.rtype) for record in records]


async def test_while_one_server_lags_the_others_are_left_alone_and_the_last_look_is_whole(
    zone: SandboxDns, clock: Clock, held: list[Record], look: Look
) -> None:
    await look(*FIVE)
    zone.lag(NS[1], 270)
    held.extend(FIVE)
    zone.queries.clear()
    await look(*FIVE)
    assert sorted(asked(zone, NS[0])) == sorted([*every(*FIVE), ("example.com", "SOA")])
    for _look in range(8):
        clock.at += 30
        proof = await look(*FIVE)
        assert sorted({text(query.name) for query in zone.queries if query.server == NS[1]}) == sorted(text(want.owner) for want in FIVE)
        assert [finding.verdict for finding in first_hand(proof)[:2]] == [Verdict.VISIBLE, Verdict.ABSENT]
        assert sorted(asked(zone, *NS)) == sorted(every(*FIVE))
        assert "version 1 of the zone, they version 2" in first_hand(proof)[1].sentence
    clock.at += 60
    assert (await look(*FIVE)).complete
    for server in NS:
        assert sorted(every(*FIVE)) == sorted((text(q.name), q.rtype) for q in zone.queries if q.server == server)


async def test_only_the_record_that_is_missing_is_asked_for_again(zone: SandboxDns, held: list[Record], look: Look) -> None:
    held.extend(FIVE[:4])
    await look(*FIVE)
    zone.queries.clear()
    proof = await look(*FIVE)
    assert [finding.verdict for finding in first_hand(proof)] == [Verdict.VISIBLE] * 8 + [Verdict.ABSENT] * 2
    missing, doubled = ("_dmarc.example.com", "CNAME"), ("_dmarc.example.com.example.com", "CNAME")
    assert sorted(asked(zone, *NS)) == sorted([missing, missing, doubled])


async def test_what_was_shown_before_and_is_gone_is_seen_before_any_resolver_is_asked(
    zone: SandboxDns, held: list[Record], look: Look
) -> None:
    held.extend(FIVE[:4])
    await look(*FIVE)
    held[:] = FIVE[1:]
    proof = await look(*FIVE)
    assert not proof.at_authoritative and "s1._domainkey.example.com" in proof.why
    assert zone.queries_at() == []
    held.append(FIVE[0])
    assert (await look(*FIVE)).complete


async def test_what_was_shown_is_asked_again_after_an_hour(zone: SandboxDns, clock: Clock, held: list[Record], look: Look) -> None:
    held.extend(FIVE[:4])
    for seconds in (0, 1800, 1799):
        clock.at += seconds
        await look(*FIVE)
    held[:] = FIVE[:3]
    assert first_hand(await look(*FIVE))[6].verdict is Verdict.VISIBLE
    clock.at += 2
    assert first_hand(await look(*FIVE))[6].verdict is Verdict.ABSENT


# Written where nobody asks


async def test_a_record_at_a_host_that_the_zone_is_not_delegated_to_is_found_there(zone: SandboxDns, look: Look) -> None:
    here = ("ns1.other.net", "ns2.other.net")
    zone.add_undelegated("example.com", here, lambda _apex: [S1])
    proof = await look(beside=[absolute(host) for host in (*NS, *here)])
    assert {finding.verdict for finding in first_hand(proof)} == {Verdict.WRONG_ZONE}
    assert "it is at ns1.other.net (" in proof.why and "which example.com is not delegated to" in proof.why
    assert "where the zone is delegated to" in first_hand(proof)[0].next_step
    assert zone.queries_at() == []


async def test_servers_of_another_host_that_have_nothing_change_nothing(zone: SandboxDns, held: list[Record], look: Look) -> None:
    zone.add_zone("other.net", ("ns1.other.net",))
    beside = [absolute("ns1.other.net"), absolute("ns.nowhere.net")]
    assert {finding.verdict for finding in first_hand(await look(beside=beside))} == {Verdict.ABSENT}
    held.append(S1)
    zone.queries.clear()
    assert (await look(beside=beside)).complete and not zone.queries_at("ns1.other.net")


# Signatures

BROKEN: dict[Fault, str] = {
    "expired": "the signature expired on 20",
    "early": "the signature begins on 20",
    "forged": "the signature does not hold",
    "unsigned": "there is no signature over them by example.com",
    "wrong-signer": "there is no signature over them by example.com",
    "unsigned-keys": "the zone's keys: there is no signature over them by example.com",
    "wrong-ds": "no key of the zone is the one that the parent's DS record names (",
    "no-keys": "it shows no DNSKEY, and the parent's DS record says that the zone is signed",
}


async def test_a_zone_that_is_signed_well_is_as_good_as_any(signed: SandboxDns, held: list[Record], look: Look) -> None:
    held.append(S1)
    proof = await look()
    assert proof.complete and {finding.verdict for finding in proof.findings} == {Verdict.VISIBLE}


@pytest.mark.parametrize("fault", BROKEN)
async def test_a_signature_that_does_not_hold_is_not_visible_and_no_resolver_is_asked(
    world: SandboxDns, held: list[Record], look: Look, fault: Fault
) -> None:
    world.add_zone("example.com", NS, lambda _apex: held, signer=Signer(DOMAIN, fault))
    held.append(S1)
    proof = await look()
    assert [finding.verdict for finding in first_hand(proof)] == [Verdict.BOGUS] * 2 and not proof.at_authoritative
    assert BROKEN[fault] in proof.why and "a resolver that validates does not believe it" in proof.why
    assert "DS record" in first_hand(proof)[0].next_step and world.queries_at() == []


async def test_once_it_is_signed_anew_it_is_visible(signed: SandboxDns, held: list[Record], signer: Signer, look: Look) -> None:
    held.append(S1)
    signer.fault = "expired"
    assert not (await look()).complete
    signer.fault = ""
    assert (await look()).complete


async def test_one_server_with_stale_signatures_is_enough_to_wait(signed: SandboxDns, held: list[Record], look: Look) -> None:
    held.append(S1)
    signed.add_fault(DnsFault("unsigned", server=NS[1], rtype="CNAME"))
    proof = await look()
    assert [finding.verdict for finding in first_hand(proof)] == [Verdict.VISIBLE, Verdict.BOGUS]


async def test_below_a_parent_that_is_not_signed_itself_signatures_mean_nothing(
    world: SandboxDns, held: list[Record], look: Look, clock: Clock
) -> None:
    """An island: no resolver has a way to trust its DS record, so it is as good as unsigned (RFC 4035, section 4.3)."""
    world.add_zone("example.com", NS, lambda _apex: held, signer=Signer(DOMAIN, "expired"))
    world.add_fault(DnsFault("no-data", server="a.root-servers.net", rtype="DS"))
    held.append(S1)
    assert (await look()).complete


@pytest.mark.parametrize("kind", ["servfail", "refuse", "drop"])
async def test_what_cannot_be_asked_is_not_held_against_a_record(
    signed: SandboxDns, held: list[Record], clock: Clock, kind: FaultKind
) -> None:
    held.append(S1)
    signed.add_fault(DnsFault(kind, rtype="DNSKEY"))
    dns = Dns(signed.settings(timeout=0.3, tries=1), now=clock)
    found = await dns.delegation(DOMAIN)
    assert {finding.verdict for finding in first_hand(await dns.prove([S1], found))} <= {Verdict.VISIBLE, Verdict.UNREACHABLE}
    await dns.close()


async def test_a_delegated_zone_of_selectors_is_judged_by_its_own_keys(
    signed: SandboxDns, held: list[Record], look: Look, clock: Clock
) -> None:
    selectors = absolute("_domainkey", DOMAIN)
    own = Signer(selectors)
    signed.add_zone(text(selectors), ("ns.elsewhere.net",), lambda _apex: [S1], signer=own)
    assert (await look()).complete
    own.fault = "forged"
    proof = await look()
    assert [finding.verdict for finding in first_hand(proof)] == [Verdict.BOGUS, Verdict.DELEGATED, Verdict.DELEGATED]


async def test_whether_the_zone_is_signed_is_remembered_for_a_while(zone: SandboxDns, clock: Clock, held: list[Record], look: Look) -> None:
    held.append(S1)
    await look()
    zone.queries.clear()
    await look()
    assert "DS" not in {query.rtype for query in zone.queries}
    clock.at += 301
    await look()
    assert "DS" in {query.rtype for query in zone.queries}


# Resolvers that validate


async def test_a_resolver_that_fails_until_it_checks_no_signatures_does_not_believe_them(
    zone: SandboxDns, held: list[Record], look: Look
) -> None:
    held.append(S1)
    zone.add_fault(DnsFault("disbelieve", server="resolver"))
    for waited in (0.0, 10_000.0):
        proof = await look(waited=waited)
        assert proof.at_authoritative and not proof.complete
        assert [finding.verdict for finding in proof.findings[2:]] == [Verdict.BOGUS] * 2
    assert "signatures" in proof.why and "(NSEC)" in proof.findings[2].next_step


async def test_one_that_alone_does_not_believe_what_others_show_is_set_aside_after_the_grace(
    zone: SandboxDns, held: list[Record], look: Look
) -> None:
    held.append(S1)
    zone.add_fault(DnsFault("disbelieve", server=next(iter(zone.recursors))))
    assert not (await look()).complete
    proof = await look(waited=60.0)
    assert proof.complete and "it was set aside" in proof.warnings[0]


async def test_one_that_fails_either_way_is_no_judge_of_signatures(zone: SandboxDns, held: list[Record], look: Look) -> None:
    held.append(S1)
    zone.add_fault(DnsFault("servfail", server="resolver"))
    assert {finding.verdict for finding in (await look()).findings[2:]} == {Verdict.UNREACHABLE}
    assert (await look(waited=60.0)).complete


# What lies behind the target

TARGET = "s1.x.ascendbywix.com"
CHAINS: dict[str, tuple[list[Record], str]] = {
    "nothing there": ([], "points to s1.x.ascendbywix.com, which does not exist"),
    "one more hop, and nothing there": (
        [cname(TARGET, "gone.ascendbywix.com.")],
        "points to s1.x.ascendbywix.com, which leads to gone.ascendbywix.com, which does not exist",
    ),
    "into another zone, and nothing there": ([cname(TARGET, "x.host.com.")], "leads to x.host.com, which does not exist"),
    "round in a circle": ([cname(TARGET, "b.ascendbywix.com."), cname("b.ascendbywix.com", TARGET + ".")], "lead round in a circle"),
    "back to where it began": ([cname(TARGET, "S1._domainkey.example.com.")], "lead round in a circle"),
    "too far": (
        [cname(TARGET, "h1.ascendbywix.com."), *(cname(f"h{n}.ascendbywix.com", f"h{n + 1}.ascendbywix.com.") for n in range(1, 12))],
        "more than 8 CNAMEs follow",
    ),
}


@pytest.mark.parametrize("situation", CHAINS)
async def test_a_target_that_leads_nowhere_is_warned_of_and_holds_nothing_back(
    zone: SandboxDns, held: list[Record], targets: list[Record], look: Look, situation: str
) -> None:
    targets[:], warning = CHAINS[situation]
    held.append(S1)
    proof = await look(follow=True)
    assert proof.complete and len(proof.warnings) == 1 and warning in proof.warnings[0]
    assert (await look()).warnings == (), "only when it is asked for"


@pytest.mark.parametrize("hops", [0, 1, 7])
async def test_a_target_that_exists_is_no_news(zone: SandboxDns, held: list[Record], targets: list[Record], look: Look, hops: int) -> None:
    chain = [TARGET, *(f"h{n}.ascendbywix.com" for n in range(hops))]
    targets[:] = [
        *(cname(one, other + ".") for one, other in pairwise(chain)),
        Record(absolute(chain[-1]), "TXT", '"x"'),
    ]
    held.append(S1)
    proof = await look(follow=True)
    assert proof.complete and proof.warnings == ()
    assert {query.name for query in zone.queries_at()} == {S1.owner}, "no resolver is asked for what lies behind"


async def test_a_target_whose_servers_are_silent_is_warned_of(zone: SandboxDns, held: list[Record], look: Look) -> None:
    held.append(S1)
    zone.add_fault(DnsFault("refuse", server="ns1.wix-targets.com"))
    proof = await look(follow=True)
    assert proof.complete and proof.warnings[0].endswith("s1.x.ascendbywix.com, whose name servers do not answer")


async def test_before_the_records_are_there_nothing_is_followed(zone: SandboxDns, look: Look) -> None:
    assert (await look(follow=True)).warnings == () and not zone.queries_at("ns1.wix-targets.com")
