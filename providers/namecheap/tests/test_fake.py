"""The fake's bad habits, seen through the official SDK, unchanged but for where its packets go."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from namecheap import DNSRecord, Namecheap, NamecheapError

from wixsend import Record, absolute
from wixsend.testing.fakes import Request
from wixsend.testing.server import Server
from wixsend_namecheap.sandbox import FakeNamecheap

APEX = absolute("example.com")


def record(owner: str, rtype: str, rdata: str) -> Record:
    return Record(absolute(owner, APEX), rtype, rdata)


A, MX, SRV = record("@", "A", "192.0.2.1"), record("@", "MX", "10 mail.example.net."), record("_sip._tcp", "SRV", "1 2 5060 s.example.net.")
HOME = record("home", "A", "192.0.2.2")


def sdk(server: Server, **options: str) -> Namecheap:
    """The SDK has no base URL to set: its requests are turned round where they leave."""
    here = httpx.URL(server.url("namecheap"))

    def turn(request: httpx.Request) -> None:
        request.url = request.url.copy_with(scheme=here.scheme, host=here.host, port=here.port)
        request.headers["host"] = f"{here.host}:{here.port}"

    client = Namecheap(**{**FakeNamecheap.credentials, **options}, sandbox=False)
    client._client.close()
    client._client = httpx.Client(event_hooks={"request": [turn]}, trust_env=False)
    return client


@pytest.fixture
def nc(server: Server) -> Iterator[Any]:
    with sdk(server) as nc:
        yield nc


def rows(fake: FakeNamecheap, *fields: str) -> list[tuple[str, ...]]:
    return [tuple(row[field] for field in fields) for row in fake.raw("example.com")["records"]]


def test_the_sdk_reads_and_writes(fake: FakeNamecheap, nc: Any) -> None:
    fake.add_zone("example.com", [A, HOME])
    assert [(one.name, one.type, one.value) for one in nc.dns.get("example.com")] == [("@", "A", "192.0.2.1"), ("home", "A", "192.0.2.2")]
    assert nc.dns.add("example.com", DNSRecord(name="www", type="CNAME", value="www.example.net")) is True
    assert rows(fake, "Name", "Type", "Address")[-1] == ("www", "CNAME", "www.example.net.")
    assert nc.dns.get_nameservers("example.com").nameservers == list(fake.name_servers)


def test_set_hosts_forgets_what_it_is_not_sent(fake: FakeNamecheap, nc: Any) -> None:
    fake.add_zone("example.com", [A, HOME, SRV])
    nc.dns.set("example.com", [DNSRecord(name="www", type="A", value="192.0.2.9")])
    assert rows(fake, "Name", "Address") == [("www", "192.0.2.9")]
    assert fake.raw("example.com")["SRV"] == []


def test_the_mail_setting_is_forgotten_and_mx_with_it(fake: FakeNamecheap, nc: Any) -> None:
    fake.add_zone("example.com", [A, MX])
    assert fake.raw("example.com")["EmailType"] == "MX"
    nc.dns.add("example.com", DNSRecord(name="www", type="A", value="192.0.2.9"))
    assert fake.raw("example.com")["EmailType"] == "NONE"
    assert rows(fake, "Name", "Type") == [("@", "A"), ("www", "A")]


def test_an_empty_zone_is_parked(fake: FakeNamecheap, nc: Any) -> None:
    fake.add_zone("example.com", [A])
    nc.dns.set("example.com", [])
    assert rows(fake, "Name", "Type") == [("www", "CNAME"), ("@", "URL")]
    fake.add_zone("fresh.com", parking=True)
    assert [row["Type"] for row in fake.raw("fresh.com")["records"]] == ["CNAME", "URL"]


def test_hosts_are_sorted_merged_and_keep_their_ids(fake: FakeNamecheap, nc: Any) -> None:
    fake.add_zone("example.com", [HOME, A, record("www", "CNAME", "www.example.net.")])
    ids = {row["Name"]: row["HostId"] for row in fake.raw("example.com")["records"]}
    nc.dns.set(
        "example.com",
        [
            DNSRecord(name="www", type="CNAME", value="www.example.net"),
            DNSRecord(name="www", type="CNAME", value="www.example.net."),
            DNSRecord(name="home", type="A", value="192.0.2.2"),
            DNSRecord(name="@", type="A", value="192.0.2.99"),
        ],
    )
    assert rows(fake, "Name", "Type") == [("@", "A"), ("home", "A"), ("www", "CNAME")]
    after = {row["Name"]: row["HostId"] for row in fake.raw("example.com")["records"]}
    assert (after["www"], after["home"]) == (ids["www"], ids["home"])
    assert after["@"] != ids["@"]


def test_a_second_cname_takes_the_place_of_the_first(fake: FakeNamecheap, nc: Any) -> None:
    fake.add_zone("example.com", [record("www", "CNAME", "one.example.net.")])
    nc.dns.add("example.com", DNSRecord(name="www", type="CNAME", value="two.example.net"))
    assert rows(fake, "Name", "Address") == [("www", "two.example.net.")]


def test_flags_are_lost_and_labels_stay(fake: FakeNamecheap, nc: Any) -> None:
    flags = {("home", "A"): {"IsDDNSEnabled": "true", "IsActive": "false", "FriendlyName": "my router"}}
    fake.add_zone("example.com", [HOME], flags=flags)
    assert rows(fake, "IsDDNSEnabled", "IsActive", "FriendlyName") == [("true", "false", "my router")]
    nc.dns.set("example.com", [DNSRecord(name="home", type="A", value="192.0.2.2")])
    assert rows(fake, "IsDDNSEnabled", "IsActive", "FriendlyName") == [("false", "true", "my router")]


def test_forwarded_mail_is_not_among_the_hosts(fake: FakeNamecheap, nc: Any) -> None:
    fake.add_zone("example.com", [A], EmailType="FWD")
    assert [one.type for one in nc.dns.get("example.com")] == ["A"]
    assert {one.rtype for one in fake.published("example.com")} == {"A", "MX"}


def test_the_world_is_shown_what_it_is_shown(fake: FakeNamecheap) -> None:
    fake.add_zone(
        "example.com",
        [
            record("go", "URL", "http://www.example.net/"),
            record("@", "ALIAS", "apex.example.net."),
            record("@", "MXE", "192.0.2.5"),
            HOME,
            SRV,
        ],
        flags={("home", "A"): {"IsActive": "false"}},
    )
    assert {str(one) for one in fake.published("example.com")} == {
        "go.example.com. 1799 A 192.0.2.80",
        "example.com. 1799 A 192.0.2.80",
        "example.com. 1799 MX 10 mxe.example.com.",
        "mxe.example.com. 1799 A 192.0.2.5",
        "_sip._tcp.example.com. 1799 SRV 1 2 5060 s.example.net.",
    }


@pytest.mark.parametrize(
    ("settings", "options", "number"),
    [
        ({}, {"api_key": "wrong"}, "1011102"),
        ({}, {"api_user": "stranger"}, "1011102"),
        ({}, {"username": "stranger", "api_user": "wixagency"}, "1019103"),
        ({"IsUsingOurDNS": False}, {}, "2030288"),
        ({"Modificationrights": "none"}, {}, "2016166"),
        (None, {}, "2019166"),
    ],
)
def test_errors_come_with_http_200(
    fake: FakeNamecheap, server: Server, settings: dict[str, Any] | None, options: dict[str, str], number: str
) -> None:
    if settings is not None:
        fake.add_zone("example.com", [A], **settings)
    with sdk(server, **options) as nc, pytest.raises(NamecheapError) as raised:
        nc.dns.get("example.com")
    assert raised.value.code == number
    assert [call.status for call in server.calls] == [200]


def ask(fake: FakeNamecheap, server: Server, command: str, **parameters: str) -> httpx.Response:
    """One command as the documents write it: what the SDK's own errors must not be made of (they ask a third party)."""
    credentials = fake.credentials
    form = {"ApiUser": credentials["username"], "UserName": credentials["username"], "ApiKey": credentials["api_key"]}
    with httpx.Client(trust_env=False) as client:
        data = {**form, "ClientIp": credentials["client_ip"], "Command": f"namecheap.{command}", **parameters}
        return client.post(f"{server.url('namecheap')}/xml.response", data={name: value for name, value in data.items() if value})


