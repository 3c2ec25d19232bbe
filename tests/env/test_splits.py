"""Splits: tasks for training, validation and test are kept apart, by whatever name they are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from codearena import AsyncArenaClient, Difficulty, InvalidArgumentError, NotFoundError
from services.env.catalogue import Catalogue, UnknownTaskError, load_catalogue
from services.env.page_tokens import InvalidPageTokenError
from services.env.task_files import load_task
from services.env.task_schema import Split
from tests.env.parts import Parts
from tests.task_files import TASK

REFERENCE = "def double(x):\n    return 2 * x\n"
WANTED = [
    ("easy", Split.TRAIN),
    ("easy", Split.TRAIN),
    ("medium", Split.TRAIN),
    ("medium", Split.VALIDATION),
    ("hard", Split.VALIDATION),
]
"""There is nothing to test by, and nothing easy to validate by."""


def variants(folder: Path, difficulty: str) -> Iterator[Path]:
    """Task files that differ in their title alone, and so in their splits."""
    for number in range(1000):
        file = folder / f"{difficulty}-task-{number}.yaml"
        text = TASK.replace("id: double-1", f"id: {file.stem}").replace("Doubling", f"Doubling {number}")
        file.write_text(text.replace("difficulty: easy", f"difficulty: {difficulty}"))
        yield file


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("splits")
    wanted = list(WANTED)
    for difficulty in ("easy", "medium", "hard"):
        for file in variants(folder, difficulty):
            found = (difficulty, load_task(file).split)
            if found in wanted:
                wanted.remove(found)
            else:
                file.unlink()
            if not any(level == difficulty for level, _ in wanted):
                break
    return folder


@pytest.fixture(scope="module")
def catalogue(folder: Path) -> Catalogue:
    return load_catalogue([folder])


@pytest.fixture(scope="module")
async def arena(
    folder: Path, tmp_path_factory: pytest.TempPathFactory, arena_data: Path
) -> AsyncIterator[AsyncArenaClient]:
    rules = {"curriculum_minimum": 2, "curriculum_window": 2}
    async with Parts(tmp_path_factory.mktemp("store"), arena_data, tasks=(folder,), **rules) as parts:
        yield parts.client


def test_splits_are_about_80_10_and_10_of_a_hundred() -> None:
    digests = [f"{number * 2654435761 % 2**32:08x}" + "0" * 56 for number in range(10_000)]
    shares = [sum(Split.of(digest) is split for digest in digests) / len(digests) for split in Split]
    assert shares == pytest.approx([0.8, 0.1, 0.1], abs=0.01)


@pytest.mark.parametrize("selector", ["auto", "numbers", "medium"])
@pytest.mark.parametrize("split", [Split.TRAIN, Split.VALIDATION])
def test_a_selector_keeps_to_the_split(catalogue: Catalogue, selector: str, split: Split) -> None:
    drawn = {catalogue.select(selector, seed, split).id for seed in range(60)}
    assert drawn == {task.id for task in catalogue.group(selector) if task.split is split}


def test_a_split_without_tasks_is_told(catalogue: Catalogue) -> None:
    with pytest.raises(UnknownTaskError, match="no task of 'numbers' is in the split 'test'"):
        catalogue.select("numbers", 0, Split.TEST)
    with pytest.raises(UnknownTaskError, match="is called 'nothing'"):
        catalogue.select("nothing", 0, Split.TRAIN)


def test_pages_of_the_splits_are_the_catalogue(catalogue: Catalogue) -> None:
    pages = [catalogue.page(split=split) for split in Split]
    assert [page.total for page in pages] == [3, 2, 0]
    assert sorted(task.id for page in pages for task in page.tasks) == [task.id for task in catalogue]


def test_a_page_token_belongs_to_its_split(catalogue: Catalogue) -> None:
    token = catalogue.page(page_size=1, split=Split.TRAIN).next_token
    assert len(catalogue.page(token=token, split=Split.TRAIN).tasks) == 2
    for other in (None, Split.VALIDATION):
        with pytest.raises(InvalidPageTokenError):
            catalogue.page(token=token, split=other)


async def test_the_client_lists_and_draws_one_split(arena: AsyncArenaClient) -> None:
    listed = [task async for task in arena.list_tasks(split="validation", page_size=1)]
    assert [task.split for task in listed] == ["validation", "validation"]
    drawn = {(await arena.reset(seed=seed, split="validation")).task_id for seed in range(12)}
    assert drawn == {task.task_id for task in listed}


async def test_an_id_is_found_whatever_its_split(arena: AsyncArenaClient, catalogue: Catalogue) -> None:
    task = next(task for task in catalogue if task.split is Split.TRAIN)
    assert (await arena.reset(task.id, split="test")).task.split == "train"


@pytest.mark.parametrize("run_id", ["", "a-run"])
async def test_the_client_is_told_what_is_wrong_with_a_split(arena: AsyncArenaClient, run_id: str) -> None:
    with pytest.raises(NotFoundError, match="no task of 'auto' is in the split 'test'"):
        await arena.reset(run_id=run_id, split="test")
    with pytest.raises(InvalidArgumentError, match="train, validation, test"):
        await arena.reset(run_id=run_id, split="holdout")


async def test_a_curriculum_keeps_to_the_split(arena: AsyncArenaClient) -> None:
    """A run at the level easy, of which nothing is for validation: medium tasks stand in, and move it."""
    levels = []
    for _ in range(6):
        episode = await arena.reset(run_id="validating", split="validation")
        assert episode.task.split == "validation"
        levels.append(episode.task.difficulty)
        await episode.step(REFERENCE)
    assert levels == [Difficulty.MEDIUM] * 4 + [Difficulty.HARD] * 2
    moves = (await arena.get_curriculum("validating")).moves
    assert [(move.from_level, move.to_level) for move in moves] == [
        (Difficulty.EASY, Difficulty.MEDIUM),
        (Difficulty.MEDIUM, Difficulty.HARD),
    ]


async def test_a_level_without_tasks_in_the_split_falls_back_to_an_easier_one(arena: AsyncArenaClient) -> None:
    for _ in range(4):
        await (await arena.reset(run_id="training")).step(REFERENCE)
    assert (await arena.get_curriculum("training")).level is Difficulty.HARD
    episode = await arena.reset(run_id="training", split="train")
    assert (episode.task.split, episode.task.difficulty) == ("train", Difficulty.MEDIUM)
