"""Values from a sandbox: read strictly, compared as Python sees it, shown within bounds."""

from __future__ import annotations

import json
import math

import pytest

from services.executor import values

MERSENNE = 2**61 - 1  # CPython's hash of an integer is its remainder by this


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("null", None),
        ("true", True),
        ("-7", -7),
        ('"\\ud83d\\ude00"', "😀"),
        ('{"int":"-0x20000000000001"}', -(2**53) - 1),
        ('{"float":"0x1.8000000000000p+0"}', 1.5),
        ('{"float":"-inf"}', -math.inf),
        ('{"bytes":"00ff"}', b"\0\xff"),
        ('{"bytearray":"00"}', bytearray(1)),
        ('{"complex":["0x1p+0","-0x1p+1"]}', 1 - 2j),
        ('{"range":[0,9,3]}', range(0, 9, 3)),
        ('[{"tuple":[1,[2]]},{"set":[]}]', [(1, [2]), set()]),
        ('{"dict":[[{"frozenset":[1]},{"dict":[]}]]}', {frozenset({1}): {}}),
    ],
)
def test_reading(text: str, value: object) -> None:
    read = values.decode(text)

    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "NaN",
        "1" * 5000,
        "[" * 100_000,
        "[" * 200 + "]" * 200,
        "{}",
        '{"int":"0x1","float":"1"}',
        '{"unknown":1}',
        '{"int":5}',
        '{"int":"ten"}',
        '{"float":"0x1p+99999"}',
        '{"float":[]}',
        '{"bytes":"zz"}',
        '{"bytes":7}',
        '{"complex":[]}',
        '{"complex":["0x1p+0"]}',
        '{"complex":{}}',
        '{"range":[]}',
        '{"range":[0,1,0]}',
        '{"range":[0,true]}',
        '{"range":[1,2,3,4]}',
        '{"tuple":{"float":"nan"}}',
        '{"set":[[]]}',
        '{"set":5}',
        '{"frozenset":"ab"}',
        '{"dict":[[1]]}',
        '{"dict":[[[],1]]}',
        '{"dict":[1]}',
        '{"dict":null}',
    ],
)
def test_what_is_no_value(text: str) -> None:
    with pytest.raises(values.BadValue):
        values.decode(text)


@pytest.mark.parametrize("shape", ["set", "frozenset", "dict"])
def test_elements_chosen_to_collide_are_refused(shape: str) -> None:
    """A table of them would take quadratic time to build, in the executor."""
    elements = [{"int": hex(number * MERSENNE)} for number in range(1, 200_000)]
    content = [[element, 0] for element in elements] if shape == "dict" else elements

    with pytest.raises(values.BadValue, match="same hash"):
        values.decode(json.dumps({shape: content}))


def test_a_large_honest_set_is_read() -> None:
    numbers = set(range(-50_000, 50_000))

    assert values.decode(json.dumps({"set": sorted(numbers)})) == numbers


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (2, 2.0),
        (2.0, 2),
        (1, True),
        (math.nan, math.nan),
        ([1.0, math.nan], [1, math.nan]),
        ((1, [2]), (1, [2])),
        ({1, 2}, {2.0, 1.0}),
        ({"a": math.nan}, {"a": math.nan}),
        ({1: (2,)}, {1.0: (2.0,)}),
        (10**400, 10**400),
        (b"x", b"x"),
        (0.0, -0.0),
    ],
)
def test_equal_values(expected: object, got: object) -> None:
    assert values.same(expected, got)
    assert values.close(expected, got)


@pytest.mark.parametrize(
    ("expected", "got"),
    [
        (2, 2.0000001),
        ([1], (1,)),
        ((1,), [1]),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ("1", 1),
        (b"a", "a"),
        (None, 0),
        (None, False),
        ({}, []),
        ({1: 2}, {1: 3}),
        ({1: 2}, {1: 2, 3: 4}),
        (math.nan, 0.0),
        (1.0, math.nan),
        (math.inf, 10**400),
        ("", None),
    ],
)
def test_different_values(expected: object, got: object) -> None:
    assert not values.same(expected, got)


@pytest.mark.parametrize(
    ("expected", "got", "is_close"),
    [
        (1.0, 1.0 + 9e-7, True),
        (1.0, 1.0 + 3e-6, False),
        (0.0, 5e-10, True),
        (0.0, 5e-9, False),
        ([1e9, (0.1 + 0.2,)], [1e9 + 1, (0.3,)], True),
        ({"a": 0.3}, {"a": 0.1 + 0.2}, True),
        (math.inf, 1e308, False),
        (math.inf, math.inf, True),
        (1.5, 10**400, False),
        (10**400, 1.5, False),
        (1.0, "1.0", False),
        ("a", "b", False),
    ],
)
def test_close_numbers(expected: object, got: object, is_close: bool) -> None:
    assert values.close(expected, got) is is_close


@pytest.mark.parametrize(
    ("expected", "got", "is_same"),
    [
        ([1, 2, 2], [2, 1, 2], True),
        ([1, 2, 2], [2, 1, 1], False),
        ([1, 2], [1, 2, 2], False),
        ([[1], [2]], ([2], [1]), True),
        ((1, 2), {2, 1}, True),
        ([1, 1.0], [True, 1], True),
        ([math.nan, 1], [1, math.nan], True),
        ([[float("nan")], [1]], [[1], [float("nan")]], True),
        ([{"a": [1], "b": 2}, {}], [{}, {"b": 2.0, "a": [True]}], True),
        ([{"a": [1]}, {"a": [2]}], [{"a": [1]}, {"a": [1]}], False),
        ([{1}, b"x"], [bytearray(b"x"), frozenset({1})], True),
        ([[1], (1,)], [(1,), (1,)], False),
        ([], set(), True),
        ([], {}, False),
        ([1], "1", False),
        ("ab", "ba", False),
    ],
)
def test_elements_in_any_order(expected: object, got: object, is_same: bool) -> None:
    assert values.same_elements(expected, got) is is_same


def test_many_elements_in_any_order_take_no_quadratic_time() -> None:
    """Ten thousand million comparisons would run into the test's own limit."""
    rows = [[number, {"id": number}] for number in range(100_000)]
    assert values.same_elements(rows, rows[::-1])
    assert not values.same_elements(rows, [*rows[:0:-1], [0, {"id": 1}]])


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ({"a": (1.5, b"x", None)}, "{'a': (1.5, b'x', None)}"),
        ("x" * 1000, "'" + "x" * 498 + "…"),
        (10**5000, "<an integer too long to print>"),
        ([10**5000], "<an integer too long to print>"),
        ("\ud800", "'\\ud800'"),
        ("é", "'é'"),
    ],
    ids=["nested", "long", "large integer", "large integer in a list", "lone surrogate", "accent"],
)
def test_showing(value: object, shown: str) -> None:
    assert values.show(value) == shown


def test_cleaned_text_is_unicode_within_its_limit() -> None:
    assert values.clean("a\ud800b", 20) == "a\\ud800b"
    assert values.clean("abcdef", 4) == "abc…"
    assert values.clean("abcd", 4) == "abcd"
