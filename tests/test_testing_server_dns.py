"""The front of fakes that speak DNS: what a client really sees of each fault over TCP."""

import socket
from collections.abc import Iterator
from urllib.parse import urlsplit

import dns.message
import dns.rcode
import dns.rrset
import dns.update
import pytest

from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault, Kind, Server, speaking_dns
from wixsend.testing.world import record
from wixsend_rfc2136.sandbox import FakePrimary

QUERY = dns.message.make_query("name.example.com", "TXT")


def answered(request: Request) -> Response:
    answer = dns.message.make_response(dns.message.from_wire(request.body))
    answer.answer.append(dns.rrset.from_text(QUERY.question[0].name, 60, "IN", "TXT", f'"{request.method} {request.path}"'))
    return Response(body=answer.to_wire())


class Speaking:
    """Refuses."""

    def refusal(self, request: Request, status: int) -> Response:
        answer = dns.message.make_response(dns.message.from_wire(request.body))
        answer.set_rcode({403: dns.rcode.REFUSED}.get(status, dns.rcode.SERVFAIL))
        return Response(body=answer.to_wire())

    def again(self, request: Request, earlier: Response) -> Response:
        raise NotImplementedError


@pytest.fixture
def server() -> Iterator[Server]:
    with Server({"dns": answered, "web": lambda _request: Response.json({})}, dns={"dns": Speaking()}) as running:
        yield running


class Client:
    """One TCP connection."""

    def __init__(self, server: Server) -> None:
        parts = urlsplit(server.url("dns"))
        assert parts.hostname is not None and parts.port is not None
        self._socket = socket.create_connection((parts.hostname, parts.port), timeout=5)
        self._file = self._socket.makefile("rb")

    def __enter__(self) -> "Client":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._socket.close()

    def ask(self, message: dns.message.Message = QUERY) -> bytes:
        """What comes, the length before it included, until it is whole or the server closes."""
        wire = message.to_wire()
        self._socket.sendall(len(wire).to_bytes(2) + wire)
        length = self._file.read(2)
        return length + self._file.read(int.from_bytes(length))


def said(received: bytes) -> str:
    assert len(received) == 2 + int.from_bytes(received[:2])
    message = dns.message.from_wire(received[2:])
    return dns.rcode.to_text(message.rcode()) if message.rcode() else message.answer[0][0].to_text()


def test_a_message_is_a_request_with_its_question_in_the_path(server: Server) -> None:
    assert urlsplit(server.url("dns")).scheme == "dns" and urlsplit(server.url("web")).scheme == "http"
    check, update = dns.update.UpdateMessage("example.com"), dns.update.UpdateMessage("example.com")
    check.absent("name.example.com.")
    update.add("name.example.com.", 60, "A", "192.0.2.1")
    with Client(server) as client:
        assert said(client.ask()) == '"QUERY /name.example.com/TXT"'
        for message, method in ((check, "CHECK"), (update, "UPDATE")):
            client.ask(message)
            assert (server.calls[-1].method, server.calls[-1].path) == (method, "/example.com/SOA")
    assert (server.count("dns"), server.count("web")) == (3, 0)


@pytest.mark.parametrize(("kind", "handled"), [("refuse", False), ("lost-reply", True)])
def test_a_reset_is_a_reset(server: Server, kind: Kind, handled: bool) -> None:
    server.faults.add(Fault(kind))
    with Client(server) as client, pytest.raises(ConnectionResetError):
        client.ask()
    with Client(server) as client:
        assert said(client.ask()).startswith('"QUERY')


def test_a_hang_ends_with_a_closed_connection(server: Server) -> None:
    server.faults.add(Fault("hang", seconds=0.05))
    with Client(server) as client:
        assert client.ask() == b""


def test_a_truncated_message_is_the_first_half(server: Server) -> None:
    with Client(server) as client:
        whole = client.ask()
        server.faults.add(Fault("truncate"))
        assert client.ask() == whole[: len(whole) // 2]


def test_an_error_status_is_said_in_the_services_own_words(server: Server) -> None:
    server.faults.add(Fault("status", status=403), Fault("status", status=500, body=b"{}"))
    with Client(server) as client:
        assert [said(client.ask()) for _ in range(2)] == ["REFUSED", "SERVFAIL"]


def test_a_stale_answer_is_the_one_of_then_to_the_same_question_with_the_number_and_signature_of_now() -> None:
    primary = FakePrimary()
    primary.add_zone("example.com", [record("name", "TXT", '"then"')])

    def asked(client: Client, name: str) -> str:
        query = dns.message.make_query(name, "TXT")
        query.use_tsig(primary._key)
        wire = client.ask(query)
        answer = dns.message.from_wire(wire[2:], keyring=primary._key, request_mac=query.mac)
        assert query.is_response(answer) and answer.had_tsig
        return str(answer.answer[0][0].to_text())

    with Server({"dns": primary.handle}, dns=speaking_dns({"dns": primary})) as server, Client(server) as client:
        assert asked(client, "name.example.com") == '"then"'
        server.remember()
        primary.edit_behind("example.com", [record("other", "TXT", '"now"')], [record("name", "TXT", '"then"')])
        primary.edit_behind("example.com", [record("name", "TXT", '"now"')])
        server.faults.add(Fault("stale", times=2))
        assert [asked(client, name) for name in ("other.example.com", "name.example.com")] == ['"now"', '"then"']
        assert asked(client, "name.example.com") == '"now"'


def test_what_is_no_message_is_sent_in_the_place_of_one(server: Server) -> None:
    server.faults.add(Fault("empty"), Fault("html"), Fault("status", status=404, body=b"<html>"), Fault("wrong-shape"))
    with Client(server) as client:
        empty, html, page, other = (client.ask() for _ in range(4))
    assert (empty, html[2:11], page[2:]) == (b"\0\0", b"<!DOCTYPE", b"<html>")
    assert dns.message.from_wire(other[2:]).id == QUERY.id
    assert not QUERY.is_response(dns.message.from_wire(other[2:]))


def test_what_is_sent_may_be_no_message_either() -> None:
    def echo(request: Request) -> Response:
        return Response(body=request.path.encode() + request.body)

    with Server({"dns": echo}, dns={"dns": Speaking()}) as server, Client(server) as client:
        client._socket.sendall(b"\0\3abc")
        assert client._file.read(6) == b"\0\4/abc"


def test_a_service_can_be_shut_and_opened_again(server: Server) -> None:
    server.shut("dns")
    with pytest.raises(ConnectionRefusedError):
        Client(server)
    server.reopen("dns")
    with Client(server) as client:
        assert said(client.ask()).startswith('"QUERY')


def test_a_hanging_message_does_not_hold_up_the_end() -> None:
    with Server({"dns": answered}, dns={"dns": Speaking()}) as server:
        server.faults.add(Fault("hang", seconds=3600))
        client = Client(server)
        client._socket.sendall(len(QUERY.to_wire()).to_bytes(2) + QUERY.to_wire())
        while not server.count("dns"):
            pass
    client.__exit__()


def test_hosts_say_whether_they_speak_dns() -> None:
    assert list(speaking_dns({"mine": FakePrimary()})) == ["mine"]
