"""What fences version 3 in: reads of two paths, and of writes one POST or DELETE for each record of the approved edit.

`PUT /v3/domains/zones/{zone}/dns-records/{recordId}` answers 200 and replaces all records of the zone by the one in its body (GoDaddy's
own command line tool emptied zones with it: godaddy/cli, issue 136). No PUT is on any list, nor is anything else that is not computed
from the edit down to the body. HTTP itself is the wire's.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from wixsend import Credentials, CredentialsMissing, Edit, EditRejected, Name, Record, Unavailable, Wire, text
from wixsend_godaddy.rows import WRITABLE, Row, row_of
from wixsend_godaddy.vendor import APEX, SAID, GoDaddyError, NotAllowed, credential, domain_text, error_of, field_of, is_name, json_of

__all__ = ["MAX_TTL", "PAGE", "FencedHttp", "sendable"]

PAGE = 100
"""Records on one page: the most that the API gives."""

MAX_TTL = 86400
"""Seconds: what version 3 refuses to go over."""

_LONGEST = 512
_MOST_PAGES = 200
_ID = re.compile(r"[A-Za-z0-9_-]+")
_READS = re.compile(rf"/v3/domains/(?:domain-names/{APEX}|zones/{APEX}/dns-records)")
_COPY = "Make a token at developer.godaddy.com/personal-access-token."
_BY_HAND = "Edit this record in GoDaddy's panel."


def sendable(record: Record, apex: Name) -> Row:
    """The body that makes this record, names in its data with their final dot. Raises `EditRejected` for what GoDaddy does not hold so.

    A record of a type that wixsend does not write is sent as it was read, to be put back.
    """
    if record.rtype not in WRITABLE and isinstance(record.ref, dict):
        return {name: value for name, value in record.ref.items() if name != "recordId"}
    try:
        row = row_of(record, apex, MAX_TTL)
        if record.rtype in ("CNAME", "MX", "SRV"):
            row["data"] = f"{row['data'].rstrip('.')}."
        if not 0 < len(row["data"]) <= _LONGEST:
            raise ValueError(f"{record} is empty or longer than {_LONGEST} characters")
    except ValueError as wrong:
        raise EditRejected(f"GoDaddy: {wrong}", _BY_HAND) from wrong
    return row


class FencedHttp:
    """Version 3 over httpx. Reads are free; `allowing` opens the fence for the writes of one edit, each of them once."""

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        if credentials.get("shopper_id"):
            raise CredentialsMissing(
                "GoDaddy: shopper_id goes with a classic key and its secret; a token acts for its own account alone",
                "Leave shopper_id out, or the token.",
            )
        self._base = wire.base_url.rstrip("/")
        self._http = wire.async_client(headers={"authorization": f"Bearer {credential(credentials, 'token', _COPY)}"})
        self._allowed: list[tuple[str, str, Row | None]] = []

    async def domain(self, apex: Name) -> tuple[str, tuple[str, ...]] | None:
        """Status and name servers of a domain of the account, `None` when it has none so, or the name is none that it could have."""
        if not re.fullmatch(APEX, text(apex)):
            return None
        try:
            answer = await self._send("GET", f"/v3/domains/domain-names/{text(apex)}")
        except GoDaddyError as error:
            if error.status == 404 and error.code:
                return None
            raise
        status, servers = field_of(answer, "status"), field_of(answer, "nameServers")
        if not is_name(field_of(answer, "domain"), apex):
            raise Unavailable(f"GoDaddy's answer about the domain {text(apex)} is about another one")
        if not isinstance(status, str) or not isinstance(servers, list | None):
            raise Unavailable(f"GoDaddy's answer about the domain {text(apex)} lacks its status or its name servers")
        return status, tuple(str(server) for server in servers or ())

    async def rows(self, apex: Name) -> list[Row]:
        """Every row of the zone, all pages of it: as many as GoDaddy counts, each with an id of its own, the name servers among them."""
        found: dict[str, Row] = {}
        total: int | None = None
        for number in range(1, _MOST_PAGES + 1):
            asked = {"page": number, "pageSize": PAGE, "totalRequired": "true"}
            answer = await self._send("GET", f"/v3/domains/zones/{domain_text(apex)}/dns-records", params=asked)
            page, counted = field_of(answer, "items"), field_of(answer, "totalItems")
            if not isinstance(page, list) or type(counted) is not int:
                raise Unavailable(f"GoDaddy answered something else than the records of {text(apex)} and their number")
            new = {_row_id(row): row for row in page}
            if total not in (None, counted) or len(new) != len(page) or new.keys() & found.keys():
                raise Unavailable(f"GoDaddy's pages of the zone {text(apex)} do not fit together: it changed while it was read")
            found |= new
            total = counted
            if len(found) >= total or not page:
                break
        if len(found) != total:
            raise Unavailable(f"GoDaddy counts {total} records in {text(apex)} and shows {len(found)}")
        if not any(field_of(row, "type") == "NS" and field_of(row, "name") == "@" for row in found.values()):
            raise Unavailable(f"GoDaddy shows no name servers in the zone {text(apex)}, which is not believed")
        return list(found.values())

    @contextmanager
    def allowing(self, edit: Edit) -> Iterator[None]:
        """Within it the writes of this edit may be made, and those that put back what makes room; each of them once."""
        apex = edit.before.zone.apex
        records = _records(apex)
        self._allowed = [("DELETE", _path(record, apex), None) for record in edit.removes]
        self._allowed += [("POST", records, sendable(record, apex)) for record in edit.adds]
        self._allowed += [("POST", records, sendable(old, apex)) for change in edit.changes if change.add for old in change.remove]
        try:
            yield
        finally:
            self._allowed = []

    async def add(self, apex: Name, row: Row) -> Row:
        """One POST; the row that GoDaddy says it holds now."""
        answer = await self._send("POST", _records(apex), row=row, means=201)
        if not isinstance(answer, dict):
            raise Unavailable("GoDaddy answered that it made a record, and not which")
        return answer

    async def remove(self, record: Record, apex: Name) -> None:
        """One DELETE."""
        await self._send("DELETE", _path(record, apex), means=204)

    async def close(self) -> None:
        await self._http.aclose()

    async def _send(self, verb: str, path: str, params: Mapping[str, Any] | None = None, row: Row | None = None, means: int = 200) -> Any:
        """The answer's JSON, `None` of a DELETE. Raises `NotAllowed` for what is not on the list, before anything is sent."""
        self._admit(verb, path, row)
        response = await self._http.request(verb, self._base + path, params=params, json=row)
        if not response.is_success:
            raise error_of(verb, response)
        answer = json_of(response.content)
        if response.status_code != means or (verb == "DELETE" and response.content) or (verb != "DELETE" and answer is None):
            raise Unavailable(f"GoDaddy answered HTTP {response.status_code} to a {verb} in a way that was not agreed")
        return answer

    def _admit(self, verb: str, path: str, row: Row | None) -> None:
        if verb == "GET" and row is None and _READS.fullmatch(path):
            return
        if (verb, path, row) not in self._allowed:
            raise NotAllowed(f"{verb} {path[:SAID]} is not what the approved edit needs, and was not sent")
        self._allowed.remove((verb, path, row))


def _row_id(row: Any) -> str:
    found = field_of(row, "recordId")
    if not isinstance(found, str) or not _ID.fullmatch(found):
        raise Unavailable("GoDaddy shows a record without an id that could stand in a path")
    return found


def _records(apex: Name) -> str:
    return f"/v3/domains/zones/{domain_text(apex)}/dns-records"


def _path(record: Record, apex: Name) -> str:
    """Where a record is deleted. Raises `EditRejected` for one without an id, and for what GoDaddy manages itself."""
    if record.rtype in ("NS", "SOA"):
        raise EditRejected(f"GoDaddy: its API does not remove {record.rtype} records, as it would have to: {record}", _BY_HAND)
    if not isinstance(record.ref, dict):
        raise EditRejected(f"GoDaddy: the id of {record} is not known", "Run the command again.")
    return f"{_records(apex)}/{_row_id(record.ref)}"
