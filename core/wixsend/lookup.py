"""Floor 4. Questions to name servers: find the zone cut from the roots down, and prove records at every authoritative server."""

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["ROOTS", "DnsSettings"]

ROOTS: tuple[str, ...] = (
    *("198.41.0.4", "170.247.170.2", "192.33.4.12", "199.7.91.13", "192.203.230.10", "192.5.5.241", "192.112.36.4"),
    *("198.97.190.53", "192.36.148.17", "192.58.128.30", "193.0.14.129", "199.7.83.42", "202.12.27.33"),
)
"""IPv4 addresses of the root servers, A to M (IANA, named.root of 2024)."""


@dataclass(frozen=True, slots=True)
class DnsSettings:
    """Whom to ask, and how.

    `resolvers` are the public resolvers that the proof ends with. `endpoints` maps a server's address to the "ip:port" where it
    is really to be asked (the sandbox, labs); any other address is asked at `port`. One try takes `timeout` seconds at the
    most, and a silent server gets `tries` of them. Addresses of name servers that are not on the public internet are not asked
    unless they are in `endpoints` or `private_servers` is set. At most `in_flight` questions are open at once, `per_server` of
    them at one address.
    """

    resolvers: tuple[str, ...] = ("1.1.1.1", "8.8.8.8", "9.9.9.9")
    roots: tuple[str, ...] = ROOTS
    port: int = 53
    endpoints: Mapping[str, str] = field(default_factory=dict)
    timeout: float = 3.0
    tries: int = 2
    private_servers: bool = False
    in_flight: int = 64
    per_server: int = 8
