"""From gradings to a verdict on a task."""

import pytest

from codearena import (
    Complexity,
    Efficiency,
    Grade,
    JudgeProvenance,
    JudgeSource,
    Outcome,
    ResourceUsage,
    RewardBreakdown,
    SandboxBackend,
    Violations,
)
from services.env.quarantine import Limits
from services.standalone.figures import figures, verdict
from services.standalone.regrade import Plan, Regrading

LIMITS = Limits(flake_rate=0.0, deviation=0.005, runs=20, burners=4)


def grade(reward=0.99, outcome=Outcome.PASSED, passed=3, exponent=None, ratio=1.0):
    return Grade(
        reward=reward,
        breakdown=RewardBreakdown({}, {}, {}, "default", {}),
        outcome=outcome,
        tests_passed=passed,
        tests_total=3,
        error_log="",
        test_results=(),
        judge_source=JudgeSource.STATIC,
        judge=JudgeProvenance(JudgeSource.STATIC),
        violations=Violations(False, 0, (), 0, 0, False),
        usage=ResourceUsage(0.0, 0.0, 0),
        backend=SandboxBackend.PROCESS,
        complexity=Complexity("", "", ""),
        efficiency=Efficiency(1.0, exponent, 1.0, ratio, "", 0) if outcome is Outcome.PASSED else None,
        cached=False,
    )


def half_loaded(grades):
    return [Regrading(loaded=number % 2 == 1, grade=one) for number, one in enumerate(grades)]


def judged(found, limits=LIMITS, refusals=None):
    return verdict([found], limits, refusals or {})


def test_steady_gradings_are_certified():
    found = figures("reference", half_loaded([grade()] * 20))
    assert (found.gradings, found.failures, found.flakes, found.flake_rate) == (20, 0, 0, 0.0)
    assert (found.outcome, found.tests_passed, found.tests_total) == ("PASSED", 3, 3)
    assert (found.idle.count, found.loaded.count, found.reward.deviation) == (10, 10, 0.0)
    assert judged(found) == ("certified", ())


def test_idle_and_loaded_are_told_apart():
    found = figures("reference", half_loaded([grade(0.99), grade(0.93)] * 10))
    assert (found.idle.mean, found.loaded.mean) == (pytest.approx(0.99), pytest.approx(0.93))
    assert (found.idle.deviation, found.loaded.deviation) == (0.0, 0.0)
    assert (found.reward.lowest, found.reward.highest) == (0.93, 0.99)
    assert found.reward.deviation == pytest.approx(0.03)


def test_a_reward_that_varies_is_a_failure_with_its_reason():
    found = figures("slow", half_loaded([grade()] * 19 + [grade(0.93)]))
    word, (reason,) = judged(found)
    assert word == "failed"
    assert reason == "slow: the reward's standard deviation is 0.0131, from 0.930 to 0.990 (at most 0.005)"
    assert judged(found, LIMITS.model_copy(update={"deviation": 0.02})) == ("certified", ())


@pytest.mark.parametrize(
    "other",
    [grade(outcome=Outcome.TIMED_OUT, passed=1), grade(outcome=Outcome.TESTS_FAILED, passed=2)],
    ids=["outcome", "tests"],
)
def test_what_differs_from_most_gradings_is_a_flake(other):
    usual = grade(outcome=Outcome.TESTS_FAILED, passed=1)
    found = figures("bug", half_loaded([usual] * 18 + [other] * 2))
    assert (found.flakes, found.flake_rate) == (2, 0.1)
    word, (reason, *_) = judged(found)
    assert word == "failed"
    assert reason.startswith("bug: 2 of 20 gradings differ from tests failed with 1 of 3 tests (flake rate 0.100")
    assert judged(found, LIMITS.model_copy(update={"flake_rate": 0.1, "deviation": 1.0})) == ("certified", ())


def test_a_failure_of_the_arena_is_no_flake():
    down = [Regrading(loaded=loaded, failed="UNAVAILABLE: down") for loaded in (False, True)]
    found = figures("reference", half_loaded([grade()] * 18) + down)
    assert (found.gradings, found.failures, found.flakes) == (18, 2, 0)
    assert found.reward.deviation == 0.0
    assert judged(found) == ("certified", ())


@pytest.mark.parametrize("loaded", [False, True], ids=["idle", "loaded"])
@pytest.mark.parametrize(("graded", "word"), [(5, "certified"), (4, "unmeasured")])
def test_too_few_gradings_of_one_kind_leave_a_task_unmeasured(loaded, graded, word):
    down = [Regrading(loaded, failed="UNAVAILABLE: down")] * (10 - graded)
    steady = [*[Regrading(loaded, grade())] * graded, *[Regrading(not loaded, grade())] * 10]
    found, reasons = judged(figures("reference", [*steady, *down]))
    assert found == word
    assert reasons == (() if graded == 5 else ("reference: the arena failed in 6 of 20 gradings",))


def test_nothing_but_failures_leaves_a_task_unmeasured():
    found = figures("reference", [Regrading(loaded=False, failed="UNAVAILABLE: down")] * 20)
    assert (found.outcome, found.reward, found.flake_rate) == ("", None, 0.0)
    assert judged(found)[0] == "unmeasured"


def test_a_refused_task_fails():
    refused = [Regrading(loaded=False, refused="the reference fails the case 'three'")]
    found = figures("reference", half_loaded([grade()] * 19) + refused)
    assert found.flakes == 1
    word, reasons = judged(found, LIMITS.model_copy(update={"flake_rate": 1.0}), {"reference": "it fails"})
    assert (word, reasons) == ("failed", ("reference: refused: it fails",))


def test_cost_is_told_as_ratio_and_excess():
    grades = [grade(exponent=1.5, ratio=2.0), grade(exponent=1.7, ratio=4.0), grade(ratio=None)]
    found = figures("slow", half_loaded(grades))
    assert (found.cpu_ratio.lowest, found.cpu_ratio.highest, found.cpu_ratio.count) == (2.0, 4.0, 2)
    assert (found.excess.lowest, found.excess.highest) == (pytest.approx(0.5), pytest.approx(0.7))


@pytest.mark.parametrize("runs", [2, 3, 4, 5, 20, 21, 99, 100])
def test_half_of_the_gradings_are_under_load_and_both_alternate(runs):
    blocks = Plan(runs, burners=1).blocks()
    assert sum(count for _, count in blocks) == runs
    assert sum(count for loaded, count in blocks if loaded) == runs // 2
    assert [loaded for loaded, _ in blocks] == [False, True] * (len(blocks) // 2)
    assert all(count > 0 for _, count in blocks)
