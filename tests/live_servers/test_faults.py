"""The fault matrix at real servers, in small: what hurts most at a write, there and back; and that harm to them is seen.

`benchmarks/faults.py --real --quick` tries more: each trouble at a write to each of them, there and back, and once at each other kind
of call.
"""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from functools import cache
from typing import Any

import httpx
import pytest

from live_servers.subjects import REAL, running
from wixsend.plan import Edit
from wixsend.provider import Receipt
from wixsend.testing.faults import Combination, Job, Medium, Subject, matrix, survive
from wixsend_powerdns.adapter import PowerDns
from wixsend_rfc2136.adapter import DynamicUpdates

pytestmark = pytest.mark.live_servers


@pytest.fixture(scope="module", autouse=True)
def servers(possible: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with running(tmp_path_factory.mktemp("real")):
        yield


@cache
def combinations(subject: Subject) -> list[Combination]:
    return matrix([subject])


def at_the_write(subject: Subject, job: Job, trouble: str) -> Combination:
    [found] = [
        one
        for one in combinations(subject)
        if (one.job, one.trouble.name, one.step.medium, one.step.kind) == (job, trouble, Medium.HOST, "write")
    ]
    return found


@pytest.mark.parametrize("subject", REAL, ids=str)
@pytest.mark.parametrize("job", [Job.AUTHENTICATE, Job.UNDO])
@pytest.mark.parametrize("trouble", ["lost reply", "time-out, done", "500, done", "truncated", "reset, for good", "killed, done"])
def test_a_job_survives(subject: Subject, job: Job, trouble: str) -> None:
    verdict = survive(at_the_write(subject, job, trouble))
    assert verdict.met, verdict
    assert verdict.survived, verdict


class _UpdatesBlindly(DynamicUpdates):
    async def write(self, edit: Edit) -> Receipt:
        with suppress(OSError, EOFError):
            return await super().write(edit)
        return await super().write(edit)


class _PatchesBlindly(PowerDns):
    async def write(self, edit: Edit) -> Receipt:
        with suppress(httpx.TransportError):
            return await super().write(edit)
        return await super().write(edit)


class _TakesMore(PowerDns):
    """Takes a record along that is not in the edit."""

    async def write(self, edit: Edit) -> Receipt:
        receipt = await super().write(edit)
        await self._ask("PATCH", f"/zones/{edit.before.zone.ref}", json={"rrsets": [_WWW]})
        return receipt


_WWW = {"name": "www.example.com.", "type": "CNAME", "changetype": "DELETE"}


def with_adapter(subject: Subject, adapter: Any) -> Subject:
    assert subject.given is not None
    plugin, host = subject.given
    return replace(subject, given=(replace(plugin, opens=adapter), host), way=adapter.__name__)


@pytest.mark.parametrize(("subject", "adapter"), [(REAL[0], _PatchesBlindly), *((one, _UpdatesBlindly) for one in REAL[1:])], ids=str)
def test_a_write_that_is_sent_again_blindly_is_seen(subject: Subject, adapter: type) -> None:
    verdict = survive(at_the_write(with_adapter(subject, adapter), Job.AUTHENTICATE, "lost reply"))
    assert any("while the zone was as wanted" in lost for lost in verdict.lost), verdict


def test_a_row_that_is_lost_is_seen() -> None:
    with pytest.raises(AssertionError, match=r"does not succeed without any trouble: drifted: .*\n.*lost: "):
        matrix([with_adapter(REAL[0], _TakesMore)])
