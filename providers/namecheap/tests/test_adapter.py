"""The three answers, on the fake's raw state and on what was sent."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from wixsend import (
    WHOLE,
    Change,
    Credentials,
    CredentialsMissing,
    CredentialsRejected,
    Edit,
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
    text,
    txt_rdata,
)
from wixsend.adapters import Adapter
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_namecheap import PLUGIN
from wixsend_namecheap.adapter import NamecheapProvider
from wixsend_namecheap.errors import SERVED_ELSEWHERE
from wixsend_namecheap.fence import BadAnswer
from wixsend_namecheap.sandbox import FakeNamecheap

APEX = absolute("example.com")
NOTHING = frozenset({APEX})


def record(owner: str, rtype: str, rdata: str, ttl: int | None = None) -> Record:
    return Record(absolute(owner, APEX), rtype, rdata, ttl)


OURS = (
    record("em1", "CNAME", "u1.wl.sender.example."),
    record("s1._domainkey", "CNAME", "s1.domainkey.u1.wl.sender.example."),
)
A = record("@", "A", "192.0.2.1")


def read(provider: NamecheapProvider, apex: str = "example.com") -> Snapshot:
    (zone,) = provider.zone(absolute(apex))
    return provider.read(zone, NOTHING)


def adding(before: Snapshot, *records: Record) -> Edit:
    return Edit(before, tuple(Change(one.owner, add=(one,)) for one in records))


def commands(server: Server) -> list[str]:
    return [call.request.form()["Command"].rpartition(".")[2] for call in server.calls]


# zone


@pytest.mark.parametrize(
    ("settings", "problem"),
    [
        ({}, ""),
        ({"Modificationrights": ("dns", "hosts", "ddns")}, ""),
        ({"Modificationrights": ("dns", "eforward"), "IsOwner": False}, "without the right to edit its host records"),
        ({"Status": "Locked"}, ""),
        ({"Status": "Expired"}, "expired"),
        ({"IsPremiumDNS": True}, "PremiumDNS"),
        ({"ProviderType": "PremiumDNS"}, "PremiumDNS"),
        ({"ProviderType": "CUSTOM", "IsUsingOurDNS": False, "Nameservers": ("ns1.example.net",)}, "name servers are not Namecheap's"),
    ],
)
def test_a_zone_is_named_for_what_it_is(fake: FakeNamecheap, provider: NamecheapProvider, settings: dict[str, Any], problem: str) -> None:
    fake.add_zone("example.com", [A, *OURS], **settings)
    (zone,) = provider.zone(APEX)
    assert problem in zone.problem and bool(problem) == bool(zone.problem)
    assert zone.account == "wixagency"
    assert zone.record_count == 3
    assert zone.name_servers == tuple(absolute(server) for server in settings.get("Nameservers", fake.name_servers))


def test_the_listing_tells_basic_dns_from_what_is_served_elsewhere_and_leaves_shared_domains_out(
    fake: FakeNamecheap, provider: NamecheapProvider
) -> None:
    fake.add_zone("basic.com")
    fake.add_zone("elsewhere.com", IsUsingOurDNS=False, Nameservers=("ns1.example.net",))
    fake.add_zone("shared.com", IsOwner=False)
    listed = {text(zone.apex): (len(zone.name_servers), zone.problem) for zone in provider.zones().zones}
    assert listed == {"basic.com": (2, ""), "elsewhere.com": (0, SERVED_ELSEWHERE)}


@pytest.mark.parametrize(
    "inside",
    [
        "",
        "<DomainGetListResult /><Paging />",
        "<DomainGetListResult /><Paging><TotalItems>3</TotalItems></Paging>",
        "<DomainGetListResult><Domain ID='1' /></DomainGetListResult><Paging><TotalItems>1</TotalItems></Paging>",
    ],
)
def test_half_a_listing_is_none(provider: NamecheapProvider, server: Server, inside: str) -> None:
    server.faults.add(answer(inside))
    with pytest.raises(BadAnswer):
        provider.zones()


def test_ok_is_no_proof_of_ownership(fake: FakeNamecheap, provider: NamecheapProvider) -> None:
    fake.add_zone("example.com", [A], IsOwner=False, Modificationrights="none")
    assert provider.zone(APEX) == ()


@pytest.mark.parametrize("number", ["2019166", "2016166"])
def test_a_domain_that_is_not_in_the_account_is_none(provider: NamecheapProvider, server: Server, number: str) -> None:
    server.faults.add(error(number))
    assert provider.zone(APEX) == ()


def test_an_answer_that_leaves_everything_out_but_the_rights(provider: NamecheapProvider, server: Server) -> None:
    """The documents' own example."""
    inside = '<DnsDetails ProviderType="ENOM"/><Modificationrights All="TRUE" />'
    server.faults.add(answer(f'<DomainGetInfoResult DomainName="EXAMPLE.COM">{inside}</DomainGetInfoResult>'))
    assert provider.zone(APEX) == (Zone(APEX, account="wixagency"),)


