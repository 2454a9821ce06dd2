"""What Wix's rows mean: every form of a host name that is possible, and every row that we will not write."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixsend.errors import WixAnswerRefused
from wixsend.names import absolute, is_below, matches_suffix, text
from wixsend.records import Record
from wixsend.sending import KNOWN_TARGETS, WixStatus, wanted_records, wix_domain

DOMAIN = absolute("example.com")
BELOW = absolute("mail.example.com")


def row(host: str, value: str, rtype: str = "CNAME") -> dict[str, str]:
    return {"hostName": host, "value": value, "type": rtype}


def owners(domain: Any, *rows: Any) -> list[str]:
    return [text(record.owner) for record in wanted_records(domain, rows)]


# -- what is understood ----------------------------------------------------------------------------------------------------

FIVE = [  # facts §7
    ("s1._domainkey", "s1._domainkey.{D}.s007.ascendbywix.com"),
    ("s2._domainkey", "s2._domainkey.{D}.s007.ascendbywix.com"),
    ("sel1._domainkey", "sel1._domainkey.{D}.s004.ascendbywix.com"),
    ("sg", "sg.{D}.s007.ascendbywix.com"),
    ("_dmarc", "_dmarc.wixemails.com"),
]
labels = st.from_regex(r"\A[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?\Z")
domains = st.lists(labels.filter(lambda label: not label.isdigit()), min_size=2, max_size=4).map(".".join)
case = st.sampled_from([str.lower, str.upper, str.title])
form = st.sampled_from(["{P}", "{P}.{D}", "{P}.{D}."])


@given(domains, st.lists(st.tuples(st.sampled_from(FIVE), form, case, case, st.booleans()), max_size=8))
def test_every_form_of_a_host_name_means_the_same(domain: str, chosen: list[Any]) -> None:
    rows, expected = [], []
    for (prefix, value), shape, host_case, value_case, dotted in chosen:
        target = value.format(D=domain)
        rows.append(row(host_case(shape.format(P=prefix, D=domain)), value_case(target) + "." * dotted))
        expected.append(Record(absolute(f"{prefix}.{domain}"), "CNAME", target + "."))
    found = wanted_records(absolute(domain), rows)
    assert found == tuple(dict.fromkeys(expected))
    for record in found:
        assert (record.ttl, record.masked, record.ref) == (None, False, None)
        assert record.owner == record.owner.canonicalize() and text(record.owner) == str(record.owner).rstrip(".")
        assert record.rdata == record.rdata.lower() and record.rdata.endswith(".")
        assert matches_suffix(record.target, KNOWN_TARGETS)


@given(domains, st.text(max_size=30), st.text(max_size=30), st.sampled_from(["CNAME", "TXT", "cname", ""]))
def test_whatever_wix_says_we_write_only_cnames_below_the_domain(domain: str, host: str, value: str, rtype: str) -> None:
    try:
        found = wanted_records(absolute(domain), [row(host, value, rtype)])
    except (WixAnswerRefused, ValueError):
        return
    for record in found:
        assert record.rtype == "CNAME" and is_below(record.owner, absolute(domain))
        assert not record.target.is_subdomain(absolute(domain)) and len(record.target) > 2


def test_relative_means_relative_to_the_sending_domain_not_to_its_zone() -> None:
    assert owners(BELOW, row("s1._domainkey", "s1._domainkey.mail.example.com.s7.ascendbywix.com")) == ["s1._domainkey.mail.example.com"]
    assert owners(BELOW, row("_dmarc", "_dmarc.wixemails.com")) == ["_dmarc.mail.example.com"]


def test_relative_to_the_zone_is_understood_when_the_target_proves_it() -> None:
    assert owners(BELOW, row("sg.mail", "sg.mail.example.com.s7.ascendbywix.com")) == ["sg.mail.example.com"]


def test_a_domain_in_any_case() -> None:
    assert owners(absolute("Example.COM"), row("sg", "sg.example.com.s7.ascendbywix.com")) == ["sg.example.com"]
    with pytest.raises(WixAnswerRefused, match="does not fit"):
        owners(absolute("Example.COM"), row("s1._domainkey", "s2._domainkey.example.com.s7.ascendbywix.com"))


def test_labels_that_repeat_the_domain() -> None:
    assert owners(DOMAIN, row("com", "com.example.com.s7.ascendbywix.com")) == ["com.example.com"]
    assert owners(DOMAIN, row("example", "example.example.com.s7.ascendbywix.com")) == ["example.example.com"]
    doubled = "sg.example.com.example.com"
    assert owners(DOMAIN, row(f"{doubled}.", "u1.wl.ascendbywix.com")) == [doubled]


def test_a_target_that_proves_nothing() -> None:
    assert owners(DOMAIN, row("em123", "u1.wl.sendgrid.net")) == ["em123.example.com"]
    assert owners(DOMAIN, row("k._domainkey", "dkim.other.net")) == ["k._domainkey.example.com"]
    assert owners(DOMAIN, row("em123.example.com", "u1.wl.sendgrid.net")) == ["em123.example.com"]


def test_duplicates_are_merged_and_the_order_is_kept() -> None:
    sg, dmarc = row("sg", "sg.example.com.s7.ascendbywix.com"), row("_dmarc", "_dmarc.wixemails.com")
    again = row("SG.Example.com.", "sg.example.com.s7.ascendbywix.com.")
    assert owners(DOMAIN, sg, dmarc, again) == ["sg.example.com", "_dmarc.example.com"]


# -- what is refused -------------------------------------------------------------------------------------------------------

GOOD = "sg.example.com.s7.ascendbywix.com"


@pytest.mark.parametrize(
    ("domain", "rows", "because"),
    [
        (DOMAIN, [row("sg", GOOD, "TXT")], "'TXT' record at 'sg'"),
        (DOMAIN, [row("sg", GOOD, "UNKNOWN_TYPE")], "'UNKNOWN_TYPE' record"),
        (DOMAIN, [row("", GOOD)], "does not fit"),
        (DOMAIN, [row("", "_dmarc.wixemails.com")], "not clearly a name below example.com"),
        (DOMAIN, [row("@", "_dmarc.wixemails.com")], "not clearly a name below example.com"),
        (DOMAIN, [row("example.com.", "_dmarc.wixemails.com")], "not clearly a name below example.com"),
        (DOMAIN, [row("example.com", "_dmarc.wixemails.com")], "not clearly a name below example.com"),
        (DOMAIN, [row("sg.other.com.", "sg.other.com.s7.ascendbywix.com")], "not clearly a name below example.com"),
        (DOMAIN, [row("sg.other.com", "sg.other.com.s7.ascendbywix.com")], "not clearly a name below example.com"),
        (DOMAIN, [row("sg.notexample.com", "sg.notexample.com.s7.ascendbywix.com")], "not clearly a name below example.com"),
        (BELOW, [row("sg.example.com", "sg.example.com.s7.ascendbywix.com")], "not clearly a name below mail.example.com"),
        (BELOW, [row("em123.mail", "u1.wl.sendgrid.net")], "not clearly a name below mail.example.com"),
        (DOMAIN, [row("s1._domainkey", "s2._domainkey.example.com.s7.ascendbywix.com")], "does not fit its target"),
        (DOMAIN, [row("sg.example.com", "sg.example.com.example.com.s7.ascendbywix.com")], "can be read as sg.example.com and sg.example"),
        (DOMAIN, [row("sg\n", GOOD)], "no pair of host names"),
        (DOMAIN, [row("sg\x1b[31m", GOOD)], "no pair of host names"),
        (DOMAIN, [row("s\\032g", GOOD)], "no pair of host names"),
        (DOMAIN, [row("*", GOOD)], "no pair of host names"),
        (DOMAIN, [row("a..b", GOOD)], "no pair of host names"),
        (DOMAIN, [row("x" * 64, GOOD)], "no pair of host names"),
        (DOMAIN, [row("sg", GOOD + "\r\nevil")], "no pair of host names"),
        (DOMAIN, [row("sg", "a..b")], "no pair of host names"),
        (DOMAIN, [row("sg", "localhost")], "no target outside"),
        (DOMAIN, [row("sg", ".")], "no target outside"),
        (DOMAIN, [row("sg", "sg.example.com")], "no target outside of example.com"),
        (DOMAIN, [row("sg", "www.example.com")], "no target outside of example.com"),
        (DOMAIN, [row("sg", GOOD), row("sg", "sg.example.com.s8.ascendbywix.com")], "two targets at sg.example.com: sg.example.com.s7.asc"),
    ],
)
def test_what_we_will_not_write(domain: Any, rows: list[Any], because: str) -> None:
    with pytest.raises(WixAnswerRefused, match=because) as refused:
        wanted_records(domain, rows)
    assert "report" in refused.value.next_step
    assert str(refused.value).isprintable()


@pytest.mark.parametrize(
    "rows",
    ["CNAME", {"hostName": "x"}, 7, ["row"], [None], [{}], [{"hostName": "sg", "type": "CNAME"}], [{**row("sg", GOOD), "value": 7}]],
)
def test_another_shape_is_no_answer(rows: Any) -> None:
    with pytest.raises(ValueError, match=r"no list|no object|missing"):
        wanted_records(DOMAIN, rows)


# -- sending domains -------------------------------------------------------------------------------------------------------


def test_a_sending_domain() -> None:
    found = wix_domain({"id": "1", "domain": "Example.COM", "status": "NOT_AUTHENTICATED", "dnsRecords": [row("sg", GOOD)], "new": 1})
    assert (found.id, found.name, found.status) == ("1", DOMAIN, WixStatus.NOT_AUTHENTICATED)
    assert found.records == (Record(absolute("sg.example.com"), "CNAME", GOOD + "."),)


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("INITIALIZING", WixStatus.INITIALIZING),
        ("AUTHENTICATED", WixStatus.AUTHENTICATED),
        ("UNKNOWN_STATUS", WixStatus.UNKNOWN),
        ("SUSPENDED_BY_MOONLIGHT", WixStatus.UNKNOWN),
        (None, WixStatus.UNKNOWN),
        (["AUTHENTICATED"], WixStatus.UNKNOWN),
    ],
)
def test_statuses_unknown_ones_included(said: Any, status: WixStatus) -> None:
    assert wix_domain({"id": "1", "domain": "example.com", "status": said}) == wix_domain(
        {"id": "1", "domain": "example.com", "status": status.value, "dnsRecords": None}
    )
    assert wix_domain({"id": "1", "domain": "example.com", "status": said}).status is status


@pytest.mark.parametrize(
    "value",
    [
        None,
        [],
        "example.com",
        {},
        {"id": "", "domain": "example.com"},
        {"id": 5, "domain": "example.com"},
        {"id": "1", "domain": "com"},
        {"id": "1", "domain": "a..b"},
        {"id": "1", "domain": "example.com", "dnsRecords": {}},
        {"id": "1", "domain": "example.com", "dnsRecords": ""},
    ],
)
def test_no_sending_domain(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        wix_domain(value)
