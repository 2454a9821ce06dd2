"""The three answers, at the wire: the adapter through the official SDK against the fake, opened as the core opens it."""

import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest

from wixsend import (
    WHOLE,
    Change,
    CredentialsRejected,
    Edit,
    EditConflict,
    EditRejected,
    OutcomeUnknown,
    PermissionMissing,
    ProviderError,
    RateLimited,
    Record,
    Snapshot,
    Unavailable,
    Zone,
    ZoneNotHeld,
    absolute,
)
from wixsend.adapters import Adapter
from wixsend.plan import Wanted, plan, plan_restore, plan_undo
from wixsend.plugins import Plugins
from wixsend.testing.fakes import Request
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_cloudflare import PLUGIN
from wixsend_cloudflare.adapter import COMMENT, PAGE
from wixsend_cloudflare.sandbox import EDGE, FakeCloudflare

_APEX = absolute("example.com")
_TOKEN = FakeCloudflare.credentials["api_token"]


def _record(owner: str, rtype: str, rdata: str, ttl: int | None = None, masked: bool = False, ref: object = None) -> Record:
    return Record(absolute(owner, _APEX), rtype, rdata, ttl, masked, ref)


_WANTED = (
    _record("em1.mail", "CNAME", "u1.wl.sender.example."),
    _record("s1._domainkey.mail", "CNAME", "s1.domainkey.u1.wl.sender.example."),
)


@pytest.fixture
def fake() -> FakeCloudflare:
    return FakeCloudflare()


@pytest.fixture
def server(fake: FakeCloudflare) -> Iterator[Server]:
    with Server({"cloudflare": fake.handle}) as server:
        yield server


@pytest.fixture
async def account(server: Server) -> AsyncIterator[Adapter]:
    account = Adapter.open(PLUGIN, FakeCloudflare.credentials, HttpWire(server.url("cloudflare") + "/client/v4"))
    yield account
    await account.close()


async def _read(account: Adapter) -> Snapshot:
    (zone,) = await account.zone(_APEX)
    return await account.read(zone, frozenset({_APEX}))


async def _edit(account: Adapter, wanted: tuple[Record, ...] = _WANTED) -> Edit:
    owners = frozenset(record.owner for record in wanted)
    return plan(await _read(account), Wanted(wanted, absolute("_dmarc.mail", _APEX), replace=owners)).edit


def _sent(server: Server) -> Any:
    return server.calls[-1].request.json()


def _answer(result: Any, **more: Any) -> Fault:
    body = {"result": result, "success": True, "errors": [], "messages": [], **more}
    return Fault("wrong-shape", body=json.dumps(body).encode())


def test_the_plugin_is_listed_without_its_sdk() -> None:
    code = "import sys, wixsend_cloudflare; print([m for m in ('cloudflare', 'httpx', 'pydantic') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "[]\n"


def test_the_plugin_comes_in_by_the_front_door() -> None:
    plugins = Plugins()
    assert plugins.get("cloudflare") is PLUGIN
    assert plugins.sandbox_host("cloudflare") is FakeCloudflare


# Which zone


async def test_a_zone_says_who_holds_it_and_who_serves_it(fake: FakeCloudflare, server: Server, account: Adapter) -> None:
    fake.add_zone("example.com", account="Client Ltd", vanity_name_servers=["ns1.example.com", "ns2.example.com"])
    (zone,) = await account.zone(_APEX)
    servers = tuple(absolute(name) for name in (*fake.name_servers, "ns1.example.com", "ns2.example.com"))
    assert zone == Zone(_APEX, fake.raw("example.com")["id"], "Client Ltd", servers)
    assert server.count("cloudflare") == 1
    assert server.calls[0].request.args == {"name": "example.com", "per_page": "50"}


async def test_a_name_in_several_accounts_is_several_zones(fake: FakeCloudflare, account: Adapter) -> None:
    fake.add_zone("example.com", account="One")
    fake.add_zone("example.com", account="Two")
    zones = await account.zone(_APEX)
    assert [zone.account for zone in zones] == ["One", "Two"] and zones[0].ref != zones[1].ref


