"""The three answers, on a fake GoDaddy over HTTP; what is asserted is what GoDaddy holds and which requests it got."""

import json
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest

from wixsend import (
    CredentialsRejected,
    Edit,
    EditConflict,
    EditRejected,
    OutcomeUnknown,
    PermissionMissing,
    ProviderError,
    QuotaExhausted,
    RateLimited,
    Receipt,
    Record,
    Unavailable,
    Zone,
    ZoneNotHeld,
    absolute,
)
from wixsend.plan import Change
from wixsend.provider import translate
from wixsend.records import WHOLE
from wixsend.testing.fakes import Request
from wixsend.testing.server import Fault, Server
from wixsend.wire import HttpWire
from wixsend_godaddy import CLASSIC
from wixsend_godaddy.adapter import ERRORS, GoDaddy
from wixsend_godaddy.sandbox import FakeGoDaddy
from wixsend_godaddy.vendor import GoDaddyError

APEX = absolute("example.com")
POLICY = Record(absolute("_dmarc", APEX), "TXT", '"v=DMARC1; p=reject"', 7200)
ADDRESS = Record(absolute("em1", APEX), "A", "192.0.2.1", 600)
OTHERS = (Record(APEX, "MX", "10 mail.example.net."), Record(absolute("www", APEX), "CNAME", "example.com."))


def _cname(name: str) -> Record:
    return Record(absolute(name, APEX), "CNAME", f"{name}.u1.wl.wix.example.")


def _read(provider: GoDaddy) -> tuple[Record, ...]:
    return provider.read(Zone(APEX), frozenset()).records


def _edit(provider: GoDaddy, remove: tuple[Record, ...] = (), add: tuple[Record, ...] = ()) -> Edit:
    """An edit of the zone as it is read now."""
    before = provider.read(Zone(APEX), frozenset())
    going = [next(held for held in before.records if held == record) for record in remove]
    owners = dict.fromkeys(record.owner for record in (*going, *add))
    return Edit(before, tuple(Change(o, tuple(r for r in going if r.owner == o), tuple(r for r in add if r.owner == o)) for o in owners))


def _failure(work: Callable[[], object], writing: bool = False) -> ProviderError:
    """What the core makes of the failure of this work."""
    try:
        done = work()
    except Exception as wrong:
        return translate(wrong, ERRORS, CLASSIC.label, writing)
    raise AssertionError(f"it did not fail: {done}")


def _names(fake: FakeGoDaddy, rtype: str = "") -> list[tuple[str, str, str]]:
    rows = fake.raw("example.com")["records"]
    return [(row["type"], row["name"], row["data"]) for row in rows if row["type"] not in ("NS", "SOA") and rtype in ("", row["type"])]


def _writes(server: Server) -> list[str]:
    return [f"{c.method} {c.path.removeprefix('/v1/domains/example.com')}" for c in server.calls if c.method != "GET"]


# Which zone


def test_a_domain_of_the_account_is_a_zone(fake: FakeGoDaddy, provider: GoDaddy) -> None:
    fake.add_zone("example.com")
    (zone,) = provider.zone(APEX)
    assert (zone.apex, zone.problem, zone.account) == (APEX, "", "")
    assert zone.name_servers == tuple(map(absolute, fake.name_servers))


def test_a_domain_of_nobody_is_none(provider: GoDaddy) -> None:
    assert list(provider.zone(APEX)) == []


@pytest.mark.parametrize("name", ["com", ".", "_dmarc.example.com", r"a\/b.com"])
def test_a_name_that_godaddy_cannot_hold_is_not_asked_for(provider: GoDaddy, server: Server, name: str) -> None:
    assert list(provider.zone(absolute(name))) == []
    assert server.count("godaddy") == 0


def test_a_404_that_is_not_godaddys_is_no_answer(provider: GoDaddy, server: Server) -> None:
    server.faults.add(Fault("status", service="godaddy", status=404, body=b"<html>not found</html>"))
    with pytest.raises(GoDaddyError):
        provider.zone(APEX)


