"""The curriculum: when it moves, when it stays, and what it says of it."""

import itertools
import random
import re

import pytest
from pydantic import ValidationError

from services.env.curriculum import (
    MAX_MOVES,
    CurriculumRules,
    CurriculumState,
    after_episode,
    begin,
    explain,
    settled,
)
from services.env.task_schema import Difficulty

EASY, MEDIUM, HARD, EXPERT = LEVELS = tuple(Difficulty)
RULES = CurriculumRules()
QUICK = CurriculumRules(window=1, minimum=1)


def play(state, rewards, rules=RULES, levels=LEVELS):
    for reward in rewards:
        state = after_episode(state, reward, rules, levels)
    return state


def at(level):
    """A run that has climbed straight to a level."""
    return play(begin(LEVELS), [1.0] * LEVELS.index(level), QUICK)


def fallen_to(level):
    """A run that has fallen from the top to a level."""
    return play(at(EXPERT), [0.0] * (3 - LEVELS.index(level)), QUICK)


def history(episodes, reward_at, rules=RULES, levels=LEVELS):
    """Every state of a run whose reward depends on level and episode number."""
    states = [begin(levels)]
    for number in range(episodes):
        states.append(after_episode(states[-1], reward_at(states[-1].level, number), rules, levels))
    return states


def reversals(moves):
    return sum(one.is_up is not other.is_up for one, other in itertools.pairwise(moves))


@pytest.mark.parametrize(("levels", "first"), [(LEVELS, EASY), ({HARD, MEDIUM}, MEDIUM), ([EXPERT], EXPERT)])
def test_a_run_begins_at_the_easiest_level_that_has_tasks(levels, first):
    assert begin(levels) == CurriculumState(level=first)


def test_without_any_level_there_is_no_curriculum():
    for ask in (lambda: begin(()), lambda: settled(begin(LEVELS), ()), lambda: explain(begin(LEVELS), RULES, ())):
        with pytest.raises(ValueError, match="no level has tasks"):
            ask()


def test_a_high_mean_moves_up_after_the_minimum_and_no_sooner():
    state = play(begin(LEVELS), [1.0] * 9)
    assert (state.level, state.moves, state.rewards) == (EASY, (), (1.0,) * 9)
    state = play(state, [1.0])
    (move,) = state.moves
    assert (state.level, state.episodes, state.rewards) == (MEDIUM, 10, ())
    assert (move.episode, move.from_level, move.to_level, move.mean, move.count) == (10, EASY, MEDIUM, 1.0, 10)
    assert move.why == "mean reward 1.000 of 10 episodes is over 0.8"


def test_a_low_mean_moves_down():
    state = play(fallen_to(HARD), [0.34] * 10)
    assert state.level is MEDIUM
    assert state.moves[-1].why == "mean reward 0.340 of 10 episodes is under 0.35"


@pytest.mark.parametrize(("start", "reward"), [(at(MEDIUM), 0.80), (fallen_to(MEDIUM), 0.35), (at(MEDIUM), 0.5)])
def test_a_mean_at_a_threshold_or_between_them_stays(start, reward):
    state = play(start, [reward] * 100)
    assert state.level is MEDIUM
    assert state.moves == start.moves


def test_the_mean_is_over_the_latest_episodes_only():
    state = play(begin(LEVELS), [0.0] * 50 + [1.0] * 16)
    assert (state.level, len(state.rewards)) == (EASY, 20)  # 16 of 20 are exactly 0.80
    state = play(state, [1.0])
    assert (state.level, state.moves[-1].mean, state.moves[-1].count) == (MEDIUM, 0.85, 20)


def test_a_shorter_window_takes_effect_at_once():
    state = play(begin(LEVELS), [0.0] * 20)
    assert play(state, [1.0], CurriculumRules(window=10)).rewards == (0.0,) * 9 + (1.0,)


def test_it_stays_at_both_ends():
    assert play(begin(LEVELS), [0.0] * 60).moves == ()
    top = play(at(EXPERT), [1.0] * 60)
    assert (top.level, len(top.moves), len(top.rewards)) == (EXPERT, 3, 20)


def test_with_one_level_it_never_moves():
    assert play(begin([HARD]), [0.0] * 40 + [1.0] * 40, levels=[HARD]).moves == ()


def test_levels_without_tasks_are_passed_over():
    state = play(begin([EXPERT, EASY]), [1.0] * 10, levels=[EXPERT, EASY])
    assert state.level is EXPERT
    assert play(state, [0.0] * 10, levels=[EXPERT, EASY]).level is EASY


