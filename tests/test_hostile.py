"""A malicious or compromised answer, at the wire: refused or contained, and nothing of it forges what a person sees."""

import io
import json
import os
import pty
import re
import select
import socketserver
import subprocess
import sys
import threading
import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.rrset
import pytest

from hosts import OVER_HTTP
from wixsend import report
from wixsend.cli import main
from wixsend.errors import ProviderError, WixError, WixsendError
from wixsend.exchange import DnsSettings
from wixsend.flow import Times
from wixsend.journal import Entry
from wixsend.layout import Styled, Table
from wixsend.lookup import Dns
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.redact import Redactor
from wixsend.terminal import Terminal
from wixsend.testing.fakes import Request, Response
from wixsend.testing.sandbox import WIX, Sandbox
from wixsend.testing.server import Fault, Server
from wixsend.testing.world import World

HOSTS = OVER_HTTP

EVIL = (
    "\x1b]0;owned\x07\x1b[2J\x9b31m\u202eevil\u2066\r\nwixsend: forged\n+ forged.example. IN A 192.0.2.66\u2028forged\x85forged\x00"
    "\n[y/N] forged\n  next: forged"
)
"""Terminal escapes, C1 controls, bidirectional overrides, and lines that would look like ours."""

DOMAIN = "client.example"


def zone(domain: str = DOMAIN) -> list[Record]:
    return [
        Record(absolute("www", absolute(domain)), "A", "192.0.2.80", 3600),
        Record(absolute(domain), "MX", "10 mail.example.net.", 3600),
        Record(absolute(domain), "TXT", '"v=spf1 -all"', 3600),
    ]


# -- what Wix asks for -------------------------------------------------------------------------------------------------


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        made.add(DOMAIN, "namecheap", zone())
        yield made


def says(world: World, *rows: Mapping[str, Any]) -> None:
    """Let Wix show these records instead of its own."""
    next(held for held in world.wix.domains.values() if held.domain == DOMAIN).rows = [dict(row) for row in rows]


async def refused(world: World, host: str = "namecheap") -> Entry:
    """The case, which stopped with one of our errors; the zone is as it was."""
    before = world.raw(host, DOMAIN)
    run = world.run(DOMAIN)
    run.times = Times(stumbling=600.0)
    entry = await run.authenticate()
    assert world.raw(host, DOMAIN) == before
    stop = entry.case.stop
    assert stop is not None
    assert stop.exit_code in (3, 4, 7)
    assert stop.next_step
    assert stop.happened.isprintable()
    assert all(line.isprintable() for line in stop.next_step.splitlines())
    return entry


CNAME: Mapping[str, Any] = {"type": "CNAME", "hostName": f"s1._domainkey.{DOMAIN}", "value": f"s1._domainkey.{DOMAIN}.s004.ascendbywix.com"}


