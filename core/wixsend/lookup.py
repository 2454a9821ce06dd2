"""Floor 4. Questions to name servers: find the zone cut from the roots down, and prove records at every authoritative server.

Every question but those to resolvers has RD=0 and goes to a server that ought to know the answer with authority. Public resolvers
are asked last, and for nothing below the sending domain before every authoritative server answers it: a "no" of any type is
remembered for the zone's negative TTL (RFC 2308), and some resolvers then deny every type and every name below (RFC 8020).
dnspython's own resolver would break that rule (`zone_for_name` starts at the full name), so it is not used.
"""

import asyncio
import time
import zlib
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice

import dns.name

from wixsend.errors import DnsUnreachable, DomainNotFound, WixsendError
from wixsend.exchange import SILENT, DnsSettings, Exchange, Hoped, Reply, is_encrypted
from wixsend.names import Name, absolute, ancestors, is_below, text
from wixsend.plan import DmarcAbove
from wixsend.records import Record, txt_text
from wixsend.verdict import Delegation, NameServer, Outcome, Proof, Seen, Soa, judge, probes, shows

__all__ = ["REGISTRY_SUFFIXES", "ROOT", "Dns", "dmarc_policy"]

REGISTRY_SUFFIXES: frozenset[Name] = frozenset(
    absolute(suffix)
    for suffix in """
    co.uk org.uk me.uk ltd.uk plc.uk net.uk ac.uk gov.uk com.au net.au org.au id.au co.nz net.nz org.nz co.za org.za com.br net.br org.br
    com.mx org.mx co.jp ne.jp or.jp co.kr or.kr co.in net.in org.in firm.in co.il org.il com.tr org.tr com.sg com.my com.hk com.tw com.cn
    net.cn org.cn com.ar com.co com.pe com.ec com.uy com.ve com.py com.bo com.gt com.do com.pa com.ua com.pl net.pl org.pl com.pt com.es
    com.gr com.cy com.mt co.th in.th co.id or.id com.vn com.ph com.pk com.bd com.np com.lk com.sa com.eg co.ke co.tz co.ug com.ng com.gh
    """.split()  # noqa: SIM905
)
"""Suffixes of two labels that registries delegate under. Only used to say that a domain is not registered, never to find a zone."""

ROOT = dns.name.root
_HEDGE = 0.25
_REMEMBERED = 300.0
_USABLE = frozenset({Outcome.ANSWER, Outcome.NODATA, Outcome.NXDOMAIN, Outcome.REFERRAL})


@dataclass(frozen=True, slots=True)
class _Cut:
    """A zone cut on the way down: its servers, the zone above, and for how long we may remember it."""

    apex: Name
    parent: Name
    servers: tuple[NameServer, ...]
    until: float = float("inf")


@dataclass(frozen=True, slots=True)
class _Host:
    """The addresses of a name server's host, and for how long we may remember them."""

    addresses: tuple[str, ...]
    until: float


type _Question = tuple[Name, tuple[NameServer, ...], Name, str]
"""A zone, its servers, and the name and type that they are asked for."""


@dataclass(frozen=True, slots=True)
class _Walk:
    """How far a walk came: the deepest cut, who denied the name if anybody did, whether the last servers stayed silent."""

    cut: _Cut
    denied: bool = False
    silent: bool = False


