"""`python -m services.executor.kubernetes_template` prints the warm pool that an executor claims pods from.

It is a SandboxTemplate and a SandboxWarmPool of agent-sandbox, as JSON for `kubectl apply -f -`.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

from services.common.main import read_settings
from services.executor.kubernetes_claim_api import GROUP, VERSION
from services.executor.kubernetes_pod import pooled_spec
from services.executor.kubernetes_settings import KubernetesSettings


def manifests(settings: KubernetesSettings, replicas: int) -> dict[str, Any]:
    """Returns a list of both.

    Args:
        settings: The executor's, with the pool's name.
        replicas: Sandboxes that wait.
    """
    name, namespace = settings.kubernetes_warm_pool, settings.kubernetes_namespace
    metadata = {"name": name, "namespace": namespace}
    template = {
        # The namespace's own policy denies everything; the controller's would let sandboxes out.
        "networkPolicyManagement": "Unmanaged",
        "envVarsInjectionPolicy": "Disallowed",
        "volumeClaimTemplatesPolicy": "Disallowed",
        "service": False,
        "podTemplate": {"spec": pooled_spec(settings)},
    }
    pool = {"replicas": replicas, "sandboxTemplateRef": {"name": name}, "updateStrategy": {"type": "Recreate"}}
    return {
        "apiVersion": "v1",
        "kind": "List",
        "items": [
            {"apiVersion": f"{GROUP}/{VERSION}", "kind": kind, "metadata": metadata, "spec": spec}
            for kind, spec in (("SandboxTemplate", template), ("SandboxWarmPool", pool))
        ],
    }


def main() -> int:
    """Prints them, or says which settings are missing."""
    parser = argparse.ArgumentParser(
        prog="python -m services.executor.kubernetes_template",
        description="Prints the SandboxTemplate and the SandboxWarmPool that an executor with the settings of this "
        "environment claims its pods from: CODEARENA_KUBERNETES_WARM_POOL names them, CODEARENA_KUBERNETES_IMAGE, "
        "_MEMORY_BYTES, _RUNTIME_CLASS and so on say what they are. Pipe it into `kubectl apply -f -`.",
    )
    parser.add_argument("--replicas", type=int, default=4, help="sandboxes that wait to be claimed (default 4)")
    replicas = parser.parse_args().replicas
    settings = read_settings(KubernetesSettings)
    if not (settings.kubernetes_warm_pool and settings.kubernetes_image):
        sys.stderr.write("set CODEARENA_KUBERNETES_WARM_POOL and CODEARENA_KUBERNETES_IMAGE as the executor has them\n")
        return 2
    if replicas < 0:
        parser.error("--replicas cannot be below 0")
    sys.stdout.write(json.dumps(manifests(settings, replicas), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
