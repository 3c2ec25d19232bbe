"""The tables of the store, as the newest migration leaves them."""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    ForeignKey,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    false,
)

METADATA = MetaData()

EPISODES = Table(
    "episodes",
    METADATA,
    Column("episode_id", String(64), primary_key=True),
    Column("task_id", String(128), nullable=False),
    Column("run_id", String(128), nullable=False, index=True),
    Column("seed", BigInteger, nullable=True),
    Column("created", DateTime(timezone=True), nullable=False, index=True),
    Column("done", Boolean, nullable=False, index=True),
    Column("category", String(128), nullable=False, server_default=""),
    Column("difficulty", String(16), nullable=False, server_default=""),
    # Whether "auto" drew its task, at its difficulty: then it counts in the curriculum.
    Column("drawn", Boolean, nullable=False, server_default=false()),
    # JSON of services.env.options.Options.
    Column("options", Text, nullable=False, server_default="{}"),
    Column("ended", DateTime(timezone=True), nullable=True),
    Column("step_count", Integer, nullable=False, server_default="0"),
    Column("best_reward", Float, nullable=True),
    Column("solved", Boolean, nullable=False, server_default=false()),
)

STEPS = Table(
    "steps",
    METADATA,
    Column("episode_id", ForeignKey("episodes.episode_id"), primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("request_id", String(128), nullable=False),
    Column("fix", Text, nullable=False),
    Column("reward", Float, nullable=False),
    Column("outcome", Integer, nullable=False),
    Column("passed", Integer, nullable=False),
    Column("response", LargeBinary, nullable=False),
    Column("created", DateTime(timezone=True), nullable=True, index=True),
    Column("complexity", String(64), nullable=False, server_default=""),
    Column("method", String(64), nullable=False, server_default=""),
    Column("repeated", Boolean, nullable=False, server_default=false()),
    # One character for each test in its order: "1" passed, "0" failed.
    Column("tests", Text, nullable=False, server_default=""),
    UniqueConstraint("episode_id", "request_id"),
)

# Who grades a step of an episode at the moment, and until when that is believed without news.
CLAIMS = Table(
    "claims",
    METADATA,
    Column("episode_id", ForeignKey("episodes.episode_id"), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("expires", Float, nullable=False),
)

CURRICULA = Table(
    "curricula",
    METADATA,
    Column("run_id", String(128), primary_key=True),
    Column("level", String(16), nullable=False, index=True),
    # JSON of services.env.curriculum.CurriculumState.
    Column("state", Text, nullable=False),
)

MEMORIES = Table(
    "memories",
    METADATA,
    # "run:" or "shared:", and the name.
    Column("owner", String(160), primary_key=True),
    Column("task_id", String(128), primary_key=True),
    Column("fix", Text, nullable=False),
    Column("reward", Float, nullable=False),
    Column("complexity", String(64), nullable=False),
    Column("episode_id", String(64), nullable=False),
    Column("created", DateTime(timezone=True), nullable=False),
)

# What was set for a training run; one without a row has the defaults.
RUNS = Table(
    "runs",
    METADATA,
    Column("run_id", String(128), primary_key=True),
    Column("weight", Float, nullable=False),
    Column("max_open_episodes", Integer, nullable=False),
    Column("max_gradings_per_minute", Integer, nullable=False),
)
