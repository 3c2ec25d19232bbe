"""The catalogue: what it accepts, what it says of what it refuses, and what it shows to whom."""

from collections import Counter
from pathlib import Path

import pytest

from codearena.v1 import core_pb2 as core
from services.env.catalogue import Catalogue, UnknownTaskError, load_catalogue
from services.env.page_tokens import InvalidPageTokenError
from services.env.task_files import MAX_FILE_BYTES, CatalogueError
from services.env.task_schema import Difficulty
from tests.task_files import DEMO

GOOD = """\
id: double-1
title: Doubling
category: numbers
difficulty: easy
function: double
description: Returns twice the number.
bug: It adds one.
buggy_code: |
  def double(x):
      return x + 1
reference: |
  def double(x):
      return 2 * x
cases:
  - name: three
    call: double(3)
    expected: 6
  - name: text
    hidden: true
    setup: y = "secret-input"
    call: double(y)
    expected: secret-inputsecret-input
  - name: nothing
    hidden: true
    call: double(None)
    raises: TypeError
growth:
  setup: xs = [seed] * n
  call: double(xs)
  sizes: [1, 2]
limits: {cpu_seconds: 0.5, memory_mb: 64}
"""


DRAW = "draws:\n  - name: any\n"
DRAWN = "    inputs: x = 1\n    call: double(x)\n"


@pytest.fixture(scope="module")
def catalogue():
    return load_catalogue(DEMO)


def write(folder, text=GOOD, name="task.yaml"):
    file = folder / name
    file.write_text(text)
    return file


def problems(*files):
    with pytest.raises(CatalogueError) as caught:
        load_catalogue(list(files))
    return [(problem.file.name, problem.line, problem.field, problem.message) for problem in caught.value.problems]


def load_one(folder, text=GOOD):
    return load_catalogue([write(folder, text)]).get("double-1")


