"""What a step costs and how long its stages take: measured, kept as JSON, drawn from."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import NormalDist

from benchmarks.figures import percentile

MEASURED = Path(__file__).with_name("measured.json")
_POINTS = 401
_NUMBERS = re.compile(r"\[[\s\d.,e-]*\]")


@dataclass(frozen=True, slots=True)
class Distribution:
    """An empirical distribution.

    Attributes:
        quantiles: Values at equal steps of probability from 0 to 1, in order; at least two.
    """

    quantiles: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Distribution:
        """Returns the distribution of a sample. Raises ValueError if it is empty."""
        ordered = sorted(values)
        if not ordered:
            raise ValueError("no value to tell a distribution from")
        return cls(tuple(percentile(ordered, point / (_POINTS - 1)) for point in range(_POINTS)))

    @classmethod
    def constant(cls, value: float) -> Distribution:
        """Returns the distribution of what is always the same."""
        return cls((value, value))

    @property
    def mean(self) -> float:
        """The mean of what `draw` returns."""
        inner = sum(self.quantiles[1:-1])
        return (inner + (self.quantiles[0] + self.quantiles[-1]) / 2) / (len(self.quantiles) - 1)

    def draw(self, random_source: random.Random) -> float:
        """Returns a value: linear between the quantiles."""
        return percentile(self.quantiles, random_source.random())

    @classmethod
    def lognormal(cls, mean: float, sigma: float) -> Distribution:
        """Returns a lognormal one, cut at its 0.5th and 99.5th percentile, with that mean and shape."""
        normal = NormalDist()
        parts = [0.005 + 0.99 * point / (_POINTS - 1) for point in range(_POINTS)]
        raw = cls(tuple(math.exp(sigma * normal.inv_cdf(part)) for part in parts))
        return cls(tuple(value * mean / raw.mean for value in raw.quantiles))


@dataclass(frozen=True, slots=True)
class Costs:
    """CPU seconds of one step in each process that takes part.

    Attributes:
        client: Of the training run.
        env: Of env, with its readers of source.
        executor: Of the executor, with zygote and sandboxes.
        judge: Of the judge, with its workers.
        database: Of PostgreSQL.
    """

    client: float
    env: float
    executor: float
    judge: float
    database: float

    @property
    def total(self) -> float:
        """Of all of them."""
        return self.client + self.env + self.executor + self.judge + self.database


@dataclass(frozen=True, slots=True)
class Durations:
    """What was measured of one sandbox backend, with one client that waits for each answer.

    Attributes:
        stages: Seconds of each stage of a step: provision, execute, judge, store, total.
        costs: CPU seconds of a step.
        bytes_per_step: What the database grows by for each step, indexes included.
        steps_per_episode: Of the mix that was measured.
    """

    stages: Mapping[str, Distribution]
    costs: Costs
    bytes_per_step: float
    steps_per_episode: float


def load(file: Path = MEASURED) -> dict[str, Durations]:
    """Reads what was measured, by backend. Raises OSError, and ValueError if it is no such file."""
    try:
        return {name: _parse(entry) for name, entry in json.loads(file.read_text(encoding="utf-8"))["backends"].items()}
    except (KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{file} is no file of `benchmarks.capacity measure`: {error!r}") from error


def _parse(entry: dict[str, object]) -> Durations:
    stages, costs = entry["stages"], entry["costs"]
    assert isinstance(stages, dict)
    assert isinstance(costs, dict)
    return Durations(
        {name: Distribution(tuple(map(float, quantiles))) for name, quantiles in stages.items()},
        Costs(**costs),
        float(str(entry["bytes_per_step"])),
        float(str(entry["steps_per_episode"])),
    )


def save(found: Mapping[str, Durations], how: str, file: Path = MEASURED) -> None:
    """Writes what was measured, beside how; keeps the other backends that the file has."""
    kept = json.loads(file.read_text(encoding="utf-8"))["backends"] if file.exists() else {}
    kept |= {name: _plain(durations, how) for name, durations in found.items()}
    text = json.dumps({"backends": kept}, indent=1)
    file.write_text(_NUMBERS.sub(lambda found: " ".join(found.group().split()), text) + "\n", encoding="utf-8")


def _plain(durations: Durations, how: str) -> dict[str, object]:
    return {
        "measured": how,
        "stages": {name: [round(value, 6) for value in found.quantiles] for name, found in durations.stages.items()},
        "costs": {name: round(value, 6) for name, value in asdict(durations.costs).items()},
        "bytes_per_step": round(durations.bytes_per_step),
        "steps_per_episode": durations.steps_per_episode,
    }
