"""A provider plugin for Example DNS, a host that does not exist. It is the template of `wixsend new-provider`.

Written as a plugin is written: it imports what `wixsend` exports, its SDK (here httpx, by way of the wire) where an account is opened,
and the contract of fakes in its fake. The conformance kit checks itself with it.
"""

from typing import TYPE_CHECKING

from wixsend import CredentialField, Credentials, Granularity, Limits, Provider, ProviderPlugin, Rate, Wire, hookimpl

if TYPE_CHECKING:
    from wixsend.testing.fakes import FakeHost

__all__ = ["PLUGIN", "wixsend_provider", "wixsend_sandbox_host"]


def _open(credentials: Credentials, wire: Wire) -> Provider:
    from wixsend.testing.example.adapter import ExampleProvider

    return ExampleProvider(credentials, wire)


PLUGIN = ProviderPlugin(
    name="example",
    label="Example DNS",
    opens=_open,
    granularity=Granularity.RECORD,
    credentials=(
        CredentialField(
            name="token",
            env="EXAMPLE_TOKEN",
            help="An API token that may read and edit zones.",
            where="dns.example, Account, API tokens",
        ),
    ),
    name_servers=("ns.dns.example",),
    base_url="https://api.dns.example",
    quota=(Rate(600, 300),),
    limits=Limits(min_ttl=300, max_ttl=86400),
    permissions="zones:read and records:write",
    proven="only its own fake",
)


@hookimpl
def wixsend_provider() -> ProviderPlugin:
    """Example DNS."""
    return PLUGIN


@hookimpl
def wixsend_sandbox_host() -> "type[FakeHost]":
    """Its fake."""
    from wixsend.testing.example.sandbox import ExampleHost

    return ExampleHost