@pytest.mark.parametrize("status", ["CANCELLED_REDEEMABLE", "PENDING_DNS", "HELD_SHOPPER", "active"])
def test_a_domain_that_is_not_active_has_a_problem(fake: FakeGoDaddy, provider: GoDaddy, status: str) -> None:
    fake.add_zone("example.com", status=status)
    assert status in provider.zone(APEX)[0].problem


@pytest.mark.parametrize(
    ("servers", "problem"),
    [
        (["ada.ns.cloudflare.com", "bob.ns.cloudflare.com"], True),
        (["ns1.notdomaincontrol.com"], True),
        (["ns1.domaincontrol.com", "ns1.example.net"], False),  # several hosts: for the core to judge
        (["PDNS01.DomainControl.com."], False),
        ([], False),
    ],
)
def test_name_servers_elsewhere_are_a_problem(fake: FakeGoDaddy, provider: GoDaddy, servers: list[str], problem: bool) -> None:
    fake.add_zone("example.com", nameServers=servers)
    (zone,) = provider.zone(APEX)
    assert bool(zone.problem) is problem
    assert zone.name_servers == tuple(map(absolute, servers))


def test_a_reseller_reaches_the_customers_domain(fake: FakeGoDaddy, wire: HttpWire, provider: GoDaddy) -> None:
    fake.add_zone("example.com", shopper="4711")
    assert list(provider.zone(APEX)) == []
    reseller = GoDaddy({**fake.credentials, "shopper_id": "4711"}, wire)
    assert reseller.zone(APEX)[0].account == "shopper 4711"
    reseller.write(_edit(reseller, add=(_cname("em1"),)))
    reseller.close()
    assert _names(fake) == [("CNAME", "em1", "em1.u1.wl.wix.example")]


# What is in it


@pytest.mark.parametrize("past_the_end", [422, 200])
@pytest.mark.parametrize(("rows", "calls"), [(496, 1), (497, 2), (498, 2), (1500, 4)])
def test_every_page_is_read(fake: FakeGoDaddy, provider: GoDaddy, server: Server, past_the_end: int, rows: int, calls: int) -> None:
    """The zone holds three rows of GoDaddy's own beside these."""
    fake.past_the_end = past_the_end
    fake.add_zone("example.com", [Record(absolute(f"t{number}", APEX), "A", "192.0.2.1") for number in range(rows)])
    snapshot = provider.read(Zone(APEX), frozenset({absolute("t1", APEX)}))
    assert (len(set(snapshot.records)), snapshot.total, snapshot.covers) == (rows, rows, WHOLE)
    assert server.count("godaddy") == calls


def test_a_parked_domain_is_read(fake: FakeGoDaddy, provider: GoDaddy) -> None:
    fake.add_zone("example.com", rows=[{"type": "A", "name": "@", "data": "Parked", "ttl": 600}])
    assert [(record.rdata, record.masked) for record in _read(provider)] == [("Parked", True)]


def test_delegations_are_read_and_godaddys_own_records_are_not(fake: FakeGoDaddy, provider: GoDaddy) -> None:
    delegation = Record(absolute("sub", APEX), "NS", "ns1.example.net.")
    fake.add_zone("example.com", [delegation])
    assert _read(provider) == (delegation,)


def test_no_record_at_all_is_not_believed(fake: FakeGoDaddy, provider: GoDaddy, server: Server) -> None:
    fake.add_zone("example.com", OTHERS)
    server.faults.add(Fault("wrong-shape", service="godaddy", body=b"[]"))
    assert type(_failure(lambda: _read(provider))) is Unavailable


@pytest.mark.parametrize("row", [{}, None, {"type": "A", "name": "@"}, {"type": "A", "name": "a..b", "data": "192.0.2.1"}])
def test_a_row_that_is_not_understood_fails_the_read(fake: FakeGoDaddy, provider: GoDaddy, server: Server, row: object) -> None:
    fake.add_zone("example.com", OTHERS)
    rows = [*fake.raw("example.com")["records"], row]
    server.faults.add(Fault("wrong-shape", service="godaddy", body=json.dumps(rows).encode()))
    assert type(_failure(lambda: _read(provider))) is Unavailable


# Making an edit


