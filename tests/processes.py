"""`hf-mplm VERB ...` in processes of their own that start at once: forked from one that has torch and transformers."""

from __future__ import annotations

import multiprocessing
import os
import signal
import socket
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path


__all__ = ["CONTEXT", "Forked", "forked_ranks", "free_port"]

# One fork server for all tests of a process: the first to start it decides what it has imported.
CONTEXT = multiprocessing.get_context("forkserver")
CONTEXT.set_forkserver_preload(["tests.preloaded"])


class Forked:
    """A command that runs, with the face of `subprocess.Popen`.

    Args:
        argv (`Sequence[object]`): the verb and its flags.
        environment (`Mapping[str, str]`, *optional*): what is added to the environment.
    """

    def __init__(self, argv: Sequence[object], environment: Mapping[str, str] | None = None) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="command-", ignore_cleanup_errors=True)
        words = [str(word) for word in argv]
        self._process = CONTEXT.Process(target=_run, args=(words, dict(environment or {}), self._folder.name))
        self._process.start()

    @property
    def pid(self) -> int:
        """The process."""
        assert self._process.pid is not None
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status, negative for a signal; `None` while it runs."""
        return self._process.exitcode

    def poll(self) -> int | None:
        """The same."""
        return self._process.exitcode

    def wait(self, timeout: float | None = None) -> int | None:
        """Wait for its end, but no longer than so many seconds."""
        self._process.join(timeout)
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def kill(self) -> None:
        """Send it SIGKILL and wait."""
        if self.poll() is None:
            self.send_signal(signal.SIGKILL)
        self._process.join()

    def communicate(self) -> tuple[str, str]:
        """Wait for its end; what it wrote to standard output and to standard error."""
        self._process.join()
        out, errors = (Path(self._folder.name, name) for name in ("out", "err"))
        return tuple(  # type: ignore[return-value]
            path.read_text(encoding="utf-8", errors="replace") if path.is_file() else "" for path in (out, errors)
        )


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return free.getsockname()[1]


def forked_ranks(argv: Sequence[object], environment: Mapping[str, str] | None = None) -> list[Forked]:
    """Two processes with the environment that `torchrun` gives them."""
    shared = {"WORLD_SIZE": "2", "LOCAL_WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
    return [
        Forked(argv, {**(environment or {}), **shared, "RANK": str(rank), "LOCAL_RANK": str(rank)})
        for rank in range(2)
    ]


def _run(argv: list[str], environment: dict[str, str], folder: str) -> None:
    for number, name in ((1, "out"), (2, "err")):
        os.dup2(os.open(f"{folder}/{name}", os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.stdout = os.fdopen(1, "w", buffering=1, closefd=False)
    sys.stderr = os.fdopen(2, "w", buffering=1, closefd=False)
    # What a command starts itself must not come from this fork server, whose threads it would inherit.
    multiprocessing.set_start_method("spawn", force=True)
    import torch

    from hf_mplm.cli.main import main

    torch.set_num_threads(1)
    os.environ.update(OMP_NUM_THREADS="1", HF_HUB_OFFLINE="1")
    os.environ.update(environment)
    status = main(argv)
    sys.stdout.flush()
    sys.stderr.flush()
    sys.exit(status)
