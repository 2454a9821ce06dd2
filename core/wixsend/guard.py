"""Floor 2, pure. What must hold before a zone is written: a list of small questions, each with its reason.

All objections are raised at once, and any objection means that nothing is written. The rules judge what the snapshot
covers and what the authoritative servers and the journal said (`Evidence`); they never ask anybody.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from wixsend.names import Name, ancestors, is_below, matches_suffix, text
from wixsend.plan import Change, Line, Mark, Plan
from wixsend.records import WHOLE, Granularity, Limits, Record

__all__ = ["RULES", "Claim", "Evidence", "Objection", "Rule", "guard"]


@dataclass(frozen=True, slots=True)
class Objection:
    """Why the edit is refused: the rule's `code`, what it is about, what we found, and the way out."""

    code: str
    subject: str
    found: str
    way_out: str


@dataclass(frozen=True, slots=True)
class Claim:
    """A record that another case of the journal needs; `who` names that case to a person."""

    who: str
    record: Record


@dataclass(frozen=True, slots=True)
class Evidence:
    """What is known beside the host's own answer.

    `domain` is the sending domain. `delegated` are the name servers that the parent's servers give for the apex, empty when
    nobody could be asked. `hosts` are the labels of the hosts those servers belong to. `host_named` is true when a person
    named the host explicitly. `cuts` are zone cuts and DNAMEs that DNS shows between the apex and the wanted names,
    with the name servers that are delegated to.
    `seen` are records that DNS shows and that a whole-zone host's API might not, `None` when DNS could not be asked. `claims`
    are other cases' needs. `ours` is what the journal says we wrote. `replace` names owners whose records a person let go.
    `known_targets` are the suffixes that Wix's targets are known to have. `accepted` names losses that a person accepted.
    """

    domain: Name
    wanted: frozenset[Record] = frozenset()
    delegated: frozenset[Name] = frozenset()
    hosts: tuple[str, ...] = ()
    host_named: bool = False
    cuts: Mapping[Name, tuple[Name, ...]] = field(default_factory=dict)
    seen: tuple[Record, ...] | None = ()
    claims: tuple[Claim, ...] = ()
    ours: frozenset[Record] = frozenset()
    replace: frozenset[Name] = frozenset()
    known_targets: frozenset[Name] = frozenset()
    accepted: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Question:
    """Everything a rule may look at."""

    plan: Plan
    evidence: Evidence
    granularity: Granularity
    limits: Limits

    @property
    def changes(self) -> tuple[Change, ...]:
        return self.plan.edit.changes

    @property
    def apex(self) -> Name:
        return self.plan.before.zone.apex

    @property
    def writes_zone(self) -> bool:
        return self.granularity is Granularity.ZONE and bool(self.plan.edit)


type _Found = tuple[str, str, str]
"""Subject, what was found, the way out."""


@dataclass(frozen=True, slots=True)
class Rule:
    """One question: its stable `code`, the reason it is asked, and the function that answers with what it found."""

    code: str
    why: str
    ask: Callable[[_Question], Iterable[_Found]]


def guard(plan: Plan, evidence: Evidence, granularity: Granularity, limits: Limits) -> tuple[Objection, ...]:
    """Every objection to this plan, in the order of `RULES`; empty means that it may be written."""
    question = _Question(plan, evidence, granularity, limits)
    return tuple(Objection(rule.code, *found) for rule in RULES for found in rule.ask(question))


def _lines(question: _Question, mark: Mark) -> Iterator[Line]:
    return (line for line in question.plan.lines if line.mark is mark)


def _conflict(question: _Question) -> Iterator[_Found]:
    for line in _lines(question, Mark.CONFLICT):
        name = text(line.record.owner)
        if line.record in question.evidence.wanted and line.record.owner.labels[0].lower() == b"_dmarc":
            continue
        yield name, line.note, f"Remove what is there, or let wixsend replace it: --replace {name}"


def _dmarc(question: _Question) -> Iterator[_Found]:
    for line in _lines(question, Mark.CONFLICT):
        if line.record in question.evidence.wanted and line.record.owner.labels[0].lower() == b"_dmarc":
            yield (
                text(line.record.owner),
                line.note,
                "Keep what is there with --dmarc keep, or let Wix's record replace it with --dmarc replace.",
            )


def _masked(question: _Question) -> Iterator[_Found]:
    for line in _lines(question, Mark.MASKED):
        name = text(line.record.owner)
        yield name, line.note, f"Switch the proxy or flattening off for this record, or let wixsend do it: --replace {name}"


def _outside_domain(question: _Question) -> Iterator[_Found]:
    for record in question.evidence.wanted:
        if not is_below(record.owner, question.evidence.domain):
            yield (
                text(record.owner),
                f"the record is not below the sending domain {text(question.evidence.domain)}",
                "This is not an answer that Wix should give; report it.",
            )


def _outside_zone(question: _Question) -> Iterator[_Found]:
    for change in question.changes:
        if not change.owner.is_subdomain(question.apex):
            yield (
                text(change.owner),
                f"the name is not in the zone {text(question.apex)}",
                "Name the account that holds its zone: --account NAME",
            )


