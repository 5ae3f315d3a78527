"""A benchmark whose folder has files of its own for each language and split."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import ClassVar

from .corpus import Corpus, Example
from .layouts import SPLIT_NAMES, SplitFolder
from .names import Meaning, resolve_codes
from .opening import DataError
from .report import Findings
from .samples import sample_text


__all__ = ["FolderCorpus"]

LAYOUT = "CODE/SPLIT.tsv, SPLIT/CODE.tsv, CODE_SPLIT.tsv or SPLIT-CODE.tsv (or .txt, .csv, .jsonl, .parquet)"


class FolderCorpus(Corpus[Example]):
    """The files of a benchmark in the layouts of [`SplitFolder`], by language-script.

    Args:
        folder (`Path`): The folder of the benchmark.
        beside (`Sequence[Path]`, *optional*): Other files of the folder that are read.
    """

    #: Names that mean something else in this benchmark than in ISO 639.
    meanings: ClassVar[Mapping[str, Meaning]] = {}
    #: What the columns with text may be called, and the number of the field with text where no header names it.
    text_columns: Sequence[str] = ("text",)
    text_position: int | None = None

    def __init__(self, folder: Path, beside: Sequence[Path] = ()) -> None:
        self.folder = folder
        self.splits = SplitFolder(folder)
        resolved = resolve_codes(self.splits.names(), self._sample, self.meanings, folder)
        self.names, self.refused = resolved.codes, resolved.refused
        found = Findings(folder, LAYOUT)
        self.findings = [found]
        found.use(path for path in beside if path.is_file())
        for name in self.names.values():
            for split in SPLIT_NAMES:
                chosen, *others = self._choices(name, split) or [[]]
                found.use(chosen)
                for paths in others:
                    found.leave(paths, f"{chosen[0].name} of the same language and split is read")
        for name, reason in resolved.unused.items():
            whole = folder / name
            paths = [path for split in SPLIT_NAMES for other in self._choices(name, split) for path in other]
            found.leave([whole] if whole.is_dir() else paths, reason)

    def languages(self) -> list[str]:
        return sorted({*self.refused, *(code for code, name in self.names.items() if self._choices(name, "test"))})

    def paths(self, language: str, split: str) -> list[Path]:
        """Find the files of one split of one language.

        Args:
            language (`str`): Code of the language-script.
            split (`str`): `"train"`, `"dev"` or `"test"`.

        Returns:
            `list[Path]`: The files; empty if there are none.

        Raises:
            RefusedDataError: If two names of the benchmark mean this language-script.
            DataError: If one of several files is missing.
        """
        self.refuse(language)
        return self.splits.find(self.names[language], split) if language in self.names else []

    def _choices(self, name: str, split: str) -> list[list[Path]]:
        try:
            return self.splits.choices(name, split)
        except DataError:
            # A missing shard is told when the split is read.
            return [[self.folder / name]]

    def _sample(self, name: str) -> str:
        """Read some text of a language, which tells the script where the name does not."""
        for split in ("test", "dev", "train"):
            for path in next(iter(self._choices(name, split)), []):
                if text := self._text(path):
                    return text
        return ""

    def _text(self, path: Path) -> str:
        return sample_text(path, self.text_columns, self.text_position)
