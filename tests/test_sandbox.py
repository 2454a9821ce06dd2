"""The sandbox as a whole: reached by nothing but ordinary configuration, and true to what its fakes hold."""

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from wixsend.config import Config, load
from wixsend.engine import Engine
from wixsend.errors import PluginBroken, WixRateLimited
from wixsend.flow import Stage
from wixsend.locate import Located
from wixsend.names import absolute, parse_sending_domain, text
from wixsend.plan import Plan
from wixsend.plugins import Plugins
from wixsend.provider import ProviderPlugin
from wixsend.records import Record
from wixsend.sending import WixStatus
from wixsend.session import Session
from wixsend.survey import Order
from wixsend.testing.example import PLUGIN as EXAMPLE
from wixsend.testing.example.sandbox import ExampleHost
from wixsend.testing.fakes import FakeHost
from wixsend.testing.sandbox import ELSEWHERE, WIX, Sandbox
from wixsend.testing.server import Fault

HOSTS = ("cloudflare", "godaddy", "namecheap")


def a(owner: str, address: str = "192.0.2.80") -> Record:
    return Record(absolute(owner), "A", address, 3600)


@pytest.fixture(scope="module")
def shared() -> Iterator[Sandbox]:
    """One sandbox for the tests that add domains of their own and switch nothing."""
    with Sandbox() as sandbox:
        yield sandbox


def session(sandbox: Sandbox, folder: Path, **environ: str) -> Session:
    """What a process of wixsend with this environment, and no file, opens."""
    environ = sandbox.environment() | {"WIXSEND_STATE": str(folder)} | environ
    config: Config = load(environ, cwd=folder, user_folder=folder)
    assert not config.notices  # every variable means something to wixsend
    return Session(config, environ)


async def yes(_plan: Plan, _located: Located) -> bool:
    return True


# -- the whole job ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
async def test_a_process_with_this_environment_does_the_whole_job(shared: Sandbox, host: str, tmp_path: Path) -> None:
    domain = parse_sending_domain(f"{host}-customer.com")
    held = shared.add_domain(domain.ascii, host, [a(f"www.{domain.ascii}")])
    async with session(shared, tmp_path) as opened:
        order = Order(opened.site, domain, opened.known_targets)
        entry = await Engine(order, opened, opened.journal).run(yes, wait=True)
    assert entry.case.stage is Stage.DONE, entry.case
    assert held.status == "AUTHENTICATED"
    assert {text(record.owner) for record in shared.hosts[host].published(domain.ascii)} >= {text(want.owner) for want in held.wants}
    assert shared.dns.resolve(f"sg.{domain.ascii}") == held.wants[3].target


async def test_an_app_instead_of_a_key(shared: Sandbox, tmp_path: Path) -> None:
    shared.add_domain("app.example")
    environ = shared.environment(by_app=True)
    assert not {"WIXSEND_WIX_API_KEY", "WIXSEND_WIX_SITE_ID"} & set(environ)
    async with Session(load(environ, cwd=tmp_path, user_folder=tmp_path), environ) as opened:
        assert (await opened.wix.query(parse_sending_domain("app.example"))).status is WixStatus.NOT_AUTHENTICATED


async def test_another_site_sees_its_own_domains(shared: Sandbox, tmp_path: Path) -> None:
    agency = shared.wix.add_site("agency")
    shared.add_domain("theirs.example", site=agency)
    async with session(shared, tmp_path, **shared.environment(agency)) as opened:
        assert opened.site == agency.id
        assert (await opened.wix.query(parse_sending_domain("theirs.example"))).name == absolute("theirs.example")


# -- DNS -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("host", HOSTS)
async def test_a_zone_is_delegated_to_its_host(shared: Sandbox, host: str, tmp_path: Path) -> None:
    shared.add_domain(f"mail.{host}-below.co.uk", host, zone=f"{host}-below.co.uk")
    async with session(shared, tmp_path) as opened:
        found = await opened.dns.delegation(absolute(f"mail.{host}-below.co.uk"))
        assert found.apex == absolute(f"{host}-below.co.uk")
        assert {text(server.name) for server in found.servers} == set(shared.hosts[host].name_servers)
        assert all(opened.plugins.for_server(server.name) == (host,) for server in found.servers)


def test_two_domains_in_one_zone(shared: Sandbox) -> None:
    shared.add_domain("two.example", "godaddy", [a("www.two.example")])
    shared.add_domain("mail.two.example", "godaddy", zone="two.example")
    assert a("www.two.example") in shared.hosts["godaddy"].published("two.example")
    assert len({held.domain for held in shared.wix.domains.values()} & {"two.example", "mail.two.example"}) == 2


def test_names_that_wix_points_to_exist(shared: Sandbox) -> None:
    held = shared.add_domain("pointing.example")
    targets = {want.owner.labels[0]: want.target for want in held.wants}
    assert shared.dns.resolve(targets[b"s1"]) == absolute("s1.u1234567.wl.sendgrid.net")
    assert shared.dns.resolve(targets[b"sel1"]) is None  # a key, no further CNAME
    resolver = next(iter(shared.dns.recursors))
    assert shared.dns.resolve(targets[b"sg"], resolver=resolver) == absolute("sg.u1234567.wl.sendgrid.net")


