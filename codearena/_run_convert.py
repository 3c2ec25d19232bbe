"""Where protobuf messages of training runs become models."""

from __future__ import annotations

from codearena import _run_models as m
from codearena._convert import difficulty, item_error, moment, outcome
from codearena.v1 import env_service_pb2 as pb


def curriculum(response: pb.GetCurriculumResponse) -> m.Curriculum:
    """Converts where a run stands."""
    return m.Curriculum(
        level=difficulty(response.level),
        levels=tuple(map(difficulty, response.levels)),
        window=tuple(response.window),
        mean_reward=response.mean_reward if response.HasField("mean_reward") else None,
        episode_count=response.episode_count,
        moves=tuple(
            m.CurriculumMove(
                episode=move.episode,
                from_level=difficulty(move.from_level),
                to_level=difficulty(move.to_level),
                mean_reward=move.mean_reward,
                reason=move.reason,
            )
            for move in response.moves
        ),
        explanation=response.explanation,
    )


def stats(response: pb.GetStatsResponse) -> dict[str, list[m.StatsRow]]:
    """Converts tables, by their names."""
    return {table.name: list(map(_stats_row, table.rows)) for table in response.tables}


def run(message: pb.Run) -> m.Run:
    """Converts a training run."""
    return m.Run(
        run_id=message.run_id,
        weight=message.weight,
        max_open_episodes=message.max_open_episodes,
        max_gradings_per_minute=message.max_gradings_per_minute,
        episode_count=message.episode_count,
        open_episode_count=message.open_episode_count,
        step_count=message.step_count,
        mean_reward=message.mean_reward if message.HasField("mean_reward") else None,
        last_active_at=moment(message.last_active_time) if message.HasField("last_active_time") else None,
    )


def rescored(response: pb.RescoreEpisodesResponse) -> m.RescoredStep:
    """Converts what became of a step: its new reward, or why there is none."""
    known = response.WhichOneof("result") == "new_reward"
    return m.RescoredStep(
        episode_id=response.episode_id,
        step=response.step,
        task_id=response.task_id,
        old_reward=response.old_reward,
        new_reward=response.new_reward if known else None,
        error=None if known else item_error(response.error),
    )


def step_record(response: pb.ExportStepsResponse) -> m.StepRecord:
    """Converts a stored step."""
    return m.StepRecord(
        episode_id=response.episode_id,
        run_id=response.run_id,
        task_id=response.task_id,
        category=response.category,
        difficulty=difficulty(response.difficulty),
        step=response.step,
        reward=response.reward,
        outcome=outcome(response.outcome),
        tests_passed=response.passed_test_count,
        repeated=response.repeated,
        time_complexity=response.time_complexity,
        method=response.method,
        solved=response.solved,
        created_at=moment(response.create_time),
        proposed_fix=response.proposed_fix,
    )


def _stats_row(row: pb.StatsRow) -> m.StatsRow:
    return m.StatsRow(
        key=row.key,
        episode_count=row.episode_count,
        step_count=row.step_count,
        mean_reward=row.mean_reward,
        solve_rate=row.solve_rate if row.HasField("solve_rate") else None,
        mean_steps_to_solve=row.mean_steps_to_solve if row.HasField("mean_steps_to_solve") else None,
        repeat_rate=row.repeat_rate,
    )
