"""`hf-mplm compare`: compare runs of `evaluate`, with confidence intervals and a paired test."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path


def make_parser() -> argparse.ArgumentParser:
    """The parser of `hf-mplm compare`."""
    parser = argparse.ArgumentParser(
        prog="hf-mplm compare",
        description="Compare runs of `hf-mplm evaluate` by group of languages; the first one is what the others are "
        "compared with. A run is a folder with results.parquet, or the file itself.",
        allow_abbrev=False,
    )
    parser.add_argument("runs", nargs="+", metavar="RUN", help="Folders that `hf-mplm evaluate --output` wrote.")
    parser.add_argument("--names", default=None, help="What to call them, separated by commas; their folders' names.")
    parser.add_argument(
        "--output", default="comparison", help="Folder for comparison.md, .tex and .html (default: comparison)."
    )
    parser.add_argument(
        "--mteb", default=None, metavar="DIR", help="Folder for MTEB's result files of what MTEB measures too."
    )
    parser.add_argument("--seed", type=int, default=0, help="Seed of the resampling (default: 0).")
    return parser


def run(argv: Sequence[str]) -> int:
    """Compare; see [`make_parser`]."""
    args = make_parser().parse_args(list(argv))
    from hf_mplm.evaluation.results import read_results
    from hf_mplm.report.compare import compare_runs, split_by_model
    from hf_mplm.report.comparison import markdown_report, write_comparison

    found = [part for path in args.runs for part in split_by_model(read_results(path), Path(path).name)]
    names = [name for name, _ in found]
    if args.names is not None:
        given = [name.strip() for name in args.names.split(",")]
        if len(given) != len(names):
            raise ValueError(f"--names has {len(given)} names for {len(names)} models: {', '.join(names)}")
        names = given
    elif len(set(names)) < len(names):
        names = [f"{name} ({number})" for number, name in enumerate(names, start=1)]
    comparisons = compare_runs([rows for _, rows in found], seed=args.seed)
    # Written before anything is printed, so that `| head` does not cost the files.
    paths = write_comparison(args.output, comparisons, names)
    print(markdown_report(comparisons, names))
    for path in paths:
        print(f"wrote {path}")
    if args.mteb is not None:
        from .mteb import print_export

        for run in args.runs:
            print_export(read_results(run), args.mteb, run)
    return 0
