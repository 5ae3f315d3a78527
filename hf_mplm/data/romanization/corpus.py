"""Romanising a whole corpus: streamed, in parallel, and to be continued after any interruption."""

from __future__ import annotations

import logging
import os
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from hf_mplm._lists import as_codes
from hf_mplm.jobs.files import read_json
from hf_mplm.jobs.job import PART_BYTES, Job, finished_results, run_parts

from ..corpus.corpora import find_files
from ..corpus.options import ReadOptions
from ..corpus.plan import group_segments, make_plan
from ..corpus.report import CorpusReport
from ..corpus.resolver import CodeResolver
from .engine import load_engine
from .parts import RomanizedPart, RomanizedResult, finished_part, romanize_part


__all__ = ["ROMANIZED_FILE", "romanize_corpus"]

logger = logging.getLogger(__name__)

ROMANIZED_FILE = "romanized.json"
"""What a romanised corpus says of itself: uroman's version, counts, what was dropped and from what it was made."""


def romanize_corpus(
    corpus: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    num_proc: int = 1,
    engine: str = "local",
    use_language_codes: bool = False,
    output_format: Literal["parquet", "jsonl"] = "parquet",
    cache_file: str | Path | None = None,
    languages: str | Sequence[str] | None = None,
    text_column: str = "text",
    language_column: str = "language",
    fold_han: bool = False,
    split: str = "train",
    revision: str | None = None,
    overwrite: bool = False,
    part_bytes: int = PART_BYTES,
) -> dict[str, Any]:
    """Writes a corpus with the columns `text`, `romanized` and `language`.

    The output is a folder of files in the order of the corpus, which [`iter_corpus`] reads as a corpus, and
    `romanized.json`. The same corpus and options give the same bytes for any number of processes and after any
    interruption: the same call goes on where the last one stopped. Sentences of which no romanisation is left, and
    those on which uroman itself fails, are left out and counted; those that romanise as themselves, as most Latin text
    does, are kept and counted.

    Args:
        corpus (`str`, `Path` or several of them): What to read, see [`iter_corpus`].
        output (`str` or `Path`): The folder. Until it is finished, work is kept in `OUTPUT.romanizing`.
        num_proc (`int`, *optional*, defaults to 1): Processes.
        engine (`str`, *optional*, defaults to `"local"`): `"ray"` works on a Ray cluster.
        use_language_codes (`bool`, *optional*, defaults to `False`): Tell uroman the language of each sentence.
        output_format (`"parquet"` or `"jsonl"`, *optional*, defaults to `"parquet"`): The kind of files.
        cache_file (`str` or `Path`, *optional*): Units that processes and runs share, see [`Romanizer`].
        languages (`str` or `Sequence[str]`, *optional*): Codes to read; all by default.
        text_column (`str`, *optional*, defaults to `"text"`): Column of JSON, CSV, Parquet and Hub datasets.
        language_column (`str`, *optional*, defaults to `"language"`): The same for the language's code.
        fold_han (`bool`, *optional*, defaults to `False`): Write Hans and Hant as Hani, as Glot500 does.
        split (`str`, *optional*, defaults to `"train"`): Split of a Hub dataset.
        revision (`str`, *optional*): Revision of a Hub dataset.
        overwrite (`bool`, *optional*, defaults to `False`): Replace a romanised corpus, or unfinished work, made from
            something else. A folder that is neither is never replaced.
        part_bytes (`int`, *optional*, defaults to 4 MiB): Text that one output file is made from, and that is lost
            when interrupted.

    Returns:
        `dict`: What `romanized.json` says: `uroman`, `sentences`, `unchanged` and `dropped` by language, `files`.

    Raises:
        ImportError: `uroman`, or Ray where it is asked for, is not installed.
        ValueError: An empty corpus, an unknown code, or an output made from something else.
        FileNotFoundError: The corpus does not exist.
        OSError: The disk is full, or another process writes the same output.
    """
    if output_format not in ("parquet", "jsonl"):
        raise ValueError(f"output_format is {output_format!r}; needed is 'parquet' or 'jsonl'")
    if part_bytes < 1:
        raise ValueError(f"part_bytes is {part_bytes}; needed is 1 or more")
    output = Path(output)
    options = ReadOptions(as_codes(languages), text_column, language_column, fold_han, split, revision)
    found = CorpusReport()
    files = find_files(corpus, options, found)
    settings = {
        "uroman": load_engine().version,
        "use_language_codes": use_language_codes,
        "output_format": output_format,
        "part_bytes": part_bytes,
    }
    work = output.with_name(output.name + ".romanizing")
    job = Job(
        output,
        work,
        command="hf-mplm romanize",
        product="romanised corpus",
        mark=ROMANIZED_FILE,
        foreign="is no romanised corpus, so it stays",
        inputs="corpus and options",
    )
    with job.hold():
        plan = make_plan(files, options, settings, job.known_plan())
        if job.is_finished(plan, overwrite):
            job.clear()
            return dict(read_json(output / ROMANIZED_FILE))
        job.begin(plan, overwrite, part_bytes)
        cache = None if cache_file is None else str(cache_file)
        parts = [
            RomanizedPart(i, str(work / "parts"), group, options, output_format, use_language_codes, cache)
            for i, group in enumerate(group_segments(files, part_bytes))
        ]
        run_parts(
            romanize_part, parts, finished_part, title="Romanising", unit="sentences", num_proc=num_proc, engine=engine
        )
        total = _merge(parts)
        total.report.merge(found)
        _check(total, options, corpus)
        info = {**total.to_dict(), "uroman": settings["uroman"], "identity": plan["identity"]}
        info["files"] = sorted(part.path.name for part in parts)
        job.finish(_gather(parts, work / "output"), info)
    return info


def _merge(parts: Sequence[RomanizedPart]) -> RomanizedResult:
    total = RomanizedResult()
    for result in finished_results(parts, finished_part):
        total.merge(result)
    return total


def _check(total: RomanizedResult, options: ReadOptions, corpus: Any) -> None:
    if not total.report.counts:
        left_out = total.report.explain_dropped()
        raise ValueError(f"{corpus}: nothing is left to write. Lines left out: {left_out}")
    for language in CodeResolver(options).missing(total.report.counts):
        logger.warning("%s: --languages asks for it, and the corpus has no sentence of it", language)


def _gather(parts: Sequence[RomanizedPart], folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for part in parts:
        target = folder / part.path.name
        try:
            # Linked, so that an interruption here loses no part.
            os.link(part.path, target)
        except OSError:  # not every file system has links
            shutil.copyfile(part.path, target)
    return folder
