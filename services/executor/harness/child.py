"""The process that loads a submission and evaluates cases. Everything in it belongs to the submission.

It speaks to the supervisor over one socket. What it receives are frames of JSON, the program and then one a case. What
it sends are frames of one kind byte, a four-byte case number and a payload. It could send anything: the supervisor
believes nothing but that a frame arrived.
"""

from __future__ import annotations

import _sitebuiltins
import builtins
import os
import struct
import sys
import time

from . import frames, graphs, lockdown, modules, plain_json
from .describe import describe
from .encode import NotComparable, encode

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import CodeType
    from typing import Any, NoReturn

KIND = struct.Struct(">cI")
LOADED, LOAD_FAILED, MARK, VALUE, UNFIT, RAISED, ENDED = b"L", b"F", b"M", b"V", b"U", b"X", b"E"
MODULE_NAME, FILE_NAME = "fix", "fix.py"


def serve(channel: int, *, own_users: bool) -> NoReturn:
    """Takes a program and answers its cases until the supervisor closes the channel. Never returns.

    Args:
        channel: Where frames come from and go to.
        own_users: Whether there is a user namespace of one's own. Only there is RLIMIT_NPROC the child's; else the
            kernel counts the threads of all sandboxes together, and something else must bound them.
    """
    inbox = frames.Frames(channel)
    try:
        program = plain_json.loads(inbox.next())
        if not own_users:
            program["rlimits"].pop("NPROC", None)
        lockdown.set_limits(program["rlimits"])
        _give_stdin(program["stdin"])
        modules.offer(program["modules"])
        if program["mode"] == "script":
            _run_script(channel, program["code"])
        code = program["code"]
        namespace = _load(channel, code)
        while True:
            _answer(channel, namespace, code, plain_json.loads(inbox.next()), marked=program["trusted"])
    except EOFError:
        os._exit(0)


def rehearse() -> None:
    """Does once, on nothing, what a program will have done: a page's first use costs more than what is done with it."""
    sink = os.open("/dev/null", os.O_WRONLY)
    terms = plain_json.loads(plain_json.dumps({"code": "x = 1", "names": {"number": 0}}))
    namespace = dict(_new_module(MODULE_NAME, terms["code"]))
    exec(_compiled(terms["code"]), namespace)  # noqa: S102
    for call in ("[x, 1.0, 'a', {2: (3,)}]", "1 / 0"):
        case = {"number": 0, "setup": "", "call": call, "names": terms["names"], "graph": "", "whole": False}
        _answer(sink, namespace, terms["code"], case, marked=False)
    os.close(sink)
    del sys.modules[MODULE_NAME]


def _give_stdin(text: str) -> None:
    if not text:
        return
    with open("stdin.txt", "w+", encoding="utf-8") as file:
        os.unlink("stdin.txt")
        file.write(text)
        file.seek(0)
        os.dup2(file.fileno(), 0)


def _send(channel: int, kind: bytes, number: int, payload: bytes = b"") -> None:
    frames.write_frame(channel, KIND.pack(kind, number) + payload)


def _new_module(name: str, code: str) -> dict[str, Any]:
    module = type(sys)(name)
    module.__file__ = FILE_NAME
    module.__dict__["__loader__"] = _Source(code)
    sys.modules[name] = module
    return module.__dict__


class _Source:
    """Shows tracebacks and `inspect` the lines of a module that is in no file."""

    def __init__(self, code: str) -> None:
        self._code = code

    def get_source(self, _name: str) -> str:
        """See importlib.abc.InspectLoader."""
        return self._code


def _load(channel: int, code: str) -> dict[str, Any]:
    namespace = _new_module(MODULE_NAME, code)
    try:
        exec(_compiled(code), namespace)  # noqa: S102
    except BaseException as error:  # noqa: BLE001  the boundary between a submission and its report
        _flush()
        _send(channel, LOAD_FAILED, 0, describe(error, FILE_NAME, code).encode(errors="backslashreplace"))
        os._exit(0)
    _flush()
    _send(channel, LOADED, 0)
    return namespace


