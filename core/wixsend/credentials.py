"""Floor 4. Credentials: where they are kept, and that nobody sees them.

A secret is never in `wixsend.toml`; the file refers to it:

    env:NAME               an environment variable
    file:PATH              a file that only its owner's group may read; relative to the file that refers to it
    keyring:SERVICE/USER   the system's keyring (needs wixsend[keyring])
    command:WORDS          what a program prints, such as a password manager; no shell

Every secret that is resolved is told to the `Redactor` before anybody else gets it.
"""

import difflib
import os
import shlex
import stat
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path
from typing import Protocol

from wixsend.errors import ConfigError, CredentialsMissing, PluginBroken
from wixsend.folder import expanded
from wixsend.provider import CredentialField, Credentials, ProviderPlugin
from wixsend.redact import Redactor, is_reference

__all__ = ["Account", "Accounts", "PluginSource", "Secrets", "Written", "base_url_variable"]

_COMMAND_SECONDS = 60.0
"""How long a program may take to print a secret: a person may have to unlock something."""

_OURS = frozenset({"provider", "base_url", "environment", "plain_http", "quota", "reserve"})
"""The settings of an account that are no credentials."""


@dataclass(frozen=True, slots=True)
class Written:
    """A setting as it was written, and where: `origin` for messages, `folder` for relative paths, `plain` when it may be a secret as it is.

    Only what comes from the environment may be plain; what comes from a file must be a reference if it is a secret.
    """

    text: str = field(repr=False)
    origin: str
    folder: Path = Path()
    plain: bool = False


@dataclass(frozen=True, slots=True)
class Account:
    """One account at a DNS host, ready to be opened; or with the `problem` that keeps it from being opened.

    `plain_http`: a person lets it speak to a private address without TLS.
    """

    name: str
    plugin_name: str
    base_url: str
    credentials: Credentials = field(repr=False)
    problem: ConfigError | None = None
    plain_http: bool = False


class Secrets:
    """Resolves references. What is resolved once is not asked for again: a keyring or a password manager may prompt."""

    def __init__(self, redactor: Redactor, environ: Mapping[str, str] = os.environ) -> None:
        self.environ = environ
        self._redactor = redactor
        self._resolved: dict[tuple[str, Path], str] = {}
        self._kinds: Mapping[str, Callable[[str, Written], str]] = {
            "env": self._from_environment,
            "file": self._from_file,
            "keyring": self._from_keyring,
            "command": self._from_command,
        }

    def value(self, name: str, written: Written, *, secret: bool = True) -> str:
        """The value that was written, or that is referred to, without blanks around it. Secrets are learnt by the redactor.

        Raises `CredentialsMissing` for a reference to what is not there, `ConfigError` for one that cannot be followed, and for a secret
        that is in a file as it is.
        """
        value = written.text
        if is_reference(value):
            key = (value, written.folder)
            if key not in self._resolved:
                kind, _, place = value.partition(":")
                self._resolved[key] = self._kinds[kind](place, written)
            value = self._resolved[key]
        elif secret:
            self.refuse_plain(name, written)
        value = value.strip()
        if secret and value:
            self._redactor.learn(name, value)
        strange = next((i for i, c in enumerate(value, 1) if not c.isprintable() or (secret and not c.isascii())), 0)
        if strange:
            raise ConfigError(
                f"{written.origin}: {name} has a character at place {strange} of {len(value)} that no such value has",
                "Copy it anew: as one line, without quotation marks or dashes that an editor made typographic.",
            )
        return value

    def refuse_plain(self, name: str, written: Written) -> None:
        """`ConfigError` for a secret that stands in a file as it is."""
        if not written.plain and not is_reference(written.text):
            raise ConfigError(
                f"{written.origin}: {name} holds a secret as it is; secrets do not belong into this file",
                f'Refer to it: {name} = "env:NAME", "file:PATH", "keyring:SERVICE/USER" or "command:…". '
                "If the file was shared or committed, revoke the secret.",
            )

    def _from_environment(self, name: str, written: Written) -> str:
        value = self.environ.get(name, "")
        if not value:
            raise CredentialsMissing(
                f"{written.origin} refers to the environment variable {name}, which is not set", f"Set it: export {name}=…"
            )
        return value

    def _from_file(self, written_path: str, written: Written) -> str:
        path = written.folder / expanded(written_path, written.origin)
        try:
            with path.open("rb") as file:
                mode = os.fstat(file.fileno()).st_mode
                content = file.read(65536)
        except FileNotFoundError as wrong:
            raise CredentialsMissing(
                f"{written.origin} refers to {path}, which does not exist", "Create it, readable by you alone."
            ) from wrong
        except (OSError, ValueError) as wrong:
            cause = getattr(wrong, "strerror", None) or wrong
            raise ConfigError(f"{written.origin}: {path} cannot be read: {cause}", "Check its owner and permissions.") from wrong
        if os.name == "posix" and mode & (stat.S_IRWXO | stat.S_IWGRP):
            raise ConfigError(
                f"{written.origin}: {path} holds a secret and is open to other users (mode {stat.S_IMODE(mode):04o})",
                f"Close it: chmod 600 {shlex.quote(str(path))}",
            )
        try:
            return content.decode()
        except UnicodeDecodeError as wrong:
            raise ConfigError(f"{written.origin}: {path} is not text", "Put the secret alone into the file, as UTF-8.") from wrong

    def _from_keyring(self, place: str, written: Written) -> str:
        service, slash, user = place.rpartition("/")
        if not slash or not service or not user:
            raise ConfigError(f"{written.origin}: keyring:{place} is no keyring reference", "Write keyring:SERVICE/USER.")
        try:
            keyring = import_module("keyring")
        except ImportError as wrong:
            raise ConfigError(f"{written.origin}: the keyring is not installed", "Install it: pip install 'wixsend[keyring]'") from wrong
        try:
            value = keyring.get_password(service, user)
        except Exception as wrong:
            # Every backend has exceptions of its own; the library's base class is not all of them.
            raise ConfigError(
                f"{written.origin}: the keyring cannot be read ({type(wrong).__name__})", "Unlock it, or use env:NAME."
            ) from wrong
        if not value:
            raise CredentialsMissing(
                f"{written.origin}: the keyring holds nothing at {place}", f"Put it there: keyring set {service} {user}"
            )
        return str(value)

    def _from_command(self, words: str, written: Written) -> str:
        try:
            done = subprocess.run(  # noqa: S603 - the user's own configuration names the program; no shell
                shlex.split(words),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_COMMAND_SECONDS,
                check=False,
                env=dict(self.environ),
            )
        except subprocess.TimeoutExpired as wrong:
            raise ConfigError(
                f"{written.origin}: the command took more than {_COMMAND_SECONDS:.0f} s", "Run it by hand to see why."
            ) from wrong
        except (OSError, ValueError, IndexError) as wrong:
            raise ConfigError(f"{written.origin}: the command cannot be run: {wrong}", "Check the program's name and path.") from wrong
        if done.returncode:
            # What it printed is not repeated: half of a secret may be in it.
            raise ConfigError(f"{written.origin}: the command ended with exit code {done.returncode}", "Run it by hand to see why.")
        return done.stdout.decode(errors="replace")


