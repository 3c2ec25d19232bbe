"""Memory files: what is written can be read, and what is damaged is refused as a whole, by its line."""

import json
import pickle
import stat
from datetime import UTC, datetime, timedelta, timezone

import pytest

from codearena import Memory, MemoryFileError, read_memory_file, write_memory_file

AT = datetime(2026, 1, 31, 12, 30, tzinfo=UTC)
MEMORIES = [
    Memory("easy-1", 'def f():\n    return "ü\\n \u2028"\n', 0.98, "O(n)", "", AT),
    Memory("hard-1", "x = 1", 1.0),
    Memory("hard-2", "\ufeffx = 1\r\n", 0.001, "O(n^2)", "", AT + timedelta(microseconds=1)),
]
FINE = '{"task_id": "easy-1", "code": "x = 1", "reward": 0.5, "time_complexity": "O(n)", "create_time": null}'


@pytest.fixture
def path(tmp_path):
    return tmp_path / "agent_memory.json"


@pytest.fixture
def refused(path):
    """Reads a file that must be refused; returns the line and the problem."""

    def read(content):
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        with pytest.raises(MemoryFileError) as caught:
            read_memory_file(path)
        assert str(caught.value) == f"{path}, line {caught.value.line}: {caught.value.problem}"
        assert "\n" not in caught.value.problem
        return caught.value.line, caught.value.problem

    return read


def document(*memories):
    """A file as it is written, with these texts as its memories."""
    return '{"version": 1, "memories": [\n' + ",\n".join(memories) + "\n]}\n"


def test_what_was_written_is_read(path):
    assert write_memory_file(path, iter(MEMORIES)) == 3
    assert read_memory_file(path) == MEMORIES
    assert read_memory_file(str(path)) == MEMORIES


@pytest.mark.parametrize("memories", [[], MEMORIES])
def test_file_is_json_with_one_memory_a_line(path, memories):
    write_memory_file(path, memories)
    first, *lines, last = path.read_text().split("\n")[:-1]
    assert (first, last) == ('{"version": 1, "memories": [', "]}")
    assert [json.loads(line.removesuffix(","))["task_id"] for line in lines] == [m.task_id for m in memories]
    whole = json.loads(path.read_text())
    assert whole["version"] == 1
    assert [sorted(item) for item in whole["memories"]] == [
        ["code", "create_time", "reward", "task_id", "time_complexity"] for _ in memories
    ]


def test_times_come_back_in_utc_and_episodes_do_not(path):
    east = timezone(timedelta(hours=2))
    write_memory_file(path, [Memory("a", "x", 0.5, "", "ep_1", AT.astimezone(east))])
    assert read_memory_file(path) == [Memory("a", "x", 0.5, "", "", AT)]


@pytest.mark.parametrize(
    "content",
    [
        document(FINE),
        json.dumps(json.loads(document(FINE)), indent=4),
        json.dumps(json.loads(document(FINE)), separators=(",", ":")),
        "\ufeff" + document(FINE).replace("\n", "\r\n"),
        f'{{"memories": [{FINE}], "version": 1}}',
        document('{"task_id": "easy-1", "code": "x = 1", "reward": 0.5, "time_complexity": "O(n)"}'),
    ],
    ids=["as written", "indented", "compact", "of another editor", "reordered", "without a time"],
)
def test_other_layouts_are_read_too(path, content):
    path.write_bytes(content.encode())
    assert read_memory_file(path) == [Memory("easy-1", "x = 1", 0.5, "O(n)")]


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("", 1, "must be an object"),
        ("[]", 1, "must be an object"),
        ("null", 1, "must be an object"),
        ("{}", 1, 'lacks "memories"'),
        ('{"version": 1}', 1, 'lacks "memories"'),
        ('{"memories": []}', 1, 'lacks "version"'),
        ('{"version": 2, "memories": []}', 1, '"version" is 2; this release reads version 1'),
        ('{"version": true, "memories": []}', 1, '"version" is'),
        ('{"version": "1", "memories": []}', 1, '"version" is a string'),
        ('{"version": 1, "memories": {}}', 1, "must be a list"),
        ('{"version": 1,\n"memories": [],\n"more": 1}', 3, 'unknown key "more"'),
        ('{"version": 1,\n"version": 1}', 2, 'has "version" twice'),
        (document(FINE) + "\nrest", 5, "after its end"),
        ("{1: 2}", 1, "expected a key"),
        ('{"version" 1}', 1, "expected :"),
        ('{"version": 1 "memories": []}', 1, "expected , or }"),
    ],
)
def test_files_that_are_no_memory_files(refused, content, line, problem):
    found, told = refused(content)
    assert (found, problem in told) == (line, True), told


