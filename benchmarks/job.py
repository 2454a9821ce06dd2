"""How long the whole job takes for one domain where no network is slow, beside the same requests and questions without wixsend.

    uv run benchmarks/job.py

Wix, the DNS host and DNS are fakes in a process of their own on loopback, so what is measured is the work of this machine: on the internet
each request adds its round trip. `job` is `wixsend authenticate` within one process, from opening everything to closing it, and `first job`
the first in that process, which imports the vendor's SDK. `bare` sends the same HTTP requests to fresh fakes with bare httpx, and asks the
same DNS questions with bare dnspython, one after the other. Each figure is the least of several: whatever disturbs a run makes it slower.
"""

import asyncio
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path

import dns.flags
import dns.message
import dns.query
import httpx

from _table import Report, arguments, finish
from wixsend.flow import Stage
from wixsend.testing.fakes import Request
from wixsend.testing.world import Clock, Reach, Run, World, record

HOSTS = ("cloudflare", "godaddy", "namecheap")
DOMAINS, QUICK = 21, 4


@dataclass(frozen=True, slots=True)
class Heard:
    """What arrived at the fakes: HTTP requests with service and status of the answer, and DNS questions with address, type and RD."""

    requests: list[tuple[str, Request, int]]
    questions: list[tuple[str, str, str, bool]]


def serve(host: str, domains: list[str], folder: Path, pipe: Connection) -> None:
    """A world with these domains in a process of its own: sends how to reach it, then what it heard, each time it is asked."""
    with World(folder) as world:
        for domain in domains:
            others = (("@", "A", "192.0.2.10"), ("@", "MX", "10 mx1.example.net."), ("@", "TXT", '"v=spf1 include:_spf.example.net ~all"'))
            world.add(domain, host, [record(*other, apex=domain) for other in others])
        pipe.send(world.reach())
        while pipe.recv():
            calls = [(call.service, call.request, call.status) for call in world.server.calls]
            asked = [(_address(world, query.server), query.name.to_text(), query.rtype, query.rd) for query in world.dns.queries]
            pipe.send(Heard(calls, asked))
            world.server.reset_counts()
            world.dns.queries.clear()


def _address(world: World, server: str) -> str:
    """The address of a name server that is known by its host name; a resolver is known by its address."""
    return server if server in world.dns.endpoints else world.dns.add_name_server(server)[0]


@contextmanager
def served(host: str, domains: list[str], folder: Path) -> Iterator[tuple[Reach, Callable[[], Heard]]]:
    """How to reach a world in another process, and what asks it for what it has heard since the last time."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=serve, args=(host, domains, folder, there), daemon=True)
    process.start()

    def heard() -> Heard:
        here.send(True)
        found: Heard = here.recv()
        return found

    yield here.recv(), heard
    here.send(False)
    process.join()


@dataclass(frozen=True, slots=True)
class Took:
    """Milliseconds on the clock, and of this process's processor time."""

    clock: float
    cpu: float


def timed[**P](work: Callable[P, object], *args: P.args, **kwargs: P.kwargs) -> Took:
    """How long some work took."""
    clock, cpu = time.perf_counter(), time.process_time()
    work(*args, **kwargs)
    return Took(1000 * (time.perf_counter() - clock), 1000 * (time.process_time() - cpu))


def least(took: Iterable[Took]) -> Took:
    """The least of each."""
    times = list(took)
    return Took(min(one.clock for one in times), min(one.cpu for one in times))


def job(reach: Reach, domain: str) -> None:
    """The whole job."""
    entry = asyncio.run(Run(lambda: reach, Clock(), domain, {}).authenticate())
    assert entry.case.stage is Stage.DONE, entry.case


def bare_http(reach: Reach, heard: Heard) -> None:
    """The same requests, one client for each service."""
    services = dict.fromkeys(service for service, _request, _status in heard.requests)
    clients = {service: httpx.Client(trust_env=False, verify=False) for service in services}
    for service, request, status in heard.requests:
        headers = {name: value for name, value in request.headers.items() if name not in ("host", "content-length")}
        url = httpx.URL(reach.urls[service]).copy_with(path=request.path, params=request.query)
        answer = clients[service].request(request.method, url, headers=headers, content=request.body)
        assert answer.status_code == status, answer.text
    for client in clients.values():
        client.close()


def bare_dns(reach: Reach, heard: Heard) -> None:
    """The same questions."""
    for address, name, rtype, recursive in heard.questions:
        host, _, port = reach.dns.endpoints[address].rpartition(":")
        query = dns.message.make_query(name, rtype, use_edns=0, payload=1232)
        query.flags = dns.flags.RD if recursive else dns.flags.Flag(0)
        dns.query.udp(query, host, port=int(port), timeout=2.0)


def measure(host: str, domains: list[str]) -> dict[str, object]:
    """One row: the jobs in one world, the bare requests in another that begins alike."""
    with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
        with served(host, domains, Path(one)) as (reach, hear):
            jobs, heard = [], []
            for domain in domains:
                jobs.append(timed(job, reach, domain))
                heard.append(hear())
        with served(host, domains, Path(other)) as (reach, _):
            http = least(timed(bare_http, reach, each) for each in heard)
            questions = least(timed(bare_dns, reach, each) for each in heard)
    whole = least(jobs[1:])
    bare = Took(http.clock + questions.clock, http.cpu + questions.cpu)
    return {
        "host": host,
        "requests": len(heard[0].requests),
        "questions": len(heard[0].questions),
        "first job ms": round(jobs[0].clock, 1),
        "job ms": round(whole.clock, 1),
        "bare ms": round(bare.clock, 1),
        "job CPU ms": round(whole.cpu, 1),
        "bare CPU ms": round(bare.cpu, 1),
        "× bare CPU": round(whole.cpu / bare.cpu, 1),
    }


def main() -> int:
    options = arguments(__doc__).parse_args()
    domains = [f"client{number}.com" for number in range(QUICK if options.quick else DOMAINS)]
    rows = [measure(host, domains) for host in HOSTS]
    return finish(
        Report("job", rows, notes=[f"The least of {len(domains) - 1} domains, one after the other."]),
        options,
    )


if __name__ == "__main__":
    sys.exit(main())
