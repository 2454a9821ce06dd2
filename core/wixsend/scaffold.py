"""Floor 6. A new provider plugin: a distribution that installs, is discovered and passes the conformance kit before its first line is
written by hand.

It is made from the plugin of Example DNS (`wixsend.testing.example`), which our own tests hold to the kit.
"""

import re
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path

from wixsend import __version__
from wixsend.errors import ConfigError

__all__ = ["new_provider"]

_SOURCES = ("adapter.py", "sandbox.py")
_WORDS = re.compile(r"wixsend\.testing\.example|Example DNS|dns\.example|EXAMPLE|Example|example")

_INIT = '"""The {label} plugin of wixsend."""\n'

_PYPROJECT = """\
[build-system]
requires = ["hatchling>=1.27"]
build-backend = "hatchling.build"

[project]
name = "wixsend-{name}"
version = "0.1.0"
description = "{label} as a DNS host for wixsend"
readme = "README.md"
requires-python = ">=3.12"
dependencies = ["wixsend~={version}", "httpx>=0.28,<0.29"]

[project.entry-points.wixsend]
{name} = "{module}"

[dependency-groups]
dev = ["wixsend[sandbox]", "pytest>=9", "pytest-asyncio>=1"]

[tool.hatch.build.targets.wheel]
packages = ["{module}"]

[tool.pytest.ini_options]
testpaths = ["tests"]
addopts = ["-q", "--tb=line"]
filterwarnings = ["error"]
asyncio_default_fixture_loop_scope = "function"
"""

_README = """\
# wixsend-{name}

{label} as a DNS host for wixsend. This text, and all of the code, is where you start from: a made-up API and a plugin that speaks it.
The tutorial (`docs/tutorial.md` of wixsend) goes from here to a plugin for a real host.

```
uv run pytest                # the conformance kit against the fake in {module}/sandbox.py
uv run wixsend providers     # {name} is in the list
uv run wixsend demo          # the whole job, at your host's fake
```

To work against a checkout of wixsend: `uv add --editable PATH-TO-THE-CHECKOUT`. The distribution that it finds there is called `wixsend`,
whatever the folder is called.

1. `{module}/sandbox.py`: describe {label}'s API as it is, bad habits included, and make the fake behave so.
2. `{module}/adapter.py`: the three answers (`zone`, `read`, `write`) and the table of errors.
3. `{module}/__init__.py`: credentials and where to get them, least permission, quota, limits, name servers.
4. `tests/test_conformance.py`: say what {label} does differently. A case that fails names the attribute for that, where there is one. A
   case is overridden only with a reason. `uv run pytest --tb=short -k CASE` shows where it failed.

Then write here, for the people who use it: which credentials, the least permission, limits, what is refused and why, and against what it
was tried.
"""

_CONFORMANCE = '''\
"""What every provider plugin promises, kept by this one against its fake.

`ProviderConformance` says which attributes there are for what {label} does differently.
"""

from typing import ClassVar

from wixsend.testing.conformance import ProviderConformance
from {module} import PLUGIN
from {module}.sandbox import {prefix}Host


class Test{prefix}(ProviderConformance):
    plugin = PLUGIN
    fake = {prefix}Host
    masks = True
    settings: ClassVar = {{"zone_settings": {{"mail": "forwarding"}}}}
'''


def new_provider(name: str, label: str, parent: Path) -> tuple[Path, ...]:
    """Write the distribution `wixsend-NAME` into a new folder of `parent`; the files written.

    `name` is lower case, digits and hyphens, and begins with a letter; `label` is the company as a person writes it. Raises
    `ConfigError` for another name, and for a folder that exists: nothing is ever overwritten.
    """
    if not re.fullmatch(r"[a-z][a-z0-9]*(-[a-z0-9]+)*", name):
        raise ConfigError(f"{name!r} is no name for a plugin", "Take lower-case letters, digits and hyphens, such as example-dns.")
    if not label.isprintable() or not label.strip() or set(label) & set('"\\{}'):
        raise ConfigError(f"{label!r} is no name for a company", "Give it as a person writes it, without quotation marks.")
    folder = parent / f"wixsend-{name}"
    if folder.exists():
        raise ConfigError(f"{folder} exists already", "Give another name, or another folder with --in.")
    written = []
    for path, text in _contents(name, label).items():
        file = folder / path
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        except OSError as wrong:
            raise ConfigError(f"{file} cannot be written: {wrong.strerror}", "Give another folder with --in.") from wrong
        written.append(file)
    return tuple(written)


def _contents(name: str, label: str) -> Mapping[str, str]:
    module = "wixsend_" + name.replace("-", "_")
    prefix = "".join(part.capitalize() for part in name.split("-"))
    words = {
        "wixsend.testing.example": module,
        "Example DNS": label,
        "dns.example": f"{name}.example",
        "EXAMPLE": name.upper().replace("-", "_"),
        "Example": prefix,
        "example": name,
    }
    known = {"name": name, "label": label, "module": module, "prefix": prefix, "version": __version__}
    example = files("wixsend.testing") / "example"

    def renamed(file: str) -> str:
        return _WORDS.sub(lambda word: words[word[0]], (example / file).read_text(encoding="utf-8"))

    init = renamed("__init__.py").split('"""\n', 1)[1]
    return {
        "pyproject.toml": _PYPROJECT.format_map(known),
        ".python-version": "3.12\n",
        ".gitignore": "__pycache__/\n.venv/\ndist/\n",
        "README.md": _README.format_map(known),
        f"{module}/__init__.py": _INIT.format_map(known) + init,
        **{f"{module}/{file}": renamed(file) for file in _SOURCES},
        f"{module}/py.typed": "",
        "tests/test_conformance.py": _CONFORMANCE.format_map(known),
    }
