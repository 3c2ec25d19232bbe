"""Reads and answers the system calls that a child's filter refused."""

from __future__ import annotations

import errno
import fcntl
import os
import struct

from .lockdown import errno_of, syscall_name

# See struct seccomp_notif and struct seccomp_notif_resp in the kernel's include/uapi/linux/seccomp.h.
_RECEIVE, _SEND = 0xC0502100, 0xC0182101
_NOTICE_BYTES = 80
_ID_AND_NUMBER = struct.Struct("=QII i")
_ANSWER = struct.Struct("=QqiI")


class Refusals:
    """Counts refused calls by name and lets the caller fail them.

    Attributes:
        descriptor: Readable when a call waits; -1 if the kernel cannot announce them.
    """

    def __init__(self) -> None:
        self.descriptor = -1
        self.names: set[str] = set()
        self.count = 0

    def watch(self, descriptor: int) -> None:
        """Takes over the listener of a new child."""
        self.close()
        self.descriptor = descriptor

    def answer(self) -> None:
        """Fails one waiting call with its error."""
        notice = bytearray(_NOTICE_BYTES)
        try:
            fcntl.ioctl(self.descriptor, _RECEIVE, notice, True)
            identity, _, _, number = _ID_AND_NUMBER.unpack_from(notice)
            name = syscall_name(number)
            self.count += 1
            self.names.add(name)
            fcntl.ioctl(self.descriptor, _SEND, _ANSWER.pack(identity, 0, -errno_of(name), 0))
        except OSError as error:
            if error.errno not in (errno.ENOENT, errno.EINTR, errno.EINPROGRESS):
                raise  # ENOENT: the caller was killed while it waited

    def close(self) -> None:
        """Forgets the listener; calls that still wait fail with ENOSYS."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1
