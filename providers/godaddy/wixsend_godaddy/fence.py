"""What fences godaddypy in: reads of three paths, and of writes exactly those that the approved edit needs, each once.

Left alone, godaddypy 2.5.1 replaces a whole zone when it is not told a type and a name, deletes all records of a type when it is
not told a name, cancels the domain when a name says `../..`, follows redirects with another verb, waits for ever, and throws status
and headers of an error away. All of it passes one method, `Client._request_submit`, which is replaced here: a request that is not on
the list is never sent. HTTP itself is the wire's (time-outs, quota, one origin, no redirects, bounded bodies, nothing from the
environment).
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from godaddypy import Account, Client

from wixsend import Credentials, Edit, EditRejected, Name, Record, Unavailable, Wire, text
from wixsend_godaddy.rows import WRITABLE, Row, row_of
from wixsend_godaddy.vendor import APEX, SAID, GoDaddyError, NotAllowed, credential, domain_text, error_of, field_of, is_name, json_of

if TYPE_CHECKING:
    import httpx

__all__ = ["DOMAINS", "PAGE", "Call", "FencedClient", "account", "calls_for", "held_row"]

PAGE = 500
"""Records on one page: the most that the API gives."""

DOMAINS = 1000
"""Domains on one page: the most that the API gives."""

_OWNER = re.compile(r"\A(?:@|(?:\*|[a-z0-9_-]{1,63})(?:\.[a-z0-9_-]{1,63})*)\Z", re.IGNORECASE)
_READS = re.compile(rf"/domains(?:/{APEX}(?:/records)?)?")
_COPY = "Copy it anew from developer.godaddy.com/keys."
_MOST_PAGES = 200


@dataclass(frozen=True, slots=True)
class Call:
    """One write: `rows` is the whole body, `None` where there is none. `gone` are the records it takes away, to be put back if need be."""

    verb: str
    domain: str
    rtype: str = ""
    name: str = ""
    rows: tuple[Row, ...] | None = None
    gone: tuple[Record, ...] = ()

    @property
    def path(self) -> str:
        """Below the API's version."""
        records = f"/domains/{self.domain}/records"
        return f"{records}/{self.rtype}/{self.name}" if self.verb != "PATCH" else records

    def __str__(self) -> str:
        return f"{self.verb} {self.path}"


def account(credentials: Credentials) -> Account:
    """godaddypy's account, with credentials that cannot make it look for others in the environment or the home folder."""
    shopper = credential(credentials, "shopper_id", _COPY) if credentials.get("shopper_id", "").strip() else None
    return Account(api_key=credential(credentials, "key", _COPY), api_secret=credential(credentials, "secret", _COPY), delegate=shopper)


def calls_for(edit: Edit) -> tuple[Call, ...]:
    """The writes that make this edit, and no wider ones: what goes before what comes, then all that only comes in one PATCH.

    GoDaddy replaces what it calls the records of one type and name. Such a set is deleted when all of it goes and nothing comes,
    replaced by what stays (verbatim) and what comes when it loses some, and added to when it loses none. An empty PUT is never
    sent: GoDaddy ignores it. Raises `EditRejected` for what GoDaddy's API cannot do, before anything is sent.
    """
    apex = edit.before.zone.apex
    domain = domain_text(apex)
    held = [(r, held_row(r, apex)) for r in edit.before.records if isinstance(r.ref, dict) or r.rtype in WRITABLE]
    loses: dict[tuple[str, str], list[tuple[Record, Row]]] = {}
    for record in edit.removes:
        found = next((pair for pair in held if pair[0] == record), None)
        if found is None:
            raise EditRejected(f"GoDaddy: {record} cannot be removed, it is not in the zone as it was read", "Run the command again.")
        held.remove(found)
        loses.setdefault(_set_of(found[1]), []).append(found)
    comes: dict[tuple[str, str], list[Row]] = {}
    for record in edit.adds:
        row = _sendable(record, apex)
        comes.setdefault(_set_of(row), []).append(row)
    narrow: list[Call] = []
    for key, gone in loses.items():
        stays = [row for _record, row in held if _set_of(row) == key]
        narrow.append(_narrow(domain, gone, stays, comes.pop(key, [])))
    narrow.sort(key=lambda call: call.rows is not None)
    added = tuple(row for rows in comes.values() for row in rows)
    return (*narrow, Call("PATCH", domain, rows=added)) if added else tuple(narrow)


def _narrow(domain: str, gone: list[tuple[Record, Row]], stays: list[Row], comes: list[Row]) -> Call:
    """The call for one set that loses records, at the name that GoDaddy itself gives it."""
    rtype, name = gone[0][1]["type"], gone[0][1]["name"]
    if rtype not in WRITABLE:
        raise EditRejected(
            f"GoDaddy: its API does not remove {rtype} records, as it would have to at {name}", "Remove it in GoDaddy's panel."
        )
    _checked(name)
    rows = (*stays, *comes)
    records = tuple(record for record, _row in gone)
    return Call("PUT", domain, rtype, name, rows, records) if rows else Call("DELETE", domain, rtype, name, None, records)


def _set_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """What GoDaddy's paths can name, case aside. For SRV this is wider than an RRset: the service and the protocol are not in it."""
    return row["type"].upper(), row["name"].lower()


def held_row(record: Record, apex: Name) -> Row:
    """The row that a record was read from; one made anew for a record that never was a row."""
    return record.ref if isinstance(record.ref, dict) else row_of(record, apex)


def _sendable(record: Record, apex: Name) -> Row:
    try:
        row = row_of(record, apex)
    except ValueError as wrong:
        raise EditRejected(f"GoDaddy: {wrong}", "Add this record in GoDaddy's panel.") from wrong
    _checked(row["name"])
    return row


