"""What a task of the catalogue is: the data of one YAML file, checked field by field."""

from __future__ import annotations

import ast
import builtins
import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Any, Literal, Self

from google.protobuf import duration_pb2
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, field_validator, model_validator

from codearena.v1 import core_pb2, env_service_pb2, executor_service_pb2
from services.common.literals import parse_literal

MAX_SOURCE_BYTES = 262_144
MAX_CASES = 10_000
MAX_SLOW = 8
REFERENCE_NAME, BUG_NAME, SLOW_NAME = "reference", "bug", "slow"


def _is_exception(value: object) -> bool:
    return isinstance(value, type) and issubclass(value, BaseException)


def _compiles(mode: Literal["exec", "eval"]) -> AfterValidator:
    def check(text: str) -> str:
        try:
            ast.parse(text.strip() if mode == "eval" else text, mode=mode)
        except SyntaxError as error:
            raise ValueError(f"does not compile: {error.msg} (line {error.lineno} of the text)") from error
        return text

    return AfterValidator(check)


def _is_source(text: str) -> str:
    if "\0" in text or len(text.encode()) > MAX_SOURCE_BYTES:
        raise ValueError(f"must be at most {MAX_SOURCE_BYTES} bytes of UTF-8 without NUL")
    return text


def _is_free(name: str) -> str:
    if name in (BUG_NAME, REFERENCE_NAME):
        raise ValueError(f"{name!r} is the name of another program of the task")
    return name


Slug = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$")]
Identifier = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]{0,99}$")]
VariantName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,29}$"), AfterValidator(_is_free)]
Text = Annotated[str, Field(min_length=1, max_length=20_000)]
Source = Annotated[str, Field(min_length=1), AfterValidator(_is_source)]
Statements = Annotated[str, AfterValidator(_is_source), _compiles("exec")]
Expression = Annotated[str, Field(min_length=1), AfterValidator(_is_source), _compiles("eval")]
Program = Annotated[Source, _compiles("exec")]


class Difficulty(StrEnum):
    """How hard a task is; the names are those a client may select by."""

    EASY = "easy"
    MEDIUM = "medium"
    HARD = "hard"
    EXPERT = "expert"

    def to_proto(self) -> core_pb2.Difficulty.ValueType:
        """Returns the enum value on the wire."""
        return core_pb2.Difficulty.Value(f"DIFFICULTY_{self.name}")

    @classmethod
    def from_proto(cls, value: core_pb2.Difficulty.ValueType) -> Difficulty | None:
        """Returns the difficulty, or None for DIFFICULTY_UNSPECIFIED.

        Raises:
            ValueError: The number is not one of the enum's.
        """
        name = core_pb2.Difficulty.Name(value).removeprefix("DIFFICULTY_")
        return None if name == "UNSPECIFIED" else cls[name]


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Case(_Model):
    """One test: what runs in the sandbox (`setup`, `call`) and what is expected of it.

    Exactly one of `expected` (a YAML value), `expected_literal` (a Python literal) and `raises` (name of a
    built-in exception; subclasses count) is given.
    """

    name: Annotated[str, Field(min_length=1, max_length=100)]
    hidden: bool = False
    setup: Statements = ""
    call: Expression
    expected: Any = None
    expected_literal: str | None = None
    raises: Identifier | None = None
    checker: Literal["equal", "approx", "unordered"] = "equal"

    @model_validator(mode="after")
    def _has_one_expectation(self) -> Self:
        given = self.model_fields_set & {"expected", "expected_literal", "raises"}
        if len(given) != 1:
            raise ValueError("give exactly one of expected, expected_literal, raises")
        if self.raises is None:
            parse_literal(self.literal)
        elif not _is_exception(getattr(builtins, self.raises, None)):
            raise ValueError(f"raises: {self.raises!r} is not a built-in exception")
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


