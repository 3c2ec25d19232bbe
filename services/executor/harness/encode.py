"""Values out of the sandbox: exact builtin types as tagged JSON, nothing else.

A JSON null, true, false, string, number with a fraction or exponent, or small integer stands for itself, an array for
a list; every other value is an object of one key that names its type:

    {"int": "-0x1f…"}  integers beyond 2^53    {"float": "nan" | "inf" | "-inf"}
    {"bytes": "hex"}  {"bytearray": "hex"}     {"complex": ["0x1.8p+1", "nan"]}
    {"tuple": […]}  {"set": […]}  {"frozenset": […]}  {"dict": [[key, value], …]}
    {"range": [start, stop, step]}

Subclasses are not exact types, so an object that claims to equal everything does not get out.
"""

from __future__ import annotations

import math

from . import plain_json

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

MAX_DEPTH = 100
MAX_NODES = 200_000
MAX_BYTES = 1 << 20
_SMALL = 1 << 53
_SEQUENCES: dict[type, str] = {tuple: "tuple", set: "set", frozenset: "frozenset"}


class NotComparable(Exception):
    """The value cannot leave the sandbox; the message says why."""


class _Encoder:
    """Encodes one value and counts what it costs."""

    def __init__(self) -> None:
        self._nodes = 0
        self._bytes = 0

    def encode(self, value: Any, depth: int) -> Any:  # noqa: ANN401
        """Returns the JSON structure of a value at a depth."""
        self._spend_nodes(1)
        if depth > MAX_DEPTH:
            raise NotComparable(f"nested more than {MAX_DEPTH} deep, or refers to itself")
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is int:
            return self._integer(value)
        if kind is float:
            return value if math.isfinite(value) else {"float": float.hex(value)}
        if kind is str:
            return self._text(value)
        if kind is bytes or kind is bytearray:
            self._spend(2 * len(value))
            return {kind.__name__: value.hex()}
        if kind is complex:
            return {"complex": [float.hex(value.real), float.hex(value.imag)]}
        if kind is range:
            return {"range": [self._integer(part) for part in (value.start, value.stop, value.step)]}
        return self._container(kind, value, depth + 1)

    def _container(self, kind: type, value: Any, depth: int) -> Any:  # noqa: ANN401
        if kind is list:
            plain = depth <= MAX_DEPTH and self._is_plain(value)
            return value if plain else [self.encode(item, depth) for item in value]
        if kind is dict:
            return {"dict": [[self.encode(k, depth), self.encode(v, depth)] for k, v in value.items()]}
        if kind in _SEQUENCES:
            return {_SEQUENCES[kind]: [self.encode(item, depth) for item in value]}
        raise NotComparable(f"of type {kind.__name__!s:.100}, not a plain builtin type")

    def _is_plain(self, items: Sequence[Any]) -> bool:
        """Whether all items are of one kind and stand for themselves; counts them if so. Much the usual case."""
        kinds = set(map(type, items))
        if len(kinds) != 1:
            return False
        (kind,) = kinds
        if kind is int:
            plain: bool = min(items) > -_SMALL and max(items) < _SMALL
        elif kind is float:
            plain = all(map(math.isfinite, items))
        else:
            plain = kind is bool or kind is str
        if plain:
            self._spend_nodes(len(items))
            if kind is str:
                self._spend(sum(map(len, items)))
        return plain

    def _integer(self, value: int) -> Any:  # noqa: ANN401
        if -_SMALL < value < _SMALL:
            return value
        self._spend(value.bit_length() // 4)
        return {"int": hex(value)}

    def _text(self, value: str) -> str:
        self._spend(len(value))
        return value

    def _spend_nodes(self, count: int) -> None:
        self._nodes += count
        if self._nodes > MAX_NODES:
            raise NotComparable(f"more than {MAX_NODES} elements")

    def _spend(self, count: int) -> None:
        self._bytes += count
        if self._bytes > MAX_BYTES:
            raise NotComparable(f"larger than {MAX_BYTES} bytes")


def encode(value: Any) -> bytes:  # noqa: ANN401
    """Returns a value as tagged JSON in ASCII.

    Raises:
        NotComparable: It holds something that is not of an exact builtin type, or is too deep or too large.
    """
    text = plain_json.dumps(_Encoder().encode(value, 0))
    if len(text) > 8 * MAX_BYTES:
        raise NotComparable(f"larger than {MAX_BYTES} bytes")
    return text.encode("ascii")
