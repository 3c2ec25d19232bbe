"""The shared libraries that a set of binaries needs, as the host's dynamic loader finds them."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

LOADER_FOLDERS = (Path("/lib"), Path("/lib64"), Path("/usr/lib"), Path("/usr/lib64"))
"""Folders in which every loader, glibc's or musl's, looks without being told."""

_LDD_TIMEOUT_SECONDS = 60.0
_FOUND = re.compile(r"^\s+(?P<name>\S+) => (?P<path>/\S.*?) \(0x[0-9a-f]+\)$")
_LOADER = re.compile(r"^\s+(?P<path>/\S+) \(0x[0-9a-f]+\)$")
_MISSING = re.compile(r"^\s+(?P<name>\S+) => not found$|^Error loading shared library (?P<musl>[^:]+):")

# Loaded by name when a thread ends, so no binary lists it; without it glibc aborts the process.
_LOADED_BY_NAME = "libgcc_s.so.1"


class LibrariesError(Exception):
    """The libraries of a binary cannot be found out."""


@dataclass(frozen=True, slots=True)
class Libraries:
    """What a binary is linked against, transitively.

    Attributes:
        files: File name that the loader asks for, and the file on this host.
        missing: Names that the loader does not find.
    """

    files: dict[str, Path]
    missing: frozenset[str]


def parse_ldd(output: str) -> Libraries:
    """Reads what `ldd FILE` printed, glibc's or musl's, on both streams.

    The loader itself is one of the files. The kernel's vdso is none, and a statically linked file has none.
    """
    files: dict[str, Path] = {}
    missing: set[str] = set()
    for line in output.splitlines():
        if found := _FOUND.match(line):
            files[Path(found["name"]).name] = Path(found["path"])
        elif loader := _LOADER.match(line):
            files[Path(loader["path"]).name] = Path(loader["path"])
        elif absent := _MISSING.match(line):
            missing.add(absent["name"] or absent["musl"])
    return Libraries(files, frozenset(missing))


def libraries_of(binary: Path) -> Libraries:
    """Asks the host's loader what a binary needs.

    Raises:
        LibrariesError: There is no `ldd`, or it does not end.
    """
    try:
        done = subprocess.run(
            ["ldd", str(binary)],  # noqa: S607 - /usr/bin on Debian, /bin on Alpine
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_LDD_TIMEOUT_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LibrariesError(f"cannot list the shared libraries of {binary}: {error}") from error
    return parse_ldd(done.stdout + done.stderr)


def collect(python: Path, extensions: Sequence[Path]) -> tuple[dict[str, Path], list[Path]]:
    """Finds the libraries of an interpreter and of its extension modules.

    Args:
        python: The interpreter.
        extensions: Its extension modules. One that lacks a library on this host cannot be imported
            here either and is left out.

    Returns:
        File name and file of each library, and the extension modules that can be loaded.

    Raises:
        LibrariesError: The interpreter itself lacks a library, or its loader lies in an unusual folder.
    """
    own = libraries_of(python)
    if own.missing:
        raise LibrariesError(f"{python} lacks shared libraries: {', '.join(sorted(own.missing))}")
    _check_loader(python, own.files.values())
    files = dict(own.files)
    usable = []
    for extension in extensions:
        needed = libraries_of(extension)
        if not needed.missing:
            usable.append(extension)
            files.update(needed.files)
    return files | _loaded_by_name(files.values()), usable


def _check_loader(python: Path, files: Iterable[Path]) -> None:
    loaders = [file for file in files if re.match(r"ld[-.]|ld\d*\.so", file.name)]
    odd = [loader for loader in loaders if loader.parent not in LOADER_FOLDERS]
    if odd:
        raise LibrariesError(f"{python} is started by {odd[0]}, outside the folders that can be packed")


def _loaded_by_name(files: Iterable[Path]) -> dict[str, Path]:
    folders = {file.resolve().parent for file in files} | {file.parent for file in files}
    for folder in sorted(folders):
        if (folder / _LOADED_BY_NAME).is_file():
            return {_LOADED_BY_NAME: folder / _LOADED_BY_NAME}
    return {}
