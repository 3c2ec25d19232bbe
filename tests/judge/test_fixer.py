"""The built-in fixer: each pattern on small programs, and what it must leave alone."""

import pytest

from services.judge.fixer.engine import propose
from tests.judge.buggy_code import ALL, BOUNDS, EFFICIENCY, SLOW, SYNTAX, Buggy
from tests.judge.evaluation import wrong_answers


@pytest.mark.parametrize("buggy", ALL, ids=lambda buggy: buggy.name)
def test_one_proposal_repairs(buggy: Buggy):
    code, explanations = propose(buggy.code, buggy.log, buggy.description)
    assert wrong_answers(code, buggy.answers) == [], code
    assert explanations
    assert all(explanation.endswith(".") for explanation in explanations)


CORRECT = {
    "loop": "def f(v):\n    total = 0\n    for x in v:\n        total += x\n    return total\n",
    "search": BOUNDS[0].code.replace("lo < hi", "lo <= hi"),
    "half-open search": BOUNDS[2].code.replace("hi = m - 1", "hi = m"),
    "lower bound": "def f(a, t):\n    lo, hi = 0, len(a)\n    while lo < hi:\n        m = (lo + hi) // 2\n"
    "        if a[m] < t:\n            lo = m + 1\n        else:\n            hi = m\n    return lo\n",
    "guarded": "def f(v):\n    if not v:\n        return 0.0\n    return sum(v) / len(v)\n",
    "formatted": "def f(a, b):\n    return f'{a} x {b}'\n",
    "joined": "def f(v):\n    return ', '.join(v)\n",
    "sorted": "def f(v):\n    v.sort()\n    return v\n",
    "nothing": "x = 1\n",
    "empty": "# nothing here\n",
    "sum of products": "def f(a):\n    t = 0\n    for i in range(len(a)):\n        for j in range(i, len(a)):\n"
    "            t += a[i] * a[j]\n    return t\n",
}


@pytest.mark.parametrize("name", CORRECT)
def test_correct_code_is_left_alone(name):
    assert propose(CORRECT[name]) == (CORRECT[name], [])


def test_code_that_passes_is_not_repaired_but_may_be_made_faster():
    buggy_looking = "def f(v, r=[]):\n    return sum(v) / len(v)\n"
    assert propose(buggy_looking, SLOW) == (buggy_looking, [])
    assert propose(buggy_looking, "", last_reward=0.95) == (buggy_looking, [])
    assert propose(buggy_looking, "")[0] != buggy_looking
    assert propose(EFFICIENCY[0].code, SLOW)[0] != EFFICIENCY[0].code


@pytest.mark.parametrize("buggy", [SYNTAX[0], BOUNDS[0], EFFICIENCY[0]], ids=lambda buggy: buggy.name)
def test_an_earlier_attempt_is_not_repeated(buggy):
    first, _ = propose(buggy.code, buggy.log, buggy.description)
    reformatted = first.replace("\n", "  # again\n")
    for attempt in (first, reformatted):
        second, _ = propose(buggy.code, buggy.log, buggy.description, [attempt])
        assert second != first


def test_one_rule_is_applied_at_a_time():
    code = "def f(v):\n    return 'mean ' + sum(v) / len(v)\n"
    log = 'TypeError: can only concatenate str (not "float") to str\nZeroDivisionError: division by zero'
    first, why = propose(code, log)
    assert len(why) == 1
    second, _ = propose(first, log, "", [first])
    assert wrong_answers(second, {"f([1, 2])": "mean 1.5"}) == []
    assert first != second


def test_comments_and_form_of_the_rest_stay():
    code = "# About means.\ndef mean(v):  # v: numbers\n    return (sum(v)\n            / len(v))  # done\n"
    proposed, _ = propose(code, "", "For an empty list it returns 0.0.")
    assert "# About means." in proposed
    assert "(sum(v)\n            / len(v))  # done" in proposed


def test_text_beyond_ascii_does_not_shift_an_edit():
    code = "def f(n):\n    größe = 'é'; return 'ß: ' + n  # ü\n"
    proposed, _ = propose(code, 'TypeError: can only concatenate str (not "int") to str')
    assert wrong_answers(proposed, {"f(1)": "ß: 1"}) == []
    assert proposed.endswith("# ü\n")


def test_carriage_returns_do_not_shift_an_edit():
    proposed, _ = propose("def f(n):\r\n    return 'n: ' + n\r\n", "TypeError: can only concatenate str")
    assert wrong_answers(proposed, {"f(1)": "n: 1"}) == []


@pytest.mark.parametrize(
    "code",
    [
        "(" * 10_000,
        "-" * 10_000 + "1",
        "def f(:\n" * 2_000,
        "if x\n" * 5_000,
        "x = '" + "a" * 60_000,
        "\t \n" * 1_000 + "x",
        "x" * 70_000,
        "))))" * 500,
        "\\",
        "a = 1\n" * 10_000,
    ],
    ids=["parentheses", "signs", "defs", "ifs", "text", "blanks", "long", "closers", "backslash", "lines"],
)
async def test_hostile_code_gets_an_answer(reader, code):
    proposed, explanations = await reader.propose(code, "", "", [], None)
    assert isinstance(proposed, str)
    assert (proposed != code) == bool(explanations)


def test_a_hostile_log_is_only_read():
    log = "FAILED x: f(" + "(" * 5_000 + "\n  expected 0\n  got None\n" + "NameError " * 5_000
    code = "def f(x):\n    return x\n"
    assert propose(code, log, "empty " * 5_000) == (code, [])
