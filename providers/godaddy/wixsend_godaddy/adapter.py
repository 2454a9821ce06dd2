"""The three answers for GoDaddy: its domains API version 1, through godaddypy behind the fence."""

from collections.abc import Iterable, Sequence
from typing import NoReturn

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
    QuotaExhausted,
    RateLimited,
    Receipt,
    Record,
    Snapshot,
    Wire,
    Zone,
    ZoneNotHeld,
    ZonePage,
    absolute,
    text,
)
from wixsend_godaddy.fence import DOMAINS, Call, FencedClient, account, calls_for, held_row
from wixsend_godaddy.rows import record_of
from wixsend_godaddy.vendor import AT_THE_END, BUSY, MINUTE, GoDaddyError, NotAllowed, problem, rule

__all__ = ["ERRORS", "GoDaddy"]

ERRORS: tuple[ErrorRule, ...] = (
    rule(
        lambda e: e.says("QUOTA_EXCEEDED"),
        QuotaExhausted,
        "the API key's monthly number of calls is used up",
        "Wait for the new month, or ask GoDaddy for more; trying again does not help.",
    ),
    rule(lambda e: e.status == 429, RateLimited, "too many calls within a minute", wait=MINUTE),
    rule(lambda e: e.says("DUPLICATE_RECORD"), EditConflict, "a record that was to be added is there already"),
    rule(lambda e: e.status == 409, EditConflict, "the zone is being changed by somebody else, or may not be changed now", wait=BUSY),
    rule(
        lambda e: e.status == 401,
        CredentialsRejected,
        "the API key or its secret is not known",
        "Copy both anew from developer.godaddy.com/keys. A key for OTE is not known in production, nor the other way round.",
    ),
    rule(
        lambda e: e.status == 403,
        PermissionMissing,
        "the key is known and may not do this: GoDaddy opens its DNS API only to accounts with 10 or more domains or an active "
        "Discount Domain Club plan, and only for domains of that account",
        "See in GoDaddy's account whether it meets this and holds the domain; if not, add the records by hand: wixsend plan prints them.",
    ),
    rule(
        lambda e: e.says("UNKNOWN_DOMAIN"),
        ZoneNotHeld,
        "the domain is not registered in this account, or its name servers are elsewhere and it has no zone here",
        "Name the host or account that serves the zone: --provider NAME, --account NAME.",
    ),
    rule(lambda e: e.status == 404 and e.verb == "DELETE", EditConflict, "what was to be removed is gone already"),
    rule(lambda e: e.status == 404, ZoneNotHeld, "the account has no such domain", "Name the account that holds it: --account NAME."),
    rule(
        lambda e: e.refused and e.verb != "GET",
        EditRejected,
        "it does not take this edit",
        "Compare the records with GoDaddy's panel; its answer says which field it means.",
    ),
    *AT_THE_END,
)


class GoDaddy:
    """An open account. GoDaddy is asked for whole zones: it answers for names only together with a type."""

    errors: Sequence[ErrorRule] = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        self._client = FencedClient(account(credentials), wire)
        shopper = credentials.get("shopper_id", "").strip()
        self._account = f"shopper {shopper}" if shopper else ""

    def zone(self, apex: Name) -> Sequence[Zone]:
        found = self._client.domain(apex)
        return () if found is None else (self._zone(apex, *found),)

    def zones(self, page: str = "") -> ZonePage:
        """`DOMAINS` of the account's domains, those behind the domain by which a page is called: the last one of the page before."""
        found = self._client.domains(page)
        zones = [self._zone(absolute(name), *told) for name, told in found.items()]
        return ZonePage(zones, next(reversed(found)) if len(found) == DOMAINS else "")

    def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        records = self._records(zone.apex)
        return Snapshot(zone, records, WHOLE, total=len(records))

    def write(self, edit: Edit) -> Receipt:
        calls = calls_for(edit)
        begun: list[Call] = []
        try:
            with self._client.allowing(calls):
                for call in calls:
                    begun.append(call)
                    self._client.make(call)
        except Exception as failure:
            self._back_out(edit, begun, failure)
        return Receipt(None)

    def close(self) -> None:
        self._client.close()

    def _zone(self, apex: Name, status: str, servers: Iterable[str]) -> Zone:
        names = tuple(absolute(server) for server in servers)
        return Zone(apex, account=self._account, name_servers=names, problem=problem(status, names))

    def _records(self, apex: Name) -> tuple[Record, ...]:
        """Every record but the apex's SOA and NS, which are GoDaddy's own and read-only."""
        records = (record_of(row, apex) for row in self._client.rows(apex))
        return tuple(r for r in records if not (r.owner == apex and r.rtype in ("SOA", "NS")))

    def _back_out(self, edit: Edit, begun: list[Call], failure: Exception) -> NoReturn:
        """The last call begun failed: put back what had been deleted only to make room for what did not come, and raise.

        The failure itself where the zone is as it was before, otherwise `OutcomeUnknown`: then only a new look tells.
        """
        *done, failed = begun
        may_be_done = done if _refused(failure) else begun
        making_room = [call for call in may_be_done if call.verb == "DELETE" and _owners(call.gone) & _owners(edit.adds)]
        half = [call for call in done if call not in making_room]
        if making_room:
            try:
                here = self._records(edit.before.zone.apex)
                arrived = _owners(new for new in edit.adds if new in here)
                gone = [old for call in making_room for old in call.gone if call is not failed or old not in here]
                self._put_back(edit.before.zone.apex, [old for old in gone if old.owner not in arrived])
            except Exception as again:
                lost = ", ".join(str(old) for call in making_room for old in call.gone)
                raise _unknown(failure, f"what was to make room may be gone and could not be put back ({again}): {lost}") from failure
            if arrived:
                half.append(failed)
        if half:
            raise _unknown(failure, f"a part of the edit had been made by then ({', '.join(map(str, half))})") from failure
        raise failure

    def _put_back(self, apex: Name, records: list[Record]) -> None:
        if records:
            call = Call("PATCH", text(apex), rows=tuple(held_row(record, apex) for record in records))
            with self._client.allowing([call]):
                self._client.make(call)


def _owners(records: Iterable[Record]) -> set[Name]:
    return {record.owner for record in records}


def _refused(failure: Exception) -> bool:
    """True when the failed call surely did nothing: GoDaddy said no, or it was never sent."""
    if isinstance(failure, GoDaddyError):
        return failure.refused
    return isinstance(failure, NotAllowed | httpx.ConnectError | httpx.ConnectTimeout)


def _unknown(failure: Exception, state: str) -> OutcomeUnknown:
    wait = failure.retry_after if isinstance(failure, GoDaddyError) else None
    return OutcomeUnknown(f"GoDaddy: {state} ({failure})", "wixsend looks at the zone before anything else.", retry_after=wait)
