"""Floor 4. A plugin's open account as the engine uses it: awaitable, a few calls at a time, raising only our errors.

`Adapter` hides whether the plugin's provider is asynchronous or blocking, and holds it to what it promised: an answer about another
zone, with records that are not in the zone, or one that leaves out a name that was asked for, is an error here and never reaches a plan.
No message that leaves it holds a secret of the account, whatever the vendor or the plugin put into it.
"""

import asyncio
import copy
import hashlib
import inspect
import json
from collections.abc import Awaitable, Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Self

from wixsend.errors import Busy, ConfigError, PluginBroken, QuotaError, RateLimited, Unavailable, WixsendError
from wixsend.names import Name, text
from wixsend.plan import Edit
from wixsend.provider import BlockingProvider, Credentials, Provider, ProviderPlugin, Receipt, ZonePage, translate
from wixsend.records import Granularity, Snapshot, Zone
from wixsend.redact import Redactor

if TYPE_CHECKING:
    from wixsend.quota import Quota
    from wixsend.wire import HttpWire

__all__ = ["OVERLAP", "Adapter", "Read"]

OVERLAP = 16
"""Calls of one asynchronous provider at a time: enough to hide the way to the vendor, far below any connection limit."""

type Read = Callable[[Zone, frozenset[Name]], Awaitable[Snapshot]]
"""What a zone holds at some names, asked of somebody else than its host."""

_AT_ONCE = 0.5
"""Seconds that the write of a whole zone may wait for the quota: what was read must not grow old meanwhile."""