@pytest.mark.parametrize(
    ("settings", "word"),
    [
        ({"status": "pending"}, "pending"),
        ({"status": "initializing"}, "set up"),
        ({"status": "moved"}, "moved"),
        ({"status": "held"}, "the status held"),
        ({"kind": "partial"}, "partial"),
        ({"kind": "secondary"}, "secondary"),
        ({"kind": "other"}, "the type other"),
        ({"kind": "partial", "status": "pending"}, "partial"),
        ({"paused": True}, "paused"),
    ],
)
async def test_a_zone_that_the_world_does_not_see_is_named_for_what_it_is(
    fake: FakeCloudflare, account: Adapter, settings: dict[str, Any], word: str
) -> None:
    fake.add_zone("example.com", **settings)
    (zone,) = await account.zone(_APEX)
    assert word in zone.problem and "Cloudflare" in zone.problem


_ZONE = {"id": "1", "name": "example.com", "type": "full", "status": "active", "account": {"id": "a", "name": "A"}, "name_servers": []}


@pytest.mark.parametrize(
    ("result", "total"),
    [
        ([{**_ZONE, "name": "example.org"}], 1),
        ([_ZONE], 2),
        ([], 3),
        ([{**_ZONE, "status": None, "account": None}], 1),
        ([{**_ZONE, "name": "a..b"}], 1),
        ([{key: value for key, value in _ZONE.items() if key != "id"}], 1),
        (["example.com"], 1),
        ({}, 0),
        ([], None),
        ([], "0"),
    ],
)
async def test_zones_of_another_shape_are_no_zones(server: Server, account: Adapter, result: Any, total: Any) -> None:
    server.faults.add(_answer(result, result_info={"total_count": total}))
    with pytest.raises(Unavailable):
        await account.zone(_APEX)


# What is in it


async def test_a_zone_is_read_in_one_call(fake: FakeCloudflare, server: Server, account: Adapter) -> None:
    fake.add_zone("example.com", [_record(f"h{number}", "A", "192.0.2.1") for number in range(PAGE)])
    snapshot = await _read(account)
    assert (snapshot.covers, len(snapshot.records), snapshot.total) == (WHOLE, PAGE, PAGE)
    assert server.count("cloudflare") == 2


@pytest.mark.parametrize(("count", "calls"), [(0, 1), (99, 1), (100, 1), (101, 2), (200, 2), (250, 3)])
async def test_pages_are_read_to_the_end_and_not_beyond(
    fake: FakeCloudflare, server: Server, account: Adapter, count: int, calls: int
) -> None:
    fake.page_limit = 100
    fake.add_zone("example.com", [_record(f"h{number}", "A", "192.0.2.1") for number in range(count)])
    snapshot = await _read(account)
    assert len({record.owner for record in snapshot.records}) == count == snapshot.total
    assert server.count("cloudflare") == 1 + calls


@pytest.mark.parametrize("change", ["removed", "added", "moved"])
async def test_a_zone_that_changes_between_two_pages_is_not_believed(
    fake: FakeCloudflare, server: Server, account: Adapter, change: str
) -> None:
    fake.page_limit = 100
    hosts = [_record(f"h{number}", "A", "192.0.2.1") for number in range(150)]
    fake.add_zone("example.com", hosts)
    changes: dict[str, dict[str, list[Record]]] = {
        "removed": {"remove": hosts[:1]},
        "added": {"add": [_record("new", "A", "192.0.2.1")]},
        "moved": {"remove": hosts[-1:], "add": [_record("new", "A", "192.0.2.1")]},
    }
    server.faults.add(Fault("meanwhile", call=3, action=lambda: fake.edit_behind("example.com", **changes[change])))
    if change == "moved":  # on pages that are still to come: what is read is the zone as it is now
        assert len((await _read(account)).records) == 150
    else:
        with pytest.raises(Unavailable, match="changed while"):
            await _read(account)


