"""Route 53's plugin is held to what every plugin promises."""

from typing import ClassVar

from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.fakes import Response
from wixsend_route53 import PLUGIN
from wixsend_route53.sandbox import FakeRoute53, failure


class TestRoute53(ProviderConformance):
    plugin = PLUGIN
    fake = FakeRoute53
    calls: ClassVar = {"zone": 1, "read": 1, "write": 1}
    masks = True
    settings: ClassVar = {"comment": "kept by hand"}
    refusals: ClassVar[dict[str, Response | str]] = {
        "credentials": failure(403, "InvalidClientTokenId", "The security token included in the request is invalid."),
        "permission": failure(403, "AccessDenied", "User: arn:aws:iam::1:user/dns is not authorized to perform this."),
        "not-found": failure(404, "NoSuchHostedZone", "No hosted zone found with ID: Z1"),
        "conflict": failure(
            400, "InvalidChangeBatch", "[Tried to create resource record set [name='em1.', type='CNAME'] but it already exists]"
        ),
        "rejected": failure(400, "InvalidChangeBatch", "[Invalid Resource Record: 'FATAL problem: DomainLabelEmpty']"),
        "rate-limited": failure(400, "Throttling", "Rate exceeded", **{"retry-after": "17"}),
        "server-error": failure(500, "InternalFailure", "An internal error occurred."),
        "maintenance": failure(503, "ServiceUnavailable", "Service is unavailable."),
    }
