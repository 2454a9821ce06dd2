"""The process that lexicon runs in: what reaches it, what comes out of it, and that it always ends."""

import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from wixsend import CredentialsRejected, OutcomeUnknown, Record, absolute
from wixsend.adapters import Adapter
from wixsend.plan import Change, Edit
from wixsend.records import Snapshot, Zone
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_lexicon.fence import Ended, Job, run
from wixsend_lexicon.hosts import hosts
from wixsend_lexicon.sandbox import FakeDirectAdmin

PLUGIN = hosts()["directadmin"].wixsend_provider()
RECORDS = (("em1.example.com", "u1.wl.example.net"), ("s1._domainkey.example.com", "s1.wl.example.net"))
APEX = absolute("example.com")


@pytest.fixture
def panel() -> FakeDirectAdmin:
    panel = FakeDirectAdmin()
    panel.add_zone("example.com")
    return panel


@pytest.fixture
def server(panel: FakeDirectAdmin) -> Iterator[Server]:
    with Server({"panel": panel.handle}) as server:
        yield server


def _job(server: Server, *records: tuple[str, str], deadline: float = 60.0, host: str = "directadmin", domain: str = "example.com") -> Job:
    credentials = {**FakeDirectAdmin.credentials, "endpoint": server.url("panel")}
    return Job(host, domain, credentials, records, timeout=20.0, deadline=deadline)


def _ended(job: Job) -> Ended:
    with pytest.raises(Ended) as raised:
        run(job)
    return raised.value


def _children() -> list[int]:
    """Processes of the bridge that this process started and that are not gone."""
    listed = " ".join(path.read_text() for path in Path("/proc/self/task").glob("*/children"))
    return [int(pid) for pid in listed.split() if b"wixsend_lexicon.child" in Path(f"/proc/{pid}/cmdline").read_bytes()]


def test_records_are_made(server: Server, panel: FakeDirectAdmin) -> None:
    run(_job(server, *RECORDS))
    assert [(str(r.owner), r.rdata) for r in panel.published("example.com")] == [(f"{owner}.", f"{target}.") for owner, target in RECORDS]


def test_a_zone_that_lies_deeper_is_not_taken_for_its_parent(server: Server, panel: FakeDirectAdmin) -> None:
    """lexicon alone would make of mail.example.com the domain example.com."""
    panel.add_zone("mail.example.com")
    run(_job(server, ("em1.mail.example.com", "u1.example.net"), domain="mail.example.com"))
    assert len(panel.published("mail.example.com")) == 1 and not panel.published("example.com")


def test_a_zone_that_is_not_held_is_said(server: Server) -> None:
    error = _ended(_job(server, domain="example.org"))
    assert error.error == "AuthenticationError" and "example.org not found" in str(error)


def test_neither_arguments_nor_environment_hold_a_secret(server: Server, panel: FakeDirectAdmin, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEXICON_DIRECTADMIN_AUTH_PASSWORD", "of-another-account")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("PYTHONPATH", "/nowhere")
    seen: list[bytes] = []

    def look(_request: Request) -> bool:
        seen.extend(Path(f"/proc/{pid}/{part}").read_bytes() for pid in _children() for part in ("cmdline", "environ"))
        return False

    server.faults.add(Fault("empty", match=look))
    run(_job(server, *RECORDS))
    assert seen and any(b"HOME=" in part for part in seen)
    for part in seen:
        assert b"correct-horse" not in part and b"of-another-account" not in part and b"PROXY" not in part and b"PYTHONPATH" not in part


def test_one_that_does_not_end_in_time_is_killed(server: Server) -> None:
    error = _ended(_job(server, *RECORDS, deadline=0.05))
    assert error.error == "Deadline" and error.done is None
    assert _children() == []


def test_a_vendor_that_never_answers_is_not_waited_for(server: Server) -> None:
    """Where lexicon itself would wait for ever: requests are made without a time-out."""
    server.faults.add(Fault("hang", seconds=0.3, match=lambda request: request.path == "/CMD_API_SHOW_DOMAINS"))
    error = _ended(replace(_job(server, *RECORDS), timeout=0.1))
    assert error.error == "ReadTimeout" and error.done == 0


def test_one_that_dies_is_an_end_like_any_other(server: Server, panel: FakeDirectAdmin) -> None:
    def kill(request: Request) -> bool:
        if request.args.get("action") == "add":
            for pid in _children():
                os.kill(pid, signal.SIGKILL)
        return False

    server.faults.add(Fault("empty", match=kill))
    error = _ended(_job(server, *RECORDS))
    assert error.error == "Crash" and error.done is None


def test_a_failure_half_way_says_how_far_it_came(server: Server, panel: FakeDirectAdmin) -> None:
    adds: list[Request] = []

    def second(request: Request) -> bool:
        adds.extend([request] * (request.args.get("action") == "add"))
        return len(adds) == 2

    server.faults.add(Fault("status", status=500, match=second))
    error = _ended(_job(server, *RECORDS))
    assert error.done == 1 and "s1._domainkey.example.com was not created" in str(error)


@pytest.mark.parametrize("body", [b"[[[[", b"[" * 100_000, b"null", b"<html>"], ids=["broken", "deep", "null", "html"])
def test_an_odd_answer_of_the_vendor_is_an_error(server: Server, body: bytes) -> None:
    answer = Response(200, body, {"content-type": "application/json"})
    server.faults.add(Fault("status", status=200, headers=dict(answer.headers), body=body, times=9))
    assert _ended(_job(server, *RECORDS)).done == 0


def test_a_job_shows_no_secret() -> None:
    assert "correct-horse" not in repr(Job("directadmin", "example.com", FakeDirectAdmin.credentials))


async def _write(server: Server, *changes: Change, password: str = "correct-horse-battery") -> None:
    credentials = {**FakeDirectAdmin.credentials, "endpoint": server.url("panel"), "auth_password": password}
    adapter = Adapter.open(PLUGIN, credentials, HttpWire("https://lexicon.invalid"))
    try:
        await adapter.write(Edit(Snapshot(Zone(APEX), (), frozenset()), changes))
    finally:
        await adapter.close()


async def test_half_of_an_edit_is_not_called_undone(server: Server, panel: FakeDirectAdmin) -> None:
    changes = [Change(absolute(owner), add=(Record(absolute(owner), "CNAME", f"{target}."),)) for owner, target in RECORDS]
    panel.habit = "leaks"
    with pytest.raises(OutcomeUnknown) as raised:
        await _write(server, *changes)
    assert "correct-horse" not in str(raised.value)


async def test_a_refusal_before_the_first_record_is_not_a_doubt(server: Server) -> None:
    change = Change(absolute("em1.example.com"), add=(Record(absolute("em1.example.com"), "CNAME", "u1.example.net."),))
    with pytest.raises(CredentialsRejected):
        await _write(server, change, password="another-horse-battery")