@pytest.mark.parametrize("domain", ['DomainName="example.org"', 'DomainName="notexample.com"', 'DomainName="a..b"', ""])
def test_an_answer_about_another_domain_is_refused(provider: NamecheapProvider, server: Server, domain: str) -> None:
    server.faults.add(answer(f'<DomainGetInfoResult {domain}><Modificationrights All="true" /></DomainGetInfoResult>'))
    with pytest.raises(BadAnswer, match="is not about"):
        provider.zone(APEX)


@pytest.mark.parametrize(
    ("apex", "sld", "tld"),
    [
        ("example.com", "example", "com"),
        ("example.co.uk", "example", "co.uk"),
        ("foo.uk.com", "foo", "uk.com"),
        ("me.github.io", "me", "github.io"),
        ("bücher.de", "xn--bcher-kva", "de"),
    ],
)
def test_the_halves_of_a_domain_are_its_own(
    fake: FakeNamecheap, provider: NamecheapProvider, server: Server, apex: str, sld: str, tld: str
) -> None:
    """The SDK would take foo.uk.com for a name in uk.com."""
    zone = absolute(apex)
    fake.add_zone(f"{sld}.{tld}", [Record(zone, "A", "192.0.2.1")])
    fake.add_zone(tld)
    provider.write(adding(read(provider, apex), Record(absolute("em1", zone), "CNAME", "u1.example.net.")))
    assert {(form["SLD"], form["TLD"]) for form in (call.request.form() for call in server.calls) if "SLD" in form} == {(sld, tld)}
    assert {row["Name"] for row in fake.raw(f"{sld}.{tld}")["records"]} == {"@", "em1"}
    assert fake.raw(tld)["records"] == []


# read


def hosts(inside: str = "", head: str = 'Domain="example.com" EmailType="NONE" IsUsingOurDNS="true"') -> Fault:
    return answer(f"<DomainDNSGetHostsResult {head}>{inside}</DomainDNSGetHostsResult>")


def answer(result: str) -> Fault:
    return Fault("wrong-shape", body=f'<ApiResponse Status="OK"><CommandResponse>{result}</CommandResponse></ApiResponse>'.encode())


def error(number: str) -> Fault:
    inside = f'<Errors><Error Number="{number}">as Namecheap says it</Error></Errors><CommandResponse />'
    return Fault("wrong-shape", body=f'<ApiResponse Status="ERROR">{inside}</ApiResponse>'.encode())


ONE = '<host HostId="1" Name="www" Type="A" Address="192.0.2.1" MXPref="10" TTL="1799" />'


@pytest.mark.parametrize(
    ("inside", "count"), [("", 0), (ONE, 1), (ONE + ONE.replace("www", "ftp"), 2), (ONE.replace("host", "Host", 1), 1), ("<Warnings />", 0)]
)
def test_no_host_one_host_many_hosts(provider: NamecheapProvider, server: Server, inside: str, count: int) -> None:
    server.faults.add(hosts(inside))
    snapshot = provider.read(Zone(APEX), NOTHING)
    assert len(snapshot.records) == snapshot.total == count
    assert snapshot.covers is WHOLE


