"""What many domains cost: calls and wall time for three CNAMEs in each of 1,000 zones; with quotas on; and shared by workers.

    uv run benchmarks/bulk.py                      all three tables
    uv run benchmarks/bulk.py --only bulk-rationed

Wix, the host and DNS are fakes in a process of their own on loopback; each HTTP call takes 50 ms more than the fake needs. All zones are in
one account. `wixsend` does the whole job: it asks Wix, lists the account's zones once, reads, judges, writes, proves in DNS and has Wix
authenticate; `written` is when the last zone was written.

First without quotas, beside tools that do less. The bare script lists the zones, and sends one read and one batch for each with the
vendor's asynchronous SDK, as many at once as wixsend. lexicon and octoDNS do a part of the zones, one after the other as they always do;
their figures are for each domain.

Then with the vendors' true limits on, kept to by wixsend and enforced by the fakes, beside the least time that the limits allow. The fakes'
clock and wixsend's run faster than the machine's; no code path is another one. The third table is that of `_workers.py`.
"""

import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import _workers
from _table import Figure, Report, Row, arguments, finish
from calls import keep_the_peers_inside
from soak import TOO_OFTEN
from wixsend.adapters import OVERLAP
from wixsend.engine import Update
from wixsend.flow import Stage, Times
from wixsend.forecast import seconds_for
from wixsend.names import absolute, relative_text, text
from wixsend.plugins import Plugins
from wixsend.quota import kept
from wixsend.records import Record
from wixsend.runs import Ref
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Fault
from wixsend.testing.world import Clock, FastClock, Fleet, Reach, World, record

DOMAINS, QUICK = 1000, 60
PEERS = 10
"""The peers do one zone in so many."""
LATENCY = 0.05
MOST_CALLS = 2.1
MOST_TIME = 1.4
HOST = "cloudflare"


@dataclass(frozen=True, slots=True)
class Setting:
    """So many zones in one account at a host, their domains spread over some sites at Wix.

    `speed` is how many seconds pass by the fast clock in one second, with the vendors' true limits on; without it there are none.
    """

    host: str = HOST
    zones: int = DOMAINS
    speed: float = 0.0
    sites: int = 1


SITES = 10
"""With quotas on: Wix rations each site by itself, and is not to be what is measured."""
RATIONED = {
    Setting("cloudflare", 1000, 5.0, SITES): 2.1,
    Setting("godaddy", 120, 5.0, SITES): 3.1,
    Setting("namecheap", 60, 8.0, SITES): 3.1,
}
"""With quotas on, each with the calls that a zone may take: enough zones to wait for several windows, and a clock no faster than this
machine can follow."""
QUICK_RATIONED = 12
MOST_OF_LIMIT = 1.1


def names(count: int) -> list[str]:
    return [f"client-{number:05}.com" for number in range(count)]


def three(domain: str) -> list[Record]:
    """The CNAMEs that are to be added."""
    return [record(owner, "CNAME", f"{owner}.s004.ascendbywix.com.", domain) for owner in ("s1._domainkey", "s2._domainkey", "sg")]


# -- the fakes, in a process of their own ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counted:
    """What arrived at the host and at Wix, how many zones hold all that they should, and how often a vendor said "too often"."""

    calls: int
    wix: int
    right: int
    too_often: int


def serve(setting: Setting, folder: Path, pipe: Connection) -> None:
    """A world with these zones: sends how to reach it and the list of domains, and then, when it is asked, what it has counted."""
    host, domains = setting.host, names(setting.zones)
    with World(folder, clock=FastClock(setting.speed) if setting.speed else None) as world:
        sites = [world.wix.site, *(world.wix.add_site(f"site {n}", beside=world.wix.site) for n in range(1, setting.sites))]
        lines = ["domain,site_id"]
        for number, domain in enumerate(domains):
            site = sites[number % len(sites)]
            world.wix.add_domain(domain, site, wants=three(domain))
            world.add_zone(domain, host, [record("@", "A", "192.0.2.10", domain), record("www", "CNAME", f"{domain}.", domain)])
            lines.append(f"{domain},{site.id}")
        world.server.faults.add(Fault("latency", times=10**9, seconds=LATENCY))
        too_often = 0

        def around(_account: str, _request: Request, work: Callable[[], Response]) -> Response:
            nonlocal too_often
            answer = work()
            too_often += answer.status == TOO_OFTEN.get(host, 429)
            return answer

        world.around = around
        pipe.send((world.reach(), "\n".join(lines)))
        while pipe.recv():
            held = [set(world.hosts[host].published(domain)) for domain in domains]
            right = sum(set(three(domain)) <= records for domain, records in zip(domains, held, strict=True))
            pipe.send(Counted(world.server.count(host), world.server.count("wix"), right, too_often + world.wix.too_often))


@dataclass(frozen=True, slots=True)
class Place:
    """What a tool is let loose on: the list of domains, and how to reach the fakes that have their zones."""

    setting: Setting
    reach: Reach
    sheet: str

    @property
    def domains(self) -> list[str]:
        return names(self.setting.zones)

    @property
    def token(self) -> str:
        """What opens the account at Cloudflare."""
        return self.reach.accounts[0].credentials["api_token"]