_ROW = {"id": "1", "type": "A", "name": "a.example.com", "content": "192.0.2.1", "ttl": 1, "proxied": False}


@pytest.mark.parametrize(
    ("rows", "total"),
    [
        ([], 1),
        ([_ROW], 0),
        ([_ROW, _ROW], 2),
        ([{**_ROW, "name": "a..b"}], 1),
        ([{**_ROW, "ttl": None}], 1),
        ([{**_ROW, "type": None}], 1),
        ([{**_ROW, "type": "MX"}], 1),
        ([{**_ROW, "settings": "none"}], 1),
        ([{key: value for key, value in _ROW.items() if key != "id"}], 1),
        (None, 0),
    ],
)
async def test_records_of_another_shape_are_no_records(
    fake: FakeCloudflare, server: Server, account: Adapter, rows: Any, total: int
) -> None:
    fake.add_zone("example.com")
    (zone,) = await account.zone(_APEX)
    server.faults.add(Fault("wrong-shape", times=2, body=_answer(rows, result_info={"total_count": total}).body))
    with pytest.raises(Unavailable):
        await account.read(zone, frozenset({_APEX}))


async def test_a_zone_that_is_said_to_hold_more_than_is_shown_is_not_asked_for_for_ever(
    fake: FakeCloudflare, server: Server, account: Adapter
) -> None:
    fake.add_zone("example.com")
    (zone,) = await account.zone(_APEX)
    server.faults.add(Fault("wrong-shape", times=9, body=_answer([], result_info={"total_count": 7}).body))
    with pytest.raises(Unavailable, match=r"counts 7 rows in the zone example\.com and shows 0"):
        await account.read(zone, frozenset({_APEX}))
    assert server.count("cloudflare") == 2


async def test_decimals_are_numbers(fake: FakeCloudflare, server: Server, account: Adapter) -> None:
    fake.add_zone("example.com")
    (zone,) = await account.zone(_APEX)
    server.faults.add(
        _answer([{**_ROW, "type": "MX", "content": "m.example.net", "ttl": 300.0, "priority": 10.0}], result_info={"total_count": 1})
    )
    (record,) = (await account.read(zone, frozenset({_APEX}))).records
    assert str(record) == "a.example.com. 300 MX 10 m.example.net."


async def test_what_the_world_is_not_shown_is_masked(fake: FakeCloudflare, account: Adapter) -> None:
    flattened = {"settings": {"flatten_cname": True}}
    fake.add_zone(
        "example.com",
        [
            _record("plain", "CNAME", "t.example.net.", 600),
            _record("proxied", "CNAME", "t.example.net.", masked=True),
            _record("flat", "CNAME", "t.example.net.", ref=flattened),
            _record("www", "A", "192.0.2.1", masked=True),
        ],
    )
    found = {str(record.owner): (record.masked, record.ttl) for record in (await _read(account)).records}
    assert found == {
        "plain.example.com.": (False, 600),
        "proxied.example.com.": (True, None),
        "flat.example.com.": (True, None),
        "www.example.com.": (True, None),
    }


# Making an edit


async def test_three_calls_for_a_fresh_domain_and_two_when_there_is_nothing_to_do(
    fake: FakeCloudflare, server: Server, account: Adapter
) -> None:
    fake.add_zone("example.com", [_record("www", "A", "192.0.2.1")])
    receipt = await account.write(await _edit(account))
    assert [(call.method, call.path.rpartition("/")[2]) for call in server.calls] == [
        ("GET", "zones"),
        ("GET", "dns_records"),
        ("POST", "batch"),
    ]
    assert receipt.records == _WANTED and not any(record.masked for record in receipt.records)
    server.reset_counts()
    assert not await _edit(account)
    assert server.count("cloudflare") == 2


