"""Values with their references, in and out of sandboxes: what `encode` cannot carry.

A graph is JSON: {"root": item, "nodes": [node, …]}. An item is a scalar as `encode` writes it, or {"ref": number of a
node}. A node is an object of one key:

    {"list": [item, …]}  {"tuple": […]}  {"set": […]}  {"frozenset": […]}  {"deque": […]}  {"iterator": […]}
    {"dict": [[item, item], …]}  {"object": [name of its class, [[attribute, item], …]]}

What was one object stays one object, and what refers to itself does so on the other side. An answer continues the graph
of the question: its first nodes are those of the question, as they are now. Objects cross as the name of their class
and their attributes; what class that is, the receiver decides.

This file is all that it needs, for it is also sent into sandboxes as a module of its own.
"""

from __future__ import annotations

import math

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

MAX_ITEMS = 200_000
MAX_BYTES = 1 << 20
_MAX_DEPTH = 200
_SMALL = 1 << 53
_HEAP_TYPE = 1 << 9
_KINDS: dict[type, str] = {list: "list", tuple: "tuple", set: "set", frozenset: "frozenset", dict: "dict"}
_LENT = {"deque": "deque", "OrderedDict": "dict", "defaultdict": "dict", "Counter": "dict"}
_ITERATORS = frozenset(
    map(
        type,
        (iter(()), iter([]), iter({}), iter(set()), iter(""), iter(range(0)), iter({}.values()), iter({}.items()),
         (_ for _ in ()), map(str, ()), filter(None, ()), zip(), enumerate(()), reversed([])),
    )
)  # fmt: skip


class Unfit(Exception):
    """A value cannot cross; the message says why."""


class BadGraph(Exception):
    """What came is not a graph."""