@contextmanager
def served(setting: Setting, folder: Path) -> Iterator[tuple[Place, Callable[[], Counted]]]:
    """A world in another process, and what asks it for what it has counted."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(setting, folder, there), daemon=True)
    process.start()

    def counted() -> Counted:
        here.send(True)
        found: Counted = here.recv()
        return found

    yield Place(setting, *here.recv()), counted
    here.send(False)
    process.join()


class RealClock(Clock):
    """The time of this machine."""

    def now(self) -> float:
        return time.time()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


# -- the tools ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Took:
    """Seconds until everything was done, until the last zone was written, and of the processor; the first two by the run's clock."""

    seconds: float
    written: float
    cpu: float


class Timed(Fleet):
    """A run of wixsend that knows when each zone was written."""

    def __init__(self, *world: Any, **manners: Any) -> None:
        super().__init__(*world, **manners)
        self.written: dict[int, float] = {}

    def _watch(self, ref: Ref, update: Update) -> None:
        if update.entry.case.stage is Stage.PROVING:
            self.written.setdefault(ref.case_id, time.perf_counter())


def wixsend(at: Place) -> Took:
    """The whole job for every domain."""
    speed = at.setting.speed
    clock = FastClock(speed) if speed else RealClock()
    # What was read of a whole zone counts as fresh for as long, by the fast clock, as this machine needs.
    times = replace(Times(), zone_fresh=Times().zone_fresh * (speed or 1.0))
    fleet = Timed(lambda: at.reach, clock, "", {}, times=times, settings={"timeout": 10.0}, timeout=30.0)
    import_module("cloudflare")  # as the bare script has it, before the clock starts: benchmarks/startup.py knows what it costs
    began, cpu = time.perf_counter(), time.process_time()
    asyncio.run(fleet.bulk(at.sheet))
    done, cpu = time.perf_counter() - began, time.process_time() - cpu
    journal = fleet.journal()
    assert all(entry.case.stage is Stage.DONE for entry in journal.entries()), "not every domain was authenticated"
    journal.close()
    pace = speed or 1.0
    return Took(done * pace, (max(fleet.written.values()) - began) * pace, cpu)


def bare(at: Place) -> Took:
    """One listing, then one read and one batch for each zone, with the vendor's asynchronous SDK."""
    from cloudflare import AsyncCloudflare

    async def work() -> None:
        room = asyncio.Semaphore(OVERLAP)
        async with AsyncCloudflare(api_token=at.token, base_url=at.reach.urls[HOST], max_retries=0) as client:
            zones = [zone async for zone in client.zones.list(per_page=50)]

            async def one(zone: str, domain: str) -> None:
                async with room:
                    await client.dns.records.list(zone_id=zone, per_page=5000)
                    posts = [
                        {"name": text(want.owner), "type": "CNAME", "content": text(want.target), "ttl": 1, "proxied": False}
                        for want in three(domain)
                    ]
                    await client.dns.records.batch(zone_id=zone, posts=posts)  # type: ignore[arg-type]

            await asyncio.gather(*(one(zone.id, zone.name) for zone in zones))

    began, cpu = time.perf_counter(), time.process_time()
    asyncio.run(work())
    took = time.perf_counter() - began
    return Took(took, took, time.process_time() - cpu)


def lexicon(at: Place) -> Took:
    """dns-lexicon as a library: a client for each zone, which creates the three records."""
    from lexicon.client import Client
    from lexicon.config import ConfigResolver

    began, cpu = time.perf_counter(), time.process_time()
    for domain in at.domains:
        config = ConfigResolver()  # type: ignore[no-untyped-call]
        config = config.with_dict({"provider_name": HOST, "domain": domain, HOST: {"auth_token": at.token}})
        client = Client(config)
        vendor = client.provider_class

        def at_the_fake(config: object, vendor: type = vendor) -> object:
            provider = vendor(config)
            provider.api_endpoint = at.reach.urls[HOST]
            return provider

        client.provider_class = at_the_fake  # type: ignore[assignment]
        with client as operations:
            for want in three(domain):
                operations.create_record("CNAME", text(want.owner), text(want.target))
    took = time.perf_counter() - began
    return Took(took, took, time.process_time() - cpu)


