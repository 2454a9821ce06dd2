"""A stateful fake of Cloudflare's API v4: zones, DNS records, batch, and what its name servers would answer.

Where each behaviour comes from: [R] recorded public traffic, [D] Cloudflare's documentation or schema, [T] somebody's report or
code, [?] not known, the worst case taken. HTML, `success: false` and lost answers are the sandbox server's business, not ours.
"""

import ipaddress
import json
import re
import time
from collections.abc import Callable, Iterable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any, ClassVar
from zlib import crc32

from wixsend import Name, Record, absolute, text
from wixsend.testing.fakes import FakeHost, Request, Response
from wixsend_cloudflare.rdata import from_row, to_fields

__all__ = ["ALL_PERMISSIONS", "EDGE", "FakeCloudflare"]

ALL_PERMISSIONS = frozenset({"#zone:read", "#dns_records:read", "#dns_records:edit"})
"""What a token of the sandbox may hold."""

EDGE = ("104.16.0.1", "104.16.0.2")
"""The addresses that the world is shown for a proxied or flattened record."""

_AUTOMATIC_TTL = 300  # [D] TTL 1 is "automatic": 300 seconds for what is not proxied
_ADDRESSES: Mapping[str, Callable[[str], object]] = {"A": ipaddress.IPv4Address, "AAAA": ipaddress.IPv6Address}
_PROXIABLE = frozenset({"A", "AAAA", "CNAME"})
_NAMED = frozenset({"CNAME", "MX", "NS", "PTR"})
_WITH_DATA = frozenset({"CAA", "CERT", "DNSKEY", "DS", "HTTPS", "LOC", "NAPTR", "SMIMEA", "SRV", "SSHFP", "SVCB", "TLSA", "URI"})
_TYPES = _PROXIABLE | _NAMED | _WITH_DATA | {"OPENPGPKEY", "TXT"}
_CALLS, _SECONDS = 1200, 300
_WHEN = "2026-01-01T00:00:00.000000Z"

type _Row = dict[str, Any]


class _Refused(Exception):
    """An error answer: HTTP status, code and message, and the codes that Cloudflare hides in `error_chain`."""

    def __init__(self, status: int, code: int, message: str, *chain: tuple[int, str], **headers: str) -> None:
        super().__init__(message)
        self.status, self.headers = status, headers
        self.error: _Row = {"code": code, "message": message}
        if chain:
            self.error["error_chain"] = [{"code": inner, "message": words} for inner, words in chain]


def _invalid(code: int, message: str) -> _Refused:
    return _Refused(400, 1004, "DNS Validation Error", (code, message))  # [R] the shape


@dataclass(slots=True)
class _Zone:
    row: _Row
    flatten_all_cnames: bool
    record_quota: int | None
    batch_limit: int
    records: list[_Row] = field(default_factory=list)

    @property
    def apex(self) -> Name:
        return absolute(self.row["name"])


