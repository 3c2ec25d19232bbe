"""A real Prometheus that scrapes a running arena: every panel and every rule has data, every metric has a use."""

from __future__ import annotations

import asyncio
import contextlib
import re
from types import SimpleNamespace

import httpx2
import pytest
from prometheus_client import CollectorRegistry, Gauge

from codearena import AsyncArenaClient, Outcome, UnavailableError
from ops.grafana.panels import dashboards
from services.common.metrics import MetricsEndpoint
from services.env.service import EnvService
from services.env.settings import EnvSettings
from services.executor.service import ExecutorService
from services.executor.settings import ExecutorSettings
from services.gateway.service import gateway
from services.gateway.settings import GatewaySettings
from services.judge.service import JudgeService
from services.judge.settings import JudgeSettings
from tests.conftest import require
from tests.env.parts import Part, free_port
from tests.judge.openai_server import OpenAiServer, Reply, good
from tests.ops import prometheus_server
from tests.ops.prometheus_server import rules
from tests.ops.promql import names, selectors
from tests.waiting import eventually

pytestmark = pytest.mark.timeout(300)
OURS = ("codearena_", "grpc_server_")
ALERTS = [rule for rule in rules() if "alert" in rule]
RECORDED = [rule for rule in rules() if "record" in rule]
RIGHT = "def average_list(numbers):\n    return sum(numbers) / len(numbers) if numbers else 0.0\n"
WRONG = "def average_list(numbers):\n    return {number}\n"
LEAVES = "import os\ndef average_list(numbers):\n    os._exit(0)\n"
CONNECTS = "import socket\ndef average_list(numbers):\n    socket.create_connection(('127.0.0.1', 80))\n"
ENDLESS = "def average_list(numbers):\n    while True: pass\n"


@contextlib.asynccontextmanager
async def parts(folder, arena_data, model_url):
    """Executor, judge with a model, env and gateway: each serves its metrics."""
    common = {"grace_seconds": 0}
    executor = Part(
        ExecutorService,
        ExecutorSettings,
        metrics_port=free_port(),
        data_dir=arena_data,
        sandbox_backend="process",
        slots=2,
        **common,
    )
    judge = Part(
        JudgeService,
        JudgeSettings,
        metrics_port=free_port(),
        judge_base_url=model_url,
        judge_api_key="none",  # pragma: allowlist secret
        judge_model="model",
        judge_prices={"model": (1.0, 2.0)},
        judge_max_retries=0,
        judge_breaker_threshold=1,
        judge_workers=1,
        **common,
    )
    peers = {"executor_address": executor.address, "judge_address": judge.address}
    env = Part(EnvService, EnvSettings, metrics_port=free_port(), data_dir=folder, **peers, **common)
    async with contextlib.AsyncExitStack() as stack:
        for part in (executor, judge, env):
            await part.start()
            stack.push_async_callback(part.stop)
        settings = GatewaySettings(host="127.0.0.1", port=0, env_address=env.address, token=None)
        served = await stack.enter_async_context(gateway(settings, {}))
        yield SimpleNamespace(executor=executor, judge=judge, env=env, gateway=served)


@contextlib.contextmanager
def kube_state_metrics():
    """What Kubernetes' own exporter says of an autoscaler; yields the target and the registry."""
    registry = CollectorRegistry()
    for name in ("status_desired_replicas", "spec_max_replicas"):
        gauge = Gauge(
            f"kube_horizontalpodautoscaler_{name}", "", ("namespace", "horizontalpodautoscaler"), registry=registry
        )
        gauge.labels("codearena", "codearena-executor").set(2)
    endpoint = MetricsEndpoint(registry, "127.0.0.1", 0)
    try:
        yield f"127.0.0.1:{endpoint.port}"
    finally:
        endpoint.close()


async def play(arena, task, *fixes):
    """Steps through an episode, and ends it where it has not ended by itself."""
    episode = await arena.reset(task)
    results = [await episode.step(fix) for fix in fixes]
    if not results[-1].done:
        await episode.close()
    return results


async def traffic(running, model):
    """Episodes solved, exhausted and closed; cheats; a model that fails; an executor that is away."""
    async with AsyncArenaClient(running.env.address, max_attempts=1) as arena:
        solved = await play(arena, "easy-1", WRONG.format(number=1), RIGHT)
        assert solved[-1].outcome is Outcome.PASSED
        await play(arena, "easy-1", *(WRONG.format(number=number) for number in range(2, 7)))
        await play(arena, "easy-1", WRONG.format(number=1), LEAVES, CONNECTS, ENDLESS)
        for task in ("medium-1", "hard-1", "security_bugs-1", "type_errors-1"):
            await play(arena, task, (await arena.get_task(task)).buggy_code)
        await arena.reset("auto", run_id="run")
        await arena.propose_fix(RIGHT)
        model.script = lambda request, number: Reply(status=500)
        await play(arena, "easy-1", WRONG.format(number=7), WRONG.format(number=8))
        episode = await arena.reset("easy-1")
        async with running.executor.down():
            with pytest.raises(UnavailableError):
                await episode.step(RIGHT)


