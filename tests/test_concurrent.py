"""Others at work in the same zone: two of our own processes, and another program that edits at every step of ours."""

import asyncio
import json
import tempfile
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wixsend.engine import Update
from wixsend.errors import Drifted
from wixsend.flow import Stage
from wixsend.journal import Entry
from wixsend.records import Granularity, Record
from wixsend.testing.fakes import Request, Response
from wixsend.testing.faults import Subject
from wixsend.testing.server import Fault
from wixsend.testing.world import World, authenticate_apart, record

HOSTS = ("cloudflare", "godaddy", "namecheap")
APEX = "example.com"
WWW = record("www", "CNAME", "example.com.")
OTHERS = (
    record("@", "A", "192.0.2.10"),
    WWW,
    record("@", "MX", "10 mx1.example.net."),
    record("@", "TXT", '"v=spf1 include:_spf.example.net ~all"'),
    record("_dmarc", "TXT", '"v=DMARC1; p=reject; rua=mailto:d@example.com"'),
)
RECENT = record("recent", "A", "192.0.2.99")
VOLATILE = {"id", "HostId", "created_on", "modified_on", "comment"}


def rows(raw: Any) -> Counter[str]:
    return Counter(json.dumps({k: v for k, v in row.items() if k not in VOLATILE}, sort_keys=True, default=str) for row in raw["records"])


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


@dataclass
class Step:
    """What another program does just before a request to the host is handled, or just after."""

    number: int
    does: Callable[[], object]
    after: bool = False


@dataclass
class Dashboard:
    """Another program: `world.around` it, it counts the requests and does what it is to do at each."""

    steps: list[Step]
    seen: list[Request] = field(default_factory=list)

    def __call__(self, _host: str, request: Request, handle: Callable[[], Response]) -> Response:
        self.seen.append(request)
        due = [step for step in self.steps if step.number == len(self.seen)]
        for step in due:
            if not step.after:
                step.does()
        response = handle()
        for step in due:
            if step.after:
                step.does()
        return response


def removes(world: World, host: str, gone: Record) -> Callable[[], None]:
    return lambda: world.edit_behind(host, APEX, remove=[gone])


def adds(world: World, host: str, new: Record) -> Callable[[], None]:
    return lambda: world.edit_behind(host, APEX, add=[new])


def writes(request: Request) -> bool:
    """True for what edits the zone at any of the three hosts."""
    return request.method in ("PATCH", "PUT", "DELETE") or request.path.endswith("/batch") or b"setHosts" in request.body


# -- two of ours -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
async def test_two_domains_of_one_zone_at_the_same_time(world: World, host: str) -> None:
    world.clock.pause = 0.05
    world.add(APEX, host, OTHERS)
    world.wix.add_domain("mail.example.com")
    before = rows(world.raw(host, APEX))
    both = await asyncio.gather(world.run(APEX).authenticate(), world.run("mail.example.com").authenticate())
    assert [entry.case.stage for entry in both] == [Stage.DONE, Stage.DONE], [entry.case for entry in both]
    after = rows(world.raw(host, APEX))
    assert not before - after
    assert (after - before).total() == 8
    world.clock.pause = 0.5  # the second one waits four times for the first
    await asyncio.gather(world.run(APEX).undo(), world.run("mail.example.com").undo())
    assert rows(world.raw(host, APEX)) == before


def test_two_real_processes_on_one_zone(world: World) -> None:
    world.add(APEX, "namecheap", OTHERS)
    world.wix.add_domain("mail.example.com")
    with ProcessPoolExecutor(2, mp_context=get_context("forkserver")) as pool:
        started = [pool.submit(authenticate_apart, world.reach(), world.clock.now(), domain) for domain in (APEX, "mail.example.com")]
        assert [each.result() for each in started] == ["authenticated", "authenticated"]
    raw = world.raw("namecheap", APEX)
    assert len(raw["records"]) == len(OTHERS) + 8
    assert raw["EmailType"] == "MX"


