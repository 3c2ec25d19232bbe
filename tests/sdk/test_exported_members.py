"""The public surface, pinned."""

import inspect
import json
import subprocess
import sys

import pytest

import codearena

PUBLIC = [
    "REWARD_COMPONENTS",
    "ArenaClient",
    "ArenaError",
    "AsyncArenaClient",
    "AsyncEpisode",
    "Attempt",
    "CallCancelledError",
    "Complexity",
    "Curriculum",
    "CurriculumMove",
    "DeadlineExceededError",
    "Difficulty",
    "Efficiency",
    "Episode",
    "EpisodeDoneError",
    "EpisodeState",
    "ErrorReason",
    "FailedPreconditionError",
    "Feedback",
    "Grade",
    "InternalError",
    "InvalidArgumentError",
    "JudgeProvenance",
    "JudgeSource",
    "Memory",
    "MemoryFileError",
    "ModelUsage",
    "NotFoundError",
    "Observation",
    "Outcome",
    "PermissionDeniedError",
    "Proposal",
    "ProviderAttempt",
    "QueueFullError",
    "QuotaExceededError",
    "RescoredStep",
    "ResourceUsage",
    "RetryableError",
    "Review",
    "RewardBreakdown",
    "RewardMode",
    "Run",
    "RunResult",
    "SandboxBackend",
    "ServingStatus",
    "StatsRow",
    "StepCall",
    "StepRecord",
    "StepResult",
    "TLSConfig",
    "Task",
    "TestResult",
    "UnauthenticatedError",
    "UnavailableError",
    "UnimplementedError",
    "Violations",
    "VisibleTest",
    "read_memory_file",
    "write_memory_file",
]


def test_all_is_pinned_and_sorted():
    assert codearena.__all__ == PUBLIC
    assert sorted(PUBLIC, key=lambda name: (not name.isupper(), name)) == PUBLIC  # constants first


def test_all_holds_every_public_name():
    found = {name for name, value in vars(codearena).items() if name[0] != "_" and not inspect.ismodule(value)}
    assert found == set(PUBLIC)


@pytest.mark.parametrize("name", PUBLIC)
def test_every_public_name_is_documented(name):
    exported = getattr(codearena, name)
    assert inspect.getdoc(exported)
    for method_name, method in inspect.getmembers(exported, inspect.isfunction):
        assert method_name.startswith("_") or inspect.getdoc(method), f"{name}.{method_name}"


@pytest.mark.parametrize(
    ("sync", "asynchronous"),
    [
        (codearena.ArenaClient, codearena.AsyncArenaClient),
        (codearena.Episode, codearena.AsyncEpisode),
    ],
)
def test_sync_and_async_have_the_same_methods_and_parameters(sync, asynchronous):
    def surface(kind):
        methods = {
            name: [(p.name, p.kind, p.default) for p in inspect.signature(method).parameters.values()]
            for name, method in inspect.getmembers(kind, inspect.isfunction)
            if not name.startswith("_")
        }
        return methods, [(p.name, p.kind, p.default) for p in inspect.signature(kind).parameters.values()]

    assert surface(sync) == surface(asynchronous)


def test_import_needs_only_grpc_and_protobuf():
    program = """
import json, sys
before = set(sys.modules)
import codearena
print(json.dumps(sorted(set(sys.modules) - before)))
"""
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    modules = json.loads(run.stdout)
    # grpc imports its optional siblings where they are installed; typing_extensions is a dependency of grpcio
    allowed = {
        *sys.stdlib_module_names,
        "codearena",
        "google",
        "grpc",
        "grpc_health",
        "grpc_reflection",
        "grpc_tools",
        "typing_extensions",
    }
    top = {name.partition(".")[0] for name in modules}
    # what compiled Cython code registers, under names that carry its version
    compiled = {name for name in top if name.startswith("_cython_") or name == "cython_runtime"}
    assert top - compiled - allowed == set()
    google = {name for name in modules if name.startswith("google.")}
    assert {name for name in google if not name.startswith(("google.protobuf", "google._upb"))} == set()
    assert "codearena._cli" not in modules
