"""Claims, curricula, memories and runs, and what the statistics read of episodes and steps."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Adds tables and columns, and fills in what the steps tell of their episodes."""
    for column in (
        sa.Column("category", sa.String(128), nullable=False, server_default=""),
        sa.Column("difficulty", sa.String(16), nullable=False, server_default=""),
        sa.Column("drawn", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("options", sa.Text, nullable=False, server_default="{}"),
        sa.Column("ended", sa.DateTime(timezone=True), nullable=True),
        sa.Column("step_count", sa.Integer, nullable=False, server_default="0"),
        sa.Column("best_reward", sa.Float, nullable=True),
        sa.Column("solved", sa.Boolean, nullable=False, server_default=sa.false()),
    ):
        op.add_column("episodes", column)
    for column in (
        sa.Column("created", sa.DateTime(timezone=True), nullable=True),
        sa.Column("complexity", sa.String(64), nullable=False, server_default=""),
        sa.Column("method", sa.String(64), nullable=False, server_default=""),
        sa.Column("repeated", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.Column("tests", sa.Text, nullable=False, server_default=""),
    ):
        op.add_column("steps", column)
    op.create_index("ix_episodes_created", "episodes", ["created"])
    op.create_index("ix_steps_created", "steps", ["created"])
    op.execute(
        "UPDATE episodes SET"
        " step_count = (SELECT count(*) FROM steps WHERE steps.episode_id = episodes.episode_id),"
        " best_reward = (SELECT max(reward) FROM steps WHERE steps.episode_id = episodes.episode_id)"
    )
    op.create_table(
        "claims",
        sa.Column("episode_id", sa.String(64), sa.ForeignKey("episodes.episode_id"), primary_key=True),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("expires", sa.Float, nullable=False),
    )
    op.create_table(
        "curricula",
        sa.Column("run_id", sa.String(128), primary_key=True),
        sa.Column("level", sa.String(16), nullable=False),
        sa.Column("state", sa.Text, nullable=False),
    )
    op.create_index("ix_curricula_level", "curricula", ["level"])
    op.create_table(
        "memories",
        sa.Column("owner", sa.String(160), primary_key=True),
        sa.Column("task_id", sa.String(128), primary_key=True),
        sa.Column("fix", sa.Text, nullable=False),
        sa.Column("reward", sa.Float, nullable=False),
        sa.Column("complexity", sa.String(64), nullable=False),
        sa.Column("episode_id", sa.String(64), nullable=False),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
    )
    op.create_table(
        "runs",
        sa.Column("run_id", sa.String(128), primary_key=True),
        sa.Column("weight", sa.Float, nullable=False),
        sa.Column("max_open_episodes", sa.Integer, nullable=False),
        sa.Column("max_gradings_per_minute", sa.Integer, nullable=False),
    )
