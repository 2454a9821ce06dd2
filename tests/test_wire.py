"""The manners of every HTTP request, against servers of our own on loopback: TLS, proxies, redirects, compression, size, time."""

import asyncio
import contextlib
import gzip
import socket
import ssl
import threading
import zlib
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trustme

from wixsend.errors import ConfigError, Unavailable
from wixsend.wire import HttpWire

type Serve = Callable[..., "Listener"]
type Speech = Callable[[socket.socket, "Listener"], None]
type Asked = Callable[[HttpWire, str], Awaitable[bytes]]

HELLO = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


class Listener:
    """A server whose every answer is said by `speech`, which sees the raw connection; `heard` is what came, up to each request's end."""

    def __init__(self, speech: Speech, tls: ssl.SSLContext | None = None) -> None:
        self.heard: list[bytes] = []
        self.stopping = threading.Event()
        self._speech = speech
        self._tls = tls
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._socket.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._listen)]
        self._threads[0].start()

    def _listen(self) -> None:
        while not self.stopping.is_set():
            connection, _ = self._socket.accept()
            if not self.stopping.is_set():
                self._threads.append(threading.Thread(target=self._serve, args=(connection,)))
                self._threads[-1].start()
            else:
                connection.close()

    def _serve(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        self._open.append(connection)
        with contextlib.suppress(OSError), contextlib.closing(connection):
            spoken = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
            self._open.append(spoken)
            with contextlib.closing(spoken):
                self._speech(spoken, self)

    def close(self) -> None:
        self.stopping.set()
        socket.create_connection(("127.0.0.1", self.port)).close()
        for connection in self._open:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join()
        self._socket.close()


def request_of(connection: socket.socket, listener: Listener) -> bytes:
    heard = b""
    while b"\r\n\r\n" not in heard:
        chunk = connection.recv(4096)
        if not chunk:
            raise OSError("gone")
        heard += chunk
    listener.heard.append(heard)
    return heard


def say(answer: bytes, connection: socket.socket, listener: Listener) -> None:
    request_of(connection, listener)
    connection.sendall(answer)


def drip(opening: bytes, drop: bytes, connection: socket.socket, listener: Listener) -> None:
    """An answer that never ends and never pauses for as long as a read's time-out."""
    request_of(connection, listener)
    connection.sendall(opening)
    while not listener.stopping.wait(0.02):
        connection.sendall(drop)


@pytest.fixture
def serve() -> Iterator[Serve]:
    opened: list[Listener] = []

    def listen(speech: Speech | bytes, tls: ssl.SSLContext | None = None) -> Listener:
        opened.append(Listener(partial(say, speech) if isinstance(speech, bytes) else speech, tls))
        return opened[-1]

    yield listen
    for listener in opened:
        listener.close()


async def blocking(wire: HttpWire, url: str, **options: Any) -> bytes:
    def get() -> bytes:
        with wire.client(**options) as client:
            return client.get(url).content

    return await asyncio.to_thread(get)


async def awaiting(wire: HttpWire, url: str, **options: Any) -> bytes:
    async with wire.async_client(**options) as client:
        return (await client.get(url)).content


@pytest.fixture(params=[blocking, awaiting])
def asked(request: pytest.FixtureRequest) -> Asked:
    asked: Asked = request.param
    return asked


# -- TLS ---------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    authority.cert_pem.write_to_path(tmp_path / "ours.pem")
    return str(tmp_path / "ours.pem")


def certified(authority: trustme.CA, *names: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert(*names).configure_cert(context)
    return context


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
async def test_a_certificate_is_verified_on_loopback_too(
    serve: Serve, authority: trustme.CA, ca_file: str, asked: Asked, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = serve(HELLO, certified(authority, "localhost", "127.0.0.1"))
    url = f"https://{name}:{server.port}/"
    for variable in ("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
        monkeypatch.setenv(variable, ca_file)
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await asked(HttpWire(url), url)
    assert server.heard == []
    assert await asked(HttpWire(url, ca_file=ca_file), url) == b"hello"


async def test_the_name_is_verified(serve: Serve, authority: trustme.CA, ca_file: str, asked: Asked) -> None:
    server = serve(HELLO, certified(authority, "api.example.com"))
    url = f"https://localhost:{server.port}/"
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await asked(HttpWire(url, ca_file=ca_file), url)
    assert server.heard == []


async def test_a_plugin_cannot_switch_verification_off(serve: Serve, authority: trustme.CA) -> None:
    server = serve(HELLO, certified(authority, "localhost"))
    url = f"https://localhost:{server.port}/"
    for how in (blocking, awaiting):
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            await how(HttpWire(url), url, verify=False)
    assert server.heard == []


async def test_the_keys_of_a_connection_are_written_nowhere(
    serve: Serve, authority: trustme.CA, ca_file: str, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSLKEYLOGFILE", str(tmp_path / "keys"))
    server = serve(HELLO, certified(authority, "localhost"))
    url = f"https://localhost:{server.port}/"
    assert await asked(HttpWire(url, ca_file=ca_file), url) == b"hello"
    assert not (tmp_path / "keys").exists()


@pytest.mark.parametrize("content", ["", "no certificate", None])
def test_what_is_no_bundle_of_certificates_is_an_error_of_the_configuration(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "ca.pem").write_text(content)
    with pytest.raises(ConfigError, match=r"ca\.pem is no bundle"):
        HttpWire("https://localhost", ca_file=str(tmp_path / "ca.pem")).client()


# -- where requests go -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "http://api.example.com",
        "http://127.0.0.1.example.com",
        "http://localhost.example.com",
        "http://127.0.0.1@example.com",
        "http://127.1",
        "http://0.0.0.0",
        "http://192.168.0.1",
        "ftp://localhost",
        "//localhost",
        "https://",
        "https://u:s3cret-word@example.com",
        "https://example.com?key=s3cret-word",
        "http://127.0.0.1#@example.com",
        "http://[::1",
        "http://127.0.0.1:99999",
        "",
    ],
)
def test_a_base_url_without_tls_is_for_loopback_alone_and_holds_no_password(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HttpWire(url)
    assert "s3cret-word" not in str(caught.value) + caught.value.next_step
    assert caught.value.next_step


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8", "http://[::1]:8/v1", "http://localhost", "https://api.example.com/v4", "dns://ns1.example.com"]
)
def test_a_base_url_that_may_be_spoken_to(url: str) -> None:
    assert HttpWire(url).base_url == url


@pytest.mark.parametrize(
    "url", ["http://10.0.0.5:8081", "http://192.168.0.1", "http://[fd00::5]:8081", "https://203.0.113.5", "http://[::1]:8"]
)
def test_without_tls_a_private_address_may_be_spoken_to_where_a_person_said_so(url: str) -> None:
    assert HttpWire(url, plain_http=True).base_url == url


@pytest.mark.parametrize(
    "url", ["http://8.8.8.8", "http://ns1.example.com:8081", "http://10.0.0.5.example.com", "http://[2a00::5]", "ftp://10.0.0.5"]
)
def test_without_tls_nothing_else_may_be_spoken_to_whatever_a_person_said(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        HttpWire(url, plain_http=True)
    assert "plain_http" in caught.value.next_step


async def test_dns_messages_are_counted_and_have_an_origin() -> None:
    wire = HttpWire("dns://192.0.2.53")
    await wire.before_async("UPDATE", "dns://192.0.2.53:53")
    for url in ("dns://192.0.2.53:5353", "dns://192.0.2.54", "https://192.0.2.53:53"):
        with pytest.raises(Unavailable, match="was stopped"):
            await wire.before_async("UPDATE", url)
    assert wire.calls == 1


async def test_no_request_leaves_for_another_origin(serve: Serve, asked: Asked) -> None:
    other, server = serve(HELLO), serve(HELLO)
    wire = HttpWire(f"http://127.0.0.1:{server.port}")
    for url in (f"http://127.0.0.1:{other.port}/", f"http://localhost:{server.port}/", f"https://127.0.0.1:{server.port}/"):
        with pytest.raises(Unavailable, match="was stopped"):
            await asked(wire, url)
    assert (server.heard, other.heard, wire.calls) == ([], [], 0)


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_not_followed_even_when_a_plugin_asks_for_it(serve: Serve, status: int) -> None:
    other = serve(HELLO)
    server = serve(f"HTTP/1.1 {status} Moved\r\nLocation: http://127.0.0.1:{other.port}/\r\nContent-Length: 0\r\n\r\n".encode())
    url = f"http://127.0.0.1:{server.port}/"
    for how in (blocking, awaiting):
        with pytest.raises(Unavailable, match="redirect"):
            await how(HttpWire(url), url, follow_redirects=True)
    assert other.heard == []


PROXY_VARIABLES = ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy")


async def test_the_environments_proxies_and_netrc_are_not_used(
    serve: Serve, asked: Asked, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    proxy, server = serve(HELLO), serve(HELLO)
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login me password s3cret-word\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for variable in PROXY_VARIABLES:
        monkeypatch.setenv(variable, f"http://127.0.0.1:{proxy.port}")
    url = f"http://127.0.0.1:{server.port}/"
    assert await asked(HttpWire(url), url) == b"hello"
    assert proxy.heard == []
    assert b"authorization" not in server.heard[0].lower()


def tunnel(connection: socket.socket, listener: Listener) -> None:
    """A proxy: one CONNECT, then octets both ways."""
    to = request_of(connection, listener).split()[1].decode().rpartition(":")
    with socket.create_connection(("127.0.0.1", int(to[2]))) as onward:
        connection.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")

        def back() -> None:
            with contextlib.suppress(OSError):
                while octets := onward.recv(4096):
                    connection.sendall(octets)

        answering = threading.Thread(target=back)
        answering.start()
        while octets := connection.recv(4096):
            onward.sendall(octets)
        onward.shutdown(socket.SHUT_RDWR)
        answering.join()


async def test_a_configured_proxy_carries_tls_that_it_cannot_read(serve: Serve, authority: trustme.CA, ca_file: str, asked: Asked) -> None:
    proxy, server = serve(tunnel), serve(HELLO, certified(authority, "localhost"))
    url = f"https://localhost:{server.port}/secret-path"
    wire = HttpWire(url, ca_file=ca_file, proxy=f"http://me:s3cret-word@127.0.0.1:{proxy.port}")
    assert await asked(wire, url) == b"hello"
    (heard,) = proxy.heard
    assert heard.startswith(b"CONNECT localhost:")
    assert b"secret-path" not in heard
    assert b"proxy-authorization" not in server.heard[0].lower()
    with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
        await asked(HttpWire(url, proxy=f"http://127.0.0.1:{proxy.port}"), url)


async def test_what_goes_without_tls_goes_through_no_proxy(serve: Serve, asked: Asked) -> None:
    proxy, server = serve(HELLO), serve(HELLO)
    url = f"http://127.0.0.1:{server.port}/"
    assert await asked(HttpWire(url, proxy=f"http://127.0.0.1:{proxy.port}"), url) == b"hello"
    assert proxy.heard == []


@pytest.mark.parametrize("proxy", ["", "proxy.example:8080", "socks5://me:s3cret-word@proxy.example", "http://", "http://[", "ftp://a"])
def test_what_is_no_http_proxy_is_an_error_that_does_not_show_it(proxy: str) -> None:
    with pytest.raises(ConfigError, match="proxy") as caught:
        HttpWire("https://localhost", proxy=proxy)
    assert "s3cret-word" not in str(caught.value) + caught.value.next_step


# -- what comes back ---------------------------------------------------------------------------------------------------


async def test_nothing_compressed_is_asked_for_or_read(serve: Serve, asked: Asked) -> None:
    bomb = gzip.compress(b"0" * 20_000_000)
    server = serve(f"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: {len(bomb)}\r\n\r\n".encode() + bomb)
    url = f"http://127.0.0.1:{server.port}/"
    with pytest.raises(Unavailable, match="compressed"):
        await asked(HttpWire(url), url)
    assert b"accept-encoding: identity" in server.heard[0].lower()


@pytest.mark.parametrize("codec", ["zlib", "bz2", "utf-16", "rot13", "no-such-codec"])
async def test_a_character_set_cannot_unpack_anything(serve: Serve, codec: str) -> None:
    bomb = zlib.compress(b"0" * 20_000_000)
    head = f"HTTP/1.1 500 Oops\r\nContent-Type: text/html; charset={codec}\r\nContent-Length: {len(bomb)}\r\n\r\n"
    server = serve(head.encode() + bomb)
    url = f"http://127.0.0.1:{server.port}/"
    with HttpWire(url).client() as client:
        assert client.get(url).text == bomb.decode(errors="replace")
    async with HttpWire(url).async_client() as awaited:
        assert (await awaited.get(url)).text == bomb.decode(errors="replace")


@pytest.mark.parametrize("framing", [b"Content-Length: 11000000\r\n\r\n", b"Connection: close\r\n\r\n"], ids=["length", "until-closed"])
async def test_a_body_over_ten_megabytes_is_not_read(serve: Serve, asked: Asked, framing: bytes) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\n" + framing + b" " * 11_000_000)
    url = f"http://127.0.0.1:{server.port}/"
    with pytest.raises(Unavailable, match="more than 10 MB"):
        await asked(HttpWire(url), url)


async def test_headers_without_end_are_not_read(serve: Serve, asked: Asked) -> None:
    server = serve(b"HTTP/1.1 200 OK\r\n" + b"X-Fill: " + b"x" * 200_000)
    url = f"http://127.0.0.1:{server.port}/"
    with pytest.raises(httpx.HTTPError):
        await asked(HttpWire(url, timeout=1.0), url)


@pytest.mark.parametrize(
    ("opening", "drop"),
    [
        (b"", b"H"),
        (b"HTTP/1.1 200 OK\r\nX-Fill: ", b"x"),
        (b"", b"HTTP/1.1 100 Continue\r\n\r\n"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n", b"x"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
    ],
    ids=["status", "headers", "informational", "body", "chunks"],
)
async def test_an_answer_that_drips_ends(serve: Serve, asked: Asked, opening: bytes, drop: bytes) -> None:
    server = serve(partial(drip, opening, drop))
    url = f"http://127.0.0.1:{server.port}/"
    with pytest.raises((httpx.HTTPError, Unavailable)):
        await asked(HttpWire(url, timeout=0.06), url)


async def test_a_connection_is_used_again_and_its_clock_begins_anew(serve: Serve) -> None:
    def twice(connection: socket.socket, listener: Listener) -> None:
        for _ in range(3):
            say(HELLO, connection, listener)

    server = serve(twice)
    wire = HttpWire(f"http://127.0.0.1:{server.port}", timeout=0.05)
    with wire.client() as client:
        for _ in range(3):
            assert client.get(f"http://127.0.0.1:{server.port}/").content == b"hello"
            server.stopping.wait(0.25)  # longer than a whole answer may take
    assert len(server.heard) == wire.calls == 3


async def test_a_connection_that_its_server_closed_while_it_rested_is_not_used_again(serve: Serve) -> None:
    closed = threading.Event()

    def once(connection: socket.socket, listener: Listener) -> None:
        say(HELLO, connection, listener)
        connection.close()
        closed.set()

    server = serve(once)
    url = f"http://127.0.0.1:{server.port}/"
    async with HttpWire(url, timeout=1.0).async_client() as client:
        for _ in range(5):
            closed.clear()
            assert (await client.get(url)).content == b"hello"
            assert closed.wait(5)
    assert len(server.heard) == 5


async def test_a_connection_is_asked_at_little_cost_whether_it_still_stands(serve: Serve) -> None:
    def thrice(connection: socket.socket, listener: Listener) -> None:
        for _ in range(3):
            say(HELLO, connection, listener)

    server = serve(thrice)
    url = f"http://127.0.0.1:{server.port}/"
    async with HttpWire(url, timeout=1.0).async_client() as client:
        for _ in range(3):
            response = await client.get(url)
            stream = response.extensions["network_stream"]  # of our own making, or httpx has another attribute for it now
            assert type(stream).__module__ == "wixsend.wire"
    assert len(server.heard) == 3


async def test_no_cookie_is_kept_or_sent(serve: Serve) -> None:
    server = serve(HELLO.replace(b"\r\n\r\n", b"\r\nConnection: close\r\nSet-Cookie: __cf_bm=abc; Path=/\r\n\r\n"))
    url = f"http://127.0.0.1:{server.port}/"
    wire = HttpWire(url, timeout=1.0)
    with wire.client() as client:
        client.cookies = httpx.Cookies({"mine": "1"})
        for _ in range(2):
            client.get(url)
    async with wire.async_client() as awaited:
        for _ in range(2):
            await awaited.get(url)
        assert not awaited.cookies
    assert len(server.heard) == 4
    assert not any(b"cookie" in heard.lower() for heard in server.heard)


async def test_what_is_not_read_gives_its_connection_back(serve: Serve) -> None:
    server = serve(b"HTTP/1.1 302 Found\r\nLocation: /\r\nContent-Length: 0\r\n\r\n")
    url = f"http://127.0.0.1:{server.port}/"
    wire = HttpWire(url, timeout=1.0)
    with wire.client() as client:
        for _ in range(120):  # httpx opens 100 connections at the most
            with pytest.raises(Unavailable, match="redirect"):
                client.get(url)
    async with wire.async_client() as awaited:
        for _ in range(120):
            with pytest.raises(Unavailable, match="redirect"):
                await awaited.get(url)