@pytest.mark.parametrize(
    ("start", "reward", "level"),
    [
        (at(MEDIUM), 0.33, MEDIUM),
        (at(MEDIUM), 0.30, MEDIUM),
        (at(MEDIUM), 0.29, EASY),
        (fallen_to(MEDIUM), 0.83, MEDIUM),
        (fallen_to(MEDIUM), 0.85, MEDIUM),
        (fallen_to(MEDIUM), 0.86, HARD),
    ],
)
def test_undoing_the_last_move_needs_the_margin(start, reward, level):
    assert play(start, [reward] * 10).level is level


@pytest.mark.parametrize(("start", "reward", "level"), [(at(MEDIUM), 0.81, HARD), (fallen_to(MEDIUM), 0.34, EASY)])
def test_going_on_in_the_same_direction_needs_none(start, reward, level):
    assert play(start, [reward] * 10).level is level


def test_a_move_that_needed_the_margin_says_so():
    (*_, move) = play(at(MEDIUM), [0.2] * 10).moves
    assert move.why == "mean reward 0.200 of 10 episodes is under 0.3, a margin of 0.05 included to undo the last move"


def test_a_see_saw_within_the_margin_does_not_flap():
    rewards = {EASY: 0.82, MEDIUM: 0.32, HARD: 0.0, EXPERT: 0.0}
    flapping = history(400, lambda level, _: rewards[level], CurriculumRules(hysteresis=0.0))[-1]
    assert reversals(flapping.moves) == 39
    steady = history(400, lambda level, _: rewards[level])[-1]
    assert [move.to_level for move in steady.moves] == [MEDIUM]


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("threshold", [0.80, 0.35])
def test_noise_around_a_threshold_moves_one_way_only(threshold, seed):
    noise = random.Random(seed)
    state = at(EXPERT) if threshold < 0.5 else begin(LEVELS)
    before = len(state.moves)
    state = play(state, [threshold + noise.uniform(-0.2, 0.2) for _ in range(1000)])
    new = state.moves[before:]
    assert len(new) == 3
    assert reversals(new) == 0


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("rules", [RULES, CurriculumRules(window=5, minimum=3), CurriculumRules(window=40, minimum=25)])
def test_there_is_never_a_move_before_the_minimum(rules, seed):
    # extreme rewards in spells of 30, so that there is a reason to move at almost any time
    noise = random.Random(seed)
    spells = [noise.choice((0.0, 1.0)) for _ in range(40)]
    states = history(1200, lambda _, number: spells[number // 30], rules)
    moves = states[-1].moves
    gaps = [later - sooner for sooner, later in itertools.pairwise([0, *(move.episode for move in moves)])]
    assert len(moves) > 5
    assert min(gaps) >= rules.minimum
    assert all(rules.minimum <= move.count <= rules.window for move in moves)
    steps = [LEVELS.index(move.to_level) - LEVELS.index(move.from_level) for move in moves]
    assert set(steps) == {1, -1}


def test_an_agent_that_improves_reaches_the_top_and_stays():
    needed = {EASY: 0.0, MEDIUM: 0.2, HARD: 0.4, EXPERT: 0.6}
    states = history(300, lambda level, number: min(1.0, max(0.0, 0.5 + number / 200 - needed[level])))
    assert [move.to_level for move in states[-1].moves] == [MEDIUM, HARD, EXPERT]


def test_an_agent_that_collapses_goes_back_to_easy():
    states = history(300, lambda _, number: 0.95 if number < 100 else 0.1)
    assert [move.to_level for move in states[-1].moves] == [MEDIUM, HARD, EXPERT, HARD, MEDIUM, EASY]
    assert states[-1].level is EASY


@pytest.mark.parametrize("reward", [-0.001, 1.001, float("nan"), float("inf")])
def test_a_reward_out_of_range_is_refused(reward):
    with pytest.raises(ValueError, match="must be from 0 to 1"):
        after_episode(begin(LEVELS), reward, RULES, LEVELS)


@pytest.mark.parametrize(
    ("levels", "target", "which"),
    [
        ([EASY, MEDIUM, EXPERT], MEDIUM, "the nearest easier level that has"),
        ([EASY, EXPERT], EASY, "the nearest easier level that has"),
        ([EXPERT], EXPERT, "the easiest level that has"),
    ],
)
def test_a_level_that_lost_its_tasks_is_left(levels, target, which):
    before = play(at(HARD), [0.5] * 4)
    after = settled(before, levels)
    move = after.moves[-1]
    assert (after.level, after.rewards, after.episodes) == (target, (), before.episodes)
    assert (move.from_level, move.to_level, move.mean, move.count) == (HARD, target, 0.5, 4)
    assert move.why == f"hard has no tasks any more; {target} is {which}"
    assert settled(after, levels) is after


def test_an_episode_after_that_counts_for_the_new_level():
    state = after_episode(at(HARD), 0.6, RULES, [EASY, MEDIUM])
    assert (state.level, state.rewards, state.episodes) == (MEDIUM, (0.6,), 3)
    assert (state.moves[-1].mean, state.moves[-1].count) == (None, 0)


def test_the_last_moves_are_kept():
    state = history(151, lambda _, number: float(number % 2 == 0), QUICK)[-1]
    assert [move.episode for move in state.moves] == list(range(52, 152))
    assert len(state.moves) == MAX_MOVES
    assert (state.episodes, state.level) == (151, MEDIUM)


@pytest.mark.parametrize("seed", range(5))
def test_every_state_survives_json(seed):
    noise = random.Random(seed)
    states = history(300, lambda _, number: noise.random() ** (0.2 if number % 80 < 40 else 5))
    assert len(states[-1].moves) > 2
    for state in states:
        assert CurriculumState.model_validate_json(state.model_dump_json()) == state


@pytest.mark.parametrize(
    "text",
    [
        '{"level": "trivial"}',
        '{"level": "easy", "episodes": "3"}',
        '{"level": "easy", "episodes": -1}',
        '{"level": "easy", "episodes": 1, "rewards": [1.5]}',
        '{"level": "easy", "episodes": 1, "rewards": ["0.5"]}',
        '{"level": "easy", "episodes": 1, "rewards": [0.5, 0.5]}',
        '{"level": "easy", "mood": "good"}',
        at(MEDIUM).model_dump_json().replace('"level":"medium"', '"level":"hard"'),
        at(MEDIUM).model_dump_json().replace('"rewards":[]', '"rewards":[0.5]'),
    ],
)
def test_text_that_is_no_state_is_refused(text):
    with pytest.raises(ValidationError):
        CurriculumState.model_validate_json(text)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"minimum": 0}, "minimum must be at least 1"),
        ({"window": 9}, "raise window or lower minimum"),
        ({"escalate_above": 1.0}, "thresholds must lie in"),
        ({"deescalate_below": 0.0}, "thresholds must lie in"),
        ({"deescalate_below": 0.80}, "thresholds must lie in"),
        ({"escalate_above": float("nan")}, "thresholds must lie in"),
        ({"hysteresis": -0.01}, "hysteresis"),
        ({"hysteresis": 0.2}, r"less than 0\.2, or no mean could undo a move"),
        ({"deescalate_below": 0.04}, r"less than 0\.04"),
    ],
)
def test_rules_that_cannot_work_are_refused(changed, said):
    with pytest.raises(ValueError, match=said):
        CurriculumRules(**changed)


