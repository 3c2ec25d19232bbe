"""What `kubectl kustomize` makes of k8s/, as data."""

from __future__ import annotations

import functools
import json
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml

from tests.conftest import require
from tests.ops.manifests import ROOT

K8S = ROOT / "k8s"
OVERLAYS = sorted(folder.name for folder in (K8S / "overlays").iterdir())
SERVICES_NAMESPACE = "codearena"
SANDBOXES_NAMESPACE = "codearena-sandboxes"
_OLDEST_MINOR = 27
_SECONDS = 60
_UNITS = {"m": Decimal("0.001"), "": Decimal(1), "Ki": Decimal(2**10), "Mi": Decimal(2**20), "Gi": Decimal(2**30)}

Object = dict[str, Any]


@dataclass(frozen=True)
class Manifests:
    """Rendered objects."""

    objects: tuple[Object, ...]

    def of(self, kind: str, namespace: str | None = None) -> list[Object]:
        """Returns all objects of a kind, of one namespace if it is given."""
        return [
            found
            for found in self.objects
            if found["kind"] == kind and (namespace is None or found["metadata"].get("namespace") == namespace)
        ]

    def one(self, kind: str, name: str, namespace: str | None = None) -> Object:
        """Returns the only object of a kind and a name."""
        (found,) = [one for one in self.of(kind, namespace) if one["metadata"]["name"] == name]
        return found

    def pod(self, service: str) -> Object:
        """Returns the specification of a service's pods."""
        return self.one("Deployment", f"codearena-{service}")["spec"]["template"]["spec"]

    def container(self, service: str) -> Object:
        """Returns the only container of a service's pods."""
        (found,) = self.pod(service)["containers"]
        return found

    def environment(self, service: str) -> dict[str, str]:
        """Returns the variables that a service is given, with the values that count."""
        container = self.container(service)
        values: dict[str, str] = {}
        for source in container["envFrom"]:
            values |= self.one("ConfigMap", source["configMapRef"]["name"], SERVICES_NAMESPACE)["data"]
        return values | {variable["name"]: variable["value"] for variable in container.get("env", [])}


@functools.cache
def kubectl() -> str | None:
    """Returns a kubectl that knows components: ours, or the machine's if it is new enough; None if there is none."""
    for program in (str(ROOT / ".tools/kubectl"), shutil.which("kubectl")):
        if program is None or not Path(program).exists():
            continue
        asked = [program, "version", "--client", "--output=json"]
        ran = subprocess.run(asked, capture_output=True, text=True, check=True, timeout=_SECONDS)
        if int(re.match(r"\d+", json.loads(ran.stdout)["clientVersion"]["minor"])[0]) >= _OLDEST_MINOR:
            return program
    return None


@functools.cache
def overlay(name: str) -> Manifests:
    """Returns what an overlay renders to."""
    return _kustomize(K8S / "overlays" / name)


@functools.cache
def base_with(*components: str) -> Manifests:
    """Returns what the base renders to with some components."""
    with tempfile.TemporaryDirectory() as folder:
        here = Path(folder).resolve()
        kustomization = {
            "resources": [os.path.relpath(K8S / "base", here)],
            "components": [os.path.relpath(K8S / "components" / name, here) for name in components],
        }
        (here / "kustomization.yaml").write_text(yaml.safe_dump(kustomization))
        return _kustomize(here)


def _kustomize(folder: Path) -> Manifests:
    program = kubectl()
    require("kubectl", program is not None, "there is no kubectl of 1.27 or newer; tools/check_manifests.sh gets one")
    ran = subprocess.run([program, "kustomize", folder], capture_output=True, text=True, timeout=_SECONDS)
    assert ran.returncode == 0, ran.stderr
    return Manifests(tuple(yaml.safe_load_all(ran.stdout)))


def quantity(text: str | float) -> Decimal:
    """Returns what a quantity such as 250m or 16Mi stands for."""
    number, unit = re.fullmatch(r"(\d+(?:\.\d+)?)([A-Za-z]*)", str(text)).groups()
    return Decimal(number) * _UNITS[unit]


def labels_of(found: Object) -> Mapping[str, str]:
    """Returns the labels of the pods that a Deployment makes."""
    return found["spec"]["template"]["metadata"]["labels"]
