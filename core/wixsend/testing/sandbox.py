"""The sandbox: Wix, every installed plugin's fake host, and the DNS that they publish to, all on 127.0.0.1 and high ports.

    with Sandbox() as sandbox:
        sandbox.add_domain("example.com", "cloudflare", [Record(absolute("www.example.com"), "A", "192.0.2.80")])
        environ = sandbox.environment()     # points wixsend, or anything else, at it

Nothing in wixsend knows that it speaks to a sandbox: it is reached by ordinary configuration. The hosts come in by the hook
`wixsend_sandbox_host`; what they hold, their zones' name servers answer `delay` seconds later; Wix's authenticate asks those name servers.
"""

import re
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import urlsplit

from wixsend.credentials import base_url_variable
from wixsend.errors import PluginBroken
from wixsend.names import absolute, is_below, text
from wixsend.plugins import Plugins
from wixsend.provider import ProviderPlugin
from wixsend.records import Record
from wixsend.testing.dns import SandboxDns
from wixsend.testing.fakes import FakeHost, Request, Response
from wixsend.testing.server import Call, Faults, Server, speaking_dns
from wixsend.testing.wix import FakeDomain, FakeSite, FakeWix

__all__ = ["ELSEWHERE", "WIX", "PluginSource", "Sandbox"]

WIX = "wix"
"""The name of Wix among the services, and of Wix as the host of a zone that it serves itself."""

ELSEWHERE = ""
"""As a host: name servers of nobody whom a plugin knows."""

_NAME_SERVERS: Mapping[str, tuple[str, ...]] = {
    WIX: ("ns6.wixdns.net", "ns7.wixdns.net"),  # facts §5
    ELSEWHERE: ("ns1.unheard-of.example", "ns2.unheard-of.example"),
}
_TARGET_ZONES = ("ascendbywix.com", "wixemails.com", "sendgrid.net")
_TARGET_SERVERS = ("ns1.wix-targets.example", "ns2.wix-targets.example")
_DKIM = '"v=DKIM1; k=rsa; p=c2FuZGJveA=="'
_SENDGRID = "u1234567.wl.sendgrid.net"


class PluginSource(Protocol):
    """Where plugins come from; `wixsend.plugins.Plugins` is one."""

    def names(self) -> Iterable[str]: ...
    def get(self, name: str) -> ProviderPlugin: ...
    def sandbox_host(self, name: str) -> type[FakeHost] | None: ...


