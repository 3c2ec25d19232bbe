"""Network namespaces that stand for machines, and a DNS server that tells which of them have a name."""

from __future__ import annotations

import contextlib
import os
import shutil
import socket
import subprocess
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import dns.exception
import dns.flags
import dns.message
import dns.rdatatype
import dns.rrset

from tests.conftest import require

_NETWORK = "198.18"  # set aside for tests of networks (RFC 2544)
_NAMESERVER = "127.53.0.1"


def require_namespaces() -> None:
    """Skips the test, or fails it, where network namespaces cannot be made."""
    reason = "network namespaces need root and `ip`"
    available = os.getuid() == 0 and shutil.which("ip") is not None and shutil.which("nsenter") is not None
    if available:
        name = f"ca{os.getpid()}try"
        made = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
        available, reason = made.returncode == 0, f"network namespaces are refused: {made.stderr.strip()}"
        subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
    require("netns", available, reason)


@contextlib.contextmanager
def machines(count: int) -> Iterator[list[tuple[str, str]]]:
    """Makes namespaces, each with a cable of its own to this one; yields the name and the address of each.

    What `nsenter --net=/run/netns/NAME` runs is on that machine.
    """
    names = [f"ca{os.getpid()}n{number}" for number in range(count)]
    try:
        yield [(name, _connect(name, number)) for number, name in enumerate(names)]
    finally:
        for name in names:
            subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)
            subprocess.run(["ip", "link", "delete", name], capture_output=True, check=False)


def _connect(name: str, number: int) -> str:
    here, there = f"{_NETWORK}.{number}.1", f"{_NETWORK}.{number}.2"
    for command in (
        f"netns add {name}",
        f"link add {name} type veth peer name eth0 netns {name}",
        f"address add {here}/30 dev {name}",
        f"link set {name} up",
        f"-n {name} address add {there}/30 dev eth0",
        f"-n {name} link set eth0 up",
        f"-n {name} link set lo up",
    ):
        subprocess.run(["ip", *command.split()], check=True, capture_output=True)
    return there


class Resolver:
    """A DNS server on loopback that knows one name.

    Attributes:
        addresses: What the name stands for; may be changed at any time.
        asked: How often it was asked for addresses.
        file: A resolv.conf that names it.
    """

    def __init__(self, name: str, addresses: list[str], folder: Path) -> None:
        self._name = name
        self.addresses = addresses
        self.asked = 0
        self.file = folder / "resolv.conf"
        self.file.write_text(f"nameserver {_NAMESERVER}\n")
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((_NAMESERVER, 53))
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    @property
    def prefix(self) -> Sequence[str]:
        """A command that runs the one it is given so that it asks this server and nobody else."""
        return ("unshare", "--mount", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', str(self.file))

    def close(self) -> None:
        """Ends it."""
        self._socket.sendto(b"", (_NAMESERVER, 53))
        self._thread.join()
        self._socket.close()

    def _serve(self) -> None:
        while True:
            query, client = self._socket.recvfrom(4096)
            if not query:
                return
            with contextlib.suppress(dns.exception.DNSException):
                self._socket.sendto(self._answer(dns.message.from_wire(query)), client)

    def _answer(self, query: dns.message.Message) -> bytes:
        response = dns.message.make_response(query)
        response.flags |= dns.flags.RA | dns.flags.AA
        question = query.question[0]
        if question.name.to_text().split(".")[0] == self._name and question.rdtype == dns.rdatatype.A:
            self.asked += 1
            for address in self.addresses:
                response.answer.append(dns.rrset.from_text(question.name, 0, "IN", "A", address))
        return response.to_wire()


@contextlib.contextmanager
def resolver(name: str, addresses: list[str], folder: Path) -> Iterator[Resolver]:
    """Runs a DNS server while the block runs."""
    server = Resolver(name, addresses, folder)
    try:
        yield server
    finally:
        server.close()
