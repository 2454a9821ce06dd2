"""Floor 3. The contract between the core and a DNS host's plugin: the adapter answers, the core thinks.

An adapter answers three questions: do you hold this zone, what is in it, make exactly this edit. It holds no diff, no retry, no
sleep, no lock, and reads no environment variable. A plugin is one `ProviderPlugin`, plain data and one way in, yielded by the hook
`wixsend_provider` (see `wixsend.hookspecs`). Everything a plugin needs is exported by `wixsend` itself.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol

from wixsend.errors import (
    CredentialsRejected,
    EditConflict,
    EditRejected,
    OutcomeUnknown,
    PermissionMissing,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    ZoneNotHeld,
)
from wixsend.names import Name
from wixsend.plan import Edit
from wixsend.records import Granularity, Limits, Record, Snapshot, Zone
from wixsend.redact import Redactor

if TYPE_CHECKING:
    import httpx

__all__ = [
    "BlockingProvider",
    "CredentialField",
    "Credentials",
    "ErrorRule",
    "ListsZones",
    "Provider",
    "ProviderPlugin",
    "Rate",
    "Receipt",
    "Wire",
    "ZonePage",
    "retry_after",
    "translate",
]

type Credentials = Mapping[str, str]
"""Values by `CredentialField.name`; every required field is there and not empty, optional ones may be missing."""


@dataclass(frozen=True, slots=True)
class CredentialField:
    """One thing that the plugin needs to know to open an account.

    `name` is the key in `Credentials` and in `wixsend.toml`; `env` the environment variable that sets it; `where` says to a
    person where to get it. `secret` values are redacted everywhere.
    """

    name: str
    env: str
    help: str
    where: str = ""
    secret: bool = True
    required: bool = True


@dataclass(frozen=True, slots=True)
class Rate:
    """At most `calls` HTTP requests in any `seconds`."""

    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Receipt:
    """What the host said about a write.

    `records` are the records that it says it now holds because of this edit, one for each that the edit adds; `None` when its
    answer does not itemise. `removed` are the records of the edit of which it says, one by one, that they are gone: a mere
    status code names none. The core reads again unless both together name the whole edit.
    """

    records: tuple[Record, ...] | None = None
    removed: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class ZonePage:
    """One page of the zones of an account. `following` is what to ask for the next page with, empty after the last one."""

    zones: Sequence[Zone]
    following: str = ""


class Wire(Protocol):
    """The core's side of every request that a plugin makes: HTTP, or a DNS message where the base URL is `dns://HOST` (RFC 4501).

    Call `before` (or await `before_async`) once for each request, inside the SDK's own session, so that pages and the SDK's
    own retries are seen too: it counts the call, waits until the quota allows it, and raises `Unavailable` for a URL whose origin is
    not that of `base_url`. `client` and `async_client` are httpx clients that do so already, with the time-outs set, no
    redirects followed, nothing read from the environment, and bodies over 10 MB refused. Whoever sends DNS messages keeps to `timeout` and
    `connect_timeout` itself, signs each, and believes no answer that is not signed.
    """

    base_url: str
    timeout: float
    connect_timeout: float

    def before(self, method: str, url: str) -> None: ...
    async def before_async(self, method: str, url: str) -> None: ...
    def client(self, **options: Any) -> "httpx.Client": ...
    def async_client(self, **options: Any) -> "httpx.AsyncClient": ...


def _always(_error: Any) -> bool:
    return True


def _no_wait(_error: Any) -> float | None:
    return None


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row of an adapter's table from the vendor's exceptions to ours; the first row that fits decides.

    `when` looks at the exception (status, vendor's code); `why` says to a person what it means, `next_step` what to do;
    `says` picks the vendor's own words out of it; `retry_after` the seconds that the vendor asked to wait.
    """

    on: type[BaseException] | tuple[type[BaseException], ...]
    becomes: type[ProviderError]
    when: Callable[[Any], bool] = _always
    why: str = ""
    next_step: str = ""
    says: Callable[[Any], str] = str
    retry_after: Callable[[Any], float | None] = _no_wait


def retry_after(error: Any) -> float | None:
    """The seconds that the `Retry-After` of an error's `response` asks for, as httpx has it; `None` without one.

    A date (RFC 9110, 10.2.3) is not taken for one: it would be as right as two clocks are.
    """
    given = error.response.headers.get("retry-after", "")
    return float(given) if given.isascii() and given.isdigit() else None


