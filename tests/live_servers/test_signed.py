"""Signed zones: what delv says of them, and what we say."""

import pytest

from live_servers.lab import BIND_RESOLVER, BOGUS, DNSMASQ, KNOT, KRESD, RECURSOR, SIGNED, UNBOUND, UNBOUND_FRESH, Lab
from live_servers.test_proof import at, look, wanted
from wixsend.names import text
from wixsend.testing.world import record
from wixsend.verdict import Verdict

pytestmark = pytest.mark.live_servers

VALIDATING, TRUSTING = (UNBOUND, BIND_RESOLVER, DNSMASQ), (KRESD, RECURSOR)


async def test_a_signed_zone_whose_signatures_hold(lab: Lab) -> None:
    wants = wanted(SIGNED, "sound")
    lab.patch(SIGNED, wants, "REPLACE")
    assert (await look(lab, wants, SIGNED)).complete
    assert "; fully validated" in lab.delv(UNBOUND_FRESH, text(wants[0].owner), "CNAME")


async def test_a_broken_signature_shows_at_the_resolvers_that_validate(lab: Lab) -> None:
    shown = record("s1._domainkey", "CNAME", "wrong.wl.ascendbywix.com.", BOGUS)
    proof = await look(lab, [shown], BOGUS)
    assert at(proof, KNOT) == {Verdict.VISIBLE}
    assert not proof.complete
    assert all(at(proof, server) == {Verdict.UNREACHABLE} for server in VALIDATING)
    assert all(at(proof, server) == {Verdict.VISIBLE} for server in TRUSTING)
    assert "broken trust chain" in lab.delv(KNOT, text(shown.owner), "CNAME") or "resolution failed" in lab.delv(
        UNBOUND_FRESH, text(shown.owner), "CNAME"
    )
