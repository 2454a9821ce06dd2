"""Floors 4 to 6: a run shared by processes over a real PostgreSQL, some of which die, stand still, or lose what they work with.

Each worker is `wixsend worker` in a process of its own; the judges are the vendors' raw state and their calls.
"""

import asyncio
import os
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext

from postgres import Postgres
from wixsend.errors import Busy, JournalError, JournalNewer
from wixsend.events import HostFound, WixWants
from wixsend.flow import Stage, Times
from wixsend.journal import Entry, Journal
from wixsend.names import absolute
from wixsend.queue import SCHEMA, make_tables, under_way
from wixsend.records import Record
from wixsend.runs import Runs, Terms
from wixsend.sheet import read_sheet
from wixsend.tables import SCHEMA_VERSION, about, cases, leases, tables
from wixsend.testing.fakes import Request, Response
from wixsend.testing.sandbox import Sandbox
from wixsend.testing.server import Fault
from wixsend.testing.world import World, record

HOSTS = ("cloudflare", "godaddy", "namecheap")
QUICK = {"WIXSEND_TIMES_LOOK_LEAST": "0.2", "WIXSEND_TIMES_SETTLE_MOST": "0", "WIXSEND_WORKER_DEAD_AFTER": "2"}
LONGEST = 120.0
"""Seconds after which a run that has not ended is a failure."""


def others(domain: str) -> tuple[Record, ...]:
    return (record("www", "A", "192.0.2.10", domain), record("@", "MX", "10 mx1.example.net.", domain))


def is_write(request: Request) -> bool:
    """True for a request that changes a zone."""
    return "setHosts" in request.form().get("Command", "") if "xml" in request.path else request.method != "GET"


