"""Signed zones: what delv and the resolvers that validate say of them, and what we say."""

import pytest

from live_servers.lab import BIND_RESOLVER, BOGUS, DNSMASQ, KNOT, KRESD, POWERDNS, RECURSOR, SIGNED, UNBOUND, UNBOUND_FRESH, UNPROVED, Lab
from live_servers.test_proof import at, look, wanted
from wixsend.names import text
from wixsend.testing.world import record
from wixsend.verdict import GRACE, Verdict

pytestmark = pytest.mark.live_servers

VALIDATING, TRUSTING = (UNBOUND, BIND_RESOLVER, DNSMASQ), (KRESD, RECURSOR)
BROKEN = record("s1._domainkey", "CNAME", "wrong.wl.ascendbywix.com.", BOGUS)
"""What the zone with the broken signature shows: another target than the one that was signed."""


async def test_a_signed_zone_whose_signatures_hold(lab: Lab) -> None:
    wants = wanted(SIGNED, "sound")
    lab.patch(SIGNED, wants, "REPLACE")
    proof = await look(lab, wants, SIGNED)
    assert proof.complete, proof.why
    assert all(at(proof, server) == {Verdict.VISIBLE} for server in (*POWERDNS, *VALIDATING, *TRUSTING))
    assert all("; fully validated" in lab.delv(UNBOUND_FRESH, text(want.owner), "CNAME") for want in wants)


async def test_a_broken_signature_is_seen_at_the_authoritative_server_before_any_resolver_is_asked(lab: Lab) -> None:
    proof = await look(lab, [BROKEN], BOGUS)
    assert at(proof, KNOT) == {Verdict.BOGUS}
    assert not proof.complete
    assert {finding.verdict for finding in proof.findings} == {Verdict.BOGUS, Verdict.NOT_ASKED}
    assert "signature" in proof.why
    assert "fully validated" not in lab.delv(UNBOUND_FRESH, text(BROKEN.owner), "CNAME")
    for servers, status in ((VALIDATING, "SERVFAIL"), (TRUSTING, "NOERROR")):
        assert all(f"status: {status}" in lab.dig(f"@{server}", text(BROKEN.owner), "CNAME") for server in servers)


async def test_a_denial_above_the_zone_that_lacks_its_signature_is_seen_at_resolvers_and_holds_until_they_believe_it(lab: Lab) -> None:
    wants = wanted(UNPROVED)
    lab.patch(UNPROVED, wants, "REPLACE")
    proof = await look(lab, wants, UNPROVED, waited=GRACE, resolvers=VALIDATING)
    assert all(at(proof, server) == {Verdict.VISIBLE} for server in POWERDNS)
    assert all(at(proof, server) == {Verdict.BOGUS} for server in VALIDATING)
    assert proof.at_authoritative
    assert not proof.complete
    assert "validates, and fails on" in proof.why
    mixed = await look(lab, wants, UNPROVED, waited=GRACE, resolvers=(*VALIDATING, *TRUSTING))
    assert mixed.complete, mixed.why
    assert any("validates, and fails on" in warning for warning in mixed.warnings)
    assert "fully validated" not in lab.delv(UNBOUND_FRESH, text(wants[0].owner), "CNAME")
    for extra, status in ((), "SERVFAIL"), (("+cdflag",), "NOERROR"):
        assert f"status: {status}" in lab.dig(f"@{UNBOUND}", text(wants[0].owner), "CNAME", *extra)
