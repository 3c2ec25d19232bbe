"""How well a program is written, as one number.

    quality = 0.25 maintainability + 0.20 simplicity + 0.15 brevity + 0.40 style

maintainability: radon's maintainability index (Coleman 1994, as radon computes it, with comments counted as
none, so that a fix cannot talk its score up), from 0 at 20 to 1 at 75.
simplicity: McCabe's cyclomatic complexity (1976) of the most complex function, from 1 at 4 to 0 at 24.
brevity: logical lines against the reference solution's, from 1 at 1.5 times to 0 at 5 times; without a
reference from 1 at 60 lines to 0 at 400.
style: 1 less the weights of the flaws in `style.flaws`, at least 0.

No reviewer accepts code that is not secure: `static_analysis` multiplies this with 0.5 + 0.5 security.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from radon.complexity import ComplexityVisitor
from radon.metrics import h_visit_ast, mi_compute

from services.judge.style import Flaw, flaws


@dataclass(frozen=True)
class Quality:
    """The parts of a quality score.

    Attributes:
        maintainability: In [0, 1].
        simplicity: In [0, 1].
        brevity: In [0, 1].
        style: In [0, 1].
        index: radon's maintainability index, 0 to 100.
        complexity: Cyclomatic complexity of the most complex function.
        lines: Logical lines.
        flaws: What costs style.
    """

    maintainability: float
    simplicity: float
    brevity: float
    style: float
    index: float
    complexity: int
    lines: int
    flaws: tuple[Flaw, ...]

    @property
    def score(self) -> float:
        """The weighted sum, in [0, 1]."""
        return 0.25 * self.maintainability + 0.20 * self.simplicity + 0.15 * self.brevity + 0.40 * self.style

    @property
    def reason(self) -> str:
        """One sentence that explains the score."""
        facts = (
            f"Maintainability index {self.index:.0f}, cyclomatic complexity {self.complexity}, "
            f"{self.lines} logical lines"
        )
        if not self.flaws:
            return f"{facts}, no style flaws."
        worst = "; ".join(f"line {flaw.line}: {flaw.text}" for flaw in self.flaws[:2])
        return f"{facts}, {len(self.flaws)} style flaws ({worst})."


def measure(tree: ast.Module, nodes: Sequence[ast.AST], usual_lines: int) -> Quality:
    """Measures a program.

    Args:
        tree: Its syntax tree.
        nodes: All nodes of that.
        usual_lines: Logical lines of the reference solution; 0 without one.
    """
    lines = logical_lines(nodes)
    visitor = ComplexityVisitor.from_ast(tree)
    complexity = max((block.complexity for block in visitor.blocks), default=visitor.complexity)
    index = mi_compute(h_visit_ast(tree).total.volume, visitor.total_complexity, lines, 0)
    found = tuple(flaws(tree, nodes))
    return Quality(
        maintainability=_between(index, 20, 75),
        simplicity=_between(complexity, 24, 4),
        brevity=_brevity(lines, usual_lines),
        style=max(0.0, 1.0 - _cost(found)),
        index=index,
        complexity=complexity,
        lines=lines,
        flaws=found,
    )


def logical_lines(nodes: Iterable[ast.AST]) -> int:
    """Returns the number of statements, docstrings and other bare constants not counted."""
    return sum(1 for node in nodes if isinstance(node, ast.stmt) and not _is_bare_constant(node))


def _is_bare_constant(node: ast.stmt) -> bool:
    return isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)


def _brevity(lines: int, usual_lines: int) -> float:
    if not usual_lines:
        return _between(lines, 400, 60)
    return _between(lines / usual_lines, 5.0, 1.5)


def _between(value: float, zero: float, one: float) -> float:
    """Maps a value linearly so that `zero` becomes 0 and `one` becomes 1, and clamps it."""
    return min(1.0, max(0.0, (value - zero) / (one - zero)))


def _cost(found: Iterable[Flaw]) -> float:
    return sum(flaw.weight for flaw in found)
