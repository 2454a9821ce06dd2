"""What the domain's owner gets: nothing from elsewhere becomes HTML, nothing is fetched, and in a real browser it does what it says."""

import base64
import hashlib
import json
import os
from collections.abc import AsyncIterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from browser import CHROMIUM, Browser
from wixsend.byhand import Handoff, Part, State, Task
from wixsend.detect import Detected
from wixsend.domainconnect import Offer
from wixsend.hosts import Host, hosts
from wixsend.names import Name, absolute, parse_sending_domain
from wixsend.page import handoff_html, handoff_json, handoff_text
from wixsend.records import Record
from wixsend.verdict import Delegation, NameServer, Soa

ZONE = absolute("example.com")
AT = 1_790_000_000.0
S1 = Record(absolute("s1._domainkey", ZONE), "CNAME", "s1._domainkey.example.com.s004.ascendbywix.com.")
SG = Record(absolute("sg", ZONE), "CNAME", "sg.example.com.s004.ascendbywix.com.")
EVIL = "</code><script>alert(1)</script><img src=x onerror=alert(2)>\" ' & $title ${body} %s"


def host(name: str) -> Host:
    return next(each for each in hosts() if each.name == name)


def made(
    *names: str, tasks: tuple[Task, ...] = (Task(S1, State.MISSING), Task(SG, State.RIGHT)), zone: Name = ZONE, **served: Any
) -> Handoff:
    """A handoff for one zone, served by these hosts."""
    found = tuple(map(host, names))
    servers = served.pop("servers", (absolute("ns1.host.example"), absolute("ns2.host.example")))
    delegation = Delegation(zone, absolute("com"), tuple(NameServer(server) for server in servers))
    detected = Detected(delegation, found, dict.fromkeys(servers, found), dict.fromkeys(servers, ()), **served)
    return Handoff(parse_sending_domain("example.com"), (Part(detected, tasks),))


