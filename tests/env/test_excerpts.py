"""Excerpts: the fix's own frames, no paths of the host, within bounds."""

import pytest

from services.env.excerpts import MAX_FRAMES, MAX_READ_CHARACTERS, answered, cut, said

OWN = '  File "fix.py", line {}, in f\n    return g(x)\n'


def test_text_within_the_bounds_is_left_as_it_is():
    assert cut("a\nb", 100, 2) == "a\nb"
    assert cut("x" * 100, 100, 2) == "x" * 100


def test_a_long_line_is_cut_in_its_middle_with_a_marker():
    text = cut("a" * 500 + "z" * 500, 200, 2)
    assert text.startswith("aaa")
    assert text.endswith("zzz")
    assert len(text) <= 200
    left = text.count("a") + text.count("z") - "characters left out".count("a")
    assert f"… {1000 - left} characters left out …" in text


def test_many_lines_are_cut_in_the_middle_with_a_marker():
    text = cut("\n".join(str(number) for number in range(100)), 1000, 5)
    assert text == "0\n1\n… 96 lines left out …\n98\n99"


@pytest.mark.parametrize("lines", [2, 3, 10])
@pytest.mark.parametrize("text", ["", "x" * 10_000, "x\n" * 5000, "\n" * 5000])
def test_cutting_keeps_both_bounds_and_changes_nothing_the_second_time(text, lines):
    once = cut(text, 100, lines)
    assert len(once) <= 100
    assert once.count("\n") < lines
    assert cut(once, 100, lines) == once


def test_only_the_last_frames_of_the_fix_are_shown():
    text = "Traceback (most recent call last):\n" + "".join(map(OWN.format, range(20))) + "KeyError: 1"
    shown = said(text)
    assert [number for number in range(20) if f"line {number}," in shown] == list(range(20 - MAX_FRAMES, 20))
    assert shown.count("return g(x)") == MAX_FRAMES
    assert shown.endswith("KeyError: 1")


@pytest.mark.parametrize(
    "file",
    [
        "/srv/harness/child.py",
        "call",
        "setup",
        "<string>",
        "<frozen importlib._bootstrap>",
        "/a b/c d/e.py",
        "x/fix.py",
    ],
)
def test_frames_of_other_code_are_dropped_with_their_lines(file):
    foreign = f'  File "{file}", line 9, in theirs\n    their_code()\n    ~~~~~~~~~~^^\n'
    assert said(f"{foreign}{OWN.format(3)}{foreign}KeyError: 1") == f"{OWN.format(3)}KeyError: 1"


def test_colours_hide_no_frame():
    coloured = (
        '  File \x1b[35m"/srv/harness/child.py"\x1b[0m, line \x1b[35m9\x1b[0m, in \x1b[35mtheirs\x1b[0m\n    code()\n'
    )
    assert said(coloured + "KeyError: 1") == "KeyError: 1"


def test_frames_of_exception_groups_are_known_by_their_margin():
    text = '  |   File "/srv/harness/child.py", line 9, in theirs\n  |     their_code()\n  | ValueError: x'
    assert said(text) == "  | ValueError: x"


@pytest.mark.parametrize(
    "text",
    [
        "stack: ['  File \"/srv/harness/child.py\", line 9, in theirs\\n']",
        '{"stack": "File \\"/srv/harness/child.py\\", line 9, in <module>"}',
    ],
)
def test_a_frame_within_a_line_is_not_shown_either(text):
    assert "a frame of other code" in said(text)
    for foreign in ("child.py", "theirs", "module", "line 9"):
        assert foreign not in said(text)


def test_the_place_of_a_syntax_error_stays():
    text = "  File \"fix.py\", line 3\n    def f(x)\n            ^\nSyntaxError: expected ':'"
    assert said(text) == text
    inner = '  File "<string>", line 1\n    1 +\n       ^\nSyntaxError: invalid syntax'
    assert said(inner) == inner


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("cannot import 'x' from 'json' (/usr/lib/python3.11/json/__init__.py)", "…/__init__.py)"),
        ("No such file: '/home/somebody/with space/in.csv'", "'…/in.csv'"),
        ('No such file: "/home/somebody/in.csv"', '"…/in.csv"'),
        ("/home/somebody/x.py:12: DeprecationWarning: old", "…/x.py:12: DeprecationWarning: old"),
        ("PATH=/home/bin:/home/somebody/bin", "PATH=…/bin:…/bin"),
        ("file:///home/somebody/x", "file:…/x"),
        ("//home/somebody/x", "…/x"),
        ("a\\n/home/somebody/x", "a\\n…/x"),
        ("/home/somebody/", "…/"),
        ("\x1b[1;31m/home/somebody/x\x1b[0m", "…/x"),
    ],
)
def test_absolute_paths_keep_their_last_part(text, shown):
    assert said(text).endswith(shown)
    for part in ("home", "somebody", "usr"):
        assert part not in said(text)


@pytest.mark.parametrize(
    "text",
    [
        "ValueError: 1/2/3 is no date, and/or/not a date",
        "see https://docs.python.org/3/library/json.html",
        "7 // 2 / 3 is 1.0",
        "the file data/in.csv",
        "expected '/' or '/x'",
        "",
    ],
)
def test_other_slashes_stay(text):
    assert said(text) == text


@pytest.mark.parametrize(
    ("raw", "shown"), [("\x1b[1;31m", ""), ("\x1b", "\\x1b"), ("\u202e", "\\u202e"), ("\x00", "\\x00"), ("\t", "\t")]
)
def test_control_characters_are_escaped(raw, shown):
    assert said(f"a{raw}b") == f"a{shown}b"


@pytest.mark.parametrize("ending", ["\r\n", "\r", "\x0b", "\x85", "\u2028"])
def test_line_breaks_are_of_one_kind(ending):
    assert said(f"a{ending}b") == "a\nb"


def test_of_a_very_long_text_only_the_ends_are_read():
    text = said("begins " + "/a/b " * 100_000 + "ends")
    assert text.startswith("begins …/b …/b")
    assert text.endswith("…/b ends")
    assert "characters left out" in text
    assert len(text) <= MAX_READ_CHARACTERS


def test_a_value_may_be_a_path_of_the_task():
    for value in ("'/srv/data/in.csv'", "['/a/b', '/a/c']", "{'root': '/a/b'}", "b'/a/b'", "True", "-1.5"):
        assert answered(value) == value


@pytest.mark.parametrize("value", ["'/srv/lib/python3.11/json'", "['/srv/x/child.py']", "'in /srv/x/_json.so'"])
def test_a_value_tells_nothing_of_where_python_is(value):
    assert "/srv" not in answered(value)


@pytest.mark.parametrize(
    "text", ["OSError: '/srv/data/in.csv'", "'quoted\nOSError: /srv/data/in.csv", "nanError: /srv/data/x"]
)
def test_an_exception_is_never_taken_for_a_value(text):
    assert "/srv" not in answered(text)
