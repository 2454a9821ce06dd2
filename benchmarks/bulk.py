"""What many domains cost: calls and wall time for three CNAMEs in each of 1,000 zones, beside lexicon, octoDNS and a bare script.

    uv run benchmarks/bulk.py

Wix, Cloudflare and DNS are fakes in a process of their own on loopback; each HTTP call takes 50 ms more than the fake needs, and no quota
holds anybody up. All zones are in one account. `wixsend` does the whole job: it asks Wix, lists the account's zones once, reads, judges,
writes, proves in DNS and has Wix authenticate; `written` is when the last zone was written. The bare script lists the zones, and sends one
read and one batch for each with the vendor's asynchronous SDK, as many at once as wixsend. lexicon and octoDNS do a part of the zones, one
after the other as they always do; their figures are for each domain.
"""

import argparse
import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from _table import Figure, Report, arguments, finish
from calls import keep_the_peers_inside
from wixsend.adapters import OVERLAP
from wixsend.engine import Update
from wixsend.flow import Stage
from wixsend.names import absolute, relative_text, text
from wixsend.records import Record
from wixsend.runs import Ref
from wixsend.testing.server import Fault
from wixsend.testing.world import Clock, Fleet, Reach, World, record

DOMAINS, QUICK = 1000, 60
PEERS = 10
"""The peers do one zone in so many."""
LATENCY = 0.05
MOST_CALLS = 2.1
MOST_TIME = 1.4
HOST = "cloudflare"


def names(count: int) -> list[str]:
    return [f"client-{number:05}.com" for number in range(count)]


def three(domain: str) -> list[Record]:
    """The CNAMEs that are to be added."""
    return [record(owner, "CNAME", f"{owner}.s004.ascendbywix.com.", domain) for owner in ("s1._domainkey", "s2._domainkey", "sg")]


# -- the fakes, in a process of their own ------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Counted:
    """What arrived, and whether each zone holds all that it should."""

    calls: int
    wix: int
    right: int


def serve(count: int, folder: Path, pipe: Connection) -> None:
    """A world with so many zones at one host: sends how to reach it, and then, when it is asked, what it has counted."""
    with World(folder) as world:
        for domain in names(count):
            world.wix.add_domain(domain, wants=three(domain))
            world.add_zone(domain, HOST, [record("@", "A", "192.0.2.10", domain), record("www", "CNAME", f"{domain}.", domain)])
        world.server.faults.add(Fault("latency", times=10**9, seconds=LATENCY))
        pipe.send(world.reach())
        while pipe.recv():
            held = [set(world.hosts[HOST].published(domain)) for domain in names(count)]
            right = sum(set(three(domain)) <= records for domain, records in zip(names(count), held, strict=True))
            pipe.send(Counted(world.server.count(HOST), world.server.count("wix"), right))


@contextmanager
def served(count: int, folder: Path) -> Iterator[tuple[Reach, Callable[[], Counted]]]:
    """How to reach a world in another process, and what asks it for what it has counted."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(count, folder, there), daemon=True)
    process.start()

    def counted() -> Counted:
        here.send(True)
        found: Counted = here.recv()
        return found

    yield here.recv(), counted
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
    """Seconds until everything was done, until the last zone was written, and of the processor."""

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


def wixsend(reach: Reach, count: int) -> Took:
    """The whole job for every domain."""
    fleet = Timed(lambda: reach, RealClock(), "", {}, settings={"timeout": 10.0}, timeout=30.0)
    began, cpu = time.perf_counter(), time.process_time()
    asyncio.run(fleet.bulk("\n".join(["domain", *names(count)])))
    took = Took(time.perf_counter() - began, max(fleet.written.values()) - began, time.process_time() - cpu)
    journal = fleet.journal()
    assert all(entry.case.stage is Stage.DONE for entry in journal.entries()), "not every domain was authenticated"
    journal.close()
    return took


def bare(reach: Reach, count: int) -> Took:
    """One listing, then one read and one batch for each zone, with the vendor's asynchronous SDK."""
    from cloudflare import AsyncCloudflare

    async def work() -> None:
        room = asyncio.Semaphore(OVERLAP)
        token = reach.accounts[0].credentials["api_token"]
        async with AsyncCloudflare(api_token=token, base_url=reach.urls[HOST], max_retries=0) as client:
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


def lexicon(reach: Reach, count: int) -> Took:
    """dns-lexicon as a library: a client for each zone, which creates the three records."""
    from lexicon.client import Client
    from lexicon.config import ConfigResolver

    began, cpu = time.perf_counter(), time.process_time()
    for domain in names(count):
        config = ConfigResolver()  # type: ignore[no-untyped-call]
        config = config.with_dict(
            {"provider_name": HOST, "domain": domain, HOST: {"auth_token": reach.accounts[0].credentials["api_token"]}}
        )
        client = Client(config)
        vendor = client.provider_class

        def at_the_fake(config: object, vendor: type = vendor) -> object:
            provider = vendor(config)
            provider.api_endpoint = reach.urls[HOST]
            return provider

        client.provider_class = at_the_fake  # type: ignore[assignment]
        with client as operations:
            for want in three(domain):
                operations.create_record("CNAME", text(want.owner), text(want.target))
    took = time.perf_counter() - began
    return Took(took, took, time.process_time() - cpu)


def octodns(reach: Reach, count: int) -> Took:
    """octoDNS as `octodns-sync --doit` works, all zones in one run."""
    import json

    from octodns.manager import Manager

    folder = reach.folder
    target = {
        "class": "octodns_cloudflare.CloudflareProvider",
        "api_url": reach.urls[HOST],
        "token": reach.accounts[0].credentials["api_token"],
        "pagerules": False,
    }
    source = {"class": "octodns.provider.yaml.YamlProvider", "directory": str(folder), "enforce_order": False}
    zones = {f"{domain}.": {"sources": ["config"], "targets": ["cloudflare"]} for domain in names(count)}
    (folder / "octodns.yaml").write_text(json.dumps({"providers": {"config": source, "cloudflare": target}, "zones": zones}))
    for domain in names(count):
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


def measured(tool: Callable[[Reach, int], Took], count: int) -> tuple[Took, Counted]:
    """Let a tool loose on fakes of its own."""
    with tempfile.TemporaryDirectory() as folder, served(count, Path(folder)) as (reach, counted):
        took = tool(reach, count)
        found = counted()
        assert found.right == count, f"{tool.__name__} did not do its job: {found}"
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


def measure(options: argparse.Namespace) -> Report:
    count = QUICK if options.quick else DOMAINS
    least, least_found = measured(bare, count)
    took, found = measured(wixsend, count)
    # With few zones the listing weighs more than what is measured.
    rows = [
        row("wixsend", count, took, found, None if options.quick else MOST_CALLS, None if options.quick else least.seconds * MOST_TIME),
        row("bare script", count, least, least_found, None, None),
    ]
    if not options.quick:
        for name, tool in (("lexicon", lexicon), ("octoDNS", octodns)):
            rows.append(row(name, count // PEERS, *measured(tool, count // PEERS), None, None))
    return Report("bulk", rows, notes=() if options.quick else NOTES)


def main() -> int:
    options = arguments(__doc__).parse_args()
    with tempfile.TemporaryDirectory() as folder:
        keep_the_peers_inside(folder)
        return finish(measure(options), options)


if __name__ == "__main__":
    sys.exit(main())
