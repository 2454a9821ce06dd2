"""What is printed: a plan that can be pasted into a zone file, tables that fit, JSON with stable keys, and never a secret."""

import json
import re

import dns.zone
import pytest

from wixsend import layout, report
from wixsend.errors import PluginBroken
from wixsend.events import Hidden, HostFound, NothingToWrite, Stopped, WixWants
from wixsend.flow import Case, Times, evolve
from wixsend.journal import Backup, Entry, Happened
from wixsend.layout import Block, Styled, Table, render
from wixsend.names import absolute
from wixsend.plan import Plan, Wanted, plan, plan_undo
from wixsend.plugins import Row
from wixsend.provider import CredentialField, ProviderPlugin, Rate
from wixsend.records import WHOLE, Granularity, Limits, Record, Snapshot, Zone
from wixsend.redact import Redactor

APEX = absolute("example.com")
HOSTS = ("s1._domainkey", "s2._domainkey", "sel1._domainkey", "sg")


def cname(host: str, target: str = "") -> Record:
    owner = absolute(host, APEX)
    return Record(owner, "CNAME", target or f"{host}.example.com.s007.ascendbywix.com.")


WANTED = (*(cname(host) for host in HOSTS), cname("_dmarc", "_dmarc.wixemails.com."))


def planned(*held: Record, dmarc: str = "keep") -> Plan:
    snapshot = Snapshot(Zone(APEX, account="acc"), held, WHOLE)
    return plan(snapshot, Wanted(WANTED, absolute("_dmarc", APEX), dmarc))  # type: ignore[arg-type]


def shown(blocks: list[Block], width: int | None = None, colour: bool = False) -> str:
    return render(blocks, width, colour, lambda text: text)


MIXED = (
    Record(absolute("sg", APEX), "CNAME", "SG.example.com.S007.ascendbywix.com"),
    Record(absolute("s2._domainkey", APEX), "CNAME", "u1.wl.sendgrid.net."),
    Record(absolute("_dmarc", APEX), "TXT", '"v=DMARC1; p=reject"'),
    Record(absolute("sel1._domainkey", APEX), "CNAME", "sel1._domainkey.example.com.s007.ascendbywix.com.", masked=True),
    Record(absolute("*", APEX), "A", "192.0.2.1"),
    Record(absolute("www", APEX), "A", "192.0.2.1"),
)


def test_each_line_of_a_plan_has_the_mark_of_what_happens_to_it() -> None:
    text = shown(report.plan_lines(planned(*MIXED)))
    marks = {line.split()[1]: line[0] for line in text.splitlines() if line[0] not in " "}
    assert marks == {
        "s1._domainkey.example.com.": "+",
        "s2._domainkey.example.com.": "!",
        "sel1._domainkey.example.com.": "~",
        "sg.example.com.": "=",
        "_dmarc.example.com.": ".",
    }
    assert "; the name holds CNAME u1.wl.sendgrid.net." in text
    assert '; _dmarc holds TXT "v=DMARC1; p=reject"; it is kept, and this record left out' in text
    assert "no longer answered by the wildcard *.example.com (A 192.0.2.1)" in text
    assert "; 4 other records stay as they are" in text


def test_without_its_margin_a_plan_is_a_zone_file() -> None:
    text = "".join(line[2:] + "\n" for line in shown(report.plan_lines(planned())).splitlines())
    zone = dns.zone.from_text(f"$TTL 300\n@ SOA ns. h. 1 2 3 4 5\n{text}", APEX, relativize=False, check_origin=False)
    assert {name for name in zone.nodes if name != APEX} == {record.owner for record in WANTED}


def test_a_long_text_is_shown_whole_beside_the_note_that_shortens_it() -> None:
    long = '"v=DMARC1; p=reject; rua=mailto:reports-of-mail-authentication@example.com; pct=100"'
    text = shown(report.plan_lines(planned(Record(absolute("_dmarc", APEX), "TXT", long))))
    assert f"; there now: TXT {long}" in text


@pytest.mark.parametrize("width", [20, 40, 72, 100])
def test_on_a_narrow_terminal_owner_and_target_stay_whole(width: int) -> None:
    lines = shown(report.plan_lines(planned()), width).splitlines()
    joined = " ".join(line.strip() for line in lines)
    for record in WANTED:
        assert re.search(rf"{re.escape(record.owner.to_text())} +IN CNAME {re.escape(record.rdata)}", joined)
    assert any(line.startswith("      s1._domainkey") for line in lines) == (width < 86)


