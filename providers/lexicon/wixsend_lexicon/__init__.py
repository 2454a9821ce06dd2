"""The bridge to lexicon's hosts: one plugin for each, `lexicon:NAME`, all of them data until an account is opened.

Each is an entry point of its own (`wixsend_lexicon:NAME`), which names an attribute of this module.
"""

from wixsend_lexicon.hosts import Host as _Host
from wixsend_lexicon.hosts import hosts as _bridged


def __getattr__(name: str) -> _Host:
    """The host of that name (PEP 562)."""
    if name not in _bridged():
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _bridged()[name]
