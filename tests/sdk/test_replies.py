"""The program in a model's reply, whatever form it has."""

from __future__ import annotations

import json
import time

import pytest

from codearena.replies import extract_code, extract_explanations

FIXED = "def double(x):\n    return 2 * x\n"
ORIGINAL = "def double(x)\n    return 2 * x\n"
INDENTED = "".join(f"   {line}\n" for line in FIXED.splitlines())
HELPER = "def helper():\n    return 'a longer block than the one that is meant'\n"

REPLIES = {
    "fenced": f"```python\n{FIXED}```",
    "with prose": f"Here it is:\n\n```py\n{FIXED}\n```\nChange: the colon.",
    "no language": f"```\n{FIXED}```\n",
    "capitals": f"```Python\n{FIXED}```",
    "a version": f"```python3.11\n{FIXED}```",
    "attributes": f'```python title="fix.py"\n{FIXED}```',
    "pandoc": f"```{{.python .numbered}}\n{FIXED}```",
    "a space before the language": f"``` python\n{FIXED}```",
    "tildes": f"~~~python\n{FIXED}~~~",
    "four backquotes": f"````python\n{FIXED}````",
    "in a list": f"1. The fix:\n   ```python\n{INDENTED}   ```\n2. Done.",
    "unclosed": f"```python\n{FIXED}",
    "closed at the end of a line": f"```python\n{FIXED.rstrip()}```",
    "CRLF": f"```python\n{FIXED}```\nChange: x".replace("\n", "\r\n"),
    "CR": f"```python\n{FIXED}```".replace("\n", "\r"),
    "bare": FIXED,
    "spaced": f"\n\n{FIXED}\n\n",
    "prose before bare code": f"Sure! The fixed program is:\n\n{FIXED}",
    "explanations after bare code": f"{FIXED}\nChange: a colon was missing.\n- Change: x",
    "other language first": f"```bash\nrm -rf build\n```\n```python\n{FIXED}```",
    "the longest": f"```python\nx = 1\n```\nor better\n```python\n{FIXED}```",
    "the one that defines the function": f"```python\n{FIXED}```\nand for tests\n```python\n{HELPER}```",
    "the original is quoted first": f"Before:\n```python\n{ORIGINAL}```\nAfter:\n```python\n{FIXED}```",
    "the original is quoted last": f"After:\n```python\n{FIXED}```\nBefore:\n```python\n{ORIGINAL}```",
    "a second thought": f"```python\ndef double(x):\n    return x\n```\nNo, rather\n```python\n{FIXED}```",
    "a closed one before an unclosed one": f"```python\n{FIXED}```\nUsage:\n```python\nprint(double(",
    "thoughts": f"<think>Maybe\n```python\ndef double(x): return 3\n```\n</think>\n```python\n{FIXED}```",
    "thoughts without their begin": f"Maybe\n```python\ndef double(x): 3\n```\n</think>\n\n```python\n{FIXED}```",
    "thoughts before bare code": f"<think>\nHm.\n</think>\n{FIXED}",
    "JSON": json.dumps({"code": FIXED, "explanation": "a colon"}),
    "JSON with a fence in it": json.dumps({"fixed_code": f"```python\n{FIXED}```"}),
    "JSON in a fence": f"```json\n{json.dumps({'code': FIXED})}\n```",
}

NOTHING = {
    "nothing": "",
    "prose": "I cannot help with that.",
    "prose that begins like code": "import duties are high, from what I hear.\nclass dismissed\nfrom here on",
    "another language": "```json\n{}\n```",
    "only another language": "```javascript\nfunction double(x) { return 2 * x }\n```",
    "an empty block": "```python\n```",
    "only blanks": "```python\n  \n\n```",
    "thoughts without an end": f"<think>\n```python\n{FIXED}```",
    "JSON without code": '{"answer": 1}',
    "JSON with code that is no text": '{"code": 1}',
    "broken JSON": '{"code": "def',
    "a list": "[1]",
    "deep JSON": '{"code":' + "[" * 100_000,
}


@pytest.mark.parametrize("reply", REPLIES.values(), ids=REPLIES)
def test_code_is_found(reply):
    assert extract_code(reply, ORIGINAL) == FIXED


@pytest.mark.parametrize("reply", NOTHING.values(), ids=NOTHING)
def test_where_there_is_no_code_none_is_found(reply):
    assert extract_code(reply, ORIGINAL) == ""


def test_a_quote_of_the_original_alone_is_taken():
    assert extract_code(f"```python\n{ORIGINAL}```", ORIGINAL) == ORIGINAL


def test_a_fence_of_another_kind_is_part_of_the_program():
    program = 'TEXT = """\n~~~\n"""\n'
    assert extract_code(f"```python\n{program}```") == program


@pytest.mark.parametrize(
    "reply",
    [
        "`" * 400_000,
        "```\n" * 100_000,
        " " * 400_000 + "x",
        ("\t" * 1000 + "\n") * 400,
        "<think>" * 60_000,
        "</think>\n" * 40_000,
        "import " + "a." * 200_000,
        "- " * 200_000 + "change",
        "def " * 100_000,
        "{" * 400_000,
        ("```python\n" + "def f():\n" * 10 + "```\n") * 4000,
    ],
)
def test_a_hostile_reply_takes_little_time(reply):
    started = time.process_time()
    extract_code(reply, ORIGINAL * 1000)
    extract_explanations(reply)
    assert time.process_time() - started < 2.0


def test_a_fence_in_a_docstring_is_part_of_the_program():
    program = 'def f():\n    """\n    ```\n    f()\n    ```\n    """\n'
    assert extract_code(f"```python\n{program}```\nChange: x") == program


def test_explanations_are_bounded_lines():
    text = "Change: one\n- change:  two \nother\n" + "Change: " + "x" * 1000 + "\n" + "Change: y\n" * 50
    found = extract_explanations(text)
    assert found[:2] == ("one", "two")
    assert len(found) == 10
    assert max(map(len, found)) == 300
