"""Deadlines, retries, token and TLS."""

import json
import subprocess
import threading
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

import codearena
from codearena import ArenaClient, TLSConfig
from codearena._channel import service_config
from codearena.v1 import env_service_pb2_grpc

UNAVAILABLE = grpc.StatusCode.UNAVAILABLE


def test_unavailable_step_is_sent_again_with_the_same_request_id(fake, client):
    fake.fail("Step", UNAVAILABLE, times=2, reason="SANDBOX_UNAVAILABLE")
    assert client.step("ep_1", "x = 1").reward == 0.9
    ids = [request.request_id for request in fake.requests("Step")]
    assert len(ids) == 3
    assert len(set(ids)) == 1


def test_request_of_the_largest_size_is_sent_again_too(fake, client):
    fake.fail("GradeGroup", UNAVAILABLE)
    codes = ["#" * 262_144] * 63
    assert len(list(client.grade_group("easy-1", codes))) == 63
    assert len(fake.received["GradeGroup"]) == 2


def test_attempts_are_bounded(fake):
    fake.fail("GetTask", UNAVAILABLE, times=9, reason="STORE_UNAVAILABLE")
    with (
        ArenaClient(fake.address, max_attempts=2) as arena,
        pytest.raises(codearena.UnavailableError) as caught,
    ):
        arena.get_task("easy-1")
    assert caught.value.reason == "STORE_UNAVAILABLE"
    assert len(fake.received["GetTask"]) == 2


@pytest.mark.parametrize(
    "code",
    [
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.UNKNOWN,
    ],
)
def test_nothing_else_is_sent_again(fake, client, code):
    fake.fail("Grade", code)
    with pytest.raises(codearena.ArenaError):
        client.grade("easy-1", "x = 1")
    assert len(fake.received["Grade"]) == 1


def test_service_config_retries_unavailable_only_and_shares_load():
    config = json.loads(service_config(5))
    (method,) = config["methodConfig"]
    assert method["name"] == [{"service": "codearena.v1.EnvService"}]
    assert method["retryPolicy"]["retryableStatusCodes"] == ["UNAVAILABLE"]
    assert method["retryPolicy"]["maxAttempts"] == 5
    assert config["retryThrottling"]
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    assert "methodConfig" not in json.loads(service_config(1))


def test_nothing_answers(unused_address):
    with (
        ArenaClient(unused_address, max_attempts=1) as arena,
        pytest.raises(codearena.UnavailableError) as caught,
    ):
        arena.reset()
    assert caught.value.reason == ""


@pytest.mark.parametrize(
    ("rpc", "call", "seconds"),
    [
        ("GetTask", lambda arena: arena.get_task("easy-1"), 30),
        ("Step", lambda arena: arena.step("ep_1", "x"), 120),
        ("Grade", lambda arena: arena.grade("easy-1", "x"), 120),
        ("GradeGroup", lambda arena: list(arena.grade_group("easy-1", ["x"])), 600),
    ],
)
def test_every_call_has_a_deadline(fake, rpc, call, seconds):
    with ArenaClient(fake.address) as arena:
        call(arena)
    with ArenaClient(fake.address, timeout_seconds=55.0) as arena:
        call(arena)
    by_default, by_client = [received.seconds_left for received in fake.received[rpc]]
    # gRPC rounds a deadline up on the wire
    assert seconds - 15 < by_default < seconds + 1
    assert 40 < by_client < 56


def test_call_overrides_the_deadline(fake, client):
    client.get_task("easy-1", timeout_seconds=500)
    assert 480 < fake.received["GetTask"][0].seconds_left < 501


def test_passed_deadline_raises(fake, client):
    fake.stalled.add("Grade")
    with pytest.raises(codearena.DeadlineExceededError):
        client.grade("easy-1", "x = 1", timeout_seconds=0.1)


def test_passed_deadline_of_a_group_raises(fake, client):
    fake.stalled.add("GradeGroup")
    with pytest.raises(codearena.DeadlineExceededError):
        list(client.grade_group("easy-1", ["x"], timeout_seconds=0.1))


def test_closing_the_client_cancels_a_call_in_flight(fake):
    fake.stalled.add("Grade")
    arena = ArenaClient(fake.address)
    errors = []

    def grade():
        try:
            arena.grade("easy-1", "x = 1")
        except codearena.ArenaError as error:
            errors.append(error)

    thread = threading.Thread(target=grade)
    thread.start()
    assert fake.arrived["Grade"].wait(30)
    arena.close()
    thread.join(timeout=30)
    assert [type(error) for error in errors] == [codearena.CallCancelledError]


def test_token_is_sent_as_bearer(fake):
    with ArenaClient(fake.address, token="s3cret") as arena:
        arena.get_task("easy-1")
        list(arena.grade_group("easy-1", ["x"]))
    for rpc in ("GetTask", "GradeGroup"):
        assert fake.received[rpc][0].metadata["authorization"] == "Bearer s3cret"


def test_a_token_may_change_from_call_to_call(fake):
    tokens = ["first", "second", None]
    with ArenaClient(fake.address, token=lambda: tokens.pop(0)) as arena:
        for _ in range(3):
            arena.get_task("easy-1")
    sent = [call.metadata.get("authorization") for call in fake.received["GetTask"]]
    assert sent == ["Bearer first", "Bearer second", None]


def test_a_token_that_is_none_is_refused_when_it_is_due(fake):
    with ArenaClient(fake.address, token=lambda: "two words") as arena, pytest.raises(codearena.InvalidArgumentError):
        arena.get_task("easy-1")
    assert not fake.received["GetTask"]


def test_no_token_is_sent_unless_given(fake, client):
    client.get_task("easy-1")
    assert "authorization" not in fake.received["GetTask"][0].metadata


@pytest.fixture(scope="module")
def certificate(tmp_path_factory):
    """Key and certificate of "arena.test", signed by itself."""
    folder = tmp_path_factory.mktemp("tls")
    key, chain = folder / "key.pem", folder / "chain.pem"
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=arena.test"]
    command += ["-addext", "subjectAltName=DNS:arena.test", "-keyout", str(key), "-out", str(chain)]
    subprocess.run(command, check=True, capture_output=True)
    return key, chain


@pytest.fixture
def tls_address(fake, certificate):
    """The peer behind TLS that asks for the client's certificate."""
    key, chain = (part.read_bytes() for part in certificate)
    server = grpc.server(ThreadPoolExecutor(max_workers=2))
    env_service_pb2_grpc.add_EnvServiceServicer_to_server(fake, server)
    credentials = grpc.ssl_server_credentials([(key, chain)], chain, require_client_auth=True)
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(grace=None).wait()


@pytest.mark.parametrize("read", [lambda path: path, str, lambda path: path.read_bytes()])
def test_mutual_tls_from_paths_and_bytes(tls_address, certificate, read):
    key, chain = map(read, certificate)
    config = TLSConfig(chain, key, chain, server_name="arena.test")
    with ArenaClient(tls_address, tls=config, token="t") as arena:
        assert arena.get_task("easy-1").task_id == "easy-1"


def test_unknown_authority_is_refused(tls_address):
    config = TLSConfig(server_name="arena.test")
    with ArenaClient(tls_address, tls=config, max_attempts=1) as arena, pytest.raises(codearena.UnavailableError):
        arena.get_task("easy-1")


def test_missing_certificate_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent"):
        ArenaClient(tls=TLSConfig(tmp_path / "absent.pem"))
