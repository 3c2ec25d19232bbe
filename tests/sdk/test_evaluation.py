"""Figures of evaluations from rollouts whose figures are known, and files of them that are damaged."""

import json
from math import comb

import pytest

from codearena.evaluation import Answer, Rollout, RolloutFile, RolloutFileError, Turn, compare, read_rollouts, summarise
from codearena.plots.series import solved_by_turn
from codearena.reward_log import LoggedStep


def turn(number, reward, *, passed=False, repeated=False):
    return Turn(
        number=number,
        at="2026-01-01T00:00:00+00:00",
        answer=Answer.GRADED,
        reply="",
        code="x",
        method="m",
        reward=reward,
        outcome="PASSED" if passed else "TESTS_FAILED",
        tests_passed=1,
        tests_total=2,
        penalties={"repeat_penalty": 0.1 if repeated else 0.0},
    )


def rollout(task, sample, *turns, failure="", category="logic"):
    return Rollout(task, sample, category, "EASY", turns, failure)


def solved(task, sample):
    return rollout(task, sample, turn(1, 0.9, passed=True))


def unsolved(task, sample):
    return rollout(task, sample, turn(1, 0.3))


def test_pass_at_k_is_unbiased():
    rollouts = [solved("a", n) if n < 3 else unsolved("a", n) for n in range(8)]
    rollouts += [unsolved("b", n) for n in range(8)]
    found = summarise(rollouts).pass_at
    assert list(found) == [1, 2, 4, 8]
    for k, share in found.items():
        assert share.mean == pytest.approx((1 - comb(5, k) / comb(8, k)) / 2)


def test_turns_repeats_categories_and_failures():
    rollouts = [
        rollout("a", 0, turn(1, 0.2), turn(2, 0.1, repeated=True), turn(3, 0.8, passed=True)),
        rollout("b", 0, turn(1, 0.4), category="syntax"),
        rollout("c", 0, category="syntax"),
        rollout("d", 0, failure="arena: down"),
        rollout("e", 0, failure="arena: down"),
    ]
    found = summarise(rollouts)
    assert (found.tasks, found.rollouts, found.failed) == (3, 3, {"arena: down": 2})
    assert found.reward.mean == pytest.approx((0.8 + 0.4 + 0) / 3)
    assert found.first_reward.mean == pytest.approx((0.2 + 0.4 + 0) / 3)
    assert found.solved_by_turn == pytest.approx([0, 0, 1 / 3])
    assert found.by_category == pytest.approx({"logic": 0.8, "syntax": 0.2})
    assert found.repeat_rate == 0.25


def test_figures_do_not_depend_on_the_order():
    rollouts = [rollout(f"t{n}", s, turn(1, (n * 7 + s) % 10 / 10)) for n in range(10) for s in range(3)]
    assert summarise(rollouts) == summarise(rollouts[::-1])


def test_tasks_weigh_the_same_however_often_they_were_played():
    found = summarise([solved("a", 0), *(unsolved("b", n) for n in range(9))])
    assert found.solved.mean == 0.5


def test_an_interval_needs_two_tasks_and_holds_the_mean():
    one = summarise([solved("a", 0), unsolved("a", 1)]).solved
    assert (one.mean, one.low, one.high) == (0.5, None, None)
    many = summarise([rollout(f"t{n}", 0, turn(1, n / 100)) for n in range(100)]).reward
    assert many.low < many.mean < many.high
    # a uniform distribution has a standard deviation of 0.289: the mean of a hundred is good to 0.057 either way
    assert many.high - many.low == pytest.approx(0.113, abs=0.01)


def test_nothing_that_counts_is_no_zero():
    with pytest.raises(ValueError, match="no rollout counts"):
        summarise([rollout("a", 0, failure="arena: down")])


def test_a_clear_difference_and_none():
    worse = [rollout(f"t{n}", 0, turn(1, 0.3 + n / 1000)) for n in range(20)]
    better = [rollout(f"t{n}", 0, turn(1, 0.5 + n / 1000)) for n in range(20)]
    found = compare(worse, better)
    assert found.reward.difference.mean == pytest.approx(0.2)
    assert found.reward.p_value < 0.001
    assert (found.better, found.worse, found.equal) == (20, 0, 0)
    swinging = [rollout(f"t{n}", 0, turn(1, 0.3 + n / 1000 + (0.1 if n % 2 else -0.1))) for n in range(20)]
    found = compare(worse, swinging)
    assert found.reward.p_value > 0.9
    assert (found.better, found.worse, found.equal) == (10, 10, 0)


def test_only_common_tasks_are_compared():
    found = compare([solved("a", 0), solved("b", 0)], [unsolved("b", 0), unsolved("c", 0)])
    assert (found.tasks, found.only_a, found.only_b) == (1, ["a"], ["c"])
    with pytest.raises(ValueError, match="no task"):
        compare([solved("a", 0)], [solved("b", 0)])


def test_a_file_holds_what_was_written(tmp_path):
    path = tmp_path / "rollouts.jsonl"
    with RolloutFile(path, {"seed": 1}) as file:
        file.write(solved("a", 0))
        file.write(rollout("b", 0, failure="arena: down"))
    with RolloutFile(path, {"seed": 1}) as file:
        assert [found.key for found in file.finished] == [("a", 0)]
        file.write(unsolved("b", 0))
    recorded = read_rollouts(tmp_path)
    assert recorded.settings == {"seed": 1}
    assert recorded.rollouts == (solved("a", 0), unsolved("b", 0))


def test_charts_keep_concurrent_episodes_of_a_task_apart():
    steps = [
        LoggedStep("t", step, 0.5, f"2026-01-01T00:00:{10 * step + number}", episode_id=f"e{number}", outcome=outcome)
        for step, outcome in ((1, "TESTS_FAILED"), (2, "PASSED"))
        for number in range(8)
    ]
    assert solved_by_turn(steps) == [0.0, 1.0]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("{", "line 2: no rollout"),
        ("[]", "rollout: must be an object"),
        ('{"task_id": "a"}', "rollout: sample is missing"),
        ('{"surprise": 1}', "rollout: unknown field 'surprise'"),
    ],
)
def test_a_damaged_line_is_named(tmp_path, line, said):
    path = tmp_path / "rollouts.jsonl"
    path.write_text(json.dumps({"format": 1, "settings": {}}) + f"\n{line}\n")
    with pytest.raises(RolloutFileError, match=said):
        read_rollouts(path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no line of it is whole"),
        ("nothing\n", "line 1: not JSON"),
        ("{}\n", "this is no file of rollouts"),
        ('{"format": 2, "settings": {}}\n', "its format is 2"),
    ],
)
def test_another_file_is_refused(tmp_path, text, said):
    path = tmp_path / "rollouts.jsonl"
    path.write_text(text)
    with pytest.raises(RolloutFileError, match=said):
        read_rollouts(path)
