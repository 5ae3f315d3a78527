"""XNLI: natural language inference in 15 languages."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path

from ..files.corpus import Corpus, MissingDataError
from ..files.layouts import Record, read_records, require_columns, resolve_codes
from ..files.reads import remember
from ..kinds.classification import ClassificationTask, LabelledText
from ..kinds.sentence_pairs import NLI_COLUMNS, NLI_LABELS, NLI_NAMES, PairCorpus, labelled_pairs


__all__ = ["TASK", "XnliCorpus"]

SUFFIXES = (".jsonl", ".tsv")


class XnliCorpus(Corpus[LabelledText]):
    """The benchmark's `xnli.dev.tsv` and `xnli.test.tsv` (or `.jsonl`), which hold all languages, or Parquet files.

    Training data are MNLI's, in English or translated: `multinli.train.en.tsv` (or `.jsonl`). All of these may stand
    in `xnli/` itself or in the folders in which they are unpacked. The Hub's form is `xnli/en/train-*.parquet`.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "xnli"
        self.pairs = PairCorpus(self.folder, NLI_COLUMNS, NLI_NAMES)
        self._own = remember(self._read_own)

    def languages(self) -> list[str]:
        """List the language-scripts that have test data.

        Returns:
            `list[str]`: Codes, sorted.
        """
        return sorted({*self._own("test"), *self.pairs.languages()})

    def examples(self, language: str, split: str) -> list[LabelledText]:
        """Read one split of one language.

        Args:
            language (`str`): Code of the language-script.
            split (`str`): `"train"`, `"dev"` or `"test"`.

        Returns:
            `list[LabelledText]`: Premises and hypotheses.

        Raises:
            MissingDataError: If there is no such file.
            DataError: If a label is not known or a column is missing.
        """
        own = self._own(split).get(language)
        if own is not None:
            return labelled_pairs(own, NLI_COLUMNS, NLI_NAMES)
        if split == "train":
            paths = {path.stem.rsplit(".", 1)[-1]: path for path in self._find("multinli.train.*")}
            names = resolve_codes(sorted(paths), lambda name: "")
            if language in names:
                return labelled_pairs(read_records([paths[names[language]]]), NLI_COLUMNS, NLI_NAMES)
        if language not in self.pairs.names:
            raise MissingDataError(f"no {split} pairs of {language} under {self.folder}")
        return self.pairs.examples(language, split)

    def _find(self, pattern: str) -> list[Path]:
        return sorted(path for path in self.folder.rglob(pattern) if path.suffix in SUFFIXES)

    def _read_own(self, split: str) -> dict[str, list[Record]]:
        """Read a file of all languages, by language."""
        paths = self._find(f"xnli.{split}.*")
        if not paths:
            return {}
        records = read_records(paths[:1])
        require_columns(records, ["language"])
        grouped: dict[str, list[Record]] = defaultdict(list)
        for record in records:
            grouped[str(record.values["language"])].append(record)
        return {code: grouped[name] for code, name in resolve_codes(sorted(grouped), lambda name: "").items()}


TASK = ClassificationTask("xnli", NLI_LABELS, XnliCorpus, ("accuracy",))
