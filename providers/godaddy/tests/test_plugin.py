"""The plugin as it comes in by the front door."""

import subprocess
import sys

from wixsend.plugins import Plugins
from wixsend_godaddy import CLASSIC, PLUGIN, v3_fence
from wixsend_godaddy.rows import MAX_TTL, MIN_TTL
from wixsend_godaddy.sandbox import FakeGoDaddy


def test_it_is_found_and_brings_its_fake() -> None:
    plugins = Plugins()
    assert plugins.get("godaddy") is PLUGIN
    assert plugins.sandbox_host("godaddy") is FakeGoDaddy


def test_listing_it_imports_no_sdk() -> None:
    heavy = {"godaddypy", "requests", "httpx", "yaml", "aiohttp", *(f"wixsend_godaddy.{name}" for name in ("adapter", "v3", "sandbox"))}
    code = f"import sys, wixsend_godaddy as p; p.wixsend_provider(); print(*{heavy} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def test_the_limits_that_it_states_are_those_that_it_keeps() -> None:
    assert (CLASSIC.limits.min_ttl, CLASSIC.limits.max_ttl) == (MIN_TTL, MAX_TTL)
    assert (PLUGIN.limits.min_ttl, PLUGIN.limits.max_ttl) == (MIN_TTL, v3_fence.MAX_TTL)
