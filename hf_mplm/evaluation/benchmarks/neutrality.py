"""How much of its language and script a sentence vector gives away: similarity of translations, isotropy, probes."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar

import numpy as np

from ..context import Context
from ..encoder import encode_in
from ..files.corpus import MissingDataError
from ..files.hub_data import HubData
from ..files.reads import recorded_reads
from ..kinds.options import with_options
from ..kinds.probe import LinearProbe
from ..metrics.classification import accuracy
from ..results import ResultRow
from ..task import Cell, training_free_cell
from .flores import HUB, FloresCorpus


__all__ = ["TASK", "NeutralityTask", "ParallelSentences", "centred_cosine", "isotropy"]

# Sentences of each language that a probe is fitted on and that choose its penalty: enough for a stable result, and
# few enough for hundreds of languages.
PROBE_TRAIN, PROBE_DEV = 100, 40
# Fewest sentences of a language of which a third can be left to score a probe on.
FEWEST_SENTENCES = 6
CENTRED = "centred"


class ParallelSentences(FloresCorpus):
    """FLORES-200's sentences, or those of SIB-200, by their ids."""

    def sentences(self, language: str) -> dict[str, str]:
        """Read the sentences of a language.

        Args:
            language (`str`): Code of the language-script.

        Returns:
            `dict[str, str]`: Id to sentence, in an order that is drawn once for all languages and models.

        Raises:
            MissingDataError: If there is no file.
        """
        found = self._sentences(language)
        return {key: found[key] for key in sorted(found, key=lambda key: hashlib.md5(key.encode()).digest())}


