"""Tokens of clients: scopes, expiry and quotas, a file that changes, and what is told to whom."""

import asyncio
import datetime
import errno
import json
import os

import grpc
import pytest
from click.testing import CliRunner
from google.rpc import error_details_pb2, status_pb2
from grpc_health.v1 import health_pb2, health_pb2_grpc
from structlog.testing import capture_logs

from codearena import (
    ArenaClient,
    AsyncArenaClient,
    PermissionDeniedError,
    QuotaExceededError,
    StepCall,
    UnauthenticatedError,
)
from codearena._cli.app import cli
from codearena.v1 import env_service_pb2 as wire
from codearena.v1 import executor_service_pb2, judge_service_pb2
from services.common.errors import StartError
from services.common.scopes import RULES, Scope, allows
from tests.common.stand import Stand, served
from tests.waiting import eventually

SERVICES = [
    *wire.DESCRIPTOR.services_by_name.values(),
    *executor_service_pb2.DESCRIPTOR.services_by_name.values(),
    *judge_service_pb2.DESCRIPTOR.services_by_name.values(),
]


def new(secret_of, *options):
    """Makes a token as an operator would; returns its entry."""
    done = CliRunner().invoke(cli, ["token", "new", "--json", *options])
    assert done.exit_code == 0, done.output
    made = json.loads(done.stdout)
    name = made["entry"]["name"]
    secret_of[name] = made["token"]
    return made["entry"]


class File:
    """A file of tokens, and the tokens themselves by name."""

    def __init__(self, path):
        self.path = path
        self.secrets = {}
        self.entries = []

    def add(self, name, scope, *options, **changes):
        entry = new(self.secrets, "--name", name, "--scope", scope, *options)
        self.entries.append(entry | changes)
        self.write()
        return self.secrets[name]

    def write(self):
        self.path.write_text(json.dumps({"tokens": self.entries}, default=str))


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.setattr("services.common.watched_files._LOOK_SECONDS", 0.0)
    return File(tmp_path / "tokens.yaml")


class Grader(Stand):
    """Steps that last until they are let go."""

    def __init__(self):
        super().__init__()
        self.running = 0
        self.release = asyncio.Event()

    async def Step(self, request, context):  # noqa: N802
        return await self._graded()

    async def StepStream(self, requests, context):  # noqa: N802
        begun = []
        async for request in requests:
            begun.append((request.step, asyncio.create_task(self._graded())))
            if len(begun) == 3:
                break
        for step, grading in begun:
            await grading
            yield wire.StepStreamResponse(
                episode_id=step.episode_id, request_id=step.request_id, response=wire.StepResponse()
            )

    async def UpdateRun(self, request, context):  # noqa: N802
        return wire.UpdateRunResponse()

    async def _graded(self):
        self.running += 1
        try:
            await self.release.wait()
        finally:
            self.running -= 1
        return wire.StepResponse()


def bearer(secret):
    return (("authorization", f"Bearer {secret}"),)


def details(error):
    """Reason, metadata and wait in seconds of a failed call."""
    raw = dict(error.trailing_metadata())["grpc-status-details-bin"]
    info, retry = error_details_pb2.ErrorInfo(), error_details_pb2.RetryInfo()
    for detail in status_pb2.Status.FromString(raw).details:
        detail.Unpack(info) or detail.Unpack(retry)
    return info.reason, dict(info.metadata), retry.retry_delay.ToTimedelta().total_seconds()


async def refused(call):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call
    return caught.value


class TestTable:
    def test_every_rpc_has_a_scope_and_nothing_else_has(self):
        methods = {f"/{service.full_name}/{method.name}" for service in SERVICES for method in service.methods}
        assert set(RULES) == methods

    @pytest.mark.parametrize("service", SERVICES[1:], ids=lambda service: service.name)
    def test_what_is_behind_env_is_for_env_alone(self, service):
        for method in service.methods:
            assert RULES[f"/{service.full_name}/{method.name}"].scope is Scope.SERVICE

    def test_what_includes_what(self):
        may = {scope: {other for other in Scope if allows(frozenset({scope}), other)} for scope in Scope}
        assert may == {
            Scope.READ: {Scope.READ},
            Scope.TRAIN: {Scope.READ, Scope.TRAIN},
            Scope.ADMIN: {Scope.READ, Scope.TRAIN, Scope.ADMIN},
            Scope.SERVICE: {Scope.SERVICE},
        }