WRONG = [
    ("a missing field", "title: Doubling\n", "", 1, "title", "Field required"),
    ("an unknown field", "bug:", "hint: x\nbug:", 7, "hint", "Extra inputs"),
    ("an unknown difficulty", "difficulty: easy", "difficulty: trivial", 4, "difficulty", "'easy', 'medium'"),
    ("an id with a slash", "id: double-1", "id: a/b", 1, "id", "pattern"),
    ("a call that does not compile", "call: double(3)", "call: double(3", 16, "cases[0].call", "does not compile"),
    ("a call of statements", "call: double(3)", "call: x = 1", 16, "cases[0].call", "does not compile"),
    ("a setup that does not compile", 'setup: y = "', 'setup: y = = "', 20, "cases[1].setup", "does not compile"),
    ("no expectation", "    expected: 6\n", "", 15, "cases[0]", "exactly one"),
    ("two expectations", "    expected: 6\n", "    expected: 6\n    raises: X\n", 15, "cases[0]", "exactly one"),
    ("a bad literal", "expected: 6", "expected_literal: f(6)", 15, "cases[0]", "not a Python literal"),
    ("a date", "expected: 6", "expected: 2020-01-01", 15, "cases[0]", "not a Python literal"),
    ("an unknown exception", "raises: TypeError", "raises: OopsError", 26, "cases[2].raises", "'OopsError'"),
    (
        "an unknown checker",
        "expected: 6",
        "expected: 6\n    checker: fuzzy",
        18,
        "cases[0].checker",
        "'equal', 'approx'",
    ),
    ("one name twice", "name: text", "name: three", 18, "cases[1].name", "two cases have the name 'three'"),
    ("no cases", GOOD[GOOD.index("cases:") : GOOD.index("growth:")], "cases: []\n", 14, "cases", "at least 1"),
    ("a reference that does not compile", "return 2 * x", "return 2 *", 11, "reference", "line 2 of the text"),
    (
        "a reference of another function",
        "double(x):\n      return 2",
        "twice(x):\n      return 2",
        11,
        "reference",
        "does not define",
    ),
    (
        "a slow solution that does not compile",
        "cases:",
        "slow: def\ncases:",
        14,
        "slow.slow",
        "line 1 of the text",
    ),
    (
        "a slow solution of another function",
        "cases:",
        "slow:\n  patient: 'x = 1'\ncases:",
        15,
        "slow.patient",
        "does not define 'double'",
    ),
    ("a slow solution with a taken name", "cases:", "slow: {bug: 'x = 1'}\ncases:", 14, "slow.bug", "'bug'"),
    ("slow solutions as a list", "cases:", "slow: ['x = 1']\ncases:", 14, "slow", "a mapping of names"),
    ("sizes that fall", "sizes: [1, 2]", "sizes: [2, 1]", 30, "growth.sizes", "ascending"),
    ("one size", "sizes: [1, 2]", "sizes: [2]", 30, "growth.sizes", "at least 2"),
    (
        "a limit of nothing",
        "cpu_seconds: 0.5",
        "cpu_seconds: 0",
        31,
        "limits.cpu_seconds",
        "greater than or equal to 0.001",
    ),
    ("a later format", "title: Doubling", "format: 2\ntitle: Doubling\nnews: 1", 2, "format", "2 is later than 1"),
    ("a format of no number", "title: Doubling", "format: one\ntitle: Doubling", 2, "format", "should be 1"),
    ("a setup that returns", 'setup: y = "secret-input"', "setup: return 1", 20, "cases[1].setup", "outside function"),
    ("a call that waits", "call: double(3)", "call: await double(3)", 16, "cases[0].call", "'await' outside"),
    ("a draw without inputs", "growth:", f"{DRAW}    call: double(1)\ngrowth:", 28, "draws[0].inputs", "required"),
    (
        "a draw that draws nothing",
        "growth:",
        f"{DRAW}    inputs: y = 1\n    call: double(x)\ngrowth:",
        29,
        "draws[0].inputs",
        "gives no value to a name",
    ),
    (
        "a draw that does not compile",
        "growth:",
        f"{DRAW}    inputs: x = (\n    call: double(x)\ngrowth:",
        29,
        "draws[0].inputs",
        "does not compile",
    ),
    (
        "a draw that no scope holds",
        "growth:",
        f"{DRAW}    inputs: nonlocal x\n    call: double(x)\ngrowth:",
        29,
        "draws[0].inputs",
        "does not compile",
    ),
    (
        "a draw with the name of a case",
        "growth:",
        f"{DRAW.replace('any', 'text')}    inputs: x = 1\n    call: double(x)\ngrowth:",
        28,
        "draws[0].name",
        "two cases have the name 'text'",
    ),
    ("too many draws", "growth:", f"{DRAW}    count: 101\n{DRAWN}growth:", 29, "draws[0].count", "equal to 100"),
    ("a draw with a field twice", "growth:", f"{DRAW}{DRAWN}    inputs: x = 2\ngrowth:", 31, "inputs", "given twice"),
    ("both kinds of tests", "cases:", "tests: {hidden: assert double(1)}\ncases:", 14, "tests", "give either tests"),
    ("neither kind of tests", GOOD[GOOD.index("cases:") : GOOD.index("growth:")], "", 1, "cases", "at least one"),
    (
        "code without a test",
        GOOD[GOOD.index("cases:") : GOOD.index("growth:")],
        "tests: {hidden: x = 1}\n",
        14,
        "tests.hidden",
        "no test is found",
    ),
    ("a module of the library", "cases:", "modules: {random: x = 1}\ncases:", 14, "modules.random", "another module"),
    ("a module that is the fix", "cases:", "modules: {fix: x = 1}\ncases:", 14, "modules.fix", "another module"),
    ("a keyword as a module", "cases:", "modules: {import: x = 1}\ncases:", 14, "modules.import", "keyword"),
    ("a module with a dot", "cases:", "modules: {a.b: x = 1}\ncases:", 14, "modules.a.b", "pattern"),
    ("a module that does not compile", "cases:", "modules: {a: x = }\ncases:", 14, "modules.a", "does not compile"),
    ("a field given twice", "bug: It adds one.", "bug: It adds one.\nbug: again", 8, "bug", "given twice"),
    ("broken YAML", "title: Doubling", "title: [Doubling", 3, "", "expected"),
    ("a YAML tag that calls", "bug: It", "bug: !!python/object/apply:os.system It", 7, "", "could not determine"),
    ("a YAML tag that makes objects", "bug: It", "bug: !!python/name:os.system It", 7, "", "could not determine"),
]


