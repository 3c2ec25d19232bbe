"""What an agent earns for growth: cubic, quadratic and linear answers to the same task."""

import itertools

import pytest

from codearena import AsyncArenaClient, JudgeSource, Outcome

CUBIC = """\
def max_subarray_sum(arr):
    if not arr:
        return 0
    best = arr[0]
    for i in range(len(arr)):
        for j in range(i, len(arr)):
            total = 0
            for k in range(i, j + 1):
                total += arr[k]
            best = max(best, total)
    return best
"""
QUADRATIC = """\
def max_subarray_sum(arr):
    if not arr:
        return 0
    best = arr[0]
    for i in range(len(arr)):
        total = 0
        for j in range(i, len(arr)):
            total += arr[j]
            best = max(best, total)
    return best
"""
LINEAR = """\
def max_subarray_sum(arr):
    if not arr:
        return 0
    best = current = arr[0]
    for value in arr[1:]:
        current = max(value, current + value)
        best = max(best, current)
    return best
"""
ACCUMULATED = """\
from itertools import accumulate


def max_subarray_sum(arr):
    return max(accumulate(arr, lambda total, value: max(value, total + value)), default=0)
"""


@pytest.fixture(scope="module")
async def grades(arena):
    codes = {"cubic": CUBIC, "quadratic": QUADRATIC, "linear": LINEAR, "accumulated": ACCUMULATED}
    async with AsyncArenaClient(arena.address) as client:
        codes["buggy"] = (await client.get_task("hard-1")).buggy_code
        found = {index: grade async for index, grade in client.grade_group("hard-1", list(codes.values()))}
    return {name: found[index] for index, name in enumerate(codes)}


def test_all_of_them_are_correct(grades):
    for name, grade in grades.items():
        assert (grade.outcome, grade.tests_passed) == (Outcome.PASSED, grade.tests_total), name
        assert grade.judge_source is JudgeSource.STATIC


@pytest.mark.parametrize("name", ["cubic", "buggy"])
def test_cubic_time_earns_little_efficiency(grades, name):
    assert grades[name].breakdown["efficiency_score"] < 0.35
    assert grades[name].efficiency.growth_exponent > 2.3
    assert "grows like" in grades[name].error_log


def test_quadratic_time_is_well_below_linear(grades):
    assert grades["quadratic"].breakdown["efficiency_score"] <= grades["linear"].breakdown["efficiency_score"] - 0.3
    assert 1.5 < grades["quadratic"].efficiency.growth_exponent < 2.5


def test_each_order_of_growth_is_far_from_the_next(grades):
    scores = [grades[name].breakdown["efficiency_score"] for name in ("cubic", "quadratic", "linear")]
    assert min(better - worse for worse, better in itertools.pairwise(scores)) >= 0.3


def test_the_order_of_the_rewards(grades):
    assert grades["cubic"].reward < grades["quadratic"].reward < grades["linear"].reward


@pytest.mark.parametrize("name", ["linear", "accumulated"])
def test_linear_time_is_fully_efficient(grades, name):
    assert grades[name].breakdown["efficiency_score"] == 1.0
    assert grades[name].reward >= 0.9
    assert grades[name].error_log == ""
