"""A stateful Wix at the wire: sites, keys and apps, sending domains and their life, and an authenticate that really looks at DNS.

Numbers in comments are sections of the facts about Wix (wix-api.md); `[?]` marks what is not known, where the worst
case, or a switch, stands in.
"""

import json
import time
import uuid
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from wixsend.names import Name, absolute, relative_text, text
from wixsend.records import Record
from wixsend.testing.fakes import Request, Response

__all__ = ["MANAGE", "READ", "SCOPES", "FakeDomain", "FakeSite", "FakeWix", "HostNames", "Refusal"]

type HostNames = Literal["absolute", "relative", "dotted", "upper"]
"""How `hostName` is written [?] (§7): `sg.example.com`, `sg`, `sg.example.com.`, `SG.EXAMPLE.COM`."""

type Refusal = Literal["428", "200"]
"""How authenticate says that it does not see the records [?] (§9)."""

READ, MANAGE = "SCOPE.SENDING-DOMAINS.READ", "SCOPE.SENDING-DOMAINS.MANAGE"
SCOPES: frozenset[str] = frozenset({READ, MANAGE})
"""The permissions that a key or an app may have (§1)."""

_PATH = "/sending-domains/v1/sending-domains"
_PER_MINUTE = 200  # §4
_PAGE = 50  # §1.2
_FORMS: Mapping[HostNames, Callable[[Name, Name], str]] = {
    "absolute": lambda owner, _domain: text(owner),
    "relative": relative_text,
    "dotted": lambda owner, _domain: text(owner) + ".",
    "upper": lambda owner, _domain: text(owner).upper(),
}


@dataclass(slots=True)
class FakeSite:
    """A site, the key that was made in the account that owns it, and the installation of the fake's app on it.

    `scopes` are what key and app may do; `sender_details` whether the site has any: without, every call is refused (§1.6).
    """

    id: str
    api_key: str
    account_id: str
    instance_id: str
    scopes: set[str] = field(default_factory=lambda: set(SCOPES))
    sender_details: bool = True


@dataclass(slots=True)
class FakeDomain:
    """A sending domain of one site. `status` is any text, also one that no documentation knows; `ready` is when its records come.

    `wants` is what authenticate looks for. `rows` are shown instead of it, verbatim, for answers that Wix should not give.
    `attempts` counts authenticate.
    """

    id: str
    domain: str
    site: str
    wants: tuple[Record, ...]
    ready: float
    status: str = "NOT_AUTHENTICATED"
    rows: list[dict[str, Any]] | None = None
    attempts: int = 0


