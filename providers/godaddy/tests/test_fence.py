"""Nothing leaves the fence but what the approved edit needs; and the private members of godaddypy that it leans on are what they were."""

import inspect
import json
import logging
from collections.abc import Iterator
from importlib.metadata import version
from typing import Any

import godaddypy
import pytest

from wixsend import CredentialsMissing, Edit, EditRejected, Record, Snapshot, Unavailable, Zone, absolute
from wixsend.plan import Change
from wixsend.records import WHOLE
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_godaddy.fence import Call, FencedClient, account, calls_for
from wixsend_godaddy.rows import record_of
from wixsend_godaddy.sandbox import FakeGoDaddy
from wixsend_godaddy.vendor import GoDaddyError, NotAllowed

APEX = absolute("example.com")


def _row(rtype: str, name: str, data: str, **more: Any) -> dict[str, Any]:
    return {"type": rtype, "name": name, "data": data, "ttl": 3600, **more}


def _new(name: str, target: str = "u1.wl.wix.example.") -> Record:
    return Record(absolute(name, APEX), "CNAME", target)


def _edit(rows: list[dict[str, Any]], remove: list[dict[str, Any]] | None = None, add: list[Record] | None = None) -> Edit:
    """An edit of a zone that holds these rows."""
    before = Snapshot(Zone(APEX), tuple(record_of(row, APEX) for row in rows), WHOLE)
    going = [record_of(row, APEX) for row in remove or []]
    owners = dict.fromkeys(record.owner for record in (*going, *(add or [])))
    changes = [Change(o, tuple(r for r in going if r.owner == o), tuple(r for r in add or [] if r.owner == o)) for o in owners]
    return Edit(before, tuple(changes))


def _said(calls: tuple[Call, ...]) -> list[tuple[str, list[dict[str, Any]] | None]]:
    return [(str(call), None if call.rows is None else list(call.rows)) for call in calls]


# Which calls an edit needs


def test_additions_are_one_patch() -> None:
    records = "/domains/example.com/records"
    calls = calls_for(_edit([_row("A", "@", "192.0.2.1")], add=[_new("em1"), _new("s1._domainkey")]))
    rows = [_row("CNAME", "em1", "u1.wl.wix.example"), _row("CNAME", "s1._domainkey", "u1.wl.wix.example")]
    assert _said(calls) == [(f"PATCH {records}", rows)]


def test_a_whole_set_that_goes_is_deleted() -> None:
    row = _row("CNAME", "em1", "u1.wl.wix.example")
    assert _said(calls_for(_edit([row, _row("A", "em1x", "192.0.2.1")], [row]))) == [
        ("DELETE /domains/example.com/records/CNAME/em1", None)
    ]


def test_of_a_set_that_goes_in_part_what_stays_is_put_verbatim() -> None:
    stays, goes = _row("TXT", "x", "stays", ttl=601, extra="kept"), _row("TXT", "x", "goes")
    assert _said(calls_for(_edit([stays, goes], [goes]))) == [("PUT /domains/example.com/records/TXT/x", [stays])]


def test_a_cname_is_replaced_by_a_cname_in_one_call() -> None:
    old = _row("CNAME", "em1", "old.example.net")
    calls = calls_for(_edit([old], [old], [_new("em1")]))
    assert _said(calls) == [("PUT /domains/example.com/records/CNAME/em1", [_row("CNAME", "em1", "u1.wl.wix.example")])]


def test_what_is_in_the_way_goes_first() -> None:
    text, address = _row("TXT", "_dmarc", "v=DMARC1; p=reject"), _row("A", "em1", "192.0.2.1")
    cname = _row("CNAME", "_dmarc", "old.example.net")
    calls = calls_for(_edit([cname, text, address], [cname, text, address], [_new("_dmarc"), _new("em1"), _new("s1")]))
    assert [call.verb for call in calls] == ["DELETE", "DELETE", "PUT", "PATCH"]
    assert [row["name"] for row in calls[-1].rows or ()] == ["em1", "s1"]


