"""Floors 2 and 4: what was read before a write is there for a person, whole, private, and loadable by a name server."""

import json
import stat
from pathlib import Path

import dns.zone
import pytest
from hypothesis import given

from strategies import APEX, snapshots
from wixsend.backups import KEEP
from wixsend.journal import Journal
from wixsend.records import WHOLE, Record, Snapshot, Zone
from wixsend.testing.world import World, owner, record
from wixsend.zonefile import zone_file

HELD = (
    record("@", "A", "192.0.2.10"),
    record("@", "MX", "10 mx.example.net."),
    record("@", "TXT", '"v=spf1 -all" "a;b"'),
    record("*", "AAAA", "2001:db8::1"),
    record("_sip._tls", "SRV", "1 2 443 sip.example.net.", ttl=None),
    record("@", "CAA", '0 issue "ca.example"'),
)


def loaded(text: str) -> dns.zone.Zone:
    return dns.zone.from_text(text, APEX, check_origin=False)


def test_a_name_server_loads_what_was_kept() -> None:
    zone = loaded("$TTL 300\n" + zone_file(Snapshot(Zone(APEX), HELD, WHOLE, {"EmailType": "MX"}), ("run 7",)))
    assert {rdataset.rdtype.name for node in zone.nodes.values() for rdataset in node} == {"A", "MX", "TXT", "AAAA", "SRV", "CAA"}


def test_what_is_not_dns_is_a_comment() -> None:
    text = zone_file(Snapshot(Zone(APEX), (record("@", "URL", "http://example.net/"), Record(owner("w"), "CNAME", "x.", 60, True)), WHOLE))
    assert "\n; @ 3600 IN URL" in text
    assert "shows the world something else" in text


def test_no_record_forges_another() -> None:
    forged = Snapshot(Zone(APEX), (record("@", "TXT", '"x"\nwww IN A 203.0.113.66'),), WHOLE, {"a": "b\nwww IN A 203.0.113.66"})
    assert zone_file(forged).count("\n") == 3


@given(snapshots)
def test_any_zone_is_written_one_record_a_line(snapshot: Snapshot) -> None:
    assert zone_file(snapshot, ("remark",)).count("\n") == len(snapshot.records) + 2


async def test_each_write_leaves_two_private_files_that_name_zone_time_and_run(tmp_path: Path) -> None:
    with World(tmp_path) as world:
        world.add("example.com", "namecheap", HELD[:3])
        before = {json.dumps(row["Address"]) for row in world.hosts["namecheap"].raw("example.com")["records"]}
        await world.run("example.com").authenticate()
        files = sorted((tmp_path / "backups").iterdir())
        assert [path.suffix for path in files] == [".json", ".zone"]
        assert all(path.name.startswith("example.com-20") and path.name.split("-")[-1].startswith("1.") for path in files)
        assert {stat.S_IMODE(path.stat().st_mode) for path in files} == {0o600}
        assert stat.S_IMODE((tmp_path / "backups").stat().st_mode) == 0o700
        kept = json.loads(files[0].read_text())
        assert (kept["backup"], kept["provider"], kept["account"]) == (1, "namecheap", "namecheap")
        assert len(kept["snapshot"]["records"]) == len(before)
        assert "setting EmailType: MX" in files[1].read_text()
        secrets = [value for name, value in world.hosts["namecheap"].credentials.items() if "key" in name]
        assert not [secret for secret in secrets if secret in files[0].read_text() + files[1].read_text()]


@pytest.mark.parametrize(("keep", "left"), [(KEEP, 3), (0.0, 1)])
def test_old_backups_are_forgotten_but_never_the_newest_of_a_case(tmp_path: Path, keep: float, left: int) -> None:
    journal = Journal(f"sqlite:///{tmp_path / 'journal.db'}", tmp_path, keep_backups=keep)
    entry = journal.open_case("site", APEX)
    for at in (1000.0, 2000.0, 3000.0):
        journal.keep_snapshot(entry.id, "p", "a", Snapshot(Zone(APEX), HELD, WHOLE), at)
    assert len(journal.backups()) == left
    assert journal.backups()[-1].at == 3000.0
    journal.close()
