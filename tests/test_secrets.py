"""No secret is seen: known ones are planted, the real command line is run in processes of its own against the sandbox, and everything is
searched: both streams, every file that it leaves behind, and what went to whom over HTTP."""

import base64
import html
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from textwrap import dedent
from urllib.parse import quote, quote_plus

import pytest

from hosts import OVER_HTTP
from wixsend.names import absolute
from wixsend.plugins import Plugins
from wixsend.records import Record
from wixsend.testing.fakes import Request
from wixsend.testing.sandbox import WIX, Sandbox
from wixsend.testing.server import Call, Fault, Kind
from wixsend.testing.world import World

PLUGINS = Plugins()
HOSTS = OVER_HTTP
LEAKY = "leaky-plugin-secret-5d1f"
PASSWORD = "p4ss-w0rd/of+a b"


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox(resolvers=1) as opened:
        opened.wix.requires_dmarc = False
        yield opened


def planted(sandbox: Sandbox) -> dict[str, list[str]]:
    """Every secret there is, by the service that may hear it."""
    found = {WIX: [sandbox.wix.site.api_key]}
    for name, host in sandbox.hosts.items():
        found[name] = [host.credentials[each] for each in secret_fields(name) if each in host.credentials]
        assert found[name]
    return found


def secret_fields(host: str) -> list[str]:
    fake = PLUGINS.sandbox_host(host)
    return [each.name for each in PLUGINS.get(host).fields if each.secret and fake is not None and each.name in fake.credentials]


def forms(secret: str) -> Iterable[bytes]:
    """The ways in which it would be found."""
    octets = secret.encode()
    texts = {secret, quote(secret), quote(secret, safe=""), quote_plus(secret), json.dumps(secret)[1:-1], html.escape(secret), secret[:12]}
    yield from (text.encode() for text in texts)
    yield base64.b64encode(octets).rstrip(b"=")[:-2]
    yield base64.b64encode(b":" + octets).rstrip(b"=")[2:-2]


@dataclass
class Ended:
    code: int
    out: str
    err: str
    home: Path
    secrets: list[str] = field(repr=False)

    def clean(self) -> "Ended":
        """Nothing of any secret is in the streams or in a file, whatever its name, that was left behind."""
        places = {"stdout": self.out.encode(), "stderr": self.err.encode()}
        places |= {str(path): path.read_bytes() for path in self.home.rglob("*") if path.is_file() and "site" not in path.parts}
        for place, content in places.items():
            for secret in self.secrets:
                for form in forms(secret):
                    assert form not in content, f"a secret is in {place}:\n{self.out}{self.err}"
        return self


type Wixsend = Callable[..., Ended]


@pytest.fixture
def environ(sandbox: Sandbox, tmp_path: Path) -> dict[str, str]:
    return {
        **sandbox.environment(),
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "WIXSEND_TIMES_LOOK_LEAST": "0.05",
        "WIXSEND_TIMES_STUMBLE_FIRST": "0.01",
        "WIXSEND_TIMES_SETTLE_MOST": "0",
        "WIXSEND_TIMES_STUMBLES_EARLY": "2",
        "WIXSEND_TIMES_STUMBLING": "0.01",
        "WIXSEND_HTTP_TIMEOUT": "2",
    }


