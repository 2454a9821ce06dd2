"""A stateful fake of Route 53, and with it what we rely on of its API (2013-04-01, as of November 2026).

Sources: [D] AWS's documentation and the service model in botocore; [T] what other tools found out (octoDNS, external-dns, terraform,
certbot); [M] moto's model; [?] nobody says, so it is the worst case.

    GET  /2013-04-01/hostedzonesbyname?dnsname=&hostedzoneid=&maxitems=     hosted zones, from that name on, sorted by name [D]
    GET  /2013-04-01/hostedzone/ID/rrset?name=&type=&identifier=&maxitems=  RRsets, from that one on, 300 at most [D]
    POST /2013-04-01/hostedzone/ID/rrset/                                   changes, all or nothing [D]

A list says `IsTruncated`, and where the next page begins. Every request is signed (Signature Version 4), which the fake verifies.
CREATE fails for what exists, DELETE for what is not exactly so, TTL and values [D]. Names come in lower case, absolute, `*` as `\\052`,
octal [D], and lists are sorted by that: where a list begins is compared as it was sent [?]. Values come as they were sent [T]. Five
requests a second, and 400 `Throttling` over that; 400 `PriorRequestNotComplete` while a change of the zone is under way [D]. One account
may hold several zones of a name, private ones among them [D].
"""

import hashlib
import hmac
import itertools
import re
import time
import xml.etree.ElementTree as ET
from collections.abc import Callable, Iterable, Iterator
from typing import Any, ClassVar
from urllib.parse import quote
from xml.sax.saxutils import escape

from wixsend import Name, Record, absolute, text
from wixsend.testing.fakes import FakeHost, Request, Response

__all__ = ["FakeRoute53", "RRset", "failure"]

_NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
_PAGE, _ZONES = 300, 100  # [D]
_RATE = 5  # [D] in a second, for the whole account
_TTL = 300
_LARGEST_TTL = 2147483647
_TYPES = frozenset(
    {"A", "AAAA", "CAA", "CNAME", "DS", "HTTPS", "MX", "NAPTR", "NS", "PTR", "SOA", "SPF", "SRV", "SSHFP", "TLSA", "TXT"}
)  # [D]
_POLICY = ("SetIdentifier", "Weight", "Region", "Failover", "MultiValueAnswer", "HealthCheckId", "TrafficPolicyInstanceId")

type RRset = dict[str, Any]
"""`Name` as Route 53 shows it, `Type`, `TTL`, `values`, and what is special: `AliasTarget`, `GeoLocation`, one of `_POLICY`."""


class _Refused(Exception):
    def __init__(self, status: int, code: str, message: str, **headers: str) -> None:
        self.response = failure(status, code, message, **headers)


def failure(status: int, code: str, message: str, **headers: str) -> Response:
    """An error as Route 53 words it. A refused batch has a form of its own (AWS's SDKs know both), and the worst case is the odd one."""
    if code == "InvalidChangeBatch":
        inner = f"<Messages><Message>{escape(message)}</Message></Messages><RequestId>17</RequestId>"
        return _xml("InvalidChangeBatch", inner, status, **headers)
    inner = f"<Error><Type>Sender</Type><Code>{code}</Code><Message>{escape(message)}</Message></Error><RequestId>17</RequestId>"
    return _xml("ErrorResponse", inner, status, **headers)


def _xml(root: str, inner: str, status: int = 200, **headers: str) -> Response:
    body = f'<?xml version="1.0"?>\n<{root} xmlns="{_NAMESPACE}">{inner}</{root}>'
    return Response(status, body.encode(), {"content-type": "text/xml", **headers})


class _HostedZone:
    def __init__(self, ref: str, apex: str, private: bool, comment: str, service: str) -> None:
        self.ref, self.apex, self.private, self.comment, self.service = ref, apex, private, comment, service
        self.rrsets: list[RRset] = []

    @property
    def sorting(self) -> tuple[str, str]:
        return _reversed(self.apex + "."), self.ref


