"""The supervisor's side of one child: have it made, give it a case, watch it, end it."""

from __future__ import annotations

import _signal
import os
import select
import time

from . import child, placement, plain_json
from .capture import Capture
from .frames import HEADER, frame
from .kernel import Account
from .refusals import Refusals
from .template import Template

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MAX_FRAME = 10 << 20
_POLL_FLOOR = 0.002
_LAST_MOMENT = 200_000_000
_SETTLING = 100
_HEAD_START = 0.0002  # of several cases the cheap ones are answered by then, and need no look each
_CORES = os.cpu_count() or 1


class Answer:
    """How one load or case ended.

    Args:
        state: "loaded", "load_failed", "value", "unfit", "raised" or "ended" if the child answered; "timeout",
            "memory", "output", "crash" or "tamper" if not.
        payload: What the child sent with it. Untrusted.
        number: The number in the child's frame.
        cpu: CPU nanoseconds of the child from being given the case, or from its answer before, to its answer. Of
            answers that were seen together, each has its equal part.
        mark: The part of `cpu` before the call itself, as a trusted program says.
        wall: Nanoseconds that passed.
        memory: Peak resident bytes of the child so far.
    """

    def __init__(self, state: str, payload: bytes = b"", number: int = 0, *, cpu: int = 0, wall: int = 0) -> None:
        self.state = state
        self.payload = payload
        self.number = number
        self.cpu = cpu
        self.mark = 0
        self.wall = wall
        self.memory = 0


class Limits:
    """What a child may use until it has answered. Nanoseconds.

    Args:
        cpu: CPU time of each answer.
        wall: Elapsed time of each answer.
        deadline: Monotonic time at which everything ends.
    """

    def __init__(self, cpu: int, wall: int, deadline: int) -> None:
        self._cpu = cpu
        self._wall = wall
        self._deadline = deadline

    def pause(self, spent: int, passed: int) -> float:
        """Returns the seconds for which nobody needs to look."""
        left = min((self._cpu - spent) / _CORES, self._wall - passed, self._deadline - time.monotonic_ns())
        return max(_POLL_FLOOR, left / 1e9)

    def late(self, spent: int, passed: int) -> bool:
        """Whether an answer took more than it may."""
        return spent >= self._cpu or passed >= self._wall

    def passed(self, spent: int, passed: int, now: int) -> bool:
        """Whether an answer has been waited for long enough."""
        return self.late(spent, passed) or now >= self._deadline


_STATES = {
    child.LOADED: "loaded",
    child.LOAD_FAILED: "load_failed",
    child.VALUE: "value",
    child.UNFIT: "unfit",
    child.RAISED: "raised",
    child.ENDED: "ended",
}


