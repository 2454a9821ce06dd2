"""The lab itself: what it needs is what CI installs, and it leaves nothing behind."""

import socket
from pathlib import Path

import pytest

from live_servers.lab import LIBRARIES, PROGRAMS, Lab

pytestmark = pytest.mark.live_servers


def test_ci_installs_every_program_that_the_lab_runs() -> None:
    installed = (Path(__file__).parents[2] / ".ci" / "apt.txt").read_text().split()
    assert {*PROGRAMS.values(), *LIBRARIES} <= set(installed)


def test_its_network_is_not_the_machines(started_lab: Lab) -> None:
    here = Path("/proc/thread-self/ns/net")
    network = here.readlink()
    with started_lab.entered():
        assert here.readlink() != network
        assert [name for _number, name in socket.if_nameindex()] == ["lo"]
    assert here.readlink() == network


@pytest.mark.usefixtures("started_lab")
def test_what_it_started_it_stops() -> None:
    with Lab() as second:
        folder, pids = second.folder, [process.pid for process in second.processes]
        assert len(pids) == 12
        assert all(Path(f"/proc/{pid}").exists() for pid in pids)
    assert not folder.exists()
    assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()]
