"""The synchronous client."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Self

from codearena import _calls
from codearena._client_runs import RunMethods
from codearena._enums import Difficulty, Feedback, RewardMode, ServingStatus
from codearena._episode import EpisodeBase
from codearena._errors import ArenaError
from codearena._judge_models import Proposal, Review
from codearena._models import EpisodeState, Grade, RunResult, StepResult, Task
from codearena._run_models import StepCall
from codearena._streams import WINDOW, check_window, sync_steps


class ArenaClient(RunMethods):
    """A connection to an arena. Safe to share between threads; not across a fork.

    Example::

        with ArenaClient("127.0.0.1:50051") as arena, arena.reset(task_id="hard-1", seed=7) as episode:
            result = episode.step("def max_subarray_sum(arr): ...")
            print(result.reward, dict(result.breakdown))

    Every call raises an `ArenaError` if the arena cannot do it, `TypeError` for an argument of a wrong type
    and `InvalidArgumentError` for text that is not valid Unicode. What a graded program did wrong is never
    raised: it is an `Outcome`. A call that finds the arena unavailable is sent again, within its deadline, up
    to `max_attempts` times with growing pauses; a step that is sent again is never graded twice.

    Args:
        address: Target in gRPC's syntax: "host:port", "dns:///host:port" (calls go round its addresses) or
            "unix:/path".
        token: Sent as a bearer token with every call; a function is asked for it before each, so that it may change.
            Use it with `tls` only, or on a trusted network.
        tls: How to encrypt; None for plain text. `TLSConfig()` trusts the system's authorities.
        timeout_seconds: Deadline of every call, retries included. None for the defaults: 120 s for grades,
            steps, proposals and runs, 600 s for groups, a day for streams of steps, rescoring and export, 30 s for
            the rest. Each call can override it.
        max_attempts: How often a call is sent at most, from 1 (no retries) to 5.
    """

    def reset(
        self,
        task_id: str = "auto",
        *,
        seed: int | None = None,
        run_id: str = "",
        feedback: Feedback | str | None = None,
        hints: bool = True,
        reward_mode: RewardMode | str | None = None,
        reward_profile: str = "",
        offer_memory: bool = False,
        memory_namespace: str = "",
        split: str = "",
        timeout_seconds: float | None = None,
    ) -> Episode:
        """Opens an episode.

        Args:
            task_id: A task id, a category, a pack, "easy", "medium", "hard", "expert", or "auto" to let the arena's
                curriculum choose.
            seed: Chooses among several tasks, and the random inputs of the task; the same seed chooses the same.
                None: random.
            run_id: The training run, for curriculum, memory and fair share; at most 128 characters.
            feedback: What a failing test reveals: "full", "visible" or "counts". None leaves it to the arena.
            hints: Whether observations may hold hints.
            reward_mode: What the reward of a step is: "absolute" or "improvement". None leaves it to the arena.
            reward_profile: Weight profile of the rewards; empty for the arena's.
            offer_memory: Show the best known fix of the task as `Observation.best_known`; proposals begin from it.
            memory_namespace: Share memory with all runs that name this namespace, at most 128 characters. Empty: the
                run's own.
            split: Choose among the tasks of this split only: "train", "validation" or "test"; empty for all. An id is
                found whatever its split.
            timeout_seconds: Deadline of this call.

        Raises:
            InvalidArgumentError: There is no such split.
            NotFoundError: There is no such task, or none in the split.
            QuotaExceededError: The run has as many episodes open as it may.
        """
        options = _calls.episode_options(feedback, hints, reward_mode, reward_profile, offer_memory, memory_namespace)
        call = _calls.reset(task_id, seed, run_id, options, split)
        return Episode(self, self._send(call, timeout_seconds))

    def step(
        self,
        episode_id: str,
        fix: str,
        request_id: str | None = None,
        *,
        method: str = "",
        timeout_seconds: float | None = None,
    ) -> StepResult:
        """Grades a fix in an episode. `Episode.step` is the same with less to pass.

        Args:
            episode_id: From `reset`.
            fix: Python source, 1 to 262144 bytes of UTF-8.
            request_id: Names this step: the same id again returns the stored result. None makes a new one.
            method: Who or what made the fix, for the statistics, at most 64 characters.
            timeout_seconds: Deadline of this call.

        Raises:
            EpisodeDoneError: The episode is over.
            NotFoundError: There is no such episode.
            RetryableError: The step was not consumed; send it again.
        """
        return self._send(_calls.step(episode_id, fix, request_id, method), timeout_seconds)

    def step_stream(
        self, steps: Iterable[StepCall], *, window: int = WINDOW, timeout_seconds: float | None = None
    ) -> Iterator[tuple[StepCall, StepResult | ArenaError]]:
        """Grades fixes in many episodes over one stream.

        Args:
            steps: Those of one episode are taken in their order. They are iterated in another thread, one whenever
                fewer than `window` wait for an answer, so that they may depend on earlier answers::

                    calls = queue.SimpleQueue()
                    for call, result in arena.step_stream(iter(calls.get, None)): ...  # and calls.put(StepCall(...))

            window: How many may be without an answer at once; the arena itself works on at most 64 of a stream.
            timeout_seconds: Deadline of the whole stream; a day unless given.

        Returns:
            An iterator of steps and their results, in the order in which they finish. A step that the arena could not
            take comes with its error instead, was not consumed and does not fail the others. What `steps` raises is
            raised here, after the answers to what was sent before. The stream is opened with the first item asked for,
            and cancelled if the iterator is closed or dropped.

            The iterator raises an `ArenaError` if the stream breaks off. Steps whose answers had not come may be sent
            again as they are: their `request_id` keeps them from being graded twice.
        """
        if not isinstance(steps, Iterable):
            raise TypeError(f"steps must be an iterable of StepCall, not {type(steps).__name__}")
        return sync_steps(
            lambda sent: self._rpc("StepStream", _calls.STREAM_SECONDS, timeout_seconds)(sent),
            steps,
            check_window(window),
        )

    def get_state(self, episode_id: str, *, timeout_seconds: float | None = None) -> EpisodeState:
        """Returns an episode as it stands.

        Raises:
            NotFoundError: There is no such episode.
        """
        return self._send(_calls.get_state(episode_id), timeout_seconds)

    def close_episode(self, episode_id: str, *, timeout_seconds: float | None = None) -> None:
        """Ends an episode. Closing a closed one is not an error.

        Raises:
            NotFoundError: There is no such episode.
        """
        self._send(_calls.close_episode(episode_id), timeout_seconds)

    def grade(
        self,
        task_id: str,
        code: str,
        *,
        run_id: str = "",
        fresh: bool = False,
        reward_profile: str = "",
        seed: int = 0,
        timeout_seconds: float | None = None,
    ) -> Grade:
        """Grades one fix for one task, without an episode.

        Args:
            task_id: A task id.
            code: Python source, 1 to 262144 bytes of UTF-8.
            run_id: The training run, for fair share.
            fresh: Run the tests even if their results for an equal program are known; see `Grade.cached`.
            reward_profile: Weight profile of the reward; empty for the arena's.
            seed: Chooses the random inputs of the task; not negative.
            timeout_seconds: Deadline of this call.

        Raises:
            NotFoundError: There is no such task.
        """
        return self._send(_calls.grade(task_id, code, run_id, fresh, reward_profile, seed), timeout_seconds)

    def grade_group(
        self,
        task_id: str,
        codes: Sequence[str],
        *,
        run_id: str = "",
        fresh: bool = False,
        reward_profile: str = "",
        seed: int = 0,
        timeout_seconds: float | None = None,
    ) -> Iterator[tuple[int, Grade | ArenaError]]:
        """Grades several fixes for one task, such as a GRPO group.

        Args:
            task_id: A task id.
            codes: Python sources, 1 to 256. Equal ones are graded once.
            run_id: The training run, for fair share.
            fresh: Run the tests of each one, also of equal ones and of those whose results are known.
            reward_profile: Weight profile of the rewards; empty for the arena's.
            seed: Chooses the random inputs of the task, the same for all; not negative.
            timeout_seconds: Deadline of the whole group.

        Returns:
            An iterator of index and grade, in the order in which they finish. An item that the arena could
            not grade comes with its error instead, and does not fail the others: never take it for a reward.
            The call is sent with the first item asked for, and cancelled if the iterator is dropped.
        """
        return self._group(_calls.grade_group(task_id, codes, run_id, fresh, reward_profile, seed), timeout_seconds)

    def propose_fix(
        self,
        code: str | None = None,
        *,
        error_log: str = "",
        episode_id: str | None = None,
        description: str = "",
        run_id: str = "",
        timeout_seconds: float | None = None,
    ) -> Proposal:
        """Proposes a repair, of some code or of the last fix of an episode. Give one of the two.

        Args:
            code: Python source, 1 to 262144 bytes of UTF-8.
            error_log: With code: what is known of its failure.
            episode_id: From `reset`.
            description: With code: what it should do.
            run_id: With code: the training run whose model budget it counts for.
            timeout_seconds: Deadline of this call.
        """
        return self._send(_calls.propose_fix(code, error_log, episode_id, description, run_id), timeout_seconds)

    def review_fix(
        self,
        code: str,
        *,
        task_id: str = "",
        description: str = "",
        buggy_code: str = "",
        reference_code: str = "",
        run_id: str = "",
        timeout_seconds: float | None = None,
    ) -> Review:
        """Asks the judge for its opinion of a fix. Nothing is run.

        Args:
            code: Python source, 1 to 262144 bytes of UTF-8.
            task_id: The task that it is for; "" for one that the next three describe.
            description: What the code should do.
            buggy_code: The code before the fix.
            reference_code: A good solution to compare with.
            run_id: The training run whose model budget it counts for.
            timeout_seconds: Deadline of this call.
        """
        call = _calls.review_fix(code, task_id, description, buggy_code, reference_code, run_id)
        return self._send(call, timeout_seconds)

    def run_code(self, code: str, *, stdin: str = "", timeout_seconds: float | None = None) -> RunResult:
        """Runs any script in a sandbox.

        Args:
            code: Python source, 1 to 262144 bytes of UTF-8.
            stdin: What the script finds on stdin, at most 65536 bytes of UTF-8.
            timeout_seconds: Deadline of this call.
        """
        return self._send(_calls.run_code(code, stdin), timeout_seconds)

    def list_tasks(
        self,
        *,
        category: str = "",
        difficulty: Difficulty | str | None = None,
        split: str = "",
        page_size: int = 0,
        timeout_seconds: float | None = None,
    ) -> Iterator[Task]:
        """Iterates over the catalogue, ordered by id; pages are fetched as they are needed.

        Args:
            category: Only this category; empty for all.
            difficulty: Only this difficulty, in any case; None for all.
            split: Only this split: "train", "validation" or "test"; empty for all.
            page_size: Tasks in one call, at most 500; 0 leaves it to the arena.
            timeout_seconds: Deadline of each page.
        """
        return self._pages(_calls.list_tasks(category, difficulty, page_size, split), timeout_seconds)

    def get_task(self, task_id: str, *, timeout_seconds: float | None = None) -> Task:
        """Returns one task of the catalogue.

        Raises:
            NotFoundError: There is no such task.
        """
        return self._send(_calls.get_task(task_id), timeout_seconds)

    def health(self, service: str = "", *, timeout_seconds: float | None = None) -> ServingStatus:
        """Asks the server for its health (`grpc.health.v1`); never retried.

        Args:
            service: A service's full name, such as "codearena.v1.EnvService"; empty for the whole server.
            timeout_seconds: Deadline of this call.

        Raises:
            NotFoundError: The server knows no such service.
            UnavailableError: Nothing answers.
        """
        return self._send(_calls.health(service), timeout_seconds)

    def _group(self, call: _calls.Call[_calls.GroupItem], timeout_seconds: float | None) -> Iterator[_calls.GroupItem]:
        missing = _calls.MissingItems(call)
        for item in self._stream(call, timeout_seconds):
            yield missing.arrived(item)
        missing.check()


class Episode(EpisodeBase):
    """An episode of iterative repair, opened by `ArenaClient.reset`. As a context manager it closes itself.

    Attributes:
        episode_id: Its id.
        task: The task that was chosen; `task_id` is its id.
        observation: What the agent sees now: after the reset, then after each step.
        done: Whether it is over, as far as this object knows.
    """

    def __init__(self, arena: ArenaClient, opened: _calls.Opened) -> None:
        super().__init__(opened)
        self._arena = arena

    def step(
        self,
        fix: str,
        request_id: str | None = None,
        *,
        method: str = "",
        timeout_seconds: float | None = None,
    ) -> StepResult:
        """Grades a fix: runs it against all tests and returns reward and observation.

        Args:
            fix: Python source, 1 to 262144 bytes of UTF-8.
            request_id: Names this step: the same id again returns the stored result. None makes a new one.
            method: Who or what made the fix, for the statistics, at most 64 characters.
            timeout_seconds: Deadline of this call.

        Raises:
            EpisodeDoneError: The episode is over.
            RetryableError: The step was not consumed; send it again.
        """
        return self._advance(
            self._arena.step(self.episode_id, fix, request_id, method=method, timeout_seconds=timeout_seconds)
        )

    def propose_fix(self, *, timeout_seconds: float | None = None) -> Proposal:
        """Proposes a repair of the episode's last fix, or of the buggy code before the first step."""
        return self._arena.propose_fix(episode_id=self.episode_id, timeout_seconds=timeout_seconds)

    def get_state(self, *, timeout_seconds: float | None = None) -> EpisodeState:
        """Returns the episode as the arena has it."""
        return self._arena.get_state(self.episode_id, timeout_seconds=timeout_seconds)

    def close(self, *, timeout_seconds: float | None = None) -> None:
        """Ends the episode, unless it is over already."""
        if not self.done:
            self._arena.close_episode(self.episode_id, timeout_seconds=timeout_seconds)
            self.done = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None:
            self.close()
            return
        with suppress(ArenaError):  # what went wrong inside matters more
            self.close(timeout_seconds=_calls.CLOSE_SECONDS)
