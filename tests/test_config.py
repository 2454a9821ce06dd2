"""wixsend.toml, environment variables and flags: what outweighs what, and errors that name file, line and fix."""

import re
from collections.abc import Callable, Mapping
from dataclasses import fields
from pathlib import Path

import pytest

from wixsend.config import ENVIRONMENT, Config, Flag, json_schema, load
from wixsend.errors import ConfigError
from wixsend.flow import Patience, Times

type Load = Callable[..., Config]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A repository with a folder in it, beside a user's configuration folder."""
    folder = tmp_path / "repository" / "clients"
    folder.mkdir(parents=True)
    (tmp_path / "repository" / ".git").mkdir()
    (tmp_path / "user").mkdir()
    return folder


@pytest.fixture
def read(project: Path, tmp_path: Path) -> Load:
    def read_all(
        text: str | None = None, environ: Mapping[str, str] | None = None, flags: tuple[Flag, ...] = (), user: str | None = None
    ) -> Config:
        if text is not None:
            (project / "wixsend.toml").write_text(text)
        if user is not None:
            (tmp_path / "user" / "wixsend.toml").write_text(user)
        return load(environ or {}, flags, cwd=project, user_folder=tmp_path / "user")

    return read_all


def test_without_any_source_everything_is_the_default(read: Load) -> None:
    config = read()
    assert config.files == ()
    assert config.wix.api_key is None
    assert config.times == Times()


def test_each_source_outweighs_those_before_it(read: Load) -> None:
    user, project = '[policy]\ndmarc = "stop"\n[wix]\nsite_id = "u"\napi_key = "env:U"', '[wix]\nsite_id = "p"'
    environ = {"WIXSEND_WIX_SITE_ID": "e"}
    flag = Flag("--site-id", ("wix", "site_id"), "f")
    assert read(project, user=user).wix.site_id == "p"
    assert read(project, environ, user=user).wix.site_id == "e"
    full = read(project, environ, (flag,), user)
    assert (full.wix.site_id, full.wix.api_key, full.settings.policy.dmarc) == ("f", "env:U", "stop")
    assert full.origin("wix", "site_id") == "--site-id"
    assert re.fullmatch(r".*user/wixsend\.toml:5", full.origin("wix", "api_key"))


def test_the_project_file_is_found_from_below_and_never_above_the_repository(read: Load, project: Path, tmp_path: Path) -> None:
    (tmp_path / "wixsend.toml").write_text('[wix]\nsite_id = "above"')
    assert read().files == ()
    (project.parent / "wixsend.toml").write_text('[wix]\nsite_id = "root"')
    assert read().wix.site_id == "root"
    assert read('[wix]\nsite_id = "nearest"').wix.site_id == "nearest"


def test_without_a_repository_only_the_current_folder_is_looked_at(tmp_path: Path) -> None:
    (tmp_path / "wixsend.toml").write_text('[wix]\nsite_id = "above"')
    (tmp_path / "below").mkdir()
    assert load({}, cwd=tmp_path / "below", user_folder=tmp_path / "none").files == ()


