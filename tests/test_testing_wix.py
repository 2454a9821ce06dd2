"""The fake Wix, spoken to over HTTP as its documentation says, by a plain client."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from wixsend.names import Name, absolute, text
from wixsend.testing.server import Server
from wixsend.testing.wix import MANAGE, READ, FakeWix, HostNames

PATH = "/sending-domains/v1/sending-domains"


class World:
    """A fake Wix on loopback, a DNS that is a table, and a clock that is set."""

    def __init__(self) -> None:
        self.dns: dict[Name, Name] = {}
        self.time = 0.0
        self.wix = FakeWix(self.dns.get, lambda: self.time)
        self.url = ""

    def ask(self, method: str, path: str, body: Any = None, **headers: str) -> httpx.Response:
        site = self.wix.site
        sent = headers or {"authorization": site.api_key, "wix-site-id": site.id}
        return httpx.request(method, self.url + path, json=body, headers={name.replace("_", "-"): value for name, value in sent.items()})

    def query(self, **query: Any) -> httpx.Response:
        return self.ask("POST", f"{PATH}/query", {"query": query})

    def publish(self, domain: str, *, without: str = "") -> None:
        for held in self.wix.domains.values():
            if held.domain == domain:
                self.dns.update({r.owner: r.target for r in held.wants if not without or r.owner.labels[0].decode() != without})


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with Server({"wix": world.wix.handle}) as server:
        world.url = server.url("wix")
        yield world


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["details"]["applicationError"]["code"]


NO_DETAILS = (428, "SENDER_DETAILS_DO_NOT_EXIST")


# -- query -----------------------------------------------------------------------------------------------------------------


def test_a_domain_is_found_by_every_documented_filter(world: World) -> None:
    domain = world.wix.add_domain("example.com")
    world.wix.add_domain("other.com")
    for only in (
        {"domain": "example.com"},
        {"domain": {"$eq": "example.com"}},
        {"domain": {"$in": ["example.com", "absent.com"]}},
        {"id": domain.id},
        {"id": {"$in": [domain.id]}, "domain": "example.com"},
    ):
        answer = world.query(filter=only).json()
        assert [found["domain"] for found in answer["sendingDomains"]] == ["example.com"]
        assert answer["pagingMetadata"] == {"count": 1, "cursors": {}, "hasNext": False}


def test_a_filter_is_mandatory(world: World) -> None:
    world.wix.add_domain("example.com")
    assert code(world.query()) == code(world.query(filter={})) == NO_DETAILS


def test_what_cannot_be_asked(world: World) -> None:
    for query in (
        {"filter": {"status": "AUTHENTICATED"}},
        {"filter": {"domain": {"$startsWith": "ex"}}},
        {"filter": {"domain": "x.com"}, "cursorPaging": {"limit": 51}},
        {"cursorPaging": {"cursor": "made up"}},
    ):
        answer = world.query(**query)
        assert answer.status_code == 400
        assert answer.json()["details"]["validationError"]["fieldViolations"]
    assert world.ask("POST", f"{PATH}/query", []).status_code == 400


def test_pages_follow_a_cursor(world: World) -> None:
    names = [f"d{number}.com" for number in range(5)]
    for name in names:
        world.wix.add_domain(name)
    answer = world.query(filter={"domain": {"$in": names}}, cursorPaging={"limit": 2}).json()
    found = answer["sendingDomains"]
    while answer["pagingMetadata"]["hasNext"]:
        answer = world.query(cursorPaging={"limit": 2, "cursor": answer["pagingMetadata"]["cursors"]["next"]}).json()
        found += answer["sendingDomains"]
    assert [domain["domain"] for domain in found] == names


def test_a_domain_of_another_site_or_of_none(world: World) -> None:
    world.wix.add_domain("theirs.com", world.wix.add_site("other"))
    for domain in ("theirs.com", "nobodys.com"):
        world.wix.hides_unknown = False
        assert world.query(filter={"domain": domain}).json()["sendingDomains"] == []
        world.wix.hides_unknown = True
        assert code(world.query(filter={"domain": domain})) == NO_DETAILS


def test_a_site_without_sender_details(world: World) -> None:
    domain = world.wix.add_domain("example.com")
    world.wix.site.sender_details = False
    assert code(world.query(filter={"domain": "example.com"})) == code(world.ask("GET", f"{PATH}/{domain.id}")) == NO_DETAILS


# -- records ---------------------------------------------------------------------------------------------------------------


def test_the_five_records(world: World) -> None:
    domain = world.wix.add_domain("Example.com.")
    shown = world.ask("GET", f"{PATH}/{domain.id}").json()["sendingDomain"]
    assert (shown["domain"], shown["status"]) == ("example.com", "NOT_AUTHENTICATED")
    rows = shown["dnsRecords"]
    assert [row["hostName"] for row in rows] == [
        f"{prefix}.example.com" for prefix in ("s1._domainkey", "s2._domainkey", "sel1._domainkey", "sg", "_dmarc")
    ]
    assert {row["type"] for row in rows} == {"CNAME"}
    assert rows[4]["value"] == "_dmarc.wixemails.com"
    shards = [row["value"].removeprefix(row["hostName"] + ".").removesuffix(".ascendbywix.com") for row in rows[:4]]
    assert shards[0] == shards[1] == shards[3] != shards[2]
    assert all(row["value"].startswith(row["hostName"]) for row in rows[:4])


@pytest.mark.parametrize(
    ("form", "first"),
    [
        ("absolute", "s1._domainkey.mail.example.com"),
        ("relative", "s1._domainkey"),
        ("dotted", "s1._domainkey.mail.example.com."),
        ("upper", "S1._DOMAINKEY.MAIL.EXAMPLE.COM"),
    ],
)
def test_forms_of_host_names(world: World, form: HostNames, first: str) -> None:
    world.wix.host_names = form
    world.wix.add_domain("mail.example.com")
    (shown,) = world.query(filter={"domain": "mail.example.com"}).json()["sendingDomains"]
    assert shown["dnsRecords"][0]["hostName"] == first


def test_rows_that_wix_should_not_send(world: World) -> None:
    rows = [{"hostName": "@", "value": "x", "type": "TXT"}]
    domain = world.wix.add_domain("example.com", rows=rows, status="ON_THE_MOON")
    shown = world.ask("GET", f"{PATH}/{domain.id}").json()["sendingDomain"]
    assert (shown["dnsRecords"], shown["status"]) == (rows, "ON_THE_MOON")


# -- life ------------------------------------------------------------------------------------------------------------------


def test_from_initializing_to_authenticated(world: World) -> None:
    domain = world.wix.add_domain("example.com", initializing_for=120)
    path = f"{PATH}/{domain.id}"
    shown = world.ask("GET", path).json()["sendingDomain"]
    assert (shown["status"], "dnsRecords" in shown) == ("INITIALIZING", False)
    assert code(world.ask("POST", f"{path}/authenticate"))[0] == 428
    world.time = 120
    assert world.ask("GET", path).json()["sendingDomain"]["status"] == "NOT_AUTHENTICATED"
    assert code(world.ask("POST", f"{path}/authenticate")) == (428, world.wix.not_yet_code)
    world.publish("example.com")
    assert world.ask("POST", f"{path}/authenticate").json()["sendingDomain"]["status"] == "AUTHENTICATED"
    assert world.ask("GET", path).json()["sendingDomain"]["status"] == "AUTHENTICATED"
    assert world.wix.raw()["sendingDomains"][0]["attempts"] == 3


@pytest.mark.parametrize(("requires", "status"), [(True, "NOT_AUTHENTICATED"), (False, "AUTHENTICATED")])
def test_dmarc_is_required_or_not(world: World, requires: bool, status: str) -> None:
    world.wix.requires_dmarc, world.wix.refuses_with = requires, "200"
    domain = world.wix.add_domain("example.com")
    world.publish("example.com", without="_dmarc")
    answer = world.ask("POST", f"{PATH}/{domain.id}/authenticate")
    assert (answer.status_code, answer.json()["sendingDomain"]["status"]) == (200, status)


def test_authenticate_looks_at_every_target(world: World) -> None:
    domain = world.wix.add_domain("example.com")
    world.publish("example.com")
    world.dns[absolute("sg.example.com")] = absolute("sg.elsewhere.com")
    assert world.ask("POST", f"{PATH}/{domain.id}/authenticate").status_code == 428


def test_what_does_not_exist(world: World) -> None:
    theirs = world.wix.add_domain("theirs.com", world.wix.add_site("other"))
    for method, path in (("GET", theirs.id), ("POST", f"{theirs.id}/authenticate"), ("GET", "made-up")):
        assert world.ask(method, f"{PATH}/{path}").status_code == 404
    for method, path in (("DELETE", f"{PATH}/x"), ("GET", PATH), ("GET", "/elsewhere")):
        assert world.ask(method, path).headers["content-type"] == "text/html"


# -- who asks --------------------------------------------------------------------------------------------------------------


def test_keys_and_headers(world: World) -> None:
    main, other = world.wix.site, world.wix.add_site("other")
    sibling = world.wix.add_site("sibling", beside=main)
    cases = [
        ({"authorization": main.api_key, "wix_site_id": main.id}, 200),
        ({"authorization": main.api_key, "wix_site_id": sibling.id}, 200),
        ({"authorization": f"Bearer {main.api_key}", "wix_site_id": main.id}, 401),
        ({"authorization": "wrong", "wix_site_id": main.id}, 401),
        ({"wix_site_id": main.id}, 401),
        ({"authorization": main.api_key}, 403),
        ({"authorization": main.api_key, "wix_account_id": main.account_id}, 403),
        ({"authorization": main.api_key, "wix_site_id": main.id, "wix_account_id": main.account_id}, 403),
        ({"authorization": main.api_key, "wix_site_id": other.id}, 403),
        ({"authorization": main.api_key, "wix_site_id": main.account_id}, 403),
    ]
    body = {"query": {"filter": {"domain": "example.com"}}}
    assert [world.ask("POST", f"{PATH}/query", body, **headers).status_code for headers, _ in cases] == [status for _, status in cases]


def test_permissions(world: World) -> None:
    domain = world.wix.add_domain("example.com")
    world.publish("example.com")
    calls = [("POST", "query"), ("GET", domain.id), ("POST", f"{domain.id}/authenticate")]
    body = {"query": {"filter": {"domain": "example.com"}}}
    for scopes, expected in (({READ}, [200, 200, 403]), ({MANAGE}, [403, 403, 200])):
        world.wix.site.scopes = scopes
        assert [world.ask(method, f"{PATH}/{path}", body).status_code for method, path in calls] == expected


def test_an_app(world: World) -> None:
    wix = world.wix
    wix.add_domain("example.com")
    grant = {
        "grant_type": "client_credentials",
        "client_id": wix.app_id,
        "client_secret": wix.app_secret,
        "instance_id": wix.site.instance_id,
    }
    given = world.ask("POST", "/oauth2/token", grant).json()
    assert (given["token_type"], given["expires_in"]) == ("Bearer", 14400)
    body = {"query": {"filter": {"domain": "example.com"}}}
    asked = world.ask("POST", f"{PATH}/query", body, authorization=given["access_token"])
    assert [domain["domain"] for domain in asked.json()["sendingDomains"]] == ["example.com"]
    world.time = 14400
    assert world.ask("POST", f"{PATH}/query", body, authorization=given["access_token"]).status_code == 401
    assert world.ask("POST", "/oauth2/token", grant | {"client_secret": "no"}).json()["error"] == "invalid_client"
    assert world.ask("POST", "/oauth2/token", grant | {"instance_id": "no"}).json()["error"] == "invalid_grant"
    assert world.ask("POST", "/oauth2/token", grant | {"grant_type": "no"}).json()["error"] == "unsupported_grant_type"


def test_two_hundred_a_minute(world: World) -> None:
    world.wix.rate_limits = True
    site = world.wix.site
    headers = {"authorization": site.api_key, "wix-site-id": site.id}
    with httpx.Client(base_url=world.url, headers=headers) as client:
        answers = [client.get(f"{PATH}/x") for _ in range(201)]
        assert [answer.status_code for answer in answers] == [404] * 200 + [429]
        assert "retry-after" not in answers[-1].headers
        world.time = 60.0
        assert client.get(f"{PATH}/x").status_code == 404


def test_the_raw_state_holds_no_secret(world: World) -> None:
    world.wix.add_domain("example.com")
    shown = str(world.wix.raw())
    assert "example.com" in shown and world.wix.site.api_key not in shown and world.wix.app_secret not in shown
    assert text(world.wix.domains.popitem()[1].wants[0].owner) in shown
