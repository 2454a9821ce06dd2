"""The judgement on a look at DNS: what each answer means, what holds the proof back, when to look again."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixsend.names import Name, absolute, text
from wixsend.records import Record
from wixsend.verdict import (
    FIRST_LOOK,
    GRACE,
    LONGEST_LOOK,
    LONGEST_WAIT,
    Chain,
    ChainEnd,
    Finding,
    Kind,
    Outcome,
    Question,
    Seen,
    Verdict,
    behind,
    differ,
    doubled,
    judge,
    probes,
)

APEX = absolute("example.com")
S1 = Record(absolute("s1._domainkey", APEX), "CNAME", "s1.x.ascendbywix.com.")
S2 = Record(absolute("s2._domainkey", APEX), "CNAME", "s2.x.ascendbywix.com.")
ELSEWHERE = Record(S1.owner, "CNAME", "u1.wl.sendgrid.net.")
RESOLVERS = ("203.0.113.1", "203.0.113.2")
SILENT = (Outcome.TIMEOUT, Outcome.SERVFAIL, Outcome.UNREACHABLE, Outcome.NONSENSE)
USELESS = (Outcome.LAME, Outcome.REFUSED, Outcome.PRIVATE, Outcome.NO_ADDRESS)


def at(server: str, want: Record, outcome: Outcome = Outcome.ANSWER, *records: Record, **other: object) -> Seen:
    """What an authoritative server said about a wanted record."""
    found = records or ((want,) if outcome is Outcome.ANSWER else ())
    seen = Seen(server, f"192.0.2.{server[2]}", Kind.AUTHORITATIVE, want.owner, want.rtype, outcome, found)
    return replace(seen, **other)  # type: ignore[arg-type]


def by(resolver: str, want: Record, outcome: Outcome = Outcome.ANSWER, *records: Record, ttl: int | None = None) -> Seen:
    """What a resolver said."""
    found = records or ((want,) if outcome is Outcome.ANSWER else ())
    return Seen(resolver, resolver, Kind.RESOLVER, want.owner, want.rtype, outcome, found, ttl)


def probed(name: Name, *records: Record, rtype: str = "") -> Seen:
    """The answer to a probe at ns1."""
    outcome = Outcome.ANSWER if records else Outcome.NXDOMAIN
    return Seen("ns1", "192.0.2.1", Kind.AUTHORITATIVE, name, rtype or records[0].rtype, outcome, records)


def verdicts(findings: Sequence[Finding]) -> list[Verdict]:
    return [finding.verdict for finding in findings]


# What each answer means


def test_visible_everywhere_is_complete() -> None:
    seen = [at("ns1", S1), at("ns2", S1), *(by(r, S1) for r in RESOLVERS)]
    proof = judge([S1], seen, APEX, resolvers=RESOLVERS)
    assert proof.complete and proof.at_authoritative and not proof.blind and proof.next_look == 0 and not proof.warnings
    assert {finding.verdict for finding in proof.findings} == {Verdict.VISIBLE}


def test_case_does_not_count() -> None:
    shouted = Record(absolute("S1._DOMAINKEY.EXAMPLE.COM"), "CNAME", "S1.X.AscendByWix.com.")
    assert judge([S1], [at("ns1", shouted)], APEX).at_authoritative


ABSENT, NODATA = Outcome.NXDOMAIN, Outcome.NODATA
STAR = absolute("*", APEX)
BESIDE = absolute("s1._domainkey.example.com", APEX)
A, A2 = Record(S1.owner, "A", "192.0.2.99"), Record(S1.owner, "A", "192.0.2.98")
CASES: dict[str, tuple[list[Seen], Verdict, str]] = {
    "absent": ([at("ns1", S1, ABSENT)], Verdict.ABSENT, "no CNAME at s1._domainkey.example.com"),
    "lagging": ([at("ns1", S1, ABSENT), at("ns2", S1)], Verdict.ABSENT, "other servers of the zone do"),
    "wrong": ([at("ns1", S1, Outcome.ANSWER, ELSEWHERE)], Verdict.WRONG_TARGET, "CNAME u1.wl.sendgrid.net."),
    "two": ([at("ns1", S1, Outcome.ANSWER, S1, ELSEWHERE)], Verdict.WRONG_TARGET, "CNAME u1.wl.sendgrid.net."),
    "target doubled": (
        [at("ns1", S1, Outcome.ANSWER, Record(S1.owner, "CNAME", "s1.x.ascendbywix.com.example.com."))],
        Verdict.WRONG_TARGET,
        "the zone's name was added to the target",
    ),
    "masked": ([at("ns1", S1, NODATA), probed(S1.owner, A)], Verdict.MASKED, "addresses"),
    "wildcard address": (
        [at("ns1", S1, NODATA), probed(S1.owner, A), probed(STAR, Record(STAR, "A", "192.0.2.99"))],
        Verdict.WILDCARD,
        "wildcard",
    ),
    "masked beside a wildcard": (
        [at("ns1", S1, NODATA), probed(S1.owner, A, A2), probed(STAR, Record(STAR, "A", "192.0.2.99"))],
        Verdict.MASKED,
        "addresses",
    ),
    "wildcard alias": (
        [at("ns1", S1, Outcome.ANSWER, ELSEWHERE), probed(STAR, Record(STAR, "CNAME", "u1.wl.sendgrid.net."))],
        Verdict.WILDCARD,
        "wildcard",
    ),
    "doubled": (
        [at("ns1", S1, ABSENT), probed(BESIDE, Record(BESIDE, "CNAME", S1.rdata))],
        Verdict.DOUBLED_HOST,
        "example.com.example.com",
    ),
    "not doubled": ([at("ns1", S1, ABSENT), probed(BESIDE, rtype="CNAME")], Verdict.ABSENT, "no CNAME"),
    "denied beside a probe": ([at("ns1", S1, ABSENT), probed(S1.owner, A)], Verdict.ABSENT, "no CNAME"),
    "delegated": (
        [at("ns1", S1, Outcome.REFERRAL, cut=absolute("_domainkey", APEX))],
        Verdict.DELEGATED,
        "has delegated _domainkey.example.com",
    ),
    "refused": ([at("ns1", S1, Outcome.REFUSED)], Verdict.LAME, "refuses"),
    "lame": ([at("ns1", S1, Outcome.LAME)], Verdict.LAME, "authority"),
    "silent": ([at("ns1", S1, Outcome.TIMEOUT)], Verdict.UNREACHABLE, "in time"),
    "private": ([at("ns1", S1, Outcome.PRIVATE)], Verdict.UNREACHABLE, "not on the public internet"),
    "no address": ([at("ns1", S1, Outcome.NO_ADDRESS, address="")], Verdict.UNREACHABLE, "ns1 (no address)"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_answer_of_an_authoritative_server_has_its_verdict(case: str) -> None:
    seen, verdict, words = CASES[case]
    proof = judge([S1], seen, APEX, resolvers=RESOLVERS)
    first = proof.findings[0]
    assert first.verdict is verdict
    assert words in first.sentence and first.next_step
    assert not proof.at_authoritative and not proof.complete and proof.next_look > 0


def test_a_server_that_still_has_the_former_record_is_behind_and_not_wrong() -> None:
    seen = [at("ns1", S1, Outcome.ANSWER, ELSEWHERE)]
    assert verdicts(judge([S1], seen, APEX, former=[ELSEWHERE]).findings) == [Verdict.OLD]
    both = [at("ns1", S1, Outcome.ANSWER, ELSEWHERE, S1)]
    assert verdicts(judge([S1], both, APEX, former=[ELSEWHERE]).findings) == [Verdict.WRONG_TARGET]


def test_a_delegation_below_the_apex_does_no_harm_once_its_servers_show_the_record() -> None:
    away = at("ns1", S1, Outcome.REFERRAL, cut=absolute("_domainkey", APEX))
    assert judge([S1], [away, at("ns9", S1)], APEX).at_authoritative
    assert not judge([S1], [away, at("ns9", S1, ABSENT)], APEX).at_authoritative


def test_resolvers_are_not_asked_is_said_for_each() -> None:
    proof = judge([S1, S2], [at("ns1", S1), at("ns1", S2, ABSENT)], APEX, resolvers=RESOLVERS)
    assert verdicts([f for f in proof.findings if f.kind is Kind.RESOLVER]) == [Verdict.NOT_ASKED] * 4


# When to look again


def test_the_next_look_is_when_the_last_cache_forgets() -> None:
    negative, old = by(RESOLVERS[0], S1, ABSENT, ttl=250), by(RESOLVERS[1], S1, Outcome.ANSWER, ELSEWHERE, ttl=40)
    proof = judge([S1], [at("ns1", S1), negative, old], APEX, resolvers=RESOLVERS, waited=10_000)
    assert proof.at_authoritative and not proof.complete and proof.next_look == 251
    assert [(f.verdict, f.wait) for f in proof.findings[1:]] == [(Verdict.ABSENT, 250), (Verdict.OLD, 40)]
    assert "250 s" in proof.why


def test_a_cache_that_claims_days_is_asked_within_the_hour() -> None:
    seen = [at("ns1", S1), by(RESOLVERS[0], S1, ABSENT, ttl=86400)]
    assert judge([S1], seen, APEX, resolvers=RESOLVERS[:1]).next_look == LONGEST_WAIT


def test_looks_at_authoritative_servers_become_rarer_with_the_wait() -> None:
    looks = [judge([S1], [at("ns1", S1, ABSENT)], APEX, waited=waited).next_look for waited in (0, 8, 100, 400, 1e6)]
    assert looks == [FIRST_LOOK, FIRST_LOOK, 25, 100, LONGEST_LOOK]


# Servers that do not answer


@pytest.mark.parametrize("outcome", SILENT)
def test_a_silent_server_holds_the_proof_back_for_the_grace_and_is_then_set_aside(outcome: Outcome) -> None:
    seen = [at("ns1", S1), at("ns2", S1, outcome)]
    early, late = judge([S1], seen, APEX, waited=GRACE - 1), judge([S1], seen, APEX, waited=GRACE)
    assert not early.at_authoritative and early.next_look == 1 and not early.warnings
    assert late.at_authoritative and late.complete
    assert len(late.warnings) == 1 and "ns2" in late.warnings[0]


@pytest.mark.parametrize("outcome", USELESS)
def test_a_useless_server_is_set_aside_at_once(outcome: Outcome) -> None:
    proof = judge([S1], [at("ns1", S1), at("ns2", S1, outcome)], APEX)
    assert proof.complete and len(proof.warnings) == 1 and "ns2" in proof.warnings[0]


@pytest.mark.parametrize("outcome", SILENT + USELESS)
def test_nobody_answering_proves_nothing_however_long_it_lasts(outcome: Outcome) -> None:
    proof = judge([S1], [at("ns1", S1, outcome), at("ns2", S1, outcome)], APEX, resolvers=RESOLVERS, waited=1e6)
    assert proof.blind and not proof.at_authoritative and not proof.complete
    assert "port 53" in proof.why and "none of the 2" in proof.why


def test_each_record_needs_a_server_that_shows_it() -> None:
    proof = judge([S1, S2], [at("ns1", S1), at("ns1", S2, Outcome.REFUSED)], APEX)
    assert not proof.at_authoritative and not proof.blind


def test_resolvers_that_cannot_be_asked_hold_back_for_the_grace_only() -> None:
    seen = [at("ns1", S1), *(by(r, S1, Outcome.TIMEOUT) for r in RESOLVERS)]
    assert not judge([S1], seen, APEX, resolvers=RESOLVERS).complete
    late = judge([S1], seen, APEX, resolvers=RESOLVERS, waited=GRACE)
    assert late.complete and len(late.warnings) == 2


# Versions, signatures, wrong zones, chains


@pytest.mark.parametrize(
    ("one", "other", "earlier"),
    [(1, 2, True), (2, 1, False), (2, 2, False), (2**32 - 1, 0, True), (0, 2**32 - 1, False), (0, 2**31, False), (1, 2024010101, True)],
)
def test_serials_go_round_in_a_circle(one: int, other: int, earlier: bool) -> None:
    assert behind(one, other) is earlier


def test_versions_matter_only_where_servers_answer_differently() -> None:
    assert differ([S1], [at("ns1", S1), at("ns2", S1, ABSENT)])
    assert differ([S1], [at("ns1", S1), at("ns2", S1, Outcome.ANSWER, ELSEWHERE)])
    assert not differ([S1, S2], [at("ns1", S1), at("ns2", S1), at("ns1", S2, ABSENT), at("ns2", S2, ABSENT)])
    assert not differ([S1], [at("ns1", S1), at("ns2", S1, Outcome.TIMEOUT), at("ns3", S1, Outcome.LAME)])
    assert not differ([S1], [at("ns1", S1), at("ns2", S1, Outcome.REFERRAL)])


def soa(server: str, serial: int) -> Seen:
    return Seen(server, f"192.0.2.{server[2]}", Kind.AUTHORITATIVE, APEX, "SOA", Outcome.ANSWER, (), serial=serial)


def test_who_is_behind_is_named_beside_the_newest_of_those_that_are_not() -> None:
    seen = [at("ns1", S1), at("ns2", S1), at("ns3", S1, ABSENT, serial=7), soa("ns1", 8), soa("ns2", 9)]
    proof = judge([S1], seen, APEX)
    assert [finding.serial for finding in proof.findings] == [8, 9, 7]
    assert "it serves version 7 of the zone, they version 9" in proof.why


def test_versions_of_different_zones_are_not_compared() -> None:
    seen = [at("ns1", S1, Outcome.REFERRAL), at("ns2", S1), at("ns3", S1, ABSENT, serial=7), soa("ns1", 8), soa("ns2", 9)]
    assert "version" not in judge([S1], seen, APEX).why


def test_what_resolvers_will_not_believe_is_not_visible() -> None:
    proof = judge([S1], [at("ns1", S1), at("ns2", S1, bogus="it is a fake")], APEX)
    assert verdicts(proof.findings) == [Verdict.VISIBLE, Verdict.BOGUS] and not proof.at_authoritative
    assert proof.why.endswith("a resolver that validates does not believe it: it is a fake")


def test_a_record_at_a_host_that_nobody_asks_explains_why_it_is_missing_and_is_no_proof() -> None:
    stray = replace(at("ns9", S1), kind=Kind.UNDELEGATED)
    proof = judge([S1], [at("ns1", S1, ABSENT), at("ns2", S1, NODATA), stray], APEX)
    assert verdicts(proof.findings) == [Verdict.WRONG_ZONE] * 2 and "it is at ns9 (192.0.2.9)" in proof.why
    assert verdicts(judge([S1], [at("ns1", S1, ABSENT), replace(stray, records=(ELSEWHERE,))], APEX).findings) == [Verdict.ABSENT]


@pytest.mark.parametrize("end", ChainEnd)
def test_where_a_target_leads_is_a_warning_and_no_more(end: ChainEnd) -> None:
    seen = [at("ns1", S1), at("ns2", S1)]
    proof = judge([S1], seen, APEX, chains=[Chain(S1, (S1.target, absolute("b.example.net")), end)])
    assert proof.complete and len(proof.warnings) == (end is not ChainEnd.EXISTS)
    assert all("s1._domainkey.example.com points to s1.x.ascendbywix.com" in warning for warning in proof.warnings)


def test_a_resolver_that_denies_without_saying_for_how_long_is_a_filter_and_set_aside_after_the_grace() -> None:
    seen = [at("ns1", S1), by(RESOLVERS[0], S1, Outcome.NXDOMAIN), by(RESOLVERS[1], S1)]
    early = judge([S1], seen, APEX, resolvers=RESOLVERS)
    assert early.at_authoritative and not early.complete and "as filters do" in early.why
    late = judge([S1], seen, APEX, resolvers=RESOLVERS, waited=GRACE)
    assert late.complete and "without saying for how long" in late.warnings[0]
    cached = [at("ns1", S1), by(RESOLVERS[0], S1, Outcome.NXDOMAIN, ttl=30), by(RESOLVERS[1], S1)]
    assert not judge([S1], cached, APEX, resolvers=RESOLVERS, waited=GRACE).complete


def test_where_a_delegated_name_is_served_is_said() -> None:
    seen = [at("ns1", S1, Outcome.REFERRAL, cut=absolute("_domainkey", APEX)), at("ns7", S1, ABSENT)]
    assert judge([S1], seen, APEX).findings[0].next_step == "Add the record to the zone _domainkey.example.com, at ns7."


def test_nothing_wanted_is_nothing_to_wait_for() -> None:
    proof = judge([], [], APEX, resolvers=RESOLVERS)
    assert proof.complete and not proof.blind


# Probes


def test_a_denied_name_is_looked_for_only_where_a_doubled_host_would_be() -> None:
    assert probes([S1], [at("ns1", S1, ABSENT)], APEX) == (Question(BESIDE, "CNAME"),)


def test_a_name_without_the_record_may_be_masked_or_a_wildcard() -> None:
    asked = {(text(q.name), q.rtype) for q in probes([S1], [at("ns1", S1, NODATA)], APEX)}
    owner = text(S1.owner)
    assert asked == {(text(BESIDE), "CNAME"), (owner, "A"), (owner, "AAAA")} | {
        (star, rtype) for star in ("*._domainkey.example.com", "*.example.com") for rtype in ("CNAME", "A", "AAAA")
    }


def test_what_is_right_or_silent_needs_no_probe() -> None:
    assert probes([S1, S2], [at("ns1", S1), at("ns1", S2, Outcome.TIMEOUT)], APEX) == ()


def test_a_name_too_long_to_be_doubled_is_not_looked_for() -> None:
    long = absolute(".".join(["x" * 60] * 3 + ["y" * 50]), APEX)
    assert doubled(long, APEX) is None
    assert probes([Record(long, "CNAME", "t.example.net.")], [], APEX) == ()


# Properties

wanted_sets = st.sampled_from([[S1], [S1, S2], [S2, S1]])


@st.composite
def looks(draw: st.DrawFn, resolvers: bool = True) -> tuple[list[Record], list[Seen], float]:
    """A whole look: every server has said something about every wanted record."""
    wanted = draw(wanted_sets)
    seen = []
    for want in wanted:
        for server in ("ns1", "ns2", "ns3")[: draw(st.integers(1, 3))]:
            outcome = draw(st.sampled_from(Outcome))
            records = (draw(st.sampled_from([want, replace(ELSEWHERE, owner=want.owner)])),) if outcome is Outcome.ANSWER else ()
            seen.append(at(server, want, outcome, *records))
        for resolver in RESOLVERS[: draw(st.integers(0, 2))] if resolvers else ():
            outcome = draw(st.sampled_from([Outcome.ANSWER, Outcome.NXDOMAIN, Outcome.NODATA, Outcome.TIMEOUT]))
            seen.append(by(resolver, want, outcome, ttl=draw(st.integers(0, 100_000))))
    return wanted, seen, draw(st.floats(0, 200_000))


@given(looks(), st.randoms(use_true_random=False))
def test_the_order_of_what_was_seen_does_not_matter(look: tuple[list[Record], list[Seen], float], random: object) -> None:
    wanted, seen, waited = look
    shuffled = list(seen)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    assert judge(wanted, shuffled, APEX, resolvers=RESOLVERS, waited=waited) == judge(
        wanted, seen, APEX, resolvers=RESOLVERS, waited=waited
    )


@given(looks())
def test_what_a_proof_says_agrees_with_itself(look: tuple[list[Record], list[Seen], float]) -> None:
    wanted, seen, waited = look
    proof = judge(wanted, seen, APEX, resolvers=RESOLVERS, waited=waited)
    assert proof.at_authoritative or not proof.complete
    assert not (proof.blind and proof.at_authoritative)
    assert (proof.next_look == 0) == proof.complete
    assert 0 <= proof.next_look <= LONGEST_WAIT
    assert proof.why
    assert all(finding.sentence for finding in proof.findings)
    assert all(not finding.holds for finding in proof.findings) or not proof.complete
    assert all(finding.wait is None or (finding.holds and finding.kind is Kind.RESOLVER) for finding in proof.findings)


@given(looks(), st.data())
def test_a_better_answer_never_makes_a_proof_worse(look: tuple[list[Record], list[Seen], float], data: st.DataObject) -> None:
    wanted, seen, waited = look
    place = data.draw(st.integers(0, len(seen) - 1))
    want = next(record for record in wanted if record.owner == seen[place].name)
    better = [*seen[:place], replace(seen[place], outcome=Outcome.ANSWER, records=(want,)), *seen[place + 1 :]]
    before = judge(wanted, seen, APEX, resolvers=RESOLVERS, waited=waited)
    after = judge(wanted, better, APEX, resolvers=RESOLVERS, waited=waited)
    assert after.at_authoritative >= before.at_authoritative
    assert after.complete >= before.complete
    assert after.blind <= before.blind


@given(looks(), st.floats(0, 200_000))
def test_waiting_longer_never_makes_a_proof_worse(look: tuple[list[Record], list[Seen], float], more: float) -> None:
    wanted, seen, waited = look
    before = judge(wanted, seen, APEX, resolvers=RESOLVERS, waited=waited)
    after = judge(wanted, seen, APEX, resolvers=RESOLVERS, waited=waited + more)
    assert (after.at_authoritative, after.complete) >= (before.at_authoritative, before.complete)


@given(looks(resolvers=False), st.sampled_from(USELESS))
def test_a_useless_server_more_changes_nothing(look: tuple[list[Record], list[Seen], float], outcome: Outcome) -> None:
    wanted, seen, waited = look
    more = [*seen, *(at("ns9", want, outcome) for want in wanted)]
    before, after = judge(wanted, seen, APEX, waited=waited), judge(wanted, more, APEX, waited=waited)
    assert (before.at_authoritative, before.complete, before.blind) == (after.at_authoritative, after.complete, after.blind)


@given(looks(resolvers=False))
def test_resolvers_wait_for_the_authoritative_servers(look: tuple[list[Record], list[Seen], float]) -> None:
    wanted, seen, waited = look
    proof = judge(wanted, seen, APEX, resolvers=RESOLVERS, waited=waited)
    assert {f.verdict for f in proof.findings if f.kind is Kind.RESOLVER} == {Verdict.NOT_ASKED}
    assert not proof.complete