async def test_what_is_sent(fake: FakeCloudflare, server: Server, account: Adapter) -> None:
    """Full names, never proxied, ours by its comment, the host's own TTL."""
    fake.add_zone("example.com", [_record("em1.mail", "TXT", '"old"')])
    old = fake.raw("example.com")["records"][0]["id"]
    await account.write(await _edit(account))
    mark = {"proxied": False, "comment": COMMENT, "ttl": 1, "type": "CNAME"}
    assert _sent(server) == {
        "deletes": [{"id": old}],
        "posts": [
            {"name": "em1.mail.example.com", "content": "u1.wl.sender.example", **mark},
            {"name": "s1._domainkey.mail.example.com", "content": "s1.domainkey.u1.wl.sender.example", **mark},
        ],
    }


@pytest.mark.parametrize(("asked", "sent"), [(None, 1), (1, 60), (59, 60), (60, 60), (3600, 3600), (604800, 86400)])
async def test_ttls_are_held_within_what_the_host_takes(
    fake: FakeCloudflare, server: Server, account: Adapter, asked: int | None, sent: int
) -> None:
    fake.add_zone("example.com")
    await account.write(await _edit(account, (_record("a.mail", "CNAME", "t.example.net.", asked),)))
    assert _sent(server)["posts"][0]["ttl"] == sent


async def test_undo_puts_back_what_was_replaced(fake: FakeCloudflare, server: Server, account: Adapter) -> None:
    noted = {"comment": "ask Ann before touching", "tags": ["owner:ann"]}
    before = [
        _record("em1.mail", "A", "192.0.2.7", masked=True),
        _record("s1._domainkey.mail", "TXT", r'"k=rsa; \"p\""', 600, ref=noted),
        _record("s2._domainkey.mail", "CNAME", "old.example.net.", ref={"settings": {"flatten_cname": True}}),
    ]
    fake.add_zone("example.com", before, plan="pro")
    world = Counter(fake.published("example.com"))
    wanted = (*_WANTED, _record("s2._domainkey.mail", "CNAME", "s2.domainkey.u1.wl.sender.example."))
    edit = await _edit(account, wanted)
    await account.write(edit)
    assert Counter(fake.published("example.com")) == Counter(wanted)
    # as the journal gives it back: without the ids
    written = [replace(c, remove=tuple(replace(r, ref=None) for r in c.remove)) for c in edit.changes]
    undo = plan_undo(await _read(account), written).edit
    await account.write(undo)
    assert Counter(fake.published("example.com")) == world, "the proxied address is proxied again"
    assert server.count("cloudflare") == 6
    assert [(row["comment"], row["tags"]) for row in fake.raw("example.com")["records"] if row["comment"] or row["tags"]] == [
        (noted["comment"], noted["tags"])
    ], "what is put back has the notes that it had, and not ours"
    assert [row["name"] for row in fake.raw("example.com")["records"] if row["settings"]] == ["s2._domainkey.mail.example.com"]


_ALL_TYPES = (
    _record("@", "A", "192.0.2.1", masked=True),
    _record("@", "AAAA", "2001:db8::1"),
    _record("@", "MX", "10 mail.example.net.", 3600),
    _record("@", "TXT", '"v=spf1 include:_spf.example.net ~all"'),
    _record("long", "TXT", f'"{"M" * 255}" "{"M" * 60}"'),
    _record("odd", "TXT", r'"say \"hi\" \\ there; \195\169"'),
    _record("@", "CAA", '0 issue "ca.example.net"'),
    _record("_sip._tcp", "SRV", "10 20 5060 sip.example.net."),
    _record("sub", "NS", "ns1.example.net."),
    _record("ptr", "PTR", "host.example.net."),
    _record("_443._tcp", "TLSA", "3 1 1 0AF311FF"),
    _record("ssh", "SSHFP", "1 2 859be6ed"),
    _record("svc", "HTTPS", '1 . alpn="h3,h2"'),
    _record("naptr", "NAPTR", '30 100 "S" "SIP+D2T" "" _sip._tls.example.net.'),
    _record("loc", "LOC", "31 58 52.1 S 115 49 11.7 E 20m 10m 10m 2m"),
    _record("_ftp._tcp", "URI", '10 1 "ftp://ftp.example.net/public"'),
    _record("ds", "DS", "1 13 2 B5BB9D80"),
    _record("www", "CNAME", "Target.example.net.", 120),
)


