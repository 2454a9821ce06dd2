"""Dynamic updates (RFC 2136) for wixsend: what the plugin is, as data. Nothing that speaks DNS is imported before an account is opened."""

from typing import TYPE_CHECKING

from wixsend import CredentialField, Credentials, Granularity, Limits, ProviderPlugin, Wire, hookimpl

if TYPE_CHECKING:
    from wixsend_rfc2136.adapter import DynamicUpdates
    from wixsend_rfc2136.sandbox import FakePrimary

__all__ = ["PLUGIN", "wixsend_provider", "wixsend_sandbox_host"]


def _opens(credentials: Credentials, wire: Wire) -> "DynamicUpdates":
    from wixsend_rfc2136.adapter import DynamicUpdates

    return DynamicUpdates(credentials, wire)


PLUGIN = ProviderPlugin(
    name="rfc2136",
    label="RFC 2136",
    opens=_opens,
    granularity=Granularity.RECORD,
    credentials=(
        CredentialField(
            "key_name", "RFC2136_KEY_NAME", "the name of the TSIG key", "the key statement of the server's configuration", False
        ),
        CredentialField("secret", "RFC2136_SECRET", "the secret of the TSIG key, in base64", "the same; tsig-keygen and keymgr make one"),
        CredentialField("algorithm", "RFC2136_ALGORITHM", "hmac-sha256 unless you say otherwise", secret=False, required=False),
    ),
    own_url="dns://ns1.example.com",
    limits=Limits(min_ttl=1, max_ttl=2**31 - 1),
    settle=5.0,  # a primary may be several servers on one database
    permissions="a TSIG key that may update the zone (allow-update, update-policy, acl) and ask for its records; no zone transfer",
    proven=(
        "real BIND 9.18, Knot DNS 3.2 and PowerDNS 4.7, each with the whole conformance suite, the whole job and the fault matrix; "
        "and a stateful fake"
    ),
)


@hookimpl
def wixsend_provider() -> ProviderPlugin:
    """Any name server that takes dynamic updates signed by TSIG."""
    return PLUGIN


@hookimpl
def wixsend_sandbox_host() -> "type[FakePrimary]":
    """The stateful fake of such a server."""
    from wixsend_rfc2136.sandbox import FakePrimary

    return FakePrimary
