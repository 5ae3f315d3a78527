"""Sentence retrieval over Tatoeba and SIB-200: `RetrievalTask` against the plain way of the papers' scripts.

    python -m benchmarks.retrieval                               # all languages, whole files: hours on a small machine
    python -m benchmarks.retrieval --languages 6 --sentences 64     # the same comparison on a part of it
    python -m benchmarks.retrieval --memory                         # peak memory by the number of languages

The plain way: one pair of languages after the other, 128 sentences a batch in the order of the file, padded to the
longest of the batch, all layers computed, English encoded anew for each language. Both sides share one set of weights
and are timed in turn; the accuracies must be the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from benchmarks._encoders import DATA_DIR, make_encoder, make_tokenizer
from benchmarks._report import report
from hf_mplm.evaluation.benchmarks.flores import FloresCorpus
from hf_mplm.evaluation.benchmarks.tatoeba import TatoebaCorpus
from hf_mplm.evaluation.encoder import TransformerEncoder
from hf_mplm.evaluation.kinds import retrieval
from hf_mplm.evaluation.kinds.retrieval import ParallelCorpus, ParallelText
from hf_mplm.evaluation.measured import MeasuredModel
from hf_mplm.evaluation.runner import evaluate


CORPORA = {"tatoeba": TatoebaCorpus, "flores": FloresCorpus}
ENGLISH = "eng_Latn"
PLAIN_BATCH = 128


def read_pairs(corpus: ParallelCorpus, languages: int | None, sentences: int | None) -> dict[str, ParallelText]:
    """The sentence pairs of English with every other language, or with the first few."""
    codes = [code for code in corpus.languages() if code != ENGLISH][:languages]
    return {code: corpus.pair(ENGLISH, code).without_empty().first(sentences) for code in codes}


def plain(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, pairs: dict[str, ParallelText], layer: int
) -> dict[str, float]:
    """Top-10 accuracy as the papers' scripts compute it."""
    accuracy = {}
    for code, pair in pairs.items():
        english, other = (_plain_vectors(model, tokenizer, side, layer) for side in (pair.source, pair.target))
        scores = english @ other.T
        top = np.argsort(-scores, axis=1, kind="stable")[:, :10]
        accuracy[code] = float((top == np.arange(len(top))[:, None]).any(axis=1).mean())
    return accuracy


def _plain_vectors(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase, texts: Sequence[str], layer: int
) -> np.ndarray:
    pooled = []
    for start in range(0, len(texts), PLAIN_BATCH):
        batch = tokenizer(
            list(texts[start : start + PLAIN_BATCH]),
            padding=True,
            truncation=True,
            max_length=512,
            return_tensors="pt",
        )
        with torch.inference_mode():
            states = model(**batch, output_hidden_states=True).hidden_states[layer]
        mask = batch["attention_mask"][..., None].float()
        pooled.append(((states * mask).sum(1) / mask.sum(1)).numpy())
    vectors = np.concatenate(pooled)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def ours(
    encoder: TransformerEncoder, task: str, pairs: dict[str, ParallelText], sentences: int | None
) -> dict[str, float]:
    """The same numbers by `evaluate`."""
    limit = {} if sentences is None else {"max_sentences": {task: sentences}}
    rows = evaluate(encoder, task, DATA_DIR, list(pairs), **limit)
    return {row.language: row.value for row in rows if row.metric == "accuracy@10"}


def compare(args: argparse.Namespace) -> None:
    """Time both ways in turn."""
    pairs = {
        task: read_pairs(CORPORA[task](DATA_DIR), args.languages, args.sentences) for task in args.tasks.split(",")
    }
    # Trained on all sentences, so that a part of them is cut as finely as the whole.
    whole = {task: read_pairs(CORPORA[task](DATA_DIR), None, None) for task in pairs}
    texts = [text for task in whole.values() for pair in task.values() for text in (*pair.source, *pair.target)]
    tokenizer = make_tokenizer(texts)
    model = make_encoder(len(tokenizer), args.layers, args.hidden_size)
    encoder = TransformerEncoder(model, tokenizer, device="cpu", name="benchmark")
    rows = []
    for task, found in pairs.items():
        seconds: dict[str, list[float]] = {"plain": [], "ours": []}
        for _ in range(args.repeats):
            start = time.perf_counter()
            expected = plain(model, tokenizer, found, encoder.layer)
            seconds["plain"].append(time.perf_counter() - start)
            start = time.perf_counter()
            measured = ours(encoder, task, found, args.sentences)
            seconds["ours"].append(time.perf_counter() - start)
        ratios = [one / other for one, other in zip(seconds["plain"], seconds["ours"])]
        rows.append(
            {
                "task": task,
                "languages": len(found),
                "sentence pairs": sum(len(pair.source) for pair in found.values()),
                "layers": f"{encoder.layer} of {args.layers}",
                "plain s": statistics.median(seconds["plain"]),
                "ours s": statistics.median(seconds["ours"]),
                "ratio": statistics.median(ratios),
                # Ties and rounding may move single sentences.
                "largest difference": max(abs(expected[code] - measured[code]) for code in expected),
            }
        )
    report("retrieval", rows)


def measure_memory(languages: int) -> float:
    """Peak resident memory of this process, in MB, after retrieving over so many languages."""
    rng = np.random.default_rng(0)

    class Corpus:
        def languages(self) -> list[str]:
            return [f"{number:03d}" for number in range(languages)]

        def pair(self, source: str, target: str) -> ParallelText:
            return ParallelText([f"{target} s{n}" for n in range(1000)], [f"{target} t{n}" for n in range(1000)])

    class Encoder:
        name, revision, layer = "random", "", -1

        def encode(self, texts: Sequence[str], *, progress: bool = False) -> np.ndarray:
            return rng.normal(size=(len(texts), 768)).astype(np.float32)

    corpus = Corpus()
    context = retrieval.Context(MeasuredModel("random", "", -1, Encoder), Path("."))
    task = retrieval.RetrievalTask("memory", lambda _: corpus, shared_source=False)
    context.rows = lambda *_, **__: []  # type: ignore[method-assign]
    for _ in task.evaluate(context, corpus.languages()):
        pass
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tasks", default="tatoeba,flores")
    parser.add_argument("--languages", type=int, default=None, help="only the first few of each task")
    parser.add_argument("--sentences", type=int, default=None, help="only the first few of each language")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden_size", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=1)
    parser.add_argument("--memory", action="store_true", help="peak memory by the number of languages instead")
    parser.add_argument("--memory_of", type=int, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of is not None:
        print(json.dumps(measure_memory(args.memory_of)))
    elif args.memory:
        rows = []
        for languages in (20, 40, 80, 160):
            command = [sys.executable, "-m", "benchmarks.retrieval", "--memory_of", str(languages)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append({"languages": languages, "sentences": 2000 * languages, "peak MB": json.loads(done.stdout)})
        report("retrieval_memory", rows)
    else:
        compare(args)


if __name__ == "__main__":
    main()
