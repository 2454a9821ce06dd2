"""Floor 0. The one place where secrets are taken out of text before it reaches a person, a log, the journal or a report.

Here too, what must not reach a terminal from elsewhere is made visible: control characters, C1 and bidirectional ones included.
"""

import base64
import html
import json
import logging
import re
from collections.abc import Iterator
from typing import IO
from urllib.parse import quote, quote_plus

__all__ = ["LONGEST", "REFERENCES", "Redactor", "is_reference", "visible"]

_SHORTEST = 6

LONGEST = 500
"""How many characters of somebody else's words are shown: they are cut only after they were cleaned, so that no half of a secret stays."""

REFERENCES = ("env", "file", "keyring", "command")
"""The kinds of references by which the configuration names a secret that is kept elsewhere (see `wixsend.credentials`)."""


def is_reference(written: str) -> bool:
    """True for `KIND:PLACE` of one of the `REFERENCES`: it says where a secret is, and may be shown."""
    kind, _, place = written.partition(":")
    return kind in REFERENCES and bool(place)


def visible(text: str) -> str:
    """The text with all that is not printable written out: terminal escapes, line breaks, bidirectional overrides, lone surrogates."""
    return text if text.isprintable() else "".join(c if c.isprintable() else _written_out(c) for c in text)


def _written_out(character: str) -> str:
    number = ord(character)
    return f"\\x{number:02x}" if number < 0x100 else f"\\u{number:04x}" if number < 0x10000 else f"\\U{number:08x}"


class Redactor:
    """Knows this run's secret values and replaces them by `[NAME]`.

    Values are learnt by `learn`, in every form in which something may give them back: as they are, percent-encoded, as JSON, Python, XML
    and HTML write them, and inside base64. Those shorter than six characters are not replaced inside text (they would blot out ordinary
    words); no vendor issues such secrets.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, name: str, value: str) -> str:
        """Remember a secret value under a name that may be shown; returns the value."""
        if len(value) >= _SHORTEST and self._known.get(value) != name:
            self._known |= dict.fromkeys(_forms(value), name)
        return value

    def holds(self, text: str) -> bool:
        """True when a known secret is in the text."""
        return any(value in text for value in self._known)

    def clean(self, text: str) -> str:
        """The text with every known secret replaced, longest first, and everything but line breaks and tabs made visible."""
        for value in sorted(self._known, key=len, reverse=True):
            text = text.replace(value, f"[{self._known[value]}]")
        return "".join(part if part in ("\n", "\t") else visible(part) for part in re.split(r"([\n\t])", text))

    def line(self, text: str) -> str:
        """`clean`, as one line: what comes from elsewhere cannot begin a line that looks like one of ours."""
        return re.sub(r"\s*[\n\t]\s*", " ", self.clean(text))

    def told(self, text: str) -> str:
        """`clean`, for a message of ours that may have several lines: those after the first are set in, so that none looks like another."""
        return re.sub(r"\n(?! {4})\s*", "\n    ", self.clean(text))

    def said(self, text: str, longest: int = LONGEST) -> str:
        """Somebody else's words as a message of ours may quote them: cleaned, in one line, at most `longest` characters."""
        words = visible(self.line(text).strip())
        return words if len(words) <= longest else f"{words[:longest]}…"

    def handler(self, stream: IO[str]) -> logging.Handler:
        """A logging handler that writes to a stream what may be seen of each record, exceptions included."""
        return _Handler(self, stream)


def _forms(value: str) -> Iterator[str]:
    """The ways in which a secret may come back. Each is as secret as the value itself."""
    octets = value.encode(errors="surrogateescape")
    yield value
    yield from (json.dumps(value)[1:-1], json.dumps(value, ensure_ascii=False)[1:-1], repr(value)[1:-1])
    yield from (html.escape(value), html.escape(value, quote=False))
    for encoded in (quote(octets), quote(octets, safe=""), quote_plus(octets)):
        yield encoded
        yield re.sub(r"%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)
    for before in range(3):  # base64 of a longer text holds it at one of three alignments; the characters at both ends belong to others too
        whole = base64.b64encode(bytes(before) + octets).decode()
        inner = whole[-(-before * 8 // 6) : (before + len(octets)) * 8 // 6]
        if len(inner) > _SHORTEST:
            yield from (inner, inner.translate({ord("+"): "-", ord("/"): "_"}))


class _Handler(logging.StreamHandler[IO[str]]):
    """Cleans what is formatted, tracebacks too. A record that cannot be formatted is dropped: logging would print it as it is."""

    def __init__(self, redactor: Redactor, stream: IO[str]) -> None:
        super().__init__(stream)
        self._redactor = redactor
        self.setFormatter(logging.Formatter("%(name)s %(levelname)s: %(message)s"))

    def format(self, record: logging.LogRecord) -> str:
        return self._redactor.told(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging's own name
        """Nothing."""
