"""An account may hold several zones of one name: the job writes to the one that the world sees, or to none."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from wixsend import ZoneNotHeld
from wixsend.flow import Stage
from wixsend.testing.world import GivenPlugins, World
from wixsend_route53 import PLUGIN
from wixsend_route53.sandbox import FakeRoute53

_LEFTOVER = ("ns-1.awsdns-01.com", "ns-2.awsdns-02.net")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, plugins=lambda: GivenPlugins([(PLUGIN, FakeRoute53)])) as world:
        yield world


def _cnames(world: World) -> dict[str, int]:
    """How many CNAMEs each hosted zone has."""
    raw = world.raw("route53", "example.com")
    return {ref: sum(row["zone"] == ref and row["Type"] == "CNAME" for row in raw["records"]) for ref, *_ in raw["zones"]}


async def test_the_one_that_the_domain_is_delegated_to_is_written(world: World) -> None:
    world.add("example.com", "route53")
    host = world.hosts["route53"]
    host.add_zone("example.com", name_servers=_LEFTOVER)
    host.add_zone("example.com", private=True)
    assert (await world.run("example.com").authenticate()).case.stage is Stage.DONE
    seen, leftover, private = _cnames(world).values()
    assert seen > 0 and not leftover and not private


async def test_where_none_is_they_are_named_and_none_is_written(world: World) -> None:
    world.add("example.com", "route53", name_servers=_LEFTOVER)
    world.hosts["route53"].add_zone("example.com", name_servers=_LEFTOVER, comment="the one of last year")
    with pytest.raises(ZoneNotHeld) as raised:
        await world.run("example.com").preview()
    assert all(ref in raised.value.happened for ref in _cnames(world))
    assert "the one of last year" in raised.value.happened and not any(_cnames(world).values())
