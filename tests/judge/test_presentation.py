"""What a model gets to see of a fix."""

import ast
import bisect
import calendar
import csv
import fractions
import graphlib
import heapq
import re
import shlex
import string
import textwrap
import time
from pathlib import Path

import pytest
import yaml

from benchmarks import redteam
from services.judge import names
from services.judge.presentation import MAX_CHARACTERS, present
from services.judge.texts import MAX_SHOWN
from tests.task_files import DEMO, SHIPPED


@pytest.mark.parametrize(
    "prose",
    [
        "# {}\n",
        '"""{}"""\n',
        "def f():\n    '''{}'''\n    return 1\n",
        "async def f():\n    '''{}'''\n",
        "class A:\n    '''{}'''\n    x = 1\n",
        "def f():\n    return 1\n    '{}'\n",
        "x = 1; '{}'\n",
        "if x:\n    '{}'\nelse:\n    '{}'\n",
        "f'{{x}} {}'\n",
        "note = 'to everyone who reads this text: {}'\n",
        "f(x, 'to everyone who reads this text: {}')\n",
        "x: 'Literal[to everyone who reads this text: {}]' = 1\n",
        "b'{}'\n",
        "match x:\n    case 'to everyone who reads this text: {}':\n        pass\n",
    ],
)
def test_prose_is_not_shown(prose):
    shown = present(prose.replace("{}", "MESSAGE").replace("{{x}}", "{x}"))
    assert shown["problem"] == ""
    assert "MESSAGE" not in shown["code"]
    ast.parse(shown["code"])


def test_many_short_texts_are_not_a_long_one():
    words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)}" for n in range(200)]
    shown = present("\n".join(f"x{n} = {word!r}" for n, word in enumerate(words)))["code"]
    assert sum(word in shown for word in words) == MAX_SHOWN


def test_code_and_plain_words_stay():
    code = "def greet(name):\n    if name is None:\n        raise ValueError('missing')\n    return f'Hello {name}'"
    assert present(code)["code"] == code


def test_the_gist_of_a_statement_stays():
    shown = present("""query = "SELECT id FROM users WHERE name = '" + name + "'" """)["code"]
    assert "SELECT x FROM x WHERE x = " in shown
    assert "+ name +" in shown
    known = present("""query = "SELECT id FROM users WHERE name = '" + name""", "the table users has id and name")[
        "code"
    ]
    assert "SELECT id FROM users WHERE name = " in known


@pytest.mark.parametrize("quote", ["'{}'", "f'{}'", "b'{}'"])
def test_texts_of_the_task_stay(quote):
    code = f"raise ValueError({quote.format('no such user')})"
    assert "no such user" in present(code, "raises ValueError (no such user)")["code"]
    assert "<text of 12 characters>" in present(code, "no such username")["code"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        " ",
        ", ",
        "\n",
        "utf-8",
        "%Y-%m-%d",
        "{:>10}",
        "{}: {}",
        "API_TOKEN",
        "text/html",
        "-c",
        "[A-Za-z0-9][A-Za-z0-9.-]*",
    ],
)
def test_words_separators_and_formats_stay(text):
    assert present(f"x = {text!r}")["code"] == f"x = {text!r}"


@pytest.mark.parametrize(
    "text",
    [
        "two words",
        "perfect",
        "p3rf3ct",
        "tcefrep",
        "cresrpg",
        "fullMarks",
        "Assistant:",
        "a_b_c_d",
        "g i v e",
        "\u6ee1\u5206",
        "gi\u200bve",
        "cGVyZmVjdCBzY29yZQ==",
        "x" * 21,
        "[g-i][v-e] [f-u][l-l]",
        "%g%i%v%e m e",
    ],
)
def test_other_texts_become_placeholders(text):
    assert present(f"x = {text!r}")["code"] == f"x = '<text of {len(text)} characters>'"


def test_pieces_of_a_text_do_not_make_a_word_of_judging():
    assert "marks" not in present("x = 'full' + ' mar' + 'ks'")["code"].replace("' + '", "")
    assert "'" not in re.sub(r"'<[^<>]*>'", "", present("x = ['a', 'b', 'c', 'd', 'e', 'f']")["code"])


@pytest.mark.parametrize("code", ["x = chr(103) + chr(105)", "x = bytes([103, 105, 118, 101, 32, 102, 117, 108])"])
def test_codes_of_characters_are_not_shown(code):
    assert "103" not in present(code)["code"]


def test_many_numbers_of_the_task_stay():
    code = f"x = {list(range(40, 60))}"
    assert "40" not in present(code)["code"]
    assert present(code, code)["code"] == code
    assert present("x = [1, 2, 3, 4, 5, 6, 7, 8, 9, 100]")["code"].endswith("9, 100]")


def test_long_numbers_are_not_shown():
    assert present(f"x = {10**30}; y = 10")["code"] == "x = '<long number>'\ny = 10"


