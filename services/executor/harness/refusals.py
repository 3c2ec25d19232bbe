"""Reads and answers the system calls that a filter announces."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from .lockdown import errno_of, syscall_name

# See struct seccomp_notif and struct seccomp_notif_resp in the kernel's include/uapi/linux/seccomp.h.
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_CONTINUE = 1
_NOTICE = struct.Struct("=QIIiIQQ")
_NOTICE_BYTES = 80
_ANSWER = struct.Struct("=QqiI")
_OF_ONESELF = frozenset({"kill", "tgkill", "prlimit64"})


class Refusals:
    """The calls of one program that were refused.

    Attributes:
        names: Each once.
        count: How many there were.
    """

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.count = 0

    def add(self, name: str) -> None:
        """Counts one."""
        self.count += 1
        self.names.add(name)


class Listener:
    """Where the calls of a template and its children are announced.

    Args:
        descriptor: Readable when a call waits; -1 if the kernel cannot announce them.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def let_pass(self) -> None:
        """Lets one waiting call happen. For processes that run nothing of a submission's yet."""
        notice = self._receive()
        if notice is not None:
            self._answer(notice[0], 0, _CONTINUE)

    def answer(self, own_pid: int, refusals: Refusals) -> None:
        """Fails one waiting call of a submission, unless it is a signal or a limit for itself.

        Args:
            own_pid: The submission's process id as it sees it. An argument that is a number cannot be changed under us.
            refusals: Counts it.
        """
        notice = self._receive()
        if notice is None:
            return
        identity, number, argument = notice
        name = syscall_name(number)
        if name in _OF_ONESELF and argument == own_pid:
            self._answer(identity, 0, _CONTINUE)
            return
        refusals.add(name)
        self._answer(identity, -errno_of(name), 0)

    def close(self) -> None:
        """Forgets the listener; calls that still wait fail with ENOSYS."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def _receive(self) -> tuple[int, int, int] | None:
        """Returns id, system call and first argument; None if the caller was killed while it waited."""
        notice = bytearray(_NOTICE_BYTES)
        try:
            fcntl.ioctl(self.descriptor, _RECEIVE, notice, True)
        except OSError as error:
            _require_gone(error)
            return None
        identity, _, _, number, _, _, argument = _NOTICE.unpack_from(notice)
        return identity, number, argument & 0xFFFFFFFF

    def _answer(self, identity: int, error_number: int, flags: int) -> None:
        try:
            fcntl.ioctl(self.descriptor, _SEND, _ANSWER.pack(identity, 0, error_number, flags))
        except OSError as error:
            _require_gone(error)


def _require_gone(error: OSError) -> None:
    if error.errno not in (errno.ENOENT, errno.EINTR, errno.EINPROGRESS):
        raise error
