"""Which agent plays an evaluation, by the options of `codearena eval`."""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

import click

from codearena._cli.session import EXIT_USAGE
from codearena.evaluation import Agent, BuiltinAgent, CommandAgent, ReplayAgent, read_rollouts

BACKENDS: Final = ("builtin", "openai", "hf", "command", "replay")


class EvaluationProblem(click.ClickException):
    """An evaluation that cannot begin as it was asked for."""

    exit_code = EXIT_USAGE


@asynccontextmanager
async def chosen_agent(given: Mapping[str, Any]) -> AsyncIterator[tuple[Agent, str]]:
    """Yields who plays, and its name."""
    backend = given["backend"]
    if backend == "builtin":
        yield BuiltinAgent(), "builtin"
    elif backend == "command":
        arguments = shlex.split(_needed(given, "command"))
        yield CommandAgent(arguments, given["answer_timeout"]), given["command"]
    elif backend == "replay":
        recorded = read_rollouts(_needed(given, "source"))
        yield ReplayAgent(recorded.rollouts), f"replay of {recorded.settings.get('agent', 'an evaluation')}"
    elif backend == "hf":
        from codearena.evaluation.hf_agent import HuggingFaceAgent

        model = _needed(given, "model")
        try:
            agent = HuggingFaceAgent(model, temperature=given["temperature"], max_tokens=given["max_tokens"])
        except ImportError as error:
            raise EvaluationProblem(f"hf needs transformers and torch ({error})") from error
        except OSError as error:
            raise EvaluationProblem(f"cannot load {model}: {str(error).splitlines()[0]}") from error
        yield agent, model
    else:
        from codearena.evaluation.openai_agent import OpenAIAgent

        model = _needed(given, "model")
        async with OpenAIAgent(
            model,
            base_url=given["base_url"],
            api_key=_api_key(given["base_url"]),
            temperature=given["temperature"],
            max_tokens=given["max_tokens"],
            timeout_seconds=given["answer_timeout"],
            retries=given["retries"],
            prices=given["prices"],
        ) as client:
            yield client, model


def _api_key(base_url: str | None) -> str:
    key = os.environ.get("OPENAI_API_KEY", "")
    if not key and base_url is None:
        raise EvaluationProblem("set OPENAI_API_KEY, or name a server with --base-url")
    return key or "none"


def _needed(given: Mapping[str, Any], name: str) -> Any:  # noqa: ANN401
    value = given[name]
    if not value:
        option = "from" if name == "source" else name
        raise click.UsageError(f"--backend {given['backend']} needs --{option}")
    return value


def check_extra() -> None:
    """Raises `EvaluationProblem` where a package is missing that the figures need."""
    for package in ("numpy", "scipy", "openai"):
        if importlib.util.find_spec(package) is None:
            raise EvaluationProblem(f"this needs {package}, of the extra `eval`")
