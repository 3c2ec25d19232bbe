"""Programs with one to three planted bugs, in an order that depends on the seed alone."""

from __future__ import annotations

import ast
import hashlib
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from services.authoring.mutation import CompositionError, Mutant, applied, mutants
from services.env.task_schema import Label, Task

_WEIGHTS = (6, 3, 1)
_FUTILE = 20


@dataclass(frozen=True, slots=True)
class Candidate:
    """A program that may become a task.

    Attributes:
        base: The task whose reference it was made of.
        code: The program.
        bugs: What was planted.
    """

    base: Task
    code: str
    bugs: tuple[Mutant, ...]

    @property
    def digest(self) -> str:
        """SHA-256 of the program as Python reads it, without its layout."""
        return hashlib.sha256(f"{self.base.id}\0{_tree(self.code)}".encode()).hexdigest()

    def task(self) -> Task:
        """Returns it as a task: the tests of its base, and labels of what was planted."""
        parts = self.base.model_dump(
            exclude_unset=True, exclude={"slow", "equivalent", "labels", "title", "bug", "origin"}
        )
        labels = [
            Label(bug_class=bug.bug_class, line=bug.line, column=bug.column, before=bug.before, after=bug.after)
            for bug in self.bugs
        ]
        return Task.model_validate(
            {
                **parts,
                "id": f"{self.base.name[:80]}-{self.digest[:12]}",
                "title": self.base.title,
                "bug": "".join(f"{bug.bug_class}: {bug.label}\n" for bug in self.bugs),
                "origin": f"generated from {self.base.id}",
                "buggy_code": self.code,
                "labels": [label.model_dump() for label in labels],
            }
        )


class Bugs:
    """The bugs that can be planted into one reference, drawn in an order of its own."""

    def __init__(self, base: Task, seed: int) -> None:
        self._base = base
        self._random = random.Random(f"{seed}/{base.id}/{base.digest}")  # noqa: S311
        self._single = mutants(base.reference)
        self._order = self._random.sample(self._single, len(self._single))
        self._seen = {_tree(base.reference), _tree(base.buggy_code)}

    def next(self) -> Candidate | None:
        """Returns the next program; None if no further one is found."""
        for _ in range(_FUTILE):
            chosen = self._chosen()
            if not chosen:
                return None
            try:
                code = applied(self._base.reference, chosen)
            except CompositionError:
                continue
            tree = _tree(code)
            if tree not in self._seen:
                self._seen.add(tree)
                return Candidate(self._base, code, tuple(sorted(chosen, key=lambda bug: bug.start)))
        return None

    def _chosen(self) -> list[Mutant]:
        """Draws one to three bugs: a single one from those that are left, further ones from all."""
        if not self._single:
            return []
        (count,) = self._random.choices((1, 2, 3), _WEIGHTS)
        if count == 1 and self._order:
            return [self._order.pop()]
        return self._random.sample(self._single, min(count, len(self._single))) if len(self._single) > 1 else []


def candidates(bases: Sequence[Task], seed: int) -> Iterator[Candidate]:
    """Yields programs, one of each base in turn, until no base has another one."""
    drawn: dict[str, Bugs] = {}
    left = list(bases)
    random.Random(seed).shuffle(left)  # noqa: S311
    while left:
        for base in tuple(left):
            if base.id not in drawn:
                drawn[base.id] = Bugs(base, seed)
            candidate = drawn[base.id].next()
            if candidate is None:
                left.remove(base)
            else:
                yield candidate


def _tree(source: str) -> str:
    try:
        return ast.dump(ast.parse(source))
    except SyntaxError:
        return source
