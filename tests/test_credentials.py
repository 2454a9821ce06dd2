"""Credentials: references are followed, accounts are complete or say what they lack, and every secret is known to the redactor."""

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import keyring
import keyring.backend
import pytest

from wixsend.credentials import Account, Accounts, Secrets, Written
from wixsend.errors import ConfigError, CredentialsMissing, PluginBroken, PluginMissing
from wixsend.provider import CredentialField, ProviderPlugin
from wixsend.records import Granularity
from wixsend.redact import Redactor

TOKEN = "0123456789-token"


def plugin(name: str, *fields: CredentialField, **more: Any) -> ProviderPlugin:
    return ProviderPlugin(
        name=name,
        label=name.title(),
        opens=lambda _credentials, _wire: None,  # type: ignore[arg-type,return-value]
        granularity=Granularity.RECORD,
        credentials=fields,
        **{"base_url": f"https://api.{name}.example"} | more,
    )


ALPHA = plugin(
    "alpha",
    CredentialField("token", "ALPHA_TOKEN", "API token", "https://alpha.example/tokens"),
    CredentialField("shopper", "ALPHA_SHOPPER", "sub-account", secret=False, required=False),
    environments={"ote": "https://api.ote.alpha.example"},
)
BETA = plugin(
    "beta-dns",
    CredentialField("user", "BETA_USER", "user name", secret=False),
    CredentialField("key", "BETA_KEY", "API key"),
)


OWN = plugin("own", CredentialField("key", "OWN_KEY", "API key"), base_url="", own_url="https://ns1.example.com:8443")

DNS = plugin("dns", CredentialField("key", "DNS_KEY", "TSIG key"), base_url="", own_url="dns://ns1.example.com")


class Installed:
    """Plugins that work, and one that is broken."""

    def names(self) -> tuple[str, ...]:
        return ("alpha", "beta-dns", "broken", "dns", "own")

    def get(self, name: str) -> ProviderPlugin:
        if name == "broken":
            raise PluginBroken("broken")
        found = {"alpha": ALPHA, "beta-dns": BETA, "dns": DNS, "own": OWN}.get(name)
        if found is None:
            raise PluginMissing(f"no {name}")
        return found


def in_file(text: str, folder: Path = Path()) -> Written:
    return Written(text, "wixsend.toml:7", folder)


def configured(environ: Mapping[str, str], **tables: Mapping[str, str]) -> Accounts:
    written = {name.replace("_", "-"): {key: in_file(value) for key, value in table.items()} for name, table in tables.items()}
    return Accounts(Installed(), written, Secrets(Redactor(), environ))


@pytest.fixture
def resolve(tmp_path: Path) -> Callable[[str], str]:
    """Follows a reference that stands in a file, and makes sure that what comes out is redacted."""

    def follow(text: str) -> str:
        redactor = Redactor()
        value = Secrets(redactor, {"SOME_TOKEN": f" {TOKEN}\n", "PATH": "/usr/bin:/bin"}).value("token", in_file(text, tmp_path))
        assert redactor.clean(f"<{value}>") == "<[token]>"
        return value

    return follow


def test_a_reference_to_the_environment(resolve: Callable[[str], str]) -> None:
    assert resolve("env:SOME_TOKEN") == TOKEN
    with pytest.raises(CredentialsMissing, match=r"wixsend\.toml:7 refers to the environment variable OTHER_TOKEN, which is not set"):
        resolve("env:OTHER_TOKEN")


def test_a_reference_to_a_file_that_only_we_can_read(resolve: Callable[[str], str], tmp_path: Path) -> None:
    secret = tmp_path / "token"
    secret.write_text(TOKEN + "\n")
    secret.chmod(0o600)
    assert resolve("file:token") == resolve(f"file:{secret}") == TOKEN
    for mode in (0o604, 0o602, 0o620, 0o666):
        secret.chmod(mode)
        with pytest.raises(ConfigError, match="open to other users") as caught:
            resolve("file:token")
        assert "chmod 600" in caught.value.next_step
    with pytest.raises(CredentialsMissing, match="does not exist"):
        resolve("file:elsewhere")


