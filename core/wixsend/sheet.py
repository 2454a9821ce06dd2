"""Floor 2, pure. A list of sending domains as it comes out of a spreadsheet, a database or an editor, read into rows and faults.

CSV in whatever dialect and encoding Excel chose on somebody's machine, JSON Lines, or one domain a line. What cannot be read is named
with its line and the reason, and never guessed; what was understood differently from what stands there is said. Columns that we do not know
travel through to the report as they are.
"""

import csv
import difflib
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from wixsend.errors import BadDomain, ConfigError
from wixsend.names import PUBLIC_MAILBOX_DOMAINS, SendingDomain, parse_sending_domain

__all__ = ["COLUMNS", "Fault", "Row", "Sheet", "read_sheet"]

COLUMNS: Mapping[str, str] = {
    "domain": "the sending domain",
    "site_id": "the Wix site's id, where it is not the profile's own",
    "wix": "the Wix profile: [wix.profiles.NAME] of wixsend.toml",
    "provider": "the DNS host, against discovery",
    "account": "the account at the host: [accounts.NAME] of wixsend.toml",
    "dmarc": "what happens to an existing DMARC policy: keep, replace or stop",
    "note": "whatever you want to read in the report",
}
"""The columns that mean something, in any order; only `domain` is needed. Case, blanks and hyphens in a heading make no difference."""

_DMARC = frozenset({"", "keep", "replace", "stop"})
_SITE = re.compile(r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)
_DELIMITERS = (",", ";", "\t", "|")
_EXAMPLE = "Its first line names the columns, such as: domain,site_id,note"


@dataclass(frozen=True, slots=True)
class Row:
    """One line that can be worked on. `cells` are those of the input, one for each of the sheet's columns; `line` is where it begins."""

    line: int
    domain: SendingDomain
    site_id: str = ""
    wix: str = ""
    provider: str = ""
    account: str = ""
    dmarc: str = ""
    cells: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Fault:
    """Something to say about a line: why it cannot be worked on, or what was understood differently."""

    line: int
    reason: str


@dataclass(frozen=True, slots=True)
class Sheet:
    """What was read: `form` says as what, `faults` are the lines that are not among `rows`.

    `columns` are the headings in the input's order; blank ones, and those that are there twice, are told apart.
    """

    form: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...] = ()
    faults: tuple[Fault, ...] = ()
    remarks: tuple[Fault, ...] = ()


def read_sheet(data: bytes) -> Sheet:
    """The rows of a file, and everything that is wrong with others. Raises `ConfigError` for what is no such file at all."""
    text, encoding = _decoded(data)
    begin = text.lstrip()[:1]
    if not begin:
        raise ConfigError("the list of domains is empty", _EXAMPLE)
    if begin == "[":
        raise ConfigError("the list of domains is a JSON array, and is read as one object a line", "Turn it into lines: jq -c '.[]' FILE")
    raw = _json_lines(text) if begin == "{" else _csv(text)
    reading = _Reading(raw.columns, list(raw.remarks))
    if encoding == "Windows-1252":
        reading.remarks.append(Fault(1, "the file is not UTF-8, and was read as Windows-1252: check the letters outside ASCII"))
    for line, cells in raw.rows:
        if isinstance(cells, str):
            reading.faults.append(Fault(line, cells))
        else:
            reading.take(line, cells)
    columns = tuple(raw.columns)
    rows = tuple(_widened(row, len(columns)) for row in reading.rows)
    return Sheet(f"{raw.form}, {encoding}", columns, rows, tuple(reading.faults), tuple(reading.remarks))


def _widened(row: Row, wide: int) -> Row:
    """The row with a cell for each column: those of JSON Lines are known when the last line was read."""
    missing = wide - len(row.cells)
    return replace(row, cells=(*row.cells, *[""] * missing)) if missing else row


