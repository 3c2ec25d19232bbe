"""Runs bandit's tests on a syntax tree that is there already, and nothing else of bandit.

What bandit prepares for each file is prepared once: its tests keep no state between files. Its visitor prepares a
context for every node, this one for those only that a test looks at. The results are the same.
"""

from __future__ import annotations

import ast
import io
from functools import lru_cache
from typing import Any

from bandit.core.config import BanditConfig
from bandit.core.meta_ast import BanditMetaAst
from bandit.core.metrics import Metrics
from bandit.core.node_visitor import BanditNodeVisitor
from bandit.core.test_set import BanditTestSet
from bandit.core.tester import BanditTester

EXCLUDED_TESTS = frozenset(
    {
        *("B101",),  # assert: no weakness in a function under repair
        *("B403", "B404"),  # importing pickle or subprocess; their dangerous uses have tests of their own
        *("B603", "B607"),  # these fire on each safe use of subprocess
        *("B310",),  # this fires on every urlopen; see `dataflow` for those that an attacker directs
        *("B105", "B106", "B107"),  # these fire on every comparison with a `token`; see `security.credentials`
    }
)
_SCOPES = (ast.FunctionDef, ast.ClassDef)
_FILE = "./fix.py"


def issues(code: str, tree: ast.Module) -> list[Any]:
    """Returns bandit's issues in the order of the program. `# nosec` has no effect.

    Args:
        code: The source.
        tree: Its syntax tree; the nodes get attributes of bandit's.
    """
    visitor = _Visitor(code)
    visitor.scan(tree)
    results: list[Any] = visitor.tester.results
    return results


@lru_cache(maxsize=1)
def _tests() -> Any:  # noqa: ANN401  bandit is not typed
    return BanditTestSet(BanditConfig(), {"exclude": EXCLUDED_TESTS})


class _Tester(BanditTester):  # type: ignore[misc]  # bandit is not typed
    def _get_nosecs_from_contexts(self, context: object, test_result: object = None) -> None:
        del context, test_result


class _Visitor(BanditNodeVisitor):  # type: ignore[misc]  # bandit is not typed
    def __init__(self, code: str) -> None:
        tests = _tests()
        super().__init__(_FILE, io.BytesIO(code.encode()), BanditMetaAst(), tests, False, {}, Metrics())
        self.tester = _Tester(tests, False, {}, self.metrics)
        names = {name for name in dir(type(self)) if name.startswith("visit_")}
        self._visited = {name.removeprefix("visit_") for name in names} | set(tests.tests)

    def scan(self, tree: ast.Module) -> None:
        """Visits a tree as `process` does."""
        self.generic_visit(tree)
        self.context = {"file_data": self.fdata, "filename": _FILE, "lineno": 0, "linerange": [0, 1], "col_offset": 0}
        self.update_scores(self.tester.run_tests(self.context, "File"))

    def generic_visit(self, node: ast.AST) -> None:
        """Visits what is below a node, in order."""
        for field in node._fields:
            value = getattr(node, field, None)
            if isinstance(value, list):
                last = len(value) - 1
                for number, item in enumerate(value):
                    if isinstance(item, ast.AST):
                        self._below(node, item, value[number + 1] if number < last else None)
            elif isinstance(value, ast.AST):
                self._below(node, value, None)

    def _below(self, parent: ast.AST, node: Any, sibling: object) -> None:  # noqa: ANN401  any node
        if isinstance(node, ast.expr_context):
            return
        node._bandit_parent, node._bandit_sibling = parent, sibling
        if type(node).__name__ in self._visited:
            self.context = self._context(node)
            self.visit(node)
        self.generic_visit(node)
        if isinstance(node, _SCOPES):
            self.post_visit(node)

    def _context(self, node: ast.AST) -> dict[str, object]:
        found = {
            "imports": self.imports,
            "import_aliases": self.import_aliases,
            "node": node,
            "linerange": [],
            "filename": _FILE,
            "file_data": self.fdata,
        }
        for place in ("lineno", "col_offset", "end_col_offset"):
            if hasattr(node, place):
                found[place] = getattr(node, place)
        return found

    def update_scores(self, scores: object) -> None:
        """Does nothing: only the issues are asked for."""
