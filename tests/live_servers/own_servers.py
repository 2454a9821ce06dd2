"""Servers that people run for themselves, real ones, in the place of a plugin's fake.

Each is a `FakeHost` whose `handle` passes every request on to the server, and whose state is asked of the server itself: so the conformance
suite, with all its faults in between, tries a plugin against the real thing. Made and used inside of the lab's network.
"""

import socket
import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack, closing
from functools import lru_cache
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import dns.message
import dns.query
import dns.rcode
import dns.rdatatype
import dns.update
import httpx

from live_servers import configs
from live_servers.lab import OWN_BIND, OWN_KNOT, OWN_POWERDNS, Process
from wixsend.names import absolute, text
from wixsend.records import Record
from wixsend.testing.fakes import FakeHost, Request, Response
from wixsend_rfc2136.sandbox import FakePrimary

__all__ = ["BindPrimary", "KnotPrimary", "OwnPowerDns", "OwnPrimary", "PowerDnsPrimary", "transferred"]

_SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
_OF_ZONE = "domain_id = (SELECT id FROM domains WHERE name = :apex)"
_STATE = {
    "zones": "SELECT type, master, account, options, catalog FROM domains WHERE name = :apex",
    "metadata": f"SELECT kind, content FROM domainmetadata WHERE {_OF_ZONE} ORDER BY 1, 2",
    "records": f"""
        SELECT name, type, content, ttl, prio, disabled, auth, ordername,
            (SELECT json_group_array(json_array(comment, account, modified_at)) FROM comments
             WHERE (domain_id, name, type) = (records.domain_id, records.name, records.type)) AS comments
        FROM records WHERE {_OF_ZONE} AND type <> 'SOA' ORDER BY 1, 2, 3""",
}
"""All that its database holds of a zone, but the numbers of rows, and the SOA and serials, which change with every edit."""
_COMMENT = {"content": "made by hand", "account": "panel", "modified_at": 1764000000}


def transferred(apex: str, server: str) -> tuple[Record, ...]:
    """What a server serves in a zone, all of it, SOA and apex NS aside: a zone transfer (AXFR)."""
    query = dns.message.make_query(apex, "AXFR", id=0).to_wire()
    found: list[Record] = []
    with socket.create_connection((server, 53), timeout=5) as connection, connection.makefile("rb") as answers:
        connection.sendall(len(query).to_bytes(2) + query)
        while [record.rtype for record in found].count("SOA") < 2:  # it begins and ends with it (RFC 5936, 2.2)
            found += _records(answers.read(int.from_bytes(answers.read(2))))
    own = {(absolute(apex), "SOA"), (absolute(apex), "NS")}
    return tuple(record for record in found if (record.owner, record.rtype) not in own)


@lru_cache(256)
def _records(wire: bytes) -> tuple[Record, ...]:
    """Those in a message of a zone transfer; most often it is one that was read before."""
    message = dns.message.from_wire(wire, one_rr_per_rrset=True)
    if message.rcode():
        raise RuntimeError(f"a zone transfer was answered with {dns.rcode.to_text(message.rcode())}")
    return tuple(Record(rr.name, dns.rdatatype.to_text(rr.rdtype), rr[0].to_text(), rr.ttl) for rr in message.answer)


