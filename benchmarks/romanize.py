"""Romanising with `Romanizer` against calling uroman line by line, one process against one process.

    python -m benchmarks.romanize --data ../shared/data [--lines 200] [--repeats 3] [--datasets sib200 bible]

CPU time, because machines are shared. The two are run in turns, and the medians are compared. "Cold" is a new
`Romanizer`, which has seen no text; "warm" is the same one on the same lines again. Loading uroman's tables, which
both do once, is left out. Every line's output is compared, and the rows say on how many lines it differs.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import uroman

from benchmarks._report import report
from hf_mplm.data.romanization.romanizer import Romanizer


def sib200(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The sentences of each language, without the header of each file."""
    for language in sorted(path for path in folder.iterdir() if path.is_dir()):
        texts: list[str] = []
        for split in ("train", "dev", "test"):
            rows = (language / f"{split}.tsv").read_bytes().decode("utf-8").split("\n")[1:]
            texts += [row.split("\t")[2] for row in rows if row.count("\t") >= 2]
        yield language.name, texts


def bible(folder: Path) -> Iterator[tuple[str, list[str]]]:
    """The verses of each language, without their numbers."""
    for file in sorted(folder.glob("*.tsv")):
        rows = file.read_bytes().decode("utf-8").split("\n")
        yield file.stem, [row.split("\t", 1)[1] for row in rows if "\t" in row]


DATASETS: dict[str, Callable[[Path], Iterator[tuple[str, list[str]]]]] = {"sib200": sib200, "bible": bible}


def line_by_line(reference: uroman.Uroman, texts: list[str]) -> list[str]:
    """What a user would write; a line on which uroman fails is skipped."""
    romanized = []
    for text in texts:
        try:
            romanized.append(reference.romanize_string(text))
        except AttributeError:
            romanized.append("")
    return romanized


def cpu_seconds(function: Callable[[], list[str]]) -> tuple[float, list[str]]:
    """CPU time of one call, and what it gave."""
    start = time.process_time()
    value = function()
    return time.process_time() - start, value


def compare(reference: uroman.Uroman, texts: list[str], repeats: int) -> dict[str, float]:
    """Medians of `repeats` turns of each, in seconds, and the lines that differ."""
    times: dict[str, list[float]] = {"uroman": [], "cold": [], "warm": []}
    differing = 0
    for _ in range(repeats):
        seconds, expected = cpu_seconds(lambda: line_by_line(reference, texts))
        times["uroman"].append(seconds)
        romanizer = Romanizer(on_error="empty")
        for name in ("cold", "warm"):
            seconds, romanized = cpu_seconds(lambda: romanizer(texts))  # noqa: B023
            times[name].append(seconds)
            differing += sum(mine != theirs for mine, theirs in zip(romanized, expected))
    return {**{name: statistics.median(values) for name, values in times.items()}, "differing": differing}


def measure(dataset: str, folder: Path, lines: int, repeats: int) -> tuple[list[dict[str, object]], dict[str, object]]:
    """A row a language, and one of all its languages together with one cold `Romanizer` for all."""
    reference = uroman.Uroman()
    rows: list[dict[str, object]] = []
    together: list[str] = []
    total = 0.0
    for language, texts in DATASETS[dataset](folder):
        texts = texts[:lines]
        found = compare(reference, texts, repeats)
        total += found["uroman"]
        together += texts
        rows.append(_row(dataset, language, len(texts), found))
    romanizer = Romanizer(on_error="empty")
    cold, _ = cpu_seconds(lambda: romanizer(together))
    warm, _ = cpu_seconds(lambda: romanizer(together))
    differing = sum(int(str(row["lines_that_differ"])) for row in rows)
    found = {"uroman": total, "cold": cold, "warm": warm, "differing": differing}
    return rows, _row(dataset, f"all {len(rows)}", len(together), found)


def _row(dataset: str, language: str, lines: int, found: dict[str, float]) -> dict[str, object]:
    return {
        "dataset": dataset,
        "language": language,
        "lines": lines,
        "uroman_lines_per_second": lines / found["uroman"],
        "cold_lines_per_second": lines / found["cold"],
        "warm_lines_per_second": lines / found["warm"],
        "cold_ratio": found["uroman"] / found["cold"],
        "warm_ratio": found["uroman"] / found["warm"],
        "lines_that_differ": int(found["differing"]),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(os.environ.get("HF_MPLM_DATA", "../shared/data")))
    parser.add_argument("--datasets", nargs="+", choices=sorted(DATASETS), default=sorted(DATASETS))
    parser.add_argument("--lines", type=int, default=200, help="lines of each language; sib200 has 1,004")
    parser.add_argument("--repeats", type=int, default=3, help="turns of each")
    arguments = parser.parse_args()
    missing = [name for name in arguments.datasets if not (arguments.data / name).is_dir()]
    if missing:
        parser.error(f"{arguments.data} has no folder {missing[0]}; name the folder of benchmark data with --data")
    rows: list[dict[str, object]] = []
    totals = []
    for dataset in arguments.datasets:
        languages, total = measure(dataset, arguments.data / dataset, arguments.lines, arguments.repeats)
        rows += languages
        totals.append(total)
    report("romanize", rows + totals)


if __name__ == "__main__":
    main()
