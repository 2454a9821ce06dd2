"""Floor 2, pure. From what name servers were seen to answer to what it means: visible or not, why not, and when to look again.

`probes` says what else to ask once something is missing, `judge` says what it all means. Neither knows a socket or a clock: a look
is a set of `Seen`, and how long we have waited is an argument.

The policy for servers that do not answer: the proof is about what the world is told, so a server that tells the world nothing
cannot falsify it. One that is *useless for certain* (refuses, is not authoritative, has no address or a private one) is set
aside at once, with a warning, as resolvers do. One that is *silent* (time-out, failure) may be lagging as well, so it holds
the proof back for `GRACE` seconds and is set aside, with a warning, after that. At least one authoritative server must
show each wanted name, and none that answers may show anything else. When no authoritative server answers at all, the proof is blind.
Resolvers are second-hand: those that cannot be asked hold it back for the same grace, and never longer. So do those that deny
without saying for how long (no SOA): no cache may do that (RFC 2308, section 5), but filters and captive networks do.

A record that a signed zone shows with a signature that does not hold is not visible: resolvers that validate fail on it. Whatever else in
the chain of trust may be broken is seen where it hurts: a resolver that fails until it is told to check no signatures holds the proof
back, for as long as no other resolver shows the record. What lies beyond the first CNAME is only warned of.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import reduce

import dns.name

from wixsend.names import Name, text, wildcards_over
from wixsend.records import Record
from wixsend.redact import visible

__all__ = [
    "FIRST_LOOK",
    "GRACE",
    "LONGEST_LOOK",
    "LONGEST_WAIT",
    "MOST_HOPS",
    "Chain",
    "ChainEnd",
    "Delegation",
    "Finding",
    "Kind",
    "NameServer",
    "Outcome",
    "Proof",
    "Question",
    "Seen",
    "Soa",
    "Verdict",
    "behind",
    "differ",
    "doubled",
    "judge",
    "probes",
    "shows",
    "silence",
]

GRACE = 60.0
"""Seconds for which a silent server holds the proof back."""
FIRST_LOOK = 2.0
"""Seconds to the second look at authoritative servers; later looks come after a quarter of what we have waited."""
LONGEST_LOOK = 300.0
"""The longest time between two looks at authoritative servers, in seconds."""
LONGEST_WAIT = 3600.0
"""The longest time that we believe a resolver's remaining TTL for, in seconds: some count it anew at each of their caches."""
MOST_HOPS = 8
"""How many CNAMEs in a row every resolver follows; the strictest give up not far above that."""


@dataclass(frozen=True, slots=True)
class NameServer:
    """An authoritative server by host name, and every address of it; none when its name resolves to nothing."""

    name: Name
    addresses: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Delegation:
    """A zone cut as the parent zone's servers show it.

    `servers` are the parent's NS RRset. `exists` is false when the name that was asked for is denied inside the zone: it has no
    record yet. `how` says to a person how we know; `by_resolver` that it was not from the parents themselves.
    """

    apex: Name
    parent: Name
    servers: tuple[NameServer, ...]
    how: str = ""
    exists: bool = True
    by_resolver: bool = False

    @property
    def names(self) -> tuple[Name, ...]:
        """The host names of the servers."""
        return tuple(server.name for server in self.servers)


@dataclass(frozen=True, slots=True)
class Soa:
    """What a zone's SOA says: TTLs in seconds; the primary server, and who is responsible for the zone, as names (`mailbox`)."""

    serial: int
    ttl: int
    minimum: int
    mname: Name = dns.name.root
    rname: Name = dns.name.root

    @property
    def negative_ttl(self) -> int:
        """How long a cache may go on saying "no such name" (RFC 2308, section 5)."""
        return min(self.ttl, self.minimum)

    @property
    def mailbox(self) -> str:
        """The mail address of who is responsible (RFC 1035, section 3.3.13); empty where there is none."""
        if len(self.rname) < 3:
            return ""
        return f"{visible(self.rname.labels[0].decode(errors='replace'))}@{text(self.rname.parent())}"


class Kind(StrEnum):
    """Which kind of server was asked. `UNDELEGATED` are servers of a host where the records may have been written, and nobody asks."""

    AUTHORITATIVE = "authoritative"
    RESOLVER = "resolver"
    UNDELEGATED = "undelegated"


