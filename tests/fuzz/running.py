"""`hf-mplm VERB ...` in a process of its own that starts at once, with torch there already, and may be killed."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple


__all__ = ["Outcome", "Runner"]

_PRELOAD = ["tests.fuzz.preloaded"]
# Longer than any of these commands takes on a busy machine: what goes on is a hang, which is a fault too.
_PATIENCE = 300.0


class Outcome(NamedTuple):
    """What became of a command.

    Args:
        status (`int`): exit status; negative for a signal.
        output (`str`): standard output and standard error.
        seconds (`float`): how long it ran.
    """

    status: int
    output: str
    seconds: float

    @property
    def fault(self) -> str | None:
        """What no input may lead to."""
        if "Traceback (most recent call last)" in self.output:
            return f"traceback: {self.output.strip().splitlines()[-1][:200]}"
        if self.status not in (0, 1, 2, 3, -signal.SIGKILL, -signal.SIGTERM, 143):
            return f"exit status {self.status}: {self.output[-200:]}"
        if self.status in (1, 2) and not self.output.strip():
            return "failed without a word"
        return None


class Runner:
    """Runs commands one after the other.

    Args:
        folder (`Path`): where the output of the commands is kept.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload(_PRELOAD)
        self._count = 0

    def run(self, argv: Sequence[object], kill_after: float | None = None) -> Outcome:
        """Run a command, and kill it after so many seconds if it still runs then."""
        self._count += 1
        log = self.folder / f"command-{self._count}.log"
        process = self._context.Process(target=_run, args=([str(word) for word in argv], str(log)))
        start = time.monotonic()
        process.start()
        process.join(_PATIENCE if kill_after is None else kill_after)
        hung = process.is_alive()
        if hung:
            assert process.pid is not None
            os.kill(process.pid, signal.SIGKILL)
            process.join()
        seconds = time.monotonic() - start
        assert process.exitcode is not None
        output = log.read_text(encoding="utf-8", errors="replace") if log.is_file() else ""
        if hung and kill_after is None:
            return Outcome(70, f"still running after {seconds:.0f} s\n{output}", seconds)
        return Outcome(process.exitcode, output, seconds)


def _run(argv: list[str], log: str) -> None:
    descriptor = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(descriptor, 1)
    os.dup2(descriptor, 2)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    # What a command starts itself must not come from this fork server, whose threads it would inherit.
    multiprocessing.set_start_method("spawn", force=True)
    import torch

    from hf_mplm.cli.main import main

    torch.set_num_threads(1)
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    sys.exit(main(argv))
