"""The command line, from argv to exit code, against the sandbox: real HTTP, real DNS messages, nothing replaced."""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest

from wixsend.cli import cli, main
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.testing.sandbox import ELSEWHERE, WIX, Sandbox

DMARC = '"v=DMARC1; p=reject"'


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(resolvers=2) as opened:
        opened.wix.requires_dmarc = False
        yield opened


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


type Wixsend = Callable[..., Ended]


@pytest.fixture
def environ(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        **sandbox.environment(),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "WIXSEND_STATE": str(tmp_path / "state"),
        "WIXSEND_TIMES_LOOK_LEAST": "0.1",
        "WIXSEND_TIMES_STUMBLE_FIRST": "0.05",
        "WIXSEND_TIMES_SETTLE_MOST": "0",
    }


@pytest.fixture
def wixsend(environ: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Wixsend:
    """Runs the command line in this process: no terminal, an empty current folder, the sandbox's environment and what is added to it."""
    monkeypatch.chdir(tmp_path)

    def run(*args: str, **more: str) -> Ended:
        with monkeypatch.context() as patch:
            for name in [name for name in os.environ if name.startswith(("WIXSEND_", "CLOUDFLARE_", "GODADDY_", "NAMECHEAP_"))]:
                patch.delenv(name)
            for name, value in {**environ, **more}.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main(list(args))
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        for secret in _secrets(environ | more):
            assert secret not in out + err
        return Ended(int(ended.value.code or 0), out, err)

    return run


def _secrets(environ: dict[str, str]) -> list[str]:
    return [value for name, value in environ.items() if re.search(r"KEY|SECRET|TOKEN", name) and len(value) > 5]


def record(domain: str, owner: str, rtype: str, rdata: str) -> Record:
    return Record(absolute(owner, absolute(domain)), rtype, rdata, 3600)


def zone(domain: str, *more: Record) -> list[Record]:
    return [record(domain, "www", "A", "192.0.2.80"), record(domain, "@", "MX", "10 mail.example.net."), *more]


# -- help, completion, start-up ----------------------------------------------------------------------------------------


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for name, command in group.commands.items():
        yield (*path, name)
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))


@pytest.mark.parametrize("path", [(), *commands()], ids=" ".join)
def test_every_help_shows_an_example(wixsend: Wixsend, path: tuple[str, ...]) -> None:
    ended = wixsend(*path, "--help")
    assert ended.code == 0
    example = ended.out.partition("Example:\n")[2]
    assert f"wixsend {' '.join(path)}".strip() in example


def imported(*args: str) -> set[str]:
    """The modules that a process holds when this command has ended."""
    code = f"import sys\nfrom wixsend.cli import main\ntry: main({list(args)!r})\nexcept SystemExit: print('\\nMODULES', *sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env={"PATH": "", "HOME": "/nowhere"})
    return set(done.stdout.rpartition("MODULES")[2].split())


SDKS = {"cloudflare", "godaddypy", "namecheap", "requests", "aiohttp"}
HEAVY = {"httpx", "dns", "pydantic", "sqlalchemy", "rich", "pluggy", "asyncio", "platformdirs", "filelock"}


@pytest.mark.parametrize("args", [["--help"], ["authenticate", "--help"], ["--version"]], ids=" ".join)
def test_help_imports_no_sdk_and_no_http_or_dns_library(args: list[str]) -> None:
    modules = imported(*args)
    assert "click" in modules
    assert not modules & (SDKS | HEAVY)


def test_listing_providers_imports_no_sdk_http_library_or_database() -> None:
    modules = imported("providers")
    assert "wixsend.plugins" in modules
    assert not modules & (SDKS | {"httpx", "pydantic", "sqlalchemy", "rich", "asyncio"})


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(wixsend: Wixsend, shell: str) -> None:
    ended = wixsend("completion", shell)
    assert ended.code == 0
    assert "_WIXSEND_COMPLETE" in ended.out


def test_unknown_commands_and_options_are_usage_errors(wixsend: Wixsend) -> None:
    assert wixsend("plann", "example.com").code == 2
    assert wixsend("plan").code == 2
    assert wixsend("plan", "example.com", "--dmarc", "drop").code == 2
    ended = wixsend("check", "example.com", "TXT", "hello")
    assert ended.code == 2 and "CNAME records, not TXT" in ended.err


