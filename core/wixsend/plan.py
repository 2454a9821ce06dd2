"""Floor 2, pure. From what a zone holds and what Wix wants to the one edit that brings them together.

An `Edit` is made here and nowhere else (`plan`, `plan_undo`, `plan_restore`), and `apply` takes only what was made here: what was
shown is what is done. Nothing to do is an edit without changes, and an edit without changes is never written.
"""

import hashlib
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal

from wixsend.names import Name, ancestors, text, wildcards_over
from wixsend.records import WHOLE, Record, Snapshot, multiset

__all__ = [
    "Change",
    "Dmarc",
    "DmarcAbove",
    "Drift",
    "Edit",
    "Line",
    "Mark",
    "Plan",
    "Wanted",
    "drift",
    "edit_sent",
    "plan",
    "plan_restore",
    "plan_undo",
]


@dataclass(frozen=True, slots=True)
class Change:
    """What happens at one owner: records that go, records that come. Never empty."""

    owner: Name
    remove: tuple[Record, ...] = ()
    add: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Edit:
    """The zone as it was read, and the changes to make to it. Three views serve the three granularities of hosts."""

    before: Snapshot
    changes: tuple[Change, ...] = ()
    adds: tuple[Record, ...] = field(init=False, repr=False, compare=False)
    """Every record that comes, in order of the changes, without a `ref`: what one was read with, once, is no row of the host now."""

    def __post_init__(self) -> None:
        come = (record for change in self.changes for record in change.add)
        object.__setattr__(self, "adds", tuple(record if record.ref is None else replace(record, ref=None) for record in come))

    def __bool__(self) -> bool:
        return bool(self.changes)

    @property
    def removes(self) -> tuple[Record, ...]:
        """Every record that goes, with the `ref` it was read with."""
        return tuple(record for change in self.changes for record in change.remove)

    def by_record(self) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
        """For hosts that edit single records: what to remove, then what to add."""
        return self.removes, self.adds

    def by_rrset(self) -> Mapping[tuple[Name, str], tuple[Record, ...]]:
        """For hosts that replace RRsets: each RRset that changes, whole, as it shall be; an empty tuple deletes it.

        RRsets that only lose come first, so that a CNAME is never asked for beside what it replaces.
        """
        going: dict[tuple[Name, str], None] = {}
        for record in (*self.removes, *self.adds):
            going[record.owner, record.rtype] = None
        after = self._after(self.before.records)
        sets = {key: tuple(r for r in after if (r.owner, r.rtype) == key) for key in going}
        return dict(sorted(sets.items(), key=lambda item: bool(item[1])))

    def whole_zone(self) -> tuple[Record, ...]:
        """For hosts that replace zones: every record as it shall be; what we do not touch verbatim and in the order it was read.

        Raises `ValueError` when the snapshot does not cover the whole zone: writing from it would delete the rest.
        """
        if self.before.covers is not WHOLE:
            raise ValueError("a whole-zone write needs a snapshot of the whole zone")
        return self._after(self.before.records)

    def _after(self, records: Iterable[Record]) -> tuple[Record, ...]:
        going = list(self.removes)
        staying: list[Record] = []
        for record in records:
            if record in going:
                going.remove(record)
            else:
                staying.append(record)
        return (*staying, *self.adds)

    @property
    def digest(self) -> str:
        """Names the changes, not the zone around them: two plans with one digest ask the same yes of a person."""
        lines = sorted(
            f"{sign} {text(record.owner)} {record.rtype} {record.key[2]}"
            for sign, records in (("-", self.removes), ("+", self.adds))
            for record in records
        )
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


