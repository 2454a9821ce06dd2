"""Floor 4. DNS messages as bytes: sent over UDP sockets that questions share, or over TCP, and compared before anything is parsed.

A proof asks thousands of questions whose answer is known beforehand, so that a few comparisons take the place of a parser: of the id, the
question and, by the kernel, the address (RFC 5452, section 3), then of the answer's only record. What is not just as expected is for
`wixsend.exchange` to read in full.
"""

import asyncio
import secrets
import struct
from enum import Enum

import dns.rdatatype

from wixsend.names import Name

__all__ = ["Edns", "Packets", "Place", "is_truncated", "query", "question", "responds", "shows"]

type Place = tuple[str, int]
"""An IP address and a port."""

_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_QR, _AA, _TC, _RD, _OPCODE, _RCODE = 0x8000, 0x0400, 0x0200, 0x0100, 0x7800, 0x000F
_CNAME, _IN = 5, 1
_PAYLOAD = 1232
_DO = 0x8000
_MAY_LACK_QUESTION = frozenset({1, 2, 4, 5})
"""FORMERR, SERVFAIL, NOTIMP, REFUSED: errors in which some servers leave the question out."""
_THIS_QUESTION = b"\xc0\x0c"
_LABELS = 128
_WORN = 200
"""Questions that one socket takes: whoever wants to forge an answer has to guess its port, and has no more time than that."""


class Edns(Enum):
    """What a question says of EDNS, as the OPT record that stands at its end."""

    OFF = b""
    ON = b"\0" + struct.pack("!HHIH", 41, _PAYLOAD, 0, 0)
    DNSSEC = b"\0" + struct.pack("!HHIH", 41, _PAYLOAD, _DO, 0)


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
    if (rtype, rclass) != (_CNAME, _IN) or _expanded(response, start + _RECORD.size) != target:
        return None
    return int(ttl)


def _expanded(message: bytes, at: int) -> bytes | None:
    """The name at an offset in lower case, its pointers (RFC 1035, 4.1.4) followed; `None` for what is no name."""
    found, lowest = b"", at
    for _label in range(_LABELS):
        if at >= len(message):
            return None
        length = message[at]
        if not length:
            return found + b"\0"
        if length >= 0xC0:
            at = int.from_bytes(message[at : at + 2]) & 0x3FFF
            if at >= lowest:  # a pointer leads back, or it may lead round in a circle
                return None
            lowest = at
        elif length < 0x40:
            found += message[at : at + length + 1].lower()
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


def query(ident: int, asked: bytes, rd: bool, edns: Edns) -> bytes:
    """The message that asks a question."""
    return _HEADER.pack(ident, _RD if rd else 0, 1, 0, 0, int(bool(edns.value))) + asked + edns.value


class Packets:
    """Asks over UDP and TCP. Nothing is open between questions: a UDP socket lives as long as questions wait on it."""

    def __init__(self) -> None:
        self._sockets: dict[Place, _Socket] = {}

    async def udp(self, place: Place, asked: bytes, *, rd: bool, edns: Edns, timeout: float) -> bytes:  # noqa: ASYNC109
        """The first response to a question; what comes and is none is passed over. `TimeoutError` when there is none in time.

        `OSError` when the system says at once that nobody is there.
        """
        sock = self._sockets.get(place)
        if sock is None or sock.taken >= _WORN:
            sock = self._sockets[place] = _Socket(place)
        sock.taken += 1
        sock.users += 1
        try:
            return await sock.ask(asked, rd, edns, timeout)
        finally:
            sock.users -= 1
            if not sock.users:
                sock.close()
                if self._sockets.get(place) is sock:
                    del self._sockets[place]

    async def tcp(self, place: Place, asked: bytes, *, rd: bool, edns: Edns, timeout: float) -> bytes:  # noqa: ASYNC109
        """The same over TCP, in a connection of its own. `EOFError` when it is cut short, `ValueError` when it is another question's."""
        async with asyncio.timeout(timeout):
            reader, writer = await asyncio.open_connection(*place)
            try:
                ident = secrets.randbits(16)
                message = query(ident, asked, rd, edns)
                writer.write(len(message).to_bytes(2) + message)
                response = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            finally:
                writer.close()
        if not responds(response, ident, asked):
            raise ValueError("what came over TCP is no response to what was asked")
        return response


class _Socket(asyncio.DatagramProtocol):
    """A UDP socket connected to one place: the kernel lets nothing in from another address, and tells that a port is closed.

    `users` are the questions that hold it open, `taken` those that it ever took.
    """

    def __init__(self, place: Place) -> None:
        self.users = self.taken = 0
        self._place = place
        self._opening = asyncio.Lock()
        self._transport: asyncio.DatagramTransport | None = None
        self._waiting: dict[int, tuple[bytes, asyncio.Future[bytes]]] = {}

    async def ask(self, asked: bytes, rd: bool, edns: Edns, timeout: float) -> bytes:  # noqa: ASYNC109
        """The response to one question, if it comes in time."""
        loop = asyncio.get_running_loop()
        if self._transport is None:
            async with self._opening:
                if self._transport is None:
                    self._transport, _self = await loop.create_datagram_endpoint(lambda: self, remote_addr=self._place)
        ident = self._unused()
        response: asyncio.Future[bytes] = loop.create_future()
        self._waiting[ident] = asked, response
        late = loop.call_later(timeout, _fail, response, TimeoutError())
        try:
            self._transport.sendto(query(ident, asked, rd, edns))
            return await response
        finally:
            late.cancel()
            del self._waiting[ident]

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def _unused(self) -> int:
        """An id that nobody can foresee and that no question which waits here has."""
        while (ident := secrets.randbits(16)) in self._waiting:
            pass
        return ident

    def datagram_received(self, data: bytes, addr: object) -> None:
        asked, response = self._waiting.get(int.from_bytes(data[:2]), (b"", None))
        if response is not None and not response.done() and responds(data, int.from_bytes(data[:2]), asked):
            response.set_result(data)

    def error_received(self, exc: Exception) -> None:
        """The kernel does not say which datagram came back, but it was for this place."""
        for _asked, response in self._waiting.values():
            _fail(response, exc)


def _fail(response: asyncio.Future[bytes], why: Exception) -> None:
    if not response.done():
        response.set_exception(why)
