"""Floor 2: the tables are whole, and no order of events leaves a case without a way on."""

import json

import dns.name
import pytest
from hypothesis import given
from hypothesis import strategies as st

from strategies import records
from wixsend.events import (
    EVENTS,
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
    from_json,
    to_json,
)
from wixsend.flow import EARLY, EFFECTS, NEXT, Case, Effect, Patience, Stage, Times, decide, evolve, merged
from wixsend.plan import Change
from wixsend.records import Record

APEX = dns.name.from_text("example.com.")
S1 = Record(dns.name.from_text("s1._domainkey", APEX), "CNAME", "s1.s004.ascendbywix.com.")
DMARC = Record(dns.name.from_text("_dmarc", APEX), "CNAME", "_dmarc.wixemails.com.")
CHANGE = Change(S1.owner, add=(S1,))
TIMES = Times()

events = st.one_of(
    st.builds(WixGenerating, st.just("id")),
    st.builds(WixWants, st.just("id"), st.just((S1, DMARC))),
    st.builds(WixAuthenticated, st.just("id"), st.just((S1,))),
    st.builds(HostFound, st.just(APEX), st.just("cloudflare"), st.just("main")),
    st.builds(NoHost, st.just(APEX), st.just("nobody"), st.sampled_from([(), (DMARC,)]), st.booleans()),
    st.builds(WixHosts, st.just(APEX)),
    st.builds(Planned, st.sampled_from(["d1", "d2"]), st.sampled_from([(), (DMARC,)])),
    st.builds(NothingToWrite),
    st.builds(Agreed, st.sampled_from(["d1", "d2"])),
    st.builds(Intended, st.just((CHANGE,)), st.integers(1, 9)),
    st.builds(Withdrawn, st.just("why"), st.booleans()),
    st.builds(WriteUnknown, st.just("why"), st.floats(0, 60)),
    st.builds(Wrote),
    st.builds(Visible),
    st.builds(Hidden, st.just("why"), st.floats(0, 1e6)),
    st.builds(Blind, st.just("why")),
    st.builds(Accepted),
    st.builds(NotYet, st.just("why")),
    st.builds(Stumbled, st.just("unavailable"), st.just(4), st.just("why"), st.just("next"), st.none() | st.floats(0, 600)),
    st.builds(Stopped, st.just("refused"), st.just(3), st.just("why"), st.just("next")),
    st.builds(Reopened),
    st.builds(Undoing, st.just((CHANGE,)), st.integers(1, 9)),
    st.builds(Undone),
)


def fold(*happened: Event, start: Case | None = None, at: float = 1000.0, times: Times = TIMES) -> Case:
    case = start or Case()
    for event in happened:
        case = evolve(case, event, at, times)
    return case


def test_every_stage_is_in_both_tables() -> None:
    assert set(EFFECTS) == set(NEXT) == set(Stage)


def test_every_event_moves_some_stage_and_every_stage_can_be_reached() -> None:
    assert {kind for row in NEXT.values() for kind in row} == set(EVENTS.values())
    assert {Stage.ASKING} | {stage for row in NEXT.values() for stage in row.values() if stage} == set(Stage)


def test_an_end_leaves_only_by_a_persons_word() -> None:
    for stage in Stage:
        if EFFECTS[stage] is Effect.REST:
            assert set(NEXT[stage]) == {Reopened, Undoing, Undone}
            assert NEXT[stage][Undoing] is None


@given(st.lists(events, max_size=40))
def test_no_order_of_events_leaves_a_case_without_a_way_on(happened: list[Event]) -> None:
    case, at = Case(), 1000.0
    for event in happened:
        case = evolve(case, event, at, TIMES)
        at += 10
        decision = decide(case, at, TIMES)
        assert decision.effect in Effect
        if decision.effect is Effect.WAIT:
            assert decision.until > at
            later = decide(case, decision.until, TIMES).effect
            assert later in (EFFECTS[case.stage], Effect.GIVE_UP)


