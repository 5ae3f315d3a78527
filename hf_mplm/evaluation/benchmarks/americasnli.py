"""AmericasNLI: natural language inference in ten languages of the Americas."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from functools import partial
from pathlib import Path

from ..files.corpus import Corpus, MissingDataError
from ..files.hub_data import HubDataset
from ..files.names import meaning_of
from ..kinds.classification import ClassificationTask, LabelledText
from ..kinds.sentence_pairs import CHINESE, NLI_COLUMNS, NLI_LABELS, NLI_NAMES, PairCorpus
from .xnli import HUB as XNLI
from .xnli import XnliCorpus


__all__ = ["TASK", "AmericasNliCorpus"]

HUB = HubDataset(
    "americasnli",
    "nala-cub/americas_nli",
    "main",
    r"(?P<name>[a-z]{2,3})/(?P<split>validation|test)-\d+-of-\d+\.parquet",
    "CC BY-SA 4.0",
    partial(meaning_of, meanings=CHINESE),
)
# One premise in ten is kept for choosing where a dev set has to serve as training data.
HELD_OUT = 10


class AmericasNliCorpus(Corpus[LabelledText]):
    """The benchmark's `dev/CODE.tsv` and `test/CODE.tsv` (or one folder a language, or Parquet), with XNLI's labels.

    The benchmark has no training data. A source language that XNLI has is trained and chosen on XNLI's data. One of
    the benchmark's own languages is trained on the premises of its dev set but for one in ten, by which is chosen.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.pairs = PairCorpus(data_dir / "americasnli", NLI_COLUMNS, NLI_NAMES)
        self.xnli = XnliCorpus(data_dir)
        self.findings = [*self.pairs.findings, *self.xnli.findings]
        self.refused = self.pairs.refused

    def languages(self) -> list[str]:
        return self.pairs.languages()

    def examples(self, language: str, split: str) -> list[LabelledText]:
        if split == "test":
            return self.pairs.examples(language, split)
        self.refuse(language)
        if language not in self.pairs.names:
            try:
                return self.xnli.examples(language, split)
            except MissingDataError as error:
                raise MissingDataError(
                    f"{error}; AmericasNLI has no training data: put XNLI's there, or train on the dev set of one of "
                    f"its own languages: --source_languages {next(iter(self.pairs.names), 'quy_Latn')}"
                ) from error
        # Items of one premise must not be on both sides.
        dev = self.pairs.examples(language, "dev")
        return [item for item in dev if _is_held_out(item.text) == (split == "dev")]


def _is_held_out(premise: str) -> bool:
    return hashlib.md5(premise.encode()).digest()[0] % HELD_OUT == 0


SOURCES = (HUB, replace(XNLI, training_only=True))
TASK = ClassificationTask("americasnli", NLI_LABELS, AmericasNliCorpus, ("accuracy",), hub_data=SOURCES)
