"""What the tests of this folder read: the container files as data, and the services' own defaults."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from codearena.v1 import env_service_pb2, executor_service_pb2, judge_service_pb2
from services.common.settings import PeerSettings, ServiceSettings
from services.env.settings import EnvSettings
from services.executor.settings import ExecutorSettings
from services.gateway.settings import GatewaySettings
from services.judge.settings import JudgeSettings

ROOT = Path(__file__).resolve().parents[2]
SERVICES: dict[str, type[ServiceSettings]] = {"env": EnvSettings, "executor": ExecutorSettings, "judge": JudgeSettings}
SETTINGS: dict[str, type[ServiceSettings]] = SERVICES | {"gateway": GatewaySettings}
CONTRACTS = {
    "env": env_service_pb2.DESCRIPTOR.services_by_name["EnvService"].full_name,
    "executor": executor_service_pb2.DESCRIPTOR.services_by_name["ExecutorService"].full_name,
    "judge": judge_service_pb2.DESCRIPTOR.services_by_name["JudgeService"].full_name,
}
DOCKERFILES = {path.parent.name: path for path in sorted((ROOT / "services").glob("*/Dockerfile"))}
IMAGES = {f"codearena-{name}" for name in DOCKERFILES}


def default_of(service: str, field: str) -> Any:
    """Returns the value that a service has for a field of its settings where no variable sets it."""
    return SETTINGS[service].model_fields[field].default


def variables(service: str) -> set[str]:
    """Returns the environment variables that a service reads."""
    kinds = [SETTINGS[service], PeerSettings]
    return {variable for kind in kinds for variable in _variables(kind)}


def _variables(kind: Any) -> Iterator[str]:
    for name, field in kind.model_fields.items():
        alias = field.validation_alias
        if name == "metrics_port" and alias is None:
            continue  # the gateway's metrics are on its only port
        yield alias if isinstance(alias, str) else f"CODEARENA_{name.upper()}"


def compose() -> dict[str, Any]:
    """Returns docker-compose.yml, anchors and merges resolved, variables not."""
    return yaml.safe_load((ROOT / "docker-compose.yml").read_text())


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, continued lines joined."""

    name: str
    text: str


def last_stage(path: Path) -> list[Instruction]:
    """Returns what makes the image itself, from its FROM on."""
    found = instructions(path)
    start = max(number for number, one in enumerate(found) if one.name == "FROM")
    return found[start:]


def instructions(path: Path) -> list[Instruction]:
    """Returns a Dockerfile's instructions."""
    lines = "\n".join(line for line in path.read_text().splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", "", lines)
    return [Instruction(*line.split(maxsplit=1)) for line in joined.splitlines() if line.strip()]
