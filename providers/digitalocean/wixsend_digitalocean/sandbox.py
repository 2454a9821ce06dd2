"""A stateful fake of DigitalOcean's DNS, and with it what we rely on of its API (version 2, as of November 2026).

Sources: [D] DigitalOcean's documentation and API description (docs.digitalocean.com, digitalocean/openapi); [R] traffic that lexicon's
tests recorded; [T] what other tools found out (dnscontrol, octodns, external-dns); [?] nobody says, so it is the worst case.

    GET    /v2/domains/NAME                       one domain of the account; 404 with "id": "not_found" where it holds none so [R]
    GET    /v2/domains/NAME/records               all records, SOA and the zone's own NS among them [R]; 20 to a page, up to 200 with
                                                  `per_page`, `page=N`; `links.pages.next` where there are more, `meta.total` [R]
    POST   /v2/domains/NAME/records               one record; 201 with it, and its id [R]
    DELETE /v2/domains/NAME/records/ID            204 [D]; 404 where it is gone [D]

There is no call that makes several changes at once. A row has "id", "type", "name", "data", "priority", "port", "ttl", "weight", "flags",
and "tag", the unused ones null [R]. Owners are relative, `@` the apex. A name inside of data comes without its final dot and must be sent
with it [T]; it is `@` where it is the apex, however it was sent [T]. TXT is bare [R].
"""

import math
import re
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from wixsend import Name, Record, absolute, text, txt_rdata, txt_text
from wixsend.testing.fakes import FakeHost, Request, Response

__all__ = ["FakeDigitalOcean", "Row"]

_PAGE, _LARGEST_PAGE = 20, 200  # [D]
_MIN_TTL, _TTL = 30, 1800  # [T]
_LONGEST_TXT = 512  # [T]: quotes and escapes are counted too
_TYPES = frozenset({"A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"})  # [D]
_FIELDS = ("type", "name", "data", "priority", "port", "ttl", "weight", "flags", "tag")
_LEADING = {"MX": ("priority",), "SRV": ("priority", "weight", "port"), "CAA": ("flags", "tag")}
_DATA_IS_A_NAME = frozenset({"CNAME", "MX", "NS", "SRV"})
_RATES = ((250, 60), (5000, 3600))  # [D]

type Row = dict[str, Any]


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.response = Response.json({"id": code, "message": message}, status, **headers)


