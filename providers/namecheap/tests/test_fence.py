"""What the SDK does on its own, and that the fence does not let it."""

import importlib.metadata
import inspect
import logging
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from namecheap import DNSRecord, Namecheap, NamecheapError
from namecheap._api.dns import DnsAPI
from rich.logging import RichHandler

from wixsend import Record, absolute
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_namecheap.fence import GET_HOSTS, GET_INFO, SET_HOSTS, Account, ApiError, BadAnswer, Forbidden, HttpError
from wixsend_namecheap.sandbox import FakeNamecheap

KEY = FakeNamecheap.credentials["api_key"]
HOSTS = {"SLD": "example", "TLD": "com"}


class Trap:
    """A proxy that answers nothing and counts who comes: what obeys the environment's proxy ends here and not on the internet."""

    def __init__(self, listener: socket.socket) -> None:
        self.visits = 0
        self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        self._listener = listener

    def serve(self) -> None:
        while True:
            try:
                visitor, _ = self._listener.accept()
            except OSError:
                return
            self.visits += 1
            visitor.close()


@pytest.fixture
def trap(monkeypatch: pytest.MonkeyPatch) -> Iterator[Trap]:
    """The trap, set as the environment's proxy for everything."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        trap = Trap(listener)
        thread = threading.Thread(target=trap.serve)
        thread.start()
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy", "all_proxy"):
            monkeypatch.setenv(name, trap.url)
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        yield trap
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


_asked: list[str] = []


def _note(event: str, args: tuple[object, ...]) -> None:
    if event == "socket.connect" and isinstance(args[1], tuple):
        _asked.append(f"{args[1][0]}:{args[1][1]}")
    elif event == "socket.getaddrinfo":
        _asked.append(f"{_text(args[0])}:{_text(args[1])}")


def _text(value: object) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


sys.addaudithook(_note)


@pytest.fixture
def asked() -> list[str]:
    """Every host:port that this process connects to, or looks up, from now on: Python itself tells (PEP 578)."""
    _asked.clear()
    return _asked


@pytest.fixture
def account(fake: FakeNamecheap, wire: HttpWire) -> Any:
    fake.add_zone(
        "example.com", [Record(absolute("example.com"), "A", "192.0.2.1"), Record(absolute("example.com"), "MX", "10 mail.example.net.")]
    )
    with Account(fake.credentials, wire) as account:
        yield account


def xml(inside: str, status: str = "OK") -> bytes:
    return f'<?xml version="1.0"?><ApiResponse Status="{status}">{inside}</ApiResponse>'.encode()


# The key


def test_the_key_travels_in_the_body_of_a_post_and_nowhere_else(account: Any, server: Server, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    caplog.set_level(logging.DEBUG, "namecheap")
    account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult")
    call = server.calls[0]
    assert (call.method, call.path, call.request.query) == ("POST", "/xml.response", ())
    assert call.request.form()["ApiKey"] == KEY
    assert "Request params: {" in caplog.text, "the SDK logs its parameters: if it stops, this test shows nothing"
    assert KEY not in caplog.text
    assert KEY not in repr(account) + repr(account.config) + repr(account._client) + repr(vars(account))


def test_errors_do_not_hold_the_key(account: Any, server: Server) -> None:
    server.faults.add(Fault("status", status=502), Fault("lost-reply"), Fault("empty"))
    for _ in range(3):
        with pytest.raises(Exception) as raised:
            account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult")
        assert KEY not in repr(raised.value) + str(raised.value) + str(vars(raised.value))


# Nobody else is asked anything


@pytest.mark.parametrize("number", ["1011150", "2011168"])
def test_an_error_about_the_address_asks_nobody(account: Any, server: Server, trap: Trap, asked: list[str], number: str) -> None:
    errors = f'<Errors><Error Number="{number}">Invalid request IP: 198.51.100.7</Error></Errors><CommandResponse />'
    server.faults.add(Fault("wrong-shape", body=xml(errors, "ERROR")))
    with pytest.raises(ApiError, match="Invalid request IP"):
        account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult")
    assert trap.visits == 0
    assert set(asked) == {server.url("namecheap").removeprefix("http://")}


def test_the_sdk_alone_would_have_asked(trap: Trap, asked: list[str]) -> None:
    """Why the fence raises before the SDK sees an error. If this fails the SDK has changed its ways."""
    NamecheapError("1011150", "Invalid request IP", sandbox=False)
    assert asked == [trap.url.removeprefix("http://")] * 2, "it looks the proxy up, and connects to it, to reach api.ipify.org"


def test_nothing_is_read_from_the_environment(
    fake: FakeNamecheap, wire: HttpWire, server: Server, trap: Trap, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("API_KEY", "USERNAME", "API_USER", "CLIENT_IP", "SANDBOX", "LOG_LEVEL"):
        monkeypatch.setenv(f"NAMECHEAP_{name}", "of-somebody-else")
    monkeypatch.setenv("ALL_PROXY", "socks5://127.0.0.1:9")
    fake.add_zone("example.com")
    with Account(fake.credentials, wire) as account:
        account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult")
    form = server.calls[0].request.form()
    assert [form[name] for name in ("ApiUser", "UserName", "ApiKey", "ClientIp")] == ["wixagency", "wixagency", KEY, "192.0.2.10"]
    assert trap.visits == 0


def test_an_api_user_of_its_own_is_sent(fake: FakeNamecheap, wire: HttpWire, server: Server) -> None:
    with Account({**fake.credentials, "api_user": "employee"}, wire) as account, pytest.raises(ApiError, match="1011102"):
        account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult")
    form = server.calls[0].request.form()
    assert (form["ApiUser"], form["UserName"]) == ("employee", "wixagency")


# Only four commands, and setHosts only whole


@pytest.mark.parametrize(
    "attempt",
    [
        lambda account: account.dns.add("example.com", DNSRecord(name="a", type="A", value="192.0.2.9")),
        lambda account: account.dns.set("example.com", []),
        lambda account: account.dns.delete("example.com"),
        lambda account: account.dns.set_custom_nameservers("example.com", ["ns1.example.net"]),
        lambda account: account.dns.set_default_nameservers("example.com"),
        lambda account: account.dns.clear_email_forwarding("example.com"),
        lambda account: account.domains.check("example.com"),
        lambda account: account.ask(SET_HOSTS, HOSTS | {"EmailType": "MX"}, "DomainDNSSetHostsResult"),
        lambda account: account.ask(SET_HOSTS, HOSTS | {"EmailType": "", "HostName1": "@"}, "DomainDNSSetHostsResult"),
    ],
)
def test_the_sdk_cannot_write_on_its_own(account: Any, fake: FakeNamecheap, server: Server, attempt: Any) -> None:
    before = fake.raw("example.com")
    with pytest.raises(Forbidden):
        attempt(account)
    assert fake.raw("example.com") == before
    assert {call.request.form()["Command"] for call in server.calls} <= {GET_HOSTS}


# Answers


HOSTS_RESULT = '<CommandResponse><DomainDNSGetHostsResult Domain="example.com" /></CommandResponse>'
BOMB = (
    '<!DOCTYPE a [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    + xml("<CommandResponse>&b;</CommandResponse>").decode()
)
EXTERNAL = '<!DOCTYPE a [<!ENTITY a SYSTEM "file:///etc/hostname">]><ApiResponse Status="OK">&a;</ApiResponse>'


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"  \n", "empty"),
        (b"OK", "not the XML"),
        (b"<html><body>Just a moment</body></html>", "no ApiResponse"),
        (b"<ApiResponse/>", "no ApiResponse with a Status"),
        (b"<ApiResponse>text</ApiResponse>", "no ApiResponse with a Status"),
        (xml(HOSTS_RESULT)[:-20], "not the XML"),
        (xml(HOSTS_RESULT, "MAYBE"), "neither OK nor ERROR"),
        (xml("<Errors />"), "no CommandResponse"),
        (xml("<CommandResponse />"), "no CommandResponse"),
        (xml("<CommandResponse>text</CommandResponse>"), "no CommandResponse"),
        (xml("<CommandResponse><DomainDNSGetListResult /></CommandResponse>"), "no DomainDNSGetHostsResult"),
        (xml("<CommandResponse><DomainDNSGetHostsResult /></CommandResponse>"), "no DomainDNSGetHostsResult"),
        (xml(f"{HOSTS_RESULT}{HOSTS_RESULT}"), "no CommandResponse"),
        (BOMB.encode(), "document type"),
        (EXTERNAL.encode(), "document type"),
        (xml("<CommandResponse>&undeclared;</CommandResponse>"), "not the XML"),
        (xml(f"<CommandResponse>{'<a>' * 4000}{'</a>' * 4000}</CommandResponse>"), "nested too deep"),
        (xml("<a>" * 30_000), "larger than any zone"),
        (xml(f"<CommandResponse>{'x' * 5_000_000}</CommandResponse>"), "larger than any zone"),
        (b"\xff\xfe<\x00a\x00/\x00>\x00", "not the XML"),
    ],
)
def test_what_is_no_good_answer_is_refused(account: Any, server: Server, body: bytes, words: str) -> None:
    server.faults.add(Fault("wrong-shape", body=body))
    with pytest.raises(BadAnswer, match=words):
        account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult")


@pytest.mark.parametrize(
    ("errors", "number", "words"),
    [
        ('<Errors><Error Number="2019166">Domain not found</Error></Errors>', "2019166", "Domain not found"),
        ('<Errors><Error Number="1">first</Error><Error Number="2">second</Error></Errors>', "1", "first"),
        ("<Errors><Error>bare</Error></Errors>", "without a number", "bare"),
        ('<Errors><Error Number="7" /></Errors>', "7", "no message"),
        ("<Errors />", "without a number", "no message"),
        ("", "without a number", "no message"),
    ],
)
@pytest.mark.parametrize("status", ["ERROR", "Error"])
def test_an_error_is_an_error_however_it_is_written(
    account: Any, server: Server, status: str, errors: str, number: str, words: str
) -> None:
    server.faults.add(Fault("wrong-shape", body=xml(errors + HOSTS_RESULT, status)))
    with pytest.raises(ApiError, match=words) as raised:
        account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult")
    assert raised.value.number == number


def test_ok_may_be_written_in_any_case(account: Any, server: Server) -> None:
    server.faults.add(Fault("wrong-shape", body=xml(HOSTS_RESULT, "Ok")))
    assert account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult") == {"@Domain": "example.com"}


def test_the_encoding_is_not_the_answers_choice(account: Any, server: Server) -> None:
    server.faults.add(Fault("wrong-shape", body=xml(HOSTS_RESULT), headers={"content-type": "text/xml; charset=bz2"}))
    assert account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult") == {"@Domain": "example.com"}


@pytest.mark.parametrize(("header", "seconds"), [("17", 17.0), ("", None), ("Wed, 21 Oct 2026 07:28:00 GMT", None), ("²", None)])
def test_an_http_status_keeps_the_time_to_wait(account: Any, server: Server, header: str, seconds: float | None) -> None:
    server.faults.add(Fault("status", status=503, headers={"retry-after": header}))
    with pytest.raises(HttpError) as raised:
        account.ask(GET_INFO, {"DomainName": "example.com"}, "DomainGetInfoResult")
    assert (raised.value.status, raised.value.retry_after) == (503, seconds)


# Logging


def _handlers_after(statement: str) -> str:
    """The SDK's logger in a process that did nothing else."""
    script = (
        f"{statement}; import logging; logger = logging.getLogger('namecheap'); print(len(logger.handlers), logger.level, logger.propagate)"
    )
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout.strip()


