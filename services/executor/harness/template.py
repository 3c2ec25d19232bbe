"""A process that is never told anything and forks children for one that is.

A child is a copy of the process that forked it, with all that this one has in memory. The supervisor holds inputs that
a child has not been given yet, and those of earlier programs where it outlives them. So it does not fork children
itself: it asks the template, which it forked before the first job and which hears nothing but "one more".
"""

from __future__ import annotations

import _signal
import _socket
import gc
import os
import select
import struct

from . import boot, child, lockdown, placement
from . import namespaces as ns
from .refusals import Listener

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import NoReturn

_DESCRIPTORS, _INT = struct.Struct("3i"), struct.Struct("i")
_PID = struct.Struct("=q")


class TemplateGone(Exception):
    """The template ended, or the kernel refused it a child."""


class Born:
    """A new child, and the supervisor's ends of what connects them.

    Args:
        pid: The child.
        own_pid: Its process id as it sees it.
        mode: How calls that its filter does not allow are answered: "notify", "errno", or "none" if it has no filter.
        channel: To it.
        stdout: From it.
        stderr: From it.
    """

    def __init__(self, pid: int, own_pid: int, mode: str, channel: _socket.socket, stdout: int, stderr: int) -> None:
        self.pid = pid
        self.own_pid = own_pid
        self.mode = mode
        self.channel = channel
        self.stdout = stdout
        self.stderr = stderr


class Template:
    """The supervisor's handle of its template.

    Args:
        isolation: Namespaces that each child gets of its own; None if the whole sandbox is single-use.
        cgroups: Descriptors of `cgroup.procs` files that the template, and with it every child, is to join.
    """

    def __init__(self, isolation: boot.Isolation | None, cgroups: Sequence[int] = ()) -> None:
        self._control, theirs = _socket.socketpair(_socket.AF_UNIX, _socket.SOCK_SEQPACKET)
        gc.freeze()
        self.pid = os.fork()
        if self.pid == 0:
            _serve(theirs.detach(), isolation, cgroups)
        theirs.close()
        for descriptor in cgroups:
            os.close(descriptor)
        _, rights = self._receive()
        self.listener = Listener(_INT.unpack_from(rights)[0] if rights else -1)
        self._isolated = isolation is not None

    def fork(self) -> Born:
        """Returns a new child of the calling process that has restricted itself and waits for a program.

        Raises:
            TemplateGone: There is none to be had.
        """
        placement.gather(self.pid)
        try:
            self._control.send(b"1")
        except OSError as error:
            raise TemplateGone(f"the template does not answer: {error}") from error
        self._let_work_until(self._control.fileno())
        data, rights = self._receive()
        if not rights:
            raise TemplateGone(data.decode(errors="replace") or "the template ended")
        channel, stdout, stderr = _DESCRIPTORS.unpack_from(rights)
        (pid,) = _PID.unpack(data)
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM, 0, channel)
        self._let_work_until(channel)
        mode = sock.recv(16).decode(errors="replace")
        if not mode:
            raise TemplateGone("a child could not restrict itself")
        return Born(pid, 1 if self._isolated else pid, mode, sock, stdout, stderr)

    def _let_work_until(self, descriptor: int) -> None:
        """Waits until a descriptor is readable. Till then no submission runs: what the filter announces may happen."""
        poller = select.poll()
        poller.register(descriptor, select.POLLIN)
        if self.listener.descriptor >= 0:
            poller.register(self.listener.descriptor, select.POLLIN)
        while True:
            ready = dict(poller.poll())
            if descriptor in ready:
                return
            if not ready[self.listener.descriptor] & select.POLLIN:
                raise TemplateGone("the template ended")
            self.listener.let_pass()

    def _receive(self) -> tuple[bytes, bytes]:
        """Returns a message of the template, and the descriptors that came with it as they lie in memory."""
        try:
            data, ancillary, _, _ = self._control.recvmsg(4096, _socket.CMSG_SPACE(_DESCRIPTORS.size))
        except OSError as error:
            raise TemplateGone(f"the template does not answer: {error}") from error
        return data, ancillary[0][2] if ancillary else b""


