"""Providers that each break one promise, to prove that the conformance kit can fail.

Every one is Example DNS's provider with one bad habit that real plugins have had, and names the case of the kit that catches it. The
classes at the end of this module are what pytest runs: every one of them must fail.
"""

import logging
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import httpx

from wixsend.errors import CredentialsRejected, ProviderError, Unavailable
from wixsend.names import Name, text
from wixsend.plan import Edit
from wixsend.provider import Credentials, ProviderPlugin, Receipt, Wire, ZonePage
from wixsend.records import Granularity, Record, Snapshot, Zone
from wixsend.testing.conformance import ProviderConformance
from wixsend.testing.example import PLUGIN
from wixsend.testing.example.adapter import ERRORS, ExampleProvider, row_of, to_row, to_zone
from wixsend.testing.example.sandbox import ExampleHost
from wixsend.testing.example.variants import RRSET, ZONE, ExampleRRsetHost, ExampleZoneHost, RRsetExample, ZoneExample
from wixsend.testing.fakes import FakeHost

__all__ = [
    "BROKEN",
    "AnswersForOthers",
    "AsksTwice",
    "BelievesAny404",
    "BelievesAnyAnswer",
    "BelievesInEmptyZones",
    "BelievesRemovals",
    "Broken",
    "BypassesTheWire",
    "CallsTheUnknownRejected",
    "ComparesAsText",
    "CountsPages",
    "CutsBigZones",
    "DoesNothing",
    "DoublesTheZone",
    "DropsARow",
    "FollowsRedirects",
    "ForgetsHalf",
    "ForgetsSettings",
    "ForgetsTheRest",
    "ForgetsToWait",
    "GivesUpOnListings",
    "GivesUpOnPages",
    "HidesMasks",
    "HidesThatItWritesZones",
    "HoldsEverything",
    "IgnoresPages",
    "IgnoresTtlLimits",
    "LeaksInErrors",
    "LeaksInLogs",
    "LeaksInRepr",
    "LeaksInUrls",
    "LeavesOutTypes",
    "ListsAllAtOnce",
    "ListsOnePage",
    "ListsWithoutEnd",
    "LosesFinalDots",
    "LowersText",
    "MakesRowsAnew",
    "MatchesBySubstring",
    "MatchesBySuffix",
    "MergesTwins",
    "MistakesCredentials",
    "NeedsARecord",
    "OverrulesTheWire",
    "ReadsItsOwnTypes",
    "Remembers",
    "RemovesByOwner",
    "RemovesFirst",
    "RetriesBlindly",
    "RetriesQuestions",
    "SendsOnlyItsOwn",
    "SetsTheTtlOfOthers",
    "SwallowsConflicts",
]


@dataclass(frozen=True, slots=True)
class Broken:
    """One broken provider: what it does wrong, and the case that catches it."""

    provider: type[ExampleProvider]
    does: str
    caught_by: str

    @property
    def name(self) -> str:
        return self.provider.__name__

    def conformance(self) -> type[ProviderConformance]:
        """The kit, applied to it."""
        plugin, fake = next(shape for base, shape in _SHAPES.items() if issubclass(self.provider, base))
        settings = {"zone_settings": {"mail": "forwarding"}}
        plugin = replace(plugin, opens=self.provider, granularity=getattr(self.provider, "granularity", plugin.granularity))
        names = {"plugin": plugin, "fake": fake, "masks": True, "settings": settings}
        return type(f"Test{self.name}", (ProviderConformance,), {**names, "__module__": __name__})


_SHAPES: dict[type[ExampleProvider], tuple[ProviderPlugin, type[FakeHost]]] = {
    RRsetExample: (RRSET, ExampleRRsetHost),
    ZoneExample: (ZONE, ExampleZoneHost),
    ExampleProvider: (PLUGIN, ExampleHost),
}

BROKEN: list[Broken] = []


def _broken[P: ExampleProvider](does: str, caught_by: str) -> Callable[[type[P]], type[P]]:
    def register(provider: type[P]) -> type[P]:
        BROKEN.append(Broken(provider, does, caught_by))
        return provider

    return register


# Which zone


