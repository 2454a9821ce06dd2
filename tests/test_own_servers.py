"""Hosts that people run for themselves: where their accounts say they are, asked for the zones whose name servers are nobody's."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from wixsend.config import load
from wixsend.errors import ConfigError, CredentialsMissing, ZoneNotHeld
from wixsend.flow import Stage
from wixsend.session import Session
from wixsend.testing.world import World, record

THEIRS = (record("@", "A", "192.0.2.10"), record("@", "MX", "10 mx1.example.net."))


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


async def test_a_zone_on_ones_own_server_is_found_by_asking_it(world: World) -> None:
    world.add("example.com", "powerdns", THEIRS)
    entry = await world.run("example.com").authenticate()
    assert (entry.case.stage, entry.case.provider) == (Stage.DONE, "powerdns")
    assert set(world.wanted("example.com")) < set(world.hosts["powerdns"].published("example.com"))


async def test_a_zone_there_that_the_world_does_not_see_is_not_written(world: World) -> None:
    world.wix.add_domain("example.com")
    world.hosts["powerdns"].add_zone("example.com", THEIRS)
    world.dns.add_zone("example.com", ("ns1.unheard-of.net", "ns2.unheard-of.net"), lambda _apex: THEIRS)
    entry = await world.run("example.com").authenticate(wait=False)
    assert entry.case.stop is not None
    assert "the domain is delegated to ns1.unheard-of.net, ns2.unheard-of.net" in entry.case.stop.happened
    assert set(world.hosts["powerdns"].published("example.com")) == set(THEIRS)


async def test_a_zone_whose_name_servers_belong_to_somebody_is_asked_for_nowhere_else(world: World) -> None:
    world.add("example.com", "cloudflare", THEIRS)
    world.hosts["powerdns"].add_zone("example.com", THEIRS)
    entry = await world.run("example.com").authenticate()
    assert (entry.case.stage, entry.case.provider) == (Stage.DONE, "cloudflare")
    assert world.server.count("powerdns") == 0


async def test_a_zone_in_two_accounts_is_nobodys_choice_but_a_persons(world: World) -> None:
    world.add("example.com", "powerdns", THEIRS)
    world.accounts.append(replace(next(each for each in world.accounts if each.plugin_name == "powerdns"), name="second"))
    with pytest.raises(ZoneNotHeld, match=r"more than one account: powerdns \(account powerdns\), powerdns \(account second\)") as refused:
        await world.run("example.com").preview()
    assert "--provider NAME --account NAME" in refused.value.next_step
    assert (await world.run("example.com", account="second").authenticate()).case.account == "second"


def _session(folder: Path, text: str, told: list[str]) -> Session:
    (folder / "mine.toml").write_text(text)
    return Session(load({}, file=folder / "mine.toml", user_folder=folder), {"KEY": "a-key-of-mine"}, notify=told.append)


PLAIN = '[accounts.inside]\nprovider = "powerdns"\napi_key = "env:KEY"\nbase_url = "http://10.0.0.5:8081"\n'


async def test_what_goes_without_tls_is_said_out_loud(tmp_path: Path) -> None:
    told: list[str] = []
    async with _session(tmp_path, PLAIN + "plain_http = true\n", told) as session:
        [account] = session.accounts("powerdns")
        await session.adapter(account)
    assert [sentence for sentence in told if "WITHOUT TLS" in sentence and "http://10.0.0.5:8081" in sentence]


async def test_nothing_goes_without_tls_unless_a_person_said_so(tmp_path: Path) -> None:
    async with _session(tmp_path, PLAIN, []) as session:
        [account] = session.accounts("powerdns")
        with pytest.raises(ConfigError, match="is not https") as refused:
            await session.adapter(account)
    assert "plain_http = true" in refused.value.next_step


async def test_where_ones_own_server_is_has_to_be_said(tmp_path: Path) -> None:
    async with _session(tmp_path, '[accounts.inside]\nprovider = "powerdns"\napi_key = "env:KEY"\n', []) as session:
        with pytest.raises(CredentialsMissing, match="the base URL of PowerDNS is not set"):
            session.accounts("powerdns")
