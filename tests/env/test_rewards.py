"""The reward's formula, number by number."""

import itertools

import pytest

from services.env.rewards import (
    COMPONENTS,
    PROFILES,
    Profile,
    RewardMode,
    Score,
    contributions,
    improvement,
    in_mode,
    reward,
)

DEFAULT = PROFILES["default"]
WEIGHTS = {
    "compile_score": 0.15,
    "test_pass_ratio": 0.35,
    "efficiency_score": 0.30,
    "llm_correctness": 0.10,
    "llm_security": 0.05,
    "llm_quality": 0.05,
}


def scores(default=0.0, **values):
    return {name: Score(values.get(name, default), f"why {name}") for name in COMPONENTS}


def value(*, step=0, repeated=False, profile=DEFAULT, **values):
    return reward(scores(**values), step=step, repeated=repeated, profile=profile).value


def test_the_default_weights():
    assert DEFAULT.weights == WEIGHTS
    assert sum(WEIGHTS.values()) == pytest.approx(1.0)


@pytest.mark.parametrize(("component", "weight"), WEIGHTS.items())
def test_each_component_counts_with_its_weight(component, weight):
    assert value(**{component: 1.0}) == pytest.approx(weight)
    assert value(**{component: 0.4}) == pytest.approx(0.4 * weight)


@pytest.mark.parametrize("step", range(1, 6))
def test_each_step_costs_a_hundredth(step):
    assert value(default=0.5, step=step) == pytest.approx(0.5 - 0.01 * step)


def test_a_repetition_costs_a_tenth_on_top():
    assert value(default=0.5, step=2, repeated=True) == pytest.approx(0.5 - 0.02 - 0.10)


def test_a_mixed_case_by_hand():
    earned = value(
        compile_score=1.0,
        test_pass_ratio=0.75,
        efficiency_score=0.0,
        llm_correctness=0.6,
        llm_security=1.0,
        llm_quality=0.8,
        step=3,
        repeated=True,
    )
    assert earned == pytest.approx(0.15 + 0.2625 + 0.06 + 0.05 + 0.04 - 0.03 - 0.10)


def test_it_is_clamped_at_both_ends():
    assert value(default=1.0) == 0.999
    assert value(default=0.0, step=5, repeated=True) == 0.001
    assert value(default=0.0, compile_score=0.05, step=1) == 0.001


def test_the_breakdown_tells_how_it_came_about():
    earned = reward(scores(0.5), step=3, repeated=True, profile=DEFAULT)
    assert earned.scores == dict.fromkeys(COMPONENTS, 0.5)
    assert earned.weights == WEIGHTS
    assert earned.penalties == {"step_penalty": pytest.approx(0.03), "repeat_penalty": 0.10}
    assert earned.profile == "default"
    assert set(earned.reasons) == {*COMPONENTS, "step_penalty", "repeat_penalty"}
    assert earned.reasons["llm_quality"] == "why llm_quality"


def test_without_a_repetition_that_penalty_is_there_and_zero():
    assert reward(scores(0.5), step=1, repeated=False, profile=DEFAULT).penalties["repeat_penalty"] == 0.0


def test_another_profile_weighs_otherwise():
    only_tests = PROFILES["tests_only"]
    assert value(test_pass_ratio=1.0, profile=only_tests) == pytest.approx(0.85)
    assert value(efficiency_score=1.0, llm_quality=1.0, profile=only_tests) == 0.001
    assert reward(scores(), step=1, repeated=False, profile=only_tests).profile == "tests_only"


@pytest.mark.parametrize(
    "weights",
    [
        {**WEIGHTS, "llm_quality": 0.06},
        {name: weight for name, weight in WEIGHTS.items() if name != "llm_quality"},
        {**WEIGHTS, "charm": 0.0},
        {},
    ],
)
def test_weights_that_are_not_whole_are_refused(weights):
    with pytest.raises(ValueError, match="'odd'"):
        Profile("odd", weights)


def test_without_the_judge_the_others_keep_their_proportions():
    weights = PROFILES["no_judge"].weights
    assert [weights[name] for name in COMPONENTS if name.startswith("llm_")] == [0.0] * 3
    proportions = {weights[name] / WEIGHTS[name] for name in COMPONENTS if not name.startswith("llm_")}
    assert max(proportions) == pytest.approx(min(proportions)) == pytest.approx(1.25)


def test_the_efficiency_profile_weighs_efficiency_most():
    weights = PROFILES["efficiency"].weights
    assert weights["efficiency_score"] > WEIGHTS["efficiency_score"]
    assert max(weights, key=weights.get) == "efficiency_score"


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
def test_a_perfect_fix_earns_all_but_the_step_under_every_profile(profile):
    assert value(default=1.0, step=1, profile=profile) == pytest.approx(0.99)
    assert reward(scores(), step=1, repeated=False, profile=profile).profile == profile.name


@pytest.mark.parametrize(
    ("now", "best_before", "gain"),
    [(0.4, None, 0.4), (0.4, 0.0, 0.4), (0.7, 0.4, 0.3), (0.4, 0.4, 0.0), (0.2, 0.4, 0.0)],
)
def test_an_improvement_is_what_a_step_adds_to_the_best_before(now, best_before, gain):
    assert improvement(now, best_before) == pytest.approx(gain)
    assert in_mode(RewardMode.IMPROVEMENT, now, best_before) == improvement(now, best_before)
    assert in_mode(RewardMode.ABSOLUTE, now, best_before) == now


@pytest.mark.parametrize("rewards", list(itertools.permutations([0.001, 0.3, 0.3, 0.55, 0.999])))
def test_the_improvements_of_an_episode_sum_to_its_best_reward(rewards):
    gained = [improvement(now, max(rewards[:step], default=None)) for step, now in enumerate(rewards)]
    assert sum(gained) == pytest.approx(max(rewards))


@pytest.mark.parametrize("profile", PROFILES.values(), ids=list(PROFILES))
@pytest.mark.parametrize("default", [0.0, 0.37, 1.0])
@pytest.mark.parametrize(("step", "repeated"), [(0, False), (1, False), (5, True)])
def test_contributions_sum_to_the_reward_before_it_is_clamped(profile, default, step, repeated):
    earned = reward(scores(default, efficiency_score=0.2), step=step, repeated=repeated, profile=profile)
    total = sum(contributions(earned).values())
    assert min(0.999, max(0.001, total)) == pytest.approx(earned.value)


def test_contributions_name_each_component_and_penalty_and_are_not_clamped():
    earned = reward(scores(0.0, compile_score=0.4), step=3, repeated=True, profile=DEFAULT)
    assert contributions(earned) == {
        **dict.fromkeys(COMPONENTS, 0.0),
        "compile_score": pytest.approx(0.06),
        "step_penalty": pytest.approx(-0.03),
        "repeat_penalty": pytest.approx(-0.10),
    }
    assert earned.value == 0.001
    assert str(contributions(reward(scores(), step=0, repeated=False, profile=DEFAULT))["repeat_penalty"]) == "0.0"
