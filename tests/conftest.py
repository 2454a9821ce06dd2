"""Fixtures of several test modules: one PostgreSQL server for the session. No property is timed: a busy machine breaks none."""

import os
from collections.abc import Iterator

import pytest
from hypothesis import settings

from postgres import Postgres, lacking

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    """A server. Skipped where there can be none, unless `WIXSEND_REQUIRE_SERVERS=1` says that there has to be one."""
    why = lacking()
    if why and os.environ.get("WIXSEND_REQUIRE_SERVERS") == "1":
        pytest.fail(f"PostgreSQL is required here, and {why}")
    if why:
        pytest.skip(why)
    with Postgres() as server:
        yield server