@pytest.mark.parametrize(("old", "new", "line", "field", "message"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_mistake_is_named_with_file_line_and_field(tmp_path, old, new, line, field, message):
    assert old in GOOD
    ((file, found_line, found_field, text),) = problems(write(tmp_path, GOOD.replace(old, new, 1)))
    assert (file, found_line, found_field) == ("task.yaml", line, field)
    assert message in text


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "mapping"),
        ("- 1\n", "mapping"),
        ("a: 1\n--- \nb: 2\n", "another document"),
        ("[" * 5000, "exceeded"),
        ("a: &a [*a]\n", "values"),
        ("x0: &x0 [1, 1]\n" + "".join(f"x{i}: &x{i} [*x{i - 1}, *x{i - 1}]\n" for i in range(1, 40)), "values"),
        ("#" * (MAX_FILE_BYTES + 1), "larger"),
    ],
    ids=["empty", "list", "two documents", "deep", "alias of itself", "exploding aliases", "too large"],
)
def test_a_file_that_is_no_task_is_refused(tmp_path, text, message):
    ((_, _, _, found),) = problems(write(tmp_path, text))
    assert message in found


def test_bytes_that_are_not_text_are_refused(tmp_path):
    (tmp_path / "task.yaml").write_bytes(b"id: \xff")
    assert problems(tmp_path) == [("task.yaml", 1, "", "is not UTF-8")]


def test_all_problems_of_all_files_are_told_at_once(tmp_path):
    write(tmp_path, GOOD.replace("title: Doubling\n", ""), "a.yaml")
    write(tmp_path, GOOD.replace("sizes: [1, 2]", "sizes: [2]").replace("easy", "trivial"), "b.yaml")
    assert [problem[::2] for problem in problems(tmp_path)] == [
        ("a.yaml", "title"),
        ("b.yaml", "difficulty"),
        ("b.yaml", "growth.sizes"),
    ]


def test_an_id_may_be_used_once(tmp_path):
    write(tmp_path, GOOD, "a.yaml")
    write(tmp_path, GOOD, "b.yaml")
    ((file, line, field, message),) = problems(tmp_path)
    assert (file, line, field) == ("b.yaml", 1, "id")
    assert "a.yaml" in message


@pytest.mark.parametrize("taken", ["numbers", "easy", "auto"])
def test_an_id_must_not_be_a_selector(tmp_path, taken):
    ((_, _, field, _),) = problems(write(tmp_path, GOOD.replace("double-1", taken)))
    assert field == "id"


def test_a_path_without_tasks_is_an_error(tmp_path):
    assert problems(tmp_path)[0][3] == "no task found"
    assert problems(tmp_path / "absent.yaml")[0][3] == "No such file or directory"


def test_files_and_folders_may_overlap(tmp_path):
    file = write(tmp_path)
    assert len(load_catalogue([tmp_path, file])) == 1


def test_an_unknown_id_is_told(catalogue):
    with pytest.raises(UnknownTaskError, match="nope"):
        catalogue.get("nope")
    with pytest.raises(UnknownTaskError, match="expert"):
        catalogue.select("expert")


def test_selection_by_id_category_and_difficulty(catalogue):
    assert catalogue.select("hard-1", 3).id == "hard-1"
    assert {catalogue.select("type_errors", seed).category for seed in range(20)} == {"type_errors"}
    by_difficulty = {catalogue.select("easy", seed).id for seed in range(60)}
    assert by_difficulty == {"easy-1", "type_errors-1", "type_errors-2", "security_bugs-2"}


def test_the_same_seed_draws_the_same_task(catalogue):
    again = load_catalogue(DEMO)
    assert [catalogue.select("auto", seed) for seed in range(50)] == [again.select("auto", seed) for seed in range(50)]


def test_auto_draws_every_task_about_equally_often(catalogue):
    drawn = Counter(catalogue.select("auto", seed).id for seed in range(1800))
    assert len(drawn) == 9
    assert 140 < min(drawn.values()) <= max(drawn.values()) < 260


def test_auto_leaves_quarantined_tasks_out(catalogue):
    kept_out = {"hard-1", "easy-1", "type_errors-1"}
    smaller = Catalogue(list(catalogue), kept_out)
    assert {smaller.select("auto", seed).id for seed in range(200)} == {task.id for task in catalogue} - kept_out
    assert [task.id for task in smaller] == [task.id for task in catalogue]
    assert smaller.digest == catalogue.digest


