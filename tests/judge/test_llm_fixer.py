"""Proposals of a model, and the built-in ones in its place."""

import pytest

from services.judge.llm_fixer import Request, extract_code, extract_explanations
from tests.judge.openai_server import Reply, completion, message_of

FIXED = "def double(x):\n    return 2 * x\n"
BROKEN = "def double(x)\n    return 2 * x\n"


@pytest.mark.parametrize(
    "reply",
    [
        f"```python\n{FIXED}```",
        f"Here it is:\n\n```py\n{FIXED}\n```\nChange: the colon.",
        f"```\n{FIXED}```\n",
        f"```python\n{FIXED}",
        FIXED,
        f"\n\n{FIXED}\n\n",
        f"```bash\nrm -rf build\n```\n```python\n{FIXED}```",
        f"```python\nx = 1\n```\nor better\n```python\n{FIXED}```",
    ],
    ids=["fenced", "with prose", "no language", "unclosed", "bare", "spaced", "other language", "longest"],
)
def test_code_is_found_in_a_reply(reply):
    assert extract_code(reply) == FIXED


@pytest.mark.parametrize("reply", ["", "I cannot help with that.", "```json\n{}\n```", "```python\n```"])
def test_a_reply_without_code_has_none(reply):
    assert extract_code(reply) == ""


def test_explanations_are_bounded_lines():
    text = "Change: one\n- change:  two \nother\n" + "Change: " + "x" * 1000 + "\n" + "Change: y\n" * 50
    found = extract_explanations(text)
    assert found[:2] == ("one", "two")
    assert len(found) == 10
    assert max(map(len, found)) == 300


async def test_the_model_proposes(arena, server):
    server.script = lambda request, number: Reply(completion(f"```python\n{FIXED}```\nChange: a colon was missing."))
    request = Request(BROKEN, "SyntaxError", "Doubles a number.", ("x = 1\n",), 0.25)
    proposal = await arena().proposer.propose(request)
    assert (proposal.code, proposal.method) == (FIXED, "test-model")
    assert proposal.explanations == ("a colon was missing.",)
    message = message_of(server.requests[0])
    for part in (BROKEN, "SyntaxError", "Doubles a number.", "x = 1", "0.250 of 1"):
        assert part in message


@pytest.mark.parametrize(
    "reply",
    [Reply(completion("no idea")), Reply(b"garbage"), Reply({"error": {"message": "no"}}, status=500)],
    ids=["no code", "garbage", "server error"],
)
async def test_the_builtin_fixer_answers_where_the_model_does_not(arena, server, reply):
    server.script = lambda request, number: reply
    made = arena()
    proposal = await made.proposer.propose(Request(BROKEN))
    assert (proposal.code, proposal.method) == (FIXED, "builtin")
    assert len(made.observer.fallbacks) == 1
    assert ("builtin", "ok") in made.observer.calls
