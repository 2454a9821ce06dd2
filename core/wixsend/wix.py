"""Floor 4. Wix's Sending Domains API: one HTTP request for each question, no retries (`wixsend.flow` decides when to ask again).

The API is a Developer Preview (facts: wix-api.md); three methods of it exist in public. What Wix answers is checked before anything
believes it; a 200 without the documented shape is as good as no answer.
"""

import asyncio
import json
import re
import time
from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import quote
from weakref import WeakValueDictionary

import httpx

from wixsend.errors import (
    BadDomain,
    CredentialsMissing,
    DomainNotOnSite,
    SenderDetailsMissing,
    Unavailable,
    WixAnswerRefused,
    WixCredentialsRejected,
    WixError,
    WixNotYet,
    WixPermissionMissing,
    WixRateLimited,
    WixUnavailable,
)
from wixsend.names import PUBLIC_MAILBOX_DOMAINS, SendingDomain, text
from wixsend.pooled import Pooled
from wixsend.provider import Rate
from wixsend.redact import Redactor
from wixsend.sending import WixDomain, wix_domain
from wixsend.wire import QUOTA, HttpWire

if TYPE_CHECKING:
    from wixsend.quota import Quota

__all__ = ["BASE_URL", "RATE", "Wix", "WixApiKey", "WixApp"]

BASE_URL = "https://www.wixapis.com"

_PATH = "/sending-domains/v1/sending-domains"
RATE = Rate(200, 60.0)
"""Facts §4: 200 requests a minute for each instance of an app, so for each site; how that maps to API keys is not said."""

_WAIT = 60.0
"""Wix's advice after a 429, in seconds (facts §4); it documents no Retry-After, which is honoured where it comes."""

_LONGEST_WAIT = 86400.0
_EARLY = 300.0
"""How many seconds before its end a token is no longer used: it must outlive the request, and clocks differ."""

_GUID = re.compile(r"\A[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\Z", re.IGNORECASE)

_PAGE = 50
"""The most sending domains in one answer (facts §1.2)."""

_NOBODY = "00000000-0000-4000-8000-000000000000"
"""The id of no sending domain: asking for it tells whether the credentials are taken."""


@dataclass(frozen=True, slots=True)
class WixApiKey:
    """Who asks: an API key that was made in the account that owns the site, and the site's id.

    Raises `CredentialsMissing` for what cannot be a key or an id, without showing it.
    """

    key: str = field(repr=False)
    site_id: str

    def __post_init__(self) -> None:
        _must_be_sendable("API key", self.key, "api_key", "WIXSEND_WIX_API_KEY")
        _must_be_sendable("site id", self.site_id, "site_id", "WIXSEND_WIX_SITE_ID")
        if not _GUID.match(self.site_id):  # it is shown in messages: a key in its place must not be
            raise CredentialsMissing(
                "the Wix site id is no id of a site, which has the form 01234567-89ab-cdef-0123-456789abcdef",
                "Check WIXSEND_WIX_SITE_ID, or site_id in [wix] of wixsend.toml: was it swapped with the API key? "
                "The id follows /dashboard/ in the dashboard's URL.",
            )


@dataclass(frozen=True, slots=True)
class WixApp:
    """Who asks: a Wix app, in its installation (`instance_id`) on the site. Raises `CredentialsMissing` as `WixApiKey` does.

    Its three values look alike and may be swapped, so none of them is ever shown.
    """

    app_id: str = field(repr=False)
    app_secret: str = field(repr=False)
    instance_id: str = field(repr=False)

    def __post_init__(self) -> None:
        _must_be_sendable("app id", self.app_id, "app_id", "WIXSEND_WIX_APP_ID")
        _must_be_sendable("app secret", self.app_secret, "app_secret", "WIXSEND_WIX_APP_SECRET")
        _must_be_sendable("instance id", self.instance_id, "instance_id", "WIXSEND_WIX_INSTANCE_ID")


def _must_be_sendable(label: str, value: str, setting: str, variable: str) -> None:
    """A header takes printable ASCII only; an HTTP library would refuse anything else with the value in its message."""
    if not value:
        raise CredentialsMissing(f"the Wix {label} is empty", f"Set it: {variable}, or {setting} in [wix] of wixsend.toml.")
    if not (value.isascii() and value.isprintable()) or " " in value:
        raise CredentialsMissing(
            f"the Wix {label} holds blanks, line breaks or characters outside ASCII, so it was not copied whole or has something around it",
            f"Copy it anew, alone (no Bearer, no quotes): {variable}, or {setting} in [wix] of wixsend.toml.",
        )


