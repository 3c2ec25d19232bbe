"""Parsing of hostile source, with every way in which it can fail made one."""

from __future__ import annotations

import ast
import warnings

MAX_NODES = 50_000


class Unreadable(Exception):
    """The source cannot be analysed.

    Args:
        reason: Why, as a clause without its full stop, e.g. "line 3: expected ':'".
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


def parse(code: str) -> ast.Module:
    """Returns the syntax tree of a program. Raises what `parse_nodes` does."""
    return parse_nodes(code)[0]


def parse_nodes(code: str) -> tuple[ast.Module, list[ast.AST]]:
    """Returns the syntax tree of a program, and all its nodes in the order of `ast.walk`.

    Raises:
        Unreadable: It has a syntax error, is nested too deeply, or has more than `MAX_NODES` nodes.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(code)
    except SyntaxError as error:
        raise Unreadable(f"line {error.lineno or 1}: {error.msg}") from error
    except ValueError as error:
        raise Unreadable(str(error)) from error
    except (RecursionError, MemoryError) as error:
        raise Unreadable("it is nested too deeply") from error
    nodes = _nodes(tree)
    if len(nodes) > MAX_NODES:
        raise Unreadable(f"it has more than {MAX_NODES} syntax nodes")
    return tree, nodes


def _nodes(tree: ast.Module) -> list[ast.AST]:
    """Returns what `ast.walk` yields, in a third of the time."""
    nodes: list[ast.AST] = [tree]
    for node in nodes:
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, ast.AST):
                nodes.append(value)
            elif isinstance(value, list):
                nodes.extend(item for item in value if isinstance(item, ast.AST))
    return nodes


def normal_form(code: str) -> str:
    """Returns what is equal for programs that differ in form alone."""
    try:
        return ast.dump(parse(code))
    except (Unreadable, RecursionError):
        return "\n".join(line.rstrip() for line in code.strip().splitlines())
