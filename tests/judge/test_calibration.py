"""The graded snippets, the judges' agreement with them, and the command that tells it."""

import json
import subprocess
import sys

import pytest

from services.judge.ranks import kendall, spearman
from services.judge.snippets import BadSnippets, load_snippets
from services.judge.static_analysis import analyse
from tests.e2e.processes import ROOT, plain_environment
from tests.judge.openai_server import Reply, completion, judgement, message_of

SNIPPETS = load_snippets()


def test_the_set_is_large_and_balanced():
    assert len(SNIPPETS) >= 60
    secure = [snippet.security >= 0.8 for snippet in SNIPPETS]
    assert len(SNIPPETS) - sum(secure) >= 15
    for low, high in ((0.0, 0.45), (0.45, 0.75), (0.75, 1.01)):
        assert sum(low <= snippet.quality < high for snippet in SNIPPETS) >= 12
    held_out = sum(snippet.is_held_out for snippet in SNIPPETS)
    assert 0.4 <= held_out / len(SNIPPETS) <= 0.6
    for snippet in SNIPPETS:
        compile(snippet.code, snippet.id, "exec")


@pytest.mark.parametrize("score", ["security", "quality"])
@pytest.mark.parametrize("held_out", [False, True])
def test_the_static_judge_ranks_them_as_people_do(score, held_out):
    part = [snippet for snippet in SNIPPETS if snippet.is_held_out is held_out]
    rho = spearman(
        [getattr(snippet, score) for snippet in part],
        [analyse(snippet.code, snippet.reference, snippet.buggy_code)[score] for snippet in part],
    )
    assert rho >= 0.7


def test_ranks_agree_with_the_textbook():
    first, second = [7, 4, 3, 10, 6, 2, 9, 8, 1, 5], [5, 7, 3, 10, 1, 9, 6, 2, 8, 4]
    squares = sum((a - b) ** 2 for a, b in zip(first, second, strict=True))
    assert spearman(first, second) == pytest.approx(1 - 6 * squares / (10 * 99))  # the formula without ties
    assert kendall([1, 2, 3, 4], [1, 2, 3, 4]) == 1.0
    assert kendall([1, 2, 3, 4], [4, 3, 2, 1]) == -1.0
    assert kendall([1, 2, 2, 3], [1, 2, 3, 3]) == pytest.approx(4 / 5)
    assert spearman([1, 2, 2, 3], [1, 2, 2, 3]) == pytest.approx(1.0)
    assert spearman([1, 1, 1], [1, 2, 3]) is None
    assert kendall([1, 1, 1], [1, 2, 3]) is None


@pytest.fixture
def calibrate(tmp_path):
    def command(*arguments, **variables):
        return subprocess.run(
            [sys.executable, "-m", "codearena", "judge", "calibrate", *map(str, arguments)],
            cwd=ROOT,
            env=plain_environment(**variables),
            capture_output=True,
            text=True,
            timeout=100,
        )

    return command


def test_the_command_tells_of_the_static_judge(calibrate):
    done = calibrate()
    assert done.returncode == 0, done.stderr
    assert f"Agreement with {len(SNIPPETS)} graded snippets" in done.stdout
    document = json.loads(calibrate("--json", "--limit", 10).stdout)
    assert document["snippets"] == 10
    assert {one["judge"] for one in document["agreements"]} == {"static"}
    assert len(document["judged"]["static"]) == 10


def test_a_model_is_compared_on_the_same_set(calibrate, server):
    server.script = lambda request, number: Reply(
        completion(judgement(request, security=0.1 if "shell=True" in message_of(request) else 0.9))
    )
    variables = {"CODEARENA_JUDGE_BASE_URL": server.url, "CODEARENA_JUDGE_MODEL": "m"}
    done = calibrate("--json", "--limit", 12, **variables)
    assert done.returncode == 0, done.stderr
    document = json.loads(done.stdout)
    assert {one["judge"] for one in document["agreements"]} == {"static", "m"}
    (security,) = [
        one for one in document["agreements"] if (one["judge"], one["score"], one["part"]) == ("m", "security", "all")
    ]
    assert security["rho"] > 0.2
    assert "12 of 12 judged, 1440 tokens" in calibrate("--judge", "model", "--limit", 12, **variables).stdout


def test_a_model_that_judges_nothing_is_no_result(calibrate, server):
    server.script = lambda request, number: Reply({"error": {}}, status=401)
    done = calibrate("--judge", "model", "--limit", 2, CODEARENA_JUDGE_BASE_URL=server.url)
    assert done.returncode == 1
    assert "0 of 2 judged" in done.stdout


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("- {id: a-1, description: d, code: c, security: 2, quality: 1, reason: r}", "a-1: security: "),
        ("- {id: a-1, description: d, code: c, security: 1, quality: high, reason: r}", "a-1: quality: "),
        ("- {id: a-1, code: c, security: 1, quality: 1, reason: r}", "a-1: description: "),
        ("- {id: [", "line 1"),
        ("{}", "list"),
        ("", "list"),
        ("- {id: a-1, description: d, code: c, security: 1, quality: 1, reason: r}\n" * 2, "a-1 stands twice"),
    ],
)
def test_a_malformed_set_is_refused_by_file_snippet_and_field(tmp_path, calibrate, text, told):
    (tmp_path / "bad.yaml").write_text(text)
    with pytest.raises(BadSnippets, match=r"bad\.yaml") as caught:
        load_snippets(tmp_path)
    assert told in str(caught.value)


def test_the_command_names_what_is_malformed(tmp_path, calibrate):
    done = calibrate("--set", tmp_path)
    assert done.returncode == 2
    assert "no *.yaml" in done.stderr
