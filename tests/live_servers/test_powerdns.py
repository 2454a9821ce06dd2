"""The PowerDNS plugin against real PowerDNS servers: the whole conformance suite, what is peculiar to it, and the whole job."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest

from live_servers import configs
from live_servers.command import command
from live_servers.lab import API, POWERDNS, Lab
from live_servers.own_servers import OwnPowerDns
from wixsend.adapters import Adapter
from wixsend.names import absolute
from wixsend.plan import Change, Edit
from wixsend.records import Record, Snapshot
from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.fakes import Response
from wixsend.testing.world import record
from wixsend_powerdns import PLUGIN

pytestmark = pytest.mark.live_servers

APEX = absolute("example.com")


@pytest.fixture(scope="module")
def own_powerdns(started_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPowerDns]:
    with started_lab.entered(), OwnPowerDns(tmp_path_factory.mktemp("own") / "pdns") as own:
        yield own


class TestRealPowerDns(ProviderConformance):
    plugin = PLUGIN
    fake = OwnPowerDns
    masks = True
    speechless = True
    honest_bodies = ("[]",)
    settings: ClassVar = {"account": "agency", "soa_edit_api": "INCEPTION-INCREMENT"}
    foreign_type = Record(absolute("foreign", APEX), "LUA", "A \"ifportup(443, {'192.0.2.1'})\"")
    refusals: ClassVar = {
        "conflict": Response.json({"error": "RRset em1234.example.com. IN CNAME: Conflicts with pre-existing RRset"}, 422),
    }

    @pytest.fixture
    def facts(self, lab: Lab, own_powerdns: OwnPowerDns) -> OwnPowerDns:
        own_powerdns.clear()
        return own_powerdns

    async def test_an_rrset_that_grows_and_shrinks_keeps_all_else(self, facts: OwnPowerDns, provider: Adapter) -> None:
        owner = absolute("shared", APEX)
        served, disabled = Record(owner, "TXT", '"theirs"', 7200), Record(owner, "TXT", '"off"', masked=True)
        facts.add_zone("example.com", [served, disabled])
        before = facts.raw("example.com")
        ours = Record(owner, "TXT", '"ours"', 60)
        await provider.write(Edit(await read(provider), (Change(owner, add=(ours,)),)))
        assert {(found.rdata, found.ttl) for found in facts.published("example.com")} == {('"theirs"', 7200), ('"ours"', 7200)}
        await provider.write(Edit(await read(provider), (Change(owner, remove=(ours,)),)))
        assert sorted(map(str, facts.raw("example.com")["records"])) == sorted(map(str, before["records"]))
        assert all("made by hand" in row["comments"] for row in before["records"] if row["type"] == "TXT")

    @pytest.mark.parametrize(("kind", "may"), [("Native", True), ("Master", True), ("Slave", False), ("Consumer", False)])
    async def test_zones_that_are_copies_are_said_to_be(self, facts: OwnPowerDns, provider: Adapter, kind: str, may: bool) -> None:
        copied: dict[str, Any] = {} if may else {"masters": ["192.0.2.9"], "nameservers": []}
        facts.add_zone("example.com", kind=kind, **copied)
        [zone] = await provider.zone(APEX)
        assert ("copied from 192.0.2.9" in zone.problem) is not may


async def read(provider: Adapter) -> Snapshot:
    [zone] = await provider.zone(APEX)
    return await provider.read(zone, frozenset())


THEIRS = (
    ("@", "A", "192.0.2.80"),
    ("www", "CNAME", "{apex}."),
    ("@", "MX", "10 mail.example.net."),
    ("@", "TXT", '"v=spf1 mx -all"'),
    ("*", "A", "192.0.2.81"),
)


def test_the_whole_job(lab: Lab, tmp_path: Path) -> None:
    """PowerDNS with LMDB and two name servers, found without being named, and everything in the zone as it was after the undo."""
    zone = lab.zone()
    zone.put(*(record(owner, rtype, rdata.format(apex=zone.apex), zone.apex, 300) for owner, rtype, rdata in THEIRS))
    before = lab.held(zone.apex)
    account = {"POWERDNS_API_KEY": configs.API_KEY, "WIXSEND_POWERDNS_BASE_URL": f"http://{API}:8081"}
    with command(lab, tmp_path, account) as wixsend:
        wants = wixsend.wix.add_domain(zone.apex).wants
        code, told, err = wixsend.run("authenticate", zone.apex, "--yes", "--wait")
        assert (code, told["stage"]) == (0, "done"), err
        added = lab.held(zone.apex)
        assert added - before == set(wants)
        assert before <= added
        assert all(
            lab.dig(f"@{server}", want.owner.to_text(), "CNAME", "+short").split() == [want.rdata] for want in wants for server in POWERDNS
        )
        code, told, err = wixsend.run("undo", zone.apex, "--yes")
        assert code == 0, err
    assert lab.held(zone.apex) == before