@dataclass
class NeutralityTask:
    """Neutrality of sentence vectors, mean-pooled at a middle layer.

    Each language has the metrics `cosine` (mean over the other languages, see below), `isotropy`,
    `language_probe_accuracy` and `script_probe_accuracy` (share of its unseen sentences whose language, or script, a
    linear probe names), under a setting that names the set of languages, on which all but the second depend. Under the
    setting `"centred"` there is the `cosine` of each language with each source language of the run: with all languages
    as source languages this is the matrix of LangSAMP's figure 5.

    Args:
        name (`str`, *optional*, defaults to `"neutrality"`): Name of the task.
        max_sentences (`int`, *optional*): Most sentences of a language.
        hub_type (`str`, *optional*, defaults to `"sentence-similarity"`): What the Hub calls what it asks for.
        hub_data (`tuple[HubData, ...]`, *optional*): Where its sentences are on the Hub.
    """

    name: str = "neutrality"
    max_sentences: int | None = None
    hub_type: str = "sentence-similarity"
    hub_data: tuple[HubData, ...] = (HUB,)
    options: ClassVar[tuple[str, ...]] = ("max_sentences",)

    def configured(self, options: Mapping[str, Any], common: Mapping[str, Any]) -> NeutralityTask:
        """Replace what a run asks for, which is how many sentences to take; see [`RetrievalTask.configured`]."""
        return with_options(self, options)

    def languages(self, data_dir: Path) -> list[str]:
        """List the language-scripts that have sentences.

        Args:
            data_dir (`Path`): The folder with one folder a benchmark.

        Returns:
            `list[str]`: Codes, sorted.
        """
        return ParallelSentences(data_dir).languages()

    def check(self, context: Context, languages: Sequence[str]) -> None:
        """Read every file once.

        Args:
            context (`Context`): The settings.
            languages (`Sequence[str]`): Codes of the languages to score.

        Raises:
            ValueError: If there are fewer than two languages to compare.
        """
        files: dict[str, set[Path]] = {}
        found = self._readable(context, languages, files)
        if len(found) < 2:
            raise ValueError(
                f"{self.name} compares languages with one another and was given {', '.join(found) or 'none'}; "
                "give two or more: --languages all"
            )
        singles, pairs = self._cells(context, sorted(found))
        settings = {"max_sentences": self.max_sentences, "encoding": dict(context.model.encoding)}
        for cell in singles:
            context.depends(cell, set().union(*files.values()), settings)
        for cell in pairs:
            context.depends(cell, files[cell.language] | files[cell.source_language], settings)

    def evaluate(self, context: Context, languages: Sequence[str]) -> Iterator[list[ResultRow]]:
        """Encode every language once, and compare them.

        The vectors are kept on disk, two languages of them in memory.

        Args:
            context (`Context`): The settings.
            languages (`Sequence[str]`): Codes of the languages to score.

        Yields:
            `list[ResultRow]`: The metrics of one language, or the cosine of one pair.
        """
        codes = sorted(self._readable(context, languages))
        singles, pairs = self._cells(context, codes)
        if all(cell in context.finished for cell in [*singles, *pairs]):
            return
        corpus = ParallelSentences(context.data_dir)
        with TemporaryDirectory(prefix="hf-mplm-") as folder:
            keys = {code: self._encode(context, corpus, code, Path(folder)) for code in codes}
            cosines = _pairwise(keys, Path(folder))
            probes = {} if all(cell in context.finished for cell in singles) else _probe(keys, Path(folder))
            for cell in singles:
                if cell in context.finished:
                    continue
                others = [cosines[frozenset((cell.language, code))][0] for code in codes if code != cell.language]
                vectors = _load(Path(folder), cell.language)
                metrics = {"cosine": float(np.mean(others)), "isotropy": isotropy(vectors), **probes[cell.language]}
                yield context.rows(cell, metrics, n=len(vectors))
            for cell in pairs:
                if cell not in context.finished:
                    value, n = cosines[frozenset((cell.language, cell.source_language))]
                    yield context.rows(cell, {"cosine": value}, n=n)

    def _cells(self, context: Context, codes: Sequence[str]) -> tuple[list[Cell], list[Cell]]:
        """List what there is to compute: of each language among the others, and of each with a source language."""
        setting = _setting(codes)
        pairs = [
            self._cell(context, code, CENTRED, source=source)
            for source in context.source_languages
            for code in codes
            if source in codes and code != source
        ]
        return [self._cell(context, code, setting) for code in codes], pairs

    def _cell(self, context: Context, code: str, setting: str, source: str = "") -> Cell:
        return training_free_cell(self.name, code, source=source, setting=setting, layer=context.layer)

    def _readable(
        self, context: Context, languages: Sequence[str], files: dict[str, set[Path]] | None = None
    ) -> list[str]:
        corpus, found = ParallelSentences(context.data_dir), []
        for code in languages:
            try:
                with recorded_reads() as reads:
                    count = len(self._chosen(corpus, code))
                if files is not None:
                    files[code] = reads
            except MissingDataError as error:
                context.skip(self.name, code, error)
                continue
            if count < FEWEST_SENTENCES:
                context.skip(self.name, code, f"it has {count} sentences; {FEWEST_SENTENCES} or more are needed")
                continue
            found.append(code)
        return found

    def _chosen(self, corpus: ParallelSentences, code: str) -> dict[str, str]:
        return dict(list(corpus.sentences(code).items())[: self.max_sentences])

    def _encode(self, context: Context, corpus: ParallelSentences, code: str, folder: Path) -> list[str]:
        sentences = self._chosen(corpus, code)
        vectors = encode_in(context.encoder, list(sentences.values()), code, progress=context.progress)
        np.save(folder / f"{code}.npy", np.asarray(vectors, dtype=np.float32))
        return list(sentences)


def centred_cosine(one: np.ndarray, other: np.ndarray) -> float:
    """Mean cosine of translations, after the mean of each language is taken away (LangSAMP, section 5.3).

    Args:
        one (`np.ndarray`): Vectors of the sentences of one language. Shape: (n, dimension).
        other (`np.ndarray`): Vectors of their translations. Shape: (n, dimension).

    Returns:
        `float`: Between -1 and 1.
    """
    sides = []
    for vectors in (one, other):
        centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
        norms = np.linalg.norm(centred, axis=1, keepdims=True)
        # A vector that is the mean itself has no direction, and is like nothing.
        sides.append(centred / np.where(norms == 0, 1, norms))
    return float((sides[0] * sides[1]).sum(axis=1).mean())


