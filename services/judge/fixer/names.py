"""Names and attributes that do not exist: misspelt, not imported, or of another language."""

from __future__ import annotations

import ast
import builtins
import difflib
import re
from collections.abc import Iterator
from itertools import chain

from services.judge.fixer.edits import Text, replace, with_import
from services.judge.fixer.evidence import Change, Evidence
from services.judge.fixer.rule import Kind, Rule

_BUILTINS = frozenset(dir(builtins))
_CALLED_KEYWORDS = ("return", "raise", "yield", "assert", "del", "await")
_SPELLINGS = {
    "null": "None",
    "nil": "None",
    "undefined": "None",
    "none": "None",
    "true": "True",
    "false": "False",
    "this": "self",
    "xrange": "range",
    "raw_input": "input",
    "unicode": "str",
    "long": "int",
    "length": "len",
}
_MODULES = frozenset(
    {
        *("bisect", "collections", "copy", "datetime", "functools", "hashlib", "heapq", "itertools", "json"),
        *("math", "operator", "os", "random", "re", "string", "subprocess", "sys", "time", "secrets"),
    }
)
_MEMBERS = {
    **dict.fromkeys(("Counter", "defaultdict", "deque", "namedtuple", "OrderedDict"), "collections"),
    **dict.fromkeys(("reduce", "lru_cache", "cache", "partial", "cmp_to_key"), "functools"),
    **dict.fromkeys(("chain", "combinations", "permutations", "product", "accumulate", "groupby"), "itertools"),
    **dict.fromkeys(("heappush", "heappop", "heapify"), "heapq"),
    **dict.fromkeys(("bisect_left", "bisect_right", "insort"), "bisect"),
    **dict.fromkeys(("sqrt", "ceil", "floor", "gcd", "inf", "pi", "factorial", "isclose"), "math"),
    **dict.fromkeys(("deepcopy",), "copy"),
    **dict.fromkeys(("Decimal",), "decimal"),
    **dict.fromkeys(("Fraction",), "fractions"),
    **dict.fromkeys(("dataclass", "field"), "dataclasses"),
    **dict.fromkeys(("Path",), "pathlib"),
    **dict.fromkeys(("Optional", "List", "Dict", "Any", "Iterable"), "typing"),
}
_METHODS = {
    "push": "append",
    "add": "append",
    "iteritems": "items",
    "itervalues": "values",
    "iterkeys": "keys",
    "toUpperCase": "upper",
    "toLowerCase": "lower",
    "trim": "strip",
    "indexOf": "index",
    "startsWith": "startswith",
    "endsWith": "endswith",
    "substring": "",
}
_TYPES: dict[str, type] = {kind.__name__: kind for kind in (list, dict, set, str, tuple, int, float, bytes, frozenset)}
_ATTRIBUTES = sorted(set(chain.from_iterable(dir(kind) for kind in _TYPES.values())) - set(dir(object)))
_NO_ATTRIBUTE = re.compile(r"'(\w+)' object has no attribute '(\w+)'")


def _undefined_names(evidence: Evidence) -> Iterator[Change]:
    known = _bound_names(evidence.tree)
    unknown: dict[str, list[ast.expr | ast.stmt]] = {}
    for node in ast.walk(evidence.tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load) and node.id not in known | _BUILTINS:
            unknown.setdefault(node.id, []).append(node)
    for name, nodes in unknown.items():
        for new in _respellings(name, known):
            yield Change(
                replace(evidence.code, *((node, new) for node in nodes)), f"`{name}` is not defined; `{new}` is."
            )
        for statement in _imports(name):
            yield Change(with_import(evidence.code, statement), f"`{name}` needs `{statement}`.")


def _keywords_as_calls(evidence: Evidence) -> Iterator[Change]:
    """Respells a keyword that is written like a call, as in `retrun (x)`."""
    known = _bound_names(evidence.tree) | _BUILTINS
    for node in ast.walk(evidence.tree):
        match node:
            case ast.Expr(value=ast.Call(func=ast.Name(id=name), args=[value], keywords=[])) if name not in known:
                for right in difflib.get_close_matches(name, _CALLED_KEYWORDS, n=1, cutoff=0.7):
                    new = f"{right} {Text(evidence.code).of(value)}"
                    yield Change(replace(evidence.code, (node, new)), f"`{name}` is spelt `{right}`.")


def _imports(name: str) -> Iterator[str]:
    if name in _MODULES:
        yield f"import {name}"
    if name in _MEMBERS:
        yield f"from {_MEMBERS[name]} import {name}"