async def test_every_type_that_was_lost_can_be_restored(fake: FakeCloudflare, account: Adapter) -> None:
    fake.add_zone("example.com", _ALL_TYPES)
    backup = (await _read(account)).records
    world, rows = Counter(fake.published("example.com")), fake.raw("example.com")["records"]
    fake.edit_behind("example.com", remove=_ALL_TYPES)
    assert fake.raw("example.com")["records"] == []
    receipt = await account.write(plan_restore(await _read(account), backup).edit)
    assert receipt.records is not None and Counter(receipt.records) == Counter(_ALL_TYPES)
    assert Counter(fake.published("example.com")) == world

    def content(row: Any) -> Any:
        return {key: row.get(key) for key in ("name", "type", "content", "data", "priority", "ttl", "proxied")}

    def by_name(row: Any) -> tuple[str, str]:
        return row["name"], row["type"]

    restored = sorted(map(content, fake.raw("example.com")["records"]), key=by_name)
    assert restored == sorted(map(content, rows), key=by_name)
    assert {str(record) for record in fake.published("example.com") if record.rtype == "A"} == {f"example.com. 300 A {ip}" for ip in EDGE}


async def test_bare_txt_is_restored_quoted(fake: FakeCloudflare, account: Adapter) -> None:
    bare = _record("t", "TXT", '"some text without quotes"', ref={"content": "some text without quotes"})
    fake.add_zone("example.com", [bare])
    backup = (await _read(account)).records
    assert backup == (bare,)
    fake.edit_behind("example.com", remove=[bare])
    await account.write(plan_restore(await _read(account), backup).edit)
    assert fake.raw("example.com")["records"][0]["content"] == '"some text without quotes"'


async def test_rdata_that_is_not_of_its_type_is_never_sent(fake: FakeCloudflare, server: Server, account: Adapter) -> None:
    fake.add_zone("example.com")
    edit = plan_restore(await _read(account), [_record("@", "SRV", "10 20 sip.example.net.")]).edit
    with pytest.raises(EditRejected, match=r"its port cannot be 'sip\.example\.net\.'"):
        await account.write(edit)
    assert server.count("cloudflare") == 2


async def test_a_record_without_its_id_is_not_removed(fake: FakeCloudflare, server: Server, account: Adapter) -> None:
    fake.add_zone("example.com", _WANTED)
    before = await _read(account)
    with pytest.raises(EditConflict, match="id of"):
        await account.write(Edit(before, (Change(_WANTED[0].owner, remove=_WANTED[:1]),)))
    assert server.count("cloudflare") == 2


async def test_a_record_that_goes_meanwhile_stops_the_edit(fake: FakeCloudflare, account: Adapter) -> None:
    old = _record("em1.mail", "TXT", '"old"')
    fake.add_zone("example.com", [old])
    edit = await _edit(account)
    fake.edit_behind("example.com", remove=[old])
    with pytest.raises(EditConflict, match="81044"):
        await account.write(edit)
    assert fake.raw("example.com")["records"] == []


async def test_a_record_that_is_changed_in_place_meanwhile_is_named(fake: FakeCloudflare, account: Adapter) -> None:
    """Cloudflare has no compare-and-set: the removal takes whatever has the id now. Its answer shows it, and we say so."""
    fake.add_zone("example.com", [_record("em1.mail", "TXT", '"old"')])
    edit = await _edit(account)
    raw = fake.raw("example.com")
    body = json.dumps({"content": '"precious"'}).encode()
    path = f"/zones/{raw['id']}/dns_records/{raw['records'][0]['id']}"
    assert fake.handle(Request("PATCH", path, headers={"authorization": f"Bearer {_TOKEN}"}, body=body)).status == 200
    with pytest.raises(OutcomeUnknown, match=r'em1\.mail\.example\.com\. TXT "precious"') as raised:
        await account.write(edit)
    assert "dashboard" in raised.value.next_step