HOSTS = {"SLD": "example", "TLD": "com"}
GOOD = {"HostName1": "www", "RecordType1": "A", "Address1": "192.0.2.9"}


@pytest.mark.parametrize(
    ("command", "parameters", "number"),
    [
        ("domains.dns.getHosts", {**HOSTS, "ClientIp": "198.51.100.7"}, "1011150"),
        ("domains.dns.getHosts", {**HOSTS, "ClientIp": ""}, "1010105"),
        ("domains.dns.getHosts", {**HOSTS, "ApiKey": ""}, "1010102"),
        ("domains.nonsense", {}, "1010104"),
        ("domains.getList", {"PageSize": "101"}, "2011280"),
        ("domains.getInfo", {"DomainName": "other.org"}, "2019166"),
        ("domains.dns.setHosts", {**HOSTS, **GOOD, "RecordType1": "SRV"}, "2015280"),
        ("domains.dns.setHosts", {**HOSTS, **GOOD, "EmailType": "POST"}, "2015280"),
        ("domains.dns.setHosts", {**HOSTS, **GOOD, "TTL1": "59"}, "2015280"),
        ("domains.dns.setHosts", {**HOSTS, **{f"{key[:-1]}{n}": value for n in range(151) for key, value in GOOD.items()}}, "3013288"),
    ],
)
def test_what_is_wrong_changes_nothing(fake: FakeNamecheap, server: Server, command: str, parameters: dict[str, str], number: str) -> None:
    fake.add_zone("example.com", [A, MX])
    before = fake.raw("example.com")
    answer = ask(fake, server, command, **parameters)
    assert answer.status_code == 200
    assert 'Status="ERROR"' in answer.text and f'Error Number="{number}"' in answer.text
    assert fake.raw("example.com") == before


