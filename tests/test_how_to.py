"""Each recipe of the documentation is cooked: in a sandbox with the domains that it tells of, every command run, every output compared."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from documents import blocks, run
from wixsend.names import absolute, text
from wixsend.records import Record
from wixsend.testing.sandbox import ELSEWHERE, Sandbox

HOW_TO = Path(__file__).parents[1] / "docs" / "how-to"

_QUICK = {"WIXSEND_TIMES_LOOK_LEAST": "0.2", "WIXSEND_TIMES_SETTLE_MOST": "0"}


def _zone(apex: str, *more: tuple[str, str, str]) -> list[Record]:
    """What a small business has in its zone, and more: owner, type, rdata."""
    rows = [("@", "A", "192.0.2.80"), ("www", "CNAME", f"{apex}."), ("@", "MX", "10 mail.example.net."), ("@", "TXT", '"v=spf1 mx -all"')]
    return [Record(absolute(owner, absolute(apex)), rtype, rdata, 3600) for owner, rtype, rdata in (*rows, *more)]


def _one_domain(world: Sandbox) -> None:
    for domain, host in (("example.com", "cloudflare"), ("example.net", "godaddy"), ("example.org", "namecheap")):
        world.add_domain(domain, host, _zone(domain))


def _example(world: Sandbox) -> None:
    world.add_domain("example.com", "cloudflare", _zone("example.com"))


def _policies(world: Sandbox) -> None:
    for domain in ("policy.example", "policy2.example"):
        world.add_domain(domain, "cloudflare", _zone(domain, ("_dmarc", "TXT", '"v=DMARC1; p=reject"')))
    above = _zone("above.example", ("_dmarc", "TXT", '"v=DMARC1; p=quarantine"'))
    world.add_domain("mail.above.example", "godaddy", above, zone="above.example")


def _conflicts(world: Sandbox) -> None:
    world.add_domain("taken.example", "cloudflare", _zone("taken.example", ("s1._domainkey", "CNAME", "s1.domainkey.u42.wl.sendgrid.net.")))
    world.add_domain("star.example", "digitalocean", _zone("star.example", ("*", "CNAME", "star.example.")))
    wants = world.add_domain("proxied.example", "cloudflare").wants
    world.edit_behind("cloudflare", "proxied.example", add=[replace(next(r for r in wants if r.owner.labels[0] == b"s1"), masked=True)])


def _dynamic(world: Sandbox) -> None:
    zone = _zone("dynamic.example", ("home", "A", "192.0.2.44"))
    flags = {("home", "A"): {"IsDDNSEnabled": "true"}}
    world.add_domain("dynamic.example", "namecheap", zone, flags=flags)


def _closed(world: Sandbox) -> dict[str, str]:
    """Nothing but the resolvers can be reached."""
    _example(world)
    ends = dict(pair.split("=") for pair in world.environment()["WIXSEND_DNS_ENDPOINTS"].split(","))
    shut = {address: place if address.startswith("203.") else "127.0.0.1:9" for address, place in ends.items()}
    return {"WIXSEND_DNS_ENDPOINTS": ",".join("=".join(pair) for pair in shut.items()), "WIXSEND_DNS_TIMEOUT": "0.2"}


def _agency(world: Sandbox) -> dict[str, str]:
    """Clients in several accounts, on two sites, and one with a SendGrid of its own."""
    studio = world.wix.add_site("studio")
    for domain, account in (("bakery", "agency"), ("florist", "cloudflare"), ("optician", "reseller")):
        world.add_domain(f"{domain}.example", account, _zone(f"{domain}.example"))
    world.add_domain("choir.example", "godaddy", _zone("choir.example"), site=studio)
    taken = ("s1._domainkey", "CNAME", "s1.domainkey.u42.wl.sendgrid.net.")
    world.add_domain("garage.example", "agency", _zone("garage.example", taken))
    return {"STUDIO_WIX_KEY": studio.api_key}


def _no_api(world: Sandbox) -> None:
    """A client's zone at a host to which there is no access, and one at a host without a plugin."""
    world.add_domain("client.example", "cloudflare", _zone("client.example"))
    signs = ("s1._domainkey", "CNAME", "s1.domainkey.u42.wl.sendgrid.net.")
    world.add_domain("gandi.example", ELSEWHERE, _zone("gandi.example", signs), name_servers=("a.dns.gandi.net", "b.dns.gandi.net"))


