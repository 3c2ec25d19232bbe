"""Scores of cost and growth: steps that noise does not cross."""

from __future__ import annotations

import math
import random
from collections.abc import Callable

import pytest

from services.executor import efficiency

SIZES = [1000, 2000, 4000, 8000, 16000, 32000, 64000]
BUDGET_SECONDS = 0.15
Cost = Callable[[int], float]
GROWTHS: dict[str, Cost] = {
    "n": lambda n: n,
    "n log n": lambda n: n * math.log2(n),
    "n^2": lambda n: n**2,
    "n^3": lambda n: n**3,
}


def measured(cost: Cost, unit: float, rng: random.Random, noise: float = 1.5) -> dict[int, float]:
    """Costs as a loaded machine shows them, up to the first size over the budget; each is up to `noise` times more."""
    costs: dict[int, float] = {}
    for size in SIZES:
        costs[size] = unit * cost(size) / cost(SIZES[0]) * rng.uniform(1, noise)
        if costs[size] > BUDGET_SECONDS:
            break
    return costs


@pytest.mark.parametrize(
    ("reference", "program", "score"),
    [
        ("n", "n", 1.0),
        ("n", "n log n", 1.0),
        ("n log n", "n", 1.0),
        ("n log n", "n log n", 1.0),
        ("n^2", "n^2", 1.0),
        ("n^2", "n", 1.0),
        ("n", "n^2", 0.6),
        ("n log n", "n^2", 0.6),
        ("n", "n^3", 0.2),
        ("n log n", "n^3", 0.2),
        ("n^2", "n^3", 0.6),
        ("n^3", "n^3", 1.0),
    ],
)
def test_growth_keeps_its_step_under_noise(reference: str, program: str, score: float) -> None:
    rng = random.Random(7)
    for _ in range(300):
        theirs = measured(GROWTHS[reference], 0.001, rng, noise=1.1)  # the median of three
        own = measured(GROWTHS[program], 0.0012, rng)
        assert efficiency.of_growth(own, theirs, list(theirs)).score == score, (own, theirs)


@pytest.mark.parametrize(("factor", "score"), [(1.0, 1.0), (9.0, 1.0), (25.0, 0.8), (40.0, 0.8), (100.0, 0.6)])
def test_the_ratio_counts_among_equal_growth(factor: float, score: float) -> None:
    rng = random.Random(7)
    reference = {size: 1e-6 * size for size in SIZES}
    for _ in range(100):
        own = {size: 1e-6 * size * factor * rng.uniform(1, 1.4) for size in SIZES}
        result = efficiency.of_growth(own, reference, SIZES)
        assert result.score == score
        assert result.largest_size == SIZES[-1]
        assert result.ratio is not None
        assert factor <= result.ratio <= 1.4 * factor


def test_the_exponent_is_that_of_the_growth() -> None:
    assert efficiency.exponent({n: 1e-9 * n**2 for n in SIZES}) == pytest.approx(2)
    assert efficiency.exponent({n: 1e-5 * n for n in SIZES}) == pytest.approx(1)
    assert efficiency.exponent(dict.fromkeys(SIZES, 0.01)) == pytest.approx(0)


def test_growth_is_compared_at_the_same_sizes() -> None:
    """Both get dearer faster once their inputs leave the caches: that is no growth of the program's own."""
    reference = {size: 1e-6 * size * (3 if size > 8000 else 1) for size in SIZES}
    climbing = {size: 12 * cost for size, cost in reference.items() if size <= 16000}

    result = efficiency.of_growth(climbing, reference, SIZES)

    assert result.exponent == pytest.approx(result.reference_exponent)
    assert result.score == 1.0


def test_what_is_too_cheap_to_tell_is_as_good_as_the_reference() -> None:
    result = efficiency.of_growth(dict.fromkeys(SIZES, 1e-05), {n: 1e-3 * n for n in SIZES}, SIZES)

    assert result.score == 1.0
    assert result.exponent is None
    assert efficiency.exponent({}) is None
    assert efficiency.exponent({10: 1.0}) is None


def test_no_size_at_all_scores_nothing() -> None:
    result = efficiency.of_growth({}, {1: 1.0, 2: 2.0}, [1, 2])

    assert result.score == 0.0
    assert result.largest_size == 0