class TestScope:
    async def test_a_token_may_do_what_its_scope_says_and_no_more(self, file):
        reader, trainer, admin = (file.add(f"the-{scope}", scope) for scope in ("read", "train", "admin"))
        grader = Grader()
        grader.release.set()
        async with served(grader, tokens_file=file.path) as env:
            calls = {
                "ListTasks": lambda secret: env.stub.ListTasks(wire.ListTasksRequest(), metadata=bearer(secret)),
                "Step": lambda secret: env.stub.Step(wire.StepRequest(), metadata=bearer(secret)),
                "UpdateRun": lambda secret: env.stub.UpdateRun(wire.UpdateRunRequest(), metadata=bearer(secret)),
            }
            needs = {"ListTasks": "read", "Step": "train", "UpdateRun": "admin"}
            levels = ["read", "train", "admin"]
            for name, secret in zip(levels, (reader, trainer, admin), strict=True):
                for method, call in calls.items():
                    if levels.index(name) >= levels.index(needs[method]):
                        await call(secret)
                        continue
                    error = await refused(call(secret))
                    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
                    reason, metadata, _ = details(error)
                    assert (reason, metadata) == (
                        "SCOPE_MISSING",
                        {"token": f"the-{name}", "scope": needs[method]},
                    )
                    assert f"{method} needs the scope {needs[method]}" in error.details()
            await eventually(lambda: env.handled("UpdateRun", "PERMISSION_DENIED") == 2)

    async def test_the_one_shared_token_may_do_everything_beside_them(self, file):
        file.add("the-read", "read")
        async with served(Grader(), token="opensesame", tokens_file=file.path) as env:
            await env.stub.UpdateRun(wire.UpdateRunRequest(), metadata=bearer("opensesame"))
            await env.stub.ListTasks(wire.ListTasksRequest(), metadata=bearer(file.secrets["the-read"]))

    async def test_the_sdk_tells_the_failures_apart(self, file):
        reader = file.add("the-read", "read")
        expired = file.add("gone", "train", expires=datetime.datetime(2020, 1, 1, tzinfo=datetime.UTC))

        def use(secret):
            with ArenaClient(env.address, token=secret, max_attempts=1, timeout_seconds=10) as arena:
                return arena.step("ep_1", "x = 1")

        async with served(Grader(), tokens_file=file.path) as env:
            with pytest.raises(PermissionDeniedError) as denied:
                await asyncio.to_thread(use, reader)
            assert (denied.value.reason, denied.value.metadata["scope"]) == ("SCOPE_MISSING", "train")
            for secret, reason, words in (
                (None, "BAD_TOKEN", "send a token"),
                ("codearena_guessed", "BAD_TOKEN", "does not know this token"),
                (expired, "TOKEN_EXPIRED", "the token gone expired at 2020-01-01"),
            ):
                with pytest.raises(UnauthenticatedError, match=words) as caught:
                    await asyncio.to_thread(use, secret)
                assert caught.value.reason == reason


class TestRate:
    async def test_more_requests_than_it_may_send(self, file):
        secret = file.add("slow", "read", "--requests-per-second", "0.001", "--burst", "3")
        other = file.add("other", "read")
        async with served(tokens_file=file.path) as env:

            def call(secret):
                return env.stub.ListTasks(wire.ListTasksRequest(), metadata=bearer(secret))

            for _ in range(3):
                await call(secret)
            error = await refused(call(secret))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            reason, metadata, wait = details(error)
            assert (reason, metadata["token"], metadata["quota"]) == (
                "TOKEN_QUOTA_EXCEEDED",
                "slow",
                "requests_per_second",
            )
            assert 900 < wait <= 1000
            await call(other)

            file.entries[0] |= {"requests_per_second": 100_000}
            file.write()

            async def again():
                await call(secret)
                return True

            await eventually(again)

    async def test_the_sdk_says_when_to_come_back(self, file):
        secret = file.add("slow", "read", "--requests-per-second", "0.001", "--burst", "1")
        async with (
            served(tokens_file=file.path) as env,
            AsyncArenaClient(env.address, token=secret, max_attempts=1) as arena,
        ):
            assert [task async for task in arena.list_tasks()] == []
            with pytest.raises(QuotaExceededError) as caught:
                assert [task async for task in arena.list_tasks()] == []
            assert caught.value.retry_after_seconds > 900


