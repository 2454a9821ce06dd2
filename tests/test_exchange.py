"""Replies as plain values: what dnspython reads in a message is what we read in it."""

import asyncio
from collections import Counter

import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset
import pytest
from hypothesis import given
from hypothesis import strategies as st

from test_packets import serving
from wixsend.exchange import DnsSettings, Exchange, Hoped
from wixsend.names import absolute
from wixsend.records import Record
from wixsend.verdict import NameServer, Outcome

APEX = absolute("example.com")
SERVER = NameServer(absolute("ns1.example.net"), ("192.0.2.1",))
RRSETS = (
    ("example.com.", "NS", "ns1.example.net.", "NS2.Example.com."),
    ("ns2.example.com.", "A", "192.0.2.7"),
    ("ns2.example.com.", "AAAA", "2001:db8::7", "2001:db8::"),
    ("example.com.", "SOA", "ns1.example.net. hostmaster.example.com. 1 2 3 4 5"),
    ("www.example.com.", "CNAME", "a\\.b.example.com."),
    ("old.example.com.", "DNAME", "example.net."),
    ("1.2.0.192.in-addr.arpa.", "PTR", "ns1.example.net."),
    ("example.com.", "MX", "10 mail.example.com."),
    ("_dmarc.example.com.", "TXT", '"v=DMARC1; p=none" "\\001\\""'),
    ("sub.example.com.", "DS", "12345 13 2 " + "AB" * 32),
    ("odd.example.com.", "TYPE65399", "\\# 3 010203"),
)


def exchange(place: tuple[str, int], **changes: object) -> Exchange:
    return Exchange(DnsSettings(endpoints={"192.0.2.1": f"{place[0]}:{place[1]}"}, resolvers=(), tries=1, **changes))  # type: ignore[arg-type]


def records(section: list[dns.rrset.RRset]) -> tuple[Record, ...]:
    return tuple(
        Record(rrset.name, dns.rdatatype.to_text(rrset.rdtype), rdata.to_text(), rrset.ttl)
        for rrset in section
        for rdata in rrset
        if rrset.rdtype != dns.rdatatype.OPT
    )


def test_a_reply_holds_what_dnspython_reads_in_any_order_and_section() -> None:
    @given(st.permutations(RRSETS), st.integers(0, len(RRSETS)), st.integers(0, len(RRSETS)))
    def check(order: list[tuple[str, ...]], one: int, other: int) -> None:
        asyncio.run(ask(order, min(one, other), max(one, other)))

    async def ask(order: list[tuple[str, ...]], first: int, second: int) -> None:
        def answer(data: bytes) -> list[bytes]:
            made = dns.message.make_response(dns.message.from_wire(data), our_payload=1232)
            made.flags |= dns.flags.AA
            for section, some in ((made.answer, order[:first]), (made.authority, order[first:second]), (made.additional, order[second:])):
                section.extend(dns.rrset.from_text(name, 300, "IN", rtype, *rdatas) for name, rtype, *rdatas in some)
            sent.append(made.to_wire())
            return sent[-1:]

        sent: list[bytes] = []
        async with serving(answer) as server:
            _seen, reply = await exchange(server.place).authority(SERVER, "192.0.2.1", APEX, APEX, "NS")
        read = dns.message.from_wire(sent[0])
        for ours, theirs in ((reply.answer, read.answer), (reply.authority, read.authority), (reply.additional, read.additional)):
            assert Counter(map(str, ours)) == Counter(map(str, records(theirs)))

    check()


@pytest.mark.parametrize("length", [0, 1, 3, 7])
async def test_a_name_that_does_not_fill_its_rdata_is_nonsense(length: int) -> None:
    def answer(data: bytes) -> list[bytes]:
        made = dns.message.make_response(dns.message.from_wire(data)).to_wire()[: 12 + len(b"\x07example\x03com\0") + 4]
        record = b"\xc0\x0c\0\x02\0\x01\0\0\0\x09" + length.to_bytes(2) + b"\xc0\x0c" + b"\0" * 8
        return [made[:6] + b"\0\x01\0\0\0\0" + made[12:] + record]

    async with serving(answer) as server:
        seen, _reply = await exchange(server.place).authority(SERVER, "192.0.2.1", APEX, APEX, "NS")
    assert seen.outcome is Outcome.NONSENSE


@pytest.mark.parametrize("per_server", [1, 2, 16])
async def test_many_questions_to_one_server_are_all_answered_however_few_may_be_open(per_server: int) -> None:
    hopes = [Hoped.of(Record(absolute(f"n{number}", APEX), "CNAME", f"t{number}.example.net.")) for number in range(7)]

    def answer(data: bytes) -> list[bytes]:
        made = dns.message.make_response(dns.message.from_wire(data))
        made.flags |= dns.flags.AA
        name = made.question[0].name
        made.answer.append(dns.rrset.from_text(name, 300, "IN", "CNAME", f"t{name.labels[0].decode()[1:]}.example.net."))
        return [made.to_wire()]

    async with serving(answer) as server:
        asking = exchange(server.place, per_server=per_server)
        seen = await asking.authority_shows(SERVER, "192.0.2.1", APEX, hopes)
    assert [(look.outcome, look.records) for look in seen] == [(Outcome.ANSWER, (hoped.record,)) for hoped in hopes]
    assert asking.queries["192.0.2.1"] == 7
