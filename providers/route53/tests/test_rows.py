"""Route 53's RRsets and records, both ways."""

from typing import Any

import pytest

from wixsend import Record, absolute
from wixsend_route53.rows import is_plain, name_of, records_of, rrset_of, written

APEX = absolute("example.com")


def _rrset(rtype: str, *values: str, name: str = "www.example.com.", **more: Any) -> dict[str, Any]:
    return {"Name": name, "Type": rtype, "TTL": 600, "ResourceRecords": [{"Value": value} for value in values], **more}


@pytest.mark.parametrize(
    ("shown", "name"),
    [
        (r"\052.example.com.", "*.example.com"),
        ("example.com.", "example.com"),
        (r"a\040b.example.com.", r"a\032b.example.com"),
        (r"\100.example.com.", r"\064.example.com"),
    ],
)
def test_names_are_escaped_in_octal(shown: str, name: str) -> None:
    assert name_of(shown) == absolute(name)
    assert name_of(written(absolute(name))) == absolute(name)


@pytest.mark.parametrize(
    ("rtype", "value", "rdata"),
    [
        ("A", "192.0.2.1", "192.0.2.1"),
        ("CNAME", "target.example.net", "target.example.net."),
        ("CNAME", r"\052.example.net.", r"\042.example.net."),
        ("MX", "10 mail.example.net", "10 mail.example.net."),
        ("SRV", "1 2 3 sip.example.net.", "1 2 3 sip.example.net."),
        ("TXT", r'"say \"hi\"" "caf\303\251"', r'"say \"hi\"" "caf\195\169"'),
        ("TXT", r'"back\\052slash"', r'"back\\052slash"'),
        ("CAA", '0 issue "ca.example.net"', '0 issue "ca.example.net"'),
        ("WEIRD", "as it is", "as it is"),
    ],
)
def test_rdata_is_presentation_form(rtype: str, value: str, rdata: str) -> None:
    rrset = _rrset(rtype, value)
    [record] = records_of(rrset)
    assert (record.owner, record.rtype, record.rdata, record.ttl, record.masked) == (absolute("www", APEX), rtype, rdata, 600, False)
    again = rrset_of(record.owner, rtype, (record,), rrset)
    assert again == rrset, "what stays is named to the letter"


def test_an_escape_that_is_no_octet_is_no_answer() -> None:
    with pytest.raises(ValueError, match="octet"):
        name_of(r"\777.example.com.")


def test_new_rdata_is_written_in_octal() -> None:
    new = Record(absolute("*", APEX), "TXT", r'"caf\195\169 \"x\""', 60)
    assert rrset_of(new.owner, "TXT", (new,), None) == {
        "Name": "*.example.com.",
        "Type": "TXT",
        "TTL": 60,
        "ResourceRecords": [{"Value": r'"caf\303\251 \"x\""'}],
    }


@pytest.mark.parametrize(("ttl", "sent"), [(None, 300), (1, 1), (0, 300), (10**7, 604800)])
def test_a_new_rrset_gets_a_ttl_within_limits(ttl: int | None, sent: int) -> None:
    assert rrset_of(APEX, "A", (Record(APEX, "A", "192.0.2.1", ttl),), None)["TTL"] == sent


def test_an_alias_is_a_type_of_its_own() -> None:
    target = {"HostedZoneId": "Z2FDTNDATAQYW2", "DNSName": "d1.cloudfront.net.", "EvaluateTargetHealth": False}
    rrset = {"Name": "www.example.com.", "Type": "A", "AliasTarget": target}
    [record] = records_of(rrset)
    assert (record.rtype, record.rdata, record.ttl) == ("ALIAS", "A d1.cloudfront.net.", None)
    assert not is_plain(rrset)


@pytest.mark.parametrize(
    "policy",
    [
        {"SetIdentifier": "a", "Weight": 0},
        {"SetIdentifier": "a", "Region": "eu-west-1"},
        {"SetIdentifier": "a", "GeoLocation": {"ContinentCode": "AN"}},
        {"SetIdentifier": "a", "Failover": "SECONDARY"},
        {"HealthCheckId": "5a6b"},
        {"TrafficPolicyInstanceId": "17"},
        {"SomethingNew": "17"},
    ],
)
def test_what_is_not_plain_is_masked(policy: dict[str, Any]) -> None:
    rrset = _rrset("CNAME", "u1.wl.example.net.", **policy)
    assert not is_plain(rrset) and [record.masked for record in records_of(rrset)] == [True]