class TestConcurrency:
    async def test_more_steps_than_it_may_have_under_way(self, file):
        secret = file.add("narrow", "train", "--concurrent-steps", "2")
        grader = Grader()
        async with served(grader, tokens_file=file.path) as env:

            def step():
                return env.stub.Step(wire.StepRequest(), metadata=bearer(secret), timeout=30)

            running = [step(), step()]
            await eventually(lambda: grader.running == 2)
            error = await refused(step())
            reason, metadata, wait = details(error)
            assert (error.code(), reason) == (grpc.StatusCode.RESOURCE_EXHAUSTED, "TOKEN_QUOTA_EXCEEDED")
            assert (metadata["quota"], metadata["limit"], wait) == ("concurrent_steps", "2", 1.0)
            running[0].cancel()
            await eventually(lambda: grader.running == 1)
            running.append(step())
            await eventually(lambda: grader.running == 2)
            grader.release.set()
            await asyncio.gather(*running[1:])
            await step()

    async def test_a_stream_is_slowed_down_and_not_refused(self, file):
        secret = file.add("narrow", "train", "--concurrent-steps", "3")
        grader = Grader()
        async with (
            served(grader, tokens_file=file.path) as env,
            AsyncArenaClient(env.address, token=secret, max_attempts=1, timeout_seconds=30) as arena,
        ):
            single = env.stub.Step(wire.StepRequest(), metadata=bearer(secret), timeout=30)
            await eventually(lambda: grader.running == 1)
            steps = [StepCall(f"ep_{number}", "x = 1") for number in range(3)]
            answers = asyncio.create_task(_all(arena.step_stream(steps, window=3)))
            await eventually(lambda: grader.running == 3)
            await asyncio.sleep(0.2)
            assert (grader.running, answers.done()) == (3, False)
            grader.release.set()
            await single
            assert len(await answers) == 3

    async def test_a_group_larger_than_the_quota_takes_all_of_it(self, file):
        secret = file.add("narrow", "train", "--concurrent-steps", "2")
        entered, release = asyncio.Event(), asyncio.Event()

        async def items(request):
            entered.set()
            await release.wait()
            for index in range(len(request.codes)):
                yield wire.GradeGroupResponse(index=index)

        stand = Grader()
        stand.items = items
        async with served(stand, tokens_file=file.path) as env:
            group = env.stub.GradeGroup(wire.GradeGroupRequest(codes=["x"] * 5), metadata=bearer(secret), timeout=30)
            await asyncio.wait_for(entered.wait(), 10)
            error = await refused(env.stub.Step(wire.StepRequest(), metadata=bearer(secret)))
            assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
            release.set()
            assert [item.index async for item in group] == [0, 1, 2, 3, 4]
            stand.release.set()
            await env.stub.Step(wire.StepRequest(), metadata=bearer(secret))

    async def test_a_group_holds_the_quota_until_fewer_are_left(self, file):
        secret = file.add("narrow", "train", "--concurrent-steps", "2")
        graded = asyncio.Queue()

        async def items(request):
            for _ in request.codes:
                yield wire.GradeGroupResponse(index=await graded.get())

        stand = Grader()
        stand.items = items
        stand.release.set()
        async with served(stand, tokens_file=file.path) as env:

            def step():
                return env.stub.Step(wire.StepRequest(), metadata=bearer(secret), timeout=30)

            group = env.stub.GradeGroup(wire.GradeGroupRequest(codes=["x"] * 5), metadata=bearer(secret), timeout=30)
            for index in range(3):
                graded.put_nowait(index)
                assert (await group.read()).index == index
                assert details(await refused(step()))[0] == "TOKEN_QUOTA_EXCEEDED"
            graded.put_nowait(3)
            assert (await group.read()).index == 3
            await step()
            graded.put_nowait(4)
            assert (await group.read()).index == 4
            assert await group.code() is grpc.StatusCode.OK


