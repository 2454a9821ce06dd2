"""Floor 5: many domains at once, in a world of fakes at the wire, judged by the vendors' raw state, their calls, and the journal."""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st

from wixsend.adapters import Adapter
from wixsend.bulk import WIDTH, Hops, cut
from wixsend.errors import Busy, ConfigError, JournalError
from wixsend.events import Stopped, Visible, WixAuthenticated, Wrote
from wixsend.flow import Stage, Times
from wixsend.journal import Entry, Journal
from wixsend.names import Name, text
from wixsend.plugins import Plugins
from wixsend.records import Record, Snapshot, Zone
from wixsend.runs import HELD_UP, Lane, Ref, Runs, TakenIn, Terms, Turn
from wixsend.sheet import read_sheet
from wixsend.tally import ending, held_up
from wixsend.testing.fakes import Request
from wixsend.testing.server import Fault
from wixsend.testing.world import Fleet, World, record

HOSTS = ("cloudflare", "godaddy", "namecheap")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


def others(domain: str) -> tuple[Record, ...]:
    return (record("www", "A", "192.0.2.10", domain), record("@", "MX", "10 mx1.example.net.", domain))


def clients(world: World, count: int, hosts: tuple[str, ...] = HOSTS, prefix: str = "client") -> str:
    """A list of domains, in turn at each of these hosts."""
    names = [f"{prefix}-{number}.example" for number in range(count)]
    for number, name in enumerate(names):
        world.add(name, hosts[number % len(hosts)], others(name))
    return "\n".join(["domain", *names])


def entries(fleet: Fleet) -> dict[str, Entry]:
    journal = fleet.journal()
    found = {text(entry.domain): entry for entry in journal.entries()}
    journal.close()
    return found


def stages(fleet: Fleet) -> Counter[Stage]:
    return Counter(entry.case.stage for entry in entries(fleet).values())


def codes(fleet: Fleet) -> dict[str, str]:
    return {name: entry.case.stop.error for name, entry in entries(fleet).items() if entry.case.stop is not None}


def happened(fleet: Fleet, kind: type) -> list[float]:
    journal = fleet.journal()
    found = [h.at for _entry, history in journal.told() for h in history if isinstance(h.event, kind)]
    journal.close()
    return found


def holds(world: World, host: str, domain: str) -> bool:
    """True when the host holds what Wix wants and all that was there before, each once."""
    held = Counter(r for r in world.hosts[host].published(domain) if r.rtype != "NS")
    return all(held[want] == 1 for want in (*world.wanted(domain), *others(domain)))


def edits(world: World, host: str) -> Counter[str]:
    """Requests that change something, by zone or path."""

    def what(request: Request) -> str:
        form = request.form() if "xml" in request.path else {}
        if form:
            return f"{form['SLD']}.{form['TLD']}" if "setHosts" in form["Command"] else ""
        return "" if request.method == "GET" else request.path

    return Counter(path for call in world.server.calls if call.service == host and (path := what(call.request)))


# -- the whole job -----------------------------------------------------------------------------------------------------


async def test_every_domain_is_authenticated_with_one_listing_and_no_look_up_for_each(world: World) -> None:
    sheet = clients(world, 24)
    fleet = world.fleet()
    await fleet.bulk(sheet)
    assert stages(fleet) == {Stage.DONE: 24}
    for number in range(24):
        assert holds(world, HOSTS[number % 3], f"client-{number}.example")
    assert {host: world.server.count(host) for host in HOSTS} == {"cloudflare": 1 + 2 * 8, "godaddy": 1 + 3 * 8, "namecheap": 1 + 3 * 8}
    assert world.server.count("wix") <= 2 * 24 + 24 / 4, "most are asked for together"
    assert all(held.status == "AUTHENTICATED" for held in world.wix.domains.values())


async def test_everything_is_written_before_anything_is_waited_for(tmp_path: Path) -> None:
    with World(tmp_path, delay=40.0) as world:
        fleet = world.fleet()
        await fleet.bulk(clients(world, 9))
        assert stages(fleet) == {Stage.DONE: 9}
        assert len(happened(fleet, Wrote)) == 9
        assert max(happened(fleet, Wrote)) < min(happened(fleet, Visible))
        assert world.clock.slept < 2 * 60, "the waits of all domains are one"


