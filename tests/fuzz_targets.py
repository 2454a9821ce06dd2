"""What comes from elsewhere, mutated, and what must hold whatever it is: a right answer or one of our errors with a next step, never
another exception, never an edit that harms. `tests/test_fuzz.py` tries a little of it each time, `benchmarks/fuzz.py` as much as one likes.

A target is a context manager. `inputs` is what to try, `check` tries one, at the wire where there is one: bodies go over HTTP through a
front before the host's own fake, DNS messages over UDP.
"""

import asyncio
import json
import random
import re
import socketserver
import sqlite3
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self
from urllib.parse import urlsplit

import dns.message
import dns.name
import dns.rrset
from hypothesis import strategies as st

from hosts import OVER_HTTP
from wixsend import report
from wixsend.adapters import Adapter
from wixsend.config import ENVIRONMENT, load
from wixsend.errors import WixsendError
from wixsend.events import Intended, Stopped, Stumbled, WixWants
from wixsend.exchange import DnsSettings
from wixsend.flow import Times, decide
from wixsend.guard import Evidence, guard
from wixsend.journal import Journal
from wixsend.layout import Block, render
from wixsend.lookup import Dns
from wixsend.names import absolute, parse_sending_domain, text
from wixsend.plan import Change, Edit, Wanted, plan
from wixsend.plugins import Plugins
from wixsend.records import WHOLE, Granularity, Record, Snapshot, Zone, txt_rdata, txt_text
from wixsend.redact import Redactor
from wixsend.sending import KNOWN_TARGETS, wix_domain
from wixsend.session import Session
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Server
from wixsend.testing.wix import FakeWix
from wixsend.verdict import Delegation, NameServer
from wixsend.wire import HttpWire
from wixsend.wix import Wix, WixApiKey

__all__ = ["TARGETS", "Target"]

DOMAIN = "example.com"
APEX = absolute(DOMAIN)
OURS = tuple(
    Record(absolute(host, APEX), "CNAME", f"{host}.{DOMAIN}.s004.ascendbywix.com.") for host in ("s1._domainkey", "s2._domainkey", "sg")
)
HELD = (
    Record(APEX, "A", "192.0.2.80", 3600),
    Record(absolute("www", APEX), "CNAME", "example.net.", 3600),
    Record(APEX, "MX", "10 mail.example.net.", 3600),
    Record(APEX, "TXT", '"v=spf1 -all"', 3600),
    Record(absolute("_dmarc", APEX), "TXT", '"v=DMARC1; p=reject"', 3600),
)


class Target[T]:
    """One parser of foreign input. Used as a context manager; `inputs` is good within it."""

    name: ClassVar[str]
    inputs: st.SearchStrategy[T]

    def __init__(self) -> None:
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        self.open(self._opened)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._opened.close()

    def open(self, stack: ExitStack) -> None:
        """Open what is needed, and set `inputs`."""

    def check(self, value: T) -> bool:
        """Try one input: true when an answer was made of it, false when it was refused. Raises for everything that must not happen."""
        raise NotImplementedError


def told(wrong: WixsendError) -> bool:
    """One of our errors says what happened and what to do next, in printable lines, and not at any length."""
    assert wrong.happened
    assert wrong.next_step
    assert all(line.isprintable() for line in f"{wrong.happened}\n{wrong.next_step}".split("\n"))
    assert len(wrong.happened) < 5000
    return False


# -- mutations ---------------------------------------------------------------------------------------------------------

_ODD_WORDS = r"""
    . .. @ * - a..b \ " "a \999 \25 -1 0 1 10 1e9 ² true A CNAME MX TXT ß.example xn-- xn--a ..example.com example.com. EXAMPLE.COM
    www.example.com _dmarc.example.com s1._domainkey.example.com s1._domainkey sg victim.example. notexample.com x.ascendbywix.com
    s1._domainkey.example.com.s004.ascendbywix.com. active ACTIVE full NOT_AUTHENTICATED
""".split()  # noqa: SIM905
ODD_TEXTS = [
    "",
    " ",
    "a b",
    "a" * 64,
    "a." * 200,
    "x" * 3000,
    "\x00",
    "\n",
    "a\tb",
    "\x1b[2J",
    "\x9b2J",
    "\ud800",
    "\u202e",
    '"a\nb"',
    *_ODD_WORDS,
]
texts = st.one_of(
    st.sampled_from(ODD_TEXTS), st.sampled_from(ODD_TEXTS), st.text(max_size=40), st.text(st.characters(codec=None), max_size=10)
)
numbers = st.one_of(st.integers(), st.floats(), st.sampled_from([0, 1, -1, 2**31, 2**63, 10**30, float("nan"), float("inf")]))
scalars = st.one_of(st.none(), st.booleans(), numbers, texts)
jsons: st.SearchStrategy[Any] = st.recursive(
    scalars, lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(texts, inner, max_size=3)), max_leaves=6
)
seeds = st.integers(0, 2**32 - 1)
"""Which places of a known good value are spoilt: cheap to draw, and the same each time for the same number."""


