"""The tasks of the demo, run with a small evaluator in plain Python processes: all code here is trusted."""

import json
import math
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from services.common.literals import parse_literal
from services.env.catalogue import load_catalogue
from tests.task_files import DEMO

TASKS = list(load_catalogue(DEMO))
BY_ID = {task.id: task for task in TASKS}
IDS = [task.id for task in TASKS]

# Prints a JSON list: for each case {"value": repr} or {"raised": names of the exception's classes}.
EVALUATOR = """
import json, random, sys
job = json.load(sys.stdin)
namespace = {"__name__": "fix", "random": random}
results = []
try:
    exec(compile(job["code"], "fix", "exec"), namespace)
except Exception as error:
    results = [{"raised": ["did not load"]}] * len(job["cases"])
else:
    for case in job["cases"]:
        try:
            namespace.update(case["given"])
            exec(case["setup"], namespace)
            results.append({"value": repr(eval(case["call"].strip(), namespace))})
        except Exception as error:
            results.append({"raised": [kind.__name__ for kind in type(error).__mro__]})
print(json.dumps({"results": results, "calls": namespace.get("_calls"), "lines": namespace.get("_lines")}))
"""

# Appended to a fix: counts the lines that each evaluated call runs.
COUNT_LINES = """
import sys as _sys
_lines = []
_inner = {function}
def {function}(*args):
    count = 0
    def trace(frame, event, arg):
        nonlocal count
        count += event == "line"
        return trace
    _sys.settrace(trace)
    try:
        return _inner(*args)
    finally:
        _sys.settrace(None)
        _lines.append(count)
"""

RECORD_CALLS = """
_calls, _inner = [], {function}
def {function}(*args):
    _calls.append(repr(args))
    return _inner(*args)
"""

# Appended to a good fix: one that knows the answers to some inputs and to no other.
ONLY_FOR = """
_inner = {function}
def {function}(*args):
    return _inner(*args) if repr(args) in {known!r} else None
"""


@dataclass(frozen=True)
class Evaluation:
    passed: dict[str, bool]
    output: dict[str, object]


def run(code, cases):
    job = {"code": code, "cases": cases}
    done = subprocess.run(
        [sys.executable, "-c", EVALUATOR], input=json.dumps(job), capture_output=True, text=True, check=True, timeout=60
    )
    return json.loads(done.stdout)


def evaluate(task, code, *, hidden=True):
    cases = [case for case in task.cases if hidden or not case.hidden]
    output = run(code, [{"setup": case.setup, "call": case.call, "given": {}} for case in cases])
    pairs = zip(cases, output["results"], strict=True)
    return Evaluation({case.name: is_right(case, result) for case, result in pairs}, output)


def is_right(case, result):
    if case.raises is not None:
        return case.raises in result.get("raised", [])
    if "value" not in result:
        return False
    expected, got = parse_literal(case.literal), parse_literal(result["value"])
    if case.checker == "approx":
        return isinstance(got, (int, float)) and math.isclose(expected, got)
    return expected == got


def failed(task, code):
    return sorted(name for name, passed in evaluate(task, code).passed.items() if not passed)


def test_there_are_the_nine():
    numbered = [f"{kind}-{number}" for kind in ("security_bugs", "type_errors") for number in (1, 2, 3)]
    assert [task.id for task in TASKS] == ["easy-1", "hard-1", "medium-1", *numbered]


@pytest.mark.parametrize("task", TASKS, ids=IDS)
class TestEveryTask:
    def test_its_reference_passes(self, task):
        assert failed(task, task.reference) == []

    def test_its_buggy_code_fails_unless_only_slow(self, task):
        assert bool(failed(task, task.buggy_code)) is (task.id != "hard-1")

    def test_its_slow_solutions_pass(self, task):
        assert task.slow
        assert {name: failed(task, code) for name, code in task.slow.items()} == {name: [] for name in task.slow}

    def test_it_has_enough_cases(self, task):
        hidden = sum(case.hidden for case in task.cases)
        assert len(task.cases) - hidden >= 3
        assert hidden >= 5

    def test_knowing_the_visible_cases_is_not_enough(self, task):
        recorder = task.reference + RECORD_CALLS.format(function=task.function)
        known = evaluate(task, recorder, hidden=False).output["calls"]
        memoriser = task.reference + ONLY_FOR.format(function=task.function, known=known)
        wrong = failed(task, memoriser)
        assert wrong
        assert {case.name for case in task.cases if not case.hidden}.isdisjoint(wrong)

    def test_it_lies_in_the_folder_of_its_category(self, task):
        assert (Path(__file__).parents[2] / "tasks" / task.category / f"{task.id}.yaml").is_file()


