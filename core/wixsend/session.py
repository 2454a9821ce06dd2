"""Floor 5. One run's doors to the world: everything that the configuration says how to open, opened when it is first asked for.

A `Session` is the engine's `Outside` (see `wixsend.locate`). It learns every secret before anybody else gets it, opens each account
once, and closes what it opened.
"""

import asyncio
import os
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property, lru_cache
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self
from urllib.parse import parse_qsl, unquote, urlsplit

from platformdirs import user_state_path

from wixsend.config import Config, Setting
from wixsend.credentials import Account, Accounts, Secrets, Written
from wixsend.errors import ConfigError, CredentialsMissing
from wixsend.folder import expanded
from wixsend.names import Name, absolute
from wixsend.plugins import Plugins
from wixsend.provider import ProviderPlugin
from wixsend.redact import Redactor, is_reference

if TYPE_CHECKING:
    from wixsend.adapters import Adapter
    from wixsend.holdings import Account as AnyAccount
    from wixsend.holdings import Holdings
    from wixsend.journal import Journal
    from wixsend.locate import Outside
    from wixsend.lookup import Dns
    from wixsend.quota import Budget, Quota, Quotas
    from wixsend.wire import HttpWire
    from wixsend.wix import Wix, WixApiKey, WixApp

__all__ = ["Session", "state_folder"]

_SITES = 1000
"""Sites whose Wix is kept: an app's token is worth keeping for a while."""

_BY_KEY = ("api_key", "site_id")
_BY_APP = ("app_id", "app_secret", "instance_id")


def state_folder(config: Config) -> Path:
    """Where the journal, its locks and the log are: `[state] folder`, --state, WIXSEND_STATE, or the user's state folder."""
    folder = config.settings.state.folder
    return expanded(folder, config.origin("state", "folder")) if folder else user_state_path("wixsend")


