"""Episodes through the SDK, against a whole arena with real sandboxes."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from codearena import (
    Difficulty,
    EpisodeDoneError,
    ErrorReason,
    InvalidArgumentError,
    JudgeSource,
    NotFoundError,
    Outcome,
    SandboxBackend,
)

HALF_RIGHT = "def average_list(numbers):\n    return sum(numbers) / len(numbers)\n"
WRONG = "def average_list(numbers):\n    return 1\n"


@pytest.fixture
def solution(shipped):
    return shipped.get("easy-1").reference


async def attempts_of(client, episode):
    return [
        (attempt.step, attempt.proposed_fix)
        for attempt in (await client.get_state(episode.episode_id)).observation.previous_attempts
    ]


async def test_reset_shows_the_task_and_what_is_wrong_with_it(client):
    episode = await client.reset("easy-1")
    seen = episode.observation
    assert episode.task_id == "easy-1"
    assert seen.buggy_code == episode.task.buggy_code
    assert "def average_list(numbers)\n" in seen.buggy_code
    assert "does not load" in seen.error_log
    assert "SyntaxError" in seen.error_log
    assert seen.description == episode.task.description
    assert (seen.step, seen.max_steps) == (0, 5)
    assert (seen.test_results, seen.previous_attempts, seen.hint) == ((), (), "")
    assert len(episode.task.visible_tests) == 3
    assert episode.task.hidden_test_count == 8


async def test_reset_tells_of_slow_code_that_it_is_slow(client):
    assert "grows like" in (await client.reset("hard-1")).observation.error_log


@pytest.mark.parametrize("selector", ["type_errors", "security_bugs", "easy", "medium", "hard", "auto"])
async def test_the_same_seed_draws_the_same_task(client, selector):
    drawn = [(await client.reset(selector, seed=seed)).task for seed in (3, 3, 2**63 - 1, 2**63 - 1)]
    assert drawn[0] == drawn[1]
    assert drawn[2] == drawn[3]
    if selector != "auto":
        assert {selector} & {drawn[0].category, drawn[0].difficulty.lower()}


async def test_seeds_reach_every_task_of_a_category(client):
    drawn = {(await client.reset("type_errors", seed=seed)).task_id for seed in range(20)}
    assert drawn == {"type_errors-1", "type_errors-2", "type_errors-3"}


async def test_without_a_seed_tasks_differ(client):
    assert len({(await client.reset("auto")).task_id for _ in range(30)}) > 1


async def test_a_step_tells_what_passed_and_what_not(client):
    episode = await client.reset("easy-1")
    result = await episode.step(HALF_RIGHT)
    seen = result.observation
    assert result.outcome is Outcome.TESTS_FAILED
    assert (result.tests_passed, result.tests_total, result.done, result.replayed) == (10, 12, False, False)
    assert (seen.step, seen.max_steps) == (1, 5)
    assert "FAILED empty list: average_list([])\n  expected 0.0\n  got " in seen.error_log
    assert "ZeroDivisionError" in seen.error_log
    assert "zero" in seen.hint.lower()
    assert [test.name for test in seen.test_results[:3]] == ["three numbers", "a fraction", "empty list"]
    assert [test.passed for test in seen.test_results[:3]] == [True, True, False]
    assert seen.test_results[0].actual == "2.0"
    assert seen.test_results == result.grade.test_results
    assert seen.error_log == result.error_log
    (attempt,) = seen.previous_attempts
    assert (attempt.step, attempt.proposed_fix, attempt.reward) == (1, HALF_RIGHT, result.reward)
    assert (attempt.outcome, attempt.tests_passed) == (Outcome.TESTS_FAILED, 10)


async def test_the_reward_is_the_sum_of_its_parts(client):
    result = await (await client.reset("easy-1")).step(HALF_RIGHT)
    breakdown = result.breakdown
    total = sum(breakdown.weights[name] * score for name, score in breakdown.items())
    assert result.reward == pytest.approx(total - sum(breakdown.penalties.values()))
    assert breakdown["test_pass_ratio"] == pytest.approx(10 / 12)
    assert breakdown["compile_score"] == 1.0
    assert breakdown["efficiency_score"] == 0.0
    assert breakdown.profile == "default"
    assert result.grade.judge_source is JudgeSource.STATIC
    assert result.grade.backend is SandboxBackend.PROCESS
    assert result.grade.usage.cpu_seconds > 0


async def test_a_solved_episode_is_done(client, solution):
    episode = await client.reset("easy-1", run_id="run-7")
    result = await episode.step(solution)
    assert (result.outcome, result.done, result.error_log) == (Outcome.PASSED, True, "")
    assert result.breakdown["efficiency_score"] == 1.0
    assert result.reward >= 0.9
    with pytest.raises(EpisodeDoneError) as caught:
        await episode.step(WRONG)
    assert caught.value.metadata["episode_id"] == episode.episode_id
    state = await episode.get_state()
    assert (state.done, state.best_reward, state.run_id) == (True, result.reward, "run-7")
    assert (state.task_id, state.difficulty) == ("easy-1", Difficulty.EASY)
    assert state.observation == result.observation
    assert timedelta(0) <= datetime.now(UTC) - state.created_at < timedelta(minutes=5)


async def test_an_episode_is_done_after_five_steps(client):
    episode = await client.reset("easy-1")
    results = [await episode.step(f"{WRONG}# {number}\n") for number in range(5)]
    assert [result.done for result in results] == [False, False, False, False, True]
    assert [result.breakdown.penalties["step_penalty"] for result in results] == pytest.approx(
        [0.01, 0.02, 0.03, 0.04, 0.05]
    )
    assert [result.observation.step for result in results] == [1, 2, 3, 4, 5]
    assert await attempts_of(client, episode) == [(number + 1, f"{WRONG}# {number}\n") for number in range(5)]
    with pytest.raises(EpisodeDoneError):
        await episode.step(WRONG)


async def test_correct_but_slow_is_not_done(client, shipped):
    result = await (await client.reset("hard-1")).step(shipped.get("hard-1").buggy_code)
    assert (result.outcome, result.done) == (Outcome.PASSED, False)
    assert result.grade.efficiency.score < 1


async def test_a_closed_episode_takes_no_step(client):
    episode = await client.reset("easy-1")
    await client.close_episode(episode.episode_id)
    await client.close_episode(episode.episode_id)
    with pytest.raises(EpisodeDoneError):
        await episode.step(WRONG)
    state = await episode.get_state()
    assert (state.done, state.best_reward, state.observation.step) == (True, None, 0)


@pytest.mark.parametrize("again", [WRONG, WRONG + "\n  \n", WRONG.replace("\n", "  \n"), WRONG.replace("\n", "\r\n")])
async def test_a_repetition_costs_a_tenth_more(client, again):
    episode = await client.reset("easy-1")
    await episode.step(WRONG)
    await episode.step(HALF_RIGHT)
    repeated = await episode.step(again)
    assert repeated.breakdown.penalties == {"step_penalty": pytest.approx(0.03), "repeat_penalty": 0.10}


async def test_a_changed_fix_is_no_repetition(client):
    episode = await client.reset("easy-1")
    await episode.step(WRONG)
    changed = await episode.step(WRONG.replace("1", "2"))
    assert changed.breakdown.penalties["repeat_penalty"] == 0.0


async def test_the_same_request_is_answered_from_the_store(client):
    episode = await client.reset("easy-1")
    first = await episode.step(WRONG, "request-1")
    second = await episode.step(WRONG, "request-1")
    assert (first.replayed, second.replayed) == (False, True)
    assert (second.grade, second.observation, second.done) == (first.grade, first.observation, first.done)
    assert await attempts_of(client, episode) == [(1, WRONG)]
    assert (await episode.step(WRONG, "request-2")).observation.step == 2


async def test_the_same_request_many_times_at_once_is_graded_once(client):
    episode = await client.reset("easy-1")
    results = await asyncio.gather(*(client.step(episode.episode_id, HALF_RIGHT, "same") for _ in range(6)))
    assert sorted(result.replayed for result in results) == [False, True, True, True, True, True]
    assert len({(result.reward, result.grade.usage) for result in results}) == 1
    assert await attempts_of(client, episode) == [(1, HALF_RIGHT)]


async def test_steps_at_once_of_one_episode_are_all_counted(client):
    episode = await client.reset("easy-1")
    fixes = [f"{WRONG}# {number}\n" for number in range(7)]
    results = await asyncio.gather(*(client.step(episode.episode_id, fix) for fix in fixes), return_exceptions=True)
    refused = [result for result in results if isinstance(result, EpisodeDoneError)]
    taken = [result for result in results if not isinstance(result, Exception)]
    assert (len(taken), len(refused)) == (5, 2)
    assert sorted(result.observation.step for result in taken) == [1, 2, 3, 4, 5]
    assert len(await attempts_of(client, episode)) == 5


async def test_a_replay_works_after_the_end(client, solution):
    episode = await client.reset("easy-1")
    first = await episode.step(solution, "last")
    again = await episode.step(solution, "last")
    assert (again.replayed, again.done, again.grade) == (True, True, first.grade)


async def test_a_request_id_stands_for_one_fix(client):
    episode = await client.reset("easy-1")
    await episode.step(WRONG, "mine")
    with pytest.raises(InvalidArgumentError) as caught:
        await episode.step(HALF_RIGHT, "mine")
    assert caught.value.reason == ErrorReason.REQUEST_ID_REUSED
    assert caught.value.metadata["field"] == "request_id"
    assert await attempts_of(client, episode) == [(1, WRONG)]


async def test_a_request_id_is_the_episodes_own(client):
    for _ in range(2):
        result = await (await client.reset("easy-1")).step(WRONG, "the same in both")
        assert not result.replayed


@pytest.mark.parametrize("call", ["get_state", "close_episode"])
async def test_an_unknown_episode(client, call):
    with pytest.raises(NotFoundError) as caught:
        await getattr(client, call)("ep_unknown")
    assert caught.value.reason == ErrorReason.EPISODE_NOT_FOUND
    assert caught.value.metadata["episode_id"] == "ep_unknown"


async def test_a_step_and_a_proposal_for_an_unknown_episode(client):
    with pytest.raises(NotFoundError):
        await client.step("ep_unknown", WRONG)
    with pytest.raises(NotFoundError):
        await client.propose_fix(episode_id="ep_unknown")


@pytest.mark.parametrize("call", ["reset", "get_task"])
async def test_an_unknown_task(client, call):
    with pytest.raises(NotFoundError) as caught:
        await getattr(client, call)("no-such-task")
    assert caught.value.reason == ErrorReason.TASK_NOT_FOUND
    assert caught.value.metadata["task_id"] == "no-such-task"


@pytest.mark.parametrize("selector", ["easy", "auto", "security_bugs"])
async def test_what_names_several_tasks_names_none_to_grade(client, selector):
    with pytest.raises(NotFoundError):
        await client.get_task(selector)
    with pytest.raises(NotFoundError):
        await client.grade(selector, WRONG)
    with pytest.raises(NotFoundError):
        async for _ in client.grade_group(selector, [WRONG]):
            pass


async def test_a_grade_without_an_episode_is_that_of_a_first_step(client):
    grade = await client.grade("easy-1", HALF_RIGHT)
    step = await (await client.reset("easy-1")).step(HALF_RIGHT)
    assert grade.reward == pytest.approx(step.reward)
    assert grade.breakdown.penalties == {"step_penalty": 0.01, "repeat_penalty": 0.0}
    assert [test.passed for test in grade.test_results] == [test.passed for test in step.grade.test_results]


async def test_proposals_repair_an_episode(client):
    async with await client.reset("type_errors-1") as episode:
        proposal = await episode.propose_fix()
        assert proposal.method == "builtin"
        assert proposal.explanations
        result = await episode.step(proposal.code)
        while not result.done:
            result = await episode.step((await episode.propose_fix()).code)
        assert result.outcome is Outcome.PASSED


async def test_a_proposal_for_code_and_its_log(client):
    proposal = await client.propose_fix("def f(x)\n    return x\n", error_log="SyntaxError: expected ':' (line 1)")
    assert proposal.code == "def f(x):\n    return x\n"


async def test_a_proposal_builds_on_the_last_fix(client):
    episode = await client.reset("easy-1")
    await episode.step("def average_list(numbers)\n    return sum(numbers) / len(numbers) if numbers else 0.0\n")
    proposal = await episode.propose_fix()
    assert "if numbers else 0.0" in proposal.code
    assert (await episode.step(proposal.code)).outcome is Outcome.PASSED


async def test_running_code(client):
    result = await client.run_code("import sys\nprint(sys.stdin.read().upper())\n", stdin="hello")
    assert (result.outcome, result.stdout, result.stderr, result.exit_code) == (Outcome.PASSED, "HELLO\n", "", 0)
    assert result.usage.cpu_seconds > 0


async def test_running_code_that_fails(client):
    result = await client.run_code("def f(xs):\n    for x in xs:\n        for y in xs:\n            print(x)\n1 / 0\n")
    assert result.outcome is Outcome.CRASHED
    assert result.exit_code == 1
    assert "ZeroDivisionError" in result.stderr
    assert result.complexity.time_complexity == "O(n^2)"