@pytest.mark.parametrize("busy", [True, False])
async def test_proof_is_looked_for_beside_the_writes_when_there_is_time_to_spare(world: World, busy: bool) -> None:
    many = 6 * WIDTH
    fleet = world.fleet(load=lambda: float(busy))
    await fleet.bulk(clients(world, many, ("cloudflare",)))
    seen = [(domain, update.entry.case.stage) for domain, update in fleet.watched]
    first_proof = next(place for place, (_domain, stage) in enumerate(seen) if stage is Stage.AUTHENTICATING)
    written = {domain for domain, stage in seen[:first_proof] if stage is Stage.PROVING}
    assert (len(written) >= many - 2 * WIDTH) is busy, f"{len(written)} of {many} were written before the first was proven"
    assert stages(fleet) == {Stage.DONE: many}


async def test_without_waiting_it_goes_as_far_as_it_can_and_the_next_run_goes_on(tmp_path: Path) -> None:
    with World(tmp_path, delay=40.0) as world:
        sheet = clients(world, 6)
        fleet = world.fleet()
        await fleet.bulk(sheet, wait=False)
        assert stages(fleet) == {Stage.PROVING: 6}
        world.clock.at += 60
        again = world.fleet()
        taken = await again.bulk(sheet, wait=False)
        assert (taken.new, taken.changed, taken.gone) == (0, 0, 0)
        assert stages(again) == {Stage.DONE: 6}
        assert all(times == 1 for host in HOSTS for times in edits(world, host).values())


async def test_looks_that_show_the_same_are_one_event(tmp_path: Path) -> None:
    with World(tmp_path, delay=3600.0) as world:
        fleet = world.fleet()
        await fleet.bulk(clients(world, 2, ("cloudflare",)))
        assert stages(fleet) == {Stage.DONE: 2}
        journal = fleet.journal()
        assert max(len(history) for _entry, history in journal.told()) < 16
        assert [entry.seq for entry, _ in journal.told()] == [len(history) for _, history in journal.told()]
        journal.close()


# -- isolation ---------------------------------------------------------------------------------------------------------


async def test_a_revoked_token_stops_its_own_domains_and_one_retry_takes_them_up_again(world: World) -> None:
    sheet = clients(world, 12)
    tokens: Any = world.hosts["cloudflare"]
    held = dict(tokens.tokens)
    tokens.tokens.clear()
    fleet = world.fleet()
    await fleet.bulk(sheet)
    assert stages(fleet) == {Stage.DONE: 8, Stage.STOPPED: 4}
    assert set(codes(fleet).values()) == {"provider-credentials"}
    assert world.server.count("cloudflare") <= 2, "a host that does not know the token is not asked again and again"
    tokens.tokens.update(held)
    again = world.fleet()
    journal = again.journal()
    runs = Runs(journal)
    run = runs.get("clients")
    assert runs.reopen(runs.case_ids(run), {Stage.STOPPED}, world.clock.now(), ["refused"]) == 0
    assert runs.reopen(runs.case_ids(run), {Stage.STOPPED}, world.clock.now(), ["provider-credentials"]) == 4
    journal.close()
    await again.drive()
    assert stages(again) == {Stage.DONE: 12}


async def test_a_token_that_is_revoked_in_the_middle_stops_what_is_left_of_its_account(world: World) -> None:
    tokens: Any = world.hosts["cloudflare"]

    def revoke() -> None:
        tokens.tokens.clear()

    world.server.faults.add(Fault("meanwhile", service="cloudflare", call=20, action=revoke))
    fleet = world.fleet()
    await fleet.bulk(clients(world, 60, ("cloudflare", "godaddy")))
    told = stages(fleet)
    assert told[Stage.DONE] + told[Stage.STOPPED] == 60
    assert told[Stage.STOPPED] > 10
    assert set(codes(fleet).values()) == {"provider-credentials"}
    assert world.server.count("cloudflare") < 20 + 40, "what was in flight failed, and nothing after it was sent"


@pytest.mark.parametrize("left", [0, 21])
async def test_a_quota_that_is_used_up_closes_its_account_until_calls_are_allowed_again(world: World, left: int) -> None:
    months: Any = world.hosts["godaddy"]
    months.quota = left
    fleet = world.fleet()
    await fleet.bulk(clients(world, 24, ("cloudflare", "godaddy")))
    done = stages(fleet)[Stage.DONE]
    assert done == 12 if not left else 12 < done < 24
    stops = [entry.case.stop for entry in entries(fleet).values() if entry.case.stop is not None]
    assert len(stops) == 24 - done
    assert {stop.error for stop in stops} == {"quota-exhausted"}
    assert all("monthly" in stop.happened and "Wait for the new month" in stop.next_step for stop in stops)
    refused = [call for call in world.server.calls if call.service == "godaddy" and call.status == 429]
    assert len(refused) == 1, "after the first no, nobody asks"
    months.quota = None
    again = world.fleet()
    journal = again.journal()
    runs = Runs(journal)
    ids = runs.case_ids(runs.get("clients"))
    assert runs.reopen(ids, {Stage.STOPPED}, world.clock.now(), ["quota-exhausted"]) == 24 - done
    journal.close()
    await again.drive()
    assert stages(again) == {Stage.DONE: 24}
    assert all(times == 1 for host in HOSTS for times in edits(world, host).values())


