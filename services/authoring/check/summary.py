"""What the proofs of many tasks say together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rich import box
from rich.table import Table

from services.authoring.check.proof import Proof


@dataclass(frozen=True, slots=True)
class Row:
    """One category: its tasks, their mutants, those noticed, those listed as equivalent, the weakest task's share."""

    category: str
    tasks: int
    mutants: int
    killed: int
    equivalent: int
    weakest: float

    @property
    def share(self) -> float:
        """Noticed of graded; 1 if there are none."""
        return self.killed / self.mutants if self.mutants else 1.0


@dataclass(frozen=True, slots=True)
class Summary:
    """All tasks together.

    Attributes:
        rows: One for each category.
        failed: How many tasks have a problem.
        strength: The share of all mutants that is asked for.
    """

    rows: tuple[Row, ...]
    failed: int
    strength: float

    @classmethod
    def of(cls, proofs: Sequence[Proof], strength: float) -> Summary:
        """Summarises proofs."""
        groups: defaultdict[str, list[Proof]] = defaultdict(list)
        for proof in proofs:
            groups[proof.category].append(proof)
        rows = [_row(category, group) for category, group in sorted(groups.items())]
        return cls(tuple(rows), sum(bool(proof.problems) for proof in proofs), strength)

    @property
    def total(self) -> Row:
        """All categories together."""
        return Row(
            "all",
            sum(row.tasks for row in self.rows),
            sum(row.mutants for row in self.rows),
            sum(row.killed for row in self.rows),
            sum(row.equivalent for row in self.rows),
            min((row.weakest for row in self.rows), default=1.0),
        )

    @property
    def graded(self) -> int:
        """How many mutants were graded."""
        return self.total.mutants

    @property
    def proven(self) -> bool:
        """Whether every task is proven, and all tests together are strong enough."""
        return not self.failed and self.total.share >= self.strength

    @property
    def verdict(self) -> str:
        """The last line for people."""
        total = self.total
        text = f"{total.tasks - self.failed} of {total.tasks} tasks proven"
        if total.mutants:
            text += f"; {total.killed} of {total.mutants} mutants noticed ({total.share:.1%}"
            text += ")" if total.share >= self.strength else f", at least {self.strength:.0%} are asked for)"
        return text

    def to_json(self) -> dict[str, Any]:
        """Returns the summary as JSON has it."""
        return {
            "categories": [_json(row) for row in self.rows],
            "all": _json(self.total),
            "failed": self.failed,
            "proven": self.proven,
        }


def _row(category: str, group: Sequence[Proof]) -> Row:
    found = [proof.strength for proof in group if proof.strength is not None]
    return Row(
        category,
        len(group),
        sum(strength.graded for strength in found),
        sum(strength.killed for strength in found),
        sum(strength.equivalent for strength in found),
        min((strength.share for strength in found), default=1.0),
    )


def _json(row: Row) -> dict[str, Any]:
    return {
        "category": row.category,
        "tasks": row.tasks,
        "mutants": row.mutants,
        "noticed": row.killed,
        "share": round(row.share, 4),
        "equivalent": row.equivalent,
        "weakest": round(row.weakest, 4),
    }


def table(summary: Summary) -> Table:
    """Returns the summary for people."""
    made = Table(box=box.SIMPLE_HEAD)
    made.add_column("category")
    for name in ("tasks", "mutants", "noticed", "share", "weakest task", "equivalent"):
        made.add_column(name, justify="right")
    for row in (*summary.rows, summary.total):
        shares = f"{row.share:.1%}", f"{row.weakest:.0%}"
        counts = str(row.tasks), str(row.mutants), str(row.killed)
        made.add_row(row.category, *counts, *shares, str(row.equivalent))
    return made
