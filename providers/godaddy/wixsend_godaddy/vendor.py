"""What both of GoDaddy's APIs have in common: how they say no, which names may stand in a path, which domains may be written."""

import json
import re
from collections.abc import Callable, Sequence
from typing import Any

import httpx

from wixsend import Credentials, CredentialsMissing, EditRejected, ErrorRule, Name, ProviderError, Unavailable, absolute, text
from wixsend_godaddy import NAME_SERVERS

__all__ = [
    "APEX",
    "AT_THE_END",
    "BUSY",
    "MINUTE",
    "SAID",
    "GoDaddyError",
    "NotAllowed",
    "credential",
    "domain_text",
    "error_of",
    "field_of",
    "is_name",
    "json_of",
    "problem",
    "rule",
]

APEX = r"(?:[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
"""A pattern of the domains that may stand in a path."""

MINUTE = 60.0
"""The window of GoDaddy's rate limit: what to wait when it does not say."""

BUSY = 15.0
"""How long to leave a zone alone that GoDaddy itself is still changing (409), in seconds."""

SAID = 300
"""How many characters of a request that was stopped are shown."""

_CREDENTIAL = re.compile(r"[!-9;-~]+")


class GoDaddyError(Exception):
    """An answer of GoDaddy's that is an error, with everything that it says.

    `status` is HTTP's; `code` GoDaddy's, empty when the answer is not GoDaddy's own (a proxy's page); `fields` what it finds wrong
    with which field, as `(path, code, message)`; `retry_after` the seconds it asks to wait; `verb` what was asked.
    """

    def __init__(
        self,
        verb: str,
        status: int,
        code: str = "",
        message: str = "",
        fields: tuple[tuple[str, str, str], ...] = (),
        retry_after: float | None = None,
    ) -> None:
        details = "; ".join(" ".join(part for part in field if part) for field in fields)
        said = " ".join(part for part in (code, message, f"({details})" if details else "") if part)
        super().__init__(f"HTTP {status} {said}".rstrip())
        self.verb = verb
        self.status = status
        self.code = code
        self.fields = fields
        self.retry_after = retry_after

    @property
    def refused(self) -> bool:
        """True when this is a no to the request itself, not a failure on the way to an answer (408 is one)."""
        return 400 <= self.status < 500 and self.status != 408

    def says(self, code: str) -> bool:
        """True when GoDaddy gives this code, in whatever case, for the whole request or for one of its fields."""
        return code.casefold() in {self.code.casefold(), *(field_code.casefold() for _path, field_code, _message in self.fields)}


class NotAllowed(RuntimeError):
    """A request that the approved edit does not need was stopped before it was sent: a defect of ours or of the SDK's."""


def rule(
    when: Callable[[GoDaddyError], bool], becomes: type[ProviderError], why: str, next_step: str = "", wait: float | None = None
) -> ErrorRule:
    """A row of an adapter's table for an answer of GoDaddy's; `wait` is for answers that do not say how long."""
    return ErrorRule(GoDaddyError, becomes, when, why, next_step, retry_after=lambda error: error.retry_after or wait)


AT_THE_END: tuple[ErrorRule, ...] = (
    rule(lambda _: True, Unavailable, "it could not answer"),
    ErrorRule(NotAllowed, EditRejected, why="stopped by wixsend itself", next_step="This is a defect: report it, with this message."),
    ErrorRule(httpx.TimeoutException, Unavailable, says=lambda error: f"no answer in time ({type(error).__name__})"),
    ErrorRule(httpx.HTTPError, Unavailable, says=lambda error: f"no answer ({type(error).__name__}: {error})"),
    ErrorRule((ValueError, KeyError, TypeError), Unavailable, why="an answer that is not of the form that was agreed"),
)
"""The last rows of both tables: what no row before them has told."""


def error_of(verb: str, response: httpx.Response) -> GoDaddyError:
    """The error that an answer is. Version 1 calls its code `code` and lists `fields`; version 3 says `name` and `details`."""
    answer = json_of(response.content)
    fields = [
        each
        for name in ("fields", "details")
        if isinstance(found := field_of(answer, name), list)
        for each in found
        if isinstance(each, dict)
    ]
    headers = ("retry-after", "ratelimit-reset") if response.status_code == 429 else ("retry-after",)
    waits = (_seconds(field_of(answer, "retryAfterSec")), *(_seconds(response.headers.get(name)) for name in headers))
    return GoDaddyError(
        verb,
        response.status_code,
        _words(answer, "code", "name"),
        _words(answer, "message"),
        tuple((_words(f, "path", "field"), _words(f, "code", "issue"), _words(f, "message", "description")) for f in fields),
        next((wait for wait in waits if wait), None),
    )


def credential(credentials: Credentials, name: str, next_step: str) -> str:
    """A credential that may stand in a header. Raises `CredentialsMissing` for one that is empty, or has what none of GoDaddy's has."""
    value = credentials.get(name, "").strip()
    if not value:
        raise CredentialsMissing(f"GoDaddy: the credential {name!r} is empty", next_step)
    if not _CREDENTIAL.fullmatch(value):
        raise CredentialsMissing(f"GoDaddy: the credential {name!r} has characters that no credential of GoDaddy's has", next_step)
    return value


def domain_text(apex: Name) -> str:
    """The apex as it stands in paths. Raises `EditRejected` for what is no domain that GoDaddy could hold."""
    domain = text(apex)
    if not re.fullmatch(APEX, domain):
        raise EditRejected(f"GoDaddy: {domain!r} is not a domain name that it could hold")
    return domain


def problem(status: str, servers: Sequence[Name]) -> str:
    """Why a domain of the account must not be written, in words for a person; empty when it may."""
    if status != "ACTIVE":
        return f"GoDaddy calls the domain {status}: it takes no edits of a domain that is not ACTIVE"
    ours = tuple(absolute(suffix) for suffix in NAME_SERVERS)
    if servers and not any(server.is_subdomain(suffix) for server in servers for suffix in ours):
        return f"the domain's name servers are not GoDaddy's ({', '.join(map(text, servers))}): nobody sees what is written here"
    return ""


def is_name(written: Any, name: Name) -> bool:
    """True for a text that is this name."""
    try:
        return isinstance(written, str) and absolute(written) == name
    except ValueError:
        return False


def field_of(answer: Any, name: str) -> Any:
    """A field of an answer; `None` where it has none of that name, or is no object."""
    return answer.get(name) if isinstance(answer, dict) else None


def json_of(body: bytes) -> Any:
    """The body's JSON, `None` when it is none."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _words(answer: Any, *names: str) -> str:
    """The first of these fields that is a text."""
    return next((said for name in names if isinstance(said := field_of(answer, name), str)), "")


def _seconds(said: Any) -> float | None:
    """A number of seconds to wait, in digits or as a number, within a day; `None` for everything else."""
    if isinstance(said, str) and re.fullmatch(r"\d{1,5}", said):
        said = int(said)
    return float(said) if type(said) in (int, float) and 0 < said <= 86400 else None