def _apex(question: _Question) -> Iterator[_Found]:
    for change in question.changes:
        if change.owner == question.apex and any(record.rtype == "CNAME" for record in change.add):
            yield (
                text(change.owner),
                "a CNAME at the apex would hide every other record of the domain",
                "No way: ask Wix for other records.",
            )


def _below_cut(question: _Question) -> Iterator[_Found]:
    cutting = {record.owner: record for record in question.plan.before.records if record.rtype in ("NS", "DNAME")}
    for change in question.changes:
        above = (change.owner, *ancestors(change.owner, question.apex))
        for name in above:
            found = cutting.get(name) if name != question.apex else None
            if found is not None and found in change.remove:
                continue
            if found is not None or (name in question.evidence.cuts and name != question.apex):
                what = f"{found.rtype} {found.rdata}" if found is not None else "a delegation or DNAME, as DNS shows"
                servers = ", ".join(map(text, question.evidence.cuts.get(name, ())))
                yield (
                    text(change.owner),
                    f"{text(name)} holds {what}: what is written here is not served",
                    f"Add the record where {text(name)} is served from{': ' * bool(servers)}{servers}.",
                )
                break


def _alone(question: _Question) -> Iterator[_Found]:
    """The plan never makes such an edit; this rule holds should it ever."""
    for change in question.changes:
        if not any(record.rtype == "CNAME" for record in change.add):
            continue
        staying = [record for record in question.plan.before.at(change.owner) if record not in change.remove]
        if staying or len(change.add) > 1:
            yield text(change.owner), "a CNAME must be alone at its name (RFC 1034, 3.6.2)", "Remove what else is there first."


def _foreign(question: _Question) -> Iterator[_Found]:
    named, ours = question.evidence.replace, question.evidence.ours
    for record in question.plan.edit.removes:
        if record not in ours and record.owner not in named:
            yield (
                text(record.owner),
                f"{record.rtype} {record.rdata} was not written by wixsend, and nobody named it",
                f"If it may go: --replace {text(record.owner)}",
            )


def _not_read(question: _Question) -> Iterator[_Found]:
    before = question.plan.before
    for change in question.changes:
        if not before.covered(change.owner):
            yield text(change.owner), "the host was not asked what is at this name", "Run the command again."
    if question.writes_zone and before.covers is not WHOLE:
        yield text(question.apex), "the host replaces whole zones and showed only a part", "Run the command again."


def _zone_problem(question: _Question) -> Iterator[_Found]:
    zone = question.plan.before.zone
    if zone.problem:
        yield text(zone.apex), zone.problem, "Mend this at the host, then run the command again."


def _delegation(question: _Question) -> Iterator[_Found]:
    """Every server that the parent names must be one that the host gives this zone: then whoever asks, asks this zone."""
    evidence, zone = question.evidence, question.plan.before.zone
    if evidence.host_named or not evidence.delegated:
        return
    said = frozenset(zone.name_servers) or frozenset(record.target for record in question.plan.before.at(zone.apex) if record.rtype == "NS")
    strangers = sorted(text(server) for server in evidence.delegated - said)
    if said and strangers:
        yield (
            text(zone.apex),
            f"the domain is delegated to {', '.join(strangers)}, and this zone is served by {', '.join(sorted(map(text, said)))}",
            "The zone at this host is not the one the world sees. Name the host that serves it: --provider NAME",
        )


def _several_hosts(question: _Question) -> Iterator[_Found]:
    if len(question.evidence.hosts) > 1:
        yield (
            text(question.apex),
            f"the zone is served by several hosts at once: {', '.join(question.evidence.hosts)}",
            "Add the records at each of them by hand: wixsend plan prints them; wixsend then proves and authenticates.",
        )


def _unknown_target(question: _Question) -> Iterator[_Found]:
    for record in question.plan.edit.adds:
        if record in question.evidence.wanted and not matches_suffix(record.target, question.evidence.known_targets):
            yield (
                text(record.owner),
                f"Wix asks for a target that is not known to be Wix's: {text(record.target)}",
                f'If Wix says so too, add to wixsend.toml: [policy] known_targets = ["{text(record.target.parent())}"]',
            )


def _two_sites(question: _Question) -> Iterator[_Found]:
    for record in question.plan.edit.adds:
        for claim in question.evidence.claims:
            if claim.record.owner == record.owner and claim.record != record:
                yield (
                    text(record.owner),
                    f"{claim.who} needs {claim.record.rtype} {claim.record.rdata} there, and this case {record.rtype} {record.rdata}",
                    "One name holds one CNAME: decide which site sends for the domain, and undo the other.",
                )


def _empty_zone(question: _Question) -> Iterator[_Found]:
    before = question.plan.before
    name = "empty-zone"
    if question.writes_zone and not before.records and before.zone.record_count != 0 and name not in question.evidence.accepted:
        count = "does not say how many" if before.zone.record_count is None else f"counts {before.zone.record_count}"
        yield (
            text(question.apex),
            f"the host shows an empty zone and {count} records it holds",
            f"Look at the zone in the host's panel; if it is empty: --accept-loss {name}",
        )