async def test_a_zone_that_another_process_writes_into_is_waited_for(world: World) -> None:
    world.add(APEX, "namecheap", OTHERS)
    run, said = world.run(APEX), []
    journal = run.journal()
    with ExitStack() as held:
        held.enter_context(journal.lock("zone-namecheap-namecheap-example.com", "the zone"))

        def watch(update: Update) -> None:
            if "another wixsend process is working on the zone example.com" in update.entry.case.why:
                said.append(update)
                held.close()

        entry = await run.authenticate(watch=watch)
    journal.close()
    assert said
    assert entry.case.stage is Stage.DONE


async def test_the_same_domain_twice_is_said_to_the_second(world: World) -> None:
    world.add(APEX, "cloudflare", OTHERS)
    results = await asyncio.gather(world.run(APEX).authenticate(), world.run(APEX).authenticate(), return_exceptions=True)
    stages = [result.case.stage for result in results if isinstance(result, Entry)]
    errors = [result for result in results if isinstance(result, BaseException)]
    assert stages == [Stage.DONE]
    assert [str(error) for error in errors] == ["another wixsend process is working on example.com"]


# -- another program, on purpose or not --------------------------------------------------------------------------------


@pytest.mark.parametrize("place", ["after the write", "when the second look fails", "when the process ends there"])
async def test_a_record_that_goes_right_after_our_write_is_reported_and_not_put_back(world: World, place: str) -> None:
    world.add(APEX, "namecheap", OTHERS)
    world.around = Dashboard([Step(3, removes(world, "namecheap", WWW), after=True)])
    if place == "when the second look fails":
        world.server.faults.add(Fault("status", service="namecheap", call=4))
    if place == "when the process ends there":
        task = asyncio.create_task(world.run(APEX).authenticate())
        loop = asyncio.get_running_loop()
        end = Fault("hang", service="namecheap", call=4, seconds=0.1, action=lambda: loop.call_soon_threadsafe(task.cancel))
        world.server.faults.add(end)
        with pytest.raises(asyncio.CancelledError):
            await task
    entry = await world.run(APEX).authenticate()
    assert entry.case.stage is Stage.STOPPED
    stop = entry.case.stop
    assert stop is not None and (stop.error, stop.exit_code) == (Drifted.code, 5)
    assert "lost: www.example.com. 3600 CNAME example.com." in stop.happened
    assert f"wixsend restore {entry.case.snapshot} www.example.com" in stop.next_step
    published = world.hosts["namecheap"].published(APEX)
    assert WWW not in published
    assert all(want in published for want in entry.case.to_prove)

    entry = await world.run(APEX).authenticate()
    assert entry.case.stage is Stage.DONE, "it is told once, and the same command goes on"
    assert WWW not in world.hosts["namecheap"].published(APEX), "nobody asked for it to be put back"

    plan = await world.run(APEX).restore(entry.case.snapshot, [WWW])
    assert plan.edit.adds == (WWW,)
    assert sorted(map(str, world.hosts["namecheap"].published(APEX))) == sorted(map(str, [*OTHERS, *ours(entry)]))


def ours(entry: Entry) -> list[Record]:
    """What we wrote, as Namecheap publishes it."""
    return [Record(want.owner, want.rtype, want.rdata, 1799) for want in entry.case.to_prove]


@pytest.mark.parametrize("second_look", [True, False])
async def test_what_goes_after_an_undo_is_reported_once_as_well(world: World, second_look: bool) -> None:
    world.add(APEX, "namecheap", OTHERS)
    await world.run(APEX).authenticate()
    world.server.reset_counts()
    world.around = Dashboard([Step(3, removes(world, "namecheap", WWW), after=True)])
    if not second_look:
        world.server.faults.add(Fault("status", service="namecheap", call=4))
    with pytest.raises(Drifted, match=r"lost: www\.example\.com") as told:
        await world.run(APEX).undo()
    assert "wixsend restore 2 www.example.com" in told.value.next_step
    await world.run(APEX).undo()
    assert WWW not in world.hosts["namecheap"].published(APEX)
    assert Counter(world.hosts["namecheap"].published(APEX)) == Counter(OTHERS) - Counter([WWW])


