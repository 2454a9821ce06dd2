"""Floor 5: what a person may bring. Each ends in a clear word, a next step and the right exit code, and harms nothing."""

import asyncio
import contextlib
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from wixsend.engine import Update
from wixsend.errors import BadDomain, CredentialsMissing, DomainNotFound
from wixsend.events import Hidden, Wrote
from wixsend.flow import Case, Effect, Stage, Times, decide, evolve
from wixsend.journal import Entry
from wixsend.records import Record
from wixsend.testing.world import OneAccount, World, owner, record

HOSTS = ("cloudflare", "godaddy", "namecheap")
A = record("@", "A", "192.0.2.10")


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(tmp_path) as made:
        yield made


def stopped(entry: Entry, error: str, exit_code: int, *words: str) -> None:
    stop = entry.case.stop
    assert stop is not None, entry.case
    assert (stop.error, stop.exit_code) == (error, exit_code), stop
    assert stop.next_step
    for word in words:
        assert word in stop.happened + stop.next_step, stop


@pytest.mark.parametrize(
    ("host", "settings", "words"),
    [
        ("cloudflare", {"status": "pending"}, ("pending",)),
        ("cloudflare", {"kind": "partial"}, ("partial",)),
        ("cloudflare", {"kind": "secondary"}, ("secondary",)),
        ("cloudflare", {"paused": True}, ("paused",)),
        ("godaddy", {"status": "CANCELLED"}, ("CANCELLED",)),
        ("namecheap", {"IsPremiumDNS": True, "ProviderType": "PREMIUM"}, ("PremiumDNS",)),
    ],
)
async def test_a_zone_that_is_not_served_is_named_for_what_it_is(
    world: World, host: str, settings: dict[str, Any], words: tuple[str, ...]
) -> None:
    world.add("example.com", host, [A], **settings)
    before = world.raw(host, "example.com")
    stopped(await world.run("example.com").authenticate(), "refused", 3, *words)
    assert world.raw(host, "example.com") == before


async def test_a_domain_whose_name_servers_are_not_the_hosts(world: World) -> None:
    world.add("example.com", "namecheap", [A], IsUsingOurDNS=False, ProviderType="CUSTOM")
    stopped(await world.run("example.com").authenticate(), "zone-not-held", 4, "name servers")


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("wrong", ["swapped", "other"])
async def test_wrong_credentials_stop_with_what_to_check(world: World, host: str, wrong: str) -> None:
    world.add("example.com", host, [A])
    place = next(at for at, account in enumerate(world.accounts) if account.name == host)
    right = dict(world.accounts[place].credentials)
    values = list(right.values())
    given = dict(zip(right, values[::-1], strict=True)) if wrong == "swapped" and len(values) > 1 else dict.fromkeys(right, "0" * 32)
    world.accounts[place] = OneAccount(host, host, given)
    if host == "namecheap":  # an address that is none is seen before anybody is asked
        with pytest.raises(CredentialsMissing) as caught:
            await world.run("example.com").authenticate()
        said = caught.value.happened + caught.value.next_step
    else:
        entry = await world.run("example.com").authenticate()
        stopped(entry, "provider-credentials", 4)
        said = str(entry.case)
    assert not [value for value in given.values() if len(value) > 8 and value in said]
    world.accounts[place] = OneAccount(host, host, right)
    assert (await world.run("example.com").authenticate()).case.stage is Stage.DONE


async def test_a_wrong_key_for_wix(world: World) -> None:
    world.add("example.com", "cloudflare", [A])
    right = world.wix.site.api_key
    world.wix.sites[world.wix.site.id] = replace(world.wix.site, api_key="IST.another-key-altogether")
    stopped(await world.run("example.com").authenticate(), "wix-credentials", 7, "Authorization")
    world.wix.sites[world.wix.site.id] = replace(world.wix.site, api_key=right)
    assert (await world.run("example.com").authenticate()).case.stage is Stage.DONE


async def test_a_key_without_the_permission(world: World) -> None:
    world.add("example.com", "cloudflare", [A])
    world.wix.site.scopes.clear()
    stopped(await world.run("example.com").authenticate(), "wix-permission", 7, "Sending Domains")


async def test_a_domain_that_is_not_on_the_site(world: World) -> None:
    world.add_zone("example.com", "cloudflare", [A])
    entry = await world.run("example.com").authenticate()
    stopped(entry, entry.case.stop.error if entry.case.stop else "", 7, "example.com")


async def test_a_domain_that_does_not_exist(world: World) -> None:
    world.wix.add_domain("no-such-domain.com")
    world.add_zone("example.com", "cloudflare", [A])
    with pytest.raises(DomainNotFound) as caught:
        await world.run("no-such-domain.com").authenticate()
    assert "spelling" in caught.value.next_step