@dataclass(frozen=True, slots=True)
class _Call:
    """One method of the API: what Wix is asked, in words that follow `asked`, and the permission that it takes."""

    asked: str
    permission: str


_READ = "Read Sending Domains (SCOPE.SENDING-DOMAINS.READ)"
_MANAGE = "Manage Sending Domains (SCOPE.SENDING-DOMAINS.MANAGE)"
_QUERY = _Call("for the sending domain", _READ)
_GET = _Call("for the sending domain's status", _READ)
_AUTHENTICATE = _Call("to authenticate the sending domain", _MANAGE)
_TOKEN = _Call("for an app's token", "")

_SENDER_DETAILS = """\
Wix gives this one answer for several causes; go through them in this order.
(1) The site has no sender details with an address on this domain: in the site's dashboard add such an address, verify it, make it a sender.
(2) The credentials are for another site: the site id (or the app's instance) must be of the site whose dashboard shows this address.
(3) The address is on another domain than this one (example.com is not mail.example.com), or on a public mailbox domain.
(4) Email Marketing is not active on the site.
(5) The API key was made in an account that does not own the site.
(6) It was also seen where sender details and even the records were there: then only Wix's support can tell why."""
_NETWORK = """\
Check that this machine has a network and reaches www.wixapis.com (a proxy? a captive portal? see [http] in wixsend.toml), and look at \
Wix's status page; then run the same command again."""
_CHECK_KEY = """\
Check the header Authorization: it must be the whole API key as manage.wix.com/account/api-keys showed it when it was made, without \
Bearer or quotes, and not deleted since. It is set by WIXSEND_WIX_API_KEY, or api_key in [wix] of wixsend.toml."""
_CHECK_APP = """\
Check the header Authorization: Wix refused two tokens of the app, so the app may have been removed from the site. Check app_id, \
app_secret and instance_id in [wix] of wixsend.toml."""
_CHECK_GRANT = """\
Check the app's id and secret in Wix's dashboard for developers, and that instance_id is that of its installation on this site."""
_KEY_MAY = """\
Check three things. (1) The key has the permission {permission}: see manage.wix.com/account/api-keys. (2) The header wix-site-id holds the \
site's id (after /dashboard/ in the dashboard's URL), not an account's, and the key was made for all sites or for this one. (3) The key \
was made in the account that owns the site: a collaborator's key is not enough."""
_APP_MAY = "Give the app the permission {permission}, and let the site's owner agree to it by installing it anew."