class Outcome(StrEnum):
    """How one question ended."""

    ANSWER = "answer"
    NODATA = "nodata"
    NXDOMAIN = "nxdomain"
    REFERRAL = "referral"
    LAME = "lame"
    REFUSED = "refused"
    SERVFAIL = "servfail"
    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    NONSENSE = "nonsense"
    PRIVATE = "private"
    NO_ADDRESS = "no-address"


_NEGATIVE = frozenset({Outcome.NODATA, Outcome.NXDOMAIN})
_ANSWERS = _NEGATIVE | {Outcome.ANSWER, Outcome.REFERRAL}
_USELESS = frozenset({Outcome.LAME, Outcome.REFUSED, Outcome.PRIVATE, Outcome.NO_ADDRESS})


@dataclass(frozen=True, slots=True)
class Seen:
    """One question to one server at one address, and what came back. A look has at most one for each server, address, name and type.

    `records` are those of the asked type, and a CNAME, at exactly `name`. `ttl` is for how many seconds more this answer may be kept: the
    TTL of the records, or of a negative answer the lesser of the SOA's TTL and minimum. `cut` is where a referral points. `serial` is
    the zone's version, where the answer holds the SOA. `bogus` says why a resolver that validates would not believe the answer.
    """

    server: str
    address: str
    kind: Kind
    name: Name
    rtype: str
    outcome: Outcome
    records: tuple[Record, ...] = ()
    ttl: int | None = None
    cut: Name | None = None
    serial: int | None = None
    bogus: str = ""

    @property
    def label(self) -> str:
        """The server as a person is shown it."""
        return self.address if self.server == self.address else f"{self.server} ({self.address or 'no address'})"


class Verdict(StrEnum):
    """What one server's answer for one wanted record means."""

    VISIBLE = "visible"
    ABSENT = "absent"
    OLD = "old"
    WRONG_TARGET = "wrong-target"
    MASKED = "masked"
    WILDCARD = "wildcard"
    DOUBLED_HOST = "doubled-host"
    DELEGATED = "delegated"
    WRONG_ZONE = "wrong-zone"
    BOGUS = "bogus"
    LAME = "lame"
    UNREACHABLE = "unreachable"
    NOT_ASKED = "not-asked"


_MAY_BE_SET_ASIDE = frozenset({Verdict.LAME, Verdict.UNREACHABLE, Verdict.ABSENT, Verdict.BOGUS})
_GRAVITY = (
    Verdict.BOGUS,
    Verdict.WRONG_ZONE,
    Verdict.DELEGATED,
    Verdict.DOUBLED_HOST,
    Verdict.WRONG_TARGET,
    Verdict.MASKED,
    Verdict.WILDCARD,
    Verdict.OLD,
    Verdict.ABSENT,
    Verdict.UNREACHABLE,
    Verdict.LAME,
    Verdict.NOT_ASKED,
    Verdict.VISIBLE,
)
"""Verdicts in the order in which a person should hear of them."""


@dataclass(frozen=True, slots=True)
class Finding:
    """The verdict on one wanted record at one server, with a sentence and the next step for a person.

    `wait` is after how many seconds the server's cache forgets what it says now, where that is known. `holds` is true when this finding
    keeps the proof from being complete. `serial` is the version of the zone that the server was seen to serve.
    """

    record: Record
    server: str
    kind: Kind
    verdict: Verdict
    sentence: str
    next_step: str = ""
    wait: float | None = None
    holds: bool = False
    serial: int | None = None


class ChainEnd(StrEnum):
    """Where the CNAMEs end that begin at a record's target."""

    EXISTS = "exists"
    MISSING = "missing"
    LOOP = "loop"
    LONG = "long"
    SILENT = "silent"


@dataclass(frozen=True, slots=True)
class Chain:
    """The names from a CNAME's target on, each the target of the one before, and how that ends."""

    record: Record
    names: tuple[Name, ...]
    end: ChainEnd


