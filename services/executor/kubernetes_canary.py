"""Tries whether pods are cut off from the network, which some network plug-ins silently fail to do.

What the harness runs may open no socket, so that its own canary tells nothing about the network. This one uses pods
like those of sandboxes, with the same labels, in which a probe runs without the harness: one that listens, and one that
tries to reach it, the API server, the name servers, the address at which clouds hand out credentials, and what else
the settings name.

A pod that is cut off resolves no name, which tells nothing of the address behind it. So names are resolved here, and a
probe that had no address to try proves nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
from collections.abc import AsyncIterator, Callable, Iterable
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, ValidationError

from services.common.settings import LOOPBACK_HOSTS
from services.executor.canary_probe import METADATA
from services.executor.kubernetes_maker import PodMaker
from services.executor.kubernetes_sandbox import KubernetesSandbox
from services.executor.kubernetes_settings import KubernetesSettings
from services.executor.protocol import PYTHON_FLAGS
from services.executor.rootfs import PYTHON
from services.executor.sandbox import SandboxLost

PROBES = ("api_server", "metadata", "dns", "peer", "elsewhere")
_STATE = "canary"
_PORT = 7357
_MAX_BYTES = 64 * 1024
_SECONDS = 60.0
_RESOLVE_SECONDS = 10.0
_SOURCE = Path(__file__).with_name("kubernetes_canary_probe.py")
Report = TypeVar("Report", bound=BaseModel)


class _Listening(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    listening: bool


class _Addresses(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    api_server: list[str]
    metadata: list[str]
    dns: list[str]
    peer: list[str]
    elsewhere: list[str]


class _Tried(BaseModel):
    model_config = ConfigDict(strict=True, frozen=True, extra="forbid")

    tried: _Addresses
    reached: _Addresses


class NetworkCanary:
    """Knows what a pod can reach. Implements `services.executor.canary.NetworkProbes`.

    Attributes:
        probes: Their names.
        tolerated: Those that may succeed, as somebody has said in the settings.
    """

    def __init__(self, maker: PodMaker, api_address: Callable[[], str], settings: KubernetesSettings) -> None:
        self.probes: tuple[str, ...] = PROBES
        self.tolerated = frozenset[str](settings.kubernetes_tolerated_probes)
        self._maker = maker
        self._api_address = api_address
        self._targets = [_address(target) for target in settings.kubernetes_canary_targets]

    async def __call__(self) -> dict[str, list[str]]:
        """Returns what could be reached, by probe. One that should have tried something, and did not, is left out.

        Raises:
            SandboxLost: The pods could not be had, or told nothing; or nothing was reached, but one probe is left out.
        """
        targets = {"api_server": await _resolved(self._api_servers()), "metadata": [METADATA]}
        targets["elsewhere"] = await _resolved(self._targets)
        async with self._pod("listen", str(_PORT)) as listener:
            if not (await _report(listener, _Listening)).listening:
                raise SandboxLost("the network canary could not listen in its own pod")
            targets["peer"] = [(listener.pod.address, _PORT)] if listener.pod.address else []
            async with self._pod("reach", json.dumps(targets), resolver=True) as prober:
                report = await _report(prober, _Tried)
        needed = set(PROBES) - self.tolerated - (set() if self._targets else {"elsewhere"})
        untried = needed & {probe for probe, addresses in report.tried if not addresses}
        reached = {probe: addresses for probe, addresses in report.reached if probe not in untried}
        if untried and not any(reached[probe] for probe in needed - untried):
            raise SandboxLost(f"the network canary knew no address to try for {', '.join(sorted(untried))}")
        return reached

    def _api_servers(self) -> list[tuple[str, int]]:
        """Where this executor knows the API server; a pod knows it too, where that is this machine's loopback."""
        api = urlsplit(self._api_address())
        return [(api.hostname, api.port or 443)] if api.hostname and api.hostname not in LOOPBACK_HOSTS else []

    @contextlib.asynccontextmanager
    async def _pod(self, what: str, argument: str, *, resolver: bool = False) -> AsyncIterator[KubernetesSandbox]:
        command = (PYTHON, *PYTHON_FLAGS, "-c", _SOURCE.read_text(), what, argument)
        pod = await self._maker.make(command, _STATE, resolver=resolver)
        try:
            yield pod
        finally:
            await pod.destroy()


async def _report(pod: KubernetesSandbox, kind: type[Report]) -> Report:
    try:
        async with asyncio.timeout(_SECONDS):
            await pod.greet()
            return kind.model_validate_json(await pod.read_frame(limit=_MAX_BYTES))
    except (TimeoutError, ConnectionError, asyncio.IncompleteReadError, ValidationError, ValueError) as error:
        raise SandboxLost(f"the network canary did not report: {error!r}; it said: {pod.last_words}") from error


async def _resolved(targets: Iterable[tuple[str, int]]) -> list[tuple[str, int]]:
    """Returns the addresses behind names. Raises SandboxLost."""
    resolve, addresses = asyncio.get_running_loop().getaddrinfo, set[tuple[str, int]]()
    for host, port in targets:
        try:
            async with asyncio.timeout(_RESOLVE_SECONDS):
                found = await resolve(host, port, type=socket.SOCK_STREAM)
        except (OSError, UnicodeError) as error:  # a TimeoutError is an OSError
            raise SandboxLost(f"the network canary cannot resolve {host}: {error or 'no answer in time'}") from error
        addresses |= {(str(where[0]), port) for *_, where in found}
    return sorted(addresses)


def _address(target: str) -> tuple[str, int]:
    host, _, port = target.rpartition(":")
    return host.strip("[]"), int(port)
