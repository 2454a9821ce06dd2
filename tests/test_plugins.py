"""Discovery of plugins, against real distributions (a dist-info folder and a module) put on sys.path."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import pytest

from wixsend.errors import PluginBroken, PluginMissing
from wixsend.names import absolute
from wixsend.plugins import Plugins
from wixsend.testing.fakes import FakeHost

GOOD = """
from wixsend import Granularity, ProviderPlugin, hookimpl

@hookimpl
def wixsend_provider():
    return ProviderPlugin(name="{name}", label="Host {name}", opens=lambda credentials, wire: None,
                          granularity=Granularity.RECORD, credentials=(), name_servers=("{suffix}",), base_url="https://api.example")
"""

type Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Install:
    """Puts a distribution with one plugin on sys.path, as pip would have."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(str(site))

    def put(name: str, code: str, *, module: str | None = None, distribution: str | None = None, entry_points: str | None = None) -> None:
        module = module or f"wixsend_test_{name}_{tmp_path.name}".replace("-", "_")
        distribution = distribution or f"wixsend-{name}"
        info = site / f"{distribution.replace('-', '_')}-1.2.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.2\n")
        (info / "entry_points.txt").write_text(entry_points or f"[wixsend]\n{name} = {module}\n")
        (site / f"{module}.py").write_text(dedent(code))

    return put


def good(name: str, suffix: str = "ns.example") -> str:
    return GOOD.format(name=name, suffix=suffix)


def test_a_plugin_comes_in_by_its_entry_point(install: Install) -> None:
    install("alpha", good("alpha"))
    plugins = Plugins()
    assert "alpha" in plugins.names()
    assert plugins.get("alpha").label == "Host alpha"
    row = next(row for row in plugins.all() if row.name == "alpha")
    assert (row.distribution, row.version, row.error) == ("wixsend-alpha", "1.2", None)


def test_listing_names_imports_no_plugin_and_get_imports_one(install: Install, tmp_path: Path) -> None:
    mark = tmp_path / "imported"
    trace = f"import pathlib\nwith open({str(mark)!r}, 'a') as out: out.write(__name__ + '\\n')\n"
    install("alpha", trace + good("alpha"), module="wixsend_lazy_alpha")
    install("beta", trace + good("beta"), module="wixsend_lazy_beta")
    plugins = Plugins()
    assert {"alpha", "beta"} <= set(plugins.names())
    assert not mark.exists()
    plugins.get("beta")
    plugins.get("beta")
    assert mark.read_text().splitlines() == ["wixsend_lazy_beta"]


@pytest.mark.parametrize(
    ("code", "says"),
    [
        pytest.param("import no_such_module_of_a_vendor", "ModuleNotFoundError: No module named 'no_such_module_of_a_vendor'", id="import"),
        pytest.param("def broken(:", "SyntaxError", id="syntax"),
        pytest.param("import sys; sys.exit(3)", "SystemExit: 3", id="exits"),
        pytest.param("x = 1", "has no hook wixsend_provider", id="no-hook"),
        pytest.param("def wixsend_provider(): return None", "has no hook wixsend_provider", id="hook-not-marked"),
        pytest.param(good("other"), "calls itself 'other'", id="another-name"),
        pytest.param(good("broken", suffix="a..b"), "suffix of its name servers", id="suffix"),
        pytest.param(good("broken").replace("Host broken", r"Host\x1b[2J"), "no printable line of text", id="escape"),
        pytest.param(good("broken").replace("Host broken", r"Host\nwixsend: done"), "no printable line of text", id="line"),
        pytest.param(good("broken").replace("Host broken", r"Host\u202e"), "no printable line of text", id="bidi"),
        pytest.param(good("broken").replace('"Host broken"', "None"), "no printable line of text", id="no-text"),
        pytest.param(r"raise ValueError('\x9b2J\nwixsend: done')", r"ValueError: \x9b2J\x0awixsend: done", id="escape-in-error"),
        pytest.param(
            "from wixsend import hookimpl\n@hookimpl\ndef wixsend_provider(): return {'name': 'broken'}", "yields a dict", id="not-a-plugin"
        ),
        pytest.param(
            "from wixsend import hookimpl\n@hookimpl\ndef wixsend_provider(): raise RuntimeError('no luck')",
            "RuntimeError: no luck",
            id="hook-raises",
        ),
        pytest.param(
            "from wixsend import hookimpl\n@hookimpl\ndef wixsend_provider(version): return None", "PluginValidationError", id="signature"
        ),
    ],
)
def test_a_broken_plugin_is_a_row_with_its_error_and_harms_no_other(install: Install, code: str, says: str) -> None:
    install("broken", code)
    install("sound", good("sound"))
    plugins = Plugins()
    rows = {row.name: row for row in plugins.all()}
    assert rows["sound"].plugin is not None
    assert rows["broken"].plugin is None
    with pytest.raises(PluginBroken) as caught:
        plugins.get("broken")
    assert caught.value is rows["broken"].error
    assert says in str(caught.value)
    assert "wixsend-broken 1.2" in str(caught.value)
    assert (str(caught.value) + caught.value.next_step).isprintable()
    assert "pip install" in caught.value.next_step


