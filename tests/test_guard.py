"""Floor 2: every rule of the guard refuses what it is for, and lets through what it is not for."""

from collections.abc import Iterable
from typing import Any

import dns.name
import pytest
from hypothesis import given

from strategies import APEX, DMARC, orders, snapshots
from wixsend.guard import RULES, Claim, Evidence, Objection, guard
from wixsend.plan import Change, Edit, Plan, Wanted, plan, plan_undo
from wixsend.records import WHOLE, Fragile, Granularity, Limits, Record, Snapshot, Zone

WIX = frozenset({dns.name.from_text("ascendbywix.com."), dns.name.from_text("wixemails.com.")})
ADA, BOB = dns.name.from_text("ada.ns.example-host.net."), dns.name.from_text("bob.ns.example-host.net.")
S1 = dns.name.from_text("s1._domainkey", APEX)
WANT = Record(S1, "CNAME", "s1._domainkey.example.com.s004.ascendbywix.com.")


def zone(**settings: object) -> Zone:
    return Zone(**{"apex": APEX, "name_servers": (ADA, BOB), "record_count": 1} | settings)  # type: ignore[arg-type]


def held(*records: Record, **settings: object) -> Snapshot:
    return Snapshot(**{"zone": zone(), "records": records, "covers": WHOLE} | settings)  # type: ignore[arg-type]


A = Record(APEX, "A", "192.0.2.1")


def objections(
    before: Snapshot,
    wants: Iterable[Record] = (WANT,),
    granularity: Granularity = Granularity.ZONE,
    limits: Limits | None = None,
    made: Plan | None = None,
    dmarc: str = "keep",
    **evidence: object,
) -> tuple[Objection, ...]:
    wanted = Wanted(tuple(wants), DMARC, dmarc)  # type: ignore[arg-type]
    defaults: dict[str, object] = {
        "domain": APEX,
        "wanted": frozenset(wanted.records),
        "delegated": frozenset({ADA, BOB}),
        "hosts": ("Example",),
        "known_targets": WIX,
    }
    found = guard(made or plan(before, wanted), Evidence(**defaults | evidence), granularity, limits or Limits())  # type: ignore[arg-type]
    assert all(objection.subject and objection.found and objection.way_out for objection in found)
    return found


def codes(before: Snapshot, *args: Any, **options: Any) -> list[str]:
    return [objection.code for objection in objections(before, *args, **options)]


def test_an_ordinary_edit_is_let_through() -> None:
    assert codes(held(A)) == []


def refused() -> dict[str, list[str]]:
    """For each rule, a case that it alone must refuse."""
    apex_want = Record(APEX, "CNAME", "x.ascendbywix.com.")
    below = dns.name.from_text("_domainkey", APEX)
    beside = Plan(Edit(held(A, Record(S1, "TXT", '"x"')), (Change(S1, add=(WANT,)),)), ())
    foreign = Plan(Edit(held(A, WANT), (Change(S1, remove=(WANT,)),)), ())
    removal = Plan(Edit(held(A, WANT), (Change(S1, remove=(WANT,)),)), ())
    mail = dns.name.from_text("mail", APEX)
    return {
        "outside-domain": codes(held(A), domain=mail),
        "unknown-target": codes(held(A), known_targets=frozenset({dns.name.from_text("wixemails.com.")})),
        "zone-problem": codes(held(A, zone=zone(problem="the zone is pending"))),
        "several-hosts": codes(held(A), hosts=("Example", "Other")),
        "delegation": codes(held(A), delegated=frozenset({ADA, dns.name.from_text("ns.elsewhere.net.")})),
        "outside-zone": codes(held(A, zone=zone(apex=mail, name_servers=())), granularity=Granularity.RECORD),
        "not-read": codes(held(A, covers=frozenset({APEX})), granularity=Granularity.RECORD),
        "apex": [c for c in codes(held(zone=zone(record_count=0)), [apex_want]) if c != "outside-domain"],
        "below-cut": codes(held(A, Record(below, "NS", "ns.elsewhere.net."))),
        "conflict": codes(held(A, Record(S1, "CNAME", "u1.wl.sendgrid.net."))),
        "dmarc": codes(held(A, Record(DMARC, "TXT", '"v=DMARC1"')), [Record(DMARC, "CNAME", "_dmarc.wixemails.com.")], dmarc="stop"),
        "masked": codes(held(A, Record(S1, "CNAME", WANT.rdata, masked=True))),
        "cname-alone": codes(held(A), made=beside),
        "foreign": codes(held(A), made=foreign),
        "two-sites": codes(held(A), claims=(Claim("shop on site B", Record(S1, "CNAME", "s1.s009.ascendbywix.com.")),)),
        "empty-zone": codes(held(zone=zone(record_count=None))),
        "uncounted": codes(held(A, zone=zone(record_count=2))),
        "cannot-carry": codes(held(A, fragile=(Fragile("ddns:home", "a dynamic DNS host", "Use the panel."),))),
        "seen-in-dns": codes(held(A), seen=(Record(dns.name.from_text("_sip._tls", APEX), "SRV", "1 1 443 sip.example.net."),)),
        "cannot-remove": codes(held(A), limits=Limits(removes=False), made=removal, ours=frozenset({WANT})),
        "too-many": codes(held(A), limits=Limits(max_records=1)),
    }


