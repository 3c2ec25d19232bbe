"""docs/security.md against the code: each test that it names exists, and what it says of scopes is true."""

from __future__ import annotations

import ast
import re

import pytest

from services.common.scopes import RULES, Scope
from tests.ops.manifests import ROOT

PAGE = (ROOT / "docs/security.md").read_text()
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))
BOUNDARIES = [line for line in PAGE.splitlines() if line.startswith("| ") and "tests/" in line]


def test_every_boundary_names_a_test():
    threats = PAGE[PAGE.index("## Who is not") : PAGE.index("## What is not covered")]
    rows = [line for line in threats.splitlines() if line.startswith("| ")]
    headings = [line for line in rows if line.startswith(("| boundary", "| ---"))]
    assert len(rows) - len(headings) == len(BOUNDARIES) >= 25


@pytest.mark.parametrize(("file", "name"), NAMED)
def test_the_test_exists(file, name):
    tree = ast.parse((ROOT / file).read_text())
    names = [node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert names.count(name) == 1


def test_the_scopes_are_those_of_the_table():
    for scope in Scope:
        (row,) = re.findall(rf"^\| `{scope.value}` \| (.*) \|$", PAGE, re.MULTILINE)
        wanted = {method.rpartition("/")[2] for method, rule in RULES.items() if rule.scope is scope}
        if scope is not Scope.SERVICE:
            assert set(re.findall(r"`([A-Z]\w+)`", row)) == wanted
