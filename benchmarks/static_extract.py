"""Extracting static embeddings: targets a second over all epochs against the published way, and memory by corpus size.

    python -m benchmarks.static_extract --sentences 400
    python -m benchmarks.static_extract --memory --layers 2 --layer 1

The published way reads every sentence again in every epoch, 128 at a time as they come, runs all layers, and goes
through the targets in a Python loop, with a lookup for each of the negatives and torch's SparseAdam. Ours is the whole
of `extract_static`: words counted, sentences encoded once up to the layer, contexts written, vectors trained. Both use
one thread and the same encoder, random but of real size, which costs what a learned one costs. The seconds are the
CPU's of the process, which other work on the machine hardly changes.

With `--memory`: the peak of a process of its own, for a text of 8 parts and for one of 64 with as many words, and by
how much it exceeds what the process held before. Contexts that training has mapped into memory count as long as the
system has room for them.
"""

from __future__ import annotations

import argparse
import json
import math
import random
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional as F
from transformers import AutoModel, AutoTokenizer

from benchmarks._encoders import DATA_DIR, make_encoder, make_tokenizer
from benchmarks._report import report
from hf_mplm.evaluation.benchmarks.tatoeba import TatoebaCorpus
from hf_mplm.static.extraction.encoder import one_thread
from hf_mplm.static.extraction.extract import EXTRACTION_FILE, extract_static
from hf_mplm.static.extraction.settings import ExtractionSettings
from hf_mplm.static.words import segment_words


CODE = "eng_Latn"
SENTENCES_PER_STEP = 128
PARTS = (8, 64)


def published(folder: Path, lines: list[str], settings: ExtractionSettings) -> tuple[int, float]:
    """Train as the published code does; the targets of all epochs, and CPU seconds."""
    model = AutoModel.from_pretrained(folder, trust_remote_code=False).eval()
    tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    start = time.process_time()
    counts: dict[str, int] = {}
    sentences = []
    for line in lines:
        words = segment_words(line, CODE)
        if len(words) >= settings.min_words:
            sentences.append((line, words))
            for word in words:
                counts[word] = counts.get(word, 0) + 1
    index = {word: row for row, word in enumerate(word for word, n in counts.items() if n >= settings.min_count)}
    total = sum(counts[word] for word in index)
    shares = {word: settings.subsample * total / counts[word] for word in index}
    keep = {word: min(1.0, math.sqrt(share) + share) for word, share in shares.items()}
    weights = torch.tensor([math.sqrt(counts[word]) for word in index])
    embeddings = torch.nn.Embedding(len(index), model.config.hidden_size, sparse=True)
    torch.nn.init.uniform_(embeddings.weight, -1 / model.config.hidden_size, 1 / model.config.hidden_size)
    optimizer = torch.optim.SparseAdam(embeddings.parameters(), lr=settings.learning_rate)
    drawing = random.Random(0)
    n_targets = 0
    for _ in range(settings.epochs):
        drawing.shuffle(sentences)
        for begin in range(0, len(sentences), SENTENCES_PER_STEP):
            batch = sentences[begin : begin + SENTENCES_PER_STEP]
            rows = [tokenizer(line, truncation=True, max_length=settings.max_length)["input_ids"] for line, _ in batch]
            inputs = tokenizer.pad({"input_ids": rows}, return_tensors="pt")
            with torch.no_grad():
                hidden = model(**inputs, output_hidden_states=True).hidden_states[settings.layer]
            mask = inputs["attention_mask"][:, :, None]
            means = (hidden * mask).sum(1) / mask.sum(1)
            contexts, words = [], []
            for row, (_, of_sentence) in enumerate(batch):
                for word in of_sentence:
                    if word in index and drawing.random() < keep[word]:
                        contexts.append(means[row])
                        words.append(index[word])
            if not words:
                continue
            context = torch.stack(contexts)[:, :, None]
            score = torch.bmm(embeddings(torch.tensor(words))[:, None], context)
            loss = F.softplus(-score).mean()
            drawn = torch.multinomial(weights, len(words) * settings.negatives, replacement=True)
            for negative in drawn.view(settings.negatives, -1):
                loss = loss + F.softplus(torch.bmm(embeddings(negative)[:, None], context)).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            loss.item()
            n_targets += len(words)
    return n_targets, time.process_time() - start


def ours(folder: Path, corpus: Path, output: Path, settings: ExtractionSettings) -> tuple[int, float]:
    """Extract; the targets of all epochs, and CPU seconds."""
    start = time.process_time()
    extract_static(folder, corpus, output, settings)
    seconds = time.process_time() - start
    info = json.loads((output / EXTRACTION_FILE).read_text(encoding="utf-8"))
    return sum(info["words"][CODE]["targets"]), seconds