@dataclass(frozen=True, slots=True)
class Proof:
    """What one look proved. `findings` in the order of the wanted records, authoritative servers first."""

    findings: tuple[Finding, ...]
    at_authoritative: bool
    """Every authoritative server answers every wanted record (those set aside excepted, see the module)."""
    complete: bool
    """So does every chosen resolver."""
    blind: bool
    """No authoritative server answered anything: nothing is proved either way."""
    next_look: float
    """Seconds until the next look is worth it; 0 when the proof is complete."""
    why: str
    """One sentence for a person."""
    then: str = ""
    """Why the next look is worth it at that moment, as the end of a sentence; empty when the proof is complete."""
    warnings: tuple[str, ...] = ()
    """A sentence for each server that was set aside, and for each target that leads nowhere."""


@dataclass(frozen=True, slots=True)
class Question:
    """A name and a type to ask an authoritative server for."""

    name: Name
    rtype: str


def behind(one: int, other: int) -> bool:
    """True when an SOA serial is of an earlier version than another: serials go round in a circle (RFC 1982)."""
    return 0 < (other - one) % 2**32 < 2**31


def doubled(owner: Name, apex: Name) -> Name | None:
    """Where a record ends up when its full name was typed into a panel that adds the apex; `None` when that is no name."""
    try:
        return Name((*owner.labels[:-1], *apex.labels))
    except dns.name.NameTooLong:
        return None


def probes(wanted: Iterable[Record], seen: Iterable[Seen], apex: Name) -> tuple[Question, ...]:
    """What else to ask an authoritative server, to tell apart the ways in which a record is missing. Nothing when all is well.

    A name that is denied everywhere is looked for where a doubled host would be. A name that exists without the record may be masked by
    addresses; that, and a wrong target, may come from a wildcard.
    """
    questions: dict[Question, None] = {}
    looks = _by_name(seen)
    for want in wanted:
        mine = [look for look in looks.get(want.owner, ()) if look.kind is Kind.AUTHORITATIVE and look.rtype == want.rtype]
        outcomes = {look.outcome for look in mine if look.outcome is not Outcome.ANSWER or not shows(look, want)}
        if not outcomes:
            continue
        beside = doubled(want.owner, apex)
        if outcomes & _NEGATIVE and beside is not None and not any(shows(look, want) for look in mine):
            questions[Question(beside, want.rtype)] = None
        if Outcome.NODATA in outcomes:
            questions.update((Question(want.owner, rtype), None) for rtype in ("A", "AAAA"))
        stars = wildcards_over(want.owner, apex) if outcomes & {Outcome.NODATA, Outcome.ANSWER} else ()
        types = (want.rtype, "A", "AAAA") if Outcome.NODATA in outcomes else (want.rtype,)
        questions.update((Question(star, rtype), None) for star in stars for rtype in types)
    return tuple(questions)


def differ(wanted: Iterable[Record], seen: Iterable[Seen]) -> bool:
    """True when some authoritative servers show a wanted record and others answer something else: their versions tell who is behind."""
    looks = _by_name(seen)
    for want in wanted:
        mine = [
            look
            for look in looks.get(want.owner, ())
            if look.kind is Kind.AUTHORITATIVE and look.rtype == want.rtype and look.outcome in _ANSWERS
        ]
        if len({shows(look, want) for look in mine}) == 2 and not any(look.outcome is Outcome.REFERRAL for look in mine):
            return True
    return False


def judge(
    wanted: Sequence[Record],
    seen: Iterable[Seen],
    apex: Name,
    *,
    resolvers: Sequence[str] = (),
    former: Iterable[Record] = (),
    waited: float = 0.0,
    grace: float = GRACE,
    chains: Iterable[Chain] = (),
) -> Proof:
    """What one look means. The order of `seen` does not matter.

    `resolvers` are those that the proof shall end with; one without a `Seen` is found not asked. `former` are records that our
    edit replaced: who still answers them is behind, not wrong. `waited` is for how many seconds we have been looking. `chains` are
    what lies beyond the wanted records.
    """
    context = _Context(apex, _by_name(seen), frozenset(former), tuple(resolvers), waited < grace)
    on_each = [tuple(context.findings(want)) for want in dict.fromkeys(wanted)]
    findings = tuple(finding for found in on_each for finding in found)
    first_hand = [finding for finding in findings if finding.kind is Kind.AUTHORITATIVE]
    shown = all(any(f.verdict is Verdict.VISIBLE and f.kind is Kind.AUTHORITATIVE for f in found) for found in on_each)
    at_authoritative = shown and not any(finding.holds for finding in first_hand)
    complete = at_authoritative and not any(finding.holds for finding in findings)
    blind = bool(wanted) and all(finding.verdict in (Verdict.UNREACHABLE, Verdict.LAME) for finding in first_hand)
    aside = [f for f in findings if not f.holds and f.verdict in _MAY_BE_SET_ASIDE]
    return Proof(
        findings,
        at_authoritative,
        complete,
        blind,
        *_next(findings, at_authoritative, complete, blind, waited, grace),
        tuple(dict.fromkeys([*(f"{finding.sentence}; it was set aside" for finding in aside), *filter(None, map(_astray, chains))])),
    )


