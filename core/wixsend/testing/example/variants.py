"""Example DNS for accounts that edit by the RRset or by the zone, and over a blocking client: the other shapes that a plugin can have.

    PATCH /v1/zones/ID/rrsets   {"rrsets": [{"name", "type", "records": rows}]}: all of it or nothing
    PUT   /v1/zones/ID/zone     {"records": rows, "zone_settings": {...}}: from now on the zone is this, and only this

The bad habits of these two: a row written without its `id` is a new one, with an empty comment; what a row is not sent with is forgotten;
a PUT without `zone_settings` sets them back to their defaults.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, ClassVar

from wixsend import (
    WHOLE,
    Credentials,
    Edit,
    Granularity,
    Name,
    Receipt,
    Record,
    Snapshot,
    Wire,
    Zone,
    absolute,
    relative_text,
    text,
)
from wixsend.testing.example import PLUGIN
from wixsend.testing.example.adapter import ERRORS, ExampleProvider, row_of, to_record, to_row, to_zone
from wixsend.testing.example.sandbox import DEFAULT_SETTINGS, ExampleHost, acceptable, consistent, given
from wixsend.testing.fakes import Request

__all__ = ["BLOCKING", "RRSET", "ZONE", "BlockingExample", "ExampleRRsetHost", "ExampleZoneHost", "RRsetExample", "ZoneExample"]


def _rows(records: Sequence[Record], apex: Name) -> list[dict[str, Any]]:
    """What stays verbatim, what comes as a new row."""
    return [to_row(record, apex) if record.ref is None else row_of(record) for record in records]


def _done(answer: Any) -> Receipt:
    """The vendor's word that it did what it was asked, which names no record."""
    if answer["status"] != "done":
        raise ValueError(f"the edit was answered with {answer['status']!r}")
    return Receipt()


class RRsetExample(ExampleProvider):
    """Replaces RRsets: the rows of an RRset that stay go back as they came."""

    async def write(self, edit: Edit) -> Receipt:
        zone = edit.before.zone
        rrsets = [
            {"name": relative_text(owner, zone.apex), "type": rtype, "records": _rows(records, zone.apex)}
            for (owner, rtype), records in edit.by_rrset().items()
        ]
        return _done(await self._ask("PATCH", f"/v1/zones/{zone.ref}/rrsets", json={"rrsets": rrsets}))


class ZoneExample(ExampleProvider):
    """Replaces the zone: every row that stays goes back as it came, and the zone's settings with them."""

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        return replace(await super().read(zone, frozenset()), covers=WHOLE)

    async def write(self, edit: Edit) -> Receipt:
        zone = edit.before.zone
        whole = {"records": _rows(edit.whole_zone(), zone.apex), "zone_settings": dict(edit.before.baggage)}
        return _done(await self._ask("PUT", f"/v1/zones/{zone.ref}/zone", json=whole))


class BlockingExample:
    """`ExampleProvider` for an SDK that blocks."""

    errors = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        self._http = wire.client(base_url=wire.base_url, headers={"authorization": f"Bearer {credentials['token']}"})

    def zone(self, apex: Name) -> list[Zone]:
        pages = self._pages("/v1/zones", [("name", text(apex))], "zones")
        return [to_zone(row) for page in pages for row in page["zones"] if absolute(row["name"]) == apex]

    def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        asked = [("name", relative_text(name, zone.apex)) for name in sorted(names)]
        pages = self._pages(f"/v1/zones/{zone.ref}/records", asked, "records")
        records = tuple(to_record(row, zone.apex) for page in pages for row in page["records"])
        return Snapshot(zone, records, names, pages[0]["zone_settings"], total=pages[0]["zone_records"])

    def write(self, edit: Edit) -> Receipt:
        zone = edit.before.zone
        going, coming = edit.by_record()
        batch = {"delete": [row_of(record)["id"] for record in going], "create": _rows(coming, zone.apex)}
        answer = self._ask("POST", f"/v1/zones/{zone.ref}/batch", json=batch)
        return Receipt(tuple(to_record(row, zone.apex) for row in answer["created"]))

    def close(self) -> None:
        self._http.close()

    def _pages(self, path: str, asked: list[tuple[str, str]], kind: str) -> list[Any]:
        pages: list[Any] = []
        last = 1
        while len(pages) < last:
            page = self._ask("GET", path, params=[*asked, ("page", str(len(pages) + 1))])
            if not isinstance(page[kind], list) or page["page"] != len(pages) + 1:
                raise ValueError(f"page {len(pages) + 1} of the {kind} was asked for, and something else came")
            last = page["pages"]
            pages.append(page)
        return pages

    def _ask(self, method: str, path: str, **options: Any) -> Any:
        response = self._http.request(method, path, **options)
        response.raise_for_status()
        return response.json()


class _Replacing(ExampleHost):
    def _kept_or_new(self, row: dict[str, Any], zone: dict[str, Any]) -> dict[str, Any]:
        if row.get("id") in {held["id"] for held in zone["records"]}:
            return {"comment": "", "flattened": False} | row
        return self._new(acceptable(row))


class ExampleRRsetHost(_Replacing):
    """The fake of Example DNS with an API that replaces RRsets."""

    def _rrsets(self, request: Request, ref: str) -> dict[str, Any]:
        apex, zone = self._find(ref)
        rows = list(zone["records"])
        for rrset in given(request, "rrsets")["rrsets"]:
            key = absolute(rrset["name"], apex), rrset["type"]
            rows = [row for row in rows if (absolute(row["name"], apex), row["type"]) != key]
            rows += [self._kept_or_new(row, zone) for row in rrset["records"]]
        zone["records"] = consistent(rows, apex)
        return {"status": "done"}

    _routes: ClassVar = (*ExampleHost._routes[:2], ("PATCH", "/v1/zones/([^/]+)/rrsets", _rrsets))


class ExampleZoneHost(_Replacing):
    """The fake of Example DNS with an API that replaces zones."""

    def _put(self, request: Request, ref: str) -> dict[str, Any]:
        apex, zone = self._find(ref)
        body = given(request, "records")
        zone["records"] = consistent([self._kept_or_new(row, zone) for row in body["records"]], apex)
        zone["zone_settings"] = dict(body.get("zone_settings", DEFAULT_SETTINGS))
        return {"status": "done"}

    _routes: ClassVar = (*ExampleHost._routes[:2], ("PUT", "/v1/zones/([^/]+)/zone", _put))


RRSET = replace(PLUGIN, opens=RRsetExample, granularity=Granularity.RRSET)
ZONE = replace(PLUGIN, opens=ZoneExample, granularity=Granularity.ZONE, limits=replace(PLUGIN.limits, max_records=1000))
BLOCKING = replace(PLUGIN, opens=BlockingExample)
