"""The algorithm detector: which problem a program solves, and its time complexity, read from its syntax tree.

An estimate, not a proof. All inputs are taken to have one size n; items of a collection that are not iterated over
have a constant size; hash tables answer in O(1); a recursive function that divides its input in unknown
proportions (quicksort) is given its worst case. Polynomial factors beside an exponential one are left out.
"""

from __future__ import annotations

import ast
import warnings
from dataclasses import dataclass

from codearena.v1 import core_pb2
from services.env.algorithms import detect
from services.env.bigo.program import orders

MAX_SOURCE_BYTES = 262_144


@dataclass(frozen=True, slots=True)
class FunctionComplexity:
    """The estimate for one function.

    Attributes:
        name: Its name; "<module>" for the statements outside functions.
        line: Where it begins, from 1.
        time_complexity: For example "O(n log n)".
    """

    name: str
    line: int
    time_complexity: str


@dataclass(frozen=True, slots=True)
class Analysis:
    """What was read from a program. Every field is empty if it does not parse.

    Attributes:
        problem_type: The problem it seems to solve; empty if none was recognised.
        time_complexity: Of the most expensive function, for example "O(n^2)".
        best_complexity: The best known for the problem; empty without a problem or a single best.
        functions: Every function, in the order of the source.
    """

    problem_type: str = ""
    time_complexity: str = ""
    best_complexity: str = ""
    functions: tuple[FunctionComplexity, ...] = ()

    def to_proto(self) -> core_pb2.ComplexityEstimate:
        """Returns the estimate as it goes over the wire."""
        return core_pb2.ComplexityEstimate(
            problem_type=self.problem_type,
            time_complexity=self.time_complexity,
            best_complexity=self.best_complexity,
        )


def analyse(source: str) -> Analysis:
    """Estimates a program's time complexity and recognises the problem it solves.

    Pure, and safe to call with any text as far as exceptions go. Hostile text can still cost much time and memory
    or exhaust the interpreter's C stack: call it in a process with limits.

    Args:
        source: Python source. Longer than `MAX_SOURCE_BYTES`: not analysed.

    Returns:
        The analysis; all fields are empty if the source does not parse or is nested too deeply.
    """
    if len(source) > MAX_SOURCE_BYTES:
        return Analysis()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(source)
        found = orders(tree)
        worst = max(estimate.order for estimate in found)
        problem = detect(tree)
    except (SyntaxError, RecursionError, ValueError, MemoryError, OverflowError):
        return Analysis()
    functions = tuple(FunctionComplexity(item.name, item.line, str(item.order)) for item in found)
    if problem is None:
        return Analysis(time_complexity=str(worst), functions=functions)
    return Analysis(problem.name, problem.display(worst), problem.best, functions)
