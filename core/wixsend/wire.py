"""Floor 4. The core's side of every request to a DNS host: quota, counting, time-outs, one origin, no redirects, bounded bodies.

The only place where a plugin's HTTP gets its manners. Nothing is read from the environment: a proxy or a certificate bundle
is configured on purpose, or not used. TLS verification cannot be switched off; plain HTTP is for loopback, and for a private address where
a person said so, and goes to no proxy. A host that is spoken to by DNS messages has a base URL of RFC 4501, `dns://HOST`: its plugin sends
them, signed, and tells the wire of each.
"""

import asyncio
import select
import ssl
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cached_property, partial
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import SplitResult, urlsplit

import certifi
import httpcore
import httpx

from wixsend.errors import ConfigError, Unavailable

if TYPE_CHECKING:
    from wixsend.quota import Quota

__all__ = ["MAX_BODY", "QUOTA", "HttpWire", "last_word", "verification"]

QUOTA = "wixsend.quota"
"""The extension of an httpx request that names the `Quota` which it counts for, if not the wire's."""

MAX_BODY = 10 * 1024 * 1024
"""The largest response body that is read, in bytes: no zone of any host comes near it."""

_WHOLE = 4.0
"""How many times its time-out a whole answer may take. httpx's time-outs are for each read: an answer that drips would last for ever."""


_CONNECTIONS = 16
"""Of one client, no fewer than `adapters.OVERLAP`. Each request compares all of them, those at rest with each other (httpcore 1.0)."""

_last_word: ContextVar[Callable[[], None]] = ContextVar("last_word", default=lambda: None)


@contextmanager
def last_word(says: Callable[[], None]) -> Iterator[None]:
    """Call this before each request that is made inside, when it has its place in the quota and is about to be sent: it may raise."""
    before = _last_word.set(says)
    try:
        yield
    finally:
        _last_word.reset(before)


class HttpWire:
    """Implements `wixsend.provider.Wire` for one account at one base URL. `calls` counts requests.

    Requests wait for `quota`, and are counted in it. `http2` lets the server choose HTTP/2. `timeout` is for each read, in seconds, and a
    whole answer may take four times that. `plain_http` lets the base URL be http to a private address. Raises `ConfigError` for a base URL
    that may not be spoken to, for a proxy that is no HTTP proxy, and for a `ca_file` that is no bundle of certificates.
    """

    def __init__(
        self,
        base_url: str,
        quota: "Quota | None" = None,
        *,
        timeout: float = 30.0,
        connect_timeout: float = 5.0,
        ca_file: str | None = None,
        proxy: str | None = None,
        http2: bool = False,
        plain_http: bool = False,
    ) -> None:
        self.base_url = base_url
        self.quota = quota
        self.timeout = timeout
        self.connect_timeout = connect_timeout
        self.calls = 0
        self._origin = _sound(base_url, plain_http)
        if proxy is not None and not _is_proxy(proxy):
            raise ConfigError(
                "the proxy is no URL of an HTTP proxy", "Write [http] proxy as http://HOST:PORT, or https://USER:PASSWORD@HOST."
            )
        self._ca_file = ca_file
        self._proxy = proxy
        self._http2 = http2

    def before(self, method: str, url: str) -> None:
        """Wait for the quota and count one request; `Unavailable` for another origin than the base URL's."""
        self.admit(url, self.quota)

    async def before_async(self, method: str, url: str) -> None:
        """`before`, for asynchronous SDKs."""
        await self.admit_async(url, self.quota)

    def admit(self, url: str, quota: "Quota | None") -> Callable[[], None]:
        """`before`, for this quota; what comes is called when the request was made."""
        self._keep_to_origin(url)
        made = partial(quota.made, quota.take_blocking()) if quota is not None else _uncounted
        _last_word.get()()
        self.calls += 1
        return made

    async def admit_async(self, url: str, quota: "Quota | None") -> Callable[[], None]:
        """`before_async`, for this quota; what comes is called when the request was made."""
        self._keep_to_origin(url)
        made = partial(quota.made, await quota.take()) if quota is not None else _uncounted
        _last_word.get()()
        self.calls += 1
        return made

    def client(self, **options: Any) -> httpx.Client:
        """An httpx client under this wire's rules; `options` are httpx's own, on top of ours."""
        return _Client(transport=_Transport(self, **self._transport()), **self._options(options))

    def async_client(self, **options: Any) -> httpx.AsyncClient:
        """An asynchronous httpx client under this wire's rules; `options` are httpx's own, on top of ours."""
        return _AsyncClient(transport=_AsyncTransport(self, **self._transport()), **self._options(options))

    @cached_property
    def tls(self) -> ssl.SSLContext:
        """The verification that every client uses: the system's or certifi's authorities, or the configured bundle."""
        return verification(self._ca_file)

    def _options(self, options: dict[str, Any]) -> dict[str, Any]:
        ours = {"trust_env": False, "follow_redirects": False}
        return {"timeout": httpx.Timeout(self.timeout, connect=self.connect_timeout)} | options | ours

    def _transport(self) -> dict[str, Any]:
        limits = httpx.Limits(max_connections=_CONNECTIONS, max_keepalive_connections=_CONNECTIONS)
        if self._origin[0] == "http":
            return {"verify": False, "trust_env": False, "retries": 0, "limits": limits}
        return {"verify": self.tls, "proxy": self._proxy, "trust_env": False, "retries": 0, "http2": self._http2, "limits": limits}

    def _keep_to_origin(self, url: str) -> None:
        if _origin(urlsplit(url)) != self._origin:
            raise Unavailable(f"a request to {urlsplit(url).hostname} was stopped: only {self.base_url} may be asked")


