"""GoDaddy's plugin is held to what every plugin promises, with the credentials of either API."""

from typing import ClassVar

from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.fakes import Response
from wixsend_godaddy import CLASSIC, PLUGIN
from wixsend_godaddy.sandbox import FakeGoDaddy, FakeGoDaddyV3


class TestClassic(ProviderConformance):
    plugin = CLASSIC
    fake = FakeGoDaddy
    speechless = True


class TestV3(ProviderConformance):
    plugin = PLUGIN
    fake = FakeGoDaddyV3
    calls: ClassVar = {"zone": 1, "read": 1, "write": 3}  # one for each record: there is no call for several
    refusals: ClassVar = {
        "conflict": Response.json(
            {
                "name": "VALIDATION_ERROR",
                "correlationId": "4be0c0de",
                "message": "Request failed validation",
                "details": [{"issue": "DUPLICATE_RECORD", "description": "Duplicate data provided for record name, em1234."}],
            },
            422,
        )
    }
