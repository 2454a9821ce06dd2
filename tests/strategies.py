"""Hypothesis strategies for the things of floor 1, shared by the property tests."""

import dns.name
from hypothesis import strategies as st

from wixsend.plan import Wanted
from wixsend.records import WHOLE, Record, Snapshot, Zone

APEX = dns.name.from_text("example.com.")
DMARC = dns.name.from_text("_dmarc.example.com.")

labels = st.sampled_from(["a", "b", "s1", "s2", "sel1", "_domainkey", "_dmarc", "sg", "mail", "www", "*", "MAIL"])
owners = st.lists(labels, min_size=1, max_size=3).map(lambda parts: dns.name.Name(tuple(part.encode() for part in parts)).concatenate(APEX))
targets = st.sampled_from(
    ["s1.s004.ascendbywix.com.", "S1.S004.ascendbywix.com", "s2.s004.ascendbywix.com.", "u1.wl.sendgrid.net.", "_dmarc.wixemails.com."]
)


@st.composite
def records(draw: st.DrawFn) -> Record:
    rtype = draw(st.sampled_from(["A", "AAAA", "MX", "TXT", "CNAME", "NS", "CAA", "URL"]))
    rdata = {
        "A": "192.0.2.1",
        "AAAA": "2001:db8::1",
        "MX": "10 mx.example.net.",
        "TXT": draw(st.sampled_from(['"v=DMARC1; p=reject"', '"x"'])),
        "CNAME": draw(targets),
        "NS": "ns1.example.net.",
        "CAA": '0 issue "ca.example"',
        "URL": "http://example.net/",
    }[rtype]
    notes = draw(st.sampled_from([None, {}, {"comment": "hands off", "tags": ["a:b"]}]))
    ttl = draw(st.sampled_from([None, 60, 3600]))
    return Record(draw(owners), rtype, rdata, ttl, draw(st.booleans()) and rtype == "CNAME", notes=notes)


snapshots = st.lists(records(), max_size=12).map(lambda held: Snapshot(Zone(APEX), tuple(held), WHOLE))
wants = st.lists(st.tuples(owners, targets), max_size=5, unique_by=lambda pair: pair[0]).map(
    lambda pairs: tuple(Record(owner, "CNAME", target) for owner, target in pairs)
)


@st.composite
def orders(draw: st.DrawFn) -> Wanted:
    wanted = draw(wants)
    replace = frozenset(draw(st.lists(st.sampled_from([record.owner for record in wanted]), max_size=3)) if wanted else [])
    return Wanted(wanted, DMARC, draw(st.sampled_from(["keep", "replace", "stop"])), replace=replace)
