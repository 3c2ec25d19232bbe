# ruff: noqa: E501  programs in one line each
"""Tests that are code: they run where no submission is, and judge what came out of the submission's sandbox."""

import re

import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from tests.executor.conftest import Executor, refused

CLAMP = "def clamp(x, low, high):\n    return min(max(x, low), high)\n"


def suite(
    hidden, reference=CLAMP, functions=("clamp",), visible="", *, style=wire.TEST_STYLE_ASSERTS, module="", seed=0
):
    tests = wire.TestCode(style=style, module=module, visible=visible, hidden=hidden)
    return wire.Suite(tests=tests, functions=functions, reference_code=reference, draw_seed=seed)


def passed(response):
    return [test.passed for test in response.tests]


async def test_each_assert_statement_is_a_test(executor: Executor) -> None:
    given = suite(
        "def check(f):\n    assert f(5, 0, 3) == 3\n    assert f(-1, 0, 3) == 0, 'low'\n    assert True, 'not one'\ncheck(clamp)",
        visible="assert clamp(1, 0, 3) == 1\n",
    )
    right = await executor.grade("def clamp(x, low, high):\n    return sorted((low, x, high))[1]\n", given)
    wrong = await executor.grade("def clamp(x, low, high):\n    return min(x, high)\n", given)
    assert (right.outcome, passed(right)) == (core.OUTCOME_PASSED, [True] * 3)
    assert right.efficiency.score == 1.0
    assert (wrong.outcome, passed(wrong)) == (core.OUTCOME_TESTS_FAILED, [True, True, False])
    assert [test.hidden for test in wrong.tests] == [False, True, True]
    assert wrong.tests[0].call == "assert clamp(1, 0, 3) == 1"
    assert wrong.tests[2].actual == "returned -1"


async def test_an_exception_fails_its_test_and_no_other(executor: Executor) -> None:
    given = suite(
        "assert clamp(5, 0, 3) == 3\nassert clamp(1, 0, 3) == 1\nx = clamp(0, 0, 3)\nassert clamp(2, 0, 3) == 2"
    )
    wrong = await executor.grade("def clamp(x, low, high):\n    return {1: 1, 2: 2}[x]\n", given)
    assert passed(wrong) == [False, True, True]
    assert wrong.tests[0].actual == "raised KeyError: 5"


async def test_a_call_that_is_stopped_fails_its_tests_and_says_so(executor: Executor) -> None:
    given = suite("assert clamp(5, 0, 3) == 3\nassert clamp(1, 0, 3) == 1\n")
    given.limits.cpu_time.FromMilliseconds(200)
    wrong = await executor.grade("def clamp(x, low, high):\n    while x == 5: pass\n    return x\n", given)
    assert (wrong.outcome, passed(wrong)) == (core.OUTCOME_TIMED_OUT, [False, True])
    assert wrong.tests[0].outcome == core.OUTCOME_TIMED_OUT


async def test_no_test_swallows_a_stop(executor: Executor) -> None:
    hidden = "def check():\n    try:\n        return clamp(5, 0, 3)\n    except Exception:\n        return 3\nassert check() == 3\n"
    given = suite(hidden)
    given.limits.cpu_time.FromMilliseconds(200)
    assert passed(await executor.grade("def clamp(x, low, high):\n    while True: pass\n", given)) == [False]


NODE = "class Node:\n    def __init__(self, value, next=None):\n        self.value, self.next = value, next\n"
REVERSE = """def reverse(node):
    before = None
    while node:
        node.next, before, node = before, node, node.next
    return before
"""
LIST = NODE + "a = Node(1)\nb = Node(2, a)\nc = Node(3, b)\n"


async def test_object_graphs_keep_their_references_both_ways(executor: Executor) -> None:
    hidden = LIST + "head = reverse(c)\nassert head is a\nassert a.next is b and b.next is c and c.next is None\n"
    given = suite(hidden, REVERSE, ["reverse"])
    right = await executor.grade(REVERSE.replace("before", "done"), given)
    copying = """class Other: pass
def reverse(node):
    before = None
    while node:
        copy = Other()
        copy.value, copy.next = node.value, before
        before, node = copy, node.next
    return before
"""
    assert right.outcome == core.OUTCOME_PASSED
    assert passed(await executor.grade(copying, given)) == [False, False]