class FakeWix:
    """Wix, as `handle(Request) -> Response` for `wixsend.testing.server`.

    `resolve` gives the target of the CNAME at a name, as Wix's resolver sees it; `now` is the clock in seconds. Switches, all to be
    set at any time: `rate_limits` (200 a minute), `requires_dmarc` (authenticate wants the CNAME at `_dmarc` too), `refuses_with`,
    `host_names`, `hides_unknown` (a query for a domain that is not on the site is refused, not answered with nothing),
    `not_yet_code` (the code of authenticate's 428, whose true name is in no documentation), `token_lasts` (seconds). `too_often` counts
    the calls that were over a limit.
    """

    def __init__(
        self,
        resolve: Callable[[Name], Name | None] = lambda _name: None,
        now: Callable[[], float] = time.monotonic,
        *,
        rate_limits: bool = False,
        requires_dmarc: bool = True,
        refuses_with: Refusal = "428",
        host_names: HostNames = "absolute",
    ) -> None:
        self.resolve = resolve
        self.now = now
        self.rate_limits = rate_limits
        self.requires_dmarc = requires_dmarc
        self.refuses_with: Refusal = refuses_with
        self.host_names: HostNames = host_names
        self.hides_unknown = False
        self.not_yet_code = "A_CODE_THAT_NO_DOCUMENTATION_NAMES"
        self.token_lasts = 14400.0  # §3.3: always four hours
        self.app_id, self.app_secret = _guid("app"), _guid("app secret")
        self.too_often = 0
        self.sites: dict[str, FakeSite] = {}
        self.domains: dict[str, FakeDomain] = {}
        self._tokens: dict[str, tuple[str, float]] = {}
        self._seen: dict[str, deque[float]] = {}
        self.site = self.add_site("main")

    # -- what a test sets up -------------------------------------------------------------------------------------------

    def add_site(self, label: str, beside: FakeSite | None = None) -> FakeSite:
        """A site with its own account and key, or in the account of another site, whose key is good for both.

        Ids, key and instance follow from the label.
        """
        account, key = (beside.account_id, beside.api_key) if beside else (_guid(f"account {label}"), f"IST.sandbox-key-of-{label}")
        site = FakeSite(_guid(f"site {label}"), key, account, _guid(f"instance {label}"))
        self.sites[site.id] = site
        return site

    def add_domain(
        self,
        domain: str,
        site: FakeSite | None = None,
        *,
        initializing_for: float = 0.0,
        status: str = "NOT_AUTHENTICATED",
        wants: Iterable[Record] | None = None,
        rows: Iterable[Mapping[str, Any]] | None = None,
    ) -> FakeDomain:
        """Let a site have verified a sender on this domain: its records come after `initializing_for` seconds.

        `wants` are CNAMEs instead of the five that Wix makes; `rows` what is shown of them, verbatim (hostName, value, type).
        """
        site = site or self.site
        name = absolute(domain).canonicalize()
        made = FakeDomain(
            _guid(f"{site.id} {text(name)}"),
            text(name),
            site.id,
            tuple(_five(name, len(self.domains)) if wants is None else wants),
            self.now() + initializing_for,
            status,
            None if rows is None else [dict(row) for row in rows],
        )
        self.domains[made.id] = made
        return made

    def raw(self) -> dict[str, Any]:
        """The whole state as plain data; no key, no token."""
        return {
            "sites": [{"id": site.id, "scopes": sorted(site.scopes), "senderDetails": site.sender_details} for site in self.sites.values()],
            "sendingDomains": [{"site": held.site, "attempts": held.attempts, **self._shown(held)} for held in self.domains.values()],
        }

    def expire_tokens(self) -> None:
        """Let every token that was given out be no longer good, whatever it was said to last."""
        self._tokens.clear()

    # -- the wire ------------------------------------------------------------------------------------------------------

    def handle(self, request: Request) -> Response:
        """Answer one request."""
        if request.path == "/oauth2/token":
            return self._token(request)
        site = self._admitted(request)
        if isinstance(site, Response):
            return site
        if self.rate_limits and self._too_fast(site.id):
            self.too_often += 1
            return _error(429, "RESOURCE_EXHAUSTED", "too many requests")  # §4: no Retry-After is documented
        if not request.path.startswith(_PATH + "/"):
            return Response(404, b"<html><body>Not Found</body></html>", {"content-type": "text/html"})
        match request.method, request.path.removeprefix(_PATH + "/").split("/"):
            case "POST", ["query"]:
                return self._allowed(site, READ) or self._query(site, request)
            case "GET", [domain_id]:
                return self._allowed(site, READ) or self._get(site, domain_id)
            case "POST", [domain_id, "authenticate"]:
                return self._allowed(site, MANAGE) or self._authenticate(site, domain_id)
            case _:
                return Response(404, b"<html><body>Not Found</body></html>", {"content-type": "text/html"})

    # -- who asks ------------------------------------------------------------------------------------------------------

    def _token(self, request: Request) -> Response:
        """§3.3. Failures come in OAuth's own form."""
        try:
            asked = request.json()
        except ValueError:
            return Response.json({"error": "invalid_request", "error_description": "the body is no JSON"}, 400)
        if not isinstance(asked, dict) or asked.get("grant_type") != "client_credentials":
            return Response.json({"error": "unsupported_grant_type"}, 400)
        if (asked.get("client_id"), asked.get("client_secret")) != (self.app_id, self.app_secret):
            return Response.json({"error": "invalid_client", "error_description": f"no such app: {asked.get('client_id')}"}, 401)
        site = next((site for site in self.sites.values() if site.instance_id == asked.get("instance_id")), None)
        if site is None:
            return Response.json({"error": "invalid_grant", "error_description": "the app is not installed there"}, 400)
        token = f"OauthNG.JWS.{uuid.uuid4()}"
        self._tokens[token] = (site.id, self.now() + self.token_lasts)
        return Response.json({"access_token": token, "token_type": "Bearer", "expires_in": int(self.token_lasts)})

    def _admitted(self, request: Request) -> FakeSite | Response:
        """The site that the caller acts for. A key and a token are sent as they are, without `Bearer` (§3.1)."""
        given = request.headers.get("authorization", "")
        if given in self._tokens:
            site_id, ends = self._tokens[given]
            return self.sites[site_id] if self.now() < ends else _error(401, "UNAUTHENTICATED", "the token has expired")
        owners = [site for site in self.sites.values() if site.api_key == given]
        if not owners:
            # [?] worst case: the answer repeats what was sent
            return _error(401, "UNAUTHENTICATED", f"unknown credentials {given}")
        if "wix-account-id" in request.headers:  # never both, and these calls are a site's (§3.1)
            return _error(403, "PERMISSION_DENIED", "a site-level call takes wix-site-id alone")
        site = self.sites.get(request.headers.get("wix-site-id", ""))
        if site is None or site.account_id != owners[0].account_id:  # §3.1: only a key of the account that owns the site
            return _error(403, "PERMISSION_DENIED", "no permission for this site")
        return site

    def _allowed(self, site: FakeSite, scope: str) -> Response | None:
        """The refusal of a caller without the permission, or on a site without sender details; `None` to go on."""
        if scope not in site.scopes:
            return _error(403, "PERMISSION_DENIED", "missing permission")
        return None if site.sender_details else _no_details()

    def _too_fast(self, site_id: str) -> bool:
        seen = self._seen.setdefault(site_id, deque())
        while seen and seen[0] <= self.now() - 60:
            seen.popleft()
        if len(seen) >= _PER_MINUTE:
            return True
        seen.append(self.now())
        return False

    # -- sending domains -----------------------------------------------------------------------------------------------

    def _query(self, site: FakeSite, request: Request) -> Response:
        """§1.2. A cursor stands alone and holds everything that it continues."""
        try:
            query = request.json()["query"]
            paging = query.get("cursorPaging", {})
            limit = int(paging.get("limit", _PAGE))
            cursor = paging.get("cursor")
            only, start = (json.loads(cursor)["filter"], json.loads(cursor)["start"]) if cursor else (query.get("filter", {}), 0)
            conditions = {key: _values(condition) for key, condition in only.items()}
        except (ValueError, KeyError, TypeError, AttributeError):
            return _violation("query", "is malformed")
        if not 1 <= limit <= _PAGE:
            return _violation("query.cursorPaging.limit", f"must be from 1 to {_PAGE}")
        if unknown := set(conditions) - {"id", "domain"}:
            return _violation(f"query.filter.{min(unknown)}", "cannot be filtered by")
        if not conditions:
            return _no_details()
        found = [
            domain
            for domain in self.domains.values()
            if domain.site == site.id
            and domain.id in conditions.get("id", {domain.id})
            and domain.domain in conditions.get("domain", {domain.domain})
        ]
        if not found and self.hides_unknown and "domain" in conditions:
            return _no_details()
        page, more = found[start : start + limit], len(found) > start + limit
        cursors = {"next": json.dumps({"filter": only, "start": start + limit})} if more else {}
        return Response.json(
            {
                "sendingDomains": [self._shown(domain) for domain in page],
                "pagingMetadata": {"count": len(page), "cursors": cursors, "hasNext": more},
            }
        )

    def _get(self, site: FakeSite, domain_id: str) -> Response:
        domain = self.domains.get(domain_id)
        if domain is None or domain.site != site.id:
            return _error(404, "NOT_FOUND", "no such sending domain")
        return Response.json({"sendingDomain": self._shown(domain)})

    def _authenticate(self, site: FakeSite, domain_id: str) -> Response:
        """§1.3. Looks at the first CNAME of each name (§7: the targets are CNAMEs themselves); the status shown is that after the try."""
        domain = self.domains.get(domain_id)
        if domain is None or domain.site != site.id:
            return _error(404, "NOT_FOUND", "no such sending domain")
        domain.attempts += 1
        if self._status(domain) == "INITIALIZING":
            return _error(428, self.not_yet_code, "the sending domain is not ready")
        if self._sees(domain):
            domain.status = "AUTHENTICATED"
        elif self.refuses_with == "428":
            return _error(428, self.not_yet_code, "DNS records were not found")
        return Response.json({"sendingDomain": self._shown(domain)})

    def _sees(self, domain: FakeDomain) -> bool:
        """True when DNS shows what is wanted; whether that includes `_dmarc` is unknown [?] (§9), hence the switch."""
        needed = [record for record in domain.wants if self.requires_dmarc or record.owner.labels[0] != b"_dmarc"]
        return all(self.resolve(record.owner) == record.target for record in needed)

    def _status(self, domain: FakeDomain) -> str:
        return "INITIALIZING" if self.now() < domain.ready else domain.status

    def _shown(self, domain: FakeDomain) -> dict[str, Any]:
        """§1.1. While INITIALIZING there are no records, and [?] no list for them either."""
        status = self._status(domain)
        shown = {"id": domain.id, "createdDate": "2026-11-02T09:30:00.000Z", "domain": domain.domain, "status": status}
        if status == "INITIALIZING":
            return shown
        form = _FORMS[self.host_names]
        rows: list[dict[str, Any]] = [
            {"hostName": form(record.owner, absolute(domain.domain)), "value": text(record.target), "type": "CNAME"}
            for record in domain.wants
        ]
        return {**shown, "dnsRecords": rows if domain.rows is None else domain.rows}


