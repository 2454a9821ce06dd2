"""What is peculiar to dynamic updates: conditions, silent refusals, TTLs of RRsets, and names that no ordinary question tells of."""

from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager

import dns.message
import dns.rcode
import dns.tsig
import dns.update
import pytest
import pytest_asyncio

from wixsend import (
    Change,
    CredentialsRejected,
    Edit,
    EditConflict,
    EditRejected,
    OutcomeUnknown,
    PermissionMissing,
    ProviderError,
    Record,
    Snapshot,
    Unavailable,
    ZoneNotHeld,
    absolute,
)
from wixsend.adapters import Adapter
from wixsend.plugins import Plugins
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault, Server, speaking_dns
from wixsend.wire import HttpWire
from wixsend_rfc2136 import PLUGIN
from wixsend_rfc2136.adapter import HIDDEN
from wixsend_rfc2136.sandbox import FakePrimary

APEX = absolute("example.com")
OWNER = absolute("name", APEX)
CNAME = Record(OWNER, "CNAME", "u1.wl.example.net.")
RARE = Record(OWNER, "SSHFP", f"1 1 {'ab' * 20}")
KEY = dns.tsig.Key(FakePrimary.credentials["key_name"], FakePrimary.credentials["secret"], FakePrimary.credentials["algorithm"])


@pytest.fixture
def fake() -> FakePrimary:
    fake = FakePrimary()
    fake.add_zone("example.com")
    return fake


@pytest.fixture
def server(fake: FakePrimary) -> Iterator[Server]:
    with Server({"rfc2136": fake.handle}, dns=speaking_dns({"rfc2136": fake})) as server:
        yield server


@pytest_asyncio.fixture
async def provider(fake: FakePrimary, server: Server) -> AsyncIterator[Adapter]:
    async with _opened(fake.credentials, server) as adapter:
        yield adapter


@asynccontextmanager
async def _opened(credentials: Mapping[str, str], server: Server) -> AsyncIterator[Adapter]:
    adapter = Adapter.open(PLUGIN, credentials, HttpWire(server.url("rfc2136")))
    try:
        yield adapter
    finally:
        await adapter.close()


@asynccontextmanager
async def _at(fake: FakePrimary) -> AsyncIterator[Adapter]:
    """An account at another server."""
    with Server({"rfc2136": fake.handle}, dns=speaking_dns({"rfc2136": fake})) as server:
        async with _opened(fake.credentials, server) as adapter:
            yield adapter


async def _read(provider: Adapter, *names: str) -> Snapshot:
    [zone] = await provider.zone(APEX)
    return await provider.read(zone, frozenset(absolute(name, APEX) for name in names or ("name",)))


async def _edit(provider: Adapter, *adds: Record, remove: tuple[Record, ...] = ()) -> Edit:
    before = await _read(provider)
    going = tuple(next(held for held in before.records if held == record) for record in remove)
    return Edit(before, (Change(OWNER, going, adds),))


def _held(fake: FakePrimary) -> set[tuple[str, str, int | None]]:
    return {(record.rtype, record.rdata, record.ttl) for record in fake.published("example.com") if record.owner == OWNER}


def test_it_is_found_and_brings_its_fake() -> None:
    assert Plugins().get("rfc2136") is PLUGIN
    assert Plugins().sandbox_host("rfc2136") is FakePrimary


# -- reading -----------------------------------------------------------------------------------------------------------


async def test_what_a_wildcard_answers_is_not_at_the_name(fake: FakePrimary, provider: Adapter) -> None:
    fake.edit_behind("example.com", add=[Record(absolute("*", APEX), "A", "192.0.2.1")])
    before = await _read(provider, "name", "*", "@")
    assert before.at(OWNER) == ()
    assert [record.rtype for record in before.at(absolute("*", APEX))] == ["A"]


async def test_everything_is_read_where_any_shows_one_rrset(fake: FakePrimary, provider: Adapter) -> None:
    records = {Record(OWNER, "A", "192.0.2.1"), Record(OWNER, "TXT", '"a"'), RARE}
    fake.edit_behind("example.com", add=records)
    assert set((await _read(provider)).records) == records


async def test_the_servers_of_a_delegation_are_read_and_its_ds(fake: FakePrimary, provider: Adapter) -> None:
    records = {Record(OWNER, "NS", "ns1.example.net."), Record(OWNER, "NS", "ns2.example.net."), Record(OWNER, "DS", f"1 13 2 {'AB' * 32}")}
    fake.edit_behind("example.com", add=records)
    before = await _read(provider)
    assert {record.rtype for record in before.records} == {"NS", "DS"} and len(before.records) == 3


