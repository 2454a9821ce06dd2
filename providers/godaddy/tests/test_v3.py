"""What is peculiar to GoDaddy's version 3: one call for each record, a PUT that must never be sent, its own words for a refusal."""

import json
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
import pytest_asyncio

from wixsend import (
    Change,
    CredentialsMissing,
    CredentialsRejected,
    Edit,
    EditConflict,
    EditRejected,
    OutcomeUnknown,
    PermissionMissing,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Record,
    Unavailable,
    absolute,
)
from wixsend.adapters import Adapter
from wixsend.records import Granularity
from wixsend.testing.fakes import Request
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_godaddy import CLASSIC, PLUGIN
from wixsend_godaddy.sandbox import FakeGoDaddy, FakeGoDaddyV3
from wixsend_godaddy.v3 import GoDaddyV3
from wixsend_godaddy.v3_fence import FencedHttp
from wixsend_godaddy.vendor import NotAllowed

APEX = absolute("example.com")
RECORDS = "/v3/domains/zones/example.com/dns-records"
OLD = Record(absolute("em1", APEX), "A", "192.0.2.1", 600)
NEW = Record(OLD.owner, "CNAME", "u1.wl.example.net.")
FIRST, SECOND = (Record(absolute(name, APEX), "CNAME", f"{name}.example.net.") for name in ("s1", "s2"))
MAIL = Record(APEX, "MX", "10 mail.example.net.", 3600)


@pytest.fixture
def zone(fake: FakeGoDaddy) -> FakeGoDaddy:
    fake.add_zone("example.com", [OLD, MAIL])
    return fake


@pytest_asyncio.fixture
async def v3(zone: FakeGoDaddy, wire: HttpWire) -> AsyncIterator[Adapter]:
    adapter = Adapter.open(PLUGIN, FakeGoDaddyV3.credentials, wire)
    yield adapter
    await adapter.close()


async def _edit(v3: Adapter, *adds: Record, remove: tuple[Record, ...] = ()) -> Edit:
    [zone] = await v3.zone(APEX)
    before = await v3.read(zone, frozenset())
    going = [next(held for held in before.records if held == record) for record in remove]
    owners = dict.fromkeys(record.owner for record in (*going, *adds))
    changes = (Change(o, tuple(r for r in going if r.owner == o), tuple(r for r in adds if r.owner == o)) for o in owners)
    return Edit(before, tuple(changes))


async def _failure(v3: Adapter, edit: Edit) -> ProviderError:
    with pytest.raises(ProviderError) as raised:
        await v3.write(edit)
    return raised.value


def _post(request: Request) -> bool:
    return request.method == "POST"


def _refusal(status: int, name: str, issue: str = "", **headers: str) -> Fault:
    body: dict[str, Any] = {"name": name, "correlationId": "c-1", "message": "no"} | ({"details": [{"issue": issue}]} if issue else {})
    return Fault("status", status=status, body=json.dumps(body).encode(), headers=headers, match=_post)


# Which API


@pytest.mark.parametrize(
    ("credentials", "way", "granularity"),
    [
        (FakeGoDaddy.credentials, CLASSIC, Granularity.RRSET),
        (FakeGoDaddyV3.credentials, PLUGIN, Granularity.RECORD),
        ({**FakeGoDaddy.credentials, **FakeGoDaddyV3.credentials}, PLUGIN, Granularity.RECORD),
    ],
)
async def test_the_credentials_decide_which_api_is_spoken(
    zone: FakeGoDaddy, server: Server, wire: HttpWire, credentials: dict[str, str], way: object, granularity: Granularity
) -> None:
    adapter = Adapter.open(PLUGIN, credentials, wire)
    assert [found.apex for found in await adapter.zone(APEX)] == [APEX]
    await adapter.close()
    assert adapter.plugin is way and adapter.plugin.granularity is granularity
    assert {call.request.path.split("/")[1] for call in server.calls} == {"v3" if way is PLUGIN else "v1"}


def test_a_token_acts_for_no_other_shopper(wire: HttpWire) -> None:
    with pytest.raises(CredentialsMissing, match="shopper_id"):
        GoDaddyV3({**FakeGoDaddyV3.credentials, "shopper_id": "1234567"}, wire)


# The bad habit, and what keeps it from us


def test_the_fakes_put_empties_the_zone(zone: FakeGoDaddy, server: Server) -> None:
    ask = httpx.Client(base_url=server.url("godaddy"), headers={"authorization": f"Bearer {FakeGoDaddyV3.credentials['token']}"})
    with ask:
        items = ask.get(RECORDS).json()["items"]
        address = next(row for row in items if row["type"] == "A")
        answer = ask.put(f"{RECORDS}/{address['recordId']}", json={**address, "data": "192.0.2.9"})
    assert answer.status_code == 200 and answer.json()["data"] == "192.0.2.9"
    assert {(record.rtype, record.rdata) for record in zone.published("example.com")} == {("A", "192.0.2.9")}