def test_srv_records_of_other_services_at_the_same_path_stay() -> None:
    numbers = {"priority": 1, "weight": 1, "port": 443}
    sip = _row("SRV", "@", "sip.example.net", service="_sip", protocol="_tcp", **numbers)
    xmpp = _row("SRV", "@", "xmpp.example.net", service="_xmpp", protocol="_tcp", **numbers)
    assert _said(calls_for(_edit([sip, xmpp], [sip]))) == [("PUT /domains/example.com/records/SRV/@", [xmpp])]


def test_a_set_is_one_whatever_the_case_of_its_name() -> None:
    goes, stays = _row("TXT", "Mixed", "one"), _row("TXT", "mixed", "two")
    assert _said(calls_for(_edit([goes, stays], [goes]))) == [("PUT /domains/example.com/records/TXT/Mixed", [stays])]


def test_of_two_records_that_are_alike_one_goes() -> None:
    twin = _row("TXT", "x", "twin")
    assert _said(calls_for(_edit([twin, dict(twin)], [twin]))) == [("PUT /domains/example.com/records/TXT/x", [twin])]


@pytest.mark.parametrize(
    ("edit", "why"),
    [
        (_edit([_row("NS", "sub", "ns1.example.net")], [_row("NS", "sub", "ns1.example.net")]), "does not remove NS"),
        (_edit([_row("CAA", "x", "0 issue ca")], [_row("CAA", "x", "0 issue ca")]), "does not remove CAA"),
        (_edit([], [_row("A", "x", "192.0.2.1")]), "not in the zone as it was read"),
        (_edit([], add=[Record(absolute("sub", APEX), "NS", "ns1.example.net.")]), "does not write NS"),
        (_edit([], add=[Record(absolute("em1.example.org."), "CNAME", "a.b.")]), "not in the zone example.com"),
        (_edit([], add=[Record(absolute(r"a\/b", APEX), "CNAME", "a.b.")]), "characters"),
        (_edit([_row("CNAME", r"\.\.", "a.b")], [_row("CNAME", r"\.\.", "a.b")]), "characters"),
        (_edit([_row("CNAME", "a/b", "a.b")], [_row("CNAME", "a/b", "a.b")]), "characters"),
        (_edit([_row("CNAME", "a?b", "a.b")], [_row("CNAME", "a?b", "a.b")]), "characters"),
        (_edit([_row("CNAME", "a%2Fb", "a.b")], [_row("CNAME", "a%2Fb", "a.b")]), "characters"),
        (
            Edit(
                Snapshot(Zone(absolute("com")), (), WHOLE), (Change(absolute("x.com"), add=(Record(absolute("x.com"), "A", "192.0.2.1"),)),)
            ),
            "domain name",
        ),
    ],
)
def test_what_cannot_be_done_is_refused_before_anything_is_sent(edit: Edit, why: str) -> None:
    with pytest.raises(EditRejected, match=why):
        calls_for(edit)


# What may leave


@pytest.fixture
def client(fake: FakeGoDaddy, wire: HttpWire) -> Iterator[FencedClient]:
    fake.add_zone("example.com", [_new("www")])
    client = FencedClient(account(fake.credentials), wire)
    yield client
    client.close()


_DESTRUCTIVE: dict[str, tuple[str, tuple[Any, ...]]] = {
    "the whole zone": ("replace_records", ("example.com", [_row("A", "@", "192.0.2.1")])),
    "all of a type": ("replace_records", ("example.com", [_row("A", "@", "192.0.2.1")], "A")),
    "nothing": ("replace_records", ("example.com", [], "CNAME", "www")),
    "the domain": ("delete_records", ("example.com", "../..", "CNAME")),
    "type A by default": ("delete_records", ("example.com", "www")),
    "no name": ("delete_records", ("example.com", None, "CNAME")),
    "a record": ("delete_records", ("example.com", "www", "CNAME")),
    "another zone": ("add_records", ("example.org", [_row("CNAME", "www", "a.b")])),
    "name servers": ("update_domain", ("example.com",)),
    "an address": ("update_record", ("example.com", _row("A", "@", "192.0.2.1"))),
}


