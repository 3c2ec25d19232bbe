"""The providers of proposals, as the operator names them. Their addresses come from here, never from a request."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from services.judge.proposal import BUILTIN

MAX_PROVIDERS = 8
NO_KEY = "none"


class ProviderKind(StrEnum):
    """What speaks at the other end. All of them speak OpenAI's protocol; they differ in their usual address."""

    OPENAI = "openai"
    """OpenAI, vLLM, TGI, or any other compatible server."""
    HUGGINGFACE = "huggingface"
    """The router of Hugging Face."""
    OLLAMA = "ollama"
    """Ollama on this machine."""


_USUAL_URLS = {
    ProviderKind.OPENAI: "https://api.openai.com/v1",
    ProviderKind.HUGGINGFACE: "https://router.huggingface.co/v1",
    ProviderKind.OLLAMA: "http://127.0.0.1:11434/v1",
}
_PUBLIC = frozenset({ProviderKind.OPENAI, ProviderKind.HUGGINGFACE})


class Provider(BaseModel):
    """One model that may be asked for proposals."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="What replies call it.")
    kind: ProviderKind = ProviderKind.OPENAI
    base_url: str = Field(default="", max_length=2048, description="Its API; the kind's usual one if empty.")
    model: Annotated[str, Field(min_length=1, max_length=128)]
    api_key: SecretStr | None = None
    deadline_seconds: float = Field(default=30.0, gt=0, le=600, description="Time of one question, with retries.")
    max_retries: int = Field(default=1, ge=0, le=10, description="Further attempts after 429, 5xx, lost calls.")

    @model_validator(mode="after")
    def _can_be_asked(self) -> Self:
        if BUILTIN in (self.name, self.model):
            raise ValueError(f'"{BUILTIN}" is the fixer that needs no provider')
        if self.base_url and not _is_plain_url(self.base_url):
            raise ValueError("base_url must be http:// or https:// with a host, without user, query and fragment")
        if not self.base_url and self.kind in _PUBLIC and self.api_key is None:
            raise ValueError(f"{_USUAL_URLS[self.kind]} needs an api_key")
        return self

    @property
    def url(self) -> str:
        """Where its API is."""
        return self.base_url or _USUAL_URLS[self.kind]

    @property
    def key(self) -> str:
        """Its key; servers without keys take any."""
        return NO_KEY if self.api_key is None else self.api_key.get_secret_value()


def _is_plain_url(url: str) -> bool:
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return (
        parts.scheme in ("http", "https")
        and bool(parts.hostname)
        and "@" not in parts.netloc
        and not parts.query
        and not parts.fragment
    )