class FakeDigitalOcean(FakeHost):
    """DigitalOcean."""

    name: ClassVar = "digitalocean"
    name_servers: ClassVar = ("ns1.digitalocean.com", "ns2.digitalocean.com", "ns3.digitalocean.com")
    credentials: ClassVar = {"token": "dop_v1_5c1f0e9a7b3d4862"}

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        super().__init__(now, rate_limits)
        self._zones: dict[str, list[Row]] = {}
        self._ids = 78210034
        self._times: list[float] = []

    def handle(self, request: Request) -> Response:
        try:
            self._admit(request)
            for method, pattern, answer in self._routes:
                match = re.fullmatch(pattern, request.path)
                if match and method == request.method:
                    return answer(self, request, *match.groups())
            raise _gone()
        except _Refused as refused:
            return refused.response

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        zone = self._zones[text(absolute(apex))] = []
        zone.append(self._row({"type": "SOA", "name": "@", "data": str(_TTL), "ttl": _TTL}))  # [R]
        zone += [self._row({"type": "NS", "name": "@", "data": server, "ttl": _TTL}) for server in self.name_servers]
        self.edit_behind(apex, records)

    def apexes(self) -> tuple[str, ...]:
        return tuple(self._zones)

    def raw(self, apex: str) -> Any:
        return {"records": [dict(row) for row in self._zones[text(absolute(apex))]]}

    def published(self, apex: str) -> tuple[Record, ...]:
        origin = absolute(apex)
        own = [row for row in self._zones[text(origin)] if not (row["name"] == "@" and row["type"] in ("SOA", "NS"))]
        return tuple(_shown(row, origin) for row in own)

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        origin = absolute(apex)
        zone = self._zones[text(origin)]
        for record in remove:
            zone.remove(next(row for row in zone if row["type"] != "SOA" and _shown(row, origin) == record))
        zone += [self._row(_as_row(record, origin)) for record in add]

    def _admit(self, request: Request) -> None:
        if request.headers.get("authorization") != f"Bearer {self.credentials['token']}":
            raise _Refused(401, "Unauthorized", "Unable to authenticate you")  # [D]
        if self.rate_limits:
            for calls, seconds in _RATES:
                within = [then for then in self._times if self.now() - then < seconds]
                if len(within) >= calls:
                    wait = str(math.ceil(seconds - (self.now() - within[0])))
                    raise _Refused(429, "too_many_requests", "API Rate limit exceeded.", **{"retry-after": wait})  # [D]
            self._times.append(self.now())

    def _domain(self, request: Request, name: str) -> Response:
        self._held(name)
        return Response.json({"domain": {"name": name, "ttl": _TTL, "zone_file": f"$ORIGIN {name}.\n"}})

    def _list(self, request: Request, name: str) -> Response:
        rows = self._held(name)
        size, page = min(int(request.args.get("per_page", _PAGE)), _LARGEST_PAGE), int(request.args.get("page", 1))
        url = f"https://api.digitalocean.com{request.path}?page={page + 1}&per_page={size}"
        pages = {"pages": {"next": url, "last": url}} if page * size < len(rows) else {}
        return Response.json({"domain_records": rows[(page - 1) * size : page * size], "links": pages, "meta": {"total": len(rows)}})

    def _create(self, request: Request, name: str) -> Response:
        apex, zone = absolute(name), self._held(name)
        row = self._row({field: request.json().get(field) for field in _FIELDS})
        beside = [other for other in zone if absolute(other["name"], apex) == absolute(row["name"], apex)]
        if beside and "CNAME" in (row["type"], *(other["type"] for other in beside)):
            raise _invalid("CNAME records cannot share a name with other records")  # [T]
        if row["type"] not in _TYPES:
            raise _invalid("Type is not included in the list")
        if (row["ttl"] or _TTL) < _MIN_TTL:
            raise _invalid(f"Ttl must be greater than or equal to {_MIN_TTL}")
        if row["type"] in _DATA_IS_A_NAME and row["data"] != "@" and not row["data"].endswith("."):
            raise _invalid("Data needs to end with a dot (.)")  # [T]
        if row["type"] == "TXT" and ("\\" in row["data"] or not 0 < len(row["data"]) <= _LONGEST_TXT):
            raise _invalid("Data is not acceptable")  # [T]
        if row["type"] in _DATA_IS_A_NAME:
            row["data"] = _as_answered(absolute(row["data"], apex), apex)
        zone.append(row | {"ttl": row["ttl"] or _TTL})
        return Response.json({"domain_record": zone[-1]}, 201)

    def _delete(self, request: Request, name: str, number: str) -> Response:
        zone = self._held(name)
        row = next((row for row in zone if row["id"] == int(number)), None)
        if row is None:
            raise _gone()
        if row["type"] == "SOA":
            raise _invalid("SOA records cannot be deleted")  # [D]
        zone.remove(row)
        return Response(204)

    _routes: ClassVar[tuple[tuple[str, str, Callable[..., Response]], ...]] = (
        ("GET", "/v2/domains/([^/]+)", _domain),
        ("GET", "/v2/domains/([^/]+)/records", _list),
        ("POST", "/v2/domains/([^/]+)/records", _create),
        ("DELETE", "/v2/domains/([^/]+)/records/([0-9]+)", _delete),
    )

    def _held(self, name: str) -> list[Row]:
        if name not in self._zones:
            raise _gone()
        return self._zones[name]

    def _row(self, given: Row) -> Row:
        self._ids += 1
        return {"id": self._ids} | dict.fromkeys(_FIELDS) | given


def _gone() -> _Refused:
    return _Refused(404, "not_found", "The resource you were accessing could not be found.")  # [R]


def _invalid(message: str) -> _Refused:
    return _Refused(422, "unprocessable_entity", message)


def _as_answered(target: Name, apex: Name) -> str:
    """A name inside of data as the API answers it, however it was sent."""
    return "@" if target == apex else target.to_text(omit_final_dot=True)


def _as_row(record: Record, apex: Name) -> Row:
    """A record as the panel would store it."""
    owner = record.owner.relativize(apex).to_text() if record.owner != apex else "@"
    leading = _LEADING.get(record.rtype, ())
    *before, data = record.rdata.split(" ", len(leading)) if leading else [record.rdata]
    if record.rtype in _DATA_IS_A_NAME:
        data = _as_answered(absolute(data), apex)
    elif record.rtype == "TXT":
        data = txt_text(data)
    elif record.rtype == "CAA":
        data = data.strip('"')
    numbers = [part if field == "tag" else int(part) for field, part in zip(leading, before, strict=True)]
    return {"type": record.rtype, "name": owner, "data": data, "ttl": record.ttl or _TTL, **dict(zip(leading, numbers, strict=True))}


def _shown(row: Row, apex: Name) -> Record:
    """What the name servers answer for a row."""
    data = row["data"]
    if row["type"] in _DATA_IS_A_NAME:
        data = apex.to_text() if data == "@" else data + "."
    elif row["type"] == "TXT":
        data = txt_rdata(data)
    elif row["type"] == "CAA":
        data = f'"{data}"'
    leading = "".join(f"{row[field]} " for field in _LEADING.get(row["type"], ()))
    return Record(absolute(row["name"], apex), row["type"], leading + data, row["ttl"])
