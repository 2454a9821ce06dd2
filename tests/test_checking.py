"""`wixsend check` of any record, and watching until it is there; by a clock that nobody waits for."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from wixsend.checking import check_record
from wixsend.errors import BadDomain, DomainNotFound
from wixsend.lookup import Dns
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.redact import Redactor
from wixsend.terminal import Terminal
from wixsend.testing.dns import SandboxDns

NAME, TARGET = "www.example.com", "example.github.io"
RECORD = Record(absolute(NAME), "CNAME", f"{TARGET}.", 300)


@dataclass
class Eyes:
    """What looking takes: a clock that sleep moves, and `meanwhile` is called with what it says."""

    sandbox: SandboxDns
    at: float = 1000.0
    meanwhile: Callable[[float], object] = lambda _now: None
    slept: list[float] = field(default_factory=list)
    dns: Dns = field(init=False)

    def __post_init__(self) -> None:
        self.dns = Dns(self.sandbox.settings(timeout=5.0, tries=1), now=self.now)

    def now(self) -> float:
        return self.at

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.at += seconds
        self.meanwhile(self.at)


@pytest.fixture
def held() -> list[Record]:
    return []


@pytest.fixture
def eyes(held: list[Record]) -> Iterator[Eyes]:
    clock = [1000.0]
    with SandboxDns(now=lambda: clock[0]) as sandbox:
        sandbox.add_zone("example.com", ("ns1.host.com", "ns2.host.com"), lambda _apex: held, soa_minimum=60)
        sandbox.add_zone("github.io", ("ns1.host.com",), lambda _apex: [Record(absolute(TARGET), "A", "192.0.2.1")])
        made = Eyes(sandbox)
        made.meanwhile = lambda now: clock.__setitem__(0, now)
        yield made


@pytest.fixture
def terminal() -> Terminal:
    return Terminal(Redactor(), json=True)


async def test_any_record_is_proved_without_wix_or_journal(
    eyes: Eyes, terminal: Terminal, held: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    held.append(RECORD)
    assert await check_record(eyes, terminal, "WWW.Example.com.", "CNAME", TARGET, watch=False) == 0
    value = json.loads(capsys.readouterr().out)
    assert value["record"] == {"owner": NAME, "type": "CNAME", "rdata": f"{TARGET}.", "ttl": None}
    assert value["complete"] and {finding["verdict"] for finding in value["findings"]} == {"visible"} and value["warnings"] == []


async def test_what_is_not_there_ends_with_6_and_no_resolver_is_asked(
    eyes: Eyes, terminal: Terminal, capsys: pytest.CaptureFixture[str]
) -> None:
    assert await check_record(eyes, terminal, NAME, "CNAME", TARGET, watch=False) == 6
    assert not json.loads(capsys.readouterr().out)["complete"] and eyes.sandbox.queries_at() == [] and not eyes.slept


async def test_a_target_that_does_not_exist_is_warned_of(
    eyes: Eyes, terminal: Terminal, held: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    held.append(Record(RECORD.owner, "CNAME", "gone.github.io."))
    assert await check_record(eyes, terminal, NAME, "CNAME", "gone.github.io", watch=False) == 0
    assert json.loads(capsys.readouterr().out)["warnings"] == ["www.example.com points to gone.github.io, which does not exist"]


async def test_watching_ends_when_everything_is_visible_and_says_each_change_once(
    eyes: Eyes, terminal: Terminal, held: list[Record], capsys: pytest.CaptureFixture[str]
) -> None:
    """Also with a cache that was asked too early: the last wait is for what it remembers, and no longer."""
    moves, poisoned = eyes.meanwhile, [0.0]

    def meanwhile(now: float) -> None:
        moves(now)
        if now >= 1020 and not held:
            assert eyes.sandbox.resolve(RECORD.owner, resolver="203.0.113.1") is None
            held.append(RECORD)
            poisoned[0] = now

    eyes.meanwhile = meanwhile
    assert await check_record(eyes, terminal, NAME, "CNAME", TARGET, watch=True) == 0
    out, err = capsys.readouterr()
    assert json.loads(out)["complete"] is True, "one document, the last"
    told = [line for line in err.splitlines() if line.startswith("not complete: ")]
    assert len(told) == 2 and "has no CNAME" in told[0] and "203.0.113.1 still remembers" in told[1]
    assert 60 <= eyes.at - poisoned[0] <= 62 and max(eyes.slept) <= 5
    assert len(eyes.sandbox.queries_at("203.0.113.1")) == 2


async def test_a_clock_that_is_set_back_prolongs_no_wait(eyes: Eyes, terminal: Terminal, held: list[Record]) -> None:
    def back(now: float) -> None:
        held[:] = [RECORD]
        eyes.at = now - 5000

    eyes.meanwhile = back
    assert await check_record(eyes, terminal, NAME, "CNAME", TARGET, watch=True) == 0
    assert sum(eyes.slept) <= 2


async def test_a_record_at_a_registered_name_is_looked_for_in_its_own_zone(eyes: Eyes, terminal: Terminal) -> None:
    assert await check_record(eyes, terminal, "example.com", "CNAME", TARGET, watch=False) == 6


async def test_a_domain_that_does_not_exist_is_told(eyes: Eyes, terminal: Terminal) -> None:
    with pytest.raises(DomainNotFound):
        await check_record(eyes, terminal, "www.nosuch.com", "CNAME", TARGET, watch=False)


@pytest.mark.parametrize(("name", "target"), [("com", TARGET), ("a..b.com", TARGET), (NAME, "x" * 64 + ".com"), ("", TARGET)])
async def test_what_is_no_name_is_refused(eyes: Eyes, terminal: Terminal, name: str, target: str) -> None:
    with pytest.raises(BadDomain) as told:
        await check_record(eyes, terminal, name, "CNAME", target, watch=False)
    assert told.value.next_step and not eyes.sandbox.queries


async def test_where_port_53_is_closed_the_name_itself_is_asked_of_nobody(eyes: Eyes, terminal: Terminal, held: list[Record]) -> None:
    held.append(RECORD)
    address = "203.0.113.1"
    closed = dict.fromkeys(eyes.sandbox.endpoints, "127.0.0.1:1")
    settings = eyes.sandbox.settings(endpoints={**closed, address: eyes.sandbox.endpoints[address]}, resolvers=(address,), tries=1)
    eyes.dns = Dns(settings, now=eyes.now)
    assert await check_record(eyes, terminal, NAME, "CNAME", TARGET, watch=False) == 6
    assert not [query for query in eyes.sandbox.queries if query.name.is_subdomain(RECORD.owner)]
