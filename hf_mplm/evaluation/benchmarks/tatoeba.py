"""SR-T: Tatoeba sentences, as LASER ships them."""

from __future__ import annotations

from pathlib import Path

from ..files.corpus import MissingDataError
from ..files.layouts import DataError, read_lines, resolve_codes
from ..kinds.retrieval import ParallelText, RetrievalTask


__all__ = ["TASK", "TatoebaCorpus"]

ENGLISH = "eng_Latn"
# Sentences of which a missing script is detected.
SAMPLE_LINES = 100


class TatoebaCorpus:
    """Line-aligned pairs of files `tatoeba/tatoeba.CODE-eng.CODE` and `.eng`.

    Every language has an English side of its own. Two other languages are joined by the English sentences that both
    translate.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "tatoeba"
        found = {}
        for path in sorted(self.folder.glob("tatoeba.*-*.*")):
            stem, side = path.name.rsplit(".", 1)
            language, english = stem.removeprefix("tatoeba.").rsplit("-", 1)
            if side == language:
                found[language] = (path, path.with_name(f"{stem}.{english}"))
        codes = resolve_codes(found, lambda name: "\n".join(read_lines(found[name][0])[:SAMPLE_LINES]))
        self.files = {code: found[name] for code, name in codes.items()}

    def languages(self) -> list[str]:
        """List the language-scripts that have a pair of files.

        Returns:
            `list[str]`: Codes, sorted.
        """
        return sorted(self.files)

    def pair(self, source: str, target: str) -> ParallelText:
        """Read the sentence pairs of two languages.

        Args:
            source (`str`): Code of the source language.
            target (`str`): Code of the target language.

        Returns:
            `ParallelText`: The pairs, in the order of the target's file.

        Raises:
            MissingDataError: If a language has no files, or two languages have no English sentence in common.
            DataError: If a file is empty, or the two files of a pair differ in their number of lines.
        """
        if source == ENGLISH:
            return ParallelText(*self._read(target))
        if target == ENGLISH:
            english, sentences = self._read(source)
            return ParallelText(sentences, english)
        # Of several translations of one English sentence the first is taken.
        pivots: dict[str, str] = {}
        for pivot, sentence in zip(*self._read(source)):
            pivots.setdefault(pivot, sentence)
        joined: dict[str, str] = {}
        for pivot, sentence in zip(*self._read(target)):
            if pivot in pivots:
                joined.setdefault(pivot, sentence)
        if not joined:
            raise MissingDataError(f"no English sentence of {self.folder} is translated into {source} and {target}")
        return ParallelText([pivots[pivot] for pivot in joined], list(joined.values()))

    def _read(self, code: str) -> tuple[list[str], list[str]]:
        if code not in self.files:
            raise MissingDataError(f"no sentences of {code} under {self.folder}")
        path, english_path = self.files[code]
        if not english_path.is_file():
            raise MissingDataError(f"{path} stands alone: {english_path} is missing")
        sentences, english = read_lines(path), read_lines(english_path)
        if len(sentences) != len(english):
            raise DataError(f"{path} has {len(sentences)} lines, but {english_path} has {len(english)}")
        if not sentences:
            raise DataError(f"{path} is empty")
        return english, sentences


TASK = RetrievalTask("tatoeba", TatoebaCorpus, shared_source=False)
