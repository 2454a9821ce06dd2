"""GoDaddy's plugin is held to what every plugin promises."""

from wixsend.testing.conformance import ProviderConformance
from wixsend_godaddy import PLUGIN
from wixsend_godaddy.sandbox import FakeGoDaddy


class TestGoDaddy(ProviderConformance):
    plugin = PLUGIN
    fake = FakeGoDaddy
    speechless = True
