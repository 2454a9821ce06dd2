"""The conformance kit: what every provider plugin promises, as pytest cases that a plugin inherits.

    class TestExample(ProviderConformance):
        plugin = wixsend_provider()
        fake = ExampleHost

Needs `wixsend[sandbox]`, pytest and pytest-asyncio. The plugin is opened as the core opens it, and speaks HTTP to its fake over loopback,
with faults in between; what is asserted is asserted on the fake's whole raw state and on the requests that it got. Cases that write do so
twice: the second time nothing may be left to do. To run against another server override the fixtures `facts`, `server`, `wire`
and `credentials`.

What hosts legitimately differ in is declared by class attributes (see `ProviderConformance`); a case that fails names those that could be
the answer. A case cannot be removed, and is overridden only with a reason, in `overridden`.
"""

import asyncio
import inspect
import json
import logging
import re
import threading
import traceback
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import wraps
from typing import Any, ClassVar, NoReturn
from urllib.parse import quote, quote_plus, urlsplit

import dns.exception
import dns.rdata
import dns.rdtypes.ANY.TXT
import pytest
import pytest_asyncio

from wixsend.adapters import Adapter
from wixsend.errors import (
    CredentialsRejected,
    EditConflict,
    EditRejected,
    OutcomeUnknown,
    PermissionMissing,
    ProviderError,
    RateLimited,
    Unavailable,
    WixsendError,
    ZoneNotHeld,
)
from wixsend.names import Name, absolute, ancestors, text, wildcards_over
from wixsend.plan import Change, Edit, Mark, Plan, Wanted, plan, plan_restore, plan_undo
from wixsend.provider import Credentials, ProviderPlugin, ZonePage
from wixsend.records import WHOLE, Granularity, Record, Zone
from wixsend.testing.fakes import FakeHost, Request, Response
from wixsend.testing.server import Fault, Kind, Server, speaking_dns
from wixsend.wire import HttpWire

__all__ = ["ProviderConformance"]

_APEX = absolute("example.com")


def _records(lines: str) -> tuple[Record, ...]:
    """One record a line: owner relative to the zone, type, rdata."""
    fields = (line.split(None, 2) for line in lines.strip().splitlines())
    return tuple(Record(absolute(owner, _APEX), rtype, rdata) for owner, rtype, rdata in fields)


_WANTED = _records("""
    em1234         CNAME u1234.wl.sender.example.
    s1._domainkey  CNAME s1.domainkey.u1234.wl.sender.example.
    s2._domainkey  CNAME s2.domainkey.u1234.wl.sender.example.
""")

_EVERYTHING = _records(
    r"""
    @                  A     192.0.2.1
    @                  A     192.0.2.2
    @                  AAAA  2001:db8::1
    @                  MX    10 mail.example.net.
    @                  MX    20 Mail2.Example.NET.
    @                  TXT   "v=spf1 include:_spf.example.net ~all"
    @                  TXT   "site-verification=AbC-dEf_123"
    @                  CAA   0 issue "ca.example.net"
    www                CNAME www.example.net.
    MiXeD              CNAME Target.Example.NET.
    *.wild             A     192.0.2.3
    *.alias            CNAME star.example.net.
    _dmarc             TXT   "v=DMARC1; p=reject; rua=mailto:dmarc@example.com"
    _acme-challenge    TXT   "gfj9Xq-Rg85nM_aB"
    dkim._domainkey    TXT   "v=DKIM1; k=rsa; p=KEY" "KEY"
    odd                TXT   "true"
    odd                TXT   "a;b"
    odd                TXT   "back\\slash"
    odd                TXT   "say \"hi\""
    odd                TXT   "two  blanks"
    _sip._tcp          SRV   10 20 5060 sip.example.net.
    sub                NS    ns1.example.net.
    sub                NS    ns2.example.net.
    xn--bcher-kva      CNAME xn--bcher-kva.example.net.
    far.down.and.deep  A     192.0.2.4
""".replace("KEY", "M" * 230)
)

_JOINING: Mapping[str, tuple[Record, ...]] = {
    "beside one other": _records('_dmarc TXT "v=DMARC1; p=none"'),
    "beside many others": _records(r"""
        odd TXT "one more"
        odd TXT "and one with a \"quote\""
    """),
    "in three RRsets of one owner": _records("""
        @ A   192.0.2.5
        @ MX  30 mail3.example.net.
        @ TXT "ours=1"
    """),
}
"""Records that come into RRsets of `_EVERYTHING`, in which somebody else's are."""

_MANY = (0, 1, 99, 100, 101, 499, 500, 501, 601, 1001)

_REFUSALS: Mapping[str, Response] = {
    "credentials": Response.json({}, 401),
    "permission": Response.json({}, 403),
    "not-found": Response.json({}, 404),
    "conflict": Response.json({}, 409),
    "rejected": Response.json({}, 422),
    "rate-limited": Response.json({}, 429, **{"retry-after": "17"}),
    "server-error": Response.json({}, 500),
    "maintenance": Response.json({}, 503),
}

type _Classes = tuple[type[ProviderError], ...]

_BECOMES: Mapping[tuple[str, str], _Classes] = {
    ("reading", "credentials"): (CredentialsRejected,),
    ("reading", "permission"): (PermissionMissing,),
    ("reading", "not-found"): (ZoneNotHeld,),
    ("reading", "rate-limited"): (RateLimited,),
    ("reading", "server-error"): (Unavailable,),
    ("reading", "maintenance"): (Unavailable,),
    ("writing", "credentials"): (CredentialsRejected,),
    ("writing", "permission"): (PermissionMissing,),
    ("writing", "not-found"): (ZoneNotHeld, EditConflict),
    ("writing", "conflict"): (EditConflict,),
    ("writing", "rejected"): (EditRejected,),
    ("writing", "rate-limited"): (RateLimited,),
    ("writing", "server-error"): (OutcomeUnknown,),
    ("writing", "maintenance"): (OutcomeUnknown,),
}
"""What each refusal of the host must become, as `translate` gives it to the core."""

_FAULTS: tuple[Kind, ...] = ("refuse", "hang", "lost-reply", "truncate", "html", "empty", "wrong-shape")
_QUICK_FAULTS: tuple[Kind, ...] = ("refuse", "lost-reply", "truncate", "html", "empty", "wrong-shape")
_EDIT_FAULTS: tuple[tuple[Kind, bool], ...] = (
    *((kind, False) for kind in ("refuse", "hang", "status", "html", "empty", "wrong-shape")),
    *((kind, True) for kind in ("lost-reply", "hang", "status", "truncate", "html", "empty", "wrong-shape")),
)
"""How the answer to an edit goes wrong, and whether the edit was done."""

