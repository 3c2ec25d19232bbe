"""The plain asyncio example, and the code of the page that needs no model."""

from __future__ import annotations

import asyncio
import importlib.util
import re
import sys

import pytest

from tests.e2e.processes import ROOT
from tests.integrations.conftest import FENCED, WRONG

EXAMPLE = ROOT / "examples" / "asyncio_episode.py"
PAGE = (ROOT / "docs" / "integrations.md").read_text(encoding="utf-8")


async def test_the_asyncio_example_runs(arena):
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, str(EXAMPLE), arena.address), cwd=ROOT, stdout=asyncio.subprocess.PIPE
    )
    out, _ = await process.communicate()
    assert process.returncode == 0
    rewards = dict(line.split(": ") for line in out.decode().splitlines())
    assert sorted(rewards) == ["easy-1", "hard-1", "medium-1"]
    assert all(0 < float(reward) < 0.9 for reward in rewards.values())


async def test_its_policy_is_told_what_failed(arena):
    spec = importlib.util.spec_from_file_location("asyncio_episode", EXAMPLE)
    example = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(example)
    heard = []

    async def policy(messages):
        heard.append(messages[-1]["content"])
        return FENCED if len(messages) > 2 else f"```python\n{WRONG}```"

    rewards = await example.play_all(arena.address, policy, ["easy-1"])
    assert rewards["easy-1"] > 0.9
    assert len(heard) == 2
    assert "Answers left: 4." in heard[1]


@pytest.mark.usefixtures("gymnasium")
async def test_the_pages_gymnasium_code_runs(arena):
    (block,) = [
        code for code in re.findall(r"^```python\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE) if "make(" in code
    ]
    names = {}
    code = compile(block.replace("127.0.0.1:50051", arena.address), "integrations.md", "exec")
    await asyncio.to_thread(exec, code, names)
    assert names["info"]["outcome"] == "TESTS_FAILED"
    assert 0 < names["reward"] < 0.9


def test_what_the_page_imports_is_there():
    imported = re.findall(r"^from codearena\.integrations\.trl import (.+)$", PAGE, re.MULTILINE)
    import codearena.integrations.trl as module

    assert imported
    assert {name for line in imported for name in line.split(", ")} <= set(module.__all__)
