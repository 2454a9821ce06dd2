"""Fakes over real HTTP, or DNS over TCP, on loopback, with faults on request and every call counted.

    with Server({"cloudflare": fake.handle}) as server:
        server.faults.add(Fault("lost-reply", service="cloudflare", call=3))
        ...  # point an SDK at server.url("cloudflare")
        assert server.count("cloudflare") == 3

The server lives in a thread with an event loop of its own, so blocking SDKs and asyncio tests in the same process are served alike.
Every service has its own port, and one thread that runs its handler: a fake never sees two requests at once.
"""

import asyncio
import contextlib
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Literal, Protocol, Self
from urllib.parse import parse_qsl, unquote

import dns.exception
import dns.message
import dns.opcode
import dns.rdatatype
import dns.update
from aiohttp import web

from wixsend.testing.fakes import FakeHost, Request, Response

__all__ = ["Call", "Fault", "Faults", "Handler", "Kind", "Server", "Speaker", "speaking_dns"]

type Handler = Callable[[Request], Response]


class Speaker(Protocol):
    """How a service that speaks DNS says what faults let it say: `FakeHost` promises the same."""

    def refusal(self, request: Request, status: int) -> Response:
        """What others say by an HTTP status."""

    def again(self, request: Request, earlier: Response) -> Response:
        """An earlier answer to the same question, as the answer to this message."""


type Kind = Literal["refuse", "lost-reply", "hang", "truncate", "status", "html", "empty", "latency", "wrong-shape", "meanwhile", "stale"]
"""What goes wrong:

    refuse       reset before the request is handled
    lost-reply   handled, then reset
    hang         held for `seconds`, then closed without an answer
    truncate     handled, half of the body, then closed
    status       `status`, `headers` and `body` instead of the answer
    html         200 with an HTML page
    empty        200 without a body
    wrong-shape  200 with valid JSON (or XML, where the path has `xml` in it) of another shape, or with `body`
    latency      held for `seconds`, then handled and answered
    meanwhile    `action` runs just before the request is handled: another editor between two calls
    stale        answered as the same request had been when `Server.remember` was called; handled when it had not been asked by then

A service that speaks DNS has no statuses: an error status becomes its own refusal, unless the fault has a body of its own; a stale one is
signed anew. Whatever else is faked is sent in the place of a DNS message; `wrong-shape` is then an answer to another question.
"""

_DNS_METHODS = frozenset({"QUERY", "UPDATE", "CHECK"})
_ALWAYS_HANDLED = frozenset({"lost-reply", "truncate", "latency", "meanwhile", "stale"})
_NEVER_HANDLED = frozenset({"refuse"})


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing to go wrong, `times` times, with the first requests that fit.

    A request fits when it is for `service` (empty: any), is the service's call number `call` or a later one (`None`: any), and
    `match` says so. `handled` lets the faked answers (hang, status, html, empty, wrong-shape) come after the request was
    handled: the work is done and the answer is wrong.
    """

    kind: Kind
    service: str = ""
    call: int | None = None
    times: int = 1
    match: Callable[[Request], bool] | None = None
    seconds: float = 0.2
    status: int = 503
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    handled: bool = False
    action: Callable[[], object] | None = None

    def fits(self, service: str, number: int, request: Request) -> bool:
        """True when this request is one to spoil."""
        return self.service in ("", service) and (self.call is None or number >= self.call) and (self.match is None or self.match(request))

    @property
    def lets_through(self) -> bool:
        """True when the request is handled although its answer is spoilt."""
        return self.kind in _ALWAYS_HANDLED or (self.handled and self.kind not in _NEVER_HANDLED)

    def answer(self, request: Request) -> Response | None:
        """The answer in place of the fake's; `None` for the kinds that fake none."""
        match self.kind:
            case "status":
                return Response(self.status, self.body, self.headers)
            case "html":
                page = self.body or b"<!DOCTYPE html><html><head><title>Just a moment</title></head><body>Checking</body></html>"
                return Response(200, page, {"content-type": "text/html; charset=utf-8", **self.headers})
            case "empty":
                return Response(200, b"", self.headers)
            case "wrong-shape" if request.method in _DNS_METHODS:
                return Response(200, self.body or _another_answer(request.body))
            case "wrong-shape" if "xml" in request.path:
                return Response(200, self.body or b"<unexpected><shape/></unexpected>", {"content-type": "text/xml", **self.headers})
            case "wrong-shape":
                body = self.body or b'{"unexpected": [{"shape": true}]}'
                return Response(200, body, {"content-type": "application/json", **self.headers})
            case _:
                return None


