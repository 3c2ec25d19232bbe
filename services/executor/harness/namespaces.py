"""Namespaces and mounts, by the system calls that the standard library lacks."""

from __future__ import annotations

import ctypes
import os

from .lockdown import MACHINE

NEW_NS, NEW_UTS, NEW_IPC, NEW_USER, NEW_PID, NEW_NET = (
    0x00020000,
    0x04000000,
    0x08000000,
    0x10000000,
    0x20000000,
    0x40000000,
)
PARENT = 0x00008000
"""Makes the new process a child of the caller's parent."""
SANDBOX = NEW_USER | NEW_PID | NEW_NS | NEW_IPC | NEW_UTS
"""What keeps a sandbox apart from others; the network namespace around all of them has no device."""
RDONLY, NOSUID, NODEV, NOEXEC, REMOUNT, BIND, REC, PRIVATE = 1, 2, 4, 8, 32, 4096, 16384, 1 << 18
_SIGCHLD = 17
_DETACH = 2
_CLONE = {"x86_64": 56, "aarch64": 220}
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_LOCKED_FLAGS = {os.ST_NOSUID: NOSUID, os.ST_NODEV: NODEV, os.ST_NOEXEC: NOEXEC}

_libc = ctypes.CDLL(None, use_errno=True)
_libc.syscall.restype = ctypes.c_long


def _check(result: int, what: str) -> int:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    """Moves this process (for NEW_PID: its next children) into new namespaces."""
    _check(_libc.unshare(flags), "unshare")


def fork_into(flags: int) -> int:
    """Forks like os.fork, the child in new namespaces. For a process of one thread.

    Python's own hooks around a fork are not run: they concern threads and locks that such a process has not.
    """
    return _check(_libc.syscall(_CLONE[MACHINE], flags | _SIGCHLD, 0, 0, 0, 0), "clone")


def map_identity(uid: int, gid: int) -> None:
    """Maps this user, and only this one, into the user namespace that this process has just entered."""
    _write("/proc/self/setgroups", "deny")
    _write("/proc/self/uid_map", f"{uid} {uid} 1")
    _write("/proc/self/gid_map", f"{gid} {gid} 1")


def mount(source: str, target: str, kind: str, flags: int, data: str = "") -> None:
    """Mounts a file system, as mount(2) does."""
    result = _libc.mount(source.encode(), target.encode(), kind.encode(), ctypes.c_ulong(flags), data.encode())
    _check(result, f"mount {kind or source} on {target}")


def bind(source: str, target: str, *, writable: bool = False) -> None:
    """Shows a file or folder at another place, read-only unless told otherwise."""
    mount(source, target, "", BIND | REC)
    if not writable:
        status = os.statvfs(target).f_flag
        kept = sum(flag for bit, flag in _LOCKED_FLAGS.items() if status & bit)
        mount("", target, "", BIND | REMOUNT | RDONLY | NOSUID | kept)


def make_private() -> None:
    """Stops mounts from travelling between this mount namespace and the one it was copied from."""
    mount("", "/", "", REC | PRIVATE)


def enter_root(path: str) -> None:
    """Makes a mount point the root of this mount namespace and drops the old root altogether."""
    os.chdir(path)
    _check(_libc.syscall(_PIVOT_ROOT[MACHINE], b".", b"."), "pivot_root")
    _check(_libc.umount2(b".", _DETACH), "umount old root")
    os.chdir("/")


def _write(path: str, text: str) -> None:
    descriptor = os.open(path, os.O_WRONLY)
    try:
        os.write(descriptor, text.encode())
    finally:
        os.close(descriptor)