def test_through_a_pipe_nothing_is_wrapped_cut_or_coloured() -> None:
    text = shown(report.plan_lines(planned()))
    assert "\x1b" not in text
    assert sum(line.startswith("+ ") for line in text.splitlines()) == len(WANTED)
    assert "\x1b[32m+ s1" in shown(report.plan_lines(planned()), None, colour=True)


def test_the_question_says_what_a_yes_does() -> None:
    assert report.question(planned(*MIXED), "Cloudflare", "agency") == (
        "Add 1 record to example.com at Cloudflare (account agency); 4 others unchanged; _dmarc kept."
    )
    replacing = planned(MIXED[2], dmarc="replace")
    assert report.question(replacing, "GoDaddy", "x").startswith(
        "Add 5 records to example.com and remove 1 record from example.com at GoDaddy"
    )


def test_an_undo_shows_what_goes_and_what_comes_back() -> None:
    done = planned(MIXED[2], dmarc="replace")
    after = Snapshot(Zone(APEX), WANTED, WHOLE)
    text = shown(report.plan_lines(plan_undo(after, done.edit.changes)))
    assert "- sg.example.com." in text
    assert re.search(r'\+ _dmarc\.example\.com\. +IN TXT "v=DMARC1; p=reject"\n    ; put back', text)


def test_records_to_add_by_hand_come_as_a_table_and_as_a_zone_file() -> None:
    text = shown(report.by_hand(WANTED, APEX))
    assert re.search(r"^s1\._domainkey +CNAME +s1\._domainkey\.example\.com\.s007\.ascendbywix\.com$", text, re.M)
    snippet = text[text.index("$ORIGIN") :]
    zone = dns.zone.from_text(f"$TTL 300\n@ SOA ns. h. 1 2 3 4 5\n{snippet}", ".", relativize=False, check_origin=False)
    assert {name for name in zone.nodes if name.is_subdomain(APEX)} >= {record.owner for record in WANTED}


def test_a_table_has_columns_when_they_fit_and_a_list_when_not() -> None:
    table: list[Block] = [Table(("name", "value"), [("a", "x" * 30), ("bbb", Styled("y", "good"))])]
    assert shown(table) == f"name  value\na     {'x' * 30}\nbbb   y\n"
    assert shown(table, 36) == shown(table)
    assert shown(table, 35) == f"name   a\nvalue\n       {'x' * 30}\n\nname   bbb\nvalue  y\n\n"


def test_secrets_and_escape_sequences_from_elsewhere_are_not_printed() -> None:
    redactor = Redactor()
    redactor.learn("api_token", "sesame-open")
    text = render([Styled("key sesame-open\x1b[2J"), Table(("h",), [("sesame-open\x07",)])], None, True, redactor.clean)
    assert "sesame" not in text
    assert "\\x1b[2J" in text
    assert "\\x07" in text


def test_the_plan_in_json() -> None:
    value = json.loads(json.dumps(report.plan_json(planned(*MIXED))))
    assert set(value) == {"zone", "digest", "changes", "lines", "untouched", "kept"}
    assert value["changes"]["add"] == [
        {"owner": "s1._domainkey.example.com", "type": "CNAME", "rdata": "s1._domainkey.example.com.s007.ascendbywix.com.", "ttl": None}
    ]
    assert [line["meaning"] for line in value["lines"]] == ["create", "conflict", "masked", "right", "kept"]
    assert value["untouched"] == 4


def entry(*events: object, at: float = 1_000_000.0) -> Entry:
    case = Case()
    for event in events:
        case = evolve(case, event, at, Times())  # type: ignore[arg-type]
    return Entry(1, "site-1", APEX, len(events), case)


WAITING = (WixWants("w1", WANTED), HostFound(APEX, "cloudflare", "main", "how"), NothingToWrite(), Hidden("ns1 does not have it yet", 60.0))


def test_a_case_says_where_it_stands_when_the_next_look_is_and_why() -> None:
    text = shown(report.case_lines(entry(*WAITING), 1_000_000.0))
    assert "example.com: waiting for DNS" in text
    assert "zone example.com at cloudflare, account main" in text
    assert "ns1 does not have it yet" in text
    assert "in 1 min" in text
    assert "next look" in shown(report.cases_table([entry(*WAITING)], 1_000_000.0))


