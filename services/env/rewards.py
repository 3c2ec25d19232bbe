"""The reward: a weighted sum of scores less penalties. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

STEP_PENALTY = 0.01
REPEAT_PENALTY = 0.10
LOWEST, HIGHEST = 0.001, 0.999
COMPONENTS = (
    "compile_score",
    "test_pass_ratio",
    "efficiency_score",
    "llm_correctness",
    "llm_security",
    "llm_quality",
)


@dataclass(frozen=True, slots=True)
class Profile:
    """A named set of weights, one for each component; they sum to 1."""

    name: str
    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        """Checks the weights.

        Raises:
            ValueError: A component is missing or the weights do not sum to 1.
        """
        if set(self.weights) != set(COMPONENTS) or abs(sum(self.weights.values()) - 1.0) > 1e-9:
            raise ValueError(f"the weights of profile {self.name!r} must be those of {COMPONENTS} and sum to 1")


PROFILES = {
    profile.name: profile
    for profile in (
        Profile("default", dict(zip(COMPONENTS, (0.15, 0.35, 0.30, 0.10, 0.05, 0.05), strict=True))),
        Profile("tests_only", dict(zip(COMPONENTS, (0.15, 0.85, 0.0, 0.0, 0.0, 0.0), strict=True))),
        # the default without the judge: 0.15, 0.35 and 0.30 divided by 0.8
        Profile("no_judge", dict(zip(COMPONENTS, (0.1875, 0.4375, 0.375, 0.0, 0.0, 0.0), strict=True))),
        Profile("efficiency", dict(zip(COMPONENTS, (0.10, 0.30, 0.45, 0.05, 0.05, 0.05), strict=True))),
    )
}


class RewardMode(StrEnum):
    """What a step's reward is measured against."""

    ABSOLUTE = "absolute"
    """Nothing: the reward is the fix's own."""
    IMPROVEMENT = "improvement"
    """The best fix before it in the episode; see `improvement`."""


@dataclass(frozen=True, slots=True)
class Score:
    """One component's score in [0, 1] and why."""

    value: float
    reason: str


@dataclass(frozen=True, slots=True)
class Reward:
    """A reward in [0.001, 0.999] and how it came about.

    Attributes:
        value: The reward.
        scores: By component.
        weights: By component.
        penalties: By name, positive.
        profile: Name of the weight profile.
        reasons: By component and penalty.
    """

    value: float
    scores: Mapping[str, float]
    weights: Mapping[str, float]
    penalties: Mapping[str, float]
    profile: str
    reasons: Mapping[str, str] = field(default_factory=dict)


def reward(scores: Mapping[str, Score], *, step: int, repeated: bool, profile: Profile) -> Reward:
    """Returns sum(weight x score) - 0.01 x step - 0.10 if the fix repeats an earlier one, clamped.

    Args:
        scores: One for each component.
        step: Number of the step, from 1.
        repeated: Whether this fix was tried before in the episode.
        profile: The weights.
    """
    penalties = {"step_penalty": STEP_PENALTY * step, "repeat_penalty": REPEAT_PENALTY if repeated else 0.0}
    total = sum(profile.weights[name] * scores[name].value for name in COMPONENTS) - sum(penalties.values())
    reasons = {name: score.reason for name, score in scores.items()}
    reasons["step_penalty"] = f"{STEP_PENALTY} for each step; this is step {step}"
    reasons["repeat_penalty"] = "this fix was tried before in the episode" if repeated else "a fix not tried before"
    return Reward(
        min(HIGHEST, max(LOWEST, total)),
        {name: scores[name].value for name in COMPONENTS},
        dict(profile.weights),
        penalties,
        profile.name,
        reasons,
    )


def improvement(value: float, best_before: float | None) -> float:
    """Returns by how much a step's reward is better than the best one before it; 0 if it is not.

    For trainers that sum the rewards of an episode's steps: the undiscounted sum is the episode's best absolute
    reward, so that a fix is paid once and a step that changes nothing earns nothing.

    Args:
        value: The step's absolute reward.
        best_before: The highest absolute reward of the episode's earlier steps; None before the first one.
    """
    return max(0.0, value - (best_before or 0.0))


def in_mode(mode: RewardMode, value: float, best_before: float | None) -> float:
    """Returns an absolute reward as a mode counts it. The arguments are those of `improvement`."""
    return improvement(value, best_before) if mode is RewardMode.IMPROVEMENT else value


def contributions(earned: Reward) -> dict[str, float]:
    """Returns what each component and penalty adds to a reward, penalties as negative numbers.

    A dense vector for trainers that take several rewards. Its sum is the reward before it was clamped.
    """
    added = {name: earned.weights[name] * score for name, score in earned.scores.items()}
    return added | {name: 0.0 - penalty for name, penalty in earned.penalties.items()}
