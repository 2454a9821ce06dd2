"""Floor 5: bulk runs by clocks that do not just go on: daylight saving, a clock that is set back, a machine that sleeps for a day.

Nobody waits longer than he was told to, nothing is written twice, no domain is given up for hours in which nobody could look, and what is
printed is right on both sides of the change.
"""

import csv
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from test_bulk import HOSTS, clients, entries, happened, others, stages
from wixsend.events import Stumbled, Visible, WixAuthenticated, Wrote
from wixsend.flow import Stage
from wixsend.layout import clock, stamp
from wixsend.names import Name, absolute
from wixsend.plugins import Plugins
from wixsend.runreport import report_csv
from wixsend.runs import Runs
from wixsend.tally import Ending, ending
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault
from wixsend.testing.world import Clock, Fleet, World

HOUR, DAY = 3600.0, 86400.0


def is_write(request: Request) -> bool:
    return "setHosts" in request.body.decode() if "xml" in request.path else request.method != "GET"


def written_once(world: World, fleet: Fleet) -> bool:
    """True when every host holds what it held and what Wix wants, each once, after one write for each zone."""
    for name, entry in entries(fleet).items():
        host = entry.case.provider
        held = Counter(r for r in world.hosts[host].published(name) if r.rtype != "NS")
        assert held == Counter((*world.wanted(name), *others(name))), name
    return sum(is_write(call.request) for call in world.server.calls if call.service in HOSTS) == len(entries(fleet))


def when_written(world: World, act: Callable[[], None], call: int = 1) -> None:
    """Do this just after a host has made the edit of its write with this number, before its answer is sent."""
    writes = 0

    def around(_host: str, request: Request, work: Callable[[], Response]) -> Response:
        nonlocal writes
        answer = work()
        if is_write(request):
            writes += 1
            if writes == call:
                act()
        return answer

    world.around = around


def expected(fleet: Fleet) -> Ending:
    """When the run is expected to end."""
    journal = fleet.journal()
    runs = Runs(journal)
    run = runs.get("clients")
    found = ending(runs.groups(run), runs.left(run), Plugins(), {}, fleet.clock.now(), 2 * DAY)
    journal.close()
    return found


# -- daylight saving ---------------------------------------------------------------------------------------------------

CHANGES = {
    "spring": (datetime(2027, 3, 28, 1, tzinfo=UTC), "+01:00", "+02:00"),
    "autumn": (datetime(2027, 10, 31, 1, tzinfo=UTC), "+02:00", "+01:00"),
}
"""When Berlin's clocks jump from 2 to 3, and from 3 back to 2."""


@pytest.fixture
def berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "Europe/Berlin")
        time.tzset()
        yield
    time.tzset()


@pytest.mark.usefixtures("berlin")
@pytest.mark.parametrize("change", CHANGES)
async def test_a_run_over_a_change_of_daylight_saving_is_told_right_on_both_sides(tmp_path: Path, change: str) -> None:
    moment, before, after = CHANGES[change]
    began = moment.timestamp() - 600
    with World(tmp_path, delay=1800.0, clock=Clock(began)) as world:
        fleet = world.fleet()
        await fleet.bulk(clients(world, 3), wait=False)
        assert stages(fleet) == {Stage.PROVING: 3}
        end = expected(fleet)
        assert end.at is not None
        assert began + HOUR <= end.at < began + HOUR + 60, "an hour from the write, whatever the local clock makes of it"
        assert clock(began, began).endswith(before)
        assert clock(end.at, began).endswith(after)
        assert abs(told(clock(end.at, began), began) - end.at) < 1

        await fleet.drive()
        assert stages(fleet) == {Stage.DONE: 3}
        assert began + 1800 < max(happened(fleet, WixAuthenticated)) < began + 2 * 1800 + 60
        journal = fleet.journal()
        runs = Runs(journal)
        run = runs.get("clients")
        (header, *rows) = csv.reader("".join(report_csv(run, runs.filed(run), str)).splitlines())
        journal.close()
        for kind, column in ((Wrote, "wixsend_written_at"), (Visible, "wixsend_visible_at")):
            shown = [row[header.index(column)] for row in rows]
            assert shown == [stamp(at) for at in happened(fleet, kind)]
            assert all(cell.endswith("Z") for cell in shown), "a report says UTC, which no clock change moves"
        assert written_once(world, fleet)


def told(shown: str, today: float) -> float:
    """The moment that a person reads there; without a day, it is today."""
    day = datetime.fromtimestamp(today).astimezone().strftime("%Y-%m-%d ")
    return datetime.fromisoformat(shown if re.match(r"\d{4}-", shown) else day + shown).timestamp()


# -- a clock that is set back ------------------------------------------------------------------------------------------


class OurClock(Clock):
    """The clock of the machine that wixsend runs on: `set_back` changes it, and no other machine's."""

    def __init__(self, true: Clock) -> None:
        super().__init__()
        self._true = true
        self._behind = 0.0

    def now(self) -> float:
        return self._true.now() - self._behind

    async def sleep(self, seconds: float) -> None:
        await self._true.sleep(seconds)

    def set_back(self) -> None:
        self._behind += HOUR