@dataclass(frozen=True)
class Replacement:
    """What comes in the place of a value: mostly something of its own kind, so that what follows is reached too."""

    text: str
    number: float
    other: Any

    def of(self, value: Any, chance: random.Random) -> Any:
        """What replaces this value."""
        if chance.random() < 0.2 or isinstance(value, bool | None):
            return self.other
        return self.number if isinstance(value, int | float) else self.text if isinstance(value, str) else self.other


replacements = st.builds(Replacement, texts, numbers, jsons)


def spoilt(value: Any, seed: int, some: Iterable[Replacement]) -> Any:
    """A JSON value with as many of its places as there are replacements replaced, removed or doubled."""
    chance = random.Random(seed)
    for replacement in some:
        value = _spoil(value, chance, replacement)
    return value


def _spoil(value: Any, chance: random.Random, replacement: Replacement) -> Any:
    if not isinstance(value, list | dict) or not value or chance.random() < 0.02:
        return replacement.of(value, chance)
    changed: Any = dict(value) if isinstance(value, dict) else list(value)
    place = chance.choice([*changed]) if isinstance(changed, dict) else chance.randrange(len(changed))
    match chance.randrange(24):
        case 0:
            del changed[place]
        case 1 if isinstance(changed, list):
            changed.append(changed[place])
        case 2 if isinstance(changed, list):
            changed.append(replacement.other)
        case _:
            changed[place] = _spoil(changed[place], chance, replacement)
    return changed


def scrambled(octets: bytes, seed: int, times: int) -> bytes:
    """Octets of which some are changed, removed, doubled, or the rest cut off."""
    chance = random.Random(seed)
    found = bytearray(octets)
    for _ in range(times):
        place = chance.randrange(len(found) + 1)
        match chance.randrange(6):
            case 0:
                del found[place : place + chance.randrange(1, 20)]
            case 1:
                found[place:place] = chance.randbytes(chance.randrange(1, 8))
            case 2:
                found[place:place] = found[place : place + chance.randrange(1, 60)]
            case 3 if chance.random() < 0.2:
                del found[place:]
            case _ if place < len(found):
                found[place] = chance.choice((0, 255, 0xC0, 0x80, found[place] ^ 1 << chance.randrange(8), chance.randrange(256)))
    return bytes(found)


STATUSES = [200] * 24 + [429] * 4 + [201, 204, 400, 401, 403, 404, 409, 422, 428, 500, 503]
WAITS = ["0", "60", "-1", "²", "9" * 400, "nan", "inf", "soon", "Wed, 21 Oct 2099 07:28:00 GMT", "Wed, 99 Oct 9999"]
KINDS = ["application/json", "text/html", "text/xml; charset=utf-16", "application/json; charset=zlib", "", ";"]


@dataclass(frozen=True)
class Answer:
    """A mutated HTTP answer to one kind of question: mostly a 200 whose body is spoilt a little.

    Else another status, odd headers, broken octets. What comes of the seed alone is spread more evenly than hypothesis would spread it.
    """

    phase: str
    seed: int
    replacements: tuple[Replacement, ...]

    def response(self, good: Response) -> Response:
        """The good answer of this phase, spoilt."""
        chance = random.Random(self.seed + 1)
        status = chance.choice(STATUSES)
        headers = dict(good.headers)
        if chance.random() < 0.3:
            headers |= {"retry-after": chance.choice(WAITS)}
        if chance.random() < 0.1:
            headers |= {"content-type": chance.choice(KINDS)}
        try:
            value = json.loads(good.body)
        except ValueError:
            body = _spoilt_xml(good.body.decode(), self.seed, self.replacements)
        else:
            body = json.dumps(spoilt(value, self.seed, self.replacements)).encode()
        return Response(status, scrambled(body, self.seed, chance.choice([0] * 8 + [1, 2, 5])), headers)


