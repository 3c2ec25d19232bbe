"""The sources of `services.executor.inside`, by the names under which they are sent into sandboxes of ours."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

_HERE = Path(__file__).parent
_GRAPHS = {"codearena_graphs": _HERE / "harness" / "graphs.py"}


def _read(files: Mapping[str, Path]) -> Mapping[str, str]:
    return MappingProxyType({name: path.read_text(encoding="utf-8") for name, path in files.items()})


def _inside(*names: str) -> dict[str, Path]:
    return {name: _HERE / "inside" / f"{name}.py" for name in names}


DRAWS = _read(_GRAPHS | _inside("codearena_draws"))
"""What draws random inputs."""
ORACLE = _read(
    _GRAPHS
    | {"codearena_points": _HERE.parent / "common" / "test_points.py"}
    | _inside("codearena_oracle", "codearena_pytest")
)
"""What runs tests that are code."""
