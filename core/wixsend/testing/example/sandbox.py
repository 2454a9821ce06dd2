"""A stateful fake of Example DNS, and with it the description of its API.

Each request carries `Authorization: Bearer TOKEN`. Lists come in pages of 100 rows: `?page=N`, and the answer says `page`, `pages`.
Errors are `{"error": {"code": ..., "message": ...}}` with a fitting status.

    GET  /v1/zones?name=TEXT               the zones whose name contains TEXT (not only those that are named so)
    GET  /v1/zones/ID/records?name=OWNER   the rows at these owners (may be repeated), or all rows without; and `zone_settings`
    POST /v1/zones/ID/batch                {"delete": [ids], "create": [rows]}: all of it or nothing;
                                          the answer has the ids that went as `deleted`, and the rows that came as `created`

A row is `{"id", "name", "type", "data", "ttl", "comment", "flattened"}`: owners relative to the zone, names inside of data absolute
without their final dot. A flattened CNAME is stored, and the world is shown an address.
"""

import math
import re
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any, ClassVar

from wixsend import Name, Record, absolute, relative_text, text
from wixsend.testing.fakes import FakeHost, Request, Response

__all__ = ["DEFAULT_SETTINGS", "ExampleHost", "acceptable", "consistent", "given"]

_PAGE = 100
_MIN_TTL, _MAX_TTL = 300, 86400
DEFAULT_SETTINGS = {"mail": "none"}
_DATA_ENDS_IN_A_NAME = frozenset({"CNAME", "MX", "NS", "PTR", "SRV"})
_CALLS, _SECONDS = 600, 300

type _Row = dict[str, Any]


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.response = Response.json({"error": {"code": code, "message": message}}, status, **headers)


class ExampleHost(FakeHost):
    """Example DNS. `add_zone` takes `status` ("active") and `zone_settings`."""

    name: ClassVar = "example"
    name_servers: ClassVar = ("a.ns.dns.example", "b.ns.dns.example")
    credentials: ClassVar = {"token": "exampletoken-5f2c9d417a"}

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        super().__init__(now, rate_limits)
        self._zones: dict[str, _Row] = {}
        self._ids = 0
        self._times: list[float] = []

    def handle(self, request: Request) -> Response:
        try:
            self._admit(request)
            for method, pattern, answer in self._routes:
                match = re.fullmatch(pattern, request.path)
                if match and method == request.method:
                    return Response.json(answer(self, request, *match.groups()))
            raise _Refused(404, "no_route", "there is no such method")
        except _Refused as refused:
            return refused.response

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        name = text(absolute(apex))
        self._zones[name] = {
            "id": f"z{len(self._zones) + 1}",
            "status": settings.get("status", "active"),
            "zone_settings": dict(settings.get("zone_settings", DEFAULT_SETTINGS)),
            "records": [],
        }
        self.edit_behind(apex, add=records)

    def apexes(self) -> tuple[str, ...]:
        return tuple(self._zones)

    def raw(self, apex: str) -> Any:
        zone = self._zones[text(absolute(apex))]
        return {**zone, "zone_settings": dict(zone["zone_settings"]), "records": [dict(row) for row in zone["records"]]}

    def published(self, apex: str) -> tuple[Record, ...]:
        return tuple(_as_shown(row, absolute(apex)) for row in self.raw(apex)["records"])

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        origin = absolute(apex)
        zone = self._zones[text(origin)]
        going = list(remove)
        zone["records"] = [row for row in zone["records"] if _as_stored(row, origin) not in going]
        zone["records"] += [self._new(_as_row(record, origin), "made in the dashboard") for record in add]

    def _admit(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.credentials['token']}":
            raise _Refused(401, "unknown_token", "the token is not known")
        if self.rate_limits:
            now = self.now()
            self._times = [then for then in self._times if now - then < _SECONDS]
            if len(self._times) >= _CALLS:
                wait = math.ceil(_SECONDS - (now - self._times[0]))
                raise _Refused(429, "too_many_calls", f"{_CALLS} calls in {_SECONDS} seconds", **{"retry-after": str(wait)})
            self._times.append(now)

    def _list_zones(self, request: Request) -> _Row:
        wanted = request.args.get("name", "")
        found = [
            {
                "id": zone["id"],
                "name": name,
                "status": zone["status"],
                "name_servers": list(self.name_servers),
                "records": len(zone["records"]),
            }
            for name, zone in self._zones.items()
            if wanted in name
        ]
        return _page(request, "zones", found)

    def _list_records(self, request: Request, ref: str) -> _Row:
        apex, zone = self._find(ref)
        owners = {absolute(value, apex) for key, value in request.query if key == "name"}
        rows = [row for row in zone["records"] if not owners or absolute(row["name"], apex) in owners]
        settings = {"zone_settings": zone["zone_settings"], "zone_records": len(zone["records"])}
        return _page(request, "records", rows) | settings

    def _batch(self, request: Request, ref: str) -> _Row:
        apex, zone = self._find(ref)
        body = given(request, "delete", "create")
        rows = {row["id"]: row for row in zone["records"]}
        for row_id in body["delete"]:
            if rows.pop(row_id, None) is None:
                raise _Refused(409, "no_such_record", f"there is no record {row_id}")
        created = [self._new(acceptable(row)) for row in body["create"]]
        zone["records"] = consistent([*rows.values(), *created], apex)
        return {"deleted": body["delete"], "created": created}

    _routes: ClassVar[tuple[tuple[str, str, Callable[..., _Row]], ...]] = (
        ("GET", "/v1/zones", _list_zones),
        ("GET", "/v1/zones/([^/]+)/records", _list_records),
        ("POST", "/v1/zones/([^/]+)/batch", _batch),
    )

    def _find(self, ref: str) -> tuple[Name, _Row]:
        for name, zone in self._zones.items():
            if zone["id"] == ref:
                return absolute(name), zone
        raise _Refused(404, "no_such_zone", f"there is no zone {ref}")

    def _new(self, row: _Row, comment: str = "") -> _Row:
        self._ids += 1
        return {"id": f"r{self._ids}", "comment": comment, "flattened": False} | row


