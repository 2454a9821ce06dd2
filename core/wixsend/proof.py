"""Floor 4. One look at the world for a proof: who is asked what, and in which order. What the answers mean is in `wixsend.verdict`.

First every authoritative server, for every record that it has not shown at an earlier look; when none of those is missing, for the others
as well, since what follows is decided on what was seen in this look alone. Then what tells apart the ways to be missing, or, where all is
there, whether a resolver that validates would believe it. Only then the public resolvers.
"""

import asyncio
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import chain

from wixsend.dnssec import Keys, bogus, keys, usable
from wixsend.exchange import Exchange, Hoped
from wixsend.names import Name, absolute, text
from wixsend.records import Record
from wixsend.verdict import (
    MOST_HOPS,
    Chain,
    ChainEnd,
    Delegation,
    Kind,
    NameServer,
    Outcome,
    Proof,
    Seen,
    differ,
    judge,
    probes,
    shows,
)
from wixsend.walk import ROOT, Cut, Walker

__all__ = ["Prover"]

_REMEMBERED = 300.0
_BELIEVED = 3600.0
"""Seconds for which a record that was shown is not asked for again while others are waited for."""
_MOST_HELD = 4096
_NEGATIVE = (Outcome.NODATA, Outcome.NXDOMAIN)
_TELLING = (*_NEGATIVE, Outcome.ANSWER)


type _Place = tuple[Record, str, str]
"""A record, and the server and its address where it is looked for."""
type _Shown = Mapping[_Place, Seen]
_NOTHING: _Shown = {}


@dataclass(frozen=True, slots=True)
class _Look:
    """A record hoped for at one address of one server of a zone, and what was seen."""

    hoped: Hoped
    cut: Cut
    server: NameServer
    seen: Seen

    @property
    def shows(self) -> bool:
        return shows(self.seen, self.hoped.record)

    @property
    def place(self) -> _Place:
        return self.hoped.record, self.seen.server, self.seen.address


def _all_show(looks: Sequence[_Look]) -> bool:
    return bool(looks) and all(look.shows for look in looks)


