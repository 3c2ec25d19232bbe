"""The supervisor's side of one child: start it, give it a case, watch it, end it."""

from __future__ import annotations

import array
import contextlib
import gc
import json
import os
import select
import signal
import socket
import struct
import time
from dataclasses import dataclass
from typing import Any, NoReturn

from . import child, kernel, lockdown
from .capture import Capture
from .frames import HEADER
from .refusals import Refusals

MAX_FRAME = 10 << 20
_POLL_FLOOR = 0.002
_MAX_DESCRIPTOR = 1 << 16


@dataclass
class Answer:
    """How one load or case ended.

    Attributes:
        state: "loaded", "load_failed", "value", "unfit", "raised" or "ended" if the child answered; "timeout",
            "memory", "output", "crash" or "tamper" if not.
        payload: What the child sent with it. Untrusted.
        number: The number in the child's frame.
        cpu: CPU nanoseconds of the child from being given the case to its answer.
        mark: The part of `cpu` before the call itself, as a trusted program says.
        wall: Nanoseconds that passed.
        memory: Peak resident bytes of the child so far.
    """

    state: str
    payload: bytes = b""
    number: int = 0
    cpu: int = 0
    mark: int = 0
    wall: int = 0
    memory: int = 0


_STATES = {
    child.LOADED: "loaded",
    child.LOAD_FAILED: "load_failed",
    child.VALUE: "value",
    child.UNFIT: "unfit",
    child.RAISED: "raised",
    child.ENDED: "ended",
}


class Worker:
    """One child process from fork to reaping.

    Args:
        program: The job's first frame.
        capture: Where its output goes.
        refusals: Where its refused system calls are counted.
    """

    def __init__(self, program: dict[str, Any], capture: Capture, refusals: Refusals) -> None:
        self._capture = capture
        self._refusals = refusals
        self._inbox = bytearray()
        self.filter = "none"
        self.alive = True
        self._closed_alive = False
        self.usage = (0, 0)
        self.status = 0
        ours, theirs = socket.socketpair()
        out, err = os.pipe(), os.pipe()
        gc.freeze()
        self.pid = os.fork()
        if self.pid == 0:
            _become_child(program, theirs.detach(), out[1], err[1])
        theirs.close()
        os.close(out[1])
        os.close(err[1])
        self._socket = ours
        capture.watch(out[0], err[0])
        self._receive_filter()

    def _receive_filter(self) -> None:
        """Reads how the child's filter works, and its listener, before anything untrusted runs."""
        size = array.array("i").itemsize
        data, ancillary, _, _ = self._socket.recvmsg(16, socket.CMSG_SPACE(size))
        self.filter = data.decode(errors="replace") or "none"
        for _, _, payload in ancillary:
            self._refusals.watch(struct.unpack("i", payload[:size])[0])
        self._socket.setblocking(False)

    def load(self, cpu_limit: int, wall_limit: int) -> Answer:
        """Waits until the program is loaded. Limits in nanoseconds."""
        return self._watch(b"", 0, cpu_limit, wall_limit)

    def ask(self, case: dict[str, Any], cpu_limit: int, wall_limit: int) -> Answer:
        """Gives the child a case and waits for its answer. Limits in nanoseconds."""
        if self._inbox or self._readable():
            return self._ended(Answer("tamper"))  # it spoke before it was asked
        data = json.dumps(case).encode()
        return self._watch(HEADER.pack(len(data)) + data, case["number"], cpu_limit, wall_limit)

    def end(self) -> None:
        """Kills and reaps the child, and reads what it had printed."""
        if not self.alive:
            return
        self.alive = False
        with contextlib.suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        self._capture.drain_all()
        _, self.status, usage = os.wait4(self.pid, 0)
        self.usage = (int((usage.ru_utime + usage.ru_stime) * 1e9), usage.ru_maxrss * 1024)
        self._capture.drain_all()
        self._capture.close()
        self._refusals.close()
        self._socket.close()

    def _readable(self) -> bool:
        poller = select.poll()
        poller.register(self._socket.fileno(), select.POLLIN)
        return bool(poller.poll(0))

    def _watch(self, outgoing: bytes, number: int, cpu_limit: int, wall_limit: int) -> Answer:
        cpu_start, wall_start = kernel.cpu_nanoseconds(self.pid), time.monotonic_ns()
        mark = 0
        while True:
            frame = self._next_frame()
            spent = max(0, kernel.cpu_nanoseconds(self.pid) - cpu_start)
            passed = time.monotonic_ns() - wall_start
            if frame is not None:
                answer = _interpret(frame, number)
                if answer.state == "mark":
                    mark = int.from_bytes(answer.payload[:8], "big")
                    continue
                answer.cpu, answer.mark, answer.wall = spent, mark, passed
                answer.memory = kernel.peak_memory_bytes(self.pid)
                self._capture.drain_all()
                if self._capture.flooded:
                    answer.state = "output"
                return answer if answer.state not in {"output", "tamper"} else self._ended(answer)
            if self._capture.flooded:
                return self._ended(Answer("output", cpu=spent, wall=passed))
            if spent >= cpu_limit or passed >= wall_limit:
                return self._ended(Answer("timeout", cpu=spent, wall=passed))
            pause = min((cpu_limit - spent) / os_cpu_count(), wall_limit - passed) / 1e9
            outgoing, closed = self._turn(outgoing, max(_POLL_FLOOR, pause))
            if closed:
                return self._vanished(cpu_start, wall_start)

    def _turn(self, outgoing: bytes, pause: float) -> tuple[bytes, bool]:
        """Moves bytes and answers refusals until something happened. Returns what is still to be sent, and EOF."""
        poller = select.poll()
        poller.register(self._socket.fileno(), select.POLLIN | (select.POLLOUT if outgoing else 0))
        for descriptor in self._capture.open:
            poller.register(descriptor, select.POLLIN)
        if self._refusals.descriptor >= 0:
            poller.register(self._refusals.descriptor, select.POLLIN)
        closed = False
        for descriptor, events in poller.poll(pause * 1000):
            if descriptor == self._refusals.descriptor:
                if events & select.POLLIN:
                    self._refusals.answer()
                else:
                    self._refusals.close()
            elif descriptor in self._capture.open:
                self._capture.drain(descriptor)
            elif events & select.POLLOUT:
                outgoing = self._send_some(outgoing)
            if descriptor == self._socket.fileno() and events & ~select.POLLOUT:
                closed = self._receive_some()
        return outgoing, closed

    def _send_some(self, outgoing: bytes) -> bytes:
        try:
            return outgoing[self._socket.send(outgoing) :]
        except BlockingIOError:
            return outgoing
        except OSError:
            return b""  # the child is gone; reading the socket tells

    def _receive_some(self) -> bool:
        try:
            data = self._socket.recv(1 << 18)
        except BlockingIOError:
            return False
        except OSError:
            return True
        self._inbox += data
        return not data

    def _next_frame(self) -> bytes | None:
        if len(self._inbox) < HEADER.size:
            return None
        (length,) = HEADER.unpack_from(self._inbox)
        if length > MAX_FRAME or length < child.KIND.size:
            return b""
        end = HEADER.size + length
        if len(self._inbox) < end:
            return None
        frame = bytes(self._inbox[HEADER.size : end])
        del self._inbox[:end]
        return frame

    def _ended(self, answer: Answer) -> Answer:
        self.end()
        return answer

    def _vanished(self, cpu_start: int, wall_start: int) -> Answer:
        """The child closed its channel: it ended, or pretends to."""
        self._wait_briefly()
        self.end()
        killed = os.WIFSIGNALED(self.status)
        number = os.WTERMSIG(self.status) if killed else 0
        wall = time.monotonic_ns() - wall_start
        cpu = max(0, self.usage[0] - cpu_start)
        if number == signal.SIGXCPU:
            return Answer("timeout", cpu=cpu, wall=wall)
        if number == signal.SIGKILL and not self._closed_alive:
            return Answer("memory", cpu=cpu, wall=wall)  # nobody but the kernel sends it that
        text = (
            f"signal {signal.Signals(number).name}"
            if killed and number in signal.valid_signals()
            else (f"exit status {os.waitstatus_to_exitcode(self.status)}")
        )
        return Answer("crash", payload=text.encode(), cpu=cpu, wall=wall)

    def _wait_briefly(self) -> None:
        """Gives a child that closed its channel the moment it needs to end by itself."""
        self._closed_alive = True
        deadline = time.monotonic_ns() + 200_000_000
        while time.monotonic_ns() < deadline:
            result = os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            if result is not None:
                self._closed_alive = False
                return
            self._turn_output()

    def _turn_output(self) -> None:
        poller = select.poll()
        for descriptor in self._capture.open:
            poller.register(descriptor, select.POLLIN)
        if self._refusals.descriptor >= 0:
            poller.register(self._refusals.descriptor, select.POLLIN)
        for descriptor, events in poller.poll(2):
            if descriptor in self._capture.open:
                self._capture.drain(descriptor)
            elif events & select.POLLIN:
                self._refusals.answer()
            else:
                self._refusals.close()


