"""What the machine had a hand in is not kept."""

from __future__ import annotations

import pytest

from services.executor.jobs import Answer, State
from services.executor.limits import Limits
from services.executor.settled import is_settled

LIMITS = Limits(cpu_seconds=1.0, wall_seconds=5.0)
ALL_OF_IT = 1_000_000_000


def answer(state: State, cpu: int = 1000) -> Answer:
    return Answer(state=state, payload="", number=0, cpu=cpu, mark=0, wall=0, memory=0)


@pytest.mark.parametrize(
    ("states", "settled"),
    [
        (["loaded", "value", "raised", "unfit", "crash", "output", "tamper"], True),
        (["load_failed"], True),
        (["ended"], True),
        (["loaded", "value", "memory"], False),
        (["loaded", "output", "output", "output", "skipped", "skipped"], True),
        (["loaded", "output", "output", "skipped"], False),
        (["loaded", "value", "skipped"], False),
    ],
)
def test_how_it_ended(states: list[State], settled: bool) -> None:
    assert is_settled([answer(state) for state in states], LIMITS) is settled


@pytest.mark.parametrize(("cpu", "settled"), [(ALL_OF_IT, True), (2 * ALL_OF_IT, True), (ALL_OF_IT - 1, False)])
def test_a_time_limit_counts_if_it_was_that_of_the_cpu(cpu: int, settled: bool) -> None:
    assert is_settled([answer("loaded"), answer("timeout", cpu), answer("value")], LIMITS) is settled
    assert is_settled([answer("timeout", cpu)], LIMITS) is settled


def test_skipped_after_three_endless_ones() -> None:
    endless = [answer("timeout", ALL_OF_IT)] * 3
    assert is_settled([answer("loaded"), *endless, answer("skipped")], LIMITS)
    assert not is_settled([answer("loaded"), *endless[:2], answer("timeout", 5), answer("skipped")], LIMITS)
