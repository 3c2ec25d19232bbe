"""The algorithm detector: a table of programs with the problem and the order that a reader would give them."""

from pathlib import Path

import pytest

from services.env.catalogue import load_catalogue
from services.env.complexity import Analysis, analyse

TASKS = load_catalogue([Path(__file__).parents[2] / "tasks"])

KADANE = "maximum subarray (Kadane)"
SUM = "aggregation (sum, mean)"


def read_snippets():
    """Programs under headings "#### name | problem type | time complexity"."""
    text = (Path(__file__).parent / "complexity_snippets.txt").read_text()
    for section in text.split("#### ")[1:]:
        heading, source = section.split("\n", 1)
        name, problem, time = (part.strip() for part in heading.split("|"))
        yield pytest.param(problem, time, source, id=name)


@pytest.mark.parametrize(("problem", "time", "source"), list(read_snippets()))
def test_reads_problem_and_complexity(problem, time, source):
    found = analyse(source)
    assert (found.problem_type, found.time_complexity) == (problem, time)


# task, problem type, buggy code, reference, best
CATALOGUE = [
    ("easy-1", SUM, "", "O(n)", "O(n)"),
    ("medium-1", "binary search", "O(log n)", "O(log n)", "O(log n)"),
    ("hard-1", KADANE, "O(n^3)", "O(n)", "O(n)"),
    ("type_errors-1", "", "O(1)", "O(1)", ""),
    ("type_errors-2", SUM, "O(n)", "O(n)", "O(n)"),
    ("type_errors-3", SUM, "O(n)", "O(n)", "O(n)"),
    ("security_bugs-1", "", "O(n)", "O(n)", ""),
    ("security_bugs-2", "", "O(1)", "O(1)", ""),
    ("security_bugs-3", "", "O(1)", "O(n)", ""),
]


@pytest.mark.parametrize(("task_id", "problem", "buggy", "reference", "best"), CATALOGUE, ids=[c[0] for c in CATALOGUE])
def test_reads_the_catalogue(task_id, problem, buggy, reference, best):
    task = TASKS.get(task_id)
    found = analyse(task.reference)
    assert (found.problem_type, found.time_complexity, found.best_complexity) == (problem, reference, best)
    assert analyse(task.buggy_code).time_complexity == buggy


def test_names_every_function_and_the_module():
    found = analyse("class A:\n    def one(self):\n        return 1\n\ndef many(xs):\n    return sum(xs)\n")
    assert [(f.name, f.line, f.time_complexity) for f in found.functions] == [
        ("<module>", 1, "O(1)"),
        ("one", 2, "O(1)"),
        ("many", 5, "O(n)"),
    ]


def test_crosses_the_wire():
    estimate = analyse("def kadane(a):\n    return max(a)\n").to_proto()
    assert (estimate.problem_type, estimate.time_complexity, estimate.best_complexity) == (KADANE, "O(n)", "O(n)")


@pytest.mark.parametrize(
    "source",
    [
        "def f(:",
        "x = '\0'",
        "(" * 300 + ")" * 300,
        "-" * 100_000 + "1",
        "x = " + "+".join(["1"] * 20_000),
        "x = 1" + "0" * 5000,
        "\ud800",
        "x" * 300_000,
        "".join(f"def f{i}(): f{i + 1}()\n" for i in range(600)),
    ],
    ids=["syntax", "nul", "parentheses", "signs", "long sum", "long number", "surrogate", "too long", "functions"],
)
def test_gives_nothing_for_what_it_cannot_read(source):
    assert analyse(source) == Analysis()


def test_is_quiet_about_doubtful_syntax(recwarn):
    assert analyse("x = '\\d' is 1\n").time_complexity == "O(1)"
    assert not recwarn.list
