"""Real servers as subjects of the fault matrix: the wire to them is spoilt, and what they hold is read behind our back.

`OwnPowerDns` is read from its database, the others by zone transfer. A process has one server of each kind, in a network of its own, which
is entered only by those who pass a request on or look: so everything else, and every process that is killed, is where it always is.
"""

from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, ClassVar

from live_servers.lab import OWN_BIND
from live_servers.namespace import Namespace, add_addresses
from live_servers.own_servers import BindPrimary, KnotPrimary, OwnPowerDns, OwnPrimary, PowerDnsPrimary
from wixsend.records import Record
from wixsend.testing.fakes import FakeHost, Request, Response
from wixsend.testing.faults import Subject
from wixsend_powerdns import PLUGIN as POWERDNS
from wixsend_rfc2136 import PLUGIN as RFC2136

__all__ = ["REAL", "RealHost", "running"]


class RealHost(FakeHost):
    """A server that `running` has started, without any zone."""

    kind: ClassVar[type[OwnPowerDns | OwnPrimary]]
    _network: ClassVar[Namespace]
    _server: ClassVar[OwnPowerDns | OwnPrimary]

    def __init__(self, *_unused: object) -> None:
        super().__init__()
        with self._network.entered():
            self._server.clear()

    def handle(self, request: Request) -> Response:
        with self._network.entered():
            return self._server.handle(request)

    def refusal(self, request: Request, status: int) -> Response:
        return self._server.refusal(request, status)

    def again(self, request: Request, earlier: Response) -> Response:
        return self._server.again(request, earlier)

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        with self._network.entered():
            self._server.add_zone(apex, records, **settings)

    def apexes(self) -> tuple[str, ...]:
        with self._network.entered():
            return self._server.apexes()

    def raw(self, apex: str) -> Any:
        with self._network.entered():
            return self._server.raw(apex)

    def published(self, apex: str) -> tuple[Record, ...]:
        with self._network.entered():
            return self._server.published(apex)

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        with self._network.entered():
            self._server.edit_behind(apex, add, remove)


class PowerDnsApi(RealHost):
    kind = OwnPowerDns
    name = OwnPowerDns.name
    name_servers = OwnPowerDns.name_servers
    credentials = OwnPowerDns.credentials


class _Updated(RealHost):
    """One that takes dynamic updates."""

    name = OwnPrimary.name
    credentials = OwnPrimary.credentials
    speaks = OwnPrimary.speaks


class Bind(_Updated):
    kind = BindPrimary
    name_servers = BindPrimary.name_servers


class Knot(_Updated):
    kind = KnotPrimary
    name_servers = KnotPrimary.name_servers


class PowerDnsUpdated(_Updated):
    kind = PowerDnsPrimary
    name_servers = PowerDnsPrimary.name_servers


REAL: tuple[Subject, ...] = (
    Subject("powerdns", given=(POWERDNS, PowerDnsApi), way="a real PowerDNS"),
    Subject("rfc2136", given=(RFC2136, Bind), way="a real BIND"),
    Subject("rfc2136", given=(RFC2136, Knot), way="a real Knot DNS"),
    Subject("rfc2136", given=(RFC2136, PowerDnsUpdated), way="a real PowerDNS"),
)
"""The servers, each with the plugin that speaks to it."""


@contextmanager
def running(folder: Path, subjects: Iterable[Subject] = REAL) -> Iterator[None]:
    """The servers of these subjects, for this process."""
    with ExitStack() as stack:
        for subject in subjects:
            assert subject.given is not None
            host = subject.given[1]
            assert issubclass(host, RealHost)
            host._network = Namespace()
            stack.callback(host._network.close)
            with host._network.entered():
                add_addresses(OWN_BIND)
                host._server = host.kind(folder / host.__name__)
                stack.enter_context(host._server)
        yield
