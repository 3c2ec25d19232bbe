"""The tests in tests that are code, found without running it.

This file is all that it needs, for it is also sent into sandboxes as a module of its own.
"""

from __future__ import annotations

import ast
from dataclasses import dataclass

MAX_POINTS = 2000


@dataclass(frozen=True)
class Point:
    """One test.

    Attributes:
        name: "assert 3", "test_empty" or "TestQueue.test_empty".
        text: An assert statement on one line, or the name.
        node: The statement; of functions the function.
    """

    name: str
    text: str
    node: ast.AST


def asserts(tree: ast.Module) -> list[Point]:
    """Returns the assert statements of a script in the order of their lines, but for those of a constant."""
    found = [
        node for node in ast.walk(tree) if isinstance(node, ast.Assert) and not isinstance(node.test, ast.Constant)
    ]
    found.sort(key=lambda node: (node.lineno, node.col_offset))
    return [Point(f"assert {number}", ast.unparse(node), node) for number, node in enumerate(found, 1)]


def functions(tree: ast.Module) -> list[Point]:
    """Returns the test functions, and the test methods of classes whose name or base tells that they hold tests."""
    points = []
    for node in tree.body:
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test"):
            points.append(Point(node.name, node.name, node))
        elif isinstance(node, ast.ClassDef) and _holds_tests(node):
            for part in node.body:
                if isinstance(part, ast.FunctionDef) and part.name.startswith("test"):
                    name = f"{node.name}.{part.name}"
                    points.append(Point(name, name, part))
    return points


def _holds_tests(node: ast.ClassDef) -> bool:
    bases = [ast.unparse(base) for base in node.bases]
    return any(base.split(".")[-1].endswith("TestCase") for base in bases) or (
        not bases and node.name.startswith("Test")
    )


def find(source: str, *, are_functions: bool) -> list[Point]:
    """Returns the tests of a source.

    Args:
        source: Python source.
        are_functions: Whether one test is a function, and not an assert statement.

    Raises:
        ValueError: It does not compile, or has more than `MAX_POINTS` tests.
    """
    try:
        tree = ast.parse(source)
    except (SyntaxError, RecursionError, MemoryError) as error:
        raise ValueError(f"does not compile: {error}") from error
    points = functions(tree) if are_functions else asserts(tree)
    if len(points) > MAX_POINTS:
        raise ValueError(f"has more than {MAX_POINTS} tests")
    return points