def _by_name(seen: Iterable[Seen]) -> Mapping[Name, Sequence[Seen]]:
    """Looks by the name that was asked for, each once, in an order that does not depend on theirs.

    Hashing names is most of what a proof of thousands of records costs: looks at one name hold the same object, which is hashed once.
    """
    grouped: dict[Name, list[Seen]] = {}
    same: dict[int, list[Seen]] = {}
    for look in seen:
        looks = same.get(id(look.name))
        if looks is None:
            looks = same[id(look.name)] = grouped.setdefault(look.name, [])
        looks.append(look)
    for looks in grouped.values():
        looks.sort(key=lambda look: (look.kind, look.server, look.address, look.rtype, look.outcome))
    return {name: [look for at, look in enumerate(looks) if not at or look != looks[at - 1]] for name, looks in grouped.items()}


def shows(look: Seen, want: Record) -> bool:
    """True when a look saw this record and no other."""
    return look.records == (want,) * max(1, len(look.records))


def _next(
    findings: Sequence[Finding], at_authoritative: bool, complete: bool, blind: bool, waited: float, grace: float
) -> tuple[float, str, str]:
    """`next_look`, `why` and `then` of a proof."""
    seconds, then = (0.0, "") if complete else _next_look(findings, at_authoritative, waited, grace)
    return seconds, _why(findings, at_authoritative, complete, blind), then


def _next_look(findings: Sequence[Finding], at_authoritative: bool, waited: float, grace: float) -> tuple[float, str]:
    """When the caches forget, if only caches are behind; else after a quarter of the wait so far; when a grace ends, if that is all."""
    holding = [finding for finding in findings if finding.holds and finding.verdict is not Verdict.NOT_ASKED]
    waits = [finding.wait for finding in holding if finding.wait is not None]
    if at_authoritative and waits:
        return min(max(waits) + 1.0, LONGEST_WAIT), "the next look is when the last cache forgets that"
    growing = min(max(waited / 4, FIRST_LOOK), LONGEST_LOOK)
    if waited < grace and all(finding.verdict is Verdict.UNREACHABLE for finding in holding):
        return min(growing, grace - waited), f"what stays silent is set aside {grace:g} s after the first look"
    return growing, "asking name servers poisons nobody, so they are looked at again soon, and less often with time"


def _why(findings: Sequence[Finding], at_authoritative: bool, complete: bool, blind: bool) -> str:
    first_hand = dict.fromkeys(finding.server for finding in findings if finding.kind is Kind.AUTHORITATIVE)
    if not findings:
        return "nothing has to be visible"
    if complete:
        return "every authoritative server and every public resolver that answers shows every record"
    if blind:
        reasons = "; ".join(dict.fromkeys(finding.sentence for finding in findings if finding.kind is Kind.AUTHORITATIVE))
        return (
            f"none of the {len(first_hand)} authoritative servers answers: they are down, or this network keeps port 53 closed ({reasons})"
        )
    holding = [finding for finding in findings if finding.holds]
    worst = min(holding, key=lambda finding: (-(finding.wait or 0.0), _GRAVITY.index(finding.verdict)), default=None)
    if worst is None:
        return "no authoritative server that answers shows every record"
    rest = sum(finding.verdict is worst.verdict for finding in holding) - 1
    lead = "every authoritative server shows every record; " if at_authoritative else ""
    return f"{lead}{worst.sentence}" + (f", and {rest} more like it" if rest else "")


