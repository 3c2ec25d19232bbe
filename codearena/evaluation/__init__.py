"""Evaluation of models and agents: episodes played against an arena, rollouts kept, figures with intervals.

The command is `codearena eval`; this is what it is made of, for programs. `docs/evaluation.md` explains both.
"""

from codearena.evaluation.agents import (
    Agent,
    AgentError,
    BuiltinAgent,
    CommandAgent,
    Message,
    ReplayAgent,
    Reply,
    Request,
)
from codearena.evaluation.comparison import Comparison, Difference, compare
from codearena.evaluation.play import Terms, play
from codearena.evaluation.rollout_file import Recorded, RolloutFile, RolloutFileError, read_rollouts
from codearena.evaluation.rollouts import Answer, Rollout, Turn
from codearena.evaluation.runner import TooManyFailures, evaluate
from codearena.evaluation.summary import Estimate, Summary, summarise

__all__ = [
    "Agent",
    "AgentError",
    "Answer",
    "BuiltinAgent",
    "CommandAgent",
    "Comparison",
    "Difference",
    "Estimate",
    "Message",
    "Recorded",
    "ReplayAgent",
    "Reply",
    "Request",
    "Rollout",
    "RolloutFile",
    "RolloutFileError",
    "Summary",
    "Terms",
    "TooManyFailures",
    "Turn",
    "compare",
    "evaluate",
    "play",
    "read_rollouts",
    "summarise",
]
