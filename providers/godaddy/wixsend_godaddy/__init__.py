"""GoDaddy for wixsend: what the plugin is, as data. The SDK is imported when an account is opened, and the fake when the sandbox asks."""

from typing import TYPE_CHECKING

from wixsend import CredentialField, Credentials, Granularity, Limits, ProviderPlugin, Rate, Wire, hookimpl

if TYPE_CHECKING:
    from wixsend_godaddy.adapter import GoDaddy
    from wixsend_godaddy.sandbox import FakeGoDaddy

__all__ = ["PLUGIN", "wixsend_provider", "wixsend_sandbox_host"]

_KEYS = "https://developer.godaddy.com/keys"


def _opens(credentials: Credentials, wire: Wire) -> "GoDaddy":
    from wixsend_godaddy.adapter import GoDaddy

    return GoDaddy(credentials, wire)


PLUGIN = ProviderPlugin(
    name="godaddy",
    label="GoDaddy",
    opens=_opens,
    granularity=Granularity.RRSET,
    credentials=(
        CredentialField("key", "GODADDY_API_KEY", "API key", f"{_KEYS} (environment: Production)"),
        CredentialField("secret", "GODADDY_API_SECRET", "the API key's secret, shown once when the key is made", _KEYS),
        CredentialField(
            "shopper_id",
            "GODADDY_SHOPPER_ID",
            "for resellers: the customer whose domains are meant",
            "the reseller control center, customer details",
            secret=False,
            required=False,
        ),
    ),
    name_servers=("domaincontrol.com",),
    base_url="https://api.godaddy.com",
    quota=(Rate(60, 60),),
    limits=Limits(min_ttl=600, max_ttl=604800),
    settle=5.0,
    permissions="a Production key of an account with 10 or more domains, or with an active Discount Domain Club plan",
    environments={"ote": "https://api.ote-godaddy.com"},
    proven="godaddypy 2.5.1 against a stateful fake made from GoDaddy's API description, recorded traffic and issues; never a live account",
)


@hookimpl
def wixsend_provider() -> ProviderPlugin:
    """GoDaddy's domains API, version 1."""
    return PLUGIN


@hookimpl
def wixsend_sandbox_host() -> "type[FakeGoDaddy]":
    """The stateful fake of that API."""
    from wixsend_godaddy.sandbox import FakeGoDaddy

    return FakeGoDaddy
