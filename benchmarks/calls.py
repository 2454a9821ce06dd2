"""How many calls of a DNS host's API, and of Wix's, one sending domain costs, counted by the fakes; beside lexicon and octoDNS.

    uv run benchmarks/calls.py

Every tool adds the same four CNAMEs to the same zone at the same fake, over HTTP. `fresh`: none of them is there; `nothing to do`:
all are; `after a prompt`: a person took a minute to say yes, so the zone is read again; `of 251 zones`: fresh, in an account that
holds 250 others. `writes` are those of the calls that change something when fresh, `lost` the other records and settings of the zone that
are not as they were afterwards.
"""

import asyncio
import contextlib
import io
import json
import os
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from _table import Figure, Report, arguments, finish
from wixsend.flow import Stage
from wixsend.locate import Located
from wixsend.names import relative_text, text
from wixsend.plan import Plan
from wixsend.records import Record
from wixsend.survey import Approve
from wixsend.testing.fakes import Request
from wixsend.testing.world import World, owner, record, yes

DOMAIN = "example.com"
HOSTS = ("cloudflare", "godaddy", "namecheap")
OTHERS = (
    record("@", "A", "192.0.2.10"),
    record("www", "CNAME", "example.com."),
    record("@", "MX", "10 mx1.example.net."),
    record("@", "TXT", '"v=spf1 include:_spf.example.net ~all"'),
    record("_dmarc", "TXT", '"v=DMARC1; p=reject; rua=mailto:d@example.com"'),
)
"""What the zone holds beforehand. The policy at `_dmarc` is kept, so four of Wix's five CNAMEs are added."""

SITUATIONS = ("fresh", "nothing to do", "after a prompt", "of 251 zones")
MOST: Mapping[str, tuple[int, int, int, int]] = {
    "cloudflare": (3, 2, 4, 3),
    "godaddy": (4, 2, 5, 4),
    "namecheap": (4, 2, 5, 4),
    "wix": (4, 4, 4, 4),
}
"""The targets, in the order of the situations. Polls while waiting are not part of them: here DNS shows a change at once."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one tool did in one situation."""

    calls: int
    writes: int
    lost: int
    wix: int


type Tool = Callable[[World, str, str], None]
"""Adds the four CNAMEs to the zone at a host, in a situation."""


def measure(tool: Tool, host: str, situation: str) -> Cost:
    """Let a tool loose in a world of its own, and count."""
    with tempfile.TemporaryDirectory() as folder, World(Path(folder)) as world:
        world.add(DOMAIN, host, OTHERS)
        if situation == "nothing to do":
            world.hosts[host].edit_behind(DOMAIN, add=four(world))
        if situation == "of 251 zones":
            for number in range(250):
                world.hosts[host].add_zone(f"client-{number:03}.example")
        before = _state(world, host)
        tool(world, host, situation)
        after = _state(world, host)
        held = {r for r in world.hosts[host].published(DOMAIN) if r.rtype == "CNAME"}
        assert set(four(world)) <= held, f"the tool did not do its job at {host}"
        calls = [call.request for call in world.server.calls if call.service == host]
        return Cost(len(calls), sum(map(_writes, calls)), sum((before - after).values()), world.server.count("wix"))


def four(world: World) -> list[Record]:
    """The CNAMEs that are to be added."""
    return [want for want in world.wanted(DOMAIN) if want.owner != owner("_dmarc")]


def _writes(request: Request) -> bool:
    if "xml" in request.path:
        return "sethosts" in dict(request.query).get("Command", request.form().get("Command", "")).lower()
    return request.method not in ("GET", "QUERY", "CHECK")  # DNS: an update that changes nothing is a question


def _state(world: World, host: str) -> Counter[str]:
    """The vendor's rows and settings as a multiset of JSON texts, without what the vendor renumbers at each write."""
    raw: dict[str, Any] = dict(world.raw(host, DOMAIN))
    volatile = {"id", "modified_on", "created_on", "HostId", "comment"}
    rows = [{key: value for key, value in row.items() if key not in volatile} for row in raw.pop("records")]
    return Counter(json.dumps(each, sort_keys=True, default=str) for each in (*rows, *raw.items()))


# -- the tools ---------------------------------------------------------------------------------------------------------


def wixsend(world: World, _host: str, situation: str) -> None:
    """The whole job: Wix asked, host found, zone read and judged, written, looked at, proven in DNS, authenticated."""

    async def after_a_minute(_plan: Plan, _located: Located) -> bool:
        world.clock.at += 60
        return True

    approve: Approve = after_a_minute if situation == "after a prompt" else yes
    entry = asyncio.run(world.run(DOMAIN).authenticate(approve=approve))
    assert entry.case.stage is Stage.DONE, entry.case


def lexicon_once(world: World, host: str, _situation: str) -> None:
    """dns-lexicon as a library: one client that creates the four records."""
    with _lexicon(world, host) as operations:
        for want in four(world):
            operations.create_record("CNAME", text(want.owner), text(want.target))


def lexicon_commands(world: World, host: str, _situation: str) -> None:
    """dns-lexicon as its command line works: each record with a client of its own."""
    for want in four(world):
        with _lexicon(world, host) as operations:
            operations.create_record("CNAME", text(want.owner), text(want.target))


_LEXICON = {
    "cloudflare": {"auth_token": "api_token"},
    "godaddy": {"auth_key": "key", "auth_secret": "secret"},
    "namecheap": {"auth_token": "api_key", "auth_username": "username", "auth_client_ip": "client_ip"},
}