class Dns:
    """Asks. One object serves any number of domains at once."""

    def __init__(self, settings: DnsSettings | None = None, *, now: Callable[[], float] = time.monotonic) -> None:
        self.settings = settings or DnsSettings()
        self._now = now
        self._exchange = Exchange(self.settings)
        self._cuts: dict[Name, _Cut] = {}
        self._hosts: dict[Name, _Host] = {}
        self._root = _Cut(ROOT, ROOT, tuple(NameServer(ROOT, (address,)) for address in self.settings.roots))
        self._closed_until = float("-inf")
        self._asking: dict[_Question, asyncio.Task[tuple[Seen | None, Reply]]] = {}

    async def close(self) -> None:
        """Forget the way to every zone, and close what is kept open."""
        self._cuts.clear()
        self._hosts.clear()
        for asking in self._asking.values():
            asking.cancel()
        await self._exchange.close()

    @property
    def queries(self) -> Counter[str]:
        """How many messages were sent, by the address they were meant for."""
        return self._exchange.queries

    # Discovery

    async def delegation(self, domain: Name) -> Delegation:
        """The deepest zone cut at or above a domain, as the servers above it show it.

        Raises `DomainNotFound` when there is none below the registry, and `DnsUnreachable` when nobody could be asked.
        """
        how = "walked down from the root servers"
        walk = _Walk(self._root, silent=True) if self._closed_until > self._now() else await self._walk(domain)
        by_resolver = walk.silent and walk.cut.apex == ROOT
        if by_resolver:
            self._closed_until = max(self._closed_until, self._now() + _REMEMBERED)
            walk, told = await self._walk_by_resolvers(domain)
            how = f"asked {told}, because no root server answers with authority from here: port 53 seems to be closed"
        cut = walk.cut
        if walk.silent and _is_registry(cut.apex):
            raise DnsUnreachable(
                f"none of the name servers of {text(cut.apex)} answers, so the zone of {text(domain)} cannot be found",
                "Check the network, and whether it lets DNS (port 53) out; then run the same command again.",
            )
        if _is_registry(cut.apex):
            said = "say that there is no such domain" if walk.denied else "have not delegated it to any name server"
            raise DomainNotFound(
                f"{text(domain)}: the name servers of {text(cut.apex)} {said}",
                "Check the spelling, and that the domain is registered and has name servers.",
            )
        if walk.silent:
            how += f"; the servers of {text(cut.apex)} do not answer, so deeper zone cuts are not known"
        return Delegation(cut.apex, cut.parent, cut.servers, (), how, not walk.denied, by_resolver)

    async def cuts_below(self, delegation: Delegation, names: Iterable[Name]) -> tuple[Name, ...]:
        """The names between the apex and these names, them included, that are delegated onward or hold a DNAME.

        Raises `DnsUnreachable` when no authoritative server answers.
        """
        found: set[Name] = set()
        below = [name for name in dict.fromkeys(names) if is_below(name, delegation.apex)]
        for name, (seen, reply) in zip(below, await asyncio.gather(*(self._sure(delegation, name, "NS") for name in below)), strict=True):
            soa = reply.soa()
            if seen.cut is not None:
                found.add(seen.cut)
            elif any(record.rtype == "NS" for record in seen.records):
                found.add(name)
            elif soa is not None and is_below(soa[0], delegation.apex):
                found.add(soa[0])
            found.update(record.owner for record in reply.answer if record.rtype == "DNAME" and is_below(name, record.owner))
        return tuple(sorted(found))

    async def records_at(self, delegation: Delegation, name: Name, rtypes: Sequence[str]) -> tuple[Record, ...]:
        """The records of these types, and a CNAME, at exactly a name, from the first authoritative server that answers.

        Of a name that is delegated onward, the NS records that delegate it, whatever the types. Raises `DnsUnreachable` when no
        server answers.
        """
        looks = await asyncio.gather(*(self._sure(delegation, name, rtype) for rtype in rtypes))
        onward = [record for seen, reply in looks if seen.cut == name for record in reply.authority if record.owner == name]
        return tuple(dict.fromkeys([*(record for seen, _reply in looks for record in seen.records), *onward]))

    async def soa(self, delegation: Delegation) -> Soa | None:
        """The zone's SOA, `None` when its servers answer and have none. Raises `DnsUnreachable` when none answers.

        From a resolver, whose TTLs count down, the longest negative TTL that it may stand for.
        """
        if delegation.by_resolver:
            _seen, reply = await self._first_resolver(delegation.apex, "SOA")
        else:
            _seen, reply = await self._sure(delegation, delegation.apex, "SOA")
        found = reply.soa()
        if found is None or found[0] != delegation.apex:
            return None
        return replace(found[1], ttl=max(found[1].ttl, found[1].minimum)) if delegation.by_resolver else found[1]

    async def dmarc_above(self, domain: Name, delegation: Delegation) -> DmarcAbove | None:
        """The nearest DMARC policy stricter than `none` that a domain without one of its own inherits.

        `sp` counts before `p`; a top-level domain's counts only with `psd=y` (RFC 9091). Raises `DnsUnreachable` when an
        ancestor's policy cannot be known: not knowing is not the same as none.
        """
        above = [name for name in ancestors(domain, ROOT) if name != ROOT]
        texts = await asyncio.gather(*(self._texts(absolute("_dmarc", name), delegation) for name in above))
        for owner, found in zip(above, texts, strict=True):
            policy = dmarc_policy(found, public_suffix=len(owner) == 2)
            if policy in ("quarantine", "reject"):
                return DmarcAbove(absolute("_dmarc", owner), policy)
        return None

    # Proof

    async def prove(
        self,
        wanted: Sequence[Record],
        delegation: Delegation,
        *,
        ask_resolvers: bool = True,
        former: Iterable[Record] = (),
        waited: float = 0.0,
    ) -> Proof:
        """One look: every wanted record at every authoritative server and address, then, only if they all show it, at the resolvers.

        Where a name turns out to be delegated below the apex, the servers of that cut are asked as well. `former` and `waited` are
        those of `wixsend.verdict.judge`.
        """
        former, hopes = tuple(former), [Hoped.of(want) for want in dict.fromkeys(wanted)]
        wanted, resolvers = [hoped.record for hoped in hopes], self._exchange.resolvers if ask_resolvers else ()
        looks = await self._see_all([(hoped, delegation.apex, delegation.servers) for hoped in hopes])
        seen = [look for _want, look in looks]
        if not looks or not all(shows(look, want) for want, look in looks):
            onward = {look.name for look in seen if look.outcome is Outcome.REFERRAL}
            strays = [hoped for hoped in hopes if hoped.record.owner in onward]
            cuts = [walk.cut for walk in await asyncio.gather(*(self._walk(hoped.record.owner) for hoped in strays))]
            beyond = await self._see_all([(hoped, cut.apex, cut.servers) for hoped, cut in zip(strays, cuts, strict=True)])
            seen += [look for _want, look in beyond]
            seen += await self._probe(wanted, seen, delegation)
            proof = judge(wanted, seen, delegation.apex, resolvers=resolvers, former=former, waited=waited)
            if not proof.at_authoritative:
                return proof
        seen += await asyncio.gather(*(self._exchange.resolver_shows(address, hoped) for hoped in hopes for address in resolvers))
        return judge(wanted, seen, delegation.apex, resolvers=resolvers, former=former, waited=waited)

    async def prove_each(
        self, asks: Iterable[tuple[Name, Sequence[Record]]], *, at_once: int = 16, ask_resolvers: bool = True
    ) -> AsyncIterator[tuple[Name, Proof | WixsendError]]:
        """One look for each of many sending domains, `at_once` of them at a time, in the order in which they are done.

        A domain whose zone cannot be found, or asked, comes with the error. `asks` is drawn from as there is room, so it may be endless.
        """

        async def one(domain: Name, wanted: Sequence[Record]) -> tuple[Name, Proof | WixsendError]:
            try:
                return domain, await self.prove(wanted, await self.delegation(domain), ask_resolvers=ask_resolvers)
            except WixsendError as wrong:
                return domain, wrong

        left, running = iter(asks), set[asyncio.Task[tuple[Name, Proof | WixsendError]]]()
        try:
            while True:
                running |= {asyncio.ensure_future(one(*ask)) for ask in islice(left, at_once - len(running))}
                if not running:
                    return
                done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                for task in done:
                    yield task.result()
        finally:
            for task in running:
                task.cancel()
            await asyncio.gather(*running, return_exceptions=True)

    async def _see_all(self, asks: Iterable[tuple[Hoped, Name, tuple[NameServer, ...]]]) -> list[tuple[Record, Seen]]:
        """Each record at each server of its zone, at each address."""
        every = [(hoped, zone, *place) for hoped, zone, servers in asks for place in self._every(servers)]
        looks = await asyncio.gather(
            *(self._exchange.authority_shows(server, address, zone, hoped) for hoped, zone, server, address in every)
        )
        return [(hoped.record, look) for (hoped, *_place), look in zip(every, looks, strict=True)]

    async def _probe(self, wanted: Sequence[Record], seen: Sequence[Seen], delegation: Delegation) -> list[Seen]:
        """The answers to `probes`, from the first authoritative server that lacks something."""
        asked = probes(wanted, seen, delegation.apex)
        telling = (Outcome.NODATA, Outcome.NXDOMAIN, Outcome.ANSWER)
        lacking = min((look for look in seen if look.outcome in telling), key=lambda look: telling.index(look.outcome), default=None)
        if lacking is None:
            return []
        server = NameServer(absolute(lacking.server), (lacking.address,))
        return await asyncio.gather(*(self._see(server, lacking.address, delegation.apex, q.name, q.rtype) for q in asked))

    def _every(self, servers: Iterable[NameServer]) -> Iterable[tuple[NameServer, str]]:
        """Every server with every address that there is a way to; the empty address for one without any."""
        for server in servers:
            usable = [address for address in server.addresses if self._exchange.has_way(address)]
            for address in usable or server.addresses[:1] or ("",):
                yield server, address

    # Walking

    async def _walk(self, name: Name, path: frozenset[Name] = frozenset()) -> _Walk:
        """Down from the deepest cut that we remember at or above a name, label by label, to the deepest there is.

        `path` are the host names whose addresses are being looked for: a loop among them ends with no address.
        """
        cut = self._remembered(name)
        todo = [above for above in reversed(ancestors(name, cut.apex)) if above != cut.apex] + [name] * (name != cut.apex)
        while todo:
            asked = todo.pop(0)
            seen, reply = await self._first(cut.apex, cut.servers, asked, "NS")
            if seen is None:
                return _Walk(cut, silent=True)
            if seen.outcome is Outcome.NXDOMAIN:
                if cut.apex == ROOT and (reply.soa() or (None,))[0] != ROOT:
                    return _Walk(cut, silent=True)  # no root server denies without its SOA: somebody answers in its place
                if asked == name:
                    return _Walk(cut, denied=True)
                todo = [name]  # some servers deny empty non-terminals: only a denial of the name itself counts
                continue
            found = seen.cut or (asked if any(record.rtype == "NS" for record in seen.records) else None)
            if found is not None:
                cut = await self._descend(cut, found, reply, path)
                todo = [above for above in todo if is_below(above, found)]
        return _Walk(cut)

    def _remembered(self, name: Name) -> _Cut:
        now = self._now()
        for above in (name, *ancestors(name, ROOT)):
            cut = self._cuts.get(above)
            if cut is not None and cut.until > now:
                return cut
        return self._root

    async def _descend(self, cut: _Cut, apex: Name, reply: Reply, path: frozenset[Name]) -> _Cut:
        """The cut at `apex` that a reply of the servers of `cut` shows; glue is believed for hosts at or below their zone only."""
        rrset = [record for record in (*reply.answer, *reply.authority) if record.rtype == "NS" and record.owner == apex]
        hosts = sorted({record.target.canonicalize() for record in rrset})
        glue = {
            host: tuple(record.rdata for record in reply.additional if record.owner == host and record.rtype in ("A", "AAAA"))
            for host in hosts
            if host.is_subdomain(cut.apex)
        }
        addresses = await asyncio.gather(*(self._addresses(host, path, glue.get(host, ())) for host in hosts))
        servers = tuple(NameServer(host, found) for host, found in zip(hosts, addresses, strict=True))
        until = self._now() + min(min((record.ttl or 0 for record in rrset), default=0), _REMEMBERED)
        below = _Cut(apex, cut.apex, servers, until)
        if any(addresses):
            self._cuts[apex] = below
        return below

    async def _addresses(self, host: Name, path: frozenset[Name], glue: tuple[str, ...]) -> tuple[str, ...]:
        """Every address of a name server's host: the glue, else by a walk of our own. Empty when it resolves to nothing."""
        if glue:
            return glue
        known = self._hosts.get(host)
        if known is not None and known.until > self._now():
            return known.addresses
        if host in path or len(path) >= 6:
            return ()
        walk = await self._walk(host, path | {host})
        if walk.silent or walk.denied:
            return ()
        looks = await asyncio.gather(*(self._first(walk.cut.apex, walk.cut.servers, host, rtype) for rtype in ("A", "AAAA")))
        records = [r for seen, _reply in looks if seen is not None for r in seen.records if r.rtype in ("A", "AAAA")]
        found = tuple(record.rdata for record in records)
        if found:
            self._hosts[host] = _Host(found, self._now() + min(*(record.ttl or 0 for record in records), _REMEMBERED))
        return found

    async def _walk_by_resolvers(self, domain: Name) -> tuple[_Walk, str]:
        """The same through resolvers, from the top down, at and above the domain only; and the one that told the last.

        Name servers' host names below the domain are not looked up: their addresses stay unknown.
        """
        cut, told = self._root, ""
        for name in (*reversed(ancestors(domain, ROOT)), domain)[1:]:
            seen, _reply = await self._first_resolver(name, "NS")
            if seen is None:
                asked = ", ".join(dict.fromkeys((*self._exchange.unforgeable, *self._exchange.resolvers)))
                raise DnsUnreachable(
                    f"neither a root server nor a public resolver ({asked}) answers",
                    "Check the network, and whether it lets DNS (port 53) or HTTPS to a resolver out; then run the same command again.",
                )
            told = seen.server
            hosts = sorted({record.target.canonicalize() for record in seen.records if record.rtype == "NS"})
            if not hosts and len(name) == 2 and not is_encrypted(told):
                raise DnsUnreachable(
                    f"what answers for {told} on port 53 does not know of the top-level domain {text(name)}: "
                    "this network seems to answer in its place, and it is not believed",
                    "Log in to the network if it wants that, or use another one; or name a resolver over HTTPS: [dns] fallback.",
                )
            if seen.outcome is Outcome.NXDOMAIN:
                return _Walk(cut, denied=True), told
            if hosts and not _is_registry(name):
                found = await asyncio.gather(*(self._addresses_by_resolver(host, domain) for host in hosts))
                cut = _Cut(name, cut.apex, tuple(NameServer(host, addresses) for host, addresses in zip(hosts, found, strict=True)))
            elif hosts:
                cut = _Cut(name, cut.apex, tuple(NameServer(host) for host in hosts))
        return _Walk(cut), told

    async def _addresses_by_resolver(self, host: Name, domain: Name) -> tuple[str, ...]:
        if host.is_subdomain(domain):
            return ()
        looks = await asyncio.gather(*(self._first_resolver(host, rtype) for rtype in ("A", "AAAA")))
        return tuple(r.rdata for seen, _reply in looks if seen is not None for r in seen.records if r.rtype in ("A", "AAAA"))

    async def _texts(self, name: Name, delegation: Delegation) -> tuple[str, ...]:
        """The TXT rdata at a name after at most eight CNAMEs, from the zones' own servers; through resolvers when they cannot be reached.

        Only for names that are not below the sending domain.
        """
        for _hop in range(8):
            if delegation.by_resolver:
                seen, _reply = await self._first_resolver(name, "TXT")
            else:
                walk = await self._walk(name)
                seen, _reply = (None, SILENT) if walk.silent else await self._first(walk.cut.apex, walk.cut.servers, name, "TXT")
            if seen is None:
                raise DnsUnreachable(
                    f"no name server tells whether there is a DMARC policy at {text(name)}",
                    "Check the network and the name servers of that zone; then run the same command again.",
                )
            alias = next((record.target for record in seen.records if record.rtype == "CNAME"), None)
            if alias is None:
                return tuple(record.rdata for record in seen.records)
            name = alias
        return ()

    # Asking

    async def _sure(self, delegation: Delegation, name: Name, rtype: str) -> tuple[Seen, Reply]:
        """What the first authoritative server that answers says; `DnsUnreachable` when none does."""
        seen, reply = await self._first(delegation.apex, delegation.servers, name, rtype)
        if seen is None:
            raise DnsUnreachable(
                f"none of the authoritative servers of {text(delegation.apex)} answers",
                "Check the zone's name servers, and whether this network lets DNS (port 53) out; then run the same command again.",
            )
        return seen, reply

    async def _first(self, zone: Name, servers: Sequence[NameServer], name: Name, rtype: str) -> tuple[Seen | None, Reply]:
        """The first answer with authority, or referral, of any server of a zone; `None` when no server gives one.

        Servers are asked one after the other, the next as soon as one fails or has been silent for a moment; which is first depends on the
        name, so that the load is spread. Whoever asks the same meanwhile gets the same answer: a thousand domains begin with one question
        to the root.
        """
        question = (zone, tuple(servers), name, rtype)
        if question not in self._asking:
            asking = self._asking[question] = asyncio.ensure_future(self._race(*question))
            asking.add_done_callback(lambda _done: self._asking.pop(question))
        return await asyncio.shield(self._asking[question])

    async def _race(self, zone: Name, servers: tuple[NameServer, ...], name: Name, rtype: str) -> tuple[Seen | None, Reply]:
        candidates = [(server, address) for server, address in self._every(servers) if address]
        start = zlib.crc32(text(name).encode()) % len(candidates) if candidates else 0
        rotated = candidates[start:] + candidates[:start]
        return await _race(partial(self._exchange.authority, server, address, zone, name, rtype) for server, address in rotated[:8])

    async def _first_resolver(self, name: Name, rtype: str) -> tuple[Seen | None, Reply]:
        """The same at resolvers, for where port 53 is closed: the others only if none answers whose answers nobody can forge on the way."""
        plain = [where for where in self._exchange.resolvers if not is_encrypted(where)]
        for resolvers in (self._exchange.unforgeable, plain):
            seen, reply = await _race(partial(self._exchange.resolver, where, name, rtype) for where in resolvers)
            if seen is not None:
                return seen, reply
        return None, SILENT

    async def _see(self, server: NameServer, address: str, zone: Name, name: Name, rtype: str) -> Seen:
        return (await self._exchange.authority(server, address, zone, name, rtype))[0]


