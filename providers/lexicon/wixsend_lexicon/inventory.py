"""Write `hosts.json`, and the entry points of the distribution, from what the installed lexicon says of its hosts.

    python -m wixsend_lexicon.inventory           from a checkout, after lexicon was updated
    python -m wixsend_lexicon.inventory --check   exit 1 when lexicon says something else

lexicon says which options a host takes, with a line of help for each. Which of them it cannot do without it does not say: those are
required that are not known to be optional, and none of a host that can be logged in to in several ways.
"""

import argparse
import importlib
import json
import re
import sys
from pathlib import Path
from typing import Any

from wixsend_lexicon.hosts import NATIVE

__all__ = ["entry_points", "inventory", "main"]

_NO_HOST = frozenset({"auto"})
_SECRET = re.compile(r"token|key|secret|pass|psw|2fa|totp|service_account")
_OPTIONAL = re.compile(
    r"zone_id|dns_zone_id|cloud_id|folder_id|auth_sub(id|user)|weight|port|auth_2fa|auth_totp_secret|api_protocol|private_zone|ib_view"
    r"|sleep_time|auth_key_is_global|auth_region"
)
_FOLDER = Path(__file__).parent


def _options(name: str) -> list[argparse.Action]:
    parser = argparse.ArgumentParser(add_help=False)
    importlib.import_module(f"lexicon._private.providers.{name}").Provider.configure_parser(parser)
    return list(parser._actions)


def inventory() -> dict[str, Any]:
    """What `hosts.json` holds: for each host that is bridged its fields, and the hosts that need what lexicon installs only on demand."""
    from lexicon._private.discovery import find_providers

    known = {name: here for name, here in sorted(find_providers().items()) if name not in NATIVE and name not in _NO_HOST}
    return {
        "hosts": {name: _fields(_options(name)) for name, here in known.items() if here},
        "left_out": [name for name, here in known.items() if not here],
    }


def _fields(options: list[argparse.Action]) -> list[dict[str, Any]]:
    names = {option.dest for option in options}
    several = "auth_token" in names and bool(names & {"auth_password", "auth_api_key"})
    return [
        {
            "name": option.dest,
            "help": " ".join((option.help or option.dest.replace("_", " ")).split()),
            "secret": bool(_SECRET.search(option.dest)),
            "required": not (several or option.nargs == 0 or option.default or _OPTIONAL.fullmatch(option.dest)),
            "flag": option.nargs == 0,
        }
        for option in options
    ]


def entry_points(found: dict[str, Any]) -> dict[str, str]:
    """One for each host: `wixsend_lexicon` gives the host for its name."""
    return {f"lexicon:{name}": f"wixsend_lexicon:{name}" for name in found["hosts"]}


def main() -> int:
    found = inventory()
    told = json.dumps(found, indent=1) + "\n"
    if "--check" in sys.argv[1:]:
        return 0 if (_FOLDER / "hosts.json").read_text() == told else 1
    (_FOLDER / "hosts.json").write_text(told)
    pyproject = _FOLDER.parent / "pyproject.toml"
    lines = "".join(f'"{name}" = "{where}"\n' for name, where in entry_points(found).items())
    block = re.compile(r"(?<=^\[project\.entry-points\.wixsend\]\n)(?:\".*\n)*", re.MULTILINE)
    pyproject.write_text(block.sub(lambda _: lines, pyproject.read_text(), count=1))
    return 0


if __name__ == "__main__":
    sys.exit(main())