def _serve(control: int, isolation: boot.Isolation | None, cgroups: Sequence[int]) -> NoReturn:
    """Forks a child for each message; the child's parent is the supervisor."""
    try:
        lockdown.die_with_parent()
        lockdown.hide()
        for descriptor in cgroups:
            os.write(descriptor, b"0")
        os.dup2(control, 3)
        os.closerange(4, boot.MAX_DESCRIPTOR)
        sock = _socket.socket(_socket.AF_UNIX, _socket.SOCK_SEQPACKET, 0, 3)
        child.look_like_an_interpreter()
        gc.collect()
        gc.freeze()
        listener = lockdown.announce_syscalls()
        _send(sock, b"ready", () if listener < 0 else (listener,))
        forker = _Forker(isolation, filtered=listener >= 0)
        if listener >= 0:
            os.close(listener)
        while sock.recv(16):
            forker.fork(sock)
    except OSError as error:
        os.write(2, f"template: {error}\n".encode())
    os._exit(1)


class _Forker:
    """Forks children of the supervisor."""

    def __init__(self, isolation: boot.Isolation | None, *, filtered: bool) -> None:
        self._isolation = isolation
        self._filtered = filtered
        self._flags = 0 if isolation is None else ns.SANDBOX
        self._adopted = True

    def fork(self, sock: _socket.socket) -> None:
        """Forks one and sends its process id and the ends of its streams."""
        ours, theirs = _socket.socketpair()
        (stdout, write_out), (stderr, write_err) = os.pipe(), os.pipe()
        try:
            pid = self._clone(theirs.fileno(), write_out, write_err)
            _send(sock, _PID.pack(pid), (ours.fileno(), stdout, stderr))
        except OSError as error:
            sock.send(f"the kernel refused a child: {error}".encode()[:500])
        finally:
            ours.close()
            theirs.close()
            for descriptor in (stdout, stderr, write_out, write_err):
                os.close(descriptor)

    def _clone(self, channel: int, stdout: int, stderr: int) -> int:
        if self._adopted:
            pid = ns.fork_into(self._flags | ns.PARENT)
            if pid == 0:
                boot.become_child(channel, stdout, stderr, self._isolation, filtered=self._filtered)
            if not _is_ours(pid):
                return pid
            _end(pid)
            self._adopted = False  # a kernel that gives a child to nobody but its maker, such as gVisor's
        return self._clone_orphan(channel, stdout, stderr)

    def _clone_orphan(self, channel: int, stdout: int, stderr: int) -> int:
        """Forks by way of a process that ends at once: process 1, the supervisor, inherits the child."""
        reader, writer = os.pipe()
        between = os.fork()
        if between == 0:
            pid = ns.fork_into(self._flags)
            if pid == 0:
                boot.become_child(channel, stdout, stderr, self._isolation, filtered=self._filtered, orphan=True)
            os.write(writer, _PID.pack(pid))
            os._exit(0)
        os.close(writer)
        os.waitpid(between, 0)
        told = os.read(reader, _PID.size)
        os.close(reader)
        if len(told) < _PID.size:
            raise OSError("clone failed")
        return int(_PID.unpack(told)[0])


def _send(sock: _socket.socket, data: bytes, descriptors: Sequence[int]) -> None:
    rights = struct.pack(f"{len(descriptors)}i", *descriptors)
    sock.sendmsg([data], [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, rights)] if descriptors else [])


def _is_ours(pid: int) -> bool:
    try:
        os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
    except ChildProcessError:
        return False
    return True


def _end(pid: int) -> None:
    os.kill(pid, _signal.SIGKILL)
    os.waitpid(pid, 0)
