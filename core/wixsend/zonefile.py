"""Floor 2, pure. A snapshot as a BIND zone file (RFC 1035, section 5) that a person can read, and a server can load."""

from wixsend.names import relative_text, text
from wixsend.records import Record, Snapshot

__all__ = ["zone_file"]

_DNS_TYPES = frozenset(
    """
    A AAAA CAA CERT CNAME DNAME DNSKEY DS HTTPS LOC MX NAPTR NS OPENPGPKEY PTR SMIMEA SOA SPF SRV SSHFP SVCB TLSA TXT URI
    """.split()  # noqa: SIM905
)
"""What may stand in a zone file; hosts' own types (`URL`, `FRAME`, `ALIAS`) stand in it as comments."""


def zone_file(snapshot: Snapshot, remarks: tuple[str, ...] = ()) -> str:
    """The records in the order they were read, under `remarks` and the zone's settings as comments.

    What is no record of DNS, or is shown to the world as something else, is a comment or has one. There is no SOA: hosts keep it
    to themselves.
    """
    apex = snapshot.zone.apex
    settings = tuple(f"setting {name}: {value}" for name, value in snapshot.baggage.items())
    lines = [*(f"; {_line(remark)}" for remark in (*remarks, *settings)), f"$ORIGIN {text(apex)}."]
    return "\n".join([*lines, *(_record(record, snapshot) for record in snapshot.records)]) + "\n"


def _record(record: Record, snapshot: Snapshot) -> str:
    ttl = "" if record.ttl is None else f" {record.ttl}"
    owner = relative_text(record.owner, snapshot.zone.apex)
    written = f"{owner}{ttl} IN {record.rtype} {_line(record.rdata)}"
    if record.rtype not in _DNS_TYPES:
        return f"; {written} ; of the host's own, not DNS"
    return written + (" ; the host shows the world something else" if record.masked else "")


def _line(written: str) -> str:
    """One line, whatever was written: no record can forge another."""
    return "".join(c if c.isprintable() else f"\\{ord(c):03d}" if ord(c) < 256 else "?" for c in written)