class _Waiting:
    """What domains that wait were already shown, so that only the rest is asked again; for an hour, and of so many domains."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._held: dict[tuple[object, ...], dict[_Place, tuple[float, Seen]]] = {}

    def recall(self, domain: tuple[object, ...]) -> _Shown:
        if not self._held:
            return _NOTHING
        now = self._now()
        return {place: seen for place, (until, seen) in self._held.get(domain, {}).items() if until > now}

    def keep(self, domain: tuple[object, ...], shown: _Shown) -> None:
        """Keep what was shown now, and for no longer than before what was shown before."""
        before, until = self._held.pop(domain, {}), self._now() + _BELIEVED
        if shown:
            same = {place for place, (_until, seen) in before.items() if shown.get(place) is seen}
            _remember(self._held, domain, {place: before[place] if place in same else (until, seen) for place, seen in shown.items()})

    def forget(self, domain: tuple[object, ...]) -> None:
        if self._held:
            self._held.pop(domain, None)


def _remember[K, V](held: dict[K, V], key: K, value: V) -> None:
    """Hold a value, and let go of the oldest where there are too many."""
    held.pop(key, None)
    held[key] = value
    if len(held) > _MOST_HELD:
        del held[next(iter(held))]


class Prover:
    """Looks. `now` is for what is remembered, `clock` says what time signatures are judged at, in seconds since the epoch."""

    def __init__(self, exchange: Exchange, walker: Walker, now: Callable[[], float], clock: Callable[[], float]) -> None:
        self._exchange, self._walker = exchange, walker
        self._now, self._clock = now, clock
        self._ds: dict[Name, tuple[float, tuple[Record, ...]]] = {}
        self._versioned: dict[tuple[Name, str], tuple[float, Seen | None]] = {}
        self._shown = _Waiting(now)

    async def prove(
        self,
        wanted: Sequence[Record],
        delegation: Delegation,
        *,
        resolvers: Sequence[str],
        former: Iterable[Record],
        waited: float,
        beside: Iterable[Name],
        follow: bool,
    ) -> Proof:
        """`wixsend.lookup.Dns.prove`, with the resolvers that it ends with."""
        hopes = [Hoped.of(want) for want in dict.fromkeys(wanted)]
        wanted = [hoped.record for hoped in hopes]
        verdict = partial(judge, wanted, apex=delegation.apex, resolvers=resolvers, former=tuple(former), waited=waited)
        zone = Cut(delegation.apex, delegation.parent, delegation.servers)
        astray = [name for name in beside if name not in delegation.names]
        domain = (delegation.apex, *wanted)
        shown = self._shown.recall(domain)
        looks, seen = await self._first_hand(hopes, zone, astray, shown)
        if shown and (_all_show(looks) or verdict(seen).at_authoritative):  # no resolver is asked on what was seen before
            just_now = {look.place: look.seen for look in looks if look.cut is zone and look.seen is not shown.get(look.place)}
            looks, seen = await self._first_hand(hopes, zone, astray, just_now)
        if not _all_show(looks):
            proof = verdict(seen)
            if not proof.at_authoritative:
                self._shown.keep(domain, {look.place: look.seen for look in looks if look.cut is zone and look.shows})
                return proof
        self._shown.forget(domain)
        unbelieved = await self._bogus(looks)
        if unbelieved:
            return verdict([unbelieved.get(look, look) for look in seen])
        chains = asyncio.gather(*(self._chain(want) for want in wanted if follow and want.rtype == "CNAME"))
        asked = asyncio.gather(*(self._second_hand(address, hopes) for address in resolvers))
        return verdict([*seen, *chain.from_iterable(await asked)], chains=await chains)

    # Authoritative servers

    async def _first_hand(self, hopes: Sequence[Hoped], zone: Cut, beside: Sequence[Name], shown: _Shown) -> tuple[list[_Look], list[Seen]]:
        """Each record at each server of the zone but where it was `shown` before, and what tells apart the ways to be missing."""
        looks = await self._see_all(hopes, zone, shown)
        if _all_show(looks):
            return looks, [look.seen for look in looks]
        looks += await self._beyond(looks)
        seen, wanted = [look.seen for look in looks], [hoped.record for hoped in hopes]
        seen += await self._probe(wanted, seen, zone)
        if differ(wanted, seen):
            seen += await self._versions(looks, zone)
        return looks, [*seen, *await self._astray(looks, beside)]

    async def _see_all(self, hopes: Sequence[Hoped], cut: Cut, shown: _Shown = _NOTHING) -> list[_Look]:
        """Each record at each server of a zone, at each address; what was `shown` stands as it was seen."""
        places = list(self._walker.every(cut.servers))
        looks = await asyncio.gather(*(self._see_some(hopes, cut, server, address, shown) for server, address in places))
        return list(chain.from_iterable(looks))

    async def _see_some(self, hopes: Sequence[Hoped], cut: Cut, server: NameServer, address: str, shown: _Shown) -> list[_Look]:
        before = {hoped: look for hoped in hopes if (look := shown.get((hoped.record, text(server.name), address)))} if shown else {}
        left = [hoped for hoped in hopes if hoped not in before] if before else hopes
        seen = await self._exchange.authority_shows(server, address, cut.apex, left)
        return [_Look(hoped, cut, server, look) for hoped, look in (*zip(left, seen, strict=True), *before.items())]

    async def _beyond(self, looks: Sequence[_Look]) -> list[_Look]:
        """The records whose names are delegated onward, at the servers of those zones."""
        strays = list(dict.fromkeys(look.hoped for look in looks if look.seen.outcome is Outcome.REFERRAL))
        walks = await asyncio.gather(*(self._walker.walk(hoped.record.owner) for hoped in strays))
        beyond = await asyncio.gather(*(self._see_all([hoped], walk.cut) for hoped, walk in zip(strays, walks, strict=True)))
        return [look for looks in beyond for look in looks]

    async def _probe(self, wanted: Sequence[Record], seen: Sequence[Seen], zone: Cut) -> list[Seen]:
        """The answers to `probes`, from the first authoritative server that lacks something."""
        asked = probes(wanted, seen, zone.apex)
        lacking = min((look for look in seen if look.outcome in _TELLING), key=lambda look: _TELLING.index(look.outcome), default=None)
        if lacking is None:
            return []
        server = NameServer(absolute(lacking.server), (lacking.address,))
        return await asyncio.gather(*(self._see(server, lacking.address, zone.apex, q.name, q.rtype) for q in asked))

    async def _versions(self, looks: Sequence[_Look], zone: Cut) -> list[Seen]:
        """Which version of the zone each of its servers serves: said with a denial, else asked for, once for as long as its SOA lives."""
        answering = {(look.server, look.seen.address) for look in looks if look.cut is zone and look.seen.outcome in _TELLING}
        known = {(look.server, look.seen.address) for look in looks if look.seen.serial is not None}
        unknown = sorted(answering - known, key=lambda place: (place[0].name, place[1]))
        return await asyncio.gather(*(self._version(zone.apex, server, address) for server, address in unknown))

    async def _version(self, zone: Name, server: NameServer, address: str) -> Seen:
        until, seen = self._versioned.get((zone, address), (float("-inf"), None))
        if seen is None or until <= self._now():
            seen = await self._see(server, address, zone, zone, "SOA")
            _remember(self._versioned, (zone, address), (self._now() + min(seen.ttl or 0, _REMEMBERED), seen))
        return seen

    async def _astray(self, looks: Sequence[_Look], hosts: Sequence[Name]) -> list[Seen]:
        """The records that no authoritative server has, at servers that the zone is not delegated to."""
        shown = {look.hoped for look in looks if look.shows}
        lacking = {look.hoped: look.cut for look in looks if look.seen.outcome in _NEGATIVE and look.hoped not in shown}
        if not hosts or not lacking:
            return []
        addresses = await asyncio.gather(*map(self._walker.addresses, hosts))
        places = [(NameServer(host, found), address) for host, found in zip(hosts, addresses, strict=True) for address in found[:1]]
        asked = (
            self._exchange.authority_shows(server, address, cut.apex, [hoped])
            for server, address in places
            for hoped, cut in lacking.items()
        )
        return [replace(look, kind=Kind.UNDELEGATED) for look in chain.from_iterable(await asyncio.gather(*asked))]

    async def _see(self, server: NameServer, address: str, zone: Name, name: Name, rtype: str) -> Seen:
        return (await self._exchange.authority(server, address, zone, name, rtype))[0]

    # DNSSEC

    async def _bogus(self, looks: Sequence[_Look]) -> Mapping[Seen, Seen]:
        """The looks that show their record in a way that a resolver that validates would not believe, each with the reason."""
        cuts = list({id(look.cut): look.cut for look in looks}.values())  # by identity: comparing thousands of zones costs more than asking
        signed = {id(cut): ds for cut, ds in zip(cuts, await asyncio.gather(*map(self._signed, cuts)), strict=True) if ds}
        doubtful = [look for look in looks if id(look.cut) in signed and look.shows]
        places = {(look.cut, look.server, look.seen.address): signed[id(look.cut)] for look in doubtful}
        held = dict(zip(places, await asyncio.gather(*(self._keys(*place, ds) for place, ds in places.items())), strict=True))
        judged = await asyncio.gather(*(self._believed(look, held[look.cut, look.server, look.seen.address]) for look in doubtful))
        return {look.seen: replace(look.seen, bogus=fault) for look, fault in zip(doubtful, judged, strict=True) if fault}

    async def _signed(self, cut: Cut) -> tuple[Record, ...]:
        """The DS records by which resolvers know that a zone is signed, all the way from the root; none for one that is not, or unknown."""
        until, held = self._ds.get(cut.apex, (float("-inf"), ()))
        if until > self._now():
            return held
        above = await self._walker.walk(cut.parent)
        if above.silent or (above.cut.apex != ROOT and not await self._signed(above.cut)):
            return ()
        seen, _reply = await self._walker.first(above.cut.apex, above.cut.servers, cut.apex, "DS")
        if seen is None:
            return ()
        held = usable(seen.records)
        _remember(self._ds, cut.apex, (self._now() + min(seen.ttl or 0, _REMEMBERED), held))
        return held

    async def _keys(self, cut: Cut, server: NameServer, address: str, ds: Sequence[Record]) -> Keys | None:
        """The zone's keys as one server shows them; `None` when it does not answer."""
        seen, reply = await self._exchange.authority(server, address, cut.apex, cut.apex, "DNSKEY", dnssec=True)
        return keys(cut.apex, ds, reply.answer, self._clock()) if seen.outcome in _TELLING else None

    async def _believed(self, look: _Look, held: Keys | None) -> str:
        """Why a record is not believed where it is shown; empty when it is, or when it cannot be told."""
        if held is None or held.fault:
            return held.fault if held is not None else ""
        want, server = look.hoped.record, look.server
        _seen, reply = await self._exchange.authority(server, look.seen.address, look.cut.apex, want.owner, want.rtype, dnssec=True)
        return bogus(want.owner, want.rtype, reply.answer, held, self._clock())

    # Resolvers

    async def _second_hand(self, address: str, hopes: Sequence[Hoped]) -> list[Seen]:
        """Each record at a resolver. Where it fails, and does not once it is told to check no signatures, it is those that it fails on."""
        seen = await self._exchange.resolver_shows(address, hopes)
        failing = [at for at, look in enumerate(seen) if look.outcome is Outcome.SERVFAIL]
        unchecked = await self._exchange.resolver_shows(address, [hopes[at] for at in failing], checked=False) if failing else []
        for at, look in zip(failing, unchecked, strict=True):
            if shows(look, hopes[at].record):
                seen[at] = replace(seen[at], bogus="it shows the record when it is told to check no signatures")
        return seen

    # Beyond the first hop

    async def _chain(self, record: Record) -> Chain:
        """Where a CNAME's target leads, asked of the authoritative servers on the way."""
        names = [record.target.canonicalize()]
        while True:
            seen = await self._walker.resolve(names[-1], "CNAME")
            if seen is None:
                return Chain(record, tuple(names), ChainEnd.SILENT)
            onward = next((found.target.canonicalize() for found in seen.records if found.rtype == "CNAME"), None)
            if onward is None:
                return Chain(record, tuple(names), ChainEnd.MISSING if seen.outcome is Outcome.NXDOMAIN else ChainEnd.EXISTS)
            if onward in (record.owner, *names):
                return Chain(record, tuple(names), ChainEnd.LOOP)
            if len(names) >= MOST_HOPS:
                return Chain(record, tuple(names), ChainEnd.LONG)
            names.append(onward)
