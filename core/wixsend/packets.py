"""Floor 4. DNS messages as bytes: sent over UDP sockets that questions share, or over TCP, and compared before anything is parsed.

A proof asks thousands of questions whose answer is known beforehand, so that a few comparisons take the place of a parser: of the id, the
question and, by the kernel, the address (RFC 5452, section 3), then of the answer's only record. What is not just as expected is for
`wixsend.exchange` to read in full.
"""

import asyncio
import secrets
import struct
from collections.abc import Sequence
from enum import Enum
from typing import NamedTuple

import dns.rdatatype

from wixsend.names import Name

__all__ = ["Answer", "Edns", "Manner", "Packets", "Place", "is_truncated", "name_at", "query", "question", "responds", "shows"]

type Place = tuple[str, int]
"""An IP address and a port."""

type Answer = bytes | OSError
"""A response, or why there is none."""

_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_QR, _AA, _TC, _RD, _CD, _OPCODE, _RCODE = 0x8000, 0x0400, 0x0200, 0x0100, 0x0010, 0x7800, 0x000F
_CNAME, _IN = 5, 1
_PAYLOAD = 1232
_DO = 0x8000
_MAY_LACK_QUESTION = frozenset({1, 2, 4, 5})
"""FORMERR, SERVFAIL, NOTIMP, REFUSED: errors in which some servers leave the question out."""
_THIS_QUESTION = b"\xc0\x0c"
_LABELS = 255
"""Labels and pointers in a name, at the most."""
_LONGEST = 255
_WORN = 200
"""Questions that one socket takes: whoever wants to forge an answer has to guess its port, and has no more time than that."""


class Edns(Enum):
    """What a question says of EDNS, as the OPT record that stands at its end."""

    OFF = b""
    ON = b"\0" + struct.pack("!HHIH", 41, _PAYLOAD, 0, 0)
    DNSSEC = b"\0" + struct.pack("!HHIH", 41, _PAYLOAD, _DO, 0)


class Manner(NamedTuple):
    """How a question is put. `rd` asks a resolver to find out, `cd` not to check signatures before it answers (RFC 4035, 3.2.2)."""

    rd: bool = False
    cd: bool = False
    edns: Edns = Edns.ON


def question(name: Name, rtype: str) -> bytes:
    """A question as it stands in a message: QNAME, QTYPE, QCLASS IN."""
    labels = b"".join(len(label).to_bytes() + label for label in name.labels)
    return labels + struct.pack("!HH", dns.rdatatype.from_text(rtype), _IN)


def is_truncated(response: bytes) -> bool:
    """True when a response says that it had no room for all (TC)."""
    return bool(response[2] << 8 & _TC)


def shows(response: bytes, asked: bytes, target: bytes, *, authority: bool) -> int | None:
    """The TTL, when a response is one CNAME record at the name asked for, with this target, and nothing else; else `None`: read it.

    `target` is in wire form and lower case. `authority` is for responses that have to have AA.
    """
    _ident, flags, questions, answers, _authorities, _additionals = _HEADER.unpack_from(response)
    if questions != 1 or answers != 1 or flags & (_TC | _RCODE) or (authority and not flags & _AA):
        return None
    start = _HEADER.size + len(asked) + len(_THIS_QUESTION)
    if response[start - len(_THIS_QUESTION) : start] != _THIS_QUESTION or len(response) < start + _RECORD.size:
        return None
    rtype, rclass, ttl, _length = _RECORD.unpack_from(response, start)
    found = name_at(response, start + _RECORD.size)
    if (rtype, rclass) != (_CNAME, _IN) or found is None or found[0].lower() != target:  # the length of a label is no letter
        return None
    return int(ttl)


def name_at(message: bytes, at: int) -> tuple[bytes, int] | None:
    """The name at an offset, its pointers (RFC 1035, 4.1.4) followed, and how many octets it takes there; `None` for what is no name."""
    found, begun, lowest, start, size = b"", at, at, at, 0
    for _label in range(_LABELS):
        if at >= len(message):
            return None
        length = message[at]
        if not length:
            found += message[start : at + 1]
            return (found, size or at + 1 - begun) if len(found) <= _LONGEST else None
        if length >= 0xC0:
            found += message[start:at]
            size = size or at + 2 - begun
            at = start = int.from_bytes(message[at : at + 2]) & 0x3FFF
            if at >= lowest:  # a pointer leads back, or it may lead round in a circle
                return None
            lowest = at
        elif length < 0x40:
            at += length + 1
        else:
            return None
    return None


def responds(message: bytes, ident: int, asked: bytes) -> bool:
    """True for a response to that very question, case aside."""
    if len(message) < _HEADER.size:
        return False
    found, flags, questions, *_counts = _HEADER.unpack_from(message)
    if found != ident or flags & (_QR | _OPCODE) != _QR:
        return False
    if not questions:
        return flags & _RCODE in _MAY_LACK_QUESTION
    echo = message[_HEADER.size : _HEADER.size + len(asked)]
    return questions == 1 and (echo == asked or (echo[-4:] == asked[-4:] and echo[:-4].lower() == asked[:-4].lower()))


