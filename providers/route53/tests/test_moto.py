"""The whole job against moto's model of Route 53, which somebody else made: it takes what AWS refuses, so what refuses here is wixsend."""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from moto.core.models import DEFAULT_ACCOUNT_ID
from moto.moto_server.werkzeug_app import create_backend_app
from moto.route53.models import FakeZone, Route53Backend, route53_backends
from werkzeug.test import Client

from wixsend import Record, absolute, text
from wixsend.flow import Stage
from wixsend.testing.fakes import FakeHost, Request, Response
from wixsend.testing.world import GivenPlugins, World
from wixsend_route53 import PLUGIN

APEX = absolute("example.com")
OWN = (
    Record(APEX, "MX", "10 mail.example.net."),
    Record(absolute("*.wild", APEX), "A", "192.0.2.1"),
    Record(absolute("www", APEX), "CNAME", "x.example.net."),
)


class MotoRoute53(FakeHost):
    """moto's server as a vendor. It knows no credentials, and keeps its state in the process."""

    name: ClassVar = "route53"
    name_servers: ClassVar = ("ns-2048.awsdns-64.com", "ns-2049.awsdns-65.net", "ns-2050.awsdns-66.org", "ns-2051.awsdns-67.co.uk")
    credentials: ClassVar = {"access_key_id": "AKIAEXAMPLE", "secret_access_key": "anything"}

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._client = Client(create_backend_app("route53"))
        self.handle(Request("GET", "/2013-04-01/hostedzonecount"))  # imports half of moto: not while somebody waits for an answer

    def handle(self, request: Request) -> Response:
        answer = self._client.open(
            request.path, method=request.method, query_string=dict(request.query), headers=dict(request.headers), data=request.body
        )
        # moto leaves out of this one list what AWS's service model says is always there.
        body = answer.get_data().replace(b"</ListHostedZonesByName", b"<IsTruncated>false</IsTruncated></ListHostedZonesByName")
        return Response(answer.status_code, body, {"content-type": "text/xml"})

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        _backend().create_hosted_zone(f"{apex}.", False, "", "", "", "")
        self.edit_behind(apex, records)

    def apexes(self) -> tuple[str, ...]:
        return tuple(zone.name.rstrip(".") for zone in _backend().zones.values())

    def raw(self, apex: str) -> Any:
        rows = [(r.name, r.type, int(r.ttl or 0), value) for r in _zone(apex).rrsets for value in sorted(r.records)]
        return {"records": [list(row) for row in sorted(rows)]}

    def published(self, apex: str) -> tuple[Record, ...]:
        rows = [row for row in self.raw(apex)["records"] if (row[0], row[1]) not in ((f"{apex}.", "SOA"), (f"{apex}.", "NS"))]
        return tuple(Record(absolute(name.replace(r"\052", "*")), rtype, value, ttl) for name, rtype, ttl, value in rows)

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        for action, records in (("DELETE", remove), ("CREATE", add)):
            for each in records:
                rrset = {"Name": text(each.owner) + ".", "Type": each.rtype, "TTL": 300, "ResourceRecords": [{"Value": each.rdata}]}
                _backend().change_resource_record_sets(_zone(apex).id, [{"Action": action, "ResourceRecordSet": rrset}])


def _backend() -> Route53Backend:
    return route53_backends[DEFAULT_ACCOUNT_ID]["aws"]


def _zone(apex: str) -> FakeZone:
    return next(zone for zone in _backend().zones.values() if zone.name == f"{apex}.")


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    _backend().reset()
    yield
    _backend().reset()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path, plugins=lambda: GivenPlugins([(PLUGIN, MotoRoute53)])) as world:
        world.add("example.com", "route53", OWN)
        yield world


async def test_the_whole_job_and_its_undo(world: World) -> None:
    before = world.raw("route53", "example.com")
    run = world.run("example.com")
    assert (await run.authenticate()).case.stage is Stage.DONE
    added = [row for row in world.raw("route53", "example.com")["records"] if row not in before["records"]]
    assert added and {row[1] for row in added} == {"CNAME"}
    assert all(row in world.raw("route53", "example.com")["records"] for row in before["records"])

    calls = world.server.count("route53")
    assert (await world.run("example.com").authenticate()).case.stage is Stage.DONE
    assert not [call for call in world.server.calls[calls:] if call.service == "route53" and call.request.method == "POST"]

    await world.run("example.com").undo()
    assert world.raw("route53", "example.com") == before


async def test_what_moto_would_take_the_guard_refuses(world: World) -> None:
    wanted = world.wanted("example.com")[0]
    world.edit_behind("route53", "example.com", [Record(wanted.owner, "A", "192.0.2.7")])
    before = world.raw("route53", "example.com")
    case = (await world.run("example.com").authenticate()).case
    assert case.stop is not None and "192.0.2.7" in case.stop.happened
    assert world.raw("route53", "example.com") == before

    world.edit_behind("route53", "example.com", [wanted])
    at_the_name = {row[1] for row in world.raw("route53", "example.com")["records"] if row[0] == f"{text(wanted.owner)}."}
    assert at_the_name == {"A", "CNAME"}, "moto has learned to refuse: this test no longer shows who does"
