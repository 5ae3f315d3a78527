"""Retrieval over FLORES-200, whose sentences SIB-200 annotates: the same sentences in every language."""

from __future__ import annotations

from pathlib import Path

from ..files.corpus import BenchmarkFiles, MissingDataError
from ..files.layouts import DataError, read_lines, read_records, require_columns, unique_by
from ..files.names import resolve_codes
from ..files.opening import plain_name
from ..files.reads import remember
from ..files.records import text_of
from ..files.report import Findings, list_files
from ..files.samples import sample_text
from ..kinds.retrieval import ParallelText, RetrievalTask
from .sib200 import Sib200Corpus


__all__ = ["TASK", "FloresCorpus"]


class FloresCorpus(BenchmarkFiles):
    """FLORES-200's own files `flores/devtest/CODE.devtest`, or else the test sentences of SIB-200 with their ids.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "flores" / "devtest"
        self.sib200 = data_dir / "sib200"
        # What else stands in `flores/`, such as its dev sentences, is no concern of this task.
        found = Findings(self.folder, "CODE.devtest")
        self.findings = [found]
        files: dict[str, Path] = {}
        for path in list_files(self.folder, deep=False):
            name = Path(plain_name(path))
            if name.suffix.lower() == ".devtest":
                other = files.setdefault(name.stem, path)
                if other != path:
                    found.leave([path], f"{other.name} is read")
        resolved = resolve_codes(files, lambda name: sample_text(files[name]), folder=self.folder)
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
        """Align the sentences of two languages, by line in FLORES' own files and by `index_id` in SIB-200's.

        Args:
            source (`str`): Code of the source language.
            target (`str`): Code of the target language.

        Returns:
            `ParallelText`: The sentences that both have.

        Raises:
            MissingDataError: If a language has no file, or they share no sentence.
            DataError: If an id occurs twice, or line-aligned files differ in their number of lines.
        """
        one, other = self._read_source(source), self._sentences(target)
        if self.files and len(one) != len(other):
            raise DataError(f"{self.files[source]} has {len(one)} lines, but {self.files[target]} has {len(other)}")
        shared = [key for key in one if key in other]
        if not shared:
            raise MissingDataError(f"the sentences of {source} and {target} under {self.sib200} share no index_id")
        return ParallelText([one[key] for key in shared], [other[key] for key in shared])

    def _sentences(self, code: str) -> dict[str, str]:
        self.refuse(code)
        if code in self.files:
            lines = read_lines(self.files[code])
            if not lines:
                raise DataError(f"{self.files[code]} is empty")
            return {str(number): line for number, line in enumerate(lines)}
        paths = self._sib.paths(code, "test") if self._sib is not None else []
        if not paths:
            raise MissingDataError(f"no sentences of {code} under {self.folder if self.files else self.sib200}")
        records = read_records(paths, quoted=True)
        require_columns(records, ["index_id", "text"])
        return {key: text_of(record, "text") for key, record in unique_by(records, "index_id").items()}


TASK = RetrievalTask("flores", FloresCorpus, shared_source=True)
