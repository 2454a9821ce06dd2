"""The official SDK talks to the fake unchanged, and finds GoDaddy's bad habits there."""

from typing import Any

import pytest
from godaddypy import Account, Client
from godaddypy.client import BadResponse

from wixsend import Record, absolute
from wixsend.testing.server import Server
from wixsend_godaddy.sandbox import FakeGoDaddy

APEX = absolute("example.com")
WWW = Record(absolute("www", APEX), "CNAME", "example.com.", 600)
ADDRESSES = (Record(APEX, "A", "192.0.2.1"), Record(absolute("ftp", APEX), "A", "192.0.2.2"))
AUTHORITY = Record(APEX, "CAA", '0 issue "ca.example.net"')


@pytest.fixture
def sdk(fake: FakeGoDaddy, server: Server) -> Client:
    fake.add_zone("example.com", [*ADDRESSES, WWW, AUTHORITY])
    return _client(server, fake.credentials["key"], fake.credentials["secret"])


def _client(server: Server, key: str, secret: str, shopper: str | None = None) -> Client:
    return Client(Account(api_key=key, api_secret=secret, delegate=shopper), api_base_url=f"{server.url('godaddy')}/")


def _row(rtype: str, name: str, data: str, **more: Any) -> dict[str, Any]:
    return {"type": rtype, "name": name, "data": data, **more}


def _held(fake: FakeGoDaddy) -> list[tuple[str, str, str]]:
    return [(row["type"], row["name"], row["data"]) for row in fake.raw("example.com")["records"]]


_OWN = [
    ("NS", "@", "ns71.domaincontrol.com"),
    ("NS", "@", "ns72.domaincontrol.com"),
    ("SOA", "@", "Primary nameserver: ns71.domaincontrol.com."),
]


def test_rows_are_as_godaddy_shows_them(sdk: Client) -> None:
    assert sdk.get_records("example.com", "CNAME") == [{"type": "CNAME", "name": "www", "data": "@", "ttl": 600}]
    assert sdk.get_records("example.com", "A", "ftp") == [{"type": "A", "name": "ftp", "data": "192.0.2.2", "ttl": 3600}]
    assert sdk.get_records("example.com", "A", "nothing") == []
    assert len(sdk.get_records("example.com")) == len(_OWN) + 4


def test_a_record_is_added_beside_anything(fake: FakeGoDaddy, sdk: Client) -> None:
    sdk.add_record("example.com", _row("TXT", "www", "beside a CNAME"))
    sdk.add_record("example.com", _row("CNAME", "www", "other.example.net."))
    assert _held(fake)[-2:] == [("TXT", "www", "beside a CNAME"), ("CNAME", "www", "other.example.net")]
    assert fake.raw("example.com")["records"][-1]["ttl"] == 3600


def test_a_duplicate_is_refused_and_what_stood_before_it_is_kept(fake: FakeGoDaddy, sdk: Client) -> None:
    with pytest.raises(BadResponse, match="DUPLICATE_RECORD"):
        sdk.add_records("example.com", [_row("A", "new", "192.0.2.3"), _row("A", "@", "192.0.2.1"), _row("A", "later", "192.0.2.4")])
    names = [name for _rtype, name, _data in _held(fake)]
    assert "new" in names and "later" not in names


@pytest.mark.parametrize(
    "row",
    [
        _row("CAA", "@", "0 issue ca"),
        _row("NS", "sub", "ns1.example.net"),
        _row("A", "x", "192.0.2.1", ttl=599),
        _row("A", "x", ""),
        {"type": "A", "data": "192.0.2.1"},
        _row("MX", "@", "mail.example.net"),
    ],
)
def test_what_does_not_fulfil_the_schema_changes_nothing(fake: FakeGoDaddy, sdk: Client, row: dict[str, Any]) -> None:
    before = _held(fake)
    with pytest.raises(BadResponse, match="INVALID_BODY"):
        sdk.add_records("example.com", [_row("A", "new", "192.0.2.3"), row])
    with pytest.raises(BadResponse, match="INVALID_BODY"):
        sdk.add_records("example.com", row)
    assert _held(fake) == before


