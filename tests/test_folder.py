"""Floor 4: what is kept on this machine is its owner's alone, and nobody else can put something in its place."""

import os
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.name
import pytest

from wixsend.errors import JournalError
from wixsend.events import Intended
from wixsend.folder import append_private, private_folder
from wixsend.journal import Journal
from wixsend.plan import Change
from wixsend.records import WHOLE, Record, Snapshot, Zone

APEX = dns.name.from_text("example.com")
STRANGER = 54321
"""A user id that is nobody's here."""

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")


@pytest.fixture(autouse=True)
def careless() -> Iterator[None]:
    """A umask that leaves everything open."""
    before = os.umask(0)
    yield
    os.umask(before)


def opened(folder: Path, database: str = "") -> Journal:
    return Journal(database or f"sqlite:///{folder / 'journal.db'}", folder)


def mode(path: Path) -> int:
    return path.stat().st_mode & 0o777


def test_a_folder_is_made_for_its_owner_alone(tmp_path: Path) -> None:
    assert mode(private_folder(tmp_path / "a" / "state")) == 0o700


def test_everything_in_it_is_its_owners_alone_while_it_is_in_use(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    journal = opened(folder)
    entry = journal.open_case("s", APEX)
    journal.append(entry, Intended((Change(APEX),)), 1.0)
    journal.keep_snapshot(entry.id, "p", "a", Snapshot(Zone(APEX), (), WHOLE), 1.0)
    append_private(folder / "wixsend.log", "x\n")
    with journal.lock("zone-x", "x"):
        found = {path.name: mode(path) for path in folder.rglob("*") if path.is_file()}
        assert {mode(path) for path in (folder, *folder.rglob("*")) if path.is_dir()} == {0o700}
    journal.close()
    assert {"journal.db", "journal.db-wal", "journal.db-shm", "zone-x.lock", "wixsend.log"} <= set(found)
    assert set(found.values()) == {0o600}


def test_a_journal_that_others_can_read_is_closed(tmp_path: Path) -> None:
    opened(tmp_path / "state").close()
    (tmp_path / "state" / "journal.db").chmod(0o664)
    opened(tmp_path / "state").close()
    assert mode(tmp_path / "state" / "journal.db") == 0o600


@pytest.mark.parametrize("open_to", [0o777, 0o1777, 0o770, 0o703])
def test_a_folder_that_others_can_write_to_is_not_used(tmp_path: Path, open_to: int) -> None:
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(open_to)
    with pytest.raises(JournalError, match="can be written by other users") as caught:
        opened(folder)
    assert "chmod go-w" in caught.value.next_step
    assert not list(folder.iterdir())
    with pytest.raises(JournalError, match="can be written by other users"):
        opened(tmp_path / "own", f"sqlite:///{folder / 'journal.db'}")
    opened(folder / "own").close()


@as_root
def test_a_folder_of_somebody_else_is_not_used_not_even_by_root(tmp_path: Path) -> None:
    folder = tmp_path / "theirs"
    folder.mkdir(mode=0o700)
    os.chown(folder, STRANGER, STRANGER)
    with pytest.raises(JournalError, match="belongs to another user"):
        private_folder(folder)


@pytest.mark.parametrize("path", ["file/below", "nul\0byte"])
def test_what_can_be_no_folder_is_an_error_with_a_next_step(tmp_path: Path, path: str) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(JournalError) as caught:
        private_folder(tmp_path / path)
    assert "--state" in caught.value.next_step


def test_nothing_is_appended_through_a_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_text("theirs")
    (tmp_path / "wixsend.log").symlink_to(tmp_path / "target")
    with pytest.raises(OSError, match=r"symbolic link"):
        append_private(tmp_path / "wixsend.log", "ours")
    assert (tmp_path / "target").read_text() == "theirs"


def test_a_command_with_its_state_in_a_folder_of_everybody_writes_nothing_there(tmp_path: Path) -> None:
    (tmp_path / "shared").mkdir(mode=0o777)
    done = subprocess.run(
        [sys.executable, "-m", "wixsend", "--state", str(tmp_path / "shared"), "status"],
        env={"PATH": os.environ["PATH"], "HOME": str(tmp_path)},
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 2
    assert "can be written by other users" in done.stderr
    assert not list((tmp_path / "shared").iterdir())


@pytest.mark.parametrize("url", ["postgresql//me:s3cret-word@host/db", "s3cret-word", "nobody://me:s3cret-word@host/db", "sqlite://[::1"])
def test_what_is_no_database_url_is_an_error_that_does_not_show_it(tmp_path: Path, url: str) -> None:
    with pytest.raises(JournalError) as caught:
        opened(tmp_path / "state", url)
    assert "s3cret-word" not in str(caught.value) + caught.value.next_step
    assert caught.value.next_step


def test_what_cannot_be_text_is_kept_and_comes_back(tmp_path: Path) -> None:
    odd = Record(dns.name.from_text("a", APEX), "TXT", '"\ud800\n\x00"')
    journal = opened(tmp_path / "state")
    entry = journal.open_case("s", APEX)
    journal.keep_snapshot(entry.id, "p", "a", Snapshot(Zone(APEX, account="\udfff"), (odd,), WHOLE, {"x": "\ud800"}), 1.0)
    (backup,) = journal.backups()
    journal.close()
    assert backup.snapshot.records == (odd,)
    assert backup.snapshot.baggage == {"x": "\ud800"}


@pytest.mark.parametrize(
    "update",
    [
        "update events set payload = '{'",
        'update events set payload = \'{"changes": [{"name": "example.com."}]}\'',
        'update events set payload = \'{"changes": [{"change": ["a.", [1], []]}]}\'',
        "update events set payload = x'ff00'",
        "update events set version = 'x'",
        "update events set version = 99",
        "update events set code = 'x'",
        "update events set at = 'soon'",
        "update events set at = 1e300",
        "update cases set domain = 'a..b'",
        "update snapshots set payload = '{}'",
        "update snapshots set payload = 7",
        "update snapshots set at = -1",
        "update snapshots set payload = replace(payload, '\"TXT\"', '17')",
        'update snapshots set payload = replace(payload, \'"baggage": {}\', \'"baggage": {"a": 1}\')',
        "update about set value = 'x'",
        "update about set value = '99'",
    ],
)
def test_a_damaged_row_is_an_error_with_a_next_step(tmp_path: Path, update: str) -> None:
    journal = opened(tmp_path)
    entry = journal.open_case("s", APEX)
    journal.append(entry, Intended((Change(APEX, add=(Record(APEX, "TXT", '"x"'),)),)), 1.0)
    journal.keep_snapshot(entry.id, "p", "a", Snapshot(Zone(APEX), (Record(APEX, "TXT", '"x"'),), WHOLE), 1.0)
    journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as database:
        assert database.execute(update).rowcount == 1
    database.close()
    with pytest.raises(JournalError) as caught:
        damaged = opened(tmp_path)
        try:
            damaged.entries()
            damaged.backups()
        finally:
            damaged.close()
    assert caught.value.next_step
    assert len(str(caught.value)) < 1000
