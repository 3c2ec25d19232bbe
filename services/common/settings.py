"""Settings that every service has: one frozen object from environment variables, checked at start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, SecretStr, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from services.common.secret_files import SecretFiles

LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


def default_data_dir() -> Path:
    """Returns where state is kept unless CODEARENA_DATA_DIR says otherwise: `data/` where one starts."""
    return Path("data")


class FromEnvironment(BaseSettings):
    """Settings from variables, and where one is not set from the file of its name in the folder of secrets."""

    model_config = SettingsConfigDict(
        env_prefix="CODEARENA_", frozen=True, extra="ignore", populate_by_name=True, env_ignore_empty=True
    )

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - no such file is read
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 - ours refuses what it cannot read
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Says where settings come from, the strongest first."""
        return init_settings, env_settings, SecretFiles(settings_cls)


class ServiceSettings(FromEnvironment):
    """Base of each service's settings. Secrets are masked when it is printed.

    A subclass gives `port` and `metrics_port` their defaults and variables, as several services may
    share one environment.
    """

    host: str = Field(default="127.0.0.1", description="Address to listen on.")
    port: int = Field(default=0, ge=0, le=65535, description="gRPC port; 0 takes a free one.")
    metrics_port: int | None = Field(
        default=None, ge=0, le=65535, description="Port of /metrics; 0 takes a free one, unset serves none."
    )
    metrics_host: str | None = Field(default=None, description="Address of /metrics; that of gRPC if unset.")
    secrets_dir: Path | None = Field(
        default=None,
        description="Folder of files, each named for a variable in small letters; /run/secrets where there is one.",
    )
    data_dir: Path = Field(default_factory=default_data_dir, description="Where state is kept.")
    log_level: Literal["debug", "info", "warning", "error"] = "info"
    log_format: Literal["json", "text"] = "text"
    reflection: bool = Field(default=True, description="Serve gRPC reflection.")
    drain_seconds: float = Field(
        default=0.2, ge=0, le=60, description="Pause between reporting not-serving and refusing calls."
    )
    grace_seconds: float = Field(default=30.0, ge=0, le=600, description="Time that running calls get to end.")
    max_connection_age_seconds: int | None = Field(
        default=None, ge=1, description="Close connections of this age, so that clients rebalance."
    )
    token: SecretStr | None = Field(default=None, description="Bearer token that callers must send.")
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    tls_client_ca_file: Path | None = Field(default=None, description="Demand client certificates of this CA.")

    @model_validator(mode="after")
    def _tls_is_whole(self) -> ServiceSettings:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("CODEARENA_TLS_CERTIFICATE_FILE and CODEARENA_TLS_KEY_FILE go together")
        if self.tls_client_ca_file is not None and self.tls_certificate_file is None:
            raise ValueError("CODEARENA_TLS_CLIENT_CA_FILE needs CODEARENA_TLS_CERTIFICATE_FILE")
        return self

    @property
    def loopback_only(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in LOOPBACK_HOSTS


class PeerSettings(FromEnvironment):
    """How a service reaches the others."""

    peer_ca_file: Path | None = Field(default=None, description="Speak TLS to peers and trust this CA.")
    token: SecretStr | None = None
