"""The three answers for Route 53, through AWS's SDK. What its API promises is written down in `sandbox.py`, beside what does so."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import httpx
from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError
from botocore.parsers import ResponseParserError

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
    ZonePage,
)
from wixsend_route53.fence import open_client
from wixsend_route53.rows import RRset, is_plain, name_of, records_of, rrset_of, stored

__all__ = ["ERRORS", "Route53"]

_PAGE = 300
"""RRsets in a page, the most that Route 53 gives."""

_ZONES = 100
"""Hosted zones in a page, the most that Route 53 gives."""

_MOST = 1000
"""Pages of one list: zones and accounts may be enlarged to some 100,000 entries, and pages without end would be read for ever."""

_KEYS = "Look at the access key in AWS's console: IAM, Users, Security credentials."
_POLICY = "`wixsend providers show route53` lists the actions that an IAM policy must allow."
_CLOCK = "Set this machine's clock: AWS takes only requests that are signed within five minutes of its own time."
_CONSOLE = "Change it in AWS's console: Route 53, Hosted zones."


def _code(error: ClientError) -> str:
    """AWS's code. A refused batch comes in one of two forms; of the one without a code botocore keeps the messages alone."""
    return str(error.response.get("Error", {}).get("Code", "")) or "InvalidChangeBatch" * ("Messages" in error.response)


def _message(error: ClientError) -> str:
    messages = error.response.get("Messages", {}).get("Message", "")
    listed = messages if isinstance(messages, list) else [messages]
    return str(error.response.get("Error", {}).get("Message", "")) or "; ".join(map(str, listed))


def _status(error: ClientError) -> int:
    return int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def _says(error: ClientError) -> str:
    return f"{_message(error)} ({_code(error)}, HTTP {_status(error)})".lstrip()


def _retry_after(error: ClientError) -> float | None:
    seconds = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("retry-after", "")
    return float(seconds) if seconds.isdigit() else None


def _rule(
    codes: str, becomes: type[ProviderError], why: str, next_step: str = "", words: tuple[str, ...] = ("",), status: int = 0
) -> ErrorRule:
    """A row for these codes, or this status, where the message has one of these words in it."""

    def fits(error: ClientError) -> bool:
        coded = _code(error) in codes.split() or _status(error) == status
        return coded and any(word in _message(error) for word in words)

    return ErrorRule(ClientError, becomes, fits, why, next_step, _says, _retry_after)


_TIME = ("Signature expired", "Signature not yet current")
_MOVED = ("already exists", "was not found", "do not match the current values", "conflicts with other records")

ERRORS: tuple[ErrorRule, ...] = (
    _rule("Throttling ThrottlingException RequestLimitExceeded", RateLimited, "too many calls", status=429),
    _rule("PriorRequestNotComplete", RateLimited, "another change of the zone is under way"),
    _rule("SignatureDoesNotMatch", CredentialsRejected, "this machine's clock is wrong", _CLOCK, _TIME),
    _rule("RequestExpired", CredentialsRejected, "this machine's clock is wrong", _CLOCK),
    _rule("ExpiredToken ExpiredTokenException", CredentialsRejected, "the session has ended", "Get new temporary credentials."),
    _rule("SignatureDoesNotMatch", CredentialsRejected, "the secret access key does not belong to the access key ID", _KEYS),
    _rule("InvalidClientTokenId UnrecognizedClientException", CredentialsRejected, "AWS does not know these keys", _KEYS),
    _rule(
        "MissingAuthenticationToken IncompleteSignature AuthFailure", CredentialsRejected, "AWS did not take the keys", _KEYS, status=401
    ),
    _rule("AccessDenied AccessDeniedException OptInRequired", PermissionMissing, "the keys may not do this", _POLICY, status=403),
    _rule("NoSuchHostedZone", ZoneNotHeld, "the hosted zone is gone", "Look into the account: was it moved or deleted?", status=404),
    _rule("InvalidChangeBatch", EditConflict, "the zone is not what was read", words=_MOVED),
    _rule("ConcurrentModification", EditConflict, "the zone is being changed", status=409),
    _rule("InvalidChangeBatch InvalidInput", EditRejected, "a record is not acceptable", "Compare it with what Route 53's answer says."),
    ErrorRule(ClientError, EditRejected, lambda error: 400 <= _status(error) < 500, "a request is not acceptable", "", _says, _retry_after),
    ErrorRule(ClientError, Unavailable, says=_says, retry_after=_retry_after),
    ErrorRule(ParamValidationError, EditRejected, why="AWS's SDK does not take the request"),
    ErrorRule(httpx.TransportError, Unavailable, says=lambda error: f"no answer ({type(error).__name__})"),
    ErrorRule(
        (ResponseParserError, BotoCoreError, ValueError, KeyError, TypeError),
        Unavailable,
        why="the answer has not the shape that was agreed",
        says=lambda error: f"{type(error).__name__}: {error}",
    ),
)


