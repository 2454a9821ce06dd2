"""The fake of Cloudflare, asked by the official SDK unchanged (the synchronous one, as it comes)."""

import re
from collections.abc import Iterator
from typing import Any

import pytest
from cloudflare import (
    APIStatusError,
    AuthenticationError,
    BadRequestError,
    Cloudflare,
    DefaultHttpxClient,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)

from wixsend import Record, absolute
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Server
from wixsend_cloudflare.sandbox import ALL_PERMISSIONS, EDGE, FakeCloudflare

_TOKEN = FakeCloudflare.credentials["api_token"]


def _record(owner: str, rtype: str, rdata: str, ttl: int | None = None, masked: bool = False, ref: object = None) -> Record:
    return Record(absolute(owner), rtype, rdata, ttl, masked, ref)


@pytest.fixture
def fake() -> FakeCloudflare:
    return FakeCloudflare()


@pytest.fixture
def server(fake: FakeCloudflare) -> Iterator[Server]:
    with Server({"cloudflare": fake.handle}) as server:
        yield server


@pytest.fixture
def sdk(server: Server) -> Iterator[Cloudflare]:
    with _sdk(server) as sdk:
        yield sdk


def _sdk(server: Server, token: str = _TOKEN, **options: Any) -> Cloudflare:
    client = DefaultHttpxClient(trust_env=False)
    return Cloudflare(api_token=token, base_url=server.url("cloudflare") + "/client/v4", http_client=client, max_retries=0, **options)


def _zone_id(fake: FakeCloudflare, apex: str = "example.com") -> str:
    return str(fake.raw(apex)["id"])


def _codes(error: APIStatusError) -> list[int]:
    return [int(str(entry.code)) for entry in error.errors]


# Zones