def _respellings(name: str, known: set[str]) -> list[str]:
    if name in _SPELLINGS:
        return [_SPELLINGS[name]]
    if name in _MODULES or name in _MEMBERS:
        return []
    by_case = [other for other in sorted(known | _BUILTINS) if other.lower() == name.lower()]
    close = difflib.get_close_matches(name, sorted(known), n=2, cutoff=0.7)
    close += difflib.get_close_matches(name, sorted(_BUILTINS), n=1, cutoff=0.75)
    close += [other for other in sorted(_BUILTINS) if len(name) > 2 and sorted(other) == sorted(name)]
    close.sort(key=lambda other: (sorted(other) != sorted(name), -difflib.SequenceMatcher(None, name, other).ratio()))
    foreign = [_SPELLINGS[other] for other in difflib.get_close_matches(name, _SPELLINGS, n=1, cutoff=0.8)]
    return list(dict.fromkeys([*by_case, *foreign, *close]))


def _bound_names(tree: ast.Module) -> set[str]:
    names: set[str] = {"__name__", "__file__", "__doc__"}
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                names.add(name)
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                names.add(name)
            case ast.alias(name=name, asname=alias):
                names.add(alias or name.split(".")[0])
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                names.add(name)
            case ast.Global(names=more) | ast.Nonlocal(names=more):
                names.update(more)
    return names


def _unknown_attributes(evidence: Evidence) -> Iterator[Change]:
    for type_name, attribute in _NO_ATTRIBUTE.findall(evidence.error_log):
        kind = _TYPES.get(type_name)
        nodes = [n for n in ast.walk(evidence.tree) if isinstance(n, ast.Attribute) and n.attr == attribute]
        if kind is None or not nodes:
            continue
        if attribute in {"length", "size", "count", "len"}:
            yield from _lengths(evidence, nodes, type_name)
        for new in _attributes_like(attribute, kind):
            yield _renamed(evidence, nodes, attribute, new, f"A {type_name} has no `{attribute}`, but `{new}`.")


def _misspelt_methods(evidence: Evidence) -> Iterator[Change]:
    own = _bound_names(evidence.tree) | {
        node.attr for node in ast.walk(evidence.tree) if isinstance(node, ast.Attribute) and not _loads(node)
    }
    for node in ast.walk(evidence.tree):
        if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute)):
            continue
        method = node.func
        if isinstance(method.value, ast.Name) and method.value.id in _MODULES:
            continue
        if method.attr in _ATTRIBUTES or method.attr in own:
            continue
        close = difflib.get_close_matches(method.attr, _ATTRIBUTES, n=1, cutoff=0.8)
        new = _METHODS.get(method.attr) or (close[0] if close else "")
        if new:
            explanation = f"No builtin type has `{method.attr}`, but `{new}`."
            yield _renamed(evidence, [method], method.attr, new, explanation)


def _loads(node: ast.Attribute) -> bool:
    return isinstance(node.ctx, ast.Load)


def _attributes_like(attribute: str, kind: type) -> list[str]:
    has = [name for name in dir(kind) if not name.startswith("_")]
    foreign = _METHODS.get(attribute, "")
    if kind is set and attribute == "append":
        foreign = "add"
    close = difflib.get_close_matches(attribute, has, n=2, cutoff=0.6)
    return list(dict.fromkeys([*([foreign] if foreign in has else []), *close]))


def _renamed(evidence: Evidence, nodes: list[ast.Attribute], old: str, new: str, explanation: str) -> Change:
    text = Text(evidence.code)
    edits = []
    for node in nodes:
        _, end = text.span(node)
        edits.append(((end - len(old.encode()), end), new))
    return Change(text.replaced(edits), explanation)


def _lengths(evidence: Evidence, nodes: list[ast.Attribute], type_name: str) -> Iterator[Change]:
    calls = {
        id(node.func): node
        for node in ast.walk(evidence.tree)
        if isinstance(node, ast.Call) and not node.args and not node.keywords
    }
    edits = [(calls.get(id(node), node), f"len({ast.unparse(node.value)})") for node in nodes]
    yield Change(replace(evidence.code, *edits), f"The length of a {type_name} is given by len().")


RULES = (
    Rule(
        "a keyword that is written like a call is respelt",
        Kind.CORRECTNESS,
        lambda evidence: "NameError" in evidence.exceptions,
        _keywords_as_calls,
    ),
    Rule(
        "an undefined name is respelt or imported",
        Kind.CORRECTNESS,
        lambda evidence: "NameError" in evidence.exceptions,
        _undefined_names,
    ),
    Rule(
        "an attribute that the type lacks is respelt",
        Kind.CORRECTNESS,
        lambda evidence: "AttributeError" in evidence.exceptions,
        _unknown_attributes,
        needs_signal=True,
    ),
    Rule(
        "a method that no builtin type has is respelt",
        Kind.CORRECTNESS,
        lambda evidence: "AttributeError" in evidence.exceptions,
        _misspelt_methods,
        needs_signal=True,
    ),
)
