"""Watches over one program at a time: has a child made, hands it its cases, reports what the kernel saw.

It is process 1 of a container, which serves one job, or of a namespace of its own, in which it serves one job after
the other, each in a child with further namespaces of that child's own. It says `READY` when a child has restricted
itself and waits. A job is JSON in two or more frames on stdin. The first one is the program:

    {"mode": "cases" | "script", "code": str, "modules": {name: str}, "trusted": bool, "stdin": str,
     "rlimits": {name: int}, "output_limit": bytes, "output_keep": bytes, "load_cpu": ns, "load_wall": ns,
     "total_wall": ns}

Each further one is a batch and is answered by one frame, as `_Run.reply` builds it:

    {"cases": [{"number": int, "setup": str, "call": str, "names": {name: int}, "graph": str, "whole": bool}],
     "cpu": ns, "wall": ns, "visible": int, "stop_cpu": ns}

`graph` is the JSON text of a dict of further names and their values, see `graphs`, or empty; a case that is `whole` is
answered by a graph that continues it.

An empty frame ends the job, or the child that waits for one. It is answered by another `READY` when that child is no
more and the next one waits. A case that ends the child is followed by a fresh child that loads the
program again.
"""

from __future__ import annotations

import _signal
import gc
import os
import select
import time

from . import lockdown, placement, plain_json
from .boot import Isolation
from .capture import Capture
from .frames import Frames, write_frame
from .refusals import Refusals
from .template import Template
from .worker import Answer, Limits, Worker

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

READY = b"codearena-harness-4"
_GREETING_SECONDS = 120.0
_MAX_STOPS = 3
_WINDOW = 64
_MAX_PAYLOADS = 16 << 20
_STOPPED = frozenset({"timeout", "memory", "output"})
_GONE = frozenset({"timeout", "memory", "output", "crash", "tamper"})


def main(
    isolation: Isolation | None = None, cgroups: Sequence[int] = (), *, greeted: bool = False, patient: bool = False
) -> None:
    """Serves jobs on stdin and stdout until stdin ends.

    Args:
        isolation: Namespaces for each child; None if the sandbox as a whole serves one job and is thrown away.
        cgroups: Descriptors of `cgroup.procs` files that children are to be in.
        greeted: Wait for a frame before the first `READY`: one who attaches to a running sandbox would miss that. Ends
            if none comes within two minutes.
        patient: Wait for that frame as long as it takes, where somebody else sees to this sandbox's end.
    """
    requests, replies = _take_streams()
    _become_quiet()
    template = Template(isolation, cgroups)
    frames = Frames(requests)
    try:
        if greeted and not _is_greeted(requests, frames, None if patient else _GREETING_SECONDS):
            return
        while True:
            _serve(frames, replies, template)
    except EOFError:
        return


def _is_greeted(requests: int, frames: Frames, seconds: float | None) -> bool:
    """Waits for somebody to listen, but not for ever: the one who made this sandbox may be dead."""
    if not select.select([requests], [], [], seconds)[0]:
        return False
    frames.next()
    return True


def _serve(frames: Frames, replies: int, template: Template) -> None:
    worker = Worker(template)
    placement.spread()
    write_frame(replies, READY)
    try:
        program = frames.next()
    except EOFError:
        worker.end()
        raise
    if not program:
        worker.end()
        return
    if worker.ended():  # it was never told anything, so another one will do
        worker.end()
        worker = Worker(template)
    run = _Run(template, worker, program)
    try:
        while batch := frames.next():
            run.batch(plain_json.loads(batch))
            write_frame(replies, plain_json.dumps(run.reply()).encode())
    finally:
        run.close()


def _take_streams() -> tuple[int, int]:
    """Moves the two streams to descriptors that no child gets, and leaves /dev/null in their place."""
    requests, replies = os.dup(0), os.dup(1)
    null = os.open("/dev/null", os.O_RDWR)
    os.dup2(null, 0)
    os.dup2(null, 1)
    os.close(null)
    return requests, replies


def _become_quiet() -> None:
    lockdown.hide()
    for number in (_signal.SIGINT, _signal.SIGTERM, _signal.SIGHUP):
        _signal.signal(number, _signal.SIG_DFL)  # process 1 ignores what it has no handler for
    gc.collect()
    gc.freeze()


