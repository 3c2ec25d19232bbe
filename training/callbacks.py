"""What happens beside the steps of a trainer: a line for each, and a Ctrl-C that leaves a checkpoint."""

from __future__ import annotations

import logging
import signal
from collections.abc import Mapping
from typing import Any, Final

from transformers import TrainerCallback, TrainerControl, TrainerState, TrainingArguments

_LOG = logging.getLogger(__name__)
_SHOWN: Final = (
    "loss",
    "reward",
    "codearena/solved",
    "codearena/no_code",
    "codearena/failed",
    "completions/mean_length",
)


class StepLines(TrainerCallback):
    """Logs one short line for each step that the trainer logs."""

    def on_log(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the trainer passes them
        state: TrainerState,
        control: TrainerControl,  # noqa: ARG002
        logs: Mapping[str, Any],
        **_: object,
    ) -> None:
        """Logs it."""
        if "loss" in logs:
            shown = "  ".join(f"{name} {logs[name]:.3f}" for name in _SHOWN if logs.get(name) is not None)
            _LOG.info("step %d of %d: %s", state.global_step, state.max_steps, shown)


class SaveOnInterrupt(TrainerCallback):
    """Ends training with a checkpoint, after the step that runs when a SIGINT or SIGTERM comes.

    A second one ends it at once.

    Attributes:
        interrupted: Whether one came.
    """

    def __init__(self) -> None:
        self.interrupted = False
        self._before: dict[int, Any] = {}

    def on_train_begin(self, *_: object, **__: object) -> None:
        """Listens."""
        self._before = {number: signal.signal(number, self._note) for number in (signal.SIGINT, signal.SIGTERM)}

    def on_step_end(
        self,
        args: TrainingArguments,  # noqa: ARG002 - the trainer passes them
        state: TrainerState,  # noqa: ARG002
        control: TrainerControl,
        **_: object,
    ) -> TrainerControl:
        """Asks for a checkpoint and the end, if there was a signal."""
        if self.interrupted:
            control.should_save = control.should_training_stop = True
        return control

    def on_train_end(self, *_: object, **__: object) -> None:
        """Listens no more."""
        self.restore()

    def restore(self) -> None:
        """Gives signals back to whom they belonged."""
        while self._before:
            number, handler = self._before.popitem()
            signal.signal(number, handler)

    def _note(self, *_: object) -> None:
        if self.interrupted:
            self.restore()
            raise KeyboardInterrupt
        self.interrupted = True