class Provider(Protocol):
    """An open account at a DNS host, for hosts whose SDK is asynchronous. Everything raised is looked up in `errors`.

    Calls about different zones may overlap; while one writes a zone, nobody else does. A provider that can list its zones has
    `zones` too, see `ListsZones`.
    """

    @property
    def errors(self) -> Sequence[ErrorRule]: ...

    async def zone(self, apex: Name) -> Sequence[Zone]:
        """Every zone with exactly this apex that the credentials can see: none, one, or (several accounts) more."""
        ...

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """What is at these names, of every type, or in the whole zone; `Snapshot.covers` says which. Every page of it.

        The SOA and the NS RRset at the apex are the host's own and not among the records; the name servers go into
        `Zone.name_servers`, that of the snapshot's zone where only the records tell them. An answer that is not of the form that was
        agreed raises: it is never an empty zone.
        """
        ...

    async def write(self, edit: Edit) -> Receipt:
        """Make exactly this edit, with as few calls as the host allows; raise rather than do half of it where the host lets one choose.

        Where it takes several calls and one fails after others were done, that is `OutcomeUnknown`, and what was removed only to make
        room for what did not come is put back first. `ref` of records that come means nothing. Called once; never called with
        an edit without changes.
        """
        ...

    async def close(self) -> None:
        """Free what was opened. Called once."""
        ...


class ListsZones(Protocol):
    """What a provider may offer beside its three answers, in an `async def` or, where it blocks, a plain `def`."""

    async def zones(self, page: str = "") -> ZonePage:
        """One page of the account's zones, one call of the host's API, each zone as `zone` would describe it; for runs of many domains.

        `page` is empty for the first, then what the page before called `following`. Nothing is remembered between pages: the next one may
        be asked for by another process an hour later, and one that failed is asked for again. A page that is shorter than what the host
        counts raises, as does any answer that is not of the form that was agreed; it is never the last page.

        A listing may leave out zones that `zone` finds (shared ones), and `record_count`. Where it cannot tell what serves a zone, it
        gives the name servers that a zone without a problem has: the core asks `zone` when the world sees others.
        """
        ...


