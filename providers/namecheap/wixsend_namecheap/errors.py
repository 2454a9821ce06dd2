"""What Namecheap's errors mean: from its numbers, and from HTTP statuses, to our errors. Tables, the first row that fits decides.

Numbers are from Namecheap's documents; which of them pass by themselves is from its own Go SDK. They arrive with HTTP 200.
"""

import httpx

from wixsend import (
    CredentialsRejected,
    EditConflict,
    EditRejected,
    ErrorRule,
    PermissionMissing,
    ProviderError,
    RateLimited,
    Unavailable,
    ZoneNotHeld,
)
from wixsend_namecheap.fence import ApiError, BadAnswer, Forbidden, HttpError

__all__ = ["CHOOSE_BASIC_DNS", "ERRORS", "NOT_HELD", "SERVED_ELSEWHERE", "WHITELIST"]

_RATE_LIMIT_PAUSE = 60.0
"""Seconds: the shortest of Namecheap's limits is per minute, and its answer does not say how long to wait."""

NOT_HELD = frozenset({"2019166", "2016166"})
"""Numbers that say: this domain is not in your account."""

_API_ACCESS = (
    "Look at Profile > Tools > Namecheap API Access: is API access on, is this the key shown there, and is it not the sandbox's key?"
)
WHITELIST = (
    "Add the IPv4 address from which this machine reaches the internet at Profile > Tools > Namecheap API Access > Whitelisted IPs, "
    "and set client_ip to it."
)
SERVED_ELSEWHERE = "the domain's name servers are not Namecheap's, so its host records there are not served"
CHOOSE_BASIC_DNS = "Write the records at the host that serves the domain, or choose Namecheap BasicDNS for it in the panel."
_REPORT = "Report this: wixsend sent something that Namecheap does not take."

_NUMBERS: tuple[tuple[str, type[ProviderError], str, str], ...] = (
    ("1011102 1011101 1011103", CredentialsRejected, "Namecheap does not know this key and user", _API_ACCESS),
    ("1011150 2011168 1011105 1017105 1017150", PermissionMissing, "this machine's address is not on the whitelist", WHITELIST),
    ("1010101 1010102 1010104 1010105", ProviderError, "a parameter is missing", _REPORT),
    ("1016103 1017101 1017103 1017410 1017411 1019103 4011103", PermissionMissing, "the user is locked or may not do this", _API_ACCESS),
    ("2019166 2016166", ZoneNotHeld, "the account does not hold the domain", "Name the account that does: --account NAME"),
    ("2030166", PermissionMissing, "this user may not edit the domain", "Ask its owner to share it with the right to edit hosts."),
    ("2030288", ZoneNotHeld, SERVED_ELSEWHERE, CHOOSE_BASIC_DNS),
    ("2015280", EditRejected, "a record has a type that Namecheap does not take", _REPORT),
    ("3013288", EditRejected, "the zone would hold too many records", "Remove records that are not needed any more."),
    ("3050900 5019169 5050169 5050900 1050900", Unavailable, "Namecheap has a problem of its own", ""),
    ("3031510 4023330 4022288", Unavailable, "a system behind Namecheap's API fails", ""),
)

_STATUSES: tuple[tuple[range, type[ProviderError], str, str], ...] = (
    (range(401, 402), CredentialsRejected, "Namecheap does not let us in", _API_ACCESS),
    (range(403, 404), PermissionMissing, "Namecheap refuses to serve this machine", WHITELIST),
    (range(404, 405), ZoneNotHeld, "there is no API at this address", "Look at the base URL that is configured for Namecheap."),
    (range(405, 406), RateLimited, "too many calls (Namecheap says it with this status)", ""),
    (range(409, 410), EditConflict, "the zone is being changed by somebody else", ""),
    (range(422, 423), EditRejected, "Namecheap does not take the request", _REPORT),
    (range(429, 430), RateLimited, "too many calls", ""),
    (range(100, 1000), Unavailable, "Namecheap's API is not there", ""),
)


def _numbered(numbers: str, becomes: type[ProviderError], why: str, next_step: str) -> ErrorRule:
    return ErrorRule(ApiError, becomes, lambda error: error.number in numbers.split(), why, next_step)


def _status(codes: range, becomes: type[ProviderError], why: str, next_step: str) -> ErrorRule:
    wait = _RATE_LIMIT_PAUSE if becomes is RateLimited else None
    return ErrorRule(
        HttpError, becomes, lambda error: error.status in codes, why, next_step, retry_after=lambda error: error.retry_after or wait
    )


# Numbers that no row names: Namecheap's begin with 1 or 2 where the request is at fault, and with 3 to 5 where something failed.
ERRORS: tuple[ErrorRule, ...] = (
    *(_numbered(*row) for row in _NUMBERS),
    ErrorRule(ApiError, ProviderError, lambda error: error.number[:1] in ("1", "2"), "Namecheap refuses the request"),
    ErrorRule(ApiError, Unavailable, why="Namecheap failed"),
    *(_status(*row) for row in _STATUSES),
    ErrorRule(httpx.TransportError, Unavailable, says=lambda error: f"no answer ({type(error).__name__})"),
    ErrorRule(BadAnswer, Unavailable),
    ErrorRule(Forbidden, EditRejected, next_step=_REPORT),
)