@pytest.mark.parametrize(
    ("verb", "path", "body"),
    [
        ("PUT", "{record}", {"type": "A", "name": "em1", "data": "192.0.2.9", "ttl": 600}),
        ("PUT", RECORDS, [{"type": "A", "name": "em1", "data": "192.0.2.9", "ttl": 600}]),
        ("PATCH", RECORDS, {"type": "A", "name": "em1", "data": "192.0.2.9", "ttl": 600}),
        ("POST", RECORDS, {"type": "A", "name": "em9", "data": "192.0.2.9", "ttl": 600}),
        ("DELETE", RECORDS, None),
        ("DELETE", "{other}", None),
        ("DELETE", "/v3/domains/domain-names/example.com", None),
        ("GET", "/v3/domains/domain-names/example.com/contacts", None),
        ("GET", "/v1/domains/example.com", None),
    ],
)
async def test_nothing_leaves_the_fence_that_the_edit_does_not_need(
    v3: Adapter, wire: HttpWire, server: Server, zone: FakeGoDaddy, verb: str, path: str, body: Any
) -> None:
    edit = await _edit(v3, NEW, remove=(OLD,))
    ids = {record: record.ref["recordId"] for record in edit.before.records if isinstance(record.ref, dict)}
    path = path.format(record=f"{RECORDS}/{ids[OLD]}", other=f"{RECORDS}/{ids[MAIL]}")
    before, calls = zone.raw("example.com"), server.count("godaddy")
    fenced = FencedHttp(FakeGoDaddyV3.credentials, wire)
    with fenced.allowing(edit), pytest.raises(NotAllowed):
        await fenced._send(verb, path, row=body)
    await fenced.close()
    assert (zone.raw("example.com"), server.count("godaddy")) == (before, calls)


async def test_each_write_passes_once_and_none_outside_the_edit(v3: Adapter, wire: HttpWire) -> None:
    edit = await _edit(v3, FIRST)
    [row] = [{"type": "CNAME", "name": "s1", "ttl": 3600, "data": "s1.example.net."}]
    fenced = FencedHttp(FakeGoDaddyV3.credentials, wire)
    with pytest.raises(NotAllowed):
        await fenced.add(APEX, row)
    with fenced.allowing(edit):
        await fenced.add(APEX, row)
        with pytest.raises(NotAllowed):
            await fenced.add(APEX, row)
    await fenced.close()


# Reading


async def test_every_page_is_read(zone: FakeGoDaddy, v3: Adapter, server: Server) -> None:
    zone.edit_behind("example.com", [Record(absolute(f"h{n}", APEX), "A", "192.0.2.5", 600) for n in range(250)])
    edit = await _edit(v3)
    assert len(edit.before.records) == 252
    assert [call.request.args["page"] for call in server.calls if call.request.path == RECORDS] == ["1", "2", "3"]


@pytest.mark.parametrize(
    "body",
    [
        {"items": [], "links": []},
        {"items": [], "links": [], "totalItems": 0},
        {"items": [{"recordId": "a", "type": "A", "name": "@", "data": "192.0.2.1", "ttl": 600}], "links": [], "totalItems": 2},
        {"items": [{"recordId": "a", "type": "A", "name": "@", "data": "192.0.2.1", "ttl": 600}], "links": [], "totalItems": 1},
        {"items": [{"type": "NS", "name": "@", "data": "ns71.domaincontrol.com.", "ttl": 600}], "links": [], "totalItems": 1},
    ],
)
async def test_a_list_that_is_not_whole_is_not_believed(v3: Adapter, server: Server, body: dict[str, Any]) -> None:
    [found] = await v3.zone(APEX)
    server.faults.add(Fault("wrong-shape", body=json.dumps(body).encode()))
    with pytest.raises(Unavailable):
        await v3.read(found, frozenset())


# Writing


async def test_a_record_is_sent_as_version_3_wants_it(v3: Adapter, server: Server) -> None:
    await v3.write(await _edit(v3, FIRST, SECOND, remove=(OLD,)))
    writes = [(call.request.method, call.request.body) for call in server.calls if call.request.method != "GET"]
    assert [verb for verb, _ in writes] == ["DELETE", "POST", "POST"]
    assert json.loads(writes[1][1]) == {"type": "CNAME", "name": "s1", "ttl": 3600, "data": "s1.example.net."}


