"""Tasks proven in real sandboxes, and tests whose strength is measured."""

import json

import pytest

from services.authoring.check.cheats import cheats
from services.authoring.check.proof import Terms, prove
from services.authoring.mutation import mutants
from services.authoring.sandboxes import sandboxes
from services.env.catalogue import load_catalogue
from tests.task_files import write_double

SLOW = "return sum(x for _ in range(2))"
QUICK = Terms(seeds=1, mutants=0)


@pytest.fixture(scope="module")
async def boxes():
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CODEARENA_SANDBOX_BACKEND", "process")
        async with sandboxes() as found:
            yield found


@pytest.fixture
def proof(tmp_path, boxes):
    """Proves one task."""

    async def run(*replacements, growth=False, terms=QUICK):
        (task,) = load_catalogue([write_double(tmp_path / "tasks", *replacements, growth=growth)])
        return await prove(task, boxes, terms)

    return run


async def test_a_good_task_is_proven(proof):
    found = await proof()
    assert found.problems == ()
    assert found.bug == "tests failed, 0/2 tests"
    assert found.reference == "passed, 2/2 tests, efficiency 1.00"
    assert found.slow == {"slow": "passed, 2/2 tests, efficiency 1.00"}


@pytest.mark.parametrize(
    ("replacement", "problem"),
    [
        (("return x + 1", "return x + x"), "the buggy code passes with full efficiency"),
        (("return 2 * x", "return 3 * x"), "INVALID_ARGUMENT"),
        ((SLOW, "return x"), "the slow solution 'slow' does not pass: tests failed, 0/2 tests"),
        (("return x + 1", "return 4 * x if x == 3 else 2 * x"), "no hidden test notices the bug"),
        (("call: double(5)", "call: double(3)"), "a program that knows the visible cases by heart passes"),
        (
            (
                "return 2 * x",
                "import time\n      end = time.process_time() + 1.2\n      while time.process_time() < end: pass\n"
                "      return 2 * x",
            ),
            "s of CPU time for a test that may take 2 s",
        ),
    ],
    ids=["bug", "reference", "slow", "hidden", "by heart", "too dear"],
)
async def test_what_is_wrong_with_a_task_is_told(proof, replacement, problem):
    extra = (("    expected: 10", "    expected: 6"),) if "double(3)" in replacement[1] else ()
    found = await proof(replacement, *extra)
    assert found.problems
    assert any(problem in said for said in found.problems), found.problems


FLAKY = """\
draws:
  - name: any
    count: 4
    inputs: x = rng.randint(0, 9)
    call: double(x)
"""


async def test_a_reference_that_flakes_on_some_seeds_is_told(proof):
    unseeded = "import random\n      return 2 * x if x in (3, 5) or random.random() < 0.5 else 0"
    found = await proof(("return 2 * x", unseeded), ("cases:", FLAKY + "cases:"), terms=Terms(seeds=20, mutants=0))
    assert "does not pass with full efficiency (seed" in found.problems[0]


async def test_where_inputs_grow_a_slow_solution_must_be_slow(proof):
    found = await proof((SLOW, "return x + x"), growth=True)
    assert found.problems == ("the slow solution 'slow' passes with full efficiency",)
    # takes 400 steps of the interpreter for one: more than the six times that still earn everything
    found = await proof((SLOW, "return max(x + x for _ in range(400))"), growth=True)
    assert found.problems == ()
    assert found.slow["slow"].startswith("passed, 3/3 tests, efficiency 0.")


ABSOLUTE = "return -x if x < 0 else x"
WEAK = (
    ("return 2 * x", ABSOLUTE),
    (SLOW, ABSOLUTE),
    ("expected: 6", "expected: 3"),
    ("expected: 10", "expected: 5"),
)


async def test_mutants_that_no_test_notices_are_named(proof):
    found = await proof(*WEAK, terms=Terms(seeds=1))
    assert found.strength.share < 0.85
    assert any("`-x` -> `x`" in label for label in found.strength.survivors), found.strength.survivors
    assert found.strength.killed + len(found.strength.survivors) == found.strength.graded
    assert "its tests notice" in found.problems[0]
    assert found.strength.survivors[0] in found.problems[0]


async def test_strong_tests_notice_all_but_what_is_equivalent(proof):
    cases = "".join(f"  - name: of {x}\n    call: double({x})\n    expected: {abs(x)}\n" for x in (-1, 0.5))
    more = ("  - name: five", cases + "  - name: five")
    zero = next(mutant.label for mutant in mutants(f"def double(x):\n    {ABSOLUTE}\n") if "x <= 0" in mutant.after)
    listed = ("cases:", f"equivalent:\n  {json.dumps(zero)}: minus zero is zero\ncases:")
    found = await proof(*WEAK, more, listed, terms=Terms(seeds=1))
    assert found.problems == ()
    assert (found.strength.equivalent, found.strength.stale) == (1, ())


@pytest.mark.parametrize("label", ["no mutant of that name", "killed"])
async def test_a_stale_entry_among_the_equivalent_is_told(proof, label):
    if label == "killed":
        label = mutants("def double(x):\n    return 2 * x\n")[0].label
    found = await proof(("cases:", f"equivalent:\n  {json.dumps(label)}: so it seemed\ncases:"), terms=Terms(seeds=1))
    assert found.strength.stale == (label,)
    assert "listed as equivalent" in found.problems[0]


def test_a_cheat_by_size_is_right_for_the_sizes_of_visible_cases_only(tmp_path):
    folder = write_double(tmp_path, ("double(3)", "double('ab')"), ("expected: 6", "expected: abab"))
    (task,) = load_catalogue([folder])
    scope = {}
    exec(cheats(task)["sizes of visible cases"], scope)
    assert scope["double"]("xy") == "xyxy"
    with pytest.raises(TypeError):
        scope["double"]("xyz")


def test_the_command_ends_with_a_status_and_one_document(command, tmp_path):
    status, stdout, stderr = command("tasks", "check", write_double(tmp_path), "--json", "--seeds", 2)
    assert status == 0, stderr
    document = json.loads(stdout)
    (proven,) = document["tasks"]
    assert (proven["task_id"], proven["problems"]) == ("double-1", [])
    assert document["summary"]["all"]["share"] == 1.0
    assert "ok   double-1: bug: tests failed" in stderr
    assert "1 of 1 tasks proven" in stderr
    status, stdout, stderr = command("tasks", "check", write_double(tmp_path, ("function: double", "function: triple")))
    assert (status, stdout) == (2, "")
    assert "does not define 'triple'" in stderr


def test_weak_tests_give_status_1(command, tmp_path):
    status, _, stderr = command("tasks", "check", write_double(tmp_path, *WEAK), "--seeds", 1)
    assert status == 1
    assert "0 of 1 tasks proven" in stderr