async def test_cycles_shared_parts_and_keys_cross(executor: Executor) -> None:
    reference = "def same(x):\n    return x\n"
    hidden = NODE + (
        "ring = Node(1)\nring.next = ring\nassert same(ring).next is ring\n"
        "inner = []\nboth = [inner, inner]\nassert same(both)[0] is same(both)[1] is inner\n"
        "inner.append(both)\nassert same(both)[0][0] is both\n"
        "table = {(ring, 1): {ring}}\nassert same(table)[ring, 1] == {ring}\n"
        "assert same((1, 2.5, 'a', b'b', None, {1}, frozenset([2]), 2**90)) == (1, 2.5, 'a', b'b', None, {1}, frozenset([2]), 2**90)\n"
    )
    assert (await executor.grade(reference, suite(hidden, reference, ["same"]))).outcome == core.OUTCOME_PASSED


async def test_what_a_call_does_to_its_arguments_is_seen(executor: Executor) -> None:
    reference = "def drop(items, x):\n    items.remove(x)\n    return items\n"
    hidden = "items = [1, 2, 3]\nassert drop(items, 2) is items\nassert items == [1, 3]\n"
    given = suite(hidden, reference, ["drop"])
    assert (await executor.grade(reference, given)).outcome == core.OUTCOME_PASSED
    copying = "def drop(items, x):\n    return [item for item in items if item != x]\n"
    assert passed(await executor.grade(copying, given)) == [False, False]


async def test_a_generator_arrives_as_an_iterator(executor: Executor) -> None:
    reference = "def flat(x):\n    for y in x:\n        yield from y\n"
    hidden = "assert list(flat([[1], [2, 3]])) == [1, 2, 3]\nassert next(flat([[7]])) == 7\n"
    given = suite(hidden, reference, ["flat"])
    assert (await executor.grade(reference, given)).outcome == core.OUTCOME_PASSED
    endless = "def flat(x):\n    while True:\n        yield 1\n"
    assert passed(await executor.grade(endless, given)) == [False, False]


async def test_helpers_of_the_module_are_the_reference_solutions(executor: Executor) -> None:
    """A submission cannot weaken the tests by another helper than the right one."""
    reference = "def encode(s):\n    return s[::-1]\ndef decode(s):\n    return s[::-1]\n"
    given = suite("assert decode(encode('abc')) == 'abc'\n", reference, ["decode"])
    cheat = "def encode(s):\n    return s\ndef decode(s):\n    return s\n"
    assert (await executor.grade(reference, given)).outcome == core.OUTCOME_PASSED
    assert passed(await executor.grade(cheat, given)) == [False]


async def test_random_tests_are_the_same_for_the_same_seed(executor: Executor) -> None:
    hidden = (
        "import random\nfor _ in range(3):\n    x = random.randint(0, 10**9)\n    assert clamp(x, 0, 2 * 10**9) == x\n"
    )
    tell = "def clamp(x, low, high):\n    return str(x)\n"
    told = [(await executor.grade(tell, suite(hidden, seed=seed))).tests[0].actual for seed in (1, 1, 2)]
    assert told[0] == told[1] != told[2]


async def test_answers_may_lead_the_tests_elsewhere(executor: Executor) -> None:
    """Another right answer than the reference's: what is called next depends on it."""
    reference = "def pick(items):\n    return items[0]\n"
    hidden = "items = [3, 1, 2]\nwhile items:\n    x = pick(items)\n    assert x in items\n    items.remove(x)\nassert not items\n"
    given = suite(hidden, reference, ["pick"])
    other = await executor.grade("def pick(items):\n    return items[-1]\n", given)
    assert other.outcome == core.OUTCOME_PASSED
    wrong = await executor.grade("def pick(items):\n    return items[-1] if len(items) > 1 else 0\n", given)
    assert wrong.outcome == core.OUTCOME_TESTS_FAILED


