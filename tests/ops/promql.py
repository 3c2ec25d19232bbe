"""What PromQL expressions are made of."""

from __future__ import annotations

import re
from collections.abc import Iterator

import promql_parser


def selectors(expr: str) -> list[str]:
    """Every selector of series in an expression, without its range."""
    found: list[str] = []

    def visit(node: promql_parser.Expr) -> None:
        if isinstance(node, promql_parser.VectorSelector):
            found.append(node.prettify())

    promql_parser.walk(promql_parser.parse(expr), visit)
    return found


def names(expr: str) -> Iterator[str]:
    """Yields the name of every metric in an expression."""
    for selector in selectors(expr):
        match = re.match(r"[\w:]+", selector)
        assert match is not None, selector
        yield match.group()