class Mark(StrEnum):
    """The margin of a printed plan."""

    CREATE = "+"
    RIGHT = "="
    MASKED = "~"
    CONFLICT = "!"
    REMOVE = "-"
    KEPT = "."


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a plan: the record, its mark, what stands in its way (`found`), and a note for a person."""

    mark: Mark
    record: Record
    note: str = ""
    found: tuple[Record, ...] = ()


@dataclass(frozen=True, slots=True)
class Plan:
    """An edit and how to show it. `untouched` is the number of records that stay as they are, `None` where the host does not tell.

    `kept` are wanted records that policy leaves out: they are not written and take no part in the proof.
    """

    edit: Edit
    lines: tuple[Line, ...]
    untouched: int | None = None
    kept: tuple[Record, ...] = ()

    @property
    def before(self) -> Snapshot:
        return self.edit.before


type Dmarc = Literal["keep", "replace", "stop"]


@dataclass(frozen=True, slots=True)
class DmarcAbove:
    """A DMARC policy that the sending domain inherits: published at `owner`, stricter than `none`."""

    owner: Name
    policy: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """What one sending domain needs, and what a person has consented to.

    `replace` names owners whose other records may go. `dmarc` is the policy for whatever is at `dmarc_owner`.
    """

    records: tuple[Record, ...]
    dmarc_owner: Name
    dmarc: Dmarc = "keep"
    dmarc_above: DmarcAbove | None = None
    replace: frozenset[Name] = field(default_factory=frozenset)


def plan(before: Snapshot, wanted: Wanted) -> Plan:
    """The edit that makes every wanted record true without touching anything else, and a line for each of them.

    Applying it and planning again gives an edit without changes. Conflicts become lines marked `!` and no change: the guard
    turns them into objections.
    """
    lines: list[Line] = []
    changes: list[Change] = []
    kept: list[Record] = []
    counted: list[Record] = []
    for want in dict.fromkeys(wanted.records):
        here = before.at(want.owner)
        line, change = _decide(before, want, here, wanted)
        lines.append(line)
        if change is not None:
            changes.append(change)
            lines.extend(Line(Mark.REMOVE, record, "replaced") for record in change.remove)
        if line.mark is Mark.KEPT:
            kept.append(want)
        counted.extend(record for record in here if record == want)
    edit = Edit(before, tuple(changes))
    return Plan(edit, tuple(lines), _untouched(edit, counted), tuple(kept))


def _decide(before: Snapshot, want: Record, here: tuple[Record, ...], wanted: Wanted) -> tuple[Line, Change | None]:
    """One wanted record against what stands at its owner."""
    right = [record for record in here if record == want]
    others = tuple(record for record in here if record != want)
    masked = tuple(record for record in right if record.masked)
    consented = want.owner in wanted.replace
    if want.owner == wanted.dmarc_owner:
        consented = consented or wanted.dmarc == "replace"
        blocking = _dmarc_note(others, wanted) if others or not here else ""
        if blocking and not consented:
            mark = Mark.KEPT if wanted.dmarc == "keep" else Mark.CONFLICT
            return Line(mark, want, blocking, others), None
    if others and not consented:
        return Line(Mark.CONFLICT, want, _conflict_note(others), others), None
    if right and not others and not masked:
        return Line(Mark.RIGHT, want, found=tuple(right)), None
    if right and masked and not others and not consented:
        return Line(Mark.MASKED, want, "the host stores it, and shows the world something else", tuple(right)), None
    if right and not masked:
        return Line(Mark.RIGHT, want, found=tuple(right)), Change(want.owner, remove=others)
    return Line(Mark.CREATE, want, _shadow_note(before, want)), Change(want.owner, remove=(*others, *masked), add=(want,))


def _dmarc_note(others: tuple[Record, ...], wanted: Wanted) -> str:
    """Why the DMARC record needs a person's word: what is there, or which policy is inherited. Empty when nothing is in the way."""
    if others:
        return "_dmarc holds " + _listed(others)
    if wanted.dmarc_above is not None:
        above = wanted.dmarc_above
        return f"{text(above.owner)} says p={above.policy}, which the Wix record would override with p=none"
    return ""


def _conflict_note(others: tuple[Record, ...]) -> str:
    return "the name holds " + _listed(others)


def _listed(records: tuple[Record, ...]) -> str:
    shown = ", ".join(f"{record.rtype} {record.rdata[:60]}" for record in records[:3])
    return shown + (f" and {len(records) - 3} more" if len(records) > 3 else "")


def _shadow_note(before: Snapshot, want: Record) -> str:
    """What a wildcard answered for this name until now (RFC 4592: the nearest existing ancestor's wildcard, and no other)."""
    apex = before.zone.apex
    for above, star in zip(ancestors(want.owner, apex), wildcards_over(want.owner, apex), strict=True):
        answering = before.at(star)
        if answering:
            return f"no longer answered by the wildcard {text(star)} ({_listed(answering)})"
        if before.at(above):
            return ""
    return ""


def _untouched(edit: Edit, ours: Collection[Record]) -> int | None:
    before = edit.before
    total = len(before.records) if before.covers is WHOLE else before.total
    gone = [record for record in edit.removes if record not in ours]
    return None if total is None else max(0, total - len(ours) - len(gone))


