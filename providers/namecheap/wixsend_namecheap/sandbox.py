"""A stateful fake of Namecheap's API, and with it the description of how that API behaves.

Marks: [R] recorded traffic, [D] Namecheap's documents, [T] other people's issues and code, [?] nobody knows, the worst case is taken.

- One URL, `/xml.response`, GET or a form POST; the parameters ApiUser, ApiKey, UserName, ClientIp, Command and the command's own [D],
  their names in any case [R]: lexicon's recorded traffic says ClientIP.
- Errors come with HTTP 200 and `Status="ERROR"` [R]; only too many calls are HTTP 405 [D], with a body that nobody recorded [?].
- setHosts makes the zone exactly what it is sent [D]. Without `EmailType` the mail setting falls back to NONE [?], and MX rows are kept
  under MX only, MXE rows under MXE only [T].
- Hosts are held sorted by type, then name; identical ones are merged, the final dot of a CNAME's target aside; an unchanged host keeps
  its HostId; a CNAME's target gets a final dot [R].
- The flags of dynamic DNS and of switched-off hosts do not survive a setHosts [T]. SRV records are not shown and do not survive [?].
- A CNAME for a name that has another one takes its place [?]. A zone without hosts gets parking hosts [R].
- getInfo says OK for a domain of other people's, with no hosts and no rights [R]; getList does not list domains that are shared [T].
- Mail forwarding (FWD) has its MX records beside the hosts [R]; OX and GMAIL have theirs there too [?].
- Booleans are written now so, now so [R].
"""

import time
from bisect import bisect_right
from collections.abc import Callable, Iterable
from itertools import count
from typing import Any, ClassVar
from xml.sax.saxutils import quoteattr

from wixsend import Name, Record, absolute, relative_text, text, txt_rdata, txt_text
from wixsend.testing.fakes import FakeHost, Request, Response

__all__ = ["FakeNamecheap"]

type _Row = dict[str, str]

_RATES = ((20, 60.0), (700, 3600.0), (8000, 86400.0))
_MAX_HOSTS = 150
_TYPES = frozenset({"A", "AAAA", "ALIAS", "CAA", "CNAME", "FRAME", "MX", "MXE", "NS", "TXT", "URL", "URL301"})
_EMAIL_TYPES = frozenset({"NONE", "MX", "MXE", "FWD", "OX", "GMAIL"})
_MAIL_ROWS = {"MX": "MX", "MXE": "MXE"}
_HOST_ORDER = ("HostId", "Name", "Type", "Address", "MXPref", "TTL", "AssociatedAppTitle", "FriendlyName", "IsActive", "IsDDNSEnabled")
_SPELT = {name.lower(): name for name in ("ApiUser", "ApiKey", "UserName", "ClientIp", "Command", "SLD", "TLD", "DomainName", "EmailType")}
_UNFLAGGED = {"AssociatedAppTitle": "", "FriendlyName": "", "IsActive": "true", "IsDDNSEnabled": "false"}
_PARKING = (
    {"Name": "www", "Type": "CNAME", "Address": "parkingpage.namecheap.com.", "MXPref": "10", "TTL": "1799"},
    {"Name": "@", "Type": "URL", "Address": "http://www.parked.example/", "MXPref": "10", "TTL": "1799"},
)
_REDIRECTOR = "192.0.2.80"
"""The address that the world is shown for URL, URL301, FRAME and ALIAS hosts here."""

_MAIL_SERVERS = {
    "FWD": ("10 eforward1.registrar-servers.com.", "20 eforward2.registrar-servers.com."),
    "OX": ("10 mx1.privateemail.com.", "10 mx2.privateemail.com."),
    "GMAIL": ("10 aspmx.l.google.com.",),
}


class _Refused(Exception):
    def __init__(self, number: str, message: str) -> None:
        super().__init__(message)
        self.number = number


