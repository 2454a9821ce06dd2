"""PowerDNS's plugin is held to what every plugin promises."""

from typing import ClassVar

from wixsend import Record, absolute
from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.fakes import Response
from wixsend_powerdns import PLUGIN
from wixsend_powerdns.sandbox import FakePowerDns


class TestPowerDns(ProviderConformance):
    plugin = PLUGIN
    fake = FakePowerDns
    masks = True  # a disabled record is stored, and not served
    speechless = True  # 204
    honest_bodies = ("[]",)  # zones, where there is none of that name
    settings: ClassVar = {"account": "agency", "soa_edit_api": "INCEPTION-INCREMENT"}
    foreign_type = Record(absolute("foreign.example.com"), "LUA", "A \"ifportup(443, {'192.0.2.1'})\"")
    refusals: ClassVar = {
        "conflict": Response.json({"error": "RRset em1234.example.com. IN CNAME: Conflicts with pre-existing RRset"}, 422),
        "rejected": Response.json(
            {"error": "Record em1234.example.com./CNAME 'x y': When parsing CNAME trailing data was not parsed"}, 422
        ),
    }
