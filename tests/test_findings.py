"""What a proof looks like: on a terminal of 80 columns, on a narrow one, through a pipe, and to a program."""

import json
import re

import pytest

from wixsend.findings import WORDS, proof_json, proof_lines
from wixsend.layout import Grid, Styled, render
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.verdict import Kind, Outcome, Proof, Seen, Verdict, judge

APEX = absolute("example-atelier.com")
OWNERS = ("s1._domainkey", "s2._domainkey", "wixmail", "link", "_dmarc")
WANTED = [Record(absolute(owner, APEX), "CNAME", f"{owner}.example-atelier.com.s007.ascendbywix.com.") for owner in OWNERS]
SERVERS = (
    ("ada.ns.cloudflare.com", "173.245.58.100"),
    ("ada.ns.cloudflare.com", "2606:4700:50::adf5:3a64"),
    ("bob.ns.cloudflare.com", "108.162.193.115"),
    ("dns1.registrar-servers.com", "156.154.132.200"),
)
RESOLVERS = ("1.1.1.1", "8.8.8.8", "https://dns.quad9.net/dns-query")


def shown(proof: Proof, width: int | None) -> list[str]:
    return render(proof_lines(proof), width, False, lambda text: text).splitlines()


def missing(*absent: str) -> Proof:
    """A look at which bob lacks these records, and nobody answers at ada's second address."""
    seen = []
    for want in WANTED:
        for server, address in SERVERS:
            outcome = Outcome.TIMEOUT if ":" in address else Outcome.ANSWER
            if server.startswith("bob") and want.owner.labels[0].decode() in absent:
                outcome = Outcome.NXDOMAIN
            held = (want,) if outcome is Outcome.ANSWER else ()
            seen.append(Seen(server, address, Kind.AUTHORITATIVE, want.owner, "CNAME", outcome, held))
    return judge(WANTED, seen, APEX, resolvers=RESOLVERS, waited=1e6)


def test_five_records_at_seven_servers_are_a_table_in_80_columns() -> None:
    lines = shown(missing("link", "_dmarc"), 80)
    assert max(map(len, lines)) <= 80
    assert lines[0].startswith("1  s1._domainkey.example-atelier.com")
    heads = next(number for number, line in enumerate(lines) if re.fullmatch(r" +1 +2 +3 +4 +5", line))
    table = lines[heads + 1 : lines.index("", heads)]
    assert table[0] == "authoritative servers"
    bob = next(number for number, line in enumerate(table) if line.startswith("  bob"))
    assert re.fullmatch(r"  bob\.ns\.cloudflare\.com +visible +visible +visible +absent +absent", table[bob])
    assert table[bob + 1] == "    (108.162.193.115)"
    assert re.fullmatch(r"  1\.1\.1\.1( +-){5}", table[table.index("public resolvers") + 1])
    starts = {match.start() for line in table for match in re.finditer(r"\bvisible\b", line)}
    assert len(starts) == 5, "columns stand below each other"


def test_on_a_narrow_terminal_each_server_has_its_words_with_the_numbers_of_the_records() -> None:
    lines = shown(missing("link", "_dmarc"), 60)
    bob = lines.index("  bob.ns.cloudflare.com (108.162.193.115)")
    assert lines[bob + 1 : bob + 3] == ["    visible  1 2 3", "    absent   4 5"]
    assert all(len(line) <= 60 or " " not in line.strip().removeprefix("CNAME ") for line in lines), "only names are longer, whole"


def test_through_a_pipe_nothing_is_broken() -> None:
    lines = shown(missing("link"), None)
    assert any(re.fullmatch(r"  ada\.ns\.cloudflare\.com \(2606:4700:50::adf5:3a64\)( +silent){5}", line) for line in lines)
    assert "1  s1._domainkey.example-atelier.com  CNAME s1._domainkey.example-atelier.com.s007.ascendbywix.com." in lines


def test_what_is_alike_is_explained_once_and_what_the_sentence_said_not_again() -> None:
    text = "\n".join(shown(missing("link", "_dmarc", "wixmail"), None))
    assert text.count("bob.ns.cloudflare.com (108.162.193.115) does not have") == 1
    assert "and 2 more like it" in text and text.count("next: Wait until it catches up.") == 1
    assert "warning: ada.ns.cloudflare.com (2606:4700:50::adf5:3a64) does not answer in time; it was set aside" in text


def test_what_holds_nothing_back_is_not_loud() -> None:
    grid = next(block for block in proof_lines(missing("link")) if isinstance(block, Grid))
    styles = {(cell.text, cell.style) for _label, cells in grid.rows for cell in cells}
    assert styles == {("visible", "good"), ("absent", "warn"), ("silent", "quiet"), ("-", "quiet")}


def test_every_verdict_has_a_word_of_its_own_that_fits_a_column() -> None:
    assert set(WORDS) == set(Verdict)
    assert len({word for word, _style in WORDS.values()}) == len(Verdict)
    assert all(len(word) <= 9 for word, _style in WORDS.values())


def test_nothing_wanted_has_no_table() -> None:
    assert shown(judge([], [], APEX), 80) == ["complete: nothing has to be visible"]


def test_the_proof_in_json() -> None:
    value = json.loads(json.dumps(proof_json(missing("link"))))
    assert (value["complete"], value["at_authoritative"], value["blind"]) == (False, False, False)
    assert {finding["verdict"] for finding in value["findings"]} == {"visible", "absent", "unreachable", "not-asked"}
    assert set(value["findings"][0]) == {"record", "server", "kind", "verdict", "sentence", "next", "wait", "holds", "serial"}
    assert value["then"] and value["warnings"]


@pytest.mark.parametrize("width", [None, 10, 20, 40, 80])
def test_a_grid_is_whole_at_any_width(width: int | None) -> None:
    grid = Grid(
        ["1", "2"], [(Styled("head", "head"), ()), ("  a.b.c (d)", (Styled("yes"), Styled("no"))), ("  e", (Styled("no"), Styled("no")))]
    )
    text = render([grid], width, False, lambda text: text)
    assert [text.count(word) for word in ("head", "a.b.c", "(d)", "yes")] == [1, 1, 1, 1]
