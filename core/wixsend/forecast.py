"""Floor 5. What a run will need, before anything of it is done: where each domain belongs, how many calls that takes, and how long.

Reads only: Wix is asked for the domain, DNS for the zone and its host, the accounts for their zones. What will need a person is named,
as the run itself would find it.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import batched

from wixsend.bulk import IN_FLIGHT, Worlds
from wixsend.errors import Refused, WixsendError
from wixsend.locate import Located, Locator, Outside
from wixsend.names import SendingDomain
from wixsend.plugins import Plugins
from wixsend.provider import ProviderPlugin, Rate
from wixsend.records import Granularity
from wixsend.sending import WixStatus
from wixsend.wix import RATE

__all__ = ["SETTLING", "WIX_CALLS", "Forecast", "Load", "Outlook", "Prospect", "Wanted", "calls_for", "loads", "look_ahead", "seconds_for"]

WIX_CALLS = 3
"""For one domain: the question, authenticate, and the question that confirms it."""

_HOST_CALLS = {Granularity.RECORD: 2, Granularity.RRSET: 3, Granularity.ZONE: 3}
"""For one domain whose zone was listed: read, write, and look again where the host's answer is no proof."""

_AT_ONCE = 1000
"""Domains that a task is made for at one time."""

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
    """What one credential will be used for: `seconds` are what its quota makes of that many calls."""

    who: str
    domains: int
    calls: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Forecast:
    """What is to be expected of a list. `seconds` are what the slowest credential's quota takes: the earliest end."""

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
    wanted: Sequence[Wanted], worlds: Worlds, plugins: Plugins, tell: Callable[[int], None] = lambda _done: None
) -> Forecast:
    """The forecast for a list. `tell` is told how many domains have been looked at."""
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
    return Forecast(tuple(prospects), loads(prospects, plugins))


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


def loads(prospects: Iterable[Prospect], plugins: Plugins) -> tuple[Load, ...]:
    """What each credential will be used for, the slowest first."""
    ready = [prospect for prospect in prospects if prospect.outlook is Outlook.READY]
    hosts = Counter((prospect.host, prospect.account) for prospect in ready)
    sites = Counter(prospect.wanted.wix for prospect in ready)
    found = [_host_load(plugins.get(host), account, count) for (host, account), count in hosts.items()]
    found += [_load(f"Wix {profile}".rstrip(), count, WIX_CALLS, (RATE,)) for profile, count in sites.items()]
    return tuple(sorted(found, key=lambda load: -load.seconds))


def calls_for(plugin: ProviderPlugin) -> int:
    """How many calls of a host's API one domain takes, whose zone was listed; the most, where the host has several ways."""
    return max(_HOST_CALLS[way.granularity] for way in plugin.ways)


def _host_load(plugin: ProviderPlugin, account: str, domains: int) -> Load:
    return _load(f"{plugin.label} ({account})", domains, calls_for(plugin), plugin.quota)


def _load(who: str, domains: int, calls: int, rates: Sequence[Rate]) -> Load:
    return Load(who, domains, domains * calls, seconds_for(domains * calls, rates))


def seconds_for(calls: int, rates: Sequence[Rate]) -> float:
    """How many seconds pass until the last of so many calls may be made, when all rates hold at once and none was used before."""
    if not rates or calls <= 0:
        return 0.0
    *shorter, longest = sorted(rates, key=lambda rate: rate.seconds)
    full = (calls - 1) // longest.calls
    return full * longest.seconds + seconds_for(calls - full * longest.calls, shorter)
