"""Random inputs: drawn on our side, answered by the reference, the same for the same seed."""

import re

import pytest

from codearena.v1 import core_pb2 as core
from codearena.v1 import executor_service_pb2 as wire
from tests.executor.conftest import Executor, refused

TOP = "def top(numbers, k):\n    return sorted(numbers, reverse=True)[:k]\n"
INPUTS = "numbers = [rng.randint(-99, 99) for _ in range(case + 2)]\nk = rng.randint(0, len(numbers))\nscratch = 'x'\n"


def suite(seed=0, *, reference=TOP, inputs=INPUTS, call="top(numbers, k)", names=("k", "numbers"), **draw):
    case = wire.Case(name="fixed", call="top([3, 1, 2], 2)", expected_literal="[3, 2]")
    drawn = wire.Draw(name="any", count=6, inputs=inputs, names=names, call=call, **draw)
    return wire.Suite(cases=[case], draws=[drawn], draw_seed=seed, reference_code=reference)


async def test_a_right_program_passes_every_drawn_test(executor: Executor) -> None:
    response = await executor.grade("def top(n, k):\n    n = sorted(n)\n    return n[::-1][:k]\n", suite())
    assert response.outcome == core.OUTCOME_PASSED
    assert [test.name for test in response.tests] == ["fixed", *(f"any {number}" for number in range(1, 7))]
    assert [test.hidden for test in response.tests] == [False] + [True] * 6
    assert response.efficiency.score == 1.0


async def test_a_program_that_knows_the_fixed_cases_fails(executor: Executor) -> None:
    response = await executor.grade("def top(numbers, k):\n    return [3, 2]\n", suite())
    assert response.outcome == core.OUTCOME_TESTS_FAILED
    assert response.tests[0].passed
    assert not any(test.passed for test in response.tests[1:])


TELL = "def top(numbers, k):\n    return [numbers, k, 'told']\n"


async def inputs_of(executor: Executor, seed: int) -> list[str]:
    response = await executor.grade(TELL, suite(seed))
    return [test.actual for test in response.tests[1:]]


async def test_the_same_seed_draws_the_same_and_another_one_others(executor: Executor) -> None:
    one, again, other = [await inputs_of(executor, seed) for seed in (7, 7, 8)]
    assert one == again
    assert len(set(one + other)) == 12


async def test_values_of_every_plain_type_arrive_as_they_were_drawn(executor: Executor) -> None:
    inputs = (
        (
            "value = [nan, -inf, 2**80, -0.0, 'é\\ud800', b'\\xff', True, None, (1, (2,)), {1, 2}, frozenset('a'), "
            "{(1, 2): [3], 'k': {}}, range(3), 1 + 2j]\n"
        )
        .replace("nan", "float('nan')")
        .replace("inf", "float('inf')")
    )
    same = "def same(value):\n    return repr(value)\n"
    given = suite(reference=same, inputs=inputs, call="same(value)", names=["value"])
    given.cases[0].call, given.cases[0].expected_literal = "same(1)", "'1'"
    response = await executor.grade(same, given)
    assert response.outcome == core.OUTCOME_PASSED, [test.actual for test in response.tests]


async def test_an_exception_of_the_reference_is_expected_of_others(executor: Executor) -> None:
    reference = (
        "class Odd(ValueError):\n    pass\n\n\ndef top(numbers, k):\n    if k:\n        raise Odd\n    return []\n"
    )
    given = suite(reference=reference)
    given.cases[0].raises = "ValueError"
    right = await executor.grade("def top(numbers, k):\n    if k:\n        raise ValueError\n    return []\n", given)
    wrong = await executor.grade("def top(numbers, k):\n    if k:\n        raise TypeError\n    return []\n", given)
    assert right.outcome == core.OUTCOME_PASSED
    assert wrong.outcome == core.OUTCOME_TESTS_FAILED


async def test_inputs_that_a_program_changes_are_drawn_anew_for_the_next(executor: Executor) -> None:
    greedy = (
        "def top(numbers, k):\n    answer = sorted(numbers, reverse=True)[:k]\n    numbers.clear()\n    return answer\n"
    )
    assert (await executor.grade(greedy, suite())).outcome == core.OUTCOME_PASSED
    seen = suite(call="(top(numbers, k), numbers)")
    assert (await executor.grade(greedy, seen)).outcome == core.OUTCOME_TESTS_FAILED


async def test_setup_runs_with_the_drawn_values(executor: Executor) -> None:
    given = suite(call="top(doubled, k)", setup="doubled = [2 * number for number in numbers]")
    assert (await executor.grade(TOP, given)).outcome == core.OUTCOME_PASSED


async def test_what_draws_never_enters_the_sandbox_of_a_submission(executor: Executor) -> None:
    """It looks in every frame, module and object that it can reach."""
    spy = """
import gc, sys
def top(numbers, k):
    mark = "scr" + "atch"
    found = [name for name in sys.modules if name.startswith("codearena")]
    frame = sys._getframe(1)
    while frame is not None:
        found += [str(value) for value in frame.f_locals.values() if mark in str(value)[:100_000]]
        frame = frame.f_back
    found += [thing for thing in gc.get_objects() if isinstance(thing, dict) and mark in thing]
    return f"found {len(found)}"
"""
    response = await executor.grade(spy, suite())
    assert {test.actual for test in response.tests} == {"'found 0'"}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"inputs": "numbers = [1]"}, "does not bind 'k'"),
        ({"inputs": "numbers = k = 1 / 0"}, "ZeroDivisionError"),
        ({"inputs": "numbers = k = open"}, "cannot leave its process"),
        ({"inputs": "numbers = k = object()"}, "cannot leave its process|has no attributes"),
        ({"inputs": "while True: pass"}, "time limit"),
        (
            {"reference": "def top(numbers, k):\n    return [3, 2] if numbers == [3, 1, 2] else object()\n"},
            "of type object",
        ),
        ({"names": ()}, "suite.draws\\[0\\].names"),
        ({"names": ["a b"]}, "suite.draws\\[0\\].names"),
        ({"call": " "}, "suite.draws\\[0\\].call"),
        ({"checker": "vague"}, "suite.draws\\[0\\].checker"),
    ],
)
async def test_draws_that_cannot_be_made_are_refused(executor: Executor, change: dict, why: str) -> None:
    error = await refused(executor.grade(TOP, suite(**change)))
    assert error.reason == "INVALID_FIELD"
    assert re.search(why, error.message), error.message


@pytest.mark.parametrize("count", [0, 101])
async def test_a_draw_has_a_bounded_number_of_tests(executor: Executor, count: int) -> None:
    given = suite()
    given.draws[0].count = count
    assert "suite.draws[0].count" in (await refused(executor.grade(TOP, given))).message


async def test_modules_can_be_imported_by_program_reference_and_setup(executor: Executor) -> None:
    given = suite(setup="import units; k = min(k, units.most())", reference="import units\n" + TOP)
    given.modules["units"] = "from limits_ import MOST\ndef most():\n    return MOST\n"
    given.modules["limits_"] = "MOST = 3\n"
    program = "from units import most\n" + TOP
    assert (await executor.grade(program, given)).outcome == core.OUTCOME_PASSED
    failed = await executor.grade("import nothing_of_that_name\n" + TOP, given)
    assert failed.outcome == core.OUTCOME_COMPILE_ERROR


@pytest.mark.parametrize("name", ["fix", "a-b", ""])
async def test_a_module_has_a_name_of_its_own(executor: Executor, name: str) -> None:
    given = suite()
    given.modules[name] = ""
    assert "suite.modules" in (await refused(executor.grade(TOP, given))).message