@pytest.mark.parametrize(
    ("state", "levels", "sentence"),
    [
        (
            begin(LEVELS),
            LEVELS,
            "The run is at easy, with no episode so far; after at least 10 episodes more "
            "a mean over 0.8 moves it up to medium, and no easier level has tasks.",
        ),
        (
            play(at(MEDIUM), [0.5] * 9),
            LEVELS,
            "The run is at medium, with a mean reward of 0.500 over 9 episodes since the last move; after at least "
            "1 episode more a mean over 0.8 moves it up to hard, and a mean under 0.3 (a margin more, to undo the "
            "last move) moves it down to easy.",
        ),
        (
            play(fallen_to(HARD), [0.5] * 30),
            LEVELS,
            "The run is at hard, with a mean reward of 0.500 over 20 episodes since the last move; "
            "a mean over 0.85 (a margin more, to undo the last move) moves it up to expert, "
            "and a mean under 0.35 moves it down to medium.",
        ),
        (
            play(at(HARD), [0.5] * 30),
            [EASY, EXPERT],
            "Hard has no tasks any more and the run is at easy, with no episode since the last move; "
            "after at least 10 episodes more a mean over 0.85 (a margin more, to undo the last move) "
            "moves it up to expert, and no easier level has tasks.",
        ),
        (
            begin([HARD]),
            [HARD],
            "The run is at hard, with no episode so far; no other level has tasks.",
        ),
    ],
)
def test_it_says_where_it_stands_and_what_would_move_it(state, levels, sentence):
    assert explain(state, RULES, levels) == sentence


@pytest.mark.parametrize("state", [*map(at, LEVELS), *map(fallen_to, LEVELS)])
def test_what_it_says_is_what_it_does(state):
    promises = re.findall(r"a mean (over|under) ([\d.]+)", explain(state, RULES, LEVELS))
    assert len(promises) == (1 if state.level in (EASY, EXPERT) else 2)
    for word, number in promises:
        threshold = float(number)
        past = threshold + (0.001 if word == "over" else -0.001)
        assert play(state, [threshold] * 10).moves == state.moves
        assert play(state, [past] * 10).moves[-1].is_up is (word == "over")
        assert len(play(state, [past] * 10).moves) == len(state.moves) + 1
