"""Floor 4. The configuration: `wixsend.toml`, environment variables, flags, each outweighing what comes before it.

Files, in growing weight: the one in the user's configuration folder, then the project's (the current folder, or a folder above it up
to the root of the repository it is in). Everything is checked against one schema; an error names the file, the line and the fix, and
every value can be traced to where it was set.

The file holds no secrets: a setting that is one holds a reference (`env:NAME`, see `wixsend.credentials`).

A project may be a stranger's. So a file that was merely found in it says what is to be done, and never where credentials, questions or the
journal go, nor which programs are run or files read (`base_url`, `plain_http`, `[http] proxy` and `ca_file`, most of `[dns]`, `[state]`,
`command:`, `file:`). Those are taken from the user's file, the environment, options, and a file that was named (`--config`,
WIXSEND_CONFIG).
"""

import difflib
import math
import os
import re
import shlex
import stat
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from urllib.parse import urlsplit

from platformdirs import user_config_path
from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer, ValidationError, create_model
from pydantic.config import JsonDict

from wixsend.errors import ConfigError
from wixsend.flow import Patience, Times
from wixsend.plan import Dmarc
from wixsend.redact import is_reference, visible

__all__ = [
    "ENVIRONMENT",
    "FILE_NAME",
    "SECTIONS",
    "Account",
    "BaseUrl",
    "Config",
    "Dns",
    "Flag",
    "HostUrl",
    "Http",
    "Listed",
    "Paired",
    "Policy",
    "Rate",
    "Seconds",
    "Setting",
    "SettingPath",
    "Settings",
    "Share",
    "State",
    "Text",
    "Wix",
    "WixAccess",
    "Worker",
    "json_schema",
    "load",
]

FILE_NAME = "wixsend.toml"

type SettingPath = tuple[str, ...]
"""Where a setting stands: `("wix", "api_key")`, `("accounts", "agency", "api_token")`."""

_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def _seconds(value: object) -> object:
    """`90`, `"90s"`, `"15m"`, `"4h"` or `"2d"` as seconds."""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([smhd]?)\s*", value)
        if not found:
            raise ValueError('is no time: write seconds (90) or "90s", "15m", "4h", "2d"')
        return float(found[1]) * _UNITS[found[2] or "s"]
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("is no time")
    return value


def _share(value: object) -> object:
    """`0.25` or `"25%"`."""
    if isinstance(value, str):
        found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*(%?)\s*", value)
        if not found:
            raise ValueError('is no share: write 0.25 or "25%"')
        return float(found[1]) / (100 if found[2] else 1)
    return value


def _listed(value: object) -> object:
    """A list as a file has it, or an environment variable's comma-separated text."""
    return [part.strip() for part in value.split(",") if part.strip()] if isinstance(value, str) else value


def _paired(value: object) -> object:
    """A table as a file has it, or an environment variable's `key=value,key=value`."""
    if not isinstance(value, str):
        return value
    pairs = [part.partition("=") for part in value.split(",") if part.strip()]
    if not all(equals for _, equals, _ in pairs):
        raise ValueError("is no list of NAME=VALUE pairs")
    return {key.strip(): told.strip() for key, _, told in pairs}


def _base_url(value: object, schemes: tuple[str, ...] = ("http", "https")) -> object:
    """An http or https URL without credentials, query or fragment; no final slash."""
    if not isinstance(value, str):
        return value
    try:
        parts = urlsplit(value)
        sound = parts.scheme in schemes and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ValueError("is no http(s) URL" + (", nor dns://HOST" if "dns" in schemes else ""))
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise ValueError("must not hold credentials, a query or a fragment")
    return value.rstrip("/")


type Seconds = Annotated[float, BeforeValidator(_seconds), Field(ge=0)]
type Share = Annotated[float, BeforeValidator(_share), Field(ge=0, lt=1)]
type Rate = Annotated[float, Field(gt=0)]
type BaseUrl = Annotated[str, BeforeValidator(_base_url)]
type HostUrl = Annotated[str, BeforeValidator(lambda value: _base_url(value, ("http", "https", "dns")))]
type Listed = Annotated[tuple[str, ...], BeforeValidator(_listed), PlainSerializer(list)]
type Paired = Annotated[dict[str, str], BeforeValidator(_paired)]