def test_the_cause_of_a_failed_import_is_chained(install: Install) -> None:
    install("broken", "1 / 0")
    with pytest.raises(PluginBroken) as caught:
        Plugins().get("broken")
    assert isinstance(caught.value.__cause__, ZeroDivisionError)


def test_an_unreadable_distribution_of_a_stranger_harms_nothing(install: Install) -> None:
    install("stranger", "", entry_points="this is [no ini file\n= nothing\n[wixsend\n")
    install("sound", good("sound"))
    assert Plugins().get("sound").name == "sound"


def test_two_distributions_with_one_name_are_refused(install: Install) -> None:
    install("twin", good("twin"), distribution="wixsend-twin")
    install("twin", good("twin"), distribution="other-twin", module="wixsend_other_twin")
    with pytest.raises(PluginBroken, match="claimed by other-twin and wixsend-twin"):
        Plugins().get("twin")


def test_a_missing_plugin_says_how_to_install_it() -> None:
    with pytest.raises(PluginMissing) as caught:
        Plugins().get("nowhere")
    assert "pip install wixsend-nowhere" in caught.value.next_step


def test_name_servers_are_matched_on_label_boundaries_and_broken_plugins_skipped(install: Install) -> None:
    install("alpha", good("alpha", "ns.alpha-dns.example"))
    install("broken", "1 / 0")
    plugins = Plugins()
    assert plugins.for_server(absolute("KATE.ns.Alpha-DNS.example")) == ("alpha",)
    assert plugins.for_server(absolute("kate.fakens.alpha-dns.example")) == ()


@pytest.mark.parametrize(
    ("server", "known"),
    [
        ("NS-1.Set-07.example", True),
        ("set-07.example", True),
        ("ns-1.set-007.example", False),
        ("ns-1.set-07.more.example", False),
        ("set-07", False),
    ],
)
def test_a_suffix_may_leave_characters_of_a_label_open(install: Install, server: str, known: bool) -> None:
    install("alpha", good("alpha", "set-??.example"))
    assert (Plugins().for_server(absolute(server)) == ("alpha",)) is known


def test_one_distribution_may_bring_many_hosts(install: Install, tmp_path: Path) -> None:
    """Each by an entry point of its own, which names an object with the hook."""
    points = "[wixsend]\nbridge:one = wixsend_bridge_%s:one\nbridge:two = wixsend_bridge_%s:two\nown = nowhere\n"
    module = """
        from wixsend import Granularity, ProviderPlugin, hookimpl

        class Host:
            def __init__(self, name):
                self.name = name

            @hookimpl
            def wixsend_provider(self):
                return ProviderPlugin(name=f"bridge:{self.name}", label=self.name, opens=lambda credentials, wire: None,
                                      granularity=Granularity.RECORD, credentials=(), name_servers=(), base_url="https://api.example")

        one, two = Host("one"), Host("two")
    """
    name = f"wixsend_bridge_{tmp_path.name}".replace("-", "_")
    install("bridge", module, module=name, entry_points=points.replace("wixsend_bridge_%s", name))
    plugins = Plugins()
    assert {"bridge:one", "bridge:two"} <= set(plugins.names())
    assert [plugins.get(f"bridge:{each}").label for each in ("one", "two")] == ["one", "two"]
    with pytest.raises(PluginMissing, match="bridge:one") as caught:
        plugins.get("bridge:own")
    assert "own name: own" in caught.value.next_step


def test_the_sandbox_host_comes_by_its_optional_hook(install: Install) -> None:
    install("plain", good("plain"))
    install(
        "hosted",
        good("hosted") + "from wixsend.testing.fakes import FakeHost\n@hookimpl\ndef wixsend_sandbox_host():\n    return FakeHost\n",
    )
    install("failing", good("failing") + "@hookimpl\ndef wixsend_sandbox_host():\n    import no_such_fake\n")
    plugins = Plugins()
    assert plugins.sandbox_host("plain") is None
    assert plugins.sandbox_host("hosted") is FakeHost
    with pytest.raises(PluginBroken, match="no_such_fake"):
        plugins.sandbox_host("failing")


def test_listing_our_plugins_imports_no_sdk() -> None:
    code = "from wixsend.plugins import Plugins; import sys; Plugins().all(); print(' '.join(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"cloudflare", "godaddypy", "namecheap", "requests", "httpx", "pydantic", "aiohttp", "sqlalchemy"} & set(done.stdout.split())


@pytest.mark.parametrize("other", ['name="other"', 'base_url="https://elsewhere.example"', "also=(PLUGIN,)"])
def test_a_way_into_another_host_is_none(install: Install, other: str) -> None:
    code = good("alpha").replace("    return ProviderPlugin(", "    PLUGIN = ProviderPlugin(")
    more = f"    from dataclasses import replace\n    return replace(PLUGIN, also=(replace(PLUGIN, {other}),))\n"
    install("alpha", code + more)
    with pytest.raises(PluginBroken, match="differs in its name or base URL"):
        Plugins().get("alpha")