@given(st.lists(events, max_size=30))
def test_what_we_wrote_is_never_forgotten_but_by_undo(happened: list[Event]) -> None:
    case = Case()
    for event in happened:
        before, case = case, evolve(case, event, 1000.0, TIMES)
        if not isinstance(event, Undone):
            assert set(before.written) <= set(case.written)


@given(st.lists(events, max_size=20), st.floats(0, 2e9))
def test_a_clock_that_went_back_never_delays(happened: list[Event], now: float) -> None:
    case = fold(*happened, at=1e9)
    if now < 1e9:
        assert decide(case, now, TIMES).effect is not Effect.WAIT


@given(events)
def test_events_survive_the_journal(event: Event) -> None:
    assert from_json(event.code, event.version, to_json(event)) == event


@given(records())
def test_records_survive_the_journal(record: Record) -> None:
    event = Intended((Change(record.owner, (record,), (record,)),), 1)
    back = from_json("intended", 1, to_json(event))
    assert isinstance(back, Intended)
    kept = back.changes[0].remove[0]
    assert (kept, kept.ttl, kept.masked, kept.notes) == (record, record.ttl, record.masked, record.notes)


@pytest.mark.parametrize("damaged", ["", "[]", "null", '{"changes": [{"record": []}]}', '{"changes": {"x": 1}}', '{"changes": {}}'])
def test_a_damaged_event_is_a_value_error(damaged: str) -> None:
    with pytest.raises(ValueError):
        from_json("intended", 1, damaged)


def test_an_event_of_a_newer_form_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="not known"):
        from_json("intended", 2, json.dumps({"changes": []}))
    with pytest.raises(ValueError, match="not known"):
        from_json("teleported", 1, "{}")


HAPPY = (
    WixWants("id", (S1, DMARC)),
    HostFound(APEX, "cloudflare", "main", "how"),
    Planned("d1", (DMARC,)),
    Agreed("d1"),
    Intended((CHANGE,), 1),
    Wrote(),
    Visible(),
    Accepted(),
    WixAuthenticated("id", (S1, DMARC)),
)


def test_the_life_of_a_domain() -> None:
    stages = [fold(*HAPPY[:count]).stage for count in range(len(HAPPY) + 1)]
    assert stages == [
        Stage.ASKING,
        Stage.LOCATING,
        Stage.PLANNING,
        Stage.AGREEING,
        Stage.WRITING,
        Stage.WRITING,
        Stage.PROVING,
        Stage.AUTHENTICATING,
        Stage.CONFIRMING,
        Stage.DONE,
    ]
    done = fold(*HAPPY)
    assert done.written == (CHANGE,)
    assert done.to_prove == (S1,)
    assert done.authenticated


def test_a_write_in_doubt_is_looked_at_and_stays_ours() -> None:
    doubt = fold(*HAPPY[:5], WriteUnknown("no answer", 7.0))
    assert (doubt.stage, doubt.due, doubt.intended) == (Stage.WRITING, 1007.0, (CHANGE,))
    assert fold(Wrote(), start=doubt).written == (CHANGE,)


def test_a_write_that_certainly_did_nothing_is_not_ours() -> None:
    case = fold(*HAPPY[:5], Withdrawn("81058", conflict=True))
    assert (case.stage, case.intended, case.written) == (Stage.PLANNING, (), ())


def test_a_conflict_forgets_nothing_but_what_it_was_about() -> None:
    """The first write was perhaps done: that the second is refused as a double makes it likelier still."""
    doubt = fold(*HAPPY[:5], WriteUnknown("no answer", 7.0))
    second = Change(S1.owner, add=(S1,))
    case = fold(Intended((second,), 2), Withdrawn("81058", conflict=True), start=doubt)
    assert (case.intended, case.sent) == ((CHANGE,), ())
    assert fold(Planned("d1"), Withdrawn("the plan was made by an earlier run"), start=case).intended == (CHANGE,)


def test_a_zone_that_changed_before_the_second_write_makes_the_first_no_less_ours() -> None:
    doubt = fold(*HAPPY[:5], WriteUnknown("no answer", 7.0))
    case = fold(Withdrawn("the zone has changed since the plan was agreed to"), NothingToWrite(), start=doubt)
    assert case.written == (CHANGE,)


