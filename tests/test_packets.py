"""DNS messages as bytes: what is believed, what is compared without a parser, and sockets that questions share."""

import asyncio
import io
import socket
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, closing
from itertools import batched, chain

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wixsend.names import Name, absolute
from wixsend.packets import Answer, Edns, Manner, Packets, Place, is_truncated, name_at, query, question, responds, shows

labels = st.text("abcXYZ019_-", min_size=1, max_size=12).map(str.encode)
names = st.builds(
    lambda parts, suffix: Name((*parts, *suffix.labels)),
    st.lists(labels, max_size=4),
    st.sampled_from([absolute(suffix) for suffix in ("example.com", "EXAMPLE.com", "s004.ascendbywix.com", "net", ".")]),
)
"""Names that share endings, so that messages compress them."""

OWNER = absolute("s1._domainkey.example.com")
TARGET = absolute("s1.example.com.s004.ascendbywix.com")
ASKED = question(OWNER, "CNAME")


def wire(name: Name) -> bytes:
    return name.canonicalize().to_wire() or b""


def response(
    *answers: tuple[Name, str, str], owner: Name = OWNER, flags: int = dns.flags.AA, rcode: dns.rcode.Rcode = dns.rcode.NOERROR
) -> bytes:
    """What a name server sends, its names compressed as dnspython does."""
    message = dns.message.make_response(dns.message.make_query(owner, "CNAME", id=7))
    message.flags |= flags
    message.set_rcode(rcode)
    for name, rtype, rdata in answers:
        message.answer.append(dns.rrset.from_text(name, 300, "IN", rtype, rdata))
    return message.to_wire()


SHOWN = response((OWNER, "CNAME", TARGET.to_text()))


@given(names.filter(lambda name: len(name) > 1), names)
def test_an_answer_is_recognised_whatever_the_names_and_their_compression(owner: Name, target: Name) -> None:
    answer = response((owner, "CNAME", target.to_text()), owner=owner)
    assert shows(answer, question(owner, "CNAME"), wire(target), authority=True) == 300


@given(names, names)
def test_no_other_target_is_taken_for_the_expected_one(one: Name, other: Name) -> None:
    answer = response((OWNER, "CNAME", one.to_text()))
    assert (shows(answer, ASKED, wire(other), authority=True) is not None) == (one == other)


OTHERWISE = {
    "a second answer": response((OWNER, "CNAME", TARGET.to_text()), (TARGET, "A", "192.0.2.1")),
    "addresses": response((OWNER, "A", "192.0.2.1")),
    "another owner": response((absolute("s2._domainkey.example.com"), "CNAME", TARGET.to_text())),
    "nothing": response(),
    "a denial": response(rcode=dns.rcode.NXDOMAIN),
    "no authority": response((OWNER, "CNAME", TARGET.to_text()), flags=0),
    "truncated": response((OWNER, "CNAME", TARGET.to_text()), flags=dns.flags.AA | dns.flags.TC),
    "a failure": response((OWNER, "CNAME", TARGET.to_text()), rcode=dns.rcode.SERVFAIL),
    "cut after the question": SHOWN[: 12 + len(ASKED)],
    "cut in the record": SHOWN[: 12 + len(ASKED) + 8],
    "cut in the target": SHOWN[:-4],
}


@pytest.mark.parametrize("what", OTHERWISE)
def test_everything_else_is_left_to_be_read_in_full(what: str) -> None:
    assert shows(OTHERWISE[what], ASKED, wire(TARGET), authority=True) is None


def test_a_resolver_needs_no_authority() -> None:
    assert shows(OTHERWISE["no authority"], ASKED, wire(TARGET), authority=False) == 300


def record_with(rdata: bytes) -> bytes:
    """A response whose CNAME has these bytes for a target."""
    at = 12 + len(ASKED)
    return SHOWN[:at] + SHOWN[at : at + 10] + len(rdata).to_bytes(2) + rdata


HERE = 12 + len(ASKED) + 12
"""Where the target begins."""


@pytest.mark.parametrize(
    "rdata",
    [
        (0xC000 | HERE).to_bytes(2),
        (0xC000 | (HERE + 2)).to_bytes(2) + (0xC000 | HERE).to_bytes(2),
        b"\x01a" + (0xC000 | HERE).to_bytes(2),
        (0xC000 | 0x3FFF).to_bytes(2),
        b"\x80abc\0",
        b"\x3fabc",
        b"\x01a" * 400,
        b"",
    ],
)
def test_a_target_that_is_no_name_or_goes_round_in_circles_is_not_followed(rdata: bytes) -> None:
    assert shows(record_with(rdata), ASKED, wire(TARGET), authority=True) is None


@given(st.binary(max_size=80))
def test_no_bytes_at_all_are_too_strange(rdata: bytes) -> None:
    answer = record_with(rdata)
    found = shows(answer, ASKED, wire(TARGET), authority=True)
    assert found is None or rdata.lower().startswith(wire(TARGET)[:2])


