"""`wixsend bulk`, from argv to exit code, against the sandbox: real HTTP, real DNS messages, nothing replaced."""

import asyncio
import csv
import io
import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from wixsend.board import Board
from wixsend.cli import main
from wixsend.config import load
from wixsend.engine import Update
from wixsend.flow import Decision, Effect
from wixsend.journal import Journal
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.runs import Runs
from wixsend.session import Session
from wixsend.terminal import Terminal
from wixsend.testing.dns import DnsFault, FaultKind
from wixsend.testing.sandbox import ELSEWHERE, Sandbox
from wixsend.testing.server import Fault

HOSTS = ("cloudflare", "godaddy", "namecheap")


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(resolvers=1) as opened:
        opened.wix.requires_dmarc = False
        yield opened


@dataclass
class Ended:
    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[Any]:
        return [json.loads(line) for line in self.out.splitlines()]


type Wixsend = Callable[..., Ended]


@pytest.fixture
def environ(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        **sandbox.environment(),
        **{name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ},
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
    for name in [name for name in os.environ if name.startswith(("WIXSEND_", "CLOUDFLARE_", "GODADDY_", "NAMECHEAP_", "DIGITALOCEAN_"))]:
        monkeypatch.delenv(name)

    def run(*args: str, stdin: str = "", **more: str) -> Ended:
        with monkeypatch.context() as patch:
            for name, value in {**environ, **more}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(stdin.encode())))
            with pytest.raises(SystemExit) as ended:
                main(["bulk", *args])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Ended(int(ended.value.code or 0), out, err)

    return run


def zone(domain: str) -> list[Record]:
    return [Record(absolute(owner, absolute(domain)), "A", "192.0.2.80", 3600) for owner in ("@", "www")]


def clients(sandbox: Sandbox, count: int, hosts: Sequence[str] = HOSTS) -> list[str]:
    names = [f"client-{number}.example" for number in range(count)]
    for number, name in enumerate(names):
        sandbox.add_domain(name, hosts[number % len(hosts)], zone(name))
    return names


def table(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text.removeprefix("\ufeff"))))


