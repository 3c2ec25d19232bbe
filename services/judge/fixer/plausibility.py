"""How little a program that compiles looks like one that somebody meant: to choose among repairs of its syntax."""

from __future__ import annotations

import ast
import builtins
import itertools
import symtable
from collections.abc import Iterator

from services.judge.fixer.syntax_brackets import TOKEN
from services.judge.source import Unreadable, parse

_BUILTINS = frozenset(dir(builtins))
_TYPES = (list, dict, set, str, bytes)
_METHODS = frozenset(name for kind in _TYPES for name in dir(kind) if not name.startswith("_")) | {"popleft"}
_WITHOUT_ARGUMENTS = frozenset(
    {"items", "keys", "values", "isalpha", "isdigit", "isalnum", "isupper", "islower", "upper", "lower", "capitalize"}
    | {"popleft", "title", "clear", "reverse", "isspace"}
)
_WITH_ONE = frozenset({"append", "extend", "join", "appendleft", "heapify", "len", "ord", "chr", "set"})
_UNREADABLE = 100


def implausibility(code: str) -> int:
    """Returns a number that is 0 for ordinary programs and grows with what is hardly meant."""
    try:
        tree, table = parse(code), symtable.symtable(code, "fix.py", "exec")
        return sum(_doubts(tree)) + sum(_doubts_of_names(table)) + _touching_texts(code)
    except (Unreadable, RecursionError, SyntaxError, ValueError, MemoryError):
        return _UNREADABLE


def _doubts_of_names(module: symtable.SymbolTable) -> Iterator[int]:
    """Names that nothing binds, and functions in functions that nothing uses."""
    known = _BUILTINS | {"__name__", "__file__", "__doc__"}
    known |= {symbol.get_name() for symbol in module.get_symbols() if symbol.is_assigned() or symbol.is_imported()}
    known |= {symbol.get_name() for symbol in module.get_symbols() if symbol.is_namespace()}
    tables = [module]
    while tables:
        table = tables.pop()
        tables += table.get_children()
        for symbol in table.get_symbols():
            if symbol.is_global() and symbol.is_referenced() and symbol.get_name() not in known:
                yield 3
            elif table.get_type() == "function" and symbol.is_namespace() and not symbol.is_referenced():
                yield 2


def _touching_texts(code: str) -> int:
    tokens = list(TOKEN.finditer(code))
    return 2 * sum(
        one.end() == two.start() and one.group()[0] in "\"'" and two.group()[0] in "\"'"
        for one, two in itertools.pairwise(tokens)
    )


def _doubts(tree: ast.Module) -> Iterator[int]:
    called = {id(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)}
    called |= {id(value) for node in ast.walk(tree) if isinstance(node, ast.Call) for value in _arguments(node)}
    own = {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(attr=name, value=ast.Constant(value=str())) if not hasattr(str, name):
                yield 3
            case ast.Attribute(attr=name, ctx=ast.Load()) if id(node) not in called and name in _METHODS - own:
                yield 3
            case ast.Expr(value=ast.Name() | ast.Attribute() | ast.Compare() | ast.BinOp() | ast.Tuple() | ast.List()):
                yield 3
            case ast.If(test=ast.Tuple()) | ast.While(test=ast.Tuple()):
                yield 3
            case ast.Compare(comparators=[*_, ast.Compare()]):
                yield 1
            case ast.Expr(value=ast.Constant(value=str()) | ast.JoinedStr()):
                yield 1  # a docstring has it in every candidate
            case ast.Subscript(slice=ast.List()):
                yield 2
            case ast.List(elts=[ast.List(elts=[])]):
                yield 1
            case ast.Call():
                yield _doubt_of_call(node)
            case ast.Constant(value=str(text)):
                yield _doubt_of_text(text)
        yield from _unreachable(node)


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(argument.value for argument in call.keywords)]


def _doubt_of_call(call: ast.Call) -> int:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    if isinstance(call.func, (ast.Tuple, ast.List, ast.Constant, ast.Dict)):
        return 3
    if name in _WITHOUT_ARGUMENTS and call.args and isinstance(call.func, ast.Attribute):
        return 3
    if name == "len" and any(isinstance(argument, ast.Compare) for argument in call.args):
        return 3
    if name in _WITH_ONE and len(call.args) != 1 and name != "set":
        return 3
    return 3 if name == "range" and (not call.args or isinstance(call.args[0], ast.Tuple)) else 0


def _doubt_of_text(text: str) -> int:
    """A text with one quote at an end, or a lone bracket there, was probably closed at the wrong place."""
    quotes = sum(text.count(quote) == 1 and text.strip(" ").find(quote) in (0, len(text) - 1) for quote in "\"'")
    ends = len(text) > 1 and text[-1] in ")]}" and not any(opener in text for opener in "([{")
    return quotes + ends + ('", "' in text or "', '" in text)


def _unreachable(node: ast.AST) -> Iterator[int]:
    if isinstance(node, (ast.For, ast.While)) and isinstance(node.body[-1], (ast.Return, ast.Raise, ast.Break)):
        yield 1
    for field in ("body", "orelse", "finalbody"):
        block = getattr(node, field, None)
        if not isinstance(block, list):
            continue
        if any(isinstance(one, (ast.Return, ast.Raise, ast.Break, ast.Continue)) for one in block[:-1]):
            yield 3
