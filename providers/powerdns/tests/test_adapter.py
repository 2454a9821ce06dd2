"""What is peculiar to PowerDNS: RRsets with comments and disabled records, no usual address, and zones that are copies."""

from collections.abc import AsyncIterator, Iterator

import pytest
import pytest_asyncio

from wixsend import Change, CredentialsRejected, Edit, EditConflict, EditRejected, Record, Snapshot, Unavailable, ZoneNotHeld, absolute
from wixsend.adapters import Adapter
from wixsend.plugins import Plugins
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_powerdns import PLUGIN
from wixsend_powerdns.sandbox import FakePowerDns

APEX = absolute("example.com")
OWNER = absolute("name", APEX)
CNAME = Record(OWNER, "CNAME", "u1.wl.example.net.")


@pytest.fixture
def fake() -> FakePowerDns:
    return FakePowerDns()


@pytest.fixture
def server(fake: FakePowerDns) -> Iterator[Server]:
    with Server({"powerdns": fake.handle}) as server:
        yield server


@pytest_asyncio.fixture
async def provider(fake: FakePowerDns, server: Server) -> AsyncIterator[Adapter]:
    adapter = Adapter.open(PLUGIN, {"api_key": fake.credentials["api_key"]}, HttpWire(server.url("powerdns")))
    yield adapter
    await adapter.close()


async def _read(provider: Adapter) -> Snapshot:
    [zone] = await provider.zone(APEX)
    return await provider.read(zone, frozenset())


async def _edit(provider: Adapter, *adds: Record, remove: tuple[Record, ...] = ()) -> Edit:
    before = await _read(provider)
    going = tuple(next(held for held in before.records if held == record) for record in remove)
    return Edit(before, (Change(OWNER, going, adds),))


def _row(fake: FakePowerDns, content: str) -> dict[str, object]:
    return next(row for row in fake.raw("example.com")["records"] if row["content"] == content)


def test_it_is_found_and_brings_its_fake() -> None:
    assert Plugins().get("powerdns") is PLUGIN
    assert Plugins().sandbox_host("powerdns") is FakePowerDns


async def test_another_server_of_the_api_is_asked_where_one_is_named(fake: FakePowerDns, server: Server) -> None:
    adapter = Adapter.open(PLUGIN, {**fake.credentials, "server_id": "a/b"}, HttpWire(server.url("powerdns")))
    with pytest.raises(CredentialsRejected, match="there is no such server at this address") as refused:
        await adapter.zone(APEX)
    await adapter.close()
    assert "server_id" in refused.value.next_step
    assert server.calls[-1].path == "/api/v1/servers/a/b/zones"  # as the server decoded it: %2F is no other path


async def test_the_zone_says_which_servers_serve_it(fake: FakePowerDns, provider: Adapter) -> None:
    fake.add_zone("example.com", [Record(APEX, "NS", "ns3.disabled.example.", masked=True)])
    before = await _read(provider)
    assert set(before.zone.name_servers) == set(map(absolute, FakePowerDns.name_servers))
    assert before.records == ()


@pytest.mark.parametrize(("kind", "copied"), [("Native", False), ("Master", False), ("Slave", True), ("Consumer", True), ("Unheard", True)])
async def test_a_zone_that_is_a_copy_has_a_problem(fake: FakePowerDns, provider: Adapter, kind: str, copied: bool) -> None:
    fake.add_zone("example.com", kind=kind, masters=["192.0.2.9"])
    [zone] = await provider.zone(APEX)
    assert ("copied from 192.0.2.9: the records belong there" in zone.problem) is copied


async def test_a_zone_without_its_soa_is_not_believed(fake: FakePowerDns, server: Server, provider: Adapter) -> None:
    fake.add_zone("example.com")
    [zone] = await provider.zone(APEX)
    server.faults.add(Fault("wrong-shape", body=b'{"id": "example.com.", "rrsets": []}'))
    with pytest.raises(Unavailable):
        await provider.read(zone, frozenset())


