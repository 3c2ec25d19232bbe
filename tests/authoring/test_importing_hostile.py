"""Sources, folders and journals that are not as they should be."""

import json
import stat

from services.authoring.importing.humanevalfix import HUMANEVALFIX
from services.authoring.importing.quixbugs import QUIXBUGS
from services.env.task_files import load_task
from tests.authoring.test_importing import humaneval, imported, quixbugs, quixbugs_checkout


def test_names_that_do_not_print_are_shown_as_escapes(command, jsonl, tmp_path):
    rows = [humaneval(1), humaneval(task_id="\x1b[31mred\ud800"), humaneval(task_id="Python/²")]
    status, report, stderr = imported(command, "humanevalfix", jsonl(*rows), tmp_path / "out")
    assert (status, report["counts"]["kept"]) == (1, 1)
    assert "\x1b" not in stderr
    assert r"\x1b[31mred\ud800" in stderr


def test_a_line_without_end_is_not_held_in_memory_and_the_next_one_is_read(tmp_path):
    source = tmp_path / "source.jsonl"
    with source.open("wb") as file:
        file.write(b"\xef\xbb\xbf" + json.dumps(humaneval(1)).encode() + b"\n\n")
        file.write(b"x" * (3 << 20) + b"\n")
        file.write(json.dumps(humaneval(2)).encode())
    assert [(entry.line, entry.fields is not None) for entry in HUMANEVALFIX.read(source)] == [
        (1, True),
        (3, False),
        (4, True),
    ]


def test_an_array_that_breaks_off_is_read_up_to_there(tmp_path):
    source = tmp_path / "source.json"
    source.write_text(json.dumps([humaneval(1), humaneval(2)], indent=1)[:-40])
    first, second = HUMANEVALFIX.read(source)
    assert (first.line, first.fields is not None) == (2, True)
    assert "not JSON" in second.problem


def test_a_bug_that_never_ends_is_certified_and_stopped_soon(command, jsonl, tmp_path):
    endless = humaneval(1, buggy_solution="    while True:\n        pass\n")
    out = tmp_path / "out"
    status, report, stderr = imported(command, "humanevalfix", jsonl(endless), out)
    assert (status, report["counts"]["kept"]) == (0, 1), stderr
    assert load_task(out / "humanevalfix-1.yaml").limits.cpu_seconds < 2


def test_a_journal_that_was_cut_off_is_gone_on_with(command, jsonl, tmp_path):
    out, source = tmp_path / "out", jsonl(humaneval(1))
    imported(command, "humanevalfix", source, out)
    journal = out / ".import.jsonl"
    journal.write_text(journal.read_text()[:-30])
    assert imported(command, "humanevalfix", source, out)[0] == 0
    *_, last = journal.read_text().splitlines()
    assert json.loads(last)["task_id"] == "humanevalfix-1"


def test_the_file_of_an_entry_that_is_no_task_any_more_goes_and_files_of_others_stay(command, jsonl, tmp_path):
    out = tmp_path / "out"
    imported(command, "humanevalfix", jsonl(humaneval(1)), out)
    (out / "humanevalfix-2.yaml").write_text("not ours")
    worse = [humaneval(number, canonical_solution="    return 1\n") for number in (1, 2)]
    status, report, _ = imported(command, "humanevalfix", jsonl(*worse), out)
    assert (status, report["counts"]["kept"]) == (1, 0)
    assert [path.name for path in out.glob("*.yaml")] == ["humanevalfix-2.yaml"]


def test_again_certifies_anew_and_others_may_read_the_files(command, jsonl, tmp_path):
    out, source = tmp_path / "out", jsonl(humaneval(1))
    imported(command, "humanevalfix", source, out)
    file = out / "humanevalfix-1.yaml"
    before = file.stat()
    assert stat.S_IMODE(before.st_mode) & stat.S_IROTH
    imported(command, "humanevalfix", source, out)
    assert file.stat().st_mtime_ns == before.st_mtime_ns
    assert imported(command, "humanevalfix", source, out, "--again")[0] == 0
    assert file.stat().st_mtime_ns > before.st_mtime_ns


def test_a_folder_that_cannot_be_written_is_named(command, jsonl, tmp_path):
    (tmp_path / "out").write_text("a file")
    status, _, stderr = command(
        "tasks", "import", "humanevalfix", jsonl(humaneval(1)), "--out", tmp_path / "out" / "deeper"
    )
    assert status == 2
    assert "Traceback" not in stderr


def test_quixbugs_examples_of_a_docstring_are_shown_and_rows_may_be_changed(command, jsonl, tmp_path):
    checkout = tmp_path / "QuixBugs"
    quixbugs_checkout(checkout)
    (checkout / "correct_python_programs/twice.py").write_text("def twice(x):\n    return (2 * x, 0)\n")
    (checkout / "json_testcases/twice.json").write_text("[[1], [2, 0]]\n[[3], [6, 0]]\n")
    tests = checkout / "python_testcases/test_twice.py"
    given = "testdata = load_json_testcases(twice.__name__)\n"
    tests.write_text(tests.read_text().replace(given, f"{given}testdata = [[a, tuple(b)] for a, b in testdata]\n"))
    status, report, stderr = imported(command, "quixbugs", checkout, tmp_path / "out")
    assert (status, report["counts"]["kept"]) == (0, 2), (report, stderr)
    shown = QUIXBUGS.read(jsonl(quixbugs(docstring="Rest.\n    >>> len(drop_first.__name__)\n    10\n")))
    assert QUIXBUGS.task(shown[0]).tests.visible == "assert len(drop_first.__name__) == 10\n"


def test_a_pair_brings_the_modules_beside_it(command, tmp_path):
    pair = tmp_path / "prices"
    pair.mkdir()
    (pair / "rates.py").write_text("VAT = 2\n")
    (pair / "bug.py").write_text("import rates\ndef gross(x):\n    return x\n")
    (pair / "fixed.py").write_text("import rates\ndef gross(x):\n    return x * rates.VAT\n")
    (pair / "test_shop.py").write_text(
        "import rates\nfrom shop import gross\ndef test_gross():\n    assert gross(3) == 3 * rates.VAT\n"
    )
    status, report, stderr = imported(command, "pytest", pair, tmp_path / "out")
    assert (status, [kept["id"] for kept in report["kept"]]) == (0, ["pair-prices"]), (report, stderr)
    task = load_task(tmp_path / "out" / "pair-prices.yaml")
    assert (task.tests.module, dict(task.modules)) == ("shop", {"rates": "VAT = 2\n"})
