"""A domain of the fake GoDaddy's account and its zone file, whichever of the two APIs is asked."""

from dataclasses import dataclass, field

from wixsend import Record, absolute, relative_text, text
from wixsend_godaddy.rows import WRITABLE, Row, row_of

__all__ = ["Domain", "held", "same", "stored"]


@dataclass
class Domain:
    """One domain of the account, and its zone file when it has one."""

    name: str
    rows: list[Row]
    status: str = "ACTIVE"
    servers: list[str] = field(default_factory=list)
    shopper: str = ""
    zone_file: bool = True
    busy: int = 0
    cancelled: bool = False

    def details(self) -> Row:
        """The answer of `GET /v1/domains/{domain}`: it holds the transfer code and the registrant's address [R]."""
        registrant = {
            "nameFirst": "Rita",
            "nameLast": "Registrant",
            "email": f"owner@{self.name}",
            "addressMailing": {"address1": "1 Private Lane"},
        }
        return {
            "authCode": "transfer-code-of-" + self.name,
            "contactRegistrant": registrant,
            "domain": self.name,
            "domainId": 1000001,
            "expires": "2030-01-01T00:00:00.000Z",
            "locked": True,
            "nameServers": self.servers or None,
            "renewAuto": True,
            "status": self.status,
        }


def stored(row: Row, domain: str) -> Row:
    """As it is shown afterwards: no final dot, the zone's apex as `@` [R], a TTL of an hour when none was given."""
    data = row["data"]
    if row["type"] in ("CNAME", "MX", "SRV"):
        data = data.rstrip(".")
        data = "@" if data.lower() == domain else data
    return {"ttl": 3600} | row | {"data": data}


def same(one: Row, other: Row) -> bool:
    """True for what GoDaddy calls the same record."""
    return all(one.get(what) == other.get(what) for what in ("type", "name", "data", "priority", "service", "protocol", "port", "weight"))


def held(record: Record, domain: str) -> Row:
    """A record as GoDaddy holds it, types that its API does not write included."""
    origin = absolute(domain)
    if record.rtype in WRITABLE:
        row = row_of(record, origin)
        return stored(row | {"ttl": record.ttl or row["ttl"]}, domain)
    data = text(record.target) if record.rtype == "NS" else record.rdata
    return {"data": data, "name": relative_text(record.owner, origin), "ttl": record.ttl or 3600, "type": record.rtype}