def peak_memory(folder: Path, corpus: Path, settings: dict[str, Any], part_bytes: int) -> tuple[float, float]:
    """What a process holds that is about to extract, and its peak when it has, in MB."""
    child = (
        "import json, sys; from benchmarks import static_extract as b\n"
        "folder, corpus, settings, part_bytes = json.loads(sys.stdin.read())\n"
        "b.measure(b.Path(folder), b.Path(corpus), settings, part_bytes)\n"
    )
    given = json.dumps([str(folder), str(corpus), settings, part_bytes])
    done = subprocess.run([sys.executable, "-c", child], input=given, capture_output=True, text=True, check=True)
    before, peak = map(float, done.stdout.strip().splitlines()[-1].split())
    return before, peak


def measure(folder: Path, corpus: Path, settings: dict[str, Any], part_bytes: int) -> None:
    """In a process of its own: extract, and print the peak of this process before and after, in MB."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with tempfile.TemporaryDirectory() as output:
        extract_static(folder, corpus, Path(output) / "o", ExtractionSettings(**settings), part_bytes=part_bytes)
    print(before / 1024, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def write(folder: Path, lines: list[str]) -> Path:
    """A corpus of one language."""
    folder.mkdir()
    (folder / f"{CODE}.txt").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sentences", type=int, default=400)
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--hidden_size", type=int, default=384)
    parser.add_argument("--layer", type=int, default=6)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory", action="store_true", help="measure memory instead of speed, of 8 and of 64 parts")
    parser.add_argument("--part_bytes", type=int, default=4096, help="of --memory: text of a part")
    args = parser.parse_args()
    tatoeba = TatoebaCorpus(DATA_DIR)
    pairs = [tatoeba.pair("eng_Latn", code) for code in tatoeba.languages() if code != CODE]
    lines = list(dict.fromkeys(line for pair in pairs for line in pair.source if len(line.split()) >= 7))
    random.Random(0).shuffle(lines)
    few = lines[: args.sentences]
    tokenizer = make_tokenizer([*lines, *(line for pair in pairs for line in pair.target)])
    model = make_encoder(len(tokenizer), args.layers, args.hidden_size)
    shared: dict[str, Any] = {"layer": args.layer, "min_count": 2, "subsample": 1e-3}
    rows = []
    with tempfile.TemporaryDirectory() as name, one_thread():
        place = Path(name)
        model.save_pretrained(place / "model")
        tokenizer.save_pretrained(place / "model")
        if args.memory:
            return compare_memory(place, {**shared, "max_words": 500}, lines, args.part_bytes)
        corpus = write(place / "corpus", few)
        rates: dict[str, list[float]] = {}
        for repeat in range(args.repeats):
            for context in ("with-target", "without-target"):
                settings = ExtractionSettings(**shared, context=context)
                n, seconds = ours(place / "model", corpus, place / f"{context}-{repeat}", settings)
                rates.setdefault(f"ours, {context}", []).append(n / seconds)
            n, seconds = published(place / "model", few, ExtractionSettings(**shared))
            rates.setdefault("published", []).append(n / seconds)
        for way, values in rates.items():
            ratio = np.median([one / other for one, other in zip(values, rates["published"])])
            rows.append(
                {"way": way, "sentences": len(few), "targets/s": float(np.median(values)), "ratio": float(ratio)}
            )
    report("static_extract", rows)


def compare_memory(place: Path, settings: dict[str, Any], lines: list[str], part_bytes: int) -> None:
    """Report the peak of a process for a text of few parts and for one of many."""
    ends = np.cumsum([len(line.encode()) + 1 for line in lines])
    if ends[-1] < PARTS[-1] * part_bytes:
        raise ValueError(
            f"{ends[-1]:,} bytes of text are fewer than {PARTS[-1]} parts of {part_bytes:,}; give --part_bytes "
            f"{ends[-1] // PARTS[-1]}"
        )
    rows: list[dict[str, Any]] = []
    for parts in PARTS:
        text = lines[: int(np.searchsorted(ends, parts * part_bytes))]
        before, peak = peak_memory(place / "model", write(place / f"n{parts}", text), settings, part_bytes)
        first = rows[0]["peak MB"] if rows else peak
        rows.append(
            {
                "parts": parts,
                "sentences": len(text),
                "peak MB": round(peak),
                "beyond start MB": round(peak - before),
                "ratio": peak / first,
            }
        )
    report("static_extract_memory", rows)


if __name__ == "__main__":
    main()
