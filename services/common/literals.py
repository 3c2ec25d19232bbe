"""Python literals as text: how an expected value travels from a task to the executor."""

from __future__ import annotations

import ast
import math

MAX_LITERAL_DEPTH = 50
_NAMED_FLOATS = {"nan": math.nan, "inf": math.inf}
_SCALARS = (bool, int, float, complex, str, bytes, type(None))


class LiteralError(ValueError):
    """A text is not a Python literal of the types that cross the sandbox."""


def parse_literal(text: str) -> object:
    """Reads a Python literal: numbers, nan, inf, str, bytes, bool, None, and list, tuple, dict, set of them.

    Raises:
        LiteralError: The text is anything else, or nested deeper than `MAX_LITERAL_DEPTH`.
    """
    try:
        return _value(ast.parse(text.strip(), mode="eval").body, MAX_LITERAL_DEPTH)
    except (SyntaxError, ValueError, TypeError, RecursionError, MemoryError) as error:
        reason = error.msg if isinstance(error, SyntaxError) else str(error)
        raise LiteralError(f"not a Python literal: {reason}") from error


def _value(node: ast.expr, depth: int) -> object:
    if depth == 0:
        raise ValueError(f"nested deeper than {MAX_LITERAL_DEPTH}")
    match node:
        case ast.Constant(value=value) if isinstance(value, _SCALARS):
            return value
        case ast.Name(id=name) if name in _NAMED_FLOATS:
            return _NAMED_FLOATS[name]
        case ast.UnaryOp(op=ast.USub() | ast.UAdd() as sign, operand=operand):
            number = _value(operand, depth - 1)
            if isinstance(number, (int, float)) and not isinstance(number, bool):
                return -number if isinstance(sign, ast.USub) else number
        case ast.Call(func=ast.Name(id="set"), args=[], keywords=[]):
            return set()
        case ast.List(elts=items):
            return [_value(item, depth - 1) for item in items]
        case ast.Tuple(elts=items):
            return tuple(_value(item, depth - 1) for item in items)
        case ast.Set(elts=items):
            return {_value(item, depth - 1) for item in items}
        case ast.Dict(keys=keys, values=values) if None not in keys:
            pairs = zip(keys, values, strict=True)
            return {_value(key, depth - 1): _value(value, depth - 1) for key, value in pairs if key}
    raise ValueError(f"{ast.unparse(node)[:60]!r} is not allowed")
