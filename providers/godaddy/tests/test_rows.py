"""GoDaddy's rows and our records. dnspython says what rdata means, so that reading and writing cannot be wrong in the same way."""

from typing import Any

import dns.rdata
import dns.rdtypes.ANY.TXT
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixsend import Record, absolute
from wixsend_godaddy.rows import record_of, row_of

APEX = absolute("example.com")

_SRV = {"service": "_sip", "protocol": "_tcp", "priority": 10, "weight": 20, "port": 5060}

READ: list[tuple[dict[str, Any], str, str]] = [
    ({"type": "A", "name": "@", "data": "192.0.2.1"}, "example.com.", "192.0.2.1"),
    ({"type": "CNAME", "name": "docs", "data": "docs.example.net"}, "docs.example.com.", "docs.example.net."),
    ({"type": "CNAME", "name": "www", "data": "@"}, "www.example.com.", "example.com."),
    ({"type": "CNAME", "name": "s1._domainkey.mail", "data": "Single"}, "s1._domainkey.mail.example.com.", "single."),
    ({"type": "MX", "name": "@", "data": "mail.example.net", "priority": 10}, "example.com.", "10 mail.example.net."),
    ({"type": "MX", "name": "@", "data": "@", "priority": 0}, "example.com.", "0 example.com."),
    ({"type": "NS", "name": "sub", "data": "ns1.example.net"}, "sub.example.com.", "ns1.example.net."),
    ({"type": "TXT", "name": "_dmarc", "data": "v=DMARC1; p=none"}, "_dmarc.example.com.", '"v=DMARC1; p=none"'),
    ({"type": "SRV", "name": "@", "data": "sip.example.net"} | _SRV, "_sip._tcp.example.com.", "10 20 5060 sip.example.net."),
    ({"type": "SRV", "name": "_sip._tcp.deep", "data": "x"} | _SRV | {"service": None}, "_sip._tcp.deep.example.com.", "10 20 5060 x."),
    ({"type": "CAA", "name": "@", "data": '0 issue "ca.example.net"'}, "example.com.", '0 issue "ca.example.net"'),
    ({"type": "CNAME", "name": "bad", "data": "a..b"}, "bad.example.com.", "a..b"),
    ({"type": "MX", "name": "bad", "data": "mail.example.net"}, "bad.example.com.", "mail.example.net"),
    ({"type": "A", "name": "*.wild", "data": "192.0.2.1"}, "*.wild.example.com.", "192.0.2.1"),
]


@pytest.mark.parametrize(("row", "owner", "rdata"), READ)
def test_a_row_is_read(row: dict[str, Any], owner: str, rdata: str) -> None:
    record = record_of(row, APEX)
    assert (record.owner, record.rtype, record.rdata, record.masked) == (absolute(owner), row["type"], rdata, False)
    assert record.ref is row


def test_a_parked_address_is_masked() -> None:
    assert record_of({"type": "A", "name": "@", "data": "Parked", "ttl": 600}, APEX).masked


@pytest.mark.parametrize(
    "row",
    [
        None,
        [],
        "row",
        {},
        {"type": "A", "name": "@"},
        {"type": "A", "name": 5, "data": "192.0.2.1"},
        {"type": "", "name": "@", "data": "x"},
        {"type": "A", "name": "a..b", "data": "192.0.2.1"},
        {"type": "A", "name": "x" * 64, "data": "192.0.2.1"},
        {"type": "A", "name": "@", "data": "192.0.2.1", "ttl": "600"},
        {"type": "A", "name": "@", "data": "192.0.2.1", "ttl": True},
        {"type": "TXT", "name": "@", "data": "\ud800"},
    ],
)
def test_what_is_no_row_is_never_a_record(row: object) -> None:
    with pytest.raises(ValueError):
        record_of(row, APEX)


WRITTEN: list[tuple[str, str, str, dict[str, Any]]] = [
    ("www.example.com.", "CNAME", "Target.Wix.Example.", {"name": "www", "data": "target.wix.example"}),
    ("www.example.com.", "CNAME", "example.com.", {"name": "www", "data": "example.com"}),
    ("example.com.", "A", "192.0.2.1", {"name": "@", "data": "192.0.2.1"}),
    ("S1._DomainKey.example.com.", "CNAME", "a.b.", {"name": "s1._domainkey", "data": "a.b"}),
    ("example.com.", "MX", "10 mail.example.net.", {"name": "@", "data": "mail.example.net", "priority": 10}),
    ("_sip._tcp.example.com.", "SRV", "10 20 5060 sip.example.net.", {"name": "@", "data": "sip.example.net"} | _SRV),
    ("_sip._tcp.deep.example.com.", "SRV", "10 20 5060 sip.example.net.", {"name": "deep", "data": "sip.example.net"} | _SRV),
    ("example.com.", "TXT", r'"say \"hi\" " "and \\ \195\164"', {"name": "@", "data": 'say "hi" and \\ ä'}),
]