async def test_another_whole_zone_writer_with_an_old_base_loses_us_and_nothing_else(world: World) -> None:
    """It read before we wrote, and writes after: our records are gone, and are written again once."""
    world.add(APEX, "namecheap", OTHERS)
    taken = list(world.wanted(APEX))

    def writes_its_old_base() -> None:
        world.edit_behind("namecheap", APEX, remove=taken)

    board = world.around = Dashboard([Step(3, writes_its_old_base, after=True)])
    entry = await world.run(APEX).authenticate()
    assert entry.case.stage is Stage.DONE, entry.case
    assert Counter(world.hosts["namecheap"].published(APEX)) == Counter([*OTHERS, *ours(entry)])
    assert sum(map(writes, board.seen)) == 2


@pytest.mark.parametrize("seconds", [3.0, 4.9])
async def test_an_old_second_look_is_not_taken_for_a_loss(world: World, seconds: float) -> None:
    world.add(APEX, "namecheap", OTHERS)
    await world.run(APEX).preview()
    world.server.remember()
    world.server.reset_counts()
    began: list[float] = []

    def is_old(_request: Request) -> bool:
        began.append(world.clock.now())
        return world.clock.now() < began[0] + seconds

    world.server.faults.add(Fault("stale", service="namecheap", call=4, times=99, match=is_old))
    entry = await world.run(APEX).authenticate()
    assert entry.case.stage is Stage.DONE
    assert len(began) > 2
    assert sum(writes(call.request) for call in world.server.calls) == 1


async def test_what_somebody_changed_before_they_started_us_is_seen_whatever_the_host_shows_at_first(world: World) -> None:
    """A whole zone is replaced only on a read that the settle time has passed before."""
    world.add(APEX, "namecheap", OTHERS)
    await world.run(APEX).preview()
    world.server.remember()
    world.edit_behind("namecheap", APEX, add=[RECENT])
    changed = world.clock.now()
    world.server.faults.add(Fault("stale", service="namecheap", times=99, match=lambda _request: world.clock.now() < changed + 5.0))
    entry = await world.run(APEX).authenticate()
    assert entry.case.stage is Stage.DONE
    assert Counter(world.hosts["namecheap"].published(APEX)) == Counter([*OTHERS, RECENT, *ours(entry)])


async def test_an_old_answer_that_the_count_belies_is_asked_for_again(world: World) -> None:
    world.add(APEX, "namecheap", OTHERS)
    await world.run(APEX).preview()
    world.server.remember()
    world.server.reset_counts()
    world.edit_behind("namecheap", APEX, add=[RECENT])
    world.server.faults.add(Fault("stale", service="namecheap", call=2))
    entry = await world.run(APEX).authenticate()
    assert entry.case.stage is Stage.DONE
    assert RECENT in world.hosts["namecheap"].published(APEX)
    assert world.server.count("namecheap") == 6, "getInfo, getHosts (old); both again; setHosts, getHosts"


async def test_an_old_answer_without_what_we_wrote_is_asked_for_again(world: World) -> None:
    """Of two domains in one zone, the second is not written onto the zone as it was before the first."""
    world.add(APEX, "namecheap", OTHERS)
    world.wix.add_domain("mail.example.com")
    await world.run(APEX).preview()
    world.server.remember()
    first = await world.run(APEX).authenticate()
    world.server.reset_counts()
    world.server.faults.add(Fault("stale", service="namecheap", call=1), Fault("stale", service="namecheap", call=2))
    second = await world.run("mail.example.com").authenticate()
    assert second.case.stage is Stage.DONE
    assert Counter(world.hosts["namecheap"].published(APEX)) == Counter([*OTHERS, *ours(first), *ours(second)])


@pytest.mark.parametrize("host", HOSTS)
async def test_what_is_added_while_a_person_reads_the_plan_stays(world: World, host: str) -> None:
    world.add(APEX, host, OTHERS)

    async def takes_a_second(*_shown: object) -> bool:
        world.edit_behind(host, APEX, add=[RECENT])
        await world.clock.sleep(1.0)
        return True

    entry = await world.run(APEX).authenticate(approve=takes_a_second)
    assert entry.case.stage is Stage.DONE
    assert RECENT in world.hosts[host].published(APEX)


