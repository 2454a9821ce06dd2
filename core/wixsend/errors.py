"""Floor 0. One tree of errors. Each class exists because some caller acts on it; each says what happened, to what, and what to do next.

    WixsendError                     exit
    ├── ConfigError                  2    something of ours, on this machine, is wrong: fix it and run again
    │   ├── BadDomain                2    what was given is no sending domain
    │   ├── DomainNotFound           2    the zone above says that there is no such domain
    │   ├── CredentialsMissing       2    a credential is not set
    │   ├── PluginMissing            2    no installed plugin of that name
    │   ├── PluginBroken             2    a plugin is installed and cannot be used
    │   ├── QuotaError               2    the record of calls cannot be opened, read or written
    │   └── JournalError             2    the journal cannot be opened, read or written
    │       ├── JournalNewer         2    it was written by a newer wixsend
    │       └── Busy                 2    another process works on the same domain or zone
    ├── Refused                      3    nothing was written, on purpose: objections, or no consent
    ├── ProviderError                4    the DNS host
    │   ├── CredentialsRejected      4    it does not know the credentials: stop
    │   ├── PermissionMissing        4    it knows them, and they may not do this: stop
    │   ├── ZoneNotHeld              4    the account does not hold the zone
    │   ├── EditRejected             4    it will never take this edit: stop
    │   ├── QuotaExhausted           4    a budget that does not come back soon: stop
    │   ├── RateLimited              4    too fast: wait, then again
    │   ├── Unavailable              4    nothing was done: wait, then again
    │   ├── EditConflict             4    the zone is not what we read: read and plan again
    │   └── OutcomeUnknown           4    the edit was sent and not answered: look before anything else
    ├── Drifted                      5    the zone lost or changed something between our two looks
    ├── NotVisible                   6    DNS does not show the records yet
    │   └── DnsUnreachable           6    no name server that could tell can be reached
    ├── WixError                     7    Wix
    │   ├── WixCredentialsRejected   7    401: stop
    │   ├── WixPermissionMissing     7    403: stop
    │   ├── SenderDetailsMissing     7    428 on query: stop, with all known causes
    │   ├── DomainNotOnSite          7    Wix answers, without such a sending domain: stop
    │   ├── WixNotYet                7    428 on authenticate: Wix does not see the records yet
    │   ├── WixRateLimited           7    429: wait
    │   ├── WixAnswerRefused         7    Wix asks for something that we will not write
    │   └── WixUnavailable           7    5xx, time-out, no network, nonsense: wait, then again
    ├── SomeFailed                   8    of many domains some failed: the report says which and why
    ├── Bug                          1    something of wixsend's own; the log has the details
    └── Interrupted                  130  a person or the system stopped us; the same command goes on

Messages never hold secrets: they are made from what vendors said after redaction (`wixsend.secrets`).
"""

from typing import ClassVar

__all__ = [
    "BadDomain",
    "Bug",
    "Busy",
    "ConfigError",
    "CredentialsMissing",
    "CredentialsRejected",
    "DnsUnreachable",
    "DomainNotFound",
    "DomainNotOnSite",
    "Drifted",
    "EditConflict",
    "EditRejected",
    "Interrupted",
    "JournalError",
    "JournalNewer",
    "NotVisible",
    "OutcomeUnknown",
    "PermissionMissing",
    "PluginBroken",
    "PluginMissing",
    "ProviderError",
    "QuotaError",
    "QuotaExhausted",
    "RateLimited",
    "Refused",
    "SenderDetailsMissing",
    "SomeFailed",
    "Unavailable",
    "WixAnswerRefused",
    "WixCredentialsRejected",
    "WixError",
    "WixNotYet",
    "WixPermissionMissing",
    "WixRateLimited",
    "WixUnavailable",
    "WixsendError",
    "ZoneNotHeld",
]


class WixsendError(Exception):
    """What happened and to what (`str`), what to do next (`next_step`), a stable `code`, an `exit_code`.

    `retry_after` is the number of seconds after which the other side said to come back, where it said so; `transient`
    is true for the classes after which the same call may be made again.
    """

    code: ClassVar[str] = "error"
    exit_code: ClassVar[int] = 1
    transient: ClassVar[bool] = False

    def __init__(self, happened: str, next_step: str = "", *, retry_after: float | None = None) -> None:
        super().__init__(happened)
        self.happened = happened
        self.next_step = next_step
        self.retry_after = retry_after


class ConfigError(WixsendError):
    """Something of ours, on this machine, is wrong."""

    code, exit_code = "config", 2


class BadDomain(ConfigError):
    """What was given is no sending domain."""

    code = "bad-domain"


