"""Floors 4 and 5: name servers that say nothing while a plan is made. That passes, or the case stops and says why; nothing is guessed."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from wixsend.errors import DnsUnreachable
from wixsend.flow import Stage
from wixsend.names import Name
from wixsend.testing.dns import DnsFault
from wixsend.testing.world import Run, World, owner, record

SPF = record("@", "TXT", '"v=spf1 -all"')
TRIES = 5
"""Of `[times] stumbles_early`."""

QUESTIONS = [
    pytest.param("cloudflare", owner("_dmarc", "com"), "TXT", id="an inherited DMARC policy"),
    pytest.param("cloudflare", owner("s1._domainkey"), "NS", id="a zone cut"),
    pytest.param("namecheap", owner("_sip._tls"), "SRV", id="records that the host hides"),
]
"""What a plan asks of DNS, by the host whose plan asks it."""


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


def stumbles(run: Run) -> list[str]:
    """The passing failures that the run told of, one after the other."""
    told = [update.entry for update in run.updates if update.entry.case.stumble is not None]
    return [entry.case.stumble.error for entry in {entry.seq: entry for entry in told}.values() if entry.case.stumble is not None]


def holds_everything(world: World, host: str) -> bool:
    return set(world.wanted("example.com")) <= set(world.hosts[host].published("example.com"))


@pytest.mark.parametrize(("host", "name", "rtype"), QUESTIONS)
async def test_silence_that_passes_is_tried_again_and_no_record_is_left_out(world: World, host: str, name: Name, rtype: str) -> None:
    world.add("example.com", host, [SPF])
    fault = DnsFault("servfail", "authority", name, rtype, times=3)
    world.dns.add_fault(fault)
    run = world.run("example.com")
    entry = await run.authenticate()
    assert (entry.case.stage, entry.case.kept) == (Stage.DONE, ())
    assert fault.times == 0 and 1 <= len(stumbles(run)) < TRIES
    assert set(stumbles(run)) == {DnsUnreachable.code}
    assert holds_everything(world, host)


@pytest.mark.parametrize(("host", "name", "rtype"), QUESTIONS)
async def test_silence_that_lasts_stops_the_case_and_says_why(world: World, host: str, name: Name, rtype: str) -> None:
    world.add("example.com", host, [SPF])
    world.dns.add_fault(DnsFault("servfail", "authority", name, rtype))
    run = world.run("example.com")
    entry = await run.authenticate()
    stop = entry.case.stop
    assert entry.case.stage is Stage.STOPPED and stop is not None
    assert (stop.error, stop.exit_code) == (DnsUnreachable.code, DnsUnreachable.exit_code)
    assert stop.happened.startswith(f"gave up after {TRIES} tries: ") and "run the same command again" in stop.next_step
    assert len(stumbles(run)) == TRIES
    assert list(world.hosts[host].published("example.com")) == [SPF], "nothing was written"
    world.dns.faults.clear()
    assert (await world.run("example.com").authenticate()).case.stage is Stage.DONE
    assert holds_everything(world, host)


async def test_a_preview_does_not_guess_either(world: World) -> None:
    world.add("example.com", "cloudflare", [SPF])
    world.dns.add_fault(DnsFault("servfail", "authority", owner("_dmarc", "com"), "TXT"))
    with pytest.raises(DnsUnreachable, match=r"_dmarc\.com"):
        await world.run("example.com").preview()


async def test_an_inherited_policy_that_does_not_count_is_not_asked_for(world: World) -> None:
    world.add("example.com", "cloudflare", [SPF])
    world.dns.add_fault(DnsFault("servfail", "authority", owner("_dmarc", "com"), "TXT"))
    entry = await world.run("example.com", dmarc="replace").authenticate()
    assert entry.case.stage is Stage.DONE and holds_everything(world, "cloudflare")


async def test_srv_records_that_a_person_lets_go_of_are_not_waited_for(world: World) -> None:
    world.add("example.com", "namecheap", [SPF])
    world.dns.add_fault(DnsFault("servfail", "authority", rtype="SRV"))
    entry = await world.run("example.com", accept=frozenset({"srv"})).authenticate()
    assert entry.case.stage is Stage.DONE and holds_everything(world, "namecheap")


@pytest.mark.parametrize("name", [owner("_dmarc"), owner("_dmarc", "com")], ids=["at the name", "above it"])
async def test_what_a_person_is_to_add_is_not_guessed(world: World, name: Name) -> None:
    world.add("example.com", "cloudflare", [SPF])
    fault = DnsFault("servfail", "authority", name, "TXT", times=3)
    world.dns.add_fault(fault)
    run = world.run("example.com", by_hand=True)
    entry = await run.authenticate(wait=False)
    assert (entry.case.stage, entry.case.kept) == (Stage.PROVING, ())
    assert fault.times == 0 and set(stumbles(run)) == {DnsUnreachable.code}


async def test_a_domain_that_wix_calls_authenticated_is_done_whoever_is_silent(world: World) -> None:
    world.add("example.com", "cloudflare", [SPF])
    await world.run("example.com").authenticate()
    world.dns.add_fault(DnsFault("servfail", "authority", owner("_dmarc"), "TXT"))
    entry = await world.run("example.com", site="seen from another machine").authenticate()
    assert entry.case.stage is Stage.DONE and "DNS could not be checked: none of the authoritative servers" in entry.case.warning


async def test_an_undo_is_tried_again_too(world: World) -> None:
    world.add("example.com", "namecheap", [SPF])
    await world.run("example.com").authenticate()
    fault = DnsFault("servfail", "authority", owner("_sip._tls"), "SRV", times=3)
    world.dns.add_fault(fault)
    assert (await world.run("example.com").undo()).edit
    assert fault.times == 0
    assert list(world.hosts["namecheap"].published("example.com")) == [SPF]
