"""Floor 5. What a run will need, before anything of it is done: where each domain belongs, how many calls that takes, and how long.

Reads only: Wix is asked for the domain, DNS for the zone and its host, the accounts for their zones. What will need a person is named,
as the run itself would find it.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import batched

from wixsend.bulk import IN_FLIGHT, Worlds
from wixsend.engine import Preview
from wixsend.errors import Refused, WixRateLimited, WixsendError, WixUnavailable
from wixsend.flow import Stage
from wixsend.locate import Located, Locator, Outside
from wixsend.names import SendingDomain
from wixsend.plugins import Plugins
from wixsend.provider import ProviderPlugin, Rate
from wixsend.quota import Budget, Use, kept
from wixsend.records import Granularity
from wixsend.runs import AT_HOST, Group, Left
from wixsend.sending import WixStatus
from wixsend.survey import objected
from wixsend.wix import RATE

__all__ = [
    "SETTLING",
    "WIX_CALLS",
    "Budgets",
    "Forecast",
    "Load",
    "Look",
    "Outlook",
    "Prospect",
    "Wanted",
    "calls_for",
    "loads",
    "loads_left",
    "look_ahead",
    "seconds_for",
]

WIX_CALLS = 3
"""For one domain: the question, authenticate, and the question that confirms it."""

_HOST_CALLS = {Granularity.RECORD: 2, Granularity.RRSET: 3, Granularity.ZONE: 3}
"""For one domain whose zone was listed: read, write, and look again where the host's answer is no proof."""

_AT_ONCE = 1000
"""Domains that a task is made for at one time."""

_UNUSED = Use()
_WIX = Budget("wix", kept((RATE,)))

SETTLING = 3600.0
"""Seconds that Wix itself advises to wait for DNS (facts: wix-api.md); usually it takes minutes."""


class Outlook(StrEnum):
    """What is to be expected of a domain."""

    READY = "can be done"
    DONE = "authenticated already"
    FOLLOWED = "Wix serves the zone and adds the records itself"
    BY_HAND = "somebody has to add the records by hand"
    STUCK = "somebody has to mend something first"


@dataclass(frozen=True, slots=True)
class Wanted:
    """One domain of a list, as its row says it; `site` is the journal's."""

    line: int
    domain: SendingDomain
    site: str
    wix: str = ""
    provider: str = ""
    account: str = ""
    dmarc: str = ""


@dataclass(frozen=True, slots=True)
class Prospect:
    """One domain's outlook. `code`, `why` and `next_step` are those of the error that it would stop with; `passing`, that may pass."""

    wanted: Wanted
    outlook: Outlook
    host: str = ""
    account: str = ""
    code: str = ""
    why: str = ""
    next_step: str = ""
    passing: bool = False


@dataclass(frozen=True, slots=True)
class Load:
    """What one budget will be used for: `seconds` are what is left of its quota makes of that many calls."""

    who: str
    domains: int
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected of a list. `seconds` are what the slowest budget takes: the earliest end."""

    prospects: tuple[Prospect, ...]
    loads: tuple[Load, ...]

    @property
    def seconds(self) -> float:
        return max((load.seconds for load in self.loads), default=0.0)

    @property
    def in_need(self) -> list[Prospect]:
        """The domains that somebody has to do something for."""
        return self.of(Outlook.STUCK, Outlook.BY_HAND)

    def of(self, *outlooks: Outlook) -> list[Prospect]:
        """The domains with one of these outlooks."""
        return [prospect for prospect in self.prospects if prospect.outlook in outlooks]


type Look = Callable[[Wanted, Outside], Awaitable[Preview]]
"""Reads the zone of one domain, and makes its plan."""


async def look_ahead(
    wanted: Sequence[Wanted],
    worlds: Worlds,
    plugins: Plugins,
    budgets: Callable[[], Awaitable[Mapping[str, Budget]]],
    tell: Callable[[int], None] = lambda _done: None,
    look: Look | None = None,
) -> Forecast:
    """The forecast for a list. `tell` is told how many domains have been looked at; with `look`, each zone is read, and judged.

    What a failure that may pass kept from being looked at is looked at once more in the end. `budgets` are those of the accounts that were
    opened.
    """
    room = asyncio.Semaphore(IN_FLIGHT)
    done = 0

    async def one(want: Wanted, before: Prospect | None = None) -> Prospect:
        nonlocal done
        async with room:
            prospect = await _prospect(want, worlds, look, before)
        done += 1
        tell(min(done, len(wanted)))
        return prospect if before is None or prospect.code != before.code else before

    prospects = [prospect for some in batched(wanted, _AT_ONCE) for prospect in await asyncio.gather(*map(one, some))]
    for some in batched([place for place, prospect in enumerate(prospects) if prospect.passing], _AT_ONCE):
        for place, again in zip(some, await asyncio.gather(*(one(wanted[place], prospects[place]) for place in some)), strict=True):
            prospects[place] = again
    return Forecast(tuple(prospects), loads(prospects, plugins, await budgets()))


_WIX_AWAY = frozenset({WixRateLimited.code, WixUnavailable.code})
"""What a look failed with that had no answer of Wix."""


async def _prospect(want: Wanted, worlds: Worlds, look: Look | None, before: Prospect | None) -> Prospect:
    """One look; what an earlier one learnt of Wix, whose calls are few, is not asked again."""
    try:
        outside = worlds.at(want.wix, want.site)
        if look is not None:
            return await _judged(want, outside, look)
        asks = before is None or before.code in _WIX_AWAY
        if asks and (await outside.wix.query(want.domain)).status is WixStatus.AUTHENTICATED:
            return Prospect(want, Outlook.DONE)
        return await _placed(want, outside)
    except WixsendError as wrong:
        return Prospect(want, Outlook.STUCK, code=wrong.code, why=wrong.happened, next_step=wrong.next_step, passing=wrong.transient)


async def _placed(want: Wanted, outside: Outside) -> Prospect:
    """Where the records belong. A zone whose own servers are dead is of no use to anybody, whoever holds it."""
    located = await Locator(outside, want.provider, want.account).locate(want.domain.name)
    prospect = _outlook(want, located)
    if prospect.outlook in (Outlook.READY, Outlook.BY_HAND):
        await outside.dns.served(located.delegation)
    return prospect


async def _judged(want: Wanted, outside: Outside, look: Look) -> Prospect:
    preview = await look(want, outside)
    if preview.wix.status is WixStatus.AUTHENTICATED:
        return Prospect(want, Outlook.DONE)
    if preview.located is None:
        return await _placed(want, outside)
    found = _outlook(want, preview.located)
    if found.outlook is not Outlook.READY or not preview.objections:
        return found
    refused = objected(preview.objections)
    return replace(found, outlook=Outlook.STUCK, code=refused.code, why=refused.happened, next_step=refused.next_step)


def _outlook(want: Wanted, located: Located) -> Prospect:
    if located.provider == "wix":
        return Prospect(want, Outlook.FOLLOWED, why=located.why)
    if located.account is None:
        return Prospect(want, Outlook.BY_HAND, why=located.why, next_step="wixsend plan DOMAIN prints the records to add.")
    placed = Prospect(want, Outlook.READY, located.provider, located.account.name)
    if located.zone is not None and located.zone.problem:
        step = "Mend this at the host, then run the command again."
        return replace(placed, outlook=Outlook.STUCK, code=Refused.code, why=located.zone.problem, next_step=step)
    return placed


type Budgets = Mapping[str, Budget]
"""By the account's name, and `wix` or `wix PROFILE`; of an account that is not there nothing is taken to be used."""


