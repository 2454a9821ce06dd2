"""The HTTP front of the fakes: what a client really sees of each fault, and that nothing is left behind."""

import asyncio
import json
import socket
import threading
import time
from collections.abc import Iterator

import httpx
import pytest
import requests

from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault, Kind, Server


class Notebook:
    """A fake of no vendor: remembers what it was sent and answers with it."""

    def __init__(self) -> None:
        self.seen: list[Request] = []

    def handle(self, request: Request) -> Response:
        self.seen.append(request)
        return Response.json({"number": len(self.seen), "path": request.path, "query": list(request.query), "size": len(request.body)})


@pytest.fixture
def notebook() -> Notebook:
    return Notebook()


@pytest.fixture
def server(notebook: Notebook) -> Iterator[Server]:
    with Server({"one": notebook.handle, "two": lambda _request: Response.json({"i": "am two"})}) as running:
        yield running


def test_requests_arrive_as_they_were_sent(server: Server, notebook: Notebook) -> None:
    answer = httpx.put(server.url("one") + "/a%20b/%2B%2F%252F/c?x=1&y=&x=2", headers={"X-Thing": "T"}, content=b"body")
    assert answer.json() == {"number": 1, "path": "/a b/+/%2F/c", "query": [["x", "1"], ["y", ""], ["x", "2"]], "size": 4}
    assert answer.headers["content-type"] == "application/json"
    (request,) = notebook.seen
    assert (request.method, request.headers["x-thing"], request.body) == ("PUT", "T", b"body")


def test_bodies_of_any_size(server: Server) -> None:
    assert httpx.post(server.url("one"), content=b"x" * 5_000_000).json()["size"] == 5_000_000


def test_a_blocking_client_and_an_asynchronous_one(server: Server) -> None:
    async def ask() -> dict[str, int]:
        async with httpx.AsyncClient() as client:
            return dict((await client.get(server.url("one"))).json())

    assert requests.get(server.url("one"), timeout=5).json()["number"] == 1
    assert asyncio.run(ask())["number"] == 2


def test_calls_are_counted_for_each_service(server: Server) -> None:
    httpx.get(server.url("one") + "/a")
    httpx.get(server.url("two") + "/b")
    httpx.delete(server.url("one") + "/c")
    assert [(c.service, c.number, c.method, c.path, c.status) for c in server.calls] == [
        ("one", 1, "GET", "/a", 200),
        ("two", 1, "GET", "/b", 200),
        ("one", 2, "DELETE", "/c", 200),
    ]
    assert (server.count("one"), server.count("two")) == (2, 1)
    server.reset_counts()
    assert (server.count("one"), server.calls) == (0, [])
    httpx.get(server.url("one"))
    assert server.calls[0].number == 1


def test_requests_of_one_service_are_handled_one_at_a_time() -> None:
    inside = threading.Lock()
    overlaps: list[bool] = []

    def slow(_request: Request) -> Response:
        overlaps.append(not inside.acquire(blocking=False))
        time.sleep(0.005)
        inside.release()
        return Response()

    async def burst(url: str) -> None:
        async with httpx.AsyncClient() as client:
            await asyncio.gather(*(client.get(url) for _ in range(10)))

    with Server({"slow": slow}) as server:
        asyncio.run(burst(server.url("slow")))
    assert overlaps == [False] * 10


@pytest.mark.parametrize(
    ("kind", "error", "handled"),
    [
        ("refuse", httpx.ReadError, 0),
        ("lost-reply", httpx.ReadError, 1),
        ("hang", httpx.ReadTimeout, 0),
        ("truncate", httpx.RemoteProtocolError, 1),
    ],
)
def test_faults_that_end_without_an_answer(server: Server, notebook: Notebook, kind: Kind, error: type[Exception], handled: int) -> None:
    server.faults.add(Fault(kind, service="one", seconds=30))
    with pytest.raises(error):
        httpx.post(server.url("one"), timeout=0.2 if kind == "hang" else 5)
    assert len(notebook.seen) == handled
    assert [call.status for call in server.calls] == [0]
    assert httpx.post(server.url("one")).json()["number"] == handled + 1  # used up
    assert not server.faults.pending


def test_a_reset_is_a_reset(server: Server) -> None:
    server.faults.add(Fault("lost-reply", service="one"))
    port = int(server.url("one").rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port)) as plain:
        plain.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        with pytest.raises(ConnectionResetError):
            plain.recv(1)


def test_a_hang_ends_with_a_closed_connection(server: Server) -> None:
    server.faults.add(Fault("hang", service="one", seconds=0.01))
    with pytest.raises(httpx.RemoteProtocolError):
        httpx.get(server.url("one"))


