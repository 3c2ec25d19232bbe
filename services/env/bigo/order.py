"""Orders of growth: the classes that a big-O estimate may name, and their arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class Order:
    """An order of growth base^n · n^power · log^logs n, compared as the functions compare for large n.

    Attributes:
        base: 0 without an exponential factor, else its base; infinity stands for n!.
        power: Exponent of n.
        logs: Exponent of log n.
    """

    base: float = 0.0
    power: float = 0.0
    logs: int = 0

    def __mul__(self, other: Order) -> Order:
        """The order of one computation repeated as often as the other says."""
        return Order(max(self.base, other.base), self.power + other.power, self.logs + other.logs)

    def __pow__(self, exponent: float) -> Order:
        return Order(self.base, self.power * exponent, round(self.logs * exponent))

    def __str__(self) -> str:
        if math.isinf(self.base):
            return "O(n!)"
        if self.base:
            return f"O({self.base:g}^n)"
        return f"O({' '.join(filter(None, (self._powers(), self._logs()))) or '1'})"

    def _powers(self) -> str:
        whole, half = divmod(self.power, 1)
        if half == 0.5 and whole < 2:
            return "n sqrt(n)" if whole else "sqrt(n)"
        if self.power in (0, 1):
            return "n" if self.power else ""
        return f"n^{round(self.power, 2):g}"

    def _logs(self) -> str:
        return "" if not self.logs else "log n" if self.logs == 1 else f"log^{self.logs} n"


CONSTANT = Order()
LOGARITHMIC = Order(logs=1)
ROOT = Order(power=0.5)
LINEAR = Order(power=1.0)
LINEARITHMIC = Order(power=1.0, logs=1)
EXPONENTIAL = Order(base=2.0)
FACTORIAL = Order(base=math.inf)