class _Careless(ExampleProvider):
    """Takes the first zone that the vendor's search finds for the one that was asked for."""

    def is_it(self, found: str, apex: Name) -> bool:
        raise NotImplementedError

    async def zone(self, apex: Name) -> list[Zone]:
        pages = await self._pages("/v1/zones", [], "zones")
        return [replace(to_zone(row), apex=apex) for page in pages for row in page["zones"] if self.is_it(row["name"], apex)]


@_broken("takes a zone whose name contains the name asked for", "test_a_similar_name_is_another_zone")
class MatchesBySubstring(_Careless):
    def is_it(self, found: str, apex: Name) -> bool:
        return text(apex) in found


@_broken("takes a zone that the name asked for ends in", "test_a_name_below_a_zone_is_no_zone")
class MatchesBySuffix(_Careless):
    def is_it(self, found: str, apex: Name) -> bool:
        return text(apex).endswith(found)


@_broken("compares the names of zones as text", "test_a_zone_that_is_held_is_found")
class ComparesAsText(_Careless):
    def is_it(self, found: str, apex: Name) -> bool:
        return apex.to_text(omit_final_dot=True) == found


@_broken("says that it holds whatever it is asked for", "test_a_zone_that_is_not_held_is_none")
class HoldsEverything(ExampleProvider):
    async def zone(self, apex: Name) -> list[Zone]:
        return await super().zone(apex) or [Zone(apex, "z1")]


@_broken("takes any 404 for a zone that is not held", "test_a_404_of_somebody_else_is_no_answer")
class BelievesAny404(ExampleProvider):
    async def zone(self, apex: Name) -> list[Zone]:
        try:
            return await super().zone(apex)
        except httpx.HTTPStatusError as error:
            if error.response.status_code == 404:
                return []
            raise


# Reading


@_broken("fails on a zone without records", "test_a_fresh_zone_is_empty")
class NeedsARecord(ExampleProvider):
    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        snapshot = await super().read(zone, names)
        if not snapshot.total:
            raise ValueError("a zone without records")
        return snapshot


@_broken("answers for other names than it was asked for", "test_only_what_was_asked_for_is_answered")
class AnswersForOthers(ExampleProvider):
    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        return replace(await super().read(zone, frozenset()), covers=names)


class _Reader(ExampleProvider):
    """Reads well, and then changes what it read."""

    def spoil(self, records: list[Record]) -> list[Record]:
        raise NotImplementedError

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        snapshot = await super().read(zone, names)
        return replace(snapshot, records=tuple(self.spoil(list(snapshot.records))))


@_broken("reads the first page only", "test_every_page_is_read")
class IgnoresPages(ExampleProvider):
    async def _pages(self, path: str, asked: list[tuple[str, str]], kind: str) -> list[Any]:
        return [await self._ask("GET", path, params=asked)]


@_broken("gives what it has when a page does not come", "test_a_page_that_fails_fails_the_read")
class GivesUpOnPages(ExampleProvider):
    async def _pages(self, path: str, asked: list[tuple[str, str]], kind: str) -> list[Any]:
        pages = [await self._ask("GET", path, params=asked)]
        with suppress(ValueError):
            while len(pages) < pages[0]["pages"]:
                pages.append(await self._ask("GET", path, params=[*asked, ("page", str(len(pages) + 1))]))
        return pages


@_broken("lists the first page of its zones", "test_every_zone_is_listed_as_it_is_described")
class ListsOnePage(ExampleProvider):
    async def zones(self, page: str = "") -> ZonePage:
        return replace(await super().zones(), following="")


@_broken("takes a page of its zones that does not come for the end of them", "test_a_page_of_zones_that_fails_is_asked_for_again")
class GivesUpOnListings(ExampleProvider):
    async def zones(self, page: str = "") -> ZonePage:
        with suppress(ValueError):
            return await super().zones(page)
        return ZonePage(())


@_broken("goes on from the page that it gave last, whatever page is asked for", "test_a_page_of_zones_that_fails_is_asked_for_again")
class CountsPages(ExampleProvider):
    _given = 0

    async def zones(self, page: str = "") -> ZonePage:
        self._given = self._given + 1 if page else 1
        return await super().zones(str(self._given))


@_broken("gives the whole listing for a page", "test_a_page_of_zones_is_one_call")
class ListsAllAtOnce(ExampleProvider):
    async def zones(self, page: str = "") -> ZonePage:
        pages = await self._pages("/v1/zones", [], "zones")
        return ZonePage([to_zone(row) for each in pages for row in each["zones"]])


