"""The file that `fix --write` replaces."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import click

_PERMISSIONS = 0o7777


@dataclass(frozen=True)
class SourceFile:
    """A file with a program.

    Attributes:
        path: Where it is.
        newline: How its lines end.
    """

    path: Path
    newline: str

    def replace(self, code: str) -> None:
        """Puts a program there, whole or not at all; the file keeps its permissions.

        Raises:
            click.FileError: It cannot be written.
        """
        try:
            mode = self.path.stat().st_mode & _PERMISSIONS
            with tempfile.NamedTemporaryFile(
                "w", encoding="utf-8", newline=self.newline, dir=self.path.parent, prefix=".codearena-", delete=False
            ) as file:
                written = Path(file.name)
                try:
                    file.write(code)
                    file.flush()
                    written.chmod(mode)
                    written.replace(self.path)
                except BaseException:
                    written.unlink(missing_ok=True)
                    raise
        except OSError as error:
            raise click.FileError(str(self.path), error.strerror or str(error)) from error


def source_file(path: str, source: str) -> SourceFile:
    """Returns a file, behind links, that ends its lines as its source does."""
    return SourceFile(Path(path).resolve(), "\r\n" if "\r\n" in source else "\n")
