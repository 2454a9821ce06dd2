"""Floor 5: a run against vendors whose true limits are on, by a clock that runs fast: nobody is ever asked too often.

The run is stopped in the middle, and another process goes on with it.
"""

import asyncio
from collections import Counter
from pathlib import Path

from wixsend.events import Stumbled, Wrote
from wixsend.flow import Stage, Times
from wixsend.records import Record
from wixsend.testing.server import Call, Fault
from wixsend.testing.world import FastClock, Fleet, World, record

SPEED = 12.0

TIMES = Times(zone_fresh=0.5 * SPEED, plan_fresh=5.0 * SPEED)
"""What was read is as old by this clock as the machine is slow."""

REFUSALS = {"namecheap": 405}
"""How a vendor says that it was asked too often, if not with 429."""


def others(domain: str) -> tuple[Record, ...]:
    return (record("www", "A", "192.0.2.10", domain), record("@", "MX", "10 mx1.example.net.", domain))


def refused(world: World) -> list[Call]:
    return [call for call in world.server.calls if call.status == REFUSALS.get(call.service, 429)]


async def stopped_in_the_middle(world: World, fleet: Fleet, sheet: str) -> None:
    run = asyncio.create_task(fleet.bulk(sheet))
    while world.server.count("namecheap") < 10:  # noqa: ASYNC110 - it is no event of ours
        await asyncio.sleep(0.01)
    run.cancel()
    await asyncio.wait([run])


async def test_no_vendor_is_asked_more_often_than_it_allows(tmp_path: Path) -> None:
    counts = {"cloudflare": 4, "godaddy": 24, "namecheap": 9}
    with World(tmp_path, clock=FastClock(SPEED)) as world:
        names = [(host, f"{host}-{number}.example") for host, count in counts.items() for number in range(count)]
        for host, name in names:
            world.add(name, host, others(name))
        fleet: Fleet = world.fleet(times=TIMES, timeout=30.0)
        await stopped_in_the_middle(world, fleet, "\n".join(["domain", *(name for _host, name in names)]))
        await world.fleet(times=TIMES, timeout=30.0).drive()
        journal = fleet.journal()
        ended = Counter(entry.case.stage for entry in journal.entries())
        journal.close()
        assert ended == {Stage.DONE: len(names)}
        assert refused(world) == []
        for host, name in names:
            held = Counter(r for r in world.hosts[host].published(name) if r.rtype != "NS")
            assert all(held[want] == 1 for want in (*world.wanted(name), *others(name)))
        assert world.server.count("namecheap") > 20, "more calls than fit into a minute"
        assert world.server.count("godaddy") > 60


async def test_domains_of_an_account_that_is_shut_leave_their_places_to_others(tmp_path: Path) -> None:
    """More of them than there are places, and first in the list."""
    with World(tmp_path, clock=FastClock(60.0)) as world:
        shut = [f"shut-{number}.example" for number in range(70)]
        for host, name in (*(("cloudflare", name) for name in shut), ("namecheap", "open.example")):
            world.add(name, host, others(name))
        world.server.faults.add(Fault("status", service="cloudflare", status=429, headers={"retry-after": "900"}))
        fleet: Fleet = world.fleet(times=TIMES, timeout=30.0)
        driving = asyncio.create_task(fleet.bulk("\n".join(["domain", *shut, "open.example"])))
        journal = fleet.journal()
        async with asyncio.timeout(60.0):
            while not [h for _entry, history in journal.told() for h in history if isinstance(h.event, Wrote)]:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        assert world.server.count("cloudflare") == 1, "the account is still shut"
        stumbles = [h.event for _entry, history in journal.told() for h in history if isinstance(h.event, Stumbled)]
        assert len(stumbles) == 70
        assert all(stumble.error == "rate-limited" and 0 < (stumble.retry_after or 0) <= 900 for stumble in stumbles)
        async with asyncio.timeout(60.0):
            await driving
        ended = Counter(entry.case.stage for entry in journal.entries())
        journal.close()
        assert ended == {Stage.DONE: 71}
