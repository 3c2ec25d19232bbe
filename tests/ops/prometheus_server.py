"""A Prometheus of the tests' own: Debian's package, with the scrape configuration and the rules of ops/prometheus."""

from __future__ import annotations

import contextlib
import math
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx2
import yaml

from tests.env.parts import free_port
from tests.ops.manifests import ROOT
from tests.waiting import until

FOLDER = ROOT / "ops/prometheus"
RULES = sorted(FOLDER.glob("*.rules.yaml"))
_INTERVAL = "2s"
_RANGE_SECONDS = 60


def installed() -> bool:
    """Whether the programs are there."""
    return all(shutil.which(name) for name in ("prometheus", "promtool"))


def rules() -> list[dict[str, Any]]:
    """Every rule of every file."""
    files = [yaml.safe_load(path.read_text()) for path in RULES]
    return [rule for file in files for group in file["groups"] for rule in group["rules"]]


class Prometheus:
    """A client of a Prometheus."""

    def __init__(self, url: str) -> None:
        self._client = httpx2.Client(base_url=url, trust_env=False, timeout=30)

    def close(self) -> None:
        """Closes its connections."""
        self._client.close()

    def get(self, path: str, **parameters: Any) -> Any:
        """What an endpoint of the API answers; fails with what Prometheus says of a query that it refuses."""
        answer = self._client.get(f"/api/v1/{path}", params=parameters)
        document = answer.json()
        assert document["status"] == "success", f"{parameters}: {document.get('error')}"
        return document["data"]

    def now(self, expr: str) -> list[float]:
        """The values of an instant query."""
        return [float(found["value"][1]) for found in self.get("query", query=expr)["result"]]

    def lately(self, expr: str) -> list[float]:
        """All values of a range query over the last minute."""
        now = time.time()
        found = self.get("query_range", query=expr, start=now - _RANGE_SECONDS, end=now, step=1)["result"]
        return [float(value) for series in found for _, value in series["values"]]

    def has_data(self, expr: str, *, instant: bool = True) -> bool:
        """Whether a query returns a value that is a number."""
        return any(not math.isnan(value) for value in (self.now(expr) if instant else self.lately(expr)))


def configuration(targets: Mapping[str, str]) -> dict[str, Any]:
    """The configuration of Compose with its jobs' targets elsewhere, in a hurry, and jobs that it does not have."""
    config = yaml.safe_load((FOLDER / "prometheus.yaml").read_text())
    config["global"] = {"scrape_interval": _INTERVAL, "evaluation_interval": _INTERVAL}
    config["rule_files"] = [str(path) for path in RULES]
    del config["alerting"]
    jobs = {job["job_name"]: job for job in config["scrape_configs"]}
    for name, target in targets.items():
        job = jobs.setdefault(name, {"job_name": name})
        job.pop("authorization", None)
        job["static_configs"] = [{"targets": [target]}]
    config["scrape_configs"] = list(jobs.values())
    return config


@contextlib.contextmanager
def running(folder: Path, targets: Mapping[str, str]) -> Iterator[Prometheus]:
    """Runs one while the block runs, once every target has been scraped."""
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(configuration(targets)))
    port = free_port()
    command = [
        "prometheus",
        f"--config.file={folder / 'prometheus.yaml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--log.level=warn",
    ]
    log = folder / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=output)
    server = Prometheus(f"http://127.0.0.1:{port}")

    def scraped() -> bool:
        assert process.poll() is None, log.read_text()
        with contextlib.suppress(httpx2.TransportError, ValueError):
            return sum(server.now("max_over_time(up[5m])")) == len(targets)
        return False

    try:
        until(scraped, 120)
        yield server
    finally:
        server.close()
        process.terminate()
        process.wait(30)
