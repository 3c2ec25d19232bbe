"""Every operator by what it makes of a small program, what is never mutated, and mutants composed."""

import ast
from pathlib import Path

import pytest

from services.authoring.mutation import CompositionError, applied, mutants
from services.authoring.mutation.catalogue import BUG_CLASSES, OPERATORS
from services.env.catalogue import load_catalogue

ROOT = Path(__file__).parents[2]
SUM = "def f(a):\n    t = 0\n    for x in a:\n        t += x\n    return t\n"
CAUGHT = "def f(a):\n    try:\n        a()\n    except KeyError:\n        a = 1\n    return a\n"
ELIF = "def f(a):\n    if a > 1:\n        a = 2\n    elif a > 0:\n        a = 3\n    return a\n"
ELSE = "def f(a):\n    if a:\n        a = 1\n    else:\n        a = 2\n    return a\n"
SHARED = "def f(a=None):\n    if a is None:\n        a = []\n    a.append(1)\n    return a\n"
CLASSES = """\
LIMIT = 3

def f():
    return 1

class A:
    def g(self):
        return 2

    def h(self):
        return 3
"""


def labels(source):
    return [mutant.label for mutant in mutants(source)]


def changed(source, bug_class):
    """The mutated programs of one kind of bug."""
    return [mutant.source for mutant in mutants(source) if mutant.bug_class == bug_class]


def test_a_label_names_operator_place_and_change():
    found = mutants("def f(a, b):\n    if a < b:\n        return 1\n    return 0\n")
    (boundary,) = [mutant for mutant in found if mutant.operator == "boundary"]
    assert boundary.label == "boundary@2:7 `a < b` -> `a <= b`"
    assert (boundary.bug_class, boundary.line, boundary.column) == ("boundary", 2, 7)
    assert boundary.source == "def f(a, b):\n    if a <= b:\n        return 1\n    return 0\n"
    (guard,) = [mutant for mutant in found if mutant.operator == "guard"]
    assert guard.label == "guard@2:4 `if a < b: return 1` -> nothing"
    assert guard.source == "def f(a, b):\n    return 0\n"


