"""Floor 4. Which DNS hosts there are, by their name servers, and how the panel of each wants a record written. Plugin or no plugin.

The table is `hosts.toml`, with the source of every row. A suffix is a hint: several hosts can share one, and then the addresses at the
zone's apex may tell them apart.
"""

import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from importlib.resources import files
from typing import Literal

from wixsend.names import Name, relative_text, text
from wixsend.records import Record

__all__ = ["UNKNOWN", "Host", "hosts", "hosts_of"]


@dataclass(frozen=True, slots=True)
class Host:
    """A DNS host. What is empty is not known.

    `suffixes` are those of its name servers, `apex` addresses that websites of this host have. `owner_field` and `value_field` are what
    its panel calls the record's name and target; `owner` says whether the name is written without the zone's or whole, `value` whether
    the target ends in a dot.
    """

    name: str
    label: str
    suffixes: tuple[str, ...] = ()
    apex: tuple[str, ...] = ()
    panel: str = ""
    owner_field: str = ""
    owner: Literal["relative", "absolute", ""] = ""
    value_field: str = ""
    value: Literal["dotted", "plain", ""] = ""
    notes: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()

    def serves(self, server: Name) -> bool:
        """True when a name server with this host name is probably one of this host's."""
        return any(_matches(server, suffix) for suffix in self.suffixes)

    def owner_text(self, owner: Name, zone: Name) -> str:
        """A record's name as the panel wants it; as most panels do, where it is not known."""
        return f"{text(owner)}." if self.owner == "absolute" else relative_text(owner, zone)

    def value_text(self, record: Record) -> str:
        """What a record points to as the panel wants it; as most panels do, where it is not known."""
        return record.rdata if self.value == "dotted" else record.rdata.rstrip(".")


UNKNOWN = Host("", "")
"""Stands for a host of which nothing is known."""


@cache
def hosts() -> tuple[Host, ...]:
    """The whole table, in its order."""
    from pydantic import TypeAdapter

    table = tomllib.loads(files("wixsend").joinpath("hosts.toml").read_text(encoding="utf-8"))
    return TypeAdapter(tuple[Host, ...], config={"extra": "forbid"}).validate_python(table["host"])


def hosts_of(server: Name, addresses: Collection[str] = ()) -> tuple[Host, ...]:
    """The hosts that this name server can be of; those alone whose websites have the apex's `addresses`, if there are any."""
    found = tuple(host for host in hosts() if host.serves(server))
    at_apex = tuple(host for host in found if set(host.apex) & set(addresses))
    return at_apex or tuple(host for host in found if not host.apex) or found


def _matches(server: Name, suffix: str) -> bool:
    """True when the last labels of a host name are those of the suffix."""
    patterns, labels = suffix.split("."), text(server).split(".")
    return len(labels) >= len(patterns) and all(map(fnmatchcase, labels[-len(patterns) :], patterns))