def os_cpu_count() -> int:
    """Returns how many cores a child could use at once."""
    return os.cpu_count() or 1


def _interpret(frame: bytes, number: int) -> Answer:
    if len(frame) < child.KIND.size:
        return Answer("tamper")
    kind, told = child.KIND.unpack_from(frame)
    payload = frame[child.KIND.size :]
    if kind == child.MARK and told == number:
        return Answer("mark", payload)
    state = _STATES.get(kind)
    if state is None or (told != number and state != "ended"):
        return Answer("tamper")
    return Answer(state, payload, told)


def _become_child(program: dict[str, Any], channel: int, stdout: int, stderr: int) -> NoReturn:
    try:
        _arrange_descriptors(program, channel, stdout, stderr)
        os.setsid()
        lockdown.prefer_as_victim()
        lockdown.die_with_parent()
        lockdown.hide()
        lockdown.set_limits(program["rlimits"])
        os.chdir("/tmp" if os.path.isdir("/tmp") else "/")  # noqa: S108  the sandbox's own
        child.look_like_an_interpreter()
        mode, listener = lockdown.filter_syscalls()
        _announce(channel, mode, listener)
        child.serve(channel, program)
    except BaseException as error:  # noqa: BLE001  the boundary of the process
        os.write(2, f"{type(error).__name__}: {error}\n".encode()[:500])
    os._exit(70)


def _arrange_descriptors(program: dict[str, Any], channel: int, stdout: int, stderr: int) -> None:
    """Leaves the child its three streams and the channel: whatever else is open here is not its own."""
    os.dup2(_text_as_file(program["stdin"]), 0)
    os.dup2(stdout, 1)
    os.dup2(stderr, 2)
    os.closerange(3, channel)
    os.closerange(channel + 1, _MAX_DESCRIPTOR)


def _text_as_file(text: str) -> int:
    if not text:
        return os.open("/dev/null", os.O_RDONLY)
    descriptor = os.memfd_create("stdin")
    os.write(descriptor, text.encode())
    os.lseek(descriptor, 0, os.SEEK_SET)
    return descriptor


def _announce(channel: int, mode: str, listener: int) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM, 0, os.dup(channel)) as sock:
        rights = [] if listener < 0 else [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))]
        sock.sendmsg([mode.encode()], rights)
    if listener >= 0:
        os.close(listener)