def test_a_put_without_a_scope_replaces_the_zone(fake: FakeGoDaddy, sdk: Client) -> None:
    sdk.replace_records("example.com", [_row("A", "@", "192.0.2.9")])
    assert _held(fake) == [*_OWN, ("A", "@", "192.0.2.9")]


def test_a_put_with_a_type_replaces_the_type(fake: FakeGoDaddy, sdk: Client) -> None:
    sdk.replace_records("example.com", [{"name": "one", "data": "192.0.2.9"}], "A")
    assert _held(fake) == [*_OWN, ("CNAME", "www", "@"), ("CAA", "@", '0 issue "ca.example.net"'), ("A", "one", "192.0.2.9")]


def test_a_put_with_type_and_name_replaces_that_set(fake: FakeGoDaddy, sdk: Client) -> None:
    before = _held(fake)
    sdk.replace_records("example.com", [{"data": "192.0.2.9"}], "A", "FTP")
    assert _held(fake) == [*(row for row in before if row[1] != "ftp"), ("A", "FTP", "192.0.2.9")]


@pytest.mark.parametrize("scope", [(), ("A",), ("A", "@")])
def test_an_empty_put_is_ignored(fake: FakeGoDaddy, sdk: Client, scope: tuple[str, ...]) -> None:
    before = _held(fake)
    sdk.replace_records("example.com", [], *scope)
    assert _held(fake) == before


def test_a_delete_without_a_type_takes_addresses(fake: FakeGoDaddy, sdk: Client) -> None:
    with pytest.raises(BadResponse, match="NOT_FOUND"):
        sdk.delete_records("example.com", "www")
    sdk.delete_records("example.com", None)
    assert _held(fake) == [*_OWN, ("CNAME", "www", "@"), ("CAA", "@", '0 issue "ca.example.net"')]


def test_godaddys_own_records_stay(fake: FakeGoDaddy, sdk: Client) -> None:
    for rtype in ("NS", "SOA"):
        with pytest.raises(BadResponse, match="NOT_FOUND"):
            sdk.delete_records("example.com", "@", rtype)
    assert _held(fake)[:3] == _OWN


def test_a_name_can_cancel_the_domain(fake: FakeGoDaddy, sdk: Client) -> None:
    assert not fake.raw("example.com")["cancelled"]
    sdk.delete_records("example.com", "../..", "CNAME")
    raw = fake.raw("example.com")
    assert (raw["cancelled"], raw["status"], raw["records"], fake.apexes(), fake.published("example.com")) == (
        True,
        "CANCELLED",
        [],
        (),
        (),
    )
    with pytest.raises(BadResponse, match="not found for shopper"):
        sdk.get_domain_info("example.com")


def test_the_domains_answer_tells_too_much(sdk: Client) -> None:
    answer = sdk.get_domain_info("EXAMPLE.com")
    assert answer["authCode"] and answer["contactRegistrant"]["email"]
    assert (answer["status"], answer["nameServers"]) == ("ACTIVE", list(FakeGoDaddy.name_servers))


@pytest.mark.parametrize("past_the_end", [422, 200])
def test_the_offset_is_the_number_of_the_page(fake: FakeGoDaddy, sdk: Client, past_the_end: int) -> None:
    fake.past_the_end = past_the_end
    fake.add_zone("example.com", [Record(absolute(f"t{number}", APEX), "A", "192.0.2.1") for number in range(997)])
    pages = [sdk.get_records("example.com", offset=page) for page in (1, 2)]
    assert [len(page) for page in pages] == [500, 500] and pages[0][-1] != pages[1][0]
    if past_the_end == 200:
        assert sdk.get_records("example.com", offset=3) == []
    else:
        with pytest.raises(BadResponse, match="Offset"):
            sdk.get_records("example.com", offset=3)
    with pytest.raises(BadResponse, match="500"):
        sdk.get_records("example.com", limit=501)