class Route53:
    """An open account at Route 53: the AWS account of one pair of keys."""

    errors: Sequence[ErrorRule] = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        self._aws = open_client(credentials, wire)

    def zone(self, apex: Name) -> list[Zone]:
        """The public hosted zones of this name, of which an account may have several: then each with the name servers that its NS name.

        A private one is never a zone of the world's DNS. It is shown, with that as its problem, only where there is no other.
        """
        return self._described(apex, [row for row in self._rows(apex) if name_of(row["Name"]) == apex])

    def zones(self, page: str = "") -> ZonePage:
        """Some hundred hosted zones, from the name on by which a page is called: all of one name are on one page.

        Several public ones of a name are left out, since it takes a call for each to tell them apart, which `zone` makes.
        """
        answer = self._aws.list_hosted_zones_by_name(MaxItems=str(_ZONES), **({"DNSName": page} if page else {}))
        following = answer["NextDNSName"] if answer["IsTruncated"] else ""
        named: dict[Name, list[Mapping[str, Any]]] = {}
        for row in answer["HostedZones"]:
            named.setdefault(name_of(row["Name"]), []).append(row)
        if following and following == page:
            raise ValueError("a page leads to itself")
        if following:
            named.pop(name_of(following), None)
        return ZonePage([zone for apex, rows in named.items() if len(_public(rows)) < 2 for zone in self._described(apex, rows)], following)

    def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """The whole zone where one page holds it (300 RRsets); otherwise only these names, a call for each that the page has not whole.

        Without names always the whole zone. Nothing is concluded from the order of the pages, which Route 53 does not promise.
        """
        pages = self._pages(zone.ref)
        rrsets, more = next(pages)
        if more and not names:
            rrsets += [rrset for page, _ in pages for rrset in page]
        elif more:
            rrsets = self._some(zone.ref, rrsets, {zone.apex, *names})
        found = [record for rrset in rrsets for record in records_of(rrset)]
        servers = tuple(record.target for record in found if (record.owner, record.rtype) == (zone.apex, "NS"))
        if not servers:
            raise ValueError("the answer lacks the name servers that every zone has, and is not believed")
        own = tuple(record for record in found if not (record.owner == zone.apex and record.rtype in ("NS", "SOA")))
        whole = not (more and names)
        return Snapshot(replace(zone, name_servers=servers), own, WHOLE if whole else names, total=len(own) if whole else None)

    def write(self, edit: Edit) -> Receipt:
        """One batch, which Route 53 makes whole or not at all.

        Each RRset that changes is deleted as it was read, TTL and values, and created as it shall be: both are refused when somebody
        else changed it meanwhile. (UPSERT would overwrite that.) The answer names no record.
        """
        zone = edit.before.zone
        changes = [change for key, records in edit.by_rrset().items() for change in _changes(edit, key, records)]
        answer = self._aws.change_resource_record_sets(HostedZoneId=zone.ref, ChangeBatch={"Changes": changes})
        if not answer["ChangeInfo"]["Id"]:
            raise ValueError("a change without an id")
        return Receipt()

    def close(self) -> None:
        self._aws.close()

    def _described(self, apex: Name, rows: Sequence[Mapping[str, Any]]) -> list[Zone]:
        public = [_zone(apex, row) for row in _public(rows)]
        if len(public) > 1:
            return [replace(zone, name_servers=self._servers(zone)) for zone in public]
        return public or [_zone(apex, row) for row in rows]

    def _rows(self, apex: Name) -> Iterator[Mapping[str, Any]]:
        """The hosted zones of this name and some that come after: the list begins where it is told to."""
        start: dict[str, str] = {"DNSName": stored(apex)}
        for _ in range(_MOST):
            page = self._aws.list_hosted_zones_by_name(MaxItems=str(_ZONES), **start)
            yield from page["HostedZones"]
            if not page["IsTruncated"] or name_of(page["NextDNSName"]) != apex:
                return
            following = {"DNSName": page["NextDNSName"], "HostedZoneId": page["NextHostedZoneId"]}
            if following == start:
                raise ValueError("a page leads to itself")
            start = following
        raise ValueError("more pages than any account has")

    def _servers(self, zone: Zone) -> tuple[Name, ...]:
        """What the zone's own NS RRset names: with white-label name servers other names than those of its delegation set."""
        page, _ = next(self._pages(zone.ref, MaxItems="1", StartRecordName=stored(zone.apex), StartRecordType="NS"))
        return tuple(record.target for rrset in page if rrset["Type"] == "NS" for record in records_of(rrset))

    def _some(self, ref: str, page: list[RRset], names: set[Name]) -> list[RRset]:
        """The RRsets at these names; `page` is the zone's first, whose last name may go on in the next."""
        known = {name_of(rrset["Name"]) for rrset in page} - {name_of(page[-1]["Name"])}
        found = [rrset for rrset in page if name_of(rrset["Name"]) in names & known]
        for name in sorted(names - known):
            for rrsets, _ in self._pages(ref, StartRecordName=stored(name)):
                found += [rrset for rrset in rrsets if name_of(rrset["Name"]) == name]
                if not rrsets or name_of(rrsets[-1]["Name"]) != name:
                    break
        return found

    def _pages(self, ref: str, **start: str) -> Iterator[tuple[list[RRset], bool]]:
        """The zone's RRsets page by page, from a place on, and whether there is another page."""
        options = {"MaxItems": str(_PAGE), **start}
        for _ in range(_MOST):
            page = self._aws.list_resource_record_sets(HostedZoneId=ref, **options)
            more = bool(page["IsTruncated"])
            if more and not page["ResourceRecordSets"]:
                raise ValueError("an empty page with another to come")
            yield page["ResourceRecordSets"], more
            if not more:
                return
            following = {f"Start{key.removeprefix('Next')}": page[key] for key in _NEXT if key in page}
            if following.items() <= options.items():
                raise ValueError("a page leads to itself")
            options = {"MaxItems": str(_PAGE), **following}
        raise ValueError("more pages than any zone has")


