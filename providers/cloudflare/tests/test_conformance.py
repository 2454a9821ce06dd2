"""Cloudflare held to what every provider promises."""

from typing import ClassVar

from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.fakes import Response
from wixsend_cloudflare import PLUGIN
from wixsend_cloudflare.sandbox import FakeCloudflare


def _error(status: int, code: int, message: str, **headers: str) -> Response:
    body = {"result": None, "success": False, "errors": [{"code": code, "message": message}], "messages": []}
    return Response.json(body, status, **headers)


class TestCloudflare(ProviderConformance):
    plugin = PLUGIN
    fake = FakeCloudflare
    masks = True
    refusals: ClassVar = {
        "credentials": _error(403, 9109, "Invalid access token"),
        "permission": _error(403, 10000, "Authentication error"),
        "not-found": _error(404, 7003, "Could not route to /client/v4/zones/x/dns_records, perhaps your object identifier is invalid?"),
        "conflict": _error(400, 81058, "An identical record already exists."),
        "rejected": _error(400, 1004, "DNS Validation Error"),
        "rate-limited": _error(429, 971, "More than 1200 requests per 300 seconds reached.", **{"retry-after": "17"}),
    }
