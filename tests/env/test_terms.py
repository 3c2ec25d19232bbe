"""What the executor is asked for: on behalf of which run, whether anew, and once for a group."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from codearena import ArenaError, AsyncArenaClient, ErrorReason, Grade, InternalError
from codearena.v1 import core_pb2 as core
from codearena.v1 import error_reason_pb2 as reasons
from codearena.v1 import executor_service_pb2 as wire
from codearena.v1 import executor_service_pb2_grpc
from services.env.service import EnvService
from services.env.settings import EnvSettings
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings
from tests.env.parts import Part

FIX = "def average_list(numbers):\n    return 1\n"


class ScriptedExecutor(executor_service_pb2_grpc.ExecutorServiceServicer):
    """Keeps what it is asked; passes every program, but for an item that it is told to fail or leave out."""

    def __init__(self) -> None:
        self.single: list[wire.ExecuteRequest] = []
        self.groups: list[wire.ExecuteGroupRequest] = []
        self.failing: dict[int, core.ItemError] = {}
        self.left_out: set[int] = set()

    async def Execute(self, request, context):  # noqa: N802 - the RPC's name
        self.single.append(request)
        return _passed(request.suite)

    async def ExecuteGroup(self, request, context):  # noqa: N802 - the RPC's name
        self.groups.append(request)
        for index in range(len(request.codes)):
            if index in self.failing:
                yield wire.ExecuteGroupResponse(index=index, error=self.failing[index])
            elif index not in self.left_out:
                yield wire.ExecuteGroupResponse(index=index, response=_passed(request.suite))


def _passed(suite: wire.Suite) -> wire.ExecuteResponse:
    tests = [core.TestResult(name=case.name, passed=True, hidden=case.hidden) for case in suite.cases]
    return wire.ExecuteResponse(outcome=core.OUTCOME_PASSED, loaded=True, tests=tests)


@pytest.fixture
async def executor() -> AsyncIterator[tuple[ScriptedExecutor, str]]:
    scripted = ScriptedExecutor()
    server = grpc.aio.server(options=[("grpc.max_receive_message_length", 16 << 20)])
    executor_service_pb2_grpc.add_ExecutorServiceServicer_to_server(scripted, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    yield scripted, f"127.0.0.1:{port}"
    await server.stop(None)


@pytest.fixture(scope="module")
async def judge() -> AsyncIterator[Part]:
    part = Part(JudgeService, JudgeSettings, judge_workers=1, grace_seconds=0)
    await part.start()
    yield part
    await part.stop()


@pytest.fixture
async def asked(executor: tuple[ScriptedExecutor, str]) -> ScriptedExecutor:
    return executor[0]


@pytest.fixture
async def client(executor: tuple[ScriptedExecutor, str], judge: Part, tmp_path) -> AsyncIterator[AsyncArenaClient]:
    env = Part(EnvService, EnvSettings, data_dir=tmp_path, executor_address=executor[1], judge_address=judge.address)
    await env.start()
    async with AsyncArenaClient(env.address, max_attempts=1) as client:
        yield client
    await env.stop()


async def test_a_step_is_on_behalf_of_its_episodes_run_and_never_fresh(client, asked):
    episode = await client.reset("easy-1", run_id="run-7")
    await episode.step(FIX)
    baseline, step = asked.single
    assert (step.code, step.run_id, step.fresh) == (FIX, "run-7", False)
    assert baseline.fresh is False


@pytest.mark.parametrize("fresh", [True, False])
async def test_a_grade_says_for_whom_and_whether_anew(client, asked, fresh):
    await client.grade("easy-1", FIX, run_id="run-8", fresh=fresh)
    (request,) = asked.single
    assert (request.code, request.run_id, request.fresh) == (FIX, "run-8", fresh)


@pytest.mark.parametrize("fresh", [True, False])
async def test_a_group_is_asked_for_as_a_whole(client, asked, judge, fresh):
    before = judge.metric("grpc_server_handled_total", grpc_method="Judge", grpc_code="OK")
    codes = [FIX, "  ", FIX, FIX + "# other\n"]
    items = dict([item async for item in client.grade_group("easy-1", codes, run_id="run-9", fresh=fresh)])

    (request,) = asked.groups
    assert not asked.single
    assert (list(request.codes), request.run_id, request.fresh) == ([FIX, FIX, codes[3]], "run-9", fresh)
    assert sorted(items) == [0, 1, 2, 3]
    assert isinstance(items[1], ArenaError)
    assert all(isinstance(items[index], Grade) for index in (0, 2, 3))
    assert judge.metric("grpc_server_handled_total", grpc_method="Judge", grpc_code="OK") == before + 2


async def test_an_item_that_the_executor_lost_fails_alone(client, asked):
    asked.failing[1] = core.ItemError(
        code=grpc.StatusCode.RESOURCE_EXHAUSTED.value[0], message="full", reason=reasons.ERROR_REASON_QUEUE_FULL
    )
    items = dict([item async for item in client.grade_group("easy-1", [FIX, FIX + "# 1\n", FIX + "# 2\n"])])

    assert isinstance(items[0], Grade)
    assert isinstance(items[2], Grade)
    assert items[1].reason == ErrorReason.QUEUE_FULL


async def test_an_item_that_the_executor_left_out_is_no_grade(client, asked):
    asked.left_out.add(0)
    items = dict([item async for item in client.grade_group("easy-1", [FIX, FIX + "# 1\n"])])

    assert items[0].reason == ErrorReason.EXECUTOR_UNAVAILABLE
    assert isinstance(items[1], Grade)


async def test_an_item_that_the_executor_refuses_is_a_mistake_of_ours(client, asked):
    asked.failing[0] = core.ItemError(
        code=grpc.StatusCode.INVALID_ARGUMENT.value[0], message="unfit", reason=reasons.ERROR_REASON_INVALID_FIELD
    )
    with pytest.raises(InternalError):
        async for _ in client.grade_group("easy-1", [FIX]):
            pass
