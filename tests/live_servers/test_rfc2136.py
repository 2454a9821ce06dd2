"""Dynamic updates against real servers: BIND, Knot DNS and PowerDNS, each with the whole conformance suite and the whole job."""

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from live_servers.command import command
from live_servers.lab import Lab
from live_servers.own_servers import BindPrimary, KnotPrimary, OwnPrimary, PowerDnsPrimary, transferred
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.fakes import Request
from wixsend.testing.world import record
from wixsend_rfc2136 import PLUGIN

pytestmark = pytest.mark.live_servers


@pytest.fixture(scope="module", params=[BindPrimary, KnotPrimary, PowerDnsPrimary], ids=["bind", "knot", "powerdns"])
def primary(request: pytest.FixtureRequest, started_lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnPrimary]:
    """The server, for all the tests of this module before the next one is started."""
    with started_lab.entered(), request.param(tmp_path_factory.mktemp("own") / "primary") as own:
        yield own


class TestRealPrimary(ProviderConformance):
    plugin = PLUGIN
    fake = OwnPrimary
    calls: ClassVar = {"zone": 1, "read": 200, "write": 1}
    foreign_type = Record(absolute("foreign.example.com"), "TYPE65400", r"\# 4 01020304")
    refusals: ClassVar = {"rate-limited": "a name server does not say that it was asked too often"}

    @staticmethod
    def writes(request: Request) -> bool:
        return request.method == "UPDATE"

    @pytest.fixture
    def facts(self, lab: Lab, primary: OwnPrimary) -> OwnPrimary:
        primary.clear()
        return primary


THEIRS = (
    ("@", "A", "192.0.2.80"),
    ("www", "CNAME", "{apex}."),
    ("@", "MX", "10 mail.example.net."),
    ("@", "TXT", '"v=spf1 mx -all"'),
    ("*", "A", "192.0.2.81"),
)


def test_the_whole_job(lab: Lab, primary: OwnPrimary, tmp_path: Path) -> None:
    """A zone on one's own primary, found without being named, with the least permission; all of it as it was after the undo."""
    primary.clear()
    apex = f"job-{primary.name_servers[0].partition('.')[0]}.com"
    primary.add_zone(apex, [record(owner, rtype, rdata.format(apex=apex), apex, 300) for owner, rtype, rdata in THEIRS], least=True)
    lab.delegate(apex, primary.name_servers)
    before = set(transferred(apex, primary.address))
    key = {f"RFC2136_{name.upper()}": value for name, value in primary.credentials.items()}
    with command(lab, tmp_path, {**key, "WIXSEND_RFC2136_BASE_URL": f"dns://{primary.address}"}) as wixsend:
        wants = wixsend.wix.add_domain(apex).wants
        code, told, err = wixsend.run("authenticate", apex, "--yes", "--wait")
        assert (code, told["stage"]) == (0, "done"), err
        assert set(transferred(apex, primary.address)) == before | set(wants)
        code, told, err = wixsend.run("undo", apex, "--yes")
        assert code == 0, err
    assert set(transferred(apex, primary.address)) == before