def test_additions_are_one_call_with_godaddys_ttls(fake: FakeGoDaddy, provider: GoDaddy, server: Server) -> None:
    fake.add_zone("example.com", OTHERS)
    edit = _edit(provider, add=(replace(_cname("em1"), ttl=60), _cname("s1._domainkey"), replace(_cname("s2"), ttl=7200)))
    assert provider.write(edit) == Receipt(None)
    assert _writes(server) == ["PATCH /records"]
    assert [row["ttl"] for row in fake.raw("example.com")["records"][-3:]] == [600, 3600, 7200]


def test_a_cname_is_replaced_in_one_call(fake: FakeGoDaddy, provider: GoDaddy, server: Server) -> None:
    old = Record(absolute("em1", APEX), "CNAME", "u9.wl.sendgrid.example.")
    fake.add_zone("example.com", [*OTHERS, old])
    provider.write(_edit(provider, (old,), (_cname("em1"), _cname("em2"))))
    assert _writes(server) == ["PUT /records/CNAME/em1", "PATCH /records"]
    assert set(_read(provider)) == {*OTHERS, _cname("em1"), _cname("em2")}


def test_other_records_in_the_way_go_first(fake: FakeGoDaddy, provider: GoDaddy, server: Server) -> None:
    fake.checks_cnames = True
    fake.add_zone("example.com", [*OTHERS, POLICY, ADDRESS])
    provider.write(_edit(provider, (POLICY, ADDRESS), (_cname("_dmarc"), _cname("em1"))))
    assert _writes(server) == ["DELETE /records/TXT/_dmarc", "DELETE /records/A/em1", "PATCH /records"]
    assert set(_read(provider)) == {*OTHERS, _cname("_dmarc"), _cname("em1")}


def test_only_the_record_that_goes_goes(fake: FakeGoDaddy, provider: GoDaddy, server: Server) -> None:
    other = Record(POLICY.owner, "TXT", '"something else"', 1234)
    fake.add_zone("example.com", [*OTHERS, POLICY, other, _cname("em1")])
    rows = fake.raw("example.com")["records"]
    provider.write(_edit(provider, (POLICY, _cname("em1"))))
    assert sorted(_writes(server)) == ["DELETE /records/CNAME/em1", "PUT /records/TXT/_dmarc"]
    kept = [row for row in rows if (row["type"], row["data"]) not in (("TXT", "v=DMARC1; p=reject"), ("CNAME", "em1.u1.wl.wix.example"))]
    assert sorted(map(str, fake.raw("example.com")["records"])) == sorted(map(str, kept))


def test_the_domain_is_never_cancelled_by_a_name(fake: FakeGoDaddy, provider: GoDaddy, server: Server) -> None:
    fake.add_zone("example.com", rows=[{"type": "CNAME", "name": r"\.\./\.\.", "data": "a.b", "ttl": 600}])
    (record,) = _read(provider)
    assert (
        type(_failure(lambda: provider.write(Edit(provider.read(Zone(APEX), frozenset()), (Change(record.owner, (record,)),)))))
        is EditRejected
    )
    assert (fake.raw("example.com")["cancelled"], _writes(server)) == (False, [])


# When a replace fails half-way

_REPLACE = ("_dmarc", "em1", "s1")


@pytest.fixture
def half(fake: FakeGoDaddy, provider: GoDaddy) -> Iterator[Edit]:
    """Two names whose records must go first, one that is free; whatever happens, the others stay."""
    fake.add_zone("example.com", [*OTHERS, POLICY, ADDRESS])
    yield _edit(provider, (POLICY, ADDRESS), tuple(map(_cname, _REPLACE)))
    assert set(OTHERS) <= set(fake.published("example.com"))
    for name in ("_dmarc", "em1"):
        types = [rtype for rtype, owner, _data in _names(fake) if owner == name]
        assert len(types) == 1, f"{name} holds {types}"


def _patch(request: Request) -> bool:
    return request.method == "PATCH"


_BEFORE = {("TXT", "_dmarc", "v=DMARC1; p=reject"), ("A", "em1", "192.0.2.1")}
_AFTER = {("CNAME", name, f"{name}.u1.wl.wix.example") for name in _REPLACE}


