"""Domain Connect: what a zone's host may tell about itself, and what a stranger's record must not make us do."""

import asyncio
import json
import ssl
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

import certificates
from wixsend.domainconnect import Offer, discover
from wixsend.exchange import DnsSettings
from wixsend.lookup import Dns
from wixsend.names import absolute
from wixsend.records import Record, txt_rdata
from wixsend.testing.dns import SandboxDns

DOMAIN = "example.com"
HOST = "connect.host.example"
ADDRESS = "203.0.113.50"
NS = ("ns1.host.com", "ns2.host.com")
SETTINGS = {
    "providerId": "host.example",
    "providerName": "Host",
    "providerDisplayName": "The Host",
    "urlSyncUX": "https://apply.host.example",
    "urlAPI": "https://api.host.example",
    "urlControlPanel": "https://panel.host.example/dns?domain=%domain%",
    "nameServers": ["ns1.host.com"],
}


@dataclass
class Settings:
    """A host's settings server: what it answers, what it was asked."""

    answer: bytes = b""
    asked: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    def says(self, body: Any, status: str = "200 OK", head: str = "content-type: application/json\r\n") -> None:
        sent = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.answer = f"HTTP/1.1 {status}\r\n{head}content-length: {len(sent)}\r\nconnection: close\r\n\r\n".encode() + sent

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        host = next(line.partition(": ")[2] for line in head if line.lower().startswith("host:"))
        self.asked.append((head[0].split(" ")[1], host))
        writer.write(self.answer)
        await writer.drain()
        writer.close()


@asynccontextmanager
async def listening(settings: Settings, tls: ssl.SSLContext) -> AsyncIterator[None]:
    async with await asyncio.start_server(settings.serve, "127.0.0.1", 0, ssl=tls) as server:
        settings.port = server.sockets[0].getsockname()[1]
        yield


@pytest.fixture
async def settings() -> AsyncIterator[Settings]:
    found = Settings()
    found.says(SETTINGS)
    async with listening(found, certificates.server_of(HOST)):
        yield found


@pytest.fixture
def zone() -> list[Record]:
    """What example.com holds."""
    return [Record(absolute("_domainconnect", absolute(DOMAIN)), "TXT", txt_rdata(HOST))]


@pytest.fixture
def hosts() -> list[Record]:
    """What host.example holds."""
    return [Record(absolute(HOST), "A", ADDRESS)]


@pytest.fixture
def sandbox(zone: list[Record], hosts: list[Record]) -> Iterator[SandboxDns]:
    with SandboxDns(resolvers=1, now=lambda: 0.0) as running:
        running.add_zone(DOMAIN, NS, lambda _apex: zone)
        running.add_zone("host.example", NS, lambda _apex: hosts)
        yield running


@pytest.fixture
def reach(sandbox: SandboxDns, settings: Settings) -> DnsSettings:
    """How the sandbox is asked: the settings server has a public address, which stands for one on loopback."""
    here = sandbox.settings(tries=1, timeout=5.0, ca_file=certificates.authority())
    return replace(here, endpoints={**here.endpoints, ADDRESS: f"127.0.0.1:{settings.port}"})


async def offer(reach: DnsSettings) -> Offer | None:
    dns = Dns(reach)
    try:
        return await discover(dns, await dns.delegation(absolute(DOMAIN)))
    finally:
        await dns.close()


async def test_the_host_says_its_name_and_where_its_panel_is(reach: DnsSettings, settings: Settings) -> None:
    found = await offer(reach)
    assert found == Offer(HOST, "The Host", "https://panel.host.example/dns?domain=example.com", one_click=True)
    assert settings.asked == [("/v2/example.com/settings", HOST)], "one document, and nothing else"


async def test_the_record_may_be_an_alias_and_hold_a_path(
    zone: list[Record], hosts: list[Record], reach: DnsSettings, settings: Settings
) -> None:
    zone[:] = [Record(zone[0].owner, "CNAME", "_domainconnect.host.example.")]
    hosts.append(Record(absolute("_domainconnect.host.example"), "TXT", txt_rdata(f"{HOST}/rest/v1.3/connect")))
    found = await offer(reach)
    assert found is not None and found.name == "The Host"
    assert settings.asked == [("/rest/v1.3/connect/v2/example.com/settings", HOST)]


async def test_a_host_behind_aliases_is_found(hosts: list[Record], reach: DnsSettings) -> None:
    hosts[:] = [Record(absolute(HOST), "CNAME", "edge.host.example."), Record(absolute("edge.host.example"), "A", ADDRESS)]
    found = await offer(reach)
    assert found is not None and found.name == "The Host"


async def test_without_the_record_there_is_no_offer_and_nobody_is_asked(zone: list[Record], reach: DnsSettings, settings: Settings) -> None:
    zone.clear()
    assert await offer(reach) is None
    assert not settings.asked


