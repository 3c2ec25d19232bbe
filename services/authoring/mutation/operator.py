"""What a mutation operator is: a name, the kind of bug that it makes, and what it proposes for a node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TypeVar

import libcst as cst

from services.authoring.mutation.program import Change, Program

N = TypeVar("N", bound=cst.CSTNode)
Finds = Callable[[Program, cst.CSTNode], Iterator[Change]]


@dataclass(frozen=True, slots=True)
class Operator:
    """A mutation operator.

    Attributes:
        name: Its name.
        bug_class: The kind of bug that it makes, unless a change says otherwise.
        finds: Yields the changes that it proposes for a node.
    """

    name: str
    bug_class: str
    finds: Finds


def operator(name: str, bug_class: str, on: type[N], finds: Callable[[Program, N], Iterator[Change]]) -> Operator:
    """Returns an operator for one type of nodes."""

    def on_any(program: Program, node: cst.CSTNode) -> Iterator[Change]:
        if isinstance(node, on):
            yield from finds(program, node)

    return Operator(name, bug_class, on_any)
