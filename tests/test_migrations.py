"""A journal of an earlier version becomes one of today's: nothing in it is lost, and its tables are exactly those that are made new.

`journal-1.sql` is the dump of a journal that version 0.1.0 wrote, with a case at every kind of end: authenticated at three hosts, waiting
for DNS, refused, taken back, not agreed to, and one that nobody here can write for.
"""

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.operations import Operations

from postgres import Postgres
from wixsend.errors import JournalError
from wixsend.events import WixGenerating
from wixsend.flow import Stage
from wixsend.journal import Journal
from wixsend.migrations import STEPS
from wixsend.names import absolute, text
from wixsend.tables import SCHEMA_VERSION, about, tables, zone_pages

FIRST = Path(__file__).with_name("journal-1.sql")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    """The folder of a journal of the first version."""
    (tmp_path / "journal.db").touch(0o600)
    with closing(sqlite3.connect(tmp_path / "journal.db")) as database:
        database.executescript(FIRST.read_text())
    return tmp_path


def opened(folder: Path) -> Journal:
    return Journal(f"sqlite:///{folder / 'journal.db'}", folder)


def rows(path: Path, table: str, columns: str = "*") -> list[Any]:
    with closing(sqlite3.connect(path)) as database:
        return database.execute(f"SELECT {columns} FROM {table} ORDER BY 1, 2").fetchall()


def test_every_version_has_its_step() -> None:
    assert list(STEPS) == list(range(2, SCHEMA_VERSION + 1))


def test_every_case_is_what_it_was_and_is_written_down(old: Path) -> None:
    events, snapshots = rows(old / "journal.db", "events"), rows(old / "journal.db", "snapshots")
    before = rows(old / "journal.db", "cases", "id, site, domain, apex, stage, due, seq")
    journal = opened(old)
    stages = {text(entry.domain): entry.case.stage for entry in journal.entries()}
    journal.close()
    assert stages == {
        "done-cloudflare.example": Stage.DONE,
        "done-godaddy.example": Stage.DONE,
        "done-namecheap.example": Stage.DONE,
        "waiting.example": Stage.PROVING,
        "conflict.example": Stage.STOPPED,
        "undone.example": Stage.UNDONE,
        "unagreed.example": Stage.AGREEING,
        "byhand.example": Stage.PROVING,
    }
    assert (rows(old / "journal.db", "events"), rows(old / "journal.db", "snapshots")) == (events, snapshots)
    assert rows(old / "journal.db", "cases", "id, site, domain, apex, stage, due, seq") == before
    told = {domain: rest for domain, *rest in rows(old / "journal.db", "cases", "domain, provider, account, code")}
    assert told["done-godaddy.example"] == ["godaddy", "godaddy", ""]
    assert told["conflict.example"] == ["namecheap", "namecheap", "refused"]
    assert told["byhand.example"] == ["", "", ""]


def test_the_tables_are_those_that_are_made_new(old: Path) -> None:
    opened(old).close()
    engine = sa.create_engine(f"sqlite:///{old / 'journal.db'}")
    with engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, tables) == []
    engine.dispose()


@pytest.mark.parametrize("version", range(1, SCHEMA_VERSION))
def test_the_way_may_begin_at_every_version(old: Path, version: int) -> None:
    engine = sa.create_engine(f"sqlite:///{old / 'journal.db'}")
    with engine.begin() as connection:
        for step in range(2, version + 1):
            STEPS[step](Operations(MigrationContext.configure(connection)))
        connection.execute(sa.update(about).where(about.c.key == "schema").values(value=str(version)))
    engine.dispose()
    opened(old).close()
    with engine.connect() as connection:
        assert compare_metadata(MigrationContext.configure(connection, opts={"compare_type": True}), tables) == []
    assert rows(old / "journal.db", "about") == [("schema", str(SCHEMA_VERSION))]
    assert len(rows(old / "journal.db", "cases")) == 8
    assert (old / f"journal.db.version-{version}").exists()
    engine.dispose()


def test_a_shared_journal_of_version_3_is_brought_up_to_date(postgres: Postgres, tmp_path: Path) -> None:
    journal = Journal(postgres.url(), tmp_path)
    url = journal.database.url
    journal.append(journal.open_case("main", absolute("old.example")), WixGenerating("id"), 1.0)
    with journal.database.writing() as connection:
        zone_pages.drop(connection)
        connection.execute(sa.update(about).where(about.c.key == "schema").values(value="3"))
    journal.close()
    journal = Journal(url.render_as_string(hide_password=False), tmp_path)
    assert [text(entry.domain) for entry in journal.entries()] == ["old.example"]
    with journal.database.reading() as connection:
        ours = {"include_name": lambda name, kind, _of: kind != "table" or name in tables.tables, "compare_type": True}
        assert compare_metadata(MigrationContext.configure(connection, opts=ours), tables) == []
    journal.close()


def test_a_copy_of_the_old_one_is_kept_and_it_is_not_done_twice(old: Path) -> None:
    opened(old).close()
    copy = old / "journal.db.version-1"
    assert rows(copy, "about") == [("schema", "1")]
    assert rows(copy, "events") == rows(old / "journal.db", "events")
    assert copy.stat().st_mode & 0o077 == 0
    journal = opened(old)
    journal.append(journal.open_case("main", absolute("new.example")), WixGenerating("id"), 1.0)
    journal.close()
    opened(old).close()
    assert len(rows(copy, "cases")) == 8


def test_a_migration_that_fails_changes_nothing(old: Path) -> None:
    with closing(sqlite3.connect(old / "journal.db")) as database:
        database.execute("CREATE TABLE rows (somebody, elses)")
        before = list(database.iterdump())
    with pytest.raises(JournalError, match="already exists"):
        opened(old)
    with closing(sqlite3.connect(old / "journal.db")) as database:
        assert list(database.iterdump()) == before


def test_of_two_processes_that_find_an_old_one_both_go_on(old: Path) -> None:
    code = f"""
from pathlib import Path
from wixsend.journal import Journal
folder = Path({str(old)!r})
print(len(Journal(f"sqlite:///{{folder / 'journal.db'}}", folder).entries()))
"""
    both = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate()[0] for process in both] == ["8\n", "8\n"]


def test_alembic_is_imported_for_a_migration_only(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from wixsend.journal import Journal
folder = Path({str(tmp_path)!r})
Journal(f"sqlite:///{{folder / 'journal.db'}}", folder).close()
sys.exit("alembic" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
