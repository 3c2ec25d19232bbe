"""Settings that every service has: one frozen object from environment variables, checked at start."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, TypeVar

from pydantic import Field, SecretStr, ValidationError, model_validator
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, SettingsError

from services.common.errors import StartError
from services.common.secret_files import SecretFiles, why

AnySettings = TypeVar("AnySettings", bound=BaseSettings)
LOOPBACK_HOSTS = frozenset({"127.0.0.1", "::1", "localhost"})


class WrongSettings(StartError):
    """Settings that cannot be; the message never quotes a value.

    Args:
        problems: What is wrong, each with its variable.
    """

    def __init__(self, problems: list[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def from_environment(settings: type[AnySettings]) -> AnySettings:
    """Reads settings.

    Raises:
        WrongSettings: They cannot be.
    """
    try:
        return settings()
    except ValidationError as error:
        problems = [_problem(settings, found["loc"], found["msg"]) for found in error.errors(include_input=False)]
    except SettingsError as error:
        problems = [why(error)]
    raise WrongSettings(problems)


def variable(settings: type[BaseSettings], name: str) -> str:
    """Returns the environment variable of a field."""
    field = settings.model_fields.get(name)
    alias = field.validation_alias if field is not None else name
    return alias if isinstance(alias, str) else f"CODEARENA_{name.upper()}"


def _problem(settings: type[BaseSettings], where: tuple[int | str, ...], message: str) -> str:
    reason = message.removeprefix("Value error, ")
    return f"{variable(settings, str(where[0]))}: {reason}" if where else reason


def default_data_dir() -> Path:
    """Returns where state is kept unless CODEARENA_DATA_DIR says otherwise: `data/` where one starts."""
    return Path("data")


class FromEnvironment(BaseSettings):
    """Settings from variables, and where one is not set from the file of its name in the folder of secrets."""

    model_config = SettingsConfigDict(
        env_prefix="CODEARENA_",
        frozen=True,
        extra="ignore",
        populate_by_name=True,
        env_ignore_empty=True,
        hide_input_in_errors=True,  # tokens and passwords are among it
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
    health_port: int | None = Field(
        default=None,
        ge=0,
        le=65535,
        description="Port of grpc.health.v1 alone, in plain text and without a certificate, for probes; unset: none.",
    )
    token: SecretStr | None = Field(
        default=None, min_length=1, description="Bearer token that callers must send; it may do everything."
    )
    tokens_file: Path | None = Field(
        default=None, description="YAML file of further tokens with scopes and quotas; see docs/security.md."
    )
    tls_certificate_file: Path | None = Field(default=None, description="PEM file; with the key, serve TLS.")
    tls_key_file: Path | None = Field(default=None, description="PEM file of its key.")
    tls_client_ca_file: Path | None = Field(default=None, description="Demand client certificates of this CA.")
    tls_allowed_clients: tuple[str, ...] = Field(
        default=(),
        description="JSON list of URIs (SPIFFE ids) and DNS names; a client's certificate must have one of them. "
        "Empty: any of the CA.",
    )
    audit_file: Path | None = Field(
        default=None, description="File of the audit log, - for stdout; unset: in the service's own log."
    )

    @model_validator(mode="after")
    def _tls_is_whole(self) -> ServiceSettings:
        if (self.tls_certificate_file is None) != (self.tls_key_file is None):
            raise ValueError("CODEARENA_TLS_CERTIFICATE_FILE and CODEARENA_TLS_KEY_FILE go together")
        if self.tls_client_ca_file is not None and self.tls_certificate_file is None:
            raise ValueError("CODEARENA_TLS_CLIENT_CA_FILE needs CODEARENA_TLS_CERTIFICATE_FILE")
        if self.tls_allowed_clients and self.tls_client_ca_file is None:
            raise ValueError("CODEARENA_TLS_ALLOWED_CLIENTS needs CODEARENA_TLS_CLIENT_CA_FILE")
        return self

    @property
    def loopback_only(self) -> bool:
        """Whether only this machine can reach the service."""
        return self.host in LOOPBACK_HOSTS


class PeerSettings(FromEnvironment):
    """How a service reaches the others."""

    peer_ca_file: Path | None = Field(default=None, description="Speak TLS to peers and trust this CA.")
    peer_certificate_file: Path | None = Field(default=None, description="PEM file to show to peers, for mutual TLS.")
    peer_key_file: Path | None = Field(default=None, description="PEM file of its key.")
    token: SecretStr | None = None
    peer_token: SecretStr | None = Field(
        default=None, min_length=1, description="Bearer token for peers; unset takes CODEARENA_TOKEN."
    )

    @model_validator(mode="after")
    def _pair_is_whole(self) -> PeerSettings:
        if (self.peer_certificate_file is None) != (self.peer_key_file is None):
            raise ValueError("CODEARENA_PEER_CERTIFICATE_FILE and CODEARENA_PEER_KEY_FILE go together")
        if self.peer_certificate_file is not None and self.peer_ca_file is None:
            raise ValueError("CODEARENA_PEER_CERTIFICATE_FILE needs CODEARENA_PEER_CA_FILE")
        return self
