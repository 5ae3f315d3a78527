"""Encoding throughput: `TransformerEncoder` against sentence-transformers' `encode`, on the same model and sentences.

    pip install sentence-transformers      # not a dependency of this package
    python -m benchmarks.encoding --sentences 2000

Both pool the last layer by the mean over all tokens; sentence-transformers cannot stop earlier. A third line stops at
the default layer, as retrieval does.
"""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable

import numpy as np

from benchmarks._encoders import DATA_DIR, make_encoder, make_tokenizer
from benchmarks._report import report
from hf_mplm.evaluation.benchmarks.tatoeba import TatoebaCorpus
from hf_mplm.evaluation.encoder import TransformerEncoder


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=2000)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden_size", type=int, default=768)
    parser.add_argument("--repeats", type=int, default=3)
    args = parser.parse_args()
    try:
        from sentence_transformers import SentenceTransformer
    except ImportError as error:
        raise SystemExit(f"{error}; this benchmark compares with it: pip install sentence-transformers") from error
    corpus = TatoebaCorpus(DATA_DIR)
    texts = list(dict.fromkeys(text for code in corpus.languages() for text in corpus.pair("eng_Latn", code).target))
    tokenizer = make_tokenizer(texts)
    texts = texts[:: max(1, len(texts) // args.sentences)][: args.sentences]
    model = make_encoder(len(tokenizer), args.layers, args.hidden_size)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        other = SentenceTransformer(folder, device="cpu")
    whole = TransformerEncoder(model, tokenizer, layer=args.layers, device="cpu")
    default = TransformerEncoder(model, tokenizer, device="cpu")
    ways: dict[str, Callable[[], np.ndarray]] = {
        "sentence-transformers": lambda: other.encode(texts, show_progress_bar=False),
        "ours, last layer": lambda: whole.encode(texts),
        f"ours, layer {default.layer}": lambda: default.encode(texts),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    vectors: dict[str, np.ndarray] = {}
    for _ in range(args.repeats):
        for name, encode in ways.items():
            start = time.perf_counter()
            vectors[name] = encode()
            seconds[name].append(time.perf_counter() - start)
    reference, *_ = ways
    rows = [
        {
            "encoder": name,
            "sentences": len(texts),
            "sentences/s": len(texts) / statistics.median(times),
            "ratio": statistics.median(one / two for one, two in zip(seconds[reference], times)),
            "largest difference": float(np.abs(vectors[name] - vectors[reference]).max()),
        }
        for name, times in seconds.items()
    ]
    report("encoding", rows)


if __name__ == "__main__":
    main()
