"""Sandboxes claimed from a warm pool, on a real cluster with the executor's own rights; see `agent_sandbox`."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from codearena.v1 import core_pb2 as core
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.kubernetes_template import manifests
from services.executor.sandbox import SandboxLost
from tests.executor.agent_sandbox import claims, installed
from tests.executor.conftest import DOUBLE, comes_true, double_suite, pods_with, started, until
from tests.executor.kubernetes_user import Cluster, Json, as_administrator

pytestmark = [pytest.mark.kubernetes, pytest.mark.timeout(300), pytest.mark.usefixtures("kubernetes")]
POOL = "codearena-sandboxes"
CLAIMED = "codearena.claim"
# The oldest clusters drop `hostUsers`, which the pool's pods would then lack.
CLAIMING = {"kubernetes_warm_pool": POOL, "kubernetes_user_namespaces": False}
PROGRAMS = {
    DOUBLE: core.OUTCOME_PASSED,
    "def double(x):\n    return x\n": core.OUTCOME_TESTS_FAILED,
    "def double(x):\n    while True: pass\n": core.OUTCOME_TIMED_OUT,
    "import os\nos._exit(3)\n": core.OUTCOME_CRASHED,
}


@pytest.fixture
async def admin(kubernetes: KubernetesSettings) -> AsyncIterator[Cluster]:
    async with as_administrator(kubernetes.kubernetes_namespace) as cluster:
        yield cluster


@pytest.fixture
def pool() -> Json:
    return manifests(KubernetesSettings(kubernetes_warm_pool=POOL, kubernetes_user_namespaces=False), 2)


async def test_claimed_pods_grade_and_nothing_is_left_of_them(admin: Cluster, pool: Json, data_dir: Path) -> None:
    async with installed(admin, pool):
        async with started("kubernetes", data_dir, **CLAIMING) as executor:
            suite = double_suite()
            graded = await asyncio.gather(*(executor.grade(code, suite) for code in PROGRAMS))
            assert [response.outcome for response in graded] == list(PROGRAMS.values())
            await until(executor.none_left)
        assert await claims(admin) == []

        async def none_left() -> bool:
            return not await pods_with(CLAIMED)

        await comes_true(none_left)


async def test_a_template_that_opens_sandboxes_is_refused(admin: Cluster, pool: Json, data_dir: Path) -> None:
    opened = copy.deepcopy(pool)
    opened["items"][0]["spec"]["podTemplate"]["spec"]["containers"][0]["securityContext"]["readOnlyRootFilesystem"] = (
        False
    )
    async with installed(admin, opened):
        with pytest.raises(SandboxLost, match="readOnlyRootFilesystem is False, not True"):
            async with started("kubernetes", data_dir, **CLAIMING):
                pass
        assert await claims(admin) == []
