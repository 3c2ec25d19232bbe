"""Groups of fixes, graded side by side."""

import pytest

from codearena import ErrorReason, Grade, InvalidArgumentError, NotFoundError, Outcome
from codearena.v1 import env_service_pb2 as pb

WRONG = "def average_list(numbers):\n    return 1\n"
BROKEN = "def average_list(numbers)\n"


@pytest.fixture
def codes(shipped):
    return [WRONG, shipped.get("easy-1").reference, "  ", BROKEN, "x = 1\0", "#" * 300_000, WRONG]


async def graded(client, codes):
    return {index: item async for index, item in client.grade_group("easy-1", codes)}


async def test_each_item_comes_once_with_its_index(client, codes):
    items = await graded(client, codes)
    assert sorted(items) == list(range(7))
    outcomes = {index: item.outcome for index, item in items.items() if isinstance(item, Grade)}
    assert outcomes == {
        0: Outcome.TESTS_FAILED,
        1: Outcome.PASSED,
        3: Outcome.COMPILE_ERROR,
        6: Outcome.TESTS_FAILED,
    }


async def test_an_invalid_item_fails_alone(client, codes):
    items = await graded(client, codes)
    failures = {index: item for index, item in items.items() if not isinstance(item, Grade)}
    assert all(isinstance(failure, InvalidArgumentError) for failure in failures.values())
    assert {index: failure.reason for index, failure in failures.items()} == {
        2: ErrorReason.EMPTY_FIX,
        4: ErrorReason.INVALID_TEXT,
        5: ErrorReason.FIX_TOO_LARGE,
    }


async def test_a_grade_does_not_depend_on_its_place_or_company(client, codes):
    forwards, backwards = await graded(client, codes), await graded(client, codes[::-1])
    for index, item in forwards.items():
        if isinstance(item, Grade):
            other = backwards[len(codes) - 1 - index]
            alone = await client.grade("easy-1", codes[index])
            assert alone.breakdown == other.breakdown == item.breakdown
            assert alone.reward == other.reward == item.reward
            assert item.breakdown.penalties == {"step_penalty": 0.01, "repeat_penalty": 0.0}


async def test_equal_fixes_are_graded_once_and_say_so(client):
    fix = WRONG + "# equal\n"
    items = await graded(client, [fix] * 5)
    assert sorted(item.cached for item in items.values()) == [False, True, True, True, True]
    assert len({(item.reward, item.error_log) for item in items.values()}) == 1
    alone = await client.grade("easy-1", fix)
    assert (alone.cached, alone.reward) == (True, items[0].reward)


async def test_fresh_grades_are_never_known(client):
    fix = WRONG + "# fresh\n"
    items = [item async for _, item in client.grade_group("easy-1", [fix] * 3, fresh=True)]
    assert [item.cached for item in items] == [False] * 3
    assert not (await client.grade("easy-1", fix, fresh=True)).cached
    assert not (await client.grade("easy-1", fix)).cached
    assert not (await client.grade("easy-1", fix, fresh=True)).cached


async def test_a_group_as_large_as_a_message(client, shipped):
    """To the executor goes more than that: the suite comes on top."""
    most, longest = 16 << 20, 262_144
    codes = [WRONG + "#" * (longest - len(WRONG))] * 63
    room = most - pb.GradeGroupRequest(task_id="easy-1", codes=codes).ByteSize() - 100
    codes.append(WRONG + "#" * (room - len(WRONG)))
    assert shipped.get("easy-1").to_suite().ByteSize() > 100
    items = await graded(client, codes)
    assert {item.outcome for item in items.values()} == {Outcome.TESTS_FAILED}
    assert len(items) == 64


async def test_a_group_of_one(client):
    assert list(await graded(client, [WRONG])) == [0]


async def test_a_group_for_no_task(client):
    with pytest.raises(NotFoundError):
        async for _ in client.grade_group("no-such-task", [WRONG]):
            pass
