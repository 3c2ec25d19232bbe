"""`codearena tasks import`, on small sources of our own in the shape of the public ones."""

import json
import os
import re
import signal
import subprocess
import sys
import time

import pytest

from services.authoring.importing.entries import Entry, SourceError, Unusable
from services.authoring.importing.humanevalfix import HUMANEVALFIX
from services.authoring.importing.quixbugs import QUIXBUGS
from services.env.catalogue import load_catalogue
from services.env.task_files import load_task
from tests.authoring.conftest import ROOT


def humaneval(number=0, **changes):
    row = {
        "task_id": f"Python/{number}",
        "prompt": 'from math import floor\n\n\ndef half(x: int) -> int:\n    """ Half of x, rounded down. """\n',
        "declaration": "def half(x: int) -> int:\n",
        "canonical_solution": "    return floor(x / 2)\n",
        "buggy_solution": "    return floor(x / 3)\n",
        "test": "def check(half):\n    import random\n    assert half(6) == 3\n    for _ in range(20):\n"
        "        x = random.randint(0, 99)\n        assert half(2 * x) == x\ncheck(half)\n",
        "example_test": "def check(half):\n    assert half(4) == 2\ncheck(half)\n",
        "entry_point": "half",
        "docstring": "Half of x, rounded down.",
        "signature": "half(x: int) -> int",
        "bug_type": "value misuse",
        "failure_symptoms": "incorrect output",
    }
    return row | changes


def quixbugs(name="drop_first", **changes):
    row = {
        "name": name,
        "buggy_program": f"def {name}(node):\n    return node\n",
        "solution": f"def {name}(node):\n    return node.successor\n",
        "docstring": f'"""\nThe rest of a list.\n\nExamples:\n    >>> 1 + {name}.__name__.count("d")\n    2\n"""',
        "tests": "class Node:\n    def __init__(self, value, successor=None):\n        self.value = value\n"
        "        self.successor = successor\n\na = Node(1)\nb = Node(2, a)\n\ndef test1():\n"
        f"    assert {name}(b) is a\n\ntest1()\n",
    }
    return row | changes


def imported(command, data_set, source, out, *options):
    status, stdout, stderr = command("tasks", "import", data_set, source, "--out", out, "--json", *options)
    return status, json.loads(stdout) if stdout else None, stderr


def test_every_entry_becomes_a_certified_task_of_its_own_file(command, jsonl, tmp_path):
    out = tmp_path / "out"
    status, report, stderr = imported(command, "humanevalfix", jsonl(humaneval(0), humaneval(7)), out)
    assert (status, report["counts"]) == (0, {"entries": 2, "kept": 2, "dropped": 0}), stderr
    assert sorted(path.name for path in out.glob("*.yaml")) == ["humanevalfix-0.yaml", "humanevalfix-7.yaml"]
    task = load_task(out / "humanevalfix-7.yaml")
    assert task.function == "half"
    assert "from math import floor" in task.buggy_code
    assert [test.call for test in task.visible_tests] == ["assert half(4) == 2"]
    assert task.hidden_count == 2
    assert task.limits.cpu_seconds <= 2
    assert len(load_catalogue([out])) == 2
    assert json.loads((out / "import-report.json").read_text()) == report


@pytest.mark.parametrize(
    ("example", "visible"),
    [
        (
            "    x = 1\n    return 'Yes'\ndef check(half):\n    assert half(4) == 2\ncheck(half)\n",
            ["assert half(4) == 2"],
        ),
        ("    return (\ndef check(half):\n    assert half(4 == 2\n", []),
        ("", []),
    ],
)
def test_of_examples_that_do_not_compile_the_tests_are_kept(example, visible):
    task = HUMANEVALFIX.convert(humaneval(example_test=example))
    assert [test.call for test in task.visible_tests] == visible


def test_object_graphs_import(command, jsonl, tmp_path):
    status, report, _ = imported(command, "quixbugs", jsonl(quixbugs()), tmp_path / "out")
    assert (status, [kept["id"] for kept in report["kept"]]) == (0, ["quixbugs-drop_first"])


BAD = [
    (humaneval(1, buggy_solution="    return floor(x / 2)\n"), "its bug passes every test"),
    (humaneval(2, canonical_solution="    return 7\n"), "it fails the test"),
    (humaneval(3, canonical_solution="    return (\n"), "reference: does not compile"),
    (humaneval(4, canonical_solution="    while True: pass\n"), "do not end|time limit"),
    (humaneval(5, test="x = half(2)\n"), "no test is found"),
    (humaneval(6, test="assert half(lambda: 1)\n"), "it fails the test|argument"),
    (humaneval(7, entry_point="other"), "does not define 'other'"),
    (humaneval(task_id="../../etc/x"), "is not Python/NUMBER"),
    ("not json", "is not JSON"),
    ("[1]", "is not a JSON object"),
    ({"task_id": "Python/3", "test": "x"}, "lacks the fields declaration, buggy_solution"),
    (humaneval(9), "its id 'humanevalfix-9' is also that of Python/9, line 1"),
]


