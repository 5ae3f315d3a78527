"""Commands under a launcher of two processes, on the CPU; without one, `tests.processes` starts them faster."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


ROOT = Path(__file__).resolve().parents[2]

_ACCELERATE = ["--num_processes", 2, "--num_machines", 1, "--mixed_precision", "no", "--dynamo_backend", "no"]
LAUNCHERS = {
    "torchrun": ["-m", "torch.distributed.run", "--nproc_per_node", 2, "--standalone"],
    # Its CPU launcher wants MPI; the one for several devices on a machine starts gloo just as well.
    "accelerate": ["-m", "accelerate.commands.launch", "--multi_gpu", *_ACCELERATE, "--main_process_port", 0],
}


def start(launcher: str, arguments: Sequence[object], **options: object) -> subprocess.Popen:
    """Start `hf-mplm ARGUMENTS` under `"torchrun"` or `"accelerate"`, with one thread a process."""
    command = [sys.executable, *LAUNCHERS[launcher], "-m", "hf_mplm", *arguments]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MASTER_ADDR": "127.0.0.1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, **options}
    return subprocess.Popen([str(part) for part in command], cwd=ROOT, env=environment, **pipes)  # type: ignore[call-overload]


def launch(launcher: str, arguments: Sequence[object]) -> tuple[str, str]:
    """Run it to its end, which must be a good one, and return its output and its errors."""
    process = start(launcher, arguments)
    out, errors = process.communicate()
    assert process.returncode == 0, errors[-4000:]
    return out, errors
