"""Settings from files, each named for a variable: how Docker and Kubernetes hand secrets to a container."""

from __future__ import annotations

import os
import warnings
from pathlib import Path
from typing import Any

from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, SecretsSettingsSource, SettingsError

FOLDER = Path("/run/secrets")
VARIABLE = "CODEARENA_SECRETS_DIR"


class SecretFileError(SettingsError):
    """A file of a secret cannot be used; the message says which and why, never what is in it."""


class SecretFiles(SecretsSettingsSource):
    """Reads `codearena_token` and the like from a folder, without the white space around their text.

    A file that is there and cannot be used is an error: an arena that took it for an absent one would serve without
    its token.

    Raises:
        SecretFileError: The folder that `CODEARENA_SECRETS_DIR` names is none.
    """

    def __init__(self, settings: type[BaseSettings]) -> None:
        super().__init__(settings, secrets_dir=_folder())

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Returns a field's text, or None without a file. Raises SecretFileError."""
        name = field.validation_alias if isinstance(field.validation_alias, str) else f"codearena_{field_name}"
        where = f"the file {name.lower()} in {self.secrets_dir}"
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                value, key, is_complex = super().get_field_value(field, field_name)
        except (OSError, UnicodeDecodeError) as error:
            raise SecretFileError(f"{where} cannot be read ({type(error).__name__})") from None
        except UserWarning as warning:
            raise SecretFileError(f"{where}: {warning}") from None
        if value == "":
            raise SecretFileError(f"{where} is empty; remove it or fill it")
        return value, key, is_complex


def _folder() -> Path | None:
    named = os.environ.get(VARIABLE)
    if named:
        if not Path(named).is_dir():
            raise SecretFileError(f"{VARIABLE}: there is no folder {named}")
        return Path(named)
    return FOLDER if FOLDER.is_dir() and os.access(FOLDER, os.R_OK | os.X_OK) else None


def why(error: SettingsError) -> str:
    """Returns what is wrong with settings that pydantic could not even read, for people."""
    for found in (error, error.__cause__):
        if isinstance(found, SecretFileError):
            return str(found)
    return f"{error}: it must be JSON"
