"""The draw within a level: what it prefers, and what it never does."""

from collections import Counter
from dataclasses import dataclass

import pytest

from services.env.sampler import FLOOR, Record, chances, draw, weight

DRAWS = 4000


@dataclass(frozen=True)
class Item:
    id: str
    category: str = "any"


def drawn(tasks, records, draws=DRAWS):
    """How often each task comes, with the seeds 0, 1, 2 ..."""
    return Counter(draw(tasks, records, seed).id for seed in range(draws))


@pytest.mark.parametrize(
    ("record", "expected"),
    [
        (Record(), 1.1),
        (Record(5, 10), 1.1),
        (Record(1, 1), 0.1 + 4 * 2 / 9),
        (Record(0, 8), 0.1 + 4 * 0.09),
        (Record(8, 8), 0.1 + 4 * 0.09),
    ],
)
def test_the_weight_by_hand(record, expected):
    assert weight(record) == pytest.approx(expected)


@pytest.mark.parametrize("played", [1, 7, 100])
def test_the_weight_falls_to_both_sides_of_an_open_outcome(played):
    weights = [weight(Record(solved, played)) for solved in range(played + 1)]
    assert weights == pytest.approx(weights[::-1])
    half = weights[: played // 2 + 1]
    assert half == sorted(half)
    assert min(weights) > FLOOR


def test_chances_are_weights_shared_out():
    tasks = [Item("open"), Item("mastered")]
    found = chances(tasks, {"open": Record(3, 6), "mastered": Record(98, 98)})
    mastered = 0.1 + 4 * 0.99 * 0.01
    assert found == pytest.approx({"open": 1.1 / (1.1 + mastered), "mastered": mastered / (1.1 + mastered)})


def test_uncertain_tasks_come_more_often_and_others_do_not_vanish():
    tasks = [Item(name) for name in ("never", "open", "always", "new")]
    records = {"never": Record(0, 50), "open": Record(25, 50), "always": Record(50, 50)}
    expected = chances(tasks, records)
    counts = drawn(tasks, records)
    assert counts["open"] > 4 * counts["always"] > 0
    assert counts["new"] > 4 * counts["never"] > 0
    for name, chance in expected.items():
        assert counts[name] / DRAWS == pytest.approx(chance, abs=0.03)


def test_a_big_category_does_not_crowd_out_a_small_one():
    tasks = [Item("single", "small"), *(Item(f"b{number}", "big") for number in range(50))]
    assert chances(tasks, {})["single"] == pytest.approx(0.5)
    assert drawn(tasks, {})["single"] / DRAWS == pytest.approx(0.5, abs=0.03)


def test_within_a_category_of_several_the_record_decides():
    tasks = [Item("open", "a"), Item("mastered", "a"), Item("other", "b")]
    found = chances(tasks, {"mastered": Record(98, 98)})
    assert found["open"] / found["mastered"] == pytest.approx(weight(Record()) / weight(Record(98, 98)))


def test_a_seed_draws_the_same_task_in_whatever_order_they_are_given():
    tasks = [Item(f"t{number}", f"c{number % 3}") for number in range(12)]
    records = {"t3": Record(9, 9), "t5": Record(0, 4)}
    backwards = dict(reversed(records.items()))
    picks = [draw(tasks, records, seed) for seed in range(100)]
    assert picks == [draw(tasks[::-1], backwards, seed) for seed in range(100)]
    assert len({pick.id for pick in picks}) == 12


def test_another_record_may_draw_another_task():
    tasks = [Item("a"), Item("b")]
    assert drawn(tasks, {"a": Record(98, 98)}, 100) != drawn(tasks, {}, 100)


def test_without_a_seed_the_draw_is_random():
    tasks = [Item("a"), Item("b")]
    assert {draw(tasks, {}).id for _ in range(200)} == {"a", "b"}


def test_records_of_other_tasks_do_not_matter():
    assert draw([Item("a")], {"gone": Record(1, 2)}, 1) == Item("a")


def test_without_tasks_there_is_nothing_to_draw():
    with pytest.raises(ValueError, match="no task to draw from"):
        draw([], {}, 1)


@pytest.mark.parametrize("numbers", [(2, 1), (-1, 3), (0, -1)])
def test_a_record_that_cannot_be_is_refused(numbers):
    with pytest.raises(ValueError, match="from 0 to played"):
        Record(*numbers)
