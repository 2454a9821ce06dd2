"""Floor 4. The pages of accounts' listings of their zones, kept in the journal: what one process was told, no other has to ask again.

A page belongs to an account as it was opened: its name, and a digest of its base URL and credentials, keyed by a salt of the journal's
own. Another token is never given the zones that the old one saw, and no credential can be looked up by what is written here. Like the
listing, a page is a hint: one that cannot be read is one that is not there.
"""

import hmac
import json
import secrets
from functools import cached_property
from typing import Any, NamedTuple

import sqlalchemy as sa

from wixsend.database import Database
from wixsend.events import DAMAGED, kept_name
from wixsend.names import text
from wixsend.provider import ZonePage
from wixsend.records import Zone
from wixsend.tables import about, zone_pages

__all__ = ["KeptPage", "Place", "ZonePages"]

_SALT = "salt"


class Place(NamedTuple):
    """Where a page has its place: the account's name, its plugin's, a digest of what it was opened with, the page's number (from 1), and
    what it is asked for with."""

    account: str
    provider: str
    opened: bytes
    number: int
    asked: str


class KeptPage(NamedTuple):
    """A page, and when it was read (seconds since the epoch, by the clock of who read it)."""

    page: ZonePage
    at: float


class ZonePages:
    """The journal's pages. Thread-safe. Everything raised is a `JournalError`."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def find(self, place: Place, since: float, until: float) -> KeptPage | None:
        """The page at this place, when it was read between these two moments."""
        query = sa.select(zone_pages).where(*self._at(place), zone_pages.c.asked == place.asked, _between(since, until))
        with self._database.reading() as connection:
            row = connection.execute(query).one_or_none()
        try:
            return None if row is None else KeptPage(ZonePage(_from_json(row.zones), row.following), row.at)
        except DAMAGED:
            return None

    def keep(self, place: Place, kept: KeptPage, since: float, until: float) -> None:
        """Put a page at its place, where one is not there already that was read between these moments: another process was quicker.

        With the first page of a listing every page goes that was read at another time, of whatever account.
        """
        old = sa.not_(_between(since, until))
        replaced = old if place.number == 1 else sa.and_(*self._at(place), old | (zone_pages.c.asked != place.asked))
        row = self._key(place) | {"number": place.number, "asked": place.asked}
        row |= {"at": kept.at, "following": kept.page.following, "zones": _to_json(kept.page)}
        with self._database.writing() as connection:
            connection.execute(sa.delete(zone_pages).where(replaced))
            connection.execute(self._database.insert_new(zone_pages).values(row))

    def forget(self, account: str) -> None:
        """Let go of the account's listing, whatever it was opened with."""
        with self._database.writing() as connection:
            connection.execute(sa.delete(zone_pages).where(zone_pages.c.account == account))

    def _at(self, place: Place) -> list[sa.ColumnElement[bool]]:
        return [zone_pages.c[name] == value for name, value in (self._key(place) | {"number": place.number}).items()]

    def _key(self, place: Place) -> dict[str, Any]:
        """Whose page it is, as columns."""
        opened = hmac.new(self._salt, place.opened, "sha256").hexdigest()[:32]
        return {"account": place.account, "provider": place.provider, "opened": opened}

    @cached_property
    def _salt(self) -> bytes:
        """Made by whichever process needs it first."""
        query = sa.select(about.c.value).where(about.c.key == _SALT)
        with self._database.reading() as connection:
            found = connection.execute(query).scalar()
        if found is None:
            with self._database.writing() as connection:
                connection.execute(self._database.insert_new(about).values(key=_SALT, value=secrets.token_hex(32)))
                found = connection.execute(query).scalar_one()
        return str(found).encode()


def _between(since: float, until: float) -> sa.ColumnElement[bool]:
    return sa.and_(zone_pages.c.at > since, zone_pages.c.at <= until)


def _to_json(page: ZonePage) -> str:
    return json.dumps(
        [
            {
                "apex": text(zone.apex),
                "ref": zone.ref,
                "account": zone.account,
                "name_servers": [text(server) for server in zone.name_servers],
                "problem": zone.problem,
                "record_count": zone.record_count,
            }
            for zone in page.zones
        ]
    )


def _from_json(written: str) -> tuple[Zone, ...]:
    return tuple(_zone(row) for row in json.loads(written))


def _zone(row: Any) -> Zone:
    texts, count = (row["ref"], row["account"], row["problem"]), row["record_count"]
    if not all(isinstance(each, str) for each in texts) or not (count is None or type(count) is int):
        raise ValueError("a zone is not what it must be")
    return Zone(kept_name(row["apex"]), texts[0], texts[1], tuple(map(kept_name, row["name_servers"])), texts[2], count)