class FakeCloudflare(FakeHost):
    """Cloudflare's API with one account and one token that may do everything.

    `add_zone` takes `status` ("active"; pending, initializing, moved), `kind` ("full"; partial, secondary, internal), `paused`,
    `account` (its name: the same apex may be added once for each account), `plan` (its legacy id, "enterprise"),
    `vanity_name_servers`, `flatten_all_cnames`, `record_quota`, `batch_limit`. A record that comes with `masked` is proxied; fields
    of a row (`comment`, `tags`, `settings`, and `content` as the dashboard keeps it) come as a mapping in its `ref`.

    `tokens` maps each further token to what it may do, and to `None` when it has expired. `page_limit` is the most rows in a page.
    """

    name: ClassVar[str] = "cloudflare"
    name_servers: ClassVar[tuple[str, ...]] = ("ada.ns.cloudflare.com", "bob.ns.cloudflare.com")
    credentials: ClassVar[Mapping[str, str]] = {"api_token": "sandbox-Cloudflare-token-4f1c8e0b7a2d9536"}

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        super().__init__(now, rate_limits)
        self.tokens: dict[str, frozenset[str] | None] = {self.credentials["api_token"]: ALL_PERMISSIONS}
        self.page_limit = 5_000_000  # [D] the schema's maximum; 1,000 is recorded [R]
        self._zones: list[_Zone] = []
        self._ids = 0
        self._calls: list[float] = []
        self._blocked_until = 0.0

    # What tests and the sandbox call

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        plan = settings.get("plan", "enterprise")
        account = settings.get("account", "Sandbox Account")
        self._zones.append(
            _Zone(
                self._zone_row(text(absolute(apex)), account, plan, settings),
                settings.get("flatten_all_cnames", False),
                settings.get("record_quota"),
                settings.get("batch_limit", 200 if plan == "free" else 3500),  # [D]
            )
        )
        self._zones[-1].records += [self._from_record(record, self._zones[-1]) for record in records]

    def apexes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(zone.row["name"] for zone in self._zones))

    def raw(self, apex: str) -> Any:
        """Of several accounts' zones with one name, the first that was added."""
        zone = self._named(apex)
        return deepcopy({**zone.row, "dns_settings": {"flatten_all_cnames": zone.flatten_all_cnames}, "records": zone.records})

    def published(self, apex: str) -> tuple[Record, ...]:
        zone = self._named(apex)
        if zone.row["type"] in ("partial", "internal"):
            return ()  # [D] its DNS is served elsewhere, or not to the public
        shown = (record for row in zone.records for record in _shown(row, zone))
        return tuple(dict.fromkeys(shown))

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        zone = self._named(apex)
        going = list(remove)
        zone.records[:] = [row for row in zone.records if _to_record(row) not in going]
        zone.records += [self._from_record(record, zone) for record in add]

    # The API

    def handle(self, request: Request) -> Response:
        try:
            limits = self._throttled()
            permissions = self._authorised(request)
            answer = self._routed(request, permissions)
        except _Refused as refused:
            body = {"result": None, "success": False, "errors": [refused.error], "messages": []}
            return Response.json(body, refused.status, **refused.headers)
        return Response.json({**answer, "success": True, "errors": [], "messages": []}, 200, **limits)

    def _throttled(self) -> dict[str, str]:
        """[D] 1,200 calls in five minutes; going over it blocks every call for five minutes. Returns the headers that say what is left."""
        if not self.rate_limits:
            return {}
        now = self.now()
        if now >= self._blocked_until:
            self._calls = [then for then in self._calls if now - then < _SECONDS]
            if len(self._calls) < _CALLS:
                self._calls.append(now)
                return _limits(_CALLS - len(self._calls), _SECONDS)
            self._blocked_until = now + _SECONDS
        wait = int(self._blocked_until - now) + 1
        words = "More than 1200 requests per 300 seconds reached. Please wait and consider throttling your request speed"  # [T]
        raise _Refused(429, 971, words, **{"retry-after": str(wait)}, **_limits(0, wait))

    def _authorised(self, request: Request) -> frozenset[str]:
        """What the request's token may do."""
        if {"x-auth-key", "x-auth-email"} & set(request.headers):
            raise _Refused(403, 9103, "Unknown X-Auth-Key or X-Auth-Email")
        given = request.headers.get("authorization", "")
        if not given:
            raise _Refused(400, 9106, "Missing X-Auth-Key, X-Auth-Email or Authorization headers")
        if not re.fullmatch(r"Bearer [\w-]{30,}", given):
            raise _Refused(400, 6003, "Invalid request headers", (6111, "Invalid format for Authorization header"))  # [R]
        token = given.removeprefix("Bearer ")
        if token not in self.tokens:
            raise _Refused(403, 9109, "Invalid access token")  # [T]
        permissions = self.tokens[token]
        if permissions is None:
            raise _Refused(401, 10000, "Authentication error")
        return permissions

    def _routed(self, request: Request, permissions: frozenset[str]) -> _Row:
        path = request.path.removeprefix("/client/v4")
        for method, pattern, permission, answer in _ROUTES:
            found = re.fullmatch(pattern, path)
            if not found or method != request.method:
                continue
            if permission not in permissions:
                if permission == "#zone:read":
                    raise _Refused(403, 9109, "Unauthorized to access requested resource")  # [T] traefik #5965
                raise _Refused(403, 10000, "Authentication error")  # [T] traefik #9522
            return answer(self, request, *found.groups())
        raise _Refused(404, 7000, "No route for that URI")  # [R]

    def _list_zones(self, request: Request) -> _Row:
        wanted = request.args.get("name", "").lower()  # [D] exact unless an operator is given
        rows = [zone.row for zone in self._zones if wanted in ("", zone.row["name"]) and zone.row["type"] != "internal"]  # [D]
        return _paged(rows, request, 20, 1000)

    def _get_zone(self, _request: Request, ref: str) -> _Row:
        return {"result": self._by_ref(ref).row}

    def _get_settings(self, _request: Request, ref: str) -> _Row:
        return {"result": {"flatten_all_cnames": self._by_ref(ref).flatten_all_cnames}}

    def _list_records(self, request: Request, ref: str) -> _Row:
        args = request.args
        name = args.get("name.exact", args.get("name", "")).lower()
        kind = args.get("type", "")
        content = args.get("content.exact", args.get("content", ""))
        rows = [
            row
            for row in self._by_ref(ref).records
            if name in ("", row["name"]) and kind in ("", row["type"]) and content in ("", row["content"])
        ]
        return _paged(rows, request, 100, self.page_limit)

    def _create(self, request: Request, ref: str) -> _Row:
        return {"result": self._add(_json(request), self._by_ref(ref))}

    def _get_record(self, _request: Request, ref: str, key: str) -> _Row:
        return {"result": _by_id(self._by_ref(ref), key)}

    def _overwrite(self, request: Request, ref: str, key: str) -> _Row:
        return {"result": self._change(_by_id(self._by_ref(ref), key), _json(request), self._by_ref(ref))}

    def _patch(self, request: Request, ref: str, key: str) -> _Row:
        row = _by_id(self._by_ref(ref), key)
        return {"result": self._change(row, {**row, **_json(request)}, self._by_ref(ref))}

    def _delete(self, _request: Request, ref: str, key: str) -> _Row:
        zone = self._by_ref(ref)
        zone.records.remove(_by_id(zone, key))
        return {"result": {"id": key}}  # [R] alone it is the id only, in a batch the whole row

    def _batch(self, request: Request, ref: str) -> _Row:
        """[D] Deletes, patches, puts, posts in this order, in one transaction: the first error undoes all of it and is the answer."""
        zone, body = self._by_ref(ref), _json(request)
        wanted = {kind: body.get(kind) or [] for kind in ("deletes", "patches", "puts", "posts")}
        if sum(map(len, wanted.values())) > zone.batch_limit:
            raise _invalid(9999, f"Batch has more than {zone.batch_limit} operations")  # [D] the limit, [?] its error
        before = deepcopy(zone.records)
        done: dict[str, list[_Row]] = {kind: [] for kind in wanted}
        try:
            for item in wanted["deletes"]:
                done["deletes"].append(_by_id(zone, item.get("id")))
                zone.records.remove(done["deletes"][-1])
            for item in wanted["patches"]:
                row = _by_id(zone, item.get("id"))
                done["patches"].append(self._change(row, {**row, **item}, zone))
            done["puts"] = [self._change(_by_id(zone, item.get("id")), item, zone) for item in wanted["puts"]]
            done["posts"] = [self._add(item, zone) for item in wanted["posts"]]
        except _Refused:
            zone.records[:] = before
            raise
        return {"result": {kind: rows or None for kind, rows in done.items()}}  # [R] null where nothing was asked

    # State

    def _add(self, body: _Row, zone: _Zone) -> _Row:
        row = self._checked(body, zone)
        _unique(row, zone.records)
        if zone.record_quota is not None and len(zone.records) >= zone.record_quota:
            raise _Refused(400, 81045, "The record quota has been exceeded.")  # [T]
        zone.records.append(row)
        return row

    def _change(self, old: _Row, body: _Row, zone: _Zone) -> _Row:
        row = {**self._checked(body, zone), "id": old["id"]}
        _unique(row, [other for other in zone.records if other is not old])
        zone.records[zone.records.index(old)] = row
        return row

    def _checked(self, body: _Row, zone: _Zone) -> _Row:
        """The row that a body makes, or Cloudflare's objection to it."""
        kind = body.get("type")
        if kind not in _TYPES:
            raise _invalid(9000, "DNS record type is invalid.")
        if not isinstance(body.get("name"), str) or not body["name"]:
            raise _invalid(9000, "DNS name is invalid.")
        ttl = body.get("ttl", 1)
        if ttl != 1 and not 60 <= ttl <= 86400:
            raise _invalid(9021, "Invalid TTL. Must be between 60 and 86400 seconds, or 1 for Automatic.")
        proxied = body.get("proxied", False)
        if proxied and kind not in _PROXIABLE:
            raise _invalid(9004, "This record type cannot be proxied.")
        tags = body.get("tags") or []
        if tags and zone.row["plan"]["legacy_id"] == "free":
            raise _invalid(9300, f"DNS record has {len(tags)} tags, exceeding the quota of 0.")  # [R]
        if kind in ("MX", "URI") and not isinstance(body.get("priority"), int | float):
            raise _invalid(9100, "priority is a required field.")  # [T] the words
        row = {
            "name": _owner(body["name"], zone.apex),
            "type": kind,
            **_contents(body, kind),
            "proxied": proxied,
            "ttl": 1 if proxied else ttl,  # [D] the TTL of what is proxied is always automatic
            "settings": body.get("settings") or {},
            "comment": body.get("comment") or None,
            "tags": tags,
        }
        if kind == "CNAME" and absolute(row["content"]) == absolute(row["name"]):
            raise _invalid(9007, "Content for CNAME record is invalid.")
        return self._whole(row)

    def _whole(self, row: _Row) -> _Row:
        """[R] The fields of a row, in the order recorded."""
        meta = {"auto_added": False, "managed_by_apps": False, "managed_by_argo_tunnel": False}
        known = ("name", "type", "content", "priority", "data", "proxied", "ttl", "settings", "comment", "tags")
        return {
            "id": self._next_id(),
            **{key: row[key] for key in known if key in row},
            "proxiable": row["type"] in _PROXIABLE,
            "meta": meta,
            "created_on": _WHEN,
            "modified_on": _WHEN,
        }

    def _from_record(self, record: Record, zone: _Zone) -> _Row:
        """What the dashboard would have made of a record; nothing is checked here."""
        row = {
            "name": text(record.owner),
            "type": record.rtype,
            **to_fields(record.rtype, record.rdata),
            "proxied": record.masked,
            "ttl": 1 if record.masked or record.ttl is None else record.ttl,
            "settings": {},
            "comment": None,
            "tags": [],
        }
        if isinstance(record.ref, Mapping):
            row |= record.ref
        return self._whole({**row, "content": row["content"] if "content" in row else from_row(row)})

    def _zone_row(self, name: str, account: str, plan: str, settings: Mapping[str, Any]) -> _Row:
        """[R] The fields of a zone."""
        named = f"{crc32(account.encode()):032x}"
        return {
            "id": self._next_id(),
            "name": name,
            "status": settings.get("status", "active"),
            "paused": settings.get("paused", False),
            "type": settings.get("kind", "full"),
            "development_mode": 0,
            "name_servers": list(self.name_servers),
            "original_name_servers": None,
            "original_registrar": None,
            "original_dnshost": None,
            "modified_on": _WHEN,
            "created_on": _WHEN,
            "activated_on": _WHEN,
            "vanity_name_servers": list(settings.get("vanity_name_servers", ())),
            "meta": {"step": 2, "custom_certificate_quota": 0, "page_rule_quota": 3, "phishing_detected": False},
            "owner": {"id": named, "type": "organization", "name": account},
            "account": {"id": named, "name": account},
            "tenant": {"id": None, "name": None},
            "tenant_unit": {"id": None},
            "permissions": sorted(ALL_PERMISSIONS),
            "plan": {"id": f"{crc32(plan.encode()):032x}", "name": f"{plan.title()} Website", "legacy_id": plan},
        }

    def _next_id(self) -> str:
        self._ids += 1
        return f"{self._ids:032x}"

    def _by_ref(self, ref: str) -> _Zone:
        for zone in self._zones:
            if zone.row["id"] == ref:
                return zone
        words = f"Could not route to /client/v4/zones/{ref}, perhaps your object identifier is invalid?"
        raise _Refused(404, 7003, words)  # [R]

    def _named(self, apex: str) -> _Zone:
        name = text(absolute(apex))
        return next(zone for zone in self._zones if zone.row["name"] == name)