def test_a_domain_without_the_right_to_hosts_is_not_written(fake: FakeNamecheap, server: Server) -> None:
    fake.add_zone("example.com", [A], Modificationrights=("dns",))
    assert 'Error Number="2030166"' in ask(fake, server, "domains.dns.setHosts", **HOSTS, **GOOD).text
    assert '<Modificationrights All="' in ask(fake, server, "domains.getInfo", DomainName="example.com").text


def test_get_list_pages_and_leaves_out_what_is_shared(fake: FakeNamecheap, nc: Any) -> None:
    for number in range(25):
        fake.add_zone(f"d{number}.com", IsUsingOurDNS=number % 2 == 0)
    fake.add_zone("shared.com", IsOwner=False)
    pages = [nc.domains.list(page=page, page_size=10) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [10, 10, 5]
    assert {domain.name for page in pages for domain in page} == {f"d{number}.com" for number in range(25)}


@pytest.mark.parametrize(("premium", "free"), [(True, False), (False, True)])
def test_get_list_of_name_servers_names_the_product(fake: FakeNamecheap, server: Server, premium: bool, free: bool) -> None:
    fake.add_zone("example.com", IsPremiumDNS=premium, IsUsingFreeDNS=free)
    said = ask(fake, server, "domains.dns.getList", **HOSTS).text.lower()
    assert f'ispremiumdns="{str(premium).lower()}" isusingfreedns="{str(free).lower()}"' in said


def test_booleans_vary_in_case(fake: FakeNamecheap, server: Server) -> None:
    fake.add_zone("example.com", [A, HOME])
    said = ask(fake, server, "domains.dns.getHosts", **HOSTS).text
    assert '="true"' in said and '="True"' in said


@pytest.mark.parametrize(("calls", "seconds"), [(20, 60.0), (700, 3600.0), (8000, 86400.0)])
def test_too_many_calls_are_405(calls: int, seconds: float) -> None:
    """Each limit by itself: calls spread so that only this one is met."""
    clock = [0.0]
    fake = FakeNamecheap(lambda: clock[0], rate_limits=True)
    pause = seconds / calls * 0.99
    for _ in range(calls):
        assert fake.handle(Request("POST", "/xml.response")).status == 200
        clock[0] += pause
    assert fake.handle(Request("POST", "/xml.response")).status == 405
    clock[0] = seconds
    assert fake.handle(Request("POST", "/xml.response")).status == 200


def test_the_panel_edits_in_place(fake: FakeNamecheap) -> None:
    flags = {("home", "A"): {"IsDDNSEnabled": "true"}}
    fake.add_zone("example.com", [HOME, SRV], flags=flags)
    fake.edit_behind("example.com", add=[A, A, MX], remove=[SRV])
    raw = fake.raw("example.com")
    assert rows(fake, "Name", "Type", "IsDDNSEnabled") == [("@", "A", "false"), ("home", "A", "true"), ("@", "MX", "false")]
    assert (raw["SRV"], raw["EmailType"]) == ([], "MX")


def test_settings_are_not_guessed(fake: FakeNamecheap) -> None:
    with pytest.raises(TypeError, match="Emailtype"):
        fake.add_zone("example.com", Emailtype="MX")