@pytest.mark.parametrize(
    ("wants", "error"),
    [
        pytest.param({"hostName": "s1._domainkey.victim.example."}, "wix-answer-refused", id="another-domain"),
        pytest.param({"hostName": f"not{DOMAIN}."}, "wix-answer-refused", id="suffix-without-dot"),
        pytest.param({"hostName": "example."}, "wix-answer-refused", id="above"),
        pytest.param({"hostName": f"{DOMAIN}.", "value": "x.ascendbywix.com"}, "wix-answer-refused", id="the-domain-itself"),
        pytest.param({"hostName": "@", "value": "x.ascendbywix.com"}, "wix-answer-refused", id="apex-sign"),
        pytest.param({"hostName": "", "value": "x.ascendbywix.com"}, "wix-answer-refused", id="empty"),
        pytest.param({"hostName": f"*.{DOMAIN}.", "value": "x.ascendbywix.com"}, "wix-answer-refused", id="wildcard"),
        pytest.param({"type": "NS"}, "wix-answer-refused", id="delegation"),
        pytest.param({"type": "MX", "value": "10 mail.evil.example"}, "wix-answer-refused", id="mail"),
        pytest.param({"type": "TXT", "value": "v=spf1 +all"}, "wix-answer-refused", id="text"),
        pytest.param({"value": "evil.example.net"}, "refused", id="unknown-target"),
        pytest.param({"value": "x.ascendbywix.com.evil.example.net"}, "refused", id="known-inside-unknown"),
        pytest.param({"value": "notascendbywix.com"}, "refused", id="suffix-of-a-label"),
        pytest.param({"value": f"www.{DOMAIN}"}, "wix-answer-refused", id="target-inside"),
        pytest.param({"value": "com"}, "wix-answer-refused", id="target-tld"),
        pytest.param({"hostName": EVIL}, "wix-answer-refused", id="escapes-in-name"),
        pytest.param({"value": EVIL}, "wix-answer-refused", id="escapes-in-target"),
        pytest.param({"type": EVIL}, "wix-answer-refused", id="escapes-in-type"),
        pytest.param({"hostName": f"a\\010b.{DOMAIN}."}, "wix-answer-refused", id="escaped-newline"),
        pytest.param({"hostName": f"s1\x1b.{DOMAIN}."}, "wix-answer-refused", id="control"),
        pytest.param({"hostName": f"sä.{DOMAIN}.", "value": "x.ascendbywix.com"}, None, id="idn-is-a-name"),
        pytest.param({"hostName": "x" * 100_000}, "wix-unavailable", id="long"),
        pytest.param({"hostName": 7}, "wix-unavailable", id="number"),
    ],
)
async def test_what_wix_must_not_ask_for_is_not_written(world: World, wants: Mapping[str, Any], error: str | None) -> None:
    says(world, {**CNAME, **wants})
    if error is None:
        preview = await world.run(DOMAIN).preview()
        assert preview.plan is not None
        return
    entry = await refused(world)
    assert entry.case.stop is not None
    assert entry.case.stop.error == error
    assert not entry.case.written


async def test_one_bad_record_among_good_ones_keeps_all_of_them_out(world: World) -> None:
    says(world, CNAME, {**CNAME, "hostName": "s1.victim.example."})
    await refused(world)


async def test_records_without_number_are_refused(world: World) -> None:
    says(world, *({"type": "CNAME", "hostName": f"a{n}.{DOMAIN}", "value": f"a{n}.{DOMAIN}.ascendbywix.com"} for n in range(5000)))
    entry = await refused(world)
    assert "more than 50 records" in (entry.case.stop.happened if entry.case.stop else "")


# -- bodies ------------------------------------------------------------------------------------------------------------

BOMB = b"<!DOCTYPE x [<!ENTITY a 'aaaaaaaaaa'>%s]><ApiResponse Status='OK'>&j;</ApiResponse>" % b"".join(
    b"<!ENTITY %c '%s'>" % (98 + n, b"&%c;" % (97 + n) * 10) for n in range(9)
)
BODIES: Mapping[str, Fault] = {
    "ten-megabytes": Fault("wrong-shape", body=b"[" + b" " * 11_000_000 + b"]"),
    "deep-json": Fault("wrong-shape", body=b'{"a":' * 50_000 + b"1" + b"}" * 50_000),
    "deep-list": Fault("wrong-shape", body=b"[" * 200_000),
    "long-number": Fault("wrong-shape", body=b'{"a": ' + b"9" * 100_000 + b"}"),
    "deep-xml": Fault("wrong-shape", body=b"<a>" * 30_000 + b"</a>" * 30_000),
    "entities": Fault("wrong-shape", body=BOMB),
    "external-entity": Fault(
        "wrong-shape", body=b"<!DOCTYPE x [<!ENTITY a SYSTEM 'file:///etc/passwd'>]><ApiResponse Status='OK'>&a;</ApiResponse>"
    ),
    "utf-16": Fault("wrong-shape", body=BOMB.decode().encode("utf-16"), headers={"content-type": "text/xml; charset=utf-16"}),
    "compressed": Fault("status", status=200, body=zlib.compress(b"0" * 20_000_000), headers={"content-encoding": "deflate"}),
    "unpacking-codec": Fault(
        "status", status=500, body=zlib.compress(b"0" * 20_000_000), headers={"content-type": "text/html; charset=zlib"}
    ),
    "nul-bytes": Fault("wrong-shape", body=b"\0" * 1000),
    "not-text": Fault("wrong-shape", body=bytes(range(256)) * 10),
    "nothing": Fault("empty"),
    "nan": Fault(
        "wrong-shape", body=b'{"success": true, "result": [{"ttl": NaN}], "result_info": {"total_count": Infinity}, "sendingDomains": NaN}'
    ),
    "surrogates": Fault(
        "wrong-shape", body=rb'{"success": true, "result": "\ud800", "sendingDomains": [{"domain": "\udc9b"}], "domain": "\ud800"}'
    ),
    "wait-for-ever": Fault("status", status=429, body=b"{}", headers={"retry-after": "9" * 300}),
    "wait-in-superscript": Fault("status", status=429, body=b"{}", headers={"retry-after": "²"}),
}


