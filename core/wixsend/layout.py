"""Floor 6. How text is laid out for a terminal or a pipe: lines with a style, tables, moments and lengths of time. Pure.

Through a pipe there is no colour, and nothing is wrapped or cut. On a terminal that is too narrow for a table, the cells of a row stand
below each other.
"""

import textwrap
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

__all__ = ["Block", "Styled", "Table", "clock", "count", "render", "span", "stamp"]


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


type Block = Styled | Table

_SGR: Mapping[str, str] = {"": "", "good": "32", "bad": "31", "warn": "33", "quiet": "2", "head": "1"}
"""Styles, as ECMA-48 graphic renditions."""


def render(blocks: Iterable[Block], width: int | None, colour: bool, clean: Callable[[str], str]) -> str:
    """The blocks as text, each line ended by a newline. `width` in columns, `None` for a pipe.

    Every text goes through `clean`, which makes it one line.
    """
    lines: list[str] = []
    for block in blocks:
        lines.extend(_line(block, width, colour, clean) if isinstance(block, Styled) else _table(block, width, colour, clean))
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
