"""`python -m services.authoring.schema`: the JSON Schema of task files and packs; see `codearena tasks schema`."""

from __future__ import annotations

import argparse
import inspect
import json
import re
import sys
from typing import Any

from services.env.packs import Manifest
from services.env.task_parts import Model
from services.env.task_schema import Task

_SECTION = re.compile(r"^Attributes:\n((?:    .*\n?)+)", re.MULTILINE)
_ENTRY = re.compile(r"^    (\w+): ((?:.*)(?:\n        .*)*)", re.MULTILINE)


def json_schema(kind: type[Model]) -> dict[str, Any]:
    """Returns the JSON Schema of a model, with what the docstrings say of it, of its parts and of each field."""
    schema = kind.model_json_schema()
    schema["$schema"] = "https://json-schema.org/draft/2020-12/schema"
    parts = {part.__name__: part for part in Model.__subclasses__()}
    for name, part in schema.get("$defs", {}).items():
        if name in parts:
            _describe(part, parts[name])
    _describe(schema, kind)
    schema["title"] = "A CodeArena task" if kind is Task else "A CodeArena pack"
    return schema


def _describe(schema: dict[str, Any], kind: type[Model]) -> None:
    text = inspect.getdoc(kind) or ""
    section = _SECTION.search(text)
    schema["description"] = _SECTION.sub("", text).strip()
    for name, meaning in _ENTRY.findall(section[1] if section else ""):
        schema["properties"][name]["description"] = " ".join(meaning.split())
    for field in schema["properties"].values():
        field.pop("title", None)


def main() -> int:
    """Prints a schema."""
    parser = argparse.ArgumentParser(prog="codearena tasks schema", description="Prints the JSON Schema of task files.")
    parser.add_argument("--pack", action="store_true", help="of pack.yaml instead")
    kind: type[Model] = Manifest if parser.parse_args().pack else Task
    sys.stdout.write(json.dumps(json_schema(kind), indent=2) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
