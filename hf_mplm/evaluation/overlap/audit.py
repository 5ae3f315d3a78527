"""`hf-mplm audit`: the share of each test set that occurs in training text, by task and language."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from hf_mplm._lists import as_codes, as_list
from hf_mplm.data.corpus.corpora import CorpusReport, iter_corpus
from hf_mplm.jobs.files import atomic_write, explain_full_disk, write_json
from hf_mplm.jobs.lock import hold_folder
from hf_mplm.jobs.progress import progress_bar
from hf_mplm.languages import parse_code

from ..files.corpus import MissingDataError
from ..task import Skip
from ..tasks import TASKS, find_tasks
from .index import GRAMS, SentenceIndex
from .test_sentences import read_test_sentences
from .training_text import StoreText


__all__ = ["Overlap", "OverlapReport", "audit"]

logger = logging.getLogger(__name__)

HALF = 0.5
_EXAMPLES = 5
_LINES = 1024


class Overlap(NamedTuple):
    """How much of one test set occurs in the training text.

    Args:
        task (`str`): Name of the task.
        language (`str`): Code of the language-script.
        n (`int`): Different sentences of the test set.
        n_skipped (`int`): Those among them of which nothing is left to look for, as of punctuation alone.
        exact (`float`): Share of the others that occur whole.
        half (`float`): Share of which at least half of the runs of letters occur, or that occur whole.
        any (`float`): Share of which a run occurs, or that occur whole.
        n_short (`int`): Sentences shorter than a run, which are looked for as whole lines alone.
    """

    task: str
    language: str
    n: int
    n_skipped: int
    exact: float
    half: float
    any: float
    n_short: int


@dataclass
class OverlapReport:
    """What an audit found.

    Args:
        rows (`list[Overlap]`): A row a task and language.
        skipped (`list[Skip]`): What was left out, and why.
        examples (`dict[str, dict[str, list[str]]]`): By task and language the first sentences that occur whole.
        sentences_read (`int`): Of training text.
        letters_read (`int`): Of training text.
        source (`str`): What was read.
    """

    rows: list[Overlap] = field(default_factory=list)
    skipped: list[Skip] = field(default_factory=list)
    examples: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    sentences_read: int = 0
    letters_read: int = 0
    source: str = ""

    def to_dict(self) -> dict[str, Any]:
        """As JSON holds it."""
        return {
            "source": self.source,
            "sentences_read": self.sentences_read,
            "letters_read": self.letters_read,
            "runs": [{"length": gram.length, "stride": gram.stride} for gram in GRAMS],
            "rows": [row._asdict() for row in self.rows],
            "examples": self.examples,
            "skipped": [skip._asdict() for skip in self.skipped],
        }


def audit(
    data_dir: str | Path,
    *,
    store: str | Path | None = None,
    corpus: str | Path | Sequence[str | Path] | None = None,
    tasks: Any = None,
    languages: str | Sequence[str] | None = None,
    output: str | Path | None = None,
    **reading: Any,
) -> OverlapReport:
    """Look for the sentences of test sets in training text of any language.

    Letters and digits alone are compared, folded as [`letters_of`] says. A sentence occurs *whole* if its letters
    stand in the text, across lines too; one of fewer than 32 letters (12 in scripts of which a character is a syllable
    or a word) if it is a line of the text. Beside that, runs of so many letters are looked for, every eighth (third)
    of a sentence. The text is read once, and memory depends on the test sets alone.

    Args:
        data_dir (`str` or `Path`): The folder with one folder a benchmark.
        store (`str` or `Path`, *optional*): A token store or a pair store; what it holds out is not looked at.
        corpus (`str`, `Path` or several of them, *optional*): Text, as [`hf_mplm.iter_corpus`] reads it.
        tasks (`str`, `Task` or `Iterable`, *optional*): Tasks; all that have sentences under `data_dir` by default.
        languages (`str` or `Sequence[str]`, *optional*): Languages of the test sets; all by default.
        output (`str` or `Path`, *optional*): Folder for `overlap.parquet` and `overlap.json`.
        **reading: Of [`hf_mplm.iter_corpus`], such as `text_column`.

    Returns:
        `OverlapReport`: What was found.

    Raises:
        ValueError: If not one of `store` and `corpus` is given, a task is not known or a file is faulty.
        FileNotFoundError: If there are no test sets, or no training text.
    """
    if (store is None) == (corpus is None):
        raise ValueError("give the training text as a store or as a corpus: --store STORE or --corpus DIR")
    data_dir = Path(data_dir)
    if not data_dir.is_dir():
        raise FileNotFoundError(
            f"there is no data folder {data_dir}; it holds one folder a benchmark, such as sib200/"
        )
    named_source = [store] if store is not None else as_list(corpus, keep_spaces=True)
    report = OverlapReport(source=", ".join(map(str, named_source)))
    named = tasks is not None
    keys, texts = _read_tests(data_dir, tasks, languages, report, named)
    text = None if store is None else StoreText(store)
    sought = texts if text is None else text.as_stored(texts)
    index = SentenceIndex(sought)
    stream = text.lines() if text is not None else _corpus_lines(corpus, reading)
    language = None
    with progress_bar(desc="reading", unit=" sentences") as bar:
        for code, lines in stream:
            if code != language and language is not None:
                index.break_off()
            language = code
            index.read(lines)
            report.sentences_read += len(lines)
            bar.update(len(lines))
    index.finish()
    report.letters_read = index.letters_read
    if not report.sentences_read:
        raise ValueError(f"{report.source} holds no text")
    _count(report, keys, texts, index)
    if output is not None:
        _write(report, Path(output))
    return report


def _read_tests(
    data_dir: Path, tasks: Any, languages: str | Sequence[str] | None, report: OverlapReport, named: bool
) -> tuple[list[tuple[str, str]], list[str]]:
    codes = as_codes(languages)
    wanted = None if codes is None else {parse_code(code).code for code in codes}
    keys: list[tuple[str, str]] = []
    texts: list[str] = []
    for task in find_tasks(list(TASKS) if tasks is None else tasks):
        before = len(report.skipped)
        found = read_test_sentences(task, data_dir, report.skipped)
        if named and not found:
            reason = report.skipped[before].reason if len(report.skipped) > before else "it has no test sentences"
            raise MissingDataError(f"nothing of the task {task.name} can be looked for: {reason}")
        for language, sentences in found.items():
            if wanted is None or language in wanted:
                keys += [(task.name, language)] * len(sentences)
                texts += sentences
    if not texts:
        raise MissingDataError(f"{data_dir} has no test sentences to look for")
    return keys, texts


def _corpus_lines(corpus: Any, reading: dict[str, Any]) -> Iterator[tuple[str, list[str]]]:
    read = CorpusReport()
    language = ""
    lines: list[str] = []
    for row in iter_corpus(corpus, report=read, **reading):
        if row["language"] != language or len(lines) >= _LINES:
            if lines:
                yield language, lines
            language, lines = row["language"], []
        lines.append(row["text"])
    if lines:
        yield language, lines


def _count(report: OverlapReport, keys: Sequence[tuple[str, str]], texts: Sequence[str], index: SentenceIndex) -> None:
    members: dict[tuple[str, str], list[int]] = {}
    for place, key in enumerate(keys):
        members.setdefault(key, []).append(place)
    length, whole, covered = index.length, index.whole, index.covered()
    is_short = index.is_short
    for (task, language), places in sorted(members.items()):
        chosen = np.array(places)
        kept = chosen[length[chosen] > 0]
        n_short = int(is_short[kept].sum())
        row = Overlap(
            task,
            language,
            n=len(chosen),
            n_skipped=len(chosen) - len(kept),
            exact=_share(whole[kept]),
            half=_share(whole[kept] | (covered[kept] >= HALF)),
            any=_share(whole[kept] | (covered[kept] > 0)),
            n_short=n_short,
        )
        report.rows.append(row)
        if row.exact:
            first = [texts[place] for place in kept if whole[place]][:_EXAMPLES]
            report.examples.setdefault(task, {})[language] = first


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def _write(report: OverlapReport, output: Path) -> None:
    columns = {name: [getattr(row, name) for row in report.rows] for name in Overlap._fields}
    with explain_full_disk(output.parent, "Free some space and repeat the same command."):
        with hold_folder(output, "hf-mplm audit"):
            with atomic_write(output / "overlap.parquet") as handle:
                pq.write_table(pa.table(columns), handle)
            write_json(output / "overlap.json", report.to_dict())