def _five(domain: Name, number: int) -> Iterable[Record]:
    """§7: four in shards of the site, of which one was seen to differ, and the DMARC policy that is the same for all."""
    shard = f"s{4 + number * 3 % 16:03}"
    other = f"s{4 + (number * 3 + 5) % 16:03}"
    for prefix, where in (("s1._domainkey", shard), ("s2._domainkey", shard), ("sel1._domainkey", other), ("sg", shard)):
        yield Record(absolute(prefix, domain), "CNAME", f"{prefix}.{text(domain)}.{where}.ascendbywix.com.")
    yield Record(absolute("_dmarc", domain), "CNAME", "_dmarc.wixemails.com.")


def _values(condition: Any) -> set[str]:
    """The values that a condition lets through: a value alone, `$eq` or `$in` (§1.2)."""
    match condition:
        case str():
            return {condition}
        case {"$eq": str(value), **others} if not others:
            return {value}
        case {"$in": [*values], **others} if not others and all(isinstance(value, str) for value in values):
            return set(values)
        case _:
            raise ValueError("no such condition")


def _guid(seed: str) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_DNS, seed))


def _error(status: int, code: str, description: str) -> Response:
    """§4."""
    error = {"code": code, "description": description, "data": {}}
    return Response.json({"message": description, "details": {"applicationError": error}}, status)


def _violation(where: str, what: str) -> Response:
    """§4."""
    violation = {"field": where, "description": what, "violatedRule": "OTHER"}
    return Response.json({"message": f"{where} {what}", "details": {"validationError": {"fieldViolations": [violation]}}}, 400)


def _no_details() -> Response:
    """§1.6: one answer for no filter, no sender details, and a domain that the caller may not see."""
    return _error(428, "SENDER_DETAILS_DO_NOT_EXIST", "cannot access requested sending domain")