def test_every_other_selector_still_draws_quarantined_tasks(catalogue):
    smaller = Catalogue(list(catalogue), {"hard-1", "type_errors-1"})
    assert smaller.select("hard-1").id == "hard-1"
    for selector in ("type_errors", "hard"):
        drawn = [[held.select(selector, seed).id for seed in range(40)] for held in (smaller, catalogue)]
        assert drawn[0] == drawn[1]


def test_something_must_be_left_for_auto(catalogue):
    with pytest.raises(ValueError, match="every task is quarantined"):
        Catalogue(list(catalogue), [task.id for task in catalogue])


def test_difficulties_are_those_with_tasks(catalogue):
    assert catalogue.difficulties == (Difficulty.EASY, Difficulty.MEDIUM, Difficulty.HARD)


def all_pages(catalogue, size, **filters):
    token, ids = "", []
    while True:
        page = catalogue.page(page_size=size, token=token, **filters)
        ids.append([task.id for task in page.tasks])
        token = page.next_token
        if not token:
            return ids


def test_pages_hold_every_task_once_in_order(catalogue):
    ids = [task.id for task in catalogue]
    assert ids == sorted(ids)
    assert all_pages(catalogue, 4) == [ids[:4], ids[4:8], ids[8:]]
    assert all_pages(catalogue, 9) == [ids]
    assert all_pages(catalogue, 0) == [ids]


def test_pages_are_filtered(catalogue):
    found = all_pages(catalogue, 2, category="type_errors", difficulty=Difficulty.EASY)
    assert found == [["type_errors-1", "type_errors-2"]]
    assert catalogue.page(category="type_errors", page_size=1).total == 3
    assert catalogue.page(category="absent").tasks == ()


@pytest.mark.parametrize("token", ["x", "AAAA", "é", "a" * 10_000, "=" * 8])
def test_a_token_of_somebody_else_is_refused(catalogue, token):
    with pytest.raises(InvalidPageTokenError):
        catalogue.page(token=token)


def test_a_token_belongs_to_its_filter(catalogue):
    token = catalogue.page(page_size=1).next_token
    with pytest.raises(InvalidPageTokenError):
        catalogue.page(category="easy", token=token)


@pytest.mark.parametrize("size", [-1, 501])
def test_a_page_size_out_of_range_is_refused(catalogue, size):
    with pytest.raises(ValueError, match="page_size"):
        catalogue.page(page_size=size)


def test_a_token_outlives_the_task_it_was_made_at(catalogue):
    token = catalogue.page(page_size=2).next_token
    smaller = Catalogue([task for task in catalogue if task.id != "hard-1"])
    assert smaller.page(page_size=1, token=token).tasks[0].id == "medium-1"


def test_the_public_task_hides_what_is_hidden(tmp_path):
    public = load_one(tmp_path).to_public()
    assert [(test.name, test.call, test.expected) for test in public.visible_tests] == [("three", "double(3)", "6")]
    assert public.hidden_test_count == 2
    assert public.difficulty == core.DIFFICULTY_EASY
    shown = str(public)
    assert [text for text in ("secret", "2 * x", "TypeError", "adds one") if text in shown] == []


def test_no_shipped_task_shows_hidden_cases_or_its_reference(catalogue):
    for task in catalogue:
        public = task.to_public()
        shown = str(public)
        assert task.reference not in (public.buggy_code, public.description)
        assert task.bug not in shown
        hidden = {case.name for case in task.cases if case.hidden}
        assert hidden.isdisjoint(test.name for test in public.visible_tests)
        assert [case.call for case in task.cases if case.hidden and case.call in shown] == []


def test_the_suite_carries_everything(tmp_path):
    task = load_one(tmp_path)
    suite = task.to_suite()
    assert [case.name for case in suite.cases] == ["three", "text", "nothing"]
    assert suite.cases[1].setup == 'y = "secret-input"'
    assert suite.cases[1].expected_literal == "'secret-inputsecret-input'"
    assert (suite.cases[2].WhichOneof("expectation"), suite.cases[2].raises) == ("raises", "TypeError")
    assert suite.reference_code == task.reference
    assert (list(suite.growth.sizes), suite.growth.budget.ToMilliseconds()) == ([1, 2], 150)
    assert (suite.limits.cpu_time.ToMilliseconds(), suite.limits.memory_bytes) == (500, 64 * 1024 * 1024)
    assert not suite.limits.HasField("wall_time")
    assert task.to_suite() is suite


