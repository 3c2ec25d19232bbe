"""A run of the command: it ends, is interrupted, and goes on where it stopped."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.training.test_config import SMOKE, changed

pytestmark = [pytest.mark.usefixtures("train"), pytest.mark.slow, pytest.mark.timeout(600)]

PATIENCE_SECONDS = 280
STEPS = 30


def command(folder, *further, config=SMOKE):
    return [sys.executable, "-m", "training.grpo", "--config", str(config), "--output", str(folder), *further]


def said(folder):
    return (folder.parent / "said").read_text()


def begin(folder, *further, config=SMOKE):
    with (folder.parent / "said").open("w") as output:
        return subprocess.Popen(command(folder, *further, config=config), stdout=output, stderr=output)


def refused(folder, *further, config=SMOKE):
    """Returns what a run that cannot be says."""
    ended = subprocess.run(
        command(folder, *further, config=config), capture_output=True, text=True, timeout=PATIENCE_SECONDS
    )
    assert ended.returncode == 2, ended.stderr
    return ended.stderr


def checkpoints(folder):
    return sorted(int(path.parent.name.rpartition("-")[2]) for path in folder.glob("checkpoint-*/trainer_state.json"))


def logged_tags(folder):
    """Returns what TensorBoard has: tags to steps, of each file in the order of their making."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    found = []
    files = {file for file in folder.rglob("events.out.tfevents.*") if "warm-start" not in str(file)}
    for file in sorted(files, key=lambda file: file.stat().st_mtime):
        events = EventAccumulator(str(file))
        events.Reload()
        found.append({tag: [event.step for event in events.Scalars(tag)] for tag in events.Tags()["scalars"]})
    return found


@pytest.fixture(scope="module")
def interrupted(train, tmp_path_factory):
    """The folder of a run that a Ctrl-C ended after its first checkpoint, and the step at which it stopped."""
    folder = tmp_path_factory.mktemp("interrupted") / "run"
    process = begin(folder)
    try:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not checkpoints(folder):
            assert process.poll() is None, said(folder)
            assert time.monotonic() < deadline, said(folder)
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        status = process.wait(PATIENCE_SECONDS)
    finally:
        process.kill()
        process.wait()
    assert status == 130, said(folder)
    assert "--resume goes on" in said(folder)
    stopped = checkpoints(folder)[-1]
    assert stopped < STEPS
    assert not (folder / "after.json").exists()
    return folder, stopped


@pytest.fixture(scope="module")
def finished(interrupted):
    """The same run after it went on to its end."""
    folder, stopped = interrupted
    before = (folder / "before.json").read_bytes()
    process = begin(folder, "--resume")
    try:
        assert process.wait(PATIENCE_SECONDS) == 0, said(folder)
    finally:
        process.kill()
        process.wait()
    assert (folder / "before.json").read_bytes() == before
    return folder, stopped


def test_a_run_that_goes_on_takes_up_the_next_step(finished):
    folder, stopped = finished
    steps = [json.loads(line) for line in (folder / "curve.jsonl").read_text().splitlines()]
    assert [step["step"] for step in steps if "reward" in step] == list(range(1, STEPS + 1))
    reward_steps = [tags["train/reward"] for tags in logged_tags(folder) if "train/reward" in tags]
    assert [steps[0] for steps in reward_steps] == [1, stopped + 1]
    assert reward_steps[-1][-1] == STEPS


def test_tensorboard_has_what_the_reward_is_made_of(finished):
    tags = set().union(*logged_tags(finished[0]))
    assert {f"train/codearena/{name}" for name in ("compile_score", "test_pass_ratio", "solved", "failed")} <= tags


def test_scores_before_and_after_are_of_the_same_tasks(finished):
    before, after = (json.loads((finished[0] / f"{name}.json").read_text()) for name in ("before", "after"))
    assert before.keys() == after.keys() == {"sampled", "greedy"}
    for decoding in before:
        assert len(before[decoding]["rewards"]) == 2
        assert before[decoding]["rewards"].keys() == after[decoding]["rewards"].keys()
        assert before[decoding]["failed"] == after[decoding]["failed"] == 0


