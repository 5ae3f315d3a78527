"""Retrieval over FLORES-200, whose sentences SIB-200 annotates: the same sentences in every language."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from ..files.corpus import BenchmarkFiles, MissingDataError
from ..files.hub_data import HubDataset
from ..files.layouts import DataError, read_lines, read_records, require_columns, unique_by
from ..files.names import resolve_codes
from ..files.opening import plain_name
from ..files.reads import remember
from ..files.records import text_of
from ..files.report import Findings, list_files
from ..files.samples import sample_text
from ..kinds.retrieval import ParallelText, RetrievalTask
from .sib200 import Sib200Corpus


__all__ = ["HUB", "TASK", "FloresCorpus"]

# FLORES+, which goes on with FLORES-200. A name with more than language and script is a variety of that language.
HUB = HubDataset(
    "flores",
    "openlanguagedata/flores_plus",
    "5fec6c13f9e5a4db2f745d4ec0d7c9721ddc4f06",
    r"(?P<path>devtest/(?P<name>[a-z]{3}_[A-Z][a-z]{3})\.jsonl)",
    "CC BY-SA 4.0",
    gated=True,
)
SUFFIXES = (".devtest", ".jsonl")


class FloresCorpus(BenchmarkFiles):
    """FLORES-200's own files `flores/devtest/CODE.devtest`, FLORES+'s `CODE.jsonl` with `id` and `text`, or else the
    test sentences of SIB-200 with their ids.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "flores" / "devtest"
        self.sib200 = data_dir / "sib200"
        # What else stands in `flores/`, such as its dev sentences, is no concern of this task.
        found = Findings(self.folder, "CODE.devtest or CODE.jsonl")
        self.findings = [found]
        files: dict[str, Path] = {}
        for path in list_files(self.folder, deep=False):
            name = Path(plain_name(path))
            if name.suffix.lower() in SUFFIXES:
                other = files.setdefault(name.stem, path)
                if other != path:
                    found.leave([path], f"{other.name} is read")
        resolved = resolve_codes(files, lambda name: sample_text(files[name], ("text",)), folder=self.folder)
        self.files = {code: files[name] for code, name in resolved.codes.items()}
        self.refused = resolved.refused
        found.use(self.files.values())
        for unused, reason in resolved.unused.items():
            found.leave([files[unused]], reason)
        self._sib: Sib200Corpus | None = None
        if not files:
            self._sib = Sib200Corpus(data_dir)
            self.refused = self._sib.refused
        self._read_source = remember(self._sentences, 1)

    def languages(self) -> list[str]:
        return self._sib.languages() if self._sib is not None else sorted({*self.files, *self.refused})

    def pair(self, source: str, target: str) -> ParallelText:
        """Align the sentences of two languages, by line in FLORES-200's own files and by id in the others.

        Args:
            source (`str`): Code of the source language.
            target (`str`): Code of the target language.

        Returns:
            `ParallelText`: The sentences that both have.

        Raises:
            MissingDataError: If a language has no file, or they share no sentence.
            DataError: If an id occurs twice, line-aligned files differ in their number of lines, or one of the two is
                aligned by line and the other by id.
        """
        one, other = self._read_source(source), self._sentences(target)
        if self.files:
            self._refuse_other_lines(self.files[source], self.files[target], len(one), len(other))
        shared = [key for key in one if key in other]
        if not shared:
            where = self.folder if self.files else self.sib200
            raise MissingDataError(f"the sentences of {source} and {target} under {where} share no id")
        return ParallelText([one[key] for key in shared], [other[key] for key in shared])

    @staticmethod
    def _refuse_other_lines(source: Path, target: Path, lines: int, others: int) -> None:
        if _is_table(source) != _is_table(target):
            raise DataError(
                f"{source} and {target} cannot be aligned, the one by line and the other by id; keep one form of them"
            )
        if not _is_table(source) and lines != others:
            raise DataError(f"{source} has {lines} lines, but {target} has {others}")

    def _sentences(self, code: str) -> dict[str, str]:
        self.refuse(code)
        if code in self.files and _is_table(self.files[code]):
            return _by_id([self.files[code]], "id")
        if code in self.files:
            lines = read_lines(self.files[code])
            if not lines:
                raise DataError(f"{self.files[code]} is empty")
            return {str(number): line for number, line in enumerate(lines)}
        paths = self._sib.paths(code, "test") if self._sib is not None else []
        if not paths:
            raise MissingDataError(f"no sentences of {code} under {self.folder if self.files else self.sib200}")
        return _by_id(paths, "index_id")


def _is_table(path: Path) -> bool:
    return Path(plain_name(path)).suffix.lower() == ".jsonl"


def _by_id(paths: Sequence[Path], column: str) -> dict[str, str]:
    records = read_records(paths, quoted=True)
    require_columns(records, [column, "text"])
    return {key: text_of(record, "text") for key, record in unique_by(records, column).items()}


TASK = RetrievalTask("flores", FloresCorpus, shared_source=True, hub_data=(HUB,))
