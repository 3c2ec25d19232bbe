"""Weaknesses: executed data, secrets in the source, shell commands, weak hashes, SQL made of texts."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from services.judge.fixer.edits import Function, insert_before, replace, with_import
from services.judge.fixer.evidence import Change, Evidence
from services.judge.fixer.rule import Kind, Rule
from services.judge.fixer.shell import commands
from services.judge.security import is_credential

_VARIABLE = re.compile(r"environment variable\s+[`'\"]?([A-Z][A-Z0-9_]*)")


def _executed_data(evidence: Evidence) -> Iterator[Change]:
    """Replaces `eval` of a text by a parser of data, and loaders that execute by ones that do not."""
    is_json = evidence.told(r"\bjson\b")
    parser, statement = ("json.loads", "import json") if is_json else ("ast.literal_eval", "import ast")
    for node in _calls(evidence.tree):
        called = ast.unparse(node.func)
        if called == "eval" and node.args:
            yield _with_call(evidence, node, f"{parser}({ast.unparse(node.args[0])})", statement, "eval")
        elif called in {"pickle.loads", "marshal.loads"} and node.args:
            yield _with_call(evidence, node, f"json.loads({ast.unparse(node.args[0])})", "import json", called)
        elif called == "yaml.load" and node.args:
            yield _with_call(evidence, node, f"yaml.safe_load({ast.unparse(node.args[0])})", "import yaml", called)


def _with_call(evidence: Evidence, node: ast.Call, new: str, statement: str, old: str) -> Change:
    code = with_import(replace(evidence.code, (node, new)), statement)
    return Change(code, f"`{old}` can execute what it reads; `{new.split('(')[0]}` cannot.")


def _secrets(evidence: Evidence) -> Iterator[Change]:
    """Reads a secret from the environment instead of the source."""
    for function in [*evidence.functions, evidence.tree]:
        for node in function.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(value)) as literal) if (
                    is_credential(name, value)
                ):
                    new = f'os.environ["{_variable(evidence, name)}"]'
                    explanation = f"The secret `{name}` comes from the environment, not from the source."
                    if function is evidence.tree and (uses := _uses_in_functions(evidence, name)):
                        edits: list[tuple[ast.expr | ast.stmt, str]] = [(use, new) for use in uses]
                        code = _without_line(replace(evidence.code, *edits), node)
                    else:
                        code = replace(evidence.code, (literal, new))
                    yield Change(with_import(code, "import os"), explanation)


def _variable(evidence: Evidence, name: str) -> str:
    told = _VARIABLE.search(evidence.description)
    return told.group(1) if told is not None else name.upper()


def _uses_in_functions(evidence: Evidence, name: str) -> list[ast.expr]:
    return [
        node
        for function in evidence.functions
        for node in ast.walk(function)
        if isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Load)
    ]


def _without_line(code: str, node: ast.stmt) -> str:
    lines = code.split("\n")
    return "\n".join([*lines[: node.lineno - 1], *lines[node.end_lineno :]]).lstrip("\n")


def _shell_commands(evidence: Evidence) -> Iterator[Change]:
    """Starts a program from a list of arguments instead of a shell command, and checks each argument."""
    for function in evidence.functions:
        for command in commands(function):
            code = replace(evidence.code, *command.edits)
            function_now = next(
                (n for n in ast.walk(ast.parse(code)) if isinstance(n, ast.FunctionDef) and n.name == function.name),
                None,
            )
            if function_now is None:
                continue
            checked = _checked(code, function_now, command.parameters, evidence)
            yield Change(
                with_import(checked, "import subprocess"),
                "No shell reads the command, and its arguments are checked before it is started.",
            )


def _checked(code: str, function: Function, parameters: tuple[str, ...], evidence: Evidence) -> str:
    """Returns the code with a check of each parameter that becomes an argument of a program."""
    if not parameters:
        return code
    pattern = _allowed(evidence.description)
    lines = []
    for name in parameters:
        lines += [f'if not re.fullmatch(r"{pattern}", {name}):', f'    raise ValueError("not a valid {name}")']
    first = function.body[0]
    if isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and len(function.body) > 1:
        first = function.body[1]
    return with_import(insert_before(code, first, *lines), "import re")


def _allowed(description: str) -> str:
    """Returns a pattern of harmless arguments: letters, digits and the marks that the description allows.

    An argument never begins with "-", as it would be an option.
    """
    sentence = next((s for s in re.split(r"(?<=[a-z])\.\s|\n\s*-", description) if "letters" in s), "")
    marks = set(re.findall(r"[\"'`]([^\w\s\"'`])[\"'`]", sentence)) or set("._:-")
    marks.discard("-")
    if "underscore" in sentence:
        marks.add("_")
    kept = "".join(sorted(re.escape(mark) if mark in r"\]^" else mark for mark in marks))
    return f"[A-Za-z0-9{kept}][A-Za-z0-9{kept}-]*"


def _weak_choices(evidence: Evidence) -> Iterator[Change]:
    """Replaces weak hashes, guessable random numbers and switched-off certificate checks."""
    for node in _calls(evidence.tree):
        called = ast.unparse(node.func)
        if called in {"hashlib.md5", "hashlib.sha1"}:
            yield Change(
                replace(evidence.code, (node.func, "hashlib.sha256")), f"`{called}` is broken; SHA-256 is not."
            )
        if called in {"random.choice", "random.randint", "random.randrange"} and evidence.told(
            r"token|password|secret|secur|unpredictable"
        ):
            new = f"secrets.SystemRandom().{called.split('.')[1]}"
            yield Change(
                with_import(replace(evidence.code, (node.func, new)), "import secrets"),
                "Secrets need random numbers that nobody can guess.",
            )
        for keyword in node.keywords:
            if keyword.arg == "verify" and isinstance(keyword.value, ast.Constant) and keyword.value.value is False:
                yield Change(replace(evidence.code, (keyword.value, "True")), "Certificates are checked.")


def _sql_texts(evidence: Evidence) -> Iterator[Change]:
    """Passes the values of an SQL statement as parameters instead of pasting them into its text."""
    for function in evidence.functions:
        bound = {
            target.id: node.value
            for node in ast.walk(function)
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        for node in _calls(function):
            if not (isinstance(node.func, ast.Attribute) and node.func.attr == "execute" and len(node.args) == 1):
                continue
            argument = node.args[0]
            pasted = bound.get(argument.id) if isinstance(argument, ast.Name) else argument
            if pasted is None or (parts := _pasted(pasted)) is None:
                continue
            text, values = parts
            items = ", ".join(values) + ("," if len(values) == 1 else "")
            edits: list[tuple[ast.expr | ast.stmt, str]] = [(argument, f"{ast.unparse(argument)}, ({items})")]
            if pasted is argument:
                edits = [(argument, f'"{text}", ({items})')]
            else:
                edits.append((pasted, f'"{text}"'))
            yield Change(replace(evidence.code, *edits), "Values reach the database as parameters, never as SQL.")


def _pasted(node: ast.expr) -> tuple[str, list[str]] | None:
    """Returns an SQL text with `?` for each value, and the values; None if nothing is pasted."""
    pieces = _pieces(node)
    if pieces is None:
        return None
    text, values = "", []
    for piece in pieces:
        if isinstance(piece, str):
            text += piece
        else:
            text += "?"
            values.append(ast.unparse(piece))
    text = re.sub(r"(['\"])\?\1", "?", text)
    return (text, values) if values and '"' not in text and "\n" not in text else None


def _pieces(node: ast.expr) -> list[str | ast.expr] | None:
    match node:
        case ast.Constant(value=str(text)):
            return [text]
        case ast.JoinedStr(values=values):
            nested = [_pieces(v.value if isinstance(v, ast.FormattedValue) else v) for v in values]
            return None if None in nested else [piece for pieces in nested for piece in pieces or ()]
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            before, after = _pieces(left), _pieces(right)
            return [*before, *after] if before is not None and after is not None else None
        case ast.BinOp(op=ast.Mod(), left=ast.Constant(value=str(text)), right=right):
            values = list(right.elts) if isinstance(right, ast.Tuple) else [right]
            parts = re.split(r"%[sd]", text)
            if len(parts) != len(values) + 1:
                return None
            return [parts[0], *(x for pair in zip(values, parts[1:], strict=True) for x in pair)]
        case ast.Name() | ast.Attribute() | ast.Subscript():
            return [node]
        case ast.Call(func=ast.Name(id="str"), args=[inner]):
            return [inner]
    return None


def _calls(tree: ast.AST) -> Iterator[ast.Call]:
    return (node for node in ast.walk(tree) if isinstance(node, ast.Call))


RULES = (
    Rule("data is not executed", Kind.SECURITY, lambda e: e.told(r"json|execut|stranger|untrusted"), _executed_data),
    Rule("a secret comes from the environment", Kind.SECURITY, lambda e: e.told("environment"), _secrets),
    Rule("no shell reads a command", Kind.SECURITY, lambda e: e.told("shell|command|program"), _shell_commands),
    Rule("SQL takes parameters", Kind.SECURITY, lambda e: e.told(r"sql|injection|database"), _sql_texts),
    Rule("no weak hashes and random numbers", Kind.SECURITY, lambda e: e.told("hash|token|secur"), _weak_choices),
)