# -- rows --------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Reading:
    """What has been read so far."""

    columns: list[str]
    remarks: list[Fault]
    rows: list[Row] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    _names: list[str] = field(default_factory=list)
    _seen: dict[tuple[str, str, str], int] = field(default_factory=dict)

    def take(self, line: int, cells: list[str]) -> None:
        """A row, a fault, or nothing for a line of blanks."""
        if not any(cell.strip() for cell in cells):
            return
        self._names += map(_known, self.columns[len(self._names) :])
        known = {name: cell.strip() for name, cell in zip(self._names, cells, strict=False)}
        reason = next((reason for wrong in _CHECKS if (reason := wrong(known))), "")
        try:
            domain = parse_sending_domain(known.get("domain", ""))
        except BadDomain as wrong:
            reason = reason or f"{wrong.happened}. {wrong.next_step}"
        else:
            reason = reason or self._again(line, domain, known)
        if reason:
            self.faults.append(Fault(line, reason))
            return
        if domain.remark:
            self.remarks.append(Fault(line, domain.remark))
        told = {name: known.get(name, "") for name in ("site_id", "wix", "provider", "account")}
        self.rows.append(Row(line, domain, **told, dmarc=known.get("dmarc", "").lower(), cells=tuple(cells)))

    def _again(self, line: int, domain: SendingDomain, known: Mapping[str, str]) -> str:
        name = domain.ascii
        if name in PUBLIC_MAILBOX_DOMAINS:
            return f"{name} is a public mailbox domain: there is nothing to authenticate"
        first = self._seen.setdefault((name, known.get("site_id", "").lower(), known.get("wix", "")), line)
        return "" if first == line else f"{name} is there already, in line {first}"


type _Known = Mapping[str, str]

_CHECKS: tuple[Callable[[_Known], str], ...] = (
    lambda known: "" if known.get("domain") else "the column domain is empty",
    lambda known: "" if known.get("dmarc", "").lower() in _DMARC else f"dmarc is {known['dmarc']!r}, and can be keep, replace or stop",
    lambda known: (
        "" if not known.get("site_id") or _SITE.match(known["site_id"]) else f"site_id is {known['site_id']!r}, which is no id of a site"
    ),
)
"""What a row must have, in the order in which it is asked: the reason why it has not, empty when it has."""


def _known(heading: str) -> str:
    """The column that a heading means: `Site-ID`, `site id` and `siteId` are `site_id`; others are what they are."""
    plain = re.sub(r"[\W_]", "", heading).lower()
    return _PLAIN.get(plain, heading)


_PLAIN: Mapping[str, str] = {name.replace("_", ""): name for name in COLUMNS}


def _headings(columns: Sequence[str]) -> tuple[Fault, ...]:
    """Remarks on headings that look like a slip. Raises `ConfigError` for a column that is there twice."""
    meant = [_known(heading) for heading in columns]
    twice = [name for name in COLUMNS if meant.count(name) > 1]
    if twice:
        raise ConfigError(f"the list of domains has the column {twice[0]} more than once", "Rename or remove one of them.")
    near = {heading: difflib.get_close_matches(heading.lower(), COLUMNS, 1, 0.75) for heading in columns if _known(heading) not in COLUMNS}
    return tuple(
        Fault(1, f"the column {heading!r} means nothing to wixsend and goes into the report as it is; did you mean {found[0]}?")
        for heading, found in near.items()
        if found
    )


# -- text --------------------------------------------------------------------------------------------------------------

_BOMS = ((b"\xef\xbb\xbf", "UTF-8"), (b"\xff\xfe", "UTF-16-LE"), (b"\xfe\xff", "UTF-16-BE"))
_FOREIGN = (
    (b"PK\x03\x04", "an Excel or LibreOffice workbook"),
    (b"\xd0\xcf\x11\xe0", "an old Excel workbook"),
    (b"%PDF", "a PDF"),
    (b"\x1f\x8b", "a compressed file"),
)


def _decoded(data: bytes) -> tuple[str, str]:
    """The text, and the encoding that it was in."""
    for magic, what in _FOREIGN:
        if data.startswith(magic):
            raise ConfigError(f"the list of domains is {what}", "Save it as CSV (in Excel: CSV UTF-8), and give that.")
    for bom, encoding in _BOMS:
        if data.startswith(bom):
            return _strictly(data[len(bom) :], encoding), encoding
    for place, encoding in ((1, "UTF-16-LE"), (0, "UTF-16-BE")):
        if data[place:200:2].count(0) > len(data[:200]) // 4:
            return _strictly(data, encoding), encoding
    try:
        return _strictly(data, "UTF-8"), "UTF-8"
    except UnicodeDecodeError:
        return data.decode("cp1252", errors="replace"), "Windows-1252"


def _strictly(data: bytes, encoding: str) -> str:
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError:
        if encoding == "UTF-8":
            raise
        raise ConfigError(f"the list of domains begins as {encoding}, and is not", "Save it as UTF-8.") from None
    if "\0" in text:
        raise ConfigError("the list of domains is no text", "Save it as CSV, UTF-8.")
    return text


# -- forms -------------------------------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Raw:
    """Lines before anybody looks at what is in them: cells, or why there are none. `columns` may grow until the last one is read."""

    form: str
    columns: list[str]
    remarks: tuple[Fault, ...]
    rows: Iterator[tuple[int, list[str] | str]]