_ROUTES: tuple[tuple[str, str, str, Callable[..., _Row]], ...] = (
    ("GET", r"/zones", "#zone:read", FakeCloudflare._list_zones),
    ("GET", r"/zones/([^/]+)", "#zone:read", FakeCloudflare._get_zone),
    ("GET", r"/zones/([^/]+)/dns_settings", "#dns_records:read", FakeCloudflare._get_settings),
    ("GET", r"/zones/([^/]+)/dns_records", "#dns_records:read", FakeCloudflare._list_records),
    ("POST", r"/zones/([^/]+)/dns_records", "#dns_records:edit", FakeCloudflare._create),
    ("POST", r"/zones/([^/]+)/dns_records/batch", "#dns_records:edit", FakeCloudflare._batch),
    ("GET", r"/zones/([^/]+)/dns_records/([^/]+)", "#dns_records:read", FakeCloudflare._get_record),
    ("PUT", r"/zones/([^/]+)/dns_records/([^/]+)", "#dns_records:edit", FakeCloudflare._overwrite),
    ("PATCH", r"/zones/([^/]+)/dns_records/([^/]+)", "#dns_records:edit", FakeCloudflare._patch),
    ("DELETE", r"/zones/([^/]+)/dns_records/([^/]+)", "#dns_records:edit", FakeCloudflare._delete),
)
"""Method, path, the permission it needs, and who answers."""


