"""The three answers for PowerDNS. What its API promises is written down in `sandbox.py`, beside the code that behaves so."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import quote

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
)

__all__ = ["ERRORS", "PowerDns"]

_TTL = 3600
_KINDS = frozenset({"native", "master", "primary", "producer"})
"""Zones that are edited here; the others are copies of what another server has."""

_CONFLICTS = ("Conflicts with pre-existing", "has more than one record")
_NOT_HERE = ("Could not find domain",)

type _RRset = dict[str, Any]


def _says(error: httpx.HTTPStatusError) -> str:
    """PowerDNS's own words; the status alone where it has none."""
    try:
        return f"{error.response.json()['error']} (HTTP {error.response.status_code})"
    except (ValueError, KeyError, TypeError):
        return f"HTTP {error.response.status_code}"


def _rule(
    status: int,
    becomes: type[ProviderError],
    why: str,
    next_step: str = "",
    words: Sequence[str] = ("",),
    when: Callable[[httpx.Request], bool] = lambda _request: True,
) -> ErrorRule:
    """A row for this status, where the answer has one of these words in it."""

    def fits(error: httpx.HTTPStatusError) -> bool:
        said = _says(error)
        return error.response.status_code == status and any(word in said for word in words) and when(error.request)

    return ErrorRule(httpx.HTTPStatusError, becomes, fits, why, next_step, _says, retry_after)


def _asks_for_zones(request: httpx.Request) -> bool:
    return request.url.path.endswith("/zones")


_ADDRESS = "Check base_url (it ends before /api/v1) and server_id: `curl -H 'X-API-Key: …' BASE_URL/api/v1/servers` lists the servers."
_REACH = "Is it up, and may this machine ask it (webserver-address, webserver-port and webserver-allow-from in pdns.conf)?"
_FORBIDDEN = "Look at webserver-allow-from in pdns.conf, and at the proxy before it, if there is one."

ERRORS: tuple[ErrorRule, ...] = (
    _rule(401, CredentialsRejected, "the API key is not its own", "Compare it with api-key in pdns.conf."),
    _rule(403, PermissionMissing, "it does not let this machine do that", _FORBIDDEN),
    _rule(404, CredentialsRejected, "there is no such server at this address", _ADDRESS, when=_asks_for_zones),
    _rule(404, ZoneNotHeld, "the zone is gone", "Was it deleted, or moved to another server?"),
    _rule(422, ZoneNotHeld, "the zone is gone", "Was it deleted, or moved to another server?", words=_NOT_HERE),
    _rule(422, EditConflict, "the zone is not what was read", words=_CONFLICTS),
    _rule(409, EditConflict, "the zone is not what was read"),
    _rule(422, EditRejected, "an RRset is not acceptable", "Compare it with what PowerDNS says."),
    _rule(400, EditRejected, "a request is not acceptable", "Report it to the plugin's author."),
    _rule(429, RateLimited, "too many calls"),
    ErrorRule(httpx.HTTPStatusError, Unavailable, says=_says, retry_after=retry_after),
    ErrorRule(httpx.TransportError, Unavailable, next_step=_REACH, says=lambda error: f"no answer ({type(error).__name__})"),
    ErrorRule((ValueError, KeyError, TypeError), Unavailable, why="the answer has not the shape that was agreed"),
)


class PowerDns:
    """An open account at a PowerDNS: one server of one API."""

    errors: Sequence[ErrorRule] = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        server = quote(credentials.get("server_id", "localhost"), safe="")
        self._http = wire.async_client(
            base_url=f"{wire.base_url}/api/v1/servers/{server}", headers={"x-api-key": credentials["api_key"], "accept": "application/json"}
        )

    async def zone(self, apex: Name) -> list[Zone]:
        rows = (await self._ask("GET", "/zones", params={"zone": f"{text(apex)}."})).json()
        if not isinstance(rows, list):
            raise ValueError("a list of zones was asked for, and something else came")
        return [_zone(row) for row in rows if absolute(row["name"]) == apex]  # before 4.2 it lists all zones

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """The whole zone, in one call. The API can be asked for a single name (`rrset_name`), and then hides disabled records."""
        rrsets = (await self._ask("GET", _path(zone))).json()["rrsets"]
        records = [record for rrset in rrsets for record in _records(rrset)]
        if not zone.problem and not any((record.owner, record.rtype) == (zone.apex, "SOA") for record in records):
            raise ValueError("the answer lacks the SOA that every zone has, and is not believed")
        servers = [record for record in records if (record.owner, record.rtype) == (zone.apex, "NS")]
        own = tuple(record for record in records if record not in servers and record.rtype != "SOA")
        seen = tuple(server.target for server in servers if not server.masked)
        return Snapshot(replace(zone, name_servers=seen), own, WHOLE, total=len(own))

    async def write(self, edit: Edit) -> Receipt:
        """One call, which PowerDNS makes whole or not at all. Its answer is empty: the core looks again."""
        rrsets = [_rrset(owner, rtype, records) for (owner, rtype), records in edit.by_rrset().items()]
        response = await self._ask("PATCH", _path(edit.before.zone), json={"rrsets": rrsets})
        if response.status_code != httpx.codes.NO_CONTENT:
            raise ValueError(f"an edit was answered with HTTP {response.status_code}")
        return Receipt()

    async def close(self) -> None:
        await self._http.aclose()

    async def _ask(self, method: str, path: str, **options: Any) -> httpx.Response:
        response = await self._http.request(method, path, **options)
        response.raise_for_status()
        return response


def _path(zone: Zone) -> str:
    return f"/zones/{quote(zone.ref, safe='=')}"


def _zone(row: dict[str, Any]) -> Zone:
    """A zone as it is listed. PowerDNS takes edits to a secondary zone without a word, and the next transfer takes them back."""
    kind = row["kind"]
    sources = ", ".join(row.get("masters") or ())
    copied = f"PowerDNS holds it as a {kind.lower()} zone, copied from {sources or 'another server'}: the records belong there"
    return Zone(absolute(row["name"]), row["id"], row.get("account") or "", problem="" if kind.lower() in _KINDS else copied)


def _records(rrset: _RRset) -> list[Record]:
    """An RRset's records, each with its row; a disabled one is stored, and not served."""
    owner, rtype, ttl = absolute(rrset["name"]), rrset["type"], rrset["ttl"]
    return [Record(owner, rtype, row["content"], ttl, row.get("disabled") is True, row) for row in rrset["records"]]


def _rrset(owner: Name, rtype: str, records: Sequence[Record]) -> _RRset:
    """What PowerDNS is to hold: rows that stay as they came and with their TTL, and without `comments`, so that it keeps those."""
    named = {"name": f"{text(owner)}.", "type": rtype}
    if not records:
        return named | {"changetype": "DELETE"}
    kept = [record for record in records if record.ref is not None]
    ttl = (kept or records)[0].ttl
    rows = [record.ref if record.ref is not None else {"content": record.rdata, "disabled": record.masked} for record in records]
    return named | {"changetype": "REPLACE", "ttl": _TTL if ttl is None else ttl, "records": rows}
