"""PowerDNS for wixsend: what the plugin is, as data. Nothing that speaks HTTP is imported before an account is opened."""

from typing import TYPE_CHECKING

from wixsend import CredentialField, Credentials, Granularity, Limits, ProviderPlugin, Wire, hookimpl

if TYPE_CHECKING:
    from wixsend_powerdns.adapter import PowerDns
    from wixsend_powerdns.sandbox import FakePowerDns

__all__ = ["PLUGIN", "wixsend_provider", "wixsend_sandbox_host"]


def _opens(credentials: Credentials, wire: Wire) -> "PowerDns":
    from wixsend_powerdns.adapter import PowerDns

    return PowerDns(credentials, wire)


PLUGIN = ProviderPlugin(
    name="powerdns",
    label="PowerDNS",
    opens=_opens,
    granularity=Granularity.RRSET,
    credentials=(
        CredentialField("api_key", "POWERDNS_API_KEY", "the key of its HTTP API", "api-key in pdns.conf"),
        CredentialField(
            "server_id",
            "POWERDNS_SERVER_ID",
            "which server of the API; localhost unless a proxy says otherwise",
            secret=False,
            required=False,
        ),
    ),
    own_url="https://ns1.example.com:8443",
    limits=Limits(min_ttl=1, max_ttl=2**31 - 1),
    settle=5.0,  # a database that replicates may be read elsewhere than it is written
    permissions="the API key: PowerDNS has one, for everything; webserver-allow-from says from where",
    proven=(
        "real PowerDNS 4.7.3 servers, and no newer version: with SQLite the whole conformance suite and the fault matrix, with LMDB the "
        "whole job; and a stateful fake"
    ),
)


@hookimpl
def wixsend_provider() -> ProviderPlugin:
    """The HTTP API of PowerDNS Authoritative Server, version 4 and later."""
    return PLUGIN


@hookimpl
def wixsend_sandbox_host() -> "type[FakePowerDns]":
    """The stateful fake of that API."""
    from wixsend_powerdns.sandbox import FakePowerDns

    return FakePowerDns
