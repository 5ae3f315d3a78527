"""SR-T: Tatoeba sentences, as LASER ships them."""

from __future__ import annotations

import re
from collections import defaultdict
from pathlib import Path

from hf_mplm.languages import parse_code

from ..files.corpus import BenchmarkFiles, MissingDataError
from ..files.hub_data import HubDataset
from ..files.layouts import read_records
from ..files.names import resolve_codes
from ..files.opening import DataError, plain_name, read_lines
from ..files.records import text_of
from ..files.report import Findings, list_files
from ..files.samples import sample_text
from ..kinds.retrieval import ParallelText, RetrievalTask


__all__ = ["TASK", "TatoebaCorpus"]

ENGLISH = "eng_Latn"
# A code may have a hyphen, as `zh-classical` has.
FILE_NAME = re.compile(r"tatoeba\.(?P<language>[^.]+)-(?P<english>[^.-]+)\.(?P<side>(?P=language)|(?P=english))")
# MTEB's form on the Hub, with both sides in one file.
TABLE_NAME = re.compile(r"(?P<language>[^./]+)-(?P<english>[^./-]+)\.(?:jsonl|parquet)")
SIDES = ("sentence1", "sentence2")
HUB = HubDataset(
    "tatoeba",
    "mteb/tatoeba-bitext-mining",
    "69e8f12da6e31d59addadda9a9c8a2e601a0e282",
    r"test/(?P<path>(?P<name>[a-z]{3})-eng\.jsonl(?:\.gz)?)",
    "CC BY 2.0 FR",
)


class TatoebaCorpus(BenchmarkFiles):
    """Line-aligned pairs of files `tatoeba/tatoeba.CODE-eng.CODE` and `.eng`, or MTEB's `CODE-eng.jsonl` with the
    columns `sentence1` and `sentence2` (English).

    Every language has an English side of its own. Two other languages are joined by the English sentences that both
    translate.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "tatoeba"
        found = Findings(self.folder, "tatoeba.CODE-eng.CODE, tatoeba.CODE-eng.eng or CODE-eng.jsonl")
        self.findings = [found]
        sides: dict[tuple[str, str], dict[str, Path]] = defaultdict(dict)
        for path in list_files(self.folder, deep=False):
            name = plain_name(path)
            if match := FILE_NAME.fullmatch(name) or TABLE_NAME.fullmatch(name):
                pair = match["language"], match["english"]
                own = [match["side"]] if "side" in match.re.groupindex else list(pair)
                if known := next((sides[pair][side] for side in own if side in sides[pair]), None):
                    found.leave([path], f"{known.name} is read")
                    continue
                sides[pair].update(dict.fromkeys(own, path))
        pairs: dict[str, tuple[Path, Path]] = {}
        for (language, english), files in sides.items():
            if not _is_english(english):
                found.leave(files.values(), f"its other side is {english!r}, not English")
            elif language in files:
                path = files[language]
                pairs[language] = (path, files.get(english, path.with_name(f"tatoeba.{language}-{english}.{english}")))
            else:
                found.leave(files.values(), f"it stands alone: tatoeba.{language}-{english}.{language} is missing")
        resolved = resolve_codes(pairs, lambda name: sample_text(pairs[name][0], SIDES[:1]), folder=self.folder)
        self.refused = resolved.refused
        self.files = {code: pairs[name] for code, name in resolved.codes.items()}
        for both in self.files.values():
            found.use(both)
        for name, reason in resolved.unused.items():
            found.leave([path for path in pairs[name] if path.is_file()], reason)

    def languages(self) -> list[str]:
        return sorted({*self.files, *self.refused})

    def pair(self, source: str, target: str) -> ParallelText:
        """Read the sentence pairs of two languages.

        Args:
            source (`str`): Code of the source language.
            target (`str`): Code of the target language.

        Returns:
            `ParallelText`: The pairs, in the order of the target's file.

        Raises:
            RefusedDataError: If two names of the benchmark mean one of the languages.
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
        self.refuse(code)
        if code not in self.files:
            raise MissingDataError(f"no sentences of {code} under {self.folder}")
        path, english_path = self.files[code]
        if path == english_path:
            rows = [[text_of(record, side) for side in SIDES] for record in read_records([path])]
            return [row[1] for row in rows], [row[0] for row in rows]
        if not english_path.is_file():
            raise MissingDataError(f"{path} stands alone: {english_path} is missing")
        sentences, english = read_lines(path), read_lines(english_path)
        if len(sentences) != len(english):
            raise DataError(f"{path} has {len(sentences)} lines, but {english_path} has {len(english)}")
        if not sentences:
            raise DataError(f"{path} is empty")
        return english, sentences


def _is_english(name: str) -> bool:
    try:
        return parse_code(name).code == ENGLISH
    except ValueError:
        return False


TASK = RetrievalTask("tatoeba", TatoebaCorpus, shared_source=False, hub_data=(HUB,))
