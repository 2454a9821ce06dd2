"""How many questions a second a proof of many domains asks, beside dnspython's resolver and dnsperf, on real name servers and resolvers.

    uv run benchmarks/proof_rate.py

1,000 domains with 5 records each, at 2 addresses of their DNS host (PowerDNS) and at 3 resolvers (unbound, kresd, BIND) that have them in
their caches. `wixsend` walks to each zone, proves every record, and judges. `dns.asyncresolver` asks the same of the same servers, without
the walk and the verdicts, as many at a time as was best. `dnsperf`, in C, is what the servers can do: the sum of its times at each of
them. `sockets alone` is our own way of asking and comparing bytes, without walk, settings and verdicts. Each in a process of its own, in
turns; the best of the turns counts. The target beside dns.asyncresolver is held against processor time and against the clock, though the
servers take their share of the same cores. Needs root and the Debian packages in `.ci/apt.txt`.
"""

import asyncio
import json
import re
import resource
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, replace
from itertools import islice

from _table import ROOT, Figure, Report, arguments, finish

sys.path.insert(0, str(ROOT / "tests"))
from live_servers.lab import BIND_RESOLVER, KRESD, POWERDNS, UNBOUND, Lab, lacking
from live_servers.lab import ROOT as ROOT_SERVER
from wixsend.exchange import DnsSettings, Hoped
from wixsend.lookup import Dns
from wixsend.names import Name, absolute, text
from wixsend.packets import Manner, Packets, shows
from wixsend.records import Record
from wixsend.testing.world import record
from wixsend.verdict import Proof

NAMES = ("s1._domainkey", "s2._domainkey", "sel1._domainkey", "sg", "_dmarc")
AUTHORITATIVE, RESOLVERS = POWERDNS[:2], (UNBOUND, KRESD, BIND_RESOLVER)
SERVERS = (*AUTHORITATIVE, *RESOLVERS)
UNLIMITED = float("inf")
AT_ONCE = (8, 16, 32, 64)
"""How many questions of dns.asyncresolver are open at a time: the best of these counts."""

TIMES_FASTER, DNSPERF_FASTER, MEMORY = 3, 10, 150
"""The targets: dns.asyncresolver takes at least so many times our time; dnsperf is at most so many times as fast; megabytes."""


@dataclass(frozen=True, slots=True)
class Measured:
    """Questions asked, seconds, processor seconds of the asking process, and its memory at the most, in megabytes."""

    questions: int
    seconds: float
    processor: float
    memory: float = 0.0

    @property
    def rate(self) -> float:
        return self.questions / self.seconds


def apex(number: int) -> str:
    return f"bulk{number}.com"


def wanted(zone: str) -> list[Record]:
    return [record(name, "CNAME", f"{name}.{zone}.s004.ascendbywix.com.", zone, 3600) for name in NAMES]


def settings(per_second: float) -> DnsSettings:
    where = DnsSettings(resolvers=RESOLVERS, roots=(ROOT_SERVER,), private_servers=True, ipv6=False)
    return replace(where, in_flight=512, per_server=64, per_second=per_second)


# -- those who are measured, each in a process of its own


async def wixsend(asks: Mapping[Name, list[Record]], per_second: float) -> int:
    """Every proof, streamed; the questions that it took."""
    client = Dns(settings(per_second))
    proved = 0
    async for domain, proof in client.prove_each(asks.items()):
        if not (isinstance(proof, Proof) and proof.complete):
            raise RuntimeError(f"{text(domain)} is not proved: {proof}")
        proved += 1
    if proved != len(asks):
        raise RuntimeError(f"{proved} of {len(asks)} came")
    await client.close()
    return client.queries.total()


