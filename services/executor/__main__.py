"""`python -m services.executor`: the executor service in a process of its own."""

from __future__ import annotations

from services.common.main import run
from services.common.metrics import new_registry
from services.common.server import serve_forever
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings


async def serve(settings: ExecutorSettings) -> None:
    """Serves until the process is told to end."""
    registry = new_registry()
    await serve_forever([(ExecutorService(settings, registry), settings, registry)])


if __name__ == "__main__":
    run("executor", "Runs untrusted programs in throwaway sandboxes.", ExecutorSettings, serve)