def test_the_sdks_handler_is_taken_off() -> None:
    assert _handlers_after("import namecheap") == "1 20 True", "the SDK puts a handler on its logger: if it stops, the fence need not"
    assert _handlers_after("import wixsend_namecheap.fence") == "0 0 True"


def test_no_handler_prints_what_goes_wrong(account: Any, server: Server, capfd: pytest.CaptureFixture[str]) -> None:
    assert not [handler for handler in logging.getLogger("namecheap").handlers if isinstance(handler, RichHandler)]
    server.faults.add(Fault("wrong-shape", body=xml('<Errors><Error Number="1011150">Invalid request IP</Error></Errors>', "ERROR")))
    with pytest.raises(ApiError):
        account.ask(GET_HOSTS, HOSTS, "DomainDNSGetHostsResult")
    assert capfd.readouterr() == ("", "")


# The SDK's private members that the fence leans on


def test_the_sdk_is_the_one_that_was_read() -> None:
    assert importlib.metadata.version("namecheap-python") == "4.0.0"


def test_a_client_is_its_config_and_its_http_client() -> None:
    """`Account` sets these two in place of the SDK's constructor."""
    with Namecheap(api_key="k", username="u", client_ip="192.0.2.1", sandbox=False) as plain:
        assert set(vars(plain)) == {"config", "_client"}


def test_the_dns_api_takes_both_from_the_client(account: Any) -> None:
    assert isinstance(account, Namecheap)
    assert account.dns._http is account._client
    assert account.dns.config is account.config


def test_a_raw_request_takes_a_command_and_parameters() -> None:
    assert list(inspect.signature(DnsAPI._request).parameters) == ["self", "command", "params", "model", "path"]
