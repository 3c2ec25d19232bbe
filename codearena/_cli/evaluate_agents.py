"""Which agent plays an evaluation, by the options of `codearena eval`."""

from __future__ import annotations

import importlib.util
import os
import shlex
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from types import MappingProxyType
from typing import Any, Final

import click

from codearena._cli.session import EXIT_USAGE
from codearena.evaluation import Agent, BuiltinAgent, CommandAgent, ReplayAgent, read_rollouts

BACKENDS: Final = ("builtin", "openai", "hf", "command", "replay")


_USED_BY: Final[Mapping[str, Sequence[str]]] = MappingProxyType(
    {
        "model": ("openai", "hf"),
        "base_url": ("openai",),
        "command": ("command",),
        "source": ("replay",),
        "temperature": ("openai", "hf"),
        "max_tokens": ("openai", "hf"),
        "prices": ("openai",),
        "retries": ("openai",),
        "answer_timeout": ("openai", "command"),
    }
)


class EvaluationProblem(click.ClickException):
    """An evaluation that cannot begin as it was asked for."""

    exit_code = EXIT_USAGE


def check_options(backend: str, named: Collection[str]) -> None:
    """Raises `click.UsageError` for an option that the backend does not know.

    Args:
        backend: Who plays.
        named: The options that were given on the command line, by the names of their parameters.
    """
    for name, backends in _USED_BY.items():
        if name in named and backend not in backends:
            option = "--from" if name == "source" else f"--{name.replace('_', '-')}"
            raise click.UsageError(f"{option} is for --backend {' or '.join(backends)}, not {backend}")


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
        check_extra("openai")
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


def check_extra(*packages: str) -> None:
    """Raises `EvaluationProblem` where a package is missing."""
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise EvaluationProblem(f"this needs {package}, of the extra `eval`")
