"""How secure a program looks: bandit's findings, flows into sinks, weak secrets, as one number.

    security = product over lines of (1 - severity * confidence), of the worst finding on each line

with severity HIGH 0.7, MEDIUM 0.45, LOW 0.1 and confidence HIGH 1, MEDIUM 0.75, LOW 0.4. Severities and
confidences of bandit are its own (https://bandit.readthedocs.io). `# nosec` comments have no effect. A flow (see
`dataflow`) is of HIGH severity; it is of HIGH confidence where the task's own code has a sink of that kind, or where no
such code is known, and of MEDIUM confidence otherwise.
"""

from __future__ import annotations

import ast
import math
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from services.judge.bandit_scan import issues
from services.judge.dataflow import flows
from services.judge.sinks import TEXTS, Kind, dotted

Level = Literal["LOW", "MEDIUM", "HIGH"]

SEVERITY: dict[str, float] = {"LOW": 0.1, "MEDIUM": 0.45, "HIGH": 0.7}
CONFIDENCE: dict[str, float] = {"LOW": 0.4, "MEDIUM": 0.75, "HIGH": 1.0}

_SURE_NAME = re.compile(
    r"passw(or)?d|passphrase|pwd|secret(_?key)?$|api_?key|access_?key|private_?key|auth_?token|credential", re.I
)
_MAYBE_NAME = re.compile(r"token|key$", re.I)
_KNOWN_VALUE = re.compile(r"(sk|pk|rk)[-_][A-Za-z0-9_-]{12,}|gh[pousr]_\w{20,}|AKIA[A-Z0-9]{12,}|xox[abprs]-\S{8,}")
_SECRET_MAKER = re.compile(r"token|secret|passw|salt|nonce|otp|one_time|session|api_?key|code$|csrf", re.I)
_SIGNATURE = re.compile(r"signature|hmac|digest|\bmac\b|expected|tag$", re.I)
_WEAK_DRAWS = frozenset(
    f"random.{name}"
    for name in ("choice", "choices", "randint", "random", "randrange", "sample", "getrandbits", "randbytes")
)
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


def find(code: str, tree: ast.Module, nodes: Sequence[ast.AST], sinks: frozenset[Kind] = frozenset()) -> list[Finding]:
    """Returns the weaknesses of a program, one for each line, the worst first, in a fixed order.

    Args:
        code: The source.
        tree: Its syntax tree.
        nodes: All nodes of that.
        sinks: Those of the task's own code; none where that is not known.
    """
    findings = [*_bandit(code, tree), *credentials(nodes), *_flows(tree, nodes, sinks)]
    findings += [*_weak_secrets(nodes), *_hidden_code(nodes), *_open_comparisons(nodes)]
    findings.sort(key=lambda finding: (-finding.penalty, finding.line, finding.test_id))
    worst: dict[int, Finding] = {}
    for finding in findings:
        worst.setdefault(finding.line, finding)
    return list(worst.values())


def score(findings: Sequence[Finding]) -> float:
    """Returns the security score, in [0, 1]; see the module for the formula."""
    return math.prod((1.0 - finding.penalty for finding in findings), start=1.0)


def credentials(nodes: Iterable[ast.AST]) -> Iterator[Finding]:
    """Yields string literals that are bound to a name of a credential, or look like a well-known kind."""
    for node in nodes:
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


def _flows(tree: ast.Module, nodes: Sequence[ast.AST], sinks: frozenset[Kind]) -> Iterator[Finding]:
    for flow in flows(tree, nodes):
        confidence: Level = "HIGH" if not sinks or flow.kind in sinks else "MEDIUM"
        yield Finding(flow.line, f"flow-{flow.kind}", "HIGH", confidence, TEXTS[flow.kind])


def _weak_secrets(nodes: Iterable[ast.AST]) -> Iterator[Finding]:
    """Yields draws of `random` in a function, or for a variable, whose name says that it is a secret."""
    for node in nodes:
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            names, body = [node.name], ast.walk(node)
        elif isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names, body = [_name(target) for target in targets], ast.walk(node.value)
        else:
            continue
        if not any(map(_SECRET_MAKER.search, names)):
            continue
        for inner in body:
            if isinstance(inner, ast.Call) and dotted(inner.func) in _WEAK_DRAWS:
                yield Finding(
                    inner.lineno, "weak-random", "HIGH", "HIGH", "random, which can be foretold, draws a secret"
                )


def _hidden_code(nodes: Sequence[ast.AST]) -> Iterator[Finding]:
    """Yields ways to `eval` and its like that do not look like a call of them."""
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    for node in nodes:
        match node:
            case ast.Name(id="eval" | "exec", ctx=ast.Load()) if id(node) not in called:
                yield Finding(node.lineno, "hidden-code", "HIGH", "HIGH", "eval or exec goes by another name")
            case ast.Name(id="__builtins__" | "__import__"):
                yield Finding(node.lineno, "hidden-code", "HIGH", "MEDIUM", "builtins are reached by a back way")
            case ast.Call(func=ast.Call(func=ast.Name(id="getattr"), args=[_, name, *_])):
                if not isinstance(name, ast.Constant):
                    yield Finding(node.lineno, "hidden-code", "MEDIUM", "MEDIUM", "what is called is computed")


def _open_comparisons(nodes: Iterable[ast.AST]) -> Iterator[Finding]:
    """Yields comparisons of a signature that take as long as it is right."""
    for node in nodes:
        match node:
            case ast.Compare(left=left, ops=[ast.Eq() | ast.NotEq()], comparators=[right]):
                sides = [dotted(side.func if isinstance(side, ast.Call) else side) for side in (left, right)]
                has_digest = any(side.endswith(("hexdigest", "digest")) for side in sides)
                if has_digest or all(map(_SIGNATURE.search, sides)):
                    yield Finding(
                        node.lineno, "open-comparison", "MEDIUM", "HIGH", "== takes as long as a secret is right"
                    )


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


def _bandit(code: str, tree: ast.Module) -> Iterator[Finding]:
    for issue in issues(code, tree):
        yield Finding(issue.lineno, issue.test_id, issue.severity, issue.confidence, _clause(issue.text))


def _clause(text: str) -> str:
    """Returns the first sentence of bandit's text on one line, without its full stop."""
    return re.split(r"\.\s|\n", " ".join(text.split()))[0].rstrip(".")[:160]
