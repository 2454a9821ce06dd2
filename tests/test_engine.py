"""Floor 5: the whole job in a world of fakes at the wire, judged by the vendors' raw state."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wixsend.errors import Refused
from wixsend.flow import Patience, Stage, Times
from wixsend.records import Record
from wixsend.testing.world import World, no, owner, record

HOSTS = ("cloudflare", "godaddy", "namecheap")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


OTHERS = (
    record("@", "A", "192.0.2.10"),
    record("www", "CNAME", "example.com."),
    record("@", "MX", "10 mx1.example.net."),
    record("@", "TXT", '"v=spf1 include:_spf.example.net ~all"'),
    record("_dmarc", "TXT", '"v=DMARC1; p=reject; rua=mailto:d@example.com"'),
)


def rows(raw: Any) -> Counter[str]:
    """A vendor's rows as a multiset of JSON texts; what the vendor renumbers at each write, and notes, are left to the fakes' own tests."""
    volatile = {"id", "modified_on", "created_on", "HostId", "comment"}
    return Counter(json.dumps({k: v for k, v in row.items() if k not in volatile}, sort_keys=True, default=str) for row in raw["records"])


def settings(raw: Any) -> str:
    return json.dumps({k: v for k, v in raw.items() if k != "records"}, sort_keys=True, default=str)


@pytest.mark.parametrize("host", HOSTS)
async def test_a_domain_is_authenticated_and_nothing_else_changes(world: World, host: str) -> None:
    world.add("example.com", host, OTHERS)
    before = world.raw(host, "example.com")
    entry = await world.run("example.com").authenticate()
    assert entry.case.stage is Stage.DONE, entry.case
    after = world.raw(host, "example.com")
    assert not rows(before) - rows(after)
    assert sum((rows(after) - rows(before)).values()) == 4
    assert settings(before) == settings(after)
    assert [held.status for held in world.wix.domains.values()] == ["AUTHENTICATED"]


@pytest.mark.parametrize(("host", "most"), [("cloudflare", 3), ("godaddy", 4), ("namecheap", 4)])
async def test_calls_for_a_fresh_domain_and_when_nothing_is_to_do(world: World, host: str, most: int) -> None:
    world.add("example.com", host, OTHERS)
    await world.run("example.com").authenticate()
    assert world.server.count(host) <= most
    assert world.server.count("wix") <= 4
    world.server.reset_counts()
    for held in world.wix.domains.values():
        held.status = "NOT_AUTHENTICATED"
    entry = await world.run("example.com").authenticate()
    assert entry.case.stage is Stage.DONE
    assert world.server.count(host) <= 2
    assert world.server.count("wix") <= 4


@pytest.mark.parametrize("host", HOSTS)
async def test_undo_takes_back_what_we_wrote_and_nothing_else(world: World, host: str) -> None:
    world.add("example.com", host, OTHERS)
    before = world.raw(host, "example.com")
    await world.run("example.com").authenticate()
    await world.run("example.com").undo()
    after = world.raw(host, "example.com")
    assert rows(before) == rows(after)
    assert settings(before) == settings(after)
    with pytest.raises(Refused, match="nothing to undo"):
        await world.run("example.com").undo()


@pytest.mark.parametrize("host", HOSTS)
async def test_undo_puts_back_what_a_replace_took_away(world: World, host: str) -> None:
    theirs = record("s1._domainkey", "CNAME", "s1.domainkey.u1.wl.sendgrid.net.")
    world.add("example.com", host, (*OTHERS, theirs))
    before = rows(world.raw(host, "example.com"))
    entry = await world.run("example.com", dmarc="replace", replace=frozenset({theirs.owner})).authenticate()
    assert entry.case.stage is Stage.DONE, entry.case
    replaced = rows(world.raw(host, "example.com"))
    assert sum((before - replaced).values()) == 2
    await world.run("example.com").undo()
    assert rows(world.raw(host, "example.com")) == before


@pytest.mark.parametrize("host", HOSTS)
async def test_a_conflict_is_refused_and_nothing_is_written(world: World, host: str) -> None:
    world.add("example.com", host, (*OTHERS, record("s1._domainkey", "CNAME", "s1.domainkey.u1.wl.sendgrid.net.")))
    before = world.raw(host, "example.com")
    entry = await world.run("example.com").authenticate()
    assert entry.case.stage is Stage.STOPPED
    assert entry.case.stop is not None
    assert (entry.case.stop.error, entry.case.stop.exit_code) == ("refused", 3)
    assert "sendgrid" in entry.case.stop.happened
    assert "--replace s1._domainkey.example.com" in entry.case.stop.next_step
    assert world.raw(host, "example.com") == before


async def test_without_a_yes_nothing_is_written(world: World) -> None:
    world.add("example.com", "cloudflare", OTHERS)
    before = world.raw("cloudflare", "example.com")
    with pytest.raises(Refused):
        await world.run("example.com").authenticate(approve=no)
    assert world.raw("cloudflare", "example.com") == before
    entry = await world.run("example.com").authenticate()
    assert entry.case.stage is Stage.DONE


async def test_a_preview_writes_nothing_anywhere(world: World) -> None:
    world.add("example.com", "namecheap", OTHERS)
    before = world.raw("namecheap", "example.com")
    preview = await world.run("example.com").preview()
    assert preview.plan is not None
    assert len(preview.plan.edit.adds) == 4
    assert len(preview.plan.kept) == 1
    assert preview.negative_ttl == 300
    assert world.raw("namecheap", "example.com") == before
    journal = world.run("example.com").journal()
    assert journal.entries() == []
    journal.close()


async def test_no_resolver_hears_of_the_names_before_the_authoritative_servers_answer(tmp_path: Path) -> None:
    with World(tmp_path, delay=40.0) as world:
        world.add("example.com", "cloudflare", OTHERS)
        entry = await world.run("example.com").authenticate()
        assert entry.case.stage is Stage.DONE
        below = [query for query in world.dns.queries if query.name.is_subdomain(owner("@")) and query.name != owner("@")]
        recursive = [place for place, query in enumerate(below) if query.rd]
        hidden = [place for place, query in enumerate(below) if not query.rd]
        assert recursive
        assert hidden
        assert min(recursive) > max(place for place in hidden)


async def test_a_sub_domain_sender_is_written_into_the_zone_that_serves_it(world: World) -> None:
    world.add("mail.example.com", "cloudflare", OTHERS, apex="example.com")
    entry = await world.run("mail.example.com").authenticate()
    assert entry.case.stage is Stage.DONE, entry.case
    assert entry.case.apex == owner("@")
    assert entry.case.kept, "p=reject of example.com would be overridden"


async def test_a_delegated_sub_zone_is_found(world: World) -> None:
    world.add_zone("example.com", "cloudflare", OTHERS)
    world.add("mail.example.com", "godaddy")
    entry = await world.run("mail.example.com").authenticate()
    assert entry.case.stage is Stage.DONE, entry.case
    assert (entry.case.provider, entry.case.apex) == ("godaddy", owner("mail"))


async def test_records_that_wix_is_still_making_are_waited_for(world: World) -> None:
    world.wix.add_domain("example.com", initializing_for=100.0)
    world.add_zone("example.com", "cloudflare")
    entry = await world.run("example.com").authenticate()
    assert entry.case.stage is Stage.DONE
    assert world.clock.slept >= 100.0


async def test_an_authenticated_domain_with_records_gone_is_a_warning(world: World) -> None:
    world.add("example.com", "cloudflare")
    await world.run("example.com").authenticate()
    world.hosts["cloudflare"].edit_behind("example.com", remove=world.wanted("example.com")[:1])
    entry = await world.run("example.com").authenticate()
    assert entry.case.stage is Stage.DONE
    assert "no longer" in entry.case.warning


async def test_records_that_are_gone_are_written_again_when_a_person_says_so(world: World) -> None:
    world.add("example.com", "cloudflare", OTHERS)
    await world.run("example.com").authenticate()
    await world.run("example.com").undo()
    warned = await world.run("example.com").authenticate()
    assert "--again" in warned.case.warning
    mended = await world.run("example.com", again=True).authenticate()
    assert mended.case.stage is Stage.DONE
    assert "--again" not in mended.case.warning
    assert {record.owner for record in world.wanted("example.com")[:4]} <= {
        r.owner for r in world.hosts["cloudflare"].published("example.com")
    }
    assert [held.attempts for held in world.wix.domains.values()] == [1], "Wix was not asked to authenticate what is authenticated"


async def test_an_authenticated_domain_with_a_policy_of_its_own_is_no_warning(world: World) -> None:
    world.add("example.com", "cloudflare", OTHERS)
    await world.run("example.com").authenticate()
    elsewhere = world.run("example.com", site="seen from another machine")
    assert "no longer" not in (await elsewhere.authenticate()).case.warning


async def test_wix_insisting_on_dmarc_is_said_after_two_tries(world: World) -> None:
    world.wix.requires_dmarc = True
    world.add("example.com", "cloudflare", OTHERS)
    run = world.run("example.com")
    entry = await run.authenticate()
    assert entry.case.stage is Stage.STOPPED
    why = [update.entry.case.why for update in run.updates if update.entry.case.tries == 2]
    assert any("_dmarc" in reason for reason in why)
    again = await world.run("example.com", dmarc="replace").authenticate()
    assert again.case.stage is Stage.DONE


async def test_another_word_on_dmarc_takes_a_waiting_case_up_again(world: World) -> None:
    world.wix.requires_dmarc = True
    world.add("example.com", "cloudflare", OTHERS)
    waiting = await world.run("example.com").authenticate(wait=False)
    assert waiting.case.stage is Stage.PROVING
    entry = await world.run("example.com", dmarc="replace").authenticate(wait=False)
    assert entry.case.stage is Stage.DONE
    assert not entry.case.kept


async def test_a_host_that_was_unknown_is_written_to_once_a_person_names_it(world: World) -> None:
    world.wix.add_domain("example.com")
    world.hosts["cloudflare"].add_zone("example.com")
    world.dns.add_zone("example.com", ("ns1.vanity.net", "ns2.vanity.net"), world.hosts["cloudflare"].published)
    assert (await world.run("example.com").authenticate(wait=False)).case.stage is Stage.PROVING
    assert (await world.run("example.com", provider="cloudflare").authenticate()).case.stage is Stage.DONE


async def test_records_at_a_host_that_the_zone_is_not_delegated_to_are_found_there_and_said(world: World) -> None:
    """A person named the host; the world asks another one. Also after a restart: the journal knows the host's name servers."""
    world.wix.add_domain("example.com")
    cloudflare = world.hosts["cloudflare"]
    cloudflare.add_zone("example.com")
    world.dns.add_zone("example.com", ("ns1.vanity.net", "ns2.vanity.net"))
    world.dns.add_undelegated("example.com", cloudflare.name_servers, cloudflare.published)
    for _run in range(2):
        entry = await world.run("example.com", provider="cloudflare").authenticate(wait=False)
        assert entry.case.stage is Stage.PROVING
        assert f"it is at {cloudflare.name_servers[0]} (" in entry.case.why and "not delegated to" in entry.case.why


