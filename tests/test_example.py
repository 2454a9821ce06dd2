"""The kit's own example, in every shape that a plugin can have, keeps every promise."""

from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.example import PLUGIN
from wixsend.testing.example.sandbox import ExampleHost, ExampleRRsetHost, ExampleZoneHost
from wixsend.testing.example.variants import BLOCKING, RRSET, ZONE


class TestByRecord(ProviderConformance):
    plugin = PLUGIN
    fake = ExampleHost
    masks = True


class TestByRRset(ProviderConformance):
    plugin = RRSET
    fake = ExampleRRsetHost
    masks = True


class TestByZone(ProviderConformance):
    plugin = ZONE
    fake = ExampleZoneHost
    masks = True


class TestBlocking(ProviderConformance):
    plugin = BLOCKING
    fake = ExampleHost
    masks = True
