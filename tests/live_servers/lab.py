"""A whole DNS of real servers on a loopback of its own: root, registries, DNS hosts, and resolvers that remember.

    127.0.10.1   NSD           the root, signed
    127.0.10.2   Knot          com (unsigned, TSIG updates), net (signed)
    127.0.10.3   PowerDNS      a DNS host with an HTTP API (LMDB); 127.0.10.13 and fd10::13 are its second name server
    127.0.10.4   BIND          a primary with TSIG updates, for `MIRRORED`; 127.0.10.6 the same server, clipping every answer over UDP
    127.0.10.5   Knot          a secondary of `MIRRORED` that looks only when told to; and `BOGUS`, with a broken signature
    127.0.10.7   unbound       authority for `TCP_ONLY`: answers over TCP, and leaves UDP unanswered
    127.0.10.8   (nothing)     nobody there: `SILENT_SERVER` swallows what comes
    127.0.10.9   PowerDNS      127.0.10.10 BIND   127.0.10.11 Knot: those of `own_servers.py`, where a test starts them
    127.0.20.1   unbound       a resolver that validates (RFC 8198 too); 127.0.20.2 another, never asked by anybody but a test that means it
    127.0.20.3   kresd         127.0.20.4 pdns-recursor   127.0.20.5 BIND, validating   127.0.20.6 dnsmasq, before 127.0.20.1

Everything runs in a network namespace (`namespace.py`), in a temporary folder; what it started it stops.
"""

import contextlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import dns.exception
import dns.message
import dns.query
import dns.rcode
import dns.tsigkeyring
import dns.update
import httpx

from live_servers import configs
from live_servers.namespace import Namespace, add_addresses
from wixsend.exchange import DnsSettings
from wixsend.names import absolute, text
from wixsend.records import Record

ROOT, REGISTRY, API = "127.0.10.1", "127.0.10.2", "127.0.10.3"
POWERDNS = ("127.0.10.3", "127.0.10.13", "fd10::13")
OWN_POWERDNS, OWN_BIND, OWN_KNOT = "127.0.10.9", "127.0.10.10", "127.0.10.11"
BIND, KNOT, CLIPPING, TCP_SERVER, SILENT_SERVER = "127.0.10.4", "127.0.10.5", "127.0.10.6", "127.0.10.7", "127.0.10.8"
UNBOUND, UNBOUND_FRESH, KRESD, RECURSOR, BIND_RESOLVER, DNSMASQ = (f"127.0.20.{n}" for n in range(1, 7))
RESOLVERS = (UNBOUND, KRESD, RECURSOR, BIND_RESOLVER, DNSMASQ)
"""The resolvers that tests ask; `UNBOUND_FRESH` is kept apart."""

HOSTS: Mapping[str, tuple[str, ...]] = {
    "pdns1.hosts.com": POWERDNS[:1],
    "pdns2.hosts.com": POWERDNS[1:],
    "bind.hosts.com": (BIND,),
    "knot.hosts.com": (KNOT,),
    "clipping.hosts.com": (CLIPPING,),
    "tcp.hosts.com": (TCP_SERVER,),
    "silent.hosts.com": (SILENT_SERVER,),
    "own-powerdns.hosts.com": (OWN_POWERDNS,),
    "own-bind.hosts.com": (OWN_BIND,),
    "own-knot.hosts.com": (OWN_KNOT,),
}
"""The name servers of all zones, and where they are."""
POWERDNS_HOSTS = ("pdns1.hosts.com", "pdns2.hosts.com")

MIRRORED, CLIPPED, TCP_ONLY = "mirrored.com", "a-zone-whose-answers-have-no-room-in-a-small-datagram.com", "tcp-only.com"
SIGNED, BOGUS = "signed.net", "bogus.net"
UNPROVED = "unproved.net"
"""Not signed, but its registry is, which denies DS records for it without a signature: resolvers that validate believe nothing in it."""
NEGATIVE_TTL = 2
"""For how many seconds a resolver denies names in the lab's zones, unless a zone says otherwise."""