class Faults:
    """The faults that are still to come, in the order added; safe to use from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._left: list[tuple[Fault, int]] = []

    def add(self, *faults: Fault) -> None:
        """Let these go wrong from now on."""
        with self._lock:
            self._left += [(fault, fault.times) for fault in faults]

    def clear(self) -> None:
        """Forget what has not gone wrong yet."""
        with self._lock:
            self._left.clear()

    @property
    def pending(self) -> tuple[Fault, ...]:
        """What has not gone wrong as often as asked: empty when a test met all that it prepared."""
        with self._lock:
            return tuple(fault for fault, _times in self._left)

    def take(self, service: str, number: int, request: Request) -> Fault | None:
        """The first fault that fits this request, used up by one."""
        with self._lock:
            for place, (fault, times) in enumerate(self._left):
                if fault.fits(service, number, request):
                    self._left[place : place + 1] = [(fault, times - 1)] if times > 1 else []
                    return fault
        return None


@dataclass(slots=True)
class Call:
    """One HTTP request that arrived: `number` counts from 1 for each service; `status` is 0 until, and unless, it is answered."""

    service: str
    number: int
    request: Request = field(repr=False)
    status: int = 0

    @property
    def method(self) -> str:
        return self.request.method

    @property
    def path(self) -> str:
        return self.request.path


@dataclass(frozen=True, slots=True)
class _Outcome:
    """What becomes of a request: its answer; or none (`reset`, `closed`), or half of it."""

    response: Response
    ending: Literal["answered", "reset", "closed", "halved"] = "answered"


class Server:
    """Serves one fake for each service on 127.0.0.1; a context manager.

    `ports` fixes the port of a service, any free one otherwise. `dns` are those that speak DNS. Leaving the context
    closes every connection, hanging ones included, and raises what a handler raised: a bug in a fake must not pass for the vendor's
    misbehaviour.
    """

    def __init__(
        self, handlers: Mapping[str, Handler], ports: Mapping[str, int] | None = None, dns: Mapping[str, Speaker] | None = None
    ) -> None:
        self.faults = Faults()
        self.calls: list[Call] = []
        self._handlers = dict(handlers)
        self._wanted_ports = dict(ports or {})
        self._ports: dict[str, int] = {}
        self._counts = dict.fromkeys(self._handlers, 0)
        self._counting = threading.Lock()
        self._latest: dict[object, Response] = {}
        self._remembered: dict[object, Response] = {}
        self._dns = dict(dns or {})
        self._listeners: dict[str, asyncio.Server] = {}
        self._connections: set[asyncio.StreamWriter] = set()
        self._sites: dict[str, web.TCPSite] = {}
        self._runners: dict[str, web.ServerRunner] = {}
        self._bugs: list[BaseException] = []
        self._threads = {name: ThreadPoolExecutor(1, thread_name_prefix=f"fake-{name}") for name in self._handlers}
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="wixsend-testing-server", daemon=True)
        self._ready = threading.Event()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stopping: asyncio.Event

    def __enter__(self) -> Self:
        self._thread.start()
        self._ready.wait()
        if len(self._ports) < len(self._handlers):
            self._close()
            raise self._bugs.pop()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._close()
        if error is None and self._bugs:
            raise self._bugs[0]

    def url(self, service: str) -> str:
        """The base URL of a service, without a final slash."""
        return f"{'dns' if service in self._dns else 'http'}://127.0.0.1:{self._ports[service]}"

    def count(self, service: str) -> int:
        """How many requests arrived for a service since the start or the last `reset_counts`."""
        with self._counting:
            return self._counts[service]

    def reset_counts(self) -> None:
        """Forget the calls so far; numbers start from 1 again."""
        with self._counting:
            self.calls.clear()
            self._counts = dict.fromkeys(self._handlers, 0)

    def remember(self) -> None:
        """Keep the latest answer to each request so far: what a `stale` fault answers with."""
        self._remembered = dict(self._latest)

    def shut(self, service: str) -> None:
        """Refuse new connections to a service, as where nobody listens; from any thread but the server's own."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._stop(service), self._loop).result()

    def reopen(self, service: str) -> None:
        """Listen again, at the same port."""
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(self._listen(service, self._ports[service]), self._loop).result()

    def _close(self) -> None:
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # the loop has ended by itself: it could not start
                self._loop.call_soon_threadsafe(self._stopping.set)
        self._thread.join()
        for thread in self._threads.values():
            thread.shutdown()

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._stopping = asyncio.Event()
        try:
            for service in self._handlers:
                await self._open(service)
            self._ready.set()
            await self._stopping.wait()
        except OSError as wrong:
            self._bugs.append(wrong)
        finally:
            self._ready.set()
            for runner in self._runners.values():
                await runner.cleanup()
            for listener in self._listeners.values():
                listener.close()
            for writer in self._connections:
                writer.transport.abort()

    async def _open(self, service: str) -> None:
        if service in self._dns:
            await self._listen(service, self._wanted_ports.get(service, 0))
            self._ports[service] = self._listeners[service].sockets[0].getsockname()[1]
            return

        async def answer(request: web.BaseRequest) -> web.StreamResponse:
            try:
                return await self._answer(service, request)
            except ConnectionError:  # the client is gone
                raise
            except Exception as bug:
                self._bugs.append(bug)
                return web.Response(status=500, text=f"the fake of {service} failed: {bug!r}")

        unbounded = partial(web.BaseRequest, loop=asyncio.get_running_loop(), client_max_size=0)  # as aiohttp makes them, but for its bound
        runner = self._runners[service] = web.ServerRunner(
            web.Server(answer, request_factory=unbounded, access_log=None), shutdown_timeout=1.0
        )
        await runner.setup()
        await self._listen(service, self._wanted_ports.get(service, 0))
        self._ports[service] = runner.addresses[0][1]

    async def _listen(self, service: str, port: int) -> None:
        if service in self._dns:
            self._listeners[service] = await asyncio.start_server(partial(self._converse, service), "127.0.0.1", port, reuse_address=True)
            return
        self._sites[service] = web.TCPSite(self._runners[service], "127.0.0.1", port, reuse_address=True)
        await self._sites[service].start()

    async def _stop(self, service: str) -> None:
        if service in self._dns:
            self._listeners[service].close()
        else:
            await self._sites[service].stop()

    async def _answer(self, service: str, raw: web.BaseRequest) -> web.StreamResponse:
        outcome = await self._outcome(service, await _received(raw))
        match outcome.ending:
            case "reset":
                return _reset(raw)
            case "closed":
                return _close_after(raw, b"")
            case "halved":
                return _close_after(raw, _half(outcome.response))
        response = outcome.response
        return web.Response(status=response.status, body=response.body, headers=dict(response.headers))

    async def _converse(self, service: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """DNS messages over one TCP connection (RFC 1035, 4.2.2), for as long as the client likes."""
        self._connections.add(writer)
        try:
            while True:
                length = int.from_bytes(await reader.readexactly(2))
                outcome = await self._outcome(service, _message(await reader.readexactly(length)))
                body = outcome.response.body
                framed = len(body).to_bytes(2) + body
                match outcome.ending:
                    case "reset":
                        _linger(writer.get_extra_info("socket"))
                        writer.transport.abort()
                        return
                    case "closed":
                        return
                    case "halved":
                        writer.write(framed[: len(framed) // 2])
                        return
                writer.write(framed)
                await writer.drain()
        except (EOFError, ConnectionError):
            return  # the client is gone
        except Exception as bug:
            self._bugs.append(bug)
        finally:
            self._connections.discard(writer)
            writer.close()

    async def _outcome(self, service: str, request: Request) -> _Outcome:
        call = self._count(service, request)
        fault = self.faults.take(service, call.number, request)
        if fault is not None and fault.kind == "latency":
            await self._hold(fault.seconds)
        if fault is not None and fault.action is not None:
            await self._run(service, fault.action)
        response = Response()
        asked = (service, request.method, request.path, request.query, _question(request.body) if service in self._dns else request.body)
        if fault is not None and fault.kind == "stale" and asked in self._remembered:
            response = self._remembered[asked]
            response = self._dns[service].again(request, response) if service in self._dns else response
        elif fault is None or fault.lets_through:
            response = self._latest[asked] = await self._run(service, lambda: self._handlers[service](request))
        if fault is not None:
            response = self._faked(service, fault, request) or response
        match fault.kind if fault else None:
            case "refuse" | "lost-reply":
                return _Outcome(response, "reset")
            case "hang":
                assert fault is not None
                await self._hold(fault.seconds)
                return _Outcome(response, "closed")
            case "truncate":
                return _Outcome(response, "halved")
        call.status = response.status
        return _Outcome(response)

    def _faked(self, service: str, fault: Fault, request: Request) -> Response | None:
        """The answer in place of the fake's, in the service's own words where it speaks DNS."""
        answer = fault.answer(request)
        refuses = fault.kind == "status" and fault.status >= 400 and fault.body in (b"", b"{}")
        return self._dns[service].refusal(request, fault.status) if refuses and service in self._dns else answer

    def _count(self, service: str, request: Request) -> Call:
        with self._counting:
            self._counts[service] += 1
            call = Call(service, self._counts[service], request)
            self.calls.append(call)
        return call

    async def _run[T](self, service: str, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads[service], work)

    async def _hold(self, seconds: float) -> None:
        """Wait, but never longer than the server lives."""
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._stopping.wait(), seconds)


def speaking_dns(services: Mapping[str, FakeHost]) -> dict[str, Speaker]:
    """Those of the services that speak DNS, as `Server` wants to know of them."""
    return {name: host for name, host in services.items() if host.speaks == "dns"}


def _message(wire: bytes) -> Request:
    """A DNS message as a request; its signature is for the fake to judge."""
    try:
        message = dns.message.from_wire(wire, keyring=False)
        [asked] = message.question
    except (dns.exception.DNSException, ValueError):
        return Request("QUERY", "/", body=wire)
    changes = isinstance(message, dns.update.UpdateMessage) and bool(message.update)
    method = "QUERY" if message.opcode() == dns.opcode.QUERY else "UPDATE" if changes else "CHECK"
    return Request(method, f"/{asked.name.to_text(omit_final_dot=True)}/{dns.rdatatype.to_text(asked.rdtype)}", body=wire)


def _question(wire: bytes) -> object:
    """What a DNS message asks for or changes, whatever its number and its signature."""
    try:
        message = dns.message.from_wire(wire, keyring=False)
    except dns.exception.DNSException:
        return wire
    message.id, message.tsig = 0, None
    return message.to_text()


def _another_answer(wire: bytes) -> bytes:
    """A well-formed answer to something else."""
    answer = dns.message.make_response(dns.message.make_query("something-else.example", "TXT"))
    answer.id = int.from_bytes(wire[:2])
    return answer.to_wire()


async def _received(raw: web.BaseRequest) -> Request:
    headers: dict[str, str] = {}
    for name, value in raw.headers.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    query = tuple(parse_qsl(raw.rel_url.raw_query_string, keep_blank_values=True))
    path = unquote(raw.rel_url.raw_path)  # yarl's own `path` leaves %2B as it is
    return Request(raw.method, path, query, headers, await raw.read())


def _reset(raw: web.BaseRequest) -> web.StreamResponse:
    """Cut the connection with a TCP reset: what a client sees of a crashed process or an impatient middlebox."""
    if raw.transport is not None:
        _linger(raw.transport.get_extra_info("socket"))
        raw.transport.abort()
    return web.Response()  # goes nowhere: aiohttp finds the connection closed


def _linger(connected: socket.socket) -> None:
    connected.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _close_after(raw: web.BaseRequest, sent: bytes) -> web.StreamResponse:
    """Send these bytes as they are and close in order."""
    if raw.transport is not None:
        if sent:
            raw.transport.write(sent)
        raw.transport.close()
    return web.Response()  # goes nowhere, as above


def _half(response: Response) -> bytes:
    """The head of a response and the first half of its body: a length that is promised and not kept."""
    lines = [f"HTTP/1.1 {response.status} OK", f"Content-Length: {len(response.body)}"]
    lines += [f"{name}: {value}" for name, value in response.headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + response.body[: len(response.body) // 2]
