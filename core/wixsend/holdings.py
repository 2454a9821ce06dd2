"""Floor 5. Which account holds which zone, asked as seldom as can be.

For one domain each account is asked for its zone. For many, each account lists its zones once, page by page as far as it takes, and only
what no page shows, or shows otherwise than the world sees it, is asked for. A page that does not come keeps nobody: the listing goes on
from there a little later. An account that fails keeps nobody from the zones of the others; one that would answer every question with the
same refusal is closed for a while.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from wixsend.adapters import Adapter
from wixsend.errors import (
    ConfigError,
    CredentialsRejected,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Unavailable,
    WixsendError,
    ZoneNotHeld,
)
from wixsend.events import Stopped
from wixsend.names import Name
from wixsend.provider import ZonePage
from wixsend.quota import patient
from wixsend.records import Zone
from wixsend.verdict import Delegation
from wixsend.zonepages import KeptPage, Place

__all__ = ["Account", "Held", "Holdings", "Pages"]

_AGE = 3600.0
"""Seconds for which a listing is believed, from its first page on. What has come since is asked for; what has gone is an error of the first
read."""

_TRIES = 3
"""How often a page is asked for at once: most of what fails does not fail twice."""

_REST = 5.0
"""Seconds for which a listing rests whose page did not come: longer than most troubles that pass. Zones that it does not show yet are asked
for one by one meanwhile, so that much longer would cost more calls than it spares."""

_AGAIN = 60.0
"""Seconds for which one rests that was refused: the same question has the same answer until somebody has mended something."""

_APART = 60.0
"""Seconds by which clocks of processes may differ. What was read at a moment further ahead was read before a clock was set back."""

_MOST = 10_000
"""Pages of a listing: no account has as many, and pages without end would be read for ever."""

_ASKED = 600.0
"""Seconds for which a zone that was found is not asked for again."""

_CLOSED = 600.0
"""Seconds for which an account is closed. A process that goes on for weeks then finds out that somebody has mended it."""

_CLOSING: Mapping[str, type[ProviderError]] = {kind.code: kind for kind in (CredentialsRejected, QuotaExhausted)}
"""What an account answers every question with, when it has answered one so."""


class Account(Protocol):
    """One named account at a DNS host."""

    @property
    def name(self) -> str: ...
    @property
    def plugin_name(self) -> str: ...


class Pages(Protocol):
    """Where pages of listings are kept for other processes (`wixsend.zonepages.ZonePages`). Thread-safe; may block."""

    def find(self, place: Place, since: float, until: float) -> KeptPage | None: ...
    def keep(self, place: Place, kept: KeptPage, since: float, until: float) -> None: ...
    def forget(self, account: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Held:
    """A zone, and the open account that holds it."""

    account: Account
    adapter: Adapter
    zone: Zone


@dataclass(slots=True)
class _Listing:
    """The pages of an account's zones that have come: when the first did, what each was asked for with, what the next one is (`None`: there
    is none), and the zones of all by apex. It rests for a while after one that did not come.
    """

    began: float = 0.0
    asked: list[str] = field(default_factory=list)
    following: str | None = ""
    zones: dict[Name, dict[tuple[str, str], Zone]] = field(default_factory=dict)
    rests: float = 0.0
    since: float = 0.0

    def add(self, page: ZonePage, at: float) -> None:
        """The next page. A zone that is on two, because others came or went meanwhile, is one."""
        if not self.asked:
            self.began = at
        self.asked.append(self.following or "")
        self.following = page.following or None
        for zone in page.zones:
            self.zones.setdefault(zone.apex, {})[zone.ref, zone.account] = zone

    def lacks(self, apex: Name, now: float) -> bool:
        """True when another page could show this apex, and may be asked for now."""
        return self.following is not None and apex not in self.zones and not 0 <= now - self.since < self.rests

    def leads_on(self, page: ZonePage) -> bool:
        """False for a page that leads back to where the listing has been, or on without an end."""
        return not page.following or (page.following not in (*self.asked, self.following) and len(self.asked) < _MOST)

    def rest(self, seconds: float, now: float) -> None:
        """Ask for no page for a while."""
        self.rests, self.since = seconds, now


@dataclass(slots=True)
class _Ledger:
    """What is known of one account: its listing, and when one was last forgotten; what it was asked for; what closed it, until when."""

    listing: _Listing = field(default_factory=_Listing)
    forgot: float = 0.0
    asked: dict[Name, tuple[float, list[Held]]] = field(default_factory=dict)
    closed: Stopped | None = None
    closed_until: float = 0.0
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Holdings:
    """Remembers for as long as it lives. `opens` opens an account, the same object each time; `lists` says that listings are worth it.

    Pages of listings that other processes read are taken from `kept`, and put there for them. `patience` is for how many seconds one waits
    for an account whose vendor has said that it was asked too often; where it takes longer, that is a `RateLimited` with the time.
    """

    def __init__(
        self,
        opens: Callable[[Account], Awaitable[Adapter]],
        now: Callable[[], float],
        *,
        lists: bool = False,
        kept: Pages | None = None,
    ) -> None:
        self.lists = lists
        self.kept = kept
        self.patience = math.inf
        self._opens = opens
        self._now = now
        self._ledgers: dict[str, _Ledger] = {}

    async def holders(self, accounts: Sequence[Account], delegation: Delegation) -> list[Held]:
        """Every zone of the delegation's apex in these accounts.

        When there is none, what kept an account from answering is raised: a `ProviderError`, or the `ConfigError` that it cannot be opened.
        """
        asked = await asyncio.gather(*(self._listed(account, delegation) for account in accounts))
        listed = [held for found in asked if isinstance(found, list) for held in found]
        if listed:
            return listed
        failures = [found for found in asked if isinstance(found, WixsendError)]
        able = [account for account, found in zip(accounts, asked, strict=True) if not isinstance(found, WixsendError)]
        answers = await asyncio.gather(*(self._held(account, delegation.apex) for account in able))
        held = [one for answer in answers if isinstance(answer, list) for one in answer]
        failures += [answer for answer in answers if isinstance(answer, WixsendError)]
        if not held and failures:
            raise failures[0]
        return held

    async def stopped(self, account: str, apex: Name, stop: Stopped) -> None:
        """What stopped a domain of this zone at this account.

        What would stop the others too closes the account: they are told the same, and nobody asks. Where the zone is not held although
        the account's listing shows it, the listing is old: it is forgotten, though not again and again for a host that goes on listing
        what it does not hold.
        """
        self._close(account, stop)
        ledger, now = self._ledger(account), self._now()
        if stop.error != ZoneNotHeld.code:
            return
        ledger.asked.pop(apex, None)
        if ledger.listing.zones.pop(apex, None) is not None and not 0 <= now - ledger.forgot < _AGAIN:
            ledger.listing, ledger.forgot = _Listing(), now
            if self.kept is not None:
                await asyncio.to_thread(self.kept.forget, account)

    def _close(self, account: str, stop: Stopped) -> None:
        ledger, now = self._ledger(account), self._now()
        if stop.error in _CLOSING and now >= ledger.closed_until:
            ledger.closed, ledger.closed_until = stop, now + _CLOSED

    async def _listed(self, account: Account, delegation: Delegation) -> list[Held] | WixsendError:
        """What the account's listing shows of the apex as the world sees it; nothing proves nothing."""
        ledger = self._ledger(account.name)
        try:
            adapter = await self._opened(account)
            if not self.lists or not adapter.lists_zones:
                return []
            listing = self._listing(ledger)
            if delegation.apex not in listing.zones:
                async with ledger.turn:
                    self._must_be_open(ledger)  # it may have been closed, while another domain had its turn
                    listing = await self._read_on(account, self._listing(ledger), adapter, delegation.apex)
        except _ITS_OWN as wrong:
            return self._failed(account, wrong)
        found = listing.zones.get(delegation.apex, {}).values()
        return [Held(account, adapter, zone) for zone in found if _as_seen(zone, delegation)]

    def _listing(self, ledger: _Ledger) -> _Listing:
        """The account's listing as far as it has come; a new one, when that is too old."""
        if ledger.listing.asked and not -_APART <= self._now() - ledger.listing.began < _AGE:
            ledger.listing = _Listing()
        return ledger.listing

    async def _read_on(self, account: Account, listing: _Listing, adapter: Adapter, apex: Name) -> _Listing:
        """The listing, after as many more of its pages as it takes to show this apex, or as many as come."""
        while listing.lacks(apex, self._now()):
            try:
                page, at = await self._page(account, listing, adapter)
            except ProviderError as wrong:
                if wrong.code in _CLOSING:
                    raise
                listing.rest(_REST if wrong.transient else _AGAIN, self._now())
            else:
                listing.add(page, at)
        return listing

    async def _page(self, account: Account, listing: _Listing, adapter: Adapter) -> KeptPage:
        """The next page: as another process has put it away, or asked for now, and put away for the others."""
        if self.kept is None:
            return KeptPage(await self._asked_for(listing, adapter), self._now())
        place = Place(account.name, account.plugin_name, adapter.opened_with, len(listing.asked) + 1, listing.following or "")
        found = await asyncio.to_thread(self.kept.find, place, *self._of_now(listing))
        if found is None or not listing.leads_on(found.page):
            found = KeptPage(await self._asked_for(listing, adapter), self._now())
            await asyncio.to_thread(self.kept.keep, place, found, *self._of_now(listing))
        return found

    def _of_now(self, listing: _Listing) -> tuple[float, float]:
        """Between which moments a page was read that belongs to this listing."""
        return listing.began - _APART if listing.asked else self._now() - _AGE, self._now() + _APART

    async def _asked_for(self, listing: _Listing, adapter: Adapter) -> ZonePage:
        """The next page, asked for again at once where it may come then."""
        for _ in range(_TRIES - 1):
            try:
                return await self._ask(listing, adapter)
            except ProviderError as wrong:
                if not wrong.transient or isinstance(wrong, RateLimited):
                    raise
        return await self._ask(listing, adapter)

    async def _ask(self, listing: _Listing, adapter: Adapter) -> ZonePage:
        with patient(self.patience):
            page = await adapter.zones(listing.following or "")
        if not listing.leads_on(page):
            raise Unavailable(f"{adapter.label}: the pages of the account's zones have no end", "Tell the plugin's author.")
        return page

    async def _held(self, account: Account, apex: Name) -> list[Held] | WixsendError:
        asked = self._ledger(account.name).asked
        until, held = asked.get(apex, (0.0, []))
        if self._now() < until:
            return held
        try:
            adapter = await self._opened(account)
            with patient(self.patience):
                held = [Held(account, adapter, zone) for zone in await adapter.zone(apex)]
        except _ITS_OWN as wrong:
            return self._failed(account, wrong)
        if held:
            asked[apex] = (self._now() + _ASKED, held)
        return held

    async def _opened(self, account: Account) -> Adapter:
        self._must_be_open(self._ledger(account.name))
        return await self._opens(account)

    def _must_be_open(self, ledger: _Ledger) -> None:
        stop = ledger.closed
        if stop is not None and self._now() < ledger.closed_until:
            raise _CLOSING[stop.error](stop.happened, stop.next_step)

    def _failed(self, account: Account, wrong: WixsendError) -> WixsendError:
        self._close(account.name, Stopped(wrong.code, wrong.exit_code, wrong.happened, wrong.next_step))
        return wrong

    def _ledger(self, account: str) -> _Ledger:
        return self._ledgers.setdefault(account, _Ledger())


_ITS_OWN = (ProviderError, ConfigError)
"""What an account can have wrong that is nobody else's concern."""


def _as_seen(zone: Zone, delegation: Delegation) -> bool:
    """True for a listed zone without a problem that is served by what the world is told."""
    return not zone.problem and bool(zone.name_servers) and {server.name for server in delegation.servers} <= set(zone.name_servers)