def test_a_named_file_stands_alone_and_must_exist(read: Load, project: Path) -> None:
    read('[wix]\nsite_id = "found"')
    named = project / "other.toml"
    named.write_text('[policy]\ndmarc = "stop"')
    assert load({}, cwd=project, file=named).wix.site_id is None
    assert load({"WIXSEND_CONFIG": str(named)}, cwd=project).settings.policy.dmarc == "stop"
    with pytest.raises(ConfigError, match=r"absent\.toml does not exist"):
        load({}, cwd=project, file=project / "absent.toml")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        pytest.param('[wix]\n\napi_kay = "env:X"', r":3: \[wix\] has no setting 'api_kay'; did you mean 'api_key'\?", id="key"),
        pytest.param('[wixx]\napi_key = "env:X"', r":2: wixsend\.toml has no setting 'wixx'; did you mean 'wix'\?", id="table"),
        pytest.param("[wix]\nsite_id = 7", r":2: wix\.site_id must be a valid string", id="type"),
        pytest.param('[policy]\ndmarc = "drop"', r":2: policy\.dmarc must be 'keep', 'replace' or 'stop'", id="choice"),
        pytest.param('[times]\ngive_up = "soon"', r":2: times\.give_up is no time", id="time"),
        pytest.param("[times]\ngive_up = -1", r":2: times\.give_up must be greater than or equal to 0", id="negative"),
        pytest.param("[times]\ngive_up = nan", r":2: times\.give_up is no time", id="nan"),
        pytest.param("[times]\nwait_long = 1", r":2: \[times\] has no setting 'wait_long'", id="no-such-time"),
        pytest.param('[wix]\nbase_url = "wixapis.com"', r":2: wix\.base_url is no http\(s\) URL", id="url"),
        pytest.param('[wix]\nbase_url = "dns://example"', r":2: wix\.base_url is no http\(s\) URL", id="url-dns"),
        pytest.param(
            '[accounts.a]\nbase_url = "ftp://a"', r":2: accounts\.a\.base_url is no http\(s\) URL, nor dns://HOST", id="url-account"
        ),
        pytest.param('[wix]\nbase_url = "https://u:p@example"', r":2: wix\.base_url must not hold credentials", id="url-credentials"),
        pytest.param('[wix.profiles.a]\nsite = "x"', r":2: \[wix\.profiles\.a\] has no setting 'site'", id="profile"),
        pytest.param('wix = "x"', r":1: wix must be a valid dictionary", id="no-table"),
        pytest.param("[wix\n", r"is not TOML: .*line 1", id="syntax"),
        pytest.param('x = """\n[wix]\napi_kay = 1\n"""\n[wix]\napi_kay = "a"', r":6: \[wix\] has no setting 'api_kay'", id="multi-line"),
    ],
)
def test_errors_name_the_file_the_line_and_the_fault(read: Load, text: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert re.search(r"wixsend\.toml" + says if says.startswith(":") else says, str(caught.value))
    assert caught.value.next_step


def test_all_faults_of_a_file_are_told_at_once_and_never_a_value(read: Load) -> None:
    with pytest.raises(ConfigError) as caught:
        read('[wix]\napi_kay = "hush-hush"\nsite_id = 3\n[policy]\ndmarc = "hush-hush"')
    assert [line.partition("wixsend.toml:")[2][0] for line in str(caught.value).splitlines()] == ["2", "3", "5"]
    assert "hush-hush" not in str(caught.value)


def test_a_fault_in_the_environment_names_the_variable(read: Load) -> None:
    with pytest.raises(ConfigError, match=r"WIXSEND_POLICY_DMARC: policy\.dmarc must be"):
        read(environ={"WIXSEND_POLICY_DMARC": "never"})


def test_a_misspelt_environment_variable_is_noticed(read: Load) -> None:
    (notice,) = read(environ={"WIXSEND_WIX_APIKEY": "x", "WIXSEND_CLOUDFLARE_BASE_URL": "http://127.0.0.1:1"}).notices
    assert "WIXSEND_WIX_APIKEY" in notice
    assert "did you mean WIXSEND_WIX_API_KEY?" in notice


def test_lists_and_tables_can_come_from_the_environment(read: Load) -> None:
    environ = {
        "WIXSEND_DNS_RESOLVERS": "127.0.0.1, 127.0.0.2",
        "WIXSEND_DNS_ENDPOINTS": "192.0.2.1=127.0.0.1:5301,192.0.2.2=127.0.0.1:5302",
        "WIXSEND_TIMES_GIVE_UP": "2d",
    }
    config = read(user='[dns]\nport = 5300\n[dns.endpoints]\n"198.51.100.1" = "127.0.0.1:1"\n', environ=environ)
    assert config.settings.dns.resolvers == ("127.0.0.1", "127.0.0.2")
    assert config.settings.dns.endpoints == {"192.0.2.1": "127.0.0.1:5301", "192.0.2.2": "127.0.0.1:5302"}
    assert config.settings.dns.port == 5300
    assert config.times.give_up == 172800.0


def test_every_wait_of_the_engine_can_be_set(read: Load) -> None:
    written = {field.name: '"documented"' if field.name == "patience" else number for number, field in enumerate(fields(Times), 1)}
    text = "[times]\n" + "".join(f"{name} = {value}\n" for name, value in written.items())
    assert read(text).times == Times(Patience.DOCUMENTED, *range(2, len(fields(Times)) + 1))
    with pytest.raises(ConfigError, match=r"wixsend\.toml:2: times\.patience must be 'proof' or 'documented'"):
        read('[times]\npatience = "endless"')


def test_a_profile_is_laid_over_wix_and_outweighs_the_environment(read: Load) -> None:
    text = '[wix]\napi_key = "env:KEY"\nsite_id = "mine"\n[wix.profiles.client]\nsite_id = "theirs"\n[wix.profiles.app]\napp_id = "a"'
    environ = {"WIXSEND_WIX_SITE_ID": "from-environment"}
    chosen = read(text, environ, (Flag("--profile", ("wix", "profile"), "client"),))
    assert (chosen.wix.api_key, chosen.wix.site_id) == ("env:KEY", "theirs")
    assert read(text, environ | {"WIXSEND_PROFILE": "client"}).wix.site_id == "theirs"
    app = read(text, environ, (Flag("--profile", ("wix", "profile"), "app"),)).wix
    assert (app.app_id, app.api_key) == ("a", None)


def test_an_unknown_profile_is_an_error_with_the_nearest_name(read: Load) -> None:
    with pytest.raises(ConfigError, match="no Wix profile 'cleint'") as caught:
        read('[wix.profiles.client]\nsite_id = "x"', flags=(Flag("--profile", ("wix", "profile"), "cleint"),))
    assert "'client'" in caught.value.next_step


def test_the_way_to_prove_who_asks_that_has_more_weight_puts_the_other_out(read: Load) -> None:
    app = '[wix]\napp_id = "a"\napp_secret = "env:S"\ninstance_id = "i"'
    config = read(app, {"WIXSEND_WIX_API_KEY": "key", "WIXSEND_WIX_SITE_ID": "s"})
    assert (config.wix.api_key, config.wix.app_id) == ("key", None)
    with pytest.raises(ConfigError, match="both an API key and an app"):
        read(app + '\napi_key = "env:K"')


def test_a_file_that_every_user_can_write_is_not_trusted(read: Load, project: Path) -> None:
    read('[wix]\nsite_id = "x"')
    (project / "wixsend.toml").chmod(0o666)
    with pytest.raises(ConfigError, match="can be written by every user"):
        read()
    assert load({}, file=project / "wixsend.toml").wix.site_id == "x"


REACHING = {
    "wix.base_url": '[wix]\nbase_url = "https://www.wixapis.com.example"',
    "wix.profiles.a.base_url": '[wix.profiles.a]\nbase_url = "https://www.wixapis.com.example"',
    "accounts.cloudflare.base_url": '[accounts.cloudflare]\nbase_url = "https://cloudflare.example"',
    "accounts.powerdns.plain_http": "[accounts.powerdns]\nplain_http = true",
    "http.proxy": '[http]\nproxy = "http://proxy.example"',
    "http.ca_file": '[http]\nca_file = "ours.pem"',
    "dns.endpoints": '[dns]\nendpoints = {"198.51.100.1" = "127.0.0.1:1"}',
    "dns.roots": '[dns]\nroots = ["198.51.100.1"]',
    "dns.resolvers": '[dns]\nresolvers = ["198.51.100.1"]',
    "dns.private_servers": "[dns]\nprivate_servers = true",
    "state.folder": '[state]\nfolder = "state"',
    "state.database": '[state]\ndatabase = "env:DATABASE"',
    "state.keep_backups": "[state]\nkeep_backups = 0",
    "wix.api_key": '[wix]\napi_key = "command:sh -c evil"',
    "wix.app_secret": '[wix]\napp_secret = "file:secret"',
    "wix.profiles.a.api_key": '[wix.profiles.a]\napi_key = "command:evil"',
    "accounts.cloudflare.api_token": '[accounts.cloudflare]\napi_token = "command:evil"',
}


@pytest.mark.parametrize(("setting", "text"), REACHING.items(), ids=list(REACHING))
def test_a_project_file_that_was_merely_found_reaches_nowhere(read: Load, project: Path, setting: str, text: str) -> None:
    with pytest.raises(ConfigError, match=rf"wixsend\.toml:\d: {setting} .* is not taken from a file that was merely found") as caught:
        read(text)
    assert f"--config {project}/wixsend.toml" in caught.value.next_step
    assert load({}, file=project / "wixsend.toml").files == (project / "wixsend.toml",)
    (project / "wixsend.toml").unlink()
    assert read(user=text).origin(*setting.split("."))


def test_the_users_own_file_is_trusted_where_it_is_found_too(tmp_path: Path) -> None:
    (tmp_path / "wixsend.toml").write_text(REACHING["http.proxy"])
    assert load({}, cwd=tmp_path, user_folder=tmp_path).files == (tmp_path / "wixsend.toml",)


def test_a_project_file_may_say_which_site_account_and_policy(read: Load) -> None:
    text = '[wix]\napi_key = "env:KEY"\nsite_id = "s"\n[accounts.cf]\nprovider = "cloudflare"\napi_token = "keyring:dns/cf"\n'
    assert read(text + '[policy]\ndmarc = "stop"\n[dns]\ntimeout = 1\n[times]\ngive_up = "1d"\n[http]\ntimeout = 9').wix.site_id == "s"


@pytest.mark.parametrize(
    "text",
    [
        '[accounts."a\\nwixsend: done\\u001b[2J"]\nprovider = 7',
        '"\\u001b[2J\\n" = 1',
        '[wix]\nsite_id = "a\\nb"',
        '[wix]\nsite_id = "a\\u009b2J"',
        "x = " + "[" * 5000,
        "x = " + "9" * 5000,
        "x" * 1_000_001,
    ],
    ids=["account", "key", "newline", "c1", "deep", "endless", "large"],
)
def test_a_hostile_file_is_an_error_in_printable_lines(read: Load, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read(text)
    assert all(line.isprintable() for line in str(caught.value).splitlines())
    assert len(str(caught.value).splitlines()) == 1
    assert caught.value.next_step


def test_what_may_be_secret_is_never_shown(read: Load) -> None:
    text = '[wix]\napi_key = "env:KEY"\n[accounts.cf]\nprovider = "cloudflare"\napi_token = "plain-token"\n[state]\ndatabase = "postgresql://u:pw@h/d"'
    config = read(environ={"WIXSEND_WIX_APP_SECRET": "plain-secret"}, user=text)
    shown = {".".join(setting.path): setting.shown for setting in config.set.values()}
    assert shown["accounts.cf.provider"] == "cloudflare"
    assert shown["accounts.cf.api_token"] == shown["wix.app_secret"] == shown["state.database"] == "[set]"
    assert read(user=text).set["wix", "api_key"].shown == "env:KEY"
    assert "plain-" not in repr(config) + repr(config.settings) + str(config.settings.accounts) + repr(Flag("--x", ("x",), "plain-value"))


def test_a_byte_order_mark_is_no_error(project: Path, read: Load) -> None:
    (project / "wixsend.toml").write_bytes(b'\xef\xbb\xbf[wix]\nsite_id = "x"\n')
    assert read().wix.site_id == "x"


def test_the_schema_knows_every_section_and_every_variable_leads_into_it() -> None:
    schema = json_schema()
    assert {section for section, _ in ENVIRONMENT.values()} | {"accounts"} == set(schema["properties"])
    assert ENVIRONMENT["WIXSEND_DATABASE_URL"] == ("state", "database")
    assert all(re.fullmatch(r"WIXSEND_[A-Z0-9_]+", name) for name in ENVIRONMENT)
