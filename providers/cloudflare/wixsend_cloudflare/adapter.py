"""The three answers for Cloudflare, through its official SDK.

The SDK makes the requests and the exceptions. Its answers are read as JSON and not as its models: those are built without being
checked, so that `success: false` and another shape would pass for an empty zone.
"""

from collections import Counter
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from cloudflare import (
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncAPIResponse,
    AuthenticationError,
    ConflictError,
    InternalServerError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitError,
)

from wixsend import (
    WHOLE,
    Credentials,
    CredentialsRejected,
    Edit,
    EditConflict,
    EditRejected,
    ErrorRule,
    Name,
    OutcomeUnknown,
    PermissionMissing,
    RateLimited,
    Receipt,
    Record,
    Snapshot,
    Unavailable,
    Wire,
    Zone,
    ZoneNotHeld,
    ZonePage,
    absolute,
    retry_after,
    text,
)
from wixsend_cloudflare.fence import open_client
from wixsend_cloudflare.rdata import from_row, to_fields

__all__ = ["COMMENT", "ERRORS", "PAGE", "ZONES", "CloudflareProvider"]

PAGE = 5000
"""Records asked for in one page. The documentation allows 5,000,000; a page of this size is some 3 MB, and what others use at most."""

ZONES = 50
"""Zones asked for in one page: the most that the documentation allows."""

COMMENT = "wixsend: Wix sending domain"
"""The ownership mark on what we write. Seen in the dashboard, not in DNS."""

_MOST = 1_000_000
"""Records of a zone, or zones of a token: pages that bring one new record each, towards a total without end, would be read for ever."""

_AUTOMATIC = 1
_MIN_TTL, _MAX_TTL = 60, 86400
_BLOCK = 300.0
_NOTES = ("comment", "tags", "settings")
_PROXIABLE = frozenset({"A", "AAAA", "CNAME"})

_TOKENS = "https://dash.cloudflare.com/profile/api-tokens"
_NEW_TOKEN = f"Make an API token (not the Global API Key) at {_TOKENS} and set CLOUDFLARE_API_TOKEN."
_PERMIT = f"Give the token Zone - Zone - Read and Zone - DNS - Edit on this zone, at {_TOKENS}; look at its expiry and address filter too."

_TYPES = {
    "partial": "a partial (CNAME) set-up: its DNS is served elsewhere, and the records belong there",
    "secondary": "a secondary zone: it is copied from another primary, and the records belong there",
    "internal": "an internal zone, which the public DNS does not see",
}
_STATUSES = {
    "initializing": "is still being set up",
    "pending": "is pending: the domain is not delegated to its name servers",
    "moved": "was moved: the domain is no longer delegated to its name servers",
}


def _said(error: APIStatusError) -> list[tuple[int, str]]:
    """Codes and messages of an error's body, the chained ones too; nothing of a body that is not Cloudflare's."""
    found: list[tuple[int, str]] = []
    todo = [error.body]
    while todo:
        body = todo.pop()
        if isinstance(body, Mapping):
            if isinstance(body.get("code"), int):
                found.append((body["code"], str(body.get("message", ""))))
            todo += [entry for key in ("error_chain", "errors") if isinstance(body.get(key), list) for entry in reversed(body[key])]
    return found


def _coded(*codes: int) -> Callable[[APIStatusError], bool]:
    return lambda error: any(code in codes for code, _ in _said(error))


def _unknown_token(error: APIStatusError) -> bool:
    """9109 is both "Invalid access token" and "Unauthorized to access requested resource": only its message tells."""
    return any(code == 9109 and "access token" in message.lower() for code, message in _said(error))


def _writing(error: APIStatusError) -> bool:
    return error.request.method == "POST"


def _words(error: APIStatusError) -> str:
    return "; ".join((f"HTTP {error.status_code}", *(f"{message.rstrip('.')} ({code})" for code, message in _said(error))))


def _cause(error: APIConnectionError) -> str:
    """What the SDK wraps: the wire's own refusal, or the HTTP library's error, which has no headers in it."""
    return str(error.__cause__ or error) or type(error.__cause__).__name__


def _block(error: APIStatusError) -> float:
    asked = retry_after(error)
    return _BLOCK if asked is None else asked


def _rule(on: type[APIStatusError], becomes: Any, why: str, next_step: str = "", when: Any = lambda _error: True) -> ErrorRule:
    return ErrorRule(on, becomes, when, why, next_step, _words)