def hesitant(world: World) -> None:
    """Wix sees nothing when it looks at a domain for the first time: every domain waits for its second try."""

    def resolve(name: Name) -> Name | None:
        tried = next(held.attempts for held in world.wix.domains.values() if name.is_subdomain(absolute(held.domain)))
        return world.dns.resolve(name) if tried > 1 else None

    world.wix.resolve = resolve


@pytest.mark.parametrize(("service", "call"), [("wix", 3), ("wix", 12), ("wix", 16), *((host, 3) for host in HOSTS)])
async def test_a_clock_that_is_set_back_by_an_hour_in_the_middle_costs_nobody_that_hour(tmp_path: Path, service: str, call: int) -> None:
    with World(tmp_path) as world:
        hesitant(world)
        fleet = world.fleet()
        fleet.clock = ours = OurClock(world.clock)
        world.server.faults.add(Fault("meanwhile", service=service, call=call, action=ours.set_back))
        await fleet.bulk(clients(world, 6))
        assert not world.server.faults.pending
        assert stages(fleet) == {Stage.DONE: 6}
        assert written_once(world, fleet)
        assert world.clock.slept < HOUR / 2


async def test_the_end_does_not_go_further_away_with_every_look(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.wix.resolve = lambda _name: None
        fleet = world.fleet()
        began = world.clock.at
        await fleet.bulk(clients(world, 3), wait=False)
        for hour in range(0, 12, 2):
            world.clock.at = began + hour * HOUR
            await fleet.drive(wait=False)
            assert stages(fleet) == {Stage.PROVING: 3}
            end = expected(fleet)
            assert end.at is not None
            assert began <= end.at - (HOUR if hour == 0 else 2 * DAY) < began + 60


async def test_after_the_clock_was_set_back_the_end_is_not_expected_later(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        hesitant(world)
        fleet = world.fleet()
        fleet.clock = ours = OurClock(world.clock)
        await fleet.bulk(clients(world, 3), wait=False)
        assert stages(fleet) == {Stage.PROVING: 3}
        ours.set_back()
        end = expected(fleet)
        assert end.at is not None
        assert end.at <= ours.now() + HOUR


# -- a machine that sleeps ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("answer", ["came", "was lost"])
@pytest.mark.parametrize("call", [1, 5])
async def test_a_machine_that_sleeps_for_a_day_with_a_write_under_way_and_others_waiting(tmp_path: Path, answer: str, call: int) -> None:
    with World(tmp_path, delay=40.0) as world:
        fleet = world.fleet()

        def sleep() -> None:
            world.clock.at += DAY

        when_written(world, sleep, call)
        if answer == "was lost":
            writes = iter(range(1, 100))
            world.server.faults.add(Fault("lost-reply", match=lambda request: is_write(request) and next(writes) == call))
        await fleet.bulk(clients(world, 6))
        assert stages(fleet) == {Stage.DONE: 6}
        assert not world.server.faults.pending
        assert written_once(world, fleet)
        assert world.clock.slept < HOUR


class DrowsyClock(OurClock):
    """The clock of a machine that falls asleep for a day just before its clock is read for the so many-th time."""

    def __init__(self, true: Clock, reading: int) -> None:
        super().__init__(true)
        self._left = reading

    def now(self) -> float:
        self._left -= 1
        if not self._left:
            self._true.at += DAY
        return super().now()


@pytest.mark.parametrize("reading", range(2, 9))
async def test_a_machine_that_falls_asleep_anywhere_waits_no_longer_for_it(tmp_path: Path, reading: int) -> None:
    with World(tmp_path, delay=40.0) as world:
        fleet = world.fleet()
        fleet.clock = DrowsyClock(world.clock, reading)
        await fleet.bulk(clients(world, 1))
        assert stages(fleet) == {Stage.DONE: 1}
        assert world.clock.slept < HOUR


async def test_a_failure_before_the_sleep_and_one_just_after_it_are_no_day_of_failures(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        fleet = world.fleet()
        world.server.faults.add(Fault("status", service="wix", times=6, match=lambda request: request.path.endswith("authenticate")))
        await fleet.bulk(clients(world, 3), wait=False)
        assert stages(fleet) == {Stage.AUTHENTICATING: 3}
        assert len(happened(fleet, Stumbled)) == 3
        world.clock.at += DAY
        await world.fleet().drive()
        assert len(happened(fleet, Stumbled)) == 6
        assert stages(fleet) == {Stage.DONE: 3}


async def test_a_machine_that_sleeps_longer_than_dns_is_waited_for_looks_before_it_gives_up(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        hesitant(world)
        fleet = world.fleet()
        await fleet.bulk(clients(world, 3), wait=False)
        world.clock.at += 3 * DAY
        world.server.faults.add(Fault("status", service="wix", times=3))
        await world.fleet().drive()
        assert stages(fleet) == {Stage.DONE: 3}