def loads_left(groups: Iterable[Group], left: Left, plugins: Plugins, budgets: Budgets) -> list[Load]:
    """What each budget will still be used for, as far as is known; nothing for Wix once all that is left has to wait."""
    at_hosts = Counter[tuple[str, str]]()
    for group in groups:
        if group.stage in AT_HOST and group.host:
            at_hosts[group.host, group.account] += group.count
    found = _host_loads(at_hosts, plugins, budgets)
    if found or any(group.stage is Stage.ASKING for group in groups):
        found.append(_load("Wix (the site with most domains)", left.at_one_site, left.at_one_site, WIX_CALLS, _WIX))
    return found


def loads(prospects: Iterable[Prospect], plugins: Plugins, budgets: Budgets) -> tuple[Load, ...]:
    """What each budget will be used for, the slowest first."""
    ready = [prospect for prospect in prospects if prospect.outlook is Outlook.READY]
    found = _host_loads(Counter((prospect.host, prospect.account) for prospect in ready), plugins, budgets)
    sites = Counter((prospect.wanted.wix, prospect.wanted.site) for prospect in ready)
    for profile in dict.fromkeys(profile for profile, _site in sites):
        counts = [count for (other, _site), count in sites.items() if other == profile]
        # Wix counts by site: those of a profile do not wait for each other.
        budget = budgets.get(f"wix {profile}".rstrip(), _WIX)
        found.append(_load(f"Wix {profile}".rstrip(), sum(counts), max(counts), WIX_CALLS, budget))
    return tuple(sorted(found, key=lambda load: -load.seconds))


def _host_loads(counts: Mapping[tuple[str, str], int], plugins: Plugins, budgets: Budgets) -> list[Load]:
    """Those of accounts at hosts, by how many domains each has to write; accounts whose calls are counted together are one."""
    together: dict[object, list[str]] = {}
    found: dict[object, tuple[ProviderPlugin, Budget, int]] = {}
    for (host, account), count in counts.items():
        plugin = plugins.get(host)
        budget = budgets.get(account) or Budget((host, account), kept(plugin.quota, plugin.reserve))
        together.setdefault(budget.identity, []).append(account)
        found[budget.identity] = plugin, budget, count + found.get(budget.identity, (plugin, budget, 0))[2]
    return [
        _load(f"{plugin.label} ({', '.join(together[identity])})", domains, domains, calls_for(plugin), budget)
        for identity, (plugin, budget, domains) in found.items()
    ]


def calls_for(plugin: ProviderPlugin) -> int:
    """How many calls of a host's API one domain takes, whose zone was listed; the most, where the host has several ways."""
    return max(_HOST_CALLS[way.granularity] for way in plugin.ways)


def _load(who: str, domains: int, waiting: int, calls: int, budget: Budget) -> Load:
    """Of so many domains with so many calls each, of which no more than `waiting` wait for each other."""
    return Load(who, domains, domains * calls, seconds_for(waiting * calls, budget.rates, budget.use))


def seconds_for(calls: int, rates: Sequence[Rate], use: Use = _UNUSED) -> float:
    """How many seconds pass until the last of so many calls may be made, when all rates hold at once and `use` was made of them."""
    if calls <= 0:
        return 0.0
    if not rates:
        return use.shut
    longest = max(rates, key=lambda rate: rate.seconds)
    full = (calls - 1) // longest.calls
    made, at = list(use.spent), use.shut
    for _ in range(calls - full * longest.calls):
        at = max([at, *(made[-rate.calls] + rate.seconds for rate in rates if len(made) >= rate.calls)])
        made.append(at)
    return at + full * longest.seconds
