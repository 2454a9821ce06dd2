"""The whole job on real DNS: records typed in by hand at a host that no plugin knows, and Wix asked once, when it can see them."""

import asyncio
import time
from collections.abc import Sequence
from pathlib import Path

import dns.message
import dns.query
import dns.rdatatype
import pytest

from live_servers.lab import DNSMASQ, KRESD, POWERDNS, RECURSOR, RESOLVERS, UNBOUND_FRESH, Lab
from live_servers.namespace import Capture
from live_servers.test_caches import first_to_resolvers, shown_by
from wixsend.adapters import Adapter
from wixsend.engine import Engine, Update
from wixsend.errors import WixsendError
from wixsend.flow import Stage, Times
from wixsend.holdings import Account, Holdings
from wixsend.journal import Journal
from wixsend.lookup import Dns
from wixsend.names import Name, parse_sending_domain, text
from wixsend.plugins import Plugins
from wixsend.sending import KNOWN_TARGETS
from wixsend.survey import Order
from wixsend.testing.server import Server
from wixsend.testing.wix import FakeWix
from wixsend.testing.world import yes
from wixsend.wix import Wix, WixApiKey

pytestmark = pytest.mark.live_servers


def by_resolver(name: Name) -> Name | None:
    """The CNAME's target as Wix's own resolver sees it."""
    answer = dns.query.udp(dns.message.make_query(name, "CNAME"), UNBOUND_FRESH, timeout=2).answer
    found = [rdata.target for rrset in answer if rrset.rdtype == dns.rdatatype.CNAME and rrset.name == name for rdata in rrset]
    return found[0] if found else None


class LiveWorld:
    """`wixsend.locate.Outside` with the real DNS, the real clock, the fake Wix over HTTP, and no account anywhere."""

    def __init__(self, lab: Lab, fake: FakeWix, url: str) -> None:
        self.plugins = Plugins()
        self.wix = Wix(WixApiKey(fake.site.api_key, fake.site.id), url)
        self.dns = Dns(lab.settings())
        self.now = time.time
        self.sleep = asyncio.sleep
        self.holdings = Holdings(self.adapter, self.now)

    def accounts(self, provider: str) -> Sequence[Account]:
        return []

    async def adapter(self, account: Account) -> Adapter:
        raise WixsendError(f"there is no account {account.name}")

    async def close(self) -> None:
        await asyncio.gather(self.wix.close(), self.dns.close())


async def test_records_added_by_hand_are_seen_waited_for_and_authenticated(lab: Lab, capture: Capture, tmp_path: Path) -> None:
    zone = lab.zone(minimum=6)  # longer than the 2 s to the second look
    fake = FakeWix(by_resolver, time.time, requires_dmarc=True)
    wants = fake.add_domain(zone.apex).wants
    shown: list[Update] = []
    poisoned = 0

    def watch(update: Update) -> None:
        """The owner adds the records once they have been told that they are missing; somebody else looked just before."""
        nonlocal poisoned
        if update.proof is not None and not any(earlier.proof for earlier in shown):
            assert not first_to_resolvers(capture.packets(), order.domain.name)
            for resolver in (RECURSOR, KRESD, DNSMASQ):
                assert "NXDOMAIN" in lab.dig(f"@{resolver}", text(wants[0].owner), "CNAME")
            poisoned = len(capture.packets())
            zone.put(*wants)
        shown.append(update)

    times = Times(look_least=0.2, retry_first=1.0)
    order = Order("main", parse_sending_domain(zone.apex), known_targets=KNOWN_TARGETS)
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}", tmp_path, times)
    with Server({"wix": fake.handle}) as server:
        outside = LiveWorld(lab, fake, server.url("wix"))
        try:
            entry = await Engine(order, outside, journal, times, watch).run(yes, wait=True)
        finally:
            await outside.close()
            journal.close()
    assert entry.case.stage is Stage.DONE, entry.case
    assert [held.attempts for held in fake.domains.values()] == [1], "a try to authenticate was wasted"
    assert any("still remembers" in update.entry.case.why for update in shown)
    packets = capture.packets()[poisoned:]
    asked = first_to_resolvers(packets, order.domain.name)
    assert {packets[place].target for place in asked} >= {*RESOLVERS, UNBOUND_FRESH}
    assert asked[0] > max(shown_by(packets, want, server) for want in wants for server in POWERDNS)
