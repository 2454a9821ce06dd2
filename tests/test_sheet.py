"""Floor 2: a list of domains as people have them. What cannot be read is named with its line, and nothing is lost on the way."""

import csv
import io
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixsend.errors import ConfigError
from wixsend.sheet import COLUMNS, Sheet, read_sheet

SITE = "01234567-89ab-cdef-0123-456789abcdef"


def domains(sheet: Sheet) -> list[tuple[int, str]]:
    return [(row.line, row.domain.ascii) for row in sheet.rows]


def faults(sheet: Sheet) -> dict[int, str]:
    return {fault.line: fault.reason for fault in sheet.faults}


@pytest.mark.parametrize(
    ("text", "encoding", "form"),
    [
        ("domain,note\r\na.example,one\r\nb.example,two\r\n", "utf-8", "CSV, UTF-8"),
        ("domain,note\ra.example,one\rb.example,two", "utf-8", "CSV, UTF-8"),
        ("domain;note\na.example;one\nb.example;two\n", "utf-8-sig", "CSV with ;, UTF-8"),
        ("domain\tnote\na.example\tone\nb.example\ttwo\n", "utf-16", "tab-separated, UTF-16-LE"),
        ("domain\tnote\na.example\tone\nb.example\ttwo\n", "utf-16-le", "tab-separated, UTF-16-LE"),
        ("domain,note\na.example,one\nb.example,two\n", "utf-16-be", "CSV, UTF-16-BE"),
        ('sep=|\n"domain"|"note"\n"a.example"|"one"\n"b.example"|"two"\n', "utf-8", "CSV with |, UTF-8"),
        ('{"domain": "a.example", "note": "one"}\n{"note": "two", "domain": "b.example"}\n', "utf-8", "JSON Lines, UTF-8"),
        ("\n  \nDomain , NOTE\n\n a.example ,one\n\n\nb.example,two,,\n", "utf-8", "CSV, UTF-8"),
    ],
)
def test_every_dialect_says_the_same(text: str, encoding: str, form: str) -> None:
    sheet = read_sheet(text.encode(encoding))
    assert [row.domain.ascii for row in sheet.rows] == ["a.example", "b.example"]
    assert [row.cells[-1] for row in sheet.rows] == ["one", "two"]
    assert (sheet.form, sheet.faults, sheet.remarks) == (form, (), ())


def test_letters_outside_ascii_of_an_old_excel_are_read_and_remarked() -> None:
    sheet = read_sheet("domain;note\na.example;Müller\n".encode("cp1252"))
    assert sheet.rows[0].cells == ("a.example", "Müller")
    assert "Windows-1252" in sheet.remarks[0].reason


def test_one_domain_a_line_needs_no_heading() -> None:
    assert domains(read_sheet(b"a.example\nb.example\n\nc.example")) == [(1, "a.example"), (2, "b.example"), (4, "c.example")]


def test_the_columns_that_mean_something_are_understood_however_they_are_written() -> None:
    text = f"Note,Site ID,domain,WIX,Provider,account,DMARC,Färbe\nhello,{SITE},a.example,shop,cloudflare,agency,Replace,rot\n"
    (row,) = read_sheet(text.encode()).rows
    assert (row.site_id, row.wix, row.provider, row.account, row.dmarc) == (SITE, "shop", "cloudflare", "agency", "replace")
    assert row.cells == ("hello", SITE, "a.example", "shop", "cloudflare", "agency", "Replace", "rot")


def test_a_quoted_cell_may_hold_lines_and_the_lines_after_it_keep_their_numbers() -> None:
    sheet = read_sheet(b'domain,note\na.example,"one\ntwo\r\nthree"\nb.example,x\nbad domain,y\n')
    assert domains(sheet) == [(2, "a.example"), (5, "b.example")]
    assert sheet.rows[0].cells[1] == "one\ntwo\r\nthree"
    assert list(faults(sheet)) == [6]


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        (",x", "the column domain is empty"),
        ("localhost,x", "single label"),
        ("exa mple.com,x", "characters that a host name may not have"),
        ("192.0.2.7,x", "IP address"),
        ("gmail.com,x", "public mailbox domain"),
        ("me@gmail.com,x", "public mailbox domain"),
        ("first.example,x", "there already, in line 2"),
        ("FIRST.example.,x", "there already, in line 2"),
        ("https://first.example/path,x", "there already, in line 2"),
        ("a.example,x,y", "3 cells under 2 headings"),
        ('"a.example"b,x', "no CSV"),
        ('a.example,"x', "never closed"),
        (f"{'a' * 70}.example,x", "domain"),
    ],
)
def test_a_bad_row_is_named_with_its_line_and_the_reason(line: str, reason: str) -> None:
    sheet = read_sheet(f"domain,note\nfirst.example,x\n{line}\n".encode())
    assert domains(sheet) == [(2, "first.example")]
    assert list(faults(sheet)) == [3]
    assert reason in faults(sheet)[3]


