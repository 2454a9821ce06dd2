"""Servers that people run for themselves, real ones, in the place of a plugin's fake.

Each is a `FakeHost` whose `handle` passes every request on to the server, and whose state is asked of the server itself: so the conformance
suite, with all its faults in between, tries a plugin against the real thing. Made and used inside of the lab's network.
"""

import sqlite3
import time
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, ClassVar, Self

import dns.query
import dns.rdatatype
import dns.zone
import httpx

from live_servers import configs
from live_servers.lab import Process
from wixsend.names import absolute, text
from wixsend.records import Record
from wixsend.testing.fakes import FakeHost, Request, Response

__all__ = ["OWN_POWERDNS", "OwnPowerDns", "transferred"]

OWN_POWERDNS = "127.0.10.9"
_SCHEMA = Path("/usr/share/pdns-backend-sqlite3/schema/schema.sqlite3.sql")
_SERIALS = ("serial", "edited_serial", "notified_serial")
_COMMENT = {"content": "made by hand", "account": "panel", "modified_at": 1764000000}


def transferred(apex: str, server: str, **signed: Any) -> tuple[Record, ...]:
    """What a server serves in a zone, all of it, SOA and apex NS aside: a zone transfer (AXFR)."""
    origin = absolute(apex)
    zone = dns.zone.Zone(origin, relativize=False)
    query, _serial = dns.xfr.make_query(zone, **signed)
    dns.query.inbound_xfr(server, zone, query, timeout=5)
    return tuple(
        Record(name, dns.rdatatype.to_text(rdataset.rdtype), rdata.to_text(), rdataset.ttl)
        for name, rdataset in zone.iterate_rdatasets()
        for rdata in rdataset
        if not (name == origin and rdataset.rdtype in (dns.rdatatype.SOA, dns.rdatatype.NS))
    )


class OwnPowerDns(FakeHost):
    """A PowerDNS with SQLite, which keeps comments. `add_zone` takes what the API takes for a zone."""

    name: ClassVar = "powerdns"
    name_servers: ClassVar = ("ns1.own-servers.example", "ns2.own-servers.example")
    credentials: ClassVar = {"api_key": configs.API_KEY, "server_id": "localhost"}

    def __init__(self, folder: Path, now: Callable[[], float] = time.monotonic) -> None:
        super().__init__(now)
        folder.mkdir()
        with sqlite3.connect(folder / "zones.db") as database:
            database.executescript(_SCHEMA.read_text())
        database.close()
        (folder / "pdns.conf").write_text(configs.powerdns_sqlite(folder, OWN_POWERDNS))
        self._opened = ExitStack()
        self._process = Process(OWN_POWERDNS, ".", ["pdns_server", f"--config-dir={folder}"], folder)
        self._opened.callback(self._process.stop)
        self._relay = self._opened.enter_context(httpx.Client(base_url=f"http://{OWN_POWERDNS}:8081"))
        self._api = self._opened.enter_context(
            httpx.Client(base_url=f"http://{OWN_POWERDNS}:8081/api/v1/servers/localhost", headers={"X-API-Key": configs.API_KEY})
        )

    def __enter__(self) -> Self:
        self._process.wait_until_it_answers("udp")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._opened.__exit__(kind, error, trace)

    def clear(self) -> None:
        """Delete every zone."""
        for apex in self.apexes():
            self._called("DELETE", f"/zones/{apex}.")

    def handle(self, request: Request) -> Response:
        headers = {name: value for name, value in request.headers.items() if name in ("x-api-key", "content-type", "accept")}
        answer = self._relay.request(request.method, request.path, params=list(request.query), headers=headers, content=request.body)
        kept = {name: value for name, value in answer.headers.items() if name == "content-type"}
        return Response(answer.status_code, answer.content, kept)

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        zone = {"name": f"{text(absolute(apex))}.", "kind": "Native", "nameservers": [f"{server}." for server in self.name_servers]}
        self._called("POST", "/zones", zone | settings)
        self.edit_behind(apex, records)

    def apexes(self) -> tuple[str, ...]:
        return tuple(zone["name"].removesuffix(".") for zone in self._called("GET", "/zones").json())

    def raw(self, apex: str) -> Any:
        zone = {key: value for key, value in self._zone(apex).items() if key not in _SERIALS}
        served = [rrset for rrset in zone.pop("rrsets") if rrset["type"] != "SOA"]  # its serial changes with every edit
        return {**zone, "records": [{**rrset, "records": None, **row} for rrset in served for row in rrset["records"]]}

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
            self._called("PATCH", f"/zones/{apex}.", {"rrsets": [rrset | {"changetype": "REPLACE"} for rrset in changed.values()]})

    def _zone(self, apex: str) -> Any:
        return self._called("GET", f"/zones/{text(absolute(apex))}.").json()

    def _called(self, method: str, path: str, body: object = None) -> httpx.Response:
        response = self._api.request(method, path, json=body)
        if response.is_error:
            raise RuntimeError(f"PowerDNS: {response.status_code} {response.text}")
        return response


def _key(record: Record) -> tuple[str, str]:
    return f"{text(record.owner)}.", record.rtype
