"""Libraries that only an extra brings."""

from __future__ import annotations


def missing(package: str, extra: str) -> ImportError:
    """Returns the error to raise where a package cannot be imported.

    Args:
        package: What could not be imported.
        extra: The extra of `codearena-rl` that brings it.
    """
    return ImportError(f'this needs {package}: pip install "codearena-rl[{extra}]"', name=package)
