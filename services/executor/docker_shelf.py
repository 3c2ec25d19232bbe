"""The sandboxes of a Docker engine, and which of them nobody owns."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from collections.abc import Set as AbstractSet
from typing import Any

from docker import APIClient
from docker.errors import APIError, NotFound

from services.executor.docker_engine import DockerEngine
from services.executor.docker_owner import Owner, is_orphan
from services.executor.labels import INSTANCE_LABEL, ROLE, ROLE_LABEL

_RUNNING = ("running", "paused", "restarting")
_IN_PROGRESS = "already in progress"


class ContainerShelf:
    """The containers of this executor, and of executors that are gone. Implements `services.executor.reaper.Shelf`."""

    def __init__(self, engine: DockerEngine, owner: Owner) -> None:
        self._engine = engine
        self._owner = owner

    async def leftovers(self, in_use: AbstractSet[str]) -> Sequence[str]:
        """Returns the names of containers that are to be removed; see `Shelf.leftovers`."""
        found = await self._engine.call("list containers", _sandboxes)
        named = [(_name(container), container) for container in found]
        return [name for name, container in named if self._is_leftover(name, container, in_use)]

    async def remove(self, name: str) -> None:
        """Removes a container and its volumes; see `Shelf.remove`."""
        await self._engine.call("remove a container", _remover(name))

    def _is_leftover(self, name: str, container: dict[str, Any], in_use: AbstractSet[str]) -> bool:
        labels = container.get("Labels") or {}
        if labels.get(INSTANCE_LABEL) == self._owner.instance:
            return name not in in_use
        running = container.get("State") in _RUNNING
        age_seconds = time.time() - float(container.get("Created", time.time()))
        return is_orphan(labels, running=running, age_seconds=age_seconds, me=self._owner)


def _name(container: dict[str, Any]) -> str:
    return str((container.get("Names") or [container.get("Id", "")])[0]).lstrip("/")


def _sandboxes(client: APIClient) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = client.containers(all=True, filters={"label": [f"{ROLE_LABEL}={ROLE}"]})
    return found


def _remover(name: str) -> Callable[[APIClient], None]:
    def remove(client: APIClient) -> None:
        try:
            client.remove_container(name, v=True, force=True)
        except NotFound:
            pass
        except APIError as error:
            if _IN_PROGRESS not in str(error):
                raise

    return remove
