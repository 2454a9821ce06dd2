"""The three answers for DigitalOcean. What its API promises is written down in `sandbox.py`, beside the code that behaves so."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import httpx

from wixsend import (
    WHOLE,
    Credentials,
    CredentialsRejected,
    Edit,
    EditConflict,
    EditRejected,
    ErrorRule,
    Name,
    PermissionMissing,
    ProviderError,
    RateLimited,
    Receipt,
    Record,
    Snapshot,
    Unavailable,
    Wire,
    Zone,
    ZoneNotHeld,
    absolute,
    retry_after,
    text,
    write_one_by_one,
)
from wixsend_digitalocean.rows import Row, record_of, row_for

__all__ = ["ERRORS", "DigitalOcean"]

_PAGE = 200
_MOST = 100_000
_TOKENS = "cloud.digitalocean.com/account/api/tokens"


def _told(error: httpx.HTTPStatusError) -> dict[str, Any]:
    """The vendor's own words, `id` and `message`; empty when the answer is not the vendor's (a proxy's page)."""
    try:
        body = error.response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _says(error: httpx.HTTPStatusError) -> str:
    return f"{_told(error).get('message', '')} (HTTP {error.response.status_code})".lstrip()


def _rule(
    status: int, becomes: type[ProviderError], why: str, next_step: str = "", when: Callable[[httpx.HTTPStatusError], bool] = lambda _: True
) -> ErrorRule:
    def fits(error: httpx.HTTPStatusError) -> bool:
        return error.response.status_code == status and when(error)

    return ErrorRule(httpx.HTTPStatusError, becomes, fits, why, next_step, _says, retry_after)


ERRORS: tuple[ErrorRule, ...] = (
    _rule(401, CredentialsRejected, "the token is not known, or has expired", f"Make a new one at {_TOKENS}."),
    _rule(403, PermissionMissing, "the token may not do this", "It needs the scopes domain:read, create, update and delete."),
    _rule(404, EditConflict, "what was to be removed is gone already", when=lambda error: error.request.method == "DELETE"),
    _rule(404, ZoneNotHeld, "the domain is gone from the account", "Look into the account: was it moved or deleted?"),
    _rule(422, EditConflict, "the zone is not what was read", when=lambda error: "share a name" in _says(error)),
    _rule(422, EditRejected, "a record is not acceptable", "Compare it with what DigitalOcean's answer says."),
    _rule(400, EditRejected, "a request is not acceptable", "Report it to the plugin's author."),
    _rule(409, EditConflict, "the zone is being changed by somebody else"),
    _rule(429, RateLimited, "too many calls"),
    ErrorRule(httpx.HTTPStatusError, Unavailable, says=_says, retry_after=retry_after),
    ErrorRule(httpx.TransportError, Unavailable, says=lambda error: f"no answer ({type(error).__name__})"),
    ErrorRule((ValueError, KeyError, TypeError), Unavailable, why="the answer has not the shape that was agreed"),
)


class DigitalOcean:
    """An open account at DigitalOcean."""

    errors: Sequence[ErrorRule] = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        self._http = wire.async_client(base_url=wire.base_url, headers={"authorization": f"Bearer {credentials['token']}"})

    async def zone(self, apex: Name) -> list[Zone]:
        try:
            domain = (await self._ask("GET", f"/domains/{text(apex)}"))["domain"]
        except httpx.HTTPStatusError as error:
            if error.response.status_code == 404 and _told(error).get("id") == "not_found":
                return []
            raise
        return [Zone(absolute(domain["name"]), ref=domain["name"])]

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """The whole zone: a question for one name costs a call, as 200 records do."""
        rows: list[Any] = []
        total = 1
        while len(rows) < total:
            page = await self._ask("GET", f"/domains/{zone.ref}/records", params={"per_page": _PAGE, "page": len(rows) // _PAGE + 1})
            rows += page["domain_records"]
            total = page["meta"]["total"]
            if total > _MOST:
                raise ValueError(f"{total} records were announced, more than any zone has")
            if len(rows) != total and len(page["domain_records"]) != _PAGE:
                raise ValueError(f"{total} records were announced, and a page holds {len(page['domain_records'])}")
        records = [record_of(row, zone.apex) for row in rows if row["type"] != "SOA"]
        servers = [record for record in records if (record.owner, record.rtype) == (zone.apex, "NS")]
        if not servers:
            raise ValueError("the answer lacks the name servers that every zone has, and is not believed")
        own = tuple(record for record in records if record not in servers)
        return Snapshot(replace(zone, name_servers=tuple(server.target for server in servers)), own, WHOLE, total=len(own))

    async def write(self, edit: Edit) -> Receipt:
        """One call for each record: DigitalOcean takes no two together."""
        return await write_one_by_one(edit, self, "DigitalOcean")

    def row(self, record: Record, apex: Name) -> Row:
        return row_for(record, apex)

    async def add(self, zone: Zone, row: Row) -> Record:
        answer = await self._ask("POST", f"/domains/{zone.ref}/records", json=row)
        return record_of(answer["domain_record"], zone.apex)

    async def remove(self, zone: Zone, record: Record) -> None:
        assert isinstance(record.ref, dict)
        await self._ask("DELETE", f"/domains/{zone.ref}/records/{int(record.ref['id'])}")

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        response = await self._http.request(method, path, **options)
        response.raise_for_status()
        if method != "DELETE":
            return response.json()
        if response.status_code != httpx.codes.NO_CONTENT:
            raise ValueError(f"a removal was answered with HTTP {response.status_code}, and not with 204")
        return None
