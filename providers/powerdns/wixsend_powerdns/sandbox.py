"""A stateful fake of PowerDNS, and with it what we rely on of its HTTP API.

Everything here was seen at a real PowerDNS Authoritative Server 4.7.3; `tests/live_servers/test_powerdns.py` tries the same on one.

    GET   /api/v1/servers/ID/zones?zone=NAME   the zone of that name, if it is there, as a list; NAME must end in a dot (422)
    GET   /api/v1/servers/ID/zones/ZONE        the zone and its RRsets, SOA and NS among them; disabled records too, which the
                                               filter `rrset_name` would hide
    PATCH /api/v1/servers/ID/zones/ZONE        {"rrsets": [...]}: REPLACE or DELETE, in that order, in one transaction; 204, no body

Its habits: a REPLACE keeps the comments of an RRset where it does not give any; a DELETE takes them along. It refuses with 422 and words. A
disabled record is in nobody's way. Edits to a secondary zone are taken, and do not last. Owners come in lower case, records of an RRset
in an order of its own.
"""

import copy
import re
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from wixsend import Name, Record, absolute, text
from wixsend.testing.fakes import FakeHost, Request, Response

__all__ = ["FakePowerDns"]

_TTL = 3600
_ENDS_IN_A_NAME = frozenset({"CNAME", "MX", "NS", "PTR", "SRV", "ALIAS", "DNAME"})
_TYPES = _ENDS_IN_A_NAME | {"A", "AAAA", "CAA", "HTTPS", "LUA", "SOA", "SVCB", "TLSA", "TXT"}

type _RRset = dict[str, Any]
type _Key = tuple[str, str]


class _Refused(Exception):
    def __init__(self, status: int, words: str) -> None:
        self.response = Response.json({"error": words}, status) if status == 422 else Response(status, words.encode(), _PLAIN)


_PLAIN = {"content-type": "text/plain; charset=utf-8"}
_GONE = (404, "Not Found")


class FakePowerDns(FakeHost):
    """PowerDNS. `add_zone` takes `kind` ("Native"), `masters`, `account` and `soa_edit_api`."""

    name: ClassVar = "powerdns"
    name_servers: ClassVar = ("ns1.own-servers.example", "ns2.own-servers.example")
    credentials: ClassVar = {"api_key": "pdns-4f6a1c90b2e7", "server_id": "localhost"}

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        super().__init__(now, rate_limits)
        self._zones: dict[str, dict[str, Any]] = {}
        self._rrsets: dict[str, dict[_Key, _RRset]] = {}

    def handle(self, request: Request) -> Response:
        try:
            if request.headers.get("x-api-key") != self.credentials["api_key"]:
                raise _Refused(401, "Unauthorized")
            for method, pattern, answer in self._routes:
                match = re.fullmatch(pattern, request.path)
                if match and method == request.method:
                    return answer(self, request, *match.groups())
            raise _Refused(*_GONE)
        except _Refused as refused:
            return refused.response

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        name = f"{text(absolute(apex))}."
        zone = {"id": name, "name": name, "kind": "Native", "masters": [], "account": "", "dnssec": False, "soa_edit_api": "DEFAULT"}
        self._zones[name] = zone | settings
        self._rrsets[name] = {}
        soa = f"{self.name_servers[0]}. hostmaster.{name} 2026112401 10800 3600 604800 3600"
        own = [Record(absolute(name), "SOA", soa), *(Record(absolute(name), "NS", f"{server}.") for server in self.name_servers)]
        self.edit_behind(apex, [*own, *records])

    def apexes(self) -> tuple[str, ...]:
        return tuple(name.removesuffix(".") for name in self._zones)

    def raw(self, apex: str) -> Any:
        name = f"{text(absolute(apex))}."
        rrsets = self._rrsets[name].values()
        rows = [{**rrset, "records": None, "comments": list(rrset["comments"]), **row} for rrset in rrsets for row in rrset["records"]]
        return {**self._zones[name], "records": rows}

    def published(self, apex: str) -> tuple[Record, ...]:
        origin = absolute(apex)
        rrsets = [rrset for rrset in self._rrsets[f"{text(origin)}."].values() if not _is_hosts_own(rrset, origin)]
        return tuple(_shown(rrset, row) for rrset in rrsets for row in rrset["records"] if not row["disabled"])

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        rrsets = self._rrsets[f"{text(absolute(apex))}."]
        for record in remove:
            rrset = rrsets[_key(record)]
            rrset["records"] = [row for row in rrset["records"] if _shown(rrset, row) != record]
            if not rrset["records"]:
                del rrsets[_key(record)]
        for record in add:
            name, rtype = key = _key(record)
            comments = [{"content": "made by hand", "account": "panel", "modified_at": 1764000000}]
            rrset = rrsets.setdefault(key, {"name": name, "type": rtype, "ttl": record.ttl or _TTL, "records": [], "comments": comments})
            row = {"content": record.rdata, "disabled": record.masked}
            if row not in rrset["records"]:
                rrset["records"].insert(0, row)

    def _list(self, request: Request) -> Response:
        wanted = request.args["zone"]
        if not wanted.endswith("."):
            raise _Refused(422, f"DNS Name '{wanted}' is not canonical")
        return Response.json([zone for name, zone in self._zones.items() if name == wanted.lower()])

    def _show(self, request: Request, zone: str) -> Response:
        rrsets = self._held(zone)
        return Response.json({**self._zones[zone], "serial": 2026112401, "rrsets": list(rrsets.values())})

    def _patch(self, request: Request, zone: str) -> Response:
        rrsets = copy.deepcopy(self._held(zone))
        body = request.json()
        if not isinstance(body.get("rrsets"), list):
            raise _Refused(422, "No rrsets given in update request")
        for sent in body["rrsets"]:
            _apply(sent, rrsets, absolute(zone))
        self._rrsets[zone] = rrsets
        return Response(204)

    _routes: ClassVar[tuple[tuple[str, str, Callable[..., Response]], ...]] = (
        ("GET", "/api/v1/servers/localhost/zones", _list),
        ("GET", "/api/v1/servers/localhost/zones/([^/]+)", _show),
        ("PATCH", "/api/v1/servers/localhost/zones/([^/]+)", _patch),
    )

    def _held(self, zone: str) -> dict[_Key, _RRset]:
        if zone not in self._rrsets:
            raise _Refused(*_GONE)
        return self._rrsets[zone]