def _fewer_than_counted(question: _Question) -> Iterator[_Found]:
    before = question.plan.before
    counted = before.zone.record_count
    if question.writes_zone and counted is not None and before.records and counted > len(before.records):
        name = "uncounted"
        if name not in question.evidence.accepted:
            yield (
                text(question.apex),
                f"the host counts {counted} records and shows {len(before.records)}: what it does not show would be lost",
                f"Compare with the host's panel; if nothing is missing: --accept-loss {name}",
            )


def _cannot_carry(question: _Question) -> Iterator[_Found]:
    if not question.writes_zone:
        return
    for fragile in question.plan.before.fragile:
        if fragile.name not in question.evidence.accepted:
            yield text(question.apex), fragile.what, f"{fragile.way_out} If it may be lost: --accept-loss {fragile.name}"


def _seen_only_in_dns(question: _Question) -> Iterator[_Found]:
    if not question.writes_zone:
        return
    if question.evidence.seen is None:
        if "srv" not in question.evidence.accepted:
            yield (
                text(question.apex),
                "DNS cannot be asked from here whether the zone has SRV records, which a whole-zone write may lose",
                "Run this where port 53 is open, or look in the host's panel; if there are none: --accept-loss srv",
            )
        return
    shown = {(record.owner, record.rtype) for record in question.plan.before.records}
    missing = {
        (r.owner, r.rtype): r for r in question.evidence.seen if (r.owner, r.rtype) not in shown and r.owner.is_subdomain(question.apex)
    }
    for record in missing.values():
        name = f"{record.rtype.lower()}:{text(record.owner)}"
        if name not in question.evidence.accepted:
            yield (
                text(record.owner),
                f"DNS shows {record.rtype} {record.rdata}, and the host's API does not: a whole-zone write may lose it",
                f"Note it down, and put it back in the host's panel afterwards: --accept-loss {name}",
            )


def _too_many(question: _Question) -> Iterator[_Found]:
    before, limit = question.plan.before, question.limits.max_records
    if limit is None or not question.plan.edit.adds or before.covers is not WHOLE:
        return
    after = len(before.records) - len(question.plan.edit.removes) + len(question.plan.edit.adds)
    if after > limit:
        yield (
            text(question.apex),
            f"the zone would hold {after} records, and the host takes {limit}",
            "Remove records that are not needed any more.",
        )


def _cannot_remove(question: _Question) -> Iterator[_Found]:
    for record in question.plan.edit.removes if not question.limits.removes else ():
        yield (
            text(record.owner),
            f"{record} would have to go, and wixsend only adds records at this host",
            f"Remove {record.rtype} {text(record.owner)} in the host's panel, then run the command again.",
        )


RULES: tuple[Rule, ...] = (
    Rule("outside-domain", "Wix may only speak for names below the sending domain.", _outside_domain),
    Rule("unknown-target", "A CNAME hands the name over; only to Wix's own domains, unless a person says otherwise.", _unknown_target),
    Rule("zone-problem", "A zone that its host calls inactive, partial or secondary is not the one the world sees.", _zone_problem),
    Rule("several-hosts", "A record written at one of several hosts is there for some of the askers only.", _several_hosts),
    Rule("delegation", "A zone that the parent does not delegate to is not the one the world sees.", _delegation),
    Rule("outside-zone", "A host can only serve names of its zone.", _outside_zone),
    Rule("not-read", "What was not read can be neither judged nor handed back.", _not_read),
    Rule("apex", "A CNAME at the apex hides SOA, NS and MX: mail is lost.", _apex),
    Rule("below-cut", "Below a delegation or a DNAME this zone's data is not served.", _below_cut),
    Rule("conflict", "What others wrote is never overwritten unasked.", _conflict),
    Rule("dmarc", "A weakened DMARC policy is the owner's decision.", _dmarc),
    Rule("masked", "A proxied or flattened CNAME is not seen as one, and changing it changes what others see.", _masked),
    Rule("cname-alone", "A CNAME beside other data makes all of it unpredictable.", _alone),
    Rule("foreign", "Nothing is deleted that we did not put there, but what a person named.", _foreign),
    Rule("two-sites", "Two cases that want different targets at one name would undo each other for ever.", _two_sites),
    Rule("empty-zone", "An empty answer from a whole-zone host, believed, wipes the zone.", _empty_zone),
    Rule("uncounted", "Records that a whole-zone host holds but does not show would not survive.", _fewer_than_counted),
    Rule("cannot-carry", "What the host's API cannot carry does not survive a whole-zone write.", _cannot_carry),
    Rule("seen-in-dns", "What DNS shows and the host's API does not might not survive a whole-zone write.", _seen_only_in_dns),
    Rule("cannot-remove", "Where nobody can say what a removal takes with it, a person does it.", _cannot_remove),
    Rule("too-many", "A zone over the host's limit is cut or refused half-way.", _too_many),
)
