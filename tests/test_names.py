"""Floor 0: what a person or a vendor writes becomes the name that is meant, or an error that says why not."""

import contextlib

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixsend.errors import BadDomain
from wixsend.names import absolute, ancestors, is_below, matches_suffix, parse_sending_domain, relative_text, text, wildcards_over

APEX = dns.name.from_text("example.com.")


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("example.com", "example.com"),
        ("EXAMPLE.com.", "example.com"),
        ("  mail.example.co.uk ", "mail.example.co.uk"),
        ("exämple.de", "xn--exmple-cua.de"),
        ("EXÄMPLE.de", "xn--exmple-cua.de"),
        ("xn--exmple-cua.de", "xn--exmple-cua.de"),
        ("https://example.com/path?x=1", "example.com"),
        ("http://user:pass@example.com:8080", "example.com"),
        ("example.com/path", "example.com"),
        ("info@example.com", "example.com"),
        ("Bob <bob@Example.com>", "example.com"),
    ],
)
def test_what_is_meant(written: str, meant: str) -> None:
    assert parse_sending_domain(written).ascii == meant


@pytest.mark.parametrize("written", ["https://example.com/", "info@example.com", "example.com/x", "www.example.com"])
def test_what_was_understood_differently_is_said(written: str) -> None:
    assert parse_sending_domain(written).remark


def test_an_idn_is_shown_as_its_owner_writes_it() -> None:
    assert parse_sending_domain("xn--exmple-cua.de").unicode == "exämple.de"


@pytest.mark.parametrize(
    "written",
    [
        "",
        " ",
        "com",
        ".",
        "..",
        "a..b",
        "-a.com",
        "a-.com",
        "1.2.3.4",
        "exa mple.com",
        "example.com\x1b[2J",
        "https://",
        "@",
        "a" * 64 + ".com",
        "x" * 60 + ".y" * 10 + ".com",
        "exam,ple.com",
        "[::1]",
        "http://[::1",
        "*.example.com",
        "a.b\\.c.com",
    ],
)
def test_what_is_no_sending_domain(written: str) -> None:
    with pytest.raises(BadDomain) as caught:
        parse_sending_domain(written)
    assert caught.value.next_step


@given(st.text(max_size=80))
def test_any_text_is_a_name_or_a_bad_domain(written: str) -> None:
    try:
        domain = parse_sending_domain(written)
    except BadDomain:
        return
    assert parse_sending_domain(domain.ascii).name == domain.name
    assert "\x1b" not in domain.unicode


@pytest.mark.parametrize(
    ("written", "meant"),
    [("@", "example.com."), ("", "example.com."), ("www", "www.example.com."), ("www.", "www."), ("WWW.Example.com.", "www.example.com.")],
)
def test_vendors_names(written: str, meant: str) -> None:
    assert absolute(written, APEX) == dns.name.from_text(meant)


@given(st.text(max_size=300))
def test_any_vendor_text_is_a_name_or_a_value_error(written: str) -> None:
    with contextlib.suppress(ValueError):
        absolute(written, APEX)


def test_names_are_labels() -> None:
    assert not is_below(dns.name.from_text("notexample.com."), APEX)
    assert is_below(dns.name.from_text("A.EXAMPLE.com."), APEX)
    assert not is_below(APEX, APEX)
    assert matches_suffix(dns.name.from_text("ada.ns.cloudflare.com."), (dns.name.from_text("cloudflare.com."),))
    assert not matches_suffix(dns.name.from_text("notcloudflare.com."), (dns.name.from_text("cloudflare.com."),))


def test_ancestors_and_wildcards() -> None:
    name = dns.name.from_text("s1._domainkey.mail.example.com.")
    assert [text(above) for above in ancestors(name, APEX)] == ["_domainkey.mail.example.com", "mail.example.com", "example.com"]
    assert [text(star) for star in wildcards_over(name, APEX)] == ["*._domainkey.mail.example.com", "*.mail.example.com", "*.example.com"]
    assert ancestors(APEX, APEX) == ()
    assert ancestors(dns.name.from_text("example.net."), APEX) == ()


@given(
    st.lists(st.binary(min_size=1, max_size=8) | st.text("aZ09-_*.\\", min_size=1, max_size=8).map(str.encode), max_size=4), st.booleans()
)
def test_text_is_the_library_s_in_lower_case(labels: list[bytes], final: bool) -> None:
    name = dns.name.Name([*labels, b""] if final else labels)
    assert text(name) == ("." if name == dns.name.root else name.canonicalize().to_text(omit_final_dot=True))


def test_relative_text() -> None:
    assert relative_text(APEX, APEX) == "@"
    assert relative_text(dns.name.from_text("S1._DomainKey.Example.com."), APEX) == "s1._domainkey"
    assert relative_text(dns.name.from_text("example.net."), APEX) == "example.net."
