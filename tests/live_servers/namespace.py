"""A network of one's own, and what passes in it: nothing reaches the machine's network, nor the other way round."""

import os
import socket
import struct
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import TracebackType
from typing import Literal, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rdatatype

from wixsend.names import Name

_ALL_PROTOCOLS = 0x0003  # ETH_P_ALL, linux/if_ether.h
_SO_RCVBUFFORCE = 33  # asm-generic/socket.h
_IPV4, _IPV6, _TCP, _UDP, _DNS = 0x0800, 0x86DD, 6, 17, 53
_BUFFER = 16 * 1024 * 1024


class Namespace:
    """A network namespace with nothing but a loopback of its own. Needs CAP_SYS_ADMIN (root, or `unshare -Urn`).

    Only the thread that enters is inside, and with it the threads and processes that it starts there.
    """

    def __init__(self) -> None:
        home = _current()
        try:
            os.unshare(os.CLONE_NEWNET)
            try:
                subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
                self._own = _current()
            finally:
                os.setns(home, os.CLONE_NEWNET)
        finally:
            os.close(home)

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Be inside; the thread is back where it was afterwards."""
        home = _current()
        try:
            os.setns(self._own, os.CLONE_NEWNET)
            try:
                yield
            finally:
                os.setns(home, os.CLONE_NEWNET)
        finally:
            os.close(home)

    def close(self) -> None:
        """Let go of it; it ends with the last process inside."""
        os.close(self._own)


def add_addresses(*addresses: str) -> None:
    """Give the loopback these as well: BIND binds only what it sees on an interface, and IPv6 has no whole network of loopback."""
    for address in addresses:
        subprocess.run(["ip", "address", "add", f"{address}/{128 if ':' in address else 32}", "dev", "lo"], check=True)


def _current() -> int:
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY)


@dataclass(frozen=True, slots=True)
class Packet:
    """One DNS message as it passed, from where to where."""

    source: str
    target: str
    transport: Literal["udp", "tcp"]
    message: dns.message.Message

    @property
    def is_answer(self) -> bool:
        return bool(self.message.flags & dns.flags.QR)

    @property
    def name(self) -> Name:
        """The name asked for, lower case; the root where a message has no question."""
        return self.message.question[0].name.canonicalize() if self.message.question else dns.name.root

    @property
    def rtype(self) -> str:
        return dns.rdatatype.to_text(self.message.question[0].rdtype) if self.message.question else ""


class Capture:
    """Everything on port 53 of the loopback, of this namespace, between enter and exit. The kernel queues: nothing is missed meanwhile."""

    def __init__(self) -> None:
        self._packets: list[Packet] = []

    def __enter__(self) -> Self:
        self._socket = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_ALL_PROTOCOLS))
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
        except PermissionError:  # an ordinary user in a namespace gets what the machine allows everybody
            self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _BUFFER)
        self._socket.bind(("lo", 0))
        self._socket.setblocking(False)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._socket.close()

    def packets(self) -> list[Packet]:
        """Every DNS message that has passed so far, in order."""
        while True:
            try:
                data, (_interface, protocol, direction, *_rest) = self._socket.recvfrom(65535)
            except BlockingIOError:
                return self._packets
            if protocol in (_IPV4, _IPV6) and direction == socket.PACKET_OUTGOING:  # the loopback shows each packet going and coming
                found = _packet(data)
                self._packets += [found] if found is not None else []


def _packet(data: bytes) -> Packet | None:
    """The DNS message in an IP packet, if there is one whole."""
    if data[0] >> 4 == 4:
        transport_at, protocol, family, addresses = (data[0] & 15) * 4, data[9], socket.AF_INET, data[12:20]
    else:
        transport_at, protocol, family, addresses = 40, data[6], socket.AF_INET6, data[8:40]
    half = len(addresses) // 2
    source, target = (socket.inet_ntop(family, packed) for packed in (addresses[:half], addresses[half:]))
    ports = struct.unpack_from("!HH", data, transport_at)
    if _DNS not in ports or protocol not in (_TCP, _UDP):
        return None
    if protocol == _UDP:
        payload = data[transport_at + 8 :]
    else:
        payload = data[transport_at + (data[transport_at + 12] >> 4) * 4 :]
        if len(payload) < 2 or int.from_bytes(payload[:2]) != len(payload) - 2:
            return None
        payload = payload[2:]
    try:
        message = dns.message.from_wire(payload, ignore_trailing=True)
    except dns.exception.DNSException:
        return None
    return Packet(source, target, "udp" if protocol == _UDP else "tcp", message)