async def test_a_public_mailbox_domain_is_refused_with_the_reason(world: World) -> None:
    with pytest.raises(BadDomain) as caught:
        await world.run("someone@gmail.com").authenticate()
    assert "gmail.com" in caught.value.happened
    assert world.server.count("wix") == 0


@pytest.mark.parametrize("written", ["EXAMPLE.com.", "https://example.com/contact", "info@example.com"])
async def test_a_domain_may_be_written_in_many_ways(world: World, written: str) -> None:
    world.add("example.com", "cloudflare", [A])
    assert (await world.run(written).authenticate()).case.stage is Stage.DONE


async def test_an_idn(world: World) -> None:
    world.add("xn--exmple-cua.de", "cloudflare")
    assert (await world.run("exämple.de").authenticate()).case.stage is Stage.DONE


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("there", ["A 192.0.2.1", 'TXT "v=DKIM1"', "CNAME s1.domainkey.u1.wl.sendgrid.net."])
async def test_whatever_stands_at_a_name_is_not_overwritten(world: World, host: str, there: str) -> None:
    rtype, _, rdata = there.partition(" ")
    world.add("example.com", host, [A, record("s1._domainkey", rtype, rdata)])
    before = world.raw(host, "example.com")
    stopped(await world.run("example.com").authenticate(), "refused", 3, "s1._domainkey.example.com", rtype)
    assert world.raw(host, "example.com") == before


async def test_a_wildcard_is_said_and_does_not_stop_the_job(world: World) -> None:
    world.add("example.com", "cloudflare", [A, record("*", "A", "192.0.2.99")])
    preview = await world.run("example.com").preview()
    assert preview.plan is not None
    assert any("*.example.com" in line.note for line in preview.plan.lines)
    assert (await world.run("example.com").authenticate()).case.stage is Stage.DONE


async def test_a_proxied_record_is_masked_until_a_person_names_it(world: World) -> None:
    world.add("example.com", "cloudflare", [A])
    wanted = world.wanted("example.com")[0]
    world.hosts["cloudflare"].edit_behind("example.com", add=[Record(wanted.owner, "CNAME", wanted.rdata, masked=True)])
    stopped(await world.run("example.com").authenticate(), "refused", 3, "--replace")
    entry = await world.run("example.com", replace=frozenset({wanted.owner})).authenticate()
    assert entry.case.stage is Stage.DONE


async def test_an_unknown_target_is_lifted_by_one_line_of_configuration(world: World) -> None:
    world.wix.add_domain("example.com", wants=[record("s1._domainkey", "CNAME", "s1._domainkey.example.com.new-wix-name.com.")])
    world.add_zone("example.com", "cloudflare", [A])
    stopped(await world.run("example.com").authenticate(), "refused", 3, "known_targets")
    lifted = frozenset({owner("new-wix-name", "com")})
    assert (await world.run("example.com", known_targets=lifted).authenticate()).case.stage is Stage.DONE


async def test_the_same_zone_in_two_accounts_is_told_apart_or_named(world: World) -> None:
    world.add("example.com", "cloudflare", [A])
    world.accounts.append(OneAccount("second", "cloudflare", dict(world.hosts["cloudflare"].credentials)))
    entry = await world.run("example.com").authenticate()
    stopped(entry, "zone-not-held", 4, "cloudflare", "second", "--account")
    assert (await world.run("example.com", account="second").authenticate()).case.stage is Stage.DONE


@pytest.mark.parametrize("host", HOSTS)
@pytest.mark.parametrize("at", list(Stage))
async def test_interrupted_at_any_stage_the_same_command_goes_on(world: World, host: str, at: Stage) -> None:
    world.add("example.com", host, [A])
    before = json.loads(json.dumps(world.raw(host, "example.com"), default=str))["records"]

    def interrupt(update: Update) -> None:
        if update.entry.case.stage is at:
            raise asyncio.CancelledError

    with contextlib.suppress(asyncio.CancelledError):
        await world.run("example.com").authenticate(watch=interrupt)
    assert (await world.run("example.com").authenticate()).case.stage is Stage.DONE
    after = json.loads(json.dumps(world.raw(host, "example.com"), default=str))["records"]
    assert len(after) == len(before) + 5


