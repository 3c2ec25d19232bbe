"""What the env service exports."""

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from codearena.v1 import core_pb2 as core
from codearena.v1 import env_service_pb2
from services.common.metrics import RpcMetrics, build_info
from services.env.metrics import EnvMetrics
from services.env.rewards import COMPONENTS, PROFILES, Score, reward

EARNED = reward({name: Score(0.5, "") for name in COMPONENTS}, step=1, repeated=False, profile=PROFILES["default"])
EXPORTED = {
    "grpc_server_handled_total": "counter",
    "grpc_server_handling_seconds": "histogram",
    "codearena_episodes_active": "gauge",
    "codearena_episodes_total": "counter",
    "codearena_steps_total": "counter",
    "codearena_step_duration_seconds": "histogram",
    "codearena_reward": "histogram",
    "codearena_reward_sum_total": "counter",
    "codearena_rewards_total": "counter",
    "codearena_build_info": "gauge",
}
SERVICE = env_service_pb2.DESCRIPTOR.services_by_name["EnvService"]


def server_registry(categories):
    """All that a process of the env service exports, before the first call."""
    registry = CollectorRegistry()
    rpcs = RpcMetrics(registry)
    rpcs.declare(SERVICE.full_name, [method.name for method in SERVICE.methods])
    build_info(registry, "env", "1.0")
    return registry, EnvMetrics(registry, categories)


def exported(registry):
    """The series of a scrape, by name and labels."""
    lines = generate_latest(registry).decode().splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))


@pytest.fixture
def metrics():
    return server_registry(["easy", "security_bugs"])


def test_every_name_exists_from_zero(metrics):
    registry, _ = metrics
    page = generate_latest(registry).decode()
    types = dict(line.split()[2:] for line in page.splitlines() if line.startswith("# TYPE"))
    assert {name: types.get(name) for name in EXPORTED} == EXPORTED
    series = exported(registry)
    names = {key.split("{")[0] for key in series}
    for name, kind in EXPORTED.items():
        assert (f"{name}_count" if kind == "histogram" else name) in names
    assert series['codearena_steps_total{outcome="infra_error",task_category="easy"}'] == "0.0"
    assert series['codearena_reward_count{component="llm_quality",task_category="security_bugs"}'] == "0.0"
    assert series['codearena_rewards_total{task_category="easy"}'] == "0.0"


def test_the_mean_reward_is_rate_by_rate(metrics):
    registry, metrics = metrics
    for _ in range(3):
        metrics.step("easy", core.OUTCOME_TESTS_FAILED, EARNED)
    value = registry.get_sample_value
    assert value("codearena_reward_sum_total", {"task_category": "easy"}) == pytest.approx(3 * EARNED.value)
    assert value("codearena_rewards_total", {"task_category": "easy"}) == 3
    labels = {"task_category": "easy", "component": "reward"}
    assert value("codearena_reward_count", labels) == 3
    assert value("codearena_reward_sum", labels) == pytest.approx(3 * EARNED.value)
    assert value("codearena_steps_total", {"task_category": "easy", "outcome": "tests_failed"}) == 3


def test_a_failure_of_ours_is_no_reward(metrics):
    registry, metrics = metrics
    metrics.step_failed("easy")
    value = registry.get_sample_value
    assert value("codearena_steps_total", {"task_category": "easy", "outcome": "infra_error"}) == 1
    assert value("codearena_rewards_total", {"task_category": "easy"}) == 0


def test_the_categories_with_most_tasks_are_counted_apart():
    small = [f"small-{number}" for number in range(30)]
    registry, metrics = server_registry([*small, "zz-large", "zz-large"])
    for name in ("zz-large", *small):
        metrics.episode_ended(name, "solved")
    value = registry.get_sample_value
    assert value("codearena_episodes_total", {"task_category": "zz-large", "outcome": "solved"}) == 1
    assert value("codearena_episodes_total", {"task_category": "other", "outcome": "solved"}) == 15


def test_an_unknown_category_is_counted_as_another(metrics):
    registry, metrics = metrics
    metrics.episode_ended("made-up", "solved")
    labels = {"task_category": "other", "outcome": "solved"}
    assert registry.get_sample_value("codearena_episodes_total", labels) == 1
