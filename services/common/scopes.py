"""What each RPC of the contract needs a token for. This table is the only place that says so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final


class Scope(StrEnum):
    """What a token allows."""

    READ = "read"
    """To look: catalogue, episodes, runs, memories, statistics, stored steps."""
    TRAIN = "train"
    """To have things graded, run, judged and repaired; and to look."""
    ADMIN = "admin"
    """To change what others see: memories, quotas of runs, stored rewards; and all of the above."""
    SERVICE = "service"
    """To call the services behind env, as env does. Nothing else includes it, and it includes nothing else."""


_ALLOWED_BY: Final[Mapping[Scope, frozenset[Scope]]] = {
    Scope.READ: frozenset({Scope.READ, Scope.TRAIN, Scope.ADMIN}),
    Scope.TRAIN: frozenset({Scope.TRAIN, Scope.ADMIN}),
    Scope.ADMIN: frozenset({Scope.ADMIN}),
    Scope.SERVICE: frozenset({Scope.SERVICE}),
}
EVERY_SCOPE: Final = frozenset(Scope)


def allows(scopes: frozenset[Scope], needed: Scope) -> bool:
    """Returns whether a token with these scopes may do what needs that one."""
    return not scopes.isdisjoint(_ALLOWED_BY[needed])


@dataclass(frozen=True, slots=True)
class Rule:
    """What an RPC needs.

    Attributes:
        scope: The scope.
        steps: How many of a token's concurrent steps a request counts for; None for no one.
    """

    scope: Scope
    steps: Callable[[Any], int] | None = None


def _one(_request: object) -> int:
    return 1


def _each_code(request: Any) -> int:  # noqa: ANN401 - a GradeGroupRequest or its like
    return max(1, len(request.codes))


RULES: Final[Mapping[str, Rule]] = {
    "/codearena.v1.EnvService/Reset": Rule(Scope.TRAIN),
    "/codearena.v1.EnvService/Step": Rule(Scope.TRAIN, _one),
    "/codearena.v1.EnvService/StepStream": Rule(Scope.TRAIN, _one),
    "/codearena.v1.EnvService/CloseEpisode": Rule(Scope.TRAIN),
    "/codearena.v1.EnvService/Grade": Rule(Scope.TRAIN, _one),
    "/codearena.v1.EnvService/GradeGroup": Rule(Scope.TRAIN, _each_code),
    "/codearena.v1.EnvService/ProposeFix": Rule(Scope.TRAIN, _one),
    "/codearena.v1.EnvService/ReviewFix": Rule(Scope.TRAIN, _one),
    "/codearena.v1.EnvService/RunCode": Rule(Scope.TRAIN, _one),
    "/codearena.v1.EnvService/GetState": Rule(Scope.READ),
    "/codearena.v1.EnvService/ListTasks": Rule(Scope.READ),
    "/codearena.v1.EnvService/GetTask": Rule(Scope.READ),
    "/codearena.v1.EnvService/GetCurriculum": Rule(Scope.READ),
    "/codearena.v1.EnvService/GetStats": Rule(Scope.READ),
    "/codearena.v1.EnvService/ListMemories": Rule(Scope.READ),
    "/codearena.v1.EnvService/ListRuns": Rule(Scope.READ),
    "/codearena.v1.EnvService/ExportSteps": Rule(Scope.READ),
    "/codearena.v1.EnvService/ImportMemories": Rule(Scope.ADMIN),
    "/codearena.v1.EnvService/UpdateRun": Rule(Scope.ADMIN),
    "/codearena.v1.EnvService/RescoreEpisodes": Rule(Scope.ADMIN),
    "/codearena.v1.ExecutorService/Execute": Rule(Scope.SERVICE),
    "/codearena.v1.ExecutorService/ExecuteGroup": Rule(Scope.SERVICE),
    "/codearena.v1.ExecutorService/RunCode": Rule(Scope.SERVICE),
    "/codearena.v1.JudgeService/Judge": Rule(Scope.SERVICE),
    "/codearena.v1.JudgeService/ProposeFix": Rule(Scope.SERVICE),
}
_UNKNOWN: Final = Rule(Scope.ADMIN)


def rule_of(method: str) -> Rule:
    """Returns what an RPC needs, by its full name; one that is missing in the table is for administrators."""
    return RULES.get(method, _UNKNOWN)
