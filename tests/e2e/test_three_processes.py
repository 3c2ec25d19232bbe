"""Executor, judge and env as three processes: an episode, reflection, health, metrics, crashes, SIGTERM."""

import signal
import urllib.request

import grpc
import pytest
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import ProtoReflectionDescriptorDatabase

from codearena import ArenaClient, EpisodeDoneError, ErrorReason, Outcome, ServingStatus, UnavailableError
from tests.e2e.processes import NAMES, descendants, living, processes
from tests.waiting import until

FULL_NAMES = {name: f"codearena.v1.{name.capitalize()}Service" for name in NAMES}
WRONG = "def max_subarray_sum(arr):\n    return 0\n"
KADANE = """\
def max_subarray_sum(arr):
    best = current = arr[0] if arr else 0
    for value in arr[1:]:
        current = max(value, current + value)
        best = max(best, current)
    return best
"""


@pytest.fixture(scope="module")
def services(tmp_path_factory):
    with processes(tmp_path_factory.mktemp("services")) as running:
        yield running


@pytest.fixture
def client(services):
    with ArenaClient(services.address("env")) as client:
        yield client


def test_an_episode(client):
    with client.reset("hard-1", seed=7, run_id="e2e") as episode:
        first = episode.step(WRONG)
        assert first.outcome is Outcome.TESTS_FAILED
        second = episode.step(KADANE)
    assert (second.outcome, second.done, second.tests_passed) == (Outcome.PASSED, True, second.tests_total)
    assert second.reward > 0.9 > first.reward
    with pytest.raises(EpisodeDoneError):
        client.step(episode.episode_id, KADANE)
    assert [grade.outcome for _, grade in sorted(client.grade_group("hard-1", [KADANE, WRONG]))] == [
        Outcome.PASSED,
        Outcome.TESTS_FAILED,
    ]
    assert client.run_code("print(6 * 7)").stdout == "42\n"
    assert client.propose_fix("def f(x)\n    return x\n").code == "def f(x):\n    return x\n"


@pytest.mark.parametrize("name", NAMES)
def test_reflection(services, name):
    with grpc.insecure_channel(services.address(name)) as channel:
        found = ProtoReflectionDescriptorDatabase(channel).get_services()
    assert {FULL_NAMES[name], "grpc.health.v1.Health"} <= set(found)


@pytest.mark.parametrize("name", NAMES)
def test_health(services, name):
    with ArenaClient(services.address(name)) as client:
        for service in ("", FULL_NAMES[name], "liveness"):
            assert client.health(service) is ServingStatus.SERVING


def scrape(services, name):
    with urllib.request.urlopen(services.metrics_url(name), timeout=10) as response:
        assert response.status == 200
        return response.read().decode()


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("env", 'codearena_steps_total{outcome="passed",task_category="hard"} '),
        ("executor", 'codearena_sandbox_exits_total{backend="process",reason="ok"} '),
        ("judge", "codearena_judge_requests_total{"),
    ],
)
def test_metrics(services, client, name, expected):
    client.reset("hard-1").step(KADANE)
    page = scrape(services, name)
    assert f'codearena_build_info{{service="{name}"' in page
    line = next(line for line in page.splitlines() if line.startswith(expected))
    assert float(line.rpartition(" ")[2]) >= 1
    assert f'grpc_code="OK",grpc_method="{ {"env": "Step", "executor": "Execute", "judge": "Judge"}[name] }"' in page


def test_an_episode_outlives_an_env_that_is_killed(services, client):
    episode = client.reset("hard-1")
    first = episode.step(WRONG, "first")
    services.kill("env")
    with ArenaClient(services.address("env"), max_attempts=1) as impatient, pytest.raises(UnavailableError):
        impatient.get_state(episode.episode_id)
    services.start("env")
    services.wait_ready("env")
    again = episode.step(WRONG, "first")
    assert (again.replayed, again.grade, again.observation) == (True, first.grade, first.observation)
    second = episode.step(KADANE, "second")
    assert (second.observation.step, second.done, second.replayed) == (2, True, False)
    assert second.breakdown.penalties["step_penalty"] == pytest.approx(0.02)
    assert [attempt.proposed_fix for attempt in second.observation.previous_attempts] == [WRONG, KADANE]


def test_an_executor_that_is_killed_takes_its_sandboxes_along(services, client):
    episode = client.reset("hard-1")
    known = descendants(services.running["executor"].pid)
    assert known
    services.kill("executor")
    with ArenaClient(services.address("env"), max_attempts=1) as impatient:
        with pytest.raises(UnavailableError) as caught:
            impatient.step(episode.episode_id, KADANE, "request")
        assert caught.value.reason == ErrorReason.EXECUTOR_UNAVAILABLE
        assert impatient.get_state(episode.episode_id).observation.step == 0
    until(lambda: not living(known))
    services.start("executor")
    services.wait_ready("executor")
    assert episode.step(KADANE, "request").observation.step == 1


def test_sigterm_ends_each_with_status_0_and_leaves_no_process(tmp_path):
    with processes(tmp_path) as services:
        with ArenaClient(services.address("env")) as client:
            assert client.grade("easy-1", "def average_list(x):\n    return 1\n").outcome is Outcome.TESTS_FAILED
        known = set().union(*(descendants(process.pid) for process in services.running.values()))
        assert len(known) >= 3  # a zygote, and readers of env and judge
        for process in services.running.values():
            process.send_signal(signal.SIGTERM)
        statuses = {name: process.wait(timeout=30) for name, process in services.running.items()}
        assert statuses == dict.fromkeys(NAMES, 0)
        until(lambda: not living(known))
        for name in NAMES:
            assert "stopped" in services.log(name)
            assert "Traceback" not in services.log(name)
