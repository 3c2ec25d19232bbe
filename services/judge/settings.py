"""Settings of the judge service, from environment variables."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Self

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_settings import SettingsConfigDict

from services.common.settings import ServiceSettings
from services.common.shared_store import check_redis_url
from services.judge.budget import Account, Limit
from services.judge.chat import ModelSettings
from services.judge.judging import OnFailure
from services.judge.providers import MAX_PROVIDERS, NO_KEY, Provider
from services.judge.question import Price

_FIX_TOKENS = 8192
_DEFAULT_BASE_URL = "https://api.openai.com/v1"

ModelName = Annotated[str, Field(min_length=1, max_length=128)]
Usd = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class JudgeSettings(ServiceSettings):
    """See each field; the variable is CODEARENA_ and its name in capitals unless an alias is given."""

    model_config = SettingsConfigDict(hide_input_in_errors=True)

    port: int = Field(default=50053, ge=0, le=65535, validation_alias="CODEARENA_JUDGE_PORT")
    metrics_port: int | None = Field(default=9103, ge=0, le=65535, validation_alias="CODEARENA_JUDGE_METRICS_PORT")
    judge_base_url: str = Field(default="", description="OpenAI-compatible API; without it and a key, no model judges.")
    judge_api_key: SecretStr | None = Field(default=None, description="Key of that API.")
    judge_model: str = Field(default="gpt-4o-mini", min_length=1, max_length=128, description="Model name.")
    judge_panel: tuple[ModelName, ...] = Field(
        default=(), max_length=8, description="JSON list of further models of that API; scores are then medians."
    )
    judge_samples: int = Field(default=1, ge=1, le=15, description="Answers of each model that the medians are of.")
    judge_temperature: float = Field(
        default=0.0, ge=0, le=2, description="Of the models; above 0 if several samples are to differ."
    )
    judge_on_failure: OnFailure = Field(
        default=OnFailure.STATIC, description="Without an answer: static judges without the model, fail fails the step."
    )
    judge_deadline_seconds: float = Field(default=30.0, gt=0, le=600, description="Time of one question, with retries.")
    judge_max_retries: int = Field(default=3, ge=0, le=10, description="Further attempts after 429, 5xx, lost calls.")
    judge_concurrency: int = Field(default=64, ge=1, le=1024, description="Questions to a model at a time, at most.")
    judge_queue: int = Field(default=512, ge=0, le=100_000, description="Questions that may wait for their turn.")
    judge_answer_tokens: int = Field(default=2048, ge=64, le=65_536, description="Length of an answer.")
    judge_prompt_characters: int = Field(default=60_000, ge=1000, description="Longer messages are not sent.")
    judge_tokens_per_hour: int | None = Field(default=None, ge=1, description="Budget of all models; none if unset.")
    judge_usd_per_hour: float | None = Field(default=None, gt=0, description="The same in US dollars.")
    judge_tokens_per_run: int | None = Field(default=None, ge=1, description="Budget of a training run; none if unset.")
    judge_usd_per_run: float | None = Field(default=None, gt=0, description="The same in US dollars.")
    judge_prices: dict[str, tuple[Usd, Usd]] = Field(
        default={},
        description="JSON object of model names, each with US dollars for a million tokens sent and answered.",
    )
    judge_breaker_threshold: int = Field(default=8, ge=1, le=1000, description="Failures in a row that open it.")
    judge_breaker_pause_seconds: float = Field(default=30.0, ge=0, le=3600, description="How long it stays open.")
    judge_cache_entries: int = Field(default=4096, ge=0, le=1_000_000, description="Opinions of models kept.")
    judge_cache_url: SecretStr | None = Field(
        default=None, description="redis:// URL of a store of opinions that judges share; as trusted as they are."
    )
    judge_cache_days: float = Field(default=30.0, gt=0, le=3650, description="How long an opinion stays in that store.")
    fixer_providers: tuple[Provider, ...] | None = Field(
        default=None,
        max_length=MAX_PROVIDERS,
        description="JSON list of the models that propose fixes, in order; the judge's first model if unset.",
    )
    judge_workers: int = Field(default=2, ge=1, le=64, description="Processes that read submissions' syntax.")

    @field_validator("judge_base_url")
    @classmethod
    def _is_http(cls, url: str) -> str:
        if url and not url.startswith(("http://", "https://")):
            raise ValueError("must begin with http:// or https://")
        return url

    @field_validator("judge_cache_url")
    @classmethod
    def _is_redis(cls, url: SecretStr | None) -> SecretStr | None:
        return check_redis_url(url)

    @field_validator("fixer_providers", mode="before")
    @classmethod
    def _is_json(cls, providers: object) -> object:
        if isinstance(providers, str):
            raise ValueError("it must be a JSON list")
        return providers

    @field_validator("fixer_providers")
    @classmethod
    def _have_names_of_their_own(cls, providers: tuple[Provider, ...] | None) -> tuple[Provider, ...] | None:
        names = [provider.name for provider in providers or ()]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"several providers are called {', '.join(twice)}")
        return providers

    @model_validator(mode="after")
    def _budgets_in_dollars_have_prices(self) -> Self:
        in_dollars = self.judge_usd_per_hour is not None or self.judge_usd_per_run is not None
        asked = (*self._names(), *(provider.model for provider in self.fixer_providers or ()))
        unpriced = [name for name in dict.fromkeys(asked) if name not in self.judge_prices]
        if in_dollars and unpriced:
            raise ValueError(f"a budget in dollars needs CODEARENA_JUDGE_PRICES of {', '.join(unpriced)}")
        return self

    def models(self) -> tuple[ModelSettings, ...]:
        """Returns how to reach the models; none if neither an address nor a key is given."""
        if not self.judge_base_url and self.judge_api_key is None:
            return ()
        return tuple(self._model(name) for name in self._names())

    def fixers(self) -> tuple[tuple[str, ModelSettings], ...]:
        """Returns the providers of proposals by their names, as they are to be asked; the built-in one is not named.

        Where none is set, that is the judge's first model, if there is one, under its own name.
        """
        if self.fixer_providers is None:
            return tuple((model.name, self._for_fixes(model)) for model in self.models()[:1])
        return tuple((provider.name, self._provider(provider)) for provider in self.fixer_providers)

    def account(self) -> Account:
        """Returns a new account with the budgets of all models."""
        return Account(
            hourly=Limit(self.judge_tokens_per_hour, self.judge_usd_per_hour),
            per_run=Limit(self.judge_tokens_per_run, self.judge_usd_per_run),
        )

    def _names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys((self.judge_model, *self.judge_panel)))

    def _model(self, name: str) -> ModelSettings:
        return ModelSettings(
            base_url=self.judge_base_url or _DEFAULT_BASE_URL,
            api_key=self.judge_api_key.get_secret_value() if self.judge_api_key else NO_KEY,
            name=name,
            price=Price(*self.judge_prices.get(name, ())),
            temperature=self.judge_temperature,
            deadline_seconds=self.judge_deadline_seconds,
            max_retries=self.judge_max_retries,
            max_concurrent=self.judge_concurrency,
            max_waiting=self.judge_queue,
            max_answer_tokens=self.judge_answer_tokens,
            max_prompt_characters=self.judge_prompt_characters,
            breaker_threshold=self.judge_breaker_threshold,
            breaker_pause_seconds=self.judge_breaker_pause_seconds,
        )

    def _for_fixes(self, model: ModelSettings) -> ModelSettings:
        """Returns a model that may answer with a whole program, which is longer than an opinion."""
        return dataclasses.replace(model, max_answer_tokens=max(_FIX_TOKENS, model.max_answer_tokens))

    def _provider(self, provider: Provider) -> ModelSettings:
        return dataclasses.replace(
            self._for_fixes(self._model(provider.model)),
            base_url=provider.url,
            api_key=provider.key,
            deadline_seconds=provider.deadline_seconds,
            max_retries=provider.max_retries,
        )
