"""Writing into the journal for many domains at a time: few commits, nobody's event lost, nobody kept from his by another's."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from wixsend.errors import Busy, JournalError
from wixsend.events import Agreed, HostFound, Intended, Planned, WixWants
from wixsend.flow import Stage
from wixsend.journal import Entry, Journal, Kept
from wixsend.names import absolute
from wixsend.records import WHOLE, Record, Snapshot, Zone
from wixsend.scribe import Together
from wixsend.tables import cases

MANY = 40
WANTS = WixWants("id", ())


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(f"sqlite:///{tmp_path / 'journal.db'}", tmp_path)
    yield opened
    opened.close()


@pytest.fixture
def commits(journal: Journal) -> list[int]:
    """One for each commit."""
    seen: list[int] = []
    sa.event.listen(journal.database.engine, "commit", lambda _connection: seen.append(1))
    return seen


def begun(journal: Journal, count: int = MANY) -> list[Entry]:
    return [journal.open_case("main", absolute(f"d{n}.example")) for n in range(count)]


async def test_what_comes_together_takes_few_commits(journal: Journal, commits: list[int]) -> None:
    entries, scribe = begun(journal), Together(journal)
    commits.clear()
    asked = await asyncio.gather(*(scribe.append(entry, 1.0, WANTS) for entry in entries))
    found = await asyncio.gather(*(scribe.append(entry, 2.0, HostFound(entry.domain, "p", "a", "asked")) for entry in asked))
    assert [entry.case.stage for entry in found] == [Stage.PLANNING] * MANY
    assert journal.entries() == found
    assert len(commits) <= MANY // 4


async def test_only_who_came_too_late_is_told_so(journal: Journal) -> None:
    entries, scribe = begun(journal), Together(journal)
    journal.append(entries[7], WANTS, 1.0)
    results = await asyncio.gather(*(scribe.append(entry, 2.0, WANTS) for entry in entries), return_exceptions=True)
    late = [place for place, result in enumerate(results) if isinstance(result, Busy)]
    assert late == [7]
    assert "d7.example" in str(results[7])
    assert {entry.seq for entry in journal.entries()} == {1}


async def test_an_event_is_written_though_nobody_waits_for_it_any_more(journal: Journal) -> None:
    entries, scribe = begun(journal), Together(journal)
    tasks = [asyncio.create_task(scribe.append(entry, 1.0, WANTS)) for entry in entries]
    await asyncio.sleep(0)
    for task in tasks:
        task.cancel()
    assert all(isinstance(result, asyncio.CancelledError) for result in await asyncio.gather(*tasks, return_exceptions=True))
    await scribe.drained()
    assert {entry.case.stage for entry in journal.entries()} == {Stage.LOCATING}


async def test_a_journal_that_cannot_be_written_is_told_to_each(journal: Journal) -> None:
    entries, scribe = begun(journal, 3), Together(journal)
    with journal.database.writing() as connection:
        connection.execute(sa.text("ALTER TABLE events RENAME TO away"))
    results = await asyncio.gather(*(scribe.append(entry, 1.0, WANTS) for entry in entries), return_exceptions=True)
    assert all(isinstance(result, JournalError) and result.next_step for result in results)
    with journal.database.writing() as connection:
        connection.execute(sa.text("ALTER TABLE away RENAME TO events"))
    assert (await scribe.append(entries[0], 1.0, WANTS)).seq == 1


async def test_a_zone_is_put_away_with_what_is_about_to_be_sent_and_names_it(journal: Journal, tmp_path: Path, commits: list[int]) -> None:
    entries, scribe = begun(journal, 5), Together(journal)
    entries = [journal.append(entry, WANTS, 1.0) for entry in entries]
    zones = [Snapshot(Zone(entry.domain), (Record(entry.domain, "A", "192.0.2.1"),), WHOLE) for entry in entries]
    kept = [Kept(entry.id, "p", "a", zone, 1.0) for entry, zone in zip(entries, zones, strict=True)]
    commits.clear()
    events = (HostFound(absolute("d.example"), "p", "a", "asked"), Planned("digest"), Agreed("digest"), Intended((), 0))
    wrote = await asyncio.gather(*(scribe.append(entry, 2.0, *events, kept=one) for entry, one in zip(entries, kept, strict=True)))
    assert len(commits) <= 2
    assert journal.entries() == wrote
    for entry, zone in zip(wrote, zones, strict=True):
        assert (entry.seq, entry.case.stage) == (5, Stage.WRITING)
        backup = journal.backup(entry.case.snapshot)
        assert backup is not None
        assert (backup.case_id, backup.snapshot.zone.apex, backup.snapshot.records) == (entry.id, entry.domain, zone.records)
    assert len(list((tmp_path / "backups").glob("*.json"))) == 5


async def test_a_zone_is_not_put_away_for_a_case_that_another_process_went_on_with(journal: Journal, tmp_path: Path) -> None:
    (entry,), scribe = begun(journal, 1), Together(journal)
    journal.append(entry, WANTS, 1.0)
    kept = Kept(entry.id, "p", "a", Snapshot(Zone(entry.domain), (), WHOLE), 1.0)
    with pytest.raises(Busy):
        await scribe.append(entry, 2.0, Intended((), 0), kept=kept)
    assert not journal.backups()
    assert not list((tmp_path / "backups").iterdir())


async def test_what_the_columns_say_is_what_the_fold_says(journal: Journal) -> None:
    entries, scribe = begun(journal), Together(journal)
    await asyncio.gather(*(scribe.append(entry, 1.0, WANTS) for entry in entries))
    with journal.database.reading() as connection:
        shown = {(row.seq, row.stage) for row in connection.execute(sa.select(cases))}
    assert shown == {(1, Stage.LOCATING.value)}
