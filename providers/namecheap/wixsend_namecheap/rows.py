"""Namecheap's host rows and our records: the one place where the two forms meet. Pure.

A row is one `<host>` of getHosts as attributes: `@Name` relative to the apex (`@` for the apex itself; MXE rows carry the full domain
name), `@Type`, `@Address`, `@MXPref` (a number in every row, meant in MX rows), `@TTL` in seconds, and flags. TXT is bare text. Names in
`@Address` are absolute; Namecheap puts the final dot on CNAME targets itself (recorded traffic). setHosts takes five of the attributes
back; `Record.ref` is the row as it came, so that they go back as they came.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from wixsend import Fragile, Name, Record, absolute, relative_text, text, txt_rdata, txt_text

__all__ = [
    "DEFAULT_TTL",
    "MAX_HOSTS",
    "MAX_TTL",
    "MIN_TTL",
    "TYPES",
    "Row",
    "form_of",
    "fragile",
    "is_true",
    "mail_setting_for",
    "new_row",
    "record_of",
]

type Row = Mapping[str, Any]

MIN_TTL, DEFAULT_TTL, MAX_TTL = 60, 1799, 60000
"""Seconds. 1799 is how Namecheap stores "automatic"; setHosts takes 60 to 60000."""

MAX_HOSTS = 150
"""Hosts that a zone can have, SRV records included (Namecheap's knowledge base, article 10058)."""

TYPES = frozenset({"A", "AAAA", "ALIAS", "CAA", "CNAME", "FRAME", "MX", "MXE", "NS", "TXT", "URL", "URL301"})
"""The types that setHosts takes. SRV is not among them: getHosts never shows SRV records."""

_MAIL_ROWS = {"MX": "MX", "MXE": "MXE"}
"""Types of mail rows, and the only `EmailType` under which setHosts keeps them."""

_KEPT_EMAIL_TYPES = frozenset({"NONE", "MX", "MXE", "FWD"})
"""Mail settings that setHosts is known to take back. How OX (Private Email) and GMAIL fare is not known."""

_LONGEST_HOST, _LONGEST_ADDRESS = 60, {"CNAME": 255, "TXT": 2500}
"""Characters that Namecheap takes (its knowledge base, article 10058)."""

_FORM = {"HostName": "@Name", "RecordType": "@Type", "Address": "@Address", "MXPref": "@MXPref", "TTL": "@TTL"}


def is_true(value: object) -> bool:
    """Namecheap's booleans vary in case."""
    return isinstance(value, str) and value.strip().lower() == "true"


def record_of(row: object, apex: Name) -> Record:
    """The record that a row is; the row itself becomes its `ref`. Raises `ValueError` for what is no row.

    An address that is not of its type's form is kept as it is: somebody's odd record must not make the zone unreadable.
    """
    if not isinstance(row, dict) or not all(isinstance(row.get(key), str) for key in _FORM.values()):
        raise ValueError("a host lacks its name, type, address, MX preference or TTL")
    if not row["@TTL"].isascii() or not row["@TTL"].isdigit():
        raise ValueError(f"the TTL of a {row['@Type']} host is no number")
    rdata = _RDATA.get(row["@Type"].upper(), _as_it_is)(row)
    return Record(_owner(row, apex), row["@Type"], rdata, int(row["@TTL"]), ref=row)


def new_row(record: Record, apex: Name) -> Row:
    """The row that makes a record, with a TTL that Namecheap takes. Raises `ValueError` with the reason when there is none."""
    if record.rtype not in TYPES:
        raise ValueError(f"Namecheap's API does not write {record.rtype} records")
    if not record.owner.is_subdomain(apex):
        raise ValueError(f"{text(record.owner)} is not in the zone {text(apex)}")
    preference, address = _ADDRESS.get(record.rtype, _plain)(record.rdata)
    host = text(record.owner) if record.rtype == "MXE" else relative_text(record.owner, apex)
    if len(host) > _LONGEST_HOST:
        raise ValueError(f"{host} has {len(host)} characters, and Namecheap takes host names of {_LONGEST_HOST}")
    longest = _LONGEST_ADDRESS.get(record.rtype)
    if longest is not None and len(address) > longest:
        raise ValueError(f"the {record.rtype} record at {host} has {len(address)} characters, and Namecheap takes {longest}")
    ttl = min(max(record.ttl or DEFAULT_TTL, MIN_TTL), MAX_TTL)
    return {"@Name": host, "@Type": record.rtype, "@Address": address, "@MXPref": preference, "@TTL": str(ttl)}


def form_of(rows: list[Row]) -> dict[str, str]:
    """The fields of setHosts for these rows, in their order, counted from 1."""
    return {f"{field}{number}": row[key] for number, row in enumerate(rows, 1) for field, key in _FORM.items()}


def mail_setting_for(rtype: str, email_type: str) -> str:
    """The `EmailType` that a row of this type needs and this is not; empty when the row is kept."""
    needed = _MAIL_ROWS.get(rtype.upper(), "")
    return "" if needed == email_type.upper() else needed


def fragile(rows: list[Row], email_type: str) -> tuple[Fragile, ...]:
    """What a setHosts would not carry: each thing by name, with the way out."""
    found = list(_fragile_mail(email_type))
    for row in rows:
        found += [rule(row) for applies, rule in _FRAGILE if applies(row, email_type)]
    return tuple(found)


def _fragile_mail(email_type: str) -> Iterator[Fragile]:
    if email_type.upper() not in _KEPT_EMAIL_TYPES:
        yield Fragile(
            f"email:{email_type}",
            f"the domain's mail setting is {email_type}, and nobody knows whether Namecheap's API keeps it (mail could stop)",
            "Add the records by hand in Namecheap's panel (Advanced DNS); wixsend then proves and authenticates.",
        )


def _where(row: Row) -> str:
    return f"{row['@Type']} {row['@Name']} {row['@Address'][:60]}"


_BY_HAND = "Add the records by hand in Namecheap's panel (Advanced DNS), or note this down and set it again there afterwards."

_FRAGILE: tuple[tuple[Callable[[Row, str], bool], Callable[[Row], Fragile]], ...] = (
    (
        lambda row, _: is_true(row.get("@IsDDNSEnabled")),
        lambda row: Fragile(f"ddns:{row['@Name']}", f"{_where(row)} is updated by dynamic DNS, and a write switches that off", _BY_HAND),
    ),
    (
        lambda row, _: "@IsActive" in row and not is_true(row["@IsActive"]),
        lambda row: Fragile(f"inactive:{row['@Name']}", f"{_where(row)} is switched off, and a write switches it on", _BY_HAND),
    ),
    (
        # Under OX and GMAIL the host's own MX rows are among the hosts, and the setting itself is what is fragile.
        lambda row, email_type: email_type.upper() in _KEPT_EMAIL_TYPES and bool(mail_setting_for(row["@Type"], email_type)),
        lambda row: Fragile(
            f"{row['@Type'].lower()}:{row['@Name']}",
            f"{_where(row)} is kept only under the mail setting {row['@Type'].upper()}, which the domain does not have",
            "Choose the fitting mail setting in Namecheap's panel (Advanced DNS > Mail Settings), or remove the record.",
        ),
    ),
    (
        lambda row, _: row["@Type"].upper() not in TYPES,
        lambda row: Fragile(
            f"{row['@Type'].lower()}:{row['@Name']}", f"{_where(row)} is of a type that Namecheap's API shows and does not write", _BY_HAND
        ),
    ),
)


def _owner(row: Row, apex: Name) -> Name:
    """The owner; an MXE row carries the full domain name without the final dot."""
    if row["@Type"].upper() == "MXE":
        full = absolute(row["@Name"])
        if full.is_subdomain(apex):
            return full
    return absolute(row["@Name"], apex)


def _dotted(host: str) -> str:
    try:
        return absolute(host).to_text()
    except ValueError:
        return host


def _as_it_is(row: Row) -> str:
    return str(row["@Address"])


_RDATA: Mapping[str, Callable[[Row], str]] = {
    "ALIAS": lambda row: _dotted(row["@Address"]),
    "CNAME": lambda row: _dotted(row["@Address"]),
    "NS": lambda row: _dotted(row["@Address"]),
    "MX": lambda row: f"{row['@MXPref']} {_dotted(row['@Address'])}",
    "TXT": lambda row: txt_rdata(row["@Address"]),
}

_UNMEANT_PREFERENCE = "10"
"""What Namecheap shows as MX preference of rows that have none."""


def _plain(rdata: str) -> tuple[str, str]:
    return _UNMEANT_PREFERENCE, rdata


def _mx(rdata: str) -> tuple[str, str]:
    fields = rdata.split()
    if len(fields) != 2 or not fields[0].isdigit():
        raise ValueError(f"MX {rdata!r} is not a preference and a host")
    return fields[0], fields[1]


_ADDRESS: Mapping[str, Callable[[str], tuple[str, str]]] = {
    "MX": _mx,
    "TXT": lambda rdata: (_UNMEANT_PREFERENCE, txt_text(rdata)),
}