def query(ident: int, asked: bytes, how: Manner) -> bytes:
    """The message that asks a question."""
    flags = (_RD if how.rd else 0) | (_CD if how.cd else 0)
    return _HEADER.pack(ident, flags, 1, 0, 0, int(bool(how.edns.value))) + asked + how.edns.value


class Packets:
    """Asks over UDP and TCP. Nothing is open between questions: a UDP socket lives as long as questions wait on it."""

    def __init__(self) -> None:
        self._sockets: dict[Place, _Socket] = {}

    async def udp(
        self,
        place: Place,
        questions: Sequence[bytes],
        *,
        how: Manner,
        timeout: float,  # noqa: ASYNC109
    ) -> list[Answer]:
        """The first response to each of several questions that are sent at once; what comes and is none is passed over.

        `TimeoutError` stands where there is none in time, another `OSError` where the system says at once that nobody is there.
        """
        sock = self._sockets.get(place)
        if sock is None or sock.taken + len(questions) > _WORN:
            sock = self._sockets[place] = _Socket(place)
        sock.taken += len(questions)
        sock.users += 1
        try:
            return await sock.ask(questions, how, timeout)
        except OSError as failed:
            return [failed] * len(questions)
        finally:
            sock.users -= 1
            if not sock.users:
                sock.close()
                if self._sockets.get(place) is sock:
                    del self._sockets[place]

    async def tcp(self, place: Place, asked: bytes, *, how: Manner, timeout: float) -> bytes:  # noqa: ASYNC109
        """The same over TCP, in a connection of its own. `EOFError` when it is cut short, `ValueError` when it is another question's."""
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(*place)
            try:
                ident = secrets.randbits(16)
                message = query(ident, asked, how)
                writer.write(len(message).to_bytes(2) + message)
                response = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            finally:
                writer.close()
        if not responds(response, ident, asked):
            raise ValueError("what came over TCP is no response to what was asked")
        return response


class _Asked:
    """Questions that were sent at once: what came back for each so far, and `done` for when nothing more is waited for."""

    __slots__ = ("_open", "answers", "done", "questions")

    def __init__(self, questions: Sequence[bytes]) -> None:
        self.questions = questions
        self.answers: list[Answer | None] = [None] * len(questions)
        self.done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._open = len(questions)

    def answer(self, at: int, answer: Answer) -> None:
        """The first one counts."""
        if self.answers[at] is None:
            self.answers[at] = answer
            self._open -= 1
            if not self._open and not self.done.done():
                self.done.set_result(None)

    def give_up(self, why: OSError) -> None:
        for at in range(len(self.questions)):
            self.answer(at, why)


class _Socket(asyncio.DatagramProtocol):
    """A UDP socket connected to one place: the kernel lets nothing in from another address, and tells that a port is closed.

    `users` are those who hold it open, `taken` the questions that it ever took.
    """

    def __init__(self, place: Place) -> None:
        self.users = self.taken = 0
        self._place = place
        self._opening = asyncio.Lock()
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[int, tuple[_Asked, int]] = {}

    async def ask(self, questions: Sequence[bytes], how: Manner, timeout: float) -> list[Answer]:  # noqa: ASYNC109
        """What came back for each question in time."""
        transport = self._transport or await self._open()
        asked, idents = _Asked(questions), self._unused(len(questions))
        self._waiting.update((ident, (asked, at)) for at, ident in enumerate(idents))
        late = asyncio.get_running_loop().call_later(timeout, asked.give_up, TimeoutError())
        try:
            for ident, each in zip(idents, questions, strict=True):
                transport.sendto(query(ident, each, how))
            await asked.done
        finally:
            late.cancel()
            for ident in idents:
                del self._waiting[ident]
        return [answer for answer in asked.answers if answer is not None]

    async def _open(self) -> asyncio.DatagramTransport:
        async with self._opening:
            if self._transport is None:
                loop = asyncio.get_running_loop()
                self._transport, _self = await loop.create_datagram_endpoint(lambda: self, remote_addr=self._place)
            return self._transport

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _unused(self, many: int) -> list[int]:
        """Ids that nobody can foresee and that no question which waits here has."""
        found: dict[int, None] = {}
        while len(found) < many:
            drawn = struct.unpack(f"!{many}H", secrets.token_bytes(2 * many))
            found.update((ident, None) for ident in drawn if ident not in self._waiting)
        return list(found)[:many]

    def datagram_received(self, data: bytes, addr: object) -> None:
        ident = int.from_bytes(data[:2])
        asked, at = self._waiting.get(ident, (None, 0))
        if asked is not None and responds(data, ident, asked.questions[at]):
            asked.answer(at, data)

    def error_received(self, exc: Exception) -> None:
        """The kernel does not say which datagram came back, but it was for this place."""
        why = exc if isinstance(exc, OSError) else OSError(str(exc))
        for asked, at in self._waiting.values():
            asked.answer(at, why)