@pytest.mark.parametrize("service", [WIX, *HOSTS])
@pytest.mark.parametrize("body", BODIES)
async def test_a_body_that_is_made_to_harm_is_an_error(tmp_path: Path, service: str, body: str) -> None:
    host = service if service in HOSTS else "cloudflare"
    fault = BODIES[body]
    with World(tmp_path) as world:
        world.add(DOMAIN, host, zone())
        told = {**fault.headers, **({} if "content-type" in fault.headers or service != "namecheap" else {"content-type": "text/xml"})}
        world.server.faults.add(Fault(fault.kind, service, times=1000, status=fault.status, body=fault.body, headers=told))
        entry = await refused(world, host)
    assert entry.case.stop is not None
    assert entry.case.stop.exit_code == (WixError.exit_code if service == WIX else ProviderError.exit_code)
    assert len(entry.case.stop.happened) < 1500
    assert world.clock.slept < 86401


@pytest.mark.parametrize("service", [WIX, *HOSTS])
async def test_no_redirect_carries_a_credential_to_another_server(tmp_path: Path, service: str) -> None:
    host = service if service in HOSTS else "cloudflare"
    heard: list[Request] = []

    def listen(request: Request) -> Response:
        heard.append(request)
        return Response.json({})

    with World(tmp_path) as world, Server({"elsewhere": listen}) as elsewhere:
        world.add(DOMAIN, host, zone())
        for status in (301, 302, 307, 308):
            world.server.faults.add(
                Fault("status", service, times=100, status=status, headers={"location": elsewhere.url("elsewhere") + "/x"})
            )
            entry = await refused(world, host)
            assert "redirect" in (entry.case.stop.happened if entry.case.stop else "")
            world.server.faults.clear()
    assert heard == []


# -- what a person sees ------------------------------------------------------------------------------------------------


def everywhere(value: Any, spoil: Callable[[str, str], str], key: str = "") -> Any:
    """Every text of a JSON value through `spoil`, which is told the key."""
    if isinstance(value, dict):
        return {name: everywhere(item, spoil, name) for name, item in value.items()}
    if isinstance(value, list):
        return [everywhere(item, spoil, key) for item in value]
    return spoil(key, value) if isinstance(value, str) else value


@dataclass
class Front:
    """Stands between wixsend and a fake, and spoils its answers."""

    handle: Callable[[Request], Response]
    spoil: Callable[[Request, Response], Response]

    def __call__(self, request: Request) -> Response:
        return self.spoil(request, self.handle(request))


def texts(*keys: str) -> Callable[[Request, Response], Response]:
    """Spoils the texts under these keys in every JSON answer."""

    def spoil(_request: Request, response: Response) -> Response:
        value = everywhere(json.loads(response.body), lambda key, text: text + EVIL if key in keys else text)
        return Response.json(value, response.status)

    return spoil


def error(status: int, body: Mapping[str, Any]) -> Callable[[Request, Response], Response]:
    return lambda _request, _response: Response.json(body, status)


def extra_row(request: Request, response: Response) -> Response:
    """A zone at Cloudflare with rows that hold the worst that a row can hold."""
    value = json.loads(response.body)
    if request.path.endswith("/dns_records"):
        first = value["result"][0]
        rows = [("TXT", f'"{EVIL}"'), ("TXT", EVIL), ("CNAME", EVIL), (EVIL, EVIL), ("CAA", f'0 issue "{EVIL}"')]
        for number, (rtype, content) in enumerate(rows):
            name = f"s{number}._domainkey.{DOMAIN}" if number else f"_dmarc.{DOMAIN}"
            value["result"].append(first | {"id": f"evil{number}", "name": name, "type": rtype, "content": content})
        value["result_info"]["total_count"] += len(rows)
        value["result_info"]["count"] += len(rows)
    return Response.json(value, response.status)


