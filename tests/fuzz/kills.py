"""Commands that are killed at any moment, once or several times, and then run to their end: nothing may be lost."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from hf_mplm.evaluation.results import read_results
from hf_mplm.jobs.digests import digest_file

from .running import run
from .workshop import Workshop


__all__ = ["Victim", "kill_and_go_on", "victims"]


class Victim(NamedTuple):
    """A command that is killed.

    Args:
        name (`str`): its verb.
        command (`Callable[[Path], list[object]]`): from the output to the command.
        essence (`Callable[[Path], Any]`): what of the output must be the same as without a kill.
    """

    name: str
    command: Callable[[Path], list[object]]
    essence: Callable[[Path], Any]


def victims(workshop: Workshop) -> list[Victim]:
    """The commands, each of some seconds."""

    def train_tokenizer(output: Path) -> list[object]:
        command = ["tokenizer", "train", "--corpus", workshop.corpus, "--output", output, "--vocab_size", 300]
        return [*command, "--num_threads", 1, "--character_coverage", 0.98]

    def quickstart(output: Path) -> list[object]:
        command = ["quickstart", "--from_scratch", "--output", output, "--languages", "eng_Latn", "rus_Cyrl"]
        size = ["--hidden_size", 32, "--num_hidden_layers", 2, "--num_attention_heads", 2, "--max_steps", 4]
        return [*command, *size, "--batch_size", 4, "--chunk_length", 64, "--vocab_size", 700, "--num_proc", 1]

    return [
        Victim("prepare", workshop.prepare, lambda output: _digests(output, "*.arrow")),
        Victim("pretrain", workshop.pretrain, lambda output: _digests(output, "model.safetensors")),
        Victim("tokenizer", train_tokenizer, lambda output: _digests(output, "*.model")),
        Victim("evaluate", workshop.evaluate, _rows),
        Victim("quickstart", quickstart, lambda output: _digests(output, "model.safetensors")),
    ]


def kill_and_go_on(workshop: Workshop, victim: Victim, seed: int, whole: Path, seconds: float) -> list[str]:
    """Kill a command up to three times, run it to its end, and compare with what stands in `whole`.

    Args:
        workshop (`Workshop`): the artefacts.
        victim (`Victim`): the command.
        seed (`int`): draws the moments.
        whole (`Path`): the output of an undisturbed run.
        seconds (`float`): how long that run took.
    """
    draw = random.Random(seed)
    output = workshop.folder / f"killed-{victim.name}-{seed}"
    moments = [draw.random() * seconds for _ in range(draw.choice((1, 1, 2, 3)))]
    title = f"seed {seed}, {victim.name} killed after {', '.join(f'{moment:.2f} s' for moment in moments)}"
    faults = []
    for moment in moments:
        killed = run(victim.command(output), kill_after=moment)
        if killed.fault or killed.status > 0:
            faults.append(f"{title}: going on gave {killed.fault or killed.output[-300:]}")
    done = run(victim.command(output))
    if done.fault or done.status != 0:
        faults.append(f"{title}: the last run gave {done.fault or done.output[-300:]}")
    else:
        got, want = victim.essence(output), victim.essence(whole)
        if got != want:
            # Both are sets, or mappings whose items tell them apart.
            left = set(getattr(want, "items", lambda: want)()) ^ set(getattr(got, "items", lambda: got)())
            faults.append(f"{title}: lost: the result is another than without a kill: {sorted(left)[:4]}")
    for left in workshop.folder.glob(f"{output.name}*"):
        shutil.rmtree(left) if left.is_dir() else left.unlink()
    return faults


def _digests(output: Path, pattern: str) -> dict[str, str]:
    files = {path.relative_to(output).as_posix(): digest_file(path) for path in sorted(output.rglob(pattern))}
    assert files, f"{output} holds no {pattern}"
    return files


def _rows(output: Path) -> set[Any]:
    return {(row.task, row.language, row.metric, row.value, row.n) for row in read_results(output)}