async def test_answers_that_never_come_to_an_end_fail(executor: Executor) -> None:
    reference = "def more(n):\n    return n < 3\n"
    given = suite("n = 0\nwhile more(n):\n    n += 1\nassert n == 3\n", reference, ["more"])
    assert (await executor.grade(reference, given)).outcome == core.OUTCOME_PASSED
    assert passed(await executor.grade("def more(n):\n    return True\n", given)) == [False]


UNITTEST = """
import unittest
from mod import clamp, LIMIT

class TestClamp(unittest.TestCase):
    def setUp(self):
        self.low = 0
    def test_low(self):
        self.assertEqual(clamp(-1, self.low, LIMIT), 0)
    def test_high(self):
        for x in (4, 9):
            with self.subTest(x=x):
                self.assertEqual(clamp(x, self.low, LIMIT), 3)
    def test_order(self):
        with self.assertRaisesRegex(ValueError, "turned"):
            clamp(1, 3, 0)

if __name__ == "__main__":
    unittest.main()
"""
CHECKED = "LIMIT = 3\ndef clamp(x, low, high):\n    if low > high:\n        raise ValueError('turned')\n    return min(max(x, low), high)\n"


async def test_unittest_classes(executor: Executor) -> None:
    given = suite(UNITTEST, CHECKED, style=wire.TEST_STYLE_FUNCTIONS, module="mod")
    right = await executor.grade(CHECKED, given)
    assert (right.outcome, [test.name for test in right.tests]) == (
        core.OUTCOME_PASSED,
        ["hidden TestClamp.test_low", "hidden TestClamp.test_high", "hidden TestClamp.test_order"],
    )
    assert passed(await executor.grade(CLAMP, given)) == [True, True, False]
    assert passed(await executor.grade("def clamp(x, low, high):\n    return max(x, low)\n", given)) == [
        True,
        False,
        False,
    ]


PYTEST = """
import pytest
import mod

@pytest.mark.parametrize("x, wanted", [(-1, 0), (2, 2), (9, 3)])
def test_values(x, wanted):
    assert mod.clamp(x, 0, 3) == wanted

class TestErrors:
    def test_order(self):
        with pytest.raises(ValueError, match="turned") as caught:
            mod.clamp(1, 3, 0)
        assert "turned" in str(caught.value)

def test_close():
    assert mod.clamp(0.1 + 0.2, 0, 3) == pytest.approx(0.3)
"""


async def test_pytest_functions(executor: Executor) -> None:
    given = suite(PYTEST, CHECKED, style=wire.TEST_STYLE_FUNCTIONS, module="mod")
    assert passed(await executor.grade(CHECKED, given)) == [True, True, True]
    assert passed(await executor.grade(CLAMP, given)) == [True, False, True]


SECRET = "assert clamp(5, 0, 3) == 3, 'sesame'\nassert clamp(1, 0, 3) == 1\n"
SPY = """
import gc, os, sys
def clamp(x, low, high):
    mark = "ses" + "ame"
    found = [name for name in sys.modules if name.startswith(("codearena", "pytest"))]
    frame = sys._getframe(1)
    while frame is not None:
        found += [1 for value in frame.f_locals.values() if mark in str(value)[:100_000]]
        frame = frame.f_back
    found += [1 for thing in gc.get_objects() if isinstance(thing, (dict, list)) and mark in str(thing)[:100_000]]
    return f"found {len(found)}"
"""


async def test_test_code_never_enters_the_sandbox_of_a_submission(executor: Executor) -> None:
    response = await executor.grade(SPY, suite(SECRET))
    assert [test.actual for test in response.tests] == ["returned 'found 0'"] * 2