@pytest.mark.parametrize("host", HOSTS)
async def test_what_stands_at_our_name_by_the_time_of_the_write_is_not_overwritten(world: World, host: str) -> None:
    """What was agreed to is no longer what would be done: it is planned again, and is a conflict."""
    theirs = record("s1._domainkey", "TXT", '"v=DKIM1; p=theirs"')
    world.add(APEX, host, OTHERS)

    async def takes_a_minute(*_shown: object) -> bool:
        world.edit_behind(host, APEX, add=[theirs])
        await world.clock.sleep(60.0)
        return True

    entry = await world.run(APEX).authenticate(approve=takes_a_minute)
    assert entry.case.stop is not None and entry.case.stop.error == "refused"
    assert theirs in world.hosts[host].published(APEX)


async def test_the_window_of_a_host_without_compare_and_set_is_one_call_and_costs_that_edit_alone(world: World) -> None:
    """What is documented as not to be prevented: an edit between the last read and the write of the whole zone."""
    world.add(APEX, "namecheap", OTHERS)
    board = world.around = Dashboard([Step(3, adds(world, "namecheap", RECENT))])
    entry = await world.run(APEX).authenticate()
    assert entry.case.stage is Stage.DONE
    assert [writes(request) for request in board.seen[1:4]] == [False, True, False], "read, write, look: nothing in between"
    assert Counter(world.hosts["namecheap"].published(APEX)) == Counter([*OTHERS, *ours(entry)])


# -- any interleaving --------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Edit:
    """At the request of this number, another program adds its record `which`, or takes away the one of ours-to-keep."""

    at: int
    adds: bool
    which: int
    after: bool


edits = st.lists(
    st.builds(Edit, st.integers(1, 12), st.booleans(), st.integers(0, 2), st.booleans()),
    max_size=5,
    unique_by=lambda edit: (edit.adds, edit.which),
)
NEW = tuple(record(f"new{number}", "A", f"192.0.2.{100 + number}") for number in range(3))
OLD = (WWW, OTHERS[0], OTHERS[3])


@pytest.mark.parametrize("host", HOSTS)
@given(edits=edits, ours_at_once=st.booleans())
@settings(max_examples=8)
def test_any_interleaving_leaves_every_edit_but_those_in_the_window(host: str, edits: list[Edit], ours_at_once: bool) -> None:
    """Two of our runs, at once or one after the other, with another program's edits at any requests of theirs."""
    with tempfile.TemporaryDirectory() as folder, World(Path(folder), plugins=Subject(host).plugins) as world:
        world.clock.pause = 0.02
        world.add(APEX, host, OTHERS)
        world.wix.add_domain("mail.example.com")
        there = Counter(OTHERS)
        edited: list[tuple[int, Record]] = []
        whole = world.plugins.get(host).granularity is Granularity.ZONE

        def edit(one: Edit) -> Callable[[], None]:
            def does() -> None:
                row = NEW[one.which] if one.adds else OLD[one.which]
                if one.adds:
                    world.edit_behind(host, APEX, add=[row])
                    there[row] += 1
                elif row in world.hosts[host].published(APEX):
                    world.edit_behind(host, APEX, remove=[row])
                    there[row] -= 1
                edited.append((one.at + one.after, row))

            return does

        board = world.around = Dashboard([Step(one.at, edit(one), one.after) for one in edits])
        entries = asyncio.run(both(world, ours_at_once))
        assert [entry.case.stage for entry in entries] == [Stage.DONE, Stage.DONE], [entry.case for entry in entries]
        wanted = there + Counter(record for entry in entries for record in entry.case.to_prove)
        found = Counter(world.hosts[host].published(APEX))
        # Between the base read and the write there is no request of ours, and at most three while two of ours are at it.
        ahead = 0 if not whole else 3 if ours_at_once else 1
        for number, row in edited:
            if any(writes(request) for request in board.seen[number - 1 : number - 1 + ahead]):
                assert found[row] in (0, 1)
                del found[row], wanted[row]
        assert found == +wanted


async def both(world: World, at_once: bool) -> list[Entry]:
    """Both domains, each with the same command again until it is done."""

    async def one(domain: str) -> Entry:
        for _again in range(8):
            entry = await world.run(domain).authenticate()
            if entry.case.stage is Stage.DONE:
                break
        return entry

    if at_once:
        return list(await asyncio.gather(one(APEX), one("mail.example.com")))
    return [await one(APEX), await one("mail.example.com")]