def test_zones_are_found_by_exact_name_in_every_account(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone("example.com", account="One")
    fake.add_zone("example.com", account="Two")
    fake.add_zone("my-example.com")
    fake.add_zone("example.com", account="Inside", kind="internal")
    found = list(sdk.zones.list(name="EXAMPLE.com"))
    assert [(zone.name, zone.account.name) for zone in found] == [("example.com", "One"), ("example.com", "Two")]
    assert found[0].account.id != found[1].account.id
    assert len(list(sdk.zones.list())) == 3


def test_a_zone_says_how_it_is(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone(
        "example.com", status="pending", kind="partial", paused=True, vanity_name_servers=["ns1.example.com"], flatten_all_cnames=True
    )
    zone = sdk.zones.get(zone_id=_zone_id(fake))
    assert zone is not None
    assert (zone.status, zone.type, zone.paused) == ("pending", "partial", True)
    assert zone.vanity_name_servers == ["ns1.example.com"] and zone.name_servers == list(fake.name_servers)
    settings = sdk.get(f"/zones/{_zone_id(fake)}/dns_settings", cast_to=object)
    assert settings == {"result": {"flatten_all_cnames": True}, "success": True, "errors": [], "messages": []}


# Records


def test_records_come_in_pages(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone("example.com", [_record(f"h{n}.example.com", "A", "192.0.2.1") for n in range(252)])
    assert len(list(sdk.dns.records.list(zone_id=_zone_id(fake)))) == 252
    page = sdk.dns.records.list(zone_id=_zone_id(fake), per_page=100, page=3)
    assert len(page.result) == 52
    assert page.result_info is not None and page.result_info.model_dump() == {
        "page": 3,
        "per_page": 100,
        "count": 52,
        "total_count": 252,
        "total_pages": 3,
    }
    fake.page_limit = 10
    assert len(sdk.dns.records.list(zone_id=_zone_id(fake), per_page=5000).result) == 10


def test_records_are_filtered_by_exact_name_and_type(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone("example.com", [_record("a.example.com", "A", "192.0.2.1"), _record("aa.example.com", "A", "192.0.2.1")])
    found = sdk.dns.records.list(zone_id=_zone_id(fake), name={"exact": "A.example.com"}).result
    assert [record.name for record in found] == ["a.example.com"]
    assert sdk.dns.records.list(zone_id=_zone_id(fake), name={"exact": "a.example.com"}, type="TXT").result == []


@pytest.mark.parametrize(
    ("name", "becomes"),
    [
        ("www.example.com", "www.example.com"),
        ("WWW.Example.COM.", "www.example.com"),
        ("www", "www.example.com"),
        ("@", "example.com"),
        ("www.example.org", "www.example.org.example.com"),
    ],
)
def test_a_relative_name_is_completed(fake: FakeCloudflare, sdk: Cloudflare, name: str, becomes: str) -> None:
    fake.add_zone("example.com")
    made = sdk.dns.records.create(zone_id=_zone_id(fake), type="A", name=name, content="192.0.2.1", ttl=300)
    assert made is not None and made.name == becomes


def test_a_record_as_recorded(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    """The create answer that was recorded in public (August 2025), field by field."""
    fake.add_zone("example.com")
    sdk.dns.records.create(
        zone_id=_zone_id(fake),
        type="CNAME",
        name="docs.example.com",
        content="docs.example.net.",
        ttl=3600,
        settings={"flatten_cname": False},
    )
    row = fake.raw("example.com")["records"][0]
    assert re.fullmatch(r"[0-9a-f]{32}", row.pop("id")) and row.pop("created_on") and row.pop("modified_on") and row.pop("meta")
    assert row == {
        "name": "docs.example.com",
        "type": "CNAME",
        "content": "docs.example.net",
        "proxiable": True,
        "proxied": False,
        "ttl": 3600,
        "settings": {"flatten_cname": False},
        "comment": None,
        "tags": [],
    }


def test_the_sdk_shows_the_ttl_as_a_decimal(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone("example.com", [_record("a.example.com", "A", "192.0.2.1", 300)])
    (record,) = sdk.dns.records.list(zone_id=_zone_id(fake)).result
    assert isinstance(record.ttl, float)


_REFUSED: dict[str, tuple[dict[str, Any], int]] = {
    "identical": ({"type": "CNAME", "name": "c.example.com", "content": "T.example.net"}, 81058),
    "another CNAME": ({"type": "CNAME", "name": "c.example.com", "content": "u.example.net"}, 81053),
    "a CNAME beside an A": ({"type": "CNAME", "name": "a.example.com", "content": "u.example.net"}, 81053),
    "an A beside a CNAME": ({"type": "A", "name": "c.example.com", "content": "192.0.2.9"}, 81054),
    "a TTL too small": ({"type": "A", "name": "b.example.com", "content": "192.0.2.1", "ttl": 30}, 1004),
    "a TXT proxied": ({"type": "TXT", "name": "b.example.com", "content": '"x"', "proxied": True}, 1004),
    "no address": ({"type": "A", "name": "b.example.com", "content": "2001:db8::1"}, 1004),
    "a CNAME to itself": ({"type": "CNAME", "name": "b.example.com", "content": "B.example.com"}, 1004),
    "an MX without priority": ({"type": "MX", "name": "b.example.com", "content": "m.example.net"}, 1004),
    "a CAA without data": ({"type": "CAA", "name": "b.example.com", "content": '0 issue "ca.example"'}, 1004),
    "an empty TXT": ({"type": "TXT", "name": "b.example.com", "content": ""}, 1004),
    "an unknown type": ({"type": "WEIRD", "name": "b.example.com", "content": "x"}, 1004),
    "no name": ({"type": "A", "content": "192.0.2.1"}, 1004),
}


@pytest.mark.parametrize(("body", "code"), _REFUSED.values(), ids=_REFUSED)
def test_what_is_refused(fake: FakeCloudflare, sdk: Cloudflare, body: dict[str, Any], code: int) -> None:
    fake.add_zone("example.com", [_record("c.example.com", "CNAME", "T.example.net."), _record("a.example.com", "A", "192.0.2.1")])
    before = fake.raw("example.com")
    with pytest.raises(BadRequestError) as raised:
        sdk.post(f"/zones/{_zone_id(fake)}/dns_records", cast_to=object, body={"ttl": 300, **body})
    assert _codes(raised.value) == [code]
    assert fake.raw("example.com") == before


def test_a_cname_beside_a_txt_is_taken(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone("example.com", [_record("c.example.com", "TXT", '"x"')])
    assert sdk.dns.records.create(zone_id=_zone_id(fake), type="CNAME", name="c.example.com", content="t.example.net", ttl=1)


def test_the_plans_limits(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone("example.com", [_record("a.example.com", "A", "192.0.2.1")], plan="free", record_quota=1)
    with pytest.raises(BadRequestError) as raised:
        sdk.dns.records.create(zone_id=_zone_id(fake), type="A", name="b.example.com", content="192.0.2.1", ttl=1)
    assert _codes(raised.value) == [81045]
    with pytest.raises(BadRequestError) as raised:
        sdk.dns.records.create(zone_id=_zone_id(fake), type="TXT", name="b.example.com", content='"x"', ttl=1, tags=["owner:dns"])
    assert "9300" in str(raised.value)
    with pytest.raises(BadRequestError) as raised:
        sdk.dns.records.batch(zone_id=_zone_id(fake), deletes=[{"id": str(n)} for n in range(201)])
    assert _codes(raised.value) == [1004]


def test_one_record_is_changed_replaced_and_removed(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone("example.com", [_record("a.example.com", "A", "192.0.2.1", ref={"comment": "mine"})])
    zone, (key,) = _zone_id(fake), [row["id"] for row in fake.raw("example.com")["records"]]
    sdk.dns.records.edit(key, zone_id=zone, type="A", name="a.example.com", ttl=300, content="192.0.2.2")
    assert (fake.raw("example.com")["records"][0]["content"], fake.raw("example.com")["records"][0]["comment"]) == ("192.0.2.2", "mine")
    sdk.dns.records.update(key, zone_id=zone, type="A", name="a.example.com", ttl=300, content="192.0.2.3")
    assert (fake.raw("example.com")["records"][0]["content"], fake.raw("example.com")["records"][0]["comment"]) == ("192.0.2.3", None)
    assert sdk.dns.records.get(key, zone_id=zone) is not None
    sdk.dns.records.delete(key, zone_id=zone)
    with pytest.raises(NotFoundError) as raised:
        sdk.dns.records.delete(key, zone_id=zone)
    assert _codes(raised.value) == [81044]


# Batch


def test_a_batch_removes_before_it_adds_and_itemises(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone("example.com", [_record("c.example.com", "A", "192.0.2.1")])
    key = fake.raw("example.com")["records"][0]["id"]
    answer = sdk.dns.records.batch(
        zone_id=_zone_id(fake),
        deletes=[{"id": key}],
        posts=[{"type": "CNAME", "name": "c.example.com", "content": "t.example.net", "ttl": 1, "comment": "hello"}],
    )
    assert answer is not None and answer.deletes and answer.posts
    assert (answer.deletes[0].content, answer.posts[0].content, answer.posts[0].comment) == ("192.0.2.1", "t.example.net", "hello")
    assert answer.patches is None and answer.puts is None
    assert [row["type"] for row in fake.raw("example.com")["records"]] == ["CNAME"]


def test_a_batch_is_all_or_nothing(fake: FakeCloudflare, sdk: Cloudflare) -> None:
    fake.add_zone("example.com", [_record("a.example.com", "A", "192.0.2.1"), _record("b.example.com", "A", "192.0.2.1")])
    before = fake.raw("example.com")
    first, second = before["records"]
    with pytest.raises(BadRequestError) as raised:
        sdk.dns.records.batch(
            zone_id=_zone_id(fake),
            deletes=[{"id": first["id"]}],
            patches=[{"id": second["id"], "type": "A", "name": "b.example.com", "ttl": 1, "content": "192.0.2.7"}],
            posts=[
                {"type": "A", "name": "c.example.com", "content": "192.0.2.1", "ttl": 1},
                {"type": "CNAME", "name": "b.example.com", "content": "t.example.net", "ttl": 1},
            ],
        )
    assert _codes(raised.value) == [81053]
    assert fake.raw("example.com") == before


# Who may


def test_bad_tokens(fake: FakeCloudflare, server: Server) -> None:
    fake.add_zone("example.com")
    expired, readonly, dns_only = ("e" * 40, "r" * 40, "d" * 40)
    fake.tokens |= {expired: None, readonly: ALL_PERMISSIONS - {"#dns_records:edit"}, dns_only: ALL_PERMISSIONS - {"#zone:read"}}

    def refused(token: str, write: bool = False) -> tuple[type[APIStatusError], list[int]]:
        with _sdk(server, token) as sdk, pytest.raises(APIStatusError) as raised:
            if write:
                sdk.dns.records.batch(zone_id=_zone_id(fake), deletes=[{"id": "x"}])
            else:
                sdk.zones.list(name="example.com")
        return type(raised.value), _codes(raised.value)

    assert refused("short") == (BadRequestError, [6003])
    assert refused("u" * 40) == (PermissionDeniedError, [9109])
    assert refused(expired) == (AuthenticationError, [10000])
    assert refused(dns_only) == (PermissionDeniedError, [9109])
    assert refused(readonly, write=True) == (PermissionDeniedError, [10000])


def test_other_ways_to_authenticate_are_not_known(fake: FakeCloudflare) -> None:
    nobody = fake.handle(Request("GET", "/client/v4/zones"))
    key = fake.handle(Request("GET", "/client/v4/zones", headers={"x-auth-key": "k", "x-auth-email": "e"}))
    assert (nobody.status, key.status) == (400, 403)
    assert b"9106" in nobody.body and b"9103" in key.body


def test_other_paths_lead_nowhere(fake: FakeCloudflare) -> None:
    def ask(method: str, path: str, body: bytes = b"") -> Response:
        return fake.handle(Request(method, path, headers={"authorization": f"Bearer {_TOKEN}"}, body=body))

    fake.add_zone("example.com")
    assert ask("GET", "/client/v4/nothing").status == 404
    assert ask("DELETE", f"/client/v4/zones/{_zone_id(fake)}").status == 404
    assert b"7003" in ask("GET", "/client/v4/zones/unknown/dns_records").body
    assert ask("GET", "/zones").status == 200, "a base URL without the path does too"
    assert b"6007" in ask("POST", f"/zones/{_zone_id(fake)}/dns_records", b"{").body
    assert b"6007" in ask("POST", f"/zones/{_zone_id(fake)}/dns_records", b"[]").body


def test_too_many_calls_block_for_five_minutes() -> None:
    clock = [1000.0]
    fake = FakeCloudflare(now=lambda: clock[0], rate_limits=True)
    request = Request("GET", "/zones", headers={"authorization": f"Bearer {_TOKEN}"})
    answers = [fake.handle(request) for _ in range(1200)]
    assert {answer.status for answer in answers} == {200}
    assert answers[0].headers["ratelimit"] == '"default";r=1199;t=300'
    clock[0] += 200
    blocked = fake.handle(request)
    assert (blocked.status, blocked.headers["retry-after"]) == (429, "301")
    clock[0] += 299
    assert fake.handle(request).status == 429, "blocked for five minutes from the call too many, whatever the window says"
    clock[0] += 1
    assert fake.handle(request).status == 200


def test_the_sdk_knows_the_block_for_a_rate_limit() -> None:
    fake = FakeCloudflare(now=lambda: 0.0, rate_limits=True)
    with Server({"cloudflare": fake.handle}) as server, _sdk(server) as sdk:
        for _ in range(1200):
            fake.handle(Request("GET", "/zones", headers={"authorization": f"Bearer {_TOKEN}"}))
        with pytest.raises(RateLimitError):
            sdk.zones.list()


# What the world is shown


def _shown(fake: FakeCloudflare) -> set[str]:
    return {str(record) for record in fake.published("example.com")}


def _edge(owner: str) -> set[str]:
    return {f"{owner}. 300 A {address}" for address in EDGE}


_HELD = (
    _record("plain.example.com", "CNAME", "t.example.net."),
    _record("proxied.example.com", "CNAME", "t.example.net.", masked=True),
    _record("flat.example.com", "CNAME", "t.example.net.", 600, ref={"settings": {"flatten_cname": True}}),
    _record("example.com", "CNAME", "t.example.net."),
    _record("www.example.com", "A", "192.0.2.1", masked=True),
    _record("t.example.com", "TXT", '"x"', 120, ref={"content": "x"}),
)


def test_proxied_and_flattened_records_are_shown_as_the_edge(fake: FakeCloudflare) -> None:
    fake.add_zone("example.com", _HELD)
    hidden = _edge("proxied.example.com") | _edge("flat.example.com") | _edge("example.com") | _edge("www.example.com")
    assert _shown(fake) == hidden | {"plain.example.com. 300 CNAME t.example.net.", 't.example.com. 120 TXT "x"'}


def test_flattening_of_the_whole_zone(fake: FakeCloudflare) -> None:
    fake.add_zone("example.com", _HELD[:1], flatten_all_cnames=True)
    assert _shown(fake) == _edge("plain.example.com")


def test_a_paused_zone_proxies_nothing(fake: FakeCloudflare) -> None:
    fake.add_zone("example.com", _HELD[1:2], paused=True)
    assert _shown(fake) == {"proxied.example.com. 300 CNAME t.example.net."}


@pytest.mark.parametrize("kind", ["partial", "internal"])
def test_a_zone_that_is_served_elsewhere_is_not_shown(fake: FakeCloudflare, kind: str) -> None:
    fake.add_zone("example.com", _HELD, kind=kind)
    assert _shown(fake) == set()


def test_the_dashboard_at_work(fake: FakeCloudflare) -> None:
    fake.add_zone("example.com", _HELD[:1])
    fake.edit_behind("example.com", add=[_record("new.example.com", "MX", "10 m.example.net.")], remove=_HELD[:1])
    assert [(row["type"], row["content"], row.get("priority")) for row in fake.raw("example.com")["records"]] == [
        ("MX", "m.example.net", 10)
    ]
    assert fake.apexes() == ("example.com",)
