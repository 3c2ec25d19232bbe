"""The catalogue: every task, read from files and checked before anything is served."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.env.page_tokens import make_token, read_token
from services.env.task_files import CatalogueError, Problem, load_task
from services.env.task_schema import Difficulty, Task

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 500
AUTO = "auto"


class UnknownTaskError(LookupError):
    """No task has this id, category or difficulty.

    Attributes:
        selector: What was asked for.
    """

    def __init__(self, selector: str) -> None:
        super().__init__(f"no task, category or difficulty is called {selector!r}")
        self.selector = selector


@dataclass(frozen=True, slots=True)
class Page:
    """One page of the catalogue.

    Attributes:
        tasks: The tasks, ordered by id.
        next_token: For the next page; empty on the last one.
        total: How many tasks the filter matches in all.
    """

    tasks: tuple[Task, ...]
    next_token: str
    total: int


class Catalogue:
    """A fixed set of tasks with unique ids, ordered by id.

    Args:
        tasks: The tasks.
        quarantined: Ids of those that "auto" does not draw. They are listed, and drawn by every other selector.
    """

    def __init__(self, tasks: Sequence[Task], quarantined: Collection[str] = ()) -> None:
        self._by_id = {task.id: task for task in sorted(tasks, key=lambda task: task.id)}
        if len(self._by_id) != len(tasks):
            raise ValueError("two tasks have the same id")
        if tasks and self._by_id.keys() <= set(quarantined):
            raise ValueError("every task is quarantined")
        groups: defaultdict[str, list[Task]] = defaultdict(list)
        for task in self._by_id.values():
            for name in {task.category, task.difficulty.value}:
                groups[name].append(task)
            if task.id not in quarantined:
                groups[AUTO].append(task)
        self._groups = dict(groups)

    def __len__(self) -> int:
        return len(self._by_id)

    def __iter__(self) -> Iterator[Task]:
        return iter(self._by_id.values())

    @property
    def digest(self) -> str:
        """SHA-256 over all tasks, as 64 hex digits."""
        return hashlib.sha256("".join(task.digest for task in self).encode()).hexdigest()

    @property
    def difficulties(self) -> tuple[Difficulty, ...]:
        """The difficulties that have a task, easiest first."""
        return tuple(difficulty for difficulty in Difficulty if difficulty.value in self._groups)

    def get(self, task_id: str) -> Task:
        """Returns the task with this id.

        Raises:
            UnknownTaskError: There is none.
        """
        try:
            return self._by_id[task_id]
        except KeyError:
            raise UnknownTaskError(task_id) from None

    def group(self, name: str) -> Sequence[Task]:
        """Returns the tasks that a category, a difficulty or "auto" stands for; none if nothing has this name."""
        return tuple(self._groups.get(name, ()))

    def select(self, selector: str, seed: int | None = None) -> Task:
        """Chooses a task.

        Args:
            selector: A task id; a category or a difficulty (a name that is both stands for the tasks of
                either); or "auto" for all tasks that are not quarantined.
            seed: The same seed draws the same task, each with the same probability. None: random.

        Raises:
            UnknownTaskError: Nothing has this name.
        """
        if selector in self._by_id:
            return self._by_id[selector]
        if selector not in self._groups:
            raise UnknownTaskError(selector)
        return random.Random(seed).choice(self._groups[selector])  # noqa: S311 - a draw, not a secret

    def page(
        self, category: str = "", difficulty: Difficulty | None = None, page_size: int = 0, token: str = ""
    ) -> Page:
        """Lists tasks ordered by id.

        Args:
            category: Only this one; empty for all. One without tasks gives an empty page.
            difficulty: Only this one; None for all.
            page_size: At most this many, up to `MAX_PAGE_SIZE`; 0 means `DEFAULT_PAGE_SIZE`.
            token: `next_token` of the page before; empty for the first page. It stays good when tasks are
                added or removed.

        Raises:
            InvalidPageTokenError: The token is not one of ours, or from another filter.
            ValueError: `page_size` is out of range.
        """
        if not 0 <= page_size <= MAX_PAGE_SIZE:
            raise ValueError(f"page_size must be from 0 to {MAX_PAGE_SIZE}")
        matching = [task for task in self if category in ("", task.category) and difficulty in (None, task.difficulty)]
        query = f"{category}\n{difficulty or ''}"
        after = read_token(token, query) if token else ""
        rest = [task for task in matching if task.id > after]
        shown = tuple(rest[: page_size or DEFAULT_PAGE_SIZE])
        next_token = make_token(shown[-1].id, query) if len(rest) > len(shown) else ""
        return Page(shown, next_token, len(matching))


def load_catalogue(paths: Sequence[Path]) -> Catalogue:
    """Reads tasks.

    Args:
        paths: YAML files, and folders whose `*.yaml` files are read, also in subfolders.

    Raises:
        CatalogueError: A path or file is missing, too large or wrong, an id is used twice, or there is
            no task at all. It holds every problem of every file.
    """
    problems: list[Problem] = []
    origins: dict[str, Path] = {}
    tasks: list[Task] = []
    for file in _files(paths):
        try:
            task = load_task(file)
        except CatalogueError as error:
            problems.extend(error.problems)
            continue
        if task.id in origins:
            problems.append(Problem(file, 1, "id", f"{task.id!r} is also the id of {origins[task.id]}"))
        origins.setdefault(task.id, file)
        tasks.append(task)
    problems.extend(_reserved(tasks, origins))
    if problems or not tasks:
        nowhere = Problem(paths[0] if paths else Path(), 1, "", "no task found")
        raise CatalogueError(problems or [nowhere])
    return Catalogue(tasks)


def _reserved(tasks: Sequence[Task], origins: dict[str, Path]) -> Iterator[Problem]:
    taken = {AUTO, *Difficulty} | {task.category for task in tasks}
    for task in tasks:
        if task.id in taken:
            yield Problem(origins[task.id], 1, "id", f"{task.id!r} is the name of a category or difficulty")
        if task.category == AUTO:
            yield Problem(origins[task.id], 1, "category", "'auto' stands for all tasks")


def _files(paths: Sequence[Path]) -> list[Path]:
    found = [sorted(path.rglob("*.yaml")) if path.is_dir() else [path] for path in paths]
    return list(dict.fromkeys(file for group in found for file in group))