class Worker:
    """One child process from birth to reaping.

    Attributes:
        pid: The child.
        filter: How system calls that it may not make are answered, see `Born`.
        alive: Whether it has not been reaped.
        usage: CPU nanoseconds and peak bytes, once it has been reaped.
    """

    def __init__(self, template: Template) -> None:
        born = template.fork()
        self.pid = born.pid
        self.filter = born.mode
        self.alive = True
        self.usage = (0, 0)
        self.status = 0
        self._own_pid = born.own_pid
        self._socket = born.channel
        self._account = Account(born.pid)
        self._inbox = bytearray()
        self._pipes = {born.stdout: "stdout", born.stderr: "stderr"}
        self._listener = template.listener
        self._refusals = Refusals()
        self._capture = Capture(0, 0)
        self._poller = select.poll()
        self._attach()
        self._closed_alive = False
        self._gathered = False
        self._mark = 0
        self._before = self._account.cpu_nanoseconds()

    def _attach(self) -> None:
        self._socket.setblocking(False)
        self._poller.register(self._socket.fileno(), select.POLLIN)
        for pipe in self._pipes:
            os.set_blocking(pipe, False)
            self._poller.register(pipe, select.POLLIN)
        if self._listener.descriptor >= 0:
            self._poller.register(self._listener.descriptor, select.POLLIN)

    def load(self, program: bytes, capture: Capture, refusals: Refusals, limits: Limits) -> Answer:
        """Gives the child its program and waits until it is loaded.

        Args:
            program: The job's first frame.
            capture: Where its output goes.
            refusals: Where its refused system calls are counted.
            limits: Of loading.
        """
        self._capture = capture
        self._refusals = refusals
        placement.gather(self.pid)
        self._gathered = True
        return self._watch(frame(program), [0], limits)[0]

    def ask(self, cases: Sequence[dict[str, Any]], limits: Limits) -> list[Answer]:
        """Gives the child some cases at once and waits for its answers.

        Returns:
            One answer for each case, in order; or fewer, of which the last one tells how the child ended. Too much
            output is that of all of them: which one it came from cannot be told. Nor can it of several answers that
            were heard of together and late: they are left out, possibly all of them, and the child has ended.
        """
        if self._inbox or self._receive_some() or self._inbox:
            return [self._ended(Answer("tamper"))]  # it spoke before it was asked
        outgoing = b"".join(frame(plain_json.dumps(case).encode()) for case in cases)
        return self._watch(outgoing, [case["number"] for case in cases], limits)

    def used(self) -> tuple[int, int]:
        """Returns CPU nanoseconds and peak bytes so far; without what a child does before it has a program."""
        if not self.alive:
            return self.usage
        return max(0, self._account.cpu_nanoseconds() - self._before), self._account.peak_memory_bytes()

    def ended(self) -> bool:
        """Tells whether the child is dead already, as when it was killed while it waited."""
        return os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def end(self) -> None:
        """Kills and reaps the child, and reads what it had printed."""
        if not self.alive:
            return
        self.alive = False
        os.kill(self.pid, _signal.SIGKILL)
        _, self.status, usage = os.wait4(self.pid, 0)
        cpu = int((usage.ru_utime + usage.ru_stime) * 1e9)
        self.usage = (max(0, cpu - self._before), usage.ru_maxrss * 1024)
        self._drain_all()
        for pipe in self._pipes:
            os.close(pipe)
        self._account.close()
        self._socket.close()

    def _watch(self, outgoing: bytes, numbers: Sequence[int], limits: Limits) -> list[Answer]:
        """Sends frames and waits until each number is answered. Each answer's account begins with the one before it."""
        answers: list[Answer] = []
        cpu_start, wall_start = self._account.cpu_nanoseconds(), time.monotonic_ns()
        spent, passed = 0, 0
        outgoing = self._send_some(outgoing)
        if len(numbers) > 1:
            time.sleep(_HEAD_START)
        while True:
            outgoing, closed = self._turn(outgoing, self._pause(limits, spent, passed))
            arrived = self._arrived(numbers[len(answers) :])
            cpu, now = self._account.cpu_nanoseconds(), time.monotonic_ns()
            spent, passed = max(0, cpu - cpu_start), now - wall_start
            if arrived:
                if limits.late(spent, passed) and arrived[-1].state != "tamper":
                    self.end()  # the supervisor was held up, else it would have ended the child in time
                    return answers if len(numbers) > 1 else [Answer("timeout", cpu=spent, wall=passed)]
                self._charge(arrived, spent, passed)
                answers += arrived
                if arrived[-1].state == "tamper":
                    self.end()
            if self._capture.flooded:
                self.end()
                return [Answer("output", cpu=spent, wall=passed), *(Answer("output") for _ in numbers[1:])]
            if arrived:
                if not self.alive or len(answers) == len(numbers):
                    return answers
                cpu_start, wall_start, spent, passed = cpu, now, 0, 0
            elif closed:
                return [*answers, self._vanished(cpu_start, wall_start)]
            elif limits.passed(spent, passed, now):
                return [*answers, self._ended(Answer("timeout", cpu=spent, wall=passed))]

    def _pause(self, limits: Limits, spent: int, passed: int) -> float:
        """Returns for how long nobody needs to look, and lets a program that takes long be moved to another core."""
        if self._gathered and passed >= placement.SHORT:
            placement.spread(self.pid)
            self._gathered = False
        pause = limits.pause(spent, passed)
        return min(pause, placement.SHORT / 1e9) if self._gathered else pause

    def _arrived(self, numbers: Sequence[int]) -> list[Answer]:
        """Takes the answers that are there, at most one for each number; a forged one is the last."""
        answers: list[Answer] = []
        while len(answers) < len(numbers) and (told := self._next_frame()) is not None:
            answer = _interpret(told, numbers[len(answers)])
            if answer.state == "mark":
                self._mark = int.from_bytes(answer.payload[:8], "big")
                continue
            answer.mark, self._mark = self._mark, 0
            answers.append(answer)
            if answer.state == "tamper":
                break
        return answers

    def _charge(self, arrived: list[Answer], spent: int, passed: int) -> None:
        """Accounts for answers that came together: time in equal parts, memory, and what was printed before them."""
        memory = self._account.peak_memory_bytes()
        for index, answer in enumerate(arrived):
            share = index + 1, index
            answer.cpu = spent * share[0] // len(arrived) - spent * share[1] // len(arrived)
            answer.wall = passed * share[0] // len(arrived) - passed * share[1] // len(arrived)
            answer.memory = memory
        for _ in range(_SETTLING):
            if self._capture.flooded or not self._turn_pipes(0):
                break

    def _turn(self, outgoing: bytes, pause: float) -> tuple[bytes, bool]:
        """Waits until something happens and sees to it. Returns what is still to be sent, and whether all is over."""
        descriptor = self._socket.fileno()
        if outgoing:
            self._poller.modify(descriptor, select.POLLIN | select.POLLOUT)
        closed = False
        for ready, events in self._poller.poll(pause * 1000):
            if ready != descriptor:
                self._turn_pipe(ready, events)
                continue
            if events & select.POLLOUT:
                outgoing = self._send_some(outgoing)
                if not outgoing:
                    self._poller.modify(descriptor, select.POLLIN)
            if events & ~select.POLLOUT:
                closed = self._receive_some()
        return outgoing, closed

    def _turn_pipes(self, milliseconds: int) -> bool:
        """Sees to output and refused calls. Returns whether there were any."""
        descriptor = self._socket.fileno()
        found = [event for event in self._poller.poll(milliseconds) if event[0] != descriptor]
        for ready, events in found:
            self._turn_pipe(ready, events)
        return bool(found)

    def _turn_pipe(self, ready: int, events: int) -> None:
        if ready == self._listener.descriptor:
            if events & select.POLLIN:
                self._listener.answer(self._own_pid, self._refusals)
            else:
                self._poller.unregister(ready)
        elif not self._capture.drain(ready, self._pipes[ready]):
            self._poller.unregister(ready)
            del self._pipes[ready]
            os.close(ready)

    def _drain_all(self) -> None:
        """Reads what a dead child had printed, until the pipes are empty or the limit is passed."""
        for pipe, stream in self._pipes.items():
            before = -1
            while before != self._capture.total and not self._capture.flooded:
                before = self._capture.total
                self._capture.drain(pipe, stream)

    def _send_some(self, outgoing: bytes) -> bytes:
        try:
            return outgoing[self._socket.send(outgoing) :]
        except BlockingIOError:
            return outgoing
        except OSError:
            return b""  # the child is gone; reading the socket tells

    def _receive_some(self) -> bool:
        """Takes in what the child has sent. Returns whether it has closed its end."""
        try:
            data = self._socket.recv(1 << 16)
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
        told = bytes(self._inbox[HEADER.size : end])
        del self._inbox[:end]
        return told

    def _ended(self, answer: Answer) -> Answer:
        self.end()
        return answer

    def _vanished(self, cpu_start: int, wall_start: int) -> Answer:
        """The child closed its channel: it ended, or pretends to."""
        self._wait_briefly()
        cpu = max(0, self._account.cpu_nanoseconds() - cpu_start)
        self.end()
        cpu = max(cpu, self.usage[0] + self._before - cpu_start)
        killed = os.WIFSIGNALED(self.status)
        number = os.WTERMSIG(self.status) if killed else 0
        wall = time.monotonic_ns() - wall_start
        if number == _signal.SIGXCPU:
            return Answer("timeout", cpu=cpu, wall=wall)
        if number == _signal.SIGKILL and not self._closed_alive:
            return Answer("memory", cpu=cpu, wall=wall)  # nobody but the kernel sends it that
        text = f"signal {number}" if killed else f"exit status {os.waitstatus_to_exitcode(self.status)}"
        return Answer("crash", payload=text.encode(), cpu=cpu, wall=wall)

    def _wait_briefly(self) -> None:
        """Gives a child that closed its channel the moment it needs to end by itself."""
        self._closed_alive = True
        self._poller.unregister(self._socket.fileno())
        deadline = time.monotonic_ns() + _LAST_MOMENT
        while time.monotonic_ns() < deadline:
            if self.ended():
                self._closed_alive = False
                return
            self._turn_pipes(2)


def _interpret(told: bytes, number: int) -> Answer:
    if len(told) < child.KIND.size:
        return Answer("tamper")
    kind, about = child.KIND.unpack_from(told)
    payload = told[child.KIND.size :]
    if kind == child.MARK and about == number:
        return Answer("mark", payload)
    state = _STATES.get(kind)
    if state is None or (about != number and state != "ended"):
        return Answer("tamper")
    return Answer(state, payload, about)
