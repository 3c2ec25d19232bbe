"""`python -m services.env`: the env service in a process of its own."""

from __future__ import annotations

from services.common.main import run
from services.common.metrics import new_registry
from services.common.server import serve_forever
from services.env.service import EnvService
from services.env.settings import EnvSettings


async def serve(settings: EnvSettings) -> None:
    """Serves until the process is told to end."""
    registry = new_registry()
    await serve_forever([(EnvService(settings, registry), settings, registry)])


if __name__ == "__main__":
    run("env", "Episodes of iterative code repair, for training clients.", EnvSettings, serve)
