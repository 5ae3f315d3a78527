"""Scoring a fine-tuned classifier on every language: `predict` against padding each text to the window.

    python -m benchmarks.classification --languages 4

The plain way pads to 160 tokens, in batches of 8 in the order of the file, as the papers' scripts do. Both sides share
one model and the same tokens, and are timed in turn; the predictions must be the same.
"""

from __future__ import annotations

import argparse
import statistics
import time

import torch
from transformers import XLMRobertaConfig, XLMRobertaForSequenceClassification

from benchmarks._encoders import DATA_DIR, make_encoder, make_tokenizer
from benchmarks._report import report
from hf_mplm.evaluation.benchmarks.sib200 import LABELS, TASK, Sib200Corpus
from hf_mplm.evaluation.kinds.finetuning import finetuning_settings, predict


PLAIN_BATCH = 8


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--languages", type=int, default=None, help="only the first few")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden_size", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=1)
    args = parser.parse_args()
    corpus = Sib200Corpus(DATA_DIR)
    texts = {code: corpus.examples(code, "test") for code in corpus.languages()}
    tokenizer = make_tokenizer(example.text for examples in texts.values() for example in examples)
    config: XLMRobertaConfig = make_encoder(len(tokenizer), args.layers, args.hidden_size).config
    config.num_labels = len(LABELS)
    torch.manual_seed(0)
    model = XLMRobertaForSequenceClassification(config).eval()
    settings = finetuning_settings("sib200")
    chosen = list(texts)[: args.languages]
    rows = [TASK.features(texts[code], tokenizer, settings, train=False).rows for code in chosen]

    def plain() -> list[list[int]]:
        predictions = []
        with torch.inference_mode():
            for language in rows:
                found: list[int] = []
                for start in range(0, len(language), PLAIN_BATCH):
                    ids = [{"input_ids": row["input_ids"]} for row in language[start : start + PLAIN_BATCH]]
                    batch = tokenizer.pad(
                        ids, padding="max_length", max_length=settings.max_length, return_tensors="pt"
                    )
                    found += model(**batch).logits.argmax(-1).tolist()
                predictions.append(found)
        return predictions

    def ours() -> list[list[int]]:
        return [
            predict(model, language, collate=lambda batch: TASK.collate(batch, tokenizer), decode=TASK.decode)
            for language in rows
        ]

    seconds: dict[str, list[float]] = {"plain": [], "ours": []}
    outcomes = {}
    for _ in range(args.repeats):
        for name, way in (("plain", plain), ("ours", ours)):
            start = time.perf_counter()
            outcomes[name] = way()
            seconds[name].append(time.perf_counter() - start)
    pairs = [pair for one, other in zip(outcomes["plain"], outcomes["ours"]) for pair in zip(one, other)]
    lengths = [len(row["input_ids"]) for language in rows for row in language]
    report(
        "classification",
        [
            {
                "languages": len(chosen),
                "texts": len(lengths),
                "mean tokens": statistics.mean(lengths),
                "plain s": statistics.median(seconds["plain"]),
                "ours s": statistics.median(seconds["ours"]),
                "ratio": statistics.median(a / b for a, b in zip(seconds["plain"], seconds["ours"])),
                "equal predictions": statistics.mean(float(a == b) for a, b in pairs),
            }
        ],
    )


if __name__ == "__main__":
    main()