@pytest.mark.parametrize(
    ("fault", "words"),
    [
        (hosts(head='Domain="example.org" EmailType="NONE" IsUsingOurDNS="true"'), "not about example.com"),
        (hosts(head='EmailType="NONE" IsUsingOurDNS="true"'), "not about example.com"),
        (hosts(head='Domain="example.com" IsUsingOurDNS="true"'), "mail setting"),
        (hosts(head='Domain="example.com" EmailType="" IsUsingOurDNS="true"'), "mail setting"),
        (hosts(head='Domain="example.com" EmailType="NONE"'), "whether Namecheap serves"),
        (hosts(ONE + "<host />"), "lacks its name"),
        (hosts("<host>text</host>"), "lacks its name"),
        (hosts(ONE.replace(' Address="192.0.2.1"', "")), "lacks its name"),
        (hosts(ONE.replace("1799", "soon")), "TTL"),
        (hosts(ONE.replace("www", "a..b")), "makes no sense"),
    ],
)
def test_half_an_answer_is_no_zone(provider: NamecheapProvider, server: Server, fault: Fault, words: str) -> None:
    server.faults.add(fault)
    with pytest.raises(BadAnswer, match=words):
        provider.read(Zone(APEX), NOTHING)


@pytest.mark.parametrize("said", ["false", "False", "maybe", ""])
def test_a_domain_that_is_served_elsewhere_is_not_read(provider: NamecheapProvider, server: Server, said: str) -> None:
    server.faults.add(hosts(ONE, f'Domain="example.com" EmailType="NONE" IsUsingOurDNS="{said}"'))
    with pytest.raises(ZoneNotHeld, match="name servers are not Namecheap's"):
        provider.read(Zone(APEX), NOTHING)


def test_records_are_in_presentation_form(fake: FakeNamecheap, provider: NamecheapProvider, server: Server) -> None:
    rows = (
        ("@", "MX", "Mail.Example.NET", "5", "example.com. MX 5 Mail.Example.NET."),
        ("www", "CNAME", "target.example.net.", "10", "www.example.com. CNAME target.example.net."),
        ("www", "CNAME", "target.example.net", "10", "www.example.com. CNAME target.example.net."),
        ("sub", "NS", "ns1.example.net.", "10", "sub.example.com. NS ns1.example.net."),
        ("@", "ALIAS", "apex.example.net", "10", "example.com. ALIAS apex.example.net."),
        ("example.com", "MXE", "192.0.2.5", "10", "example.com. MXE 192.0.2.5"),
        ("example.org", "MXE", "192.0.2.5", "10", "example.org.example.com. MXE 192.0.2.5"),
        ("*.wild", "A", "192.0.2.6", "10", "*.wild.example.com. A 192.0.2.6"),
        ("t", "TXT", "true", "10", 't.example.com. TXT "true"'),
        ("t", "TXT", " say &quot;hi&quot; ", "10", 't.example.com. TXT " say \\"hi\\" "'),
        ("old", "URL301", "http://a.example/?b=1&amp;c=&lt;2&gt;", "10", "old.example.com. URL301 http://a.example/?b=1&c=<2>"),
        ("odd", "CNAME", "no..name", "10", "odd.example.com. CNAME no..name"),
    )
    inside = "".join(
        f'<host Name="{name}" Type="{rtype}" Address="{address}" MXPref="{pref}" TTL="300" />' for name, rtype, address, pref, _ in rows
    )
    server.faults.add(hosts(inside))
    snapshot = provider.read(Zone(APEX), NOTHING)
    assert [str(replace(one, ttl=None)) for one in snapshot.records] == [row[-1] for row in rows]
    assert {one.ttl for one in snapshot.records} == {300}


def test_srv_is_not_shown(fake: FakeNamecheap, provider: NamecheapProvider) -> None:
    """Why the core looks for SRV records in DNS."""
    fake.add_zone("example.com", [A, record("_sip._tcp", "SRV", "1 2 5060 sip.example.net.")])
    assert [one.rtype for one in read(provider).records] == ["A"]
    assert "SRV" in {one.rtype for one in fake.published("example.com")}


