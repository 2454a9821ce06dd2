"""Floor 4: what the journal was told is there afterwards, whoever else writes, and it says what to do when it fails."""

import sqlite3
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import dns.name
import pytest
import sqlalchemy as sa

from wixsend.errors import Busy, JournalError, JournalNewer
from wixsend.events import Agreed, HostFound, Intended, Planned, WixWants, Wrote
from wixsend.flow import Stage
from wixsend.journal import Journal
from wixsend.plan import Change
from wixsend.records import WHOLE, Record, Snapshot, Zone

DOMAIN = dns.name.from_text("example.com.")
S1 = Record(dns.name.from_text("s1._domainkey", DOMAIN), "CNAME", "s1.s004.ascendbywix.com.", 300)
EVENTS = (
    WixWants("id", (S1,)),
    HostFound(DOMAIN, "cloudflare", "main", "how"),
    Planned("d1"),
    Agreed("d1"),
    Intended((Change(S1.owner, add=(S1,)),), 1),
    Wrote(),
)


def url(folder: Path) -> str:
    return f"sqlite:///{folder / 'journal.db'}"


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(url(tmp_path), tmp_path)
    yield opened
    opened.close()


def test_a_case_is_what_was_appended(journal: Journal, tmp_path: Path) -> None:
    entry = journal.open_case("site", DOMAIN)
    for at, event in enumerate(EVENTS, 1000):
        entry = journal.append(entry, event, float(at))
    again = Journal(url(tmp_path), tmp_path)
    found = again.find("site", DOMAIN)
    assert found == entry
    assert found is not None
    assert found.case.stage is Stage.PROVING
    assert [happened.event for happened in again.history(found)] == list(EVENTS)
    again.close()


def test_the_same_domain_on_two_sites_is_two_cases(journal: Journal) -> None:
    one, two = journal.open_case("a", DOMAIN), journal.open_case("b", DOMAIN)
    for event in EVENTS[:2]:
        one, two = journal.append(one, event, 1.0), journal.append(two, event, 1.0)
    assert [entry.site for entry in journal.for_domain(DOMAIN)] == ["a", "b"]
    assert [entry.site for entry in journal.neighbours(one, DOMAIN)] == ["b"]


def test_of_two_that_go_on_with_one_case_the_second_is_told(journal: Journal) -> None:
    entry = journal.open_case("site", DOMAIN)
    journal.append(entry, EVENTS[0], 1.0)
    with pytest.raises(Busy):
        journal.append(entry, EVENTS[0], 1.0)
    assert len(journal.history(entry)) == 1


def test_a_lock_is_held_by_one_and_let_go_when_the_process_dies(journal: Journal, tmp_path: Path) -> None:
    holds = "import sys; from pathlib import Path; from wixsend.journal import Journal\n" + (
        f"j = Journal({url(tmp_path)!r}, Path({str(tmp_path)!r}))\n"
        "with j.lock('zone-x', 'the zone x'):\n    print('held', flush=True); sys.stdin.read()\n"
    )
    other = subprocess.Popen([sys.executable, "-c", holds], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert other.stdout is not None and other.stdout.readline() == b"held\n"
    with pytest.raises(Busy, match="the zone x"), journal.lock("zone-x", "the zone x"):
        pass
    with journal.lock("zone-y", "the zone y"):
        pass
    other.kill()
    other.communicate()
    with journal.lock("zone-x", "the zone x"):
        pass


def test_a_snapshot_comes_back_whole(journal: Journal) -> None:
    entry = journal.open_case("site", DOMAIN)
    odd = Record(DOMAIN, "TXT", '"quo\\"ted" "\\195\\164 ünicode"', 60, ref={"row": 1}, notes={"comment": "ünicode"})
    kept = Snapshot(Zone(DOMAIN, "z1", "acct", (DOMAIN,)), (odd, S1), WHOLE, {"EmailType": "FWD"}, total=2)
    number = journal.keep_snapshot(entry.id, "namecheap", "main", kept, 5.0)
    (backup,) = journal.backups(DOMAIN)
    assert (backup.id, backup.at, backup.provider, backup.account) == (number, 5.0, "namecheap", "main")
    assert (backup.snapshot.records, backup.snapshot.covers, backup.snapshot.baggage) == (kept.records, WHOLE, kept.baggage)
    assert [(record.ttl, record.notes) for record in backup.snapshot.records] == [(60, {"comment": "ünicode"}), (300, None)]
    assert journal.backups(dns.name.from_text("example.net.")) == []


def test_it_is_readable_by_its_owner_alone(journal: Journal, tmp_path: Path) -> None:
    assert stat.S_IMODE((tmp_path / "journal.db").stat().st_mode) == 0o600


def test_a_journal_of_a_newer_wixsend_is_left_alone(tmp_path: Path) -> None:
    Journal(url(tmp_path), tmp_path).close()
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("UPDATE about SET value = '99'")
    database.close()
    with pytest.raises(JournalNewer) as caught:
        Journal(url(tmp_path), tmp_path)
    assert "Update" in caught.value.next_step


def test_a_file_that_is_something_else_is_said_to_be(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_text("this is a shopping list, and quite a long one too, so that it is no empty file" * 20)
    with pytest.raises(JournalError, match="not a database") as caught:
        Journal(url(tmp_path), tmp_path)
    assert caught.value.next_step


def test_a_locked_journal_says_so(tmp_path: Path) -> None:
    Journal(url(tmp_path), tmp_path).close()
    holder = sqlite3.connect(tmp_path / "journal.db", isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    impatient = Journal(url(tmp_path) + "?timeout=0", tmp_path)
    entry = None
    with pytest.raises(JournalError, match="locked") as caught:
        entry = impatient.open_case("site", DOMAIN)
    assert entry is None
    assert "again" in caught.value.next_step
    holder.close()
    impatient.close()


def test_a_full_disk_loses_nothing(journal: Journal, tmp_path: Path) -> None:
    """SQLite's own page limit stands in for the disk: the same error, by the same road."""
    entry = journal.append(journal.open_case("site", DOMAIN), EVENTS[0], 1.0)
    journal.database.engine.dispose()
    small = Journal(url(tmp_path), tmp_path)
    with small.database.engine.connect() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar()

    @sa.event.listens_for(small.database.engine, "connect")
    def _limit(connection: sqlite3.Connection, _record: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    small.database.engine.dispose()
    with pytest.raises(JournalError, match="full") as caught:
        for _ in range(200):
            small.keep_snapshot(entry.id, "p", "a", Snapshot(Zone(DOMAIN), (S1,) * 500, WHOLE), 1.0)
    assert "room" in caught.value.next_step
    assert small.find("site", DOMAIN) == entry
    small.close()


@pytest.mark.parametrize("payload", ["", "{", '{"records": 7}', '{"records": [{"record": ["x"]}]}'])
def test_a_damaged_row_is_an_error_that_names_it(journal: Journal, tmp_path: Path, payload: str) -> None:
    entry = journal.append(journal.open_case("site", DOMAIN), EVENTS[0], 1.0)
    journal.close()
    with sqlite3.connect(tmp_path / "journal.db") as database:
        database.execute("UPDATE events SET payload = ?", (payload,))
    database.close()
    with pytest.raises(JournalError, match="wix-wants"):
        journal.find(entry.site, entry.domain)