def _printable(value: str) -> str:
    """Text in one line, without control characters."""
    if not value.isprintable():
        raise ValueError("has a character that is not printable")
    return value


type Text = Annotated[str, Field(min_length=1), AfterValidator(_printable)]
_SECRET: JsonDict = {"secret": True}


class _Shy(BaseModel):
    """A model whose values, which may be secrets, are in no repr."""

    def __repr_args__(self) -> Iterator[tuple[str | None, Any]]:
        return iter(())


class _Section(_Shy):
    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)


class WixAccess(_Section):
    """Who asks Wix: an API key and a site id, or an app's id, secret and instance id. Secrets are references."""

    api_key: Text | None = Field(default=None, json_schema_extra=_SECRET, description="API key (a reference, such as env:WIX_API_KEY)")
    site_id: Text | None = Field(default=None, description="the site's id: in the dashboard's URL after /dashboard/")
    app_id: Text | None = Field(default=None, description="a Wix app's id, instead of an API key")
    app_secret: Text | None = Field(default=None, json_schema_extra=_SECRET, description="the app's secret (a reference)")
    instance_id: Text | None = Field(default=None, description="the app's instance id on the site")
    base_url: BaseUrl | None = Field(default=None, description="where Wix's API is, if not https://www.wixapis.com")


class Wix(WixAccess):
    """`[wix]`, and `[wix.profiles.NAME]` for other sites, chosen by --profile."""

    profile: Text | None = Field(default=None, description="the profile to use when none is named")
    profiles: dict[str, WixAccess] = Field(default_factory=dict, description="by name: what differs for another site")


class Account(_Shy):
    """`[accounts.NAME]`: one account at a DNS host, with the credential fields of its plugin beside these (`wixsend providers show`)."""

    model_config = ConfigDict(extra="allow", frozen=True, hide_input_in_errors=True)
    __pydantic_extra__: dict[str, str]

    provider: Text | None = Field(default=None, description="the plugin's name; without it, the account's own name")
    base_url: HostUrl | None = Field(default=None, description="where the vendor's API is, if not at its usual place")
    environment: Text | None = Field(default=None, description="one of the vendor's test environments, such as ote or sandbox")
    plain_http: bool | None = Field(
        default=None,
        description="speak http without TLS to a base_url that is a private address: whoever is on that network can read the credentials",
    )
    quota: Text | None = Field(
        default=None, description="a name of your choice, the same for all accounts whose calls the vendor counts together"
    )
    reserve: Share | None = Field(
        default=None, description="the share of the vendor's limit that is left to others, such as \"25%\"; the plugin's, mostly none"
    )


class Dns(_Section):
    """`[dns]`: how names are looked up. The defaults are the internet's."""

    resolvers: Listed | None = Field(
        default=None,
        description='the public resolvers that are asked last: an address, "https://HOST/dns-query", "tls://HOST", or "system" for '
        "this machine's own",
    )
    fallback: Listed | None = Field(
        default=None, description="resolvers over HTTPS or TLS that find the zone where port 53 is closed, beside those of resolvers"
    )
    ca_file: Text | None = Field(
        default=None, description="a bundle of certificate authorities for resolvers over HTTPS and TLS; without it, that of [http]"
    )
    roots: Listed | None = Field(default=None, description="addresses of the root servers")
    port: int | None = Field(default=None, ge=1, le=65535, description="the port of every DNS server")
    endpoints: Paired | None = Field(default=None, description='servers that are reached elsewhere: "192.0.2.1" = "127.0.0.1:5301"')
    timeout: Seconds | None = Field(default=None, description="of one try of a question")
    tries: int | None = Field(default=None, ge=1, description="how often a server that stays silent is asked")
    private_servers: bool | None = Field(default=None, description="also ask name servers whose addresses are not on the public internet")
    ipv6: bool | None = Field(default=None, description="ask IPv6 addresses; where it is not said, as this machine has a route")
    in_flight: int | None = Field(default=None, ge=1, description="how many questions may be open at once")
    per_server: int | None = Field(default=None, ge=1, description="how many of them at one server")
    per_second: Rate | None = Field(default=None, description="how many questions a second one server is asked at the most; inf: no limit")