# What setHosts cannot carry


@pytest.mark.parametrize(
    ("records", "settings", "names"),
    [
        ([A], {}, []),
        ([A], {"EmailType": "FWD"}, []),
        ([A], {"EmailType": "fwd"}, []),
        ([record("home", "A", "192.0.2.2")], {"flags": {("home", "A"): {"IsDDNSEnabled": "TRUE"}}}, ["ddns:home"]),
        ([record("old", "A", "192.0.2.2")], {"flags": {("old", "A"): {"IsActive": "False"}}}, ["inactive:old"]),
        (
            [record("old", "A", "192.0.2.2"), record("old", "TXT", '"x"')],
            {"flags": {("old", "A"): {"IsActive": "false"}, ("old", "TXT"): {"IsActive": "false"}}},
            ["inactive:old", "inactive:old"],
        ),
        ([A], {"EmailType": "OX"}, ["email:OX"]),
        ([A], {"EmailType": "GMAIL"}, ["email:GMAIL"]),
        ([record("@", "MX", "10 m.example.net.")], {"EmailType": "OX"}, ["email:OX"]),
        ([record("@", "MX", "10 m.example.net.")], {"EmailType": "FWD"}, ["mx:@"]),
        ([record("@", "MX", "10 m.example.net.")], {}, []),
        ([record("@", "MXE", "192.0.2.5")], {}, []),
        ([record("@", "MXE", "192.0.2.5")], {"EmailType": "MX"}, ["mxe:example.com"]),
        ([record("x", "WEIRD", "data")], {}, ["weird:x"]),
    ],
)
def test_what_cannot_be_carried_is_named(
    fake: FakeNamecheap, provider: NamecheapProvider, records: list[Record], settings: dict[str, Any], names: list[str]
) -> None:
    fake.add_zone("example.com", records, **settings)
    fragile = read(provider).fragile
    assert [one.name for one in fragile] == names
    assert all(one.what and one.way_out for one in fragile)


def test_what_is_said_to_be_lost_is_lost(fake: FakeNamecheap, provider: NamecheapProvider) -> None:
    """The fragile things are not made up: written in spite of it, they go."""
    flags = {("home", "A"): {"IsDDNSEnabled": "true"}, ("old", "A"): {"IsActive": "false"}}
    fake.add_zone(
        "example.com",
        [record("home", "A", "192.0.2.2"), record("old", "A", "192.0.2.3"), record("@", "MX", "1 m.")],
        EmailType="FWD",
        flags=flags,
    )
    before = read(provider)
    assert {one.name for one in before.fragile} == {"ddns:home", "inactive:old", "mx:@"}
    provider.write(adding(before, *OURS))
    assert read(provider).fragile == ()
    assert "MX" not in {row["Type"] for row in fake.raw("example.com")["records"]}


# write

RICH = (
    A,
    record("@", "A", "192.0.2.2"),
    record("@", "CAA", '0 issue "ca.example.net"'),
    record("@", "CAA", '128 iodef "mailto:s@example.com"'),
    record("@", "ALIAS", "apex.example.net."),
    record("www", "CNAME", "Shop.Example.NET."),
    record("bücher", "CNAME", "books.example.net."),
    record("*", "A", "192.0.2.3"),
    record("sub", "NS", "ns1.example.net."),
    record("go", "URL", "http://www.example.net/?a=1&b=2"),
    record("moved", "URL301", "https://www.example.net/<old>"),
    record("framed", "FRAME", "http://www.example.net/#'x'"),
    record("t1", "TXT", '"true"'),
    record("t1", "TXT", '"False"'),
    record("t2", "TXT", '"\\"quoted\\""'),
    record("t2", "TXT", '"  padded  "'),
    record("t2", "TXT", txt_rdata("a+b &amp; <c> 100% ; \\ é")),
    record("dkim._domainkey", "TXT", txt_rdata("v=DKIM1; k=rsa; p=" + "M" * 600), 60),
    record("v6", "AAAA", "2001:db8::1", 60000),
)
MAIL = (record("@", "MX", "10 mail.example.net."), record("@", "MX", "20 mail.example.net."), record("lists", "MX", "0 Lists.Example.NET."))