async def test_a_process_that_goes_on_asks_a_closed_account_again_after_a_while(world: World) -> None:
    months: Any = world.hosts["godaddy"]
    months.quota = 0
    names = clients(world, 2, ("godaddy",))
    world.wix.domains[next(iter(world.wix.domains))].ready = world.clock.now() + 3600
    fleet = world.fleet()

    def allow() -> None:
        months.quota = None

    world.server.faults.add(Fault("meanwhile", service="godaddy", call=2, action=allow))
    await fleet.bulk(names)
    assert codes(fleet) == {"client-1.example": "quota-exhausted"}
    assert stages(fleet) == {Stage.DONE: 1, Stage.STOPPED: 1}, "the one that Wix had its records for an hour later"


class _Falls(Adapter):
    """An adapter with a defect: one zone is too much for it."""

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        if text(zone.apex) == "client-1.example":
            raise RuntimeError("nobody foresaw this")
        return await super().read(zone, names)


async def test_a_bug_fails_one_domain_with_its_traceback_in_the_log(world: World) -> None:
    fleet = world.fleet(adapter=_Falls)
    await fleet.bulk(clients(world, 5))
    assert stages(fleet) == {Stage.DONE: 4, Stage.STOPPED: 1}
    assert codes(fleet) == {"client-1.example": "bug"}
    assert [str(bug) for bug in fleet.bugs] == ["nobody foresaw this"]
    stop = entries(fleet)["client-1.example"].case.stop
    assert stop is not None
    assert "the test" in stop.next_step


async def test_what_is_wrong_with_one_domain_is_said_of_that_one(world: World) -> None:
    sheet = clients(world, 3)
    world.add("conflict.example", "godaddy", (record("s1._domainkey", "CNAME", "s1.theirs.example.", "conflict.example"),))
    world.add_zone("unknown.example", "cloudflare")  # Wix has never heard of it
    world.wix.add_domain("elsewhere.example")
    world.dns.add_zone("elsewhere.example", ("ns1.nobody.net", "ns2.nobody.net"), lambda _apex: ())
    world.wix.add_domain("lost.example")
    world.dns.add_zone("lost.example", world.hosts["cloudflare"].name_servers)
    fleet = world.fleet()
    extra = ["conflict.example", "unknown.example", "elsewhere.example", "lost.example", "unregistered.example"]
    world.wix.add_domain("unregistered.example")
    await fleet.bulk("\n".join([sheet, *extra]), wait=False)
    assert codes(fleet) == {
        "conflict.example": "refused",
        "unknown.example": "wix-domain-unknown",
        "lost.example": "zone-not-held",
        "unregistered.example": "domain-not-found",
    }
    assert stages(fleet) == {Stage.DONE: 3, Stage.STOPPED: 4, Stage.PROVING: 1}


async def test_a_profile_that_is_gone_stops_its_rows_alone(world: World) -> None:
    class Forgetful(Hops):
        """Stands where the configuration has lost a profile."""

        async def _go_on(self, ref: Ref, known: Entry | None) -> Entry:
            if ref.wix:
                raise ConfigError(f"there is no Wix profile {ref.wix!r}", "Add it.")
            return await super()._go_on(ref, known)

    sheet = clients(world, 2).replace("domain\n", "domain,wix\n").replace("client-1.example", "client-1.example,gone")
    fleet = world.fleet(hops=Forgetful)
    await fleet.bulk(sheet.replace("client-0.example", "client-0.example,"))
    assert codes(fleet) == {"client-1.example": "config"}
    assert stages(fleet)[Stage.DONE] == 1


# -- accounts ----------------------------------------------------------------------------------------------------------


async def test_each_account_lists_its_zones_once_and_the_one_that_holds_a_zone_is_used(tmp_path: Path) -> None:
    with World(tmp_path, accounts={"second": "cloudflare", "third": "cloudflare"}) as world:
        homes = ("cloudflare", "second", "third")
        fleet = world.fleet()
        await fleet.bulk(clients(world, 15, homes))
        assert stages(fleet) == {Stage.DONE: 15}
        assert {name: entry.case.account for name, entry in entries(fleet).items()} == {
            f"client-{number}.example": homes[number % 3] for number in range(15)
        }
        assert {home: world.server.count(home) for home in homes} == dict.fromkeys(homes, 1 + 2 * 5)


