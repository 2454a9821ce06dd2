"""The proof on real servers, and what dig says of the same servers."""

from collections.abc import Callable, Sequence

import pytest

from live_servers.lab import (
    BIND,
    CLIPPED,
    CLIPPING,
    KNOT,
    MIRRORED,
    POWERDNS,
    POWERDNS_HOSTS,
    RESOLVERS,
    SILENT_SERVER,
    TCP_ONLY,
    TCP_SERVER,
    Lab,
)
from live_servers.namespace import Capture
from wixsend.lookup import Dns
from wixsend.names import absolute, text
from wixsend.records import Record
from wixsend.testing.world import record
from wixsend.verdict import GRACE, Finding, Kind, Proof, Verdict

pytestmark = pytest.mark.live_servers

TARGET = "s1.client.com.s004.ascendbywix.com."


def wanted(apex: str, sending: str = "") -> list[Record]:
    """What Wix may want for a sending domain in a zone."""
    below = f".{sending}" if sending else ""
    return [record(f"{name}{below}", "CNAME", TARGET, apex, 60) for name in ("s1._domainkey", "s2._domainkey", "sg")]


async def look(lab: Lab, wants: Sequence[Record], apex: str, *, waited: float = 0.0, **settings: object) -> Proof:
    """One look with a client of its own."""
    client = Dns(lab.settings(**settings))
    return await client.prove(wants, await client.delegation(absolute(apex)), waited=waited)


def at(proof: Proof, address: str) -> set[Verdict]:
    """The verdicts on one server."""
    found = {finding.verdict for finding in proof.findings if address in (finding.server, finding.server.partition("(")[2].rstrip(")"))}
    assert found, f"nothing was found out about {address}"
    return found


def first_hand(proof: Proof) -> list[Finding]:
    return [finding for finding in proof.findings if finding.kind is Kind.AUTHORITATIVE]


def dig_short(lab: Lab, server: str, name: Record) -> list[str]:
    return lab.dig(f"@{server}", text(name.owner), name.rtype, "+short").split()


async def test_every_server_and_every_resolver_is_asked_and_says_what_dig_is_told(lab: Lab) -> None:
    zone = lab.zone()
    wants = wanted(zone.apex)
    zone.put(*wants)
    proof = await look(lab, wants, zone.apex)
    assert proof.complete, proof.why
    assert len(proof.findings) == len(wants) * (len(POWERDNS) + len(RESOLVERS))
    for server in (*POWERDNS, *RESOLVERS):
        assert at(proof, server) == {Verdict.VISIBLE}
        assert [dig_short(lab, server, want) for want in wants] == [[TARGET]] * len(wants)


async def test_a_secondary_that_lags_is_named_and_holds_the_proof_back(lab: Lab, capture: Capture) -> None:
    wants = wanted(MIRRORED, "lag")
    lab.update_primary(*wants)
    proof = await look(lab, wants, MIRRORED)
    assert not proof.at_authoritative
    assert (at(proof, BIND), at(proof, KNOT)) == ({Verdict.VISIBLE}, {Verdict.ABSENT})
    assert "knot.hosts.com" in proof.why
    assert "other servers of the zone do" in proof.why
    assert dig_short(lab, BIND, wants[0]) == [TARGET]
    assert "NXDOMAIN" in lab.dig(f"@{KNOT}", text(wants[0].owner), "CNAME")
    assert not [packet for packet in capture.packets() if packet.target.startswith("127.0.20.")]
    lab.refresh_secondary()
    assert (await look(lab, wants, MIRRORED)).complete


async def test_a_lame_server_is_named_and_set_aside(lab: Lab) -> None:
    zone = lab.zone(servers=(POWERDNS_HOSTS[0], "bind.hosts.com"))
    wants = wanted(zone.apex)
    zone.put(*wants)
    assert "REFUSED" in lab.dig(f"@{BIND}", zone.apex, "SOA", "+norecurse")
    proof = await look(lab, wants, zone.apex)
    assert proof.complete, proof.why
    assert at(proof, BIND) == {Verdict.LAME}
    assert any("bind.hosts.com" in warning and "refuses" in warning for warning in proof.warnings)


