"""The pair store: sentences beside their romanisations, which script alignment trains on."""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mplm._lists import as_codes
from hf_mplm.jobs.engines import run_tasks
from hf_mplm.jobs.job import PART_BYTES, finished_results, unfinished_parts
from hf_mplm.jobs.progress import progress_bar

from ..corpus.corpora import find_files
from ..corpus.options import ReadOptions
from ..corpus.plan import check_unchanged, group_segments, make_plan
from ..corpus.provenance import describe_sources
from ..corpus.report import CorpusReport
from ..romanization.engine import load_engine
from ..tokenizing.encoding import save_encoder
from ..tokenizing.tokenizers import load_tokenizer, tokenizer_fingerprint
from .assembly import check_content, keep_tokenizer, note_files
from .pair_packing import PairPlan, plan_pairs, write_pairs
from .pair_parts import PairCounts, PairPart, PairPartResult, finished_pairs, tokenize_pairs
from .prepare import refuse_launcher, store_job
from .token_store import PAIR_FORMAT, TokenStore, describe_files, open_splits, read_store_info


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = ["PAIR_FORMAT", "PairStore", "load_pair_store", "prepare_pair_store"]

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class PairStore(TokenStore):
    """Sentence pairs, memory-mapped: a [`TokenStore`] with `romanized_input_ids` beside `input_ids`.

    A row is one sentence and its Latin transliteration, each between its special tokens, and `language`.
    """


def load_pair_store(path: str | Path, *, verify: bool = True) -> PairStore:
    """Open a pair store, memory-mapped.

    Args:
        path (`str` or `Path`): the folder that `hf-mplm prepare --romanize` wrote.
        verify (`bool`, *optional*, defaults to `True`): read all of it to hold it against its digests, see
            [`load_store`].

    Raises:
        FileNotFoundError: if there is no such folder.
        ValueError: if the folder is not a pair store, or a file of it is missing or cut short.
        DamagedError: if a file is not as it was written.
    """
    path = Path(path)
    info = _read_info(path)
    splits = open_splits(path, info, verify)
    return PairStore(path, splits["train"], splits.get("holdout"), info)


def prepare_pair_store(
    corpus: str | Path | Sequence[str | Path],
    tokenizer: str | Path | PreTrainedTokenizerBase,
    output: str | Path,
    *,
    chunk_length: int = 512,
    holdout: int = 0,
    num_proc: int = 1,
    engine: str = "local",
    seed: int = 42,
    use_language_codes: bool = False,
    languages: str | Sequence[str] | None = None,
    text_column: str = "text",
    language_column: str = "language",
    fold_han: bool = False,
    split: str = "train",
    revision: str | None = None,
    trust_remote_code: bool = False,
    overwrite: bool = False,
    part_bytes: int = PART_BYTES,
) -> PairStore:
    """Romanise a corpus and tokenize both texts, a sentence pair a row.

    A corpus that `hf-mplm romanize` wrote, or any Parquet or JSONL with a column `romanized`, is taken as it is. A
    sentence that is Latin already gives a pair of nearly the same, which is kept and counted (`unchanged`); one of
    which nothing is left is left out and counted. As with [`prepare_store`], the same corpus, tokenizer and options
    give the same bytes for any number of processes and after any interruption.

    Args:
        corpus (`str`, `Path` or several of them): what to read, see [`iter_corpus`].
        tokenizer (`str`, `Path` or `PreTrainedTokenizerBase`): the tokenizer, a folder or an id on the Hub.
        output (`str` or `Path`): folder of the store. Until it is finished, work is kept in `OUTPUT.preparing`.
        chunk_length (`int`, *optional*, defaults to 512): the longest sentence in tokens; of longer ones the rest is
            cut off, before `</s>`, and they are counted (`long_sentences`).
        holdout (`int`, *optional*, defaults to 0): pairs of each language to set aside, see [`prepare_store`].
        num_proc (`int`, *optional*, defaults to 1): processes.
        engine (`str`, *optional*, defaults to `"local"`): `"ray"` works on a Ray cluster.
        seed (`int`, *optional*, defaults to 42): chooses the held-out pairs.
        use_language_codes (`bool`, *optional*, defaults to `False`): tell uroman the language, as the papers do not.
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
        part_bytes (`int`, *optional*, defaults to 4 MiB): text that is lost at most when interrupted.

    Returns:
        [`PairStore`]: the store.

    Raises:
        ImportError: if `uroman` is not installed.
        ValueError: on an empty corpus, an unknown code, or an output made from something else.
        FileNotFoundError: if the corpus does not exist.
        OSError: if the disk is full, or another process prepares the same output.

    Example:

    ```python
    store = prepare_pair_store("udhr", "my-tokenizer", "pairs", holdout=5, num_proc=4)
    ```
    """
    refuse_launcher()
    if chunk_length < 3 or holdout < 0 or part_bytes < 1:
        raise ValueError(
            f"chunk_length ({chunk_length}) must be 3 or more, holdout ({holdout}) not negative, and part_bytes "
            f"({part_bytes}) positive"
        )
    output = Path(output)
    options = ReadOptions(as_codes(languages), text_column, language_column, fold_han, split, revision)
    found = CorpusReport()
    files = find_files(corpus, options, found)
    if isinstance(tokenizer, (str, Path)):
        tokenizer = load_tokenizer(tokenizer, trust_remote_code=trust_remote_code)
    settings = {
        "pairs": True,
        "tokenizer": tokenizer_fingerprint(tokenizer),
        "chunk_length": chunk_length,
        "holdout": holdout,
        "seed": seed,
        "uroman": load_engine().version,
        "use_language_codes": use_language_codes,
    }
    job = store_job(output, "pair store")
    work = job.work
    with job.hold():
        plan = make_plan(files, options, settings, job.known_plan())
        if job.is_finished(plan, overwrite):
            job.clear()
            return load_pair_store(output, verify=False)
        job.begin(plan, overwrite, part_bytes)
        encoder = save_encoder(tokenizer, work / "encoder")
        folder = str(work / "parts")
        parts = [
            PairPart(i, folder, group, options, encoder, chunk_length, seed, use_language_codes)
            for i, group in enumerate(group_segments(files, part_bytes))
        ]
        _tokenize(parts, num_proc, engine)
        check_unchanged(plan, files)
        results = list(finished_results(parts, finished_pairs))
        report = _merged(results)
        report.merge(found)
        note_files(report, files)
        check_content(report, options, corpus)
        plans = plan_pairs([batch for result in results for batch in result.batches], holdout)
        write_pairs(plans, work / "store", _fingerprint(plan["identity"]))
        about = keep_tokenizer(tokenizer, work / "store" / "tokenizer")
        info = _summary(results, plans, plan["identity"], about, report)
        sources = describe_sources(corpus, plan["files"])
        job.finish(work / "store", {**info, "sources": sources, **describe_files(work / "store")})
    return load_pair_store(output, verify=False)


