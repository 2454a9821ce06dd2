"""Namecheap for wixsend: what the plugin is, as data. The SDK is imported when an account is opened, and the fake when the sandbox asks."""

from typing import TYPE_CHECKING

from wixsend import CredentialField, Credentials, Granularity, Limits, ProviderPlugin, Rate, Wire, hookimpl
from wixsend_namecheap.rows import MAX_HOSTS, MAX_TTL, MIN_TTL

if TYPE_CHECKING:
    from wixsend_namecheap.adapter import NamecheapProvider
    from wixsend_namecheap.sandbox import FakeNamecheap

__all__ = ["PLUGIN", "wixsend_provider", "wixsend_sandbox_host"]

_API_ACCESS = "namecheap.com: Profile > Tools > Business & Dev Tools > Namecheap API Access"


def _opens(credentials: Credentials, wire: Wire) -> "NamecheapProvider":
    from wixsend_namecheap.adapter import NamecheapProvider

    return NamecheapProvider(credentials, wire)


PLUGIN = ProviderPlugin(
    name="namecheap",
    label="Namecheap",
    opens=_opens,
    granularity=Granularity.ZONE,
    credentials=(
        CredentialField("api_key", "NAMECHEAP_API_KEY", "API key", _API_ACCESS),
        CredentialField("username", "NAMECHEAP_USERNAME", "user name of the account that holds the domains", _API_ACCESS, secret=False),
        CredentialField(
            "client_ip",
            "NAMECHEAP_CLIENT_IP",
            "the IPv4 address from which this machine reaches the internet, on the account's whitelist",
            f"{_API_ACCESS} > Whitelisted IPs",
            secret=False,
        ),
        CredentialField(
            "api_user",
            "NAMECHEAP_API_USER",
            "for keys of another user than the one that holds the domains",
            _API_ACCESS,
            secret=False,
            required=False,
        ),
    ),
    name_servers=("registrar-servers.com",),
    base_url="https://api.namecheap.com",
    quota=(Rate(20, 60), Rate(700, 3600), Rate(8000, 86400)),
    limits=Limits(MIN_TTL, MAX_TTL, MAX_HOSTS),
    settle=5.0,
    permissions=(
        "API access switched on and this machine's IPv4 address whitelisted; Namecheap has no narrower keys: "
        "a key opens the whole account, so wixsend lets three commands through and no others"
    ),
    environments={"sandbox": "https://api.sandbox.namecheap.com"},
    proven="namecheap-python 4.0.0 against a stateful fake made from Namecheap's documents and recorded traffic; never a live account",
)


@hookimpl
def wixsend_provider() -> ProviderPlugin:
    """Namecheap's API for domains that use its BasicDNS."""
    return PLUGIN


@hookimpl
def wixsend_sandbox_host() -> "type[FakeNamecheap]":
    """The stateful fake of that API."""
    from wixsend_namecheap.sandbox import FakeNamecheap

    return FakeNamecheap
