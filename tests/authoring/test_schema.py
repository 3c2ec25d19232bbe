"""The JSON Schema of the format, as it is committed for editors."""

import json
import re

import pytest
import yaml

from services.authoring.schema import json_schema
from services.env.packs import Manifest
from services.env.task_schema import Task
from tests.authoring.conftest import ROOT
from tests.task_files import SHIPPED, TASK

SCHEMA = json_schema(Task)
TYPES = {
    "object": dict,
    "array": list,
    "string": str,
    "integer": int,
    "number": int | float,
    "boolean": bool,
    "null": type(None),
}


def fits(value, schema):
    """Whether a value is valid, by the keywords of JSON Schema that ours uses."""
    if "$ref" in schema:
        return fits(value, SCHEMA["$defs"][schema["$ref"].rpartition("/")[2]])
    if "anyOf" in schema:
        return any(fits(value, choice) for choice in schema["anyOf"])
    kinds = schema.get("type", list(TYPES))
    if not isinstance(value, tuple(TYPES[kind] for kind in ([kinds] if isinstance(kinds, str) else kinds))):
        return False
    if value not in schema.get("enum", [value]) or value != schema.get("const", value):
        return False
    if isinstance(value, str):
        return len(value) >= schema.get("minLength", 0) and re.search(schema.get("pattern", ""), value) is not None
    if isinstance(value, list):
        return len(value) >= schema.get("minItems", 0) and all(fits(item, schema.get("items", {})) for item in value)
    if isinstance(value, dict):
        return set(schema.get("required", [])) <= set(value) and all(
            fits(item, field) for name, item in value.items() if (field := field_of(schema, name)) is not True
        )
    return True


def field_of(schema, name):
    """The schema of a field; True where anything goes, and one that nothing fits where the field may not be."""
    patterns = [field for pattern, field in schema.get("patternProperties", {}).items() if re.search(pattern, name)]
    found = [*([schema["properties"][name]] if name in schema.get("properties", {}) else []), *patterns]
    other = schema.get("additionalProperties", True)
    return found[0] if found else {"enum": []} if other is False else other


@pytest.mark.parametrize(("kind", "file"), [(Task, "task.schema.json"), (Manifest, "pack.schema.json")])
def test_the_committed_schema_is_that_of_the_models(kind, file):
    assert json.loads((ROOT / "docs" / file).read_text()) == json_schema(kind)


@pytest.mark.parametrize("kind", [Task, Manifest])
def test_every_field_is_described(kind):
    schema = json_schema(kind)
    parts = {kind.__name__: schema, **schema.get("$defs", {})}
    fields = {f"{part}.{name}": field for part in parts for name, field in parts[part].get("properties", {}).items()}
    assert fields
    assert [name for name, field in fields.items() if not field.get("description")] == []


def test_every_shipped_task_fits():
    files = sorted(SHIPPED.rglob("*.yaml"))
    assert files
    assert [file.name for file in files if not fits(yaml.safe_load(file.read_text()), SCHEMA)] == []


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("title: Doubling\n", ""),
        ("title: Doubling", "titel: Doubling"),
        ("difficulty: easy", "difficulty: trivial"),
        ("id: double-1", "id: a/b"),
        ("    hidden: true", "    hidden: 7"),
        ("cases:", "modules: {json-x: y}\nlimits: {cpu: 1}\ncases:"),
        ("cases:", "format: 2\ncases:"),
    ],
)
def test_what_is_wrong_does_not_fit(old, new):
    assert old in TASK
    assert not fits(yaml.safe_load(TASK.replace(old, new)), SCHEMA)


def test_the_command_prints_it(command):
    status, stdout, _ = command("tasks", "schema", "--pack")
    assert (status, json.loads(stdout)) == (0, json_schema(Manifest))
