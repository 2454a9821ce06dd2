"""The fault matrix in small: every trouble once where it hurts most; and that the harness itself can fail."""

import sqlite3
import subprocess
import sys
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import ClassVar

import pytest

from wixsend.testing.broken import DropsARow, Remembers, RetriesBlindly
from wixsend.testing.example import PLUGIN
from wixsend.testing.example.adapter import ExampleProvider
from wixsend.testing.example.sandbox import ExampleHost
from wixsend.testing.example.variants import ZONE, ExampleZoneHost
from wixsend.testing.fakes import Request, Response
from wixsend.testing.faults import TROUBLES, Combination, Job, Medium, Step, Subject, Trouble, Verdict, matrix, quick, survive
from wixsend.testing.tap import DRIVER_SAYS, Tap

COMMAND = Path(__file__).parents[1] / "benchmarks" / "faults.py"
HURTS_MOST = {Medium.HOST: "write", Medium.WIX: "authenticate", Medium.DNS: "authority CNAME", Medium.JOURNAL: "commit"}


@cache
def combinations(subject: Subject) -> list[Combination]:
    return matrix([subject])


def pick(subject: Subject, job: Job, trouble: Trouble, kind: str, medium: Medium = Medium.HOST) -> Combination:
    """The last of the job's calls of that kind, with that trouble."""
    found = [c for c in combinations(subject) if (c.job, c.trouble, c.step.medium) == (job, trouble, medium) and c.step.kind == kind]
    return found[-1]


def trouble(name: str) -> Trouble:
    return next(one for one in TROUBLES if one.name == name)


def applicable(job: Job) -> list[tuple[Trouble, Medium]]:
    """Every trouble with the medium that it hurts most; an undo does not ask Wix."""
    pairs = [(one, min(one.media, key=[Medium.HOST, Medium.WIX, Medium.DNS, Medium.JOURNAL].index)) for one in TROUBLES]
    return pairs if job is Job.AUTHENTICATE else [(one, medium) for one, medium in pairs if medium is Medium.HOST]


def cells(job: Job) -> list[object]:
    return [pytest.param(one, medium, id=f"{one.name}-{medium}") for one, medium in applicable(job)]


@pytest.mark.parametrize(("one", "medium"), cells(Job.AUTHENTICATE))
def test_the_job_survives(one: Trouble, medium: Medium) -> None:
    host = next(iter(one.only), "namecheap")
    held(survive(pick(Subject(host), Job.AUTHENTICATE, one, HURTS_MOST[medium], medium)))


@pytest.mark.parametrize(("one", "medium"), cells(Job.UNDO_REPLACE))
def test_an_undo_survives(one: Trouble, medium: Medium) -> None:
    host = next(iter(one.only), "godaddy")
    held(survive(pick(Subject(host), Job.UNDO_REPLACE, one, "write", medium)))


@pytest.mark.parametrize("name", ["lost reply", "429, Retry-After", "500", "wrong shape, done", "stale read", "killed, done"])
def test_every_way_into_a_host_survives(name: str) -> None:
    first, *others = Subject.all_of("godaddy")
    assert str(first) == "godaddy" and ["version 3" in str(other) for other in others] == [True]
    for subject in others:
        held(survive(pick(subject, Job.REPLACE, trouble(name), "write")))


def held(verdict: Verdict) -> None:
    assert verdict.met, verdict
    assert verdict.survived, verdict
    in_the_window = verdict.combination.trouble.editor and verdict.combination.subject.name == "namecheap"
    assert bool(verdict.window) == bool(in_the_window), verdict


# -- the harness itself ------------------------------------------------------------------------------------------------


def example(opens: type[ExampleProvider] = ExampleProvider, fake: type[ExampleHost] = ExampleHost) -> Subject:
    return Subject("example", given=(replace(PLUGIN, opens=opens), fake))


def lost(subject: Subject, name: str, kind: str = "write", job: Job = Job.AUTHENTICATE) -> str:
    return "\n".join(survive(pick(subject, job, trouble(name), kind)).lost)


def test_a_sound_plugin_survives_what_catches_the_broken_ones() -> None:
    assert not lost(example(), "lost reply")
    assert not lost(example(), "500")


def test_a_write_that_is_sent_again_blindly_is_seen() -> None:
    assert "while the zone was as wanted" in lost(example(RetriesBlindly), "lost reply")


def test_a_read_from_memory_is_seen() -> None:
    assert "while the zone was as wanted" in lost(example(Remembers), "lost reply")


def test_a_plugin_that_harms_a_zone_without_any_trouble_is_not_tried_at_all() -> None:
    subject = Subject("example", given=(replace(ZONE, opens=DropsARow), ExampleZoneHost))
    with pytest.raises(AssertionError, match=r"authenticate at example does not succeed without any trouble: drifted: .*\n    lost: "):
        matrix([subject])


class ForgetfulHost(ExampleHost):
    """Loses a row, or its settings, when it is asked for more than a run without trouble asks."""

    asked: int = 0
    forgets: ClassVar = "row"

    def handle(self, request: Request) -> Response:
        self.asked += 1
        if self.asked == 4:
            for zone in self._zones.values():
                if self.forgets == "row":
                    zone["records"] = zone["records"][1:]
                else:
                    zone["zone_settings"] = {"mail": "lost"}
        return super().handle(request)