CHEATS = {
    "an object that equals everything": "class All:\n    def __eq__(self, other): return True\n    def __init__(self): self.a = 1\ndef clamp(*a): return All()\n",
    "a class that equals everything": "class Meta(type):\n    def __eq__(self, o): return True\n    __hash__ = None\nclass All(metaclass=Meta): pass\ndef clamp(*a): return All\n",
    "an int that equals everything": "class All(int):\n    def __eq__(self, other): return True\ndef clamp(*a): return All(7)\n",
    "exit": "import os\ndef clamp(*a): os._exit(0)\n",
    "system exit": "def clamp(*a): raise SystemExit(0)\n",
    "an assertion that passes": "def clamp(*a): raise AssertionError\n",
    "a skip": "import unittest\ndef clamp(*a): raise unittest.SkipTest('no')\n",
    "names of the harness": "Node = dict\nSubmissionError = Exception\ndef clamp(*a): raise KeyboardInterrupt\n",
    "a flood": "def clamp(*a):\n    print('x' * 10**7)\n",
    "a deep list": "def clamp(*a):\n    x = []\n    for _ in range(10**5): x = [x]\n    return x\n",
    "a big set of one hash": "def clamp(*a): return {i * (2**61 - 1) for i in range(3000)}\n",
}


@pytest.mark.parametrize("cheat", CHEATS)
@pytest.mark.parametrize("style", ["asserts", "unittest"])
async def test_a_cheat_passes_nothing(executor: Executor, cheat: str, style: str) -> None:
    given = (
        suite(SECRET) if style == "asserts" else suite(UNITTEST, CHECKED, style=wire.TEST_STYLE_FUNCTIONS, module="mod")
    )
    response = await executor.grade(CHEATS[cheat], given)
    assert response.outcome != core.OUTCOME_PASSED
    assert not any(passed(response)), [(test.name, test.actual) for test in response.tests]


@pytest.mark.parametrize(
    "graph",
    [
        "{}", "[]", "null", '{"root":{"ref":99},"nodes":[]}', '{"root":1}', '{"root":3,"nodes":[{"tuple":[]},{"dict":[]}]}',
        '{"root":{"object":["TestCase",[]]},"nodes":[]}', '{"root":{"ref":3},"nodes":[{"dict":[]},{"tuple":[]},{"dict":[]},{"tuple":[{"ref":3}]}]}',
        '{"root":{"ref":3},"nodes":[{"dict":[]},{"tuple":[]},{"dict":[]},{"object":["Ledger",[["point",3]]]}]}', "nonsense",
    ],
)  # fmt: skip
async def test_a_forged_graph_is_a_wrong_answer(executor: Executor, graph: str) -> None:
    """The program writes the frame that its process would have written, with what it likes in it."""
    forge = f"""
import gc, os, struct, sys
def clamp(*a):
    payload = {graph!r}.encode()
    frame = sys._getframe()
    while "channel" not in frame.f_locals:
        frame = frame.f_back
    channel, number = frame.f_locals["channel"], frame.f_locals["number"]
    told = struct.pack(">cI", b"V", number) + payload
    os.write(channel, struct.pack(">I", len(told)) + told)
    while True: pass
"""
    given = suite(SECRET)
    given.limits.cpu_time.FromMilliseconds(300)
    response = await executor.grade(forge, given)
    assert response.outcome != core.OUTCOME_PASSED
    assert not any(passed(response)), [(test.name, test.actual) for test in response.tests]


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"hidden": "assert clamp(1, 0, 3) == 2"}, "it fails the test 'assert clamp"),
        ({"hidden": "x = clamp(1, 0, 3)"}, "reaches none of the tests"),
        ({"hidden": "raise ValueError\nassert clamp(1, 0, 3) == 1"}, None),
        ({"hidden": "while True: clamp(1, 0, 3)\nassert clamp(1, 0, 3)"}, "more than 2000 calls"),
        ({"hidden": "assert clamp(lambda: 1, 0, 3)"}, "an argument is of type function"),
        ({"hidden": "def"}, "suite.tests.hidden"),
        ({"functions": []}, "suite.functions"),
        ({"functions": ["a b"]}, "suite.functions"),
        ({"module": "a-b"}, "suite.tests.module"),
    ],
)
async def test_tests_that_prove_nothing_are_refused(executor: Executor, change: dict, why: str | None) -> None:
    call = executor.grade(CLAMP, suite(**{"hidden": "assert clamp(1, 0, 3) == 1", **change}))
    if why is None:
        assert (await call).outcome == core.OUTCOME_PASSED
        return
    error = await refused(call)
    assert error.reason == "INVALID_FIELD"
    assert re.search(why, error.message), error.message
