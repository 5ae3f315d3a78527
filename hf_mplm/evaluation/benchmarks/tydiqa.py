"""TyDiQA-GoldP: questions that people asked in nine languages, with the passage that answers them."""

from __future__ import annotations

from pathlib import Path

from ..files.corpus import MissingDataError
from ..files.hub_data import HubDataset
from ..files.opening import DataError, plain_name
from ..files.question_corpus import DEV_SHARE, QuestionCorpus, answerable, scorable
from ..files.reads import remember
from ..files.report import Findings, list_files
from ..files.squad import Question, hold_out_articles, read_questions
from ..kinds.question_answering import QuestionAnsweringTask


__all__ = ["LANGUAGES", "TASK", "TyDiQaCorpus"]

# What stands before the first hyphen of an id.
LANGUAGES = {
    "arabic": "arb_Arab",
    "bengali": "ben_Beng",
    "english": "eng_Latn",
    "finnish": "fin_Latn",
    "indonesian": "ind_Latn",
    "korean": "kor_Hang",
    "russian": "rus_Cyrl",
    "swahili": "swh_Latn",
    "telugu": "tel_Telu",
}
# All languages in one file.
HUB = HubDataset(
    "tydiqa",
    "google-research-datasets/tydiqa",
    "da78f23f9119363459acbaf46bf89426ff26c259",
    r"secondary_task/(?:train|validation)-\d+-of-\d+\.parquet",
    "Apache-2.0",
)
# The Hub's folder of the tasks that look for the passage as well.
PRIMARY_TASK = "primary_task"
SUFFIXES = (".json", ".jsonl", ".parquet")
SPLITS = {"train": ("train",), "test": ("dev", "validation")}


class TyDiQaCorpus(QuestionCorpus):
    """All files under `tydiqa/` by the split in their names: `tydiqa-goldp-v1.1-train.json`, `-dev.json`,
    `tydiqa.goldp.ar.dev.json`, `secondary_task/train-00000-of-00001.parquet`.

    The benchmark's dev set is what is scored, as everywhere; the last twentieth of the articles of a language's
    training questions chooses the weights.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
        train_file (`str`, *optional*): A file in SQuAD's form to train on instead.
    """

    def __init__(self, data_dir: Path, train_file: str | None = None) -> None:
        super().__init__(train_file)
        self.folder = data_dir / "tydiqa"
        found = Findings(self.folder, "*train* or *dev*, in SQuAD's form or as Parquet")
        self.findings = [found]
        self.paths: dict[str, list[Path]] = {"train": [], "test": []}
        for path in list_files(self.folder):
            if Path(plain_name(path)).suffix.lower() not in SUFFIXES:
                continue
            if PRIMARY_TASK in path.relative_to(self.folder).parts:
                found.leave([path], "it is of the primary task, which looks for the passage as well")
                continue
            for split, names in SPLITS.items():
                if any(name in path.name or name == path.parent.name for name in names):
                    self.paths[split].append(path)
                    found.use([path])
        self._read = remember(self._read_split, 2)

    def languages(self) -> list[str]:
        return sorted(self._read("test")) if self.paths["test"] else []

    def examples(self, language: str, split: str) -> list[Question]:
        if split != "test" and self.train_file is not None:
            return self.from_train_file(split)
        questions = self._read("test" if split == "test" else "train").get(language, [])
        if not questions:
            raise MissingDataError(
                f"tydiqa has no {split} questions of {language}: no file of them under {self.folder}"
            )
        if split == "test":
            return scorable(questions)
        train, dev = hold_out_articles(answerable(questions), DEV_SHARE, f"the training data of {language}")
        return train if split == "train" else dev

    def _read_split(self, split: str) -> dict[str, list[Question]]:
        found: dict[str, dict[str, Question]] = {}
        for path in self.paths[split]:
            for question in read_questions([path]):
                name = question.id.split("-", maxsplit=1)[0]
                if name not in LANGUAGES:
                    raise DataError(f"{question.place} has an id that begins with none of {', '.join(LANGUAGES)}")
                # The benchmark ships its dev set whole and by language: the same question twice is one question.
                found.setdefault(LANGUAGES[name], {}).setdefault(question.id, question)
        return {language: list(questions.values()) for language, questions in found.items()}


TASK = QuestionAnsweringTask("tydiqa", TyDiQaCorpus, "squad", hub_data=(HUB,))
