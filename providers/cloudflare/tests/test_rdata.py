"""The vendor's edge, held to literal rows: recorded ones where there are any, else the fields of the SDK's types."""

from typing import Any

import pytest

from wixsend_cloudflare.rdata import from_row, to_fields

_KEY = "M" * 230

# type, rdata in presentation form, the fields of Cloudflare's row
_BOTH_WAYS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    ("A", "192.0.2.1", {"content": "192.0.2.1"}),
    ("AAAA", "2001:db8::1", {"content": "2001:db8::1"}),
    ("CNAME", "target.example.net.", {"content": "target.example.net"}),
    ("CNAME", "Target.Example.NET.", {"content": "Target.Example.NET"}),
    ("NS", "ns1.example.net.", {"content": "ns1.example.net"}),
    ("PTR", "host.example.net.", {"content": "host.example.net"}),
    ("MX", "10 mail.example.net.", {"content": "mail.example.net", "priority": 10}),
    ("MX", "0 .", {"content": ".", "priority": 0}),
    ("TXT", '"v=spf1 -all"', {"content": '"v=spf1 -all"'}),
    ("TXT", r'"some text with \" quote"', {"content": r'"some text with \" quote"'}),
    ("TXT", f'"{_KEY}" "{_KEY}"', {"content": f'"{_KEY}" "{_KEY}"'}),
    ("TXT", '""', {"content": '""'}),
    ("CAA", '0 issue "letsencrypt.org"', {"data": {"flags": 0, "tag": "issue", "value": "letsencrypt.org"}}),
    ("CAA", r'128 iodef "mailto:a\"b@example.net"', {"data": {"flags": 128, "tag": "iodef", "value": 'mailto:a"b@example.net'}}),
    ("SRV", "10 20 5060 sip.example.net.", {"data": {"priority": 10, "weight": 20, "port": 5060, "target": "sip.example.net"}}),
    ("SRV", "0 0 0 .", {"data": {"priority": 0, "weight": 0, "port": 0, "target": "."}}),
    ("URI", '10 1 "https://example.net/a b"', {"priority": 10, "data": {"weight": 1, "target": "https://example.net/a b"}}),
    ("TLSA", "3 1 1 0AF3", {"data": {"usage": 3, "selector": 1, "matching_type": 1, "certificate": "0AF3"}}),
    ("SMIMEA", "3 0 0 3082", {"data": {"usage": 3, "selector": 0, "matching_type": 0, "certificate": "3082"}}),
    ("SSHFP", "1 2 859be6ed", {"data": {"algorithm": 1, "type": 2, "fingerprint": "859be6ed"}}),
    ("DS", "1 13 2 B5BB9D80", {"data": {"key_tag": 1, "algorithm": 13, "digest_type": 2, "digest": "B5BB9D80"}}),
    ("DNSKEY", "257 3 13 mdsswUyr3DPW", {"data": {"flags": 257, "protocol": 3, "algorithm": 13, "public_key": "mdsswUyr3DPW"}}),
    ("CERT", "1 0 5 MIIC", {"data": {"type": 1, "key_tag": 0, "algorithm": 5, "certificate": "MIIC"}}),
    ("HTTPS", '1 . alpn="h3,h2" ipv4hint=192.0.2.1', {"data": {"priority": 1, "target": ".", "value": 'alpn="h3,h2" ipv4hint=192.0.2.1'}}),
    ("SVCB", "0 svc.example.net.", {"data": {"priority": 0, "target": "svc.example.net", "value": ""}}),
    (
        "NAPTR",
        '30 100 "S" "SIP+D2T" "" _sip._tls.example.net.',
        {
            "data": {
                "order": 30,
                "preference": 100,
                "flags": "S",
                "service": "SIP+D2T",
                "regex": "",
                "replacement": "_sip._tls.example.net",
            }
        },
    ),
    (
        "LOC",
        "31 58 52.1 S 115 49 11.7 E 20m 10m 10m 2m",
        {
            "data": {
                "lat_degrees": 31,
                "lat_minutes": 58,
                "lat_seconds": 52.1,
                "lat_direction": "S",
                "long_degrees": 115,
                "long_minutes": 49,
                "long_seconds": 11.7,
                "long_direction": "E",
                "altitude": 20,
                "size": 10,
                "precision_horz": 10,
                "precision_vert": 2,
            }
        },
    ),
    ("OPENPGPKEY", "mQENBFVHm5sB", {"content": "mQENBFVHm5sB"}),
)


