"""`python -m services.judge`: the judge service in a process of its own."""

from __future__ import annotations

from services.common.main import run
from services.common.metrics import new_registry
from services.common.server import serve_forever
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings


async def serve(settings: JudgeSettings) -> None:
    """Serves until the process is told to end."""
    registry = new_registry()
    await serve_forever([(JudgeService(settings, registry), settings, registry)])


if __name__ == "__main__":
    run("judge", "Scores fixes and proposes them; never runs the code it is shown.", JudgeSettings, serve)
