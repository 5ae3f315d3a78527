"""From tokenized pairs to the splits of a pair store."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from hf_mplm.jobs.files import atomic_write

from .dataset_files import write_dataset_files
from .packing import choose_holdout
from .pair_parts import COUNTED, PairCounts
from .parts import Batch


__all__ = ["PairPlan", "pair_features", "plan_pairs", "write_pairs"]

_SHARD_TOKENS = 1 << 27  # 512 MiB of int32


@dataclass(frozen=True)
class PairPlan:
    """The pairs of one language, and which of them are held out.

    Args:
        language (`str`): code.
        label (`int`): its number in the store.
        batches (`tuple[Batch, ...]`): where its pairs are, in the order of the corpus.
        holdout (`np.ndarray`): hashes of the held-out pairs, sorted, each of one pair. Shape: (held out,).
    """

    language: str
    label: int
    batches: tuple[Batch, ...]
    holdout: np.ndarray

    @property
    def num_held(self) -> int:
        """Pairs that are held out."""
        return len(self.holdout)

    def held_counts(self) -> PairCounts:
        """What the held-out pairs come to."""
        counts = PairCounts()
        for batch in self.batches if self.num_held else ():
            pairs = _read(batch)
            pairs = pairs.filter(pa.array(np.isin(pairs.column("hash").to_numpy(), self.holdout)))
            sums = {name: int(pairs.column(name).to_numpy().sum()) for name in COUNTED}
            counts.add(
                PairCounts(
                    pairs=pairs.num_rows,
                    tokens=len(pairs.column("input_ids").flatten()),
                    romanized_tokens=len(pairs.column("romanized_input_ids").flatten()),
                    long_sentences=pairs.column("was_cut").true_count,
                    **sums,
                )
            )
        return counts


def pair_features(languages: Sequence[str]) -> Any:
    """The columns of a pair store."""
    from datasets import ClassLabel, Features, List, Value

    ids = List(Value("int32"))
    return Features(
        {
            "input_ids": ids,
            "romanized_input_ids": ids,
            "was_cut": Value("bool"),
            "language": ClassLabel(names=list(languages)),
        }
    )


def plan_pairs(batches: Sequence[Batch], holdout: int) -> list[PairPlan]:
    """Order the pairs by language, and choose what is held out as a token store does.

    Args:
        batches (`Sequence[Batch]`): all record batches, in the order of the corpus.
        holdout (`int`): pairs of each language to hold out at most.
    """
    by_language: dict[str, list[Batch]] = {}
    for batch in batches:
        by_language.setdefault(batch.language, []).append(batch)
    plans = []
    for label, language in enumerate(sorted(by_language)):
        own = by_language[language]
        chosen = np.empty(0, dtype=np.uint64)
        if holdout:
            hashes = [_read(batch).column("hash").to_numpy() for batch in own]
            chosen = choose_holdout(np.concatenate(hashes), holdout)
        plans.append(PairPlan(language, label, tuple(own), chosen))
    return plans


def _read(batch: Batch) -> pa.RecordBatch:
    with pa.memory_map(batch.path) as source:
        return pa.ipc.open_file(source).get_batch(batch.index)


def _rows(plans: Sequence[PairPlan], held: bool, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    for plan in plans:
        for batch in plan.batches:
            pairs = _read(batch)
            own = np.isin(pairs.column("hash").to_numpy(), plan.holdout) == held
            if not own.any():
                continue
            pairs = pairs.filter(pa.array(own))
            labels = pa.array(np.full(pairs.num_rows, plan.label, dtype=np.int64))
            columns = [pairs.column(name).cast(schema.field(name).type) for name in schema.names[:3]]
            yield pa.RecordBatch.from_arrays([*columns, labels], schema=schema)


def write_pairs(plans: Sequence[PairPlan], folder: Path, fingerprint: str) -> None:
    """Write the splits as `datasets.DatasetDict.save_to_disk` lays them out.

    Args:
        plans (`Sequence[PairPlan]`): all languages, in the order of their labels.
        folder (`Path`): where the store is put together.
        fingerprint (`str`): of all that the content depends on; `datasets` finds its caches by it.
    """
    features = pair_features([plan.language for plan in plans])
    splits = ["train", "holdout"] if any(plan.num_held for plan in plans) else ["train"]
    names = {}
    for split in splits:
        (folder / split).mkdir(parents=True, exist_ok=True)
        rows = _rows(plans, split == "holdout", features.arrow_schema)
        names[split] = _write_shards(rows, folder / split, features)
    write_dataset_files(folder, names, features, {split: f"{fingerprint}{split}" for split in splits})


def _write_shards(rows: Iterator[pa.RecordBatch], folder: Path, features: Any) -> list[str]:
    names: list[str] = []
    batch = next(rows, None)
    while batch is not None:
        names.append(f"data-{len(names):05d}.arrow")
        with (
            atomic_write(folder / names[-1]) as handle,
            pa.ipc.new_stream(handle, features.arrow_schema) as writer,
        ):
            tokens = 0
            while batch is not None and tokens < _SHARD_TOKENS:
                tokens += sum(len(batch.column(i).values) for i in range(2))
                writer.write_batch(batch)
                batch = next(rows, None)
    return names