def _astray(chain: Chain) -> str:
    """A warning, where what lies beyond a record leads nowhere; else empty."""
    owner, target = text(chain.record.owner), text(chain.names[0])
    last = f", which leads to {text(chain.names[-1])}" if len(chain.names) > 1 else ""
    match chain.end:
        case ChainEnd.MISSING:
            return f"{owner} points to {target}{last}, which does not exist"
        case ChainEnd.LOOP:
            return f"{owner} points to {target}, from where CNAMEs lead round in a circle"
        case ChainEnd.LONG:
            return f"{owner} points to {target}, from where more than {MOST_HOPS} CNAMEs follow: resolvers give up"
        case ChainEnd.SILENT:
            return f"{owner} points to {target}{last}, whose name servers do not answer"
        case ChainEnd.EXISTS:
            return ""


@dataclass(frozen=True, slots=True)
class _Context:
    """One look, and how to read it."""

    apex: Name
    looks: Mapping[Name, Sequence[Seen]]
    former: frozenset[Record]
    resolvers: tuple[str, ...]
    patient: bool

    def findings(self, want: Record) -> Iterable[Finding]:
        """The findings on one record: authoritative servers first, then each resolver in the order chosen."""
        mine = [look for look in self.looks.get(want.owner, ()) if look.rtype == want.rtype]
        showing = [look for look in mine if look.kind is Kind.AUTHORITATIVE and shows(look, want)]
        elsewhere, owner = bool(showing), text(want.owner)
        versions = self._versions(mine) if 0 < len(showing) < len(mine) else {}
        for look in mine:
            if look.kind is Kind.AUTHORITATIVE:
                found = self._finding(want, owner, look, self._at_authority(want, look), elsewhere)
                yield found if not versions else _with_version(found, versions, [other.label for other in showing])
        asked = {look.address: look for look in mine if look.kind is Kind.RESOLVER}
        elsewhere = any(shows(look, want) for look in asked.values())
        for resolver in self.resolvers:
            if resolver in asked:
                yield self._finding(want, owner, asked[resolver], _at_resolver(want, asked[resolver]), elsewhere)
            else:
                sentence = f"{resolver} was not asked: it would remember a no until the zone's negative TTL is over"
                yield Finding(want, resolver, Kind.RESOLVER, Verdict.NOT_ASKED, sentence, holds=True)

    def _versions(self, mine: Sequence[Seen]) -> Mapping[str, int]:
        """The version that each authoritative server serves, by its label; none where several zones answer for the name."""
        if any(look.outcome is Outcome.REFERRAL for look in mine):
            return {}
        told = (*self.looks.get(self.apex, ()), *mine)
        return {look.label: look.serial for look in told if look.kind is Kind.AUTHORITATIVE and look.serial is not None}

    def _at_authority(self, want: Record, look: Seen) -> Verdict:
        if look.outcome not in _ANSWERS:
            return Verdict.LAME if look.outcome in (Outcome.LAME, Outcome.REFUSED) else Verdict.UNREACHABLE
        if look.outcome is Outcome.REFERRAL:
            return Verdict.DELEGATED
        if look.outcome is Outcome.ANSWER and shows(look, want):
            return Verdict.BOGUS if look.bogus else Verdict.VISIBLE
        if look.outcome is Outcome.ANSWER:
            return self._answered(want, set(look.records))
        addresses = self._probed(want.owner, "A", "AAAA") if look.outcome is Outcome.NODATA else frozenset()
        if addresses:
            return Verdict.WILDCARD if addresses <= self._starred(want.owner, "A", "AAAA") else Verdict.MASKED
        beside = doubled(want.owner, self.apex)
        if beside is not None and self._probed(beside, want.rtype):
            return Verdict.DOUBLED_HOST
        return Verdict.WRONG_ZONE if self._astray(want) is not None else Verdict.ABSENT

    def _astray(self, want: Record) -> Seen | None:
        """Where a record is shown that the world does not ask."""
        looks = (look for look in self.looks.get(want.owner, ()) if look.kind is Kind.UNDELEGATED and look.rtype == want.rtype)
        return next((look for look in looks if shows(look, want)), None)

    def _served(self, want: Record) -> str:
        """By whom the zone that a name is delegated to is served, as the end of a sentence."""
        looks = (look for look in self.looks.get(want.owner, ()) if look.kind is Kind.AUTHORITATIVE and look.rtype == want.rtype)
        servers = dict.fromkeys(look.server for look in looks if look.outcome is not Outcome.REFERRAL)
        return f", at {', '.join(servers)}" if servers else ""

    def _answered(self, want: Record, records: set[Record]) -> Verdict:
        """What it means that something else was answered, or something else as well."""
        if records & self.former and want not in records:
            return Verdict.OLD
        targets = frozenset((record.rtype, record.key[2]) for record in records)
        return Verdict.WILDCARD if targets <= self._starred(want.owner, want.rtype) else Verdict.WRONG_TARGET

    def _probed(self, name: Name, *rtypes: str) -> frozenset[tuple[str, str]]:
        """What authoritative servers answered for these types at a name, owners aside."""
        return frozenset(
            (record.rtype, record.key[2])
            for look in self.looks.get(name, ())
            if look.kind is Kind.AUTHORITATIVE and look.rtype in rtypes and look.outcome is Outcome.ANSWER
            for record in look.records
            if record.rtype in rtypes
        )

    def _starred(self, owner: Name, *rtypes: str) -> frozenset[tuple[str, str]]:
        """What the nearest wildcard over a name holds."""
        held = (self._probed(star, *rtypes) for star in wildcards_over(owner, self.apex))
        return next((found for found in held if found), frozenset())

    def _finding(self, want: Record, owner: str, look: Seen, verdict: Verdict, elsewhere: bool) -> Finding:
        if verdict is Verdict.VISIBLE:
            label = look.label
            return Finding(want, label, look.kind, verdict, f"{label} shows {owner}")
        astray = self._astray(want) if verdict is Verdict.WRONG_ZONE else None
        served = self._served(want) if verdict is Verdict.DELEGATED else ""
        sentence, next_step = _words(want, owner, look, verdict, self.apex, elsewhere, astray, served)
        if verdict in (Verdict.LAME, Verdict.UNREACHABLE):
            holds = self.patient and look.outcome not in _USELESS
        elif verdict is Verdict.ABSENT and look.kind is Kind.RESOLVER and look.ttl is None:
            holds = self.patient
        elif verdict is Verdict.BOGUS and look.kind is Kind.RESOLVER:
            holds = self.patient or not elsewhere
        else:
            holds = not (verdict is Verdict.DELEGATED and elsewhere)
        wait = float(look.ttl) if look.kind is Kind.RESOLVER and holds and look.ttl is not None else None
        return Finding(want, look.label, look.kind, verdict, sentence, next_step, wait, holds)