async def test_glue_is_known_to_be_there_and_not_taken_for_nothing(fake: FakePrimary, provider: Adapter) -> None:
    glue = absolute("ns1.name", APEX)
    fake.edit_behind("example.com", add=[Record(OWNER, "NS", "ns1.name.example.com."), Record(glue, "A", "192.0.2.1")])
    before = await _read(provider, "name", "ns1.name", "ns2.name")
    assert [record.rtype for record in before.at(glue)] == [HIDDEN]
    assert before.at(absolute("ns2.name", APEX)) == ()
    with pytest.raises(EditRejected, match="what the server does not show"):
        await provider.write(Edit(before, (Change(glue, before.at(glue), (Record(glue, "CNAME", "x.example.net."),)),)))


async def test_what_a_zone_below_on_the_same_server_answers_instead_is_not_believed(fake: FakePrimary, provider: Adapter) -> None:
    """Questions go to the zone below, conditions to the one that is asked about."""
    fake.edit_behind("example.com", add=[Record(OWNER, "NS", "ns1.example.net.")])
    fake.add_zone("name.example.com", [Record(OWNER, "TXT", '"in the zone below"')])
    before = await _read(provider)
    assert {record.rtype for record in before.records} == {"NS", HIDDEN}


async def test_many_names_are_asked_for(fake: FakePrimary, server: Server, provider: Adapter) -> None:
    names = [f"name-{number}.of-some-length-so-that-one-message-would-not-do" for number in range(1200)]
    fake.edit_behind("example.com", add=[Record(absolute(names[700], APEX), "A", "192.0.2.1")])
    assert [record.owner for record in (await _read(provider, *names)).records] == [absolute(names[700], APEX)]


async def test_what_is_too_large_for_a_message_is_not_sent(server: Server, provider: Adapter) -> None:
    edit = await _edit(provider, *(Record(OWNER, "TXT", f'"{number:0250}"') for number in range(300)))
    before = server.count("rfc2136")
    with pytest.raises(EditRejected, match="larger than a DNS message"):
        await provider.write(edit)
    assert server.count("rfc2136") == before


async def test_a_type_that_nobody_knows_is_seen_to_be_there(fake: FakePrimary, provider: Adapter) -> None:
    fake.edit_behind("example.com", add=[Record(OWNER, "TYPE65399", r"\# 1 01")])
    assert [record.rtype for record in (await _read(provider)).records] == ["TYPE65399"]


async def test_the_zone_says_which_servers_serve_it_and_keeps_its_own_records(provider: Adapter) -> None:
    before = await _read(provider, "@")
    assert set(before.zone.name_servers) == set(map(absolute, FakePrimary.name_servers))
    assert before.records == () and before.covers == frozenset({APEX})


async def test_nothing_is_written_where_only_questions_are_asked(fake: FakePrimary, server: Server, provider: Adapter) -> None:
    fake.edit_behind("example.com", add=[CNAME])
    await _read(provider, "name", "other", "@")
    assert {call.method for call in server.calls} == {"CHECK", "QUERY"}


# -- writing -----------------------------------------------------------------------------------------------------------


async def test_an_rrset_that_is_added_to_keeps_its_ttl(fake: FakePrimary, provider: Adapter) -> None:
    fake.edit_behind("example.com", add=[Record(OWNER, "TXT", '"theirs"', 7200)])
    await provider.write(await _edit(provider, Record(OWNER, "TXT", '"ours"', 60)))
    assert _held(fake) == {("TXT", '"theirs"', 7200), ("TXT", '"ours"', 7200)}
    await provider.write(await _edit(provider, remove=(Record(OWNER, "TXT", '"ours"'),)))
    assert _held(fake) == {("TXT", '"theirs"', 7200)}


async def test_what_replaces_has_its_own_ttl(fake: FakePrimary, provider: Adapter) -> None:
    old = Record(OWNER, "CNAME", "old.example.net.", 600)
    fake.edit_behind("example.com", add=[old])
    await provider.write(await _edit(provider, CNAME, remove=(old,)))
    assert _held(fake) == {("CNAME", CNAME.rdata, 3600)}
    await provider.write(await _edit(provider, old, remove=(CNAME,)))
    assert _held(fake) == {("CNAME", old.rdata, 600)}


MEANWHILE = {
    "the same name": Record(OWNER, "TXT", '"theirs"'),
    "another CNAME": Record(OWNER, "CNAME", "theirs.example.net."),
    "a rare type": RARE,
}