async def test_an_account_that_fails_keeps_nobody_from_the_zones_of_another(tmp_path: Path) -> None:
    with World(tmp_path, accounts={"second": "cloudflare"}) as world:
        broken: Any = world.hosts["second"]
        broken.tokens.clear()
        fleet = world.fleet()
        await fleet.bulk(clients(world, 8, ("cloudflare", "second")))
        assert stages(fleet) == {Stage.DONE: 4, Stage.STOPPED: 4}
        assert world.server.count("second") == 1


async def test_a_zone_in_two_accounts_is_explained_and_the_column_account_decides(tmp_path: Path) -> None:
    with World(tmp_path, accounts={"second": "cloudflare"}) as world:
        world.add("twice.example", "cloudflare")
        world.hosts["second"].add_zone("twice.example")
        fleet = world.fleet()
        await fleet.bulk("domain\ntwice.example")
        assert codes(fleet) == {"twice.example": "zone-not-held"}
        stop = entries(fleet)["twice.example"].case.stop
        assert stop is not None
        assert "cloudflare" in stop.happened and "second" in stop.happened
        await world.fleet().bulk("domain,account\ntwice.example,cloudflare")
        assert stages(fleet) == {Stage.DONE: 1}


async def test_a_zone_that_no_listing_shows_is_asked_for(world: World) -> None:
    world.add("shared.example", "namecheap", others("shared.example"), IsOwner=False)
    world.add("owned.example", "namecheap", others("owned.example"))
    fleet = world.fleet()
    await fleet.bulk("domain\nshared.example\nowned.example")
    assert stages(fleet) == {Stage.DONE: 2}
    commands = Counter(call.request.form()["Command"].rpartition(".")[2] for call in world.server.calls if call.service == "namecheap")
    assert (commands["getList"], commands["getInfo"]) == (1, 1)


async def test_a_zone_that_has_gone_to_another_account_is_found_with_the_next_try(tmp_path: Path) -> None:
    with World(tmp_path, accounts={"second": "cloudflare"}) as world:
        held: Any = world.hosts["cloudflare"]
        world.add("stays.example", "cloudflare", others("stays.example"))
        held.add_zone("goes.example")
        fleet = world.fleet()
        await fleet.bulk("domain\nstays.example")
        (gone,) = [zone for zone in held._zones if zone.row["name"] == "goes.example"]
        held._zones.remove(gone)
        world.add("goes.example", "second", others("goes.example"))
        await world.fleet().bulk("domain\nstays.example\ngoes.example")
        assert codes(fleet) == {"goes.example": "zone-not-held"}
        journal = fleet.journal()
        runs = Runs(journal)
        runs.reopen(runs.case_ids(runs.get("clients")), {Stage.STOPPED}, world.clock.now())
        journal.close()
        await world.fleet().drive()
        assert stages(fleet) == {Stage.DONE: 2}
        assert [entry.case.account for entry in entries(fleet).values()] == ["cloudflare", "second"]


@pytest.mark.parametrize(("status", "calls"), [(503, 2 + 2 * 4), (403, 1 + 3 * 4)])
async def test_a_listing_that_fails_costs_a_call_or_look_ups_and_no_domain(world: World, status: int, calls: int) -> None:
    world.server.faults.add(Fault("status", service="cloudflare", call=1, status=status))
    fleet = world.fleet()
    await fleet.bulk(clients(world, 4, ("cloudflare",)))
    assert stages(fleet) == {Stage.DONE: 4}
    assert world.server.count("cloudflare") == calls


@pytest.mark.parametrize("service", ["wix", "cloudflare"])
async def test_an_outage_of_an_hour_at_the_beginning_costs_no_domain(world: World, service: str) -> None:
    began = world.clock.at
    out = Fault("status", service=service, status=503, times=100_000, match=lambda _request: world.clock.at < began + 3600)
    world.server.faults.add(out)
    fleet = world.fleet()
    await fleet.bulk(clients(world, 2, ("cloudflare",)))
    assert stages(fleet) == {Stage.DONE: 2}
    assert all(holds(world, "cloudflare", name) for name in entries(fleet))
    assert set(edits(world, "cloudflare").values()) == {1}


async def test_an_outage_without_an_end_is_told_of_each_domain(world: World) -> None:
    world.server.faults.add(Fault("status", service="wix", status=503, times=100_000))
    fleet = world.fleet(times=Times(stumbling=1800.0))
    began = world.clock.at
    await fleet.bulk(clients(world, 2, ("cloudflare",)))
    assert set(codes(fleet).values()) == {"wix-unavailable"} and len(codes(fleet)) == 2
    assert 1800 <= world.clock.at - began < 2400
    assert all("gave up after" in entry.case.why for entry in entries(fleet).values())