def _spoilt_xml(good: str, seed: int, some: Iterable[Replacement]) -> bytes:
    """Attributes replaced or removed, elements removed or doubled."""
    chance = random.Random(seed)
    for replacement in some:
        parts = [*re.finditer(r"<[^>]*>" if chance.random() < 0.2 else r'\w+="[^"]*"', good)]
        if not parts:
            break
        part = chance.choice(parts)
        written = replacement.text.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
        if part[0].startswith("<"):
            new = chance.choice(("", part[0] * 2, f"<{written}>", "<!DOCTYPE a>", "<![CDATA[x]]>", "&a;"))
        else:
            name = part[0].partition("=")[0]
            new = chance.choice(("", f'{name}="{replacement.other}"', *[f'{name}="{written}"'] * 8))
        good = good[: part.start()] + new + good[part.end() :]
    return good.encode(errors="surrogatepass")


def answers(phases: Iterable[str]) -> st.SearchStrategy[Answer]:
    """Answers to these kinds of questions."""
    return st.builds(Answer, st.sampled_from(sorted(phases)), seeds, st.lists(replacements, min_size=1, max_size=3).map(tuple))


class Front:
    """Before a fake: knows the good answer of each phase, and gives a spoilt one where it is told to."""

    def __init__(self, handle: Callable[[Request], Response]) -> None:
        self._handle = handle
        self._spoilt: Answer | None = None
        self._known: dict[str, Response] = {}

    def learn(self, phase: str) -> None:
        """What is answered from now on is the good answer of that phase."""
        self._spoilt, self._phase = None, phase

    def spoil(self, answer: Answer) -> None:
        """Answer so from now on; the fake hears nothing of it."""
        self._spoilt = answer

    def __call__(self, request: Request) -> Response:
        if self._spoilt is None:
            self._known[self._phase] = self._handle(request)
            return self._known[self._phase]
        return self._spoilt.response(self._known[self._spoilt.phase])


# -- the hosts ---------------------------------------------------------------------------------------------------------


class HostTarget(Target[Answer]):
    """Bodies of one host, through its own fake: what is made of them is about the zone asked for, and leads to no edit that harms."""

    host: ClassVar[str]

    def open(self, stack: ExitStack) -> None:
        plugins = Plugins()
        fake_type = plugins.sandbox_host(self.host)
        assert fake_type is not None
        fake = fake_type()
        fake.add_zone(DOMAIN, HELD)
        self._plugin = plugins.get(self.host)
        self._front = Front(fake.handle)
        server = stack.enter_context(Server({self.host: self._front}))
        self._runner = stack.enter_context(asyncio.Runner())
        self._adapter = Adapter.open(
            self._plugin, dict(fake.credentials), HttpWire(server.url(self.host) + urlsplit(self._plugin.base_url).path, timeout=5.0)
        )
        stack.callback(lambda: self._runner.run(self._adapter.close()))
        self._front.learn("zone")
        (self._zone,) = self._run(self._adapter.zone(APEX))
        self._front.learn("read")
        self._snapshot = self._run(self._adapter.read(self._zone, frozenset(record.owner for record in OURS)))
        self._edit = _edit(self._snapshot)
        self._front.learn("write")
        self._run(self._adapter.write(self._edit))
        self.inputs = answers(("zone", "read", "write"))

    def check(self, value: Answer) -> bool:
        self._front.spoil(value)
        try:
            match value.phase:
                case "zone":
                    assert all(zone.apex == APEX for zone in self._run(self._adapter.zone(APEX)))
                case "read":
                    self._judge(self._run(self._adapter.read(self._zone, frozenset(record.owner for record in OURS))))
                case "write":
                    # What a host says that it did is compared by whoever asked (`wixsend.apply`).
                    assert all(str(record).isprintable() for record in self._run(self._adapter.write(self._edit)).records or ())
        except WixsendError as wrong:
            return told(wrong)
        return True

    def _judge(self, snapshot: Snapshot) -> None:
        """Whatever the host says: an edit that the guard lets through adds what was asked for, and takes nothing away."""
        assert all(record.owner.is_subdomain(APEX) for record in snapshot.records)
        assert all((record.rdata + record.rtype).isprintable() for record in snapshot.records)
        made = plan(snapshot, Wanted(OURS, absolute("_dmarc", APEX)))
        evidence = Evidence(APEX, frozenset(OURS), frozenset(self._zone.name_servers), known_targets=KNOWN_TARGETS)
        if guard(made, evidence, self._plugin.granularity, self._plugin.limits):
            return
        assert not made.edit.removes
        assert set(made.edit.adds) <= set(OURS)
        for record in made.edit.adds:
            assert not snapshot.at(record.owner)
        if self._plugin.granularity is Granularity.ZONE and made.edit:
            assert made.edit.whole_zone()[: len(snapshot.records)] == snapshot.records
        assert not plan(Snapshot(snapshot.zone, (*snapshot.records, *made.edit.adds), WHOLE), Wanted(OURS, absolute("_dmarc", APEX))).edit

    def _run[R](self, awaited: Awaitable[R]) -> R:
        async def wait() -> R:
            return await awaited

        return self._runner.run(wait())