def _is_registry(apex: Name) -> bool:
    return len(apex) <= 2 or apex in REGISTRY_SUFFIXES


type _Ask = Callable[[], Awaitable[tuple[Seen, Reply]]]


async def _race(asks: Iterable[_Ask]) -> tuple[Seen | None, Reply]:
    """The first usable answer of questions that start one after the other: when the one before fails, or is silent for a moment."""
    waiting, pending = list(asks), set[asyncio.Task[tuple[Seen, Reply]]]()
    try:
        while waiting or pending:
            if waiting:
                pending.add(asyncio.ensure_future(waiting.pop(0)()))
            timeout = _HEDGE if waiting else None
            done, pending = await asyncio.wait(pending, timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
            for task in done:
                if task.result()[0].outcome in _USABLE:
                    return task.result()
    finally:
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
    return None, SILENT


_STRICTNESS = {"none": 0, "quarantine": 1, "reject": 2}


def dmarc_policy(rdatas: Iterable[str], *, public_suffix: bool = False) -> str:
    """The policy for sub-domains that TXT rdata at a `_dmarc` name says: `sp`, else `p`; empty when it says none at all.

    Several DMARC records are an error that receivers treat differently, so the strictest counts. A public suffix speaks for the domains
    below it only with `psd=y` (RFC 9091). `np` does not count: the records that Wix asks for make the name exist.
    """
    said: list[str] = []
    for rdata in rdatas:
        try:
            pairs = [part.partition("=") for part in txt_text(rdata).split(";")]
        except ValueError:  # octets that are not UTF-8 are no DMARC record
            continue
        tags = {key.strip().lower(): value.strip().lower() for key, _equals, value in pairs}
        if tags.get("v") == "dmarc1" and (not public_suffix or tags.get("psd") == "y"):
            said.append(tags.get("sp") or tags.get("p") or "none")
    return max(said, key=lambda policy: _STRICTNESS.get(policy, 0), default="")
