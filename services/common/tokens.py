"""The tokens of clients: a file with what each may do, never with the token itself."""

from __future__ import annotations

import hashlib
import time
from pathlib import Path
from typing import Annotated, Self

import structlog
import yaml
from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator

from services.common.audit import Audit
from services.common.errors import StartError
from services.common.scopes import EVERY_SCOPE, Scope

_LOOK_SECONDS = 1.0
_MAX_BYTES = 1 << 20
_MAX_TOKENS = 1000
SHARED_NAME = "shared"
"""What the one token of CODEARENA_TOKEN is called in logs."""


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


class _File(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    tokens: Annotated[tuple[Token, ...], Field(max_length=_MAX_TOKENS)]

    @model_validator(mode="after")
    def _are_told_apart(self) -> Self:
        for what in ("name", "sha256"):
            values = [getattr(token, what) for token in self.tokens]
            if len(values) != len(set(values)):
                raise ValueError(f"two tokens have the same {what}")
        if any(token.name == SHARED_NAME for token in self.tokens):
            raise ValueError(f"{SHARED_NAME} is the name of CODEARENA_TOKEN; call the token something else")
        return self


class BadTokensFile(Exception):
    """A file of tokens cannot be used; the message says why, and quotes no value of it."""


def fingerprint(secret: str) -> str:
    """Returns what stands for a token in the file. It has 256 random bits, so one plain hash is enough."""
    return hashlib.sha256(secret.encode()).hexdigest()


def read_tokens(file: Path) -> dict[str, Token]:
    """Returns the tokens of a YAML or JSON file by their hashes.

    Raises:
        BadTokensFile: It cannot be read, or holds something else.
    """
    try:
        if file.stat().st_size > _MAX_BYTES:
            raise BadTokensFile(f"{file} is longer than {_MAX_BYTES} bytes")
        found = yaml.safe_load(file.read_text(encoding="utf-8"))
    except OSError as error:
        raise BadTokensFile(f"{file} cannot be read: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        mark = getattr(error, "problem_mark", None)
        raise BadTokensFile(f"{file} is no YAML{f' (line {mark.line + 1})' if mark else ''}") from None
    try:
        tokens = _File.model_validate(found).tokens
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise BadTokensFile(f"{file}: {where}: {first['msg']}".replace(": :", ":")) from None
    return {token.sha256: token for token in tokens}


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
        self._shared = {} if shared is None else _shared_token(shared.get_secret_value())
        self._file = file
        self._audit = audit
        self._log = structlog.get_logger("tokens")
        self._looked = time.monotonic()
        self._stamp = _stamp(file)
        self._refused: object = None
        self._tokens = dict(self._shared)
        if file is not None:
            try:
                self._tokens |= read_tokens(file)
            except BadTokensFile as error:
                raise StartError(f"CODEARENA_TOKENS_FILE: {error}") from error

    @property
    def demanded(self) -> bool:
        """Whether a caller must have a token at all."""
        return bool(self._shared) or self._file is not None

    def find(self, secret: str) -> Token | None:
        """Returns a token, perhaps an expired one; None if nobody knows it. Looks at the file once a second at most."""
        self.look()
        return self._tokens.get(fingerprint(secret))

    def look(self) -> None:
        """Reads the file again if it has changed."""
        now = time.monotonic()
        if self._file is None or now - self._looked < _LOOK_SECONDS:
            return
        self._looked = now
        stamp = _stamp(self._file)
        if stamp == self._stamp:
            return
        try:
            found = self._shared | read_tokens(self._file)
        except BadTokensFile as error:
            if self._refused != (stamp, str(error)):
                self._refused = (stamp, str(error))
                self._log.error("the changed file of tokens is refused, the old tokens stay", why=str(error))
                self._audit.record("tokens refused", why=str(error))
            return
        self._stamp, self._refused = stamp, None
        if found != self._tokens:
            self._audit.record("tokens reloaded", tokens=len(found), **_changes(self._tokens, found))
            self._tokens = found


def _shared_token(secret: str) -> dict[str, Token]:
    token = Token(name=SHARED_NAME, sha256=fingerprint(secret), scopes=EVERY_SCOPE)
    return {token.sha256: token}


def _changes(old: dict[str, Token], new: dict[str, Token]) -> dict[str, str]:
    """Returns the names of the tokens that came, went or may do something else now."""
    before, after = ({token.name: token for token in tokens.values()} for tokens in (old, new))
    return {
        "added": " ".join(sorted(after.keys() - before.keys())),
        "removed": " ".join(sorted(before.keys() - after.keys())),
        "changed": " ".join(sorted(name for name in before.keys() & after.keys() if before[name] != after[name])),
    }


def _stamp(file: Path | None) -> object:
    try:
        found = None if file is None else file.stat()
    except OSError as error:
        return error.errno
    return found and (found.st_mtime_ns, found.st_size, found.st_ino)