_ODD_BODIES: tuple[tuple[str, str], ...] = (
    ("application/json", "{}"),
    ("application/json", "[]"),
    ("application/json", "null"),
    ("application/json", '""'),
    ("application/json", '{"result": null, "records": null, "zones": null}'),
    ("application/json", '{"message": "please try again"}'),
    ("text/xml", "<ApiResponse/>"),
    ("text/plain", "OK"),
)

_IMPATIENT = 0.15
"""Seconds after which a case that waits for a time-out has the plugin give up."""

_FOR_GOOD = 30.0
"""Seconds for which an answer is held that nobody is to get: as long as a case may take."""

type _Case[**P] = Callable[P, Coroutine[Any, Any, None]]


def _declarable[**P](*attributes: str) -> Callable[[_Case[P]], _Case[P]]:
    """Let a case that fails name the attributes that an author declares where the host itself is so, and the adapter is right."""

    def declarable(case: _Case[P]) -> _Case[P]:
        @wraps(case)
        async def tried(*args: P.args, **kwargs: P.kwargs) -> None:
            __tracebackhide__ = True
            try:
                await case(*args, **kwargs)
            except (Exception, pytest.fail.Exception) as failure:
                failure.add_note(_declare(*attributes))
                raise

        vars(tried)["declarable"] = attributes
        return tried

    return declarable


def _declare(*attributes: str) -> str:
    """What these attributes are for, as `ProviderConformance` says it."""
    said = dict(re.findall(r"^- `(\w+)`: (.*?)(?=\n- |\Z)", inspect.getdoc(ProviderConformance) or "", re.DOTALL | re.MULTILINE))
    told = [f"`{attribute}`: {' '.join(said[attribute].split())}" for attribute in attributes]
    return "\n".join(["If the host itself is so, and the adapter right, declare it in the test class:", *told])


