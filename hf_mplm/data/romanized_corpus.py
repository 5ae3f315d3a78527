"""Romanising a whole corpus: streamed, in parallel, and to be continued after any interruption."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Literal

from filelock import FileLock, Timeout

from ._files import TEMPORARY_SUFFIX, explain_full_disk, sync_folder, write_json
from .corpora import find_files
from .engines import run_tasks, show_progress
from .prepare_plan import Plan, group_segments, make_plan, plan_differences
from .romanization_engine import load_engine
from .romanization_parts import RomanizedPart, RomanizedResult, finished_part, romanize_part
from .sources import CodeResolver, ReadOptions


__all__ = ["ROMANIZED_FILE", "romanize_corpus"]

logger = logging.getLogger(__name__)

ROMANIZED_FILE = "romanized.json"
"""What a romanised corpus says of itself: uroman's version, counts, what was dropped and from what it was made."""

_PART_BYTES = 4 << 20
_FULL_DISK = "What is finished is kept in {work}: free some space and repeat the same command."


def romanize_corpus(
    corpus: str | Path | Sequence[str | Path],
    output: str | Path,
    *,
    num_proc: int = 1,
    engine: str = "local",
    use_language_codes: bool = False,
    output_format: Literal["parquet", "jsonl"] = "parquet",
    cache_file: str | Path | None = None,
    languages: Sequence[str] | None = None,
    text_column: str = "text",
    language_column: str = "language",
    fold_han: bool = False,
    split: str = "train",
    revision: str | None = None,
    overwrite: bool = False,
    part_bytes: int = _PART_BYTES,
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
        languages (`Sequence[str]`, *optional*): Codes to read; all by default.
        text_column (`str`, *optional*, defaults to `"text"`): Column of JSONL, Parquet and Hub datasets.
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
    options = ReadOptions(
        None if languages is None else tuple(languages), text_column, language_column, fold_han, split, revision
    )
    files = find_files(corpus, options)
    settings = {
        "uroman": load_engine().version,
        "use_language_codes": use_language_codes,
        "output_format": output_format,
        "part_bytes": part_bytes,
    }
    work = output.with_name(output.name + ".romanizing")
    with explain_full_disk(output.parent, _FULL_DISK.format(work=work)), _lock(work, output):
        plan = make_plan(files, options, settings, _read_json(work / "plan.json"))
        done = _finished(output, plan, overwrite)
        if done is not None:
            shutil.rmtree(work)
            return done
        _begin(work, plan, overwrite)
        cache = None if cache_file is None else str(cache_file)
        parts = [
            RomanizedPart(i, str(work / "parts"), group, options, output_format, use_language_codes, cache)
            for i, group in enumerate(group_segments(files, part_bytes))
        ]
        _romanize(parts, num_proc, engine)
        total = _merge(parts)
        _check(total, options, corpus)
        info = {**total.to_dict(), "uroman": settings["uroman"], "identity": plan["identity"]}
        _move_into_place(parts, work, output, info)
    return info


@contextmanager
def _lock(work: Path, output: Path) -> Iterator[None]:
    work.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(str(work / "lock"), timeout=0):
            yield
    except Timeout as error:
        raise OSError(f"another process is romanising {output} at this moment; wait for it, or end it") from error
    finally:
        if work.is_dir() and {path.name for path in work.iterdir()} <= {"lock"}:
            shutil.rmtree(work)


def _read_json(path: Path) -> Plan | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _finished(output: Path, plan: Plan, overwrite: bool) -> dict[str, Any] | None:
    """What the very output says, if it stands there already. Anything else that stands there is an error."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return None
    info = _read_json(output / ROMANIZED_FILE)
    if info is None:
        raise ValueError(
            f"{output} exists and is no romanised corpus, so it stays. Give another --output, or move it away"
        )
    if overwrite:
        return None
    differences = plan_differences({"identity": info["identity"]}, plan)
    if differences:
        raise ValueError(_refusal(f"{output} is a romanised corpus made from something else", differences))
    logger.info("%s is finished already, from the same corpus and options", output)
    return info


def _refusal(found: str, differences: list[str]) -> str:
    lines = "\n".join(f"  - {line}" for line in differences)
    return (
        f"{found}:\n{lines}\nRepeat the command that began it, give another --output, or repeat this command with "
        "--overwrite to start over"
    )


def _begin(work: Path, plan: Plan, overwrite: bool) -> None:
    """Takes up the unfinished work of the same plan, or begins."""
    before = _read_json(work / "plan.json")
    if before is not None:
        differences = plan_differences(before, plan)
        if differences and not overwrite:
            raise ValueError(_refusal(f"{work} is unfinished work on something else", differences))
        if differences:
            for path in work.iterdir():
                if path.is_dir():
                    shutil.rmtree(path)
        else:
            logger.info("going on with the work in %s", work)
    for path in work.rglob(f"*{TEMPORARY_SUFFIX}"):
        path.unlink()
    (work / "parts").mkdir(exist_ok=True)
    write_json(work / "plan.json", plan)


def _romanize(parts: Sequence[RomanizedPart], num_proc: int, engine: str) -> None:
    from tqdm import tqdm

    todo = [part for part in parts if finished_part(part) is None]
    if len(todo) < len(parts):
        logger.info("%d of %d parts are finished", len(parts) - len(todo), len(parts))
    total = sum(part.weight for part in parts)
    left = sum(part.weight for part in todo)
    sentences, start = 0, time.monotonic()
    with tqdm(
        total=total, initial=total - left, desc="Romanising", unit="B", unit_scale=True, disable=not show_progress()
    ) as bar:
        for done in run_tasks(romanize_part, todo, num_proc=num_proc, engine=engine):
            sentences += done["sentences"]
            bar.set_postfix_str(f"{sentences / (time.monotonic() - start):,.0f} sentences/s", refresh=False)
            bar.update(done["weight"])


def _merge(parts: Sequence[RomanizedPart]) -> RomanizedResult:
    total = RomanizedResult()
    for part in parts:
        result = finished_part(part)
        if result is None:
            raise OSError(f"part {part.index} in {part.folder} has vanished; repeat the same command")
        total.merge(result)
    return total


def _check(total: RomanizedResult, options: ReadOptions, corpus: Any) -> None:
    if not total.report.counts:
        dropped = ", ".join(f"{n} {reason}" for reason, n in total.report.dropped_by_reason().items())
        raise ValueError(f"{corpus}: nothing is left to write. Lines left out: {dropped or 'none'}")
    for language in CodeResolver(options).missing(total.report.counts):
        logger.warning("%s: --languages asks for it, and the corpus has no sentence of it", language)


def _move_into_place(parts: Sequence[RomanizedPart], work: Path, output: Path, info: dict[str, Any]) -> None:
    folder = work / "output"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for part in parts:
        # Linked, so that an interruption here loses no part.
        os.link(part.path, folder / part.path.name)
    info["files"] = sorted(part.path.name for part in parts)
    write_json(folder / ROMANIZED_FILE, info)
    if output.is_dir() and not any(output.iterdir()):
        output.rmdir()
    elif output.exists():
        os.rename(output, work / "replaced")
    os.rename(folder, output)
    sync_folder(output.parent)
    shutil.rmtree(work)
