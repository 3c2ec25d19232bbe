"""The curriculum: which difficulty a training run is at, and when it moves. Pure.

The rolling mean of episode rewards decides: over one threshold a run moves to the next harder level, under another to
the next easier one. After a move the window starts anew, and a move that would undo the one before needs a margin more.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from services.env.task_schema import Difficulty

MAX_MOVES = 100
_DIGITS = 9
"""Means and thresholds are compared to so many digits, so that the rounding of a sum decides nothing."""

Count = Annotated[int, Field(ge=0)]
Rate = Annotated[float, Field(ge=0, le=1)]


@dataclass(frozen=True, slots=True)
class CurriculumRules:
    """When a run moves.

    Attributes:
        window: How many of the latest episodes the mean is over, at most.
        minimum: Episodes since the last move before there is another.
        escalate_above: A mean reward over this moves to the next harder level.
        deescalate_below: A mean reward under this moves to the next easier level.
        hysteresis: By how much more the mean must pass its threshold to undo the last move.
    """

    window: int = 20
    minimum: int = 10
    escalate_above: float = 0.80
    deescalate_below: float = 0.35
    hysteresis: float = 0.05

    def __post_init__(self) -> None:
        """Checks the rules.

        Raises:
            ValueError: A number is out of range, or one makes a move impossible.
        """
        if self.minimum < 1:
            raise ValueError("minimum must be at least 1: give the number of episodes that are enough to judge by")
        if self.window < self.minimum:
            raise ValueError(
                f"window ({self.window}) is shorter than minimum ({self.minimum}), which it could never reach: "
                "raise window or lower minimum"
            )
        if not 0 < self.deescalate_below < self.escalate_above < 1:
            raise ValueError(
                "the thresholds must lie in 0 < deescalate_below < escalate_above < 1: "
                f"move {self.deescalate_below} and {self.escalate_above} there"
            )
        room = min(self.deescalate_below, 1 - self.escalate_above)
        if not 0 <= self.hysteresis < room:
            raise ValueError(
                f"hysteresis ({self.hysteresis}) must be from 0 to less than {round(room, _DIGITS)}, "
                "or no mean could undo a move: change it or the thresholds"
            )


class _Model(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, allow_inf_nan=False)


class Move(_Model):
    """A change of level.

    Attributes:
        episode: Number of the episode after which it happened; 0 before the first.
        from_level: The level it left.
        to_level: The level it went to.
        mean: Mean reward that decided it, or that was there when the level had no tasks left; None of no episode.
        count: Episodes that the mean is over.
        why: One sentence.
    """

    episode: Count
    from_level: Difficulty
    to_level: Difficulty
    mean: Rate | None
    count: Count
    why: str

    @property
    def is_up(self) -> bool:
        """Whether it went to a harder level."""
        return _rank(self.to_level) > _rank(self.from_level)


class CurriculumState(_Model):
    """Where a run stands. `model_dump_json` and `model_validate_json` are each other's inverse.

    Attributes:
        level: The level it is at.
        rewards: Of the latest episodes since the last move, oldest first.
        episodes: How many have counted in all.
        moves: The last `MAX_MOVES`, oldest first.
    """

    level: Difficulty
    rewards: tuple[Rate, ...] = ()
    episodes: Count = 0
    moves: Annotated[tuple[Move, ...], Field(max_length=MAX_MOVES)] = ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if self.moves and self.moves[-1].to_level is not self.level:
            raise ValueError("level is not the one that the last move went to")
        since = self.episodes - (self.moves[-1].episode if self.moves else 0)
        if len(self.rewards) > since:
            raise ValueError(f"there are {len(self.rewards)} rewards of {since} episodes since the last move")
        return self


def begin(levels: Collection[Difficulty]) -> CurriculumState:
    """Returns the state of a run without episodes: at the easiest level.

    Args:
        levels: Those that have tasks.

    Raises:
        ValueError: There is none.
    """
    return CurriculumState(level=_ordered(levels)[0])


def settled(state: CurriculumState, levels: Collection[Difficulty]) -> CurriculumState:
    """Returns the state at a level that has tasks: the one to draw the next episode from.

    That is the state itself, unless its level has no tasks any more. Then it moves to the nearest easier level that
    has, or to the easiest of all if none is easier.

    Raises:
        ValueError: No level has tasks.
    """
    offered = _ordered(levels)
    if state.level in offered:
        return state
    easier = [level for level in offered if _rank(level) < _rank(state.level)]
    target = easier[-1] if easier else offered[0]
    which = "the nearest easier level that has" if easier else "the easiest level that has"
    return _moved(state, target, f"{state.level} has no tasks any more; {target} is {which}")


def after_episode(
    state: CurriculumState, reward: float, rules: CurriculumRules, levels: Collection[Difficulty]
) -> CurriculumState:
    """Returns the state after one more episode.

    Args:
        state: Before the episode.
        reward: The episode's, from 0 to 1. The episode must have been drawn by "auto" at the level of
            `settled(state, levels)`; others do not count, and the caller leaves them out.
        rules: When it moves.
        levels: Those that have tasks.

    Raises:
        ValueError: The reward is out of range, or no level has tasks.
    """
    if not 0 <= reward <= 1:
        raise ValueError(f"an episode's reward must be from 0 to 1, not {reward}: pass the reward as it was given")
    before = settled(state, levels)
    rewards = (*before.rewards, float(reward))[-rules.window :]
    counted = before.model_copy(update={"rewards": rewards, "episodes": before.episodes + 1})
    if len(rewards) < rules.minimum:
        return counted
    found = _mean(counted)
    for target, threshold, sign in _ways(counted, rules, levels):
        if target is not None and found is not None and sign * (found - threshold) > 0:
            return _moved(counted, target, _why(counted, found, threshold, sign, rules))
    return counted


def explain(state: CurriculumState, rules: CurriculumRules, levels: Collection[Difficulty]) -> str:
    """Returns one sentence: where the run stands, and what would make it move.

    Raises:
        ValueError: No level has tasks.
    """
    now = settled(state, levels)
    gone = f"{state.level} has no tasks any more and " if now is not state else ""
    place = f"{gone}the run is at {now.level}, {_so_far(now)}"
    moves = []
    for target, threshold, sign in _ways(now, rules, levels):
        over, up, hard = ("over", "up", "harder") if sign > 0 else ("under", "down", "easier")
        if target is None:
            moves.append(f"no {hard} level has tasks")
        else:
            margin = " (a margin more, to undo the last move)" if _undoes(now, sign) and rules.hysteresis else ""
            moves.append(f"a mean {over} {threshold:g}{margin} moves it {up} to {target}")
    wait = rules.minimum - len(now.rewards)
    when = f"after at least {_episodes(wait)} more " if wait > 0 else ""
    what = when + ", and ".join(moves) if len(set(levels)) > 1 else "no other level has tasks"
    sentence = f"{place}; {what}."
    return sentence[0].upper() + sentence[1:]


def _ways(
    state: CurriculumState, rules: CurriculumRules, levels: Collection[Difficulty]
) -> tuple[tuple[Difficulty | None, float, int], ...]:
    """Returns the ways up and down: the next level, None without one; the threshold with its margin; the sign."""
    offered = _ordered(levels)
    here = offered.index(state.level)
    up = offered[here + 1] if here + 1 < len(offered) else None
    down = offered[here - 1] if here else None
    above = rules.escalate_above + (rules.hysteresis if _undoes(state, 1) else 0)
    below = rules.deescalate_below - (rules.hysteresis if _undoes(state, -1) else 0)
    return (up, round(above, _DIGITS), 1), (down, round(below, _DIGITS), -1)


def _undoes(state: CurriculumState, sign: int) -> bool:
    return bool(state.moves) and state.moves[-1].is_up is (sign < 0)


def _why(state: CurriculumState, found: float, threshold: float, sign: int, rules: CurriculumRules) -> str:
    passed = "over" if sign > 0 else "under"
    margin = f", a margin of {rules.hysteresis:g} included to undo the last move" if _undoes(state, sign) else ""
    return f"mean reward {found:.3f} of {_episodes(len(state.rewards))} is {passed} {threshold:g}{margin}"


def _moved(state: CurriculumState, target: Difficulty, why: str) -> CurriculumState:
    move = Move(
        episode=state.episodes,
        from_level=state.level,
        to_level=target,
        mean=_mean(state),
        count=len(state.rewards),
        why=why,
    )
    return CurriculumState(level=target, episodes=state.episodes, moves=(*state.moves, move)[-MAX_MOVES:])


def _so_far(state: CurriculumState) -> str:
    since = "since the last move" if state.moves else "so far"
    found = _mean(state)
    if found is None:
        return f"with no episode {since}"
    return f"with a mean reward of {found:.3f} over {_episodes(len(state.rewards))} {since}"


def _mean(state: CurriculumState) -> float | None:
    return round(fmean(state.rewards), _DIGITS) if state.rewards else None


def _ordered(levels: Collection[Difficulty]) -> tuple[Difficulty, ...]:
    offered = tuple(level for level in Difficulty if level in levels)
    if not offered:
        raise ValueError("no level has tasks: give at least one")
    return offered


def _rank(level: Difficulty) -> int:
    return tuple(Difficulty).index(level)


def _episodes(count: int) -> str:
    return f"{count} episode{'' if count == 1 else 's'}"
