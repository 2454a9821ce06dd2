"""Whether a resolver that validates would believe an answer, tried on zones that are signed here, well and badly."""

import time

import dns.rrset
import pytest

from wixsend.dnssec import Keys, bogus, keys, usable
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.testing.signing import Fault, Signer

APEX = absolute("example.com")
S1 = Record(absolute("s1._domainkey", APEX), "CNAME", "s1.x.ascendbywix.com.", 300)
NOW = time.time()
DAY = 86400


def signed(signer: Signer, *records: Record) -> tuple[Record, ...]:
    """The records of one RRset with its signature, as an answer's records are."""
    if not records:
        return ()
    rrset = dns.rrset.from_text(records[0].owner, 300, "IN", records[0].rtype, *(record.rdata for record in records))
    signature = signer.signature(rrset)
    return (*records, *(Record(rrset.name, "RRSIG", each.to_text(), 300) for each in signature or ()))


def trusted(signer: Signer, *ds: Record) -> Keys:
    return keys(APEX, ds or [signer.ds], signed(signer, *signer.keys), NOW)


def fault(signer: Signer) -> str:
    return bogus(S1.owner, "CNAME", signed(signer, S1), trusted(signer), NOW)


def test_what_is_signed_well_is_believed() -> None:
    assert fault(Signer(APEX)) == ""


FAULTS: dict[Fault, str] = {
    "expired": "the signature expired on 20",
    "early": "the signature begins on 20",
    "forged": "the signature does not hold",
    "unsigned": "there is no signature over them by example.com",
    "wrong-signer": "there is no signature over them by example.com",
    "unsigned-keys": "the zone's keys: there is no signature over them by example.com",
    "wrong-ds": "no key of the zone is the one that the parent's DS record names (",
    "no-keys": "it shows no DNSKEY, and the parent's DS record says that the zone is signed",
}


@pytest.mark.parametrize("kind", FAULTS)
def test_each_fault_is_said(kind: Fault) -> None:
    assert fault(Signer(APEX, kind)).startswith(FAULTS[kind])


def test_one_signature_that_holds_is_enough() -> None:
    signer = Signer(APEX, "expired")
    stale = signed(signer, S1)[1]
    signer.fault = ""
    assert bogus(S1.owner, "CNAME", (stale, *signed(signer, S1)), trusted(signer), NOW) == ""


def test_signatures_count_in_their_time_alone() -> None:
    signer = Signer(APEX)
    answer, by = signed(signer, S1), trusted(signer)
    assert "expired" in bogus(S1.owner, "CNAME", answer, by, NOW + 9 * DAY)
    assert "begins" in bogus(S1.owner, "CNAME", answer, by, NOW - 9 * DAY)


def test_a_signature_over_a_wildcard_holds_for_a_name_below_it() -> None:
    signer = Signer(APEX)
    star, signature = signed(signer, Record(absolute("*", APEX), "CNAME", S1.rdata))
    below = absolute("s9", APEX)
    answer = (Record(below, "CNAME", star.rdata, 300), Record(below, "RRSIG", signature.rdata, 300))
    assert bogus(below, "CNAME", answer, trusted(signer), NOW) == ""


def test_one_ds_record_of_several_has_to_fit() -> None:
    signer, other = Signer(APEX), Signer(APEX)
    assert not trusted(signer, other.ds, signer.ds).fault
    assert "no key" in trusted(signer, other.ds).fault


@pytest.mark.parametrize(
    ("rdata", "known"),
    [
        ("12345 13 2 " + "ab" * 32, True),
        ("12345 8 1 " + "ab" * 20, True),
        ("12345 13 200 " + "ab" * 32, False),
        ("12345 200 2 " + "ab" * 32, False),
    ],
)
def test_a_zone_whose_keys_are_of_a_kind_that_nobody_knows_counts_as_unsigned(rdata: str, known: bool) -> None:
    assert bool(usable([Record(APEX, "DS", rdata)])) is known


def test_how_much_a_hostile_zone_can_make_us_calculate_is_bounded() -> None:
    """Whoever sends a hundred signatures that do not hold is not given the time to try them all."""
    signer = Signer(APEX)
    signer.fault = "forged"
    bad = [signed(signer, S1)[1] for _ in range(100)]
    signer.fault = ""
    good = signed(signer, S1)
    assert bogus(S1.owner, "CNAME", (*bad, *good), trusted(signer), NOW) == "the signature does not hold"
