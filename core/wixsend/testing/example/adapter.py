"""The three answers for Example DNS, over its JSON API.

What its API promises is written down in `sandbox.py`, beside the code that behaves so.
"""

from typing import Any

import httpx

from wixsend import (
    Credentials,
    CredentialsRejected,
    Edit,
    EditConflict,
    EditRejected,
    ErrorRule,
    Name,
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
    relative_text,
    retry_after,
    text,
)

__all__ = ["ERRORS", "ExampleProvider", "row_of", "to_record", "to_row", "to_zone"]

_TTL = 3600
_MIN_TTL, _MAX_TTL = 300, 86400
_DATA_ENDS_IN_A_NAME = frozenset({"CNAME", "MX", "NS", "PTR", "SRV"})


def _status(error: httpx.HTTPStatusError) -> int:
    return error.response.status_code


def _says(error: httpx.HTTPStatusError) -> str:
    """The vendor's own words; the status alone when the answer is not the vendor's (a proxy's page)."""
    try:
        return f"{error.response.json()['error']['message']} (HTTP {_status(error)})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {_status(error)}"


def _rule(status: int, becomes: Any, why: str, next_step: str = "") -> ErrorRule:
    return ErrorRule(httpx.HTTPStatusError, becomes, lambda error: _status(error) == status, why, next_step, _says, retry_after)


ERRORS: tuple[ErrorRule, ...] = (
    _rule(401, CredentialsRejected, "the token is not known", "Make a new one at dns.example, Account, API tokens."),
    _rule(403, PermissionMissing, "the token may not do this", "Give it zones:read and records:write."),
    _rule(404, ZoneNotHeld, "the zone is gone from the account", "Look into the account: was it moved or deleted?"),
    _rule(409, EditConflict, "the zone is not what was read"),
    _rule(400, EditRejected, "the request is wrong", "Report it to the plugin's author."),
    _rule(422, EditRejected, "a record is not acceptable"),
    _rule(429, RateLimited, "too many calls"),
    ErrorRule(httpx.HTTPStatusError, Unavailable, says=_says, retry_after=retry_after),
    ErrorRule(httpx.TransportError, Unavailable, says=lambda error: f"no answer ({type(error).__name__})"),
    ErrorRule((ValueError, KeyError, TypeError), Unavailable, why="the answer has not the shape that was agreed"),
)


def to_zone(row: Any) -> Zone:
    """A zone as the vendor lists it."""
    servers = tuple(absolute(server) for server in row["name_servers"])
    problem = "" if row["status"] == "active" else f"Example DNS calls the zone {row['status']}"
    return Zone(absolute(row["name"]), row["id"], "", servers, problem, row["records"])


def to_record(row: Any, apex: Name) -> Record:
    """A vendor's row as a record: owners come relative to the zone, names inside of data absolute without their final dot."""
    rdata = row["data"] + "." if row["type"] in _DATA_ENDS_IN_A_NAME else row["data"]
    return Record(absolute(row["name"], apex), row["type"], rdata, row["ttl"], row["flattened"], row)


def to_row(record: Record, apex: Name) -> dict[str, Any]:
    """A record that comes, as the vendor's row."""
    rdata = record.rdata.removesuffix(".") if record.rtype in _DATA_ENDS_IN_A_NAME else record.rdata
    ttl = min(max(record.ttl or _TTL, _MIN_TTL), _MAX_TTL)
    return {"name": relative_text(record.owner, apex), "type": record.rtype, "data": rdata, "ttl": ttl}


def row_of(record: Record) -> dict[str, Any]:
    """The row that a record was read from, to be handed back as it came."""
    assert isinstance(record.ref, dict)
    return record.ref


class ExampleProvider:
    """An open account at Example DNS."""

    errors = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        self._http = wire.async_client(base_url=wire.base_url, headers={"authorization": f"Bearer {credentials['token']}"})

    async def zone(self, apex: Name) -> list[Zone]:
        """The zones of exactly this name: the vendor's `name=` also finds names that merely contain it."""
        pages = await self._pages("/v1/zones", [("name", text(apex))], "zones")
        return [zone for page in pages for zone in map(to_zone, page["zones"]) if zone.apex == apex]

    async def zones(self, page: str = "") -> ZonePage:
        """A page of all of them, called by its number: optional, for runs with many domains."""
        number = int(page or 1)
        found = await self._page("/v1/zones", [], "zones", number)
        return ZonePage([to_zone(row) for row in found["zones"]], str(number + 1) if number < found["pages"] else "")

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """The records at these names, one question for all of them."""
        asked = [("name", relative_text(name, zone.apex)) for name in sorted(names)]
        pages = await self._pages(f"/v1/zones/{zone.ref}/records", asked, "records")
        records = tuple(to_record(row, zone.apex) for page in pages for row in page["records"])
        return Snapshot(zone, records, covers=names, baggage=pages[0]["zone_settings"], total=pages[0]["zone_records"])

    async def write(self, edit: Edit) -> Receipt:
        """One batch, which the vendor makes whole or not at all."""
        zone = edit.before.zone
        going, coming = edit.by_record()
        batch = {"delete": [row_of(record)["id"] for record in going], "create": [to_row(record, zone.apex) for record in coming]}
        answer = await self._ask("POST", f"/v1/zones/{zone.ref}/batch", json=batch)
        gone = frozenset(answer["deleted"])
        created = tuple(to_record(row, zone.apex) for row in answer["created"])
        return Receipt(created, removed=tuple(record for record in going if row_of(record)["id"] in gone))

    async def close(self) -> None:
        await self._http.aclose()

    async def _pages(self, path: str, asked: list[tuple[str, str]], kind: str) -> list[Any]:
        """Every page, 100 rows each; the answer says how many pages there are."""
        pages = [await self._page(path, asked, kind, 1)]
        while len(pages) < pages[-1]["pages"]:
            pages.append(await self._page(path, asked, kind, len(pages) + 1))
        return pages

    async def _page(self, path: str, asked: list[tuple[str, str]], kind: str, number: int) -> Any:
        page = await self._ask("GET", path, params=[*asked, ("page", str(number))])
        if not isinstance(page[kind], list) or page["page"] != number or (not page[kind] and number < page["pages"]):
            raise ValueError(f"page {number} of the {kind} was asked for, and something else came")
        return page

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        response = await self._http.request(method, path, **options)
        response.raise_for_status()
        return response.json()
