"""Small artefacts of every kind, made once by the commands themselves, for damaging and for going on with."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tests.evaluation.conftest import write_sib200
from tests.fixtures import CORPUS, build_tiny_tokenizer, tiny_xlm_roberta

from .running import run


__all__ = ["Artefact", "Workshop"]

LANGUAGES = ("swh_Latn", "deu_Latn", "rus_Cyrl")


class Artefact(NamedTuple):
    """Something on disk and a command that reads it.

    Args:
        name (`str`): what it is called in reports.
        folder (`Path`): where it stands whole.
        command (`Callable[[Path, Path], list[object]]`): from a copy of it and an output to the command.
        ours (`bool`): whether we wrote it with digests, so that no changed byte may go unnoticed.
    """

    name: str
    folder: Path
    command: Callable[[Path, Path], list[object]]
    ours: bool


class Workshop:
    """Makes them.

    Args:
        folder (`Path`): an empty folder.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.corpus = folder / "corpus"
        self.corpus.mkdir()
        for code in LANGUAGES:
            text = (CORPUS / f"{code}.txt").read_text(encoding="utf-8").splitlines()
            lines = [f"{line} {i}" for i in range(6) for line in text]
            (self.corpus / f"{code}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
        self.tokenizer, self.model, self.data = folder / "tokenizer", folder / "model", folder / "data"
        tokenizer = build_tiny_tokenizer(self.tokenizer)
        tiny_xlm_roberta(len(tokenizer), hidden_dropout_prob=0.1).save_pretrained(self.model)
        tokenizer.save_pretrained(self.model)
        write_sib200(self.data)
        self.store, self.run, self.results = folder / "store", folder / "run", folder / "results"
        self._make(self.prepare(self.store))
        self._make(self.pretrain(self.run))
        self._make(self.evaluate(self.results))

    def prepare(self, output: Path, tokenizer: Path | None = None) -> list[object]:
        """The command that makes a store."""
        command = ["prepare", "--corpus", self.corpus, "--tokenizer", tokenizer or self.tokenizer, "--output", output]
        return [*command, "--chunk_length", 32, "--holdout", 3]

    def pretrain(self, output: Path, store: Path | None = None, model: Path | None = None) -> list[object]:
        """The command that trains six steps, with a checkpoint every two."""
        command = ["pretrain", "--store", store or self.store, "--model", model or self.model, "--output_dir", output]
        settings = ["--max_steps", 6, "--save_steps", 2, "--save_strategy", "steps", "--save_total_limit", 3]
        speed = ["--per_device_train_batch_size", 4, "--use_cpu", "--report_to", "none", "--logging_steps", 2]
        return [*command, *settings, *speed, "--learning_rate", 1e-3]

    def evaluate(self, output: Path, model: Path | None = None, data: Path | None = None) -> list[object]:
        """The command that measures a probe in three languages."""
        command = ["evaluate", "--model", model or self.model, "--data_dir", data or self.data, "--output", output]
        return [*command, "--tasks", "sib200", "--transfer_settings", "probe"]

    def artefacts(self) -> list[Artefact]:
        """What can be damaged."""
        return [
            Artefact("store", self.store, lambda copy, out: self.pretrain(out, store=copy), True),
            Artefact("run", self.run, lambda copy, out: [*self.pretrain(copy), "--max_steps", 8], True),
            Artefact("results", self.results, lambda copy, out: ["compare", copy, "--output", out], True),
            Artefact("model", self.model, lambda copy, out: self.pretrain(out, model=copy), False),
            Artefact("encoder", self.model, lambda copy, out: self.evaluate(out, model=copy), False),
            Artefact("tokenizer", self.tokenizer, lambda copy, out: self.prepare(out, tokenizer=copy), False),
            Artefact("benchmark", self.data, lambda copy, out: self.evaluate(out, data=copy), False),
        ]

    def _make(self, command: list[object]) -> None:
        done = run(command)
        assert done.status == 0, done.output

    def copy(self, artefact: Artefact, name: str) -> Path:
        """A copy of an artefact that may be damaged."""
        return Path(shutil.copytree(artefact.folder, self.folder / name))