class FakeRoute53(FakeHost):
    """Amazon Route 53, with temporary credentials.

    Settings of `add_zone`: `private`, `comment`, `service` (the AWS service that the zone belongs to), `name_servers`. A zone of a name
    that is there already is another hosted zone; `raw`, `published` and `edit_behind` speak of the first public one. A record that is
    `masked` is stored under a policy that shows it to Antarctica.
    """

    name: ClassVar = "route53"
    name_servers: ClassVar = ("ns-2047.awsdns-63.com", "ns-1023.awsdns-31.net", "ns-511.awsdns-15.org", "ns-1535.awsdns-47.co.uk")
    credentials: ClassVar = {
        "access_key_id": "ASIAQ3EXAMPLE7JX5KLM",
        "secret_access_key": "kW8sFqz/0pVt3RaH+Example/9yLcNdUeBmXgToJi",
        "session_token": "FwoGZXIvYXdzEXAMPLEaDH4x+sessionTokenOfAnHour/8qz==",
    }

    def __init__(self, now: Callable[[], float] = time.monotonic, rate_limits: bool = False) -> None:
        super().__init__(now, rate_limits)
        self._zones: list[_HostedZone] = []
        self._numbers = itertools.count(1)
        self._times: list[float] = []
        self.busy = 0
        """How many of the next changes meet one that is under way."""

    def handle(self, request: Request) -> Response:
        try:
            self._admit(request)
            for method, pattern, answer in self._routes:
                match = re.fullmatch(pattern, request.path)
                if match and method == request.method:
                    return answer(self, request, *match.groups())
            raise _Refused(404, "UnknownOperationException", "")
        except _Refused as refused:
            return refused.response

    def add_zone(self, apex: str, records: Iterable[Record] = (), **settings: Any) -> None:
        origin = text(absolute(apex))
        zone = _HostedZone(
            f"Z{next(self._numbers):013X}",
            origin,
            settings.get("private", False),
            settings.get("comment", ""),
            settings.get("service", ""),
        )
        servers = [f"{server}." for server in settings.get("name_servers", self.name_servers)]
        soa = f"{servers[0]} awsdns-hostmaster.amazon.com. 1 7200 900 1209600 86400"
        zone.rrsets = [
            {"Name": f"{origin}.", "Type": "NS", "TTL": 172800, "values": servers},  # [D]
            {"Name": f"{origin}.", "Type": "SOA", "TTL": 900, "values": [soa]},  # [D]
        ]
        self._zones.append(zone)
        _edit(zone, records, ())

    def add_rrset(self, apex: str, **rrset: Any) -> None:
        """Store an RRset as it is: an alias, or one under a routing policy."""
        self._zone_of(apex).rrsets.append(rrset)

    def apexes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(zone.apex for zone in self._zones))

    def raw(self, apex: str) -> Any:
        zones = [zone for zone in self._zones if zone.apex == text(absolute(apex))]
        rows = [
            {**{key: part for key, part in rrset.items() if key != "values"}, "zone": zone.ref, "Value": value}
            for zone in zones
            for rrset in zone.rrsets
            for value in rrset.get("values", [""])
        ]
        return {"records": rows, "zones": [[zone.ref, zone.private, zone.comment, zone.service] for zone in zones]}

    def published(self, apex: str) -> tuple[Record, ...]:
        zone = self._zone_of(apex)
        shown = [rrset for rrset in zone.rrsets if "GeoLocation" not in rrset and "values" in rrset]
        own = [rrset for rrset in shown if not (rrset["Name"] == f"{zone.apex}." and rrset["Type"] in ("NS", "SOA"))]
        return tuple(Record(_name(rrset["Name"]), rrset["Type"], value, rrset["TTL"]) for rrset in own for value in rrset["values"])

    def edit_behind(self, apex: str, add: Iterable[Record] = (), remove: Iterable[Record] = ()) -> None:
        _edit(self._zone_of(apex), add, remove)

    # What it answers

    def _admit(self, request: Request) -> None:
        _verify(request, self.credentials)
        if self.rate_limits:
            self._times = [then for then in self._times if self.now() - then < 1.0]
            if len(self._times) >= _RATE:
                raise _Refused(400, "Throttling", "Rate exceeded")
            self._times.append(self.now())

    def _by_name(self, request: Request) -> Response:
        start = (_reversed(request.args.get("dnsname", "").lower()), request.args.get("hostedzoneid", ""))
        found = sorted((zone for zone in self._zones if zone.sorting >= start), key=lambda zone: zone.sorting)
        size = min(int(request.args.get("maxitems", _ZONES)), _ZONES)
        page, rest = found[:size], found[size:]
        following = f"<NextDNSName>{rest[0].apex}.</NextDNSName><NextHostedZoneId>{rest[0].ref}</NextHostedZoneId>" if rest else ""
        zones = "".join(map(_zone_xml, page))
        truncated = str(bool(rest)).lower()
        inner = f"<HostedZones>{zones}</HostedZones><IsTruncated>{truncated}</IsTruncated>{following}<MaxItems>{size}</MaxItems>"
        return _xml("ListHostedZonesByNameResponse", inner)

    def _list(self, request: Request, ref: str) -> Response:
        zone = self._held(ref)
        args = request.args
        start = (_reversed(args.get("name", "").lower()), args.get("type", ""), args.get("identifier", ""))
        found = sorted((rrset for rrset in zone.rrsets if _sorting(rrset) >= start), key=_sorting)
        size = min(int(args.get("maxitems", _PAGE)), _PAGE)
        page, rest = found[:size], found[size:]
        following = ""
        if rest:
            following = f"<NextRecordName>{rest[0]['Name']}</NextRecordName><NextRecordType>{rest[0]['Type']}</NextRecordType>"
            if "SetIdentifier" in rest[0]:
                following += f"<NextRecordIdentifier>{escape(rest[0]['SetIdentifier'])}</NextRecordIdentifier>"
        rrsets = "".join(map(_rrset_xml, page))
        truncated = str(bool(rest)).lower()
        inner = f"<ResourceRecordSets>{rrsets}</ResourceRecordSets><IsTruncated>{truncated}</IsTruncated>{following}"
        return _xml("ListResourceRecordSetsResponse", f"{inner}<MaxItems>{size}</MaxItems>")

    def _change(self, request: Request, ref: str) -> Response:
        zone = self._held(ref)
        if self.busy:
            self.busy -= 1
            raise _Refused(
                400, "PriorRequestNotComplete", "The request was rejected because Route 53 was still processing a prior request."
            )
        batch = ET.fromstring(request.body)  # noqa: S314 - our own request
        after = [dict(rrset) for rrset in zone.rrsets]
        for change in batch.iter(f"{{{_NAMESPACE}}}Change"):
            action, rrset = _parsed(change)
            _apply(zone, after, action, rrset)
        _conflicts(zone, after)
        zone.rrsets = after
        number = next(self._numbers)
        info = f"<Id>/change/C{number:013X}</Id><Status>PENDING</Status><SubmittedAt>2026-11-24T12:00:00.000Z</SubmittedAt>"
        return _xml("ChangeResourceRecordSetsResponse", f"<ChangeInfo>{info}</ChangeInfo>")

    _routes: ClassVar[tuple[tuple[str, str, Callable[..., Response]], ...]] = (
        ("GET", "/2013-04-01/hostedzonesbyname", _by_name),
        ("GET", "/2013-04-01/hostedzone/([^/]+)/rrset/?", _list),
        ("POST", "/2013-04-01/hostedzone/([^/]+)/rrset/?", _change),
    )

    def _held(self, ref: str) -> _HostedZone:
        zone = next((zone for zone in self._zones if zone.ref == ref), None)
        if zone is None:
            raise _Refused(404, "NoSuchHostedZone", f"No hosted zone found with ID: {ref}")
        return zone

    def _zone_of(self, apex: str) -> _HostedZone:
        return next(zone for zone in self._zones if zone.apex == text(absolute(apex)) and not zone.private)


