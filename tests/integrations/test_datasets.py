"""Datasets for TRL, from a catalogue and from generated tasks."""

from __future__ import annotations

import asyncio
import json
import sys

import pytest

from codearena import AsyncArenaClient, prompts
from codearena.integrations.trl import catalogue_dataset, curriculum_dataset, generated_dataset
from tests.e2e.processes import ROOT, plain_environment
from tests.task_files import DEMO, SHIPPED

pytestmark = pytest.mark.usefixtures("trl")


async def test_splits_of_the_catalogue_share_no_task_and_miss_none(own_arena):
    async with own_arena(tasks=(SHIPPED,)) as arena, AsyncArenaClient(arena.address) as client:
        every = {task.task_id: task async for task in client.list_tasks()}
        splits = {
            split: await asyncio.to_thread(catalogue_dataset, arena.address, split=split)
            for split in ("train", "validation", "test")
        }
    ids = [task_id for rows in splits.values() for task_id in rows["task_id"]]
    assert sorted(ids) == sorted(every)
    for split, rows in splits.items():
        assert set(rows["split"]) == {split}
        for row in rows:
            task = every[row["task_id"]]
            assert row["prompt"] == [
                {"role": "system", "content": prompts.SYSTEM},
                {"role": "user", "content": prompts.first_message(task)},
            ]
            assert (row["category"], row["buggy_code"]) == (task.category, task.buggy_code)


async def test_prompts_for_the_environment_leave_the_task_to_it(arena):
    rows = await asyncio.to_thread(catalogue_dataset, arena.address, split="", category="easy", tool=True)
    (row,) = rows
    assert row["prompt"][-1] == {"role": "user", "content": ""}
    assert "submit_fix" in row["prompt"][0]["content"]
    assert row["task_id"] == "easy-1"


async def test_no_task_is_an_error(arena):
    with pytest.raises(ValueError, match="no task"):
        await asyncio.to_thread(catalogue_dataset, arena.address, category="nothing")


@pytest.fixture(scope="module")
async def generated(tmp_path_factory, arena_data):
    """Tasks that were generated of the demo's, without their sandboxes' root being built again."""
    folder = tmp_path_factory.mktemp("generated")
    sources = [word for path in DEMO for word in ("--from", str(path))]
    settings = {"CODEARENA_SANDBOX_BACKEND": "process", "CODEARENA_DATA_DIR": str(arena_data), "PYTHONPATH": str(ROOT)}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "services.authoring.generate", *sources, "--count", "12", "--out", str(folder)),
        cwd=ROOT,
        env=plain_environment(**settings),
        stderr=asyncio.subprocess.PIPE,
    )
    _, errors = await process.communicate()
    assert process.returncode == 0, errors.decode()
    return folder


async def test_generated_splits_share_no_program(own_arena, generated):
    async with own_arena(tasks=(generated,)) as arena:

        def load(split, **options):
            return generated_dataset(generated, arena.address, split=split, **options)

        train, test = await asyncio.gather(*(asyncio.to_thread(load, split) for split in ("train", "test")))
        others = [await asyncio.to_thread(load, "test", seed=seed) for seed in range(1, 6)]
    made = {task["id"] for task in json.loads((generated / "generate-report.json").read_text())["tasks"]}
    assert set(train["task_id"]) | set(test["task_id"]) == made
    programs = [{task_id.rpartition("-")[0] for task_id in rows["task_id"]} for rows in (train, test)]
    assert programs[0].isdisjoint(programs[1])
    assert len(programs[1]) == round(0.2 * len(programs[0] | programs[1]))
    assert any(other["task_id"] != test["task_id"] for other in others)


async def test_an_arena_without_them_is_told(arena, generated):
    with pytest.raises(ValueError, match="CODEARENA_TASKS"):
        await asyncio.to_thread(generated_dataset, generated, arena.address)


@pytest.mark.parametrize("text", [None, "{", '{"tasks": [{}]}', "[]"])
def test_another_folder_is_told(tmp_path, text):
    if text is not None:
        (tmp_path / "generate-report.json").write_text(text)
    with pytest.raises(ValueError, match="codearena tasks generate"):
        generated_dataset(tmp_path)


@pytest.mark.parametrize(
    ("options", "field"), [({"split": "validation"}, "split"), ({"test_share": 1.0}, "test_share")]
)
def test_options_are_checked(tmp_path, options, field):
    with pytest.raises(ValueError, match=field):
        generated_dataset(tmp_path, **options)


def test_rows_for_a_curriculum_have_seeds_of_their_own():
    rows = curriculum_dataset(3, seed=10)
    assert (rows["task_id"][:], rows["seed"][:]) == (["auto"] * 3, [10, 11, 12])
    assert rows[0]["prompt"][-1]["content"] == ""
    with pytest.raises(ValueError, match="count"):
        curriculum_dataset(0)
