"""Services that are told to end while steps stream in, and started again: no step fails, none is graded twice."""

from contextlib import ExitStack

import pytest

from benchmarks.rolling import RUN, SERVICES, misses, play, start_replicas, target
from benchmarks.stored import stored

CLIENTS = 4
SETTLE_SECONDS = 1.0


@pytest.mark.slow
@pytest.mark.timeout(600)
async def test_sigterm_of_each_service_under_load_loses_no_step(tmp_path, arena_data):
    url = f"sqlite:///{tmp_path / 'codearena.sqlite3'}"
    with ExitStack() as stack:
        replicas = start_replicas(tmp_path, arena_data, url, stack)
        first = [replicas[name][0] for name in SERVICES]
        seen, rolls = await play(target(replicas["env"]), CLIENTS, first, SETTLE_SECONDS)
        found = await stored(url, RUN)
    assert [(roll.service, roll.status) for roll in rolls] == [(name, 0) for name in SERVICES]
    assert len(seen.rewards) >= CLIENTS
    assert seen.failures == {}
    assert {what: count for what, count in misses(seen, found).items() if count} == {}