def _row(record: Record) -> dict[str, Any]:
    return {**_ROW, "type": "CNAME", "name": record.owner.to_text(), "content": record.rdata}


@pytest.mark.parametrize(
    "result",
    [
        None,
        [],
        {},
        {"posts": None, "deletes": None},
        {"posts": [_row(_WANTED[0])]},
        {"posts": [_row(_WANTED[0]), _row(_WANTED[0])]},
        {"posts": [*map(_row, _WANTED), _row(_WANTED[0])]},
        {"posts": [*map(_row, _WANTED)], "deletes": [_ROW]},
        {"posts": [_row(_WANTED[0]), {}]},
        {"posts": "done"},
    ],
)
async def test_an_answer_that_does_not_itemise_the_edit_is_no_yes(
    fake: FakeCloudflare, server: Server, account: Adapter, result: Any
) -> None:
    fake.add_zone("example.com")
    edit = await _edit(account)
    server.faults.add(_answer(result))
    with pytest.raises(OutcomeUnknown):
        await account.write(edit)


# Errors

_REFUSALS: tuple[tuple[int, int, str, type[ProviderError], type[ProviderError]], ...] = (
    # status, code, message, while reading, while writing
    (400, 81058, "An identical record already exists.", EditConflict, EditConflict),
    (400, 81057, "The record already exists.", EditConflict, EditConflict),
    (400, 81053, "An A, AAAA, or CNAME record with that host already exists.", EditConflict, EditConflict),
    (400, 81054, "A CNAME record with that host already exists.", EditConflict, EditConflict),
    (404, 81044, "Record ID 1 does not exist.", EditConflict, EditConflict),
    (400, 81045, "The record quota has been exceeded.", EditRejected, EditRejected),
    (400, 1004, "DNS Validation Error", Unavailable, EditRejected),
    (422, 1004, "DNS Validation Error", Unavailable, EditRejected),
    (400, 6003, "Invalid request headers", CredentialsRejected, CredentialsRejected),
    (400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers", CredentialsRejected, CredentialsRejected),
    (403, 9103, "Unknown X-Auth-Key or X-Auth-Email", CredentialsRejected, CredentialsRejected),
    (403, 9109, "Invalid access token", CredentialsRejected, CredentialsRejected),
    (403, 9109, "Unauthorized to access requested resource", PermissionMissing, PermissionMissing),
    (401, 10000, "Authentication error", CredentialsRejected, CredentialsRejected),
    (403, 10000, "Authentication error", PermissionMissing, PermissionMissing),
    (400, 10000, "Authentication error", PermissionMissing, PermissionMissing),
    (404, 7003, "Could not route to it, perhaps your object identifier is invalid?", ZoneNotHeld, ZoneNotHeld),
    (409, 1, "in progress", EditConflict, EditConflict),
    (429, 971, "More than 1200 requests per 300 seconds reached.", RateLimited, RateLimited),
    (500, 81058, "An identical record already exists.", Unavailable, OutcomeUnknown),
    (503, 1, "maintenance", Unavailable, OutcomeUnknown),
    # HTTP 200 and yet no success: by its code, else not understood
    (200, 81058, "An identical record already exists.", EditConflict, EditConflict),
    (200, 9109, "Unauthorized to access requested resource", PermissionMissing, PermissionMissing),
    (200, 1, "Something", Unavailable, OutcomeUnknown),
)


@pytest.mark.parametrize(("status", "code", "message", "reading", "writing"), _REFUSALS)
async def test_what_refusals_become(
    fake: FakeCloudflare,
    server: Server,
    account: Adapter,
    status: int,
    code: int,
    message: str,
    reading: type[ProviderError],
    writing: type[ProviderError],
) -> None:
    fake.add_zone("example.com")
    edit = await _edit(account)
    body = {"result": None, "success": False, "errors": [{"code": code, "message": message}], "messages": []}
    server.faults.add(Fault("status", status=status, body=json.dumps(body).encode(), times=2))
    with pytest.raises(ProviderError) as read:
        await account.read(edit.before.zone, frozenset({_APEX}))
    with pytest.raises(ProviderError) as written:
        await account.write(edit)
    assert (type(read.value), type(written.value)) == (reading, writing)
    for error in (read.value, written.value):
        assert str(error).startswith("Cloudflare: ") and f"{message.rstrip('.')} ({code})" in str(error) and f"HTTP {status}" in str(error)
        assert error.next_step or not isinstance(error, CredentialsRejected | PermissionMissing | ZoneNotHeld)


async def test_what_is_wrong_is_said_from_the_chain(fake: FakeCloudflare, account: Adapter) -> None:
    fake.add_zone("example.com", plan="free")
    edit = plan_restore(await _read(account), [_record("t", "A", "not-an-address")]).edit
    with pytest.raises(EditRejected, match=r"DNS Validation Error \(1004\); Content for A record is invalid \(9005\)"):
        await account.write(edit)


@pytest.mark.parametrize("body", [b"", b"<html>no</html>", b"[]", b"null", b'{"errors": 1}', b'{"errors": [1, {"code": "x"}]}'])
@pytest.mark.parametrize("status", [400, 403, 500])
async def test_a_refusal_without_cloudflares_words(
    fake: FakeCloudflare, server: Server, account: Adapter, status: int, body: bytes
) -> None:
    fake.add_zone("example.com")
    edit = await _edit(account)
    server.faults.add(Fault("status", status=status, body=body))
    with pytest.raises(ProviderError) as raised:
        await account.write(edit)
    assert type(raised.value) is {400: EditRejected, 403: PermissionMissing, 500: OutcomeUnknown}[status]
    assert str(raised.value).endswith(f"HTTP {status}")


@pytest.mark.parametrize(
    ("header", "wait"), [({"retry-after": "17"}, 17.0), ({}, 300.0), ({"retry-after": "Wed, 21 Oct 2026 07:28:00 GMT"}, 300.0)]
)
async def test_how_long_to_wait_after_too_many_calls(server: Server, account: Adapter, header: dict[str, str], wait: float) -> None:
    server.faults.add(Fault("status", status=429, headers=header))
    with pytest.raises(RateLimited) as raised:
        await account.zone(_APEX)
    assert raised.value.retry_after == wait
    assert server.count("cloudflare") == 1, "it is not for the adapter to try again"


async def test_a_token_that_the_account_does_not_know(fake: FakeCloudflare, server: Server) -> None:
    fake.tokens["r" * 40] = frozenset({"#zone:read"})
    expectations: dict[str, type[ProviderError]] = {
        "short": CredentialsRejected,
        "u" * 40: CredentialsRejected,
        "r" * 40: PermissionMissing,
    }
    fake.add_zone("example.com")
    for token, becomes in expectations.items():
        account = Adapter.open(PLUGIN, {"api_token": token}, HttpWire(server.url("cloudflare")))
        with pytest.raises(becomes) as raised:
            await _read(account)
        assert "https://dash.cloudflare.com/profile/api-tokens" in raised.value.next_step
        await account.close()


async def test_the_wires_own_refusal_is_told(fake: FakeCloudflare, server: Server, account: Adapter) -> None:
    server.faults.add(Fault("status", status=302, headers={"location": "https://example.net/"}))
    with pytest.raises(Unavailable, match="redirect"):
        await account.zone(_APEX)


async def test_no_connection_and_no_answer_are_told() -> None:
    account = Adapter.open(PLUGIN, FakeCloudflare.credentials, HttpWire("http://127.0.0.1:9"))
    with pytest.raises(Unavailable, match="no connection"):
        await account.zone(_APEX)
    await account.close()
