"""XQuAD: 240 passages of SQuAD's dev set in twelve languages."""

from __future__ import annotations

from functools import partial
from pathlib import Path

from ..files.corpus import MissingDataError
from ..files.hub_data import HubDataset
from ..files.layouts import SplitFolder
from ..files.names import meaning_of, resolve_codes
from ..files.opening import plain_name
from ..files.question_corpus import CHINESE, QuestionCorpus, answerable, scorable
from ..files.reads import remember
from ..files.report import Findings
from ..files.samples import sample_text
from ..files.squad import Question, read_questions
from ..kinds.question_answering import QuestionAnsweringTask


__all__ = ["TASK", "XQuadCorpus"]

ENGLISH = "eng_Latn"
# Shares of the articles, in the order of the file, that are trained on and that choose the weights. The last quarter
# is scored.
TRAIN_SHARE, DEV_SHARE = 5 / 8, 1 / 8
PREFIX = "xquad."
# English, by whose articles the questions are divided, is read whatever is asked for.
HUB = HubDataset(
    "xquad",
    "google/xquad",
    "51adfef1c1287aab1d2d91b5bead9bcfb9c68583",
    r"xquad\.(?P<name>[a-z]{2})/validation-\d+-of-\d+\.parquet",
    "CC BY-SA 4.0",
    partial(meaning_of, meanings=CHINESE),
    (ENGLISH,),
)


class XQuadCorpus(QuestionCorpus):
    """`xquad/xquad.CODE.json` in SQuAD's form, or the Hub's `xquad.CODE/validation-00000-of-00001.parquet`.

    XQuAD has no training data. With a training file all of it is scored. Without one, the first articles are trained
    on and those after them choose the weights; their questions are scored in no language, because the same questions
    stand in all of them. Such scores compare encoders with one another, not with published ones.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
        train_file (`str`, *optional*): A file in SQuAD's form to train on.
    """

    def __init__(self, data_dir: Path, train_file: str | None = None) -> None:
        super().__init__(train_file)
        self.folder = data_dir / "xquad"
        found = Findings(self.folder, "xquad.CODE.json or xquad.CODE/validation-*.parquet")
        self.findings = [found]
        splits = SplitFolder(self.folder)
        self.paths: dict[str, list[Path]] = {}
        for path in sorted(self.folder.iterdir()) if self.folder.is_dir() else []:
            name = plain_name(path) if path.is_file() else path.name
            if path.is_file() and Path(name).suffix.lower() == ".json":
                name, files = Path(name).stem, [path]
            elif path.is_dir() and (choices := splits.choices(name, "dev")):
                files = choices[0]
            else:
                continue
            earlier = self.paths.setdefault(name.removeprefix(PREFIX), files)
            if earlier != files:
                found.leave(files, f"{earlier[0]} of the same language is read")
        self._read = remember(self._read_code, 2)
        resolved = resolve_codes(self.paths, self._sample, CHINESE, self.folder)
        self.codes, self.refused = resolved.codes, resolved.refused
        for name, paths in self.paths.items():
            if name in resolved.unused:
                found.leave(paths, resolved.unused[name])
            else:
                found.use(paths)

    def languages(self) -> list[str]:
        return sorted({*self.codes, *self.refused})

    def examples(self, language: str, split: str) -> list[Question]:
        if self.train_file is not None and split != "test":
            return self.from_train_file(split)
        questions = self._read(language)
        if self.train_file is not None:
            return scorable(questions)
        splits = self._splits(ENGLISH if ENGLISH in self.codes else min(self.codes))
        chosen = [question for question in questions if splits.get(question.id, "test") == split]
        if not chosen:
            raise MissingDataError(
                f"{self.folder} has too few articles of {language} for its {split} split; give --train_file"
            )
        return answerable(chosen) if split == "train" else scorable(chosen)

    def _splits(self, language: str) -> dict[str, str]:
        """Map the ids of questions to splits by the articles of one language, so that they are the same in all."""
        questions = self._read(language)
        # The Hub's form does not name articles; passages then stand for them, in the same order and shares.
        articles = list(dict.fromkeys(question.article for question in questions))
        train, dev = round(TRAIN_SHARE * len(articles)), round((TRAIN_SHARE + DEV_SHARE) * len(articles))
        order = {article: number for number, article in enumerate(articles)}
        return {
            question.id: "train"
            if order[question.article] < train
            else "dev"
            if order[question.article] < dev
            else "test"
            for question in questions
        }

    def _read_code(self, language: str) -> list[Question]:
        self.refuse(language)
        if language not in self.codes:
            raise MissingDataError(f"xquad has no questions of {language}: no {self.folder}/xquad.CODE.json of it")
        return read_questions(self.paths[self.codes[language]])

    def _sample(self, name: str) -> str:
        return sample_text(self.paths[name][0], ("context",))


TASK = QuestionAnsweringTask("xquad", XQuadCorpus, "squad", hub_data=(HUB,))