def _state(fake: FakeGoDaddy) -> set[tuple[str, str, str]]:
    return {row for row in _names(fake) if row[1] in _REPLACE}


@pytest.mark.parametrize(
    ("fault", "becomes"),
    [
        (Fault("status", status=422, body=b'{"code": "INVALID_BODY"}'), EditRejected),
        (Fault("status", status=429, body=b'{"code": "TOO_MANY_REQUESTS", "retryAfterSec": 9}'), RateLimited),
        (Fault("status", status=403, body=b'{"code": "ACCESS_DENIED"}'), PermissionMissing),
        (Fault("status", status=409, body=b'{"code": "CONFLICT"}'), EditConflict),
        (Fault("status", status=500), OutcomeUnknown),
        (Fault("status", status=504, body=b"<html>"), OutcomeUnknown),
        (Fault("refuse"), OutcomeUnknown),
        (Fault("html"), OutcomeUnknown),
    ],
)
def test_a_patch_that_fails_puts_back_what_went_first(
    fake: FakeGoDaddy, provider: GoDaddy, server: Server, half: Edit, fault: Fault, becomes: type[ProviderError]
) -> None:
    rows = fake.raw("example.com")["records"]
    server.faults.add(replace(fault, service="godaddy", match=_patch))
    error = _failure(lambda: provider.write(half), writing=True)
    assert type(error) is becomes
    assert error.retry_after == {RateLimited: 9.0, EditConflict: 15.0}.get(becomes)
    assert sorted(map(str, fake.raw("example.com")["records"])) == sorted(map(str, rows)), "the rows are not what they were, to the letter"


@pytest.mark.parametrize("kind", ["lost-reply", "status", "html"])
def test_a_patch_that_was_made_and_failed_is_left_alone(
    fake: FakeGoDaddy, provider: GoDaddy, server: Server, half: Edit, kind: Any
) -> None:
    server.faults.add(Fault(kind, service="godaddy", match=_patch, status=502, handled=True))
    assert type(_failure(lambda: provider.write(half), writing=True)) is OutcomeUnknown
    assert _state(fake) == _AFTER


def test_a_patch_that_was_made_in_part_is_put_right_name_by_name(fake: FakeGoDaddy, provider: GoDaddy) -> None:
    """GoDaddy finds a duplicate and keeps what stood before it: one name has its CNAME, the other must get its address back."""
    fake.add_zone("example.com", [*OTHERS, POLICY, ADDRESS])
    edit = _edit(provider, (POLICY, ADDRESS), tuple(map(_cname, _REPLACE)))
    edit = Edit(edit.before, tuple(sorted(edit.changes, key=lambda change: ["_dmarc", "s1", "em1"].index(change.owner.labels[0].decode()))))
    fake.edit_behind("example.com", add=[_cname("s1")])
    error = _failure(lambda: provider.write(edit), writing=True)
    assert type(error) is OutcomeUnknown and "DUPLICATE_RECORD" in str(error)
    assert set(_read(provider)) == {*OTHERS, _cname("_dmarc"), _cname("s1"), ADDRESS}


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize(("fault", "becomes"), [(Fault("status", status=409, body=b"{}"), EditConflict), (Fault("refuse"), OutcomeUnknown)])
def test_a_delete_that_fails_undoes_those_before_it(
    fake: FakeGoDaddy, provider: GoDaddy, server: Server, half: Edit, call: int, fault: Fault, becomes: type[ProviderError]
) -> None:
    """What the failing one was to delete is still there: it is not sent again."""
    server.faults.add(replace(fault, service="godaddy", call=server.count("godaddy") + call))
    assert type(_failure(lambda: provider.write(half), writing=True)) is becomes
    assert _state(fake) == _BEFORE
    sent_back = [row["name"] for c in server.calls if c.method == "PATCH" for row in c.request.json()]
    assert sent_back == ["_dmarc", "em1"][: call - 1]


