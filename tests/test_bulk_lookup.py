"""Many domains at once: streamed, bounded, and no faster at one server than is polite."""

import asyncio
from collections.abc import Iterable, Iterator
from itertools import count

import pytest

from wixsend.errors import DomainNotFound
from wixsend.exchange import Exchange
from wixsend.lookup import Dns
from wixsend.names import Name, absolute, text
from wixsend.records import Record
from wixsend.testing.dns import DnsFault, SandboxDns
from wixsend.testing.world import record
from wixsend.verdict import Proof

HOSTS = ("ns1.host.net", "ns2.host.net")


def wanted(apex: str) -> list[Record]:
    return [record(name, "CNAME", f"{name}.{apex}.s004.ascendbywix.com.", apex) for name in ("s1._domainkey", "sg")]


def published(apex: str) -> Iterable[Record]:
    return wanted(apex)


@pytest.fixture
def many() -> Iterator[SandboxDns]:
    with SandboxDns(resolvers=2) as tree:
        for number in range(30):
            tree.add_zone(f"client{number}.com", HOSTS, published)
        yield tree


def asks(numbers: Iterable[int]) -> Iterator[tuple[Name, list[Record]]]:
    return ((absolute(f"client{number}.com"), wanted(f"client{number}.com")) for number in numbers)


async def test_every_domain_comes_once_with_its_own_proof_or_error(many: SandboxDns) -> None:
    client = Dns(many.settings())
    found = {text(domain): proof async for domain, proof in client.prove_each(asks(range(32)))}
    assert set(found) == {f"client{number}.com" for number in range(32)}
    for number in range(30):
        proof = found[f"client{number}.com"]
        assert isinstance(proof, Proof)
        assert proof.complete
        assert {finding.record for finding in proof.findings} == set(wanted(f"client{number}.com"))
    assert isinstance(found["client30.com"], DomainNotFound)
    assert isinstance(found["client31.com"], DomainNotFound)


async def test_no_domain_waits_for_a_slow_one(many: SandboxDns) -> None:
    many.add_fault(DnsFault("delay", name=absolute("s1._domainkey.client0.com"), seconds=0.3, times=None))
    client = Dns(many.settings())
    order = [text(domain) async for domain, _proof in client.prove_each(asks(range(5)), at_once=2)]
    assert order[0] != "client0.com"


async def test_only_so_many_are_begun_and_whoever_stops_listening_stops_it(many: SandboxDns) -> None:
    client, begun = Dns(many.settings()), list[int]()

    def endless() -> Iterator[int]:
        for number in count():
            begun.append(number)
            yield number % 30

    proofs = client.prove_each(asks(endless()), at_once=4)
    for _ in range(10):
        await anext(proofs)
    await proofs.aclose()
    stopped = len(begun)
    assert 10 <= stopped <= 18
    await asyncio.sleep(0.05)
    assert len(begun) == stopped


async def test_what_is_common_is_not_asked_for_each_domain(many: SandboxDns) -> None:
    client = Dns(many.settings())
    async for _found in client.prove_each(asks(range(30))):
        pass
    common = (absolute("com"), absolute("net"), absolute("host.net"), *map(absolute, HOSTS))
    assert len([query for query in many.queries if query.name in common]) < 20
    assert len([query for query in many.queries if query.rtype == "NS" and query.name == absolute("client7.com")]) <= 2


async def test_one_server_that_is_asked_too_much_holds_up_no_other(many: SandboxDns) -> None:
    exchange = Exchange(many.settings(per_second=1.0))
    busy, idle = many.recursors
    name = wanted("client1.com")[0].owner
    waiting = [asyncio.ensure_future(exchange.resolver(busy, name, "CNAME")) for _ in range(8)]
    seen, _reply = await exchange.resolver(idle, name, "CNAME")
    assert seen.records
    assert sum(task.done() for task in waiting) < 8
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