@pytest.mark.parametrize(
    ("broken", "problem"),
    [
        (FINE[:40], "is no JSON"),
        (FINE.replace("x = 1", "x = \n1"), "is no JSON"),
        (FINE.replace(", ", " ", 1), "is no JSON"),
        ("7", "must be an object, not a number"),
        ('"easy-1"', "must be an object, not a string"),
        ("null", "must be an object, not null"),
        ("[]", "must be an object, not a list"),
        ("{}", 'lacks "task_id"'),
        (FINE.replace("0.5", "NaN"), "NaN"),
        (FINE.replace("0.5", "-Infinity"), "Infinity"),
        (FINE.replace("0.5", "1e999"), "from 0 to 1"),
        (FINE.replace("0.5", "1.0000001"), "from 0 to 1"),
        (FINE.replace("0.5", "-0.1"), "from 0 to 1"),
        (FINE.replace("0.5", "1" * 30), "from 0 to 1"),
        (FINE.replace("0.5", "9" * 5000), "a number of 5000 digits"),
        (FINE.replace("0.5", "true"), '"reward" must be a number, not a boolean'),
        (FINE.replace("0.5", '"0.5"'), '"reward" must be a number, not a string'),
        (FINE.replace("0.5", "null"), '"reward" must be a number, not null'),
        (FINE.replace('"x = 1"', '"x\\u0000"'), "NUL"),
        (FINE.replace('"x = 1"', '"\\ud800"'), "surrogate"),
        (FINE.replace('"x = 1"', '" \\n"'), '"code" is empty'),
        (FINE.replace('"x = 1"', "1"), '"code" must be a string, not a number'),
        (FINE.replace("x = 1", "ü" * 131_073), "longer than 262144 bytes"),
        (FINE.replace('"easy-1"', '""'), '"task_id" must be 1 to 128'),
        (FINE.replace('"easy-1"', '" "'), '"task_id" must be 1 to 128'),
        (FINE.replace("easy-1", "e" * 129), '"task_id" must be 1 to 128'),
        (FINE.replace("easy-1", "e\\n1"), '"task_id" must be 1 to 128'),
        (FINE.replace("O(n)", "n" * 65), '"time_complexity" must be 0 to 64'),
        (FINE.replace('"O(n)"', "null"), '"time_complexity" must be a string'),
        (FINE.replace("null", '"yesterday"'), '"create_time" must be a time'),
        (FINE.replace("null", '"2026-01-31T12:00"'), '"create_time" must be a time'),
        (FINE.replace("null", '"0001-01-01T00:00+14:00"'), '"create_time" must be a time'),
        (FINE.replace("null", "1769860800"), '"create_time" must be a time'),
        (FINE.replace("task_id", "task"), 'lacks "task_id"'),
        (FINE.replace("{", '{"note": 1, '), 'unknown key "note"'),
        (FINE.replace("{", '{"reward": 1, '), 'has "reward" twice'),
        ("[" * 100_000, "nested too deeply"),
    ],
)
def test_damaged_memory_is_named_by_its_line(refused, broken, problem):
    line, told = refused(document(FINE, FINE, broken, FINE))
    assert (line, problem in told) == (4, True), told


def test_damaged_memory_is_named_by_its_line_in_any_layout(refused):
    content = json.dumps(json.loads(document(FINE, FINE)), indent=2)
    assert refused(content[::-1].replace("5.0", "7", 1)[::-1]) == (11, '"reward" must be from 0 to 1')


@pytest.mark.parametrize("cut", range(len(document(FINE)) - 2))
def test_truncated_file_is_refused_wherever_it_ends(refused, cut):
    line, _ = refused(document(FINE)[:cut])
    assert 1 <= line <= 3


def test_file_that_ends_between_two_memories_says_so(refused):
    assert refused(document(FINE, FINE)[: len(document(FINE)) - 4]) == (
        2,
        "is no JSON: expected , or ], but the file ends",
    )


def test_file_that_is_not_text(refused):
    assert refused(document(FINE, FINE).encode().replace(b"O(n)", b"\xff\xfe", 1))[0] == 2
    assert refused(b"\x00" * 64)[0] == 1


def test_absent_file_is_an_os_error(path):
    with pytest.raises(FileNotFoundError):
        read_memory_file(path)


@pytest.mark.parametrize(
    "memory",
    [
        Memory("", "x", 0.5),
        Memory("a", "", 0.5),
        Memory("a", "x\0", 0.5),
        Memory("a", "\ud800", 0.5),
        Memory("a", "x", float("nan")),
        Memory("a", "x", float("inf")),
        Memory("a", "x", 10**400),
        Memory("a", "x", 0.5, "n" * 65),
        Memory("a", "x", 0.5, created_at=datetime(2026, 1, 31)),
    ],
)
def test_what_could_not_be_read_is_not_written(path, memory):
    path.write_text("before")
    with pytest.raises(MemoryFileError) as caught:
        write_memory_file(path, [*MEMORIES, memory])
    assert caught.value.line == 5
    assert path.read_text() == "before"
    assert list(path.parent.iterdir()) == [path]


def test_file_stays_whole_if_the_memories_raise(path):
    def memories():
        yield MEMORIES[0]
        raise KeyError("mine")

    write_memory_file(path, MEMORIES)
    with pytest.raises(KeyError):
        write_memory_file(path, memories())
    assert read_memory_file(path) == MEMORIES
    assert list(path.parent.iterdir()) == [path]


def test_no_memory_is_a_type_error(path):
    with pytest.raises(TypeError, match="dict"):
        write_memory_file(path, [{"task_id": "a"}])
    assert not path.exists()


def test_link_is_followed_and_the_mode_is_that_of_a_new_file(path, tmp_path):
    link = tmp_path / "link.json"
    link.symlink_to(path)
    write_memory_file(link, MEMORIES)
    assert link.is_symlink()
    assert read_memory_file(path) == MEMORIES
    fresh = tmp_path / "fresh"
    fresh.touch()
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(fresh.stat().st_mode)


def test_error_survives_pickling():
    error = MemoryFileError("agent_memory.json", 3, "is no JSON")
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), vars(copy), str(copy)) == (MemoryFileError, vars(error), str(error))