def _page(request: Request, kind: str, rows: list[_Row]) -> _Row:
    number = int(request.args.get("page", "1"))
    pages = max(1, math.ceil(len(rows) / _PAGE))
    return {kind: rows[(number - 1) * _PAGE : number * _PAGE], "page": number, "pages": pages}


def given(request: Request, *keys: str) -> _Row:
    """The body of a request, in which these keys hold lists."""
    try:
        body: _Row = request.json()
        if any(not isinstance(body[key], list) for key in keys):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise _Refused(400, "bad_request", f"the body must be JSON with {' and '.join(keys)}") from None
    return body


def acceptable(row: _Row) -> _Row:
    """What a new row may say of itself, within the limits."""
    if not _MIN_TTL <= row["ttl"] <= _MAX_TTL:
        raise _Refused(422, "bad_ttl", f"TTLs are {_MIN_TTL} to {_MAX_TTL} seconds")
    return {"name": row["name"], "type": row["type"], "data": row["data"], "ttl": row["ttl"]}


def consistent(rows: list[_Row], apex: Name) -> list[_Row]:
    """The rows, unless a CNAME would stand beside something else (RFC 1034, 3.6.2)."""
    owners: dict[Name, list[_Row]] = {}
    for row in rows:
        owners.setdefault(absolute(row["name"], apex), []).append(row)
    for owner, here in owners.items():
        if len(here) > 1 and any(row["type"] == "CNAME" for row in here):
            raise _Refused(409, "name_taken", f"{text(owner)} holds records that a CNAME may not stand beside")
    return rows


def _as_row(record: Record, apex: Name) -> _Row:
    data = record.rdata.removesuffix(".") if record.rtype in _DATA_ENDS_IN_A_NAME else record.rdata
    row = {"name": relative_text(record.owner, apex), "type": record.rtype, "data": data, "ttl": record.ttl or 3600}
    return row | {"flattened": record.masked}


def _as_stored(row: Mapping[str, Any], apex: Name) -> Record:
    rdata = row["data"] + "." if row["type"] in _DATA_ENDS_IN_A_NAME else row["data"]
    return Record(absolute(row["name"], apex), row["type"], rdata, row["ttl"], row["flattened"])


def _as_shown(row: Mapping[str, Any], apex: Name) -> Record:
    stored = _as_stored(row, apex)
    return Record(stored.owner, "A", "192.0.2.80", 300) if stored.masked else stored
