"""SR-B: verses that are translations of each other, aligned by their ids."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from ..files.corpus import BenchmarkFiles, MissingDataError
from ..files.hub_data import NotOnHub
from ..files.layouts import DataError, read_lines, read_records, unique_by
from ..files.names import resolve_codes
from ..files.opening import plain_name
from ..files.reads import remember
from ..files.records import text_of
from ..files.report import Findings, list_files
from ..files.samples import sample_text
from ..kinds.retrieval import ParallelText, RetrievalTask
from .taxi1500 import Taxi1500Corpus


__all__ = ["TASK", "BibleCorpus"]

HUB = NotOnHub(
    "bible",
    "the editions that the papers use may not be redistributed",
    "take verses that you may use, such as https://github.com/christos-c/bible-corpus",
    "CODE.tsv (verse id, verse)",
    "each edition its own",
)
SUFFIXES = (".tsv", ".txt")
ALIGNED_NAME = re.compile(r"bible\.(?P<target>[^.]+)-(?P<source>[^.-]+)\.(?P<side>(?P=target)|(?P=source))")


class BibleCorpus(BenchmarkFiles):
    """Verses in `bible/CODE.tsv` (id, tab, text), or line-aligned `bible/bible.CODE-eng_Latn.CODE` and `.eng_Latn`.

    Where a language has no such file, its verses in Taxi1500, whose ids are the same, take its place: this is where
    the English side comes from if there is no other.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "bible"
        found = Findings(self.folder, "CODE.tsv, CODE.txt, bible.CODE-CODE.CODE")
        self.findings = [found]
        self._data_dir = data_dir
        verses: dict[str, Path] = {}
        aligned: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
        for path in list_files(self.folder, deep=False):
            name = plain_name(path)
            if match := ALIGNED_NAME.fullmatch(name):
                aligned[match["target"], match["source"]].setdefault(match["side"], path)
            elif Path(name).suffix.lower() in SUFFIXES:
                other = verses.setdefault(Path(name).stem, path)
                if other != path:
                    found.leave([path], f"{other.name} is read")
        whole = resolve_codes(verses, lambda name: sample_text(verses[name], position=1), folder=self.folder)
        sided = sorted({name for pair in aligned for name in pair})
        both = resolve_codes(sided, lambda name: _sample(name, aligned), folder=self.folder)
        self.refused = {**both.refused, **whole.refused}
        self.files = {code: verses[name] for code, name in whole.codes.items()}
        code_of = {name: code for code, name in both.codes.items()}
        self._aligned: dict[tuple[str, str], tuple[Path, Path]] = {}
        for (target, source), sides in aligned.items():
            if target in code_of and source in code_of and {target, source} <= sides.keys():
                self._aligned[code_of[source], code_of[target]] = (sides[source], sides[target])
            elif target in code_of and source in code_of:
                found.leave(sides.values(), f"it stands alone: bible.{target}-{source} has one side only")
        found.use(self.files.values())
        for paths in self._aligned.values():
            found.use(paths)
        for name, reason in whole.unused.items():
            found.leave([verses[name]], reason)
        for name, reason in both.unused.items():
            found.leave([path for pair, sides in aligned.items() if name in pair for path in sides.values()], reason)
        self.codes = sorted({*self.files, *(code for pair in self._aligned for code in pair)})
        # The source language is asked for once a target; the target's verses are not needed again.
        self._read_source = remember(self._verses, 1)

    def languages(self) -> list[str]:
        return sorted({*self.codes, *self.refused})

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
        if (source, target) in self._aligned:
            paths = self._aligned[source, target]
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
        self.refuse(code)
        if code in self.files:
            records = read_records([self.files[code]], columns=("id", "text"))
        else:
            taxi1500 = Taxi1500Corpus(self._data_dir)
            paths = [path for split in ("train", "dev", "test") for path in taxi1500.paths(code, split)]
            if not paths:
                raise MissingDataError(
                    f"no verses of {code}: neither {self.folder / code}.tsv nor {taxi1500.folder / code}"
                )
            records = read_records(paths, columns=("id", "label", "text"))
        return {key: text_of(record, "text") for key, record in unique_by(records, "id").items()}


def _sample(name: str, aligned: Mapping[tuple[str, str], Mapping[str, Path]]) -> str:
    return next((sample_text(sides[name]) for pair, sides in aligned.items() if name in pair and name in sides), "")


TASK = RetrievalTask("bible", BibleCorpus, shared_source=True, max_sentences=500, hub_data=(HUB,))