class PluginSource(Protocol):
    """What is needed of `wixsend.plugins.Plugins`."""

    def names(self) -> tuple[str, ...]: ...
    def get(self, name: str) -> ProviderPlugin: ...


class Accounts:
    """The accounts that are configured.

    `tables` are the `[accounts.NAME]` of the configuration. The environment variables that a plugin's fields name make, or complete,
    the account that is called like the plugin; they outweigh the file. `WIXSEND_<PROVIDER>_BASE_URL` holds for all accounts there.
    """

    def __init__(self, plugins: PluginSource, tables: Mapping[str, Mapping[str, Written]], secrets: Secrets) -> None:
        self._plugins = plugins
        self._tables = tables
        self._secrets = secrets

    def accounts(self, provider: str | None = None) -> list[Account]:
        """The accounts at that provider, or at every provider.

        With a `provider` there is at least one that can be opened: else the first one's `ConfigError`, of which `CredentialsMissing` names
        each field, its environment variable and where to get it. Others may come with a `problem`: it is no concern of those that
        can be opened. Without a provider, accounts of plugins that are missing or broken, or that are not complete, are left out.
        """
        if provider is None:
            return [account for name in self._plugins.names() for account in self._usable(name)]
        plugin = self._plugins.get(provider)
        names = self.names(plugin)
        if not names:
            raise _missing(plugin, plugin.name, {})
        found = [self._account_or_problem(plugin, name) for name in names]
        problems = [account.problem for account in found if account.problem is not None]
        if len(problems) == len(found):
            raise problems[0]
        return found

    def _account_or_problem(self, plugin: ProviderPlugin, name: str) -> Account:
        try:
            return self._account(plugin, name)
        except ConfigError as wrong:
            return Account(name, plugin.name, "", {}, wrong)

    def _usable(self, provider: str) -> list[Account]:
        found: list[Account] = []
        with suppress(PluginBroken):
            plugin = self._plugins.get(provider)
            for name in self.names(plugin):
                with suppress(CredentialsMissing):
                    found.append(self._account(plugin, name))
        return found

    def provider_of(self, account: str) -> str | None:
        """The plugin's name of a configured account; `None` when nobody configured it."""
        if account in self._tables:
            return _provider(account, self._tables[account])
        return account if account in self._plugins.names() else None

    def names(self, plugin: ProviderPlugin) -> list[str]:
        """The accounts at this provider: those of the tables, and the one that the environment makes."""
        names = [name for name, table in self._tables.items() if _provider(name, table) == plugin.name]
        in_environment = any(self._secrets.environ.get(each.env) for way in plugin.ways for each in way.lacks({}))
        return names if plugin.name in names or not in_environment else [plugin.name, *names]

    def _account(self, plugin: ProviderPlugin, name: str) -> Account:
        table = dict(self._tables.get(name, {}))
        fields = {each.name for each in plugin.fields}
        for setting, written in table.items():
            if setting not in fields and setting not in _OURS:
                raise _unknown(plugin, name, setting, written)
        if name == plugin.name:
            environ = self._secrets.environ
            table |= {each.name: Written(environ[each.env], each.env, plain=True) for each in plugin.fields if environ.get(each.env)}
        credentials = {
            each.name: self._secrets.value(each.name, table[each.name], secret=each.secret) for each in plugin.fields if each.name in table
        }
        if plugin.way(credentials).lacks(credentials):
            raise _missing(plugin, name, credentials)
        base_url = self._base_url(plugin, table)
        if not base_url:
            raise CredentialsMissing(
                f"the base URL of {plugin.label} is not set (account {name})",
                f'Set {base_url_variable(plugin.name)}, or base_url in [accounts.{name}] of your own wixsend.toml: "{plugin.own_url}".',
            )
        if base_url.startswith("dns:") != plugin.own_url.startswith("dns:"):
            usual = plugin.own_url or plugin.base_url
            raise ConfigError(f"{plugin.label} is not spoken to at {base_url} (account {name})", f"Write its base_url as {usual}.")
        plain_http = "plain_http" in table and table["plain_http"].text == str(True)
        given = {key: value for key, value in credentials.items() if value}
        return Account(name, plugin.name, base_url, given, plain_http=plain_http)

    def _base_url(self, plugin: ProviderPlugin, table: Mapping[str, Written]) -> str:
        """Where the account's API is: the environment, the account's `base_url`, its `environment`, the vendor's usual place; empty
        where none of them says it.
        """
        said = self._secrets.environ.get(base_url_variable(plugin.name))
        if said:
            return said.strip().rstrip("/")
        if "base_url" in table:
            return table["base_url"].text
        if "environment" not in table:
            return plugin.base_url
        named = table["environment"]
        if named.text not in plugin.environments:
            known = ", ".join(sorted(plugin.environments)) or "none"
            raise ConfigError(f"{named.origin}: {plugin.label} has no environment {named.text!r}", f"It has: {known}. Or set base_url.")
        return plugin.environments[named.text]


