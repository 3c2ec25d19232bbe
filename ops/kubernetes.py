"""`python -m ops.kubernetes`: makes of ops/prometheus/*.rules.yaml what Kubernetes is given."""

from __future__ import annotations

from pathlib import Path

import yaml

_ROOT = Path(__file__).parents[1]
_RULES = _ROOT / "ops/prometheus"
TARGET = _ROOT / "k8s/components/monitoring/rules.yaml"
_HEAD = "# Made of ops/prometheus/*.rules.yaml by `python -m ops.kubernetes`: change those.\n"


def document() -> str:
    """Returns the PrometheusRule."""
    files = [yaml.safe_load(path.read_text(encoding="utf-8")) for path in sorted(_RULES.glob("*.rules.yaml"))]
    rule = {
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "codearena", "namespace": "codearena"},
        "spec": {"groups": [group for file in files for group in file["groups"]]},
    }
    return _HEAD + yaml.dump(rule, Dumper=_Plain, sort_keys=False, width=120, allow_unicode=True)


class _Plain(yaml.SafeDumper):
    """Writes what two rules share out in full, and expressions of several lines as they stand."""

    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002
        """Nothing is written as a reference."""
        return True


def _text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)


_Plain.add_representer(str, _text)


if __name__ == "__main__":
    TARGET.write_text(document(), encoding="utf-8")