# -- how it is stored --------------------------------------------------------------------------------------------------


def _shown(name: str) -> str:
    """A name as Route 53 stores it, whatever it was sent: lower case, absolute, octal escapes for all but what a host name has [D]."""
    plain = re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), name.lower())
    dotted = plain if plain.endswith(".") or not plain else f"{plain}."
    return re.sub(r"[^a-z0-9_.-]", lambda other: f"\\{ord(other[0]):03o}", dotted)


def _name(shown: str) -> Name:
    """What the name servers call it."""
    return absolute(re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), shown))


def _reversed(name: str) -> str:
    """What lists are sorted by: the labels reversed, `com.example.www.`, compared as text [D]."""
    return ".".join(reversed(name.rstrip(".").split("."))) + "." if name else ""


def _sorting(rrset: RRset) -> tuple[str, str, str]:
    return _reversed(rrset["Name"]), rrset["Type"], rrset.get("SetIdentifier", "")


def _edit(zone: _HostedZone, add: Iterable[Record], remove: Iterable[Record]) -> None:
    """What the console does."""
    for record in remove:
        rrset = next(r for r in zone.rrsets if record in _records(r))
        rrset["values"] = [value for value in rrset["values"] if Record(record.owner, record.rtype, value) != record]
        if not rrset["values"]:
            zone.rrsets.remove(rrset)
    for record in add:
        shown = _shown(text(record.owner))
        policy = {"SetIdentifier": "antarctica", "GeoLocation": "AN"} if record.masked else {}
        fresh: RRset = {"Name": shown, "Type": record.rtype, "TTL": record.ttl or _TTL, "values": [], **policy}
        alike = (r for r in zone.rrsets if (r["Name"], r["Type"]) == (shown, record.rtype) and "SetIdentifier" not in r and not policy)
        rrset = next(alike, fresh)
        if rrset is fresh:
            zone.rrsets.append(fresh)
        if record.rdata not in rrset["values"]:
            rrset["values"].append(record.rdata)