@pytest.mark.parametrize("email_type", ["NONE", "MX", "MXE", "FWD", "OX", "GMAIL"])
def test_every_row_and_the_mail_setting_survive(fake: FakeNamecheap, provider: NamecheapProvider, server: Server, email_type: str) -> None:
    mail = {"MX": MAIL, "MXE": (record("@", "MXE", "192.0.2.5"),)}.get(email_type, ())
    fake.add_zone("example.com", [*RICH, *mail], EmailType=email_type)
    before = fake.raw("example.com")
    provider.write(adding(read(provider), *OURS))
    after = fake.raw("example.com")
    new = [row for row in after["records"] if row not in before["records"]]
    assert [row for row in after["records"] if row not in new] == before["records"]
    assert [(row["Name"], row["Type"], row["Address"], row["TTL"]) for row in new] == [
        ("em1", "CNAME", "u1.wl.sender.example.", "1799"),
        ("s1._domainkey", "CNAME", "s1.domainkey.u1.wl.sender.example.", "1799"),
    ]
    assert {key: after[key] for key in after if key != "records"} == {key: before[key] for key in before if key != "records"}
    assert commands(server) == ["getInfo", "getHosts", "setHosts"]


def test_what_is_sent_is_what_was_read_in_its_order(fake: FakeNamecheap, provider: NamecheapProvider, server: Server) -> None:
    fake.add_zone("example.com", [*RICH, *MAIL])
    rows = fake.raw("example.com")["records"]
    provider.write(adding(read(provider), *OURS))
    form = server.calls[-1].request.form()
    sent = [
        tuple(form[f"{field}{number}"] for field in ("HostName", "RecordType", "Address", "MXPref", "TTL"))
        for number in range(1, len(rows) + 1)
    ]
    assert sent == [tuple(row[field] for field in ("Name", "Type", "Address", "MXPref", "TTL")) for row in rows]
    assert form[f"HostName{len(rows) + 1}"] == "em1"
    fields = {"ApiUser", "ApiKey", "UserName", "ClientIp", "Command", "SLD", "TLD", "EmailType"}
    numbered = {
        f"{field}{number}" for field in ("HostName", "RecordType", "Address", "MXPref", "TTL") for number in range(1, len(rows) + 3)
    }
    assert set(form) == fields | numbered, "nothing is sent that Namecheap does not ask for"


def test_what_was_replaced_can_be_put_back(fake: FakeNamecheap, provider: NamecheapProvider) -> None:
    """From rdata alone: a record that comes has no row."""
    fake.add_zone("example.com", [A, *MAIL])
    provider.write(adding(read(provider), *RICH[1:]))
    held = {one.key for one in read(provider).records}
    assert held == {one.key for one in (*RICH, *MAIL)}


def test_an_mx_record_can_be_put_back_with_its_preference(fake: FakeNamecheap, provider: NamecheapProvider) -> None:
    fake.add_zone("example.com", [A, MAIL[0]])
    provider.write(adding(read(provider), MAIL[2]))
    assert ("lists", "0", "Lists.Example.NET.") in {
        (row["Name"], row["MXPref"], row["Address"]) for row in fake.raw("example.com")["records"]
    }


@pytest.mark.parametrize(("wanted", "sent"), [(None, "1799"), (0, "1799"), (1, "60"), (300, "300"), (86400, "60000")])
def test_ttls(fake: FakeNamecheap, provider: NamecheapProvider, wanted: int | None, sent: str) -> None:
    fake.add_zone("example.com", [A])
    provider.write(adding(read(provider), record("em1", "CNAME", "u1.example.net.", wanted)))
    assert [row["TTL"] for row in fake.raw("example.com")["records"] if row["Name"] == "em1"] == [sent]


def _whole(before: Snapshot) -> Edit:
    return adding(before, *OURS)


_many = tuple(record(f"n{number}", "A", "192.0.2.1") for number in range(149))


