"""Settings of the judge service, from environment variables."""

from __future__ import annotations

from pydantic import Field, SecretStr, field_validator

from services.common.settings import ServiceSettings
from services.judge.chat import ModelSettings

_DEFAULT_BASE_URL = "https://api.openai.com/v1"
_NO_KEY = "none"


class JudgeSettings(ServiceSettings):
    """See each field; the variable is CODEARENA_ and its name in capitals unless an alias is given."""

    port: int = Field(default=50053, ge=0, le=65535, validation_alias="CODEARENA_JUDGE_PORT")
    metrics_port: int | None = Field(default=9103, ge=0, le=65535, validation_alias="CODEARENA_JUDGE_METRICS_PORT")
    judge_base_url: str = Field(default="", description="OpenAI-compatible API; without it and a key, no model judges.")
    judge_api_key: SecretStr | None = Field(default=None, description="Key of that API.")
    judge_model: str = Field(default="gpt-4o-mini", min_length=1, max_length=128, description="Model name.")
    judge_deadline_seconds: float = Field(default=30.0, gt=0, le=600, description="Time of one question, with retries.")
    judge_max_retries: int = Field(default=2, ge=0, le=10, description="Further attempts after 429, 5xx, lost calls.")
    judge_concurrency: int = Field(default=8, ge=1, le=1024, description="Questions to the model at a time.")
    judge_queue: int = Field(default=64, ge=0, le=100_000, description="Questions that may wait for their turn.")
    judge_answer_tokens: int = Field(default=2048, ge=64, le=65_536, description="Length of an answer.")
    judge_prompt_characters: int = Field(default=60_000, ge=1000, description="Longer messages are not sent.")
    judge_tokens_per_hour: int | None = Field(default=None, ge=1, description="Budget; none if unset.")
    judge_breaker_threshold: int = Field(default=5, ge=1, le=1000, description="Failures in a row that open it.")
    judge_breaker_pause_seconds: float = Field(default=30.0, ge=0, le=3600, description="How long it stays open.")
    judge_cache_entries: int = Field(default=4096, ge=0, le=1_000_000, description="Opinions of the model kept.")
    judge_usd_per_million_prompt_tokens: float = Field(default=0.0, ge=0, description="For the cost metric.")
    judge_usd_per_million_answer_tokens: float = Field(default=0.0, ge=0, description="For the cost metric.")
    judge_workers: int = Field(default=2, ge=1, le=64, description="Processes that read submissions' syntax.")

    @field_validator("judge_base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url

    def model(self) -> ModelSettings | None:
        """Returns how to reach the model, or None if neither an address nor a key is given."""
        if not self.judge_base_url and self.judge_api_key is None:
            return None
        return ModelSettings(
            base_url=self.judge_base_url or _DEFAULT_BASE_URL,
            api_key=self.judge_api_key.get_secret_value() if self.judge_api_key else _NO_KEY,
            name=self.judge_model,
            deadline_seconds=self.judge_deadline_seconds,
            max_retries=self.judge_max_retries,
            max_concurrent=self.judge_concurrency,
            max_waiting=self.judge_queue,
            max_answer_tokens=self.judge_answer_tokens,
            max_prompt_characters=self.judge_prompt_characters,
            tokens_per_hour=self.judge_tokens_per_hour,
            breaker_threshold=self.judge_breaker_threshold,
            breaker_pause_seconds=self.judge_breaker_pause_seconds,
        )