@pytest.mark.parametrize("theirs", MEANWHILE.values(), ids=list(MEANWHILE))
async def test_what_came_to_the_name_meanwhile_stays(fake: FakePrimary, provider: Adapter, theirs: Record) -> None:
    edit = await _edit(provider, CNAME)
    fake.edit_behind("example.com", add=[theirs])
    with pytest.raises(EditConflict, match="the zone is not what was read"):
        await provider.write(edit)
    assert {(rtype, rdata) for rtype, rdata, _ttl in _held(fake)} == {(theirs.rtype, theirs.rdata)}


@pytest.mark.parametrize(
    "theirs", [Record(OWNER, "A", "192.0.2.2"), Record(OWNER, "AAAA", "2001:db8::2")], ids=["the RRset", "another type"]
)
async def test_what_is_to_be_replaced_and_was_changed_meanwhile_stays(fake: FakePrimary, provider: Adapter, theirs: Record) -> None:
    """A CNAME beside the AAAA would silently not be added, and the A be gone."""
    old = Record(OWNER, "A", "192.0.2.1")
    fake.edit_behind("example.com", add=[old])
    edit = await _edit(provider, CNAME, remove=(old,))
    fake.edit_behind("example.com", add=[theirs])
    with pytest.raises(EditConflict):
        await provider.write(edit)
    assert {rdata for _rtype, rdata, _ttl in _held(fake)} == {old.rdata, theirs.rdata}


class Swallowing(FakePrimary):
    """Says NOERROR, and does nothing."""

    def _update(self, message: dns.update.UpdateMessage) -> None:
        message.update = []
        super()._update(message)


async def test_noerror_is_no_proof() -> None:
    """The core is told to look, and sees that it was not done."""
    swallowing = Swallowing()
    swallowing.add_zone("example.com")
    async with _at(swallowing) as provider:
        receipt = await provider.write(await _edit(provider, CNAME))
        assert receipt.records is None
        assert (await _read(provider)).records == ()


async def test_what_is_no_rdata_is_not_sent(server: Server, provider: Adapter) -> None:
    edit = await _edit(provider, Record(OWNER, "A", "not an address"))
    before = server.count("rfc2136")
    with pytest.raises(EditRejected, match="is not as DNS has it"):
        await provider.write(edit)
    assert server.count("rfc2136") == before


# -- refusals ----------------------------------------------------------------------------------------------------------


class Saying(FakePrimary):
    """Says the same to everything, in the name of whoever has the key; unsigned without one."""

    def __init__(self, rcode: dns.rcode.Rcode, key: dns.tsig.Key | None) -> None:
        super().__init__()
        self._rcode, self._signs = rcode, key

    def handle(self, request: Request) -> Response:
        query = dns.message.from_wire(request.body, keyring=self._key)
        answer = dns.message.make_response(query)
        answer.set_rcode(self._rcode)
        answer.tsig = None
        if self._signs is not None:
            answer.use_tsig(self._signs)
        return Response(body=answer.to_wire())


OTHERS = dns.tsig.Key(KEY.name, "c29tZWJvZHktZWxzZS1hbHRvZ2V0aGVy", KEY.algorithm)
SAYS: dict[str, tuple[dns.rcode.Rcode, dns.tsig.Key | None, type[ProviderError], type[ProviderError]]] = {
    "REFUSED": (dns.rcode.REFUSED, KEY, PermissionMissing, PermissionMissing),
    "REFUSED, unsigned: PowerDNS, of a wrong key": (dns.rcode.REFUSED, None, CredentialsRejected, CredentialsRejected),
    "NOTAUTH": (dns.rcode.NOTAUTH, KEY, ZoneNotHeld, ZoneNotHeld),
    "NOTAUTH, unsigned: Knot, of a zone it has not": (dns.rcode.NOTAUTH, None, ZoneNotHeld, ZoneNotHeld),
    "NOTIMP": (dns.rcode.NOTIMP, KEY, PermissionMissing, PermissionMissing),
    "SERVFAIL": (dns.rcode.SERVFAIL, KEY, Unavailable, OutcomeUnknown),
    "SERVFAIL, unsigned": (dns.rcode.SERVFAIL, None, Unavailable, OutcomeUnknown),
    "NOERROR, unsigned": (dns.rcode.NOERROR, None, Unavailable, OutcomeUnknown),
    "NOERROR, signed by somebody else": (dns.rcode.NOERROR, OTHERS, Unavailable, OutcomeUnknown),
    "YXDOMAIN, unsigned": (dns.rcode.YXDOMAIN, None, Unavailable, OutcomeUnknown),
}


