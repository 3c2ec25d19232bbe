"""What a new child does before it knows what it will run: it takes its place and restricts itself."""

from __future__ import annotations

import os
import sys

from . import child, lockdown
from . import namespaces as ns

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

CHANNEL = 3
MAX_DESCRIPTOR = 1 << 16
_MOUNT_OPTIONS = ns.NOSUID | ns.NODEV | ns.NOEXEC


class Isolation:
    """Namespaces of a child's own.

    Args:
        uid: The user it is, inside and outside.
        gid: The group likewise.
        tmp_bytes: Size of its /tmp.
    """

    def __init__(self, uid: int, gid: int, tmp_bytes: int) -> None:
        self.uid = uid
        self.gid = gid
        self.tmp_bytes = tmp_bytes


def become_child(
    channel: int, stdout: int, stderr: int, isolation: Isolation | None, *, filtered: bool, orphan: bool = False
) -> NoReturn:
    """Turns a fresh copy of the template into a child, which then serves its channel. Never returns.

    Args:
        channel: Where programs and cases come from and answers go to.
        stdout: Becomes descriptor 1.
        stderr: Becomes descriptor 2.
        isolation: Set where the child has been forked into namespaces of its own.
        filtered: Whether the template's filter of system calls is its own already.
        orphan: Whether its parent ends at once, so that its end says nothing.
    """
    try:
        _arrange_descriptors(channel, stdout, stderr)
        os.setsid()
        if not orphan:
            lockdown.die_with_parent()
        lockdown.show()  # else the kernel keeps /proc/self from us
        lockdown.prefer_as_victim()
        if isolation is not None:
            enter(isolation)
        lockdown.hide()
        os.chdir("/tmp")  # noqa: S108  the sandbox's own
        if "random" in sys.modules:
            sys.modules["random"].seed()
        child.rehearse()
        os.write(CHANNEL, b"notify" if filtered else lockdown.refuse_syscalls().encode())
        child.serve(CHANNEL, own_users=isolation is not None)
    except BaseException as error:  # noqa: BLE001  the boundary of the process
        os.write(2, f"{type(error).__name__}: {error}\n".encode()[:500])
    os._exit(70)


def enter(isolation: Isolation) -> None:
    """Makes oneself at home in new namespaces: the same user, a /tmp and a /proc of one's own, no capability."""
    ns.map_identity(isolation.uid, isolation.gid)
    ns.mount("tmpfs", "/tmp", "tmpfs", _MOUNT_OPTIONS, f"size={isolation.tmp_bytes},nr_inodes=1024,mode=1777")  # noqa: S108
    try:
        ns.mount("proc", "/proc", "proc", _MOUNT_OPTIONS)
    except OSError:
        ns.mount("tmpfs", "/proc", "tmpfs", _MOUNT_OPTIONS | ns.RDONLY, "size=4k")
    lockdown.drop_capabilities()


def _arrange_descriptors(channel: int, stdout: int, stderr: int) -> None:
    """Leaves the child its three streams and the channel: whatever else is open here is not its own."""
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.dup2(channel, CHANNEL)
    os.closerange(CHANNEL + 1, MAX_DESCRIPTOR)