def test_a_truncated_body_is_the_first_half(server: Server) -> None:
    server.faults.add(Fault("truncate", service="two"))
    with httpx.stream("GET", server.url("two")) as answer:
        whole = json.dumps({"i": "am two"}).encode()
        got = b""
        with pytest.raises(httpx.RemoteProtocolError):
            for chunk in answer.iter_raw():
                got += chunk
    assert (answer.headers["content-length"], got) == (str(len(whole)), whole[: len(whole) // 2])


@pytest.mark.parametrize("handled", [False, True])
@pytest.mark.parametrize(
    ("kind", "path", "status", "content_type", "body"),
    [
        ("status", "/", 429, "text/plain", b"slow down"),
        ("html", "/", 200, "text/html; charset=utf-8", None),
        ("empty", "/", 200, None, b""),
        ("wrong-shape", "/", 200, "application/json", None),
        ("wrong-shape", "/xml.response", 200, "text/xml", None),
    ],
)
def test_faults_that_fake_an_answer(
    server: Server,
    notebook: Notebook,
    kind: Kind,
    path: str,
    status: int,
    content_type: str | None,
    body: bytes | None,
    handled: bool,
) -> None:
    extra = {"headers": {"content-type": "text/plain", "retry-after": "7"}, "body": b"slow down"} if kind == "status" else {}
    server.faults.add(Fault(kind, service="one", status=status, handled=handled, **extra))  # type: ignore[arg-type]
    answer = httpx.get(server.url("one") + path)
    assert (answer.status_code, len(notebook.seen)) == (status, int(handled))
    if content_type is not None:
        assert answer.headers["content-type"] == content_type
    if body is not None:
        assert answer.content == body
    else:
        assert answer.content
    if kind == "status":
        assert answer.headers["retry-after"] == "7"


def test_latency_delays_and_then_answers(server: Server, notebook: Notebook) -> None:
    server.faults.add(Fault("latency", service="one", seconds=0.3))
    with pytest.raises(httpx.ReadTimeout):
        httpx.get(server.url("one"), timeout=0.1)
    assert httpx.get(server.url("one"), timeout=5).status_code == 200
    server.faults.add(Fault("latency", service="one", seconds=0.05))
    assert httpx.get(server.url("one"), timeout=5).status_code == 200


def test_another_editor_between_two_calls(server: Server, notebook: Notebook) -> None:
    server.faults.add(Fault("meanwhile", service="one", call=2, action=notebook.seen.clear))
    assert [httpx.get(server.url("one")).json()["number"] for _ in range(3)] == [1, 1, 2]


def test_faults_choose_by_service_number_predicate_and_times(server: Server) -> None:
    server.faults.add(
        Fault("status", service="one", call=2, times=2, status=500),
        Fault("status", match=lambda request: request.path == "/bad", status=404),
        Fault("status", service="two", times=1, status=501),
    )
    paths = ["/", "/", "/", "/", "/bad", "/bad"]
    assert [httpx.get(server.url("one") + path).status_code for path in paths] == [200, 500, 500, 200, 404, 200]
    assert len(server.faults.pending) == 1
    assert [httpx.get(server.url("two")).status_code for _ in range(2)] == [501, 200]
    server.faults.add(Fault("refuse"))
    server.faults.clear()
    assert httpx.get(server.url("one")).status_code == 200


def test_a_hanging_request_does_not_hold_up_the_end(notebook: Notebook) -> None:
    outcome: list[str] = []

    def ask(url: str) -> None:
        try:
            httpx.get(url, timeout=60)
        except httpx.HTTPError as wrong:
            outcome.append(type(wrong).__name__)

    with Server({"one": notebook.handle}) as server:
        server.faults.add(Fault("hang", service="one", seconds=3600))
        asking = threading.Thread(target=ask, args=[server.url("one")])
        asking.start()
        while not server.count("one"):
            time.sleep(0.005)
    asking.join()
    assert len(outcome) == 1
    with pytest.raises(httpx.ConnectError):
        httpx.get(server.url("one"))


def test_a_bug_in_a_fault_is_raised_at_the_end() -> None:
    with pytest.raises(ZeroDivisionError), Server({"one": lambda _request: Response()}) as server:
        server.faults.add(Fault("status", match=lambda _request: 1 // 0 > 0))
        assert httpx.get(server.url("one")).status_code == 500


def test_a_bug_in_a_fake_is_raised_at_the_end() -> None:
    def broken(_request: Request) -> Response:
        raise LookupError("a bug of the fake")

    with pytest.raises(LookupError, match="a bug of the fake"), Server({"broken": broken}) as server:
        assert httpx.get(server.url("broken")).status_code == 500


def test_a_port_can_be_chosen_and_a_taken_one_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match="address already in use"), Server({"one": lambda _request: Response()}, {"one": port}):
            pass
    with Server({"one": lambda _request: Response()}, {"one": port}) as server:
        assert server.url("one") == f"http://127.0.0.1:{port}"
        assert httpx.get(server.url("one")).status_code == 200