def verification(ca_file: str | None = None) -> ssl.SSLContext:
    """How every server's certificate and name are verified: by certifi's authorities, or by those of a bundle.

    Not made by `ssl.create_default_context`, which writes the keys of every connection where SSLKEYLOGFILE says. Raises `ConfigError` for
    what is no bundle.
    """
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        context.load_verify_locations(cafile=ca_file or certifi.where())
    except (OSError, ValueError) as wrong:
        raise ConfigError(f"{ca_file} is no bundle of certificates in PEM: {wrong}", "Check [http] ca_file.") from wrong
    return context


def _uncounted() -> None:
    """What there is to do for a request that no quota counts."""


def _origin(parts: SplitResult) -> tuple[str, str, int]:
    return parts.scheme, (parts.hostname or "").lower(), parts.port or {"https": 443, "http": 80, "dns": 53}.get(parts.scheme, 0)


def _sound(base_url: str, plain_http: bool) -> tuple[str, str, int]:
    """The origin of a base URL; `ConfigError` for one that may not be spoken to. It is not shown where it may hold a password."""
    only = (
        "Only an address of this machine may be spoken to without TLS; one of a private network, written as an address, where the "
        "account says plain_http = true."
    )
    try:
        parts = urlsplit(base_url)
        origin = _origin(parts)
    except ValueError as wrong:
        raise ConfigError("a base URL is no URL", "Write it as https://HOST/PATH.") from wrong
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ConfigError("a base URL holds credentials, a query or a fragment", "Write it as https://HOST/PATH.")
    if not _may_speak(parts, plain_http):
        raise ConfigError(f"the base URL {base_url!r} is not https", only)
    return origin


