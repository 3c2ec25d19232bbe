"""What the harness writes, the executor reads: the same value, of the same types."""

from __future__ import annotations

import collections
import enum
import math
import random
from typing import Any

import pytest

from services.executor import values
from services.executor.harness.encode import MAX_BYTES, MAX_DEPTH, MAX_NODES, NotComparable, encode


def there_and_back(value: object) -> object:
    return values.decode(encode(value).decode("ascii"))


def shape(value: Any) -> object:
    """The types of a value and of all that is in it; sets in an order of their own."""
    if isinstance(value, dict):
        return dict, sorted((repr(shape(k)), repr(shape(v))) for k, v in value.items())
    if isinstance(value, (set, frozenset)):
        return type(value), sorted(repr(shape(item)) for item in value)
    if isinstance(value, (list, tuple)):
        return type(value), [shape(item) for item in value]
    return type(value), repr(value)


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -1,
        2**53 - 1,
        2**53,
        -(2**53),
        10**3000,
        0.1,
        -0.0,
        5e-324,
        math.inf,
        -math.inf,
        math.nan,
        complex(0.1, -math.inf),
        "",
        "a\0b\u2028\ud800😀",
        b"",
        bytes(range(256)),
        bytearray(b"x"),
        [],
        (),
        set(),
        frozenset(),
        {},
        range(10, -10, -3),
        {(1, (2.5, "x")): [frozenset({b"y"}), {None: {}}], "k": ({1, 2},)},
        {True: 1, "1": 2},
        [2**53 - 1, 2**53],
        [1 - 2**53, -(2**53)],
        [0.5, math.nan, -math.inf],
        [1.5, -0.0, 5e-324, 1.7976931348623157e308],
        ["a", "\ud800"],
        [1, True, 1.0, None],
        [[1, 2], [3, 10**30]],
    ],
    ids=lambda value: repr(value)[:30],
)
def test_a_value_comes_back(value: object) -> None:
    assert shape(there_and_back(value)) == shape(value)


def _random_value(rng: random.Random, depth: int, *, hashable: bool = False) -> object:
    scalars = [
        lambda: rng.choice([None, True, False]),
        lambda: rng.randint(-(10**18), 10**18),
        lambda: rng.getrandbits(rng.randint(1, 300)),
        lambda: rng.choice(
            [math.inf, 0.0, rng.uniform(-1e9, 1e9), rng.uniform(-1, 1) * 10.0 ** rng.randint(-300, 300)]
        ),
        lambda: "".join(chr(rng.choice([rng.randint(0, 127), rng.randint(128, 0x10FFFF)])) for _ in range(4)),
        lambda: rng.randbytes(rng.randint(0, 5)),
        lambda: complex(rng.random(), rng.random()),
    ]
    if depth == 0 or rng.random() < 0.3:
        return rng.choice(scalars)()
    count = range(rng.randint(0, 4))
    frozen = [
        lambda: tuple(_random_value(rng, depth - 1, hashable=hashable) for _ in count),
        lambda: frozenset(_random_value(rng, depth - 1, hashable=True) for _ in count),
    ]
    free = [
        lambda: [_random_value(rng, depth - 1) for _ in count],
        lambda: {_random_value(rng, depth - 1, hashable=True) for _ in count},
        lambda: {_random_value(rng, depth - 1, hashable=True): _random_value(rng, depth - 1) for _ in count},
    ]
    return rng.choice(frozen if hashable else frozen + free)()


def test_random_values_come_back() -> None:
    rng = random.Random(20240229)
    for _ in range(3000):
        value = _random_value(rng, 4)
        back = there_and_back(value)
        assert shape(back) == shape(value)
        assert values.same(value, back)


class _Color(enum.IntEnum):
    RED = 1


class _Int(int):
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = int.__hash__


class _Lie:
    @property
    def __class__(self):
        return int


_Point = collections.namedtuple("_Point", "x y")
_loop: list[object] = []
_loop.append(_loop)


@pytest.mark.parametrize(
    ("value", "why"),
    [
        (object(), "of type object"),
        (_Color.RED, "of type _Color"),
        (_Int(1), "of type _Int"),
        (_Lie(), "of type _Lie"),
        (_Point(1, 2), "of type _Point"),
        (collections.OrderedDict(), "of type OrderedDict"),
        (collections.Counter("a"), "of type Counter"),
        (type("s", (str,), {})("x"), "of type s"),
        ([{"deep": (object(),)}], "of type object"),
        ({_Int(1): 1}, "of type _Int"),
        (iter([]), "of type list_iterator"),
        (int, "of type type"),
        (NotImplemented, "NotImplemented"),
        (_loop, "refers to itself"),
        ("x" * (MAX_BYTES + 1), "larger than"),
        (["x" * (MAX_BYTES // 2)] * 3, "larger than"),
        ("\U0001f600" * (MAX_BYTES - 1), "larger than"),
        (bytes(MAX_BYTES // 2 + 1), "larger than"),
        (1 << (8 * MAX_BYTES), "larger than"),
        ([0] * (MAX_NODES + 1), "more than"),
    ],
    ids=lambda value: repr(type(value))[:40],
)
def test_what_does_not_cross(value: object, why: str) -> None:
    with pytest.raises(NotComparable, match=why):
        encode(value)


def _nested(depth: int, wrap: type) -> object:
    value: object = 1
    for _ in range(depth):
        value = {0: value} if wrap is dict else wrap([value])
    return value


@pytest.mark.parametrize("wrap", [list, tuple, dict, frozenset])
def test_depth(wrap: type) -> None:
    assert there_and_back(_nested(MAX_DEPTH, wrap)) == _nested(MAX_DEPTH, wrap)
    with pytest.raises(NotComparable, match="nested"):
        encode(_nested(MAX_DEPTH + 1, wrap))


def test_elements_at_the_limit_cross() -> None:
    value = [0] * (MAX_NODES - 1)
    assert there_and_back(value) == value
