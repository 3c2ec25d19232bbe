"""`python -m services.standalone`: a whole arena in one process."""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from services.common import logs, tracing
from services.common.main import read_settings, run_until_done, variables
from services.common.server import until_terminated
from services.env.settings import EnvSettings
from services.executor.settings import ExecutorSettings
from services.gateway.settings import GatewaySettings
from services.judge.settings import JudgeSettings
from services.standalone.arena import Arena, arena

_SETTINGS = (EnvSettings, ExecutorSettings, JudgeSettings, GatewaySettings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.standalone",
        description=(
            "Runs env, executor, judge and gateway in one process, over gRPC on loopback. Ends at Ctrl-C or SIGTERM."
        ),
        epilog="\n\n".join(f"{kind.__name__}: {variables(kind)}" for kind in _SETTINGS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, help="gRPC port of the arena; 0 takes free ports and serves no metrics")
    parser.add_argument(
        "--http-port",
        type=int,
        help="port of OpenEnv and the dashboard; with --port 0 there is none without it",
    )
    parser.add_argument("--no-gateway", action="store_true", help="serve gRPC alone")
    parser.add_argument("--ready-file", type=Path, help="write the address there, as JSON, once the arena answers")
    parser.add_argument(
        "--parent", type=int, metavar="PID", help="also end when this process is gone, however it ended"
    )
    return parser


async def _serve(
    port: int | None, http_port: int | None, with_gateway: bool, ready_file: Path | None, parent: int | None
) -> None:
    async with AsyncExitStack() as stack:
        running = await stack.enter_async_context(arena(port=port, private=port == 0))
        sys.stderr.write(f"arena at {running.address}, sandbox: {running.sandbox.name} ({running.sandbox.reason})\n")
        url = None
        if with_gateway:
            url = await stack.enter_async_context(_gateway(running, http_port))
            sys.stderr.write(f"OpenEnv and dashboard at {url}\n")
        if ready_file is not None:
            _announce(running, url, ready_file)
        ends = [until_terminated()] if parent is None else [until_terminated(), _until_gone(parent)]
        tasks = [asyncio.create_task(end) for end in ends]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()


async def _until_gone(pid: int) -> None:
    """Returns when there is no such process any more."""
    try:
        process = os.pidfd_open(pid)
    except ProcessLookupError:
        return
    loop, gone = asyncio.get_running_loop(), asyncio.Event()
    loop.add_reader(process, gone.set)
    try:
        await gone.wait()
    finally:
        loop.remove_reader(process)
        os.close(process)


@asynccontextmanager
async def _gateway(running: Arena, http_port: int | None) -> AsyncIterator[str]:
    """Runs a gateway to an arena of this process; yields its URL."""
    # its library takes seconds to import, which an arena without a gateway need not
    from services.gateway.operations import RegistrySource
    from services.gateway.service import gateway

    changes = {"env_address": running.address} | ({} if http_port is None else {"port": http_port})
    settings = GatewaySettings().model_copy(update=changes)
    sources = {name: RegistrySource(registry) for name, registry in running.registries.items()}
    async with gateway(settings, sources) as served:
        yield served.url


def _announce(running: Arena, url: str | None, ready_file: Path) -> None:
    """Writes the file in one move, so that whoever waits for it never reads half of it."""
    content = {
        "address": running.address,
        "executor_address": running.executor_address,
        "judge_address": running.judge_address,
        "url": url,
        "sandbox": running.sandbox.name,
        "reason": running.sandbox.reason,
        "pid": os.getpid(),
    }
    draft = ready_file.with_suffix(".tmp")
    draft.write_text(json.dumps(content), encoding="utf-8")
    draft.replace(ready_file)


def main() -> int:
    """Returns the exit status: 0 when told to end, 1 if the arena cannot start, 2 for wrong settings."""
    arguments = _parser().parse_args()
    with_gateway = not arguments.no_gateway and (arguments.port != 0 or arguments.http_port is not None)
    settings = [read_settings(kind) for kind in _SETTINGS if with_gateway or kind is not GatewaySettings]
    traces = read_settings(tracing.TracingSettings)
    logs.configure(settings[0].log_level, settings[0].log_format)
    serving = _serve(arguments.port, arguments.http_port, with_gateway, arguments.ready_file, arguments.parent)
    with tracing.exporting("standalone", traces):
        return run_until_done(serving)


if __name__ == "__main__":
    sys.exit(main())
