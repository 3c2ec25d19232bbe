"""What a task of the catalogue is: the data of one YAML file, checked field by field."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from enum import StrEnum
from functools import cached_property
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, field_validator, model_validator

from codearena.v1 import core_pb2, env_service_pb2, executor_service_pb2
from services.env.task_parts import (
    MAX_CASES,
    MAX_DRAW_BLOCKS,
    Case,
    Draw,
    FieldError,
    Growth,
    Identifier,
    Limits,
    Model,
    ModuleName,
    Program,
    Slug,
    Source,
    TestCode,
    Text,
)

FORMAT = 1
"""The version of the format. A file of a later one is refused, never half understood."""
SEPARATOR = "/"
"""Between the namespace of a pack and the id of a task."""
MAX_SLOW = 8
MAX_MODULES = 16
REFERENCE_NAME, BUG_NAME, SLOW_NAME = "reference", "bug", "slow"


def _is_free(name: str) -> str:
    if name in (BUG_NAME, REFERENCE_NAME):
        raise ValueError(f"{name!r} is the name of another program of the task")
    return name


VariantName = Annotated[str, Field(pattern=r"^[a-z][a-z0-9_-]{0,29}$"), AfterValidator(_is_free)]
_OR_TEXT = Field(json_schema_extra=lambda schema: schema.update(type=["string", "object"]))
Reason = Annotated[str, Field(min_length=1, max_length=500)]


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


class Split(StrEnum):
    """What a task is for. It follows from the task's digest, so that no task moves unless it is changed."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"

    @classmethod
    def of(cls, digest: str) -> Split:
        """Returns the split of a task with this digest: 80 of 100 train, 10 validate, 10 test."""
        place = int(digest[:8], 16) % 100
        return cls.TRAIN if place < 80 else cls.VALIDATION if place < 90 else cls.TEST


class Label(Model):
    """One planted bug: its class, and where it was planted.

    Attributes:
        bug_class: Its kind, e.g. "boundary".
        line: Where it is in the reference, from 1.
        column: The same, from 0.
        before: What is right.
        after: What is wrong.
    """

    bug_class: Slug
    line: Annotated[int, Field(ge=1)]
    column: Annotated[int, Field(ge=0)]
    before: str
    after: str