def _csv(text: str) -> _Raw:
    first, _, rest = text.partition("\n")
    begin, delimiter = 1, _delimiter(first)
    if re.fullmatch(r"\s*\"?sep=.\"?\s*", first, re.IGNORECASE):  # Excel's own way to say it
        begin, text = 2, rest
        delimiter = first.strip().strip('"')[-1]
    rows = _csv_rows(text, delimiter, begin)
    form = {",": "CSV", "\t": "tab-separated"}.get(delimiter, f"CSV with {delimiter}")
    line, head = next((row for row in rows if isinstance(row[1], str) or any(cell.strip() for cell in row[1])), (1, [""]))
    if isinstance(head, str):
        raise ConfigError(f"line {line} of the list of domains cannot be read: {head}", _EXAMPLE)
    head = [cell.strip() for cell in head]
    if "domain" in map(_known, head):
        return _Raw(form, _told_apart(head), _headings(head), _squared(rows, len(head)))
    if len(head) == 1 and _is_domain(head[0]):
        return _Raw("one domain a line", ["domain"], (), _chained((line, head), _squared(rows, 1)))
    near = [heading for heading in head if difflib.get_close_matches(heading.lower(), ["domain"], 1, 0.5)]
    step = f"Call the column {near[0]!r} domain." if near else _EXAMPLE
    raise ConfigError(f"the list of domains has no column domain; its first line has: {', '.join(head)[:200]}", step)


def _told_apart(head: Sequence[str]) -> list[str]:
    """Headings that differ from each other: a blank one is called by its place, one that is there again gets a number."""
    named: list[str] = []
    for place, heading in enumerate(head, 1):
        heading = heading or f"column {place}"
        named.append(heading if heading not in named else next(new for n in range(2, 10**6) if (new := f"{heading} ({n})") not in named))
    return named


def _delimiter(line: str) -> str:
    """The delimiter that the heading line has most of, outside quotation marks."""
    bare = re.sub(r'"[^"]*"', "", line)
    return max(_DELIMITERS, key=bare.count)


def _csv_rows(text: str, delimiter: str, begin: int) -> Iterator[tuple[int, list[str] | str]]:
    """Each row with the number of the line on which it begins."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    while True:
        line = reader.line_num + begin
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as wrong:
            unclosed = "unexpected end" in str(wrong)
            yield line, "a quotation mark is opened here and never closed" if unclosed else f"this is no CSV: {wrong}"
        else:
            yield line, cells


def _squared(rows: Iterator[tuple[int, list[str] | str]], wide: int) -> Iterator[tuple[int, list[str] | str]]:
    """Every row as wide as the headings: Excel leaves blank cells at the end out; more cells than headings are a fault."""
    for line, cells in rows:
        if isinstance(cells, str) or len(cells) == wide:
            yield line, cells
        elif any(cell.strip() for cell in cells[wide:]):
            yield line, f"there are {len(cells)} cells under {wide} headings: is a delimiter not in quotation marks?"
        else:
            yield line, [*cells[:wide], *[""] * (wide - len(cells))]


def _chained(first: tuple[int, list[str]], rest: Iterator[tuple[int, list[str] | str]]) -> Iterator[tuple[int, list[str] | str]]:
    yield first
    yield from rest


def _is_domain(written: str) -> bool:
    try:
        return bool(parse_sending_domain(written))
    except BadDomain:
        return False


def _json_lines(text: str) -> _Raw:
    """One object a line; columns are keys, in the order in which they first come."""
    columns: list[str] = []
    places: dict[str, int] = {}

    def rows() -> Iterator[tuple[int, list[str] | str]]:
        for number, line in enumerate(io.StringIO(text), 1):
            if line.strip():
                yield number, cells(line)

    def cells(line: str) -> list[str] | str:
        try:
            value = json.loads(line)
        except (ValueError, RecursionError) as wrong:
            return f"this is no JSON: {wrong}"
        if not isinstance(value, dict):
            return "this is no JSON object"
        for key in value:
            if key not in places:
                places[key] = len(columns)
                columns.append(key)
        found = [""] * len(columns)
        for key, cell in value.items():
            found[places[key]] = _shown(cell)
        return found

    keys = [key for line in text.splitlines()[:1000] if line.strip()[:1] == "{" for key in _keys(line)]
    return _Raw("JSON Lines", columns, _headings(list(dict.fromkeys(keys))), rows())


def _keys(line: str) -> list[str]:
    try:
        return [*json.loads(line)]
    except (ValueError, RecursionError):
        return []


def _shown(value: Any) -> str:
    return value if isinstance(value, str) else "" if value is None else json.dumps(value, ensure_ascii=False)