class Policy(_Section):
    """`[policy]`: what may be written."""

    dmarc: Dmarc | None = Field(default=None, description="what happens to an existing DMARC policy: keep (default), replace or stop")
    known_targets: Listed | None = Field(
        default=None, description="suffixes that records from Wix may point to, beside those that are known"
    )


class State(_Section):
    """`[state]`: where the journal is."""

    database: Text | None = Field(
        default=None,
        json_schema_extra=_SECRET,
        description="URL of the journal's database, such as postgresql://USER@HOST/NAME; SQLite in the state folder",
    )
    folder: Text | None = Field(default=None, description="the state folder; without it, the user's")
    keep_backups: Seconds | None = Field(default=None, description="how long zones as they were before a write are kept; a year")


class Worker(_Section):
    """`[worker]`: the processes that share a journal in PostgreSQL. The same on all machines."""

    dead_after: Annotated[Seconds, Field(ge=1)] | None = Field(
        default=None, description="seconds without a sign of life after which a process's work is taken over; 5"
    )


class Http(_Section):
    """`[http]`: how vendors and Wix are reached. Nothing is taken from the environment's usual proxy variables."""

    ca_file: Text | None = Field(default=None, description="a bundle of certificate authorities instead of the usual ones")
    proxy: Text | None = Field(default=None, json_schema_extra=_SECRET, description="URL of an HTTP proxy")
    timeout: Seconds | None = Field(default=None, description="of one request")


_OF_TIME: Mapping[Any, Any] = {int: int, Patience: Patience}
"""How a field of `Times` is written, if not in seconds."""

if TYPE_CHECKING:

    class TimesSection(_Section):
        """`[times]`: the fields of `wixsend.flow.Times`."""

else:
    TimesSection = create_model(
        "TimesSection",
        __base__=_Section,
        __doc__="`[times]`: every wait, in seconds or as 90s, 15m, 4h, 2d.",
        **{field.name: (_OF_TIME.get(field.type, Seconds) | None, None) for field in fields(Times)},
    )


class Settings(_Section):
    """The whole of `wixsend.toml`. `None` stands for what nobody set."""

    wix: Wix = Wix()
    accounts: dict[str, Account] = Field(default_factory=dict)
    dns: Dns = Dns()
    policy: Policy = Policy()
    times: TimesSection = TimesSection()
    state: State = State()
    http: Http = Http()
    worker: Worker = Worker()


SECTIONS: Mapping[str, type[_Section]] = {
    "wix": Wix,
    "dns": Dns,
    "policy": Policy,
    "times": TimesSection,
    "state": State,
    "http": Http,
    "worker": Worker,
}
"""The sections that hold settings of their own; `accounts` holds tables."""
_SPECIAL_NAMES: Mapping[SettingPath, str] = {
    ("state", "database"): "WIXSEND_DATABASE_URL",
    ("state", "folder"): "WIXSEND_STATE",
    ("wix", "profile"): "WIXSEND_PROFILE",
}
ENVIRONMENT: Mapping[str, SettingPath] = {
    _SPECIAL_NAMES.get((section, name), f"WIXSEND_{section}_{name}".upper()): (section, name)
    for section, model in SECTIONS.items()
    for name in model.model_fields
    if name != "profiles"
}
"""Every environment variable that sets a setting. Beside them: those of `_OTHERS`, and WIXSEND_<PROVIDER>_BASE_URL for each plugin."""

_OTHERS = ("WIXSEND_CONFIG", "WIXSEND_LOG")
"""The file that is read instead of those that are found; from which level on (debug, info, warning, error) logs go to stderr."""

