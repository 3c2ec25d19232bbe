"""CodeArena for TRL's `GRPOTrainer`: as a reward function, and as an environment whose tool the model calls.

Single turn, graded in groups::

    GRPOTrainer(model, reward_funcs=GroupReward("127.0.0.1:50051"), train_dataset=catalogue_dataset(split="train"))

Several turns, with the arena's answer after each::

    GRPOTrainer(model, environment_factory=environment_factory(), train_dataset=catalogue_dataset(tool=True))

TRL itself is not imported; the datasets need the package `datasets`, which TRL brings:
`pip install "codearena-rl[trl]"`.
"""

from codearena.integrations.trl.datasets import catalogue_dataset, curriculum_dataset, generated_dataset
from codearena.integrations.trl.environment import EnvironmentFactory, RepairEnvironment, environment_factory
from codearena.integrations.trl.rewards import GroupReward

__all__ = [
    "EnvironmentFactory",
    "GroupReward",
    "RepairEnvironment",
    "catalogue_dataset",
    "curriculum_dataset",
    "environment_factory",
    "generated_dataset",
]