class Growth(_Model):
    """Inputs that grow: `setup` makes them from the integers `n` and `seed`, `call` works on them.

    `budget_seconds` is the CPU time of one size after which no larger one is tried.
    """

    setup: Statements
    call: Expression
    sizes: Annotated[tuple[Annotated[int, Field(gt=0, lt=2**40)], ...], Field(min_length=2, max_length=32)]
    budget_seconds: Annotated[float, Field(gt=0, le=10)] = 0.15

    @model_validator(mode="after")
    def _ascends(self) -> Self:
        if any(low >= high for low, high in zip(self.sizes, self.sizes[1:], strict=False)):
            raise ValueError("sizes must be in ascending order")
        return self

    def to_proto(self) -> executor_service_pb2.Growth:
        """Returns the growing inputs as the executor takes them."""
        return executor_service_pb2.Growth(
            setup=self.setup, call=self.call.strip(), sizes=self.sizes, budget=_duration(self.budget_seconds)
        )


class Limits(_Model):
    """Limits of each case, within what the executor allows; an absent one takes its default."""

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


class Task(_Model):
    """One task. `bug`, `reference`, `slow` and the hidden cases never leave the services.

    `slow` holds correct but needlessly slow solutions by name; a file that gives one text has one of the name "slow".
    They are for those who prove the task; nothing is graded against them.
    """

    id: Slug
    title: Annotated[str, Field(min_length=1, max_length=200)]
    category: Slug
    difficulty: Difficulty
    function: Identifier
    description: Text
    bug: Text
    buggy_code: Source
    reference: Program
    slow: Annotated[Mapping[VariantName, Program], Field(max_length=MAX_SLOW)] = Field(default_factory=dict)
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=MAX_CASES)]
    growth: Growth | None = None
    limits: Limits | None = None

    @field_validator("slow", mode="before")
    @classmethod
    def _one_has_a_name(cls, value: object) -> object:
        if not isinstance(value, str | Mapping):
            raise ValueError("must be a text, or a mapping of names to texts")
        return {SLOW_NAME: value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        names = [case.name for case in self.cases]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two cases have the name {repeated[0]!r}")
        programs = {"reference": self.reference, **{f"slow.{name}": code for name, code in self.slow.items()}}
        if wrong := [field for field, code in programs.items() if not _defines(code, self.function)]:
            raise ValueError(f"{wrong[0]} does not define {self.function!r}")
        return self

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything in the task, as 64 hex digits. Equal content has an equal digest."""
        content = self.model_dump(mode="json", exclude={"cases": {"__all__": {"expected", "expected_literal"}}})
        if not self.slow:
            del content["slow"]
        content["expectations"] = [case.expectation for case in self.cases]
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()

    @property
    def programs(self) -> dict[str, str]:
        """Every program that the task brings, by name: "reference", "bug", and the slow ones."""
        return {REFERENCE_NAME: self.reference, BUG_NAME: self.buggy_code, **self.slow}

    def to_public(self) -> env_service_pb2.Task:
        """Returns the task as an agent may see it: no hidden case, reference or explanation."""
        visible = [case for case in self.cases if not case.hidden]
        return env_service_pb2.Task(
            task_id=self.id,
            title=self.title,
            description=self.description,
            category=self.category,
            difficulty=self.difficulty.to_proto(),
            buggy_code=self.buggy_code,
            function_name=self.function,
            visible_tests=[
                env_service_pb2.VisibleTest(name=case.name, call=case.call.strip(), expected=case.expectation)
                for case in visible
            ],
            hidden_test_count=len(self.cases) - len(visible),
        )

    def to_suite(self) -> executor_service_pb2.Suite:
        """Returns what the executor grades against, made once. The caller must not change it."""
        return self._suite

    @cached_property
    def _suite(self) -> executor_service_pb2.Suite:
        ordered = sorted(self.cases, key=lambda case: case.hidden)
        return executor_service_pb2.Suite(
            cases=[case.to_proto() for case in ordered],
            growth=self.growth.to_proto() if self.growth else None,
            reference_code=self.reference,
            limits=self.limits.to_proto() if self.limits else None,
        )


def _defines(source: str, name: str) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) and node.name == name for node in ast.parse(source).body)


def _duration(seconds: float) -> duration_pb2.Duration:
    whole = int(seconds)
    return duration_pb2.Duration(seconds=whole, nanos=round((seconds - whole) * 1e9))
