"""DNS over HTTPS and TLS, against servers on loopback with certificates that are made here."""

import asyncio
from collections.abc import Iterator

import dns.message
import pytest

import certificates
from wixsend.encrypted import OverHttps, OverTls, Trust, encrypted
from wixsend.testing.dns import DnsFault, SandboxDns
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault, Server

QUESTION = dns.message.make_query("example.com.", "NS", id=0).to_wire()
DNS = {"content-type": "application/dns-message"}


@pytest.fixture
def trust() -> Trust:
    return Trust(certificates.authority())


@pytest.fixture
def sandbox() -> Iterator[SandboxDns]:
    with SandboxDns(resolvers=1, now=lambda: 0.0) as running:
        running.add_zone("example.com", ("ns1.host.com",))
        yield running


@pytest.fixture(params=["tls", "https"])
def place(request: pytest.FixtureRequest, sandbox: SandboxDns) -> str:
    """A resolver that is asked over one or the other."""
    return next(place for place in sandbox.add_encrypted("203.0.113.1", certificates.server()) if place.startswith(request.param))


async def test_a_question_is_answered_and_the_connection_kept_for_the_next(sandbox: SandboxDns, place: str, trust: Trust) -> None:
    resolver = encrypted(place, trust)
    answers = [dns.message.from_wire(await resolver.ask(QUESTION)) for _again in range(3)]
    assert [str(rrset) for answer in answers for rrset in answer.answer] == ["example.com. 3600 IN NS ns1.host.com."] * 3
    assert {query.transport for query in sandbox.queries} == {place.partition(":")[0]}
    assert len(sandbox._writers) == 1
    await resolver.close()


async def test_questions_at_once_do_not_get_each_others_answers(place: str, trust: Trust) -> None:
    resolver = encrypted(place, trust)
    names = [f"{label}.example.com." for label in "abcdefgh"]
    asked = [dns.message.make_query(name, "A", id=0).to_wire() for name in names]
    answers = [dns.message.from_wire(answer) for answer in await asyncio.gather(*map(resolver.ask, asked))]
    assert [answer.question[0].name.to_text() for answer in answers] == names
    await resolver.close()


async def test_a_certificate_of_nobody_we_trust_is_refused_before_anything_is_asked(sandbox: SandboxDns, place: str) -> None:
    resolver = encrypted(place, Trust())
    with pytest.raises(OSError, match="certificate verify failed"):
        await resolver.ask(QUESTION)
    assert not sandbox.queries
    await resolver.close()


async def test_a_certificate_for_another_name_is_refused(sandbox: SandboxDns, place: str, trust: Trust) -> None:
    resolver = encrypted(place.replace("127.0.0.1", "localhost"), trust)
    with pytest.raises(OSError, match=r"certificate verify failed.*localhost"):
        await resolver.ask(QUESTION)
    assert not sandbox.queries
    await resolver.close()


async def test_nobody_there_is_an_error_of_the_system(trust: Trust) -> None:
    for place in ("tls://127.0.0.1:1", "https://127.0.0.1:1/dns-query"):
        with pytest.raises(OSError):
            await encrypted(place, trust).ask(QUESTION)


async def test_over_tls_a_connection_that_the_server_has_closed_is_replaced(sandbox: SandboxDns, trust: Trust) -> None:
    resolver = encrypted(sandbox.add_encrypted("203.0.113.1", certificates.server())[0], trust)
    await resolver.ask(QUESTION)
    for writer in list(sandbox._writers):
        sandbox._loop.call_soon_threadsafe(writer.close)
    assert (await resolver.ask(QUESTION))[:2] == b"\0\0"
    await resolver.close()


async def test_a_question_that_was_given_up_does_not_leave_its_answer_to_the_next(sandbox: SandboxDns, place: str, trust: Trust) -> None:
    resolver = encrypted(place, trust)
    await resolver.ask(QUESTION)
    sandbox.add_fault(DnsFault("delay", rtype="NS", seconds=0.05, times=1))
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.02):
            await resolver.ask(QUESTION)
    other = dns.message.make_query("example.com.", "SOA", id=0)
    assert other.is_response(dns.message.from_wire(await resolver.ask(other.to_wire())))
    await resolver.close()


async def test_over_tls_an_answer_that_is_cut_short_is_an_error(trust: Trust) -> None:
    async def short(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(2)
        writer.write(b"\0\x40abc")
        writer.close()

    server = await asyncio.start_server(short, "127.0.0.1", 0, ssl=certificates.server())
    with pytest.raises(OSError, match="closed before the answer"):
        await OverTls(f"tls://127.0.0.1:{server.sockets[0].getsockname()[1]}", trust).ask(QUESTION)
    server.close()


# Over HTTPS, the manners: what the body and the head may be. Without TLS, which loopback may do


def answering(response: Response) -> Server:
    def handle(request: Request) -> Response:
        assert (request.method, request.body, request.headers["content-type"]) == ("POST", QUESTION, "application/dns-message")
        return response

    return Server({"doh": handle})


async def ask(server: Server) -> bytes:
    resolver = OverHttps(f"{server.url('doh')}/dns-query", Trust())
    try:
        return await resolver.ask(QUESTION)
    finally:
        await resolver.close()


async def test_the_body_is_the_answer() -> None:
    with answering(Response(200, b"octets", DNS)) as server:
        assert await ask(server) == b"octets"


NO_MESSAGE = {
    "a page of a captive network": Response(200, b"<html>Welcome</html>", {"content-type": "text/html"}),
    "a redirect": Response(302, b"", {"location": "/elsewhere", **DNS}),
    "an error": Response(503, b"octets", DNS),
    "more than a message can be": Response(200, b"x" * 65536, DNS),
    "a packed bomb": Response(200, b"x", {"content-encoding": "gzip", **DNS}),
}


@pytest.mark.parametrize("response", NO_MESSAGE.values(), ids=NO_MESSAGE)
async def test_what_is_no_dns_message_is_refused(response: Response) -> None:
    with answering(response) as server:
        with pytest.raises(ValueError):
            await ask(server)
        assert server.count("doh") == 1


@pytest.mark.parametrize("kind", ["refuse", "lost-reply", "truncate"])
async def test_a_connection_that_breaks_is_an_error_of_the_system(kind: str) -> None:
    with answering(Response(200, b"octets" * 9, DNS)) as server:
        server.faults.add(Fault(kind, service="doh"))  # type: ignore[arg-type]
        with pytest.raises(OSError):
            await ask(server)