@pytest.fixture
def wixsend(sandbox: Sandbox, environ: dict[str, str], tmp_path: Path) -> Iterator[Wixsend]:
    secrets = [secret for each in planted(sandbox).values() for secret in each]

    def run(*args: str, **more: str) -> Ended:
        done = subprocess.run(
            [sys.executable, "-m", "wixsend", *args],
            env=environ | more,
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
        return Ended(done.returncode, done.stdout, done.stderr, tmp_path, [*secrets, LEAKY, PASSWORD])

    yield run
    sandbox.faults.clear()


def files_in(folder: Path) -> bytes:
    return b"".join(path.read_bytes() for path in folder.iterdir() if path.is_file())


def zone(domain: str) -> list[Record]:
    return [
        Record(absolute("www", absolute(domain)), "A", "192.0.2.80", 3600),
        Record(absolute(domain), "MX", "10 mail.example.net.", 3600),
    ]


def echo(mine: list[str]) -> str:
    """What a vendor says that repeats everything that it was sent, at places where somebody may cut it."""
    told = " ".join((*mine, *map(quote_plus, mine), *(base64.b64encode(f"u:{secret}".encode()).decode() for secret in mine)))
    return f"{told} {'x' * 250}{told} {'x' * 470}{told}"


def vendors_error(mine: list[str], xml: bool) -> bytes:
    """An error in the form of every vendor at once, with the secrets wherever it has words."""
    said = echo(mine)
    if xml:
        errors = f'<Errors><Error Number="{html.escape(said)}">{html.escape(said)}</Error></Errors>'
        return f'<?xml version="1.0"?><ApiResponse Status="ERROR">{errors}<CommandResponse/></ApiResponse>'.encode()
    return json.dumps(
        {
            "success": False,
            "errors": [{"code": 9109, "message": said, "error_chain": [{"code": 6003, "message": said}]}],
            "code": said,
            "message": said,
            "fields": [{"path": said, "code": said, "message": said}],
            "details": {"applicationError": {"code": said, "description": said}},
        }
    ).encode()


def wrong_shapes(mine: list[str]) -> bytes:
    """A success whose every word is a secret."""
    said = echo(mine)[:900]
    row = {"id": mine[0], "name": said, "type": said, "content": said, "data": said, "ttl": said, "domain": said, "hostName": said}
    return json.dumps(
        {
            "success": True,
            "result": [row],
            "result_info": {"total_count": 1},
            "sendingDomains": [row | {"dnsRecords": [row]}],
            "sendingDomain": row,
            "domain": said,
            "status": said,
            "nameServers": [said],
        }
    ).encode()


# -- what goes well ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("host", "level"), [*((host, "debug") for host in HOSTS), ("cloudflare", "")])
def test_the_whole_job_shows_no_secret(wixsend: Wixsend, sandbox: Sandbox, host: str, level: str) -> None:
    domain = f"well-{host}-{level or 'quiet'}.example"
    sandbox.add_domain(domain, host, zone(domain))
    sandbox.reset_counts()
    more = {"WIXSEND_LOG": level, "CLOUDFLARE_LOG": "debug", "PYTHONASYNCIODEBUG": "1" if level else ""}
    done = wixsend("authenticate", domain, "--yes", "--json", **more).clean()
    assert done.code == 0, done.err
    assert bool(level) == ("DEBUG: " in done.err)
    assert (done.home / ".local/state/wixsend/journal.db").is_file()
    for command in (("status", domain, "--json"), ("config", "--json"), ("undo", domain, "--yes")):
        assert wixsend(*command, **more).clean().code == 0
    _each_secret_went_only_where_it_belongs(sandbox)


def _each_secret_went_only_where_it_belongs(sandbox: Sandbox) -> None:
    secrets = planted(sandbox)
    for call in sandbox.calls:
        _nothing_in_the_url(call.request, secrets)
        for owner, theirs in secrets.items():
            if owner != call.service:
                assert not any(form in _sent(call) for secret in theirs for form in forms(secret)), (
                    f"{owner}'s secret went to {call.service}"
                )
    assert sandbox.calls


def _nothing_in_the_url(request: Request, secrets: Mapping[str, list[str]]) -> None:
    url = f"{request.path}?{request.query}".encode()
    assert not any(form in url for each in secrets.values() for secret in each for form in forms(secret))


def _sent(call: Call) -> bytes:
    return f"{call.path}{call.request.query}{dict(call.request.headers)}".encode() + call.request.body


def test_an_apps_secret_and_its_token_are_not_shown(wixsend: Wixsend, sandbox: Sandbox) -> None:
    sandbox.add_domain("by-app.example", "cloudflare", zone("by-app.example"))
    app = {"WIXSEND_WIX_API_KEY": "", "WIXSEND_WIX_SITE_ID": "", "WIXSEND_LOG": "debug", **sandbox.environment(by_app=True)}
    done = wixsend("authenticate", "by-app.example", "--yes", **app).clean()
    assert done.code == 0, done.err
    tokens = [*sandbox.wix._tokens]
    assert tokens
    Ended(0, done.out, done.err, done.home, [*tokens, sandbox.wix.app_secret]).clean()
    said = f"{sandbox.wix.app_secret} {tokens[0]}".encode()
    sandbox.faults.add(Fault("status", WIX, status=403, body=b'{"message": "' + said + b'"}', match=_asks_for_records))
    done = wixsend("plan", "by-app.example", **app)
    Ended(done.code, done.out, done.err, done.home, [sandbox.wix.app_secret]).clean()
    assert done.code == 7


def _asks_for_records(request: Request) -> bool:
    return request.path.endswith("/query")


# -- what goes wrong ---------------------------------------------------------------------------------------------------

ANSWERS: Mapping[str, tuple[Kind, int]] = {
    "400": ("status", 400),
    "401": ("status", 401),
    "403": ("status", 403),
    "500": ("status", 500),
    "html": ("html", 200),
    "wrong-shape": ("wrong-shape", 200),
    "reset": ("refuse", 200),
    "truncated": ("truncate", 200),
}


def _spoilt(service: str, answer: str, phase: str, said: list[str]) -> Fault:
    """Every call of a phase is answered so, with what the caller sent in it."""
    kind, status = ANSWERS[answer]
    xml = service == "namecheap"
    return Fault(
        kind,
        service,
        times=1000,
        status=status,
        headers={} if kind == "html" else {"content-type": "text/xml" if xml else "application/json"},
        body=_body(said, kind, xml),
        match=_writes if phase == "writing" else None,
    )


@pytest.mark.parametrize(
    ("service", "answer", "phase"),
    [
        *((service, answer, "reading") for service in (WIX, *HOSTS) for answer in ("401", "html", "wrong-shape")),
        ("godaddy", "400", "writing"),
    ],
)
def test_an_answer_that_repeats_the_credentials_does_not_make_us_show_them(
    wixsend: Wixsend, sandbox: Sandbox, service: str, answer: str, phase: str
) -> None:
    domain = f"{service}-{answer}-{phase}.example"
    sandbox.add_domain(domain, service if service in HOSTS else "cloudflare", zone(domain))
    sandbox.faults.add(_spoilt(service, answer, phase, planted(sandbox)[service]))
    done = wixsend("authenticate", domain, "--yes", "--no-wait").clean()
    assert done.code in (4, 7), done
    assert "Traceback" not in done.err
    assert f"{domain}: stopped" in done.out
    assert "  next: " in done.out


@pytest.mark.parametrize("answer", ANSWERS)
@pytest.mark.parametrize("phase", ["reading", "writing"])
async def test_no_case_and_no_journal_holds_what_a_vendor_repeats(tmp_path: Path, answer: str, phase: str) -> None:
    """Nothing is printed here: what is kept is clean by itself, not only what is shown of it."""
    with World(tmp_path) as world:
        for service in (WIX, *HOSTS):
            said = [world.wix.site.api_key] if service == WIX else [world.hosts[service].credentials[f] for f in secret_fields(service)]
            domain = f"{service}.example"
            world.add(domain, service if service in HOSTS else "cloudflare", zone(domain))
            world.server.faults.clear()
            world.server.faults.add(_spoilt(service, answer, phase, said))
            entry = await world.run(domain).authenticate(wait=phase == "reading")
            kept = f"{entry}{entry.case.stop}{entry.case.why}".encode()
            kept += files_in(tmp_path)
            assert not any(form in kept for secret in said for form in forms(secret)), service
            if phase == "reading":
                assert entry.case.stop is not None
                assert entry.case.stop.next_step


def _body(said: list[str], kind: Kind, xml: bool) -> bytes:
    if kind == "html":
        return f"<html><body>{html.escape(echo(said))}</body></html>".encode()
    return wrong_shapes(said) if kind == "wrong-shape" and not xml else vendors_error(said, xml)


def _writes(request: Request) -> bool:
    """Calls that change a zone."""
    posted = request.method == "POST" and request.path.endswith(("/batch", "/records"))
    return posted or request.method in ("PUT", "PATCH", "DELETE") or b"setHosts" in request.body


@pytest.mark.parametrize("command", ["providers test {host}", "providers test wix", "plan fine.example --json"])
def test_wrong_credentials_are_not_shown_either(wixsend: Wixsend, sandbox: Sandbox, command: str) -> None:
    sandbox.add_domain("fine.example", "cloudflare", zone("fine.example"))
    wrong = "wrong-but-secret-0123456789-abcdef"
    variables = [
        "WIXSEND_WIX_API_KEY",
        *(each.env for host in HOSTS for each in PLUGINS.get(host).fields if each.name in secret_fields(host)),
    ]
    for host in HOSTS if "{host}" in command else ("",):
        done = wixsend(*command.format(host=host).split(), **dict.fromkeys(variables, wrong))
        assert done.code in (4, 7), done
        done.secrets.append(wrong)
        done.clean()


@pytest.mark.parametrize("value", ["secret with blanks 0123", "secret\twith-a-tab-0123", "secret“with-quotes-0123", "secret\nin-two-lines"])
def test_what_can_be_no_secret_is_refused_without_being_shown(wixsend: Wixsend, value: str) -> None:
    for variable, command in (("WIXSEND_WIX_API_KEY", "plan a.example"), ("CLOUDFLARE_API_TOKEN", "providers test cloudflare")):
        done = wixsend(*command.split(), **{variable: value})
        assert done.code in (2, 4), done
        done.secrets.append(value[:13])
        done.clean()


# -- where else passwords are ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        f"postgresql+psycopg://me:{quote(PASSWORD, safe='')}@127.0.0.1:9/journal",
        f"postgresql+psycopg://127.0.0.1:9/journal?user=me&password={quote(PASSWORD, safe='')}",
        f"no-such-database://me:{quote(PASSWORD, safe='')}@127.0.0.1:9/journal",
        f"postgresql//me:{quote(PASSWORD, safe='')}@127.0.0.1:9/journal",
    ],
)
def test_the_databases_password_is_not_shown(wixsend: Wixsend, url: str) -> None:
    for command in ("status", "worker", "config", "config --json"):
        done = wixsend(*command.split(), WIXSEND_DATABASE_URL=url, WIXSEND_LOG="debug").clean()
        assert done.code == (0 if command.startswith("config") else 2), done