def test_visible_cases_come_first_in_the_suite(tmp_path):
    text = GOOD.replace("  - name: three\n", "  - name: three\n    hidden: true\n").replace(
        "hidden: true\n    setup", "setup"
    )
    assert [case.name for case in load_one(tmp_path, text).to_suite().cases] == ["text", "three", "nothing"]


@pytest.mark.parametrize(
    ("field", "literal"),
    [
        ("expected: null", "None"),
        ("expected: [1, 2.5, {a: true}]", "[1, 2.5, {'a': True}]"),
        ("expected: .nan", "nan"),
        ("expected: -.inf", "-inf"),
        ("expected_literal: '(1, {2, 3}, b\"x\", set())'", '(1, {2, 3}, b"x", set())'),
    ],
)
def test_expectations_become_literals(tmp_path, field, literal):
    task = load_one(tmp_path, GOOD.replace("expected: 6", field))
    assert task.to_suite().cases[0].expected_literal == literal
    assert task.to_public().visible_tests[0].expected == literal


def test_an_anchor_shares_a_setup_between_cases(tmp_path):
    text = GOOD.replace("    call: double(3)\n", "    setup: &s z = 1\n    call: double(3)\n")
    text = text.replace("    call: double(None)\n", "    setup: *s\n    call: double(None)\n")
    assert [case.setup for case in load_one(tmp_path, text).cases] == ["z = 1", 'y = "secret-input"', "z = 1"]


def test_the_digest_follows_the_content(tmp_path):
    digest = load_one(tmp_path).digest
    assert len(digest) == 64
    assert load_one(tmp_path, "# a comment\n" + GOOD).digest == digest
    changed = [("expected: 6", "expected: 7"), ("hidden: true\n    setup", "hidden: false\n    setup"), ("0.5", "0.6")]
    assert digest not in [load_one(tmp_path, GOOD.replace(old, new, 1)).digest for old, new in changed]


SLOW = """\
slow: |
  def double(x):
      return sum(x for _ in range(2))
"""


def test_slow_solutions_are_kept_by_name(tmp_path):
    task = load_one(tmp_path, GOOD + SLOW)
    assert list(task.programs) == ["reference", "bug", "slow"]
    assert task.programs["slow"] == "def double(x):\n    return sum(x for _ in range(2))\n"
    named = load_one(tmp_path, GOOD + SLOW.replace("slow: |", "slow:\n patient: |"))
    assert list(named.slow.items()) == [("patient", task.slow["slow"])]
    assert list(load_one(tmp_path).programs) == ["reference", "bug"]


def test_slow_solutions_are_shown_to_nobody_and_never_graded_against(tmp_path):
    task = load_one(tmp_path, GOOD + SLOW)
    plain = load_one(tmp_path)
    assert task.to_public() == plain.to_public()
    assert task.to_suite() == plain.to_suite()


def test_the_digest_follows_slow_solutions_where_there_are_any(tmp_path):
    digests = {load_one(tmp_path, GOOD + slow).digest for slow in ("", SLOW, SLOW.replace("2", "1 + 1"))}
    assert len(digests) == 3
    assert load_one(tmp_path, GOOD + "slow: {}\n").digest == load_one(tmp_path).digest


def test_the_catalogues_digest_follows_its_tasks(catalogue):
    assert load_catalogue(DEMO).digest == catalogue.digest
    assert Catalogue(list(catalogue)[1:]).digest != catalogue.digest


def test_tasks_cannot_be_changed(catalogue):
    with pytest.raises(ValueError, match="frozen"):
        catalogue.get("hard-1").title = "other"


def test_difficulties_cross_the_wire():
    assert [Difficulty.from_proto(difficulty.to_proto()) for difficulty in Difficulty] == list(Difficulty)
    assert Difficulty.from_proto(core.DIFFICULTY_UNSPECIFIED) is None


def test_the_example_of_the_guide_is_a_task(tmp_path):
    guide = (Path(__file__).parents[2] / "docs" / "tasks.md").read_text()
    assert load_one(tmp_path, guide.split("```yaml\n")[1].split("```")[0]).growth.sizes == (64, 128, 256)
