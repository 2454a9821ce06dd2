"""Floor 6. How text is laid out for a terminal or a pipe: lines with a style, tables, moments and lengths of time. Pure.

Through a pipe there is no colour, and nothing is wrapped or cut. On a terminal that is too narrow for a table, the cells of a row stand
below each other.
"""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Block", "Grid", "Styled", "Table", "clock", "count", "render", "span", "stamp"]


@dataclass(frozen=True, slots=True)
class Styled:
    """One line of text, or one cell of a table, with the name of a style of `_SGR`.

    `turn` is the place at which a line that is too long for a terminal goes on below, 6 columns in; 0 breaks it between words.
    """

    text: str
    style: str = ""
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Table:
    """Rows under headings."""

    headings: Sequence[str]
    rows: Sequence[Sequence[str | Styled]]


@dataclass(frozen=True, slots=True)
class Grid:
    """One word for each row and column: rows have a label, and as many cells as there are headings, or none for a headline."""

    headings: Sequence[str]
    rows: Sequence[tuple[str | Styled, Sequence[Styled]]]


type Block = Styled | Table | Grid

_SGR: Mapping[str, str] = {"": "", "good": "32", "bad": "31", "warn": "33", "quiet": "2", "head": "1"}
"""Styles, as ECMA-48 graphic renditions."""


def render(blocks: Iterable[Block], width: int | None, colour: bool, clean: Callable[[str], str]) -> str:
    """The blocks as text, each line ended by a newline. `width` in columns, `None` for a pipe.

    Every text goes through `clean`, which makes it one line.
    """
    lines: list[str] = []
    for block in blocks:
        match block:
            case Styled():
                lines.extend(_line(block, width, colour, clean))
            case Table():
                lines.extend(_table(block, width, colour, clean))
            case Grid():
                lines.extend(_grid(block, width, colour, clean))
    return "".join(f"{line}\n" for line in lines)


def _paint(text: str, style: str, colour: bool) -> str:
    return f"\x1b[{_SGR[style]}m{text}\x1b[0m" if colour and _SGR[style] and text else text


def _line(line: Styled, width: int | None, colour: bool, clean: Callable[[str], str]) -> list[str]:
    text = clean(line.text)
    if width is None or len(text) <= width:
        return [_paint(text, line.style, colour)]
    if not line.turn:
        margin = " " * (len(text) - len(text.lstrip()) + 2)
        return [_paint(part, line.style, colour) for part in _wrapped(text, width, margin)]
    return [_paint(part, line.style, colour) for part in (text[: line.turn].rstrip(), " " * 6 + text[line.turn :].lstrip())]


def _table(table: Table, width: int | None, colour: bool, clean: Callable[[str], str]) -> list[str]:
    """Columns as wide as their widest cell, two blanks between; on a terminal that is too narrow, one cell below the other."""
    cells = [[(clean(c), "") if isinstance(c, str) else (clean(c.text), c.style) for c in row] for row in table.rows]
    widths = [max(len(text) for text in column) for column in zip(table.headings, *([c[0] for c in row] for row in cells), strict=True)]
    if width is not None and sum(widths) + 2 * (len(widths) - 1) > width:
        label = max(len(heading) for heading in table.headings)
        return [
            line
            for row in cells
            for line in (
                *(
                    _paint(part[: label + 2], "head", colour) + _paint(part[label + 2 :], style, colour)
                    for heading, (text, style) in zip(table.headings, row, strict=True)
                    if text
                    for part in _wrapped(f"{heading.ljust(label)}  {text}", width, " " * (label + 2))
                ),
                "",
            )
        ]
    rows = [[(heading, "head") for heading in table.headings], *cells]
    return [
        "  ".join(_paint(text.ljust(size), style, colour) for size, (text, style) in zip(widths, row, strict=True)).rstrip() for row in rows
    ]


_NARROWEST = 16
"""Columns below which the labels of a grid are no more put beside its cells."""


def _grid(grid: Grid, width: int | None, colour: bool, clean: Callable[[str], str]) -> list[str]:
    """A table whose labels may go on below; on a terminal that is too narrow, each row as the words in it and the columns they stand in."""
    cells = [[Styled(clean(cell.text), cell.style) for cell in row] for _label, row in grid.rows]
    labels = [Styled(clean(label), "") if isinstance(label, str) else Styled(clean(label.text), label.style) for label, _row in grid.rows]
    sizes = [max(len(heading), *(len(row[place].text) for row in cells if row), 0) for place, heading in enumerate(grid.headings)]
    widest = max((len(label.text) for label in labels), default=0)
    room = widest if width is None else min(widest, width - sum(size + 2 for size in sizes))
    if room < widest and (room < _NARROWEST or any(len(word) > room - 4 for label in labels for word in label.text.split())):
        return _stacked(grid.headings, labels, cells, width, colour)
    lines = [
        " " * room + "".join(f"  {_paint(heading.ljust(size), 'head', colour)}" for heading, size in zip(grid.headings, sizes, strict=True))
    ]
    for label, row in zip(labels, cells, strict=True):
        parts = [label.text] if len(label.text) <= room else _wrapped(label.text, room, " " * 4)
        beside = "".join(f"  {_paint(cell.text.ljust(size), cell.style, colour)}" for cell, size in zip(row, sizes, strict=False))
        lines.append(_paint(parts[0].ljust(room), label.style, colour) + beside)
        lines += [_paint(part, label.style, colour) for part in parts[1:]]
    return [line.rstrip() for line in lines]


def _stacked(
    headings: Sequence[str], labels: Sequence[Styled], cells: Sequence[Sequence[Styled]], width: int | None, colour: bool
) -> list[str]:
    lines: list[str] = []
    for label, row in zip(labels, cells, strict=True):
        lines += [_paint(part, label.style, colour) for part in _wrapped(label.text, width or 0, " " * 4)]
        words = dict.fromkeys(row)
        wide = max((len(word.text) for word in words), default=0)
        for word in words:
            columns = " ".join(heading for heading, cell in zip(headings, row, strict=True) if cell == word)
            lines.append(f"    {_paint(word.text.ljust(wide), word.style, colour)}  {columns}")
    return lines


def _wrapped(text: str, width: int, margin: str) -> list[str]:
    """The text in lines of at most `width`, broken between words only: a name or a target that is longer stays whole, to be copied."""
    return textwrap.wrap(
        text, width, subsequent_indent=margin, break_long_words=False, break_on_hyphens=False, replace_whitespace=False
    ) or [""]


def count(number: int, thing: str) -> str:
    """`1 record`, `4 records`."""
    return f"{number} {thing}{'' if number == 1 else 's'}"


def clock(at: float, now: float) -> str:
    """A moment as a person reads it: local time with its offset, and the day when it is not today's."""
    then, today = datetime.fromtimestamp(at).astimezone(), datetime.fromtimestamp(now).astimezone()
    shown = then.strftime("%H:%M:%S%z" if then.date() == today.date() else "%Y-%m-%d %H:%M:%S%z")
    return f"{shown[:-2]}:{shown[-2:]}"


def span(seconds: float) -> str:
    """A length of time in its two largest units: `45 s`, `12 min`, `3 h 20 min`, `2 d`."""
    left = max(0, round(seconds))
    parts = []
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60), ("s", 1)):
        if left >= size:
            parts.append(f"{left // size} {unit}")
            left %= size
    return " ".join(parts[:2]) or "0 s"


def stamp(at: float) -> str:
    """RFC 3339 in UTC, for JSON."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
