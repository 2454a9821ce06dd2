"""A stateful fake of DirectAdmin, a host's own server that lexicon can be pointed at: the one host of the bridge that is tried here.

It is made from what lexicon's provider sends and understands, and from nothing else. `habit` makes it misbehave:

    relative    takes a target without a final dot for relative, and says that all is well
    leaks       fails every change with an HTTP 500 whose body and reason repeat the credentials
    forgets     says that a record was added, and adds none
"""

import base64
import time
from collections.abc import Callable, Iterable
from typing import Any, ClassVar

from wixsend import Record, absolute, text
from wixsend.testing.fakes import FakeHost, Request, Response

__all__ = ["FakeDirectAdmin"]

_TTL = 14400


class FakeDirectAdmin(FakeHost):
    """DirectAdmin. Its credentials lack the `endpoint`, which is where it is served."""

    name: ClassVar = "lexicon:directadmin"
    name_servers: ClassVar = ("ns1.panel.example", "ns2.panel.example")
    credentials: ClassVar = {"auth_username": "owner", "auth_password": "correct-horse-battery"}

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        super().__init__(now, rate_limits)
        self._zones: dict[str, list[Record]] = {}
        self.habit = ""

    def handle(self, request: Request) -> Response:
        pair = ":".join(self.credentials.values())
        if request.headers.get("authorization") != f"Basic {base64.b64encode(pair.encode()).decode()}":
            return Response(401, b"Unauthorized", {"content-type": "text/plain"})
        if request.path == "/CMD_API_SHOW_DOMAINS":
            return Response(200, "&".join(f"list[]={apex}" for apex in self._zones).encode(), {"content-type": "text/plain"})
        if request.args.get("action") == "add":
            return self._add(request)
        return Response.json({"records": [self._row(record) for record in self._zones[request.args["domain"]]]})

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        self._zones[text(absolute(apex))] = list(records)

    def apexes(self) -> tuple[str, ...]:
        return tuple(self._zones)

    def raw(self, apex: str) -> Any:
        return {"records": [self._row(record) for record in self._zones[text(absolute(apex))]]}

    def published(self, apex: str) -> tuple[Record, ...]:
        return tuple(self._zones[text(absolute(apex))])

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        zone = self._zones[text(absolute(apex))]
        for record in remove:
            zone.remove(record)
        zone.extend(add)

    def _add(self, request: Request) -> Response:
        args = request.args
        if self.habit == "leaks":
            told = f"cannot write for {request.headers['authorization']} {':'.join(self.credentials.values())}"
            return Response(500, told.encode(), {"content-type": "text/plain"})
        origin = absolute(args["domain"]) if self.habit == "relative" else absolute(".")
        if self.habit != "forgets":
            target = absolute(args["value"], origin).to_text()
            self._zones[args["domain"]].append(Record(absolute(args["name"]), args["type"], target, _TTL))
        return Response.json({"success": "Record Added"})

    @staticmethod
    def _row(record: Record) -> dict[str, Any]:
        name, value = text(record.owner), record.rdata.rstrip(".")
        return {"name": name, "type": record.rtype, "value": value, "combined": f"name={name}&value={value}", "ttl": record.ttl}
