"""The soak's judge can say no: it is shown zones that were harmed, records that came twice, and vendors that were asked too often."""

import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from soak import HTTP_TROUBLES, LAG, Chances, Client, Judge, Lagging, explained, others, unexplained
from wixsend.testing.fakes import Request, Response
from wixsend.testing.world import Clock, World, owner, record

A, B = Client("a.example", "cloudflare", 0), Client("b.example", "namecheap", 0)


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        for client in (A, B):
            made.add(client.domain, client.account, others(client.domain))
        yield made


async def test_a_run_that_does_its_job_is_found_right(world: World) -> None:
    judge = Judge(world, [A, B])
    assert judge.judged().not_authenticated == ["a.example", "b.example"]
    await world.fleet().bulk("domain\na.example\nb.example")
    found = judge.judged()
    assert (found.authenticated, found.wrong, found.twice, found.too_often.total()) == (2, [], [], 0)
    assert found.calls > 4


async def test_a_row_that_is_lost_or_changed_is_found(world: World) -> None:
    judge = Judge(world, [A, B])
    await world.fleet().bulk("domain\na.example\nb.example")
    world.edit_behind("cloudflare", "a.example", remove=[record("@", "MX", "10 mx1.example.net.", "a.example")])
    (wrong,) = judge.judged().wrong
    assert wrong.startswith("a.example (lost ") and "mx1.example.net" in wrong


async def test_a_record_that_is_missing_though_wix_says_authenticated_is_found(world: World) -> None:
    judge = Judge(world, [A, B])
    await world.fleet().bulk("domain\na.example\nb.example")
    world.edit_behind("namecheap", "b.example", remove=[world.wanted("b.example")[0]])
    (wrong,) = judge.judged().wrong
    assert wrong.startswith("b.example (0 of ")


async def test_a_dmarc_record_that_is_missing_is_no_smaller_matter(world: World) -> None:
    judge = Judge(world, [A, B])
    await world.fleet().bulk("domain\na.example\nb.example")
    dmarc = next(want for want in world.wanted("a.example") if want.owner == owner("_dmarc", "a.example"))
    world.edit_behind("cloudflare", "a.example", remove=[dmarc])
    assert judge.judged().wrong == ["a.example (0 of _dmarc.a.example.)"]


@pytest.mark.parametrize("client", [A, B], ids=lambda client: client.account)
async def test_a_record_that_nobody_asked_for_and_one_that_is_there_twice_are_found(world: World, client: Client) -> None:
    judge = Judge(world, [A, B])
    await world.fleet().bulk("domain\na.example\nb.example")
    world.edit_behind(client.account, client.domain, add=[record("new", "A", "192.0.2.1", client.domain), world.wanted(client.domain)[0]])
    (wrong,) = judge.judged().wrong
    assert f"new.{client.domain}. 3600 A 192.0.2.1 came" in wrong and "too many" in wrong


async def test_a_setting_that_changed_is_found(world: World) -> None:
    judge = Judge(world, [A, B])
    world.hosts["namecheap"].add_zone("b.example", others("b.example"), EmailType="FWD")
    (wrong,) = judge.judged().wrong
    assert "its settings changed" in wrong


async def test_a_domain_that_stopped_must_say_why_and_a_bug_is_no_reason(world: World) -> None:
    judge = Judge(world, [A, B])
    world.edit_behind("namecheap", "b.example", add=[record("s1._domainkey", "TXT", '"mine"', "b.example")])
    await world.fleet().bulk("domain\na.example\nb.example")
    found, journal = judge.judged(), world.fleet().journal()
    assert explained(journal) == {"b.example": "refused"}
    assert unexplained(found, explained(journal)) == []
    assert unexplained(found, {}) == unexplained(found, {"b.example": "bug"}) == ["b.example"]
    journal.close()


async def test_a_write_to_a_zone_that_has_everything_is_found(world: World, tmp_path: Path) -> None:
    judge = Judge(world, [A, B])
    await world.fleet().bulk("domain\na.example\nb.example")
    await world.run("a.example", site=world.wix.site.id).undo()
    assert judge.judged().twice == ["a.example"], "an undo is such a write; in a soak there is none"


def test_every_trouble_befalls_its_share_of_the_calls() -> None:
    random.seed(1)
    shut: list[str] = []
    chances = Chances(0.03, shut.append)
    calls = 20_000
    faults = [chances.take("cloudflare", number, Request("GET", "/")) for number in range(calls)]
    assert chances.met.keys() == HTTP_TROUBLES.keys()
    assert all(0.02 < met / calls < 0.04 for met in chances.met.values())
    for fault in faults:
        if fault is not None and fault.action is not None:
            fault.action()
    assert shut == ["cloudflare"] * chances.met["refused"]


def test_a_host_that_lags_answers_a_read_as_before_the_write_and_not_for_long() -> None:
    clock, zone, read = Clock(), ("cloudflare", "a"), Request("GET", "/zones/a")
    lagging = Lagging(1.0, clock.now)
    before, after = Response(body=b"before"), Response(body=b"after")
    assert lagging.read(zone, read, before) == before
    lagging.wrote(zone)
    assert lagging.read(zone, read, after) == before
    assert lagging.read(("cloudflare", "b"), read, after) == after
    assert lagging.read(zone, Request("GET", "/zones/a", (("name", "www"),)), after) == after, "it was not asked before"
    clock.at += LAG
    assert lagging.read(zone, read, after) == after
    assert lagging.met == 1