SPOILT: Mapping[str, tuple[str, Callable[[Request, Response], Response]]] = {
    "wix-error": (WIX, error(403, {"message": EVIL, "details": {"applicationError": {"code": EVIL, "description": EVIL}}})),
    "wix-oauth": (WIX, error(400, {"error": EVIL, "error_description": EVIL})),
    "wix-status": (WIX, texts("status")),
    "wix-id": (WIX, texts("id")),
    "wix-records": (WIX, texts("hostName")),
    "account": ("cloudflare", texts("account", "name")),
    "zone-status": ("cloudflare", texts("status")),
    "zone-type": ("cloudflare", texts("type")),
    "record-content": ("cloudflare", texts("content")),
    "rows": ("cloudflare", extra_row),
    "cloudflare-error": ("cloudflare", error(403, {"success": False, "errors": [{"code": 1, "message": EVIL}]})),
    "godaddy-error": ("godaddy", error(422, {"code": EVIL, "message": EVIL, "fields": [{"path": EVIL, "code": EVIL, "message": EVIL}]})),
    "godaddy-status": ("godaddy", texts("status")),
    "godaddy-rows": ("godaddy", texts("data")),
    "digitalocean-error": ("digitalocean", error(403, {"id": EVIL, "message": EVIL, "request_id": EVIL})),
    "digitalocean-rows": ("digitalocean", texts("data", "tag")),
    "powerdns-error": ("powerdns", error(422, {"error": EVIL, "errors": [EVIL]})),
    "powerdns-zone": ("powerdns", texts("kind", "account")),
    "powerdns-rows": ("powerdns", texts("content")),
    "namecheap-error": (
        "namecheap",
        lambda _request, _response: Response.xml(
            "<ApiResponse Status='ERROR'><Errors><Error Number='1&#10;forged'>one&#10;wixsend: forged&#13;&#x9b;2J&#x202e;</Error></Errors>"
            "</ApiResponse>"
        ),
    ),
}


type Wixsend = Callable[..., "Ended"]


UNSEEN = {"wix-status", "wix-id", "zone-type", "record-content", "godaddy-rows", "digitalocean-rows"}
"""What these say is in nothing that is shown."""