def held(fleet: Fleet) -> tuple[str, float]:
    """How the end of the run is told, and when the one group of domains that are held up stops."""
    journal, now = fleet.journal(), fleet.clock.now()
    runs = Runs(journal)
    run = runs.get("clients")
    (cause,) = held_up(runs.filed(run, HELD_UP), now, fleet.times)
    end = ending(runs.groups(run), runs.left(run), Plugins(), {}, now, fleet.times.give_up)
    journal.close()
    return end.why, cause.until


async def test_what_is_held_up_is_told_with_the_moment_from_which_on_it_stops(world: World) -> None:
    world.server.faults.add(Fault("status", service="godaddy", status=503, times=100_000))
    fleet, hours = world.fleet(), Times().stumbling
    began = world.clock.at
    await fleet.bulk(clients(world, 3), wait=False)
    assert stages(fleet) == {Stage.DONE: 2, Stage.LOCATING: 1}
    why, until = held(fleet)
    assert why == "1 waits until what holds it up has passed"
    assert began <= until - hours <= world.clock.at
    world.clock.at += 3 * 3600.0
    _why, later = held(fleet)
    assert 3 * 3600.0 - 60 < later - until <= 3 * 3600.0, "hours in which nobody tries are given back"
    await fleet.drive()
    assert codes(fleet) == {"client-1.example": "unavailable"}
    assert later <= world.clock.at <= later + Times().stumble_most


async def test_the_site_with_most_domains_is_that_of_those_which_are_not_held_up(world: World) -> None:
    world.server.faults.add(Fault("status", service="godaddy", status=503, times=100_000))
    fleet = world.fleet()
    await fleet.bulk(clients(world, 4, ("godaddy",)), wait=False)
    fleet.take_in(clients(world, 4, ("godaddy",)) + "\n" + clients(world, 2, prefix="new").partition("\n")[2])
    journal = fleet.journal()
    runs = Runs(journal)
    run = runs.get("clients")
    found = {(group.stage, group.held): group.count for group in runs.groups(run)}
    assert found == {(Stage.LOCATING, True): 4, (Stage.ASKING, False): 2}
    assert runs.left(run).at_one_site == 2
    journal.close()


async def test_one_key_asks_for_several_sites_of_its_account(world: World) -> None:
    second = world.wix.add_site("second", beside=world.wix.site)
    world.wix.add_domain("b.example", second)
    world.add_zone("b.example", "cloudflare", others("b.example"))
    world.add("a.example", "cloudflare", others("a.example"))
    fleet = world.fleet()
    await fleet.bulk(f"domain,site_id\na.example,\nb.example,{second.id}")
    assert {name: entry.site for name, entry in entries(fleet).items()} == {"a.example": world.wix.site.id, "b.example": second.id}
    assert stages(fleet) == {Stage.DONE: 2}


# -- interruptions -----------------------------------------------------------------------------------------------------


async def test_a_run_that_is_cancelled_anywhere_is_gone_on_with_and_nothing_is_written_twice(world: World) -> None:
    sheet = clients(world, 18)
    calls = 0
    while calls < 100:
        fleet = world.fleet()
        driving = asyncio.create_task(fleet.bulk(sheet))
        while not driving.done() and len(world.server.calls) < calls + 25:  # noqa: ASYNC110 - another thread counts them
            await asyncio.sleep(0.005)
        calls = len(world.server.calls)
        driving.cancel()
        if (await asyncio.gather(driving, return_exceptions=True))[0] is not None and not driving.cancelled():
            break
    await world.fleet().bulk(sheet)
    assert stages(fleet) == {Stage.DONE: 18}
    for number in range(18):
        assert holds(world, HOSTS[number % 3], f"client-{number}.example")
    assert all(times == 1 for host in HOSTS for times in edits(world, host).values())


async def test_one_process_drives_a_run_and_others_are_told(world: World) -> None:
    sheet = clients(world, 2)
    fleet = world.fleet()
    fleet.take_in(sheet)
    journal = fleet.journal()
    with journal.lock(f"run-{Runs(journal).get('clients').id}", "x"), pytest.raises(Busy, match="clients"):
        await world.fleet().drive()
    journal.close()
    await world.fleet().drive()
    assert stages(fleet) == {Stage.DONE: 2}


