"""Which account holds which zone: an account lists its zones page by page, over failures and restarts, in as few calls as can be.

The host is Example DNS at the wire, a hundred zones a page.
"""

import asyncio
import hashlib
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
import sqlalchemy as sa

from postgres import Postgres, either
from wixsend.adapters import Adapter
from wixsend.errors import CredentialsRejected, RateLimited, Unavailable, ZoneNotHeld
from wixsend.events import Stopped
from wixsend.holdings import Held, Holdings
from wixsend.journal import Journal
from wixsend.names import absolute, text
from wixsend.provider import Credentials, ProviderPlugin, ZonePage
from wixsend.quota import Quotas
from wixsend.tables import about, tables, zone_pages
from wixsend.testing.example import PLUGIN
from wixsend.testing.example.adapter import ExampleProvider
from wixsend.testing.example.sandbox import ExampleHost
from wixsend.testing.example.variants import BLOCKING
from wixsend.testing.fakes import Request
from wixsend.testing.server import Fault, Server
from wixsend.testing.world import Clock, OneAccount
from wixsend.verdict import Delegation, NameServer
from wixsend.wire import HttpWire
from wixsend.zonepages import ZonePages


@dataclass
class Vendor:
    """Example DNS with 250 zones, three pages, and processes of wixsend that ask it."""

    server: Server
    host: ExampleHost
    clock: Clock = field(default_factory=Clock)
    quotas: Quotas | None = None
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)

    def process(self, credentials: Credentials | None = None, plugin: ProviderPlugin = PLUGIN, **options: Any) -> Holdings:
        """A process that lists. It opens each account once."""
        adapters: dict[str, Adapter] = {}

        async def opens(account: Any) -> Adapter:
            if account.name not in adapters:
                quota = self.quotas.quota(account.name, PLUGIN.quota) if self.quotas is not None else None
                adapter = Adapter.open(plugin, credentials or self.host.credentials, HttpWire(self.server.url("example"), quota))
                adapters[account.name] = adapter
                self.opened.push_async_callback(adapter.close)
            return adapters[account.name]

        return Holdings(opens, self.clock.now, lists=True, **options)

    @property
    def pages(self) -> list[int]:
        """The pages that were asked for, in that order."""
        return [int(call.request.args["page"]) for call in self.server.calls if is_page(call.request)]

    @property
    def look_ups(self) -> list[str]:
        """The zones that were asked for one by one."""
        return [call.request.args["name"] for call in self.server.calls if "name" in call.request.args]

    def fails(self, page: int, times: int = 1, status: int = 503, **manners: Any) -> None:
        """Let a page fail."""
        fits = lambda request: is_page(request) and request.args["page"] == str(page)  # noqa: E731
        self.server.faults.add(Fault("status", times=times, status=status, match=fits, **manners))


def is_page(request: Request) -> bool:
    return request.path == "/v1/zones" and "name" not in request.args


@pytest.fixture
def host() -> ExampleHost:
    made = ExampleHost()
    for number in range(250):
        made.add_zone(f"client-{number}.example")
    return made


@pytest_asyncio.fixture
async def vendor(host: ExampleHost) -> AsyncIterator[Vendor]:
    with Server({"example": host.handle}) as server:
        made = Vendor(server, host)
        async with made.opened:
            yield made


ACCOUNT = OneAccount("example", "example", {})


async def held(process: Holdings, number: int | str, *accounts: OneAccount) -> list[Held]:
    name = number if isinstance(number, str) else f"client-{number}.example"
    servers = tuple(NameServer(absolute(server), ()) for server in ExampleHost.name_servers)
    return await process.holders(accounts or (ACCOUNT,), Delegation(absolute(name), absolute("example"), servers))


async def names(process: Holdings, number: int | str) -> list[str]:
    return [text(one.zone.apex) for one in await held(process, number)]


# -- as far as it takes ------------------------------------------------------------------------------------------------