_RIVALS: tuple[frozenset[str], frozenset[str]] = (frozenset({"api_key"}), frozenset({"app_id", "app_secret", "instance_id"}))
"""The two ways to prove to Wix who asks: one that is set with more weight puts the other out."""


@dataclass(frozen=True, slots=True)
class Flag:
    """A setting given on the command line by `option`."""

    option: str
    path: SettingPath
    value: object = field(repr=False)


@dataclass(frozen=True, slots=True)
class Setting:
    """One value that somebody set: `origin` is `FILE:LINE`, the environment variable, or the option."""

    path: SettingPath
    value: object = field(repr=False)
    origin: str
    secret: bool
    kind: Literal["file", "environment", "flag"]
    file: Path | None = None

    @property
    def shown(self) -> str:
        """The value as it may be shown: references as they are, secrets never."""
        if isinstance(self.value, str) and is_reference(self.value):
            return self.value
        if self.secret:
            return "[set]"
        if isinstance(self.value, Mapping):
            return ", ".join(f"{key}={value}" for key, value in self.value.items())
        return ", ".join(map(str, self.value)) if isinstance(self.value, list | tuple) else str(self.value)


@dataclass(frozen=True, slots=True)
class Config:
    """What holds for this run. `files` are those that were read, in growing weight; `set` every value that was set, by its path.

    `notices` are things that a person should know and that are no errors. `before_profile` is `set` without the chosen profile.
    """

    settings: Settings
    set: Mapping[SettingPath, Setting]
    files: tuple[Path, ...] = ()
    notices: tuple[str, ...] = ()
    before_profile: Mapping[SettingPath, Setting] = field(default_factory=dict, repr=False)

    def with_profile(self, name: str) -> "Config":
        """The configuration with this Wix profile instead of the one that was chosen. Raises `ConfigError` when there is none such."""
        merged = _with_profile(dict(self.before_profile), Setting(("wix", "profile"), name, "the column wix", False, "flag"))
        return replace(self, settings=Settings.model_validate(_nested(merged)), set=merged)

    def origin(self, *path: str) -> str:
        """Where a setting was set; empty when nobody did."""
        setting = self.set.get(path)
        return setting.origin if setting else ""

    @property
    def wix(self) -> WixAccess:
        """Who asks Wix, the profile that holds already laid over `[wix]`."""
        return self.settings.wix

    @property
    def times(self) -> Times:
        """The engine's waits: the defaults, and what was set."""
        return Times(**self.settings.times.model_dump(exclude_none=True))


def load(
    environ: Mapping[str, str] = os.environ,
    flags: tuple[Flag, ...] = (),
    *,
    cwd: Path | None = None,
    file: Path | None = None,
    user_folder: Path | None = None,
) -> Config:
    """The configuration that holds here. `file` stands in for the project's and the user's.

    Raises `ConfigError` with everything that is wrong in one source at once.
    """
    named = file or (Path(environ["WIXSEND_CONFIG"]) if environ.get("WIXSEND_CONFIG") else None)
    user = (user_folder or user_config_path("wixsend")) / FILE_NAME
    paths = (named,) if named else _found(cwd or Path.cwd(), user)
    layers = [_read_file(path, _Trust.NAMED if named else _Trust.USERS if path == user else _Trust.FOUND) for path in paths]
    layers.append(_check([_from_environment(name, environ[name], path) for name, path in ENVIRONMENT.items() if environ.get(name)]))
    layers.append(_check([Setting(f.path, f.value, f.option, _is_secret(f.path), "flag") for f in flags if f.value not in (None, ())]))
    plain = _merge(layers)
    profile = plain.get(("wix", "profile"))
    merged = plain if profile is None else _with_profile(plain, profile)
    return Config(Settings.model_validate(_nested(merged)), merged, paths, tuple(_notices(environ)), plain)


def json_schema() -> dict[str, Any]:
    """The JSON schema of `wixsend.toml`, for editors."""
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **Settings.model_json_schema(), "title": FILE_NAME}