ERRORS = (
    ErrorRule(RateLimitError, RateLimited, why="too many calls in five minutes", says=_words, retry_after=_block),
    _rule(InternalServerError, Unavailable, "an error on its side"),
    _rule(APIStatusError, EditConflict, "a record stands at the name already", when=_coded(81053, 81054, 81057, 81058)),
    _rule(APIStatusError, EditConflict, "a record to be removed is gone", when=_coded(81044)),
    _rule(APIStatusError, EditRejected, "the zone is full", "Remove records or take a larger plan.", _coded(81045)),
    _rule(APIStatusError, CredentialsRejected, "the API token is malformed or missing", _NEW_TOKEN, _coded(6003, 6111, 9103, 9106)),
    _rule(APIStatusError, CredentialsRejected, "the API token is not known", _NEW_TOKEN, _unknown_token),
    _rule(AuthenticationError, CredentialsRejected, "the API token is not known", _NEW_TOKEN),
    _rule(PermissionDeniedError, PermissionMissing, "the API token may not do this, or is no longer valid", _PERMIT),
    _rule(APIStatusError, PermissionMissing, "the API token may not do this", _PERMIT, _coded(9109, 10000)),
    _rule(NotFoundError, ZoneNotHeld, "there is nothing at this address", "Was the zone removed from the account? Is the base URL right?"),
    _rule(ConflictError, EditConflict, "the zone is being changed"),
    _rule(
        APIStatusError, EditRejected, "the edit is not acceptable", when=lambda error: 400 <= error.status_code < 500 and _writing(error)
    ),
    _rule(APIStatusError, Unavailable, "an answer that cannot be used"),
    ErrorRule(APITimeoutError, Unavailable, why="no answer in time", says=lambda _error: ""),
    ErrorRule(APIConnectionError, Unavailable, why="no connection", says=_cause),
)
"""The first row that fits decides. The codes are those of recorded traffic, certbot, lexicon and octodns-cloudflare."""


class CloudflareProvider:
    """An open account at Cloudflare: everything that one API token sees."""

    errors = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        self._client = open_client(credentials["api_token"], wire)
        self._zones = self._client.zones.with_raw_response
        self._records = self._client.dns.records.with_raw_response

    async def zone(self, apex: Name) -> tuple[Zone, ...]:
        """Every zone of this name, one call: an account holds a name once, and a token may see several accounts."""
        rows, total = await _page(self._zones.list(name=text(apex), per_page=50))
        zones = tuple(map(_zone, rows))
        if len(zones) != total or any(zone.apex != apex for zone in zones):
            raise Unavailable(f"Cloudflare answered about other zones than {text(apex)}")
        return zones

    async def zones(self, page: str = "") -> ZonePage:
        """`ZONES` of the zones that the token sees; a page is called by its number."""
        number = int(page or 1)
        rows, total = await _page(self._zones.list(page=number, per_page=ZONES))
        zones, left = tuple(map(_zone, rows)), _sane(total, "the list of zones") - (number - 1) * ZONES
        if len({zone.ref for zone in zones}) != min(ZONES, max(left, 0)) or len(zones) > ZONES:
            raise Unavailable(f"Cloudflare counts {total} zones, and page {number} of them does not show as many as there are left")
        return ZonePage(zones, str(number + 1) if left > ZONES else "")

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """The whole zone, one call for each `PAGE` records."""
        rows, total = await _pages(
            f"the zone {text(zone.apex)}", lambda page: self._records.list(zone_id=zone.ref, page=page, per_page=PAGE)
        )
        return Snapshot(zone, tuple(map(_record, rows)), covers=WHOLE, total=total)

    async def write(self, edit: Edit) -> Receipt:
        """One batch: Cloudflare takes the removals, then the additions, in one transaction, or nothing."""
        removes, adds = edit.by_record()
        going = {_id(record): record for record in removes}
        # As `deletes` and `posts` the SDK would compare each row with the fields of twenty types of records first: a quarter of our time.
        batch = {"deletes": [{"id": key} for key in going], "posts": list(map(_post, adds))}
        body = await _body(self._records.batch(zone_id=edit.before.zone.ref, extra_body=batch))
        result = body.get("result")
        if not isinstance(result, Mapping):
            raise Unavailable("Cloudflare answered the batch without a result")
        gone = {record.ref: record for record in map(_record, _rows(result.get("deletes") or []))}
        come = tuple(map(_record, _rows(result.get("posts") or [])))
        if gone.keys() != going.keys() or Counter(come) != Counter(adds):
            raise Unavailable("Cloudflare's answer to the batch is not about the records that were sent")
        changed = [gone[key] for key in going if gone[key] != going[key]]
        if changed:
            raise OutcomeUnknown(
                f"Cloudflare removed what somebody had changed a moment before: {'; '.join(map(str, changed))}",
                "If it is still wanted, add it again in the dashboard.",
            )
        return Receipt(come, removed=removes)

    async def close(self) -> None:
        await self._client.close()