async def test_an_account_is_listed_once_and_no_further_than_it_takes(vendor: Vendor) -> None:
    process = vendor.process()
    for number in (3, 7, 120, 99, 249, 0):
        assert await names(process, number) == [f"client-{number}.example"]
    assert (vendor.pages, vendor.look_ups) == ([1, 2, 3], [])


async def test_what_no_page_shows_is_asked_for(vendor: Vendor) -> None:
    process = vendor.process()
    assert await names(process, "other.example") == []
    vendor.host.add_zone("other.example")
    assert await names(process, "other.example") == ["other.example"]
    assert (vendor.pages, vendor.look_ups) == ([1, 2, 3], ["other.example"] * 2)


async def test_a_listing_is_believed_for_an_hour_from_its_first_page(vendor: Vendor) -> None:
    process = vendor.process()
    await held(process, 0)
    vendor.clock.at += 3000
    await held(process, 249)
    vendor.clock.at += 599
    await held(process, 0)
    assert vendor.pages == [1, 2, 3]
    vendor.clock.at += 1
    await held(process, 249)
    assert vendor.pages == [1, 2, 3, 1, 2, 3]


async def test_a_clock_that_is_set_back_keeps_no_listing_alive(vendor: Vendor) -> None:
    process = vendor.process()
    await held(process, 249)
    vendor.clock.at -= 86400
    await held(process, 249)
    assert vendor.pages == [1, 2, 3] * 2


async def test_a_zone_on_two_pages_is_one_zone(vendor: Vendor) -> None:
    process = vendor.process()
    await held(process, 0)
    first = vendor.host._zones.pop("client-0.example")
    vendor.host._zones = {f"new-{n}.example": dict(first, id=f"new{n}", name=f"new-{n}.example") for n in range(3)} | vendor.host._zones
    assert await names(process, 98) == ["client-98.example"]
    await held(process, 249)
    assert await names(process, 98) == ["client-98.example"]
    assert vendor.look_ups == []


# -- pages that do not come --------------------------------------------------------------------------------------------


async def test_a_page_that_fails_is_asked_for_again_at_once(vendor: Vendor) -> None:
    vendor.fails(2, times=2)
    assert await names(vendor.process(), 249) == ["client-249.example"]
    assert (vendor.pages, vendor.look_ups) == ([1, 2, 2, 2, 3], [])


async def test_a_listing_goes_on_where_it_was(vendor: Vendor) -> None:
    vendor.fails(2, times=3)
    process = vendor.process()
    assert await names(process, 249) == ["client-249.example"]
    assert (vendor.pages, vendor.look_ups) == ([1, 2, 2, 2], ["client-249.example"])
    assert await names(process, 50) == ["client-50.example"], "what has come is used"
    assert await names(process, 150) == ["client-150.example"]
    assert (vendor.pages, vendor.look_ups) == ([1, 2, 2, 2], ["client-249.example", "client-150.example"])
    vendor.clock.at += 5
    assert await names(process, 151) == ["client-151.example"]
    assert await names(process, 248) == ["client-248.example"]
    assert (vendor.pages, vendor.look_ups) == ([1, 2, 2, 2, 2, 3], ["client-249.example", "client-150.example"])


async def test_after_too_many_calls_a_page_is_not_asked_for_again_at_once(vendor: Vendor) -> None:
    vendor.fails(1, status=429)
    assert await names(vendor.process(), 0) == ["client-0.example"]
    assert (vendor.pages, vendor.look_ups) == ([1], ["client-0.example"])


async def test_a_listing_that_is_refused_rests_for_a_minute(vendor: Vendor) -> None:
    vendor.fails(1, status=403)
    process = vendor.process()
    for wait, pages in ((0, [1]), (59, [1]), (1, [1, 1])):
        vendor.clock.at += wait
        assert await names(process, "client-9.example") == ["client-9.example"]
        assert vendor.pages == pages


