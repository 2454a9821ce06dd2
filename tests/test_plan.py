"""Floor 2: a plan brings the zone to what is wanted, touches nothing else, and is nothing the second time."""

from collections import Counter

import dns.name
import pytest
from hypothesis import given

from strategies import APEX, DMARC, orders, snapshots
from wixsend.plan import Change, DmarcAbove, Edit, Mark, Wanted, drift, plan, plan_restore, plan_undo
from wixsend.records import WHOLE, Record, Snapshot, Zone, multiset


def name(text: str) -> dns.name.Name:
    return dns.name.from_text(text, APEX)


def cname(owner: str, target: str = "s1.example.s004.ascendbywix.com.", masked: bool = False) -> Record:
    return Record(name(owner), "CNAME", target, masked=masked)


def zone(*records: Record, covers: object = WHOLE, total: int | None = None) -> Snapshot:
    return Snapshot(Zone(APEX), records, covers, total=total)  # type: ignore[arg-type]


def applied(edit: Edit) -> Snapshot:
    """What the zone holds once a host has carried the edit out."""
    return Snapshot(edit.before.zone, edit.whole_zone(), WHOLE, edit.before.baggage)


@given(snapshots, orders())
def test_planning_again_after_the_edit_plans_nothing(before: Snapshot, wanted: Wanted) -> None:
    first = plan(before, wanted)
    again = plan(applied(first.edit), wanted)
    assert not again.edit
    assert again.kept == first.kept


@given(snapshots, orders())
def test_what_nobody_named_is_untouched(before: Snapshot, wanted: Wanted) -> None:
    edit = plan(before, wanted).edit
    named = wanted.replace | ({DMARC} if wanted.dmarc == "replace" else set())
    for record in edit.removes:
        assert record.owner in named
    assert multiset(edit.whole_zone()) == multiset(before.records) - multiset(edit.removes) + multiset(edit.adds)


@given(snapshots, orders())
def test_a_plan_puts_no_cname_beside_anything(before: Snapshot, wanted: Wanted) -> None:
    edit = plan(before, wanted).edit
    after = Counter(record.owner for record in edit.whole_zone())
    assert all(after[record.owner] == 1 for record in edit.adds)


@given(snapshots, orders())
def test_undo_brings_back_what_was_there(before: Snapshot, wanted: Wanted) -> None:
    edit = plan(before, wanted).edit
    undo = plan_undo(applied(edit), edit.changes)
    restored = multiset(undo.edit.whole_zone())
    assert {key for key, _masked in restored} == {key for key, _masked in multiset(before.records)}
    assert not plan_undo(applied(undo.edit), edit.changes).edit


@given(snapshots, orders())
def test_the_three_views_say_the_same(before: Snapshot, wanted: Wanted) -> None:
    edit = plan(before, wanted).edit
    removes, adds = edit.by_record()
    assert multiset(edit.whole_zone()) == multiset(before.records) - multiset(removes) + multiset(adds)
    for (owner, rtype), records in edit.by_rrset().items():
        assert multiset(records) == multiset(r for r in edit.whole_zone() if (r.owner, r.rtype) == (owner, rtype))


@given(snapshots, orders())
def test_a_second_look_at_what_was_promised_shows_no_drift(before: Snapshot, wanted: Wanted) -> None:
    edit = plan(before, wanted).edit
    assert not drift(edit, applied(edit))


@given(snapshots, orders())
def test_a_second_look_misses_each_lost_record(before: Snapshot, wanted: Wanted) -> None:
    edit = plan(before, wanted).edit
    after = edit.whole_zone()
    for index, gone in enumerate(after):
        found = drift(edit, Snapshot(before.zone, after[:index] + after[index + 1 :], WHOLE))
        untouched = multiset(before.records) - multiset(edit.removes)
        if untouched[gone.key, gone.masked] and gone not in edit.adds:
            assert found.harmed
        elif gone in edit.adds and after.count(gone) == 1:
            assert gone in found.missing


def test_an_equal_record_is_right_whatever_case_and_dots() -> None:
    held = Record(name("S1._DomainKey"), "cname", "S1.Example.S004.AscendByWix.com")
    made = plan(zone(held), Wanted((cname("s1._domainkey"),), DMARC))
    assert [line.mark for line in made.lines] == [Mark.RIGHT]
    assert not made.edit


def test_a_conflict_changes_nothing_until_it_is_named() -> None:
    theirs = cname("s1._domainkey", "u1.wl.sendgrid.net.")
    want = cname("s1._domainkey")
    refused = plan(zone(theirs), Wanted((want,), DMARC))
    assert [line.mark for line in refused.lines] == [Mark.CONFLICT]
    assert not refused.edit
    replaced = plan(zone(theirs), Wanted((want,), DMARC, replace=frozenset({want.owner})))
    assert replaced.edit.changes == (Change(want.owner, (theirs,), (want,)),)


