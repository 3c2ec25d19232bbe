"""`python -m training.grpo`: trains a model by GRPO against an arena; see docs/training.md."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import warnings
from pathlib import Path
from typing import Final

from codearena import ArenaError
from codearena._cli.session import ArenaProblem
from training.config import Config, ConfigError, load
from training.folder import RunFolder

EXIT_FAILED, EXIT_USAGE, EXIT_INTERRUPTED = 1, 2, 130
_CONFIGS: Final = Path(__file__).parent / "configs"
_TINY: Final = _CONFIGS / "tiny.yaml"

_EXAMPLES = """\
examples:
  python -m training.grpo --tiny
      makes a small model and its tasks on the spot, and trains it on two cores; nothing is downloaded
  python -m training.grpo --config training/configs/qwen.yaml --model Qwen/Qwen2.5-Coder-1.5B-Instruct
      trains a model by name (or from a folder) on the catalogue, one answer a task
  python -m training.grpo --config training/configs/qwen.yaml --style environment --address arena.example:50051
      lets it call a tool and answer up to five times, in an arena of your cluster (CODEARENA_TOKEN is its token)
  python -m training.grpo --config training/configs/qwen.yaml --resume
      goes on where a run stopped: after Ctrl-C, which leaves a checkpoint, or at its last checkpoint

what a run leaves in --output:
  before.json, after.json   rewards on held-out tasks before and after GRPO, and what they are made of
  curve.jsonl, runs/        each step, as JSON lines and for `tensorboard --logdir`
  checkpoint-*/, model/     what --resume goes on with, and the trained model

exit status: 0 done, 1 the arena or the training failed, 2 the settings are wrong, 130 interrupted; --resume goes on
"""


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m training.grpo",
        description="Trains a model to repair code by GRPO: its fixes are graded by an arena while it learns.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--config", type=Path, metavar="FILE", help="what to do; training/configs has some")
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--model", metavar="NAME", help="the model, instead of the file's")
    what.add_argument("--tiny", action="store_true", help="a model made on the spot (the default file is tiny.yaml)")
    parser.add_argument("--style", choices=("reward", "environment"), help="one graded answer, or a tool to call")
    parser.add_argument("--run-id", metavar="NAME", help="the run's name in the arena: its curriculum and statistics")
    parser.add_argument("--seed", type=int, help="of everything that is drawn")
    parser.add_argument("--output", type=Path, metavar="DIR", help="folder of the run")
    parser.add_argument("--address", metavar="HOST:PORT", help="an arena that is there (default: starts one)")
    parser.add_argument("--resume", action="store_true", help="go on with the run in the folder")
    return parser


def main() -> int:
    """Returns the exit status that `--help` tells."""
    parser = _parser()
    options = parser.parse_args()
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    logging.getLogger("training").setLevel(logging.INFO)
    warnings.filterwarnings("ignore", category=FutureWarning, module="transformers")  # what it says to TRL
    try:
        return EXIT_INTERRUPTED if not _run(_config(parser, options), options) else 0
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_USAGE
    except KeyboardInterrupt:
        sys.stderr.write("interrupted; --resume goes on at the last checkpoint\n")
        return EXIT_INTERRUPTED
    except (ArenaError, ArenaProblem, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return EXIT_FAILED


def _config(parser: argparse.ArgumentParser, options: argparse.Namespace) -> Config:
    file = options.config or (_TINY if options.tiny else None)
    if file is None:
        parser.error("name a --config, or take --tiny")
    changes = {
        name: getattr(options, name)
        for name in ("model", "style", "run_id", "seed", "output")
        if getattr(options, name) is not None
    }
    config = load(file, **changes)
    if options.tiny and config.tiny is None:
        raise ConfigError(f"{file} describes no tiny model; leave out --tiny, or name another file")
    return config


def _run(config: Config, options: argparse.Namespace) -> bool:
    folder = RunFolder.checked(config, resume=options.resume)
    # torch and what stands on it take seconds to import, which --help and a wrong setting need not
    try:
        from transformers.utils.logging import disable_progress_bar

        from training.generated import generate
        from training.run import arguments, run
    except ImportError as error:
        raise ConfigError(f"{error.name} is not installed: pip install --group train") from error
    from training.arena import arena_at

    disable_progress_bar()
    settings = arguments(config)
    folder.begin(config)
    if config.tiny is not None:
        generate(config.tiny, config.seed, folder.tasks)
    own_tasks = None if config.tiny is None else folder.tasks
    with arena_at(options.address, sandbox=config.sandbox, further_tasks=own_tasks) as address:
        finished = run(config, settings, folder, address, os.environ.get("CODEARENA_TOKEN") or None)
    if not finished:
        sys.stderr.write("interrupted after a checkpoint; --resume goes on there\n")
    return finished


if __name__ == "__main__":
    sys.exit(main())