async def test_as_documented_wix_is_asked_an_hour_after_the_write(world: World) -> None:
    world.add("example.com", "cloudflare", OTHERS)
    run = replace(world.run("example.com"), times=Times(Patience.DOCUMENTED))
    waiting = await run.authenticate(wait=False)
    assert waiting.case.stage is Stage.AUTHENTICATING and "Wix is asked 1 h after the records were added" in waiting.case.why
    assert world.clock.slept < 60
    begun = world.clock.at
    assert (await run.authenticate()).case.stage is Stage.DONE
    assert 3500 < world.clock.at - begun < 3700


async def test_a_zone_at_nobody_we_know_is_watched_until_a_person_added_the_records(world: World) -> None:
    world.wix.add_domain("example.com")
    held: list[Record] = []
    world.dns.add_zone("example.com", ("ns1.unknown-host.net", "ns2.unknown-host.net"), lambda _apex: tuple(held))
    run = world.run("example.com")
    entry = await run.authenticate(wait=False)
    assert entry.case.stage is Stage.PROVING
    assert "no installed plugin knows" in entry.case.how
    held.extend(world.wanted("example.com"))
    world.clock.at += 600
    entry = await world.run("example.com").authenticate()
    assert entry.case.stage is Stage.DONE


async def test_a_zone_that_wix_serves_is_followed(world: World) -> None:
    domain = world.wix.add_domain("example.com")
    world.dns.add_zone("example.com", ("ns10.wixdns.net", "ns11.wixdns.net"))
    run = world.run("example.com")
    entry = await run.authenticate(wait=False)
    assert entry.case.stage is Stage.FOLLOWING
    domain.status = "AUTHENTICATED"
    world.clock.at += 600
    assert (await world.run("example.com").authenticate()).case.stage is Stage.DONE