@pytest.mark.parametrize("jump", [-3600.0, 3600.0, 10 * 86400.0])
async def test_a_clock_that_jumps_while_waiting(tmp_path: Path, jump: float) -> None:
    with World(tmp_path, delay=30.0) as world:
        world.add("example.com", "cloudflare", [A])
        jumped: list[bool] = []

        def spring(update: Update) -> None:
            if update.entry.case.stage is Stage.PROVING and not jumped:
                jumped.append(True)
                world.dns.resolve("s1._domainkey.example.com")  # the name servers have noticed the write before the clock jumps
                world.clock.at += jump

        entry = await world.run("example.com").authenticate(watch=spring)
        assert entry.case.stage is Stage.DONE, entry.case
        assert jumped


@pytest.mark.parametrize("service", ["wix", "cloudflare"])
async def test_no_network_is_told_within_half_a_minute(world: World, service: str) -> None:
    world.add("example.com", "cloudflare", [A])
    world.server.shut(service)
    entry = await world.run("example.com").authenticate()
    stopped(entry, {"wix": "wix-unavailable", "cloudflare": "unavailable"}[service], {"wix": 7, "cloudflare": 4}[service], "gave up")
    assert world.clock.slept < 40
    world.server.reopen(service)
    assert (await world.run("example.com").authenticate()).case.stage is Stage.DONE


async def test_a_clock_that_goes_back_ten_years_keeps_the_time_limit() -> None:
    times = Times()
    case = evolve(evolve(Case(Stage.WRITING, provider="godaddy"), Wrote(), 1e9, times), Hidden("ns2 lags", 60.0), 6e8, times)
    later = 6e8 + times.give_up
    assert decide(case, later, times).effect is Effect.LOOK
    assert decide(evolve(case, Hidden("ns2 lags", 60.0), later, times), later, times).effect is Effect.GIVE_UP


@pytest.mark.parametrize("what", ["an unrelated record", "one of ours", "a conflict"])
async def test_somebody_edits_the_zone_while_a_person_reads_the_plan(world: World, what: str) -> None:
    world.add("example.com", "cloudflare", [A])
    asked: list[int] = []

    async def slowly(plan: object, _located: object) -> bool:
        asked.append(1)
        if len(asked) == 1:
            others = {"an unrelated record": record("new", "A", "192.0.2.7"), "one of ours": world.wanted("example.com")[0]}
            theirs = others.get(what, record("s1._domainkey", "CNAME", "u1.wl.sendgrid.net."))
            world.hosts["cloudflare"].edit_behind("example.com", add=[theirs])
            world.clock.at += 120
        return True

    entry = await world.run("example.com").authenticate(approve=slowly)
    if what == "a conflict":
        stopped(entry, "refused", 3, "sendgrid")
    else:
        assert entry.case.stage is Stage.DONE
    assert len(asked) == (1 if what == "an unrelated record" else 2 if what == "one of ours" else 1)


@pytest.mark.parametrize(
    ("settings", "loss"),
    [
        ({"flags": {("@", "A"): {"IsDDNSEnabled": "true"}}}, "ddns:@"),
        ({"flags": {("@", "A"): {"IsActive": "false"}}}, "inactive:@"),
        ({"EmailType": "OX"}, "email:OX"),
        ({"EmailType": "GMAIL"}, "email:GMAIL"),
    ],
)
async def test_what_a_whole_zone_write_would_lose_is_refused_by_name_until_it_is_accepted(
    world: World, settings: dict[str, Any], loss: str
) -> None:
    world.add("example.com", "namecheap", [A], **settings)
    before = world.raw("namecheap", "example.com")
    stopped(await world.run("example.com").authenticate(), "refused", 3, f"--accept-loss {loss}")
    assert world.raw("namecheap", "example.com") == before
    entry = await world.run("example.com", accept=frozenset({loss})).authenticate()
    assert entry.case.stage in (Stage.DONE, Stage.STOPPED)
    if entry.case.stage is Stage.STOPPED:
        assert entry.case.stop is not None
        assert entry.case.stop.error == "drifted", "what was accepted is lost, and that is told"


async def test_srv_that_only_dns_shows_is_not_lost_unasked(world: World) -> None:
    world.add("example.com", "namecheap", [A, record("_sip._tls", "SRV", "1 1 443 sip.example.net.")])
    before = world.raw("namecheap", "example.com")
    stopped(await world.run("example.com").authenticate(), "refused", 3, "srv:_sip._tls.example.com")
    assert world.raw("namecheap", "example.com") == before


async def test_more_records_than_a_host_takes_are_refused_before_the_write(world: World) -> None:
    world.add("example.com", "namecheap", [record(f"h{number}", "A", "192.0.2.1") for number in range(147)])
    stopped(await world.run("example.com").authenticate(), "refused", 3, "152", "150")
    assert len(world.hosts["namecheap"].raw("example.com")["records"]) == 147
