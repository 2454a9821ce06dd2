"""What runs in a process of its own: lexicon, once, for one zone. Nothing that it prints, logs or warns of reaches anybody.

A job comes as JSON on the standard input, `{"host", "domain", "credentials", "records", "timeout"}`, and an answer goes as JSON to the
standard output, `{"done": N}` for the records that were made, and beside it, when something went wrong, `{"error", "status", "message"}`.
Without records the account is opened, and that is all: lexicon then looks whether it holds the domain.
"""

import json
import logging
import os
import socket
import sys
import warnings
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

__all__ = ["main"]

_LONGEST = 20_000


def main() -> None:
    job = json.load(sys.stdin)
    answer = _silenced()
    told: dict[str, Any] = {"done": 0}
    try:
        for told["done"] in _work(job):
            pass
    except BaseException as wrong:  # a provider that calls sys.exit() is told like any other failure
        status = getattr(getattr(wrong, "response", None), "status_code", None)
        told |= {"error": type(wrong).__name__, "status": status, "message": str(wrong)[:_LONGEST]}
    answer.write(json.dumps(told))
    answer.flush()


def _silenced() -> Any:
    """The standard output for ourselves alone; what else is written to it, or to the standard error, by whatever code, goes nowhere."""
    answer = os.fdopen(os.dup(1), "w", encoding="utf-8")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    return answer


def _patient(seconds: float) -> None:
    """A limit for each wait on the network where lexicon's providers have none: sockets by default, and requests, which overrides that."""
    from requests.adapters import HTTPAdapter

    socket.setdefaulttimeout(seconds)
    send = HTTPAdapter.send

    def limited(self: HTTPAdapter, request: Any, stream: bool = False, timeout: Any = None, **options: Any) -> Any:
        return send(self, request, stream, seconds if timeout is None else timeout, **options)

    HTTPAdapter.send = limited  # type: ignore[assignment, method-assign]


def _work(job: dict[str, Any]) -> Iterator[int]:
    """How many records were made, each time that one was."""
    from lexicon import client
    from lexicon.config import ConfigResolver
    from tldextract import TLDExtract

    _patient(job["timeout"])
    # lexicon guesses the zone by the public suffix list, which it would fetch; the zone is known, and `delegated` says it.
    vars(client)["tldextract"] = SimpleNamespace(TLDExtract=lambda **options: TLDExtract(**options, suffix_list_urls=()))
    said = {"provider_name": job["host"], "domain": job["domain"], "delegated": job["domain"], job["host"]: job["credentials"]}
    config: Any = ConfigResolver  # not typed by lexicon
    with client.Client(config().with_dict(said)) as operations:
        for made, (owner, target) in enumerate(job["records"], 1):
            if operations.create_record("CNAME", owner, target) is not True:
                raise RuntimeError(f"lexicon says that {owner} was not created")
            yield made


if __name__ == "__main__":
    main()
