"""How secure a program looks: bandit's findings and hard-coded credentials, as one number.

    security = product over findings of (1 - severity * confidence)

with severity HIGH 0.7, MEDIUM 0.45, LOW 0.1 and confidence HIGH 1, MEDIUM 0.75, LOW 0.4. Severities and
confidences are bandit's own (https://bandit.readthedocs.io). `# nosec` comments have no effect.
"""

from __future__ import annotations

import ast
import io
import math
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bandit.core.config import BanditConfig
from bandit.core.meta_ast import BanditMetaAst
from bandit.core.metrics import Metrics
from bandit.core.node_visitor import BanditNodeVisitor
from bandit.core.test_set import BanditTestSet

Level = Literal["LOW", "MEDIUM", "HIGH"]

SEVERITY: dict[str, float] = {"LOW": 0.1, "MEDIUM": 0.45, "HIGH": 0.7}
CONFIDENCE: dict[str, float] = {"LOW": 0.4, "MEDIUM": 0.75, "HIGH": 1.0}

EXCLUDED_TESTS = frozenset(
    {
        *("B101",),  # assert: no weakness in a function under repair
        *("B403", "B404"),  # importing pickle or subprocess; their dangerous uses have tests of their own
        *("B603", "B607"),  # these fire on each safe use of subprocess
        *("B105", "B106", "B107"),  # these fire on every comparison with a `token`; see `credentials`
    }
)

_SURE_NAME = re.compile(
    r"passw(or)?d|passphrase|pwd|secret(_?key)?$|api_?key|access_?key|private_?key|auth_?token|credential", re.I
)
_MAYBE_NAME = re.compile(r"token|key$", re.I)
_KNOWN_VALUE = re.compile(r"(sk|pk|rk)[-_][A-Za-z0-9_-]{12,}|gh[pousr]_\w{20,}|AKIA[A-Z0-9]{12,}|xox[abprs]-\S{8,}")
_PLACEHOLDER = re.compile(r"[<{%*$].*|x+|\.+|none|null|true|false|your[-_ ].*|change[-_ ]?me.*", re.I)


@dataclass(frozen=True)
class Finding:
    """One weakness.

    Attributes:
        line: Where, from 1.
        test_id: bandit's id, or "credential".
        severity: How bad it is.
        confidence: How sure the finder is.
        text: What it is, as a clause.
    """

    line: int
    test_id: str
    severity: Level
    confidence: Level
    text: str

    @property
    def penalty(self) -> float:
        """Share of the score that it costs, in [0, 1]."""
        return SEVERITY[self.severity] * CONFIDENCE[self.confidence]


def find(code: str, tree: ast.Module) -> list[Finding]:
    """Returns the weaknesses of a program, the worst first, in a fixed order.

    Args:
        code: The source.
        tree: Its syntax tree.
    """
    findings = [*_bandit(code), *credentials(tree)]
    return sorted(findings, key=lambda finding: (-finding.penalty, finding.line, finding.test_id))


def score(findings: Sequence[Finding]) -> float:
    """Returns the security score, in [0, 1]; see the module for the formula."""
    return math.prod((1.0 - finding.penalty for finding in findings), start=1.0)


def credentials(tree: ast.Module) -> Iterator[Finding]:
    """Yields string literals that are bound to a name of a credential, or look like a well-known kind."""
    for node in ast.walk(tree):
        for name, value in _bindings(node):
            if isinstance(value, ast.Constant) and isinstance(value.value, str) and is_credential(name, value.value):
                yield Finding(value.lineno, "credential", "HIGH", "MEDIUM", "a hard-coded credential")


def is_credential(name: str, value: str) -> bool:
    """Returns whether a literal bound to a name is a hard-coded secret.

    Args:
        name: A variable, parameter, attribute or dictionary key.
        value: The literal.
    """
    if _KNOWN_VALUE.fullmatch(value):
        return True
    if len(value) < 4 or re.search(r"\s", value) or _PLACEHOLDER.fullmatch(value):
        return False
    if _SURE_NAME.search(name):
        return re.search(r"[A-Za-z0-9]", value) is not None and value.lower() != name.lower()
    return _MAYBE_NAME.search(name) is not None and len(value) >= 8 and re.search(r"\d", value) is not None


def _bindings(node: ast.AST) -> Iterator[tuple[str, ast.expr]]:
    match node:
        case ast.Assign(targets=targets, value=value):
            yield from ((_name(target), value) for target in targets)
        case ast.AnnAssign(target=target, value=ast.expr() as value):
            yield _name(target), value
        case ast.keyword(arg=str(name), value=value):
            yield name, value
        case ast.Dict(keys=keys, values=values):
            for key, value in zip(keys, values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, value
        case ast.arguments():
            yield from _defaults(node)
        case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
            yield _name(left), right


def _defaults(arguments: ast.arguments) -> Iterator[tuple[str, ast.expr]]:
    positional = [*arguments.posonlyargs, *arguments.args]
    if arguments.defaults:
        for argument, value in zip(positional[-len(arguments.defaults) :], arguments.defaults, strict=True):
            yield argument.arg, value
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            yield argument.arg, default


def _name(target: ast.expr) -> str:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case ast.Subscript(slice=ast.Constant(value=str(key))):
            return key
        case _:
            return ""


def _bandit(code: str) -> Iterator[Finding]:
    tests = BanditTestSet(BanditConfig(), {"exclude": EXCLUDED_TESTS})
    visitor = BanditNodeVisitor("./fix.py", io.BytesIO(code.encode()), BanditMetaAst(), tests, False, {}, Metrics())
    visitor.process(code)  # text, not bytes, whose encoding cookie it would obey
    for issue in visitor.tester.results:
        yield Finding(issue.lineno, issue.test_id, issue.severity, issue.confidence, _clause(issue.text))


def _clause(text: str) -> str:
    """Returns the first sentence of bandit's text on one line, without its full stop."""
    return re.split(r"\.\s|\n", " ".join(text.split()))[0].rstrip(".")[:160]
