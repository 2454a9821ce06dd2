"""An adapter is awaitable whatever the plugin is, makes few calls at a time, raises only our errors, and believes no broken promise."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from typing import Any

import pytest

from wixsend.adapters import OVERLAP, Adapter
from wixsend.errors import (
    ConfigError,
    CredentialsMissing,
    CredentialsRejected,
    EditRejected,
    OutcomeUnknown,
    PluginBroken,
    ProviderError,
    QuotaError,
    RateLimited,
    Unavailable,
    WixsendError,
)
from wixsend.names import Name, absolute
from wixsend.plan import Edit, Wanted, plan
from wixsend.provider import BlockingProvider, ErrorRule, Provider, Rate, Receipt, translate
from wixsend.quota import Quota, Quotas
from wixsend.records import WHOLE, Granularity, Record, Snapshot, Zone
from wixsend.testing.example import PLUGIN
from wixsend.wire import HttpWire

APEX = absolute("example.com")
ZONE = Zone(APEX)
OURS = Record(absolute("em1", APEX), "CNAME", "u1.sender.example.")
SNAPSHOT = Snapshot(ZONE, (), frozenset({OURS.owner}))
EDIT = plan(SNAPSHOT, Wanted((OURS,), absolute("_dmarc", APEX))).edit


class Vendor(Exception):
    """What the vendor's SDK raises."""


class Blocking:
    """A blocking provider whose calls wait for `gate`, and that knows which thread made them."""

    errors: Sequence[ErrorRule] = (
        ErrorRule(Vendor, CredentialsRejected, lambda error: "key" in str(error), "the key is not known", "Make a new one."),
        ErrorRule(Vendor, RateLimited, lambda error: "slow" in str(error), retry_after=lambda _error: 7.0),
        ErrorRule(Vendor, EditRejected),
    )

    def __init__(self) -> None:
        self.gate = threading.Event()
        self.gate.set()
        self.started = threading.Event()
        self.running = 0
        self.most = 0
        self.made: list[str] = []
        self.threads: set[int] = set()
        self.answer: Any = None

    def _call(self, name: str, answer: Any) -> Any:
        self.running += 1
        self.most = max(self.most, self.running)
        self.threads.add(threading.get_ident())
        self.made.append(name)
        self.started.set()
        assert self.gate.wait(10)
        self.running -= 1
        if isinstance(self.answer, BaseException):
            raise self.answer
        return answer if self.answer is None else self.answer

    def zone(self, apex: Name) -> Sequence[Zone]:
        zones: Sequence[Zone] = self._call("zone", [Zone(apex)])
        return zones

    def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        snapshot: Snapshot = self._call("read", Snapshot(zone, (), names))
        return snapshot

    def write(self, edit: Edit) -> Receipt:
        receipt: Receipt = self._call("write", Receipt(edit.adds))
        return receipt

    def close(self) -> None:
        self._call("close", None)


class Async:
    """The same, asynchronous."""

    def __init__(self) -> None:
        self.inner = Blocking()
        self.errors = self.inner.errors
        self.running = 0
        self.most = 0

    async def _turn(self) -> None:
        self.running += 1
        self.most = max(self.most, self.running)
        await asyncio.sleep(0)
        self.running -= 1

    async def zone(self, apex: Name) -> Sequence[Zone]:
        await self._turn()
        return self.inner.zone(apex)

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        await self._turn()
        return self.inner.read(zone, names)

    async def write(self, edit: Edit) -> Receipt:
        await self._turn()
        return self.inner.write(edit)

    async def close(self) -> None:
        self.inner.close()


@pytest.fixture(params=[Blocking, Async])
def provider(request: pytest.FixtureRequest) -> Blocking | Async:
    made: Blocking | Async = request.param()
    return made


def inner(provider: Blocking | Async) -> Blocking:
    return provider if isinstance(provider, Blocking) else provider.inner


def opened(provider: Provider | BlockingProvider) -> Adapter:
    return Adapter(PLUGIN, provider, "Example DNS (me)")


async def test_both_kinds_answer_alike(provider: Blocking | Async) -> None:
    adapter = opened(provider)
    assert await adapter.zone(APEX) == (ZONE,)
    assert await adapter.read(ZONE, frozenset({APEX})) == Snapshot(ZONE, (), frozenset({APEX}))
    assert await adapter.write(EDIT) == Receipt((OURS,))
    await adapter.close()
    assert inner(provider).made == ["zone", "read", "write", "close"]