class Session:
    """Use as an asynchronous context manager, or `close` it.

    `notify` is told, in a sentence, what a person should know: that credentials go elsewhere than to the vendor's usual place.
    Raises `ConfigError` for a secret that stands in a file as it is.
    """

    def __init__(
        self,
        config: Config,
        environ: Mapping[str, str] = os.environ,
        redactor: Redactor | None = None,
        notify: Callable[[str], None] = lambda _sentence: None,
    ) -> None:
        self.config = config
        self._notify = notify
        self._notified: set[str] = set()
        self.redactor = redactor or Redactor()
        self.plugins = Plugins()
        self._secrets = Secrets(self.redactor, environ)
        self._accounts = Accounts(self.plugins, self._account_tables(), self._secrets)
        self._adapters: dict[str, Adapter] = {}
        self._opening = asyncio.Lock()
        self._askers: dict[str, _Asker] = {}
        self._wixes: dict[str, Wix] = {}
        self._wires: dict[str, HttpWire] = {}
        self._sites = lru_cache(_SITES)(self._wix_at)
        for setting in config.set.values():
            if setting.secret and setting.path[0] == "wix":
                if not is_reference(str(setting.value)):
                    self.redactor.learn(setting.path[-1], str(setting.value))
                self._secrets.refuse_plain(setting.path[-1], _written(setting))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        await self.close()

    async def close(self) -> None:
        """Close what was opened. A failure to close one thing does not keep the others open."""
        adapters, self._adapters = list(self._adapters.values()), {}
        opened: list[Any] = [*self._wixes.values(), *([self.__dict__.pop("dns")] if "dns" in self.__dict__ else [])]
        self._wixes, _ = {}, self.__dict__.pop("wix", None)
        self._sites.cache_clear()
        await asyncio.gather(*(each.close() for each in (*adapters, *opened)), return_exceptions=True)
        if "quotas" in self.__dict__:
            await self.__dict__.pop("quotas").close()
        if "journal" in self.__dict__:
            self.__dict__.pop("journal").close()

    def notify(self, sentence: str) -> None:
        """Tell a person, once."""
        if sentence not in self._notified:
            self._notified.add(sentence)
            self._notify(sentence)

    # -- Wix -----------------------------------------------------------------------------------------------------------

    @cached_property
    def wix(self) -> "Wix":
        """Wix, as whoever is configured."""
        return self._wix_of("")

    @property
    def site(self) -> str:
        """The site's id, or the app's instance id: what the journal keeps cases under. `CredentialsMissing` when neither is set."""
        return self._asker("").site

    def site_of(self, profile: str, site_id: str = "") -> str:
        """The same for a Wix profile; a site id that is given is another site that the profile's key or app is good for."""
        return site_id.lower() or self._asker(profile).site

    def at(self, profile: str, site: str) -> "Outside":
        """The world for a site: Wix as this profile asks it there, everything else as it is. `ConfigError` when it cannot be asked."""
        return _AtSite(self, self._sites(profile, site))

    def _asker(self, profile: str) -> "_Asker":
        if profile not in self._askers:
            self._askers[profile] = _Asker(self.config.with_profile(profile) if profile else self.config, profile, self._wix_value)
        return self._askers[profile]

    def _wix_value(self, setting: Setting) -> str:
        return self._secrets.value(setting.path[-1], _written(setting), secret=setting.secret)

    def _wix_of(self, profile: str) -> "Wix":
        """Wix as a profile asks it for its own site; its connections serve the profile's other sites too."""
        from wixsend.wix import BASE_URL, Wix

        if profile not in self._wixes:
            asker = self._asker(profile)
            base_url = asker.config.wix.base_url or BASE_URL
            if base_url != BASE_URL:
                self.notify(f"Wix is spoken to at {base_url} ({asker.config.origin('wix', 'base_url')})")
            quota = self._wix_quota(base_url, asker.site)
            self._wixes[profile] = Wix(asker.auth(asker.site), base_url, quota=quota, now=self.now, **self._http)
        return self._wixes[profile]

    def _wix_at(self, profile: str, site: str) -> "Wix":
        asker, wix = self._asker(profile), self._wix_of(profile)
        if site == asker.site:
            return wix
        return wix.beside(asker.auth(site), self._wix_quota(asker.config.wix.base_url or "", site))

    def _wix_quota(self, base_url: str, site: str) -> "Quota":
        """What Wix counts together: the calls for a site, whoever makes them."""
        from wixsend.quota import kept
        from wixsend.wix import BASE_URL, RATE

        return self.quotas.quota("wix", kept((RATE,)), secret=(base_url or BASE_URL, site))

    # -- DNS hosts -----------------------------------------------------------------------------------------------------

    def accounts(self, provider: str | None = None) -> Sequence[Account]:
        """The accounts at this host; `CredentialsMissing` when there is none. Without a host, every account that can be opened."""
        return self._accounts.accounts(provider)

    def unroutable(self, provider: str, account: str) -> str:
        """Why nobody can be sent to this host and account, either of which may be empty; empty when somebody can."""
        if provider and provider not in self.plugins.names():
            return f"no plugin for the DNS host {provider!r} is installed (installed: {', '.join(self.plugins.names()) or 'none'})"
        home = self._accounts.provider_of(account) if account else provider
        if home is None:
            return f"no account {account!r} is configured: add [accounts.{account}] to wixsend.toml"
        return f"the account {account!r} is at {home}, not at {provider}" if provider and home != provider else ""

    def account_names(self, plugin: ProviderPlugin) -> list[str]:
        """The names of the accounts that are configured at this host; no secret is looked up."""
        return self._accounts.names(plugin)

    async def adapter(self, account: "AnyAccount") -> "Adapter":
        """The account, opened; the same object each time. Raises the account's problem, where it has one."""
        from wixsend.adapters import Adapter

        async with self._opening:
            if account.name not in self._adapters:
                assert isinstance(account, Account)
                if account.problem is not None:
                    raise type(account.problem)(account.problem.happened, account.problem.next_step)
                plugin = self.plugins.get(account.plugin_name)
                label = plugin.label if account.name == plugin.name else f"{plugin.label} ({account.name})"
                adapter = self._adapters[account.name] = Adapter.open(plugin, account.credentials, self._wire(account), label)
                adapter.settle = min(adapter.settle, self.config.times.settle_most)
            return self._adapters[account.name]

    @cached_property
    def holdings(self) -> "Holdings":
        """Which account holds which zone, as far as it has been asked."""
        from wixsend.holdings import Holdings

        return Holdings(self.adapter, self.now)

    def calls(self) -> dict[str, int]:
        """HTTP requests so far: `wix` (and `wix PROFILE`), and each opened account by name."""
        asked = {f"wix {profile}".rstrip(): wix.calls for profile, wix in self._wixes.items()}
        return asked | {name: wire.calls for name, wire in self._wires.items()}

    @cached_property
    def quotas(self) -> "Quotas":
        """The record of calls, shared with every process that has the same state folder, or whose journal is in the same database."""
        from wixsend.quota import Quotas

        folder = state_folder(self.config)
        url = self._journal_url
        return Quotas(f"sqlite:///{folder / 'quota.db'}" if url.startswith("sqlite") else url, folder)

    def quota(self, plugin: ProviderPlugin, account: Account) -> "Quota":
        """What the host counts together: the calls of an account's credentials, or of all accounts whose `quota` has the same name."""
        from wixsend.quota import kept

        said = self.config.settings.accounts.get(account.name)
        reserve = plugin.reserve if said is None or said.reserve is None else said.reserve
        rates = kept(plugin.quota, reserve)
        if said is not None and said.quota:
            return self.quotas.quota(f"{plugin.name}/{said.quota}", rates)
        secret = [account.credentials.get(each.name, "") for each in plugin.credentials if each.secret]
        return self.quotas.quota(plugin.name, rates, secret=(account.base_url, *secret))

    async def budgets(self) -> "dict[str, Budget]":
        """What is left for each account that was opened, and for the own site of each Wix profile; the names are those of `calls`."""
        quotas = {f"wix {profile}".rstrip(): wix.quota for profile, wix in self._wixes.items()}
        quotas |= {name: wire.quota for name, wire in self._wires.items()}
        return {name: await quota.budget() for name, quota in quotas.items() if quota is not None}

    def _wire(self, account: Account) -> "HttpWire":
        from wixsend.wire import HttpWire

        plugin = self.plugins.get(account.plugin_name).way(account.credentials)
        if account.plain_http and account.base_url.startswith("http:"):
            self.notify(
                f"{plugin.label} (account {account.name}) is spoken to at {account.base_url} WITHOUT TLS: whoever is on that network can "
                "read its credentials, and answer in its place"
            )
        elif plugin.base_url and account.base_url != plugin.base_url:
            self.notify(f"{plugin.label} (account {account.name}) is spoken to at {account.base_url}")
        self._say_what_may_be_shared(plugin, account.name)
        quota = self.quota(plugin, account)
        wire = self._wires[account.name] = HttpWire(account.base_url, quota, plain_http=account.plain_http, **self._http)
        return wire

    def _say_what_may_be_shared(self, plugin: ProviderPlugin, account: str) -> None:
        """Told with the second account at a host that counts by more than the credentials, where nobody says which belong together."""
        tables = self.config.settings.accounts
        others = [name for name in self._wires if name in self._accounts.names(plugin) and not (name in tables and tables[name].quota)]
        if plugin.counts_by and len(others) == 1 and not (account in tables and tables[account].quota):
            self.notify(
                f"{plugin.label} counts calls by {plugin.counts_by}. Give accounts that belong together the same `quota` in wixsend.toml "
                f"({others[0]}, {account}); each is taken to stand alone."
            )

    # -- DNS, journal, time --------------------------------------------------------------------------------------------

    @cached_property
    def dns(self) -> "Dns":
        """The name servers of the world, or of the sandbox."""
        from wixsend.exchange import DnsSettings
        from wixsend.lookup import Dns

        chosen: dict[str, Any] = {name: self._http[name] for name in ("ca_file", "proxy") if name in self._http}
        chosen |= self.config.settings.dns.model_dump(exclude_none=True)
        if "ca_file" in chosen:
            chosen["ca_file"] = str(expanded(chosen["ca_file"], self.config.origin("dns", "ca_file")))
        return Dns(DnsSettings(**chosen))

    @cached_property
    def journal(self) -> "Journal":
        """The journal, opened. Raises `JournalError`."""
        from wixsend.journal import Journal

        folder = state_folder(self.config)
        chosen = {"keep_backups": self.config.settings.state.keep_backups, "dead_after": self.config.settings.worker.dead_after}
        return Journal(self._journal_url, folder, self.config.times, **{name: value for name, value in chosen.items() if value is not None})

    @cached_property
    def _journal_url(self) -> str:
        written = ("state", "database") in self.config.set
        return self._value(("state", "database")) if written else f"sqlite:///{state_folder(self.config) / 'journal.db'}"

    @property
    def known_targets(self) -> frozenset[Name]:
        """The suffixes that records from Wix may point to."""
        from wixsend.sending import KNOWN_TARGETS

        try:
            return KNOWN_TARGETS | {absolute(suffix) for suffix in self.config.settings.policy.known_targets or ()}
        except ValueError as wrong:
            origin = self.config.origin("policy", "known_targets")
            raise ConfigError(f"{origin}: {wrong}", "Write suffixes such as example.com.") from wrong

    def now(self) -> float:
        """Seconds since the epoch."""
        return time.time()

    async def sleep(self, seconds: float) -> None:
        """Wait."""
        await asyncio.sleep(seconds)

    # -- what was written, and where -----------------------------------------------------------------------------------

    @cached_property
    def _http(self) -> dict[str, Any]:
        """The manners of every HTTP client."""
        http = self.config.settings.http
        options: dict[str, Any] = {"ca_file": str(expanded(http.ca_file, self.config.origin("http", "ca_file")))} if http.ca_file else {}
        if http.ca_file and not Path(options["ca_file"]).is_file():
            raise ConfigError(f"{self.config.origin('http', 'ca_file')}: {http.ca_file} does not exist", "Name a file of PEM certificates.")
        if http.proxy:
            options["proxy"] = self._value(("http", "proxy"))
        if http.timeout is not None:
            options["timeout"] = http.timeout
        return options

    def _value(self, path: tuple[str, ...]) -> str:
        """A URL among the settings, its reference followed. It is as secret as the password in it."""
        setting = self.config.set[path]
        written = _written(setting)
        value = self._secrets.value(path[-1], written, secret=False)
        passwords = _passwords(value)
        for password in passwords:
            self.redactor.learn(f"{path[-1]} password", password)
            self.redactor.learn(f"{path[-1]} password", unquote(password))
        if passwords and value == setting.value:
            self._secrets.refuse_plain(path[-1], written)
        return value

    def _account_tables(self) -> dict[str, dict[str, Written]]:
        tables: dict[str, dict[str, Written]] = {name: {} for name in self.config.settings.accounts}
        for path, setting in self.config.set.items():
            if path[0] == "accounts":
                tables[path[1]][path[2]] = _written(setting)
        return tables


