"""What tests of training need."""

from __future__ import annotations

import importlib.util

import pytest

from tests.conftest import require

PACKAGES = ("torch", "transformers", "trl", "accelerate", "datasets", "tensorboard", "nbclient", "ipykernel")


@pytest.fixture(scope="session")
def train() -> None:
    """What training runs on."""
    absent = [name for name in PACKAGES if importlib.util.find_spec(name) is None]
    require("train", not absent, f"{', '.join(absent)} not installed: pip install --group train")
