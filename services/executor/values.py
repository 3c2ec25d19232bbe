"""Values that come out of a sandbox: decoded, compared, shown. All of it outside, all of it bounded."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Any

from services.executor.harness.encode import NotComparable, encode

MAX_DEPTH = 110
_SHOWN_CHARACTERS = 500
_MAX_COLLISIONS = 1000
_RELATIVE, _ABSOLUTE = 1e-6, 1e-9
_SCALARS = frozenset({type(None), bool, int, float, str})


class BadValue(ValueError):
    """The text is not a value as `harness/encode.py` writes it."""


def _refuse_constant(name: str) -> object:
    raise BadValue(f"a bare {name}")


_JSON = json.JSONDecoder(parse_constant=_refuse_constant)


def decode(text: str) -> object:
    """Reads tagged JSON into exact builtin types.

    Raises:
        BadValue: Anything else, or nested deeper than `MAX_DEPTH`.
    """
    try:
        return _decode(_JSON.decode(text), MAX_DEPTH)
    except (ValueError, TypeError, LookupError, RecursionError, OverflowError, MemoryError) as error:
        raise BadValue(f"not a value: {error}") from error


def _decode(node: Any, depth: int) -> object:  # noqa: ANN401
    if depth == 0:
        raise BadValue("nested too deep")
    if isinstance(node, list):
        return node if _SCALARS.issuperset(map(type, node)) else [_decode(item, depth - 1) for item in node]
    if isinstance(node, dict):
        ((tag, content),) = node.items()
        return _TAGS[tag](content, depth - 1)
    return node


def _items(content: Any, depth: int) -> list[object]:  # noqa: ANN401
    if not isinstance(content, list):
        raise BadValue("not a sequence")
    return [_decode(item, depth) for item in content]


def _dict(content: Any, depth: int) -> object:  # noqa: ANN401
    pairs = [(_decode(key, depth), _decode(value, depth)) for key, value in content]
    _check_hashes([key for key, _ in pairs])
    return dict(pairs)


def _hashable(content: Any, depth: int) -> list[object]:  # noqa: ANN401
    items = _items(content, depth)
    _check_hashes(items)
    return items


def _check_hashes(items: list[object]) -> None:
    """Refuses elements that were chosen to share a hash: a table of them takes quadratic time to build."""
    if len(items) - len({hash(item) for item in items}) > _MAX_COLLISIONS:
        raise BadValue("elements with the same hash")


_TAGS: dict[str, Callable[[Any, int], object]] = {
    "int": lambda content, _: int(content, 16),
    "float": lambda content, _: float.fromhex(content),
    "bytes": lambda content, _: bytes.fromhex(content),
    "bytearray": lambda content, _: bytearray.fromhex(content),
    "complex": lambda content, _: complex(float.fromhex(content[0]), float.fromhex(content[1])),
    "range": lambda content, depth: range(*(_integer(item) for item in _items(content, depth))),
    "tuple": lambda content, depth: tuple(_items(content, depth)),
    "set": lambda content, depth: set(_hashable(content, depth)),
    "frozenset": lambda content, depth: frozenset(_hashable(content, depth)),
    "dict": _dict,
}


def _integer(value: object) -> int:
    if type(value) is not int:
        raise BadValue("not an integer")
    return value


def same(expected: object, got: object) -> bool:
    """Returns whether two values of builtin types are equal as Python sees it; nan equals nan."""
    return expected == got or _match(expected, got, _equal_scalars)


def close(expected: object, got: object) -> bool:
    """As `same`, but numbers may differ by 1e-6 relative or 1e-9 absolute."""
    return expected == got or _match(expected, got, _close_scalars)


def same_elements(expected: object, got: object) -> bool:
    """Returns whether two sequences or sets hold the same elements, each as often, in any order."""
    if not isinstance(expected, (list, tuple, set, frozenset)) or not isinstance(got, (list, tuple, set, frozenset)):
        return False
    if len(expected) != len(got):
        return False
    try:
        left = Counter(map(_key, expected))
        for key in map(_key, got):
            left[key] -= 1
            if left[key] < 0:
                return False
    except BadValue:
        return False
    return True


def _key(value: object) -> Hashable:
    """Returns something to count values by: two are equal exactly if the values are the `same`."""
    if isinstance(value, (list, tuple)):
        return type(value), tuple(map(_key, value))
    if isinstance(value, dict):
        pairs: list[object] = [(name, _key(content)) for name, content in value.items()]
        _check_hashes(pairs)
        return dict, frozenset(pairs)
    if isinstance(value, float) and math.isnan(value):
        return float, "nan"
    if isinstance(value, (set, bytearray)):
        return frozenset(value) if isinstance(value, set) else bytes(value)
    return value


CHECKERS: dict[str, Callable[[object, object], bool]] = {
    "": same,
    "equal": same,
    "approx": close,
    "unordered": same_elements,
}


@dataclass(frozen=True, slots=True)
class Wanted:
    """A value that answers are compared with.

    Attributes:
        value: It.
        payload: It, as a harness writes it; "" if a harness could not. An answer of the same text needs no other look.
        shown: It, for people.
        checker: How the two are compared: a key of `CHECKERS`.
    """

    value: object
    payload: str
    shown: str
    checker: str

    @classmethod
    def of(cls, value: object, checker: str = "") -> Wanted:
        """Prepares a value for comparisons."""
        try:
            payload = encode(value).decode("ascii")
        except NotComparable:
            payload = ""
        return cls(value, payload, show(value), checker)

    def accepts(self, got: object) -> bool:
        """Returns whether a value is as good as the one that is wanted."""
        return CHECKERS[self.checker](self.value, got)


def _match(expected: object, got: object, scalars: Callable[[object, object], bool]) -> bool:
    if isinstance(expected, (list, tuple)):
        return (
            type(expected) is type(got)
            and len(expected) == len(got)
            and all(_match(a, b, scalars) for a, b in zip(expected, got, strict=True))
        )
    if isinstance(expected, dict):
        return (
            isinstance(got, dict)
            and expected.keys() == got.keys()
            and all(_match(value, got[key], scalars) for key, value in expected.items())
        )
    return scalars(expected, got)


def _equal_scalars(expected: object, got: object) -> bool:
    if isinstance(expected, float) and isinstance(got, float) and math.isnan(expected):
        return math.isnan(got)
    return expected == got


def _close_scalars(expected: object, got: object) -> bool:
    if _equal_scalars(expected, got):
        return True
    if isinstance(expected, (int, float)) and isinstance(got, (int, float)):
        try:
            return math.isclose(expected, got, rel_tol=_RELATIVE, abs_tol=_ABSOLUTE)
        except OverflowError:  # an integer beyond every float
            return False
    return False


def show(value: object) -> str:
    """Returns a value as Python prints it, cut to 500 characters, as valid Unicode."""
    try:
        text = repr(value)
    except ValueError:  # an integer beyond sys.get_int_max_str_digits
        text = "<an integer too long to print>"
    return clean(text, _SHOWN_CHARACTERS)


def clean(text: str, limit: int) -> str:
    """Returns text as valid Unicode, cut to `limit` characters with an ellipsis."""
    text = text.encode(errors="backslashreplace").decode()
    return text if len(text) <= limit else text[: limit - 1] + "…"
