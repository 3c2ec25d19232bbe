"""Values with their references: what one side packs the other one has, and no more than the limits of it."""

from __future__ import annotations

import math
from typing import Any

import pytest

from services.executor.harness.graphs import MAX_BYTES, MAX_ITEMS, Unfit, pack, unpack


class Node:
    """An object like those of tests that are code."""

    def __init__(self, value: Any, **others: Any) -> None:
        self.value = value
        self.__dict__ |= others


def there_and_back(value: Any) -> Any:
    graph, _ = pack(value)
    return unpack(graph, lambda name: object.__new__(Node))[0]


def test_what_is_one_object_stays_one() -> None:
    shared = [1, 2.5, None]
    node = Node(shared, other=shared)
    shared.append(node)

    back = there_and_back(node)

    assert back.value is back.other
    assert back.value[3] is back
    assert back.value[:3] == [1, 2.5, None]


@pytest.mark.parametrize(
    "value",
    [[0] * (MAX_ITEMS - 1), dict.fromkeys(range(MAX_ITEMS // 2 - 1)), ["x" * (MAX_BYTES // 2)] * 2],
    ids=["items", "keys and values", "text"],
)
def test_a_value_at_the_limit_crosses(value: Any) -> None:
    assert there_and_back(value) == value


TOO_MANY = f"more than {MAX_ITEMS} elements"
TOO_LARGE = f"larger than {MAX_BYTES} bytes"


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ([0] * MAX_ITEMS, TOO_MANY),
        ([None] * MAX_ITEMS, TOO_MANY),
        ((math.nan,) * MAX_ITEMS, TOO_MANY),
        (dict.fromkeys(range(MAX_ITEMS // 2)), TOO_MANY),
        ([[0] * 1000 for _ in range(201)], TOO_MANY),
        ([()] * MAX_ITEMS, TOO_MANY),
        (iter(range(10**12)), TOO_MANY),
        ((True for _ in iter(int, 1)), TOO_MANY),
        (Node(0, **{f"{number:x}": 0 for number in range(MAX_ITEMS)}), TOO_MANY),
        ("x" * (MAX_BYTES + 1), TOO_LARGE),
        (["x" * MAX_BYTES, "x"], TOO_LARGE),
        (bytes(MAX_BYTES // 2 + 1), TOO_LARGE),
        (1 << (8 * MAX_BYTES), TOO_LARGE),
        (range(1 << (8 * MAX_BYTES)), TOO_LARGE),
        (Node(0, **{"x" * (MAX_BYTES + 1): 0}), TOO_LARGE),
        ([type("x" * 200, (Node,), {})(0) for _ in range(6000)], TOO_LARGE),
    ],
    ids=lambda value: value[:9] if isinstance(value, str) else type(value).__name__,
)
def test_what_is_too_much_does_not_cross(value: Any, why: str) -> None:
    with pytest.raises(Unfit, match=why):
        pack(value)
