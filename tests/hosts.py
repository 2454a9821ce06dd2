"""The installed hosts that tests take one after the other."""

from wixsend.plugins import Plugins

__all__ = ["OVER_HTTP"]

_PLUGINS = Plugins()

OVER_HTTP: list[str] = [
    name
    for name in _PLUGINS.names()
    if _PLUGINS.sandbox_host(name) is not None and (_PLUGINS.get(name).base_url or _PLUGINS.get(name).own_url).startswith("https:")
]
"""Those that have a fake, and an API over HTTP."""
