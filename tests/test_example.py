"""The kit's own example, in every shape that a plugin can have, keeps every promise."""

from typing import ClassVar

from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.example import PLUGIN
from wixsend.testing.example.sandbox import ExampleHost
from wixsend.testing.example.variants import BLOCKING, RRSET, ZONE, ExampleRRsetHost, ExampleZoneHost


class ExampleConformance(ProviderConformance):
    masks = True
    settings: ClassVar = {"zone_settings": {"mail": "forwarding"}}


class TestByRecord(ExampleConformance):
    plugin = PLUGIN
    fake = ExampleHost


class TestByRRset(ExampleConformance):
    plugin = RRSET
    fake = ExampleRRsetHost


class TestByZone(ExampleConformance):
    plugin = ZONE
    fake = ExampleZoneHost


class TestBlocking(ExampleConformance):
    plugin = BLOCKING
    fake = ExampleHost
