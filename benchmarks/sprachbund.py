"""Vectors of languages: sentences a second against a plain loop, memory by size of corpus, and clustering at size.

    python -m benchmarks.sprachbund speed --sentences 1024 --threads 1
    python -m benchmarks.sprachbund memory
    python -m benchmarks.sprachbund cluster --languages 2000

`speed` compares with what one would write otherwise: batches of 32 sentences in the order of the files, all layers.
The ratios are of one run, in which all ways take turns. The encoder has random weights, which cost what learned ones
cost.
"""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from benchmarks._encoders import DATA_DIR, make_encoder, make_tokenizer
from benchmarks._report import report
from hf_mplm.data.corpus.corpora import iter_corpus
from hf_mplm.data.tokenizing.tokenizers import train_tokenizer
from hf_mplm.evaluation.encoder import TransformerEncoder, View
from hf_mplm.sprachbund import LanguageVectors
from hf_mplm.sprachbund.clusters.cluster import cluster_languages
from hf_mplm.sprachbund.vectors.block_sums import BlockSums


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("part", nargs="?", choices=["speed", "memory", "cluster", "one-memory"], default="speed")
    parser.add_argument("--sentences", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden_size", type=int, default=384)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--languages", type=int, default=2000)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    {"speed": speed, "memory": memory, "cluster": cluster, "one-memory": one_memory}[args.part](args)


def speed(args: argparse.Namespace) -> None:
    """Sentences a second of a plain loop, and of ours at several depths."""
    texts = [row["text"] for row in iter_corpus(DATA_DIR / "udhr") if len(row["text"]) >= 20]
    tokenizer = make_tokenizer(texts)
    texts = texts[:: max(1, len(texts) // args.sentences)][: args.sentences]
    model = make_encoder(len(tokenizer), args.layers, args.hidden_size)
    encoder = TransformerEncoder(model, tokenizer, special_tokens=False, device="cpu")
    third, last = round(args.layers / 3), args.layers

    def plain() -> np.ndarray:
        rows = []
        with torch.inference_mode():
            for start in range(0, len(texts), 32):
                batch = tokenizer(
                    texts[start : start + 32],
                    padding=True,
                    truncation=True,
                    max_length=512,
                    return_tensors="pt",
                    return_special_tokens_mask=True,
                )
                mask = batch["attention_mask"] * (1 - batch.pop("special_tokens_mask"))
                states = model(**batch, output_hidden_states=True).hidden_states[last]
                rows.append((states * mask[..., None]).sum(1) / mask.sum(1, keepdim=True))
        return torch.cat(rows).numpy()

    def ours(*views: View) -> Callable[[], np.ndarray]:
        return lambda: encoder.encode_views(texts, views)[1][views[-1]]

    deepest = View(last, "mean")
    ways: dict[str, Callable[[], np.ndarray]] = {
        "plain loop, all layers": plain,
        "ours, last layer": ours(deepest),
        "ours, a third of the depth": ours(View(third, "mean")),
        "ours, three views": ours(View(third, "mean"), View(last, "cls"), deepest),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    vectors = {}
    for _ in range(args.repeats):
        for name, way in ways.items():
            start = time.perf_counter()
            vectors[name] = way()
            seconds[name].append(time.perf_counter() - start)
    reference = seconds["plain loop, all layers"]
    alone = seconds["ours, last layer"]
    rows = [
        {
            "way": name,
            "threads": args.threads,
            "sentences/s": len(texts) / statistics.median(times),
            "times the plain loop": statistics.median(one / two for one, two in zip(reference, times)),
            "time, of the last layer's": statistics.median(two / one for one, two in zip(alone, times)),
        }
        for name, times in seconds.items()
    ]
    report("sprachbund-speed", rows)
    off = np.abs(vectors["ours, last layer"] - vectors["plain loop, all layers"]).max()
    print(f"largest difference at the last layer: {off:.1e}")


def memory(args: argparse.Namespace) -> None:
    """The peak of a whole run on a small corpus and on one a hundred times as large, each in its own process."""
    rows = []
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        texts = [row["text"] for row in iter_corpus(DATA_DIR / "udhr", languages=["eng_Latn", "swh_Latn"])]
        train_tokenizer(texts, folder / "model", vocab_size=800)
        make_encoder(800, 2, 64).save_pretrained(folder / "model")
        for count in (10_000, 1_000_000):
            corpus = folder / f"corpus-{count}"
            corpus.mkdir()
            for number, code in enumerate(("eng_Latn", "deu_Latn", "swh_Latn", "rus_Cyrl")):
                with open(corpus / f"{code}.txt", "w", encoding="utf-8") as handle:
                    for line in range(count // 4):
                        handle.write(f"{texts[(line + number) % len(texts)][:60]} {line} {code}\n")
            command = [sys.executable, "-m", "benchmarks.sprachbund", "one-memory", "--folder", str(corpus)]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append({"sentences": count, "peak MiB": float(done.stdout.split()[-1])})
    report("sprachbund-memory", [{**row, "of the small one": row["peak MiB"] / rows[0]["peak MiB"]} for row in rows])


def one_memory(args: argparse.Namespace) -> None:
    """One run; prints its peak in MiB."""
    from hf_mplm.sprachbund.vectors.compute import compute_language_vectors

    files = sorted(args.folder.glob("*.txt"))
    output = args.folder.with_name(f"{args.folder.name}-out")
    compute_language_vectors(args.folder.parent / "model", files, output, max_sentences=512, layers=[2])
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def cluster(args: argparse.Namespace) -> None:
    """Time and peak of clustering made-up languages, the number chosen by bootstraps."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(6, args.hidden_size))
    blocks = BlockSums.zeros(args.languages, args.hidden_size)
    for row in range(args.languages):
        mean = 2 * centres[row % 6] + generator.normal(size=args.hidden_size)
        blocks.add(row, np.arange(64) % 16, mean + 4 * generator.normal(size=(64, args.hidden_size)))
    vectors = LanguageVectors([f"l{number}" for number in range(args.languages)], {"layer1-mean": blocks})
    start = time.perf_counter()
    found, _ = cluster_languages(vectors)
    row = {
        "languages": args.languages,
        "clusters": len(found.clusters),
        "seconds": time.perf_counter() - start,
        "peak GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }
    report("sprachbund-cluster", [row])


if __name__ == "__main__":
    main()
