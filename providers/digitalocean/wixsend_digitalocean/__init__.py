"""DigitalOcean for wixsend: what the plugin is, as data. Nothing that speaks HTTP is imported before an account is opened."""

from typing import TYPE_CHECKING

from wixsend import CredentialField, Credentials, Granularity, Limits, ProviderPlugin, Rate, Wire, hookimpl

if TYPE_CHECKING:
    from wixsend_digitalocean.adapter import DigitalOcean
    from wixsend_digitalocean.sandbox import FakeDigitalOcean

__all__ = ["PLUGIN", "wixsend_provider", "wixsend_sandbox_host"]


def _opens(credentials: Credentials, wire: Wire) -> "DigitalOcean":
    from wixsend_digitalocean.adapter import DigitalOcean

    return DigitalOcean(credentials, wire)


PLUGIN = ProviderPlugin(
    name="digitalocean",
    label="DigitalOcean",
    opens=_opens,
    granularity=Granularity.RECORD,
    credentials=(
        CredentialField("token", "DIGITALOCEAN_TOKEN", "a personal access token", "https://cloud.digitalocean.com/account/api/tokens"),
    ),
    name_servers=("ns1.digitalocean.com", "ns2.digitalocean.com", "ns3.digitalocean.com"),
    base_url="https://api.digitalocean.com/v2",
    quota=(Rate(250, 60), Rate(5000, 3600)),
    limits=Limits(min_ttl=30, max_ttl=86400),
    settle=5.0,  # nobody says that its lists are current: a second look costs less than a second write
    permissions="a token with the custom scopes domain:read, domain:create, domain:update and domain:delete",
    proven="a stateful fake made from DigitalOcean's API description and recorded traffic; never a live account",
)


@hookimpl
def wixsend_provider() -> ProviderPlugin:
    """DigitalOcean's API, version 2."""
    return PLUGIN


@hookimpl
def wixsend_sandbox_host() -> "type[FakeDigitalOcean]":
    """The stateful fake of that API."""
    from wixsend_digitalocean.sandbox import FakeDigitalOcean

    return FakeDigitalOcean
