"""An edit at a host without transactions: in order, and taken back where it stops half-way."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from wixsend.errors import EditRejected, OutcomeUnknown, ProviderError
from wixsend.names import Name
from wixsend.onebyone import write_one_by_one
from wixsend.plan import Change, Edit
from wixsend.provider import ErrorRule
from wixsend.records import WHOLE, Record, Snapshot, Zone
from wixsend.testing.world import owner, record

ZONE = Zone(owner("@"))
ADDRESS, OTHER = record("em1", "A", "192.0.2.1"), record("em1", "A", "192.0.2.2")
ALIAS = record("em1", "CNAME", "u1.wl.example.net.")
KEY = record("s1", "CNAME", "s1.example.net.")
UNHELD = record("em1", "CAA", '0 issue "ca.example.net"')


class Refuses(Exception):
    """The host says no."""


class Breaks(Exception):
    """No answer."""


@dataclass
class Host:
    """A host in memory. `fails` are calls by number: what they raise, and whether they are carried out first; `shows` is an old view."""

    held: list[Record]
    fails: dict[int, tuple[type[Exception], bool]] = field(default_factory=dict)
    shows: list[Record] | None = None
    asked: list[str] = field(default_factory=list)
    errors: Sequence[ErrorRule] = (ErrorRule(Refuses, EditRejected, why="no"),)

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        return Snapshot(zone, tuple(self.held if self.shows is None else self.shows), WHOLE)

    def row(self, record: Record, apex: Name) -> Any:
        if record.rtype == "CAA":
            raise EditRejected("not held")
        return record

    async def add(self, zone: Zone, row: Record) -> Record:
        self._do(f"+ {row}", lambda: self.held.append(row))
        return row

    async def remove(self, zone: Zone, record: Record) -> None:
        self._do(f"- {record}", lambda: self.held.remove(record))

    def _do(self, told: str, change: Any) -> None:
        self.asked.append(told)
        raises, done = self.fails.get(len(self.asked), (None, True))
        if done:
            change()
        if raises is not None:
            raise raises


def _edit(held: Sequence[Record], remove: Sequence[Record] = (), add: Sequence[Record] = ()) -> Edit:
    owners = dict.fromkeys(one.owner for one in (*remove, *add))
    changes = (Change(o, tuple(r for r in remove if r.owner == o), tuple(r for r in add if r.owner == o)) for o in owners)
    return Edit(Snapshot(ZONE, tuple(held), WHOLE), tuple(changes))


async def _failure(edit: Edit, host: Host, becomes: type[Exception]) -> Exception:
    with pytest.raises(becomes) as raised:
        await write_one_by_one(edit, host, "Example")
    return raised.value


async def test_what_goes_goes_first_and_the_receipt_names_what_came() -> None:
    host = Host([ADDRESS])
    receipt = await write_one_by_one(_edit([ADDRESS], [ADDRESS], [ALIAS, KEY]), host, "Example")
    assert host.asked == [f"- {ADDRESS}", f"+ {ALIAS}", f"+ {KEY}"]
    assert (receipt.records, receipt.removed) == ((ALIAS, KEY), ())


async def test_what_comes_has_no_row_of_the_host() -> None:
    host = Host([])
    await write_one_by_one(_edit([], add=[replace(KEY, ref="of long ago")]), host, "Example")
    assert host.held[0].ref is None


@pytest.mark.parametrize("edit", [_edit([], add=[KEY, UNHELD]), _edit([ADDRESS, UNHELD], [ADDRESS, UNHELD], [ALIAS])])
async def test_nothing_is_begun_that_cannot_be_ended_or_taken_back(edit: Edit) -> None:
    host = Host(list(edit.before.records))
    await _failure(edit, host, EditRejected)
    assert host.asked == []


@pytest.mark.parametrize("raises", [Refuses, Breaks])
async def test_a_failure_at_once_is_raised_as_it_is(raises: type[Exception]) -> None:
    host = Host([], {1: (raises, False)})
    await _failure(_edit([], add=[KEY]), host, raises)
    assert host.held == []


@pytest.mark.parametrize("raises", [Refuses, Breaks])
async def test_what_made_room_is_put_back(raises: type[Exception]) -> None:
    host = Host([ADDRESS, OTHER], {3: (raises, False)})
    await _failure(_edit([ADDRESS, OTHER], [ADDRESS, OTHER], [ALIAS]), host, raises)
    assert host.held == [ADDRESS, OTHER]


async def test_an_old_view_does_not_keep_it_from_being_put_back() -> None:
    host = Host([ADDRESS], {2: (Refuses, False)}, shows=[ADDRESS])
    await _failure(_edit([ADDRESS], [ADDRESS], [ALIAS]), host, Refuses)
    assert host.held == [ADDRESS]


async def test_what_made_room_stays_away_where_the_new_record_came_after_all() -> None:
    host = Host([ADDRESS], {2: (Breaks, True)})
    error = await _failure(_edit([ADDRESS], [ADDRESS], [ALIAS]), host, OutcomeUnknown)
    assert "a part of the edit" in str(error) and host.held == [ALIAS]


async def test_what_came_is_left_where_a_later_owner_fails() -> None:
    host = Host([ADDRESS], {3: (Refuses, False)}, shows=[])
    error = await _failure(_edit([ADDRESS], [ADDRESS], [ALIAS, KEY]), host, OutcomeUnknown)
    assert "no" in str(error) and host.held == [ALIAS]


@pytest.mark.parametrize("done", [True, False])
async def test_of_a_removal_in_doubt_a_look_tells(done: bool) -> None:
    host = Host([ADDRESS], {1: (Breaks, done)})
    await _failure(_edit([ADDRESS], [ADDRESS], [ALIAS]), host, Breaks)
    assert host.held == [ADDRESS]


async def test_what_somebody_else_removed_is_not_put_back() -> None:
    host = Host([OTHER], {2: (Refuses, False)})
    await _failure(_edit([OTHER, ADDRESS], [OTHER, ADDRESS], [ALIAS]), host, Refuses)
    assert host.held == [OTHER]


async def test_what_cannot_be_put_back_is_named() -> None:
    host = Host([ADDRESS], {2: (Refuses, False), 3: (Breaks, False)})
    error = await _failure(_edit([ADDRESS], [ADDRESS], [ALIAS]), host, OutcomeUnknown)
    assert isinstance(error, ProviderError) and str(ADDRESS) in str(error) and "Breaks" in str(error)
