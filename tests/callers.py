"""A process of its own that calls a vendor as often as it may: `callers.py URL SPEED CALLS` prints the moments, in milliseconds.

Each line is said as soon as the call may be made, so that who kills this process knows how far it came.
"""

import asyncio
import sys

from wixsend.provider import Rate
from wixsend.quota import Quotas, kept

RATES = (Rate(10, 10.0), Rate(15, 20.0))
SECRET = "s3cr3t-token-of-somebody"


async def call(url: str, speed: float, calls: int) -> None:
    quotas = Quotas(url, speed=speed)
    quota = quotas.quota("host", kept(RATES), secret=[SECRET])

    async def once() -> None:
        print((await quota.take()).at, flush=True)

    await asyncio.gather(*(once() for _ in range(calls)))
    await quotas.close()


if __name__ == "__main__":
    asyncio.run(call(sys.argv[1], float(sys.argv[2]), int(sys.argv[3])))
