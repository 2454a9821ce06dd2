"""DigitalOcean's rows and records, both ways."""

from typing import Any

import pytest

from wixsend import EditRejected, Record, absolute
from wixsend_digitalocean.rows import record_of, row_for

APEX = absolute("example.com")
ROWS = [
    ({"type": "A", "name": "@", "data": "192.0.2.1"}, "example.com.", "192.0.2.1"),
    ({"type": "AAAA", "name": "www", "data": "2001:db8::1"}, "www.example.com.", "2001:db8::1"),
    ({"type": "CNAME", "name": "www", "data": "www.example.net."}, "www.example.com.", "www.example.net."),
    ({"type": "MX", "name": "@", "priority": 10, "data": "mail.example.net."}, "example.com.", "10 mail.example.net."),
    (
        {"type": "SRV", "name": "_sip._tcp", "priority": 1, "weight": 2, "port": 5060, "data": "sip.example.net."},
        "_sip._tcp.example.com.",
        "1 2 5060 sip.example.net.",
    ),
    ({"type": "TXT", "name": "_dmarc", "data": "v=DMARC1; p=reject"}, "_dmarc.example.com.", '"v=DMARC1; p=reject"'),
    ({"type": "TXT", "name": "say", "data": 'it "is"'}, "say.example.com.", r'"it \"is\""'),
]


@pytest.mark.parametrize(("row", "owner", "rdata"), ROWS, ids=lambda value: value["type"] if isinstance(value, dict) else "")
def test_a_record_is_written_as_its_row(row: dict[str, Any], owner: str, rdata: str) -> None:
    assert row_for(Record(absolute(owner), row["type"], rdata, 600), APEX) == {**row, "ttl": 600}


@pytest.mark.parametrize(("row", "owner", "rdata"), ROWS, ids=lambda value: value["type"] if isinstance(value, dict) else "")
def test_a_row_is_read_as_its_record(row: dict[str, Any], owner: str, rdata: str) -> None:
    """DigitalOcean answers names inside of data without the final dot that they were sent with."""
    answered = {**row, "ttl": 600, "data": row["data"].removesuffix(".")}
    record = record_of(answered, APEX)
    assert (record.owner, record.rdata, record.ttl, record.ref) == (absolute(owner), rdata, 600, answered)


@pytest.mark.parametrize(
    ("rtype", "fields", "data", "rdata"),
    [
        ("CNAME", {}, "@", "example.com."),
        ("MX", {"priority": 0}, "@", "0 example.com."),
        ("MX", {"priority": 0}, ".", "0 ."),
        ("CAA", {"flags": 0, "tag": "issue"}, "ca.example.net", '0 issue "ca.example.net"'),
        ("WEIRD", {}, "as it is", "as it is"),
    ],
)
def test_what_is_read_in_a_special_way(rtype: str, fields: dict[str, Any], data: str, rdata: str) -> None:
    assert record_of({"type": rtype, "name": "www", "data": data, "ttl": 600, **fields}, APEX).rdata == rdata


@pytest.mark.parametrize(
    ("rtype", "rdata"),
    [
        ("CAA", '0 issue "ca.example.net"'),
        ("NS", "ns1.example.net."),
        ("TXT", '""'),
        ("TXT", r'"a\\b"'),
        ("MX", "ten"),
        ("TXT", f'"{"M" * 255}" "{"M" * 255}"'),
    ],
)
def test_what_might_be_changed_is_not_written(rtype: str, rdata: str) -> None:
    with pytest.raises(EditRejected, match=r"www\.example\.com") as raised:
        row_for(Record(absolute("www", APEX), rtype, rdata), APEX)
    assert "by hand" in raised.value.next_step


@pytest.mark.parametrize(("ttl", "written"), [(None, 1800), (1, 30), (600, 600), (10**7, 86400)])
def test_a_ttl_is_kept_within_limits(ttl: int | None, written: int) -> None:
    assert row_for(Record(APEX, "A", "192.0.2.1", ttl), APEX)["ttl"] == written
