"""What a model gets to see of a fix."""

import ast

import pytest

from services.judge.presentation import present


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
    words = [f"word{chr(97 + n % 26)}{chr(97 + n // 26)} again" for n in range(200)]
    shown = present("\n".join(f"x{n} = {word!r}" for n, word in enumerate(words)))["code"]
    assert words[0] in shown
    assert words[-1] not in shown


def test_code_and_short_texts_stay():
    code = "def greet(name):\n    if name is None:\n        raise ValueError('no name')\n    return f'Hello {name}'"
    assert present(code)["code"] == code


def test_the_gist_of_a_statement_stays():
    shown = present("""query = "SELECT id FROM users WHERE name = '" + name + "'" """)["code"]
    assert "SELECT id FROM users WHERE" in shown
    assert "+ name +" in shown


@pytest.mark.parametrize("code", ["def f(:", "-" * 50_000 + "1", "a = 1\n" * 40_000])
def test_what_cannot_be_read_is_not_shown(code):
    shown = present(code)
    assert shown["code"] == ""
    assert shown["problem"]