@pytest.mark.parametrize("what", _DESTRUCTIVE)
@pytest.mark.parametrize("open_for", ["nothing", "another call"])
def test_what_the_edit_does_not_need_is_never_sent(
    client: FencedClient, server: Server, fake: FakeGoDaddy, what: str, open_for: str
) -> None:
    before = fake.raw("example.com")
    method, arguments = _DESTRUCTIVE[what]
    allowed = [Call("PATCH", "example.com", rows=(_row("CNAME", "em1", "a.b"),))] if open_for == "another call" else []
    with client.allowing(allowed), pytest.raises(NotAllowed):
        getattr(client, method)(*arguments)
    assert server.count("godaddy") == 0
    assert fake.raw("example.com") == before


@pytest.mark.parametrize(
    "domain", ["example.com/records/A", "..", "../v1/x.com", "example.com?x=y", "com", "", "example.com/../..", "-a.com"]
)
def test_reads_go_to_domains_only(client: FencedClient, server: Server, domain: str) -> None:
    for read in (client.get_domain_info, client.get_records):
        with pytest.raises(NotAllowed):
            read(domain)
    assert server.count("godaddy") == 0


def test_of_the_account_s_domains_nothing_is_kept_but_what_serves_them(client: FencedClient, fake: FakeGoDaddy) -> None:
    fake.add_zone("elsewhere.example", nameServers=("ns1.example.net",), status="PENDING_DNS")
    assert client.domains("") == {
        "example.com": ("ACTIVE", fake.name_servers),
        "elsewhere.example": ("PENDING_DNS", ("ns1.example.net",)),
    }


@pytest.mark.parametrize(
    "body", [b"{}", b"[7]", b'[{"domain": "a.example"}]', b'[{"domain": "a.example", "status": 1, "nameServers": null}]']
)
def test_a_listing_of_another_shape_is_none(client: FencedClient, server: Server, body: bytes) -> None:
    server.faults.add(Fault("wrong-shape", body=body))
    with pytest.raises(Unavailable):
        client.domains("")


def test_a_write_is_let_through_once_and_only_with_its_body(client: FencedClient, server: Server) -> None:
    call = Call("PATCH", "example.com", rows=(_row("CNAME", "em1", "a.b"),))
    with client.allowing([call]):
        with pytest.raises(NotAllowed):
            client.add_records("example.com", [*(call.rows or ()), _row("CNAME", "em2", "a.b")])
        client.make(call)
        with pytest.raises(NotAllowed):
            client.make(call)
    with pytest.raises(NotAllowed):
        client.make(call)
    assert [(c.method, c.path) for c in server.calls] == [("PATCH", "/v1/domains/example.com/records")]


def test_the_fence_closes_when_a_write_fails(client: FencedClient, server: Server) -> None:
    calls = [Call("DELETE", "example.com", "CNAME", "nothing"), Call("DELETE", "example.com", "CNAME", "www")]
    with pytest.raises(GoDaddyError), client.allowing(calls):
        client.make(calls[0])
    with pytest.raises(NotAllowed):
        client.make(calls[1])
    assert server.count("godaddy") == 1


# Credentials


@pytest.mark.parametrize("missing", ["key", "secret"])
@pytest.mark.parametrize("value", ["", "  ", "with\nnewline", "with blank", "with:colon", "schlüssel"])
def test_unusable_credentials_do_not_make_godaddypy_look_for_others(monkeypatch: pytest.MonkeyPatch, missing: str, value: str) -> None:
    monkeypatch.setenv("GODADDY_API_KEY", "key-of-somebody-else")
    monkeypatch.setenv("GODADDY_API_SECRET", "secret-of-somebody-else")
    with pytest.raises(CredentialsMissing, match=missing) as raised:
        account({"key": "k", "secret": "s", missing: value})
    assert not value.strip() or value not in f"{raised.value!r}"


