"""The plugin against its fake, over HTTP on loopback."""

from collections.abc import Iterator

import pytest

from wixsend.testing.server import Server
from wixsend.wire import HttpWire
from wixsend_namecheap.adapter import NamecheapProvider
from wixsend_namecheap.sandbox import FakeNamecheap


@pytest.fixture
def fake() -> FakeNamecheap:
    return FakeNamecheap()


@pytest.fixture
def server(fake: FakeNamecheap) -> Iterator[Server]:
    with Server({"namecheap": fake.handle}) as server:
        yield server


@pytest.fixture
def wire(server: Server) -> HttpWire:
    return HttpWire(server.url("namecheap"))


@pytest.fixture
def provider(fake: FakeNamecheap, wire: HttpWire) -> Iterator[NamecheapProvider]:
    provider = NamecheapProvider(fake.credentials, wire)
    yield provider
    provider.close()