def test_what_is_no_task_is_dropped_and_named_and_the_rest_is_kept(command, jsonl, tmp_path):
    out = tmp_path / "out"
    source = jsonl(humaneval(9), *(row for row, _ in BAD))
    status, report, stderr = imported(command, "humanevalfix", source, out)
    assert (status, report["counts"]) == (1, {"entries": 13, "kept": 1, "dropped": 12})
    for (_, reason), dropped, line in zip(BAD, report["dropped"], range(2, 14), strict=True):
        assert dropped["line"] == line
        assert re.search(reason, dropped["reason"]), dropped["reason"]
        assert f"(line {line})" in stderr
    assert [path.name for path in out.glob("*.yaml")] == ["humanevalfix-9.yaml"]
    assert not list(tmp_path.glob("*.yaml"))


@pytest.mark.parametrize("lines", [['{"question": "another schema"}'], ["<html>"], [""]])
def test_another_kind_of_file_is_refused(command, jsonl, tmp_path, lines):
    status, report, stderr = imported(command, "humanevalfix", jsonl(*lines), tmp_path / "out")
    assert (status, report) == (2, None)
    assert "source.jsonl" in stderr
    assert not (tmp_path / "out").exists()


def test_a_missing_file_is_named(command, tmp_path):
    status, _, stderr = imported(command, "quixbugs", tmp_path / "nothing.jsonl", tmp_path / "out")
    assert status == 2
    assert "nothing.jsonl" in stderr


def test_names_do_not_leave_the_folder():
    with pytest.raises(Unusable):
        QUIXBUGS.task(Entry("x", 1, quixbugs(name="../x")))


def test_a_line_that_is_too_long_is_skipped(tmp_path):
    source = tmp_path / "long.jsonl"
    source.write_text(json.dumps(humaneval(1)) + "\n" + json.dumps(humaneval(2, docstring="x" * (1 << 20))) + "\n")
    first, second = HUMANEVALFIX.read(source)
    assert first.fields is not None
    assert "longer than" in second.problem


def test_an_import_that_was_stopped_goes_on(command, jsonl, tmp_path):
    rows = [humaneval(number) for number in range(1, 13)]
    source, out = jsonl(*rows), tmp_path / "out"
    process = subprocess.Popen(
        [sys.executable, "-m", "codearena", "tasks", "import", "humanevalfix", str(source), "--out", str(out)],
        cwd=ROOT, stderr=subprocess.PIPE, env={**os.environ, "CODEARENA_SANDBOX_BACKEND": "process"},
    )  # fmt: skip
    until = time.monotonic() + 60
    while not list(out.glob("*.yaml")) and time.monotonic() < until:
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    first = {path.name: path.stat().st_mtime_ns for path in out.glob("*.yaml")}
    assert process.returncode == 130, stderr
    assert 0 < len(first) < 12
    assert not list(out.glob("*.tmp"))
    status, report, _ = imported(command, "humanevalfix", source, out)
    assert (status, report["counts"]["kept"]) == (0, 12)
    again = {path.name: path.stat().st_mtime_ns for path in out.glob("*.yaml")}
    assert {name: again[name] for name in first} == first


def test_a_changed_entry_is_certified_again(command, jsonl, tmp_path):
    out = tmp_path / "out"
    assert imported(command, "humanevalfix", jsonl(humaneval(1)), out)[0] == 0
    status, report, _ = imported(command, "humanevalfix", jsonl(humaneval(1, canonical_solution="    return 1\n")), out)
    assert (status, report["counts"]["kept"]) == (1, 0)