async def test_a_domain_that_another_process_works_on_is_left_to_it_and_looked_at_again(world: World) -> None:
    fleet = world.fleet()
    fleet.take_in(clients(world, 3))
    journal = fleet.journal()
    lock = journal.lock(f"case-{world.wix.site.id}-client-1.example", "client-1.example")
    lock.__enter__()

    async def let_go(seconds: float) -> None:
        if stages(fleet)[Stage.DONE] == 2:
            lock.__exit__(None, None, None)
        world.clock.at += seconds
        await asyncio.sleep(0)

    world.clock.sleep = let_go  # type: ignore[method-assign]  # what happens while time passes is this test's own
    await world.fleet().drive()
    journal.close()
    assert stages(fleet) == {Stage.DONE: 3}


async def test_a_cancelled_run_begins_nothing_more_until_it_is_run_again(world: World) -> None:
    sheet = clients(world, 3)
    fleet = world.fleet()
    fleet.take_in(sheet)
    journal = fleet.journal()
    Runs(journal).cancel(Runs(journal).get("clients"), cancelled=True)
    journal.close()
    await world.fleet().drive()
    assert stages(fleet) == {Stage.ASKING: 3}
    assert not world.server.calls
    await world.fleet().bulk(sheet)
    assert stages(fleet) == {Stage.DONE: 3}


async def test_a_machine_that_slept_for_a_day_goes_on(tmp_path: Path) -> None:
    with World(tmp_path, delay=40.0) as world:
        sheet = clients(world, 3)
        fleet = world.fleet()
        await fleet.bulk(sheet, wait=False)
        world.clock.at += 86400
        await world.fleet().bulk(sheet, wait=False)
        assert stages(fleet) == {Stage.DONE: 3}


async def test_a_clock_that_is_set_back_makes_nobody_wait_longer(world: World) -> None:
    fleet = world.fleet()
    sheet = clients(world, 3, ("godaddy",))
    world.server.faults.add(Fault("status", service="godaddy", call=2, times=50, status=503))
    await fleet.bulk(sheet, wait=False)
    assert stages(fleet) == {Stage.PLANNING: 3}
    world.server.faults.clear()
    world.clock.at -= 7 * 86400
    await world.fleet().drive(wait=False)
    assert stages(fleet)[Stage.PLANNING] == 0


class _OnFullDisk(Fleet):
    """SQLite's own limit of pages stands in for the disk: the same error, by the same road."""

    def journal(self) -> Journal:
        journal = super().journal()
        with journal.database.reading() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

        @sa.event.listens_for(journal.database.engine, "connect")
        def _limit(connection: sqlite3.Connection, _record: object) -> None:
            connection.execute(f"PRAGMA max_page_count={pages}")

        journal.database.engine.dispose()
        return journal


async def test_a_full_disk_ends_the_run_with_what_to_do(world: World) -> None:
    fleet = world.fleet()
    fleet.take_in(clients(world, 12))
    with pytest.raises(JournalError, match="full") as caught:
        await _OnFullDisk(world.reach, world.clock, "", {}, plugins=world.plugins).drive()
    assert "Make room" in caught.value.next_step
    await world.fleet().drive()
    assert stages(fleet) == {Stage.DONE: 12}
    assert all(times == 1 for host in HOSTS for times in edits(world, host).values())


async def test_a_journal_that_is_lost_costs_no_second_write(tmp_path: Path) -> None:
    with World(tmp_path, delay=40.0) as world:
        sheet = clients(world, 9)
        fleet = world.fleet()
        await fleet.bulk(sheet, wait=False)
        assert stages(fleet) == {Stage.PROVING: 9}
        for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
            (tmp_path / name).unlink(missing_ok=True)
        await world.fleet().bulk(sheet)
        assert stages(fleet) == {Stage.DONE: 9}
        assert all(times == 1 for host in HOSTS for times in edits(world, host).values())


def _deleted(journal: Path) -> None:
    for name in ("journal.db", "journal.db-wal", "journal.db-shm"):
        journal.with_name(name).unlink(missing_ok=True)


def _moved(journal: Path) -> None:
    journal.rename(journal.with_name("elsewhere.db"))


def _replaced(journal: Path) -> None:
    copy = journal.with_name("copy.db")
    with closing(sqlite3.connect(journal)) as source, closing(sqlite3.connect(copy)) as target:
        source.backup(target)
    copy.replace(journal)


@pytest.mark.parametrize("go", [_deleted, _moved, _replaced])
@pytest.mark.parametrize("service", ["wix", *HOSTS])
async def test_a_journal_that_goes_in_the_middle_ends_the_run_before_anything_else_is_written(
    world: World, tmp_path: Path, go: Callable[[Path], None], service: str
) -> None:
    sheet = clients(world, 9)
    journal = tmp_path / "journal.db"
    world.server.faults.add(Fault("meanwhile", service=service, call=5, action=lambda: go(journal)))
    with pytest.raises(JournalError, match="deleted, moved or replaced") as caught:
        await world.fleet().bulk(sheet)
    assert caught.value.exit_code == 2
    assert "Put it back" in caught.value.next_step and "writes nothing twice" in caught.value.next_step
    assert sum(sum(edits(world, host).values()) for host in HOSTS) < 9
    fleet = world.fleet()
    await fleet.bulk(sheet)
    assert stages(fleet) == {Stage.DONE: 9}
    assert all(holds(world, HOSTS[number % 3], f"client-{number}.example") for number in range(9))
    assert all(times == 1 for host in HOSTS for times in edits(world, host).values())