class HostWithoutSettings(ForgetfulHost):
    forgets: ClassVar = "settings"


def test_a_lost_row_is_seen() -> None:
    found = lost(example(fake=ForgetfulHost), "500")
    assert "a row is gone or changed" in found
    assert "at the end a row is missing" in found


def test_lost_settings_are_seen() -> None:
    assert "the zone's settings are" in lost(example(fake=HostWithoutSettings), "500")


def test_a_call_that_never_comes_is_no_success() -> None:
    one = pick(example(), Job.AUTHENTICATE, trouble("500"), "write")
    verdict = survive(replace(one, step=Step(Medium.HOST, 99, "write")))
    assert (verdict.met, verdict.survived) == (False, True)


def test_every_combination_has_its_number_each_time() -> None:
    first, again = combinations(example()), matrix([example()])
    assert list(map(str, first)) == list(map(str, again))
    assert [one.number for one in first] == list(range(1, len(first) + 1))


def test_the_quick_share_has_each_trouble_at_each_kind_of_call_and_what_a_write_does_unseen_in_an_undo_too() -> None:
    def cell(one: Combination) -> tuple[object, ...]:
        unseen = {"lost reply", "truncated", "killed", "killed, done", "editor adds", "editor removes"}
        told_wrongly = one.trouble.name in unseen or one.trouble.name.endswith(", done")
        undoes = one.job.undoes and ((one.step.kind == "write" and told_wrongly) or one.trouble.name == "stale read")
        return one.trouble.name, one.step.medium, one.step.kind, undoes

    every = combinations(example())
    chosen = list(map(cell, quick(every)))
    assert set(chosen) == set(map(cell, every))
    assert len(chosen) == len(set(chosen))


def test_a_host_that_there_is_not_is_no_matrix_that_was_survived() -> None:
    done = subprocess.run([sys.executable, str(COMMAND), "--host", "nohost"], capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2
    assert "Nothing is tried at 'nohost'; there are: cloudflare, " in done.stderr and not done.stdout


def test_the_command_tries_one_by_its_number_and_fails_when_it_is_lost() -> None:
    code = f"""
import sys
sys.path.insert(0, {str(COMMAND.parent)!r})
import faults
from dataclasses import replace
from wixsend.testing.broken import RetriesBlindly
from wixsend.testing.example import PLUGIN
from wixsend.testing.example.sandbox import ExampleHost
from wixsend.testing.faults import Subject, matrix
subject = Subject("example", given=(replace(PLUGIN, opens=RetriesBlindly), ExampleHost))
faults.subjects = lambda: [subject]
found = [c for c in matrix([subject]) if c.job == "authenticate" and c.step.kind == "write" and c.trouble.name in sys.argv[1:]]
sys.argv[1:] = ["--only", str(found[0].number)]
sys.exit(faults.main())
"""
    for name, status, said in (("lost reply", 1, "LOST a write"), ("503", 0, "survived")):
        done = subprocess.run([sys.executable, "-c", code, name], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == status, done.stdout + done.stderr
        assert said in done.stdout


# -- the tap on the journal says what SQLite says ----------------------------------------------------------------------


def fails(connection: sqlite3.Connection, *statements: str) -> str:
    with pytest.raises(sqlite3.OperationalError) as wrong:
        for statement in statements:
            connection.execute(statement)
    return str(wrong.value)


def test_the_tap_says_what_sqlite_says(tmp_path: Path) -> None:
    path = tmp_path / "real.db"
    with sqlite3.connect(path, timeout=0, autocommit=True) as one, sqlite3.connect(path, timeout=0, autocommit=True) as other:
        one.execute("CREATE TABLE t (x)")
        one.execute("BEGIN IMMEDIATE")
        locked = fails(other, "INSERT INTO t VALUES (1)")
        one.execute("ROLLBACK")
        full = fails(one, "PRAGMA max_page_count = 2", "INSERT INTO t VALUES (zeroblob(100000))")
        read_only = fails(one, "PRAGMA query_only = ON", "INSERT INTO t VALUES (1)")
    one.close()
    other.close()
    assert {"disk full": full, "read-only": read_only, "locked": locked} == DRIVER_SAYS


def test_the_tap_counts_statements_and_commits(tmp_path: Path) -> None:
    import sqlalchemy as sa

    with Tap(3, "disk full") as tap:
        engine = sa.create_engine(f"sqlite:///{tmp_path / 'x.db'}")
        with engine.begin() as connection:
            connection.execute(sa.text("CREATE TABLE t (x)"))
            connection.execute(sa.text("INSERT INTO t VALUES (1)"))
            with pytest.raises(sa.exc.OperationalError, match="database or disk is full"):
                connection.execute(sa.text("UPDATE t SET x = 2"))
        engine.dispose()
    assert tap.calls == ["create t", "insert t", "update t", "commit"]
    assert tap.met