def _with_version(finding: Finding, versions: Mapping[str, int], showing: Sequence[str]) -> Finding:
    """The finding with the version that its server serves; one that does not show the record, beside those that do."""
    serial = versions.get(finding.server)
    finding = replace(finding, serial=serial)
    others = [versions[label] for label in showing if label in versions]
    if finding.server in showing or serial is None or not others:
        return finding
    newest = reduce(lambda one, other: other if behind(one, other) else one, others)
    if serial == newest:
        said = f"{finding.sentence}, though it serves version {serial} of the zone as they do"
        return replace(finding, sentence=said, next_step="Wait a little; if it stays so, tell the DNS host that its servers disagree.")
    return replace(finding, sentence=f"{finding.sentence}: it serves version {serial} of the zone, they version {newest}")


def _at_resolver(want: Record, look: Seen) -> Verdict:
    """A resolver is asked only once every authoritative server answers, so whatever else it says is from before."""
    if look.outcome is Outcome.ANSWER:
        return Verdict.VISIBLE if shows(look, want) else Verdict.OLD
    if look.bogus:
        return Verdict.BOGUS
    return Verdict.ABSENT if look.outcome in _NEGATIVE else Verdict.UNREACHABLE


_SHOWN = 3
"""How many records of an answer a sentence names."""

