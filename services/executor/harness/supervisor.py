"""Process 1 of a sandbox: takes one program, watches it answer cases, reports what the kernel saw.

The job is JSON in two or more frames on stdin. The first one is the program:

    {"mode": "cases" | "script", "code": str, "trusted": bool, "stdin": str, "rlimits": {name: int},
     "output_limit": bytes, "output_keep": bytes, "load_cpu": ns, "load_wall": ns, "total_wall": ns}

Each further one is a batch and is answered by one frame, as `_Run.reply` builds it:

    {"cases": [{"number": int, "setup": str, "call": str, "names": {name: int}}], "cpu": ns, "wall": ns,
     "visible": int, "stop_cpu": ns}

The child is forked before a batch is read, so that it does not inherit inputs which it has not been given. A case
that ends the child is followed by a fresh child that loads the program again.
"""

from __future__ import annotations

import contextlib
import gc
import json
import os
import random
import signal
import time
from typing import Any

from . import kernel, lockdown
from .capture import Capture
from .frames import read_frame, write_frame
from .refusals import Refusals
from .worker import Answer, Worker

READY = b"codearena-harness-1"
_MAX_STOPS = 3
_MAX_PAYLOADS = 16 << 20
_STOPPED = frozenset({"timeout", "memory", "output"})
_GONE = frozenset({"timeout", "memory", "output", "crash", "tamper"})


def main(*, own_users: bool = False) -> None:
    """Serves one job on stdin and stdout, then ends.

    Args:
        own_users: Whether the sandbox has a user namespace of its own. Only there is RLIMIT_NPROC the sandbox's; else
            the kernel counts the threads of all sandboxes together, and something else must bound them.
    """
    requests, replies = _take_streams()
    _become_quiet()
    write_frame(replies, READY)
    with contextlib.suppress(EOFError):
        program = json.loads(read_frame(requests))
        if not own_users:
            program["rlimits"].pop("NPROC", None)
        run = _Run(program)
        try:
            while True:
                batch = json.loads(read_frame(requests))
                run.batch(batch)
                write_frame(replies, json.dumps(run.reply()).encode())
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
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)  # process 1 ignores what it has no handler for
    random.seed()
    gc.collect()
    gc.freeze()


class _Run:
    """One program from load to last reply."""

    def __init__(self, program: dict[str, Any]) -> None:
        self._program = program
        self._capture = Capture(program["output_limit"], program["output_keep"])
        self._refusals = Refusals()
        self._deadline = time.monotonic_ns() + program["total_wall"]
        self._started = time.monotonic_ns()
        self._stops = 0
        self._payloads = 0
        self._early_exit = False
        self._tampered = 0
        self._survivors = 0
        self._ended_usage = [0, 0]
        self._results: list[dict[str, Any]] = []
        self._filter = "none"
        self._worker: Worker
        self._load = self._start()

    def batch(self, batch: dict[str, Any]) -> None:
        """Runs the cases of one batch; results are kept for `reply`."""
        self._results = []
        stop_cpu = batch["stop_cpu"]
        for index, case in enumerate(batch["cases"]):
            self._capture.keeping = index < batch["visible"]
            answer = self._case(case, batch["cpu"], batch["wall"])
            self._results.append(self._report(answer))
            if stop_cpu and (answer.cpu > stop_cpu or answer.state in _GONE):
                break

    def reply(self) -> dict[str, Any]:
        """Returns what is known so far, and the results of the last batch."""
        cpu, memory = self._ended_usage
        if self._worker.alive:
            cpu += kernel.cpu_nanoseconds(self._worker.pid)
            memory = max(memory, kernel.peak_memory_bytes(self._worker.pid))
        kept = self._capture.kept
        return {
            "load": self._report(self._load),
            "cases": self._results,
            "stdout": kept["stdout"].decode(errors="backslashreplace"),
            "stderr": kept["stderr"].decode(errors="backslashreplace"),
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
        self._capture.total = 0
        self._worker = Worker(self._program, self._capture, self._refusals)
        self._filter = self._worker.filter
        limit = min(self._program["load_wall"], max(1, self._deadline - time.monotonic_ns()))
        answer = self._worker.load(self._program["load_cpu"], limit)
        if answer.state in {"load_failed", "ended"}:
            self._worker.end()
        if b"SystemExit" in answer.payload[-200:] and answer.state == "load_failed":
            self._early_exit = True
        self._note(answer)
        return answer

    def _case(self, case: dict[str, Any], cpu: int, wall: int) -> Answer:
        left = self._deadline - time.monotonic_ns()
        if self._stops >= _MAX_STOPS or left <= 0:
            return Answer("skipped")
        if not self._worker.alive:
            if self._load.state != "loaded":
                return Answer("skipped")
            again = self._start()
            if again.state != "loaded":
                return again
        answer = self._worker.ask(case, cpu, min(wall, left))
        self._note(answer)
        return answer

    def _note(self, answer: Answer) -> None:
        if answer.state in _STOPPED:
            self._stops += 1
        self._early_exit |= answer.state == "crash"
        self._tampered += answer.state == "tamper"
        if answer.state == "raised" and b'"builtins.SystemExit"' in answer.payload[:200]:
            self._early_exit = True
        if not self._worker.alive:
            cpu, memory = self._worker.usage
            self._ended_usage = [self._ended_usage[0] + cpu, max(self._ended_usage[1], memory)]
            self._worker.usage = (0, memory)
            self._reap_survivors()

    def _reap_survivors(self) -> None:
        """Kills and counts what outlived the child. Only where we are process 1 of a namespace of our own."""
        if os.getpid() != 1:
            return
        with contextlib.suppress(ProcessLookupError):
            os.kill(-1, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            while True:
                _, status, usage = os.wait4(-1, 0)
                self._survivors += os.WIFSIGNALED(status)
                self._ended_usage[0] += int((usage.ru_utime + usage.ru_stime) * 1e9)

    def _report(self, answer: Answer) -> dict[str, Any]:
        self._payloads += len(answer.payload)
        state, payload = answer.state, answer.payload
        if self._payloads > _MAX_PAYLOADS:
            state, payload = ("unfit" if state == "value" else state), b"too much for all cases together"
        return {
            "state": state,
            "payload": payload.decode(errors="backslashreplace"),
            "number": answer.number,
            "cpu": answer.cpu,
            "mark": answer.mark,
            "wall": answer.wall,
            "memory": answer.memory,
        }
