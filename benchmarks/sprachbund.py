"""Vectors of languages: sentences a second against a plain loop, memory by size of corpus, and clustering at size.

    python -m benchmarks.sprachbund speed --sentences 1024 --threads 1
    python -m benchmarks.sprachbund memory
    python -m benchmarks.sprachbund cluster --languages 2000
    python -m benchmarks.sprachbund analyse --languages 2000 --permutations 999

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
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks._encoders import DATA_DIR, make_encoder, make_tokenizer
from benchmarks._report import report
from hf_mplm.data.corpus.corpora import iter_corpus
from hf_mplm.data.tokenizing.tokenizers import train_tokenizer
from hf_mplm.evaluation.encoder import TransformerEncoder, View
from hf_mplm.sprachbund import LanguageVectors, analyse
from hf_mplm.sprachbund.clusters.cluster import cluster_languages
from hf_mplm.sprachbund.vectors.block_sums import BlockSums


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "part", nargs="?", choices=["speed", "memory", "cluster", "analyse", "one-memory"], default="speed"
    )
    parser.add_argument("--sentences", type=int, default=1024)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden_size", type=int, default=384)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--languages", type=int, default=2000)
    parser.add_argument("--permutations", type=int, default=999)
    parser.add_argument("--folder", type=Path)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    parts = {"speed": speed, "memory": memory, "cluster": cluster, "analyse": analysed, "one-memory": one_memory}
    parts[args.part](args)


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
    codes = [f"l{number}" for number in range(args.languages)]
    vectors = made_up(codes, ["layer1-mean"], args.hidden_size)
    found, row = measured(lambda: cluster_languages(vectors)[0])
    report("sprachbund-cluster", [{"languages": args.languages, "clusters": len(found.clusters), **row}])


def analysed(args: argparse.Namespace) -> None:
    """Time and peak of analysing made-up vectors of languages that there are, in six views and four clusters."""
    table = resources.files("hf_mplm.languages") / "typology.tsv"
    known = [line.split("\t")[0] for line in table.read_text(encoding="utf-8").splitlines()]
    known = [code for code in known if len(code) == 3 and code.isalpha()]
    # A fifth in other scripts, so that partial correlations have something to take off.
    scripts = ["Latn", "Latn", "Latn", "Latn", "Cyrl"]
    codes = [f"{code}_{scripts[number % 5]}" for number, code in enumerate(known)]
    codes = list(dict.fromkeys(codes))[: args.languages]
    views = ["layer0-mean", "layer4-mean", "layer8-mean", "layer12-mean", "layer12-cls", "characters"]
    vectors = made_up(codes, views, args.hidden_size)
    clusters = {"four": {code: str(number % 4) for number, code in enumerate(codes)}}
    found, row = measured(lambda: analyse(vectors, clusters, permutations=args.permutations))
    report("sprachbund-analyse", [{"languages": len(codes), "findings": len(found.findings), **row}])


def made_up(codes: list[str], views: list[str], width: int) -> LanguageVectors:
    """Random vectors of languages around six centres."""
    generator = np.random.default_rng(0)
    centres = generator.normal(size=(6, width))
    made = {}
    for view in views:
        blocks = made[view] = BlockSums.zeros(len(codes), width)
        for row in range(len(codes)):
            mean = 2 * centres[row % 6] + generator.normal(size=width)
            blocks.add(row, np.arange(64) % 16, mean + 4 * generator.normal(size=(64, width)))
    return LanguageVectors(codes, made)


def measured(work: Callable[[], Any]) -> tuple[Any, dict[str, float]]:
    """What work gives, the time that it took and the processor's, and the peak of memory so far."""
    start, processor = time.perf_counter(), time.process_time()
    found = work()
    return found, {
        "seconds": time.perf_counter() - start,
        "processor seconds": time.process_time() - processor,
        "peak GiB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20,
    }


if __name__ == "__main__":
    main()
