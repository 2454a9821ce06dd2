"""The three answers for DigitalOcean. What its API promises is written down in `sandbox.py`, beside the code that behaves so."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NoReturn

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
    OutcomeUnknown,
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
    text,
)
from wixsend_digitalocean.rows import record_of, row_for

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


def _retry_after(error: httpx.HTTPStatusError) -> float | None:
    seconds = error.response.headers.get("retry-after", "")
    return float(seconds) if seconds.isdigit() else None


def _rule(
    status: int, becomes: type[ProviderError], why: str, next_step: str = "", when: Callable[[httpx.HTTPStatusError], bool] = lambda _: True
) -> ErrorRule:
    def fits(error: httpx.HTTPStatusError) -> bool:
        return error.response.status_code == status and when(error)

    return ErrorRule(httpx.HTTPStatusError, becomes, fits, why, next_step, _says, _retry_after)


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
    ErrorRule(httpx.HTTPStatusError, Unavailable, says=_says, retry_after=_retry_after),
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
        """One call for each record, owner by owner: what goes, then what comes. Nothing is begun that could not be taken back."""
        zone = edit.before.zone
        steps = [(list(map(_id, change.remove)), [row_for(record, zone.apex) for record in change.add]) for change in edit.changes]
        for old in _making_room(edit):
            row_for(old, zone.apex)  # raises for what could not be put back
        made: list[Record] = []
        calls = 0
        try:
            for going, coming in steps:
                for number in going:
                    await self._ask("DELETE", f"/domains/{zone.ref}/records/{number}")
                    calls += 1
                for row in coming:
                    answer = await self._ask("POST", f"/domains/{zone.ref}/records", json=row)
                    calls += 1
                    made.append(record_of(answer["domain_record"], zone.apex))
        except Exception as failure:
            if not calls and _refused(failure):
                raise
            await self._back_out(edit, failure, calls)
        return Receipt(tuple(made))

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

    async def _back_out(self, edit: Edit, failure: Exception, calls: int) -> NoReturn:
        """An edit stopped half-way: put back what was removed to make room for what did not come, and raise.

        The failure itself where nothing else was done, otherwise `OutcomeUnknown`: then only a new look tells.
        """
        zone, room = edit.before.zone, _making_room(edit)
        back: list[Record] = []
        try:
            here = (await self.read(zone, frozenset())).records if room else ()
            arrived = {new.owner for new in edit.adds if new in here}
            back = [old for old in room if old not in here and old.owner not in arrived]
            for old in back:
                await self._ask("POST", f"/domains/{zone.ref}/records", json=row_for(old, zone.apex))
        except Exception as again:
            lost = ", ".join(map(str, room))
            raise _unknown(failure, f"what was to make room may be gone and could not be put back ({_why(again)}): {lost}") from failure
        if calls > len(back):
            raise _unknown(failure, "a part of the edit had been made by then") from failure
        raise failure


def _id(record: Record) -> int:
    assert isinstance(record.ref, dict)
    return int(record.ref["id"])


def _making_room(edit: Edit) -> tuple[Record, ...]:
    """The records that go only so that others can come at their owner."""
    return tuple(old for change in edit.changes if change.add for old in change.remove)


def _refused(failure: Exception) -> bool:
    """True when the call surely did nothing: DigitalOcean said no."""
    return isinstance(failure, httpx.HTTPStatusError) and failure.response.status_code < 500


def _why(failure: Exception) -> str:
    return _says(failure) if isinstance(failure, httpx.HTTPStatusError) else f"no answer that makes sense ({type(failure).__name__})"


def _unknown(failure: Exception, state: str) -> OutcomeUnknown:
    wait = _retry_after(failure) if isinstance(failure, httpx.HTTPStatusError) else None
    return OutcomeUnknown(f"DigitalOcean: {_why(failure)}; {state}", "wixsend looks at the zone before anything else.", retry_after=wait)
