"""What each server of the lab is told: one function for each configuration file. Addresses and roles are in `lab.py`."""

from collections.abc import Iterable, Mapping
from pathlib import Path

__all__ = [
    "API_KEY",
    "TSIG_NAME",
    "TSIG_SECRET",
    "bind_authority",
    "bind_primary",
    "bind_resolver",
    "dnsmasq",
    "knot",
    "knot_primary",
    "kresd",
    "nsd",
    "powerdns",
    "powerdns_sqlite",
    "recursor",
    "unbound",
    "unbound_tcp_only",
]

TSIG_NAME = "labkey"
TSIG_SECRET = "d2l4c2VuZC13aXhzZW5kLXdpeHNlbmQtd2l4c2VuZC0="
API_KEY = "labkey"


def nsd(folder: Path, address: str) -> str:
    """The root. Rate limiting off: the lab asks one server from one address, fast."""
    return f"""
server:
    ip-address: {address}@53
    username: ""
    chroot: ""
    zonesdir: "{folder}"
    database: ""
    pidfile: "{folder}/nsd.pid"
    xfrdfile: "{folder}/xfrd.state"
    zonelistfile: "{folder}/zone.list"
    xfrdir: "{folder}"
    server-count: 1
    rrl-ratelimit: 0
remote-control:
    control-enable: no
zone:
    name: "."
    zonefile: "root.zone"
"""


def knot(folder: Path, address: str, zones: Iterable[str], mirrored: Mapping[str, str]) -> str:
    """Zones from files, which TSIG may update; and zones mirrored from a primary's address only when it is told to look again."""
    remotes = "".join(f"  - id: from-{apex}\n    address: {primary}@53\n    key: {TSIG_NAME}\n" for apex, primary in mirrored.items())
    masters = "".join(f"  - domain: {apex}\n    master: from-{apex}\n    file: {apex}.mirrored\n" for apex in mirrored)
    own = "".join(f"  - domain: {apex}\n" for apex in zones)
    return f"""
server:
    rundir: "{folder}"
    listen: {address}@53
control:
    listen: "{folder}/knot.sock"
database:
    storage: "{folder}/db"
log:
  - target: stderr
    any: warning
key:
  - id: {TSIG_NAME}
    algorithm: hmac-sha256
    secret: {TSIG_SECRET}
{"remote:" if remotes else ""}
{remotes}
acl:
  - id: update
    key: {TSIG_NAME}
    action: update
template:
  - id: default
    storage: "{folder}"
    file: "%s.zone"
    zonefile-sync: -1
    acl: update
zone:
{own}{masters}"""


def powerdns(folder: Path, addresses: Iterable[str], api: str) -> str:
    """A DNS host with an HTTP API. Its own caches are off, as they would delay what it serves; LMDB bears parallel writers."""
    return f"""
launch=lmdb
lmdb-filename={folder}/pdns.lmdb
lmdb-sync-mode=nosync
lmdb-shards=1
local-address={",".join(addresses)}
local-port=53
socket-dir={folder}
api=yes
api-key={API_KEY}
webserver=yes
webserver-address={api}
webserver-port=8081
webserver-allow-from=127.0.0.0/8
cache-ttl=0
negquery-cache-ttl=0
query-cache-ttl=0
zone-cache-refresh-interval=0
default-api-rectify=yes
guardian=no
daemon=no
loglevel=3
security-poll-suffix=
"""


def powerdns_sqlite(folder: Path, address: str) -> str:
    """One of somebody's own, with a database that keeps comments, and an API at the same address."""
    return f"""
launch=gsqlite3
gsqlite3-database={folder}/zones.db
gsqlite3-pragma-synchronous=0
gsqlite3-dnssec=yes
local-address={address}
local-port=53
socket-dir={folder}
api=yes
api-key={API_KEY}
webserver=yes
webserver-address={address}
webserver-port=8081
webserver-allow-from=127.0.0.0/8
allow-axfr-ips=127.0.0.0/8
dnsupdate=yes
allow-dnsupdate-from=127.0.0.0/8
enable-lua-records=yes
cache-ttl=0
negquery-cache-ttl=0
query-cache-ttl=0
zone-cache-refresh-interval=0
guardian=no
daemon=no
loglevel=3
security-poll-suffix=
"""


def bind_authority(folder: Path, address: str, zone: str, clipped_address: str, clipped: str) -> str:
    """A primary that TSIG may update and mirror; at another address the same, with next to no room in its answers over UDP."""
    return f"""
key "{TSIG_NAME}" {{ algorithm hmac-sha256; secret "{TSIG_SECRET}"; }};
options {{
    directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on port 53 {{ {address}; {clipped_address}; }}; listen-on-v6 {{ none; }};
    recursion no; dnssec-validation no; allow-transfer {{ key {TSIG_NAME}; }}; notify no;
}};
controls {{ }};
view "clipped" {{
    match-destinations {{ {clipped_address}; }};
    nocookie-udp-size 128;
    zone "{clipped}" {{ type primary; file "{clipped}.zone"; allow-update {{ key {TSIG_NAME}; }}; }};
}};
view "whole" {{
    match-destinations {{ any; }};
    zone "{zone}" {{ type primary; file "{zone}.zone"; allow-update {{ key {TSIG_NAME}; }}; }};
}};
"""