def test_a_stopped_case_says_what_happened_and_what_to_do() -> None:
    stopped = entry(*WAITING, Stopped("not-visible", 6, "DNS does not show it", "Ask the host."))
    text = shown(report.case_lines(stopped, 1_000_000.0))
    assert "stopped" in text
    assert "DNS does not show it" in text
    assert "next: Ask the host." in text
    assert report.case_json(stopped)["stopped"] == {
        "error": "not-visible",
        "exit_code": 6,
        "happened": "DNS does not show it",
        "next": "Ask the host.",
    }


def test_a_case_in_json_has_stable_keys_and_times_in_utc() -> None:
    value = json.loads(json.dumps(report.case_json(entry(*WAITING))))
    assert value["stage"] == "proving"
    assert value["due"] == "1970-01-12T13:47:40Z"
    assert (value["zone"], value["provider"], value["account"]) == ("example.com", "cloudflare", "main")
    history = report.history_json([Happened(1_000_000.0, WAITING[3])])
    assert history == [
        {"at": "1970-01-12T13:46:40Z", "event": "hidden", "data": {"why": "ns1 does not have it yet", "wait": 60.0, "then": ""}}
    ]


def test_an_empty_journal_says_how_to_begin() -> None:
    assert "wixsend plan DOMAIN" in shown(report.cases_table([], 0.0))


PLUGIN = ProviderPlugin(
    name="alpha",
    label="Alpha DNS",
    opens=lambda _credentials, _wire: None,  # type: ignore[arg-type,return-value]
    granularity=Granularity.ZONE,
    credentials=(CredentialField("token", "ALPHA_TOKEN", "API token", "https://alpha.example"),),
    name_servers=("ns.alpha.example",),
    base_url="https://api.alpha.example",
    quota=(Rate(20, 60), Rate(8000, 86400)),
    limits=Limits(60, 60000, 150),
    permissions="zones:write",
    environments={"test": "https://test.alpha.example"},
    proven="a fake",
)


def test_a_plugin_shows_what_it_needs_and_a_broken_one_its_error() -> None:
    text = shown(report.plugin_lines(PLUGIN, ["main"]))
    for expected in (
        "20 calls in 1 min; 8000 calls in 1 d",
        "150 records in a zone",
        "zones:write",
        "ALPHA_TOKEN",
        'token = "env:ALPHA_TOKEN"',
        "the whole zone",
    ):
        assert expected in text
    rows = [
        Row("alpha", PLUGIN, None, "wixsend-alpha", "1.0"),
        Row("beta", None, PluginBroken("no SDK", "pip install x"), "wixsend-beta", "2.0"),
    ]
    listed = shown(report.providers_table(rows))
    assert re.search(r"^alpha +Alpha DNS +wixsend-alpha 1\.0 +installed$", listed, re.M)
    assert "no SDK\n  next: pip install x" in listed
    assert [row["error"] for row in report.providers_json(rows)] == [None, "no SDK"]


def test_a_backup_is_printed_as_a_zone_file_with_its_settings() -> None:
    backup = Backup(3, 1, 1_000_000.0, "namecheap", "main", Snapshot(Zone(APEX), MIXED, WHOLE, {"EmailType": "MX"}))
    text = shown(report.backup_lines(backup, 1_000_000.0))
    assert "; EmailType: MX" in text
    assert "wixsend restore 3" in text
    assert len(report.backup_json(backup)["records"]) == len(MIXED)


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0, "0 s"), (45, "45 s"), (60, "1 min"), (12_000, "3 h 20 min"), (172_800, "2 d"), (90_061, "1 d 1 h"), (-5, "0 s")],
)
def test_lengths_of_time(seconds: float, told: str) -> None:
    assert layout.span(seconds) == told


def test_moments_are_shown_with_their_offset() -> None:
    assert re.fullmatch(r"\d\d:\d\d:\d\d[+-]\d\d:\d\d", layout.clock(1_000_000.0, 1_000_000.0))
    assert re.fullmatch(r"1970-01-\d\d \d\d:\d\d:\d\d[+-]\d\d:\d\d", layout.clock(1_000_000.0, 1_700_000_000.0))


def test_a_line_that_is_too_long_for_a_terminal_is_broken_between_words_and_names_stay_whole() -> None:
    name = "s1._domainkey.a-rather-long-domain-name.example.com"
    lines = shown([Styled(f"  the record at {name} is not there yet")], 40).splitlines()
    assert all(line.startswith("    ") for line in lines[1:])
    assert any(line.strip() == name for line in lines)
    assert shown([Styled(f"  the record at {name} is not there yet")]).count("\n") == 1, "a pipe gets it as it is"
