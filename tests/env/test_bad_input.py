"""Requests that no honest client sends: each gets its own status and reason, and the service goes on."""

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from codearena import InvalidArgumentError, Outcome
from codearena.v1 import env_service_pb2 as wire

FIX = "def average_list(numbers):\n    return 1\n"
INVALID = grpc.StatusCode.INVALID_ARGUMENT
LONG = "x" * 129


def info_of(error):
    """The ErrorInfo of a failed call."""
    trailers = dict(error.trailing_metadata())
    status = status_pb2.Status.FromString(trailers["grpc-status-details-bin"])
    assert status.code == error.code().value[0]
    info = error_details_pb2.ErrorInfo()
    assert status.details[0].Unpack(info)
    assert info.domain == "codearena"
    return info


async def refusal(call, request):
    """Sends a request that must fail, and returns status, reason and metadata."""
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await call(request, timeout=60)
    details = caught.value.details()
    assert details
    assert "Traceback" not in details
    assert "File " not in details
    info = info_of(caught.value)
    return caught.value.code(), info.reason, dict(info.metadata)


@pytest.fixture(scope="module")
async def episode_id(stub):
    return (await stub.Reset(wire.ResetRequest(task_id="easy-1"))).episode_id


@pytest.fixture(autouse=True)
async def the_service_answers_afterwards(stub, episode_id):
    yield
    state = await stub.GetState(wire.GetStateRequest(episode_id=episode_id), timeout=10)
    assert state.observation.step == 0, "a refused step was counted"
    assert not state.done


FIXES = [
    ("", "EMPTY_FIX"),
    (" \n\t\r\n", "EMPTY_FIX"),
    ("x" * 262_145, "FIX_TOO_LARGE"),
    ("\N{SNOWMAN}" * 87_382, "FIX_TOO_LARGE"),
    ("#" * (5 << 20), "FIX_TOO_LARGE"),
    ("x = 1\0", "INVALID_TEXT"),
    ("\0", "INVALID_TEXT"),
]


@pytest.mark.parametrize(("fix", "reason"), FIXES, ids=lambda value: repr(value)[:20])
class TestFixes:
    async def test_step(self, stub, episode_id, fix, reason):
        request = wire.StepRequest(episode_id=episode_id, proposed_fix=fix, request_id="r")
        code, found, metadata = await refusal(stub.Step, request)
        assert (code, found, metadata["field"]) == (INVALID, reason, "proposed_fix")
        assert metadata.get("limit_bytes") == ("262144" if reason == "FIX_TOO_LARGE" else None)

    @pytest.mark.parametrize("rpc", ["Grade", "RunCode", "ProposeFix"])
    async def test_code(self, stub, fix, reason, rpc):
        request = getattr(wire, f"{rpc}Request")(code=fix)
        if rpc == "Grade":
            request.task_id = "easy-1"
        code, found, metadata = await refusal(getattr(stub, rpc), request)
        assert (code, found, metadata["field"]) == (INVALID, reason, "code")


@pytest.mark.parametrize(
    ("rpc", "fields", "field"),
    [
        ("Reset", {}, "task_id"),
        ("Reset", {"task_id": " "}, "task_id"),
        ("Reset", {"task_id": LONG}, "task_id"),
        ("Reset", {"task_id": "easy-1\n"}, "task_id"),
        ("Reset", {"task_id": "acme/a/b"}, "task_id"),
        ("Reset", {"task_id": "auto", "split": "holdout"}, "split"),
        ("Reset", {"task_id": "auto", "split": "TRAIN"}, "split"),
        ("Reset", {"task_id": "auto", "seed": -1}, "seed"),
        ("Reset", {"task_id": "auto", "seed": -(2**63)}, "seed"),
        ("Reset", {"task_id": "auto", "run_id": LONG}, "run_id"),
        ("Reset", {"task_id": "auto", "run_id": "a\0b"}, "run_id"),
        ("Step", {"proposed_fix": FIX, "request_id": "r"}, "episode_id"),
        ("Step", {"proposed_fix": FIX, "request_id": "r", "episode_id": LONG}, "episode_id"),
        ("Step", {"proposed_fix": FIX, "episode_id": "ep_1"}, "request_id"),
        ("Step", {"proposed_fix": FIX, "episode_id": "ep_1", "request_id": LONG}, "request_id"),
        ("GetState", {}, "episode_id"),
        ("GetState", {"episode_id": LONG}, "episode_id"),
        ("CloseEpisode", {"episode_id": ""}, "episode_id"),
        ("Grade", {"code": FIX}, "task_id"),
        ("Grade", {"code": FIX, "task_id": "acme//double"}, "task_id"),
        ("Grade", {"code": FIX, "task_id": "easy-1", "run_id": LONG}, "run_id"),
        ("ProposeFix", {"episode_id": ""}, "episode_id"),
        ("ProposeFix", {"code": FIX, "error_log": "x" * 70_000}, "error_log"),
        ("RunCode", {"code": FIX, "stdin": "x" * 65_537}, "stdin"),
        ("GetTask", {}, "task_id"),
        ("GetTask", {"task_id": LONG}, "task_id"),
        ("GetTask", {"task_id": "/acme/"}, "task_id"),
        ("ListTasks", {"page_size": -1}, "page_size"),
        ("ListTasks", {"page_size": 501}, "page_size"),
        ("ListTasks", {"page_size": 2**31 - 1}, "page_size"),
        ("ListTasks", {"difficulty": 99}, "difficulty"),
        ("ListTasks", {"difficulty": -1}, "difficulty"),
        ("ListTasks", {"category": "x" * 201}, "category"),
        ("ListTasks", {"split": "nothing"}, "split"),
    ],
)
async def test_a_malformed_field_is_named(stub, rpc, fields, field):
    request = getattr(wire, f"{rpc}Request")(**fields)
    code, reason, metadata = await refusal(getattr(stub, rpc), request)
    assert (code, reason, metadata["field"]) == (INVALID, "INVALID_FIELD", field)


