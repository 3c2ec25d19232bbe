"""What flows into a sink, and what does not."""

import ast
import textwrap

import pytest

from services.judge.dataflow import flows
from services.judge.static_analysis import analyse

HARMFUL = {
    "sql": ["db.execute('SELECT ' + x)", "db.cursor().execute(f'SELECT {x}')", "db.executescript('DROP %s' % x)"],
    "command": ["os.system('ls ' + x)", "os.popen(x)", "subprocess.run(f'ls {x}', shell=True)"],
    "code": ["eval(x)", "exec(x.strip())", "compile(x, 'f', 'exec')"],
    "objects": ["pickle.loads(x)", "marshal.loads(x)", "yaml.load(x, Loader=yaml.Loader)", "shelve.open(x)"],
    "path": [
        "open('/srv/' + x)",
        "open(os.path.join('/srv', x))",
        "(ROOT / x).read_text()",
        "os.remove(f'/srv/{x}')",
        "shutil.rmtree('/srv/{}'.format(x))",
    ],
    "address": ["urllib.request.urlopen(x)", "requests.get(x, timeout=1)", "httpx.post('http://' + x)"],
    "page": ["Markup('<b>' + x)", "render_template_string(f'<p>{x}')"],
}
HARMLESS = [
    "db.execute('SELECT ?', (x,))",
    "db.execute('SELECT 1')",
    "db.execute(select(users).where(users.name == x))",
    "db.execute(f'SELECT {int(x)}')",
    "subprocess.run(['ls', x])",
    "subprocess.run(x.split(), shell=False)",
    "os.system('ls ' + shlex.quote(x))",
    "ast.literal_eval(x)",
    "json.loads(x)",
    "yaml.safe_load(x)",
    "yaml.load(x, Loader=yaml.SafeLoader)",
    "open(x)",
    "open('/srv/' + os.path.basename(x))",
    "Markup('<b>') + html.escape(x)",
    "requests.get('https://example.org', params={'q': x})",
    "print('SELECT ' + x)",
    "re.sub('a', 'b', x)",
]
ROUNDABOUT = {
    "through a variable": "y = 'SELECT ' + x\ndb.execute(y)",
    "through two": "y = x.lower()\nz = f'{y}'\ndb.execute(z)",
    "through a list": "parts = ['SELECT', x]\ndb.execute(' '.join(parts))",
    "through a helper": "db.execute(build(x))",
    "in a loop": "for part in x:\n    os.system(part)",
    "grown": "y = 'SELECT '\ny += x\ndb.execute(y)",
    "in a branch": "if x:\n    db.execute('SELECT ' + x)",
    "in a handler": "try:\n    pass\nexcept ValueError:\n    eval(x)",
    "opened with": "with open('/srv/' + x) as file:\n    return file.read()",
    "a block list": "if 'import' in x:\n    raise ValueError\neval(x)",
    "a check that does nothing": "if x not in NAMES:\n    print(x)\ndb.execute('SELECT ' + x)",
    "a check of another": "if y not in NAMES:\n    raise ValueError\ndb.execute('SELECT ' + x)",
    "a check that comes too late": "db.execute('SELECT ' + x)\nif x not in NAMES:\n    raise ValueError",
    "written over by itself": "x = x.replace('../', '')\np = '/srv/' + x\nopen(p)",
    "a cleaner of its own": "return eval(int(x))\ndef int(x):\n    return x",
    "half a check": "if not x.isalnum() and y:\n    raise ValueError\ndb.execute('SELECT ' + x)",
    "a prefix of what is not resolved": "p = '/srv/' + x\nif not p.startswith('/srv/'):\n    raise ValueError\nopen(p)",
    "by keyword": "subprocess.run(args='ls ' + x, shell=True)",
    "a template": "env.from_string('<p>' + x)",
    "the command line": "import sys\nos.system(sys.argv[1])",
}
CHECKED = {
    "a list of what is allowed": "if x not in NAMES:\n    raise ValueError\ndb.execute('SELECT ' + x)",
    "inside the check": "if x in NAMES:\n    db.execute('SELECT ' + x)",
    "letters alone": "if not x.isalnum():\n    raise ValueError\nopen('/srv/' + x)",
    "a pattern": "if re.fullmatch('[a-z]+', x) is None:\n    return None\nopen('/srv/' + x)",
    "below a folder": "p = (ROOT / x).resolve()\nif not p.is_relative_to(ROOT):\n    raise ValueError\np.read_text()",
    "a prefix of what is resolved": (
        "p = os.path.realpath('/srv/' + x)\nif not p.startswith('/srv/'):\n    raise ValueError\nopen(p)"
    ),
    "either of two lists": "if x not in A and x not in B:\n    raise ValueError\ndb.execute('SELECT ' + x)",
    "the caller's folder": "open(os.path.join(x, 'log.txt'))",
    "a host": "p = urlparse(x)\nif p.hostname not in HOSTS:\n    raise ValueError\nurllib.request.urlopen(x)",
    "a number": "n = int(x)\ndb.execute(f'SELECT {n}')",
    "written over": "x = 'all'\ndb.execute('SELECT ' + x)",
    "mapped": "column = COLUMNS[0]\ndb.execute('SELECT ' + column)",
}


