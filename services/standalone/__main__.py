"""`python -m services.standalone`: a whole arena in one process."""

from __future__ import annotations

import argparse
import json
import os
import sys
from pathlib import Path

from services.common import logs
from services.common.main import read_settings, run_until_done, variables
from services.common.server import until_terminated
from services.env.settings import EnvSettings
from services.executor.settings import ExecutorSettings
from services.judge.settings import JudgeSettings
from services.standalone.arena import Arena, arena

_SETTINGS = (EnvSettings, ExecutorSettings, JudgeSettings)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m services.standalone",
        description="Runs env, executor and judge in one process, over gRPC on loopback. Ends at Ctrl-C or SIGTERM.",
        epilog="\n\n".join(f"{kind.__name__}: {variables(kind)}" for kind in _SETTINGS),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--port", type=int, help="gRPC port of the arena; 0 takes free ports and serves no metrics")
    parser.add_argument("--ready-file", type=Path, help="write the address there, as JSON, once the arena answers")
    return parser


async def _serve(port: int | None, ready_file: Path | None) -> None:
    async with arena(port=port, private=port == 0) as running:
        if ready_file is not None:
            _announce(running, ready_file)
        sys.stderr.write(f"arena at {running.address}, sandbox: {running.sandbox.name} ({running.sandbox.reason})\n")
        await until_terminated()


def _announce(running: Arena, ready_file: Path) -> None:
    """Writes the file in one move, so that whoever waits for it never reads half of it."""
    content = {
        "address": running.address,
        "executor_address": running.executor_address,
        "judge_address": running.judge_address,
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
    settings = [read_settings(kind) for kind in _SETTINGS]
    logs.configure(settings[0].log_level, settings[0].log_format)
    return run_until_done(_serve(arguments.port, arguments.ready_file))


if __name__ == "__main__":
    sys.exit(main())
