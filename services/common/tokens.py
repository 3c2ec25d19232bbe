"""The tokens of clients: a file with what each may do, never with the token itself."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Annotated, Self

import structlog
import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from services.common.audit import Audit
from services.common.errors import StartError
from services.common.scopes import EVERY_SCOPE, Scope
from services.common.watched_files import UnusableFile, WatchedFiles, read_file

_MAX_TOKENS = 1000
_SHARED_NAME = "shared"
_NOBODY_NAME = "nobody"
_RESERVED = {
    _SHARED_NAME: "what the token of CODEARENA_TOKEN is called",
    _NOBODY_NAME: "what callers are called where no token is demanded",
}
_LOADER: type[yaml.SafeLoader] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""libyaml reads a long file ten times as fast, where PyYAML was built with it."""


class Token(BaseModel):
    """One token, as the file has it."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$", description="What logs call it.")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$", description="Hash of the token, hexadecimal.")
    scopes: frozenset[Scope] = Field(min_length=1)
    expires: AwareDatetime | None = Field(default=None, description="RFC 3339 with a time zone; never if unset.")
    requests_per_second: float | None = Field(default=None, gt=0, le=100_000, description="Any number if unset.")
    burst: int = Field(default=100, ge=1, le=100_000, description="How many requests may come at once.")
    concurrent_steps: int | None = Field(
        default=None, ge=1, le=100_000, description="Gradings, runs and repairs under way at once; any number if unset."
    )

    def expired(self, now: float) -> bool:
        """Returns whether it is good no more, at a time in seconds since 1970."""
        return self.expires is not None and now >= self.expires.timestamp()


NOBODY = Token(name=_NOBODY_NAME, sha256="0" * 64, scopes=EVERY_SCOPE)
"""Stands for every caller where no token is demanded."""


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tokens: Annotated[tuple[Token, ...], Field(max_length=_MAX_TOKENS)]

    @model_validator(mode="after")
    def _are_told_apart(self) -> Self:
        for what in ("name", "sha256"):
            values = [getattr(token, what) for token in self.tokens]
            if len(values) != len(set(values)):
                raise ValueError(f"two tokens have the same {what}")
        for token in self.tokens:
            if token.name in _RESERVED:
                raise ValueError(f"{token.name} is {_RESERVED[token.name]}; call the token something else")
        return self


def fingerprint(secret: str) -> str:
    """Returns what stands for a token in the file. It has 256 random bits, so one plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_tokens(file: Path) -> dict[str, Token]:
    """Returns the tokens of a YAML or JSON file by their hashes.

    Raises:
        UnusableFile: It cannot be read, or holds something else.
    """
    try:
        tokens = _File.model_validate(_parse(file)).tokens
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UnusableFile(f"{file}: {where}: {first['msg']}".replace(": :", ":")) from None
    return {token.sha256: token for token in tokens}


def _parse(file: Path) -> object:
    content = read_file(file)
    try:
        return yaml.load(content.decode(), _LOADER)  # noqa: S506 - a safe one
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise UnusableFile(f"{file} is no YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    except (ValueError, ArithmeticError, LookupError, TypeError, AttributeError):
        # what PyYAML lets through of values that look like a date or a number and are none
        raise UnusableFile(f"{file} has a date or a number that does not exist, such as 2030-02-30") from None


class Tokens:
    """The tokens that are good now: the one of CODEARENA_TOKEN, and those of a file that is read again when it changes.

    A changed file that cannot be used is refused; the tokens that were read before stay.

    Args:
        shared: The one token, which may do everything; None for none.
        file: The file; None for none.
        audit: Told of every change.

    Raises:
        StartError: The file cannot be used from the beginning.
    """

    def __init__(self, shared: SecretStr | None, file: Path | None, audit: Audit) -> None:
        self._shared = None if shared is None else _shared_token(shared.get_secret_value())
        self._file = file
        self._audit = audit
        self._log = structlog.get_logger("tokens")
        files = () if file is None else (file,)
        try:
            self._known = WatchedFiles(files, self._read, self._changed, self._refused)
        except UnusableFile as error:
            raise StartError(f"CODEARENA_TOKENS_FILE: {error}") from error

    @property
    def demanded(self) -> bool:
        """Whether a caller must have a token at all."""
        return self._shared is not None or self._file is not None

    def find(self, secret: str) -> Token | None:
        """Returns a token, perhaps an expired one; None if nobody knows it. Looks at the file once a second at most."""
        return self._known.current().get(fingerprint(secret))

    def is_of_one_client(self, token: Token) -> bool:
        """Returns whether a token is one of the file, rather than the shared one or none."""
        return token is not self._shared and token is not NOBODY

    def look(self) -> None:
        """Reads the file again if it has changed, also when nobody calls."""
        self._known.current()

    def _read(self) -> dict[str, Token]:
        shared = {} if self._shared is None else {self._shared.sha256: self._shared}
        return shared if self._file is None else shared | read_tokens(self._file)

    def _changed(self, before: dict[str, Token], found: dict[str, Token]) -> None:
        self._audit.record("tokens reloaded", tokens=len(found), **_changes(before, found))

    def _refused(self, why: str) -> None:
        self._log.error("the changed file of tokens is refused, the old tokens stay", why=why)
        self._audit.record("tokens refused", why=why)


def _shared_token(secret: str) -> Token:
    return Token(name=_SHARED_NAME, sha256=fingerprint(secret), scopes=EVERY_SCOPE)


def _changes(old: dict[str, Token], new: dict[str, Token]) -> dict[str, str]:
    """Returns the names of the tokens that came, went or may do something else now."""
    before, after = ({token.name: token for token in tokens.values()} for tokens in (old, new))
    return {
        "added": " ".join(sorted(after.keys() - before.keys())),
        "removed": " ".join(sorted(before.keys() - after.keys())),
        "changed": " ".join(sorted(name for name in before.keys() & after.keys() if before[name] != after[name])),
    }
