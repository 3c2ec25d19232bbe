"""The parts of a task: its types of text, its cases, draws, growing inputs and limits, each checked field by field."""

from __future__ import annotations

import builtins
import keyword
import symtable
import sys
import warnings
from collections.abc import Iterator
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from google.protobuf import duration_pb2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from codearena.v1 import executor_service_pb2
from services.common import test_points
from services.common.literals import parse_literal

MAX_SOURCE_BYTES = 262_144
MAX_CASES = 10_000
FIX_MODULE = "fix"
"""The name of the module that a fix is, in a sandbox."""
MAX_DRAWN = 100
MAX_DRAW_BLOCKS = 20


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _compiles(mode: Literal["exec", "eval"]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            with warnings.catch_warnings(action="ignore"):
                compile(text.strip() if mode == "eval" else text, "text", mode, dont_inherit=True)
        except SyntaxError as error:
            raise ValueError(f"does not compile: {error.msg} (line {error.lineno} of the text)") from error
        except (RecursionError, MemoryError) as error:
            raise ValueError("does not compile: it is nested too deeply") from error
        return text

    return AfterValidator(check)


def _is_source(text: str) -> str:
    if "\0" in text or len(text.encode()) > MAX_SOURCE_BYTES:
        raise ValueError(f"must be at most {MAX_SOURCE_BYTES} bytes of UTF-8 without NUL")
    return text


def _is_no_library(name: str) -> str:
    if name == FIX_MODULE or name in sys.stdlib_module_names:
        raise ValueError(f"{name!r} is the name of another module")
    if keyword.iskeyword(name):
        raise ValueError(f"{name!r} is a keyword, which no import statement can name")
    return name


Checker = Literal["equal", "approx", "unordered"]
Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
ModuleName = Annotated[Identifier, AfterValidator(_is_no_library)]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Source = Annotated[str, Field(min_length=1), AfterValidator(_is_source)]
Statements = Annotated[str, AfterValidator(_is_source), _compiles("exec")]
Expression = Annotated[str, Field(min_length=1), AfterValidator(_is_source), _compiles("eval")]
Program = Annotated[Source, _compiles("exec")]


class FieldError(ValueError):
    """What is wrong with one field in the light of others.

    Attributes:
        location: Where the field is, from the model that raises it.
    """

    def __init__(self, location: str | tuple[int | str, ...], message: str) -> None:
        super().__init__(message)
        self.location = (location,) if isinstance(location, str) else location


class Model(BaseModel):
    """What every part of a task is: frozen, without fields that it does not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Case(Model):
    """One test: what runs in the sandbox (`setup`, `call`) and what is expected of it.

    Exactly one of `expected` (a YAML value), `expected_literal` (a Python literal) and `raises` (name of a
    built-in exception; subclasses count) is given.

    Attributes:
        name: One line, unique in the task; of a hidden case it is shown, too.
        hidden: Whether it is never shown: neither input, expectation nor answer.
        setup: Statements that run before the call.
        call: A Python expression; its value is the answer.
        expected: A YAML value.
        expected_literal: A Python literal, for tuples, sets and bytes.
        raises: Name of a built-in exception; its subclasses count.
        checker: How the answer is compared: "equal" (2 == 2.0, but a list is no tuple), "approx" (numbers within 1e-6
            relative) or "unordered" (sequences as multisets).
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    hidden: bool = False
    setup: Statements = ""
    call: Expression
    expected: Any = None
    expected_literal: str | None = None
    raises: Identifier | None = None
    checker: Checker = "equal"

    @model_validator(mode="after")
    def _has_one_expectation(self) -> Self:
        given = self.model_fields_set & {"expected", "expected_literal", "raises"}
        if len(given) != 1:
            raise ValueError("give exactly one of expected, expected_literal, raises")
        if self.raises is None:
            parse_literal(self.literal)
        elif not _is_exception(getattr(builtins, self.raises, None)):
            raise FieldError("raises", f"{self.raises!r} is not a built-in exception")
        return self

    @property
    def literal(self) -> str:
        """The expected value as a Python literal; meaningless where an exception is expected."""
        return self.expected_literal if self.expected_literal is not None else repr(self.expected)

    @property
    def expectation(self) -> str:
        """What is expected, as an agent may read it: a Python literal, or "raises X"."""
        return self.literal if self.raises is None else f"raises {self.raises}"

    def to_proto(self) -> executor_service_pb2.Case:
        """Returns the case as the executor takes it."""
        case = executor_service_pb2.Case(
            name=self.name, hidden=self.hidden, setup=self.setup, call=self.call.strip(), checker=self.checker
        )
        if self.raises is None:
            case.expected_literal = self.literal
        else:
            case.raises = self.raises
        return case


class Draw(Model):
    """Tests with random inputs, drawn anew for each episode; all of them hidden.

    `inputs` runs on our side, out of a submission's reach, once for each test: statements that give values to the
    names which `setup` and `call` read. It finds `rng`, a `random.Random` of its own, and `case`, the number of the
    test from 0. What is expected is what the reference solution answers, or raises.

    Attributes:
        name: One line, unique in the task.
        count: How many tests are drawn for an episode.
        inputs: Statements that draw from `rng`; at least one name that they give a value is read by setup or call.
        setup: Statements that run before the call, in the sandbox.
        call: A Python expression; its value is the answer.
        checker: How the answer is compared with the reference's, as in a case.
    """

    name: Annotated[str, Field(min_length=1, max_length=80)]
    count: Annotated[int, Field(ge=1, le=MAX_DRAWN)] = 8
    inputs: Statements
    setup: Statements = ""
    call: Expression
    checker: Checker = "equal"

    @model_validator(mode="after")
    def _uses_what_it_draws(self) -> Self:
        if not self.names:
            raise FieldError("inputs", "gives no value to a name that setup or call reads")
        return self

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names that a drawn test is told: those that `inputs` binds and `setup` or `call` reads, sorted."""
        inputs = symtable.symtable(self.inputs, "inputs", "exec")
        bound = {symbol.get_name() for symbol in inputs.get_symbols() if symbol.is_assigned()}
        read = {*_read(self.setup), *_read(f"({self.call.strip()}\n)")}
        return tuple(sorted(bound & read))

    def to_proto(self) -> executor_service_pb2.Draw:
        """Returns the draw as the executor takes it."""
        return executor_service_pb2.Draw(
            name=self.name,
            count=self.count,
            inputs=self.inputs,
            names=self.names,
            setup=self.setup,
            call=self.call.strip(),
            checker=self.checker,
        )


def _read(source: str) -> Iterator[str]:
    """The global names that statements read, in whatever scope."""
    tables = [symtable.symtable(source, "statements", "exec")]
    for table in tables:
        tables += table.get_children()
        top = table.get_type() == "module"
        yield from (s.get_name() for s in table.get_symbols() if s.is_referenced() and (top or s.is_global()))


class TestCode(Model):
    """Tests that are code, as data sets have them. It runs in an oracle, where the functions under repair are proxies.

    `visible` may be shown, `hidden` never is. Where `style` is "asserts" each assert statement is one test and the
    code runs from top to bottom, where it is "functions" each test function and each test method of a `unittest`
    class is one. The functions under repair are found by their names, and as attributes of a module called `module`.

    Attributes:
        style: "asserts": each assert statement is one test; "functions": each test function and test method is.
        module: Name of the module that the tests import what is under repair from; none if they use bare names.
        visible: Tests that may be shown.
        hidden: Tests that never are.
    """

    __test__ = False

    style: Literal["asserts", "functions"] = "asserts"
    module: ModuleName | None = None
    visible: Statements = ""
    hidden: Annotated[Statements, Field(min_length=1)]

    @model_validator(mode="after")
    def _has_tests(self) -> Self:
        if not self.points(self.hidden):
            raise FieldError("hidden", "no test is found in it")
        return self

    def points(self, source: str) -> list[test_points.Point]:
        """Returns the tests in one of the two sources."""
        return test_points.find(source, are_functions=self.style == "functions")

    def to_proto(self) -> executor_service_pb2.TestCode:
        """Returns the tests as the executor takes them."""
        styles = {
            "asserts": executor_service_pb2.TEST_STYLE_ASSERTS,
            "functions": executor_service_pb2.TEST_STYLE_FUNCTIONS,
        }
        return executor_service_pb2.TestCode(
            style=styles[self.style], module=self.module or "", visible=self.visible, hidden=self.hidden
        )


class Growth(Model):
    """Inputs that grow: `setup` makes them from the integers `n` and `seed`, `call` works on them.

    Attributes:
        setup: Statements that make the input from `n` and `seed`; the module `random` is there.
        call: An expression; its cost is measured.
        sizes: Values of n, ascending.
        budget_seconds: CPU time of one size after which no larger one is tried.
    """

    setup: Statements
    call: Expression
    sizes: Annotated[tuple[Annotated[int, Field(gt=0, lt=2**40)], ...], Field(min_length=2, max_length=32)]
    budget_seconds: Annotated[float, Field(gt=0, le=10)] = 0.15

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if any(low >= high for low, high in zip(self.sizes, self.sizes[1:], strict=False)):
            raise FieldError("sizes", "must be in ascending order")
        return self

    def to_proto(self) -> executor_service_pb2.Growth:
        """Returns the growing inputs as the executor takes them."""
        return executor_service_pb2.Growth(
            setup=self.setup, call=self.call.strip(), sizes=self.sizes, budget=_duration(self.budget_seconds)
        )


class Limits(Model):
    """Limits of each test, within what the executor allows; an absent one takes its default.

    Attributes:
        cpu_seconds: CPU time.
        wall_seconds: Elapsed time.
        memory_mb: Memory, in units of 1048576 bytes.
    """

    cpu_seconds: Annotated[float, Field(ge=0.001, le=30)] | None = None
    wall_seconds: Annotated[float, Field(ge=0.001, le=60)] | None = None
    memory_mb: Annotated[int, Field(ge=64, le=1024)] | None = None

    def to_proto(self) -> executor_service_pb2.Limits:
        """Returns the limits as the executor takes them; one megabyte is 1048576 bytes."""
        return executor_service_pb2.Limits(
            cpu_time=None if self.cpu_seconds is None else _duration(self.cpu_seconds),
            wall_time=None if self.wall_seconds is None else _duration(self.wall_seconds),
            memory_bytes=None if self.memory_mb is None else self.memory_mb * 1024 * 1024,
        )


def _duration(seconds: float) -> duration_pb2.Duration:
    whole = int(seconds)
    return duration_pb2.Duration(seconds=whole, nanos=round((seconds - whole) * 1e9))
