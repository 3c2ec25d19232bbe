"""Stands in for pytest where there is none: `raises`, `approx`, `mark.parametrize`, `fail` and `skip`."""

from __future__ import annotations

import math
import re
from typing import Any


class ExceptionInfo:
    """What `raises` caught: `value` and `type`."""

    value: BaseException | None = None

    @property
    def type(self) -> Any:
        return type(self.value)

    def match(self, pattern: str) -> bool:
        assert re.search(pattern, str(self.value)), f"{pattern!r} does not match {str(self.value)!r}"
        return True


class _Raises:
    def __init__(self, expected: Any, match: str | None) -> None:
        self._expected, self._match, self._info = expected, match, ExceptionInfo()

    def __enter__(self) -> ExceptionInfo:
        return self._info

    def __exit__(self, kind: Any, error: BaseException | None, traceback: object) -> bool:
        assert error is not None, f"did not raise {self._expected}"
        if not isinstance(error, self._expected):
            return False
        self._info.value = error
        return self._match is None or self._info.match(self._match)


def raises(expected: Any, *call: Any, match: str | None = None, **options: Any) -> Any:
    """A context manager that wants an exception; or calls what it is given and wants one of that."""
    context = _Raises(expected, match)
    if not call:
        return context
    with context as info:
        call[0](*call[1:], **options)
    return info


class approx:  # noqa: N801  the name is pytest's
    """Equal to numbers, and lists, tuples and dicts of them, that are close."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, expected: Any, rel: float | None = None, abs: float | None = None, nan_ok: bool = False) -> None:
        self.expected, self._rel, self._abs, self._nan_ok = expected, rel, abs, nan_ok

    def __eq__(self, actual: object) -> bool:
        return self._close(self.expected, actual)

    def __repr__(self) -> str:
        return f"approx({self.expected!r})"

    def _close(self, expected: Any, actual: Any) -> bool:
        if isinstance(expected, (list, tuple)):
            return (
                type(actual) is type(expected)
                and len(actual) == len(expected)
                and all(map(self._close, expected, actual))
            )
        if isinstance(expected, dict):
            return (
                isinstance(actual, dict)
                and actual.keys() == expected.keys()
                and all(self._close(value, actual[key]) for key, value in expected.items())
            )
        if isinstance(expected, (int, float)) and isinstance(actual, (int, float)):
            if math.isnan(expected) or math.isnan(actual):
                return self._nan_ok and math.isnan(expected) and math.isnan(actual)
            relative = self._rel if self._rel is not None else (0.0 if self._abs is not None else 1e-6)
            return expected == actual or abs(expected - actual) <= max(
                relative * abs(expected), self._abs if self._abs is not None else 1e-12
            )
        return bool(expected == actual)


class _Mark:
    def parametrize(self, names: Any, values: Any, ids: object = None) -> Any:
        """Has a test run once for each row of values; several of them multiply."""
        keys = [name.strip() for name in names.split(",")] if isinstance(names, str) else list(names)
        rows = [dict(zip(keys, row if len(keys) > 1 else (row,), strict=True)) for row in values]

        def decorate(function: Any) -> Any:
            before = getattr(function, "codearena_rows", [{}])
            function.codearena_rows = [{**one, **other} for one in before for other in rows]
            return function

        return decorate

    def __getattr__(self, name: str) -> Any:
        def mark(*given: Any, **options: Any) -> Any:
            return given[0] if len(given) == 1 and callable(given[0]) and not options else lambda function: function

        return mark


mark = _Mark()


class Skipped(Exception):
    """What `skip` raises."""


def fail(reason: str = "") -> None:
    """Fails the test."""
    raise AssertionError(reason)


def skip(reason: str = "") -> None:
    """Ends the test; it does not count."""
    raise Skipped(reason)