def plan_undo(before: Snapshot, written: Iterable[Change], keep: Collection[Record] = ()) -> Plan:
    """The edit that takes back `written` (what the journal says we wrote), and puts back what it had replaced.

    Records in `keep` (another case needs them) stay. What is gone already, or is no longer ours to the letter, is left alone and said.
    """
    lines: list[Line] = []
    changes: list[Change] = []
    for change in written:
        here = before.at(change.owner)
        remove: list[Record] = []
        for ours in change.add:
            held = [record for record in here if record == ours]
            if ours in keep:
                lines.append(Line(Mark.KEPT, ours, "another sending domain's case needs it"))
            elif not held:
                lines.append(Line(Mark.RIGHT, ours, "is gone already"))
            else:
                remove.extend(held)
                lines.extend(Line(Mark.REMOVE, record) for record in held)
        blocked = [record for record in here if record not in remove]
        back: list[Record] = []
        for old in change.remove:
            if old in blocked:
                lines.append(Line(Mark.RIGHT, old, "is there again already"))
            elif blocked and ("CNAME" in {old.rtype, *(record.rtype for record in blocked)}):
                lines.append(Line(Mark.CONFLICT, old, _conflict_note(tuple(blocked)), tuple(blocked)))
            else:
                back.append(old)
                lines.append(Line(Mark.CREATE, old, "put back"))
        if remove or back:
            changes.append(Change(change.owner, tuple(remove), tuple(back)))
    edit = Edit(before, tuple(changes))
    return Plan(edit, tuple(lines), _untouched(edit, ()))


def plan_restore(before: Snapshot, lost: Iterable[Record]) -> Plan:
    """The edit that puts back records that a person names from a backup: only those that are missing, and never over something else."""
    lines: list[Line] = []
    adds: dict[Name, list[Record]] = {}
    for record in dict.fromkeys(lost):
        here = before.at(record.owner)
        exclusive = [other for other in here if "CNAME" in {other.rtype, record.rtype}]
        if record in here:
            lines.append(Line(Mark.RIGHT, record))
        elif exclusive:
            lines.append(Line(Mark.CONFLICT, record, _conflict_note(here), here))
        else:
            adds.setdefault(record.owner, []).append(record)
            lines.append(Line(Mark.CREATE, record, "put back"))
    edit = Edit(before, tuple(Change(owner, add=tuple(records)) for owner, records in adds.items()))
    return Plan(edit, tuple(lines), _untouched(edit, ()))


def edit_sent(before: Snapshot, changes: Iterable[Change]) -> Edit:
    """An edit that was sent, from what the journal kept of it: to see what it did, never to send it again (its records have no `ref`)."""
    return Edit(before, tuple(changes))


@dataclass(frozen=True, slots=True)
class Drift:
    """How a zone, read again after an edit, differs from what it must be: all that was there and was not touched, and what was added.

    `lost` are untouched records that are gone or changed, `settings` names the baggage that changed, `missing` are records of the
    edit that are not there, `lingering` those that it removed and that still are.
    """

    lost: tuple[Record, ...] = ()
    settings: tuple[str, ...] = ()
    missing: tuple[Record, ...] = ()
    lingering: tuple[Record, ...] = ()

    @property
    def harmed(self) -> bool:
        """True when something that we did not touch is not as it was."""
        return bool(self.lost or self.settings)

    def __bool__(self) -> bool:
        return bool(self.lost or self.settings or self.missing or self.lingering)


def drift(edit: Edit, after: Snapshot) -> Drift:
    """Compare a second look with what the edit promised, over the names that both looks cover. Records that others added do not count."""
    before = edit.before
    seen = [record for record in before.records if after.covered(record.owner)]
    untouched = multiset(seen) - multiset(edit.removes)
    gone = untouched - multiset(after.records)
    lost: list[Record] = []
    for record in seen:
        mark = (record.key, record.masked)
        if gone[mark] > 0:
            gone[mark] -= 1
            lost.append(record)
    settings = sorted(name for name in before.baggage if after.baggage.get(name) != before.baggage[name])
    missing = [record for record in edit.adds if record not in after.at(record.owner)]
    lingering = [record for record in dict.fromkeys(edit.removes) if record not in edit.adds and record in after.at(record.owner)]
    return Drift(tuple(lost), tuple(settings), tuple(missing), tuple(lingering))
