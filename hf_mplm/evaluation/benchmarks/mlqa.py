"""MLQA: questions and passages in seven languages, with question and passage in the same one."""

from __future__ import annotations

import re
from functools import partial
from pathlib import Path

from ..files.corpus import MissingDataError
from ..files.hub_data import HubDataset
from ..files.layouts import whole_shards
from ..files.names import meaning_of, resolve_codes
from ..files.opening import plain_name
from ..files.question_corpus import CHINESE, QuestionCorpus, scorable
from ..files.report import Findings, list_files
from ..files.samples import sample_text
from ..files.squad import Question, read_questions
from ..kinds.question_answering import QuestionAnsweringTask


__all__ = ["TASK", "MlqaCorpus"]

# MLQA's own files, and the folders of the Hub.
FILE_NAME = re.compile(r"(?P<split>dev|test)-context-(?P<context>[a-z]+)-question-(?P<question>[a-z]+)\.json", re.I)
FOLDER_NAME = re.compile(r"mlqa\.(?P<context>[a-z]+)\.(?P<question>[a-z]+)", re.IGNORECASE)
HUB_SPLITS = {"validation": "dev", "test": "test"}
# Its own branch holds a script; the Hub keeps what it makes of that as Parquet in a branch of its own.
HUB = HubDataset(
    "mlqa",
    "facebook/mlqa",
    "refs/convert/parquet",
    r"mlqa\.(?P<name>[a-z]{2})\.(?P=name)/(?P<split>validation|test)/\d+\.parquet",
    "CC BY-SA 3.0",
    partial(meaning_of, meanings=CHINESE),
)


class MlqaCorpus(QuestionCorpus):
    """`test-context-CODE-question-CODE.json` anywhere under `mlqa/`, or the Hub's `mlqa.CODE.CODE/test-*.parquet`.

    MLQA trains on SQuAD, which the training file names, and chooses by its own dev set of the source language.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
        train_file (`str`, *optional*): SQuAD's `train-v1.1.json`.
    """

    def __init__(self, data_dir: Path, train_file: str | None = None) -> None:
        super().__init__(train_file)
        self.folder = data_dir / "mlqa"
        found = Findings(self.folder, "SPLIT-context-CODE-question-CODE.json or mlqa.CODE.CODE/SPLIT-*.parquet")
        self.findings = [found]
        self.paths: dict[tuple[str, str], list[Path]] = {}
        for path in list_files(self.folder):
            if match := FILE_NAME.fullmatch(plain_name(path)):
                split = match["split"]
            elif path.suffix.lower() == ".parquet" and (match := _folder_match(path)):
                # `mlqa.de.de/test-00000-of-00001.parquet` or `mlqa.de.de/test/0000.parquet`
                name = path.parent.name if path.parent.name in HUB_SPLITS else path.name.split("-")[0]
                split = HUB_SPLITS.get(name, "")
            else:
                continue
            if not split:
                continue
            if match["context"] != match["question"]:
                found.leave([path], "question and passage are in two languages, which this task does not score")
                continue
            earlier = self.paths.setdefault((match["context"], split), [])
            # Only the shards of one folder belong together.
            if earlier and (path.suffix.lower() != ".parquet" or path.parent != earlier[0].parent):
                found.leave([path], f"{earlier[0]} of the same language and split is read")
            else:
                earlier.append(path)
        names = sorted({name for name, _ in self.paths})
        resolved = resolve_codes(names, self._sample, CHINESE, self.folder)
        self.codes, self.refused = resolved.codes, resolved.refused
        for (name, _), paths in self.paths.items():
            if name in resolved.unused:
                found.leave(paths, resolved.unused[name])
            else:
                found.use(paths)

    def languages(self) -> list[str]:
        return sorted({*self.refused, *(code for code, name in self.codes.items() if (name, "test") in self.paths)})

    def examples(self, language: str, split: str) -> list[Question]:
        if split == "train":
            if self.train_file is None:
                raise MissingDataError("mlqa has no training data; give SQuAD's: --train_file train-v1.1.json")
            return self.from_train_file(split)
        self.refuse(language)
        paths = self.paths.get((self.codes.get(language, ""), split))
        if not paths:
            raise MissingDataError(
                f"mlqa has no {split} questions of {language}: "
                f"no {split}-context-CODE-question-CODE.json under {self.folder}"
            )
        return scorable(read_questions(whole_shards(paths)))

    def _sample(self, name: str) -> str:
        return next(
            (
                text
                for (code, _), paths in self.paths.items()
                if code == name and (text := sample_text(paths[0], ("context",)))
            ),
            "",
        )


def _folder_match(path: Path) -> re.Match[str] | None:
    return FOLDER_NAME.fullmatch(path.parent.name) or FOLDER_NAME.fullmatch(path.parent.parent.name)


TASK = QuestionAnsweringTask("mlqa", MlqaCorpus, "mlqa", hub_data=(HUB,))