PROGRAMS: Mapping[str, str] = {
    "nsd": "nsd",
    "knotd": "knot",
    "knotc": "knot",
    "pdns_server": "pdns-server",
    "named": "bind9",
    "dnssec-signzone": "bind9-utils",
    "dig": "bind9-dnsutils",
    "delv": "bind9-dnsutils",
    "unbound": "unbound",
    "kresd": "knot-resolver",
    "pdns_recursor": "pdns-recursor",
    "dnsmasq": "dnsmasq-base",
    "ip": "iproute2",
    "setpriv": "util-linux",
}
"""Every program that the lab runs, and the Debian package that it is in."""

LIBRARIES = {"pdns-backend-lmdb": "usr/lib/*/pdns/liblmdbbackend.so", "pdns-backend-sqlite3": "usr/lib/*/pdns/libgsqlite3backend.so"}
"""Debian packages that bring no program, by a file that they bring."""
_PATIENCE = 15.0


def lacking() -> str:
    """Why the lab cannot run here; empty when it can."""
    missing = {package for program, package in PROGRAMS.items() if shutil.which(program, path=_path()) is None}
    missing |= {package for package, file in LIBRARIES.items() if not any(Path("/").glob(file))}
    if missing:
        return f"these Debian packages are not installed: {' '.join(sorted(missing))} (apt-get install --no-install-recommends …)"
    try:
        Namespace().close()
    except OSError as error:
        return f"no network namespace of its own ({error}): run as root, or under `unshare -Urn`"
    return ""


def _path() -> str:
    return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Process:
    """One server in the foreground, with its output in a file; it ends with us."""

    def __init__(self, address: str, asked: str, argv: Sequence[str], folder: Path) -> None:
        self.address, self.asked, self.log = address, asked, folder / "log"
        with self.log.open("wb") as log:
            self._popen = subprocess.Popen(
                ["setpriv", "--pdeathsig", "TERM", *argv],
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={"PATH": _path()},
            )
        self.pid = self._popen.pid

    def wait_until_it_answers(self, transport: str) -> None:
        """Return with its first answer. Raises `RuntimeError`, with what it wrote, when it ends or stays silent."""
        query = dns.message.make_query(self.asked, "SOA")
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end and self._popen.poll() is None:
            with contextlib.suppress(dns.exception.DNSException, OSError, EOFError):
                ask = dns.query.udp if transport == "udp" else dns.query.tcp
                if ask(query, self.address, timeout=0.05).rcode() in (dns.rcode.NOERROR, dns.rcode.REFUSED):
                    return
            time.sleep(0.01)
        raise RuntimeError(f"{self._popen.args!r} does not answer at {self.address}:\n{self.log.read_text(errors='replace')[-2000:]}")

    def reload(self) -> None:
        """Let it read its configuration again (SIGHUP)."""
        self._popen.send_signal(signal.SIGHUP)

    def stop(self) -> None:
        self._popen.terminate()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait()


@dataclass(frozen=True)
class HostedZone:
    """A zone at the DNS host with an API: what its owner types in."""

    lab: "Lab"
    apex: str

    def put(self, *records: Record) -> None:
        """Add records, in place of what is at the same name and type."""
        self.lab.patch(self.apex, records, "REPLACE")

    def remove(self, *records: Record) -> None:
        self.lab.patch(self.apex, records, "DELETE")