async def sockets(asks: Mapping[Name, list[Record]], at_once: float) -> int:
    """The same questions as bytes, and nothing else."""
    packets, left = Packets(), ((server, [Hoped.of(want) for want in wants]) for wants in asks.values() for server in SERVERS)
    wrong = 0

    async def work() -> None:
        nonlocal wrong
        for server, hopes in left:
            asked, first_hand = [hoped.asked for hoped in hopes], server in AUTHORITATIVE
            answers = await packets.udp((server, 53), asked, how=Manner(rd=not first_hand), timeout=5)
            for got, hoped in zip(answers, hopes, strict=True):
                wrong += isinstance(got, OSError) or shows(got, hoped.asked, hoped.target, authority=first_hand) is None

    await asyncio.gather(*(work() for _ in range(int(at_once) // len(NAMES))))
    if wrong:
        raise RuntimeError(f"{wrong} answers are not as expected")
    return questions(asks)


async def asyncresolver(asks: Mapping[Name, list[Record]], at_once: float) -> int:
    """The same questions to the same servers, each server a resolver of its own."""
    import dns.asyncresolver

    resolvers = []
    for server in SERVERS:
        resolver = dns.asyncresolver.Resolver(configure=False)
        resolver.nameservers = [server]
        resolvers.append(resolver)
    left = ((resolver, want) for wants in asks.values() for want in wants for resolver in resolvers)
    wrong = 0

    async def work() -> None:
        nonlocal wrong
        for resolver, want in left:
            answer = await resolver.resolve(want.owner, want.rtype)
            wrong += [rdata.target for rdata in answer] != [want.target]

    await asyncio.gather(*(work() for _ in range(int(at_once))))
    if wrong:
        raise RuntimeError(f"{wrong} answers are not as expected")
    return questions(asks)


def questions(asks: Mapping[Name, list[Record]]) -> int:
    return sum(map(len, asks.values())) * len(SERVERS)


ASKERS: Mapping[str, Callable[[Mapping[Name, list[Record]], float], Awaitable[int]]] = {
    "wixsend": wixsend,
    "sockets": sockets,
    "asyncresolver": asyncresolver,
}


def child(who: str, domains: int, how: float) -> None:
    """Ask, and print what it took."""
    asks = {absolute(apex(number)): wanted(apex(number)) for number in range(domains)}

    async def run(some: Mapping[Name, list[Record]]) -> int:
        return await ASKERS[who](some, how)

    asyncio.run(run(dict(islice(asks.items(), 2))))  # imports what is imported when first needed
    start, worked = time.monotonic(), time.process_time()
    asked = asyncio.run(run(asks))
    seconds, processor = time.monotonic() - start, time.process_time() - worked
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(json.dumps(asdict(Measured(asked, seconds, processor, memory))))


# -- the measuring


def measured(who: str, domains: int, how: float) -> Measured:
    done = subprocess.run([sys.executable, __file__, "--child", who, str(domains), str(how)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{who} failed:\n{done.stderr}")
    return Measured(**json.loads(done.stdout))


def dnsperf(lab: Lab, domains: int) -> Measured:
    """Every question to one server after the other: together they take what the servers take."""
    asked = lab.folder / "questions"
    asked.write_text("".join(f"{text(want.owner)} {want.rtype}\n" for number in range(domains) for want in wanted(apex(number))))
    found: list[Measured] = []
    for server in SERVERS:
        start = resource.getrusage(resource.RUSAGE_CHILDREN)
        command = ["dnsperf", "-s", server, "-d", str(asked), "-n", "1", "-c", "4", "-T", "1"]
        printed = subprocess.run(command, capture_output=True, text=True, check=True).stdout
        end = resource.getrusage(resource.RUSAGE_CHILDREN)
        completed, seconds = (re.search(pattern, printed) for pattern in (r"Queries completed:\s+(\d+)", r"Run time \(s\):\s+([\d.]+)"))
        if completed is None or seconds is None or int(completed[1]) != domains * len(NAMES):
            raise RuntimeError(f"dnsperf lost questions:\n{printed}")
        processor = end.ru_utime + end.ru_stime - start.ru_utime - start.ru_stime
        found.append(Measured(int(completed[1]), float(seconds[1]), processor))
    return Measured(sum(f.questions for f in found), sum(f.seconds for f in found), sum(f.processor for f in found))


def best(turns: Sequence[Measured]) -> Measured:
    """The fastest turn, with the least processor time of any: other work on the machine makes both worse, never better."""
    return replace(max(turns, key=lambda one: one.rate), processor=min(one.processor for one in turns))


def measure(lab: Lab, domains: int, turns: int) -> tuple[dict[str, Measured], int]:
    """Everybody's best, and how many questions of dns.asyncresolver were best."""
    for number in range(domains):
        lab.zone(*wanted(apex(number)), apex=apex(number))
    dnsperf(lab, domains)  # fills the caches
    few = max(1, domains // 5)
    at_once = max(AT_ONCE, key=lambda how: measured("asyncresolver", few, how).rate)
    found: dict[str, list[Measured]] = {"wixsend": [], "sockets": [], "asyncresolver": [], "dnsperf": []}
    for _turn in range(turns):
        found["wixsend"].append(measured("wixsend", domains, UNLIMITED))
        found["asyncresolver"].append(measured("asyncresolver", domains, at_once))
        found["sockets"].append(measured("sockets", domains, 64))
        found["dnsperf"].append(dnsperf(lab, domains))
    polite = measured("wixsend", few, DnsSettings().per_second)
    return {who: best(each) for who, each in found.items()} | {"polite": polite}, at_once


def report(found: Mapping[str, Measured], at_once: int) -> Report:
    """The table; rates that have to be reached are shown as the time for a question, which must not be over it."""
    ours, peer, limit = found["wixsend"], found["asyncresolver"], found["dnsperf"]
    each = {who: 1e6 * one.processor / one.questions for who, one in found.items()}
    labels = {
        "wixsend": "wixsend",
        "sockets": "wixsend, sockets alone",
        "asyncresolver": f"dns.asyncresolver, {at_once} at a time",
        "dnsperf": "dnsperf",
        "polite": f"wixsend, {DnsSettings().per_second:g}/s at each server (default)",
    }
    most, rows = min(DNSPERF_FASTER / limit.rate, 1 / (TIMES_FASTER * peer.rate)), []
    for who, label in labels.items():
        one, target = found[who], who == "wixsend"
        rows.append(
            {
                "asker": label,
                "questions": one.questions,
                "seconds": one.seconds,
                "questions/s": round(one.rate),
                "µs each": Figure(round(1e6 / one.rate, 1), round(1e6 * most) if target else None),
                "CPU µs each": Figure(round(each[who], 1), round(each["asyncresolver"] / TIMES_FASTER) if target else None),
                "memory": Figure(round(one.memory), MEMORY if target else None, " MB") if one.memory else None,
            }
        )
    notes = [
        f"wixsend was {ours.rate / peer.rate:.1f} times as fast as dns.asyncresolver (target: at least {TIMES_FASTER}) "
        f"and took 1/{each['asyncresolver'] / each['wixsend']:.1f} of its processor time.",
        f"dnsperf was {limit.rate / ours.rate:.1f} times as fast as wixsend (target: at most {DNSPERF_FASTER}).",
        f"One core of Python bounds it: {each['sockets']:.0f} µs of processor time for sockets, the event loop and comparing bytes, "
        f"{each['wixsend'] - each['sockets']:.0f} µs for turns, the walk to each zone, and the verdicts.",
        "What politeness costs: a server that has every record of every domain sets the pace; a second's worth goes at once.",
    ]
    return Report("proof_rate", rows, notes=notes)


def main() -> int:
    parser = arguments(__doc__)
    parser.add_argument("--child", nargs=3, metavar=("WHO", "DOMAINS", "HOW"), help="used by the benchmark itself")
    options = parser.parse_args()
    if options.child:
        who, domains, how = options.child
        child(who, int(domains), float(how))
        return 0
    if why := lacking():
        sys.exit(f"this benchmark cannot run here: {why}")
    with ExitStack() as stack:
        lab = stack.enter_context(Lab())
        stack.enter_context(lab.entered())
        found, at_once = measure(lab, *((200, 4) if options.quick else (1000, 3)))
    return finish(report(found, at_once), options)


if __name__ == "__main__":
    sys.exit(main())