class Parsed(HTMLParser):
    """The tags, attributes and text of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.inside: list[str] = []
        self.words: list[str] = []
        self.raw: dict[str, list[str]] = {}
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self.inside and self.inside[-1] in ("script", "style"):
            self.raw.setdefault(self.inside[-1], []).append(data)
        else:
            self.words.append(data)

    @property
    def text(self) -> str:
        return " ".join("".join(self.words).split())


# -- what is said ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "owner", "value"),
    [
        ("godaddy", "Name: s1._domainkey\n", "Value: s1._domainkey.example.com.s004.ascendbywix.com\n"),
        ("ovh", "Sub-domain: s1._domainkey\n", "Target: s1._domainkey.example.com.s004.ascendbywix.com.\n"),
        ("hostgator", "Name: s1._domainkey.example.com.\n", "CNAME: s1._domainkey.example.com.s004.ascendbywix.com\n"),
    ],
)
def test_each_panel_gets_its_own_words_and_forms(name: str, owner: str, value: str) -> None:
    told = handoff_text(made(name), AT)
    assert owner in told and value in told
    page = Parsed(handoff_html(made(name), AT)).text
    assert owner.partition(": ")[2].strip() in page and value.partition(": ")[2].strip() in page


def test_the_usual_mistakes_are_named_as_they_would_look() -> None:
    told = handoff_text(made("godaddy"), AT)
    assert "shows s1._domainkey.example.com.example.com, it has added example.com by itself: enter the name as s1._domainkey." in told
    assert "The value has no dot at its end here." in told
    assert "put a dot at the end of the value" in handoff_text(made("ovh"), AT)
    assert "The name is the whole one here, with a final dot: s1._domainkey.example.com." in handoff_text(made("hostgator"), AT)


def test_of_an_unknown_host_nothing_is_claimed() -> None:
    soa = Soa(1, 1, 1, absolute("ns1.host.example"), absolute("dns.host.example"))
    told = handoff_text(made(soa=soa, operators=(absolute("host.example"),)), AT)
    assert "served by the name servers ns1.host.example, ns2.host.example, which belong to host.example" in told
    assert "the zone names dns@host.example as responsible" in told
    assert "Name (or Host): s1._domainkey\n" in told
    assert "A panel that wants the whole name gets s1._domainkey.example.com." in told


def test_hosts_that_cannot_be_told_apart_are_both_named() -> None:
    told = handoff_text(made("google-cloud-dns", "google-domains"), AT)
    assert "served by Google Cloud DNS or Squarespace (formerly Google Domains)" in told
    assert "Sign in at Google Cloud DNS: https://console.cloud.google.com" in told and "https://account.squarespace.com" in told


def test_what_is_there_already_is_said_and_left_out_of_the_snippet() -> None:
    told = handoff_text(made("gandi"), AT)
    assert "1 of 2 records was there" in told and "Record 2 of 2 (there already)" in told
    snippet = told.partition("For a zone file:\n")[2]
    assert "$ORIGIN example.com.\n  s1._domainkey 3600 IN CNAME s1._domainkey.example.com.s004.ascendbywix.com.\n" in snippet
    assert "sg" not in snippet


def test_the_hosts_own_word_names_the_panel_and_shows_where_it_leads() -> None:
    offer = Offer("dc.host.example", "The Host", "https://panel.host.example/dns?domain=example.com", one_click=True)
    page = Parsed(handoff_html(made(offer=offer), AT))
    assert "served by The Host" in page.text and "The DNS settings of example.com at panel.host.example" in page.text
    assert [attrs["href"] for tag, attrs in page.tags if tag == "a"] == ["https://panel.host.example/dns?domain=example.com"]


def test_a_program_gets_what_is_to_be_typed() -> None:
    value = handoff_json(made("ovh"))
    assert value["zones"][0]["records"][0] == {
        "record": {"owner": "s1._domainkey.example.com", "type": "CNAME", "rdata": S1.rdata, "ttl": None},
        "state": "missing",
        "owner_as_typed": "s1._domainkey",
        "value_as_typed": S1.rdata,
        "there": [],
        "found": "",
        "next": "",
    }


# -- what comes from elsewhere -----------------------------------------------------------------------------------------


def hostile() -> Handoff:
    """Everything that a stranger can write, written by somebody with intentions."""
    label = EVIL[:60].encode()
    server = Name((label, b"evil", b"example", b""))
    record = Record(Name((label, *ZONE.labels)), "CNAME", "x.ascendbywix.com.")
    txt = Record(S1.owner, "TXT", json.dumps(EVIL))
    task = Task(record, State.CONFLICT, (txt,), f"it holds TXT {EVIL}", EVIL)
    offer = Offer(EVIL, EVIL, "https://panel.host.example/%22%3E%3Cscript%3E?a='&b=1", trouble=EVIL)
    soa = Soa(1, 1, 1, server, Name((label, b"evil", b"example", b"")))
    found = made(tasks=(task, Task(S1, State.MISSING)), servers=(server,), offer=offer, soa=soa, operators=(server,))
    return replace(found, kept=(record,))


def test_nothing_that_a_stranger_wrote_becomes_html() -> None:
    plain, page = Parsed(handoff_html(made("gandi"), AT)), Parsed(handoff_html(hostile(), AT))
    assert {tag for tag, _attrs in page.tags} <= {tag for tag, _attrs in plain.tags}
    assert [tag for tag, _attrs in page.tags].count("script") == 1
    names = {name for _tag, attrs in page.tags for name in attrs}
    assert names <= {name for _tag, attrs in plain.tags for name in attrs} and not any(name.startswith("on") for name in names)
    assert EVIL in page.text, "and all of it can be read"
    for source, told in (("script", page.raw["script"]), ("style", page.raw["style"])):
        assert told == plain.raw[source]


def test_no_line_of_the_mail_can_be_forged() -> None:
    forged = made(tasks=(Task(S1, State.CONFLICT, found="holds TXT\nType: A\x1b[31m", todo="do\u202ethis"),))
    told = handoff_text(forged, AT)
    assert "\nType: A" not in told and "holds TXT\\x0aType: A\\x1b[31m" in told and "\u202e" not in told


def test_the_page_lets_nothing_in_but_its_own_style_and_script() -> None:
    html = handoff_html(hostile(), AT)
    page = Parsed(html)
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy") or ""
    for source in ("script", "style"):
        digest = base64.b64encode(hashlib.sha256("".join(page.raw[source]).encode()).digest()).decode()
        assert f"{source}-src 'sha256-{digest}'" in policy
    assert "default-src 'none'" in policy and "unsafe" not in policy
    assert not {"src", "srcset", "action", "formaction", "background", "poster", "ping", "style"} & {
        name for _tag, attrs in page.tags for name in attrs
    }
    assert "url(" not in html and "@import" not in html
    assert all((attrs.get("href") or "https://").startswith("https://") for _tag, attrs in page.tags)
    assert not [tag for tag, _attrs in page.tags if tag in ("link", "iframe", "object", "base", "form", "img")]


# -- in a real browser -------------------------------------------------------------------------------------------------


in_a_browser = pytest.mark.skipif(
    CHROMIUM is None and not os.environ.get("WIXSEND_REQUIRE_SERVERS"), reason="no Chromium is installed (.ci/apt.txt)"
)
CONFLICT = Task(SG, State.CONFLICT, (Record(SG.owner, "A", "192.0.2.1"),), "sg.example.com holds A 192.0.2.1", "Remove it.")
PAGE = made("ovh", tasks=(Task(S1, State.MISSING), CONFLICT))


@pytest.fixture
async def browser(tmp_path: Path) -> AsyncIterator[Browser]:
    path = tmp_path / "page.html"
    path.write_text(handoff_html(PAGE, AT), encoding="utf-8")
    async with Browser.opened() as opened:
        await opened.open(path)
        yield opened


@in_a_browser
async def test_the_buttons_copy_what_stands_beside_them_and_nothing_is_fetched(browser: Browser) -> None:
    await browser.send("Browser.grantPermissions", permissions=["clipboardReadWrite", "clipboardSanitizedWrite"])
    wanted = {
        "record-1-1-name": "s1._domainkey",
        "record-1-1-value": "s1._domainkey.example.com.s004.ascendbywix.com.",
        "record-1-2-name": "sg",
        "record-1-2-value": "sg.example.com.s004.ascendbywix.com.",
        "zone-1": (
            "$ORIGIN example.com.\ns1._domainkey 3600 IN CNAME s1._domainkey.example.com.s004.ascendbywix.com.\n"
            "sg            3600 IN CNAME sg.example.com.s004.ascendbywix.com."
        ),
    }
    assert await browser.value("[...document.querySelectorAll('button')].map(b => b.dataset.copy)") == list(wanted)
    for named, value in wanted.items():
        await browser.value("document.getElementById('said').textContent = ''")
        await browser.click(f"button[data-copy={named}]")
        said = "new Promise(done => { const look = () => said.textContent ? done(said.textContent) : setTimeout(look, 10); look(); })"
        assert await browser.value(said) == "Copied"
        assert await browser.value("navigator.clipboard.readText()") == value
    assert [url.partition(":")[0] for url in browser.requests] == ["file"]
    assert browser.complaints == []


@in_a_browser
async def test_where_the_clipboard_is_closed_the_text_is_copied_or_selected(browser: Browser) -> None:
    await browser.value("Object.defineProperty(navigator, 'clipboard', {value: undefined})")
    await browser.click("button[data-copy=record-1-1-name]")
    assert await browser.value("getSelection().toString()") == "s1._domainkey"
    assert await browser.value("said.textContent") in ("Copied", "The text is selected: copy it with Ctrl and C")


@in_a_browser
async def test_the_policy_stops_whatever_would_leave_the_page(browser: Browser) -> None:
    blocked = "fetch('https://example.com/').then(() => 'sent', () => 'stopped')"
    assert await browser.value(blocked) == "stopped"
    added = (
        "new Promise(done => { const i = new Image(); i.onload = () => done('sent'); i.onerror = () => done('stopped'); i.src = '%s'; })"
    )
    assert await browser.value(added % "data:image/gif;base64,R0lGODlhAQABAAAAACw=") == "stopped"
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)
    assert {url.partition(":")[0] for url in browser.requests} == {"file", "data"}, "the policy stopped the rest before it was asked for"


_CONTRASTS = """(() => {
  const parse = c => c.match(/[\\d.]+/g).map(Number);
  const light = ([r, g, b]) => [r, g, b].map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
    .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
  const behind = e => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] !== 0) return c; }
    return [255, 255, 255]; };
  return [...document.querySelectorAll('h1, h2, h3, p, li, a, dt, code, span, button')].filter(e => e.id !== 'said').map(e => {
    const [a, b] = [light(parse(getComputedStyle(e).color)), light(behind(e))].sort((x, y) => y - x);
    return [e.tagName + '.' + e.className, (a + 0.05) / (b + 0.05)]; });
})()"""


@in_a_browser
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_it_can_be_read_on_a_phone_and_at_a_desk_by_day_and_by_night(browser: Browser, scheme: str, tmp_path: Path) -> None:
    for width in (360, 1100):
        await browser.look(width, scheme)
        assert await browser.value("document.documentElement.scrollWidth") <= width, "nobody has to scroll sideways"
        assert await browser.value("Math.min(...[...document.querySelectorAll('button')].map(b => b.getBoundingClientRect().height))") >= 36
        faint = [(what, ratio) for what, ratio in await browser.value(_CONTRASTS) if ratio < 4.5]
        assert not faint, "WCAG AA asks for 4.5"
        await browser.screenshot(tmp_path / f"{scheme}-{width}.png")
    background = await browser.value("getComputedStyle(document.body).backgroundColor")
    assert (background == "rgb(255, 255, 255)") is (scheme == "light")


@in_a_browser
async def test_a_screen_reader_finds_its_way(browser: Browser) -> None:
    tree = (await browser.send("Accessibility.getFullAXTree"))["nodes"]
    named = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in tree if not node.get("ignored")]
    buttons = [name for role, name in named if role == "button"]
    assert {"Copy the name of record 1", "Copy the value of record 1"} < set(buttons) and len(set(buttons)) == len(buttons)
    headings = {name for role, name in named if role == "heading"}
    assert {"DNS records for example.com", "Where: the zone example.com", "The records", "1. s1._domainkey.example.com"} < headings
    assert {"main", "status"} <= {role for role, _name in named}


@in_a_browser
async def test_it_prints_without_buttons_and_works_without_script(browser: Browser, tmp_path: Path) -> None:
    await browser.send("Emulation.setEmulatedMedia", media="print")
    assert await browser.value("[...document.querySelectorAll('button')].every(b => getComputedStyle(b).display === 'none')")
    pdf = base64.b64decode((await browser.send("Page.printToPDF"))["data"])
    assert pdf.startswith(b"%PDF")
    await browser.send("Emulation.setEmulatedMedia", media="")
    await browser.send("Emulation.setScriptExecutionDisabled", value=True)
    await browser.open(tmp_path / "page.html")
    shown = await browser.send("Accessibility.getFullAXTree")
    assert not [node for node in shown["nodes"] if node["role"]["value"] == "button" and not node.get("ignored")]
