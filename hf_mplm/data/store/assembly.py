"""The last step of preparing: from the finished parts to a store that stands under its name."""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hf_mplm.jobs.engines import run_tasks
from hf_mplm.jobs.progress import progress_bar

from ..corpus.options import ReadOptions
from ..corpus.report import CorpusReport
from ..corpus.resolver import CodeResolver
from ..corpus.segments import SourceFile
from ..tokenizing.sentencepiece_model import MODEL_FILE
from ..tokenizing.tokenizers import load_tokenizer, save_tokenizer, tokenizer_fingerprint
from .dataset_files import write_dataset_files
from .packing import LanguagePlan, close_parts, plan_language, plan_shards, store_features, write_shard
from .parts import LanguageCounts, PartResult
from .token_store import STORE_FORMAT


if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

__all__ = [
    "check_content",
    "keep_tokenizer",
    "merge_results",
    "note_files",
    "summarize",
    "write_splits",
]

logger = logging.getLogger(__name__)


def merge_results(results: Iterable[PartResult]) -> PartResult:
    """All parts as one, in the order of the corpus."""
    merged = PartResult()
    for result in results:
        merged.batches += result.batches
        merged.report.merge(result.report)
        for language, counts in result.counts.items():
            merged.counts.setdefault(language, LanguageCounts()).add(counts)
    merged.report.counts = {language: n for language, n in merged.report.counts.items() if n}
    return merged


def note_files(report: CorpusReport, files: Sequence[SourceFile]) -> None:
    """Add the files that name their language themselves."""
    for file in files:
        if file.language:
            report.files.setdefault(file.language, []).append(file.name)


def check_content(report: CorpusReport, options: ReadOptions, corpus: Any) -> None:
    """Raise `ValueError` on a corpus without a sentence; warn of languages without one."""
    if not report.counts:
        raise ValueError(f"{corpus}: this corpus has no sentence. Lines left out: {report.explain_dropped()}")
    for language in sorted(set(report.files) - set(report.counts)):
        logger.warning("%s: no sentence is left of %s", language, ", ".join(report.files[language]))
    for language in CodeResolver(options).missing(report.counts):
        logger.warning("%s: --languages asks for it, and the corpus has no sentence of it", language)


def write_splits(
    merged: PartResult, folder: Path, identity: dict[str, Any], *, num_proc: int, engine: str
) -> list[LanguagePlan]:
    """Write the splits as `datasets.DatasetDict.save_to_disk` lays them out.

    Args:
        merged (`PartResult`): all parts.
        folder (`Path`): where the store is put together.
        identity (`dict[str, Any]`): what the store is made from, of which chunk length and holdout matter here.
        num_proc (`int`): processes.
        engine (`str`): `local` or `ray`.

    Returns:
        `list[LanguagePlan]`: what each language has in each split, in the order of the labels.
    """
    languages = sorted(merged.report.counts)
    by_language: dict[str, list] = {language: [] for language in languages}
    for batch in merged.batches:
        by_language[batch.language].append(batch)
    plans = [
        plan_language(code, label, by_language[code], identity["holdout"]) for label, code in enumerate(languages)
    ]
    shards = {}
    for split, held in (("train", False), ("holdout", True)):
        (folder / split).mkdir(parents=True, exist_ok=True)
        shards[split] = plan_shards(plans, folder / split, held=held, chunk_length=identity["chunk_length"])
    if not shards["holdout"]:
        (folder / "holdout").rmdir()
        del shards["holdout"]
    todo = [shard for split in shards.values() for shard in split]
    total = sum(shard.tokens for shard in todo)
    # Half a gigabyte is copied before a process has started.
    where: dict[str, Any] = {"num_proc": num_proc, "engine": engine} if len(todo) > 2 else {}
    with progress_bar(total=total, desc="Packing", unit=" tokens", unit_scale=True) as bar:
        for done in run_tasks(write_shard, todo, **where):
            bar.update(done["tokens"])
    close_parts()
    names = {split: [Path(shard.path).name for shard in written] for split, written in shards.items()}
    fingerprints = {
        split: hashlib.blake2b(json.dumps([identity, split]).encode(), digest_size=8).hexdigest() for split in shards
    }
    write_dataset_files(folder, names, store_features(languages), fingerprints)
    return plans


def keep_tokenizer(tokenizer: PreTrainedTokenizerBase, folder: Path) -> dict[str, Any]:
    """Keep the tokenizer's own files with the store.

    Args:
        tokenizer (`PreTrainedTokenizerBase`): the tokenizer.
        folder (`Path`): receives the files.

    Returns:
        `dict[str, Any]`: what the store says of it: `fingerprint`, `name` and `vocab_size`.

    Raises:
        ValueError: if what was saved is not the same tokenizer when it is loaded.
    """
    fingerprint = tokenizer_fingerprint(tokenizer)
    # A tokenizer whose own code runs already was trusted, and its copy is the same code.
    trusted = type(tokenizer).__module__.startswith("transformers_modules.")
    model = Path(tokenizer.name_or_path) / MODEL_FILE

    def is_the_same(saved: Path) -> bool:
        return tokenizer_fingerprint(load_tokenizer(saved, trust_remote_code=trusted)) == fingerprint

    if model.is_file() and is_the_same(model.parent):
        # The very file; saving may write the same pieces in another form.
        folder.mkdir(exist_ok=True)
        shutil.copyfile(model, folder / MODEL_FILE)
    save_tokenizer(tokenizer, folder)
    if not is_the_same(folder):
        raise ValueError(
            f"{tokenizer.name_or_path}: this tokenizer is not the same after it was saved and loaded again. Save it "
            "with save_pretrained, load it from there, and prepare with that one"
        )
    return {"fingerprint": fingerprint, "name": str(tokenizer.name_or_path), "vocab_size": len(tokenizer)}


def summarize(
    merged: PartResult, plans: Sequence[LanguagePlan], identity: dict[str, Any], tokenizer: dict[str, Any]
) -> dict[str, Any]:
    """What `store.json` says, but for what [`finish_store`] adds."""
    chunk_length = identity["chunk_length"]
    languages = {}
    for plan in plans:
        train, held = plan.tokens(False), plan.tokens(True)
        languages[plan.language] = {
            "sentences": merged.report.counts[plan.language] - len(plan.holdout),
            "tokens": train,
            "chunks": -(-train // chunk_length),
            "holdout_sentences": len(plan.holdout),
            "holdout_tokens": held,
            "holdout_chunks": -(-held // chunk_length),
            **{key: n for key, n in asdict(merged.counts[plan.language]).items() if key != "tokens"},
        }
    return {
        "format": STORE_FORMAT,
        "identity": identity,
        "tokenizer": tokenizer,
        "chunk_length": chunk_length,
        "languages": languages,
        "totals": {key: sum(counts[key] for counts in languages.values()) for key in next(iter(languages.values()))},
        "report": merged.report.to_dict(),
    }
