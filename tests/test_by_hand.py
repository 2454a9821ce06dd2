"""A case whose records a person adds: it is watched without any host's credentials, and ends by itself."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from wixsend import byhand
from wixsend.byhand import Handoff, State
from wixsend.errors import CredentialsMissing, Refused
from wixsend.flow import Patience, Stage, Times
from wixsend.journal import Entry
from wixsend.lookup import Dns
from wixsend.names import Name, absolute, parse_sending_domain, text
from wixsend.records import Record
from wixsend.testing.world import World, no, owner, record

DAY = 86400.0
GANDI = ("a.dns.gandi.net", "b.dns.gandi.net")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        made.wix.add_domain("example.com")
        yield made


def elsewhere(world: World, *records: Record, servers: Sequence[str] = GANDI) -> list[Record]:
    """The zone at a host without a plugin; what it holds, to be added to."""
    held = list(records)
    world.dns.add_zone("example.com", servers, lambda _apex: tuple(held))
    return held


def without_credentials(world: World) -> World:
    """The same world, in which nobody has an account at any host."""
    world.accounts.clear()
    return world


async def looked_after(world: World) -> Entry:
    """What comes of a case that is looked at twice a day until it needs nobody any more."""
    while True:
        entry = await world.run("example.com").authenticate(wait=False)
        if entry.case.stage is not Stage.PROVING:
            return entry
        world.clock.at += DAY / 2


# -- the case ----------------------------------------------------------------------------------------------------------


async def test_handed_over_it_needs_no_account_and_ends_when_the_records_are_there(world: World) -> None:
    world.add_zone("example.com", "godaddy")
    without_credentials(world)
    entry = await world.run("example.com", by_hand=True).authenticate(approve=no, wait=False)
    assert (entry.case.stage, entry.case.handed, entry.case.provider) == (Stage.PROVING, True, "")
    assert "by hand" in entry.case.how
    world.hosts["godaddy"].edit_behind("example.com", add=world.wanted("example.com"))
    world.clock.at += 600
    entry = await world.run("example.com").authenticate(approve=no)
    assert entry.case.stage is Stage.DONE, entry.case
    assert world.server.count("godaddy") == 0


async def test_without_it_the_missing_account_is_an_error(world: World) -> None:
    world.add_zone("example.com", "godaddy")
    with pytest.raises(CredentialsMissing):
        await without_credentials(world).run("example.com").authenticate()


async def test_whoever_goes_on_with_it_leaves_the_zone_to_the_person(world: World) -> None:
    world.add_zone("example.com", "godaddy")
    await world.run("example.com", by_hand=True).authenticate(wait=False)
    before = world.raw("godaddy", "example.com")
    for _again in range(2):
        entry = await world.run("example.com").authenticate(wait=False)
        assert entry.case.stage is Stage.PROVING and entry.case.handed
    assert world.raw("godaddy", "example.com") == before and world.server.count("godaddy") == 0


async def test_who_names_the_host_takes_it_back(world: World) -> None:
    world.add_zone("example.com", "godaddy")
    await world.run("example.com", by_hand=True).authenticate(wait=False)
    entry = await world.run("example.com", provider="godaddy").authenticate()
    assert (entry.case.stage, entry.case.handed, entry.case.provider) == (Stage.DONE, False, "godaddy")


async def test_a_plan_that_waits_for_a_yes_can_be_handed_over_instead(world: World) -> None:
    world.add_zone("example.com", "godaddy")
    with pytest.raises(Refused):
        await world.run("example.com").authenticate(approve=no)
    entry = await world.run("example.com", by_hand=True).authenticate(approve=no, wait=False)
    assert entry.case.stage is Stage.PROVING and entry.case.handed


async def test_a_person_gets_weeks_and_wix_two_days_from_when_all_is_there(world: World) -> None:
    held = elsewhere(world)
    await world.run("example.com", by_hand=True).authenticate(wait=False)
    world.clock.at += 20 * DAY
    entry = await world.run("example.com").authenticate(wait=False)
    assert entry.case.stage is Stage.PROVING, "two days are for what wixsend wrote"
    assert entry.case.due - world.clock.at <= 3600.0
    held.extend(world.wanted("example.com"))
    world.clock.at += 3600
    entry = await world.run("example.com").authenticate()
    assert entry.case.stage is Stage.DONE
    assert world.clock.at - entry.case.since < DAY


async def test_after_a_month_it_stops_and_says_so(world: World) -> None:
    elsewhere(world)
    await world.run("example.com", by_hand=True).authenticate(wait=False)
    begun = world.clock.at
    entry = await looked_after(world)
    assert entry.case.stage is Stage.STOPPED and entry.case.stop is not None
    assert "after 720 hours DNS still does not show all records" in entry.case.stop.happened
    assert 30 * DAY <= world.clock.at - begun < 31 * DAY


async def test_begun_anew_after_that_it_is_still_the_persons(world: World) -> None:
    world.add_zone("example.com", "godaddy")
    await world.run("example.com", by_hand=True).authenticate(wait=False)
    assert (await looked_after(world)).case.stage is Stage.STOPPED
    entry = await world.run("example.com").authenticate(wait=False)
    assert entry.case.stage is Stage.PROVING and entry.case.handed and world.server.count("godaddy") == 0


async def test_who_goes_by_wixs_documentation_waits_for_the_person_all_the_same(world: World) -> None:
    held = elsewhere(world)
    run = replace(world.run("example.com", by_hand=True), times=Times(Patience.DOCUMENTED))
    await run.authenticate(wait=False)
    world.clock.at += 2 * 3600
    entry = await replace(world.run("example.com"), times=Times(Patience.DOCUMENTED)).authenticate(wait=False)
    assert entry.case.stage is Stage.PROVING and world.wix.domains and entry.case.tries == 0
    held.extend(world.wanted("example.com"))
    world.clock.at += 3600
    entry = await replace(world.run("example.com"), times=Times(Patience.DOCUMENTED)).authenticate()
    assert entry.case.stage is Stage.DONE


async def test_a_zone_that_wix_serves_is_followed_and_handed_to_nobody(world: World) -> None:
    elsewhere(world, servers=("ns10.wixdns.net", "ns11.wixdns.net"))
    entry = await world.run("example.com", by_hand=True).authenticate(wait=False)
    assert entry.case.stage is Stage.FOLLOWING and not entry.case.handed


# -- what the owner is told --------------------------------------------------------------------------------------------


async def looked(world: World, kept: Sequence[Record] = ()) -> Handoff:
    domain = parse_sending_domain("example.com")
    dns = Dns(world.dns.settings(tries=1, timeout=5.0))
    try:
        wanted = [want for want in world.wanted("example.com") if want not in kept]
        return await byhand.look(dns, world.plugins, domain, await dns.delegation(domain.name), wanted, kept)
    finally:
        await dns.close()


def states(found: Handoff) -> dict[str, State]:
    return {text(task.record.owner).removesuffix(".example.com"): task.state for task in found.tasks}


async def test_each_record_is_looked_at(world: World) -> None:
    want = {text(each.owner): each for each in world.wanted("example.com")}
    elsewhere(
        world,
        want["s1._domainkey.example.com"],
        record("s2._domainkey", "CNAME", "s2.domainkey.u42.wl.sendgrid.net."),
        record("sel1._domainkey.example.com", "CNAME", want["sel1._domainkey.example.com"].rdata),
        record("sg", "TXT", '"v=spf1 -all"'),
    )
    found = await looked(world)
    assert states(found) == {
        "s1._domainkey": State.RIGHT,
        "s2._domainkey": State.CONFLICT,
        "sel1._domainkey": State.WRONG,
        "sg": State.CONFLICT,
        "_dmarc": State.MISSING,
    }
    told = {text(task.record.owner).split(".")[0]: (task.found, task.todo) for task in found.tasks}
    assert told["s2"][0] == "s2._domainkey.example.com holds CNAME s2.domainkey.u42.wl.sendgrid.net."
    assert "another service may sign your mail" in told["s2"][1]
    assert "the zone's name was added to the full name" in told["sel1"][0]
    assert told["sg"] == (
        'sg.example.com holds TXT "v=spf1 -all"',
        "Find out who uses it, then remove it: a CNAME must be alone at its name.",
    )
    assert not found.done and [host.name for host in found.parts[0].served.hosts] == ["gandi"]


async def test_an_address_in_place_of_the_record_may_be_a_proxy(world: World) -> None:
    elsewhere(world, record("sg", "A", "192.0.2.7"))
    found = await looked(world)
    task = next(task for task in found.tasks if task.record.owner == owner("sg"))
    assert task.state is State.CONFLICT and "orange cloud" in task.todo


async def test_a_wildcard_is_in_nobodys_way(world: World) -> None:
    elsewhere(world, record("*", "A", "192.0.2.7"))
    assert set(states(await looked(world)).values()) == {State.MISSING}


async def test_when_all_is_there_nothing_is_left_to_do(world: World) -> None:
    elsewhere(world).extend(world.wanted("example.com"))
    assert (await looked(world)).done


async def test_records_below_a_delegation_are_for_whoever_serves_it(world: World) -> None:
    below = absolute("_domainkey.example.com")
    elsewhere(world)
    world.dns.add_zone(text(below), ("ns1.linode.com", "ns2.linode.com"), lambda _apex: ())
    found = await looked(world)
    by_zone: dict[Name, list[str]] = {part.zone: [text(task.record.owner) for task in part.tasks] for part in found.parts}
    assert set(by_zone) == {absolute("example.com"), below}
    assert all(name.endswith("._domainkey.example.com") for name in by_zone[below])
    assert [[host.name for host in part.served.hosts] for part in found.parts if part.zone == below] == [["linode"]]


async def test_no_public_resolver_hears_of_the_names(world: World) -> None:
    elsewhere(world)
    await looked(world)
    asked = [query for query in world.dns.queries if query.server in world.dns.settings().resolvers]
    assert world.dns.queries and not asked
