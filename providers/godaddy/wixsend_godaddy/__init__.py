"""GoDaddy for wixsend: what the plugin is, as data. What speaks to GoDaddy is imported when an account is opened, the fake when asked for.

GoDaddy has two APIs, and the credentials decide: version 3 with a personal access token, version 1 with a classic key and its secret.
"""

from typing import TYPE_CHECKING

from wixsend import CredentialField, Credentials, Granularity, Limits, ProviderPlugin, Rate, Wire, hookimpl

if TYPE_CHECKING:
    from wixsend_godaddy.adapter import GoDaddy
    from wixsend_godaddy.sandbox import FakeGoDaddy
    from wixsend_godaddy.v3 import GoDaddyV3

__all__ = ["CLASSIC", "NAME_SERVERS", "PLUGIN", "wixsend_provider", "wixsend_sandbox_host"]

NAME_SERVERS = ("domaincontrol.com",)

_BASE_URL = "https://api.godaddy.com"
_ENVIRONMENTS = {"ote": "https://api.ote-godaddy.com"}
_QUOTA = (Rate(60, 60),)
_KEYS = "https://developer.godaddy.com/keys"
_TOKENS = "https://developer.godaddy.com/personal-access-token"


def _opens_v3(credentials: Credentials, wire: Wire) -> "GoDaddyV3":
    from wixsend_godaddy.v3 import GoDaddyV3

    return GoDaddyV3(credentials, wire)


def _opens_classic(credentials: Credentials, wire: Wire) -> "GoDaddy":
    from wixsend_godaddy.adapter import GoDaddy

    return GoDaddy(credentials, wire)


CLASSIC = ProviderPlugin(
    name="godaddy",
    label="GoDaddy",
    api="classic keys (API version 1)",
    opens=_opens_classic,
    granularity=Granularity.RRSET,
    credentials=(
        CredentialField("key", "GODADDY_API_KEY", "classic API key, reported to end with 2026", f"{_KEYS} (environment: Production)"),
        CredentialField("secret", "GODADDY_API_SECRET", "the API key's secret, shown once when the key is made", _KEYS),
        CredentialField(
            "shopper_id",
            "GODADDY_SHOPPER_ID",
            "for resellers, with a classic key only: the customer whose domains are meant",
            "the reseller control center, customer details",
            secret=False,
            required=False,
        ),
    ),
    name_servers=NAME_SERVERS,
    base_url=_BASE_URL,
    quota=_QUOTA,
    limits=Limits(min_ttl=600, max_ttl=604800),
    settle=5.0,
    permissions="a Production key of an account with 10 or more domains, or with an active Discount Domain Club plan",
    environments=_ENVIRONMENTS,
    proven="godaddypy 2.5.1 against a stateful fake made from GoDaddy's API description, recorded traffic and issues; never a live account",
)

PLUGIN = ProviderPlugin(
    name="godaddy",
    label="GoDaddy",
    api="a personal access token (API version 3)",
    opens=_opens_v3,
    granularity=Granularity.RECORD,
    credentials=(CredentialField("token", "GODADDY_TOKEN", "a personal access token, shown once when it is made", _TOKENS),),
    name_servers=NAME_SERVERS,
    base_url=_BASE_URL,
    quota=_QUOTA,
    limits=Limits(min_ttl=600, max_ttl=86400),
    settle=5.0,
    permissions="a token with the scopes domains.domain:read and domains.dns:update, of an account with an active domain",
    environments=_ENVIRONMENTS,
    proven="a stateful fake made from GoDaddy's API description, its own command line tool and issues; never a live account",
    also=(CLASSIC,),
)


@hookimpl
def wixsend_provider() -> ProviderPlugin:
    """GoDaddy's domains API: version 3, and version 1."""
    return PLUGIN


@hookimpl
def wixsend_sandbox_host() -> "type[FakeGoDaddy]":
    """The stateful fake of both."""
    from wixsend_godaddy.sandbox import FakeGoDaddy

    return FakeGoDaddy
