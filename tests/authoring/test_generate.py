"""`codearena tasks generate`: bugs planted into tested programs."""

import json

from services.authoring.generate.candidates import candidates
from services.authoring.generate.sources import load_sources
from services.env.catalogue import load_catalogue
from tests.task_files import DEMO, write_double

MODULE = '''\
"""Times of day."""


def minutes(text):
    """Minutes since midnight.

    >>> minutes("01:30")
    90
    >>> minutes("00:00")
    0
    """
    hours, rest = text.split(":")
    if not 0 <= int(hours) < 24:
        raise ValueError(text)
    return 60 * int(hours) + int(rest)
'''


def generated(command, out, *options):
    status, stdout, stderr = command("tasks", "generate", "--out", out, "--json", *options)
    return status, json.loads(stdout) if stdout else None, stderr


def test_the_same_seed_makes_the_same_tasks_that_hold(command, tmp_path):
    sources = [option for path in DEMO[-3:] for option in ("--from", path)]
    one, again = [generated(command, tmp_path / name, *sources, "--count", 8, "--seed", 1) for name in ("one", "again")]
    assert one[0] == 0, one[2]
    assert one[1] == again[1]
    catalogue = load_catalogue([tmp_path / "one"])
    assert len(catalogue) == 8
    assert len({task.buggy_code for task in catalogue}) == 8
    for task in catalogue:
        assert task.labels
        assert task.buggy_code != task.reference
        assert {label.before for label in task.labels} != {label.after for label in task.labels}
    status, _, stderr = command("tasks", "check", tmp_path / "one", "--seeds", 1, "--mutants", 0)
    assert status == 0, stderr


def test_a_case_may_expect_none(command, tmp_path):
    status, _, stderr = generated(command, tmp_path / "out", "--from", "tasks/logic/logic-3.yaml", "--count", 2)
    assert status == 0, stderr
    for task in load_catalogue([tmp_path / "out"]):
        assert None in [case.expected for case in task.cases if "expected" in case.model_fields_set]


def test_functions_of_ones_own_are_a_source(command, tmp_path):
    (tmp_path / "clock.py").write_text(MODULE)
    status, report, stderr = generated(command, tmp_path / "out", "--from", tmp_path / "clock.py", "--count", 3)
    assert status == 0, stderr
    (task, *_) = load_catalogue([tmp_path / "out"])
    assert task.tests is not None
    assert report["tasks"][0]["id"].startswith("clock-")


def test_a_test_file_beside_a_module_is_used(tmp_path):
    (tmp_path / "clock.py").write_text(MODULE)
    (tmp_path / "test_clock.py").write_text(
        "from clock import minutes\ndef test_one():\n    assert minutes('1:00') == 60\n"
    )
    (task,) = load_sources([tmp_path / "clock.py"])
    assert (task.tests.style, task.tests.module) == ("functions", "clock")


def test_a_module_without_tests_is_refused(command, tmp_path):
    (tmp_path / "bare.py").write_text("def f():\n    return 1\n")
    status, report, stderr = generated(command, tmp_path / "out", "--from", tmp_path / "bare.py")
    assert (status, report) == (2, None)
    assert "test_bare.py" in stderr.replace("\n", "")


def test_sources_that_give_too_few_tasks_say_so(command, tmp_path):
    status, report, stderr = generated(
        command, tmp_path / "out", "--from", write_double(tmp_path / "in"), "--count", 99
    )
    assert status == 1
    assert 0 < len(report["tasks"]) < 99
    assert "only" in stderr


def test_programs_hold_one_to_three_bugs_and_none_comes_twice(tmp_path):
    found = list(candidates(load_sources(DEMO[1:3]), seed=3))
    assert {len(candidate.bugs) for candidate in found} == {1, 2, 3}
    assert len({candidate.digest for candidate in found}) == len(found)
    assert found[0].code != next(candidates(load_sources(DEMO[1:3]), seed=4)).code
