"""How an episode is played."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Options(BaseModel):
    """What a client chose for an episode when it opened it. Stored with it as JSON.

    Attributes:
        feedback: What a failing test reveals: full, visible or counts.
        hints: Whether hints are given.
        reward_mode: What the reward of a step is: absolute or improvement.
        reward_profile: Name of the weight profile; "" for the server's.
        offer_memory: Whether observations show the best known fix.
        memory_namespace: Name of the namespace that memory is shared in; "" for the run's own.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    feedback: str = "full"
    hints: bool = True
    reward_mode: str = "absolute"
    reward_profile: str = ""
    offer_memory: bool = False
    memory_namespace: str = ""


DEFAULTS = Options()
