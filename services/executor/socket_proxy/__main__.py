"""Runs the proxy: `python -m services.executor.socket_proxy SOCKET`."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from pathlib import Path

import structlog

from services.common import logs
from services.common.errors import StartError
from services.common.main import read_settings, run_until_done
from services.executor.backends import docker_options
from services.executor.docker_engine import DockerEngine
from services.executor.settings import ExecutorSettings
from services.executor.socket_proxy.calls import Calls
from services.executor.socket_proxy.proxy import SocketProxy


async def serve(settings: ExecutorSettings, socket: Path) -> None:
    """Serves until told to end.

    Raises:
        StartError: No sandbox image is named, so that none could be told from any other.
        OSError: There is no listening at that path.
    """
    if settings.sandbox_image is None:
        raise StartError("CODEARENA_SANDBOX_IMAGE must name the image that containers may be made of")
    options = docker_options(settings)
    engine = DockerEngine(options.docker_host, options.call_timeout_seconds)
    connections = 2 * (settings.warm_range[1] + settings.slots) + 64
    calls = Calls(settings.sandbox_image, options)
    proxy = SocketProxy(calls, engine.open, answer_seconds=options.call_timeout_seconds + 1.0, connections=connections)
    ended = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, ended.set)
    await proxy.start(socket)
    structlog.get_logger("socket-proxy").info("listening", socket=str(socket), engine=engine.address)
    await ended.wait()
    await proxy.stop()
    engine.close()


def main() -> None:
    """Reads the command line and the executor's settings, serves, exits."""
    parser = argparse.ArgumentParser(
        prog="python -m services.executor.socket_proxy",
        description="Let an executor make sandboxes on a Docker engine, and do nothing else there.",
        epilog="The settings are the executor's, and must be the same: CODEARENA_SANDBOX_IMAGE, "
        "CODEARENA_DOCKER_RUNTIME. CODEARENA_DOCKER_HOST is the engine here, and unix://SOCKET for the executor.",
    )
    parser.add_argument("socket", type=Path, metavar="SOCKET", help="path of the Unix socket to listen on")
    socket = parser.parse_args().socket
    settings = read_settings(ExecutorSettings)
    logs.configure(settings.log_level, settings.log_format)
    sys.exit(run_until_done(serve(settings, socket)))


if __name__ == "__main__":
    main()
