"""The catalogue: every task, read from files and checked before anything is served."""

from __future__ import annotations

import hashlib
import random
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from services.env.packs import Source, find_sources
from services.env.page_tokens import make_token, read_token
from services.env.task_files import CatalogueError, Document, Problem, read
from services.env.task_schema import SEPARATOR, Difficulty, Split, Task

DEFAULT_PAGE_SIZE = 50
MAX_PAGE_SIZE = 500
AUTO = "auto"


class UnknownTaskError(LookupError):
    """No task has this id, category, difficulty or pack, or none of its tasks is in the split.

    Attributes:
        selector: What was asked for.
        split: In which split; None for all.
    """

    def __init__(self, selector: str, split: Split | None = None) -> None:
        nothing = f"no task, category, difficulty or pack is called {selector!r}"
        super().__init__(nothing if split is None else f"no task of {selector!r} is in the split {split.value!r}")
        self.selector = selector
        self.split = split


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
            for name in {task.category, task.difficulty.value, *_names_of_pack(task)}:
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
        """Returns the tasks that a category, a difficulty, a pack or "auto" stands for; none for another name."""
        return tuple(self._groups.get(name, ()))

    def select(self, selector: str, seed: int | None = None, split: Split | None = None) -> Task:
        """Chooses a task.

        Args:
            selector: A task id; a category, a difficulty or the namespace of a pack (a name that is several of them
                stands for the tasks of each, and NAMESPACE/ for those of the pack); or "auto" for all tasks that are
                not quarantined.
            seed: The same seed draws the same task, each with the same probability. None: random.
            split: Only tasks of this split; None for all. An id is found whatever its split.

        Raises:
            UnknownTaskError: Nothing has this name, or nothing in the split.
        """
        if selector in self._by_id:
            return self._by_id[selector]
        if selector not in self._groups:
            raise UnknownTaskError(selector)
        offered = [task for task in self._groups[selector] if split in (None, task.split)]
        if not offered:
            raise UnknownTaskError(selector, split)
        return random.Random(seed).choice(offered)  # noqa: S311 - a draw, not a secret

    def page(
        self,
        category: str = "",
        difficulty: Difficulty | None = None,
        page_size: int = 0,
        token: str = "",
        split: Split | None = None,
    ) -> Page:
        """Lists tasks ordered by id.

        Args:
            category: Only this one; empty for all. One without tasks gives an empty page.
            difficulty: Only this one; None for all.
            page_size: At most this many, up to `MAX_PAGE_SIZE`; 0 means `DEFAULT_PAGE_SIZE`.
            token: `next_token` of the page before; empty for the first page. It stays good when tasks are
                added or removed.
            split: Only this one; None for all.

        Raises:
            InvalidPageTokenError: The token is not one of ours, or from another filter.
            ValueError: `page_size` is out of range.
        """
        if not 0 <= page_size <= MAX_PAGE_SIZE:
            raise ValueError(f"page_size must be from 0 to {MAX_PAGE_SIZE}")
        matching = [
            task
            for task in self
            if category in ("", task.category) and difficulty in (None, task.difficulty) and split in (None, task.split)
        ]
        query = f"{category}\n{difficulty or ''}" + (f"\n{split}" if split else "")
        after = read_token(token, query) if token else ""
        rest = [task for task in matching if task.id > after]
        shown = tuple(rest[: page_size or DEFAULT_PAGE_SIZE])
        next_token = make_token(shown[-1].id, query) if len(rest) > len(shown) else ""
        return Page(shown, next_token, len(matching))


def _names_of_pack(task: Task) -> tuple[str, ...]:
    return (task.namespace, task.namespace + SEPARATOR) if task.namespace else ()


def load_catalogue(paths: Sequence[Path]) -> Catalogue:
    """Reads tasks.

    Args:
        paths: Task files, folders of them, and packs; see `services.env.packs.find_sources`. The id of a task of a pack
            is NAMESPACE/ID.

    Raises:
        CatalogueError: A path or file is missing, too large or wrong, an id is used twice, or there is
            no task at all. It holds every problem of every file.
    """
    sources, problems = find_sources(paths)
    found: dict[str, Document[Task]] = {}
    tasks: list[Task] = []
    for file, namespace in _files(sources).items():
        try:
            document = read(file, Task)
        except CatalogueError as error:
            problems.extend(error.problems)
            continue
        task = document.value.within(namespace) if namespace else document.value
        if task.id in found:
            problems.append(document.problem(f"{task.id!r} is also the id of {found[task.id].file}", "id"))
        found.setdefault(task.id, document)
        tasks.append(task)
    problems.extend(_reserved(found, {source.namespace for source in sources}))
    if problems or not tasks:
        nowhere = Problem(paths[0] if paths else Path(), 1, "", "no task found")
        raise CatalogueError(problems or [nowhere])
    return Catalogue(tasks)


def _reserved(found: Mapping[str, Document[Task]], namespaces: Collection[str]) -> Iterator[Problem]:
    taken = {AUTO, *Difficulty, *namespaces} | {document.value.category for document in found.values()}
    for task_id, document in found.items():
        if task_id in taken:
            yield document.problem(f"{task_id!r} is the name of a category, difficulty or pack", "id")
        if document.value.category == AUTO:
            yield document.problem("'auto' stands for all tasks", "category")


def _files(sources: Sequence[Source]) -> dict[Path, str]:
    """Returns every file once, with the namespace of the first source that holds it."""
    files: dict[Path, str] = {}
    for source in sources:
        for file in source.files:
            files.setdefault(file, source.namespace)
    return files
