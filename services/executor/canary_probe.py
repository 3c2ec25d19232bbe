"""What the canary runs in a sandbox: tries to get out, and prints what it could do. Standard library only.

Its source is sent as a script; the last line of what it prints is a JSON object from probe to what succeeded.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import sys

PATIENCE_SECONDS = 0.3
_GET_NO_NEW_PRIVILEGES = 39
METADATA = ("169.254.169.254", 80)
ELSEWHERE = (("192.0.2.1", 53), ("2001:db8::1", 53), ("10.0.0.1", 443), ("127.0.0.1", 2375))
ENGINES = (
    *("/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/podman/podman.sock"),
    *("/run/crio/crio.sock", "/var/run/secrets/kubernetes.io/serviceaccount/token"),
)
READABLE = (
    "/etc/shadow",
    "/root",
    "/home",
    "/var/lib/docker",
    "/proc/kcore",
    "/dev/sda",
    "/dev/vda",
)
WRITABLE = (
    "/",
    "/etc",
    "/usr",
    "/usr/lib",
    "/codearena",
    "/codearena/harness",
    "/dev",
    "/dev/shm",
    "/var/tmp",
    "/proc",
)


def network(*, interfaces: bool = True) -> list[str]:
    """Interfaces that could carry something out, and addresses that can be reached."""
    found = [f"interface {name}" for name in _interfaces() if interfaces and name != "lo"]
    return found + [f"address {host}" for host, port in ELSEWHERE if _reaches((host, port))]


def metadata() -> list[str]:
    """The address at which clouds hand out credentials."""
    return [METADATA[0]] if _reaches(METADATA, connected=True) else []


def engine() -> list[str]:
    """Sockets and tokens by which sandboxes are made."""
    return [path for path in ENGINES if os.path.exists(path)]


def processes() -> list[str]:
    """Processes that are no harness, that can be signalled, or whose memory can be opened."""
    found = []
    for name in filter(str.isdecimal, _listed("/proc")):
        if int(name) == os.getpid():
            continue
        if b"/codearena/harness" not in _read(f"/proc/{name}/cmdline"):
            found.append(f"process {name} is seen")
        if _succeeds(lambda pid=int(name): os.kill(pid, 0)):
            found.append(f"process {name} can be signalled")
        if _succeeds(lambda path=f"/proc/{name}/mem": os.close(os.open(path, os.O_RDONLY))):
            found.append(f"the memory of process {name} can be read")
    return found


def files(secret: str) -> list[str]:
    """Files of the host that can be read, and folders beside /tmp that can be written to."""
    found = [f"{path} can be read" for path in (*READABLE, secret) if _opens(path)]
    for folder in WRITABLE:
        path = f"{folder}/codearena-canary"
        if _succeeds(lambda path=path: os.close(os.open(path, os.O_CREAT | os.O_WRONLY))):
            found.append(f"{folder} can be written to")
            _succeeds(lambda path=path: os.unlink(path))
    return found


def privileges() -> list[str]:
    """Rights that a submission must not have."""
    status = dict(line.split(":\t", 1) for line in _read("/proc/self/status").decode().splitlines() if ":\t" in line)
    found = [] if os.getuid() else ["user root"]
    found += [] if int(status.get("CapEff", "0"), 16) == 0 else ["capabilities"]
    found += [] if ctypes.CDLL(None).prctl(_GET_NO_NEW_PRIVILEGES, 0, 0, 0, 0) == 1 else ["new privileges can be had"]
    return found + ([] if status.get("Seccomp") == "2" else ["no system call filter"])


def _reaches(address: tuple[str, int], *, connected: bool = False) -> bool:
    """Whether there is a way to an address; a datagram socket that is connected sends nothing yet."""
    family = socket.AF_INET6 if ":" in address[0] else socket.AF_INET
    try:
        with socket.socket(family, socket.SOCK_STREAM if connected else socket.SOCK_DGRAM) as sock:
            sock.settimeout(PATIENCE_SECONDS)
            sock.connect(address)
    except OSError:
        return False
    return True


def _interfaces() -> list[str]:
    lines = _read("/proc/net/dev").decode().splitlines()[2:]
    return [line.partition(":")[0].strip() for line in lines]


def _listed(folder: str) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _read(path: str) -> bytes:
    try:
        with open(path, "rb") as file:
            return file.read(1 << 16)
    except OSError:
        return b""


def _opens(path: str) -> bool:
    return bool(_listed(path)) or _succeeds(lambda: os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK)))


def _succeeds(action) -> bool:  # type: ignore[no-untyped-def]  # noqa: ANN001
    try:
        action()
    except OSError:
        return False
    return True


def report(secret: str, *, interfaces: bool = True) -> None:
    """Prints what succeeded, by probe.

    Args:
        secret: Path of a file of the host that no sandbox may see.
        interfaces: Whether a sandbox may have no network interface at all.
    """
    found = {probe.__name__: probe() for probe in (metadata, engine, processes, privileges)}
    found |= {"network": network(interfaces=interfaces), "files": files(secret)}
    sys.stdout.write("\n" + json.dumps(found) + "\n")
