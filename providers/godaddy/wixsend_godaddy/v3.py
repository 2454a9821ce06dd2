"""The three answers for GoDaddy with a personal access token: its domains API version 3, record by record, behind the fence."""

from collections.abc import Sequence

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
    QuotaExhausted,
    RateLimited,
    Receipt,
    Record,
    Snapshot,
    Wire,
    Zone,
    ZoneNotHeld,
    absolute,
    write_one_by_one,
)
from wixsend_godaddy.rows import Row, record_of
from wixsend_godaddy.v3_fence import FencedHttp, sendable
from wixsend_godaddy.vendor import AT_THE_END, BUSY, MINUTE, problem, rule

__all__ = ["ERRORS", "GoDaddyV3"]

_TOKENS = "developer.godaddy.com/personal-access-token"

ERRORS: tuple[ErrorRule, ...] = (
    rule(
        lambda e: e.says("QUOTA_EXCEEDED"),
        QuotaExhausted,
        "the account's monthly number of calls is used up",
        "Wait for the new month, or ask GoDaddy for more; trying again does not help.",
    ),
    rule(lambda e: e.status == 429, RateLimited, "too many calls within a minute", wait=MINUTE),
    rule(
        lambda e: e.says("DUPLICATE_RECORD"),
        EditConflict,
        "the record, or one that it cannot stand beside, is at this name already",
    ),
    rule(
        lambda e: e.says("DNS_RECORD_NOT_MUTABLE"),
        EditRejected,
        "GoDaddy keeps this record itself and lets nobody change it",
        "Look at it in GoDaddy's panel.",
    ),
    rule(lambda e: e.status == 409, EditConflict, "the zone is being changed by somebody else, or may not be changed now", wait=BUSY),
    rule(
        lambda e: e.status == 401,
        CredentialsRejected,
        "the token is not known, has expired, or was revoked",
        f"Make a new one at {_TOKENS}: a token lives 365 days at most, and one for OTE is not known in production.",
    ),
    rule(
        lambda e: e.says("ACCOUNT_NOT_ELIGIBLE"),
        PermissionMissing,
        "the token is known, and its account may not use GoDaddy's API: that needs an active domain in the account, or a plan",
        "See in GoDaddy's account whether it holds a domain; if not, add the records by hand: wixsend plan prints them.",
    ),
    rule(
        lambda e: e.status == 403,
        PermissionMissing,
        "the token is known and may not do this",
        f"Make a token with the scopes domains.domain:read and domains.dns:update at {_TOKENS}, in the account that holds the domain.",
    ),
    rule(lambda e: e.status == 404 and e.verb == "DELETE", EditConflict, "what was to be removed is gone already"),
    rule(
        lambda e: e.status == 404,
        ZoneNotHeld,
        "the account has no such domain, or the domain has no zone here",
        "Name the host or account that serves the zone: --provider NAME, --account NAME.",
    ),
    rule(
        lambda e: e.refused and e.verb != "GET",
        EditRejected,
        "it does not take this edit",
        "Compare the records with GoDaddy's panel; its answer says what it means.",
    ),
    *AT_THE_END,
)


class GoDaddyV3:
    """An open account. GoDaddy is asked for whole zones: a hundred records cost one call, as the records of one name do."""

    errors: Sequence[ErrorRule] = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        self._http = FencedHttp(credentials, wire)

    async def zone(self, apex: Name) -> Sequence[Zone]:
        found = await self._http.domain(apex)
        if found is None:
            return ()
        status, servers = found[0], tuple(absolute(server) for server in found[1])
        return (Zone(apex, name_servers=servers, problem=problem(status, servers)),)

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        records = [record_of(row, zone.apex) for row in await self._http.rows(zone.apex)]
        own = tuple(record for record in records if not (record.owner == zone.apex and record.rtype in ("SOA", "NS")))
        return Snapshot(zone, own, WHOLE, total=len(own))

    async def write(self, edit: Edit) -> Receipt:
        with self._http.allowing(edit):
            return await write_one_by_one(edit, self, "GoDaddy")

    def row(self, record: Record, apex: Name) -> Row:
        return sendable(record, apex)

    async def add(self, zone: Zone, row: Row) -> Record:
        return record_of(await self._http.add(zone.apex, row), zone.apex)

    async def remove(self, zone: Zone, record: Record) -> None:
        await self._http.remove(record, zone.apex)

    async def close(self) -> None:
        await self._http.close()