async def test_a_silent_server_holds_the_proof_back_until_the_grace_is_over(lab: Lab) -> None:
    zone = lab.zone(servers=(POWERDNS_HOSTS[0], "silent.hosts.com"))
    wants = wanted(zone.apex)[:1]
    zone.put(*wants)
    assert "no servers could be reached" in lab.dig(f"@{SILENT_SERVER}", zone.apex, "SOA")
    early = await look(lab, wants, zone.apex, timeout=0.1)
    assert not early.at_authoritative
    assert at(early, SILENT_SERVER) == {Verdict.UNREACHABLE}
    late = await look(lab, wants, zone.apex, timeout=0.1, waited=GRACE, resolvers=())
    assert late.complete
    assert any("silent.hosts.com" in warning for warning in late.warnings)


async def test_when_no_server_answers_the_proof_is_blind(lab: Lab) -> None:
    zone = lab.zone(servers=("silent.hosts.com",))
    proof = await look(lab, wanted(zone.apex)[:1], zone.apex, timeout=0.1)
    assert proof.blind
    assert not proof.at_authoritative
    assert "silent.hosts.com" in proof.why


async def test_an_answer_that_has_no_room_in_a_datagram_is_asked_for_over_tcp(lab: Lab, capture: Capture) -> None:
    wants = wanted(CLIPPED)
    lab.update_clipped(*wants)
    assert " tc " in lab.dig(f"@{CLIPPING}", text(wants[0].owner), "CNAME", "+ignore", "+nocookie")
    proof = await look(lab, wants, CLIPPED)
    assert proof.complete, proof.why
    asked = [packet for packet in capture.packets() if packet.target == CLIPPING and packet.name == wants[0].owner]
    assert {packet.transport for packet in asked} == {"udp", "tcp"}


async def test_a_server_that_answers_over_tcp_alone_is_proved(lab: Lab) -> None:
    wants = [record("s1._domainkey", "CNAME", "s1.wl.ascendbywix.com.", TCP_ONLY)]
    assert lab.dig(f"@{TCP_SERVER}", text(wants[0].owner), "CNAME", "+tcp", "+short").split() == ["s1.wl.ascendbywix.com."]
    assert "no servers could be reached" in lab.dig(f"@{TCP_SERVER}", text(wants[0].owner), "CNAME")
    proof = await look(lab, wants, TCP_ONLY, timeout=0.1, resolvers=())
    assert proof.complete, proof.why


type Mistake = Callable[[str], list[Record]]

MISTAKES: dict[str, tuple[Mistake, Verdict, str]] = {
    "nothing": (lambda _apex: [], Verdict.ABSENT, "has no CNAME"),
    "another target": (
        lambda apex: [record("s1._domainkey", "CNAME", "s1.domainkey.u1.wl.sendgrid.net.", apex)],
        Verdict.WRONG_TARGET,
        "sendgrid",
    ),
    "the zone's name added to the host": (
        lambda apex: [record(f"s1._domainkey.{apex}", "CNAME", TARGET, apex)],
        Verdict.DOUBLED_HOST,
        "was added to the full name",
    ),
    "the zone's name added to the target": (
        lambda apex: [record("s1._domainkey", "CNAME", f"{TARGET}{apex}.", apex)],
        Verdict.WRONG_TARGET,
        "was added to the target",
    ),
    "addresses instead": (lambda apex: [record("s1._domainkey", "A", "192.0.2.7", apex)], Verdict.MASKED, "addresses"),
    "a wildcard": (lambda apex: [record("*", "CNAME", "parked.example.net.", apex)], Verdict.WILDCARD, "wildcard"),
    "a delegation": (lambda apex: [record("_domainkey", "NS", "bind.hosts.com.", apex)], Verdict.DELEGATED, "delegated"),
}


@pytest.mark.parametrize("mistake", MISTAKES)
async def test_the_classic_wrong_places_have_a_name(lab: Lab, mistake: str, capture: Capture) -> None:
    make, verdict, says = MISTAKES[mistake]
    zone = lab.zone()
    zone.put(*make(zone.apex))
    want = wanted(zone.apex)[0]
    proof = await look(lab, [want], zone.apex)
    assert not proof.complete
    assert all(at(proof, server) == {verdict} for server in POWERDNS)
    assert all(finding.next_step for finding in first_hand(proof))
    assert any(says in finding.sentence for finding in first_hand(proof))
    assert dig_short(lab, POWERDNS[0], want) != [TARGET]
    assert not [packet for packet in capture.packets() if packet.target.startswith("127.0.20.")]
