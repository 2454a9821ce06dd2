"""Floor 2, pure. The life of one sending domain: two tables and two functions.

`EFFECTS` says what is done at each stage, `NEXT` which stage follows which event. `decide(case, now, times)` gives the next thing to
do as a value; `evolve(case, event, at, times)` folds what happened into the case. The shell (`wixsend.engine`) performs one effect,
appends the event to the journal, and believes it only then. Resuming is folding the journal. Time is an argument: seconds since the
epoch, UTC.
"""

import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

import dns.name

from wixsend.errors import Drifted
from wixsend.events import (
    Accepted,
    Agreed,
    Blind,
    Event,
    Hidden,
    HostFound,
    Intended,
    NoHost,
    NothingToWrite,
    NotYet,
    Planned,
    Reopened,
    Stopped,
    Stumbled,
    Undoing,
    Undone,
    Visible,
    Withdrawn,
    WixAuthenticated,
    WixGenerating,
    WixHosts,
    WixWants,
    WriteUnknown,
    Wrote,
)
from wixsend.names import Name
from wixsend.plan import Change
from wixsend.records import Record

__all__ = [
    "EARLY",
    "EFFECTS",
    "NEXT",
    "RESTARTS",
    "Case",
    "Decision",
    "Effect",
    "Patience",
    "Stage",
    "Times",
    "decide",
    "evolve",
    "merged",
    "tried_until",
]


class Stage(StrEnum):
    """Where a case stands. The value is what reports print."""

    ASKING = "asking Wix"
    GENERATING = "waiting for Wix's records"
    LOCATING = "finding the DNS host"
    PLANNING = "planning"
    AGREEING = "waiting for a yes"
    WRITING = "writing"
    PROVING = "waiting for DNS"
    AUTHENTICATING = "authenticating"
    CONFIRMING = "confirming"
    FOLLOWING = "following Wix"
    AUDITING = "checking DNS"
    DONE = "authenticated"
    STOPPED = "stopped"
    UNDONE = "undone"


class Effect(StrEnum):
    """The one thing to do next in the world."""

    ASK_WIX = "ask Wix which records it wants"
    FIND_HOST = "find the zone, its host and the account"
    PLAN = "read the zone and plan the edit"
    ASK_PERSON = "show the plan and ask for a yes"
    WRITE = "write the edit and look again"
    LOOK = "look in DNS"
    AUTHENTICATE = "ask Wix to authenticate"
    CONFIRM = "ask Wix for the status"
    GIVE_UP = "stop, and explain"
    WAIT = "wait"
    REST = "nothing more to do"


EFFECTS: Mapping[Stage, Effect] = {
    Stage.ASKING: Effect.ASK_WIX,
    Stage.GENERATING: Effect.ASK_WIX,
    Stage.LOCATING: Effect.FIND_HOST,
    Stage.PLANNING: Effect.PLAN,
    Stage.AGREEING: Effect.ASK_PERSON,
    Stage.WRITING: Effect.WRITE,
    Stage.PROVING: Effect.LOOK,
    Stage.AUTHENTICATING: Effect.AUTHENTICATE,
    Stage.CONFIRMING: Effect.CONFIRM,
    Stage.FOLLOWING: Effect.ASK_WIX,
    Stage.AUDITING: Effect.LOOK,
    Stage.DONE: Effect.REST,
    Stage.STOPPED: Effect.REST,
    Stage.UNDONE: Effect.REST,
}
"""What is done at each stage, once its time has come."""

_ANYWHERE: Mapping[type[Event], Stage | None] = {
    Stopped: Stage.STOPPED,
    Undoing: None,
    Undone: Stage.UNDONE,
    Reopened: Stage.ASKING,
    Stumbled: None,
}
_ENDED: Mapping[type[Event], Stage | None] = {Reopened: Stage.ASKING, Undoing: None, Undone: Stage.UNDONE}
_ASKED: Mapping[type[Event], Stage | None] = {
    WixGenerating: Stage.GENERATING,
    WixWants: Stage.LOCATING,
    WixAuthenticated: Stage.AUDITING,
}

