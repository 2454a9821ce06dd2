"""Fixtures: one lab for the session, and each test inside its network."""

import os
from collections.abc import Iterator

import pytest

from live_servers.lab import Lab, lacking
from live_servers.namespace import Capture


@pytest.fixture(scope="session")
def possible() -> None:
    """Skipped where servers cannot run, unless `WIXSEND_REQUIRE_SERVERS=1` says that they have to."""
    why = lacking()
    if why and os.environ.get("WIXSEND_REQUIRE_SERVERS") == "1":
        pytest.fail(f"real DNS servers are required here, and {why}")
    if why:
        pytest.skip(why)


@pytest.fixture(scope="session")
def started_lab(possible: None) -> Iterator[Lab]:
    """The servers."""
    with Lab() as lab:
        yield lab


@pytest.fixture
def lab(started_lab: Lab) -> Iterator[Lab]:
    """The lab, with this test inside its network."""
    with started_lab.entered():
        yield started_lab


@pytest.fixture
def capture(lab: Lab) -> Iterator[Capture]:
    """Every DNS message that passes during the test."""
    with Capture() as capture:
        yield capture
