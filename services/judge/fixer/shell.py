"""Shell commands in a function, and the same as lists of arguments."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass

from services.judge.fixer.edits import Function

_RUNNERS = {f"subprocess.{name}" for name in ("run", "call", "check_call", "check_output", "Popen")}
_MARK = "\ue000"
_SHELL_SYNTAX = re.compile(r"[;&|<>$`*?(){}\n]")


@dataclass(frozen=True)
class Command:
    """A shell command that can do without a shell.

    Attributes:
        edits: Nodes of the function and what replaces them.
        parameters: The function's parameters that become arguments of the program.
    """

    edits: tuple[tuple[ast.expr | ast.stmt, str], ...]
    parameters: tuple[str, ...]


def commands(function: Function) -> Iterator[Command]:
    """Yields the commands that a function gives to a shell."""
    bound = {
        target.id: node
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for node in ast.walk(function):
        if not (isinstance(node, ast.Call) and node.args):
            continue
        called = ast.unparse(node.func)
        if called in _RUNNERS and _has_shell(node):
            options = [k for k in node.keywords if k.arg != "shell"]
            start, end = f"{called}(", "".join(f", {ast.unparse(k)}" for k in options) + ")"
        elif called == "os.system":
            start, end = "subprocess.run(", ").returncode"
        else:
            continue
        argument = node.args[0]
        assignment = bound.get(argument.id) if isinstance(argument, ast.Name) else None
        argv = arguments(assignment.value if assignment is not None else argument)
        if argv is None:
            continue
        parameters = _parameters(function, assignment.value if assignment is not None else argument)
        if assignment is None:
            yield Command(((node, f"{start}{argv}{end}"),), parameters)
        else:
            name = ast.unparse(argument)
            yield Command(((assignment.value, argv), (node, f"{start}{name}{end}")), parameters)


def arguments(command: ast.expr) -> str | None:
    """Returns a shell command as the source of a list of arguments; None if it needs a shell."""
    values: list[ast.expr] = []
    text = _template(command, values)
    if text is None or _SHELL_SYNTAX.search(text):
        return None
    try:
        words = shlex.split(text)
    except ValueError:
        return None
    remaining = iter(values)
    return "[" + ", ".join(_word(word, remaining) for word in words) + "]"


def _template(node: ast.expr, values: list[ast.expr]) -> str | None:
    """Returns the command's text with a mark for each value, which are added to `values` in order."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.BinOp(op=ast.Add(), left=left, right=right):
            parts = [_template(left, values), _template(right, values)]
            return None if None in parts else "".join(filter(None, parts))
        case ast.JoinedStr(values=pieces):
            parts = [_template(p.value if isinstance(p, ast.FormattedValue) else p, values) for p in pieces]
            return None if None in parts else "".join(filter(None, parts))
        case ast.BinOp(op=ast.Mod(), left=ast.Constant(value=str(text)), right=right):
            given = right.elts if isinstance(right, ast.Tuple) else [right]
            values.extend(given)
            return re.sub(r"%[sd]", _MARK, text) if len(re.findall(r"%[sd]", text)) == len(given) else None
        case ast.Call(func=ast.Attribute(value=ast.Constant(value=str(text)), attr="format"), keywords=[]):
            values.extend(node.args)
            return text.replace("{}", _MARK) if text.count("{}") == len(node.args) else None
        case ast.Call(func=ast.Name(id="str"), args=[inner]):
            values.append(node if not isinstance(inner, ast.Constant) else inner)
            return _MARK
        case ast.Name() | ast.Attribute() | ast.Subscript() | ast.Call():
            values.append(node)
            return _MARK
    return None


def _word(word: str, values: Iterator[ast.expr]) -> str:
    """Returns the source of one argument; marks in it take the next values."""
    if word == _MARK:
        return ast.unparse(next(values))
    pieces = re.split(f"({_MARK})", word)
    if len(pieces) == 1:
        return '"' + word + '"' if word.isprintable() and not set('"\\') & set(word) else repr(word)
    return " + ".join(ast.unparse(next(values)) if piece == _MARK else repr(piece) for piece in pieces if piece)


def _has_shell(node: ast.Call) -> bool:
    return any(
        keyword.arg == "shell" and isinstance(keyword.value, ast.Constant) and keyword.value.value is True
        for keyword in node.keywords
    )


def _parameters(function: Function, command: ast.expr) -> tuple[str, ...]:
    own = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)]
    used = {node.id for node in ast.walk(command) if isinstance(node, ast.Name)}
    return tuple(name for name in own if name in used)
