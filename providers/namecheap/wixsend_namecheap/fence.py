"""What fences namecheap-python 4.0.0 in: its `_request` is used, and nothing else of it can reach the network or the key.

What the SDK does on its own, and what stands in the way here (all seen in its source):

- It sends the API key in the query of a GET, logs it at DEBUG and keeps it in `config`. Here the SDK is never told the key: the form
  POST that `FormClient` makes of its GET gets the key at the last moment.
- `dns.add`, `dns.set` and `dns.delete` rewrite a zone from an answer that they do not check, and never send `EmailType`. Here four
  commands may pass, and a setHosts only whole: with `EmailType` and at least one host.
- `Namecheap()` reads the environment and opens a client that obeys the environment's proxies; without `client_ip`, it asks
  api.ipify.org for it. Here it is built from values, on the core's client.
- `NamecheapError.__init__` asks api.ipify.org when the error is about the client's IP address, and its handler prints to the terminal.
  Here an answer that holds an error is raised as `ApiError` before the SDK sees it, so that no `NamecheapError` is ever made.
- It takes any status but "ERROR" for success, and an answer without the envelope for an empty one. Here the envelope must say OK.
- Importing it puts a handler on the logger `namecheap`, which prints to the terminal. Here it is taken off again.

The private members that this leans on have contract tests in `tests/test_fence.py`; the SDK is pinned to the one version they hold for.
"""

import logging
from typing import Any
from xml.parsers.expat import ExpatError

import httpx
import xmltodict
from namecheap import Namecheap
from namecheap.models import Config
from rich.logging import RichHandler

from wixsend import Credentials, Wire

__all__ = ["GET_HOSTS", "GET_INFO", "GET_LIST", "SET_HOSTS", "Account", "ApiError", "BadAnswer", "Forbidden", "FormClient", "HttpError"]

GET_INFO = "namecheap.domains.getInfo"
GET_LIST = "namecheap.domains.getList"
GET_HOSTS = "namecheap.domains.dns.getHosts"
SET_HOSTS = "namecheap.domains.dns.setHosts"

_ALLOWED = frozenset({GET_INFO, GET_LIST, GET_HOSTS, SET_HOSTS})

_NOT_THE_KEY = "held-by-the-fence"
"""What the SDK takes for the API key: it ends up in its logs and its `config`, and nowhere on the wire."""

_LARGEST = 4 * 1024 * 1024
_MOST_TAGS = 20_000
"""Bounds on an answer, far over the 150 hosts that a zone can have: expat takes seconds over megabytes of nested tags."""


class ApiError(Exception):
    """The API answered with an error: its `number` and its words."""

    def __init__(self, number: str, message: str) -> None:
        super().__init__(f"{message} (error {number})")
        self.number = number


class HttpError(Exception):
    """An HTTP status other than 200; Namecheap's own errors come with 200. `retry_after` in seconds where a header says it."""

    def __init__(self, status: int, retry_after: float | None) -> None:
        super().__init__(f"HTTP {status}")
        self.status = status
        self.retry_after = retry_after


class BadAnswer(Exception):
    """An answer that is not what the API promises."""


class Forbidden(Exception):
    """The SDK wanted to send what must not be sent; it was not sent."""


class FormClient:
    """Stands where the SDK has its HTTP client: each GET becomes a form POST to the wire's base URL, with the key put in."""

    def __init__(self, wire: Wire, api_key: str) -> None:
        self._http = wire.client()
        self._url = f"{wire.base_url.rstrip('/')}/xml.response"
        self._api_key = api_key

    def get(self, url: str, *, params: dict[str, str]) -> httpx.Response:
        """The answer to one command, only if it is well-formed and says OK; `url` (the SDK's own) is not used."""
        _may_be_sent(params)
        response = self._http.post(self._url, data={**params, "ApiKey": self._api_key})
        if response.status_code != 200:
            raise HttpError(response.status_code, _seconds(response.headers.get("retry-after", "")))
        response.encoding = "utf-8"  # the only one that the API uses; httpx would take any codec that a header names, bz2 included
        _must_say_ok(response.text)
        return response

    def close(self) -> None:
        self._http.close()


class Account(Namecheap):  # type: ignore[misc]
    """The official client, built from values, on `FormClient`. `ask` and `ask_whole` are the ways to use it."""

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        # Not super().__init__: that reads the environment and opens a client of its own.
        username = credentials["username"]
        self.config = Config(
            api_key=_NOT_THE_KEY,
            username=username,
            api_user=credentials.get("api_user") or username,
            client_ip=credentials["client_ip"],
        )
        self._client = FormClient(wire, credentials["api_key"])

    def ask(self, command: str, params: dict[str, str], result: str) -> dict[str, Any]:
        """The element `result` of the answer to a command, as xmltodict gives it: attributes are keys that begin with `@`."""
        found = self.ask_whole(command, params).get(result)
        if not isinstance(found, dict):
            raise BadAnswer(f"the answer has no {result}")
        return found

    def ask_whole(self, command: str, params: dict[str, str]) -> dict[str, Any]:
        """All elements of the answer to a command."""
        try:
            answer: dict[str, Any] = self.dns._request(command, params)
        except RecursionError:
            raise BadAnswer("the answer is nested too deep") from None
        return answer

    def close(self) -> None:
        self._client.close()


def _may_be_sent(params: dict[str, str]) -> None:
    command = params.get("Command")
    if command not in _ALLOWED:
        raise Forbidden(f"the command {command} is not one that wixsend uses")
    if command == SET_HOSTS and not (params.get("EmailType") and params.get("HostName1")):
        raise Forbidden("a setHosts without EmailType, or without hosts, would lose mail settings or the whole zone")


def _must_say_ok(text: str) -> None:
    if len(text) > _LARGEST or text.count("<") > _MOST_TAGS:
        raise BadAnswer("the answer is larger than any zone can be")
    if "<!DOCTYPE" in text:
        raise BadAnswer("the answer declares a document type, which the API never does")
    try:
        parsed = xmltodict.parse(text)
    except (ExpatError, ValueError):
        raise BadAnswer("the answer is not the XML that the API speaks" if text.strip() else "the answer is empty") from None
    envelope = parsed.get("ApiResponse")
    status = envelope.get("@Status") if isinstance(envelope, dict) else None
    if not isinstance(status, str):
        raise BadAnswer("the answer has no ApiResponse with a Status")
    if status.upper() == "ERROR":
        raise _error(envelope)
    if status.upper() != "OK":
        raise BadAnswer(f"the answer says neither OK nor ERROR, but {status[:40]!r}")
    if not isinstance(envelope.get("CommandResponse"), dict):
        raise BadAnswer("the answer has no CommandResponse")


def _error(envelope: dict[str, Any]) -> ApiError:
    """The first error of an answer: Namecheap usually gives one."""
    errors = envelope.get("Errors")
    found = errors.get("Error") if isinstance(errors, dict) else None
    first = found[0] if isinstance(found, list) else found
    if isinstance(first, dict):
        return ApiError(str(first.get("@Number", "without a number")), str(first.get("#text", "no message")))
    return ApiError("without a number", str(first or "no message"))


def _seconds(header: str) -> float | None:
    return float(header) if header.isascii() and header.isdigit() else None


def _unhook_logging() -> None:
    """Take the SDK's handler and level off its logger: what it logs goes where the application sends logs."""
    logger = logging.getLogger("namecheap")
    for handler in [handler for handler in logger.handlers if isinstance(handler, RichHandler)]:
        logger.removeHandler(handler)
    logger.setLevel(logging.NOTSET)


_unhook_logging()
