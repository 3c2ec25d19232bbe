"""DebugBench: what its examples in words become."""

import json

import pytest

from services.authoring.importing.debugbench import DEBUGBENCH
from services.authoring.importing.entries import Entry, Unusable
from tests.authoring.test_importing import DEBUGBENCH_ROW, imported


def task(**changes):
    return DEBUGBENCH.task(Entry("x", 1, DEBUGBENCH_ROW | changes))


def solution(signature, body="return 0"):
    return f"class Solution:\n    def {signature}:\n        {body}\n"


@pytest.mark.parametrize(
    ("signature", "example", "call", "expected"),
    [
        ("f(self, a, b)", "Input: a = [1,2], b = 3  Output: 5", "[1, 2], 3", "5"),
        ("f(self, s)", 'Input: s = "a, b = 1"\nOutput: "true"', "'a, b = 1'", "'true'"),
        ("f(self, s)", 'Input: s = [null,true]\\nOutput: [false,"null"]', "[None, True]", "[False, 'null']"),
        ("f(self, x)", "Example 1:\nInput: x = -2\nOutput: -1\nExplanation: Output: 4", "-2", "-1"),
        ("f(self, grid)", 'Input: grid = [["a"],\n["b"]]\nOutput: [\n["b"]\n]', "[['a'], ['b']]", "[['b']]"),
        ("f(self, x)", "Input: [1]\nOutput: 2", "[1]", "2"),
    ],
    ids=["one line", "text", "escaped line break", "explanation", "several lines", "no names"],
)
def test_an_example_becomes_a_case(signature, example, call, expected):
    found = task(solution=solution(signature), buggy_code="class Solution: pass", examples=[example])
    (case,) = found.cases
    assert (case.call, case.expectation) == (f"Solution().f({call})", expected)
    assert case.hidden  # the only one is worth nothing once it is known


def test_the_first_of_several_examples_is_shown_and_one_that_is_no_literal_left_out():
    examples = [f"Input: a = 1, b = {answer}\nOutput: {answer}" for answer in ("2", "[1,_]", "3")]
    assert [(case.call, case.hidden) for case in task(examples=examples).cases] == [
        ("Solution().add(1, 2)", False),
        ("Solution().add(1, 3)", True),
    ]


def test_the_method_is_the_one_whose_parameters_the_examples_name():
    two = solution("helper(self, x)") + "    def add(self, a, b):\n        return a + b\n"
    assert task(solution=two).cases[0].call == "Solution().add(1, 2)"
    with pytest.raises(Unusable, match="several methods"):
        task(solution=two, examples=["Input: p = 1, q = 2\nOutput: 3"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"solution": solution("add(self, a: Optional[ListNode])")}, "nodes"),
        ({"solution": "class Cache:\n    def get(self, key): pass\n"}, "no class Solution"),
        ({"solution": solution("add(self, a, b) -> None")}, "changing its argument"),
        ({"solution": solution("add(self, a)")}, "as many arguments"),
        ({"solution": "class Solution(\n"}, "does not compile"),
        ({"solution": solution("add(self, a, b)", "return '\ud800'")}, "cannot be read|valid string"),
        ({"solution": "\0"}, "cannot be read|does not compile"),
        ({"examples": ["Input: a = x, b = 1\nOutput: 2"]}, "no examples"),
        ({"examples": ["Input: a = __import__('os'), b = 1\nOutput: 2"]}, "no examples"),
        ({"language": "cpp"}, "'cpp', not in Python"),
    ],
)
def test_what_cannot_be_a_task_is_said(changes, reason):
    with pytest.raises(Unusable, match=reason):
        task(**changes)


def test_names_that_leetcode_gives_are_there_and_order_may_not_count(command, tmp_path):
    """An array as the project publishes it, with other names of fields."""
    row = {
        "slug": "distinct",
        "description": "Return the distinct numbers, in any order.",
        "examples": ["Input: xs = [3,3,1]\nOutput: [3,1]", "Input: xs = [2]\nOutput: [2]"],
        "constrains": "1 <= xs.length",
        "buggy_code": solution("distinct(self, xs: List[int]) -> List[int]", "return xs"),
        "oracle_code": solution(
            "distinct(self, xs: List[int]) -> List[int]", "return sorted(Counter(xs), key=lambda x: pow(x, 1, 7))"
        ),
        "level": "hard",
    }
    source = tmp_path / "python3_other.json"
    other = row | {"buggy_code": solution("distinct(self, xs)", "return []")}
    source.write_text(json.dumps([row, other, row | {"slug": "../../x", "oracle_code": "\ud800"}], indent=2))
    status, report, stderr = imported(command, "debugbench", source, tmp_path / "out")
    assert (status, [kept["entry"] for kept in report["kept"]]) == (1, ["distinct", "distinct"]), (report, stderr)
    assert len({kept["id"] for kept in report["kept"]}) == 2
    (dropped,) = report["dropped"]
    assert dropped["line"] > 2
    assert {path.parent for path in tmp_path.rglob("*.yaml")} == {tmp_path / "out"}


@pytest.mark.parametrize("text", ["Input: " * 100_000, "Input:" + " " * 900_000, "Input: a = " + "[" * 900_000])
def test_examples_without_end_cost_no_more_than_their_length(text):
    with pytest.raises(Unusable, match="no examples"):
        task(examples=[text + "\nOutput: " * 3])