def test_a_proxys_password_is_not_shown(wixsend: Wixsend, sandbox: Sandbox) -> None:
    said = base64.b64encode(f"me:{PASSWORD}".encode()).decode()
    sandbox.faults.add(Fault("status", WIX, times=9, status=407, body=f"{PASSWORD} {said}".encode(), match=lambda _request: True))
    proxy = sandbox.url(WIX).replace("http://", f"http://me:{quote(PASSWORD, safe='')}@")
    done = wixsend(
        "plan", "a.example", WIXSEND_WIX_BASE_URL="https://www.wixapis.com", WIXSEND_HTTP_PROXY=proxy, WIXSEND_LOG="debug"
    ).clean()
    assert done.code == 7, done
    assert "DEBUG: " in done.err


def test_a_secret_in_a_file_is_refused_without_being_shown(wixsend: Wixsend, tmp_path: Path) -> None:
    for text in ('[wix]\napi_key = "{}"', '[accounts.cloudflare]\napi_token = "{}"', '[http]\nproxy = "http://me:{}@127.0.0.1:9"', 'x{}"'):
        (tmp_path / "site").mkdir(exist_ok=True)
        named = tmp_path / "site" / "named.toml"
        named.write_text(text.format(LEAKY))
        more = {"WIXSEND_WIX_API_KEY": "", "CLOUDFLARE_API_TOKEN": "", "WIXSEND_CONFIG": str(named)}
        more |= {"WIXSEND_WIX_BASE_URL": "https://localhost:9"} if "proxy" in text else {}
        for command in ("plan a.example", "providers test cloudflare", "config", "config --json"):
            wixsend(*command.split(), **more).clean()