def _edit(snapshot: Snapshot) -> Edit:
    made = plan(snapshot, Wanted(OURS, absolute("_dmarc", APEX)))
    assert made.edit
    return made.edit


def bodies_of(host: str) -> type[HostTarget]:
    """The target of one installed host."""
    return type(f"{host.title()}Bodies", (HostTarget,), {"host": host, "name": f"{host} bodies"})


# -- Wix ---------------------------------------------------------------------------------------------------------------


def wix_records(records: Iterable[Record], domain: dns.name.Name) -> None:
    """Whatever Wix says: only CNAMEs below the sending domain, that point outside of it, one for each owner."""
    found = [*records]
    assert len({record.owner for record in found}) == len(found) <= 50
    for record in found:
        assert record.rtype == "CNAME"
        assert record.owner != domain
        assert record.owner.is_subdomain(domain)
        assert not record.target.is_subdomain(domain)
        assert all(re.fullmatch(rb"[A-Za-z0-9_-]+", label) for label in (*record.owner.labels[:-1], *record.target.labels[:-1]))


class WixJson(Target[tuple[int, list[Replacement]]]):
    name = "Wix JSON"

    def open(self, stack: ExitStack) -> None:
        rows = [{"hostName": text(record.owner), "value": text(record.target), "type": "CNAME"} for record in OURS]
        self._good = {"id": "a-1", "domain": DOMAIN, "status": "NOT_AUTHENTICATED", "dnsRecords": rows}
        self.inputs = st.tuples(seeds, st.lists(replacements, min_size=1, max_size=3))

    def check(self, value: tuple[int, list[Replacement]]) -> bool:
        try:
            found = wix_domain(spoilt(self._good, *value))
        except WixsendError as wrong:
            return told(wrong)
        except ValueError:
            return False
        wix_records(found.records, found.name)
        return True


class WixBodies(Target[Answer]):
    name = "Wix bodies"

    def open(self, stack: ExitStack) -> None:
        fake = FakeWix()
        held = fake.add_domain(DOMAIN)
        self._front = Front(fake.handle)
        server = stack.enter_context(Server({"wix": self._front}))
        self._runner = stack.enter_context(asyncio.Runner())
        self._wix = Wix(WixApiKey(fake.site.api_key, fake.site.id), server.url("wix"), timeout=5.0)
        stack.callback(lambda: self._runner.run(self._wix.close()))
        self._calls: Mapping[str, Callable[[], Awaitable[Any]]] = {
            "query": lambda: self._wix.query(parse_sending_domain(DOMAIN)),
            "get": lambda: self._wix.get(held.id),
            "authenticate": lambda: self._wix.authenticate(held.id),
        }
        held.status = "AUTHENTICATED"
        fake.requires_dmarc = False
        fake.resolve = {record.owner: record.target for record in held.wants}.get
        for phase in self._calls:
            self._front.learn(phase)
            self._run(phase)
        self.inputs = answers(self._calls)

    def check(self, value: Answer) -> bool:
        self._front.spoil(value)
        try:
            found = self._run(value.phase)
        except WixsendError as wrong:
            return told(wrong)
        wix_records(found.records, found.name)
        return True

    def _run(self, phase: str) -> Any:
        async def wait() -> Any:
            return await self._calls[phase]()

        return self._runner.run(wait())