class ProviderConformance:
    """Inherit it, name the plugin and its fake, and declare what your host does differently.

    `plugin` is what the hook yields, `fake` the class of its fake. The rest have defaults:

    - `calls`: HTTP requests that `zone`, `read` and `write` may take for a small zone, where three records are written.
    - `cannot_hold`: record types that the host cannot hold, each with the reason. Where it holds them, but only one at a name, a case that
      wants several is overridden.
    - `masks`: the host can hold a record and show the world something else; the fake's `add_zone` then honours `Record.masked`.
    - `foreign_type`: a record of a type that the plugin has never heard of, as `add_zone` takes it.
    - `refusals`: what the host answers where it does not answer with the plain HTTP status: a `Response`, or the reason why it never
      does, by kind: credentials, permission, not-found, conflict, rejected, rate-limited, server-error, maintenance.
    - `honest_bodies`: those of the odd bodies by which the host really says "none", letter by letter, such as `[]`.
    - `settings`: settings of a zone that are not the vendor's defaults, as the fake's `add_zone` takes them: a write may not lose them.
    - `speechless`: the host answers a good write with an empty body.
    - `volatile`: keys of the raw state beside `records` that change with every write (a serial number).
    - `writes`: a static method, true for a request that may change the host's state; by default that is all but GET and HEAD.
    - `overridden`: for each case that the class overrides, the reason why it makes no sense at this host.
    """

    plugin: ClassVar[ProviderPlugin]
    fake: ClassVar[type[FakeHost]]
    calls: ClassVar[Mapping[str, int]] = {"zone": 1, "read": 1, "write": 1}
    cannot_hold: ClassVar[Mapping[str, str]] = {}
    masks: ClassVar[bool] = False
    foreign_type: ClassVar[Record] = Record(absolute("foreign", _APEX), "WEIRD", "some data of its own")
    refusals: ClassVar[Mapping[str, Response | str]] = {}
    honest_bodies: ClassVar[Collection[str]] = ()
    settings: ClassVar[Mapping[str, Any]] = {}
    speechless: ClassVar[bool] = False
    volatile: ClassVar[Collection[str]] = ()
    overridden: ClassVar[Mapping[str, str]] = {}

    pytestmark = pytest.mark.asyncio

    def __init_subclass__(cls, **options: Any) -> None:
        """`TypeError` for a case that is replaced or removed without a reason in `overridden`, and for a reason without a case."""
        super().__init_subclass__(**options)
        cases = {name for name in dir(ProviderConformance) if name.startswith("test_")}
        replaced = {name for name in vars(cls) if name in cases}
        reasons = {name for name, reason in vars(cls).get("overridden", {}).items() if reason.strip()}
        if replaced - reasons:
            raise TypeError(f"{cls.__name__} overrides {', '.join(sorted(replaced - reasons))} without a reason in `overridden`")
        if set(vars(cls).get("overridden", {})) - replaced:
            raise TypeError(f"{cls.__name__}.overridden gives reasons for cases that it does not override, or gives none")

    @staticmethod
    def writes(request: Request) -> bool:
        """True for a request that may change the host's state. Override it where the HTTP method does not tell."""
        return request.method not in ("GET", "HEAD")

    # Fixtures

    @pytest.fixture
    def facts(self) -> FakeHost:
        """The vendor: what it holds can be looked at past all of its HTTP."""
        return self.fake()

    @pytest.fixture
    def server(self, facts: FakeHost) -> Iterator[Server]:
        """The vendor's HTTP, and another origin, `elsewhere`, which nobody may ask anything."""
        with Server(
            {facts.name: facts.handle, "elsewhere": lambda _request: Response.json({})}, dns=speaking_dns({facts.name: facts})
        ) as server:
            yield server

    @pytest.fixture
    def wire(self, server: Server) -> HttpWire:
        """The wire that `provider` is opened with."""
        return self._wire(server)

    @pytest.fixture
    def credentials(self, facts: FakeHost) -> Credentials:
        """The credentials that open the account."""
        return facts.credentials

    @pytest_asyncio.fixture
    async def provider(self, credentials: Credentials, wire: HttpWire) -> AsyncIterator[Adapter]:
        """The account, opened through the plugin and used as the core uses it."""
        async with self._opened(credentials, wire) as provider:
            yield provider

    # The plugin as data

    async def test_the_plugin_describes_itself(self, facts: FakeHost) -> None:
        plugin = self.plugin
        fields = {field.name for field in plugin.credentials}
        assert plugin.name == facts.name, "the plugin and its fake go by one name"
        assert plugin.name == plugin.name.lower() and plugin.name.replace("-", "").isalnum(), f"{plugin.name!r} is no plugin name"
        assert bool(plugin.base_url) != bool(plugin.own_url), "a plugin has a base URL, or shows how one's own is written"
        assert urlsplit(plugin.base_url or plugin.own_url).scheme in ("https", "dns"), "the base URL must be https, or dns for DNS messages"
        assert len(fields) == len(plugin.credentials), "two credentials have one name"
        assert all(field.help and field.env == field.env.upper() for field in plugin.credentials), "a credential lacks its help or `env`"
        assert set(facts.credentials) <= fields, "the fake takes credentials that the plugin does not ask for"
        assert plugin.permissions, "the plugin does not say which permissions it means"
        assert bool(plugin.name_servers) == bool(plugin.base_url), "a host has name servers of its own, unless people run it for themselves"
        assert 0 < plugin.limits.min_ttl <= plugin.limits.max_ttl, "the limits of TTLs make no sense"

    # Which zone

    async def test_a_zone_that_is_held_is_found(self, facts: FakeHost, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        zone = await self._zone(provider)
        assert zone.problem == "", f"an ordinary zone is said to have a problem: {zone.problem}"
        assert not zone.name_servers or set(zone.name_servers) == {absolute(server) for server in facts.name_servers}
        shouted = await provider.zone(absolute("EXAMPLE.Com"))
        assert [found.apex for found in shouted] == [_APEX], "the zone is not found when asked for in another case"

    async def test_a_zone_that_is_not_held_is_none(self, facts: FakeHost, provider: Adapter) -> None:
        facts.add_zone("other.org")
        assert await provider.zone(_APEX) == (), "a zone was found that the account does not hold"

    @pytest.mark.parametrize("held", ["notexample.com", "example.com.example.org", "example.co", "my-example.com", "example.community"])
    async def test_a_similar_name_is_another_zone(self, facts: FakeHost, provider: Adapter, held: str) -> None:
        facts.add_zone(held)
        assert await provider.zone(_APEX) == (), f"{held} was taken for example.com"
        self._hold(facts, _records("@ A 192.0.2.1"))
        assert [zone.apex for zone in await provider.zone(_APEX)] == [_APEX]
        await self._made(provider, facts, _WANTED)

    async def test_a_name_below_a_zone_is_no_zone(self, facts: FakeHost, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        assert await provider.zone(absolute("mail.example.com")) == (), "example.com was taken for mail.example.com"

    async def test_a_404_of_somebody_else_is_no_answer(self, facts: FakeHost, server: Server, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        page = Response(404, b"<html><body>404 Not Found</body></html>", {"content-type": "text/html"})
        server.faults.add(_answering(page, service=facts.name))
        with pytest.raises(ProviderError):  # a proxy's page, or a wrong base URL: the account holds the zone
            await provider.zone(_APEX)

    # The listing, where the plugin has one

    @pytest.mark.parametrize("count", [0, 1, 101, 1001])
    async def test_every_zone_is_listed_as_it_is_described(self, facts: FakeHost, provider: Adapter, count: int) -> None:
        self._needs_a_listing(provider)
        names = [f"client-{number}.example" for number in range(count)]
        for name in names:
            facts.add_zone(name)
        zones = [zone for page in (await _listing(provider, count)).values() for zone in page.zones]
        assert sorted(text(zone.apex) for zone in zones) == sorted(names), "the pages of the listing are not what the account holds"
        listed = {zone.apex: zone for zone in zones}
        for apex in map(absolute, names[:: max(1, count // 3)]):
            (described,) = await provider.zone(apex)
            told = replace(described, record_count=listed[apex].record_count)
            assert listed[apex] == told, f"the listing describes {text(apex)} otherwise than it is: {listed[apex]}, not {told}"

    async def test_a_page_of_zones_that_fails_is_asked_for_again(self, facts: FakeHost, server: Server, provider: Adapter) -> None:
        self._needs_a_listing(provider)
        for number in range(1001):
            facts.add_zone(f"client-{number}.example")
        pages = await _listing(provider, 1001)
        for name, page in pages.items():
            server.faults.add(Fault("empty", service=facts.name, call=server.count(facts.name) + 1))
            with pytest.raises(ProviderError):
                await provider.zones(name)
            again = await provider.zones(name)
            assert again == page, f"the page {name!r} of the listing is another one when it is asked for again"
        for name in reversed(pages):
            assert await provider.zones(name) == pages[name], f"the page {name!r} of the listing depends on what was asked for before"

    async def test_a_page_of_zones_is_one_call(self, facts: FakeHost, server: Server, provider: Adapter) -> None:
        self._needs_a_listing(provider)
        for number in range(1001):
            facts.add_zone(f"client-{number}.example")
        start = server.count(facts.name)
        pages = await _listing(provider, 1001)
        assert server.count(facts.name) - start == len(pages), "a page of the listing takes more than one call, or less"

    # What is in it

    async def test_a_fresh_zone_is_empty(self, facts: FakeHost, provider: Adapter) -> None:
        self._hold(facts)
        snapshot = await provider.read(await self._zone(provider), _names(_WANTED))
        assert snapshot.records == (), f"a fresh zone was read as {snapshot.records}"
        assert snapshot.total in (0, None)

    @_declarable("cannot_hold")
    async def test_everything_is_read_as_it_is(self, facts: FakeHost, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        zone = await self._zone(provider)
        names = frozenset(record.owner for record in self._everything)
        snapshot = await provider.read(zone, names)
        if self.plugin.granularity is Granularity.ZONE:
            assert snapshot.covers is WHOLE, "a host that replaces zones must read zones"
        assert _as_held(snapshot.records) == _as_held(self._everything), _difference(self._everything, snapshot.records)
        assert snapshot.total in (len(self._everything), None), f"the zone is said to hold {snapshot.total} records"

    async def test_only_what_was_asked_for_is_answered(self, facts: FakeHost, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        names = frozenset({absolute("www", _APEX), absolute("nothing-here", _APEX), absolute("ww", _APEX)})
        snapshot = await provider.read(await self._zone(provider), names)
        expected = self._everything if snapshot.covers is WHOLE else _records("www CNAME www.example.net.")
        assert _as_held(snapshot.records) == _as_held(expected), _difference(expected, snapshot.records)
        assert not snapshot.at(absolute("nothing-here", _APEX))

    @pytest.mark.parametrize("layout", ["at one owner", "at many owners"])
    @pytest.mark.parametrize("count", _MANY)
    async def test_every_page_is_read(self, facts: FakeHost, provider: Adapter, count: int, layout: str) -> None:
        self._needs_room_for(count)
        owner = "many" if layout == "at one owner" else "many{0}"
        self._hold(facts, [_text(owner.format(number), number) for number in range(count)])
        names = frozenset(absolute(owner.format(number), _APEX) for number in {0, count - 1, count // 2})
        snapshot = await provider.read(await self._zone(provider), names)
        whole = layout == "at one owner" or snapshot.covers is WHOLE
        expected = count if whole else len(names) * (count > 0)
        assert len(snapshot.records) == expected, f"{len(snapshot.records)} records were read where there are {expected}"
        assert snapshot.total in (count, None), f"the zone is said to hold {snapshot.total} records, and holds {count}"

    async def test_a_page_that_fails_fails_the_read(self, facts: FakeHost, server: Server, provider: Adapter) -> None:
        count = min(601, self.plugin.limits.max_records or 601)
        self._hold(facts, [_text("many", number) for number in range(count)])
        zone, names = await self._zone(provider), frozenset({absolute("many", _APEX)})
        start = server.count(facts.name)
        await provider.read(zone, names)
        pages = server.count(facts.name) - start
        for page in range(1, pages + 1):
            server.faults.add(Fault("empty", service=facts.name, call=server.count(facts.name) + page))
            with pytest.raises(ProviderError):
                await provider.read(zone, names)

    async def test_a_zone_of_five_thousand_records(self, facts: FakeHost, provider: Adapter) -> None:
        self._needs_room_for(5000)
        self._hold(facts, [_text(f"many{number // 2}", number) for number in range(5000)])
        await self._made(provider, facts, _WANTED)

    @_declarable("masks")
    async def test_a_masked_record_is_said_to_be_masked(self, facts: FakeHost, provider: Adapter) -> None:
        if not self.masks:
            pytest.skip(f"{self.plugin.label} shows the world what it holds (`masks`)")
        masked = replace(_WANTED[0], masked=True)
        self._hold(facts, [masked, *_records("www CNAME www.example.net.")])
        snapshot = await provider.read(await self._zone(provider), _names([masked]) | {absolute("www", _APEX)})
        assert [record.masked for record in snapshot.at(masked.owner)] == [True], "a masked record is not said to be masked"
        assert [record.masked for record in snapshot.at(absolute("www", _APEX))] == [False], "a plain record is said to be masked"

    @_declarable("foreign_type")
    async def test_a_type_never_heard_of_is_read_and_kept(self, facts: FakeHost, provider: Adapter) -> None:
        foreign = self.foreign_type
        self._hold(facts, [foreign, *self._everything])
        zone = await self._zone(provider)
        found = (await provider.read(zone, frozenset({foreign.owner}))).at(foreign.owner)
        assert [record.rtype for record in found] == [foreign.rtype], f"at {text(foreign.owner)} was read {found}"
        await self._made(provider, facts, _WANTED)

    async def test_a_conflict_is_read_as_one(self, facts: FakeHost, provider: Adapter) -> None:
        owner = _WANTED[0].owner
        self._hold(facts, [Record(owner, "A", "192.0.2.9"), *self._everything])
        planned = await self._plan(provider, _WANTED)
        conflicts = {line.record.owner for line in planned.lines if line.mark is Mark.CONFLICT}
        assert conflicts == {owner}, f"the A record in the way at {text(owner)} was not read"

    # Making an edit

    async def test_records_are_added_to_a_fresh_zone(self, facts: FakeHost, provider: Adapter) -> None:
        self._hold(facts)
        await self._made(provider, facts, _WANTED)

    async def test_records_are_added_and_nothing_else_moves(self, facts: FakeHost, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        facts.add_zone("other.org", [Record(absolute("www.other.org"), "A", "192.0.2.7")])
        await self._made(provider, facts, _WANTED)

    @pytest.mark.parametrize("count", [99, 100, 101, 601])
    async def test_records_are_added_to_a_big_zone(self, facts: FakeHost, provider: Adapter, count: int) -> None:
        self._needs_room_for(count + len(_WANTED))
        self._hold(facts, [_text(f"many{number}", number) for number in range(count)])
        await self._made(provider, facts, _WANTED)

    async def test_a_record_that_is_there_needs_no_edit(self, facts: FakeHost, provider: Adapter) -> None:
        there = [Record(record.owner, record.rtype, record.rdata.upper()) for record in _WANTED]
        self._hold(facts, [*there, *self._everything])
        _all_right(await self._plan(provider, _WANTED), "records that are there already, in capitals, are not read as such")

    async def test_a_record_that_appears_meanwhile_is_not_doubled(self, facts: FakeHost, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        before = _look(facts, self.volatile)
        edit = (await self._plan(provider, _WANTED)).edit
        facts.edit_behind("example.com", add=_WANTED[:1])
        try:
            await provider.write(edit)
        except EditConflict:
            await self._finish(provider, _WANTED)
        _moved(before, _look(facts, self.volatile), edit)

    async def test_two_records_that_are_alike_stay_two(self, facts: FakeHost, provider: Adapter) -> None:
        twins = [_text("twin", 1), _text("twin", 1)]
        self._hold(facts, [*twins, *self._everything])
        if facts.published("example.com").count(twins[0]) < len(twins):
            pytest.skip(f"{self.plugin.label} itself holds records that are alike once")
        snapshot = await provider.read(await self._zone(provider), frozenset({twins[0].owner}))
        assert len(snapshot.at(twins[0].owner)) == 2, "of two records that are alike one was read"
        await self._made(provider, facts, _WANTED)

    async def test_an_edit_that_replaces_can_be_undone(self, facts: FakeHost, provider: Adapter) -> None:
        old = Record(_WANTED[0].owner, "A", "192.0.2.9")
        self._hold(facts, [old, *self._everything])
        before = _look(facts, self.volatile)
        edit = await self._made(provider, facts, _WANTED, replace=[old.owner])
        undo = await self._undone(provider, facts, edit.changes)
        assert not await self._undo_plan(provider, edit.changes), "after the undo there is something left to undo"
        after = _look(facts, self.volatile)
        assert after.shown == before.shown, "what the world is shown is not what it was before the edit and its undo"
        assert {record.owner for record in undo.adds} == {old.owner}

    async def test_one_of_an_rrset_is_taken_back(self, facts: FakeHost, provider: Adapter) -> None:
        ours = _text("shared", 1)
        self._hold(facts, [_text("shared", 2), ours, _text("shared", 3), *self._everything])
        await self._undone(provider, facts, [Change(ours.owner, add=(ours,))])

    @pytest.mark.parametrize("where", _JOINING)
    @_declarable("cannot_hold", "overridden")
    async def test_records_that_join_an_rrset_leave_the_others(self, facts: FakeHost, provider: Adapter, where: str) -> None:
        ours = [record for record in _JOINING[where] if record.rtype not in self.cannot_hold]
        if not ours:
            pytest.skip("; ".join(self.cannot_hold.values()) + " (`cannot_hold`)")
        limits = self.plugin.limits
        ttl = min(max(7200, limits.min_ttl), limits.max_ttl)  # one that no adapter gives by itself
        self._hold(facts, [replace(record, ttl=ttl) for record in self._everything])
        before = _look(facts, self.volatile)
        edit = await self._restore_plan(provider, ours)
        await provider.write(edit)
        _moved(before, _look(facts, self.volatile), edit)
        assert not await self._restore_plan(provider, ours), "what was added to an RRset is not read again as it was written"

    @pytest.mark.parametrize("status", [422, 500])
    @pytest.mark.parametrize("call", [1, 2, 3])
    @_declarable("refusals")
    async def test_a_replace_that_fails_leaves_the_old_record(
        self, facts: FakeHost, server: Server, provider: Adapter, call: int, status: int
    ) -> None:
        old = Record(_WANTED[0].owner, "A", "192.0.2.9")
        self._hold(facts, [old, *self._everything])
        edit = (await self._plan(provider, _WANTED[:1], replace=[old.owner])).edit
        before = _look(facts, self.volatile)
        refusal = self.refusals.get("rejected" if status == 422 else "server-error")
        answer = refusal if isinstance(refusal, Response) else Response.json({}, status)
        server.faults.add(_answering(answer, service=facts.name, call=server.count(facts.name) + call))
        try:
            await provider.write(edit)
        except ProviderError:
            after = _look(facts, self.volatile)
            assert after.shown in (before.shown, before.shown_after(edit)), (
                "a replace that failed left neither the old record nor the new one"
            )
            assert after.settings == before.settings
            assert (before.rows - after.rows).total() <= len(edit.removes), "a replace that failed took other records with it"
        else:
            _moved(before, _look(facts, self.volatile), edit)

    @pytest.mark.parametrize("kind", ["credentials", "permission", "rejected", "rate-limited"])
    @pytest.mark.parametrize("call", [1, 2, 3])
    @_declarable("refusals", "writes")
    async def test_half_an_edit_is_never_called_undone(
        self, facts: FakeHost, server: Server, provider: Adapter, call: int, kind: str
    ) -> None:
        answer = self.refusals.get(kind, _REFUSALS[kind])
        if isinstance(answer, str):
            pytest.skip(answer)
        self._hold(facts, self._everything)
        edit = (await self._plan(provider, _WANTED)).edit
        before = _look(facts, self.volatile)
        server.faults.add(_answering(answer, service=facts.name, match=_nth(self.writes, call)))
        try:
            await provider.write(edit)
        except ProviderError as error:
            done = _look(facts, self.volatile) != before
            assert not done or type(error) in (OutcomeUnknown, EditConflict), f"half of the edit was done, and the error is {error!r}"
        server.faults.clear()
        await self._finish(provider, _WANTED)
        _moved(before, _look(facts, self.volatile), edit)

    @pytest.mark.parametrize("where", ["elsewhere", "at the same owner"])
    async def test_two_writers(self, facts: FakeHost, provider: Adapter, where: str) -> None:
        self._hold(facts, self._everything)
        edit = (await self._plan(provider, _WANTED)).edit
        before = _look(facts, self.volatile)
        theirs = _text("theirs" if where == "elsewhere" else text(_WANTED[0].owner) + ".", 1)
        facts.edit_behind("example.com", add=[theirs])
        meanwhile = _look(facts, self.volatile)
        try:
            await provider.write(edit)
        except EditConflict:
            _moved(meanwhile, _look(facts, self.volatile))
        else:
            after = _look(facts, self.volatile)
            if self.plugin.granularity is Granularity.ZONE:
                _moved(before, after, edit)
                again = await provider.read(edit.before.zone, frozenset({theirs.owner}))
                assert theirs not in again.records, "a record that a write of the whole zone took is still said to be there"
            else:
                _moved(meanwhile, after, edit)

    async def test_a_record_that_is_gone_already(self, facts: FakeHost, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        before = _look(facts, self.volatile)
        edit = await self._made(provider, facts, _WANTED)
        undo = await self._undo_plan(provider, edit.changes)
        facts.edit_behind("example.com", remove=_WANTED[:1])
        try:
            await provider.write(undo)
        except EditConflict:
            again = await self._undo_plan(provider, edit.changes)
            await provider.write(again)
        _moved(before, _look(facts, self.volatile))

    @pytest.mark.parametrize("ttl", [1, 10_000_000, None])
    async def test_ttls_are_kept_within_limits(self, facts: FakeHost, provider: Adapter, ttl: int | None) -> None:
        self._hold(facts, self._everything)
        await self._made(provider, facts, [replace(record, ttl=ttl) for record in _WANTED])
        limits = self.plugin.limits
        for record in facts.published("example.com"):
            if record in _WANTED and record.ttl is not None:
                assert limits.min_ttl <= record.ttl <= limits.max_ttl, (
                    f"a TTL of {ttl} was written as {record.ttl}; the plugin's `limits` are {limits.min_ttl} to {limits.max_ttl}"
                )

    # When the host says no

    async def test_wrong_credentials_are_told(self, facts: FakeHost, server: Server, credentials: Credentials) -> None:
        self._hold(facts)
        for field in self.plugin.credentials:
            if field.secret and field.name in credentials:
                async with self._opened(_spoilt(credentials, field.name), self._wire(server)) as provider:
                    with pytest.raises(CredentialsRejected):
                        await provider.zone(_APEX)

    @pytest.mark.parametrize(("doing", "kind"), _BECOMES)
    @_declarable("refusals", "writes")
    async def test_refusals_are_told_apart(self, facts: FakeHost, server: Server, provider: Adapter, doing: str, kind: str) -> None:
        answer = self.refusals.get(kind, _REFUSALS[kind])
        if isinstance(answer, str):
            pytest.skip(answer)
        self._hold(facts, self._everything)
        edit = (await self._plan(provider, _WANTED)).edit
        before = _look(facts, self.volatile)
        server.faults.add(_answering(answer, service=facts.name, match=self._when(doing)))
        error = await self._error(provider, doing, edit)
        expected = _BECOMES[doing, kind]
        assert type(error) in expected, f"{kind} while {doing} became {error!r}, not {' or '.join(c.__name__ for c in expected)}"
        assert str(error).strip(), "the error says nothing"
        asked = answer.headers.get("retry-after")
        if asked is not None:
            assert error.retry_after == float(asked), f"the host said to come back after {asked} s, the error says {error.retry_after}"
        _moved(before, _look(facts, self.volatile))

    @pytest.mark.parametrize("doing", ["reading", "writing"])
    @pytest.mark.parametrize("status", [301, 302, 307, 308])
    @_declarable("writes")
    async def test_redirects_are_not_followed(self, facts: FakeHost, server: Server, provider: Adapter, doing: str, status: int) -> None:
        self._hold(facts, self._everything)
        edit = (await self._plan(provider, _WANTED)).edit
        away = Response(status, b"", {"location": server.url("elsewhere") + "/away"})
        server.faults.add(_answering(away, service=facts.name, match=self._when(doing)))
        await self._error(provider, doing, edit)
        assert server.count("elsewhere") == 0, "a redirect to another host was followed, and took the credentials there"

    # When the host answers badly, or not at all

    @pytest.mark.parametrize("question", ["zone", "read"])
    @pytest.mark.parametrize("fault", _FAULTS)
    async def test_a_bad_answer_to_a_question(
        self, facts: FakeHost, server: Server, provider: Adapter, credentials: Credentials, fault: Kind, question: str
    ) -> None:
        self._hold(facts, self._everything)
        zone = await self._zone(provider)
        async with self._meeting(Fault(fault, service=facts.name), server, provider, credentials) as asked:
            with pytest.raises(ProviderError) as raised:
                await (asked.zone(_APEX) if question == "zone" else asked.read(zone, _names(_WANTED)))
        assert type(raised.value) is Unavailable, f"{fault} while reading became {raised.value!r}, not Unavailable"

    @pytest.mark.parametrize(("kind", "body"), _ODD_BODIES)
    @_declarable("honest_bodies")
    async def test_an_odd_answer_is_no_empty_zone(self, facts: FakeHost, server: Server, provider: Adapter, kind: str, body: str) -> None:
        if body in self.honest_bodies:
            pytest.skip(f"{self.plugin.label} says {body} where there is nothing (`honest_bodies`)")
        self._hold(facts, self._everything)
        zone = await self._zone(provider)
        odd = Response(200, body.encode(), {"content-type": kind})
        server.faults.add(_answering(odd, service=facts.name))
        with pytest.raises(ProviderError):
            await provider.zone(_APEX)
        server.faults.add(_answering(odd, service=facts.name))
        with pytest.raises(ProviderError):
            await provider.read(zone, _names(_WANTED))

    @pytest.mark.parametrize(("fault", "done"), _EDIT_FAULTS)
    @_declarable("speechless", "writes")
    async def test_a_bad_answer_to_an_edit_is_not_known(
        self, facts: FakeHost, server: Server, provider: Adapter, credentials: Credentials, fault: Kind, done: bool
    ) -> None:
        if fault in ("empty", "truncate") and self.speechless:
            pytest.skip(f"{self.plugin.label} answers a good write with nothing (`speechless`)")
        self._hold(facts, self._everything)
        edit = (await self._plan(provider, _WANTED)).edit
        before, start = _look(facts, self.volatile), len(server.calls)
        spoilt = Fault(fault, service=facts.name, match=self.writes, handled=done, status=500)
        async with self._meeting(spoilt, server, provider, credentials) as asked:
            error = await self._error(asked, "writing", edit)
        assert type(error) is OutcomeUnknown, f"{fault} while writing became {error!r}, not OutcomeUnknown"
        written = sum(self.writes(call.request) for call in server.calls[start:])
        assert written <= 1, f"an edit whose outcome is not known was sent {written} times"
        await self._finish(provider, _WANTED)
        _moved(before, _look(facts, self.volatile), edit)

    @pytest.mark.parametrize(("fault", "done"), _EDIT_FAULTS)
    @_declarable("writes")
    async def test_a_bad_answer_to_a_removal_is_no_proof(
        self, facts: FakeHost, server: Server, provider: Adapter, credentials: Credentials, fault: Kind, done: bool
    ) -> None:
        self._hold(facts, self._everything)
        made = await self._made(provider, facts, _WANTED)
        edit = await self._undo_plan(provider, made.changes)
        before = _look(facts, self.volatile)
        spoilt = Fault(fault, service=facts.name, match=self.writes, handled=done, status=500)
        async with self._meeting(spoilt, server, provider, credentials) as asked:
            try:
                receipt = await asked.write(edit)
            except ProviderError as error:
                assert type(error) is OutcomeUnknown, f"{fault} while removing became {error!r}, not OutcomeUnknown"
            else:
                assert Counter(edit.removes) - Counter(receipt.removed), f"{fault} was taken for a word that the records are gone"
        left = await self._undo_plan(provider, made.changes)
        if left:
            await provider.write(left)
        _moved(before, _look(facts, self.volatile), edit)

    # Manners

    @_declarable("calls")
    async def test_no_more_calls_than_declared(self, facts: FakeHost, server: Server, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        spent: dict[str, int] = {}

        async def count(name: str, call: Callable[[], Any]) -> Any:
            start = server.count(facts.name)
            answer = await call()
            spent[name] = server.count(facts.name) - start
            return answer

        zone = (await count("zone", lambda: provider.zone(_APEX)))[0]
        snapshot = await count("read", lambda: provider.read(zone, _names(_WANTED)))
        edit = plan(snapshot, _wanted(_WANTED)).edit
        await count("write", lambda: provider.write(edit))
        over = {name: calls for name, calls in spent.items() if calls > self.calls[name]}
        assert not over, f"calls made: {spent}; declared: {dict(self.calls)}"

    async def test_every_call_goes_through_the_wire(self, facts: FakeHost, server: Server, wire: HttpWire, provider: Adapter) -> None:
        self._hold(facts, self._everything)
        edit = await self._made(provider, facts, _WANTED)
        await self._undone(provider, facts, edit.changes)
        assert wire.calls == server.count(facts.name), f"the host got {server.count(facts.name)} requests, the wire saw {wire.calls}"

    async def test_the_wire_can_stop_a_call(self, facts: FakeHost, server: Server, credentials: Credentials) -> None:
        self._hold(facts)
        shut = _ShutWire(self._base_url(server))
        async with self._opened(credentials, shut) as provider:
            with pytest.raises(ProviderError):
                await provider.zone(_APEX)
        assert server.count(facts.name) == 0, "a request was sent that the wire had stopped"

    async def test_secrets_stay_secret(
        self,
        facts: FakeHost,
        server: Server,
        credentials: Credentials,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        caplog.set_level(logging.DEBUG)
        self._hold(facts, self._everything)
        said: dict[str, str] = {}
        wire = self._wire(server)
        provider = self.plugin.opens(credentials, wire)
        said["repr of the provider"] = f"{provider!r} {provider}"
        adapter = Adapter(self.plugin, provider)
        edit = (await self._plan(adapter, _WANTED)).edit
        for fault in _QUICK_FAULTS:
            server.faults.add(Fault(fault, service=facts.name))
            said[f"error after {fault}"] = _told(await self._error(adapter, "reading", edit))
        for status in (400, 401, 403, 404, 409, 422, 429, 500):
            server.faults.add(_answering(Response.json({}, status), service=facts.name, match=self.writes))
            said[f"error after {status}"] = _told(await self._error(adapter, "writing", edit))
        await adapter.write(edit)
        await adapter.close()
        secrets = {field.name: credentials[field.name] for field in self.plugin.credentials if field.secret and credentials.get(field.name)}
        for name in secrets:
            spoilt = _spoilt(credentials, name)
            async with self._opened(spoilt, self._wire(server)) as refused:
                with pytest.raises(ProviderError) as raised:
                    await refused.zone(_APEX)
            said[f"error after a wrong {name}"] = _told(raised.value).replace(spoilt[name], secrets[name])
        output = capfd.readouterr()
        said |= {"output": output.out + output.err, "log": caplog.text}
        said |= {f"URL of call {call.number}": f"{call.request.path} {call.request.query}" for call in server.calls}
        for name, value in secrets.items():
            for form in {value, quote(value, safe=""), quote_plus(value)}:
                leaks = [place for place, words in said.items() if form in words]
                assert not leaks, f"{name} is shown by: {', '.join(leaks)}"

    # What the cases are made of

    @property
    def _everything(self) -> tuple[Record, ...]:
        return tuple(record for record in _EVERYTHING if record.rtype not in self.cannot_hold)

    def _hold(self, facts: FakeHost, records: Iterable[Record] = ()) -> None:
        """Put example.com into the account, with settings that are not the vendor's defaults."""
        try:
            facts.add_zone(text(_APEX), records, **self.settings)
        except Exception as failure:
            failure.add_note(_declare("cannot_hold", "settings"))
            raise

    def _base_url(self, server: Server) -> str:
        return server.url(self.plugin.name) + urlsplit(self.plugin.base_url).path

    def _wire(self, server: Server, timeout: float = 30.0) -> HttpWire:
        return HttpWire(self._base_url(server), timeout=timeout)

    @asynccontextmanager
    async def _opened(self, credentials: Credentials, wire: HttpWire) -> AsyncIterator[Adapter]:
        provider = Adapter.open(self.plugin, credentials, wire)
        try:
            yield provider
        finally:
            await provider.close()

    @asynccontextmanager
    async def _meeting(self, fault: Fault, server: Server, provider: Adapter, credentials: Credentials) -> AsyncIterator[Adapter]:
        """The account to which this goes wrong with the next request that fits.

        Only one that waits for a time-out is impatient: a busy machine is slower than that. And it is left only when the host has got the
        request, which may be after the plugin gave up.
        """
        if fault.kind != "hang":
            server.faults.add(fault)
            yield provider
            return
        got = threading.Event()

        def match(request: Request) -> bool:
            fits = fault.match is None or fault.match(request)
            if fits:
                got.set()
            return fits

        async with self._opened(credentials, self._wire(server, timeout=_IMPATIENT)) as impatient:
            server.faults.add(replace(fault, match=match, seconds=_FOR_GOOD))
            yield impatient
            await asyncio.to_thread(got.wait, _FOR_GOOD)

    async def _zone(self, provider: Adapter) -> Zone:
        zones = await provider.zone(_APEX)
        assert len(zones) == 1, f"the account holds example.com, and {len(zones)} zones were found"
        return zones[0]

    async def _plan(self, provider: Adapter, records: Sequence[Record], replace: Iterable[Name] = ()) -> Plan:
        snapshot = await provider.read(await self._zone(provider), _names(records))
        return plan(snapshot, _wanted(records, replace))

    async def _made(self, provider: Adapter, facts: FakeHost, records: Sequence[Record], replace: Iterable[Name] = ()) -> Edit:
        """The records added, and nothing else; a second time there is nothing to do."""
        before = _look(facts, self.volatile)
        edit = (await self._plan(provider, records, replace)).edit
        receipt = await provider.write(edit)
        _moved(before, _look(facts, self.volatile), edit)
        if receipt.records is not None:
            assert Counter(receipt.records) == Counter(edit.adds), f"the receipt names {receipt.records} for {edit.adds}"
        _all_right(await self._plan(provider, records, replace), "what was written is not read again as it was written")
        return edit

    async def _finish(self, provider: Adapter, records: Sequence[Record]) -> None:
        """Look, and do what is left to do; then nothing is."""
        edit = (await self._plan(provider, records)).edit
        if edit:
            await provider.write(edit)
        _all_right(
            await self._plan(provider, records), "after an edit whose outcome was not known, a look and a second edit are not enough"
        )

    async def _undo_plan(self, provider: Adapter, changes: Iterable[Change]) -> Edit:
        changes = tuple(changes)
        snapshot = await provider.read(await self._zone(provider), frozenset(change.owner for change in changes))
        return plan_undo(snapshot, changes).edit

    async def _restore_plan(self, provider: Adapter, records: Sequence[Record]) -> Edit:
        """The edit that puts these records back beside what is there: the only one of the core's that adds to an RRset of others."""
        snapshot = await provider.read(await self._zone(provider), _names(records))
        return plan_restore(snapshot, records).edit

    async def _undone(self, provider: Adapter, facts: FakeHost, changes: Iterable[Change]) -> Edit:
        before = _look(facts, self.volatile)
        edit = await self._undo_plan(provider, changes)
        await provider.write(edit)
        _moved(before, _look(facts, self.volatile), edit)
        return edit

    async def _error(self, provider: Adapter, doing: str, edit: Edit) -> ProviderError:
        try:
            await (provider.write(edit) if doing == "writing" else provider.read(edit.before.zone, _names(_WANTED)))
        except ProviderError as error:
            return error
        pytest.fail(f"the host's answer was spoilt while {doing}, and no error was raised")

    def _when(self, doing: str) -> Callable[[Request], bool]:
        return self.writes if doing == "writing" else lambda request: not self.writes(request)

    @staticmethod
    def _needs_a_listing(provider: Adapter) -> None:
        if not provider.lists_zones:
            pytest.skip("the plugin lists no zones: the core asks for each")

    def _needs_room_for(self, count: int) -> None:
        limit = self.plugin.limits.max_records
        if limit is not None and limit < count:
            pytest.skip(f"{self.plugin.label} holds at most {limit} records in a zone (`limits.max_records`)")


async def _listing(provider: Adapter, zones: int) -> dict[str, ZonePage]:
    """Every page of the account's listing, by what it was asked for with. Fails when so many zones have no end."""
    pages: dict[str, ZonePage] = {}
    name = ""
    while name or not pages:
        assert name not in pages, f"the page {name!r} of the listing is followed by itself, or leads back to it"
        assert len(pages) <= zones + 1, "the listing has more pages than zones, and no end"
        pages[name] = await provider.zones(name)
        name = pages[name].following
    return pages


class _ShutWire(HttpWire):
    """A wire that lets nothing through, as when a budget is used up."""

    def admit(self, *_: object) -> NoReturn:
        raise Unavailable("the wire is shut")

    async def admit_async(self, *_: object) -> NoReturn:
        raise Unavailable("the wire is shut")


@dataclass(frozen=True)
class _Look:
    """All that a host holds, at one moment: rows and settings of every zone, and what the world is shown, each as a multiset."""

    rows: Counter[str]
    settings: str
    shown: Counter[tuple[str, str, str]]

    def shown_after(self, edit: Edit) -> Counter[tuple[str, str, str]]:
        return self.shown - Counter(record.key for record in edit.removes) + Counter(record.key for record in edit.adds)


def _look(facts: FakeHost, volatile: Collection[str]) -> _Look:
    zones = {apex: facts.raw(apex) for apex in facts.apexes()}
    rows = Counter(f"{apex} {json.dumps(row, sort_keys=True)}" for apex, raw in zones.items() for row in raw["records"])
    settings = {apex: {key: value for key, value in raw.items() if key not in ("records", *volatile)} for apex, raw in zones.items()}
    return _Look(rows, json.dumps(settings, sort_keys=True), Counter(record.key for apex in zones for record in facts.published(apex)))


def _moved(before: _Look, after: _Look, edit: Edit | None = None) -> None:
    """Fail unless exactly this edit, or none, lies between the two looks: every other row and every setting is the same to the letter."""
    going, coming = edit.by_record() if edit else ((), ())
    lost, new = before.rows - after.rows, after.rows - before.rows
    expected = before.shown_after(edit) if edit else before.shown
    wrong = [f"the zone's settings (but those in `volatile`) were {before.settings}, and are {after.settings}"]
    wrong *= before.settings != after.settings
    if lost.total() != len(going):
        wrong.append(f"{len(going)} rows were to go; gone or changed are {lost.total()}: {_some(lost)}")
    if new.total() != len(coming):
        wrong.append(f"{len(coming)} rows were to come; new or changed are {new.total()}: {_some(new)}")
    if after.shown != expected:
        wrong.append(f"the world is not shown {_some(expected - after.shown)}; it is shown {_some(after.shown - expected)}")
    assert not wrong, "\n".join(wrong)


def _all_right(planned: Plan, otherwise: str) -> None:
    """Fail unless every record that is wanted is there, and nothing is to do."""
    wrong = [f"{line.mark} {line.record} {line.note}" for line in planned.lines if line.mark is not Mark.RIGHT]
    assert not wrong and not planned.edit, "\n".join([otherwise, *wrong])


def _some(things: Counter[Any]) -> str:
    shown = [str(thing) for thing in list(things.elements())[:4]]
    return "; ".join(shown) + (f" and {things.total() - 4} more" if things.total() > 4 else "") if shown else "nothing else"


def _names(records: Iterable[Record]) -> frozenset[Name]:
    """The names that the core reads for these records: the owners, the names above them, and the wildcards over them."""
    owners = [record.owner for record in records]
    return frozenset(name for owner in owners for name in (owner, *ancestors(owner, _APEX), *wildcards_over(owner, _APEX)))


def _wanted(records: Iterable[Record], replace: Iterable[Name] = ()) -> Wanted:
    return Wanted(tuple(records), absolute("_dmarc", _APEX), replace=frozenset(replace))


def _text(owner: str, number: int) -> Record:
    return Record(absolute(owner, _APEX), "TXT", f'"number {number}"')


def _as_held(records: Iterable[Record]) -> Counter[object]:
    """Records for comparison: a TXT is one string, however a host cuts it into pieces."""
    return Counter((record.owner, record.rtype, _joined(record), record.masked) for record in records)


def _joined(record: Record) -> object:
    if record.rtype != "TXT":
        return record.key[2]
    try:
        rdata = dns.rdata.from_text("IN", "TXT", record.rdata)
    except dns.exception.DNSException:
        return f"not in presentation form: {record.rdata}"
    assert isinstance(rdata, dns.rdtypes.ANY.TXT.TXT)
    return b"".join(rdata.strings)


def _difference(expected: Iterable[Record], found: Iterable[Record]) -> str:
    there, read = _as_held(expected), _as_held(found)
    return f"held and not read: {_some(there - read)}; read and not held: {_some(read - there)}"


def _nth(match: Callable[[Request], bool], number: int) -> Callable[[Request], bool]:
    """True for the request that is the `number`th of those that match."""
    seen: list[Request] = []

    def matches(request: Request) -> bool:
        if match(request):
            seen.append(request)
        return match(request) and len(seen) == number

    return matches


def _answering(answer: Response, **options: Any) -> Fault:
    return Fault("status", status=answer.status, headers=dict(answer.headers), body=answer.body, **options)


def _spoilt(credentials: Credentials, name: str) -> dict[str, str]:
    """Credentials with one secret turned around: as long, as plausible, and wrong."""
    return {**credentials, name: credentials[name][::-1]}


def _told(error: WixsendError) -> str:
    """Everything that an error and what it was caused by could show to somebody."""
    return f"{error!r} {error.next_step} " + "".join(traceback.format_exception(error))
