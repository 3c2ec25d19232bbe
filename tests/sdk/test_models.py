"""From wire messages to models."""

import dataclasses
import pickle

import pytest

import codearena
from codearena import Difficulty, JudgeSource, Outcome, SandboxBackend
from codearena.v1 import core_pb2
from codearena.v1 import env_service_pb2 as pb


@pytest.fixture
def grade(client):
    return client.grade("easy-1", "x = 1")


def test_grade_has_all_its_parts(grade):
    assert grade.judge_source is JudgeSource.STATIC
    assert grade.backend is SandboxBackend.PROCESS
    assert grade.usage == codearena.ResourceUsage(cpu_seconds=0.25, wall_seconds=2.0, peak_memory_bytes=4096)
    assert grade.violations.refused_syscalls == ("ptrace",)
    assert grade.violations.refused_syscall_count == 3
    assert grade.complexity.time_complexity == "O(n)"
    assert grade.efficiency == codearena.Efficiency(0.8, None, None, 1.5, "close", 0)
    (test,) = grade.test_results
    assert (test.name, test.cpu_seconds, test.outcome) == ("one", 1.5, Outcome.PASSED)


def test_breakdown_is_a_mapping_of_scores(grade):
    breakdown = grade.breakdown
    assert breakdown == {"compile_score": 1.0, "test_pass_ratio": 1.0, "efficiency_score": 0.8}
    assert list(breakdown) == list(breakdown.weights) == ["compile_score", "test_pass_ratio", "efficiency_score"]
    assert (len(breakdown), breakdown.get("absent"), "compile_score" in breakdown) == (3, None, True)
    assert breakdown.profile == "default"
    assert breakdown.reasons == {"compile_score": "It loads."}
    parts = sum(breakdown.weights[name] * score for name, score in breakdown.items())
    assert parts - sum(breakdown.penalties.values()) == pytest.approx(grade.reward)


def test_efficiency_is_absent_unless_all_tests_pass(fake, client, make):
    fake.responses["Grade"] = lambda request: pb.GradeResponse(grade=make.grade(outcome="OUTCOME_TESTS_FAILED"))
    assert client.grade("easy-1", "x = 1").efficiency is None


@pytest.mark.parametrize("cached", [True, False])
def test_grade_says_whether_its_results_were_known(fake, client, make, cached):
    grade = make.grade()
    grade.cached = cached
    fake.responses["Grade"] = lambda request: pb.GradeResponse(grade=grade)
    assert client.grade("easy-1", "x = 1").cached is cached


def test_models_are_frozen_and_survive_pickling(grade, client):
    with pytest.raises(dataclasses.FrozenInstanceError):
        grade.reward = 1.0
    assert pickle.loads(pickle.dumps(grade)) == grade
    result = client.step("ep_1", "x = 1")
    assert pickle.loads(pickle.dumps(result)) == result


@pytest.mark.parametrize(
    ("kind", "wire", "prefix"),
    [
        (Outcome, core_pb2.Outcome, "OUTCOME_"),
        (Difficulty, core_pb2.Difficulty, "DIFFICULTY_"),
        (JudgeSource, core_pb2.JudgeSource, "JUDGE_SOURCE_"),
        (SandboxBackend, core_pb2.SandboxBackend, "SANDBOX_BACKEND_"),
    ],
)
def test_enums_are_those_of_the_wire(kind, wire, prefix):
    assert [member.name for member in kind] == [name.removeprefix(prefix) for name in wire.keys()]  # noqa: SIM118 - no dict
    assert all(member.name == member.value for member in kind)


@pytest.mark.parametrize("name", core_pb2.Outcome.keys())
def test_every_outcome_arrives(fake, client, make, name):
    fake.responses["Grade"] = lambda request: pb.GradeResponse(grade=make.grade(outcome=name))
    assert client.grade("easy-1", "x = 1").outcome == name.removeprefix("OUTCOME_")


def test_outcome_of_a_newer_arena_is_unspecified(fake, client, make):
    grade = make.grade()
    grade.outcome = 99
    fake.responses["Grade"] = lambda request: pb.GradeResponse(grade=grade)
    assert client.grade("easy-1", "x = 1").outcome is Outcome.UNSPECIFIED


def test_attempts_arrive_oldest_first(fake, client, make):
    observation = make.observation(step=2)
    observation.previous_attempts.add(
        step=1, proposed_fix="a", reward=0.2, outcome="OUTCOME_CRASHED", passed_test_count=1
    )
    fake.responses["Reset"] = lambda request: pb.ResetResponse(episode_id="e", observation=observation)
    (attempt,) = client.reset().observation.previous_attempts
    assert attempt == codearena.Attempt(1, "a", 0.2, Outcome.CRASHED, 1)