def growth_of(task, code, sizes, seed=7):
    """Lines run for each size, and the answers."""
    growth = task.growth
    counting = code + COUNT_LINES.format(function=task.function)
    lines, answers = [], []
    for size in sizes:
        case = {"setup": growth.setup, "call": growth.call, "given": {"n": size, "seed": seed}}
        output = run(counting, [case])
        lines.append(sum(output["lines"]))
        answers.append(output["results"][0]["value"])
    return lines, answers


def exponent(lines, sizes):
    return math.log(lines[-1] / lines[0]) / math.log(sizes[-1] / sizes[0])


@pytest.mark.parametrize(
    ("task_id", "code", "sizes", "expected"),
    [
        ("easy-1", None, [64, 1024], 1.0),
        ("medium-1", None, [64, 1024], 0.2),
        ("medium-1", BY_ID["medium-1"].slow["slow"], [64, 256], 1.0),
        ("hard-1", None, [64, 512], 1.0),
        ("hard-1", BY_ID["hard-1"].slow["quadratic"], [32, 128], 2.0),
        ("hard-1", BY_ID["hard-1"].buggy_code, [32, 64], 3.0),
    ],
    ids=["easy-1", "medium-1", "medium-1 scan", "hard-1", "hard-1 quadratic", "hard-1 buggy"],
)
def test_growing_inputs_tell_orders_apart(task_id, code, sizes, expected):
    task = BY_ID[task_id]
    lines, answers = growth_of(task, code or task.reference, sizes)
    assert exponent(lines, sizes) == pytest.approx(expected, abs=0.25)
    if code:
        assert answers == growth_of(task, task.reference, sizes)[1]


@pytest.mark.parametrize("task", [task for task in TASKS if task.growth], ids=lambda task: task.id)
def test_growing_inputs_follow_the_seed(task):
    size = task.growth.sizes[0]
    first, again, other = (growth_of(task, task.reference, [size], seed)[1] for seed in (1, 1, 2))
    assert first == again
    assert first != other


def fixes(wanted):
    """Fixes under headings "#### good or weak | task | name"."""
    for section in (Path(__file__).parent / "fixes.txt").read_text().split("#### ")[1:]:
        heading, code = section.split("\n", 1)
        verdict, task, name = (part.strip() for part in heading.split("|"))
        if verdict == wanted:
            yield pytest.param(BY_ID[task], code, id=f"{task} {name}")


@pytest.mark.parametrize(("task", "code"), list(fixes("good")))
def test_other_correct_fixes_pass(task, code):
    assert failed(task, code) == []


@pytest.mark.parametrize(("task", "code"), list(fixes("weak")))
def test_weak_fixes_fail(task, code):
    assert failed(task, code) != []


def test_the_recorder_tells_what_a_shell_would_start():
    task = BY_ID["security_bugs-3"]
    setup = next(case.setup for case in task.cases)
    hosts = ["a; touch /tmp/x", "$(id)", "`id`", "a && b", "a | cat", "a\nid", "'unclosed"]
    calls = [{"setup": setup, "call": f"observe(ping_host, {host!r})", "given": {}} for host in hosts]
    found = [parse_literal(result["value"])[1] for result in run(task.buggy_code, calls)["results"]]
    assert found == [
        [["ping", "-c", "1", "a"], ["touch", "/tmp/x"]],
        [["ping", "-c", "1", "$"], ["id"]],
        [["ping", "-c", "1"], ["id"]],
        [["ping", "-c", "1", "a"], ["b"]],
        [["ping", "-c", "1", "a"], ["cat"]],
        [["ping", "-c", "1", "a"], ["id"]],
        [["sh", "ping -c 1 'unclosed"]],
    ]