@dataclass
class Ended:
    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def wixsend(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Wixsend:
    """The command line in this process, with this environment and no other."""

    def run(args: Sequence[str], environ: Mapping[str, str], folder: Path) -> Ended:
        with monkeypatch.context() as patch:
            patch.chdir(folder)
            for name in [*os.environ]:
                patch.delenv(name)
            for name, value in environ.items():
                patch.setenv(name, value)
            with pytest.raises(SystemExit) as ended:
                main([*args])
        out, err = capsys.readouterr()
        assert "Traceback" not in err
        return Ended(int(ended.value.code or 0), out, err)

    return run


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(resolvers=1) as opened:
        opened.wix.requires_dmarc = False
        for host in HOSTS:
            opened.add_domain(f"{host}.{DOMAIN}", host, zone(f"{host}.{DOMAIN}"))
        opened.add_domain(DOMAIN, "cloudflare", zone())
        yield opened


def environment(sandbox: Sandbox, home: Path, service: str, front: Server) -> dict[str, str]:
    path = "" if service == WIX else sandbox.url(service).partition("//")[2].partition("/")[2]
    return {
        **sandbox.environment(),
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        f"WIXSEND_{service.upper()}_BASE_URL": front.url("front") + (f"/{path}" if path else ""),
        "WIXSEND_TIMES_STUMBLE_FIRST": "0.01",
        "WIXSEND_TIMES_SETTLE_MOST": "0",
        "WIXSEND_TIMES_STUMBLES_EARLY": "2",
    }


def safe(shown: str) -> None:
    """Printable lines, and none that begins as the planted ones do."""
    assert all(line.isprintable() for line in shown.split("\n")), shown
    assert not re.search(r"^(wixsend: forged|\+ forged|forged|\[y/N\]|  next: forged)", shown, re.M), shown


@pytest.mark.parametrize("spoilt", SPOILT)
def test_nothing_from_elsewhere_reaches_a_terminal_as_it_is(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path, spoilt: str) -> None:
    service, spoil = SPOILT[spoilt]
    handle = sandbox.wix.handle if service == WIX else sandbox.hosts[service].handle
    domain = DOMAIN if service in (WIX, "cloudflare") else f"{service}.{DOMAIN}"
    with Server({"front": Front(handle, spoil)}) as front:
        environ = environment(sandbox, tmp_path, service, front)
        shown = ""
        for args in (("plan", domain), ("plan", domain, "--json"), ("authenticate", domain), ("providers", "test", service, domain)):
            done = wixsend(args, environ, tmp_path)
            assert done.returncode in (0, 3, 4, 6, 7), done
            safe(done.stdout)
            safe(done.stderr)
            if "--json" in args:
                json.loads(done.stdout)
            shown += done.stdout + done.stderr
    assert "forged" in shown or spoilt in ("wix-status", "wix-id", "zone-type", "record-content", "godaddy-rows", "digitalocean-rows"), (
        shown
    )


def test_a_backup_of_a_hostile_zone_is_printable_lines(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path) -> None:
    """Other people's records are kept as they were read, and shown by `backups` and `restore`."""

    def spoil(request: Request, response: Response) -> Response:
        return texts("content", "comment")(request, response) if request.method == "GET" else response

    sandbox.add_domain("kept.example", "cloudflare", zone("kept.example"))
    with Server({"front": Front(sandbox.hosts["cloudflare"].handle, spoil)}) as front:
        environ = environment(sandbox, tmp_path, "cloudflare", front)
        shown = ""
        for args in ("authenticate kept.example --yes --no-wait", "backups", "backups --json", "restore 1", "restore 1 www.kept.example"):
            done = wixsend(args.split(), environ, tmp_path)
            safe(done.stdout)
            safe(done.stderr)
            shown += done.stdout
    assert shown.count("forged") > 5


def test_at_a_terminal_a_question_cannot_be_forged(sandbox: Sandbox, tmp_path: Path) -> None:
    with Server({"front": Front(sandbox.hosts["cloudflare"].handle, extra_row)}) as front:
        environ = {**environment(sandbox, tmp_path, "cloudflare", front), "TERM": "xterm", "COLUMNS": "200"}
        before = sandbox.raw("cloudflare", DOMAIN)
        replaced = [word for number in (1, 2) for word in ("--replace", f"s{number}._domainkey.{DOMAIN}")]
        shown = asked_at_terminal(["authenticate", DOMAIN, *replaced], environ)
        assert sandbox.raw("cloudflare", DOMAIN) == before
    colours = r"\x1b\[[0-9;]*m"
    moves = r"\x1b\[\?25[lh]|\x1b\[[0-9]*[AK]|\r"
    safe(re.sub(f"{colours}|{moves}", "", shown))
    assert "forged" in shown


def asked_at_terminal(args: list[str], environ: Mapping[str, str]) -> str:
    """All that a command shows at a terminal, up to its end; a question is answered by no."""
    ours, theirs = pty.openpty()
    try:
        with subprocess.Popen(
            [sys.executable, "-m", "wixsend", *args], env=environ, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
        ) as process:
            os.close(theirs)
            os.write(ours, b"n\n")
            shown = b""
            try:
                while select.select([ours], [], [], 30)[0]:
                    shown += os.read(ours, 4096)
            except OSError:  # the command has ended, and its end of the terminal is closed
                pass
            finally:
                process.kill()
            return shown.decode()
    finally:
        os.close(ours)


# -- a project of somebody else's --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "hostile",
    [
        '[wix]\nbase_url = "{url}"',
        '[accounts.cloudflare]\nbase_url = "{url}"',
        '[http]\nproxy = "{url}"',
        '[wix]\napi_key = "command:touch run"\n',
        '[accounts.cloudflare]\napi_token = "command:touch run"\n',
        '[state]\ndatabase = "sqlite:///run"\n',
    ],
)
def test_a_strangers_project_gets_no_credential_and_runs_nothing(wixsend: Wixsend, sandbox: Sandbox, tmp_path: Path, hostile: str) -> None:
    heard: list[Request] = []

    def listen(request: Request) -> Response:
        heard.append(request)
        return Response.json({})

    project = tmp_path / "project"
    project.mkdir()
    (tmp_path / "bin").mkdir()
    with Server({"front": listen}) as front:
        (project / "wixsend.toml").write_text(hostile.format(url=front.url("front")))
        environ = environment(sandbox, tmp_path, "godaddy", front)
        for name in ("WIXSEND_WIX_BASE_URL", "WIXSEND_CLOUDFLARE_BASE_URL", "WIXSEND_GODADDY_BASE_URL"):
            environ.pop(name, None)
        if "command:" in hostile:
            environ = {name: value for name, value in environ.items() if name not in ("WIXSEND_WIX_API_KEY", "CLOUDFLARE_API_TOKEN")}
        for args in (("plan", DOMAIN), ("providers", "test", "cloudflare"), ("status",)):
            done = wixsend(args, environ, project)
            assert done.returncode == 2, done
            assert "is not taken from a file that was merely found" in done.stderr
    assert heard == []
    assert [path.name for path in project.iterdir()] == ["wixsend.toml"]