@contextlib.contextmanager
def _lexicon(world: World, host: str) -> Iterator[Any]:
    """A client as in lexicon's documentation. It knows no base URL, so the provider that it makes is pointed at the fake afterwards."""
    from lexicon.client import Client
    from lexicon.config import ConfigResolver

    credentials = {theirs: world.hosts[host].credentials[ours] for theirs, ours in _LEXICON[host].items()}
    config = ConfigResolver()  # type: ignore[no-untyped-call]
    client = Client(config.with_dict({"provider_name": host, "domain": DOMAIN, host: credentials}))
    vendor = client.provider_class

    def at_the_fake(config: Any) -> Any:
        provider: Any = vendor(config)
        if host == "namecheap":
            provider.client.endpoint = _moved(provider.client.endpoint, world, host)
        else:
            provider.api_endpoint = _moved(provider.api_endpoint, world, host)
        return provider

    client.provider_class = at_the_fake  # type: ignore[assignment]
    with contextlib.redirect_stdout(io.StringIO()), client as operations:
        yield operations


def octodns(world: World, host: str, _situation: str) -> None:
    """octoDNS as `octodns-sync --doit` works: the zone as a file, the records beside the four as they are."""
    from octodns.manager import Manager

    credentials = world.hosts[host].credentials
    target = {
        "class": "octodns_cloudflare.CloudflareProvider",
        "api_url": _moved("https://api.cloudflare.com/client/v4", world, host),
        "token": credentials["api_token"],
        "pagerules": False,
    }
    folder = world.folder
    source = {"class": "octodns.provider.yaml.YamlProvider", "directory": str(folder), "enforce_order": False}
    zones = {f"{DOMAIN}.": {"sources": ["config"], "targets": ["cloudflare"]}}
    (folder / "octodns.yaml").write_text(json.dumps({"providers": {"config": source, "cloudflare": target}, "zones": zones}))
    (folder / f"{DOMAIN}.yaml").write_text(json.dumps(_octodns_zone([*OTHERS, *four(world)])))
    Manager(str(folder / "octodns.yaml")).sync(dry_run=False)


def _octodns_zone(records: Iterable[Record]) -> dict[str, list[dict[str, object]]]:
    zone: dict[str, list[dict[str, object]]] = {}
    for held in records:
        name = relative_text(held.owner, owner("@")).removeprefix("@")
        ttl = {"ttl": held.ttl} if held.ttl else {"octodns": {"cloudflare": {"auto-ttl": True}}}
        zone.setdefault(name, []).append({"type": held.rtype, "value": _octodns_value(held), **ttl})
    return zone


def _octodns_value(held: Record) -> object:
    if held.rtype == "MX":
        preference, exchange = held.rdata.split()
        return {"preference": int(preference), "exchange": exchange}
    return held.rdata.strip('"').replace(";", "\\;")


def _moved(endpoint: str, world: World, host: str) -> str:
    """The vendor's address with the fake's host and port."""
    return world.server.url(host) + urlsplit(endpoint).path


TOOLS: tuple[tuple[str, Tool, tuple[str, ...]], ...] = (
    ("wixsend", wixsend, HOSTS),
    ("lexicon, one client", lexicon_once, HOSTS),
    ("lexicon, 4 commands", lexicon_commands, HOSTS),
    ("octoDNS", octodns, ("cloudflare",)),
)


# -- the table ---------------------------------------------------------------------------------------------------------


def rows(tools: Iterable[tuple[str, Tool, tuple[str, ...]]]) -> Iterator[dict[str, object]]:
    """One row for each tool at each host, and one for Wix, of whose calls the worst count."""
    worst = dict.fromkeys(SITUATIONS, 0)
    for name, tool, hosts in tools:
        for host in hosts:
            row: dict[str, object] = {"API": host, "tool": name}
            costs = {each: measure(tool, host, each) for each in SITUATIONS if tool is wixsend or each != "after a prompt"}
            for situation, most in zip(SITUATIONS, MOST[host], strict=True):
                if situation in costs:
                    row[situation] = Figure(costs[situation].calls, most if tool is wixsend else None)
                    worst[situation] = max(worst[situation], costs[situation].wix)
            yield {**row, "writes": costs["fresh"].writes, "lost": Figure(costs["fresh"].lost, 0 if tool is wixsend else None)}
    yield {"API": "wix", "tool": "wixsend"} | {
        situation: Figure(worst[situation], most) for situation, most in zip(SITUATIONS, MOST["wix"], strict=True)
    }


def keep_the_peers_inside(folder: str) -> None:
    """By their own settings: no list of public suffixes is fetched, no cache outlives the run, and no proxy stands before loopback."""
    os.environ |= {
        "TLDEXTRACT_PUBLIC_SUFFIX_LIST_URLS": "",
        "TLDEXTRACT_CACHE": folder,
        "TLDEXTRACT_CACHE_PATH": folder,
        "NO_PROXY": "127.0.0.1",
        "no_proxy": "127.0.0.1",
    }


NOTES = (
    "wixsend does the whole job (plan, guard, journal, proof in DNS, Wix); the peers only write, and their figures leave all of that out.",
    "lexicon cannot be told a base URL: its provider objects are pointed at the fake. octoDNS can (api_url); page rules are off.",
    "Where it is not known how a vendor behaves, the fakes take the worst case: for Namecheap, a mail setting that is not sent is lost.",
)


def main() -> int:
    options = arguments(__doc__).parse_args()
    tools = TOOLS[:1] if options.quick else TOOLS
    with tempfile.TemporaryDirectory() as folder:
        keep_the_peers_inside(folder)
        found = sorted(rows(tools), key=lambda row: [*MOST].index(str(row["API"])))
    return finish(Report("calls", found, notes=() if options.quick else NOTES), options)


if __name__ == "__main__":
    sys.exit(main())