class Sandbox:
    """A context manager; things may be added while it runs, from any thread.

    `delay` is how many seconds name servers lag behind their host; `resolvers` how many caching resolvers there are; `now` the clock
    of everything in it, in seconds; `rate_limits` switches the vendors' true limits on; `ports` fixes the HTTP port of a service.
    Each host has one account, called like the plugin; `accounts` are more of them, by name, each at the host of a plugin.

    `wix` and `hosts` (by the account's name) are the fakes, to be looked at and switched; `dns` is their DNS. `broken` are the
    plugins that cannot be used, with the error.
    """

    def __init__(
        self,
        plugins: PluginSource | None = None,
        *,
        delay: float = 0.0,
        resolvers: int = 3,
        now: Callable[[], float] = time.monotonic,
        rate_limits: bool = False,
        ports: Mapping[str, int] | None = None,
        accounts: Mapping[str, str] | None = None,
    ) -> None:
        source = plugins or Plugins()
        self.broken: dict[str, PluginBroken] = {}
        self.hosts: dict[str, FakeHost] = {}
        self._plugins: dict[str, ProviderPlugin] = {}
        for name in source.names():
            try:
                host = source.sandbox_host(name)
                self._plugins[name] = source.get(name)
            except PluginBroken as broken:
                self.broken[name] = broken
                continue
            if host is not None:
                self.hosts[name] = host(now, rate_limits)
                for account in (account for account, home in (accounts or {}).items() if home == name):
                    self.hosts[account] = _beside(host, self._plugins[name], account)(now, rate_limits)
        self._homes = {name: name for name in self.hosts} | dict(accounts or {})
        self.dns = SandboxDns(resolvers=resolvers, now=now, delay=delay)
        self.wix = FakeWix(self.dns.resolve, now, rate_limits=rate_limits)
        self._locks = {name: threading.Lock() for name in self.hosts}
        self._zones: dict[str, tuple[Record, ...]] = {}
        self._targets: dict[str, dict[Record, None]] = {apex: {} for apex in _TARGET_ZONES}
        services = {home: self._handler(home) for home in self._homes.values()}
        self._server = Server({WIX: self.wix.handle, **services}, ports, dns=speaking_dns(self.hosts))
        self._opened = ExitStack()

    def __enter__(self) -> Self:
        with ExitStack() as opening:
            opening.enter_context(self.dns)
            # Every name server is up from the beginning: `environment` holds the addresses of all, whatever is added later.
            for servers in (*_NAME_SERVERS.values(), *(host.name_servers for host in self.hosts.values())):
                for server in servers:
                    self.dns.add_name_server(server)
            for apex in self._targets:
                self.dns.add_zone(apex, _TARGET_SERVERS, lambda apex: tuple(self._targets[apex]), delay=0.0)
            opening.enter_context(self._server)
            self._opened = opening.pop_all()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._opened.__exit__(kind, error, trace)

    # -- what happens in it --------------------------------------------------------------------------------------------

    def add_domain(
        self,
        domain: str,
        host: str = ELSEWHERE,
        records: Iterable[Record] = (),
        *,
        zone: str = "",
        site: FakeSite | None = None,
        initializing_for: float = 0.0,
        name_servers: Sequence[str] = (),
        soa_minimum: int = 300,
        delay: float | None = None,
        **settings: Any,
    ) -> FakeDomain:
        """A sending domain on a site at Wix, in a zone at a host.

        `host` is a plugin's or an account's name, `WIX` (Wix adds the records itself), or `ELSEWHERE`. `zone` is its apex where it is not
        `domain`. A zone that exists already is used as it is; else it is made, holds `records`, and `settings` are the fake
        host's. `name_servers` are those that serve it, when they are not the host's own: the host then holds a zone that the world
        does not see, and they publish `records`.
        """
        held = self.wix.add_domain(
            domain, site, initializing_for=initializing_for, status="AUTHENTICATED" if host == WIX else "NOT_AUTHENTICATED"
        )
        for record in _behind(held.wants):
            for target_zone, answers in self._targets.items():
                if is_below(record.owner, absolute(target_zone)):
                    answers[record] = None
        apex = text(absolute(zone or held.domain))
        if apex not in self._zones:
            self._zones[apex] = (*records, *held.wants) if host == WIX else tuple(records)
            self._add_zone(apex, host, tuple(name_servers), soa_minimum, delay, settings)
        return held

    def edit_behind(self, host: str, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        """Another editor at work in a zone, between two requests."""
        with self._locks[host]:
            self.hosts[host].edit_behind(apex, add, remove)

    def raw(self, host: str, apex: str) -> Any:
        """A host's whole state of a zone, see `FakeHost.raw`."""
        with self._locks[host]:
            return self.hosts[host].raw(apex)

    # -- what is asked of it -------------------------------------------------------------------------------------------

    @property
    def faults(self) -> Faults:
        """What is to go wrong over HTTP; `dns.add_fault` is for DNS."""
        return self._server.faults

    @property
    def calls(self) -> list[Call]:
        """Every HTTP request so far."""
        return self._server.calls

    def url(self, service: str) -> str:
        """The base URL of a host's API, or of Wix's: where the vendor's own would be."""
        path = urlsplit(self._plugins[service].base_url).path if service in self._plugins else ""
        return self._server.url(service) + path

    def count(self, service: str) -> int:
        """How many HTTP requests a service had since the start or the last `reset_counts`."""
        return self._server.count(service)

    def reset_counts(self) -> None:
        """Count from zero again, DNS questions included."""
        self._server.reset_counts()
        self.dns.queries.clear()

    def environment(self, site: FakeSite | None = None, *, by_app: bool = False) -> dict[str, str]:
        """The environment variables that point wixsend here: as this site's owner (the first site's), by API key or by app.

        The secrets of further accounts are in variables that begin with the account's name, such as SECOND_API_TOKEN.
        """
        site = site or self.wix.site
        settings = self.dns.settings()
        found = {"WIXSEND_WIX_BASE_URL": self.url(WIX)}
        if by_app:
            found |= {
                "WIXSEND_WIX_APP_ID": self.wix.app_id,
                "WIXSEND_WIX_APP_SECRET": self.wix.app_secret,
                "WIXSEND_WIX_INSTANCE_ID": site.instance_id,
            }
        else:
            found |= {"WIXSEND_WIX_API_KEY": site.api_key, "WIXSEND_WIX_SITE_ID": site.id}
        for name, host in self.hosts.items():
            home = self._homes[name]
            found[base_url_variable(home)] = self.url(home)
            fields = [each for each in self._plugins[home].fields if each.name in host.credentials]
            found |= {each.env if name == home else _variable(name, each.name): host.credentials[each.name] for each in fields}
        return found | {
            "WIXSEND_DNS_RESOLVERS": ",".join(settings.resolvers),
            "WIXSEND_DNS_ROOTS": ",".join(settings.roots),
            "WIXSEND_DNS_FALLBACK": "https://127.0.0.1:1/dns-query",  # nobody listens there: nothing in the sandbox leaves this machine
            "WIXSEND_DNS_PER_SECOND": "inf",
            "WIXSEND_DNS_ENDPOINTS": ",".join(f"{address}={place}" for address, place in settings.endpoints.items()),
        }

    # -- inside --------------------------------------------------------------------------------------------------------

    def _add_zone(
        self, apex: str, host: str, name_servers: tuple[str, ...], soa_minimum: int, delay: float | None, settings: Mapping[str, Any]
    ) -> None:
        published: Callable[[str], Iterable[Record]] = self._zones.__getitem__
        servers = name_servers or _NAME_SERVERS.get(host, ())
        if host in self.hosts:
            with self._locks[host]:
                self.hosts[host].add_zone(apex, self._zones[apex], **settings)
            if not servers:
                servers, published = self.hosts[host].name_servers, self._publisher(host)
        elif settings or not servers:
            raise ValueError(
                f"no host {host!r} in this sandbox (it has: {', '.join(self.hosts)}), or settings for nobody: {dict(settings)}"
            )
        self.dns.add_zone(apex, servers, published, soa_minimum=soa_minimum, delay=delay)

    def _handler(self, home: str) -> Callable[[Request], Response]:
        """A host's `handle`, kept apart from the DNS thread's looks at what it holds.

        The account is the one whose secret a request shows; whatever else it shows is for the first one to judge.
        """
        further = [name for name in self.hosts if self._homes[name] == home != name]
        secrets = {name: _secrets(self._plugins[home], self.hosts[name]) for name in further}

        def handle(request: Request) -> Response:
            said = repr((request.query, request.headers, request.body)) if secrets else ""
            name = next((name for name, shown in secrets.items() if any(secret in said for secret in shown)), home)
            with self._locks[name]:
                return self.hosts[name].handle(request)

        return handle

    def _publisher(self, name: str) -> Callable[[str], Iterable[Record]]:
        def published(apex: str) -> Iterable[Record]:
            with self._locks[name]:
                return self.hosts[name].published(apex)

        return published


def _beside(host: type[FakeHost], plugin: ProviderPlugin, account: str) -> type[FakeHost]:
    """The fake with secrets of another account."""
    secret = {each.name for each in plugin.credentials if each.secret}
    own = {name: f"{value}-{account}" if name in secret else value for name, value in host.credentials.items()}
    return type(host.__name__, (host,), {"credentials": own})


def _secrets(plugin: ProviderPlugin, host: FakeHost) -> list[str]:
    return [host.credentials[each.name] for each in plugin.credentials if each.secret]


def _variable(account: str, field: str) -> str:
    return re.sub(r"\W", "_", f"{account}_{field}").upper()


def _behind(wanted: Iterable[Record]) -> Iterable[Record]:
    """What the world finds behind the names that Wix's records point to (facts §7).

    Wix's own selector ends in a key there, SendGrid's go on to SendGrid, and the DMARC policy of all is `p=none`.
    """
    for target, first in ((record.target, record.owner.labels[0]) for record in wanted):
        onward = absolute(f"{first.decode()}.{_SENDGRID}")
        match first:
            case b"_dmarc":
                yield Record(target, "TXT", '"v=DMARC1; p=none; rua=mailto:reports@vali.example"')
            case b"s1" | b"s2":
                yield from (Record(target, "CNAME", text(onward) + "."), Record(onward, "TXT", _DKIM))
            case b"sg":
                yield from (Record(target, "CNAME", text(onward) + "."), Record(onward, "TXT", '"v=spf1 include:sendgrid.net ~all"'))
            case _:
                yield Record(target, "TXT", _DKIM)
