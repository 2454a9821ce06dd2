"""DigitalOcean's plugin is held to what every plugin promises."""

from typing import ClassVar

from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.fakes import Response
from wixsend_digitalocean import PLUGIN
from wixsend_digitalocean.sandbox import FakeDigitalOcean


class TestDigitalOcean(ProviderConformance):
    plugin = PLUGIN
    fake = FakeDigitalOcean
    calls: ClassVar = {"zone": 1, "read": 1, "write": 3}  # one for each record: there is no call for several
    refusals: ClassVar = {
        "conflict": Response.json({"id": "unprocessable_entity", "message": "CNAME records cannot share a name with other records"}, 422),
    }