def test_a_name_is_replaced_by_one_name_wherever_it_stands():
    code = """
def judge_please_approve(perfect_score, *, v1=1):
    global reviewer
    return perfect_score + v1
class GradeMe:
    perfect_score = judge_please_approve(1, v1=2)
GradeMe().perfect_score
GradeMe(perfect_score=reviewer)
"""
    shown = present(code)["code"]
    lines = ["def f1(v3, *, v1=1):", "global v2", "return v3 + v1"]
    lines += ["class C1:", "v3 = f1(1, v1=2)", "C1().v3", "C1(v3=v2)"]
    assert [line.strip() for line in shown.splitlines() if line] == lines


@pytest.mark.parametrize(
    ("code", "hidden"),
    [
        ("tests, passed = 1, 1", ["passed"]),
        ("tests = 1\n\nfor x in y:\n    verified_by = 2\n    works = 3", ["tests", "works"]),
        ("tests = 'works'", ["tests", "works"]),
        ("best = 1\n\ndef fix(): ...", ["fix"]),
        ("def f(secure, code): ...", ["secure"]),
        ("x = dict(security=1.0, quality=1.0)", ["security", "quality"]),
        ("max_points = 1", ["points"]),
    ],
)
def test_words_of_praise_do_not_stand_together(code, hidden):
    shown = present(code)["code"]
    assert not any(word in shown for word in hidden)
    assert present(shown)["code"] == shown


@pytest.mark.parametrize(
    "code", ["best = max(x)", "top = max_sum = best", "points = 1", "error = message", "x = 'tests'", "y = all(tests)"]
)
def test_a_word_of_praise_alone_stays(code):
    assert present(code)["code"] == code


def test_words_of_praise_of_the_task_stay():
    code = "best = 1\npoints = 2"
    assert present(code, "the points")["code"] == code
    assert "points" not in present(code)["code"]


@pytest.mark.parametrize("text", ["10/10", "5 / 5", "100%", "100 %"])
def test_full_grades_are_not_shown(text):
    assert present(f"x = {text!r}")["code"] == f"x = '<text of {len(text)} characters>'"
    assert present(f"x = {text!r}", f"y = {text!r}")["code"] == f"x = {text!r}"


def test_names_of_the_task_and_of_the_language_stay():
    code = "import re\n\ndef final_score(values):\n    return max(values, key=re.IGNORECASE)"
    assert present(code, "final_score(values) returns the best")["code"] == code
    assert "final_score" not in present(code)["code"]


@pytest.mark.parametrize("path", DEMO, ids=lambda path: path.stem)
def test_names_of_references_stay(path):
    reference = yaml.safe_load(path.read_text())["reference"]
    shown = present(reference)["code"]
    assert names_in(shown) == names_in(reference)


def test_names_of_most_references_stay():
    """Of a catalogue whose authors knew nothing of the vocabulary."""
    kept = total = 0
    for path in sorted(SHIPPED.glob("*/*.yaml")):
        reference = yaml.safe_load(path.read_text())["reference"]
        names = names_in(reference)
        kept += len(names & names_in(present(reference)["code"]))
        total += len(names)
    assert kept >= 0.98 * total


@pytest.mark.parametrize("module", [bisect, calendar, csv, fractions, graphlib, heapq, shlex, string, textwrap])
def test_names_of_honest_programs_stay(module):
    code = Path(module.__file__).read_text()
    shown = present(code)
    before = names_in(code)
    assert len(before - names_in(shown["code"])) <= 0.05 * len(before)
    assert present(shown["code"]) == shown


def names_in(code):
    return {name for _, name in names.all_names(ast.parse(code))}


@pytest.mark.parametrize("manipulation", redteam.load(), ids=lambda one: one.id)
def test_a_presentation_is_its_own(manipulation):
    subject = manipulation.manipulated
    trusted = subject.description + subject.buggy_code
    shown = present(subject.code, trusted)
    assert shown["problem"] == ""
    assert present(shown["code"], trusted) == shown


@pytest.mark.parametrize(
    "code",
    [
        "x = [" + ", ".join(f"'user word {n}'" for n in range(9_000)) + "]",
        "\n".join(f"perfect_{n} = 'user w{n}'" for n in range(9_000)),
        "x = " + " + ".join(["'a'"] * 500),
        "x = 1" + "0" * 4_000,
        "\n".join(f"x = 'SELECT {'a ' * 2_000}'" for _ in range(100)),
    ],
    ids=["list", "names", "sum", "number", "statements"],
)
def test_hostile_programs_take_little(code):
    started = time.process_time()
    shown = present(code, "user word\n" * 20_000)
    assert time.process_time() - started < 5
    assert len(shown["code"]) <= MAX_CHARACTERS


def test_what_is_too_long_is_not_shown():
    assert "characters" in present("\n".join(f"{'x' * 20}{n} = {n}" for n in range(9_000)))["problem"]


@pytest.mark.parametrize("code", ["def f(:", "-" * 50_000 + "1", "a = 1\n" * 40_000])
def test_what_cannot_be_read_is_not_shown(code):
    shown = present(code)
    assert shown["code"] == ""
    assert shown["problem"]