class Adapter:
    """One open account at a DNS host.

    Every method raises a `ProviderError`, or a `ConfigError` (`PluginBroken` where the plugin breaks the contract); the vendor's own
    exception is chained.

    At most `OVERLAP` calls of an asynchronous provider are made at a time. A blocking provider gets one thread of its own: its calls
    never overlap, one that waits for that thread and is cancelled is never made, and one that runs cannot be stopped. Whoever cancelled
    it, or ran out of time, must take its outcome as unknown, and hold on to the zone until `idle()` returns. The next call starts after it.

    `settle` is how many seconds an edit may take to show in the host's answers: the plugin's, until whoever opens the account knows better.
    `opened_with` is a digest of the base URL and the credentials. It is as secret as they are, since short ones can be guessed from it.
    """

    def __init__(
        self,
        plugin: ProviderPlugin,
        provider: Provider | BlockingProvider,
        label: str = "",
        redactor: Redactor | None = None,
        quota: "Quota | None" = None,
        opened_with: bytes = b"",
    ) -> None:
        self.plugin = plugin
        self.settle = plugin.settle
        self.label = label or plugin.label
        self.opened_with = opened_with
        self._redactor = redactor or Redactor()
        self._provider = provider
        self._read: Read | None = None
        self._quota = quota
        self._thread = None if inspect.iscoroutinefunction(provider.zone) else ThreadPoolExecutor(1, f"wixsend-{plugin.name}")
        self._turn = asyncio.Semaphore(OVERLAP if self._thread is None else 1)

    @classmethod
    def open(cls, plugin: ProviderPlugin, credentials: Credentials, wire: "HttpWire", label: str = "") -> Self:
        """Open the account the way that its credentials are for, which imports the vendor's SDK: this may block for a second."""
        redactor = Redactor()
        for each in plugin.fields:
            if each.secret and each.name in credentials:
                redactor.learn(each.name, credentials[each.name])
        plugin = plugin.way(credentials)
        try:
            return cls(plugin, plugin.opens(credentials, wire), label, redactor, wire.quota, _digest(wire.base_url, credentials))
        except WixsendError as wrong:
            raise _cleaned(wrong, redactor) from wrong.__cause__
        except (Exception, SystemExit) as wrong:
            raise PluginBroken(
                f"the plugin {plugin.name} cannot open an account: {redactor.said(f'{type(wrong).__name__}: {wrong}')}",
                f"Install it again (wixsend[{plugin.name}]), or report it to its author.",
            ) from wrong

    def reading(self, read: "Read") -> Self:
        """The same account, whose zones are read otherwise than by asking it."""
        other = copy.copy(self)
        other._read = read
        return other

    async def zone(self, apex: Name) -> tuple[Zone, ...]:
        """Every zone with exactly this apex that the account can see."""
        zones = await self._ask(self._provider.zone, apex)
        self._promised(_are(Zone, zones), f"answered no zones when asked for {text(apex)}")
        for zone in zones:
            self._promised(zone.apex == apex, f"answered {text(zone.apex)} when asked for the zone {text(apex)}")
        return tuple(zones)

    @property
    def width(self) -> int:
        """How many zones it is worth working on at one time: one where calls queue, or where a plan must not grow old."""
        return 1 if self._thread is not None or self.plugin.granularity is Granularity.ZONE else OVERLAP

    @property
    def lists_zones(self) -> bool:
        """True when the plugin can list the account's zones."""
        return hasattr(self._provider, "zones")

    async def zones(self, page: str = "") -> ZonePage:
        """One page of the zones that the account lists (`ListsZones`). Only for a plugin that `lists_zones`."""
        lister: Any = self._provider
        found = await self._ask(lister.zones, page)
        listed = isinstance(found, ZonePage) and _are(Zone, found.zones) and isinstance(found.following, str)
        self._promised(listed, "answered no page of zones when asked for one")
        return ZonePage(tuple(found.zones), found.following)

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """What is at these names, or in the whole zone: `Snapshot.covers` says which, and covers every name asked for."""
        snapshot: Snapshot = await (self._read(zone, names) if self._read else self._ask(self._provider.read, zone, names))
        self._promised(isinstance(snapshot, Snapshot), f"answered no snapshot when asked for {text(zone.apex)}")
        self._promised(snapshot.zone.apex == zone.apex, f"read the zone {text(snapshot.zone.apex)} when asked for {text(zone.apex)}")
        for name in names:
            self._promised(snapshot.covered(name), f"did not say what is at {text(name)} in {text(zone.apex)}")
        stray = next((record for record in snapshot.records if not record.owner.is_subdomain(zone.apex)), None)
        if stray is not None:
            raise translate(Unavailable(f"{self.label} says that {stray} is in the zone {text(zone.apex)}"), (), self.label, writing=False)
        return snapshot

    async def write(self, edit: Edit) -> Receipt:
        """Make this edit, with one call of the provider's `write`. `ValueError` for an edit without changes, which is never written."""
        if not edit:
            raise ValueError("an edit without changes is never written")
        if self._quota is not None and self.plugin.granularity is Granularity.ZONE:
            await self._quota.ready(within=_AT_ONCE)
        receipt = await self._ask(self._provider.write, edit, writing=True)
        return receipt if isinstance(receipt, Receipt) else Receipt()

    async def ready(self, calls: int) -> None:
        """Wait until so many calls can be made without a pause: where a whole zone is replaced by what was just read, and nowhere else."""
        if self._quota is not None and self.plugin.granularity is Granularity.ZONE:
            await self._quota.ready(calls)

    async def close(self) -> None:
        """Free what was opened, after a call that still runs. Call it once."""
        if self._quota is not None:
            self._quota.interrupt()
        try:
            await self._translated(self._run(self._provider.close), writing=False)
        finally:
            if self._thread is not None:
                self._thread.shutdown(wait=False)

    async def idle(self) -> None:
        """Return when no call of a blocking provider runs any more, abandoned ones included. Nobody can abandon an asynchronous one."""
        if self._thread is not None:
            await self._run(lambda: None)

    async def _ask(self, method: Callable[..., Any], *args: Any, writing: bool = False) -> Any:
        async with self._turn:
            return await self._translated(self._do(method, *args), writing)

    async def _translated(self, answer: Awaitable[Any], writing: bool) -> Any:
        try:
            return await answer
        except ConfigError as wrong:
            raise _cleaned(wrong, self._redactor) from wrong.__cause__
        except (Exception, SystemExit) as wrong:
            stopped = next((cause for cause in _causes(wrong) if isinstance(cause, Busy | QuotaError) or self._is_shut(cause)), None)
            if stopped is not None:  # an SDK takes whatever stops its request for the network's failure
                raise stopped from None
            told = translate(wrong, self._provider.errors, self.label, writing, self._redactor)
            if isinstance(told, RateLimited) and self._quota is not None:
                self._quota.pause(told.retry_after)
            raise told from wrong

    def _is_shut(self, cause: BaseException) -> bool:
        """True where no call was made, because the vendor has said so earlier: it has not said it again."""
        if self._quota is None:
            return False
        from wixsend.quota import Shut

        return isinstance(cause, Shut)

    async def _do(self, method: Callable[..., Any], *args: Any) -> Any:
        if self._thread is None or self._quota is None:
            return await self._run(method, *args)
        await self._quota.ready()  # a thread is lent to whoever can use it
        try:
            return await self._run(self._resumed, method, *args)
        except asyncio.CancelledError:
            self._quota.interrupt()
            raise

    def _resumed(self, method: Callable[..., Any], *args: Any) -> Any:
        assert self._quota is not None
        self._quota.resume()
        return method(*args)

    async def _run(self, method: Callable[..., Any], *args: Any) -> Any:
        if self._thread is not None:
            # In the caller's context: the wire asks there for the last word before a request.
            return await asyncio.get_running_loop().run_in_executor(self._thread, copy_context().run, method, *args)
        answer = method(*args)
        return await answer if inspect.isawaitable(answer) else answer

    def _promised(self, kept: bool, otherwise: str) -> None:
        if not kept:
            raise PluginBroken(f"{self.label}: the plugin {self.plugin.name} {otherwise}", "Report it to the plugin's author.")


def _causes(wrong: BaseException) -> Iterator[BaseException]:
    """The exception, and those that it came from."""
    seen: set[int] = set()
    cause: BaseException | None = wrong
    while cause is not None and id(cause) not in seen:
        seen.add(id(cause))
        yield cause
        cause = cause.__cause__ or cause.__context__


def _digest(base_url: str, credentials: Credentials) -> bytes:
    return hashlib.sha256(json.dumps([base_url, sorted(credentials.items())]).encode()).digest()


def _are(kind: type, values: object) -> bool:
    return isinstance(values, Sequence) and all(isinstance(value, kind) for value in values)


def _cleaned(wrong: WixsendError, redactor: Redactor) -> WixsendError:
    """The error of ours that a plugin raised, its words cleaned."""
    return type(wrong)(redactor.clean(wrong.happened), redactor.clean(wrong.next_step), retry_after=wrong.retry_after)
