"""From a corpus to a token store: in parallel, and to be continued after any interruption."""

from __future__ import annotations

import json
import logging
import os
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from filelock import FileLock, Timeout

from ._files import TEMPORARY_SUFFIX, explain_full_disk, write_json
from .assembly import keep_tokenizer, merge_results, move_into_place, summarize, write_splits
from .corpora import find_files
from .corpus_report import DROPPED, CorpusReport
from .encoding import save_encoder
from .engines import run_tasks, show_progress
from .parts import Part, PartResult, finished_part, tokenize_part
from .prepare_plan import Plan, group_segments, make_plan, plan_differences
from .sources import CodeResolver, ReadOptions, SourceFile
from .store import STORE_FILE, TokenStore, load_store, read_store_info
from .tokenizers import load_tokenizer, tokenizer_fingerprint


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["prepare_store"]

logger = logging.getLogger(__name__)

_PART_BYTES = 4 << 20
_LEAST_CHUNK = 8
_FULL_DISK = (
    "While a store is prepared it takes twice its final size. What is finished is kept in {work}: free some space and "
    "repeat the same command."
)


def prepare_store(
    corpus: str | Path | Sequence[str | Path],
    tokenizer: str | Path | PreTrainedTokenizerBase,
    output: str | Path,
    *,
    chunk_length: int = 512,
    holdout: int = 0,
    num_proc: int = 1,
    engine: str = "local",
    seed: int = 42,
    languages: Sequence[str] | None = None,
    text_column: str = "text",
    language_column: str = "language",
    fold_han: bool = False,
    split: str = "train",
    revision: str | None = None,
    overwrite: bool = False,
    part_bytes: int = _PART_BYTES,
) -> TokenStore:
    """Tokenize a corpus and pack it into chunks of one language-script each.

    Sentences stand as `<s> .. </s>`, in the order of the corpus, one after the other; every `chunk_length` tokens are
    a row, and the last, shorter row of a language is kept. A sentence goes on in the next row where a row is full, and
    none is cut off. The same corpus, tokenizer and options give the same bytes for any number of processes and after
    any interruption: the same call goes on where the last one stopped.

    Args:
        corpus (`str`, `Path` or several of them): what to read, see [`iter_corpus`].
        tokenizer (`str`, `Path` or `PreTrainedTokenizerBase`): the tokenizer, a folder or an id on the Hub.
        output (`str` or `Path`): folder of the store. Until it is finished, work is kept in `OUTPUT.preparing`.
        chunk_length (`int`, *optional*, defaults to 512): tokens a row.
        holdout (`int`, *optional*, defaults to 0): sentences of each language to set aside for a held-out loss, at
            most a tenth of the language. They are those of the smallest keyed hash among the sentences that occur
            once, so that their choice depends on nothing but the text and the seed, and no copy of them is trained on.
        num_proc (`int`, *optional*, defaults to 1): processes. With 1 the tokenizer uses threads.
        engine (`str`, *optional*, defaults to `"local"`): `"ray"` works on a Ray cluster.
        seed (`int`, *optional*, defaults to 42): chooses the held-out sentences.
        languages (`Sequence[str]`, *optional*): codes to read; all by default.
        text_column (`str`, *optional*, defaults to `"text"`): column of JSONL, Parquet and Hub datasets.
        language_column (`str`, *optional*, defaults to `"language"`): the same for the language's code.
        fold_han (`bool`, *optional*, defaults to `False`): write Hans and Hant as Hani, as Glot500 does.
        split (`str`, *optional*, defaults to `"train"`): split of a Hub dataset.
        revision (`str`, *optional*): revision of a Hub dataset.
        overwrite (`bool`, *optional*, defaults to `False`): replace a store, or unfinished work, made from something
            else. A folder that is no store is never replaced.
        part_bytes (`int`, *optional*, defaults to 4 MiB): text that is tokenized, and lost when interrupted, at a
            time; the store does not depend on it.

    Returns:
        `TokenStore`: the store.

    Raises:
        ValueError: on an empty corpus, an unknown code, or an output made from another corpus, tokenizer or options.
        FileNotFoundError: if the corpus does not exist.
        OSError: if the disk is full, or another process prepares the same output.

    Example:

    ```python
    store = prepare_store("udhr", "my-tokenizer", "store", chunk_length=256, holdout=5, num_proc=4)
    ```
    """
    _refuse_launcher()
    if chunk_length < _LEAST_CHUNK:
        raise ValueError(f"chunk_length is {chunk_length}; needed is {_LEAST_CHUNK} or more")
    if holdout < 0 or part_bytes < 1:
        raise ValueError(f"holdout ({holdout}) must not be negative, and part_bytes ({part_bytes}) must be positive")
    output = Path(output)
    options = ReadOptions(
        None if languages is None else tuple(languages), text_column, language_column, fold_han, split, revision
    )
    if isinstance(tokenizer, (str, Path)):
        tokenizer = load_tokenizer(tokenizer)
    if chunk_length > tokenizer.model_max_length:
        logger.warning(
            "chunks of %d tokens are longer than this tokenizer's model takes (%d)",
            chunk_length,
            tokenizer.model_max_length,
        )
    files = find_files(corpus, options)
    settings = {
        "tokenizer": tokenizer_fingerprint(tokenizer),
        "chunk_length": chunk_length,
        "holdout": holdout,
        "seed": seed,
    }
    work = output.with_name(output.name + ".preparing")
    with (
        explain_full_disk(output.parent, _FULL_DISK.format(work=work)),
        _lock(work, output),
    ):
        plan = make_plan(files, options, settings, _read_json(work / "plan.json"))
        if _is_finished(output, plan, overwrite):
            shutil.rmtree(work)
            return load_store(output)
        _begin(work, plan, overwrite, part_bytes)
        encoder = save_encoder(tokenizer, work / "encoder")
        parts = [
            Part(i, str(work / "parts"), group, options, encoder, chunk_length, seed if holdout else None)
            for i, group in enumerate(group_segments(files, part_bytes))
        ]
        _tokenize(parts, num_proc, engine)
        _check_unchanged(plan, files)
        merged = merge_results(_results(parts))
        _note_files(merged.report, files)
        _check_content(merged.report, options, corpus)
        folder = work / "store"
        plans = write_splits(merged, folder, plan["identity"], num_proc=num_proc, engine=engine)
        keep_tokenizer(tokenizer, folder / "tokenizer")
        about = {
            "fingerprint": settings["tokenizer"],
            "name": str(tokenizer.name_or_path),
            "vocab_size": len(tokenizer),
        }
        move_into_place(folder, output, summarize(merged, plans, plan["identity"], about), replace=overwrite)
        shutil.rmtree(work)
    return load_store(output)