class _Impatient(Fleet):
    """Waits no time for who holds the journal, and counts how often it would have waited."""

    waits = 0
    held: sqlite3.Connection | None = None

    def journal(self) -> Journal:
        folder = self.reach().folder
        journal = Journal(f"sqlite:///{folder / 'journal.db'}?timeout=0", folder, self.times)
        sa.event.listen(journal.database.engine, "handle_error", self._waited)
        return journal

    def _waited(self, context: sa.engine.ExceptionContext) -> None:
        self.waits += "locked" in str(context.original_exception)

    def hold(self) -> None:
        """Another program takes the journal's write lock."""
        self.held = sqlite3.connect(self.reach().folder / "journal.db", isolation_level=None, check_same_thread=False)
        self.held.execute("BEGIN IMMEDIATE")


async def test_a_journal_that_another_program_holds_is_waited_for_once_and_ends_the_run(world: World) -> None:
    fleet = _Impatient(world.reach, world.clock, "", {}, plugins=world.plugins)
    fleet.take_in(clients(world, 24))
    world.server.faults.add(Fault("meanwhile", service="godaddy", call=5, action=fleet.hold))
    with pytest.raises(JournalError, match="locked") as caught:
        await fleet.drive()
    assert "Another process holds it: let that finish, and run the command again." in caught.value.next_step
    assert fleet.waits == 1, "not once for each domain in flight"
    assert fleet.held is not None
    fleet.held.close()
    await world.fleet().drive()
    assert stages(fleet) == {Stage.DONE: 24}
    assert all(times == 1 for host in HOSTS for times in edits(world, host).values())


# -- taking in ---------------------------------------------------------------------------------------------------------


async def test_the_same_file_with_new_lines_adds_only_those(world: World) -> None:
    sheet = clients(world, 3)
    await world.fleet().bulk(sheet)
    longer = f"{sheet}\n{clients(world, 2, prefix='new').partition(chr(10))[2]}"
    world.server.reset_counts()
    fleet = world.fleet()
    taken = await fleet.bulk(longer)
    assert (taken.new, taken.changed, taken.gone) == (2, 0, 0)
    assert stages(fleet) == {Stage.DONE: 5}
    assert world.server.count("wix") == 1 + 2 * 2
    shorter = await world.fleet().bulk(sheet)
    assert (shorter.new, shorter.gone) == (0, 2)


async def test_another_order_for_a_domain_takes_it_up_again(world: World) -> None:
    world.add("a.example", "cloudflare", (record("_dmarc", "TXT", '"v=DMARC1; p=reject"', "a.example"),))
    world.wix.requires_dmarc = True
    fleet = world.fleet()
    await fleet.bulk("domain\na.example", wait=False)
    assert stages(fleet) == {Stage.PROVING: 1}
    taken = await world.fleet().bulk("domain,dmarc\na.example,replace", wait=False)
    assert (taken.new, taken.changed) == (0, 1)
    assert stages(fleet) == {Stage.DONE: 1}


async def test_the_terms_of_a_run_hold_for_each_of_its_domains(world: World) -> None:
    theirs = [f"t{number}.example" for number in range(3)]
    for name in theirs:
        world.add(name, "cloudflare", (*others(name), record("s1._domainkey", "CNAME", "s1.theirs.example.", name)))
    sheet = "\n".join(["domain", *theirs])
    fleet = world.fleet()
    await fleet.bulk(sheet)
    assert set(codes(fleet).values()) == {"refused"}
    journal = fleet.journal()
    runs = Runs(journal)
    runs.reopen(runs.case_ids(runs.get("clients")), {Stage.STOPPED}, world.clock.now())
    journal.close()
    await world.fleet().bulk(sheet, terms=Terms(replace=("s1._domainkey",)))
    assert stages(fleet) == {Stage.DONE: 3}


async def test_two_runs_that_name_a_domain_share_its_case_and_say_so(world: World) -> None:
    sheet = clients(world, 3)
    fleet = world.fleet()
    await fleet.bulk(sheet, name="first")
    world.server.reset_counts()
    taken = await world.fleet().bulk(sheet, name="second")
    assert dict(taken.shared) == {"first": 3}
    assert len(entries(fleet)) == 3
    assert not world.server.calls