async def test_blocking_calls_never_overlap_and_asynchronous_ones_by_no_more_than_is_said(provider: Blocking | Async) -> None:
    adapter = opened(provider)
    await asyncio.gather(*(adapter.zone(APEX) for _ in range(3 * OVERLAP)))
    await adapter.close()
    assert provider.most == (OVERLAP if isinstance(provider, Async) else 1)
    assert len(inner(provider).threads) == 1
    assert (threading.get_ident() in inner(provider).threads) == isinstance(provider, Async), "a blocking call must not block the loop"


async def test_vendor_errors_become_ours_by_the_table(provider: Blocking | Async) -> None:
    adapter = opened(provider)
    cases: list[tuple[str, type[Exception]]] = [("slow", RateLimited), ("bad", EditRejected), ("key", CredentialsRejected)]
    for words, ours in cases:
        inner(provider).answer = Vendor(words)
        with pytest.raises(ours, match=f"Example DNS \\(me\\): .*{words}") as raised:
            await adapter.write(EDIT)
        assert isinstance(raised.value.__cause__, Vendor)
    inner(provider).answer = None
    await adapter.close()


async def test_what_no_rule_knows_is_unavailable_and_when_writing_unknown(provider: Blocking | Async) -> None:
    adapter = opened(provider)
    inner(provider).answer = AttributeError("'str' object has no attribute 'get'")
    with pytest.raises(Unavailable, match="makes no sense"):
        await adapter.zone(APEX)
    with pytest.raises(OutcomeUnknown, match="makes no sense"):
        await adapter.write(EDIT)
    inner(provider).answer = None
    await adapter.close()


async def test_our_own_errors_pass(provider: Blocking | Async) -> None:
    adapter = opened(provider)
    inner(provider).answer = CredentialsMissing("no token")
    with pytest.raises(CredentialsMissing):
        await adapter.zone(APEX)
    inner(provider).answer = None
    await adapter.close()


async def test_an_answer_about_another_zone_is_a_broken_plugin(provider: Blocking | Async) -> None:
    adapter = opened(provider)
    other = Zone(absolute("notexample.com"))
    inner(provider).answer = [other]
    with pytest.raises(PluginBroken, match=r"answered notexample\.com when asked for the zone example\.com"):
        await adapter.zone(APEX)
    inner(provider).answer = replace(SNAPSHOT, zone=other)
    with pytest.raises(PluginBroken, match=r"read the zone notexample\.com when asked for example\.com"):
        await adapter.read(ZONE, frozenset({OURS.owner}))
    inner(provider).answer = None
    await adapter.close()


async def test_an_answer_that_leaves_out_a_name_is_a_broken_plugin(provider: Blocking | Async) -> None:
    adapter = opened(provider)
    inner(provider).answer = SNAPSHOT
    with pytest.raises(PluginBroken, match=r"did not say what is at www\.example\.com"):
        await adapter.read(ZONE, frozenset({OURS.owner, absolute("www", APEX)}))
    inner(provider).answer = None
    await adapter.close()


async def test_nothing_is_never_written(provider: Blocking | Async) -> None:
    adapter = opened(provider)
    with pytest.raises(ValueError, match="never written"):
        await adapter.write(plan(SNAPSHOT, Wanted((), APEX)).edit)
    await adapter.close()
    assert inner(provider).made == ["close"]


async def test_an_abandoned_blocking_call_runs_on_and_the_next_waits_for_it() -> None:
    provider = Blocking()
    adapter = opened(provider)
    provider.gate.clear()
    write = asyncio.create_task(adapter.write(EDIT))
    await asyncio.to_thread(provider.started.wait, 10)
    waiting = asyncio.create_task(adapter.zone(APEX))
    await asyncio.sleep(0)
    for task in (write, waiting):
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
    idle = asyncio.create_task(adapter.idle())
    done, _ = await asyncio.wait([idle], timeout=0.05)
    assert not done, "the zone is still being written to"
    provider.gate.set()
    await idle
    assert await adapter.read(ZONE, frozenset()) == Snapshot(ZONE, (), frozenset())
    await adapter.close()
    assert provider.made == ["write", "read", "close"], "a call that was cancelled before its turn is never made"
    assert provider.most == 1