@pytest.mark.parametrize("call", [1, 2])
@pytest.mark.parametrize(
    "fault", [Fault("lost-reply"), Fault("hang", seconds=0.0, handled=True), Fault("status", status=502, handled=True)]
)
def test_a_delete_that_was_made_and_not_answered_is_undone(
    fake: FakeGoDaddy, provider: GoDaddy, server: Server, half: Edit, call: int, fault: Fault
) -> None:
    server.faults.add(replace(fault, service="godaddy", call=server.count("godaddy") + call))
    assert type(_failure(lambda: provider.write(half), writing=True)) is OutcomeUnknown
    assert _state(fake) == _BEFORE


def test_an_old_view_of_the_zone_does_not_keep_a_record_from_being_put_back(
    fake: FakeGoDaddy, provider: GoDaddy, server: Server, half: Edit
) -> None:
    """GoDaddy said that it deleted: whatever it shows afterwards, the record is gone."""
    old_view = json.dumps(fake.raw("example.com")["records"]).encode()
    server.faults.add(
        Fault("status", service="godaddy", status=422, body=b'{"code": "INVALID_BODY"}', match=_patch),
        Fault("wrong-shape", service="godaddy", body=old_view, match=lambda request: request.method == "GET"),
    )
    assert type(_failure(lambda: provider.write(half), writing=True)) is EditRejected
    assert _state(fake) == _BEFORE


def test_a_delete_of_what_is_gone_puts_nothing_back(fake: FakeGoDaddy, provider: GoDaddy, server: Server) -> None:
    fake.add_zone("example.com", [POLICY])
    edit = _edit(provider, (POLICY,), (_cname("_dmarc"),))
    fake.edit_behind("example.com", remove=[POLICY])
    assert type(_failure(lambda: provider.write(edit), writing=True)) is EditConflict
    assert (_names(fake), _writes(server)) == ([], ["DELETE /records/TXT/_dmarc"])


@pytest.mark.parametrize("broken", ["the look", "the putting back"])
def test_what_cannot_be_put_back_is_named(fake: FakeGoDaddy, provider: GoDaddy, server: Server, broken: str) -> None:
    fake.add_zone("example.com", [POLICY, *OTHERS])
    edit = _edit(provider, (POLICY,), (_cname("_dmarc"),))
    limit = Fault(
        "status", service="godaddy", status=429, body=b'{"code": "TOO_MANY_REQUESTS", "retryAfterSec": 30}', times=2, match=_patch
    )
    server.faults.add(limit)
    if broken == "the look":
        server.faults.add(Fault("refuse", service="godaddy", match=lambda request: request.method == "GET"))
    error = _failure(lambda: provider.write(edit), writing=True)
    assert type(error) is OutcomeUnknown
    assert error.retry_after == 30.0
    assert '_dmarc.example.com. 7200 TXT "v=DMARC1; p=reject"' in str(error)
    assert set(OTHERS) <= set(_read(provider))


def test_removals_that_were_made_before_a_failure_stay_made(fake: FakeGoDaddy, provider: GoDaddy, server: Server) -> None:
    ours = (_cname("em1"), _cname("s1"))
    fake.add_zone("example.com", [*OTHERS, *ours])
    edit = _edit(provider, ours)
    server.faults.add(Fault("status", service="godaddy", call=server.count("godaddy") + 2, status=409, body=b"{}"))
    error = _failure(lambda: provider.write(edit), writing=True)
    assert type(error) is OutcomeUnknown and "DELETE /domains/example.com/records/CNAME/em1" in str(error)
    assert set(_read(provider)) == {*OTHERS, _cname("s1")}
    provider.write(_edit(provider, (_cname("s1"),)))
    assert set(_read(provider)) == set(OTHERS)


# When GoDaddy says no


def _gate(fake: FakeGoDaddy) -> None:
    fake.gated = True


def _no_quota(fake: FakeGoDaddy) -> None:
    fake.quota = 0


def _no_zone_file(fake: FakeGoDaddy) -> None:
    fake.add_zone("example.com", zone_file=False)


def _no_domain(fake: FakeGoDaddy) -> None:
    fake.add_zone("example.com", shopper="another")


def _busy(fake: FakeGoDaddy) -> None:
    fake.add_zone("example.com", busy=1)


def _held(fake: FakeGoDaddy) -> None:
    fake.add_zone("example.com", status="LOCKED_SUPER")