def test_a_reference_to_a_command(resolve: Callable[[str], str], tmp_path: Path) -> None:
    script = tmp_path / "print token.py"
    script.write_text(f"print({TOKEN!r})")
    assert resolve(f"command:{sys.executable} '{script}'") == TOKEN
    script.write_text(f"import sys; print({TOKEN!r}, file=sys.stderr); sys.exit(4)")
    with pytest.raises(ConfigError, match=r"wixsend\.toml:7: the command ended with exit code 4") as caught:
        resolve(f"command:{sys.executable} '{script}'")
    assert TOKEN not in str(caught.value)
    with pytest.raises(ConfigError, match="cannot be run"):
        resolve("command:no-such-program-at-all")


class _MemoryKeyring(keyring.backend.KeyringBackend):
    priority = 1
    kept: ClassVar[dict[tuple[str, str], str]] = {}

    def get_password(self, service: str, username: str) -> str | None:
        if service == "locked":
            raise RuntimeError("locked")
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self.kept[service, username] = password


@pytest.fixture
def memory_keyring() -> Iterator[None]:
    before = keyring.get_keyring()
    keyring.set_keyring(_MemoryKeyring())  # type: ignore[no-untyped-call]
    keyring.set_password("dns/alpha", "me", TOKEN)
    yield
    keyring.set_keyring(before)


@pytest.mark.usefixtures("memory_keyring")
def test_a_reference_to_the_keyring(resolve: Callable[[str], str]) -> None:
    assert resolve("keyring:dns/alpha/me") == TOKEN
    with pytest.raises(CredentialsMissing, match="holds nothing at dns/you"):
        resolve("keyring:dns/you")
    with pytest.raises(ConfigError, match=r"the keyring cannot be read \(RuntimeError\)"):
        resolve("keyring:locked/me")
    with pytest.raises(ConfigError, match="is no keyring reference"):
        resolve("keyring:nothing")


def test_a_command_is_run_once(tmp_path: Path) -> None:
    count = tmp_path / "count"
    secrets = Secrets(Redactor(), {"PATH": "/usr/bin:/bin"})
    written = in_file(f"command:sh -c 'echo x >> {count}; echo {TOKEN}'")
    assert [secrets.value("token", written) for _ in range(3)] == [TOKEN] * 3
    assert count.read_text() == "x\n"


def test_a_plain_secret_in_a_file_is_refused_with_its_line_and_the_way_to_do_it() -> None:
    with pytest.raises(ConfigError, match=r"wixsend\.toml:7: token holds a secret as it is") as caught:
        Secrets(Redactor(), {}).value("token", in_file(TOKEN))
    assert 'token = "env:NAME"' in caught.value.next_step
    assert TOKEN not in str(caught.value) + caught.value.next_step


@pytest.mark.parametrize("value", ["two\nlines-of-token", "smart”quote-token", "zero\u200bwidth-token"])
def test_a_secret_with_a_character_that_none_has_is_told_without_showing_it(value: str) -> None:
    with pytest.raises(ConfigError, match="has a character at place") as caught:
        Secrets(Redactor(), {}).value("token", Written(value, "ALPHA_TOKEN", plain=True))
    assert value[:3] not in str(caught.value)


def test_environment_variables_make_the_account_named_like_the_provider() -> None:
    (account,) = configured({"ALPHA_TOKEN": TOKEN, "ALPHA_SHOPPER": "42"}).accounts("alpha")
    assert account == Account("alpha", "alpha", "https://api.alpha.example", {"token": TOKEN, "shopper": "42"})
    assert TOKEN not in repr(account)


