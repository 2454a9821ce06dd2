"""Which account holds which zone: an account lists its zones page by page, over failures and restarts, in as few calls as can be.

The host is Example DNS at the wire, a hundred zones a page.
"""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
import pytest_asyncio

from wixsend.adapters import Adapter
from wixsend.errors import CredentialsRejected
from wixsend.holdings import Held, Holdings
from wixsend.names import absolute, text
from wixsend.provider import Credentials, ProviderPlugin, ZonePage
from wixsend.testing.example import PLUGIN
from wixsend.testing.example.adapter import ExampleProvider
from wixsend.testing.example.sandbox import ExampleHost
from wixsend.testing.fakes import Request
from wixsend.testing.server import Fault, Server
from wixsend.testing.world import Clock, OneAccount
from wixsend.verdict import Delegation, NameServer
from wixsend.wire import HttpWire


@dataclass
class Vendor:
    """Example DNS with 250 zones, three pages, and processes of wixsend that ask it."""

    server: Server
    host: ExampleHost
    clock: Clock = field(default_factory=Clock)
    opened: AsyncExitStack = field(default_factory=AsyncExitStack)

    def process(self, credentials: Credentials | None = None, plugin: ProviderPlugin = PLUGIN, **options: Any) -> Holdings:
        """A process that lists. It opens each account once."""
        adapters: dict[str, Adapter] = {}

        async def opens(account: Any) -> Adapter:
            if account.name not in adapters:
                adapter = Adapter.open(plugin, credentials or self.host.credentials, HttpWire(self.server.url("example")))
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
