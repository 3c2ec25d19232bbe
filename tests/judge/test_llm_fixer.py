"""Proposals of a model, and the built-in ones in its place."""

import pytest

from services.judge.proposal import Request
from tests.judge.openai_server import Reply, completion, message_of

FIXED = "def double(x):\n    return 2 * x\n"
BROKEN = "def double(x)\n    return 2 * x\n"


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