def bind_primary(folder: Path, address: str, zones: Mapping[str, bool], name: str, algorithm: str, secret: str) -> str:
    """One of somebody's own: zones that one TSIG key may update, all of it or CNAME records alone."""
    may = {True: f'update-policy {{ grant "{name}" zonesub CNAME; }};', False: f'allow-update {{ key "{name}"; }};'}
    primaries = "".join(f'zone "{apex}" {{ type primary; file "{apex}.zone"; {may[least]} }};\n' for apex, least in zones.items())
    return f"""
key "{name}" {{ algorithm {algorithm}; secret "{secret}"; }};
options {{
    directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on port 53 {{ {address}; }}; listen-on-v6 {{ none; }};
    recursion no; dnssec-validation no; allow-transfer {{ 127.0.0.0/8; }}; notify no; max-records-per-type 0;
}};
controls {{ }};
{primaries}"""


def knot_primary(folder: Path, address: str, zones: Mapping[str, bool], name: str, algorithm: str, secret: str) -> str:
    """The same, with Knot DNS."""
    may = {True: "cnames", False: "update"}
    primaries = "".join(f"  - domain: {apex}\n    acl: [{may[least]}, look]\n" for apex, least in zones.items())
    return f"""
server:
    rundir: "{folder}"
    listen: {address}@53
control:
    listen: "{folder}/knot.sock"
database:
    storage: "{folder}/db"
log:
  - target: stderr
    any: warning
key:
  - id: {name}
    algorithm: {algorithm}
    secret: {secret}
acl:
  - id: update
    key: {name}
    action: update
  - id: cnames
    key: {name}
    action: update
    update-type: [CNAME]
  - id: look
    address: 127.0.0.0/8
    action: transfer
template:
  - id: default
    storage: "{folder}"
    file: "%s.zone"
    zonefile-sync: -1
    journal-content: none
{"zone:" if primaries else ""}
{primaries}"""


def unbound_tcp_only(folder: Path, address: str, zone: str) -> str:
    """An authoritative server that UDP does not reach: the lab keeps the UDP port, and lets all that comes there go unanswered."""
    return f"""
server:
    interface: {address}@53
    access-control: 127.0.0.0/8 allow
    do-udp: no
    do-ip6: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    use-syslog: no
    module-config: "iterator"
auth-zone:
    name: "{zone}"
    zonefile: "{folder}/{zone}.zone"
    for-upstream: no
    for-downstream: yes
"""


def unbound(folder: Path, address: str, hints: Path, anchor: str) -> str:
    """A resolver that validates, and denies from NSEC records that it has seen (RFC 8198)."""
    return f"""
server:
    interface: {address}@53
    access-control: 127.0.0.0/8 allow
    do-ip6: no
    do-not-query-localhost: no
    username: ""
    chroot: ""
    directory: "{folder}"
    pidfile: "{folder}/unbound.pid"
    use-syslog: no
    module-config: "validator iterator"
    trust-anchor: "{anchor}"
    aggressive-nsec: yes
    root-hints: "{hints}"
    num-threads: 1
remote-control:
    control-enable: no
"""


def kresd(address: str, root: str) -> str:
    """Its cache forgets as the zone says, not after five seconds at the earliest."""
    return f"""
net.listen('{address}', 53, {{kind = 'dns'}})
option('ALLOW_LOCAL', true)
modules.load('hints > iterate')
hints.root({{['a.root.'] = {{'{root}'}}}})
trust_anchors.remove('.')
for _, name in ipairs({{'priming', 'ta_update', 'ta_signal_query', 'detect_time_skew'}}) do modules.unload(name) end
cache.size = 16 * MB
cache.min_ttl(1)
"""


def recursor(folder: Path, address: str, hints: Path) -> str:
    return f"""
local-address={address}
local-port=53
dont-query=
hint-file={hints}
dnssec=off
socket-dir={folder}
daemon=no
threads=1
security-poll-suffix=
loglevel=3
"""


def bind_resolver(folder: Path, address: str, hints: Path, anchor: str) -> str:
    """A resolver that validates, from `anchor` in BIND's own words."""
    return f"""
options {{
    directory "{folder}"; pid-file "{folder}/named.pid"; session-keyfile "{folder}/session.key";
    listen-on port 53 {{ {address}; }}; listen-on-v6 {{ none; }};
    recursion yes; allow-recursion {{ 127.0.0.0/8; }}; dnssec-validation yes; empty-zones-enable no; prefetch 0;
}};
{anchor}
controls {{ }};
zone "." {{ type hint; file "{hints}"; }};
"""


def dnsmasq(address: str, upstream: str) -> str:
    """A forwarder, as in a home router."""
    return f"""
port=53
listen-address={address}
bind-interfaces
no-resolv
no-hosts
server={upstream}
cache-size=1000
"""