def _clients(world: Sandbox) -> None:
    for domain, host in (("bakery.example", "cloudflare"), ("florist.example", "godaddy"), ("optician.example", "namecheap")):
        world.add_domain(domain, host, _zone(domain))


@dataclass(frozen=True)
class Recipe:
    """What is in the sandbox, what more is in the environment, and which accounts there are beside those called like their hosts."""

    world: Callable[[Sandbox], Mapping[str, str] | None]
    environment: Mapping[str, str] = field(default_factory=dict)
    lacks: tuple[str, ...] = ()
    accounts: Mapping[str, str] = field(default_factory=dict)


RECIPES = {
    "one-domain": Recipe(_one_domain),
    "existing-dmarc": Recipe(_policies),
    "conflicts": Recipe(_conflicts),
    "whole-zone-hosts": Recipe(_dynamic),
    "undo-and-restore": Recipe(_example),
    "secrets": Recipe(_example),
    "when-it-stops": Recipe(_example),
    "sandbox": Recipe(_example),
    "port-53-closed": Recipe(_closed),
    "no-api": Recipe(_no_api, lacks=("CLOUDFLARE_API_TOKEN",)),
    "bridge": Recipe(_example),
    "several-machines": Recipe(_clients),
    "agencies": Recipe(_agency, accounts={"agency": "cloudflare", "reseller": "namecheap"}),
}


@pytest.fixture
def world(request: pytest.FixtureRequest) -> Iterator[Sandbox]:
    with Sandbox(accounts=RECIPES[request.node.callspec.params["name"]].accounts) as world:
        world.wix.requires_dmarc = False
        yield world


def test_every_recipe_is_cooked() -> None:
    assert {page.stem for page in HOW_TO.glob("*.md")} == set(RECIPES)
    for page in HOW_TO.glob("*.md"):
        assert page.read_text().count("\n```") == 2 * len(blocks(page)), f"{page.name} has a block that nobody looks at"


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe(name: str, world: Sandbox, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    recipe = RECIPES[name]
    more = recipe.world(world) or {}
    environment = {**world.environment(), "WIXSEND_STATE": str(tmp_path / "state"), **_QUICK, **recipe.environment, **more}
    if name == "several-machines":
        environment["WIXSEND_DB"] = request.getfixturevalue("postgres").url()
    if name == "secrets":
        environment["MY_CLOUDFLARE_TOKEN"] = environment.pop("CLOUDFLARE_API_TOKEN")
    environment = {variable: value for variable, value in environment.items() if variable not in recipe.lacks}
    tools = {"someone-deletes-www": _deletes("www.example.com", world), "the-owner-adds-them": _adds("client.example", world)}
    run(HOW_TO / f"{name}.md", tmp_path, environment, tools)


def _adds(domain: str, world: Sandbox) -> str:
    """A script that adds what Wix wants for a domain at Cloudflare, as its panel would."""
    wants = next((held.wants for held in world.wix.domains.values() if held.domain == domain), ())
    rows = [{"type": want.rtype, "name": text(want.owner), "content": text(want.target), "ttl": 300} for want in wants]
    return f"""{_at_cloudflare(world)}
zone = next(zone["id"] for zone in ask("/zones?name=" + {json.dumps(domain)}))
for row in {json.dumps(rows)}:
    ask(f"/zones/{{zone}}/dns_records", "POST", row)
"""


def _deletes(owner: str, world: Sandbox) -> str:
    """A script that removes the records of an owner at Cloudflare, as its panel would."""
    return f"""{_at_cloudflare(world)}
zone = next(zone["id"] for zone in ask("/zones?name=example.com"))
for record in ask(f"/zones/{{zone}}/dns_records?per_page=100"):
    if record["name"] == {json.dumps(owner)}:
        ask(f"/zones/{{zone}}/dns_records/{{record['id']}}", "DELETE")
"""


def _at_cloudflare(world: Sandbox) -> str:
    """A script's beginning: `ask(path, method, body)` asks Cloudflare's API."""
    base, token = world.url("cloudflare"), world.environment()["CLOUDFLARE_API_TOKEN"]
    return f"""
import json, urllib.request
def ask(path, method="GET", body=None):
    head = {{"authorization": "Bearer " + {json.dumps(token)}, "content-type": "application/json"}}
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request({json.dumps(base)} + path, data, head, method=method)
    return json.load(urllib.request.urlopen(request))["result"]"""
