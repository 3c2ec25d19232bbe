"""Services that end and come back while steps stream in and sandboxes are pods: no step fails, no pod is left."""

from __future__ import annotations

from contextlib import ExitStack
from pathlib import Path

import pytest

from benchmarks.rolling import RUN, SERVICES, misses, play, start_replicas, target
from benchmarks.stored import stored
from services.executor.kubernetes_settings import KubernetesSettings
from tests.executor.conftest import comes_true, pods_with

CLIENTS = 16
SETTLE_SECONDS = 3.0


@pytest.mark.kubernetes
@pytest.mark.timeout(900)
async def test_sigterm_of_each_service_under_load_loses_no_step(tmp_path: Path, kubernetes: KubernetesSettings) -> None:
    url = f"sqlite:///{tmp_path / 'codearena.sqlite3'}"
    with ExitStack() as stack:
        replicas = start_replicas(tmp_path, tmp_path / "data", url, stack, "kubernetes")
        every = [process for name in SERVICES for process in replicas[name]]
        seen, rolls = await play(target(replicas["env"]), CLIENTS, every, SETTLE_SECONDS)
        found = await stored(url, RUN)

    async def none_left() -> bool:
        return not await pods_with("codearena.role=sandbox")

    await comes_true(none_left)
    assert [roll.status for roll in rolls] == [0] * len(every)
    assert len(seen.rewards) >= CLIENTS
    assert seen.failures == {}
    assert {what: count for what, count in misses(seen, found).items() if count} == {}