@pytest.mark.parametrize(("column", "value"), [("dmarc", "none"), ("site_id", "my-shop"), ("site_id", "IST.key")])
def test_a_cell_that_can_only_be_a_slip_is_named(column: str, value: str) -> None:
    sheet = read_sheet(f"domain,{column}\na.example,{value}\n".encode())
    assert value in faults(sheet)[2]


def test_a_domain_may_be_there_for_two_sites() -> None:
    sheet = read_sheet(f"domain,site_id\na.example,{SITE}\na.example,{SITE[:-1]}0\na.example,{SITE.upper()}\n".encode())
    assert [line for line, _ in domains(sheet)] == [2, 3]
    assert list(faults(sheet)) == [4]


@pytest.mark.parametrize(
    ("written", "meant", "remark"),
    [
        ("bücher.example", "xn--bcher-kva.example", ""),
        ("https://shop.example/contact?x=1", "shop.example", "URL"),
        ("Rita <rita@mail.example>", "mail.example", "address"),
        ("www.shop.example", "www.shop.example", "www."),
    ],
)
def test_what_was_understood_differently_is_said(written: str, meant: str, remark: str) -> None:
    sheet = read_sheet(f'domain\n"{written}"\n'.encode())
    assert domains(sheet) == [(2, meant)]
    assert [(fault.line, remark in fault.reason) for fault in sheet.remarks] == ([(2, True)] if remark else [])


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"\xef\xbb\xbf", "is empty"),
        (b"PK\x03\x04rest", "workbook"),
        (b"\xd0\xcf\x11\xe0rest", "workbook"),
        (b"domain\nab\0c.example\n", "no text"),
        (b"\xff\xfea", "is not"),
        (b'[{"domain": "a.example"}]', "jq"),
        (b"name,colour\nx,y\n", "no column domain"),
        (b"Domain name,colour\nx.example,y\n", "Call the column 'Domain name' domain"),
        (b"domain,note,Domain\nx.example,y,z\n", "more than once"),
        (b'"domain\nx.example\n', "never closed"),
    ],
)
def test_a_file_that_is_something_else_is_said_to_be(data: bytes, words: str) -> None:
    with pytest.raises(ConfigError) as wrong:
        read_sheet(data)
    assert words in f"{wrong.value.happened} {wrong.value.next_step}"
    assert wrong.value.next_step


def test_a_heading_that_looks_like_a_slip_is_remarked_and_travels() -> None:
    sheet = read_sheet(b"domain,acount\na.example,agency\n")
    assert (sheet.rows[0].account, sheet.rows[0].cells) == ("", ("a.example", "agency"))
    assert "did you mean account?" in sheet.remarks[0].reason


def test_headings_that_are_blank_or_there_twice_are_told_apart() -> None:
    sheet = read_sheet(b"domain,note 1,,note 1,note 1 (2)\na.example,1,2,3,4\n")
    assert sheet.columns == ("domain", "note 1", "column 3", "note 1 (2)", "note 1 (2) (2)")
    assert sheet.rows[0].cells == ("a.example", "1", "2", "3", "4")


def test_json_lines_bring_their_own_columns() -> None:
    lines = [
        '{"domain": "a.example"}',
        "not json",
        "[1]",
        '{"domain": "b.example", "seats": 3, "tags": ["x"], "gone": null}',
        '{"seats": 1}',
    ]
    sheet = read_sheet("\n".join(lines).encode())
    assert sheet.columns == ("domain", "seats", "tags", "gone")
    assert [row.cells for row in sheet.rows] == [("a.example", "", "", ""), ("b.example", "3", '["x"]', "")]
    assert list(faults(sheet)) == [2, 3, 5]


@given(st.lists(st.lists(st.text(st.characters(exclude_categories=["Cs", "Cc"])), min_size=2, max_size=2), max_size=20))
def test_cells_come_back_as_they_were_written(notes: list[list[str]]) -> None:
    table = [["domain", "one", "two"], *([f"d{number}.example", *cells] for number, cells in enumerate(notes))]
    text = io.StringIO()
    csv.writer(text).writerows(table)
    sheet = read_sheet(text.getvalue().encode())
    assert [list(row.cells) for row in sheet.rows] == table[1:]
    lines = "\n".join(json.dumps(dict(zip(table[0], row, strict=True))) for row in table[1:])
    if notes:
        assert [list(row.cells) for row in read_sheet(lines.encode()).rows] == table[1:]


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        sheet = read_sheet(data)
    except ConfigError as wrong:
        assert wrong.next_step
    else:
        assert all(len(row.cells) == len(sheet.columns) for row in sheet.rows)


def test_a_hundred_thousand_rows_are_read() -> None:
    text = "domain;note\r\n" + "".join(f"client-{number}.example;{number}\r\n" for number in range(100_000))
    sheet = read_sheet(text.encode("utf-16"))
    assert len(sheet.rows) == 100_000
    assert sheet.rows[-1].line == 100_001


def test_every_column_is_explained() -> None:
    assert all(COLUMNS.values())