def _records(rrset: RRset) -> list[Record]:
    return [Record(_name(rrset["Name"]), rrset["Type"], value) for value in rrset.get("values", ())]


# -- a batch of changes ------------------------------------------------------------------------------------------------


def _parsed(change: ET.Element) -> tuple[str, RRset]:
    def told(path: str, within: ET.Element) -> str | None:
        return within.findtext("/".join(f"{{{_NAMESPACE}}}{part}" for part in path.split("/")))

    body = change.find(f"{{{_NAMESPACE}}}ResourceRecordSet")
    assert body is not None
    rrset: RRset = {"Name": _shown(told("Name", body) or ""), "Type": told("Type", body)}
    if told("TTL", body) is not None:
        rrset["TTL"] = int(told("TTL", body) or 0)
    rrset |= {part: told(part, body) for part in _POLICY if told(part, body) is not None}
    rrset["values"] = [told("Value", row) or "" for row in body.iter(f"{{{_NAMESPACE}}}ResourceRecord")]
    return told("Action", change) or "", rrset


def _apply(zone: _HostedZone, after: list[RRset], action: str, rrset: RRset) -> None:
    what = f"[name='{rrset['Name']}', type='{rrset['Type']}'"
    if not _name(rrset["Name"]).is_subdomain(absolute(zone.apex)):
        raise _invalid(f"RRSet with DNS name {rrset['Name']} is not permitted in zone {zone.apex}.")  # [T]
    held = next((other for other in after if _key(other) == _key(rrset)), None)
    if action == "DELETE":
        if held is None:
            raise _invalid(f"Tried to delete resource record set {what}] but it was not found")  # [T]
        if {**held, "values": sorted(held["values"])} != {**rrset, "values": sorted(rrset["values"])}:
            raise _invalid(f"Tried to delete resource record set {what}] but the values provided do not match the current values")  # [T]
        after.remove(held)
        return
    if action == "CREATE" and held is not None:
        raise _invalid(f"Tried to create resource record set {what}] but it already exists")  # [T]
    for wrong in _unacceptable(rrset):
        raise _invalid(f"Invalid Resource Record: {wrong}")
    if held is not None:
        after.remove(held)
    after.append(rrset)


def _key(rrset: RRset) -> tuple[str, str, str]:
    return rrset["Name"], rrset["Type"], rrset.get("SetIdentifier", "")


def _unacceptable(rrset: RRset) -> Iterator[str]:
    values = rrset["values"]
    if rrset["Type"] not in _TYPES:
        yield f"the type {rrset['Type']} is not supported"
    if not values or len(set(values)) != len(values):
        yield f"Duplicate Resource Record: '{values}'"  # [T]
    if not 0 <= rrset.get("TTL", -1) <= _LARGEST_TTL:
        yield "the TTL is missing or out of range"
    if rrset["Type"] == "CNAME" and len(values) > 1:
        yield "a CNAME has one value"
    for value in values if rrset["Type"] == "TXT" else ():
        strings = re.findall(r'"((?:[^"\\]|\\.)*)"', value)
        if not re.fullmatch(r'("(?:[^"\\]|\\.)*"\s*)+', value):
            yield f"InvalidCharacterString (Value should be enclosed in quotation marks) encountered with '{value}'"  # [T]
        if any(len(re.sub(r"\\([0-7]{3}|.)", "x", string)) > 255 for string in strings):
            yield f"CharacterStringTooLong (Value is too long) encountered with '{value}'"  # [T]