class _Packer:
    """Makes the graph of one value."""

    def __init__(self, sent: Sequence[Any]) -> None:
        self.objects = list(sent)
        self._numbers = {id(value): number for number, value in enumerate(self.objects)}
        self._items = 0
        self._left = MAX_BYTES

    def item(self, value: Any) -> Any:  # noqa: ANN401
        self._items += 1
        if self._items > MAX_ITEMS:
            raise Unfit(f"more than {MAX_ITEMS} elements")
        kind = type(value)
        if value is None or kind is bool:
            return value
        if kind is str:
            return self._text(value)
        if kind is int:
            return self._integer(value)
        if kind is float:
            return value if math.isfinite(value) else {"float": float.hex(value)}
        if kind is bytes or kind is bytearray:
            self._spend(2 * len(value))
            return {kind.__name__: value.hex()}
        if kind is complex:
            return {"complex": [float.hex(value.real), float.hex(value.imag)]}
        if kind is range:
            return {"range": [self._integer(part) for part in (value.start, value.stop, value.step)]}
        number = self._numbers.get(id(value))
        if number is None:
            number = self._numbers[id(value)] = len(self.objects)
            self.objects.append(value)
        return {"ref": number}

    def node(self, value: Any) -> Any:  # noqa: ANN401
        kind = type(value)
        name = _KINDS.get(kind)
        if name is None and kind.__module__ == "collections":
            name = _LENT.get(kind.__name__)
        if name == "dict":
            return {"dict": [[self.item(key), self.item(content)] for key, content in value.items()]}
        if name is not None:
            return {name: [self.item(content) for content in value]}
        if kind in _ITERATORS:
            return {"iterator": [self.item(content) for content in value]}
        if not all(base is object or base.__flags__ & _HEAP_TYPE for base in kind.__mro__):
            raise Unfit(f"of type {kind.__name__!s:.100}, which cannot leave its process")
        try:
            attributes = object.__getattribute__(value, "__dict__")
        except AttributeError:
            raise Unfit(f"of type {kind.__name__!s:.100}, which has no attributes") from None
        parts = [[self._text(str(key)), self.item(part)] for key, part in attributes.items()]
        return {"object": [self._text(f"{kind.__name__!s:.200}"), parts]}

    def _integer(self, value: int) -> Any:  # noqa: ANN401
        if -_SMALL < value < _SMALL:
            return value
        self._spend(value.bit_length() // 4)
        return {"int": hex(value)}

    def _text(self, value: str) -> str:
        self._spend(len(value))
        return value

    def _spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise Unfit(f"larger than {MAX_BYTES} bytes")


def pack(root: Any, sent: Sequence[Any] = ()) -> tuple[dict[str, Any], list[Any]]:  # noqa: ANN401
    """Returns the graph of a value, and the objects of its nodes.

    It has at most `MAX_ITEMS` items, and `MAX_BYTES` of texts, bytes and long numbers; no more than that is ever made.

    Args:
        root: The value.
        sent: The objects of an earlier graph that this one continues.

    Raises:
        Unfit: It holds what cannot cross, or too much.
    """
    packer = _Packer(sent)
    graph = {"root": packer.item(root), "nodes": []}
    for value in packer.objects:  # it grows meanwhile
        graph["nodes"].append(packer.node(value))
    return graph, packer.objects


_SCALARS: dict[str, Callable[[Any], Any]] = {
    "int": lambda content: int(content, 16),
    "float": float.fromhex,
    "bytes": bytes.fromhex,
    "bytearray": bytearray.fromhex,
    "complex": lambda content: complex(float.fromhex(content[0]), float.fromhex(content[1])),
}


class _Unpacker:
    """Makes the value of one graph."""

    def __init__(self, nodes: list[Any], sent: Sequence[Any], new: Callable[[str], Any]) -> None:
        if len(nodes) > MAX_ITEMS + len(sent) or len(nodes) < len(sent):
            raise BadGraph("of another number of nodes")
        self._nodes = [_pair(node) for node in nodes]
        self.objects: list[Any] = [*sent, *[None] * (len(nodes) - len(sent))]
        self._made = [number < len(sent) for number in range(len(nodes))]
        self._sent = len(sent)
        for number, (kind, content) in enumerate(self._nodes):
            if number >= self._sent:
                self._begin(number, kind, content, new)

    def _begin(self, number: int, kind: str, content: Any, new: Callable[[str], Any]) -> None:  # noqa: ANN401
        """Makes what can hold itself, empty for now."""
        if kind == "object":
            self.objects[number] = new(str(content[0]))
        elif kind == "deque":
            from collections import deque

            self.objects[number] = deque()
        elif kind in ("list", "dict", "set"):
            self.objects[number] = {"list": list, "dict": dict, "set": set}[kind]()
        else:
            return
        self._made[number] = True

    def item(self, item: Any, depth: int = 0) -> Any:  # noqa: ANN401
        if not isinstance(item, dict):
            if isinstance(item, list):
                raise BadGraph("a list is a node")
            return item
        kind, content = _pair(item)
        if kind == "ref":
            return self._object(content, depth)
        if kind == "range":
            return range(*(self.item(part) for part in content))
        return _SCALARS[kind](content)

    def _object(self, number: Any, depth: int) -> Any:  # noqa: ANN401
        if type(number) is not int or not 0 <= number < len(self._nodes):
            raise BadGraph("a reference to nothing")
        if not self._made[number]:
            if depth > _MAX_DEPTH:
                raise BadGraph("nested too deep, or refers to itself")
            kind, content = self._nodes[number]
            make: Any = {"tuple": tuple, "frozenset": frozenset, "iterator": iter}[kind]
            self.objects[number] = make([self.item(part, depth + 1) for part in content])
            self._made[number] = True
        return self.objects[number]

    def fill(self) -> None:
        """Gives every node its content; objects first, whose hash may depend on it."""
        for wanted in ("object", "list", "deque", "tuple", "frozenset", "iterator", "set", "dict"):
            for number, (kind, content) in enumerate(self._nodes):
                if kind == wanted:
                    self._fill(number, kind, content)

    def _fill(self, number: int, kind: str, content: Any) -> None:  # noqa: ANN401
        value = self._object(number, 0)
        if kind == "object":
            attributes = {str(name): self.item(part) for name, part in content[1]}
            state = object.__getattribute__(value, "__dict__")
            state.clear()
            state.update(attributes)
        elif kind == "dict":
            pairs = [(self.item(key), self.item(part)) for key, part in content]
            if not isinstance(value, dict):
                raise BadGraph("another kind than it was")
            value.clear()
            value.update(pairs)
        elif kind in ("list", "deque", "set"):
            parts = [self.item(part) for part in content]
            if type(value).__name__ != kind:
                raise BadGraph("another kind than it was")
            value.clear()
            value.update(parts) if kind == "set" else value.extend(parts)


def _pair(node: Any) -> tuple[str, Any]:  # noqa: ANN401
    ((kind, content),) = node.items()
    return kind, content


def unpack(graph: Any, new: Callable[[str], Any], sent: Sequence[Any] = ()) -> tuple[Any, list[Any]]:  # noqa: ANN401
    """Returns the value of a graph, and the objects of its nodes.

    Args:
        graph: From `pack`, or from somebody who would deceive.
        new: Makes an empty object of a class with this name, or raises `BadGraph`.
        sent: The objects of the graph that this one continues; they are brought to the state that it tells.

    Raises:
        BadGraph: It is not a graph.
    """
    try:
        unpacker = _Unpacker(graph["nodes"], sent, new)
        unpacker.fill()
        return unpacker.item(graph["root"]), unpacker.objects
    except (TypeError, ValueError, LookupError, AttributeError, OverflowError) as error:
        raise BadGraph(f"not a graph: {error}") from error