@pytest.mark.parametrize(("rtype", "rdata", "fields"), _BOTH_WAYS)
def test_both_ways(rtype: str, rdata: str, fields: dict[str, Any]) -> None:
    assert to_fields(rtype, rdata) == fields
    assert from_row({"type": rtype, **fields}) == rdata


@pytest.mark.parametrize(
    ("row", "rdata"),
    [
        # TXT that was typed without quotes comes back without them (recorded), whatever is in it
        ({"type": "TXT", "content": "some text without quotes"}, '"some text without quotes"'),
        ({"type": "TXT", "content": r'say "hi" \ there'}, r'"say \"hi\" \\ there"'),
        ({"type": "TXT", "content": "é"}, r'"\195\169"'),
        ({"type": "TXT", "content": "x" * 300}, f'"{"x" * 255}" "{"x" * 45}"'),
        ({"type": "TXT", "content": ""}, '""'),
        # numbers come as decimals through the SDK's models
        ({"type": "MX", "content": "mail.example.net", "priority": 10.0}, "10 mail.example.net."),
        # older rows of SRV have more in them
        (
            {
                "type": "SRV",
                "data": {
                    "service": "_sip",
                    "proto": "_tcp",
                    "name": "example.com",
                    "priority": 12.0,
                    "weight": 20,
                    "port": 30,
                    "target": "foo.example.net",
                },
            },
            "12 20 30 foo.example.net.",
        ),
        # parts that are not all there: the text that Cloudflare makes of them
        ({"type": "CAA", "content": '0 issue "ca.example"', "data": {"flags": 0}}, '0 issue "ca.example"'),
        # what is no name is shown as it is rather than hiding the zone
        ({"type": "CNAME", "content": "a..b"}, "a..b"),
        ({"type": "CNAME", "content": "Target.Example.NET"}, "Target.Example.NET."),
        ({"type": "WEIRD", "content": "its own business"}, "its own business"),
    ],
)
def test_read(row: dict[str, Any], rdata: str) -> None:
    assert from_row(row) == rdata


@pytest.mark.parametrize(
    ("rtype", "rdata", "fields"),
    [
        ("TXT", "bare", {"content": '"bare"'}),
        ("TLSA", "3 1 1 0AF3 11FF", {"data": {"usage": 3, "selector": 1, "matching_type": 1, "certificate": "0AF311FF"}}),
        ("CAA", "0 issue ca.example", {"data": {"flags": 0, "tag": "issue", "value": "ca.example"}}),
        ("CAA", r'0 issue "\195\169"', {"data": {"flags": 0, "tag": "issue", "value": "é"}}),
    ],
)
def test_written(rtype: str, rdata: str, fields: dict[str, Any]) -> None:
    assert to_fields(rtype, rdata) == fields


@pytest.mark.parametrize(
    ("rtype", "rdata"),
    [
        ("MX", "mail.example.net."),
        ("CNAME", "a..b"),
        ("SRV", "10 20 5060"),
        ("SRV", "10 20 5060 sip.example.net. more"),
        ("SRV", "ten 20 5060 sip.example.net."),
        ("CAA", "0 issue"),
        ("CAA", r'0 issue "\999"'),
        ("CAA", r'0 issue "\255"'),
    ],
)
def test_what_is_not_of_the_type_is_not_sent(rtype: str, rdata: str) -> None:
    with pytest.raises(ValueError):
        to_fields(rtype, rdata)


@pytest.mark.parametrize(
    "row", [{"type": "A"}, {"type": "MX", "content": "mail.example.net"}, {"type": "MX", "content": "m", "priority": "high"}]
)
def test_a_row_of_another_shape(row: dict[str, Any]) -> None:
    with pytest.raises((KeyError, ValueError)):
        from_row(row)
