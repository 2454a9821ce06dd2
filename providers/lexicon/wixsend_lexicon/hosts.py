"""The hosts that lexicon brings, as data: `hosts.json`, written by `python -m wixsend_lexicon.inventory` from lexicon's own parsers.

Nothing of lexicon is imported here.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from wixsend import CredentialField, Credentials, Granularity, Limits, ProviderPlugin, Wire, hookimpl

__all__ = ["NATIVE", "TRIED", "Host", "hosts", "left_out"]

NATIVE: Mapping[str, str] = {
    "cloudflare": "cloudflare",
    "ddns": "rfc2136",
    "digitalocean": "digitalocean",
    "godaddy": "godaddy",
    "namecheap": "namecheap",
    "powerdns": "powerdns",
    "route53": "route53",
}
"""lexicon's hosts that are not bridged, because wixsend has a plugin for them which sees what a zone holds: lexicon's name, and ours."""

TRIED: Mapping[str, str] = {
    "directadmin": "created, refused, lied, hung and leaked against a fake of it over HTTP, with real DNS messages beside it",
}
"""What was tried of a host here, beside reading its fields out of lexicon's parser."""


@dataclass(frozen=True, slots=True)
class Host:
    """One of lexicon's hosts. `flags` are fields that are true or not given at all."""

    name: str
    fields: tuple[CredentialField, ...]
    flags: frozenset[str]

    @property
    def label(self) -> str:
        return f"{self.name} (through lexicon)"

    def given(self, credentials: Credentials) -> dict[str, Any]:
        """The credentials as lexicon takes them: what was not given is not there."""
        given = {name: value for name, value in credentials.items() if value}
        return {name: value if name not in self.flags else True for name, value in given.items() if name not in self.flags or _true(value)}

    @hookimpl
    def wixsend_provider(self) -> ProviderPlugin:
        """The host, as data."""
        return ProviderPlugin(
            name=f"lexicon:{self.name}",
            label=self.label,
            opens=self._opens,
            granularity=Granularity.RECORD,
            credentials=self.fields,
            name_servers=(),  # never chosen by itself: a person names it
            base_url="https://lexicon.invalid",
            limits=Limits(removes=False),
            settle=300.0,
            permissions="whatever lexicon needs there; it is not known to be the least",
            proven=TRIED.get(self.name, "nothing was tried here; its fields were read out of lexicon's own parser"),
            reads="dns",
        )

    def _opens(self, credentials: Credentials, wire: Wire) -> Any:
        from wixsend_lexicon.adapter import Bridged

        return Bridged(self, credentials, wire)


@cache
def hosts() -> Mapping[str, Host]:
    """Every host that is bridged, by lexicon's name."""
    told = _told()["hosts"]
    return {name: Host(name, tuple(_field(name, each) for each in fields), _flags(fields)) for name, fields in told.items()}


def left_out() -> tuple[str, ...]:
    """lexicon's hosts that need something which lexicon installs only on demand; they are not bridged."""
    return tuple(_told()["left_out"])


@cache
def _told() -> Any:
    return json.loads(files("wixsend_lexicon").joinpath("hosts.json").read_text())


def _field(host: str, told: Mapping[str, Any]) -> CredentialField:
    variable = f"LEXICON_{host}_{told['name']}".upper()
    return CredentialField(told["name"], variable, told["help"], "", told["secret"], told["required"])


def _flags(fields: Any) -> frozenset[str]:
    return frozenset(each["name"] for each in fields if each["flag"])


def _true(value: str) -> bool:
    return value.strip().lower() in ("1", "true", "yes", "on")
