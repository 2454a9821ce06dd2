"""Floor 0: no secret and no terminal escape gets through."""

import io
import logging

from hypothesis import given
from hypothesis import strategies as st

from wixsend.redact import Redactor


@given(st.text(min_size=6, max_size=40), st.text(max_size=40), st.text(max_size=40))
def test_a_known_secret_is_in_no_text(secret: str, before: str, after: str) -> None:
    redactor = Redactor()
    redactor.learn("X", secret)
    cleaned = redactor.clean(before + secret + after)
    assert secret not in cleaned.replace("[X]", "")


def test_encoded_forms_are_known_too() -> None:
    redactor = Redactor()
    redactor.learn("KEY", "a+b/c d=e")
    assert redactor.clean("key=a%2Bb%2Fc%20d%3De key=a%2Bb%2Fc+d%3De") == "key=[KEY] key=[KEY]"


def test_terminal_escapes_are_made_visible() -> None:
    assert Redactor().clean("\x1b[2Jhello\x07\r\n") == "\\x1b[2Jhello\\x07\\x0d\n"


def test_logs_are_cleaned_with_their_tracebacks() -> None:
    redactor, stream = Redactor(), io.StringIO()
    redactor.learn("KEY", "s3cret-token")
    handler = logging.StreamHandler(stream)
    handler.addFilter(redactor.filter())
    logger = logging.getLogger("test-redact")
    logger.propagate = False
    logger.addHandler(handler)
    try:
        raise RuntimeError("failed with s3cret-token")
    except RuntimeError:
        logger.exception("asked with %s", "s3cret-token")
    logger.removeHandler(handler)
    assert "s3cret-token" not in stream.getvalue()
    assert "RuntimeError" in stream.getvalue()
