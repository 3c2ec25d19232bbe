"""Writes custom resources as TypeScript, so that a compiler finds what their published types do not have.

python tools/typed_resources.py FILE.yaml … > resources.ts
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import yaml

PACKAGES = {"cert-manager.io": "cert-manager", "keda.sh": "keda", "monitoring.coreos.com": "prometheus-operator"}
"""The npm package in @kubernetes-models that has the types of an API group."""
_OWN = ("k8s.io", "apps", "autoscaling", "batch", "policy")


def main(paths: Sequence[str]) -> None:
    """Writes each resource once. Exits for one of a group whose types are nowhere."""
    found = {json.dumps(one, sort_keys=True): one for path in paths for one in _custom(Path(path))}
    for number, one in enumerate(found.values()):
        group, version = one["apiVersion"].split("/")
        if group not in PACKAGES:
            sys.exit(f"{one['kind']} {one['metadata']['name']}: no types are known for {group}; add its package")
        module = f"@kubernetes-models/{PACKAGES[group]}/{group}/{version}"
        sys.stdout.write(
            f'import type {{ I{one["kind"]} as T{number} }} from "{module}";\n'
            f"export const o{number}: T{number} = {json.dumps(one)};\n"
        )


def _custom(path: Path) -> Iterator[dict[str, Any]]:
    for one in yaml.safe_load_all(path.read_text()):
        group, slash, _ = one["apiVersion"].partition("/")
        if slash and not group.endswith(_OWN):
            yield one


if __name__ == "__main__":
    main(sys.argv[1:])