def _limits(left: int, seconds: int) -> dict[str, str]:
    return {"ratelimit": f'"default";r={left};t={seconds}', "ratelimit-policy": f'"default";q={_CALLS};w={_SECONDS}'}  # [D]


def _json(request: Request) -> _Row:
    try:
        body = request.json()
    except json.JSONDecodeError as wrong:
        raise _Refused(400, 6007, "Malformed JSON in request body") from wrong
    if not isinstance(body, dict):
        raise _Refused(400, 6007, "Malformed JSON in request body")
    return body


def _paged(rows: list[_Row], request: Request, default: int, most: int) -> _Row:
    """[?] More than the most is cut to it without an error, and `result_info` says so."""
    page = max(1, int(float(request.args.get("page", "1"))))
    size = min(most, max(1, int(float(request.args.get("per_page", str(default))))))
    shown = rows[(page - 1) * size : page * size]
    info = {"page": page, "per_page": size, "count": len(shown), "total_count": len(rows), "total_pages": -(-len(rows) // size)}
    return {"result": shown, "result_info": info}


def _by_id(zone: _Zone, key: Any) -> _Row:
    for row in zone.records:
        if row["id"] == key:
            return row
    raise _Refused(404, 81044, f"Record ID {key} does not exist.")  # [R]


def _owner(written: str, apex: Name) -> str:
    """The full name. What is not in the zone is taken as relative to it, so that a typing error makes x.org.example.com."""
    name = absolute(written, apex) if written == "@" else absolute(written)
    return text(name if name.is_subdomain(apex) else absolute(written.removesuffix("."), apex))


def _contents(body: _Row, kind: str) -> _Row:
    """`content`, and `data` and `priority` where the type has them."""
    extra = {key: body[key] for key in ("priority", "data") if body.get(key) is not None}
    try:
        if kind in _WITH_DATA:
            return {**extra, "content": from_row({"type": kind, **extra})}
        content = body["content"]
        if kind in _ADDRESSES:
            _ADDRESSES[kind](content)
        if kind in _NAMED:
            content = absolute(content).to_text(omit_final_dot=True)  # [R] the final dot is not kept
    except (KeyError, TypeError, ValueError) as wrong:
        raise _invalid({"A": 9005, "AAAA": 9006, "CNAME": 9007}.get(kind, 9101), f"Content for {kind} record is invalid.") from wrong
    if kind in _WITH_DATA or not isinstance(content, str) or not content:
        raise _invalid(9101, f"Content for {kind} record is invalid.")
    return {**extra, "content": content}  # [R] TXT is kept as it was typed, quoted or bare


def _unique(row: _Row, others: list[_Row]) -> None:
    """Cloudflare's idea of what may stand together. A CNAME beside a TXT or MX is taken [T]."""
    here = [other for other in others if other["name"] == row["name"]]
    same = ("type", "content", "data", "priority")
    if any(all(other.get(key) == row.get(key) for key in same) for other in here):
        raise _Refused(400, 81058, "An identical record already exists.")  # [R]
    types = {other["type"] for other in here}
    if row["type"] == "CNAME" and types & _PROXIABLE:
        raise _Refused(400, 81053, "An A, AAAA, or CNAME record with that host already exists.")  # [T] the words
    if row["type"] in _ADDRESSES and "CNAME" in types:
        raise _Refused(400, 81054, "A CNAME record with that host already exists.")


def _to_record(row: _Row) -> Record:
    return Record(absolute(row["name"]), row["type"], from_row(row), _AUTOMATIC_TTL if row["ttl"] == 1 else row["ttl"])


def _shown(row: _Row, zone: _Zone) -> Iterable[Record]:
    """What the name servers answer for a row: the edge for what is proxied or flattened [D], the record itself otherwise."""
    record = _to_record(row)
    proxied = row["proxied"] and not zone.row["paused"]  # [D] a paused zone is served as if nothing were proxied
    at_apex = record.owner == zone.apex
    flattened = row["type"] == "CNAME" and (row["settings"].get("flatten_cname") or zone.flatten_all_cnames or at_apex)
    if proxied or flattened:
        return [Record(record.owner, "A", address, _AUTOMATIC_TTL) for address in EDGE]
    return [record]
