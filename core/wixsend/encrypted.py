"""Floor 4. DNS messages to a resolver over HTTPS (RFC 8484) or TLS (RFC 7858): nobody on the way can read, forge or hold back an answer.

Messages go in and come out as octets; whether an answer is one to what was asked is for the caller to say. The server's certificate
is verified, redirects are not followed, and what is larger than a DNS message can be is not read.
"""

import asyncio
import ssl
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol
from urllib.parse import urlsplit

from wixsend.wire import HttpWire, verification

if TYPE_CHECKING:
    import httpx

__all__ = ["Encrypted", "OverHttps", "OverTls", "Trust", "encrypted"]

_LARGEST = 65535
_MEDIA_TYPE = "application/dns-message"
_DOT_PORT = 853


@dataclass(frozen=True, slots=True)
class Trust:
    """Whom to believe: `ca_file` is a bundle of authorities instead of the usual ones. `proxy` is an HTTP proxy, for HTTPS alone."""

    ca_file: str | None = None
    proxy: str | None = None


class Encrypted(Protocol):
    """A resolver that is spoken to in secret."""

    async def ask(self, message: bytes) -> bytes:
        """What it answers. `OSError` when it cannot be reached or is not who it should be, `ValueError` for what is no DNS message.

        There is no time-out here.
        """
        ...

    async def close(self) -> None:
        """Close every connection."""
        ...


def encrypted(where: str, trust: Trust) -> Encrypted:
    """The resolver at `https://HOST/PATH` or `tls://HOST[:PORT]`."""
    return OverHttps(where, trust) if where.startswith("https:") else OverTls(where, trust)


class OverHttps:
    """DNS over HTTPS: every question a POST, HTTP/2 where the server speaks it, over connections that are kept."""

    def __init__(self, url: str, trust: Trust) -> None:
        self._url = url
        self._wire = HttpWire(url, ca_file=trust.ca_file, proxy=trust.proxy, http2=True)
        self._client: httpx.AsyncClient | None = None

    async def ask(self, message: bytes) -> bytes:
        import httpx

        from wixsend.errors import Unavailable

        if self._client is None:
            self._client = self._wire.async_client(headers={"accept": _MEDIA_TYPE, "content-type": _MEDIA_TYPE})
        try:
            async with self._client.stream("POST", self._url, content=message) as response:
                if response.status_code != 200 or response.headers.get("content-type", "").lower() != _MEDIA_TYPE:
                    raise ValueError(f"HTTP {response.status_code} with {response.headers.get('content-type', 'no type')!r}")
                answer = b""
                async for chunk in response.aiter_raw():
                    answer += chunk
                    if len(answer) > _LARGEST:
                        raise ValueError("the body is larger than any DNS message")
                return answer
        except httpx.TimeoutException as silent:
            raise TimeoutError from silent
        except httpx.TransportError as wrong:
            raise OSError(str(wrong)) from wrong
        except Unavailable as refused:
            raise ValueError(refused.happened) from refused

    async def close(self) -> None:
        if self._client is not None:
            await self._client.aclose()
            self._client = None


class OverTls:
    """DNS over TLS: one question at a time on a connection, and connections are kept for the next."""

    def __init__(self, where: str, trust: Trust) -> None:
        parts = urlsplit(where)
        self._host, self._port = parts.hostname or "", parts.port or _DOT_PORT
        self._trust = trust
        self._tls: ssl.SSLContext | None = None
        self._idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []

    async def ask(self, message: bytes) -> bytes:
        while self._idle:
            with suppress(OSError, EOFError):  # a server that has closed a connection meanwhile has not failed
                return await self._on(*self._idle.pop(), message)
        if self._tls is None:
            self._tls = verification(self._trust.ca_file)
        try:
            return await self._on(*await asyncio.open_connection(self._host, self._port, ssl=self._tls), message)
        except EOFError as short:
            raise OSError("the connection was closed before the answer") from short

    async def _on(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, message: bytes) -> bytes:
        try:
            writer.write(len(message).to_bytes(2) + message)
            await writer.drain()
            answer = await reader.readexactly(int.from_bytes(await reader.readexactly(2)))
        except BaseException:
            writer.transport.abort()
            raise
        self._idle.append((reader, writer))
        return answer

    async def close(self) -> None:
        idle, self._idle = self._idle, []
        for _reader, writer in idle:  # without waiting for the server's farewell
            writer.transport.abort()
            with suppress(OSError):
                await writer.wait_closed()