def _refuse_launcher() -> None:
    # Every rank would wait for, or write over, the others (transformers #17106).
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "a store is not prepared under torchrun or accelerate launch: run `hf-mplm prepare` alone, with "
            "--num_proc, and train from the store it writes"
        )


@contextmanager
def _lock(work: Path, output: Path) -> Iterator[None]:
    work.mkdir(parents=True, exist_ok=True)
    try:
        # The system lets go of it when the process ends, however it ends.
        with FileLock(str(work / "lock"), timeout=0):
            yield
    except Timeout as error:
        raise OSError(f"another process is preparing {output} at this moment; wait for it, or end it") from error
    finally:
        if work.is_dir() and {path.name for path in work.iterdir()} <= {"lock"}:
            shutil.rmtree(work)


def _read_json(path: Path) -> Plan | None:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None


def _is_finished(output: Path, plan: Plan, overwrite: bool) -> bool:
    """Whether the very store stands there already. Anything else that stands there is an error."""
    if not output.exists() or (output.is_dir() and not any(output.iterdir())):
        return False
    if not (output / STORE_FILE).is_file():
        raise ValueError(
            f"{output} exists and is not a token store, so it is not replaced. Give another --output, or move it away"
        )
    if overwrite:
        return False
    differences = plan_differences({"identity": read_store_info(output)["identity"]}, plan)
    if differences:
        raise ValueError(_refusal(f"{output} is a store made from something else", differences))
    logger.info("%s is finished already, from the same corpus, tokenizer and options", output)
    return True


def _refusal(found: str, differences: list[str]) -> str:
    lines = "\n".join(f"  - {line}" for line in differences)
    return (
        f"{found}:\n{lines}\nA store holds one corpus in the ids of one tokenizer. Repeat the command that began it, "
        "give another --output, or repeat this command with --overwrite to start over"
    )


def _begin(work: Path, plan: Plan, overwrite: bool, part_bytes: int) -> None:
    """Take up the unfinished work of the same plan, or begin."""
    plan = {**plan, "identity": {**plan["identity"], "part_bytes": part_bytes}}
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


def _tokenize(parts: Sequence[Part], num_proc: int, engine: str) -> None:
    from tqdm import tqdm

    todo = [part for part in parts if finished_part(part.folder, part.index) is None]
    if len(todo) < len(parts):
        logger.info("%d of %d parts are finished", len(parts) - len(todo), len(parts))
    weights = {part.index: sum(segment.weight for segment in part.segments) for part in parts}
    left = sum(weights[part.index] for part in todo)
    total = sum(weights.values())
    tokens, start = 0, time.monotonic()
    with tqdm(
        total=total, initial=total - left, desc="Tokenizing", unit="B", unit_scale=True, disable=not show_progress()
    ) as bar:
        for done in run_tasks(tokenize_part, todo, num_proc=num_proc, engine=engine):
            tokens += done["tokens"]
            bar.set_postfix_str(f"{tokens / (time.monotonic() - start):,.0f} tokens/s", refresh=False)
            bar.update(done["weight"])


def _results(parts: Sequence[Part]) -> Iterator[PartResult]:
    for part in parts:
        result = finished_part(part.folder, part.index)
        if result is None:
            raise OSError(f"part {part.index} in {part.folder} has vanished; repeat the same command")
        yield result


def _check_unchanged(plan: Plan, files: Sequence[SourceFile]) -> None:
    for file, entry in zip(files, plan["files"]):
        if file.kind != "hub":
            found = Path(file.path).stat()
            if (found.st_size, found.st_mtime_ns) != (entry["size"], entry["modified_ns"]):
                raise ValueError(f"{file.name} was changed while it was read; repeat the command with --overwrite")


def _note_files(report: CorpusReport, files: Sequence[SourceFile]) -> None:
    for file in files:
        if file.language:
            report.files.setdefault(file.language, []).append(file.name)


def _check_content(report: CorpusReport, options: ReadOptions, corpus: Any) -> None:
    if not report.counts:
        dropped = ", ".join(f"{n} {DROPPED[reason]}" for reason, n in report.dropped_by_reason().items())
        raise ValueError(f"{corpus}: this corpus has no sentence. Lines left out: {dropped or 'none'}")
    for language in sorted(set(report.files) - set(report.counts)):
        logger.warning("%s: no sentence is left of %s", language, ", ".join(report.files[language]))
    for language in CodeResolver(options).missing(report.counts):
        logger.warning("%s: --languages asks for it, and the corpus has no sentence of it", language)