class FakeNamecheap(FakeHost):
    """Namecheap with one account.

    Settings of `add_zone`, spelt as the API spells them: `EmailType` (MX or MXE if the records need it, else NONE), `IsUsingOurDNS`
    (True), `ProviderType` ("FREE"), `IsPremiumDNS` (False), `IsUsingFreeDNS` (False), `Status` ("Ok"), `IsOwner` (True),
    `Modificationrights` ("all"; "none", or a tuple of rights), `HostCount` (how many hosts there are), `Nameservers` (ours). Then
    `parking` (False: only what is given), and `flags`, those that differ by (Name, Type): `{("home", "A"): {"IsDDNSEnabled": "true"}}`.
    """

    name: ClassVar[str] = "namecheap"
    name_servers: ClassVar[tuple[str, ...]] = ("dns1.registrar-servers.com", "dns2.registrar-servers.com")
    credentials: ClassVar[dict[str, str]] = {
        "api_key": "5ca1ab1e0ddba11cafe5eedfacade123",
        "username": "wixagency",
        "client_ip": "192.0.2.10",
    }

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        super().__init__(now, rate_limits)
        self._zones: dict[str, dict[str, Any]] = {}
        self._host_ids = count(746361)
        self._calls: list[float] = []
        self._booleans = count()

    def handle(self, request: Request) -> Response:
        if request.path != "/xml.response":
            return Response(404, b"<html><body>Not Found</body></html>", {"content-type": "text/html"})
        if not self._within_rates():
            return Response(405, b"<html><body>Method Not Allowed</body></html>", {"content-type": "text/html"})
        sent = request.args | (request.form() if request.method == "POST" else {})
        given = {_SPELT.get(name.lower(), name): value for name, value in sent.items()}
        command = given.get("Command", "")
        try:
            self._admit(given)
            answer = _COMMANDS.get(command.lower())
            if answer is None:
                raise _Refused("1010104", "Parameter Command is invalid")
            return _envelope("OK", "<Errors />", command, answer(self, given))
        except _Refused as refused:
            error = f'<Errors><Error Number="{refused.number}">{_escaped(str(refused))}</Error></Errors>'
            return _envelope("ERROR", error, command, "")

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        domain = text(absolute(apex))
        flags = settings.pop("flags", {})
        self._zones[domain] = zone = {
            "ID": str(57582 + len(self._zones)),
            "EmailType": settings.pop("EmailType", None),
            "IsUsingOurDNS": settings.pop("IsUsingOurDNS", True),
            "ProviderType": settings.pop("ProviderType", "FREE"),
            "IsPremiumDNS": settings.pop("IsPremiumDNS", False),
            "IsUsingFreeDNS": settings.pop("IsUsingFreeDNS", False),
            "Status": settings.pop("Status", "Ok"),
            "IsOwner": settings.pop("IsOwner", True),
            "Modificationrights": settings.pop("Modificationrights", "all"),
            "HostCount": settings.pop("HostCount", None),
            "Nameservers": tuple(settings.pop("Nameservers", self.name_servers)),
            "records": [],
            "SRV": [],
        }
        parking = settings.pop("parking", False)
        if settings:
            raise TypeError(f"add_zone does not know {', '.join(settings)}")
        given = zone["EmailType"]
        self.edit_behind(domain, add=records)
        zone["EmailType"] = given or zone["EmailType"] or "NONE"
        if parking and not zone["records"]:
            self._park(zone)
        for (host, rtype), differing in flags.items():
            rows = [row for row in zone["records"] if (row["Name"], row["Type"]) == (host, rtype)]
            assert rows, f"{domain} has no {rtype} host {host}"
            for row in rows:
                row |= differing

    def apexes(self) -> tuple[str, ...]:
        return tuple(self._zones)

    def raw(self, apex: str) -> Any:
        zone = self._zones[text(absolute(apex))]
        return zone | {
            "records": [dict(row) for row in zone["records"]],
            "SRV": [dict(row) for row in zone["SRV"]],
            "Nameservers": list(zone["Nameservers"]),
        }

    def published(self, apex: str) -> tuple[Record, ...]:
        """SRV and the mail setting's MX records too, which are not hosts; redirects and ALIAS as the addresses that the world is shown."""
        origin = absolute(apex)
        zone = self._zones[text(origin)]
        rows = [row for row in (*zone["records"], *zone["SRV"]) if row["IsActive"].lower() == "true"]
        shown = [record for row in rows for record in _shown(row, origin)]
        return (*shown, *(Record(origin, "MX", server, 1799) for server in _MAIL_SERVERS.get(zone["EmailType"], ())))

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        """The panel at work: it keeps flags, knows SRV, and chooses the mail setting that MX and MXE hosts need."""
        origin = absolute(apex)
        zone = self._zones[text(origin)]
        going = list(remove)
        for kind in ("records", "SRV"):
            zone[kind] = [row for row in zone[kind] if _record(row, origin) not in going]
        for record in add:
            row, kind = self._made(_row(record, origin)), "SRV" if record.rtype == "SRV" else "records"
            if _identity(row) not in map(_identity, zone[kind]):
                zone[kind].append(row)
            zone["EmailType"] = _MAIL_ROWS.get(record.rtype, zone["EmailType"])
        zone["records"].sort(key=_by_type_and_name)

    # The commands: each gives the inside of its CommandResponse.

    def _get_list(self, given: dict[str, str]) -> str:
        page, size = int(given.get("Page", "1")), int(given.get("PageSize", "20"))
        if not 10 <= size <= 100:
            raise _Refused("2011280", "PageSize must be 10 to 100")
        term = given.get("SearchTerm", "").lower()
        owned = [(domain, zone) for domain, zone in self._zones.items() if zone["IsOwner"] and term in domain]
        rows = "".join(self._listing(domain, zone) for domain, zone in owned[(page - 1) * size : page * size])
        paging = f"<TotalItems>{len(owned)}</TotalItems><CurrentPage>{page}</CurrentPage><PageSize>{size}</PageSize>"
        return f"<DomainGetListResult>{rows}</DomainGetListResult><Paging>{paging}</Paging>"

    def _listing(self, domain: str, zone: dict[str, Any]) -> str:
        dates = _attributes(Created="11/04/2014", Expires="11/04/2034")
        who = _attributes(ID=zone["ID"], Name=domain, User=self.credentials["username"])
        no = {name: self._boolean(False) for name in ("IsExpired", "IsLocked", "AutoRenew", "IsPremium")}
        dns = self._boolean(zone["IsUsingOurDNS"])
        return f"<Domain {who} {dates} {_attributes(**no, WhoisGuard='ENABLED', IsOurDNS=dns)} />"

    def _get_info(self, given: dict[str, str]) -> str:
        domain = given.get("DomainName", "").lower()
        zone = self._zones.get(domain)
        if zone is None:
            raise _Refused("2019166", "Domain not found")
        ours = zone["Modificationrights"] != "none"
        counted = zone["HostCount"] if zone["HostCount"] is not None else len(zone["records"])
        servers = "".join(f"<Nameserver>{server}</Nameserver>" for server in zone["Nameservers"])
        head = _attributes(
            Status=zone["Status"],
            ID=zone["ID"],
            DomainName=domain,
            OwnerName=self.credentials["username"] if zone["IsOwner"] else "somebody",
            IsOwner=self._boolean(zone["IsOwner"]),
            IsPremium=self._boolean(False),
        )
        dns = _attributes(
            ProviderType=zone["ProviderType"],
            IsUsingOurDNS=self._boolean(zone["IsUsingOurDNS"]),
            HostCount=str(counted if ours else 0),
            EmailType=zone["EmailType"],
            DynamicDNSStatus=self._boolean(False),
            IsFailover=self._boolean(False),
        )
        premium = f"<PremiumDnsSubscription><IsActive>{self._boolean(zone['IsPremiumDNS'])}</IsActive></PremiumDnsSubscription>"
        return (
            f"<DomainGetInfoResult {head}><DomainDetails><CreatedDate>11/04/2014</CreatedDate><ExpiredDate>11/04/2034</ExpiredDate>"
            f'<NumYears>0</NumYears></DomainDetails><LockDetails /><Whoisguard Enabled="NotAlloted"><ID>0</ID></Whoisguard>{premium}'
            f"<DnsDetails {dns}>{servers}</DnsDetails>{self._rights(zone['Modificationrights'])}</DomainGetInfoResult>"
        )

    def _rights(self, rights: str | tuple[str, ...]) -> str:
        if rights == "all":
            return f"<Modificationrights {_attributes(All=self._boolean(True))} />"
        if rights == "none":
            return "<Modificationrights />"
        granted = "".join(f"<Rights {_attributes(Type=right)}>OK</Rights>" for right in rights)
        return f"<Modificationrights {_attributes(All=self._boolean(False))}>{granted}</Modificationrights>"

    def _dns_get_list(self, given: dict[str, str]) -> str:
        domain, zone = self._find(given)
        head = _attributes(
            Domain=domain,
            IsUsingOurDNS=self._boolean(zone["IsUsingOurDNS"]),
            IsPremiumDNS=self._boolean(zone["IsPremiumDNS"]),
            IsUsingFreeDNS=self._boolean(zone["IsUsingFreeDNS"]),
        )
        servers = "".join(f"<Nameserver>{server}</Nameserver>" for server in zone["Nameservers"])
        return f"<DomainDNSGetListResult {head}>{servers}</DomainDNSGetListResult>"

    def _get_hosts(self, given: dict[str, str]) -> str:
        domain, zone = self._served(given)
        head = _attributes(Domain=domain, EmailType=zone["EmailType"], IsUsingOurDNS=self._boolean(True))
        hosts = "".join(f"<host {self._host_attributes(row)} />" for row in zone["records"])
        return f"<DomainDNSGetHostsResult {head}>{hosts}</DomainDNSGetHostsResult>"

    def _host_attributes(self, row: _Row) -> str:
        shown = {key: self._boolean(row[key].lower() == "true") if key.startswith("Is") else row[key] for key in _HOST_ORDER}
        return _attributes(**shown)

    def _set_hosts(self, given: dict[str, str]) -> str:
        domain, zone = self._served(given)
        if zone["Modificationrights"] != "all" and "hosts" not in zone["Modificationrights"]:
            raise _Refused("2030166", "Edit permission for domain is not supported")
        email_type = given.get("EmailType", "NONE").upper()  # [?] worst case: not sent is lost
        if email_type not in _EMAIL_TYPES:
            raise _Refused("2015280", "EmailType is invalid")
        sent = [self._sent(given, number) for number in _numbers(given)]
        if len(sent) > _MAX_HOSTS:
            raise _Refused("3013288", "Too many records")
        held = {_identity(row): row for row in zone["records"]}
        kept: dict[tuple[str, ...], _Row] = {}
        for row in sent:
            if _MAIL_ROWS.get(row["Type"], email_type) != email_type:
                continue  # [T] "without EmailType=MX it will not save any mx records"
            kept = {key: one for key, one in kept.items() if not _same_cname_owner(one, row)}  # [?] worst case: the last one stays
            unchanged = held.get(_identity(row))
            made = self._made(row)
            # Labels are the server's own and stay with an unchanged host, as its id does; the two flags do not [T].
            stays = {key: unchanged[key] for key in ("HostId", "AssociatedAppTitle", "FriendlyName")} if unchanged else {}
            kept[_identity(row)] = made | stays
        zone["EmailType"] = email_type
        zone["records"] = sorted(kept.values(), key=_by_type_and_name)
        zone["SRV"] = []  # [?] worst case: what getHosts does not show does not survive
        if not zone["records"]:
            self._park(zone)
        done = _attributes(Domain=domain, IsSuccess=self._boolean(True))
        return f"<DomainDNSSetHostsResult {done}><Warnings /></DomainDNSSetHostsResult>"

    def _sent(self, given: dict[str, str], number: int) -> _Row:
        rtype = given.get(f"RecordType{number}", "").upper()
        if rtype not in _TYPES:
            raise _Refused("2015280", f"RecordType is invalid: {rtype}")
        address, ttl = given.get(f"Address{number}", ""), given.get(f"TTL{number}", "1800")
        if not address or not ttl.isdigit() or not 60 <= int(ttl) <= 60000:
            raise _Refused("2015280", f"Record {number} has no address, or a TTL that is not 60 to 60000")
        if rtype == "CNAME" and address[-1] != ".":
            address += "."
        preference = given.get(f"MXPref{number}", "10")
        return {"Name": given[f"HostName{number}"].lower(), "Type": rtype, "Address": address, "MXPref": preference, "TTL": ttl}

    # What all commands share.

    def _admit(self, given: dict[str, str]) -> None:
        for number, name in (("1010101", "ApiUser"), ("1010102", "ApiKey"), ("1010105", "ClientIp"), ("1010104", "Command")):
            if not given.get(name):
                raise _Refused(number, f"Parameter {name} is missing")
        username = self.credentials["username"]
        if given["ApiKey"] != self.credentials["api_key"] or given["ApiUser"] != username:
            raise _Refused("1011102", "API Key is invalid or API access has not been enabled")
        if given.get("UserName") != username:
            raise _Refused("1019103", "Parameter UserName is not available")
        if given["ClientIp"] != self.credentials["client_ip"]:
            raise _Refused("1011150", f"Invalid request IP: {given['ClientIp']}")

    def _within_rates(self) -> bool:
        if not self.rate_limits:
            return True
        now = self.now()
        if any(len(self._calls) - bisect_right(self._calls, now - seconds) >= calls for calls, seconds in _RATES):
            return False
        del self._calls[: bisect_right(self._calls, now - _RATES[-1][1])]
        self._calls.append(now)
        return True

    def _find(self, given: dict[str, str]) -> tuple[str, dict[str, Any]]:
        domain = f"{given.get('SLD', '')}.{given.get('TLD', '')}".lower()
        zone = self._zones.get(domain)
        if zone is None:
            raise _Refused("2019166", "Domain not found")
        if zone["Modificationrights"] == "none":
            raise _Refused("2016166", "Domain is not associated with your account")
        return domain, zone

    def _served(self, given: dict[str, str]) -> tuple[str, dict[str, Any]]:
        domain, zone = self._find(given)
        if not zone["IsUsingOurDNS"]:
            raise _Refused("2030288", "Cannot complete this command as this domain is not using proper DNS servers")
        return domain, zone

    def _made(self, row: _Row) -> _Row:
        return {"HostId": str(next(self._host_ids))} | row | _UNFLAGGED

    def _park(self, zone: dict[str, Any]) -> None:
        zone["records"] = sorted((self._made(dict(row)) for row in _PARKING), key=_by_type_and_name)

    def _boolean(self, value: bool) -> str:
        written = "true" if value else "false"
        return written if next(self._booleans) % 2 else written.title()


