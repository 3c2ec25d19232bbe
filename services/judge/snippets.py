"""Snippets that people graded, by the anchors of the judge's rubric."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import yaml
from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

FOLDER = Path(__file__).parent / "calibration"

Grade = Annotated[float, Field(ge=0, le=1, allow_inf_nan=False)]


class BadSnippets(ValueError):
    """A file of snippets is malformed; the message names file, snippet and field."""


class Snippet(BaseModel):
    """One snippet.

    Attributes:
        id: Unique, e.g. "web-03".
        description: What the code should do.
        code: The code.
        security: Its grade.
        quality: Its grade.
        reason: Why, in one line.
        buggy_code: The code before; "" for none.
        reference: A good solution; "" for none.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: str = Field(pattern=r"^[a-z]+-\d+$")
    description: str = Field(min_length=1)
    code: str = Field(min_length=1)
    security: Grade
    quality: Grade
    reason: str = Field(min_length=1)
    buggy_code: str = ""
    reference: str = ""

    @property
    def is_held_out(self) -> bool:
        """Whether it is of the half that no constant was chosen by: that of the odd numbers."""
        return int(self.id.rpartition("-")[2]) % 2 == 1


_ADAPTER = TypeAdapter(list[Snippet])


def load_snippets(folder: Path = FOLDER) -> list[Snippet]:
    """Reads every `*.yaml` of a folder, in the order of their names.

    Raises:
        BadSnippets: A file is malformed, an id stands twice, or there is none.
    """
    found: dict[str, Snippet] = {}
    for path in sorted(folder.glob("*.yaml")):
        for snippet in _read(path):
            if snippet.id in found:
                raise BadSnippets(f"{path}: {snippet.id} stands twice")
            found[snippet.id] = snippet
    if not found:
        raise BadSnippets(f"{folder}: no *.yaml with snippets")
    return list(found.values())


def _read(path: Path) -> list[Snippet]:
    try:
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        return _ADAPTER.validate_python(document)
    except yaml.YAMLError as error:
        raise BadSnippets(f"{path}: {error}") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = first["loc"]
        name = place[0] if place else ""
        if isinstance(name, int) and isinstance(document, list) and isinstance(document[name], dict):
            name = document[name].get("id", name)
        raise BadSnippets(f"{path}: {name}: {'.'.join(map(str, place[1:]))}: {first['msg']}") from error