def _apply(sent: _RRset, rrsets: dict[_Key, _RRset], apex: Name) -> None:
    """One RRset of a request, made in place; or what is wrong with it, as PowerDNS says it."""
    name, rtype = key = sent["name"].lower(), sent["type"]
    named = f"RRset {name} IN {rtype}"
    if not name.endswith("."):
        raise _Refused(422, f"DNS Name '{name}' is not canonical")
    if not absolute(name).is_subdomain(apex):
        raise _Refused(422, f"{named}: Name is out of zone")
    if rtype not in _TYPES:
        raise _Refused(422, f"{named}: unknown type given")
    if sent["changetype"] not in ("REPLACE", "DELETE"):
        raise _Refused(422, "Changetype not understood")
    if sent["changetype"] == "DELETE" or not sent["records"]:
        rrsets.pop(key, None)
        return
    if not isinstance(sent.get("ttl"), int):
        raise _Refused(422, "Key 'ttl' not an Integer or not present")
    rows = [{"content": row["content"], "disabled": row.get("disabled", False)} for row in sent["records"]]
    contents = [row["content"] for row in rows]
    for content in contents:
        if rtype in _ENDS_IN_A_NAME and not content.endswith("."):
            raise _Refused(422, f"Record {name}/{rtype} '{content}': Not in expected format (parsed as '{content}.')")
        if contents.count(content) > 1:
            raise _Refused(422, f'Duplicate record in RRset {name} IN {rtype} with content "{content}"')
    if rtype == "CNAME" and len(rows) > 1:
        raise _Refused(422, f"{named} has more than one record")
    beside = [kind for (where, kind), rrset in rrsets.items() if (where, kind) != key and where == name and _is_served(rrset)]
    if beside and "CNAME" in (rtype, *beside):
        raise _Refused(422, f"{named}: Conflicts with pre-existing RRset")
    comments = sent.get("comments", rrsets.get(key, {}).get("comments", []))
    rrsets[key] = {"name": name, "type": rtype, "ttl": sent["ttl"], "records": rows[::-1], "comments": comments}


def _is_served(rrset: _RRset) -> bool:
    return any(not row["disabled"] for row in rrset["records"])


def _is_hosts_own(rrset: _RRset, apex: Name) -> bool:
    return absolute(rrset["name"]) == apex and rrset["type"] in ("SOA", "NS")


def _key(record: Record) -> _Key:
    return f"{text(record.owner)}.", record.rtype


def _shown(rrset: _RRset, row: dict[str, Any]) -> Record:
    return Record(absolute(rrset["name"]), rrset["type"], row["content"], rrset["ttl"])
