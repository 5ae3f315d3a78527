"""Text in many languages, as rows of a sentence and its language."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypedDict

from hf_mplm._lists import as_codes, as_list

from .options import ReadOptions
from .readers import read_segment
from .report import CLEANED, DROPPED, NOT_ASKED_FOR, CorpusReport
from .resolver import CodeResolver
from .segments import SourceFile, split_into_segments
from .sources import discover


__all__ = [
    "CLEANED",
    "DROPPED",
    "CorpusReport",
    "CorpusRow",
    "find_files",
    "iter_corpus",
    "list_languages",
    "missing_languages",
]

logger = logging.getLogger(__name__)


class CorpusRow(TypedDict):
    """One sentence and its code, such as `swh_Latn`."""

    text: str
    language: str


def find_files(
    source: str | Path | Sequence[str | Path], options: ReadOptions, report: CorpusReport | None = None
) -> list[SourceFile]:
    """The files of one corpus or of several, in the order in which they are read.

    What is found and not read is told in the log, before anything long begins.

    Args:
        source (`str`, `Path` or several of them): as for [`iter_corpus`].
        options (`ReadOptions`): how it is read.
        report (`CorpusReport`, *optional*): receives the files that are passed over, and why.

    Raises:
        FileNotFoundError: if a source is neither on this machine nor on the Hub.
        ValueError: if there is nothing to read, or a file's name carries no language.
        OSError: if a file cannot be read or is damaged.
    """
    report = CorpusReport() if report is None else report
    sources = as_list(source, keep_spaces=True)
    if not sources:
        raise ValueError("no corpus was given; needed is a folder, a file or the id of a Hub dataset")
    files = [file for one in sources for file in discover(one, options, report)]
    shown = ", ".join(str(one) for one in sources)
    # Files without a code of their own may hold any language; whether they do shows when they are read.
    if all(file.language for file in files):
        missing = CodeResolver(options).missing([file.language for file in files if file.language])
        if missing:
            there = sorted({file.language for file in files if file.language})
            advice = f"; for what is there: --languages {' '.join(there)}" if there else ""
            raise ValueError(
                f"{shown}: no text in {', '.join(missing)}, which --languages asks for, on the command line or in the "
                f"recipe{advice}{report.explain_passed_over(but=NOT_ASKED_FOR)}"
            )
    if not files:
        raise ValueError(f"{shown}: this corpus is empty{report.explain_passed_over()}")
    if passed_over := report.explain_passed_over():
        logger.warning("%s", passed_over.lstrip("\n"))
    merged: dict[str, list[str]] = {}
    for file in files:
        if file.language and file.kind in ("text", "verses"):
            merged.setdefault(file.language, []).append(file.name)
    several = {language: names for language, names in merged.items() if len(names) > 1}
    if several:
        language, names = next(iter(several.items()))
        logger.info(
            "%d language-scripts have several files, read one after the other: %s in %s%s",
            len(several),
            language,
            ", ".join(names),
            ", ..." if len(several) > 1 else "",
        )
    return files


def iter_corpus(
    source: str | Path | Sequence[str | Path],
    *,
    languages: str | Sequence[str] | None = None,
    text_column: str = "text",
    language_column: str = "language",
    fold_han: bool = False,
    split: str = "train",
    revision: str | None = None,
    report: CorpusReport | None = None,
) -> Iterator[CorpusRow]:
    """Read a corpus sentence by sentence, in a fixed order.

    Lines are split on `\\n` alone. One trailing carriage return, a byte order mark and NUL characters are removed and
    counted; blank lines and lines that are not UTF-8 are left out and counted; everything else is as in the file.
    The text of a row of JSON, Parquet or a Hub dataset is split into lines in the same way.

    Args:
        source (`str`, `Path` or several of them): a folder, a file, or the id of a dataset on the Hub, which is
            streamed. Folders hold `CODE.txt` (one sentence a line), `CODE.tsv` (id, tab, sentence), `*.jsonl`,
            `*.json`, `*.csv` or `*.tsv` with a line of column names, all of them also as `.gz`, `.bz2`, `.xz` or
            `.zst`, or `*.parquet`. Anything else is passed over, and told.
        languages (`str` or `Sequence[str]`, *optional*): codes to read; all by default.
        text_column (`str`, *optional*, defaults to `"text"`): column of JSON, CSV, Parquet and Hub datasets.
        language_column (`str`, *optional*, defaults to `"language"`): the same for the language's code. Without such a
            column the file's or configuration's name tells the language.
        fold_han (`bool`, *optional*, defaults to `False`): write Hans and Hant as Hani, as Glot500 does.
        split (`str`, *optional*, defaults to `"train"`): split of a Hub dataset.
        revision (`str`, *optional*): revision of a Hub dataset.
        report (`CorpusReport`, *optional*): receives the counts.

    Yields:
        `CorpusRow`: sentence and code.

    Raises:
        FileNotFoundError: if a source is neither on this machine nor on the Hub.
        ValueError: if there is nothing to read, or the code in a file's name is none; the message names the nearest
            codes. A row whose language is no code is left out and counted.
        OSError: if a file cannot be read or is damaged.

    Example:

    ```python
    report = CorpusReport()
    for row in iter_corpus("udhr", languages=["swh_Latn"], report=report):
        print(row["text"])
    print(report.dropped_by_reason())
    ```
    """
    options = ReadOptions(
        languages=as_codes(languages),
        text_column=text_column,
        language_column=language_column,
        fold_han=fold_han,
        split=split,
        revision=revision,
    )
    report = CorpusReport() if report is None else report
    for file in find_files(source, options, report):
        if file.language:
            report.files.setdefault(file.language, []).append(file.name)
        for segment in split_into_segments(file, max(1, file.size)):
            for language, text in read_segment(segment, options, report):
                yield {"text": text, "language": language}
    for language in CodeResolver(options).missing(report.counts):
        logger.warning("%s: --languages asks for it, and the corpus has no sentence of it", language)


def missing_languages(
    languages: str | Sequence[str] | None, found: Iterable[str], *, fold_han: bool = False
) -> list[str]:
    """The languages that were asked for and of which there is nothing.

    Args:
        languages (`str` or `Sequence[str]`, *optional*): what was asked for; None asks for none in particular.
        found (`Iterable[str]`): codes of what there is.
        fold_han (`bool`, *optional*, defaults to `False`): whether Hans and Hant were written as Hani.
    """
    return CodeResolver(ReadOptions(languages=as_codes(languages), fold_han=fold_han)).missing(found)


def list_languages(
    source: str | Path | Sequence[str | Path],
    *,
    text_column: str = "text",
    language_column: str = "language",
    fold_han: bool = False,
    split: str = "train",
    revision: str | None = None,
) -> list[str]:
    """The codes of a corpus, sorted. Files whose rows name the language are read through; others are not.

    Args:
        source (`str`, `Path` or several of them): as for [`iter_corpus`].
        text_column (`str`, *optional*, defaults to `"text"`): as for [`iter_corpus`].
        language_column (`str`, *optional*, defaults to `"language"`): as for [`iter_corpus`].
        fold_han (`bool`, *optional*, defaults to `False`): as for [`iter_corpus`].
        split (`str`, *optional*, defaults to `"train"`): as for [`iter_corpus`].
        revision (`str`, *optional*): as for [`iter_corpus`].
    """
    options = ReadOptions(None, text_column, language_column, fold_han, split, revision)
    codes = set()
    for file in find_files(source, options):
        if file.language and file.kind in ("text", "verses", "hub"):
            codes.add(file.language)
            continue
        for segment in split_into_segments(file, max(1, file.size)):
            codes |= {language for language, _ in read_segment(segment, options, CorpusReport())}
    return sorted(codes)