@pytest.mark.parametrize(
    ("records", "edit", "words"),
    [
        ([A], lambda before: _whole(replace(before, covers=NOTHING)), "only a part"),
        ([A], lambda before: _whole(replace(before, baggage={})), "mail setting was not read"),
        ([A], lambda before: _whole(replace(before, baggage={"EmailType": ""})), "mail setting was not read"),
        ([A], lambda before: _whole(replace(before, records=(A,))), "handed back as it was"),
        (_many, _whole, "would hold 151 records"),
        ([A], lambda before: adding(before, record("l", "MX", "10 m.example.net.")), "only if the domain's mail setting is MX"),
        ([A], lambda before: adding(before, record("@", "MXE", "192.0.2.5")), "only if the domain's mail setting is MXE"),
        (MAIL, lambda before: adding(before, record("l", "MX", "m.example.net.")), "not a preference and a host"),
        ([A], lambda before: adding(before, record("_sip._tcp", "SRV", "1 2 3 s.example.net.")), "does not write SRV"),
        ([A], lambda before: adding(before, Record(absolute("example.org"), "A", "192.0.2.1")), "not in the zone"),
        ([A], lambda before: adding(before, record("a" * 61, "CNAME", "u.example.net.")), "host names of 60"),
        ([A], lambda before: adding(before, record("l", "CNAME", f"{'a.' * 127}ab.")), "takes 255"),
        ([A], lambda before: adding(before, record("l", "TXT", f'"{"x" * 255}" ' * 10)), "takes 2500"),
        ([A], lambda before: adding(before, record("l", "TXT", '"open')), "presentation form"),
        ([A], lambda before: Edit(before, (Change(APEX, remove=(A,)),)), "left empty"),
    ],
)
def test_what_would_do_harm_is_not_sent(
    fake: FakeNamecheap,
    provider: NamecheapProvider,
    server: Server,
    records: list[Record],
    edit: Callable[[Snapshot], Edit],
    words: str,
) -> None:
    fake.add_zone("example.com", records)
    before = read(provider)
    raw = fake.raw("example.com")
    with pytest.raises(EditRejected, match=words) as raised:
        provider.write(edit(before))
    assert raised.value.next_step
    assert commands(server) == ["getInfo", "getHosts"]
    assert fake.raw("example.com") == raw


def test_the_150th_record_is_written(fake: FakeNamecheap, provider: NamecheapProvider) -> None:
    fake.add_zone("example.com", _many)
    provider.write(adding(read(provider), OURS[0]))
    assert len(fake.raw("example.com")["records"]) == 150 == PLUGIN.limits.max_records


@pytest.mark.parametrize("said", ['IsSuccess="false"', 'IsSuccess=""', ""])
def test_a_write_that_does_not_say_that_it_was_done(fake: FakeNamecheap, provider: NamecheapProvider, server: Server, said: str) -> None:
    fake.add_zone("example.com", [A])
    before = read(provider)
    server.faults.add(answer(f'<DomainDNSSetHostsResult Domain="example.com" {said} />'))
    with pytest.raises(OutcomeUnknown, match="does not say that it wrote"):
        provider.write(_whole(before))


def test_a_write_that_is_answered_for_another_domain(fake: FakeNamecheap, provider: NamecheapProvider, server: Server) -> None:
    """`BadAnswer` to a write becomes `OutcomeUnknown` (the kit's `test_a_bad_answer_to_an_edit_is_not_known`)."""
    fake.add_zone("example.com", [A])
    before = read(provider)
    server.faults.add(answer('<DomainDNSSetHostsResult Domain="example.org" IsSuccess="true" />'))
    with pytest.raises(BadAnswer, match="is not about"):
        provider.write(_whole(before))


def test_a_domain_takes_four_calls_and_two_when_nothing_is_to_do(
    fake: FakeNamecheap, provider: NamecheapProvider, server: Server, wire: HttpWire
) -> None:
    fake.add_zone("example.com", [A])
    before = read(provider)
    assert provider.write(_whole(before)).records is None, "setHosts does not itemise: the core reads again"
    after = provider.read(before.zone, NOTHING)
    assert set(after.records) == {A, *OURS}
    assert wire.calls == server.count("namecheap") == 4


