"""The contract of a vendor's stateful fake: requests in, responses out, raw state to look at, DNS to publish.

A fake is a plain state machine without sockets. `wixsend.testing.server` serves it over HTTP on loopback, counts its calls and
injects faults; the sandbox publishes what its zones hold. A fake keeps its vendor's bad habits, and where it is not known
how the vendor behaves it takes the worst case, each with the fact it is taken from in a comment.
"""

import json
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, Self
from urllib.parse import parse_qsl

from wixsend.records import Record

__all__ = ["FakeHost", "Request", "Response"]


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request: its parts as the vendor's own code would see them.

    `path` is without the query, and percent-decoded, once and as UTF-8: `/zones/a%20b` is `/zones/a b`, and an encoded slash is a slash.
    `query` are its names and values in order, decoded as those of an HTML form. Header names are in lower case.

    Or one DNS message, in `body`: `method` is QUERY, UPDATE, or CHECK for an update that changes nothing; `path` is `/NAME/TYPE`.
    """

    method: str
    path: str
    query: tuple[tuple[str, str], ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""

    @property
    def args(self) -> dict[str, str]:
        """The query, the last of each name."""
        return dict(self.query)

    def form(self) -> dict[str, str]:
        """The body as an HTML form."""
        return dict(parse_qsl(self.body.decode(), keep_blank_values=True))

    def json(self) -> Any:
        """The body as JSON; `ValueError` when it is none."""
        return json.loads(self.body)


@dataclass(frozen=True, slots=True)
class Response:
    """One HTTP response; or one DNS message, in `body`."""

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def json(cls, value: Any, status: int = 200, **headers: str) -> Self:
        """A JSON response."""
        return cls(status, json.dumps(value).encode(), {"content-type": "application/json", **headers})

    @classmethod
    def xml(cls, text: str, status: int = 200) -> Self:
        """An XML response."""
        return cls(status, text.encode(), {"content-type": "text/xml; charset=utf-8"})


class FakeHost(ABC):
    """A stateful fake of one DNS host, with one account that `credentials` open.

    `now` is the fake's clock in seconds (for rate limits), `rate_limits` switches the vendor's true limits on.
    """

    name: ClassVar[str]
    """The plugin's name."""

    name_servers: ClassVar[tuple[str, ...]]
    """Host names of the name servers that it gives to its zones."""

    credentials: ClassVar[Mapping[str, str]]
    """The only credentials that it accepts, by `CredentialField.name`."""

    speaks: ClassVar[Literal["http", "dns"]] = "http"
    """How it is spoken to: by HTTP, or by DNS messages over TCP."""
    also: "ClassVar[tuple[type[FakeHost], ...]]" = ()
    """The same host, opened by the credentials of the plugin's other ways (`ProviderPlugin.also`), which differ in `credentials` alone."""

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        self.now = now
        self.rate_limits = rate_limits

    @abstractmethod
    def handle(self, request: Request) -> Response:
        """Answer one request, changing the state as the vendor would."""

    def refusal(self, request: Request, status: int) -> Response:
        """How a host that speaks DNS says what others say by an HTTP status. Only faults ask for it."""
        raise NotImplementedError(f"{self.name} says {status} by HTTP")

    def again(self, request: Request, earlier: Response) -> Response:
        """How a host that speaks DNS answers this message with what it answered to the same question earlier. Only faults ask for it."""
        raise NotImplementedError(f"{self.name} answers by HTTP")

    @abstractmethod
    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        """Put a zone into the account, active and served by `name_servers`; vendor-specific `settings` are documented by the fake."""

    @abstractmethod
    def apexes(self) -> tuple[str, ...]:
        """The zones in the account, lower case, no final dot."""

    @abstractmethod
    def raw(self, apex: str) -> Any:
        """The vendor's whole state of the zone as plain JSON-able data: every row with every field, and the zone's settings.

        Rows are in one list under `records`, in the order held; anything else beside it.
        """

    @abstractmethod
    def published(self, apex: str) -> tuple[Record, ...]:
        """What the zone's name servers answer, SOA and apex NS aside, TTLs in seconds: a masked record shows what the world is shown."""

    @abstractmethod
    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        """Another editor at work (the vendor's dashboard): no request, no count."""
