"""wixsend authenticates custom e-mail sending domains on Wix, end to end.

What is exported here is the public interface: the contract for authors of provider plugins, and the values it speaks of. It is
imported lazily, so that `import wixsend` costs nothing and a command loads only what it uses.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wixsend.errors import (
        CredentialsMissing,
        CredentialsRejected,
        EditConflict,
        EditRejected,
        OutcomeUnknown,
        PermissionMissing,
        ProviderError,
        QuotaExhausted,
        RateLimited,
        Unavailable,
        WixsendError,
        ZoneNotHeld,
    )
    from wixsend.hookspecs import hookimpl
    from wixsend.names import Name, absolute, relative_text, text
    from wixsend.onebyone import OneByOne, write_one_by_one
    from wixsend.plan import Change, Edit
    from wixsend.provider import (
        BlockingProvider,
        CredentialField,
        Credentials,
        ErrorRule,
        ListsZones,
        Provider,
        ProviderPlugin,
        Rate,
        Receipt,
        Wire,
        ZonePage,
        retry_after,
    )
    from wixsend.records import WHOLE, Fragile, Granularity, Limits, Record, Snapshot, Zone, txt_rdata, txt_text

__version__ = "0.1.0"

_HOME = {
    "errors": (
        "CredentialsMissing CredentialsRejected EditConflict EditRejected OutcomeUnknown PermissionMissing ProviderError "
        "QuotaExhausted RateLimited Unavailable WixsendError ZoneNotHeld"
    ),
    "hookspecs": "hookimpl",
    "names": "Name absolute relative_text text",
    "onebyone": "OneByOne write_one_by_one",
    "plan": "Change Edit",
    "provider": (
        "BlockingProvider CredentialField Credentials ErrorRule ListsZones Provider ProviderPlugin Rate Receipt Wire ZonePage retry_after"
    ),
    "records": "WHOLE Fragile Granularity Limits Record Snapshot Zone txt_rdata txt_text",
}
_MODULE_OF = {name: module for module, names in _HOME.items() for name in names.split()}

__all__ = [
    "WHOLE",
    "BlockingProvider",
    "Change",
    "CredentialField",
    "Credentials",
    "CredentialsMissing",
    "CredentialsRejected",
    "Edit",
    "EditConflict",
    "EditRejected",
    "ErrorRule",
    "Fragile",
    "Granularity",
    "Limits",
    "ListsZones",
    "Name",
    "OneByOne",
    "OutcomeUnknown",
    "PermissionMissing",
    "Provider",
    "ProviderError",
    "ProviderPlugin",
    "QuotaExhausted",
    "Rate",
    "RateLimited",
    "Receipt",
    "Record",
    "Snapshot",
    "Unavailable",
    "Wire",
    "WixsendError",
    "Zone",
    "ZoneNotHeld",
    "ZonePage",
    "__version__",
    "absolute",
    "hookimpl",
    "relative_text",
    "retry_after",
    "text",
    "txt_rdata",
    "txt_text",
    "write_one_by_one",
]


def __getattr__(name: str) -> Any:
    """Import the module that holds a public name when the name is first used (PEP 562)."""
    if name not in _MODULE_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(f"{__name__}.{_MODULE_OF[name]}"), name)
    globals()[name] = value
    return value