class _Run:
    """One program from load to last reply."""

    def __init__(self, template: Template, worker: Worker, program: bytes) -> None:
        self._template = template
        self._worker = worker
        self._program = program
        self._terms = plain_json.loads(program)
        self._capture = Capture(self._terms["output_limit"], self._terms["output_keep"])
        self._refusals = Refusals()
        self._started = time.monotonic_ns()
        self._deadline = self._started + self._terms["total_wall"]
        self._stops = 0
        self._payloads = 0
        self._early_exit = False
        self._tampered = 0
        self._survivors = 0
        self._ended_usage = [0, 0]
        self._results: list[dict[str, Any]] = []
        self._filter = worker.filter
        self._load = self._start()

    def batch(self, batch: dict[str, Any]) -> None:
        """Runs the cases of one batch; results are kept for `reply`.

        Cases are handed out several at a time, to save the child the wait for each; but never hidden ones together with
        visible ones, whose output is kept, and one by one where the cost of each matters by itself.
        """
        self._results = []
        cases, visible, stop_cpu = batch["cases"], batch["visible"], batch["stop_cpu"]
        window = 1 if stop_cpu or self._terms["trusted"] else _WINDOW
        while len(self._results) < len(cases):
            begin = len(self._results)
            self._capture.keeping = begin < visible
            end = min(begin + window, visible if begin < visible else len(cases))
            answers = self._some(cases[begin:end], batch["cpu"], batch["wall"])
            self._results += [self._report(answer) for answer in answers]
            last = answers[-1]
            if stop_cpu and (last.cpu > stop_cpu or last.state in _GONE):
                break

    def reply(self) -> dict[str, Any]:
        """Returns what is known so far, and the results of the last batch."""
        cpu, memory = self._ended_usage
        if self._worker.alive:
            used, peak = self._worker.used()
            cpu, memory = cpu + used, max(memory, peak)
        return {
            "load": self._report(self._load),
            "cases": self._results,
            "stdout": self._capture.text("stdout"),
            "stderr": self._capture.text("stderr"),
            "usage": {"cpu": cpu, "memory": memory, "wall": time.monotonic_ns() - self._started},
            "violations": {
                "early_exit": self._early_exit,
                "tampered": self._tampered,
                "refused": sorted(self._refusals.names),
                "refused_count": self._refusals.count,
                "survivors": self._survivors,
                "flood": self._capture.flooded,
            },
            "filter": self._filter,
        }

    def close(self) -> None:
        """Ends the child and whatever it left."""
        self._worker.end()
        self._reap_survivors()

    def _start(self) -> Answer:
        """Has the worker load the program."""
        self._capture.total = 0
        limits = Limits(self._terms["load_cpu"], self._terms["load_wall"], self._deadline)
        answer = self._worker.load(self._program, self._capture, self._refusals, limits)
        if answer.state in {"load_failed", "ended"}:
            self._worker.end()
        if b"SystemExit" in answer.payload[-200:] and answer.state == "load_failed":
            self._early_exit = True
        self._note(answer)
        return answer

    def _some(self, cases: Sequence[dict[str, Any]], cpu: int, wall: int) -> list[Answer]:
        """Returns answers to the first of some cases, at least to one."""
        if self._stops >= _MAX_STOPS or time.monotonic_ns() >= self._deadline:
            return [Answer("skipped")]
        if not self._worker.alive:
            if self._load.state != "loaded":
                return [Answer("skipped")]
            self._worker = Worker(self._template)
            again = self._start()
            if again.state != "loaded":
                return [again]
        answers = self._worker.ask(cases, Limits(cpu, wall, self._deadline))
        for answer in answers:
            self._note(answer)
        if not answers:
            self._account_for_end()
            return self._some(cases[:1], cpu, wall)
        return answers

    def _note(self, answer: Answer) -> None:
        if answer.state in _STOPPED:
            self._stops += 1
        self._early_exit |= answer.state == "crash"
        self._tampered += answer.state == "tamper"
        if answer.state == "raised" and b'"builtins.SystemExit"' in answer.payload[:200]:
            self._early_exit = True
        if not self._worker.alive:
            self._account_for_end()

    def _account_for_end(self) -> None:
        """Adds what a dead child used, once, and ends what it left."""
        cpu, memory = self._worker.usage
        self._ended_usage = [self._ended_usage[0] + cpu, max(self._ended_usage[1], memory)]
        self._worker.usage = (0, memory)
        self._reap_survivors()

    def _reap_survivors(self) -> None:
        """Kills and counts what outlived the child. Only where we are process 1 of a namespace of our own."""
        if os.getpid() != 1:
            return
        for pid in _others(self._template.pid):
            try:
                os.kill(pid, _signal.SIGKILL)
                _, _, usage = os.wait4(pid, 0)
            except (ProcessLookupError, ChildProcessError):
                continue
            self._survivors += 1
            self._ended_usage[0] += int((usage.ru_utime + usage.ru_stime) * 1e9)

    def _report(self, answer: Answer) -> dict[str, Any]:
        self._payloads += len(answer.payload)
        state, payload = answer.state, answer.payload
        if self._payloads > _MAX_PAYLOADS:
            state, payload = ("unfit" if state in {"value", "raised"} else state), b"too much for all cases together"
        return {
            "state": state,
            "payload": payload.decode(errors="backslashreplace"),
            "number": answer.number,
            "cpu": answer.cpu,
            "mark": answer.mark,
            "wall": answer.wall,
            "memory": answer.memory,
        }


def _others(template: int) -> list[int]:
    """Returns the processes of this namespace but for the supervisor and its template."""
    try:
        names = os.listdir("/proc")
    except OSError:
        return []
    return [int(name) for name in names if name.isdecimal() and int(name) not in (1, template)]
