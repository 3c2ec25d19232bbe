"""What runs inside a worker of `services.common.limited`.

Started as `python -m services.common.limited_worker LIMITS FUNCTION …`. Frames are four bytes of length,
big-endian, and that many bytes of JSON. The first frame out says that every function is imported; then one
frame out answers each frame in.
"""

from __future__ import annotations

import ctypes
import gc
import importlib
import json
import math
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import Any, BinaryIO

_PR_SET_PDEATHSIG = 1
_PR_SET_NO_NEW_PRIVS = 38
_MAX_MESSAGE_CHARACTERS = 300
_OBJECTS_TO_COLLECT = 20_000

Function = Callable[..., object]


def main(arguments: list[str]) -> None:
    """Serves calls until standard input ends.

    Args:
        arguments: A JSON object of limits (see `confine`), then "module:function" names.
    """
    requests, replies = _take_channels()
    limits = json.loads(arguments[0])
    confine(limits)
    functions = {name: _import(name) for name in arguments[1:]}
    _deny_processes()
    _collect_seldom()
    _write(replies, {"ready": sorted(functions)})
    while (request := _read(requests)) is not None:
        _arm_cpu_limit(request["cpu_seconds"])
        _write(replies, _answer(functions[request["function"]], request["arguments"]))


def confine(limits: dict[str, int]) -> None:
    """Takes from this process what a reader of text does not need, for good.

    Args:
        limits: `memory_bytes` of address space, `stack_bytes` of stack, `recursion_depth` of Python
            frames, and `parent_pid`, with which this process dies.
    """
    _die_with_parent(limits["parent_pid"])
    _lower(resource.RLIMIT_AS, limits["memory_bytes"])
    _lower(resource.RLIMIT_FSIZE, 0)
    _lower(resource.RLIMIT_CORE, 0)
    _, hard = resource.getrlimit(resource.RLIMIT_STACK)
    if hard == resource.RLIM_INFINITY or hard >= limits["stack_bytes"]:
        resource.setrlimit(resource.RLIMIT_STACK, (limits["stack_bytes"], hard))
    sys.setrecursionlimit(limits["recursion_depth"])


def _take_channels() -> tuple[BinaryIO, BinaryIO]:
    """Moves the protocol off descriptors 0 and 1, so that a stray print cannot break a frame."""
    requests = os.fdopen(os.dup(0), "rb")
    replies = os.fdopen(os.dup(1), "wb")
    null = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1):
        os.dup2(null, descriptor)
    os.close(null)
    return requests, replies


def _die_with_parent(parent_pid: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    for option, value in ((_PR_SET_PDEATHSIG, int(signal.SIGKILL)), (_PR_SET_NO_NEW_PRIVS, 1)):
        if libc.prctl(option, value, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl")
    if os.getppid() != parent_pid:
        sys.exit("the parent ended before this worker was ready")


def _lower(kind: int, value: int) -> None:
    resource.setrlimit(kind, (value, value))


def _deny_processes() -> None:
    """Refuses forks and threads. The kernel holds privileged users to it no more than to any such limit."""
    _lower(resource.RLIMIT_NPROC, 0)


def _collect_seldom() -> None:
    """Has the garbage collector pass over what is imported, and come once for a syntax tree, not many times."""
    gc.freeze()
    gc.set_threshold(_OBJECTS_TO_COLLECT)


def _arm_cpu_limit(cpu_seconds: int) -> None:
    """Lets the process use `cpu_seconds` more, rounded up; then SIGXCPU ends it."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(usage.ru_utime + usage.ru_stime) + cpu_seconds
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def _import(name: str) -> Function:
    module, _, attribute = name.partition(":")
    function = getattr(importlib.import_module(module), attribute)
    if not callable(function):
        raise TypeError(f"{name} is not a function")
    return function  # type: ignore[no-any-return]


def _answer(function: Function, arguments: dict[str, Any]) -> dict[str, object]:
    try:
        return {"result": function(**arguments)}
    except Exception as error:  # noqa: BLE001 - the boundary of this process
        return {"error": type(error).__name__, "message": str(error)[:_MAX_MESSAGE_CHARACTERS]}


def _read(stream: BinaryIO) -> dict[str, Any] | None:
    header = stream.read(4)
    if len(header) < 4:
        return None
    request: dict[str, Any] = json.loads(stream.read(int.from_bytes(header, "big")))
    return request


def _write(stream: BinaryIO, reply: dict[str, object]) -> None:
    try:
        body = json.dumps(reply).encode()
    except (TypeError, ValueError, RecursionError) as error:
        body = json.dumps({"error": type(error).__name__, "message": "the result is not JSON"}).encode()
    stream.write(len(body).to_bytes(4, "big") + body)
    stream.flush()


if __name__ == "__main__":
    main(sys.argv[1:])
