"""`hf-mplm VERB ...` in a process of its own, which may be killed, and what became of it."""

from __future__ import annotations

import signal
import time
from collections.abc import Sequence
from typing import NamedTuple

from tests.processes import Forked


__all__ = ["Outcome", "run"]

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


def run(argv: Sequence[object], kill_after: float | None = None) -> Outcome:
    """Run a command, and kill it after so many seconds if it still runs then."""
    start = time.monotonic()
    process = Forked(argv)
    hung = process.wait(_PATIENCE if kill_after is None else kill_after) is None
    process.kill()
    seconds = time.monotonic() - start
    output = "".join(process.communicate())
    assert process.returncode is not None
    if hung and kill_after is None:
        return Outcome(70, f"still running after {seconds:.0f} s\n{output}", seconds)
    return Outcome(process.returncode, output, seconds)