async def test_an_rrset_that_grows_keeps_its_ttl_its_comments_and_its_other_rows(fake: FakePowerDns, provider: Adapter) -> None:
    served, disabled = Record(OWNER, "TXT", '"theirs"', 7200), Record(OWNER, "TXT", '"off"', masked=True)
    fake.add_zone("example.com", [served, disabled])
    before = [_row(fake, '"theirs"'), _row(fake, '"off"')]
    await provider.write(await _edit(provider, Record(OWNER, "TXT", '"ours"', 60)))
    assert [_row(fake, '"theirs"'), _row(fake, '"off"')] == before
    assert (_row(fake, '"ours"')["ttl"], _row(fake, '"ours"')["disabled"]) == (7200, False)


async def test_a_new_rrset_has_the_ttl_that_it_comes_with(fake: FakePowerDns, provider: Adapter) -> None:
    fake.add_zone("example.com", [Record(OWNER, "A", "192.0.2.1", 600)])
    await provider.write(await _edit(provider, CNAME, remove=(Record(OWNER, "A", "192.0.2.1"),)))
    assert _row(fake, CNAME.rdata)["ttl"] == 3600
    await provider.write(await _edit(provider, Record(OWNER, "A", "192.0.2.1", 600), remove=(CNAME,)))
    assert _row(fake, "192.0.2.1")["ttl"] == 600


async def test_what_is_put_back_disabled_was_disabled(fake: FakePowerDns, provider: Adapter) -> None:
    disabled = Record(OWNER, "A", "192.0.2.1", 600, masked=True)
    fake.add_zone("example.com", [disabled])
    edit = await _edit(provider, CNAME, remove=(disabled,))
    assert [record.masked for record in edit.removes] == [True]
    await provider.write(edit)
    await provider.write(await _edit(provider, *edit.removes, remove=(CNAME,)))
    assert _row(fake, "192.0.2.1")["disabled"] is True


async def test_a_name_that_was_taken_meanwhile_is_a_conflict(fake: FakePowerDns, provider: Adapter) -> None:
    fake.add_zone("example.com")
    edit = await _edit(provider, CNAME)
    fake.edit_behind("example.com", add=[Record(OWNER, "TXT", '"theirs"')])
    with pytest.raises(EditConflict, match="Conflicts with pre-existing RRset"):
        await provider.write(edit)


async def test_what_powerdns_refuses_is_said_in_its_words(fake: FakePowerDns, provider: Adapter) -> None:
    fake.add_zone("example.com")
    with pytest.raises(EditRejected, match=r"unknown type given \(HTTP 422\)"):
        await provider.write(await _edit(provider, Record(OWNER, "URL301", "https://example.net")))


@pytest.mark.parametrize("gone", [Response(404, b"Not Found"), Response.json({"error": "Could not find domain 'example.com.'"}, 422)])
async def test_a_zone_that_is_deleted_meanwhile(fake: FakePowerDns, server: Server, provider: Adapter, gone: Response) -> None:
    """422 in the words of version 4.1."""
    fake.add_zone("example.com")
    edit = await _edit(provider, CNAME)
    server.faults.add(Fault("status", status=gone.status, body=gone.body, headers=gone.headers))
    with pytest.raises(ZoneNotHeld):
        await provider.write(edit)


def test_the_fake_hides_nothing_and_forgets_comments_with_their_rrset(fake: FakePowerDns) -> None:
    fake.add_zone("example.com", [Record(OWNER, "A", "192.0.2.1"), Record(OWNER, "A", "192.0.2.2", masked=True)])

    def patch(changetype: str, *contents: str) -> Response:
        rrset = {"name": "name.example.com.", "type": "A", "ttl": 1, "changetype": changetype}
        rrset |= {"records": [{"content": content, "disabled": False} for content in contents]}
        body = str({"rrsets": [rrset]}).replace("'", '"').replace("False", "false").encode()
        return fake.handle(
            Request("PATCH", "/api/v1/servers/localhost/zones/example.com.", headers={"x-api-key": fake.credentials["api_key"]}, body=body)
        )

    assert patch("REPLACE", "192.0.2.3").status == 204
    assert _row(fake, "192.0.2.3")["comments"] != []
    assert patch("DELETE").status == 204
    assert patch("REPLACE", "192.0.2.4").status == 204
    assert _row(fake, "192.0.2.4")["comments"] == []
    assert b"Duplicate record" in patch("REPLACE", "192.0.2.4", "192.0.2.4").body
    assert b"Changetype not understood" in patch("EXTEND", "192.0.2.5").body