async def test_what_a_single_command_had_stopped_is_begun_anew_by_a_run(world: World) -> None:
    world.add("a.example", "cloudflare")
    held = world.wix.domains.popitem()
    single = world.run("a.example", site=world.wix.site.id)
    assert (await single.authenticate()).case.stage is Stage.STOPPED
    world.wix.domains[held[0]] = held[1]
    fleet = world.fleet()
    await fleet.bulk("domain\na.example")
    assert stages(fleet) == {Stage.DONE: 1}
    assert len(happened(fleet, Stopped)) == 1
    assert len(happened(fleet, WixAuthenticated)) == 1


async def test_a_list_that_is_edited_while_its_run_goes_on_is_taken_in_by_the_next_command(world: World) -> None:
    sheet = clients(world, 9)
    new = clients(world, 3, prefix="new").partition("\n")[2]
    edited = "\n".join(
        [*sheet.replace("domain\n", "domain,note\n").replace("client-7.example", "client-7.example,x").splitlines()[:-1], new]
    )
    taken: list[TakenIn] = []

    def edit() -> None:
        taken.append(world.fleet().take_in(edited))

    world.server.faults.add(Fault("meanwhile", service="godaddy", call=4, action=edit))
    fleet = world.fleet()
    await fleet.bulk(sheet)
    assert [(each.new, each.changed, each.gone) for each in taken] == [(3, 0, 1)]
    assert stages(fleet) == {Stage.DONE: 12}, "what is new was taken up by the process that drives the run, what is gone goes on"
    assert all(times == 1 for host in HOSTS for times in edits(world, host).values())


async def test_two_runs_that_name_the_same_domains_at_the_same_time_write_each_once(world: World) -> None:
    sheet = clients(world, 6)
    more = f"{sheet}\n{clients(world, 3, prefix='more').partition(chr(10))[2]}"
    fleets = {"first": world.fleet(), "second": world.fleet()}
    assert dict(fleets["first"].take_in(sheet, name="first").shared) == {}
    assert dict(fleets["second"].take_in(more, name="second").shared) == {"first": 6}
    await asyncio.gather(*(fleet.drive(name) for name, fleet in fleets.items()))
    assert stages(fleets["first"]) == {Stage.DONE: 9}
    assert all(times == 1 for host in HOSTS for times in edits(world, host).values())


def test_a_run_is_of_one_file(world: World) -> None:
    fleet = world.fleet()
    fleet.take_in("domain\na.example")
    journal = fleet.journal()
    sheet = read_sheet(b"domain\nb.example")
    with pytest.raises(ConfigError, match=r"was begun from clients\.csv"):
        Runs(journal).take_in("clients", "other/clients.csv", sheet, ["s"], Terms(), 1.0)
    with pytest.raises(ConfigError, match="no bulk run 'nothing'"):
        Runs(journal).get("nothing")
    journal.close()


def test_columns_that_come_and_go_lose_no_cell(world: World) -> None:
    fleet = world.fleet()
    fleet.take_in("domain,old,kept\na.example,1,x\nb.example,2,y")
    run = fleet.take_in("domain,kept,new\nb.example,z,3\nc.example,w,4").run
    assert run.columns == ("domain", "kept", "new", "old")
    journal = fleet.journal()
    cells = {filed.cells["domain"]: dict(filed.cells) for filed in Runs(journal).filed(run)}
    journal.close()
    assert cells == {
        "a.example": {"domain": "a.example", "old": "1", "kept": "x"},
        "b.example": {"domain": "b.example", "kept": "z", "new": "3"},
        "c.example": {"domain": "c.example", "kept": "w", "new": "4"},
    }


@given(st.lists(st.integers(1, 9), min_size=1, max_size=8), st.integers(1, 6), st.integers(1, 20))
def test_a_lane_is_looked_at_again_when_it_has_more_rows_than_were_found_and_not_when_others_have(
    waiting: list[int], depth: int, most: int
) -> None:
    lanes = [Lane(Turn.FIRST, "", str(number)) for number in range(len(waiting))]
    in_turn = [lane for place in range(depth) for lane, size in zip(lanes, waiting, strict=True) if place < size]
    found = Counter(in_turn[:most])
    more = {lane for lane, size in zip(lanes, waiting, strict=True) if lane in found and size > found[lane]}
    again = cut(found, depth, most)
    assert more <= again
    assert all(found[lane] >= min(depth, max(found.values()) - 1) for lane in again)
    assert len(in_turn) >= most or all(found[lane] == depth for lane in again)