def test_the_environment_has_no_say(monkeypatch: pytest.MonkeyPatch, fake: FakeGoDaddy, server: Server, client: FencedClient) -> None:
    monkeypatch.setenv("GODADDY_API_KEY", "key-of-somebody-else")
    monkeypatch.setenv("GODADDY_API_SECRET", "secret-of-somebody-else")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    client.rows(APEX)
    headers = server.calls[0].request.headers
    assert headers["authorization"] == f"sso-key {fake.credentials['key']}:{fake.credentials['secret']}"
    assert "x-shopper-id" not in headers


# Answers


def test_of_a_domain_only_its_status_and_name_servers_are_kept(client: FencedClient, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    found = client.domain(APEX)
    assert found == ("ACTIVE", FakeGoDaddy.name_servers)
    kept = caplog.text + repr(vars(client))
    assert not [private for private in ("transfer-code-of", "Registrant", "Private Lane") if private in kept]


def _error_after(client: FencedClient, server: Server, **fault: Any) -> GoDaddyError:
    server.faults.add(Fault("status", service="godaddy", **fault))
    with pytest.raises(GoDaddyError) as raised:
        client.rows(APEX)
    return raised.value


def test_an_error_keeps_everything(client: FencedClient, server: Server) -> None:
    fields = [{"code": "BAD_TTL", "message": "too small", "path": "records[0].ttl"}, {"code": "X", "path": 7}, "nonsense"]
    body = {"code": "INVALID_BODY", "message": "no", "fields": fields, "retryAfterSec": 9}
    error = _error_after(client, server, status=422, body=json.dumps(body).encode(), headers={"retry-after": "17"})
    assert (error.verb, error.status, error.code, error.retry_after) == ("GET", 422, "INVALID_BODY", 9.0)
    assert error.fields == (("records[0].ttl", "BAD_TTL", "too small"), ("", "X", ""))
    assert error.says("BAD_TTL") and error.says("INVALID_BODY") and not error.says("BAD")
    assert "INVALID_BODY no (records[0].ttl BAD_TTL too small" in str(error)


@pytest.mark.parametrize("body", [b"", b"<html>", b"null", b"[]", b'{"code": 5, "fields": 7, "message": ["x"]}', b"[" * 100_000])
def test_an_error_that_is_not_godaddys_has_no_code(client: FencedClient, server: Server, body: bytes) -> None:
    error = _error_after(client, server, status=502, body=body)
    assert (error.status, error.code, error.fields, str(error)) == (502, "", (), "HTTP 502")


@pytest.mark.parametrize(
    ("said", "header", "seconds"),
    [
        (30, "", 30.0),
        ("30", "", 30.0),
        (None, "17", 17.0),
        (-1, "17", 17.0),
        (True, "", None),
        ("soon", "tomorrow", None),
        (10**9, "", None),
    ],
)
def test_how_long_to_wait(client: FencedClient, server: Server, said: object, header: str, seconds: float | None) -> None:
    body = json.dumps({"code": "TOO_MANY_REQUESTS", "retryAfterSec": said}).encode()
    assert _error_after(client, server, status=429, body=body, headers={"retry-after": header}).retry_after == seconds


def test_an_endless_body_is_not_read(client: FencedClient, server: Server) -> None:
    server.faults.add(Fault("wrong-shape", service="godaddy", body=b"[" + b" " * (11 * 1024 * 1024) + b"]"))
    with pytest.raises(Unavailable, match="10 MB"):
        client.rows(APEX)


def test_pages_that_overlap_are_not_believed(client: FencedClient, server: Server) -> None:
    rows = [_row("TXT", f"t{number}", "x") for number in range(500)]
    for page in (rows, rows[1:]):  # what a server does that takes the offset for a number of rows to skip
        server.faults.add(Fault("wrong-shape", service="godaddy", body=json.dumps(page).encode()))
    with pytest.raises(Unavailable, match="overlap"):
        client.rows(APEX)


def test_pages_without_an_end_are_not_read_for_ever() -> None:
    def handle(request: Request) -> Response:
        page = request.args["offset"]
        return Response.json([_row("TXT", f"t{page}-{number}", "x") for number in range(500)])

    with Server({"godaddy": handle}) as server:
        client = FencedClient(account(FakeGoDaddy.credentials), HttpWire(server.url("godaddy")))
        with pytest.raises(Unavailable, match="no end"):
            client.rows(APEX)
        client.close()


def test_a_proxys_422_is_no_end_of_the_pages(client: FencedClient, server: Server, fake: FakeGoDaddy) -> None:
    fake.add_zone("example.com", [Record(absolute(f"t{number}", APEX), "A", "192.0.2.1") for number in range(600)])
    server.faults.add(Fault("status", service="godaddy", call=2, status=422, body=b"<html>"))
    with pytest.raises(GoDaddyError):
        client.rows(APEX)


@pytest.mark.parametrize("domain", ["example.org", "notexample.com", "", None, "a..b"])
def test_an_answer_about_another_domain_is_not_believed(client: FencedClient, server: Server, domain: object) -> None:
    body = json.dumps({"domain": domain, "status": "ACTIVE", "nameServers": []}).encode()
    server.faults.add(Fault("wrong-shape", service="godaddy", body=body))
    with pytest.raises(Unavailable, match="another"):
        client.domain(APEX)


@pytest.mark.parametrize("answer", [{"status": 5}, {"status": "ACTIVE", "nameServers": "ns1"}, {"nameServers": []}])
def test_an_answer_that_lacks_what_was_asked_is_not_believed(client: FencedClient, server: Server, answer: dict[str, Any]) -> None:
    server.faults.add(Fault("wrong-shape", service="godaddy", body=json.dumps({"domain": "example.com", **answer}).encode()))
    with pytest.raises(Unavailable, match="lacks"):
        client.domain(APEX)


# What of godaddypy is leaned on


def test_godaddypy_is_the_version_that_was_read() -> None:
    assert version("godaddypy") == "2.5.1"


_CALLS: dict[str, tuple[Any, ...]] = {
    "add_record": ("example.com", _row("A", "@", "192.0.2.1")),
    "add_records": ("example.com", []),
    "delete_records": ("example.com", "www"),
    "get_domain_info": ("example.com",),
    "get_domains": (),
    "get_records": ("example.com",),
    "replace_records": ("example.com", []),
    "update_domain": ("example.com",),
    "update_ip": ("192.0.2.1",),
    "update_record": ("example.com", _row("A", "@", "192.0.2.1")),
    "update_record_ip": ("192.0.2.1", "example.com", "www", "A"),
}


def test_everything_that_godaddypy_does_passes_the_one_method_that_is_replaced() -> None:
    class Passed(Exception):
        """The request came through."""

    class Watched(godaddypy.Client):  # type: ignore[misc]
        def _request_submit(self, func: Any, **_options: Any) -> Any:
            assert func.__module__ == "requests.api"
            raise Passed(func.__name__)

    client = Watched(godaddypy.Account(api_key="k", api_secret="s"))
    public = {name for name, _ in inspect.getmembers(godaddypy.Client, inspect.isfunction) if not name.startswith("_")}
    assert public == set(_CALLS), "godaddypy has other methods than those that were looked at"
    for name, arguments in _CALLS.items():
        with pytest.raises(Passed):
            getattr(client, name)(*arguments)
    assert (
        inspect.getsource(godaddypy.Client).count("requests.") == inspect.getsource(godaddypy.Client).count("_request_submit(requests.") + 1
    )
