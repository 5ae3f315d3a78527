"""Collating and sampling, beside what a user would run otherwise: `python -m benchmarks.collator`."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from tokenizers import Tokenizer, models
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

from benchmarks._report import report
from hf_mplm.data.batches.collators import DataCollatorForMaskedLM
from hf_mplm.data.batches.randomness import random_words
from hf_mplm.data.batches.sampling import LanguageSampler


VOCABULARY = 250_002
BATCH, LENGTH = 32, 512


def best_seconds(function: Callable[[], object], repeat: int = 20) -> float:
    """The fastest of several runs: what the work costs when nothing else runs."""
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        function()
        times.append(time.perf_counter() - start)
    return min(times)


def xlm_r_sized_tokenizer() -> PreTrainedTokenizerFast:
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    vocabulary = {token: index for index, token in enumerate(special)}
    vocabulary.update({f"w{index}": index for index in range(len(special), VOCABULARY)})
    names = dict(zip(("bos_token", "pad_token", "eos_token", "unk_token", "mask_token"), special))
    return PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.WordLevel(vocabulary, "<unk>")), **names)


def collators() -> list[dict[str, object]]:
    tokenizer = xlm_r_sized_tokenizer()
    generator = np.random.default_rng(0)
    equal = [generator.integers(5, VOCABULARY, LENGTH) for _ in range(BATCH)]
    ragged = [row[: generator.integers(LENGTH // 8, LENGTH + 1)] for row in equal]
    ours = DataCollatorForMaskedLM(tokenizer, seed=0)
    stock = DataCollatorForLanguageModeling(tokenizer=tokenizer, pad_to_multiple_of=8)
    measured = []
    for shape, rows in (("equal", equal), ("ragged", ragged)):
        for kind in ("list", "numpy"):
            ids = [row.tolist() if kind == "list" else row for row in rows]
            features = [{"input_ids": row, "language": 0, "draw": index} for index, row in enumerate(ids)]
            plain = [{"input_ids": row} for row in ids]
            for name, run in (
                ("DataCollatorForMaskedLM", lambda: ours(features)),  # noqa: B023
                ("DataCollatorForLanguageModeling", lambda: stock(plain)),  # noqa: B023
            ):
                seconds = best_seconds(run)
                measured.append(
                    {
                        "collator": name,
                        "rows": f"{BATCH} x {LENGTH} {shape}",
                        "input": kind,
                        "milliseconds": seconds * 1e3,
                        "tokens_per_second": sum(map(len, ids)) / seconds,
                    }
                )
    return measured


def made_for_each_row(draws: np.ndarray, length: int) -> list[np.ndarray]:
    """The alternative to Philox written with array operations: NumPy's own, made anew for each row."""
    key = np.array([0, 1], dtype=np.uint64)
    zero = np.uint64(0)
    return [np.random.Philox(key=key, counter=np.array([zero, zero, draw, zero])).random_raw(length) for draw in draws]


def generators() -> list[dict[str, object]]:
    measured = []
    for batch, length in ((32, 512), (256, 64)):
        draws = np.arange(batch, dtype=np.uint64)
        for name, run in (
            ("Philox4x32 with array operations", lambda: random_words(0, 1, draws, length)),  # noqa: B023
            ("np.random.Philox made for each row", lambda: made_for_each_row(draws, length)),  # noqa: B023
        ):
            row = {"generator": name, "rows": f"{batch} x {length}", "milliseconds": best_seconds(run) * 1e3}
            measured.append(row)
    return measured


def sampling() -> list[dict[str, object]]:
    generator = np.random.default_rng(0)
    sizes = (10 ** generator.uniform(2, 6.1, 600)).astype(int)
    labels = np.repeat(np.arange(600), sizes).astype(np.int16)
    steps = [[0.0, 0.7], [0.6, 0.5], [0.9, 0.3]]
    measured = []
    for name, alpha in (("constant", 0.3), ("steps", steps)):

        def make() -> LanguageSampler:
            return LanguageSampler(labels, alpha=alpha, num_draws=10**9)  # noqa: B023

        measured.append(
            {
                "alpha": name,
                "languages": 600,
                "rows": len(labels),
                "make_milliseconds": best_seconds(make, 3) * 1e3,
                "make_and_draw_number_1e9_milliseconds": best_seconds(lambda: make().row(10**9 - 1), 3) * 1e3,
                "microseconds_a_draw": best_seconds(lambda: make().rows(0, 50_000), 3) / 50_000 * 1e6,
            }
        )
    return measured


def main() -> None:
    report("collator", collators())
    report("mask-generators", generators())
    report("sampling", sampling())


if __name__ == "__main__":
    main()
