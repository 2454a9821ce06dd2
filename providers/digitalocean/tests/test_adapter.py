"""What is peculiar to DigitalOcean: one call for each record, and no way to make two of them together."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from wixsend import Change, Edit, EditConflict, EditRejected, OutcomeUnknown, ProviderError, Record, Unavailable, absolute
from wixsend.adapters import Adapter
from wixsend.plugins import Plugins
from wixsend.testing.fakes import Request
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_digitalocean import PLUGIN
from wixsend_digitalocean.rows import MAX_TTL, MIN_TTL
from wixsend_digitalocean.sandbox import FakeDigitalOcean

APEX = absolute("example.com")
OLD = Record(absolute("em1", APEX), "A", "192.0.2.1", 600)
NEW = Record(OLD.owner, "CNAME", "u1.wl.example.net.")
FIRST, SECOND = (Record(absolute(name, APEX), "CNAME", f"{name}.example.net.") for name in ("s1", "s2"))


@pytest.fixture
def fake() -> FakeDigitalOcean:
    fake = FakeDigitalOcean()
    fake.add_zone("example.com", [OLD, Record(APEX, "MX", "10 mail.example.net.")])
    return fake


@pytest.fixture
def server(fake: FakeDigitalOcean) -> Iterator[Server]:
    with Server({"digitalocean": fake.handle}) as server:
        yield server


@pytest_asyncio.fixture
async def provider(fake: FakeDigitalOcean, server: Server) -> AsyncIterator[Adapter]:
    adapter = Adapter.open(PLUGIN, fake.credentials, HttpWire(server.url("digitalocean") + "/v2"))
    yield adapter
    await adapter.close()


async def _edit(provider: Adapter, *adds: Record, remove: tuple[Record, ...] = ()) -> Edit:
    [zone] = await provider.zone(APEX)
    before = await provider.read(zone, frozenset())
    going = [next(held for held in before.records if held == record) for record in remove]
    owners = dict.fromkeys(record.owner for record in (*going, *adds))
    changes = (Change(o, tuple(r for r in going if r.owner == o), tuple(r for r in adds if r.owner == o)) for o in owners)
    return Edit(before, tuple(changes))


async def _failure(provider: Adapter, edit: Edit) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await provider.write(edit)
    return raised.value


def _post(request: Request) -> bool:
    return request.method == "POST"


def _second_post() -> Fault:
    seen: list[Request] = []

    def second(request: Request) -> bool:
        seen.extend([request] * _post(request))
        return _post(request) and len(seen) == 2

    return Fault("status", status=422, match=second)


def test_it_is_found_and_brings_its_fake() -> None:
    assert Plugins().get("digitalocean") is PLUGIN
    assert Plugins().sandbox_host("digitalocean") is FakeDigitalOcean
    assert (PLUGIN.limits.min_ttl, PLUGIN.limits.max_ttl) == (MIN_TTL, MAX_TTL)


async def test_the_zone_says_which_servers_serve_it(provider: Adapter) -> None:
    edit = await _edit(provider)
    assert edit.before.zone.name_servers == tuple(map(absolute, FakeDigitalOcean.name_servers))
    assert {record.rtype for record in edit.before.records} == {"A", "MX"}


async def test_not_found_is_believed_only_in_digitaloceans_own_words(provider: Adapter, server: Server) -> None:
    assert await provider.zone(absolute("other.org")) == ()
    server.faults.add(Fault("status", status=404, body=b"<html>404 Not Found</html>"))
    with pytest.raises(ProviderError):
        await provider.zone(absolute("other.org"))


async def test_a_list_without_name_servers_is_not_believed(provider: Adapter, server: Server) -> None:
    [zone] = await provider.zone(APEX)
    server.faults.add(Fault("wrong-shape", body=b'{"domain_records": [], "links": {}, "meta": {"total": 0}}'))
    with pytest.raises(Unavailable):
        await provider.read(zone, frozenset())


async def test_a_page_that_holds_less_than_was_announced_is_not_believed(provider: Adapter, server: Server) -> None:
    [zone] = await provider.zone(APEX)
    server.faults.add(Fault("wrong-shape", body=b'{"domain_records": [], "links": {}, "meta": {"total": 7}}'))
    with pytest.raises(Unavailable):
        await provider.read(zone, frozenset())


async def test_an_edit_that_is_refused_half_way_is_not_called_undone(provider: Adapter, server: Server, fake: FakeDigitalOcean) -> None:
    edit = await _edit(provider, FIRST, SECOND)
    server.faults.add(_second_post())
    error = await _failure(provider, edit)
    assert type(error) is OutcomeUnknown and "a part of the edit" in str(error)
    assert FIRST in fake.published("example.com") and SECOND not in fake.published("example.com")


async def test_an_edit_that_is_refused_at_once_did_nothing(provider: Adapter, server: Server, fake: FakeDigitalOcean) -> None:
    before = fake.raw("example.com")
    edit = await _edit(provider, FIRST, SECOND)
    server.faults.add(Fault("status", status=422, match=_post))
    assert type(await _failure(provider, edit)) is EditRejected
    assert fake.raw("example.com") == before


@pytest.mark.parametrize(("status", "becomes"), [(422, EditRejected), (500, OutcomeUnknown)])
async def test_what_made_room_comes_back(
    provider: Adapter, server: Server, fake: FakeDigitalOcean, status: int, becomes: type[ProviderError]
) -> None:
    before = fake.published("example.com")
    edit = await _edit(provider, NEW, remove=(OLD,))
    server.faults.add(Fault("status", status=status, match=_post))
    assert type(await _failure(provider, edit)) is becomes
    assert sorted(map(str, fake.published("example.com"))) == sorted(map(str, before))


async def test_what_made_room_stays_away_when_the_new_record_came_after_all(
    provider: Adapter, server: Server, fake: FakeDigitalOcean
) -> None:
    edit = await _edit(provider, NEW, remove=(OLD,))
    server.faults.add(Fault("lost-reply", match=_post))
    assert type(await _failure(provider, edit)) is OutcomeUnknown
    assert NEW in fake.published("example.com") and OLD not in fake.published("example.com")


async def test_what_cannot_be_put_back_is_named(provider: Adapter, server: Server, fake: FakeDigitalOcean) -> None:
    edit = await _edit(provider, NEW, remove=(OLD,))
    server.faults.add(Fault("status", status=500, match=_post, times=2))
    error = await _failure(provider, edit)
    assert type(error) is OutcomeUnknown and "em1.example.com. 600 A 192.0.2.1" in str(error)


async def test_nothing_is_removed_that_could_not_be_put_back(provider: Adapter, server: Server, fake: FakeDigitalOcean) -> None:
    fake.edit_behind("example.com", add=[Record(OLD.owner, "CAA", '0 issue "ca.example.net"')])
    before = fake.raw("example.com")
    edit = await _edit(provider, NEW, remove=(OLD, Record(OLD.owner, "CAA", '0 issue "ca.example.net"')))
    assert type(await _failure(provider, edit)) is EditRejected
    assert fake.raw("example.com") == before


async def test_a_name_that_was_taken_meanwhile_is_a_conflict(provider: Adapter, fake: FakeDigitalOcean) -> None:
    edit = await _edit(provider, FIRST)
    fake.edit_behind("example.com", add=[Record(FIRST.owner, "TXT", '"theirs"')])
    assert type(await _failure(provider, edit)) is EditConflict


async def test_the_wait_of_a_limit_met_half_way_is_kept(provider: Adapter, server: Server) -> None:
    edit = await _edit(provider, FIRST, SECOND)
    limit = _second_post()
    server.faults.add(Fault("status", status=429, headers={"retry-after": "17"}, match=limit.match))
    error = await _failure(provider, edit)
    assert (type(error), error.retry_after) == (OutcomeUnknown, 17.0)


async def test_the_fake_keeps_the_vendors_limits() -> None:
    now = [0.0]
    fake = FakeDigitalOcean(lambda: now[0], rate_limits=True)
    asking = Request("GET", "/v2/domains/example.com", headers={"authorization": f"Bearer {fake.credentials['token']}"})
    assert [fake.handle(asking).status for _ in range(251)] == [404] * 250 + [429]
    assert fake.handle(asking).headers["retry-after"] == "60"
    now[0] = 60.0
    assert fake.handle(asking).status == 404
