"""Programs and their tests, as the services take them and as plain files."""

from __future__ import annotations

from codearena.v1 import executor_service_pb2 as wire
from services.env.catalogue import load_catalogue
from services.env.settings import DEFAULT_TASKS
from services.env.task_schema import Task

EIGHT_CALLS = "eight calls"
_DOUBLE = "def double(x):\n    return 2 * x\n"


def catalogue() -> list[Task]:
    """Returns the tasks of the catalogue."""
    return list(load_catalogue([DEFAULT_TASKS]))


def mix() -> list[Task]:
    """Returns every twelfth task of the catalogue, whose order is by category: some of each."""
    return catalogue()[::12]


def doubles(calls: int = 8) -> tuple[str, wire.Suite]:
    """Returns a short program and a suite of `calls` cheap tests, most of them hidden."""
    suite = wire.Suite(reference_code=_DOUBLE)
    for number in range(calls):
        suite.cases.add(name=str(number), call=f"double({number})", expected_literal=str(2 * number), hidden=number > 0)
    return _DOUBLE, suite


def plain_file(code: str, suite: wire.Suite) -> str:
    """Returns a plain program that runs code against a suite's cases and growing inputs."""
    lines = [code, ""]
    for case in suite.cases:
        lines += [case.setup, "try:", f"    got = {case.call}", "except Exception as error: got = error"]
        if case.WhichOneof("expectation") == "raises":
            lines.append(f"assert isinstance(got, {case.raises}), got")
        elif case.checker in ("", "equal") and "nan" not in case.expected_literal:
            lines.append(f"assert got == {case.expected_literal}, got")
    if suite.HasField("growth"):
        lines += [f"for n in {list(suite.growth.sizes)}:", "    seed = 7"]
        lines += [f"    {line}" for line in suite.growth.setup.splitlines()]
        lines.append(f"    {suite.growth.call}")
    return "\n".join(lines) + "\n"


def distinct(code: str, number: int) -> str:
    """Returns the same program as another text, so that no verdict of it is known."""
    return f"{code}\n# {number}\n"
