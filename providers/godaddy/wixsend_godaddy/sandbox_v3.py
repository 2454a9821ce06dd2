"""GoDaddy's domains API version 3 over the zones of the fake, and with it what we rely on.

Marks of evidence: [D] GoDaddy's API description (its command line tool, godaddy/cli, carries it); [C] that tool's code and issues;
[T] third-party issue or code; [?] not known, so the worst case.

    GET    /v3/domains/domain-names/NAME              status and name servers; 404 where the account has none so [D]
    GET    /v3/domains/zones/NAME/dns-records         `items`, each with a `recordId`; 25 to a page, up to 100 with `pageSize`; `page`
                                                      from 1; `totalItems`, `totalPages` with `totalRequired=true`, none where none is [D]
    POST   /v3/domains/zones/NAME/dns-records         one record; 201 with it, and its id [D]
    DELETE /v3/domains/zones/NAME/dns-records/ID      204, 404 where it is gone, 409 for NS and SOA [D]
    PUT    /v3/domains/zones/NAME/dns-records/ID      no longer described; answers 200, and the record in the body is all that the zone
                                                      holds then, beside NS and SOA [C] (godaddy/cli, issue 136)

Reading takes the scope domains.domain:read, writing domains.dns:update [D]. There is no call that makes several changes at once.
"""

import hashlib
import math
import re
from collections import Counter
from collections.abc import Collection, Mapping
from typing import Any

from wixsend.testing.fakes import Request, Response
from wixsend_godaddy.rows import MIN_TTL, Row
from wixsend_godaddy.sandbox_zone import Domain, same, stored
from wixsend_godaddy.v3_fence import MAX_TTL, PAGE

__all__ = ["SCOPES", "Refused", "answer"]

SCOPES = ("domains.domain:read", "domains.dns:update")

_USUAL_PAGE = 25
_LONGEST = 512
_SYSTEM = ("NS", "SOA")
_TYPES = frozenset({"A", "AAAA", "ALIAS", "CAA", "CNAME", "HTTPS", "MX", "SRV", "SVCB", "TLSA", "TXT"})  # [D]
_NAMES = frozenset({"CNAME", "MX", "NS", "SRV"})
_NEEDED = {"MX": ("priority",), "SRV": ("priority", "weight", "port", "service", "protocol"), "CAA": ("flag", "tag")}


class Refused(Exception):
    """An error answer."""

    def __init__(self, status: int, name: str, message: str, issue: str = "") -> None:
        super().__init__(message)
        details = {"details": [{"issue": issue, "description": message}]} if issue else {}
        self.response = Response.json({"name": name, "correlationId": "4be0c0de", "message": message} | details, status)


def answer(domains: Mapping[str, Domain], scopes: Collection[str], request: Request) -> Response:
    """Answer one request that came with the account's token. Raises `Refused`."""
    found = re.fullmatch(r"/v3/domains/(domain-names|zones)/([^/]+)(/dns-records)?(?:/([^/]+))?", request.path)
    if found is None or (found[1] == "zones") != bool(found[3]):
        raise Refused(404, "NOT_FOUND", "There is no method to handle request")
    kind, name, _, number = found.groups()
    needed = SCOPES[0] if request.method == "GET" else SCOPES[1]
    if needed not in scopes:
        raise Refused(403, "FORBIDDEN", f"The token lacks the scope {needed}")  # its code [?]
    domain = domains.get(name.lower())
    if domain is None or domain.cancelled or domain.shopper:
        raise Refused(404, "NOT_FOUND", f"Domain {name} was not found")
    if kind == "domain-names":
        servers = {"nameServers": domain.servers} if domain.servers else {}
        return Response.json({"domain": domain.name, "status": domain.status, "autoRenew": True, "privacy": True, **servers})
    if not domain.zone_file:
        raise Refused(404, "NOT_FOUND", f"Zone {name} was not found")
    if request.method != "GET":
        _may_change(domain)
    match request.method, bool(number):
        case "GET", False:
            return _page(domain, request)
        case "POST", False:
            return _create(domain, _body(request))
        case "DELETE", True:
            return _delete(domain, number)
        case "PUT", True:
            return _replace(domain, _body(request))
    raise Refused(404, "NOT_FOUND", "There is no method to handle request")


def _shown(row: Row, nth: int = 0) -> Row:
    """A row as version 3 shows it: with an id that its content makes [?], names with their final dot [T], CAA in fields [D]."""
    data, more = row["data"], {}
    if row["type"] in _NAMES and data != "@":
        data = f"{data.rstrip('.')}."
    caa = re.fullmatch(r'(\d+) (\w+) "(.*)"', data) if row["type"] == "CAA" else None
    if caa:
        data, more = caa[3], {"flag": int(caa[1]), "tag": caa[2]}
    told = [row.get(field) for field in ("type", "name", "data", "priority", "service", "protocol", "port", "weight")]
    record_id = hashlib.sha256(repr((told, nth)).encode()).hexdigest()[:40]
    return {"recordId": record_id} | row | {"data": data} | more


