"""What getInfo says of a domain, and getList of all, as zones. Pure.

Recorded and documented answers leave whole parts out, so what is missing is no proof of anything; only the rights are: an OK without
any is what getInfo says of other people's domains.
"""

from collections.abc import Callable
from typing import Any

from wixsend import Name, Zone, absolute
from wixsend_namecheap.errors import SERVED_ELSEWHERE
from wixsend_namecheap.fence import BadAnswer
from wixsend_namecheap.rows import is_true

__all__ = ["listed", "page_of", "zones_of"]

_BASIC_DNS = (absolute("dns1.registrar-servers.com"), absolute("dns2.registrar-servers.com"))
"""What serves a domain that is on BasicDNS. getList does not tell that from PremiumDNS or FreeDNS, which have other name servers."""

type _Element = dict[str, Any]


def zones_of(info: _Element, apex: Name, account: str) -> tuple[Zone, ...]:
    """The zone, if the account has any right to the domain; what keeps it from being written is its `problem`.

    Raises `ValueError` for a name server that is no name.
    """
    if not _has_right(info, _ANY):
        return ()
    dns = _element(info, "DnsDetails")
    count = dns.get("@HostCount", "")
    return (
        Zone(
            apex,
            ref=str(info.get("@ID", "")),
            account=account,
            name_servers=tuple(absolute(server) for server in listed(dns.get("Nameserver")) if isinstance(server, str)),
            problem=next((words for applies, words in _PROBLEMS if applies(info, dns)), ""),
            record_count=int(count) if count.isascii() and count.isdigit() else None,
        ),
    )


def page_of(answer: _Element, account: str) -> tuple[list[Zone], int]:
    """The zones on one page of getList, and how many domains there are in all. Raises `BadAnswer`, and `ValueError` for what is no name."""
    page = answer.get("DomainGetListResult")
    total = str(_element(answer, "Paging").get("TotalItems", ""))
    if "DomainGetListResult" not in answer or not (total.isascii() and total.isdigit()):
        raise BadAnswer("the answer has no DomainGetListResult, or does not say how many domains there are")
    rows = listed(page.get("Domain")) if isinstance(page, dict) else []
    if not all(isinstance(row, dict) and row.get("@Name") for row in rows):
        raise BadAnswer("the answer lists a domain without its name")
    return [_listed_zone(row, account) for row in rows], int(total)


def _listed_zone(row: _Element, account: str) -> Zone:
    """An owned domain, to which the account has every right."""
    here = is_true(row.get("@IsOurDNS"))
    problem = "Namecheap calls the domain expired" if is_true(row.get("@IsExpired")) else "" if here else SERVED_ELSEWHERE
    return Zone(absolute(row["@Name"]), str(row.get("@ID", "")), account, _BASIC_DNS if here else (), problem)


def listed(found: Any) -> list[Any]:
    """xmltodict gives nothing, one thing, or a list of them."""
    return found if isinstance(found, list) else [] if found is None else [found]


_ANY = ""


def _element(info: _Element, name: str) -> _Element:
    found = info.get(name)
    return found if isinstance(found, dict) else {}


def _has_right(info: _Element, right: str) -> bool:
    """Whether the account may do this to the domain; any right at all for `_ANY`."""
    rights = _element(info, "Modificationrights")
    granted = {
        str(row.get("@Type")).lower()
        for row in listed(rights.get("Rights"))
        if isinstance(row, dict) and str(row.get("#text")).strip().lower() == "ok"
    }
    return is_true(rights.get("@All")) or (bool(granted) if right == _ANY else right in granted)


_PROBLEMS: tuple[tuple[Callable[[_Element, _Element], bool], str], ...] = (
    (
        lambda info, dns: str(info.get("@Status")).lower() == "expired",
        "Namecheap calls the domain expired",
    ),
    (
        lambda info, dns: (
            is_true(_element(info, "PremiumDnsSubscription").get("IsActive")) or str(dns.get("@ProviderType")).lower() == "premiumdns"
        ),
        "the domain uses Namecheap's PremiumDNS, another product than the BasicDNS that this API writes",
    ),
    (
        lambda info, dns: "@IsUsingOurDNS" in dns and not is_true(dns["@IsUsingOurDNS"]),
        SERVED_ELSEWHERE,
    ),
    (
        lambda info, dns: not _has_right(info, "hosts"),
        "the domain is shared with this account without the right to edit its host records",
    ),
)
