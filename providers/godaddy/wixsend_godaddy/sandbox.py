"""A stateful fake of GoDaddy: the account, and its domains API version 1 with its bad habits on. Version 3 is in `sandbox_v3`.

Marks of evidence: [R] recorded traffic, [D] GoDaddy's API description, [T] third-party issue or code, [?] not known, so the worst case.
"""

import posixpath
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from wixsend import Record, absolute, text
from wixsend.testing.fakes import FakeHost, Request, Response
from wixsend_godaddy import sandbox_v3
from wixsend_godaddy.rows import MIN_TTL, WRITABLE, Row, record_of
from wixsend_godaddy.sandbox_zone import Domain, held, same, stored

__all__ = ["FakeGoDaddy", "FakeGoDaddyV3"]

_PARKING_ADDRESS = "192.0.2.80"
"""What the world is shown for a parked A record."""

_MOST_ROWS, _MOST_DOMAINS = 500, 1000


class _Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, code: str, message: str, path: str = "", **more: Any) -> None:
        super().__init__(message)
        fields = {"fields": [{"code": code, "message": message, "path": path}]} if path else {}
        self.response = Response.json({"code": code, "message": message} | fields | more, status)


class FakeGoDaddy(FakeHost):
    """One account at GoDaddy, opened by its classic key and, at version 3, by its token (`FakeGoDaddyV3.credentials`).

    Settings of `add_zone`: `status` (default `ACTIVE`), `nameServers` (default `name_servers`; `()` makes the API say null),
    `zone_file=False` for a domain whose zone is elsewhere, `shopper` for a reseller's customer, `busy=N` for a zone whose next N
    writes are answered with 409, `rows` for further rows in GoDaddy's own form (`Parked`, CAA).

    Switches: `gated` closes the account's DNS API (403), `quota` is the number of calls left in this month, `past_the_end` is how a
    page after the last one is answered (422 or 200), `checks_cnames` makes it refuse a CNAME beside other records, `scopes` are those of
    the token.
    """

    name: ClassVar[str] = "godaddy"
    name_servers: ClassVar[tuple[str, ...]] = ("ns71.domaincontrol.com", "ns72.domaincontrol.com")
    credentials: ClassVar[Mapping[str, str]] = {"key": "dKDsandboxkey_GoDaddy1", "secret": "sandboxSecretGoDaddy22"}

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        super().__init__(now, rate_limits)
        self.gated = False
        self.quota: int | None = None
        self.past_the_end = 422
        self.checks_cnames = False
        self.scopes = set(sandbox_v3.SCOPES)
        self._domains: dict[str, Domain] = {}
        self._recent: dict[str, deque[float]] = {}

    # What tests look at and change behind the API's back.

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        """Put a domain into the account; settings are in the docstring of the class."""
        name = text(absolute(apex))
        servers = [*settings.pop("nameServers", self.name_servers)]
        rows: list[Row] = [{"data": server, "name": "@", "ttl": 3600, "type": "NS"} for server in self.name_servers]
        rows.append({"data": f"Primary nameserver: {self.name_servers[0]}.", "name": "@", "ttl": 3600, "type": "SOA"})
        rows += [held(record, name) for record in records]
        rows += [dict(row) for row in settings.pop("rows", ())]
        self._domains[name] = Domain(name, rows, servers=servers, **settings)

    def apexes(self) -> tuple[str, ...]:
        return tuple(name for name, domain in self._domains.items() if not domain.cancelled)

    def raw(self, apex: str) -> Any:
        domain = self._domains[text(absolute(apex))]
        settings = {
            "status": domain.status,
            "nameServers": list(domain.servers),
            "cancelled": domain.cancelled,
            "zone_file": domain.zone_file,
        }
        return {"records": [dict(row) for row in domain.rows], **settings}

    def published(self, apex: str) -> tuple[Record, ...]:
        domain = self._domains[text(absolute(apex))]
        origin = absolute(domain.name)
        shown: list[Record] = []
        for row in domain.rows if domain.zone_file and not domain.cancelled else ():
            record = record_of(row, origin)
            if record.rtype != "SOA" and not (record.rtype == "NS" and record.owner == origin):
                rdata = _PARKING_ADDRESS if record.masked else record.rdata
                shown.append(Record(record.owner, record.rtype, rdata, record.ttl))
        return tuple(shown)

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        domain = self._domains[text(absolute(apex))]
        for record in remove:
            domain.rows.remove(next(row for row in domain.rows if record_of(row, absolute(domain.name)) == record))
        domain.rows += [held(record, domain.name) for record in add]

    # The API.

    def handle(self, request: Request) -> Response:
        if request.path.startswith("/v3/"):
            return self._handle_v3(request)
        try:
            self._let_in(request)
            # [F] `..` in a path is resolved on the way, and a final slash means nothing: so a name can cancel a domain. [?] for the slash.
            parts = posixpath.normpath(request.path).strip("/").split("/")
            self._count(request.method, parts)
            if parts[:2] != ["v1", "domains"] or len(parts) > 6:
                raise _Refused(404, "NOT_FOUND", "Resource not found")
            return self._route(request, parts[2:])
        except _Refused as refused:
            return refused.response

    def _handle_v3(self, request: Request) -> Response:
        try:
            if request.headers.get("authorization") != f"Bearer {FakeGoDaddyV3.credentials['token']}":
                raise sandbox_v3.Refused(401, "UNAUTHORIZED", "Authentication credentials are missing or invalid")
            if self.gated:
                raise sandbox_v3.Refused(403, "ACCOUNT_NOT_ELIGIBLE", "The account is not eligible for this API")  # [T]
            self._count("v3", [])  # [D] 60 a minute for a credential, whatever the endpoint
            return sandbox_v3.answer(self._domains, self.scopes, request)
        except _Refused as refused:
            return refused.response
        except sandbox_v3.Refused as refused:
            return refused.response

    def _let_in(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "sso-key" or token.count(":") != 1:
            raise _Refused(401, "MALFORMED_CREDENTIALS", "Credentials must match scheme sso-key api_key:api_secret")
        if token != f"{self.credentials['key']}:{self.credentials['secret']}":
            raise _Refused(401, "UNABLE_TO_AUTHENTICATE", "Unauthorized : Could not authenticate API key/secret")
        if self.gated:
            raise _Refused(403, "ACCESS_DENIED", "Authenticated user is not allowed access")

    def _count(self, method: str, parts: list[str]) -> None:
        """60 calls a minute for each endpoint [D]; what an endpoint is is not said [?]: a verb and a path with its parameters left out."""
        if self.quota is not None:
            if self.quota <= 0:
                raise _Refused(429, "QUOTA_EXCEEDED", "Monthly API call quota exceeded")
            self.quota -= 1
        if not self.rate_limits:
            return
        now, calls = self.now(), self._recent.setdefault(f"{method} {len(parts)}", deque())
        while calls and calls[0] <= now - 60:
            calls.popleft()
        if len(calls) >= 60:
            wait = max(1, int(calls[0] + 60 - now + 0.999))
            raise _Refused(429, "TOO_MANY_REQUESTS", "Too many requests received within interval", retryAfterSec=wait)
        calls.append(now)

    def _route(self, request: Request, parts: list[str]) -> Response:
        if not parts and request.method == "GET":
            return self._list(request)
        domain = self._domain(parts[0] if parts else "", request.headers.get("x-shopper-id", ""))
        if len(parts) == 1:
            if request.method == "GET":
                return Response.json(domain.details())
            if request.method == "DELETE":
                return _cancel(domain)
        if parts[1:2] != ["records"]:
            raise _Refused(404, "NOT_FOUND", "Resource not found")
        if not domain.zone_file:
            # [T] the domain is in the account, and its zone is not here: name servers elsewhere.
            raise _Refused(404, "UNKNOWN_DOMAIN", f"The given domain is not registered, or does not have a zone file: {domain.name}")
        rtype, name = (*parts[2:], "", "")[:2]
        return self._records(request, domain, rtype.upper(), name)

    def _domain(self, name: str, shopper: str) -> Domain:
        domain = self._domains.get(name.lower())
        if domain is None or domain.cancelled or domain.shopper != shopper:
            raise _Refused(404, "NOT_FOUND", f"Domain {name} not found for shopper")  # [R]
        return domain

    def _list(self, request: Request) -> Response:
        limit = _integer(request.args.get("limit", "100"), "limit")
        if limit > _MOST_DOMAINS:
            raise _Refused(422, "INVALID_VALUE", "Limit must have a value no greater than 1000", "limit")  # [D]
        marker, shopper = request.args.get("marker", ""), request.headers.get("x-shopper-id", "")
        names = sorted(n for n, domain in self._domains.items() if n > marker and not domain.cancelled and domain.shopper == shopper)
        servers = "nameServers" in request.args.get("includes", "").split(",")  # [D] left out unless they are asked for
        rows = [self._domains[name].details() for name in names[:limit]]
        return Response.json([{key: row[key] for key in ("domain", "status", *["nameServers"] * servers)} for row in rows])

    def _records(self, request: Request, domain: Domain, rtype: str, name: str) -> Response:
        scope = [row for row in domain.rows if rtype in ("", row["type"]) and name.lower() in ("", row["name"].lower())]
        if request.method == "GET":
            return self._page(request, scope)
        if domain.status != "ACTIVE":
            raise _Refused(409, "DOMAIN_NOT_ELIGIBLE", "The given domain is not eligible to have its records changed")  # [D], its code [?]
        if domain.busy:
            domain.busy -= 1
            raise _Refused(409, "CONFLICT", "The zone is being edited")  # [T] lexicon tries ten times; body [?]
        match request.method:
            case "PATCH" if not rtype:
                return self._add(request, domain)
            case "PUT":
                return _replace(request, domain, scope, rtype, name)
            case "DELETE" if rtype:
                return _delete(domain, scope)
        raise _Refused(404, "NOT_FOUND", "Resource not found")

    def _page(self, request: Request, scope: list[Row]) -> Response:
        """`offset` is described as rows to skip [D], and is the number of the page, from 1 [T]; past the last page 422 [T]."""
        limit = _integer(request.args.get("limit", str(_MOST_ROWS)), "limit")
        page = max(1, _integer(request.args.get("offset", "1"), "offset"))
        if not 1 <= limit <= _MOST_ROWS:
            raise _Refused(422, "INVALID_VALUE", "Limit must have a value no greater than 500", "limit")
        rows = scope[(page - 1) * limit : page * limit]
        if not rows and page > 1 and self.past_the_end != 200:
            raise _Refused(422, "INVALID_VALUE", "Offset is past the last page", "offset")
        return Response.json(rows)  # [R] nothing at a name is an empty list

    def _add(self, request: Request, domain: Domain) -> Response:
        """PATCH: add, and leave the rest alone [D]. A CNAME beside other records is taken, another CNAME at the name too [?].

        A duplicate is refused with 422 [T]; what stood before it in the same request is kept [?].
        """
        for row in [_valid(row, number) for number, row in enumerate(_body(request))]:
            if any(same(row, held) for held in domain.rows):
                raise _Refused(422, "DUPLICATE_RECORD", "Another record with the same attributes already exists")
            others = [held for held in domain.rows if held["name"].lower() == row["name"].lower()]
            if self.checks_cnames and others and "CNAME" in {row["type"], *(held["type"] for held in others)}:
                raise _Refused(422, "DUPLICATE_RECORD", "Record name conflicts with another record")
            domain.rows.append(stored(row, domain.name))
        return Response(200)


class FakeGoDaddyV3(FakeGoDaddy):
    """The same account, opened by its personal access token."""

    credentials: ClassVar[Mapping[str, str]] = {"token": "gd_pat_4sandboxTokenOfGoDaddy7_1c0ffee1"}


FakeGoDaddy.also = (FakeGoDaddyV3,)


def _cancel(domain: Domain) -> Response:
    """DELETE of a domain cancels the registration [D], and its zone goes with it [?]."""
    domain.cancelled, domain.status, domain.rows = True, "CANCELLED", []
    return Response(200)


def _replace(request: Request, domain: Domain, scope: list[Row], rtype: str, name: str) -> Response:
    """PUT replaces everything in its scope, without a type the whole zone; an empty list is ignored [T]. NS and SOA stay [D]."""
    rows = [_valid({"type": rtype, "name": name} | row, number) for number, row in enumerate(_body(request))]
    if rows:
        gone = [id(row) for row in scope if row["type"] not in ("NS", "SOA")]
        domain.rows = [row for row in domain.rows if id(row) not in gone] + [stored(row, domain.name) for row in rows]
    return Response(200)


def _delete(domain: Domain, scope: list[Row]) -> Response:
    """DELETE of a type and name; of a type alone it deletes all of that type [?]."""
    gone = [id(row) for row in scope if row["type"] not in ("NS", "SOA")]
    if not gone:
        raise _Refused(404, "NOT_FOUND", "Record not found")  # [D]
    domain.rows = [row for row in domain.rows if id(row) not in gone]
    return Response(204)


def _body(request: Request) -> list[Row]:
    try:
        body = request.json()
    except ValueError:
        raise _Refused(400, "MALFORMED_BODY", "Request was malformed") from None
    if not isinstance(body, list) or not all(isinstance(row, dict) for row in body):
        raise _Refused(
            422, "INVALID_BODY", "Request body doesn't fulfill schema, see details in `fields`", "records"
        )  # [T] must be an array
    return body


def _valid(row: Row, number: int) -> Row:
    """The row, or 422 for what does not fulfil the schema [D]; CAA, which is read, is refused as well [T]."""

    def refuse(what: str, message: str) -> _Refused:
        return _Refused(422, "INVALID_BODY", message, f"records[{number}].{what}")

    if row.get("type") not in WRITABLE:
        raise refuse("type", "is not in enum")
    for what in ("name", "data"):
        if not (isinstance(row.get(what), str) and row[what]):
            raise refuse(what, "is required")
    if type(row.get("ttl", 3600)) is not int or row.get("ttl", 3600) < MIN_TTL:
        raise refuse("ttl", "must be at least 600")
    needed = {"MX": ("priority",), "SRV": ("priority", "weight", "port")}.get(row["type"], ())
    if any(type(row.get(what)) is not int for what in needed):
        raise refuse(needed[0], "is required")
    return row


def _integer(written: str, what: str) -> int:
    if not written.isdigit():
        raise _Refused(422, "INVALID_VALUE", f"{what} is not a number", what)
    return int(written)