class BlockingProvider(Protocol):
    """The same promises for SDKs that block: the core lends a thread and never calls two methods of one object at once."""

    @property
    def errors(self) -> Sequence[ErrorRule]: ...

    def zone(self, apex: Name) -> Sequence[Zone]: ...
    def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot: ...
    def write(self, edit: Edit) -> Receipt: ...
    def close(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ProviderPlugin:
    """What a plugin is: data that can be listed without importing the vendor's SDK, and `opens`, which imports it.

    `name` equals the entry point's name. `name_servers` are the suffixes of the host's name servers (compared label by label, where `?`
    is any one character and `*` any; a hint only, the account decides). `settle` is how many seconds an edit may take to show in the
    host's own API. `quota` is the vendor's, for everything that it counts together, all of its rates at once; `reserve` the share of it,
    from 0 to below 1, that is left to a person in the vendor's dashboard. `permissions` says the least that the credentials must be
    allowed. `environments` are the vendor's other base URLs by name (`ote`, `sandbox`). `proven` says honestly against what the adapter
    was tried.

    `counts_by` is empty where the vendor counts the calls of each credential by themselves, or nobody knows. Where several credentials
    share one count, it says in a few words what they share it by ("user: all tokens of a user share it", "the address that calls"). It is
    shown to people, and changes no counting: with a second account at that host they are told to give accounts that belong together one
    `quota` in `wixsend.toml`.

    A host that people run for themselves has no `base_url` and no `name_servers`, and gives an example of its base URL in `own_url`:
    every account then says where it is, and is asked for each zone whose name servers belong to nobody else.

    `reads` is "dns" where the host cannot be read, or not be believed: `read` is then never called. What a name holds is asked of every
    authoritative server of the zone, of whatever type, and a server that does not say keeps the name from being written. The proof in DNS
    is then also the second look after a write.

    Where a vendor has several APIs, `api` names this one, and `also` are the others: each is a whole plugin of the same name, with what
    follows from its credentials (granularity, limits, permissions). An account is opened by the first for which it has the credentials.
    """

    name: str
    label: str
    opens: Callable[[Credentials, Wire], Provider | BlockingProvider]
    granularity: Granularity
    credentials: tuple[CredentialField, ...]
    name_servers: tuple[str, ...] = ()
    base_url: str = ""
    own_url: str = ""
    quota: tuple[Rate, ...] = ()
    limits: Limits = field(default_factory=Limits)
    settle: float = 0.0
    reserve: float = 0.0
    counts_by: str = ""
    permissions: str = ""
    environments: Mapping[str, str] = field(default_factory=dict)
    proven: str = ""
    reads: Literal["host", "dns"] = "host"
    api: str = ""
    also: "tuple[ProviderPlugin, ...]" = ()

    @property
    def ways(self) -> "tuple[ProviderPlugin, ...]":
        """This and `also`: every way into the host, the preferred one first."""
        return (self, *self.also)

    @property
    def fields(self) -> tuple[CredentialField, ...]:
        """The credentials of every way, one of each name."""
        return tuple({each.name: each for way in self.ways for each in way.credentials}.values())

    def way(self, credentials: Credentials) -> "ProviderPlugin":
        """The way that an account with these credentials goes: the first that is complete, else that has been begun, else this one."""
        return next((way for way in self.ways if not way.lacks(credentials)), None) or next(
            (way for way in self.ways if any(each.required and credentials.get(each.name) for each in way.credentials)), self
        )

    def lacks(self, credentials: Credentials) -> list[CredentialField]:
        """What is required this way, and missing or empty."""
        return [each for each in self.credentials if each.required and not credentials.get(each.name)]


_NEXT_STEPS: Mapping[type[ProviderError], str] = {
    CredentialsRejected: "Check the credentials: `wixsend providers` lists the hosts, `wixsend providers show HOST` what each needs.",
    PermissionMissing: "Check what the credentials may do: `wixsend providers show HOST` says the least that they need.",
    ZoneNotHeld: "Name the host or the account that holds the zone: --provider NAME, --account NAME.",
    EditRejected: "Add the records by hand in the host's panel: wixsend handoff DOMAIN makes what that takes.",
    QuotaExhausted: "Wait until the host allows more calls; trying again does not help.",
    RateLimited: "Wait a little, then run the same command again.",
    Unavailable: "Look at the host's status page and at this machine's network, then run the same command again.",
    EditConflict: "Somebody else is editing the zone: wait until they are done, then run the same command again.",
    OutcomeUnknown: "The edit may have been done: wixsend looks at the zone before anything else.",
}
"""What to do next where neither the adapter nor its table says it."""

_LONGEST_WAIT = 86400.0
_LONGEST_OWN = 4000
"""How many characters of an adapter's own message are kept: it may have to name many records."""


def translate(
    error: BaseException, rules: Sequence[ErrorRule], label: str, writing: bool, redactor: Redactor | None = None
) -> ProviderError:
    """Our error for whatever an adapter raised, in one line, cleaned by the `redactor`, with a next step.

    The first fitting rule decides; an exception without a rule, or whose rule fails, is taken as an answer that made no sense.
    A wait is at most a day. While writing, `Unavailable` becomes `OutcomeUnknown`: a request that may have arrived is never
    called "not done".
    """
    said = (redactor or Redactor()).said
    if isinstance(error, ProviderError):
        becomes, happened, next_step, wait = type(error), said(error.happened, _LONGEST_OWN), error.next_step, error.retry_after
    else:
        becomes, happened, next_step, wait = _ruled(error, rules) or _nonsense(error)
        happened = said(f"{label}: {happened}")
    if writing and becomes is Unavailable:
        becomes = OutcomeUnknown
    return becomes(happened, said(next_step) or _NEXT_STEPS.get(becomes, _NEXT_STEPS[Unavailable]), retry_after=_bounded(wait))


type _Told = tuple[type[ProviderError], str, str, float | None]
"""What it becomes, what happened, what to do next, and after how many seconds."""


def _ruled(error: BaseException, rules: Sequence[ErrorRule]) -> _Told | None:
    try:
        rule = next((rule for rule in rules if isinstance(error, rule.on) and rule.when(error)), None)
        if rule is None:
            return None
        happened = "; ".join(part for part in (rule.why, rule.says(error)) if part)
        return rule.becomes, happened, rule.next_step, rule.retry_after(error)
    except Exception:  # a table reads what a vendor sent: where that breaks it, the answer makes no sense
        return None


def _nonsense(error: BaseException) -> _Told:
    return Unavailable, f"an answer that makes no sense ({type(error).__name__}: {error})", "", None


def _bounded(wait: float | None) -> float | None:
    return min(wait, _LONGEST_WAIT) if wait is not None and wait >= 0 else None
