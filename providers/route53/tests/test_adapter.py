"""What is peculiar to Route 53: batches as compare-and-set, zones of one name, policies, pages, and a clock that must be right."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from wixsend import (
    WHOLE,
    Change,
    CredentialsRejected,
    Edit,
    EditConflict,
    EditRejected,
    PermissionMissing,
    ProviderError,
    RateLimited,
    Record,
    Snapshot,
    Unavailable,
    absolute,
)
from wixsend.adapters import Adapter
from wixsend.plugins import Plugins
from wixsend.testing.fakes import Response
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_route53 import PLUGIN
from wixsend_route53.rows import MAX_TTL, MIN_TTL
from wixsend_route53.sandbox import FakeRoute53, failure

APEX = absolute("example.com")
OLD = Record(absolute("em1", APEX), "A", "192.0.2.1", 600)
NEW = Record(OLD.owner, "CNAME", "u1.wl.example.net.")
ALIAS = {"HostedZoneId": "Z2FDTNDATAQYW2", "DNSName": "d1.cloudfront.net.", "EvaluateTargetHealth": "false"}


@pytest.fixture
def fake() -> FakeRoute53:
    fake = FakeRoute53()
    fake.add_zone("example.com", [OLD, Record(APEX, "MX", "10 mail.example.net.")])
    return fake


@pytest.fixture
def server(fake: FakeRoute53) -> Iterator[Server]:
    with Server({"route53": fake.handle}) as server:
        yield server


@pytest_asyncio.fixture
async def provider(fake: FakeRoute53, server: Server) -> AsyncIterator[Adapter]:
    adapter = Adapter.open(PLUGIN, fake.credentials, HttpWire(server.url("route53")))
    yield adapter
    await adapter.close()


async def _read(provider: Adapter, *names: str) -> Snapshot:
    [zone] = await provider.zone(APEX)
    return await provider.read(zone, frozenset(absolute(name, APEX) for name in names))


async def _edit(provider: Adapter, *adds: Record, remove: tuple[Record, ...] = ()) -> Edit:
    before = await _read(provider)
    going = [next(held for held in before.records if held == record) for record in remove]
    owners = dict.fromkeys(record.owner for record in (*going, *adds))
    changes = (Change(o, tuple(r for r in going if r.owner == o), tuple(r for r in adds if r.owner == o)) for o in owners)
    return Edit(before, tuple(changes))


async def _failure(provider: Adapter, edit: Edit) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await provider.write(edit)
    return raised.value


def _answering(answer: Response, times: int = 1) -> Fault:
    return Fault("status", status=answer.status, headers=dict(answer.headers), body=answer.body, times=times)


def test_it_is_found_and_brings_its_fake() -> None:
    assert Plugins().get("route53") is PLUGIN
    assert Plugins().sandbox_host("route53") is FakeRoute53
    assert (PLUGIN.limits.min_ttl, PLUGIN.limits.max_ttl) == (MIN_TTL, MAX_TTL)


@pytest.mark.parametrize(
    ("server_name", "known"),
    [
        *((name, True) for name in FakeRoute53.name_servers),
        ("ns-1.awsdns-123.com", False),
        ("ns-1.awsdns-12.de", False),
        ("awsdns-12.com.example.net", False),
    ],
)
def test_a_delegation_set_is_recognised(server_name: str, known: bool) -> None:
    assert ("route53" in Plugins().for_server(absolute(server_name))) is known


async def test_the_zone_says_which_servers_serve_it(provider: Adapter) -> None:
    before = await _read(provider)
    assert set(before.zone.name_servers) == set(map(absolute, FakeRoute53.name_servers))
    assert {record.rtype for record in before.records} == {"A", "MX"}


# Which zone


async def test_a_private_zone_is_never_chosen_beside_a_public_one(provider: Adapter, fake: FakeRoute53) -> None:
    fake.add_zone("example.com", private=True)
    [zone] = await provider.zone(APEX)
    assert zone.problem == ""


async def test_a_private_zone_alone_is_said_to_be_none_of_the_worlds(provider: Adapter, fake: FakeRoute53) -> None:
    fake.add_zone("example.org", private=True)
    [zone] = await provider.zone(absolute("example.org"))
    assert "private" in zone.problem


async def test_a_zone_of_another_service_is_not_ours_to_write(provider: Adapter, fake: FakeRoute53) -> None:
    fake.add_zone("example.org", service="servicediscovery.amazonaws.com")
    [zone] = await provider.zone(absolute("example.org"))
    assert "servicediscovery" in zone.problem


async def test_zones_of_one_name_are_told_apart_by_their_name_servers(provider: Adapter, fake: FakeRoute53, server: Server) -> None:
    fake.add_zone("example.com", name_servers=("ns1.white.example", "ns2.white.example"), comment="a test of last year")
    zones = await provider.zone(APEX)
    assert {frozenset(zone.name_servers) for zone in zones} == {
        frozenset(map(absolute, FakeRoute53.name_servers)),
        frozenset({absolute("ns1.white.example"), absolute("ns2.white.example")}),
    }
    assert any("a test of last year" in zone.account for zone in zones)
    assert server.count("route53") == 3


async def test_more_zones_of_one_name_than_a_page_holds(provider: Adapter, fake: FakeRoute53) -> None:
    for _ in range(150):
        fake.add_zone("example.com", private=True)
    fake.add_zone("example.com")
    assert len(await provider.zone(APEX)) == 2


async def test_the_listing_describes_as_the_question_does(provider: Adapter, fake: FakeRoute53) -> None:
    fake.add_zone("example.com", private=True)
    fake.add_zone("example.org", private=True)
    asked = [*await provider.zone(APEX), *await provider.zone(absolute("example.org"))]
    assert sorted(map(repr, (await provider.zones()).zones)) == sorted(map(repr, asked))


async def test_what_takes_a_call_for_each_zone_is_not_listed(provider: Adapter, fake: FakeRoute53, server: Server) -> None:
    for name in ("example.com", "example.org"):
        fake.add_zone(name)
    page = await provider.zones()
    assert [zone.apex for zone in page.zones] == [absolute("example.org")]
    assert server.count("route53") == 1


async def test_zones_of_one_name_are_on_one_page(provider: Adapter, fake: FakeRoute53) -> None:
    for number in range(98):
        fake.add_zone(f"a{number:02}.example.org")
    for private in (True, True, False):
        fake.add_zone("b.example.org", private=private)
    first = await provider.zones()
    assert (len(first.zones), first.following) == (99, "b.example.org.")
    second = await provider.zones(first.following)
    assert [(zone.apex, zone.problem) for zone in second.zones] == [(absolute("b.example.org"), "")]
    assert second.following == ""


# What is in it


def _many(count: int, owner: str = "many{0}") -> list[Record]:
    return [Record(absolute(owner.format(number), APEX), "TXT", f'"{number}"') for number in range(count)]


async def test_a_big_zone_is_asked_for_the_names_alone(provider: Adapter, fake: FakeRoute53, server: Server) -> None:
    fake.edit_behind("example.com", [*_many(5000), Record(absolute("*.zz", APEX), "TXT", '"a wildcard"')])
    server.reset_counts()
    snapshot = await _read(provider, "many4711", "nothing-here", "@", "*.zz")
    assert snapshot.covers != WHOLE and snapshot.total is None
    assert {record.owner for record in snapshot.records} == {absolute("many4711", APEX), absolute("*.zz", APEX), APEX}
    assert server.count("route53") == 1 + 1 + 3, "the zone, its first page, and the names that are not whole in it"


async def test_the_whole_of_a_big_zone_is_read_to_its_end(provider: Adapter, fake: FakeRoute53) -> None:
    fake.edit_behind("example.com", _many(1000))
    snapshot = await _read(provider)
    assert snapshot.covers is WHOLE and snapshot.total == len(snapshot.records) == 1002


async def test_a_name_may_go_on_over_pages(provider: Adapter, fake: FakeRoute53) -> None:
    for number in range(700):
        fake.add_rrset(
            "example.com", Name="zz.example.com.", Type="A", TTL=60, values=["192.0.2.1"], SetIdentifier=f"set {number:03}", Weight=number
        )
    assert len((await _read(provider, "zz")).at(absolute("zz", APEX))) == 700


async def test_pages_without_end_are_not_read_for_ever(provider: Adapter, fake: FakeRoute53, server: Server) -> None:
    fake.edit_behind("example.com", _many(400))
    [zone] = await provider.zone(APEX)
    body = (
        '<R xmlns="https://route53.amazonaws.com/doc/2013-04-01/"><ResourceRecordSets><ResourceRecordSet><Name>a.example.com.</Name>'
        "<Type>A</Type></ResourceRecordSet></ResourceRecordSets><IsTruncated>true</IsTruncated><NextRecordName>a.example.com.</NextRecordName>"
        "<NextRecordType>A</NextRecordType></R>"
    )
    server.faults.add(Fault("status", status=200, body=body.encode(), times=9))
    with pytest.raises(Unavailable, match="leads to itself"):
        await provider.read(zone, frozenset())
    assert server.count("route53") == 3


# Making an edit


async def test_a_replace_is_one_batch_and_names_what_was_there(provider: Adapter, fake: FakeRoute53, server: Server) -> None:
    edit = await _edit(provider, NEW, remove=(OLD,))
    server.reset_counts()
    receipt = await provider.write(edit)
    assert server.count("route53") == 1 and receipt.records is None
    assert NEW in fake.published("example.com") and OLD not in fake.published("example.com")


@pytest.mark.parametrize("theirs", ["another value", "another TTL", "one value more"])
async def test_what_was_changed_since_it_was_read_is_not_overwritten(provider: Adapter, fake: FakeRoute53, theirs: str) -> None:
    edit = await _edit(provider, NEW, remove=(OLD,))
    more = theirs == "one value more"
    new = Record(OLD.owner, "A", OLD.rdata if theirs == "another TTL" else "192.0.2.99", 30 if theirs == "another TTL" else 600)
    fake.edit_behind("example.com", [new] if more else [], [] if more else [OLD])
    if not more:
        fake.edit_behind("example.com", [new])
    before = fake.raw("example.com")
    assert type(await _failure(provider, edit)) is EditConflict
    assert fake.raw("example.com") == before


@pytest.mark.parametrize("answer", ["its own form", "the common form"])
async def test_a_refused_batch_is_understood_in_both_forms(provider: Adapter, server: Server, answer: str) -> None:
    edit = await _edit(provider, NEW, remove=(OLD,))
    told = "[Tried to delete resource record set [name='em1.example.com.', type='A'] but it was not found]"
    common = failure(400, "Code", told)
    refused = failure(400, "InvalidChangeBatch", told)
    if answer == "the common form":
        refused = Response(400, common.body.replace(b"<Code>Code<", b"<Code>InvalidChangeBatch<"), common.headers)
    server.faults.add(_answering(refused))
    error = await _failure(provider, edit)
    assert type(error) is EditConflict and "it was not found" in error.happened


async def test_an_rrset_that_grows_keeps_its_ttl_and_its_values(provider: Adapter, fake: FakeRoute53) -> None:
    second = Record(OLD.owner, "A", "192.0.2.2", 30)
    await provider.write(await _edit(provider, second))
    rows = [row for row in fake.raw("example.com")["records"] if row["Name"] == "em1.example.com."]
    assert [(row["TTL"], row["Value"]) for row in rows] == [(600, "192.0.2.1"), (600, "192.0.2.2")]


@pytest.mark.parametrize(
    "special",
    [
        {"Type": "A", "AliasTarget": ALIAS},
        {"Type": "CNAME", "TTL": 60, "values": ["x.example.net."], "SetIdentifier": "blue", "Weight": 10},
        {"Type": "A", "TTL": 60, "values": ["192.0.2.1"], "HealthCheckId": "5a6b"},
    ],
    ids=["alias", "weighted", "health check"],
)
async def test_what_could_not_be_put_back_is_not_removed(provider: Adapter, fake: FakeRoute53, special: dict[str, object]) -> None:
    fake.add_rrset("example.com", Name="em2.example.com.", **special)
    before = fake.raw("example.com")
    [held] = (await _read(provider)).at(absolute("em2", APEX))
    error = await _failure(provider, await _edit(provider, Record(held.owner, "CNAME", "u1.wl.example.net."), remove=(held,)))
    assert type(error) is EditRejected and "put back" in error.happened and "em2.example.com" in error.happened
    assert fake.raw("example.com") == before


# When it says no


@pytest.mark.parametrize(
    ("answer", "becomes", "said"),
    [
        (
            failure(403, "SignatureDoesNotMatch", "Signature expired: 20261124T1 is now earlier than 20261124T2"),
            CredentialsRejected,
            "clock",
        ),
        (failure(403, "SignatureDoesNotMatch", "The request signature we calculated does not match"), CredentialsRejected, "secret"),
        (failure(403, "RequestExpired", "Request has expired."), CredentialsRejected, "clock"),
        (failure(403, "ExpiredToken", "The security token included in the request is expired"), CredentialsRejected, "session"),
        (failure(403, "AccessDenied", "User: arn:aws:iam::1:user/x is not authorized"), PermissionMissing, "may not"),
        (failure(400, "Throttling", "Rate exceeded"), RateLimited, "too many"),
        (failure(400, "PriorRequestNotComplete", "was still processing a prior request"), RateLimited, "under way"),
        (failure(400, "InvalidInput", "Invalid id"), EditRejected, "Invalid id"),
    ],
)
async def test_errors_say_what_they_mean(
    provider: Adapter, server: Server, answer: Response, becomes: type[ProviderError], said: str
) -> None:
    edit = await _edit(provider, NEW, remove=(OLD,))
    server.faults.add(_answering(answer))
    error = await _failure(provider, edit)
    assert type(error) is becomes and said in error.happened and error.next_step


async def test_the_fake_keeps_the_vendors_limit() -> None:
    now = [0.0]
    fake = FakeRoute53(lambda: now[0], rate_limits=True)
    fake.add_zone("example.com")
    with Server({"route53": fake.handle}) as server:
        provider = Adapter.open(PLUGIN, fake.credentials, HttpWire(server.url("route53")))
        for _ in range(5):
            assert await provider.zone(APEX)
        with pytest.raises(RateLimited):
            await provider.zone(APEX)
        now[0] = 1.0
        assert await provider.zone(APEX)
        await provider.close()


async def test_a_change_under_way_is_waited_for(provider: Adapter, fake: FakeRoute53) -> None:
    edit = await _edit(provider, NEW, remove=(OLD,))
    fake.busy = 1
    assert type(await _failure(provider, edit)) is RateLimited
    await provider.write(edit)
    assert NEW in fake.published("example.com")