def test_accounts_of_the_file_stand_beside_it_and_the_environment_outweighs_the_file_in_its_own() -> None:
    environ = {"ALPHA_TOKEN": TOKEN, "CLIENT": "client-token"}
    accounts = configured(
        environ,
        alpha={"token": "env:UNUSED", "shopper": "7"},
        client={"provider": "alpha", "token": "env:CLIENT"},
        other={"provider": "beta-dns", "user": "u", "key": "env:CLIENT"},
    )
    found = {account.name: account.credentials for account in accounts.accounts("alpha")}
    assert found == {"alpha": {"token": TOKEN, "shopper": "7"}, "client": {"token": "client-token"}}
    assert [account.name for account in accounts.accounts()] == ["alpha", "client", "other"]
    assert (accounts.provider_of("client"), accounts.provider_of("beta-dns"), accounts.provider_of("nobody")) == ("alpha", "beta-dns", None)


def test_missing_credentials_list_field_variable_and_where_to_get_it() -> None:
    with pytest.raises(CredentialsMissing) as caught:
        configured({}).accounts("alpha")
    assert "token: API token (https://alpha.example/tokens)" in str(caught.value)
    assert "shopper" not in str(caught.value)
    assert "ALPHA_TOKEN" in caught.value.next_step
    assert "wixsend providers show alpha" in caught.value.next_step


def test_an_incomplete_account_names_what_it_lacks_and_is_left_out_of_the_list_of_all() -> None:
    accounts = configured({"BETA_USER": "u", "ALPHA_TOKEN": TOKEN})
    with pytest.raises(CredentialsMissing) as caught:
        accounts.accounts("beta-dns")
    assert "key: API key" in str(caught.value)
    assert "user" not in str(caught.value)
    assert [account.name for account in accounts.accounts()] == ["alpha"]


def test_an_incomplete_account_of_the_file_is_completed_in_the_file() -> None:
    with pytest.raises(CredentialsMissing) as caught:
        configured({}, client={"provider": "alpha", "shopper": "7"}).accounts("alpha")
    assert "[accounts.client]" in caught.value.next_step


def test_an_account_that_cannot_be_opened_is_no_concern_of_the_others() -> None:
    accounts = configured(
        {"ALPHA_TOKEN": TOKEN}, client={"provider": "alpha", "token": "env:UNSET"}, plain={"provider": "alpha", "token": TOKEN}
    )
    found = {account.name: account.problem for account in accounts.accounts("alpha")}
    assert found["alpha"] is None
    assert isinstance(found["client"], CredentialsMissing) and "UNSET" in str(found["client"])
    assert isinstance(found["plain"], ConfigError) and TOKEN not in str(found["plain"])


def test_an_unknown_field_of_an_account_names_the_line_and_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"wixsend\.toml:7: \[accounts\.alpha\] has no setting 'tokn'") as caught:
        configured({}, alpha={"tokn": "env:X"}).accounts("alpha")
    assert "'token'" in caught.value.next_step


@pytest.mark.parametrize(
    ("environ", "table", "base_url"),
    [
        ({}, {}, "https://api.alpha.example"),
        ({}, {"environment": "ote"}, "https://api.ote.alpha.example"),
        ({}, {"environment": "ote", "base_url": "https://own.example"}, "https://own.example"),
        ({"WIXSEND_ALPHA_BASE_URL": "http://127.0.0.1:8/"}, {"base_url": "https://own.example"}, "http://127.0.0.1:8"),
    ],
)
def test_where_the_api_is(environ: Mapping[str, str], table: Mapping[str, str], base_url: str) -> None:
    (account,) = configured({"ALPHA_TOKEN": TOKEN, **environ}, alpha=table).accounts("alpha")
    assert account.base_url == base_url


def test_a_host_of_ones_own_has_no_usual_place() -> None:
    with pytest.raises(CredentialsMissing, match=r"the base URL of Own is not set \(account own\)") as missing:
        configured({"OWN_KEY": TOKEN}).accounts("own")
    assert "WIXSEND_OWN_BASE_URL" in missing.value.next_step and '"https://ns1.example.com:8443"' in missing.value.next_step
    assert [account.name for account in configured({"OWN_KEY": TOKEN, "ALPHA_TOKEN": TOKEN}).accounts()] == ["alpha"]