def test_from_a_spreadsheet_to_a_report(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    names = clients(sandbox, 4)
    sandbox.add_domain("byhand.example", ELSEWHERE)
    rows = [f"{name};=HYPERLINK(1);Müller" for name in names]
    (tmp_path / "clients.csv").write_bytes(
        "\r\n".join(["domain;formula;owner", *rows, "byhand.example;;", "unknown.example;;"]).encode("utf-16")
    )

    checked = wixsend("check", "clients.csv")
    assert checked.code == 8
    assert "CSV with ;, UTF-16-LE, 6 domains" in checked.out
    assert "1 domain: by-hand: byhand.example" in checked.out
    assert "1 domain: wix-domain-unknown: unknown.example" in checked.out
    assert not (tmp_path / "state" / "journal.db").exists(), "a check writes nothing, the journal included"

    refused = wixsend("run", "clients.csv")
    assert refused.code == 3
    assert "no terminal to ask on" in refused.err

    ran = wixsend("run", "clients.csv", "--yes", "--no-wait")
    assert ran.code == 8
    assert "1 of 6 domains failed; 4 are authenticated" in ran.err
    assert "      4 authenticated" in ran.out
    assert "      1 waiting for somebody to add the records by hand" in ran.out

    reported = wixsend("report", "clients")
    assert reported.code == 0
    found = table(reported.out)
    assert [row["domain"] for row in found] == [*names, "byhand.example", "unknown.example"]
    assert list(found[0])[:3] == ["domain", "formula", "owner"]
    assert {row["formula"] for row in found[:4]} == {"'=HYPERLINK(1)"}
    assert found[0]["owner"] == "Müller"
    assert [row["wixsend_status"] for row in found] == [*["authenticated"] * 4, "by hand", "stopped"]
    assert [row["wixsend_account"] for row in found[:3]] == list(HOSTS)
    assert found[5]["wixsend_code"] == "wix-domain-unknown"
    assert found[5]["wixsend_next"]
    assert all(row["wixsend_written_at"] and row["wixsend_evidence"] and row["wixsend_authenticated_at"] for row in found[:4])

    assert wixsend("report", "clients", "-o", "report.csv").code == 0
    assert (tmp_path / "report.csv").read_bytes().startswith(b"\xef\xbb\xbf")
    assert table((tmp_path / "report.csv").read_text("utf-8-sig")) == found
    page = wixsend("report", "clients", "--format", "html").out
    assert page.startswith("<!DOCTYPE html>") and page.count("<tr>") > 6
    assert "=HYPERLINK" in page and "<script" not in page
    told = json.loads(wixsend("report", "clients", "--format", "json").out)
    assert [each["line"] for each in told["domains"]] == [2, 3, 4, 5, 6, 7]
    assert told["domains"][0]["case"]["authenticated"] is True
    assert told["domains"][0]["input"]["owner"] == "Müller"


def test_bad_lines_are_named_and_nothing_is_begun_unless_they_are_skipped(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    (name,) = clients(sandbox, 1)
    lines = ["domain,wix,provider,account,site_id", f"{name},,,,", "gmail.com,,,,", "a.example,nobody,,,", "b.example,,nohost,,"]
    lines += ["c.example,,,noaccount,", "d.example,,godaddy,cloudflare,", f"{name},,,,{sandbox.wix.site.id.upper()}"]
    (tmp_path / "l.csv").write_text("\n".join(lines))
    ended = wixsend("run", "l.csv", "--yes")
    assert ended.code == 2
    for line, words in (
        (3, "public mailbox"),
        (4, "no Wix profile 'nobody'"),
        (5, "no plugin for the DNS host 'nohost'"),
        (6, "no account 'noaccount'"),
        (7, "is at cloudflare, not at godaddy"),
        (8, "in line 2"),
    ):
        assert f"line {line}: " in ended.err
        assert words in ended.err.partition(f"line {line}: ")[2].partition("\n")[0]
    assert "--skip-bad" in ended.err
    assert not sandbox.calls
    assert wixsend("run", "l.csv", "--yes", "--skip-bad").code == 0


def test_json_is_one_line_for_each_step_and_one_at_the_end(wixsend: Wixsend, sandbox: Sandbox) -> None:
    names = clients(sandbox, 2)
    ended = wixsend("run", "-", "--yes", "--json", stdin="\n".join(names))
    assert ended.code == 0, ended.err
    *steps, last = ended.lines
    assert {step["domain"] for step in steps} == set(names)
    assert [step["stage"] for step in steps if step["domain"] == names[0]][-1] == "done"
    assert (last["run"], last["domains"], last["done"], last["failed"]) == ("stdin", 2, 2, 0)
    checked = json.loads(wixsend("check", "-", "--json", stdin="\n".join(names)).out)
    assert {each["outlook"] for each in checked["domains"]} == {"done"}


def test_a_check_of_many_domains_lists_and_keeps_nothing(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    names = clients(sandbox, 20)
    for listings in (1, 2):
        assert wixsend("check", "-", stdin="\n".join(names)).code == 0
        assert not (tmp_path / "state" / "journal.db").exists()
        assert len([call for call in sandbox.calls if call.service == "cloudflare"]) == listings


def test_a_run_of_many_domains_lists_once_for_itself_and_the_next(wixsend: Wixsend, sandbox: Sandbox) -> None:
    names = clients(sandbox, 40, ["cloudflare"])  # Namecheap's twenty calls a minute would take two minutes
    assert wixsend("run", "-", "--yes", "--name", "first", stdin="\n".join(names[:20])).code == 0
    assert wixsend("run", "-", "--yes", "--name", "second", stdin="\n".join(names[20:])).code == 0
    listings = [call for call in sandbox.calls if call.service == "cloudflare" and call.request.args.get("per_page") == "50"]
    assert len([call for call in listings if "name" not in call.request.args]) == 1


def test_the_same_command_goes_on_without_another_yes_and_asks_for_what_is_new(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    names = clients(sandbox, 3)
    (tmp_path / "c.txt").write_text("\n".join(names[:2]))
    assert wixsend("run", "c.txt", "--yes").code == 0
    assert wixsend("run", "c.txt").code == 0
    (tmp_path / "c.txt").write_text("\n".join(names))
    assert wixsend("run", "c.txt").code == 3
    assert wixsend("run", "c.txt", "--yes").code == 0
    status = wixsend("status", "--json")
    assert [(each["run"], each["domains"], each["done"]) for each in json.loads(status.out)] == [("c", 3, 3)]


def test_what_failed_is_retried_by_its_code(wixsend: Wixsend, sandbox: Sandbox) -> None:
    names = clients(sandbox, 3)
    assert wixsend("run", "-", "--yes", "--name", "monday", stdin="\n".join([*names, "late.example"])).code == 8
    sandbox.add_domain("late.example", "cloudflare", zone("late.example"))
    assert "0 domains taken up again" in wixsend("retry", "monday", "--only", "refused").err
    retried = wixsend("retry", "monday", "--only", "wix-domain-unknown")
    assert (retried.code, "1 domain taken up again" in retried.err) == (0, True)
    assert "4 authenticated" in wixsend("status", "monday").out


def test_credentials_that_change_in_the_middle_of_a_run_are_taken_up_by_one_retry(
    wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path
) -> None:
    names = clients(sandbox, 9)
    cloudflare: Any = sandbox.hosts["cloudflare"]
    token, rights = next(iter(cloudflare.tokens.items()))

    def replace() -> None:
        cloudflare.tokens.clear()
        cloudflare.tokens["n" * 40] = rights

    sandbox.faults.add(Fault("meanwhile", service="cloudflare", call=4, action=replace))
    ran = wixsend("run", "-", "--yes", stdin="\n".join(names))
    assert ran.code == 8
    assert "provider-credentials" in ran.out and "wixsend bulk retry stdin" in ran.err
    (tmp_path / "wixsend.toml").write_text('[accounts.cloudflare]\nprovider = "cloudflare"\napi_token = "env:NEW_TOKEN"\n')
    before = sandbox.count("godaddy"), sandbox.count("namecheap")
    retried = wixsend("retry", "stdin", "--only", "provider-credentials", NEW_TOKEN="n" * 40, CLOUDFLARE_API_TOKEN="")
    assert retried.code == 0, retried.err
    assert "9 authenticated" in retried.out
    assert (sandbox.count("godaddy"), sandbox.count("namecheap")) == before, "nobody else is asked again"
    assert token not in cloudflare.tokens


def test_a_list_that_is_edited_while_another_process_drives_its_run(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    names = clients(sandbox, 3)
    (tmp_path / "c.txt").write_text("\n".join(names[:2]))
    assert wixsend("run", "c.txt", "--yes").code == 0
    (tmp_path / "c.txt").write_text("\n".join(names))
    state = tmp_path / "state"
    journal = Journal(f"sqlite:///{state / 'journal.db'}", state)
    with journal.lock(Runs(journal).get("c").lock, "it"):
        told = wixsend("run", "c.txt", "--yes")
        assert (told.code, "1 new" in told.err, "it goes on with them" in told.err) == (0, True, True)
        same = wixsend("run", "c.txt", "--yes")
        assert same.code == 2
        assert "Let it finish" in same.err
    journal.close()
    assert wixsend("run", "c.txt").code == 0
    assert "3 authenticated" in wixsend("status", "c").out


def test_cancel_and_undo(wixsend: Wixsend, sandbox: Sandbox) -> None:
    names = clients(sandbox, 3)
    before = {name: sandbox.hosts[HOSTS[number]].published(name) for number, name in enumerate(names)}
    assert wixsend("run", "-", "--yes", stdin="\n".join(names)).code == 0
    assert wixsend("cancel", "stdin").code == 0
    assert "cancelled" in wixsend("status", "stdin").out
    assert wixsend("undo", "stdin").code == 3
    undone = wixsend("undo", "stdin", "--yes", "--json")
    assert (undone.code, json.loads(undone.out)) == (0, {"run": "stdin", "undone": 3, "failed": []})
    assert {name: sandbox.hosts[HOSTS[number]].published(name) for number, name in enumerate(names)} == before
    assert wixsend("undo", "stdin", "--yes").code == 0


def test_an_account_without_its_secret_stops_its_own_domains_alone(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    names = clients(sandbox, 3)
    sandbox.dns.add_zone("lost.example", sandbox.hosts["godaddy"].name_servers)
    sandbox.wix.add_domain("lost.example")
    (tmp_path / "wixsend.toml").write_text('[accounts.lost]\nprovider = "godaddy"\nkey = "env:LOST_KEY"\nsecret = "env:LOST_SECRET"\n')
    ended = wixsend("run", "-", "--yes", stdin="\n".join([*names, "lost.example"]))
    assert ended.code == 8
    assert "1 of 4 domains failed; 3 are authenticated" in ended.err
    assert "1 domain: credentials-missing: lost.example" in ended.out
    assert "LOST_KEY, which is not set" in ended.out
    assert wixsend("retry", "stdin", "--only", "credentials-missing", LOST_KEY="k", LOST_SECRET="s").code == 8
    assert "provider-credentials: lost.example" in wixsend("status", "stdin").out, "what is wrong now is said"


def test_a_check_of_the_zones_says_what_would_be_refused_and_what_a_term_lifts(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    (name,) = clients(sandbox, 1)
    theirs = Record(absolute("s1._domainkey.taken.example"), "CNAME", "s1.domainkey.u42.wl.sendgrid.net.", 300)
    sandbox.add_domain("taken.example", "cloudflare", [*zone("taken.example"), theirs])
    (tmp_path / "c.txt").write_text(f"{name}\ntaken.example\n")
    assert wixsend("check", "c.txt").code == 0, "nothing is read of a zone, so nothing is known"
    checked = wixsend("check", "c.txt", "--zones")
    assert checked.code == 8
    assert "1 domain: refused: taken.example" in checked.out
    assert "--replace s1._domainkey.DOMAIN" in checked.out
    assert wixsend("check", "c.txt", "--zones", "--replace", "s1._domainkey").code == 0
    assert not any(record.rtype == "CNAME" for record in sandbox.hosts["cloudflare"].published(name)), "nothing was written"
    assert wixsend("check", "c.txt", "--zones", "--replace", "a..b").code == 2

    assert wixsend("run", "c.txt", "--yes").code == 8
    agreed = wixsend("run", "c.txt", "--yes", "--replace", "s1._domainkey.taken.example")
    assert agreed.code == 0, "other terms take up again what was refused"
    assert theirs not in sandbox.hosts["cloudflare"].published("taken.example")


def dead(sandbox: Sandbox, name: str, kind: FaultKind) -> str:
    """A domain in the account, which is delegated to servers that are of no use."""
    sandbox.wix.add_domain(name)
    sandbox.hosts["cloudflare"].add_zone(name, zone(name))
    hosts = [f"{number}.{name.partition('.')[0]}.ns.cloudflare.com" for number in "ab"]
    sandbox.dns.add_zone(name, hosts)
    sandbox.dns.faults += [DnsFault(kind, server=host) for host in hosts]
    return name


def test_a_check_names_the_domains_whose_own_name_servers_are_dead(wixsend: Wixsend, sandbox: Sandbox) -> None:
    (fine,) = clients(sandbox, 1)
    kinds: tuple[FaultKind, ...] = ("refuse", "servfail", "lame")
    lost = [dead(sandbox, f"{kind}.example", kind) for kind in kinds]
    sandbox.dns.add_fault(DnsFault("drop", server=sandbox.hosts["cloudflare"].name_servers[0]))
    sandbox.wix.add_domain("mail.lame.example")
    sandbox.add_domain("byhand.example", ELSEWHERE)
    sandbox.dns.faults += [DnsFault("refuse", server=f"ns{number}.unheard-of.example") for number in "12"]
    every = "\n".join([fine, *lost, "mail.lame.example", "byhand.example"])
    servers = {"WIXSEND_DNS_ENDPOINTS": sandbox.environment()["WIXSEND_DNS_ENDPOINTS"]}
    checked = wixsend("check", "-", stdin=every, **servers)
    assert checked.code == 8
    assert "can be done                           1" in checked.out
    for told in ("1 domain: dns-unreachable: refuse.example", "1 domain: dns-unreachable: byhand.example"):
        assert told in checked.out
    assert "2 domains: dns-unreachable: lame.example, mail.lame.example" in checked.out
    assert "none of the authoritative servers of DOMAIN answers: a.refuse.ns.cloudflare.com refuses to answer" in checked.out
    assert "next: Have a.refuse.ns.cloudflare.com, b.refuse.ns.cloudflare.com serve the zone" in checked.out
    for options in ([], ["--zones"]):
        found = json.loads(wixsend("check", "-", "--json", *options, stdin=every, **servers).out)["domains"]
        assert [each["outlook"] for each in found] == ["ready", *["stuck"] * 5], options
        assert {each["code"] for each in found[1:]} == {"dns-unreachable"}
    assert wixsend("check", "-", stdin=fine, **servers).code == 0, "one server of two answers"


def test_a_check_tells_what_a_run_would_stop_with(wixsend: Wixsend, sandbox: Sandbox) -> None:
    for name, host in (("revoked.example", "godaddy"), ("accountless.example", "namecheap"), ("fine.example", "cloudflare")):
        sandbox.add_domain(name, host, zone(name))
    cloudflare = sandbox.hosts["cloudflare"].name_servers
    for name, delegated_to in (("nowhere.example", None), ("undelegated.example", ()), ("foreign.example", cloudflare)):
        sandbox.wix.add_domain(name)
        if delegated_to is not None:
            sandbox.dns.add_zone(name, cloudflare, delegated_to=delegated_to)
    names = ["fine", "nowhere", "undelegated", "foreign", "revoked", "accountless", "strange"]
    every, more = "\n".join(f"{name}.example" for name in names), {"GODADDY_API_KEY": "k" * 37, "NAMECHEAP_API_KEY": ""}
    checked = wixsend("check", "-", "--json", stdin=every, **more)
    told = {each["domain"].partition(".")[0]: each["code"] for each in json.loads(checked.out)["domains"]}
    assert told == {
        "fine": None,
        "nowhere": "domain-not-found",
        "undelegated": "domain-not-found",
        "foreign": "zone-not-held",
        "revoked": "provider-credentials",
        "accountless": "credentials-missing",
        "strange": "wix-domain-unknown",
    }
    assert checked.code == 8
    assert wixsend("run", "-", "--yes", stdin=every, **more).code == 8
    stopped = {row["wixsend_domain"].partition(".")[0]: row["wixsend_code"] or None for row in table(wixsend("report", "stdin").out)}
    assert stopped == told, "the run says the same"


def test_what_passes_while_a_list_is_checked_is_nobodys_business(wixsend: Wixsend, sandbox: Sandbox) -> None:
    names = "\n".join(clients(sandbox, 3))
    for passing in (Fault("status", service="wix", status=503), Fault("status", service="cloudflare", status=502)):
        sandbox.faults.add(passing)
        checked = wixsend("check", "-", stdin=names)
        assert (checked.code, sandbox.faults.pending) == (0, ())
        assert "This will need somebody" not in checked.out
        assert sandbox.count("wix") <= (4 if passing.service == "wix" else 3), "what Wix has said is not asked again"
        sandbox.reset_counts()
    sandbox.faults.add(Fault("status", service="wix", status=503, times=1000))
    sandbox.reset_counts()
    lasting = wixsend("check", "-", stdin=names)
    assert lasting.code == 8
    assert "3 domains: wix-unavailable" in lasting.out
    assert sandbox.count("wix") <= 6, "each is asked about twice, and no more"


def test_who_waits_for_somebody_is_told_with_the_records(wixsend: Wixsend, sandbox: Sandbox) -> None:
    wants = sandbox.add_domain("byhand.example", ELSEWHERE).wants
    assert wixsend("run", "-", "--yes", "--no-wait", stdin="byhand.example").code == 6
    status = wixsend("status", "stdin").out
    assert "1 domain: by-hand: byhand.example" in status
    assert "open end: somebody has to add the records by hand" in status
    assert "no process works on it: `wixsend bulk run stdin` goes on" in status
    (row,) = table(wixsend("report", "stdin").out)
    assert row["wixsend_status"] == "by hand"
    assert all(f"{want.owner.to_text(True)} CNAME {want.rdata}" in row["wixsend_next"] for want in wants)
    assert "What waits for somebody" in wixsend("report", "stdin", "--format", "html").out


def test_when_it_ends_is_told_with_the_reason(wixsend: Wixsend, sandbox: Sandbox) -> None:
    for number in range(30):
        sandbox.add_domain(f"n{number}.example", "namecheap", zone(f"n{number}.example"))
    names = "\n".join(f"n{number}.example" for number in range(30))
    checked = wixsend("check", "-", stdin=names).out
    assert "Namecheap (namecheap)  30       90     4 min" in checked
    assert "at the earliest (as Namecheap (namecheap) allows it)" in checked
    assert "with an hour for DNS; longer is waited for, 2 d." in checked
    assert "Not counted: what an outage of Wix, DNS or a host holds up; it is tried again for 6 h, then stops." in checked
    patience = {"WIXSEND_TIMES_GIVE_UP": "7200", "WIXSEND_TIMES_STUMBLING": "1800"}
    checked = wixsend("check", "-", stdin=names, **patience).out
    assert "longer is waited for, 2 h." in checked and "it is tried again for 30 min, then stops." in checked


def test_one_domain_for_two_sites_is_remarked_upon(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    (name,) = clients(sandbox, 1)
    second = sandbox.wix.add_site("second", beside=sandbox.wix.site)
    (tmp_path / "c.csv").write_text(f"domain,site_id\n{name},\n{name},{second.id}\n")
    checked = wixsend("check", "c.csv")
    assert f"line 3: {name} is in line 2 for another site" in checked.out


def test_profiles_and_accounts_of_the_configuration_are_routed(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    second = sandbox.wix.add_site("second")
    beside = sandbox.wix.add_site("beside", beside=second)
    for domain, site in (("a.example", None), ("b.example", second), ("c.example", beside)):
        sandbox.add_domain(domain, "cloudflare", zone(domain), site=site)
    (tmp_path / "wixsend.toml").write_text(
        f'[wix.profiles.second]\napi_key = "env:SECOND"\nsite_id = "{second.id}"\n\n'
        '[accounts.agency]\nprovider = "cloudflare"\napi_token = "env:AGENCY"\n\n'
        '[accounts.broken]\nprovider = "cloudflare"\napi_token = "env:WRONG"\n'
    )
    token = sandbox.hosts["cloudflare"].credentials["api_token"]
    more = {"SECOND": second.api_key, "AGENCY": token, "WRONG": "x" * 40, "CLOUDFLARE_API_TOKEN": ""}
    sheet = f"domain,wix,site_id\na.example,,\nb.example,second,\nc.example,second,{beside.id}"
    ended = wixsend("run", "-", "--yes", stdin=sheet, **more)
    assert ended.code == 0, ended.err + ended.out
    report = table(wixsend("report", "stdin", **more).out)
    assert [row["wixsend_site"] for row in report] == [sandbox.wix.site.id, second.id, beside.id]
    assert {row["wixsend_account"] for row in report} == {"agency"}


@pytest.mark.skipif(os.name != "posix", reason="signals")
def test_ctrl_c_stops_cleanly_and_the_same_command_goes_on(
    wixsend: Wixsend, sandbox: Sandbox, environ: dict[str, str], tmp_path: Path
) -> None:
    names = clients(sandbox, 6)
    (tmp_path / "c.txt").write_text("\n".join(names))
    sandbox.faults.add(*(Fault("latency", service=host, times=100, seconds=0.3) for host in HOSTS))
    words = [sys.executable, "-m", "wixsend", "bulk", "run", "c.txt", "--yes"]
    process = subprocess.Popen(words, cwd=tmp_path, env=environ, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    until = time.monotonic() + 60
    while sandbox.count("namecheap") < 2 and time.monotonic() < until:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _out, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "The same command goes on" in err
    sandbox.faults.clear()
    assert wixsend("run", "c.txt").code == 0
    assert {row["wixsend_status"] for row in table(wixsend("report", "c").out)} == {"authenticated"}
    for name, host in zip(names, HOSTS * 2, strict=True):
        held = [record for record in sandbox.hosts[host].published(name) if record.rtype == "CNAME"]
        assert sorted(held, key=str) == sorted(next(d for d in sandbox.wix.domains.values() if d.domain == name).wants, key=str)


@pytest.mark.parametrize("command", ["status", "report", "cancel", "retry", "undo"])
def test_a_run_that_there_is_not_is_said_with_those_that_there_are(wixsend: Wixsend, command: str) -> None:
    ended = wixsend(command, "nothing")
    assert ended.code == 2
    assert "no bulk run 'nothing' (there are: none)" in ended.err


def test_what_is_tried_again_is_told_with_its_reason(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    (tmp_path / "clients.csv").write_text("\n".join(["domain", *clients(sandbox, 3)]))
    sandbox.faults.add(Fault("status", service="wix", status=503, times=1000))
    ended = wixsend("run", "clients.csv", "--yes", "--no-wait", WIXSEND_TIMES_STUMBLE_FIRST="60")
    assert ended.code == 6
    shown = re.search(r"while the run goes on; what still fails after (.*) stops:\n3 domains: wix-unavailable: client-0.example", ended.out)
    assert shown is not None
    assert "open end: 3 wait until what holds them up has passed" in ended.out
    (status,) = wixsend("status", "clients", "--json").lines
    (trouble,) = status["troubles"]
    assert (trouble["code"], len(trouble["domains"])) == ("wix-unavailable", 3) and trouble["next"]
    assert 5.9 * 3600 < datetime.fromisoformat(trouble["until"]).timestamp() - time.time() <= 6 * 3600
    assert (status["expected_end"], status["expected_why"]) == (None, "3 wait until what holds them up has passed")


def test_what_is_seen_of_a_run_says_from_when_on_what_is_tried_again_stops(
    wixsend: Wixsend, sandbox: Sandbox, environ: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "clients.csv").write_text("\n".join(["domain", *clients(sandbox, 3)]))
    sandbox.faults.add(Fault("status", service="wix", status=503, times=1000))
    ended = wixsend("run", "clients.csv", "--yes", "--no-wait", WIXSEND_TIMES_STUMBLE_FIRST="60")
    shown = re.search(r"what still fails after (.*) stops:", ended.out)
    assert shown is not None

    async def seen() -> None:
        async with Session(load(environ, cwd=tmp_path, user_folder=tmp_path), environ) as session:
            runs = Runs(session.journal)
            run = runs.get("clients")
            board = Board(Terminal(session.redactor), runs, run, session)
            for ref, entry in zip(runs.refs(run), session.journal.entries(), strict=True):
                board.watch(ref, Update(entry, Decision(Effect.WAIT)))
            await board.refresh()

    asyncio.run(seen())
    told = capsys.readouterr().err
    assert "open end: 3 wait until what holds them up has passed" in told
    assert re.search(rf"tried again: 3 domains, such as client-2.example: .*; what still fails after {re.escape(shown[1])} stops", told)
