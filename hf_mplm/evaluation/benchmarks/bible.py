"""SR-B: verses that are translations of each other, aligned by their ids."""

from __future__ import annotations

import hashlib
from pathlib import Path

from ..files.corpus import MissingDataError
from ..files.layouts import DataError, find_split, list_folders, read_lines, read_records, resolve_codes, unique_by
from ..files.reads import remember
from ..kinds.retrieval import ParallelText, RetrievalTask


__all__ = ["TASK", "BibleCorpus"]

SUFFIXES = (".tsv", ".tsv.gz", ".txt")
# Verses of which a missing script is detected.
SAMPLE_LINES = 100


class BibleCorpus:
    """Verses in `bible/CODE.tsv` (id, tab, text), or line-aligned `bible/bible.CODE-eng_Latn.CODE` and `.eng_Latn`.

    Where a language has no such file, its verses in Taxi1500, whose ids are the same, take its place: this is where
    the English side comes from if there is no other.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "bible"
        self.taxi1500 = data_dir / "taxi1500"
        paths = sorted(self.folder.iterdir()) if self.folder.is_dir() else []
        files = {
            path.name.removesuffix(suffix): path for path in paths for suffix in SUFFIXES if path.name.endswith(suffix)
        }
        aligned = {path.name.rsplit(".", 1)[1] for path in paths if path.name.startswith("bible.")}
        codes = resolve_codes(sorted(files.keys() | aligned), lambda name: _sample(files.get(name)))
        self.files = {code: files[name] for code, name in codes.items() if name in files}
        self.codes = sorted(codes)
        # The source language is asked for once a target; the target's verses are not needed again.
        self._read_source = remember(self._verses, 1)

    def languages(self) -> list[str]:
        """List the language-scripts that have verses.

        Returns:
            `list[str]`: Codes, sorted.
        """
        return self.codes

    def pair(self, source: str, target: str) -> ParallelText:
        """Align the verses of two languages.

        They come in the order of a hash of their id, so that taking the first 500 neither takes one book only nor
        depends on the language.

        Args:
            source (`str`): Code of the source language.
            target (`str`): Code of the target language.

        Returns:
            `ParallelText`: The verses that both have.

        Raises:
            MissingDataError: If one of them has no verses, or they share none.
            DataError: If an id occurs twice, or line-aligned files differ in their number of lines.
        """
        stem = f"bible.{target}-{source}"
        paths = self.folder / f"{stem}.{source}", self.folder / f"{stem}.{target}"
        if all(path.is_file() for path in paths):
            lines = [read_lines(path) for path in paths]
            if len(lines[0]) != len(lines[1]):
                raise DataError(f"{paths[0]} has {len(lines[0])} lines, but {paths[1]} has {len(lines[1])}")
            return ParallelText(lines[0], lines[1])
        one, other = self._read_source(source), self._verses(target)
        shared = sorted(one.keys() & other.keys(), key=lambda verse: hashlib.md5(verse.encode()).digest())
        if not shared:
            raise MissingDataError(f"the verses of {source} and {target} under {self.folder} share no id")
        return ParallelText([one[verse] for verse in shared], [other[verse] for verse in shared])

    def _verses(self, code: str) -> dict[str, str]:
        if code in self.files:
            records = read_records([self.files[code]], columns=("id", "text"))
        else:
            names = resolve_codes(list_folders(self.taxi1500), lambda name: "")
            paths = [
                path
                for split in ("train", "dev", "test")
                for path in find_split(self.taxi1500, names.get(code, code), split)
            ]
            if not paths:
                raise MissingDataError(
                    f"no verses of {code}: neither {self.folder / code}.tsv nor {self.taxi1500 / code}"
                )
            records = read_records(paths, columns=("id", "label", "text"))
        return {key: str(record.values["text"]) for key, record in unique_by(records, "id").items()}


def _sample(path: Path | None) -> str:
    return "\n".join(read_lines(path)[:SAMPLE_LINES]) if path is not None else ""


TASK = RetrievalTask("bible", BibleCorpus, shared_source=True, max_sentences=500)