@_broken("has another page of zones after the last one, for ever", "test_every_zone_is_listed_as_it_is_described")
class ListsWithoutEnd(ExampleProvider):
    async def zones(self, page: str = "") -> ZonePage:
        number = int(page or 1)
        found = await self._ask("GET", "/v1/zones", params=[("page", str(number))])
        return ZonePage([to_zone(row) for row in found["zones"]], str(number + 1))


@_broken("takes an answer without records for a zone without records", "test_an_odd_answer_is_no_empty_zone")
class BelievesInEmptyZones(ExampleProvider):
    async def _pages(self, path: str, asked: list[tuple[str, str]], kind: str) -> list[Any]:
        with suppress(ValueError, KeyError, TypeError):
            return await super()._pages(path, asked, kind)
        return [{kind: [], "zone_settings": {}, "zone_records": 0}]


@_broken("shows a masked record as a plain one", "test_a_masked_record_is_said_to_be_masked")
class HidesMasks(_Reader):
    def spoil(self, records: list[Record]) -> list[Record]:
        return [replace(record, masked=False) for record in records]


@_broken("reads only the types that it writes", "test_a_conflict_is_read_as_one")
class ReadsItsOwnTypes(_Reader):
    def spoil(self, records: list[Record]) -> list[Record]:
        return [record for record in records if record.rtype == "CNAME"]


@_broken("leaves out types that it does not know", "test_a_type_never_heard_of_is_read_and_kept")
class LeavesOutTypes(_Reader):
    def spoil(self, records: list[Record]) -> list[Record]:
        return [record for record in records if record.rtype in {"A", "AAAA", "CAA", "CNAME", "MX", "NS", "SRV", "TXT"}]


@_broken("writes text in small letters", "test_everything_is_read_as_it_is")
class LowersText(_Reader):
    def spoil(self, records: list[Record]) -> list[Record]:
        return [replace(record, rdata=record.rdata.lower()) for record in records]


@_broken("reads names inside of data as relative to the zone", "test_a_record_that_is_there_needs_no_edit")
class LosesFinalDots(_Reader):
    def spoil(self, records: list[Record]) -> list[Record]:
        return [replace(record, rdata=record.rdata + "example.com.") if record.rtype == "CNAME" else record for record in records]


@_broken("answers the second question from memory", "test_records_are_added_to_a_fresh_zone")
class Remembers(ExampleProvider):
    _memory: Snapshot | None = None

    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        if self._memory is None or self._memory.covers != names:
            self._memory = await super().read(zone, names)
        return self._memory


# Writing


@_broken("writes the zone without its settings", "test_records_are_added_and_nothing_else_moves")
class ForgetsSettings(ZoneExample):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        if method == "PUT":
            del options["json"]["zone_settings"]
        return await super()._ask(method, path, **options)


@_broken("writes the zone with one row less", "test_records_are_added_and_nothing_else_moves")
class DropsARow(ZoneExample):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        if method == "PUT":
            options["json"]["records"] = options["json"]["records"][1:]
        return await super()._ask(method, path, **options)


@_broken("makes each row anew from the fields that it knows", "test_records_are_added_and_nothing_else_moves")
class MakesRowsAnew(ZoneExample):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        if method == "PUT":
            known = ("name", "type", "data", "ttl")
            options["json"]["records"] = [{key: row[key] for key in known} for row in options["json"]["records"]]
        return await super()._ask(method, path, **options)


@_broken("writes the zone with the last hundred rows", "test_records_are_added_to_a_big_zone")
class CutsBigZones(ZoneExample):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        if method == "PUT":
            options["json"]["records"] = options["json"]["records"][-100:]
        return await super()._ask(method, path, **options)


@_broken("writes whole zones, and calls itself a host of single records", "test_two_writers")
class HidesThatItWritesZones(ZoneExample):
    granularity: ClassVar = Granularity.RECORD


@_broken("makes one of two records that are alike", "test_two_records_that_are_alike_stay_two")
class MergesTwins(ZoneExample):
    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        snapshot = await super().read(zone, names)
        return replace(snapshot, records=tuple(dict.fromkeys(snapshot.records)))