def octodns(at: Place) -> Took:
    """octoDNS as `octodns-sync --doit` works, all zones in one run."""
    import json

    from octodns.manager import Manager

    folder = at.reach.folder
    target = {
        "class": "octodns_cloudflare.CloudflareProvider",
        "api_url": at.reach.urls[HOST],
        "token": at.token,
        "pagerules": False,
    }
    source = {"class": "octodns.provider.yaml.YamlProvider", "directory": str(folder), "enforce_order": False}
    zones = {f"{domain}.": {"sources": ["config"], "targets": ["cloudflare"]} for domain in at.domains}
    (folder / "octodns.yaml").write_text(json.dumps({"providers": {"config": source, "cloudflare": target}, "zones": zones}))
    for domain in at.domains:
        kept = [record("@", "A", "192.0.2.10", domain), record("www", "CNAME", f"{domain}.", domain)]
        rows = {
            relative_text(held.owner, absolute(domain)).removeprefix("@"): {
                "type": held.rtype,
                "value": held.rdata,
                "ttl": 3600 if held in kept else 300,
            }
            for held in (*kept, *three(domain))
        }
        (folder / f"{domain}.yaml").write_text(json.dumps(rows))
    began, cpu = time.perf_counter(), time.process_time()
    Manager(str(folder / "octodns.yaml")).sync(dry_run=False)
    took = time.perf_counter() - began
    return Took(took, took, time.process_time() - cpu)


# -- the table ---------------------------------------------------------------------------------------------------------

NOTES = (
    "wixsend's wall time is that of the whole job; beside the bare script, which only writes, stands `written`.",
    "lexicon and octoDNS do a tenth of the zones, one after the other; their times are for as many zones as they did.",
)


def measured(tool: Callable[[Place], Took], setting: Setting) -> tuple[Took, Counted]:
    """Let a tool loose on fakes of its own."""
    with tempfile.TemporaryDirectory() as folder, served(setting, Path(folder)) as (place, counted):
        took = tool(place)
        found = counted()
        assert found.right == setting.zones, f"{tool.__name__} did not do its job: {found}"
        return took, found


def row(tool: str, count: int, took: Took, found: Counted, most_calls: float | None, most: float | None) -> dict[str, object]:
    return {
        "tool": tool,
        "zones": count,
        "calls per zone": Figure(round(found.calls / count, 2), most_calls),
        "written": Figure(took.written, most, " s"),
        "done": Figure(took.seconds, unit=" s"),
        "ms per zone": round(took.seconds / count * 1000, 1),
        "processor ms per zone": round(took.cpu / count * 1000, 1),
        "Wix calls per zone": round(found.wix / count, 2),
    }


def beside_peers(quick: bool) -> Report:
    """The whole job beside tools that do less, where nothing holds anybody up."""
    count = QUICK if quick else DOMAINS
    least, least_found = measured(bare, Setting(zones=count))
    took, found = measured(wixsend, Setting(zones=count))
    # With few zones the listing weighs more than what is measured.
    rows = [
        row("wixsend", count, took, found, None if quick else MOST_CALLS, None if quick else least.seconds * MOST_TIME),
        row("bare script", count, least, least_found, None, None),
    ]
    if not quick:
        for name, tool in (("lexicon", lexicon), ("octoDNS", octodns)):
            rows.append(row(name, count // PEERS, *measured(tool, Setting(zones=count // PEERS)), None, None))
    return Report("bulk", rows, notes=() if quick else NOTES)


# -- with quotas on ----------------------------------------------------------------------------------------------------

RATIONED_NOTES = (
    "Seconds by the fast clock. The limit is the least time in which so many calls can be made: the vendor's rates less the reserve.",
    "The calls are those for each zone, and one listing of all. That wixsend's windows are 3 % longer than the vendor's is in its time.",
)


def limit(host: str, calls: int) -> float:
    """The least seconds in which so many calls can be made with the budget that the host's plugin declares, from an unused one on.

    It allows fewer calls than the vendor, by the reserve, in windows as long as the vendor's: that wixsend's own are longer is its doing.
    """
    plugin = Plugins().get(host)
    budget = kept(plugin.quota, plugin.reserve)
    return seconds_for(calls, [replace(theirs, calls=ours.calls) for theirs, ours in zip(plugin.quota, budget, strict=True)])


def rationed(quick: bool) -> Report:
    """The whole job under the vendors' true limits, beside the least time that they allow."""
    rows: list[Row] = []
    for setting, most_calls in RATIONED.items():
        setting = replace(setting, zones=QUICK_RATIONED) if quick else setting
        took, found = measured(wixsend, setting)
        least = limit(setting.host, found.calls)
        rows.append(
            {
                "host": setting.host,
                "zones": setting.zones,
                "calls": found.calls,
                "calls per zone": Figure(round(found.calls / setting.zones, 2), None if quick else most_calls),
                "limit": Figure(least, unit=" s"),
                "written": Figure(took.written, None if quick else round(least * MOST_OF_LIMIT, 1), " s"),
                "asked too often": Figure(found.too_often, 0),
                "clock": Figure(setting.speed, unit=" ×"),
                "of one core": Figure(100 * took.cpu * setting.speed / took.seconds, unit=" %"),
            }
        )
    return Report("bulk-rationed", rows, notes=RATIONED_NOTES)


TABLES: dict[str, Callable[[bool], Report]] = {"bulk": beside_peers, "bulk-rationed": rationed, "bulk-workers": _workers.measure}


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--only", choices=TABLES, help="one of the tables")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keep_the_peers_inside(folder)
        first, *others = [measure(options.quick) for name, measure in TABLES.items() if options.only in (None, name)]
        return finish(first, options, *others)


if __name__ == "__main__":
    sys.exit(main())