class OwnPowerDns(FakeHost):
    """A PowerDNS with SQLite, which keeps comments. `add_zone` takes what the API takes for a zone."""

    name: ClassVar = "powerdns"
    name_servers: ClassVar = ("own-powerdns.hosts.com",)
    credentials: ClassVar = {"api_key": configs.API_KEY, "server_id": "localhost"}

    def __init__(self, folder: Path, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(now)
        folder.mkdir()
        self._database = folder / "zones.db"
        with closing(sqlite3.connect(self._database)) as database:
            database.executescript(_SCHEMA.read_text())
        (folder / "pdns.conf").write_text(configs.powerdns_sqlite(folder, OWN_POWERDNS))
        self._opened = ExitStack()
        self._process = Process(OWN_POWERDNS, ".", ["pdns_server", f"--config-dir={folder}"], folder)
        self._opened.callback(self._process.stop)
        here = f"http://{OWN_POWERDNS}:8081"
        # PowerDNS lets go of a connection that rests, maybe just when it is used again.
        once = httpx.Limits(max_keepalive_connections=0)
        self._relay = self._opened.enter_context(httpx.Client(base_url=here, limits=once))
        self._api = self._opened.enter_context(
            httpx.Client(base_url=f"{here}/api/v1/servers/localhost", headers={"X-API-Key": configs.API_KEY}, limits=once)
        )

    def __enter__(self) -> Self:
        self._process.wait_until_it_answers("udp")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._opened.__exit__(kind, error, trace)

    def clear(self) -> None:
        """Delete every zone."""
        for apex in self.apexes():
            self.called("DELETE", f"/zones/{apex}.")

    def handle(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name in ("x-api-key", "content-type", "accept")}
        answer = self._relay.request(request.method, request.path, params=list(request.query), headers=headers, content=request.body)
        kept = {name: value for name, value in answer.headers.items() if name == "content-type"}
        return Response(answer.status_code, answer.content, kept)

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        zone = {"name": f"{text(absolute(apex))}.", "kind": "Native", "nameservers": [f"{server}." for server in self.name_servers]}
        self.called("POST", "/zones", zone | settings)
        self.edit_behind(apex, records)

    def apexes(self) -> tuple[str, ...]:
        return tuple(zone["name"].removesuffix(".") for zone in self.called("GET", "/zones").json())

    def raw(self, apex: str) -> Any:
        with closing(sqlite3.connect(self._database)) as database:
            database.row_factory = sqlite3.Row
            return {part: [dict(row) for row in database.execute(sql, {"apex": apex})] for part, sql in _STATE.items()}

    def published(self, apex: str) -> tuple[Record, ...]:
        return transferred(apex, OWN_POWERDNS)

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        rrsets = {(rrset["name"], rrset["type"]): rrset for rrset in self._zone(apex)["rrsets"]}
        changed: dict[tuple[str, str], dict[str, Any]] = {}
        for record in remove:
            rrset = changed[_key(record)] = rrsets[_key(record)]
            rrset["records"] = [row for row in rrset["records"] if Record(record.owner, record.rtype, row["content"]) != record]
        for record in add:
            name, rtype = key = _key(record)
            new = {"name": name, "type": rtype, "ttl": record.ttl or 3600, "records": [], "comments": [_COMMENT]}
            rrset = changed[key] = rrsets.setdefault(key, new)
            row = {"content": record.rdata, "disabled": record.masked}
            rrset["records"] += [row] * (row not in rrset["records"])
        if changed:
            self.called("PATCH", f"/zones/{apex}.", {"rrsets": [rrset | {"changetype": "REPLACE"} for rrset in changed.values()]})

    def _zone(self, apex: str) -> Any:
        return self.called("GET", f"/zones/{text(absolute(apex))}.").json()

    def called(self, method: str, path: str, body: object = None) -> httpx.Response:
        """A call of its API. Raises `RuntimeError` with what it refuses."""
        response = self._api.request(method, path, json=body)
        if response.is_error:
            raise RuntimeError(f"PowerDNS: {response.status_code} {response.text}")
        return response


def _key(record: Record) -> tuple[str, str]:
    return f"{text(record.owner)}.", record.rtype


class OwnPrimary(FakePrimary):
    """A primary that takes dynamic updates: `handle` passes each message on to it. Refusals are worded by the fake, with the same key."""

    address: ClassVar[str]

    def __init__(self, folder: Path) -> None:
        super().__init__()
        self._folder = folder

    def __enter__(self) -> Self:
        raise NotImplementedError

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        raise NotImplementedError

    def handle(self, request: Request) -> Response:
        with socket.create_connection((self.address, 53), timeout=5) as connection:
            connection.sendall(len(request.body).to_bytes(2) + request.body)
            with connection.makefile("rb") as answer:
                return Response(body=answer.read(int.from_bytes(answer.read(2))))

    def clear(self) -> None:
        """Remove every zone."""
        raise NotImplementedError

    def raw(self, apex: str) -> Any:
        rows = [[text(found.owner), found.rtype, str(found.ttl), found.rdata] for found in self.published(apex)]
        return {"records": [dict(zip(("name", "type", "ttl", "rdata"), row, strict=True)) for row in sorted(rows)]}

    def published(self, apex: str) -> tuple[Record, ...]:
        return transferred(apex, self.address)


class PowerDnsPrimary(OwnPrimary):
    """PowerDNS, with `dnsupdate`: zones come and go by its API."""

    address = OWN_POWERDNS
    name_servers = OwnPowerDns.name_servers

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._own = OwnPowerDns(folder)

    def __enter__(self) -> Self:
        self._own.__enter__()
        key = {"name": self.credentials["key_name"], "algorithm": self.credentials["algorithm"], "key": self.credentials["secret"]}
        self._own.called("POST", "/tsigkeys", key)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._own.__exit__(kind, error, trace)

    def clear(self) -> None:
        self._own.clear()

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        self._own.add_zone(apex, records)
        kind = "TSIG-ALLOW-DNSUPDATE"
        self._own.called("PUT", f"/zones/{apex}./metadata/{kind}", {"kind": kind, "metadata": [self.credentials["key_name"]]})

    def apexes(self) -> tuple[str, ...]:
        return self._own.apexes()

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        self._own.edit_behind(apex, add, remove)


class _FromFiles(OwnPrimary):
    """A server of zone files: it reads its configuration again when a zone comes or goes."""

    configured: ClassVar[Callable[..., str]]
    config: ClassVar[str]
    argv: ClassVar[tuple[str, ...]]

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._apexes: dict[str, bool] = {}
        (folder / "db").mkdir(parents=True)
        self._configure()
        self._process = Process(self.address, ".", [*self.argv, str(folder / self.config)], folder)

    def __enter__(self) -> Self:
        self._process.wait_until_it_answers("udp")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._process.stop()

    def clear(self) -> None:
        gone, self._apexes = self._apexes, {}
        self._reload(gone)
        for file in (file for apex in gone for file in self._folder.glob(f"{apex}.*")):
            file.unlink()

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        """The zone from a file. `least`: the key may update CNAME records, and nothing else."""
        servers = [f"@ 3600 NS {server}." for server in self.name_servers]
        soa = f"@ 3600 SOA {self.name_servers[0]}. hostmaster.{apex}. {int(time.time() * 10) % 2**31} 3600 900 604800 2"
        lines = [f"{each.owner.to_text()} {each.ttl or 3600} {each.rtype} {each.rdata}" for each in dict.fromkeys(records)]
        (self._folder / f"{apex}.zone").write_text("\n".join([f"$ORIGIN {apex}.", soa, *servers, *lines, ""]))
        self._apexes[apex] = bool(settings.get("least"))
        self._reload([apex])

    def apexes(self) -> tuple[str, ...]:
        return tuple(self._apexes)

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        update = dns.update.UpdateMessage(apex, keyring=self._key)
        for record in remove:
            update.delete(record.owner, record.rtype, record.rdata)
        for record in add:
            update.add(record.owner, record.ttl or 3600, record.rtype, record.rdata)
        answer = dns.query.tcp(update, self.address, timeout=5)
        if answer.rcode():
            raise RuntimeError(f"the update was answered with {dns.rcode.to_text(answer.rcode())}")

    def _configure(self) -> None:
        key = [self.credentials[name] for name in ("key_name", "algorithm", "secret")]
        (self._folder / self.config).write_text(type(self).configured(self._folder, self.address, self._apexes, *key))

    def _reload(self, changed: Iterable[str]) -> None:
        """Return when the server has, or has no more, the zones that changed."""
        self._configure()
        self._process.reload()
        end = time.monotonic() + 15
        for apex in changed:
            query = dns.message.make_query(apex, "SOA")
            while bool(dns.query.udp(query, self.address, timeout=5).answer) is not (apex in self._apexes):
                if time.monotonic() > end:
                    raise RuntimeError(f"{self.argv[0]} does not load {apex}:\n{self._process.log.read_text(errors='replace')[-2000:]}")
                time.sleep(0.005)


class BindPrimary(_FromFiles):
    address = OWN_BIND
    name_servers = ("own-bind.hosts.com",)
    configured = staticmethod(configs.bind_primary)
    config = "named.conf"
    argv = ("named", "-g", "-n", "1", "-c")


class KnotPrimary(_FromFiles):
    address = OWN_KNOT
    name_servers = ("own-knot.hosts.com",)
    configured = staticmethod(configs.knot_primary)
    config = "knot.conf"
    argv = ("knotd", "-c")
