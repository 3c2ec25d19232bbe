"""docs/metrics.md against what a running arena exports, and what that can grow to."""

from __future__ import annotations

import contextlib
import re

import grpc
import httpx2
import pytest
from prometheus_client.parser import text_string_to_metric_families

from codearena import AsyncArenaClient, InternalError
from codearena.v1 import core_pb2 as core
from codearena.v1 import env_service_pb2, executor_service_pb2, judge_service_pb2
from services.common.metrics import RpcMetrics, build_info, new_registry, page
from services.env.metrics import EnvMetrics
from services.env.rewards import COMPONENTS, PROFILES, Score, reward
from services.env.service import EnvService
from services.env.settings import EnvSettings
from services.executor.jobs import Attempts
from services.executor.metrics import ExecutorMetrics
from services.gateway.service import gateway
from services.gateway.settings import GatewaySettings
from services.judge.providers import MAX_PROVIDERS
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings
from tests.env.parts import Part
from tests.ops.manifests import ROOT

SERVICES = ("env", "executor", "judge", "gateway")
MOST_SERIES = 3000
SLO_SECONDS = {0.005, 0.025, 0.05, 0.1, 0.25, 1.0, 2.5, 5.0, 10.0, 30.0}
_ROW = re.compile(r"^\| `([a-z_]+)` \| (counter|gauge|histogram) \| ([a-z, ]+) \|(.*?)\| .+ \|$", re.MULTILINE)


def families(text):
    """The metrics of a page by their names in PromQL."""
    found = {}
    for family in text_string_to_metric_families(text):
        whole = family.type == "counter" and not family.name.endswith("_total")
        found[f"{family.name}_total" if whole else family.name] = family
    return found


