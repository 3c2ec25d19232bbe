"""Who may make a call: the certificate's name, the token, its scope and its quota, in this order."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import grpc

from codearena.v1 import error_reason_pb2 as reasons
from services.common.audit import Audit
from services.common.errors import StatusError
from services.common.quota import Usage, Usages
from services.common.scopes import Rule, Scope, allows, rule_of
from services.common.tls import names_of
from services.common.tokens import NOBODY, Token, Tokens

_BEARER = "Bearer "
_BUSY_SECONDS = 1.0


class Caller(Protocol):
    """What gRPC knows of who calls."""

    def peer(self) -> str:
        """Returns the address."""
        ...

    def auth_context(self) -> Mapping[str, Iterable[bytes]]:
        """Returns what the TLS handshake has shown; empty without TLS."""
        ...


Metadata = Sequence[tuple[str, str | bytes]]


class Gate:
    """Lets calls in. One for each server.

    Args:
        tokens: The tokens that are good.
        allowed_names: Names of which a caller's certificate must have one; empty: any that TLS has let in.
        audit: Told who was not let in, and what administrators do.
    """

    def __init__(self, tokens: Tokens, allowed_names: Collection[str], audit: Audit) -> None:
        self._tokens = tokens
        self._allowed_names = frozenset(allowed_names)
        self._audit = audit
        self._usages = Usages()

    def admit(self, method: str, metadata: Metadata, caller: Caller) -> Admission:
        """Lets a call in, and counts it.

        Args:
            method: Full name of the RPC.
            metadata: What came with it.
            caller: Whose it is.

        Raises:
            StatusError: UNAUTHENTICATED without a good token; PERMISSION_DENIED without the scope, or with the
                certificate of somebody else; RESOURCE_EXHAUSTED above the token's rate.
        """
        self._check_certificate(method, caller)
        token = self.authorize(method, rule_of(method).scope, metadata, caller.peer())
        usage = self._usages.of(token)
        if wait := usage.request(token):
            raise _over_quota(token, "requests_per_second", token.requests_per_second, wait)
        return Admission(self, method, metadata, caller, token, usage)

    def authorize(self, what: str, needed: Scope, metadata: Metadata, peer: str) -> Token:
        """Returns the token that came with a call, if it has a scope.

        Args:
            what: What is called.
            needed: The scope.
            metadata: What came with the call.
            peer: Address of the caller.

        Raises:
            StatusError: UNAUTHENTICATED or PERMISSION_DENIED.
        """
        try:
            token = self._identify(metadata)
            if not allows(token.scopes, needed):
                raise _scope_missing(what, needed, token)
        except StatusError as error:
            self._refused(what, error, peer)
            raise
        return token

    def is_of_one_client(self, token: Token) -> bool:
        """Returns whether a token is one of the file, rather than the shared one or none."""
        return self._tokens.is_of_one_client(token)

    def _identify(self, metadata: Metadata) -> Token:
        """Returns the token that came with a call. Raises StatusError: UNAUTHENTICATED."""
        if not self._tokens.demanded:
            return NOBODY
        secret = bearer(dict(metadata).get("authorization", ""))
        if secret is None:
            raise _unauthenticated("send a token of this arena as `Authorization: Bearer TOKEN`")
        token = self._tokens.find(secret)
        if token is None:
            raise _unauthenticated("the arena does not know this token; ask its operator for one")
        if token.expired(time.time()):
            raise StatusError(
                grpc.StatusCode.UNAUTHENTICATED,
                reasons.ERROR_REASON_TOKEN_EXPIRED,
                f"the token {token.name} expired at {token.expires}; ask the arena's operator for a new one",
                metadata={"token": token.name},
            )
        return token

    def ended(self, admission: Admission, code: str, run_id: str) -> None:
        """A call has ended; what administrators did is kept."""
        if admission.rule.scope is Scope.ADMIN:
            self._audit.record(
                "admin call",
                method=admission.method,
                code=code,
                token=admission.token.name,
                run_id=run_id,
                peer=admission.caller.peer(),
            )

    def _check_certificate(self, method: str, caller: Caller) -> None:
        if not self._allowed_names:
            return
        names = names_of(caller.auth_context())
        if self._allowed_names.isdisjoint(names):
            shown = ", ".join(names) or "nobody"
            error = StatusError(
                grpc.StatusCode.PERMISSION_DENIED,
                reasons.ERROR_REASON_CALLER_NOT_ALLOWED,
                f"the client's certificate names {shown}, which CODEARENA_TLS_ALLOWED_CLIENTS of this service does not",
            )
            self._refused(method, error, caller.peer())
            raise error

    def _refused(self, what: str, error: StatusError, peer: str) -> None:
        self._audit.refused("refused", method=what, code=error.code.name, why=error.message, peer=peer)


class Admission:
    """One call that was let in, until it ends."""

    def __init__(self, gate: Gate, method: str, metadata: Metadata, caller: Caller, token: Token, usage: Usage) -> None:
        self.method = method
        self.caller = caller
        self.token = token
        self.rule: Rule = rule_of(method)
        self._gate = gate
        self._metadata = metadata
        self._usage = usage
        self._under_way = 0
        self._held = 0
        self._run_id = ""

    def begin(self, request: object) -> None:
        """Begins the steps that a request stands for. Raises StatusError: RESOURCE_EXHAUSTED."""
        self._run_id = str(getattr(request, "run_id", ""))
        if self.rule.steps is None:
            return
        steps = self.rule.steps(request)
        held = self._usage.begin(self.token, steps)
        if not held:
            raise _over_quota(self.token, "concurrent_steps", self.token.concurrent_steps, _BUSY_SECONDS)
        self._under_way += steps
        self._held += held

    async def begin_next(self) -> None:
        """Begins the next step of a stream once the quota has room for it: a stream is slowed down, not refused.

        Raises:
            StatusError: UNAUTHENTICATED or PERMISSION_DENIED; the token is not what it was when the stream was opened.
        """
        self.token = self._gate.authorize(self.method, self.rule.scope, self._metadata, self.caller.peer())
        await self._usage.begin_when_free(self.token)
        self._under_way += 1
        self._held += 1

    def answered(self) -> None:
        """One answer of several was sent, so one step has ended.

        A group larger than the whole quota holds all of it until fewer steps are left than that.
        """
        self._under_way -= 1
        if self._held > max(self._under_way, 0):
            self._held -= 1
            self._usage.end(1)

    def end(self, code: str) -> None:
        """The call has ended, with a status."""
        self._usage.end(self._held)
        self._held = 0
        self._gate.ended(self, code, self._run_id)


def bearer(sent: str | bytes) -> str | None:
    """Returns the token in the value of `authorization`; None if that is something else."""
    text = sent.decode(errors="replace") if isinstance(sent, bytes) else sent
    return text.removeprefix(_BEARER) if text.startswith(_BEARER) else None


def _unauthenticated(message: str) -> StatusError:
    return StatusError(grpc.StatusCode.UNAUTHENTICATED, reasons.ERROR_REASON_BAD_TOKEN, message)


def _scope_missing(what: str, needed: Scope, token: Token) -> StatusError:
    has = ", ".join(sorted(token.scopes))
    return StatusError(
        grpc.StatusCode.PERMISSION_DENIED,
        reasons.ERROR_REASON_SCOPE_MISSING,
        f"{what.rpartition('/')[2]} needs the scope {needed}; the token {token.name} has {has}",
        metadata={"token": token.name, "scope": needed.value},
    )


def _over_quota(token: Token, quota: str, limit: float | None, wait: float) -> StatusError:
    return StatusError(
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        reasons.ERROR_REASON_TOKEN_QUOTA_EXCEEDED,
        f"the token {token.name} may have {quota} {limit:g}; send the same again after {wait:.3f} s",
        retry_after_seconds=wait,
        metadata={"token": token.name, "quota": quota, "limit": f"{limit:g}"},
    )