@pytest.mark.parametrize(
    ("fault", "becomes"),
    [
        (_refusal(422, "VALIDATION_ERROR", "DUPLICATE_RECORD"), EditConflict),
        (_refusal(422, "VALIDATION_ERROR", "INVALID_FORMAT"), EditRejected),
        (_refusal(409, "dns_record_not_mutable"), EditRejected),
        (_refusal(409, "CONFLICT"), EditConflict),
        (_refusal(429, "TOO_MANY_REQUESTS", **{"ratelimit-reset": "23"}), RateLimited),
        (_refusal(429, "QUOTA_EXCEEDED"), QuotaExhausted),
        (_refusal(403, "FORBIDDEN"), PermissionMissing),
        (_refusal(503, "SERVICE_UNAVAILABLE"), OutcomeUnknown),
    ],
)
async def test_what_made_room_comes_back_whatever_the_refusal(
    zone: FakeGoDaddy, v3: Adapter, server: Server, fault: Fault, becomes: type[ProviderError]
) -> None:
    before = zone.published("example.com")
    edit = await _edit(v3, NEW, remove=(OLD,))
    server.faults.add(fault)
    error = await _failure(v3, edit)
    assert type(error) is becomes
    assert becomes is not RateLimited or error.retry_after == 23.0
    assert sorted(map(str, zone.published("example.com"))) == sorted(map(str, before))


async def test_a_type_that_is_not_written_comes_back_as_it_was_read(zone: FakeGoDaddy, v3: Adapter, server: Server) -> None:
    caa = Record(OLD.owner, "CAA", '0 issue "ca.example.net"', 600)
    zone.edit_behind("example.com", add=[caa])
    edit = await _edit(v3, NEW, remove=(OLD, caa))
    server.faults.add(_refusal(422, "VALIDATION_ERROR", "INVALID_FORMAT"))
    assert type(await _failure(v3, edit)) is EditRejected
    assert caa in zone.published("example.com") and OLD in zone.published("example.com")


async def test_a_name_that_was_taken_meanwhile_is_a_conflict(zone: FakeGoDaddy, v3: Adapter) -> None:
    edit = await _edit(v3, FIRST)
    zone.edit_behind("example.com", add=[Record(FIRST.owner, "TXT", '"theirs"')])
    assert type(await _failure(v3, edit)) is EditConflict


async def test_a_removal_that_is_not_answered_as_agreed_is_in_doubt(v3: Adapter, server: Server) -> None:
    edit = await _edit(v3, remove=(OLD,))
    server.faults.add(Fault("status", status=202, match=lambda request: request.method == "DELETE"))
    assert type(await _failure(v3, edit)) is OutcomeUnknown


@pytest.mark.parametrize("rdata", ['""', f'"{"x" * 255}" "{"x" * 255}" "{"x" * 10}"'])
async def test_a_text_that_it_does_not_hold_is_refused_before_anything_is_sent(v3: Adapter, server: Server, rdata: str) -> None:
    edit = await _edit(v3, Record(absolute("t", APEX), "TXT", rdata), remove=(OLD,))
    calls = server.count("godaddy")
    assert type(await _failure(v3, edit)) is EditRejected
    assert server.count("godaddy") == calls


# What the account may do


async def test_a_token_without_the_scope_to_write_reads_and_says_what_to_get(zone: FakeGoDaddy, v3: Adapter) -> None:
    zone.scopes.remove("domains.dns:update")
    error = await _failure(v3, await _edit(v3, FIRST))
    assert type(error) is PermissionMissing and "domains.dns:update" in error.next_step


async def test_an_account_that_is_not_eligible_is_told_so(zone: FakeGoDaddy, v3: Adapter) -> None:
    zone.gated = True
    with pytest.raises(PermissionMissing, match="active domain"):
        await v3.zone(APEX)


async def test_a_token_that_is_not_known_is_to_be_made_anew(zone: FakeGoDaddy, wire: HttpWire) -> None:
    adapter = Adapter.open(PLUGIN, {"token": "gd_pat_unknown_00000000"}, wire)
    with pytest.raises(CredentialsRejected) as raised:
        await adapter.zone(APEX)
    await adapter.close()
    assert "365 days" in raised.value.next_step


async def test_the_fake_counts_sixty_calls_a_minute_for_the_token(zone: FakeGoDaddy) -> None:
    zone.rate_limits = True
    asked = Request("GET", RECORDS, headers={"authorization": f"Bearer {FakeGoDaddyV3.credentials['token']}"})
    assert [zone.handle(asked).status for _ in range(61)] == [200] * 60 + [429]