class TestFile:
    async def test_it_is_read_again_when_it_changes(self, file):
        first = file.add("first", "read")
        async with served(tokens_file=file.path) as env:

            def call(secret):
                return env.stub.ListTasks(wire.ListTasksRequest(), metadata=bearer(secret))

            await call(first)
            with capture_logs() as logs:
                second = file.add("second", "read")
                await call(second)
                del file.entries[0]
                file.write()
                assert (await refused(call(first))).code() is grpc.StatusCode.UNAUTHENTICATED
                await call(second)
            reloads = [entry for entry in logs if entry["event"] == "tokens reloaded" and entry["audit"]]
            assert [(entry.get("added"), entry.get("removed")) for entry in reloads] == [
                ("second", None),
                (None, "first"),
            ]
            assert first not in repr(logs)
            assert second not in repr(logs)

    async def test_readiness_is_told_on_whatever_the_file_holds(self, file, monkeypatch):
        monkeypatch.setattr("services.common.server._CHECK_SECONDS", 0.02)
        file.add("first", "read")
        stand = Grader()
        async with served(stand, tokens_file=file.path) as env:
            with capture_logs() as logs:
                file.path.write_text("tokens: [{name: a, expires: 2030-02-30}]")
                await eventually(lambda: any(entry["event"] == "tokens refused" for entry in logs))
                stand.ready = lambda: False
                health = health_pb2_grpc.HealthStub(env.channel)

                async def told():
                    answer = await health.Check(health_pb2.HealthCheckRequest(), timeout=10)
                    return answer.status == health_pb2.HealthCheckResponse.NOT_SERVING

                await eventually(told)
            assert len([entry for entry in logs if entry["event"] == "tokens refused"]) == 1

    async def test_one_that_could_not_be_read_is_tried_again(self, file, monkeypatch):
        """It may be the machine's fault, which leaves no trace in the file."""
        file.add("first", "read")
        async with served(tokens_file=file.path) as env:

            def call(secret):
                return env.stub.ListTasks(wire.ListTasksRequest(), metadata=bearer(secret))

            second = file.add("second", "read")
            with monkeypatch.context() as patch:
                patch.setattr(type(file.path), "open", _no_more_files)
                assert (await refused(call(second))).code() is grpc.StatusCode.UNAUTHENTICATED
            await call(second)

    async def test_a_stream_ends_when_its_token_is_taken_away(self, file):
        secret = file.add("first", "train")
        grader = Grader()
        async with served(grader, tokens_file=file.path) as env:
            call = env.stub.StepStream(metadata=bearer(secret), timeout=30)
            await call.write(wire.StepStreamRequest(step=wire.StepRequest(episode_id="ep_1")))
            await eventually(lambda: grader.running == 1)
            file.entries.clear()
            file.write()
            await call.write(wire.StepStreamRequest(step=wire.StepRequest(episode_id="ep_2")))
            assert await call.code() is grpc.StatusCode.UNAUTHENTICATED

    @pytest.mark.parametrize(
        ("text", "why"),
        [
            ("tokens: [", "is no YAML"),
            (f"tokens: [{{name: a, sha256: {'a' * 64}, scopes: [read], expires: 2030-02-30}}]", "does not exist"),
            (f"tokens: [{{name: a, sha256: {'a' * 64}, scopes: [read], burst: !!int ''}}]", "does not exist"),
            ("", "tokens"),
            ("tokens: {}", "tokens"),
            ("tokens: [{name: a, token: opensesame, scopes: [read]}]", "sha256"),
            ("tokens: [{name: a, sha256: opensesame, scopes: [read]}]", "sha256"),
            (f"tokens: [{{name: a, sha256: {'a' * 64}, scopes: [root]}}]", "scopes"),
            (f"tokens: [{{name: a, sha256: {'a' * 64}, scopes: []}}]", "scopes"),
            (f"tokens: [{{name: a, sha256: {'a' * 64}, scopes: [read], expires: '2030-01-01T00:00:00'}}]", "expires"),
            (f"tokens: [{{name: a, sha256: {'a' * 64}, scopes: [read], burst: 0}}]", "burst"),
            (f"tokens: [{{name: shared, sha256: {'a' * 64}, scopes: [read]}}]", "CODEARENA_TOKEN"),
            (f"tokens: [{{name: nobody, sha256: {'a' * 64}, scopes: [read]}}]", "call the token something else"),
            (
                "tokens: [" + ", ".join(f"{{name: {n}, sha256: {'a' * 64}, scopes: [read]}}" for n in "ab") + "]",
                "two tokens have the same sha256",
            ),
        ],
    )
    async def test_one_that_is_wrong(self, file, text, why):
        broken = file.path.with_name("broken.yaml")
        broken.write_text(text)
        with pytest.raises(StartError, match=why) as caught:
            async with served(tokens_file=broken):
                pass
        assert "opensesame" not in str(caught.value)
        secret = file.add("good", "read")
        async with served(tokens_file=file.path) as env:
            with capture_logs() as logs:
                file.path.write_text(text)
                for _ in range(2):
                    await env.stub.ListTasks(wire.ListTasksRequest(), metadata=bearer(secret))
            (line,) = (entry for entry in logs if entry["event"] == "tokens refused")
            assert why in line["why"]
            assert "opensesame" not in repr(logs)

    async def test_one_that_is_not_there(self, tmp_path):
        with pytest.raises(StartError, match=r"CODEARENA_TOKENS_FILE: .* cannot be read"):
            async with served(tokens_file=tmp_path / "none.yaml"):
                pass

    async def test_an_empty_list_lets_nobody_in(self, file):
        file.write()
        async with served(tokens_file=file.path) as env:
            error = await refused(env.stub.ListTasks(wire.ListTasksRequest()))
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED


