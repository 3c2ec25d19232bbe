"""The plain REST that users of code-repair benchmarks know: /fix, /run_raw, /curriculum, /stats, /memory."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Query, Request

from codearena import InvalidArgumentError
from services.common.validation import MAX_ID_CHARACTERS
from services.gateway import convert
from services.gateway.bodies import (
    CurriculumAnswer,
    FixAnswer,
    FixRequest,
    MemoryAnswer,
    Move,
    RunAnswer,
    RunRequest,
    StatsAnswer,
    StatsLine,
    StatsTable,
)
from services.gateway.link import ArenaLink

RunId = Annotated[
    str, Query(max_length=MAX_ID_CHARACTERS, description="The training run; empty for that without a name.")
]
_MOST_MEMORIES = 1000
router = APIRouter(tags=["Code repair"])


def link(request: Request) -> ArenaLink:
    """Returns the arena of the app that serves a request."""
    found: ArenaLink = request.app.state.link
    return found


@router.post("/fix", summary="Propose a repair")
async def fix(request: Request, body: FixRequest) -> FixAnswer:
    """Proposes a repair of an episode's last fix, or of any code. Nothing is graded by it."""
    if (body.episode_id is None) == (body.code is None):
        raise InvalidArgumentError("send either an episode_id or a code")
    found = await link(request).client.propose_fix(
        episode_id=body.episode_id,
        code=body.code,
        error_log=body.error_log,
        description=body.description,
        run_id=body.run_id,
    )
    return FixAnswer(fixed_code=found.code, method=found.method, explanations=list(found.explanations), diff=found.diff)


@router.post("/run_raw", summary="Run any code in a sandbox")
async def run_raw(request: Request, body: RunRequest) -> RunAnswer:
    """Runs a script in a sandbox of its own, with the limits of a fix."""
    ran = await link(request).client.run_code(body.code, stdin=body.stdin)
    return RunAnswer(
        outcome=ran.outcome.lower(),
        stdout=ran.stdout,
        stderr=ran.stderr,
        exit_code=ran.exit_code,
        cpu_seconds=ran.usage.cpu_seconds,
        wall_seconds=ran.usage.wall_seconds,
        peak_memory_bytes=ran.usage.peak_memory_bytes,
        complexity=convert.complexity(ran.complexity),
        violations=convert.violations(ran.violations),
    )


@router.get("/curriculum", summary="Where a training run stands")
async def curriculum(request: Request, run_id: RunId = "") -> CurriculumAnswer:
    """Returns level, window and history of a training run's curriculum."""
    found = await link(request).client.get_curriculum(run_id)
    return CurriculumAnswer(
        level=found.level.lower(),
        levels=[level.lower() for level in found.levels],
        window=list(found.window),
        mean_reward=found.mean_reward,
        episode_count=found.episode_count,
        moves=[
            Move(
                episode=move.episode,
                from_level=move.from_level.lower(),
                to_level=move.to_level.lower(),
                mean_reward=move.mean_reward,
                reason=move.reason,
            )
            for move in found.moves
        ],
        explanation=found.explanation,
    )


@router.get("/stats", summary="Tables about rewards")
async def stats(request: Request, run_id: RunId = "") -> StatsAnswer:
    """Returns rewards by task, category, level, complexity, method and day; of all runs without a run_id."""
    found = await link(request).client.get_stats(run_id)
    return StatsAnswer(
        tables=[
            StatsTable(name=name, rows=[StatsLine.model_validate(row) for row in rows]) for name, rows in found.items()
        ]
    )


@router.get("/memory", summary="The best fixes of a training run")
async def memory(
    request: Request, run_id: RunId = "", task_id: Annotated[str, Query(max_length=MAX_ID_CHARACTERS)] = ""
) -> MemoryAnswer:
    """Returns the best fix of each task, or of one."""
    found = []
    async for each in link(request).client.list_memories(run_id, task_id=task_id):
        found.append(convert.remembered(each))
        if len(found) == _MOST_MEMORIES:
            break
    return MemoryAnswer(memories=found)
