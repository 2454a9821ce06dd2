"""The fence: DNS messages to one server, each signed by TSIG, told to the wire, over TCP and with its time-outs; answers only as signed.

dnspython makes and reads the messages. What it would do beyond that (UDP, retries, configuration of the system) is not used.
"""

import asyncio
import base64
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from urllib.parse import urlsplit

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.tsig

from wixsend import Credentials, CredentialsRejected, Wire

__all__ = ["ALGORITHMS", "Ask", "NotBelieved", "Refused", "Server", "key_of"]

ALGORITHMS = ("hmac-sha256", "hmac-sha224", "hmac-sha384", "hmac-sha512", "hmac-sha1")
"""Without HMAC-MD5, which must not be used any more (RFC 8945, section 6)."""

type Ask = Callable[[dns.message.Message], Awaitable[dns.message.Message]]
"""Sends a message and gives its answer, or raises `Refused`, what TSIG found (`dns.tsig`), or what went wrong on the way."""


class Refused(Exception):
    """A server's no: its `rcode`, to which kind of message (`asked`), and whether the answer is `signed`: that of a stranger never is."""

    def __init__(self, rcode: dns.rcode.Rcode, asked: dns.opcode.Opcode, signed: bool) -> None:
        unsigned = "" if signed else ", unsigned"
        super().__init__(f"{dns.rcode.to_text(rcode)} to {dns.opcode.to_text(asked)}{unsigned}")
        self.rcode, self.asked, self.signed = rcode, asked, signed


class NotBelieved(Exception):
    """An answer that may be anybody's."""


def key_of(credentials: Credentials) -> dns.tsig.Key:
    """The TSIG key. Raises `CredentialsRejected` for what is none; the secret is in no message."""
    algorithm = credentials.get("algorithm", ALGORITHMS[0]).lower().removesuffix(".")
    if algorithm not in ALGORITHMS:
        raise CredentialsRejected(f"RFC 2136: {algorithm!r} is no TSIG algorithm that may be used", f"Use one of {', '.join(ALGORITHMS)}.")
    try:
        return dns.tsig.Key(credentials["key_name"], base64.b64decode(credentials["secret"], validate=True), algorithm)
    except (ValueError, dns.exception.DNSException):
        pass  # the exception holds what it could not read
    raise CredentialsRejected(
        "RFC 2136: the TSIG secret is not base64, or its name is no domain name", "Copy both anew from the key statement."
    )


class Server:
    """One name server, where the wire's base URL says it is."""

    def __init__(self, wire: Wire, key: dns.tsig.Key) -> None:
        parts = urlsplit(wire.base_url)
        self.host = parts.hostname or ""
        self._port = parts.port or 53
        self._wire = wire
        self._key = key

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[Ask]:
        """A conversation over one connection, which is opened for the first message. Nothing in it is sent twice."""
        streams: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

        async def ask(message: dns.message.Message) -> dns.message.Message:
            message.use_tsig(self._key)
            sent = message.to_wire()
            opcode = message.opcode()
            await self._wire.before_async(dns.opcode.to_text(opcode), self._wire.base_url)
            if not streams:
                async with asyncio.timeout(self._wire.connect_timeout):
                    streams.append(await asyncio.open_connection(self.host, self._port))
            reader, writer = streams[0]
            async with asyncio.timeout(self._wire.timeout):
                writer.write(len(sent).to_bytes(2) + sent)
                await writer.drain()
                received = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
            return self._believed(message, received)

        try:
            yield ask
        finally:
            for _reader, writer in streams:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()

    def _believed(self, asked: dns.message.Message, received: bytes) -> dns.message.Message:
        """The answer, if it is one to what was asked, rightly signed, and no refusal."""
        opcode = asked.opcode()
        answer = dns.message.from_wire(received, keyring=False)
        if answer.id != asked.id or not answer.flags & dns.flags.QR:
            raise NotBelieved("it is an answer to something else")
        if not answer.had_tsig:
            if answer.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN, *_CONDITIONS):
                raise NotBelieved("it is not signed")
            raise Refused(answer.rcode(), opcode, signed=False)
        answer = dns.message.from_wire(received, keyring=self._key, request_mac=asked.mac)
        if not asked.is_response(answer):
            raise NotBelieved("it is an answer to something else")
        if answer.rcode() not in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN) or (opcode == dns.opcode.UPDATE and answer.rcode()):
            raise Refused(answer.rcode(), opcode, signed=True)
        return answer


_CONDITIONS = (dns.rcode.YXDOMAIN, dns.rcode.YXRRSET, dns.rcode.NXRRSET)
