"""The canary: it comes back from every sandbox with empty hands, and says so where it does not."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from services.common.errors import StatusError
from services.executor import canary as canary_module
from services.executor.canary import PROBES, Canary
from services.executor.limits import Limits
from services.executor.refusals import too_late
from services.executor.sandbox import SandboxLost
from tests.executor.conftest import DOUBLE, Executor, refused, started

SOURCE = Path(canary_module.__file__).with_name("canary_probe.py").read_text()
NOTHING: dict[str, list[str]] = {probe: [] for probe in PROBES}


async def test_the_isolation_holds_on_every_backend(executor: Executor, backend_name: str) -> None:
    network = executor.service.chosen.network
    probes = set(PROBES) - (network.tolerated if network else set())
    held = {
        probe: executor.gauge("codearena_isolation_canary_ok", backend=backend_name, probe=probe) for probe in probes
    }
    assert held == dict.fromkeys(probes, 1.0)


def test_outside_a_sandbox_the_probe_gets_somewhere(tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    script = f"{SOURCE}\nreport({str(secret)!r})\n"

    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)

    found = json.loads(done.stdout.splitlines()[-1])
    assert set(found) == set(PROBES)
    assert f"{secret} can be read" in found["files"]
    assert any("is seen" in what for what in found["processes"])
    assert "no system call filter" in found["privileges"]
    assert "address 127.0.0.1" in found["network"]


class Scripted:
    """A canary whose probe prints what the test says."""

    def __init__(self, tmp_path: Path, network: Network | None = None) -> None:
        self.printed: str | StatusError = json.dumps(NOTHING)
        self.held: list[Mapping[str, bool]] = []
        self.canary = Canary(self._run, tmp_path / "made" / "when needed", self.held.append, 1000.0, network)

    async def _run(self, code: str, limits: Limits) -> str:
        if isinstance(self.printed, StatusError):
            raise self.printed
        return self.printed


async def test_what_succeeds_breaks_the_isolation_until_it_does_not_any_more(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path)
    canary = scripted.canary
    with pytest.raises(StatusError, match="could not be tried"):
        canary.require_intact()

    scripted.printed = "noise\n" + json.dumps(NOTHING | {"network": ["interface eth0"]})
    await canary.fly()

    assert not canary.intact
    assert scripted.held[-1] == dict.fromkeys(PROBES, True) | {"network": False}
    with pytest.raises(StatusError, match="network: interface eth0") as caught:
        canary.require_intact()
    assert caught.value.code is grpc.StatusCode.UNAVAILABLE

    scripted.printed = json.dumps(NOTHING)
    await canary.fly()

    assert canary.intact
    canary.require_intact()


@pytest.mark.parametrize("printed", ["", "x", "{}", json.dumps(NOTHING | {"more": []}), json.dumps({"network": [1]})])
async def test_a_canary_that_does_not_come_back_is_a_bad_sign(tmp_path: Path, printed: str) -> None:
    scripted = Scripted(tmp_path)
    scripted.printed = printed

    await scripted.canary.fly()

    assert not scripted.canary.intact
    assert scripted.held == [dict.fromkeys(PROBES, False)]


async def test_a_canary_that_cannot_be_sent_changes_nothing(tmp_path: Path) -> None:
    scripted = Scripted(tmp_path)
    await scripted.canary.fly()

    scripted.printed = too_late()
    await scripted.canary.fly()

    assert scripted.canary.intact
    assert len(scripted.held) == 1


class Network:
    """Probes of a network that cannot be tried, unless the test says what they reach."""

    probes = ("peer",)
    tolerated = frozenset[str]()

    def __init__(self) -> None:
        self.reached: Mapping[str, list[str]] | None = None

    async def __call__(self) -> Mapping[str, list[str]]:
        if self.reached is None:
            raise SandboxLost("there are no pods")
        return self.reached


async def test_what_succeeded_counts_although_the_network_could_not_be_tried(tmp_path: Path) -> None:
    network = Network()
    scripted = Scripted(tmp_path, network)
    scripted.printed = json.dumps(NOTHING | {"files": ["/etc/shadow can be read"]})
    await scripted.canary.fly()

    with pytest.raises(StatusError, match="/etc/shadow can be read"):
        scripted.canary.require_intact()
    assert scripted.held == [dict.fromkeys(PROBES, True) | {"files": False}]

    scripted.printed = json.dumps(NOTHING)
    await scripted.canary.fly()
    assert not scripted.canary.intact, "a network that was not tried proves nothing"
    assert len(scripted.held) == 1

    network.reached = {"peer": []}
    await scripted.canary.fly()
    assert scripted.canary.intact
    assert scripted.held[-1] == dict.fromkeys((*PROBES, "peer"), True)


async def test_nothing_runs_and_readiness_is_refused_where_the_isolation_is_broken(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    probe = tmp_path / "probe.py"
    probe.write_text(
        f"def report(secret, **_): print({json.dumps(json.dumps(NOTHING | {'engine': ['/run/x.sock']}))})\n"
    )
    monkeypatch.setattr(canary_module, "_SOURCE", probe)
    async with started("process", data_dir) as executor:
        health = health_pb2_grpc.HealthStub(executor.channel)
        error = await refused(executor.grade(DOUBLE))
        again = await refused(executor.run("print(1)"))

        assert {error.code, again.code} == {grpc.StatusCode.UNAVAILABLE}
        assert "/run/x.sock" in error.message
        assert executor.gauge("codearena_isolation_canary_ok", backend="process", probe="engine") == 0
        assert executor.gauge("codearena_isolation_canary_ok", backend="process", probe="network") == 1
        status = await asyncio.wait_for(health.Check(health_pb2.HealthCheckRequest()), 10)
        assert status.status == health_pb2.HealthCheckResponse.NOT_SERVING