async def test_a_plugin_that_cannot_open_is_broken() -> None:
    def fails(_credentials: object, _wire: object) -> Provider:
        raise ImportError("no module named example_sdk")

    with pytest.raises(PluginBroken, match="example cannot open an account: ImportError: no module named example_sdk"):
        Adapter.open(replace(PLUGIN, opens=fails), {}, HttpWire("http://127.0.0.1:1"))


SECRET = "ed1f-secret-of-the-account"


def with_secret(provider: Any) -> Adapter:
    plugin = replace(PLUGIN, opens=lambda _credentials, _wire: provider)
    credentials = {field.name: SECRET for field in PLUGIN.credentials}
    return Adapter.open(plugin, credentials, HttpWire("http://127.0.0.1:9"))


@pytest.mark.parametrize(
    "raised",
    [
        Vendor(f"the key {SECRET} is wrong"),
        ValueError(f"x{SECRET}"),
        SystemExit(SECRET),
        Unavailable(f"asked with {SECRET}", f"not with {SECRET}"),
        CredentialsMissing(f"bad: {SECRET}", SECRET),
        Vendor("x" * 490 + SECRET),
    ],
)
async def test_whatever_a_plugin_raises_holds_no_secret_of_its_account(provider: Blocking | Async, raised: BaseException) -> None:
    inner(provider).answer = raised
    adapter = with_secret(provider)
    with pytest.raises(WixsendError) as caught:
        await adapter.zone(APEX)
    assert SECRET[:8] not in str(caught.value) + caught.value.next_step + repr(caught.value)
    assert caught.value.next_step


@pytest.mark.parametrize("raised", [RuntimeError(SECRET), SystemExit(SECRET), CredentialsMissing(SECRET, SECRET)])
def test_a_plugin_that_fails_to_open_shows_no_secret(raised: BaseException) -> None:
    def opens(_credentials: Any, _wire: Any) -> Any:
        raise raised

    with pytest.raises(ConfigError) as caught:
        Adapter.open(replace(PLUGIN, opens=opens), {PLUGIN.credentials[0].name: SECRET}, HttpWire("http://127.0.0.1:9"))
    assert SECRET not in str(caught.value) + caught.value.next_step


@pytest.mark.parametrize("raised", [Vendor("one\n  next: two\x1b[2J\u202e"), Unavailable("one\n  next: two\x1b[2J\u202e"), KeyError("\n")])
async def test_a_vendors_words_are_one_printable_line(provider: Blocking | Async, raised: Exception) -> None:
    inner(provider).answer = raised
    with pytest.raises(ProviderError) as caught:
        await opened(provider).zone(APEX)
    assert caught.value.happened.isprintable()
    assert caught.value.next_step.isprintable()


async def test_a_vendors_words_are_not_repeated_at_any_length(provider: Blocking | Async) -> None:
    inner(provider).answer = Vendor("m" * 100_000)
    with pytest.raises(ProviderError) as caught:
        await opened(provider).zone(APEX)
    assert len(caught.value.happened) < 600


@pytest.mark.parametrize(("said", "waits"), [(7.0, 7.0), (1e300, 86400.0), (float("inf"), 86400.0), (float("nan"), None), (-5.0, None)])
def test_a_wait_is_bounded(said: float, waits: float | None) -> None:
    rule = ErrorRule(Vendor, RateLimited, retry_after=lambda _error: said)
    assert translate(Vendor(), [rule], "X", writing=False).retry_after == waits


def test_a_table_that_fails_makes_the_answer_one_without_sense() -> None:
    rule = ErrorRule(Vendor, RateLimited, retry_after=lambda _error: float("²"))
    assert type(translate(Vendor(), [rule], "X", writing=False)) is Unavailable


async def test_a_record_outside_of_its_zone_never_reaches_a_plan(provider: Blocking | Async) -> None:
    stray = Record(absolute("www.notexample.com"), "A", "192.0.2.1")
    inner(provider).answer = Snapshot(ZONE, (stray,), WHOLE)
    with pytest.raises(Unavailable, match=r"www\.notexample\.com\. A 192\.0\.2\.1"):
        await opened(provider).read(ZONE, frozenset())


