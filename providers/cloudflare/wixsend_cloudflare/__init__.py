"""The Cloudflare plugin of wixsend: what it is, as data. The SDK is imported when an account is opened, and not before."""

from typing import TYPE_CHECKING

from wixsend import CredentialField, Credentials, Granularity, Limits, Provider, ProviderPlugin, Rate, Wire, hookimpl

if TYPE_CHECKING:
    from wixsend_cloudflare.sandbox import FakeCloudflare

__all__ = ["PLUGIN", "wixsend_provider", "wixsend_sandbox_host"]


def _opens(credentials: Credentials, wire: Wire) -> Provider:
    from wixsend_cloudflare.adapter import CloudflareProvider

    return CloudflareProvider(credentials, wire)


PLUGIN = ProviderPlugin(
    name="cloudflare",
    label="Cloudflare",
    opens=_opens,
    granularity=Granularity.RECORD,
    credentials=(
        CredentialField(
            "api_token",
            "CLOUDFLARE_API_TOKEN",
            "An API token with Zone:Read and DNS:Edit on the zones (the Global API Key is not taken)",
            "https://dash.cloudflare.com/profile/api-tokens",
        ),
    ),
    # Zones with custom name servers have names of their own: there the account alone tells.
    name_servers=("ns.cloudflare.com", "foundationdns.com", "foundationdns.net", "foundationdns.org"),
    base_url="https://api.cloudflare.com/client/v4",
    # Going over it blocks the dashboard too, for five minutes: a sixth is left to it.
    quota=(Rate(1200, 300.0),),
    reserve=1 / 6,
    counts_by="user: all tokens of a user and the dashboard share it",
    limits=Limits(min_ttl=60, max_ttl=86400),
    settle=5.0,
    permissions="Zone - Zone - Read and Zone - DNS - Edit, on the zones to change (the template 'Edit zone DNS' has only the second)",
    proven=(
        "Through the official SDK 5.9 against a stateful fake of the API, whose shapes are those of recorded public traffic "
        "(zone list, record list, batch and its errors) or of Cloudflare's documentation. Never against a live account."
    ),
)


@hookimpl
def wixsend_provider() -> ProviderPlugin:
    """Cloudflare, as data."""
    return PLUGIN


@hookimpl
def wixsend_sandbox_host() -> "type[FakeCloudflare]":
    """The stateful fake of Cloudflare's API."""
    from wixsend_cloudflare.sandbox import FakeCloudflare

    return FakeCloudflare
