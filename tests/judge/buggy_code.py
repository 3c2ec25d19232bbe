"""Small buggy programs, what is known of them, and what their repairs must answer."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Buggy:
    """A buggy program.

    Attributes:
        name: Of the test.
        code: The program.
        answers: Expressions and what the repaired program must make of them; "raises X" for an exception.
        log: The error log.
        description: What it should do.
    """

    name: str
    code: str
    answers: dict[str, object] = field(default_factory=dict)
    log: str = ""
    description: str = ""


def program(text: str) -> str:
    """Returns an indented text as the source of a program."""
    return textwrap.dedent(text).lstrip("\n")


def failed(call: str, expected: str, got: str) -> str:
    """Returns the part of an error log that tells of one failed test."""
    return f"FAILED a test: {call}\n  expected {expected}\n  got {got}\n"


SYNTAX = (
    Buggy("no colon after def", "def f(x)\n    return x + 1\n", {"f(1)": 2}),
    Buggy("no colon after if", "def f(x):\n    if x > 1\n        return 1\n    return 0\n", {"f(2)": 1}),
    Buggy("no colon after else", "def f(x):\n    if x:\n        return 1\n    else\n        return 0\n", {"f(0)": 0}),
    Buggy(
        "no colon after for", "def f(n):\n    s = 0\n    for i in range(n)\n        s += i\n    return s\n", {"f(4)": 6}
    ),
    Buggy("no colon after while", "def f(n):\n    while n > 3\n        n -= 1\n    return n\n", {"f(9)": 3}),
    Buggy("no colon after class", "class A\n    x = 1\n", {"A.x": 1}),
    Buggy("no colon before a comment", "def f(x)  # adds one\n    return x + 1\n", {"f(1)": 2}),
    Buggy("two colons", "def f(x)\n    if x\n        return 1\n    return 2\n", {"f(0)": 2}),
    Buggy("an open parenthesis", "def f(x):\n    return abs((x + 1)\n", {"f(-3)": 2}),
    Buggy("an open parenthesis in a call", "def f(x):\n    y = max(x, 1\n    return y\n", {"f(0)": 1}),
    Buggy("an open parameter list", "def f(x:\n    return x\n", {"f(3)": 3}),
    Buggy("an open bracket", "def f():\n    x = [1, 2, 3\n    return x\n", {"f()": [1, 2, 3]}),
    Buggy("a parenthesis too many", "def f(x):\n    return (x + 1))\n", {"f(1)": 2}),
    Buggy("the wrong bracket", "def f(x):\n    return [x, 1)\n", {"f(2)": [2, 1]}),
    Buggy("= in a condition", "def f(x):\n    if x = 1:\n        return 'one'\n    return 'other'\n", {"f(1)": "one"}),
    Buggy("= in a while", "def f(x):\n    while x = 1:\n        x = 2\n    return x\n", {"f(1)": 2}),
    Buggy("= and keyword", "def f(x):\n    if dict(a=x) = {}:\n        return 1\n    return 2\n", {"f(1)": 2}),
    Buggy("print statement", "def f(x):\n    print x\n    return x\n", {"f(1)": 1}),
    Buggy(
        "except with a comma",
        program("""
            def f(x):
                try:
                    return 1 / x
                except ZeroDivisionError, e:
                    return 0
        """),
        {"f(0)": 0},
    ),
    Buggy("raise with a comma", "def f(x):\n    raise ValueError, 'no'\n", {"f(1)": "raises ValueError"}),
    Buggy("misspelt return", "def f(x):\n    retrun x\n", {"f(1)": 1}),
    Buggy("misspelt def", "dfe f(x):\n    return x\n", {"f(1)": 1}),
    Buggy("misspelt while", "def f(x):\n    whlie x > 1:\n        x -= 1\n    return x\n", {"f(3)": 1}),
    Buggy("misspelt else", "def f(x):\n    if x:\n        return 1\n    esle:\n        return 0\n", {"f(0)": 0}),
    Buggy("misspelt import", "improt math\n\ndef f(x):\n    return math.floor(x)\n", {"f(1.5)": 1}),
    Buggy("misspelt in", "def f(n):\n    for i ni range(n):\n        pass\n    return i\n", {"f(3)": 2}),
    Buggy("function", "function f(x):\n    return x\n", {"f(1)": 1}),
    Buggy(
        "else if",
        program("""
            def f(x):
                if x:
                    return 1
                else if x is None:
                    return 2
                return 3
        """),
        {"f(None)": 2},
    ),
    Buggy("++", "def f(x):\n    x++\n    return x\n", {"f(1)": 2}),
    Buggy("&&", "def f(a, b):\n    return a && b\n", {"f(1, 0)": 0}),
    Buggy("!", "def f(a):\n    return !a\n", {"f(0)": True}),
    Buggy("=>", "def f(a):\n    return a => 1\n", {"f(1)": True}),
    Buggy("unclosed text", "def f():\n    return 'hello\n", {"f()": "hello"}),
    Buggy("unclosed text in a call", 'def f(x):\n    return x.replace("a", "b)\n', {"f('a')": "b"}),
    Buggy("mixed quotes", "def f():\n    return 'hello\"\n", {"f()": "hello"}),
    Buggy("block not indented", "def f(x):\nreturn x\n", {"f(1)": 1}),
    Buggy("two lines not indented", "def f(x):\nx = x + 1\nreturn x\n", {"f(1)": 2}),
    Buggy("indented too far", "def f(x):\n    y = x\n        return y\n", {"f(1)": 1}),
    Buggy("indented too little", "def f(x):\n    if x:\n        y = 1\n      return y\n    return 0\n", {"f(1)": 1}),
    Buggy("tabs and blanks", "def f(x):\n    if x:\n\treturn 1\n    return 0\n", {"f(1)": 1}),
    Buggy("return outside", "def f(x):\n    y = x\nreturn y\n", {"f(1)": 1}),
    Buggy("an empty block", "def f(x):\n    if x:\n    return x\n", {"f(1)": 1}),
    Buggy("a missing comma", "def f():\n    return [1, 2 3]\n", {"f()": [1, 2, 3]}),
    Buggy("typographic quotes", "def f():\n    return \u201chello\u201d\n", {"f()": "hello"}),
    Buggy("fences", "```python\ndef f(x):\n    return x\n```\n", {"f(1)": 1}),
    Buggy("no parameter list", "def f:\n    return 1\n", {"f()": 1}),
    Buggy("three mistakes", "def f(x)\n    if x = 1:\n        retrun x + 1\n    return 0\n", {"f(1)": 2}),
)

NAMES = (
    Buggy("keyword like a call", "def f(x):\n    retrun (x + 1)\n", {"f(1)": 2}),
    Buggy(
        "misspelt variable",
        "def f(numbers):\n    return sum(numbesr)\n",
        {"f([1, 2])": 3},
        failed("f([1])", "1", "NameError: name 'numbesr' is not defined"),
    ),
    Buggy(
        "misspelt builtin",
        "def f(x):\n    return lenght(x)\n",
        {"f([1, 2])": 2},
        "NameError: name 'lenght' is not defined",
    ),
    Buggy(
        "true of another language",
        "def f(x):\n    return true if x else false\n",
        {"f(1)": True},
        "NameError: name 'true' is not defined",
    ),
    Buggy("null", "def f(x):\n    return null\n", {"f(1)": None}, "NameError: name 'null' is not defined"),
    Buggy(
        "missing import", "def f(x):\n    return math.sqrt(x)\n", {"f(4)": 2.0}, "NameError: name 'math' is not defined"
    ),
    Buggy(
        "missing from import",
        "def f(x):\n    return dict(Counter(x))\n",
        {"f('aa')": {"a": 2}},
        "NameError: name 'Counter' is not defined",
    ),
    Buggy(
        "misspelt method",
        "def f(x):\n    y = []\n    y.appned(x)\n    return y\n",
        {"f(1)": [1]},
        "AttributeError: 'list' object has no attribute 'appned'",
    ),
    Buggy(
        "push",
        "def f(x):\n    y = []\n    y.push(x)\n    return y\n",
        {"f(1)": [1]},
        "AttributeError: 'list' object has no attribute 'push'",
    ),
    Buggy(
        "length",
        "def f(x):\n    return x.length\n",
        {"f([1])": 1},
        "AttributeError: 'list' object has no attribute 'length'",
    ),
    Buggy(
        "length()",
        "def f(x):\n    return x.length() + 1\n",
        {"f('ab')": 3},
        "AttributeError: 'str' object has no attribute 'length'",
    ),
)

GUARDS = (
    Buggy(
        "mean of nothing",
        "def mean(v):\n    return sum(v) / len(v)\n",
        {"mean([])": 0.0, "mean([1, 2])": 1.5},
        failed("mean([])", "0.0", "ZeroDivisionError: division by zero"),
    ),
    Buggy(
        "mean of nothing, told",
        "def mean(v):\n    return sum(v) / len(v)\n",
        {"mean([])": None, "mean([4])": 4.0},
        "",
        "The mean. For an empty list it returns None.",
    ),
    Buggy(
        "mean of nothing, raised",
        "def mean(v):\n    return sum(v) / len(v)\n",
        {"mean([])": "raises ValueError"},
        failed("mean([])", "raises ValueError", "ZeroDivisionError: division by zero"),
    ),
    Buggy(
        "mean by a variable",
        'def mean(v):\n    """Mean."""\n    n = len(v)\n    return sum(v) / n\n',
        {"mean([])": 0.0},
        failed("mean([])", "0.0", "ZeroDivisionError: division by zero"),
    ),
    Buggy(
        "largest of nothing",
        "def largest(v):\n    return max(v)\n",
        {"largest([])": None, "largest([1, 2])": 2},
        failed("largest([])", "None", "ValueError: max() arg is an empty sequence"),
    ),
    Buggy(
        "first of nothing",
        "def first(v):\n    return v[0]\n",
        {"first([])": -1, "first([7])": 7},
        failed("first([])", "-1", "IndexError: list index out of range"),
    ),
    Buggy(
        "ratio by zero",
        "def ratio(a, b):\n    return a / b\n",
        {"ratio(1, 0)": 0.0, "ratio(1, 2)": 0.5},
        failed("ratio(1, 0)", "0.0", "ZeroDivisionError: division by zero"),
    ),
    Buggy(
        "None in a list",
        "def total(v):\n    t = 0\n    for x in v:\n        t += x\n    return t\n",
        {"total([1, None, 2])": 3},
        failed("total([1, None])", "1", "TypeError: unsupported operand type(s) for +=: 'int' and 'NoneType'"),
    ),
    Buggy(
        "None in a sum",
        "def total(v):\n    return sum(v)\n",
        {"total([1, None, 2])": 3},
        "",
        "Adds numbers; None is left out.",
    ),
    Buggy(
        "None as argument",
        "def size(v):\n    return len(v)\n",
        {"size(None)": 0, "size([1])": 1},
        failed("size(None)", "0", "TypeError: object of type 'NoneType' has no len()"),
    ),
)

BOUNDS = (
    Buggy(
        "search ends too early",
        program("""
            def find(a, t):
                lo, hi = 0, len(a) - 1
                while lo < hi:
                    m = (lo + hi) // 2
                    if a[m] == t:
                        return m
                    elif a[m] < t:
                        lo = m + 1
                    else:
                        hi = m - 1
                return -1
        """),
        {"[find([1, 2, 3], x) for x in (1, 2, 3, 4)]": [0, 1, 2, -1]},
    ),
    Buggy(
        "search never ends",
        program("""
            def find(a, t):
                lo = 0
                hi = len(a) - 1
                while lo <= hi:
                    m = (lo + hi) // 2
                    if a[m] == t:
                        return m
                    if a[m] < t:
                        lo = m
                    else:
                        hi = m
                return -1
        """),
        {"[find([1, 2, 3], x) for x in (0, 1, 2, 3, 4)]": [-1, 0, 1, 2, -1]},
    ),
    Buggy(
        "half-open search skips",
        program("""
            def find(a, t):
                lo = 0
                hi = len(a)
                while lo < hi:
                    m = (lo + hi) // 2
                    if a[m] == t:
                        return m
                    if a[m] < t:
                        lo = m + 1
                    else:
                        hi = m - 1
                return -1
        """),
        {"[find([1, 2, 3, 4], x) for x in (1, 2, 3, 4, 5)]": [0, 1, 2, 3, -1]},
    ),
    Buggy(
        "search starts behind the end",
        program("""
            def find(a, t):
                lo = 0
                hi = len(a)
                while lo <= hi:
                    m = (lo + hi) // 2
                    if a[m] == t:
                        return m
                    if a[m] < t:
                        lo = m + 1
                    else:
                        hi = m - 1
                return -1
        """),
        {"[find([1, 2, 3], x) for x in (1, 2, 3, 4)]": [0, 1, 2, -1]},
    ),
    Buggy(
        "search in the wrong half",
        program("""
            def find(a, t):
                lo = 0
                hi = len(a) - 1
                while lo <= hi:
                    m = (lo + hi) // 2
                    if a[m] == t:
                        return m
                    if a[m] > t:
                        lo = m + 1
                    else:
                        hi = m - 1
                return -1
        """),
        {"[find([1, 2, 3], x) for x in (1, 2, 3, 4)]": [0, 1, 2, -1]},
    ),
    Buggy(
        "middle is no whole number",
        program("""
            def find(a, t):
                lo = 0
                hi = len(a) - 1
                while lo <= hi:
                    m = (lo + hi) / 2
                    if a[m] == t:
                        return m
                    if a[m] < t:
                        lo = m + 1
                    else:
                        hi = m - 1
                return -1
        """),
        {"find([1, 2, 3], 3)": 2},
        "TypeError: list indices must be integers or slices, not float",
    ),
    Buggy(
        "range past the end",
        "def f(v):\n    s = 0\n    for i in range(len(v) + 1):\n        s += v[i]\n    return s\n",
        {"f([1, 2])": 3},
        "IndexError: list index out of range",
    ),
    Buggy(
        "neighbour past the end",
        program("""
            def f(v):
                return [v[i + 1] - v[i] for i in range(0)] or g(v)

            def g(v):
                r = []
                for i in range(len(v)):
                    r.append(v[i + 1] - v[i])
                return r
        """),
        {"g([1, 3, 6])": [2, 3]},
        "IndexError: list index out of range",
    ),
    Buggy("last element", "def f(v):\n    return v[len(v)]\n", {"f([1, 2])": 2}, "IndexError: list index out of range"),
    Buggy(
        "condition past the end",
        program("""
            def f(v):
                i = 0
                while i <= len(v):
                    v[i] += 1
                    i += 1
                return v
        """),
        {"f([1, 2])": [2, 3]},
        "IndexError: list index out of range",
    ),
    Buggy(
        "range ends too early",
        "def f(n):\n    r = 1\n    for i in range(1, n):\n        r *= i\n    return r\n",
        {"f(4)": 24},
        failed("f(4)", "24", "6"),
    ),
)

CONVERSIONS = (
    Buggy(
        "number joined to text",
        "def f(n):\n    return 'n=' + n\n",
        {"f(3)": "n=3"},
        failed("f(3)", "'n=3'", 'TypeError: can only concatenate str (not "int") to str'),
    ),
    Buggy(
        "text with a quote",
        'def f(n):\n    return "it\'s " + n\n',
        {"f(3)": "it's 3"},
        failed("f(3)", "x", 'TypeError: can only concatenate str (not "int") to str'),
    ),
    Buggy(
        "subscripts joined",
        "def f(d):\n    return d['a'] + ':' + d['b']\n",
        {"f({'a': 1, 'b': 2})": "1:2"},
        "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
    ),
    Buggy(
        "braces in the text",
        "def f(n):\n    return '{' + n + '}'\n",
        {"f(3)": "{3}"},
        'TypeError: can only concatenate str (not "int") to str',
    ),
    Buggy(
        "str of one only",
        "def f(a, b):\n    return str(a) + '-' + b\n",
        {"f(1, 2)": "1-2"},
        'TypeError: can only concatenate str (not "int") to str',
    ),
    Buggy(
        "text added to a number",
        "def f(v):\n    t = 0\n    for x in v:\n        t += x\n    return t\n",
        {"f([1, '2'])": 3},
        failed("f([1, '2'])", "3", "TypeError: unsupported operand type(s) for +=: 'int' and 'str'"),
    ),
    Buggy(
        "texts in a sum",
        "def f(v):\n    return sum(v)\n",
        {"f(['1', '2'])": 3},
        "TypeError: unsupported operand type(s) for +: 'int' and 'str'",
    ),
    Buggy(
        "text compared to a number",
        "def f(age):\n    return age >= 18\n",
        {"f('20')": True},
        "TypeError: '>=' not supported between instances of 'str' and 'int'",
    ),
    Buggy(
        "numbers joined",
        "def f(v):\n    return ', '.join(v)\n",
        {"f([1, 2])": "1, 2"},
        "TypeError: sequence item 0: expected str instance, int found",
    ),
    Buggy(
        "numbers joined, comprehension",
        "def f(v):\n    return ','.join(x * 2 for x in v)\n",
        {"f([1, 2])": "2,4"},
        "TypeError: sequence item 0: expected str instance, int found",
    ),
    Buggy(
        "digits of a number",
        "def f(n):\n    return sum(int(d) for d in n)\n",
        {"f(123)": 6},
        "TypeError: 'int' object is not iterable",
        "The sum of the digits.",
    ),
    Buggy(
        "counting to a number",
        "def f(n):\n    s = 0\n    for i in n:\n        s += i\n    return s\n",
        {"f(4)": 6},
        "TypeError: 'int' object is not iterable",
    ),
    Buggy(
        "length of a number",
        "def f(n):\n    return len(n)\n",
        {"f(123)": 3},
        "TypeError: object of type 'int' has no len()",
    ),
    Buggy(
        "list in a set",
        "def f(v):\n    seen = set()\n    for x in v:\n        seen.add(x)\n    return len(seen)\n",
        {"f([[1], [1]])": 1},
        "TypeError: unhashable type: 'list'",
    ),
)

FLOW = (
    Buggy(
        "sort returns None",
        "def f(v):\n    return v.sort()\n",
        {"f([2, 1])": [1, 2]},
        failed("f([2, 1])", "[1, 2]", "None"),
    ),
    Buggy(
        "sort with a key",
        "def f(v):\n    w = v.sort(key=len, reverse=True)\n    return w\n",
        {"f(['a', 'bb'])": ["bb", "a"]},
        failed("f([])", "[]", "None"),
    ),
    Buggy(
        "reverse returns None",
        "def f(v):\n    return v.reverse()\n",
        {"f([1, 2])": [2, 1]},
        failed("f([1, 2])", "[2, 1]", "None"),
    ),
    Buggy("result not returned", "def f(x):\n    x * 2\n", {"f(2)": 4}, failed("f(2)", "4", "None")),
    Buggy(
        "sum not returned",
        "def f(v):\n    s = 0\n    for x in v:\n        s += x\n",
        {"f([1, 2])": 3},
        failed("f([1, 2])", "3", "None"),
    ),
    Buggy(
        "list not returned",
        "def f(v):\n    r = []\n    for x in v:\n        if x:\n            r.append(x)\n",
        {"f([0, 2])": [2]},
        failed("f([0, 2])", "[2]", "None"),
    ),
    Buggy(
        "returned in the first round",
        "def f(v):\n    s = 0\n    for x in v:\n        s += x\n        return s\n",
        {"f([1, 2])": 3},
        failed("f([1, 2])", "3", "1"),
    ),
    Buggy(
        "shared default",
        "def f(x, r=[]):\n    r.append(x)\n    return r\n",
        {"[f(1), f(2)]": [[1], [2]]},
        failed("f(2)", "[2]", "[1, 2]"),
    ),
    Buggy(
        "identity of texts",
        "def f(x):\n    return x is 'ab'\n",
        {"f(''.join(['a', 'b']))": True},
        failed("f('ab')", "True", "False"),
    ),
)

SECURITY = (
    Buggy(
        "eval of JSON",
        "def f(t):\n    return eval(t)\n",
        {"f('[true]')": [True], "f('1+1')": "raises ValueError"},
        "",
        "Reads a JSON document.",
    ),
    Buggy(
        "eval of literals",
        "def f(t):\n    return eval(t)\n",
        {"f('[1, None]')": [1, None], "f('abs(1)')": "raises ValueError"},
    ),
    Buggy(
        "secret in a module",
        "SECRET_KEY = 'abcd-1234'\n\ndef f():\n    return SECRET_KEY\n",  # pragma: allowlist secret
        {"__import__('os').environ.update(SECRET_KEY='x') or f()": "x"},
    ),
    Buggy(
        "secret in a function",
        "def f():\n    password = 'hunter2'\n    return password\n",  # pragma: allowlist secret
        {"f()": "raises KeyError", "__import__('os').environ.update(DB_PASS='x') or f()": "x"},
        "",
        "The password is in the environment variable DB_PASS.",
    ),
    Buggy(
        "os.system",
        "import os\n\ndef f(name):\n    return os.system('test -n ' + name)\n",
        {"f('x; y')": "raises ValueError", "f('abc')": 0},
    ),
    Buggy(
        "format in a shell",
        program("""
            import subprocess

            def f(name):
                return subprocess.check_output('echo {}'.format(name), shell=True, text=True)
        """),
        {"f('abc')": "abc\n", "f('$(id)')": "raises ValueError"},
    ),
    Buggy(
        "f-string in a shell",
        program("""
            import subprocess

            def f(n):
                return subprocess.run(f'echo -n x={n}', shell=True, capture_output=True, text=True).stdout
        """),
        {"f('1')": "x=1", "f('-n')": "raises ValueError"},
    ),
    Buggy(
        "percent in a shell",
        program("""
            import subprocess

            def f(a, b):
                return subprocess.run('echo %s %s' % (a, b), shell=True, capture_output=True, text=True).stdout
        """),
        {"f('x', 'y')": "x y\n", "f('x', '|')": "raises ValueError"},
    ),
    Buggy("md5", "import hashlib\n\ndef f(x):\n    return len(hashlib.md5(x).hexdigest())\n", {"f(b'')": 64}),
    Buggy(
        "SQL",
        'def f(c, n):\n    return c.execute("SELECT * FROM t WHERE n = \'" + n + "\'")\n',
        {"f(type('C', (), {'execute': lambda s, *a: a})(), 'x')": ("SELECT * FROM t WHERE n = ?", ("x",))},
    ),
    Buggy(
        "SQL in an f-string",
        program("""
            def f(c, n, k):
                q = f'SELECT * FROM t WHERE n = {n} AND k = {k}'
                return c.execute(q)
        """),
        {"f(type('C', (), {'execute': lambda s, *a: a})(), 1, 2)": ("SELECT * FROM t WHERE n = ? AND k = ?", (1, 2))},
    ),
    Buggy(
        "SQL by percent",
        "def f(c, n):\n    return c.execute('SELECT * FROM t WHERE n = %s' % n)\n",
        {"f(type('C', (), {'execute': lambda s, *a: a})(), 1)": ("SELECT * FROM t WHERE n = ?", (1,))},
    ),
)

SLOW = "All tests pass, but the cost grows like n^2.9; the reference's like n^1.0"
EFFICIENCY = (
    Buggy(
        "cubic subarray",
        program("""
            def f(a):
                if not a:
                    return 0
                best = a[0]
                for i in range(len(a)):
                    for j in range(i, len(a)):
                        t = 0
                        for k in range(i, j + 1):
                            t += a[k]
                        if t > best:
                            best = t
                return best
        """),
        {"f([-2, 1, -3, 4, -1, 2, 1, -5, 4])": 6, "f([-3, -1])": -1, "f([])": 0, "f([1] * 20000)": 20000},
        SLOW,
    ),
    Buggy(
        "quadratic subarray",
        program("""
            def f(a):
                best = float('-inf')
                for i in range(len(a)):
                    t = 0
                    for j in range(i, len(a)):
                        t = t + a[j]
                        best = max(best, t)
                return best
        """),
        {"f([-2, 4, -1, 2])": 5, "f([-3, -1])": -1, "f([1] * 20000)": 20000},
        SLOW,
    ),
    Buggy(
        "subarray by slices",
        program("""
            def f(a):
                best = 0
                for i in range(len(a)):
                    for j in range(i + 1, len(a) + 1):
                        best = max(best, sum(a[i:j]))
                return best
        """),
        {"f([-2, 4, -1, 2])": 5, "f([-3, -1])": 0, "f([1] * 20000)": 20000},
        SLOW,
    ),
    Buggy(
        "subarray by slices and if",
        program("""
            def f(a):
                best = a[0]
                for i in range(len(a)):
                    for j in range(i + 1, len(a) + 1):
                        s = sum(a[i:j])
                        if s > best:
                            best = s
                return best
        """),
        {"f([-2, 4, -1, 2])": 5, "f([1] * 20000)": 20000},
        SLOW,
    ),
    Buggy(
        "two sum",
        program("""
            def f(a, t):
                for i in range(len(a)):
                    for j in range(i + 1, len(a)):
                        if a[i] + a[j] == t:
                            return [i, j]
                return []
        """),
        {"f([2, 7, 11, 15], 9)": [0, 1], "f([3, 3], 6)": [0, 1], "f([1], 2)": [], "f(list(range(20000)), -1)": []},
        SLOW,
    ),
    Buggy(
        "duplicates",
        program("""
            def f(a):
                for i in range(len(a)):
                    for j in range(i + 1, len(a)):
                        if a[i] == a[j]:
                            return True
                return False
        """),
        {"f([1, 2, 1])": True, "f([])": False, "f(list(range(20000)))": False},
        SLOW,
    ),
    Buggy(
        "unique values",
        program("""
            def f(a):
                r = []
                for x in a:
                    if x not in r:
                        r.append(x)
                return r
        """),
        {"f([2, 1, 2])": [2, 1], "len(f(list(range(40000))))": 40000},
        SLOW,
    ),
    Buggy(
        "fibonacci",
        "def f(n):\n    if n < 2:\n        return n\n    return f(n - 1) + f(n - 2)\n",
        {"f(10)": 55, "f(80)": 23416728348467685},
        SLOW,
    ),
)

ALL = (*SYNTAX, *NAMES, *GUARDS, *BOUNDS, *CONVERSIONS, *FLOW, *SECURITY, *EFFICIENCY)
