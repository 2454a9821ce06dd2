"""Floor 5. What a run will need, before anything of it is done: where each domain belongs, how many calls that takes, and how long.

Reads only: Wix is asked for the domain, DNS for the zone and its host, the accounts for their zones. What will need a person is named,
as the run itself would find it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import batched

from wixsend.bulk import IN_FLIGHT, Worlds
from wixsend.errors import Refused, WixsendError
from wixsend.locate import Located, Locator, Outside
from wixsend.names import SendingDomain
from wixsend.plugins import Plugins
from wixsend.provider import ProviderPlugin, Rate
from wixsend.quota import Quota, Use, kept
from wixsend.records import Granularity
from wixsend.sending import WixStatus
from wixsend.wix import RATE

__all__ = ["SETTLING", "WIX_CALLS", "Forecast", "Load", "Outlook", "Prospect", "Wanted", "calls_for", "look_ahead", "seconds_for"]

WIX_CALLS = 3
"""For one domain: the question, authenticate, and the question that confirms it."""

_HOST_CALLS = {Granularity.RECORD: 2, Granularity.RRSET: 3, Granularity.ZONE: 3}
"""For one domain whose zone was listed: read, write, and look again where the host's answer is no proof."""

_AT_ONCE = 1000
"""Domains that a task is made for at one time."""

_UNUSED = Use()

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


@dataclass(frozen=True, slots=True)
class Prospect:
    """One domain's outlook. `code`, `why` and `next_step` are those of the error that it would stop with."""

    wanted: Wanted
    outlook: Outlook
    host: str = ""
    account: str = ""
    code: str = ""
    why: str = ""
    next_step: str = ""


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


async def look_ahead(
    wanted: Sequence[Wanted],
    worlds: Worlds,
    plugins: Plugins,
    budgets: Callable[[], Mapping[str, Quota]],
    tell: Callable[[int], None] = lambda _done: None,
) -> Forecast:
    """The forecast for a list. `budgets` are those of the accounts that were opened, by their names; `tell` is told how many domains have
    been looked at."""
    room = asyncio.Semaphore(IN_FLIGHT)
    done = 0

    async def one(want: Wanted) -> Prospect:
        nonlocal done
        async with room:
            prospect = await _prospect(want, worlds)
        done += 1
        tell(done)
        return prospect

    prospects = [prospect for some in batched(wanted, _AT_ONCE) for prospect in await asyncio.gather(*(one(want) for want in some))]
    return Forecast(tuple(prospects), await _loads(prospects, worlds, plugins, budgets()))


async def _prospect(want: Wanted, worlds: Worlds) -> Prospect:
    try:
        outside = worlds.at(want.wix, want.site)
        if (await outside.wix.query(want.domain)).status is WixStatus.AUTHENTICATED:
            return Prospect(want, Outlook.DONE)
        return await _placed(want, outside)
    except WixsendError as wrong:
        return Prospect(want, Outlook.STUCK, code=wrong.code, why=wrong.happened, next_step=wrong.next_step)


async def _placed(want: Wanted, outside: Outside) -> Prospect:
    located: Located = await Locator(outside, want.provider, want.account).locate(want.domain.name)
    if located.provider == "wix":
        return Prospect(want, Outlook.FOLLOWED, why=located.why)
    if located.account is None:
        return Prospect(want, Outlook.BY_HAND, why=located.why, next_step="wixsend plan DOMAIN prints the records to add.")
    placed = {"host": located.provider, "account": located.account.name}
    if located.zone is not None and located.zone.problem:
        step = "Mend this at the host, then run the command again."
        return Prospect(want, Outlook.STUCK, **placed, code=Refused.code, why=located.zone.problem, next_step=step)
    return Prospect(want, Outlook.READY, **placed)


async def _loads(prospects: Iterable[Prospect], worlds: Worlds, plugins: Plugins, budgets: Mapping[str, Quota]) -> tuple[Load, ...]:
    """What each budget will be used for, the slowest first."""
    ready = [prospect for prospect in prospects if prospect.outlook is Outlook.READY]
    shared: dict[object, list[tuple[str, str, int]]] = {}
    for (host, account), domains in Counter((prospect.host, prospect.account) for prospect in ready).items():
        shared.setdefault(budgets[account].identity, []).append((host, account, domains))
    found = [await _host_load(plugins.get(together[0][0]), together, budgets) for together in shared.values()]
    sites = Counter((prospect.wanted.wix, prospect.wanted.site) for prospect in ready)
    for profile in {profile for profile, _site in sites}:
        found.append(await _wix_load(profile, {site: domains for (asked, site), domains in sites.items() if asked == profile}, worlds))
    return tuple(sorted(found, key=lambda load: -load.seconds))


async def _host_load(plugin: ProviderPlugin, together: Sequence[tuple[str, str, int]], budgets: Mapping[str, Quota]) -> Load:
    """Of accounts at one host whose calls are counted together."""
    domains = sum(count for _host, _account, count in together)
    quota, calls = budgets[together[0][1]], domains * calls_for(plugin)
    names = ", ".join(account for _host, account, _count in together)
    return Load(f"{plugin.label} ({names})", domains, calls, seconds_for(calls, quota.rates, await quota.use()))


async def _wix_load(profile: str, sites: Mapping[str, int], worlds: Worlds) -> Load:
    """Of the sites of a profile, each of which has a budget of its own: the one with the most domains takes longest."""
    site = max(sites, key=lambda site: sites[site])
    quota = worlds.at(profile, site).wix.quota
    rates, use = (quota.rates, await quota.use()) if quota is not None else (kept((RATE,)), Use())
    domains = sum(sites.values())
    return Load(f"Wix {profile}".rstrip(), domains, domains * WIX_CALLS, seconds_for(sites[site] * WIX_CALLS, rates, use))


def calls_for(plugin: ProviderPlugin) -> int:
    """How many calls of a host's API one domain takes, whose zone was listed."""
    return _HOST_CALLS[plugin.granularity]


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
