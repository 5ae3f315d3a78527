"""`hf-mplm compare`: compare runs of `evaluate`, with confidence intervals and a paired test."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from .parser import MplmArgumentParser


@dataclass
class CompareArguments:
    """Flags of `hf-mplm compare`."""

    runs: list[str] = field(
        metadata={"help": "Folders that `hf-mplm evaluate --output` wrote, or tables.", "metavar": "RUN"}
    )
    names: list[str] | None = field(
        default=None, metadata={"help": "What to call the models, in their order; their folders' names by default."}
    )
    output: str = field(default="comparison", metadata={"help": "Folder for comparison.md, .tex and .html."})
    mteb: str | None = field(
        default=None, metadata={"help": "Folder for MTEB's result files of what MTEB measures too."}
    )
    seed: int = field(default=0, metadata={"help": "Seed of the resampling."})


def make_parser() -> MplmArgumentParser:
    """The parser of `hf-mplm compare`."""
    return MplmArgumentParser(
        CompareArguments,
        positional="runs",
        prog="hf-mplm compare",
        description="Compare runs of `hf-mplm evaluate` by group of languages; the first one is what the others are "
        "compared with. A run is a folder with results.parquet, or the file itself.",
    )


def run(argv: Sequence[str]) -> int:
    """Compare; see [`CompareArguments`]."""
    (args,) = make_parser().parse(argv)
    from hf_mplm.evaluation.results import read_results
    from hf_mplm.report.compare import compare_runs, split_by_model
    from hf_mplm.report.comparison import markdown_report, write_comparison

    found = [part for path in args.runs for part in split_by_model(read_results(path), Path(path).name)]
    names = _names([name for name, _ in found], args.names)
    comparisons = compare_runs([rows for _, rows in found], seed=args.seed)
    # Written before anything is printed, so that `| head` does not cost the files.
    paths = write_comparison(args.output, comparisons, names)
    print(markdown_report(comparisons, names))
    unequal = [comparison for comparison in comparisons if comparison.coverage]
    if unequal:
        tasks = sorted({comparison.key[0] for comparison in unequal})
        print(
            f"hf-mplm compare: {', '.join(tasks)}: the runs scored different numbers of items, as where vocabularies "
            "differ; the notes of the report say which. accuracy@1 of bli counts what is not covered as a miss",
            file=sys.stderr,
        )
    for path in paths:
        print(f"wrote {path}")
    if args.mteb is not None:
        from .mteb import print_export

        for run in args.runs:
            print_export(read_results(run), args.mteb, run)
    return 0


def _names(found: list[str], given: list[str] | None) -> list[str]:
    """What the models are called, each otherwise than the others."""
    if given is None:
        if len(set(found)) == len(found):
            return found
        return [f"{name} ({number})" for number, name in enumerate(found, start=1)]
    if len(given) != len(found):
        raise ValueError(f"--names has {len(given)} names for {len(found)} models: {', '.join(found)}")
    if len(set(given)) < len(given):
        raise ValueError(f"--names gives two models one name: {', '.join(given)}")
    return given
