"""Word similarity: do words that people find alike have vectors that are alike?"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np

from ..context import Context
from ..encoder import encode_in
from ..files.corpus import BenchmarkFiles, MissingDataError
from ..files.hub_data import HubData, NotOnHub
from ..files.names import resolve_codes
from ..files.opening import DataError, plain_name, read_head, read_lines
from ..files.reads import recorded_reads
from ..files.report import Findings, list_files
from ..kinds.options import UntunedTask
from ..kinds.words_alone import encoding_of_words, word_suffix
from ..metrics.correlation import correlations
from ..metrics.similarity import normalise
from ..results import ResultRow
from ..task import Cell, training_free_cell
from ..vocabulary import Vocabulary


__all__ = ["TASK", "ScoredPair", "WordPairCorpus", "WordSimilarityTask", "phrase_vector"]

OOV = ("skip", "0")
_CODE = r"[A-Za-z]{2,3}(?:_[A-Z][a-z]{3})?"
# `en.test.data.txt`, `de-es.test.data.txt`, MUSE's `EN_SEMEVAL17.txt` and `en-de-SEMEVAL17.txt`, and `CODE-CODE.tsv`.
_NAME = re.compile(rf"({_CODE})(?:-({_CODE}))?(?:[._-](?:test\.data|SEMEVAL17))?\.(?:txt|tsv)")


HUB = NotOnHub(
    "wordsim",
    "its word pairs are served by the shared task",
    "fetch SemEval-2017 task 2 from https://alt.qcri.org/semeval2017/task2",
    "CODE.test.data.txt and CODE.test.gold.txt",
    "not stated",
)


class ScoredPair(NamedTuple):
    """Two words, or phrases, and how alike people find them."""

    first: str
    second: str
    score: float


class WordPairCorpus(BenchmarkFiles):
    """Pairs of words under `wordsim/`, in folders or not.

    They are in SemEval-2017 task 2's own form, `en.test.data.txt` and `de-es.test.data.txt` (two words a line, set
    apart by a tab) with their scores in `en.test.gold.txt` beside them or in `../keys/`, or have the score in a third
    column (`EN_SEMEVAL17.txt`, `en-de-SEMEVAL17.txt`, `CODE.tsv`, `CODE-CODE.tsv`).

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "wordsim"
        found = Findings(self.folder, "CODE.test.data.txt, CODE-CODE.test.data.txt, CODE.tsv or CODE-CODE.tsv")
        self.findings = [found]
        self.files: dict[tuple[str, str], Path] = {}
        for path in list_files(self.folder):
            match = _NAME.fullmatch(plain_name(path))
            if match is None:
                continue
            names = (match[1], match[2] or match[1])
            codes = [self._code(name, path, position) for position, name in enumerate(names)]
            if None in codes:
                found.leave([path], f"{' - '.join(names)} is no code of a language")
                continue
            first, second = str(codes[0]), str(codes[1])
            if (first, second) in self.files or (second, first) in self.files:
                taken = self.files.get((first, second)) or self.files[second, first]
                found.leave([path], f"{taken.name} is read")
                continue
            self.files[first, second] = path
            found.use([path, *([gold] if (gold := _gold(path)) is not None else [])])

    def languages(self) -> list[str]:
        return sorted({code for pair in self.files for code in pair})

    def pairs(self, first: str, second: str) -> list[ScoredPair]:
        """Read the pairs of two languages, or of one given twice.

        Args:
            first (`str`): Code of the language of the first words.
            second (`str`): Code of the language of the second.

        Raises:
            DataError: If a line has no two words, or no score.
            MissingDataError: If there is no file.
        """
        path = self.files.get((first, second))
        if path is None:
            raise MissingDataError(f"no word pairs of {first} and {second} under {self.folder}")
        gold = _gold(path)
        scores = None if gold is None else read_lines(gold)
        found = []
        for number, line in enumerate(read_lines(path), start=1):
            if not line.strip():
                continue
            fields = [field.strip() for field in line.split("\t")]
            if len(fields) < (3 if scores is None else 2) or not fields[0] or not fields[1]:
                lacking = f" (there is no {_gold_name(path)} either)" if scores is None else ""
                raise DataError(f"{path}:{number} is no pair of words with a score{lacking}: {line[:60]!r}")
            if scores is not None and number > len(scores):
                raise DataError(f"{gold} has {len(scores)} scores, but {path} has more pairs")
            place = f"{path}:{number}" if scores is None else f"{gold}:{number}"
            score = fields[2] if scores is None else scores[number - 1]
            found.append(ScoredPair(fields[0], fields[1], _number(score, place)))
        if not found:
            raise DataError(f"{path} holds no pair of words")
        return found

    def _code(self, name: str, path: Path, position: int) -> str | None:
        def sample(_: str) -> str:
            lines = (line.split("\t") for line in read_head(path).split("\n")[:200])
            return " ".join(fields[position] for fields in lines if len(fields) > 1)

        written = name if "_" in name else name.lower()
        return next(iter(resolve_codes([written], sample).codes), None)


def phrase_vector(phrase: str, vocabulary: Vocabulary, language: str, places: Mapping[str, int]) -> np.ndarray | None:
    """The vector of a word, or of several by the mean of those that are known.

    Args:
        phrase (`str`): The word or words.
        vocabulary (`Vocabulary`): What knows them.
        language (`str`): Code of the language.
        places (`Mapping[str, int]`): Word to its place in the vocabulary.

    Returns:
        `np.ndarray`: Shape: (dimension,); `None` if no word of it is known.
    """
    whole = vocabulary.normalise_word(phrase, language)
    rows = [places[word] for word in ([whole] if whole in places else whole.split()) if word in places]
    if not rows:
        return None
    mean: np.ndarray = vocabulary.matrix(language)[rows].mean(axis=0)
    return mean


