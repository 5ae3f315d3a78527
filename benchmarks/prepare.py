"""Sentences per second of `hf-mplm prepare`, against `datasets.map(tokenize, batched) + group_texts` on the same text.

    python -m benchmarks.prepare [--corpus FOLDER] [--tokenizer FOLDER] [--repeats 3] [--max_sentences 100000]

Both read the same `CODE.txt` files, use one process and one thread, begin without caches, and end with Arrow files on
disk. The two take turns; the ratio is the median of the ratios of each turn.
"""

from __future__ import annotations

import argparse
import itertools
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any


CORPUS = Path(__file__).resolve().parents[1] / "tests" / "assets" / "udhr"
CHUNK_LENGTH = 512


def write_corpus(source: str, folder: Path, most: int) -> int:
    """Copy the sentences of a corpus as one file a language; how many there are."""
    from hf_mplm.data.corpus.corpora import iter_corpus

    texts: dict[str, list[str]] = {}
    for row in itertools.islice(iter_corpus(source), most):
        texts.setdefault(row["language"], []).append(row["text"])
    folder.mkdir()
    for language, lines in texts.items():
        (folder / f"{language}.txt").write_text("".join(f"{line}\n" for line in lines), encoding="utf-8", newline="\n")
    return sum(map(len, texts.values()))


def ours(corpus: Path, tokenizer: str, output: Path) -> int:
    """`prepare_store`; the number of its tokens."""
    from hf_mplm.data.store.prepare import prepare_store

    return prepare_store(corpus, tokenizer, output, chunk_length=CHUNK_LENGTH).info["totals"]["tokens"]


def theirs(corpus: Path, tokenizer: str, output: Path) -> int:
    """What the examples of transformers do, language by language; the number of its tokens."""
    from datasets import Dataset, concatenate_datasets

    from hf_mplm.data.tokenizing.tokenizers import load_tokenizer

    loaded = load_tokenizer(tokenizer)

    def tokenize(batch: dict[str, list[str]]) -> Any:
        return loaded(batch["text"], return_special_tokens_mask=True)

    def group_texts(batch: dict[str, list[list[int]]]) -> dict[str, list[list[int]]]:
        joined = {key: list(itertools.chain(*values)) for key, values in batch.items()}
        total = len(joined["input_ids"])
        return {
            key: [ids[start : start + CHUNK_LENGTH] for start in range(0, total, CHUNK_LENGTH)]
            for key, ids in joined.items()
        }

    grouped = []
    for file in sorted(corpus.glob("*.txt")):
        with open(file, encoding="utf-8", newline="\n") as handle:
            rows = Dataset.from_dict({"text": [line.rstrip("\n") for line in handle]})
        tokens = rows.map(tokenize, batched=True, remove_columns=["text"], load_from_cache_file=False)
        grouped.append(tokens.map(group_texts, batched=True, load_from_cache_file=False))
    dataset = concatenate_datasets(grouped)
    dataset.save_to_disk(str(output))
    return sum(len(ids) for ids in dataset["input_ids"])


def seconds(function: Callable[..., int], *args: Any) -> tuple[float, int]:
    """How long a call takes, and what it gives."""
    start = time.perf_counter()
    result = function(*args)
    return time.perf_counter() - start, result


def main() -> None:
    """Measure, print and write the table."""
    # One thread each, so that the ratio is one of work and not of cores.
    os.environ["TOKENIZERS_PARALLELISM"] = "false"
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", default=str(CORPUS), help="what hf-mplm prepare reads")
    parser.add_argument("--tokenizer", help="folder or Hub id; one is trained on the corpus by default")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--max_sentences", type=int, default=100_000)
    arguments = parser.parse_args()

    from datasets import disable_progress_bars

    from benchmarks._report import report
    from hf_mplm.data.corpus.corpora import iter_corpus
    from hf_mplm.data.tokenizing.tokenizers import train_tokenizer

    disable_progress_bars()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        n = write_corpus(arguments.corpus, folder / "corpus", arguments.max_sentences)
        tokenizer = arguments.tokenizer
        if tokenizer is None:
            tokenizer = str(folder / "tokenizer")
            texts = (row["text"] for row in iter_corpus(folder / "corpus"))
            train_tokenizer(texts, tokenizer, vocab_size=800, character_coverage=0.98, num_threads=1)
        turns = []
        for turn in range(arguments.repeats):
            mine, my_tokens = seconds(ours, folder / "corpus", tokenizer, folder / f"ours-{turn}")
            other, other_tokens = seconds(theirs, folder / "corpus", tokenizer, folder / f"theirs-{turn}")
            if my_tokens != other_tokens:
                raise RuntimeError(f"the two made {my_tokens} and {other_tokens} tokens of the same text")
            turns.append((mine, other))
    ratio = statistics.median(other / mine for mine, other in turns)
    mine, other = (statistics.median(times) for times in zip(*turns))
    common = {"sentences": n, "tokens": my_tokens, "turns": arguments.repeats}
    path = report(
        "prepare",
        [
            {"what": "datasets.map + group_texts", "sentences_per_second": n / other, "ratio": 1.0, **common},
            {"what": "hf-mplm prepare", "sentences_per_second": n / mine, "ratio": ratio, **common},
        ],
    )
    print(f"written to {path}")


if __name__ == "__main__":
    main()
