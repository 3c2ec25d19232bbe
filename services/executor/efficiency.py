"""How good a program's cost is against the reference solution's. Pure.

Growth comes first. The exponent k of cost ~ n^k is the slope of a least-squares line through log(size) and log(cost)
of the largest sizes that a program reached; it is the same at every clock speed. The reference's is taken at the same
sizes where it can be told there, since caches make both dearer as they grow. Only among programs of the same growth
does the ratio of their costs count. Both are read in coarse steps that lie far from where honest programs land, so
that the same program gets the same score whatever else the machine does. Where a measurement lies so close to a step
that noise could have carried it across, or where a program seems to grow worse and costs hardly more, the score is in
doubt: who measures again, program and reference, takes the lowest cost of each size, for other work on the machine
only ever adds to a cost.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

SAME_GROWTH = 0.5
ONE_MORE = 1.4
_GROWTH_SCORES = (1.0, 0.6, 0.2)
_RATIO_STEPS = ((16.0, 1.0), (64.0, 0.8))
_RATIO_FLOOR = 0.6
_FLAT_RATIO, _FLAT_SECONDS, _FLAT_SCORE = 20.0, 0.1, 0.5
_NOISE_SECONDS = 0.0005
_FITTED = 3
_NOISY_EXPONENT, _NOISY_RATIO = 0.15, 1.5
_UNLIKELY_RATIO = 4.0
"""A program of a worse order costs more than this at its largest size; one that does not was held up there."""


@dataclass(frozen=True, slots=True)
class Efficiency:
    """A score and what it rests on; see `codearena.v1.EfficiencyReport`.

    Attributes:
        doubtful: Whether noise of the usual size would have made another score of it.
    """

    score: float
    reason: str
    exponent: float | None = None
    reference_exponent: float | None = None
    ratio: float | None = None
    largest_size: int = 0
    doubtful: bool = False


@dataclass(frozen=True, slots=True)
class GrowthCosts:
    """CPU seconds by size, of a program and of the reference solution measured with it.

    Attributes:
        own: Of those sizes that the program reached.
        reference: Of the reference solution.
        sizes: All sizes, ascending.
    """

    own: Mapping[int, float]
    reference: Mapping[int, float]
    sizes: Sequence[int]

    def lowest(self, other: GrowthCosts) -> GrowthCosts:
        """Returns the lower cost of each size, of this measurement and another one."""
        return GrowthCosts(_lowest(self.own, other.own), _lowest(self.reference, other.reference), self.sizes)

    def score(self) -> Efficiency:
        """Scores the program."""
        return of_growth(self.own, self.reference, self.sizes)


@dataclass(frozen=True, slots=True)
class FlatCosts:
    """CPU seconds of all tests, of a program and of the reference solution."""

    own: float
    reference: float

    def lowest(self, other: FlatCosts) -> FlatCosts:
        """Returns the lower costs of this measurement and another one."""
        return FlatCosts(min(self.own, other.own), min(self.reference, other.reference))

    def score(self) -> Efficiency:
        """Scores the program."""
        return flat(self.own, self.reference)


def _lowest(one: Mapping[int, float], other: Mapping[int, float]) -> dict[int, float]:
    return {size: min(one.get(size, math.inf), other.get(size, math.inf)) for size in sorted({*one, *other})}


def of_growth(costs: Mapping[int, float], reference: Mapping[int, float], sizes: Sequence[int]) -> Efficiency:
    """Scores a program by how its cost grows.

    Args:
        costs: CPU seconds of the program by size, of those sizes that it reached.
        reference: The same of the reference solution.
        sizes: All sizes, ascending.
    """
    if not costs:
        return Efficiency(0.0, "the smallest growing input was not answered within its limit")
    largest = max(costs)
    shared = max(size for size in costs if size in reference)
    dearest = max(cost for size, cost in costs.items() if size <= shared)
    ratio = max(dearest, _NOISE_SECONDS) / max(reference[shared], _NOISE_SECONDS)
    own, theirs = exponent(costs), _exponent_beside(costs, reference)
    reached_all = largest == sizes[-1]
    score, reason = _growth_score(own, theirs, ratio, reached_all=reached_all)
    others = [(own, ratio * _NOISY_RATIO), (own, ratio / _NOISY_RATIO)]
    if own is not None:
        others += [(own + _NOISY_EXPONENT, ratio), (own - _NOISY_EXPONENT, ratio)]
    doubtful = any(_growth_score(k, theirs, r, reached_all=reached_all)[0] != score for k, r in others)
    doubtful |= score < 1.0 and ratio <= _UNLIKELY_RATIO
    return Efficiency(score, reason, own, theirs, ratio, largest, doubtful)


def _growth_score(own: float | None, theirs: float | None, ratio: float, *, reached_all: bool) -> tuple[float, str]:
    """Returns a score and why. `ratio` is of the dearest size, lest work be done ahead on a smaller one."""
    by_ratio = next((score for limit, score in _RATIO_STEPS if ratio <= limit), _RATIO_FLOOR)
    if reached_all and (own is None or ratio <= _RATIO_STEPS[0][0]):
        return by_ratio, f"at every size at {_coarse(ratio)} of the reference's cost"
    if own is None:
        return _GROWTH_SCORES[2], "even small inputs cost more than the budget"
    excess = own - (theirs or 0.0)
    if excess < SAME_GROWTH:
        return by_ratio, f"grows like the reference, at {_coarse(ratio)} of its cost"
    score = _GROWTH_SCORES[1] if excess < ONE_MORE else _GROWTH_SCORES[2]
    growth = f"the cost grows like n^{own:.1f}, the reference's like n^{max(theirs or 0.0, 0.0):.1f}"
    return min(score, by_ratio) if reached_all else score, growth


def flat(cost: float, reference: float) -> Efficiency:
    """Scores a program by its cost on the tests themselves, with a tolerance that no honest one misses.

    Args:
        cost: CPU seconds of all tests.
        reference: The same of the reference solution.
    """
    ratio = max(cost, _NOISE_SECONDS) / max(reference, _NOISE_SECONDS)
    cheap = _is_cheap(cost, reference)
    doubtful = any(_is_cheap(cost * noise, reference) != cheap for noise in (_NOISY_RATIO, 1 / _NOISY_RATIO))
    if cheap:
        return Efficiency(1.0, "as cheap as the reference on the tests", ratio=ratio, doubtful=doubtful)
    reason = f"{ratio:.0f} times the reference's cost on the tests"
    return Efficiency(_FLAT_SCORE, reason, ratio=ratio, doubtful=doubtful)


def _is_cheap(cost: float, reference: float) -> bool:
    ratio = max(cost, _NOISE_SECONDS) / max(reference, _NOISE_SECONDS)
    return ratio <= _FLAT_RATIO or cost - reference <= _FLAT_SECONDS


def exponent(costs: Mapping[int, float]) -> float | None:
    """Returns the slope of log cost over log size at the largest sizes; None if all are too cheap to tell."""
    sizes = _telling(costs)
    if len(sizes) < 2:
        return None
    xs = [math.log(size) for size in sizes]
    ys = [math.log(costs[size]) for size in sizes]
    mean_x, mean_y = sum(xs) / len(xs), sum(ys) / len(ys)
    return sum((x - mean_x) * (y - mean_y) for x, y in zip(xs, ys, strict=True)) / sum((x - mean_x) ** 2 for x in xs)


def _telling(costs: Mapping[int, float]) -> list[int]:
    """Returns the largest sizes that are dear enough to tell anything."""
    return sorted(size for size, cost in costs.items() if cost > _NOISE_SECONDS)[-_FITTED:]


def _exponent_beside(costs: Mapping[int, float], reference: Mapping[int, float]) -> float | None:
    """Returns the reference's exponent at the sizes that tell the program's; at its own where those tell nothing."""
    beside = {size: reference[size] for size in _telling(costs) if size in reference}
    shared = exponent(beside) if len(_telling(beside)) == len(_telling(costs)) else None
    return exponent(reference) if shared is None else shared


def _coarse(ratio: float) -> str:
    return "about the same part" if ratio <= 2 else f"about {ratio:.0f} times the amount"