def isotropy(vectors: np.ndarray) -> float:
    """How evenly vectors fill the space around their mean: IsoScore (Rudman et al. 2022).

    It is (P - 1) / (d - 1), where d is the dimension and P the participation ratio of the variances along the
    principal components, their squared sum by the sum of their squares. This is the paper's definition without the
    decomposition. With n vectors it cannot exceed (n - 2) / (d - 1): compare equal numbers of sentences.

    Args:
        vectors (`np.ndarray`): Shape: (n, dimension).

    Returns:
        `float`: 0 if all variance is along one line, 1 if it is the same in all directions.
    """
    centred = vectors.astype(np.float64) - vectors.mean(axis=0, dtype=np.float64)
    dimension = centred.shape[1]
    # The eigenvalues of the smaller of two products are the variances, the others are 0.
    gram = centred @ centred.T if len(centred) < dimension else centred.T @ centred
    squares = float((gram**2).sum())
    if dimension < 2 or squares == 0:
        return 0.0
    return float((np.trace(gram) ** 2 / squares - 1) / (dimension - 1))


def _setting(codes: Sequence[str]) -> str:
    return f"{len(codes)} languages ({zlib.crc32(','.join(codes).encode()):08x})"


def _load(folder: Path, code: str) -> np.ndarray:
    vectors: np.ndarray = np.load(folder / f"{code}.npy", allow_pickle=False)
    return vectors


def _pairwise(keys: Mapping[str, Sequence[str]], folder: Path) -> dict[frozenset[str], tuple[float, int]]:
    """The cosine of each pair and the number of sentences that both have."""
    found = {}
    codes = list(keys)
    for position, one in enumerate(codes):
        vectors = _load(folder, one)
        rows = {key: row for row, key in enumerate(keys[one])}
        for other in codes[position + 1 :]:
            shared = [(rows[key], row) for row, key in enumerate(keys[other]) if key in rows]
            if not shared:
                raise MissingDataError(f"{one} and {other} share no sentence; leave one of them out of --languages")
            left, right = zip(*shared)
            value = centred_cosine(vectors[list(left)], _load(folder, other)[list(right)])
            found[frozenset((one, other))] = (value, len(shared))
    return found


def _probe(keys: Mapping[str, Sequence[str]], folder: Path) -> dict[str, dict[str, float]]:
    """Fit one probe for languages and one for scripts, if there are two, on other sentences than those scored."""
    codes = list(keys)
    parts: dict[str, tuple[np.ndarray, np.ndarray]] = {}
    # Which sentences are trained on is decided by their ids: a translation of one must not be scored.
    order = sorted({key for ids in keys.values() for key in ids}, key=lambda key: hashlib.md5(key.encode()).digest())
    train = set(order[: min(PROBE_TRAIN, len(order) // 2)])
    dev = set(order[len(train) : len(train) + max(1, min(PROBE_DEV, len(order) // 5))])
    for code in codes:
        vectors = _load(folder, code)
        kinds = np.array([0 if key in train else 1 if key in dev else 2 for key in keys[code]])
        parts[code] = (vectors[kinds < 2], kinds[kinds < 2])
    scores: dict[str, dict[str, float]] = {code: {} for code in codes}
    for name, groups in (("language", codes), ("script", [code.rsplit("_", 1)[-1] for code in codes])):
        names = sorted(set(groups))
        if len(names) < 2:
            continue
        label = {code: names.index(group) for code, group in zip(codes, groups)}
        stacked = [
            (
                np.concatenate([vectors[kinds == kind] for vectors, kinds in parts.values()]),
                [label[code] for code, (_, kinds) in parts.items() for _ in range(int((kinds == kind).sum()))],
            )
            for kind in (0, 1)
        ]
        probe = LinearProbe.fit(*stacked[0], *stacked[1], num_labels=len(names), metric=accuracy)
        for code in codes:
            test = [row for row, key in enumerate(keys[code]) if key not in train and key not in dev]
            if test:
                right = probe.predict(_load(folder, code)[test]) == label[code]
                scores[code][f"{name}_probe_accuracy"] = float(right.mean())
    return scores


TASK = NeutralityTask()