@dataclass(frozen=True)
class WordSimilarityTask(UntunedTask):
    """Correlation of cosines with what people said, within a language and across two.

    The settings are `monolingual`, whose rows have no source language, and `cross-lingual`. `--oov 0` takes the
    similarity of a pair with an unknown word for 0, and the setting's name says so; by default it is left out.

    Args:
        name (`str`, *optional*, defaults to `"wordsim"`): Name of the task.
    """

    name: str = "wordsim"
    hub_type: str = "feature-extraction"
    hub_data: tuple[HubData, ...] = (HUB,)

    def corpus(self, data_dir: Path) -> WordPairCorpus:
        """Open the benchmark."""
        return WordPairCorpus(data_dir)

    def check(self, context: Context, languages: Sequence[str]) -> None:
        """Read every file once.

        Args:
            context (`Context`): The settings.
            languages (`Sequence[str]`): Codes of the languages to score.

        Raises:
            DataError: If a file does not hold what its format promises.
            ValueError: If `oov` is not known.
        """
        if context.settings.words.oov not in OOV:
            raise ValueError(f"oov is {context.settings.words.oov!r}; choose of {', '.join(OOV)}")
        corpus, common = context.open(self.name, self.corpus)
        for cell, codes in self._cells(context, languages):
            with recorded_reads() as files:
                corpus.pairs(*codes)
            context.depends(cell, common | files, encoding_of_words(context))

    def evaluate(self, context: Context, languages: Sequence[str]) -> Iterator[list[ResultRow]]:
        """Compare cosines with scores.

        Args:
            context (`Context`): The settings.
            languages (`Sequence[str]`): Codes of the languages to score.

        Yields:
            `list[ResultRow]`: `score`, `pearson` and `spearman` over the pairs that are scored, and `coverage`, the
            share of pairs both of whose sides are known.
        """
        corpus, _ = context.open(self.name, self.corpus)
        for cell, codes in self._cells(context, languages):
            if cell in context.finished:
                continue
            pairs = corpus.pairs(*codes)
            left = self._vectors(context, [pair.first for pair in pairs], codes[0])
            right = self._vectors(context, [pair.second for pair in pairs], codes[1])
            cosines = [_cosine(one, other) for one, other in zip(left, right)]
            known = [cosine is not None for cosine in cosines]
            zero = context.settings.words.oov == "0"
            scored = [row for row in range(len(pairs)) if zero or known[row]]
            try:
                metrics = correlations([pairs[row].score for row in scored], [cosines[row] or 0.0 for row in scored])
            except ValueError as error:
                context.skip(self.name, cell.language, f"{sum(known)} of {len(pairs)} pairs are known: {error}")
                continue
            yield [
                *context.rows(cell, metrics, n=len(scored), n_skipped=len(pairs) - len(scored)),
                *context.rows(cell, {"coverage": sum(known) / len(pairs)}, n=len(pairs)),
            ]

    def _vectors(self, context: Context, phrases: Sequence[str], language: str) -> list[np.ndarray | None]:
        own = context.model.vocabulary
        if own is None:
            return list(encode_in(context.encoder, list(phrases), language, progress=context.progress))
        wanted = {own.normalise_word(phrase, language) for phrase in phrases}
        wanted |= {word for phrase in wanted for word in phrase.split()}
        places = {word: row for row, word in enumerate(own.words(language)) if word in wanted}
        return [phrase_vector(phrase, own, language, places) for phrase in phrases]

    def _cells(self, context: Context, languages: Sequence[str]) -> list[tuple[Cell, tuple[str, str]]]:
        """What there is to compute, and the languages in the order of their file."""
        asked = {*languages, *context.source_languages}
        ending = f"{'-oov-0' if context.settings.words.oov == '0' else ''}{word_suffix(context)}"
        found = []
        corpus, _ = context.open(self.name, self.corpus)
        for first, second in corpus.files:
            if not {first, second} <= asked or not {first, second} & set(languages):
                continue
            # A cosine has no direction, so that a source language of the run stands where it always does.
            source, language = (second, first) if second in context.source_languages else (first, second)
            mono = first == second
            cell = training_free_cell(
                self.name,
                language,
                source="" if mono else source,
                setting=("monolingual" if mono else "cross-lingual") + ending,
                layer=context.layer,
            )
            found.append((cell, (first, second)))
        return found


def _cosine(one: np.ndarray | None, other: np.ndarray | None) -> float | None:
    if one is None or other is None:
        return None
    left, right = normalise(np.stack([one, other]))
    return float(left @ right)


def _gold_name(path: Path) -> str:
    return path.name.replace(".data.", ".gold.")


def _gold(path: Path) -> Path | None:
    """The file of the scores, where they stand apart: beside the pairs, or in a folder `keys` beside theirs."""
    if ".data." not in path.name:
        return None
    places = (path.parent / _gold_name(path), path.parent.parent / "keys" / _gold_name(path))
    return next((place for place in places if place.is_file()), None)


def _number(text: str, place: str) -> float:
    try:
        value = float(text.strip())
    except ValueError:
        value = float("nan")
    if value != value or abs(value) == float("inf"):
        raise DataError(f"{place} is no score: {text[:40]!r}")
    return value


TASK = WordSimilarityTask()
