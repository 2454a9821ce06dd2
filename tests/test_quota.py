"""The record of calls: in memory, in a file that processes share, in PostgreSQL. Its clock runs fast; no test measures time."""

import asyncio
import hashlib
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from pathlib import Path

import pytest

import callers
from callers import RATES, SECRET
from postgres import either
from wixsend.errors import QuotaError, RateLimited, Unavailable
from wixsend.provider import Rate
from wixsend.quota import Quota, Quotas, Use, kept

SPEED = 10.0
"""Seconds of the record's clock in one second."""

type Opens = Callable[[], Quotas]


@pytest.fixture(params=["file", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return either(request, tmp_path / "quota.db")


@pytest.fixture
async def opens(url: str) -> AsyncIterator[Opens]:
    opened: list[Quotas] = []

    def open_it() -> Quotas:
        opened.append(Quotas(url, speed=SPEED))
        return opened[-1]

    yield open_it
    for quotas in opened:
        await quotas.close()


def budget(quotas: Quotas) -> Quota:
    return quotas.quota("host", kept(RATES), secret=[SECRET])


async def until(so: Callable[[], bool]) -> None:
    """Let others work until it is so."""
    async with asyncio.timeout(20):
        while not so():  # noqa: ASYNC110 - it is no event of ours
            await asyncio.sleep(0.001)


def most_in(times: list[int], seconds: float) -> int:
    """The most calls in any so many seconds."""
    ordered = sorted(times)
    return max(sum(begin <= at < begin + seconds * 1000 for at in ordered) for begin in ordered)


def caller(url: str, calls: int) -> "subprocess.Popen[str]":
    """A process that calls so often."""
    words = [sys.executable, callers.__file__, url, str(SPEED), str(calls)]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True)


def test_several_processes_never_go_over_any_rate(url: str) -> None:
    processes = [caller(url, 10) for _ in range(3)]
    times = [int(line) for process in processes for line in process.communicate(timeout=60)[0].split()]
    assert len(times) == 30
    assert most_in(times, RATES[0].seconds) == RATES[0].calls, "as many as are allowed, and not one more"
    assert most_in(times, RATES[1].seconds) <= RATES[1].calls


async def test_what_was_called_counts_after_a_restart(opens: Opens) -> None:
    first = opens()
    await asyncio.gather(*(budget(first).take() for _ in range(10)))
    await first.close()
    again = budget(opens())
    assert len((await again.use()).spent) == 10
    with pytest.raises(RateLimited, match="nothing was sent") as raised:
        await again.ready(within=1.0)
    assert raised.value.retry_after is not None
    assert 1.0 < raised.value.retry_after <= 10.3
    assert len((await again.use()).spent) == 10, "who does not wait is not counted"


async def test_a_process_that_is_killed_leaves_its_calls_counted(url: str, opens: Opens) -> None:
    killed = caller(url, 12)
    assert killed.stdout is not None
    for _ in range(10):
        killed.stdout.readline()
    killed.kill()
    killed.communicate()
    assert len((await budget(opens()).use()).spent) >= 10


async def test_credentials_with_two_names_are_one_budget_and_no_secret_is_kept(opens: Opens) -> None:
    quotas = opens()
    await quotas.quota("host", RATES, secret=[SECRET]).take()
    assert len((await quotas.quota("host", RATES, secret=[SECRET]).use()).spent) == 1
    assert not (await quotas.quota("host", RATES, secret=["another token"]).use()).spent
    assert not (await quotas.quota("host", RATES).use()).spent


def test_nothing_in_the_file_is_a_secret(tmp_path: Path) -> None:
    quotas = Quotas(f"sqlite:///{tmp_path / 'quota.db'}", tmp_path)
    budget(quotas).take_blocking()
    kept_there = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert b"host:" in kept_there
    assert SECRET.encode() not in kept_there
    assert hashlib.sha256(SECRET.encode()).hexdigest().encode() not in kept_there, "nor what anybody can compare with"
    assert (tmp_path / "quota.db").stat().st_mode & 0o077 == 0
    asyncio.run(quotas.close())


async def test_a_vendor_that_says_when_to_come_back_is_left_alone_by_all(opens: Opens) -> None:
    one, other = budget(opens()), budget(opens())
    await one.take()
    one.pause(20.0)
    assert 15.0 < (await one.use()).shut <= 20.0
    with pytest.raises(RateLimited) as raised:
        await other.ready(within=5.0)
    assert 5.0 < (raised.value.retry_after or 0.0) <= 20.0
    shut = (await other.use()).shut
    one.pause(1.0)
    assert (await other.use()).shut > shut - 5.0, "a shorter time does not open a door"
    assert budget(opens()).rates == kept(RATES)
    assert (await budget(opens()).use()).shut > 0.0, "a restart does not, either"


async def test_who_waits_already_waits_on_when_the_vendor_says_so(opens: Opens) -> None:
    one, other = budget(opens()), budget(opens())
    await asyncio.gather(*(one.take() for _ in range(10)))
    waiting = [asyncio.create_task(one.take()) for _ in range(3)]
    await until(lambda: one.waits is not None)
    other.pause(30.0)
    closed = await other.use()
    opened_at = time.time() * SPEED * 1000 + closed.shut * 1000 - 1000
    slots = await asyncio.gather(*waiting)
    assert min(slot.at for slot in slots) >= opened_at


async def test_who_no_longer_waits_gives_his_place_back(opens: Opens) -> None:
    quota = budget(opens())
    await asyncio.gather(*(quota.take() for _ in range(10)))
    waiting = asyncio.create_task(quota.take())
    await until(lambda: quota.waits is not None)
    assert 0.0 < (quota.waits or 0.0) <= 10.3 / SPEED
    assert len((await quota.use()).spent) == 11
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert len((await quota.use()).spent) == 10
    assert quota.waits is None


async def test_a_thread_that_waits_can_be_called_back(opens: Opens) -> None:
    quota = budget(opens())
    await asyncio.gather(*(quota.take() for _ in range(10)))
    quota.pause(36000.0)
    waiting = asyncio.create_task(asyncio.to_thread(quota.take_blocking))
    await until(lambda: quota.waits is not None)
    quota.interrupt()
    with pytest.raises(Unavailable, match="nothing was sent"):
        await waiting
    assert len((await quota.use()).spent) == 10
    quota.resume()


async def test_calls_that_belong_together_are_made_without_a_pause(opens: Opens) -> None:
    quota = budget(opens())
    await asyncio.gather(*(quota.take() for _ in range(9)))
    with pytest.raises(RateLimited):
        await quota.ready(2, within=1.0)
    await quota.ready(1, within=1.0)
    assert len((await quota.use()).spent) == 10
    await quota.ready(1, within=0.0)
    assert len((await quota.use()).spent) == 10, "one call is ready, and no second one is asked for"


async def test_a_call_that_was_not_made_in_time_is_counted_anew(opens: Opens) -> None:
    quota = budget(opens())
    await quota.ready()
    first = (await quota.use()).spent[0]
    await asyncio.sleep(0.1)  # a second of the record's clock
    await quota.take()
    spent = (await quota.use()).spent
    assert len(spent) == 1
    assert spent[0] > first - 0.5


async def test_what_a_late_sleeper_has_lost_is_not_given_to_him_again(opens: Opens) -> None:
    quota = opens().quota("host", kept([Rate(10, 100.0)]))
    quota.pause(2.0)
    ready = asyncio.create_task(quota.ready())
    await until(lambda: quota.waits is not None)
    time.sleep(0.4)  # noqa: ASYNC251 - the event loop was busy: two seconds of the record's clock too late
    await ready
    await asyncio.sleep(0.2)
    now = time.time() * SPEED * 1000
    assert (await quota.take()).at >= now - 3000, "a call is counted as one of the last three seconds: the windows are that much longer"


async def test_an_answer_that_took_its_time_counts_when_it_came(opens: Opens) -> None:
    quota = budget(opens())
    slot = await quota.take()
    await asyncio.sleep(0.1)
    before = (await quota.use()).spent[0]
    quota.made(slot)
    assert (await quota.use()).spent[0] > before


async def test_a_clock_that_was_set_back_blocks_nobody_for_hours(tmp_path: Path) -> None:
    """The record is five hours ahead: as it looks after the clock was set back."""
    url = f"sqlite:///{tmp_path / 'quota.db'}"
    quotas = Quotas(url, speed=SPEED)
    quota = budget(quotas)
    await asyncio.gather(*(quota.take() for _ in range(10)))
    quota.pause(12.0)
    before = await quota.use()
    with closing(sqlite3.connect(tmp_path / "quota.db")) as record, record:
        record.execute("UPDATE quota_calls SET at = at + 18000000")
        record.execute("UPDATE quota_budgets SET seen = seen + 18000000, shut = shut + 18000000")
    after = await quota.use()
    assert len(after.spent) == 10
    assert after.spent == pytest.approx(before.spent, abs=2.0)
    assert after.shut == pytest.approx(before.shut, abs=2.0)
    await quotas.close()


async def test_old_calls_are_forgotten(tmp_path: Path) -> None:
    quotas = Quotas(f"sqlite:///{tmp_path / 'quota.db'}", speed=SPEED)
    await budget(quotas).take()
    with closing(sqlite3.connect(tmp_path / "quota.db")) as record, record:
        record.execute("UPDATE quota_calls SET at = at - 3600000")
    await quotas.close()
    again = Quotas(f"sqlite:///{tmp_path / 'quota.db'}", speed=SPEED)
    await budget(again).use()
    with closing(sqlite3.connect(tmp_path / "quota.db")) as record:
        assert record.execute("SELECT count(*) FROM quota_calls").fetchone() == (0,)
    await again.close()


# -- a record that fails -----------------------------------------------------------------------------------------------


def failing(url: str, folder: Path | None = None) -> QuotaError:
    quotas = Quotas(url, folder, patience=0.05)
    with pytest.raises(QuotaError) as raised:
        budget(quotas).take_blocking()
    with pytest.raises(QuotaError):
        asyncio.run(budget(quotas).take())
    asyncio.run(quotas.close())
    return raised.value


def test_a_damaged_file_stops_every_call(tmp_path: Path) -> None:
    (tmp_path / "quota.db").write_bytes(b"no database " * 1000)
    error = failing(f"sqlite:///{tmp_path / 'quota.db'}")
    assert str(tmp_path / "quota.db") in error.happened
    assert "move it away" in error.next_step


def test_a_locked_file_stops_every_call(tmp_path: Path) -> None:
    with closing(sqlite3.connect(tmp_path / "quota.db")) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert "Another process" in failing(f"sqlite:///{tmp_path / 'quota.db'}").next_step


def test_a_full_disk_stops_every_call(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'quota.db'}"
    quotas = Quotas(url)
    wide = quotas.quota("host", [Rate(100000, 60.0)])
    wide.take_blocking()
    pages: int = quotas.submit(lambda connection: connection.exec_driver_sql("PRAGMA page_count").scalar_one()).result()
    quotas.submit(lambda connection: connection.exec_driver_sql(f"PRAGMA max_page_count={pages}")).result()
    with pytest.raises(QuotaError, match="full") as raised:
        for _ in range(1000):
            wide.take_blocking()
    assert "room" in raised.value.next_step
    asyncio.run(quotas.close())


def test_a_folder_in_its_place_stops_every_call(tmp_path: Path) -> None:
    (tmp_path / "quota.db").mkdir()
    assert "cannot be opened" in failing(f"sqlite:///{tmp_path / 'quota.db'}").next_step


def test_a_server_that_is_not_there_stops_every_call_and_shows_no_password(tmp_path: Path) -> None:
    error = failing(f"postgresql+psycopg://me:s3cret-word@/postgres?host={tmp_path}")
    assert "s3cret-word" not in error.happened + error.next_step


# -- rates -------------------------------------------------------------------------------------------------------------


def test_a_reserve_is_left_to_others() -> None:
    assert [rate.calls for rate in kept([Rate(1200, 300.0)], 1 / 6)] == [1000]
    assert [rate.calls for rate in kept([Rate(1, 60.0)], 0.9)] == [1], "one call is always ours"
    assert kept([Rate(20, 60.0), Rate(10, 1.0)]) == (Rate(20, 61.8), Rate(10, 1.25))


async def test_a_vendor_without_known_rates_is_not_waited_for_until_it_says_so(opens: Opens) -> None:
    quota = opens().quota("unknown", ())
    for _ in range(30):
        await quota.take()
    assert await quota.use() == Use()
    quota.pause()
    assert 50.0 < (await quota.use()).shut <= 60.0
