"""Retrieval over FLORES-200, whose sentences SIB-200 annotates: the same sentences in every language."""

from __future__ import annotations

from pathlib import Path

from ..files.corpus import MissingDataError
from ..files.layouts import (
    DataError,
    find_split,
    list_folders,
    read_lines,
    read_records,
    require_columns,
    resolve_codes,
    unique_by,
)
from ..files.reads import remember
from ..kinds.retrieval import ParallelText, RetrievalTask


__all__ = ["TASK", "FloresCorpus"]


class FloresCorpus:
    """FLORES-200's own files `flores/devtest/CODE.devtest`, or else the test sentences of SIB-200 with their ids.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "flores" / "devtest"
        self.sib200 = data_dir / "sib200"
        files = {path.stem: path for path in self.folder.glob("*.devtest")}
        self.files = {code: files[name] for code, name in resolve_codes(sorted(files), lambda name: "").items()}
        self.names = {} if files else resolve_codes(list_folders(self.sib200, ["test"]), lambda name: "")
        self._read_source = remember(self._sentences, 1)

    def languages(self) -> list[str]:
        """List the language-scripts that have sentences.

        Returns:
            `list[str]`: Codes, sorted.
        """
        return sorted(self.files or self.names)

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
        if code in self.files:
            return {str(number): line for number, line in enumerate(read_lines(self.files[code]))}
        paths = find_split(self.sib200, self.names[code], "test") if code in self.names else []
        if not paths:
            raise MissingDataError(f"no sentences of {code} under {self.folder if self.files else self.sib200}")
        records = read_records(paths, quoted=True)
        require_columns(records, ["index_id", "text"])
        return {key: str(record.values["text"]) for key, record in unique_by(records, "index_id").items()}


TASK = RetrievalTask("flores", FloresCorpus, shared_source=True)
