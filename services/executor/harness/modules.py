"""Further modules that a program may import, from their sources."""

from __future__ import annotations

import sys

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType
    from typing import Any


class Sources:
    """Finds modules by name in a mapping of sources; see importlib.abc.MetaPathFinder and InspectLoader."""

    def __init__(self, sources: dict[str, str]) -> None:
        self._sources = sources

    def find_spec(self, name: str, path: object = None, target: object = None) -> Any:  # noqa: ANN401, ARG002
        """Returns where a module comes from, if it is one of these."""
        if name not in self._sources:
            return None
        from _frozen_importlib import ModuleSpec

        return ModuleSpec(name, self, origin=f"{name}.py")  # type: ignore[arg-type]

    def create_module(self, spec: Any) -> ModuleType | None:  # noqa: ANN401, ARG002
        """Leaves the making of a module to Python."""
        return None

    def exec_module(self, module: ModuleType) -> None:
        """Runs a module's source."""
        name = module.__name__
        exec(compile(self._sources[name], f"{name}.py", "exec", dont_inherit=True), module.__dict__)  # noqa: S102

    def get_source(self, name: str) -> str:
        """Shows tracebacks and `inspect` the lines of a module that is in no file."""
        return self._sources[name]


def offer(sources: dict[str, str]) -> None:
    """Lets programs import these modules, before any others of the same name."""
    if sources:
        sys.meta_path.insert(0, Sources(sources))