# -- the last line of defence ------------------------------------------------------------------------------------------


def test_a_block_is_one_printable_line_whatever_is_in_it() -> None:
    terminal = Terminal(Redactor())
    shown = terminal.rendered([Styled(EVIL), Table(("a", "b"), [(EVIL, Styled(EVIL, "bad"))])], io.StringIO())
    safe(shown)
    assert shown.count("\n") == 3


def test_json_holds_no_control_character_not_even_in_a_key(capsys: pytest.CaptureFixture[str]) -> None:
    Terminal(Redactor(), json=True).result({EVIL: [EVIL, {"a": EVIL}]})
    shown = capsys.readouterr().out
    safe(shown)
    assert len(json.loads(shown)) == 1


# -- DNS ---------------------------------------------------------------------------------------------------------------


class NamesWithoutEnd(socketserver.BaseRequestHandler):
    """A name server that delegates whatever it is asked to servers whose addresses have to be asked for in turn (NXNSAttack)."""

    def handle(self) -> None:
        octets, answering = self.request
        query = dns.message.from_wire(octets)
        asked = query.question[0].name
        response = dns.message.make_response(query)
        number = zlib.crc32(asked.to_wire() or b"")
        hosts = [f"ns.{number}-{each}.evil{each}." for each in range(30)]
        response.authority.append(dns.rrset.from_text_list(asked, 3600, "IN", "NS", hosts))
        answering.sendto(response.to_wire(), self.client_address)


@contextmanager
def dns_server(handler: type[socketserver.BaseRequestHandler]) -> Iterator[int]:
    with socketserver.ThreadingUDPServer(("127.0.0.1", 0), handler) as server:
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        try:
            yield server.server_address[1]
        finally:
            server.shutdown()
            serving.join()


async def test_delegations_that_lead_to_delegations_end() -> None:
    with dns_server(NamesWithoutEnd) as port:
        settings = DnsSettings(roots=("192.0.2.1",), endpoints={"192.0.2.1": f"127.0.0.1:{port}"}, per_second=float("inf"), resolvers=())
        asking = Dns(settings)
        with pytest.raises(WixsendError) as caught:
            await asking.delegation(absolute(DOMAIN))
        assert caught.value.next_step
        assert 30 < sum(asking.queries.values()) < 3000
        await asking.close()


async def test_names_and_texts_in_dns_are_shown_escaped(world: World) -> None:
    """Name servers whose labels are terminal escapes, and a policy that is: what is said of them is printable."""
    world.wix.add_domain("odd.example")
    odd = ["\\027\\0932J\\010wixsend\\058\\032forged.example.net", "ns\\155.example.org"]
    policy = Record(absolute("_dmarc.odd.example"), "TXT", '"v=DMARC1; p=\\027[2J\\010forged"')
    world.dns.add_zone("odd.example", odd, lambda _apex: (policy,))
    preview = await world.run("odd.example").preview()
    terminal = Terminal(Redactor())
    shown = terminal.rendered(report.preview_lines(preview), io.StringIO())
    safe(shown)
    assert "\\027" in shown