# errors


@pytest.fixture
def adapter(fake: FakeNamecheap, wire: HttpWire) -> Iterator[Adapter]:
    fake.add_zone("example.com", [A])
    yield Adapter(PLUGIN, NamecheapProvider(fake.credentials, wire))


@pytest.mark.parametrize(
    ("number", "becomes", "while_writing"),
    [
        ("1011102", CredentialsRejected, CredentialsRejected),
        ("1011150", PermissionMissing, PermissionMissing),
        ("2011168", PermissionMissing, PermissionMissing),
        ("1010105", ProviderError, ProviderError),
        ("1016103", PermissionMissing, PermissionMissing),
        ("1017101", PermissionMissing, PermissionMissing),
        ("4011103", PermissionMissing, PermissionMissing),
        ("2019166", ZoneNotHeld, ZoneNotHeld),
        ("2016166", ZoneNotHeld, ZoneNotHeld),
        ("2030166", PermissionMissing, PermissionMissing),
        ("2030288", ZoneNotHeld, ZoneNotHeld),
        ("2015280", EditRejected, EditRejected),
        ("3013288", EditRejected, EditRejected),
        ("3050900", Unavailable, OutcomeUnknown),
        ("5019169", Unavailable, OutcomeUnknown),
        ("5050169", Unavailable, OutcomeUnknown),
        ("5050900", Unavailable, OutcomeUnknown),
        ("3031510", Unavailable, OutcomeUnknown),
        ("4023330", Unavailable, OutcomeUnknown),
        ("4022288", Unavailable, OutcomeUnknown),
        ("2999999", ProviderError, ProviderError),
        ("9999999", Unavailable, OutcomeUnknown),
        ("", Unavailable, OutcomeUnknown),
    ],
)
async def test_every_number_has_its_error(
    adapter: Adapter, server: Server, number: str, becomes: type[ProviderError], while_writing: type[ProviderError]
) -> None:
    (zone,) = await adapter.zone(APEX)
    before = await adapter.read(zone, NOTHING)
    server.faults.add(error(number))
    with pytest.raises(ProviderError, match="as Namecheap says it") as reading:
        await adapter.read(zone, NOTHING)
    server.faults.add(error(number))
    with pytest.raises(ProviderError) as writing:
        await adapter.write(_whole(before))
    assert (type(reading.value), type(writing.value)) == (becomes, while_writing)
    assert f"(error {number})" in str(reading.value)
    assert reading.value.next_step or reading.value.transient or becomes is ProviderError
    await adapter.close()


async def test_too_many_calls_is_a_405_and_a_minute(fake: FakeNamecheap, adapter: Adapter) -> None:
    clock = [1000.0]
    fake.now, fake.rate_limits = lambda: clock[0], True
    for _ in range(20):
        await adapter.zone(APEX)
    with pytest.raises(RateLimited) as raised:
        await adapter.zone(APEX)
    assert raised.value.retry_after == 60.0
    clock[0] += raised.value.retry_after
    assert await adapter.zone(APEX)
    await adapter.close()


async def test_a_wrong_address_is_told_with_the_way_out(fake: FakeNamecheap, wire: HttpWire) -> None:
    adapter = Adapter(PLUGIN, NamecheapProvider({**fake.credentials, "client_ip": "198.51.100.7"}, wire))
    with pytest.raises(PermissionMissing, match=r"198\.51\.100\.7") as raised:
        await adapter.zone(APEX)
    assert "Whitelisted IPs" in raised.value.next_step
    await adapter.close()


@pytest.mark.parametrize("address", ["", " ", "2001:db8::1", "home.example.com", "192.0.2.300"])
def test_without_an_address_nothing_is_opened(fake: FakeNamecheap, wire: HttpWire, address: str) -> None:
    credentials: Credentials = {**fake.credentials, "client_ip": address}
    with pytest.raises(CredentialsMissing, match="no IPv4 address"):
        NamecheapProvider(credentials, wire)
