"""Episodes and their steps. Adopts a database that was made before there were migrations."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Makes the tables where they are missing."""
    op.create_table(
        "episodes",
        sa.Column("episode_id", sa.String(64), primary_key=True),
        sa.Column("task_id", sa.String(128), nullable=False),
        sa.Column("run_id", sa.String(128), nullable=False),
        sa.Column("seed", sa.BigInteger, nullable=True),
        sa.Column("created", sa.DateTime(timezone=True), nullable=False),
        sa.Column("done", sa.Boolean, nullable=False),
        if_not_exists=True,
    )
    op.create_index("ix_episodes_run_id", "episodes", ["run_id"], if_not_exists=True)
    op.create_index("ix_episodes_done", "episodes", ["done"], if_not_exists=True)
    op.create_table(
        "steps",
        sa.Column("episode_id", sa.String(64), sa.ForeignKey("episodes.episode_id"), primary_key=True),
        sa.Column("number", sa.Integer, primary_key=True),
        sa.Column("request_id", sa.String(128), nullable=False),
        sa.Column("fix", sa.Text, nullable=False),
        sa.Column("reward", sa.Float, nullable=False),
        sa.Column("outcome", sa.Integer, nullable=False),
        sa.Column("passed", sa.Integer, nullable=False),
        sa.Column("response", sa.LargeBinary, nullable=False),
        sa.UniqueConstraint("episode_id", "request_id"),
        if_not_exists=True,
    )
