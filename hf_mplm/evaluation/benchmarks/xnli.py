"""XNLI: natural language inference in 15 languages."""

from __future__ import annotations

from collections import defaultdict
from functools import partial
from pathlib import Path

from ..files.corpus import Corpus, MissingDataError
from ..files.hub_data import HubDataset
from ..files.layouts import Record, read_records
from ..files.names import meaning_of, resolve_codes
from ..files.opening import plain_name
from ..files.reads import remember
from ..files.records import text_of
from ..files.report import PassedOver, list_files, tell
from ..files.samples import sample_text
from ..kinds.classification import ClassificationTask, LabelledText
from ..kinds.sentence_pairs import CHINESE, NLI_COLUMNS, NLI_LABELS, NLI_NAMES, PairCorpus, labelled_pairs


__all__ = ["HUB", "TASK", "XnliCorpus"]

HUB = HubDataset(
    "xnli",
    "facebook/xnli",
    "b8dd5d7af51114dbda02c0e3f6133f332186418e",
    r"(?P<name>[a-z]{2})/(?P<split>train|validation|test)-\d+-of-\d+\.parquet",
    "CC BY-NC 4.0",
    partial(meaning_of, meanings=CHINESE),
)
SUFFIXES = (".jsonl", ".tsv")
TEXT_COLUMNS = ("premise", "sentence1")
# Items of a language that tell its script.
SAMPLE = 100


class XnliCorpus(Corpus[LabelledText]):
    """The benchmark's `xnli.dev.tsv` and `xnli.test.tsv` (or `.jsonl`), which hold all languages, or Parquet files.

    Training data are MNLI's, in English or translated: `multinli.train.en.tsv` (or `.jsonl`). All of these may stand
    in `xnli/` itself or in the folders in which they are unpacked. The Hub's form is `xnli/en/train-*.parquet`.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "xnli"
        self._files = {name: self._find(name) for name in ("xnli.test", "xnli.dev")}
        self._training = {
            Path(plain_name(path)).stem.split(".")[-1]: path for path in self._find("multinli.train.", part=True)
        }
        beside = [*(paths[0] for paths in self._files.values() if paths), *self._training.values()]
        self.pairs = PairCorpus(self.folder, NLI_COLUMNS, NLI_NAMES, beside)
        self.refused = self.pairs.refused
        self.findings = self.pairs.findings
        for paths in self._files.values():
            self.findings[0].leave(paths[1:], f"{paths[0]} is read" if paths else "")
        resolved = resolve_codes(
            self._training,
            lambda name: sample_text(self._training[name], TEXT_COLUMNS),
            self.pairs.meanings,
            self.folder,
        )
        self._training = {code: self._training[name] for code, name in resolved.codes.items()}
        self._unused: dict[str, str] = {}
        self._own = remember(self._read_own)

    def languages(self) -> list[str]:
        return sorted({*self._own("test"), *self.pairs.languages()})

    def examples(self, language: str, split: str) -> list[LabelledText]:
        self.refuse(language)
        own = self._own(split).get(language)
        if own is not None:
            return labelled_pairs(own, NLI_COLUMNS, NLI_NAMES)
        if split == "train" and language in self._training:
            return labelled_pairs(read_records([self._training[language]]), NLI_COLUMNS, NLI_NAMES)
        if language not in self.pairs.names:
            raise MissingDataError(f"no {split} pairs of {language} under {self.folder}")
        return self.pairs.examples(language, split)

    def _find(self, stem: str, *, part: bool = False) -> list[Path]:
        found = []
        for path in list_files(self.folder):
            name = Path(plain_name(path))
            if name.suffix.lower() in SUFFIXES and (name.stem.startswith(stem) if part else name.stem == stem):
                found.append(path)
        return found

    def _read_own(self, split: str) -> dict[str, list[Record]]:
        """Read a file of all languages, by language."""
        paths = self._files.get(f"xnli.{split}", [])
        if not paths:
            return {}
        records = read_records(paths[:1])
        grouped: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            grouped[text_of(record, "language")].append(record)
        resolved = resolve_codes(
            sorted(grouped),
            lambda name: "\n".join(
                str(record.values.get(column) or "") for record in grouped[name][:SAMPLE] for column in TEXT_COLUMNS
            ),
            self.pairs.meanings,
            paths[0],
        )
        for name, reason in resolved.unused.items():
            tell([PassedOver(f"{paths[0]}, language {name!r}", reason)])
            self._unused[f"{paths[0]}, language {name!r}"] = reason
        return {code: grouped[name] for code, name in resolved.codes.items()}

    @property
    def passed_over(self) -> list[PassedOver]:
        """What was found and is not used, and why: files, and languages of a file of all languages."""
        for split in ("test", "dev"):
            self._own(split)
        return [*super().passed_over, *(PassedOver(*entry) for entry in self._unused.items())]


TASK = ClassificationTask("xnli", NLI_LABELS, XnliCorpus, ("accuracy",), hub_data=(HUB,))