# -- plugins -----------------------------------------------------------------------------------------------------------

PLUGIN = """
import logging, sys, threading, warnings
from wixsend import CredentialField, CredentialsMissing, Granularity, ProviderPlugin, Unavailable, hookimpl


def opens(credentials, wire):
    return Leaky(credentials["key"])


class Leaky:
    errors = ()

    def __init__(self, key):
        self.key = key
        if {when!r} == "open":
            self.leak()

    def leak(self):
        key = self.key
        {how}

    def zone(self, apex):
        self.leak()
        return ()

    def read(self, zone, names):
        raise NotImplementedError

    write = read

    def close(self):
        raise RuntimeError(self.key)


@hookimpl
def wixsend_provider():
    return ProviderPlugin(name="leaky", label="Leaky", opens=opens, granularity=Granularity.RECORD,
                          credentials=(CredentialField("key", "LEAKY_KEY", "the key"),), name_servers=(), base_url="https://localhost")
"""

LEAKS = {
    "exception": "raise ValueError(f'asked with {key}')",
    "cut": "raise ValueError('x' * 430 + key)",
    "ours": "raise Unavailable(f'asked with {key}', f'do not ask with {key}')",
    "config": "raise CredentialsMissing(f'{key} is wrong', f'not {key}')",
    "exit": "sys.exit(f'bye {key}')",
    "chained": "exec('try:\\n 1 / 0\\nexcept ZeroDivisionError as e:\\n raise KeyError(key) from e')",
    "log": "logging.getLogger('leaky').error('with %s', key); logging.getLogger('leaky').warning('%s %s', key)",
    "warning": "warnings.warn(f'with {key}', stacklevel=1)",
    "thread": "t = threading.Thread(target=lambda: [][key]); t.start(); t.join()",
    "finaliser": "type('X', (), {'__del__': lambda self: {}[key]})()",
    "wrong-type": "raise type('Odd', (BaseException,), {})(key)",
}


@pytest.mark.parametrize(("when", "how"), [*(("ask", how) for how in LEAKS), *(("open", how) for how in ("cut", "ours", "exit"))])
def test_a_plugin_that_gives_its_key_away_does_not_succeed(wixsend: Wixsend, tmp_path: Path, when: str, how: str) -> None:
    site = tmp_path / "site"
    info = site / "wixsend_leaky-1.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: wixsend-leaky\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[wixsend]\nleaky = leaky_plugin\n")
    (site / "leaky_plugin.py").write_text(dedent(PLUGIN).format(when=when, how=LEAKS[how].replace("{", "{{").replace("}", "}}").format()))
    done = wixsend("providers", "test", "leaky", PYTHONPATH=str(site), LEAKY_KEY=LEAKY, WIXSEND_LOG="debug").clean()
    assert done.code in (0, 1, 2, 4), done
    assert "[key]" in done.out + done.err + "".join(path.read_text() for path in tmp_path.rglob("wixsend.log"))
