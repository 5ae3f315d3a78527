"""Stop at the end of a step, with a whole checkpoint, when a scheduler asks for it by a signal."""

from __future__ import annotations

import logging
import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import TrainerCallback

from .processes import are_several


__all__ = ["StopCallback", "TrainingStopped", "shield_worker"]

logger = logging.getLogger(__name__)

# SIGUSR1 is what SLURM sends ahead of a time limit (`--signal=USR1@120`).
_SIGNALS = [getattr(signal, name) for name in ("SIGTERM", "SIGUSR1") if hasattr(signal, name)]
# A launcher hands on to its processes the signal that a scheduler has sent to all of them already.
_ECHO_SECONDS = 2.0
_NOTICE = b"\nA signal asks for an end: saving a checkpoint after this step. A second one ends at once.\n"


class TrainingStopped(SystemExit):
    """A signal ended training after a whole checkpoint had been written; uncaught, the exit status is 128 + signal.

    Args:
        signum (`int`): the signal, such as `signal.SIGTERM`.
        step (`int`): optimizer steps done.
        checkpoint (`Path`): the checkpoint of that step.
    """

    def __init__(self, signum: int, step: int, checkpoint: Path) -> None:
        super().__init__(128 + signum)
        self.signum, self.step, self.checkpoint = signum, step, checkpoint

    def __str__(self) -> str:
        return (
            f"stopped by {signal.Signals(self.signum).name} after step {self.step:,}, which is whole in "
            f"{self.checkpoint}"
        )


class StopCallback(TrainerCallback):
    """Asks for a checkpoint at the end of the step in which any process was sent SIGTERM or SIGUSR1.

    Args:
        device (`torch.device`): where processes agree.
    """

    def __init__(self, device: torch.device) -> None:
        self.device = device
        self.received, self.agreed = 0, 0
        self._listening, self._when = False, 0.0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Catch the signals, where this is the main thread, which alone may; as before afterwards."""
        self.received = self.agreed = 0
        before: dict[int, Any] = {}
        if threading.current_thread() is threading.main_thread():
            before = {number: signal.signal(number, self._note) for number in _SIGNALS}
        self._listening = True
        try:
            yield
        finally:
            self._listening = False
            for number, handler in before.items():
                # None is a handler that was not set from Python, and cannot be set back from there.
                signal.signal(number, signal.SIG_DFL if handler is None else handler)

    def _note(self, number: int, _frame: Any) -> None:
        now = time.monotonic()
        if not self.received:
            self.received, self._when = number, now
            # Not through the logger, whose lock the interrupted code may hold.
            if os.environ.get("RANK", "0") == "0":
                os.write(2, _NOTICE)
        elif not are_several() or now - self._when > _ECHO_SECONDS:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:
        """Have the step saved, and not evaluated, which may take longer than there is."""
        if not self._listening:
            return
        self.agreed = self._highest()
        if not self.agreed:
            return
        if control.should_evaluate:
            logger.warning("the evaluation of step %s is left out, as training is to end", state.global_step)
        control.should_evaluate = False
        control.should_save = True

    def _highest(self) -> int:
        """The signal that any process received, or 0."""
        if not are_several():
            return self.received
        number = torch.tensor(self.received, device=self.device)
        torch.distributed.all_reduce(number, op=torch.distributed.ReduceOp.MAX)
        return int(number)


def shield_worker(_number: int) -> None:
    """Have a worker of a data loader outlive the signal that a scheduler sends to every process of a job.

    The step in which training is to end needs its batches. A worker ends when its parent says so, or is gone.
    """
    if hasattr(signal, "SIGUSR1"):
        signal.signal(signal.SIGUSR1, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):  # only Linux tells who sent a signal
        return
    parent = os.getppid()
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait() -> None:
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != parent:
            pass
        os._exit(0)

    threading.Thread(target=wait, daemon=True).start()
