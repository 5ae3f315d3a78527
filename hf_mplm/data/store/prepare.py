"""From a corpus to a token store: in parallel, and to be continued after any interruption."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from hf_mplm._lists import as_codes
from hf_mplm.jobs.job import PART_BYTES, Job, finished_results, run_parts

from ..corpus.corpora import find_files
from ..corpus.options import ReadOptions
from ..corpus.plan import check_unchanged, group_segments, make_plan
from ..corpus.provenance import describe_sources
from ..corpus.report import CorpusReport
from ..tokenizing.encoding import save_encoder
from ..tokenizing.tokenizers import load_tokenizer, tokenizer_fingerprint
from .assembly import (
    check_content,
    keep_tokenizer,
    merge_results,
    note_files,
    summarize,
    write_splits,
)
from .parts import Part, finished_part, tokenize_part
from .token_store import STORE_FILE, TokenStore, describe_files, load_store


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["prepare_store", "refuse_launcher", "store_job"]

logger = logging.getLogger(__name__)

_LEAST_CHUNK = 8


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
    languages: str | Sequence[str] | None = None,
    text_column: str = "text",
    language_column: str = "language",
    fold_han: bool = False,
    split: str = "train",
    revision: str | None = None,
    trust_remote_code: bool = False,
    overwrite: bool = False,
    part_bytes: int = PART_BYTES,
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
        languages (`str` or `Sequence[str]`, *optional*): codes to read; all by default.
        text_column (`str`, *optional*, defaults to `"text"`): column of JSON, CSV, Parquet and Hub datasets.
        language_column (`str`, *optional*, defaults to `"language"`): the same for the language's code.
        fold_han (`bool`, *optional*, defaults to `False`): write Hans and Hant as Hani, as Glot500 does.
        split (`str`, *optional*, defaults to `"train"`): split of a Hub dataset.
        revision (`str`, *optional*): revision of a Hub dataset.
        trust_remote_code (`bool`, *optional*, defaults to `False`): whether code that comes with a tokenizer that is
            given by its name may run.
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
    refuse_launcher()
    if chunk_length < _LEAST_CHUNK:
        raise ValueError(f"chunk_length is {chunk_length}; needed is {_LEAST_CHUNK} or more")
    if holdout < 0 or part_bytes < 1:
        raise ValueError(f"holdout ({holdout}) must not be negative, and part_bytes ({part_bytes}) must be positive")
    output = Path(output)
    options = ReadOptions(as_codes(languages), text_column, language_column, fold_han, split, revision)
    found = CorpusReport()
    files = find_files(corpus, options, found)
    if isinstance(tokenizer, (str, Path)):
        tokenizer = load_tokenizer(tokenizer, trust_remote_code=trust_remote_code)
    if chunk_length > tokenizer.model_max_length:
        logger.warning(
            "chunks of %d tokens are longer than this tokenizer's model takes (%d)",
            chunk_length,
            tokenizer.model_max_length,
        )
    settings = {
        "tokenizer": tokenizer_fingerprint(tokenizer),
        "chunk_length": chunk_length,
        "holdout": holdout,
        "seed": seed,
    }
    job = store_job(output, "token store")
    work = job.work
    with job.hold():
        plan = make_plan(files, options, settings, job.known_plan())
        if job.is_finished(plan, overwrite):
            job.clear()
            return load_store(output, verify=False)
        job.begin(plan, overwrite, part_bytes)
        encoder = save_encoder(tokenizer, work / "encoder")
        parts = [
            Part(i, str(work / "parts"), group, options, encoder, chunk_length, seed if holdout else None)
            for i, group in enumerate(group_segments(files, part_bytes))
        ]
        run_parts(
            tokenize_part, parts, finished_part, title="Tokenizing", unit="tokens", num_proc=num_proc, engine=engine
        )
        check_unchanged(plan, files)
        merged = merge_results(finished_results(parts, finished_part))
        merged.report.merge(found)
        note_files(merged.report, files)
        check_content(merged.report, options, corpus)
        folder = work / "store"
        plans = write_splits(merged, folder, plan["identity"], num_proc=num_proc, engine=engine)
        about = keep_tokenizer(tokenizer, folder / "tokenizer")
        info = summarize(merged, plans, plan["identity"], about)
        sources = describe_sources(corpus, plan["files"])
        job.finish(folder, {**info, "sources": sources, **describe_files(folder)})
    return load_store(output, verify=False)


def store_job(output: Path, kind: str) -> Job:
    """The job of preparing a store.

    Args:
        output (`Path`): folder of the store.
        kind (`str`): what a finished one is called, such as `"token store"`.
    """
    return Job(
        output,
        output.with_name(output.name + ".preparing"),
        command="hf-mplm prepare",
        product="store",
        mark=STORE_FILE,
        foreign=f"is not a {kind}, so it is not replaced",
        inputs="corpus, tokenizer and options",
        rule="A store holds one corpus in the ids of one tokenizer.",
        disk_use="While a store is prepared it takes twice its final size.",
    )


def refuse_launcher() -> None:
    """Raise `ValueError` in a process that torchrun or accelerate started."""
    # Every rank would wait for, or write over, the others (transformers #17106).
    if int(os.environ.get("WORLD_SIZE", "1")) > 1:
        raise ValueError(
            "a store is not prepared under torchrun or accelerate launch: run `hf-mplm prepare` alone, with "
            "--num_proc, and train from the store it writes"
        )
