"""Bilingual lexicon induction: the translation of a word is looked for among all words of the other language."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from ..context import Context
from ..encoder import default_device
from ..files.corpus import BenchmarkFiles, MissingDataError
from ..files.hub_data import HubData, NotOnHub
from ..files.names import resolve_codes
from ..files.opening import plain_name, read_head
from ..files.reads import recorded_reads
from ..files.report import Findings, list_files
from ..files.word_pairs import named_languages, pair_digest, read_pairs
from ..kinds.options import UntunedTask
from ..kinds.retrieval import SOURCE_TO_TARGET, TARGET_TO_SOURCE
from ..kinds.words_alone import encoding_of_words, vocabulary_matrix, word_suffix
from ..metrics.similarity import best_ranks, csls_penalty, normalise
from ..results import ResultRow
from ..task import Cell, training_free_cell
from ..vocabulary import Vocabulary


__all__ = ["SETTINGS", "TASK", "LexiconCorpus", "LexiconInductionTask", "Queries", "find_queries", "induction_scores"]

HUB = NotOnHub(
    "bli",
    "its dictionaries are served by their makers",
    "fetch MUSE's from https://github.com/facebookresearch/MUSE",
    "CODE-CODE.5000-6500.txt",
    "CC BY-NC 4.0 (MUSE)",
)
SETTINGS = ("nn", "csls", "nn-different", "csls-different")
TOP_K = (1, 5, 10)
DIFFERENT = "-different"
# Of MUSE's dictionaries the words ranked 5,000 to 6,500 are for testing, of XLING's those that are named so.
TEST, TRAIN = (".5000-6500.", ".test."), (".0-5000.", ".train.")

Pairs = list[tuple[str, str]]


class Queries(NamedTuple):
    """The words whose translations are looked for, one entry a distinct source word.

    Args:
        rows (`list[int]`): Positions of the covered ones in the source vocabulary.
        gold (`list[list[int]]`): Positions of the right answers that the target vocabulary has, one or more.
        n_skipped (`int`): Words that are not covered: not in the source vocabulary, or no translation in the target's.
    """

    rows: list[int]
    gold: list[list[int]]
    n_skipped: int


def find_queries(
    pairs: Sequence[tuple[str, str]], vocabulary: Vocabulary, source: str, target: str, *, different: bool = False
) -> Queries:
    """Find a dictionary's words in the vocabularies of both languages.

    Args:
        pairs (`Sequence[tuple[str, str]]`): Source words and translations, as the dictionary writes them.
        vocabulary (`Vocabulary`): The words of both languages, by whose own normaliser both sides are written.
        source (`str`): Code of the language that asks.
        target (`str`): Code of the other.
        different (`bool`, *optional*, defaults to `False`): Whether words that have a translation spelled as they are,
            as many names are, are left out (Kementchedjhieva et al. 2019).

    Returns:
        `Queries`: In the order of the dictionary.
    """
    translations: dict[str, dict[str, None]] = {}
    for word, translation in pairs:
        known = translations.setdefault(vocabulary.normalise_word(word, source), {})
        known.setdefault(vocabulary.normalise_word(translation, target))
    if different:
        translations = {word: found for word, found in translations.items() if word not in found}
    asking = _places(vocabulary.words(source), translations)
    answers = _places(vocabulary.words(target), {word for found in translations.values() for word in found})
    rows, gold = [], []
    for word, found in translations.items():
        right = sorted(answers[translation] for translation in found if translation in answers)
        if word in asking and right:
            rows.append(asking[word])
            gold.append(right)
    return Queries(rows, gold, len(translations) - len(rows))


def induction_scores(
    source: Tensor, target: Tensor, queries: Queries, penalty: Tensor | None = None
) -> tuple[dict[str, float], float]:
    """Score one direction.

    Args:
        source (`Tensor`): Unit vectors of the source vocabulary. Shape: (n, dimension).
        target (`Tensor`): Unit vectors of the target vocabulary, all of which are candidates. Shape: (m, dimension).
        queries (`Queries`): The words, one of them covered at least.
        penalty (`Tensor`, *optional*): CSLS's, of each target word against all source words. Shape: (m,).

    Returns:
        `tuple[dict[str, float], float]`: `precision@k` and `mrr` over the covered words, in which a word is right if
        any of its translations is among the `k` nearest; and `accuracy@1`, in which words that are not covered are
        misses.
    """
    ranks = best_ranks(source[torch.tensor(queries.rows, device=source.device)], target, queries.gold, penalty)
    scores = {f"precision@{k}": float((ranks < k).double().mean()) for k in TOP_K}
    scores["mrr"] = float((1 / (ranks + 1).double()).mean())
    return scores, float((ranks < 1).sum()) / (len(ranks) + queries.n_skipped)


class LexiconCorpus(BenchmarkFiles):
    """Dictionaries under `bli/`, in folders or not, each named by its two languages.

    These are MUSE's (`en-de.5000-6500.txt`), XLING's (`yacle.test.freq.2k.en-de.tsv`) and what `hf-mplm static
    lexicon` writes (`deu_Latn-eng_Latn.tsv`). Of several for one direction the first test set is read; training sets
    are not.

    Args:
        data_dir (`Path`): The folder with one folder a benchmark.
    """

    def __init__(self, data_dir: Path) -> None:
        self.folder = data_dir / "bli"
        found = Findings(self.folder, "CODE-CODE.5000-6500.txt, yacle.test.*.CODE-CODE.tsv or CODE-CODE.tsv")
        self.findings = [found]
        choices: dict[tuple[str, str], list[tuple[bool, str, Path]]] = defaultdict(list)
        for path in list_files(self.folder):
            names = named_languages(path)
            if names is None:
                continue
            name = f".{plain_name(path)}"
            if any(part in name for part in TRAIN):
                found.leave([path], "it is for training, not for testing")
                continue
            codes = [self._code(path, position) for position in (0, 1)]
            if None in codes or codes[0] == codes[1]:
                found.leave([path], f"{names[0]}-{names[1]} are no codes of two languages")
                continue
            whole = not any(part in name for part in TEST)
            choices[str(codes[0]), str(codes[1])].append((whole, path.as_posix(), path))
        self.files: dict[tuple[str, str], Path] = {}
        for codes_of_pair, entries in choices.items():
            (_, _, chosen), *others = sorted(entries)
            self.files[codes_of_pair] = chosen
            found.use([chosen])
            found.leave([path for _, _, path in others], f"{chosen.name} is read")

    def languages(self) -> list[str]:
        return sorted({code for codes in self.files for code in codes})

    def pairs(self, source: str, target: str) -> Pairs:
        """Read the dictionary of one direction; where it has no file, that of the other direction is inverted.

        Args:
            source (`str`): Code of the language that asks.
            target (`str`): Code of the other.

        Returns:
            `list[tuple[str, str]]`: Source words and translations.

        Raises:
            MissingDataError: If there is none in either direction.
            DataError: If a line is no pair of words.
        """
        if (source, target) in self.files:
            return read_pairs(self.files[source, target])
        if (target, source) in self.files:
            return [(other, word) for word, other in read_pairs(self.files[target, source])]
        raise MissingDataError(f"no dictionary of {source} and {target} under {self.folder}")

    def _code(self, path: Path, position: int) -> str | None:
        names = named_languages(path)
        assert names is not None

        def sample(_: str) -> str:
            lines = (line.split("\t" if "\t" in line else None) for line in read_head(path).split("\n")[:200])
            return " ".join(fields[position] for fields in lines if len(fields) > 1)

        return next(iter(resolve_codes([names[position]], sample).codes), None)


@dataclass(frozen=True)
class LexiconInductionTask(UntunedTask):
    """Lexicon induction in both directions between each language and the source languages.

    Static embeddings are judged by their own words. An encoder is judged by what it makes of each word alone, of a
    vocabulary that is given.

    Args:
        name (`str`, *optional*, defaults to `"bli"`): Name of the task.
    """

    name: str = "bli"
    hub_type: str = "feature-extraction"
    hub_data: tuple[HubData, ...] = (HUB,)

    def corpus(self, data_dir: Path) -> LexiconCorpus:
        """Open the benchmark."""
        return LexiconCorpus(data_dir)

    def check(self, context: Context, languages: Sequence[str]) -> None:
        """Read every dictionary, and refuse one that the languages were mapped with.

        Args:
            context (`Context`): The settings; pairs without data are noted in its `skips`.
            languages (`Sequence[str]`): Codes of the languages to score.

        Raises:
            DataError: If a line of a dictionary is no pair of words.
            ValueError: If a setting is not known, there are no words to choose from, or test pairs were mapped with.
        """
        for setting in context.settings.words.bli_settings:
            if setting not in SETTINGS:
                raise ValueError(f"bli setting {setting!r} is not known; choose of {', '.join(SETTINGS)}")
        self._vocabulary(context)
        settings = {"csls_neighbours": context.settings.retrieval.csls_neighbours, **encoding_of_words(context)}
        for source in context.source_languages:
            for language in self._measurable(context, source, languages):
                corpus, common = context.open(self.name, self.corpus)
                with recorded_reads() as files:
                    for one, other in ((source, language), (language, source)):
                        self._refuse_overlap(context, corpus.pairs(one, other), one, other)
                for cell in self._cells(context, source, language):
                    context.depends(cell, common | files, settings)

    def evaluate(self, context: Context, languages: Sequence[str]) -> Iterator[list[ResultRow]]:
        """Look up the translations of both directions, one language after the other.

        Args:
            context (`Context`): The settings.
            languages (`Sequence[str]`): Codes of the languages to score.

        Yields:
            `list[ResultRow]`: `precision@1`, `precision@5`, `precision@10`, `mrr` and `accuracy@1` of one language,
            one direction and one setting.
        """
        corpus, _ = context.open(self.name, self.corpus)
        for source in context.source_languages:
            vectors: Tensor | None = None
            for language in self._measurable(context, source, languages):
                cells = [cell for cell in self._cells(context, source, language) if cell not in context.finished]
                if not cells:
                    continue
                if vectors is None:
                    vectors = self._unit(context, source)
                other = self._unit(context, language)
                for direction in (SOURCE_TO_TARGET, TARGET_TO_SOURCE):
                    codes, sides = (source, language), (vectors, other)
                    if direction == TARGET_TO_SOURCE:
                        codes, sides = (language, source), (other, vectors)
                    asked = [cell for cell in cells if cell.direction == direction]
                    yield from self._scored(context, asked, corpus.pairs(*codes), codes, sides)

    def _scored(
        self,
        context: Context,
        cells: Sequence[Cell],
        pairs: Pairs,
        codes: tuple[str, str],
        sides: tuple[Tensor, Tensor],
    ) -> Iterator[list[ResultRow]]:
        vocabulary, penalty = self._vocabulary(context), None
        for cell in cells:
            queries = find_queries(pairs, vocabulary, *codes, different=DIFFERENT in cell.setting)
            if not queries.rows:
                context.skip(self.name, cell.language, _nothing_shared(pairs, vocabulary, codes, cell))
                continue
            if cell.setting.startswith("csls") and penalty is None:
                # Of a target word, against all source words and not only those that ask (Conneau et al. 2018).
                penalty = csls_penalty(sides[1], sides[0], context.settings.retrieval.csls_neighbours)
            scores, accuracy = induction_scores(*sides, queries, penalty if "csls" in cell.setting else None)
            n = len(queries.rows)
            yield [
                *context.rows(cell, scores, n=n, n_skipped=queries.n_skipped),
                *context.rows(cell, {"accuracy@1": accuracy}, n=n + queries.n_skipped),
            ]

    def _vocabulary(self, context: Context) -> Vocabulary:
        if context.vocabulary is None:
            raise ValueError(
                f"{self.name} looks for translations among words, and {context.model.name} has none of its own; give "
                "the words that it is to read: --vocabulary STATIC_DIR (vocabulary=StaticEmbeddings...)"
            )
        return context.vocabulary

    def _measurable(self, context: Context, source: str, languages: Sequence[str]) -> list[str]:
        known = set(self._vocabulary(context).languages)
        corpus, _ = context.open(self.name, self.corpus)
        found = []
        for language in languages:
            if language == source:
                continue
            missing = [code for code in (source, language) if code not in known]
            if (source, language) not in corpus.files and (language, source) not in corpus.files:
                context.skip(self.name, language, f"there is no dictionary of it and {source} under {corpus.folder}")
            elif missing:
                context.skip(self.name, language, f"the vocabulary has no words of {' and '.join(missing)}")
            else:
                found.append(language)
        return found

    def _refuse_overlap(self, context: Context, pairs: Pairs, source: str, target: str) -> None:
        vocabulary = self._vocabulary(context)
        if context.model.vocabulary is not vocabulary:
            return  # an encoder reads these words alone, and no map has moved what it makes of them
        seeds, reverse = vocabulary.seed_pairs(source, target), vocabulary.seed_pairs(target, source)
        shared = [
            (word, other)
            for word, other in pairs
            if pair_digest(word, other, source, target) in seeds or pair_digest(other, word, target, source) in reverse
        ]
        if shared and not context.settings.words.allow_overlap:
            raise ValueError(
                f"{len(shared):,} of the {len(pairs):,} test pairs of {source} and {target} stand in the dictionary "
                f"that they were mapped with ({' - '.join(shared[0])}), which would flatter the scores; map them "
                "with another dictionary, leave the language out, or say --allow_overlap"
            )

    def _unit(self, context: Context, language: str) -> Tensor:
        return normalise(torch.from_numpy(vocabulary_matrix(context, language)).to(default_device()))

    def _cells(self, context: Context, source: str, language: str) -> list[Cell]:
        return [
            training_free_cell(
                self.name,
                language,
                source=source,
                direction=direction,
                setting=f"{setting}{word_suffix(context)}",
                layer=context.layer,
            )
            for setting in context.settings.words.bli_settings
            for direction in (SOURCE_TO_TARGET, TARGET_TO_SOURCE)
        ]


def _places(words: Sequence[str], wanted: Any) -> dict[str, int]:
    return {word: row for row, word in enumerate(words) if word in wanted}


def _nothing_shared(pairs: Pairs, vocabulary: Vocabulary, codes: tuple[str, str], cell: Cell) -> str:
    if cell.direction == TARGET_TO_SOURCE:  # what holds of both directions is said once
        pairs, codes = [(other, word) for word, other in pairs], (codes[1], codes[0])
    which = " that is not spelled alike" if DIFFERENT in cell.setting else ""
    shown = [", ".join(map(repr, list(words)[:3])) for words in zip(*pairs)]
    known = [", ".join(map(repr, list(vocabulary.words(code))[:3])) for code in codes]
    return (
        f"no pair of {codes[0]} and {codes[1]}{which} has both its words among the vectors: the dictionary has "
        f"{shown[0]} and {shown[1]}, the vectors {known[0]} and {known[1]}. Is it the case, the script, or the "
        "direction?"
    )


TASK = LexiconInductionTask()