def kinds(body, head="def f(x, y):"):
    return [flow.kind for flow in flows(ast.parse(head + "\n" + textwrap.indent(body, "    ")))]


@pytest.mark.parametrize(("kind", "call"), [(kind, call) for kind, calls in HARMFUL.items() for call in calls])
def test_a_parameter_in_a_sink_is_found(kind, call):
    assert kinds(f"return {call}") == [kind]


@pytest.mark.parametrize("call", HARMLESS)
def test_what_does_no_harm_is_not_found(call):
    assert kinds(f"return {call}") == []


@pytest.mark.parametrize("name", ROUNDABOUT)
def test_a_value_is_followed(name):
    assert len(kinds(ROUNDABOUT[name])) == 1


@pytest.mark.parametrize("name", CHECKED)
def test_a_checked_value_is_ours(name):
    assert kinds(CHECKED[name]) == []


def test_methods_and_inner_functions_are_read():
    code = "class A:\n    def f(self, x):\n        def g(z):\n            return eval(z)\n        return g(x)\n"
    assert [flow.line for flow in flows(ast.parse(code))] == [4]


def test_a_sink_of_the_tasks_own_weighs_more():
    code = "def f(db, x):\n    return db.execute('SELECT ' + x)\n"
    own = analyse(code, buggy_code=code)["security"]
    other = analyse(code, reference_code="def f(x):\n    return eval(x)\n")["security"]
    assert own < other < 1.0


def test_one_weakness_counts_once():
    code = "import os\n\ndef f(x):\n    os.system('ls ' + x)\n"
    assert analyse(code)["security"] == pytest.approx(0.3)


@pytest.mark.parametrize("name", ["make_token", "session_key", "one_time_code", "reset_password"])
def test_a_secret_is_not_drawn_by_random(name):
    assert analyse(f"import random\n\ndef {name}():\n    return random.choice('ab')\n")["security"] < 0.5
    assert analyse(f"import secrets\n\ndef {name}():\n    return secrets.choice('ab')\n")["security"] == 1.0


def test_a_secret_variable_is_not_drawn_by_random():
    assert analyse("import random\n\ndef f():\n    token = random.random()\n    return token\n")["security"] < 0.5


@pytest.mark.parametrize(
    "body",
    [
        "e = eval\n    return e(x)",
        "return __builtins__['ev' + 'al'](x)",
        "return getattr(x, 'a' + y)()",
        "return map(eval, x)",
    ],
)
def test_code_that_is_run_by_a_back_way_is_seen(body):
    assert analyse(f"def f(x, y):\n    {body}\n")["security"] < 0.7


def test_a_signature_is_compared_in_constant_time():
    head = "import hmac\n\ndef f(key, message, signature):\n    own = hmac.new(key, message, 'sha256').hexdigest()\n"
    assert analyse(head + "    return hmac.compare_digest(own, signature)\n")["security"] == 1.0
    direct = "    return hmac.new(key, message, 'sha256').hexdigest() == signature\n"
    assert analyse(head + direct)["security"] < 0.7


def test_a_game_may_draw_by_random():
    assert analyse("import random\n\ndef roll():\n    return random.randint(1, 6)\n")["security"] >= 0.9


async def test_hostile_programs_end(reader):
    chain = "def f(x):\n" + "".join(f"    a{n + 1} = a{n} + x\n" for n in range(3000)) + "    eval(a3000)\n"
    nest = "def f(x):\n" + "".join("    " * (n + 1) + "if x:\n" for n in range(80)) + "    " * 81 + "eval(x)\n"
    for code in (chain, nest, "def f(x):\n    return " + "+".join(["x"] * 9000) + "\n"):
        assert 0.0 <= (await reader.analyse(code, ""))["security"] <= 1.0