# -- DNS ---------------------------------------------------------------------------------------------------------------

RRSETS = f"""\
example.com. NS ns1.example.net. ns2.example.com.
s1.example.com. NS a.s1.example.com.
ns2.example.com. A 192.0.2.2
ns2.example.com. AAAA ::1
example.com. SOA ns1.example.net. a.example.net. 1 2 3 4 5
. SOA . . 1 2 3 4 5
s1.example.com. CNAME x.ascendbywix.com.
s1.example.com. A 192.0.2.1
s1.example.com. TXT "v=DMARC1; p=reject" "\\200\\000"
example.com. DNAME a.b.
s1.example.com. SRV 1 2 3 a.example.
s1.example.com. MX 10 a.example.
s1.example.com. CAA 0 issue "a"
s1.example.com. LOC 1 2 3 N 4 5 6 E 7m 8m 9m 10m
s1.example.com. DNSKEY 257 3 13 AAAA
s1.example.com. DS 1 13 2 {"00" * 32}
s1.example.com. NSEC a. A NS
s1.example.com. HTTPS 1 . alpn=h2
s1.example.com. NAPTR 1 2 a b c .
s1.example.com. TYPE65280 \\# 3 010203
""".splitlines()


@dataclass(frozen=True)
class Message:
    """A DNS response: a header, the sections, and how it is scrambled behind the question."""

    flags: int
    sections: tuple[tuple[int, ...], ...]
    seed: int
    scrambles: int
    extra: bytes

    def to_wire(self, query: bytes) -> bytes:
        """The response to a query, its id and question right, so that it is not passed over."""
        asked = dns.message.from_wire(query)
        made = dns.message.make_response(asked)
        for section, chosen in zip((made.answer, made.authority, made.additional), self.sections, strict=True):
            section.extend(dns.rrset.from_text(*_fields(RRSETS[number])) for number in chosen)
        octets = made.to_wire()
        start = 12 + len(asked.question[0].name.to_wire() or b"") + 4
        counts = scrambled(octets[6:12], self.seed, 1) if self.scrambles > 3 else octets[6:12]
        flags = (self.flags | 0x8000) & 0x87FF
        head = query[:2] + flags.to_bytes(2) + octets[4:6] + counts[:6].ljust(6, b"\0") + octets[12:start]
        return (head + scrambled(octets[start:], self.seed, self.scrambles) + self.extra)[:4096]


def _fields(line: str) -> tuple[Any, ...]:
    name, rtype, rest = line.split(" ", 2)
    return name, 300, "IN", rtype, *(rest.split() if rtype == "NS" else [rest])


class _Spoken(socketserver.BaseRequestHandler):
    said: ClassVar[Message]

    def handle(self) -> None:
        octets, answering = self.request
        answering.sendto(self.said.to_wire(octets), self.client_address)


class DnsMessages(Target[Message]):
    name = "DNS messages"

    def open(self, stack: ExitStack) -> None:
        server = stack.enter_context(socketserver.UDPServer(("127.0.0.1", 0), _Spoken))
        serving = threading.Thread(target=server.serve_forever, args=(0.02,))
        serving.start()
        stack.callback(serving.join)
        stack.callback(server.shutdown)
        self._runner = stack.enter_context(asyncio.Runner())
        place = f"127.0.0.1:{server.server_address[1]}"
        self._settings = DnsSettings(
            ("192.0.2.53",), (), ("192.0.2.1",), 9, {"192.0.2.1": place, "192.0.2.53": place}, 0.5, 1, ipv6=False, per_second=float("inf")
        )
        server_of = NameServer(absolute("ns1.example.net"), ("192.0.2.1",))
        self._delegation = Delegation(APEX, absolute("com"), (server_of,))
        some = st.lists(st.integers(0, len(RRSETS) - 1), max_size=3).map(tuple)
        flags = st.sampled_from([0x8400, 0x8400, 0x8000, 0x8480, 0x8403, 0x8003, 0x8402, 0x8405, 0x8600]) | st.integers(0, 0xFFFF)
        self.inputs = st.builds(Message, flags, st.tuples(some, some, some), seeds, st.integers(0, 6), st.binary(max_size=8))

    def check(self, value: Message) -> bool:
        _Spoken.said = value
        return self._runner.run(self._ask())

    async def _ask(self) -> bool:
        answered = False
        asking = Dns(self._settings)
        owner = absolute("s1", APEX)
        want = Record(owner, "CNAME", "x.ascendbywix.com.")
        try:
            for asked in (
                lambda: asking.delegation(owner),
                lambda: asking.records_at(self._delegation, owner, ("TXT",)),
                lambda: asking.soa(self._delegation),
                lambda: asking.cuts_below(self._delegation, [owner]),
                lambda: asking.dmarc_above(owner, self._delegation),
                lambda: asking.prove([want], self._delegation),
            ):
                try:
                    found = await asked()
                except WixsendError as wrong:
                    told(wrong)
                else:
                    answered = True
                    if isinstance(found, tuple):
                        assert all(str(each).isprintable() for each in found)
            assert sum(asking.queries.values()) < 2000
        finally:
            await asking.close()
        return answered


