"""The static judge: orderings, determinism, hostile sources."""

import ast
import io
import pickle
import shelve
import ssl
import subprocess
import tempfile
from pathlib import Path

import pytest
from bandit.core.config import BanditConfig
from bandit.core.meta_ast import BanditMetaAst
from bandit.core.metrics import Metrics
from bandit.core.node_visitor import BanditNodeVisitor
from bandit.core.test_set import BanditTestSet

from services.judge import bandit_scan
from services.judge.snippets import load_snippets
from services.judge.static_analysis import analyse

KADANE = """
def max_subarray_sum(arr):
    if not arr:
        return 0
    best = current = arr[0]
    for value in arr[1:]:
        current = max(value, current + value)
        best = max(best, current)
    return best
"""
CUBIC = """
def max_subarray_sum(arr):
    best = arr[0]
    for i in range(len(arr)):
        for j in range(i, len(arr)):
            total = 0
            for k in range(i, j + 1):
                total += arr[k]
            if total > best:
                best = total
    return best
"""
TANGLED = """
def f(l, d={}):
    global z
    try:
        for a in l:
            for b in a:
                for c in b:
                    for e in c:
                        if e == None:
                            if a and b or c and e:
                                if d and l:
                                    z = 1
                                elif e > 3 and e < 9:
                                    z = 2
                                elif e > 9 and e < 12 or e > 15:
                                    z = 3
                                else:
                                    z = e and a or b and c
    except:
        pass
    return z
"""
WEAK = {
    "eval": "def f(text):\n    return eval(text)\n",
    "exec": "def f(text):\n    exec(text)\n",
    "shell": "import subprocess\ndef f(host):\n    return subprocess.run(f'ping {host}', shell=True)\n",
    "os.system": "import os\ndef f(host):\n    os.system('ping ' + host)\n",
    "token": "def f():\n    api_token = 'example-token-4f1d'\n    return api_token\n",
    "password": "PASSWORD = 'hunter2'\n",  # pragma: allowlist secret
    "default": "def f(password='hunter2'):\n    return password\n",  # pragma: allowlist secret
    "keyword": "connect(password='hunter2')\n",  # pragma: allowlist secret
    "dictionary": "settings = {'api_key': 'abcd1234'}\n",  # pragma: allowlist secret
    "known kind": "x = f(1)\ny = 'sk-live-0123456789abcdef'\n",
    "pickle": "import pickle\ndef f(data):\n    return pickle.loads(data)\n",
    "sql": 'def f(c, n):\n    return c.execute("SELECT * FROM t WHERE n = \'" + n + "\'")\n',
    "md5": "import hashlib\ndef f(x):\n    return hashlib.md5(x)\n",
}
SAFE = {
    "kadane": KADANE,
    "json": "import json\ndef f(text):\n    return json.loads(text)\n",
    "argv": "import subprocess\ndef f(host):\n    return subprocess.run(['ping', '-c', '1', host])\n",
    "environment": "import os\ndef f():\n    api_token = os.environ['API_TOKEN']\n    return api_token\n",
    "parser": "def f(token):\n    return token == '(' or token == 'identifier'\n",
    "key of a dictionary": "def f(d, key='name'):\n    return d[key]\n",
    "empty default": "def f(password=''):\n    return password\n",
    "placeholder": "password = '<your password>'\n",
}


def test_a_good_fix_comes_out_high():
    analysis = analyse(KADANE, KADANE)
    assert analysis["security"] == 1.0
    assert analysis["quality"] >= 0.9
    assert analysis["security_reason"] == "Static analysis finds no weakness."


@pytest.mark.parametrize("name", WEAK)
def test_a_weakness_costs_security(name):
    assert analyse(WEAK[name])["security"] <= 0.7
    assert "line" in analyse(WEAK[name])["security_reason"]


@pytest.mark.parametrize("name", SAFE)
def test_safe_code_keeps_its_security(name):
    assert analyse(SAFE[name])["security"] == 1.0


def test_two_weaknesses_cost_more_than_one():
    assert analyse(WEAK["eval"] + WEAK["shell"])["security"] < analyse(WEAK["eval"])["security"]


def test_worse_code_has_less_quality():
    kadane, cubic, tangled = (analyse(code, KADANE)["quality"] for code in (KADANE, CUBIC, TANGLED))
    assert kadane > cubic > tangled + 0.2