def _all_shown(domain: Domain) -> list[tuple[Row, Row]]:
    """Every row as it is held and as it is shown; of rows that are alike each has an id of its own."""
    alike: Counter[str] = Counter()
    found: list[tuple[Row, Row]] = []
    for row in domain.rows:
        first = _shown(row)["recordId"]
        found.append((row, _shown(row, alike[first])))
        alike[first] += 1
    return found


def _page(domain: Domain, request: Request) -> Response:
    rows = sorted((row for _held, row in _all_shown(domain)), key=lambda row: (row["type"], row["name"], row["data"]))
    wanted = [row for row in rows if all(request.args.get(field, row[field]) == row[field] for field in ("type", "name"))]
    try:
        page, size = int(request.args.get("page", "1")), int(request.args.get("pageSize", str(_USUAL_PAGE)))
    except ValueError:
        raise Refused(400, "VALIDATION_ERROR", "page and pageSize are numbers", "MISMATCH_FORMAT") from None
    if page < 1 or not 1 <= size <= PAGE:
        raise Refused(400, "VALIDATION_ERROR", f"pageSize must be at most {PAGE}", "OUT_OF_RANGE")
    counted = {"totalItems": len(wanted), "totalPages": math.ceil(len(wanted) / size)}
    totals = counted if wanted and request.args.get("totalRequired") == "true" else {}
    links = [{"rel": "self", "href": request.path}]
    return Response.json({"items": wanted[(page - 1) * size : page * size], "links": links} | totals)


def _create(domain: Domain, body: Row) -> Response:
    """A CNAME stands alone at its name, and no record stands twice: both are called a duplicate [C]."""
    row = _valid(body, domain.name)
    others = [held for held in domain.rows if held["name"].lower() == row["name"].lower()]
    if any(same(row, held) for held in others) or (others and "CNAME" in {row["type"], *(held["type"] for held in others)}):
        raise Refused(422, "VALIDATION_ERROR", f"Duplicate data provided for record name, {row['name']}.", "DUPLICATE_RECORD")
    domain.rows.append(row)
    return Response.json(_shown(row), 201)


def _delete(domain: Domain, number: str) -> Response:
    row = next((held for held, row in _all_shown(domain) if row["recordId"] == number), None)
    if row is None:
        raise Refused(404, "NOT_FOUND", "The record was not found")
    if row["type"] in _SYSTEM:
        raise Refused(409, "dns_record_not_mutable", "The record is managed by GoDaddy")
    domain.rows = [held for held in domain.rows if held is not row]
    return Response(204)


def _replace(domain: Domain, body: Row) -> Response:
    """The bad habit: 200, and everything else of the zone is gone."""
    row = _valid(body, domain.name)
    domain.rows = [held for held in domain.rows if held["type"] in _SYSTEM] + [row]
    return Response.json(_shown(row))


def _may_change(domain: Domain) -> None:
    if domain.status != "ACTIVE":
        raise Refused(409, "DOMAIN_NOT_ELIGIBLE", "The domain is not eligible to have its records changed")  # [?]
    if domain.busy:
        domain.busy -= 1
        raise Refused(409, "CONFLICT", "The zone is being edited")  # [?]


def _body(request: Request) -> Row:
    try:
        body: Any = request.json()
    except ValueError:
        body = None
    if not isinstance(body, dict):
        raise Refused(400, "MALFORMED_BODY", "Request was malformed")
    return body


def _valid(body: Row, apex: str) -> Row:
    """The row that a body makes. Raises `Refused` for one that does not fulfil the schema [D]."""
    rtype, data, ttl = body.get("type"), body.get("data"), body.get("ttl")
    if rtype not in _TYPES:
        raise Refused(422, "VALIDATION_ERROR", "type is not one that can be created", "INVALID_VALUE")
    if not (isinstance(data, str) and 0 < len(data) <= _LONGEST and isinstance(body.get("name"), str) and body["name"]):
        raise Refused(422, "VALIDATION_ERROR", f"name and data are required, data up to {_LONGEST} characters", "INVALID_VALUE")
    if type(ttl) is not int or not MIN_TTL <= ttl <= MAX_TTL:
        raise Refused(422, "VALIDATION_ERROR", f"ttl must be {MIN_TTL} to {MAX_TTL}", "OUT_OF_RANGE")
    if any(field not in body for field in _NEEDED.get(rtype, ())):
        raise Refused(422, "VALIDATION_ERROR", f"{rtype} needs {', '.join(_NEEDED[rtype])}", "MISSING_FIELD")
    if rtype in _NAMES and not data.endswith("."):
        raise Refused(422, "VALIDATION_ERROR", "data must end with a dot", "MISMATCH_FORMAT")  # [D] says so, that it is refused [?]
    row = {field: value for field, value in body.items() if field not in ("recordId", "flag", "tag")}
    if rtype == "CAA":
        row["data"] = f'{body["flag"]} {body["tag"]} "{data}"'
    return stored(row, apex)
