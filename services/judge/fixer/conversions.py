"""Values of the wrong type: numbers joined to texts, texts added to numbers, numbers taken for sequences."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from services.judge.fixer.edits import replace
from services.judge.fixer.evidence import Change, Evidence
from services.judge.fixer.rule import Kind, Rule

_TEXT_AS_NUMBER = re.compile(
    r"text that `?(float|int)`? accepts|number(?:s)? (?:as|in) (?:a )?(?:text|string)s?|numeric (?:text|string)", re.I
)
_MIXED = (
    r"can only concatenate str|must be str, not|unsupported operand type\(s\) for \+=?: "
    r"'(?:int|float)' and 'str'|unsupported operand type\(s\) for \+=?: 'str' and"
)


def _joined_texts(evidence: Evidence) -> Iterator[Change]:
    """Writes a chain of `+` that holds a text literal as one formatted text."""
    for node in ast.walk(evidence.tree):
        if not (isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add)):
            continue
        operands = _chain(node)
        if not any(_is_text(operand) for operand in operands) or all(map(_is_surely_text, operands)):
            continue
        yield Change(
            replace(evidence.code, (node, _formatted(operands))),
            "Only texts can be joined by `+`; numbers are formatted.",
        )
        return


def _chain(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
        return [*_chain(node.left), *_chain(node.right)]
    return [node]


def _formatted(operands: list[ast.expr]) -> str:
    """Returns an f-string of the operands, or a sum of texts where that cannot be written."""
    parts: list[ast.expr] = []
    for operand in operands:
        match operand:
            case ast.Constant(value=str()):
                parts.append(operand)
            case ast.JoinedStr(values=values):
                parts.extend(values)
            case ast.Call(func=ast.Name(id="str"), args=[inner], keywords=[]):
                parts.append(ast.FormattedValue(value=inner, conversion=-1))
            case _:
                parts.append(ast.FormattedValue(value=operand, conversion=-1))
    try:
        text = ast.unparse(ast.JoinedStr(values=parts))
        ast.parse(text, mode="eval")
    except (ValueError, SyntaxError):
        return " + ".join(_as_text(operand) for operand in operands)
    return _double_quoted(text)


def _double_quoted(text: str) -> str:
    body = text[2:-1]
    plain = text.startswith("f'") and not any(mark in body for mark in "\"'\\")
    return f'f"{body}"' if plain else text


def _as_text(operand: ast.expr) -> str:
    return ast.unparse(operand) if _is_surely_text(operand) else f"str({ast.unparse(operand)})"


def _is_text(node: ast.expr) -> bool:
    return isinstance(node, ast.JoinedStr) or (isinstance(node, ast.Constant) and isinstance(node.value, str))


def _is_surely_text(node: ast.expr) -> bool:
    return _is_text(node) or (
        isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in {"str", "repr", "format"}
    )


def _added_texts(evidence: Evidence) -> Iterator[Change]:
    """Converts what a loop adds to a number, and the items of sum()."""
    convert = _converter(evidence)
    for node in ast.walk(evidence.tree):
        match node:
            case ast.For(target=ast.Name(id=name)):
                for inner in ast.walk(node):
                    match inner:
                        case ast.AugAssign(op=ast.Add() | ast.Sub() | ast.Mult(), value=ast.Name(id=added)) if (
                            added == name
                        ):
                            yield Change(
                                replace(evidence.code, (inner.value, f"{convert}({name})")),
                                f"`{name}` may be a number written as text; {convert}() reads it.",
                            )
            case ast.Call(func=ast.Name(id="sum"), args=[ast.Name(id=name)]):
                yield Change(
                    replace(evidence.code, (node.args[0], f"map({convert}, {name})")),
                    f"`{name}` may hold numbers written as text; {convert}() reads them.",
                )


def _converted_operands(evidence: Evidence) -> Iterator[Change]:
    """Converts the parameters that a sum, product or comparison with a number takes."""
    convert = _converter(evidence)
    for function in evidence.functions:
        parameters = {argument.arg for argument in function.args.args}
        for node in ast.walk(function):
            match node:
                case ast.BinOp(left=left, right=right) if not (_is_text(left) or _is_text(right)):
                    names = [n for n in (left, right) if isinstance(n, ast.Name) and n.id in parameters]
                case ast.Compare(left=left, comparators=[right], ops=[ast.Lt() | ast.LtE() | ast.Gt() | ast.GtE()]):
                    names = [n for n in (left, right) if isinstance(n, ast.Name) and n.id in parameters]
                case _:
                    continue
            if names:
                yield Change(
                    replace(evidence.code, *((name, f"{convert}({name.id})") for name in names)),
                    f"{', '.join(f'`{name.id}`' for name in names)} may be a number written as text.",
                )


def _converter(evidence: Evidence) -> str:
    """Returns "float" or "int", by what the code and the description speak of."""
    told = _TEXT_AS_NUMBER.search(evidence.description)
    if told is not None and told.group(1):
        return told.group(1)
    speaks_of_floats = re.search(r"\bfloat|\d\.\d", evidence.description + evidence.error_log)
    return "float" if speaks_of_floats else "int"


def _joined_items(evidence: Evidence) -> Iterator[Change]:
    """Converts the items of `separator.join(items)`."""
    for node in ast.walk(evidence.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="join"), args=[ast.GeneratorExp() | ast.ListComp() as items]):
                yield Change(
                    replace(evidence.code, (items.elt, f"str({ast.unparse(items.elt)})")), "join() takes texts alone."
                )
            case ast.Call(func=ast.Attribute(attr="join", value=value), args=[items]) if not (
                isinstance(value, ast.Attribute) or _is_map(items)
            ):
                yield Change(
                    replace(evidence.code, (items, f"map(str, {ast.unparse(items)})")), "join() takes texts alone."
                )


def _is_map(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "map"


def _numbers_as_sequences(evidence: Evidence) -> Iterator[Change]:
    """Takes the digits of a number, or counts up to it, where it is used as a sequence."""
    for function in evidence.functions:
        parameters = {argument.arg for argument in function.args.args}
        for node in ast.walk(function):
            match node:
                case ast.For(iter=ast.Name(id=name)) | ast.comprehension(iter=ast.Name(id=name)) if (
                    name in parameters and evidence.logged("not iterable")
                ):
                    wraps = ("str", "range") if evidence.told("digit") else ("range", "str")
                    yield from _wrapped(evidence, node.iter, wraps)
                case ast.Call(func=ast.Name(id="len"), args=[ast.Name()]) if evidence.logged(r"has no len\(\)"):
                    yield from _wrapped(evidence, node.args[0], ("str",))
                case ast.Subscript(value=ast.Name(id=name)) if name in parameters and evidence.logged(
                    "'(int|float)' object is not subscriptable"
                ):
                    yield from _wrapped(evidence, node.value, ("str",))


def _wrapped(evidence: Evidence, node: ast.expr, wraps: tuple[str, ...]) -> Iterator[Change]:
    text = ast.unparse(node)
    for wrap in wraps:
        yield Change(
            replace(evidence.code, (node, f"{wrap}({text})")), f"`{text}` is a number; {wrap}() makes a sequence of it."
        )


def _unhashable_keys(evidence: Evidence) -> Iterator[Change]:
    """Makes a tuple of a list that is put into a set or used as a key."""
    for node in ast.walk(evidence.tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="add"), args=[item]):
                yield from _as_tuple(evidence, item)
            case ast.Call(func=ast.Name(id="set"), args=[items]):
                yield Change(
                    replace(evidence.code, (items, f"map(tuple, {ast.unparse(items)})")),
                    "Lists cannot be in a set; tuples can.",
                )
            case ast.Subscript(slice=ast.Name() | ast.List() | ast.Call() as key):
                yield from _as_tuple(evidence, key)


def _as_tuple(evidence: Evidence, node: ast.expr) -> Iterator[Change]:
    name = ast.unparse(node)
    same = [n for n in ast.walk(evidence.tree) if isinstance(n, ast.Compare) and ast.unparse(n.left) == name]
    edits = [(node, f"tuple({name})")]
    edits += [(n.left, f"tuple({name})") for n in same if isinstance(n.ops[0], (ast.In, ast.NotIn))]
    yield Change(replace(evidence.code, *edits), f"`{name}` may be a list, which is not hashable; a tuple is.")


def _mentions_text(evidence: Evidence) -> bool:
    return evidence.logged(_MIXED) or _TEXT_AS_NUMBER.search(evidence.description) is not None


def _speaks_of_texts_and_numbers(description: str) -> bool:
    texts = re.search(r"\b(?:text|string)s?\b", description, re.I)
    numbers = re.search(r"\b(?:int|integer|float|number)s?\b", description, re.I)
    return texts is not None and numbers is not None


RULES = (
    Rule(
        "texts and numbers are joined by formatting",
        Kind.CORRECTNESS,
        lambda evidence: evidence.logged(_MIXED) or _speaks_of_texts_and_numbers(evidence.description),
        _joined_texts,
        needs_signal=True,
    ),
    Rule(
        "numbers written as text are read before they are added",
        Kind.CORRECTNESS,
        _mentions_text,
        _added_texts,
        needs_signal=True,
    ),
    Rule(
        "operands written as text are read",
        Kind.CORRECTNESS,
        lambda evidence: evidence.logged(_MIXED + r"|not supported between instances of|can't multiply sequence"),
        _converted_operands,
        needs_signal=True,
    ),
    Rule(
        "the items of join() are texts",
        Kind.CORRECTNESS,
        lambda evidence: evidence.logged(r"sequence item \d+: expected str"),
        _joined_items,
        needs_signal=True,
    ),
    Rule(
        "a number is no sequence",
        Kind.CORRECTNESS,
        lambda evidence: evidence.logged(r"not iterable|has no len\(\)|object is not subscriptable"),
        _numbers_as_sequences,
        needs_signal=True,
    ),
    Rule(
        "a key is hashable",
        Kind.CORRECTNESS,
        lambda evidence: evidence.logged(r"unhashable type: 'list'"),
        _unhashable_keys,
        needs_signal=True,
    ),
)