def test_a_zone_at_wix_holds_the_records_already(shared: Sandbox) -> None:
    held = shared.add_domain("wixdns.example", WIX, [a("wixdns.example")])
    assert held.status == "AUTHENTICATED"
    assert all(shared.dns.resolve(want.owner) == want.target for want in held.wants)


async def test_name_servers_elsewhere(shared: Sandbox, tmp_path: Path) -> None:
    """Nobody's host; and a host that holds a zone which the world gets from others."""
    shared.add_domain("nobodys.example", ELSEWHERE, [a("nobodys.example")])
    shared.add_domain(
        "moved.example", "cloudflare", [a("moved.example")], name_servers=["ns1.unheard-of.example", "ns71.domaincontrol.com"]
    )
    async with session(shared, tmp_path) as opened:
        for domain in ("nobodys.example", "moved.example"):
            found = await opened.dns.delegation(absolute(domain))
            assert "ns1.unheard-of.example" in {text(server.name) for server in found.servers}
    assert "moved.example" in shared.hosts["cloudflare"].apexes()


def test_name_servers_lag_behind_their_host() -> None:
    clock = [1000.0]
    with Sandbox(delay=30, now=lambda: clock[0]) as sandbox:
        sandbox.add_domain("slow.example", "cloudflare")
        sandbox.add_domain("fast.example", "cloudflare", delay=0)
        target = absolute("there.example")
        for apex in ("slow.example", "fast.example"):
            added = Record(absolute("new", absolute(apex)), "CNAME", "there.example.", 300)
            sandbox.edit_behind("cloudflare", apex, [added])
        assert [sandbox.dns.resolve(f"new.{apex}") for apex in ("slow.example", "fast.example")] == [None, target]
        clock[0] += 30
        assert sandbox.dns.resolve("new.slow.example") == target


# -- HTTP ------------------------------------------------------------------------------------------------------------------


async def test_calls_are_counted_and_faults_happen(tmp_path: Path) -> None:
    with Sandbox() as sandbox:
        sandbox.add_domain("example.com", "cloudflare")
        sandbox.faults.add(Fault("status", service=WIX, status=429, headers={"retry-after": "1"}))
        async with session(sandbox, tmp_path) as opened:
            with pytest.raises(WixRateLimited):
                await opened.wix.query(parse_sending_domain("example.com"))
            found = await opened.wix.query(parse_sending_domain("example.com"))
            await opened.dns.delegation(found.name)
        assert (sandbox.count(WIX), sandbox.count("cloudflare")) == (2, 0)
        assert [call.status for call in sandbox.calls] == [429, 200]
        assert sandbox.dns.queries
        sandbox.reset_counts()
        assert (sandbox.count(WIX), sandbox.calls, sandbox.dns.queries) == (0, [], [])


def test_the_vendors_true_limits_can_be_switched_on() -> None:
    with Sandbox(rate_limits=True) as sandbox:
        assert sandbox.wix.rate_limits and all(host.rate_limits for host in sandbox.hosts.values())


def test_every_installed_plugin_brings_its_host(shared: Sandbox) -> None:
    installed = Plugins()
    assert tuple(shared.hosts) == tuple(name for name in installed.names() if installed.sandbox_host(name))
    assert set(HOSTS) <= set(shared.hosts)
    for name in HOSTS:
        assert shared.url(name).startswith("http://127.0.0.1:")
        assert httpx.get(shared.url(name) + "/").status_code >= 400  # somebody is there, and wants credentials


class _Shelf:
    """A plugin under development, one without a fake, and a broken one."""

    def names(self) -> tuple[str, ...]:
        return "broken", "example", "plain"

    def get(self, name: str) -> ProviderPlugin:
        return EXAMPLE

    def sandbox_host(self, name: str) -> type[FakeHost] | None:
        if name == "broken":
            raise PluginBroken("it is broken")
        return ExampleHost if name == "example" else None


def test_plugins_from_elsewhere() -> None:
    with Sandbox(_Shelf()) as sandbox:
        assert (list(sandbox.hosts), list(sandbox.broken)) == (["example"], ["broken"])
        sandbox.add_domain("example.com", "example", [a("www.example.com")])
        assert sandbox.environment()["EXAMPLE_TOKEN"] == ExampleHost.credentials["token"]
        assert len(sandbox.raw("example", "example.com")["records"]) == 1
        with pytest.raises(ValueError, match=r"no host 'cloudflare' in this sandbox \(it has: example\)"):
            sandbox.add_domain("other.com", "cloudflare")


def test_a_port_that_is_taken_leaves_nothing_behind() -> None:
    with Sandbox(ports={WIX: 0}) as first:
        port = int(first.url(WIX).rpartition(":")[2])
        with pytest.raises(OSError, match="address already in use"), Sandbox(ports={WIX: port}):
            pass


def test_it_starts_and_ends_without_leaving_anything() -> None:
    with Sandbox() as sandbox:
        url = sandbox.url(WIX)
        assert httpx.get(url).status_code == 401
    with pytest.raises(httpx.ConnectError):
        httpx.get(url)
