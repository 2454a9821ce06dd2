"""Floor 4. The core's side of every HTTP request to a DNS host: quota, counting, time-outs, one origin, no redirects, bounded bodies.

The only place where a plugin's HTTP gets its manners. Nothing is read from the environment: a proxy or a certificate bundle
is configured on purpose, or not used. TLS verification cannot be switched off; plain HTTP is for loopback alone.
"""

import ssl
from collections.abc import AsyncIterator, Iterator, Sequence
from functools import cached_property
from ipaddress import ip_address
from typing import Any
from urllib.parse import SplitResult, urlsplit

import httpx
from pyrate_limiter import Duration, InMemoryBucket, Limiter
from pyrate_limiter import Rate as _Rate

from wixsend.errors import ConfigError, Unavailable
from wixsend.provider import Rate

__all__ = ["MAX_BODY", "HttpWire"]

MAX_BODY = 10 * 1024 * 1024
"""The largest response body that is read, in bytes: no zone of any host comes near it."""


class HttpWire:
    """Implements `wixsend.provider.Wire` for one account at one base URL. `calls` counts HTTP requests.

    `rates` hold at once. Raises `ConfigError` for a base URL that is neither https nor loopback.
    """

    def __init__(
        self,
        base_url: str,
        rates: Sequence[Rate] = (),
        *,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        ca_file: str | None = None,
        proxy: str | None = None,
    ) -> None:
        self.base_url = base_url
        self.timeout = timeout
        self.connect_timeout = connect_timeout
        self.calls = 0
        self._origin = _origin(urlsplit(base_url))
        if not _may_speak(urlsplit(base_url)):
            raise ConfigError(f"the base URL {base_url!r} is not https", "Only an address of this machine may be spoken to without TLS.")
        self._ca_file = ca_file
        self._proxy = proxy
        limits = [_Rate(rate.calls, int(rate.seconds * Duration.SECOND)) for rate in sorted(rates, key=lambda rate: rate.seconds)]
        self._limiter = Limiter(InMemoryBucket(limits)) if limits else None

    def before(self, method: str, url: str) -> None:
        """Wait for the quota and count one request; `Unavailable` for another origin than the base URL's."""
        self._admit(url)
        if self._limiter is not None:
            self._limiter.try_acquire("call")
        self.calls += 1

    async def before_async(self, method: str, url: str) -> None:
        """`before`, for asynchronous SDKs."""
        self._admit(url)
        if self._limiter is not None:
            await self._limiter.try_acquire_async("call")
        self.calls += 1

    def client(self, **options: Any) -> httpx.Client:
        """An httpx client under this wire's rules; `options` are httpx's own, on top of ours."""
        return httpx.Client(transport=_Transport(self, **self._transport()), **self._options(options))

    def async_client(self, **options: Any) -> httpx.AsyncClient:
        """An asynchronous httpx client under this wire's rules; `options` are httpx's own, on top of ours."""
        return httpx.AsyncClient(transport=_AsyncTransport(self, **self._transport()), **self._options(options))

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The verification that every client uses: the system's or certifi's authorities, or the configured bundle."""
        return (
            httpx.create_ssl_context(verify=True, trust_env=False)
            if self._ca_file is None
            else ssl.create_default_context(cafile=self._ca_file)
        )

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        return {
            "timeout": httpx.Timeout(self.timeout, connect=self.connect_timeout),
            "trust_env": False,
            "follow_redirects": False,
        } | options

    def _transport(self) -> dict[str, Any]:
        return {"verify": self.tls if self._origin[0] == "https" else False, "proxy": self._proxy, "trust_env": False, "retries": 0}

    def _admit(self, url: str) -> None:
        if _origin(urlsplit(url)) != self._origin:
            raise Unavailable(f"a request to {urlsplit(url).hostname} was stopped: only {self.base_url} may be asked")


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"https": 443, "http": 80}.get(parts.scheme, 0)


def _may_speak(parts: SplitResult) -> bool:
    if parts.scheme == "https":
        return True
    if parts.scheme != "http" or not parts.hostname:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        return ip_address(parts.hostname).is_loopback
    except ValueError:
        return False


class _Bounded(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A response body that ends in `Unavailable` when it grows over `MAX_BODY`."""

    def __init__(self, stream: Any, host: str) -> None:
        self._stream = stream
        self._host = host

    def __iter__(self) -> Iterator[bytes]:
        read = 0
        for chunk in self._stream:
            read = self._count(read, chunk)
            yield chunk

    async def __aiter__(self) -> AsyncIterator[bytes]:
        read = 0
        async for chunk in self._stream:
            read = self._count(read, chunk)
            yield chunk

    def _count(self, read: int, chunk: bytes) -> int:
        read += len(chunk)
        if read > MAX_BODY:
            raise Unavailable(f"{self._host} answered with more than {MAX_BODY // 1024 // 1024} MB, which is not read")
        return read

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Transport(httpx.HTTPTransport):
    def __init__(self, wire: HttpWire, **options: Any) -> None:
        super().__init__(**options)
        self._wire = wire

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        _ask_plainly(request)
        self._wire.before(request.method, str(request.url))
        return _checked(super().handle_request(request), request.url.host)


class _AsyncTransport(httpx.AsyncHTTPTransport):
    def __init__(self, wire: HttpWire, **options: Any) -> None:
        super().__init__(**options)
        self._wire = wire

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _ask_plainly(request)
        await self._wire.before_async(request.method, str(request.url))
        return _checked(await super().handle_async_request(request), request.url.host)


def _ask_plainly(request: httpx.Request) -> None:
    """No compression: a bounded body must stay bounded when it is decoded."""
    request.headers["accept-encoding"] = "identity"


def _checked(response: httpx.Response, host: str) -> httpx.Response:
    """The response with its body bounded; `Unavailable` for what is not read at all."""
    if response.has_redirect_location:
        raise Unavailable(f"{host} answered with a redirect (HTTP {response.status_code}), which is not followed")
    if response.headers.get("content-encoding", "identity") != "identity":
        raise Unavailable(f"{host} answered compressed, unasked, which is not read")
    response.stream = _Bounded(response.stream, host)
    return response
