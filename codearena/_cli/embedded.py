"""An arena of one's own: a subprocess that lives as long as the command."""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click

from codearena import InternalError, UnavailableError
from codearena._cli.session import ArenaProblem

START_SECONDS: Final = 300.0
STOP_SECONDS: Final = 30.0
_POLL_SECONDS = 0.05
_TAIL_BYTES = 8192
_TAIL_LINES = 20
_SIGTERM_STATUS = 128 + signal.SIGTERM


@dataclass(frozen=True, slots=True)
class EmbeddedArena:
    """An arena that was started for this command.

    Attributes:
        address: Where it serves, on loopback.
        sandbox: Its sandbox backend: "docker" or "process".
        reason: Why this one.
        pid: Its process.
    """

    address: str
    sandbox: str
    reason: str
    pid: int


@contextmanager
def embedded_arena(start_seconds: float = START_SECONDS, further_tasks: Sequence[str] = ()) -> Iterator[EmbeddedArena]:
    """Starts an arena on a free port, and ends it whatever happens inside.

    Args:
        start_seconds: How long it may take until it serves. The first start may have to build an image.
        further_tasks: Task files, folders and packs that it serves beside its own.

    Raises:
        ArenaProblem: There is no arena to start here, or it died or did not get ready in time.
    """
    root = _find_services()
    with tempfile.TemporaryDirectory(prefix="codearena-demo-") as folder, _sigterm_exits():
        log, ready = Path(folder, "log"), Path(folder, "ready.json")
        process = _spawn(root, log, ready, further_tasks)
        try:
            yield _wait_ready(process, ready, log, time.monotonic() + start_seconds)
        except UnavailableError as error:
            if process.poll() is None:
                raise
            raise ArenaProblem(f"the arena ended with status {process.returncode}\n{_tail(log)}") from error
        except InternalError:
            click.echo(f"the arena's log, which is about to go, ends with\n{_tail(log)}", err=True)
            raise
        finally:
            _stop(process)


def run_service_module(module: str, arguments: Sequence[str]) -> int:
    """Runs a module of the services in a process of its own, with our streams; returns its exit status.

    A Ctrl-C or SIGTERM is passed on, and the module gets time to end what it started.

    Raises:
        ArenaProblem: There are no services here.
    """
    root = _find_services()
    with _sigterm_exits():
        process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env={**os.environ, "PYTHONPATH": _python_path(root)},
            process_group=0,  # a Ctrl-C is ours to answer, once
        )
        try:
            return process.wait()
        finally:
            if process.poll() is None:
                _stop(process)


def _find_services() -> Path:
    """Returns the folder that holds the services: this folder's, or one that Python would import from."""
    spec = importlib.util.find_spec("services")
    locations = [Path.cwd() / "services", *map(Path, (spec and spec.submodule_search_locations) or ())]
    for location in locations:
        if (location / "standalone" / "__main__.py").is_file():
            return location.parent
    raise ArenaProblem(
        "the SDK holds no arena, and there is none here: run this in a checkout of CodeArena, or pass --address"
    )


def _spawn(root: Path, log: Path, ready: Path, further_tasks: Sequence[str]) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "PYTHONPATH": _python_path(root)}
    if further_tasks:
        configured = json.loads(os.environ.get("CODEARENA_TASKS") or json.dumps([str(root / "tasks")]))
        environment["CODEARENA_TASKS"] = json.dumps([*configured, *further_tasks])
    arguments = ["--port", "0", "--ready-file", str(ready), "--parent", str(os.getpid())]
    with log.open("wb") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "services.standalone", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env=environment,
            start_new_session=True,  # a Ctrl-C is ours to answer; the arena gets its SIGTERM from us
        )


def _python_path(root: Path) -> str:
    return os.pathsep.join(filter(None, [str(root), os.environ.get("PYTHONPATH")]))


def _wait_ready(process: subprocess.Popen[bytes], ready: Path, log: Path, deadline: float) -> EmbeddedArena:
    while time.monotonic() < deadline:
        if (arena := _read_ready(ready)) is not None:
            return arena
        if process.poll() is not None:
            raise ArenaProblem(f"the arena ended with status {process.returncode} at its start\n{_tail(log)}")
        time.sleep(_POLL_SECONDS)
    raise ArenaProblem(f"the arena was not ready in time\n{_tail(log)}")


def _read_ready(ready: Path) -> EmbeddedArena | None:
    """Returns what the file says; None as long as it is absent or half written."""
    try:
        document = json.loads(ready.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return EmbeddedArena(
        address=str(document["address"]),
        sandbox=str(document["sandbox"]),
        reason=str(document["reason"]),
        pid=int(document["pid"]),
    )


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _tail(log: Path) -> str:
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL_BYTES))
        text = file.read().decode(errors="replace")
    return "\n".join(f"  {line}" for line in text.splitlines()[-_TAIL_LINES:])


@contextmanager
def _sigterm_exits() -> Iterator[None]:
    """Lets a SIGTERM unwind the stack, so that the arena does not outlive us."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, _exit)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _exit(*_: object) -> None:
    raise SystemExit(_SIGTERM_STATUS)
