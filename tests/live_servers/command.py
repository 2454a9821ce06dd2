"""The command `wixsend` in the lab: a process of its own, in the real DNS, with a fake Wix that asks a resolver."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import dns.message
import dns.query
import dns.rdatatype

from live_servers.lab import UNBOUND_FRESH, Lab
from wixsend.names import Name
from wixsend.testing.server import Server
from wixsend.testing.wix import FakeWix

__all__ = ["Command", "by_resolver", "command"]


def by_resolver(name: Name) -> Name | None:
    """The CNAME's target as Wix's own resolver sees it."""
    answer = dns.query.udp(dns.message.make_query(name, "CNAME"), UNBOUND_FRESH, timeout=2).answer
    found = [rdata.target for rrset in answer if rrset.rdtype == dns.rdatatype.CNAME and rrset.name == name for rdata in rrset]
    return found[0] if found else None


@dataclass(frozen=True)
class Command:
    """`wixsend`, and the Wix that it speaks to."""

    environment: Mapping[str, str]
    wix: FakeWix

    def run(self, *words: str) -> tuple[int, Any, str]:
        """The exit code, what it printed as JSON, and what it told on stderr."""
        done = subprocess.run(
            [sys.executable, "-m", "wixsend", *words, "--json"],
            env=dict(self.environment),
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        return done.returncode, json.loads(done.stdout) if done.stdout.strip() else None, done.stderr


@contextmanager
def command(lab: Lab, folder: Path, environment: Mapping[str, str]) -> Iterator[Command]:
    """The command with these accounts. Its caches of nothing are quick, as the lab's zones are."""
    fake = FakeWix(by_resolver, requires_dmarc=True)
    settings = lab.settings()
    with Server({"wix": fake.handle}) as server:
        yield Command(
            {
                "PATH": os.environ["PATH"],
                "HOME": str(folder),
                "WIXSEND_STATE": str(folder / "state"),
                "WIXSEND_WIX_BASE_URL": server.url("wix"),
                "WIXSEND_WIX_API_KEY": fake.site.api_key,
                "WIXSEND_WIX_SITE_ID": fake.site.id,
                "WIXSEND_DNS_ROOTS": ",".join(settings.roots),
                "WIXSEND_DNS_RESOLVERS": ",".join(settings.resolvers),
                "WIXSEND_DNS_FALLBACK": "https://127.0.0.1:1/dns-query",
                "WIXSEND_DNS_PRIVATE_SERVERS": "true",
                "WIXSEND_DNS_IPV6": "true",
                "WIXSEND_TIMES_LOOK_LEAST": "0.2",
                "WIXSEND_TIMES_RETRY_FIRST": "1",
                **environment,
            },
            fake,
        )
