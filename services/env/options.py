"""How an episode is played."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import invalid
from services.common.validation import check_id
from services.env.feedback import Feedback
from services.env.rewards import PROFILES, RewardMode
from services.env.task_schema import Split


class Options(BaseModel):
    """What a client chose for an episode when it opened it. Stored with it as JSON.

    Attributes:
        feedback: What a failing test reveals.
        hints: Whether hints are given.
        reward_mode: What the reward of a step is.
        reward_profile: Name of the weight profile; "" for the server's.
        offer_memory: Whether observations show the best known fix.
        memory_namespace: Name of the namespace that memory is shared in; "" for the run's own.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    feedback: Feedback = Feedback.FULL
    hints: bool = True
    reward_mode: RewardMode = RewardMode.ABSOLUTE
    reward_profile: str = ""
    offer_memory: bool = False
    memory_namespace: str = ""


DEFAULTS = Options()

_FEEDBACK = {
    wire.FEEDBACK_POLICY_FULL: Feedback.FULL,
    wire.FEEDBACK_POLICY_VISIBLE: Feedback.VISIBLE,
    wire.FEEDBACK_POLICY_COUNTS: Feedback.COUNTS,
}
_MODES = {
    wire.REWARD_MODE_ABSOLUTE: RewardMode.ABSOLUTE,
    wire.REWARD_MODE_IMPROVEMENT: RewardMode.IMPROVEMENT,
}


def read_options(message: wire.EpisodeOptions, usual: Options) -> Options:
    """Reads what a client chose.

    Args:
        message: It.
        usual: For what it leaves open.

    Raises:
        StatusError: INVALID_ARGUMENT that names the field at fault.
    """
    if message.feedback and message.feedback not in _FEEDBACK:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "options.feedback", "is none of the enum's values")
    if message.reward_mode and message.reward_mode not in _MODES:
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "options.reward_mode", "is none of the enum's values")
    check_id(message.memory_namespace, "options.memory_namespace", required=False)
    return Options(
        feedback=_FEEDBACK.get(message.feedback, usual.feedback),
        hints=usual.hints and not message.no_hints,
        reward_mode=_MODES.get(message.reward_mode, usual.reward_mode),
        reward_profile=check_profile(message.reward_profile, "options.reward_profile"),
        offer_memory=message.offer_memory,
        memory_namespace=message.memory_namespace,
    )


def check_profile(name: str, field: str) -> str:
    """Returns the name of a weight profile, or "" if none is named. Raises StatusError: INVALID_ARGUMENT."""
    if name and name not in PROFILES:
        known = ", ".join(sorted(PROFILES))
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, field, f"there is no {name!r}, only {known}")
    return name


def read_split(name: str) -> Split | None:
    """Returns the split that a client named; None for "", which is all of them.

    Raises:
        StatusError: INVALID_ARGUMENT: there is no such split.
    """
    if name and name not in tuple(Split):
        choices = ", ".join(Split)
        raise invalid(reasons.ERROR_REASON_INVALID_FIELD, "split", f"must be one of {choices}, or empty for all")
    return Split(name) if name else None