@pytest.mark.parametrize(
    ("provider", "url"), [("own", "dns://ns1.example.com"), ("alpha", "dns://ns1.example.com"), ("dns", "https://ns1.example.com")]
)
def test_a_host_is_spoken_to_as_it_speaks(provider: str, url: str) -> None:
    environ = {"OWN_KEY": TOKEN, "ALPHA_TOKEN": TOKEN, "DNS_KEY": TOKEN, f"WIXSEND_{provider.upper()}_BASE_URL": url}
    with pytest.raises(ConfigError, match=f"is not spoken to at {url}") as wrong:
        configured(environ).accounts(provider)
    assert "Write its base_url as" in wrong.value.next_step


@pytest.mark.parametrize(("table", "plain"), [({}, False), ({"plain_http": "True"}, True), ({"plain_http": "False"}, False)])
def test_an_account_may_speak_without_tls_where_its_table_says_so(table: Mapping[str, str], plain: bool) -> None:
    [account] = configured({"OWN_KEY": TOKEN}, own={"base_url": "http://10.0.0.5:8081", **table}).accounts("own")
    assert (account.base_url, account.plain_http) == ("http://10.0.0.5:8081", plain)


def test_an_environment_that_the_vendor_does_not_have() -> None:
    with pytest.raises(ConfigError, match="Alpha has no environment 'test'") as caught:
        configured({"ALPHA_TOKEN": TOKEN}, alpha={"environment": "test"}).accounts("alpha")
    assert "ote" in caught.value.next_step


def test_missing_and_broken_plugins_are_told_only_to_who_asks_for_them() -> None:
    accounts = configured({"ALPHA_TOKEN": TOKEN})
    with pytest.raises(PluginMissing):
        accounts.accounts("gamma")
    with pytest.raises(PluginBroken):
        accounts.accounts("broken")
    assert len(accounts.accounts()) == 1


# Several ways into one host


OLD_WAY = plugin("two", CredentialField("key", "TWO_KEY", "key"), CredentialField("secret", "TWO_SECRET", "its secret"))
TWO = replace(plugin("two", CredentialField("token", "TWO_TOKEN", "token")), also=(OLD_WAY,))


class OnlyTwo:
    def names(self) -> tuple[str, ...]:
        return ("two",)

    def get(self, name: str) -> ProviderPlugin:
        return TWO


def _two(**environ: str) -> Accounts:
    return Accounts(OnlyTwo(), {}, Secrets(Redactor(), environ))


@pytest.mark.parametrize(
    ("environ", "way"),
    [
        ({"TWO_TOKEN": "t0ken"}, TWO),
        ({"TWO_KEY": "k3y", "TWO_SECRET": "s3cret"}, OLD_WAY),
        ({"TWO_KEY": "k3y", "TWO_SECRET": "s3cret", "TWO_TOKEN": "t0ken"}, TWO),
    ],
)
def test_the_credentials_decide_the_way(environ: dict[str, str], way: ProviderPlugin) -> None:
    [account] = _two(**environ).accounts("two")
    assert TWO.way(account.credentials) is way


def test_of_a_way_that_was_begun_only_the_rest_is_asked_for() -> None:
    with pytest.raises(CredentialsMissing) as raised:
        _two(TWO_KEY="k3y").accounts("two")
    assert "TWO_SECRET" in raised.value.next_step and "TWO_TOKEN" not in raised.value.next_step


def test_where_nothing_is_set_every_way_is_told() -> None:
    with pytest.raises(CredentialsMissing) as raised:
        _two().accounts("two")
    assert "TWO_TOKEN or TWO_KEY, TWO_SECRET" in raised.value.next_step
    assert "token: token\n  or\n  key: key\n" in raised.value.happened