_COMMANDS: dict[str, Callable[[FakeNamecheap, dict[str, str]], str]] = {
    "namecheap.domains.getlist": FakeNamecheap._get_list,
    "namecheap.domains.getinfo": FakeNamecheap._get_info,
    "namecheap.domains.dns.getlist": FakeNamecheap._dns_get_list,
    "namecheap.domains.dns.gethosts": FakeNamecheap._get_hosts,
    "namecheap.domains.dns.sethosts": FakeNamecheap._set_hosts,
}


def _envelope(status: str, errors: str, command: str, inside: str) -> Response:
    answer = f"<CommandResponse {_attributes(Type=command)}>{inside}</CommandResponse>" if status == "OK" else "<CommandResponse />"
    return Response.xml(
        '<?xml version="1.0" encoding="utf-8"?>\n'
        f'<ApiResponse Status="{status}" xmlns="http://api.namecheap.com/xml.response">{errors}<Warnings />'
        f"<RequestedCommand>{_escaped(command.lower())}</RequestedCommand>{answer}"
        "<Server>PHX01SBAPIEXT05</Server><GMTTimeDifference>--4:00</GMTTimeDifference><ExecutionTime>0.034</ExecutionTime></ApiResponse>"
    )


def _escaped(written: str) -> str:
    return written.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _attributes(**values: str) -> str:
    return " ".join(f"{name}={quoteattr(value)}" for name, value in values.items())


