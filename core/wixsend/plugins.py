"""Floor 4. Which DNS hosts this installation knows: the entry points of group `wixsend`, loaded one at a time and only when asked for.

Our own plugins come in by this door and no other. What is broken in one plugin is a row in a list with its error; it never keeps
another plugin, or a command that does not need it, from working (pluggy's own loader stops at the first failure, so the loop is here).
"""

from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from importlib.metadata import Distribution, EntryPoint, distributions
from typing import TYPE_CHECKING, Any

import pluggy

from wixsend import hookspecs
from wixsend.errors import PluginBroken, PluginMissing
from wixsend.names import Name, absolute, text
from wixsend.provider import ProviderPlugin
from wixsend.redact import LONGEST, visible

if TYPE_CHECKING:
    from wixsend.testing.fakes import FakeHost

__all__ = ["Plugins", "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """One installed plugin: `plugin`, or the `error` (its cause chained) that keeps it from being used; never both, never neither."""

    name: str
    plugin: ProviderPlugin | None
    error: PluginBroken | None
    distribution: str
    version: str


@dataclass(frozen=True, slots=True)
class _Claim:
    """An entry point and the distribution that declares it."""

    entry_point: EntryPoint
    distribution: str
    version: str


class Plugins:
    """The installed plugins, as they were when this object was made. Nothing of a plugin is imported before its first `get`.

    Two distributions that claim one name make that name broken: neither is chosen by chance.
    """

    def __init__(self) -> None:
        self._manager = pluggy.PluginManager(hookspecs.PROJECT)
        self._manager.add_hookspecs(hookspecs)
        self._claims: dict[str, list[_Claim]] = {}
        for claim in sorted(_claims(), key=lambda claim: (claim.entry_point.name, claim.distribution)):
            self._claims.setdefault(claim.entry_point.name, []).append(claim)
        self._rows: dict[str, Row] = {}
        self._for_server = lru_cache(maxsize=1024)(self._found)  # thousands of zones are at the same servers

    def names(self) -> tuple[str, ...]:
        """The names of all installed plugins in alphabetical order, from metadata alone."""
        return tuple(self._claims)

    def get(self, name: str) -> ProviderPlugin:
        """The plugin of that name. Raises `PluginMissing`, or `PluginBroken` with its cause chained."""
        row = self._row(name)
        if row.plugin is None:
            assert row.error is not None
            raise row.error
        return row.plugin

    def all(self) -> list[Row]:
        """One row for each installed plugin, broken ones included; loads them all."""
        return [self._row(name) for name in self._claims]

    def for_server(self, ns: Name) -> tuple[str, ...]:
        """The names of usable plugins whose name-server suffixes hold this host name, on a label boundary. A hint: the account decides."""
        return self._for_server(text(ns))

    def _found(self, server: str) -> tuple[str, ...]:
        ns = absolute(server)
        return tuple(
            row.name
            for row in self.all()
            if row.plugin is not None and any(_serves(ns, absolute(suffix)) for suffix in row.plugin.name_servers)
        )

    def sandbox_host(self, name: str) -> "type[FakeHost] | None":
        """The class of the plugin's fake of its vendor, `None` when it ships none. Raises as `get`."""
        self.get(name)
        claim = self._claims[name][0]
        try:
            host: type[FakeHost] | None = self._hook("wixsend_sandbox_host", name)
        except Exception as cause:
            raise _broken(claim, f"its sandbox host cannot be loaded: {_said(cause)}") from cause
        return host

    def _row(self, name: str) -> Row:
        if name not in self._claims:
            bridge, _, host = name.rpartition(":")
            known = ", ".join(claim for claim in self._claims if ":" not in claim or claim.startswith(f"{bridge}:")) or "none"
            raise PluginMissing(
                f"no plugin for the DNS host {name!r} is installed (installed: {known})",
                self._instead(bridge, host),
            )
        if name not in self._rows:
            self._rows[name] = self._load(name)
        return self._rows[name]

    def _instead(self, bridge: str, host: str) -> str:
        """What to do where there is no plugin for a host, or none by this bridge."""
        if host in self._claims:
            return f"It is here under its own name: {host}"
        if bridge and any(claim.startswith(f"{bridge}:") for claim in self._claims):
            return (
                "`wixsend providers` lists every host. One that wixsend has a plugin for is not bridged, and is there under its own name."
            )
        return f"Install it, for example: pip install wixsend-{bridge or host}"

    def _load(self, name: str) -> Row:
        claims = self._claims[name]
        first = claims[0]
        try:
            plugin, error = self._import(name, claims), None
        except PluginBroken as broken:
            plugin, error = None, broken
        return Row(name, plugin, error, first.distribution, first.version)

    def _import(self, name: str, claims: list[_Claim]) -> ProviderPlugin:
        """The plugin's data, checked; `PluginBroken` for everything that a plugin can do wrong on the way."""
        first = claims[0]
        if len(claims) > 1:
            owners = " and ".join(claim.distribution for claim in claims)
            raise PluginBroken(f"the plugin name {name!r} is claimed by {owners}", "Uninstall all but one of them: pip uninstall NAME")
        try:
            # SystemExit too: a module that calls sys.exit() while it is imported must not end us.
            self._manager.register(first.entry_point.load(), name)
        except (Exception, SystemExit) as cause:
            self._forget(name)
            raise _broken(first, f"it cannot be imported: {_said(cause)}") from cause
        try:
            plugin = self._hook("wixsend_provider", name)
        except (Exception, SystemExit) as cause:
            self._forget(name)
            raise _broken(first, f"its hook wixsend_provider fails: {_said(cause)}") from cause
        fault = _fault(plugin, name)
        if fault:
            self._forget(name)
            raise _broken(first, fault)
        assert isinstance(plugin, ProviderPlugin)
        return plugin

    def _hook(self, hook: str, name: str) -> Any:
        """What this one plugin answers to a hook; the others are not asked."""
        others = [plugin for other, plugin in self._manager.list_name_plugin() if other != name and plugin is not None]
        return self._manager.subset_hook_caller(hook, others)()

    def _forget(self, name: str) -> None:
        if self._manager.get_plugin(name) is not None:
            self._manager.unregister(name=name)


def _serves(ns: Name, suffix: Name) -> bool:
    """True when the host name is the suffix or below it, label by label; `?` and `*` stand for characters inside of one label."""
    patterns = suffix.labels
    labels = ns.labels[-len(patterns) :]
    pairs = zip(labels, patterns, strict=False)
    return len(labels) == len(patterns) and all(fnmatchcase(label.lower(), pattern.lower()) for label, pattern in pairs)


def _fault(plugin: Any, name: str) -> str:
    """What is wrong with what the hook yielded; empty when nothing is."""
    if plugin is None:
        return "it has no hook wixsend_provider (marked with wixsend.hookimpl)"
    if not isinstance(plugin, ProviderPlugin):
        return f"its hook wixsend_provider yields a {type(plugin).__name__}, not a ProviderPlugin"
    if plugin.name != name:
        return f"it calls itself {plugin.name!r}, and its entry point says {name!r}: the two must be equal"
    if any((way.name, way.base_url, way.also) != (name, plugin.base_url, ()) for way in plugin.also):
        return "a way into the host that it has `also` differs in its name or base URL, or has ways of its own"
    strange = [told for way in plugin.ways for told in _texts(way) if not (isinstance(told, str) and told.isprintable())]
    if strange:
        return f"what it says of itself is no printable line of text: {visible(repr(strange[0]))[:LONGEST]}"
    if bool(plugin.base_url) == bool(plugin.own_url):
        return "it says neither where the vendor's API is (base_url) nor how one's own is written (own_url), or both"
    try:
        for suffix in plugin.name_servers:
            absolute(suffix)
    except ValueError as wrong:
        return f"a suffix of its name servers is unusable: {wrong}"
    return ""


def _texts(plugin: ProviderPlugin) -> Iterator[object]:
    """Everything of a plugin that is shown to a person."""
    yield from (plugin.name, plugin.label, plugin.base_url, plugin.own_url, plugin.permissions, plugin.proven, plugin.api)
    yield from plugin.name_servers
    yield from (*plugin.environments, *plugin.environments.values())
    for each in plugin.credentials:
        yield from (each.name, each.env, each.help, each.where)


def _broken(claim: _Claim, fault: str) -> PluginBroken:
    named = f"{claim.distribution} {claim.version}".strip()
    return PluginBroken(
        f"the plugin {claim.entry_point.name!r} ({named}) is broken: {fault}",
        f"Reinstall or update it: pip install --upgrade --force-reinstall {claim.distribution}",
    )


def _said(cause: BaseException) -> str:
    return visible(f"{type(cause).__name__}: {cause}")[:LONGEST]


def _claims() -> Iterator[_Claim]:
    """Every entry point of our group, once per distribution. A distribution whose metadata is unreadable claims nothing.

    `importlib.metadata.entry_points` would fail as a whole for one unreadable distribution, ours or not.
    """
    seen: set[str] = set()
    for distribution in distributions():
        try:
            mine = [point for point in distribution.entry_points if point.group == hookspecs.PROJECT]
            if not mine:
                continue
            named, version = _identity(distribution)
        except Exception:  # noqa: S112 - what a stranger's metadata may raise has no list, and there is nothing of ours in it
            continue
        if named not in seen:  # else an earlier folder of sys.path holds the same distribution, and its modules are the ones imported
            seen.add(named)
            yield from (_Claim(point, named, version) for point in mine)


def _identity(distribution: Distribution) -> tuple[str, str]:
    """Name (normalised) and version; a broken dist-info without a name is known by its folder."""
    name: str | None = distribution.metadata["Name"]
    return visible(name or str(distribution)).lower().replace("_", "-"), visible(distribution.metadata["Version"] or "")