class Task(Model):
    """One task. `bug`, `reference`, `slow`, `equivalent` and the hidden tests never leave the services.

    Attributes:
        format: The version of the format that the file is written in.
        id: Unique among the tasks of its pack.
        title: One line.
        category: What kind of bug it is, e.g. "off_by_one".
        difficulty: How hard it is, by measurement.
        function: The function or class under repair; the reference defines it.
        description: The whole contract of it, for whoever repairs it.
        bug: What is wrong, for maintainers.
        origin: Where it comes from, where it is not of our own writing: data set, entry and licence.
        buggy_code: What is to be repaired; need not compile.
        reference: Correct and efficient.
        modules: Further modules by name, which the code under repair may import. They are shown and not to be changed.
        slow: Correct but needlessly slow solutions by name; a file that gives one text has one of the name "slow".
            They are for those who prove the task; nothing is graded against them.
        cases: The tests that are fixed.
        draws: The tests that are drawn for each episode.
        tests: Tests that are code, in place of cases and draws.
        growth: Inputs that grow, where complexity matters.
        limits: Limits of each test.
        equivalent: Mutants of the reference that no test can tell from it, by label, each with the reason why.
        labels: The bugs of a generated task.
    """

    format: Literal[1] = 1
    id: Slug
    title: Annotated[str, Field(min_length=1, max_length=200)]
    category: Slug
    difficulty: Difficulty
    function: Identifier
    description: Text
    bug: Text
    origin: Annotated[str, Field(max_length=500)] = ""
    buggy_code: Source
    reference: Program
    modules: Annotated[Mapping[ModuleName, Program], Field(max_length=MAX_MODULES)] = Field(default_factory=dict)
    slow: Annotated[Mapping[VariantName, Program], Field(max_length=MAX_SLOW), _OR_TEXT] = Field(default_factory=dict)
    cases: Annotated[tuple[Case, ...], Field(min_length=1, max_length=MAX_CASES)] = ()
    draws: Annotated[tuple[Draw, ...], Field(max_length=MAX_DRAW_BLOCKS)] = ()
    tests: TestCode | None = None
    growth: Growth | None = None
    limits: Limits | None = None
    equivalent: Annotated[Mapping[str, Reason], Field(max_length=200)] = Field(default_factory=dict)
    labels: Annotated[tuple[Label, ...], Field(max_length=10)] = ()

    @field_validator("slow", mode="before")
    @classmethod
    def _one_has_a_name(cls, value: object) -> object:
        if not isinstance(value, str | Mapping):
            raise ValueError("must be a text, or a mapping of names to texts")
        return {SLOW_NAME: value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.tests is not None and (self.cases or self.draws):
            raise FieldError("tests", "give either tests, or cases and draws")
        if self.tests is None and not self.cases:
            raise FieldError("cases", "give at least one, or tests")
        names = {("cases", number): case.name for number, case in enumerate(self.cases)}
        names |= {("draws", number): draw.name for number, draw in enumerate(self.draws)}
        first: dict[str, tuple[str, int]] = {}
        for place, name in names.items():
            if first.setdefault(name, place) != place:
                raise FieldError((*place, "name"), f"two cases have the name {name!r}")
        if not _defines(self.reference, self.function):
            raise FieldError("reference", f"does not define {self.function!r}")
        for name, code in self.slow.items():
            if not _defines(code, self.function):
                raise FieldError(("slow", name), f"does not define {self.function!r}")
        return self

    @property
    def name(self) -> str:
        """The id without the namespace of its pack."""
        return self.id.rpartition(SEPARATOR)[2]

    @property
    def namespace(self) -> str:
        """The namespace of its pack; "" for a task that is in none."""
        return self.id.rpartition(SEPARATOR)[0]

    def within(self, namespace: str) -> Task:
        """Returns the task as one of a pack: its id is NAMESPACE/ID, and all else, its digest too, is as it was."""
        return self.model_copy(update={"id": f"{namespace}{SEPARATOR}{self.name}"})

    @cached_property
    def digest(self) -> str:
        """SHA-256 of everything in the task, as 64 hex digits. Equal content has an equal digest."""
        return hashlib.sha256(self._content.encode()).hexdigest()

    @cached_property
    def _content(self) -> str:
        """All that makes the task what it is. What it leaves out is not in it, so that a new field changes nothing."""
        content = self.model_dump(mode="json", exclude={"cases": {"__all__": {"expected", "expected_literal"}}})
        del content["format"]
        content["id"] = self.name
        for field in ("origin", "modules", "slow", "draws", "tests", "equivalent", "labels"):
            if not content[field]:
                del content[field]
        content["expectations"] = [case.expectation for case in self.cases]
        return json.dumps(content, sort_keys=True)

    @property
    def split(self) -> Split:
        """What the task is for."""
        return Split.of(self.digest)

    @property
    def programs(self) -> dict[str, str]:
        """Every program that the task brings, by name: "reference", "bug", and the slow ones."""
        return {REFERENCE_NAME: self.reference, BUG_NAME: self.buggy_code, **self.slow}

    @property
    def hidden_count(self) -> int:
        """How many tests there are that are not shown."""
        code = [] if self.tests is None else self.tests.points(self.tests.hidden)
        return sum(case.hidden for case in self.cases) + sum(draw.count for draw in self.draws) + len(code)

    @property
    def visible_tests(self) -> list[env_service_pb2.VisibleTest]:
        """The tests that are shown."""
        shown = [
            env_service_pb2.VisibleTest(name=case.name, call=case.call.strip(), expected=case.expectation)
            for case in self.cases
            if not case.hidden
        ]
        for point in [] if self.tests is None else self.tests.points(self.tests.visible):
            shown.append(env_service_pb2.VisibleTest(name=point.name, call=point.text, expected="the test passes"))
        return shown

    def to_public(self) -> env_service_pb2.Task:
        """Returns the task as an agent may see it: no hidden case, reference or explanation."""
        return env_service_pb2.Task(
            task_id=self.id,
            title=self.title,
            description=self.description,
            category=self.category,
            difficulty=self.difficulty.to_proto(),
            buggy_code=self.buggy_code,
            function_name=self.function,
            visible_tests=self.visible_tests,
            hidden_test_count=self.hidden_count,
            modules=self.modules,
            split=self.split,
        )

    def to_suite(self, draw_seed: int = 0) -> executor_service_pb2.Suite:
        """Returns what the executor grades against. The caller must not change it.

        Args:
            draw_seed: Chooses the random inputs, where the task has any.
        """
        if not self._is_random:
            return self._suite
        suite = executor_service_pb2.Suite()
        suite.CopyFrom(self._suite)
        key = hashlib.sha256(f"draws\0{draw_seed}\0{self._content}".encode())
        suite.draw_seed = int.from_bytes(key.digest()[:8], "big")
        return suite

    @property
    def _is_random(self) -> bool:
        """Whether a seed makes a difference: there are draws, or tests that are code and may draw."""
        return bool(self.draws) or (self.tests is not None and "random" in self.tests.visible + self.tests.hidden)

    @property
    def _under_repair(self) -> list[str]:
        """What tests that are code find proxies for: where they test a module, every function of it."""
        if self.tests is None or self.tests.style == "asserts":
            return [self.function]
        defined = [node.name for node in ast.parse(self.reference).body if isinstance(node, ast.FunctionDef)]
        return sorted({self.function, *defined})

    @cached_property
    def _suite(self) -> executor_service_pb2.Suite:
        ordered = sorted(self.cases, key=lambda case: case.hidden)
        return executor_service_pb2.Suite(
            cases=[case.to_proto() for case in ordered],
            draws=[draw.to_proto() for draw in self.draws],
            tests=self.tests.to_proto() if self.tests else None,
            growth=self.growth.to_proto() if self.growth else None,
            reference_code=self.reference,
            functions=self._under_repair if self.tests else [],
            modules=self.modules,
            limits=self.limits.to_proto() if self.limits else None,
        )


def _defines(source: str, name: str) -> bool:
    kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return any(isinstance(node, kinds) and node.name == name for node in ast.parse(source).body)