async def _body(request: Awaitable[AsyncAPIResponse[Any]]) -> Mapping[str, Any]:
    """A successful answer's envelope. HTTP 200 with `success: false` is raised as the SDK raises an error status."""
    response = await request
    try:
        body = await response.json()
    except ValueError:
        body = None
    if not isinstance(body, Mapping):
        raise Unavailable("Cloudflare answered with something that is not its API's JSON", "Is a proxy or a captive portal in between?")
    if body.get("success") is not True:
        raise APIStatusError("success is not true", response=response.http_response, body=body)
    return body


async def _page(request: Awaitable[AsyncAPIResponse[Any]]) -> tuple[list[Mapping[str, Any]], int]:
    """The rows of one page, and how many there are in all."""
    body = await _body(request)
    info = body.get("result_info")
    total = info.get("total_count") if isinstance(info, Mapping) else None
    if not isinstance(total, int):
        raise Unavailable("Cloudflare answered a list without saying how long it is")
    return _rows(body.get("result")), total


async def _pages(what: str, ask: Callable[[int], Awaitable[AsyncAPIResponse[Any]]]) -> tuple[list[Mapping[str, Any]], int]:
    """The rows of all pages, and how many there are. Every page must say the same total and bring new rows, up to that total."""
    found: dict[str, Mapping[str, Any]] = {}
    page, expected = 1, None
    while len(found) != expected:
        rows, total = await _page(ask(page))
        _sane(total, what)
        before = len(found)
        found |= {str(row.get("id")): row for row in rows}
        if expected not in (None, total) or not before + len(rows) == len(found) <= total:
            raise Unavailable(f"{what} changed while Cloudflare's pages of it were read")
        if not rows and len(found) < total:
            raise Unavailable(f"Cloudflare counts {total} rows in {what} and shows {len(found)}")
        page, expected = page + 1, total
    return list(found.values()), len(found)


def _sane(total: int, what: str) -> int:
    if total > _MOST:
        raise Unavailable(f"Cloudflare counts {total} rows in {what}, more than there can be")
    return total


def _rows(value: Any) -> list[Mapping[str, Any]]:
    if not isinstance(value, list) or not all(isinstance(row, Mapping) for row in value):
        raise Unavailable("Cloudflare answered with something else than a list")
    return value


def _zone(row: Mapping[str, Any]) -> Zone:
    try:
        apex = absolute(row["name"])
        servers = [absolute(server) for key in ("name_servers", "vanity_name_servers") for server in row.get(key) or ()]
        account = row["account"]["name"] or row["account"]["id"]
        return Zone(apex, str(row["id"]), account, tuple(servers), _problem(row["type"], row["status"], row.get("paused")))
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise Unavailable(f"Cloudflare described a zone in an unknown way ({type(wrong).__name__}: {wrong})") from wrong


def _problem(kind: str, status: str, paused: Any) -> str:
    """Why the world does not see this zone, or not as it is written; empty when it does."""
    if kind != "full":
        return f"Cloudflare holds it as {_TYPES.get(kind, f'a zone of the type {kind}, which wixsend does not know')}"
    if status != "active":
        return f"at Cloudflare it {_STATUSES.get(status, f'has the status {status}')}"
    return "at Cloudflare it is paused" if paused else ""


def _record(row: Mapping[str, Any]) -> Record:
    """A row as a record: masked when it is proxied, or a CNAME set to be flattened.

    A CNAME at the apex is always flattened and yet not masked here, so that putting it back does not proxy it.
    """
    try:
        masked = row.get("proxied") is True or _flattened(row)
        ttl = int(row["ttl"])
        notes = {name: row[name] for name in _NOTES if row.get(name)}
        return Record(absolute(row["name"]), row["type"], from_row(row), None if ttl == _AUTOMATIC else ttl, masked, str(row["id"]), notes)
    except (KeyError, TypeError, ValueError, AttributeError) as wrong:
        raise Unavailable(f"Cloudflare described a record in an unknown way ({type(wrong).__name__}: {wrong})") from wrong


def _flattened(row: Mapping[str, Any]) -> bool:
    return (row.get("settings") or {}).get("flatten_cname") is True


def _post(record: Record) -> Any:
    """A record that comes, as Cloudflare takes it. Only one that is put back can be masked: proxied or flattened, as it was."""
    try:
        fields = to_fields(record.rtype, record.rdata)
    except ValueError as wrong:
        raise EditRejected(f"Cloudflare cannot hold {record}: {wrong}") from wrong
    ttl = _AUTOMATIC if record.ttl is None else min(max(record.ttl, _MIN_TTL), _MAX_TTL)
    post = {"name": text(record.owner), "type": record.rtype, "ttl": ttl, **fields}
    if record.rtype in _PROXIABLE:
        post["proxied"] = record.masked and not _flattened(record.notes or {})
    return post | ({"comment": COMMENT} if record.notes is None else dict(record.notes))


def _id(record: Record) -> str:
    if not isinstance(record.ref, str):
        raise EditConflict(f"Cloudflare's id of {record} is not known", "wixsend reads the zone again.")
    return record.ref
