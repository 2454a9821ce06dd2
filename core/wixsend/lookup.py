"""Floor 4. What DNS says of a sending domain: its zone, what is in it, and the proof of records at every authoritative server.

Every question but those to resolvers has RD=0 and goes to a server that ought to know the answer with authority. Public resolvers
are asked last, and for nothing below the sending domain before every authoritative server answers it: a "no" of any type is
remembered for the zone's negative TTL (RFC 2308), and some resolvers then deny every type and every name below (RFC 8020).
dnspython's own resolver would break that rule (`zone_for_name` starts at the full name), so it is not used.
"""

import asyncio
import time
from collections import Counter
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import islice

from wixsend.errors import DnsUnreachable, DomainNotFound, WixsendError
from wixsend.exchange import SILENT, DnsSettings, Exchange, Reply
from wixsend.names import Name, absolute, ancestors, is_below, text
from wixsend.packets import Place
from wixsend.plan import DmarcAbove
from wixsend.proof import Prover
from wixsend.records import Record, txt_text
from wixsend.verdict import Delegation, NameServer, Outcome, Proof, Seen, Soa, silence
from wixsend.walk import ROOT, Walker, is_registry

__all__ = ["Dns", "dmarc_policy"]


_BESIDE = ("A", "AAAA", "MX", "TXT", "NS", "DNAME", "SRV", "CAA", "PTR", "HTTPS", "SVCB", "TLSA", "DS", "NAPTR", "SSHFP", "SPF")
"""The types that stand at names of mail and web, each of which keeps a CNAME away."""
_SILENCES, _PRESUMED = 8, 60.0
"""After so many zones that they were silent about, servers are taken for dead for so many seconds."""
_MUTE = frozenset({Outcome.TIMEOUT, Outcome.UNREACHABLE, Outcome.PRIVATE, Outcome.NO_ADDRESS})
"""How a server ends a question that said nothing at all."""


