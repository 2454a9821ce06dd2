"""The plugin for dynamic updates is held to what every plugin promises."""

from typing import ClassVar

from wixsend import Record, absolute
from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.fakes import Request
from wixsend_rfc2136 import PLUGIN
from wixsend_rfc2136.sandbox import FakePrimary


class TestDynamicUpdates(ProviderConformance):
    plugin = PLUGIN
    fake = FakePrimary
    calls: ClassVar = {"zone": 1, "read": 200, "write": 1}
    foreign_type = Record(absolute("foreign.example.com"), "TYPE65400", r"\# 4 01020304")
    refusals: ClassVar = {"rate-limited": "a name server does not say that it was asked too often"}

    @staticmethod
    def writes(request: Request) -> bool:
        return request.method == "UPDATE"