class Lab:
    """All of it, as a context manager. Questions are asked inside `entered()`."""

    def __init__(self) -> None:
        self.processes: list[Process] = []
        self.anchor = ""
        """The root's DS record, in presentation form."""
        self._stack = ExitStack()
        self._zones = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="wixsend-lab-")))
            self.folder.chmod(0o755)
            self._namespace = Namespace()
            stack.callback(self._namespace.close)
            stack.callback(self._stop)
            with self.entered():
                add_addresses(BIND, CLIPPING, BIND_RESOLVER, OWN_BIND, POWERDNS[-1])
                for swallowed in (TCP_SERVER, SILENT_SERVER):
                    stack.enter_context(contextlib.closing(_swallow(swallowed)))
                once = httpx.Limits(max_keepalive_connections=0)  # PowerDNS lets go of a connection that rests
                self._api = stack.enter_context(
                    httpx.Client(base_url=f"http://{API}:8081", headers={"X-API-Key": configs.API_KEY}, limits=once)
                )
                self._start_tree()
                self._start_resolvers()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)

    def entered(self) -> contextlib.AbstractContextManager[None]:
        """Let this thread, and what it starts meanwhile, be in the lab's network."""
        return self._namespace.entered()

    # What tests ask for

    def settings(self, **changes: Any) -> DnsSettings:
        """How wixsend finds this DNS. `changes` are other fields of `DnsSettings`."""
        given: dict[str, Any] = {
            "roots": (ROOT,),
            "resolvers": RESOLVERS,
            "fallback": (),
            "private_servers": True,
            "ipv6": True,
            "timeout": 1.0,
        }
        return DnsSettings(**(given | changes))

    def zone(self, *records: Record, apex: str = "", servers: Iterable[str] = POWERDNS_HOSTS, minimum: int = NEGATIVE_TTL) -> HostedZone:
        """A new zone at the DNS host with an API, delegated from com to `servers`, which may be others than those that serve it."""
        self._zones += 1
        apex = apex or f"client{self._zones}.com"
        self.create(apex, records, minimum)
        self.delegate(apex, servers)
        return HostedZone(self, apex)

    def delegate(self, apex: str, servers: Iterable[str]) -> None:
        """Let com delegate a zone."""
        update = self._update("com")
        update.replace(f"{apex}.", 60, "NS", *(f"{server}." for server in servers))
        _accepted(dns.query.tcp(update, REGISTRY, timeout=2))

    def update_primary(self, *records: Record) -> None:
        """Add records to `MIRRORED` at its primary (RFC 2136); its secondary does not notice."""
        update = self._update(MIRRORED)
        for record in records:
            update.add(record.owner, 60, record.rtype, record.rdata)
        _accepted(dns.query.tcp(update, BIND, timeout=2))

    def update_clipped(self, *records: Record) -> None:
        """The same for `CLIPPED`."""
        update = self._update(CLIPPED)
        for record in records:
            update.add(record.owner, 60, record.rtype, record.rdata)
        _accepted(dns.query.tcp(update, CLIPPING, timeout=2))

    def refresh_secondary(self) -> None:
        """Let the secondary of `MIRRORED` look at its primary, and return when it has what the primary has."""
        subprocess.run(
            ["knotc", "-b", "-s", str(self.folder / "secondary" / "knot.sock"), "zone-refresh", MIRRORED],
            check=True,
            capture_output=True,
            env={"PATH": _path()},
        )
        query = dns.message.make_query(MIRRORED, "SOA")
        end = time.monotonic() + _PATIENCE
        while dns.query.udp(query, KNOT, timeout=1).answer != dns.query.udp(query, BIND, timeout=1).answer:
            if time.monotonic() > end:
                raise RuntimeError("the secondary does not catch up")
            time.sleep(0.02)

    def create(self, apex: str, records: Iterable[Record], minimum: int, *, signed: bool = False) -> None:
        """A zone at the DNS host with an API; nobody delegates to it yet."""
        soa = f"{POWERDNS_HOSTS[0]}. hostmaster.{apex}. 1 3600 900 604800 {minimum}"
        rrsets = [_rrset(f"{apex}.", "SOA", [soa]), _rrset(f"{apex}.", "NS", [f"{host}." for host in POWERDNS_HOSTS]), *_rrsets(records)]
        zone = {"name": f"{apex}.", "kind": "Native", "nameservers": [], "rrsets": rrsets, "dnssec": signed, "api_rectify": signed}
        self._called("POST", "/api/v1/servers/localhost/zones", zone)

    def held(self, apex: str) -> set[Record]:
        """All of a zone, as the DNS host with an API holds it, SOA and apex NS aside."""
        rrsets = self._called("GET", f"/api/v1/servers/localhost/zones/{apex}.").json()["rrsets"]
        records = {Record(absolute(rrset["name"]), rrset["type"], row["content"]) for rrset in rrsets for row in rrset["records"]}
        return {record for record in records if record.rtype not in ("SOA", "NS")}

    def patch(self, apex: str, records: Iterable[Record], how: str) -> None:
        """Replace or delete the RRsets of records, as the owner does by hand."""
        rrsets = [rrset | {"changetype": how} for rrset in _rrsets(records)]
        self._called("PATCH", f"/api/v1/servers/localhost/zones/{apex}.", {"rrsets": rrsets})

    def dig(self, *arguments: str) -> str:
        """What dig prints; questions go to where they are sent, once."""
        return self._run("dig", "+time=1", "+tries=1", *arguments)

    def delv(self, server: str, name: str, rtype: str) -> str:
        """What delv prints, with the lab's root as the anchor of trust."""
        return self._run("delv", "-a", str(self.folder / "anchor"), "+root=.", f"@{server}", name, rtype)

    # Building

    def _start_tree(self) -> None:
        folder = self._new("pdns")
        (folder / "pdns.conf").write_text(configs.powerdns(folder, POWERDNS, API))
        self._start(API, ".", ["pdns_server", f"--config-dir={folder}"], folder)
        self.create("hosts.com", _addresses(), 60)
        self.create(SIGNED, (), NEGATIVE_TTL, signed=True)
        self.create(UNPROVED, (), NEGATIVE_TTL)
        keys = self._called("GET", f"/api/v1/servers/localhost/zones/{SIGNED}./cryptokeys").json()
        signed_ds = next(ds for key in keys for ds in key["ds"] if ds.split()[2] == "2")

        secondary, registry, root = self._new("secondary"), self._new("registry"), self._new("root")
        self._start_primary()
        cname = f"s1._domainkey.{BOGUS}. 60 IN CNAME right.wl.ascendbywix.com."
        bogus_ds = _sign(secondary, BOGUS, f"{_head(BOGUS, 'knot.hosts.com')}{cname}\n")
        broken = secondary / f"{BOGUS}.zone"
        broken.write_text(re.sub(r"(CNAME\s+)right\.", r"\1wrong.", broken.read_text()))
        (secondary / "knot.conf").write_text(configs.knot(secondary, KNOT, [BOGUS], {MIRRORED: BIND}))
        self._start(KNOT, MIRRORED, ["knotd", "-c", str(secondary / "knot.conf")], secondary)

        glue = "".join(f"{text(record.owner)}. 300 IN {record.rtype} {record.rdata}\n" for record in _addresses())
        hosts = "".join(f"hosts.com. 300 IN NS {host}.\n" for host in POWERDNS_HOSTS)
        fixed = {MIRRORED: ("bind.hosts.com", "knot.hosts.com"), CLIPPED: ("clipping.hosts.com",), TCP_ONLY: ("tcp.hosts.com",)}
        others = "".join(f"{apex}. 300 IN NS {host}.\n" for apex, servers in fixed.items() for host in servers)
        (registry / "com.zone").write_text(_head("com", "a.tld") + hosts + glue + others)
        net = f"{SIGNED}. IN DS {signed_ds}\n" + "".join(f"{SIGNED}. IN NS {host}.\n" for host in POWERDNS_HOSTS)
        net += f"{bogus_ds}\n{BOGUS}. IN NS knot.hosts.com.\n"
        net += "".join(f"{UNPROVED}. IN NS {host}.\n" for host in POWERDNS_HOSTS)
        net_ds = _sign(registry, "net", _head("net", "a.tld") + net)
        proofless = registry / "net.zone"
        proofless.write_text(re.sub(rf"^{re.escape(UNPROVED)}\.\s.*RRSIG\s+NSEC\s.*\n", "", proofless.read_text(), flags=re.MULTILINE))
        (registry / "knot.conf").write_text(configs.knot(registry, REGISTRY, ["com", "net"], {}))
        self._start(REGISTRY, "com", ["knotd", "-c", str(registry / "knot.conf")], registry)

        top = f"a.root. IN A {ROOT}\na.tld. IN A {REGISTRY}\ncom. IN NS a.tld.\nnet. IN NS a.tld.\n{net_ds}\n"
        self.anchor = _sign(root, ".", _head(".", "a.root") + top)
        (root / "nsd.conf").write_text(configs.nsd(root, ROOT))
        self._start(ROOT, ".", ["nsd", "-d", "-c", str(root / "nsd.conf")], root)

        folder = self._new("tcp-only")
        (folder / f"{TCP_ONLY}.zone").write_text(
            f"{_head(TCP_ONLY, 'tcp.hosts.com')}s1._domainkey.{TCP_ONLY}. CNAME s1.wl.ascendbywix.com.\n"
        )
        (folder / "unbound.conf").write_text(configs.unbound_tcp_only(folder, TCP_SERVER, TCP_ONLY))
        self._start(TCP_SERVER, TCP_ONLY, ["unbound", "-d", "-c", str(folder / "unbound.conf")], folder, transport="tcp")

    def _start_primary(self) -> None:
        folder = self._new("primary")
        (folder / f"{MIRRORED}.zone").write_text(_head(MIRRORED, "bind.hosts.com", "knot.hosts.com"))
        (folder / f"{CLIPPED}.zone").write_text(_head(CLIPPED, "clipping.hosts.com"))
        (folder / "named.conf").write_text(configs.bind_authority(folder, BIND, MIRRORED, CLIPPING, CLIPPED))
        self._start(BIND, MIRRORED, ["named", "-g", "-c", str(folder / "named.conf"), "-n", "1"], folder)

    def _start_resolvers(self) -> None:
        hints = self.folder / "root.hints"
        hints.write_text(f". 3600000 NS a.root.\na.root. 3600000 A {ROOT}\n")
        _owner, _class, _type, tag, algorithm, kind, *digest = self.anchor.split()
        anchor = f'trust-anchors {{ . static-ds {tag} {algorithm} {kind} "{"".join(digest)}"; }};'
        (self.folder / "anchor").write_text(f"{anchor}\n")
        for name, address in (("unbound", UNBOUND), ("unbound-fresh", UNBOUND_FRESH)):
            folder = self._new(name)
            (folder / "unbound.conf").write_text(configs.unbound(folder, address, hints, self.anchor))
            self._start(address, ".", ["unbound", "-d", "-c", str(folder / "unbound.conf")], folder)
        folder = self._new("kresd")
        (folder / "kresd.conf").write_text(configs.kresd(KRESD, ROOT))
        self._start(KRESD, ".", ["kresd", "-n", "-c", str(folder / "kresd.conf"), str(folder)], folder)
        folder = self._new("recursor")
        (folder / "recursor.conf").write_text(configs.recursor(folder, RECURSOR, hints))
        self._start(RECURSOR, ".", ["pdns_recursor", f"--config-dir={folder}"], folder)
        folder = self._new("bind")
        (folder / "named.conf").write_text(configs.bind_resolver(folder, BIND_RESOLVER, hints, anchor))
        self._start(BIND_RESOLVER, ".", ["named", "-g", "-c", str(folder / "named.conf"), "-n", "1"], folder)
        folder = self._new("dnsmasq")
        (folder / "dnsmasq.conf").write_text(configs.dnsmasq(DNSMASQ, UNBOUND))
        self._start(DNSMASQ, ".", ["dnsmasq", "-d", "-C", str(folder / "dnsmasq.conf")], folder)

    def _start(self, address: str, asked: str, argv: Sequence[str], folder: Path, transport: str = "udp") -> None:
        process = Process(address, asked, argv, folder)
        self.processes.append(process)
        process.wait_until_it_answers(transport)

    def _stop(self) -> None:
        for process in reversed(self.processes):
            process.stop()

    def _new(self, name: str) -> Path:
        folder = self.folder / name
        (folder / "db").mkdir(parents=True)
        return folder

    def _run(self, *argv: str) -> str:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False, env={"PATH": _path()})
        return done.stdout + done.stderr

    def _update(self, apex: str) -> dns.update.UpdateMessage:
        return dns.update.UpdateMessage(apex, keyring=dns.tsigkeyring.from_text({configs.TSIG_NAME: configs.TSIG_SECRET}))

    def _called(self, method: str, path: str, body: object = None) -> httpx.Response:
        response = self._api.request(method, path, json=body)
        if response.is_error:
            raise RuntimeError(f"PowerDNS: {response.status_code} {response.text}")
        return response


