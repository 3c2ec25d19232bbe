"""Tries to get out of a sandbox, before anybody else does and then now and again."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import structlog
from pydantic import BaseModel, ConfigDict, ValidationError

from codearena.v1 import error_reason_pb2 as reasons
from services.common.errors import StatusError, unavailable
from services.executor.limits import Limits
from services.executor.sandbox import SandboxLost

PROBES = ("network", "metadata", "engine", "processes", "files", "privileges")
_SOURCE = Path(__file__).with_name("canary_probe.py")
_LIMITS = Limits(cpu_seconds=5.0, wall_seconds=20.0)
_SOON_SECONDS = 5.0
_BAIT = "canary"


class ScriptRunner(Protocol):
    """Runs a script in a sandbox like those of submissions, and returns what it printed."""

    async def __call__(self, code: str, limits: Limits) -> str:
        """Raises StatusError if no sandbox could be had."""
        ...


class NetworkProbes(Protocol):
    """Tries the network of sandboxes that have one, past what the harness allows.

    Attributes:
        probes: Their names.
        tolerated: Those that may succeed.
    """

    probes: tuple[str, ...]
    tolerated: frozenset[str]

    async def __call__(self) -> Mapping[str, Sequence[str]]:
        """Returns what could be reached, by probe. Raises SandboxLost if too little could be tried to tell."""
        ...


class _Findings(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    network: list[str]
    metadata: list[str]
    engine: list[str]
    processes: list[str]
    files: list[str]
    privileges: list[str]


class Canary:
    """Knows whether the isolation holds, and lets nothing untrusted run until it does.

    Args:
        run: Runs the probe.
        data_dir: Where the file lies that the probe tries to read.
        observe: Hears of each probe by name, and whether the isolation held.
        seconds: Time between two flights; as long as none has told anything the next comes soon.
        network: Set where sandboxes are attached to a network.

    Attributes:
        broken: What succeeded, for people; empty if nothing did.
        flown: Whether a flight has told anything yet.
    """

    def __init__(
        self,
        run: ScriptRunner,
        data_dir: Path,
        observe: Callable[[Mapping[str, bool]], None],
        seconds: float,
        network: NetworkProbes | None = None,
    ) -> None:
        self.broken: tuple[str, ...] = ()
        self.flown = False
        self._run = run
        self._bait = data_dir.resolve() / _BAIT
        self._observe = observe
        self._seconds = seconds
        self._network = network
        self._task: asyncio.Task[None] | None = None
        self._log = structlog.get_logger("canary")

    @property
    def intact(self) -> bool:
        """Whether it was tried and nothing succeeded."""
        return self.flown and not self.broken

    def require_intact(self) -> None:
        """Returns if the isolation holds.

        Raises:
            StatusError: UNAVAILABLE: it does not, or that is not known.
        """
        if not self.intact:
            why = "; ".join(self.broken[:3]) or "it could not be tried"
            message = (
                f"nothing is run here, as the isolation of sandboxes does not hold ({why}); see the executor's log"
            )
            raise unavailable(reasons.ERROR_REASON_SANDBOX_UNAVAILABLE, message)

    async def start(self) -> None:
        """Flies once, then again every now and then. Raises nothing: see `intact`."""
        await self.fly()
        self._task = asyncio.create_task(self._fly_on())

    async def stop(self) -> None:
        """Flies no more."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    async def fly(self) -> None:
        """Runs the probes and keeps what they found. One that cannot be sent tells nothing new."""
        found: Mapping[str, Sequence[str]] = {}
        try:
            self._bait.parent.mkdir(parents=True, exist_ok=True)
            self._bait.write_text("No sandbox may read this file.\n")
            call = f"report({str(self._bait)!r}, interfaces={self._network is None})"
            printed = await self._run(f"{_SOURCE.read_text()}\n{call}\n", _LIMITS)
            found = _Findings.model_validate_json(printed.rstrip().rpartition("\n")[2]).model_dump()
            reached = {} if self._network is None else await self._network()
        except (StatusError, SandboxLost, OSError) as error:
            self._log.warning("no canary could be sent", why=str(error))
            if any(found.values()):  # that the network was not tried makes it no better
                self._conclude(found, {})
        except ValidationError:
            self._log.error("the canary did not come back", printed=printed[-500:])
            self.flown, self.broken = True, ("the probe did not run to its end",)
            self._observe(dict.fromkeys(PROBES, False))
        else:
            self._conclude(found, reached)

    def _conclude(self, found: Mapping[str, Sequence[str]], reached: Mapping[str, Sequence[str]]) -> None:
        self.flown, self.broken = True, (*_said(found), *_said(self._not_tolerated(reached)))
        self._observe({probe: not (found.get(probe) or reached.get(probe)) for probe in {**found, **reached}})
        if self.broken:
            self._log.error("the isolation does not hold", succeeded=json.dumps(self.broken))

    def _not_tolerated(self, reached: Mapping[str, Sequence[str]]) -> dict[str, Sequence[str]]:
        """Leaves out what may be reached, and says so each time."""
        tolerated = frozenset[str]() if self._network is None else self._network.tolerated
        for what in _said({probe: reached[probe] for probe in tolerated & set(reached)}):
            self._log.error("sandboxes are NOT cut off from the network; the settings tolerate it", reached=what)
        return {probe: what for probe, what in reached.items() if probe not in tolerated}

    async def _fly_on(self) -> None:
        while True:
            await asyncio.sleep(self._seconds if self.flown else min(self._seconds, _SOON_SECONDS))
            await self.fly()


def _said(found: Mapping[str, Sequence[str]]) -> list[str]:
    return [f"{probe}: {what}" for probe, succeeded in found.items() for what in succeeded]
