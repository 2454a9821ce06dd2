"""A PostgreSQL server of one's own, in a temporary folder, on a Unix socket alone; never run by root."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

_USER = "postgres"


def programs() -> Path | None:
    """Where Debian, or anybody else, has put PostgreSQL's programs; `None` when they are not installed."""
    debian = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    found = str(debian[-1]) if debian else shutil.which("initdb")
    return Path(found).resolve().parent if found else None


def _lacking() -> str:
    if programs() is None:
        return "PostgreSQL is not installed"
    if os.geteuid() == 0:
        try:
            pwd.getpwnam(_USER)
        except KeyError:
            return f"PostgreSQL does not run as root, and there is no user {_USER}"
    return ""


@contextmanager
def server() -> Iterator[str]:
    """Its URL, for SQLAlchemy. Skips the test where there is none, unless `WIXSEND_REQUIRE_SERVERS=1` says that there has to be."""
    why = _lacking()
    if why and os.environ.get("WIXSEND_REQUIRE_SERVERS") == "1":
        pytest.fail(f"PostgreSQL is required here, and {why}")
    if why:
        pytest.skip(why)
    bin_folder = programs()
    assert bin_folder is not None
    root = os.geteuid() == 0
    with tempfile.TemporaryDirectory(prefix="wixsend-postgres-") as made:
        folder = Path(made)
        if root:
            account = pwd.getpwnam(_USER)
            os.chown(folder, account.pw_uid, account.pw_gid)

        def run(program: str, *words: str) -> None:
            subprocess.run(
                [bin_folder / program, *words],
                check=True,
                cwd=folder,
                user=_USER if root else None,
                group=pwd.getpwnam(_USER).pw_gid if root else None,
                extra_groups=[] if root else None,
                env={"LC_ALL": "C", "PATH": os.defpath},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
            )

        data = str(folder / "data")
        run("initdb", "--pgdata", data, "--username", "wixsend", "--auth", "trust", "--encoding", "UTF8", "--no-sync")
        options = f"-k {folder} -c listen_addresses='' -c fsync=off -c timezone=Pacific/Chatham"
        run("pg_ctl", "start", "--pgdata", data, "--wait", "--log", str(folder / "log"), "--options", options)
        try:
            yield f"postgresql+psycopg://wixsend@/postgres?host={folder}"
        finally:
            run("pg_ctl", "stop", "--pgdata", data, "--wait", "--mode", "immediate")