class DomainNotFound(ConfigError):
    """The servers of the zone above say that there is no such domain, or have not delegated it."""

    code = "domain-not-found"


class CredentialsMissing(ConfigError):
    """A credential that is needed is not set."""

    code = "credentials-missing"


class PluginMissing(ConfigError):
    """No installed plugin has that name."""

    code = "plugin-missing"


class PluginBroken(ConfigError):
    """A plugin is installed and cannot be used; the cause is chained."""

    code = "plugin-broken"


class QuotaError(ConfigError):
    """The record of calls cannot be opened, read or written, so no vendor's limit could be kept: nobody is called."""

    code = "quota"


class JournalError(ConfigError):
    """The journal cannot be opened, read or written; what had been done before is safe in it."""

    code = "journal"


class JournalNewer(JournalError):
    """The journal was written by a newer wixsend than this one."""

    code = "journal-newer"


class Busy(JournalError):
    """Another process is working on the same domain or zone."""

    code = "busy"


class Refused(WixsendError):
    """Nothing was written, on purpose: the guard objects, or nobody said yes."""

    code, exit_code = "refused", 3


class ProviderError(WixsendError):
    """The DNS host could not, or would not, do what was asked."""

    code, exit_code = "provider", 4


class CredentialsRejected(ProviderError):
    """The host does not know these credentials."""

    code = "provider-credentials"


class PermissionMissing(ProviderError):
    """The host knows the credentials, and they may not do this."""

    code = "provider-permission"


class ZoneNotHeld(ProviderError):
    """The account does not hold the zone, or more than one zone answers to its name."""

    code = "zone-not-held"


class EditRejected(ProviderError):
    """The host will never take this edit; nothing was written."""

    code = "edit-rejected"


class QuotaExhausted(ProviderError):
    """A budget is used up that does not come back within minutes (GoDaddy's monthly one)."""

    code = "quota-exhausted"


class RateLimited(ProviderError):
    """Too many calls; nothing was done. `retry_after` where the host said it."""

    code, transient = "rate-limited", True


class Unavailable(ProviderError):
    """The host could not be reached, or answered nonsense, to a question; nothing was done."""

    code, transient = "unavailable", True


class EditConflict(ProviderError):
    """The zone is not what we read: somebody else wrote, or the record exists already. Read and plan again."""

    code, transient = "edit-conflict", True


class OutcomeUnknown(ProviderError):
    """An edit was sent and its answer did not arrive or made no sense. Only a look at the zone tells."""

    code, transient = "outcome-unknown", True


class Drifted(WixsendError):
    """After our write the zone lacks, or has changed, something that we did not touch."""

    code, exit_code = "drifted", 5


class NotVisible(WixsendError):
    """DNS does not show the records (yet)."""

    code, exit_code, transient = "not-visible", 6, True


class DnsUnreachable(NotVisible):
    """No name server that could tell can be reached: port 53 is closed here, the network is down, or the zone's servers are."""

    code = "dns-unreachable"


class WixError(WixsendError):
    """Wix could not, or would not, do what was asked."""

    code, exit_code = "wix", 7


class WixCredentialsRejected(WixError):
    """401: Wix does not know the key or the app's token."""

    code = "wix-credentials"


class WixPermissionMissing(WixError):
    """403: Wix knows who asks, and that one may not do this on this site."""

    code = "wix-permission"


class SenderDetailsMissing(WixError):
    """428 SENDER_DETAILS_DO_NOT_EXIST on a question: one of several causes that Wix does not tell apart."""

    code = "wix-sender-details"


class DomainNotOnSite(WixError):
    """Wix answers, and has no such sending domain on this site."""

    code = "wix-domain-unknown"


class WixNotYet(WixError):
    """428 on authenticate, or 200 without AUTHENTICATED: Wix does not see the records yet."""

    code, transient = "wix-not-yet", True


class WixRateLimited(WixError):
    """429: Wix asks to wait."""

    code, transient = "wix-rate-limited", True


class WixAnswerRefused(WixError):
    """Wix's answer asks for something that we will not write: outside the domain, ambiguous, or not a CNAME."""

    code = "wix-answer-refused"


class WixUnavailable(WixError):
    """Wix could not be reached, or answered 5xx or nonsense."""

    code, transient = "wix-unavailable", True


class SomeFailed(WixsendError):
    """A command that worked on many domains is done, and some of them failed."""

    code, exit_code = "some-failed", 8


class Bug(WixsendError):
    """Something of wixsend's own that nobody foresaw."""

    code = "bug"


class Interrupted(WixsendError):
    """A person or the system stopped us; everything done is in the journal, and the same command goes on."""

    code, exit_code = "interrupted", 130