def _swallow(address: str) -> socket.socket:
    """A UDP port 53 that takes what comes and says nothing, so that a client waits in vain instead of being told that it is closed."""
    swallowing = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    swallowing.bind((address, 53))
    return swallowing


def _accepted(answer: dns.message.Message) -> None:
    if answer.rcode() != dns.rcode.NOERROR:
        raise RuntimeError(f"the update was answered with {dns.rcode.to_text(answer.rcode())}")


def _head(apex: str, *servers: str) -> str:
    """A zone file's SOA and NS records; refresh far off, so that a secondary stays behind."""
    origin = "." if apex == "." else f"{apex}."
    soa = f"{origin} 60 IN SOA {servers[0]}. hostmaster.{origin.lstrip('.')} 1 3600 900 604800 {NEGATIVE_TTL}\n"
    return f"$TTL 60\n{soa}" + "".join(f"{origin} 60 IN NS {server}.\n" for server in servers)


def _sign(folder: Path, apex: str, contents: str) -> str:
    """Sign a zone file into `folder`, NSEC, one key for all; its DS record."""
    plain = folder / "plain"
    plain.write_text(contents)
    env = {"PATH": _path()}
    subprocess.run(
        ["dnssec-keygen", "-q", "-a", "ECDSAP256SHA256", "-f", "KSK", "-K", str(folder), apex], check=True, capture_output=True, env=env
    )
    out = folder / ("root.zone" if apex == "." else f"{apex}.zone")
    command = [
        "dnssec-signzone",
        "-S",
        "-z",
        "-P",
        "-O",
        "full",
        "-K",
        str(folder),
        "-d",
        str(folder),
        "-o",
        apex,
        "-f",
        str(out),
        str(plain),
    ]
    subprocess.run(command, check=True, capture_output=True, cwd=folder, env=env)
    written = (folder / f"dsset-{'.' if apex == '.' else f'{apex}.'}").read_text()
    return " ".join(written.splitlines()[-1].split())


def _addresses() -> Iterator[Record]:
    for host, addresses in HOSTS.items():
        yield from (Record(absolute(host), "AAAA" if ":" in address else "A", address, 300) for address in addresses)


def _rrset(name: str, rtype: str, contents: Iterable[str], ttl: int | None = None) -> dict[str, Any]:
    return {
        "name": name,
        "type": rtype,
        "ttl": 60 if ttl is None else ttl,
        "changetype": "REPLACE",
        "records": [{"content": content, "disabled": False} for content in contents],
    }


def _rrsets(records: Iterable[Record]) -> list[dict[str, Any]]:
    grouped: dict[tuple[str, str], list[Record]] = {}
    for record in records:
        grouped.setdefault((f"{text(record.owner)}.", record.rtype), []).append(record)
    return [_rrset(name, rtype, [record.rdata for record in group], group[0].ttl) for (name, rtype), group in grouped.items()]


@contextmanager
def running() -> Iterator[Lab]:
    """A lab, with this thread inside."""
    with Lab() as lab, lab.entered():
        yield lab