NEXT: Mapping[Stage, Mapping[type[Event], Stage | None]] = {
    Stage.ASKING: {**_ASKED, **_ANYWHERE},
    Stage.GENERATING: {**_ASKED, **_ANYWHERE},
    Stage.LOCATING: {HostFound: Stage.PLANNING, NoHost: Stage.PROVING, WixHosts: Stage.FOLLOWING, **_ANYWHERE},
    Stage.PLANNING: {Planned: Stage.AGREEING, NothingToWrite: Stage.PROVING, **_ANYWHERE},
    Stage.AGREEING: {Agreed: Stage.WRITING, Withdrawn: Stage.PLANNING, **_ANYWHERE},
    Stage.WRITING: {
        Intended: None,
        Wrote: Stage.PROVING,
        WriteUnknown: None,
        Withdrawn: Stage.PLANNING,
        **_ANYWHERE,
    },
    Stage.PROVING: {Visible: Stage.AUTHENTICATING, Hidden: None, Blind: Stage.AUTHENTICATING, **_ANYWHERE},
    Stage.AUTHENTICATING: {Accepted: Stage.CONFIRMING, NotYet: Stage.PROVING, **_ANYWHERE},
    Stage.CONFIRMING: {WixAuthenticated: Stage.DONE, NotYet: Stage.PROVING, **_ANYWHERE},
    Stage.FOLLOWING: {WixGenerating: None, WixWants: None, WixAuthenticated: Stage.DONE, **_ANYWHERE},
    Stage.AUDITING: {Visible: Stage.DONE, Hidden: Stage.DONE, Blind: Stage.DONE, **_ANYWHERE},
    Stage.DONE: _ENDED,
    Stage.STOPPED: _ENDED,
    Stage.UNDONE: _ENDED,
}
"""Which stage follows which event; `None` stays. An event that a stage does not list leaves the case as it is."""

EARLY: frozenset[Stage] = frozenset({Stage.ASKING, Stage.LOCATING, Stage.PLANNING, Stage.AGREEING})
"""Stages before anything was written: who sits and waits is better told of a failure that does not pass soon."""

RESTARTS: frozenset[type[Event]] = frozenset({Wrote, NothingToWrite, NoHost, WixHosts, Reopened})
"""Events from which the time that is given to DNS and to Wix is counted."""


class Patience(StrEnum):
    """When Wix is asked to authenticate.

    `PROOF`: as soon as DNS shows every record at every authoritative server and chosen resolver. `DOCUMENTED`: as Wix's documentation
    has it, an hour after the write and every four hours from then on, whatever DNS shows.
    """

    PROOF = "proof"
    DOCUMENTED = "documented"


@dataclass(frozen=True, slots=True)
class Times:
    """Every wait, in seconds; all can be set in `[times]` of wixsend.toml. The defaults follow Wix's own advice."""

    patience: Patience = Patience.PROOF
    """What Wix is asked after: proof in DNS, or the time that its documentation gives."""
    generating: float = 20.0
    """Between two looks whether Wix has made its records; grows to `generating_most`."""
    generating_most: float = 300.0
    look_least: float = 2.0
    """The shortest and longest time between two looks in DNS."""
    look_most: float = 3600.0
    blind_first: float = 3600.0
    """Where DNS cannot be seen from here, or is not to decide: from the write to the first authenticate (Wix: 1 h)."""
    retry_first: float = 300.0
    """After Wix did not authenticate although DNS was complete; grows fourfold to `retry_most` (Wix: 4 h)."""
    retry_most: float = 14400.0
    following: float = 60.0
    """Between two looks at the status of a domain whose DNS is at Wix; grows to `following_most`."""
    following_most: float = 900.0
    give_up: float = 172800.0
    """From the write until the case is stopped with an explanation (Wix: 48 h)."""
    by_hand: float = 2592000.0
    """The same where a person adds the records: how long we look for them until DNS shows them all for the first time."""
    stumble_first: float = 1.0
    """After a passing failure; doubles to `stumble_most`."""
    stumble_most: float = 300.0
    stumbles_early: int = 5
    """How many passing failures in a row are borne before anything was written, where somebody waits for it."""
    stumbling: float = 21600.0
    """How long passing failures in a row are borne afterwards; in a run of many domains, from the beginning."""
    plan_fresh: float = 5.0
    """A plan older than this is made again from a new read before it is written."""
    zone_fresh: float = 0.5
    """The same where a write replaces the whole zone: what others changed since the read would be lost."""
    settle_most: float = 60.0
    """The longest that a host is thought to take until an edit shows in its own API, whatever its plugin says."""

    def unattended(self) -> "Times":
        """The same where nobody sits and waits: an outage before the write is borne as long as one after it."""
        return replace(self, stumbles_early=sys.maxsize)


