"""Self-learning of `hf-mplm static map`: an iteration against four separate products, and the memory of a whole map.

    python -m benchmarks.static_map                                   # 7,000 and 5,600 words of 384 dimensions
    python -m benchmarks.static_map --words 20000 20000 --width 768   # the default cutoff, XLM-R base
    python -m benchmarks.static_map --memory                          # 200,000 words of 768 dimensions a side

The plain way: a product for the penalties of each side, one for the dictionary of each direction, and chance by a mask
of random numbers, all in blocks of 64 MB. Both use one thread, in turn, and are timed by the processor's clock, so
that other work on the machine counts for neither; penalties and dictionaries without chance must be the same.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from benchmarks._report import report
from hf_mplm.static.embeddings import StaticEmbeddings
from hf_mplm.static.hub_mapping import MappingSettings, map_to_hub
from hf_mplm.static.mapping import normalise_vectors
from hf_mplm.static.neighbours import Similarities
from hf_mplm.static.self_learning import SelfLearning
from hf_mplm.static.word_table import WordTable


NEIGHBOURS, KEEP, BLOCK = 10, 0.1, 16_000_000


def make_sides(words: tuple[int, int], width: int) -> tuple[Tensor, Tensor]:
    """Normalised vectors of two languages: the one is the other, turned, with noise."""
    generator = torch.Generator().manual_seed(0)
    size = max(words)
    first = torch.randn(size, width, generator=generator) * torch.linspace(2, 0.3, width)
    turn = torch.linalg.qr(torch.randn(width, width, generator=generator))[0]
    second = first @ turn + 0.5 * torch.randn(size, width, generator=generator)
    return normalise_vectors(first[: words[0]]), normalise_vectors(second[: words[1]] @ turn.T)


def plain_penalty(vectors: Tensor, others: Tensor) -> Tensor:
    """One product for the penalties of one side."""
    step = max(1, BLOCK // len(others))
    return torch.cat([(block @ others.T).topk(NEIGHBOURS, dim=1).values.mean(dim=1) for block in vectors.split(step)])


def plain_dictionary(vectors: Tensor, others: Tensor, penalty: Tensor, keep: float) -> Tensor:
    """One product for the dictionary of one direction."""
    found = []
    for block in vectors.split(max(1, BLOCK // len(others))):
        scores = 2 * (block @ others.T) - penalty
        if keep < 1:
            scores[torch.rand(scores.shape) >= keep] = -torch.inf
        found.append(scores.argmax(dim=1))
    return torch.cat(found)


def plain(source: Tensor, target: Tensor, keep: float) -> tuple[Tensor, ...]:
    """Penalties and dictionaries of both sides from four products."""
    source_penalty, target_penalty = plain_penalty(source, target), plain_penalty(target, source)
    forward = plain_dictionary(source, target, target_penalty, keep)
    return source_penalty, target_penalty, forward, plain_dictionary(target, source, source_penalty, keep)


def ours(similarities: Similarities, source: Tensor, keep: float) -> tuple[Tensor, ...]:
    """The same from one."""
    similarities.update(source)
    return similarities.source_penalty, similarities.target_penalty, *similarities.match(keep)


def seconds(work: Callable[[], object]) -> float:
    """Seconds of the processor."""
    start = time.process_time()
    work()
    return time.process_time() - start


def compare(words: tuple[int, int], width: int, repeats: int) -> None:
    """Time both ways in turn."""
    torch.set_num_threads(1)
    source, target = make_sides(words, width)
    similarities = Similarities(source, target, NEIGHBOURS)
    expected, found = plain(source, target, 1.0), ours(similarities, source, 1.0)
    for ours_, theirs in zip(found[:2], expected[:2]):
        assert torch.allclose(ours_, theirs, atol=1e-4)
    # Scores that differ by less than a kept cosine's rounding may change places.
    same = min(float((one == other).float().mean()) for one, other in zip(found[2:], expected[2:]))
    assert same > 0.995, same
    product = [seconds(lambda: source @ target.T) for _ in range(repeats)]
    times: dict[str, list[float]] = {"plain": [], "ours": []}
    for _ in range(repeats):
        times["plain"].append(seconds(lambda: plain(source, target, KEEP)))
        times["ours"].append(seconds(lambda: ours(similarities, source, KEEP)))
    row = {
        "words": f"{words[0]:,} x {words[1]:,}",
        "dimensions": width,
        "one product s": statistics.median(product),
        "plain s": statistics.median(times["plain"]),
        "ours s": statistics.median(times["ours"]),
        "ratio": statistics.median(one / other for one, other in zip(times["plain"], times["ours"])),
        "same dictionary": same,
    }
    report("static_map", [row])


def measure_memory(words: int, width: int) -> dict[str, float]:
    """Map one language onto the hub by self-learning, and say what it took beyond the vectors, in MiB."""
    torch.set_num_threads(1)
    rng = np.random.default_rng(0)
    tables = []
    for language in ("deu_Latn", "eng_Latn"):
        vectors = np.empty((words, width), dtype=np.float32)
        for block in np.array_split(vectors, max(1, words // 4096)):
            block[:] = rng.standard_normal(block.shape, dtype=np.float32)
        tables.append(WordTable(language, [f"w{n}" for n in range(words)], np.zeros(words, dtype=np.int64), vectors))
    static = StaticEmbeddings(tables)
    del tables, vectors
    dictionary = {"deu_Latn": [(f"w{n}", f"w{n}") for n in range(5000)]}
    # Few iterations, because all of them use the same memory.
    learning = SelfLearning(keep=1.0, patience=1, threshold=1.0)
    settings = MappingSettings(mode="semi-supervised", held_out=0, self_learning=learning)
    before = resident("VmRSS")
    map_to_hub(static, "eng_Latn", dictionary, settings, device="cpu", overwrite=True)
    return {"vectors MiB": 2 * words * width * 4 / 2**20, "beyond MiB": resident("VmHWM") - before}


def resident(which: str) -> float:
    """What this process has in memory now (`VmRSS`) or had at most (`VmHWM`), in MiB."""
    try:
        with open("/proc/self/status", encoding="ascii") as lines:
            return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(which))
    except FileNotFoundError:
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Parse the command line and run."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--words", type=int, nargs=2, default=(7000, 5600))
    parser.add_argument("--width", type=int, default=384)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--memory", action="store_true", help="memory of a whole map instead")
    parser.add_argument("--memory_words", type=int, default=200_000)
    parser.add_argument("--memory_of", type=int, nargs=2, default=None, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.memory_of is not None:
        print(json.dumps(measure_memory(*args.memory_of)))
    elif args.memory:
        rows = []
        for words in (args.memory_words // 4, args.memory_words):
            command = [sys.executable, "-m", "benchmarks.static_map", "--memory_of", str(words), "768"]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
            rows.append({"words a side": words, "dimensions": 768, **json.loads(done.stdout)})
        report("static_map_memory", rows)
    else:
        compare(tuple(args.words), args.width, args.repeats)


if __name__ == "__main__":
    main()