class Wix:
    """Asks Wix for one site. Use as an asynchronous context manager, or `close` it. `calls` counts HTTP requests.

    `quota` is the site's, and kept to; `now` is the clock of app tokens, in seconds. Every method raises `WixCredentialsRejected`,
    `WixPermissionMissing`, `WixRateLimited`, `WixUnavailable`, and `WixError` for any other refusal. No secret is in any message.
    """

    def __init__(
        self,
        auth: WixApiKey | WixApp,
        base_url: str = BASE_URL,
        *,
        quota: "Quota | None" = None,
        now: Callable[[], float] = time.time,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        ca_file: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self._now = now
        self._wire = HttpWire(base_url, timeout=timeout, connect_timeout=connect_timeout, ca_file=ca_file, proxy=proxy)
        self._client = self._wire.async_client()
        self._pools = WeakValueDictionary[WixApiKey | WixApp, Pooled[str, Sequence[WixDomain]]]()  # each while somebody asks
        self._ask_as(auth, quota)

    def beside(self, auth: WixApiKey | WixApp, quota: "Quota | None" = None) -> "Wix":
        """Wix, asked for another site, with that one's quota: over the same connections. It is closed with this one."""
        other = copy(self)
        other._ask_as(auth, quota)
        return other

    def _ask_as(self, auth: WixApiKey | WixApp, quota: "Quota | None") -> None:
        self._auth = auth
        self._quota = quota
        self._redactor = Redactor()
        self._token = ""
        self._token_ends = 0.0
        self._token_lock = asyncio.Lock()
        if isinstance(auth, WixApiKey):
            self._redactor.learn("WIX_API_KEY", auth.key)
        else:
            for name in ("app_id", "app_secret", "instance_id"):
                self._redactor.learn(f"WIX_{name.upper()}", getattr(auth, name))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close the connections."""
        for pool in list(self._pools.values()):
            await pool.close()
        await self._client.aclose()

    @property
    def calls(self) -> int:
        """HTTP requests so far."""
        return self._wire.calls

    @property
    def quota(self) -> "Quota | None":
        """What the calls for this site are counted in."""
        return self._quota

    async def query(self, domain: SendingDomain) -> WixDomain:
        """The sending domain of that name on this site.

        Raises `BadDomain` for a public mailbox domain (without asking Wix), `SenderDetailsMissing`, `DomainNotOnSite`,
        and `WixAnswerRefused` for records that we will not write.
        """
        if domain.ascii in PUBLIC_MAILBOX_DOMAINS:
            raise BadDomain(
                f"{domain.ascii} is a public mailbox domain: for an address on it Wix sends from a domain of its own, with the address in "
                "Reply-To, so there is nothing to authenticate",
                "Use a sender address on a domain of your own.",
            )
        pool = self._pools.setdefault(self._auth, Pooled(self._all, _PAGE // 2))  # a page has room for each twice
        found = [one for one in await pool.answer(domain.ascii) if one.name == domain.name]
        if not found:
            raise DomainNotOnSite(
                f"Wix has no sending domain {domain.ascii} on {self._site}",
                "Add and verify a sender address on this domain in the site's dashboard, or check that the site is the right one.",
            )
        if len({one.id for one in found}) > 1:
            raise WixAnswerRefused(
                f"Wix has {len(found)} sending domains {domain.ascii} on {self._site}: {', '.join(one.id for one in found)}",
                "Ask Wix's support which of them counts; wixsend does not choose.",
            )
        return found[0]

    async def get(self, domain_id: str) -> WixDomain:
        """The sending domain of that id at Wix. Raises as `query` does."""
        return await self._one(_GET, "GET", domain_id)

    async def authenticate(self, domain_id: str) -> WixDomain:
        """Ask Wix to look at DNS and authenticate the domain. What comes is its status after the try: it may be the same as before.

        Raises `WixNotYet` for every 428, whatever its code says (facts §9: the code's name is in no text that was found).
        """
        return await self._one(_AUTHENTICATE, "POST", domain_id, "/authenticate")

    async def check(self) -> str:
        """Find out with one question whether Wix takes the credentials; says in a sentence what that proves. Raises as `query` does."""
        try:
            await self._listed({"id": _NOBODY})
        except SenderDetailsMissing:
            return f"Wix takes the credentials for {self._site}; it does not say yet whether they may read its sending domains"
        return f"Wix takes the credentials for {self._site}, and they may read its sending domains"

    # -- answers -------------------------------------------------------------------------------------------------------

    async def _all(self, domains: Sequence[str]) -> Sequence[Sequence[WixDomain] | Exception]:
        """What Wix has of each of these, with one question. Of which that says nothing, that one is asked for alone."""
        several = await self._several(domains) if len(domains) > 1 else ()
        held: dict[str, list[WixDomain]] = {domain: [] for domain in domains}
        for one in several:
            held.get(text(one.name), []).append(one)
        alone = [domain for domain, rows in held.items() if not rows]
        found = held | dict(zip(alone, await asyncio.gather(*map(self._alone, alone)), strict=True))
        return [found[domain] for domain in domains]

    async def _several(self, domains: Sequence[str]) -> Sequence[WixDomain]:
        """Nothing when one of them, maybe, is why Wix refuses, or has a row that is not sound: it could be that of any."""
        try:
            rows = await self._rows({"domain": {"$in": [*domains]}})
        except WixError as wrong:
            if type(wrong) in (WixError, SenderDetailsMissing):
                return ()
            raise
        try:
            return [self._parsed(_QUERY, row) for row in rows]
        except WixError:
            return ()

    async def _alone(self, domain: str) -> Sequence[WixDomain] | Exception:
        try:
            return await self._listed({"domain": domain})
        except WixError as wrong:
            return wrong

    async def _listed(self, only: Mapping[str, object]) -> list[WixDomain]:
        return [self._parsed(_QUERY, row) for row in await self._rows(only)]

    async def _rows(self, only: Mapping[str, object]) -> list[Any]:
        answer = await self._ask(_QUERY, "POST", f"{_PATH}/query", {"query": {"filter": dict(only)}})
        rows = answer.get("sendingDomains", [])
        # An empty list may be left out, beside its paging; an answer that is about something else says nothing of our domain.
        if "sendingDomains" not in answer and answer.keys() - {"pagingMetadata"}:
            raise _nonsense(_QUERY, "it is no list of sending domains")
        if not isinstance(rows, list):
            raise _nonsense(_QUERY, "sendingDomains is no list")
        if len(rows) > _PAGE:
            raise _nonsense(_QUERY, f"{len(rows)} sending domains for one question")
        return rows

    async def _one(self, call: _Call, method: str, domain_id: str, action: str = "") -> WixDomain:
        answer = await self._ask(call, method, f"{_PATH}/{quote(domain_id, safe='')}{action}")
        found = self._parsed(call, answer.get("sendingDomain"))
        if found.id != domain_id:
            raise _nonsense(call, f"it is about {found.id}, not about {domain_id}")
        return found

    # -- one request ---------------------------------------------------------------------------------------------------

    async def _ask(self, call: _Call, method: str, path: str, body: Mapping[str, Any] | None = None) -> Mapping[str, Any]:
        """The JSON object that Wix answers; everything else is raised. An app's token that is refused is fetched anew, once."""
        headers = await self._headers()
        response = await self._send(call, method, path, body, headers)
        if response.status_code == 401 and isinstance(self._auth, WixApp):
            headers = await self._headers(refused=headers["authorization"])
            response = await self._send(call, method, path, body, headers)
        if not response.is_success:
            raise self._refusal(call, response)
        answer = _object(call, response)
        if self._redactor.holds(response.content.decode(errors="replace")):
            raise _nonsense(call, "our own credentials are in it")
        return answer

    def _parsed(self, call: _Call, value: Any) -> WixDomain:
        try:
            return wix_domain(value)
        except ValueError as wrong:
            raise _nonsense(call, self._redactor.said(str(wrong))) from wrong

    async def _send(
        self, call: _Call, method: str, path: str, body: Mapping[str, Any] | None, headers: Mapping[str, str]
    ) -> httpx.Response:
        base = self._wire.base_url.rstrip("/")
        try:
            return await self._client.request(
                method,
                base + path,
                json=body,
                headers={"accept": "application/json", **headers},
                extensions={QUOTA: self._quota} if self._quota is not None else {},
            )
        except (httpx.RequestError, Unavailable) as wrong:
            why = self._redactor.said(self._broken(wrong))
            raise WixUnavailable(f"Wix was asked {call.asked} and did not answer: {why}", _NETWORK) from wrong

    def _broken(self, wrong: Exception) -> str:
        base = self._wire.base_url
        match wrong:
            case httpx.ConnectTimeout():
                return f"no connection to {base} within {self._wire.connect_timeout:g} s"
            case httpx.TimeoutException():
                return f"nothing from {base} within {self._wire.timeout:g} s"
            case httpx.ConnectError():
                return f"no connection to {base} ({wrong})"
            case Unavailable():  # what the wire does not let through
                return str(wrong)
            case _:
                return f"the connection to {base} broke ({type(wrong).__name__})"

    async def _headers(self, refused: str = "") -> dict[str, str]:
        """What tells Wix who asks: the raw key and the site, never an account beside it (facts §3.1); or an app's token."""
        if isinstance(self._auth, WixApiKey):
            return {"authorization": self._auth.key, "wix-site-id": self._auth.site_id}
        async with self._token_lock:
            if self._token in ("", refused) or self._now() >= self._token_ends:
                await self._fetch_token(self._auth)
            return {"authorization": self._token}

    async def _fetch_token(self, app: WixApp) -> None:
        grant = {
            "grant_type": "client_credentials",
            "client_id": app.app_id,
            "client_secret": app.app_secret,
            "instance_id": app.instance_id,
        }
        asked = self._now()
        response = await self._send(_TOKEN, "POST", "/oauth2/token", grant, {})
        if response.status_code in (400, 401, 403):
            raise WixCredentialsRejected(f"Wix gives the app no token ({self._said(response)})", _CHECK_GRANT)
        if not response.is_success:
            raise self._refusal(_TOKEN, response)
        answer = _object(_TOKEN, response)
        token, lasts = answer.get("access_token"), answer.get("expires_in")
        if not isinstance(token, str) or not token or not token.isascii() or not token.isprintable():
            raise _nonsense(_TOKEN, "access_token is missing or no token")
        if isinstance(lasts, bool) or not isinstance(lasts, int | float):
            raise _nonsense(_TOKEN, "expires_in is missing or no number")
        self._token = self._redactor.learn("WIX_TOKEN", token)
        self._token_ends = asked + lasts - min(_EARLY, lasts / 2)

    # -- refusals ------------------------------------------------------------------------------------------------------

    @property
    def _site(self) -> str:
        return f"site {self._auth.site_id}" if isinstance(self._auth, WixApiKey) else "the site of the app's instance"

    def _said(self, response: httpx.Response) -> str:
        """The status with Wix's own code and words, made safe to show."""
        told = (f"HTTP {response.status_code}", *_words(response))
        return self._redactor.said(", ".join(part for part in told if part), 300)

    def _refusal(self, call: _Call, response: httpx.Response) -> WixError:
        """Our error for an answer that is no success."""
        status = response.status_code
        when = f"when asked {call.asked} ({self._said(response)})"
        by_key = isinstance(self._auth, WixApiKey)
        wait = self._wait(response)
        if status == 401:
            who, check = ("API key", _CHECK_KEY) if by_key else ("app", _CHECK_APP)
            return WixCredentialsRejected(f"Wix does not take the {who} {when}", check)
        if status == 403:
            return WixPermissionMissing(
                f"Wix does not allow this on {self._site} {when}", (_KEY_MAY if by_key else _APP_MAY).format(permission=call.permission)
            )
        if status == 428 and call is _AUTHENTICATE:
            return WixNotYet(
                f"Wix does not authenticate the domain yet {when}",
                "It is asked again later: Wix advises an hour after the records were added.",
            )
        if status == 428:
            return SenderDetailsMissing(f"Wix does not let {self._site} see the sending domain {when}", _SENDER_DETAILS)
        if status == 429:
            wait = _WAIT if wait is None else wait
            if self._quota is not None:
                self._quota.pause(wait)
            return WixRateLimited(f"Wix had too many calls {when}", "It is asked again later.", retry_after=wait)
        if status >= 500 or "json" not in response.headers.get("content-type", ""):
            return WixUnavailable(f"Wix, or something in its place, failed {when}", _NETWORK, retry_after=wait)
        if status == 404 and call in (_GET, _AUTHENTICATE):
            return DomainNotOnSite(
                f"the sending domain is no longer on {self._site}: Wix does not know its id {when}",
                "Look into the site's dashboard: was the sender address removed? Running the command anew asks by the domain's name.",
            )
        return WixError(
            f"Wix refused {when}", "Its API is a Developer Preview and may have changed: look for a newer wixsend, or report it."
        )

    def _wait(self, response: httpx.Response) -> float | None:
        """The seconds that `Retry-After` asks for, as a number or a date; `None` without one that makes sense."""
        given = response.headers.get("retry-after", "").strip()
        try:
            seconds = float(given) if given.isdecimal() else parsedate_to_datetime(given).timestamp() - self._now()
        except (ValueError, OverflowError):
            return None
        return min(max(seconds, 0.0), _LONGEST_WAIT)


def _object(call: _Call, response: httpx.Response) -> Mapping[str, Any]:
    try:
        answer = json.loads(response.content)
    except (ValueError, RecursionError) as wrong:
        kind = response.headers.get("content-type", "nothing").partition(";")[0]
        raise _nonsense(call, f"{kind[:60]!r} instead of JSON") from wrong
    if not isinstance(answer, dict):
        raise _nonsense(call, "no JSON object")
    return answer


def _nonsense(call: _Call, why: str) -> WixUnavailable:
    return WixUnavailable(f"Wix was asked {call.asked}, and answered what makes no sense: {why}", _NETWORK)


def _words(response: httpx.Response) -> tuple[str, str]:
    """Wix's application code and message (facts §4), or OAuth's; empty where the body is something else."""
    try:
        body = json.loads(response.content)
        if "error" in body:
            return str(body["error"]), str(body.get("error_description", ""))
        error = (body.get("details") or {}).get("applicationError") or {}
        return str(error.get("code", "")), str(error.get("description") or body.get("message") or "")
    except (ValueError, RecursionError, TypeError, AttributeError):
        return "", ""