def _numbers(given: dict[str, str]) -> list[int]:
    """The N of every HostNameN that was sent, in order: what is not numbered is not seen."""
    numbers = (name.removeprefix("HostName") for name in given if name.startswith("HostName"))
    return sorted(int(number) for number in numbers if number.isdigit())


def _identity(row: _Row) -> tuple[str, ...]:
    """What makes two hosts one host."""
    address = row["Address"].rstrip(".").lower() if row["Type"] in ("CNAME", "NS", "MX", "ALIAS") else row["Address"]
    return row["Name"].lower(), row["Type"], address, row["MXPref"] if row["Type"] == "MX" else ""


def _same_cname_owner(one: _Row, other: _Row) -> bool:
    return one["Type"] == other["Type"] == "CNAME" and one["Name"] == other["Name"]


def _by_type_and_name(row: _Row) -> tuple[str, str]:
    return row["Type"], row["Name"]


def _row(record: Record, apex: Name) -> _Row:
    """A record as the panel stores it."""
    preference, address = "10", record.rdata
    if record.rtype == "MX":
        preference, address = record.rdata.split()
    elif record.rtype == "TXT":
        address = txt_text(record.rdata)
    host = text(record.owner) if record.rtype == "MXE" else relative_text(record.owner, apex)
    return {"Name": host, "Type": record.rtype, "Address": address, "MXPref": preference, "TTL": str(record.ttl or 1799)}


def _record(row: _Row, apex: Name) -> Record:
    rdata = {"MX": f"{row['MXPref']} {row['Address']}", "TXT": txt_rdata(row["Address"])}.get(row["Type"], row["Address"])
    owner = absolute(row["Name"], absolute(".") if row["Type"] == "MXE" else apex)
    return Record(owner, row["Type"], rdata, int(row["TTL"]))


def _shown(row: _Row, apex: Name) -> list[Record]:
    """What the world is shown of a host."""
    record = _record(row, apex)
    if row["Type"] in ("URL", "URL301", "FRAME", "ALIAS"):
        return [Record(record.owner, "A", _REDIRECTOR, record.ttl)]
    if row["Type"] == "MXE":
        server = absolute("mxe", record.owner)
        return [Record(record.owner, "MX", f"10 {text(server)}.", record.ttl), Record(server, "A", row["Address"], record.ttl)]
    return [record]