@pytest.mark.parametrize("code", [rule.code for rule in RULES])
def test_each_rule_refuses_what_it_is_for(code: str) -> None:
    assert refused()[code] == [code]


def test_cuts_that_only_dns_shows() -> None:
    cut, servers = dns.name.from_text("_domainkey", APEX), (dns.name.from_text("ns1.other.net."), dns.name.from_text("ns2.other.net."))
    assert codes(held(A), cuts={cut: ()}) == ["below-cut"]
    (objection,) = objections(held(A), cuts={cut: servers})
    assert objection.way_out == "Add the record where _domainkey.example.com is served from: ns1.other.net, ns2.other.net."


def test_a_named_host_needs_no_delegation() -> None:
    assert codes(held(A), delegated=frozenset({dns.name.from_text("ns.elsewhere.net.")}), host_named=True) == []


def test_the_zones_own_ns_records_speak_where_the_host_is_silent() -> None:
    apex_ns = [Record(APEX, "NS", server.to_text()) for server in (ADA, BOB)]
    silent = zone(name_servers=(), record_count=2)
    assert codes(held(*apex_ns, zone=silent)) == []
    assert codes(held(*apex_ns, zone=silent), delegated=frozenset({dns.name.from_text("ns.elsewhere.net.")})) == ["delegation"]


@pytest.mark.parametrize(
    ("before", "name"),
    [
        (held(zone=zone(record_count=None)), "empty-zone"),
        (held(A, zone=zone(record_count=2)), "uncounted"),
        (held(A, fragile=(Fragile("ddns:home", "a dynamic DNS host", "Use the panel."),)), "ddns:home"),
    ],
)
def test_losses_can_be_accepted_by_name_and_by_no_other(before: Snapshot, name: str) -> None:
    assert codes(before, accepted=frozenset({name})) == []
    assert codes(before, accepted=frozenset({"other"})) != []


def test_losses_matter_to_whole_zone_hosts_only_and_only_when_something_is_written() -> None:
    fragile = held(A, fragile=(Fragile("ddns:home", "a dynamic DNS host", "Use the panel."),))
    assert codes(fragile, granularity=Granularity.RECORD) == []
    nothing_to_do = held(A, WANT, zone=zone(record_count=2), fragile=fragile.fragile)
    assert codes(nothing_to_do) == []


def test_srv_records_that_cannot_be_asked_for_are_not_taken_for_absent() -> None:
    assert codes(held(A), seen=None) == ["seen-in-dns"]
    assert codes(held(A), seen=None, accepted=frozenset({"srv"})) == []
    assert codes(held(A), seen=None, granularity=Granularity.RRSET) == []


def test_an_empty_zone_is_believed_when_a_second_source_agrees() -> None:
    assert codes(held(zone=zone(record_count=0))) == []


def test_undo_may_remove_what_the_journal_says_is_ours() -> None:
    made = plan_undo(held(A, WANT), [Change(S1, add=(WANT,))])
    assert codes(held(A), made=made, ours=frozenset({WANT})) == []
    assert codes(held(A), made=made) == ["foreign"]


@given(snapshots, orders())
def test_no_plan_ever_deletes_what_nobody_named(before: Snapshot, wanted: Wanted) -> None:
    """Whatever the zone and the order: what passes the guard removes only at owners that a person named."""
    made = plan(before, wanted)
    named = wanted.replace | ({DMARC} if wanted.dmarc == "replace" else set())
    evidence = Evidence(domain=APEX, wanted=frozenset(wanted.records), known_targets=WIX, replace=named)
    found = guard(made, evidence, Granularity.RECORD, Limits())
    assert "foreign" not in [objection.code for objection in found]
    bare = Evidence(domain=APEX, wanted=frozenset(wanted.records), known_targets=WIX)
    if made.edit.removes:
        assert "foreign" in [objection.code for objection in guard(made, bare, Granularity.RECORD, Limits())]