@pytest.mark.parametrize(
    "flaw",
    [
        "def f(x):\n    try:\n        return g(x)\n    except:\n        return 0\n",
        "def f(x=[]):\n    return x\n",
        "from os import *\n\ndef f(x):\n    return x\n",
        "def f(x):\n    return x == None\n",
        "def f(list):\n    return list\n",
        "def badName(x):\n    return x\n",
        "def f(x):\n    l = x\n    return l\n",
        "def f(x):\n    global y\n    y = x\n",
        "def f(a, b, c, d, e, g, h, i):\n    return a\n",
    ],
)
def test_a_flaw_of_style_costs_quality(flaw):
    assert analyse(flaw)["quality"] < analyse("def f(x):\n    return x\n")["quality"]
    assert "style flaw" in analyse(flaw)["quality_reason"]


def test_length_beyond_the_reference_costs_quality():
    long = "def f(x):\n" + "".join(f"    x = x + {n}\n" for n in range(30)) + "    return x\n"
    assert analyse(long, "def f(x):\n    return x + 435\n")["quality"] < analyse(long, long)["quality"]


@pytest.mark.parametrize(
    "prose",
    ["# a helpful comment\n" * 30, '"""Very well documented."""\n', "x = 1  # nosec\n"],
    ids=["#", '"', "nosec"],
)
def test_prose_raises_no_score(prose):
    assert analyse(prose + CUBIC, KADANE)["quality"] <= analyse(CUBIC, KADANE)["quality"]
    assert analyse(prose + WEAK["eval"])["security"] == analyse(WEAK["eval"])["security"]


def test_nosec_has_no_effect():
    assert analyse("eval(x)  # nosec\n")["security"] == analyse("eval(x)\n")["security"] < 1.0


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        ("def f(:\n", "line 1"),
        ("x = 1\n  y = 2\n", "line 2"),
        ("-" * 100_000 + "1", "nested too deeply"),
        ("a = 1\n" * 40_000, "syntax nodes"),
        ("x = '\ud800'", "cannot be analysed"),
    ],
    ids=["syntax", "indentation", "nested", "large", "surrogate"],
)
def test_what_cannot_be_analysed_scores_nothing_and_says_why(code, reason):
    analysis = analyse(code)
    assert (analysis["security"], analysis["quality"], analysis["readable"]) == (0.0, 0.0, False)
    assert reason in analysis["security_reason"]
    assert analysis == analyse(code)


def test_a_broken_reference_does_not_hide_the_fix():
    assert analyse(KADANE, "def f(:\n")["security"] == 1.0


@pytest.mark.parametrize("code", [KADANE, CUBIC, TANGLED, *WEAK.values(), *SAFE.values()])
def test_the_same_source_gets_the_same_scores(code):
    first, second = analyse(code, KADANE), analyse(code, KADANE)
    assert first == second
    assert 0.0 <= first["security"] <= 1.0
    assert 0.0 <= first["quality"] <= 1.0
    for reason in (first["security_reason"], first["quality_reason"]):
        assert reason.endswith(".")
        assert "\n" not in reason


async def test_a_worker_gives_the_same_scores(reader):
    assert await reader.analyse(TANGLED, KADANE) == analyse(TANGLED, KADANE)


async def test_hostile_sources_do_not_hurt_the_reader(reader):
    for code in ("(" * 10_000, "-" * 200_000 + "1", "a" + ".b" * 60_000, "[" * 90 + "]" * 90, "x" * 250_000):
        analysis = await reader.analyse(code, "")
        assert 0.0 <= analysis["quality"] <= 1.0
    assert (await reader.analyse(KADANE, KADANE))["security"] == 1.0


def own_run_of_bandit(code):
    tests = BanditTestSet(BanditConfig(), {"exclude": bandit_scan.EXCLUDED_TESTS})
    visitor = BanditNodeVisitor("./fix.py", io.BytesIO(code.encode()), BanditMetaAst(), tests, False, {}, Metrics())
    visitor.process(code)
    return visitor.tester.results


def test_bandit_finds_what_it_finds_when_it_runs_by_itself():
    codes = [snippet.code for snippet in load_snippets()]
    codes += [path.read_text() for path in sorted(Path(bandit_scan.__file__).parent.glob("*.py"))]
    codes += [Path(module.__file__).read_text() for module in (subprocess, tempfile, ssl, pickle, shelve)]
    found = 0
    for code in codes:
        own = [(one.lineno, one.test_id, one.severity, one.confidence, one.text) for one in own_run_of_bandit(code)]
        ours = bandit_scan.issues(code, ast.parse(code))
        assert [(one.lineno, one.test_id, one.severity, one.confidence, one.text) for one in ours] == own
        found += len(own)
    assert found > 30
