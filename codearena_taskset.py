"""The taskset `codearena-taskset` of verifiers, which finds tasksets as top-level modules.

It is all in `codearena.integrations.verifiers`.
"""

from codearena.integrations.verifiers import ChatHarness, CodeArenaEnv, CodeArenaTaskset

__all__ = ["ChatHarness", "CodeArenaEnv", "CodeArenaTaskset"]