async def test_several_hosts_at_once_are_named(world: World) -> None:
    world.wix.add_domain("example.com")
    servers = (world.hosts["cloudflare"].name_servers[0], world.hosts["godaddy"].name_servers[0])
    world.dns.add_zone("example.com", servers)
    entry = await world.run("example.com").authenticate(wait=False)
    assert "several hosts" in entry.case.how
    assert "Cloudflare" in entry.case.how
    assert "GoDaddy" in entry.case.how


async def test_a_zone_in_another_account_is_an_error_that_names_the_accounts(world: World) -> None:
    world.wix.add_domain("example.com")
    world.dns.add_zone("example.com", world.hosts["cloudflare"].name_servers)
    entry = await world.run("example.com").authenticate()
    assert entry.case.stop is not None
    assert entry.case.stop.error == "zone-not-held"
    assert "cloudflare" in entry.case.stop.happened


async def test_two_sites_that_want_different_targets_are_a_conflict_that_names_both(world: World) -> None:
    world.add("example.com", "cloudflare")
    await world.run("example.com").authenticate()
    other = world.wix.add_site("second")
    world.wix.add_domain(
        "example.com", other, wants=[Record(r.owner, "CNAME", "other.s099.ascendbywix.com.") for r in world.wanted("example.com")]
    )
    world.wix.site = other
    entry = await world.run("example.com", site="second", replace=frozenset({owner("s1._domainkey")})).authenticate()
    assert entry.case.stop is not None
    assert entry.case.stop.error == "refused"
    assert "site main" in entry.case.stop.happened


async def test_undo_keeps_what_another_site_needs(world: World) -> None:
    world.add("example.com", "cloudflare")
    await world.run("example.com").authenticate()
    other = world.wix.add_site("second")
    world.wix.add_domain("example.com", other, wants=world.wanted("example.com"))
    world.wix.site = other
    assert (await world.run("example.com", site="second").authenticate()).case.stage is Stage.DONE
    held = rows(world.raw("cloudflare", "example.com"))
    plan = await world.run("example.com").undo()
    assert not plan.edit
    assert rows(world.raw("cloudflare", "example.com")) == held
