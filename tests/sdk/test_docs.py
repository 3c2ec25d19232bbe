"""The page about the client: its code runs, and its memory file can be read."""

import re
from itertools import count
from pathlib import Path

from codearena import ArenaClient, read_memory_file
from codearena.v1 import env_service_pb2 as pb

PAGE = (Path(__file__).parents[2] / "docs" / "sdk.md").read_text(encoding="utf-8")


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.DOTALL | re.MULTILINE)


def test_code_runs_from_top_to_bottom(fake, make, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("CODEARENA_TOKEN", "token")
    (tmp_path / "ca.pem").write_text("not looked at before a call")
    numbers = count(1)
    fake.responses["Reset"] = lambda request: pb.ResetResponse(
        episode_id=f"ep_{next(numbers)}", task=make.task(request.task_id), observation=make.observation()
    )
    proposals = count()
    with ArenaClient(fake.address) as arena:
        names = {"arena": arena, "propose": lambda observation: "done" if next(proposals) > 11 else "x = 1"}
        for block in blocks("python"):
            exec(compile(block.replace("127.0.0.1:50051", fake.address), "sdk.md", "exec"), names)
            names["arena"] = arena  # the first block closes its own
    assert next(proposals) == 8 + 8 + 4  # the second stream starts with 4 that are not done
    assert names["left"] == 0
    assert (tmp_path / "agent_memory.json").exists()
    assert {"StepStream", "UpdateRun", "GetStats", "ExportSteps", "RescoreEpisodes"} <= set(fake.received)


def test_memory_file_can_be_read(tmp_path):
    (document,) = blocks("json")
    path = tmp_path / "agent_memory.json"
    path.write_text(document, encoding="utf-8")
    assert [memory.task_id for memory in read_memory_file(path)] == ["easy-1", "hard-1"]