@pytest.mark.parametrize("answer", [7, "zones", [None]])
async def test_an_answer_of_another_kind_is_a_broken_promise(provider: Blocking | Async, answer: object) -> None:
    inner(provider).answer = answer
    adapter = opened(provider)
    with pytest.raises(PluginBroken):
        await adapter.zone(APEX)
    with pytest.raises(PluginBroken):
        await adapter.read(ZONE, frozenset())
    assert await adapter.write(EDIT) == Receipt()


# -- quota -------------------------------------------------------------------------------------------------------------


@pytest.fixture
async def quota() -> AsyncIterator[Quota]:
    """Two calls in ten minutes: whoever waits for a third one waits in vain."""
    quotas = Quotas()
    yield quotas.quota("example", (Rate(2, 600.0),))
    await quotas.close()


def counted(provider: Provider | BlockingProvider, quota: Quota, granularity: Granularity = Granularity.RECORD) -> Adapter:
    return Adapter(replace(PLUGIN, granularity=granularity), provider, quota=quota)


async def waits_for(quota: Quota) -> None:
    async with asyncio.timeout(10):
        while quota.waits is None:  # noqa: ASYNC110 - it is no event of ours
            await asyncio.sleep(0.001)


async def test_a_vendor_that_is_asked_too_often_shuts_the_budget(provider: Blocking | Async, quota: Quota) -> None:
    inner(provider).answer = Vendor("slow down")
    with pytest.raises(RateLimited):
        await counted(provider, quota).zone(APEX)
    assert 6.0 < (await quota.use()).shut <= 7.0


async def test_no_thread_is_lent_to_a_call_that_has_to_wait(quota: Quota) -> None:
    provider = Blocking()
    adapter = counted(provider, quota)
    await quota.take()
    await quota.take()
    waiting = asyncio.create_task(adapter.zone(APEX))
    await waits_for(quota)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert not provider.made
    assert len((await quota.use()).spent) == 2
    await adapter.close()


class Twice(Blocking):
    """Makes two calls for one question, as the wire counts them."""

    def __init__(self, quota: Quota) -> None:
        super().__init__()
        self._quota = quota

    def zone(self, apex: Name) -> Sequence[Zone]:
        self._quota.take_blocking()
        self._quota.take_blocking()
        return super().zone(apex)


async def test_a_thread_that_waits_in_the_middle_of_a_call_ends_when_nobody_wants_it(quota: Quota) -> None:
    provider = Twice(quota)
    adapter = counted(provider, quota)
    await quota.take()
    waiting = asyncio.create_task(adapter.zone(APEX))
    await waits_for(quota)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    async with asyncio.timeout(10):
        await adapter.idle()
    assert not provider.made
    await adapter.close()


async def test_an_account_that_is_closed_lets_no_thread_wait(quota: Quota) -> None:
    adapter = counted(Twice(quota), quota)
    await quota.take()
    waiting = asyncio.create_task(adapter.zone(APEX))
    await waits_for(quota)
    async with asyncio.timeout(10):
        await adapter.close()
    with pytest.raises(Unavailable, match="quota"):
        await waiting


async def test_a_whole_zone_is_not_written_after_a_wait(provider: Blocking | Async, quota: Quota) -> None:
    adapter = counted(provider, quota, Granularity.ZONE)
    await quota.take()
    await quota.take()
    with pytest.raises(RateLimited, match="nothing was sent") as refused:
        await adapter.write(EDIT)
    assert 500.0 < (refused.value.retry_after or 0.0) <= 600.0
    assert not inner(provider).made
    waiting = asyncio.create_task(adapter.ready(2))
    await waits_for(quota)
    waiting.cancel()


async def test_other_hosts_need_no_room_before_they_are_read(provider: Blocking | Async, quota: Quota) -> None:
    await counted(provider, quota).ready(2)
    assert not (await quota.use()).spent


async def test_what_cannot_be_counted_is_told_whatever_an_sdk_makes_of_it(provider: Blocking | Async, quota: Quota) -> None:
    wrapped = Vendor("no connection")
    wrapped.__cause__ = QuotaError("the record of calls failed", "Mend it.")
    inner(provider).answer = wrapped
    with pytest.raises(QuotaError, match="the record of calls failed"):
        await counted(provider, quota).zone(APEX)