class _Trust(Enum):
    """How a file came to be read: a person named it, it is the user's own, or it was merely found."""

    NAMED = 0
    USERS = 1
    FOUND = 2


def _found(cwd: Path, user: Path) -> tuple[Path, ...]:
    """The files that exist, in growing weight: the user's, then the project's."""
    folders = [cwd]
    root = next((folder for folder in (cwd, *cwd.parents) if (folder / ".git").exists()), cwd)
    while folders[-1] != root:
        folders.append(folders[-1].parent)
    project = next((folder / FILE_NAME for folder in folders if (folder / FILE_NAME).is_file()), None)
    found = (user if user.is_file() else None, project if project != user else None)
    return tuple(path for path in found if path is not None)


def _read_file(path: Path, trust: _Trust) -> list[Setting]:
    """The settings of one file, checked."""
    try:
        with path.open(encoding="utf-8-sig") as file:
            status = os.fstat(file.fileno())
            text = file.read(_LARGEST + 1)
    except FileNotFoundError as wrong:
        raise ConfigError(f"{path} does not exist", "Check the path that --config or WIXSEND_CONFIG gives.") from wrong
    except OSError as wrong:
        raise ConfigError(f"{path} cannot be read: {wrong.strerror}", "Check the file's owner and permissions.") from wrong
    except UnicodeDecodeError as wrong:
        raise ConfigError(f"{path} is not UTF-8 text", "Save it as UTF-8.") from wrong
    if len(text) > _LARGEST:
        raise ConfigError(f"{path} has more than {_LARGEST} characters", "This is no configuration of wixsend.")
    if trust is not _Trust.NAMED and hasattr(os, "geteuid"):
        # A file that another user can write decides where our credentials are sent and which commands are run for them.
        foreign = status.st_uid not in (os.geteuid(), 0)
        if foreign or status.st_mode & stat.S_IWOTH:
            whose = "belongs to another user" if foreign else "can be written by every user"
            raise ConfigError(f"{path} {whose}, so it is not trusted", f"Take it over (chmod o-w, chown), or name it: --config {path}")
    try:
        table = tomllib.loads(text)
    except (ValueError, RecursionError) as wrong:  # numbers without end are a plain ValueError
        raise ConfigError(f"{path} is not TOML: {visible(str(wrong))}", 'Texts stand in quotes: site_id = "…".') from wrong
    lines = _line_numbers(text)
    settings = _check([Setting(p, v, f"{path}{_line(lines, p)}", _is_secret(p), "file", path) for p, v in _leaves(table)])
    if trust is _Trust.FOUND:
        _must_stay_inside(settings, path)
    return settings


_LARGEST = 1_000_000
"""Characters of a configuration: thousands of accounts are far below it."""

_OUTWARD: frozenset[SettingPath] = frozenset(
    {
        *(("http", name) for name in ("proxy", "ca_file")),
        *(("state", name) for name in State.model_fields),
        *(("dns", name) for name in ("resolvers", "fallback", "ca_file", "roots", "port", "endpoints", "private_servers")),
    }
)
"""Settings that say where credentials, questions or the journal go, or what is kept; `_OUTWARD_NAMES` of Wix and of every account too."""

_OUTWARD_NAMES = frozenset({"base_url", "plain_http"})


_REACHING: Mapping[str, str] = {"command": "names a program to run", "file": "names a file to read"}
"""References that do more than to look up a value by its name."""


def _must_stay_inside(settings: list[Setting], path: Path) -> None:
    """`ConfigError` where a file that was merely found reaches further than it may."""
    beyond = [
        f"{each.origin}: {visible('.'.join(each.path))} {why}, and is not taken from a file that was merely found"
        for each in settings
        for why in [_reach(each)]
        if why
    ]
    if beyond:
        raise ConfigError(
            "\n".join(beyond),
            f"If you trust it, name it (--config {shlex.quote(str(path))}, or WIXSEND_CONFIG); "
            "or move the setting into your own configuration or the environment.",
        )


