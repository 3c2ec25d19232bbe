"""What is read of files that change while a service runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Generic, TypeVar

Content = TypeVar("Content")

_LOOK_SECONDS = 1.0
_MAX_BYTES = 1 << 20


class UnusableFile(Exception):
    """A file cannot be used; the message says which and why, and quotes nothing of it.

    Args:
        message: For people.
        may_pass: It may become good by itself, without being changed.
    """

    def __init__(self, message: str, *, may_pass: bool = False) -> None:
        super().__init__(message)
        self.may_pass = may_pass


class WatchedFiles(Generic[Content]):
    """What files hold, read again when they change. What cannot be used is refused, and what was read before stays.

    Half a change of several files looks like a bad one: it is refused, and the whole of it is read when it is there.

    Args:
        files: The files.
        read: Reads and checks all of them. Raises UnusableFile.
        changed: Told what was read before and what is read now, if that is something else.
        refused: Told why they cannot be used, once for each state of the files.

    Raises:
        UnusableFile: They cannot be used from the beginning.
    """

    def __init__(
        self,
        files: Iterable[Path],
        read: Callable[[], Content],
        changed: Callable[[Content, Content], None],
        refused: Callable[[str], None],
    ) -> None:
        self._files = tuple(files)
        self._read = read
        self._changed = changed
        self._refused = refused
        self._lock = threading.Lock()
        self._looked = time.monotonic()
        self._stamp = self._stamps()
        self._error: UnusableFile | None = None
        self._content = read()

    def current(self) -> Content:
        """Returns what is good now; looks at the files at most once a second. May be called from any thread."""
        with self._lock:
            now = time.monotonic()
            if now - self._looked >= _LOOK_SECONDS:
                self._looked = now
                self._look()
            return self._content

    def _look(self) -> None:
        stamp = self._stamps()
        seen, self._stamp = stamp == self._stamp, stamp
        before = self._error
        if seen and (before is None or not before.may_pass):
            return
        try:
            found = self._read()
        except UnusableFile as error:
            self._error = error
            if not seen or str(error) != str(before):
                self._refused(str(error))
            return
        self._error = None
        if found != self._content:
            old, self._content = self._content, found
            self._changed(old, found)

    def _stamps(self) -> tuple[object, ...]:
        return tuple(_stamp(file) for file in self._files)


def read_file(file: Path) -> bytes:
    """Returns what a file holds.

    Raises:
        UnusableFile: It cannot be read, or is longer than a mebibyte.
    """
    try:
        with file.open("rb") as opened:
            content = opened.read(_MAX_BYTES + 1)
    except OSError as error:
        raise UnusableFile(f"{file} cannot be read: {error.strerror}", may_pass=True) from error
    if len(content) > _MAX_BYTES:
        raise UnusableFile(f"{file} is longer than {_MAX_BYTES} bytes")
    return content


def _stamp(file: Path) -> object:
    """Returns what changes when a file does, or its rights, or the file that a link leads to."""
    try:
        found = file.stat()
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_ctime_ns, found.st_size, found.st_ino