@given(st.binary(max_size=300), st.integers(0, 320))
def test_a_name_is_read_as_dnspython_reads_it(message: bytes, at: int) -> None:
    try:
        name, size = dns.name.from_wire(message, at)
    except (dns.exception.DNSException, ValueError):
        assert name_at(message, at) is None
    else:
        assert name_at(message, at) == (name.to_wire(), size)


@given(st.lists(names, min_size=1, max_size=5), st.data())
def test_compressed_names_are_read_as_dnspython_reads_them(some: list[Name], data: st.DataObject) -> None:
    packed, compress = io.BytesIO(), dict[Name, int]()
    starts = []
    for name in some:
        starts.append(packed.tell())
        name.to_wire(packed, compress)
    at, message = data.draw(st.sampled_from(starts)), packed.getvalue()
    name, size = dns.name.from_wire(message, at)
    assert name_at(message, at) == (name.to_wire(), size)


def test_a_question_is_as_dnspython_would_send_it() -> None:
    sent = dns.message.from_wire(query(7, ASKED, Manner(rd=True)))
    assert (sent.id, sent.question[0].name, sent.flags, sent.payload) == (7, OWNER, dns.flags.RD, 1232)
    assert dns.message.from_wire(query(7, ASKED, Manner(edns=Edns.OFF))).edns == -1
    assert dns.message.from_wire(query(7, ASKED, Manner(rd=True, cd=True))).flags == dns.flags.RD | dns.flags.CD


RESPONDS: dict[str, tuple[bytes, bool]] = {
    "the response": (SHOWN, True),
    "in another case": (SHOWN[:12] + SHOWN[12 : 12 + len(ASKED) - 4].upper() + SHOWN[12 + len(ASKED) - 4 :], True),
    "another id": (b"\0\x08" + SHOWN[2:], False),
    "another question": (response(owner=TARGET), False),
    "another type": (SHOWN[: 12 + len(ASKED) - 4] + b"\0\x01" + SHOWN[12 + len(ASKED) - 2 :], False),
    "a question": (query(7, ASKED, Manner()), False),
    "half a header": (SHOWN[:7], False),
    "an error without a question": (b"\0\x07\x80\x01" + b"\0" * 8, True),
    "an answer without a question": (b"\0\x07\x84\0" + b"\0" * 8, False),
}


@pytest.mark.parametrize("what", RESPONDS)
def test_only_a_response_to_that_question_is_one(what: str) -> None:
    message, is_one = RESPONDS[what]
    assert responds(message, 7, ASKED) is is_one


def test_truncation_is_seen() -> None:
    assert is_truncated(OTHERWISE["truncated"])
    assert not is_truncated(SHOWN)


# -- on the wire


type Answers = Callable[[bytes], list[bytes]]
"""From a datagram to those that come back."""


class Server(asyncio.DatagramProtocol):
    """A UDP server on loopback that notes where datagrams come from."""

    def __init__(self, answers: Answers) -> None:
        self.answers, self.sources = answers, list[tuple[str, int]]()

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        self.transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.sources.append(addr)
        for answer in self.answers(data):
            self.transport.sendto(answer, addr)

    @property
    def place(self) -> Place:
        host, port = self.transport.get_extra_info("sockname")
        return host, port


@asynccontextmanager
async def serving(answers: Answers) -> AsyncIterator[Server]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(lambda: Server(answers), ("127.0.0.1", 0))
    with closing(transport):
        yield server


def right(data: bytes) -> bytes:
    return data[:2] + SHOWN[2:]


async def ask(packets: Packets, server: Server, timeout: float = 2.0) -> bytes:  # noqa: ASYNC109
    (got,) = await ask_each(packets, server.place, [ASKED], timeout)
    if isinstance(got, OSError):
        raise got
    return got


async def ask_each(packets: Packets, place: Place, questions: Sequence[bytes], timeout: float = 2.0) -> list[Answer]:  # noqa: ASYNC109
    return await packets.udp(place, questions, how=Manner(), timeout=timeout)


async def test_what_is_no_response_to_the_question_is_passed_over() -> None:
    def forged(data: bytes) -> list[bytes]:
        return [b"", data, bytes([data[0] ^ 1]) + right(data)[1:], data[:2] + response(owner=TARGET)[2:], b"\xff" * 40, right(data)]

    async with serving(forged) as server:
        assert (await ask(Packets(), server))[2:] == SHOWN[2:]


async def test_questions_at_the_same_time_share_a_socket_and_one_does_not_get_anothers_answer() -> None:
    async with serving(lambda data: [data[:2] + b"\x84" + data[3:]]) as server:
        packets, asked = Packets(), [question(absolute(f"n{place}.example.com"), "CNAME") for place in range(40)]
        got = await asyncio.gather(*(ask_each(packets, server.place, some) for some in batched(asked, 7)))
        assert [answered(message) for message in chain.from_iterable(got)] == asked
        assert len(set(server.sources)) == 1


def answered(got: Answer) -> bytes:
    """The question in a response."""
    assert isinstance(got, bytes)
    return got[12 : got.index(b"\0", 12) + 5]