def _is_proxy(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0 and httpx.URL(url).host != ""
    except (ValueError, httpx.InvalidURL):
        return False


def _may_speak(parts: SplitResult, plain_http: bool) -> bool:
    if parts.scheme in ("https", "dns"):  # what DNS says is public, and a plugin that speaks it signs each message
        return bool(parts.hostname)
    if parts.scheme != "http" or not parts.hostname:
        return False
    if parts.hostname == "localhost":
        return True
    try:
        address = ip_address(parts.hostname)
        return address.is_loopback or (plain_http and address.is_private)
    except ValueError:
        return False


class _NoCookies(httpx.Cookies):
    """Takes none. Each call is by itself, and finding out that an answer has no cookie is a good part of reading it."""

    def extract_cookies(self, response: httpx.Response) -> None:
        """Leave them."""


_NO_COOKIES = _NoCookies()


class _Cookieless:
    @property
    def cookies(self) -> httpx.Cookies:
        return _NO_COOKIES

    @cookies.setter
    def cookies(self, cookies: object) -> None:
        """Keep none of these either."""


class _Client(_Cookieless, httpx.Client):
    pass


class _AsyncClient(_Cookieless, httpx.AsyncClient):
    pass


class _Bounded(httpx.SyncByteStream, httpx.AsyncByteStream):
    """A response body that ends in `Unavailable` when it grows over `MAX_BODY`, or is not whole at `ends` (monotonic seconds)."""

    def __init__(self, stream: Any, host: str, ends: float) -> None:
        self._stream = stream
        self._host = host
        self._ends = ends

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
        if time.monotonic() > self._ends:
            _too_slow(self._host)
        return read

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()


class _Transport(httpx.HTTPTransport):
    def __init__(self, wire: HttpWire, **options: Any) -> None:
        super().__init__(**options)
        self._wire = wire
        # httpx lets nobody choose the backend; tests/test_wire.py holds it to this attribute.
        self._pool._network_backend = _Timed(_WHOLE * wire.timeout)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        _ask_plainly(request)
        made = self._wire.admit(str(request.url), request.extensions.get(QUOTA, self._wire.quota))
        ends = time.monotonic() + _WHOLE * self._wire.timeout
        try:
            response = super().handle_request(request)
        finally:
            made()
        unread = _unread(response)
        if unread:
            response.close()
            raise Unavailable(f"{request.url.host} {unread}")
        _read_as_utf8(response)
        response.stream = _Bounded(response.stream, request.url.host, ends)
        return response


class _AsyncTransport(httpx.AsyncHTTPTransport):
    def __init__(self, wire: HttpWire, **options: Any) -> None:
        super().__init__(**options)
        self._wire = wire
        self._pool._network_backend = _Polled()  # as above

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        _ask_plainly(request)
        made = await self._wire.admit_async(str(request.url), request.extensions.get(QUOTA, self._wire.quota))
        whole = _WHOLE * self._wire.timeout
        ends = time.monotonic() + whole
        try:
            async with asyncio.timeout(whole):
                response = await super().handle_async_request(request)
        except TimeoutError:
            _too_slow(request.url.host)
        finally:
            made()
        unread = _unread(response)
        if unread:
            await response.aclose()
            raise Unavailable(f"{request.url.host} {unread}")
        _read_as_utf8(response)
        response.stream = _Bounded(response.stream, request.url.host, ends)
        return response


def _ask_plainly(request: httpx.Request) -> None:
    """No compression: a bounded body must stay bounded when it is decoded."""
    request.headers["accept-encoding"] = "identity"


def _unread(response: httpx.Response) -> str:
    """Why a response is not read at all; empty when it is."""
    if response.has_redirect_location:
        return f"answered with a redirect (HTTP {response.status_code}), which is not followed"
    if response.headers.get("content-encoding", "identity") != "identity":
        return "answered compressed, unasked, which is not read"
    return ""


def _read_as_utf8(response: httpx.Response) -> None:
    """No other character set: httpx takes any codec of Python's that a header names, and some of them unpack (`charset=zlib`)."""
    if "content-type" in response.headers:
        response.headers["content-type"] = response.headers["content-type"].partition(";")[0]


def _too_slow(host: str) -> NoReturn:
    raise Unavailable(f"{host} began to answer and took too long to end")


class _Timed(httpcore.SyncBackend):
    """Connections on which one request, from its first octet to the last of its answer, takes so many seconds at the most."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds

    def connect_tcp(self, *args: Any, **options: Any) -> httpcore.NetworkStream:
        return _TimedStream(super().connect_tcp(*args, **options), self._seconds)


class _TimedStream(httpcore.NetworkStream):
    """HTTP/1.1 has one request at a time on a connection: the first write after a read begins it, and starts the clock."""

    def __init__(self, stream: httpcore.NetworkStream, seconds: float) -> None:
        self._stream = stream
        self._seconds = seconds
        self._answering = True
        self._ends = 0.0

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        if self._answering:
            self._answering, self._ends = False, time.monotonic() + self._seconds
        self._stream.write(buffer, self._left(timeout, httpcore.WriteTimeout))

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        self._answering = True
        return self._stream.read(max_bytes, self._left(timeout, httpcore.ReadTimeout))

    def _left(self, timeout: float | None, late: type[httpcore.TimeoutException]) -> float:
        left = self._ends - time.monotonic()
        if left <= 0:
            raise late("the whole answer took too long")
        return left if timeout is None else min(timeout, left)

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        return _TimedStream(self._stream.start_tls(ssl_context, server_hostname, timeout), self._seconds)

    def close(self) -> None:
        self._stream.close()

    def get_extra_info(self, info: str) -> Any:
        return self._stream.get_extra_info(info)


class _Polled(httpcore.AnyIOBackend):
    """Connections that say at little cost whether they still stand: the pool asks all that rest at each request."""

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _polled(await super().connect_tcp(*args, **options))


class _PolledStream(httpcore.AsyncNetworkStream):
    def __init__(self, stream: httpcore.AsyncNetworkStream, socket: Any) -> None:
        self._stream = stream
        self._socket = socket
        self._poll = select.poll()
        self._poll.register(socket, select.POLLIN)

    async def read(self, *args: Any, **options: Any) -> bytes:
        return await self._stream.read(*args, **options)

    async def write(self, *args: Any, **options: Any) -> None:
        await self._stream.write(*args, **options)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def start_tls(self, *args: Any, **options: Any) -> httpcore.AsyncNetworkStream:
        return _polled(await self._stream.start_tls(*args, **options))

    def get_extra_info(self, info: str) -> Any:
        if info == "is_readable":
            return self._socket.fileno() < 0 or bool(self._poll.poll(0))
        return self._stream.get_extra_info(info)


def _polled(stream: httpcore.AsyncNetworkStream) -> httpcore.AsyncNetworkStream:
    """The stream, where the system has poll(2)."""
    socket = stream.get_extra_info("socket")
    return _PolledStream(stream, socket) if hasattr(select, "poll") and socket is not None and socket.fileno() >= 0 else stream