def _there_already(fake: FakeGoDaddy) -> None:
    fake.edit_behind("example.com", add=[_cname("em1")])


def _other_key(fake: FakeGoDaddy) -> None:
    fake.credentials = {**fake.credentials, "secret": "another-secret"}  # type: ignore[misc]  # of this object only


@pytest.mark.parametrize(
    ("happens", "reading", "writing", "told"),
    [
        (_gate, PermissionMissing, PermissionMissing, "10 or more domains"),
        (_no_quota, QuotaExhausted, QuotaExhausted, "monthly"),
        (_no_zone_file, ZoneNotHeld, ZoneNotHeld, "name servers are elsewhere"),
        (_no_domain, ZoneNotHeld, ZoneNotHeld, "no such domain"),
        (_other_key, CredentialsRejected, CredentialsRejected, "key or its secret"),
        (_busy, None, EditConflict, "changed by somebody else"),
        (_held, None, EditConflict, "may not be changed now"),
        (_there_already, None, EditConflict, "there already"),
    ],
)
def test_refusals_are_explained(
    fake: FakeGoDaddy,
    provider: GoDaddy,
    happens: Callable[[FakeGoDaddy], None],
    reading: type[ProviderError] | None,
    writing: type[ProviderError],
    told: str,
) -> None:
    fake.add_zone("example.com")
    edit = _edit(provider, add=(_cname("em1"),))
    happens(fake)
    if reading is not None:
        error = _failure(lambda: _read(provider))
        assert type(error) is reading and told in str(error)
    error = _failure(lambda: provider.write(edit), writing=True)
    assert type(error) is writing and told in str(error)
    assert not error.transient or error.retry_after or happens is _there_already


def test_the_rate_limit_says_when_to_come_back(fake: FakeGoDaddy, provider: GoDaddy, clock: Any) -> None:
    fake.add_zone("example.com")
    fake.rate_limits = True
    for _ in range(60):
        _read(provider)
    clock.seconds += 20
    error = _failure(lambda: _read(provider))
    assert (type(error), error.retry_after) == (RateLimited, 40.0)
    clock.seconds += 40
    assert _read(provider) == ()


def test_a_rate_limit_that_does_not_say_is_a_minute(provider: GoDaddy, server: Server) -> None:
    server.faults.add(Fault("status", service="godaddy", status=429))
    assert _failure(lambda: _read(provider)).retry_after == 60.0


@pytest.mark.parametrize(
    ("verb", "status", "code", "becomes"),
    [
        ("GET", 400, "MALFORMED", Unavailable),
        ("GET", 422, "INVALID", Unavailable),
        ("PATCH", 400, "MALFORMED", EditRejected),
        ("PUT", 422, "INVALID_BODY", EditRejected),
        ("PATCH", 422, "DUPLICATE_RECORD", EditConflict),
        ("PATCH", 403, "QUOTA_EXCEEDED", QuotaExhausted),
        ("DELETE", 404, "NOT_FOUND", EditConflict),
        ("DELETE", 404, "UNKNOWN_DOMAIN", ZoneNotHeld),
        ("PATCH", 404, "", ZoneNotHeld),
        ("PATCH", 405, "", EditRejected),
        ("PATCH", 504, "", OutcomeUnknown),
        ("PATCH", 408, "", OutcomeUnknown),
        ("PATCH", 300, "", OutcomeUnknown),
        ("GET", 300, "", Unavailable),
    ],
)
def test_the_table_of_errors(verb: str, status: int, code: str, becomes: type[ProviderError]) -> None:
    assert type(translate(GoDaddyError(verb, status, code), ERRORS, "GoDaddy", verb != "GET")) is becomes


def test_a_duplicate_that_is_said_of_a_field_is_one() -> None:
    error = GoDaddyError("PATCH", 422, "INVALID_BODY", "no", (("records[0]", "DUPLICATE_RECORD", ""),))
    assert type(translate(error, ERRORS, "GoDaddy", writing=True)) is EditConflict


def test_every_row_of_the_table_says_what_it_means() -> None:
    assert not [rule for rule in ERRORS if not rule.why and rule.says is str]
