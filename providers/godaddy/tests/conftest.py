"""One fake GoDaddy over HTTP, and the plugin opened on it."""

from collections.abc import Iterator

import pytest

from wixsend.testing.server import Server
from wixsend.wire import HttpWire
from wixsend_godaddy.adapter import GoDaddy
from wixsend_godaddy.sandbox import FakeGoDaddy


class Clock:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.seconds = 1000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def fake(clock: Clock) -> FakeGoDaddy:
    return FakeGoDaddy(clock)


@pytest.fixture
def server(fake: FakeGoDaddy) -> Iterator[Server]:
    with Server({"godaddy": fake.handle}) as server:
        yield server


@pytest.fixture
def wire(server: Server) -> HttpWire:
    return HttpWire(server.url("godaddy"))


@pytest.fixture
def provider(fake: FakeGoDaddy, wire: HttpWire) -> Iterator[GoDaddy]:
    provider = GoDaddy(fake.credentials, wire)
    yield provider
    provider.close()
