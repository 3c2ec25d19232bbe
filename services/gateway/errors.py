"""What the gateway answers when something cannot be done: one shape, with the status that fits."""

from __future__ import annotations

import math
import uuid
from collections.abc import Mapping

import grpc
import structlog
from fastapi import FastAPI, HTTPException, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, Field, ValidationError
from starlette.exceptions import HTTPException as StarletteHTTPException

from codearena import ArenaError, RetryableError
from services.common.errors import StatusError, reason_name
from services.common.logs import trace_of
from services.gateway.caller import caller_token

_STATUS = {
    "INVALID_ARGUMENT": 400,
    "NOT_FOUND": 404,
    "FAILED_PRECONDITION": 409,
    "ABORTED": 503,
    "RESOURCE_EXHAUSTED": 429,
    "UNAVAILABLE": 503,
    "DEADLINE_EXCEEDED": 504,
    "UNAUTHENTICATED": 502,
    "PERMISSION_DENIED": 502,
    "UNIMPLEMENTED": 502,
    "CANCELLED": 503,
}
_OF_CALLER = {"UNAUTHENTICATED": 401, "PERMISSION_DENIED": 403}
_CODES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "INVALID_ARGUMENT",
    409: "FAILED_PRECONDITION",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


class Problem(BaseModel):
    """Why something was not done."""

    code: str = Field(description="Name of a gRPC status, such as NOT_FOUND.")
    message: str = Field(description="What happened and what to do, for people.")
    reason: str = Field(default="", description="Why, for programs, such as EPISODE_DONE.")
    retry_after_seconds: float | None = Field(default=None, description="When the same call may succeed.")
    details: list[dict[str, object]] = Field(
        default_factory=list, description="Fields that are wrong, with loc and msg."
    )


class Failure(BaseModel):
    """The body of every answer that is not a success."""

    error: Problem


def failure(status: int, problem: Problem, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Returns an answer that says why something was not done."""
    sent = dict(headers or {})
    if problem.retry_after_seconds is not None:
        sent["Retry-After"] = str(max(1, math.ceil(problem.retry_after_seconds)))
    return JSONResponse(Failure(error=problem).model_dump(), status, sent)


def of_arena(error: ArenaError) -> JSONResponse:
    """Returns the answer for a failure of the arena behind us.

    That a token is refused is the client's to mend if it is the client's token, and else ours, so a 502.
    """
    retry = error.retry_after_seconds if isinstance(error, RetryableError) else None
    code = error.code.name
    problem = Problem(code=code, message=error.message, reason=error.reason, retry_after_seconds=retry)
    statuses = _STATUS if caller_token.get() is None else _STATUS | _OF_CALLER
    return failure(statuses.get(code, 500), problem)


def of_refusal(error: StatusError) -> JSONResponse:
    """Returns the answer for a client that is not let in."""
    unknown = error.code is grpc.StatusCode.UNAUTHENTICATED
    headers = {"WWW-Authenticate": "Bearer"} if unknown else None
    problem = Problem(code=error.code.name, message=error.message, reason=reason_name(error.reason))
    return failure(401 if unknown else 403, problem, headers)


def of_status(status: int, message: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    """Returns the answer for an HTTP status of our own."""
    return failure(status, Problem(code=_CODES.get(status, "INTERNAL"), message=message), headers)


def of_fields(errors: object) -> JSONResponse:
    """Returns the answer for fields that are wrong: where each is and why, not what it held."""
    found = errors if isinstance(errors, list) else []
    details: list[dict[str, object]] = [
        {"type": str(each.get("type")), "loc": [str(part) for part in each.get("loc", ())], "msg": str(each.get("msg"))}
        for each in found[:20]
    ]
    first = details[0] if details else {"loc": [], "msg": "the request is malformed"}
    where = ".".join(str(part) for part in first["loc"]) if isinstance(first["loc"], list) else ""
    message = f"{where}: {first['msg']}" if where else str(first["msg"])
    return failure(422, Problem(code="INVALID_ARGUMENT", message=message, details=details))


def add_handlers(app: FastAPI) -> None:
    """Has every exception of a handler become an answer of this shape."""
    log = structlog.get_logger("gateway")

    @app.exception_handler(ArenaError)
    async def arena(_: Request, error: ArenaError) -> JSONResponse:
        return of_arena(error)

    @app.exception_handler(RequestValidationError)
    async def request(_: Request, error: RequestValidationError) -> JSONResponse:
        return of_fields(list(error.errors()))

    @app.exception_handler(ValidationError)
    async def fields(_: Request, error: ValidationError) -> JSONResponse:
        return of_fields(error.errors(include_url=False, include_context=False, include_input=False))

    @app.exception_handler(StarletteHTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        if isinstance(error.detail, list):
            return of_fields(error.detail)
        return of_status(error.status_code, str(error.detail), error.headers)

    @app.exception_handler(Exception)
    async def bug(request: Request, error: Exception) -> JSONResponse:
        error_id = uuid.uuid4().hex
        log.error("a mistake of ours", path=request.url.path, error_id=error_id, trace=trace_of(error))
        return of_status(500, f"a mistake of ours; error_id {error_id} finds it in the log")
