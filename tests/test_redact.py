"""Floor 0: no secret and no terminal escape gets through."""

import base64
import html
import io
import json
import logging
from collections.abc import Callable
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixsend.redact import LONGEST, Redactor, visible

KEY = 's3cr&t "t0ken"/é+1'


@given(st.text(min_size=6, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_a_known_secret_is_in_no_text(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.learn("X", secret)
    cleaned = redactor.clean(before + secret + after)
    assert secret not in cleaned.replace("[X]", "")


@pytest.mark.parametrize(
    "encoded",
    [
        lambda text: quote(text),
        lambda text: quote(text, safe="").lower(),
        json.dumps,
        lambda text: json.dumps(text, ensure_ascii=False),
        repr,
        html.escape,
        lambda text: base64.b64encode(text.encode()).decode(),
        lambda text: base64.urlsafe_b64encode(text.encode()).decode(),
    ],
)
@pytest.mark.parametrize("before", ["", "u", "me", "you"])
def test_every_form_in_which_a_secret_may_come_back_is_known(encoded: Callable[[str], str], before: str) -> None:
    redactor = Redactor()
    redactor.learn("KEY", KEY)
    shown = redactor.clean(f"<{encoded(f'{before}:{KEY}:end')}>")
    assert shown.count("[KEY]") == 1
    assert len(shown) < len("<you:[KEY]:end>") + 12


def test_terminal_escapes_are_made_visible() -> None:
    assert Redactor().clean("\x1b[2Jhello\x07\r\n") == "\\x1b[2Jhello\\x07\\x0d\n"


@given(st.text())
def test_what_is_not_printable_is_written_out_and_nothing_else_changes(text: str) -> None:
    assert visible(text).isprintable()
    if text.isprintable():
        assert visible(text) == text


@pytest.mark.parametrize("sign", ["\x9b2J", "\u202e", "\u2066", "\u2028", "\udc9b", "\u200f", "\U000e0041", "\x85"])
def test_c1_controls_and_bidirectional_overrides_are_control_characters_too(sign: str) -> None:
    assert sign[0] not in Redactor().clean(f"a{sign}b")


def test_somebody_elses_words_are_one_line_cut_after_cleaning() -> None:
    redactor = Redactor()
    redactor.learn("KEY", "sesame-open-0123")
    assert redactor.line("one\n\t two\nwixsend: authenticated") == "one two wixsend: authenticated"
    said = redactor.said("x" * (LONGEST - 8) + "sesame-open-0123" + "y" * 9000)
    assert len(said) <= LONGEST + 1
    assert "sesame" not in said


def test_logs_are_cleaned_with_their_tracebacks_and_cannot_forge_lines() -> None:
    redactor, stream = Redactor(), io.StringIO()
    redactor.learn("KEY", "s3cret-token")
    logger = logging.getLogger("test-redact")
    logger.propagate = False
    handler = redactor.handler(stream)
    logger.addHandler(handler)
    try:
        raise RuntimeError("failed with s3cret-token")
    except RuntimeError:
        logger.exception("asked with %s\nwixsend: \x1b[1mdone", "s3cret-token")
    logger.error("malformed %s %s", "s3cret-token")  # noqa: PLE1206
    logger.removeHandler(handler)
    assert "s3cret-token" not in stream.getvalue()
    assert "RuntimeError: failed with [KEY]" in stream.getvalue()
    assert [line for line in stream.getvalue().splitlines() if not line.startswith("  ")] == ["test-redact ERROR: asked with [KEY]"]
    assert "\x1b" not in stream.getvalue()