def test_the_report_shows_the_run(finished, tmp_path):
    chart = tmp_path / "curve.svg"
    ended = subprocess.run(
        [sys.executable, "-m", "training.report", str(finished[0]), "--plot", str(chart), "--at-least", "0.9"],
        capture_output=True,
        text=True,
        timeout=PATIENCE_SECONDS,
    )
    assert ended.returncode == 1
    assert "| run | sampled | 2 |" in ended.stdout
    assert chart.read_text().startswith("<?xml")


def test_held_out_bugs_are_in_no_program_that_is_learnt_from(finished):
    from training.generated import planted

    found = planted(finished[0] / "tasks", 0.3, 0)

    def bugs(tasks):
        return {
            (task.origin, label.line, label.before, label.after, label.column)
            for task in tasks
            for label in task.labels
        }

    assert bugs(found.trained).isdisjoint(bugs(found.held_out))


def test_a_tiny_model_reads_as_it_did_when_it_was_made(finished):
    from training import generated, tiny
    from training.config import load
    from training.folder import RunFolder
    from training.learners import tiny_learner

    settings = load(SMOKE).tiny
    learner = tiny_learner(settings, 0, RunFolder(finished[0]))
    rows = generated.rows(generated.planted(finished[0] / "tasks", settings.held_out_share, 0).trained)
    texts = [row["prompt"] + row["completion"] for row in rows]
    made = tiny.tokenizer(texts, settings.vocabulary)
    for text in texts:
        assert learner.tokenizer(text)["input_ids"] == made(text)["input_ids"]
        assert learner.tokenizer.decode(learner.tokenizer(text)["input_ids"]) == text


def test_other_settings_are_refused_by_name(interrupted, tmp_path):
    folder, _ = interrupted
    assert "another seed" in refused(folder, "--resume", "--seed", "8")
    assert "go on with --resume" in refused(folder)
    assert "no run to go on with" in refused(tmp_path / "none", "--resume")


def test_a_field_that_trl_does_not_know_is_named(tmp_path):
    config = changed(tmp_path, grpo={"learning_rat": 1.0}, model="nothing", tiny=None)
    assert "grpo.learning_rat" in refused(tmp_path / "run", config=config)


def test_a_model_by_name_plays_episodes_that_its_curriculum_chooses(train, tmp_path):
    from transformers import Qwen2Config, Qwen2ForCausalLM

    from tests.integrations.tiny import tokenizer_of

    tokenizer = tokenizer_of(["def f(x):\n    return x\n"])
    shape = {"hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    ids = {"bos_token_id": None, "eos_token_id": tokenizer.eos_token_id, "pad_token_id": tokenizer.pad_token_id}
    model = Qwen2ForCausalLM(Qwen2Config(vocab_size=len(tokenizer), num_key_value_heads=1, **shape, **ids))
    for part in (model, tokenizer):
        part.save_pretrained(tmp_path / "model")
    config = changed(
        tmp_path,
        tiny=None,
        model=str(tmp_path / "model"),
        style="environment",
        tasks={"curriculum_rows": 2},
        evaluation={"tasks": 1},
        generation={"max_tokens": 8},
        grpo={
            "use_cpu": True,
            "bf16": False,
            "max_steps": 1,
            "per_device_train_batch_size": 2,
            "per_device_eval_batch_size": 2,
            "num_generations": 2,
            "logging_steps": 1,
            "disable_tqdm": True,
        },
    )
    folder = tmp_path / "run"
    process = begin(folder, config=config)
    try:
        assert process.wait(PATIENCE_SECONDS) == 0, said(folder)
    finally:
        process.kill()
        process.wait()
    (mean,) = json.loads((folder / "after.json").read_text())["sampled"]["rewards"].values()
    assert mean == 0
    assert (folder / "model" / "config.json").exists()


def test_the_notebook_runs(train, tmp_path, monkeypatch):
    import nbformat
    from nbclient import NotebookClient

    monkeypatch.setenv("CODEARENA_TRAINING_CONFIG", str(changed(tmp_path, output=str(tmp_path / "run"))))
    notebook = nbformat.read(Path("training/grpo.ipynb"), as_version=4)
    NotebookClient(notebook, timeout=PATIENCE_SECONDS, resources={"metadata": {"path": "."}}).execute()
    assert (tmp_path / "run" / "after.json").exists()
