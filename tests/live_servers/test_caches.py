"""Resolvers that remember: asked last, and looked at again when they forget."""

import asyncio
import re
from collections.abc import Sequence

import pytest

from live_servers.lab import NEGATIVE_TTL, POWERDNS, RESOLVERS, SIGNED, UNBOUND, UNBOUND_FRESH, Lab
from live_servers.namespace import Capture, Packet
from live_servers.test_proof import TARGET, at, dig_short, wanted
from wixsend.lookup import Dns
from wixsend.names import Name, absolute, text
from wixsend.records import Record
from wixsend.testing.world import record
from wixsend.verdict import Kind, Proof, Verdict

pytestmark = pytest.mark.live_servers


async def pass_time(proof: Proof) -> None:
    """Until the next look, in real seconds: the caches of real resolvers have no other clock. Never more than the lab's TTLs."""
    assert 0 < proof.next_look <= NEGATIVE_TTL + 1
    await asyncio.sleep(proof.next_look)


def negative_ttl(shown: str) -> int:
    """The SOA's TTL in a negative answer, as dig shows it."""
    found = re.search(r"^\S+\s+(\d+)\s+IN\s+SOA\s", shown, re.MULTILINE)
    assert found is not None, shown
    return int(found[1])


def first_to_resolvers(packets: Sequence[Packet], below: Name) -> list[int]:
    """Where questions for names below a domain went to a resolver."""
    return [
        place
        for place, packet in enumerate(packets)
        if not packet.is_answer and packet.target.startswith("127.0.20.") and packet.name != below and packet.name.is_subdomain(below)
    ]


def shown_by(packets: Sequence[Packet], want: Record, server: str) -> int:
    """Where a server first answered a record."""
    return next(
        place
        for place, packet in enumerate(packets)
        if packet.is_answer and packet.source == server and packet.name == want.owner and packet.message.answer
    )


@pytest.mark.parametrize("domain", ["", SIGNED])
async def test_no_resolver_hears_of_a_name_before_every_authoritative_server_answers_it(lab: Lab, domain: str, capture: Capture) -> None:
    """In a signed zone any name's denial would deny ours as well (RFC 8198)."""
    apex = domain or lab.zone().apex
    sending = absolute("early", absolute(apex))
    wants = wanted(apex, "early")
    client = Dns(lab.settings())
    delegation = await client.delegation(sending)
    await client.cuts_below(delegation, [want.owner for want in wants])
    await client.dmarc_above(sending, delegation)
    for step in range(len(wants) + 1):
        if step:
            lab.patch(apex, wants[step - 1 : step], "REPLACE")
        await client.prove(wants, delegation)
    packets = capture.packets()
    asked = first_to_resolvers(packets, sending)
    assert len(asked) >= len(wants) * len(RESOLVERS)
    assert asked[0] > max(shown_by(packets, want, server) for want in wants for server in POWERDNS)


async def test_the_lab_shows_the_harm_that_asking_too_early_does(lab: Lab, capture: Capture) -> None:
    """The guard of the test above: one question for another name in a signed zone, and a resolver denies ours without asking."""
    want = record("m.harm", "CNAME", TARGET, SIGNED)
    assert "NXDOMAIN" in lab.dig(f"@{UNBOUND}", f"l.harm.{SIGNED}", "TXT")
    lab.patch(SIGNED, [want], "REPLACE")
    assert "NXDOMAIN" in lab.dig(f"@{UNBOUND}", text(want.owner), "CNAME")
    assert not [packet for packet in capture.packets() if packet.target in POWERDNS and packet.name == want.owner]
    assert dig_short(lab, UNBOUND_FRESH, want) == [TARGET]


async def test_the_next_look_is_when_the_caches_forget(lab: Lab) -> None:
    zone = lab.zone()
    want = wanted(zone.apex)[0]
    for resolver in RESOLVERS:
        assert "NXDOMAIN" in lab.dig(f"@{resolver}", text(want.owner), "CNAME")
    zone.put(want)
    client = Dns(lab.settings())
    delegation = await client.delegation(absolute(zone.apex))
    proof = await client.prove([want], delegation)
    assert proof.at_authoritative
    assert not proof.complete
    held = {finding.server: finding for finding in proof.findings if finding.holds}
    assert held, "no resolver remembers"
    for server, finding in held.items():
        shown = lab.dig(f"@{server}", text(want.owner), "CNAME")
        assert "NXDOMAIN" in shown
        assert (finding.kind, finding.verdict) == (Kind.RESOLVER, Verdict.ABSENT)
        assert finding.wait is not None
        assert negative_ttl(shown) <= finding.wait <= NEGATIVE_TTL
    assert proof.next_look == max(finding.wait for finding in held.values() if finding.wait is not None) + 1
    await pass_time(proof)
    assert (await client.prove([want], delegation)).complete


async def test_a_resolver_that_nobody_asked_shows_the_records_at_once(lab: Lab) -> None:
    zone = lab.zone()
    wants = wanted(zone.apex)
    client = Dns(lab.settings(resolvers=(UNBOUND_FRESH,)))
    delegation = await client.delegation(absolute(zone.apex))
    assert not (await client.prove(wants, delegation)).at_authoritative
    zone.put(*wants)
    assert (await client.prove(wants, delegation)).complete


async def test_the_next_look_at_an_old_target_is_when_it_is_forgotten(lab: Lab) -> None:
    zone = lab.zone()
    old, new = (record("s1._domainkey", "CNAME", target, zone.apex, 2) for target in ("old.example.net.", TARGET))
    zone.put(old)
    for resolver in RESOLVERS:
        assert dig_short(lab, resolver, old) == ["old.example.net."]
    zone.put(new)
    client = Dns(lab.settings())
    delegation = await client.delegation(absolute(zone.apex))
    proof = await client.prove([new], delegation, former=[old])
    assert proof.at_authoritative
    held = {finding.server: finding for finding in proof.findings if finding.holds}
    assert held, "no resolver remembers"
    for server, finding in held.items():
        assert at(proof, server) == {Verdict.OLD}
        assert finding.wait is not None
        assert finding.wait <= 2
    await pass_time(proof)
    assert (await client.prove([new], delegation)).complete
