"""The agent of `demo` and `fix`: it asks the arena for a repair, has it graded, and asks again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from codearena import ArenaClient, ModelUsage, Outcome, Proposal, StepResult, Task
from codearena._checks import MAX_METHOD_CHARACTERS

DEMO_TASKS: Final = (
    *("easy-1", "medium-1", "hard-1"),
    *("type_errors-1", "type_errors-2", "type_errors-3"),
    *("security_bugs-1", "security_bugs-2", "security_bugs-3"),
)
"""The tasks that show what there is, and that the built-in agent can solve."""

MAX_ROUNDS: Final = 5
_FILE_METHOD = "file"


def demo_tasks(arena: ArenaClient) -> list[Task]:
    """Returns the tasks of the demo that an arena has; those that it lists first if it has none of them."""
    tasks = list(arena.list_tasks())
    return [task for task in tasks if task.task_id in DEMO_TASKS] or tasks[: len(DEMO_TASKS)]


@dataclass(frozen=True, slots=True)
class Round:
    """One round.

    Attributes:
        code: What was graded.
        proposal: Where it comes from; None for the file that it all began with.
        result: Its grade; None if the proposal held nothing new and was not graded.
    """

    code: str
    proposal: Proposal | None
    result: StepResult | None

    @property
    def solved(self) -> bool:
        """Whether it passed every test."""
        return self.result is not None and self.result.outcome is Outcome.PASSED


def play_rounds(arena: ArenaClient, task_id: str, start: str | None = None, run_id: str = "") -> Iterator[Round]:
    """Yields the rounds of an episode until it is done or nothing new is proposed.

    Args:
        arena: Where the task is.
        task_id: The task.
        start: What to begin with; it is graded first. None begins with the task's buggy code.
        run_id: The training run that it belongs to; "" for none.

    Raises:
        ArenaError: The arena could not do its part.
    """
    with arena.reset(task_id, run_id=run_id) as episode:
        last = episode.observation.buggy_code
        if start is not None:
            last = start
            yield Round(start, None, episode.step(start, method=_FILE_METHOD))
        while not episode.done:
            proposal = episode.propose_fix()
            if proposal.code == last:
                yield Round(last, proposal, None)
                return
            last = proposal.code
            yield Round(last, proposal, episode.step(last, method=proposal.method[:MAX_METHOD_CHARACTERS]))


def until_solved(rounds: Iterator[Round]) -> Iterator[Round]:
    """Yields rounds up to the first one that passes every test; five proposals at most."""
    proposals = 0
    for played in rounds:
        yield played
        proposals += played.proposal is not None
        if played.solved or proposals >= MAX_ROUNDS:
            return


def solution_of(rounds: Sequence[Round]) -> str | None:
    """Returns the program that passed every test; None without one."""
    return next((played.code for played in rounds if played.solved), None)


def total_usage(rounds: Sequence[Round]) -> ModelUsage:
    """Returns what all proposals cost."""
    usages = [played.proposal.usage for played in rounds if played.proposal is not None]
    return ModelUsage(
        sum(usage.prompt_tokens for usage in usages),
        sum(usage.completion_tokens for usage in usages),
        sum(usage.cost_usd for usage in usages),
    )