def _checked(name: str) -> None:
    if not _OWNER.match(name):
        raise EditRejected(
            f"GoDaddy: the name {name!r} has characters that wixsend does not put into a URL", "Edit this record in GoDaddy's panel."
        )


class FencedClient(Client):  # type: ignore[misc]  # godaddypy is untyped
    """godaddypy with its one way out replaced. Reads are free; `allowing` opens the fence for certain writes, each of them once."""

    def __init__(self, account: Account, wire: Wire) -> None:
        super().__init__(account=account, api_base_url=wire.base_url)
        self.API_TEMPLATE = f"{wire.base_url.rstrip('/')}/v1"
        self._http = wire.client()
        self._allowed: list[Call] = []

    def domain(self, apex: Name) -> tuple[str, tuple[str, ...]] | None:
        """Status and name servers of a domain of the account, `None` when it has none of that name, or the name is none that it could have.

        Nothing else of the answer is kept: it holds the transfer code and the registrant's address.
        """
        if not re.fullmatch(APEX, text(apex)):
            return None
        try:
            answer = self.get_domain_info(text(apex))
        except GoDaddyError as error:
            if error.status == 404 and error.code:
                return None
            raise
        if not is_name(field_of(answer, "domain"), apex):
            raise Unavailable(f"GoDaddy's answer about the domain {text(apex)} is about another one")
        return _described(answer)

    def domains(self, behind: str) -> dict[str, tuple[str, tuple[str, ...]]]:
        """The same of the account's domains that come behind this one, `DOMAINS` of them where there are as many."""
        params = {"limit": DOMAINS, "includes": "nameServers"} | ({"marker": behind} if behind else {})
        page = self._get_json_from_response(self.API_TEMPLATE + self.DOMAINS, params=params)
        if not isinstance(page, list):
            raise Unavailable("GoDaddy answered something else than the domains of the account")
        found = {str(field_of(row, "domain")).lower(): _described(row) for row in page}
        if len(found) != len(page) or behind in found:
            raise Unavailable("GoDaddy lists a domain of the account twice")
        return found

    def rows(self, apex: Name) -> list[Any]:
        """Every row of the zone, all pages of it. `offset` is the number of the page, and past the last one GoDaddy answers 422."""
        rows: list[Any] = []
        seen: set[str] = set()
        for number in range(1, _MOST_PAGES + 1):
            try:
                page = self.get_records(domain_text(apex), offset=number, limit=PAGE)
            except GoDaddyError as error:
                if error.status == 422 and error.code and number > 1:
                    break
                raise
            if not isinstance(page, list):
                raise Unavailable(f"GoDaddy answered something else than the records of {text(apex)}")
            keys = {json.dumps(row, sort_keys=True) for row in page}
            if seen & keys:
                raise Unavailable(f"GoDaddy's pages of the zone {text(apex)} overlap: it changed while it was read")
            seen |= keys
            rows += page
            if len(page) < PAGE:
                break
        else:
            raise Unavailable(f"GoDaddy gives no end to the pages of the zone {text(apex)}")
        if not rows:
            raise Unavailable(f"GoDaddy shows no record at all in the zone {text(apex)}, not even name servers, which is not believed")
        return rows

    @contextmanager
    def allowing(self, calls: Sequence[Call]) -> Iterator[None]:
        """Within it these writes may be made, each of them once."""
        self._allowed = list(calls)
        try:
            yield
        finally:
            self._allowed = []

    def make(self, call: Call) -> None:
        """Have godaddypy make one write."""
        rows = list(call.rows or ())
        match call.verb:
            case "DELETE":
                self.delete_records(call.domain, call.name, call.rtype)
            case "PUT":
                self.replace_records(call.domain, rows, call.rtype, call.name)
            case "PATCH":
                self.add_records(call.domain, rows)

    def close(self) -> None:
        self._http.close()

    def _request_submit(
        self, func: Callable[..., Any], *, url: str, json: Any = None, params: Mapping[str, Any] | None = None
    ) -> "httpx.Response":
        """In place of godaddypy's: every request that it makes comes through here, `func` being a function of `requests`."""
        verb = func.__name__.upper()
        self._admit(verb, url, json)
        response = self._http.request(verb, url, json=json, params=params, headers=self._get_headers())
        if not response.is_success:
            raise error_of(verb, response)
        if verb == "GET" and json_of(response.content) is None:
            raise Unavailable(f"GoDaddy answered HTTP {response.status_code} with something that is not JSON")
        if verb != "GET" and response.content:
            raise Unavailable(f"GoDaddy answered HTTP {response.status_code} with a body, which it does not when it has made an edit")
        return response

    def _admit(self, verb: str, url: str, body: Any) -> None:
        """Let a request pass that is on the list; the URL is compared as godaddypy wrote it, before anybody resolves dots in it."""
        path = url.removeprefix(self.API_TEMPLATE)
        if verb == "GET" and path != url and _READS.fullmatch(path) and body is None:
            return
        for call in self._allowed:
            if (verb, path, body) == (call.verb, call.path, None if call.rows is None else list(call.rows)) and path != url:
                self._allowed.remove(call)
                return
        raise NotAllowed(f"{verb} {path[:SAID]} is not what the approved edit needs, and was not sent")


def _described(answer: Any) -> tuple[str, tuple[str, ...]]:
    """Status and name servers of a domain. Nothing else of an answer is kept."""
    status, servers = field_of(answer, "status"), field_of(answer, "nameServers")
    if not isinstance(status, str) or not isinstance(servers, list | None):
        raise Unavailable(f"GoDaddy's answer about the domain {field_of(answer, 'domain')} lacks its status or its name servers")
    return status, tuple(str(server) for server in servers or ())