def _compiled(code: str) -> CodeType:
    try:
        return compile(code.removeprefix("\ufeff"), FILE_NAME, "exec", dont_inherit=True)
    except (MemoryError, RecursionError):  # what the parser raises at its own bounds, far below ours
        raise SyntaxError("the source is nested too deeply to be compiled") from None


def _answer(channel: int, namespace: dict[str, Any], code: str, case: dict[str, Any], *, marked: bool) -> None:
    number = case["number"]
    started = time.thread_time_ns() if marked else 0
    sent: list[Any] = []
    try:
        namespace.update(case["names"])
        if case["graph"]:
            names, sent = graphs.unpack(plain_json.loads(case["graph"]), _new_objects(namespace))
            namespace.update(names)
        if case["setup"]:
            exec(compile(case["setup"], "setup", "exec", dont_inherit=True), namespace)  # noqa: S102
        if marked:
            _send(channel, MARK, number, (time.thread_time_ns() - started).to_bytes(8, "big"))
        value = eval(compile(case["call"], "call", "eval", dont_inherit=True), namespace)  # noqa: S307
        kind, payload = VALUE, _whole(value, sent) if case["whole"] else encode(value)
    except (NotComparable, graphs.Unfit) as error:
        kind, payload = UNFIT, str(error).encode(errors="backslashreplace")
    except BaseException as error:  # noqa: BLE001  the boundary between a submission and its report
        kind, payload = RAISED, _raised(error, code, whole=case["whole"])
    _flush()
    _send(channel, kind, number, payload)


def _whole(value: Any, sent: Sequence[Any]) -> bytes:  # noqa: ANN401
    graph, _ = graphs.pack(value, sent)
    return plain_json.dumps(graph).encode("ascii")


def _new_objects(namespace: dict[str, Any]) -> Callable[[str], Any]:
    """Returns what makes empty objects by the name of their class: the program's own, or one of no more than a name."""
    known: dict[str, type] = {}

    def new(name: str) -> Any:  # noqa: ANN401
        kind = namespace.get(name) or known.get(name)
        if not isinstance(kind, type):
            kind = known[name] = type(name, (), {})
        return object.__new__(kind)

    return new


def _flush() -> None:
    """Passes on what was printed so far, so that it counts for this case and not for a later one."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except Exception:  # noqa: BLE001, S112  the submission may have closed or replaced it
            continue


def _raised(error: BaseException, code: str, *, whole: bool) -> bytes:
    names = [f"{kind.__module__}.{kind.__qualname__}"[:200] for kind in type(error).__mro__[:20]]
    told = {"types": names, "text": describe(error, FILE_NAME, code)}
    if whole:
        told["message"] = _message(error)
    return plain_json.dumps(told).encode()


def _message(error: BaseException) -> str:
    try:
        return str(error)[:2000] + ""
    except Exception:  # noqa: BLE001  an exception whose own methods raise
        return ""


def _run_script(channel: int, code: str) -> NoReturn:
    """Runs the program as `__main__`, with its traceback on stderr, and sends its exit status."""
    namespace = _new_module("__main__", code)
    status = 0
    try:
        exec(_compiled(code), namespace)  # noqa: S102
    except SystemExit as ending:
        status = _exit_status(ending)
    except BaseException as error:  # noqa: BLE001  the boundary between a submission and its report
        status = 1
        sys.stderr.write(describe(error, FILE_NAME, code) + "\n")
    _flush()
    _send(channel, ENDED, status & 0xFF)
    os._exit(0)


def _exit_status(ending: SystemExit) -> int:
    if ending.code is None:
        return 0
    if type(ending.code) is int:
        return ending.code
    sys.stderr.write(f"{ending.code}\n")
    return 1


def look_like_an_interpreter() -> None:
    """Gives the submission what a script finds, and hides where the harness lies."""
    sys.argv[:] = [FILE_NAME]
    sys.path[:] = [entry for entry in sys.path if entry.endswith(("lib-dynload", ".zip")) or "/lib" in entry]
    for name in ("exit", "quit"):
        setattr(builtins, name, _sitebuiltins.Quitter(name, "Ctrl-D"))