def test_a_reason_names_both_growths() -> None:
    result = efficiency.of_growth({n: 1e-9 * n**2 for n in SIZES[:4]}, {n: 1e-6 * n for n in SIZES}, SIZES)

    assert "n^2.0" in result.reason
    assert "n^1.0" in result.reason
    assert result.exponent == pytest.approx(2)
    assert result.reference_exponent == pytest.approx(1)


@pytest.mark.parametrize(
    ("cost", "reference", "score"),
    [
        (0.0, 0.0, 1.0),
        (0.002, 0.0, 1.0),
        (0.09, 0.0, 1.0),
        (0.3, 0.02, 1.0),
        (0.3, 0.001, 0.5),
        (5.0, 0.2, 0.5),
        (3.0, 0.2, 1.0),
    ],
)
def test_cost_on_the_tests_alone(cost: float, reference: float, score: float) -> None:
    result = efficiency.flat(cost, reference)

    assert result.score == score
    assert result.exponent is None
    assert result.ratio is not None


def test_work_done_ahead_on_a_small_input_is_not_cheap() -> None:
    """A program that burns the budget at once, so that little of its growth is seen, gains nothing by it."""
    sizes = [32, 64, 128, 256]
    reference = {size: size * 1e-5 for size in sizes}

    stopped_at_once = efficiency.of_growth({32: 0.2}, reference, sizes)
    ahead = efficiency.of_growth({32: 0.14, 64: 0.0001, 128: 0.0001, 256: 0.0001}, reference, sizes)

    assert stopped_at_once.score <= 0.2
    assert ahead.score < 1.0


@pytest.mark.parametrize(
    ("factor", "doubtful"), [(1.0, False), (10.0, False), (12.0, True), (20.0, True), (30.0, False), (50.0, True)]
)
def test_a_ratio_near_a_step_is_in_doubt(factor: float, doubtful: bool) -> None:
    reference = {size: 1e-6 * size for size in SIZES}
    own = {size: cost * factor for size, cost in reference.items()}
    assert efficiency.of_growth(own, reference, SIZES).doubtful == doubtful


@pytest.mark.parametrize(("exponent", "doubtful"), [(1.0, False), (1.4, True), (1.6, True), (2.0, False), (2.35, True)])
def test_an_exponent_near_a_step_is_in_doubt(exponent: float, doubtful: bool) -> None:
    reference = {size: 1e-6 * size for size in SIZES}
    own = {size: 1e-4 * (size / SIZES[0]) ** exponent * 10 for size in SIZES[:5]}
    assert efficiency.of_growth(own, reference, SIZES).doubtful == doubtful


@pytest.mark.parametrize(("held_up", "doubtful"), [(3.0, True), (5.0, False)])
def test_another_order_at_hardly_more_cost_is_in_doubt(held_up: float, doubtful: bool) -> None:
    reference = {size: 1e-5 * size for size in (1000, 2000, 4000, 8000)}
    own = {size: reference[size] * (held_up if size == 4000 else 1.0) for size in (1000, 2000, 4000)}
    found = efficiency.of_growth(own, reference, (1000, 2000, 4000, 8000))
    assert found.score < 1.0
    assert found.doubtful == doubtful


@pytest.mark.parametrize(
    ("cost", "reference", "doubtful"),
    [(0.01, 0.001, False), (0.09, 0.001, True), (0.12, 0.001, True), (0.3, 0.001, False), (4.0, 0.2, True)],
)
def test_a_cost_near_its_step_is_in_doubt(cost: float, reference: float, doubtful: bool) -> None:
    assert efficiency.flat(cost, reference).doubtful == doubtful


def test_the_lowest_costs_of_noisy_measurements_leave_no_doubt() -> None:
    rng = random.Random(7)
    reference = {size: 1e-6 * size for size in SIZES}
    own = {size: 9.8 * cost for size, cost in reference.items()}

    def noisy() -> efficiency.GrowthCosts:
        return efficiency.GrowthCosts(
            {size: cost * rng.uniform(1, 2) for size, cost in own.items()},
            {size: cost * rng.uniform(1, 2) for size, cost in reference.items()},
            SIZES,
        )

    costs = noisy()
    for _ in range(20):
        costs = costs.lowest(noisy())

    assert costs.score().ratio == pytest.approx(9.8, rel=0.2)
    assert (costs.score().score, costs.score().doubtful) == (1.0, False)
    flat = efficiency.FlatCosts(0.5, 0.2).lowest(efficiency.FlatCosts(0.6, 0.1))
    assert (flat.own, flat.reference) == (0.5, 0.1)
