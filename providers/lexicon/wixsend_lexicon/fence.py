"""What fences lexicon in: a process for each job, without our environment, with a deadline, whose output nobody sees but its answer.

lexicon's providers are of eighty hands. Some print, some wait for ever, some read files and variables, most have no time-outs; the library
keeps state for each thread, fetches the public suffix list, and writes into the home folder. All of that ends with the process. The
credentials go to it over its standard input: the arguments and the environment of a process can be read by others.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

__all__ = ["Ended", "Job", "run"]

_COMMAND = (sys.executable, "-I", "-m", "wixsend_lexicon.child")
_LONGEST = 100_000


@dataclass(frozen=True, slots=True)
class Job:
    """What is asked of lexicon: records to make, as (owner, target) without final dots, or none, to open the account alone.

    `timeout` is for each wait on the network, in seconds; `deadline` for all of it.
    """

    host: str
    domain: str
    credentials: Mapping[str, str]
    records: Sequence[tuple[str, str]] = ()
    timeout: float = 30.0
    deadline: float = 120.0

    def __repr__(self) -> str:
        return f"Job({self.host}, {self.domain}, {len(self.records)} records)"


class Ended(Exception):
    """A job that did not end well: the `error` by its class in lexicon, an HTTP `status`, after `done` records, or `None`: not known."""

    def __init__(self, error: str, message: str, status: int | None = None, done: int | None = None) -> None:
        super().__init__(message)
        self.error, self.status, self.done = error, status, done


def run(job: Job) -> None:
    """Do it. Raises `Ended`, with the words of lexicon, which may hold anything."""
    told = _told(_spoken(job))
    if told.get("error"):
        raise Ended(str(told["error"]), str(told.get("message", "")), told.get("status"), told["done"])
    if told["done"] != len(job.records):
        raise Ended("Unfinished", "lexicon's process ended before its work was done", done=told["done"])


def _spoken(job: Job) -> bytes:
    """What the process answered; it has ended, or was killed, when this returns or raises."""
    asked = {
        "host": job.host,
        "domain": job.domain,
        "credentials": dict(job.credentials),
        "records": list(job.records),
        "timeout": job.timeout,
    }
    with tempfile.TemporaryDirectory(prefix="wixsend-lexicon-") as home:
        process = subprocess.Popen(  # noqa: S603 - our own interpreter, and a module of ours
            _COMMAND,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=home,
            env=_environment(home),
            start_new_session=True,  # Ctrl-C is for us: we say what becomes of an edit that is under way
        )
        try:
            answer, _ = process.communicate(json.dumps(asked).encode(), job.deadline)
        except subprocess.TimeoutExpired:
            raise Ended("Deadline", f"no end after {job.deadline:g} seconds") from None
        finally:
            _end(process)
    return answer[:_LONGEST]


def _environment(home: str) -> dict[str, str]:
    """Nothing of ours but what Windows cannot start a process without."""
    return {"HOME": home, "USERPROFILE": home, "TMPDIR": home} | {key: os.environ[key] for key in ("SYSTEMROOT",) if key in os.environ}


def _end(process: "subprocess.Popen[bytes]") -> None:
    """Whatever it started too, where the system has process groups."""
    if process.poll() is None:
        if sys.platform == "win32":
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    for pipe in (process.stdin, process.stdout):
        if pipe is not None:
            pipe.close()


def _told(answer: bytes) -> dict[str, Any]:
    try:
        told = json.loads(answer)
        if isinstance(told, dict) and isinstance(told["done"], int):
            return told
    except (ValueError, KeyError):
        pass
    raise Ended("Crash", "lexicon's process ended without an answer")