@_broken("replaces an RRset by what is new in it", "test_one_of_an_rrset_is_taken_back")
class ForgetsTheRest(RRsetExample):
    async def write(self, edit: Edit) -> Receipt:
        before = replace(edit.before, records=edit.removes)
        return await super().write(replace(edit, before=before))


@_broken("replaces an RRset by what it adds to it", "test_records_that_join_an_rrset_leave_the_others")
class SendsOnlyItsOwn(RRsetExample):
    async def write(self, edit: Edit) -> Receipt:
        joined = {(record.owner, record.rtype) for record in edit.adds}
        others = tuple(record for record in edit.before.records if (record.owner, record.rtype) not in joined)
        return await super().write(replace(edit, before=replace(edit.before, records=others)))


@_broken("gives a whole RRset the TTL of what it adds to it", "test_records_that_join_an_rrset_leave_the_others")
class SetsTheTtlOfOthers(RRsetExample):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        for rrset in options.get("json", {}).get("rrsets", ()):
            rrset["records"] = [row | {"ttl": rrset["records"][-1]["ttl"]} for row in rrset["records"]]
        return await super()._ask(method, path, **options)


@_broken("says that it did what it did not do", "test_records_are_added_to_a_fresh_zone")
class DoesNothing(ExampleProvider):
    async def write(self, edit: Edit) -> Receipt:
        return Receipt(edit.adds)


@_broken("writes owners with the zone's name once too often", "test_records_are_added_to_a_fresh_zone")
class DoublesTheZone(ExampleProvider):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        for row in options.get("json", {}).get("create", ()):
            row["name"] += ".example.com"
        return await super()._ask(method, path, **options)


@_broken("removes every record at the owner, of whatever value", "test_one_of_an_rrset_is_taken_back")
class RemovesByOwner(ExampleProvider):
    async def write(self, edit: Edit) -> Receipt:
        owners = {record.owner for record in edit.removes}
        here = (await self.read(edit.before.zone, frozenset(owners))).records if owners else ()
        changes = tuple(replace(change, remove=tuple(r for r in here if r.owner == change.owner)) for change in edit.changes)
        return await super().write(replace(edit, changes=changes))


@_broken("removes first and adds afterwards, and puts nothing back", "test_a_replace_that_fails_leaves_the_old_record")
class RemovesFirst(ExampleProvider):
    async def write(self, edit: Edit) -> Receipt:
        path = f"/v1/zones/{edit.before.zone.ref}/batch"
        going, coming = edit.by_record()
        await self._ask("POST", path, json={"delete": [row_of(record)["id"] for record in going], "create": []})
        await self._ask("POST", path, json={"delete": [], "create": [to_row(record, edit.before.zone.apex) for record in coming]})
        return Receipt()


@_broken("makes one change after the other, and says that nothing was done when one is refused", "test_half_an_edit_is_never_called_undone")
class ForgetsHalf(ExampleProvider):
    async def write(self, edit: Edit) -> Receipt:
        made = [await super(ForgetsHalf, self).write(replace(edit, changes=(change,))) for change in edit.changes]
        return Receipt(tuple(record for receipt in made for record in receipt.records or ()), removed=edit.removes)


@_broken("writes the TTL that was asked for, whatever the host takes", "test_ttls_are_kept_within_limits")
class IgnoresTtlLimits(ExampleProvider):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        for row in options.get("json", {}).get("create", ()):
            row["ttl"] = self._wanted_ttl or row["ttl"]
        return await super()._ask(method, path, **options)

    async def write(self, edit: Edit) -> Receipt:
        self._wanted_ttl = edit.adds[0].ttl if edit.adds else None
        return await super().write(edit)

    _wanted_ttl: int | None = None


# When the host says no, or nothing


@_broken("sends an edit again when its answer is lost", "test_a_bad_answer_to_an_edit_is_not_known")
class RetriesBlindly(ExampleProvider):
    async def write(self, edit: Edit) -> Receipt:
        with suppress(httpx.TransportError):
            return await super().write(edit)
        return await super().write(edit)


@_broken("asks again by itself when a question is not answered", "test_a_bad_answer_to_a_question")
class RetriesQuestions(ExampleProvider):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        if method == "GET":
            with suppress(httpx.TransportError):
                return await super()._ask(method, path, **options)
        return await super()._ask(method, path, **options)