@dataclass(frozen=True, slots=True)
class Case:
    """One sending domain's run, folded from its events.

    `due` is when the next effect may be performed, `why` says to a person what is waited for. `since` is the moment from which DNS
    and Wix are given their time. `written` is what we wrote and have not taken back; `intended` what was sent and is not confirmed
    yet, of which `doubted` was sent before the last write. `sent` are the changes of a write after which nobody has looked, `snapshot`
    the journal's number of the zone before it. `tries` counts authenticate calls that did not succeed, `stumbles` passing failures in
    a row, those that said how long to wait aside; `stumble` is the last of the row, `stumbling_since` when it began, had it been tried all
    the time. `conflicts` counts edits that the host refused because the zone had changed. `handed` is true when a person asked to add the
    records by hand.
    """

    stage: Stage = Stage.ASKING
    due: float = 0.0
    why: str = ""
    at: float = 0.0
    since: float = 0.0
    wix_id: str = ""
    wanted: tuple[Record, ...] = ()
    kept: tuple[Record, ...] = ()
    apex: Name = dns.name.root
    provider: str = ""
    account: str = ""
    how: str = ""
    agreed: str = ""
    intended: tuple[Change, ...] = ()
    doubted: tuple[Change, ...] = ()
    sent: tuple[Change, ...] = ()
    snapshot: int = 0
    written: tuple[Change, ...] = ()
    authenticated: bool = False
    warning: str = ""
    waits: int = 0
    tries: int = 0
    stumbles: int = 0
    stumbling_since: float = 0.0
    stumble: Stumbled | None = None
    conflicts: int = 0
    stop: Stopped | None = None
    handed: bool = False

    @property
    def awaits_person(self) -> bool:
        """True while somebody has to add the records by hand, as far as DNS has shown until now."""
        return self.stage is Stage.PROVING and not self.provider and not self.tries

    @property
    def to_prove(self) -> tuple[Record, ...]:
        """The records that DNS has to show: what is wanted, but for what the DMARC policy leaves out."""
        return tuple(record for record in self.wanted if record not in self.kept)


@dataclass(frozen=True, slots=True)
class Decision:
    """What to do now: `effect`; for `WAIT`, `until` when, and `why`."""

    effect: Effect
    until: float = 0.0
    why: str = ""


def decide(case: Case, now: float, times: Times) -> Decision:
    """The next effect. A clock that went backwards never makes a case wait longer than it was told to."""
    effect = EFFECTS[case.stage]
    if effect is Effect.REST:
        return Decision(effect, why=case.why)
    if _worn_out(case, times):
        return Decision(Effect.GIVE_UP, why=case.why)
    if case.due > now >= case.at:
        return Decision(Effect.WAIT, case.due, case.why)
    return Decision(effect, why=case.why)


def _worn_out(case: Case, times: Times) -> bool:
    """True when the last thing that happened came too late, and says to wait once more.

    A machine that slept for days still looks once, and a failure to look is no look.
    """
    if case.stage in EARLY and (case.stumbles >= times.stumbles_early or case.conflicts >= _CONFLICTS_MOST):
        return True
    if case.stumble is not None:
        return case.at - case.stumbling_since >= times.stumbling
    most = times.by_hand if case.awaits_person else times.give_up
    return case.due > case.at and case.stage not in EARLY and bool(case.since) and case.at - case.since >= most


def tried_until(case: Case, now: float, times: Times) -> float:
    """When the passing failures of a case will have been borne for long enough, if it is tried from now on: what fails then stops it."""
    return _tried_since(case, case, now) + times.stumbling