# -- our own files -----------------------------------------------------------------------------------------------------

CONFIGURATION = """\
[wix]
api_key = "env:KEY"
site_id = "01234567-89ab-cdef-0123-456789abcdef"
profile = "a"
[wix.profiles.a]
app_id = "x"
[accounts.cf]
provider = "cloudflare"
api_token = "env:TOKEN"
environment = "ote"
[dns]
timeout = 3.0
tries = 2
[policy]
dmarc = "keep"
known_targets = ["example.net"]
[times]
give_up = "2d"
look_most = 900
[http]
timeout = "30s"
[state]
"""


class Configuration(Target[tuple[int, int, list[Any], dict[str, str]]]):
    name = "configuration"

    def open(self, stack: ExitStack) -> None:
        self._folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        variables = st.dictionaries(st.sampled_from([*ENVIRONMENT, "WIXSEND_CLOUDFLARE_BASE_URL", "WIXSEND_X"]), texts, max_size=2)
        self.inputs = st.tuples(seeds, st.integers(0, 4), st.lists(scalars, max_size=2), variables)

    def check(self, value: tuple[int, int, list[Any], dict[str, str]]) -> bool:
        seed, scrambles, some, environ = value
        chance = random.Random(seed)
        lines = CONFIGURATION.splitlines()
        for replacement in some:
            place = chance.randrange(len(lines))
            key = lines[place].partition(" = ")[0]
            lines[place] = chance.choice(
                (f"{key} = {json.dumps(replacement)}", f"{json.dumps(str(replacement))} = 1", lines[place] * 2, "[[[")
            )
        written = "\n".join(lines).encode(errors="surrogatepass")
        (self._folder / "wixsend.toml").write_bytes(scrambled(written, seed, scrambles))
        try:
            config = load(environ, cwd=self._folder, user_folder=self._folder / "none")
            session = Session(config, {})
            _ = (session.known_targets, session.dns, session.config.times, report.config_json(config))
            render(report.config_lines(config), 80, True, Redactor().line)
        except WixsendError as wrong:
            return told(wrong)
        return True


