"""The bridge as data: one plugin for each host, none of lexicon imported, none that wixsend has a plugin for."""

import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from wixsend import Change, Edit, EditRejected, Record, absolute
from wixsend.errors import PluginMissing
from wixsend.plugins import Plugins
from wixsend.records import Snapshot, Zone
from wixsend.wire import HttpWire
from wixsend_lexicon.hosts import NATIVE, hosts, left_out

PYPROJECT = Path(__file__).parents[1] / "pyproject.toml"
BRIDGED = [name for name in Plugins().names() if name.startswith("lexicon:")]
APEX = absolute("example.com")


def test_the_data_is_what_lexicon_says() -> None:
    """When this fails lexicon was updated: `python -m wixsend_lexicon.inventory`, and `docs/reference/generate.py`."""
    assert subprocess.run([sys.executable, "-m", "wixsend_lexicon.inventory", "--check"], check=False).returncode == 0
    points = tomllib.loads(PYPROJECT.read_text())["project"]["entry-points"]["wixsend"]
    assert points == {f"lexicon:{name}": f"wixsend_lexicon:{name}" for name in hosts()}
    assert not {*left_out(), *NATIVE} & set(hosts())


def test_each_host_is_a_plugin_of_its_own() -> None:
    assert len(BRIDGED) == len(hosts()) > 70
    assert not [row.error for row in Plugins().all() if row.error is not None]


@pytest.mark.parametrize("name", BRIDGED)
def test_a_host_only_adds_and_is_only_chosen_by_name(name: str) -> None:
    plugin = Plugins().get(name)
    assert plugin.reads == "dns" and not plugin.limits.removes and plugin.name_servers == ()
    assert all(field.secret for field in plugin.credentials if any(word in field.name for word in ("token", "secret", "pass", "key")))
    assert plugin.credentials and all(field.env.startswith("LEXICON_") and field.help for field in plugin.credentials)


@pytest.mark.parametrize("host", NATIVE)
def test_a_host_with_a_plugin_of_its_own_is_refused_and_that_plugin_named(host: str) -> None:
    own = NATIVE[host]
    with pytest.raises(PluginMissing) as raised:
        Plugins().get(f"lexicon:{host}")
    assert own in Plugins().names() and f" {own}" in raised.value.happened
    assert ("own name: " + own if host == own else "under its own name") in raised.value.next_step


def test_listing_the_hosts_imports_nothing_of_lexicon() -> None:
    code = "import sys; from wixsend.plugins import Plugins; Plugins().all(); assert 'lexicon' not in sys.modules, 'imported'"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_what_is_not_given_is_not_passed_on() -> None:
    given = hosts()["transip"].given({"auth_username": "u", "auth_api_key": "", "auth_key_is_global": "no"})
    assert given == {"auth_username": "u"}
    assert hosts()["transip"].given({"auth_key_is_global": "yes"}) == {"auth_key_is_global": True}


@pytest.mark.parametrize("change", ["a removal", "a TXT"])
def test_only_cnames_are_ever_added(change: str) -> None:
    owner = absolute("em1", APEX)
    cname, text = Record(owner, "CNAME", "x.example.net."), Record(owner, "TXT", '"x"')
    made = Change(owner, remove=(text,), add=(cname,)) if change == "a removal" else Change(owner, add=(text,))
    provider = hosts()["gandi"].wixsend_provider().opens({"auth_token": "secret"}, HttpWire("https://lexicon.invalid"))
    with pytest.raises(EditRejected, match="em1"):
        provider.write(Edit(Snapshot(Zone(APEX), (), frozenset()), (made,)))
