"""Settings of the env service, from environment variables."""

from __future__ import annotations

from pathlib import Path
from typing import Self

from pydantic import Field, SecretStr, field_validator, model_validator

from services.common.settings import ServiceSettings
from services.env.curriculum import CurriculumRules
from services.env.feedback import Feedback
from services.env.options import Options
from services.env.rewards import PROFILES, RewardMode

CERTIFICATES_NAME = "certificates.json"
DEFAULT_TASKS = Path(__file__).resolve().parents[2] / "tasks"


class EnvSettings(ServiceSettings):
    """See each field; the variable is CODEARENA_ and its name in capitals unless an alias is given."""

    port: int = Field(default=50051, ge=0, le=65535, validation_alias="CODEARENA_ENV_PORT")
    metrics_port: int | None = Field(default=9101, ge=0, le=65535, validation_alias="CODEARENA_ENV_METRICS_PORT")
    executor_address: str = Field(default="127.0.0.1:50052", min_length=1, description="gRPC target of the executor.")
    judge_address: str = Field(default="127.0.0.1:50053", min_length=1, description="gRPC target of the judge.")
    database_url: SecretStr | None = Field(
        default=None, description="SQLAlchemy URL; unset keeps SQLite in the data directory."
    )
    tasks: tuple[Path, ...] = Field(
        default=(DEFAULT_TASKS,),
        description="JSON list of task files, folders of them and packs; pack:NAMESPACE is an installed one.",
    )
    certificates: Path | None = Field(
        default=None,
        description="File of `codearena tasks certify`; unset takes certificates.json in the data directory.",
    )
    reward_profile: str = Field(default="default", description="Name of the weight profile.")
    max_steps: int = Field(default=5, ge=1, le=100, description="Steps an episode may take.")
    grading_timeout_seconds: float = Field(default=120.0, gt=0, description="For a step whose caller sets no deadline.")
    group_concurrency: int = Field(default=8, ge=1, le=256, description="Fixes of one group that are judged at once.")
    claim_seconds: float = Field(
        default=5.0,
        ge=1,
        le=300,
        description="A replica of which nothing was heard for so long has lost the steps that it was grading.",
    )
    retention_days: float = Field(default=90.0, gt=0, description="Episodes opened before that are removed.")
    retention_episodes: int = Field(default=1_000_000, ge=1, description="The oldest of more episodes are removed.")
    retention_interval_seconds: float = Field(default=600.0, gt=0, description="Time between two looks for those.")
    feedback: Feedback = Field(default=Feedback.FULL, description="What a failing test reveals: full, visible, counts.")
    hints: bool = Field(default=True, description="Whether hints are given at all.")
    reward_mode: RewardMode = Field(default=RewardMode.ABSOLUTE, description="absolute or improvement.")
    curriculum_window: int = Field(default=20, description="Episodes that the mean reward of a level is over, at most.")
    curriculum_minimum: int = Field(default=10, description="Episodes before a level is left.")
    curriculum_escalate_above: float = Field(
        default=0.80, description="A mean reward over this is one for a harder level."
    )
    curriculum_deescalate_below: float = Field(default=0.35, description="One under this is one for an easier level.")
    curriculum_hysteresis: float = Field(default=0.05, description="By how much more to undo the last move.")
    analysis_workers: int = Field(default=1, ge=1, le=16, description="Processes that read submissions' syntax.")

    @field_validator("reward_profile")
    @classmethod
    def _is_known(cls, name: str) -> str:
        if name not in PROFILES:
            raise ValueError(f"no reward profile {name!r}; there are {', '.join(PROFILES)}")
        return name

    @model_validator(mode="after")
    def _has_rules(self) -> Self:
        self.curriculum_rules()
        return self

    def curriculum_rules(self) -> CurriculumRules:
        """Returns when a level of the curriculum is left. Raises ValueError for rules that make no sense."""
        return CurriculumRules(
            self.curriculum_window,
            self.curriculum_minimum,
            self.curriculum_escalate_above,
            self.curriculum_deescalate_below,
            self.curriculum_hysteresis,
        )

    def options(self) -> Options:
        """Returns how an episode is played if its client does not choose."""
        return Options(feedback=self.feedback, hints=self.hints, reward_mode=self.reward_mode)

    @property
    def certificates_file(self) -> Path:
        """Where the flake certificates are; the file need not exist."""
        return self.data_dir / CERTIFICATES_NAME if self.certificates is None else self.certificates

    def store_url(self) -> str:
        """Returns the SQLAlchemy URL of the store."""
        if self.database_url is not None:
            return self.database_url.get_secret_value()
        return f"sqlite:///{self.data_dir.resolve() / 'codearena.sqlite3'}"