@pytest.mark.parametrize(
    ("bug_class", "source", "expected"),
    [
        ("boundary", "def f(a, b):\n    return a >= b\n", "return a > b"),
        ("boundary", "def f(a, b, c):\n    return a < b < c\n", "return b < c"),
        ("boundary", "def f(a):\n    return a - 1\n", "return a\n"),
        ("boundary", "def f(a):\n    return a > 3\n", "return a > 4"),
        ("boundary", "def f(a):\n    for i in range(len(a)):\n        a[i] = 0\n", "a[i + 1] = 0"),
        ("comparison", "def f(a, b):\n    return a == b\n", "return a != b"),
        ("comparison", "def f(a, b):\n    return a not in b\n", "return a in b"),
        ("condition", "def f(a):\n    if a is None:\n        a = 1\n    return a\n", "if not a:"),
        ("condition", "def f(a):\n    return [x for x in a if x]\n", "[x for x in a]"),
        ("condition", "def f(a, b):\n    return (a or b)\n", "return (a)"),
        ("condition", "def f(a, b):\n    while a(b):\n        b += 1\n", "while not a(b):"),
        ("condition", "def f(a):\n    return not a\n", "return a"),
        ("condition", ELIF, "    if a > 0"),
        ("logical", "def f(a, b):\n    return a and b\n", "return a or b"),
        ("arithmetic", "def f(a, b):\n    return a * b\n", "return a + b"),
        ("arithmetic", "def f(a, b):\n    return a - b\n", "return b - a"),
        ("arithmetic", "def f(a, b):\n    a += b\n    return a\n", "a -= b"),
        ("arithmetic", "def f(a):\n    return -a\n", "return a"),
        ("arithmetic", "def f(a, b):\n    return a & b\n", "return a | b"),
        ("constant", "def f():\n    return 0\n", "return 1"),
        ("constant", "def f():\n    return -1\n", "return 0"),
        ("constant", "def f():\n    return True\n", "return False"),
        ("constant", "def f():\n    return ''\n", "return 'x'"),
        ("constant", "def f():\n    return b'abc'\n", "return b''"),
        ("return", "def f(a):\n    return a\n", "return None"),
        ("return", "def f(a, b):\n    return a, b\n", "return b, a"),
        ("slice", "def f(a):\n    return a[1:]\n", "return a[:]"),
        ("slice", "def f(a, n):\n    return a[:n]\n", "return a[:n - 1]"),
        ("slice", "def f(a):\n    return a[::-1]\n", "return a[::1]"),
        ("loop", "def f(n):\n    return range(n)\n", "range(n + 1)"),
        ("loop", "def f(n):\n    return range(n)\n", "range(1, n)"),
        ("loop", "def f(n):\n    return range(0, n + 1)\n", "range(0, n)"),
        ("loop", "def f(a):\n    for x in a:\n        if x:\n            break\n", "continue"),
        ("statement", "def f(a):\n    a.clear()\n    return a\n", "def f(a):\n    return a"),
        ("statement", "def f(a, b):\n    a, b = b, a + b\n    return a\n", "    a = b\n    b = a + b\n"),
        ("statement", ELSE, "a = 1\n    return"),
        ("missing_guard", "def f(a):\n    if not a:\n        return 0\n    return a\n", "def f(a):\n    return a"),
        ("missing_guard", "def f(a):\n    assert a\n    return a\n", "def f(a):\n    return a"),
        ("missing_guard", "def f(a):\n    return a.get(1, 0)\n", "return a[1]"),
        ("exception", "def f(a):\n    raise ValueError('no')\n", "raise TypeError('no')"),
        ("exception", "def f(a):\n    a += 1\n    raise ValueError('no')\n", "a += 1\n"),
        ("exception", CAUGHT, "except Exception:"),
        ("exception", CAUGHT.replace("KeyError", "(KeyError, OSError)"), "except (KeyError,):"),
        ("exception", CAUGHT, "        pass\n"),
        ("accumulator", SUM, "    for x in a:\n        t = 0\n"),
        ("accumulator", SUM, "t = x"),
        ("accumulator", SUM, "t = 1"),
        ("accumulator", SUM.replace("t = 0", "t = a[0]"), "t = 0"),
        ("indentation", SUM, "        return t\n"),
        ("indentation", SUM.replace("t += x", "t += x\n        t.y(1)"), "\n    t.y(1)\n"),
        ("argument", "def f(a, b, g):\n    return g(a, b)\n", "g(b, a)"),
        ("argument", "def f(a):\n    return sorted(a, reverse=True)\n", "sorted(a)"),
        ("argument", "def f(a):\n    return sum(a, 1)\n", "sum(a)"),
        ("argument", "def f(a):\n    return a.pop(0)\n", "a.pop()"),
        ("variable_misuse", "def f(a, b):\n    return a + 1\n", "return b + 1"),
        ("api_misuse", "def f(a, b):\n    a.append(b)\n    return a\n", "a.extend(b)"),
        ("api_misuse", "def f(a):\n    a.sort()\n    return a\n", "    sorted(a)\n"),
        ("api_misuse", "def f(a):\n    b = sorted(a)\n    return b\n", "b = a.sort()"),
        ("api_misuse", "def f(a):\n    return a.strip(' ')\n", "return a\n"),
        ("api_misuse", "def f(a):\n    return max(a)\n", "return min(a)"),
        ("api_misuse", "def f(a):\n    return a.find(1)\n", "a.rfind(1)"),
        ("api_misuse", "def f(a):\n    return a[:]\n", "return a\n"),
        ("api_misuse", "def f(a):\n    return list(a)\n", "return a\n"),
        ("api_misuse", "def f(a, b):\n    return a // b\n", "int(a / b)"),
        ("api_misuse", "def f(a):\n    yield from a\n", "yield a"),
        ("default", "def f(a=1):\n    return a\n", "def f(a=2):"),
        ("default", SHARED, "def f(a=[]):"),
    ],
)  # fmt: skip
def test_an_operator_makes_its_kind_of_bug(bug_class, source, expected):
    found = changed(source, bug_class)
    assert any(expected in program and program != source for program in found), found