def evolve(case: Case, event: Event, at: float, times: Times) -> Case:
    """The case after the event. An event that the stage does not know changes nothing: a late or repeated one does no harm.

    A time that lies after the event is one that the clock has taken back since: it is counted from the event on.
    """
    if type(event) not in NEXT[case.stage]:
        return case
    stage = _next_stage(case, event, times)
    waits = case.waits + 1 if stage is case.stage else 0
    since, stumbling = min(case.since, at), min(case.stumbling_since, at)
    moved = replace(case, stage=stage, at=at, due=at, why="", waits=waits, since=since, stumbles=0, stumbling_since=stumbling, stumble=None)
    if type(event) in RESTARTS or (case.awaits_person and isinstance(event, Visible)):
        moved = replace(moved, since=at)
    return _folded(moved, case, event, at, times)


def _next_stage(case: Case, event: Event, times: Times) -> Stage:
    """By the table, but that what DNS does not show holds nobody up who goes by Wix's documentation, once the records were written."""
    if _documented(times) and (case.stage, type(event)) == (Stage.PROVING, Hidden) and not case.awaits_person:
        return Stage.AUTHENTICATING
    return NEXT[case.stage][type(event)] or case.stage


def _folded(moved: Case, before: Case, event: Event, at: float, times: Times) -> Case:
    """What the event says, put into the case."""
    match event:
        case WixGenerating(wix_id):
            wait = min(times.generating * 2**before.waits, times.generating_most)
            if before.stage is not moved.stage:
                moved = replace(moved, since=at)
            return replace(moved, wix_id=wix_id, due=at + wait, why="Wix is still making the records")
        case WixWants(wix_id, records):
            moved = replace(moved, wix_id=wix_id, wanted=records, authenticated=False)
            if moved.stage is Stage.FOLLOWING:
                wait = min(times.following * 2**before.waits, times.following_most)
                return replace(moved, due=at + wait, why="Wix serves this zone and adds the records itself")
            return moved
        case WixAuthenticated(wix_id, records):
            return replace(
                moved, wix_id=wix_id or before.wix_id, wanted=records or before.wanted, authenticated=True, warning="", stop=None
            )
        case HostFound(apex, provider, account, how):
            return replace(moved, apex=apex, provider=provider, account=account, how=how, handed=False)
        case NoHost(apex, why, kept, handed):
            return replace(moved, apex=apex, provider="", account="", how=why, kept=kept, handed=handed)
        case WixHosts(apex):
            return replace(moved, apex=apex, provider="wix", how="Wix serves this zone and adds the records itself", handed=False)
        case Planned(digest, kept):
            agreed = before.agreed if before.agreed == digest else ""
            return replace(moved, kept=kept, agreed=agreed)
        case NothingToWrite(kept):
            return replace(_seen(moved, before), kept=kept)
        case Agreed(digest):
            return replace(moved, agreed=digest)
        case Intended(changes, snapshot):
            intended = merged(before.intended, changes)
            return replace(moved, intended=intended, doubted=before.intended, sent=changes, snapshot=snapshot)
        case Withdrawn(why, conflict=False):
            return replace(moved, why=why)
        case Withdrawn(why):
            wait = min(times.stumble_first * 2**before.conflicts, times.stumble_most)
            return replace(moved, due=at + wait, why=why, intended=before.doubted, sent=(), conflicts=before.conflicts + 1)
        case WriteUnknown(why, settle):
            return replace(moved, due=at + settle, why=why)
        case Wrote():
            return _seen(moved, before)
        case Visible(warning):
            told = replace(moved, warning=warning)
            if moved.stage is Stage.DONE:
                return told
            return _as_documented(told, before, "DNS shows every record", at, times) if _documented(times) else replace(told, why=_SHOWN)
        case Hidden(why, wait, then):
            if moved.stage is Stage.DONE:
                return replace(moved, warning=f"Wix says AUTHENTICATED, and DNS no longer shows all records: {why} (--again)")
            if before.awaits_person:
                wait = max(wait, (at - before.since) / _UNHURRIED)
            elif _documented(times):
                return _as_documented(moved, before, why, at, times)
            reason = f"{why}; {then}" if then else why
            # Not counted among the waits: the journal keeps one of several looks that show the same.
            return replace(moved, due=at + min(max(wait, times.look_least), times.look_most), why=reason, waits=before.waits)
        case Blind(why):
            if moved.stage is Stage.DONE:
                return replace(moved, warning=f"Wix says AUTHENTICATED; DNS could not be checked: {why}")
            return _as_documented(moved, before, why, at, times)
        case NotYet(why):
            wait = times.retry_most if _documented(times) else min(times.retry_first * 4**before.tries, times.retry_most)
            again = f"{_not_yet(before, why)}; it is asked again after {_span(wait)}"
            return replace(moved, tries=before.tries + 1, due=at + wait, why=again, authenticated=False)
        case Stumbled(happened=happened, retry_after=retry_after):
            wait = min(times.stumble_first * 2**before.stumbles, times.stumble_most)
            return replace(
                moved,
                due=at + max(wait, retry_after or 0.0),
                why=happened,
                waits=before.waits,
                stumbles=before.stumbles + (retry_after is None),
                stumbling_since=_tried_since(moved, before, at),
                stumble=event,
            )
        case Stopped(error, happened=happened):
            # What a zone lost is told once: the next run goes on.
            return replace(moved, stop=event, why=happened, sent=() if error == Drifted.code else before.sent)
        case Reopened():
            return replace(moved, tries=0, conflicts=0, stop=None, warning="")
        case Undoing(changes, snapshot):
            return replace(moved, sent=changes, snapshot=snapshot)
        case Undone():
            taken_back = "what wixsend had written was taken back"
            return replace(moved, written=(), intended=(), doubted=(), sent=(), agreed="", stop=None, why=taken_back)
        case _:
            return moved


