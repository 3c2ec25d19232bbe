"""What is sent to a harness, and its reply, which is believed in form only."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from services.executor import protocol
from services.executor.limits import Limits, nanoseconds, program_terms
from services.executor.sandbox import HarnessDied

State = Literal[
    "loaded", "load_failed", "value", "unfit", "raised", "ended",
    "timeout", "memory", "output", "crash", "tamper", "skipped",
]  # fmt: skip
Count = Annotated[int, Field(ge=0, lt=1 << 62)]


@dataclass(frozen=True, slots=True)
class Call:
    """One case as the sandbox sees it: what to do, never what is expected.

    Attributes:
        setup: Statements to run first.
        call: The expression whose value is the answer.
        names: Integers that setup and call may use.
        graph: Further names and their values: the JSON text of a dict's graph, see `harness/graphs.py`; "" for none.
        whole: Whether the answer is a graph that continues this one.
    """

    setup: str
    call: str
    names: dict[str, int] = field(default_factory=dict)
    graph: str = ""
    whole: bool = False


class _Untrusted(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")


class Answer(_Untrusted):
    """How one case, or loading, ended. Times in nanoseconds, by the kernel's account."""

    state: State
    payload: str
    number: Count
    cpu: Count
    mark: Count
    wall: Count
    memory: Count


class Usage(_Untrusted):
    """What all processes of the program used so far: nanoseconds and bytes."""

    cpu: Count
    memory: Count
    wall: Count


class Attempts(_Untrusted):
    """What the program tried."""

    early_exit: bool
    tampered: Count
    refused: list[str]
    refused_count: Count
    survivors: Count
    flood: bool


class Reply(_Untrusted):
    """The harness's reply to a batch."""

    load: Answer
    cases: list[Answer]
    stdout: str
    stderr: str
    usage: Usage
    violations: Attempts
    filter: Literal["notify", "errno", "none"]


def program(
    code: str, limits: Limits, modules: Mapping[str, str] = MappingProxyType({}), *, trusted: bool = False
) -> bytes:
    """Returns the first frame of a job that answers cases.

    Args:
        code: The program.
        limits: What it may use.
        modules: Sources of further modules that it may import, by name.
        trusted: Whether its own account of what setup cost is wanted; for reference solutions.
    """
    terms = program_terms(limits)
    return _frame({"mode": "cases", "code": code, "modules": dict(modules), "trusted": trusted, "stdin": "", **terms})


def script(code: str, stdin: str, limits: Limits) -> bytes:
    """Returns a whole job that runs a program as a script."""
    terms = program_terms(limits)
    terms |= {"load_cpu": nanoseconds(limits.cpu_seconds), "load_wall": nanoseconds(limits.wall_seconds)}
    first = _frame({"mode": "script", "code": code, "modules": {}, "trusted": False, "stdin": stdin, **terms})
    return first + batch([], limits, visible=0)


def batch(calls: Sequence[Call], limits: Limits, *, visible: int, stop_seconds: float = 0.0) -> bytes:
    """Returns the frame of one batch of cases.

    Args:
        calls: The cases, in order.
        limits: CPU and wall time of each.
        visible: Of how many the output is kept; these come first.
        stop_seconds: CPU time of a case after which no further one is run; 0 runs all.
    """
    cases = [
        {
            "number": number,
            "setup": call.setup,
            "call": call.call,
            "names": call.names,
            "graph": call.graph,
            "whole": call.whole,
        }
        for number, call in enumerate(calls)
    ]
    terms = {"cpu": nanoseconds(limits.cpu_seconds), "wall": nanoseconds(limits.wall_seconds)}
    return _frame({"cases": cases, "visible": visible, "stop_cpu": nanoseconds(stop_seconds), **terms})


def parse_reply(data: bytes, cases: int) -> Reply:
    """Reads a reply.

    Args:
        data: What the sandbox sent.
        cases: How many cases were asked for; the reply may hold fewer.

    Raises:
        HarnessDied: It is not a reply; a harness that was made to send nonsense is the submission's failure.
    """
    try:
        reply = Reply.model_validate_json(data)
    except ValidationError as error:
        raise HarnessDied(f"the harness sent nonsense ({error.error_count()} mistakes)") from error
    if len(reply.cases) > cases:
        raise HarnessDied("the harness answered cases that it was not given")
    return reply


def _frame(content: dict[str, Any]) -> bytes:
    return protocol.frame(json.dumps(content).encode())
