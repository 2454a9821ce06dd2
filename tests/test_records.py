"""Floor 1: when records are equal, and what a snapshot knows."""

import dns.name
import pytest
from hypothesis import given

from strategies import APEX, records
from wixsend.records import WHOLE, Record, Snapshot, Zone, multiset

S1 = dns.name.from_text("s1._domainkey", APEX)


@pytest.mark.parametrize(
    ("rtype", "one", "other"),
    [
        ("CNAME", "a.example.net", "A.Example.NET."),
        ("MX", "10 mx.example.net", "10 MX.example.net."),
        ("SRV", "1 2 443 sip.example.net", "1 2 443 SIP.example.net."),
    ],
)
def test_names_inside_rdata_are_compared_as_names(rtype: str, one: str, other: str) -> None:
    assert Record(S1, rtype, one) == Record(S1, rtype.lower(), other)
    assert hash(Record(S1, rtype, one)) == hash(Record(S1, rtype, other))


def test_text_is_compared_as_text() -> None:
    assert Record(S1, "TXT", '"A"') != Record(S1, "TXT", '"a"')


def test_ttl_mask_and_ref_take_no_part() -> None:
    assert Record(S1, "A", "192.0.2.1", 60, ref=1) == Record(S1, "A", "192.0.2.1", None, masked=True, ref=2)


def test_a_masked_record_is_another_one_when_two_looks_are_compared() -> None:
    plain, masked = Record(S1, "CNAME", "a.example.net."), Record(S1, "CNAME", "a.example.net.", masked=True)
    assert multiset([plain]) != multiset([masked])


@pytest.mark.parametrize("rdata", ["", ".", "..", "a..b", "x" * 300, "10"])
def test_rdata_that_makes_no_sense_is_compared_as_it_is(rdata: str) -> None:
    assert Record(S1, "CNAME", rdata) == Record(S1, "CNAME", rdata)
    assert Record(S1, "MX", rdata) == Record(S1, "MX", rdata)


def test_control_characters_in_rdata_are_escaped_so_that_a_record_is_one_line() -> None:
    assert Record(S1, "TXT", '"a\n\x1b[2J" "b\u202e\udc80"').rdata == '"a\\010\\027[2J" "b\\226\\128\\174\\237\\178\\128"'
    assert Record(S1, "MX", "10\tmx.example.net\n") == Record(S1, "MX", "10 mx.example.net.")
    assert Record(S1, "URL\n+ ", "http://example.net/").rtype == "URL\\x0a+ "


@given(records())
def test_no_secret_of_the_vendors_row_is_printed(record: Record) -> None:
    row = Record(record.owner, record.rtype, record.rdata, ref={"authCode": "s3cret-row"})
    assert "s3cret-row" not in repr(row) + str(row)


def test_only_what_is_covered_is_known() -> None:
    part = Snapshot(Zone(APEX), (), frozenset({S1}))
    assert part.covered(S1)
    assert not part.covered(APEX)
    assert Snapshot(Zone(APEX), (), WHOLE).covered(APEX)
