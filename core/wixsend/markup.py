"""Floor 6. HTML that is made of plain text: whatever comes from elsewhere is made visible and escaped before it gets among it.

`element`, `joined` and `filled` take plain text for text, and let through as HTML only what was made here (`Html`).
"""

import base64
import hashlib
import html
from collections.abc import Iterable
from functools import cache
from importlib.resources import files
from string import Template

from wixsend.redact import visible

__all__ = ["Html", "asset", "element", "filled", "hash_of", "joined", "safe"]


class Html(str):
    """HTML that was made here. Any other text is escaped before it gets among it."""


def safe(value: str) -> Html:
    """The text as HTML that shows it, control characters and all."""
    return value if isinstance(value, Html) else Html(html.escape(visible(value)))


def joined(parts: Iterable[str]) -> Html:
    """One after the other, each on a line."""
    return Html("\n".join(map(safe, parts)))


def element(name: str, *inside: str, **attributes: str) -> Html:
    """An element with its content; underscores in names of attributes stand for hyphens, and end with one where Python needs it."""
    written = "".join(f' {key.rstrip("_").replace("_", "-")}="{safe(value)}"' for key, value in attributes.items())
    return Html(f"<{name}{written}>{''.join(map(safe, inside))}</{name}>")


def filled(template: str, **values: str) -> str:
    """A template, its `$names` filled."""
    return Template(template).substitute({name: safe(value) for name, value in values.items()})


@cache
def asset(name: str) -> Html:
    """A file of `templates/`."""
    return Html(files("wixsend").joinpath("templates", name).read_text(encoding="utf-8").strip())


def hash_of(text: str) -> Html:
    """The source expression of the policy that lets this script or style through, and no other."""
    return Html("sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode())