class Dns:
    """Asks. One object serves any number of domains at once.

    `now` is the clock of what is remembered, `clock` that of signatures: seconds since the epoch.
    """

    def __init__(
        self, settings: DnsSettings | None = None, *, now: Callable[[], float] = time.monotonic, clock: Callable[[], float] = time.time
    ) -> None:
        self.settings = settings or DnsSettings()
        self._exchange = Exchange(self.settings)
        self._walker = Walker(self._exchange, now)
        self._prover = Prover(self._exchange, self._walker, now, clock)
        self._now = now
        self._silences: dict[tuple[Name, ...], tuple[float, float]] = {}

    async def close(self) -> None:
        """Forget the way to every zone, and close what is kept open."""
        self._walker.forget()
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
        walk = await self._walker.find(domain)
        how = "walked down from the root servers"
        if walk.told:
            how = f"asked {walk.told}, because no root server answers with authority from here: port 53 seems to be closed"
        cut = walk.cut
        if walk.silent and is_registry(cut.apex):
            raise DnsUnreachable(
                f"none of the name servers of {text(cut.apex)} answers, so the zone of {text(domain)} cannot be found",
                "Check the network, and whether it lets DNS (port 53) out; then run the same command again.",
            )
        if is_registry(cut.apex):
            said = "say that there is no such domain" if walk.denied else "have not delegated it to any name server"
            raise DomainNotFound(
                f"{text(domain)}: the name servers of {text(cut.apex)} {said}",
                "Check the spelling, and that the domain is registered and has name servers.",
            )
        if walk.silent:
            how += f"; the servers of {text(cut.apex)} do not answer, so deeper zone cuts are not known"
        return Delegation(cut.apex, cut.parent, cut.servers, how, not walk.denied, bool(walk.told))

    async def cuts_below(self, delegation: Delegation, names: Iterable[Name]) -> Mapping[Name, tuple[Name, ...]]:
        """The names between the apex and these names, them included, that are delegated onward or hold a DNAME, in order.

        With each the name servers that it is delegated to; none for a DNAME, or where the same servers answer for what is below. Raises
        `DnsUnreachable` when no authoritative server answers.
        """
        found: dict[Name, tuple[Name, ...]] = {}
        below = [name for name in dict.fromkeys(names) if is_below(name, delegation.apex)]
        for name, (seen, reply) in zip(below, await asyncio.gather(*(self._sure(delegation, name, "NS") for name in below)), strict=True):
            soa = reply.soa()
            if seen.cut is not None:
                found[seen.cut] = _name_servers(reply.authority, seen.cut)
            elif any(record.rtype == "NS" for record in seen.records):
                found[name] = _name_servers(seen.records, name)
            elif soa is not None and is_below(soa[0], delegation.apex):
                found.setdefault(soa[0], ())
            found |= {record.owner: () for record in reply.answer if record.rtype == "DNAME" and is_below(name, record.owner)}
        return dict(sorted(found.items()))

    async def records_at(self, delegation: Delegation, name: Name, rtypes: Sequence[str]) -> tuple[Record, ...]:
        """The records of these types, and a CNAME, at exactly a name, from the first authoritative server that answers.

        Of a name that is delegated onward, the NS records that delegate it, whatever the types. Raises `DnsUnreachable` when no
        server answers.
        """
        looks = await asyncio.gather(*(self._sure(delegation, name, rtype) for rtype in rtypes))
        onward = [record for seen, reply in looks if seen.cut == name for record in reply.authority if record.owner == name]
        return tuple(dict.fromkeys([*(record for seen, _reply in looks for record in seen.records), *onward]))

    async def held(self, delegation: Delegation, names: Iterable[Name]) -> tuple[Record, ...]:
        """What stands at exactly these names, of every type that hosts offer, at any of the zone's servers; the apex's SOA and NS aside.

        Every server is asked, and each must say: `DnsUnreachable` names the first that does not, and it is never an empty name. An answer
        that a wildcard gives counts, as nobody can tell it from a record. Where only a resolver tells (port 53 is closed) nothing is known.
        """
        if delegation.by_resolver:
            raise DnsUnreachable(
                f"what {text(delegation.apex)} holds can only be seen at its own name servers, and port 53 is closed here",
                "Run this where DNS (port 53) is open, or add the records by hand: `wixsend plan` prints them.",
            )
        looks = await asyncio.gather(
            *(self._held_at(delegation, server, name) for server in delegation.servers for name in sorted(set(names)))
        )
        apexs_own = {(delegation.apex, "NS"), (delegation.apex, "SOA")}
        return tuple(dict.fromkeys(record for found in looks for record in found if (record.owner, record.rtype) not in apexs_own))

    async def _held_at(self, delegation: Delegation, server: NameServer, name: Name) -> list[Record]:
        """What one server holds at a name: one question where there is no such name, one for each type where there is."""
        found: list[Record] = []
        for rtype in ("CNAME", *_BESIDE):
            seen, reply = await self._walker.one(delegation.apex, server, name, rtype)
            if seen is None:
                raise DnsUnreachable(
                    f"{text(server.name)} does not say what is at {text(name)} ({rtype})",
                    "Nothing is written where nobody can see what is there: mend the name server, or add the records by hand.",
                )
            if seen.outcome is Outcome.NXDOMAIN:
                return []
            found += seen.records
            if seen.outcome is Outcome.REFERRAL:
                return [record for record in reply.authority if record.owner == name and record.rtype == "NS"]
            if any(record.rtype == "CNAME" for record in seen.records):
                return found
        return found

    async def served(self, delegation: Delegation) -> None:
        """Returns once one of the zone's own servers answers for it; `DnsUnreachable`, with what each does instead, when none does.

        Servers that said nothing about eight zones in a row are not asked about others for a minute: thousands of zones at one dead host
        are not waited for one after the other. Where port 53 is closed nobody can tell, and nobody is asked.
        """
        if delegation.by_resolver:
            return
        silences, last = self._silences.get(delegation.names, (0.0, 0.0))
        if silences >= _SILENCES and self._now() - last < _PRESUMED:
            raise _unanswered(delegation, f"the same servers have just been silent about {silences:.0f} other zones")
        seen, reply = await self._walker.first(delegation.apex, delegation.servers, delegation.apex, "SOA")
        mute = seen is None and all(look.outcome in _MUTE for look in reply.failures)
        silences, _last = self._silences.get(delegation.names, (0.0, 0.0))
        self._silences[delegation.names] = (silences + 1 if mute else 0.0, self._now())
        if seen is None:
            raise _unanswered(delegation, _did(delegation, reply.failures))

    async def soa(self, delegation: Delegation) -> Soa | None:
        """The zone's SOA, `None` when its servers answer and have none. Raises `DnsUnreachable` when none answers.

        From a resolver, whose TTLs count down, the longest negative TTL that it may stand for.
        """
        if delegation.by_resolver:
            _seen, reply = await self._walker.first_resolver(delegation.apex, "SOA")
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
        asked = (self.followed(absolute("_dmarc", name), "TXT", by_resolver=delegation.by_resolver) for name in above)
        texts = await asyncio.gather(*asked)
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
        beside: Iterable[Name] = (),
        follow: bool = False,
    ) -> Proof:
        """One look: every wanted record at every authoritative server and address, then, only if they all show it, at the resolvers.

        Where a name turns out to be delegated below the apex, the servers of that cut are asked as well. `former` and `waited` are
        those of `wixsend.verdict.judge`. `beside` are host names of servers where the records may have been written though the zone
        is not delegated to them. `follow` looks, once the records are there, for what lies beyond them, and warns.
        """
        resolvers = self._exchange.resolvers if ask_resolvers else ()
        return await self._prover.prove(wanted, delegation, resolvers=resolvers, former=former, waited=waited, beside=beside, follow=follow)

    async def prove_each(
        self, asks: Iterable[tuple[Name, Sequence[Record]]], *, at_once: int = 16, ask_resolvers: bool = True
    ) -> AsyncGenerator[tuple[Name, Proof | WixsendError]]:
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

    # What strangers point to

    async def followed(self, name: Name, rtype: str, *, by_resolver: bool = False) -> tuple[str, ...]:
        """The rdata of a type at a name after at most eight CNAMEs, from the zones' own servers; or, for names that are not below the
        sending domain, through resolvers. Raises `DnsUnreachable` when nobody tells.
        """
        for _hop in range(8):
            if by_resolver:
                seen, _reply = await self._walker.first_resolver(name, rtype)
            else:
                walk = await self._walker.walk(name)
                seen, _reply = (None, SILENT) if walk.silent else await self._walker.first(walk.cut.apex, walk.cut.servers, name, rtype)
            if seen is None:
                raise DnsUnreachable(
                    f"no name server tells what {rtype} record there is at {text(name)}",
                    "Check the network and the name servers of that zone; then run the same command again.",
                )
            alias = next((record.target for record in seen.records if record.rtype == "CNAME"), None)
            if alias is None:
                return tuple(record.rdata for record in seen.records)
            name = alias
        return ()

    async def places(self, host: Name, port: int) -> tuple[Place, ...]:
        """Where a host can be reached that a stranger named: its addresses on the public internet, never another one.

        Raises `DnsUnreachable` when nobody tells.
        """
        found = [address for rtype in ("A", "AAAA") for address in await self.followed(host, rtype)]
        return tuple(self._exchange.place(one, port) for one in found if self._exchange.may_ask(one) and self._exchange.has_way(one))

    # Asking

    async def _sure(self, delegation: Delegation, name: Name, rtype: str) -> tuple[Seen, Reply]:
        """What the first authoritative server that answers says; `DnsUnreachable` when none does."""
        seen, reply = await self._walker.first(delegation.apex, delegation.servers, name, rtype)
        if seen is None:
            raise _unanswered(delegation, _did(delegation, reply.failures))
        return seen, reply


def _did(delegation: Delegation, failures: Iterable[Seen]) -> str:
    """What each server of a zone did that gave no answer."""
    said = {look.server: look.outcome for look in failures}
    said |= {text(server.name): Outcome.NO_ADDRESS for server in delegation.servers if not server.addresses}
    return ", ".join(f"{name} {silence(said[name])}" for name in map(text, delegation.names) if name in said)


def _unanswered(delegation: Delegation, why: str) -> DnsUnreachable:
    return DnsUnreachable(
        f"none of the authoritative servers of {text(delegation.apex)} answers: {why}",
        f"Have {', '.join(map(text, delegation.names))} serve the zone, or correct its delegation at the registrar. Where they do answer "
        "others, let DNS (port 53) out of this network. Then run the same command again.",
    )


def _name_servers(records: Iterable[Record], cut: Name) -> tuple[Name, ...]:
    return tuple(sorted({record.target.canonicalize() for record in records if record.rtype == "NS" and record.owner == cut}))


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