UNTOUCHED = '''\
"""A module of 1."""

from __future__ import annotations

import logging
from typing import TypeVar

__all__ = ["f"]
T = TypeVar("T")
log = logging.getLogger()


def f(a: dict[str, 1]) -> list[int]:
    """Returns 1."""
    # keeps 1
    print("one", 1 + 1)
    log.info("two %d", 2)
    if not a:
        raise ValueError(f"no {1 + 1}")
    assert a, "text"
    return a


if __name__ == "__main__":
    print(f({1: 2}))
'''


def test_what_says_nothing_about_behaviour_is_left_alone():
    found = mutants(UNTOUCHED)
    assert {mutant.operator for mutant in found} <= {"assert", "guard", "not", "negated", "raised-type", "return"}
    for mutant in found:
        gone = "".join(UNTOUCHED[mutant.start : mutant.end].split())
        assert gone in ("nota", "a", "ValueError", 'asserta,"text"') or mutant.operator == "guard"


def test_only_the_functions_that_are_asked_for_are_mutated():
    assert {mutant.line for mutant in mutants(CLASSES)} == {1, 4, 8, 11}
    assert {mutant.line for mutant in mutants(CLASSES, ["f", "A.h"])} == {4, 11}
    assert {mutant.line for mutant in mutants(CLASSES, ["A"])} == {8, 11}


PROGRAMS = [pytest.param(task.reference, id=task.id) for task in load_catalogue([ROOT / "tasks"])] + [
    pytest.param((ROOT / name).read_text(), id=name)
    for name in ("services/executor/reaper.py", "services/env/memories.py", "codearena/_transport.py")
]


@pytest.mark.parametrize("source", PROGRAMS)
def test_mutants_are_distinct_programs_with_distinct_labels_in_the_order_of_the_source(source):
    found = mutants(source)
    assert found
    assert found == mutants(source)
    trees = {ast.dump(ast.parse(mutant.source)) for mutant in found}
    assert len(trees | {ast.dump(ast.parse(source))}) == len(found) + 1
    assert len({mutant.label for mutant in found}) == len(found)
    places = [(mutant.line, mutant.column) for mutant in found]
    assert places == sorted(places)
    for mutant in found:
        compile(mutant.source, "mutant", "exec")
        assert mutant.bug_class in BUG_CLASSES
        assert "\n" not in mutant.label
        assert mutant.source == source[: mutant.start] + mutant.text + source[mutant.end :]


def test_every_operator_has_a_kind():
    assert {operator.bug_class for operator in OPERATORS} <= set(BUG_CLASSES)


def test_mutants_at_different_places_compose_and_overlapping_ones_are_refused():
    source = "def f(a, b):\n    if not a:  # nothing\n        return 0\n    return a + b\n"
    by_label = {mutant.label: mutant for mutant in mutants(source)}
    constant, sum_, other = (
        by_label["integer@3:15 `0` -> `1`"],
        by_label["arithmetic@4:11 `a + b` -> `a - b`"],
        by_label["guard@2:4 `if not a: return 0` -> nothing"],
    )
    both = applied(source, [sum_, constant])
    assert both == "def f(a, b):\n    if not a:  # nothing\n        return 1\n    return a - b\n"
    assert applied(source, []) == source
    with pytest.raises(CompositionError, match="touch the same place"):
        applied(source, [constant, other])
    with pytest.raises(CompositionError, match="touch the same place"):
        applied(source, [constant, constant])


def test_a_composition_that_is_no_program_is_refused():
    source = "def f(a):\n    if a:\n        a.x()\n        a.y()\n    return a\n"
    calls = [mutant for mutant in mutants(source) if mutant.operator == "call"]
    assert len(calls) == 2
    with pytest.raises(CompositionError):
        applied(source, calls)


def test_what_is_no_program_is_refused():
    with pytest.raises(ValueError, match="cannot be parsed"):
        mutants("def f(:\n")


def test_tabs_comments_and_texts_over_several_lines_survive():
    source = 'def f(a):\n\tt = 0  # zero\n\tfor x in a:\n\t\tt += x\n\n\treturn """\n t""" + str(t)\n'
    for mutant in mutants(source):
        compile(mutant.source, "mutant", "exec")
    assert any("\t\tt = 0\n" in program or "\t\tt = 0  # zero" in program for program in changed(source, "accumulator"))
    assert not any(mutant.operator == "moved-in" for mutant in mutants(source))