@dataclass
class Crew:
    """A sandbox, a shared journal, and the processes that work on it."""

    world: Sandbox
    url: str
    folder: Path
    processes: dict[str, "subprocess.Popen[str]"] = field(default_factory=dict)
    homes: dict[str, str] = field(default_factory=dict)

    def add(self, count: int, prefix: str = "client", hosts: Sequence[str] = HOSTS) -> str:
        """So many domains in turn at these hosts, as a list."""
        names = [f"{prefix}-{number}.example" for number in range(count)]
        for number, name in enumerate(names):
            self.homes[name] = hosts[number % len(hosts)]
            self.world.add_domain(name, self.homes[name], others(name))
        return "\n".join(["domain", *names])

    def take_in(self, sheet: str, name: str = "clients") -> None:
        """Import a list, as `wixsend bulk run` does."""
        journal, read = self.journal(), read_sheet(sheet.encode())
        sites = [self.world.wix.site.id] * len(read.rows)
        Runs(journal).take_in(name, f"{name}.csv", read, sites, Terms(), 0.0)
        journal.close()

    def journal(self, place: str = "judge") -> Journal:
        return Journal(self.url, self.folder / place)

    def start(self, name: str, *words: str) -> "subprocess.Popen[str]":
        """A process of wixsend on a machine of this name: each has a state folder of its own."""
        environment = {**self.world.environment(), **QUICK, "WIXSEND_DATABASE_URL": self.url, "WIXSEND_STATE": str(self.folder / name)}
        process = self.processes[name] = subprocess.Popen(
            [sys.executable, "-m", "wixsend", *(words or ("worker",))],
            env={"PATH": os.environ["PATH"], "LANG": "C.UTF-8", **environment},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return process

    def signal(self, name: str, number: signal.Signals) -> None:
        self.processes[name].send_signal(number)

    def said(self, name: str) -> str:
        """What a process said until its end."""
        return self.processes.pop(name).communicate(timeout=LONGEST)[0]

    async def finished(self, run: str = "clients") -> Counter[Stage]:
        """Wait for the end of a run; where its domains stand."""
        journal = self.journal()
        runs = Runs(journal)
        async with asyncio.timeout(LONGEST):
            while await asyncio.sleep(0.1, result=True):
                with suppress(JournalError):  # the server may be down just now
                    if not runs.is_live(runs.get(run)):
                        break
        found = Counter(entry.case.stage for entry in journal.entries())
        journal.close()
        return found

    def judge(self) -> None:
        """Every zone holds what Wix wants and what was there before, each once, and Wix is content."""
        for held in self.world.wix.domains.values():
            published = Counter(r for r in self.world.hosts[self.homes[held.domain]].published(held.domain) if r.rtype != "NS")
            assert published == Counter((*held.wants, *others(held.domain))), held.domain
            assert held.status == "AUTHENTICATED", held.domain

    def writes(self) -> int:
        return sum(call.service in HOSTS and is_write(call.request) for call in self.world.calls)

    def close(self) -> None:
        for process in self.processes.values():
            process.kill()
            process.communicate()


@pytest.fixture
def crew(postgres: Postgres, tmp_path: Path) -> Iterator[Crew]:
    with Sandbox() as world:
        world.wix.requires_dmarc = False
        made = Crew(world, postgres.url(), tmp_path)
        try:
            yield made
        finally:
            made.close()


def meanwhile(crew: Crew, write: int, action: Callable[[], object]) -> None:
    """Let something happen while a host handles the first write that is this call of Cloudflare's or a later one."""
    crew.world.faults.add(Fault("meanwhile", service="cloudflare", call=write, match=is_write, action=action))


# -- processes ---------------------------------------------------------------------------------------------------------


async def test_two_then_three_workers_share_a_run_and_one_that_is_stopped_leaves_the_rest_to_the_others(crew: Crew) -> None:
    crew.take_in(crew.add(9))
    (crew.folder / "more.csv").write_text(crew.add(3, "more"))
    crew.start("first")
    crew.start("second")
    meanwhile(crew, 4, lambda: crew.start("third", "bulk", "run", str(crew.folder / "more.csv"), "--yes"))
    meanwhile(crew, 5, lambda: crew.signal("second", signal.SIGTERM))
    await crew.finished()
    assert "3 authenticated" in crew.said("third")
    assert await crew.finished("more") == {Stage.DONE: 12}
    crew.judge()
    assert crew.writes() == 12, "nothing was written twice"
    assert crew.processes["second"].wait(LONGEST) == 130


async def test_a_killed_workers_domains_are_taken_over(crew: Crew) -> None:
    crew.take_in(crew.add(9))
    crew.start("first")

    def kill_and_replace() -> None:
        crew.signal("first", signal.SIGKILL)
        crew.start("second")

    meanwhile(crew, 2, kill_and_replace)
    assert await crew.finished() == {Stage.DONE: 9}
    crew.judge()
    assert crew.processes["first"].wait(LONGEST) == -signal.SIGKILL


@pytest.mark.parametrize("host", ["cloudflare", "namecheap"])
async def test_a_worker_that_stood_still_while_its_request_was_under_way_does_no_harm(crew: Crew, host: str) -> None:
    crew.take_in(crew.add(2, hosts=(host,)))
    crew.start("first")

    def stop(request: Request) -> bool:
        """The request is on its way for longer than its sender is believed to be alive."""
        if is_write(request) and not crew.processes.keys() - {"first"}:
            crew.signal("first", signal.SIGSTOP)
            crew.start("second")
            return True
        return False

    crew.world.faults.add(Fault("latency", service=host, seconds=5.0, match=stop))
    assert await crew.finished() == {Stage.DONE: 2}
    crew.signal("first", signal.SIGCONT)
    crew.signal("second", signal.SIGTERM)
    crew.take_in(crew.add(1, "later", (host,)), "later")
    await crew.finished("later")  # by the one that stood still
    crew.judge()


@pytest.mark.parametrize("lost", ["queue", "server"])
async def test_the_queues_tables_or_the_server_may_go_in_the_middle(crew: Crew, postgres: Postgres, lost: str) -> None:
    crew.take_in(crew.add(9))
    crew.start("first")
    crew.start("second")
    meanwhile(crew, 3, {"queue": lambda: drop_queue(crew.url), "server": postgres.restart}[lost])
    assert await crew.finished() == {Stage.DONE: 9}
    crew.judge()
    assert crew.writes() <= 9 + 2, "what was under way was looked for before it was written again"
    for name in ("first", "second"):
        crew.signal(name, signal.SIGTERM)
        assert "Traceback" not in crew.said(name)


def drop_queue(url: str) -> None:
    execute(url, sa.text(f"DROP SCHEMA {SCHEMA} CASCADE"))


def execute(url: str, *statements: sa.Executable) -> None:
    engine = sa.create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    with engine.begin() as connection:
        for statement in statements:
            connection.execute(statement)
    engine.dispose()


async def test_any_machine_sees_cancels_retries_and_takes_back(crew: Crew) -> None:
    crew.take_in(crew.add(2))
    held = crew.world.hosts["cloudflare"]
    crew.start("first")
    await crew.finished()
    journal, outcomes = crew.journal(), dict[str, str]()
    for words in ("bulk status clients", "bulk report clients --format json", "bulk retry clients", "bulk undo clients --yes"):
        crew.start("elsewhere", *words.split())
        outcomes[words] = crew.said("elsewhere")
    assert "2 authenticated" in outcomes["bulk status clients"]
    assert '"client-1.example"' in outcomes["bulk report clients --format json"]
    assert "0 domains taken up again" in outcomes["bulk retry clients"]
    assert "undone: 2 domains" in outcomes["bulk undo clients --yes"]
    assert Counter(r for r in held.published("client-0.example") if r.rtype != "NS") == Counter(others("client-0.example"))
    assert Runs(journal).get("clients").cancelled
    journal.close()


def test_what_a_living_worker_has_in_hand_is_known(url: str, tmp_path: Path) -> None:
    journal = Journal(url, tmp_path)
    assert under_way(journal.database, 5.0) == frozenset(), "there is no queue yet"
    make_tables(journal.database)
    jobs = "INSERT INTO {0}.procrastinate_jobs (queue_name, task_name, args, status, worker_id) VALUES ('default', 'wixsend.hop', "
    execute(
        url,
        sa.text(f"INSERT INTO {SCHEMA}.procrastinate_workers (last_heartbeat) VALUES (now()), (now() - interval '1 minute')"),
        *(sa.text(jobs.format(SCHEMA) + f"json_build_object('case', {case}), 'doing', {worker})") for case, worker in ((7, 1), (8, 2))),
    )
    assert under_way(journal.database, 5.0) == {7}
    journal.close()


# -- leases ------------------------------------------------------------------------------------------------------------


@pytest.fixture
def url(postgres: Postgres) -> str:
    return postgres.url()


def test_a_name_is_held_by_one_process_until_it_lets_go(url: str, tmp_path: Path) -> None:
    one, other = Journal(url, tmp_path / "one"), Journal(url, tmp_path / "other")
    with one.lock("zone-x", "the zone x") as still:
        with pytest.raises(Busy, match="the zone x"), other.lock("zone-x", "the zone x"):
            pass
        with other.lock("zone-y", "the zone y"):
            still()
    with other.lock("zone-x", "the zone x"):
        pass
    one.close()
    other.close()


def test_what_a_dead_process_held_is_free_when_its_time_has_passed(url: str, tmp_path: Path) -> None:
    journal = Journal(url, tmp_path)
    execute(url, sa.insert(leases).values(name="zone-x", holder="dead", until=0.0))
    with journal.lock("zone-x", "the zone x") as still:
        execute(url, sa.update(leases).values(holder="who took it over", until=2e9))
        with pytest.raises(Busy, match="stood still"):
            still()
    with pytest.raises(Busy), journal.lock("zone-x", "the zone x"):
        pytest.fail("it is the other one's")
    journal.close()


async def test_a_lease_is_renewed_while_it_is_held(url: str, tmp_path: Path) -> None:
    journal = Journal(url, tmp_path, dead_after=1.0)

    def until() -> float:
        with journal.database.reading() as connection:
            return float(connection.execute(sa.select(leases.c.until)).scalar_one())

    with journal.lock("zone-x", "the zone x"):
        first = until()
        async with asyncio.timeout(LONGEST):
            while await asyncio.sleep(0.05, result=until() == first):
                pass
    journal.close()


@pytest.mark.parametrize("host", HOSTS)
async def test_a_zone_that_somebody_took_over_is_not_written(url: str, tmp_path: Path, host: str) -> None:
    with World(tmp_path) as world:
        world.add("example.com", host, others("example.com"))
        stolen = []

        def around(_host: str, request: Request, handle: Callable[[], Response]) -> Response:
            if not is_write(request):
                execute(url, sa.update(leases).values(holder="who took it over", until=2e9))
                stolen.append(request)
            return handle()

        run = world.run("example.com")
        run.database, run.times = url, Times(plan_fresh=-1.0, zone_fresh=-1.0)
        world.around = around
        with pytest.raises(Busy, match="stood still"):
            await run.authenticate(wait=False)
        assert stolen
        assert not [call for call in world.server.calls if call.service == host and is_write(call.request)]
        world.around = None
        execute(url, sa.delete(leases))
        entry = await world_again(world, url)
        assert entry.case.stage is Stage.DONE


async def world_again(world: World, url: str) -> Entry:
    run = world.run("example.com")
    run.database = url
    return await run.authenticate()


def test_who_stands_still_in_the_middle_of_a_transaction_keeps_nobody_waiting(url: str, tmp_path: Path) -> None:
    one, other = Journal(url, tmp_path / "one"), Journal(url, tmp_path / "other")
    with pytest.raises(JournalError, match="idle-in-transaction"), one.database.alone(1) as connection:
        with other.database.alone(1):
            pass  # the server had enough of waiting
        connection.execute(sa.select(about))
    one.close()
    other.close()


# -- one database ------------------------------------------------------------------------------------------------------


async def test_one_domain_is_authenticated_and_undone_over_postgresql(url: str, tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.add("example.com", "namecheap", others("example.com"))
        before = world.raw("namecheap", "example.com")["records"]
        assert (await world_again(world, url)).case.stage is Stage.DONE
        run = world.run("example.com")
        run.database = url
        await run.undo()
        held = [{**row, "HostId": ""} for row in world.raw("namecheap", "example.com")["records"]]
        assert held == [{**row, "HostId": ""} for row in before]
        journal = run.journal()
        (entry,) = journal.entries()
        assert (entry.case.stage, len(journal.backups())) == (Stage.UNDONE, 2)
        journal.close()


def test_machines_that_start_at_once_on_an_empty_database_make_it_once(url: str, tmp_path: Path) -> None:
    def machine(number: int) -> list[int]:
        journal = Journal(url, tmp_path / str(number))
        make_tables(journal.database)
        with journal.database.writing() as connection:
            journal.begin_cases(connection, [("site", f"{each}.example") for each in range(50)])
        opened = [journal.open_case("site", absolute(f"{each}.example")).id for each in range(50)]
        journal.close()
        return opened

    with ThreadPoolExecutor(4) as machines:
        seen = list(machines.map(machine, range(4)))
    assert all(each == seen[0] for each in seen)


async def test_a_database_that_a_newer_wixsend_takes_over_is_left_alone(crew: Crew) -> None:
    journal = crew.journal()
    process = crew.start("worker")
    async with asyncio.timeout(LONGEST):
        while await asyncio.sleep(0.05, result=not journal.workers()):
            pass
    journal.close()
    execute(crew.url, sa.update(about).where(about.c.key == "schema").values(value=str(SCHEMA_VERSION + 1)))
    assert "Update wixsend" in crew.said("worker")
    assert process.returncode == JournalNewer.exit_code
    with pytest.raises(JournalNewer, match="knows"):
        crew.journal()


def test_a_database_of_the_first_version_becomes_one_of_todays_by_one_of_many(url: str, tmp_path: Path) -> None:
    journal = Journal(url, tmp_path)
    entry = journal.append(journal.open_case("site", absolute("example.com")), WixWants("id", ()), 1.0)
    journal.append(entry, HostFound(absolute("example.com"), "cloudflare", "mine", "asked"), 2.0)
    journal.close()
    later = ("provider", "account", "code", "at")
    execute(
        url,
        *(sa.text(f"DROP TABLE {table}") for table in ("rows", "runs", "leases", "zone_pages")),
        *(sa.text(f"ALTER TABLE cases DROP COLUMN {column}") for column in later),
        sa.update(about).where(about.c.key == "schema").values(value="1"),
    )
    with ThreadPoolExecutor(3) as machines:
        opened = list(machines.map(lambda place: Journal(url, tmp_path / str(place)), range(3)))
    with opened[0].database.reading() as connection:
        row = connection.execute(sa.select(cases)).one()
        assert (row.provider, row.account, row.at) == ("cloudflare", "mine", 2.0)
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), tables) == []
    for each in opened:
        each.close()


def test_the_queue_is_made_again_for_another_version_and_left_alone_for_a_newer_one(url: str, tmp_path: Path) -> None:
    journal = Journal(url, tmp_path)
    make_tables(journal.database)
    execute(
        url, sa.text(f"CREATE TABLE {SCHEMA}.of_the_old_one (id int)"), sa.update(about).where(about.c.key == "queue").values(value="0.9")
    )
    make_tables(journal.database)
    with journal.database.reading() as connection:
        assert not sa.inspect(connection).has_table("of_the_old_one", SCHEMA)
    execute(url, sa.update(about).where(about.c.key == "queue").values(value="99.0"))
    with pytest.raises(JournalNewer, match=r"99\.0"):
        make_tables(journal.database)
    journal.close()
