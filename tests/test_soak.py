"""The soak's judge can say no: it is shown zones that were harmed, records that came twice, and vendors that were asked too often."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from soak import Client, Judge, others
from wixsend.testing.world import World, record

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


async def test_a_write_to_a_zone_that_has_everything_is_found(world: World, tmp_path: Path) -> None:
    judge = Judge(world, [A, B])
    await world.fleet().bulk("domain\na.example\nb.example")
    await world.run("a.example", site=world.wix.site.id).undo()
    assert judge.judged().twice == ["a.example"], "an undo is such a write; in a soak there is none"