@_broken("takes any answer with 200 to an edit for a yes", "test_a_bad_answer_to_an_edit_is_not_known")
class BelievesAnyAnswer(ExampleProvider):
    async def write(self, edit: Edit) -> Receipt:
        with suppress(ValueError, KeyError, TypeError):
            await super().write(edit)
        return Receipt()


@_broken("takes any answer with 200 for a word that records are gone", "test_a_bad_answer_to_a_removal_is_no_proof")
class BelievesRemovals(ExampleProvider):
    async def write(self, edit: Edit) -> Receipt:
        if edit.adds:
            return await super().write(edit)
        with suppress(ValueError, KeyError, TypeError):
            await super().write(edit)
        return Receipt((), removed=edit.removes)


@_broken("takes a refused edit for one that was there already", "test_refusals_are_told_apart")
class SwallowsConflicts(ExampleProvider):
    async def write(self, edit: Edit) -> Receipt:
        with suppress(httpx.HTTPStatusError):
            return await super().write(edit)
        return Receipt()


@_broken("calls refused credentials a passing trouble", "test_wrong_credentials_are_told")
class MistakesCredentials(ExampleProvider):
    errors = tuple(replace(rule, becomes=Unavailable) if rule.becomes is CredentialsRejected else rule for rule in ERRORS)


@_broken("forgets how long the host asked to wait", "test_refusals_are_told_apart")
class ForgetsToWait(ExampleProvider):
    errors = tuple(replace(rule, retry_after=lambda _error: None) for rule in ERRORS)


@_broken("says that an edit was not done when it does not know", "test_a_bad_answer_to_an_edit_is_not_known")
class CallsTheUnknownRejected(ExampleProvider):
    async def write(self, edit: Edit) -> Receipt:
        try:
            return await super().write(edit)
        except (httpx.TransportError, ValueError, KeyError) as wrong:
            raise ProviderError("the edit failed") from wrong


# Manners


@_broken("makes more calls than it declares", "test_no_more_calls_than_declared")
class AsksTwice(ExampleProvider):
    async def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        await self.zone(zone.apex)
        return await super().read(zone, names)


class _OwnClient(ExampleProvider):
    """Brings an HTTP client of its own."""

    follow: ClassVar = False

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        headers = {"authorization": f"Bearer {credentials['token']}"}
        self._wire = wire
        self._http = httpx.AsyncClient(base_url=wire.base_url, headers=headers, timeout=wire.timeout, follow_redirects=self.follow)


@_broken("sends its requests past the wire", "test_every_call_goes_through_the_wire")
class BypassesTheWire(_OwnClient):
    pass


@_broken("tells the wire of a request, and does not listen", "test_the_wire_can_stop_a_call")
class OverrulesTheWire(_OwnClient):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        with suppress(Unavailable):
            await self._wire.before_async(method, self._wire.base_url + path)
        return await super()._ask(method, path, **options)


@_broken("follows redirects", "test_redirects_are_not_followed")
class FollowsRedirects(_OwnClient):
    follow: ClassVar = True

    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        await self._wire.before_async(method, self._wire.base_url + path)
        return await super()._ask(method, path, **options)


class _Indiscreet(ExampleProvider):
    """Keeps its token at hand."""

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        super().__init__(credentials, wire)
        self._token = credentials["token"]


@_broken("shows its key in an error", "test_secrets_stay_secret")
class LeaksInErrors(_Indiscreet):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        try:
            return await super()._ask(method, path, **options)
        except httpx.HTTPStatusError as refused:
            refused.args = (f"{method} {path} with {refused.request.headers['authorization']} was refused",)
            raise


@_broken("shows its key in a log", "test_secrets_stay_secret")
class LeaksInLogs(_Indiscreet):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        logging.getLogger("example").debug("%s %s as %s", method, path, self._token)
        return await super()._ask(method, path, **options)


@_broken("shows its key in its repr", "test_secrets_stay_secret")
class LeaksInRepr(_Indiscreet):
    def __repr__(self) -> str:
        return f"LeaksInRepr({self._token!r})"


@_broken("sends its key in the URL", "test_secrets_stay_secret")
class LeaksInUrls(_Indiscreet):
    async def _ask(self, method: str, path: str, **options: Any) -> Any:
        options["params"] = [*options.get("params", ()), ("token", self._token)]
        return await super()._ask(method, path, **options)


globals().update({f"Test{broken.name}": broken.conformance() for broken in BROKEN})