@pytest.mark.parametrize(
    "said",
    [
        "127.0.0.1",
        "[::1]",
        "localhost",
        "connect.host.example:8443",
        "user@connect.host.example",
        "connect.host.example/../admin",
        "connect.host.example/?a=b",
        "http://connect.host.example",
        "connect.host.example/a b",
        "connect.host.example\x00.evil.example",
        "a." * 130 + "example",
    ],
)
async def test_what_is_no_host_and_path_is_not_asked(zone: list[Record], reach: DnsSettings, settings: Settings, said: str) -> None:
    zone[:] = [Record(zone[0].owner, "TXT", txt_rdata(said))]
    found = await offer(reach)
    assert found is None or (found.trouble and found.prefix.isprintable())
    assert not settings.asked


async def test_two_records_are_not_chosen_between(zone: list[Record], reach: DnsSettings, settings: Settings) -> None:
    zone.append(Record(zone[0].owner, "TXT", txt_rdata("other.host.example")))
    found = await offer(reach)
    assert found is not None and found.trouble
    assert not settings.asked


@pytest.mark.parametrize("address", ["127.0.0.1", "10.0.0.7", "169.254.169.254", "100.64.0.1", "192.168.1.1"])
async def test_private_addresses_are_never_asked(hosts: list[Record], reach: DnsSettings, settings: Settings, address: str) -> None:
    hosts[:] = [Record(absolute(HOST), "A", address)]
    found = await offer(reach)
    assert found is not None and found.trouble == f"{HOST} has no address on the public internet"
    assert not settings.asked


async def test_a_certificate_for_another_name_is_refused_before_anything_is_asked(reach: DnsSettings, hosts: list[Record]) -> None:
    other = Settings()
    other.says(SETTINGS)
    async with listening(other, certificates.server_of("other.example")):
        found = await offer(replace(reach, endpoints={**reach.endpoints, ADDRESS: f"127.0.0.1:{other.port}"}))
    assert found is not None and "certificate verify failed" in found.trouble
    assert not other.asked and not found.name


@pytest.mark.parametrize(
    ("body", "status", "head", "trouble"),
    [
        (b"", "404 Not Found", "", "does not know the zone (HTTP 404)"),
        (b"", "302 Found", "location: https://169.254.169.254/\r\n", "redirect"),
        (b"x" * 70_000, "200 OK", "", "more than any settings need"),
        (b"[" * 60_000, "200 OK", "", "sends no JSON"),
        (b"<html>", "200 OK", "", "sends no JSON"),
        (b"[1]", "200 OK", "", "not of the form"),
        (b"\x1f\x8b", "200 OK", "content-encoding: gzip\r\n", "compressed"),
    ],
)
async def test_what_is_no_settings_document_is_told_and_not_followed(
    reach: DnsSettings, settings: Settings, body: bytes, status: str, head: str, trouble: str
) -> None:
    settings.says(body, status, head)
    found = await offer(reach)
    assert found is not None and trouble in found.trouble
    assert len(settings.asked) == 1 and not (found.name or found.panel)


@pytest.mark.parametrize(
    "panel",
    [
        "http://panel.host.example/",
        "javascript:alert(1)",
        "https://trusted.example@evil.example/",
        "https://panel.host.example:8443/",
        "https://localhost/",
        "https://panel.host.example/\nx",
        "https://" + "a" * 2000 + ".example/",
        7,
    ],
)
async def test_a_person_is_sent_to_plain_https_pages_only(reach: DnsSettings, settings: Settings, panel: object) -> None:
    settings.says({**SETTINGS, "urlControlPanel": panel})
    found = await offer(reach)
    assert found is not None and found.name and not found.panel


async def test_what_the_host_calls_itself_is_one_short_printable_line(reach: DnsSettings, settings: Settings) -> None:
    settings.says({**SETTINGS, "providerDisplayName": "Host\n\x1b[31m\u202e" + "x" * 500})
    found = await offer(reach)
    assert found is not None and found.name.startswith("Host\\x0a\\x1b[31m\\u202e")
    assert found.name.isprintable() and len(found.name) == 80


async def test_through_a_proxy_that_would_choose_the_address_nothing_is_asked(reach: DnsSettings, settings: Settings) -> None:
    found = await offer(replace(reach, proxy="http://127.0.0.1:1"))
    assert found is not None and "proxy" in found.trouble
    assert not settings.asked


async def test_where_port_53_is_closed_no_resolver_hears_of_the_name(sandbox: SandboxDns, reach: DnsSettings, settings: Settings) -> None:
    shut = {address: place if address == "203.0.113.1" else "127.0.0.1:9" for address, place in reach.endpoints.items()}
    assert await offer(replace(reach, endpoints=shut, timeout=0.2)) is None
    assert sandbox.queries and not [query for query in sandbox.queries if query.name.labels[0] == b"_domainconnect"]