def quixbugs_checkout(folder):
    files = {
        "python_programs/twice.py": 'def twice(x):\n    return x + 1\n"""\nTwice x.\n"""\n',
        "correct_python_programs/twice.py": "def twice(x):\n    return 2 * x\n",
        "json_testcases/twice.json": "[[1], 2]\n[[3], 6]\n",
        "python_testcases/test_twice.py": "import pytest\nfrom load_testdata import load_json_testcases\n"
        "if pytest.use_correct:\n    from correct_python_programs.twice import twice\n"
        "else:\n    from python_programs.twice import twice\n\ntestdata = load_json_testcases(twice.__name__)\n\n"
        "@pytest.mark.parametrize('input_data,expected', testdata)\ndef test_twice(input_data, expected):\n"
        "    assert twice(*input_data) == expected\n",
        "python_programs/node.py": "class Node:\n    def __init__(self, value=None, successor=None):\n"
        "        self.value, self.successor = value, successor\n",
        "python_programs/rest.py": "def rest(node):\n    return node\n",
        "correct_python_programs/rest.py": "def rest(node):\n    return node.successor\n",
        "python_testcases/test_rest.py": "import pytest\nfrom node import Node\nif pytest.use_correct:\n"
        "    from correct_python_programs.rest import rest\nelse:\n    from python_programs.rest import rest\n\n"
        "def test1():\n    tail = Node(1)\n    assert rest(Node(2, tail)) is tail\n",
    }
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)


def test_a_checkout_of_quixbugs_imports(command, tmp_path):
    quixbugs_checkout(tmp_path / "QuixBugs")
    status, report, stderr = imported(command, "quixbugs", tmp_path / "QuixBugs", tmp_path / "out")
    assert (status, report["counts"]["kept"]) == (0, 2), (stderr, report)
    assert load_task(tmp_path / "out" / "quixbugs-twice.yaml").hidden_count == 2


def test_a_folder_that_is_no_checkout_is_refused(tmp_path):
    with pytest.raises(SourceError, match="python_programs"):
        QUIXBUGS.read(tmp_path)


DEBUGBENCH_ROW = {
    "slug": "sum-of-two",
    "question": "Add two numbers.",
    "examples": ["Input: a = 1, b = 2\nOutput: 3\nExplanation: 1 + 2", "Input: a = -1, b = 1\nOutput: 0"],
    "buggy_code": "class Solution:\n    def add(self, a: int, b: int) -> int:\n        return a - b\n",
    "solution": "class Solution:\n    def add(self, a: int, b: int) -> int:\n        return a + b\n",
    "subtype": "operation error",
    "level": "easy",
    "language": "python3",
}


def test_debugbench_makes_cases_of_examples(command, jsonl, tmp_path):
    nodes = DEBUGBENCH_ROW | {"slug": "nodes", "solution": "class Solution:\n    def f(self, x: ListNode): pass\n"}
    java = DEBUGBENCH_ROW | {"slug": "java", "language": "java"}
    none = DEBUGBENCH_ROW | {"slug": "none", "examples": [], "question": "?"}
    status, report, _ = imported(command, "debugbench", jsonl(DEBUGBENCH_ROW, nodes, java, none), tmp_path / "out")
    assert (status, len(report["kept"])) == (1, 1)
    assert [dropped["entry"] for dropped in report["dropped"]] == ["nodes", "java", "none"]
    task = load_task(tmp_path / "out" / report["kept"][0]["file"])
    assert [(case.call, case.expectation, case.hidden) for case in task.cases] == [
        ("Solution().add(1, 2)", "3", False),
        ("Solution().add(-1, 1)", "0", True),
    ]


def test_a_pair_of_files_with_tests_imports(command, tmp_path):
    for name, style in (("one", "unittest"), ("two", "pytest")):
        folder = tmp_path / "pairs" / name
        folder.mkdir(parents=True)
        (folder / "bug.py").write_text("def least(xs):\n    return max(xs)\ndef most(xs):\n    return max(xs)\n")
        (folder / "fixed.py").write_text("def least(xs):\n    return min(xs)\ndef most(xs):\n    return max(xs)\n")
        tests = {
            "unittest": "import unittest\nfrom bug import least, most\nclass T(unittest.TestCase):\n"
            "    def test_least(self):\n        self.assertEqual(least([2, 1]), 1)\n"
            "    def test_most(self):\n        self.assertEqual(most([2, 1]), 2)\n",
            "pytest": "import pytest\nimport bug\n\n@pytest.mark.parametrize('xs', [[1], [2, 1]])\n"
            "def test_least(xs):\n    assert bug.least(xs) == 1\n",
        }[style]
        (folder / "test_bug.py").write_text(tests)
    status, report, stderr = imported(command, "pytest", tmp_path / "pairs", tmp_path / "out")
    assert (status, [kept["id"] for kept in report["kept"]]) == (0, ["pair-one", "pair-two"]), (report, stderr)


def test_help_teaches(command):
    status, stdout, _ = command("tasks", "import", "--help")
    assert status == 0
    assert "quixbugs" in stdout
    assert "import-report.json" in stdout
