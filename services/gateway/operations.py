"""How the services are, from their own metrics: read from where the operator said, never from where a browser says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Protocol

import httpx2
from prometheus_client import CollectorRegistry, Metric
from prometheus_client.parser import text_string_to_metric_families
from pydantic import BaseModel, Field

from codearena import ArenaError, ServingStatus
from services.gateway.link import ArenaLink

_SECONDS = 2.0
_MOST_BYTES = 4 << 20


class MetricsUnavailable(Exception):
    """Metrics cannot be read; the text says why."""


class MetricsSource(Protocol):
    """Where the metrics of a service can be read."""

    async def read(self) -> list[Metric]:
        """Returns them. Raises MetricsUnavailable."""
        ...


class RegistrySource:
    """Metrics of a service in this process."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry

    async def read(self) -> list[Metric]:
        """Returns them."""
        return list(self._registry.collect())


class UrlSource:
    """Metrics of a service elsewhere."""

    def __init__(self, url: str) -> None:
        self._url = url

    async def read(self) -> list[Metric]:
        """Returns them, within bounds of time and size. Raises MetricsUnavailable."""
        try:
            async with (
                asyncio.timeout(_SECONDS),
                httpx2.AsyncClient(follow_redirects=False, trust_env=False) as client,
                client.stream("GET", self._url) as answer,
            ):
                answer.raise_for_status()
                text = b""
                async for chunk in answer.aiter_bytes():
                    text += chunk
                    if len(text) > _MOST_BYTES:
                        raise MetricsUnavailable("the metrics are too long")
            return list(text_string_to_metric_families(text.decode()))
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            raise MetricsUnavailable(f"no metrics: {type(error).__name__}") from error


class ServiceAnswer(BaseModel):
    """How one service is."""

    name: str
    status: str = Field(description="serving, not_serving, unreachable or unknown.")
    version: str
    detail: str


class SandboxAnswer(BaseModel):
    """Where fixes run."""

    backend: str
    pool: dict[str, int] = Field(description="Sandboxes by state: warming, idle, leased.")
    slots: dict[str, int] = Field(description="Slots by state: busy, free.")
    queue_depth: int
    canaries: dict[str, bool] = Field(description="Probe to whether the isolation held.")


class JudgeAnswer(BaseModel):
    """What the judge was asked."""

    requests: dict[str, int]
    tokens: dict[str, int]
    cost_usd: float
    fallbacks: dict[str, int]


class SessionsAnswer(BaseModel):
    """WebSocket sessions of this gateway."""

    active: int
    max: int


class OperationsAnswer(BaseModel):
    """How everything is; null where the gateway cannot see it."""

    services: list[ServiceAnswer]
    sandbox: SandboxAnswer | None
    judge: JudgeAnswer | None
    outcomes: dict[str, int] | None = Field(description="Graded steps by outcome.")
    violations: dict[str, int] | None
    steps: int | None
    episodes_active: int | None
    sessions: SessionsAnswer


class Operations:
    """Looks at the services.

    Args:
        link: The arena.
        sources: Where each service's metrics are, by its name: env, executor, judge.
        own: The gateway's own state: its version, sessions and the most of them.
    """

    def __init__(self, link: ArenaLink, sources: Mapping[str, MetricsSource], own: Gateway) -> None:
        self._link = link
        self._sources = sources
        self._own = own

    async def look(self) -> OperationsAnswer:
        """Returns how everything is now."""
        names = list(self._sources)
        status, *read = await asyncio.gather(self._status(), *(self._read(name) for name in names))
        metrics = {name: found for name, found in zip(names, read, strict=True) if isinstance(found, Samples)}
        services = [ServiceAnswer(name="gateway", status="serving", version=self._own.version, detail="")]
        for name, found in zip(names, read, strict=True):
            known = isinstance(found, Samples)
            version = found.label("codearena_build_info", "version") if isinstance(found, Samples) else ""
            health = status if name == "env" else ("serving" if known else "unknown")
            services.append(
                ServiceAnswer(name=name, status=health, version=version, detail="" if known else str(found))
            )
        env, executor, judge = (metrics.get(name) for name in ("env", "executor", "judge"))
        return OperationsAnswer(
            services=services,
            sandbox=executor and _sandbox(executor),
            judge=judge and _judge(judge),
            outcomes=env and env.by("codearena_steps_total", "outcome"),
            violations=executor and executor.by("codearena_sandbox_violations_total", "kind"),
            steps=env and int(env.sum("codearena_steps_total")),
            episodes_active=env and int(env.sum("codearena_episodes_active")),
            sessions=SessionsAnswer(active=self._own.sessions(), max=self._own.max_sessions),
        )

    async def _status(self) -> str:
        try:
            found = await self._link.client.health(timeout_seconds=_SECONDS)
        except ArenaError:
            return "unreachable"
        return "serving" if found is ServingStatus.SERVING else "not_serving"

    async def _read(self, name: str) -> Samples | str:
        try:
            return Samples(await self._sources[name].read())
        except MetricsUnavailable as error:
            return str(error)


class Gateway(Protocol):
    """What the gateway tells of itself."""

    @property
    def version(self) -> str:
        """Its version."""
        ...

    @property
    def max_sessions(self) -> int:
        """The most WebSocket sessions at once."""
        ...

    def sessions(self) -> int:
        """Returns how many there are now."""
        ...


class Samples:
    """The samples of one service's metrics."""

    def __init__(self, families: list[Metric]) -> None:
        self._samples = [sample for family in families for sample in family.samples]

    def sum(self, name: str) -> float:
        """Returns the sum over all labels."""
        return sum(sample.value for sample in self._samples if sample.name == name)

    def by(self, name: str, label: str) -> dict[str, int]:
        """Returns the sums by the values of a label."""
        sums: dict[str, float] = {}
        for sample in self._samples:
            if sample.name == name:
                value = sample.labels.get(label, "")
                sums[value] = sums.get(value, 0.0) + sample.value
        return {value.lower(): int(total) for value, total in sums.items()}

    def label(self, name: str, label: str) -> str:
        """Returns the value of a label of the first sample of a name; "" if there is none."""
        return next((sample.labels.get(label, "") for sample in self._samples if sample.name == name), "")


def _sandbox(samples: Samples) -> SandboxAnswer:
    canaries = samples.by("codearena_isolation_canary_ok", "probe")
    return SandboxAnswer(
        backend=samples.label("codearena_sandbox_pool_size", "backend"),
        pool=samples.by("codearena_sandbox_pool_size", "state"),
        slots=samples.by("codearena_executor_slots", "state"),
        queue_depth=int(samples.sum("codearena_executor_queue_depth")),
        canaries={probe: held > 0 for probe, held in canaries.items()},
    )


def _judge(samples: Samples) -> JudgeAnswer:
    return JudgeAnswer(
        requests=samples.by("codearena_judge_requests_total", "outcome"),
        tokens=samples.by("codearena_judge_tokens_total", "direction"),
        cost_usd=samples.sum("codearena_judge_cost_usd_total"),
        fallbacks=samples.by("codearena_judge_fallbacks_total", "reason"),
    )