def _reach(setting: Setting) -> str:
    """Why a setting is more than a project may say; empty when it is not."""
    kind = str(setting.value).partition(":")[0]
    if kind in _REACHING:
        return _REACHING[kind]
    outward = setting.path in _OUTWARD or (setting.path[0] in ("wix", "accounts") and setting.path[-1] in _OUTWARD_NAMES)
    return "says where credentials, questions or the journal go, or what is kept" if outward else ""


def _leaves(table: Mapping[str, Any], path: SettingPath = ()) -> Iterator[tuple[SettingPath, object]]:
    """The settings of a parsed file: down to the schema's fields, whose own tables and lists stay whole."""
    for key, value in table.items():
        here = (*path, key)
        if isinstance(value, dict) and _is_table(here):
            yield from _leaves(value, here)
        else:
            yield here, value


def _is_table(path: SettingPath) -> bool:
    """True for the places of the schema that hold settings rather than being one."""
    return len(path) == 1 or (path[0] == "accounts" and len(path) == 2) or (path[:2] == ("wix", "profiles") and len(path) <= 3)


def _is_secret(path: SettingPath) -> bool:
    """True for what may be a secret: the schema's secret fields, and every field that a plugin adds to an account."""
    if path[0] == "accounts":
        return len(path) == 3 and path[2] not in Account.model_fields
    model = WixAccess if path[:2] == ("wix", "profiles") else SECTIONS.get(path[0])
    field = model.model_fields.get(path[-1]) if model else None
    return field is not None and field.json_schema_extra == _SECRET


def _from_environment(name: str, value: str, path: SettingPath) -> Setting:
    return Setting(path, value.strip(), name, _is_secret(path), "environment")


def _check(settings: list[Setting]) -> list[Setting]:
    """The settings of one source when the schema takes them; else one `ConfigError` that names every fault with its place."""
    try:
        Settings.model_validate(_nested({setting.path: setting for setting in settings}))
    except ValidationError as wrong:
        faults = dict.fromkeys(told for _, told in sorted(_fault(error, settings) for error in wrong.errors(include_input=False)))
        raise ConfigError("\n".join(faults), "wixsend config --schema prints every setting.") from None
    return settings


def _fault(error: Any, settings: list[Setting]) -> tuple[int, str]:
    """One fault: its place, what is wrong there, and the fix where it can be guessed. Never the value, which may be a secret.

    The number orders faults as their settings stand in the source.
    """
    place = tuple(str(part) for part in error["loc"])
    number = next((n for n, s in enumerate(settings) if all(a == b for a, b in zip(place, s.path, strict=False))), len(settings))
    path = place[: len(settings[number].path)] if number < len(settings) else place
    origin = f"{settings[number].origin}: " if number < len(settings) else ""
    if error["type"] == "extra_forbidden":
        known = _known(path)
        near = difflib.get_close_matches(path[-1], known, 1, 0.6)
        table = f"[{visible('.'.join(path[:-1]))}]" if path[:-1] else FILE_NAME
        fix = f"did you mean {near[0]!r}?" if near else f"it has {', '.join(known)}"
        return number, f"{origin}{table} has no setting {path[-1]!r}; {fix}"
    said = error["msg"].removeprefix("Value error, ").replace("Input should", "must")
    return number, f"{origin}{visible('.'.join(path))} {said}"


def _known(path: SettingPath) -> list[str]:
    """The settings that exist beside an unknown one."""
    if len(path) == 1:
        return list(Settings.model_fields)
    model = WixAccess if path[:2] == ("wix", "profiles") else SECTIONS.get(path[0], Settings)
    return list(model.model_fields)


def _merge(layers: list[list[Setting]]) -> dict[SettingPath, Setting]:
    """The layers laid over each other, each outweighing those before it."""
    merged: dict[SettingPath, Setting] = {}
    for layer in layers:
        _lay(merged, {setting.path: setting for setting in layer})
    return merged