def test_a_masked_record_is_mended_only_when_named() -> None:
    held, want = cname("s1._domainkey", masked=True), cname("s1._domainkey")
    assert [line.mark for line in plan(zone(held), Wanted((want,), DMARC)).lines] == [Mark.MASKED]
    edit = plan(zone(held), Wanted((want,), DMARC, replace=frozenset({want.owner}))).edit
    assert edit.changes == (Change(want.owner, (held,), (want,)),)
    assert [record.masked for record in edit.whole_zone()] == [False]


@pytest.mark.parametrize(
    ("policy", "mark", "writes", "kept"),
    [("keep", Mark.KEPT, False, True), ("replace", Mark.CREATE, True, False), ("stop", Mark.CONFLICT, False, False)],
)
@pytest.mark.parametrize("there", ['TXT "v=DMARC1; p=reject"', "CNAME dmarc.example.net.", "NS ns1.example.net."])
def test_dmarc_policy_covers_whatever_is_there(policy: str, mark: Mark, writes: bool, kept: bool, there: str) -> None:
    rtype, _, rdata = there.partition(" ")
    want = cname("_dmarc", "_dmarc.wixemails.com.")
    made = plan(zone(Record(DMARC, rtype, rdata)), Wanted((want,), DMARC, policy))  # type: ignore[arg-type]
    assert made.lines[0].mark is mark
    assert bool(made.edit) is writes
    assert (want in made.kept) is kept


@pytest.mark.parametrize(("policy", "mark"), [("keep", Mark.KEPT), ("replace", Mark.CREATE), ("stop", Mark.CONFLICT)])
def test_dmarc_policy_covers_a_stricter_inherited_policy(policy: str, mark: Mark) -> None:
    want = cname("_dmarc", "_dmarc.wixemails.com.")
    above = DmarcAbove(dns.name.from_text("_dmarc.com."), "reject")
    made = plan(zone(), Wanted((want,), DMARC, policy, above))  # type: ignore[arg-type]
    assert made.lines[0].mark is mark


def test_a_wix_dmarc_record_that_is_there_already_is_right() -> None:
    want = cname("_dmarc", "_dmarc.wixemails.com.")
    assert plan(zone(want), Wanted((want,), DMARC)).lines[0].mark is Mark.RIGHT


def test_a_name_under_a_wildcard_says_what_it_shadows() -> None:
    star = Record(name("*"), "A", "192.0.2.9")
    made = plan(zone(star), Wanted((cname("s1._domainkey"),), DMARC))
    assert "*.example.com" in made.lines[0].note
    nearer = Record(name("_domainkey"), "TXT", '"o=~"')
    assert plan(zone(star, nearer), Wanted((cname("s1._domainkey"),), DMARC)).lines[0].note == ""


def test_the_number_of_untouched_records() -> None:
    held = [Record(name(f"h{n}"), "A", "192.0.2.1") for n in range(37)]
    assert plan(zone(*held), Wanted((cname("s1._domainkey"),), DMARC)).untouched == 37
    seen_in_part = zone(covers=frozenset({name("s1._domainkey")}), total=40)
    assert plan(seen_in_part, Wanted((cname("s1._domainkey"),), DMARC)).untouched == 40
    assert plan(zone(covers=frozenset()), Wanted((), DMARC)).untouched is None


def test_undo_leaves_what_is_no_longer_ours() -> None:
    ours, theirs = cname("s1._domainkey"), cname("s1._domainkey", "elsewhere.example.net.")
    assert not plan_undo(zone(theirs), [Change(ours.owner, add=(ours,))]).edit


def test_undo_keeps_what_another_case_needs() -> None:
    ours = cname("s1._domainkey")
    made = plan_undo(zone(ours), [Change(ours.owner, add=(ours,))], keep=[ours])
    assert not made.edit
    assert made.lines[0].mark is Mark.KEPT


def test_restore_adds_only_what_is_missing_and_never_beside_a_cname() -> None:
    mx, txt = Record(APEX, "MX", "10 mx.example.net."), Record(name("a"), "TXT", '"x"')
    blocker = cname("a")
    made = plan_restore(zone(mx, blocker), [mx, txt])
    assert not made.edit
    assert [line.mark for line in made.lines] == [Mark.RIGHT, Mark.CONFLICT]
    assert plan_restore(zone(blocker), [mx]).edit.adds == (mx,)


def test_a_whole_zone_view_of_a_part_is_refused() -> None:
    made = plan(zone(covers=frozenset({name("a")})), Wanted((cname("a"),), DMARC))
    with pytest.raises(ValueError, match="whole zone"):
        made.edit.whole_zone()


def test_the_digest_names_the_changes_and_not_the_zone_around_them() -> None:
    wanted = Wanted((cname("s1._domainkey"),), DMARC)
    assert plan(zone(), wanted).edit.digest == plan(zone(Record(APEX, "A", "192.0.2.1")), wanted).edit.digest
    other = Wanted((cname("s2._domainkey"),), DMARC)
    assert plan(zone(), wanted).edit.digest != plan(zone(), other).edit.digest
