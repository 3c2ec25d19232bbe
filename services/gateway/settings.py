"""Settings of the gateway."""

from __future__ import annotations

from pathlib import Path

from pydantic import Field, SecretStr, model_validator

from services.common.settings import ServiceSettings

DASHBOARD = Path(__file__).parents[2] / "dashboard" / "dist"


class GatewaySettings(ServiceSettings):
    """What the gateway can be told by environment variables."""

    port: int = Field(
        default=7860, ge=0, le=65535, validation_alias="CODEARENA_GATEWAY_PORT", description="HTTP port; 0: a free one."
    )
    env_address: str = Field(default="127.0.0.1:50051", description="gRPC target of the env service.")
    env_token: SecretStr | None = Field(
        default=None, description="Bearer token for the env service; unset takes CODEARENA_TOKEN."
    )
    dashboard: Path = Field(default=DASHBOARD, description="Folder of the built dashboard (`make dashboard`).")
    max_sessions: int = Field(default=512, ge=1, le=10_000, description="WebSocket sessions at once.")
    max_streams: int = Field(default=64, ge=1, le=1_000, description="Live streams of steps at once.")
    max_body_bytes: int = Field(default=1 << 20, ge=1024, le=64 << 20, description="Largest body of a request.")
    max_frame_bytes: int = Field(default=1 << 20, ge=1024, le=64 << 20, description="Largest WebSocket message.")
    requests_per_second: float = Field(
        default=200.0,
        ge=0,
        le=100_000,
        description="Requests and WebSocket messages of one client, over time; 0: any number.",
    )
    request_burst: int = Field(default=1000, ge=1, le=100_000, description="How many of them may come at once.")
    step_timeout_seconds: float = Field(default=120.0, gt=0, le=3600, description="For a step without a deadline.")
    resume_seconds: float = Field(
        default=600.0,
        ge=0,
        le=86_400,
        description="How long the episode of a WebSocket client that vanished waits for it.",
    )
    cors_origins: tuple[str, ...] = Field(
        default=(), description="JSON list of origins whose pages may call the gateway; none but its own if empty."
    )
    forwarded_allow_ips: str = Field(
        default="127.0.0.1", description="Proxies that may say who the client is, separated by commas; * for all."
    )
    metrics_urls: dict[str, str] = Field(
        default={
            "env": "http://127.0.0.1:9101/metrics",
            "executor": "http://127.0.0.1:9102/metrics",
            "judge": "http://127.0.0.1:9103/metrics",
        },
        description="JSON object: where the page of operations reads each service's metrics.",
    )

    @model_validator(mode="after")
    def _names_are_not_promised(self) -> GatewaySettings:
        if self.tls_allowed_clients:
            raise ValueError(
                "CODEARENA_TLS_ALLOWED_CLIENTS: the gateway does not look at the names in certificates; unset it for "
                "the gateway, and have CODEARENA_TLS_CLIENT_CA_FILE name an authority of its clients alone, or give "
                "them tokens"
            )
        return self

    def token_for_env(self) -> str | None:
        """Returns the bearer token that the env service is sent."""
        token = self.env_token or self.token
        return token.get_secret_value() if token else None
