"""Floor 3. The hooks a plugin may implement. A plugin is a module named by an entry point of group `wixsend`.

    [project.entry-points.wixsend]
    example = "wixsend_example"

The entry point's name must equal `ProviderPlugin.name`.
"""

from typing import TYPE_CHECKING

import pluggy

from wixsend.provider import ProviderPlugin

if TYPE_CHECKING:
    from wixsend.testing.fakes import FakeHost

__all__ = ["PROJECT", "hookimpl", "hookspec", "wixsend_provider", "wixsend_sandbox_host"]

PROJECT = "wixsend"
"""The pluggy project name and the entry-point group."""

hookspec = pluggy.HookspecMarker(PROJECT)
hookimpl = pluggy.HookimplMarker(PROJECT)
"""Marks a plugin's implementation of a hook."""


@hookspec(firstresult=True)
def wixsend_provider() -> ProviderPlugin:  # type: ignore[empty-body]
    """The DNS host that this plugin brings. Must not import the vendor's SDK: that is for `ProviderPlugin.opens`."""


@hookspec(firstresult=True)
def wixsend_sandbox_host() -> "type[FakeHost]":  # type: ignore[empty-body]
    """Optional: the class of a stateful fake of the vendor, for the sandbox and the conformance suite. Imported only there."""