@pytest.mark.parametrize("seen", [Wrote(), Undone(), Stopped("drifted", 5, "lost: www", "restore it")])
def test_what_was_sent_is_to_be_looked_at_until_somebody_did(seen: Event) -> None:
    sent = fold(*HAPPY[:5])
    assert (sent.sent, sent.snapshot) == ((CHANGE,), 1)
    for not_a_look in (WriteUnknown("no answer", 7.0), Stumbled("unavailable", 4, "503", "wait"), Stopped("provider", 4, "401", "a key")):
        assert fold(not_a_look, start=sent).sent == (CHANGE,)
        assert fold(not_a_look, Reopened(), WixWants("id", (S1,)), start=sent).sent == (CHANGE,)
    assert fold(seen, start=sent).sent == ()


def test_an_undo_that_was_sent_is_to_be_looked_at_wherever_the_case_stands() -> None:
    done = fold(*HAPPY)
    undoing = fold(Undoing((CHANGE,), 7), start=done)
    assert (undoing.stage, undoing.sent, undoing.snapshot) == (done.stage, (CHANGE,), 7)
    assert fold(Undoing(), start=undoing).sent == ()
    assert fold(Undone(), start=undoing).sent == ()


def test_conflicts_end() -> None:
    case = fold(*HAPPY[:2])
    for _ in range(TIMES.stumbles_early):
        assert decide(case, 1e6, TIMES).effect is Effect.PLAN
        case = fold(Planned("d1"), Agreed("d1"), Intended((CHANGE,), 1), Withdrawn("busy", conflict=True), start=case)
    assert decide(case, 1e6, TIMES).effect is Effect.GIVE_UP


def test_a_yes_holds_for_the_same_edit_only() -> None:
    agreed = fold(*HAPPY[:4], Withdrawn("aged"))
    assert fold(Planned("d1"), start=agreed).agreed == "d1"
    assert fold(Planned("d2"), start=agreed).agreed == ""


def test_waits_after_wix_said_not_yet_grow_to_its_advice() -> None:
    case, waits = fold(*HAPPY[:7]), []
    for _ in range(5):
        case = fold(NotYet("428"), start=case)
        waits.append(case.due - 1000.0)
        case = fold(Visible(), start=case)
    assert waits == [300.0, 1200.0, 4800.0, 14400.0, 14400.0]


def test_after_two_tries_the_dmarc_record_is_named() -> None:
    once = fold(*HAPPY[:7], NotYet("428"))
    assert "_dmarc" not in once.why
    twice = fold(Visible(), NotYet("428"), start=once)
    assert "_dmarc" in twice.why


def test_it_gives_up_after_the_time_it_was_given() -> None:
    case = fold(*HAPPY[:6], Hidden("ns2 lags", 60.0))
    asleep = 1000.0 + 10 * TIMES.give_up
    assert decide(case, asleep, TIMES).effect is Effect.LOOK, "it looks once more, however late it is"
    assert decide(fold(Hidden("ns2 lags", 60.0), start=case, at=asleep), asleep, TIMES).effect is Effect.GIVE_UP
    assert decide(fold(Visible(), start=case, at=asleep), asleep, TIMES).effect is Effect.AUTHENTICATE


def test_early_failures_are_told_soon_and_late_ones_borne() -> None:
    stumble = Stumbled("unavailable", 4, "no answer", "", None)
    early = fold(*[stumble] * TIMES.stumbles_early)
    assert early.stage in EARLY
    assert decide(early, 1e6, TIMES).effect is Effect.GIVE_UP
    late = fold(*HAPPY[:6], *[stumble] * TIMES.stumbles_early)
    assert decide(late, 1000.0 + 300, TIMES).effect is Effect.LOOK


def test_a_wait_that_was_asked_for_is_kept_and_counts_as_no_failure() -> None:
    limited = Stumbled("rate-limited", 4, "429", "", 300.0)
    case = fold(*[limited] * 20)
    assert case.due == 1300.0
    assert decide(case, 1300.0, TIMES).effect is Effect.ASK_WIX