_CONFLICTS_MOST = 5
"""How often an edit is planned anew because somebody else was faster."""

_UNHURRIED = 100
"""Who has not added the records for days is looked for after every hundredth of that time, not every few minutes."""

_SHOWN = "every authoritative server and every public resolver that answers shows every record, so Wix is asked to authenticate"


def _documented(times: Times) -> bool:
    return times.patience is Patience.DOCUMENTED


def _as_documented(moved: Case, before: Case, why: str, at: float, times: Times) -> Case:
    """Wix is asked after the time that its documentation gives; after a try that came to nothing, that time is over."""
    due = at if before.tries else max(at, before.since + times.blind_first)
    then = f"Wix is asked {_span(times.blind_first)} after the records were added, as it advises" if due > at else "Wix is asked now"
    return replace(moved, due=due, why=f"{why}; {then}")


def _span(seconds: float) -> str:
    return f"{seconds / 3600:g} h" if seconds >= 3600 else f"{seconds / 60:g} min" if seconds >= 60 else f"{seconds:g} s"


def _tried_since(moved: Case, before: Case, at: float) -> float:
    """When the row of failures began; hours in which nobody tried, because the machine slept or nobody drove the run, are no part of it."""
    return moved.stumbling_since + max(0.0, at - before.due) if before.stumble is not None else at


def _seen(moved: Case, before: Case) -> Case:
    """Whatever was sent is there: somebody looked."""
    return replace(moved, written=merged(before.written, before.intended), intended=(), doubted=(), sent=(), conflicts=0)


def _not_yet(case: Case, why: str) -> str:
    """After two tries with everything visible, what we left out is the likeliest reason."""
    if case.tries >= 1 and case.kept:
        return f"{why}; everything else is visible, so Wix may insist on the _dmarc record that was left as it is (--dmarc replace)"
    return why


def merged(*runs: tuple[Change, ...]) -> tuple[Change, ...]:
    """Changes of several writes as one for each owner: what went away at first, and what came and is still to be taken back."""
    by_owner: dict[Name, Change] = {}
    for change in (change for run in runs for change in run):
        old = by_owner.get(change.owner, Change(change.owner))
        came = {*old.add}
        remove = (*old.remove, *(record for record in change.remove if record not in came and record not in old.remove))
        add = (*(record for record in old.add if record not in change.remove), *(record for record in change.add if record not in came))
        by_owner[change.owner] = Change(change.owner, remove, add)
    return tuple(change for change in by_owner.values() if change.add or change.remove)
