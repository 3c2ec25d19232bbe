"""What tests of the integrations share: programs, an arena that can be ended, and what libraries they need."""

from __future__ import annotations

import importlib.util

import pytest

from services.standalone.arena import arena as running_arena
from tests.conftest import PLAIN_SETTINGS, require

RIGHT = "def average_list(numbers):\n    return sum(numbers) / len(numbers) if numbers else 0.0\n"
WRONG = "def average_list(numbers):\n    return 1\n"
FENCED = f"The list may be empty.\n```python\n{RIGHT}```\nThat is all."


def needs(part: str, *packages: str) -> None:
    """Skips the module's tests where a library is missing, or fails them where CODEARENA_REQUIRE names the part."""
    absent = [name for name in packages if importlib.util.find_spec(name) is None]
    require(part, not absent, f"{', '.join(absent)} not installed: pip install --group integrations")


@pytest.fixture(scope="session")
def trl() -> None:
    """TRL and what it runs on."""
    needs("trl", "trl", "transformers", "torch", "datasets", "accelerate")


@pytest.fixture(scope="session")
def gymnasium() -> None:
    """Gymnasium."""
    needs("gymnasium", "gymnasium")


@pytest.fixture
def own_arena(arena_data):
    """Returns an arena of one's own, as an async context manager, which may serve other tasks."""

    def run(**settings):
        options = PLAIN_SETTINGS | settings
        return running_arena(port=0, private=True, data_dir=arena_data, sandbox_backend="process", slots=2, **options)

    return run
