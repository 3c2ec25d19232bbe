"""Difficulty by measurement."""

import pytest

from services.authoring.panel.agents import Reversal, by_mutation
from services.authoring.panel.measure import chance, measure, met
from services.authoring.sandboxes import sandboxes
from services.env.task_files import load_task
from services.env.task_schema import Difficulty
from tests.task_files import SHIPPED, write_double


@pytest.mark.parametrize(
    ("graded", "solved", "total", "rate"),
    [(0, 0, 0, 0.0), (60, 0, 60, 0.0), (10, 10, 10, 1.0), (10, 1, 10, 0.5), (60, 6, 600, 1 - 0.59), (3, 1, 3, 1.0)],
)
def test_the_chance_of_a_search(graded, solved, total, rate):
    assert chance(graded, solved, total) == pytest.approx(rate, abs=0.01)


@pytest.mark.parametrize(
    ("places", "needed", "rate"),
    [(3, 1, 1.0), (5, 5, 1.0), (20, 1, 0.25), (20, 2, 10 / 190), (20, 6, 0.0), (6, 6, 0.0)],
)
def test_the_chance_of_meeting_every_line(places, needed, rate):
    assert met(places, needed) == pytest.approx(rate)


def test_an_agent_tries_the_same_for_the_same_seed():
    task = load_task(SHIPPED / "medium" / "medium-1.yaml")
    assert by_mutation(task, 1) == by_mutation(task, 1)
    candidates, total = by_mutation(task, 1)
    assert 0 < len(candidates) <= total
    assert task.buggy_code not in candidates


@pytest.mark.parametrize("task_id", ["off_by_one-5", "syntax-1", "algorithms-2", "data_structures-1"])
def test_putting_all_back_gives_the_reference_and_nothing_the_bug(task_id):
    task = load_task(SHIPPED / task_id.rpartition("-")[0] / f"{task_id}.yaml")
    parts = Reversal.of(task)
    assert parts.program(range(len(parts.blocks))).splitlines() == task.reference.splitlines()
    assert parts.program([]).splitlines() == task.buggy_code.splitlines()


async def test_a_bug_in_one_place_is_easier_than_one_in_three(monkeypatch, arena_data):
    monkeypatch.setenv("CODEARENA_SANDBOX_BACKEND", "process")
    monkeypatch.setenv("CODEARENA_DATA_DIR", str(arena_data))
    one, three = [load_task(SHIPPED / "off_by_one" / f"off_by_one-{number}.yaml") for number in (1, 5)]
    async with sandboxes() as boxes:
        easier, harder = [await measure(task, boxes, 0) for task in (one, three)]
    assert easier.identity == harder.identity == 0.0
    assert easier.line > 3 * harder.line > 0.0
    assert easier.rate > harder.rate
    assert list(Difficulty).index(easier.difficulty) < list(Difficulty).index(harder.difficulty)


def test_labels_are_written_and_nothing_else(command, tmp_path):
    folder = write_double(tmp_path / "in", ("difficulty: easy", "difficulty: expert"))
    before = (folder / "double-1.yaml").read_text()
    status, stdout, _ = command("tasks", "calibrate", folder, "--write")
    assert status == 0
    assert "| `double-1` |" in stdout
    assert (folder / "double-1.yaml").read_text() == before.replace("difficulty: expert", "difficulty: easy")
