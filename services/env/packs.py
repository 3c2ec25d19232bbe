"""Packs: tasks of one origin under one namespace, in a folder or in an installed package."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import entry_points
from pathlib import Path, PurePath
from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from services.env.task_files import CatalogueError, Document, Problem, read
from services.env.task_parts import Model
from services.env.task_schema import Difficulty

MANIFEST = "pack.yaml"
GROUP = "codearena.tasks"
"""The entry point group by which an installed package says that it is a pack: namespace = module beside pack.yaml."""
INSTALLED = "pack:"
"""Before the namespace of an installed pack, where a path of tasks is asked for."""
_SELECTORS = ("auto", *Difficulty)


def _is_no_selector(name: str) -> str:
    if name in _SELECTORS:
        raise ValueError(f"{name!r} stands for other tasks")
    return name


Namespace = Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,26}$"), AfterValidator(_is_no_selector)]


class Manifest(Model):
    """What pack.yaml says.

    Attributes:
        format: The version of the format that the file is written in.
        namespace: Before the id of each task, with a slash between.
        title: One line.
        version: Of the pack, as its author counts.
        license: An SPDX expression, or words.
        tasks: Folders and files of tasks, relative to the pack; the whole pack if none is named.
    """

    format: Literal[1] = 1
    namespace: Namespace
    title: Annotated[str, Field(min_length=1, max_length=200)]
    version: Annotated[str, Field(max_length=50)] = ""
    license: Annotated[str, Field(max_length=200)] = ""
    tasks: Annotated[
        tuple[Annotated[str, Field(pattern=r"^[^\x00\\]+$")], ...], Field(min_length=1, max_length=100)
    ] = (".",)


@dataclass(frozen=True, slots=True)
class Source:
    """Task files of one origin.

    Attributes:
        namespace: Of the pack; "" outside of packs.
        files: The files, each once.
        manifest: The pack's; None outside of packs.
    """

    namespace: str
    files: tuple[Path, ...]
    manifest: Document[Manifest] | None = None


def find_sources(paths: Sequence[Path]) -> tuple[list[Source], list[Problem]]:
    """Returns the task files that paths stand for, and all that is wrong with the paths and with packs.

    Args:
        paths: Task files; folders, whose `*.yaml` files are taken, also in subfolders; packs, by their folder or their
            pack.yaml; and "pack:NAMESPACE" for an installed pack. Files and folders with a leading dot, and links to
            folders, are passed over.
    """
    sources: list[Source] = []
    problems: list[Problem] = []
    packs: dict[str, Path] = {}
    for path in paths:
        try:
            source = _source(path)
        except CatalogueError as error:
            problems += error.problems
            continue
        if source.manifest is not None:
            first = packs.setdefault(source.namespace, source.manifest.file)
            if first.resolve() != source.manifest.file.resolve():
                message = f"{source.namespace!r} is also the namespace of {first}"
                problems.append(source.manifest.problem(message, "namespace"))
                continue
        sources.append(source)
    return sources, problems


def _source(path: Path) -> Source:
    if str(path).startswith(INSTALLED):
        return _installed(path)
    if path.name == MANIFEST:
        return _pack(path)
    if (path / MANIFEST).is_file():
        return _pack(path / MANIFEST)
    return Source("", tuple(entry for entry in _entries(path) if not entry.is_dir()))


def _installed(path: Path) -> Source:
    namespace = str(path).removeprefix(INSTALLED)
    known = entry_points(group=GROUP)
    modules = sorted({point.value.partition(":")[0].strip() for point in known.select(name=namespace)})
    if len(modules) > 1:
        raise _wrong(path, f"several installed packages are the pack {namespace!r}: {', '.join(modules)}")
    if not modules:
        names = ", ".join(sorted(known.names)) or "none"
        raise _wrong(path, f"no installed package is the pack {namespace!r}; installed are: {names}")
    for folder in _folders(modules[0]):
        if (folder / MANIFEST).is_file():
            source = _pack(folder / MANIFEST)
            if source.manifest is not None and source.namespace != namespace:
                message = f"is {source.namespace!r}, but the package announces the pack as {namespace!r}"
                raise CatalogueError([source.manifest.problem(message, "namespace")])
            return source
    raise _wrong(path, f"the installed package {modules[0]!r} has no {MANIFEST} in its folder")


def _folders(module: str) -> list[Path]:
    """Returns where a package is. Nothing of it is run: only the first name is asked of Python's import machinery."""
    first, *rest = module.split(".")
    spec: ModuleSpec | None
    try:
        spec = importlib.util.find_spec(first)
    except (ImportError, ValueError):
        spec = None
    for name in rest:
        locations = spec and spec.submodule_search_locations
        spec = PathFinder.find_spec(f"{spec.name}.{name}", locations) if spec and locations else None
    return [Path(location) for location in (spec and spec.submodule_search_locations) or ()]


def _pack(file: Path) -> Source:
    root = file.parent.resolve()
    if not _is_inside(file, root):
        raise _wrong(file, "is a link out of the pack")
    manifest = read(file, Manifest)
    problems: list[Problem] = []
    files: dict[Path, None] = {}
    for number, name in enumerate(manifest.value.tasks):
        place = file.parent / name
        if ".." in PurePath(name).parts or not _is_inside(place, root):
            problems.append(manifest.problem(f"{name!r} is outside of the pack", "tasks", number))
        elif not place.exists():
            problems.append(manifest.problem(f"{name!r} is not there", "tasks", number))
        else:
            files |= dict.fromkeys(entry for entry in _entries(place, file) if entry != file)
    problems += [Problem(entry, 1, "", "is a link out of the pack") for entry in files if not _is_inside(entry, root)]
    if problems:
        raise CatalogueError(problems)
    return Source(manifest.value.namespace, tuple(entry for entry in files if not entry.is_dir()), manifest)


def _entries(path: Path, own: Path | None = None) -> list[Path]:
    """Returns a file itself, and of a folder the `*.yaml` files and the links to folders, also in subfolders.

    Raises:
        CatalogueError: A folder cannot be read, or holds a pack that is not the caller's own.
    """
    try:
        found = sorted(_walk(path)) if path.is_dir() else [path]
    except OSError as error:
        raise _wrong(Path(error.filename or path), error.strerror or str(error)) from error
    if others := [entry for entry in found if entry.name == MANIFEST and entry != own]:
        raise _wrong(others[0], "is a pack in a folder of other tasks: name the folder of each")
    return found


def _walk(folder: Path) -> Iterator[Path]:
    for entry in folder.iterdir():
        if entry.name.startswith("."):
            continue
        if entry.is_dir() and not entry.is_symlink():
            yield from _walk(entry)
        elif entry.is_dir() or entry.suffix == ".yaml":
            yield entry


def _is_inside(path: Path, root: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root)
    except (OSError, RuntimeError):  # links that lead to each other
        return False


def _wrong(path: Path, message: str) -> CatalogueError:
    return CatalogueError([Problem(path, 1, "", message)])