class JournalRows(Target[tuple[str, int, list[Replacement], int]]):
    """Events and backups as somebody else might have written them: a case that can be shown, or an error."""

    name = "journal rows"

    def open(self, stack: ExitStack) -> None:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        self._path = folder / "journal.db"
        self._journal = Journal(f"sqlite:///{self._path}", folder)
        stack.callback(self._journal.close)
        entry = self._journal.open_case("site", APEX)
        snapshot = Snapshot(Zone(APEX, "z", "account", (absolute("ns1.example.net"),)), HELD, WHOLE, {"EmailType": "MX"}, total=5)
        number = self._journal.keep_snapshot(entry.id, "namecheap", "me", snapshot, 2.0)
        for event in (
            WixWants("a-1", OURS),
            Stumbled("unavailable", 4, "x", "y", 7.0),
            Intended(tuple(Change(record.owner, HELD[:1], (record,)) for record in OURS), number),
            Stopped("refused", 3, "because", "do this"),
        ):
            entry = self._journal.append(entry, event, 3.0)
        self._database = sqlite3.connect(self._path)
        stack.callback(self._database.close)
        self._events = self._database.execute("select seq, payload from events").fetchall()
        ((self._backup,),) = self._database.execute("select payload from snapshots").fetchall()
        tables = st.sampled_from(["events", "events", "snapshots", "at", "version", "code"])
        self.inputs = st.tuples(tables, seeds, st.lists(replacements, min_size=1, max_size=3), st.sampled_from([0, 0, 0, 0, 0, 1, 3]))

    def check(self, value: tuple[str, int, list[Replacement], int]) -> bool:
        what, seed, some, scrambles = value
        seq, payload = random.Random(seed).choice(self._events)
        with self._database as database:
            match what:
                case "snapshots":
                    database.execute("update snapshots set payload = ?", (self._changed(self._backup, seed, some, scrambles),))
                case "events":
                    new = self._changed(payload, seed, some, scrambles)
                    database.execute("update events set payload = ? where seq = ?", (new, seq))
                case column:
                    database.execute(f"update events set {column} = ? where seq = ?", (_storable(some[0].other), seq))
        try:
            return self._look()
        finally:
            with self._database as database:
                database.execute("update snapshots set payload = ?", (self._backup,))
                for seq, payload in self._events:
                    code = CODES[seq - 1]
                    database.execute("update events set payload = ?, at = 3.0, version = 1, code = ? where seq = ?", (payload, code, seq))

    def _changed(self, payload: str, seed: int, some: list[Replacement], scrambles: int) -> bytes | str:
        written = json.dumps(spoilt(json.loads(payload), seed, some))
        return scrambled(written.encode(), seed, scrambles) if scrambles else written

    def _look(self) -> bool:
        shown: list[Block] = []
        try:
            for entry in self._journal.entries():
                decide(entry.case, 4.0, Times())
                shown += report.case_lines(entry, 4.0)
                shown += report.history_table(self._journal.history(entry), 4.0)
                json.dumps([report.case_json(entry), report.history_json(self._journal.history(entry))])
            for backup in self._journal.backups():
                shown += report.backup_lines(backup, 4.0)
                json.dumps(report.backup_json(backup))
        except WixsendError as wrong:
            return told(wrong)
        assert all(line.isprintable() for line in render(shown, 80, False, Redactor().line).split("\n"))
        return True


CODES = ("wix-wants", "stumbled", "intended", "stopped")
"""Of the events that the journal holds, in order."""


def _storable(value: Any) -> Any:
    """A value that SQLite takes."""
    if isinstance(value, str):
        return value.encode(errors="surrogatepass").decode(errors="replace")
    if value is None or isinstance(value, float):
        return 0 if value is None or value != value else value
    return max(-(2**63), min(int(value), 2**63 - 1)) if isinstance(value, int) else str(value)


# -- pure conversions --------------------------------------------------------------------------------------------------


class Names(Target[tuple[str, str]]):
    name = "names"

    def open(self, stack: ExitStack) -> None:
        self.inputs = st.tuples(texts, texts)

    def check(self, value: tuple[str, str]) -> bool:
        written, above = value
        try:
            origin = absolute(above)
            name = absolute(written, origin)
        except ValueError as wrong:
            assert len(str(wrong)) < 8000
        else:
            assert name.is_absolute()
            assert text(name).isascii()
            assert text(name).isprintable()
            assert absolute(name.to_text()) == name
        try:
            domain = parse_sending_domain(written)
        except WixsendError as wrong:
            return told(wrong)
        else:
            assert re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)+", domain.ascii)
            return True


class Texts(Target[tuple[str, str]]):
    """TXT rdata, bare and in presentation form."""

    name = "TXT rdata"

    def open(self, stack: ExitStack) -> None:
        self.inputs = st.tuples(texts, st.text(st.sampled_from('"\\ a09\té\n;'), max_size=30))

    def check(self, value: tuple[str, str]) -> bool:
        bare, written = value
        try:
            rdata = txt_rdata(bare)
        except ValueError:
            assert any("\ud800" <= character <= "\udfff" for character in bare)
        else:
            assert rdata.isascii()
            assert rdata.isprintable()
            assert txt_text(rdata) == bare
            assert Record(APEX, "TXT", rdata).rdata == rdata
        record = Record(APEX, "TXT", written)
        assert record.rdata.isprintable()
        try:
            meant = txt_text(written)
        except ValueError:
            return False
        assert txt_text(txt_rdata(meant)) == meant
        return True


TARGETS: tuple[type[Target[Any]], ...] = (
    *(bodies_of(host) for host in OVER_HTTP),
    WixBodies,
    WixJson,
    DnsMessages,
    Configuration,
    JournalRows,
    Names,
    Texts,
)