def base_url_variable(provider: str) -> str:
    """The environment variable that sets a provider's base URL."""
    return f"WIXSEND_{provider.upper().replace('-', '_')}_BASE_URL"


def _provider(name: str, table: Mapping[str, Written]) -> str:
    return table["provider"].text if "provider" in table else name


def _unknown(plugin: ProviderPlugin, account: str, setting: str, written: Written) -> ConfigError:
    known = [*(each.name for each in plugin.fields), *sorted(_OURS)]
    near = difflib.get_close_matches(setting, known, 1, 0.6)
    return ConfigError(
        f"{written.origin}: [accounts.{account}] has no setting {setting!r}",
        f"Did you mean {near[0]!r}?" if near else f"{plugin.label} knows: {', '.join(known)}.",
    )


def _missing(plugin: ProviderPlugin, account: str, given: Credentials) -> CredentialsMissing:
    """Every field that is not set, how to set it, and where to get it: of the way that was begun, or of every way."""
    begun = plugin.way(given)
    ways = [begun] if any(given.get(each.name) for each in begun.lacks({})) else plugin.ways
    lacking = [way.lacks(given) for way in ways]
    if account == plugin.name:
        names = " or ".join(", ".join(each.env for each in fields) for fields in lacking)
        how = f"Set {names}; or refer to them in [accounts.{account}] of wixsend.toml."
    else:
        examples = " or ".join(", ".join(f'{each.name} = "{"env:" if each.secret else ""}…"' for each in fields) for fields in lacking)
        how = f"Complete [accounts.{account}] in wixsend.toml: {examples}"
    return CredentialsMissing(
        f"credentials for {plugin.label} are missing (account {account}):\n" + "\n  or\n".join(map(_listed, lacking)),
        f"{how} See wixsend providers show {plugin.name}.",
    )


def _listed(fields: Sequence[CredentialField]) -> str:
    return "\n".join(f"  {each.name}: {each.help}{f' ({each.where})' if each.where else ''}" for each in fields)
