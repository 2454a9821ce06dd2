"""A PostgreSQL server of the tests' own: Debian's, in a temporary folder, over a Unix socket, by a user who is not root."""

import os
import pwd
import shutil
import subprocess
import tempfile
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import psycopg

if TYPE_CHECKING:
    import pytest

__all__ = ["Postgres", "either", "lacking"]

_HOMES = Path("/usr/lib/postgresql")
_SETTINGS = {"listen_addresses": "''", "fsync": "off", "timezone": "Pacific/Chatham", "max_connections": "100"}


def _programs() -> Path | None:
    """Where the newest server's programs are."""
    found = sorted(_HOMES.glob("*/bin/initdb"), key=lambda path: float(path.parts[-3]))
    return found[-1].parent if found else None


def lacking() -> str:
    """Why no server can be started; empty when one can."""
    if _programs() is None:
        return "no PostgreSQL server is installed (Debian's package postgresql)"
    if os.geteuid() == 0 and not any(user.pw_name == "postgres" for user in pwd.getpwall()):
        return "PostgreSQL is not run by root, and there is no user postgres"
    return ""


def either(request: "pytest.FixtureRequest", file: Path) -> str:
    """For a fixture with the parameters `file` and `postgresql`: the URL of a database in this file, or of a new one of the server."""
    if request.param == "file":
        return f"sqlite:///{file}"
    server: Postgres = request.getfixturevalue("postgres")
    return server.url()


class Postgres:
    """Use as a context manager. `url` names a new database of it."""

    def __init__(self) -> None:
        programs = _programs()
        assert programs is not None
        self._programs = programs
        self._as: dict[str, Any] = {}
        self.folder = Path(tempfile.mkdtemp(prefix="wixsend-pg-"))
        if os.geteuid() == 0:
            user = pwd.getpwnam("postgres")
            self._as = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
            os.chown(self.folder, user.pw_uid, user.pw_gid)
        self.folder.chmod(0o755)
        self._made = 0

    def __enter__(self) -> Self:
        self._run("initdb", "--auth=trust", "--username=wixsend", "--no-sync", "--encoding=UTF8", "--locale=C", str(self._data))
        options = " ".join(f"-c {name}={value}" for name, value in _SETTINGS.items())
        self._run("pg_ctl", "-w", "-D", str(self._data), "-l", str(self.folder / "log"), "-o", f"{options} -k {self.folder}", "start")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._run("pg_ctl", "-w", "-D", str(self._data), "-m", "immediate", "stop")
        shutil.rmtree(self.folder)

    def restart(self) -> None:
        """As after a crash: every connection is cut, and nothing was said before."""
        self._run("pg_ctl", "-w", "-D", str(self._data), "-m", "immediate", "-l", str(self.folder / "log"), "restart")

    def url(self) -> str:
        """The URL of a new, empty database."""
        self._made += 1
        name = f"journal{self._made}"
        with psycopg.connect(self._url("postgres"), autocommit=True) as connection:
            connection.execute(f"CREATE DATABASE {name}".encode())
        return self._url(name)

    def _url(self, name: str) -> str:
        return f"postgresql://wixsend@/{name}?host={self.folder}"

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    def _run(self, program: str, *words: str) -> None:
        subprocess.run(
            [self._programs / program, *words], check=True, cwd=self.folder, stdout=subprocess.DEVNULL, stderr=subprocess.STDOUT, **self._as
        )