async def test_credentials_that_are_refused_close_the_account(vendor: Vendor) -> None:
    vendor.fails(2, status=401)
    process = vendor.process()
    for _ in range(2):
        with pytest.raises(CredentialsRejected):
            await held(process, 249)
    assert (vendor.pages, vendor.look_ups) == ([1, 2], [])


class ListsInCircles(ExampleProvider):
    """After its second page comes the first one again, until the host has no zone `circle.example` any more."""

    async def zones(self, page: str = "") -> ZonePage:
        found = await super().zones(page)
        circle = page == "2" and await self.zone(absolute("circle.example"))
        return replace(found, following="2") if circle else found


async def test_a_listing_that_leads_back_has_failed_and_is_gone_on_with(vendor: Vendor) -> None:
    process = vendor.process(plugin=replace(PLUGIN, opens=ListsInCircles))
    vendor.host.add_zone("circle.example")
    assert await names(process, 249) == ["client-249.example"]
    assert vendor.pages == [1, 2, 2, 2]
    del vendor.host._zones["circle.example"]
    vendor.clock.at += 5
    assert await names(process, 248) == ["client-248.example"]
    assert vendor.pages == [1, 2, 2, 2, 2, 3]


# -- what outlives a process -------------------------------------------------------------------------------------------


@pytest.fixture(params=["file", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return either(request, tmp_path / "journal.db")


@pytest.fixture
def journal(url: str, tmp_path: Path) -> Iterator[Callable[[], Journal]]:
    """Opens the journal, as one more process."""
    opened: list[Journal] = []

    def opens() -> Journal:
        opened.append(Journal(url, tmp_path))
        return opened[-1]

    yield opens
    for each in opened:
        each.close()


@pytest.fixture
def kept(journal: Callable[[], Journal]) -> Callable[[], ZonePages]:
    return lambda: ZonePages(journal().database)


type Opens = Callable[[], ZonePages]


def rows(journal: Callable[[], Journal]) -> list[Any]:
    with journal().database.reading() as connection:
        return list(connection.execute(sa.select(zone_pages).order_by(zone_pages.c.number)).all())


async def test_a_new_process_goes_on_from_the_pages_that_are_there(vendor: Vendor, kept: Opens) -> None:
    await held(vendor.process(kept=kept()), 150)
    assert vendor.pages == [1, 2]
    vendor.clock.at += 600
    again = vendor.process(kept=kept())
    for number in (150, 0, 99):
        assert await names(again, number) == [f"client-{number}.example"]
    assert vendor.pages == [1, 2]
    assert await names(again, 249) == ["client-249.example"]
    assert (vendor.pages, vendor.look_ups) == ([1, 2, 3], [])


async def test_what_is_kept_is_what_the_host_said(vendor: Vendor, kept: Opens) -> None:
    first = await held(vendor.process(kept=kept()), 7)
    assert [one.zone for one in await held(vendor.process(kept=kept()), 7)] == [one.zone for one in first]
    assert vendor.pages == [1]


async def test_a_kept_listing_is_an_hour_old_at_the_most(vendor: Vendor, kept: Opens, journal: Callable[[], Journal]) -> None:
    await held(vendor.process(kept=kept()), 0)
    vendor.clock.at += 3000
    await held(vendor.process(kept=kept()), 249)
    assert vendor.pages == [1, 2, 3]
    vendor.clock.at += 600
    again = vendor.process(kept=kept())
    assert await names(again, 0) == ["client-0.example"]
    assert await names(again, 249) == ["client-249.example"], "the second and third page are of the listing before"
    assert vendor.pages == [1, 2, 3] * 2
    assert {row.at for row in rows(journal)} == {vendor.clock.at}


async def test_pages_that_are_too_old_go_with_anybody_s_first_page(vendor: Vendor, kept: Opens, journal: Callable[[], Journal]) -> None:
    await held(vendor.process(kept=kept()), 249, OneAccount("former", "example", {}))
    assert {row.account for row in rows(journal)} == {"former"}
    vendor.clock.at += 3601
    await held(vendor.process(kept=kept()), 0)
    assert [(row.account, row.number) for row in rows(journal)] == [("example", 1)]


async def test_pages_of_a_clock_that_was_set_back_do_not_live_for_ever(vendor: Vendor, kept: Opens, journal: Callable[[], Journal]) -> None:
    await held(vendor.process(kept=kept()), 249)
    vendor.clock.at -= 86400
    await held(vendor.process(kept=kept()), 249)
    await held(vendor.process(kept=kept()), 249)
    assert vendor.pages == [1, 2, 3] * 2
    assert {row.at for row in rows(journal)} == {vendor.clock.at}


async def test_clocks_of_two_machines_may_differ(vendor: Vendor, kept: Opens) -> None:
    await held(vendor.process(kept=kept()), 249)
    vendor.clock.at -= 30
    behind = vendor.process(kept=kept())
    for number in (0, 249):
        await held(behind, number)
    assert vendor.pages == [1, 2, 3]


async def test_another_token_is_not_given_the_zones_of_the_old_one(vendor: Vendor, kept: Opens) -> None:
    await held(vendor.process(kept=kept()), 249)
    vendor.host.credentials = {"token": "another-token"}  # type: ignore[misc]
    await held(vendor.process(kept=kept()), 249)
    assert vendor.pages == [1, 2, 3] * 2


async def test_nor_is_another_account(vendor: Vendor, kept: Opens) -> None:
    await held(vendor.process(kept=kept()), 249)
    await held(vendor.process(kept=kept()), 249, OneAccount("other", "example", {}))
    assert vendor.pages == [1, 2, 3] * 2


async def test_no_secret_is_kept_nor_a_hash_that_anybody_could_make(vendor: Vendor, kept: Opens, journal: Callable[[], Journal]) -> None:
    process = vendor.process(kept=kept())
    ((found),) = await held(process, 249)
    token = vendor.host.credentials["token"]
    with journal().database.reading() as connection:
        dump = str([connection.execute(sa.select(table)).all() for table in tables.sorted_tables])
    hashes = [hashlib.new(name, token.encode()).hexdigest() for name in ("md5", "sha1", "sha256")]
    for secret in (token, *hashes, found.adapter.opened_with.hex()):
        assert secret[:16] not in dump
    assert rows(journal)[0].opened in dump


async def test_each_journal_has_a_salt_of_its_own(vendor: Vendor, postgres: Postgres, tmp_path: Path) -> None:
    salts, keys = set(), set()
    for number in range(2):
        opened = Journal(postgres.url(), tmp_path / str(number))
        await held(vendor.process(kept=ZonePages(opened.database)), 0)
        with opened.database.reading() as connection:
            salts.add(connection.execute(sa.select(about.c.value).where(about.c.key == "salt")).scalar_one())
            keys.add(connection.execute(sa.select(zone_pages.c.opened)).scalar_one())
        opened.close()
    assert len(salts) == len(keys) == 2


async def test_two_processes_at_a_time_keep_each_page_once(vendor: Vendor, kept: Opens, journal: Callable[[], Journal]) -> None:
    vendor.server.faults.add(Fault("latency", times=2, seconds=0.2, match=lambda request: request.args.get("page") == "1"))
    processes = [vendor.process(kept=kept()) for _ in range(2)]
    found = await asyncio.gather(*(names(process, number) for process in processes for number in (249, 3, 120)))
    assert found == [["client-249.example"], ["client-3.example"], ["client-120.example"]] * 2
    assert [(row.number, row.asked, row.following) for row in rows(journal)] == [(1, "", "2"), (2, "2", "3"), (3, "3", "")]
    assert vendor.look_ups == []


async def test_what_another_process_reads_meanwhile_is_not_asked_for(vendor: Vendor, kept: Opens) -> None:
    one, other = vendor.process(kept=kept()), vendor.process(kept=kept())
    for number in (0, 100, 200):
        for process in (one, other):
            assert await names(process, number) == [f"client-{number}.example"]
    assert vendor.pages == [1, 2, 3]


@pytest.mark.parametrize("damage", ["", "[7]", "{", '[{"apex": "a..b"}]', "[" * 100_000])
async def test_a_page_that_cannot_be_read_is_not_there(vendor: Vendor, kept: Opens, journal: Callable[[], Journal], damage: str) -> None:
    await held(vendor.process(kept=kept()), 0)
    with journal().database.writing() as connection:
        connection.execute(sa.update(zone_pages).values(zones=damage))
    assert await names(vendor.process(kept=kept()), 0) == ["client-0.example"]
    assert vendor.pages == [1, 1]


async def test_a_page_of_a_listing_that_was_led_elsewhere_is_not_taken(vendor: Vendor, kept: Opens, journal: Callable[[], Journal]) -> None:
    await held(vendor.process(kept=kept()), 150)
    with journal().database.writing() as connection:
        connection.execute(sa.update(zone_pages).where(zone_pages.c.number == 2).values(asked="elsewhere", zones=json.dumps([])))
    assert await names(vendor.process(kept=kept()), 150) == ["client-150.example"]
    assert vendor.pages == [1, 2, 2]
    assert rows(journal)[1].asked == "2"


# -- what is forgotten -------------------------------------------------------------------------------------------------

NOT_HELD = Stopped(ZoneNotHeld.code, ZoneNotHeld.exit_code, "the zone is gone", "")


async def test_a_listing_that_shows_a_zone_that_is_not_held_is_forgotten(vendor: Vendor, kept: Opens) -> None:
    process = vendor.process(kept=kept())
    await held(process, 249)
    del vendor.host._zones["client-7.example"]
    await process.stopped("example", absolute("client-7.example"), NOT_HELD)
    assert await names(process, 7) == []
    assert await names(vendor.process(kept=kept()), 7) == []
    assert vendor.pages == [1, 2, 3] * 2
    assert vendor.look_ups == ["client-7.example"] * 2


async def test_a_zone_that_it_did_not_show_says_nothing_of_a_listing(vendor: Vendor, kept: Opens) -> None:
    process = vendor.process(kept=kept())
    await held(process, 249)
    await process.stopped("example", absolute("other.example"), NOT_HELD)
    await process.stopped("example", absolute("client-7.example"), Stopped("refused", 3, "", ""))
    await held(process, 249)
    assert vendor.pages == [1, 2, 3]


async def test_a_host_that_goes_on_listing_what_it_does_not_hold_is_not_listed_again_and_again(vendor: Vendor, kept: Opens) -> None:
    process = vendor.process(kept=kept())
    for number in range(5):
        await held(process, number)
        await process.stopped("example", absolute(f"client-{number}.example"), NOT_HELD)
    assert (vendor.pages, vendor.look_ups) == ([1, 1], [])
    assert await names(process, 4) == ["client-4.example"], "that one is asked for"
    assert vendor.look_ups == ["client-4.example"]


async def test_what_was_found_by_asking_is_asked_for_again_after_it_was_not_held(vendor: Vendor) -> None:
    process = vendor.process()
    process.lists = False
    for _ in range(2):
        await held(process, 7)
    await process.stopped("example", absolute("client-7.example"), NOT_HELD)
    await held(process, 7)
    assert vendor.look_ups == ["client-7.example"] * 2


# -- a vendor that wants to be left alone ------------------------------------------------------------------------------

SPEED = 100.0


@pytest_asyncio.fixture
async def quotas(vendor: Vendor) -> AsyncIterator[Quotas]:
    """A record of calls, kept from the beginning; a hundred seconds of it are one second."""
    vendor.quotas = Quotas(speed=SPEED)
    yield vendor.quotas
    await vendor.quotas.close()


@pytest.mark.parametrize("plugin", [PLUGIN, BLOCKING], ids=["asynchronous", "blocking"])
async def test_nobody_waits_for_a_vendor_longer_than_he_is_patient_for(vendor: Vendor, quotas: Quotas, plugin: ProviderPlugin) -> None:
    process = vendor.process(plugin=plugin)
    process.patience = 5.0
    vendor.server.faults.add(Fault("status", status=429, headers={"retry-after": "300"}))
    for _ in range(3):
        with pytest.raises(RateLimited) as told:
            await held(process, 0)
        assert told.value.retry_after is not None and 200 < told.value.retry_after <= 300
    assert "left alone" in told.value.happened
    assert vendor.server.count("example") == 1
    left = (await quotas.quota("example", PLUGIN.quota).use()).shut
    assert left < 300, "nobody who was turned away has made it longer"
    vendor.clock.at += 300
    await asyncio.sleep(left / SPEED)
    assert await names(process, 0) == ["client-0.example"]
    assert vendor.server.count("example") == 2


async def test_what_is_known_already_needs_no_vendor(vendor: Vendor, quotas: Quotas) -> None:
    process = vendor.process()
    process.patience = 5.0
    await held(process, 0)
    quotas.quota("example", PLUGIN.quota).pause(300)
    assert await names(process, 99) == ["client-99.example"]
    with pytest.raises(RateLimited):
        await held(process, 100)


async def test_what_another_account_holds_is_returned(vendor: Vendor, quotas: Quotas) -> None:
    process = vendor.process()
    process.patience = 5.0
    shut = OneAccount("shut", "example", {})
    quotas.quota("shut", PLUGIN.quota).pause(300)
    assert [one.account.name for one in await held(process, 0, shut, ACCOUNT)] == ["example"]
    with pytest.raises(RateLimited):
        await held(process, "other.example", shut, ACCOUNT)


async def test_for_a_short_time_everybody_waits_and_who_has_one_domain_for_any(vendor: Vendor, quotas: Quotas) -> None:
    hurried, single = vendor.process(), vendor.process()
    hurried.patience, single.lists = 5.0, False
    quota = quotas.quota("example", PLUGIN.quota)
    quota.pause(4)
    assert await names(hurried, 0) == ["client-0.example"]
    quota.pause(60)
    assert await names(single, 0) == ["client-0.example"]


async def test_a_place_among_other_calls_is_waited_for(vendor: Vendor, quotas: Quotas) -> None:
    """Three hundred seconds are six hundred calls."""
    process = vendor.process()
    process.patience = 5.0
    await quotas.quota("example", PLUGIN.quota).ready(600)
    assert await names(process, 0) == ["client-0.example"]


# -- all of it together ------------------------------------------------------------------------------------------------


async def test_a_listing_comes_to_its_end_where_a_third_of_all_calls_fails_and_no_process_lives_long(
    vendor: Vendor, kept: Opens, journal: Callable[[], Journal]
) -> None:
    """Ten pages, and a process that is gone after three domains."""
    for number in range(250, 1000):
        vendor.host.add_zone(f"client-{number}.example")
    drawn = random.Random(7)
    vendor.server.faults.add(Fault("status", times=100_000, match=lambda _request: drawn.random() < 0.36))
    process = vendor.process(kept=kept())
    for step, number in enumerate(drawn.sample(range(1000), 60)):
        if step % 3 == 0:
            process = vendor.process(kept=kept())
        with suppress(Unavailable):
            assert await names(process, number) == [f"client-{number}.example"]
        vendor.clock.at += 3
    assert [row.number for row in rows(journal)] == list(range(1, 11))
    given = Counter(call.request.args["page"] for call in vendor.server.calls if is_page(call.request) and call.status == 200)
    assert given == {str(page): 1 for page in range(1, 11)}, "no page was given twice"
