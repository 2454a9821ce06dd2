"""Floor 0. The one place where secrets are taken out of text before it reaches a person, a log, the journal or a report."""

import logging
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

__all__ = ["REFERENCES", "Redactor", "is_reference"]

_SHORTEST = 6

REFERENCES = ("env", "file", "keyring", "command")
"""The kinds of references by which the configuration names a secret that is kept elsewhere (see `wixsend.credentials`)."""


def is_reference(written: str) -> bool:
    """True for `KIND:PLACE` of one of the `REFERENCES`: it says where a secret is, and may be shown."""
    kind, _, place = written.partition(":")
    return kind in REFERENCES and bool(place)


class Redactor:
    """Knows this run's secret values and replaces them by `[NAME]`.

    Values are learnt by `learn`, as they are and percent-encoded. Those shorter than six characters are not replaced inside
    text (they would blot out ordinary words); no vendor issues such secrets.
    """

    def __init__(self) -> None:
        self._known: dict[str, str] = {}

    def learn(self, name: str, value: str) -> str:
        """Remember a secret value under a name that may be shown; returns the value."""
        for form in {value, quote(value, safe=""), quote_plus(value)}:
            if len(form) >= _SHORTEST:
                self._known[form] = name
        return value

    def clean(self, text: str) -> str:
        """The text with every known secret replaced, longest first, and control characters (terminal escapes) made visible."""
        for value in sorted(self._known, key=len, reverse=True):
            text = text.replace(value, f"[{self._known[value]}]")
        return "".join(c if c.isprintable() or c in "\n\t" else f"\\x{ord(c):02x}" for c in text)

    def clean_all(self, texts: Iterable[str]) -> list[str]:
        """`clean` for each."""
        return [self.clean(text) for text in texts]

    def filter(self) -> logging.Filter:
        """A logging filter that cleans every record, exceptions included, before any handler formats it."""
        redactor = self

        class _Clean(logging.Filter):
            def filter(self, record: logging.LogRecord) -> bool:
                record.msg, record.args = redactor.clean(record.getMessage()), None
                if record.exc_info:
                    record.exc_text = redactor.clean(logging.Formatter().formatException(record.exc_info))
                    record.exc_info = None
                return True

        return _Clean()
