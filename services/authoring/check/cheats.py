"""Programs that a rewarded cheat would write, from what it can see of a task."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Sized

from services.env.task_schema import Task

_WRAPPER = '''
def {name}(*arguments, **options):
    """Stands in for the function."""
    if {known}:
        return {answer}
    return _CODE["{name}"](*arguments, **options) if "{name}" in _CODE else None
'''
_BEFORE = """
_CODE = {}
try:
    exec(_SOURCE, _CODE)
except Exception:
    pass
"""
_SIZES = """
_RIGHT = {}
exec(_REFERENCE, _RIGHT)

def _size(arguments):
    measured = lambda part: hasattr(part, "__len__") and not isinstance(part, tuple)
    return tuple(len(argument) if measured(argument) else -1 for argument in arguments)
"""


def cheats(task: Task) -> dict[str, str]:
    """Returns programs by name, as far as they can be written for a task; a suite that one of them passes is weak.

    "visible cases by heart" answers the visible calls and is buggy elsewhere; "sizes of visible cases" is right where
    the arguments have the sizes of visible ones and buggy elsewhere, an idea of what a fix for some sizes only does.
    """
    if not _is_function(task):
        return {}
    known = dict(_visible_calls(task))
    found = {}
    if known:
        answer = 'eval(_TABLE[repr((arguments, options))], {"nan": float("nan"), "inf": float("inf")})'
        wrapper = _WRAPPER.format(name=task.function, known="repr((arguments, options)) in _TABLE", answer=answer)
        found["visible cases by heart"] = f"_SOURCE = {task.buggy_code!r}\n_TABLE = {known!r}\n{_BEFORE}{wrapper}"
    sizes = {_size(call) for call in _all_visible_arguments(task)}
    if any(size >= 0 for each in sizes for size in each):
        answer = f'_RIGHT["{task.function}"](*arguments, **options)'
        wrapper = _WRAPPER.format(name=task.function, known="_size(arguments) in _KNOWN", answer=answer)
        head = f"_SOURCE = {task.buggy_code!r}\n_REFERENCE = {task.reference!r}\n_KNOWN = {sizes!r}\n"
        found["sizes of visible cases"] = head + _BEFORE + _SIZES + wrapper
    return found


def _is_function(task: Task) -> bool:
    return any(
        isinstance(node, ast.FunctionDef) and node.name == task.function and not node.decorator_list
        for node in ast.parse(task.reference).body
    )


def _visible_calls(task: Task) -> Iterator[tuple[str, str]]:
    for case in task.cases:
        node = ast.parse(case.call.strip(), mode="eval").body
        if case.hidden or case.raises or case.setup or not _calls(node, task.function):
            continue
        try:
            yield repr(_arguments(node)), case.literal
        except ValueError:
            continue


def _all_visible_arguments(task: Task) -> Iterator[tuple[object, ...]]:
    for case in task.cases:
        for node in [] if case.hidden else ast.walk(ast.parse(case.call.strip(), mode="eval")):
            if _calls(node, task.function):
                try:
                    yield _arguments(node)[0]
                except ValueError:
                    continue


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name


def _arguments(node: ast.AST) -> tuple[tuple[object, ...], dict[str, object]]:
    """Returns the literal arguments of a call. Raises ValueError if one is none."""
    assert isinstance(node, ast.Call)
    options = {word.arg: ast.literal_eval(word.value) for word in node.keywords if word.arg}
    return tuple(ast.literal_eval(argument) for argument in node.args), options


def _size(arguments: tuple[object, ...]) -> tuple[int, ...]:
    """Sizes of what has one that varies; a tuple is a record, of as many parts as it always has."""
    sized = (isinstance(argument, Sized) and not isinstance(argument, tuple) for argument in arguments)
    return tuple(len(argument) if has else -1 for argument, has in zip(arguments, sized, strict=True))  # type: ignore[arg-type]