def series(text):
    return [line for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(scope="module")
def dashboard(tmp_path_factory):
    """What of the built dashboard makes routes."""
    folder = tmp_path_factory.mktemp("dashboard")
    (folder / "assets").mkdir()
    for name in ("index.html", "favicon.svg", "robots.txt"):
        (folder / name).write_text("")
    return folder


@pytest.fixture(scope="module")
async def pages(arena, dashboard):
    """The page of each service of an arena that has graded a step."""
    async with AsyncArenaClient(arena.address) as client:
        await (await client.reset("easy-1")).step("def average_list(numbers):\n    return 0.0\n")
    settings = GatewaySettings(port=0, env_address=arena.address, token=None, dashboard=dashboard)
    async with gateway(settings, {}) as door, httpx2.AsyncClient(base_url=door.url, trust_env=False) as http:
        for path in ("/", "/assets/none.js", "/arena/deep", "/api/tasks", "/no/such/path"):
            await http.get(path)
        served = (await http.get("/metrics")).text
    return {name: page(registry, "")[0].decode() for name, registry in arena.registries.items()} | {"gateway": served}


@pytest.mark.parametrize("service", SERVICES)
def test_what_is_exported_is_documented_and_the_other_way_round(pages, service):
    documented = {
        name: (kind, set(re.findall(r"`(\w+)`", labels)))
        for name, kind, where, labels in _ROW.findall((ROOT / "docs/metrics.md").read_text())
        if service in where.split(", ")
    }
    exported = {
        name: (family.type, {label for sample in family.samples for label in sample.labels} - {"le"})
        for name, family in families(pages[service]).items()
    }
    assert exported == documented


@pytest.mark.parametrize("service", SERVICES)
def test_thresholds_are_edges_of_every_histogram_of_seconds(pages, service):
    found = {
        name: family
        for name, family in families(pages[service]).items()
        if family.type == "histogram" and name.endswith("_seconds")
    }
    assert found
    for name, family in found.items():
        edges = {float(sample.labels["le"]) for sample in family.samples if "le" in sample.labels}
        assert edges >= SLO_SECONDS, name


def test_every_stage_of_a_step_is_measured(pages):
    counts = {
        sample.labels["stage"]: sample.value
        for sample in families(pages["env"])["codearena_step_duration_seconds"].samples
        if sample.name.endswith("_count")
    }
    assert set(counts) == {"queue", "provision", "execute", "judge", "store", "total"}
    assert all(counts.values())


async def test_rewards_of_groups_count_and_are_no_steps(arena):
    def value(name, **labels):
        return arena.registries["env"].get_sample_value(name, {"task_category": "easy"} | labels)

    def now():
        steps = sum(
            value("codearena_steps_total", outcome=core.Outcome.Name(outcome).removeprefix("OUTCOME_").lower())
            for outcome in core.Outcome.values()[1:]
        )
        return value("codearena_rewards_total"), value("codearena_reward_sum_total"), steps

    before = now()
    codes = ["def average_list(numbers):\n    return 1.0\n", "def average_list("]
    async with AsyncArenaClient(arena.address) as client:
        rewards = [grade.reward async for _, grade in client.grade_group("easy-1", codes)]
        rewards.append((await client.grade("easy-1", codes[0])).reward)
    number, total, steps = (after - earlier for after, earlier in zip(now(), before, strict=True))
    assert (number, steps) == (3, 0)
    assert total == pytest.approx(sum(rewards))


# How many series there can be


def busy_rpcs(registry, descriptor):
    """The metrics of a server whose every method has ended with every status."""
    service = descriptor.full_name
    rpcs = RpcMetrics(registry)
    rpcs.declare(service, (method.name for method in descriptor.methods))
    for method in descriptor.methods:
        for code in grpc.StatusCode:
            rpcs.observe(service, method.name, code.name, 0.1)
    build_info(registry, "name", "1.0")


def env_at_worst(registry):
    busy_rpcs(registry, env_service_pb2.DESCRIPTOR.services_by_name["EnvService"])
    names = [f"category-{number}" for number in range(500)]
    metrics = EnvMetrics(registry, names)
    earned = reward({name: Score(0.5, "") for name in COMPONENTS}, step=1, repeated=False, profile=PROFILES["default"])
    for name in names:
        metrics.step_failed(name)
        for outcome in core.Outcome.values()[1:]:
            metrics.step(name, outcome, earned)
        for end in ("solved", "exhausted", "closed"):
            metrics.episode_ended(name, end)


def executor_at_worst(registry):
    busy_rpcs(registry, executor_service_pb2.DESCRIPTOR.services_by_name["ExecutorService"])
    metrics = ExecutorMetrics(registry, "kubernetes", lambda: 1)
    for outcome in core.Outcome.values()[1:]:
        metrics.ended(outcome, attempts("socket", "mount", "ptrace", "fork"))
    metrics.failed()
    metrics.started(0.1, warm=True)
    metrics.started(0.1, warm=False)
    metrics.waited(0.1)


def judge_at_worst(registry):
    busy_rpcs(registry, judge_service_pb2.DESCRIPTOR.services_by_name["JudgeService"])
    providers = [{"name": f"p{n}", "model": f"fixer-{n}", "kind": "ollama"} for n in range(MAX_PROVIDERS)]
    settings = JudgeSettings(
        judge_base_url="http://127.0.0.1:1/v1",
        judge_model="first",
        judge_panel=tuple(f"judge-{number}" for number in range(8)),
        fixer_providers=tuple(providers),
    )
    JudgeService(settings, registry)


@pytest.mark.parametrize("fill", [env_at_worst, executor_at_worst, judge_at_worst], ids=lambda fill: fill.__name__)
def test_the_worst_case_stays_below_three_thousand_series(fill):
    registry = new_registry()
    fill(registry)
    text = page(registry, "")[0].decode()
    assert "_created" not in text
    assert 100 < len(series(text)) < MOST_SERIES


def test_the_gateway_stays_below_it_too(pages):
    """Its label sets are all made at the start: a request adds none."""
    assert 100 < len(series(pages["gateway"])) < MOST_SERIES
    routes = {
        sample.labels["route"] for sample in families(pages["gateway"])["codearena_gateway_requests_total"].samples
    }
    assert {"other", "/", "/step", "/assets", "/{env_name}/tasks"} <= routes


def test_an_arena_of_one_process_stays_below_it_page_by_page(pages):
    assert {name: len(series(text)) < MOST_SERIES for name, text in pages.items()} == dict.fromkeys(SERVICES, True)


# What is counted


def attempts(*refused):
    return Attempts(
        early_exit=True, tampered=1, refused=list(refused), refused_count=len(refused), survivors=1, flood=True
    )


@contextlib.contextmanager
def counted(arena, name, **labels):
    """Yields a function that says by how much a counter of the executor has grown in the block."""

    def value():
        return arena.registries["executor"].get_sample_value(name, labels)

    before = value()
    yield lambda: value() - before


async def test_a_step_that_fails_by_a_mistake_of_ours_is_an_infra_error(arena, tmp_path):
    """Here of whoever gave env and judge different tokens."""
    judge = Part(JudgeService, JudgeSettings, judge_workers=1, token="another")
    peers = {"executor_address": arena.executor_address, "judge_address": judge.address}
    env = Part(EnvService, EnvSettings, data_dir=tmp_path, **peers)
    async with contextlib.AsyncExitStack() as stack:
        for part in (judge, env):
            stack.push_async_callback(part.stop)
            await part.start()
        client = await stack.enter_async_context(AsyncArenaClient(env.address, max_attempts=1))
        episode = await client.reset("easy-1")
        with pytest.raises(InternalError):
            await episode.step("def average_list(numbers):\n    return 0.0\n")
        assert env.metric("codearena_steps_total", outcome="infra_error") == 1
        assert env.metric("codearena_rewards_total") == 0


async def test_a_program_that_is_refused_a_process_ends_for_lack_of_one(arena):
    with (
        counted(arena, "codearena_sandbox_exits_total", backend="process", reason="pids") as ended,
        counted(arena, "codearena_sandbox_violations_total", kind="syscall") as tried,
    ):
        async with AsyncArenaClient(arena.address) as client:
            await client.run_code("import os\nos.fork()\n")
        assert (ended(), tried()) == (1, 1)


async def test_an_attempt_on_the_filesystem_is_told_from_other_calls(arena):
    with (
        counted(arena, "codearena_sandbox_violations_total", kind="filesystem") as tried,
        counted(arena, "codearena_sandbox_violations_total", kind="syscall") as other,
    ):
        async with AsyncArenaClient(arena.address) as client:
            await client.run_code("import os\nos.chroot('/')\n")
        assert (tried(), other()) == (1, 0)


def test_what_a_backend_reaped_before_there_were_metrics_is_counted():
    registry, reaped = new_registry(), [2]
    ExecutorMetrics(registry, "docker", lambda: reaped[0])
    reaped[0] += 1
    assert registry.get_sample_value("codearena_sandbox_orphans_reaped_total", {"backend": "docker"}) == 3
