"""The Wix client at the wire: a stateful Wix over HTTP, its refusals, its silences, and what is said about them."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from email.utils import format_datetime

import pytest

from wixsend.errors import (
    BadDomain,
    ConfigError,
    CredentialsMissing,
    DomainNotOnSite,
    SenderDetailsMissing,
    WixAnswerRefused,
    WixCredentialsRejected,
    WixError,
    WixNotYet,
    WixPermissionMissing,
    WixRateLimited,
    WixsendError,
    WixUnavailable,
)
from wixsend.names import Name, parse_sending_domain
from wixsend.sending import WixDomain, WixStatus
from wixsend.testing.server import Fault, Kind, Server
from wixsend.testing.wix import MANAGE, READ, FakeWix, HostNames
from wixsend.wix import Wix, WixApiKey, WixApp

EXAMPLE = parse_sending_domain("example.com")


class World:
    def __init__(self) -> None:
        self.dns: dict[Name, Name] = {}
        self.time = 1_800_000_000.0
        self.fake = FakeWix(self.dns.get, lambda: self.time)
        self.server = Server({"wix": self.fake.handle})

    @property
    def key(self) -> WixApiKey:
        return WixApiKey(self.fake.site.api_key, self.fake.site.id)

    @property
    def app(self) -> WixApp:
        return WixApp(self.fake.app_id, self.fake.app_secret, self.fake.site.instance_id)

    def client(self, auth: WixApiKey | WixApp | None = None, timeout: float = 5.0) -> Wix:
        return Wix(auth or self.key, self.server.url("wix"), now=lambda: self.time, timeout=timeout)

    def fault(self, kind: Kind, **options: object) -> None:
        self.server.faults.add(Fault(kind, **options))  # type: ignore[arg-type]


@pytest.fixture
def world() -> Iterator[World]:
    world = World()
    with world.server:
        yield world


@pytest.fixture
async def wix(world: World) -> AsyncIterator[Wix]:
    async with world.client() as client:
        yield client


# -- the road --------------------------------------------------------------------------------------------------------------


async def test_from_the_first_question_to_authenticated(world: World, wix: Wix) -> None:
    held = world.fake.add_domain("example.com", initializing_for=60)
    generating = await wix.query(EXAMPLE)
    assert (generating.id, generating.name, generating.status, generating.records) == (held.id, EXAMPLE.name, WixStatus.INITIALIZING, ())
    world.time += 60
    ready = await wix.get(held.id)
    assert (ready.status, ready.records) == (WixStatus.NOT_AUTHENTICATED, held.wants)
    with pytest.raises(WixNotYet):
        await wix.authenticate(held.id)
    world.dns.update({record.owner: record.target for record in ready.records})
    assert (await wix.authenticate(held.id)).status is WixStatus.AUTHENTICATED
    assert (await wix.get(held.id)).status is WixStatus.AUTHENTICATED
    assert wix.calls == world.server.count("wix") == 5


@pytest.mark.parametrize("form", ["absolute", "relative", "dotted", "upper"])
async def test_host_names_in_every_form(world: World, wix: Wix, form: HostNames) -> None:
    world.fake.host_names = form
    held = world.fake.add_domain("mail.example.com")
    assert (await wix.query(parse_sending_domain("mail.example.com"))).records == held.wants


async def test_an_idn_is_asked_for_as_wix_takes_it(world: World, wix: Wix) -> None:
    domain = parse_sending_domain("Bücher.example")
    world.fake.add_domain("xn--bcher-kva.example")
    assert (await wix.query(domain)).name == domain.name


async def test_a_200_that_did_not_authenticate_is_told_as_it_is(world: World, wix: Wix) -> None:
    world.fake.refuses_with = "200"
    held = world.fake.add_domain("example.com")
    assert (await wix.authenticate(held.id)).status is WixStatus.NOT_AUTHENTICATED


async def test_a_status_that_nobody_knows(world: World, wix: Wix) -> None:
    held = world.fake.add_domain("example.com", status="UNDER_REVIEW")
    assert (await wix.query(EXAMPLE)).status is (await wix.get(held.id)).status is WixStatus.UNKNOWN


async def test_records_that_are_refused(world: World, wix: Wix) -> None:
    world.fake.add_domain("example.com", rows=[{"hostName": "@", "value": "evil.example", "type": "CNAME"}])
    with pytest.raises(WixAnswerRefused, match="'@'"):
        await wix.query(EXAMPLE)


# -- refusals --------------------------------------------------------------------------------------------------------------


async def test_a_domain_that_is_not_on_the_site(world: World, wix: Wix) -> None:
    world.fake.add_domain("example.com", world.fake.add_site("other"))
    with pytest.raises(DomainNotOnSite, match=rf"no sending domain example\.com on site {world.fake.site.id}"):
        await wix.query(EXAMPLE)
    with pytest.raises(DomainNotOnSite, match="no longer on site"):
        await wix.get("gone")
    with pytest.raises(DomainNotOnSite):
        await wix.authenticate("gone")


async def test_sender_details_with_every_known_cause(world: World, wix: Wix) -> None:
    world.fake.hides_unknown = True
    with pytest.raises(SenderDetailsMissing, match=r"HTTP 428, SENDER_DETAILS_DO_NOT_EXIST, cannot access") as refused:
        await wix.query(EXAMPLE)
    for cause in (
        "no sender details",
        "another site",
        "another domain",
        "public mailbox",
        "Email Marketing is not active",
        "own the site",
        "support",
    ):
        assert cause in refused.value.next_step
    held = world.fake.add_domain("example.com")
    world.fake.site.sender_details = False
    with pytest.raises(SenderDetailsMissing):
        await wix.get(held.id)


@pytest.mark.parametrize("code", ["SENDER_DETAILS_DO_NOT_EXIST", "DNS_NOT_READY", ""])
async def test_every_428_of_authenticate_means_not_yet(world: World, wix: Wix, code: str) -> None:
    world.fake.not_yet_code = code
    held = world.fake.add_domain("example.com")
    with pytest.raises(WixNotYet, match="does not authenticate the domain yet"):
        await wix.authenticate(held.id)


async def test_a_public_mailbox_domain_is_not_even_asked_for(wix: Wix) -> None:
    with pytest.raises(BadDomain, match=r"gmail\.com is a public mailbox domain"):
        await wix.query(parse_sending_domain("me@gmail.com"))
    assert wix.calls == 0


async def test_a_key_that_wix_does_not_know(world: World) -> None:
    async with world.client(WixApiKey("IST.wrong", world.fake.site.id)) as wix:
        with pytest.raises(
            WixCredentialsRejected, match=r"does not take the API key when asked for the sending domain \(HTTP 401"
        ) as refused:
            await wix.query(EXAMPLE)
    assert "header Authorization" in refused.value.next_step and "WIXSEND_WIX_API_KEY" in refused.value.next_step


async def test_a_site_of_somebody_else(world: World) -> None:
    other = world.fake.add_site("other")
    async with world.client(WixApiKey(world.fake.site.api_key, other.id)) as wix:
        with pytest.raises(WixPermissionMissing, match=other.id) as refused:
            await wix.query(EXAMPLE)
    for part in ("wix-site-id", "the account that owns the site", "not an account's"):
        assert part in refused.value.next_step


@pytest.mark.parametrize("by_app", [False, True])
async def test_a_missing_permission_is_named(world: World, by_app: bool) -> None:
    held = world.fake.add_domain("example.com")
    async with world.client(world.app if by_app else world.key) as wix:
        world.fake.site.scopes = {READ}
        with pytest.raises(WixPermissionMissing) as refused:
            await wix.authenticate(held.id)
        assert f"Manage Sending Domains ({MANAGE})" in refused.value.next_step
        world.fake.site.scopes = {MANAGE}
        for asked in (wix.query(EXAMPLE), wix.get(held.id)):
            with pytest.raises(WixPermissionMissing) as refused:
                await asked
            assert f"Read Sending Domains ({READ})" in refused.value.next_step


@pytest.mark.parametrize(
    ("given", "seconds"),
    [
        ({}, 60.0),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "99999999999"}, 86400.0),
        ({"retry-after": "soon"}, 60.0),
        ({"retry-after": "-5"}, 60.0),
        ({"retry-after": format_datetime(datetime.fromtimestamp(1_800_000_090, UTC), usegmt=True)}, 90.0),
        ({"retry-after": format_datetime(datetime.fromtimestamp(1_700_000_000, UTC), usegmt=True)}, 0.0),
    ],
)
async def test_too_many_calls(world: World, wix: Wix, given: dict[str, str], seconds: float) -> None:
    world.fault("status", status=429, headers=given)
    with pytest.raises(WixRateLimited) as refused:
        await wix.query(EXAMPLE)
    assert (refused.value.retry_after, refused.value.transient) == (seconds, True)


SEVERAL = [parse_sending_domain(f"client-{number}.example") for number in range(20)]


async def test_domains_that_are_asked_for_at_one_time_are_one_question(world: World, wix: Wix) -> None:
    for domain in SEVERAL:
        world.fake.add_domain(domain.ascii)
    found = await asyncio.gather(*map(wix.query, SEVERAL))
    assert [one.name for one in found] == [domain.name for domain in SEVERAL] and all(len(one.records) == 5 for one in found)
    assert wix.calls == 1


@pytest.mark.parametrize("hides", [False, True])
async def test_what_is_wrong_with_one_domain_is_said_of_no_other(world: World, wix: Wix, hides: bool) -> None:
    world.fake.hides_unknown = hides
    strange = [{"hostName": "s1", "type": "A", "value": "192.0.2.1"}]
    world.fake.add_domain(SEVERAL[0].ascii, rows=strange)
    world.fake.add_domain(SEVERAL[2].ascii)
    told = await asyncio.gather(*map(wix.query, SEVERAL[:3]), return_exceptions=True)
    missing = SenderDetailsMissing if hides else DomainNotOnSite
    assert isinstance(told[0], WixAnswerRefused) and isinstance(told[1], missing) and not isinstance(told[2], Exception)
    assert wix.calls == 4
    assert isinstance((await asyncio.gather(*map(wix.query, SEVERAL[1:3]), return_exceptions=True))[0], missing)
    assert wix.calls == 6, "what a sound answer says is not asked again"


async def test_of_two_domains_of_one_name_none_is_chosen_when_several_are_asked_for(world: World, wix: Wix) -> None:
    one = world.fake.add_domain(SEVERAL[0].ascii)
    world.fake.add_domain(SEVERAL[1].ascii)
    world.fake.domains["twin"] = replace(one, id="twin", rows=[{"hostName": "x", "type": "A", "value": "y"}])
    told = await asyncio.gather(*map(wix.query, SEVERAL[:2]), return_exceptions=True)
    assert isinstance(told[0], WixAnswerRefused) and isinstance(told[1], WixDomain)


async def test_a_site_that_refuses_to_be_asked_for_several_is_asked_for_each(world: World, wix: Wix) -> None:
    for domain in SEVERAL[:3]:
        world.fake.add_domain(domain.ascii)
    world.fault("status", status=400, headers={"content-type": "application/json"}, body=b'{"message": "no $in"}')
    assert [one.name for one in await asyncio.gather(*map(wix.query, SEVERAL[:3]))] == [domain.name for domain in SEVERAL[:3]]
    assert wix.calls == 4


@pytest.mark.parametrize(("status", "error"), [(429, WixRateLimited), (401, WixCredentialsRejected), (503, WixUnavailable)])
async def test_what_befalls_a_question_for_several_befalls_each_with_one_call(
    world: World, wix: Wix, status: int, error: type[WixsendError]
) -> None:
    world.fault("status", status=status)
    told = await asyncio.gather(*map(wix.query, SEVERAL), return_exceptions=True)
    assert {type(one) for one in told} == {error} and wix.calls == 1


async def test_sites_are_asked_apart(world: World, wix: Wix) -> None:
    other = world.fake.add_site("other", beside=world.fake.site)
    world.fake.add_domain(SEVERAL[0].ascii)
    world.fake.add_domain(SEVERAL[1].ascii, other)
    there = wix.beside(WixApiKey(other.api_key, other.id))
    told = await asyncio.gather(wix.query(SEVERAL[0]), there.query(SEVERAL[1]), there.query(SEVERAL[0]), return_exceptions=True)
    assert [type(one) for one in told] == [WixDomain, WixDomain, DomainNotOnSite] and wix.calls == 3


async def test_two_domains_of_one_name(world: World, wix: Wix) -> None:
    both = b'{"sendingDomains": [{"id": "a", "domain": "example.com"}, {"id": "b", "domain": "EXAMPLE.com"}]}'
    world.fault("wrong-shape", body=both)
    with pytest.raises(WixAnswerRefused, match="a, b"):
        await wix.query(EXAMPLE)


async def test_other_domains_in_the_answer_are_passed_over(world: World, wix: Wix) -> None:
    world.fault(
        "wrong-shape", body=b'{"sendingDomains": [{"id": "a", "domain": "notexample.com"}, {"id": "b", "domain": "a.example.com"}]}'
    )
    with pytest.raises(DomainNotOnSite):
        await wix.query(EXAMPLE)


async def test_any_other_refusal(world: World, wix: Wix) -> None:
    world.fault("status", status=400, headers={"content-type": "application/json"}, body=b'{"message": "filter is\\u001b[2J odd"}')
    with pytest.raises(WixError, match=r"refused when asked for the sending domain \(HTTP 400, filter is\\x1b\[2J odd\)") as refused:
        await wix.query(EXAMPLE)
    assert type(refused.value) is WixError


# -- silence and nonsense --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "options", "said"),
    [
        ("refuse", {}, "broke"),
        ("lost-reply", {}, "broke"),
        ("truncate", {}, "broke"),
        ("hang", {"seconds": 5}, r"nothing from http://127\.0\.0\.1:\d+ within 0\.1 s"),
        ("hang", {"seconds": 0}, "broke"),
        ("status", {"status": 500}, "HTTP 500"),
        ("status", {"status": 500, "body": b'{"message": "", "details": {}}', "headers": {"content-type": "application/json"}}, "HTTP 500"),
        ("status", {"status": 503, "body": b"<html>", "headers": {"retry-after": "9"}}, "HTTP 503"),
        ("status", {"status": 404, "body": b"<html>", "headers": {"content-type": "text/html"}}, "HTTP 404"),
        ("status", {"status": 302, "headers": {"location": "https://elsewhere.example/"}}, "redirect"),
        ("html", {}, "'text/html' instead of JSON"),
        ("empty", {}, "instead of JSON"),
        ("wrong-shape", {"body": b"[]"}, "no JSON object"),
        ("wrong-shape", {"body": b"[" * 100_000}, "instead of JSON"),
        ("wrong-shape", {"body": b'{"sendingDomains": {}}'}, "no list"),
        ("wrong-shape", {"body": b'{"unexpected": [{"shape": true}]}'}, "no list of sending domains"),
        ("wrong-shape", {"body": b'{"sendingDomains": ["example.com"]}'}, "no object"),
        ("wrong-shape", {"body": b'{"sendingDomains": [{"id": "../x", "domain": "example.com"}]}'}, "the id"),
        ("wrong-shape", {"body": b'{"sendingDomains": [{"id": "1", "domain": "example.com", "dnsRecords": [{}]}]}'}, "hostName"),
        ("wrong-shape", {"body": b" " * (10 * 1024 * 1024 + 1)}, "more than 10 MB"),
    ],
)
async def test_no_answer_that_makes_sense(world: World, kind: Kind, options: dict[str, object], said: str) -> None:
    world.fake.add_domain("example.com")
    world.fault(kind, **options)
    async with world.client(timeout=0.1 if kind == "hang" else 5.0) as wix:
        with pytest.raises(WixUnavailable, match=said) as failed:
            await wix.query(EXAMPLE)
        assert failed.value.transient and "network" in failed.value.next_step
        assert wix.calls == 1  # no retry here
    async with world.client() as wix:
        assert (await wix.query(EXAMPLE)).name == EXAMPLE.name  # and no harm done
    assert failed.value.retry_after == (9.0 if "headers" in options and options.get("status") == 503 else None)


@pytest.mark.parametrize("body", [b"{}", b'{"sendingDomain": null}', b'{"sendingDomain": {"id": "other", "domain": "example.com"}}'])
async def test_an_answer_about_something_else(world: World, wix: Wix, body: bytes) -> None:
    for ask in (wix.get, wix.authenticate):
        world.fault("wrong-shape", body=body)
        with pytest.raises(WixUnavailable, match="makes no sense"):
            await ask("an-id")


async def test_an_empty_answer_means_that_there_is_no_such_domain(world: World, wix: Wix) -> None:
    world.fault("wrong-shape", body=b"{}")
    with pytest.raises(DomainNotOnSite):
        await wix.query(EXAMPLE)


async def test_nobody_there(world: World) -> None:
    with Server({"gone": world.fake.handle}) as server:
        url = server.url("gone")
    async with Wix(world.key, url) as wix:
        with pytest.raises(WixUnavailable, match="no connection to http://127"):
            await wix.query(EXAMPLE)


async def test_only_tls_to_the_world(world: World) -> None:
    with pytest.raises(ConfigError, match="not https"):
        Wix(world.key, "http://www.wixapis.com")


# -- apps ------------------------------------------------------------------------------------------------------------------


async def test_an_app_keeps_its_token_until_it_nearly_expires(world: World) -> None:
    held = world.fake.add_domain("example.com")
    async with world.client(world.app) as wix:
        await wix.query(EXAMPLE)
        world.time += 14400 - 301
        await wix.get(held.id)
        assert wix.calls == 3  # one token, two questions
        world.time += 1
        await wix.get(held.id)
        assert wix.calls == 5
        world.time -= 100_000  # a clock that jumps back costs nothing
        await wix.get(held.id)
        assert wix.calls == 6


async def test_a_token_that_is_refused_is_fetched_anew_once(world: World) -> None:
    world.fake.add_domain("example.com")
    async with world.client(world.app) as wix:
        await wix.query(EXAMPLE)
        world.fake.expire_tokens()
        await wix.query(EXAMPLE)
        assert [call.path.rpartition("/")[2] for call in world.server.calls] == ["token", "query", "query", "token", "query"]
        world.server.reset_counts()
        world.server.faults.add(Fault("status", match=lambda request: request.path.endswith("query"), times=2, status=401))
        with pytest.raises(WixCredentialsRejected, match="does not take the app"):
            await wix.query(EXAMPLE)
        assert world.server.count("wix") == 3


async def test_many_questions_share_one_token(world: World) -> None:
    world.fake.add_domain("example.com")
    async with world.client(world.app) as wix:
        found = await wix.query(EXAMPLE)
        await asyncio.gather(*(wix.get(found.id) for _ in range(8)))
        assert wix.calls == 10
        world.fake.expire_tokens()
        await asyncio.gather(*(wix.get(found.id) for _ in range(8)))
    assert [call.path for call in world.server.calls].count("/oauth2/token") == 2


async def test_an_app_that_wix_does_not_know(world: World) -> None:
    fake = world.fake
    for app in (WixApp("x" * 36, fake.app_secret, fake.site.instance_id), WixApp(fake.app_id, fake.app_secret, "y" * 36)):
        async with world.client(app) as wix:
            with pytest.raises(WixCredentialsRejected, match="gives the app no token") as refused:
                await wix.query(EXAMPLE)
            assert "instance_id" in refused.value.next_step
            assert wix.calls == 1


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"access_token": "", "expires_in": 5}', b'{"access_token": "a\\nb", "expires_in": 5}', b'{"access_token": "a"}', b"[]"],
)
async def test_a_token_that_is_none(world: World, body: bytes) -> None:
    world.fault("wrong-shape", body=body)
    async with world.client(world.app) as wix:
        with pytest.raises(WixUnavailable, match="for an app's token"):
            await wix.query(EXAMPLE)


async def test_the_token_endpoint_in_trouble(world: World) -> None:
    async with world.client(world.app) as wix:
        world.fault("status", status=503)
        with pytest.raises(WixUnavailable, match="an app's token"):
            await wix.query(EXAMPLE)
        world.fault("status", status=429)
        with pytest.raises(WixRateLimited):
            await wix.query(EXAMPLE)


# -- preflight -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("by_app", [False, True])
async def test_the_check_says_what_it_proves(world: World, by_app: bool) -> None:
    async with world.client(world.app if by_app else world.key) as wix:
        assert "may read its sending domains" in await wix.check()
        world.fake.site.sender_details = False
        assert "does not say yet" in await wix.check()
        world.fake.site.scopes = set()
        with pytest.raises(WixPermissionMissing):
            await wix.check()


# -- secrets ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["", "two words", "line\nbreak", "smart”quote", "\x7f"])
def test_what_cannot_be_a_credential_is_refused_without_showing_it(value: str) -> None:
    site = "01234567-89ab-cdef-0123-456789abcdef"
    for make in (
        lambda: WixApiKey(value, site),
        lambda: WixApiKey("key", value),
        lambda: WixApp(value, "s", "i"),
        lambda: WixApp("a", value, "i"),
        lambda: WixApp("a", "s", value),
    ):
        with pytest.raises(CredentialsMissing) as refused:
            make()
        assert not value or value not in str(refused.value) + refused.value.next_step


def test_key_and_site_id_swapped(world: World) -> None:
    with pytest.raises(CredentialsMissing, match="no id of a site") as refused:
        WixApiKey(world.fake.site.id, "IST.a-secret-key")
    assert "swapped" in refused.value.next_step and "a-secret-key" not in str(refused.value) + refused.value.next_step


async def test_no_secret_in_any_word(world: World, caplog: pytest.LogCaptureFixture) -> None:
    """Wix may repeat what it was sent (the fake does), app values may be swapped, libraries log: nothing of it shows."""
    caplog.set_level(logging.DEBUG)
    fake = world.fake
    secrets = {"IST.wrong-key-value", fake.site.api_key, fake.app_id, fake.app_secret, fake.site.instance_id}
    auths: list[WixApiKey | WixApp] = [
        WixApiKey("IST.wrong-key-value", fake.site.id),
        WixApp(fake.app_secret, fake.app_id, fake.site.instance_id),
        WixApp(fake.site.instance_id, fake.app_secret, fake.app_id),
        world.app,
    ]
    told = ""
    for auth in auths:
        async with world.client(auth) as wix:
            for kind in ("meanwhile", "refuse", "html", "status"):
                world.fault(kind, status=401)
                try:
                    await wix.query(EXAMPLE)
                except WixsendError as wrong:
                    told += f"{wrong!r} {wrong} {wrong.next_step} {wrong.__cause__!r}"
            told += repr(auth) + repr(wix)
            world.server.faults.clear()
    secrets.update(fake._tokens)
    assert len(told) > 1000
    assert not [secret for secret in secrets if secret in told or secret in caplog.text]
