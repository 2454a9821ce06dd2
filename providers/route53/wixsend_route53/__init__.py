"""Amazon Route 53 for wixsend: what the plugin is, as data. The SDK is imported when an account is opened, and not before."""

from typing import TYPE_CHECKING

from wixsend import BlockingProvider, CredentialField, Credentials, Granularity, Limits, ProviderPlugin, Rate, Wire, hookimpl

if TYPE_CHECKING:
    from wixsend_route53.sandbox import FakeRoute53

__all__ = ["PLUGIN", "wixsend_provider", "wixsend_sandbox_host"]

_KEYS = "IAM, Users, the user, Security credentials, Access keys: https://console.aws.amazon.com/iam/"


def _opens(credentials: Credentials, wire: Wire) -> BlockingProvider:
    from wixsend_route53.adapter import Route53

    return Route53(credentials, wire)


PLUGIN = ProviderPlugin(
    name="route53",
    label="Route 53",
    opens=_opens,
    granularity=Granularity.RRSET,
    # The variables are wixsend's own: AWS's (AWS_ACCESS_KEY_ID, ...) are often set for something else than a client's DNS.
    credentials=(
        CredentialField("access_key_id", "ROUTE53_ACCESS_KEY_ID", "the access key ID of an IAM user or role", _KEYS, secret=False),
        CredentialField("secret_access_key", "ROUTE53_SECRET_ACCESS_KEY", "the secret access key that belongs to it", _KEYS),
        CredentialField(
            "session_token", "ROUTE53_SESSION_TOKEN", "the session token, where the key is a temporary one (ASIA...)", "", required=False
        ),
    ),
    # ns-2047.awsdns-63.co.uk and the like: every delegation set has a name server in each of the four.
    name_servers=("awsdns-??.com", "awsdns-??.net", "awsdns-??.org", "awsdns-??.co.uk"),
    base_url="https://route53.amazonaws.com",
    # Five a second for all of an AWS account, whoever asks: one is left to the others.
    quota=(Rate(4, 1),),
    limits=Limits(min_ttl=1, max_ttl=604800),
    settle=5.0,  # its lists are said to be current; where one is not, a second look costs less than a second write
    permissions=(
        "route53:ListHostedZonesByName on *; route53:ListResourceRecordSets and route53:ChangeResourceRecordSets on the hosted zone, "
        "where a condition may limit the last to CNAME (route53:ChangeResourceRecordSetsRecordTypes)"
    ),
    proven=(
        "Through AWS's own SDK (botocore) against a stateful fake that verifies signatures, and against moto's model of Route 53. "
        "Never a live account."
    ),
)


@hookimpl
def wixsend_provider() -> ProviderPlugin:
    """Amazon Route 53."""
    return PLUGIN


@hookimpl
def wixsend_sandbox_host() -> "type[FakeRoute53]":
    """The stateful fake of its API."""
    from wixsend_route53.sandbox import FakeRoute53

    return FakeRoute53