@pytest.mark.parametrize("says", SAYS)
async def test_what_a_refusal_means(provider: Adapter, says: str) -> None:
    rcode, key, reading, writing = SAYS[says]
    edit = await _edit(provider, CNAME)
    async with _at(Saying(rcode, key)) as refused:
        for becomes, act in ((reading, refused.read(edit.before.zone, frozenset({OWNER}))), (writing, refused.write(edit))):
            with pytest.raises(ProviderError) as raised:
                await act
            assert type(raised.value) is becomes and raised.value.next_step


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"key_name": "unheard.of"}, "BADKEY"),
        ({"secret": "c29tZWJvZHktZWxzZS1hbHRvZ2V0aGVy"}, "BADSIG"),
        ({"algorithm": "hmac-sha256"}, "BADKEY"),
        ({"algorithm": "hmac-md5.sig-alg.reg.int"}, "no TSIG algorithm that may be used"),
        ({"secret": "no base64!"}, "not base64"),
        ({"key_name": "..."}, "no domain name"),
    ],
)
async def test_a_key_that_is_not_taken(fake: FakePrimary, server: Server, changed: dict[str, str], says: str) -> None:
    with pytest.raises(CredentialsRejected, match=says) as refused:
        async with _opened({**fake.credentials, **changed}, server) as provider:
            await provider.zone(APEX)
    assert changed.get("secret", "c2FuZGJveC1zYW5kYm94") not in f"{refused.value!r} {refused.value.next_step}"


async def test_clocks_that_differ(fake: FakePrimary) -> None:
    """The server's clock is an hour ahead: the answer is signed at its time, and the error says whose fault it is."""

    class Ahead(FakePrimary):
        def handle(self, request: Request) -> Response:
            query = dns.message.from_wire(request.body, keyring=self._key)
            answer = dns.message.make_response(query, tsig_error=dns.rcode.BADTIME)
            answer.set_rcode(dns.rcode.NOTAUTH)
            return Response(body=answer.to_wire())

    async with _at(Ahead()) as provider:
        with pytest.raises(CredentialsRejected, match="clocks") as refused:
            await provider.zone(APEX)
    assert "NTP" in refused.value.next_step


async def test_a_server_that_is_not_there(fake: FakePrimary) -> None:
    adapter = Adapter.open(PLUGIN, fake.credentials, HttpWire("dns://127.0.0.1:1"))
    with pytest.raises(Unavailable, match="no answer") as raised:
        await adapter.zone(APEX)
    assert "dns://HOST" in raised.value.next_step
    await adapter.close()


async def test_one_connection_for_one_look_and_a_new_one_for_the_next(fake: FakePrimary, server: Server, provider: Adapter) -> None:
    """A connection that the server closes in between is nobody's trouble."""
    before = await _read(provider)
    server.faults.add(Fault("refuse"))
    with pytest.raises(Unavailable):
        await provider.read(before.zone, frozenset({OWNER}))
    assert (await provider.read(before.zone, frozenset({OWNER}))).records == ()


def test_the_fake_has_the_bad_habits() -> None:
    fake = FakePrimary()
    fake.add_zone("example.com", [Record(OWNER, "A", "192.0.2.1", 600), Record(OWNER, "TXT", '"a"', 600)])

    def say(*parts: tuple[str, ...]) -> dns.rcode.Rcode:
        update = dns.update.UpdateMessage(APEX, keyring=KEY)
        for method, *arguments in parts:
            getattr(update, method)(OWNER, *arguments)
        answer = fake.handle(Request("UPDATE", "/", body=update.to_wire()))
        return dns.message.from_wire(answer.body, keyring=KEY, request_mac=update.mac).rcode()

    assert say(("add", "60", "CNAME", "x.example.net.")) == dns.rcode.NOERROR
    assert "CNAME" not in {rtype for rtype, _rdata, _ttl in _held(fake)}, "a CNAME beside other records is silently not added"
    assert say(("add", "60", "A", "192.0.2.2")) == dns.rcode.NOERROR
    assert {ttl for rtype, _rdata, ttl in _held(fake) if rtype == "A"} == {60}, "what is added sets the TTL of all"
    assert say(("present", "A", "192.0.2.1")) == dns.rcode.NXRRSET, "a part of an RRset is not the RRset"
    assert say(("present", "A", "192.0.2.2", "192.0.2.1")) == dns.rcode.NOERROR
    assert say(("absent", "TXT")) == dns.rcode.YXRRSET
    assert say(("absent",)) == dns.rcode.YXDOMAIN
    assert say(("delete",), ("add", "60", "CNAME", "x.example.net."), ("add", "60", "CNAME", "y.example.net.")) == dns.rcode.NOERROR
    assert _held(fake) == {("CNAME", "y.example.net.", 60)}, "another CNAME takes the place"