# -- plan --------------------------------------------------------------------------------------------------------------


def test_plan_says_what_would_be_done_and_writes_nothing(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.add_domain("plan.example", "cloudflare", zone("plan.example", record("plan.example", "_dmarc", "TXT", DMARC)))
    before = sandbox.raw("cloudflare", "plan.example")
    ended = wixsend("plan", "plan.example")
    assert ended.code == 0
    assert re.search(r"^\+ s1\._domainkey\.plan\.example\. +IN CNAME s1\._domainkey\.plan\.example\.", ended.out, re.M)
    assert re.search(r"^\. _dmarc\.plan\.example\.", ended.out, re.M)
    assert "3 other records stay as they are" in ended.out
    assert sandbox.raw("cloudflare", "plan.example") == before
    value = wixsend("plan", "plan.example", "--json").json
    assert (value["zone"], value["provider"], value["account"], value["objections"]) == ("plan.example", "cloudflare", "cloudflare", [])
    assert len(value["plan"]["changes"]["add"]) == 4
    assert wixsend("status", "--json").json == []


@pytest.mark.parametrize(
    ("written", "remark"),
    [
        ("https://www.written.example/shop", "took the domain www.written.example from the URL"),
        ("Jane <jane@written.example>", "took the domain written.example from the address"),
        ("WRITTEN.example.", ""),
    ],
)
def test_a_domain_inside_something_else_is_taken_and_said(wixsend: Wixsend, sandbox: Sandbox, written: str, remark: str) -> None:
    for domain in ("written.example", "www.written.example"):
        sandbox.add_domain(domain, "cloudflare", zone("written.example"), zone="written.example")
    ended = wixsend("plan", written)
    assert ended.code == 0
    assert remark in ended.err


@pytest.mark.parametrize("written", ["nonsense", "192.0.2.1", "a b.example", "", "x" * 64 + ".example", "jane@gmail.com"])
def test_what_is_no_sending_domain_is_refused_with_the_reason(wixsend: Wixsend, written: str) -> None:
    ended = wixsend("plan", written)
    assert ended.code == 2
    assert re.search(r"^wixsend: .+\n  next: ", ended.err, re.M)
    assert ended.out == ""


def test_an_error_is_json_too_where_json_was_asked_for(wixsend: Wixsend) -> None:
    ended = wixsend("plan", "nonsense", "--json")
    assert ended.json["error"]["code"] == "bad-domain"
    assert ended.json["error"]["exit_code"] == ended.code == 2


def test_a_conflict_is_refused_with_every_objection(wixsend: Wixsend, sandbox: Sandbox) -> None:
    theirs = [record("taken.example", f"{host}._domainkey", "CNAME", "u1.wl.sendgrid.net.") for host in ("s1", "s2")]
    sandbox.add_domain("taken.example", "godaddy", zone("taken.example", *theirs))
    before = sandbox.raw("godaddy", "taken.example")
    ended = wixsend("plan", "taken.example")
    assert ended.code == 3
    assert ended.out.count("refused: ") == 2
    assert "--replace s1._domainkey.taken.example" in ended.out
    assert wixsend("plan", "taken.example", "--json").json["objections"][0]["code"]
    assert wixsend("authenticate", "taken.example", "--yes").code == 3
    assert sandbox.raw("godaddy", "taken.example") == before


# -- authenticate ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("host", "calls"), [("cloudflare", (3, 2)), ("godaddy", (4, 2)), ("namecheap", (4, 2))])
def test_authenticate_does_the_whole_job_and_the_second_time_nothing(
    wixsend: Wixsend, sandbox: Sandbox, host: str, calls: tuple[int, int]
) -> None:
    domain = f"whole-{host}.example"
    sandbox.add_domain(domain, host, zone(domain))
    before = {json.dumps(row, sort_keys=True) for row in sandbox.raw(host, domain)["records"]}
    sandbox.reset_counts()
    ended = wixsend("authenticate", domain, "--yes")
    assert ended.code == 0, ended.err
    assert f"{domain}: authenticated" in ended.out
    assert "5 records added by wixsend" in ended.out
    assert "waiting for DNS" in ended.err
    assert before < {json.dumps(row, sort_keys=True) for row in sandbox.raw(host, domain)["records"]}
    assert sandbox.count(host) <= calls[0]
    assert sandbox.count("wix") <= 4
    written = sandbox.raw(host, domain)
    sandbox.reset_counts()
    assert wixsend("plan", domain).out.count("\n= ") == 5
    assert sandbox.count(host) <= calls[1]
    assert wixsend("authenticate", domain, "--yes").code == 0
    assert sandbox.raw(host, domain) == written


def test_without_a_terminal_and_without_yes_the_plan_is_printed_and_nothing_written(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("silent.example", "namecheap", zone("silent.example"))
    before = sandbox.raw("namecheap", "silent.example")
    ended = wixsend("authenticate", "silent.example")
    assert ended.code == 3
    assert "+ s1._domainkey.silent.example." in ended.out
    assert "Add 5 records to silent.example at Namecheap (account namecheap); 2 others unchanged." in ended.out
    assert "--yes" in ended.err
    assert sandbox.raw("namecheap", "silent.example") == before


def test_results_are_on_stdout_and_progress_on_stderr(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("streams.example", "cloudflare", zone("streams.example"))
    ended = wixsend("authenticate", "streams.example", "--yes", "--json")
    assert ended.json["stage"] == "done"
    assert len(ended.json["written"]) == 5
    assert "streams.example: writing" in ended.err


def test_no_wait_says_when_to_come_back_and_the_same_command_goes_on(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("later.example", "cloudflare", zone("later.example"), delay=3600.0)
    ended = wixsend("authenticate", "later.example", "--yes", "--no-wait", WIXSEND_TIMES_LOOK_LEAST="60")
    assert ended.code == 6
    assert "later.example: waiting for DNS" in ended.out
    assert re.search(r"next look at \d\d:\d\d:\d\d[+-]\d\d:\d\d, in ", ended.out)
    assert "`wixsend authenticate later.example` goes on from here" in ended.err
    sandbox.reset_counts()
    assert wixsend("authenticate", "later.example", "--yes", "--no-wait", WIXSEND_TIMES_LOOK_LEAST="60").code == 6
    assert sandbox.count("cloudflare") == 0
    listed = wixsend("status")
    assert re.search(r"^later\.example +\S+ +waiting for DNS +\d\d:", listed.out, re.M)


def test_where_nobody_can_write_the_records_are_printed_to_add_by_hand(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("stranger.example", ELSEWHERE, zone("stranger.example"))
    planned = wixsend("plan", "stranger.example")
    assert planned.code == 0
    assert "no installed plugin knows its name servers (ns1.unheard-of.example, ns2.unheard-of.example)" in planned.out
    ended = wixsend("authenticate", "stranger.example", "--no-wait", WIXSEND_TIMES_LOOK_LEAST="60")
    assert ended.code == 6
    for text in (planned.out, ended.out):
        assert re.search(r"^s1\._domainkey +CNAME +s1\._domainkey\.stranger\.example\.", text, re.M)
        assert "$ORIGIN stranger.example." in text


def test_records_of_a_zone_below_are_printed_for_that_zone_with_its_name_servers(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("parted.example", ELSEWHERE, zone("parted.example"))
    sandbox.dns.add_zone("_domainkey.parted.example", ("ns1.selectors.example",))
    planned = wixsend("plan", "parted.example").out
    assert "Add these records to the zone _domainkey.parted.example, which ns1.selectors.example serves:" in planned
    assert re.search(r"^s1 +CNAME +s1\._domainkey\.parted\.example\.", planned, re.M)
    assert "Add these records to the zone parted.example:" in planned
    assert "may remember for 5 min that the names do not exist" in planned


def test_a_zone_at_wix_needs_no_write(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("at-wix.example", WIX)
    assert "Wix adds the records itself" in wixsend("plan", "at-wix.example").out
    assert wixsend("authenticate", "at-wix.example").code == 0


def test_an_existing_policy_is_kept_unless_its_replacement_is_asked_for_and_undo_puts_it_back(wixsend: Wixsend, sandbox: Sandbox) -> None:
    domain = "policy.example"
    sandbox.add_domain(domain, "cloudflare", zone(domain, record(domain, "_dmarc", "TXT", DMARC)))
    ended = wixsend("authenticate", domain, "--yes")
    assert "_dmarc.policy.example kept as it is" in ended.out
    assert "_dmarc kept" in ended.err
    assert wixsend("authenticate", domain, "--yes", "--dmarc", "replace").code == 0
    undone = wixsend("undo", domain, "--yes")
    assert undone.code == 0
    assert "is AUTHENTICATED" in undone.err
    held = {(row["name"], row["type"], row["content"]) for row in sandbox.raw("cloudflare", domain)["records"]}
    assert ("_dmarc.policy.example", "TXT", DMARC) in held
    assert len(held) == 3


# -- undo, check, backups, restore -------------------------------------------------------------------------------------


def test_undo_takes_back_what_was_written_and_nothing_else(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("back.example", "namecheap", zone("back.example"))
    before = sandbox.raw("namecheap", "back.example")
    assert wixsend("undo", "back.example", "--yes").code == 3
    assert wixsend("authenticate", "back.example", "--yes").code == 0
    assert wixsend("undo", "back.example").code == 3
    ended = wixsend("undo", "back.example", "--yes")
    assert ended.code == 0
    assert "undone: 5 records removed" in ended.out
    assert sandbox.raw("namecheap", "back.example") == before


def test_check_proves_in_dns_and_does_not_ask_resolvers_too_early(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("proof.example", "cloudflare", zone("proof.example"))
    sandbox.reset_counts()
    early = wixsend("check", "proof.example")
    assert early.code == 6
    assert "not asked" in early.out
    assert not sandbox.dns.queries_at(*sandbox.dns.settings().resolvers)
    assert wixsend("authenticate", "proof.example", "--yes").code == 0
    value = wixsend("check", "proof.example", "--json")
    assert value.code == 0
    assert value.json["complete"] is True
    assert {finding["verdict"] for finding in value.json["findings"]} == {"visible"}


def test_check_of_any_record_needs_neither_wix_nor_a_journal(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.add_domain("any.example", "cloudflare", [record("any.example", "www", "CNAME", "any.example.")])
    alone = {"WIXSEND_WIX_API_KEY": "", "WIXSEND_WIX_SITE_ID": "", "WIXSEND_WIX_BASE_URL": "", "WIXSEND_STATE": str(tmp_path / "none")}
    done = wixsend("check", "www.any.example", "cname", "any.example", **alone)
    assert done.code == 0 and "complete: every authoritative server" in done.out
    assert wixsend("check", "www.any.example", "CNAME", "other.example", "--json", **alone).code == 6
    assert not (tmp_path / "none").exists()
    assert wixsend("check", "www.any.example", "CNAME").code == 2
    assert wixsend("check", "www.any.example", "MX", "any.example").code == 2


def test_what_was_lost_can_be_put_back_from_a_backup(wixsend: Wixsend, sandbox: Sandbox) -> None:
    domain = "lost.example"
    sandbox.add_domain(domain, "namecheap", zone(domain))
    assert wixsend("authenticate", domain, "--yes").code == 0
    sandbox.edit_behind("namecheap", domain, remove=[record(domain, "www", "A", "192.0.2.80")])
    (backup,) = wixsend("backups", domain, "--json").json
    assert backup["whole"] is True
    assert "www.lost.example." in wixsend("restore", str(backup["number"])).out
    assert wixsend("restore", "99", "www").code == 2
    assert wixsend("restore", str(backup["number"]), "nowhere").code == 2
    assert wixsend("restore", str(backup["number"]), "www.lost.example", "--yes").code == 0
    assert any(row["Name"] == "www" for row in sandbox.raw("namecheap", domain)["records"])


# -- configuration and credentials -------------------------------------------------------------------------------------


def test_missing_and_wrong_credentials_have_their_own_exit_codes(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("keys.example", "cloudflare", zone("keys.example"))
    missing = wixsend("plan", "keys.example", WIXSEND_WIX_API_KEY="")
    assert missing.code == 2
    assert "WIXSEND_WIX_API_KEY" in missing.err
    assert wixsend("plan", "keys.example", WIXSEND_WIX_API_KEY="IST.wrong-key").code == 7
    absent = wixsend("plan", "keys.example", CLOUDFLARE_API_TOKEN="")
    assert absent.code == 2
    assert "CLOUDFLARE_API_TOKEN" in absent.err
    assert wixsend("plan", "keys.example", CLOUDFLARE_API_TOKEN="wrong-token-0123456789").code == 4


def test_providers_test_says_whether_credentials_are_taken_and_what_they_reach(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("reach.example", "godaddy", zone("reach.example"))
    good = wixsend("providers", "test", "godaddy", "reach.example")
    assert good.code == 0
    assert re.search(r"^godaddy +reach\.example +yes ", good.out, re.M)
    assert wixsend("providers", "test", "godaddy", "elsewhere.example").code == 4
    assert wixsend("providers", "test", "cloudflare", CLOUDFLARE_API_TOKEN="wrong-token-0123456789").code == 4
    assert wixsend("providers", "test", "cloudflare").code == 0
    assert wixsend("providers", "test", "wix").code == 0
    assert wixsend("providers", "test", "wix", WIXSEND_WIX_API_KEY="IST.wrong-key").code == 7
    assert wixsend("providers", "test", "nobody").code == 2


def test_providers_test_says_by_which_api_and_what_to_get(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("reach3.example", "godaddy", zone("reach3.example"))
    token = {"GODADDY_TOKEN": sandbox.hosts["godaddy"].also[0].credentials["token"]}
    [good] = wixsend("providers", "test", "godaddy", "reach3.example", "--json", **token).json
    assert good["works"] and "version 3" in good["api"] and "domains.dns:update" in good["says"]
    refused = wixsend("providers", "test", "godaddy", GODADDY_TOKEN="gd_pat_nobody_knows_this")
    assert refused.code == 4 and "personal-access-token" in refused.out


def test_the_whole_job_at_godaddy_with_a_token_and_back(wixsend: Wixsend, sandbox: Sandbox) -> None:
    before = zone("token.example")
    sandbox.add_domain("token.example", "godaddy", before)
    token = {"GODADDY_TOKEN": sandbox.hosts["godaddy"].also[0].credentials["token"]}
    held = sandbox.raw("godaddy", "token.example")
    assert wixsend("authenticate", "token.example", "--yes", **token).code == 0
    assert sandbox.raw("godaddy", "token.example") != held
    assert wixsend("undo", "token.example", "--yes", **token).code == 0
    assert sandbox.raw("godaddy", "token.example") == held
    assert {
        call.request.path.split("/")[1] for call in sandbox.calls if call.service == "godaddy" and "token.example" in call.request.path
    } == {"v3"}


def test_providers_lists_and_shows(wixsend: Wixsend) -> None:
    assert {row["name"] for row in wixsend("providers", "--json").json} >= {"cloudflare", "godaddy", "namecheap"}
    shown = wixsend("providers", "show", "namecheap")
    assert "NAMECHEAP_API_KEY" in shown.out
    assert wixsend("providers", "show", "namecheap", "--json").json["accounts"] == ["namecheap"]
    assert "pip install wixsend-nobody" in wixsend("providers", "show", "nobody").err


def test_config_shows_where_each_value_comes_from_and_no_secret(wixsend: Wixsend, tmp_path: Path) -> None:
    (tmp_path / "wixsend.toml").write_text('[policy]\ndmarc = "stop"\n')
    value = wixsend("config", "--json").json
    assert {"path": ["policy", "dmarc"], "value": "stop", "from": f"{tmp_path}/wixsend.toml:2", "secret": False} in value["settings"]
    assert {"path": ["wix", "api_key"], "value": "[set]", "from": "WIXSEND_WIX_API_KEY", "secret": True} in value["settings"]
    assert "wixsend.toml:2" in wixsend("config").out
    assert wixsend("config", "--schema").json["properties"]["wix"]
    (tmp_path / "wixsend.toml").write_text('[wix]\nsite = "x"\n')
    assert "wixsend.toml:2: [wix] has no setting 'site'" in wixsend("status").err


def test_global_options_outweigh_file_and_environment(wixsend: Wixsend, tmp_path: Path) -> None:
    named = tmp_path / "named.toml"
    named.write_text('[wix.profiles.client]\nsite_id = "client-site"\n')
    ended = wixsend("--config", str(named), "--state", str(tmp_path / "other"), "--profile", "client", "config", "--json")
    origins = {tuple(setting["path"]): (setting["value"], setting["from"]) for setting in ended.json["settings"]}
    assert origins["state", "folder"] == (str(tmp_path / "other"), "--state")
    assert origins["wix", "site_id"] == ("client-site", f"{named}:2")
    assert wixsend("--state", str(tmp_path / "other"), "status").code == 0
    assert (tmp_path / "other" / "journal.db").exists()
    assert not (tmp_path / "state").exists()


def test_a_secret_in_the_file_is_refused_by_every_command_that_could_use_it(wixsend: Wixsend, tmp_path: Path) -> None:
    (tmp_path / "wixsend.toml").write_text('[wix]\napi_key = "IST.plain-secret-key"\n')
    ended = wixsend("plan", "example.com", WIXSEND_WIX_API_KEY="")
    assert ended.code == 2
    assert "wixsend.toml:2: api_key holds a secret as it is" in ended.err
    assert "plain-secret-key" not in ended.err + ended.out


def keys(value: Any) -> set[str]:
    """Every key of a JSON document whose meaning is ours; settings of a zone and environment variables are named by others."""
    if isinstance(value, list):
        return set().union(*(keys(item) for item in value))
    if not isinstance(value, dict):
        return set()
    free = {"data", "settings", "environments", "environment"}
    return set(value) | set().union(*(keys(item) for key, item in value.items() if key not in free))


def test_every_key_of_every_json_form_is_documented(wixsend: Wixsend, sandbox: Sandbox) -> None:
    page = (Path(__file__).parent.parent / "docs" / "reference" / "json.md").read_text()
    documented = set(re.findall(r'[`"](\w+)[`"]', page))
    sandbox.add_domain("json.example", "namecheap", zone("json.example", record("json.example", "s1._domainkey", "A", "192.0.2.1")))
    run = ("plan json.example", "authenticate json.example --yes", "status json.example", "check json.example", "backups", "config")
    for command in (*run, "providers", "providers show namecheap", "providers test namecheap json.example", "plan nonsense"):
        assert keys(wixsend(*command.split(), "--json").json) <= documented, command
    sandbox.add_domain("json2.example", "cloudflare", zone("json2.example"))
    for command in ("authenticate json2.example", "authenticate json2.example --yes", "backups", "undo json2.example --yes"):
        assert keys(wixsend(*command.split(), "--json").json) <= documented, command


# -- how a command ends ------------------------------------------------------------------------------------------------


def start(environ: dict[str, str], *args: str, **more: Any) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-m", "wixsend", *args], env=environ, text=True, **more)


def read_until(stream: Any, said: str, seconds: float = 30.0) -> str:
    """What a process says, up to and with the expected words."""
    text, ends = "", time.monotonic() + seconds
    while said not in text:
        ready, _, _ = select.select([stream], [], [], max(0.0, ends - time.monotonic()))
        chunk = os.read(stream if isinstance(stream, int) else stream.fileno(), 4096).decode() if ready else ""
        assert chunk, f"{said!r} was not said: {text!r}"
        text += chunk
    return text


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_an_interrupted_command_ends_with_130_and_goes_on_later(
    environ: dict[str, str], wixsend: Wixsend, sandbox: Sandbox, number: signal.Signals
) -> None:
    domain = f"{number.name.lower()}.example"
    sandbox.add_domain(domain, "cloudflare", zone(domain), delay=3600.0)
    process = start(environ, "authenticate", domain, "--yes", "--wait", stderr=subprocess.PIPE, stdout=subprocess.PIPE)
    with process:
        assert process.stderr is not None
        read_until(process.stderr, "waiting for DNS: ")
        process.send_signal(number)
        _, said = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "the same command goes on where it was" in said.lower()
    assert "Traceback" not in said
    sandbox.reset_counts()
    assert wixsend("authenticate", domain, "--yes", "--no-wait", WIXSEND_TIMES_LOOK_LEAST="60").code == 6
    assert sandbox.count("cloudflare") == 0


@pytest.fixture
def at_terminal(environ: dict[str, str]) -> Iterator[Callable[..., tuple[int, "subprocess.Popen[str]"]]]:
    """Starts a command on a terminal of its own; gives the other end of it."""
    opened: list[tuple[int, subprocess.Popen[str]]] = []

    def begin(*args: str) -> tuple[int, "subprocess.Popen[str]"]:
        ours, theirs = pty.openpty()
        process = start(
            {**environ, "TERM": "xterm", "COLUMNS": "70"}, *args, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        )
        os.close(theirs)
        opened.append((ours, process))
        return ours, process

    yield begin
    for ours, process in opened:
        if process.poll() is None:
            process.kill()
        process.wait()
        os.close(ours)


def test_at_a_terminal_the_plan_is_shown_and_asked_for(
    at_terminal: Callable[..., tuple[int, "subprocess.Popen[str]"]], sandbox: Sandbox
) -> None:
    sandbox.add_domain("asked.example", "namecheap", zone("asked.example"))
    before = sandbox.raw("namecheap", "asked.example")
    screen, process = at_terminal("authenticate", "asked.example")
    shown = read_until(screen, "[y/N] ")
    assert "Add 5 records to asked.example at Namecheap" in shown
    os.write(screen, b"n\n")
    assert process.wait(30) == 3
    assert sandbox.raw("namecheap", "asked.example") == before
    screen, process = at_terminal("authenticate", "asked.example")
    read_until(screen, "[y/N] ")
    os.write(screen, b"y\n")
    read_until(screen, "5 records added by wixsend")
    assert process.wait(30) == 0


def test_ctrl_c_at_the_question_writes_nothing(at_terminal: Callable[..., tuple[int, "subprocess.Popen[str]"]], sandbox: Sandbox) -> None:
    sandbox.add_domain("unasked.example", "cloudflare", zone("unasked.example"))
    before = sandbox.raw("cloudflare", "unasked.example")
    screen, process = at_terminal("authenticate", "unasked.example")
    read_until(screen, "[y/N] ")
    process.send_signal(signal.SIGINT)
    read_until(screen, "same command goes on where it was")
    assert process.wait(30) == 130
    assert sandbox.raw("cloudflare", "unasked.example") == before


def test_a_bug_ends_with_1_and_its_traceback_is_in_the_log_redacted(environ: dict[str, str], tmp_path: Path) -> None:
    code = (
        "from wixsend import cli\n"
        "@cli.cli.command()\n"
        "@cli._pass_run\n"
        "def fail(run):\n"
        "    run.redactor.learn('token', 'sesame-open-0123')\n"
        "    raise ZeroDivisionError('with sesame-open-0123')\n"
        "cli.main(['fail'])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, check=False)
    log = tmp_path / "state" / "wixsend.log"
    assert done.returncode == 1
    assert str(log) in done.stderr
    assert "Traceback" not in done.stderr
    assert "ZeroDivisionError: with [token]" in log.read_text()
    assert log.stat().st_mode & 0o777 == 0o600


def test_a_reader_that_goes_away_is_no_failure(environ: dict[str, str]) -> None:
    process = start(environ, "config", "--schema", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
    assert process.returncode == 141


# -- the sandbox and the demo ------------------------------------------------------------------------------------------


def test_the_sandbox_stays_up_and_its_environment_works(environ: dict[str, str], wixsend: Wixsend) -> None:
    process = start(environ, "sandbox", "--delay", "0", "--json", "own.example=godaddy", stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    with process:
        assert process.stdout is not None and process.stderr is not None
        read_until(process.stderr, "wixsend authenticate own.example")
        printed = json.loads(read_until(process.stdout, "\n}\n"))
        assert printed["domains"] == [{"domain": "own.example", "host": "godaddy"}]
        assert wixsend("plan", "own.example", **printed["environment"]).code == 0
        process.terminate()
        assert process.wait(30) == 0


def test_the_demo_comes_true(wixsend: Wixsend) -> None:
    ended = wixsend("demo")
    assert ended.code == 0, ended.out
    assert "Everything above was done and checked" in ended.out
    assert "NO:" not in ended.out
    for label in ("Cloudflare", "GoDaddy", "Namecheap"):
        assert label in ended.out
