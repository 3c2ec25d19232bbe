"""An exception as a submission's author reads it, in the words of Python's own `traceback`.

That module takes several times longer to import than a program to fail, and a sandbox fails one program; so it is
left to syntax errors, which point into a line.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

_MAX_TEXT = 4000
_MAX_FRAMES = 5
_UNNAMED = ("__main__", "builtins")


def describe(error: BaseException, file: str, source: str) -> str:
    """Returns an exception with the last of those frames that are the submission's own.

    Args:
        error: What was raised. Its methods are the submission's and may do anything.
        file: The name under which the submission was compiled.
        source: Its text.
    """
    frames = _frames(error, file)
    text = _only(error)[-_MAX_TEXT:]
    if frames:
        lines = source.splitlines()
        shown = "".join(_show(frame, file, lines) for frame in frames[-_MAX_FRAMES:])
        text = f"Traceback (most recent call last):\n{shown}{text}"
    return text.rstrip()


def _frames(error: BaseException, file: str) -> list[tuple[int, str]]:
    found = []
    traceback = error.__traceback__
    while traceback is not None:
        code = traceback.tb_frame.f_code
        if code.co_filename == file:
            found.append((traceback.tb_lineno, code.co_name))
        traceback = traceback.tb_next
    return found


def _show(frame: tuple[int, str], file: str, lines: Sequence[str]) -> str:
    number, name = frame
    line = lines[number - 1].strip() if number is not None and 0 < number <= len(lines) else ""
    return f'  File "{file}", line {number}, in {name}\n' + (f"    {line}\n" if line else "")


def _only(error: BaseException) -> str:
    """Returns an exception without its traceback."""
    try:
        if isinstance(error, SyntaxError):
            import traceback

            return "".join(traceback.format_exception_only(error))
        return _headline(error) + "".join(f"{note}\n" for note in getattr(error, "__notes__", ()))
    except Exception:  # noqa: BLE001  an exception whose own methods raise
        return f"{type(error).__name__}\n"


def _headline(error: BaseException) -> str:
    kind = type(error)
    name = kind.__qualname__ if kind.__module__ in _UNNAMED else f"{kind.__module__}.{kind.__qualname__}"
    try:
        text = str(error)
    except Exception:  # noqa: BLE001  as above
        text = "<exception str() failed>"
    return f"{name}: {text}\n" if text else f"{name}\n"
