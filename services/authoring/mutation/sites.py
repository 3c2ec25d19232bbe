"""Which nodes of a program may be mutated: not its documentation, its types, its imports and its messages."""

from __future__ import annotations

import builtins
from collections.abc import Iterator, Sequence

import libcst as cst
import libcst.matchers as m

from services.authoring.mutation.program import called

_NEVER = (
    cst.Import,
    cst.ImportFrom,
    cst.Annotation,
    cst.Decorator,
    cst.Global,
    cst.Nonlocal,
    cst.TypeAlias,
    cst.TypeParameters,
)
_TALKS = frozenset({"print", "warn"})
_LOGS = frozenset({"debug", "info", "warning", "error", "exception", "critical", "log"})
_LOGGERS = frozenset({"log", "_log", "logger", "_logger", "logging", "LOG", "LOGGER"})
_TYPE_MAKERS = frozenset({"TypeVar", "ParamSpec", "NewType", "namedtuple", "NamedTuple", "TypedDict", "cast", "Enum"})
_NAMES = frozenset({"__all__", "__slots__", "__author__", "__version__"})
_MAIN = m.If(test=m.Comparison(left=m.Name("__name__")))
_TYPE_CHECKING = m.If(test=m.Name("TYPE_CHECKING") | m.Attribute(attr=m.Name("TYPE_CHECKING")))
_TEXTS = (cst.SimpleString, cst.FormattedString, cst.ConcatenatedString)


def sites(module: cst.Module, functions: Sequence[str] | None) -> Iterator[cst.CSTNode]:
    """Yields every node that may be mutated.

    Args:
        module: The program.
        functions: Names of functions and classes, of methods as "Class.method"; None for the whole program.
    """
    yield from _within(module, (), None if functions is None else frozenset(functions))


def _within(node: cst.CSTNode, path: tuple[str, ...], wanted: frozenset[str] | None) -> Iterator[cst.CSTNode]:
    if isinstance(node, cst.FunctionDef | cst.ClassDef):
        path = (*path, node.name.value)
        if wanted is not None and ".".join(path) in wanted:
            wanted = None
    if _is_left_out(node):
        return
    if wanted is None:
        yield node
    for child in _children(node):
        yield from _within(child, path, wanted)


def _is_left_out(node: cst.CSTNode) -> bool:
    if isinstance(node, _NEVER) or (isinstance(node, cst.Expr) and isinstance(node.value, _TEXTS)):
        return True
    if isinstance(node, cst.Assign):
        return any(m.matches(target.target, m.Name()) and _name(target.target) in _NAMES for target in node.targets)
    if isinstance(node, cst.Expr) and talks(node.value):
        return True
    return talks(node) or called(node) in _TYPE_MAKERS or m.matches(node, _MAIN | _TYPE_CHECKING)


def talks(node: cst.CSTNode) -> bool:
    """Whether a node is a call that prints or logs."""
    if not isinstance(node, cst.Call):
        return False
    if isinstance(node.func, cst.Name):
        return node.func.value in _TALKS
    if not isinstance(node.func, cst.Attribute):
        return False
    owner = node.func.value
    name = _name(owner.attr if isinstance(owner, cst.Attribute) else owner)
    return (node.func.attr.value in _LOGS and name in _LOGGERS) or (name == "warnings" and called(node) == "warn")


def _name(node: cst.CSTNode) -> str:
    return node.value if isinstance(node, cst.Name) else ""


def _children(node: cst.CSTNode) -> Sequence[cst.CSTNode]:
    if isinstance(node, cst.ClassDef):
        return [node.body]
    if isinstance(node, cst.Assert):
        return [node.test]
    if isinstance(node, cst.FormattedStringExpression):
        return [node.expression]
    if isinstance(node, cst.Raise):
        return _data_of(node.exc) if isinstance(node.exc, cst.Call) else []
    return node.children


def _data_of(call: cst.Call) -> Sequence[cst.CSTNode]:
    """What an exception of the program's own is told, apart from texts."""
    if isinstance(getattr(builtins, called(call), None), type):
        return []
    return [arg.value for arg in call.args if not any(isinstance(node, _TEXTS) for node in _flat(arg.value))]


def _flat(node: cst.CSTNode) -> Iterator[cst.CSTNode]:
    yield node
    for child in node.children:
        yield from _flat(child)
