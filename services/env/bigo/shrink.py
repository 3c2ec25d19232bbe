"""How the input of a recursive call relates to its caller's."""

from __future__ import annotations

import ast
from enum import Enum
from itertools import islice

from services.env.bigo.facts import Facts, called_name, names_in
from services.env.bigo.while_loops import halved_names

_MAX_MEANINGS = 20


class Shrink(Enum):
    """How the input of a recursive call relates to the caller's."""

    STEP = "a constant step smaller"
    HALF = "a fraction of it"
    PART = "one of several disjoint parts"


class ShrinkReader:
    """Reads the recursive calls of one function.

    Args:
        nodes: The function's nodes.
        facts: What is known of its names.
    """

    def __init__(self, nodes: list[ast.AST], facts: Facts) -> None:
        self._facts = facts
        self._middles = halved_names(nodes)
        self._looped = {
            name
            for node in nodes
            if isinstance(node, (ast.For, ast.comprehension)) and not _is_range(node.iter)
            for name in names_in(node.target)
        }

    def read(self, call: ast.Call) -> Shrink:
        """Returns how a recursive call's input relates to its caller's."""
        shrink = Shrink.STEP
        for argument in call.args:
            meanings = self._meanings(argument)
            if any(_is_fraction(meaning, self._middles) for meaning in meanings):
                return Shrink.HALF
            if any(_is_part(meaning, self._facts, self._looped) for meaning in meanings):
                shrink = Shrink.PART
        return shrink

    def _meanings(self, argument: ast.expr) -> list[ast.expr]:
        """The argument and what its name may stand for, two assignments back."""
        found = [argument]
        for _ in range(2):
            names = [part.id for part in found if isinstance(part, ast.Name)]
            local = [name for name in names if name not in self._facts.parameters]
            found += [value for name in local for value in islice(self._facts.values.get(name, []), _MAX_MEANINGS)]
            del found[_MAX_MEANINGS:]
        return found


def _is_range(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and called_name(node) in {"range", "enumerate"}


def _is_fraction(expression: ast.expr, middles: set[str]) -> bool:
    for part in ast.walk(expression):
        match part:
            case ast.BinOp(op=ast.FloorDiv() | ast.RShift()):
                return True
            case ast.BinOp(left=ast.Name(), op=ast.Mod(), right=ast.Name()):
                return True
            case ast.BinOp(left=ast.Constant(), op=ast.Mult(), right=ast.Name()):
                return True
            case ast.BinOp(left=ast.Name(), op=ast.Mult(), right=ast.Constant()):
                return True
            case ast.Name(id=name) if name in middles:
                return True
    return False


def _is_part(expression: ast.expr, facts: Facts, looped: set[str]) -> bool:
    match expression:
        case ast.Attribute():
            return True
        case ast.Name(id=name):
            return name in looped
        case ast.ListComp(generators=[ast.comprehension(ifs=[_, *_])]):
            return True
        case ast.BinOp(left=ast.Name(id=name), op=ast.Add() | ast.Sub(), right=ast.Constant()):
            value = facts.single_value(name)
            return isinstance(value, ast.Call) and name not in facts.parameters
    return False
