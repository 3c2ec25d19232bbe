"""Guards for inputs that the code does not expect: nothing, zero, None."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from services.judge.fixer.edits import Function, first_statement, insert_before, replace, replace_statement
from services.judge.fixer.evidence import Change, Evidence
from services.judge.fixer.rule import Kind, Rule

_EMPTY = ("[]", "()", "''", "{}", "set()", '""')
_VALUE = r"(-?\d+(?:\.\d+)?|None|True|False|\[\]|\{\}|\(\)|\"\"|''|raises?\s+\w+|\w+Error)"
_EMPTY_TOLD = (
    re.compile(rf"empty[^.;]*?(?:returns?|gives?|is|yields?|answers?|:|->)\s+(?:it returns\s+)?`*{_VALUE}", re.I),
    re.compile(rf"(?:returns?|gives?|is|yields?)\s+`*{_VALUE}`*\s+(?:for|if|when|on)[^.;]*?empty", re.I),
    re.compile(r"(?:\w+Error)\s+is raised (?:for|if|when)[^.;]*?empty", re.I),
)
_NONE_SKIPPED = re.compile(r"None[^.;]*?(?:left out|skipped|ignored|not counted|does not count|omitted)", re.I)


def _empty_division(evidence: Evidence) -> Iterator[Change]:
    """Guards `… / len(x)` where x is a parameter."""
    for function in evidence.functions:
        for node in ast.walk(function):
            if not (isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Div, ast.FloorDiv, ast.Mod))):
                continue
            name = _length_of(node.right, function)
            if name is not None and not _is_guarded(function, name):
                default = "0.0" if isinstance(node.op, ast.Div) else "0"
                result = _empty_result(evidence, function, name) or default
                yield _guarded(evidence, function, f"if not {name}:", result, f"`{name}` may be empty")


def _empty_access(evidence: Evidence) -> Iterator[Change]:
    """Guards `x[0]`, `x[-1]`, `max(x)` and `min(x)` where x is a parameter."""
    for function in evidence.functions:
        for name in dict.fromkeys(_first_elements(function)):
            result = _empty_result(evidence, function, name)
            if result is None and "IndexError" not in evidence.exceptions and not evidence.logged("empty"):
                continue
            if not _is_guarded(function, name):
                yield _guarded(evidence, function, f"if not {name}:", result or "None", f"`{name}` may be empty")


def _first_elements(function: Function) -> Iterator[str]:
    parameters = _parameters(function)
    for node in ast.walk(function):
        match node:
            case ast.Subscript(value=ast.Name(id=name), slice=ast.Constant(value=0)) if name in parameters:
                yield name
            case ast.Subscript(
                value=ast.Name(id=name), slice=ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=1))
            ) if name in parameters:
                yield name
            case ast.Call(func=ast.Name(id="max" | "min"), args=[ast.Name(id=name)], keywords=[]) if name in parameters:
                yield name


def _zero_division(evidence: Evidence) -> Iterator[Change]:
    """Guards a division by a parameter or variable where a test shows what is expected."""
    expected = next((f.expected for f in evidence.failures if f.got.startswith("ZeroDivisionError")), None)
    if expected is None:
        return
    for function in evidence.functions:
        for node in ast.walk(function):
            match node:
                case ast.BinOp(op=ast.Div() | ast.FloorDiv() | ast.Mod(), right=ast.Name(id=name)):
                    statement = _statement_of(function, node)
                    lines = [f"if {name} == 0:", f"    {_answer(expected)}"]
                    code = insert_before(evidence.code, statement, *lines)
                    yield Change(code, f"`{name}` may be 0, and nothing can be divided by it.")


def _none_in_loop(evidence: Evidence) -> Iterator[Change]:
    """Leaves None out of what a loop adds up, and out of sum(), min() and max()."""
    for node in ast.walk(evidence.tree):
        match node:
            case ast.For(target=ast.Name(id=name), body=[*_, ast.AugAssign() as last] as body) if _uses(
                last.value, name
            ) and not _mentions_none(node):
                text = ast.unparse(last)
                lines = [f"if {name} is not None:", f"    {text}"]
                yield Change(
                    replace_statement(evidence.code, body[-1], *lines),
                    f"`{name}` may be None, which cannot be added.",
                )
            case ast.Call(func=ast.Name(id="sum" | "min" | "max"), args=[ast.Name(id=name), *_]):
                new = f"(value for value in {name} if value is not None)"
                if len(node.args) == 1 and not node.keywords:
                    new = new[1:-1]
                yield Change(replace(evidence.code, (node.args[0], new)), f"`{name}` may hold None, which is left out.")


def _none_parameter(evidence: Evidence) -> Iterator[Change]:
    """Guards a parameter for which a failing test gives None."""
    for function in evidence.functions:
        for name in _parameters(function):
            expected = evidence.result_for_argument(function, name, ("None",))
            if expected is not None:
                yield _guarded(evidence, function, f"if {name} is None:", expected, f"`{name}` may be None")


def _guarded(evidence: Evidence, function: Function, condition: str, result: str, why: str) -> Change:
    code = insert_before(evidence.code, first_statement(function), condition, f"    {_answer(result)}")
    return Change(code, f"{why}; the function then ends at once.")


def _answer(result: str) -> str:
    """Returns the statement for an expected result, given as a literal, "raises X" or "XError"."""
    raised = re.fullmatch(r"(?:raises?\s+)?(\w*(?:Error|Exception))", result)
    if raised is not None:
        return f'raise {raised.group(1)}("invalid input")'
    return f"return {result}"


def _empty_result(evidence: Evidence, function: Function, name: str) -> str | None:
    """Returns what the function should give for an empty argument, by a failed test or the description."""
    shown = evidence.result_for_argument(function, name, _EMPTY)
    if shown is not None:
        return shown
    for pattern in _EMPTY_TOLD:
        told = pattern.search(evidence.description)
        if told is not None:
            return told.group(1) if told.groups() else told.group(0).split()[0]
    return None


def _length_of(node: ast.expr, function: Function) -> str | None:
    """Returns the parameter whose length a divisor is, directly or through a variable."""
    match node:
        case ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=name)]) if name in _parameters(function):
            return name
        case ast.Name(id=variable):
            for statement in ast.walk(function):
                match statement:
                    case ast.Assign(targets=[ast.Name(id=bound)], value=ast.Call() as call) if bound == variable:
                        return _length_of(call, function)
    return None


def _is_guarded(function: Function, name: str) -> bool:
    """Returns whether a condition of the function asks for the parameter or its length already."""
    tests = [n.test for n in ast.walk(function) if isinstance(n, (ast.If, ast.IfExp))]
    for test in tests:
        match test:
            case ast.UnaryOp(op=ast.Not(), operand=ast.Name(id=asked)) | ast.Name(id=asked) if asked == name:
                return True
            case ast.Compare(left=ast.Call(func=ast.Name(id="len"), args=[ast.Name(id=asked)])) if asked == name:
                return True
    return False


def _parameters(function: Function) -> list[str]:
    arguments = function.args
    return [a.arg for a in (*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs) if a.arg != "self"]


def _statement_of(function: Function, wanted: ast.AST) -> ast.stmt:
    """Returns the innermost statement around a node."""
    found: ast.stmt = function
    for node in ast.walk(function):
        if isinstance(node, ast.stmt) and any(child is wanted for child in ast.walk(node)):
            found = node
    return found


def _uses(node: ast.AST, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _mentions_none(node: ast.AST) -> bool:
    return any(isinstance(n, ast.Constant) and n.value is None for n in ast.walk(node))


RULES = (
    Rule(
        "a division by the length of an empty argument is guarded",
        Kind.CORRECTNESS,
        lambda evidence: evidence.told(r"ZeroDivisionError|\bempty\b"),
        _empty_division,
    ),
    Rule(
        "a division by zero is guarded",
        Kind.CORRECTNESS,
        lambda evidence: "ZeroDivisionError" in evidence.exceptions,
        _zero_division,
        needs_signal=True,
    ),
    Rule(
        "the first element of an empty argument is guarded",
        Kind.CORRECTNESS,
        lambda evidence: evidence.logged(r"IndexError|empty sequence|is empty|iterable argument is empty"),
        _empty_access,
        needs_signal=True,
    ),
    Rule(
        "None is left out of a sum",
        Kind.CORRECTNESS,
        lambda evidence: "NoneType" in evidence.error_log or _NONE_SKIPPED.search(evidence.description) is not None,
        _none_in_loop,
        needs_signal=True,
    ),
    Rule(
        "a None argument is guarded",
        Kind.CORRECTNESS,
        lambda evidence: evidence.logged(r"NoneType|\bNone\b"),
        _none_parameter,
        needs_signal=True,
    ),
)
