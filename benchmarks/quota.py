"""What it costs to count a call: a slot in the record, in memory and in a file, beside the request that it is for.

    uv run benchmarks/quota.py

The request is one of httpx to a server on loopback, sent as a plugin sends it. The rates are Namecheap's three, so wide that nobody waits.
All take turns, so that whatever else the machine does meets all of them alike.
"""

import asyncio
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from statistics import median

from _table import Report, arguments, finish
from wixsend.provider import Rate
from wixsend.quota import IN_MEMORY, Quotas
from wixsend.testing.fakes import Request, Response
from wixsend.testing.server import Server
from wixsend.wire import HttpWire

ROUNDS, QUICK = 20, 4
CALLS = 50
RATES = (Rate(10**6, 60), Rate(10**7, 3600), Rate(10**8, 86400))


def answer(_request: Request) -> Response:
    return Response.json({})


async def took(once: Callable[[], Awaitable[object]]) -> tuple[float, float]:
    """Milliseconds of processor time in this process, and on the clock, for each of some calls."""
    began, cpu = time.perf_counter(), time.process_time()
    for _ in range(CALLS):
        await once()
    return 1000 * (time.process_time() - cpu) / CALLS, 1000 * (time.perf_counter() - began) / CALLS


async def measure(folder: Path, rounds: int) -> list[dict[str, object]]:
    memory, file = Quotas(IN_MEMORY), Quotas(f"sqlite:///{folder / 'quota.db'}", folder)
    in_memory, in_file = memory.quota("host", RATES), file.quota("host", RATES)
    with Server({"host": answer}) as server:
        wire = HttpWire(server.url("host"))
        client = wire.async_client(base_url=wire.base_url)
        ways: dict[str, Callable[[], Awaitable[object]]] = {
            "a slot, in memory": in_memory.take,
            "a slot, in a file": in_file.take,
            "the request alone": lambda: client.get("/"),
        }
        for once in ways.values():
            await took(once)
        turns = [{name: await took(once) for name, once in ways.items()} for _ in range(rounds)]
        await client.aclose()
    await memory.close()
    await file.close()
    return [
        {
            "what": name,
            "CPU ms": round(median(turn[name][0] for turn in turns), 2),
            "ms": round(median(turn[name][1] for turn in turns), 2),
        }
        for name in ways
    ]


def main() -> int:
    options = arguments(__doc__).parse_args()
    rounds = QUICK if options.quick else ROUNDS
    with tempfile.TemporaryDirectory() as folder:
        rows = asyncio.run(measure(Path(folder), rounds))
    return finish(Report("quota", rows, notes=[f"The median of {rounds} rounds of {CALLS} calls."]), options)


if __name__ == "__main__":
    sys.exit(main())