@pytest.mark.parametrize(("owner", "rtype", "rdata", "fields"), WRITTEN)
def test_a_record_is_written(owner: str, rtype: str, rdata: str, fields: dict[str, Any]) -> None:
    assert row_of(Record(absolute(owner), rtype, rdata), APEX) == {"type": rtype, "ttl": 3600} | fields


@pytest.mark.parametrize(("wanted", "sent"), [(None, 3600), (0, 3600), (1, 600), (600, 600), (7200, 7200), (10**9, 604800)])
def test_a_ttl_is_one_that_godaddy_takes(wanted: int | None, sent: int) -> None:
    assert row_of(Record(absolute("a", APEX), "A", "192.0.2.1", wanted), APEX)["ttl"] == sent


@pytest.mark.parametrize(
    ("owner", "rtype", "rdata"),
    [
        ("example.com.", "CAA", '0 issue "ca.example.net"'),
        ("sub.example.com.", "NS", "ns1.example.net."),
        ("example.org.", "A", "192.0.2.1"),
        ("notexample.com.", "A", "192.0.2.1"),
        ("example.com.", "MX", "mail.example.net."),
        ("example.com.", "MX", "ten mail.example.net."),
        ("_sip.example.com.", "SRV", "10 20 5060 sip.example.net."),
        ("www.example.com.", "CNAME", "a..b"),
        ("www.example.com.", "CNAME", "x" * 64),
        ("www.example.com.", "TXT", '"not closed'),
    ],
)
def test_what_godaddy_cannot_hold_is_said(owner: str, rtype: str, rdata: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        row_of(Record(absolute(owner), rtype, rdata), APEX)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=600))
def test_text_means_to_dns_what_godaddy_holds(data: str) -> None:
    row = {"type": "TXT", "name": "x", "data": data, "ttl": 3600}
    record = record_of(row, APEX)
    rdata = dns.rdata.from_text("IN", "TXT", record.rdata)
    assert isinstance(rdata, dns.rdtypes.ANY.TXT.TXT)
    assert b"".join(rdata.strings) == data.encode()
    assert row_of(record, APEX) == row


@given(
    st.recursive(st.none() | st.booleans() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))
)
def test_nonsense_is_a_value_error_and_nothing_else(value: object) -> None:
    for row in (value, {"type": "SRV", "name": "@", "data": "x", "service": "_a", "protocol": value, "ttl": 600, "port": value}):
        try:
            record_of(row, APEX)
        except ValueError:
            continue


@pytest.mark.parametrize(
    ("row", "owner", "rdata"),
    [
        ({"type": "CAA", "name": "@", "flag": 0, "tag": "issue", "data": "ca.example.net"}, "example.com.", '0 issue "ca.example.net"'),
        ({"type": "CNAME", "name": "www", "data": "www.example.net."}, "www.example.com.", "www.example.net."),
        (
            {
                "type": "TLSA",
                "name": "www",
                "port": 443,
                "protocol": "_tcp",
                "usage": 3,
                "selector": 1,
                "matchingType": 1,
                "certificateData": "d2ab",
            },
            "_443._tcp.www.example.com.",
            "3 1 1 d2ab",
        ),
        ({"type": "HTTPS", "name": "@", "priority": 1, "data": ".", "parameters": "alpn=h2"}, "example.com.", "1 . alpn=h2"),
        ({"type": "HTTPS", "name": "@", "priority": 0, "data": "a.example.net."}, "example.com.", "0 a.example.net."),
    ],
)
def test_what_version_3_says_in_fields(row: dict[str, Any], owner: str, rdata: str) -> None:
    record = record_of({"recordId": "Aad7oqdXCms9mlJvm_m6UF-mwjyP", "ttl": 600, **row}, APEX)
    assert (record.owner, record.rdata) == (absolute(owner), rdata)