def test_a_host_that_asks_to_wait_for_ever_is_given_up() -> None:
    limited, case, at = Stumbled("rate-limited", 4, "429", "", 300.0), Case(), 1000.0
    while decide(case, at, TIMES).effect is not Effect.GIVE_UP:
        case = fold(limited, start=case, at=at)
        at = case.due
        assert at < 1000.0 + TIMES.stumbling + 600.0
    assert at >= 1000.0 + TIMES.stumbling


def test_blind_waits_for_wixs_advice_once() -> None:
    case = fold(*HAPPY[:6], Blind("port 53 is closed"))
    assert (case.stage, case.due) == (Stage.AUTHENTICATING, 1000.0 + TIMES.blind_first)


@pytest.mark.parametrize("seen", [Visible(), Hidden("ns2 lags", 60.0, "soon"), Blind("port 53 is closed")])
def test_as_documented_wix_is_asked_an_hour_after_the_write_and_every_four_hours_whatever_dns_shows(seen: Event) -> None:
    times = Times(Patience.DOCUMENTED)
    case, asked = fold(*HAPPY[:6], seen, times=times), []
    for _ in range(3):
        assert case.stage is Stage.AUTHENTICATING and decide(case, case.due, times).effect is Effect.AUTHENTICATE
        asked.append(case.due - 1000.0)
        case = fold(NotYet("428"), start=case, at=case.due, times=times)
        assert decide(case, case.due, times).effect is Effect.LOOK
        case = fold(seen, start=case, at=case.due, times=times)
    assert asked == [3600.0, 3600.0 + 14400.0, 3600.0 + 2 * 14400.0]
    assert "Wix is asked now" in case.why


def test_a_look_after_the_hour_keeps_nobody_waiting() -> None:
    late = fold(Blind("port 53 is closed"), start=fold(*HAPPY[:6]), at=9000.0)
    assert late.due == 9000.0


def test_each_decision_about_when_is_explained() -> None:
    begun = fold(*HAPPY[:6])
    assert fold(Hidden("ns2 lags", 60.0, "the next look is soon"), start=begun).why == "ns2 lags; the next look is soon"
    assert fold(Blind("nobody answers"), start=begun).why == "nobody answers; Wix is asked 1 h after the records were added, as it advises"
    assert fold(Visible(), start=begun).why.endswith("so Wix is asked to authenticate")
    assert fold(Visible(), NotYet("428"), start=begun).why == "428; it is asked again after 5 min"
    times = Times(Patience.DOCUMENTED)
    assert fold(Visible(), start=begun, times=times).why.endswith("Wix is asked 1 h after the records were added, as it advises")


def test_a_cache_that_holds_a_no_for_an_hour_is_looked_at_then_and_not_before() -> None:
    assert fold(*HAPPY[:6], Hidden("1.1.1.1 remembers", 3500.0)).due == 4500.0


def test_what_lies_beyond_the_records_is_a_warning_that_the_next_look_takes_back() -> None:
    case = fold(*HAPPY[:6], Visible("s1 points to nothing"))
    assert (case.stage, case.warning) == (Stage.AUTHENTICATING, "s1 points to nothing")
    assert fold(NotYet("428"), Visible(), start=case).warning == ""


def test_authenticated_with_records_gone_is_a_warning() -> None:
    case = fold(WixAuthenticated("id", (S1,)), Hidden("s1 is absent", 60.0))
    assert case.stage is Stage.DONE
    assert "no longer" in case.warning


def test_merging_two_writes_keeps_what_was_there_first() -> None:
    old = Record(S1.owner, "TXT", '"old"')
    first, second = Change(S1.owner, (old,), (S1,)), Change(S1.owner, (), (S1,))
    assert merged((first,), (second,)) == (first,)
    other = Record(S1.owner, "CNAME", "s1.s009.ascendbywix.com.")
    assert merged((first,), (Change(S1.owner, (S1,), (other,)),)) == (Change(S1.owner, (old,), (other,)),)
