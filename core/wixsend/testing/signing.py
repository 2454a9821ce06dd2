"""DNSSEC for the sandbox's zones: one key for each, signatures made when they are asked for. Denials are not signed (no NSEC)."""

import time
from typing import Literal

import dns.dnssec
import dns.dnssectypes
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from cryptography.hazmat.primitives.asymmetric import ec
from dns.rrset import RRset

from wixsend.names import Name
from wixsend.records import Record

__all__ = ["Fault", "Signer"]

type Fault = Literal["", "expired", "early", "forged", "unsigned", "unsigned-keys", "wrong-ds", "wrong-signer", "no-keys"]
"""What is wrong with a signed zone.

expired, early: signatures of another time; forged: signatures over other records; unsigned: records without any; unsigned-keys: the same
of the keys; wrong-ds: a DS record of another key at the parent; wrong-signer: signatures in the name of another zone; no-keys: no DNSKEY.
"""

_DAY = 86400


class Signer:
    """Signs the zone at `apex`; `fault` may be changed while it serves."""

    def __init__(self, apex: Name, fault: Fault = "") -> None:
        self.apex, self.fault = apex, fault
        self._private = ec.generate_private_key(ec.SECP256R1())
        self._key = dns.dnssec.make_dnskey(self._private.public_key(), dns.dnssectypes.Algorithm.ECDSAP256SHA256, flags=257)

    @property
    def keys(self) -> tuple[Record, ...]:
        """What stands at the apex."""
        return () if self.fault == "no-keys" else (Record(self.apex, "DNSKEY", self._key.to_text(), 3600),)

    @property
    def ds(self) -> Record:
        """What stands at the parent."""
        key = Signer(self.apex)._key if self.fault == "wrong-ds" else self._key
        return Record(self.apex, "DS", dns.dnssec.make_ds(self.apex, key, dns.dnssectypes.DSDigest.SHA256).to_text(), 3600)

    def signature(self, rrset: RRset) -> RRset | None:
        """The RRSIG RRset over an RRset of this zone, as the fault has it."""
        of_keys = rrset.rdtype == dns.rdatatype.DNSKEY
        if self.fault == ("unsigned-keys" if of_keys else "unsigned"):
            return None
        fault = "" if of_keys else self.fault
        now = int(time.time())
        begins = now + {"expired": -9 * _DAY, "early": 9 * _DAY}.get(fault, -_DAY)
        signed = rrset
        if fault == "forged":
            signed = dns.rrset.from_text(rrset.name, rrset.ttl, "IN", "TXT", '"something else"')
        signer = self.apex.parent() if fault == "wrong-signer" else self.apex
        made: dns.rdata.Rdata = dns.dnssec.sign(signed, self._private, signer, self._key, inception=begins, expiration=begins + 2 * _DAY)
        if fault == "forged":
            made = made.replace(type_covered=rrset.rdtype)
        return dns.rrset.from_rdata_list(rrset.name, rrset.ttl, [made])