def _passwords(url: str) -> list[str]:
    """The passwords in a URL: beside the user's name, and among the arguments that a database takes. All of what is no URL may be one."""
    try:
        parts = urlsplit(url)
        if not parts.scheme:
            return [url]
        arguments = parse_qsl(parts.query, keep_blank_values=True)
        found = [parts.password, *(value for name, value in arguments if "password" in name.lower())]
    except ValueError:
        return [url]
    return [password for password in found if password]


class _Asker:
    """Who asks Wix, as one configuration says."""

    def __init__(self, config: Config, profile: str, value: Callable[[Setting], str]) -> None:
        self.config = config
        self._profile = profile
        self._value = value

    @property
    def site(self) -> str:
        """The site's id, or the app's instance id."""
        return self._values(self._way[-1])[0]

    def auth(self, site: str) -> "WixApiKey | WixApp":
        """What proves to Wix who asks for this site."""
        from wixsend.wix import WixApiKey, WixApp

        first, *rest = self._values(*self._way)
        return WixApiKey(first, site) if self._way is _BY_KEY else WixApp(first, rest[0], site)

    @property
    def _way(self) -> tuple[str, ...]:
        """The settings by which we prove to Wix who asks; the last of them names the site."""
        return _BY_APP if any(("wix", name) in self.config.set for name in _BY_APP) else _BY_KEY

    def _values(self, *needed: str) -> list[str]:
        """The settings that are needed, when all of them are set; else the error lists everything that is missing, not these alone."""
        if all(("wix", name) in self.config.set for name in needed):
            return [self._value(self.config.set["wix", name]) for name in needed]
        missing = ", ".join(name for name in self._way if ("wix", name) not in self.config.set)
        variables = ", ".join(f"WIXSEND_WIX_{name.upper()}" for name in missing.split(", "))
        whose = f" (profile {self._profile})" if self._profile else ""
        raise CredentialsMissing(
            f"credentials for Wix{whose} are missing: {missing}",
            f"Set {variables}, or {missing} in [wix] of wixsend.toml. An API key is made by the account's owner at "
            "manage.wix.com/account/api-keys; the site id is in the dashboard's URL after /dashboard/. "
            "A Wix app needs app_id, app_secret and instance_id instead.",
        )


class _AtSite:
    """A session's `Outside` with the Wix of one site."""

    def __init__(self, session: Session, wix: "Wix") -> None:
        self.wix = wix
        self.plugins = session.plugins
        self.holdings = session.holdings
        self.accounts = session.accounts
        self.adapter = session.adapter
        self.now = session.now
        self.sleep = session.sleep
        self._session = session

    @property
    def dns(self) -> "Dns":
        return self._session.dns


def _written(setting: Setting) -> Written:
    return Written(str(setting.value), setting.origin, setting.file.parent if setting.file else Path(), plain=setting.file is None)