_NEXT = ("NextRecordName", "NextRecordType", "NextRecordIdentifier")


def _public(rows: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    return [row for row in rows if not row["Config"]["PrivateZone"]]


def _zone(apex: Name, row: Mapping[str, Any]) -> Zone:
    ref = row["Id"].removeprefix("/hostedzone/")
    comment = row["Config"].get("Comment", "")
    return Zone(apex, ref, f"hosted zone {ref}" + (f": {comment}" if comment else ""), problem=_problem(row))


def _problem(row: Mapping[str, Any]) -> str:
    """Why the world does not see the zone, or why it is not ours to write; empty when neither is so."""
    if row["Config"]["PrivateZone"]:
        return "Route 53 holds it as a private hosted zone, which answers inside of a VPC only"
    service = row.get("LinkedService", {}).get("ServicePrincipal")
    return f"in Route 53 it belongs to another service of AWS ({service}), which alone may change it" if service else ""


def _changes(edit: Edit, key: tuple[Name, str], records: tuple[Record, ...]) -> Iterator[dict[str, Any]]:
    """What makes an RRset of what is there. Raises `EditRejected` for what could not be put back, and for what cannot stand beside it."""
    owner, rtype = key
    held = [record.ref["rrset"] for record in edit.before.at(owner) if isinstance(record.ref, dict)]
    special = next((r for r in held if not is_plain(r) and rtype in (r["Type"], "ALIAS")), None)
    if special is not None:
        kind = "an alias" if "AliasTarget" in special else f"under a routing policy ({special.get('SetIdentifier', 'a traffic policy')})"
        raise EditRejected(f"Route 53: {special['Type']} at {special['Name']} is {kind}, which wixsend could not put back", _CONSOLE)
    old = next((rrset for rrset in held if rrset["Type"] == rtype), None)
    if old is not None:
        yield {"Action": "DELETE", "ResourceRecordSet": old}
    if records:
        yield {"Action": "CREATE", "ResourceRecordSet": rrset_of(owner, rtype, records, old)}