class TestCommand:
    def test_the_token_is_shown_once_and_its_line_works(self, file):
        done = CliRunner().invoke(cli, ["token", "new", "--name", "a", "--scope", "train", "--scope", "read"])
        assert done.exit_code == 0
        secret, line = done.stdout.splitlines()
        assert secret.startswith("codearena_")
        assert len(secret) > 50
        assert secret not in line
        file.path.write_text(f"tokens:\n{line}\n")

        async def use():
            async with served(tokens_file=file.path) as env:
                return await env.stub.ListTasks(wire.ListTasksRequest(), metadata=bearer(secret))

        assert asyncio.run(use()).total_count == 7

    def test_two_are_never_the_same(self):
        made = {new({}, "--name", "a", "--scope", "read")["sha256"] for _ in range(3)}
        assert len(made) == 3

    def test_what_it_says_is_in_the_entry(self):
        options = ("--days", "2", "--requests-per-second", "5", "--burst", "7", "--concurrent-steps", "9")
        entry = new({}, "--name", "a", "--scope", "read", *options)
        left = datetime.datetime.fromisoformat(entry["expires"]) - datetime.datetime.now(datetime.UTC)
        assert abs(left.total_seconds() - 2 * 86400) < 60
        assert (entry["requests_per_second"], entry["burst"], entry["concurrent_steps"]) == (5.0, 7, 9)

    @pytest.mark.parametrize(
        "options",
        [
            ("--name", "a"),
            ("--scope", "read"),
            ("--name", "a b", "--scope", "read"),
            ("--name", "shared", "--scope", "read"),
            ("--name", "nobody", "--scope", "read"),
            ("--name", "a", "--scope", "root"),
            ("--name", "a", "--scope", "read", "--days", "0"),
            ("--name", "a", "--scope", "read", "--burst", "0"),
        ],
    )
    def test_wrong_options(self, options):
        done = CliRunner().invoke(cli, ["token", "new", *options])
        assert (done.exit_code, done.stdout) == (2, "")


def _no_more_files(*_args, **_options):
    raise OSError(errno.EMFILE, os.strerror(errno.EMFILE))


async def _all(answers):
    return [answer async for answer in answers]