def test_domains_are_listed_by_marker(fake: FakeGoDaddy, sdk: Client) -> None:
    fake.add_zone("example.net")
    fake.add_zone("example.org", shopper="4711")
    assert sdk.get_domains() == ["example.com", "example.net"]
    assert sdk.get_domains(limit=1, marker="example.com") == ["example.net"]
    with pytest.raises(BadResponse, match="1000"):
        sdk.get_domains(limit=1001)


@pytest.mark.parametrize(("key", "secret", "code"), [("k:x", "s", "MALFORMED_CREDENTIALS"), ("k", "s", "UNABLE_TO_AUTHENTICATE")])
def test_others_are_not_let_in(server: Server, sdk: Client, key: str, secret: str, code: str) -> None:
    with pytest.raises(BadResponse, match=code):
        _client(server, key, secret).get_records("example.com")


def test_a_customer_is_seen_by_the_reseller_alone(fake: FakeGoDaddy, server: Server, sdk: Client) -> None:
    fake.add_zone("example.org", shopper="4711")
    with pytest.raises(BadResponse, match="not found for shopper"):
        sdk.get_records("example.org")
    assert _client(server, **fake.credentials, shopper="4711").get_domains() == ["example.org"]


def test_refusals(fake: FakeGoDaddy, sdk: Client) -> None:
    fake.add_zone("example.com", busy=1)
    with pytest.raises(BadResponse, match="CONFLICT"):
        sdk.add_record("example.com", _row("A", "x", "192.0.2.1"))
    sdk.add_record("example.com", _row("A", "x", "192.0.2.1"))
    fake.add_zone("example.com", status="HELD_SHOPPER")
    with pytest.raises(BadResponse, match="not eligible"):
        sdk.add_record("example.com", _row("A", "x", "192.0.2.1"))
    fake.add_zone("example.com", zone_file=False)
    with pytest.raises(BadResponse, match="UNKNOWN_DOMAIN"):
        sdk.get_records("example.com")
    fake.gated = True
    with pytest.raises(BadResponse, match="ACCESS_DENIED"):
        sdk.get_domain_info("example.com")


def test_sixty_calls_a_minute_for_each_endpoint(fake: FakeGoDaddy, sdk: Client, clock: Any) -> None:
    fake.rate_limits = True
    for _ in range(60):
        sdk.get_records("example.com")
    with pytest.raises(BadResponse, match="'retryAfterSec': 60"):
        sdk.get_records("example.com")
    sdk.get_domain_info("example.com")
    clock.seconds += 60
    sdk.get_records("example.com")


def test_the_months_calls_end(fake: FakeGoDaddy, sdk: Client) -> None:
    fake.quota = 1
    sdk.get_domain_info("example.com")
    with pytest.raises(BadResponse, match="QUOTA_EXCEEDED"):
        sdk.get_domain_info("example.com")


def test_what_the_world_is_shown(fake: FakeGoDaddy, sdk: Client) -> None:
    fake.add_zone("example.com", [WWW], rows=[_row("A", "@", "Parked", ttl=600), _row("NS", "sub", "ns1.example.net", ttl=3600)])
    shown = fake.published("example.com")
    assert set(shown) == {WWW, Record(APEX, "A", "192.0.2.80"), Record(absolute("sub", APEX), "NS", "ns1.example.net.")}
    assert {record.ttl for record in shown} == {600, 3600}


def test_another_editor_is_not_counted(fake: FakeGoDaddy, server: Server, sdk: Client) -> None:
    fake.edit_behind("example.com", add=[Record(absolute("x", APEX), "A", "192.0.2.5", 30)], remove=[WWW])
    assert ("A", "x", "192.0.2.5") in _held(fake) and ("CNAME", "www", "@") not in _held(fake)
    assert server.count("godaddy") == 0


def test_what_is_shown_cannot_be_changed_through_it(fake: FakeGoDaddy, sdk: Client) -> None:
    fake.raw("example.com")["records"][0]["data"] = "changed"
    assert _held(fake)[:3] == _OWN