@pytest.fixture(scope="module")
async def live(tmp_path_factory, arena_data):
    """A Prometheus that has seen all that."""
    require("prometheus", prometheus_server.installed(), "Prometheus is not installed (Debian's package `prometheus`)")
    folder = tmp_path_factory.mktemp("prometheus")
    model = OpenAiServer()
    async with contextlib.AsyncExitStack() as stack:
        stack.callback(model.close)
        model.script = good
        running = await stack.enter_async_context(parts(folder, arena_data, model.url))
        targets = {
            f"codearena-{name}": f"127.0.0.1:{getattr(running, name).server.metrics_port}"
            for name in ("env", "executor", "judge")
        }
        targets["codearena-gateway"] = running.gateway.url.removeprefix("http://")
        targets["kube-state-metrics"] = stack.enter_context(kube_state_metrics())
        async with httpx2.AsyncClient(base_url=running.gateway.url, trust_env=False) as browser:
            await browser.get("/health")
            manager = prometheus_server.running(folder, targets)
            server = await asyncio.to_thread(manager.__enter__)
            stack.push_async_callback(asyncio.to_thread, manager.__exit__, None, None, None)
            await browser.get("/health")
            await traffic(running, model)
            await browser.get("/health")
        registries = [running.env.registry, running.executor.registry, running.judge.registry, running.gateway.registry]
        yield SimpleNamespace(prometheus=server, registries=registries)


async def without_data(live, queries):
    """Which of several queries have no answer, once the first scrape and evaluation after the traffic are over."""
    missing = dict(queries)
    for _ in range(20):
        for name, (expr, instant) in list(missing.items()):
            if await asyncio.to_thread(live.prometheus.has_data, expr, instant=instant):
                del missing[name]
        if not missing:
            break
        await asyncio.sleep(1)
    return sorted(missing)


@pytest.mark.parametrize("dashboard", dashboards(), ids=lambda found: found.name)
async def test_every_panel_returns_data(live, dashboard):
    queries = {
        (panel.title, query.expr): (query.filled(dashboard.variables, "15m", "1h"), query.instant)
        for panel in dashboard.panels
        for query in panel.queries
    }
    assert await without_data(live, queries) == []


async def test_every_recorded_series_has_data(live):
    assert await without_data(live, {rule["record"]: (rule["record"], True) for rule in RECORDED}) == []


async def test_everything_that_an_alert_compares_has_data(live):
    """An alert that does not fire returns nothing: each series that it looks at must be there."""
    queries = {
        (alert["alert"], selector): (selector, True) for alert in ALERTS for selector in selectors(alert["expr"])
    }
    assert await without_data(live, queries) == []


async def test_every_rule_is_evaluated_without_an_error(live):
    def judged():
        groups = live.prometheus.get("rules")["groups"]
        return {rule["name"]: (rule["health"], rule.get("lastError")) for group in groups for rule in group["rules"]}

    await eventually(lambda: all(health != "unknown" for health, _ in judged().values()))
    found = judged()
    assert {name: error for name, (health, error) in found.items() if health != "ok"} == {}
    assert set(found) == {rule.get("record") or rule["alert"] for rule in rules()}


async def test_watchdog_fires_and_nobody_is_paged(live):
    await eventually(lambda: live.prometheus.now('ALERTS{alertname="Watchdog", alertstate="firing"}') == [1])
    assert live.prometheus.now('ALERTS{alertname!="Watchdog", alertstate="firing"}') == []


async def test_every_exported_metric_is_used_in_a_panel_or_a_rule(live):
    asked = [query.expr for dashboard in dashboards() for panel in dashboard.panels for query in panel.queries]
    asked = [expr.replace("$__rate_interval", "1m").replace("$__range", "1h") for expr in asked]
    used = {
        re.sub(r"_(total|bucket|sum|count)$", "", name)
        for expr in (*asked, *(rule["expr"] for rule in rules()))
        for name in names(expr)
    }
    exported = {family.name for registry in live.registries for family in registry.collect()}
    assert sorted(name for name in exported - used if name.startswith(OURS)) == []
