"""`wixsend handoff` and `wixsend providers detect`, from argv to exit code, against the sandbox."""

import json
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from wixsend.cli import main
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.testing.sandbox import ELSEWHERE, WIX, Sandbox

GANDI = ("a.dns.gandi.net", "b.dns.gandi.net")


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
    def json(self) -> Any:
        return json.loads(self.out)


type Wixsend = Callable[..., Ended]


@pytest.fixture
def wixsend(sandbox: Sandbox, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Wixsend:
    """The command line in this process, with no credentials but those for Wix: the sandbox knows others, and nobody here has them."""
    monkeypatch.chdir(tmp_path)
    vendors = {host.upper() for host in sandbox.hosts}
    for name in [name for name in os.environ if name.startswith(("WIXSEND_", *(f"{vendor}_" for vendor in vendors)))]:
        monkeypatch.delenv(name)

    def run(*args: str) -> Ended:
        ours = {name: value for name, value in sandbox.environment().items() if name.startswith("WIXSEND_")}
        for name, value in {**ours, "WIXSEND_STATE": str(tmp_path / "state"), "WIXSEND_TIMES_LOOK_LEAST": "0.1"}.items():
            monkeypatch.setenv(name, value)
        with pytest.raises(SystemExit) as ended:
            main([*args])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Ended(int(ended.value.code or 0), out, err)

    return run


def zone(domain: str, *more: tuple[str, str, str]) -> list[Record]:
    rows = [("www", "A", "192.0.2.80"), ("@", "MX", "10 mail.example.net."), *more]
    return [Record(absolute(owner, absolute(domain)), rtype, rdata, 3600) for owner, rtype, rdata in rows]


# -- handoff -----------------------------------------------------------------------------------------------------------


def test_two_files_and_a_case_that_authenticate_goes_on_with(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    wants = sandbox.add_domain("client.example", "godaddy", zone("client.example")).wants
    assert wixsend("authenticate", "client.example", "--yes").code == 2, "without credentials there is no other way"
    ended = wixsend("handoff", "client.example", "--out", "for/client")
    assert ended.code == 0, ended.err
    assert "zone client.example, served by GoDaddy: 5 records" in ended.out
    assert "somebody adds the records to the zone client.example by hand" in ended.out
    assert "`wixsend authenticate client.example` goes on from here" in ended.err
    folder = tmp_path / "for" / "client"
    assert {path.name for path in folder.iterdir()} == {"client.example.html", "client.example.txt"}
    assert "DNS records for client.example" in (folder / "client.example.html").read_text()
    assert "Name: s1._domainkey\n" in (folder / "client.example.txt").read_text()
    assert wixsend("authenticate", "client.example", "--no-wait").code == 6
    sandbox.edit_behind("godaddy", "client.example", add=wants)
    ended = wixsend("authenticate", "client.example", "--wait")
    assert ended.code == 0 and "client.example: authenticated" in ended.out
    assert sandbox.count("godaddy") == 0
    history = wixsend("status", "client.example", "--json").json[0]
    assert not any(each["event"] in ("intended", "wrote") for each in history["history"]) and not history["by_hand"]


def test_watched_it_ends_by_itself(wixsend: Wixsend, sandbox: Sandbox) -> None:
    wants = sandbox.add_domain("client.example", "namecheap", zone("client.example")).wants
    asked = threading.Event()

    def the_owner() -> None:
        """Adds the records some looks after they were asked for."""
        while not asked.wait(0.05):
            if sum(query.name == wants[0].owner for query in list(sandbox.dns.queries)) > 4:
                sandbox.edit_behind("namecheap", "client.example", add=wants)
                return

    owner = threading.Thread(target=the_owner)
    owner.start()
    try:
        ended = wixsend("handoff", "client.example", "--watch")
    finally:
        asked.set()
        owner.join()
    assert ended.code == 0 and "client.example: authenticated" in ended.out, ended.err
    assert sandbox.count("namecheap") == 0


def test_the_same_for_a_program(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    theirs = ("s1._domainkey", "CNAME", "s1.domainkey.u42.wl.sendgrid.net.")
    policy = ("_dmarc", "TXT", '"v=DMARC1; p=reject"')
    sandbox.add_domain("client.example", ELSEWHERE, zone("client.example", theirs, policy), name_servers=GANDI)
    value = wixsend("handoff", "client.example", "--json").json
    assert value["files"] == {"html": "client.example.html", "txt": "client.example.txt"}
    (part,) = value["zones"]
    assert (part["zone"], part["hosts"], part["name_servers"]) == ("client.example", ["gandi"], list(GANDI))
    assert [record["state"] for record in part["records"]] == ["conflict", "missing", "missing", "missing"]
    assert part["records"][0]["there"][0]["rdata"] == theirs[2] and "sendgrid" in part["records"][0]["found"]
    assert part["records"][1]["value_as_typed"].endswith(".ascendbywix.com.")
    assert [record["owner"] for record in value["kept"]] == ["_dmarc.client.example"]
    assert value["case"]["by_hand"] and value["case"]["stage"] == "proving" and value["case"]["provider"] is None
    page = (tmp_path / "client.example.html").read_text()
    assert "_dmarc.client.example stays as it is" in page and "u42.wl.sendgrid.net" in page


def test_a_policy_may_be_replaced_if_that_is_said(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    policy = ("_dmarc", "TXT", '"v=DMARC1; p=none"')
    sandbox.add_domain("client.example", ELSEWHERE, zone("client.example", policy), name_servers=GANDI)
    value = wixsend("handoff", "client.example", "--dmarc", "replace", "--json").json
    states = {record["record"]["owner"]: record["state"] for record in value["zones"][0]["records"]}
    assert states["_dmarc.client.example"] == "conflict" and not value["kept"]


def test_what_wixsend_wrote_is_not_handed_over(wixsend: Wixsend, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    sandbox.add_domain("client.example", "godaddy", zone("client.example"))
    for name, value in sandbox.environment().items():
        monkeypatch.setenv(name, value)
    assert wixsend("authenticate", "client.example", "--yes").code == 0
    ended = wixsend("handoff", "client.example")
    assert ended.code == 3 and "wixsend writes them itself, at godaddy" in ended.err and "wixsend undo client.example" in ended.err
    assert not list(tmp_path.glob("client.example.*"))


def test_while_wix_makes_the_records_there_is_nothing_to_hand_over(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.add_domain("client.example", ELSEWHERE, initializing_for=60)
    ended = wixsend("handoff", "client.example")
    assert ended.code == 7 and "has not made the records for client.example yet" in ended.err
    assert wixsend("handoff", "client.example", "--json").json["error"]["exit_code"] == 7
    assert not list(tmp_path.glob("client.example.*"))


def test_what_wix_does_itself_is_handed_to_nobody(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.add_domain("client.example", WIX)
    ended = wixsend("handoff", "client.example")
    assert ended.code == 0 and "Wix serves the zone, and adds the records itself" in ended.out
    assert not list(tmp_path.glob("client.example.*"))


def test_a_folder_that_cannot_be_written_to_is_said(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    sandbox.add_domain("client.example", ELSEWHERE)
    (tmp_path / "taken").write_text("a file")
    ended = wixsend("handoff", "client.example", "--out", "taken")
    assert ended.code == 2 and "--out FOLDER" in ended.err


# -- providers detect --------------------------------------------------------------------------------------------------


def test_a_host_with_a_plugin_is_named_without_credentials(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("client.example", "cloudflare", zone("client.example"))
    ended = wixsend("providers", "detect", "client.example")
    assert ended.code == 0 and "zone client.example, served by Cloudflare" in ended.out
    assert "cloudflare (wixsend providers show cloudflare)" in ended.out and "wixsend handoff" not in ended.out
    assert sandbox.count("cloudflare") == sandbox.count(WIX) == 0


def test_a_host_without_a_plugin_is_named_with_its_panel(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("client.example", ELSEWHERE, name_servers=GANDI)
    value = wixsend("providers", "detect", "client.example", "--json").json
    assert value["hosts"] == [{"name": "gandi", "label": "Gandi", "panel": "https://admin.gandi.net"}]
    assert (value["domain"], value["zone"], value["provider"], value["known"], value["mixed"]) == (
        *("client.example", "client.example", None),
        *(True, False),
    )
    ended = wixsend("providers", "detect", "client.example")
    assert ended.code == 0 and "next: wixsend handoff client.example makes" in ended.out


def test_a_stranger_is_named_by_who_runs_it(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("client.example", ELSEWHERE)
    ended = wixsend("providers", "detect", "client.example")
    assert ended.code == 4 and "served by a host that wixsend does not know" in ended.out
    assert "whoever runs unheard-of.example" in ended.out and "hostmaster@client.example" in ended.out


def test_several_hosts_at_once_are_said(wixsend: Wixsend, sandbox: Sandbox) -> None:
    servers = (sandbox.hosts["cloudflare"].name_servers[0], GANDI[0])
    sandbox.add_domain("client.example", ELSEWHERE, name_servers=servers)
    ended = wixsend("providers", "detect", "client.example")
    assert ended.code == 4 and "served by several hosts together" in ended.out
    assert "Cloudflare" in ended.out and "Gandi" in ended.out


def test_a_domain_that_does_not_exist_is_an_error(wixsend: Wixsend) -> None:
    assert wixsend("providers", "detect", "nobody-registered.example").code == 2


def test_every_key_of_both_json_forms_is_documented(wixsend: Wixsend, sandbox: Sandbox) -> None:
    page = (Path(__file__).parent.parent / "docs" / "reference" / "json.md").read_text()
    documented = set(re.findall(r'[`"](\w+)[`"]', page))
    sandbox.add_domain("client.example", ELSEWHERE, zone("client.example", ("sg", "A", "192.0.2.1")), name_servers=GANDI)
    for command in ("handoff client.example", "providers detect client.example"):
        assert keys(wixsend(*command.split(), "--json").json) <= documented, command


def keys(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for each in value.values() for key in keys(each)}
    return {key for each in value for key in keys(each)} if isinstance(value, list) else set()