_SILENCE: Mapping[Outcome, tuple[str, str]] = {
    Outcome.LAME: ("does not answer with authority for the zone", "Ask the DNS host why it is delegated to."),
    Outcome.REFUSED: ("refuses to answer for the zone", "Ask the DNS host why it is delegated to."),
    Outcome.SERVFAIL: ("fails to answer", "It is asked again."),
    Outcome.TIMEOUT: ("does not answer in time", "It is asked again."),
    Outcome.UNREACHABLE: ("cannot be reached from here", "Check this network's route to it."),
    Outcome.NONSENSE: ("answers nonsense", "It is asked again."),
    Outcome.PRIVATE: (
        "has an address that is not on the public internet, and was not asked",
        "Correct the name server's address, or allow private name servers in the configuration.",
    ),
    Outcome.NO_ADDRESS: ("has no address: its name resolves to nothing", "Correct the delegation at the registrar."),
}


def silence(outcome: Outcome) -> str:
    """What a server does that answered nothing usable, as the end of a sentence that begins with its name."""
    return _SILENCE[outcome][0]


def _words(
    want: Record, owner: str, look: Seen, verdict: Verdict, apex: Name, elsewhere: bool, astray: Seen | None, served: str
) -> tuple[str, str]:
    """The sentence and the next step for a verdict other than visible.

    `owner` is the wanted record's as text, `astray` where it is in a wrong zone, `served` by whom its own zone is served.
    """
    server = look.label
    if verdict in (Verdict.LAME, Verdict.UNREACHABLE):
        said, step = _SILENCE[look.outcome]
        return f"{server} {said}", step
    resolver = look.kind is Kind.RESOLVER
    until = f" for another {look.ttl} s" if resolver and look.ttl is not None else ""
    shown = ", ".join(f"{record.rtype} {record.rdata}" for record in look.records[:_SHOWN])
    shown += f" and {len(look.records) - _SHOWN} more" if len(look.records) > _SHOWN else ""
    match verdict:
        case Verdict.ABSENT if resolver and look.ttl is None:
            return f"{server} denies {owner} without saying for how long, as filters do and caches do not", "Ask who runs it why."
        case Verdict.ABSENT if resolver:
            return f"{server} still remembers that there is no {owner}{until}", "Wait until it forgets."
        case Verdict.ABSENT if elsewhere:
            return f"{server} does not have {owner} yet, other servers of the zone do", "Wait until it catches up."
        case Verdict.ABSENT:
            return f"{server} has no {want.rtype} at {owner}", "Wait for the DNS host to publish it, or check that it was saved there."
        case Verdict.BOGUS if resolver:
            return (
                f"{server} validates, and fails on {owner}: {look.bogus}",
                "Have the DNS hosts of the zone and of the zone above it look at their signatures, those of denials (NSEC) included.",
            )
        case Verdict.BOGUS:
            return (
                f"{server} shows {owner}, but a resolver that validates does not believe it: {look.bogus}",
                "Have the DNS host sign the zone anew, or take the DS record out at the registrar until it does.",
            )
        case Verdict.WRONG_ZONE if astray is not None:
            return (
                f"{server} has no {owner}: it is at {astray.label}, which {text(apex)} is not delegated to",
                "Add the record where the zone is delegated to, or have the registrar delegate it to where the record is.",
            )
        case Verdict.OLD:
            return f"{server} still answers the former {shown} for {owner}{until}", "Wait until it has the new one."
        case Verdict.MASKED:
            return f"{server} answers addresses for {owner} instead of the {want.rtype}", "Switch off proxying or flattening for it."
        case Verdict.WILDCARD:
            return f"{server} answers for {owner} from a wildcard, not from a record of its own", "Add the record at exactly that name."
        case Verdict.DOUBLED_HOST:
            return (
                f"the record is at {owner}.{text(apex)} on {server}: the zone's name was added to the full name",
                "Enter the name at the DNS host without the zone's name at its end.",
            )
        case Verdict.DELEGATED:  # harmless once the servers of the cut, which are asked as well, show the record
            cut = text(look.cut) if look.cut is not None else owner
            return f"{server} has delegated {cut} to other name servers", f"Add the record to the zone {cut}{served}."
    if any(record.rtype == "CNAME" and want.rtype == "CNAME" and record.target == doubled(want.target, apex) for record in look.records):
        return (
            f"{server} answers {shown} for {owner}: the zone's name was added to the target",
            f"Enter the target with a final dot, {text(want.target)}.",
        )
    return f"{server} answers {shown} for {owner}", f"It must be {want.rdata}: correct it at the DNS host."