async def test_answers_in_any_order_twice_or_not_at_all_go_to_their_own_questions() -> None:
    asked, heard = [question(absolute(f"n{place}.example.com"), "CNAME") for place in range(6)], list[bytes]()

    def backwards(data: bytes) -> list[bytes]:
        heard.append(data[:2] + b"\x84" + data[3:])
        return [each for each in reversed(heard) for _twice in range(2) if answered(each) != asked[2]] if len(heard) == 6 else []

    async with serving(backwards) as server:
        got = await ask_each(Packets(), server.place, asked, 0.2)
    assert isinstance(got[2], TimeoutError)
    assert [answered(each) for each in got if each is not got[2]] == [*asked[:2], *asked[3:]]


async def test_the_first_response_counts() -> None:
    async with serving(lambda data: [right(data), data[:2] + response(rcode=dns.rcode.NXDOMAIN)[2:]]) as server:
        assert (await ask(Packets(), server))[2:] == SHOWN[2:]


async def test_a_socket_is_closed_when_no_question_waits_on_it_and_replaced_when_it_is_worn() -> None:
    async with serving(lambda data: [right(data)]) as server:
        packets = Packets()
        await ask(packets, server)
        await ask(packets, server)
        assert len(set(server.sources)) == 2
        server.sources.clear()
        few = asyncio.Semaphore(30)

        async def one() -> None:
            async with few:
                await ask(packets, server)

        await asyncio.gather(*(one() for _ in range(450)))
        assert len(set(server.sources)) >= 3
        assert max(Counter(server.sources).values()) <= 200


async def test_silence_is_a_time_out_and_leaves_others_alone() -> None:
    silent = question(absolute("silent.example.com"), "CNAME")
    async with serving(lambda data: [right(data)] if ASKED in data else []) as server:
        packets = Packets()
        waiting = asyncio.ensure_future(ask_each(packets, server.place, [silent], 0.2))
        assert (await ask(packets, server))[2:] == SHOWN[2:]
        assert [type(got) for got in await waiting] == [TimeoutError]


async def test_whoever_is_cancelled_takes_nobody_along() -> None:
    async with serving(lambda data: [right(data)]) as server:
        packets = Packets()
        first, second = (asyncio.ensure_future(ask(packets, server)) for _ in range(2))
        await asyncio.sleep(0)
        first.cancel()
        assert (await second)[2:] == SHOWN[2:]


async def test_a_closed_port_is_told_at_once() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as unused:
        unused.bind(("127.0.0.1", 0))
        place = unused.getsockname()
    got = await ask_each(Packets(), place, [ASKED, ASKED], 30)
    assert [isinstance(each, ConnectionRefusedError) for each in got] == [True, True]


@pytest.fixture
def tcp_place() -> Iterator[Callable[[bytes, bool], Place]]:
    """Makes a TCP server that reads one question and sends these bytes behind its id, or in its place, then hangs up."""
    opened: list[socket.socket] = []

    def make(sends: bytes, with_id: bool) -> Place:
        server = socket.create_server(("127.0.0.1", 0))
        opened.append(server)
        loop = asyncio.get_running_loop()
        server.setblocking(False)

        async def serve() -> None:
            connection, _ = await loop.sock_accept(server)
            with connection:
                asked = await loop.sock_recv(connection, 512)
                await loop.sock_sendall(connection, sends[:2] + asked[2:4] + sends[4:] if with_id else sends)

        tasks.append(asyncio.ensure_future(serve()))
        host, port = server.getsockname()
        return host, port

    tasks: list[asyncio.Future[None]] = []
    yield make
    for server in opened:
        server.close()


def framed(message: bytes) -> bytes:
    return len(message).to_bytes(2) + message


async def test_a_huge_answer_comes_over_tcp(tcp_place: Callable[[bytes, bool], Place]) -> None:
    huge = SHOWN + b"\0" * (65535 - len(SHOWN))
    got = await Packets().tcp(tcp_place(framed(huge), True), ASKED, how=Manner(), timeout=2)
    assert got[2:] == huge[2:]


@pytest.mark.parametrize(
    ("sends", "with_id", "error"),
    [
        (framed(SHOWN)[:20], True, EOFError),
        (b"", False, EOFError),
        (framed(response(owner=TARGET)), True, ValueError),
        (framed(query(7, ASKED, Manner())), True, ValueError),
    ],
)
async def test_over_tcp_what_is_cut_short_or_another_questions_is_an_error(
    tcp_place: Callable[[bytes, bool], Place], sends: bytes, with_id: bool, error: type[Exception]
) -> None:
    with pytest.raises(error):
        await Packets().tcp(tcp_place(sends, with_id), ASKED, how=Manner(), timeout=2)


def test_dnspython_reads_what_we_recognise() -> None:
    assert dns.message.from_wire(SHOWN).answer[0][0].target == TARGET
    assert dns.name.from_wire(wire(TARGET), 0)[0] == TARGET
