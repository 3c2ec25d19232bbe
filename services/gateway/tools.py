"""The session as tools of the Model Context Protocol."""

from __future__ import annotations

from typing import Any

from fastmcp import FastMCP
from openenv.core.env_server.serialization import serialize_observation
from pydantic import BaseModel

from services.gateway.environment import ENV_NAME, ArenaEnvironment
from services.gateway.models import CodeArenaAction, CodeArenaObservation


def _said(seen: CodeArenaObservation) -> dict[str, Any]:
    said: dict[str, Any] = serialize_observation(seen)
    return said


def _json(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(mode="json")


class ToolEnvironment(ArenaEnvironment):
    """An `ArenaEnvironment` that also lends itself to agents as tools."""

    @property
    def mcp_server(self) -> FastMCP[Any]:
        """The tools. OpenEnv keeps the names reset, step and state for trainers."""
        server: FastMCP[Any] = FastMCP(ENV_NAME)

        async def list_tasks(split: str = "train") -> list[dict[str, Any]]:
            """Lists the tasks of a split: train, validation or test."""
            return await self.list_tasks(split)

        async def start_task(
            task_id: str = "auto", seed: int | None = None, episode_id: str | None = None
        ) -> dict[str, Any]:
            """Opens an episode for a task, or goes on with one; returns what is to be repaired."""
            return _said(await self.reset_async(seed=seed, episode_id=episode_id, task_id=task_id))

        async def submit_fix(
            proposed_fix: str, episode_id: str | None = None, request_id: str | None = None
        ) -> dict[str, Any]:
            """Grades a fix, which is the whole program; returns the reward and the new error log."""
            action = CodeArenaAction(proposed_fix=proposed_fix, request_id=request_id)
            return _said(await self.step_async(action, episode_id=episode_id))

        async def show_episode() -> dict[str, Any]:
            """Returns the episode of this session as it stands."""
            return _json(self.state)

        for tool in (list_tasks, start_task, submit_fix, show_episode):
            server.tool(tool)
        return server