def _lay(under: dict[SettingPath, Setting], over: Mapping[SettingPath, Setting]) -> None:
    """Lay `over` on `under` in place. Where it settles who asks Wix, the other way to do so goes, wherever it was set."""
    both = [way for way in _RIVALS if any(("wix", name) in over for name in way)]
    if len(both) == 2:
        places = " and ".join(sorted({over["wix", name].origin for way in _RIVALS for name in way if ("wix", name) in over}))
        raise ConfigError(
            f"{places}: both an API key and an app are given for Wix", "Keep api_key and site_id, or app_id, app_secret and instance_id."
        )
    for way in both:
        for name in next(other for other in _RIVALS if other is not way):
            under.pop(("wix", name), None)
    under.update(over)


def _with_profile(merged: dict[SettingPath, Setting], chosen: Setting) -> dict[SettingPath, Setting]:
    """The settings with the chosen profile laid over `[wix]`: to name a profile outweighs what the environment says of Wix."""
    name = str(chosen.value)
    mine = {path: setting for path, setting in merged.items() if path[:3] == ("wix", "profiles", name)}
    if not mine:
        names = sorted({path[2] for path in merged if path[:2] == ("wix", "profiles")})
        near = difflib.get_close_matches(name, names, 1)
        step = f"Did you mean {near[0]!r}?" if near else f"Known: {', '.join(names) or 'none'}. Add [wix.profiles.{name}] to {FILE_NAME}."
        raise ConfigError(f"{chosen.origin}: there is no Wix profile {name!r}", step)
    result = dict(merged)
    over: dict[SettingPath, Setting] = {("wix", p[3]): replace(s, path=("wix", p[3])) for p, s in mine.items()}
    _lay(result, over)
    return result


def _nested(settings: Mapping[SettingPath, Setting]) -> dict[str, Any]:
    """The settings as the nested tables that the schema checks."""
    tables: dict[str, Any] = {}
    for path, setting in settings.items():
        table = tables
        for key in path[:-1]:
            table = table.setdefault(key, {})
        table[path[-1]] = setting.value
    return tables


def _notices(environ: Mapping[str, str]) -> Iterator[str]:
    """Environment variables that look like ours and are none."""
    for name in sorted(environ):
        if name.startswith("WIXSEND_") and name not in {*ENVIRONMENT, *_OTHERS} and not name.endswith("_BASE_URL"):
            near = difflib.get_close_matches(name, ENVIRONMENT, 1)
            yield f"the environment variable {name} means nothing to wixsend" + (f"; did you mean {near[0]}?" if near else "")


_KEY = re.compile(r"""\s*(?:"([^"]*)"|'([^']*)'|([A-Za-z0-9_-]+))\s*(\.|=|\]|$)""")


def _line_numbers(text: str) -> dict[SettingPath, int]:
    """The line of each key and table header, which the standard library's parser does not tell. For messages only."""
    found: dict[SettingPath, int] = {}
    table: SettingPath = ()
    inside = ""
    for number, line in enumerate(text.splitlines(), 1):
        if inside:
            inside = "" if inside in line else inside
            continue
        header = line.strip().startswith("[")
        keys, ended = _keys(line.strip().lstrip("[") if header else line)
        if header and ended == "]":
            table = keys
            found.setdefault(table, number)
        elif not header and ended == "=":
            found.setdefault((*table, *keys), number)
        inside = next((quotes for quotes in ('"""', "'''") if line.count(quotes) % 2), "")
    return found


def _keys(text: str) -> tuple[SettingPath, str]:
    """The dotted key at the beginning of a line, and the character that ended it."""
    keys: list[str] = []
    place = 0
    while match := _KEY.match(text, place):
        keys.append(match[1] or match[2] or match[3] or "")
        place = match.end()
        if match[4] != ".":
            return tuple(keys), match[4]
    return tuple(keys), ""


def _line(lines: Mapping[SettingPath, int], path: SettingPath) -> str:
    """`:LINE` of a setting, or of the table around it; empty when it was not found."""
    while path:
        if path in lines:
            return f":{lines[path]}"
        path = path[:-1]
    return ""
