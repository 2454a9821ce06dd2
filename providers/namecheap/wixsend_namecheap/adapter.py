"""The three answers for Namecheap. A zone is read by getHosts and replaced by setHosts, whole: what is not sent is gone.

SRV records are not shown by getHosts and not taken by setHosts; the core looks for them in DNS.
"""

from collections.abc import Mapping
from ipaddress import IPv4Address
from typing import Any

from wixsend import (
    WHOLE,
    Credentials,
    CredentialsMissing,
    Edit,
    EditRejected,
    Name,
    OutcomeUnknown,
    Receipt,
    Record,
    Snapshot,
    Wire,
    Zone,
    ZoneNotHeld,
    ZonePage,
    absolute,
    text,
)
from wixsend_namecheap.errors import CHOOSE_BASIC_DNS, ERRORS, NOT_HELD, SERVED_ELSEWHERE, WHITELIST
from wixsend_namecheap.fence import GET_HOSTS, GET_INFO, GET_LIST, SET_HOSTS, Account, ApiError, BadAnswer
from wixsend_namecheap.info import listed, page_of, zones_of
from wixsend_namecheap.rows import MAX_HOSTS, Row, form_of, fragile, is_true, mail_setting_for, new_row, record_of

__all__ = ["NamecheapProvider"]

_PAGE = 100
"""Domains on one page of getList: the most that it gives."""


class NamecheapProvider:
    """An open account at Namecheap. Blocking, one HTTP request for each answer."""

    errors = ERRORS

    def __init__(self, credentials: Credentials, wire: Wire) -> None:
        """Raises `CredentialsMissing` for a `client_ip` that is no IPv4 address: without one the SDK asks a third party for it."""
        _must_be_ipv4(credentials["client_ip"])
        self._account = Account(credentials, wire)

    def zone(self, apex: Name) -> tuple[Zone, ...]:
        """The domain, if the account has rights to it; an OK without rights is what getInfo says of other people's domains."""
        try:
            info = self._account.ask(GET_INFO, {"DomainName": text(apex)}, "DomainGetInfoResult")
        except ApiError as error:
            if error.number in NOT_HELD:
                return ()
            raise
        _must_be_about(info.get("@DomainName"), apex)
        return zones_of(info, apex, self._account.config.username)

    def zones(self, page: str = "") -> ZonePage:
        """`_PAGE` of the domains that the account owns; a page is called by its number. What others share with it is not listed."""
        number = int(page or 1)
        answer = self._account.ask_whole(GET_LIST, {"ListType": "ALL", "PageSize": str(_PAGE), "Page": str(number)})
        zones, total = page_of(answer, self._account.config.username)
        left = total - (number - 1) * _PAGE
        if len({zone.apex for zone in zones}) != min(_PAGE, max(left, 0)) or len(zones) > _PAGE:
            raise BadAnswer(f"{total} domains are counted, and page {number} of them does not show as many as there are left")
        return ZonePage(zones, str(number + 1) if left > _PAGE else "")

    def read(self, zone: Zone, names: frozenset[Name]) -> Snapshot:
        """The whole zone, whatever `names` are. Anything but a complete answer about this very domain raises."""
        hosts = self._account.ask(GET_HOSTS, _sld_tld(zone.apex), "DomainDNSGetHostsResult")
        _must_be_about(hosts.get("@Domain"), zone.apex)
        if "@IsUsingOurDNS" not in hosts:
            raise BadAnswer("the answer does not say whether Namecheap serves the domain")
        if not is_true(hosts["@IsUsingOurDNS"]):
            raise ZoneNotHeld(f"{text(zone.apex)}: {SERVED_ELSEWHERE}", CHOOSE_BASIC_DNS)
        if not hosts.get("@EmailType"):
            raise BadAnswer("the answer does not say the domain's mail setting")
        try:
            records = tuple(record_of(row, zone.apex) for row in listed(hosts.get("host", hosts.get("Host"))))
        except ValueError as wrong:
            raise BadAnswer(f"a host record of {text(zone.apex)} makes no sense: {wrong}") from wrong
        email_type = hosts["@EmailType"]
        rows: list[Any] = [record.ref for record in records]
        return Snapshot(zone, records, WHOLE, {"EmailType": email_type}, fragile(rows, email_type), len(records))

    def write(self, edit: Edit) -> Receipt:
        """One setHosts: every row as it was read and in that order, the new ones after them, and the mail setting."""
        apex = edit.before.zone.apex
        form = _sld_tld(apex) | {"EmailType": edit.before.baggage.get("EmailType", "")} | form_of(_rows(edit))
        result = self._account.ask(SET_HOSTS, form, "DomainDNSSetHostsResult")
        _must_be_about(result.get("@Domain"), apex)
        if not is_true(result.get("@IsSuccess")):
            raise OutcomeUnknown(f"Namecheap does not say that it wrote {text(apex)}", "wixsend looks at the zone before anything else.")
        return Receipt()

    def close(self) -> None:
        self._account.close()


def _rows(edit: Edit) -> list[Row]:
    """The rows of the zone as it shall be. Raises `EditRejected` for what setHosts would not take, or would not keep."""
    if edit.before.covers is not WHOLE:
        raise EditRejected("Namecheap replaces whole zones, and only a part of this one was read", "Run the command again.")
    if not edit.before.baggage.get("EmailType"):
        raise EditRejected("the domain's mail setting was not read, and a write without it loses mail", "Run the command again.")
    after, coming = edit.whole_zone(), edit.adds
    rows: list[Row] = [_as_read(record) for record in after[: len(after) - len(coming)]]
    for record in coming:
        needed = mail_setting_for(record.rtype, edit.before.baggage["EmailType"])
        if needed:
            raise EditRejected(
                f"Namecheap keeps {record.rtype} records only if the domain's mail setting is {needed}",
                "Choose it in Namecheap's panel: Advanced DNS > Mail Settings.",
            )
        try:
            rows.append(new_row(record, edit.before.zone.apex))
        except ValueError as wrong:
            raise EditRejected(str(wrong), "Add the record by hand in Namecheap's panel, if it takes it.") from wrong
    if not rows:
        raise EditRejected("the zone would be left empty, and Namecheap's API has no such write", "Empty it in Namecheap's panel.")
    if len(rows) > MAX_HOSTS:
        raise EditRejected(
            f"the zone would hold {len(rows)} records, and Namecheap takes {MAX_HOSTS}", "Remove what is not needed any more."
        )
    return rows


def _as_read(record: Record) -> Row:
    if not isinstance(record.ref, Mapping):
        raise EditRejected(f"{record} was not read from Namecheap, so it cannot be handed back as it was", "Run the command again.")
    return record.ref


def _sld_tld(apex: Name) -> dict[str, str]:
    """The two halves that Namecheap wants: the first label and the rest of the apex. No list of suffixes has a say in it."""
    return {"SLD": text(apex.relativize(apex.parent())), "TLD": text(apex.parent())}


def _must_be_about(domain: object, apex: Name) -> None:
    try:
        same = isinstance(domain, str) and absolute(domain) == apex
    except ValueError:
        same = False
    if not same:
        raise BadAnswer(f"the answer is not about {text(apex)}")


def _must_be_ipv4(address: str) -> None:
    try:
        IPv4Address(address.strip())
    except ValueError as wrong:
        # The value is not shown: it may be the key, put into the wrong place.
        raise CredentialsMissing("Namecheap's client_ip is no IPv4 address; was it swapped with another value?", WHITELIST) from wrong
