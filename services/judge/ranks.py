"""Agreement of two lists of figures, by their order alone."""

from __future__ import annotations

import math
from collections.abc import Sequence


def spearman(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Returns Spearman's rho (1904), equal values sharing the mean of their ranks; None where one list is constant.

    Args:
        first: Figures.
        second: As many.
    """
    return _pearson(_ranks(first), _ranks(second))


def kendall(first: Sequence[float], second: Sequence[float]) -> float | None:
    """Returns Kendall's tau-b (1945), which allows for equal values; None where one list is constant.

    Args:
        first: Figures.
        second: As many.
    """
    balance, untied_first, untied_second = 0, 0, 0
    for i in range(len(first)):
        for j in range(i):
            a, b = _sign(first[i] - first[j]), _sign(second[i] - second[j])
            balance += a * b
            untied_first += a != 0
            untied_second += b != 0
    scale = math.sqrt(untied_first * untied_second)
    return balance / scale if scale else None


def _ranks(values: Sequence[float]) -> list[float]:
    order = sorted(range(len(values)), key=lambda index: values[index])
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for place in order[start : end + 1]:
            ranks[place] = (start + end) / 2 + 1
        start = end + 1
    return ranks


def _pearson(first: Sequence[float], second: Sequence[float]) -> float | None:
    count = len(first)
    mean_first, mean_second = sum(first) / count, sum(second) / count
    covariance = sum((a - mean_first) * (b - mean_second) for a, b in zip(first, second, strict=True))
    scale = math.sqrt(sum((a - mean_first) ** 2 for a in first) * sum((b - mean_second) ** 2 for b in second))
    return covariance / scale if scale else None


def _sign(value: float) -> int:
    return (value > 0) - (value < 0)