async def test_a_proposal_for_nothing(stub):
    assert (await refusal(stub.ProposeFix, wire.ProposeFixRequest()))[:2] == (INVALID, "EMPTY_FIX")


@pytest.mark.parametrize("token", ["nonsense", "AAAA", "\N{SNOWMAN}", "=" * 10_000, "a b"])
async def test_a_page_token_that_was_never_given_out(stub, token):
    request = wire.ListTasksRequest(page_token=token)
    assert (await refusal(stub.ListTasks, request))[:2] == (INVALID, "INVALID_PAGE_TOKEN")


async def test_a_page_token_of_another_filter(stub):
    page = await stub.ListTasks(wire.ListTasksRequest(page_size=1))
    request = wire.ListTasksRequest(page_size=1, page_token=page.next_page_token, category="hard")
    assert (await refusal(stub.ListTasks, request))[:2] == (INVALID, "INVALID_PAGE_TOKEN")


@pytest.mark.parametrize("count", [0, 257])
async def test_a_group_of_an_impossible_size(stub, count):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in stub.GradeGroup(wire.GradeGroupRequest(task_id="easy-1", codes=["x"] * count)):
            pass
    assert (caught.value.code(), info_of(caught.value).metadata["field"]) == (INVALID, "codes")


def raw(channel, rpc):
    return channel.unary_unary(f"/codearena.v1.EnvService/{rpc}", request_serializer=bytes, response_deserializer=bytes)


async def test_text_on_the_wire_that_is_not_utf8(channel, episode_id):
    good = wire.StepRequest(episode_id=episode_id, proposed_fix="~~~", request_id="r").SerializeToString()
    bad = good.replace(b"~~~", b"\xff\xfe\xfd")
    assert (await refusal(raw(channel, "Step"), bad))[:2] == (INVALID, "INVALID_TEXT")


async def test_surrogates_on_the_wire(channel, episode_id):
    good = wire.StepRequest(episode_id=episode_id, proposed_fix="~~~", request_id="r").SerializeToString()
    bad = good.replace(b"~~~", "\ud800".encode("utf-8", "surrogatepass"))
    assert (await refusal(raw(channel, "Step"), bad))[:2] == (INVALID, "INVALID_TEXT")


@pytest.mark.parametrize("garbage", [b"\xff" * 64, b"\x0a\x7f", b"\x00"])
async def test_bytes_that_are_no_message(channel, garbage):
    assert (await refusal(raw(channel, "Reset"), garbage))[:2] == (INVALID, "INVALID_TEXT")


async def test_a_stream_of_bytes_that_are_no_message(channel):
    group = channel.unary_stream(
        "/codearena.v1.EnvService/GradeGroup", request_serializer=bytes, response_deserializer=bytes
    )
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        async for _ in group(b"\xff" * 64):
            pass
    assert (caught.value.code(), info_of(caught.value).reason) == (INVALID, "INVALID_TEXT")


async def test_a_message_over_the_limit_is_refused(client, episode_id):
    with pytest.raises(InvalidArgumentError):
        await client.step(episode_id, "#" * (17 << 20))


async def test_lone_surrogates_do_not_leave_the_sdk(client, episode_id):
    with pytest.raises(InvalidArgumentError) as caught:
        await client.step(episode_id, "x = '\ud800'")
    assert caught.value.reason == "INVALID_TEXT"


async def test_an_unknown_rpc(channel):
    with pytest.raises(grpc.aio.AioRpcError) as caught:
        await raw(channel, "Explode")(b"")
    assert caught.value.code() is grpc.StatusCode.UNIMPLEMENTED


PROGRAMS = {
    "an encoding that is none": ("# -*- coding: no-such-codec -*-\n", Outcome.PASSED),
    "an encoding that is another": ("# -*- coding: utf-16 -*-\nA = '\N{SNOWMAN}'\n", Outcome.PASSED),
    "a byte order mark": ("\N{ZERO WIDTH NO-BREAK SPACE}", None),
    "carriage returns": ("A = 1\r\nB = 2\r", None),
    "brackets 10,000 deep": ("A = " + "[" * 10_000 + "]" * 10_000 + "\n", Outcome.COMPILE_ERROR),
    "blocks 600 deep": ("".join(" " * depth + "if 1:\n" for depth in range(600)), Outcome.COMPILE_ERROR),
    "operators 80,000 deep": ("A = " + "-" * 80_000 + "1\n", None),
    "attributes 80,000 deep": ("A = a" + ".b" * 80_000 + "\n", None),
    "a huge power": ("A = 10 ** 10 ** 8\n", None),
    "a huge number": ("A = " + "9" * 200_000 + "\n", None),
    "a name of 200,000 letters": ("a" * 200_000 + " = 1\n", Outcome.PASSED),
    "noncharacters": ("A = '\uffff\U0010ffff'\n", Outcome.PASSED),
}


@pytest.mark.parametrize("name", PROGRAMS)
async def test_odd_programs_are_graded(client, shipped, name):
    prefix, outcome = PROGRAMS[name]
    grade = await client.grade("easy-1", prefix + shipped.get("easy-1").reference)
    assert grade.tests_total == 12
    assert 0.001 <= grade.reward <= 0.999
    if outcome is not None:
        assert grade.outcome is outcome
    assert grade.outcome is not Outcome.UNSPECIFIED