def _conflicts(zone: _HostedZone, after: list[RRset]) -> None:
    for rrset in after:
        if rrset["Type"] != "CNAME":
            continue
        if rrset["Name"] == f"{zone.apex}.":
            raise _invalid(f"RRSet of type CNAME with DNS name {rrset['Name']} is not permitted at apex in zone {zone.apex}.")  # [T]
        if any(other["Name"] == rrset["Name"] and _key(other) != _key(rrset) for other in after):
            told = f"RRSet of type CNAME with DNS name {rrset['Name']} is not permitted as it conflicts with other records"
            raise _invalid(f"{told} with the same DNS name in zone {zone.apex}.")  # [T]


def _invalid(message: str) -> _Refused:
    return _Refused(400, "InvalidChangeBatch", f"[{message}]")


# -- XML ---------------------------------------------------------------------------------------------------------------


def _zone_xml(zone: _HostedZone) -> str:
    comment = f"<Comment>{escape(zone.comment)}</Comment>" if zone.comment else ""
    service = f"<LinkedService><ServicePrincipal>{zone.service}</ServicePrincipal></LinkedService>" if zone.service else ""
    return (
        f"<HostedZone><Id>/hostedzone/{zone.ref}</Id><Name>{zone.apex}.</Name><CallerReference>17</CallerReference>"
        f"<Config>{comment}<PrivateZone>{str(zone.private).lower()}</PrivateZone></Config>"
        f"<ResourceRecordSetCount>{len(zone.rrsets)}</ResourceRecordSetCount>{service}</HostedZone>"
    )


def _rrset_xml(rrset: RRset) -> str:
    parts = [f"<Name>{rrset['Name']}</Name><Type>{rrset['Type']}</Type>"]
    parts += [f"<{part}>{escape(str(rrset[part]))}</{part}>" for part in _POLICY if part in rrset]
    if "GeoLocation" in rrset:
        parts.append(f"<GeoLocation><ContinentCode>{rrset['GeoLocation']}</ContinentCode></GeoLocation>")
    if "AliasTarget" in rrset:
        target = "".join(f"<{key}>{escape(str(value))}</{key}>" for key, value in rrset["AliasTarget"].items())
        return f"<ResourceRecordSet>{''.join(parts)}<AliasTarget>{target}</AliasTarget></ResourceRecordSet>"
    values = "".join(f"<ResourceRecord><Value>{escape(value)}</Value></ResourceRecord>" for value in rrset["values"])
    return f"<ResourceRecordSet>{''.join(parts)}<TTL>{rrset['TTL']}</TTL><ResourceRecords>{values}</ResourceRecords></ResourceRecordSet>"


# -- Signature Version 4 -----------------------------------------------------------------------------------------------

_AUTHORIZATION = re.compile(
    r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([a-z0-9-]+)/route53/aws4_request, SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})"
)


def _verify(request: Request, credentials: Any) -> None:
    """Raise what AWS answers to a request that is not signed with these credentials [D]."""
    found = _AUTHORIZATION.fullmatch(request.headers.get("authorization", ""))
    if found is None:
        raise _Refused(403, "MissingAuthenticationToken", "Request is missing Authentication Token")
    key_id, day, region, signed, signature = found.groups()
    if key_id != credentials["access_key_id"] or request.headers.get("x-amz-security-token") != credentials.get("session_token"):
        raise _Refused(403, "InvalidClientTokenId", "The security token included in the request is invalid.")
    query = "&".join(sorted(f"{quote(key, safe='-_.~')}={quote(value, safe='-_.~')}" for key, value in request.query))
    headers = "".join(f"{name}:{' '.join(request.headers[name].split())}\n" for name in signed.split(";"))
    digest = hashlib.sha256(request.body).hexdigest()
    canonical = "\n".join((request.method, quote(request.path, safe="/-_.~"), query, headers, signed, digest))
    stamp, scope = request.headers["x-amz-date"], f"{day}/{region}/route53/aws4_request"
    told = "\n".join(("AWS4-HMAC-SHA256", stamp, scope, hashlib.sha256(canonical.encode()).hexdigest()))
    key = f"AWS4{credentials['secret_access_key']}".encode()
    for part in (day, region, "route53", "aws4_request", told):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    if key.hex() != signature:
        message = "The request signature we calculated does not match the signature you provided."
        raise _Refused(403, "SignatureDoesNotMatch", message)
