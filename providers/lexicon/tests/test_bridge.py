"""One of lexicon's hosts in the whole job: lexicon itself in a process of its own, a fake vendor over HTTP, and real DNS messages."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from wixsend import Record, absolute
from wixsend.errors import CredentialsRejected, DnsUnreachable, Refused
from wixsend.flow import Stage
from wixsend.testing.dns import DnsFault
from wixsend.testing.world import GivenPlugins, OneAccount, Run, World
from wixsend_lexicon.hosts import hosts
from wixsend_lexicon.sandbox import FakeDirectAdmin

NAME = "lexicon:directadmin"
PLUGIN = hosts()["directadmin"].wixsend_provider()
OWN = (Record(absolute("example.com"), "MX", "10 mail.example.net."), Record(absolute("www.example.com"), "A", "192.0.2.1"))


class Bridge(World):
    """A world whose one host is reached through lexicon."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, plugins=lambda: GivenPlugins([(PLUGIN, FakeDirectAdmin)]))
        host = self.hosts[NAME]
        assert isinstance(host, FakeDirectAdmin)
        self.panel = host

    def credentials(self, **other: str) -> None:
        given = {**self.panel.credentials, "endpoint": self.server.url(NAME), **other}
        self.accounts[:] = [OneAccount("panel", NAME, given)]

    def process(self) -> Run:
        run = self.run("example.com", provider=NAME)
        run.timeout = 20.0  # a process of Python is started, and lexicon imported
        return run

    def added(self) -> list[Record]:
        return [record for record in self.panel.published("example.com") if record not in OWN]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[Bridge]:
    with Bridge(tmp_path) as world:
        world.add("example.com", NAME, OWN)
        world.credentials()
        yield world


async def test_the_whole_job(world: Bridge) -> None:
    case = (await world.process().authenticate()).case
    assert case.stage is Stage.DONE, case
    assert {(record.owner, record.rdata) for record in world.added()} == {(want.owner, want.rdata) for want in case.to_prove}
    calls = world.server.count(NAME)
    assert (await world.process().authenticate()).case.stage is Stage.DONE
    assert world.server.count(NAME) == calls, "nothing was left to do"


async def test_what_wixsend_made_is_named_and_not_removed(world: Bridge) -> None:
    await world.process().authenticate()
    made = world.added()
    with pytest.raises(Refused) as raised:
        await world.process().undo()
    assert all(str(record.owner).rstrip(".") in f"{raised.value.happened}" for record in made)
    assert "in the host's panel" in raised.value.next_step and world.added() == made
    world.edit_behind(NAME, "example.com", [], made)
    assert not (await world.process().undo()).edit, "what a person removed is gone: nothing is left to undo"


@pytest.mark.parametrize(
    "theirs",
    [("A", "192.0.2.7"), ("TXT", '"theirs"'), ("NAPTR", '1 1 "u" "x" "" .'), ("CNAME", "theirs.example.net."), ("NS", "ns.example.net.")],
)
async def test_a_name_that_is_not_empty_is_not_written(world: Bridge, theirs: tuple[str, str]) -> None:
    wanted = world.wanted("example.com")[0]
    world.edit_behind(NAME, "example.com", [Record(wanted.owner, *theirs, 300)], [])
    case = (await world.process().authenticate()).case
    assert case.stop is not None and str(wanted.owner).rstrip(".") in case.stop.happened
    assert len(world.added()) == 1 and not [call for call in world.server.calls if call.request.args.get("action")]


async def test_one_server_that_does_not_say_keeps_the_name_from_being_written(world: Bridge) -> None:
    wanted = world.wanted("example.com")[0]
    world.dns.add_fault(DnsFault("lame", "ns2.panel.example", wanted.owner, "CNAME"))
    with pytest.raises(DnsUnreachable, match=r"ns2\.panel\.example"):
        await world.process().preview()
    assert world.added() == []


@pytest.mark.parametrize(("habit", "seen"), [("relative", "the zone's name was added to the target"), ("forgets", "has no CNAME")])
async def test_a_success_that_is_none_is_seen_in_dns(world: Bridge, habit: str, seen: str) -> None:
    world.panel.habit = habit
    case = (await world.process().authenticate(wait=False)).case
    assert case.stage is Stage.PROVING, case
    assert seen in case.why


async def test_no_secret_of_a_leaking_vendor_is_shown(world: Bridge, capfd: pytest.CaptureFixture[str]) -> None:
    world.panel.habit = "leaks"
    case = (await world.process().authenticate(wait=False)).case
    output = capfd.readouterr()
    journal = (world.folder / "journal.db").read_bytes().decode(errors="replace")
    for secret in (FakeDirectAdmin.credentials["auth_password"], "b3duZXI6Y29ycmVjdC1ob3JzZS1iYXR0ZXJ5"):
        assert secret not in f"{case} {output.out} {output.err} {journal}"
    assert case.stage is Stage.WRITING and world.added() == []


async def test_wrong_credentials_are_told(world: Bridge) -> None:
    world.credentials(auth_password="wrong-horse-battery")
    with pytest.raises(CredentialsRejected) as raised:
        await world.process().preview()
    assert "wrong-horse" not in str(raised.value)