def _read_info(path: Path) -> dict[str, Any]:
    try:
        return read_store_info(path, PAIR_FORMAT)
    except FileNotFoundError:
        raise FileNotFoundError(
            f"there is no pair store at {path}; make one: hf-mplm prepare --romanize --corpus DIR_OR_HUB_ID "
            f"--tokenizer TOKENIZER --output {path}"
        ) from None


def _tokenize(parts: Sequence[PairPart], num_proc: int, engine: str) -> None:
    todo = unfinished_parts(parts, finished_pairs)
    with progress_bar(desc="Romanising and tokenizing", unit=" pairs", unit_scale=True) as bar:
        for done in run_tasks(tokenize_pairs, todo, num_proc=num_proc, engine=engine):
            bar.update(done["sentences"])


def _merged(results: Sequence[PairPartResult]) -> CorpusReport:
    report = CorpusReport()
    for result in results:
        report.merge(result.report)
    report.counts = {language: n for language, n in report.counts.items() if n}
    return report


def _fingerprint(identity: dict[str, Any]) -> str:
    return hashlib.blake2b(json.dumps(identity).encode(), digest_size=8).hexdigest()


def _summary(
    results: Sequence[PairPartResult],
    plans: Sequence[PairPlan],
    identity: dict[str, Any],
    tokenizer: dict[str, Any],
    report: CorpusReport,
) -> dict[str, Any]:
    languages = {}
    for plan in plans:
        counts = PairCounts()
        for result in results:
            counts.add(result.counts.get(plan.language, PairCounts()))
        held = asdict(plan.held_counts())
        trained = {name: count - held[name] for name, count in asdict(counts).items()}
        about = {f"holdout_{name}": held[name] for name in ("pairs", "tokens", "romanized_tokens")}
        languages[plan.language] = {**trained, **about}
    return {
        "format": PAIR_FORMAT,
        "identity": identity,
        "tokenizer": tokenizer,
        "chunk_length": identity["chunk_length"],
        "languages": languages,
        "totals": {key: sum(counts[key] for counts in languages.values()) for key in next(iter(languages.values()))},
        "report": report.to_dict(),
    }
